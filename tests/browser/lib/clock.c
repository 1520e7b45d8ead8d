/*
 * A preloaded clock for seeding: the time of day is shifted by the nanoseconds that stand in the file SIGNET_CLOCK, and
 * time spans pass SIGNET_CLOCK_SCALE times as fast. So one gateway records a whole day in seconds, by its own code.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *shift;
static int64_t scale = 1, first;

static int64_t ns_of(const struct timespec *t)
{
	return t->tv_sec * 1000000000LL + t->tv_nsec;
}

__attribute__((constructor)) static void setup(void)
{
	const char *file = getenv("SIGNET_CLOCK"), *times = getenv("SIGNET_CLOCK_SCALE");
	struct timespec t;
	int fd = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		void *p = mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0);

		shift = p == MAP_FAILED ? NULL : p;
		close(fd);
	}
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
	first = ns_of(&t);
	scale = times ? atoi(times) : 1;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	int r = (int)syscall(SYS_clock_gettime, id, t);
	int64_t ns = ns_of(t);

	if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
		ns += shift ? *shift : 0;
	else if (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE)
		ns = first + (ns - first) * scale;
	t->tv_sec = ns / 1000000000;
	t->tv_nsec = ns % 1000000000;
	return r;
}
