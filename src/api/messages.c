/* Anthropic's Messages: POST /v1/messages, and /anthropic/v1/messages for clients that want a base of their own (surfaces §5). */
#include "api/surface.h"

#include "route/classify.h"
#include "wire/anthropic_messages/anthropic_messages.h"

/* ---- errors (surfaces §1.7) ---- */

static int status_of(const struct error *e, int status)
{
	enum failure f = classify(e);

	if (status == 503 && f == FAILURE_OVERLOAD && error_leaf(e)->kind != ERR_BUSY)
		return 529;
	return status == 429 && f == FAILURE_QUOTA ? 402 : status;
}

/* Clients compact their conversation when they read these words. */
static struct error *shown(const struct error *e, int status, struct arena *a)
{
	struct error *out = api_openai_error(e, status, a);

	if (!out || classify(e) != FAILURE_CONTEXT)
		return out;
	out->message =
		arena_printf(a, "prompt is too long: %.*s (capability_rejected: prompt_too_long)",
			     BFMT(out->message));
	return bytes_set(out->message) ? out : NULL;
}

static const struct error_face face = { .status = status_of, .show = shown };

const struct surface surface_anthropic_messages = {
	.name = B("messages"),
	.profile = "openai",
	.options = &messages_options,
	.upstream_errors = true,
	.face = &face,
	.attributes = true,
	.ping = B("event: ping\ndata: {\"type\":\"ping\"}\n\n"),
	.read = anthropic_read_request,
	.write_result = anthropic_write_result,
	.writer_new = anthropic_writer_new,
	.write_delta = anthropic_write_delta,
	.write_end = anthropic_write_end,
	.write_stream_error = anthropic_write_stream_error,
	.write_error = write_anthropic_error,
};
