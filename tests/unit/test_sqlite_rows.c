/* Rows out of JSON text, and the small rules of storage §6.2. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "store/columns.h"

static char room[4096];

static struct buf scratch(void)
{
	return (struct buf){ .data = room, .cap = sizeof(room), .max = sizeof(room) };
}

static const struct column columns[] = {
	{ B("id"), COL_TEXT, REQUIRED, NULL, 1 },   { B("doc"), COL_JSON, NULLABLE, NULL, 1 },
	{ B("n"), COL_INT, NULLABLE, NULL, 1 },     { B("flag"), COL_BOOL, NULLABLE, NULL, 1 },
	{ B("cost"), COL_NANO, NULLABLE, NULL, 1 }, { B("tags"), COL_JSON, NULLABLE, "{}", 1 },
};

static int read_row(const char *json, struct cell *cells)
{
	struct buf b = scratch();

	return row_read(bytes_of(json), columns, 6, cells, &b);
}

static void assert_text(const struct cell *c, const char *want)
{
	assert_int_equal(c->type, CELL_TEXT);
	assert_int_equal(c->text.n, strlen(want));
	assert_memory_equal(c->text.p, want, c->text.n);
}

static void test_kinds(void **state)
{
	struct cell c[6];

	(void)state;
	assert_int_equal(
		read_row(
			"{\"id\":\"x\\n\\u00e9\\ud83d\\ude00\\\"\\\\\",\"doc\":{\"a\":[1,\"]}\"]},\"n\":-12,\"flag\":true,\"cost\":0.0000345,\"unknown\":[{}],\"tags\":{\"k\":\"v\"}}",
			c),
		0);
	assert_text(&c[0], "x\n\xc3\xa9\xf0\x9f\x98\x80\"\\");
	assert_text(&c[1], "{\"a\":[1,\"]}\"]}");
	assert_int_equal(c[2].num, -12);
	assert_int_equal(c[3].num, 1);
	assert_int_equal(c[4].num, 34500);
	assert_text(&c[5], "{\"k\":\"v\"}");
}

static void test_order_does_not_matter_and_null_is_missing(void **state)
{
	struct cell c[6];

	(void)state;
	assert_int_equal(
		read_row(
			"{ \"tags\" : null , \"cost\":null,\"doc\":\"[1]\",\"id\":\"y\",\"flag\":false }",
			c),
		0);
	assert_text(&c[0], "y");
	assert_text(&c[1], "[1]"); /* kind B: a string that holds JSON */
	assert_int_equal(c[2].type, CELL_NULL);
	assert_int_equal(c[3].num, 0);
	assert_int_equal(c[3].type, CELL_INT);
	assert_int_equal(c[4].type, CELL_NULL);
	assert_text(&c[5], "{}");
}

static void test_faults_name_the_column(void **state)
{
	static const struct {
		const char *json, *says;
	} bad[] = {
		{ "{\"doc\":1}", "column id is missing" },
		{ "{\"id\":null}", "column id is missing" },
		{ "{\"id\":7}", "column id holds another type" },
		{ "{\"id\":\"x\",\"n\":1.5}", "column n holds another type" },
		{ "{\"id\":\"x\",\"n\":99999999999999999999}", "column n holds another type" },
		{ "{\"id\":\"x\",\"flag\":2}", "column flag holds another type" },
		{ "{\"id\":\"x\",\"cost\":\"1\"}", "column cost holds another type" },
		{ "[]", "a row is not an object" },
		{ "{\"id\":\"x\"", "a row is not valid JSON" },
		{ "{\"id\":\"x", "a row is not valid JSON" },
		{ "{\"id\":\"x\",}", "a row is not valid JSON" },
		{ "{\"id\" \"x\"}", "a row is not valid JSON" },
	};
	struct cell c[6];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(read_row(bad[i].json, c), -1);
		assert_string_equal(error_last()->message.p, bad[i].says);
	}
}

static void test_key_with_a_nul_is_no_column(void **state)
{
	static const char json[] = "{\"id\":\"x\",\"n\0zzzzzzzzzzzzzzzzzz\":5}";
	struct buf b = scratch();
	struct cell c[6];

	(void)state;
	assert_int_equal(row_read((struct bytes){ json, sizeof(json) - 1 }, columns, 6, c, &b), 0);
	assert_int_equal(c[2].type, CELL_NULL);
}

