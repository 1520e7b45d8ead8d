/* Shared by the files that read what a provider of this format answers: read_answer.c (plain), read_events.c (streams). */
#ifndef SIGNET_WIRE_ANTHROPIC_READ_ANSWER_H
#define SIGNET_WIRE_ANTHROPIC_READ_ANSWER_H

#include "base/json.h"
#include "wire/wire.h"

struct result *claude_read_result(struct bytes body, const struct inference *,
				  const struct dialect *, struct arena *);

/* As struct wire has them. */
struct wire_stream *claude_stream_new(const struct inference *, const struct dialect *,
				      struct arena *);
void claude_stream_free(struct wire_stream *);
int claude_read_event(struct wire_stream *, const struct sse_event *, struct delta *);
int claude_read_end(struct wire_stream *, struct delta *);
uint64_t claude_unknown_events(const struct wire_stream *);

/* All unknown where `usage` is no object; all input is one number, with what was read from caches and written to them. */
void claude_read_usage(yyjson_val *usage, struct usage *);
/* The tier of a usage as the neutral model names it ("default", "flex", "priority"), and back. Unset: no word for it. */
struct bytes claude_tier_read(yyjson_val *usage);
struct bytes claude_tier_said(struct bytes neutral);
enum finish_reason claude_finish(yyjson_val *stop_reason);
/* The attempt's error, of the object that the API calls `error`. Returns -1. */
int claude_fail_upstream(yyjson_val *error, const struct dialect *, bool stream, struct arena *);

#endif
