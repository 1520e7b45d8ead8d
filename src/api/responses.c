/*
 * OpenAI's Responses API: POST /v1/responses and its twin below /openai, which answers alike, TensorZero having no such route
 * (surfaces §4). What was said in earlier answers is put into the body before it is read (responses_state.c), so that it
 * works with every provider and over a fallback, too.
 */
#include "api/responses.h"

#include "api/api.h"
#include "base/error.h"
#include "wire/openai_responses/openai_responses.h"

static int refuse(const char *param, const char *code, const char *text)
{
	return fail_param(ERR_INVALID_OPENAI_REQUEST, bytes_of(param), code, "%s", text);
}

/* Hosted tools are left out for a provider that lacks them, or refuse the request at such a one. */
static int check_tools(const struct surfaces_config *c, struct responses_request *req,
		       struct inference *inf, struct arena *a)
{
	struct buf hosted;

	if (!req->dropped_tools || !c->reject_tools || bytes_set(inf->unsayable))
		return 0;
	buf_init(&hosted, 1024);
	if (openai_responses_foreign_fields(inf, &hosted) == 0) {
		struct bytes all = buf_bytes(&hosted);
		ptrdiff_t at = bytes_find(all, B("tools["));
		struct bytes first = bytes_slice(all, at < 0 ? 0 : (size_t)at, all.n);

		first = bytes_cut(&first, ',');
		inf->unsayable_param = arena_dup(a, bytes_cut(&first, ':'));
		inf->unsayable = arena_printf(
			a,
			"`%.*s` is of a type that the provider of this model does not run: %.*s (`surfaces.unsupported_tools = \"drop\"` leaves such tools out)",
			BFMT(inf->unsayable_param), BFMT(first));
	}
	buf_deinit(&hosted);
	return bytes_set(inf->unsayable) ? 0 : -1;
}

static int admit(struct exchange *x, struct envelope *env, void *kept)
{
	const struct surfaces_config *c = &api_config(x)->surfaces;
	struct responses_request *req = (struct responses_request *)(void *)env;

	req->caller = kept;
	if (bytes_set(req->needs_state) && !c->responses_upstream_state)
		return refuse(
			arena_dup(x->arena, req->needs_state).p, "unsupported_parameter",
			"Unsupported parameter: it needs an upstream that keeps conversations (`surfaces.responses.upstream_state = true`, and a provider of the Responses API)");
	req->short_echo = c->responses_short_echo;
	/* where the record has no content, what was said is not kept here either */
	req->kept = req->store && c->responses_store && !c->responses_upstream_state &&
		    !api_config(x)->record_content && api_app(x)->reads &&
		    !reads_answers_only(api_app(x)->reads) && !env->dryrun;
	env->inf.source_state = c->responses_upstream_state;
	env->inf.wants_seals |= req->kept;
	return check_tools(c, req, &env->inf, x->arena);
}

const struct surface surface_openai_responses = {
	.name = B("responses"),
	.profile = "openai",
	.options = &openai_responses_options,
	.upstream_errors = true,
	.attributes = true,
	.ping = B(": ping\n\n"),
	.begin = responses_begin,
	.admit = admit,
	.add_rows = responses_add_rows,
	.read = openai_responses_read_request,
	.write_result = openai_responses_write_result,
	.writer_new = openai_responses_writer_new,
	.writer_free = openai_responses_writer_free,
	.write_delta = openai_responses_write_delta,
	.write_end = openai_responses_write_end,
	.write_stream_error = openai_responses_write_stream_error,
	.write_error = write_openai_error,
};
