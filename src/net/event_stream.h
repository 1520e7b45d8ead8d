/*
 * AWS event streams (application/vnd.amazon.eventstream, providers-others §6), reading: frames with two checksums. Pure;
 * allocates only for a frame that is split over two pieces, and holds no more than that one.
 */
#ifndef SIGNET_NET_EVENT_STREAM_H
#define SIGNET_NET_EVENT_STREAM_H

#include "base/bytes.h"

#define EVENT_STREAM_MAX_PAYLOAD (1u << 20)   /* Signet's bound; the protocol's is 24 MiB */
#define EVENT_STREAM_MAX_HEADERS (128u << 10) /* the protocol's */

enum frame_kind {
	FRAME_EVENT,     /* `name`: its type */
	FRAME_EXCEPTION, /* `name`: of one that the service's model has; the payload is JSON */
	FRAME_ERROR,     /* `name`, `message`: of any other; no payload */
	FRAME_OTHER,     /* no message type, or one that is not known */
};

struct frame {
	enum frame_kind kind;
	struct bytes name, message; /* "" if there is none */
	struct bytes payload;
};

struct event_stream {
	struct bytes in;  /* what is left of the piece that was fed */
	struct buf frame; /* the beginning of one that the end of a piece cut */
	bool given;       /* the last frame lay in `frame` */
};

void event_stream_init(struct event_stream *);
void event_stream_deinit(struct event_stream *);
/* Gives the next piece of the body, which must live until event_stream_next() has returned 0. */
void event_stream_feed(struct event_stream *, struct bytes piece);
/* 1: a frame, valid until the next call. 0: feed more. -1: ERR_PROTOCOL "Error decoding event stream frame: ‹what›"; what
 * follows cannot be read. */
int event_stream_next(struct event_stream *, struct frame *);
/* The body has ended. -1: in the middle of a frame, ERR_PROTOCOL. */
int event_stream_end(const struct event_stream *);

#endif
