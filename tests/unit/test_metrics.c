/* base/metrics.c */
#include "unit.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>

#include "base/metrics.h"

static struct buf page;

/* Each metric is registered once a process, so every test has its own. */
static void assert_page_has(const char *want)
{
	buf_reset(&page);
	assert_int_equal(metrics_print(&page), 0);
	if (bytes_find(buf_bytes(&page), bytes_of(want)) < 0)
		fail_msg("the page lacks\n%s\nin\n%.*s", want, BFMT(buf_bytes(&page)));
}

static void assert_page_lacks(const char *text)
{
	buf_reset(&page);
	assert_int_equal(metrics_print(&page), 0);
	assert_int_equal(bytes_find(buf_bytes(&page), bytes_of(text)), -1);
}

static void test_a_counter_without_labels_shows_from_the_start(void **state)
{
	static struct metric m = { "plain_total", "What is \\ counted\nhere", NULL,
				   METRIC_COUNTER };

	(void)state;
	metrics_register(&m);
	assert_page_has("# HELP plain_total What is \\\\ counted\\nhere\n"
			"# TYPE plain_total counter\nplain_total 0\n");
	METRIC_ADD(&m, 1);
	METRIC_ADD(&m, 2.5);
	assert_page_has("plain_total 3.5\n");
	assert_true(metric_sum(&m) == 3.5);
}

static double give(void *what)
{
	return *(double *)what;
}

/* As Prometheus writes what is no number. */
static void test_values_that_are_no_numbers(void **state)
{
	static struct metric m = { "odd_values", "x", "which", METRIC_GAUGE };
	static double values[] = { INFINITY, -INFINITY, NAN, 0.1, 1e300 };

	(void)state;
	metrics_register(&m);
	metrics_gauge_fn(&m, give, &values[0], "up");
	metrics_gauge_fn(&m, give, &values[1], "down");
	metrics_gauge_fn(&m, give, &values[2], "none");
	metrics_gauge_fn(&m, give, &values[3], "tenth");
	metrics_gauge_fn(&m, give, &values[4], "much");
	assert_page_has("odd_values{which=\"up\"} +Inf\n");
	assert_page_has("odd_values{which=\"down\"} -Inf\n");
	assert_page_has("odd_values{which=\"none\"} NaN\n");
	assert_page_has("odd_values{which=\"tenth\"} 0.1\n");
	assert_page_has("odd_values{which=\"much\"} 1e+300\n");
}

static void test_labels_are_escaped_and_empty_ones_left_out(void **state)
{
	static struct metric m = { "labels_total", "x", "a,b,c", METRIC_COUNTER };

	(void)state;
	metrics_register(&m);
	assert_page_lacks("labels_total");
	METRIC_ADD(&m, 1, B("q\"\\\n"), B(""), B("z"));
	METRIC_ADD(&m, 1, B(""), B(""), B(""));
	METRIC_ADD(&m, 1, B("\xff"), B("y"), B(""));
	assert_page_has("labels_total{a=\"q\\\"\\\\\\n\",c=\"z\"} 1\nlabels_total 1\n"
			"labels_total{a=\"\xef\xbf\xbd\",b=\"y\"} 1\n");
}

static void test_a_histogram_counts_into_its_buckets(void **state)
{
	static const double bounds[] = { 0.001, 0.01, 0.1, 0 };
	static struct metric m = { "time_seconds", "x", "r", METRIC_HISTOGRAM, bounds };

	(void)state;
	metrics_register(&m);
	METRIC_OBSERVE(&m, 0.001, B("a"));
	METRIC_OBSERVE(&m, 0.05, B("a"));
	METRIC_OBSERVE(&m, 7, B("a"));
	assert_page_has("# TYPE time_seconds histogram\n"
			"time_seconds_bucket{r=\"a\",le=\"0.001\"} 1\n"
			"time_seconds_bucket{r=\"a\",le=\"0.01\"} 1\n"
			"time_seconds_bucket{r=\"a\",le=\"0.1\"} 2\n"
			"time_seconds_bucket{r=\"a\",le=\"+Inf\"} 3\n"
			"time_seconds_sum{r=\"a\"} 7.051\n"
			"time_seconds_count{r=\"a\"} 3\n");
	assert_true(metric_sum(&m) > 7.05 && metric_sum(&m) < 7.052);
}

static double read_gauge(void *arg)
{
	return *(double *)arg;
}

static void test_a_gauge_is_read_when_scraped(void **state)
{
	static struct metric m = { "lag_seconds", "x", "worker", METRIC_GAUGE };
	static double a = 0.25, b = 3e9;

	(void)state;
	metrics_register(&m);
	metrics_gauge_fn(&m, read_gauge, &a, "0");
	metrics_gauge_fn(&m, read_gauge, &b, "1");
	assert_page_has("lag_seconds{worker=\"0\"} 0.25\nlag_seconds{worker=\"1\"} 3000000000\n");
	a = 0.1;
	assert_page_has("lag_seconds{worker=\"0\"} 0.1\n");
}

static int rooms;

static void collect_rooms(struct metric *m)
{
	static const struct bytes a[] = { B("a") }, b[] = { B("b") };

	metric_collect(m, 1, a, 1);
	metric_collect(m, 2, a, 1);
	if (rooms++ == 0)
		metric_collect(m, 5, b, 1);
}

