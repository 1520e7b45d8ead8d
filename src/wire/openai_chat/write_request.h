/*
 * Shared by the files that write a chat request for a provider: openai_chat/write_request.c (from the neutral
 * model), openai_chat/edit_request.c (the client's own body, edited in place).
 */
#ifndef SIGNET_WIRE_OPENAI_CHAT_WRITE_H
#define SIGNET_WIRE_OPENAI_CHAT_WRITE_H

#include "base/pen.h"
#include "wire/wire.h"

#define CHAT_MAX_TEXT (100u << 20) /* of one text that is put together for the body */

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
/* Whether some tool goes out under another name than the client's. */
bool openai_chat_renames(const struct inference *);
int openai_chat_write_edited(struct chat_out *);

/* The value of `messages`. -1: error set. */
int openai_chat_put_messages(struct chat_out *);
/* The key of a parameter in the body; empty: it has none. */
struct bytes openai_chat_key(const struct chat_out *, enum param);
/* Whether it goes out, and its value, without the key. */
bool openai_chat_sends(const struct chat_out *, enum param);
void openai_chat_put_param(struct chat_out *, enum param);

/* Appends a path to a list of ignored ones ("a, b"), at most 1 KiB. */
void chat_ignored(struct buf *ignored, struct bytes path);

#endif
