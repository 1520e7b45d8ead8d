/*
 * One call to one provider: encode -> sign -> send -> decode. What sets a type apart (its keys, URL, headers, words for
 * errors) is its row (provider_type.h), in a file of its own; everything else is here, once.
 */
#ifndef SIGNET_UPSTREAM_UPSTREAM_H
#define SIGNET_UPSTREAM_UPSTREAM_H

#include "base/error.h"
#include "config/config.h"
#include "inference/inference.h"
#include "net/http_client.h"

struct call;
struct wire;

/* What the client's request brings to every attempt. */
struct call_context {
	const struct config *config;
	struct http_client *client;
	struct arena *arena;
	const struct tag *credentials; /* tensorzero::credentials */
	size_t ncredentials;
	struct bytes request_id;               /* for the log */
	struct bytes authorization, x_api_key; /* the client's own headers, for dynamic::client_* */
	const struct exchange
		*exchange; /* for headers that pass on (options.client_headers); may be NULL */
	struct bytes variant_name, model_name; /* filters of extra_body and extra_headers */
	uint64_t session;    /* of requests that belong together (route/keys.h); 0: none */
	struct buf *ignored; /* paths for x-signet-ignored, comma-joined */
};

/* The signature's facts for the record (ui §5), never the whole signature. */
struct sign_facts {
	bool set;
	struct bytes signer, module_sha256, abi, nonce, timestamp, headers, head;
	uint64_t us;
	size_t bytes;
};

/* Facts of one attempt, for the record; also of failed ones. Strings live in the context's arena. */
struct attempt {
	struct bytes raw_request;  /* as sent, but for files (mask_files); unset: never written */
	struct bytes raw_response; /* of a failed attempt: the error body */
	struct sign_facts signature;
	int status;                                    /* HTTP status, 0 = none */
	uint64_t started_ms, sent_ms, head_ms, end_ms; /* clock_mono_ms(); 0 = not reached */
	struct bytes request_id;                       /* the upstream's */
	struct http_header
		*returned; /* what it says to a client of its own family (surfaces §5.8) */
	size_t nreturned;
	bool stream;
	bool last; /* the caller's: it has no other provider to ask */
};

/*
 * Opens a call: writes the body, applies extra_body and extra_headers, signs, sends, and reads the answer's
 * head and, for a stream, up to its first content; what stands before that is handed out with it. A reused connection
 * that closed before an answer is replaced once, signed anew. Waits. NULL: the attempt failed, error set. `attempt` is filled either way.
 */
struct call *upstream_open(const struct provider_config *, const struct inference *,
			   const struct call_context *, struct attempt *);
/* Asks the provider how many tokens the request's input is; *answer: in its own words. 1: its type cannot be asked. -1: it
 * did not say. Waits, COUNT_MS at most. */
#define COUNT_MS 2000
int upstream_count(const struct provider_config *, const struct inference *,
		   const struct call_context *, uint64_t *tokens, struct bytes *answer);
/* A plain call's result. Waits. NULL: failed. */
struct result *upstream_result(struct call *);
/* The next delta of a stream: 1, valid until the next call; 0: the stream has ended; -1 cancelled or past the
 * fiber's deadline (what the upstream did wrong is a delta with `error`). Waits; before it has to wait for the
 * socket it calls `idle`, so that what is buffered for the client leaves; idle's -1 ends the wait with -1. */
int upstream_next(struct call *, struct delta **out, int (*idle)(void *), void *arg);
void upstream_close(struct call *);
/* Whether the last error ends the call for its caller, too, and is nothing that the upstream did wrong. */
bool call_ended_above(void);

/* The format that the provider speaks: where it is the client's own, an answer may pass through. */
const struct wire *provider_wire(const struct provider_config *);
/* Models that upstreams are known to offer beside those that are configured, in the order of the configuration, a name
 * once. Never asks an upstream. -1: out of memory. */
struct model_list {
	struct listed_model {
		struct bytes name;
		const struct provider_config *provider;
	} * at;
	size_t len, cap;
	struct arena *arena;
};
int upstream_models(const struct config *, struct model_list *);

/* What a provider's upstream says that it offers. */
struct discovered_model {
	struct bytes display_name, name, type, why; /* why: it is not usable; unset: it is */
	int64_t usage_left;                         /* -1: not said */
	bool is_new;
};
struct discovered {
	uint64_t fetched_unix_ms, next_unix_ms; /* 0: never, not before somebody asks */
	struct bytes error;                     /* of the last look; unset: none */
	struct discovered_model *at;
	size_t len, cap;
};
/* The list as it is known, or with `fetch` asked for now (waits). Texts are in the context's arena. 1; 0: its type has no
 * list, or none is configured; -1: error set. */
int upstream_discovered(const struct provider_config *, const struct call_context *, bool fetch,
			struct discovered *);

/* Whether it is the key that the client itself came with: what is said of its account may go back to it. */
bool credential_is_clients(const struct credential *);

#endif
