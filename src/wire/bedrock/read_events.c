/*
 * ConverseStream's events -> deltas (providers-others §5.5). An event's name is the frame's :event-type, its data the
 * event's own body.
 *
 * Text and thoughts have no start event, calls have; fragments belong to the block of their index, also when blocks
 * come interleaved. Usage comes behind messageStop: the stream is over when the body is.
 */
#include "base/base64.h"
#include "base/error.h"
#include "wire/bedrock/bedrock.h"
#include "wire/call_ids.h"

#define BLOCKS_MAX   1024u
#define SCRATCH_MAX  (64u << 20)
#define REDACTED_MAX (1u << 20)

/* A block of the answer that is under way. */
struct open_block {
	uint64_t index;
	struct bytes part_id; /* the index as text; of a call its id */
	bool is_call, has_arguments;
	uint64_t call; /* how many calls came before */
};

struct wire_stream {
	const struct inference *inf;
	const struct dialect *dialect;
	struct arena *arena;  /* what lives as long as the stream */
	struct arena scratch; /* of one event */
	struct part part;
	struct open_block *blocks;
	size_t len, cap;
	uint64_t calls, unknown;
	struct buf redacted; /* bytes of the block that is under way, of `redacted_index` */
	uint64_t redacted_index;
	bool any, stopped, failed;
};

struct wire_stream *bedrock_stream_new(const struct inference *inf, const struct dialect *d,
				       struct arena *a)
{
	struct wire_stream *s = arena_new(a, struct wire_stream);

	if (!s)
		return NULL;
	s->inf = inf;
	s->dialect = d;
	s->arena = a;
	arena_init(&s->scratch, SCRATCH_MAX);
	buf_init(&s->redacted, REDACTED_MAX);
	return s;
}

void bedrock_stream_free(struct wire_stream *s)
{
	if (!s)
		return;
	arena_deinit(&s->scratch);
	buf_deinit(&s->redacted);
}

uint64_t bedrock_unknown_events(const struct wire_stream *s)
{
	return s->unknown;
}

/* ---- deltas ---- */

/* The last error as a delta. */
static int error_delta(struct wire_stream *s, bool fatal, struct delta *out)
{
	struct bytes raw = out->raw;

	*out = (struct delta){ .raw = raw, .error = error_save(s->arena) };
	usage_init(&out->usage);
	if (!out->error)
		return -1;
	out->error->fatal = fatal;
	s->failed |= fatal;
	return 1;
}

static int bad_event(struct wire_stream *s, struct delta *out, struct bytes why)
{
	wire_fail(ERR_INFERENCE_SERVER, 0, s->dialect->type, "Error parsing chunk. Error: %.*s",
		  BFMT(why));
	return error_delta(s, false, out);
}

static int give(struct wire_stream *s, struct part part, struct delta *out)
{
	s->part = part;
	out->parts = &s->part;
	out->len = 1;
	return 1;
}

/* ---- blocks ---- */

static struct open_block *find(struct wire_stream *s, uint64_t index)
{
	for (size_t i = s->len; i > 0; i--)
		if (s->blocks[i - 1].index == index)
			return &s->blocks[i - 1];
	return NULL;
}

/* Its block, begun if this is the first of it. NULL: too many, or no memory; the error is set. */
static struct open_block *block_of(struct wire_stream *s, uint64_t index)
{
	struct open_block new = { .index = index }, *b = find(s, index);

	if (b)
		return b;
	if (s->len == BLOCKS_MAX) {
		wire_fail(ERR_INFERENCE_SERVER, 0, s->dialect->type,
			  "the answer has more than %u blocks", BLOCKS_MAX);
		return NULL;
	}
	new.part_id = arena_printf(s->arena, "%llu", (unsigned long long)index);
	if (!bytes_set(new.part_id) || !arena_push(s->arena, s->blocks, s->len, s->cap, new))
		return NULL;
	return &s->blocks[s->len - 1];
}

