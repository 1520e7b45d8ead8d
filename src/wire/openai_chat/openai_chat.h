/*
 * OpenAI chat completions, the client's side: reading a request, writing answers, chunks and errors, for both surfaces
 * that speak it (http-api §12, surfaces §3). The provider's side is `wire_openai_chat` in wire.h. Pure.
 */
#ifndef SIGNET_WIRE_OPENAI_CHAT_H
#define SIGNET_WIRE_OPENAI_CHAT_H

#include "base/json.h"
#include "base/pen.h"
#include "inference/envelope.h"
#include "wire/wire.h"

/* /v1 as clients of OpenAI know it, and TensorZero's route. */
extern const struct surface_options openai_chat_options, tensorzero_chat_options;

/* A request, and what only this format has of it. */
struct chat_request {
	struct envelope env;   /* first: the writers find the rest behind answer.asked */
	bool legacy_functions; /* functions / function_call: the answer uses function_call */
	bool deny_unknown;
	struct bytes n, max_completion_tokens;
};

/*
 * Reads and checks a body in the order of http-api §12.2. NULL: ERR_JSON_REQUEST, ERR_INVALID_OPENAI_REQUEST, ... with
 * `param` and `code` set. Does not look at what needs the configuration (model names, object storage, filters). `body`
 * must live as long as the request.
 */
/* options.unique_keys: -1 with ERR_INVALID_REQUEST and its path if a key stands twice in an object of the body. */
int openai_check_keys(yyjson_val *, const struct surface_options *, struct arena *);
struct envelope *openai_chat_read_request(struct bytes body, const struct surface_options *,
					  struct arena *);
/*
 * Names in `ignored` ("a, tools[3]:web_search") what of a request only pass-through could carry: for providers of
 * another family. -1: it holds what these cannot leave out either (inference.unsayable).
 */
int openai_chat_foreign_fields(const struct inference *, struct buf *ignored);

/* A plain answer. */
int openai_chat_write_result(const struct answer *, const struct result *, struct buf *out);

/* A client's stream: the writer knows which calls have which index and what was begun. In the arena. */
struct wire_writer *openai_chat_writer_new(const struct answer *, struct arena *);
/* Appends the events ("data: …\n\n") for one delta: none, one or more. Takes usage and finish reason
 * out and keeps them for the end. Allocates only for a block's first delta, and in `out`. */
int openai_chat_write_delta(struct wire_writer *, const struct delta *, struct buf *out);
/* The last chunks with the gathered result's finish reason and usage, and "data: [DONE]\n\n". After an error that ends
 * the stream only [DONE]. */
int openai_chat_write_end(struct wire_writer *, const struct result *, struct buf *out);
/* An error inside a stream: one event. `status` is what it would have been before the head. */
int openai_chat_write_stream_error(struct wire_writer *, const struct error *, int status,
				   struct buf *out);
/* What an error before the head has beside `error`: nothing, or members that each begin with a comma. */
int openai_chat_write_error_members(const struct answer *, struct buf *out);

/* For the formats beside this one, whose request begins with a struct chat_request: the value of `usage`; "stop" with quotes, `called`: the answer holds a tool call. */
void chat_put_usage(struct pen *, const struct answer *, const struct usage *);
void chat_put_finish(struct pen *, const struct answer *, enum finish_reason, bool called);

/* The OpenAI error object: {"error":{"message","type","param","code"}}; all four keys are always
 * there (http-api §22.2), `type` and `code` from the status and kind (surfaces §1.7). */
int openai_write_error(const struct error *, int status, struct buf *out);
/* An upstream's HTML page in the message becomes its first 200 characters without tags. */
int openai_error_without_html(struct error *, struct arena *);
/* With gateway.unstable_error_json. */
int openai_write_error_json(const struct error *, int status, struct buf *out);
/* What that adds, also to other objects: {"‹Kind›":{"message":…}}, nested errors as a map of the same by name. */
void openai_put_error_kind(struct pen *, const struct error *);

#endif
