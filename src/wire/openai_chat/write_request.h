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

/* ---- what a dialect takes: write_dialect.c ---- */

/* The effort that a budget of thinking is, on surfaces that may say so; unset: none. */
struct bytes chat_budget_effort(const struct inference *);
/* Whether the body has a place for the parameter. */
bool chat_takes(const struct chat_out *, enum param);
/* Whether its value may go out as the client wrote it, else it is written anew. */
bool chat_takes_as_is(const struct chat_out *, enum param);
/* Names what is set and has no place. */
void chat_name_ignored(struct chat_out *);
/* -1: the request cannot be said in this dialect at all. */
int chat_check(const struct chat_out *);
bool chat_takes_key(const struct chat_out *, enum chat_key);
/* A key that is no parameter, with its comma, if it is sent. `messages` are not among them. */
void chat_put_key(struct chat_out *, enum chat_key);
/* The value of response_format; whether it is json_object. */
void chat_put_response_format(struct chat_out *);
bool chat_sends_json_object(const struct chat_out *);
/* Whether the model knows no system text: it is a user's. */
bool chat_plain_roles(const struct chat_out *);
/* The messages as roles that take turns, with the system text in front if it is a user's. false: out of memory. */
bool chat_take_turns(const struct chat_out *, struct arena *, struct message **out, size_t *n);
/* An id of a call as the provider takes it. */
struct bytes chat_call_id(const struct chat_out *, struct bytes id, char out[ID_ROOM]);

/* ---- an assistant's thoughts: write_thoughts.c ---- */

/* Whether it is a part of `content`. */
bool chat_is_thinking_part(const struct chat_out *, const struct block *);
void chat_put_thinking_part(struct chat_out *, const struct block *);
/* Whether thoughts alone make a message. */
bool chat_thoughts_suffice(const struct chat_out *, const struct message *);
/* The member that holds them, behind `content` and `tool_calls`. */
void chat_put_thoughts(struct chat_out *, const struct message *);
/* Whether some go out as <think>…</think>, and that string. */
bool chat_has_tagged(const struct chat_out *, const struct message *);
void chat_put_tagged(struct chat_out *, const struct message *);

/* The value of `messages`. -1: error set. */
int openai_chat_put_messages(struct chat_out *);
/* The key of a parameter in the body; empty: it has none. */
struct bytes openai_chat_key(const struct chat_out *, enum param);
/* Whether it is set and goes out, and its value, without the key. */
bool openai_chat_sends(const struct chat_out *, enum param);
void openai_chat_put_param(struct chat_out *, enum param);

/* Appends a path to a list of ignored ones ("a, b"), at most 1 KiB. */
void chat_ignored(struct buf *ignored, struct bytes path);

#endif
