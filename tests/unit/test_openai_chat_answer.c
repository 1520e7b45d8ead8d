/*
 * From a provider's answer to the client's: plain and streamed, for both surfaces. The expected bytes of profile
 * tensorzero are those that TensorZero 2026.6.0 sent for the same upstream (ids, times and the raw entries' id
 * replaced); OpenAI's follows surfaces §3.2, §3.3.
 */
#include "unit.h"

#include "base/error.h"
#include "net/sse.h"
#include "wire/openai_chat/openai_chat.h"

struct fixture {
	struct arena arena;
	struct inference inf;
	struct dialect d;
	struct answer a;
	struct buf out;
};

static struct uuid uuid_of(const char *text)
{
	struct uuid id;

	assert_true(uuid_parse(bytes_of(text), &id));
	return id;
}

#define ID      "01a2109d-be66-7301-aec3-d18092ef2125"
#define HEX     "01a2109dbe667301aec3d18092ef2125"
#define EPISODE "01a2109d-be66-7301-aec3-d197301c8567"
#define CALL_ID "01a2109d-be66-7301-aec3-d1a000000001"

static void fail_one(struct fixture *f)
{
	static const struct failed_raw one = { .provider_type = B("x"), .data = B("lost") };

	f->a.failed = &one;
	f->a.nfailed = 1;
}

static void setup(struct fixture *f, const struct surface_options *options)
{
	*f = (struct fixture){ .inf = { .options = options } };
	arena_init(&f->arena, 1u << 28);
	buf_init(&f->out, 1u << 24);
	f->d = (struct dialect){ .type = B("openai"), .label = B("OpenAI") };
	f->a = (struct answer){
		.options = options,
		.inference_id = uuid_of(ID),
		.episode_id = uuid_of(EPISODE),
		.model_inference_id = uuid_of(CALL_ID),
		.created = 1795575103,
		.model = options == &openai_chat_options ? B("my-model")
							 : B("tensorzero::model_name::m"),
		.provider_type = B("openai"),
		.reasoning_to_client = true,
	};
}

static void teardown(struct fixture *f)
{
	buf_deinit(&f->out);
	arena_deinit(&f->arena);
}

static void out_is(struct fixture *f, const char *want)
{
	if (!bytes_eq(buf_bytes(&f->out), bytes_of(want)))
		fail_msg("want %s\ngot  %.*s", want, BFMT(buf_bytes(&f->out)));
}

static void passing(struct fixture *f)
{
	f->a.pass_through = true;
	f->inf.source = B("{}");
	f->inf.source_wire = &wire_openai_chat;
	f->inf.source_intact = true;
}

static struct result *result_of(struct fixture *f, const char *body)
{
	f->inf.raw_usage = true;
	return wire_openai_chat.read_result(bytes_of(body), &f->inf, &f->d, &f->arena);
}

static void answer_is(struct fixture *f, const char *body, const char *want)
{
	struct result *r = result_of(f, body);

	if (!r)
		fail_msg("%.*s", BFMT(error_last()->message));
	buf_reset(&f->out);
	assert_int_equal(0, openai_chat_write_result(&f->a, r, &f->out));
	out_is(f, want);
}

static void answer_fails(struct fixture *f, const char *body, const char *message)
{
	assert_null(result_of(f, body));
	if (!bytes_eq(error_last()->message, bytes_of(message)))
		fail_msg("want %s\ngot  %.*s", message, BFMT(error_last()->message));
}

/* ---- plain, TensorZero's ---- */

#define TZ_HEAD                                        \
	"{\"id\":\"" ID "\",\"episode_id\":\"" EPISODE \
	"\",\"choices\":[{\"index\":0,\"finish_reason\":"
#define TZ_TAIL                                                                       \
	"}],\"created\":1795575103,\"model\":\"tensorzero::model_name::m\",\"system_" \
	"fingerprint\":\"\",\"service_tier\":"                                        \
	"null,\"object\":\"chat.completion\",\"usage\":"
#define NO_USAGE "{\"tensorzero_cost\":null}"
#define CHOICE(message, finish)                                                   \
	"{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\"," message \
	"},\"finish_reason\":" finish "}]"

static void test_plain_text(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &tensorzero_chat_options);
	answer_is(
		&f,
		"{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1767225600,\"model\":\"mock\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi.\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":3,\"total_tokens\":15}}",
		TZ_HEAD
		"\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"Hi.\"}" TZ_TAIL
		"{\"prompt_tokens\":12,\"completion_tokens\":3,\"total_tokens\":15,\"tensorzero_cost\":null}}");
	teardown(&f);
}

/* providers-openai §8 #12, #14: raw arguments unchanged, finish as said */
static void test_plain_blocks_of_all_kinds(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &tensorzero_chat_options);
	answer_is(
		&f,
		CHOICE("\"content\":\"a\",\"reasoning_content\":\"t\",\"tool_calls\":[{\"id\":\"x\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]",
		       "\"stop\"") "}",
		TZ_HEAD
		"\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":[{\"id\":\"x\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}],\"tensorzero_extra_content\":[{\"type\":\"thought\",\"insert_index\":0,\"text\":\"t\",\"provider_type\":\"openai\"}]}" TZ_TAIL
			NO_USAGE "}");
	answer_is(
		&f,
		CHOICE("\"content\":null,\"tool_calls\":[{\"id\":\"x\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}},{\"id\":\"y\",\"type\":\"custom\",\"custom\":{\"name\":\"c\",\"input\":\"in\"}}]",
		       "\"tool_calls\"") ",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"prompt_tokens_details\":{\"cached_tokens\":7}}}",
		TZ_HEAD
		"\"tool_calls\",\"message\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"x\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}},{\"id\":\"y\",\"type\":\"function\",\"function\":{\"name\":\"c\",\"arguments\":\"in\"}}]}" TZ_TAIL
		"{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3,\"prompt_tokens_details\":{\"cached_tokens\":7},\"tensorzero_cost\":null}}");
	answer_is(&f,
		  CHOICE("\"content\":\"\"", "\"length\"") ",\"usage\":{\"completion_tokens\":2}}",
		  TZ_HEAD "\"length\",\"message\":{\"role\":\"assistant\",\"content\":\"\"}" TZ_TAIL
			  "{\"completion_tokens\":2,\"tensorzero_cost\":null}}");
	answer_is(&f, CHOICE("\"content\":null", "\"content_filter\"") ",\"usage\":null}",
		  TZ_HEAD
		  "\"content_filter\",\"message\":{\"role\":\"assistant\",\"content\":null}" TZ_TAIL
			  NO_USAGE "}");
	teardown(&f);
}

