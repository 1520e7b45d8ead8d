/*
 * Deltas as OpenAI's chunks (surfaces §3.3): first the role, then a chunk for each thing that came, the finish reason in
 * one of its own, and usage behind it if it was asked for.
 */
#include "wire/openai_chat/shape.h"
#include "wire/openai_chat/write_chunks.h"

#define HEAD_END  "{\"index\":0,\"delta\":"
#define INDEX_END "0,\"delta\":"

static void print_head(struct pen *p, const struct answer *a)
{
	pen_lit(p, "data: {\"id\":");
	chat_put_id(p, a);
	pen_lit(p, ",\"object\":\"chat.completion.chunk\",\"created\":");
	pen_u64(p, (uint64_t)a->created);
	pen_lit(p, ",\"model\":");
	pen_string(p, a->model);
	pen_lit(p, ",\"choices\":[" HEAD_END);
}

static void print_tail(struct pen *p, const struct answer *a)
{
	(void)a;
	pen_lit(p, ",\"logprobs\":null,\"finish_reason\":null}]");
}

static void chunk_open(const struct wire_writer *w, struct pen *p)
{
	if (w->choice) {
		pen_bytes(p, bytes_slice(w->head, 0, w->head.n - B(INDEX_END).n));
		pen_u64(p, w->choice);
		pen_lit(p, ",\"delta\":");
	} else {
		pen_bytes(p, w->head);
	}
	p->comma = true;
}

static void chunk_close(const struct wire_writer *w, struct pen *p)
{
	pen_bytes(p, w->tail);
}

/* With usage asked for, every chunk says that it is not the one that has it. */
static void put_no_usage(const struct wire_writer *w, struct pen *p)
{
	if (w->a->include_usage)
		pen_lit(p, ",\"usage\":null");
}

static void chunk_end(const struct wire_writer *w, struct pen *p)
{
	chunk_close(w, p);
	put_no_usage(w, p);
	pen_lit(p, "}\n\n");
}

/* ---- the parts ---- */

static void put_role(struct wire_writer *w, struct pen *p)
{
	if (w->role_sent & CHOICE_BIT(w->choice))
		return;
	w->role_sent |= CHOICE_BIT(w->choice);
	chunk_open(w, p);
	pen_lit(p, "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}");
	chunk_end(w, p);
}

static void put_single(struct wire_writer *w, struct pen *p, struct bytes name, struct bytes text)
{
	put_role(w, p);
	chunk_open(w, p);
	pen_bytes(p, name);
	pen_string(p, text);
	pen_lit(p, "}");
	chunk_end(w, p);
}

/* Where a block stands among those that come back: a thought without a signature does not. */
static size_t place_of(const struct wire_writer *w, size_t block)
{
	size_t n = 0;

	for (size_t i = 0; i < block; i++)
		n += w->blocks[i].type != PART_THOUGHT || w->blocks[i].sealed;
	return n;
}

static void put_seal(struct wire_writer *w, struct pen *p, const struct part *part, size_t block)
{
	struct part seal = *part;

	w->blocks[block].sealed = true;
	seal.text = (struct bytes){ NULL, 0 };
	put_role(w, p);
	chunk_open(w, p);
	pen_lit(p, "{\"tensorzero_extra_content\":[");
	chunk_put_extra(p, &seal, place_of(w, block));
	pen_lit(p, "]}");
	chunk_end(w, p);
}

static void put_legacy_call(struct wire_writer *w, struct pen *p, const struct part *part,
			    bool fresh)
{
	if (fresh || bytes_set(part->name)) {
		chunk_open(w, p);
		pen_lit(p, "{\"function_call\":{\"name\":");
		pen_string(p, part->name);
		pen_lit(p, ",\"arguments\":\"\"}}");
		chunk_end(w, p);
	}
	if (part->arguments.n == 0)
		return;
	chunk_open(w, p);
	pen_lit(p, "{\"function_call\":{\"arguments\":");
	pen_string(p, part->arguments);
	pen_lit(p, "}}");
	chunk_end(w, p);
}

static void call_begin(struct wire_writer *w, struct pen *p, size_t index)
{
	chunk_open(w, p);
	pen_lit(p, "{\"tool_calls\":[{\"index\":");
	pen_u64(p, index);
}

