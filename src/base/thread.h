/* What a thread is to the scheduler. */
#ifndef SIGNET_BASE_THREAD_H
#define SIGNET_BASE_THREAD_H

/*
 * The calling thread gives way from now on: it takes a tenth of a core that another thread wants, in slices of 0.1 ms
 * (sched(7): nice; sched_setattr(2): sched_runtime of SCHED_OTHER, Linux 6.12 and later). It is never starved, so it
 * may hold locks. There is no way back without a right that Signet does not have. A system that refuses leaves the
 * thread as it is.
 */
void thread_give_way(void);

#endif
