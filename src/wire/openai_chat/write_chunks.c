/*
 * Deltas -> the client's event stream (http-api §12.6, surfaces §3.3).
 *
 * What is the same in every chunk is printed once, as `head` and `tail`; a delta only prints what stands between.
 * Where the upstream speaks the same format (profile `openai`) its events go out as they came, with `id`, `model`,
 * `usage` and, where it is wrong, `finish_reason` edited.
 *
 * Usage and finish reason are taken out of all chunks but the last ones: TensorZero sends both in one final chunk,
 * OpenAI the reason with the last delta and the usage in a chunk without choices.
 */
#include "wire/openai_chat/write_answer.h"

#include "base/error.h"
#include "base/json.h"
#include "wire/json_edit.h"
#include "wire/openai_chat/alike.h"

#define MAX_PRINTED (64u << 10) /* of head and tail: they hold the model's name */
#define MAX_BLOCKS  1024

/* A block that was begun: what indexes count. */
struct begun {
	enum part_type type;
	struct bytes id;
};

struct wire_writer {
	const struct answer *a;
	struct arena *arena;
	struct bytes head, tail; /* "data: {…"delta":" and what follows the delta, up to usage */
	struct begun *blocks;
	size_t nblocks, cblocks, ncalls;
	bool role_sent, called, finish_sent, usage_sent, broken;
	bool raws_pending; /* the failed attempts' raw entries are not out yet */
	/* pass-through: the kind of event that came last (delta.alike), and what comes of it around the holes */
	const char *alike;
	struct bytes pieces[DELTA_HOLES + 1]; /* [0] unset: such events are edited one by one */
};

static int print_head(struct wire_writer *w, struct pen *p)
{
	const struct answer *a = w->a;

	pen_lit(p, "data: {\"id\":");
	chat_put_id(p, a);
	if (a->profile == PROFILE_OPENAI) {
		pen_lit(p, ",\"object\":\"chat.completion.chunk\",\"created\":");
		pen_u64(p, (uint64_t)a->created);
		pen_lit(p, ",\"model\":");
		pen_string(p, a->model);
		pen_lit(p, ",\"choices\":[{\"index\":0,\"delta\":");
	} else {
		pen_lit(p, ",\"episode_id\":");
		chat_put_uuid(p, a->episode_id);
		pen_lit(p, ",\"choices\":[{\"index\":0,\"finish_reason\":");
	}
	w->head = arena_dup(w->arena, buf_bytes(p->b));
	return bytes_set(w->head) && !p->failed ? 0 : -1;
}

static int print_tail(struct wire_writer *w, struct pen *p)
{
	const struct answer *a = w->a;

	if (a->profile == PROFILE_OPENAI) {
		w->tail = B("}]");
		return 0;
	}
	pen_lit(p, "}],\"created\":");
	pen_u64(p, (uint64_t)a->created);
	pen_lit(p, ",\"model\":");
	pen_string(p, a->model);
	pen_lit(p,
		",\"system_fingerprint\":\"\",\"service_tier\":null,\"object\":\"chat.completion.chunk\",\"usage\":");
	w->tail = arena_dup(w->arena, buf_bytes(p->b));
	return bytes_set(w->tail) && !p->failed ? 0 : -1;
}

struct wire_writer *openai_chat_writer_new(const struct answer *a, struct arena *arena)
{
	struct wire_writer *w = arena_new(arena, struct wire_writer);
	struct buf b;
	struct pen p = { .b = &b };
	int bad;

	if (!w)
		return NULL;
	w->a = a;
	w->arena = arena;
	w->raws_pending = a->include_raw_response && a->failed_raw.n > 0;
	buf_init(&b, MAX_PRINTED);
	bad = print_head(w, &p);
	buf_reset(&b);
	if (!bad)
		bad = print_tail(w, &p);
	buf_deinit(&b);
	return bad ? NULL : w;
}

/* --- blocks and indexes ----------------------------------------------------------------------- */

