/* Anthropic's Messages: POST /v1/messages, and /anthropic/v1/messages for clients that want a base of their own (surfaces §5). */
#include "api/api.h"
#include "api/auth.h"
#include "api/surface.h"
#include "fiber/fiber.h"
#include "fiber/offload.h"
#include "route/classify.h"
#include "route/target.h"
#include "upstream/upstream.h"
#include "wire/anthropic_messages/anthropic_messages.h"
#include "wire/estimate.h"

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

/* ---- counting (surfaces §5.6) ---- */

struct count {
	struct exchange *x;
	struct bytes body;
	struct envelope *env;
	struct target target;
	uint64_t tokens;
};

static void read_here(void *arg)
{
	struct count *c = arg;

	c->env = anthropic_read_count(c->body, &messages_options, c->x->arena);
}

static int read_request(struct count *c)
{
	if (exchange_body(c->x, &c->body)) {
		if (error_last()->kind == ERR_PROTOCOL)
			fail_as(ERR_INVALID_REQUEST);
		return -1;
	}
	if (offload_if_big(c->body.n, read_here, c) || !c->env)
		return -1;
	return target_resolve(api_config(c->x), api_config(c->x)->shorthands, false, c->env->model,
			      c->x->arena, &c->target);
}

/* What the model's first provider says. False: it cannot be asked, or did not say. */
static bool count_exactly(struct count *c, struct bytes *answer)
{
	const struct worker *w = c->x->user;
	const struct call_context context = {
		.config = api_config(c->x),
		.client = w->client,
		.arena = c->x->arena,
		.credentials = c->env->credentials,
		.ncredentials = c->env->ncredentials,
		.request_id = api_request_id(c->x),
		.authorization = auth_client_header(c->x, B("authorization")),
		.x_api_key = auth_client_header(c->x, B("x-api-key")),
		.exchange = c->x,
		.variant_name = c->target.variant_name,
		.model_name = c->target.model->name,
	};
	const struct provider_config *p = c->target.model->routing[0];

	/* thoughts of another family are a call's to take out */
	if (c->env->inf.source_edit ||
	    upstream_count(p, &c->env->inf, &context, &c->tokens, answer))
		return false;
	return provider_wire(p) == c->env->inf.source_wire;
}

static void respond_count(struct count *c)
{
	struct bytes answer = { NULL, 0 };
	bool exact = count_exactly(c, &answer);

	if (!exact && fiber_cancelled())
		return;
	if (!exact)
		answer = arena_printf(c->x->arena, "{\"input_tokens\":%llu}",
				      (unsigned long long)estimate_input(&c->env->inf));
	exchange_header(c->x, B("x-signet-model"), c->target.model->name);
	exchange_header(c->x, B("x-signet-token-count"), exact ? B("exact") : B("estimated"));
	exchange_respond(c->x, 200, B("application/json"), answer);
}

void api_count_tokens(struct exchange *x)
{
	struct count c = { .x = x };

	if (read_request(&c))
		api_respond_error(x, write_anthropic_error, 0, B(""));
	else
		respond_count(&c);
}
