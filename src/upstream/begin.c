/*
 * Where a stream begins: with its first content (surfaces §1.7). Until then the next provider can still be asked, so what
 * came before (the chunk with the role, empty ones) is held back and handed out in front of it, or, if the attempt fails,
 * stays in the record of that attempt. What is held is copied: a delta lives until the next event is read.
 *
 * An answer may end without any content. That is no failure, if it says that it has ended.
 */
#include "base/error.h"
#include "fiber/fiber.h"
#include "upstream/call.h"

/* A stream that says more without any content has begun all the same. */
#define HELD_MAX       1024
#define HELD_MAX_BYTES (1u << 20)
#define RAW_MAX        (HELD_MAX_BYTES + 2 * SSE_MAX_EVENT)

static void raw_add(struct buf *out, struct bytes raw)
{
	if (raw.n == 0)
		return;
	if (out->len)
		buf_append(out, B("\n"));
	buf_append(out, raw);
}

/* The last error stays. `last`: of the delta that failed it, unset if that has none: then the wire may hold more. */
static int begin_failed(struct call *c, struct bytes last)
{
	struct error *e = error_save(c->context->arena);
	struct delta rest;
	struct buf raw;

	if (!e)
		return -1;
	buf_init(&raw, RAW_MAX);
	for (size_t i = 0; i < c->nheld; i++)
		raw_add(&raw, c->held[i].raw);
	if (!last.n && c->wire->read_end(c->stream, &rest) == 1)
		last = rest.raw;
	raw_add(&raw, last);
	if (raw.len)
		c->attempt->raw_response = arena_adopt(c->context->arena, &raw);
	buf_deinit(&raw);
	return fail_with(e);
}

/* TensorZero names the provider here, not its type. */
static int nothing_came(struct call *c)
{
	fail_from_upstream(
		ERR_INFERENCE_SERVER, &(struct upstream_said){ .provider_type = c->provider->type },
		"Error from %.*s server: Stream ended before first chunk", BFMT(c->provider->name));
	return call_with_debug(c);
}

/* Takes note of a delta: the stream has begun, or it is held. */
static int begin_with(struct call *c, const struct delta *d, size_t *bytes)
{
	struct delta kept = *d;

	if (d->error && (c->nheld == 0 || !c->attempt->last || !c->inf->options->begun_by_any)) {
		fail_with(d->error);
		return begin_failed(c, d->raw);
	}
	*bytes += d->raw.n;
	c->first_waits =
		d->error || delta_has_content(d) || c->nheld == HELD_MAX || *bytes > HELD_MAX_BYTES;
	if (c->first_waits)
		return 0;
	if (delta_keep(&kept, c->context->arena))
		return -1;
	return arena_push(c->context->arena, c->held, c->nheld, c->cheld, kept) ? 0 : -1;
}

int answer_begin(struct call *c)
{
	size_t bytes = 0;
	struct delta *d;
	int r;

	c->framer = arena_new(c->context->arena, struct framer);
	if (!c->framer)
		return -1;
	framing_init(c->framer, c->type->framing);
	framing_feed(c->framer, c->peeked);
	c->stream = c->wire->stream_new(c->inf, &c->dialect, c->context->arena);
	if (!c->stream)
		return -1;
	while (!c->first_waits) {
		c->given = c->nheld; /* none of them yet */
		r = upstream_next(c, &d, NULL, NULL);
		if (r < 0)
			return begin_failed(c, (struct bytes){ NULL, 0 });
		if (r == 0 && c->nheld == 0)
			return nothing_came(c);
		if (r == 0)
			break;
		if (begin_with(c, d, &bytes))
			return -1;
	}
	c->given = 0;
	return 0;
}
