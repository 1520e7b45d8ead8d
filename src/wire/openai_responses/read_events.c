/*
 * A provider's events -> deltas (providers-openai §4.5).
 *
 * The `type` inside of the data decides, not the event's name. Events belong to items, found by `output_index`, else by
 * `item_id`, else the last one: compatible servers leave out either. An event that says nothing to a client that does not
 * speak this format is no delta; its text waits in `quiet` for the next one, so that the record has all of them in their order. Where
 * the client's own format is this one, each event is a delta and may go on as it came.
 */
#include "wire/openai_responses/read_answer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "wire/call_ids.h"
#include "wire/openai_responses/write_request.h"

#define ITEMS_MAX       1024
#define CALLS_MAX       128
#define QUIET_MAX       (32u << 20)
#define SCRATCH_MAX     (512u << 20)
#define PIECES_MAX      (16u << 20) /* arguments that came before their call's name */
#define POOL_MAX        (128u << 10)
#define POOL_FIRST      4096
#define ANNOTATIONS_MAX (1u << 20)

struct item {
	uint64_t index;
	struct bytes item_id, id; /* id: of a call */
	enum { ITEM_OTHER, ITEM_CALL, ITEM_MESSAGE, ITEM_THOUGHT, ITEM_WAITS } type;
	bool custom, spoken; /* spoken: arguments, or a summary, came */
	bool sealed;         /* its signature went out */
	bool finished;       /* its .done came */
	struct buf waiting;  /* arguments of one that was not announced */
};

struct wire_stream {
	const struct inference *inf;
	const struct dialect *dialect;
	struct arena *arena;
	struct arena scratch; /* of the current event */
	char *pool;
	size_t pool_size;
	bool forwards, mapped, called, ended, any, has_message;
	uint64_t first_message;
	struct item *items;
	size_t nitems, citems, ncalls, last, unknowns;
	struct buf quiet, joined, annotations;
	struct part *parts; /* in scratch */
	size_t nparts, cparts;
	struct bytes provider_id, provider_model, tier; /* in the arena */
	struct delta final; /* the terminal event's: nobody waits for what may come behind it */
	bool has_final;
};

struct wire_stream *openai_responses_stream_new(const struct inference *inf,
						const struct dialect *d, struct arena *a)
{
	struct wire_stream *s = arena_new(a, struct wire_stream);

	if (!s)
		return NULL;
	s->inf = inf;
	s->dialect = d;
	s->arena = a;
	s->mapped = openai_responses_renames(inf);
	s->forwards = openai_responses_passes(inf) && !s->mapped;
	arena_init(&s->scratch, SCRATCH_MAX);
	buf_init(&s->quiet, QUIET_MAX);
	buf_init(&s->joined, QUIET_MAX + SSE_MAX_EVENT);
	buf_init(&s->annotations, ANNOTATIONS_MAX);
	return s;
}

void openai_responses_stream_free(struct wire_stream *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->nitems; i++)
		buf_deinit(&s->items[i].waiting);
	arena_deinit(&s->scratch);
	buf_deinit(&s->quiet);
	buf_deinit(&s->joined);
	buf_deinit(&s->annotations);
	free(s->pool);
}

/* ---- an event's document ---- */

static yyjson_val *parse_event(struct wire_stream *s, struct bytes data)
{
	size_t need = yyjson_read_max_memory_usage(data.n, YYJSON_READ_NUMBER_AS_RAW);
	yyjson_doc *doc = NULL;
	yyjson_alc alc;

	if (need <= POOL_MAX && need > s->pool_size) {
		size_t size = s->pool_size ? s->pool_size : POOL_FIRST;

		while (size < need)
			size *= 2;
		free(s->pool);
		s->pool = malloc(size);
		s->pool_size = s->pool ? size : 0;
	}
	if (need <= s->pool_size && !json_too_deep(data) &&
	    yyjson_alc_pool_init(&alc, s->pool, s->pool_size))
		doc = yyjson_read_opts((char *)data.p, data.n, YYJSON_READ_NUMBER_AS_RAW, &alc,
				       NULL);
	return doc ? yyjson_doc_get_root(doc) : json_parse_lenient(data, &s->scratch);
}