static void test_dollars_become_nanodollars_cut_not_rounded(void **state)
{
	static const struct {
		const char *text;
		int64_t want;
	} good[] = {
		{ "0", 0 },
		{ "0.0", 0 },
		{ "1", 1000000000 },
		{ "0.0000345", 34500 },
		{ "3.45e-05", 34500 },
		{ "3.45E+2", 345000000000 },
		{ "0.0000000019999", 1 },
		{ "1e-12", 0 },
		{ "-0.5", -500000000 },
		{ "0.12345678901234567890123456789", 123456789 },
		{ "9223372036.854775807", INT64_MAX },
		{ "-9223372036.854775807", -INT64_MAX },
		{ "123456789012345678901234567890e-24", 123456789012345 },
		{ "123456789012345678901234567890.5e-24", 123456789012345 },
		{ "18446744073709551609e-12", 18446744073709551 },
		{ "18446744073709551610e-12", 18446744073709551 },
		{ ".5", 500000000 },
		{ "5.", 5000000000 },
		{ "0e9999", 0 },
		{ "7e-9", 7 },
		{ "7e-10", 0 },
		{ "9e9", 9000000000000000000 },
		{ "1e0000000001", 10000000000 },
	};
	static const char *const bad[] = { "",      "x",    "1.2.3", "9223372036.854775808",
					   "1e300", "--1",  "1 ",    "-",
					   ".",     "e5",   "1e10",  "1e+-1",
					   "1e5.",  "9.3e9" };
	int64_t v;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(row_nano(bytes_of(good[i].text), &v));
		assert_true(v == good[i].want);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(row_nano(bytes_of(bad[i]), &v));
}

static void test_seq_is_the_time_and_sorts_like_the_id(void **state)
{
	struct uuid a, b;
	char x[37], y[37];

	(void)state;
	assert_true(uuid_parse(B("0197c0de-1234-7abc-8def-0123456789ab"), &a));
	assert_true(row_seq(a) >> 15 == 0x0197c0de1234);
	for (int i = 0; i < 2000; i++) {
		a = uuid_v7();
		b = uuid_v7();
		uuid_print(a, x);
		uuid_print(b, y);
		assert_true(strcmp(x, y) < 0 && row_seq(a) <= row_seq(b));
	}
}

static void test_every_escape_of_a_string(void **state)
{
	static const struct {
		const char *json, *want;
	} cases[] = {
		{ "\"\\b\\f\\n\\r\\t\\/\\\\\\\"\"", "\b\f\n\r\t/\\\"" },
		{ "\"\\u0041\\u00E9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac" },
		{ "\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"",
		  "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf" },
		{ "\"\\uD83D\\uDE00\"", "\xf0\x9f\x98\x80" },
		/* halves alone, a half with something else; what is no escape stays */
		{ "\"\\ud83dx\"", "\xef\xbf\xbdx" },
		{ "\"\\ude00\"", "\xef\xbf\xbd" },
		{ "\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
					"A" },
		{ "\"\\u00g1\"", "\\u00g1" },
		{ "\"\\u00\"", "\\u00" },
		{ "\"0123456789abcdef\\n0123456789abcdefg\"",
		  "0123456789abcdef\n0123456789abcdefg" },
		{ "\"\"", "" },
		{ "17", "17" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = scratch();
		struct bytes got = row_text(bytes_of(cases[i].json), &b);

		assert_int_equal(got.n, strlen(cases[i].want));
		assert_memory_equal(got.p, cases[i].want, got.n);
	}
}

static void test_numbers_and_truths(void **state)
{
	static const struct {
		const char *json;
		int n, flag;
	} cases[] = {
		{ "{\"id\":\"\",\"n\":3.0,\"flag\":1}", 3, 1 },
		{ "{\"id\":\"\",\"n\":-3.00,\"flag\":0}", -3, 0 },
		{ "{\"id\":\"\",\"n\":0,\"flag\":true}", 0, 1 },
		{ "{\"id\":\"\" , \"n\" : 10 , \"flag\" :\tfalse}", 10, 0 },
	};
	static const char *const no_numbers[] = {
		".5", "3.01", "1e3", "-", "+1", "true", "9223372036854775808"
	};
	struct cell c[6];
	char json[80];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(read_row(cases[i].json, c), 0);
		assert_int_equal(c[2].num, cases[i].n);
		assert_int_equal(c[3].num, cases[i].flag);
	}
	for (size_t i = 0; i < sizeof(no_numbers) / sizeof(*no_numbers); i++) {
		snprintf(json, sizeof(json), "{\"id\":\"\",\"n\":%s}", no_numbers[i]);
		assert_int_equal(read_row(json, c), -1);
		assert_string_equal(error_last()->message.p, "column n holds another type");
	}
}

