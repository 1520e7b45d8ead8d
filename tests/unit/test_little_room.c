/*
 * Readers and writers with too little room: the arena ends, the buffer ends or an allocation fails, at every place in
 * turn. Whatever is asked of them, the outcome is an error or the same bytes as with plenty of room: never half of them.
 */
#include "little_room.h"

#include "net/sse.h"
#include "route/check.h"
#include "wire/developer_api/developer_api.h"
#include "wire/native.h"
#include "wire/openai_chat/openai_chat.h"
#include "wire/openai_completions/openai_completions.h"

static const struct dialect openai = { .type = B("openai"),
				       .label = B("OpenAI"),
				       .max_tokens_key = B("max_completion_tokens"),
				       .model = B("gpt-x") };

static const struct developer_api_options options = { .search_mode = B("web"),
						      .language = B("en"),
						      .plugin_for = B("vscode"),
						      .estimate_usage = true };
static const struct dialect developer = {
	.type = B("rust-proxy"), .label = B("RustProxy"), .model = B("c"), .options = &options
};

/* ---- requests ---- */

static bool fits(void *ctx, const struct tool *tool, struct bytes arguments)
{
	(void)ctx;
	return tool->parameters.n && arguments.n;
}

static struct envelope *read_checked(struct bytes input, const struct surface_options *p,
				     struct arena *a)
{
	struct envelope *r = openai_chat_read_request(input, p, a);

	return r && check_input(r, a) == 0 && check_tools(r) == 0 ? r : NULL;
}

/* A provider's body. The names of what it could not take are only told as far as there is room. */
static int to_provider(const struct wire *wire, struct bytes input, const struct surface_options *p,
		       bool pass, struct arena *a, struct buf *out)
{
	struct envelope *r = read_checked(input, p, a);
	struct buf ignored;
	int failed;

	if (!r)
		return -1;
	if (!pass)
		r->inf.source = (struct bytes){ NULL, 0 };
	buf_init(&ignored, 1u << 16);
	failed = wire->write_request(&r->inf, wire == &wire_developer_api ? &developer : &openai,
				     out, &ignored);
	buf_deinit(&ignored);
	return failed ? -1 : 0;
}

static int passed(struct bytes input, const struct surface_options *p, struct arena *a,
		  struct buf *out)
{
	return to_provider(&wire_openai_chat, input, p, true, a, out);
}

static int rewritten(struct bytes input, const struct surface_options *p, struct arena *a,
		     struct buf *out)
{
	return to_provider(&wire_openai_chat, input, p, false, a, out);
}

static int flattened(struct bytes input, const struct surface_options *p, struct arena *a,
		     struct buf *out)
{
	return to_provider(&wire_developer_api, input, p, false, a, out);
}

/* A legacy completion on its way to a chat provider. */
static int completed(struct bytes input, const struct surface_options *p, struct arena *a,
		     struct buf *out)
{
	struct envelope *e = openai_completions_read_request(input, p, a);
	struct buf ignored;
	int r;

	if (!e)
		return -1;
	buf_init(&ignored, 1u << 16);
	r = wire_openai_chat.write_request(&e->inf, &openai, out, &ignored);
	buf_deinit(&ignored);
	return r;
}

/* What the record keeps of a request. */
static int recorded(struct bytes input, const struct surface_options *p, struct arena *a,
		    struct buf *out)
{
	struct envelope *r = read_checked(input, p, a);
	struct pen pen = { .b = out };
	size_t messages;

	if (!r)
		return -1;
	native_put_input(&pen, &r->inf, &messages);
	native_put_messages(&pen, &r->inf);
	native_put_extra_body(&pen, &r->inf.extra_body);
	if (pen.failed || native_preview_input(&r->inf, 20, out) || buf_append(out, r->ignored))
		return -1;
	if (r->inf.tools) {
		native_put_dynamic_tools(&pen, r->inf.tools);
		native_put_dynamic_provider_tools(&pen, r->inf.tools);
		native_put_allowed_tools(&pen, r->inf.tools);
		native_put_tool_choice(&pen, r->inf.tools);
		native_put_tool_params(&pen, r->inf.tools);
	}
	return pen_done(&pen);
}

