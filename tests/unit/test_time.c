/* base/time.c: what a time reads like in logs and in the record, compared with the C library's calendar. */
#include "unit.h"

#include <stdio.h>
#include <time.h>

#include "base/time.h"

static void reads_as_the_library_says(uint64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char want[64], got[25];
	struct tm tm;
	size_t n;

	assert_non_null(gmtime_r(&seconds, &tm));
	n = strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(want + n, sizeof want - n, ".%03uZ", (unsigned)(ms % 1000));
	time_rfc3339_ms(ms, got);
	assert_string_equal(got, want);
}

static void test_every_day_of_four_centuries(void **state)
{
	(void)state;
	for (uint64_t day = 0; day < 430u * 365; day++)
		reads_as_the_library_says(day * 86400000 + day * 7919 % 86400000);
}

static void test_the_edges_of_days_and_years(void **state)
{
	static const uint64_t edges[] = { 0,          951782400,  951868800,
					  978307200,  1709164800, 1709251200,
					  1735689600, 4107542400, 253402300799 };

	(void)state;
	for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
		reads_as_the_library_says(edges[i] * 1000);
		reads_as_the_library_says(edges[i] * 1000 + 999);
		if (edges[i])
			reads_as_the_library_says(edges[i] * 1000 - 1);
	}
}

static void test_clocks_go_forward_in_their_units(void **state)
{
	uint64_t ns = clock_mono_ns(), ms = clock_mono_ms(), unix_ms = clock_unix_ms();

	(void)state;
	assert_true(ms >= ns / 1000000 && ms - ns / 1000000 < 60000);
	assert_true(clock_mono_ns() >= ns);
	assert_true(unix_ms / 1000 + 1 >= (uint64_t)time(NULL) - 1 &&
		    unix_ms / 1000 <= (uint64_t)time(NULL) + 1);
	assert_true(clock_thread_cpu_ns() > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_day_of_four_centuries),
		cmocka_unit_test(test_the_edges_of_days_and_years),
		cmocka_unit_test(test_clocks_go_forward_in_their_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
