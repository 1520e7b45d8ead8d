/* What is known of Anthropic's models, by their names (providers-others §2.5, §2.6). Pure functions of the name. */
#ifndef SIGNET_WIRE_ANTHROPIC_CLAUDE_H
#define SIGNET_WIRE_ANTHROPIC_CLAUDE_H

#include "base/bytes.h"

enum effort_bit {
	EFFORT_LOW = 1,
	EFFORT_MEDIUM = 2,
	EFFORT_HIGH = 4,
	EFFORT_XHIGH = 8,
	EFFORT_MAX = 16
};

/* What a generation takes. */
struct claude {
	bool manual;      /* thinking with a budget */
	bool adaptive;    /* thinking as it sees fit */
	bool disabled;    /* thinking may be said to be off */
	bool thinks;      /* it thinks unless that is said */
	bool sampling;    /* temperature, top_p */
	bool hides;       /* thoughts come without text unless they are asked for */
	bool prefill;     /* the conversation may end with the answer's beginning */
	unsigned efforts; /* bits of enum effort_bit */
};

/* Never NULL: a model of no known name takes all; one of a known family, but not of a known version, is as the newest. */
const struct claude *claude_of(struct bytes model);
/* The most that it answers, which is its default, too. 0: not known. */
uint64_t claude_max_tokens(struct bytes model);
/* The effort that it takes in the place of this one; unset: it takes none. Words that are not known stay. */
struct bytes claude_effort(const struct claude *, struct bytes effort);

#endif