/* A row's texts stand in its JSON or beside it; scratch that is too small is no crash. */
static void test_no_room_is_an_error(void **state)
{
	struct buf b = { .data = room, .cap = 9, .max = 10 };
	struct cell c[6];

	(void)state;
	assert_int_equal(row_read(B("{\"id\":\"x\"}"), columns, 6, c, &b), -1);
	assert_string_equal(error_last()->message.p, "no room for a row's texts");
	b.cap = 10;
	assert_int_equal(row_read(B("{\"id\":1}"), columns, 6, c, &b), -1);
	assert_string_equal(error_last()->message.p, "column id holds another type");
}

static void test_what_is_no_list_or_object(void **state)
{
	static const char *const no_arrays[] = { "", " ", "{}", "1", "[1 2]", "[" };
	static const char *const no_objects[] = { "",        "[]",    "{\"a\"",
						  "{\"a\":", "{a:1}", "{\"a\" 1}" };
	struct buf b = scratch();
	struct bytes k, v;

	(void)state;
	for (size_t i = 0; i < sizeof(no_arrays) / sizeof(*no_arrays); i++) {
		size_t pos = 0;
		int r = json_next_element(bytes_of(no_arrays[i]), &pos, &v);

		if (r > 0)
			r = json_next_element(bytes_of(no_arrays[i]), &pos, &v);
		assert_int_equal(r, -1);
	}
	for (size_t i = 0; i < sizeof(no_objects) / sizeof(*no_objects); i++) {
		size_t pos = 0;

		assert_int_equal(row_next_string(bytes_of(no_objects[i]), &pos, &k, &v, &b), -1);
	}
	{
		size_t pos = 0;

		assert_int_equal(json_next_element(B(" [ 1 , [2,\"]\"] ] "), &pos, &v), 1);
		assert_true(bytes_eq(v, B("1")));
		assert_int_equal(json_next_element(B(" [ 1 , [2,\"]\"] ] "), &pos, &v), 1);
		assert_true(bytes_eq(v, B("[2,\"]\"]")));
		assert_int_equal(json_next_element(B(" [ 1 , [2,\"]\"] ] "), &pos, &v), 0);
	}
}

static void test_tags_and_arrays_are_walked(void **state)
{
	struct buf b = scratch();
	struct bytes k, v;
	size_t pos = 0;

	(void)state;
	assert_int_equal(row_next_string(B("{\"a\\t\":\"1\",\"b\":\"\\u0032\"}"), &pos, &k, &v, &b),
			 1);
	assert_true(bytes_eq(k, B("a\t")) && bytes_eq(v, B("1")));
	assert_int_equal(row_next_string(B("{\"a\\t\":\"1\",\"b\":\"\\u0032\"}"), &pos, &k, &v, &b),
			 1);
	assert_true(bytes_eq(k, B("b")) && bytes_eq(v, B("2")));
	assert_int_equal(row_next_string(B("{\"a\\t\":\"1\",\"b\":\"\\u0032\"}"), &pos, &k, &v, &b),
			 0);
	pos = 0;
	assert_int_equal(json_next_element(B("[{\"x\":1},2]"), &pos, &v), 1);
	assert_true(bytes_eq(v, B("{\"x\":1}")));
	assert_int_equal(json_next_element(B("[{\"x\":1},2]"), &pos, &v), 1);
	assert_int_equal(json_next_element(B("[{\"x\":1},2]"), &pos, &v), 0);
	pos = 0;
	assert_int_equal(json_next_element(B("[]"), &pos, &v), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_order_does_not_matter_and_null_is_missing),
		cmocka_unit_test(test_faults_name_the_column),
		cmocka_unit_test(test_key_with_a_nul_is_no_column),
		cmocka_unit_test(test_dollars_become_nanodollars_cut_not_rounded),
		cmocka_unit_test(test_seq_is_the_time_and_sorts_like_the_id),
		cmocka_unit_test(test_every_escape_of_a_string),
		cmocka_unit_test(test_numbers_and_truths),
		cmocka_unit_test(test_no_room_is_an_error),
		cmocka_unit_test(test_what_is_no_list_or_object),
		cmocka_unit_test(test_tags_and_arrays_are_walked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
