/*
 * Deltas -> the client's event stream (http-api §12.6, surfaces §3.3): what is common to the two shapes of it
 * (chunks_tensorzero.c, chunks_openai.c) and to an upstream's own events (edit_chunks.c).
 *
 * What is the same in every chunk is printed once, as `head` and `tail`; a delta only prints what stands between.
 * Usage and finish reason are taken out of all chunks but the last ones: TensorZero sends both in one final chunk,
 * OpenAI the reason with the last delta and the usage in a chunk without choices.
 */
#include "wire/openai_chat/write_chunks.h"

#include "base/error.h"

#define MAX_PRINTED (64u << 10) /* of head and tail: they hold the model's name */
#define MAX_BLOCKS  1024

static int print_kept(struct wire_writer *w, void (*print)(struct pen *, const struct answer *),
		      struct bytes *kept)
{
	struct buf b;
	struct pen p = { .b = &b };

	buf_init(&b, MAX_PRINTED);
	print(&p, w->a);
	if (!p.failed)
		*kept = arena_dup(w->arena, buf_bytes(&b));
	buf_deinit(&b);
	return bytes_set(*kept) ? 0 : -1;
}

struct wire_writer *openai_chat_writer_new(const struct answer *a, struct arena *arena)
{
	struct wire_writer *w = arena_new(arena, struct wire_writer);

	if (!w)
		return NULL;
	w->a = a;
	w->arena = arena;
	w->shape = a->options->tensorzero_shape ? &chunks_tensorzero : &chunks_openai;
	w->raws_pending = a->include_raw_response && a->nfailed > 0;
	return print_kept(w, w->shape->print_head, &w->head) ||
			       print_kept(w, w->shape->print_tail, &w->tail)
		       ? NULL
		       : w;
}

/* ---- blocks and indexes ---- */

static int block_begin(struct wire_writer *w, const struct part *p)
{
	struct begun b = { .type = p->type, .choice = p->choice, .id = arena_dup(w->arena, p->id) };

	if (w->nblocks == MAX_BLOCKS)
		return fail(ERR_TOO_LARGE, "a stream of more than %d blocks", MAX_BLOCKS);
	if (bytes_set(p->id) && !bytes_set(b.id))
		return -1;
	return arena_push(w->arena, w->blocks, w->nblocks, w->cblocks, b) ? 0 : -1;
}

static bool find_block(const struct wire_writer *w, const struct part *p, size_t *block)
{
	for (size_t i = w->nblocks; i-- > 0;) {
		if (w->blocks[i].type == p->type && w->blocks[i].choice == p->choice &&
		    bytes_eq(w->blocks[i].id, p->id)) {
			*block = i;
			return true;
		}
	}
	return false;
}

int chunk_places(struct wire_writer *w, const struct delta *d, struct places *at)
{
	for (size_t i = 0; i < d->len; i++) {
		at->fresh[i] = !find_block(w, &d->parts[i], &at->block[i]);
		if (!at->fresh[i])
			continue;
		if (block_begin(w, &d->parts[i]))
			return -1;
		at->block[i] = w->nblocks - 1;
	}
	return 0;
}

size_t chunk_call_index(const struct wire_writer *w, size_t block)
{
	size_t n = 0;

	for (size_t i = 0; i < block; i++)
		n += w->blocks[i].type == PART_TOOL_CALL &&
		     w->blocks[i].choice == w->blocks[block].choice;
	return n;
}

/* ---- members of both shapes ---- */

void chunk_put_extra(struct pen *p, const struct part *part, size_t block)
{
	bool thought = part->type == PART_THOUGHT;

	pen_open(p, '{');
	pen_text(p, "type", thought ? B("thought") : B("unknown"));
	pen_number(p, "insert_index", block);
	pen_text(p, "id", part->id);
	if (thought) {
		pen_key(p, "text");
		pen_string_or_null(p, part->text);
		pen_key(p, "signature");
		pen_string_or_null(p, part->signature);
		pen_key(p, "summary_id");
		pen_string_or_null(p, part->summary_id);
		pen_key(p, "summary_text");
		pen_string_or_null(p, part->summary_text);
		pen_set(p, "provider_type", part->provider_type);
		pen_json(p, "extra_data", part->extra_data);
	} else {
		pen_json(p, "data", part->text);
	}
	pen_close(p, '}');
}

bool chunk_shows_raw(const struct wire_writer *w, const struct delta *d)
{
	const struct answer *a = w->a;

	return !a->cached &&
	       ((a->include_raw_usage && bytes_set(d->raw_usage)) ||
		((a->include_raw_response || a->include_original_response) && d->raw.n > 0));
}

void chunk_put_raws(const struct wire_writer *w, struct pen *p, const struct delta *d)
{
	const struct answer *a = w->a;

	if (a->cached)
		return;
	if (a->include_raw_usage && bytes_set(d->raw_usage))
		chat_put_raw_usage(p, a, d->raw_usage);
	if (a->include_original_response && d->raw.n > 0)
		pen_text(p, "tensorzero_original_chunk", d->raw);
	if (a->include_raw_response && d->raw.n > 0)
		pen_text(p, "tensorzero_raw_chunk", d->raw);
}

/* Raw answers of failed attempts, in a chunk of their own before the first. */
static void put_failed_raws(struct wire_writer *w, struct pen *p)
{
	if (!w->raws_pending)
		return;
	w->raws_pending = false;
	w->shape->open(w, p);
	pen_bytes(p, w->role_sent ? B("{}") : B("{\"role\":\"assistant\"}"));
	w->role_sent = CHOICE_BIT(0);
	w->shape->close(w, p);
	pen_lit(p, ",\"tensorzero_raw_response\":[");
	chat_put_failed(p, w->a);
	pen_lit(p, "]}\n\n");
}

/* ---- the stream ---- */

int openai_chat_write_delta(struct wire_writer *w, const struct delta *d, struct buf *out)
{
	struct pen p = { .b = out };

	if (w->stream_broken)
		return 0;
	put_failed_raws(w, &p);
	return chat_passes(w->a) && d->forward ? chunk_pass(w, &p, d)
					       : w->shape->write_delta(w, &p, d);
}

int openai_chat_write_end(struct wire_writer *w, const struct result *r, struct buf *out)
{
	struct pen p = { .b = out };

	if (!w->stream_broken) {
		put_failed_raws(w, &p);
		w->shape->write_end(w, &p, r);
	}
	pen_lit(&p, "data: [DONE]\n\n");
	return pen_done(&p);
}

int openai_chat_write_stream_error(struct wire_writer *w, const struct error *e, int status,
				   struct buf *out)
{
	struct pen p = { .b = out };

	if (w->stream_broken)
		return 0;
	w->stream_broken = w->a->options->error_ends_stream;
	pen_lit(&p, "data: ");
	if (openai_write_error(e, status, out))
		return -1;
	if (w->a->include_raw_response && e->upstream_body.n > 0) {
		out->len--; /* into the object */
		pen_lit(&p, ",\"tensorzero_raw_chunk\":");
		pen_string(&p, e->upstream_body);
		pen_lit(&p, "}");
	}
	pen_lit(&p, "\n\n");
	return pen_done(&p);
}
