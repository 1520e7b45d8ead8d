/*
 * Anthropic's Messages (providers-others §2, surfaces §5): the client's side, and what the provider's side,
 * `wire_anthropic_messages` in wire.h, wants to know of its provider. Pure.
 */
#ifndef SIGNET_WIRE_ANTHROPIC_MESSAGES_H
#define SIGNET_WIRE_ANTHROPIC_MESSAGES_H

#include "inference/envelope.h"
#include "wire/wire.h"

/* dialect.options; NULL: none of it. */
struct anthropic_options {
	struct bytes
		body_version; /* "anthropic_version" in the body, where the URL names the model; unset: `model` */
	bool no_strict; /* tools are sent without `strict` */
	bool no_service_tier;
	bool stops_first;                   /* `stop_sequences` stand before `top_p` */
	bool repair_history;                /* a call without a result gets one, an error */
	struct bytes thinking_display;      /* "summarized", "omitted"; unset: not said */
	const struct bytes *provider_tools; /* JSON, of the configuration */
	size_t nprovider_tools;
};

/* ---- the client's side ---- */

extern const struct surface_options messages_options;

/* A request, and what only this format has of it. */
struct messages_request {
	struct envelope env; /* first: the writers find the rest behind answer.asked */
	bool answered;       /* max_tokens 0 */
};

/*
 * Reads and checks a body (surfaces §5.2). NULL: ERR_INVALID_REQUEST in the API's own words, with `param` set. `body` must
 * live as long as the request.
 */
struct envelope *anthropic_read_request(struct bytes body, const struct surface_options *,
					struct arena *);
/* The same of what is to be counted: max_tokens need not be there. */
struct envelope *anthropic_read_count(struct bytes body, const struct surface_options *,
				      struct arena *);
/* struct wire's foreign_fields of this format. */
int anthropic_foreign_fields(const struct inference *, struct buf *ignored);

int anthropic_write_result(const struct answer *, const struct result *, struct buf *out);
/* A stream; the writer lives in the arena. */
struct wire_writer *anthropic_writer_new(const struct answer *, struct arena *);
int anthropic_write_delta(struct wire_writer *, const struct delta *, struct buf *out);
int anthropic_write_end(struct wire_writer *, const struct result *, struct buf *out);
/* An error inside a stream: one event, the last. */
int anthropic_write_stream_error(struct wire_writer *, const struct error *, int status,
				 struct buf *out);
/* "overloaded_error" for 529 and so on, also of statuses that the API does not have. */
struct bytes anthropic_error_type(int status);
/* The status that an error type stands for; 0: not known. */
int anthropic_error_status(struct bytes type);

#endif
