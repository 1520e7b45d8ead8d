/*
 * A provider's event stream -> deltas (providers-others §2.9). The type of an event is the one inside of its data.
 *
 * Blocks come by an index, one after the other as a rule; struct open remembers of each what its later events need. A
 * server's own tools (their calls, their results) are no calls of the client's: each such block is put together and told
 * once, when it ends. To a client of this same format every event goes on as it came, also those that say nothing to us.
 */
#include "wire/anthropic_messages/read_answer.h"

#include <stdio.h>

#include "base/error.h"
#include "wire/anthropic_messages/write_request.h"
#include "wire/call_ids.h"
#include "wire/citations.h"

#define MAX_BLOCKS  1024
#define ERROR_SHOWN 4096        /* of an error that is no JSON */
#define INPUT_MAX   (64u << 20) /* of a server's tool */
#define SCRATCH_MAX (512u << 20)

enum open_type { OPEN_TEXT, OPEN_THOUGHT, OPEN_CALL, OPEN_RESPOND, OPEN_OTHER };

struct open {
	uint64_t index;
	enum open_type type;
	bool said;          /* some text of it came */
	struct bytes id;    /* of a call */
	struct bytes start; /* other: its JSON at its start; call: the input that it began with */
	struct buf input;   /* other: what came of its input; text: its citations, with commas */
	uint64_t at;        /* text: code points before it */
};

struct wire_stream {
	const struct inference *inf;
	const struct dialect *dialect;
	struct arena *arena;  /* the request's */
	struct arena scratch; /* of one event */
	bool forwards, mapped, by_tool;
	bool events, stopped, finished, responded;
	struct open *open;
	size_t nopen, copen, calls;
	struct part part;
	char id[U64_DIGITS];
	struct bytes last; /* message_stop, to be passed on */
	uint64_t unknown;
	uint64_t chars;   /* code points of all texts so far */
	struct buf cited; /* annotations of the whole answer, without brackets */
};

struct wire_stream *claude_stream_new(const struct inference *inf, const struct dialect *d,
				      struct arena *a)
{
	struct wire_stream *s = arena_new(a, struct wire_stream);

	if (!s)
		return NULL;
	s->inf = inf;
	s->dialect = d;
	s->arena = a;
	s->forwards = claude_passes(inf);
	s->mapped = !s->forwards && names_mapped(&name_anthropic, inf);
	s->by_tool = !s->forwards && claude_json_of(inf) == CLAUDE_JSON_TOOL;
	arena_init(&s->scratch, SCRATCH_MAX);
	buf_init(&s->cited, CITATIONS_MAX);
	return s;
}

void claude_stream_free(struct wire_stream *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->nopen; i++)
		buf_deinit(&s->open[i].input);
	buf_deinit(&s->cited);
	arena_deinit(&s->scratch);
}

uint64_t claude_unknown_events(const struct wire_stream *s)
{
	return s->unknown;
}

/* ---- errors ---- */

/* The current error becomes the delta's. */
static int error_delta(struct wire_stream *s, bool fatal, struct delta *out)
{
	struct bytes raw = wire_utf8(out->raw, &s->scratch);

	*out = (struct delta){ .raw = raw, .error = error_save(&s->scratch) };
	usage_init(&out->usage);
	if (!out->error || !bytes_set(raw))
		return -1;
	out->error->fatal = fatal;
	out->error->upstream_body = raw;
	return 1;
}

static int bad_event(struct wire_stream *s, struct delta *out)
{
	struct bytes why = arena_dup(&s->scratch, error_last()->message);

	if (error_last()->kind != ERR_JSON_REQUEST && error_last()->kind != ERR_TOO_LARGE)
		return -1;
	wire_fail(ERR_INFERENCE_SERVER, 0, s->dialect->type, "Error parsing message: %.*s",
		  BFMT(why));
	return error_delta(s, false, out);
}

