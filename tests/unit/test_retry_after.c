/* How long an upstream asks to wait: numbers, dates, and values of any length (under ASan: no byte past the value is read). */
#include "unit.h"

#include <stdlib.h>

#include "upstream/call.h"

#define NOW   784111777 /* Sun, 06 Nov 1994 08:49:37 GMT: RFC 9110 §5.6.7 */
#define UNSET ((struct bytes){ NULL, 0 })
#define YEAR  (INT64_C(366) * 86400 * 1000)

static void test_milliseconds_come_before_seconds(void **state)
{
	(void)state;
	assert_int_equal(retry_after_ms(B("350"), B("2"), NOW), 350);
	assert_int_equal(retry_after_ms(B("0"), B("2"), NOW), 0);
	assert_int_equal(retry_after_ms(B("soon"), B("2"), NOW), 2000);
	assert_int_equal(retry_after_ms(B("99999999999999"), UNSET, NOW), YEAR);
	assert_int_equal(retry_after_ms(UNSET, UNSET, NOW), -1);
}

static void test_seconds_may_have_a_fraction(void **state)
{
	static const struct {
		struct bytes value;
		int64_t ms;
	} cases[] = {
		{ B("0"), 0 },
		{ B("2"), 2000 },
		{ B("1.5"), 1500 },
		{ B("0.25"), 250 },
		{ B("0.001"), 1 },
		{ B("1.0009"), 1000 },
		{ B("1."), 1000 },
		{ B("-1"), -1 },
		{ B("1.x"), -1 },
		{ B("1 second"), -1 },
		{ B(""), -1 },
		{ B(".5"), -1 },
		{ B("31622399"), INT64_C(31622399) * 1000 },
		{ B("31622401"), YEAR },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(retry_after_ms(UNSET, cases[i].value, NOW), cases[i].ms);
}

static void test_a_date_is_told_from_now_on(void **state)
{
	static const struct {
		struct bytes value;
		int64_t ms;
	} cases[] = {
		{ B("Sun, 06 Nov 1994 08:49:37 GMT"), 0 },
		{ B("Sun, 06 Nov 1994 08:50:37 GMT"), 60000 },
		{ B("Mon, 07 Nov 1994 08:49:37 GMT"), 86400000 },
		{ B("Sun, 06 Nov 1994 08:49:36 GMT"), 0 }, /* past: at once */
		{ B("Sun, 06 Nov 2005 08:49:37 GMT"), YEAR },
		{ B("Sun, 06 Nov 1994 08:50:37"), -1 },
		{ B("tomorrow"), -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(retry_after_ms(UNSET, cases[i].value, NOW), cases[i].ms);
}

/* The value stands in memory of exactly its size. */
static int64_t of_length(struct bytes begin, char fill, size_t n)
{
	char *text = malloc(n);
	int64_t ms;

	assert_non_null(text);
	memset(text, fill, n);
	memcpy(text, begin.p, begin.n < n ? begin.n : n);
	ms = retry_after_ms(UNSET, (struct bytes){ text, n }, NOW);
	free(text);
	return ms;
}

static void test_values_of_any_length(void **state)
{
	static const size_t lengths[] = { 1, 28, 29, 30, 62, 63, 64, 65, 66, 200, 4096 };

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		assert_int_equal(of_length(B(""), 'x', lengths[i]), -1);
		assert_int_equal(of_length(B("Sun, 06 Nov 1994 08:50:37 GMT"), ' ', lengths[i]),
				 lengths[i] > 28 && lengths[i] < 64 ? 60000 : -1);
		assert_int_equal(of_length(B("1"), '0', lengths[i]), lengths[i] == 1   ? 1000
								     : lengths[i] > 20 ? -1
										       : YEAR);
	}
}

static void reset_is(const char *text, int64_t want)
{
	assert_int_equal(reset_after_ms(bytes_of(text), 1000), want);
}

static void test_resets_in_every_vendors_words(void **state)
{
	(void)state;
	reset_is("1s", 1000);
	reset_is("250ms", 250);
	reset_is("2m59.56s", 179560);
	reset_is("1h0m0s", 3600000);
	reset_is("30", 30000);
	reset_is("1.5", 1500);
	reset_is("1970-01-01T00:16:45Z", 5000);
	reset_is("1970-01-01T00:00:00Z", 0);
	assert_int_equal(reset_after_ms(B("1700000005"), 1700000000), 5000);
	assert_int_equal(reset_after_ms(B("1700000000250"), 1700000000), 250);
	reset_is("", -1);
	reset_is("soon", -1);
	reset_is("1", 1000);
	reset_is("5x", -1);
	reset_is("s", -1);
	reset_is("1970-13-99T", -1);
	reset_is("99999999999s", INT64_C(366) * 86400 * 1000);
	reset_is("99999999999999999999s", -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_milliseconds_come_before_seconds),
		cmocka_unit_test(test_seconds_may_have_a_fraction),
		cmocka_unit_test(test_a_date_is_told_from_now_on),
		cmocka_unit_test(test_values_of_any_length),
		cmocka_unit_test(test_resets_in_every_vendors_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