/* The position of the part's block among all that were begun; *fresh: it begins with this part. */
static ptrdiff_t block_index(struct wire_writer *w, const struct part *p, bool *fresh)
{
	struct begun b = { .type = p->type };

	for (size_t i = w->nblocks; i-- > 0;)
		if (w->blocks[i].type == p->type && bytes_eq(w->blocks[i].id, p->id)) {
			*fresh = false;
			return (ptrdiff_t)i;
		}
	*fresh = true;
	if (w->nblocks == MAX_BLOCKS)
		return fail(ERR_TOO_LARGE, "a stream of more than %d blocks", MAX_BLOCKS);
	b.id = arena_dup(w->arena, p->id);
	if ((bytes_set(p->id) && !bytes_set(b.id)) ||
	    !arena_push(w->arena, w->blocks, w->nblocks, w->cblocks, b))
		return -1;
	w->ncalls += p->type == PART_TOOL_CALL;
	return (ptrdiff_t)w->nblocks - 1;
}

static size_t call_index(const struct wire_writer *w, ptrdiff_t block)
{
	size_t n = 0;

	for (ptrdiff_t i = 0; i < block; i++)
		n += w->blocks[i].type == PART_TOOL_CALL;
	return n;
}

static void more_text(struct pen *p, struct bytes text, bool *any)
{
	size_t seam = p->b->len;

	pen_string(p, text);
	if (*any && !p->failed) {
		memmove(p->b->data + seam - 1, p->b->data + seam + 1, p->b->len - seam - 1);
		p->b->len -= 2;
	}
	*any = true;
}

/* --- profile tensorzero ----------------------------------------------------------------------- */

struct delta_keys {
	struct pen *p;
	bool any;
};

static void key(struct delta_keys *k, struct bytes name)
{
	if (k->any)
		pen_lit(k->p, ",");
	k->any = true;
	pen_bytes(k->p, name);
}

static bool is_call(const struct wire_writer *w, const struct part *p)
{
	return p->type == PART_TOOL_CALL && !w->a->json_tool;
}

static bool is_content(const struct wire_writer *w, const struct part *p)
{
	return p->type == PART_TEXT || (p->type == PART_TOOL_CALL && w->a->json_tool);
}

static void put_texts(struct wire_writer *w, const struct delta *d, struct delta_keys *k,
		      enum part_type type)
{
	bool any = false;

	for (size_t i = 0; i < d->len; i++) {
		const struct part *part = &d->parts[i];

		if (type == PART_REFUSAL ? part->type != PART_REFUSAL : !is_content(w, part))
			continue;
		if (!any)
			key(k, type == PART_REFUSAL ? B("\"refusal\":") : B("\"content\":"));
		more_text(k->p, part->type == PART_TOOL_CALL ? part->arguments : part->text, &any);
	}
}

static void put_call(struct wire_writer *w, struct pen *p, const struct part *part, ptrdiff_t block,
		     bool fresh)
{
	pen_lit(p, "{\"id\":");
	if (fresh)
		pen_string(p, part->id);
	else
		pen_lit(p, "null");
	pen_lit(p, ",\"index\":");
	pen_u64(p, call_index(w, block));
	pen_lit(p, ",\"type\":\"function\",\"function\":{\"name\":");
	pen_string(p, bytes_set(part->name) ? part->name : B(""));
	pen_lit(p, ",\"arguments\":");
	pen_string(p, part->arguments);
	pen_lit(p, "}}");
}

