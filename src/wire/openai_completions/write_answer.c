/*
 * Answers in text: of a result its texts and refusals, of a stream one chunk for each piece of them. What the prompt's
 * echo, finish reason and usage look like is that of the plain answer.
 */
#include "wire/openai_completions/openai_completions.h"

#include "base/pen.h"

#define HEAD_MAX (64u << 10) /* of a chunk, but for the model's name */

struct wire_writer {
	const struct answer *answer;
	struct bytes head; /* a chunk up to its text */
	bool echoed, over; /* over: an error was written, only [DONE] may follow */
};

/* {"id":"cmpl-…","object":"text_completion","created":…,"model":"…","choices":[ */
static void put_head(struct pen *p, const struct answer *a)
{
	char hex[33];

	uuid_hex(a->inference_id, hex);
	pen_lit(p, "{\"id\":\"cmpl-");
	pen_bytes(p, (struct bytes){ hex, 32 });
	pen_lit(p, "\",\"object\":\"text_completion\",\"created\":");
	pen_u64(p, (uint64_t)a->created);
	pen_lit(p, ",\"model\":");
	pen_string(p, a->model);
	pen_lit(p, ",\"choices\":[");
}

static struct bytes echo_of(const struct answer *a)
{
	return ((const struct completions_request *)(const void *)a->asked)->echo;
}

static bool is_shown(enum block_type type)
{
	return type == BLOCK_TEXT || type == BLOCK_REFUSAL;
}

static void put_finish(struct pen *p, const struct answer *a, enum finish_reason finish)
{
	pen_lit(p, ",\"logprobs\":null,\"finish_reason\":");
	chat_put_finish(p, a, finish == FINISH_TOOL_CALL ? FINISH_STOP : finish, false);
	pen_lit(p, "}]");
}

int openai_completions_write_result(const struct answer *a, const struct result *r, struct buf *out)
{
	struct pen p = { .b = out };
	bool any = false;

	put_head(&p, a);
	pen_lit(&p, "{\"text\":");
	pen_more(&p, echo_of(a), &any);
	for (size_t i = 0; i < r->len; i++)
		if (is_shown(r->content[i].type))
			pen_more(&p, r->content[i].text, &any);
	pen_lit(&p, ",\"index\":0");
	put_finish(&p, a, r->finish);
	pen_lit(&p, ",\"usage\":");
	chat_put_usage(&p, a, &r->usage);
	pen_lit(&p, "}");
	return pen_done(&p);
}

struct wire_writer *openai_completions_writer_new(const struct answer *a, struct arena *arena)
{
	struct wire_writer *w = arena_new(arena, struct wire_writer);
	struct buf head;
	struct pen p = { .b = &head };

	if (!w)
		return NULL;
	w->answer = a;
	buf_init(&head, HEAD_MAX + a->model.n * 6); /* an escape has six bytes */
	pen_lit(&p, "data: ");
	put_head(&p, a);
	if (pen_done(&p) == 0)
		w->head = arena_adopt(arena, &head);
	buf_deinit(&head);
	return bytes_set(w->head) ? w : NULL;
}

static void put_chunk(struct wire_writer *w, struct pen *p, struct bytes text)
{
	pen_bytes(p, w->head);
	pen_lit(p, "{\"text\":");
	pen_string(p, text);
	pen_lit(p, ",\"index\":0,\"logprobs\":null,\"finish_reason\":null}]");
	if (w->answer->include_usage)
		pen_lit(p, ",\"usage\":null");
	pen_lit(p, "}\n\n");
}

static void put_echo(struct wire_writer *w, struct pen *p)
{
	if (!w->echoed && echo_of(w->answer).n)
		put_chunk(w, p, echo_of(w->answer));
	w->echoed = true;
}

int openai_completions_write_delta(struct wire_writer *w, const struct delta *d, struct buf *out)
{
	struct pen p = { .b = out };

	put_echo(w, &p);
	for (size_t i = 0; i < d->len; i++)
		if ((d->parts[i].type == PART_TEXT || d->parts[i].type == PART_REFUSAL) &&
		    d->parts[i].text.n)
			put_chunk(w, &p, d->parts[i].text);
	return pen_done(&p);
}

int openai_completions_write_end(struct wire_writer *w, const struct result *r, struct buf *out)
{
	struct pen p = { .b = out };

	if (!w->over) {
		put_echo(w, &p);
		pen_bytes(&p, w->head);
		pen_lit(&p, "{\"text\":\"\",\"index\":0");
		put_finish(&p, w->answer, r->finish);
		if (w->answer->include_usage) {
			pen_lit(&p, ",\"usage\":null}\n\n");
			pen_bytes(&p, w->head);
			pen_lit(&p, "],\"usage\":");
			chat_put_usage(&p, w->answer, &r->usage);
		}
		pen_lit(&p, "}\n\n");
	}
	pen_lit(&p, "data: [DONE]\n\n");
	return pen_done(&p);
}

int openai_completions_write_stream_error(struct wire_writer *w, const struct error *e, int status,
					  struct buf *out)
{
	struct pen p = { .b = out };

	if (w->over)
		return 0;
	w->over = true;
	pen_lit(&p, "data: ");
	if (openai_write_error(e, status, out))
		return -1;
	pen_lit(&p, "\n\n");
	return pen_done(&p);
}
