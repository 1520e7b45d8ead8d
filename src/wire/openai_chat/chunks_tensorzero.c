/*
 * Deltas as TensorZero's chunks (http-api §12.6): one chunk a delta, with all of its texts, calls and further content.
 */
#include "wire/openai_chat/write_chunks.h"

static void print_head(struct pen *p, const struct answer *a)
{
	pen_lit(p, "data: {\"id\":");
	chat_put_id(p, a);
	pen_lit(p, ",\"episode_id\":");
	chat_put_uuid(p, a->episode_id);
	pen_lit(p, ",\"choices\":[{\"index\":0,\"finish_reason\":");
}

static void print_tail(struct pen *p, const struct answer *a)
{
	pen_head(p, "}]");
	pen_number(p, "created", (uint64_t)a->created);
	pen_text(p, "model", a->model);
	pen_lit(p,
		",\"system_fingerprint\":\"\",\"service_tier\":null,\"object\":\"chat.completion.chunk\",\"usage\":");
}

static void chunk_open(const struct wire_writer *w, struct pen *p)
{
	pen_bytes(p, w->head);
	p->comma = true;
	pen_lit(p, "null,\"logprobs\":null,\"delta\":");
}

static void chunk_close(const struct wire_writer *w, struct pen *p)
{
	pen_bytes(p, w->tail);
	pen_lit(p, "null");
}

/* ---- the delta object ---- */

static bool is_content(const struct wire_writer *w, const struct part *p)
{
	return p->type == PART_TEXT || (p->type == PART_TOOL_CALL && w->a->json_tool);
}

static void put_content(struct wire_writer *w, struct pen *p, const struct delta *d)
{
	bool any = false;

	for (size_t i = 0; i < d->len; i++) {
		const struct part *part = &d->parts[i];

		if (!is_content(w, part))
			continue;
		if (!any)
			pen_key(p, "content");
		pen_more(p, part->type == PART_TOOL_CALL ? part->arguments : part->text, &any);
	}
}

static void put_refusal(struct pen *p, const struct delta *d)
{
	bool any = false;

	for (size_t i = 0; i < d->len; i++) {
		if (d->parts[i].type != PART_REFUSAL)
			continue;
		if (!any)
			pen_key(p, "refusal");
		pen_more(p, d->parts[i].text, &any);
	}
}

static void put_call(struct wire_writer *w, struct pen *p, const struct part *part, size_t block,
		     bool fresh)
{
	pen_lit(p, "{\"id\":");
	pen_string_or_null(p, fresh ? part->id : (struct bytes){ NULL, 0 });
	pen_number(p, "index", chunk_call_index(w, block));
	pen_lit(p, ",\"type\":\"function\",\"function\":{\"name\":");
	pen_string(p, part->name);
	pen_text(p, "arguments", part->arguments);
	pen_lit(p, "}}");
}

static void put_calls(struct wire_writer *w, struct pen *p, const struct delta *d,
		      const struct places *at)
{
	bool any = false;

	for (size_t i = 0; i < d->len; i++) {
		if (d->parts[i].type != PART_TOOL_CALL || w->a->json_tool)
			continue;
		pen_list_item(p, "tool_calls", &any);
		put_call(w, p, &d->parts[i], at->block[i], at->fresh[i]);
	}
	pen_list_end(p, any);
}

static void put_extra(struct pen *p, const struct delta *d, const struct places *at)
{
	bool any = false;

	for (size_t i = 0; i < d->len; i++) {
		if (d->parts[i].type != PART_THOUGHT && d->parts[i].type != PART_UNKNOWN)
			continue;
		pen_list_item(p, "tensorzero_extra_content", &any);
		chunk_put_extra(p, &d->parts[i], at->block[i]);
	}
	pen_list_end(p, any);
}

/* The delta object, with the role if it is the stream's first. */
static int put_delta(struct wire_writer *w, struct pen *p, const struct delta *d)
{
	struct places at;

	if (chunk_places(w, d, &at))
		return -1;
	pen_open(p, '{');
	if (!w->role_sent)
		pen_text(p, "role", B("assistant"));
	w->role_sent = CHOICE_BIT(0);
	put_content(w, p, d);
	put_refusal(p, d);
	put_calls(w, p, d, &at);
	put_extra(p, d, &at);
	pen_close(p, '}');
	return 0;
}

static int write_delta(struct wire_writer *w, struct pen *p, const struct delta *d)
{
	if (d->len == 0 && !chunk_shows_raw(w, d))
		return 0;
	chunk_open(w, p);
	if (put_delta(w, p, d))
		return -1;
	chunk_close(w, p);
	chunk_put_raws(w, p, d);
	pen_lit(p, "}\n\n");
	return pen_done(p);
}

static void write_end(struct wire_writer *w, struct pen *p, const struct result *r)
{
	pen_bytes(p, w->head);
	if (r->finish == FINISH_UNSET)
		pen_lit(p, "null");
	else
		chat_put_finish(p, w->a, r->finish, false);
	pen_lit(p, ",\"logprobs\":null,\"delta\":");
	pen_bytes(p, w->role_sent ? B("{}") : B("{\"role\":\"assistant\"}"));
	w->role_sent = CHOICE_BIT(0);
	pen_bytes(p, w->tail);
	if (w->a->include_usage || w->a->include_raw_usage)
		chat_put_usage(p, w->a, &r->usage);
	else
		pen_lit(p, "null");
	pen_lit(p, "}\n\n");
}

const struct chunk_shape chunks_tensorzero = {
	.print_head = print_head,
	.print_tail = print_tail,
	.open = chunk_open,
	.close = chunk_close,
	.write_delta = write_delta,
	.write_end = write_end,
};
