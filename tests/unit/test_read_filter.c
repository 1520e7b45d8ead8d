/* The parameters of a page's filter: what is taken, what is refused, and what a row of the journal must have to match. */
#include "unit.h"

#include "base/error.h"
#include "store/read_filter.h"

#define NOW 1800000000000ull

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
	return 0;
}

static int take(struct read_filter *f, const char *name, const char *value)
{
	return filter_take(f, bytes_of(name), bytes_of(value), NOW);
}

static int take_alone(const char *name, const char *value)
{
	struct read_filter f;

	filter_init(&f, &arena);
	return take(&f, name, value);
}

static void test_times_of_rfc_3339(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-11-30T18:00:00Z", 1796061600000 },
		{ "2026-11-30t18:00:00.5z", 1796061600500 },
		{ "2026-11-30T18:00:00.123456Z", 1796061600123 },
		{ "2026-11-30T20:00:00+02:00", 1796061600000 },
		{ "2026-11-30T20:00:00 02:00", 1796061600000 },
		{ "2026-11-30 10:00:00-08:00", 1796061600000 },
		{ "1969-12-31T23:59:59Z", 0 },
	};
	static const char *const bad[] = { "",
					   "2026",
					   "2026-11-30",
					   "2026-11-30T18:00Z",
					   "2026-13-30T18:00:00Z",
					   "2026-11-00T18:00:00Z",
					   "2026-11-30T24:00:00Z",
					   "2026-11-30T18:00:00",
					   "2026-11-30T18:00:00+2",
					   "2026-11-30T18:00:00+99:00",
					   "2026-11-30T18:00:00Zx",
					   "-026-11-30T18:00:00Z",
					   "yesterday" };
	uint64_t ms;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_true(time_parse(bytes_of(good[i].text), &ms));
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(time_parse(bytes_of(bad[i]), &ms));
}

static void test_what_is_no_value_is_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "range", "1d" },
		{ "range", "" },
		{ "from", "x" },
		{ "to", "0" },
		{ "stream", "" },
		{ "cached", "true" },
		{ "signed", "2" },
		{ "fallback", "-1" },
		{ "min_ms", "" },
		{ "min_ms", "1e99" },
		{ "max_ms", "-1" },
		{ "min_cost", "inf" },
		{ "min_in", "1 2" },
		{ "min_out", "0x" },
		{ "status", "" },
		{ "status", "9xx" },
		{ "status", "42" },
		{ "status", "4x" },
		{ "status", "okay" },
		{ "in", "everywhere" },
		{ "min_ms", "0123456789012345678901234567890123456789" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(take_alone(bad[i][0], bad[i][1]), -1);
		assert_int_equal(error_last()->kind, ERR_INVALID_REQUEST);
	}
	assert_int_equal(take_alone("sort", "ms"), 0);
	assert_int_equal(take_alone("tag.", "x"), 0);
	assert_int_equal(take_alone("", ""), 0);
}

static void test_a_filter_has_a_bound(void **state)
{
	struct read_filter f;
	int r = 1, n = 0;

	(void)state;
	filter_init(&f, &arena);
	while (r == 1 && n < 10000) {
		r = take(&f, "model", "x");
		n++;
	}
	assert_int_equal(r, -1);
	assert_in_range(n, FILTER_VALUES - 2, FILTER_VALUES + 2);
}

static void test_names_that_stand_twice_are_one_condition(void **state)
{
	struct read_filter f;

	(void)state;
	filter_init(&f, &arena);
	assert_int_equal(take(&f, "model", "a"), 1);
	assert_int_equal(take(&f, "model", "b"), 1);
	assert_int_equal(take(&f, "model", "!c"), 1);
	assert_int_equal(take(&f, "tag.x", "1"), 1);
	assert_int_equal(take(&f, "tag.y", "1"), 1);
	assert_int_equal(f.n, 4);
	assert_int_equal(f.at[0].n, 2);
	assert_int_equal(take(&f, "q", "two words"), 1);
	assert_int_equal(take(&f, "q", "more"), 1);
	assert_true(bytes_eq(f.typed, B("two words more")));
}

static void test_a_range_ends_now(void **state)
{
	struct read_filter f;

	(void)state;
	filter_init(&f, &arena);
	assert_int_equal(take(&f, "range", "1h"), 1);
	assert_int_equal(f.from >> 15, NOW - 3600000);
	assert_int_equal(f.to, INT64_MAX);
	assert_int_equal(take(&f, "to", "9999-12-31T23:59:59Z"), 1);
	assert_true(f.to > f.from);
}

/* A row as the journal gives it. */
static struct log_entry row(const char *model, int64_t status, const char *state, int64_t ms)
{
	struct log_entry e = { .seq = (int64_t)(NOW << 15), .has_chat = true };

	if (model)
		e.list[L_MODEL] = (struct cell){ CELL_TEXT, bytes_of(model), 0 };
	e.list[L_STATE] = (struct cell){ CELL_TEXT, bytes_of(state), 0 };
	e.list[L_STATUS] = (struct cell){ CELL_INT, { 0 }, status };
	if (ms >= 0)
		e.list[L_MS] = (struct cell){ CELL_INT, { 0 }, ms };
	e.chat[C_TAGS] = (struct cell){ CELL_TEXT, B("{\"team\":\"a\",\"it's\":\"\"}"), 0 };
	return e;
}

static bool matches(const char *name, const char *value, const struct log_entry *e)
{
	struct read_filter f;

	filter_init(&f, &arena);
	assert_int_equal(take(&f, name, value), 1);
	return filter_matches(&f, e, &arena);
}

static void test_rows_of_the_journal(void **state)
{
	struct log_entry e = row("m", 502, "error", 100), none = row(NULL, 200, "ok", -1);

	(void)state;
	assert_true(matches("model", "m", &e));
	assert_false(matches("model", "M", &e));
	assert_false(matches("model", "", &none));
	assert_true(matches("model", "!m", &none)); /* it has none: so not this one */
	assert_false(matches("model", "!m", &e));
	assert_true(matches("status", "5xx", &e));
	assert_true(matches("status", "502", &e));
	assert_true(matches("status", "error", &e));
	assert_false(matches("status", "!5xx", &e));
	assert_true(matches("status", "!5xx", &none));
	assert_true(matches("min_ms", "100", &e));
	assert_false(matches("min_ms", "100.5", &e));
	assert_true(matches("max_ms", "100", &e));
	assert_false(matches("max_ms", "100", &none));
	assert_true(matches("tag.team", "a", &e));
	assert_true(matches("tag.team", "", &e));
	assert_false(matches("tag.team", "!a", &e));
	assert_true(matches("tag.team", "!b", &e));
	assert_false(matches("tag.other", "!b", &e)); /* the tag must be there for "not", too */
	assert_true(matches("tag.it's", "", &e));
	assert_false(matches("stream", "1", &e));
	assert_true(matches("stream", "0", &e));
	assert_false(matches("metric.m", "true", &e));
	assert_false(matches("demo", "1", &e));
	assert_true(matches("from", "2020-01-01T00:00:00Z", &e));
	assert_false(matches("to", "2020-01-01T00:00:00Z", &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_times_of_rfc_3339, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_no_value_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_filter_has_a_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_that_stand_twice_are_one_condition,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_range_ends_now, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rows_of_the_journal, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
