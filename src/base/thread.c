/*
 * A lower weight alone does little for those who wait: what counts is how soon the thread leaves the core when another
 * one wakes up, and that is the slice. The slice alone does nothing either (decision 0006 has the figures).
 */
#include "base/thread.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NICER    10
#define SLICE_NS 100000 /* the kernel's least */

/* struct sched_attr of sched_setattr(2), first version; the headers of the kernel and of glibc do not agree on a name. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static void call(void (*fn)(void *), void *arg)
{
	fn(arg);
}

static void trim(void (*release)(void *), void *arg)
{
	if (release)
		release(arg);
	malloc_trim(0);
}

void (*thread_give_back)(void (*release)(void *), void *arg) = trim;
void (*thread_own_stack)(void (*fn)(void *), void *arg) = call;

int thread_start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT };
	sigset_t all, before;
	int e;

	sigfillset(&all);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&all, own[i]); /* what its own code does: the sandbox's traps, a crash */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	e = pthread_create(thread, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return e;
}

void thread_give_way(void)
{
	pid_t self = gettid();
	int nice = (errno = 0, getpriority(PRIO_PROCESS, (id_t)self));
	struct attributes a = { .size = sizeof(a), .runtime = SLICE_NS };

	if (nice == -1 && errno)
		return;
	a.nice = nice + NICER > 19 ? 19 : nice + NICER;
	if (syscall(SYS_sched_setattr, self, &a, 0))
		setpriority(PRIO_PROCESS, (id_t)self, a.nice);
}
