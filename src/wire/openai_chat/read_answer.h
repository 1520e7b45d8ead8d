/*
 * Shared by the files that read a provider's answer: read_answer.c (plain), read_events.c (events).
 */
#ifndef SIGNET_WIRE_OPENAI_CHAT_REPLY_H
#define SIGNET_WIRE_OPENAI_CHAT_REPLY_H

#include "base/json.h"
#include "wire/wire.h"

struct result *openai_chat_read_result(struct bytes body, const struct inference *,
				       const struct dialect *, struct arena *);
struct wire_stream *openai_chat_stream_new(const struct inference *, const struct dialect *,
					   struct arena *);
void openai_chat_stream_free(struct wire_stream *);
void openai_chat_rest(struct wire_stream *);
int openai_chat_read_event(struct wire_stream *, const struct sse_event *, struct delta *out);
int openai_chat_read_end(struct wire_stream *, struct delta *out);
uint64_t openai_chat_unknown_events(const struct wire_stream *);

/* Usage of the base dialect, of a whole answer or event. NULL: there is none; else the object that it was read from. */
yyjson_val *openai_chat_read_usage(yyjson_val *root, const struct dialect *, struct usage *out);
/* serde_json's words for a document without `choices`, which it names at its end. */
struct bytes openai_chat_no_choices(struct bytes document, struct arena *);
enum finish_reason openai_chat_finish(yyjson_val *);
/* An error that an upstream put into a 200 answer: sets the current error, with kind and status by its code.
 * Strings of it go into the arena. Returns -1. */
int openai_chat_fail_upstream(yyjson_val *err, const struct dialect *, bool stream, struct arena *);
/* The first element that is an object: what else stands in the list is not sent on. NULL: none. */
yyjson_val *openai_chat_first_object(yyjson_val *list);
/* Whether a delta has content that is no part: audio, and whatever comes tomorrow. It may have any member. */
bool openai_chat_has_more(yyjson_val *delta);
/* What the object counts in other places than OpenAI does, for a surface that is not TensorZero's: what is known already stays. */
void openai_chat_other_usage(yyjson_val *usage, const struct inference *, struct usage *);
/* The first of `reasoning` and `reasoning_content` that is not empty, else one that is there. */
struct bytes openai_chat_reasoning(yyjson_val *message);

#endif
