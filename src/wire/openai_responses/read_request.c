/*
 * A client's Responses request -> struct responses_request (surfaces §4.1).
 *
 * Sampling parameters, TensorZero's own fields and attribution are those of chat completions, some under another name: they
 * are handed to that format's reader as a chat request without messages. Conversation, tools and formats are read here.
 * A member that no one knows is no error; to a provider of this format it goes on, to others it is named in x-signet-ignored.
 */
#include "wire/openai_responses/read_request.h"

#include <stdio.h>

#include "base/error.h"
#include "wire/json_edit.h"
#include "wire/openai_chat/read_request.h"
#include "wire/openai_chat/write_request.h"

#define BODY_MAX (160u << 20)

const struct surface_options openai_responses_options = {
	.lenient = true,
	.unique_keys = true,
	.keeps_source = true,
	.system_in_place = true,
	.results_as_sent = true,
	.strict_inner = true,
	.short_ids = true,
	.custom_choice = true,
	.fill_results = true,
	.auto_cache = true,
	.client_headers = true,
	.error_ends_stream = true,
};

/* ---- the fields ---- */

/* What becomes of a member: it is the chat reader's too; it is read here; here alone, and other formats have nothing for it. */
enum use { USE_SHARED, USE_HERE, USE_SAME_FAMILY };

static const struct field {
	struct bytes name;
	enum use use;
} fields[] = {
	{ B("model"), USE_SHARED },
	{ B("stream"), USE_SHARED },
	{ B("temperature"), USE_SHARED },
	{ B("top_p"), USE_SHARED },
	{ B("metadata"), USE_SHARED },
	{ B("user"), USE_SHARED },
	{ B("safety_identifier"), USE_SHARED },
	{ B("service_tier"), USE_SHARED },
	{ B("parallel_tool_calls"), USE_SHARED },
	{ B("prompt_cache_key"), USE_SHARED },
	{ B("input"), USE_HERE },
	{ B("instructions"), USE_HERE },
	{ B("tools"), USE_HERE },
	{ B("tool_choice"), USE_HERE },
	{ B("text"), USE_HERE },
	{ B("reasoning"), USE_HERE },
	{ B("include"), USE_HERE },
	{ B("store"), USE_HERE },
	{ B("max_output_tokens"), USE_HERE },
	{ B("previous_response_id"), USE_HERE },
	{ B("conversation"), USE_HERE },
	{ B("background"), USE_HERE },
	{ B("prompt"), USE_HERE },
	{ B("client_metadata"), USE_HERE },
	{ B("stream_options"), USE_HERE },
	{ B("background_options"), USE_HERE },
	{ B("generate"), USE_HERE },
	{ B("max_tool_calls"), USE_SAME_FAMILY },
	{ B("top_logprobs"), USE_SAME_FAMILY },
	{ B("truncation"), USE_SAME_FAMILY },
	{ B("context_management"), USE_SAME_FAMILY },
	{ B("prompt_cache_retention"), USE_SAME_FAMILY },
	{ B("prompt_cache_options"), USE_SAME_FAMILY },
	{ B("moderation"), USE_SAME_FAMILY },
	{ B("access_programs"), USE_SAME_FAMILY },
	{ B("image"), USE_SAME_FAMILY },
};

/* The chat reader's own beside its parameters, which mean nothing here. */
static const struct bytes foreign[] = { B("messages"), B("max_completion_tokens"), B("n"),
					B("functions"), B("function_call") };

static const struct field *field_of(struct bytes escaped)
{
	for (size_t i = 0; i < COUNT(fields); i++)
		if (json_key_is(escaped, fields[i].name))
			return &fields[i];
	return NULL;
}

static bool is_foreign(struct bytes escaped)
{
	for (size_t i = 0; i < COUNT(foreign); i++)
		if (json_key_is(escaped, foreign[i]))
			return true;
	for (enum param p = 0; p < PARAMS; p++)
		if (param_field(p).n && json_key_is(escaped, param_field(p)))
			return true;
	return false;
}

/* ---- what is read before the chat reader ---- */

struct request {
	struct responses_reader r;
	yyjson_val *root;
};

static yyjson_val *given(const struct request *q, const char *key)
{
	yyjson_val *v = json_get(q->root, key);

	return v && !yyjson_is_null(v) ? v : NULL;
}

static int want_object(const struct request *q, const char *key)
{
	yyjson_val *v = given(q, key);

	return v && !yyjson_is_obj(v)
		       ? expect_type(&WHERE_KEY(&q->r.root, bytes_of(key)), v, "a map")
		       : 0;
}