static void test_plain_raw_entries(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &tensorzero_chat_options);
	f.a.include_raw_usage = f.a.include_raw_response = f.a.include_original_response = true;
	fail_one(&f);
	answer_is(
		&f,
		CHOICE("\"content\":\"a\"",
		       "\"stop\"") ",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1, \"x\":[1.50]}}",
		TZ_HEAD
		"\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"a\"}" TZ_TAIL
		"{\"prompt_tokens\":3,\"completion_tokens\":1,\"total_tokens\":4,\"tensorzero_cost\":null},\"tensorzero_raw_usage\":[{\"model_inference_id\":\"" CALL_ID
		"\",\"provider_type\":\"openai\",\"api_type\":\"chat_completions\",\"data\":{\"prompt_tokens\":3,\"completion_tokens\":1,\"x\":[1.50]}}],\"tensorzero_original_response\":\"{\\\"choices\\\":[{\\\"index\\\":0,\\\"message\\\":{\\\"role\\\":\\\"assistant\\\",\\\"content\\\":\\\"a\\\"},\\\"finish_reason\\\":\\\"stop\\\"}],\\\"usage\\\":{\\\"prompt_tokens\\\":3,\\\"completion_tokens\\\":1, \\\"x\\\":[1.50]}}\",\"tensorzero_raw_response\":[{\"provider_type\":\"x\",\"api_type\":\"chat_completions\",\"data\":\"lost\"},{\"model_inference_id\":\"" CALL_ID
		"\",\"provider_type\":\"openai\",\"api_type\":\"chat_completions\",\"data\":\"{\\\"choices\\\":[{\\\"index\\\":0,\\\"message\\\":{\\\"role\\\":\\\"assistant\\\",\\\"content\\\":\\\"a\\\"},\\\"finish_reason\\\":\\\"stop\\\"}],\\\"usage\\\":{\\\"prompt_tokens\\\":3,\\\"completion_tokens\\\":1, \\\"x\\\":[1.50]}}\"}]}");
	answer_is(
		&f, "{\"choices\":[{\"message\":{\"content\":\"a\"}}]}",
		TZ_HEAD
		"\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"a\"}" TZ_TAIL NO_USAGE
		",\"tensorzero_raw_usage\":[],\"tensorzero_original_response\":\"{\\\"choices\\\":[{\\\"message\\\":{\\\"content\\\":\\\"a\\\"}}]}\",\"tensorzero_raw_response\":[{\"provider_type\":\"x\",\"api_type\":\"chat_completions\",\"data\":\"lost\"},{\"model_inference_id\":\"" CALL_ID
		"\",\"provider_type\":\"openai\",\"api_type\":\"chat_completions\",\"data\":\"{\\\"choices\\\":[{\\\"message\\\":{\\\"content\\\":\\\"a\\\"}}]}\"}]}");
	teardown(&f);
}

/* providers-openai §8 #38 and the texts of §2.9 */
static void test_answers_that_are_none(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &tensorzero_chat_options);
	answer_fails(
		&f, "{\"choices\":[]}",
		"Error from openai server: Response has invalid number of choices: 0. Expected 1.");
	answer_fails(
		&f, "{}",
		"Error from openai server: Error parsing JSON response: missing field `choices` at line 1 column 2");
	answer_fails(
		&f, "{bad",
		"Error from openai server: Error parsing JSON response: key must be a string at line 1 column 2");
	answer_fails(
		&f, "<html>",
		"Error from openai server: Error parsing JSON response: expected value at line 1 column 1");
	answer_fails(
		&f, "",
		"Error from openai server: Error parsing JSON response: EOF while parsing a value at line 1 column 0");
	answer_fails(&f, "{\"error\":{\"message\":\"quota\",\"code\":\"insufficient_quota\"}}",
		     "Error from openai server: quota");
	assert_true(bytes_eq(error_last()->upstream_code, B("insufficient_quota")));
	answer_fails(&f, "{\"error\":{\"message\":\"slow\",\"code\":429}}",
		     "Error 429 Too Many Requests from openai client: slow");
	assert_int_equal(429, error_last()->upstream_status);
	teardown(&f);
}

/* providers-openai §8 #15, #26, #50, #51, #57, #58 in plain answers */
static void test_plain_answers_of_compatible_servers(void **state)
{
	struct fixture f;
	struct result *r;

	(void)state;
	setup(&f, &tensorzero_chat_options);
	r = result_of(
		&f,
		"{\"choices\":[{\"message\":{\"reasoning\":\"\",\"reasoning_content\":\"t\",\"content\":\"\",\"refusal\":\"No.\",\"tool_calls\":null}}],\"usage\":{\"prompt_tokens\":3.0}}");
	assert_int_equal(2, r->len);
	assert_true(bytes_eq(r->content[0].text, B("t")));
	assert_int_equal(BLOCK_REFUSAL, r->content[1].type);
	assert_int_equal(3, r->usage.input_tokens);
	assert_int_equal(USAGE_UNKNOWN, r->usage.output_tokens);
	assert_int_equal(FINISH_UNSET, r->finish);
	r = result_of(
		&f,
		"{\"choices\":[{\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image\"},{\"type\":\"text\",\"text\":\"b\"}],\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"x\":1}}}]}}]}");
	assert_int_equal(3, r->len);
	assert_true(bytes_eq(r->content[0].text, B("{\"type\":\"image\"}")));
	assert_true(bytes_eq(r->content[1].text, B("ab")));
	assert_true(bytes_starts(r->content[2].id, B("call_")) && r->content[2].id.n == 13);
	assert_true(bytes_eq(r->content[2].arguments, B("{\"x\":1}")));
	r = result_of(
		&f,
		"{\"choices\":[{\"message\":{\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"}}}],\"x_groq\":{\"usage\":{\"prompt_tokens\":4}}}");
	assert_int_equal(BLOCK_TOOL_CALL, r->content[0].type);
	assert_int_equal(4, r->usage.input_tokens);
	teardown(&f);
}

/* providers-openai §6.2 */
static void test_golden_answer(void **state)
{
	struct fixture f;
	struct result *r;

	(void)state;
	setup(&f, &tensorzero_chat_options);
	r = result_of(
		&f,
		"{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1767225600,\"model\":\"gpt-4.1-mini-2025-04-14\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"{\\\"city\\\":\\\"Oslo\\\",\\\"temp_c\\\":4}\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":120,\"completion_tokens\":12,\"total_tokens\":132,\"prompt_tokens_details\":{\"cached_tokens\":100,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0}},\"service_tier\":\"default\",\"system_fingerprint\":\"fp_1\"}");
	assert_int_equal(1, r->len);
	assert_true(bytes_eq(r->content[0].text, B("{\"city\":\"Oslo\",\"temp_c\":4}")));
	assert_int_equal(FINISH_STOP, r->finish);
	assert_int_equal(120, r->usage.input_tokens);
	assert_int_equal(12, r->usage.output_tokens);
	assert_int_equal(100, r->usage.cache_read);
	assert_int_equal(USAGE_UNKNOWN, r->usage.cache_write);
	assert_int_equal(0, r->usage.reasoning_tokens);
	assert_true(bytes_eq(r->provider_id, B("chatcmpl-1")));
	assert_true(bytes_eq(r->service_tier, B("default")));
	assert_true(bytes_eq(
		r->raw_usage,
		B("{\"prompt_tokens\":120,\"completion_tokens\":12,\"total_tokens\":132,\"prompt_tokens_details\":{\"cached_tokens\":100,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0}}")));
	teardown(&f);
}

/* ---- plain, OpenAI's ---- */

#define OA_HEAD                                                                               \
	"{\"id\":\"chatcmpl-" HEX "\",\"object\":\"chat.completion\",\"created\":1795575103," \
	"\"model\":\"my-model\",\"choices\":"
#define OA_USAGE(in, out, total)                                                             \
	"{\"prompt_tokens\":" #in ",\"completion_tokens\":" #out ",\"total_tokens\":" #total \
	",\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":{"   \
	"\"reasoning_tokens\":0}}"

static void test_openai_answer_through_the_neutral_model(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &openai_chat_options);
	answer_is(
		&f, CHOICE("\"content\":\"Hi.\"", "\"stop\"") "}",
		OA_HEAD
		"[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi.\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":" OA_USAGE(
			0, 0, 0) "}");
	answer_is(
		&f,
		CHOICE("\"content\":null,\"reasoning\":\"t\",\"tool_calls\":[{\"id\":\"x\",\"type\":\"custom\",\"custom\":{\"name\":\"c\",\"input\":\"in\"}}]",
		       "\"stop\"") ",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4},\"service_tier\":\"flex\"}",
		OA_HEAD
		"[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,\"refusal\":null,\"annotations\":[],\"tool_calls\":[{\"id\":\"x\",\"type\":\"custom\",\"custom\":{\"name\":\"c\",\"input\":\"in\"}}],\"reasoning_content\":\"t\"},\"logprobs\":null,\"finish_reason\":\"tool_calls\"}],\"usage\":" OA_USAGE(
			3, 4, 7) ",\"service_tier\":\"flex\"}");
	f.a.asked = &(const struct chat_request){ .legacy_functions = true }.env;
	answer_is(
		&f,
		CHOICE("\"content\":null,\"tool_calls\":[{\"id\":\"x\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]",
		       "\"tool_calls\"") "}",
		OA_HEAD
		"[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,\"refusal\":null,\"annotations\":[],\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"}},\"logprobs\":null,\"finish_reason\":\"function_call\"}],\"usage\":" OA_USAGE(
			0, 0, 0) "}");
	teardown(&f);
}