static void test_collected_series_are_those_of_the_scrape(void **state)
{
	static struct metric m = { "rooms", "x", "room", METRIC_GAUGE };

	(void)state;
	metrics_register(&m);
	metrics_collect_fn(&m, collect_rooms);
	assert_page_has("rooms{room=\"a\"} 3\nrooms{room=\"b\"} 5\n");
	assert_page_has("rooms{room=\"a\"} 3\nrooms{room=\"b\"} 0\n");
}

static struct metric shared = { "shared_total", "x", "who", METRIC_COUNTER };

static void *count(void *arg)
{
	(void)arg;
	for (int i = 0; i < 10000; i++)
		METRIC_ADD(&shared, 1, i % 2 ? B("odd") : B("even"));
	return NULL;
}

static void test_threads_add_up_also_when_they_have_ended(void **state)
{
	(void)state;
	metrics_register(&shared);
	for (int round = 0; round < 3; round++) {
		pthread_t threads[4];

		for (int i = 0; i < 4; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
		buf_reset(&page);
		assert_int_equal(metrics_print(&page), 0); /* while they count */
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
	}
	assert_page_has("shared_total{who=\"even\"} 60000\n");
	assert_page_has("shared_total{who=\"odd\"} 60000\n");
	assert_true(metric_sum(&shared) == 120000);
}

static void test_more_than_1000_label_sets_become_other(void **state)
{
	static struct metric m = { "names_total", "x", "model,provider", METRIC_COUNTER };
	char name[32];

	(void)state;
	metrics_register(&m);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 1500; i++) {
			snprintf(name, sizeof(name), "m%d", i);
			METRIC_ADD(&m, 1, bytes_of(name), B("p"));
		}
	}
	assert_page_has("names_total{model=\"m999\",provider=\"p\"} 2\n");
	assert_page_lacks("names_total{model=\"m1000\"");
	assert_page_has("names_total{model=\"other\",provider=\"other\"} 1000\n");
}

static void test_a_long_value_is_cut_between_characters(void **state)
{
	static struct metric m = { "long_total", "x", "model,provider", METRIC_COUNTER };
	char a[200], b[200], want[300];

	(void)state;
	metrics_register(&m);
	memset(a, 'x', sizeof(a));
	memcpy(b, a, sizeof(b));
	memcpy(a + 127, "\xc3\xa4", 2); /* over the edge */
	memcpy(b + 127, "\xc3\xb6", 2);
	METRIC_ADD(&m, 1, (struct bytes){ a, sizeof(a) }, B("p"));
	METRIC_ADD(&m, 1, (struct bytes){ b, sizeof(b) }, B("p"));
	METRIC_ADD(&m, 1, (struct bytes){ a, 128 }, B("q"));
	snprintf(want, sizeof(want), "long_total{model=\"%.127s\",provider=\"p\"} 2\n", a);
	assert_page_has(want);
	assert_page_lacks("other");
}

static METRIC(defined, METRIC_COUNTER, "defined_total", NULL, "Defined in one row");
static METRIC(bounded, METRIC_HISTOGRAM, "bounded_seconds", "who", "With a field more",
	      .bounds = (const double[]){ 1, 2, 0 });

static void test_a_defined_metric_is_on_the_page_from_the_start(void **state)
{
	(void)state;
	assert_page_has("# HELP defined_total Defined in one row\n"
			"# TYPE defined_total counter\n"
			"defined_total 0\n");
	METRIC_OBSERVE(&bounded, 1.5, B("x"));
	assert_page_has("bounded_seconds_bucket{who=\"x\",le=\"1\"} 0\n"
			"bounded_seconds_bucket{who=\"x\",le=\"2\"} 1\n");
}

static void test_an_unregistered_metric_counts_nowhere(void **state)
{
	static struct metric m = { "nowhere_total", "x", NULL, METRIC_COUNTER };

	(void)state;
	METRIC_ADD(&m, 1);
	assert_true(metric_sum(&m) == 0);
	assert_page_lacks("nowhere_total");
}

static void test_a_page_over_its_bound_fails(void **state)
{
	struct buf small;

	(void)state;
	buf_init(&small, 10);
	assert_int_equal(metrics_print(&small), -1);
	buf_deinit(&small);
}

static int setup(void **state)
{
	(void)state;
	buf_init(&page, 1u << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_deinit(&page);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_counter_without_labels_shows_from_the_start),
		cmocka_unit_test(test_labels_are_escaped_and_empty_ones_left_out),
		cmocka_unit_test(test_a_histogram_counts_into_its_buckets),
		cmocka_unit_test(test_a_gauge_is_read_when_scraped),
		cmocka_unit_test(test_collected_series_are_those_of_the_scrape),
		cmocka_unit_test(test_threads_add_up_also_when_they_have_ended),
		cmocka_unit_test(test_a_long_value_is_cut_between_characters),
		cmocka_unit_test(test_more_than_1000_label_sets_become_other),
		cmocka_unit_test(test_a_defined_metric_is_on_the_page_from_the_start),
		cmocka_unit_test(test_an_unregistered_metric_counts_nowhere),
		cmocka_unit_test(test_values_that_are_no_numbers),
		cmocka_unit_test(test_a_page_over_its_bound_fails),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
