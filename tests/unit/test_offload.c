/*
 * Pools of threads: kinds of work never wait for each other, a pool runs as many at once as it has threads, those who wait may
 * leave and those that run may not, and a thread that cannot be had is told where the pool is made.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "base/error.h"
#include "base/fault.h"
#include "fiber/loop.h"
#include "fiber/offload.h"
#include "unit.h"

/* A door that holds threads until it is opened. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool open;
	unsigned inside, most, passed;
} door = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void pass(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&door.lock);
	if (++door.inside > door.most)
		door.most = door.inside;
	pthread_cond_broadcast(&door.changed);
	while (!door.open)
		pthread_cond_wait(&door.changed, &door.lock);
	door.inside--;
	door.passed++;
	pthread_mutex_unlock(&door.lock);
}

static void door_open(bool open)
{
	pthread_mutex_lock(&door.lock);
	door.open = open;
	if (!open)
		door.inside = door.most = door.passed = 0;
	pthread_cond_broadcast(&door.changed);
	pthread_mutex_unlock(&door.lock);
}

static void wait_inside(unsigned n)
{
	pthread_mutex_lock(&door.lock);
	while (door.inside < n)
		pthread_cond_wait(&door.changed, &door.lock);
	pthread_mutex_unlock(&door.lock);
}

/* ---- fibers of a test's loop ---- */

struct scene {
	struct loop *loop;
	struct threads *threads;
	struct fiber *fibers[16];
	int results[16];
	enum error_kind errors[16];
	unsigned started, ended;
	void (*plot)(struct scene *);
};

static struct scene *scene; /* the one that is played */

static void play(struct loop_task *t);
static struct loop_task begin = { .fn = play };

static void plot_fiber(void *arg)
{
	struct scene *s = arg;

	s->plot(s);
	while (s->ended < s->started)
		fiber_sleep(1);
	loop_stop(s->loop);
}

static void play(struct loop_task *t)
{
	(void)t;
	assert_non_null(fiber_spawn("plot", plot_fiber, scene));
}

static void played(void (*plot)(struct scene *), unsigned threads)
{
	static struct scene s;

	s = (struct scene){ .plot = plot };
	scene = &s;
	door_open(false);
	s.threads = threads ? threads_new(B("test"), threads) : NULL;
	s.loop = loop_new(0);
	assert_non_null(s.loop);
	loop_post(s.loop, &begin);
	loop_run(s.loop);
	loop_free(s.loop);
	threads_free(s.threads);
}

static void on_pool(void *arg)
{
	struct scene *s = scene;
	size_t i = (size_t)(uintptr_t)arg;

	s->results[i] = threads_run(s->threads, pass, NULL);
	s->errors[i] = s->results[i] ? error_last()->kind : ERR_NONE;
	s->ended++;
}

static void start(struct scene *s, fiber_fn *fn)
{
	s->fibers[s->started] = fiber_spawn("work", fn, (void *)(uintptr_t)s->started);
	assert_non_null(s->fibers[s->started]);
	s->started++;
}

static void take_counts(const struct threads_counts *c, void *arg)
{
	struct threads_counts *out = arg;

	if (bytes_eq(c->name, B("test")))
		*out = *c;
}

static struct threads_counts counts(void)
{
	struct threads_counts c = { 0 };

	threads_each(take_counts, &c);
	return c;
}

/* ---- the scenes ---- */

static void ten_on_three(struct scene *s)
{
	struct threads_counts c;

	for (int i = 0; i < 10; i++)
		start(s, on_pool);
	fiber_yield();
	wait_inside(3);
	c = counts();
	assert_int_equal(c.threads, 3);
	assert_int_equal(c.running, 3);
	assert_int_equal(c.queued, 7);
	assert_int_equal(offload_queued(), 10);
	door_open(true);
}

static void test_a_pool_runs_as_many_at_once_as_it_has_threads(void **state)
{
	(void)state;
	played(ten_on_three, 3);
	assert_int_equal(door.most, 3);
	assert_int_equal(door.passed, 10);
	for (int i = 0; i < 10; i++)
		assert_int_equal(scene->results[i], 0);
	assert_int_equal(offload_queued(), 0);
}

