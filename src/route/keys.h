/*
 * Several keys of one provider (`api_key_location` as a list): requests are spread over them, a key that the upstream
 * refuses rests for as long as it says, and the next is tried. With `[routing] affinity` the requests of one session keep
 * the provider and the key that served them last, where the vendor's prompt cache is, while both are well.
 */
#ifndef SIGNET_ROUTE_KEYS_H
#define SIGNET_ROUTE_KEYS_H

#include "upstream/upstream.h"

/* ---- a session ---- */

/* A number for the requests that belong together; 0: none is known. `header`: what the client's header of that name says,
 * if the configuration names one. */
uint64_t affinity_of(const struct config *, struct bytes model, struct bytes session,
		     struct bytes header, const struct inference *);

struct affinity {
	size_t provider,
		key; /* places in routing, and among its keys; key is API_KEYS_MAX where it has no list */
};
/* Where the session was last; false: nowhere that is known. */
bool affinity_find(const struct config *, uint64_t session, struct affinity *);
void affinity_keep(const struct config *, uint64_t session, struct affinity);

/* ---- the keys of one attempt after the other ---- */

struct key_walk {
	const struct provider_config *provider;
	size_t first, key; /* where it begins; the one that was given */
	uint64_t tried;    /* bits */
};

/* `preferred`: API_KEYS_MAX: none. */
void key_walk_begin(struct key_walk *, const struct provider_config *, uint64_t session,
		    size_t preferred);
/* The provider with the key that is next: itself where it has one; NULL with no error: all were tried. The copy is in the
 * arena; NULL with one: out of memory. */
const struct provider_config *key_walk_next(struct key_walk *, struct arena *);
/* What an attempt's failure says of the key that was given. True: another one may do better, and is there. */
bool key_walk_failed(struct key_walk *, const struct error *);
/* Whether key_walk_failed() could be true. */
bool key_walk_has_more(const struct key_walk *);

/* The counter of its keys that rested, at zero. */
void keys_counters_begin(const struct provider_config *);

#endif
