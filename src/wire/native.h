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

/* {"system"?:…,"messages":[…]}: the input as resolved, before templates. *messages: where in the buffer the array of
 * messages begins; it ends one byte before the end. */
void native_put_input(struct pen *, const struct inference *, size_t *messages);
/* [{"role","content":[…]}] as the model gets them, raw text as text: input_messages of ModelInference. */
void native_put_messages(struct pen *, const struct inference *);
/* The checked output of a chat inference: tool calls with raw_name, raw_arguments, name|null,
 * arguments|null. `valid` says whether a tool call's arguments fit the schema of its tool. */
typedef bool native_valid_fn(void *ctx, const struct tool *, struct bytes arguments);
void native_put_output(struct pen *, const struct block *, size_t n, const struct tool_config *,
		       native_valid_fn *, void *ctx);
/* The raw blocks of a provider: ModelInference.output. */
void native_put_blocks(struct pen *, const struct block *, size_t n);

/* The tool columns of storage §2.2. */
void native_put_dynamic_tools(struct pen *, const struct tool_config *); /* [..] */
void native_put_dynamic_provider_tools(struct pen *, const struct tool_config *);
void native_put_allowed_tools(struct pen *, const struct tool_config *);
void native_put_tool_choice(struct pen *,
			    const struct tool_config *); /* JSON: "auto" with quotes */
void native_put_tool_params(struct pen *, const struct tool_config *);
void native_put_extra_body(struct pen *, const struct extras *);

/* Plain text of a conversation's last user text and of an answer, at most `max` characters on one line:
 * the list's previews. */
int native_preview_input(const struct inference *, size_t max, struct buf *out);
int native_preview_output(const struct block *, size_t n, size_t max, struct buf *out);

#endif