static void on_names(void *unused)
{
	(void)unused;
	assert_int_equal(offload_to(OFFLOAD_NAMES, pass, NULL), 0);
	scene->ended++;
}

static void count_up(void *arg)
{
	(*(int *)arg)++;
}

static void kinds(struct scene *s)
{
	int done = 0;

	for (int i = 0; i < 12; i++)
		start(s, on_names);
	fiber_yield();
	wait_inside(8); /* all threads for names hang, and more names wait */
	assert_int_equal(offload(count_up, &done), 0);
	assert_int_equal(offload_if_big(OFFLOAD_BYTES + 1, count_up, &done), 0);
	assert_int_equal(offload_to(OFFLOAD_BODIES, count_up, &done), 0);
	assert_int_equal(done, 3);
	assert_int_equal(door.passed, 0);
	door_open(true);
}

static void test_work_of_one_kind_waits_for_no_other(void **state)
{
	(void)state;
	assert_int_equal(offload_start(), 0);
	played(kinds, 0);
	assert_int_equal(door.passed, 12);
}

static void with_deadline(void *arg)
{
	fiber_deadline_narrow(clock_mono_ms() + 20);
	on_pool(arg);
}

static void leavers(struct scene *s)
{
	start(s, on_pool); /* 0 runs */
	fiber_yield();
	wait_inside(1);
	start(s, on_pool);       /* 1 waits and is cancelled */
	start(s, with_deadline); /* 2 waits for too long */
	start(s, on_pool);       /* 3 waits to its end */
	fiber_yield();
	assert_int_equal(counts().queued, 3);
	fiber_cancel(s->fibers[1]);
	fiber_cancel(s->fibers[0]); /* it runs: it is waited for */
	while (s->ended < 2)
		fiber_sleep(1);
	assert_int_equal(counts().queued, 1);
	assert_int_equal(counts().running, 1);
	door_open(true);
}

static void test_who_waits_may_leave_and_what_runs_is_waited_for(void **state)
{
	(void)state;
	played(leavers, 1);
	assert_int_equal(scene->results[0], 0);
	assert_int_equal(scene->errors[1], ERR_CANCELLED);
	assert_int_equal(scene->errors[2], ERR_DEADLINE);
	assert_int_equal(scene->results[3], 0);
	assert_int_equal(door.passed, 2);
	assert_int_equal(offload_queued(), 0);
}

static void fails(void *unused)
{
	(void)unused;
	fail(ERR_SIGNER, "of the thread");
}

static void handed_over(struct scene *s)
{
	assert_int_equal(threads_run(s->threads, fails, NULL), 0);
	assert_int_equal(error_last()->kind, ERR_SIGNER);
	assert_true(bytes_eq(error_last()->message, B("of the thread")));
}

static void test_what_it_fails_with_becomes_the_fibers_error(void **state)
{
	(void)state;
	played(handed_over, 2);
}

static void test_outside_of_a_fiber_it_is_a_call(void **state)
{
	int done = 0;

	(void)state;
	assert_int_equal(threads_run(NULL, count_up, &done), 0);
	assert_int_equal(offload_to(OFFLOAD_NAMES, count_up, &done), 0);
	assert_int_equal(done, 2);
}

#ifdef SIGNET_FAULTS
static void test_a_thread_that_cannot_be_had_is_told_and_leaves_none(void **state)
{
	struct threads_counts c;

	(void)state;
	fault_setup("pool_thread:3");
	assert_null(threads_new(B("test"), 5));
	fault_setup(NULL);
	assert_int_equal(error_last()->kind, ERR_IO);
	assert_true(
		bytes_starts(error_last()->message, B("thread 3 of 5 for test cannot be had: ")));
	c = counts();
	assert_int_equal(c.threads, 0);
	error_clear();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_pool_runs_as_many_at_once_as_it_has_threads),
		cmocka_unit_test(test_work_of_one_kind_waits_for_no_other),
		cmocka_unit_test(test_who_waits_may_leave_and_what_runs_is_waited_for),
		cmocka_unit_test(test_what_it_fails_with_becomes_the_fibers_error),
		cmocka_unit_test(test_outside_of_a_fiber_it_is_a_call),
#ifdef SIGNET_FAULTS
		cmocka_unit_test(test_a_thread_that_cannot_be_had_is_told_and_leaves_none),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
