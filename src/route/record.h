/* Rows of one finished request (storage §2, §6.3, §6.10), from what the request left behind. */
#ifndef SIGNET_ROUTE_RECORD_H
#define SIGNET_ROUTE_RECORD_H

#include "inference/envelope.h"
#include "route/model_call.h"
#include "store/store.h"

enum answer_state { ANSWER_OK, ANSWER_ERROR, ANSWER_CANCELLED, ANSWER_TRUNCATED };
const char *answer_state_name(enum answer_state); /* "ok" */

/* A model's call and what came of it. */
struct recorded_call {
	const struct model_call *call;
	const struct result *result; /* NULL: none of its providers answered */
};

struct answer_facts {
	const struct config *config;
	struct uuid inference_id, episode_id;
	struct bytes function_name, variant_name;
	struct bytes surface;       /* its name: "chat", "openai", "completions" */
	struct bytes key_public_id; /* unset: no key was asked for */
	const struct envelope *request;
	/* In the order in which they began: retries over variants, candidates and their judge write several. The last
	 * one is what the list row tells. */
	const struct recorded_call *calls;
	size_t ncalls;
	const struct result *result; /* the client's; NULL: nothing of an answer */
	const struct error *error;   /* what the client got; NULL: none */
	enum answer_state state;
	int status; /* HTTP status of the answer */
	uint64_t processing_ms;
	int64_t ttft_ms; /* of a stream until its first content; -1: there was none */
	bool raw_cut;    /* the stream's texts were cut already */
	/* Adds rows of the surface's own to the record of an answer; NULL: none. -1: no room. */
	int (*add_rows)(void *ctx, const struct result *, struct record *);
	void *ctx;
};

/* Builds the record and hands it to the journal. Waits for that, also when the fiber is cancelled. -1 only when
 * the record could not be built (out of memory), which is counted as unrecorded too. */
int record_answer(struct store *, const struct answer_facts *);

#endif
