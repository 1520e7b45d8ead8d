/*
 * A provider's plain response -> struct result (providers-openai §4.4): its items in their order. What Signet has no block
 * for (searches, images, remote calls) is kept as it came, for whoever knows it.
 */
#include "wire/openai_responses/read_answer.h"

#include "base/error.h"
#include "base/words.h"
#include "wire/call_ids.h"
#include "wire/openai_responses/write_request.h"

static int64_t count(yyjson_val *obj, const char *key)
{
	uint64_t n;

	if (!json_u64(json_get(obj, key), &n) || n > UINT32_MAX)
		return USAGE_UNKNOWN;
	return (int64_t)n;
}

yyjson_val *responses_read_usage(yyjson_val *response, struct usage *u)
{
	yyjson_val *usage = json_get(response, "usage"), *in, *out;

	usage_init(u);
	if (!yyjson_is_obj(usage))
		return NULL;
	in = json_get(usage, "input_tokens_details");
	out = json_get(usage, "output_tokens_details");
	u->input_tokens = count(usage, "input_tokens");
	u->output_tokens = count(usage, "output_tokens");
	u->cache_read = count(in, "cached_tokens");
	u->cache_write = count(in, "cache_write_tokens");
	u->reasoning_tokens = count(out, "reasoning_tokens");
	return usage;
}

enum finish_reason responses_finish(yyjson_val *response, bool called)
{
	struct bytes reason =
		json_str(json_get(json_get(response, "incomplete_details"), "reason"));

	if (bytes_eq(reason, B("max_output_tokens")))
		return FINISH_LENGTH;
	if (bytes_eq(reason, B("content_filter")))
		return FINISH_CONTENT_FILTER;
	if (bytes_set(reason) || bytes_eq(json_str(json_get(response, "status")), B("incomplete")))
		return FINISH_UNKNOWN;
	return called ? FINISH_TOOL_CALL : FINISH_STOP;
}

/* The codes of this API that are the request's fault, with the status that chat completions has for them. */
static int status_of(struct bytes code)
{
	static const struct {
		struct bytes code;
		int status;
	} known[] = {
		{ B("rate_limit_exceeded"), 429 },
		{ B("insufficient_quota"), 429 },
		{ B("context_length_exceeded"), 400 },
		{ B("invalid_prompt"), 400 },
		{ B("cyber_policy"), 400 },
		{ B("server_is_overloaded"), 503 },
		{ B("slow_down"), 503 },
	};

	for (size_t i = 0; i < COUNT(known); i++)
		if (bytes_eq(known[i].code, code))
			return known[i].status;
	return 0;
}

int responses_fail_upstream(yyjson_val *error, const struct dialect *d, bool stream,
			    struct arena *a)
{
	struct upstream_said said = { .provider_type = d->type, .fatal = stream };

	said.message =
		yyjson_is_str(error) ? json_str(error) : json_str(json_get(error, "message"));
	said.code = json_str(json_get(error, "code"));
	if (!bytes_set(said.code))
		said.code = json_raw(json_get(error, "code"));
	if (!bytes_set(said.code) && !bytes_eq(json_str(json_get(error, "type")), B("error")))
		said.code = json_str(json_get(error, "type"));
	said.message = bytes_set(said.message) ? arena_dup(a, said.message) : B("Unknown error");
	said.code = arena_dup(a, said.code);
	said.status = status_of(said.code);
	return wire_fail_said(said.status == 400 || said.status == 429 ? ERR_INFERENCE_CLIENT
								       : ERR_INFERENCE_SERVER,
			      &said);
}

/* ---- items ---- */

struct reply {
	struct arena *arena;
	const struct inference *inf;
	const struct dialect *dialect;
	struct result *result;
	bool called;
};

static int add(struct reply *r, struct block b)
{
	struct result *to = r->result;

	return arena_push(r->arena, to->content, to->len, to->cap, b) ? 0 : -1;
}

