/*
 * Fibers and loops.
 *
 * Each fiber runs on an mmapped stack with a guard page below it and is switched by Boost.Context. The
 * scheduler is the thread's own stack inside loop_run(): it resumes runnable fibers until none is left,
 * then lets libuv wait. A fiber that parks jumps back to the scheduler, never to another fiber, so that
 * engines that need the thread's own stack (fiber_on_thread_stack) simply run there.
 *
 * Deadlines are lazy: a fiber's timer is armed only when it would have to fire earlier than it already
 * would; one that fires too early arms itself anew. A request that waits ten times with distant deadlines
 * therefore costs no timer operation at all.
 *
 * The sanitizers are told of every switch. ASan: start_switch before, finish_switch after, with the bounds
 * of the stack that is entered; the scheduler's bounds are learnt at the first finish.
 */
#include "fiber/fiber.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/thread.h"
#include "fiber/loop.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define WITH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef WITH_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* The two symbols of Boost.Context (libboost_context.a), which have no C header. */
typedef struct {
	void *context, *data;
} transfer;
extern transfer jump_fcontext(void *to, void *data);
extern void *make_fcontext(void *stack_top, size_t size, void (*fn)(transfer));

/* Sanitized frames are some three times as large. */
#if defined(WITH_ASAN) || defined(WITH_TSAN)
#define STACK_SIZE (256u * 1024)
#else
#define STACK_SIZE (64u * 1024)
#endif
#define SPARE_STACKS 256
#define WINDOW_MS    10000 /* how often a loop looks whether it needs what it keeps */
#define FEW          50    /* fibers started in a window: fewer, and the loop is idle */
#define LAST_WINDOW  8     /* idle ones in a row: by then kept connections are closed, too */
#define SLOW_TURN_NS 20000000u

struct fiber {
	struct fiber *next; /* in the run queue */
	struct fiber *all_next, *all_prev;
	struct loop *loop;
	void *context; /* where it waits */
	char *stack;   /* lowest usable address, above the guard page */
	const char *name;
	fiber_fn *fn;
	void *arg;
	struct error error;
	uint64_t deadline; /* clock_mono_ms() */
	uint64_t armed;    /* when the timer will fire; TIME_NEVER = not armed */
	uv_timer_t timer;
	bool queued, woken, parked, cancelled, dead;
	struct uuid request;
	void (*on_thread)(void *); /* to be run by the scheduler in its place */
	void *on_thread_arg;
#ifdef WITH_ASAN
	void *fake_stack;
#endif
#ifdef WITH_TSAN
	void *tsan;
#endif
};

struct loop {
	uv_loop_t uv;
	uv_async_t async;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t idle; /* keeps the loop from sleeping while fibers are runnable */
	_Atomic(struct loop_task *) tasks;
	atomic_bool asleep; /* in, or on its way into, the wait: whoever posts must ring */
	struct loop_task *deferred;
	struct fiber *run_head, *run_tail; /* runnable */
	struct fiber *fibers;              /* all alive */
	struct fiber *current;
	struct fiber *spare; /* dead ones with their stacks */
	size_t nspare;
	uv_timer_t window;
	size_t alive, most_alive, started; /* fibers: now; the most and all of this window */
	unsigned idle_windows;
	bool window_open;
	void *context; /* the scheduler, while a fiber runs */
	int worker;
	bool stopping, running, idle_on;
	uint64_t now_ms; /* turn_ms() while fibers run */
	uint64_t turn_began;
	atomic_uint_fast64_t lag_ns, lag_at;
#ifdef WITH_ASAN
	void *fake_stack;
	const void *bottom;
	size_t size;
#endif
#ifdef WITH_TSAN
	void *tsan;
#endif
};

static _Thread_local struct loop *this_loop;
static atomic_size_t alive;

size_t fiber_count(void)
{
	return atomic_load(&alive);
}

struct fiber *fiber_self(void)
{
	return this_loop ? this_loop->current : NULL;
}

struct uuid *fiber_request(struct fiber *f)
{
	return &f->request;
}

/* ---- switching ---- */

