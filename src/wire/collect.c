/*
 * An event stream that came whole: what a format answers that only streams, and what an upstream sends that streams though
 * it was not asked to.
 */
#include "base/error.h"
#include "net/sse.h"
#include "wire/wire.h"

bool wire_is_events(struct bytes body)
{
	static const struct bytes fields[] = { B("data:"), B("event:"), B("id:"), B("retry:"),
					       B(":") };

	if (bytes_starts(body, B("\xef\xbb\xbf")))
		body = bytes_slice(body, 3, body.n);
	while (body.n && bytes_chr(B("\r\n"), *body.p) >= 0)
		body = bytes_slice(body, 1, body.n);
	for (size_t i = 0; i < COUNT(fields); i++)
		if (bytes_starts(body, fields[i]))
			return true;
	return false;
}

/* 0: go on; 1: the stream has ended; -1. */
static int take_delta(struct gather *g, const struct delta *d)
{
	return d->error ? fail_with(d->error) : gather_add(g, d);
}

static int take_event(const struct wire *w, struct wire_stream *s, struct gather *g,
		      const struct sse_event *event)
{
	struct delta d;
	int r = w->read_event(s, event, &d);

	if (r == 1)
		return take_delta(g, &d);
	return r == 2 ? 1 : r;
}

static int take_all(const struct wire *w, struct wire_stream *s, struct gather *g,
		    struct bytes body)
{
	struct sse_event event;
	struct delta d;
	struct sse sse;
	int r, ended = 0;

	sse_init(&sse, SSE_MAX_EVENT);
	sse_feed(&sse, body);
	while (!ended && (r = sse_next(&sse, &event)) == 1)
		ended = take_event(w, s, g, &event);
	if (!ended)
		ended = r;
	if (!ended && sse_end(&sse, &event))
		ended = take_event(w, s, g, &event);
	sse_deinit(&sse);
	if (ended < 0)
		return -1;
	r = w->read_end(s, &d);
	return r == 1 ? take_delta(g, &d) : r;
}

/* Takes what is set out of the gather's memory. -1: no room. */
static int keep(struct bytes *text, struct arena *a)
{
	if (!bytes_set(*text))
		return 0;
	*text = arena_dup(a, *text);
	return bytes_set(*text) ? 0 : -1;
}

static int keep_all(struct result *r, struct bytes body, struct arena *a)
{
	r->raw_response = body;
	for (size_t i = 0; i < r->nothers; i++)
		if (keep_all(&r->others[i], (struct bytes){ NULL, 0 }, a))
			return -1;
	for (size_t i = 0; i < r->len; i++) {
		struct block *b = &r->content[i];

		if (keep(&b->text, a) || keep(&b->id, a) || keep(&b->name, a) ||
		    keep(&b->arguments, a) || keep(&b->signature, a))
			return -1;
		if (b->type == BLOCK_TEXT)
			b->annotations = r->annotations;
	}
	return keep(&r->raw_usage, a);
}

struct result *wire_collect(const struct wire *w, struct bytes body, const struct inference *inf,
			    const struct dialect *d, struct arena *a)
{
	struct wire_stream *s = w->stream_new(inf, d, a);
	struct gather *g = gather_new(a, 0);
	struct result *r = arena_new(a, struct result);
	bool good = s && g && r && take_all(w, s, g, body) == 0 && gather_finish(g, r) == 0 &&
		    keep_all(r, body, a) == 0;

	if (good && w->unknown_events)
		r->unknown_events = w->unknown_events(s);
	gather_free(g);
	w->stream_free(s);
	return good ? r : NULL;
}