static void put_extra(struct pen *p, const struct part *part, ptrdiff_t block)
{
	bool thought = part->type == PART_THOUGHT;

	pen_bytes(p, thought ? B("{\"type\":\"thought\",\"insert_index\":")
			     : B("{\"type\":\"unknown\",\"insert_index\":"));
	pen_u64(p, (uint64_t)block);
	pen_lit(p, ",\"id\":");
	pen_string(p, part->id);
	if (thought) {
		pen_lit(p, ",\"text\":");
		pen_string_or_null(p, part->text);
		pen_lit(p, ",\"signature\":");
		pen_string_or_null(p, part->signature);
		pen_lit(p, ",\"summary_id\":");
		pen_string_or_null(p, part->summary_id);
		pen_lit(p, ",\"summary_text\":");
		pen_string_or_null(p, part->summary_text);
		pen_field(p, ",\"provider_type\":", part->provider_type);
		if (bytes_set(part->extra_data)) {
			pen_lit(p, ",\"extra_data\":");
			pen_bytes(p, part->extra_data);
		}
	} else {
		pen_lit(p, ",\"data\":");
		pen_bytes(p, part->text);
	}
	pen_lit(p, "}");
}

/* Where each part of the delta stands; blocks begin in the order of the parts. */
struct places {
	ptrdiff_t block[DELTA_PARTS];
	bool fresh[DELTA_PARTS];
};

static int find_places(struct wire_writer *w, const struct delta *d, struct places *at)
{
	for (size_t i = 0; i < d->len; i++) {
		at->block[i] = block_index(w, &d->parts[i], &at->fresh[i]);
		if (at->block[i] < 0)
			return -1;
	}
	return 0;
}

static void put_lists(struct wire_writer *w, const struct delta *d, const struct places *at,
		      struct delta_keys *k)
{
	bool first = true;

	for (size_t i = 0; i < d->len; i++) {
		if (!is_call(w, &d->parts[i]))
			continue;
		if (first)
			key(k, B("\"tool_calls\":["));
		else
			pen_lit(k->p, ",");
		first = false;
		put_call(w, k->p, &d->parts[i], at->block[i], at->fresh[i]);
	}
	if (!first)
		pen_lit(k->p, "]");
	first = true;
	for (size_t i = 0; i < d->len; i++) {
		if (d->parts[i].type != PART_THOUGHT && d->parts[i].type != PART_UNKNOWN)
			continue;
		if (first)
			key(k, B("\"tensorzero_extra_content\":["));
		else
			pen_lit(k->p, ",");
		first = false;
		put_extra(k->p, &d->parts[i], at->block[i]);
	}
	if (!first)
		pen_lit(k->p, "]");
}

/* The delta object, with the role if it is the stream's first. */
static int put_delta(struct wire_writer *w, struct pen *p, const struct delta *d)
{
	struct delta_keys k = { .p = p };
	struct places at;

	if (find_places(w, d, &at) < 0)
		return -1;
	pen_lit(p, "{");
	if (!w->role_sent)
		key(&k, B("\"role\":\"assistant\""));
	w->role_sent = true;
	put_texts(w, d, &k, PART_TEXT);
	put_texts(w, d, &k, PART_REFUSAL);
	put_lists(w, d, &at, &k);
	pen_lit(p, "}");
	return 0;
}

static bool shows_raw(const struct wire_writer *w, const struct delta *d)
{
	return !w->a->cached &&
	       ((w->a->include_raw_usage && bytes_set(d->raw_usage)) ||
		((w->a->include_raw_response || w->a->include_original_response) && d->raw.n > 0));
}

static void put_raws(struct wire_writer *w, struct pen *p, const struct delta *d)
{
	if (w->a->cached)
		return;
	if (w->a->include_raw_usage && bytes_set(d->raw_usage)) {
		pen_lit(p, ",\"tensorzero_raw_usage\":");
		chat_put_raw_usage(p, w->a, d->raw_usage);
	}
	if (d->raw.n == 0)
		return;
	if (w->a->include_original_response) {
		pen_lit(p, ",\"tensorzero_original_chunk\":");
		pen_string(p, d->raw);
	}
	if (w->a->include_raw_response) {
		pen_lit(p, ",\"tensorzero_raw_chunk\":");
		pen_string(p, d->raw);
	}
}

