/*
 * A plain answer of generateContent -> struct result (providers-others §9.6), and what a stream's events share with it: each
 * of them is such an answer.
 *
 * The trap: a signature belongs to the part that it stands on, and must come back on that part. In the neutral model it
 * is a thought without text in front of that part's block; writing a request joins the two again.
 */
#include "base/error.h"
#include "wire/call_ids.h"
#include "wire/gemini/read.h"
#include "wire/google_error.h"

/* ---- parts ---- */

static bool is_thought(yyjson_val *part)
{
	return yyjson_is_true(json_get(part, "thought"));
}

/* Whether a member says what the part is. */
static bool has_data(yyjson_val *part)
{
	static const struct bytes beside[] = { B("thought"), B("thoughtSignature"),
					       B("thought_signature"), B("text") };
	yyjson_obj_iter it = yyjson_obj_iter_with(part);
	yyjson_val *key;

	while ((key = yyjson_obj_iter_next(&it))) {
		size_t i = 0;

		while (i < COUNT(beside) && !bytes_eq(beside[i], json_str(key)))
			i++;
		if (i == COUNT(beside))
			return true;
	}
	return false;
}

struct bytes gemini_signature(yyjson_val *part)
{
	struct bytes s = json_str(json_get(part, "thoughtSignature"));

	return s.n ? s : (struct bytes){ NULL, 0 };
}

enum gemini_part gemini_part_of(yyjson_val *part, struct bytes *said)
{
	*said = json_str(json_get(part, "text"));
	if (is_thought(part)) {
		if (has_data(part))
			return GEMINI_OTHER;
		return bytes_set(*said) ? GEMINI_THOUGHT : GEMINI_SEAL;
	}
	if (yyjson_is_str(json_get(json_get(part, "functionCall"), "name")))
		return GEMINI_CALL;
	if (has_data(part))
		return GEMINI_OTHER;
	if (!said->n && bytes_set(gemini_signature(part)))
		return GEMINI_SEAL;
	return bytes_set(*said) ? GEMINI_TEXT : GEMINI_OTHER;
}

struct bytes gemini_arguments(yyjson_val *call, struct arena *a)
{
	yyjson_val *args = json_get(call, "args");

	return args && !yyjson_is_null(args) ? json_print_arena(args, a) : B("{}");
}

/* ---- how it ends ---- */

static const struct {
	struct bytes name;
	enum finish_reason finish;
} reasons[] = {
	{ B("STOP"), FINISH_STOP },
	{ B("MAX_TOKENS"), FINISH_LENGTH },
	{ B("SAFETY"), FINISH_CONTENT_FILTER },
	{ B("BLOCKLIST"), FINISH_CONTENT_FILTER },
	{ B("PROHIBITED_CONTENT"), FINISH_CONTENT_FILTER },
	{ B("SPII"), FINISH_CONTENT_FILTER },
	{ B("RECITATION"), FINISH_CONTENT_FILTER },
	{ B("LANGUAGE"), FINISH_CONTENT_FILTER },
	{ B("MODEL_ARMOR"), FINISH_CONTENT_FILTER },
	{ B("IMAGE_SAFETY"), FINISH_CONTENT_FILTER },
	{ B("IMAGE_PROHIBITED_CONTENT"), FINISH_CONTENT_FILTER },
	{ B("IMAGE_RECITATION"), FINISH_CONTENT_FILTER },
};

struct gemini_end gemini_end_of(yyjson_val *root, yyjson_val *candidate, bool called)
{
	struct bytes name = json_str(json_get(candidate, "finishReason"));
	struct gemini_end end = { .finish = name.n ? FINISH_UNKNOWN : FINISH_UNSET };

	if (!name.n && gemini_blocked(root, &end))
		return end;
	for (size_t i = 0; i < COUNT(reasons); i++)
		if (bytes_eq(reasons[i].name, name))
			end.finish = reasons[i].finish;
	if (end.finish == FINISH_STOP && called)
		end.finish = FINISH_TOOL_CALL;
	end.malformed = bytes_eq(name, B("MALFORMED_FUNCTION_CALL"));
	if (end.finish == FINISH_CONTENT_FILTER || end.malformed) {
		end.explanation = json_str(json_get(candidate, "finishMessage"));
		if (!end.explanation.n)
			end.explanation = name;
	}
	return end;
}

bool gemini_blocked(yyjson_val *root, struct gemini_end *out)
{
	yyjson_val *feedback = json_get(root, "promptFeedback");
	struct bytes reason = json_str(json_get(feedback, "blockReason")),
		     message = json_str(json_get(feedback, "blockReasonMessage"));

	if (!reason.n)
		return false;
	*out = (struct gemini_end){ .finish = FINISH_CONTENT_FILTER,
				    .explanation = message.n ? message : reason };
	return true;
}

int gemini_fail_malformed(const struct dialect *d, struct bytes explanation)
{
	return wire_fail(ERR_INFERENCE_SERVER, 0, d->type,
			 "the model's function call could not be read: %.*s",
			 BFMT(bytes_slice(explanation, 0, 4096)));
}

/* ---- usage ---- */

static int64_t count(yyjson_val *obj, const char *key)
{
	uint64_t n;

	if (!json_u64(json_get(obj, key), &n) || n > UINT32_MAX)
		return USAGE_UNKNOWN;
	return (int64_t)n;
}

/* One that is missing counts 0, both missing are unknown. */
static int64_t sum(int64_t a, int64_t b)
{
	if (a == USAGE_UNKNOWN || b == USAGE_UNKNOWN)
		return a == USAGE_UNKNOWN ? b : a;
	return a + b;
}