static void test_openai_annotations_and_seals(void **state)
{
	struct fixture f;
	struct block blocks[] = {
		{ .type = BLOCK_THOUGHT,
		  .text = B("t"),
		  .signature = B("s"),
		  .provider_type = B("p") },
		{ .type = BLOCK_TEXT, .text = B("x") },
	};
	struct result r = { .content = blocks, .len = 2, .finish = FINISH_STOP };

	(void)state;
	setup(&f, &openai_chat_options);
	usage_init(&r.usage);
	r.annotations = B(
		"[{\"type\":\"url_citation\",\"url\":\"u\",\"title\":\"t\",\"start_index\":0,\"end_index\":0},{\"type\":\"url_citation\",\"url_citation\":{\"url\":\"v\"}}]");
	f.a.reasoning_to_client = false;
	assert_int_equal(0, openai_chat_write_result(&f.a, &r, &f.out));
	out_is(&f, OA_HEAD
	       "[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"x\",\"refusal\":null,\"annotations\":[{\"type\":\"url_citation\",\"url_citation\":{\"url\":\"u\",\"title\":\"t\",\"start_index\":0,\"end_index\":0}},{\"type\":\"url_citation\",\"url_citation\":{\"url\":\"v\"}}],\"tensorzero_extra_content\":[{\"type\":\"thought\",\"insert_index\":0,\"text\":\"t\",\"signature\":\"s\",\"provider_type\":\"p\"}]},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":" OA_USAGE(
		       0, 0, 0) "}");
	teardown(&f);
}

static void test_openai_answer_passed_through(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &openai_chat_options);
	passing(&f);
	answer_is(
		&f,
		"{\n  \"id\": \"chatcmpl-9\",\n  \"model\": \"gpt-4.1-mini-2025\", \"x\": 1.50, \"object\": \"chat.completion\", \"created\": 7,\n  \"choices\": [{\"index\": 0, \"message\": {\"role\": \"assistant\", \"content\": \"a\", \"annotations\": []}, \"logprobs\": {\"a\": 1}, \"finish_reason\": \"stop\"}, {\"index\": 1, \"message\": {\"role\": \"assistant\"}, \"finish_reason\": \"length\"}],\n  \"usage\": {\"prompt_tokens\": 1, \"completion_tokens\": 2, \"total_tokens\": 3}\n}\n",
		"{\n  \"id\": \"chatcmpl-" HEX
		"\",\n  \"model\": \"my-model\", \"x\": 1.50, \"object\": \"chat.completion\", \"created\": 7,\n  \"choices\": [{\"index\": 0, \"message\": {\"role\": \"assistant\", \"content\": \"a\", \"annotations\": []}, \"logprobs\": {\"a\": 1}, \"finish_reason\": \"stop\"}, {\"index\": 1, \"message\": {\"role\": \"assistant\"}, \"finish_reason\": \"length\"}],\n  \"usage\": {\"prompt_tokens\": 1, \"completion_tokens\": 2, \"total_tokens\": 3}\n}");
	f.a.include_raw_usage = true;
	answer_is(
		&f,
		"{\"choices\":[{\"message\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":1}}",
		"{\"choices\":[{\"message\":{\"content\":\"a\",\"role\":\"assistant\"},\"index\":0,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":0,\"total_tokens\":1},\"id\":\"chatcmpl-" HEX
		"\",\"object\":\"chat.completion\",\"created\":1795575103,\"model\":\"my-model\",\"tensorzero_raw_usage\":[{\"model_inference_id\":\"" CALL_ID
		"\",\"provider_type\":\"openai\",\"api_type\":\"chat_completions\",\"data\":{\"prompt_tokens\":1}}]}");
	teardown(&f);
}

/* surfaces §8.4 #13: the full name comes back to the client, also where an answer could pass */
static void test_shortened_names_come_back(void **state)
{
#define LONG_NAME  "n12345678901234567890123456789012345678901234567890123456789012345678901"
#define SHORT_NAME "n123456789012345678901234567890123456789012345678901234_077b4c39"
	struct fixture f;
	struct tool tool = { .name = B(LONG_NAME) };
	struct tool_config tools = { .tools = &tool, .len = 1 };
	struct result *r;

	(void)state;
	setup(&f, &openai_chat_options);
	passing(&f);
	f.inf.tools = &tools;
	r = result_of(
		&f,
		CHOICE("\"tool_calls\":[{\"id\":\"x\",\"type\":\"function\",\"function\":{\"name\":\"" SHORT_NAME
		       "\",\"arguments\":\"{}\"}}]",
		       "\"stop\"") "}");
	assert_true(bytes_eq(r->content[0].name, B(LONG_NAME)));
	assert_false(bytes_set(r->document));
	teardown(&f);
}

/* ---- streams ---- */

/* Runs events (JSON lines; the last may be "ERROR") through reader, writer and gatherer. */
static void write_events(struct fixture *f, const char *const *lines)
{
	struct wire_stream *s = wire_openai_chat.stream_new(&f->inf, &f->d, &f->arena);
	struct wire_writer *w = openai_chat_writer_new(&f->a, &f->arena);
	struct gather *g = gather_new(&f->arena, 1u << 20);
	struct result r = { 0 };
	struct delta d;

	buf_reset(&f->out);
	for (; *lines; lines++) {
		struct sse_event e = { .event = B(""), .data = bytes_of(*lines) };
		int n = wire_openai_chat.read_event(s, &e, &d);

		assert_true(n >= 0);
		if (n == 1 && d.error)
			assert_int_equal(0,
					 openai_chat_write_stream_error(w, d.error, 502, &f->out));
		else if (n == 1) {
			assert_int_equal(0, gather_add(g, &d));
			assert_int_equal(0, openai_chat_write_delta(w, &d, &f->out));
		}
	}
	assert_int_equal(0, gather_finish(g, &r));
	assert_int_equal(0, openai_chat_write_end(w, &r, &f->out));
	gather_free(g);
	wire_openai_chat.stream_free(s);
}

static void stream_is(struct fixture *f, const char *const *lines, const char *want)
{
	write_events(f, lines);
	out_is(f, want);
}

#define EVENTS(...)    ((const char *const[]){ __VA_ARGS__, NULL })
#define DELTA(json)    "{\"choices\":[{\"index\":0,\"delta\":" json ",\"finish_reason\":null}]}"
#define FINISH(reason) "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" reason "\"}]}"
#define TZ_EVENT(finish, delta, usage, more)                                                      \
	"data: {\"id\":\"" ID "\",\"episode_id\":\"" EPISODE                                      \
	"\",\"choices\":[{\"index\":0,\"finish_reason\":" finish                                  \
	",\"logprobs\":null,\"delta\":" delta                                                     \
	"}],\"created\":1795575103,\"model\":\"tensorzero::model_name::m\","                      \
	"\"system_fingerprint\":\"\",\"service_tier\":null,\"object\":\"chat.completion.chunk\"," \
	"\"usage\":" usage more "}\n\n"
#define TZ_CHUNK(delta) TZ_EVENT("null", delta, "null", "")
#define DONE            "data: [DONE]\n\n"

