/*
 * What stands beside POST /v1/responses: counting a request's tokens, and what only an upstream with a memory of its own could do
 * (surfaces §1.1, §4.9).
 */
#include "api/responses.h"

#include "api/api.h"
#include "base/error.h"
#include "base/pen.h"
#include "fiber/offload.h"
#include "route/target.h"
#include "wire/estimate.h"
#include "wire/openai_responses/openai_responses.h"

struct counting {
	struct bytes body;
	struct arena *arena;
	struct envelope *env;
	uint64_t tokens;
};

static void count_here(void *arg)
{
	struct counting *c = arg;

	c->env = openai_responses_read_request(c->body, &openai_responses_options, c->arena);
	if (c->env)
		c->tokens = estimate_input(&c->env->inf);
}

static int count(struct exchange *x, struct counting *c)
{
	const struct config *config = api_config(x);
	struct target target;
	void *kept;

	if (exchange_body(x, &c->body) || responses_begin(x, &c->body, &kept) ||
	    offload_if_big(c->body.n, count_here, c) || !c->env)
		return -1;
	return target_resolve(config, config->shorthands, false, c->env->model, x->arena, &target);
}

void api_response_tokens(struct exchange *x)
{
	struct counting c = { .arena = x->arena };
	struct buf out;
	struct pen p = { .b = &out };

	if (count(x, &c)) {
		api_respond_error(x, write_openai_error, 0, B(""));
		return;
	}
	exchange_header(x, B("x-signet-token-count"), B("estimated"));
	buf_init(&out, 256);
	pen_open(&p, '{');
	pen_text(&p, "object", B("response.input_tokens"));
	pen_number(&p, "input_tokens", c.tokens);
	pen_close(&p, '}');
	exchange_respond(x, 200, B("application/json"), buf_bytes(&out));
	buf_deinit(&out);
}

void api_response_post(struct exchange *x)
{
	fail_param(
		ERR_ROUTE_NOT_FOUND, (struct bytes){ NULL, 0 }, "not_found",
		"Not found: %.*s %.*s (answers are kept by this gateway: nothing of them runs in the background, and they are not compacted)",
		BFMT(x->method), BFMT(x->path));
	api_respond_error(x, write_openai_error, 404, B(""));
}