static int check_limit(const struct request *q)
{
	struct where at = WHERE_KEY(&q->r.root, B("max_output_tokens"));
	yyjson_val *v = given(q, "max_output_tokens");
	struct bytes digits;

	if (!v)
		return 0;
	if (expect_i64(&at, v, &digits))
		return -1;
	if (digits.n && (*digits.p == '-' || bytes_eq(digits, B("0"))))
		return openai_refuse(&at, "invalid_value",
				     "`max_output_tokens` must be at least 1");
	return 0;
}

static int check_input(const struct request *q)
{
	struct where at = WHERE_KEY(&q->r.root, B("input"));
	yyjson_val *v = given(q, "input");

	if ((v && !(yyjson_is_arr(v) && !yyjson_arr_size(v))) || given(q, "previous_response_id") ||
	    given(q, "instructions") || given(q, "prompt") || given(q, "conversation"))
		return 0;
	return openai_refuse(&at, "missing_required_parameter",
			     "Missing required parameter: `input`");
}

static int check_members(const struct request *q)
{
	struct where at = WHERE_KEY(&q->r.root, B("previous_response_id"));
	yyjson_val *previous = given(q, "previous_response_id"),
		   *instructions = given(q, "instructions");
	struct bytes ignored;

	if (previous && expect_string(&at, previous, &ignored))
		return -1;
	if (previous && given(q, "conversation"))
		return openai_refuse(
			&at, "unsupported_parameter",
			"`previous_response_id` and `conversation` cannot be used together");
	if (instructions && !yyjson_is_str(instructions) && !yyjson_is_arr(instructions))
		return expect_type(&WHERE_KEY(&q->r.root, B("instructions")), instructions,
				   "a string");
	return want_object(q, "text") || want_object(q, "reasoning") || check_limit(q) ||
			       check_input(q)
		       ? -1
		       : 0;
}

static void add_value(struct json_edit *e, struct bytes key, yyjson_val *v)
{
	if (!v || yyjson_is_null(v))
		return;
	edit_add(e, key);
	e->pen->failed |= json_print(v, e->pen->b) != 0;
}

/* Under the name that the parameter has everywhere. */
static void add_param(struct json_edit *e, enum param p, yyjson_val *v)
{
	if (!v || yyjson_is_null(v))
		return;
	edit_add(e, B(""));
	pen_string(e->pen, param_field(p));
	pen_lit(e->pen, ":");
	e->pen->failed |= json_print(v, e->pen->b) != 0;
}

static yyjson_val *verbosity_of(yyjson_val *text)
{
	struct bytes name = param_field(PARAM_VERBOSITY);

	return json_get_n(text, name.p, name.n);
}

static void add_format(struct json_edit *e, yyjson_val *format)
{
	if (!bytes_eq(json_str(json_get(format, "type")), B("json_schema"))) {
		add_value(e, B("\"response_format\":"), format);
		return;
	}
	edit_add(e, B("\"response_format\":"));
	pen_lit(e->pen, "{\"type\":\"json_schema\",\"json_schema\":");
	e->pen->failed |= json_print(format, e->pen->b) != 0;
	pen_lit(e->pen, "}");
}

/* A chat request of what both formats have, in the arena. */
static struct bytes chat_body(const struct request *q, struct bytes body)
{
	yyjson_val *text = given(q, "text");
	struct bytes chat = { NULL, 0 };
	struct json_member m;
	struct json_edit e;
	struct buf out;
	struct pen p = { .b = &out };

	buf_init(&out, BODY_MAX);
	edit_begin(&e, body, &p);
	while (edit_next(&e, &m) > 0) {
		const struct field *f = field_of(m.key);

		if (f ? f->use == USE_SHARED : !is_foreign(m.key))
			edit_keep(&e, &m);
	}
	edit_add(&e, B("\"messages\":"));
	pen_lit(&p, "[]");
	add_param(&e, PARAM_MAX_TOKENS, given(q, "max_output_tokens"));
	add_param(&e, PARAM_REASONING_EFFORT, json_get(given(q, "reasoning"), "effort"));
	add_param(&e, PARAM_VERBOSITY, verbosity_of(text));
	if (yyjson_is_obj(json_get(text, "format")))
		add_format(&e, json_get(text, "format"));
	edit_end(&e);
	if (pen_done(&p) == 0)
		chat = arena_adopt(q->r.arena, &out);
	buf_deinit(&out);
	return chat;
}

/* ---- what is read behind it ---- */