/* providers-openai §8 #21: finish and usage in one final chunk */
static void test_tensorzero_stream_of_calls(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &tensorzero_chat_options);
	f.a.include_usage = true;
	stream_is(
		&f,
		EVENTS(DELTA("{\"role\":\"assistant\",\"content\":null}"),
		       DELTA("{\"tool_calls\":[{\"index\":0,\"id\":\"call_A\",\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"arguments\":\"\"}}]}"),
		       DELTA("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"city\\\":\"}}]}"),
		       DELTA("{\"tool_calls\":[{\"index\":1,\"id\":\"call_B\",\"type\":\"function\",\"function\":{\"name\":\"get_time\",\"arguments\":\"\"}}]}"),
		       DELTA("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\\"Oslo\\\"}\"}},{\"index\":1,\"function\":{\"arguments\":\"{\\\"tz\\\":\\\"CET\\\"}\"}}]}"),
		       FINISH("stop"),
		       "{\"choices\":[],\"usage\":{\"prompt_tokens\":50,\"completion_tokens\":30,\"total_tokens\":80,\"prompt_tokens_details\":{\"cached_tokens\":3}}}"),
		TZ_CHUNK(
			"{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"call_A\",\"index\":0,\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"arguments\":\"\"}}]}")
			TZ_CHUNK(
				"{\"tool_calls\":[{\"id\":null,\"index\":0,\"type\":\"function\",\"function\":{\"name\":\"\",\"arguments\":\"{\\\"city\\\":\"}}]}")
				TZ_CHUNK(
					"{\"tool_calls\":[{\"id\":\"call_B\",\"index\":1,\"type\":\"function\",\"function\":{\"name\":\"get_time\",\"arguments\":\"\"}}]}")
					TZ_CHUNK(
						"{\"tool_calls\":[{\"id\":null,\"index\":0,\"type\":\"function\",\"function\":{\"name\":\"\",\"arguments\":\"\\\"Oslo\\\"}\"}},{\"id\":null,\"index\":1,\"type\":\"function\",\"function\":{\"name\":\"\",\"arguments\":\"{\\\"tz\\\":\\\"CET\\\"}\"}}]}")
						TZ_EVENT(
							"\"stop\"", "{}",
							"{\"prompt_tokens\":50,\"completion_tokens\":30,\"total_tokens\":80,\"prompt_tokens_details\":{\"cached_tokens\":3},\"tensorzero_cost\":null}",
							"") DONE);
	teardown(&f);
}

static void test_tensorzero_stream_of_thoughts(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &tensorzero_chat_options);
#define THOUGHT(text)                                                                          \
	"\"tensorzero_extra_content\":[{\"type\":\"thought\",\"insert_index\":0,\"id\":\"1\"," \
	"\"text\":\"" text "\",\"signature\":null,\"summary_id\":null,\"summary_text\":null,"  \
	"\"provider_type\":\"openai\"}]"
	stream_is(
		&f,
		EVENTS(DELTA("{\"role\":\"assistant\",\"reasoning_content\":\"th\"}"),
		       DELTA("{\"reasoning\":\"ink\",\"content\":\"a\"}"),
		       "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\",\"tool_calls\":[{\"index\":0,\"id\":\"call_A\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"x\"}}]},\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":5}}"),
		TZ_CHUNK("{\"role\":\"assistant\"," THOUGHT("th") "}")
			TZ_CHUNK("{\"content\":\"a\"," THOUGHT("ink") "}") TZ_CHUNK(
				"{\"content\":\"b\",\"tool_calls\":[{\"id\":\"call_A\",\"index\":0,\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"x\"}}]}")
				TZ_EVENT("\"length\"", "{}", "null", "") DONE);
	teardown(&f);
}

static void test_tensorzero_stream_with_raw_entries(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &tensorzero_chat_options);
	f.a.include_raw_usage = f.a.include_raw_response = f.a.include_original_response = true;
	fail_one(&f);
	stream_is(
		&f,
		EVENTS("{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}",
		       "{\"choices\":[],\"usage\":{\"prompt_tokens\":5}}"),
		TZ_EVENT(
			"null", "{\"role\":\"assistant\"}", "null",
			",\"tensorzero_raw_response\":[{\"provider_type\":\"x\",\"api_type\":\"chat_completions\",\"data\":\"lost\"}]")
			TZ_EVENT(
				"null", "{\"content\":\"a\"}", "null",
				",\"tensorzero_original_chunk\":\"{\\\"choices\\\":[{\\\"delta\\\":{\\\"content\\\":\\\"a\\\"}}]}\",\"tensorzero_raw_chunk\":\"{\\\"choices\\\":[{\\\"delta\\\":{\\\"content\\\":\\\"a\\\"}}]}\"")
				TZ_EVENT(
					"null", "{}", "null",
					",\"tensorzero_raw_usage\":[{\"model_inference_id\":\"" CALL_ID
					"\",\"provider_type\":\"openai\",\"api_type\":\"chat_completions\",\"data\":{\"prompt_tokens\":5}}],\"tensorzero_original_chunk\":\"{\\\"choices\\\":[],\\\"usage\\\":{\\\"prompt_tokens\\\":5}}\",\"tensorzero_raw_chunk\":\"{\\\"choices\\\":[],\\\"usage\\\":{\\\"prompt_tokens\\\":5}}\"")
					TZ_EVENT("null", "{}",
						 "{\"prompt_tokens\":5,\"tensorzero_cost\":null}",
						 "") DONE);
	teardown(&f);
}

#define ERROR_KEYS ",\"type\":\"server_error\",\"param\":null,\"code\":\"upstream_error\"}"

static void test_tensorzero_stream_goes_on_after_an_error(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &tensorzero_chat_options);
	f.a.include_usage = f.a.include_raw_response = true;
	stream_is(
		&f, EVENTS("{bad", FINISH("foo")),
		"data: {\"error\":{\"message\":\"Error from openai server: Error parsing chunk. Error: key must be a string at line 1 column 2\"" ERROR_KEYS
		",\"tensorzero_raw_chunk\":\"{bad\"}\n\n" TZ_EVENT(
			"null", "{\"role\":\"assistant\"}", "null",
			",\"tensorzero_raw_chunk\":\"{\\\"choices\\\":[{\\\"index\\\":0,\\\"delta\\\":{},\\\"finish_reason\\\":\\\"foo\\\"}]}\"")
			TZ_EVENT("\"stop\"", "{}", "{\"tensorzero_cost\":null}", "") DONE);
	teardown(&f);
}

/* No upstream makes a writer remember blocks without end; what was refused is not half in the buffer's last event. */
static void test_streams_of_too_many_blocks(void **state)
{
	static const struct surface_options *const both[] = { &tensorzero_chat_options,
							      &openai_chat_options };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fixture f;
		struct wire_writer *w;

		setup(&f, both[i]);
		w = openai_chat_writer_new(&f.a, &f.arena);
		for (int n = 0; n <= 1024; n++) {
			struct part p = { .type = PART_UNKNOWN,
					  .id = arena_printf(&f.arena, "%d", n),
					  .text = B("{}") };
			struct delta d = { .parts = &p, .len = 1 };

			error_clear();
			assert_int_equal(openai_chat_write_delta(w, &d, &f.out), n < 1024 ? 0 : -1);
		}
		assert_int_equal(error_last()->kind, ERR_TOO_LARGE);
		assert_true(
			bytes_eq(error_last()->message, B("a stream of more than 1024 blocks")));
		teardown(&f);
	}
}

