/*
 * A client's stream of events (surfaces §4.7, §4.8).
 *
 * One item is open at a time. What is said of it piece by piece is said once more when it closes, and all items once more at
 * the end: the writer keeps them as JSON, twice where encrypted reasoning is kept that the client did not ask for. Calls of
 * which fragments come in turns wait, but for the first, until that one's arguments are whole.
 */
#include "wire/openai_responses/write_events.h"

#include "base/error.h"
#include "base/json.h"

#define TEXT_MAX    (128u << 20) /* of one item */
#define SCRATCH_MAX (256u << 20)
#define CALLS_MAX   128

struct wire_writer *openai_responses_writer_new(const struct answer *a, struct arena *arena)
{
	struct wire_writer *w = arena_new(arena, struct wire_writer);

	if (!w)
		return NULL;
	w->a = a;
	w->req = responses_request_of(a);
	w->arena = arena;
	buf_init(&w->shown, RESPONSES_OUTPUT_MAX);
	buf_init(&w->sealed, RESPONSES_OUTPUT_MAX);
	buf_init(&w->kept, 2 * RESPONSES_OUTPUT_MAX);
	buf_init(&w->text, TEXT_MAX);
	buf_init(&w->parts, TEXT_MAX);
	buf_init(&w->raw, TEXT_MAX);
	buf_init(&w->signature, TEXT_MAX);
	return w;
}

void openai_responses_writer_free(struct wire_writer *w)
{
	if (!w)
		return;
	buf_deinit(&w->shown);
	buf_deinit(&w->sealed);
	buf_deinit(&w->kept);
	buf_deinit(&w->text);
	buf_deinit(&w->parts);
	buf_deinit(&w->raw);
	buf_deinit(&w->signature);
	for (size_t i = 0; i < w->nwaiting; i++)
		buf_deinit(&w->waiting[i].arguments);
	w->nwaiting = 0;
}

struct bytes openai_responses_writer_kept(const struct wire_writer *w)
{
	return w && w->kept.len ? buf_bytes(&w->kept) : (struct bytes){ NULL, 0 };
}

/* ---- events ---- */

/* The event up to its own members. */
void responses_event_begin(struct wire_writer *w, struct pen *p, struct bytes type)
{
	pen_lit(p, "event: ");
	pen_bytes(p, type);
	pen_lit(p, "\ndata: {\"type\":\"");
	pen_bytes(p, type);
	pen_lit(p, "\",\"sequence_number\":");
	pen_u64(p, w->seq++);
	p->comma = true;
}

void responses_event_end(struct pen *p)
{
	pen_lit(p, "}\n\n");
}

/* The same with the members that say which item, and which part of it; `part` NULL: of none. */
static void item_event(struct wire_writer *w, struct pen *p, struct bytes type, const char *part,
		       size_t n)
{
	responses_event_begin(w, p, type);
	pen_lit(p, ",\"item_id\":");
	response_put_item_id(p, w->a, &w->item);
	pen_number(p, "output_index", w->item.index);
	if (!part)
		return;
	pen_lit(p, ",\"");
	pen_bytes(p, bytes_of(part));
	pen_lit(p, "\":");
	pen_u64(p, n);
}

static void begin(struct wire_writer *w, struct pen *p)
{
	static const struct bytes types[] = { B("response.created"), B("response.in_progress") };

	if (w->begun)
		return;
	w->begun = true;
	for (size_t i = 0; i < COUNT(types); i++) {
		responses_event_begin(w, p, types[i]);
		pen_lit(p, ",\"response\":");
		response_put_begun(p, w->a);
		responses_event_end(p);
	}
}

/* ---- an item's beginning and end ---- */

static void added(struct wire_writer *w, struct pen *p)
{
	responses_event_begin(w, p, B("response.output_item.added"));
	pen_number(p, "output_index", w->item.index);
	pen_lit(p, ",\"item\":");
}