static void put_call_chunks(struct wire_writer *w, struct pen *p, const struct part *part,
			    size_t block, bool fresh)
{
	size_t index = chunk_call_index(w, block);

	put_role(w, p);
	w->called |= CHOICE_BIT(w->choice);
	if (chat_is_legacy(w->a)) {
		if (index == 0) /* that form has room for one */
			put_legacy_call(w, p, part, fresh);
		return;
	}
	if (fresh || bytes_set(part->name)) {
		call_begin(w, p, index);
		if (fresh) {
			pen_text(p, "id", part->id);
			pen_text(p, "type", part->custom ? B("custom") : B("function"));
		}
		pen_bytes(p, part->custom ? B(",\"custom\":{\"name\":")
					  : B(",\"function\":{\"name\":"));
		pen_string(p, part->name);
		if (fresh)
			pen_bytes(p,
				  part->custom ? B(",\"input\":\"\"") : B(",\"arguments\":\"\""));
		pen_lit(p, "}}]}");
		chunk_end(w, p);
	}
	if (part->arguments.n == 0)
		return;
	call_begin(w, p, index);
	pen_bytes(p,
		  part->custom ? B(",\"custom\":{\"input\":") : B(",\"function\":{\"arguments\":"));
	pen_string(p, part->arguments);
	pen_lit(p, "}}]}");
	chunk_end(w, p);
}

static void put_part(struct wire_writer *w, struct pen *p, const struct part *part, size_t block,
		     bool fresh)
{
	w->choice = part->choice;
	switch (part->type) {
	case PART_TEXT:
		if (part->text.n > 0)
			put_single(w, p, B("{\"content\":"), part->text);
		break;
	case PART_REFUSAL: put_single(w, p, B("{\"refusal\":"), part->text); break;
	case PART_THOUGHT:
		if (part->text.n > 0 && w->a->reasoning_to_client)
			put_single(w, p, B("{\"reasoning_content\":"), part->text);
		else if (part->summary_text.n > 0 && w->a->reasoning_to_client)
			put_single(w, p, B("{\"reasoning_content\":"), part->summary_text);
		if (bytes_set(part->signature))
			put_seal(w, p, part, block);
		break;
	case PART_TOOL_CALL:
		if (!w->a->json_tool)
			put_call_chunks(w, p, part, block, fresh);
		else if (part->arguments.n > 0)
			put_single(w, p, B("{\"content\":"), part->arguments);
		break;
	case PART_UNKNOWN: break;
	}
}

static int write_delta(struct wire_writer *w, struct pen *p, const struct delta *d)
{
	struct places at;

	if (chunk_places(w, d, &at))
		return -1;
	for (size_t i = 0; i < d->len; i++)
		put_part(w, p, &d->parts[i], at.block[i], at.fresh[i]);
	w->choice = d->choices ? (unsigned)__builtin_ctz(d->choices) : 0;
	if (bytes_set(d->annotations)) {
		put_role(w, p);
		chunk_open(w, p);
		pen_lit(p, "{\"annotations\":");
		chat_put_annotations(p, d->annotations);
		pen_lit(p, "}");
		chunk_end(w, p);
	}
	if (chunk_shows_raw(w, d)) {
		put_role(w, p);
		chunk_open(w, p);
		pen_lit(p, "{}");
		chunk_close(w, p);
		put_no_usage(w, p);
		chunk_put_raws(w, p, d);
		pen_lit(p, "}\n\n");
	}
	w->choice = 0;
	return pen_done(p);
}

static void put_finish(struct wire_writer *w, struct pen *p, unsigned choice,
		       enum finish_reason finish)
{
	if (w->finish_sent & CHOICE_BIT(choice))
		return;
	w->choice = choice;
	put_role(w, p);
	chunk_open(w, p);
	pen_lit(p, "{},\"logprobs\":null,\"finish_reason\":");
	chat_put_finish(p, w->a, finish, w->called & CHOICE_BIT(choice));
	pen_lit(p, "}]");
	put_no_usage(w, p);
	pen_lit(p, "}\n\n");
}

static void write_end(struct wire_writer *w, struct pen *p, const struct result *r)
{
	put_finish(w, p, r->choice, r->finish);
	for (size_t i = 0; i < r->nothers; i++)
		put_finish(w, p, r->others[i].choice, r->others[i].finish);
	if (!w->a->include_usage || w->usage_sent)
		return;
	/* the head ends with the first choice, which this chunk has not */
	pen_bytes(p, bytes_slice(w->head, 0, w->head.n - B(HEAD_END).n));
	pen_lit(p, "],\"usage\":");
	if (chat_passes(w->a) && bytes_set(r->raw_usage) &&
	    shape_is_usage(json_parse(r->raw_usage, w->arena)))
		pen_bytes(p, r->raw_usage);
	else
		chat_put_usage(p, w->a, &r->usage);
	pen_lit(p, "}\n\n");
}

const struct chunk_shape chunks_openai = {
	.print_head = print_head,
	.print_tail = print_tail,
	.open = chunk_open,
	.close = chunk_close,
	.write_delta = write_delta,
	.write_end = write_end,
};
