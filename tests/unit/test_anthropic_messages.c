/*
 * Anthropic's Messages as bytes, without a socket: what generations of models take, schemas, golden streams cut at every
 * byte, what a client's stream is made of.
 */
#include "unit.h"

#include "base/error.h"
#include "net/sse.h"
#include "wire/anthropic_messages/anthropic_messages.h"
#include "wire/anthropic_messages/claude.h"
#include "wire/anthropic_messages/write_request.h"
#include "wire/estimate.h"

/* ---- models ---- */

static void test_models_and_their_lengths(void **state)
{
	static const struct {
		const char *name;
		uint64_t tokens;
		bool manual, adaptive, sampling;
	} cases[] = {
		{ "claude-3-haiku-20240307", 4096, true, false, true },
		{ "claude-3-5-sonnet-latest", 8192, true, false, true },
		{ "claude-opus-4-20250514", 32000, true, false, true },
		{ "claude-opus-4-1-20250805", 32000, true, false, true },
		{ "claude-opus-4@20250514", 32000, true, false, true },
		{ "claude-sonnet-4-5", 64000, true, false, true },
		{ "claude-sonnet-4-6", 64000, true, true, true },
		{ "claude-opus-4-6", 128000, true, true, true },
		{ "claude-opus-4-7", 128000, false, true, false },
		{ "claude-sonnet-5-5", 128000, false, true, false },
		{ "claude-opus-9", 128000, false, true, false },
		{ "my-own", 0, true, true, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct bytes name = bytes_of(cases[i].name);
		const struct claude *c = claude_of(name);

		if (claude_max_tokens(name) != cases[i].tokens || c->manual != cases[i].manual ||
		    c->adaptive != cases[i].adaptive || c->sampling != cases[i].sampling)
			fail_msg("%s: %llu", cases[i].name,
				 (unsigned long long)claude_max_tokens(name));
	}
}

static void test_efforts_that_a_generation_lacks(void **state)
{
	(void)state;
	assert_bytes(claude_effort(claude_of(B("claude-opus-4-6")), B("xhigh")), "max");
	assert_bytes(claude_effort(claude_of(B("claude-opus-4-5")), B("max")), "high");
	assert_bytes(claude_effort(claude_of(B("claude-opus-4-7")), B("minimal")), "low");
	assert_bytes(claude_effort(claude_of(B("claude-opus-4-7")), B("xhigh")), "xhigh");
	assert_false(bytes_set(claude_effort(claude_of(B("claude-sonnet-4-5")), B("high"))));
}

/* ---- schemas ---- */

static void format_is(const char *schema, const char *want)
{
	struct buf b;
	struct pen p = { .b = &b };
	bool can;

	buf_init(&b, 1 << 20);
	can = claude_put_format(&p, bytes_of(schema));
	assert_int_equal(can, want != NULL);
	assert_int_equal(claude_put_format(NULL, bytes_of(schema)), can);
	if (want)
		assert_bytes(buf_bytes(&b), want);
	buf_deinit(&b);
}

static void test_schemas_of_answers(void **state)
{
	(void)state;
	format_is("{ \"type\":\"object\",\"properties\":{},\"additionalProperties\":false}",
		  "{ \"type\":\"object\",\"properties\":{},\"additionalProperties\":false}");
	format_is(
		"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":1,\"description\":\"n\"}}}",
		"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"description\":\"n\\n\\n{\\\"minimum\\\":1}\"}},\"additionalProperties\":false}");
	format_is("{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}",
		  "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}");
	format_is("{\"type\":\"object\"}", NULL);
	format_is(
		"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\",\"additionalProperties\":true}}}",
		NULL);
	format_is(
		"{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"anyOf\":[{\"$ref\":\"#/$defs/a\"}]}}}",
		NULL);
	format_is("[]", NULL);
}

/* ---- streams ---- */

#define E(type, members) "event: " type "\ndata: {\"type\":\"" type "\"" members "}\n\n"
#define START              \
	E("message_start", \
	  ",\"message\":{\"id\":\"msg_1\",\"model\":\"c\",\"usage\":{\"input_tokens\":40,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":100,\"output_tokens\":1}}")
#define DELTA(index, type, key, text) \
	E("content_block_delta",      \
	  ",\"index\":" index ",\"delta\":{\"type\":\"" type "\",\"" key "\":\"" text "\"}")
#define BLOCK(index, block) \
	E("content_block_start", ",\"index\":" index ",\"content_block\":{" block "}")
#define STOP(index) E("content_block_stop", ",\"index\":" index)

static const char golden[] = START BLOCK(
	"0",
	"\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"") E("ping",
									"") DELTA("0",
										  "thinking_delta",
										  "thinking",
										  "Two cities.")
	DELTA("0", "signature_delta", "signature", "c2ln") STOP("0") BLOCK(
		"1",
		"\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"get_weather\",\"input\":{}")
		DELTA("1", "input_json_delta", "partial_json",
		      "") DELTA("1", "input_json_delta", "partial_json",
				"{\\\"city\\\": ") DELTA("1", "input_json_delta", "partial_json",
							 "\\\"Oslo\\\"}") STOP("1")
			BLOCK("2", "\"type\":\"text\",\"text\":\"\"") DELTA(
				"2", "text_delta", "text",
				"Gr\303\274\303\237e \\ud83d\\ude00") STOP("2")
				E("message_delta",
				  ",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":55}")
					E("message_stop", "");

/* The stream in two pieces, as what it comes to. */
static void gather_cut(struct bytes text, size_t cut, struct arena *a, struct result *out,
		       struct gather **g)
{
	static const struct surface_options options;
	static const struct inference inf = { .options = &options };
	static const struct dialect d = { .type = B("anthropic"), .label = B("Anthropic") };
	struct wire_stream *s = wire_anthropic_messages.stream_new(&inf, &d, a);
	struct sse_event e;
	struct delta delta;
	struct sse sse;
	int r = 0;

	*g = gather_new(a, 1 << 20);
	assert_non_null(s);
	sse_init(&sse, SSE_MAX_EVENT);
	for (int piece = 0; piece < 2 && r != 2; piece++) {
		sse_feed(&sse, piece ? bytes_slice(text, cut, text.n) : bytes_slice(text, 0, cut));
		while (r != 2 && sse_next(&sse, &e) == 1) {
			r = wire_anthropic_messages.read_event(s, &e, &delta);
			assert_true(r >= 0);
			if (r == 1 && !delta.error)
				assert_int_equal(gather_add(*g, &delta), 0);
		}
	}
	assert_int_equal(wire_anthropic_messages.read_end(s, &delta), 0);
	assert_int_equal(gather_finish(*g, out), 0);
	sse_deinit(&sse);
	wire_anthropic_messages.stream_free(s);
}

/* providers-others §11.1, §13 A41 */
static void test_the_golden_stream_cut_at_every_byte(void **state)
{
	struct bytes text = B(golden);

	(void)state;
	for (size_t cut = 0; cut <= text.n; cut++) {
		struct arena a;
		struct result r;
		struct gather *g;

		arena_init(&a, 64u << 20);
		gather_cut(text, cut, &a, &r, &g);
		assert_int_equal(r.len, 3);
		assert_bytes(r.content[0].text, "Two cities.");
		assert_bytes(r.content[0].signature, "c2ln");
		assert_bytes(r.content[0].provider_type, "anthropic");
		assert_bytes(r.content[1].id, "toolu_1");
		assert_bytes(r.content[1].name, "get_weather");
		assert_bytes(r.content[1].arguments, "{\"city\": \"Oslo\"}");
		assert_bytes(r.content[2].text, "Gr\303\274\303\237e \360\237\230\200");
		assert_int_equal(r.finish, FINISH_TOOL_CALL);
		assert_int_equal(r.usage.input_tokens, 140);
		assert_int_equal(r.usage.output_tokens, 55);
		assert_int_equal(r.usage.cache_read, 100);
		gather_free(g);
		arena_deinit(&a);
	}
}

/* providers-others §13 A2 */
static void test_a_signature_in_two_pieces(void **state)
{
	static const char text[] = START BLOCK("0", "\"type\":\"thinking\",\"thinking\":\"\"")
		DELTA("0", "signature_delta", "signature", "ab")
			DELTA("0", "signature_delta", "signature", "cd") STOP("0")
				E("message_stop", "");
	struct arena a;
	struct result r;
	struct gather *g;

	(void)state;
	arena_init(&a, 64u << 20);
	gather_cut(B(text), 10, &a, &r, &g);
	assert_int_equal(r.len, 1);
	assert_bytes(r.content[0].signature, "abcd");
	assert_true(bytes_set(r.content[0].text)); /* display omitted: no redacted thought */
	gather_free(g);
	arena_deinit(&a);
}

/* ---- a request ---- */

/* providers-others §13 A38, A39: marks and parts where the client put them */
static void test_marks_and_parts(void **state)
{
	static const char request[] =
		"{\"model\":\"m\",\"max_tokens\":9,\"system\":[{\"type\":\"text\",\"text\":\"S\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}],"
		"\"tools\":[{\"name\":\"t\",\"input_schema\":{\"type\":\"object\",\"properties\":{}},\"cache_control\":{\"type\":\"ephemeral\"}}],"
		"\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"t\",\"input\":{}}]},"
		"{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"is_error\":true,\"cache_control\":{\"type\":\"ephemeral\"},"
		"\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"iVBORw0KGgo=\"}}]}]}]}";
	const struct dialect d = { .type = B("anthropic"),
				   .label = B("Anthropic"),
				   .model = B("c-1") };
	struct envelope *env;
	struct arena a;
	struct buf out;

	(void)state;
	arena_init(&a, 64u << 20);
	buf_init(&out, 1 << 20);
	env = anthropic_read_request(B(request), &messages_options, &a);
	assert_non_null(env);
	env->inf.source = (struct bytes){ NULL, 0 }; /* through the neutral model */
	env->inf.source_wire = NULL;
	assert_int_equal(wire_anthropic_messages.write_request(&env->inf, &d, &out, NULL), 0);
	assert_bytes(
		buf_bytes(&out),
		"{\"model\":\"c-1\",\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"t\",\"input\":{}}]},"
		"{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"iVBORw0KGgo=\"}}],"
		"\"is_error\":true,\"cache_control\":{\"type\":\"ephemeral\"}}]}],\"max_tokens\":9,\"stream\":false,"
		"\"system\":[{\"type\":\"text\",\"text\":\"S\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}],"
		"\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":false},"
		"\"tools\":[{\"name\":\"t\",\"description\":\"\",\"input_schema\":{\"type\":\"object\",\"properties\":{}},\"strict\":false,\"cache_control\":{\"type\":\"ephemeral\"}}]}");
	buf_deinit(&out);
	arena_deinit(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_models_and_their_lengths),
		cmocka_unit_test(test_efforts_that_a_generation_lacks),
		cmocka_unit_test(test_schemas_of_answers),
		cmocka_unit_test(test_the_golden_stream_cut_at_every_byte),
		cmocka_unit_test(test_a_signature_in_two_pieces),
		cmocka_unit_test(test_marks_and_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
