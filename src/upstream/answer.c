/*
 * What comes back: a result, or deltas.
 *
 * What the upstream does wrong after its head becomes a delta with an error, so that one loop in the caller serves good
 * and bad streams alike; only cancellation and the fiber's deadline end the loop with -1.
 */
#include "base/error.h"
#include "base/log.h"
#include "fiber/fiber.h"
#include "upstream/call.h"

#define ANSWER_MAX (100u << 20) /* providers-openai §2.11 */
#define PEEK_BYTES 16u          /* that tell a stream from a document */
#define REST_MS    5000u        /* for usage, behind a stop sequence (surfaces §5.7) */

/* ---- a plain answer ---- */

/* Unknown events are ignored and counted; the log joins what repeats. */
static void tell_unknown_events(const struct call *c, uint64_t n)
{
	if (n)
		log_warn("upstream", "events that Signet does not know were left out",
			 LB("model", c->provider->model->name), LB("provider", c->provider->name),
			 LI("records", (int64_t)n));
}

struct decoding {
	struct call *call;
	struct bytes body;
	struct result *result;
};

static void decode_here(void *arg)
{
	struct decoding *d = arg;
	struct call *c = d->call;

	if (!c->type->always_streams && c->wire->stream_new && wire_is_events(d->body))
		d->result = wire_collect(c->wire, d->body, c->inf, &c->dialect, c->context->arena);
	else
		d->result = c->wire->read_result(d->body, c->inf, &c->dialect, c->context->arena);
	if (d->result && c->stops)
		stop_cut_result(c->stops, d->result);
}

/* What only a header tells. */
static void take_cached_tokens(const struct call *c, struct usage *usage)
{
	uint64_t n;

	if (c->type->cached_tokens_header.n &&
	    bytes_to_u64(http_call_header(c->http, c->type->cached_tokens_header), &n) &&
	    n <= UINT32_MAX)
		usage->cache_read = (int64_t)n;
}

static struct result *read_result(struct call *c)
{
	uint64_t before = fiber_deadline_narrow(c->deadline);
	struct decoding d = { .call = c };
	struct result *r;
	int failed = http_call_read_all(c->http, ANSWER_MAX, &d.body);

	fiber_deadline_restore(before);
	c->attempt->end_ms = turn_ms();
	if (failed) {
		call_fail_body(c);
		return NULL;
	}
	d.body = wire_body_text(d.body, http_call_header(c->http, B("content-type")),
				c->context->arena);
	if (!bytes_set(d.body))
		return NULL;
	c->attempt->raw_response = d.body;
	if (offload_if_big(d.body.n, decode_here, &d))
		return NULL;
	r = d.result;
	if (r && c->asked && custom_tools_restore(r, c->asked, c->context->arena))
		return NULL;
	if (!r) {
		call_with_debug(c);
		return NULL;
	}
	tell_unknown_events(c, r->unknown_events);
	take_cached_tokens(c, &r->usage);
	r->raw_request = c->attempt->raw_request;
	if (!bytes_set(r->raw_response))
		r->raw_response = d.body;
	r->request_id = c->attempt->request_id;
	r->response_ms = c->attempt->end_ms - c->attempt->started_ms;
	return r;
}

struct result *upstream_result(struct call *c)
{
	struct result *r = read_result(c);
	struct error *failure;

	if (r || call_ended_above())
		return r;
	failure = error_save(c->context->arena);
	if (!failure)
		return NULL;
	call_redact_error(c, failure);
	c->attempt->raw_response = call_redact(c, c->attempt->raw_response);
	fail_with(failure);
	return NULL;
}

/* ---- a stream ---- */

/* The last error as a delta, so that the caller's loop sees it like any other event. */
static int error_delta(struct call *c, struct delta **out)
{
	struct error *e = error_save(c->context->arena);

	if (!e)
		return -1;
	e->fatal = true;
	c->delta = (struct delta){ .error = e };
	c->state = STREAM_ENDED;
	*out = &c->delta;
	return 1;
}

/* A delta up to the first stop sequence, and behind it what it says of usage. */
static int cut(struct call *c, bool last)
{
	bool met = stop_cut_met(c->stops);

	if (met && c->delta.error) { /* the client has its whole answer */
		c->state = STREAM_ENDED;
		return 0;
	}
	if (c->delta.error)
		return 1;
	if (stop_cut_take(c->stops, &c->delta, last))
		return -1;
	if (!met && stop_cut_met(c->stops) && clock_mono_ms() + REST_MS < c->deadline)
		c->deadline = clock_mono_ms() + REST_MS;
	return 1;
}

