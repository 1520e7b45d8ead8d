/* Fibers on a loop of their own: waking, sleeping, deadlines, cancellation, other stacks. */
#include <pthread.h>

#include "unit.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"
#include "fiber/fiber.h"
#include "fiber/loop.h"

static struct fiber *sleeper;
static int step, result_a, result_b;
static enum error_kind kind_a;

static void run(fiber_fn *fn, void *arg)
{
	struct loop *l = loop_new(0);

	assert_non_null(l);
	step = result_a = result_b = 0;
	kind_a = ERR_NONE;
	assert_non_null(fiber_spawn("test", fn, arg));
	loop_stop(l);
	loop_run(l);
	loop_free(l);
	assert_int_equal(fiber_count(), 0);
}

static void waits_for_wake(void *arg)
{
	(void)arg;
	result_a = fiber_park();
	kind_a = error_last()->kind;
	step = step == 1 ? 2 : -1;
}

static void wakes(void *arg)
{
	(void)arg;
	sleeper = fiber_spawn("sleeper", waits_for_wake, NULL);
	assert_int_equal(fiber_sleep(2), 0);
	step = 1;
	fiber_wake(sleeper);
}

static void test_wake_ends_a_park(void **state)
{
	(void)state;
	run(wakes, NULL);
	assert_int_equal(step, 2);
	assert_int_equal(result_a, 0);
}

static void cancels(void *arg)
{
	(void)arg;
	sleeper = fiber_spawn("sleeper", waits_for_wake, NULL);
	fiber_yield();
	step = 1;
	fiber_cancel(sleeper);
}

static void test_cancel_ends_a_park_with_its_kind(void **state)
{
	(void)state;
	run(cancels, NULL);
	assert_int_equal(step, 2);
	assert_int_equal(result_a, -1);
	assert_int_equal(kind_a, ERR_CANCELLED);
}

static void deadline(void *arg)
{
	uint64_t before = fiber_deadline_narrow(clock_mono_ms() + 3);

	(void)arg;
	assert_true(before == TIME_NEVER);
	result_a = fiber_park();
	kind_a = error_last()->kind;
	fiber_deadline_restore(before);
	result_b = fiber_sleep(1);
	/* a sleep past the outer deadline fails with it */
	fiber_deadline_narrow(clock_mono_ms() + 2);
	step = fiber_sleep(1000);
}

static void test_deadline_ends_a_park_and_can_be_restored(void **state)
{
	(void)state;
	run(deadline, NULL);
	assert_int_equal(result_a, -1);
	assert_int_equal(kind_a, ERR_DEADLINE);
	assert_int_equal(result_b, 0);
	assert_int_equal(step, -1);
}

static void in_pool(void *arg)
{
	*(int *)arg = fiber_self() == NULL;
	fail(ERR_IO, "from the pool");
}

static void on_thread(void *arg)
{
	*(int *)arg = fiber_self() == NULL;
	fail(ERR_IO, "from the thread's stack");
}

static void stacks(void *arg)
{
	(void)arg;
	assert_int_equal(offload(in_pool, &result_a), 0);
	assert_true(bytes_eq(error_last()->message, B("from the pool")));
	fiber_on_thread_stack(on_thread, &result_b);
	assert_true(bytes_eq(error_last()->message, B("from the thread's stack")));
	step = fiber_self() != NULL;
}

static void test_other_stacks_hand_their_error_over(void **state)
{
	(void)state;
	run(stacks, NULL);
	assert_int_equal(result_a, 1);
	assert_int_equal(result_b, 1);
	assert_int_equal(step, 1);
}

/* Engines recurse, and a fiber's stack is small: they run on the thread's. */
static void explains(void *arg)
{
	static char deep[4096];
	struct bytes path;
	struct arena a;

	(void)arg;
	memset(deep, '[', sizeof(deep));
	arena_init(&a, 1u << 20);
	assert_null(json_parse_path((struct bytes){ deep, 126 }, &a, &path));
	assert_true(bytes_starts(error_last()->message, B("EOF while parsing a list")));
	assert_null(json_parse_path((struct bytes){ deep, sizeof(deep) }, &a, &path));
	assert_true(bytes_starts(error_last()->message, B("recursion limit exceeded")));
	assert_int_equal(path.n, 127 * 3);
	step = fiber_self() != NULL;
	arena_deinit(&a);
}

static void test_engines_do_not_run_on_a_fibers_stack(void **state)
{
	(void)state;
	step = 0;
	run(explains, NULL);
	assert_int_equal(step, 1);
}

static void counts(void *arg)
{
	int *left = arg;

	for (int i = 0; i < 50; i++)
		fiber_yield();
	--*left;
}

static void many(void *arg)
{
	int left = 600; /* more than the spare stacks that are kept */

	(void)arg;
	for (int i = 0; i < 600; i++)
		assert_non_null(fiber_spawn("counts", counts, &left));
	while (left)
		assert_int_equal(fiber_sleep(1), 0);
	step = 1;
}

static void test_many_fibers_take_turns(void **state)
{
	(void)state;
	run(many, NULL);
	assert_int_equal(step, 1);
}

static struct loop *other;

static void posted(struct loop_task *t)
{
	(void)t;
	step++;
	loop_stop(other);
}

static void *poster(void *arg)
{
	loop_post(other, arg);
	return NULL;
}

static void test_a_task_of_another_thread_runs(void **state)
{
	struct loop_task task = { .fn = posted };
	pthread_t thread;

	(void)state;
	step = 0;
	other = loop_new(1);
	pthread_create(&thread, NULL, poster, &task);
	loop_run(other);
	pthread_join(thread, NULL);
	loop_free(other);
	assert_int_equal(step, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wake_ends_a_park),
		cmocka_unit_test(test_cancel_ends_a_park_with_its_kind),
		cmocka_unit_test(test_deadline_ends_a_park_and_can_be_restored),
		cmocka_unit_test(test_other_stacks_hand_their_error_over),
		cmocka_unit_test(test_engines_do_not_run_on_a_fibers_stack),
		cmocka_unit_test(test_many_fibers_take_turns),
		cmocka_unit_test(test_a_task_of_another_thread_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
