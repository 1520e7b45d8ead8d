/*
 * Warnings that were written already: the same one is held back for a minute, and then told with how often it came. Not
 * locked: base/log.c does that.
 */
#ifndef SIGNET_BASE_LOG_REPEATS_H
#define SIGNET_BASE_LOG_REPEATS_H

#include "base/log.h"

#define REPEATS_MAX       256
#define REPEAT_FIELDS_MAX 12
#define REPEAT_TEXT_MAX   1024 /* of all texts of one line; what is over is cut */

struct repeat {
	uint64_t hash, since_ms; /* hash 0: free */
	uint64_t count;          /* held back since then */
	/* the last one that was held back, to be told when nobody says it again */
	char area[24], msg[160];
	struct log_field fields[REPEAT_FIELDS_MAX + 1];
	char text[REPEAT_TEXT_MAX];
};

struct repeats {
	struct repeat at[REPEATS_MAX];
};

/* Whether this warning is held back. *count: how many were since it was last written, with this one; 0: none. With all places
 * taken it is not held back: too much is better than silence. */
bool repeats_hold(struct repeats *, const char *area, const char *msg,
		  const struct log_field *fields, uint64_t now, uint64_t *count);
/* Gives each whose minute is over to `tell`, if it was held back since, and begins a new minute for it; forgets those that
 * did not come again. `now` TIME_NEVER: all, and forgets them. */
void repeats_due(struct repeats *, uint64_t now, void (*tell)(const struct repeat *));

#endif
