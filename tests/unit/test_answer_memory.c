/* The memory of answers: counted, bounded, and one that goes on past the bound, so that something always moves. */
#include "unit.h"

#include "base/answer_memory.h"

static void test_without_a_limit_it_is_counted_only(void **state)
{
	struct answer_hold a = { 0 };

	(void)state;
	answer_memory_limit(0);
	assert_true(answer_hold_take(&a, 1000));
	assert_int_equal(answer_memory_bytes(), 1000);
	assert_false(answer_memory_full());
	answer_hold_give(&a);
	assert_int_equal(answer_memory_bytes(), 0);
}

static void test_the_first_that_meets_the_limit_goes_on(void **state)
{
	struct answer_hold a = { 0 }, b = { 0 }, c = { 0 };

	(void)state;
	answer_memory_limit(100);
	assert_true(answer_hold_take(&a, 60));
	assert_true(answer_hold_take(&b, 40));
	assert_true(answer_memory_full());
	assert_true(answer_hold_take(&b, 50)); /* from now on it is the one */
	assert_false(answer_hold_take(&a, 1));
	assert_false(answer_hold_take(&c, 1));
	assert_true(answer_hold_take(&b, 500));
	assert_int_equal(answer_memory_bytes(), 650);
	answer_hold_give(&b);
	assert_int_equal(answer_memory_bytes(), 60);
	assert_false(answer_memory_full());
	assert_true(answer_hold_take(&c, 40));
	assert_true(answer_hold_take(&c, 1)); /* the next */
	assert_false(answer_hold_take(&a, 1));
	answer_hold_give(&a);
	answer_hold_give(&c);
	answer_hold_give(&c);
	assert_int_equal(answer_memory_bytes(), 0);
	answer_memory_limit(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_limit_it_is_counted_only),
		cmocka_unit_test(test_the_first_that_meets_the_limit_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
