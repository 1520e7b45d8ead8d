/* api/password.c and the brake of api/sign_in.c. */
#include "unit.h"

#include <stdio.h>

#include "api/password.h"
#include "api/sign_in.h"
#include "base/error.h"

#define PASS B("pass\xc3\xa9 word")

static void test_hashes_of_other_programs_fit(void **state)
{
	(void)state; /* Python's hashlib.scrypt made these */
	assert_true(password_fits(
		PASS,
		B("$scrypt$ln=15,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$WyZ5zGmkN6pZVaCbQoez9clPoUyLZKEqs2CWaxa4wFQ")));
	assert_true(password_fits(
		PASS,
		B("$scrypt$ln=10,r=8,p=2$MDEyMzQ1Njc4OWFiY2RlZg$Oglsn4m+C/SJL2eanKuATue+X3yTI0o7tQc6NsxdDPU")));
	assert_false(password_fits(
		B("passe word"),
		B("$scrypt$ln=10,r=8,p=2$MDEyMzQ1Njc4OWFiY2RlZg$Oglsn4m+C/SJL2eanKuATue+X3yTI0o7tQc6NsxdDPU")));
}

static void test_a_hash_is_of_its_salt(void **state)
{
	static const unsigned char salt[PASSWORD_SALT + 1] = "0123456789abcdef";
	char hash[PASSWORD_HASH], other[PASSWORD_HASH];

	(void)state;
	assert_int_equal(password_hash(PASS, salt, hash), 0);
	assert_string_equal(
		hash,
		"$scrypt$ln=15,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$WyZ5zGmkN6pZVaCbQoez9clPoUyLZKEqs2CWaxa4wFQ");
	assert_int_equal(password_hash(PASS, NULL, other), 0);
	assert_string_not_equal(hash, other);
	assert_true(password_fits(PASS, bytes_of(other)));
}

static void test_what_is_no_hash_fits_no_password(void **state)
{
	static const char *const wrong[] = {
		"",
		"plain",
		"$scrypt$",
		"$scrypt$ln=15,r=8,p=1$$",
		"$scrypt$ln=15,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$",
		"$scrypt$ln=15,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$AAAA",
		"$scrypt$ln=15,r=8$MDEyMzQ1Njc4OWFiY2RlZg$WyZ5zGmkN6pZVaCbQoez9clPoUyLZKEqs2CWaxa4wFQ",
		"$scrypt$ln=63,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$WyZ5zGmkN6pZVaCbQoez9clPoUyLZKEqs2CWaxa4wFQ",
		"$scrypt$ln=15,r=8,p=99$MDEyMzQ1Njc4OWFiY2RlZg$WyZ5zGmkN6pZVaCbQoez9clPoUyLZKEqs2CWaxa4wFQ",
		"$scrypt$ln=15,r=8,p=1,x=1$MDEyMzQ1Njc4OWFiY2RlZg$WyZ5zGmkN6pZVaCbQoez9clPoUyLZKEqs2CWaxa4wFQ",
		"$scrypt$ln=15,r=8,p=1$!!!!$WyZ5zGmkN6pZVaCbQoez9clPoUyLZKEqs2CWaxa4wFQ",
	};
	static char longest[PASSWORD_MAX + 2];
	char hash[PASSWORD_HASH];

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_false(password_fits(PASS, bytes_of(wrong[i])));
	assert_false(password_fits(PASS, (struct bytes){ 0 }));
	memset(longest, 'a', sizeof(longest) - 1);
	assert_int_equal(password_hash(bytes_of(longest), NULL, hash), -1);
	assert_int_equal(error_last()->kind, ERR_TOO_LARGE);
}

static void test_five_are_free_then_waits_double_up_to_five_minutes(void **state)
{
	static const uint64_t waits[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300 };
	struct sign_in *s = sign_in_new();
	struct bytes u = B("alice"), a = B("10.0.0.1");
	uint64_t now = 1000;

	(void)state;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(sign_in_wait_ms(s, u, a, now), 0);
		sign_in_count(s, u, a, false, now);
	}
	for (size_t i = 0; i < COUNT(waits); i++) {
		assert_int_equal(sign_in_wait_ms(s, u, a, now), waits[i] * 1000);
		assert_int_equal(sign_in_wait_ms(s, u, a, now + waits[i] * 1000 - 1), 1);
		now += waits[i] * 1000;
		assert_int_equal(sign_in_wait_ms(s, u, a, now), 0);
		sign_in_count(s, u, a, false, now);
	}
	assert_int_equal(sign_in_wait_ms(s, B("bob"), a, now), 0);
	assert_int_equal(sign_in_wait_ms(s, u, B("10.0.0.2"), now), 0);
	sign_in_count(s, u, a, true, now);
	assert_int_equal(sign_in_wait_ms(s, u, a, now), 0);
	sign_in_count(s, u, a, false, now);
	assert_int_equal(sign_in_wait_ms(s, u, a, now), 0);
	sign_in_free(s);
}

static void test_the_list_of_failures_is_bounded(void **state)
{
	struct sign_in *s = sign_in_new();
	struct bytes u = B("alice");
	char address[32];

	(void)state;
	for (int i = 0; i < 6; i++)
		sign_in_count(s, u, B("10.0.0.1"), false, 5000);
	for (int i = 0; i < 10000; i++) { /* older ones: they go first */
		snprintf(address, sizeof(address), "a%d", i);
		sign_in_count(s, u, bytes_of(address), false, 1000);
	}
	assert_int_equal(sign_in_wait_ms(s, u, B("10.0.0.1"), 5000), 2000);
	sign_in_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hashes_of_other_programs_fit),
		cmocka_unit_test(test_a_hash_is_of_its_salt),
		cmocka_unit_test(test_what_is_no_hash_fits_no_password),
		cmocka_unit_test(test_five_are_free_then_waits_double_up_to_five_minutes),
		cmocka_unit_test(test_the_list_of_failures_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