static int no_block(struct wire_stream *s, struct delta *out)
{
	return error_last()->kind == ERR_OUT_OF_MEMORY ? -1 : error_delta(s, true, out);
}

static uint64_t index_of(yyjson_val *event)
{
	uint64_t index = 0;

	json_u64(json_get(event, "contentBlockIndex"), &index);
	return index;
}

static struct bytes or_empty(struct bytes text)
{
	return bytes_set(text) ? text : B("");
}

/* What no neutral part stands for, as it came. */
static int give_unknown(struct wire_stream *s, const struct open_block *b, yyjson_val *what,
			struct delta *out)
{
	struct bytes text = json_print_arena(what, &s->scratch);

	if (!bytes_set(text))
		return -1;
	return give(s, (struct part){ .type = PART_UNKNOWN, .id = b->part_id, .text = text }, out);
}

static int block_start(struct wire_stream *s, yyjson_val *event, struct delta *out)
{
	yyjson_val *start = json_get(event, "start"), *call = json_get(start, "toolUse");
	struct open_block *b = block_of(s, index_of(event));
	struct bytes name = or_empty(json_str(json_get(call, "name")));

	if (!b)
		return no_block(s, out);
	if (!yyjson_is_obj(call))
		return yyjson_obj_size(start) ? give_unknown(s, b, start, out) : 0;
	b->is_call = true;
	b->call = s->calls++;
	b->part_id = arena_dup(s->arena, or_empty(json_str(json_get(call, "toolUseId"))));
	if (!bytes_set(b->part_id))
		return -1;
	return give(s,
		    (struct part){ .type = PART_TOOL_CALL,
				   .id = b->part_id,
				   .name = name_back(&name_bedrock, s->inf, name),
				   .arguments = B(""),
				   .begins = true,
				   .index = b->call },
		    out);
}

static int call_delta(struct wire_stream *s, struct open_block *b, struct bytes input,
		      struct delta *out)
{
	if (!b->is_call) {
		wire_fail(ERR_INFERENCE_SERVER, 0, s->dialect->type,
			  "Got tool use delta without current tool id");
		return error_delta(s, false, out);
	}
	b->has_arguments |= input.n > 0;
	return give(s,
		    (struct part){ .type = PART_TOOL_CALL,
				   .id = b->part_id,
				   .arguments = or_empty(input),
				   .index = b->call },
		    out);
}

/* Pieces are decoded and kept until their block stops: joined base64 of pieces is no base64. */
static int keep_redacted(struct wire_stream *s, uint64_t index, struct bytes text)
{
	struct bytes piece = base64_read(text, &s->scratch);

	if (s->redacted_index != index)
		buf_reset(&s->redacted);
	s->redacted_index = index;
	return bytes_set(piece) ? buf_append(&s->redacted, piece) : 0;
}

static int thought_delta(struct wire_stream *s, const struct open_block *b, yyjson_val *reasoning,
			 struct delta *out)
{
	struct part part = { .type = PART_THOUGHT,
			     .id = b->part_id,
			     .text = json_str(json_get(reasoning, "text")),
			     .signature = json_str(json_get(reasoning, "signature")),
			     .provider_type = s->dialect->type };
	struct bytes redacted = json_str(json_get(reasoning, "redactedContent"));

	if (redacted.n)
		return keep_redacted(s, b->index, redacted) ? -1 : 0;
	return bytes_set(part.text) || bytes_set(part.signature) ? give(s, part, out) : 0;
}

static int block_delta(struct wire_stream *s, yyjson_val *event, struct delta *out)
{
	yyjson_val *delta = json_get(event, "delta"), *one;
	struct bytes text = json_str(json_get(delta, "text"));
	struct open_block *b = block_of(s, index_of(event));

	if (!b)
		return no_block(s, out);
	if (bytes_set(text))
		return give(s, (struct part){ .type = PART_TEXT, .id = b->part_id, .text = text },
			    out);
	if (yyjson_is_obj(one = json_get(delta, "toolUse")))
		return call_delta(s, b, json_str(json_get(one, "input")), out);
	if (yyjson_is_obj(one = json_get(delta, "reasoningContent")))
		return thought_delta(s, b, one, out);
	if (json_get(delta, "citation")) /* of the text, which the client has */
		return 0;
	return yyjson_obj_size(delta) ? give_unknown(s, b, delta, out) : 0;
}

