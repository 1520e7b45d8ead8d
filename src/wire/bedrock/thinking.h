/* What goes to a Claude on Bedrock of an effort or a budget that was asked for (providers-others §2.5), by the table of its
 * generations, wire/anthropic_messages/claude.h. */
#ifndef SIGNET_WIRE_BEDROCK_THINKING_H
#define SIGNET_WIRE_BEDROCK_THINKING_H

#include "inference/inference.h"
#include "wire/anthropic_messages/claude.h"

struct bedrock_thinking {
	enum { REASON_UNSAID, REASON_BUDGET, REASON_ADAPTIVE, REASON_OFF } kind;
	uint64_t budget, max_tokens; /* of REASON_BUDGET; the second 0: as the request has it */
	struct bytes effort;         /* unset: unsaid */
};

/* What is known of the model that an id of Bedrock or an ARN names. NULL: it is no Claude. */
const struct claude *bedrock_claude(struct bytes model);
/* Whether that Claude answers by a JSON schema. */
bool bedrock_takes_schema(const struct claude *, struct bytes model);
/* -1: ERR_INVALID_REQUEST, the budget is not below max_tokens. */
int bedrock_plan(const struct claude *, const struct inference *, struct bedrock_thinking *out);

#endif
