/* What the system says about this process and allows it. Any thread. */
#ifndef SIGNET_BASE_PROCESS_H
#define SIGNET_BASE_PROCESS_H

#include "base/bytes.h"

/* Cores that this process may use: its affinity, and the CPU quota of its control group (v2 and v1), rounded
 * up. At least 1. */
int process_cores(void);
uint64_t process_rss_bytes(void);     /* 0: unknown */
uint64_t process_open_files(void);    /* 0: unknown */
uint64_t process_virtual_bytes(void); /* 0: unknown */
uint64_t process_file_limit(void);    /* of open files, as it is now; 0: unknown */
double process_cpu_seconds(void);     /* of all threads, in user and system mode */
/* Raises the soft limit of open files to the hard one. Returns what holds then. */
uint64_t process_raise_file_limit(void);
/* -1: ERR_IO, which says so: so much address space cannot be had (a limit of the process). Takes nothing. */
int process_room(size_t bytes);
/* No core dumps, which hold keys and texts, and no debugger of another user, unless SIGNET_CORE=1. /proc/PID belongs to root
 * then. Does nothing under a sanitizer, whose leak check attaches like a debugger. */
void process_forbid_core(void);
/* The quota of a cpu.max file ("150000 100000") in cores, rounded up; 0: none. */
int process_quota_cores(struct bytes cpu_max);

/*
 * On SIGSEGV, SIGBUS, SIGABRT, SIGFPE and SIGILL: prints version, signal, address and a backtrace on stderr and
 * ends the process by that signal. Before engines that handle signals of their own: they call on what they find.
 * Does nothing under a sanitizer, which has its own report.
 */
void crash_setup(const char *version);
/* Gives the calling thread the alternate stack on which an overflow of its own can be reported, and takes it
 * away again before the thread ends. */
void crash_thread_begin(void);
void crash_thread_end(void);

#endif