static bool open_item(struct wire_writer *w, struct pen *p, enum item_kind kind, struct bytes id)
{
	w->open = true;
	w->item = (struct response_item){ .kind = kind, .index = w->nitems++ };
	w->mode = SAYS_NOTHING;
	w->nparts = 0;
	w->announced = false;
	w->id = arena_dup(w->arena, id);
	buf_reset(&w->text);
	buf_reset(&w->parts);
	buf_reset(&w->raw);
	buf_reset(&w->signature);
	p->failed |= bytes_set(id) && !bytes_set(w->id);
	return !p->failed;
}

/* Into what the end tells again. */
static void remember(struct wire_writer *w, struct pen *p)
{
	struct pen shown = { .b = &w->shown }, sealed = { .b = &w->sealed };

	if (w->shown.len)
		pen_lit(&shown, ",");
	response_put_item(&shown, w->a, &w->item, w->req->wants_encrypted);
	if (w->req->kept) {
		if (w->sealed.len)
			pen_lit(&sealed, ",");
		response_put_item(&sealed, w->a, &w->item, true);
	}
	p->failed |= shown.failed | sealed.failed;
}

static void done(struct wire_writer *w, struct pen *p)
{
	responses_event_begin(w, p, B("response.output_item.done"));
	pen_number(p, "output_index", w->item.index);
	pen_lit(p, ",\"item\":");
	response_put_item(p, w->a, &w->item, w->req->wants_encrypted);
	responses_event_end(p);
	remember(w, p);
	w->open = false;
}

/* ---- messages ---- */

