/*
 * Deltas -> the client's event stream (surfaces §5.7).
 *
 * One block is open at a time, and each is closed before the next begins: clients count on it. A call that begins while
 * another one is not complete waits, its pieces kept, until that one is; then it goes out as one delta. Events of an
 * upstream of this same format go out as they came; only message_stop waits for the record (api/answer.c).
 */
#include "wire/anthropic_messages/write_answer.h"

#include "base/error.h"
#include "base/json.h"
#include "net/sse.h"
#include "wire/call_ids.h"
#include "wire/json_edit.h"

#define MAX_CALLS 1024

struct piece {
	struct bytes text;
	struct piece *next;
};

/* How far a JSON value has come. */
struct scan {
	size_t depth;
	bool begun, string, escape;
};

struct call {
	struct bytes id, name;
	struct piece *first, **end; /* that wait */
	struct scan scan;
	bool started, said;
};

enum shown { SHOWN_NONE, SHOWN_TEXT, SHOWN_THOUGHT, SHOWN_CALL };

struct wire_writer {
	const struct answer *a;
	struct arena *arena;
	bool started, broken, passes;
	size_t index; /* of the block that is open, or begins next */
	enum shown open;
	struct bytes open_id; /* of a text, of a thought */
	size_t open_call;
	struct block thought;    /* the open one: what its seal is made of */
	struct bytes summary_id; /* its last summary */
	struct bytes blank;      /* white space that no text has followed yet */
	struct part *
		seals; /* came behind a text: wait for what follows, as clients take the last block for the answer */
	size_t nseals, cseals;
	bool texted; /* the last block is a text */
	struct call *calls;
	size_t ncalls, ccalls;
	struct bytes stop; /* an upstream's message_stop */
};

struct wire_writer *anthropic_writer_new(const struct answer *a, struct arena *arena)
{
	struct wire_writer *w = arena_new(arena, struct wire_writer);

	if (!w)
		return NULL;
	w->a = a;
	w->arena = arena;
	return w;
}

/* ---- events ---- */

#define event_begin(pen, type) pen_head((pen), "event: " type "\ndata: {\"type\":\"" type "\"")

static void event_end(struct pen *p)
{
	pen_lit(p, "}\n\n");
}

