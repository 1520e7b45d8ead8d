/* Shared by the files that write a request in Gemini's format. */
#ifndef SIGNET_WIRE_GEMINI_WRITE_H
#define SIGNET_WIRE_GEMINI_WRITE_H

#include "base/pen.h"
#include "wire/gemini/gemini.h"

#define GEMINI_SCRATCH_MAX (256u << 20) /* of what is parsed of one request */

struct gemini_out {
	struct pen pen;
	const struct inference *inf;
	const struct dialect *dialect;
	const struct gemini_options *options;
	struct buf *ignored;
	struct arena scratch;
	int generation; /* of the model, ten times its number: 25, 30; 0: its name does not say */
};

const struct gemini_options *gemini_options_of(const struct dialect *);
/* A tool's name as the API takes it. */
void gemini_put_name(struct gemini_out *, struct bytes name);
/* The value of `contents`. -1: error set. */
int gemini_put_contents(struct gemini_out *);

#endif
