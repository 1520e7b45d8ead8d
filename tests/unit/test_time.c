/* base/time.c: what a time reads like in logs and in the record, compared with the C library's calendar. */
#include "unit.h"

#include <stdio.h>
#include <time.h>

#include "base/time.h"

static void reads_as_the_library_says(uint64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char want[64], got[25];
	uint64_t back;
	struct tm tm;
	size_t n;

	assert_non_null(gmtime_r(&seconds, &tm));
	n = strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(want + n, sizeof want - n, ".%03uZ", (unsigned)(ms % 1000));
	time_rfc3339_ms(ms, got);
	assert_string_equal(got, want);
	assert_true(time_parse_rfc3339(bytes_of(got), &back));
	assert_int_equal(back, ms);
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

static void test_times_that_others_write(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms; /* 0: it is no time */
	} cases[] = {
		{ "2027-01-31T00:00:00Z", 1801353600000 },
		{ "2027-01-31t00:00:00z", 1801353600000 },
		{ "2027-01-31 00:00:00.5Z", 1801353600500 },
		{ "2027-01-31T00:00:00.123456789Z", 1801353600123 },
		{ "2027-01-31T02:00:00+02:00", 1801353600000 },
		{ "2027-01-30T18:30:00-05:30", 1801353600000 },
		{ "2028-02-29T00:00:00Z", 1835395200000 },
		{ "2027-02-29T00:00:00Z", 0 },
		{ "2027-01-31T00:00:00", 0 },
		{ "2027-01-31T00:00:00.Z", 0 },
		{ "2027-01-31T00:00:00+2:00", 0 },
		{ "2027-01-31T00:00:00+25:00", 0 },
		{ "2027-01-31T00:00:00Zx", 0 },
		{ "2027-01-31", 0 },
		{ "2027-13-01T00:00:00Z", 0 },
		{ "2027-00-01T00:00:00Z", 0 },
		{ "2027-01-32T00:00:00Z", 0 },
		{ "2027-01-31T24:00:00Z", 0 },
		{ "1969-12-31T23:59:59Z", 0 },
		{ "+027-01-31T00:00:00Z", 0 },
		{ "soon", 0 },
		{ "", 0 },
	};
	uint64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		bool good = time_parse_rfc3339(bytes_of(cases[i].text), &ms);

		if (good != (cases[i].ms != 0) || (good && ms != cases[i].ms))
			fail_msg("%s: %d %llu", cases[i].text, good, (unsigned long long)ms);
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
		cmocka_unit_test(test_times_that_others_write),
		cmocka_unit_test(test_clocks_go_forward_in_their_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
