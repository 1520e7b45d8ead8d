/* Sums and the dictionary of values: what the drainer writes beside the rows is what SQL over the rows says. */
#include "store_dir.h"

#include <math.h>

#include "store/rollup.h"
#include "store/schema.h"

static struct store *open_store(void)
{
	struct store_options o = test_options(dir);
	struct store *s = store_open(&o);

	if (!s)
		fail_msg("%.*s", BFMT(error_last()->message));
	return s;
}

/* The n-th of many rows that differ. `ms_ago`: how old it is. */
static void append_nth(struct store *s, unsigned n, uint64_t ms_ago)
{
	static const char *const states[] = { "ok", "ok", "ok", "error", "truncated", "cancelled" };
	uint64_t t = clock_unix_ms() - ms_ago;
	struct uuid u = uuid_v7();
	struct record r;
	struct buf b;
	char id[37];

	for (int i = 0; i < 6; i++)
		u.b[i] = (uint8_t)(t >> (40 - 8 * i));
	uuid_print(u, id);
	buf_init(&b, 1 << 20);
	record_init(&r);
	buf_printf(
		&b,
		"{\"id\":\"%s\",\"function_name\":\"f%u\",\"variant_name\":\"v%u\",\"state\":\"%s\",\"surface\":\"chat\",\"model_name\":\"m%u\",\"model_provider_name\":\"p\",",
		id, n % 3, n % 2, states[n % 6], n % 4);
	if (n % 5)
		buf_printf(&b, "\"key_public_id\":\"k%u\",\"cost_nano\":%u,", n % 2, n * 1000);
	buf_printf(
		&b,
		"\"cached\":%s,\"input_tokens\":%u,\"output_tokens\":%u,\"processing_time_ms\":%u,\"ttft_ms\":%s}",
		n % 7 ? "false" : "true", n, n * 2, n * n, n % 2 ? "5" : "null");
	assert_int_equal(record_add(&r, ROW_INFERENCE_BY_ID, buf_bytes(&b)), 0);
	assert_int_equal(store_append(s, &r), 0);
	record_deinit(&r);
	buf_deinit(&b);
}

/* How many values of this dimension have sums that are not those of the rows. */
static int64_t wrong_sums(const char *dim, const char *value)
{
	char sql[3000];

	snprintf(
		sql, sizeof(sql),
		"WITH truth AS (SELECT %s AS v, count(*) AS c, sum(state IN ('error', 'truncated')) AS e, sum(coalesce(cached, 0)) AS ca, sum(coalesce(input_tokens, 0)) AS i, sum(coalesce(output_tokens, 0)) AS o, sum(coalesce(cost_nano, 0)) AS co, count(cost_nano) AS p, sum(coalesce(processing_time_ms, 0)) AS ms, sum(coalesce(ttft_ms, 0)) AS tt FROM InferenceById WHERE v <> '' GROUP BY 1), kept AS (SELECT value AS v, sum(count), sum(errors), sum(cached), sum(input_tokens), sum(output_tokens), sum(cost_nano), sum(priced), sum(ms_sum), sum(ttft_sum) FROM Rollup WHERE dim = '%s' GROUP BY 1) SELECT (SELECT count(*) FROM (SELECT * FROM truth EXCEPT SELECT * FROM kept)) + (SELECT count(*) FROM (SELECT * FROM kept EXCEPT SELECT * FROM truth))",
		value, dim);
	return db_int(dir, sql);
}

static void check_sums(int64_t rows)
{
	static const struct {
		const char *dim, *value;
	} dims[] = {
		{ "surface", "surface" },
		{ "function", "function_name" },
		{ "model", "model_name" },
		{ "provider", "model_provider_name" },
		{ "key", "key_public_id" },
		{ "function_variant", "function_name || char(9) || variant_name" },
		{ "model_key", "model_name || char(9) || key_public_id" },
	};
	static const char *const facets[][2] = {
		{ "surface", "surface" },   { "function", "function_name" },
		{ "model", "model_name" },  { "provider", "model_provider_name" },
		{ "key", "key_public_id" }, { "variant", "variant_name" },
		{ "state", "state" },
	};
	char sql[1000];

	assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), rows);
	for (size_t i = 0; i < COUNT(dims); i++)
		if (wrong_sums(dims[i].dim, dims[i].value))
			fail_msg("the sums of %s are not those of the rows", dims[i].dim);
	for (size_t i = 0; i < COUNT(facets); i++) {
		snprintf(
			sql, sizeof(sql),
			"SELECT count(*) FROM (SELECT %s AS v, count(*) AS n FROM InferenceById WHERE v <> '' GROUP BY 1 EXCEPT SELECT value, count FROM Facet WHERE dim = '%s')",
			facets[i][1], facets[i][0]);
		if (db_int(dir, sql))
			fail_msg("the facet %s does not count the rows", facets[i][0]);
	}
}

