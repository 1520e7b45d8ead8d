/*
 * A plain answer -> struct result (providers-others §5.4). Blocks that no neutral one stands for are kept as they came, so
 * that they can go back.
 */
#include "base/error.h"
#include "wire/bedrock/bedrock.h"
#include "wire/call_ids.h"

struct reply {
	struct arena *arena;
	const struct inference *inf;
	const struct dialect *dialect;
	struct result *result;
	struct bytes body;
};

enum finish_reason bedrock_finish(struct bytes reason)
{
	static const struct {
		struct bytes name;
		enum finish_reason finish;
	} reasons[] = {
		{ B("end_turn"), FINISH_STOP },
		{ B("tool_use"), FINISH_TOOL_CALL },
		{ B("max_tokens"), FINISH_LENGTH },
		{ B("model_context_window_exceeded"), FINISH_LENGTH },
		{ B("stop_sequence"), FINISH_STOP_SEQUENCE },
		{ B("content_filtered"), FINISH_CONTENT_FILTER },
		{ B("guardrail_intervened"), FINISH_CONTENT_FILTER },
	};

	if (!reason.n)
		return FINISH_UNSET;
	for (size_t i = 0; i < COUNT(reasons); i++)
		if (bytes_eq(reasons[i].name, reason))
			return reasons[i].finish;
	return FINISH_UNKNOWN;
}

struct bytes bedrock_tier(yyjson_val *root)
{
	struct bytes name = json_str(json_get(json_get(root, "serviceTier"), "type"));

	return bytes_eq(name, B("reserved")) ? (struct bytes){ NULL, 0 } : name;
}

static int64_t count(yyjson_val *usage, const char *key)
{
	uint64_t n;

	return json_u64(json_get(usage, key), &n) && n <= UINT32_MAX ? (int64_t)n : USAGE_UNKNOWN;
}

/* Of the tokens written to the cache, those that stay for an hour. */
static int64_t count_hour(yyjson_val *usage)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(json_get(usage, "cacheDetails"));
	int64_t n = USAGE_UNKNOWN;
	yyjson_val *one;

	while ((one = yyjson_arr_iter_next(&it)))
		if (bytes_eq(json_str(json_get(one, "ttl")), B("1h")))
			n = count(one, "inputTokens");
	return n;
}

bool bedrock_read_usage(yyjson_val *usage, struct usage *u)
{
	int64_t plain;

	usage_init(u);
	if (!yyjson_is_obj(usage))
		return false;
	plain = count(usage, "inputTokens");
	u->output_tokens = count(usage, "outputTokens");
	u->cache_read = count(usage, "cacheReadInputTokens");
	u->cache_write = count(usage, "cacheWriteInputTokens");
	u->cache_write_1h = count_hour(usage);
	if (plain != USAGE_UNKNOWN)
		u->input_tokens = plain + (u->cache_read > 0 ? u->cache_read : 0) +
				  (u->cache_write > 0 ? u->cache_write : 0);
	return true;
}

/* ---- blocks ---- */

static int add(struct reply *r, struct block b)
{
	struct result *to = r->result;

	return arena_push(r->arena, to->content, to->len, to->cap, b) ? 0 : -1;
}

static int add_call(struct reply *r, yyjson_val *call)
{
	struct bytes name = json_str(json_get(call, "name")),
		     id = json_str(json_get(call, "toolUseId"));
	yyjson_val *input = json_get(call, "input");
	struct block b = { .type = BLOCK_TOOL_CALL,
			   .id = bytes_set(id) ? id : B(""),
			   .name = name_back(&name_bedrock, r->inf, bytes_set(name) ? name : B("")),
			   .arguments = input ? json_print_arena(input, r->arena) : B("{}") };

	return bytes_set(b.arguments) ? add(r, b) : -1;
}

static int add_thought(struct reply *r, yyjson_val *reasoning)
{
	yyjson_val *text = json_get(reasoning, "reasoningText");
	struct block b = { .type = BLOCK_THOUGHT,
			   .text = json_str(json_get(text, "text")),
			   .signature = json_str(json_get(text, "signature")),
			   .provider_type = r->dialect->type };

	if (!bytes_set(b.signature))
		b.signature = json_str(json_get(reasoning, "redactedContent"));
	return bytes_set(b.text) || bytes_set(b.signature) ? add(r, b) : 0;
}

