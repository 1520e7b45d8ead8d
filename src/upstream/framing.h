/*
 * How a stream of answers is cut into events, behind one door for answer.c. `framing` of a type's row says which.
 */
#ifndef SIGNET_UPSTREAM_FRAMING_H
#define SIGNET_UPSTREAM_FRAMING_H

#include "upstream/provider_type.h"

struct framer {
	enum framing framing;
	struct sse sse;
	struct event_stream frames;
	struct frame frame; /* the last one, where framing_next gave 2 */
};

void framing_init(struct framer *, enum framing);
void framing_deinit(struct framer *);
/* Gives the next piece of the body, which must live until framing_next() has returned 0. */
void framing_feed(struct framer *, struct bytes piece);
/* 1: an event, valid until the next call. 0: feed more. 2: the upstream says in `frame` what is wrong; nothing follows. -1:
 * ERR_TOO_LARGE, ERR_PROTOCOL. */
int framing_next(struct framer *, struct sse_event *);
/* The body has ended. 1: an event is left that lacks its end; 0; -1: it ended where no end can be. */
int framing_end(struct framer *, struct sse_event *);
/* What the head of such an answer has as its content-type. */
struct bytes framing_content_type(enum framing);

#endif