static void put_start(struct wire_writer *w, struct pen *p, const struct delta *d)
{
	struct usage nothing;

	if (w->started)
		return;
	usage_init(&nothing);
	w->started = true;
	event_begin(p, "message_start");
	pen_lit(p, ",\"message\":{\"id\":");
	messages_put_id(p, w->a);
	pen_lit(p, ",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
	pen_string(p, w->a->model);
	pen_lit(p,
		",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"stop_details\":null,\"container\":null,\"usage\":");
	messages_put_usage(p, w->a, d && d->has_usage ? &d->usage : &nothing,
			   d ? d->service_tier : (struct bytes){ NULL, 0 });
	pen_lit(p, "}");
	event_end(p);
	event_begin(p, "ping");
	event_end(p);
}

static void delta_begin(struct wire_writer *w, struct pen *p)
{
	event_begin(p, "content_block_delta");
	pen_number(p, "index", w->index);
}

static void put_delta(struct wire_writer *w, struct pen *p, struct bytes type, struct bytes key,
		      struct bytes text)
{
	delta_begin(w, p);
	pen_lit(p, ",\"delta\":{\"type\":");
	pen_string(p, type);
	pen_lit(p, ",");
	pen_string(p, key);
	pen_lit(p, ":");
	pen_string(p, text);
	pen_lit(p, "}");
	event_end(p);
}

static void block_start(struct wire_writer *w, struct pen *p, enum shown shown)
{
	w->open = shown;
	w->texted = shown == SHOWN_TEXT;
	event_begin(p, "content_block_start");
	pen_number(p, "index", w->index);
	pen_lit(p, ",\"content_block\":");
}

static void put_seal_delta(struct wire_writer *w, struct pen *p)
{
	if (w->a->pass_through && !w->thought.signature.n)
		return;
	delta_begin(w, p);
	pen_lit(p, ",\"delta\":{\"type\":\"signature_delta\",\"signature\":");
	messages_put_seal(p, w->a, &w->thought);
	pen_lit(p, "}");
	event_end(p);
}

static void block_stop(struct wire_writer *w, struct pen *p)
{
	if (w->open == SHOWN_NONE)
		return;
	if (w->open == SHOWN_THOUGHT)
		put_seal_delta(w, p);
	if (w->open == SHOWN_CALL && !w->calls[w->open_call].said)
		put_delta(w, p, B("input_json_delta"), B("partial_json"), B("{}"));
	event_begin(p, "content_block_stop");
	pen_number(p, "index", w->index++);
	event_end(p);
	w->open = SHOWN_NONE;
}

/* ---- thoughts that only seal something ---- */

static void put_redacted(struct wire_writer *w, struct pen *p, const struct part *part)
{
	const struct block b = { .type = BLOCK_THOUGHT,
				 .signature = part->signature,
				 .provider_type = part->provider_type,
				 .item_id = part->item_id };

	block_stop(w, p);
	block_start(w, p, SHOWN_THOUGHT);
	pen_lit(p, "{\"type\":\"redacted_thinking\",\"data\":");
	messages_put_seal(p, w->a, &b);
	pen_lit(p, "}");
	event_end(p);
	w->open = SHOWN_TEXT; /* its seal is said */
	block_stop(w, p);
}

static int seal_keep(struct wire_writer *w, const struct part *part)
{
	const struct part kept = { .signature = arena_dup(w->arena, part->signature),
				   .provider_type = arena_dup(w->arena, part->provider_type),
				   .item_id = bytes_set(part->item_id)
						      ? arena_dup(w->arena, part->item_id)
						      : part->item_id };

	return bytes_set(kept.signature) &&
			       arena_push(w->arena, w->seals, w->nseals, w->cseals, kept)
		       ? 0
		       : -1;
}

/* Something follows the text that they stood behind. */
static void put_seals(struct wire_writer *w, struct pen *p)
{
	for (size_t i = 0; i < w->nseals; i++)
		put_redacted(w, p, &w->seals[i]);
	w->nseals = 0;
}

/* ---- calls ---- */

static void scan_add(struct scan *s, struct bytes text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (s->string) {
			s->string = s->escape || c != '"';
			s->escape = !s->escape && c == '\\';
			continue;
		}
		s->begun |= (unsigned char)c > ' ';
		s->string = c == '"';
		if (c == '{' || c == '[')
			s->depth++;
		else if ((c == '}' || c == ']') && s->depth)
			s->depth--;
	}
}

static bool is_complete(const struct call *c)
{
	return c->scan.begun && !c->scan.depth && !c->scan.string;
}

/* NULL: too many, or no memory. */
static struct call *call_of(struct wire_writer *w, const struct part *part)
{
	struct call fresh = { .id = arena_dup(w->arena, part->id) };

	for (size_t i = w->ncalls; i-- > 0;)
		if (bytes_eq(w->calls[i].id, part->id))
			return &w->calls[i];
	if (w->ncalls == MAX_CALLS)
		return fail_null(ERR_TOO_LARGE, "a stream of more than %d calls", MAX_CALLS);
	if (!bytes_set(fresh.id) || !arena_push(w->arena, w->calls, w->ncalls, w->ccalls, fresh))
		return NULL;
	return &w->calls[w->ncalls - 1];
}

static int piece_add(struct wire_writer *w, struct call *c, struct bytes text)
{
	struct piece *piece;

	scan_add(&c->scan, text);
	if (!text.n)
		return 0;
	piece = arena_new(w->arena, struct piece);
	if (!piece)
		return -1;
	piece->text = arena_dup(w->arena, text);
	if (!bytes_set(piece->text))
		return -1;
	if (c->first)
		*c->end = piece;
	else
		c->first = piece;
	c->end = &piece->next;
	return 0;
}