static void test_tensorzero_stream_of_json_mode_tool(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &tensorzero_chat_options);
	f.a.json_tool = true;
	stream_is(
		&f,
		EVENTS(DELTA("{\"content\":\"t\",\"tool_calls\":[{\"index\":0,\"id\":\"call_A\",\"type\":\"function\",\"function\":{\"name\":\"respond\",\"arguments\":\"\"}}]}"),
		       DELTA("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"city\\\":\"}}]}"),
		       "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"1}\"}}]},\"finish_reason\":\"tool_calls\"}]}"),
		TZ_CHUNK("{\"role\":\"assistant\",\"content\":\"t\"}")
			TZ_CHUNK("{\"content\":\"{\\\"city\\\":\"}")
				TZ_CHUNK("{\"content\":\"1}\"}")
					TZ_EVENT("\"tool_calls\"", "{}", "null", "") DONE);
	teardown(&f);
}

#define OA_CHUNK_HEAD                                                                          \
	"data: {\"id\":\"chatcmpl-" HEX "\",\"object\":\"chat.completion.chunk\",\"created\":" \
	"1795575103,\"model\":\"my-model\",\"choices\":"
#define OA_EVENT(finish, delta, more)                  \
	OA_CHUNK_HEAD "[{\"index\":0,\"delta\":" delta \
		      ",\"logprobs\":null,\"finish_reason\":" finish "}]" more "}\n\n"
#define OA_CHUNK(delta) OA_EVENT("null", delta, "")
#define OA_ROLE         "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}"

/* surfaces §8.4 #55: without include_usage no chunk has a usage key */
static void test_openai_stream_through_the_neutral_model(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &openai_chat_options);
	stream_is(
		&f,
		EVENTS(DELTA("{\"role\":\"assistant\",\"content\":\"\"}"),
		       DELTA("{\"reasoning_content\":\"r\"}"), DELTA("{\"content\":\"a\"}"),
		       DELTA("{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}"),
		       DELTA("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"}\"}},{\"index\":1,\"id\":\"d\",\"type\":\"custom\",\"custom\":{\"name\":\"g\",\"input\":\"x\"}}]}"),
		       FINISH("stop"),
		       "{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}"),
		OA_CHUNK(OA_ROLE) OA_CHUNK("{\"reasoning_content\":\"r\"}") OA_CHUNK("{\"content\":\"a\"}") OA_CHUNK(
			"{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}")
			OA_CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\"}}]}") OA_CHUNK(
				"{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"}\"}}]}")
				OA_CHUNK(
					"{\"tool_calls\":[{\"index\":1,\"id\":\"d\",\"type\":\"custom\",\"custom\":{\"name\":\"g\",\"input\":\"\"}}]}")
					OA_CHUNK(
						"{\"tool_calls\":[{\"index\":1,\"custom\":{\"input\":\"x\"}}]}")
						OA_EVENT("\"tool_calls\"", "{}", "") DONE);
	f.a.include_usage = true;
	stream_is(
		&f,
		EVENTS(DELTA("{\"content\":\"a\"}"), FINISH("length"),
		       "{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}"),
		OA_EVENT("null", OA_ROLE, ",\"usage\":null")
			OA_EVENT("null", "{\"content\":\"a\"}", ",\"usage\":null")
				OA_EVENT("\"length\"", "{}", ",\"usage\":null") OA_CHUNK_HEAD
		"[],\"usage\":" OA_USAGE(5, 2, 7) "}\n\n" DONE);
	teardown(&f);
}

static void test_openai_stream_with_raw_entries(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &openai_chat_options);
	f.a.include_raw_response = true;
	fail_one(&f);
	stream_is(
		&f, EVENTS("{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}"),
		OA_EVENT(
			"null", "{\"role\":\"assistant\"}",
			",\"tensorzero_raw_response\":[{\"provider_type\":\"x\",\"api_type\":\"chat_completions\",\"data\":\"lost\"}]")
			OA_CHUNK("{\"content\":\"a\"}") OA_EVENT(
				"null", "{}",
				",\"tensorzero_raw_chunk\":\"{\\\"choices\\\":[{\\\"delta\\\":{\\\"content\\\":\\\"a\\\"}}]}\"")
				OA_EVENT("\"stop\"", "{}", "") DONE);
	teardown(&f);
}

static void test_openai_stream_of_deprecated_functions(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &openai_chat_options);
	f.a.asked = &(const struct chat_request){ .legacy_functions = true }.env;
	stream_is(
		&f,
		EVENTS(DELTA("{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}"),
		       FINISH("tool_calls")),
		OA_CHUNK(OA_ROLE)
			OA_CHUNK("{\"function_call\":{\"name\":\"f\",\"arguments\":\"\"}}")
				OA_CHUNK("{\"function_call\":{\"arguments\":\"{}\"}}")
					OA_EVENT("\"function_call\"", "{}", "") DONE);
	teardown(&f);
}

static void test_openai_stream_that_breaks_never_ends_as_a_success(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &openai_chat_options);
	passing(&f);
	stream_is(&f,
		  EVENTS("{\"error\":{\"message\":\"m\"}}", DELTA("{\"content\":\"late\"}"),
			 FINISH("stop")),
		  "data: {\"error\":{\"message\":\"Error from openai server: m\"" ERROR_KEYS
		  "}\n\n" DONE);
	teardown(&f);
}

#define ENVELOPE                  \
	",\"id\":\"chatcmpl-" HEX \
	"\",\"object\":\"chat.completion.chunk\",\"created\":1795575103,\"model\":\"my-model\""
#define WHOLE                     \
	",\"id\":\"chatcmpl-" HEX \
	"\",\"object\":\"chat.completion\",\"created\":1795575103,\"model\":\"my-model\"}"
#define IS_CHUNK "\"object\":\"chat.completion.chunk\",\"created\":7,"
#define UP(choices, more)                                         \
	"{\"id\":\"chatcmpl-9\"," IS_CHUNK "\"choices\":" choices \
	",\"model\":\"gpt\",\"x\":1.50" more "}"
#define PASSED(choices, more)                                                 \
	"data: {\"id\":\"chatcmpl-" HEX "\"," IS_CHUNK "\"choices\":" choices \
	",\"model\":\"my-model\",\"x\":1.50" more "}\n\n"
#define COUNTS(in) "{\"prompt_tokens\":" in ",\"completion_tokens\":0,\"total_tokens\":9}"

static void test_openai_stream_passed_through(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &openai_chat_options);
	passing(&f);
	/* usage was asked for by Signet alone: no key, no chunk */
	stream_is(
		&f,
		EVENTS(UP("[]", ",\"prompt_filter_results\":[],\"usage\":null"),
		       UP("[{\"index\":0,\"delta\":{\"content\":\"a\",\"new\":2},\"finish_reason\":\"\"}]",
			  ",\"usage\":null"),
		       UP("[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]",
			  ",\"usage\":" COUNTS("5")),
		       UP("[]", ",\"usage\":" COUNTS("5"))),
		PASSED("[]", ",\"prompt_filter_results\":[]") PASSED(
			"[{\"index\":0,\"delta\":{\"content\":\"a\",\"new\":2},\"finish_reason\":null}]",
			"") PASSED("[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]", "")
			DONE);
	f.a.include_usage = true;
	stream_is(
		&f,
		EVENTS(UP("[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]",
			  ",\"usage\":" COUNTS("1")),
		       UP("[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]", ""),
		       UP("[]",
			  ",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1,\"total_tokens\":6,\"y\":1}")),
		PASSED("[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]",
		       ",\"usage\":null") PASSED("[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]",
						 ",\"usage\":null")
			PASSED("[]",
			       ",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1,\"total_tokens\":6,\"y\":1}")
				DONE);
	/* a finish that does not fit, a last chunk that is missing */
	stream_is(
		&f,
		EVENTS(UP("[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]",
			  ""),
		       UP("[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]",
			  ",\"usage\":" COUNTS("7"))),
		PASSED("[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]",
		       ",\"usage\":null")
			PASSED("[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]",
			       ",\"usage\":null") OA_CHUNK_HEAD
		"[],\"usage\":" COUNTS("7") "}\n\n" DONE);
	f.a.include_usage = false;
	stream_is(&f, EVENTS(UP("[{\"index\":0,\"delta\":{\"content\":\"a\"}}]", "")),
		  PASSED("[{\"index\":0,\"delta\":{\"content\":\"a\"}}]", "")
			  OA_EVENT("\"stop\"", "{}", "") DONE);
	/* data over several lines goes out in one */
	stream_is(
		&f,
		EVENTS("{\n\"id\":\"x\",\n" IS_CHUNK
		       " \"choices\":[{\"index\":0,\"delta\":{\"content\":\"a b\"},\n\"finish_reason\":\"stop\"}],\"model\":\"y\"}"),
		"data: {\"id\":\"chatcmpl-" HEX "\"," IS_CHUNK
		"\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a b\"},\"finish_reason\":\"stop\"}],\"model\":\"my-model\"}\n\n" DONE);
	teardown(&f);
}

