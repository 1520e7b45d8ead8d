/* Fibers at their edges: no loop, no time, no stack, too many at once; what is sticky and what is not. */
#include <inttypes.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"

#include "base/error.h"
#include "base/fault.h"
#include "fiber/loop.h"

static struct loop *loop;
static int seen[64];
static size_t nseen;

static void note(int what)
{
	if (nseen < 64)
		seen[nseen] = what;
	nseen++;
}

static void expect_seen(const int *want, size_t n)
{
	assert_int_equal(nseen, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(seen[i], want[i]);
}

#define SEEN(...) \
	expect_seen((const int[]){ __VA_ARGS__ }, sizeof((int[]){ __VA_ARGS__ }) / sizeof(int))

static void run(fiber_fn *fn)
{
	nseen = 0;
	loop = loop_new(0);
	assert_non_null(loop);
	assert_non_null(fiber_spawn("test", fn, NULL));
	loop_stop(loop);
	loop_run(loop);
	loop_free(loop);
	assert_int_equal(fiber_count(), 0);
	error_clear();
}

/* The kind of the last failure if r is one. */
static int kind_of(int r)
{
	int kind = r == -1 ? (int)error_last()->kind : r;

	error_clear();
	return kind;
}

/* ---- without a loop ---- */

static void note_self(void *arg)
{
	note(fiber_self() ? 1 : 2);
	*(pthread_t *)arg = pthread_self();
}

static void test_without_a_loop_work_is_done_at_once(void **state)
{
	pthread_t where;
	uint64_t before;

	(void)state;
	nseen = 0;
	assert_null(loop_self());
	assert_null(fiber_self());
	assert_null(fiber_spawn("test", note_self, &where));
	assert_int_equal(error_last()->kind, ERR_INTERNAL);
	error_clear();
	assert_false(fiber_cancelled());
	fiber_cancel_reset();
	fiber_yield();
	assert_true(fiber_deadline() == TIME_NEVER);
	assert_true(fiber_deadline_narrow(5) == TIME_NEVER);
	assert_true(fiber_deadline() == TIME_NEVER);
	fiber_deadline_restore(5);
	assert_true(fiber_deadline() == TIME_NEVER);
	assert_int_equal(offload(note_self, &where), 0);
	assert_true(pthread_equal(where, pthread_self()));
	assert_int_equal(offload_if_big(1u << 30, note_self, &where), 0);
	fiber_on_thread_stack(note_self, &where);
	SEEN(2, 2, 2);
	before = clock_mono_ms();
	assert_in_range(turn_ms(), before, before + 1000);
}

/* ---- waking ---- */

static struct fiber *parked;

static void parks_twice(void *arg)
{
	(void)arg;
	note(10 + kind_of(fiber_park()));
	note(20 + kind_of(fiber_park()));
}

static void wakes_early(void *arg)
{
	(void)arg;
	parked = fiber_spawn("parks", parks_twice, NULL);
	fiber_wake(parked); /* before it ever ran: its first park returns at once, once */
	fiber_wake(parked);
	fiber_yield();
	fiber_yield();
	note(1);
	fiber_wake(parked);
	fiber_yield();
	fiber_yield();
}

static void test_a_wake_before_the_park_counts_once(void **state)
{
	(void)state;
	run(wakes_early);
	SEEN(10, 1, 20);
}

static void cancelled_first(void *arg)
{
	(void)arg;
	fiber_cancel(fiber_self());
	fiber_wake(fiber_self());
	note(kind_of(fiber_park())); /* cancelled although woken */
	note(kind_of(fiber_park())); /* and again */
	note(kind_of(fiber_sleep(1)));
	note(fiber_cancelled());
	fiber_cancel_reset();
	note(fiber_cancelled());
	note(kind_of(fiber_park())); /* the wake is still there */
	note(kind_of(fiber_sleep(1)));
}

static void test_cancellation_is_sticky_until_it_is_reset(void **state)
{
	(void)state;
	run(cancelled_first);
	SEEN(ERR_CANCELLED, ERR_CANCELLED, ERR_CANCELLED, 1, 0, 0, 0);
}

static void sleeps_long(void *arg)
{
	(void)arg;
	note(kind_of(fiber_sleep(60000)));
}

static void cancels_while_asleep(void *arg)
{
	struct fiber *f = fiber_spawn("sleeps", sleeps_long, NULL);

	(void)arg;
	fiber_yield();
	fiber_yield();
	fiber_wake(f); /* wakes without a reason do not end a sleep */
	fiber_yield();
	fiber_yield();
	note(1);
	fiber_wake(f);
	fiber_cancel(f);
}

static void test_a_sleep_ends_by_cancellation_not_by_a_wake(void **state)
{
	(void)state;
	run(cancels_while_asleep);
	SEEN(1, ERR_CANCELLED);
}

static void sleeps_a_little(void *arg)
{
	(void)arg;
	note(kind_of(fiber_sleep(10)));
	note(kind_of(fiber_sleep(1)));
}

static void cancels_too_late(void *arg)
{
	struct fiber *f = fiber_spawn("sleeps", sleeps_a_little, NULL);

	(void)arg;
	fiber_yield();
	fiber_yield();
	usleep(30000); /* its time is over, but it did not get its turn */
	fiber_cancel(f);
}

static void test_a_sleep_that_is_cancelled_at_its_very_end_is_cancelled(void **state)
{
	(void)state;
	run(cancels_too_late);
	SEEN(ERR_CANCELLED, ERR_CANCELLED);
}

/* ---- deadlines ---- */

static void deadlines(void *arg)
{
	uint64_t now = clock_mono_ms(), outer, inner;

	(void)arg;
	outer = fiber_deadline_narrow(now + 60000);
	note(outer == TIME_NEVER);
	inner = fiber_deadline_narrow(now + 90000); /* never wider */
	note(inner == now + 60000);
	note(fiber_deadline() == now + 60000);
	inner = fiber_deadline_narrow(now + 60000);
	note(fiber_deadline() == now + 60000);
	note(kind_of(fiber_sleep(
		2))); /* the sleep's own end is no failure, and no narrower deadline stays */
	note(fiber_deadline() == now + 60000);
	fiber_deadline_restore(inner);
	fiber_deadline_restore(outer);
	note(fiber_deadline() == TIME_NEVER);
	outer = fiber_deadline_narrow(0);
	note(kind_of(fiber_park())); /* past: at once */
	note(kind_of(fiber_sleep(60000)));
	note(kind_of(fiber_sleep(0))); /* nothing to wait for */
	fiber_deadline_restore(outer);
	outer = fiber_deadline_narrow(clock_mono_ms() + 5);
	note(kind_of(fiber_sleep(60000)));
	fiber_deadline_restore(outer);
	note(kind_of(fiber_sleep(1)));
}

static void test_deadlines_nest_and_strike_at_their_time(void **state)
{
	(void)state;
	run(deadlines);
	SEEN(1, 1, 1, 1, 0, 1, 1, ERR_DEADLINE, ERR_DEADLINE, 0, ERR_DEADLINE, 0);
}

static uint64_t struck_at;

static void short_sleep(void *arg)
{
	(void)arg;
	note(kind_of(fiber_sleep(30)));
	note(9);
}

static void moved(void *arg)
{
	uint64_t begin = clock_mono_ms(), before = fiber_deadline_narrow(begin + 20);

	(void)arg;
	fiber_spawn("short", short_sleep, NULL);
	fiber_wake(fiber_self());
	note(kind_of(fiber_park()));
	fiber_deadline_restore(before);
	before = fiber_deadline_narrow(begin + 10);
	note(kind_of(fiber_park()));
	fiber_deadline_restore(before);
	before = fiber_deadline_narrow(begin + 60);
	note(kind_of(fiber_park()));
	struck_at = clock_mono_ms() - begin;
	fiber_deadline_restore(before);
}

static void test_a_deadline_that_moved_strikes_neither_early_nor_never(void **state)
{
	(void)state;
	run(moved);
	SEEN(0, ERR_DEADLINE, 0, 9, ERR_DEADLINE);
	assert_true(struck_at >= 60);
}

/* ---- turns ---- */

static void three_turns(void *arg)
{
	for (int i = 0; i < 3; i++) {
		note((int)(intptr_t)arg * 10 + i);
		fiber_yield();
	}
}

static void spawns_two(void *arg)
{
	(void)arg;
	fiber_spawn("a", three_turns, (void *)1);
	fiber_spawn("b", three_turns, (void *)2);
	note(0);
}

static void test_fibers_run_in_the_order_in_which_they_became_runnable(void **state)
{
	(void)state;
	run(spawns_two);
	SEEN(0, 10, 20, 11, 21, 12, 22);
}

static size_t most;
static int ended;

static void waits_a_moment(void *arg)
{
	(void)arg;
	if (fiber_sleep(5) == 0)
		ended++;
}

static void spawns_many(void *arg)
{
	(void)arg;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 600; i++)
			if (!fiber_spawn("many", waits_a_moment, NULL))
				return;
		most = fiber_count();
		while (fiber_count() > 1)
			fiber_sleep(2);
	}
}

