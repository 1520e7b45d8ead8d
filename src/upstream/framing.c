/*
 * An event of an AWS stream has a name and a payload as a server-sent one has: the wires see no difference. Where a
 * container's own server-sent events travel in such frames, they are cut anywhere: payloads are one text again before
 * they are read.
 */
#include "upstream/framing.h"

struct bytes framing_content_type(enum framing framing)
{
	static const struct bytes types[] = {
		[FRAMING_SSE] = B("text/event-stream"),
		[FRAMING_EVENT_STREAM] = B("application/vnd.amazon.eventstream"),
		[FRAMING_SSE_IN_EVENT_STREAM] = B("application/vnd.amazon.eventstream"),
	};

	return types[framing];
}

void framing_init(struct framer *f, enum framing framing)
{
	f->framing = framing;
	sse_init(&f->sse, SSE_MAX_EVENT);
	event_stream_init(&f->frames);
}

void framing_deinit(struct framer *f)
{
	sse_deinit(&f->sse);
	event_stream_deinit(&f->frames);
}

void framing_feed(struct framer *f, struct bytes piece)
{
	if (f->framing == FRAMING_SSE)
		sse_feed(&f->sse, piece);
	else
		event_stream_feed(&f->frames, piece);
}

/* The next frame that is an event. */
static int next_frame(struct framer *f)
{
	int r;

	do
		r = event_stream_next(&f->frames, &f->frame);
	while (r == 1 && f->frame.kind == FRAME_OTHER);
	return r == 1 && f->frame.kind != FRAME_EVENT ? 2 : r;
}

static int next_inside(struct framer *f, struct sse_event *event)
{
	int r;

	while ((r = sse_next(&f->sse, event)) == 0) {
		r = next_frame(f);
		if (r != 1)
			return r;
		if (bytes_eq(f->frame.name, B("PayloadPart")))
			sse_feed(&f->sse, f->frame.payload);
	}
	return r;
}

int framing_next(struct framer *f, struct sse_event *event)
{
	int r;

	if (f->framing == FRAMING_SSE)
		return sse_next(&f->sse, event);
	if (f->framing == FRAMING_SSE_IN_EVENT_STREAM)
		return next_inside(f, event);
	r = next_frame(f);
	*event = (struct sse_event){ f->frame.name, f->frame.payload };
	return r;
}

int framing_end(struct framer *f, struct sse_event *event)
{
	if (f->framing != FRAMING_SSE && event_stream_end(&f->frames))
		return -1;
	return f->framing == FRAMING_EVENT_STREAM ? 0 : sse_end(&f->sse, event);
}
