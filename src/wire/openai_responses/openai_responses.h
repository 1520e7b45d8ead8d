/*
 * OpenAI's Responses API, both sides: the provider's (`wire_openai_responses` in wire.h, providers-openai §4) and the
 * client's (surfaces §4). Pure: what is kept between requests is the caller's (api/responses.c), which puts an earlier
 * conversation's items into the body before it is read here.
 */
#ifndef SIGNET_WIRE_OPENAI_RESPONSES_H
#define SIGNET_WIRE_OPENAI_RESPONSES_H

#include "wire/openai_chat/openai_chat.h"

/* ---- the provider's side: what dialect.options points to; NULL: none of it ---- */

struct responses_options {
	bool encrypted_reasoning;  /* include_encrypted_reasoning */
	const struct bytes *tools; /* provider_tools, JSON each */
	size_t ntools;
	bool vendor; /* the host is OpenAI's own: it gets client_metadata */
};

/* ---- the client's side ---- */

extern const struct surface_options openai_responses_options;

/* What a call of a tool is to the client. */
enum responses_call {
	RESPONSES_FUNCTION,
	RESPONSES_CUSTOM,
	RESPONSES_LOCAL_SHELL,
	RESPONSES_SHELL,
	RESPONSES_APPLY_PATCH,
	RESPONSES_TOOL_SEARCH,
};

/* A tool that is another to the model than to the client. */
struct responses_tool {
	struct bytes name; /* in the neutral model */
	enum responses_call call;
	struct bytes space, own_name; /* of a namespace; unset: it is in none */
};

/* Members that come back in the response object; the order is that of enum only. */
enum responses_echo {
	ECHO_NONE, /* nothing is ever sent as it */
	ECHO_INSTRUCTIONS,
	ECHO_MAX_OUTPUT_TOKENS,
	ECHO_MAX_TOOL_CALLS,
	ECHO_METADATA,
	ECHO_PARALLEL,
	ECHO_PREVIOUS,
	ECHO_CACHE_KEY,
	ECHO_REASONING,
	ECHO_SAFETY,
	ECHO_TIER,
	ECHO_TEMPERATURE,
	ECHO_TEXT,
	ECHO_TOOL_CHOICE,
	ECHO_TOOLS,
	ECHO_TOP_LOGPROBS,
	ECHO_TOP_P,
	ECHO_TRUNCATION,
	ECHO_USER,
	ECHOES
};

/* A request, and what only this format has of it. */
struct responses_request {
	struct chat_request chat;  /* first: the writers find the rest behind answer.asked */
	struct bytes echo[ECHOES]; /* compact JSON; unset: not sent, or null */
	struct responses_tool *tools;
	size_t ntools, ctools;
	bool store;           /* what the client said; true where it said nothing */
	bool wants_encrypted; /* include has reasoning.encrypted_content */
	bool summaries;       /* reasoning.summary is wanted */
	bool dropped_tools;   /* some are for OpenAI's servers alone */
	struct bytes
		needs_state; /* a member that only an upstream with a memory of its own can do; unset: none */
	/* The caller's, before it writes: whether the response is kept, whether created and in_progress leave out
	 * instructions and tools, and what is refused of hosted tools. */
	bool kept, short_echo;
	const void *caller; /* whatever it keeps with it */
};

struct responses_request *responses_request_of(const struct answer *);

/* As openai_chat_read_request(). `body` may hold items of an earlier conversation in front of its own. */
struct envelope *openai_responses_read_request(struct bytes body, const struct surface_options *,
					       struct arena *);
/* Of struct wire: what of a request another format cannot say. */
int openai_responses_foreign_fields(const struct inference *, struct buf *ignored);
/* Items of a list in the place of `input`: each as it stands, a text as a message. -1: no room. */
int responses_put_items(struct pen *, struct bytes input);

/* A plain answer: the response object. */
int openai_responses_write_result(const struct answer *, const struct result *, struct buf *out);
/* The same as it is kept: with encrypted reasoning that the client did not ask for. */
int openai_responses_write_kept(const struct answer *, const struct result *, struct buf *out);

/* A stream: events with a name and a sequence number, from response.created to one of three ends (surfaces §4.7). */
struct wire_writer *openai_responses_writer_new(const struct answer *, struct arena *);
void openai_responses_writer_free(struct wire_writer *);
int openai_responses_write_delta(struct wire_writer *, const struct delta *, struct buf *out);
int openai_responses_write_end(struct wire_writer *, const struct result *, struct buf *out);
int openai_responses_write_stream_error(struct wire_writer *, const struct error *, int status,
					struct buf *out);
/* The response object of the end that was written, as it is kept. Unset: none was. Valid until the writer is freed. */
struct bytes openai_responses_writer_kept(const struct wire_writer *);

#endif