static int upstream_error(struct wire_stream *s, yyjson_val *root, struct delta *out)
{
	yyjson_val *error = json_get(root, "error");

	if (claude_fail_upstream(error ? error : root, s->dialect, true, &s->scratch) &&
	    error_last()->kind == ERR_OUT_OF_MEMORY)
		return -1;
	return error_delta(s, true, out);
}

/* ---- parts ---- */

static struct open *open_at(struct wire_stream *s, uint64_t index)
{
	for (size_t i = s->nopen; i-- > 0;)
		if (s->open[i].index == index)
			return &s->open[i];
	return NULL;
}

static uint64_t index_of(yyjson_val *root)
{
	uint64_t n = 0;

	json_u64(json_get(root, "index"), &n);
	return n;
}

/* The event's one part. */
static int say(struct wire_stream *s, struct delta *out, uint64_t index, struct part part)
{
	s->part = part;
	if (part.type != PART_TOOL_CALL)
		s->part.id = u64_text(index, s->id);
	if (part.type == PART_THOUGHT)
		s->part.provider_type = s->dialect->type;
	out->parts = &s->part;
	out->len = 1;
	return 1;
}

static int say_text(struct wire_stream *s, struct delta *out, uint64_t index, struct bytes text)
{
	s->chars += citations_chars(text);
	return say(s, out, index, (struct part){ .type = PART_TEXT, .text = text });
}

static int open_add(struct wire_stream *s, struct open o, struct open **added)
{
	if (s->nopen == MAX_BLOCKS)
		return fail(ERR_TOO_LARGE, "an answer of more than %d blocks", MAX_BLOCKS);
	buf_init(&o.input, INPUT_MAX);
	if (!arena_push(s->arena, s->open, s->nopen, s->copen, o))
		return -1;
	*added = &s->open[s->nopen - 1];
	return 0;
}

static struct bytes text_or_empty(yyjson_val *v)
{
	struct bytes text = json_str(v);

	return bytes_set(text) ? text : B("");
}

/* ---- where a block begins ---- */

static int start_call(struct wire_stream *s, struct open *o, yyjson_val *block, struct delta *out)
{
	yyjson_val *input = json_get(block, "input");
	struct part part = { .type = PART_TOOL_CALL, .begins = true, .arguments = B("") };

	if (yyjson_is_obj(input) && yyjson_obj_size(input) > 0) {
		o->start = json_print_arena(input, s->arena);
		if (!bytes_set(o->start))
			return -1;
	}
	part.name = text_or_empty(json_get(block, "name"));
	if (s->by_tool && bytes_eq(part.name, CLAUDE_RESPOND)) {
		o->type = OPEN_RESPOND;
		s->responded = true;
		return 1;
	}
	if (s->mapped)
		part.name = name_back(&name_anthropic, s->inf, part.name);
	o->id = part.id = arena_dup(s->arena, text_or_empty(json_get(block, "id")));
	part.index = s->calls++;
	return bytes_set(part.id) ? say(s, out, o->index, part) : -1;
}

static int start_thought(struct wire_stream *s, struct open *o, yyjson_val *block,
			 struct delta *out)
{
	struct part part = { .type = PART_THOUGHT, .text = json_str(json_get(block, "thinking")) };
	struct bytes signature = json_str(json_get(block, "signature"));

	if (!bytes_set(part.text))
		part.text = B("");
	o->said = part.text.n > 0;
	if (signature.n)
		part.signature = signature;
	return say(s, out, o->index, part);
}