static void message_part(struct pen *p, const struct response_item *i, struct bytes text)
{
	if (i->kind == ITEM_REFUSAL)
		pen_lit(p, "{\"type\":\"refusal\",\"refusal\":");
	else
		pen_lit(p,
			"{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":");
	pen_string(p, text);
	pen_lit(p, "}");
}

static void open_message(struct wire_writer *w, struct pen *p, enum item_kind kind, struct bytes id)
{
	if (!open_item(w, p, kind, id))
		return;
	added(w, p);
	pen_lit(p, "{\"id\":");
	response_put_item_id(p, w->a, &w->item);
	pen_lit(p,
		",\"type\":\"message\",\"status\":\"in_progress\",\"role\":\"assistant\",\"content\":[]}");
	responses_event_end(p);
	item_event(w, p, B("response.content_part.added"), "content_index", 0);
	pen_lit(p, ",\"part\":");
	message_part(p, &w->item, B(""));
	responses_event_end(p);
}

static void close_message(struct wire_writer *w, struct pen *p)
{
	bool refusal = w->item.kind == ITEM_REFUSAL;

	w->item.text = buf_bytes(&w->text);
	item_event(w, p, refusal ? B("response.refusal.done") : B("response.output_text.done"),
		   "content_index", 0);
	pen_bytes(p, refusal ? B(",\"refusal\":") : B(",\"text\":"));
	pen_string(p, w->item.text);
	if (!refusal)
		pen_lit(p, ",\"logprobs\":[]");
	responses_event_end(p);
	item_event(w, p, B("response.content_part.done"), "content_index", 0);
	pen_lit(p, ",\"part\":");
	message_part(p, &w->item, w->item.text);
	responses_event_end(p);
	done(w, p);
}

static void say(struct wire_writer *w, struct pen *p, struct bytes text)
{
	bool refusal = w->item.kind == ITEM_REFUSAL;

	item_event(w, p, refusal ? B("response.refusal.delta") : B("response.output_text.delta"),
		   "content_index", 0);
	pen_lit(p, ",\"delta\":");
	pen_string(p, text);
	if (!refusal)
		pen_lit(p, ",\"logprobs\":[]");
	responses_event_end(p);
	p->failed |= buf_append(&w->text, text) != 0;
}

/* ---- thoughts ---- */

static void announce_thought(struct wire_writer *w, struct pen *p)
{
	if (w->announced)
		return;
	w->announced = true;
	added(w, p);
	pen_lit(p, "{\"id\":");
	response_put_item_id(p, w->a, &w->item);
	pen_lit(p, ",\"type\":\"reasoning\",\"summary\":[]}");
	responses_event_end(p);
}

static void end_summary(struct wire_writer *w, struct pen *p)
{
	struct pen parts = { .b = &w->parts };
	size_t n = w->nparts - 1;

	if (w->mode != SAYS_SUMMARY)
		return;
	item_event(w, p, B("response.reasoning_summary_text.done"), "summary_index", n);
	pen_lit(p, ",\"text\":");
	pen_string(p, buf_bytes(&w->text));
	responses_event_end(p);
	item_event(w, p, B("response.reasoning_summary_part.done"), "summary_index", n);
	pen_lit(p, ",\"part\":");
	response_put_summary(p, buf_bytes(&w->text));
	responses_event_end(p);
	if (n)
		pen_lit(&parts, ",");
	response_put_summary(&parts, buf_bytes(&w->text));
	p->failed |= parts.failed;
	buf_reset(&w->text);
	w->mode = SAYS_NOTHING;
}

static void begin_summary(struct wire_writer *w, struct pen *p)
{
	w->mode = SAYS_SUMMARY;
	item_event(w, p, B("response.reasoning_summary_part.added"), "summary_index", w->nparts++);
	pen_lit(p, ",\"part\":");
	response_put_summary(p, B(""));
	responses_event_end(p);
}

static void summarize(struct wire_writer *w, struct pen *p, struct bytes id, struct bytes text)
{
	announce_thought(w, p);
	if (w->mode == SAYS_SUMMARY && bytes_set(id) && !bytes_eq(id, w->summary_id))
		end_summary(w, p);
	if (w->mode != SAYS_SUMMARY) {
		begin_summary(w, p);
		w->summary_id = arena_dup(w->arena, id);
	}
	item_event(w, p, B("response.reasoning_summary_text.delta"), "summary_index",
		   w->nparts - 1);
	pen_lit(p, ",\"delta\":");
	pen_string(p, text);
	responses_event_end(p);
	p->failed |= buf_append(&w->text, text) != 0;
}

static void think(struct wire_writer *w, struct pen *p, struct bytes text)
{
	announce_thought(w, p);
	item_event(w, p, B("response.reasoning_text.delta"), "content_index", 0);
	pen_lit(p, ",\"delta\":");
	pen_string(p, text);
	responses_event_end(p);
	p->failed |= buf_append(&w->raw, text) != 0;
}

static void close_thought(struct wire_writer *w, struct pen *p)
{
	struct bytes raw = buf_bytes(&w->raw);

	end_summary(w, p);
	w->item.summary = buf_bytes(&w->parts);
	if (w->signature.len)
		w->item.signature = buf_bytes(&w->signature);
	if (raw.n && !w->a->reasoning_to_client) {
		w->item.hidden = raw;
	} else if (raw.n) {
		item_event(w, p, B("response.reasoning_text.done"), "content_index", 0);
		pen_lit(p, ",\"text\":");
		pen_string(p, raw);
		responses_event_end(p);
		w->item.raw = raw;
	}
	if (!w->announced && !(w->item.signature.n && (w->req->wants_encrypted || w->req->kept))) {
		w->open = false; /* it shows nothing: no item */
		w->nitems--;
		return;
	}
	announce_thought(w, p);
	done(w, p);
}

static void thought_part(struct wire_writer *w, struct pen *p, const struct part *t)
{
	if (bytes_set(t->item_id) && !bytes_set(w->item.upstream_id))
		w->item.upstream_id = arena_dup(w->arena, t->item_id);
	if (bytes_set(t->provider_type) && !bytes_set(w->item.provider_type))
		w->item.provider_type = arena_dup(w->arena, t->provider_type);
	w->item.redacted &= !bytes_set(t->text) && !bytes_set(t->summary_text);
	if (t->signature.n)
		p->failed |= buf_append(&w->signature, t->signature) != 0;
	if (!w->a->reasoning_to_client) {
		p->failed |= t->text.n && buf_append(&w->raw, t->text);
		return;
	}
	if (t->summary_text.n)
		summarize(w, p, t->summary_id, t->summary_text);
	if (t->text.n && w->req->summaries)
		summarize(w, p, (struct bytes){ NULL, 0 }, t->text);
	else if (t->text.n)
		think(w, p, t->text);
}

/* ---- calls ---- */

static void announce_call(struct wire_writer *w, struct pen *p)
{
	struct response_item begun = w->item;
	struct buf item;
	struct pen inner = { .b = &item };
	ptrdiff_t at;

	if (w->announced || response_call_is_whole(w->a, &w->item))
		return;
	w->announced = true;
	begun.arguments = B("");
	added(w, p);
	/* as it will be done, without arguments and with another status */
	buf_init(&item, TEXT_MAX);
	response_put_item(&inner, w->a, &begun, false);
	at = bytes_find(buf_bytes(&item), B("\"status\":\"completed\""));
	p->failed |= inner.failed || at < 0;
	if (at >= 0) {
		size_t from = (size_t)at + sizeof "\"status\":\"completed\"" - 1;

		pen_bytes(p, bytes_slice(buf_bytes(&item), 0, (size_t)at));
		pen_lit(p, "\"status\":\"in_progress\"");
		pen_bytes(p, bytes_slice(buf_bytes(&item), from, item.len));
	}
	buf_deinit(&item);
	responses_event_end(p);
}

static void argue(struct wire_writer *w, struct pen *p, struct bytes text)
{
	if (!text.n)
		return;
	announce_call(w, p);
	if (w->announced) {
		item_event(w, p,
			   w->item.custom ? B("response.custom_tool_call_input.delta")
					  : B("response.function_call_arguments.delta"),
			   NULL, 0);
		pen_lit(p, ",\"delta\":");
		pen_string(p, text);
		responses_event_end(p);
	}
	p->failed |= buf_append(&w->text, text) != 0;
}

static void put_shown_name(struct wire_writer *w, struct pen *p)
{
	const struct responses_tool *tool;

	response_call_of(w->a, &w->item, &tool);
	pen_string(p, tool && bytes_set(tool->own_name) ? tool->own_name : w->item.name);
}

static void close_call(struct wire_writer *w, struct pen *p)
{
	bool custom = w->item.custom;

	announce_call(w, p);
	w->item.arguments =
		w->text.len || custom || w->item.incomplete ? buf_bytes(&w->text) : B("{}");
	if (w->announced) {
		item_event(w, p,
			   custom ? B("response.custom_tool_call_input.done")
				  : B("response.function_call_arguments.done"),
			   NULL, 0);
		if (!custom) {
			pen_lit(p, ",\"name\":");
			put_shown_name(w, p);
		}
		pen_bytes(p, custom ? B(",\"input\":") : B(",\"arguments\":"));
		pen_string(p, w->item.arguments);
		responses_event_end(p);
	} else {
		added(w, p);
		response_put_item(p, w->a, &w->item, false);
		responses_event_end(p);
	}
	done(w, p);
}

/* Whether nothing more can come of the arguments. */
static bool is_whole(const struct wire_writer *w)
{
	struct arena scratch;
	bool whole;

	if (w->item.custom)
		return true;
	arena_init(&scratch, SCRATCH_MAX);
	whole = json_parse_lenient(buf_bytes(&w->text), &scratch) != NULL;
	arena_deinit(&scratch);
	return whole;
}

/* ---- closing ---- */

static void close_open(struct wire_writer *w, struct pen *p)
{
	if (!w->open)
		return;
	switch (w->item.kind) {
	case ITEM_REASONING: close_thought(w, p); break;
	case ITEM_MESSAGE:
	case ITEM_REFUSAL: close_message(w, p); break;
	case ITEM_CALL: close_call(w, p); break;
	}
}

static void open_call(struct wire_writer *w, struct pen *p, struct bytes id, struct bytes name,
		      bool custom)
{
	if (!open_item(w, p, ITEM_CALL, id))
		return;
	w->item.call_id = w->id;
	w->item.name = name;
	w->item.custom = custom;
}

/* The calls that waited, one after the other; the last one stays open. */
static void take_waiting(struct wire_writer *w, struct pen *p)
{
	for (size_t i = 0; i < w->nwaiting; i++) {
		struct waiting_call *c = &w->waiting[i];

		close_open(w, p);
		open_call(w, p, c->id, c->name, c->custom);
		argue(w, p, buf_bytes(&c->arguments));
		buf_deinit(&c->arguments);
	}
	w->nwaiting = 0;
}

static void close_all(struct wire_writer *w, struct pen *p, bool incomplete)
{
	if (w->open && incomplete && !w->nwaiting)
		w->item.incomplete = true;
	take_waiting(w, p);
	if (w->open && incomplete)
		w->item.incomplete = true;
	close_open(w, p);
}

static struct bytes name_added(struct wire_writer *w, struct bytes name, struct bytes more)
{
	if (!more.n)
		return name;
	return name.n ? arena_cat(w->arena, name, more) : arena_dup(w->arena, more);
}

static struct waiting_call *waiting_of(struct wire_writer *w, struct bytes id)
{
	for (size_t i = 0; i < w->nwaiting; i++)
		if (bytes_eq(w->waiting[i].id, id))
			return &w->waiting[i];
	return NULL;
}

static void wait_call(struct wire_writer *w, struct pen *p, const struct part *t)
{
	struct waiting_call *c = waiting_of(w, t->id);

	if (!c) {
		if (!w->waiting)
			w->waiting = arena_array(w->arena, struct waiting_call, CALLS_MAX);
		if (!w->waiting || w->nwaiting == CALLS_MAX) {
			p->failed = true;
			return;
		}
		c = &w->waiting[w->nwaiting++];
		*c = (struct waiting_call){ .id = arena_dup(w->arena, t->id), .name = B("") };
		buf_init(&c->arguments, TEXT_MAX);
	}
	c->custom |= t->custom;
	c->name = name_added(w, c->name, t->name);
	p->failed |= buf_append(&c->arguments, t->arguments) != 0;
}

static void call_part(struct wire_writer *w, struct pen *p, const struct part *t)
{
	bool same = w->open && w->item.kind == ITEM_CALL && bytes_eq(w->id, t->id);

	if (!same && w->open && w->item.kind == ITEM_CALL && (w->nwaiting || !is_whole(w))) {
		wait_call(w, p, t);
		return;
	}
	if (!same) {
		close_all(w, p, false);
		open_call(w, p, t->id, B(""), t->custom);
	}
	w->item.custom |= t->custom;
	w->item.name = name_added(w, w->item.name, t->name);
	argue(w, p, t->arguments);
	if (same && w->nwaiting && is_whole(w))
		take_waiting(w, p);
}

/* ---- deltas ---- */

static bool is_open(const struct wire_writer *w, enum item_kind kind, struct bytes id)
{
	return w->open && w->item.kind == kind && bytes_eq(w->id, id);
}

static void put_part(struct wire_writer *w, struct pen *p, const struct part *t)
{
	enum item_kind kind = t->type == PART_REFUSAL ? ITEM_REFUSAL : ITEM_MESSAGE;

	switch (t->type) {
	case PART_TEXT:
	case PART_REFUSAL:
		if (!t->text.n)
			return;
		if (!is_open(w, kind, t->id)) {
			close_all(w, p, false);
			open_message(w, p, kind, t->id);
		}
		say(w, p, t->text);
		return;
	case PART_THOUGHT:
		if (!t->text.n && !t->summary_text.n && !t->signature.n)
			return;
		if (!is_open(w, ITEM_REASONING, t->id)) {
			close_all(w, p, false);
			if (!open_item(w, p, ITEM_REASONING, t->id))
				return;
			w->item.redacted = true;
		}
		thought_part(w, p, t);
		return;
	case PART_TOOL_CALL: call_part(w, p, t); return;
	case PART_UNKNOWN: return; /* only its own family knows it */
	}
}

int openai_responses_write_delta(struct wire_writer *w, const struct delta *d, struct buf *out)
{
	struct pen p = { .b = out };

	if (w->over)
		return 0;
	if (d->service_tier.n && !bytes_set(w->tier))
		w->tier = arena_dup(w->arena, d->service_tier);
	if (w->a->pass_through && d->forward && !w->a->json_tool)
		return responses_pass_event(w, &p, d);
	begin(w, &p);
	for (size_t i = 0; i < d->len; i++)
		if (!w->a->json_tool || d->parts[i].type != PART_TOOL_CALL) {
			put_part(w, &p, &d->parts[i]);
		} else { /* the schema's tool: its arguments are the text */
			struct part text = { .type = PART_TEXT,
					     .id = B("0"),
					     .text = d->parts[i].arguments };

			put_part(w, &p, &text);
		}
	return pen_done(&p);
}

/* ---- the end ---- */

static void put_end(struct wire_writer *w, struct pen *p, struct response *r)
{
	static const struct bytes types[] = { [RESPONSE_COMPLETED] = B("response.completed"),
					      [RESPONSE_INCOMPLETE] = B("response.incomplete"),
					      [RESPONSE_FAILED] = B("response.failed") };
	struct pen kept = { .b = &w->kept };

	r->service_tier = w->tier;
	r->output = buf_bytes(&w->shown);
	responses_event_begin(w, p, types[r->status]);
	pen_lit(p, ",\"response\":");
	response_put(p, w->a, r);
	responses_event_end(p);
	w->over = true;
	if (!w->req->kept)
		return;
	r->output = buf_bytes(&w->sealed);
	response_put(&kept, w->a, r);
	p->failed |= kept.failed;
}

int openai_responses_write_end(struct wire_writer *w, const struct result *result, struct buf *out)
{
	struct pen p = { .b = out };
	struct response r = { .status = response_status_of(result->finish),
			      .finish = result->finish,
			      .usage = &result->usage };

	if (w->over)
		return 0;
	begin(w, &p);
	close_all(w, &p, r.status == RESPONSE_INCOMPLETE);
	if (result->finish == FINISH_CONTENT_FILTER && result->stop_explanation.n) {
		open_message(w, &p, ITEM_REFUSAL, B("stop"));
		say(w, &p, result->stop_explanation);
		close_open(w, &p);
	}
	put_end(w, &p, &r);
	return pen_done(&p);
}

/* The code as the API's own clients know it. */
static struct bytes code_of(const struct error *e)
{
	static const struct bytes known[] = {
		B("rate_limit_exceeded"), B("invalid_prompt"),       B("context_length_exceeded"),
		B("insufficient_quota"),  B("server_is_overloaded"), B("cyber_policy"),
	};

	for (size_t i = 0; i < COUNT(known); i++)
		if (bytes_eq(e->code, known[i]) || bytes_eq(e->upstream_code, known[i]))
			return known[i];
	return bytes_eq(e->code, B("content_policy_violation")) ? B("invalid_prompt")
								: B("server_error");
}

/* A stream that stops without a word of why, whoever's it was. */
static bool ended_early(const struct error *e)
{
	return bytes_find(e->message, B("Stream ended without")) >= 0;
}

int openai_responses_write_stream_error(struct wire_writer *w, const struct error *e, int status,
					struct buf *out)
{
	struct pen p = { .b = out };
	struct response r = { .status = RESPONSE_FAILED, .error_code = code_of(e) };

	(void)status;
	if (w->over)
		return 0;
	if (w->a->pass_through && responses_pass_error(w, &p, e))
		return pen_done(&p);
	begin(w, &p);
	close_all(w, &p, true);
	r.error_message =
		ended_early(e) ? B("Upstream stream ended early") : wire_utf8(e->message, w->arena);
	if (!bytes_set(r.error_message))
		r.error_message = B("");
	put_end(w, &p, &r);
	return pen_done(&p);
}