#define TZ "\"model\":\"tensorzero::model_name::m\","
#define FUNCTION \
	"{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\\u00e9\",\"parameters\":{\"type\":\"object\"},\"strict\":true}}"
#define PICTURE \
	"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAAA\",\"detail\":\"low\"}}"

static const char *const requests[] = {
	"{" TZ "\"messages\":[{\"role\":\"user\",\"content\":\"hi \\\"you\\\" \\ud83d\\ude00\"}]}",
	"{" TZ
	"\"messages\":[{\"role\":\"system\",\"content\":\"be\"},{\"role\":\"developer\",\"content\":[{\"type\":\"text\",\"text\":\"brief\"}]},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}," PICTURE
	"]}],\"temperature\":0.70,\"top_p\":1e-1,\"presence_penalty\":-0.5,\"frequency_penalty\":0.25,\"max_completion_tokens\":7,\"seed\":5,\"stop\":[\"x\",\"\\n\"],\"reasoning_effort\":\"low\",\"service_tier\":\"auto\",\"verbosity\":\"high\"}",
	"{" TZ
	"\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"done\"}],\"tools\":[" FUNCTION
	"],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}},\"parallel_tool_calls\":true}",
	"{" TZ
	"\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"s\",\"strict\":true,\"schema\":{\"type\":\"object\"}}},\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
	"{" TZ
	"\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"tensorzero::tags\":{\"k\":\"v\"},\"tensorzero::extra_body\":[{\"pointer\":\"/a/b\",\"value\":[1,{\"c\":null}]},{\"pointer\":\"/d\",\"delete\":true}],\"tensorzero::params\":{\"chat_completion\":{\"temperature\":0.5}}}",
};