static void event_begin(struct wire_stream *s, struct bytes data, struct delta *out)
{
	arena_deinit(&s->scratch);
	arena_init(&s->scratch, SCRATCH_MAX);
	s->parts = NULL;
	s->nparts = s->cparts = 0;
	*out = (struct delta){ .raw = data };
	usage_init(&out->usage);
}

/* The texts of the events before it go with the one that is a delta. */
static int take_quiet(struct wire_stream *s, struct delta *out)
{
	if (!s->quiet.len)
		return 0;
	buf_reset(&s->joined);
	if (buf_append(&s->joined, buf_bytes(&s->quiet)) ||
	    (out->raw.n && (buf_putc(&s->joined, '\n') || buf_append(&s->joined, out->raw))))
		return -1;
	buf_reset(&s->quiet);
	out->raw = buf_bytes(&s->joined);
	return 0;
}

/* What is over the room for it is not kept. */
static int keep_quiet(struct wire_stream *s, struct bytes data)
{
	if (s->quiet.len + data.n + 1 > QUIET_MAX)
		return 0;
	return (s->quiet.len && buf_putc(&s->quiet, '\n')) || buf_append(&s->quiet, data) ? -1 : 0;
}

/* The current error becomes the delta's, and the end. */
static int error_delta(struct wire_stream *s, struct delta *out)
{
	struct bytes raw = wire_utf8(out->raw, &s->scratch);

	*out = (struct delta){ .raw = raw, .error = error_save(&s->scratch) };
	usage_init(&out->usage);
	if (!out->error || !bytes_set(raw))
		return -1;
	out->error->fatal = true;
	out->error->upstream_body = raw;
	s->ended = true;
	return take_quiet(s, out) ? -1 : 1;
}

static int bad_event(struct wire_stream *s, struct bytes detail, struct delta *out)
{
	struct bytes copy = arena_dup(&s->scratch, detail), raw = out->raw;

	wire_fail(ERR_INFERENCE_SERVER, 0, s->dialect->type, "Error parsing chunk. Error: %.*s",
		  BFMT(copy));
	raw = wire_utf8(raw, &s->scratch);
	*out = (struct delta){ .raw = raw, .error = error_save(&s->scratch) };
	usage_init(&out->usage);
	return out->error && bytes_set(raw) ? 1 : -1;
}

static int limit(struct wire_stream *s, const char *what, struct delta *out)
{
	wire_fail(ERR_INFERENCE_SERVER, 0, s->dialect->type, "%s", what);
	return error_delta(s, out);
}

/* ---- items ---- */

static struct item *by_index(struct wire_stream *s, yyjson_val *event)
{
	uint64_t index;

	if (!json_u64(json_get(event, "output_index"), &index))
		return NULL;
	for (size_t i = s->nitems; i-- > 0;)
		if (s->items[i].index == index)
			return &s->items[i];
	return NULL;
}

static struct item *by_id(struct wire_stream *s, struct bytes id)
{
	for (size_t i = s->nitems; id.n && i-- > 0;)
		if (bytes_set(s->items[i].item_id) && bytes_eq(s->items[i].item_id, id))
			return &s->items[i];
	return NULL;
}

/* The item that an event is of; NULL: it was not announced. */
static struct item *item_of(struct wire_stream *s, yyjson_val *event)
{
	uint64_t index;
	struct item *i = by_index(s, event);

	if (!i)
		i = by_id(s, json_str(json_get(event, "item_id")));
	if (!i && s->nitems && !json_u64(json_get(event, "output_index"), &index) &&
	    !yyjson_is_str(json_get(event, "item_id")))
		i = &s->items[s->last];
	return i;
}

