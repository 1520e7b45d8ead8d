/* Shared by the files that read a provider's answer: read_answer.c (plain), read_events.c (events). */
#ifndef SIGNET_WIRE_OPENAI_RESPONSES_READ_ANSWER_H
#define SIGNET_WIRE_OPENAI_RESPONSES_READ_ANSWER_H

#include "base/json.h"
#include "wire/wire.h"

struct result *openai_responses_read_result(struct bytes body, const struct inference *,
					    const struct dialect *, struct arena *);
struct wire_stream *openai_responses_stream_new(const struct inference *, const struct dialect *,
						struct arena *);
void openai_responses_stream_free(struct wire_stream *);
int openai_responses_read_event(struct wire_stream *, const struct sse_event *, struct delta *out);
int openai_responses_read_end(struct wire_stream *, struct delta *out);

/* `usage` of a response. NULL: there is none; else the object. */
yyjson_val *responses_read_usage(yyjson_val *response, struct usage *out);
/* Why it ended; `called`: it holds a call. */
enum finish_reason responses_finish(yyjson_val *response, bool called);
/* Sets the error of a response, or of an event, whose `error` this is; NULL: it said nothing. Returns -1. */
int responses_fail_upstream(yyjson_val *error, const struct dialect *, bool stream, struct arena *);

#endif
