/*
 * Fibers: straight-line code that waits without blocking its worker's thread.
 *
 * A fiber belongs to the loop (thread) that spawned it. It runs until it waits; every wait obeys the
 * fiber's deadline and can be cancelled, and then returns -1 with ERR_DEADLINE or ERR_CANCELLED.
 * Cancellation is sticky: every later wait fails too, until fiber_cancel_reset().
 * Functions of other headers that wait say "Waits." in their comment.
 */
#ifndef SIGNET_FIBER_FIBER_H
#define SIGNET_FIBER_FIBER_H

#include "base/bytes.h"
#include "base/ids.h"
#include "base/time.h"

struct fiber;
typedef void fiber_fn(void *arg);

/* Starts a fiber on this thread's loop; it first runs when the caller waits or returns to the loop.
 * `name` is a literal, for logs. NULL: ERR_OUT_OF_MEMORY. The pointer is valid while it runs. */
struct fiber *fiber_spawn(const char *name, fiber_fn *, void *arg);
/* The running fiber; NULL on a thread's own stack. */
struct fiber *fiber_self(void);

/* On which request's behalf a fiber works, for the log: zero until somebody sets it. Same thread only. */
struct uuid *fiber_request(struct fiber *);

/* Suspends the running fiber until fiber_wake(). May wake without a reason: test your condition in a
 * loop. -1: cancelled or past its deadline. */
int fiber_park(void);
/* Makes it runnable; same thread only. Waking a fiber that is not parked makes its next park return
 * at once. */
void fiber_wake(struct fiber *);
int fiber_sleep(uint64_t ms); /* Waits. 0 after the time */
void fiber_yield(void);       /* lets the loop turn once */

void fiber_cancel(struct fiber *); /* same thread only */
bool fiber_cancelled(void);        /* the running one */
void fiber_cancel_reset(void);     /* for the last work of a cancelled fiber (its record) */

/* Narrows the running fiber's deadline to min(now in force, at); returns the one before, which the
 * caller restores with fiber_deadline_restore(). Absolute, clock_mono_ms(). */
uint64_t fiber_deadline_narrow(uint64_t at);
void fiber_deadline_restore(uint64_t at);
uint64_t fiber_deadline(void);
/* clock_mono_ms() as it was when the running fiber went on (or its loop's callbacks began): for deadlines, and for
 * spans that are told in ms. A turn takes microseconds; reading the clock anew at each step of a request does not pay.
 * Outside of a loop it is the clock. */
uint64_t turn_ms(void);
static inline bool turn_passed(uint64_t deadline)
{
	return turn_ms() >= deadline;
}

/* Runs fn(arg) on a thread for files (fiber/offload.h has those for other kinds of work). Waits until it is done, whatever the deadline says and even when
 * cancelled, because `arg` is usually on the caller's stack. What fn fails with becomes this fiber's
 * error. -1: there is no thread; fn did not run. */
int offload(void (*fn)(void *), void *arg);
/* Runs fn(arg): here if it works on no more than OFFLOAD_BYTES bytes, else by offload(). For parsing and printing,
 * of which this thread does some 1 KiB a microsecond: a loop must not stand still for over 0.5 ms. `fn` is pure or
 * knows that it may be on another thread. -1: there is no thread. Waits. */
#define OFFLOAD_BYTES (256u << 10)
int offload_if_big(size_t bytes, void (*fn)(void *), void *arg);
/* Runs fn(arg) on this thread, but on its own big stack. For engines that check the stack. fn must
 * not wait. Outside of a fiber it simply calls. */
void fiber_on_thread_stack(void (*fn)(void *), void *arg);

size_t fiber_count(void);    /* alive, of the whole process */
size_t offload_queued(void); /* handed to a pool and not finished, of the whole process */

#endif
