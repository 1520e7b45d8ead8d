/*
 * The events of streamGenerateContent -> deltas (providers-others §9.7). Each event is a whole answer with new parts; nothing
 * marks the end but the connection's close, so a stream without a finish reason was cut.
 *
 * All text is one block, each thought and each signature is one of its own: the API never says which belong together.
 * A call comes whole; two of one tool are two calls.
 */
#include "base/error.h"
#include "wire/call_ids.h"
#include "wire/gemini/read.h"
#include "wire/google_error.h"

#define TEXT_ID     B("0")
#define SCRATCH_MAX (8u * SSE_MAX_EVENT)
#define CALLS_MAX   128 /* providers-openai §2.12 */

struct wire_stream {
	const struct inference *inf;
	const struct dialect *dialect;
	struct arena *arena, scratch; /* the call's; the event's */
	struct part *parts;           /* of the event, in its memory */
	size_t nparts, cparts;
	uint64_t counter;    /* of thoughts and unknown parts */
	struct bytes *calls; /* their ids */
	size_t ncalls, ccalls;
	bool any, content, finished;
};

struct wire_stream *gemini_stream_new(const struct inference *inf, const struct dialect *d,
				      struct arena *a)
{
	struct wire_stream *s = arena_new(a, struct wire_stream);

	if (!s)
		return NULL;
	s->inf = inf;
	s->dialect = d;
	s->arena = a;
	arena_init(&s->scratch, SCRATCH_MAX);
	return s;
}

void gemini_stream_free(struct wire_stream *s)
{
	if (s)
		arena_deinit(&s->scratch);
}

/* ---- errors ---- */

/* The current error becomes the delta's. */
static int error_delta(struct wire_stream *s, bool fatal, struct delta *out)
{
	struct bytes raw = wire_utf8(out->raw, &s->scratch);

	*out = (struct delta){ .raw = raw, .error = error_save(&s->scratch) };
	usage_init(&out->usage);
	if (!out->error || (out->raw.n && !bytes_set(raw)))
		return -1;
	out->error->fatal = fatal;
	out->error->upstream_body = raw;
	s->finished |= fatal;
	return 1;
}

static int limit(struct wire_stream *s, const char *what, struct delta *out)
{
	wire_fail(ERR_INFERENCE_SERVER, 0, s->dialect->type, "%s", what);
	return error_delta(s, true, out);
}

/* ---- parts ---- */

/* False: an event has no more, or there is no memory. */
static bool add(struct wire_stream *s, struct part p)
{
	return s->nparts < DELTA_PARTS &&
	       arena_push(&s->scratch, s->parts, s->nparts, s->cparts, p);
}

/* The next id of a thought or an unknown part; unset: no memory. */
static struct bytes next_id(struct wire_stream *s)
{
	char digits[U64_DIGITS];

	return arena_dup(&s->scratch, u64_text(++s->counter, digits));
}

static bool add_thought(struct wire_stream *s, struct bytes text, struct bytes signature)
{
	struct part p = { .type = PART_THOUGHT,
			  .id = next_id(s),
			  .text = text,
			  .signature = signature,
			  .provider_type = s->dialect->type };

	return bytes_set(p.id) && add(s, p);
}

static bool add_text(struct wire_stream *s, struct bytes text)
{
	return !text.n || add(s, (struct part){ .type = PART_TEXT, .id = TEXT_ID, .text = text });
}

static bool add_other(struct wire_stream *s, yyjson_val *part)
{
	struct part p = { .type = PART_UNKNOWN,
			  .id = next_id(s),
			  .text = json_print_arena(part, &s->scratch) };

	return bytes_set(p.id) && bytes_set(p.text) && add(s, p);
}

static bool is_known_call(const struct wire_stream *s, struct bytes id)
{
	for (size_t i = 0; i < s->ncalls; i++)
		if (bytes_eq(s->calls[i], id))
			return true;
	return false;
}

