/* What a thread is to the scheduler, and its stack. */
#ifndef SIGNET_BASE_THREAD_H
#define SIGNET_BASE_THREAD_H

#include <pthread.h>

/*
 * The calling thread gives way from now on: it takes a tenth of a core that another thread wants, in slices of 0.1 ms
 * (sched(7): nice; sched_setattr(2): sched_runtime of SCHED_OTHER, Linux 6.12 and later). It is never starved, so it
 * may hold locks. There is no way back without a right that Signet does not have. A system that refuses leaves the
 * thread as it is.
 */
void thread_give_way(void);

/* Starts a thread that takes no signals but for its own faults: they are main's. An error number. */
int thread_start(pthread_t *, void *(*fn)(void *), void *arg);

/* Runs release(arg), if it is not NULL, and gives the system what that and others have freed of the calling thread's heap.
 * Takes up to some milliseconds. (main.c puts in here how its allocator is asked.) */
extern void (*thread_give_back)(void (*release)(void *), void *arg);

/* Runs fn(arg), which does not wait, on the calling thread's own stack: for engines, which fibers' small stacks do not
 * hold. (fiber/ puts in here how one gets there; without fibers it is a call.) */
extern void (*thread_own_stack)(void (*fn)(void *), void *arg);

#endif