static void test_more_fibers_than_stacks_are_kept(void **state)
{
	(void)state;
	ended = 0;
	run(spawns_many);
	assert_int_equal(most, 601);
	assert_int_equal(ended, 1800);
}

#ifdef SIGNET_FAULTS
static void no_stack(void *arg)
{
	(void)arg;
	fault_setup("stack");
	note(fiber_spawn("none", sleeps_long, NULL) == NULL);
	note((int)error_last()->kind);
	note((int)fiber_count());
	note(fiber_spawn("some", short_sleep, NULL) != NULL);
	fault_setup(NULL);
}

static void test_no_memory_for_a_stack_is_an_error(void **state)
{
	(void)state;
	run(no_stack);
	SEEN(1, ERR_OUT_OF_MEMORY, 1, 1, 0, 9);
}

static void refused_work(void *arg)
{
	(void)arg;
	fault_setup("offload");
	note(kind_of(offload(sleeps_long, NULL)));
	note((int)offload_queued());
	fault_setup(NULL);
}

static void test_a_pool_that_refuses_is_an_error(void **state)
{
	(void)state;
	run(refused_work);
	SEEN(ERR_INTERNAL, 0);
}
#endif

/* ---- other threads ---- */

static pthread_t work_thread;
static size_t queued_then;

