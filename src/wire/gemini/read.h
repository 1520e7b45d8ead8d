/* Shared by the files that read answers in Gemini's format: read_answer.c (a plain one, and what both have), read_events.c. */
#ifndef SIGNET_WIRE_GEMINI_READ_H
#define SIGNET_WIRE_GEMINI_READ_H

#include "base/json.h"
#include "wire/gemini/gemini.h"

struct result *gemini_read_result(struct bytes body, const struct inference *,
				  const struct dialect *, struct arena *);
struct wire_stream *gemini_stream_new(const struct inference *, const struct dialect *,
				      struct arena *);
void gemini_stream_free(struct wire_stream *);
int gemini_read_event(struct wire_stream *, const struct sse_event *, struct delta *);
int gemini_read_end(struct wire_stream *, struct delta *);

/* ---- what both have ---- */

/* What a part of an answer is; `said` is its text. */
enum gemini_part { GEMINI_TEXT, GEMINI_THOUGHT, GEMINI_SEAL, GEMINI_CALL, GEMINI_OTHER };
enum gemini_part gemini_part_of(yyjson_val *part, struct bytes *said);
struct bytes gemini_signature(yyjson_val *part); /* unset: it has none */
/* A call's arguments as compact text. Unset: out of memory. */
struct bytes gemini_arguments(yyjson_val *call, struct arena *);

struct gemini_end {
	enum finish_reason finish;
	struct bytes explanation; /* unset: none was given */
	bool malformed; /* the model's call could not be read: without any content the attempt has failed */
};
/* How an answer says that it ends; `called`: it holds a call. finish is unset where it does not say. */
struct gemini_end gemini_end_of(yyjson_val *root, yyjson_val *candidate, bool called);
/* Of a prompt that was refused; false: it was not. */
bool gemini_blocked(yyjson_val *root, struct gemini_end *out);
/* Fills it from usageMetadata, which it returns; NULL: there is none. */
yyjson_val *gemini_usage(yyjson_val *root, struct usage *);
/* Sets the error of a call that could not be read. -1. */
int gemini_fail_malformed(const struct dialect *, struct bytes explanation);

#endif