static int add_unknown(struct reply *r, yyjson_val *v)
{
	struct block b = { .type = BLOCK_UNKNOWN,
			   .text = json_print_arena(v, r->arena),
			   .model_name = r->dialect->of_model,
			   .provider_name = r->dialect->of_provider };

	return bytes_set(b.text) ? add(r, b) : -1;
}

static int add_part(struct reply *r, yyjson_val *part)
{
	struct bytes type = json_str(json_get(part, "type"));
	yyjson_val *annotations = json_get(part, "annotations"), *logprobs;
	struct block b = { .type = BLOCK_TEXT, .text = json_str(json_get(part, "text")) };

	if (bytes_eq(type, B("refusal"))) {
		b.type = BLOCK_REFUSAL;
		b.text = json_str(json_get(part, "refusal"));
		return bytes_set(b.text) ? add(r, b) : 0;
	}
	if (!bytes_eq(type, B("output_text")) || !bytes_set(b.text))
		return add_unknown(r, part);
	logprobs = json_get(part, "logprobs");
	if (yyjson_arr_size(annotations) > 0)
		b.annotations = r->result->annotations = json_print_arena(annotations, r->arena);
	if (yyjson_arr_size(logprobs) > 0)
		b.logprobs = json_print_arena(logprobs, r->arena);
	return add(r, b);
}

static int add_message(struct reply *r, yyjson_val *item)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(json_get(item, "content"));
	struct bytes role = json_str(json_get(item, "role"));
	yyjson_val *part;

	if (bytes_set(role) && !bytes_eq(role, B("assistant")))
		return wire_fail(ERR_INFERENCE_SERVER, 0, r->dialect->type,
				 "Only assistant messages are supported in responses API output");
	while ((part = yyjson_arr_iter_next(&it)))
		if (add_part(r, part))
			return -1;
	return 0;
}

static int add_call(struct reply *r, yyjson_val *item, bool custom)
{
	yyjson_val *arguments = json_get(item, custom ? "input" : "arguments");
	struct block b = { .type = BLOCK_TOOL_CALL,
			   .id = json_str(json_get(item, "call_id")),
			   .name = json_str(json_get(item, "name")),
			   .custom = custom,
			   .item_id = json_str(json_get(item, "id")) };

	if (!b.id.n)
		b.id = bytes_set(b.item_id) ? b.item_id : B("");
	if (!bytes_set(b.name))
		b.name = B("");
	if (r->inf->options->short_ids)
		b.name = name_back(&name_openai, r->inf, b.name);
	b.arguments = yyjson_is_str(arguments) || !arguments || yyjson_is_null(arguments)
			      ? json_str(arguments)
			      : json_print_arena(arguments, r->arena);
	if (!bytes_set(b.arguments))
		b.arguments = B("");
	r->called = true;
	return add(r, b);
}

static int add_thought(struct reply *r, yyjson_val *item)
{
	yyjson_val *summary = json_get(item, "summary"), *content = json_get(item, "content"), *one;
	yyjson_arr_iter it = yyjson_arr_iter_with(summary);
	struct block b = { .type = BLOCK_THOUGHT,
			   .signature = json_str(json_get(item, "encrypted_content")),
			   .provider_type = r->dialect->type,
			   .item_id = json_str(json_get(item, "id")) };
	size_t cap = 0;

	if (yyjson_is_arr(summary) && !(b.summaries = arena_new(r->arena, struct summary)))
		return -1;
	while ((one = yyjson_arr_iter_next(&it))) {
		struct summary s = { .text = json_str(json_get(one, "text")) };

		if (bytes_set(s.text) && !arena_push(r->arena, b.summaries, b.nsummaries, cap, s))
			return -1;
	}
	it = yyjson_arr_iter_with(content);
	while ((one = yyjson_arr_iter_next(&it))) {
		struct bytes text = json_str(json_get(one, "text"));

		if (!bytes_set(text))
			continue;
		b.text = bytes_set(b.text) ? arena_cat(r->arena, b.text, text) : text;
		if (!bytes_set(b.text))
			return -1;
	}
	return add(r, b);
}

