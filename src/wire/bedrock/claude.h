/*
 * What each generation of Claude takes, as Bedrock serves it (providers-others §2.5): one table, by the model's name.
 */
#ifndef SIGNET_WIRE_BEDROCK_CLAUDE_H
#define SIGNET_WIRE_BEDROCK_CLAUDE_H

#include "inference/inference.h"

enum claude_effort {
	EFFORT_NONE,
	EFFORT_LOW,
	EFFORT_MEDIUM,
	EFFORT_HIGH,
	EFFORT_XHIGH,
	EFFORT_MAX
};

struct claude {
	struct bytes name;     /* part of the model's id */
	bool manual, adaptive; /* kinds of thinking */
	bool always;           /* it cannot be turned off */
	enum claude_effort efforts
		[3]; /* levels beyond EFFORT_HIGH that it takes; EFFORT_NONE in front: no level at all */
	bool sampling; /* temperature and top_p */
	bool schemas;  /* answers by a JSON schema */
};

/* NULL: it is no Claude. One that no row names is as the newest. */
const struct claude *claude_of(struct bytes model);

/* What goes out of what was asked. */
struct claude_thinking {
	enum { THINKING_UNSAID, THINKING_BUDGET, THINKING_ADAPTIVE, THINKING_OFF } kind;
	uint64_t budget, max_tokens; /* of THINKING_BUDGET; the second 0: as the request has it */
	enum claude_effort effort;   /* EFFORT_NONE: unsaid */
};
/* -1: ERR_INVALID_REQUEST, the budget is not below max_tokens. */
int claude_thinking(const struct claude *, const struct inference *, struct claude_thinking *out);
struct bytes claude_effort_name(enum claude_effort);

#endif
