/*
 * Facts of the process, read from the kernel when asked. Containers give a process fewer cores than the
 * machine has in two ways, a set (affinity) and a quota of time (control groups); a worker more than what both
 * allow would only be throttled together with the rest.
 */
#include "base/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"

/* The beginning of a small file of /proc or /sys; unset: it is not there. */
static struct bytes read_small(const char *path, char *out, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return (struct bytes){ 0 };
	n = read(fd, out, room);
	close(fd);
	return n < 0 ? (struct bytes){ 0 } : (struct bytes){ out, (size_t)n };
}

static uint64_t number_in(struct bytes text)
{
	size_t digits = 0;
	uint64_t value;

	while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
		digits++;
	return bytes_to_u64(bytes_slice(text, 0, digits), &value) ? value : 0;
}

int process_quota_cores(struct bytes cpu_max)
{
	struct bytes period = cpu_max, quota = bytes_cut(&period, ' ');
	uint64_t q = number_in(quota), p = number_in(period);

	if (!q || !p || q / p > INT16_MAX) /* "max", or what no kernel writes */
		return 0;
	return (int)((q + p - 1) / p);
}

/* The quota of the control group of version 2 or 1; 0: none. */
static int quota(void)
{
	char path[512], text[512], period[64];
	struct bytes own = read_small("/proc/self/cgroup", text, sizeof(text)), q, p;
	char joined[160];
	int cores;

	if (bytes_starts(own, B("0::"))) {
		struct bytes group = bytes_slice(own, 3, own.n);

		group = bytes_cut(&group, '\n');
		if (group.n < 400) {
			snprintf(path, sizeof(path), "/sys/fs/cgroup%.*s/cpu.max", BFMT(group));
			cores = process_quota_cores(read_small(path, joined, sizeof(joined)));
			if (cores)
				return cores;
		}
	}
	/* In a container the own group is usually mounted at the top. */
	cores = process_quota_cores(read_small("/sys/fs/cgroup/cpu.max", joined, sizeof(joined)));
	if (cores)
		return cores;
	q = read_small("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", text, sizeof(text));
	p = read_small("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, sizeof(period));
	snprintf(joined, sizeof(joined), "%.*s %.*s", BFMT(q), BFMT(p));
	return process_quota_cores(bytes_of(joined));
}

int process_room(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return fail(
			ERR_IO,
			"%zu MiB of memory cannot be had: %s (see the limit of address space: ulimit -v, LimitAS)",
			bytes >> 20, strerror(errno));
	munmap(p, bytes);
	return 0;
}

int process_cores(void)
{
	cpu_set_t set;
	int cores = 1, limit = quota();

	if (!sched_getaffinity(0, sizeof(set), &set))
		cores = CPU_COUNT(&set);
	else /* more cores than cpu_set_t holds */
		cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
	if (limit && limit < cores)
		cores = limit;
	return cores > 0 ? cores : 1;
}

uint64_t process_rss_bytes(void)
{
	char text[128];
	struct bytes rest = read_small("/proc/self/statm", text, sizeof(text));

	bytes_cut(&rest, ' ');
	return number_in(rest) * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t process_virtual_bytes(void)
{
	char text[128];

	return number_in(read_small("/proc/self/statm", text, sizeof(text))) *
	       (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t process_file_limit(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) ? 0 : limit.rlim_cur;
}

double process_cpu_seconds(void)
{
	struct rusage used;

	if (getrusage(RUSAGE_SELF, &used))
		return 0;
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

uint64_t process_open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint64_t n = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n > 3 ? n - 3 : 0; /* "." and "..", and the one this walk has opened */
}

uint64_t process_raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 1024;
	if (limit.rlim_cur < limit.rlim_max) {
		struct rlimit raised = { limit.rlim_max, limit.rlim_max };

		if (!setrlimit(RLIMIT_NOFILE, &raised))
			limit = raised;
	}
	return limit.rlim_cur == RLIM_INFINITY ? 1u << 20 : limit.rlim_cur;
}

void process_forbid_core(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	const char *allowed = getenv("SIGNET_CORE");
	struct rlimit none = { 0, 0 };

	if (allowed && !strcmp(allowed, "1"))
		return;
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
#endif
}