static void test_sums_are_those_of_the_rows(void **state)
{
	struct store *s = open_store();

	(void)state;
	for (unsigned n = 0; n < 300; n++)
		append_nth(s, n, n * 7000);
	wait_caught_up(s);
	check_sums(300);
	assert_int_equal(store_close(s), 0);
	s = open_store(); /* goes on in a minute that is there */
	for (unsigned n = 0; n < 100; n++)
		append_nth(s, n, n * 7000);
	wait_caught_up(s);
	check_sums(400);
	assert_int_equal(store_close(s), 0);
}

/* The sums that stand a second time: how many of them are not what the narrow ones say. */
static int64_t wrong_wide_sums(void)
{
	static const char same[] =
		"WITH at AS (SELECT (SELECT at FROM Progress WHERE what = 'wide_from') AS f, (SELECT at FROM Progress WHERE what = 'wide_to') AS t, (SELECT at FROM Progress WHERE what = 'wide_days') AS d), narrow AS (SELECT 3600 AS step, dim, value, hour / 3600 * 3600 AS h, sum(count), sum(errors), sum(cost_nano), sum(priced), sum(ms_sum), sum(ttft_sum) FROM Rollup, at WHERE hour >= f AND hour < t GROUP BY 2, 3, 4 UNION ALL SELECT 86400, dim, value, hour / 86400 * 86400 AS h, sum(count), sum(errors), sum(cost_nano), sum(priced), sum(ms_sum), sum(ttft_sum) FROM Rollup, at WHERE hour < d GROUP BY 2, 3, 4), wide AS (SELECT step, dim, value, hour, count, errors, cost_nano, priced, ms_sum, ttft_sum FROM RollupWide) SELECT (SELECT count(*) FROM (SELECT * FROM narrow EXCEPT SELECT * FROM wide)) + (SELECT count(*) FROM (SELECT * FROM wide EXCEPT SELECT * FROM narrow))";

	return db_int(dir, same);
}

/* Until the work behind has come to the hour before this one. */
static void wait_wide(void)
{
	int64_t want = ((int64_t)(clock_unix_ms() / 1000) - 120) / 3600 * 3600;

	for (int i = 0; i < 1500; i++, usleep(10000))
		if (db_int(dir, "SELECT at FROM Progress WHERE what = 'wide_to'") >= want &&
		    db_int(dir, "SELECT at FROM Progress WHERE what = 'wide_days'") + 86400 > want)
			return;
	fail_msg("hours and days are not summed up");
}