/* NULL: too many, or no memory (*full says which). */
static struct item *item_new(struct wire_stream *s, yyjson_val *event, struct bytes item_id,
			     bool *full)
{
	struct item one = { 0 };

	*full = s->nitems == ITEMS_MAX;
	if (*full)
		return NULL;
	if (!json_u64(json_get(event, "output_index"), &one.index))
		one.index = s->nitems ? s->items[s->nitems - 1].index + 1 : 0;
	one.item_id = arena_dup(s->arena, item_id);
	if (bytes_set(item_id) && !bytes_set(one.item_id))
		return NULL;
	buf_init(&one.waiting, PIECES_MAX);
	if (!arena_push(s->arena, s->items, s->nitems, s->citems, one))
		return NULL;
	s->last = s->nitems - 1;
	return &s->items[s->last];
}

static int part_add(struct wire_stream *s, struct part p)
{
	return s->nparts == DELTA_PARTS ||
			       arena_push(&s->scratch, s->parts, s->nparts, s->cparts, p)
		       ? 0
		       : -1;
}

static struct bytes number_text(struct wire_stream *s, uint64_t n)
{
	char digits[U64_DIGITS];

	return arena_dup(&s->scratch, u64_text(n, digits));
}

static uint64_t number_at(yyjson_val *event, const char *key)
{
	uint64_t n = 0;

	json_u64(json_get(event, key), &n);
	return n;
}

/* Of a text: its place in its message; from the second message on with that one's place in front. */
static struct bytes text_id(struct wire_stream *s, uint64_t index, yyjson_val *event)
{
	uint64_t place = number_at(event, "content_index");

	if (!s->has_message) {
		s->has_message = true;
		s->first_message = index;
	}
	if (index == s->first_message)
		return number_text(s, place);
	return arena_printf(&s->scratch, "%llu.%llu", (unsigned long long)index,
			    (unsigned long long)place);
}

/* ---- calls ---- */

static int add_arguments(struct wire_stream *s, struct item *i, struct bytes text)
{
	i->spoken |= text.n > 0;
	return part_add(s, (struct part){ .type = PART_TOOL_CALL,
					  .id = i->id,
					  .custom = i->custom,
					  .item_id = i->item_id,
					  .arguments = text });
}

static struct bytes arguments_of(struct wire_stream *s, yyjson_val *item, bool custom)
{
	yyjson_val *v = json_get(item, custom ? "input" : "arguments");

	if (!v || yyjson_is_null(v))
		return B("");
	return yyjson_is_str(v) ? json_str(v) : json_print_arena(v, &s->scratch);
}

/* The call's first part. `item` is what the event says of it. */
static int call_begin(struct wire_stream *s, struct item *i, yyjson_val *item, bool custom)
{
	struct bytes id = json_str(json_get(item, "call_id")),
		     name = json_str(json_get(item, "name")),
		     arguments = arguments_of(s, item, custom);
	char made[16];
	struct part p = { .type = PART_TOOL_CALL, .custom = custom, .begins = true };

	if (!id.n)
		id = bytes_set(i->item_id) && i->item_id.n
			     ? i->item_id
			     : call_id_made(s->inf->id, s->ncalls, made);
	i->id = arena_dup(s->arena, id);
	i->type = ITEM_CALL;
	i->custom = custom;
	p.index = s->ncalls++;
	s->called = true;
	if (!bytes_set(i->id) || !bytes_set(arguments))
		return -1;
	if (i->waiting.len && !arguments.n)
		arguments = buf_bytes(&i->waiting);
	i->spoken |= arguments.n > 0;
	p.id = i->id;
	p.item_id = i->item_id;
	p.name = bytes_set(name) ? name : B("");
	if (s->mapped)
		p.name = name_back(&name_openai, s->inf, p.name);
	p.arguments = arguments;
	return part_add(s, p);
}