static void work(void *arg)
{
	(void)arg;
	work_thread = pthread_self();
	queued_then = offload_queued();
	usleep(30000);
	fail(ERR_STORE, "said by the work");
}

static void offloads(void *arg)
{
	uint64_t before = fiber_deadline_narrow(clock_mono_ms() + 5);

	(void)arg;
	fiber_cancel(fiber_self());
	note(offload(work, NULL)); /* neither shortens it */
	note((int)error_last()->kind);
	note(bytes_eq(error_last()->message, B("said by the work")));
	note(pthread_equal(work_thread, pthread_self()) ? 1 : 0);
	note((int)offload_queued());
	fiber_deadline_restore(before);
	note(kind_of(fiber_park()));
}

static void test_work_on_another_thread_is_waited_for_whatever_happens(void **state)
{
	(void)state;
	run(offloads);
	SEEN(0, ERR_STORE, 1, 0, 0, ERR_CANCELLED);
	assert_in_range(queued_then, 0, 1);
}

static void by_size(void *arg)
{
	pthread_t at;

	(void)arg;
	offload_if_big(OFFLOAD_BYTES, note_self, &at);
	note(pthread_equal(at, pthread_self()) != 0);
	offload_if_big(OFFLOAD_BYTES + 1, note_self, &at);
	note(pthread_equal(at, pthread_self()) != 0);
	fiber_on_thread_stack(note_self, &at);
	note(pthread_equal(at, pthread_self()) != 0);
}

static void test_only_large_work_leaves_the_thread(void **state)
{
	(void)state;
	run(by_size);
	/* here: in the fiber; there: no fiber; on this thread's own stack the fiber is still the one that runs */
	assert_int_equal(nseen, 6);
	assert_int_equal(seen[0], 1);
	assert_int_equal(seen[1], 1);
	assert_int_equal(seen[2], 2);
	assert_int_equal(seen[3], 0);
	assert_int_equal(seen[5], 1);
}

/* ---- loops ---- */

struct posted {
	struct loop_task task;
	int number;
};

static void on_posted(struct loop_task *t)
{
	note(((struct posted *)(void *)t)->number);
}

static struct posted tasks[6];
static struct loop_task later;

static void on_later(struct loop_task *t)
{
	(void)t;
	note(100);
}

static void *posts(void *arg)
{
	(void)arg;
	for (int i = 3; i < 6; i++) {
		usleep(3000); /* the loop sleeps between */
		loop_post(loop, &tasks[i].task);
	}
	return NULL;
}

static void waits_for_posts(void *arg)
{
	pthread_t t;

	(void)arg;
	for (int i = 0; i < 6; i++)
		tasks[i] = (struct posted){ { .fn = on_posted }, i };
	later.fn = on_later;
	loop_defer(loop, &later); /* at the end of this turn, before what was posted is heard */
	for (int i = 0; i < 3; i++)
		loop_post(loop, &tasks[i].task);
	note(50);
	pthread_create(&t, NULL, posts, NULL);
	while (nseen < 8)
		fiber_sleep(1);
	pthread_join(t, NULL);
}

static void test_posted_tasks_run_in_their_order_and_deferred_ones_at_the_turns_end(void **state)
{
	(void)state;
	run(waits_for_posts);
	SEEN(50, 100, 0, 1, 2, 3, 4, 5);
}

static double lag;

static void holds_the_loop(void *arg)
{
	(void)arg;
	fiber_sleep(1);
	usleep(40000);
	fiber_sleep(1);
	lag = loop_lag_seconds(loop);
	fiber_sleep(1);
}