static const char *const openai_only[] = {
	"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"logit_bias\":{\"1\":2},\"user\":\"u\",\"metadata\":{\"k\":\"v\"},\"n\":1,\"web_search_options\":{}}",
	"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\",\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"}},{\"role\":\"function\",\"name\":\"f\",\"content\":\"c\"}],\"functions\":[{\"name\":\"f\",\"parameters\":{}}],\"function_call\":{\"name\":\"f\"}}",
	"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c\",\"type\":\"custom\",\"custom\":{\"name\":\"g\",\"input\":\"free\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":[{\"type\":\"text\",\"text\":\"r\"}]}],\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"g\",\"format\":{\"type\":\"text\"}}}],\"tool_choice\":\"required\"}",
};

static void each_request(int (*how)(struct bytes, const struct surface_options *, struct arena *,
				    struct buf *))
{
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		whole_or_an_error(&(struct work){ how, &tensorzero_chat_options, requests[i] });
		whole_or_an_error(&(struct work){ how, &openai_chat_options, requests[i] });
	}
	for (size_t i = 0; i < sizeof openai_only / sizeof *openai_only; i++)
		whole_or_an_error(&(struct work){ how, &openai_chat_options, openai_only[i] });
}

static void test_a_request_passed_on(void **state)
{
	(void)state;
	each_request(passed);
}

static void test_a_request_rewritten(void **state)
{
	(void)state;
	each_request(rewritten);
}

static void test_a_request_in_the_record(void **state)
{
	(void)state;
	each_request(recorded);
}

static void test_a_request_flattened(void **state)
{
	(void)state;
	whole_or_an_error(&(struct work){ flattened, &tensorzero_chat_options, requests[0] });
	whole_or_an_error(&(struct work){
		flattened, &openai_chat_options,
		"{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"be\"},{\"role\":\"user\",\"content\":\"a \\u00e9\"},{\"role\":\"assistant\",\"content\":\"b\"},{\"role\":\"user\",\"content\":\"c\"}],\"temperature\":1,\"top_p\":1,\"tools\":[" FUNCTION
		"]}" });
}

static void test_a_legacy_completion(void **state)
{
	(void)state;
	whole_or_an_error(&(struct work){
		completed, &openai_chat_options,
		"{\"model\":\"m\",\"prompt\":\"Say \\u00e9\",\"max_tokens\":5,\"temperature\":0.5,\"stop\":[\"x\"],\"seed\":1,\"user\":\"u\"}" });
}

/* ---- answers ---- */

static struct inference asked(const struct surface_options *p)
{
	struct inference inf = { .options = p };

	if (p == &openai_chat_options) {
		inf.source = B("{}");
		inf.source_wire = &wire_openai_chat;
		inf.source_intact = true;
	}
	return inf;
}

static const struct chat_request nothing_odd;

static struct answer answered(const struct surface_options *p)
{
	return (struct answer){ .asked = &nothing_odd.env,
				.options = p,
				.created = 1767225600,
				.model = B("m"),
				.include_usage = true,
				.include_raw_usage = true,
				.include_raw_response = true,
				.reasoning_to_client = true,
				.provider_type = B("openai"),
				.pass_through = p == &openai_chat_options };
}

static int answer(struct bytes input, const struct surface_options *p, struct arena *a,
		  struct buf *out)
{
	struct inference inf = asked(p);
	struct answer to = answered(p);
	struct result *r = wire_openai_chat.read_result(input, &inf, &openai, a);
	struct pen pen = { .b = out };

	if (!r || openai_chat_write_result(&to, r, out))
		return -1;
	native_put_output(&pen, r->content, r->len, NULL, fits, NULL);
	native_put_blocks(&pen, r->content, r->len);
	if (pen.failed)
		return -1;
	return native_preview_output(r->content, r->len, 30, out);
}

static void test_an_answer(void **state)
{
	static const char *const answers[] = {
		"{\"id\":\"i\",\"model\":\"x\",\"created\":1,\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello \\ud83d\\ude00!\",\"refusal\":null,\"annotations\":[]},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3,\"prompt_tokens_details\":{\"cached_tokens\":1}},\"service_tier\":\"default\",\"system_fingerprint\":\"fp\"}",
		"{\"id\":\"i\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"and\",\"reasoning_content\":\"hm\",\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}},{\"id\":\"d\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]},\"finish_reason\":\"tool_calls\"}]}",
		"{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":null,\"refusal\":\"no\"},\"logprobs\":{\"content\":[]},\"finish_reason\":\"content_filter\"}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		whole_or_an_error(&(struct work){ answer, &tensorzero_chat_options, answers[i] });
		whole_or_an_error(&(struct work){ answer, &openai_chat_options, answers[i] });
	}
}

/* ---- streams ---- */

/* An event a line; a developer API's has its name first. */
static int stream_of(const struct wire *wire, struct wire_stream *s, struct bytes input,
		     struct wire_writer *w, struct gather *g, struct buf *out)
{
	struct delta d = { 0 };
	int r = 0;

	while (input.n && r != 2) {
		struct bytes line = bytes_cut(&input, '\n');
		struct sse_event ev = { .event = wire == &wire_developer_api ? bytes_cut(&line, ' ')
									     : B("") };

		ev.data = line;
		r = wire->read_event(s, &ev, &d);
		if (r < 0 || (r == 1 && d.error))
			return r < 0 ? -1 : fail_with(d.error);
		if (r == 1 && (gather_add(g, &d) || openai_chat_write_delta(w, &d, out)))
			return -1;
	}
	if (wire->read_end(s, &d) != 1)
		return 0;
	if (d.error)
		return fail_with(d.error);
	return gather_add(g, &d) || openai_chat_write_delta(w, &d, out) ? -1 : 0;
}

static int stream_from(const struct wire *wire, const struct dialect *dialect, struct bytes input,
		       const struct surface_options *p, struct arena *a, struct buf *out)
{
	struct inference inf = asked(p);
	struct answer to = answered(p);
	struct wire_stream *s;
	struct wire_writer *w = openai_chat_writer_new(&to, a);
	struct gather *g = w ? gather_new(a, 1u << 16) : NULL;
	struct result res = { 0 };
	struct pen pen = { .b = out };
	int r = -1;

	inf.stream = true;
	if (wire == &wire_developer_api) /* its raw text is kept as far as there is room */
		to.pass_through = to.include_raw_response = false;
	s = g ? wire->stream_new(&inf, dialect, a) : NULL;
	if (s && stream_of(wire, s, input, w, g, out) == 0 && gather_finish(g, &res) == 0 &&
	    openai_chat_write_end(w, &res, out) == 0) {
		native_put_blocks(&pen, res.content, res.len);
		r = pen.failed                    ? -1
		    : wire == &wire_developer_api ? 0
						  : buf_append(out, res.raw_response);
	}
	if (s)
		wire->stream_free(s);
	if (g)
		gather_free(g);
	return r;
}

static int stream(struct bytes input, const struct surface_options *p, struct arena *a,
		  struct buf *out)
{
	return stream_from(&wire_openai_chat, &openai, input, p, a, out);
}

static int developer_stream(struct bytes input, const struct surface_options *p, struct arena *a,
			    struct buf *out)
{
	return stream_from(&wire_developer_api, &developer, input, p, a, out);
}

#define CHUNK_OF(delta, finish)                                                                                                       \
	"{\"id\":\"i\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"x\",\"choices\":[{\"index\":0,\"delta\":" delta \
	",\"finish_reason\":" finish "}]}\n"

static void test_a_stream(void **state)
{
	static const char *const streams[] = {
		CHUNK_OF("{\"role\":\"assistant\",\"content\":\"\"}", "null") CHUNK_OF(
			"{\"content\":\"Hel\"}", "null") CHUNK_OF("{\"content\":\"lo\"}", "null")
			CHUNK_OF("{\"content\":\" \\u00e9\"}", "null") CHUNK_OF(
				"{}",
				"\"stop\"") "{\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n[DONE]",
		CHUNK_OF("{\"role\":\"assistant\",\"reasoning_content\":\"hm\"}", "null") CHUNK_OF(
			"{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}",
			"null") CHUNK_OF("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\"\"}}]}",
					 "null")
			CHUNK_OF(
				"{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]}",
				"null")
				CHUNK_OF(
					"{\"tool_calls\":[{\"index\":1,\"id\":\"d\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]}",
					"null") CHUNK_OF("{}", "\"tool_calls\"") "[DONE]",
		CHUNK_OF("{\"refusal\":\"no\"}", "null")
			CHUNK_OF("{}", "\"content_filter\"") "[DONE]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
		whole_or_an_error(&(struct work){ stream, &tensorzero_chat_options, streams[i] });
		whole_or_an_error(&(struct work){ stream, &openai_chat_options, streams[i] });
	}
}

static void test_a_developer_apis_stream(void **state)
{
	static const char *const events =
		"r hm\nr  yes\nc Hel\nc lo \xc3\xa9\naction x\nc !\nfinish ";

	(void)state;
	whole_or_an_error(&(struct work){ developer_stream, &tensorzero_chat_options, events });
	whole_or_an_error(&(struct work){ developer_stream, &openai_chat_options, events });
}

/* ---- errors ---- */

static int error_object(struct bytes input, const struct surface_options *p, struct arena *a,
			struct buf *out)
{
	struct error e = { .kind = ERR_INFERENCE_CLIENT,
			   .message = B("It \"failed\"."),
			   .retry_after_ms = -1 };

	(void)p;
	wire_read_error_body(&e, input, a);
	if (!bytes_set(e.upstream_message))
		return fail(ERR_OUT_OF_MEMORY, "no message");
	return openai_write_error(&e, 429, out) || openai_write_error_json(&e, 429, out) ? -1 : 0;
}

static void test_an_error(void **state)
{
	(void)state;
	whole_or_an_error(&(struct work){
		error_object, &openai_chat_options,
		"{\"error\":{\"message\":\"Please try again in 2s \\u00e9\",\"code\":\"rate_limit_exceeded\",\"type\":\"t\"}}" });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_request_passed_on),
		cmocka_unit_test(test_a_request_rewritten),
		cmocka_unit_test(test_a_request_in_the_record),
		cmocka_unit_test(test_a_request_flattened),
		cmocka_unit_test(test_a_legacy_completion),
		cmocka_unit_test(test_an_answer),
		cmocka_unit_test(test_a_stream),
		cmocka_unit_test(test_a_developer_apis_stream),
		cmocka_unit_test(test_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