/* What stands before the choices is edited once and remembered: nothing of it may reach an event that begins otherwise. */
/* surfaces §1.6, Repair: an upstream's chunks that no client of the format could read. */
static void test_openai_stream_mended(void **state)
{
	static const struct {
		const char *event, *want;
	} cases[] = {
		{ "{\"choices\":[{\"delta\":{\"content\":\"x\"}}]}",
		  "\"choices\":[{\"delta\":{\"content\":\"x\"},\"index\":0}]" ENVELOPE },
		{ "{\"choices\":[{\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"text\":\"b\"}],\"new\":{\"y\":[1.50]}}}]}",
		  "\"choices\":[{\"delta\":{\"content\":\"ab\",\"new\":{\"y\":[1.50]}},\"index\":0}]" ENVELOPE },
		{ "{\"choices\":[{\"delta\":{\"content\":5,\"role\":\"bot\"},\"logprobs\":[],\"finish_reason\":null}]}",
		  "\"choices\":[{\"delta\":{\"content\":null,\"role\":\"assistant\"},\"logprobs\":null,\"finish_reason\":null,\"index\":0}]" ENVELOPE },
		{ "{\"choices\":[{\"content_filter_results\":{}}]}",
		  "\"choices\":[{\"content_filter_results\":{},\"index\":0,\"delta\":{}}]" ENVELOPE },
		{ "{\"choices\":[{\"index\":0,\"delta\":null,\"finish_reason\":\"eos\"}],\"service_tier\":\"on_demand\"}",
		  "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"service_tier\":null" ENVELOPE },
		{ "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"x\":1}}},{\"id\":\"b\",\"type\":\"fn\",\"function\":{\"name\":\"g\"}}]}}]}",
		  "\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"},\"index\":0,\"id\":\"call_308b7db3\"},{\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"\"},\"index\":1}]},\"index\":0}]" ENVELOPE },
		{ "{\"choices\":[{\"delta\":{\"tool_calls\":{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}}}]}",
		  "\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"\"},\"index\":0}]},\"index\":0}]" ENVELOPE },
		{ "{\"choices\":[{\"delta\":{\"content\":\"quiet \\ud83d.\",\"reasoning_content\":\"\\ude00\"}}]}",
		  "\"choices\":[{\"delta\":{\"content\":\"quiet \xef\xbf\xbd.\",\"reasoning_content\":\"\xef\xbf\xbd\"},\"index\":0}]" ENVELOPE },
		{ "{\"choices\":[{\"delta\":{}},{\"delta\":{\"content\":[{\"text\":\"2\"}],\"tool_calls\":[{\"id\":\"q\"}]}}]}",
		  "\"choices\":[{\"delta\":{},\"index\":0},{\"delta\":{\"content\":\"2\",\"tool_calls\":[{\"id\":\"q\",\"index\":0}]},\"index\":1}]" ENVELOPE },
		{ "{\"object\":\"\",\"created\":\"now\",\"choices\":[]}",
		  "\"object\":\"chat.completion.chunk\",\"created\":1795575103,\"choices\":[],\"id\":\"chatcmpl-" HEX
		  "\",\"model\":\"my-model\"" },
	};
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct bytes want;

		setup(&f, &openai_chat_options);
		passing(&f);
		want = arena_printf(&f.arena, "data: {%s}\n\n", cases[i].want);
		write_events(&f, (const char *const[]){ cases[i].event, NULL });
		if (!bytes_starts(buf_bytes(&f.out), want))
			fail_msg("want %.*s\ngot  %.*s", BFMT(want), BFMT(buf_bytes(&f.out)));
		teardown(&f);
	}
}

static void test_openai_stream_skips_what_is_no_chunk(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &openai_chat_options);
	passing(&f);
	stream_is(&f,
		  EVENTS("{\"type\":\"ping\"}",
			 UP("[{\"index\":0,\"delta\":{\"content\":\"a\"}}]", ""),
			 "{\"warning\":\"x\"}", "null", "{}", "[]", "7",
			 "{\"usage\":" COUNTS("5") "}", "{\"choices\":{}}",
			 UP("[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]", "")),
		  PASSED("[{\"index\":0,\"delta\":{\"content\":\"a\"}}]", "")
			  PASSED("[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]", "")
				  DONE);
	f.a.include_usage = true;
	stream_is(
		&f,
		EVENTS(UP("[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]",
			  ""),
		       "{\"choices\":null,\"usage\":" COUNTS("5") "}"),
		PASSED("[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]",
		       ",\"usage\":null") "data: {\"choices\":[],\"usage\":" COUNTS("5") ENVELOPE
		"}\n\n" DONE);
	teardown(&f);
}

/* A character that is cut between two events comes whole with the second. */
static void test_openai_stream_joins_halves(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &openai_chat_options);
	passing(&f);
	stream_is(
		&f,
		EVENTS(UP("[{\"index\":0,\"delta\":{\"content\":\"a\\ud83d\"}}]", ""),
		       UP("[{\"index\":0,\"delta\":{\"content\":\"\\ude00b\"}}]", ""),
		       UP("[{\"index\":0,\"delta\":{\"content\":\"c\\ud83d\"}}]", ""),
		       UP("[{\"index\":0,\"delta\":{\"content\":\"d\"}}]", ""),
		       UP("[{\"index\":0,\"delta\":{\"content\":\"e\\ud83d\"}}]", ""),
		       UP("[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]", "")),
		PASSED("[{\"index\":0,\"delta\":{\"content\":\"a\"}}]", "") PASSED(
			"[{\"index\":0,\"delta\":{\"content\":\"😀b\"}}]",
			"") PASSED("[{\"index\":0,\"delta\":{\"content\":\"c\"}}]",
				   "") PASSED("[{\"index\":0,\"delta\":{\"content\":\"\xef\xbf\xbd"
					      "d\"}}]",
					      "")
			PASSED("[{\"index\":0,\"delta\":{\"content\":\"e\"}}]", "") PASSED(
				"[{\"index\":0,\"delta\":{\"content\":\"\xef\xbf\xbd\"},\"finish_reason\":\"stop\"}]",
				"") DONE);
	teardown(&f);
}

