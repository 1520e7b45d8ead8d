/* Rows out of JSON text, and the small rules of storage §6.2 and §6.5. */
#include "unit.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "store/columns.h"
#include "store/rollup.h"

static char room[4096];

static struct buf scratch(void)
{
	return (struct buf){ .data = room, .cap = sizeof(room), .max = sizeof(room) };
}

static const struct column columns[] = {
	{ "id", COL_TEXT, true, NULL },    { "doc", COL_JSON, false, NULL },
	{ "n", COL_INT, false, NULL },     { "flag", COL_BOOL, false, NULL },
	{ "cost", COL_NANO, false, NULL }, { "tags", COL_JSON, false, "{}" },
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
	};
	static const char *const bad[] = { "",      "x",   "1.2.3", "9223372036.854775808",
					   "1e300", "--1", "1 " };
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

static void test_histogram_survives_its_blob_within_one_percent(void **state)
{
	struct hist h = { 0 }, back = { 0 };
	struct buf b;

	(void)state;
	for (int64_t ms = 1; ms < 5000000; ms = ms * 3 + 1)
		assert_true(fabs(hist_value(hist_bucket(ms)) / (double)ms - 1) < 0.0101);
	assert_int_equal(hist_bucket(0), 0);
	buf_init(&b, 1 << 16);
	for (int i = 0; i < 300; i++)
		assert_int_equal(hist_add(&h, hist_bucket((i * 7919) % 40000), 1), 0);
	assert_int_equal(hist_write(&h, &b), 0);
	assert_int_equal(hist_read(&back, buf_bytes(&b)), 0);
	assert_int_equal(back.len, h.len);
	assert_memory_equal(back.bucket, h.bucket, h.len * sizeof(*h.bucket));
	assert_memory_equal(back.count, h.count, h.len * sizeof(*h.count));
	assert_int_equal(hist_read(&back, B("\x81")), -1);
	hist_deinit(&h);
	hist_deinit(&back);
	buf_deinit(&b);
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
		cmocka_unit_test(test_tags_and_arrays_are_walked),
		cmocka_unit_test(test_histogram_survives_its_blob_within_one_percent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
