/* Blocks as rows hold them (storage §2.2): literal columns of storage §2.4. */
#include "unit.h"

#include "wire/native.h"

static void is(const struct buf *got, const char *want)
{
	if (!bytes_eq(buf_bytes(got), bytes_of(want)))
		fail_msg("want %s\ngot  %.*s", want, BFMT(buf_bytes(got)));
}

static struct buf out;
static struct pen pen;

static struct pen *pen_anew(void)
{
	pen = (struct pen){ .b = &out };
	return &pen;
}

static int setup(void **state)
{
	(void)state;
	buf_init(&out, 1u << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_deinit(&out);
	return 0;
}

static void test_input_at_rest(void **state)
{
	struct summary summary = { .text = B("sum") };
	struct file png = { .data = B(""), .mime_type = B("image/png"), .detail = B("low") };
	struct file url = { .is_url = true, .url = B("https://a.b/c.jpg?x") };
	struct block user[] = {
		{ .type = BLOCK_TEXT, .text = B("weather in \"Oslo\"?") },
		{ .type = BLOCK_RAW_TEXT, .text = B("raw") },
		{ .type = BLOCK_TEMPLATE, .name = B("t"), .text = B("{\"a\":1}") },
		{ .type = BLOCK_TOOL_RESULT, .id = B("i"), .name = B("f"), .text = B("r") },
		{ .type = BLOCK_FILE, .file = &png },
		{ .type = BLOCK_FILE, .file = &url }
	};
	struct block assistant[] = {
		{ .type = BLOCK_TOOL_CALL, .id = B("i"), .name = B("f"), .arguments = B("{}") },
		{ .type = BLOCK_THOUGHT,
		  .signature = B("s"),
		  .summaries = &summary,
		  .nsummaries = 1 },
		{ .type = BLOCK_UNKNOWN, .text = B("[1]"), .model_name = B("m") }
	};
	struct message messages[] = { { .role = ROLE_USER, .content = user, .len = 6 },
				      { .role = ROLE_ASSISTANT, .content = assistant, .len = 3 } };
	struct inference inf = { .system = B("Be brief"), .messages = messages, .nmessages = 2 };

	size_t from;

	(void)state;
	native_put_input(pen_anew(), &inf, &from);
	assert_int_equal(0, pen_done(&pen));
	assert_int_equal(from, 32);
	is(&out,
	   "{\"system\":\"Be brief\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"weather in \\\"Oslo\\\"?\"},{\"type\":\"raw_text\",\"value\":\"raw\"},{\"type\":\"template\",\"name\":\"t\",\"arguments\":{\"a\":1}},{\"type\":\"tool_result\",\"name\":\"f\",\"result\":\"r\",\"id\":\"i\"},{\"type\":\"file\",\"source_url\":null,\"mime_type\":\"image/png\",\"storage_path\":{\"kind\":{\"type\":\"disabled\"},\"path\":\"observability/files/af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262.png\"},\"detail\":\"low\"},{\"type\":\"file\",\"source_url\":\"https://a.b/c.jpg?x\",\"mime_type\":\"image/jpeg\",\"storage_path\":{\"kind\":{\"type\":\"disabled\"},\"path\":\"\"}}]},{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_call\",\"id\":\"i\",\"name\":\"f\",\"arguments\":\"{}\"},{\"type\":\"thought\",\"text\":null,\"signature\":\"s\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"sum\"}]},{\"type\":\"unknown\",\"data\":[1],\"model_name\":\"m\"}]}]}");
	buf_reset(&out);
	inf.system = (struct bytes){ NULL, 0 };
	inf.nmessages = 0;
	native_put_input(pen_anew(), &inf, &from);
	assert_int_equal(0, pen_done(&pen));
	is(&out, "{\"messages\":[]}");
	buf_reset(&out);
	native_put_messages(pen_anew(), &inf);
	assert_int_equal(0, pen_done(&pen));
	is(&out, "[]");
}

static bool fits(void *ctx, const struct tool *t, struct bytes arguments)
{
	(void)ctx;
	(void)t;
	return bytes_find(arguments, B("bad")) < 0;
}

static void test_checked_and_raw_output(void **state)
{
	struct tool tools[] = { { .name = B("get_temp") }, { .name = B("sql"), .custom = true } };
	struct tool_config config = { .tools = tools, .len = 2 };
	struct block blocks[] = {
		{ .type = BLOCK_TEXT, .text = B("t") },
		{ .type = BLOCK_TOOL_CALL,
		  .id = B("1"),
		  .name = B("get_temp"),
		  .arguments = B("{\"city\": \"Oslo\"}") },
		{ .type = BLOCK_TOOL_CALL,
		  .id = B("2"),
		  .name = B("get_temp"),
		  .arguments = B("{\"bad\":1}") },
		{ .type = BLOCK_TOOL_CALL,
		  .id = B("3"),
		  .name = B("get_temp"),
		  .arguments = B("{") },
		{ .type = BLOCK_TOOL_CALL, .id = B("4"), .name = B("other"), .arguments = B("{}") },
		{ .type = BLOCK_TOOL_CALL,
		  .id = B("5"),
		  .name = B("sql"),
		  .arguments = B("1"),
		  .custom = true },
		{ .type = BLOCK_REFUSAL, .text = B("No.") },
	};

	(void)state;
	native_put_output(pen_anew(), blocks, 7, &config, fits, NULL);
	assert_int_equal(0, pen_done(&pen));
	is(&out,
	   "[{\"type\":\"text\",\"text\":\"t\"},{\"type\":\"tool_call\",\"id\":\"1\",\"raw_name\":\"get_temp\",\"raw_arguments\":\"{\\\"city\\\": \\\"Oslo\\\"}\",\"name\":\"get_temp\",\"arguments\":{\"city\":\"Oslo\"}},{\"type\":\"tool_call\",\"id\":\"2\",\"raw_name\":\"get_temp\",\"raw_arguments\":\"{\\\"bad\\\":1}\",\"name\":\"get_temp\",\"arguments\":null},{\"type\":\"tool_call\",\"id\":\"3\",\"raw_name\":\"get_temp\",\"raw_arguments\":\"{\",\"name\":\"get_temp\",\"arguments\":null},{\"type\":\"tool_call\",\"id\":\"4\",\"raw_name\":\"other\",\"raw_arguments\":\"{}\",\"name\":null,\"arguments\":null},{\"type\":\"tool_call\",\"id\":\"5\",\"raw_name\":\"sql\",\"raw_arguments\":\"1\",\"name\":\"sql\",\"arguments\":null},{\"type\":\"unknown\",\"data\":{\"type\":\"refusal\",\"refusal\":\"No.\"}}]");
	buf_reset(&out);
	native_put_blocks(pen_anew(), blocks + 1, 1);
	assert_int_equal(0, pen_done(&pen));
	is(&out,
	   "[{\"type\":\"tool_call\",\"id\":\"1\",\"name\":\"get_temp\",\"arguments\":\"{\\\"city\\\": \\\"Oslo\\\"}\"}]");
}

static void test_tool_columns(void **state)
{
	struct tool tools[] = {
		{ .name = B("dyn"),
		  .description = B("d"),
		  .parameters = B("{\"type\":\"object\",\"properties\":{}}") },
		{ .name = B("c"),
		  .custom = true,
		  .described = true,
		  .description = B("e"),
		  .format = B("{\"type\":\"text\"}") },
	};
	struct provider_tool provider[] = {
		{ .tool = B("{\"x\":1}") },
		{ .tool = B("2"), .model_name = B("m"), .provider_name = B("p") }
	};
	struct bytes allowed[] = { B("dyn") };
	struct tool_config t = { .tools = tools,
				 .len = 2,
				 .provider_tools = provider,
				 .nprovider_tools = 2,
				 .parallel = 1 };

	(void)state;
	native_put_dynamic_tools(pen_anew(), &t);
	is(&out,
	   "[{\"type\":\"function\",\"description\":\"d\",\"parameters\":{\"type\":\"object\",\"properties\":{}},\"name\":\"dyn\",\"strict\":false},{\"type\":\"openai_custom\",\"name\":\"c\",\"description\":\"e\",\"format\":{\"type\":\"text\"}}]");
	buf_reset(&out);
	native_put_dynamic_provider_tools(pen_anew(), &t);
	is(&out,
	   "[{\"scope\":null,\"tool\":{\"x\":1}},{\"scope\":{\"model_name\":\"m\",\"provider_name\":\"p\"},\"tool\":2}]");
	buf_reset(&out);
	native_put_allowed_tools(pen_anew(), &t);
	is(&out, "{\"tools\":[\"dyn\",\"c\"],\"choice\":\"function_default\"}");
	buf_reset(&out);
	t.allowed_explicit = true;
	t.allowed = allowed;
	t.nallowed = 1;
	native_put_allowed_tools(pen_anew(), &t);
	is(&out, "{\"tools\":[\"dyn\"],\"choice\":\"explicit\"}");
	buf_reset(&out);
	native_put_tool_choice(pen_anew(), &t);
	is(&out, "\"auto\"");
	buf_reset(&out);
	t.choice = TOOL_CHOICE_SPECIFIC;
	t.specific = B("dyn");
	native_put_tool_choice(pen_anew(), &t);
	is(&out, "{\"specific\":\"dyn\"}");
	buf_reset(&out);
	native_put_tool_params(pen_anew(), &t);
	is(&out,
	   "{\"tools_available\":[{\"description\":\"d\",\"parameters\":{\"type\":\"object\",\"properties\":{}},\"name\":\"dyn\",\"strict\":false}],\"tool_choice\":{\"specific\":\"dyn\"},\"parallel_tool_calls\":true}");
}

static void test_extra_body_column(void **state)
{
	struct extra at[] = { { .pointer = B("/foo"), .value = B("1") },
			      { .pointer = B("/x"),
				.remove = true,
				.model_name = B("m"),
				.provider_name = B("p") } };
	struct extras e = { .at = at, .len = 2 };

	(void)state;
	native_put_extra_body(pen_anew(), &e);
	is(&out,
	   "[{\"pointer\":\"/foo\",\"value\":1},{\"model_name\":\"m\",\"provider_name\":\"p\",\"pointer\":\"/x\",\"delete\":true}]");
	buf_reset(&out);
	e.len = 0;
	native_put_extra_body(pen_anew(), &e);
	is(&out, "[]");
}

static void preview_is(struct bytes text, size_t max, const char *want)
{
	struct block b = { .type = BLOCK_TEXT, .text = text };

	buf_reset(&out);
	assert_int_equal(0, native_preview_output(&b, 1, max, &out));
	is(&out, want);
}

static void test_previews(void **state)
{
	struct block calls[] = {
		{ .type = BLOCK_TOOL_CALL, .name = B("f"), .arguments = B("{\"a\": 1}") },
		{ .type = BLOCK_TOOL_CALL, .name = B("g"), .arguments = B("") }
	};
	struct block first = { .type = BLOCK_TEXT, .text = B("first") },
		     last = { .type = BLOCK_TEXT, .text = B("last") },
		     result = { .type = BLOCK_TOOL_RESULT, .text = B("result") };
	struct message messages[] = { { .role = ROLE_USER, .content = &first, .len = 1 },
				      { .role = ROLE_USER, .content = &last, .len = 1 },
				      { .role = ROLE_ASSISTANT, .content = &first, .len = 1 },
				      { .role = ROLE_USER, .content = &result, .len = 1 } };
	struct inference inf = { .messages = messages, .nmessages = 4 };

	(void)state;
	preview_is(B("  a\n\n b\t\x01"
		     "c  "),
		   100, "a b c");
	preview_is(B("abcdef"), 3, "abc");
	preview_is(B("\xc3\xa9\xc3\xa9\xc3\xa9"), 2, "\xc3\xa9\xc3\xa9");
	preview_is(B("ab cd"), 3, "ab");
	preview_is(B("\xf0\x9f\x98\x80x"), 1, "\xf0\x9f\x98\x80");
	preview_is(B(""), 5, "");
	buf_reset(&out);
	native_preview_output(calls, 2, 100, &out);
	is(&out, "f({\"a\": 1}) g()");
	buf_reset(&out);
	native_preview_input(&inf, 100, &out);
	is(&out, "last");
}

/* One character after the other, as the contract says it. */
static void preview_by_hand(struct bytes text, size_t max, char want[600])
{
	size_t n = 0, left = max;
	bool blank = true;

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		bool is_blank = c <= ' ' || c == 0x7f, begins = (c & 0xc0) != 0x80;

		if ((is_blank && blank) || (!left && begins))
			continue;
		if (begins && !left--)
			break;
		want[n++] = is_blank ? ' ' : (char)c;
		blank = is_blank;
		if (!left && (i + 1 == text.n || ((unsigned char)text.p[i + 1] & 0xc0) != 0x80))
			break;
	}
	while (n && want[n - 1] == ' ')
		n--;
	want[n] = 0;
}

/* Eight at a time and one at a time agree. */
static void test_previews_of_any_text(void **state)
{
	static const char *const pieces[] = { "a",        "b",
					      "~",        "!",
					      " ",        " ",
					      "\n",       "\x7f",
					      "\xc3\xa9", "\xf0\x9f\x98\x80",
					      "word",     "longer words",
					      "\x1f" };
	unsigned seed = 7;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char text[600] = "", want[600];
		size_t n = (seed = seed * 1103515245u + 12345u) >> 16 & 31, max;

		for (size_t i = 0; i < n; i++) {
			seed = seed * 1103515245u + 12345u;
			strcat(text, pieces[(seed >> 16) % (sizeof(pieces) / sizeof(*pieces))]);
		}
		max = 1 + ((seed = seed * 1103515245u + 12345u) >> 16) % 60;
		preview_by_hand(bytes_of(text), max, want);
		preview_is(bytes_of(text), max, want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_input_at_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_checked_and_raw_output, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tool_columns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_extra_body_column, setup, teardown),
		cmocka_unit_test_setup_teardown(test_previews, setup, teardown),
		cmocka_unit_test_setup_teardown(test_previews_of_any_text, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
