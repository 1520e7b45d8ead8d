/*
 * A provider's plain answer -> struct result (providers-others §2.8). Blocks that the neutral model has no words for are
 * kept as they came, for the provider that sent them.
 */
#include "wire/anthropic_messages/read_answer.h"

#include "base/error.h"
#include "wire/anthropic_messages/write_request.h"
#include "wire/call_ids.h"
#include "wire/citations.h"

#define BODY_SHOWN (64u << 10) /* of one that cannot be read */

struct reply {
	struct arena *arena;
	const struct inference *inf;
	const struct dialect *dialect;
	struct result *result;
	struct bytes body;
	bool mapped;  /* names went out in another form */
	bool by_tool; /* the call of `respond` is the answer's text */
	bool responded;
	bool passes;      /* the client reads the document itself */
	uint64_t chars;   /* of the texts so far */
	struct buf cited; /* annotations of the whole answer, without brackets */
};

/* ---- what streams have, too ---- */

static int64_t count(yyjson_val *obj, const char *key)
{
	uint64_t n;

	return json_u64(json_get(obj, key), &n) && n <= UINT32_MAX ? (int64_t)n : USAGE_UNKNOWN;
}

void claude_read_usage(yyjson_val *usage, struct usage *u)
{
	int64_t fresh = count(usage, "input_tokens");

	usage_init(u);
	u->cache_write = count(usage, "cache_creation_input_tokens");
	u->cache_read = count(usage, "cache_read_input_tokens");
	u->output_tokens = count(usage, "output_tokens");
	u->cache_write_1h = count(json_get(usage, "cache_creation"), "ephemeral_1h_input_tokens");
	u->reasoning_tokens = count(json_get(usage, "output_tokens_details"), "thinking_tokens");
	if (fresh == USAGE_UNKNOWN && u->cache_read == USAGE_UNKNOWN &&
	    u->cache_write == USAGE_UNKNOWN)
		return;
	u->input_tokens = (fresh > 0 ? fresh : 0) + (u->cache_read > 0 ? u->cache_read : 0) +
			  (u->cache_write > 0 ? u->cache_write : 0);
}

/* What a usage calls a tier, and what others do. */
static const struct {
	struct bytes here, neutral;
} tiers[] = {
	{ B("standard"), B("default") },
	{ B("batch"), B("flex") },
	{ B("priority"), B("priority") },
};

struct bytes claude_tier_read(yyjson_val *usage)
{
	struct bytes name = json_str(json_get(usage, "service_tier"));

	for (size_t i = 0; i < COUNT(tiers); i++)
		if (bytes_eq(tiers[i].here, name))
			return tiers[i].neutral;
	return (struct bytes){ NULL, 0 };
}

struct bytes claude_tier_said(struct bytes neutral)
{
	for (size_t i = 0; i < COUNT(tiers); i++)
		if (bytes_eq(tiers[i].neutral, neutral))
			return tiers[i].here;
	return (struct bytes){ NULL, 0 };
}

enum finish_reason claude_finish(yyjson_val *v)
{
	static const struct {
		struct bytes name;
		enum finish_reason finish;
	} reasons[] = {
		{ B("end_turn"), FINISH_STOP },
		{ B("max_tokens"), FINISH_LENGTH },
		{ B("stop_sequence"), FINISH_STOP_SEQUENCE },
		{ B("tool_use"), FINISH_TOOL_CALL },
		{ B("refusal"), FINISH_CONTENT_FILTER },
		{ B("model_context_window_exceeded"), FINISH_LENGTH },
	};
	struct bytes name = json_str(v);

	for (size_t i = 0; i < COUNT(reasons); i++)
		if (bytes_eq(reasons[i].name, name))
			return reasons[i].finish;
	return name.n ? FINISH_UNKNOWN : FINISH_UNSET;
}

/* ---- errors ---- */

static const struct {
	int status;
	struct bytes type;
} error_types[] = {
	{ 400, B("invalid_request_error") },
	{ 401, B("authentication_error") },
	{ 402, B("billing_error") },
	{ 403, B("permission_error") },
	{ 404, B("not_found_error") },
	{ 409, B("conflict_error") },
	{ 413, B("request_too_large") },
	{ 429, B("rate_limit_error") },
	{ 500, B("api_error") },
	{ 504, B("timeout_error") },
	{ 529, B("overloaded_error") },
	{ 503, B("overloaded_error") },
};

