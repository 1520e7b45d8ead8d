/*
 * Shared by the files that write a chat request for a provider: openai_chat/write_request.c (from the neutral
 * model), openai_chat/edit_request.c (the client's own body, edited in place).
 */
#ifndef SIGNET_WIRE_OPENAI_CHAT_WRITE_H
#define SIGNET_WIRE_OPENAI_CHAT_WRITE_H

#include "base/pen.h"
#include "wire/wire.h"

struct chat_out {
	struct pen pen;
	const struct inference *inf;
	const struct dialect *dialect;
	struct buf *ignored;
};

int openai_chat_write_request(const struct inference *, const struct dialect *, struct buf *out,
			      struct buf *ignored);
/* Whether the client's own body goes out, edited. */
bool openai_chat_passes(const struct inference *);
int openai_chat_write_edited(struct chat_out *);

/* Values of single keys, without the key. -1: error set. */
int openai_chat_put_messages(struct chat_out *);
void openai_chat_put_tools(struct chat_out *);
void openai_chat_put_tool_choice(struct chat_out *);
void openai_chat_put_stop(struct chat_out *);
void openai_chat_put_response_format(struct chat_out *);
bool openai_chat_has_tools(const struct inference *);
bool openai_chat_sends_parallel(const struct chat_out *);
bool openai_chat_has_format(const struct inference *);

/* Appends a path to a list of ignored ones ("a, b"), at most 1 KiB. */
void chat_ignored(struct buf *ignored, struct bytes path);

#endif