/* A million members and as many choices: what is mended is walked once. (The suite's own limit is the judge of time.) */
static void test_openai_stream_mends_what_is_big(void **state)
{
	struct wire_stream *stream;
	struct fixture f;
	struct delta d;
	struct buf b;

	(void)state;
	setup(&f, &openai_chat_options);
	passing(&f);
	buf_init(&b, SSE_MAX_EVENT);
	buf_append(&b, B("{\"choices\":[{\"delta\":{\"content\":\"x\"}}"));
	for (int i = 0; i < 1000000; i++)
		buf_append(&b, B(",{}"));
	buf_append(&b, B("]"));
	for (int i = 0; i < 1000000; i++)
		buf_append(&b, B(",\"m\":0"));
	buf_append(&b, B("}"));
	stream = wire_openai_chat.stream_new(&f.inf, &f.d, &f.arena);
	assert_int_equal(1, wire_openai_chat.read_event(
				    stream, &(struct sse_event){ B(""), buf_bytes(&b) }, &d));
	assert_null(d.error);
	assert_true(bytes_starts(d.mended,
				 B("{\"choices\":[{\"delta\":{\"content\":\"x\"},\"index\":0},")));
	assert_true(bytes_find(d.mended, B("\"index\":127,\"delta\":{}}],\"m\":0,")) > 0);
	wire_openai_chat.stream_free(stream);
	buf_deinit(&b);
	teardown(&f);
}

static void test_openai_stream_joins_halves_of_a_thought(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &openai_chat_options);
	passing(&f);
	stream_is(
		&f,
		EVENTS(UP("[{\"index\":0,\"delta\":{\"reasoning\":\"a\\ud83d\"}}]", ""),
		       UP("[{\"index\":0,\"delta\":{\"reasoning\":\"\\ude00b\\ud83d\"}}]", ""),
		       UP("[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]", "")),
		PASSED("[{\"index\":0,\"delta\":{\"reasoning\":\"a\"}}]",
		       "") PASSED("[{\"index\":0,\"delta\":{\"reasoning\":\"😀b\"}}]", "")
			PASSED("[{\"index\":0,\"delta\":{\"reasoning_content\":\"\xef\xbf\xbd\"},\"finish_reason\":\"stop\"}]",
			       "") DONE);
	teardown(&f);
}

static void test_openai_answer_mended(void **state)
{
	static const struct {
		const char *body, *want;
	} cases[] = {
		{ "{\"choices\":[{\"message\":{\"content\":\"x\"}}]}",
		  "{\"choices\":[{\"message\":{\"content\":\"x\",\"role\":\"assistant\"},\"index\":0,\"finish_reason\":\"stop\"}]" WHOLE },
		{ "{\"choices\":[{\"message\":{\"content\":[{\"text\":\"a\"},\"b\"]},\"finish_reason\":\"model_length\"}],\"usage\":{\"completion_tokens\":4,\"z\":null}}",
		  "{\"choices\":[{\"message\":{\"content\":\"ab\",\"role\":\"assistant\"},\"finish_reason\":\"length\",\"index\":0}],\"usage\":{\"completion_tokens\":4,\"z\":null,\"prompt_tokens\":0,\"total_tokens\":4}" WHOLE },
		{ "{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\": [1]}}}]}}],\"usage\":{}}",
		  "{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":[1]}\"},\"id\":\"call_308b7db3\",\"type\":\"function\"}],\"role\":\"assistant\"},\"index\":0,\"finish_reason\":\"tool_calls\"}],\"usage\":null" WHOLE },
		{ "{\"choices\":[{\"message\":{\"content\":\"quiet \\ud83d\"},\"finish_reason\":\"stop\"}]}",
		  "{\"choices\":[{\"message\":{\"content\":\"quiet \xef\xbf\xbd\",\"role\":\"assistant\"},\"finish_reason\":\"stop\",\"index\":0}]" WHOLE },
	};
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		setup(&f, &openai_chat_options);
		passing(&f);
		answer_is(&f, cases[i].body, cases[i].want);
		teardown(&f);
	}
}

static void test_openai_stream_passed_through_remembers_no_more_than_is_the_same(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &openai_chat_options);
	passing(&f);
#define BEGINS(id, more, text)                                                                                                  \
	"{\"created\":1" more ",\"id\":" id                                                                                     \
	",\"object\":\"chat.completion.chunk\",\"model\":\"my-model\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text \
	"\"}}]}"
#define COMES(more, text) "data: " BEGINS("\"chatcmpl-" HEX "\"", more, text) "\n\n"
	stream_is(&f,
		  EVENTS(BEGINS("\"a\"", "", "1"), BEGINS("\"a\"", "", "2"),
			 BEGINS("\"a\"", "2", "3"), BEGINS("\"b\"", "2", "4"),
			 BEGINS("\"b\"", "3", "5"), BEGINS("\"b\"", "4", "6"),
			 BEGINS("\"b\"", "4,\"choices\":[]", "7"), BEGINS("\"a\"", "5", "8"),
			 BEGINS("\"a\"", "5", "9")),
		  COMES("", "1") COMES("", "2") COMES("2", "3") COMES("2", "4") COMES("3", "5")
			  COMES("4", "6") COMES("4,\"choices\":[]", "7") COMES("5", "8")
				  COMES("5", "9") OA_EVENT("\"stop\"", "{}", "") DONE);
	teardown(&f);
}

/* ---- errors ---- */

static void error_is(const struct error *e, int status, const char *want)
{
	struct buf out;

	buf_init(&out, 1u << 16);
	assert_int_equal(0, openai_write_error(e, status, &out));
	if (!bytes_eq(buf_bytes(&out), bytes_of(want)))
		fail_msg("want %s\ngot  %.*s", want, BFMT(buf_bytes(&out)));
	buf_deinit(&out);
}

#define ERROR(message, type, code)                                 \
	"{\"error\":{\"message\":\"" message "\",\"type\":\"" type \
	"\",\"param\":null,\"code\":" code "}}"

static void test_error_types_and_codes(void **state)
{
	static const struct {
		int status;
		const char *want;
	} cases[] = {
		{ 400, ERROR("m", "invalid_request_error", "null") },
		{ 401, ERROR("m", "invalid_request_error", "\"invalid_api_key\"") },
		{ 403, ERROR("m", "permission_error", "\"model_not_allowed\"") },
		{ 404, ERROR("m", "invalid_request_error", "null") },
		{ 413, ERROR("m", "invalid_request_error", "\"request_too_large\"") },
		{ 429, ERROR("m", "rate_limit_error", "\"rate_limit_exceeded\"") },
		{ 500, ERROR("m", "server_error", "null") },
		{ 502, ERROR("m", "server_error", "\"upstream_error\"") },
		{ 503, ERROR("m", "server_error", "\"server_is_overloaded\"") },
		{ 504, ERROR("m", "server_error", "\"timeout\"") },
	};
	struct error e = { .kind = ERR_INVALID_REQUEST, .message = B("m"), .retry_after_ms = -1 };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		error_is(&e, cases[i].status, cases[i].want);
	e.kind = ERR_MODEL_NOT_FOUND;
	error_is(&e, 404, ERROR("m", "invalid_request_error", "\"model_not_found\""));
	e.kind = ERR_SIGNER;
	error_is(&e, 500, ERROR("m", "server_error", "\"signer_failed\""));
	e.retry_after_ms = 1200;
	error_is(
		&e, 429,
		ERROR("m. Please try again in 2s.", "rate_limit_error", "\"rate_limit_exceeded\""));
	e.message = B("m.");
	error_is(
		&e, 429,
		ERROR("m. Please try again in 2s.", "rate_limit_error", "\"rate_limit_exceeded\""));
	e.message = B(".");
	error_is(&e, 429,
		 ERROR(". Please try again in 2s.", "rate_limit_error", "\"rate_limit_exceeded\""));
	e.message = B("");
	e.retry_after_ms = 0;
	error_is(&e, 429,
		 ERROR(". Please try again in 0s.", "rate_limit_error", "\"rate_limit_exceeded\""));
	e.retry_after_ms = 1000;
	e.message = B("Try again. Later");
	error_is(&e, 429,
		 ERROR("Try again. Later. Please try again in 1s.", "rate_limit_error",
		       "\"rate_limit_exceeded\""));
	e.message = B("TRY AGAIN IN 5s");
	error_is(&e, 429, ERROR("TRY AGAIN IN 5s", "rate_limit_error", "\"rate_limit_exceeded\""));
	e.retry_after_ms = 1001;
	error_is(&e, 503, ERROR("TRY AGAIN IN 5s", "server_error", "\"server_is_overloaded\""));
	e.message = B("m");
	error_is(&e, 503, ERROR("m", "server_error", "\"server_is_overloaded\""));
	e.message = B("caf\xe9 \xff");
	error_is(&e, 500,
		 ERROR("caf\xef\xbf\xbd \xef\xbf\xbd", "server_error", "\"signer_failed\""));
	e.message = B("m");
	e.param = B("n");
	e.code = B("x");
	error_is(
		&e, 400,
		"{\"error\":{\"message\":\"m\",\"type\":\"invalid_request_error\",\"param\":\"n\",\"code\":\"x\"}}");
}