/* Raw answers of failed attempts, in a chunk of their own before the first. */
static void put_failed_raws(struct wire_writer *w, struct pen *p)
{
	bool tensorzero = w->a->profile == PROFILE_TENSORZERO;

	w->raws_pending = false;
	pen_bytes(p, w->head);
	if (tensorzero)
		pen_lit(p, "null,\"logprobs\":null,\"delta\":");
	pen_bytes(p, w->role_sent ? B("{}") : B("{\"role\":\"assistant\"}"));
	w->role_sent = true;
	if (!tensorzero)
		pen_lit(p, ",\"logprobs\":null,\"finish_reason\":null");
	pen_bytes(p, w->tail);
	if (tensorzero)
		pen_lit(p, "null");
	pen_lit(p, ",\"tensorzero_raw_response\":[");
	pen_bytes(p, w->a->failed_raw);
	pen_lit(p, "]}\n\n");
}

static int write_tensorzero(struct wire_writer *w, struct pen *p, const struct delta *d)
{
	if (d->len == 0 && !shows_raw(w, d))
		return 0;
	pen_bytes(p, w->head);
	pen_lit(p, "null,\"logprobs\":null,\"delta\":");
	if (put_delta(w, p, d) < 0)
		return -1;
	pen_bytes(p, w->tail);
	pen_lit(p, "null");
	put_raws(w, p, d);
	pen_lit(p, "}\n\n");
	return pen_done(p);
}

/* --- profile openai --------------------------------------------------------------------------- */

static void chunk_begin(struct wire_writer *w, struct pen *p)
{
	pen_bytes(p, w->head);
}

static void chunk_end(struct wire_writer *w, struct pen *p)
{
	pen_lit(p, ",\"logprobs\":null,\"finish_reason\":null}]");
	if (w->a->include_usage)
		pen_lit(p, ",\"usage\":null");
	pen_lit(p, "}\n\n");
}

static void put_role(struct wire_writer *w, struct pen *p)
{
	if (w->role_sent)
		return;
	w->role_sent = true;
	chunk_begin(w, p);
	pen_lit(p, "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}");
	chunk_end(w, p);
}

static void put_single(struct wire_writer *w, struct pen *p, struct bytes name, struct bytes text)
{
	put_role(w, p);
	chunk_begin(w, p);
	pen_bytes(p, name);
	pen_string(p, text);
	pen_lit(p, "}");
	chunk_end(w, p);
}

static void put_seal(struct wire_writer *w, struct pen *p, const struct part *part, ptrdiff_t block)
{
	struct part seal = *part;

	seal.text = (struct bytes){ NULL, 0 };
	put_role(w, p);
	chunk_begin(w, p);
	pen_lit(p, "{\"tensorzero_extra_content\":[");
	put_extra(p, &seal, block);
	pen_lit(p, "]}");
	chunk_end(w, p);
}

static void put_legacy_call(struct wire_writer *w, struct pen *p, const struct part *part,
			    bool fresh)
{
	if (fresh || bytes_set(part->name)) {
		chunk_begin(w, p);
		pen_lit(p, "{\"function_call\":{\"name\":");
		pen_string(p, bytes_set(part->name) ? part->name : B(""));
		pen_lit(p, ",\"arguments\":\"\"}}");
		chunk_end(w, p);
	}
	if (part->arguments.n == 0)
		return;
	chunk_begin(w, p);
	pen_lit(p, "{\"function_call\":{\"arguments\":");
	pen_string(p, part->arguments);
	pen_lit(p, "}}");
	chunk_end(w, p);
}

static void call_begin(struct wire_writer *w, struct pen *p, size_t index)
{
	chunk_begin(w, p);
	pen_lit(p, "{\"tool_calls\":[{\"index\":");
	pen_u64(p, index);
}