static int arguments_delta(struct wire_stream *s, yyjson_val *event, struct delta *out)
{
	struct item *i = item_of(s, event);
	struct bytes text = json_str(json_get(event, "delta"));
	bool full = false;

	if (!bytes_set(text))
		return 0;
	if (!i) {
		i = item_new(s, event, json_str(json_get(event, "item_id")), &full);
		if (full)
			return limit(s, "More than 1024 items in one answer", out);
		if (!i)
			return -1;
		i->type = ITEM_WAITS;
	}
	if (i->type == ITEM_WAITS)
		return buf_append(&i->waiting, text);
	return i->type == ITEM_CALL ? add_arguments(s, i, text) : 0;
}

/* Only what no delta brought. */
static int arguments_done(struct wire_stream *s, yyjson_val *event, bool custom)
{
	struct item *i = item_of(s, event);
	struct bytes text;

	if (!i || i->type != ITEM_CALL || i->spoken)
		return 0;
	text = arguments_of(s, event, custom);
	if (!bytes_set(text))
		return -1;
	return text.n ? add_arguments(s, i, text) : 0;
}

/* ---- whole items ---- */

static int unknown_part(struct wire_stream *s, struct bytes id, yyjson_val *v)
{
	struct part p = { .type = PART_UNKNOWN, .id = id };

	p.text = json_print_arena(v, &s->scratch);
	return bytes_set(p.text) && bytes_set(id) ? part_add(s, p) : -1;
}

/* What of a thought did not come piece by piece. */
static int thought_done(struct wire_stream *s, struct item *i, yyjson_val *item)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(json_get(item, "summary"));
	struct bytes id = number_text(s, i->index),
		     seal = json_str(json_get(item, "encrypted_content"));
	struct part p = { .type = PART_THOUGHT,
			  .id = id,
			  .provider_type = s->dialect->type,
			  .item_id = i->item_id };
	yyjson_val *one;

	if (!bytes_set(id))
		return -1;
	for (uint64_t n = 0; !i->spoken && (one = yyjson_arr_iter_next(&it)); n++) {
		struct part summary = p;

		summary.summary_id = number_text(s, n);
		summary.summary_text = json_str(json_get(one, "text"));
		if (bytes_set(summary.summary_text) &&
		    (!bytes_set(summary.summary_id) || part_add(s, summary)))
			return -1;
	}
	i->spoken = true;
	if (!seal.n || i->sealed)
		return 0;
	i->sealed = true;
	p.signature = seal;
	return part_add(s, p);
}

static int whole_message(struct wire_stream *s, struct item *i, yyjson_val *item)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(json_get(item, "content"));
	yyjson_val *one;

	for (uint64_t n = 0; (one = yyjson_arr_iter_next(&it)); n++) {
		struct bytes text = json_str(json_get(one, "text")),
			     refusal = json_str(json_get(one, "refusal"));
		struct part p = { .type = bytes_set(text) ? PART_TEXT : PART_REFUSAL,
				  .text = bytes_set(text) ? text : refusal };

		if (!bytes_set(p.text))
			continue;
		p.id = n ? arena_printf(&s->scratch, "%llu.%llu", (unsigned long long)i->index,
					(unsigned long long)n)
			 : text_id(s, i->index, NULL);
		if (!bytes_set(p.id) || part_add(s, p))
			return -1;
	}
	i->spoken = true;
	return 0;
}

static int item_added(struct wire_stream *s, struct item *i, yyjson_val *item)
{
	struct bytes type = json_str(json_get(item, "type")), id = json_str(json_get(item, "id"));

	if (bytes_set(id) && !bytes_set(i->item_id)) {
		i->item_id = arena_dup(s->arena, id);
		if (!bytes_set(i->item_id))
			return -1;
	}
	if (bytes_eq(type, B("function_call")))
		return call_begin(s, i, item, false);
	if (bytes_eq(type, B("custom_tool_call")))
		return call_begin(s, i, item, true);
	if (bytes_eq(type, B("message"))) {
		i->type = ITEM_MESSAGE;
		return 0;
	}
	if (bytes_eq(type, B("reasoning"))) {
		i->type = ITEM_THOUGHT;
		return 0;
	}
	return unknown_part(s, number_text(s, i->index), item);
}

