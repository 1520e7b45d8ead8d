/*
 * Injected failures, for tests/faults: SIGNET_FAULT=‹point›[:n] makes the n-th pass (default 1) of
 * that point fail, `‹point›:n+` that one and all later ones. Compiled out of release builds.
 */
#ifndef SIGNET_BASE_FAULT_H
#define SIGNET_BASE_FAULT_H

#include <signal.h>
#include <stdbool.h>

#ifdef SIGNET_FAULTS
void fault_setup(const char *spec); /* NULL: none */
bool fault(const char *point);
/* The process is gone as by kill -9, where the point would fail. */
static inline void fault_dies(const char *point)
{
	if (fault(point))
		raise(SIGKILL);
}
#else
static inline void fault_setup(const char *spec)
{
	(void)spec;
}
static inline bool fault(const char *point)
{
	(void)point;
	return false;
}
static inline void fault_dies(const char *point)
{
	(void)point;
}
#endif

#endif
