/*
 * One table says what a failure looks like to an OpenAI client. TensorZero's profile has its statuses by kind
 * and never shows an upstream's.
 */
#include "api/errors.h"

#include "base/json.h"
#include "route/classify.h"
#include "wire/openai_chat/openai_chat.h"

static const struct {
	int status;
	struct bytes code;
} openai[] = {
	[FAILURE_CLIENT] = { 400, { NULL, 0 } },
	[FAILURE_SERVER] = { 502, B("upstream_error") },
	[FAILURE_TIMEOUT] = { 504, B("timeout") },
	[FAILURE_RATE_LIMIT] = { 429, B("rate_limit_exceeded") },
	[FAILURE_AUTH] = { 502, B("upstream_auth") },
	[FAILURE_CONTEXT] = { 400, B("context_length_exceeded") },
	[FAILURE_QUOTA] = { 429, B("insufficient_quota") },
	[FAILURE_OVERLOAD] = { 503, B("server_is_overloaded") },
	[FAILURE_CONTENT_FILTER] = { 400, B("content_policy_violation") },
	[FAILURE_SIGNER] = { 500, B("signer_failed") },
	[FAILURE_CONFIG] = { 500, { NULL, 0 } },
	[FAILURE_INTERNAL] = { 500, { NULL, 0 } },
};

/* Whether the failure came from an upstream, or from the way there. */
static bool of_upstream(enum error_kind k)
{
	return k == ERR_INFERENCE_CLIENT || k == ERR_INFERENCE_SERVER || k == ERR_FATAL_STREAM ||
	       k == ERR_PROVIDER_TIMEOUT || k == ERR_MODEL_TIMEOUT || k == ERR_SIGNER ||
	       k == ERR_DEADLINE;
}

int api_error_status(const struct error *e, enum profile profile, const struct config *cfg)
{
	const struct error *leaf = error_leaf(e);

	if (profile == PROFILE_TENSORZERO || cfg->surfaces.error_status_gateway)
		return error_kind_status(e->kind);
	if (leaf->kind == ERR_API_KEY_MISSING)
		return 400; /* the request lacks a credential that this provider takes from it */
	if (!of_upstream(leaf->kind))
		return error_kind_status(leaf->kind);
	if (classify(leaf) == FAILURE_CLIENT && leaf->upstream_status >= 400)
		return leaf->upstream_status;
	return openai[classify(leaf)].status;
}

struct error *api_openai_error(const struct error *e, int status, struct arena *a)
{
	const struct error *leaf = error_leaf(e);
	struct error *out = arena_new(a, struct error);

	if (!out)
		return NULL;
	*out = *leaf;
	out->owned = NULL;
	out->nested = NULL;
	out->message = e->message;
	if (!of_upstream(leaf->kind))
		return out;
	if (openai_error_without_html(out, a))
		return NULL;
	if (!bytes_set(out->code))
		out->code = openai[classify(leaf)].code;
	/* codes that OpenAI's own clients know survive */
	if (bytes_eq(leaf->upstream_code, B("cyber_policy")) ||
	    bytes_eq(leaf->upstream_code, B("invalid_prompt")))
		out->code = leaf->upstream_code;
	if (status == 429 && leaf->retry_after_ms >= 0 && classify(leaf) == FAILURE_RATE_LIMIT)
		out->message =
			arena_printf(a, "%.*s Please try again in %llds.", BFMT(out->message),
				     (long long)((leaf->retry_after_ms + 999) / 1000));
	return out;
}

struct bytes api_upstream_body(const struct error *e, bool client_credential, int *status)
{
	const struct error *leaf = error_leaf(e);
	struct json_member member;
	int s = leaf->upstream_status;

	if (s < 400 || s > 599 || ((s == 401 || s == 402 || s == 403) && !client_credential))
		return (struct bytes){ NULL, 0 };
	/* only a body that a parser has read as an object with an error */
	if (!bytes_set(leaf->upstream_body) || !bytes_set(leaf->upstream_message) ||
	    bytes_eq(leaf->upstream_body, leaf->upstream_message) || leaf->upstream_body.n == 0 ||
	    leaf->upstream_body.p[0] != '{' ||
	    !json_find_member(leaf->upstream_body, B("error"), &member))
		return (struct bytes){ NULL, 0 };
	*status = s;
	return leaf->upstream_body;
}

int api_respond_chat_error(struct exchange *x, const struct config *cfg,
			   const struct chat_error_way *way)
{
	struct error *e = error_save(x->arena);
	struct bytes body = { NULL, 0 };
	int status;

	if (!e)
		return api_respond_openai_error(x, 503);
	status = api_error_status(e, way->profile, cfg);
	if (way->profile == PROFILE_OPENAI && !cfg->surfaces.error_status_gateway) {
		if (way->same_family)
			body = api_upstream_body(e, way->client_credential, &status);
		if (bytes_set(body)) {
			api_retry_after(x, e, status);
			return exchange_respond(x, status, B("application/json"), body);
		}
		e = api_openai_error(e, status, x->arena);
	}
	if (e)
		fail_with(e);
	return api_respond_openai_error_with(x, status, way->members);
}