int responses_unsayable(struct responses_reader *r, const struct where *w, const char *fmt, ...)
{
	char text[512];
	va_list args;

	if (bytes_set(r->inf->unsayable))
		return 0;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	r->inf->unsayable = arena_dup(r->arena, bytes_whole(bytes_of(text)));
	r->inf->unsayable_param = where_param(w);
	return bytes_set(r->inf->unsayable) ? 0 : -1;
}

static int read_include(struct request *q)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(given(q, "include"));
	yyjson_val *one;

	while ((one = yyjson_arr_iter_next(&it)))
		q->r.req->wants_encrypted |=
			bytes_eq(json_str(one), B("reasoning.encrypted_content"));
	q->r.inf->wants_seals = q->r.req->wants_encrypted;
	return 0;
}

static void read_reasoning(struct request *q)
{
	yyjson_val *reasoning = given(q, "reasoning");
	struct bytes summary = json_str(json_get(reasoning, "summary"));

	if (!bytes_set(summary)) /* its older name */
		summary = json_str(json_get(reasoning, "generate_summary"));
	if (!summary.n || bytes_eq(summary, B("none")))
		return;
	q->r.req->summaries = true;
	q->r.inf->reasoning_summary = summary;
}

static int read_echo(struct request *q)
{
	static const char *const keys[ECHOES] = {
		[ECHO_INSTRUCTIONS] = "instructions",
		[ECHO_MAX_OUTPUT_TOKENS] = "max_output_tokens",
		[ECHO_MAX_TOOL_CALLS] = "max_tool_calls",
		[ECHO_METADATA] = "metadata",
		[ECHO_PARALLEL] = "parallel_tool_calls",
		[ECHO_PREVIOUS] = "previous_response_id",
		[ECHO_CACHE_KEY] = "prompt_cache_key",
		[ECHO_REASONING] = "reasoning",
		[ECHO_SAFETY] = "safety_identifier",
		[ECHO_TIER] = "service_tier",
		[ECHO_TEMPERATURE] = "temperature",
		[ECHO_TEXT] = "text",
		[ECHO_TOOL_CHOICE] = "tool_choice",
		[ECHO_TOOLS] = "tools",
		[ECHO_TOP_LOGPROBS] = "top_logprobs",
		[ECHO_TOP_P] = "top_p",
		[ECHO_TRUNCATION] = "truncation",
		[ECHO_USER] = "user",
	};

	for (size_t i = 0; i < ECHOES; i++) {
		yyjson_val *v = keys[i] ? given(q, keys[i]) : NULL;

		if (!v)
			continue;
		q->r.req->echo[i] = i == ECHO_TOOLS ? responses_tools_shown(v, q->r.arena)
						    : json_print_arena(v, q->r.arena);
		if (!bytes_set(q->r.req->echo[i]))
			return -1;
	}
	return 0;
}

/* What only an upstream that keeps the conversation can do. */
static void read_state(struct request *q)
{
	static const char *const keys[] = { "conversation", "prompt" };
	struct responses_request *req = q->r.req;

	for (size_t i = 0; i < COUNT(keys); i++)
		if (given(q, keys[i]))
			req->needs_state = bytes_of(keys[i]);
	if (yyjson_is_true(json_get(q->root, "background")))
		req->needs_state = B("background");
	req->store = !yyjson_is_false(json_get(q->root, "store"));
}

static int join_system(struct responses_reader *r)
{
	struct bytes text = { NULL, 0 };

	for (size_t i = 0; i < r->nsystem; i++) {
		text = bytes_set(text) ? arena_printf(r->arena, "%.*s\n\n%.*s", BFMT(text),
						      BFMT(r->system[i]))
				       : r->system[i];
		if (!bytes_set(text))
			return -1;
	}
	r->inf->system = text;
	return 0;
}

static int read_conversation(struct request *q)
{
	struct responses_reader *r = &q->r;
	yyjson_val *instructions = given(q, "instructions");
	struct where tools = WHERE_KEY(&r->root, B("tools"));

	if (json_str(instructions).n &&
	    !arena_push(r->arena, r->system, r->nsystem, r->csystem, json_str(instructions)))
		return -1;
	return responses_read_tools(r, &tools, json_get(q->root, "tools")) ||
			       responses_read_input(r, json_get(q->root, "input")) ||
			       responses_read_tool_choice(r, json_get(q->root, "tool_choice")) ||
			       join_system(r)
		       ? -1
		       : 0;
}

