/*
 * A loop: one worker thread's libuv loop, its fibers, and the way other threads reach it.
 */
#ifndef SIGNET_FIBER_LOOP_H
#define SIGNET_FIBER_LOOP_H

#include <uv.h>

#include "base/bytes.h"
#include "fiber/fiber.h"

struct loop;

/* What another thread wants run on the loop's thread. Embedded in the sender's data; the sender owns it
 * until `fn` is called. */
struct loop_task {
	struct loop_task *next;
	void (*fn)(struct loop_task *);
};

/* On the thread that will run it, which becomes its loop's at once. NULL: error set. */
struct loop *loop_new(int worker);
void loop_free(struct loop *); /* after loop_run returned */
/* Runs until loop_stop() and no fiber is left. */
void loop_run(struct loop *);
/* From its own thread (post a task from others): loop_run returns once no fiber is left. */
void loop_stop(struct loop *);

struct loop *loop_self(void); /* of this thread; NULL: none */
uv_loop_t *loop_uv(struct loop *);
/* From any thread; never blocks, never allocates. */
void loop_post(struct loop *, struct loop_task *);

/* Suspends the running fiber until fiber_wake(), whatever its deadline says and even when it is cancelled; may wake without
 * a reason. For who has lent its stack to another thread. */
void fiber_hold(void);

/* Longest turn of the last 10 s. Any thread may ask. */
double loop_lag_seconds(const struct loop *);
/* On the loop's own thread: runs task->fn once at the end of this turn, when all that is runnable has run and before
 * the loop sleeps. For what many fibers of a turn can share: one bell for all of them. The task must not be deferred
 * already. */
void loop_defer(struct loop *, struct loop_task *);

#endif
