/*
 * Server-sent events (WHATWG HTML §9.2.6), reading. Pure; allocates only while an event is split over
 * two pieces. LF, CRLF and lone CR end lines; a BOM at the very start is skipped; data lines join by LF.
 */
#ifndef SIGNET_NET_SSE_H
#define SIGNET_NET_SSE_H

#include "base/bytes.h"

#define SSE_MAX_EVENT (16u << 20) /* providers-openai §2.11 */

struct sse_event {
	struct bytes event; /* "" if the event has no name */
	struct bytes data;  /* without the last LF */
};

struct sse {
	struct bytes in; /* what is left of the piece that was fed */
	const char *
		next_lf; /* the next LF of the piece, its end if there is none, NULL = not searched */
	struct buf line;     /* a line that was cut by the end of a piece */
	struct buf data;     /* data of an event with several lines, or cut by the end of a piece */
	struct buf name;     /* the same of its name */
	struct bytes direct; /* a single data line, still in the piece; unset: it is in `data` */
	struct bytes name_direct;
	bool has_data, skip_lf, started, given;
	uint64_t comments; /* how many comment lines came: keep-alives */
};

void sse_init(struct sse *, size_t max_event);
void sse_deinit(struct sse *);
/* Gives the next piece of the body. The piece must live until sse_next() has returned 0. */
void sse_feed(struct sse *, struct bytes piece);
/* 1: an event, valid until the next call. 0: feed more. -1: ERR_TOO_LARGE. */
int sse_next(struct sse *, struct sse_event *);
/* The body has ended: 1 if an event without its blank line was left (browsers drop it; upstreams that
 * forget the last blank line are real), else 0. */
int sse_end(struct sse *, struct sse_event *);

#endif
