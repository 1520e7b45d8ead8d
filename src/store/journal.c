/*
 * The journal as the workers see it: open, append, close.
 *
 * A worker pushes a `struct pending` on a list (many producers, one consumer) and suspends its fiber. The
 * writer thread (journal_write.c) takes the whole list at once, so the group is what came while the last
 * one was written. Finished records come back by loop: all of one group that belong to one loop go on that
 * loop's waker, which is posted once. A record and its waiter can part at any time (the disk hangs, the
 * answer's wait_ms are over): both hold the pending, and `state` says who counts what.
 */
#include "store/journal.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zstd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/time.h"
#include "fiber/loop.h"
#include "store/crc32c.h"
#include "store/journal_write.h"

METRIC(metric_records, METRIC_COUNTER, "signet_journal_records_total", "type",
       "Records written to the journal");
METRIC(metric_bytes, METRIC_COUNTER, "signet_journal_bytes_total", NULL,
       "Bytes written to the journal");
METRIC(metric_unrecorded, METRIC_COUNTER, "signet_journal_unrecorded_total", "reason",
       "Answers that were served without a record; must be 0");
METRIC(metric_torn, METRIC_COUNTER, "signet_journal_torn_tails_total", NULL,
       "Segments that a crash left with half a record at their end");
METRIC(metric_corrupt, METRIC_COUNTER, "signet_journal_corrupt_records_total", NULL,
       "Damaged stretches that were set aside");
METRIC(metric_lost, METRIC_COUNTER, "signet_journal_lost_records_total", NULL,
       "Record numbers that are missing in the journal");
METRIC(metric_cut, METRIC_COUNTER, "signet_journal_cut_records_total", NULL,
       "Records of which a raw body was cut at its cap");
static const double wait_bounds[] = { 0.00001, 0.00002, 0.00005, 0.0001, 0.0002,
				      0.0005,  0.001,   0.002,   0.005,  0.01,
				      0.05,    0.1,     0.5,     1,      0 };
METRIC(metric_wait, METRIC_HISTOGRAM, "signet_journal_wait_seconds", NULL,
       "How long an answer waited for its record", .bounds = wait_bounds);
METRIC(metric_sync, METRIC_HISTOGRAM, "signet_journal_sync_seconds", NULL,
       "How long fdatasync took", .bounds = wait_bounds);

static const char *const reasons[UNRECORDED_REASONS] = { "", "queue_full", "disk_full",
							 "write_error", "too_large" };

/* Where the finished records of one loop wait until the loop's thread takes them. Never freed: a thread
 * that ends leaves its waker to the next one with none. */
struct waker {
	struct loop_task task;
	struct loop *loop;
	struct loop_task bell; /* rings for all records that this turn of the loop has pushed */
	struct journal *journal;
	bool bell_due;
	_Atomic(struct pending *) done;
	struct waker *next;
};

static struct waker *all_wakers;
static pthread_mutex_t wakers_lock = PTHREAD_MUTEX_INITIALIZER;