static int start_block(struct wire_stream *s, yyjson_val *root, struct delta *out)
{
	yyjson_val *block = json_get(root, "content_block");
	struct bytes type = json_str(json_get(block, "type"));
	struct open fresh = { .index = index_of(root), .type = OPEN_OTHER }, *o = NULL;

	if (!yyjson_is_obj(block))
		return 1;
	if (bytes_eq(type, B("text")))
		fresh.type = OPEN_TEXT;
	else if (bytes_eq(type, B("thinking")) || bytes_eq(type, B("redacted_thinking")))
		fresh.type = OPEN_THOUGHT;
	else if (bytes_eq(type, B("tool_use")))
		fresh.type = OPEN_CALL;
	else if (!bytes_set(fresh.start = json_print_arena(block, s->arena)))
		return -1;
	if (open_add(s, fresh, &o))
		return -1;
	switch (o->type) {
	case OPEN_TEXT:
		o->at = s->chars;
		return say_text(s, out, o->index, text_or_empty(json_get(block, "text")));
	case OPEN_THOUGHT:
		if (bytes_eq(type, B("thinking")))
			return start_thought(s, o, block, out);
		return say(s, out, o->index,
			   (struct part){ .type = PART_THOUGHT,
					  .signature = json_str(json_get(block, "data")) });
	case OPEN_CALL: return start_call(s, o, block, out);
	default: return 1;
	}
}

/* ---- what is added to it ---- */

static int lost_input(struct wire_stream *s, uint64_t index, struct delta *out)
{
	wire_fail(
		ERR_INFERENCE_SERVER, 0, s->dialect->type,
		"Got InputJsonDelta chunk from Anthropic for index %llu without a preceding ToolUse ContentBlockStart",
		(unsigned long long)index);
	return error_delta(s, false, out);
}

static int input_delta(struct wire_stream *s, struct open *o, uint64_t index, yyjson_val *delta,
		       struct delta *out)
{
	struct bytes json = text_or_empty(json_get(delta, "partial_json"));

	if (!o || o->type == OPEN_TEXT || o->type == OPEN_THOUGHT)
		return lost_input(s, index, out);
	if (o->type == OPEN_OTHER)
		return buf_append(&o->input, json) ? -1 : 1;
	o->said |= json.n > 0;
	if (o->type == OPEN_RESPOND)
		return say(s, out, index, (struct part){ .type = PART_TEXT, .text = json });
	return say(s, out, index,
		   (struct part){ .type = PART_TOOL_CALL, .id = o->id, .arguments = json });
}

/* It is told with the end of its block: how far its text goes is not known before. */
static int cite(struct wire_stream *s, struct open *o, yyjson_val *citation)
{
	struct bytes json;

	if (s->forwards || !o || o->type != OPEN_TEXT || !yyjson_is_obj(citation))
		return 1;
	json = json_print_arena(citation, &s->scratch);
	if (!bytes_set(json))
		return -1;
	if (o->input.len + json.n >= CITATIONS_MAX)
		return 1;
	return (o->input.len && buf_putc(&o->input, ',')) || buf_append(&o->input, json) ? -1 : 1;
}

static int block_delta(struct wire_stream *s, yyjson_val *root, struct delta *out)
{
	yyjson_val *delta = json_get(root, "delta");
	struct bytes type = json_str(json_get(delta, "type"));
	uint64_t index = index_of(root);
	struct open *o = open_at(s, index);
	struct part part = { .type = PART_THOUGHT };

	if (bytes_eq(type, B("text_delta")))
		return say_text(s, out, index, text_or_empty(json_get(delta, "text")));
	if (bytes_eq(type, B("citations_delta")))
		return cite(s, o, json_get(delta, "citation"));
	if (bytes_eq(type, B("input_json_delta")))
		return input_delta(s, o, index, delta, out);
	if (bytes_eq(type, B("thinking_delta"))) {
		part.text = text_or_empty(json_get(delta, "thinking"));
		if (o)
			o->said |= part.text.n > 0;
		return say(s, out, index, part);
	}
	if (!bytes_eq(type, B("signature_delta")))
		return 1; /* what comes to be: the block's own provider knows */
	part.signature = text_or_empty(json_get(delta, "signature"));
	if (o && !o->said)
		part.text = B(""); /* it thought, but does not show what: no redacted thought */
	return say(s, out, index, part);
}

