/* What is said of a value that is not what was wanted: the words of serde, the numbers of ryu, the place (http-api §5.3). */
#include "wire/expect.h" /* first: cmocka has macros of the same names */

#include "unit.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/error.h"

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_deinit(&arena);
	error_clear();
	return 0;
}

static void same(struct bytes got, const char *want)
{
	if (!bytes_eq(got, bytes_of(want)))
		fail_msg("got %.*s, want %s", BFMT(got), want);
}

static void prints(const char *json, const char *want)
{
	yyjson_val *v = json_parse(bytes_of(json), &arena);
	struct buf out;

	assert_non_null(v);
	buf_init(&out, 1 << 16);
	expect_print(v, &out);
	same(buf_bytes(&out), want);
	buf_deinit(&out);
}

static void test_values_in_serdes_words(void **state)
{
	(void)state;
	prints("\"a\"", "string \"a\"");
	prints("\"q\\\" b\\\\ \\n\\r\\t \\u0000 \\u0001 \\u001f \\u0020 \\u007f ~ \xc3\xa9\"",
	       "string \"q\\\" b\\\\ \\n\\r\\t \\0 \\u{1} \\u{1f}   \\u{7f} ~ \xc3\xa9\"");
	prints("true", "boolean `true`");
	prints("false", "boolean `false`");
	prints("[1]", "sequence");
	prints("{\"a\":1}", "map");
	prints("null", "null");
}

static void test_what_is_an_integer(void **state)
{
	static const char *const integers[] = { "0",
						"-1",
						"9223372036854775808",
						"18446744073709551615",
						"-9223372036854775807",
						"-9223372036854775808" };
	char want[64];

	(void)state;
	for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
		snprintf(want, sizeof want, "integer `%s`", integers[i]);
		prints(integers[i], want);
	}
	prints("-0", "floating point `-0.0`");
	prints("1.0", "floating point `1.0`");
	prints("1e0", "floating point `1.0`");
	prints("18446744073709551616", "floating point `1.8446744073709552e+19`");
	prints("-9223372036854775809", "floating point `-9.223372036854776e+18`");
}

static void test_floats_in_the_fewest_digits(void **state)
{
	(void)state;
	prints("0.0", "floating point `0.0`");
	prints("1.50", "floating point `1.5`");
	prints("-2.25", "floating point `-2.25`");
	prints("0.1", "floating point `0.1`");
	prints("0.30000000000000004", "floating point `0.30000000000000004`");
	prints("123.456", "floating point `123.456`");
	prints("12e1", "floating point `120.0`");
	prints("1e15", "floating point `1000000000000000.0`");
	prints("1e16", "floating point `1e+16`");
	prints("1.5e16", "floating point `1.5e+16`");
	prints("1234567890123456.75", "floating point `1234567890123456.8`");
	prints("0.001", "floating point `0.001`");
	prints("1.25e-5", "floating point `0.0000125`");
	prints("1e-6", "floating point `1e-6`");
	prints("1.25e-6", "floating point `1.25e-6`");
	prints("-5e-324", "floating point `-5e-324`");
}

/* The kind of reading; what it gave, or the error. */
static const char *read_as(int (*read)(const struct where *, yyjson_val *, struct bytes *),
			   const char *json)
{
	struct where root = { .arena = &arena };
	struct where w = WHERE_KEY(&root, B("k"));
	struct bytes out;

	if (read(&w, json_parse(bytes_of(json), &arena), &out) == 0)
		return arena_printf(&arena, "%.*s", BFMT(out)).p;
	assert_int_equal(error_last()->kind, ERR_JSON_REQUEST);
	return arena_printf(&arena, "%.*s (%.*s)", BFMT(error_last()->message),
			    BFMT(error_last()->code))
		.p;
}

static void test_numbers_at_their_bounds(void **state)
{
	(void)state;
	assert_string_equal(read_as(expect_u32, "0"), "0");
	assert_string_equal(read_as(expect_u32, "4294967295"), "4294967295");
	assert_string_equal(read_as(expect_u32, "4294967296"),
			    "k: invalid value: integer `4294967296`, expected u32 (invalid_value)");
	assert_string_equal(read_as(expect_u32, "-1"),
			    "k: invalid value: integer `-1`, expected u32 (invalid_value)");
	assert_string_equal(read_as(expect_u32, "-0"),
			    "k: invalid type: floating point `-0.0`, expected u32 (invalid_type)");
	assert_string_equal(read_as(expect_u32, "1.0"),
			    "k: invalid type: floating point `1.0`, expected u32 (invalid_type)");
	assert_string_equal(read_as(expect_u32, "\"1\""),
			    "k: invalid type: string \"1\", expected u32 (invalid_type)");
	assert_string_equal(read_as(expect_i32, "2147483647"), "2147483647");
	assert_string_equal(read_as(expect_i32, "-2147483648"), "-2147483648");
	assert_string_equal(read_as(expect_i32, "2147483648"),
			    "k: invalid value: integer `2147483648`, expected i32 (invalid_value)");
	assert_string_equal(
		read_as(expect_i32, "-2147483649"),
		"k: invalid value: integer `-2147483649`, expected i32 (invalid_value)");
	assert_string_equal(read_as(expect_f32, "1e-7"), "1e-7");
	assert_string_equal(read_as(expect_f32, "true"),
			    "k: invalid type: boolean `true`, expected f32 (invalid_type)");
	assert_string_equal(read_as(expect_string, "\"s\""), "s");
	assert_string_equal(read_as(expect_string, "null"),
			    "k: invalid type: null, expected a string (invalid_type)");
}