/* The same id again is the same call, which came whole already. */
static bool add_call(struct wire_stream *s, yyjson_val *call)
{
	struct bytes id = json_str(json_get(call, "id"));
	struct part p = { .type = PART_TOOL_CALL, .begins = true, .index = s->ncalls };
	char made[16];

	if (id.n && is_known_call(s, id))
		return true;
	p.id = arena_dup(s->arena, id.n ? id : call_id_made(s->inf->id, s->ncalls, made));
	p.name = name_back(&name_gemini, s->inf, json_str(json_get(call, "name")));
	p.arguments = gemini_arguments(call, &s->scratch);
	return s->ncalls < CALLS_MAX && bytes_set(p.id) && bytes_set(p.arguments) &&
	       arena_push(s->arena, s->calls, s->ncalls, s->ccalls, p.id) && add(s, p);
}

static bool add_part(struct wire_stream *s, yyjson_val *part)
{
	struct bytes said, signature = gemini_signature(part), none = { NULL, 0 };
	enum gemini_part type = gemini_part_of(part, &said);

	if (type == GEMINI_THOUGHT)
		return add_thought(s, said, signature);
	if (bytes_set(signature) && !add_thought(s, none, signature))
		return false;
	switch (type) {
	case GEMINI_TEXT: return add_text(s, said);
	case GEMINI_CALL: return add_call(s, json_get(part, "functionCall"));
	case GEMINI_OTHER: return add_other(s, part);
	case GEMINI_THOUGHT:
	case GEMINI_SEAL: break;
	}
	return true;
}

/* ---- events ---- */

static int read_end_of(struct wire_stream *s, yyjson_val *root, yyjson_val *candidate,
		       struct delta *out)
{
	struct gemini_end end = gemini_end_of(root, candidate, s->ncalls);

	if (end.malformed && !s->content) {
		gemini_fail_malformed(s->dialect, end.explanation);
		return error_delta(s, true, out);
	}
	out->finish = end.finish;
	out->stop_explanation = end.explanation;
	s->finished |= end.finish != FINISH_UNSET;
	return 1;
}

static int read_root(struct wire_stream *s, yyjson_val *root, struct delta *out)
{
	yyjson_val *candidate = yyjson_arr_get_first(json_get(root, "candidates")), *usage, *part;
	yyjson_arr_iter it =
		yyjson_arr_iter_with(json_get(json_get(candidate, "content"), "parts"));

	while ((part = yyjson_arr_iter_next(&it)))
		if (yyjson_is_obj(part) && !add_part(s, part))
			return limit(s, "an event of the stream has too many parts", out);
	usage = gemini_usage(root, &out->usage);
	out->has_usage = usage;
	if (usage && !bytes_set(out->raw_usage = json_print_arena(usage, &s->scratch)))
		return -1;
	out->parts = s->parts;
	out->len = s->nparts;
	out->provider_id = json_str(json_get(root, "responseId"));
	out->provider_model = json_str(json_get(root, "modelVersion"));
	s->content |= delta_has_content(out);
	return read_end_of(s, root, candidate, out);
}

int gemini_read_event(struct wire_stream *s, const struct sse_event *e, struct delta *out)
{
	yyjson_val *root;

	if (!e->data.n)
		return 0;
	arena_deinit(&s->scratch);
	arena_init(&s->scratch, SCRATCH_MAX);
	s->parts = NULL;
	s->nparts = s->cparts = 0;
	s->any = true;
	*out = (struct delta){ .raw = e->data };
	usage_init(&out->usage);
	root = json_parse_lenient(e->data, &s->scratch);
	if (!root && error_last()->kind == ERR_OUT_OF_MEMORY)
		return -1;
	if (!root) {
		struct bytes why = arena_dup(&s->scratch, error_last()->message);

		wire_fail(ERR_INFERENCE_SERVER, 0, s->dialect->type,
			  "Error parsing streaming JSON response: %.*s", BFMT(why));
		return error_delta(s, false, out);
	}
	if (google_fail(root, s->dialect->type, true, &s->scratch))
		return error_delta(s, true, out);
	return read_root(s, root, out);
}

int gemini_read_end(struct wire_stream *s, struct delta *out)
{
	if (s->finished || !s->any) /* a stream without any event is the caller's to name */
		return 0;
	*out = (struct delta){ .raw = B("") };
	wire_fail(ERR_FATAL_STREAM, 0, s->dialect->type, "stream ended before a finish reason");
	return error_delta(s, true, out);
}