/* ---- where it ends ---- */

/* Another block as it would stand in a plain answer. */
static int stop_other(struct wire_stream *s, const struct open *o, struct delta *out)
{
	yyjson_val *start = json_parse_lenient(o->start, &s->scratch), *key;
	yyjson_obj_iter it = yyjson_obj_iter_with(start);
	struct bytes input = buf_bytes(&o->input), text;
	struct buf b;
	struct pen p = { .b = &b };

	if (!input.n || !json_parse_lenient(input, &s->scratch))
		return say(s, out, o->index,
			   (struct part){ .type = PART_UNKNOWN, .text = o->start });
	buf_init(&b, INPUT_MAX);
	pen_open(&p, '{');
	while ((key = yyjson_obj_iter_next(&it))) {
		pen_item(&p);
		pen_string(&p, json_str(key));
		pen_lit(&p, ":");
		if (bytes_eq(json_str(key), B("input")))
			pen_bytes(&p, input);
		else if (json_print(yyjson_obj_iter_get_val(key), &b))
			p.failed = true;
	}
	pen_close(&p, '}');
	text = p.failed ? (struct bytes){ NULL, 0 } : arena_dup(&s->scratch, buf_bytes(&b));
	buf_deinit(&b);
	return bytes_set(text)
		       ? say(s, out, o->index, (struct part){ .type = PART_UNKNOWN, .text = text })
		       : -1;
}

static int stop_text(struct wire_stream *s, struct open *o)
{
	struct bytes list = arena_printf(&s->scratch, "[%.*s]", BFMT(buf_bytes(&o->input)));
	yyjson_arr_iter it;
	yyjson_val *one;

	if (!o->input.len)
		return 1;
	it = yyjson_arr_iter_with(json_parse_lenient(list, &s->scratch));
	while ((one = yyjson_arr_iter_next(&it)))
		if (citations_add(&s->cited, one, o->at, s->chars))
			return -1;
	buf_reset(&o->input);
	return 1;
}

static int stop_block(struct wire_stream *s, yyjson_val *root, struct delta *out)
{
	struct open *o = open_at(s, index_of(root));
	struct bytes rest;

	if (!o)
		return 1;
	if (o->type == OPEN_OTHER)
		return stop_other(s, o, out);
	if (o->type == OPEN_TEXT)
		return stop_text(s, o);
	if ((o->type != OPEN_CALL && o->type != OPEN_RESPOND) || o->said)
		return 1;
	o->said = true;
	rest = bytes_set(o->start) ? o->start : B("{}");
	if (o->type == OPEN_RESPOND)
		return say(s, out, o->index, (struct part){ .type = PART_TEXT, .text = rest });
	return say(s, out, o->index,
		   (struct part){ .type = PART_TOOL_CALL, .id = o->id, .arguments = rest });
}

/* ---- the message ---- */

static int take_usage(struct wire_stream *s, yyjson_val *usage, struct delta *out)
{
	if (!yyjson_is_obj(usage))
		return 0;
	claude_read_usage(usage, &out->usage);
	out->has_usage = true;
	out->service_tier = claude_tier_read(usage);
	out->raw_usage = json_print_arena(usage, &s->scratch);
	return bytes_set(out->raw_usage) ? 0 : -1;
}

static int start_message(struct wire_stream *s, yyjson_val *root, struct delta *out)
{
	yyjson_val *message = json_get(root, "message");

	out->provider_id = json_str(json_get(message, "id"));
	out->provider_model = json_str(json_get(message, "model"));
	return take_usage(s, json_get(message, "usage"), out) ? -1 : 1;
}

