/*
 * OpenAI's legacy text completions, the client's side: a prompt in, text out. Any chat model answers: the prompt becomes
 * the one message of a chat request, which the chat format's reader reads, with all of its fields, checks and texts of
 * errors. Pure.
 *
 * What a chat model cannot do is refused by name rather than answered wrongly: several prompts or prompts of token ids,
 * `suffix`, `n` and `best_of` over 1. `logprobs` is left out of the request and named in x-signet-ignored.
 */
#ifndef SIGNET_WIRE_OPENAI_COMPLETIONS_H
#define SIGNET_WIRE_OPENAI_COMPLETIONS_H

#include "wire/openai_chat/openai_chat.h"

/* As openai_chat_read_request(); `param` names the field of this format. */
struct envelope *openai_completions_read_request(struct bytes body, const struct surface_options *,
						 struct arena *);

/* A plain answer. Thoughts and tool calls have no place in this format. */
int openai_completions_write_result(const struct answer *, const struct result *, struct buf *out);

/* A stream, as the functions of openai_chat.h: chunks of object text_completion, at last finish reason, usage where
 * asked for, and [DONE]. Allocation-free but for `out`. */
struct wire_writer *openai_completions_writer_new(const struct answer *, struct arena *);
int openai_completions_write_delta(struct wire_writer *, const struct delta *, struct buf *out);
int openai_completions_write_end(struct wire_writer *, const struct result *, struct buf *out);
int openai_completions_write_stream_error(struct wire_writer *, const struct error *, int status,
					  struct buf *out);

/* The chat request that it became, first: answer.asked points at its envelope, and the chat format's functions find
 * what is theirs. */
struct completions_request {
	struct chat_request chat;
	struct bytes echo; /* the prompt, to stand before the answer; unset: it does not */
};

#endif
