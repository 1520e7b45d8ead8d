/*
 * Pools of threads for what may hold one. Work of one kind waits only for work of its own: a name server that does not
 * answer, foreign code that loops, and bodies of a megabyte never stand in each other's way.
 */
#ifndef SIGNET_FIBER_OFFLOAD_H
#define SIGNET_FIBER_OFFLOAD_H

#include "fiber/fiber.h"

enum offload_kind {
	OFFLOAD_BODIES, /* parsing, printing, encoding of large bodies: processor time */
	OFFLOAD_FILES,  /* files, databases, passwords: what offload() uses */
	OFFLOAD_NAMES,  /* the resolver, which may take half a minute */
	OFFLOAD_KINDS
};

/* Makes the threads of all kinds at once; without it a kind's are made when it is first used. -1: ERR_IO, which says
 * which thread cannot be had. */
int offload_start(void);
/* offload() on another kind's threads. */
int offload_to(enum offload_kind, void (*fn)(void *), void *arg);

struct threads;
/* With all its threads, 1 to THREADS_MAX. NULL: ERR_IO. The name is copied and shown in /status. */
#define THREADS_MAX 64
struct threads *threads_new(struct bytes name, unsigned threads);
/* When nothing of it is queued or running. Not on one of its threads. */
void threads_free(struct threads *);
/* Runs fn(arg) on one of its threads. Waits; leaves the queue when the fiber is cancelled or past its deadline, but what
 * runs is waited for. What fn fails with becomes this fiber's error. -1: fn did not run. */
int threads_run(struct threads *, void (*fn)(void *), void *arg);
void threads_give_way(
	struct threads *); /* its threads do from their next work on (base/thread.h), for good */

struct threads_counts {
	struct bytes name; /* in the caller's buffer */
	unsigned threads, running;
	size_t queued, most_queued;
};
/* Calls fn for each pool of the process. */
void threads_each(void (*fn)(const struct threads_counts *, void *arg), void *arg);

#endif