struct bytes anthropic_error_type(int status)
{
	for (size_t i = 0; i < COUNT(error_types); i++)
		if (error_types[i].status == status)
			return error_types[i].type;
	return status < 500 ? B("invalid_request_error") : B("api_error");
}

int anthropic_error_status(struct bytes type)
{
	for (size_t i = 0; i < COUNT(error_types); i++)
		if (bytes_eq(error_types[i].type, type))
			return error_types[i].status;
	return 0;
}

int claude_fail_upstream(yyjson_val *error, const struct dialect *d, bool stream, struct arena *a)
{
	struct bytes text = json_print_arena(error, a);
	struct upstream_said said = { .provider_type = d->type,
				      .code = arena_dup(a, json_str(json_get(error, "type"))),
				      .message = json_str(json_get(error, "message")),
				      .fatal = stream };
	bool client;

	said.status = anthropic_error_status(said.code);
	said.message = arena_dup(a, bytes_set(said.message) ? said.message : text);
	if (!bytes_set(text) || !bytes_set(said.message))
		return -1;
	client = said.status == 400 || said.status == 401 || said.status == 413 ||
		 said.status == 429;
	wire_fail_said(client ? ERR_INFERENCE_CLIENT : ERR_INFERENCE_SERVER,
		       &(struct upstream_said){ .provider_type = said.provider_type,
						.code = said.code,
						.message = text,
						.status = said.status,
						.fatal = stream });
	error_last()->upstream_message = said.message;
	return -1;
}

/* ---- blocks ---- */

static int add(struct reply *r, struct block b)
{
	struct result *to = r->result;

	return arena_push(r->arena, to->content, to->len, to->cap, b) ? 0 : -1;
}

/* As annotations of this block and of the whole answer. */
static int annotate(struct reply *r, yyjson_val *citations, struct block *b)
{
	uint64_t n = citations_chars(b->text);
	yyjson_arr_iter it = yyjson_arr_iter_with(citations);
	yyjson_val *one;
	struct buf own;
	int bad = 0;

	buf_init(&own, CITATIONS_MAX);
	while (!bad && (one = yyjson_arr_iter_next(&it)))
		bad = citations_add(&own, one, 0, n) ||
		      citations_add(&r->cited, one, r->chars, r->chars + n);
	if (!bad && own.len)
		b->annotations = arena_printf(r->arena, "[%.*s]", BFMT(buf_bytes(&own)));
	bad = bad || (own.len && !bytes_set(b->annotations));
	buf_deinit(&own);
	return bad ? -1 : 0;
}

static int add_text(struct reply *r, yyjson_val *v)
{
	yyjson_val *citations = json_get(v, "citations");
	struct block b = { .type = BLOCK_TEXT, .text = json_str(json_get(v, "text")) };

	if (!bytes_set(b.text))
		b.text = B("");
	if (yyjson_arr_size(citations) > 0)
		b.extra_data = json_print_arena(citations, r->arena);
	if (!r->passes && annotate(r, citations, &b))
		return -1;
	r->chars += citations_chars(b.text);
	return add(r, b);
}

static int add_thought(struct reply *r, yyjson_val *v, bool redacted)
{
	struct block b = { .type = BLOCK_THOUGHT, .provider_type = r->dialect->type };

	if (!redacted) {
		b.text = json_str(json_get(v, "thinking"));
		if (!bytes_set(b.text))
			b.text = B("");
	}
	b.signature = json_str(json_get(v, redacted ? "data" : "signature"));
	if (!redacted && !b.signature.n)
		b.signature = (struct bytes){ NULL, 0 };
	return add(r, b);
}

