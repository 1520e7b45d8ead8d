/* A filter as ClickHouse's SQL: what goes into the text as it is, and which table is asked for what. */
#include "unit.h"

#include "base/error.h"
#include "store/clickhouse_sql.h"

static struct arena arena;
static struct clickhouse_text sql;
static struct read_filter filter;

static int before(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	sql_init(&sql);
	filter_init(&filter, &arena);
	return 0;
}

static int after(void **state)
{
	(void)state;
	sql_deinit(&sql);
	arena_deinit(&arena);
	error_clear();
	return 0;
}

static void assert_text(const char *want)
{
	assert_false(sql.failed);
	assert_int_equal(sql.text.len, strlen(want));
	assert_memory_equal(sql.text.data, want, sql.text.len);
	buf_reset(&sql.text);
}

static void take(const char *name, const char *value)
{
	assert_int_equal(filter_take(&filter, bytes_of(name), bytes_of(value), 1800000000000), 1);
}

static void test_a_literal_holds_whatever_it_is_given(void **state)
{
	(void)state;
	sql_string(&sql, B("gpt-4o_2 a.b:c/d"));
	assert_text("'gpt-4o_2 a.b:c/d'");
	sql_string(&sql, B("'; DROP--\\"));
	assert_text("'\\x27\\x3B DROP--\\x5C'");
	sql_string(&sql, (struct bytes){ "a\0\n\x7f", 4 });
	assert_text("'a\\x00\\x0A\\x7F'");
	sql_string(&sql, B("退款"));
	assert_text("'退款'");
	sql_string(&sql, B(""));
	assert_text("''");
}

static void test_a_bound_is_the_least_id_of_its_seq(void **state)
{
	struct uuid id;

	(void)state;
	uuid_parse(B("0197c0de-1234-7abc-8def-000000000001"), &id);
	sql_bound(&sql, row_seq(id));
	assert_text("toUInt128(toUUID('0197c0de-1234-7abc-8800-000000000000'))");
	sql_in_range(&sql, "x", (struct seq_range){ 0, INT64_MAX });
	sql_in_time(&sql, "x", (struct seq_range){ 0, INT64_MAX }, true);
	assert_text("");
	sql_in_time(&sql, "x", (struct seq_range){ (int64_t)5000 << 15, (int64_t)9000 << 15 },
		    true);
	assert_text(" AND timestamp >= 5 AND timestamp <= 3610"
		    " AND x >= toUInt128(toUUID('00000000-1388-7000-8000-000000000000'))"
		    " AND x < toUInt128(toUUID('00000000-2328-7000-8000-000000000000'))");
}

static void test_conditions_go_to_the_table_that_says_them(void **state)
{
	struct seq_range all = { 0, INT64_MAX };

	(void)state;
	take("fn", "a'b");
	sql_list_conditions(&sql, &filter, all);
	assert_text(" AND (ifNull(i.function_name IN ('a\\x27b'),0))");
	assert_false(clickhouse_needs(&filter).of_answer || clickhouse_needs(&filter).of_calls);
	take("tag.k", "v");
	sql_list_conditions(&sql, &filter, all);
	assert_text(
		" AND (ifNull(i.function_name IN ('a\\x27b'),0)) AND id_uint IN ("
		"SELECT toUInt128(id) FROM ChatInference AS i WHERE 1 AND (mapContains(i.tags,'k') AND i.tags['k'] IN ('v'))"
		" UNION ALL SELECT toUInt128(id) FROM JsonInference AS i WHERE 1 AND (mapContains(i.tags,'k') AND i.tags['k'] IN ('v')))");
	take("min_in", "7");
	sql_wide_conditions(&sql, &filter);
	assert_text(
		" AND (ifNull(i.function_name IN ('a\\x27b'),0)) AND (mapContains(i.tags,'k') AND i.tags['k'] IN ('v'))"
		" AND (ifNull(m.tokens_in >= 7,0))");
	assert_true(clickhouse_needs(&filter).of_answer && clickhouse_needs(&filter).of_calls);
}

static void test_what_no_table_says_holds_for_all_or_for_none(void **state)
{
	static const struct {
		const char *name, *value;
		bool never;
	} cases[] = { { "surface", "chat", true }, { "surface", "!chat", false },
		      { "signed", "1", true },     { "signed", "0", false },
		      { "status", "ok", false },   { "status", "2xx", false },
		      { "status", "error", true }, { "status", "!ok", true },
		      { "status", "!5xx", false }, { "fallback", "1", true },
		      { "metric.m", "1", true } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		filter_init(&filter, &arena);
		take(cases[i].name, cases[i].value);
		assert_int_equal(clickhouse_needs(&filter).never, cases[i].never);
		assert_false(clickhouse_decides(&filter.at[0]));
	}
	filter_init(&filter, &arena);
	take("q", "broken");
	take("in", "error");
	assert_true(clickhouse_needs(&filter).never);
}

static void test_words_become_runs_that_must_stand_somewhere(void **state)
{
	(void)state;
	take("q", "refund -without \"two words\" beginn* 退款，caf\u00e9");
	take("in", "input");
	sql_words(&sql, &filter);
	assert_text(" AND (positionCaseInsensitiveUTF8(i.input, 'refund') > 0)"
		    " AND (positionCaseInsensitiveUTF8(i.input, 'two') > 0)"
		    " AND (positionCaseInsensitiveUTF8(i.input, 'words') > 0)"
		    " AND (positionCaseInsensitiveUTF8(i.input, 'beginn') > 0)"
		    " AND (positionCaseInsensitiveUTF8(i.input, '退款') > 0)"
		    " AND (positionCaseInsensitiveUTF8(i.input, 'caf') > 0)"
		    " AND (positionCaseInsensitiveUTF8(i.input, '\u00e9') > 0)");
	filter_init(&filter, &arena);
	take("q", "a'b");
	sql_words(&sql, &filter);
	assert_text(
		" AND (positionCaseInsensitiveUTF8(i.input, 'a') > 0 OR positionCaseInsensitiveUTF8(i.output, 'a') > 0)"
		" AND (positionCaseInsensitiveUTF8(i.input, 'b') > 0 OR positionCaseInsensitiveUTF8(i.output, 'b') > 0)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_literal_holds_whatever_it_is_given, before,
						after),
		cmocka_unit_test_setup_teardown(test_a_bound_is_the_least_id_of_its_seq, before,
						after),
		cmocka_unit_test_setup_teardown(test_conditions_go_to_the_table_that_says_them,
						before, after),
		cmocka_unit_test_setup_teardown(test_what_no_table_says_holds_for_all_or_for_none,
						before, after),
		cmocka_unit_test_setup_teardown(test_words_become_runs_that_must_stand_somewhere,
						before, after),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
