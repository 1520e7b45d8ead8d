/*
 * Provider type `openai`, chat completions (providers-openai §2.1, §2.2, §2.12). Statuses 400, 401, 403
 * and 429 are the request's fault; every other one that is not 2xx is the server's.
 */
#include "upstream/provider_type.h"

static const struct dialect dialect = {
	.type = B("openai"),
	.label = B("OpenAI"),
	.max_tokens_key = B("max_completion_tokens"),
};

static int headers(const struct provider_config *p, const struct inference *inf,
		   const struct call_context *cx, struct header_list *l)
{
	struct bytes key;

	if (credential_get(&p->api_key, cx, "OpenAI", &key) ||
	    header_set(l, B("content-type"), B("application/json"), cx->arena))
		return -1;
	if (bytes_set(key)) {
		/* a client's own authorization header comes with its scheme (surfaces §1.4) */
		struct bytes value =
			p->api_key.kind == CREDENTIAL_DYNAMIC &&
					bytes_eq(p->api_key.key, B("client_authorization"))
				? key
				: arena_cat(cx->arena, B("Bearer "), key);

		if (!bytes_set(value) || header_set(l, B("authorization"), value, cx->arena))
			return -1;
	}
	if (inf->stream && header_set(l, B("accept"), B("text/event-stream"), cx->arena))
		return -1;
	return 0;
}

static bool client_status(int status)
{
	return status == 400 || status == 401 || status == 403 || status == 429;
}

static struct bytes status_text(int status, struct bytes reason, struct bytes body,
				struct bytes request_id, bool stream, struct arena *a)
{
	struct bytes id = bytes_set(request_id)
				  ? arena_printf(a, " [request_id: %.*s]", BFMT(request_id))
				  : B("");

	if (stream)
		return arena_printf(a, "Invalid status code: %d %.*s: %.*s%.*s", status,
				    BFMT(reason), BFMT(body), BFMT(id));
	return arena_cat(a, body, id);
}

const struct provider_type provider_openai = {
	.kind = PROVIDER_OPENAI,
	.wire = &wire_openai_chat,
	.dialect = &dialect,
	.headers = headers,
	.client_status = client_status,
	.status_text = status_text,
};
