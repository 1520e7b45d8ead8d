/* Decimals as TensorZero reads them, sums that do not drift, and the text that a client and a row get. */
#include "unit.h"

#include "base/money.h"

static struct decimal number(const char *text)
{
	struct decimal d;

	if (!decimal_read(bytes_of(text), &d))
		fail_msg("%s is a number", text);
	return d;
}

/* amount × price as JSON has it. */
static void comes_to(const char *amount, const char *price, const char *want)
{
	struct money sum = money_nothing();
	struct buf out;

	buf_init(&out, 64);
	money_add_product(&sum, number(amount), number(price));
	assert_int_equal(money_print(sum, &out), 0);
	assert_bytes(buf_bytes(&out), want);
	buf_deinit(&out);
}

static void test_texts_that_are_numbers(void **state)
{
	static const struct {
		const char *text;
		int64_t digits;
		int scale;
	} rows[] = {
		{ "0", 0, 0 },
		{ "-0.00", 0, 0 },
		{ "1", 1, 0 },
		{ "10", 1, -1 },
		{ "+1_000", 1, -3 },
		{ "-1.25", -125, 2 },
		{ ".5", 5, 1 },
		{ "5.", 5, 0 },
		{ "3e-7", 3, 7 },
		{ "1.50E+2", 15, -1 },
		{ "007.10", 71, 1 },
		{ "2.5e0", 25, 1 },
		{ "0.0000000001", 1, 10 },
		{ "123456789012345678.9", 123456789012345678, 0 },
		{ "1234567890123456789012", 123456789012345678, -4 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct decimal d = number(rows[i].text);

		if (d.digits != rows[i].digits || d.scale != rows[i].scale)
			fail_msg("%s: %lld, %d", rows[i].text, (long long)d.digits, d.scale);
	}
}

static void test_texts_that_are_none(void **state)
{
	static const char *const texts[] = {
		"",   "-",   ".",    "_1",  "1.2.3", "1e",  "1e+",  "x",     " 1",
		"1 ", "1,5", "0x10", "nan", "inf",   "--1", "1e31", "1e-50", "1e99999999999"
	};
	struct decimal d;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		if (decimal_read(bytes_of(texts[i]), &d))
			fail_msg("\"%s\" is no number", texts[i]);
	assert_false(decimal_read(B("1\0002"), &d));
}

static void test_decimals_are_compared_by_value(void **state)
{
	(void)state;
	assert_true(decimal_cmp(number("1e3"), number("1000.0")) == 0);
	assert_true(decimal_cmp(number("0.1"), number("1e-2")) > 0);
	assert_true(decimal_cmp(number("-2"), number("1")) < 0);
	assert_true(decimal_cmp(number("1e30"), number("1e-30")) > 0);
	assert_true(decimal_cmp(number("1e-30"), number("1e30")) < 0);
	assert_true(decimal_cmp(number("-1e30"), number("1e-30")) < 0);
	assert_true(decimal_cmp(number("1e-30"), number("-1e30")) > 0);
}

static void test_products_as_json_has_them(void **state)
{
	(void)state;
	comes_to("0", "2.5e-6", "0.0");
	comes_to("1", "2.5e-6", "2.5e-6");
	comes_to("1000", "2.5e-6", "0.0025");
	comes_to("30", "1e-7", "3e-6");
	comes_to("345", "1e-7", "0.0000345");
	comes_to("12", "1", "12.0");
	comes_to("4294967295", "1.25e-5", "53687.0911875");
	comes_to("7", "-0.5", "-3.5");
	comes_to("1", "1e-24", "1e-24");
	comes_to("1", "1e-25", "0.0");
}

static void test_a_million_small_amounts_are_exact(void **state)
{
	struct money sum = money_nothing();

	(void)state;
	for (int i = 0; i < 1000000; i++)
		money_add_product(&sum, number("1"), number("1e-7"));
	assert_int_equal(money_nano(sum), 100000000);
	assert_true(money_dollars(sum) == 0.1);
}

static void test_what_is_unknown_stays_unknown(void **state)
{
	struct money sum = money_nothing(), unknown = { 0 };
	struct buf out;

	(void)state;
	money_add(&sum, unknown);
	money_add(&sum, money_nothing());
	assert_false(sum.known);
	buf_init(&out, 64);
	assert_int_equal(money_print(sum, &out), 0);
	assert_bytes(buf_bytes(&out), "null");
	buf_deinit(&out);
	sum = money_nothing();
	money_add_product(&sum, number("1e20"), number("1"));
	assert_false(sum.known); /* no bill, and more than fits */
}

static void test_billionths_are_cut(void **state)
{
	struct money m = money_nothing();

	(void)state;
	money_add_product(&m, number("1"), number("1.9999999999"));
	assert_int_equal(money_nano(m), 1999999999);
	money_add_product(&m, number("1"), number("1e13"));
	assert_int_equal(money_nano(m), INT64_MAX);
	m = money_nothing();
	money_add_product(&m, number("-1"), number("1.9999999999"));
	assert_int_equal(money_nano(m), -1999999999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts_that_are_numbers),
		cmocka_unit_test(test_texts_that_are_none),
		cmocka_unit_test(test_decimals_are_compared_by_value),
		cmocka_unit_test(test_products_as_json_has_them),
		cmocka_unit_test(test_a_million_small_amounts_are_exact),
		cmocka_unit_test(test_what_is_unknown_stays_unknown),
		cmocka_unit_test(test_billionths_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
