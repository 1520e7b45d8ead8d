/*
 * Several calls of one provider side by side: for a request of `n` choices to an upstream whose format knows one (surfaces
 * §3.1). Each is a call of its own, encoded, signed and recorded as such, in a fiber of its own; choice k is call k.
 */
#ifndef SIGNET_ROUTE_FAN_H
#define SIGNET_ROUTE_FAN_H

#include "upstream/upstream.h"

/* One of them. What it is made of lives in its own arena until fan_free(). */
struct fan_call {
	struct inference inf; /* with an id of its own */
	struct attempt attempt;
	struct result *result; /* of a plain one */
	uint64_t first_ms;     /* when it answered; 0: not yet */
};

struct fan;
/* Opens inf->n calls. Waits until all have answered: plain ones whole, streams with their first content. -1: one has not,
 * whose attempt is in *failed; or the caller's wait was ended. *out is set either way, but for lack of memory. */
int fan_open(const struct provider_config *, const struct inference *, const struct call_context *,
	     bool last, struct fan **out, struct attempt *failed);
/* As upstream_next(), of all; *which: the call that the delta is of, and its choice. */
int fan_next(struct fan *, struct delta **out, size_t *which, int (*idle)(void *), void *arg);
size_t fan_len(const struct fan *);
const struct fan_call *fan_at(const struct fan *, size_t);
/* Ends what is under way. Waits for that, whatever the deadline. What was read stays. */
void fan_stop(struct fan *);
void fan_free(struct fan *); /* stopped before */

/* The answer that several make: that of results[0] with the others beside it and the sum of their usage. */
void fan_combine(const struct result *results, size_t n, struct result *others, struct result *out);

#endif
