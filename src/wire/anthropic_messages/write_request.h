/*
 * Shared by the files that write a Messages request: write_request.c (the body, thinking), write_messages.c (the
 * conversation), write_tools.c, schema.c (schemas that the API takes), edit_request.c (the client's own body, edited).
 */
#ifndef SIGNET_WIRE_ANTHROPIC_WRITE_REQUEST_H
#define SIGNET_WIRE_ANTHROPIC_WRITE_REQUEST_H

#include "base/json.h"
#include "base/map.h"
#include "base/pen.h"
#include "wire/anthropic_messages/anthropic_messages.h"
#include "wire/anthropic_messages/claude.h"

#define CLAUDE_MARKS   4 /* cache marks that a request may have */
#define CLAUDE_SCRATCH (512u << 20)
#define CLAUDE_RESPOND \
	B("respond") /* the tool whose call is the answer, where no schema of the format can be said */

/* How the answer shall be JSON. */
enum claude_json {
	CLAUDE_JSON_UNSAID,
	CLAUDE_JSON_SCHEMA, /* by output_config.format */
	CLAUDE_JSON_TOOL,   /* by the tool `respond`, whose call becomes text again */
};

struct claude_out {
	struct pen pen;
	const struct inference *inf;
	const struct dialect *dialect;
	const struct anthropic_options *options; /* never NULL */
	const struct claude *claude;
	struct buf *ignored;
	struct arena *scratch;                         /* of this one body */
	size_t skip_tools, skip_system, skip_messages; /* cache marks that are over the limit */
	/* thinking, as it is sent */
	enum { THINKING_UNSAID, THINKING_OFF, THINKING_ADAPTIVE, THINKING_BUDGET } thinking;
	uint64_t budget, max_tokens;
	struct bytes effort; /* unset: none */
	bool thinks;         /* it will: what the API refuses beside it is left out */
	enum claude_json json;
};

const struct anthropic_options *claude_options(const struct dialect *);
/* Whether the client's own body goes out, edited. */
bool claude_passes(const struct inference *);
int claude_write_edited(struct claude_out *);
/* Names what was left out ("a, b"), at most 1 KiB. */
void claude_ignored(struct buf *ignored, struct bytes path);
enum claude_json claude_json_of(const struct inference *);
void claude_put_max_tokens(struct claude_out *);

/* write_messages.c: the value of `messages`; -1: error set. Whether the turn that is under way, with a result at its end,
 * has a thought in it; and whether a call or a result is anywhere. */
int claude_put_messages(struct claude_out *);
bool claude_turn_has_thought(const struct inference *, bool *under_way);
bool claude_has_calls(const struct inference *);
/* `,"cache_control":{…}` */
void claude_put_cache(struct pen *, enum cache_mark, size_t *skip);

/* write_tools.c: the members `tool_choice` and `tools`. */
int claude_put_tools(struct claude_out *);

/* schema.c: a schema for output_config.format, as it is or mended; false: it cannot be said. Without a pen it is only asked. */
bool claude_put_format(struct pen *, struct bytes schema);
/* A tool's: an object without unions at its root. */
void claude_put_tool_schema(struct pen *, struct bytes schema);

#endif
