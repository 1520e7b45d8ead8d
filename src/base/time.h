/* Clocks. All spans are in the unit of the name; all deadlines are absolute on clock_mono_ms(). */
#ifndef SIGNET_BASE_TIME_H
#define SIGNET_BASE_TIME_H

#include "base/bytes.h"

#define TIME_NEVER UINT64_MAX

uint64_t clock_mono_ns(void);
uint64_t clock_mono_ms(void);
uint64_t clock_unix_ms(void);
uint64_t clock_thread_cpu_ns(void); /* CPU time of the calling thread */

/* RFC 3339 in UTC with milliseconds, "2026-11-25T01:30:15.705Z"; `out` holds 25 bytes with the NUL. */
void time_rfc3339_ms(uint64_t unix_ms, char out[25]);
/* Such a text, with any offset, with or without a fraction, of 1970 or later. false: it is none. */
bool time_parse_rfc3339(struct bytes, uint64_t *unix_ms);

#endif