static int item_done(struct wire_stream *s, struct item *i, yyjson_val *item)
{
	i->finished = true;
	switch (i->type) {
	case ITEM_THOUGHT: return thought_done(s, i, item);
	case ITEM_MESSAGE: return i->spoken ? 0 : whole_message(s, i, item);
	case ITEM_CALL: {
		struct bytes text = arguments_of(s, item, i->custom);

		if (!bytes_set(text))
			return -1;
		return i->spoken || !text.n ? 0 : add_arguments(s, i, text);
	}
	case ITEM_OTHER:
	case ITEM_WAITS: break;
	}
	return unknown_part(s, number_text(s, i->index), item);
}

/* .output_item.added, .output_item.done; the latter may come alone. */
static int item_event(struct wire_stream *s, yyjson_val *event, bool done, struct delta *out)
{
	yyjson_val *item = json_get(event, "item");
	struct bytes id = json_str(json_get(item, "id"));
	struct item *i = by_index(s, event);
	bool full = false;

	if (!yyjson_is_obj(item))
		return 0;
	if (!i && id.n)
		i = by_id(s, id);
	if (s->ncalls == CALLS_MAX && !done)
		return limit(s, "More than 128 tool calls in one answer", out);
	if (!i || i->type == ITEM_WAITS) {
		if (!i)
			i = item_new(s, event, id, &full);
		if (full)
			return limit(s, "More than 1024 items in one answer", out);
		if (!i || item_added(s, i, item))
			return -1;
	}
	return done && (i->type != ITEM_OTHER || !s->nparts) ? item_done(s, i, item) : 0;
}

/* ---- texts ---- */

static int text_delta(struct wire_stream *s, yyjson_val *event, enum part_type type)
{
	struct item *i = item_of(s, event);
	struct part p = { .type = type, .text = json_str(json_get(event, "delta")) };

	if (!p.text.n)
		return 0;
	if (i)
		i->spoken = true;
	p.id = text_id(s, i ? i->index : number_at(event, "output_index"), event);
	return bytes_set(p.id) ? part_add(s, p) : -1;
}

static int thought_delta(struct wire_stream *s, yyjson_val *event, bool summary)
{
	struct item *i = item_of(s, event);
	struct bytes text = json_str(json_get(event, "delta"));
	struct part p = { .type = PART_THOUGHT, .provider_type = s->dialect->type };

	if (!text.n)
		return 0;
	p.id = number_text(s, i ? i->index : number_at(event, "output_index"));
	if (i)
		p.item_id = i->item_id;
	if (summary) {
		p.summary_id = number_text(s, number_at(event, "summary_index"));
		p.summary_text = text;
		if (i)
			i->spoken = true;
	} else {
		p.text = text;
	}
	return bytes_set(p.id) ? part_add(s, p) : -1;
}

static int annotation_added(struct wire_stream *s, yyjson_val *event)
{
	struct bytes text = json_print_arena(json_get(event, "annotation"), &s->scratch);

	if (!bytes_set(text) || s->annotations.len + text.n + 2 > ANNOTATIONS_MAX)
		return 0;
	return buf_putc(&s->annotations, s->annotations.len ? ',' : '[') ||
			       buf_append(&s->annotations, text)
		       ? -1
		       : 0;
}

/* ---- the response itself ---- */

static int note(struct arena *a, struct bytes *to, yyjson_val *v)
{
	if (!yyjson_is_str(v))
		return 0;
	*to = arena_dup(a, json_str(v));
	return bytes_set(*to) ? 0 : -1;
}

static int note_response(struct wire_stream *s, yyjson_val *event)
{
	yyjson_val *r = json_get(event, "response");

	return note(s->arena, &s->provider_id, json_get(r, "id")) ||
			       note(s->arena, &s->provider_model, json_get(r, "model")) ||
			       note(s->arena, &s->tier, json_get(r, "service_tier"))
		       ? -1
		       : 0;
}

