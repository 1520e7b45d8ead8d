/*
 * What an answer cost (config §3.14): by the provider's own pointers into what its upstream sent, else by the list of prices
 * and the canonical usage. Unknown is unknown, never 0. For who made the call; nothing here waits.
 */
#ifndef SIGNET_ROUTE_COST_H
#define SIGNET_ROUTE_COST_H

#include "base/pen.h"
#include "config/config.h"
#include "inference/inference.h"

/* -1, ERR_CONFIG: it has neither price nor pointers, and [store] unpriced refuses such. */
int cost_admit(const struct config *, const struct provider_config *);

/* What the events of a stream counted so far, for a provider with pointers. */
struct cost_meter {
	struct counted *at; /* one a pointer; NULL: there are none */
	const char
		*alike; /* of the last event: what all of its kind have in common was looked at */
};
/* -1: out of memory. */
int cost_meter_init(struct cost_meter *, const struct provider_config *, struct arena *);
void cost_meter_add(struct cost_meter *, const struct provider_config *, const struct delta *);

/* Sets usage.cost of a plain answer; of a stream's, which `whole` says to have come to its end. */
void cost_of_plain(const struct provider_config *, struct result *, struct arena *);
void cost_of_stream(const struct provider_config *, const struct cost_meter *, bool whole,
		    struct result *);

/* Of the whole answer, for /metrics. */
void cost_count(struct bytes model_label, const struct usage *);
void cost_counters_begin(struct bytes model_label); /* at zero */

/* The prices that were used, for the record: an object of JSON, null where there was none. */
void cost_put_price(struct pen *, const struct config *, const struct provider_config *,
		    const struct usage *);

#endif