/* From the scheduler into a fiber, until it parks or ends. */
static void resume(struct loop *l, struct fiber *f)
{
	transfer t;

	l->current = f;
	error_context_swap(&f->error);
#ifdef WITH_ASAN
	__sanitizer_start_switch_fiber(&l->fake_stack, f->stack, STACK_SIZE);
#endif
#ifdef WITH_TSAN
	__tsan_switch_to_fiber(f->tsan, 0);
#endif
	t = jump_fcontext(f->context, f);
#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(l->fake_stack, NULL, NULL);
#endif
	f->context = t.context;
	error_context_swap(NULL);
	l->current = NULL;
}

/* From a fiber back to the scheduler. */
static void suspend(struct fiber *f)
{
	struct loop *l = f->loop;
	transfer t;

#ifdef WITH_ASAN
	__sanitizer_start_switch_fiber(f->dead ? NULL : &f->fake_stack, l->bottom, l->size);
#endif
#ifdef WITH_TSAN
	__tsan_switch_to_fiber(l->tsan, 0);
#endif
	t = jump_fcontext(l->context, NULL);
	l->context = t.context;
#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(f->fake_stack, &l->bottom, &l->size);
#endif
}

static void entry(transfer t)
{
	struct fiber *f = t.data;

	f->loop->context = t.context;
#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(NULL, &f->loop->bottom, &f->loop->size);
#endif
	f->fn(f->arg);
	f->dead = true;
	suspend(f);
	abort(); /* a dead fiber is never resumed */
}

/* ---- stacks ---- */

static size_t page(void)
{
	static _Thread_local size_t size;

	if (!size)
		size = (size_t)sysconf(_SC_PAGESIZE);
	return size;
}