/* Items that no event told of: some servers send the whole answer at the end alone. */
static int late_items(struct wire_stream *s, yyjson_val *response)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(json_get(response, "output"));
	yyjson_val *item;
	bool none = s->nitems == 0;

	for (uint64_t n = 0; (item = yyjson_arr_iter_next(&it)); n++) {
		struct item *i = NULL;
		bool full = false;

		for (size_t k = 0; k < s->nitems && !i; k++)
			if (s->items[k].index == n)
				i = &s->items[k];
		if (!i && none && yyjson_is_obj(item)) {
			i = item_new(s, NULL, json_str(json_get(item, "id")), &full);
			if (!i || item_added(s, i, item) ||
			    (i->type != ITEM_OTHER && item_done(s, i, item)))
				return full ? 0 : -1;
		} else if (i && i->type == ITEM_THOUGHT && thought_done(s, i, item)) {
			return -1;
		}
	}
	return 0;
}

static int completed(struct wire_stream *s, yyjson_val *event, struct delta *out)
{
	yyjson_val *response = json_get(event, "response"), *usage;

	if (note_response(s, event) || late_items(s, response))
		return -1;
	usage = responses_read_usage(response, &out->usage);
	out->has_usage = usage != NULL;
	if (usage)
		out->raw_usage = json_print_arena(usage, &s->scratch);
	out->finish = responses_finish(response, s->called);
	if (s->annotations.len) {
		if (buf_putc(&s->annotations, ']'))
			return -1;
		out->annotations = buf_bytes(&s->annotations);
	}
	s->ended = true;
	return 0;
}

static int failed(struct wire_stream *s, yyjson_val *error, struct delta *out)
{
	responses_fail_upstream(error, s->dialect, true, &s->scratch);
	return error_delta(s, out);
}

/* ---- events ---- */

enum event {
	EVENT_UNKNOWN,
	EVENT_NOTED,
	EVENT_SILENT,
	EVENT_ITEM_ADDED,
	EVENT_ITEM_DONE,
	EVENT_ARGUMENTS,
	EVENT_ARGUMENTS_DONE,
	EVENT_INPUT_DONE,
	EVENT_TEXT,
	EVENT_REFUSAL,
	EVENT_SUMMARY,
	EVENT_THOUGHT,
	EVENT_ANNOTATION,
	EVENT_COMPLETED,
	EVENT_FAILED,
	EVENT_ERROR,
};

static enum event event_of(struct bytes type)
{
	static const struct {
		struct bytes type;
		enum event event;
	} events[] = {
		{ B("response.output_text.delta"), EVENT_TEXT },
		{ B("response.function_call_arguments.delta"), EVENT_ARGUMENTS },
		{ B("response.custom_tool_call_input.delta"), EVENT_ARGUMENTS },
		{ B("response.reasoning_summary_text.delta"), EVENT_SUMMARY },
		{ B("response.reasoning_text.delta"), EVENT_THOUGHT },
		{ B("response.refusal.delta"), EVENT_REFUSAL },
		{ B("response.output_item.added"), EVENT_ITEM_ADDED },
		{ B("response.output_item.done"), EVENT_ITEM_DONE },
		{ B("response.function_call_arguments.done"), EVENT_ARGUMENTS_DONE },
		{ B("response.custom_tool_call_input.done"), EVENT_INPUT_DONE },
		{ B("response.created"), EVENT_NOTED },
		{ B("response.in_progress"), EVENT_NOTED },
		{ B("response.queued"), EVENT_NOTED },
		{ B("response.content_part.added"), EVENT_SILENT },
		{ B("response.content_part.done"), EVENT_SILENT },
		{ B("response.output_text.done"), EVENT_SILENT },
		{ B("response.reasoning_summary_part.added"), EVENT_SILENT },
		{ B("response.reasoning_summary_part.done"), EVENT_SILENT },
		{ B("response.reasoning_summary_text.done"), EVENT_SILENT },
		{ B("response.reasoning_text.done"), EVENT_SILENT },
		{ B("response.refusal.done"), EVENT_SILENT },
		{ B("response.output_text.annotation.added"), EVENT_ANNOTATION },
		{ B("response.completed"), EVENT_COMPLETED },
		{ B("response.done"), EVENT_COMPLETED },
		{ B("response.incomplete"), EVENT_COMPLETED },
		{ B("response.failed"), EVENT_FAILED },
		{ B("error"), EVENT_ERROR },
	};