/* Its texts as one; what they cite stays beside. */
static int add_cited(struct reply *r, yyjson_val *cited)
{
	yyjson_val *citations = json_get(cited, "citations"), *one;
	yyjson_arr_iter it = yyjson_arr_iter_with(json_get(cited, "content"));
	struct block b = { .type = BLOCK_TEXT, .text = B("") };

	while ((one = yyjson_arr_iter_next(&it))) {
		struct bytes text = json_str(json_get(one, "text"));

		if (text.n)
			b.text = arena_cat(r->arena, b.text, text);
		if (!bytes_set(b.text))
			return -1;
	}
	if (yyjson_arr_size(citations) > 0) {
		b.extra_data = json_print_arena(citations, r->arena);
		if (!bytes_set(b.extra_data))
			return -1;
	}
	return add(r, b);
}

static int add_block(struct reply *r, yyjson_val *block)
{
	struct block b = { .type = BLOCK_TEXT, .text = json_str(json_get(block, "text")) };
	yyjson_val *one;

	if (bytes_set(b.text))
		return add(r, b);
	if (yyjson_is_obj(one = json_get(block, "toolUse")))
		return add_call(r, one);
	if (yyjson_is_obj(one = json_get(block, "reasoningContent")))
		return add_thought(r, one);
	if (yyjson_is_obj(one = json_get(block, "citationsContent")))
		return add_cited(r, one);
	b = (struct block){ .type = BLOCK_UNKNOWN, .text = json_print_arena(block, r->arena) };
	return bytes_set(b.text) ? add(r, b) : -1;
}

/* ---- the answer ---- */

/* As serde_json says it, which names the document's end. */
static int no_output(const struct reply *r)
{
	struct bytes body = r->body;
	size_t line, column;

	while (body.n && (unsigned char)body.p[body.n - 1] <= ' ')
		body.n--;
	json_position(body, body.n, &line, &column);
	return wire_fail(
		ERR_INFERENCE_SERVER, 0, r->dialect->type,
		"Error parsing response from AWS Bedrock: missing field `output` at line %zu column %zu",
		line, column);
}

static int read_all(struct reply *r, yyjson_val *root)
{
	yyjson_val *message = json_get(json_get(root, "output"), "message"),
		   *usage = json_get(root, "usage"), *block;
	yyjson_arr_iter it = yyjson_arr_iter_with(json_get(message, "content"));

	if (!json_get(root, "output"))
		return no_output(r);
	if (!yyjson_is_obj(message))
		return wire_fail(ERR_INFERENCE_SERVER, 0, r->dialect->type,
				 "AWS Bedrock returned an empty message.");
	while ((block = yyjson_arr_iter_next(&it)))
		if (add_block(r, block))
			return -1;
	r->result->finish = bedrock_finish(json_str(json_get(root, "stopReason")));
	r->result->service_tier = bedrock_tier(root);
	if (!bedrock_read_usage(usage, &r->result->usage))
		return 0;
	r->result->raw_usage = json_print_arena(usage, r->arena);
	return bytes_set(r->result->raw_usage) ? 0 : -1;
}

struct result *bedrock_read_result(struct bytes body, const struct inference *inf,
				   const struct dialect *d, struct arena *a)
{
	struct result *result = arena_new(a, struct result);
	struct reply r = { .arena = a, .inf = inf, .dialect = d, .result = result, .body = body };
	yyjson_val *root = json_parse_lenient(body, a);
	struct bytes why;

	if (!result || (!root && error_last()->kind != ERR_JSON_REQUEST))
		return NULL;
	if (!root) {
		why = arena_dup(a, error_last()->message);
		wire_fail(ERR_INFERENCE_SERVER, 0, d->type,
			  "Error parsing response from AWS Bedrock: %.*s", BFMT(why));
		return NULL;
	}
	if (read_all(&r, root))
		return NULL;
	result->raw_response = body;
	return result;
}