static void put_call_chunks(struct wire_writer *w, struct pen *p, const struct part *part,
			    ptrdiff_t block, bool fresh)
{
	size_t index = call_index(w, block);

	put_role(w, p);
	w->called = true;
	if (chat_is_legacy(w->a)) {
		if (index == 0) /* that form has room for one */
			put_legacy_call(w, p, part, fresh);
		return;
	}
	if (fresh || bytes_set(part->name)) {
		call_begin(w, p, index);
		if (fresh) {
			pen_lit(p, ",\"id\":");
			pen_string(p, part->id);
			pen_bytes(p, part->custom ? B(",\"type\":\"custom\"")
						  : B(",\"type\":\"function\""));
		}
		pen_bytes(p, part->custom ? B(",\"custom\":{\"name\":")
					  : B(",\"function\":{\"name\":"));
		pen_string(p, bytes_set(part->name) ? part->name : B(""));
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

static void put_part(struct wire_writer *w, struct pen *p, const struct part *part, ptrdiff_t block,
		     bool fresh)
{
	switch (part->type) {
	case PART_TEXT:
		if (part->text.n > 0)
			put_single(w, p, B("{\"content\":"), part->text);
		break;
	case PART_REFUSAL:
		put_single(w, p, B("{\"refusal\":"), part->text);
		break;
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
	case PART_UNKNOWN:
		break;
	}
}

static int write_openai(struct wire_writer *w, struct pen *p, const struct delta *d)
{
	struct places at;

	if (find_places(w, d, &at) < 0)
		return -1;
	for (size_t i = 0; i < d->len; i++)
		put_part(w, p, &d->parts[i], at.block[i], at.fresh[i]);
	if (bytes_set(d->annotations)) {
		put_role(w, p);
		chunk_begin(w, p);
		pen_lit(p, "{\"annotations\":");
		chat_put_annotations(p, d->annotations);
		pen_lit(p, "}");
		chunk_end(w, p);
	}
	if (shows_raw(w, d)) {
		put_role(w, p);
		chunk_begin(w, p);
		pen_lit(p, "{},\"logprobs\":null,\"finish_reason\":null}]");
		if (w->a->include_usage)
			pen_lit(p, ",\"usage\":null");
		put_raws(w, p, d);
		pen_lit(p, "}\n\n");
	}
	return pen_done(p);
}

/* --- pass-through ----------------------------------------------------------------------------- */

/* The choices with `finish_reason` set right: "" is null, and stop after a call is tool_calls. */
static int edit_choices(struct wire_writer *w, struct pen *p, struct bytes list)
{
	struct bytes one;
	struct json_member m;
	struct json_edit e;
	bool first = true;
	size_t pos = 0;
	int n, more;

	pen_lit(p, "[");
	while ((more = json_next_element(list, &pos, &one)) > 0) {
		if (!first)
			pen_lit(p, ",");
		first = false;
		if (*one.p != '{') {
			pen_bytes(p, one);
			continue;
		}
		edit_begin(&e, one, p);
		while ((n = edit_next(&e, &m)) > 0) {
			bool finish = json_key_is(m.key, B("finish_reason"));

			if (finish && bytes_eq(m.value, B("\"\""))) {
				edit_value(&e, &m);
				pen_lit(p, "null");
			} else if (finish && w->called && bytes_eq(m.value, B("\"stop\""))) {
				edit_value(&e, &m);
				pen_lit(p, "\"tool_calls\"");
			} else {
				edit_keep(&e, &m);
			}
		}
		if (n < 0)
			return -1;
		edit_end(&e);
	}
	pen_lit(p, "]");
	return more;
}

static bool has_empty_finish(struct bytes raw)
{
	ptrdiff_t at = bytes_find(raw, B("\"finish_reason\""));
	size_t i;

	if (at < 0)
		return false;
	i = (size_t)at + sizeof "\"finish_reason\"" - 1;
	while (i < raw.n && (raw.p[i] == ' ' || raw.p[i] == ':'))
		i++;
	return i + 1 < raw.n && raw.p[i] == '"' && raw.p[i + 1] == '"';
}

/* The chunk of the upstream that holds only usage: hidden, unless it is asked for and stands at the end. */
static bool usage_passes(struct wire_writer *w, const struct delta *d, bool only_usage)
{
	return only_usage && d->has_usage && w->a->include_usage && w->finish_sent &&
	       !w->usage_sent;
}

/* How the event deals with its `usage`. */
struct event_usage {
	bool passes, seen;
};

static int edit_member(struct wire_writer *w, struct pen *p, const struct delta *d,
		       struct json_edit *e, const struct json_member *m, struct event_usage *u)
{
	if (json_key_is(m->key, B("id"))) {
		edit_value(e, m);
		chat_put_id(p, w->a);
	} else if (json_key_is(m->key, B("model"))) {
		edit_value(e, m);
		pen_string(p, w->a->model);
	} else if (json_key_is(m->key, B("usage"))) {
		u->seen = true;
		if (u->passes) {
			edit_keep(e, m);
		} else if (w->a->include_usage) {
			edit_value(e, m);
			pen_lit(p, "null");
		}
	} else if (json_key_is(m->key, B("choices")) && *m->value.p == '[' &&
		   ((w->called && d->finish == FINISH_STOP) ||
		    (d->finish == FINISH_UNSET && has_empty_finish(m->value)))) {
		edit_value(e, m);
		return edit_choices(w, p, m->value);
	} else {
		edit_keep(e, m);
	}
	return 0;
}

static bool has_no_choices(struct bytes raw)
{
	struct json_member m;
	struct bytes one;
	size_t pos = 0;

	return json_find_member(raw, B("choices"), &m) &&
	       json_next_element(m.value, &pos, &one) == 0;
}

static int edit_event(struct wire_writer *w, struct pen *p, const struct delta *d)
{
	bool only_usage =
		d->has_usage && d->len == 0 && d->finish == FINISH_UNSET && has_no_choices(d->raw);
	struct event_usage usage = { .passes = usage_passes(w, d, only_usage) };
	struct bytes raw = d->raw;
	struct json_edit e;
	struct json_member m;
	int n;

	if (only_usage && !usage.passes)
		return 0;
	while (raw.n > 0 && *raw.p != '{')
		raw = bytes_slice(raw, 1, raw.n);
	pen_lit(p, "data: ");
	edit_begin(&e, raw, p);
	while ((n = edit_next(&e, &m)) > 0)
		if (edit_member(w, p, d, &e, &m, &usage) < 0)
			return -1;
	if (n < 0)
		return -1;
	if (!usage.seen && w->a->include_usage)
		edit_add(&e, B("\"usage\":null"));
	put_raws(w, p, d);
	edit_end(&e);
	pen_lit(p, "\n\n");
	w->role_sent = true;
	w->finish_sent |= d->finish != FINISH_UNSET;
	w->usage_sent |= usage.passes;
	return pen_done(p);
}

/* Edits what all events of this kind have in common. Where that does not work, each is edited by itself and says what
 * is wrong; so is each where the raw text is shown too. */
static void edit_alike(struct wire_writer *w, const struct delta *d)
{
	struct delta common = *d;
	struct buf b;
	struct pen p = { .b = &b };
	struct bytes text = { NULL, 0 };

	w->alike = d->alike.p;
	w->pieces[0] = text;
	if (shows_raw(w, d))
		return;
	common.raw = d->alike;
	buf_init(&b, MAX_PRINTED);
	if (edit_event(w, &p, &common) == 0)
		text = arena_dup(w->arena, buf_bytes(&b));
	buf_deinit(&b);
	if (!bytes_set(text) || !alike_cut(text, d->nholes, w->pieces))
		w->pieces[0] = (struct bytes){ NULL, 0 };
}

static void put_alike(struct wire_writer *w, struct pen *p, const struct delta *d)
{
	for (size_t i = 0; i < d->nholes; i++) {
		pen_bytes(p, w->pieces[i]);
		pen_bytes(p, d->holes[i]);
	}
	pen_bytes(p, w->pieces[d->nholes]);
}

/* An event whose data came in several lines goes out in one. */
static int pass(struct wire_writer *w, struct pen *p, const struct delta *d)
{
	struct delta flat = *d;
	struct buf line;
	int bad;

	if (bytes_set(d->alike)) {
		if (d->alike.p != w->alike)
			edit_alike(w, d);
		if (bytes_set(w->pieces[0])) {
			put_alike(w, p, d);
			return pen_done(p);
		}
	}
	for (size_t i = 0; i < d->len; i++)
		w->called |= d->parts[i].type == PART_TOOL_CALL;
	if (bytes_chr(d->raw, '\n') < 0 && bytes_chr(d->raw, '\r') < 0)
		return edit_event(w, p, d);
	buf_init(&line, SSE_MAX_EVENT);
	bad = json_compact(d->raw, &line);
	flat.raw = buf_bytes(&line);
	if (!bad)
		bad = edit_event(w, p, &flat);
	buf_deinit(&line);
	return bad;
}

/* --- the stream ------------------------------------------------------------------------------- */

int openai_chat_write_delta(struct wire_writer *w, const struct delta *d, struct buf *out)
{
	struct pen p = { .b = out };

	if (w->broken) /* profile openai: after an error only [DONE] comes */
		return 0;
	if (w->raws_pending)
		put_failed_raws(w, &p);
	if (chat_passes(w->a) && d->forward)
		return pass(w, &p, d);
	return w->a->profile == PROFILE_OPENAI ? write_openai(w, &p, d)
					       : write_tensorzero(w, &p, d);
}

static void end_tensorzero(struct wire_writer *w, struct pen *p, const struct result *r)
{
	pen_bytes(p, w->head);
	if (r->finish == FINISH_UNSET)
		pen_lit(p, "null");
	else
		chat_put_finish(p, w->a, r->finish, false);
	pen_lit(p, ",\"logprobs\":null,\"delta\":");
	pen_bytes(p, w->role_sent ? B("{}") : B("{\"role\":\"assistant\"}"));
	w->role_sent = true;
	pen_bytes(p, w->tail);
	if (w->a->include_usage || w->a->include_raw_usage)
		chat_put_usage(p, w->a, &r->usage);
	else
		pen_lit(p, "null");
	pen_lit(p, "}\n\n");
}

static void end_openai(struct wire_writer *w, struct pen *p, const struct result *r)
{
	if (!w->finish_sent) {
		put_role(w, p);
		chunk_begin(w, p);
		pen_lit(p, "{},\"logprobs\":null,\"finish_reason\":");
		chat_put_finish(p, w->a, r->finish, w->called);
		pen_lit(p, "}]");
		if (w->a->include_usage)
			pen_lit(p, ",\"usage\":null");
		pen_lit(p, "}\n\n");
	}
	if (!w->a->include_usage || w->usage_sent)
		return;
	/* the head ends with the first choice, which this chunk has not */
	pen_bytes(p, bytes_slice(w->head, 0, w->head.n - (sizeof "{\"index\":0,\"delta\":" - 1)));
	pen_lit(p, "],\"usage\":");
	if (chat_passes(w->a) && bytes_set(r->raw_usage))
		pen_bytes(p, r->raw_usage);
	else
		chat_put_usage(p, w->a, &r->usage);
	pen_lit(p, "}\n\n");
}

int openai_chat_write_end(struct wire_writer *w, const struct result *r, struct buf *out)
{
	struct pen p = { .b = out };

	if (w->raws_pending && !w->broken)
		put_failed_raws(w, &p);
	if (w->a->profile == PROFILE_TENSORZERO)
		end_tensorzero(w, &p, r);
	else if (!w->broken)
		end_openai(w, &p, r);
	pen_lit(&p, "data: [DONE]\n\n");
	return pen_done(&p);
}

int openai_chat_write_stream_error(struct wire_writer *w, const struct error *e, int status,
				   struct buf *out)
{
	struct pen p = { .b = out };

	if (w->broken)
		return 0;
	if (w->a->profile == PROFILE_OPENAI)
		w->broken = true;
	pen_lit(&p, "data: ");
	if (openai_write_error(e, status, out) < 0)
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