static void test_the_longest_turn_is_known(void **state)
{
	(void)state;
	run(holds_the_loop);
	assert_true(lag >= 0.04);
	assert_true(lag < 10);
}

static void holds_the_loop_once(void *arg)
{
	(void)arg;
	fiber_sleep(1);
	usleep(40000);
	for (int i = 0; i < 5; i++)
		fiber_sleep(2);
	lag = loop_lag_seconds(loop);
}

/* For 10 s it stays, whatever turns follow. */
static void test_shorter_turns_do_not_hide_it(void **state)
{
	(void)state;
	run(holds_the_loop_once);
	assert_true(lag >= 0.04);
}

enum { DEEP = 400 };
static char *stack_of[DEEP];
static size_t nstacks;

static void tells_its_stack(void *arg)
{
	(void)arg;
	stack_of[nstacks++] = __builtin_frame_address(0);
	fiber_sleep(20);
}

static void starts_many(void *arg)
{
	(void)arg;
	for (int i = 0; i < DEEP; i++)
		assert_non_null(fiber_spawn("stack", tells_its_stack, NULL));
}

/* How many of them are memory of the process still. */
static size_t stacks_there(void)
{
	size_t n = 0, size = (size_t)sysconf(_SC_PAGESIZE);

	for (int i = 0; i < DEEP; i++)
		n += !msync((void *)((uintptr_t)stack_of[i] & ~(size - 1)), size, MS_ASYNC);
	return n;
}

/* All but those that are kept for the next ones; at the loop's end all. */
static void test_stacks_are_given_back_whole(void **state)
{
	(void)state;
	nstacks = 0;
	run(starts_many);
	assert_int_equal(nstacks, DEEP);
	assert_int_equal(stacks_there(), 0);
}

static uint64_t turn_before, turn_after, turn_later;

static void keeps_its_time(void *arg)
{
	(void)arg;
	turn_before = turn_ms();
	usleep(10000);
	turn_after = turn_ms(); /* one turn, one time */
	fiber_yield();
	turn_later = turn_ms();
}

static void test_a_turn_has_one_time(void **state)
{
	(void)state;
	run(keeps_its_time);
	assert_true(turn_before == turn_after);
	assert_true(turn_later >= turn_before + 10);
}

static struct fiber *sleeper;

static void sleep_and_wait(void *arg)
{
	(void)arg;
	sleeper = fiber_self();
	note(kind_of(fiber_sleep(5)));
	note(kind_of(fiber_park()));
}

static void wake_late(void *arg)
{
	(void)arg;
	fiber_spawn("sleeper", sleep_and_wait, NULL);
	note(kind_of(fiber_sleep(1500)));
	fiber_wake(sleeper);
}

/* A timer is armed once and fires once: a loop whose fibers wait uses no processor. */
static void test_waiting_costs_nothing(void **state)
{
	uint64_t before = clock_thread_cpu_ns(), used;

	(void)state;
	run(wake_late);
	used = clock_thread_cpu_ns() - before;
	SEEN(0, 0, 0);
	if (used > 8000000)
		fail_msg("%" PRIu64 " us of processor time", used / 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_loop_work_is_done_at_once),
		cmocka_unit_test(test_a_wake_before_the_park_counts_once),
		cmocka_unit_test(test_waiting_costs_nothing),
		cmocka_unit_test(test_cancellation_is_sticky_until_it_is_reset),
		cmocka_unit_test(test_a_sleep_ends_by_cancellation_not_by_a_wake),
		cmocka_unit_test(test_a_sleep_that_is_cancelled_at_its_very_end_is_cancelled),
		cmocka_unit_test(test_deadlines_nest_and_strike_at_their_time),
		cmocka_unit_test(test_a_deadline_that_moved_strikes_neither_early_nor_never),
		cmocka_unit_test(test_fibers_run_in_the_order_in_which_they_became_runnable),
		cmocka_unit_test(test_more_fibers_than_stacks_are_kept),
#ifdef SIGNET_FAULTS
		cmocka_unit_test(test_no_memory_for_a_stack_is_an_error),
		cmocka_unit_test(test_a_pool_that_refuses_is_an_error),
#endif
		cmocka_unit_test(test_work_on_another_thread_is_waited_for_whatever_happens),
		cmocka_unit_test(test_only_large_work_leaves_the_thread),
		cmocka_unit_test(
			test_posted_tasks_run_in_their_order_and_deferred_ones_at_the_turns_end),
		cmocka_unit_test(test_the_longest_turn_is_known),
		cmocka_unit_test(test_shorter_turns_do_not_hide_it),
		cmocka_unit_test(test_stacks_are_given_back_whole),
		cmocka_unit_test(test_a_turn_has_one_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