/* providers-openai §8 #29: the upstream's code decides, also inside of nested failures */
static void test_codes_of_upstreams(void **state)
{
	struct bytes name = B("p");
	struct error inner = { .kind = ERR_INFERENCE_CLIENT,
			       .retry_after_ms = -1,
			       .upstream_status = 400 };
	struct error_list list = { .names = &name, .errors = &inner, .len = 1 };
	struct error e = { .kind = ERR_ALL_PROVIDERS_FAILED,
			   .message = B("m"),
			   .retry_after_ms = -1,
			   .nested = &list };

	(void)state;
	inner.upstream_code = B("content_filter");
	error_is(&e, 400, ERROR("m", "invalid_request_error", "\"content_policy_violation\""));
	inner.upstream_code = B("x");
	inner.upstream_message = B("This model's maximum context length is 8192 tokens");
	error_is(&e, 400, ERROR("m", "invalid_request_error", "\"context_length_exceeded\""));
	inner.upstream_code = B("insufficient_quota");
	error_is(&e, 429, ERROR("m", "insufficient_quota", "\"insufficient_quota\""));
	inner.upstream_status = 401;
	error_is(&e, 502, ERROR("m", "server_error", "\"upstream_auth\""));
}

/* providers-openai §8 #29, #30, #81 */
static void test_error_bodies_of_upstreams(void **state)
{
	struct error e = { .retry_after_ms = -1 };
	struct arena a;

	(void)state;
	arena_init(&a, 1u << 20);
	wire_read_error_body(
		&e,
		B("{\"error\":{\"code\":\"content_filter\",\"message\":\"f\",\"innererror\":{}}}"),
		&a);
	assert_true(bytes_eq(e.upstream_code, B("content_filter")));
	assert_true(bytes_eq(e.upstream_message, B("f")));
	wire_read_error_body(
		&e, B("{\"error\":{\"type\":\"t\",\"message\":\"Please try again in 1.5s.\"}}"),
		&a);
	assert_true(bytes_eq(e.upstream_code, B("t")));
	assert_int_equal(1500, e.retry_after_ms);
	e.retry_after_ms = 45000; /* a header came: it stays */
	wire_read_error_body(&e, B("{\"detail\":\"try again in 20ms\"}"), &a);
	assert_int_equal(45000, e.retry_after_ms);
	assert_true(bytes_eq(e.upstream_message, B("try again in 20ms")));
	wire_read_error_body(&e, B("<html>x</html>"), &a);
	assert_true(bytes_eq(e.upstream_message, B("<html>x</html>")));
	wire_read_error_body(&e, B(""), &a);
	assert_int_equal(0, e.upstream_message.n);
	/* filling the current error loses nothing of it */
	wire_fail(ERR_INFERENCE_SERVER, 500, B("openai"), "body");
	wire_read_error_body(error_last(), B("{broken"), &a);
	assert_true(bytes_eq(error_last()->message, B("Error from openai server: body")));
	arena_deinit(&a);
}

static void test_pages_lose_their_tags(void **state)
{
	struct error e = {
		.message = B(
			"Error from openai server: <!DOCTYPE html><html><head><title>502</title></head>\n <body><h1>Bad  Gateway</h1></body></html>")
	};
	struct arena a;

	(void)state;
	arena_init(&a, 1u << 20);
	assert_int_equal(0, openai_error_without_html(&e, &a));
	assert_true(bytes_eq(e.message, B("Error from openai server: 502 Bad Gateway")));
	e.message = B("1 < 2 and <b> stays");
	assert_int_equal(0, openai_error_without_html(&e, &a));
	assert_true(bytes_eq(e.message, B("1 < 2 and <b> stays")));
	arena_deinit(&a);
}

static void test_error_json(void **state)
{
	struct bytes name = B("p");
	struct error inner = { .kind = ERR_INFERENCE_SERVER,
			       .message = B("i"),
			       .retry_after_ms = -1 };
	struct error_list list = { .names = &name, .errors = &inner, .len = 1 };
	struct error e = { .kind = ERR_ALL_PROVIDERS_FAILED,
			   .message = B("m"),
			   .retry_after_ms = -1,
			   .nested = &list };
	struct buf out;

	(void)state;
#define KIND                                                                                       \
	"{\"AllModelProvidersFailed\":{\"errors\":{\"p\":{\"InferenceServer\":{\"message\":\"i\"}" \
	"}}}}"
	buf_init(&out, 1u << 16);
	assert_int_equal(0, openai_write_error_json(&e, 500, &out));
	assert_true(bytes_eq(
		buf_bytes(&out),
		B("{\"error\":{\"message\":\"m\",\"type\":\"server_error\",\"param\":null,\"code\":null,\"error_json\":" KIND
		  ",\"tensorzero_error_json\":" KIND "}}")));
	buf_deinit(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_text),
		cmocka_unit_test(test_plain_blocks_of_all_kinds),
		cmocka_unit_test(test_plain_raw_entries),
		cmocka_unit_test(test_answers_that_are_none),
		cmocka_unit_test(test_plain_answers_of_compatible_servers),
		cmocka_unit_test(test_golden_answer),
		cmocka_unit_test(test_openai_answer_through_the_neutral_model),
		cmocka_unit_test(test_openai_annotations_and_seals),
		cmocka_unit_test(test_openai_answer_passed_through),
		cmocka_unit_test(test_shortened_names_come_back),
		cmocka_unit_test(test_tensorzero_stream_of_calls),
		cmocka_unit_test(test_tensorzero_stream_of_thoughts),
		cmocka_unit_test(test_tensorzero_stream_with_raw_entries),
		cmocka_unit_test(test_tensorzero_stream_goes_on_after_an_error),
		cmocka_unit_test(test_streams_of_too_many_blocks),
		cmocka_unit_test(test_tensorzero_stream_of_json_mode_tool),
		cmocka_unit_test(test_openai_stream_through_the_neutral_model),
		cmocka_unit_test(test_openai_stream_with_raw_entries),
		cmocka_unit_test(test_openai_stream_of_deprecated_functions),
		cmocka_unit_test(test_openai_stream_that_breaks_never_ends_as_a_success),
		cmocka_unit_test(test_openai_stream_passed_through),
		cmocka_unit_test(test_openai_stream_mended),
		cmocka_unit_test(test_openai_stream_skips_what_is_no_chunk),
		cmocka_unit_test(test_openai_stream_joins_halves),
		cmocka_unit_test(test_openai_answer_mended),
		cmocka_unit_test(test_openai_stream_mends_what_is_big),
		cmocka_unit_test(test_openai_stream_joins_halves_of_a_thought),
		cmocka_unit_test(
			test_openai_stream_passed_through_remembers_no_more_than_is_the_same),
		cmocka_unit_test(test_error_types_and_codes),
		cmocka_unit_test(test_codes_of_upstreams),
		cmocka_unit_test(test_error_bodies_of_upstreams),
		cmocka_unit_test(test_pages_lose_their_tags),
		cmocka_unit_test(test_error_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