static int give_redacted(struct wire_stream *s, const struct open_block *b, struct delta *out)
{
	struct bytes signature;
	struct buf text;

	buf_init(&text, 2 * REDACTED_MAX);
	if (buf_base64(&text, buf_bytes(&s->redacted)) == 0)
		signature = arena_dup(&s->scratch, buf_bytes(&text));
	else
		signature = (struct bytes){ NULL, 0 };
	buf_deinit(&text);
	buf_reset(&s->redacted);
	if (!bytes_set(signature))
		return -1;
	return give(s,
		    (struct part){ .type = PART_THOUGHT,
				   .id = b->part_id,
				   .signature = signature,
				   .provider_type = s->dialect->type },
		    out);
}

static int block_stop(struct wire_stream *s, yyjson_val *event, struct delta *out)
{
	struct open_block *b = find(s, index_of(event));

	if (b && s->redacted.len && s->redacted_index == b->index)
		return give_redacted(s, b, out);
	if (!b || !b->is_call || b->has_arguments)
		return 0;
	return call_delta(s, b, B("{}"), out);
}

/* ---- the rest ---- */

static int message_stop(struct wire_stream *s, yyjson_val *event, struct delta *out)
{
	s->stopped = true;
	out->finish = bedrock_finish(json_str(json_get(event, "stopReason")));
	return 1;
}

static int metadata(struct wire_stream *s, yyjson_val *event, struct delta *out)
{
	yyjson_val *usage = json_get(event, "usage");

	out->service_tier = bedrock_tier(event);
	out->has_usage = bedrock_read_usage(usage, &out->usage);
	if (!out->has_usage)
		return 0;
	out->raw_usage = json_print_arena(usage, &s->scratch);
	return bytes_set(out->raw_usage) ? 1 : -1;
}

static int message_start(struct wire_stream *s, yyjson_val *event, struct delta *out)
{
	(void)s, (void)event, (void)out;
	return 0;
}

static const struct {
	struct bytes name;
	int (*read)(struct wire_stream *, yyjson_val *event, struct delta *out);
} events[] = {
	{ B("contentBlockDelta"), block_delta }, { B("contentBlockStart"), block_start },
	{ B("contentBlockStop"), block_stop },   { B("messageStart"), message_start },
	{ B("messageStop"), message_stop },      { B("metadata"), metadata },
};

int bedrock_read_event(struct wire_stream *s, const struct sse_event *event, struct delta *out)
{
	yyjson_val *root;

	arena_deinit(&s->scratch);
	arena_init(&s->scratch, SCRATCH_MAX);
	*out = (struct delta){ .raw = event->data };
	usage_init(&out->usage);
	s->any = true;
	for (size_t i = 0; i < COUNT(events); i++) {
		if (!bytes_eq(events[i].name, event->event))
			continue;
		root = json_parse_lenient(event->data, &s->scratch);
		if (root)
			return events[i].read(s, root, out);
		if (error_last()->kind != ERR_JSON_REQUEST)
			return -1;
		return bad_event(s, out, arena_dup(&s->scratch, error_last()->message));
	}
	s->unknown++;
	return 0;
}

int bedrock_read_end(struct wire_stream *s, struct delta *out)
{
	if (s->stopped || s->failed || !s->any)
		return 0;
	*out = (struct delta){ .raw = B("") };
	s->stopped = true;
	wire_fail(ERR_FATAL_STREAM, 0, s->dialect->type, "stream ended before messageStop");
	return error_delta(s, true, out);
}