static char *stack_new(void)
{
	char *base;

	if (fault("stack"))
		return NULL;
	base = mmap(NULL, STACK_SIZE + page(), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return NULL;
	if (mprotect(base, page(), PROT_NONE)) {
		munmap(base, STACK_SIZE + page());
		return NULL;
	}
	return base + page();
}

static void fiber_free(struct fiber *f)
{
#ifdef WITH_TSAN
	__tsan_destroy_fiber(f->tsan);
#endif
#ifdef WITH_ASAN /* its last frames never returned, and whoever maps this memory next may write to all of it */
	__asan_unpoison_memory_region(f->stack, STACK_SIZE);
#endif
	munmap(f->stack - page(), STACK_SIZE + page());
	free(f);
}

/* ---- what an idle loop keeps ---- */

static void timer_closed(uv_handle_t *h)
{
	fiber_free(h->data);
}

static void close_spares(struct loop *l, size_t keep)
{
	while (l->nspare > keep) {
		struct fiber *f = l->spare;

		l->spare = f->all_next;
		l->nspare--;
		uv_close((uv_handle_t *)&f->timer, timer_closed);
	}
}

/* Stacks that were not needed lately go, and when little was done the heap's free pages do, too: once at the beginning of
 * idleness, once at its end, after which nothing wakes the loop any more. */
static void on_window(uv_timer_t *t)
{
	struct loop *l = t->data;

	close_spares(l, l->most_alive > l->alive ? l->most_alive - l->alive : 0);
	l->idle_windows = l->started < FEW ? l->idle_windows + 1 : 0;
	if (l->idle_windows == 1 || l->idle_windows == LAST_WINDOW)
		thread_give_back(NULL, NULL);
	l->most_alive = l->alive;
	l->started = 0;
	if (l->idle_windows < LAST_WINDOW)
		return;
	l->window_open = false;
	uv_timer_stop(&l->window);
}

static void count_fiber(struct loop *l)
{
	l->started++;
	if (++l->alive > l->most_alive)
		l->most_alive = l->alive;
	if (l->window_open || l->started < FEW)
		return;
	l->window_open = true;
	l->idle_windows = 0;
	uv_timer_start(&l->window, on_window, WINDOW_MS, WINDOW_MS);
}

/* ---- the run queue ---- */

static void enqueue(struct fiber *f)
{
	struct loop *l = f->loop;

	if (f->queued)
		return;
	f->queued = true;
	f->next = NULL;
	if (l->run_tail)
		l->run_tail->next = f;
	else
		l->run_head = f;
	l->run_tail = f;
}

static void bury(struct loop *l, struct fiber *f)
{
	if (f->all_prev)
		f->all_prev->all_next = f->all_next;
	else
		l->fibers = f->all_next;
	if (f->all_next)
		f->all_next->all_prev = f->all_prev;
	error_slot_deinit(&f->error);
	atomic_fetch_sub_explicit(&alive, 1, memory_order_relaxed);
	l->alive--;
	if (l->nspare < SPARE_STACKS) { /* its timer stays open and disarmed with the spare one */
		uv_timer_stop(&f->timer);
		f->all_next = l->spare;
		l->spare = f;
		l->nspare++;
	} else {
		uv_close((uv_handle_t *)&f->timer, timer_closed);
	}
}

/* Runs what is runnable now; what becomes runnable meanwhile waits for the next turn of libuv, so that
 * fibers that wake each other do not starve the sockets. */
static void run_fibers(struct loop *l)
{
	struct fiber *last = l->run_tail;
	uint64_t began, now;

	if (!last)
		return;
	began = clock_mono_ns();
	l->now_ms = began / 1000000;
	while (l->run_head) {
		struct fiber *f = l->run_head;

		l->run_head = f->next;
		if (!l->run_head)
			l->run_tail = NULL;
		f->queued = false;
		resume(l, f);
		while (f->on_thread) { /* asked for this thread's stack: run it, go on with the fiber */
			void (*fn)(void *) = f->on_thread;

			f->on_thread = NULL;
			error_context_swap(&f->error);
			fn(f->on_thread_arg);
			error_context_swap(NULL);
			l->now_ms = clock_mono_ms();
			resume(l, f);
		}
		now = clock_mono_ns();
		if (now - began > SLOW_TURN_NS)
			log_warn("fiber", "a fiber held its loop", LS("fiber", f->name),
				 LI("worker", l->worker), LR("ms", (double)(now - began) / 1e6));
		began = now;
		l->now_ms = now / 1000000;
		if (f->dead)
			bury(l, f);
		if (f == last)
			break;
	}
}

uint64_t turn_ms(void)
{
	struct loop *l = this_loop;

	if (!l || !l->running)
		return clock_mono_ms();
	if (!l->current &&
	    uv_now(&l->uv) > l->now_ms) /* never back, though libuv's clock may be coarser */
		l->now_ms = uv_now(&l->uv);
	return l->now_ms;
}

/* ---- waiting ---- */

static void on_timer(uv_timer_t *t)
{
	struct fiber *f = t->data;
	uint64_t now = clock_mono_ms();

	f->armed = TIME_NEVER;
	if (!f->parked || f->deadline == TIME_NEVER)
		return;
	if (now >= f->deadline) {
		enqueue(f);
		return;
	}
	f->armed = f->deadline;
	uv_timer_start(&f->timer, on_timer, f->deadline - now, 0);
}

int fiber_park(void)
{
	struct fiber *f = fiber_self();
	uint64_t now;

	if (!f)
		return fail(ERR_INTERNAL, "a wait outside of a fiber");
	if (f->cancelled)
		return fail(ERR_CANCELLED, "cancelled");
	if (f->woken) {
		f->woken = false;
		return 0;
	}
	if (f->deadline < f->armed) {
		now = turn_ms();
		if (now >= f->deadline)
			return fail(ERR_DEADLINE, "timed out");
		f->armed = f->deadline;
		now = uv_now(&f->loop->uv); /* libuv counts from there, not from the turn */
		uv_timer_start(&f->timer, on_timer, f->deadline > now ? f->deadline - now : 0, 0);
	}
	f->parked = true;
	suspend(f);
	f->parked = false;
	if (f->woken) {
		f->woken = false;
		if (!f->cancelled)
			return 0;
	}
	if (f->cancelled)
		return fail(ERR_CANCELLED, "cancelled");
	if (f->deadline != TIME_NEVER && turn_ms() >= f->deadline)
		return fail(ERR_DEADLINE, "timed out");
	return 0;
}

void fiber_wake(struct fiber *f)
{
	f->woken = true;
	if (f->parked)
		enqueue(f);
}

void fiber_yield(void)
{
	struct fiber *f = fiber_self();

	if (!f)
		return;
	enqueue(f);
	suspend(f);
}

int fiber_sleep(uint64_t ms)
{
	uint64_t until = clock_mono_ms() + ms, before = fiber_deadline_narrow(until);
	int r = 0;

	while (r == 0 && clock_mono_ms() < until)
		r = fiber_park();
	fiber_deadline_restore(before);
	if (r && error_last()->kind == ERR_DEADLINE && clock_mono_ms() >= until)
		r = before <= until ? r : 0;
	return r;
}

void fiber_cancel(struct fiber *f)
{
	f->cancelled = true;
	if (f->parked)
		enqueue(f);
}

bool fiber_cancelled(void)
{
	struct fiber *f = fiber_self();

	return f && f->cancelled;
}

void fiber_cancel_reset(void)
{
	struct fiber *f = fiber_self();

	if (f)
		f->cancelled = false;
}

uint64_t fiber_deadline(void)
{
	struct fiber *f = fiber_self();

	return f ? f->deadline : TIME_NEVER;
}

uint64_t fiber_deadline_narrow(uint64_t at)
{
	struct fiber *f = fiber_self();
	uint64_t before = fiber_deadline();

	if (f && at < before)
		f->deadline = at;
	return before;
}

void fiber_deadline_restore(uint64_t at)
{
	struct fiber *f = fiber_self();

	if (f)
		f->deadline = at;
}

struct fiber *fiber_spawn(const char *name, fiber_fn *fn, void *arg)
{
	struct loop *l = this_loop;
	struct fiber *f;

	if (!l)
		return fail_null(ERR_INTERNAL, "a fiber outside of a loop");
	f = l->spare;
	if (f) {
		l->spare = f->all_next;
		l->nspare--;
	} else {
		f = calloc(1, sizeof *f);
		if (!f)
			return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
		f->stack = stack_new();
		if (!f->stack) {
			free(f);
			return fail_null(ERR_OUT_OF_MEMORY, "no memory for a fiber's stack");
		}
#ifdef WITH_TSAN
		f->tsan = __tsan_create_fiber(0);
#endif
		uv_timer_init(&l->uv, &f->timer);
		uv_unref((uv_handle_t *)&f->timer);
		f->timer.data = f;
	}
#ifdef WITH_ASAN
	__asan_unpoison_memory_region(f->stack, STACK_SIZE);
	f->fake_stack = NULL;
#endif
	f->loop = l;
	f->name = name;
	f->fn = fn;
	f->arg = arg;
	f->deadline = f->armed = TIME_NEVER;
	f->queued = f->woken = f->parked = f->cancelled = f->dead = false;
	f->on_thread = NULL;
	f->request = (struct uuid){ 0 };
	f->error = (struct error){ 0 };
	f->context = make_fcontext(f->stack + STACK_SIZE, STACK_SIZE, entry);
	f->all_prev = NULL;
	f->all_next = l->fibers;
	if (l->fibers)
		l->fibers->all_prev = f;
	l->fibers = f;
	atomic_fetch_add_explicit(&alive, 1, memory_order_relaxed);
	count_fiber(l);
	enqueue(f);
	return f;
}

/* ---- other stacks, other threads ---- */

void fiber_on_thread_stack(void (*fn)(void *), void *arg)
{
	struct fiber *f = fiber_self();

	if (!f) {
		fn(arg);
		return;
	}
	f->on_thread_arg = arg;
	f->on_thread = fn;
	suspend(f);
}

__attribute__((constructor)) static void show_the_way(void)
{
	thread_own_stack = fiber_on_thread_stack;
}

void fiber_hold(void)
{
	struct fiber *f = fiber_self();

	f->parked = true;
	suspend(f);
	f->parked = false;
}

/* ---- loops ---- */

static void run_tasks(struct loop *l)
{
	struct loop_task *t = atomic_exchange(&l->tasks, NULL), *in_order = NULL;

	while (t) { /* pushed like a stack: turn round */
		struct loop_task *next = t->next;

		t->next = in_order;
		in_order = t;
		t = next;
	}
	while (in_order) {
		t = in_order;
		in_order = t->next;
		t->fn(t);
	}
}

void loop_post(struct loop *l, struct loop_task *t)
{
	struct loop_task *head = atomic_load(&l->tasks);

	do
		t->next = head;
	while (!atomic_compare_exchange_weak(&l->tasks, &head, t));
	/* A loop that is awake looks at its tasks before it sleeps: the bell (two system calls, one on each side) is for
	 * one that does not. An earlier task has rung it already. */
	if (!head && atomic_load(&l->asleep))
		uv_async_send(&l->async);
}

void loop_defer(struct loop *l, struct loop_task *t)
{
	t->next = l->deferred;
	l->deferred = t;
}

static void run_deferred(struct loop *l)
{
	struct loop_task *t = l->deferred;

	l->deferred = NULL;
	while (t) {
		struct loop_task *next = t->next;

		t->fn(t);
		t = next;
	}
}

static void on_async(uv_async_t *a)
{
	run_tasks(a->data);
}

static void note_turn(struct loop *l)
{
	uint64_t now = clock_mono_ns(), took;

	if (!l->turn_began)
		return;
	took = now - l->turn_began;
	if (took > atomic_load_explicit(&l->lag_ns, memory_order_relaxed) ||
	    now - atomic_load_explicit(&l->lag_at, memory_order_relaxed) > 10000000000u) {
		atomic_store_explicit(&l->lag_ns, took, memory_order_relaxed);
		atomic_store_explicit(&l->lag_at, now, memory_order_relaxed);
	}
}

static void on_idle(uv_idle_t *i)
{
	(void)i;
}

/* Says that from now on a bell is needed, then looks once more: a task that came before that was heard by nobody. It
 * stays said while they run: what they or others post meanwhile must ring, for nobody looks again before the wait. */
static void fall_asleep(struct loop *l)
{
	atomic_store(&l->asleep, true);
	run_tasks(l);
}

/* Before libuv waits: fibers run; if some are runnable still, libuv must not sleep. */
static void on_prepare(uv_prepare_t *p)
{
	struct loop *l = p->data;

	run_fibers(l);
	run_deferred(l);
	fall_asleep(l);
	if (l->run_head && !l->idle_on) {
		uv_idle_start(&l->idle, on_idle);
		l->idle_on = true;
	} else if (!l->run_head && l->idle_on) {
		uv_idle_stop(&l->idle);
		l->idle_on = false;
	}
	if (l->stopping && !l->fibers)
		uv_stop(&l->uv);
	note_turn(l);
}

static void on_check(uv_check_t *c)
{
	struct loop *l = c->data;

	atomic_store(&l->asleep, false);
	l->turn_began = clock_mono_ns();
	run_tasks(l);
}

struct loop *loop_new(int worker)
{
	struct loop *l = calloc(1, sizeof *l);

	if (!l)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	l->worker = worker;
	if (uv_loop_init(&l->uv)) {
		free(l);
		return fail_null(ERR_IO, "cannot make an event loop: %s", strerror(errno));
	}
	uv_async_init(&l->uv, &l->async, on_async);
	uv_prepare_init(&l->uv, &l->prepare);
	uv_check_init(&l->uv, &l->check);
	uv_idle_init(&l->uv, &l->idle);
	uv_timer_init(&l->uv, &l->window);
	uv_unref((uv_handle_t *)&l->window);
	l->window.data = l;
	l->async.data = l->prepare.data = l->check.data = l->idle.data = l;
	uv_prepare_start(&l->prepare, on_prepare);
	uv_check_start(&l->check, on_check);
	this_loop = l;
	return l;
}

void loop_run(struct loop *l)
{
	this_loop = l;
#ifdef WITH_TSAN
	l->tsan = __tsan_get_current_fiber();
#endif
	l->running = true;
	while (!l->stopping || l->fibers || l->run_head)
		uv_run(&l->uv, UV_RUN_DEFAULT);
	l->running = false;
}

void loop_stop(struct loop *l)
{
	l->stopping = true;
	uv_stop(&l->uv);
}

static void close_handle(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

void loop_free(struct loop *l)
{
	struct fiber *f;

	if (!l)
		return;
	run_tasks(l);
	uv_walk(&l->uv, close_handle, NULL);
	while (uv_run(&l->uv, UV_RUN_DEFAULT))
		;
	while ((f = l->spare)) {
		l->spare = f->all_next;
		fiber_free(f);
	}
	uv_loop_close(&l->uv);
	if (this_loop == l)
		this_loop = NULL;
	free(l);
}

struct loop *loop_self(void)
{
	return this_loop;
}

uv_loop_t *loop_uv(struct loop *l)
{
	return &l->uv;
}

double loop_lag_seconds(const struct loop *l)
{
	return (double)atomic_load_explicit(&l->lag_ns, memory_order_relaxed) / 1e9;
}
