/*
 * Upstreams say the same thing in many ways: by status, by a code in the body, by words. The table of
 * codes and the few phrases below are those of surfaces §6.9.
 */
#include "route/classify.h"

const struct error *error_leaf(const struct error *e)
{
	while (e->nested && e->nested->len)
		e = &e->nested->errors[e->nested->len - 1];
	return e;
}

static const struct {
	struct bytes code;
	enum failure failure;
} codes[] = {
	{ B("context_length_exceeded"), FAILURE_CONTEXT },
	{ B("insufficient_quota"), FAILURE_QUOTA },
	{ B("rate_limit_exceeded"), FAILURE_RATE_LIMIT },
	{ B("RESOURCE_EXHAUSTED"), FAILURE_RATE_LIMIT },
	{ B("ThrottlingException"), FAILURE_RATE_LIMIT },
	{ B("API_KEY_INVALID"), FAILURE_AUTH },
	{ B("TooManyRequestsException"), FAILURE_RATE_LIMIT },
	{ B("ServiceQuotaExceededException"), FAILURE_QUOTA },
	{ B("ModelNotReadyException"), FAILURE_OVERLOAD },
	{ B("ServiceUnavailableException"), FAILURE_OVERLOAD },
	{ B("ModelTimeoutException"), FAILURE_TIMEOUT },
	{ B("ModelErrorException"), FAILURE_SERVER },
	{ B("ModelStreamErrorException"), FAILURE_SERVER },
	{ B("UnrecognizedClientException"), FAILURE_AUTH },
	{ B("InvalidSignatureException"), FAILURE_AUTH },
	{ B("ExpiredTokenException"), FAILURE_AUTH },
	{ B("overloaded_error"), FAILURE_OVERLOAD },
	{ B("server_is_overloaded"), FAILURE_OVERLOAD },
	{ B("slow_down"), FAILURE_OVERLOAD },
	{ B("content_filter"), FAILURE_CONTENT_FILTER },
	{ B("content_policy_violation"), FAILURE_CONTENT_FILTER },
	{ B("cyber_policy"), FAILURE_CONTENT_FILTER },
};

static const struct {
	struct bytes words;
	enum failure failure;
} phrases[] = {
	{ B("prompt is too long"), FAILURE_CONTEXT },
	{ B("exceed context limit"), FAILURE_CONTEXT },
	{ B("exceeds the maximum number of tokens"), FAILURE_CONTEXT },
	{ B("maximum context length"), FAILURE_CONTEXT },
	{ B("credit balance is too low"), FAILURE_QUOTA },
};

static enum failure by_status(int status)
{
	switch (status) {
	case 401:
	case 403: return FAILURE_AUTH;
	case 402: return FAILURE_QUOTA;
	case 408:
	case 504: return FAILURE_TIMEOUT;
	case 429: return FAILURE_RATE_LIMIT;
	case 503:
	case 529: return FAILURE_OVERLOAD;
	default: return status >= 400 && status < 500 ? FAILURE_CLIENT : FAILURE_SERVER;
	}
}

enum failure classify(const struct error *e)
{
	e = error_leaf(e);
	switch (e->kind) {
	case ERR_PROVIDER_TIMEOUT:
	case ERR_MODEL_TIMEOUT:
	case ERR_DEADLINE:
	case ERR_REQUEST_TIMEOUT: return FAILURE_TIMEOUT;
	case ERR_SIGNER: return FAILURE_SIGNER;
	case ERR_API_KEY_MISSING: return FAILURE_AUTH;
	case ERR_RATE_LIMIT: return FAILURE_RATE_LIMIT;
	case ERR_CONFIG: return FAILURE_CONFIG;
	case ERR_BUSY: return FAILURE_OVERLOAD;
	case ERR_SHUTDOWN: return FAILURE_SHUTDOWN;
	case ERR_INFERENCE_CLIENT:
	case ERR_INFERENCE_SERVER:
	case ERR_FATAL_STREAM: break;
	default: return error_kind_status(e->kind) < 500 ? FAILURE_CLIENT : FAILURE_INTERNAL;
	}
	for (size_t i = 0; i < COUNT(codes); i++)
		if (bytes_ieq(codes[i].code, e->upstream_code)) /* AWS's streams have lower ones */
			return codes[i].failure;
	for (size_t i = 0; i < COUNT(phrases); i++)
		if (bytes_ifind(e->upstream_message, phrases[i].words) >= 0)
			return phrases[i].failure;
	return by_status(e->upstream_status);
}

const char *failure_name(enum failure f)
{
	static const char *const names[] = {
		[FAILURE_CLIENT] = "client",     [FAILURE_SERVER] = "server",
		[FAILURE_TIMEOUT] = "timeout",   [FAILURE_RATE_LIMIT] = "rate_limit",
		[FAILURE_AUTH] = "auth",         [FAILURE_CONTEXT] = "context",
		[FAILURE_QUOTA] = "quota",       [FAILURE_OVERLOAD] = "overload",
		[FAILURE_SIGNER] = "signer",     [FAILURE_CONTENT_FILTER] = "content_filter",
		[FAILURE_CONFIG] = "config",     [FAILURE_INTERNAL] = "internal",
		[FAILURE_SHUTDOWN] = "shutdown",
	};

	return names[f];
}