/* What the wire gave as the caller shall have it. `last`: it gives no more. */
static int adapt(struct call *c, int r, bool last)
{
	if (r == 0 && last && c->stops && !stop_cut_met(c->stops)) { /* a text may wait there */
		c->delta = (struct delta){ 0 };
		usage_init(&c->delta.usage);
		r = cut(c, true);
		return r < 0 ? -1 : c->delta.len > 0;
	}
	if (r == 1 && c->asked && custom_stream_take(c->custom, &c->delta))
		return -1;
	return r == 1 && c->stops ? cut(c, last) : r;
}

/* What the wire still holds. */
static int take_last(struct call *c)
{
	c->state = STREAM_ENDED;
	return adapt(c, c->wire->read_end(c->stream, &c->delta) == 1, true);
}

/* One event through the wire. */
static int take_event(struct call *c, const struct sse_event *event)
{
	int r = c->wire->read_event(c->stream, event, &c->delta);

	r = r == 2 ? take_last(c) : adapt(c, r, false);
	if (r == 1 && c->delta.error && c->delta.error->fatal)
		c->state = STREAM_ENDED;
	return r;
}

static int take_next(struct call *c)
{
	struct sse_event event;
	int r = framing_next(c->framer, &event);

	if (r == 0)
		c->state = STREAM_WAITS;
	if (r == 2)
		return call_fail_exception(c);
	return r == 1 ? take_event(c, &event) : r;
}

/* The body is over. An event without its blank line still counts, but not for TensorZero. */
static int take_unfinished(struct call *c)
{
	struct sse_event event;
	int r = framing_end(c->framer, &event);

	c->state = STREAM_CLOSING;
	return r == 1 && c->inf->options->lenient ? take_event(c, &event) : r < 0 ? -1 : 0;
}

static int read_more(struct call *c)
{
	uint64_t before = fiber_deadline_narrow(c->deadline);
	struct bytes piece;
	int r = http_call_read(c->http, &piece);

	fiber_deadline_restore(before);
	if (r < 0)
		return -1;
	c->state = r ? STREAM_EVENTS : STREAM_LAST;
	if (!r)
		return 0;
	c->received += piece.n;
	if (c->received > ANSWER_MAX)
		return fail(ERR_TOO_LARGE, "the upstream's answer is longer than %u bytes",
			    ANSWER_MAX);
	framing_feed(c->framer, piece);
	return 0;
}

/* 1: a delta. 0: on to the state that `state` says now. -1. */
static int step(struct call *c)
{
	switch (c->state) {
	case STREAM_EVENTS: return take_next(c);
	case STREAM_WAITS:
		if (c->wire->rest)
			c->wire->rest(c->stream);
		return read_more(c);
	case STREAM_LAST: return take_unfinished(c);
	case STREAM_CLOSING: return take_last(c);
	case STREAM_ENDED: break;
	}
	return 0;
}

static int next_delta(struct call *c, struct delta **out, int (*idle)(void *), void *arg)
{
	if (c->given < c->nheld) {
		*out = &c->held[c->given++];
		return 1;
	}
	*out = &c->delta;
	if (c->first_waits) {
		c->first_waits = false;
		return 1;
	}
	while (c->state != STREAM_ENDED) {
		int r;

		if (c->state == STREAM_WAITS && idle && idle(arg))
			return -1;
		r = step(c);
		if (r > 0)
			return 1;
		if (r < 0) {
			http_call_distrust(c->http);
			if (c->stops && stop_cut_met(c->stops) && !call_ended_above()) {
				c->state = STREAM_ENDED; /* without usage */
				return 0;
			}
			if (!error_last()->fatal) /* else it has its words */
				call_fail_transport(c, true);
			return call_ended_above() ? -1 : error_delta(c, out);
		}
	}
	return 0;
}

int upstream_next(struct call *c, struct delta **out, int (*idle)(void *), void *arg)
{
	int r = next_delta(c, out, idle, arg);
	struct delta *d = *out;

	if (r == 1 && d->error) {
		call_redact_error(c, d->error);
		d->raw = call_redact(c, d->raw);
	}
	return r;
}

int answer_peek(struct call *c)
{
	struct bytes piece;

	while (c->peeked.n < PEEK_BYTES) {
		int r = http_call_read(c->http, &piece);

		if (r < 0)
			return -1;
		if (!r)
			break;
		c->peeked = arena_cat(c->context->arena, c->peeked, piece);
		if (!bytes_set(c->peeked))
			return -1;
	}
	c->received = c->peeked.n;
	return wire_is_events(c->peeked);
}

void upstream_close(struct call *c)
{
	if (!c)
		return;
	if (c->provider->in_flight)
		__atomic_fetch_sub(c->provider->in_flight, 1, __ATOMIC_RELAXED);
	if (c->http)
		http_call_close(c->http);
	if (c->stream && c->wire->unknown_events)
		tell_unknown_events(c, c->wire->unknown_events(c->stream));
	if (c->stream)
		c->wire->stream_free(c->stream);
	custom_stream_free(c->custom);
	stop_cut_free(c->stops);
	if (c->framer)
		framing_deinit(c->framer);
}