yyjson_val *gemini_usage(yyjson_val *root, struct usage *u)
{
	yyjson_val *usage = json_get(root, "usageMetadata");

	usage_init(u);
	if (!yyjson_is_obj(usage))
		return NULL;
	u->input_tokens = count(usage, "promptTokenCount");
	if (u->input_tokens != USAGE_UNKNOWN)
		u->input_tokens = sum(u->input_tokens, count(usage, "toolUsePromptTokenCount"));
	u->reasoning_tokens = count(usage, "thoughtsTokenCount");
	u->output_tokens = sum(count(usage, "candidatesTokenCount"), u->reasoning_tokens);
	u->cache_read = count(usage, "cachedContentTokenCount");
	return usage;
}

/* ---- the answer ---- */

struct reply {
	struct arena *arena;
	const struct inference *inf;
	const struct dialect *dialect;
	struct result *result;
	size_t calls;
};

static int add(struct reply *r, struct block b)
{
	struct result *to = r->result;

	return arena_push(r->arena, to->content, to->len, to->cap, b) ? 0 : -1;
}

static int add_thought(struct reply *r, struct bytes text, struct bytes signature)
{
	return add(r, (struct block){ .type = BLOCK_THOUGHT,
				      .text = text,
				      .signature = signature,
				      .provider_type = r->dialect->type });
}

static int add_call(struct reply *r, yyjson_val *call)
{
	struct block b = { .type = BLOCK_TOOL_CALL, .id = json_str(json_get(call, "id")) };
	char made[16];

	b.name = name_back(&name_gemini, r->inf, json_str(json_get(call, "name")));
	b.arguments = gemini_arguments(call, r->arena);
	if (!b.id.n)
		b.id = arena_dup(r->arena, call_id_made(r->inf->id, r->calls, made));
	r->calls++;
	return bytes_set(b.arguments) && bytes_set(b.id) ? add(r, b) : -1;
}

static int add_other(struct reply *r, yyjson_val *part)
{
	struct bytes data = json_print_arena(part, r->arena);

	return bytes_set(data) ? add(r, (struct block){ .type = BLOCK_UNKNOWN, .text = data }) : -1;
}

static int add_part(struct reply *r, yyjson_val *part)
{
	struct bytes said, signature = gemini_signature(part), none = { NULL, 0 };
	enum gemini_part type = gemini_part_of(part, &said);

	if (type == GEMINI_THOUGHT)
		return add_thought(r, said, signature);
	if (bytes_set(signature) && add_thought(r, none, signature))
		return -1;
	switch (type) {
	case GEMINI_TEXT: return add(r, (struct block){ .type = BLOCK_TEXT, .text = said });
	case GEMINI_CALL: return add_call(r, json_get(part, "functionCall"));
	case GEMINI_OTHER: return add_other(r, part);
	case GEMINI_THOUGHT:
	case GEMINI_SEAL: break;
	}
	return 0;
}

/* What the answer rests on stands at its last text. */
static int add_grounding(struct reply *r, yyjson_val *candidate)
{
	yyjson_val *grounding = json_get(candidate, "groundingMetadata");
	struct result *to = r->result;
	struct bytes json;

	for (size_t i = to->len; yyjson_is_obj(grounding) && i-- > 0;) {
		if (to->content[i].type != BLOCK_TEXT)
			continue;
		json = json_print_arena(grounding, r->arena);
		to->content[i].extra_data =
			arena_printf(r->arena, "{\"groundingMetadata\":%.*s}", BFMT(json));
		return bytes_set(json) && bytes_set(to->content[i].extra_data) ? 0 : -1;
	}
	return 0;
}

static int add_end(struct reply *r, yyjson_val *root, yyjson_val *candidate)
{
	struct gemini_end end = gemini_end_of(root, candidate, r->calls);

	if (end.malformed && !r->result->len)
		return gemini_fail_malformed(r->dialect, end.explanation);
	r->result->finish = end.finish;
	r->result->stop_explanation = end.explanation;
	return 0;
}

static int read_root(struct reply *r, yyjson_val *root)
{
	yyjson_val *candidate = yyjson_arr_get_first(json_get(root, "candidates")), *usage, *part;
	yyjson_arr_iter it =
		yyjson_arr_iter_with(json_get(json_get(candidate, "content"), "parts"));
	struct gemini_end end;

	if (!candidate && !gemini_blocked(root, &end))
		return wire_fail(ERR_INFERENCE_SERVER, 0, r->dialect->type,
				 "%.*s response has no candidates", BFMT(r->dialect->label));
	while ((part = yyjson_arr_iter_next(&it)))
		if (yyjson_is_obj(part) && add_part(r, part))
			return -1;
	if (add_end(r, root, candidate) || add_grounding(r, candidate))
		return -1;
	usage = gemini_usage(root, &r->result->usage);
	if (usage)
		r->result->raw_usage = json_print_arena(usage, r->arena);
	r->result->provider_id = json_str(json_get(root, "responseId"));
	r->result->provider_model = json_str(json_get(root, "modelVersion"));
	return usage && !bytes_set(r->result->raw_usage) ? -1 : 0;
}

struct result *gemini_read_result(struct bytes body, const struct inference *inf,
				  const struct dialect *d, struct arena *a)
{
	yyjson_val *root = json_parse_lenient(body, a);
	struct reply r = {
		.arena = a, .inf = inf, .dialect = d, .result = arena_new(a, struct result)
	};

	if (!r.result)
		return NULL;
	if (!root) {
		struct bytes why = arena_dup(a, error_last()->message);

		wire_fail(ERR_INFERENCE_SERVER, 0, d->type, "Error parsing JSON response: %.*s",
			  BFMT(why));
		return NULL;
	}
	if (google_fail(root, d->type, false, a))
		return NULL;
	return read_root(&r, root) ? NULL : r.result;
}