	for (size_t i = 0; i < COUNT(events); i++)
		if (bytes_eq(events[i].type, type))
			return events[i].event;
	return EVENT_UNKNOWN;
}

static int unknown_event(struct wire_stream *s, yyjson_val *event)
{
	struct bytes id =
		s->unknowns ? arena_printf(&s->scratch, "unknown.%zu", s->unknowns) : B("unknown");

	s->unknowns++;
	return unknown_part(s, id, event);
}

/* 0: parts may have come of it; 1: an error delta is in *out; -1. */
static int take(struct wire_stream *s, yyjson_val *event, struct delta *out)
{
	yyjson_val *error = json_get(event, "error");

	switch (event_of(json_str(json_get(event, "type")))) {
	case EVENT_NOTED: return note_response(s, event);
	case EVENT_SILENT: return 0;
	case EVENT_ITEM_ADDED: return item_event(s, event, false, out);
	case EVENT_ITEM_DONE: return item_event(s, event, true, out);
	case EVENT_ARGUMENTS: return arguments_delta(s, event, out);
	case EVENT_ARGUMENTS_DONE: return arguments_done(s, event, false);
	case EVENT_INPUT_DONE: return arguments_done(s, event, true);
	case EVENT_TEXT: return text_delta(s, event, PART_TEXT);
	case EVENT_REFUSAL: return text_delta(s, event, PART_REFUSAL);
	case EVENT_SUMMARY: return thought_delta(s, event, true);
	case EVENT_THOUGHT: return thought_delta(s, event, false);
	case EVENT_ANNOTATION: return annotation_added(s, event);
	case EVENT_COMPLETED: return completed(s, event, out);
	case EVENT_FAILED: return failed(s, json_get(json_get(event, "response"), "error"), out);
	case EVENT_ERROR: return failed(s, yyjson_is_obj(error) ? error : event, out);
	case EVENT_UNKNOWN: break;
	}
	if (!json_get(event, "type") && error && !yyjson_is_null(error))
		return failed(s, error, out); /* as chat completions has it */
	return unknown_event(s, event);
}

int openai_responses_read_event(struct wire_stream *s, const struct sse_event *e, struct delta *out)
{
	yyjson_val *event;
	int r;

	if (s->ended || bytes_eq(e->data, B("[DONE]")))
		return 2;
	if (e->data.n == 0 || *e->data.p == ':')
		return 0;
	s->any = true;
	event_begin(s, e->data, out);
	event = parse_event(s, e->data);
	if (!event && error_last()->kind != ERR_JSON_REQUEST && error_last()->kind != ERR_TOO_LARGE)
		return -1;
	if (!yyjson_is_obj(event))
		return bad_event(s, event ? B("expected an object") : error_last()->message, out);
	r = take(s, event, out);
	if (r)
		return r;
	out->parts = s->parts;
	out->len = s->nparts;
	out->forward = s->forwards;
	out->provider_id = s->provider_id;
	out->provider_model = s->provider_model;
	out->service_tier = s->tier;
	if (!s->nparts && !s->forwards && !s->ended)
		return keep_quiet(s, e->data);
	if (take_quiet(s, out))
		return -1;
	if (!s->ended)
		return 1;
	s->final = *out;
	s->has_final = true;
	return 2;
}

int openai_responses_read_end(struct wire_stream *s, struct delta *out)
{
	if (s->has_final) {
		s->has_final = false;
		*out = s->final;
		return 1;
	}
	if (s->ended || !s->any) /* a stream without any event is the caller's to name */
		return 0;
	event_begin(s, B(""), out);
	wire_fail(ERR_INFERENCE_SERVER, 0, s->dialect->type,
		  "Stream ended without a terminal event");
	return error_delta(s, out);
}