static int add_call(struct reply *r, yyjson_val *v)
{
	yyjson_val *input = json_get(v, "input");
	struct block b = { .type = BLOCK_TOOL_CALL,
			   .id = json_str(json_get(v, "id")),
			   .name = json_str(json_get(v, "name")) };

	b.arguments = input && !yyjson_is_null(input) ? json_print_arena(input, r->arena) : B("{}");
	if (!bytes_set(b.arguments))
		return -1;
	if (r->by_tool && bytes_eq(b.name, CLAUDE_RESPOND)) {
		r->responded = true;
		return add(r, (struct block){ .type = BLOCK_TEXT, .text = b.arguments });
	}
	if (r->mapped)
		b.name = name_back(&name_anthropic, r->inf, b.name);
	if (!bytes_set(b.id))
		b.id = B("");
	if (!bytes_set(b.name))
		b.name = B("");
	return add(r, b);
}

static int add_block(struct reply *r, yyjson_val *v)
{
	struct bytes type = json_str(json_get(v, "type"));
	struct block b = { .type = BLOCK_UNKNOWN,
			   .model_name = r->dialect->of_model,
			   .provider_name = r->dialect->of_provider };

	if (bytes_eq(type, B("text")))
		return add_text(r, v);
	if (bytes_eq(type, B("thinking")))
		return add_thought(r, v, false);
	if (bytes_eq(type, B("redacted_thinking")))
		return add_thought(r, v, true);
	if (bytes_eq(type, B("tool_use")))
		return add_call(r, v);
	b.text = json_print_arena(v, r->arena);
	return bytes_set(b.text) ? add(r, b) : -1;
}

/* ---- the answer ---- */

static struct result *bad_answer(const struct reply *r, struct bytes detail)
{
	wire_fail(ERR_INFERENCE_SERVER, 0, r->dialect->type,
		  "Error parsing JSON response: %.*s: %.*s", BFMT(detail),
		  BFMT(bytes_head(r->body, BODY_SHOWN)));
	return NULL;
}

static int read_document(struct reply *r, yyjson_val *root)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(json_get(root, "content"));
	yyjson_val *one, *usage = json_get(root, "usage");
	struct result *to = r->result;

	while ((one = yyjson_arr_iter_next(&it)))
		if (add_block(r, one))
			return -1;
	if (r->cited.len) {
		to->annotations = arena_printf(r->arena, "[%.*s]", BFMT(buf_bytes(&r->cited)));
		if (!bytes_set(to->annotations))
			return -1;
	}
	claude_read_usage(usage, &to->usage);
	if (yyjson_is_obj(usage)) {
		to->raw_usage = json_print_arena(usage, r->arena);
		to->service_tier = claude_tier_read(usage);
	}
	to->finish = claude_finish(json_get(root, "stop_reason"));
	if (r->responded && to->finish == FINISH_TOOL_CALL)
		to->finish = FINISH_STOP;
	to->stop_sequence = json_str(json_get(root, "stop_sequence"));
	to->stop_explanation = json_str(json_get(json_get(root, "stop_details"), "explanation"));
	to->provider_id = json_str(json_get(root, "id"));
	to->provider_model = json_str(json_get(root, "model"));
	return 0;
}

struct result *claude_read_result(struct bytes body, const struct inference *inf,
				  const struct dialect *d, struct arena *a)
{
	struct result *result = arena_new(a, struct result);
	bool passes = claude_passes(inf), halves, bad;
	struct reply r = { .arena = a,
			   .inf = inf,
			   .dialect = d,
			   .result = result,
			   .body = body,
			   .passes = passes,
			   .mapped = !passes && names_mapped(&name_anthropic, inf),
			   .by_tool = !passes && claude_json_of(inf) == CLAUDE_JSON_TOOL };
	yyjson_val *root = json_parse_halves(body, a, &halves), *error = json_get(root, "error");

	if (!result || (!root && error_last()->kind != ERR_JSON_REQUEST))
		return NULL;
	if (!root)
		return bad_answer(&r, arena_dup(a, error_last()->message));
	if (yyjson_is_obj(error)) {
		claude_fail_upstream(error, d, false, a);
		return NULL;
	}
	if (!yyjson_is_arr(json_get(root, "content")))
		return bad_answer(&r, B("missing field `content`"));
	buf_init(&r.cited, CITATIONS_MAX);
	bad = read_document(&r, root);
	buf_deinit(&r.cited);
	if (bad)
		return NULL;
	result->raw_response = body;
	if (passes && !halves)
		result->document = body;
	return result;
}