static int read_all(struct request *q, struct bytes body)
{
	struct responses_reader *r = &q->r;
	struct envelope *chat;
	struct bytes edited;

	if (openai_check_keys(q->root, r->options, r->arena) || check_members(q))
		return -1;
	edited = chat_body(q, body);
	chat = bytes_set(edited) ? openai_chat_read_request(edited, r->options, r->arena) : NULL;
	if (!chat)
		return -1;
	r->req->chat = *(const struct chat_request *)(const void *)chat;
	r->env = &r->req->chat.env;
	r->inf = &r->env->inf;
	r->inf->source = body;
	r->inf->source_wire = &wire_openai_responses;
	r->inf->source_intact = true;
	r->inf->own |=
		PARAM_BIT(PARAM_TOOLS) | PARAM_BIT(PARAM_TOOL_CHOICE) | PARAM_BIT(PARAM_PARALLEL);
	if (given(q, "text"))
		r->inf->own |= PARAM_BIT(PARAM_RESPONSE_FORMAT) | PARAM_BIT(PARAM_VERBOSITY);
	if (given(q, "reasoning"))
		r->inf->own |= PARAM_BIT(PARAM_REASONING_EFFORT);
	read_state(q);
	read_reasoning(q);
	return read_include(q) || read_echo(q) || read_conversation(q) ? -1 : 0;
}

struct envelope *openai_responses_read_request(struct bytes body,
					       const struct surface_options *options,
					       struct arena *a)
{
	struct request q = { .r = { .arena = a, .options = options, .root = { .arena = a } } };
	int bad;

	q.r.req = arena_new(a, struct responses_request);
	q.root = q.r.req ? json_parse(body, a) : NULL;
	if (!q.r.req)
		return NULL;
	if (!yyjson_is_obj(
		    q.root)) { /* the chat reader finds the same fault, and has the words for it */
		openai_chat_read_request(body, options, a);
		return NULL;
	}
	bad = read_all(&q, body);
	map_deinit(&q.r.calls);
	return bad ? NULL : q.r.env;
}

struct responses_request *responses_request_of(const struct answer *a)
{
	return (struct responses_request *)(uintptr_t)(const void *)a->asked;
}

/* ---- what only OpenAI's family understands ---- */

/* "tools[3]:web_search" for each of a list whose type `knows` does not know. */
static void foreign_elements(const char *name, struct bytes list, bool (*knows)(struct bytes),
			     struct buf *ignored)
{
	struct bytes one;
	struct json_member m;
	size_t pos = 0;

	for (size_t i = 0; *list.p == '[' && json_next_element(list, &pos, &one) > 0; i++) {
		char path[128]; /* a type is cut to 64 bytes */
		struct bytes type;
		int n;

		if (*one.p != '{' || !json_find_member(one, B("type"), &m) || m.value.n < 2 ||
		    *m.value.p != '"')
			continue;
		type = bytes_slice(m.value, 1, m.value.n - 2);
		if (knows(type))
			continue;
		type = bytes_slice(type, 0, 64);
		n = snprintf(path, sizeof path, "%s[%zu]:%.*s", name, i, BFMT(type));
		chat_ignored(ignored, (struct bytes){ path, (size_t)n });
	}
}

static void foreign_includes(struct bytes list, struct buf *ignored)
{
	struct bytes one;
	size_t pos = 0;

	while (*list.p == '[' && json_next_element(list, &pos, &one) > 0)
		if (!bytes_eq(one, B("\"reasoning.encrypted_content\"")))
			chat_ignored(ignored, B("include"));
}

/* Values that ask for nothing. */
static bool asks_nothing(struct bytes value)
{
	return bytes_eq(value, B("null")) || bytes_eq(value, B("0")) || bytes_eq(value, B("[]")) ||
	       bytes_eq(value, B("\"disabled\""));
}

int openai_responses_foreign_fields(const struct inference *inf, struct buf *ignored)
{
	struct json_member m;
	size_t pos = 0;

	if (bytes_set(inf->unsayable))
		return fail_param(ERR_INVALID_REQUEST, inf->unsayable_param, "unsupported_value",
				  "%.*s", BFMT(inf->unsayable));
	while (bytes_set(inf->source) && json_next_member(inf->source, &pos, &m) > 0) {
		const struct field *f = field_of(m.key);

		if (json_key_is(m.key, B("tools")))
			foreign_elements("tools", m.value, responses_knows_tool, ignored);
		else if (json_key_is(m.key, B("input")))
			foreign_elements("input", m.value, responses_knows_item, ignored);
		else if (json_key_is(m.key, B("include")))
			foreign_includes(m.value, ignored);
		else if (f ? f->use == USE_SAME_FAMILY && !asks_nothing(m.value)
			   : !bytes_starts(m.key, B("tensorzero::")))
			chat_ignored(ignored, m.key);
	}
	return 0;
}
