/* Shared by write_events.c (a client's stream, made) and edit_events.c (an upstream's own, edited). */
#ifndef SIGNET_WIRE_OPENAI_RESPONSES_WRITE_EVENTS_H
#define SIGNET_WIRE_OPENAI_RESPONSES_WRITE_EVENTS_H

#include "wire/openai_responses/write_response.h"

struct waiting_call {
	struct bytes id, name;
	bool custom;
	struct buf arguments;
};

struct wire_writer {
	const struct answer *a;
	const struct responses_request *req;
	struct arena *arena;
	uint64_t seq; /* of the next event */
	bool begun, over;
	struct bytes tier; /* the upstream's */
	/* items that are done, as JSON with commas: as the client sees them, as they are kept; the object that is kept */
	struct buf shown, sealed, kept;
	size_t nitems;
	/* the item that is open */
	bool open, announced;
	struct response_item item;
	struct bytes id; /* of its parts */
	enum { SAYS_NOTHING, SAYS_SUMMARY } mode;
	size_t nparts; /* of a summary, begun */
	struct bytes summary_id;
	struct buf text, parts, raw, signature;
	struct waiting_call *waiting; /* calls behind the open one */
	size_t nwaiting;
};

void responses_event_begin(struct wire_writer *, struct pen *, struct bytes type);
void responses_event_end(struct pen *);
/* One event of an upstream of this format. -1: no room. */
int responses_pass_event(struct wire_writer *, struct pen *, const struct delta *);
/* The upstream's own event that says what failed. False: it was none, or nothing comes behind it. */
bool responses_pass_error(struct wire_writer *, struct pen *, const struct error *);

#endif