/* As the sink does it behind, at another time. */
static void fold_until(uint64_t unix_ms)
{
	struct rollup *r;
	sqlite3 *db;
	char path[512];
	bool more = true;

	snprintf(path, sizeof(path), "%s/signet.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	r = rollup_new(db);
	while (more) {
		assert_int_equal(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
		assert_int_equal(rollup_fold(r, unix_ms, &more), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	}
	rollup_free(r);
	sqlite3_close(db);
}

static void test_minutes_become_hours_and_hours_days(void **state)
{
	struct store *s = open_store();

	(void)state;
	for (unsigned n = 0; n < 200; n++) /* from now to 116 hours ago */
		append_nth(s, n, n * 2100000ull);
	wait_caught_up(s);
	wait_wide();
	check_sums(200);
	assert_int_equal(wrong_wide_sums(), 0);
	assert_true(db_int(dir, "SELECT count(*) FROM RollupWide WHERE step = 3600") > 0);
	assert_true(db_int(dir, "SELECT count(*) FROM RollupWide WHERE step = 86400") > 0);
	assert_int_equal(
		db_int(dir,
		       "SELECT count(*) FROM Rollup WHERE step = 60 AND hour < unixepoch() - 49 * 3600"),
		0);
	/* late: into minutes, hours and days that are summed up already, and into a time before them all */
	for (unsigned n = 0; n < 60; n++)
		append_nth(s, n, 3 * 3600000ull + n * 9000000ull);
	wait_caught_up(s);
	check_sums(260);
	assert_int_equal(wrong_wide_sums(), 0);
	assert_int_equal(store_close(s), 0);
	assert_true(db_int(dir, "SELECT count(*) FROM Rollup WHERE step = 60") > 0);
	fold_until(clock_unix_ms() - 5 * 3600000ull);
	assert_int_equal(
		db_int(dir,
		       "SELECT count(*) FROM Rollup WHERE step = 60 AND hour < (unixepoch() / 3600 - 6) * 3600"),
		0);
	assert_true(db_int(dir, "SELECT count(*) FROM Rollup WHERE step = 60") > 0);
	assert_int_equal(
		db_int(dir, "SELECT count(*) FROM Rollup WHERE step = 3600 AND hour % 3600"), 0);
	check_sums(260);
	assert_int_equal(wrong_wide_sums(), 0);
}

/* Of a database that had no sums: all rows are summed up behind, once, also those that come in meanwhile. */
static void test_rows_from_before_there_were_sums(void **state)
{
	struct store *s = open_store();

	(void)state;
	for (unsigned n = 0; n < 300; n++)
		append_nth(s, n, n * 20000);
	assert_int_equal(store_close(s), 0);
	db_int(dir, "DELETE FROM Rollup");
	db_int(dir, "DELETE FROM Facet");
	db_int(dir, "INSERT INTO Progress SELECT 'rollup', max(seq) + 1 FROM InferenceById");
	db_int(dir, "DELETE FROM RollupWide");
	db_int(dir, "DELETE FROM Progress WHERE what LIKE 'wide%'");
	s = open_store();
	for (unsigned n = 0; n < 50; n++)
		append_nth(s, n, n * 110000);
	wait_caught_up(s);
	for (int i = 0;
	     i < 500 && db_int(dir, "SELECT count(*) FROM Progress WHERE what = 'rollup'"); i++)
		usleep(10000);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM Progress WHERE what = 'rollup'"), 0);
	check_sums(350);
	wait_wide();
	assert_int_equal(wrong_wide_sums(), 0);
	assert_int_equal(store_close(s), 0);
}

#ifdef SIGNET_FAULTS
static void test_a_batch_that_is_tried_again_counts_once(void **state)
{
	struct store *s = open_store();

	(void)state;
	fault_setup("sqlite.commit:2,sqlite.step:30,work.step:3");
	for (unsigned n = 0; n < 100; n++) {
		append_nth(s, n, n * 1000);
		if (n % 20 == 0)
			usleep(30000);
	}
	wait_caught_up(s);
	check_sums(100);
	assert_int_equal(store_close(s), 0);
}
#endif

static void test_histograms(void **state)
{
	struct hist h = { 0 }, again = { 0 };
	struct buf b;
	int64_t before = 0;

	(void)state;
	buf_init(&b, 1 << 16);
	for (int64_t ms = 0; ms < 600000; ms = ms * 21 / 20 + 1) {
		int bucket = hist_bucket(ms);

		assert_true(bucket >= before);
		before = bucket;
		if (ms)
			assert_true(fabs(hist_value(bucket) / (double)ms - 1) < 0.0101);
		assert_int_equal(hist_add(&h, bucket, 3), 0);
	}
	assert_int_equal(hist_add(&h, hist_bucket(100), 2), 0);
	assert_int_equal(hist_write(&h, &b), 0);
	assert_int_equal(hist_read(&again, buf_bytes(&b)), 0);
	assert_int_equal(again.len, h.len);
	assert_memory_equal(again.bucket, h.bucket, h.len * sizeof(*h.bucket));
	assert_memory_equal(again.count, h.count, h.len * sizeof(*h.count));
	assert_int_equal(hist_read(&again, B("\xff")), -1);
	hist_deinit(&h);
	hist_deinit(&again);
	buf_deinit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_histograms),
		cmocka_unit_test_setup_teardown(test_sums_are_those_of_the_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_minutes_become_hours_and_hours_days, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_rows_from_before_there_were_sums, setup,
						teardown),
#ifdef SIGNET_FAULTS
		cmocka_unit_test_setup_teardown(test_a_batch_that_is_tried_again_counts_once, setup,
						teardown),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
