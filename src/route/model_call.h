/*
 * A model's call: its providers in routing order until one answers (config §3.3, §3.5), and what happened on
 * the way, for the record.
 */
#ifndef SIGNET_ROUTE_MODEL_CALL_H
#define SIGNET_ROUTE_MODEL_CALL_H

#include "base/ids.h"
#include "route/cost.h"
#include "route/fan.h"
#include "upstream/upstream.h"

/* An attempt that failed. */
struct failed_attempt {
	const struct provider_config *provider;
	struct attempt attempt;
	const struct error *error;
};

#define FANS_MAX 16 /* of a request: a provider behind the sixteenth gets no several calls */

struct model_call {
	const struct model_config *model;
	const struct call_context *context;
	/* of the attempt that answered (or the one under way) */
	const struct provider_config *provider;
	struct inference inf; /* as that provider gets it; inf.id is the model inference id */
	struct attempt attempt;
	struct call *upstream;
	struct fan *
		fan; /* in its place: several calls, for a provider whose format knows one choice */
	struct fan *fans[FANS_MAX];
	size_t nfans;              /* all that were made, whose memory the record still needs */
	struct cost_meter *meters; /* of a stream, one a call */
	bool whole;                /* a stream came to its end without an error */
	size_t from;               /* the call of `fan` that the last delta is of; 0 without */
	struct result *result;     /* a plain call's answer */
	struct failed_attempt *failed;
	size_t nfailed, cfailed;
	/* a stream after its first content */
	uint64_t provider_deadline, model_deadline;
	uint64_t started_ms, first_ms; /* clock_mono_ms(); 0: no content yet */
	struct delta late;             /* the error of a stream that ran out of time */
	bool ended;
	bool refused; /* no provider is at fault: the request itself, or there is no memory for its files */
};

/*
 * Tries the providers. Plain: `result` is there. Stream: the first content is there. Waits. -1:
 * ERR_ALL_PROVIDERS_FAILED with the errors nested in order, what files_refused() tells (`refused`), ERR_MODEL_TIMEOUT, ERR_CANCELLED, or
 * the outer deadline. model_call_close() is due in every case.
 */
int model_call_open(struct model_call *, const struct model_config *, const struct inference *,
		    const struct call_context *);
/* As upstream_next(); a configured streaming timeout is a delta with its error, then the end. */
int model_call_next(struct model_call *, struct delta **, int (*idle)(void *), void *arg);
void model_call_close(struct model_call *);
/* After the record: what failed and closed calls still held. */
void model_call_free(struct model_call *);
/* The counters of attempts of this model at this provider, at zero. */
void model_call_counters_begin(const struct model_config *, const struct provider_config *);
/* How many calls of the provider the answer is of; and call i as one of its own, for the record. */
size_t model_call_count(const struct model_call *);
struct model_call model_call_at(const struct model_call *, size_t i);
/* Sets usage.cost of what the stream of call i came to. Plain results have it. */
void model_call_cost(const struct model_call *, size_t i, struct result *);

/* The error of a request that called a model directly: ERR_ALL_VARIANTS_FAILED around the last error, as
 * TensorZero nests it (the one variant bears the model's name). Returns -1. */
int fail_variants(struct bytes variant_name, struct arena *);

/* A span as TensorZero prints it: "100ms", "1s", "1.5s". */
struct bytes duration_text(uint64_t ms, struct arena *);

#endif