static void told(const char *message, const char *param, const char *code)
{
	same(error_last()->message, message);
	same(error_last()->param, param);
	if (code)
		same(error_last()->code, code);
	else
		assert_false(bytes_set(error_last()->code));
}

static void test_places_in_the_text_and_as_param(void **state)
{
	struct where root = { .arena = &arena };
	struct where list = WHERE_KEY(&root, B("messages"));
	struct where one = WHERE_AT(&list, 2);
	struct where lost = WHERE_LOST(&one, B("content"));
	struct where lost_at = WHERE_LOST_AT(&lost, 1);
	struct where text = WHERE_KEY(&lost_at, B("text"));
	struct where inner = one;
	struct where calls = WHERE_KEY(&inner, B("tool_calls"));
	struct where call = WHERE_AT(&calls, 0);
	struct where id = WHERE_KEY(&call, B("id"));

	(void)state;
	inner.inner = true;
	assert_int_equal(expect_fail(&root, NULL, "all of it"), -1);
	same(error_last()->message, "all of it");
	assert_false(bytes_set(where_param(&root)));
	assert_int_equal(expect_fail(&one, "c", "%d", 7), -1);
	told("messages[2]: 7", "messages[2]", "c");
	assert_int_equal(expect_fail(&text, NULL, "x"), -1);
	told("messages[2].text: x", "messages[2].content[1].text", NULL);
	assert_int_equal(expect_fail(&id, NULL, "x"), -1);
	told("messages[2]: tool_calls.[0].id: x", "messages[2].tool_calls[0].id", NULL);
	assert_int_equal(expect_fail(&inner, NULL, "x"), -1);
	told("messages[2]: x", "messages[2]", NULL);
	assert_int_equal(expect_field(&one, "role"), -1);
	told("messages[2]: missing field `role`", "messages[2].role", "missing_required_parameter");
}

static void test_lists_of_names(void **state)
{
	static const struct bytes names[] = { B("a"), B("b"), B("c") };
	struct where root = { .arena = &arena };
	struct where w = WHERE_KEY(&root, B("k"));
	yyjson_val *object = json_parse(B("{\"a\":1,\"type\":2,\"d\":3}"), &arena), *got;
	bool on = false;

	(void)state;
	assert_int_equal(expect_one_of(&w, B("a"), names, 3), 0);
	assert_int_equal(expect_one_of(&w, B("c"), names, 3), 2);
	assert_int_equal(expect_one_of(&w, B("c"), names, 2), -1);
	told("k: unknown variant `c`, expected `a` or `b`", "k", "unsupported_value");
	assert_int_equal(expect_one_of(&w, B("d"), names, 3), -1);
	told("k: unknown variant `d`, expected one of `a`, `b`, `c`", "k", "unsupported_value");
	assert_int_equal(expect_one_of(&w, B("d"), names, 1), -1);
	told("k: unknown variant `d`, expected `a`", "k", "unsupported_value");
	assert_int_equal(expect_only(&w, object, names, 3, true), -1);
	told("k.d: unknown field `d`, expected one of `a`, `b`, `c`", "k.d",
	     "unsupported_parameter");
	assert_int_equal(expect_only(&w, object, names, 3, false), -1);
	told("k.type: unknown field `type`, expected one of `a`, `b`, `c`", "k.type",
	     "unsupported_parameter");
	object = json_parse(B("{\"a\":true,\"type\":2}"), &arena);
	assert_int_equal(expect_only(&w, object, names, 1, true), 0);
	assert_int_equal(expect_member(&w, object, "a", &got), 0);
	assert_int_equal(expect_bool(&w, got, &on), 0);
	assert_true(on);
	assert_int_equal(expect_member(&w, object, "b", &got), -1);
	told("k: missing field `b`", "k.b", "missing_required_parameter");
	assert_int_equal(expect_bool(&w, json_get(object, "type"), &on), -1);
	told("k: invalid type: integer `2`, expected a boolean", "k", "invalid_type");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_in_serdes_words),
		cmocka_unit_test(test_what_is_an_integer),
		cmocka_unit_test(test_floats_in_the_fewest_digits),
		cmocka_unit_test(test_numbers_at_their_bounds),
		cmocka_unit_test(test_places_in_the_text_and_as_param),
		cmocka_unit_test(test_lists_of_names),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
