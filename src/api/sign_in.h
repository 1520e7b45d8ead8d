/* Failed sign-ins are slowed down: five are free, then 1, 2, 4 … 300 s for that user from that address (ui §7). Any
 * thread. */
#ifndef SIGNET_API_SIGN_IN_H
#define SIGNET_API_SIGN_IN_H

#include "api/app.h"

struct sign_in;

struct sign_in *sign_in_new(void); /* NULL: ERR_OUT_OF_MEMORY */
void sign_in_free(struct sign_in *);
/* What this user at this address still has to wait for: ms, 0 if nothing. */
uint64_t sign_in_wait_ms(struct sign_in *, struct bytes user, struct bytes address,
			 uint64_t now_ms);
/* Counts. After a success the count begins anew. */
void sign_in_count(struct sign_in *, struct bytes user, struct bytes address, bool good,
		   uint64_t now_ms);

/* Before the loops: keys and sessions of a configuration whose data directory is locked, and the link for a first
 * sign-in, which the log gets where nobody could sign in otherwise. -1: error. */
int sign_in_start(struct app *);
void sign_in_end(struct app *);
/* Whether what was opened at the start is enough for this configuration. -1: ERR_CONFIG. Any thread. */
int sign_in_reload(const struct app *, const struct config *);

#endif
