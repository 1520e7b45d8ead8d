/* base/ids.c and base/time.c */
#include "unit.h"

#include "base/ids.h"
#include "base/time.h"

static void test_v7_grows_and_carries_the_time(void **state)
{
	struct uuid last = uuid_v7();
	uint64_t before = clock_unix_ms();

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct uuid u = uuid_v7();

		assert_true(memcmp(u.b, last.b, 16) > 0);
		assert_int_equal(uuid_version(u), 7);
		assert_int_equal(u.b[8] >> 6, 2);
		last = u;
	}
	assert_in_range(uuid_v7_ms(last), before, clock_unix_ms() + 100);
}

static void test_v4_has_version_variant_and_no_repeats(void **state)
{
	struct uuid a = uuid_v4(), b = uuid_v4();

	(void)state;
	assert_int_equal(uuid_version(a), 4);
	assert_int_equal(a.b[8] >> 6, 2);
	assert_memory_not_equal(a.b, b.b, 16);
}

static void test_text_forms(void **state)
{
	struct uuid u;
	char text[UUID_TEXT + 1], hex[33];

	(void)state;
	assert_true(uuid_parse(B("0197C0DE-8a1b-7cde-9f01-23456789abcd"), &u));
	uuid_print(u, text);
	assert_string_equal(text, "0197c0de-8a1b-7cde-9f01-23456789abcd");
	uuid_hex(u, hex);
	assert_string_equal(hex, "0197c0de8a1b7cde9f0123456789abcd");
	assert_true(uuid_parse(bytes_of(hex), &u));
	assert_int_equal(uuid_text(u, text).n, 36);
	assert_string_equal(text, "0197c0de-8a1b-7cde-9f01-23456789abcd");
	assert_int_equal(uuid_v7_ms(u), 0x0197c0de8a1b);
}

static void test_what_is_no_uuid_is_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"x",
		"0197c0de-8a1b-7cde-9f01-23456789abc",
		"0197c0de-8a1b-7cde-9f01-23456789abcg",
		"0197c0de8a1b-7cde-9f01-23456789abcd-",
		"0197c0de8a1b7cde9f0123456789abc-",
		"{0197c0de8a1b7cde9f0123456789abcd}",
	};
	struct uuid u;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_false(uuid_parse(bytes_of(rows[i]), &u));
}

static void test_random_bytes_fill_small_and_large(void **state)
{
	static const size_t sizes[] = { 1, 7, 16, 128, 129, 4096 };
	unsigned char a[4096], zero[4096] = { 0 };

	(void)state;
	for (size_t i = 3; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memset(a, 0, sizeof(a));
		random_bytes(a, sizes[i]);
		assert_memory_not_equal(a + sizes[i] - 16, zero, 16);
		assert_memory_equal(a + sizes[i], zero, sizeof(a) - sizes[i]);
	}
}

static void test_rfc3339(void **state)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 951782399999, "2000-02-28T23:59:59.999Z" },
		{ 951782400000, "2000-02-29T00:00:00.000Z" },
		{ 1709251200000, "2024-03-01T00:00:00.000Z" },
		{ 1764034215705, "2025-11-25T01:30:15.705Z" },
		{ 4107542400000, "2100-03-01T00:00:00.000Z" },
		{ 1798761599001, "2026-12-31T23:59:59.001Z" },
	};
	char text[25];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		time_rfc3339_ms(rows[i].ms, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void test_clocks_agree_on_their_unit(void **state)
{
	uint64_t ns = clock_mono_ns(), ms = clock_mono_ms();

	(void)state;
	assert_in_range(ms, ns / 1000000, ns / 1000000 + 1000);
	assert_true(clock_unix_ms() > 1700000000000u);
	assert_true(clock_thread_cpu_ns() > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v7_grows_and_carries_the_time),
		cmocka_unit_test(test_v4_has_version_variant_and_no_repeats),
		cmocka_unit_test(test_text_forms),
		cmocka_unit_test(test_what_is_no_uuid_is_refused),
		cmocka_unit_test(test_random_bytes_fill_small_and_large),
		cmocka_unit_test(test_rfc3339),
		cmocka_unit_test(test_clocks_agree_on_their_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
