/*
 * Shared by the files that write for a client: write_response.c (the response object and its items), write_events.c (events),
 * edit_events.c (an upstream's own events and answers, edited in place).
 */
#ifndef SIGNET_WIRE_OPENAI_RESPONSES_WRITE_RESPONSE_H
#define SIGNET_WIRE_OPENAI_RESPONSES_WRITE_RESPONSE_H

#include "base/pen.h"
#include "wire/openai_responses/openai_responses.h"

#define RESPONSES_OUTPUT_MAX (128u << 20) /* of all items of an answer as JSON */

enum response_status {
	RESPONSE_IN_PROGRESS,
	RESPONSE_COMPLETED,
	RESPONSE_INCOMPLETE,
	RESPONSE_FAILED,
};

/* What a response object says that the request does not. */
struct response {
	enum response_status status;
	struct bytes error_code, error_message; /* RESPONSE_FAILED */
	enum finish_reason finish;              /* RESPONSE_INCOMPLETE: why */
	struct bytes output;                    /* items, a comma between them */
	const struct usage *usage;              /* NULL: null */
	struct bytes service_tier;              /* the upstream's; unset: what was asked for */
};
void response_put(struct pen *, const struct answer *, const struct response *);
/* Of a stream's first two events. */
void response_put_begun(struct pen *, const struct answer *);
enum response_status response_status_of(enum finish_reason);

enum item_kind { ITEM_REASONING, ITEM_MESSAGE, ITEM_REFUSAL, ITEM_CALL };

/* One item of the output. */
struct response_item {
	enum item_kind kind;
	size_t index;
	bool incomplete;
	struct bytes text;        /* of a message, a refusal */
	struct bytes annotations; /* JSON list; unset: none */
	struct bytes summary;     /* reasoning: parts as JSON, a comma between them */
	struct bytes raw;         /* reasoning: as the model thought it; unset: not shown */
	struct bytes signature, provider_type, upstream_id; /* reasoning */
	bool redacted;       /* reasoning: it has no text, not even an empty one */
	struct bytes hidden; /* reasoning: a text that is not shown, for the envelope */
	struct bytes call_id, name, arguments; /* a call */
	bool custom;
};
/* `sealed`: with what the thought needs to be sent back. */
void response_put_item(struct pen *, const struct answer *, const struct response_item *,
		       bool sealed);
/* "rs_0197…_2", with quotes. */
void response_put_item_id(struct pen *, const struct answer *, const struct response_item *);
/* Whether a call is written at once, when its arguments are whole. */
bool response_call_is_whole(const struct answer *, const struct response_item *);
enum responses_call response_call_of(const struct answer *, const struct response_item *,
				     const struct responses_tool **);
void response_put_call_id(struct pen *, struct bytes id);
/* One part of a thought's summary, or of its raw text. */
void response_put_summary(struct pen *, struct bytes text);

/* ---- edit_events.c ---- */

/* An upstream's response object with what is the gateway's own. `items`: put in the place of an output that is shorter;
 * unset: not. `sealed` as above. -1: no room. */
int response_edit(struct pen *, const struct answer *, struct bytes object, struct bytes items,
		  bool sealed);
/* An item without its encrypted reasoning, unless `sealed`. */
void response_edit_item(struct pen *, struct bytes item, bool sealed);

#endif
