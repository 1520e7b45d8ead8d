/*
 * Provider type `rust-proxy` (spec/rust-proxy.md): the developer API's headers and its words for errors.
 * nonce, timestamp and sign are the signer's part (upstream/signing.c), set last and anew at each attempt.
 */
#include "upstream/discovery.h"
#include "upstream/provider_type.h"

#define ERROR_BODY_SHOWN 4096

static const struct dialect dialect = {
	.type = B("rust-proxy"),
	.label = B("RustProxy"),
};

static int headers(const struct provider_config *p, const struct inference *inf,
		   const struct call_context *cx, struct header_list *l)
{
	struct arena *a = cx->arena;
	struct bytes device, sid;

	(void)inf; /* the developer API always streams */
	if (credential_get(&p->device_id, cx, "RustProxy", &device) ||
	    credential_get(&p->session_id, cx, "RustProxy", &sid))
		return -1;
	if (header_set(l, B("content-type"), B("application/json"), a) ||
	    header_set(l, B("accept"), B("text/event-stream"), a) ||
	    header_set(l, B("accept-language"), p->accept_language, a) ||
	    (bytes_set(device) && header_set(l, B("device-id"), device, a)) ||
	    header_set(l, B("os-type"), p->os_type, a) ||
	    (bytes_set(sid) && header_set(l, B("sid"), sid, a)))
		return -1;
	return 0;
}

static bool client_status(int status)
{
	switch (status) {
	case 400:
	case 401:
	case 403:
	case 404:
	case 413:
	case 422:
	case 429:
		return true;
	default:
		return false;
	}
}

static struct bytes status_text(int status, struct bytes reason, struct bytes body,
				struct bytes request_id, bool stream, struct arena *a)
{
	(void)reason, (void)request_id, (void)stream;
	body = bytes_slice(body, 0, ERROR_BODY_SHOWN);
	return arena_printf(a, "Dev API Error (%d): %.*s", status, BFMT(body));
}

const struct provider_type provider_rust_proxy = {
	.kind = PROVIDER_RUST_PROXY,
	.wire = &wire_developer_api,
	.dialect = &dialect,
	.always_streams = true,
	.headers = headers,
	.client_status = client_status,
	.status_text = status_text,
	.admit = discovery_admit,
};
