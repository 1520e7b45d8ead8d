/*
 * The native format's blocks as they stand in rows (storage §2.2): input at rest, output, model
 * output. Pure. Later the native route's reader and writer join them here.
 */
#ifndef SIGNET_WIRE_NATIVE_H
#define SIGNET_WIRE_NATIVE_H

#include "base/pen.h"
#include "inference/inference.h"

/* The members of a thought and of an unknown block behind `type`; also those of OpenAI's extra content. */
void native_put_thought(struct pen *, const struct block *);
void native_put_unknown(struct pen *, const struct block *);

/* {"system"?:…,"messages":[…]}: the input as resolved, before templates. *messages: where in `out` the array of
 * messages begins; it ends one byte before the end. */
int native_write_input(const struct inference *, struct buf *out, size_t *messages);
/* [{"role","content":[…]}]: input_messages of ModelInference. */
int native_write_messages(const struct inference *, struct buf *out);
/* The checked output of a chat inference: tool calls with raw_name, raw_arguments, name|null,
 * arguments|null. `valid` says whether a tool call's arguments fit the schema of its tool. */
typedef bool native_valid_fn(void *ctx, const struct tool *, struct bytes arguments);
int native_write_output(const struct block *, size_t n, const struct tool_config *,
			native_valid_fn *, void *ctx, struct buf *out);
/* The raw blocks of a provider: ModelInference.output. */
int native_write_raw_output(const struct block *, size_t n, struct buf *out);

/* The tool columns of storage §2.2. */
int native_write_dynamic_tools(const struct tool_config *, struct buf *out); /* [..] */
int native_write_dynamic_provider_tools(const struct tool_config *, struct buf *out);
int native_write_allowed_tools(const struct tool_config *, struct buf *out);
int native_write_tool_choice(const struct tool_config *,
			     struct buf *out); /* JSON: "auto" with quotes */
int native_write_tool_params(const struct tool_config *, struct buf *out);
int native_write_extra_body(const struct extras *, struct buf *out);

/* Plain text of a conversation's last user text and of an answer, at most `max` characters on one line:
 * the list's previews. */
int native_preview_input(const struct inference *, size_t max, struct buf *out);
int native_preview_output(const struct block *, size_t n, size_t max, struct buf *out);

#endif