/* What waited, as one delta. */
static void put_pieces(struct wire_writer *w, struct pen *p, struct call *c)
{
	bool any = false;

	if (!c->first)
		return;
	delta_begin(w, p);
	pen_lit(p, ",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":");
	for (struct piece *one = c->first; one; one = one->next)
		pen_more(p, one->text, &any);
	pen_lit(p, "}");
	event_end(p);
	c->first = NULL;
	c->said = true;
}

static void call_start(struct wire_writer *w, struct pen *p, struct call *c)
{
	char out[ID_ROOM];

	put_seals(w, p);
	block_stop(w, p);
	block_start(w, p, SHOWN_CALL);
	w->open_call = (size_t)(c - w->calls);
	c->started = true;
	pen_head(p, "{\"type\":\"tool_use\"");
	pen_text(p, "id", id_mapped(&id_anthropic, c->id, out));
	pen_text(p, "name", c->name);
	pen_lit(p, ",\"input\":{},\"caller\":{\"type\":\"direct\"}}");
	event_end(p);
	put_pieces(w, p, c);
}

static int put_call(struct wire_writer *w, struct pen *p, const struct part *part)
{
	struct call *c = call_of(w, part);
	bool open = c && w->open == SHOWN_CALL && &w->calls[w->open_call] == c;

	if (!c)
		return -1;
	if (!c->started && part->name.n) {
		c->name = c->name.n ? arena_cat(w->arena, c->name, part->name)
				    : arena_dup(w->arena, part->name);
		if (!bytes_set(c->name))
			return -1;
	}
	if (open) {
		scan_add(&c->scan, part->arguments);
		c->said |= part->arguments.n > 0;
		if (part->arguments.n)
			put_delta(w, p, B("input_json_delta"), B("partial_json"), part->arguments);
		return 0;
	}
	if (c->started)
		return 0; /* its value was whole, and something else came since */
	if (piece_add(w, c, part->arguments))
		return -1;
	if (c->name.n && (w->open != SHOWN_CALL || is_complete(&w->calls[w->open_call])))
		call_start(w, p, c);
	return 0;
}

static void put_waiting_calls(struct wire_writer *w, struct pen *p)
{
	for (size_t i = 0; i < w->ncalls; i++)
		if (!w->calls[i].started)
			call_start(w, p, &w->calls[i]);
}

/* ---- texts and thoughts ---- */

static bool is_open(const struct wire_writer *w, enum shown shown, struct bytes id)
{
	return w->open == shown && bytes_eq(w->open_id, id);
}

static int open_id(struct wire_writer *w, struct bytes id)
{
	w->open_id = arena_dup(w->arena, id.p ? id : B(""));
	return bytes_set(w->open_id) ? 0 : -1;
}

static int put_text(struct wire_writer *w, struct pen *p, struct bytes id, struct bytes text)
{
	struct bytes blank = w->blank;

	if (!text.n)
		return 0;
	if (!messages_is_blank(text))
		put_seals(w, p);
	if (!is_open(w, SHOWN_TEXT, id)) {
		if (messages_is_blank(text)) { /* perhaps a text follows, perhaps it is none */
			w->blank = bytes_set(blank) ? arena_cat(w->arena, blank, text)
						    : arena_dup(w->arena, text);
			return bytes_set(w->blank) ? 0 : -1;
		}
		block_stop(w, p);
		if (open_id(w, id))
			return -1;
		block_start(w, p, SHOWN_TEXT);
		pen_lit(p, "{\"type\":\"text\",\"text\":\"\",\"citations\":[]}");
		event_end(p);
		if (bytes_set(blank))
			text = arena_cat(w->arena, blank, text);
		w->blank = (struct bytes){ NULL, 0 };
		if (!bytes_set(text))
			return -1;
	}
	put_delta(w, p, B("text_delta"), B("text"), text);
	return 0;
}

static int thought_start(struct wire_writer *w, struct pen *p, const struct part *part)
{
	put_seals(w, p);
	block_stop(w, p);
	w->thought = (struct block){ .type = BLOCK_THOUGHT,
				     .text = B(""), /* shown: it is no redacted one */
				     .provider_type = arena_dup(w->arena, part->provider_type) };
	w->summary_id = (struct bytes){ NULL, 0 };
	block_start(w, p, SHOWN_THOUGHT);
	pen_lit(p, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}");
	event_end(p);
	return open_id(w, part->id);
}

/* What the seal is made of. */
static int thought_keep(struct wire_writer *w, const struct part *part)
{
	struct block *b = &w->thought;

	if (part->signature.n) {
		b->signature = bytes_set(b->signature)
				       ? arena_cat(w->arena, b->signature, part->signature)
				       : arena_dup(w->arena, part->signature);
		if (!bytes_set(b->signature))
			return -1;
	}
	if (bytes_set(part->item_id) && !bytes_set(b->item_id))
		b->item_id = arena_dup(w->arena, part->item_id);
	return 0;
}

static int put_summary(struct wire_writer *w, struct pen *p, const struct part *part)
{
	bool next = bytes_set(w->summary_id) && !bytes_eq(w->summary_id, part->summary_id);
	struct bytes text = part->summary_text;

	if (!text.n)
		return 0;
	if (!bytes_set(w->summary_id) || next)
		w->summary_id = arena_dup(w->arena, part->summary_id.p ? part->summary_id : B(""));
	if (next)
		text = arena_cat(w->arena, B("\n\n"), text);
	if (!bytes_set(text) || !bytes_set(w->summary_id))
		return -1;
	put_delta(w, p, B("thinking_delta"), B("thinking"), text);
	return 0;
}

static int put_thought(struct wire_writer *w, struct pen *p, const struct part *part)
{
	bool shown = bytes_set(part->text) || part->summary_text.n;

	if (!w->a->reasoning_to_client ||
	    (!part->text.n && !part->summary_text.n && !part->signature.n))
		return 0;
	if (!is_open(w, SHOWN_THOUGHT, part->id)) {
		if (!shown && w->texted)
			return seal_keep(w, part);
		if (!shown) {
			put_redacted(w, p, part);
			return 0;
		}
		if (thought_start(w, p, part))
			return -1;
	}
	if (part->text.n)
		put_delta(w, p, B("thinking_delta"), B("thinking"), part->text);
	return put_summary(w, p, part) || thought_keep(w, part) ? -1 : 0;
}

static int put_part(struct wire_writer *w, struct pen *p, const struct part *part)
{
	switch (part->type) {
	case PART_TEXT:
	case PART_REFUSAL: return put_text(w, p, part->id, part->text);
	case PART_THOUGHT: return put_thought(w, p, part);
	case PART_TOOL_CALL:
		return w->a->json_tool ? put_text(w, p, part->id, part->arguments)
				       : put_call(w, p, part);
	case PART_UNKNOWN: break;
	}
	return 0;
}

/* ---- an upstream's own events ---- */

/* `message` of message_start, the only event that names id and model. */
static int edit_message(struct wire_writer *w, struct pen *p, struct bytes message)
{
	struct json_edit e;
	struct json_member m;
	int n;

	edit_begin(&e, message, p);
	while ((n = edit_next(&e, &m)) > 0) {
		bool id = json_key_is(m.key, B("id"));

		if (!id && !json_key_is(m.key, B("model"))) {
			edit_keep(&e, &m);
			continue;
		}
		edit_value(&e, &m);
		if (id)
			messages_put_id(p, w->a);
		else
			pen_string(p, w->a->model);
	}
	edit_end(&e);
	return n;
}

static int edit_start(struct wire_writer *w, struct pen *p, struct bytes raw)
{
	struct json_edit e;
	struct json_member m;
	int n;

	w->started = true;
	edit_begin(&e, raw, p);
	while ((n = edit_next(&e, &m)) > 0) {
		if (!json_key_is(m.key, B("message")) || *m.value.p != '{') {
			edit_keep(&e, &m);
			continue;
		}
		edit_value(&e, &m);
		if (edit_message(w, p, m.value))
			return -1;
	}
	edit_end(&e);
	return n;
}

static int pass_line(struct wire_writer *w, struct pen *p, const struct delta *d, struct bytes raw)
{
	if (bytes_eq(d->event, B("message_stop"))) {
		w->stop = arena_dup(w->arena, raw);
		return bytes_set(w->stop) ? 0 : -1;
	}
	pen_lit(p, "event: ");
	pen_bytes(p, d->event);
	pen_lit(p, "\ndata: ");
	if (!bytes_eq(d->event, B("message_start")))
		pen_bytes(p, raw);
	else if (edit_start(w, p, raw))
		return -1;
	pen_lit(p, "\n\n");
	return pen_done(p);
}

static bool is_one_line(struct bytes text)
{
	return bytes_chr(text, '\n') < 0 && bytes_chr(text, '\r') < 0;
}

/* An event whose data came in several lines goes out in one, or not at all: a text was broken between two of them. */
static int pass(struct wire_writer *w, struct pen *p, const struct delta *d)
{
	struct buf line;
	int bad;

	w->passes = true;
	if (is_one_line(d->raw))
		return pass_line(w, p, d, d->raw);
	if (!is_one_line(d->event))
		return 0;
	buf_init(&line, SSE_MAX_EVENT);
	bad = json_compact(d->raw, &line);
	if (!bad && is_one_line(buf_bytes(&line)))
		bad = pass_line(w, p, d, buf_bytes(&line));
	buf_deinit(&line);
	return bad ? -1 : 0;
}

/* ---- the stream ---- */

int anthropic_write_delta(struct wire_writer *w, const struct delta *d, struct buf *out)
{
	struct pen p = { .b = out };

	if (w->broken)
		return 0;
	if (d->forward && w->a->pass_through)
		return pass(w, &p, d);
	put_start(w, &p, d);
	for (size_t i = 0; i < d->len; i++)
		if (d->parts[i].choice == 0 && put_part(w, &p, &d->parts[i]))
			return -1;
	return pen_done(&p);
}

int anthropic_write_end(struct wire_writer *w, const struct result *r, struct buf *out)
{
	struct pen p = { .b = out };

	if (w->broken)
		return 0;
	if (!w->passes) {
		put_start(w, &p, NULL);
		put_waiting_calls(w, &p);
		block_stop(w, &p);
		event_begin(&p, "message_delta");
		pen_lit(&p, ",\"delta\":");
		pen_open(&p, '{');
		messages_put_stop(&p, r, w->ncalls > 0);
		pen_lit(&p, "},\"usage\":");
		messages_put_end_usage(&p, w->a, &r->usage);
		event_end(&p);
	}
	pen_lit(&p, "event: message_stop\ndata: ");
	pen_bytes(&p, bytes_set(w->stop) ? w->stop : B("{\"type\":\"message_stop\"}"));
	pen_lit(&p, "\n\n");
	return pen_done(&p);
}

int anthropic_write_stream_error(struct wire_writer *w, const struct error *e, int status,
				 struct buf *out)
{
	struct pen p = { .b = out };
	char hex[33];

	if (w->broken)
		return 0;
	w->broken = true;
	uuid_hex(w->a->inference_id, hex);
	event_begin(&p, "error");
	pen_lit(&p, ",\"error\":{\"type\":");
	pen_string(&p, anthropic_error_type(status));
	pen_lit(&p, ",\"message\":");
	pen_string(&p, e->message);
	pen_lit(&p, "},\"request_id\":\"req_");
	pen_bytes(&p, (struct bytes){ hex, 32 });
	pen_lit(&p, "\"");
	event_end(&p);
	return pen_done(&p);
}
