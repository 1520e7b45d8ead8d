/* Cache marks for clients whose format has none (surfaces §6.1). */
#ifndef SIGNET_UPSTREAM_AUTO_CACHE_H
#define SIGNET_UPSTREAM_AUTO_CACHE_H

#include "inference/inference.h"

/*
 * The request with marks at the end of the system text, of the tools, and of the last two turns of the user: what the next
 * turn begins with is then read from the provider's cache. Itself if it is too short to be kept there, or has a mark
 * of the client's. A copy shares all but what is marked. NULL: out of memory.
 */
const struct inference *auto_cached(const struct inference *, struct arena *);

#endif
