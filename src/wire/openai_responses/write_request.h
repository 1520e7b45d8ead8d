/*
 * Shared by the files that write a Responses request for a provider: openai_responses/write_request.c (from the neutral
 * model), openai_responses/edit_request.c (the client's own body, edited in place).
 */
#ifndef SIGNET_WIRE_OPENAI_RESPONSES_WRITE_H
#define SIGNET_WIRE_OPENAI_RESPONSES_WRITE_H

#include "base/pen.h"
#include "wire/openai_responses/openai_responses.h"

struct responses_out {
	struct pen pen;
	const struct inference *inf;
	const struct dialect *dialect;
	const struct responses_options *options; /* of the dialect */
	struct buf *ignored;
};

int openai_responses_write_request(const struct inference *, const struct dialect *,
				   struct buf *out, struct buf *ignored);
/* Whether the client's own body goes out, edited. */
bool openai_responses_passes(const struct inference *);
int openai_responses_write_edited(struct responses_out *);

/* The value of `input`, with the system text in front. -1: error set. */
int responses_put_input(struct responses_out *);
/* Values of `tools` and `tool_choice`. */
void responses_put_tools(struct responses_out *);
void responses_put_tool_choice(struct responses_out *);
void responses_put_text(struct responses_out *);
void responses_put_reasoning(struct responses_out *);

/* A tool's name as the API takes it. */
void responses_put_name(struct responses_out *, struct bytes name);
/* Whether some tool goes out under another name than the client's. */
bool openai_responses_renames(const struct inference *);

#endif
