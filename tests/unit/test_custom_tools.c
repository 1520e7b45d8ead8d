/* upstream/custom_tools: free text as a function's argument, and back (surfaces §4.3, §8.4 #39). */
#include "unit.h"

#include "upstream/custom_tools.h"

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 4u << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_deinit(&arena);
	return 0;
}

static struct tool patch = {
	.name = B("apply_patch"),
	.description = B("Edits."),
	.custom = true,
	.format = B(
		"{\"type\":\"grammar\",\"grammar\":{\"syntax\":\"lark\",\"definition\":\"start: X\"}}")
};
static struct tool_config config = { .tools = &patch, .len = 1, .cap = 1, .parallel = -1 };

static void test_a_custom_tool_goes_out_as_a_function(void **state)
{
	struct block call = { .type = BLOCK_TOOL_CALL,
			      .id = B("c"),
			      .name = B("apply_patch"),
			      .arguments = B("a\n\"b\""),
			      .custom = true };
	struct message m = { .role = ROLE_ASSISTANT, .content = &call, .len = 1, .cap = 1 };
	const struct inference asked = { .tools = &config, .messages = &m, .nmessages = 1 };
	const struct inference *sent;

	(void)state;
	assert_true(custom_tools_any(&asked));
	sent = custom_tools_as_functions(&asked, &arena);
	assert_non_null(sent);
	assert_false(sent->tools->tools[0].custom);
	assert_true(bytes_eq(sent->tools->tools[0].description,
			     B("Edits.\n\nInput format (lark):\nstart: X")));
	assert_true(bytes_find(sent->tools->tools[0].parameters, B("\"input\"")) > 0);
	assert_true(bytes_eq(sent->messages[0].content[0].arguments,
			     B("{\"input\":\"a\\n\\\"b\\\"\"}")));
	assert_true(call.custom && bytes_eq(call.arguments, B("a\n\"b\"")));
}

static void test_its_call_comes_back_as_text(void **state)
{
	const struct inference asked = { .tools = &config };
	struct block calls[] = {
		{ .type = BLOCK_TOOL_CALL,
		  .name = B("apply_patch"),
		  .arguments = B("{\"input\": \"a\\nb\"}") },
		{ .type = BLOCK_TOOL_CALL, .name = B("apply_patch"), .arguments = B("*** raw") },
		{ .type = BLOCK_TOOL_CALL, .name = B("other"), .arguments = B("{\"input\":\"x\"}") }
	};
	struct result r = { .content = calls, .len = 3 };

	(void)state;
	assert_int_equal(custom_tools_restore(&r, &asked, &arena), 0);
	assert_true(calls[0].custom && bytes_eq(calls[0].arguments, B("a\nb")));
	assert_true(calls[1].custom && bytes_eq(calls[1].arguments, B("*** raw")));
	assert_true(!calls[2].custom && bytes_eq(calls[2].arguments, B("{\"input\":\"x\"}")));
}

/* The arguments in two fragments, cut at `cut`; what came of them in `out`. */
static void stream(struct bytes arguments, size_t cut, struct buf *out)
{
	const struct inference asked = { .tools = &config };
	struct custom_stream *s = custom_stream_new(&asked, &arena);

	for (int i = 0; i < 3; i++) {
		struct part p = { .type = PART_TOOL_CALL, .id = B("c") };
		struct delta d = { .parts = &p, .len = 1 };

		if (i == 0)
			p.name = B("apply_patch");
		p.arguments = i == 0   ? B("")
			      : i == 1 ? bytes_slice(arguments, 0, cut)
				       : bytes_slice(arguments, cut, arguments.n);
		assert_int_equal(custom_stream_take(s, &d), 0);
		assert_true(p.custom);
		assert_int_equal(buf_append(out, p.arguments), 0);
	}
	custom_stream_free(s);
}

static void test_fragments_are_unescaped_wherever_they_are_cut(void **state)
{
	static const struct {
		struct bytes arguments, want;
	} cases[] = {
		{ B("{\"input\":\"*** Begin\\nA \\\"b\\\" \\u00e9 \\ud83d\\ude00 \\\\ \\t/\"}"),
		  B("*** Begin\nA \"b\" \xc3\xa9 \xf0\x9f\x98\x80 \\ \t/") },
		{ B(" {\n \"input\" : \"x\" } "), B("x") },
		{ B("*** Begin"), B("*** Begin") },
		{ B("{\"inputs\":\"x\"}"), B("{\"inputs\":\"x\"}") },
		{ B("{\"input\":7}"), B("{\"input\":7}") },
		{ B("{\"input\":\"\\ud83dx\"}"), B("\xed\xa0\xbdx") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t cut = 0; cut <= cases[i].arguments.n; cut++) {
			struct buf out;

			buf_init(&out, 4096);
			stream(cases[i].arguments, cut, &out);
			if (!bytes_eq(buf_bytes(&out), cases[i].want))
				fail_msg("case %zu cut at %zu: %.*s", i, cut, (int)out.len,
					 out.data);
			buf_deinit(&out);
		}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_a_custom_tool_goes_out_as_a_function),
		TEST(test_its_call_comes_back_as_text),
		TEST(test_fragments_are_unescaped_wherever_they_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