static int message_delta(struct wire_stream *s, yyjson_val *root, struct delta *out)
{
	yyjson_val *delta = json_get(root, "delta");

	if (s->cited.len) {
		out->annotations = arena_printf(&s->scratch, "[%.*s]", BFMT(buf_bytes(&s->cited)));
		if (!bytes_set(out->annotations))
			return -1;
		buf_reset(&s->cited);
	}
	out->finish = claude_finish(json_get(delta, "stop_reason"));
	s->finished |= out->finish != FINISH_UNSET;
	if (s->responded && out->finish == FINISH_TOOL_CALL)
		out->finish = FINISH_STOP;
	out->stop_sequence = json_str(json_get(delta, "stop_sequence"));
	out->stop_explanation = json_str(json_get(json_get(delta, "stop_details"), "explanation"));
	return take_usage(s, json_get(root, "usage"), out) ? -1 : 1;
}

/* ---- events ---- */

static int ping(struct wire_stream *s, yyjson_val *root, struct delta *out)
{
	(void)root, (void)out;
	return s->forwards;
}

static int stop_message(struct wire_stream *s, yyjson_val *root, struct delta *out)
{
	(void)root;
	s->stopped = true;
	if (s->forwards)
		s->last = out->raw;
	return 2;
}

static const struct event_type {
	struct bytes name;
	/* 1: a delta. 0: nothing for anyone. 2: the end. -1. */
	int (*read)(struct wire_stream *, yyjson_val *, struct delta *);
} event_types[] = {
	{ B("content_block_delta"), block_delta }, { B("content_block_start"), start_block },
	{ B("content_block_stop"), stop_block },   { B("ping"), ping },
	{ B("message_start"), start_message },     { B("message_delta"), message_delta },
	{ B("message_stop"), stop_message },       { B("error"), upstream_error },
};
#define MESSAGE_STOP B("message_stop")

static int read_typed(struct wire_stream *s, yyjson_val *root, struct delta *out)
{
	struct bytes type = json_str(json_get(root, "type"));
	int r;

	out->forward = s->forwards;
	for (size_t i = 0; i < COUNT(event_types); i++) {
		if (!bytes_eq(event_types[i].name, type))
			continue;
		out->event = event_types[i].name;
		r = event_types[i].read(s, root, out);
		if (r == 1 && !out->len && !out->error && !s->forwards && !out->has_usage &&
		    out->finish == FINISH_UNSET && !out->provider_id.n)
			return 0;
		return r;
	}
	if (yyjson_is_obj(json_get(root, "error")))
		return upstream_error(s, root, out);
	s->unknown++;
	out->event = type;
	return s->forwards && type.n ? 1 : 0;
}

int claude_read_event(struct wire_stream *s, const struct sse_event *e, struct delta *out)
{
	yyjson_val *root;

	if (s->stopped || e->data.n == 0)
		return 0;
	arena_deinit(&s->scratch);
	arena_init(&s->scratch, SCRATCH_MAX);
	*out = (struct delta){ .raw = e->data };
	usage_init(&out->usage);
	s->events = true;
	root = json_parse_lenient(e->data, &s->scratch);
	if (!root && bytes_eq(e->event, B("error"))) {
		struct bytes said = wire_utf8(bytes_head(e->data, ERROR_SHOWN), &s->scratch);

		wire_fail(ERR_INFERENCE_SERVER, 0, s->dialect->type, "%.*s", BFMT(said));
		return error_delta(s, true, out);
	}
	return root ? read_typed(s, root, out) : bad_event(s, out);
}

int claude_read_end(struct wire_stream *s, struct delta *out)
{
	*out = (struct delta){ .raw = s->last, .forward = true, .event = MESSAGE_STOP };
	usage_init(&out->usage);
	if (bytes_set(s->last)) {
		s->last = (struct bytes){ NULL, 0 };
		return 1;
	}
	if (s->stopped || s->finished || !s->events)
		return 0;
	out->raw = B("");
	wire_fail(ERR_FATAL_STREAM, 0, s->dialect->type, "stream ended before message_stop");
	return error_delta(s, true, out);
}
