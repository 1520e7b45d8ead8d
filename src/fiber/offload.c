/*
 * Pools of threads (offload.h): a queue under a lock, threads that all exist from the beginning, and the way back to the
 * fiber through its loop's tasks. A thread that cannot be made is an error where the pool is made, never later.
 *
 * Trap: what is queued lives on its fiber's stack. Only who takes it out of the queue under the lock may leave; once a
 * thread has it, the fiber waits for its end, whatever its deadline says.
 */
#include "fiber/offload.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/process.h"
#include "base/thread.h"
#include "fiber/loop.h"

#define NAME_THREADS    8 /* they wait, and use no processor */
#define FILE_THREADS    4
#define BODIES_AT_LEAST 2
#define BODIES_AT_MOST  16

struct work {
	struct loop_task back; /* first: see over() */
	struct work *next;
	void (*fn)(void *);
	void *arg;
	struct loop *loop;
	struct fiber *fiber;
	struct error error; /* what fn failed with: handed over to the fiber */
	bool taken;         /* under the pool's lock */
	bool done;          /* on the loop's thread */
};

struct threads {
	struct threads *next; /* of all pools */
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct work *first, **last;
	size_t queued, most_queued;
	unsigned running, nthreads;
	bool ending;
	atomic_bool gives_way;
	pthread_t threads[THREADS_MAX];
	size_t name_len;
	char name[];
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER; /* of `pools` and `kinds` */
static struct threads *pools;
static struct threads *_Atomic kinds[OFFLOAD_KINDS];
static atomic_size_t waiting;

size_t offload_queued(void)
{
	return atomic_load(&waiting);
}

/* ---- a thread ---- */

static void over(struct loop_task *t)
{
	struct work *w = (struct work *)(void *)t;

	w->done = true;
	fiber_wake(w->fiber);
}

/* With the lock held; NULL: the pool ends. */
static struct work *take(struct threads *p)
{
	struct work *w;

	while (!p->first && !p->ending)
		pthread_cond_wait(&p->more, &p->lock);
	w = p->first;
	if (!w)
		return NULL;
	p->first = w->next;
	if (!p->first)
		p->last = &p->first;
	p->queued--;
	p->running++;
	w->taken = true;
	return w;
}

static void *thread_main(void *arg)
{
	struct threads *p = arg;
	struct work *w;
	bool gives_way = false;

	pthread_mutex_lock(&p->lock);
	while ((w = take(p))) {
		pthread_mutex_unlock(&p->lock);
		if (!gives_way && atomic_load(&p->gives_way)) {
			thread_give_way();
			gives_way = true;
		}
		error_context_swap(&w->error);
		w->fn(w->arg);
		error_context_swap(NULL);
		pthread_mutex_lock(&p->lock);
		p->running--; /* before its fiber goes on: who looks then finds no work */
		pthread_mutex_unlock(&p->lock);
		loop_post(w->loop, &w->back);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	error_slot_deinit(error_last());
	return NULL;
}

/* ---- a pool ---- */

static void threads_end(struct threads *p)
{
	pthread_mutex_lock(&p->lock);
	p->ending = true;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->nthreads; i++)
		pthread_join(p->threads[i], NULL);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->more);
	free(p);
}

struct threads *threads_new(struct bytes name, unsigned threads)
{
	struct threads *p = calloc(1, sizeof(*p) + name.n);

	if (!p)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	p->last = &p->first;
	p->name_len = name.n;
	memcpy(p->name, name.p, name.n);
	threads = threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : threads;
	while (p->nthreads < threads) {
		int e = fault("pool_thread")
				? EAGAIN
				: thread_start(&p->threads[p->nthreads], thread_main, p);

		if (e) {
			fail(ERR_IO,
			     "thread %u of %u for %.*s cannot be had: %s (see the limits of tasks and memory: ulimit -u, -v, TasksMax, pids.max)",
			     p->nthreads + 1, threads, BFMT(name), strerror(e));
			threads_end(p);
			return NULL;
		}
		p->nthreads++;
	}
	pthread_mutex_lock(&all_lock);
	p->next = pools;
	pools = p;
	pthread_mutex_unlock(&all_lock);
	return p;
}

void threads_free(struct threads *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&all_lock);
	for (struct threads **at = &pools; *at; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			break;
		}
	pthread_mutex_unlock(&all_lock);
	threads_end(p);
}

void threads_give_way(struct threads *p)
{
	atomic_store(&p->gives_way, true);
}

