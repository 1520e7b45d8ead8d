/* How long an upstream asks to wait (RFC 9110 §10.2.3, and the vendors' own). Pure but for the time. */
#ifndef SIGNET_UPSTREAM_RETRY_AFTER_H
#define SIGNET_UPSTREAM_RETRY_AFTER_H

#include <stdint.h>

#include "base/bytes.h"

/* Milliseconds, a year at most: `ms` is the value of retry-after-ms, `after` that of retry-after (seconds, also with a
 * fraction, or a date), unset where the header is not there; `now` in Unix seconds. -1: nothing is asked. */
int64_t retry_after_ms(struct bytes ms, struct bytes after, int64_t now);

#endif