void journal_ring(atomic_uint *bell)
{
	if (!atomic_exchange(bell, 1))
		syscall(SYS_futex, bell, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void journal_sleep(atomic_uint *bell, uint64_t ms)
{
	struct timespec t = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };

	syscall(SYS_futex, bell, FUTEX_WAIT_PRIVATE, 0, ms == TIME_NEVER ? NULL : &t, NULL, 0);
}

void pending_drop(struct pending *p)
{
	if (atomic_fetch_sub(&p->holders, 1) != 1)
		return;
	buf_deinit(&p->payload);
	free(p);
}

/* On the loop's thread: everything that the writer has finished for it. */
static void wake_fibers(struct loop_task *t)
{
	struct waker *w = (struct waker *)t; /* task is its first member */
	struct pending *p = atomic_exchange(&w->done, NULL);

	while (p) {
		struct pending *next = p->next;

		p->woken = true;
		fiber_wake(p->fiber); /* p is its waiter's from here on */
		p = next;
	}
}

/* At the end of the loop's turn. One bell for a whole turn makes larger groups: each write, and each waking of the
 * two threads, then serves several answers. */
static void ring_late(struct loop_task *t)
{
	struct waker *w = (struct waker *)((char *)t - offsetof(struct waker, bell));

	w->bell_due = false;
	journal_ring(&w->journal->bell);
}

static struct waker *waker_of_thread(void)
{
	static _Thread_local struct waker *mine;
	struct loop *l = loop_self();

	if (mine && mine->loop == l)
		return mine;
	pthread_mutex_lock(&wakers_lock);
	for (mine = all_wakers; mine && mine->loop != l; mine = mine->next)
		;
	if (!mine && (mine = calloc(1, sizeof(*mine)))) {
		mine->task.fn = wake_fibers;
		mine->bell.fn = ring_late;
		mine->loop = l;
		mine->next = all_wakers;
		all_wakers = mine;
	}
	pthread_mutex_unlock(&wakers_lock);
	return mine;
}

/* By the writer, for each finished record; `rang` collects the loops that must be posted. */
static void finish_on_loop(struct pending *p, struct waker **rang, size_t *n, size_t max)
{
	struct waker *w = p->waker;
	struct pending *head = atomic_load(&w->done);

	do
		p->next = head;
	while (!atomic_compare_exchange_weak(&w->done, &head, p));
	if (head)
		return;
	if (*n < max)
		rang[(*n)++] = w;
	else
		loop_post(w->loop, &w->task);
}

void journal_finish(struct journal *j, struct pending *group, enum unrecorded result)
{
	struct waker *rang[64];
	size_t nrang = 0;
	bool threads = false;

	while (group) {
		struct pending *p = group, *next = p->next;
		int taken = PENDING_TAKEN;

		group = next;
		atomic_fetch_sub(&j->queued_bytes, p->head.len);
		atomic_fetch_add_explicit(&j->finished, 1, memory_order_relaxed);
		p->result = result;
		if (result == RECORDED && p->head.flags & RECORD_CUT)
			METRIC_ADD(&metric_cut, 1);
		if (!p->waker) {
			pthread_mutex_lock(&j->done_lock);
			if (!atomic_compare_exchange_strong(&p->state, &taken, PENDING_DONE))
				journal_count_unrecorded(j, result);
			pthread_mutex_unlock(&j->done_lock);
			threads = true;
		} else if (atomic_compare_exchange_strong(&p->state, &taken, PENDING_DONE)) {
			/* From here on its waiter may wake and drop its half; ours keeps p until below. */
			finish_on_loop(p, rang, &nrang, COUNT(rang));
		} else {
			journal_count_unrecorded(j, result);
		}
		pending_drop(p);
	}
	for (size_t i = 0; i < nrang; i++)
		loop_post(rang[i]->loop, &rang[i]->task);
	if (threads) {
		pthread_mutex_lock(&j->done_lock);
		pthread_cond_broadcast(&j->done_cond);
		pthread_mutex_unlock(&j->done_lock);
	}
}

void journal_meter_unrecorded(void)
{
	for (int i = RECORDED + 1; i < UNRECORDED_REASONS; i++)
		METRIC_ADD(&metric_unrecorded, 0, bytes_of(reasons[i]));
}

void journal_count_unrecorded(struct journal *j, enum unrecorded why)
{
	if (why == RECORDED)
		return;
	atomic_fetch_add(&j->unrecorded[why], 1);
	METRIC_ADD(&metric_unrecorded, 1, bytes_of(reasons[why]));
	log_warn("store", "an answer was served without a record", LS("error", reasons[why]));
}

bool journal_is_full(const struct journal *j)
{
	return atomic_load_explicit(&j->full, memory_order_relaxed) ||
	       atomic_load_explicit(&j->broken, memory_order_relaxed) ||
	       atomic_load_explicit(&j->queued_bytes, memory_order_relaxed) >= j->o.queue_bytes;
}

/* Whether a record of n bytes may be handed over. A large one needs half of the queue only: its bytes are in memory whether
 * it waits here or there, and small ones would never leave it the whole. */
static bool take_room(struct journal *j, uint64_t n)
{
	uint64_t before = atomic_fetch_add(&j->queued_bytes, n), half = j->o.queue_bytes / 2;

	if (!before || before + (n < half ? n : half) <= j->o.queue_bytes)
		return true;
	atomic_fetch_sub(&j->queued_bytes, n);
	return false;
}

static void pause_ms(uint64_t ms)
{
	struct timespec t = { 0, (long)ms * 1000000 };

	if (fiber_self())
		fiber_sleep(ms);
	else
		nanosleep(&t, NULL);
}

/* The record of a cancelled request is written like any other: the cancellation is put aside, and back
 * when the record is done. */
static void note_cancel(bool *cancelled)
{
	if (fiber_self() && fiber_cancelled()) {
		*cancelled = true;
		fiber_cancel_reset();
	}
}

/* wait_ms is for a writer that stands still: while it finishes records, those behind it wait on. */
static uint64_t still_waits(struct journal *j, uint64_t *finished, uint64_t until)
{
	uint64_t now = atomic_load_explicit(&j->finished, memory_order_relaxed);

	if (now == *finished || clock_mono_ms() < until)
		return until;
	*finished = now;
	return clock_mono_ms() + j->o.wait_ms;
}

/* Waits for room in the queue. 0: had; else the reason. A cancelled fiber waits like any other. */
static enum unrecorded wait_for_room(struct journal *j, uint64_t n, uint64_t until, bool *cancelled)
{
	uint64_t finished;

	if (!j->o.refuse_when_full) {
		if (atomic_load(&j->full))
			return DISK_FULL;
		if (atomic_load(&j->broken))
			return WRITE_ERROR;
	}
	finished = atomic_load(&j->finished);
	while (!take_room(j, n)) {
		until = still_waits(j, &finished, until);
		if (clock_mono_ms() >= until)
			return QUEUE_FULL;
		pause_ms(2);
		note_cancel(cancelled);
	}
	return RECORDED;
}

static void push(struct journal *j, struct pending *p)
{
	struct waker *w = p->waker;
	struct pending *head = atomic_load(&j->queue);

	do
		p->next = head;
	while (!atomic_compare_exchange_weak(&j->queue, &head, p));
	if (!w || !fiber_self()) {
		journal_ring(&j->bell);
	} else if (!w->bell_due) {
		w->bell_due = true;
		w->journal = j;
		loop_defer(w->loop, &w->bell);
	}
}

/* The wait is over and p not done: off the queue if it is there still. True: nobody will count it. */
static bool withdraw(struct pending *p)
{
	int seen = PENDING_QUEUED;

	if (atomic_compare_exchange_strong(&p->state, &seen, PENDING_LEFT))
		return true;
	seen = PENDING_TAKEN;
	atomic_compare_exchange_strong(&p->state, &seen, PENDING_LEFT);
	return false;
}

/* On a fiber. The reason; UNRECORDED_REASONS: the writer counts it, should it fail. Once p is done its
 * waker holds it, so only the waker's word ends the wait. */
static enum unrecorded wait_on_fiber(struct journal *j, struct pending *p, uint64_t until,
				     bool *cancelled)
{
	uint64_t finished = atomic_load(&j->finished);

	while (!p->woken) {
		if (!fiber_park())
			continue;
		note_cancel(cancelled);
		until = still_waits(j, &finished, until);
		fiber_deadline_restore(until);
		if (clock_mono_ms() < until)
			continue;
		if (withdraw(p))
			return QUEUE_FULL;
		if (atomic_load(&p->state) == PENDING_LEFT)
			return UNRECORDED_REASONS;
		fiber_deadline_restore(TIME_NEVER);
	}
	return p->result;
}

struct timespec journal_deadline(uint64_t ms)
{
	uint64_t ns = clock_mono_ns() + ms * 1000000;

	return (struct timespec){ (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
}

static enum unrecorded wait_on_thread(struct journal *j, struct pending *p, uint64_t ms)
{
	struct timespec t = journal_deadline(ms);
	enum unrecorded result = UNRECORDED_REASONS;

	pthread_mutex_lock(&j->done_lock);
	while (atomic_load(&p->state) != PENDING_DONE)
		if (pthread_cond_timedwait(&j->done_cond, &j->done_lock, &t) == ETIMEDOUT)
			break;
	if (atomic_load(&p->state) == PENDING_DONE)
		result = p->result;
	else if (withdraw(p))
		result = QUEUE_FULL;
	pthread_mutex_unlock(&j->done_lock);
	return result;
}

/* Packs a payload over 16 KiB. What does not get smaller stays as it is. */
static void compress(struct pending *p)
{
	struct buf packed;
	size_t bound = ZSTD_compressBound(p->payload.len), n;

	buf_init(&packed, RECORD_MAX);
	if (buf_reserve(&packed, bound)) {
		error_clear();
		return;
	}
	n = ZSTD_compress(packed.data, packed.cap, p->payload.data, p->payload.len, 1);
	if (ZSTD_isError(n) || n >= p->payload.len) {
		buf_deinit(&packed);
		return;
	}
	packed.len = n;
	buf_deinit(&p->payload);
	p->payload = packed;
	p->head.flags |= RECORD_ZSTD;
}

static struct pending *pending_new(struct journal *j, struct buf *payload,
				   const struct record_head *head)
{
	struct pending *p = fault("journal.alloc") ? NULL : calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->payload = *payload;
	buf_init(payload, payload->max);
	p->head = *head;
	if (j->o.compress && p->payload.len > 16384)
		compress(p);
	p->head.len = (uint32_t)p->payload.len;
	p->head.payload_crc = crc32c(0, p->payload.data, p->payload.len);
	atomic_store_explicit(&p->state, PENDING_QUEUED, memory_order_relaxed);
	atomic_store_explicit(&p->holders, 2, memory_order_relaxed);
	return p;
}

/* Hands p over and waits until it is done or its time is over. */
static enum unrecorded hand_over(struct journal *j, struct pending *p, uint64_t until,
				 bool *cancelled)
{
	uint64_t old, now;
	enum unrecorded why;

	p->fiber = fiber_self();
	p->waker = p->fiber ? waker_of_thread() : NULL;
	if (p->waker) {
		old = fiber_deadline();
		fiber_deadline_restore(until);
		push(j, p);
		why = wait_on_fiber(j, p, until, cancelled);
		fiber_deadline_restore(old);
		return why;
	}
	push(j, p); /* also a fiber when there is no memory for its waker */
	now = clock_mono_ms();
	return wait_on_thread(j, p, until > now ? until - now : 0);
}

static enum unrecorded append(struct journal *j, struct buf *payload,
			      const struct record_head *head, uint64_t now, bool *cancelled)
{
	uint64_t until = now + j->o.wait_ms, n = payload->len;
	enum unrecorded why = wait_for_room(j, n, until, cancelled);
	struct pending *p;

	if (why != RECORDED)
		return why;
	p = pending_new(j, payload, head);
	if (!p) {
		atomic_fetch_sub(&j->queued_bytes, n);
		return WRITE_ERROR;
	}
	atomic_fetch_sub(&j->queued_bytes, n - p->head.len); /* what compress() saved */
	p->queued_ms = now = clock_mono_ms();
	why = hand_over(j, p, now + j->o.wait_ms, cancelled);
	pending_drop(p);
	return why;
}

enum unrecorded journal_append(struct journal *j, struct buf *payload,
			       const struct record_head *head)
{
	uint64_t ns = clock_mono_ns();
	bool cancelled = false;
	enum unrecorded why;

	if (payload->len > RECORD_MAX) {
		journal_count_unrecorded(j, TOO_LARGE);
		return TOO_LARGE;
	}
	note_cancel(&cancelled);
	why = append(j, payload, head, ns / 1000000, &cancelled);
	if (cancelled)
		fiber_cancel(fiber_self());
	if (why < UNRECORDED_REASONS)
		journal_count_unrecorded(j, why);
	METRIC_OBSERVE(&metric_wait, (double)(clock_mono_ns() - ns) / 1e9);
	return why;
}

static void cond_init_monotonic(pthread_cond_t *c)
{
	pthread_condattr_t a;

	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(c, &a);
	pthread_condattr_destroy(&a);
}

static int start_threads(struct journal *j)
{
	int e = thread_start(&j->writer, journal_writer, j);

	if (!e) {
		e = thread_start(&j->syncer, journal_syncer, j);
		if (e) {
			atomic_store(&j->closing, true);
			journal_ring(&j->bell);
			pthread_join(j->writer, NULL);
		}
	}
	if (e)
		return fail(ERR_STORE, "the journal's threads: %s", strerror(e));
	j->threads = true;
	return 0;
}

int journal_open(struct journal *j, int dir_fd, const struct journal_options *o,
		 const uint8_t node[16], uint64_t delivered, uint64_t skip)
{
	*j = (struct journal){ .o = *o, .dir = dir_fd, .fd = -1, .sync_fd = -1 };
	memcpy(j->node, node, 16);
	j->unsynced_tail = &j->unsynced;
	pthread_mutex_init(&j->done_lock, NULL);
	pthread_mutex_init(&j->lock, NULL);
	pthread_mutex_init(&j->more_lock, NULL);
	cond_init_monotonic(&j->done_cond);
	cond_init_monotonic(&j->more_cond);
	if (journal_recover(j, delivered))
		goto failed;
	j->next_number += skip;
	if (!journal_prepare(j) && !start_threads(j))
		return 0;
failed:
	journal_deinit(j);
	return -1;
}

void journal_close(struct journal *j)
{
	if (!j->threads)
		return;
	atomic_store(&j->closing, true);
	journal_ring(&j->bell);
	pthread_join(j->writer, NULL);
	journal_stop_syncer(j);
	pthread_join(j->syncer, NULL);
	j->threads = false;
}

void journal_deinit(struct journal *j)
{
	journal_close(j);
	if (j->fd >= 0)
		close(j->fd);
	if (j->dir >= 0)
		close(j->dir);
	j->fd = j->dir = -1;
	free(j->segments);
	j->segments = NULL;
	pthread_mutex_destroy(&j->done_lock);
	pthread_mutex_destroy(&j->lock);
	pthread_mutex_destroy(&j->more_lock);
	pthread_cond_destroy(&j->done_cond);
	pthread_cond_destroy(&j->more_cond);
}