void threads_each(void (*fn)(const struct threads_counts *, void *), void *arg)
{
	pthread_mutex_lock(&all_lock);
	for (struct threads *p = pools; p; p = p->next) {
		struct threads_counts c = { .name = { p->name, p->name_len },
					    .threads = p->nthreads };

		pthread_mutex_lock(&p->lock);
		c.running = p->running;
		c.queued = p->queued;
		c.most_queued = p->most_queued;
		pthread_mutex_unlock(&p->lock);
		fn(&c, arg);
	}
	pthread_mutex_unlock(&all_lock);
}

/* ---- those who ask ---- */

static void enqueue(struct threads *p, struct work *w)
{
	pthread_mutex_lock(&p->lock);
	*p->last = w;
	p->last = &w->next;
	if (++p->queued > p->most_queued)
		p->most_queued = p->queued;
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
}

/* Out of the queue, if no thread has it. */
static bool withdraw(struct threads *p, struct work *w)
{
	bool withdrawn = false;

	pthread_mutex_lock(&p->lock);
	for (struct work **at = &p->first; *at && !w->taken; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			if (!w->next)
				p->last = at;
			p->queued--;
			withdrawn = true;
			break;
		}
	pthread_mutex_unlock(&p->lock);
	return withdrawn;
}

static int run(struct threads *p, bool may_leave, void (*fn)(void *), void *arg)
{
	struct work w = {
		.back.fn = over, .fn = fn, .arg = arg, .fiber = fiber_self(), .loop = loop_self()
	};

	if (fault("offload"))
		return fail(ERR_INTERNAL, "the thread pool refused the work");
	atomic_fetch_add_explicit(&waiting, 1, memory_order_relaxed);
	enqueue(p, &w);
	while (may_leave && !w.done)
		if (fiber_park()) {
			if (withdraw(p, &w)) {
				atomic_fetch_sub_explicit(&waiting, 1, memory_order_relaxed);
				return -1;
			}
			may_leave = false;
		}
	while (!w.done) /* deadline and cancellation do not shorten it: `arg` lives on this stack */
		fiber_hold();
	atomic_fetch_sub_explicit(&waiting, 1, memory_order_relaxed);
	if (w.error.kind != ERR_NONE) {
		error_slot_deinit(error_last());
		*error_last() = w.error;
	}
	return 0;
}

int threads_run(struct threads *p, void (*fn)(void *), void *arg)
{
	if (fiber_self())
		return run(p, true, fn, arg);
	fn(arg);
	return 0;
}

/* ---- the kinds ---- */

static unsigned threads_of(enum offload_kind kind)
{
	int cores = process_cores();

	if (kind == OFFLOAD_NAMES)
		return NAME_THREADS;
	if (kind == OFFLOAD_FILES)
		return FILE_THREADS;
	return (unsigned)(cores < BODIES_AT_LEAST  ? BODIES_AT_LEAST
			  : cores > BODIES_AT_MOST ? BODIES_AT_MOST
						   : cores);
}

/* NULL: error set. */
static struct threads *pool_of(enum offload_kind kind)
{
	static const struct bytes names[] = { [OFFLOAD_BODIES] = B("bodies"),
					      [OFFLOAD_FILES] = B("files"),
					      [OFFLOAD_NAMES] = B("names") };
	static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
	struct threads *p = atomic_load(&kinds[kind]);

	if (p)
		return p;
	pthread_mutex_lock(&making);
	p = atomic_load(&kinds[kind]);
	if (!p && (p = threads_new(names[kind], threads_of(kind))))
		atomic_store(&kinds[kind], p);
	pthread_mutex_unlock(&making);
	return p;
}

int offload_start(void)
{
	for (int kind = 0; kind < OFFLOAD_KINDS; kind++)
		if (!pool_of(kind))
			return -1;
	return 0;
}

int offload_to(enum offload_kind kind, void (*fn)(void *), void *arg)
{
	struct threads *p;

	if (!fiber_self()) {
		fn(arg);
		return 0;
	}
	p = pool_of(kind);
	return p ? run(p, false, fn, arg) : -1;
}

int offload(void (*fn)(void *), void *arg)
{
	return offload_to(OFFLOAD_FILES, fn, arg);
}

int offload_if_big(size_t bytes, void (*fn)(void *), void *arg)
{
	if (bytes > OFFLOAD_BYTES)
		return offload_to(OFFLOAD_BODIES, fn, arg);
	fn(arg);
	return 0;
}