static int add_item(struct reply *r, yyjson_val *item)
{
	struct bytes type = json_str(json_get(item, "type"));

	if (bytes_eq(type, B("message")))
		return add_message(r, item);
	if (bytes_eq(type, B("function_call")))
		return add_call(r, item, false);
	if (bytes_eq(type, B("custom_tool_call")))
		return add_call(r, item, true);
	if (bytes_eq(type, B("reasoning")))
		return add_thought(r, item);
	return add_unknown(r, item);
}

/* ---- the answer ---- */

static struct result *bad_answer(const struct dialect *d, struct bytes body, struct bytes detail,
				 struct arena *a)
{
	struct bytes copy = arena_dup(a, detail), fault = words_answer_fault(body, false, a);

	wire_fail(ERR_INFERENCE_SERVER, 0, d->type, "Error parsing JSON response: %.*s",
		  BFMT(bytes_set(fault) && !bytes_set(copy) ? fault : copy));
	return NULL;
}

/* Whether it says that it is no answer, or none yet: background answers are not polled. */
static int check_status(yyjson_val *root, const struct dialect *d, struct arena *a)
{
	struct bytes status = json_str(json_get(root, "status"));
	yyjson_val *error = json_get(root, "error");

	if ((error && !yyjson_is_null(error)) || bytes_eq(status, B("failed")))
		return responses_fail_upstream(error, d, false, a);
	if (bytes_eq(status, B("cancelled")) || bytes_eq(status, B("queued")) ||
	    bytes_eq(status, B("in_progress")))
		return wire_fail(ERR_INFERENCE_SERVER, 0, d->type,
				 "The response is not complete: its status is `%.*s`",
				 BFMT(status));
	return 0;
}

static int read_items(struct reply *r, yyjson_val *output)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(output);
	yyjson_val *item;

	while ((item = yyjson_arr_iter_next(&it)))
		if (yyjson_is_obj(item) && add_item(r, item))
			return -1;
	return 0;
}

struct result *openai_responses_read_result(struct bytes body, const struct inference *inf,
					    const struct dialect *d, struct arena *a)
{
	struct result *result = arena_new(a, struct result);
	struct reply r = { .arena = a, .inf = inf, .dialect = d, .result = result };
	yyjson_val *root = json_parse_lenient(body, a), *usage;

	if (!result || (!root && error_last()->kind != ERR_JSON_REQUEST))
		return NULL;
	if (!root)
		return bad_answer(d, body, error_last()->message, a);
	if (check_status(root, d, a))
		return NULL;
	if (!yyjson_is_arr(json_get(root, "output")))
		return bad_answer(d, body, B("missing field `output`"), a);
	if (read_items(&r, json_get(root, "output")))
		return NULL;
	usage = responses_read_usage(root, &result->usage);
	if (usage)
		result->raw_usage = json_print_arena(usage, a);
	result->finish = responses_finish(root, r.called);
	result->raw_response = body;
	result->provider_id = json_str(json_get(root, "id"));
	result->provider_model = json_str(json_get(root, "model"));
	result->service_tier = json_str(json_get(root, "service_tier"));
	if (openai_responses_passes(inf) && !openai_responses_renames(inf))
		result->document = body;
	return result;
}

const struct wire wire_openai_responses = {
	.name = B("openai_responses"),
	.api_type = B("responses"),
	.custom_tools = true,
	.no_stop = true,
	.sums_up_when_asked = true,
	.edits_thoughts = true,
	.takes_provider_tools = true,
	.foreign_fields = openai_responses_foreign_fields,
	.write_request = openai_responses_write_request,
	.read_result = openai_responses_read_result,
	.stream_new = openai_responses_stream_new,
	.stream_free = openai_responses_stream_free,
	.read_event = openai_responses_read_event,
	.read_end = openai_responses_read_end,
};
