/*
 * The current error. A slot belongs to a fiber or to a thread and owns one heap string for the message
 * of fail(); everything else an error points at lives in the arena of whoever set it. When memory is so
 * short that even a message cannot be kept, the message is a literal.
 */
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/format.h"

struct kind {
	const char *name;
	int status;
};

/* Names and statuses of http-api §2.2; Signet's own machinery is a fault of the gateway. */
static const struct kind kinds[ERR_KINDS] = {
	[ERR_NONE] = { "InternalError", 500 },
	[ERR_INTERNAL] = { "InternalError", 500 },
	[ERR_OUT_OF_MEMORY] = { "InternalError", 503 },
	[ERR_TOO_LARGE] = { "InternalError", 500 },
	[ERR_CANCELLED] = { "InternalError", 499 },
	[ERR_DEADLINE] = { "InferenceTimeout", 408 },
	[ERR_IO] = { "InferenceClient", 500 },
	[ERR_CLOSED] = { "InferenceServer", 500 },
	[ERR_STALE] = { "InferenceServer", 500 },
	[ERR_PROTOCOL] = { "InferenceServer", 500 },
	[ERR_NOT_FOUND] = { "RouteNotFound", 404 },
	[ERR_CONFIG] = { "Config", 500 },
	[ERR_STORE] = { "Observability", 500 },
	[ERR_SIGNER] = { "InferenceServer", 500 },
	[ERR_BUSY] = { "InternalError", 503 },
	[ERR_SHUTDOWN] = { "InternalError", 503 },
	[ERR_INVALID_REQUEST] = { "InvalidRequest", 400 },
	[ERR_INVALID_OPENAI_REQUEST] = { "InvalidOpenAICompatibleRequest", 400 },
	[ERR_INVALID_TARGET] = { "InvalidInferenceTarget", 400 },
	[ERR_INVALID_MESSAGE] = { "InvalidMessage", 400 },
	[ERR_JSON_REQUEST] = { "JsonRequest", 400 },
	[ERR_API_KEY_MISSING] = { "ApiKeyMissing", 400 },
	[ERR_EXTRA_BODY] = { "ExtraBodyReplacement", 400 },
	[ERR_TOOL_NOT_FOUND] = { "ToolNotFound", 400 },
	[ERR_DUPLICATE_TOOL] = { "DuplicateTool", 400 },
	[ERR_INVALID_UUID] = { "InvalidUuid", 400 },
	[ERR_INVALID_EPISODE] = { "InvalidTensorzeroUuid", 400 },
	[ERR_UNSUPPORTED_CONTENT] = { "UnsupportedContentBlockType", 400 },
	[ERR_DYNAMIC_JSON_SCHEMA] = { "DynamicJsonSchema", 400 },
	[ERR_BODY_TOO_LARGE] = { "JsonRequest", 413 },
	[ERR_UNSUPPORTED_ENCODING] = { "InvalidRequest", 415 },
	[ERR_REQUEST_TIMEOUT] = { "InvalidRequest", 408 },
	[ERR_ROUTE_NOT_FOUND] = { "RouteNotFound", 404 },
	[ERR_METHOD_NOT_ALLOWED] = { "RouteNotFound", 405 },
	[ERR_AUTH] = { "TensorZeroAuth", 401 },
	[ERR_UNKNOWN_FUNCTION] = { "UnknownFunction", 404 },
	[ERR_UNKNOWN_VARIANT] = { "UnknownVariant", 404 },
	[ERR_MODEL_NOT_FOUND] = { "ModelNotFound", 404 },
	[ERR_OBJECT_STORE_UNCONFIGURED] = { "ObjectStoreUnconfigured", 500 },
	[ERR_BAD_FILE_FETCH] = { "BadFileFetch", 500 },
	[ERR_INFERENCE_CLIENT] = { "InferenceClient", 500 },
	[ERR_INFERENCE_SERVER] = { "InferenceServer", 500 },
	[ERR_FATAL_STREAM] = { "FatalStreamError", 500 },
	[ERR_PROVIDER_TIMEOUT] = { "ModelProviderTimeout", 408 },
	[ERR_MODEL_TIMEOUT] = { "ModelTimeout", 408 },
	[ERR_RATE_LIMIT] = { "RateLimitExceeded", 429 },
	[ERR_ALL_PROVIDERS_FAILED] = { "AllModelProvidersFailed", 500 },
	[ERR_ALL_VARIANTS_FAILED] = { "AllVariantsFailed", 502 },
};

static _Thread_local struct error thread_slot;
static _Thread_local struct error *current;

struct error *error_last(void)
{
	return current ? current : &thread_slot;
}

struct error *error_context_swap(struct error *slot)
{
	struct error *old = current;

	current = slot;
	return old;
}

static void text_release(struct error *e)
{
	free(e->owned);
	e->owned = NULL;
}

void error_slot_deinit(struct error *slot)
{
	text_release(slot);
	*slot = (struct error){ 0 };
}

void error_clear(void)
{
	error_slot_deinit(error_last());
}

static void set(enum error_kind kind, const char *fmt, va_list args)
{
	struct error *e = error_last();
	struct bytes text = format_new(fmt, args); /* before the error goes that it may speak of */

	text_release(e);
	*e = (struct error){ .kind = kind, .retry_after_ms = -1 };
	if (!text.p) {
		e->message = B("out of memory");
		return;
	}
	e->owned = (char *)text.p;
	e->message = text;
}

int fail(enum error_kind kind, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set(kind, fmt, args);
	va_end(args);
	return -1;
}

void *fail_null(enum error_kind kind, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set(kind, fmt, args);
	va_end(args);
	return NULL;
}

int fail_param(enum error_kind kind, struct bytes param, const char *code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set(kind, fmt, args);
	va_end(args);
	error_last()->param = param;
	error_last()->code = bytes_of(code);
	return -1;
}

int fail_from_upstream(enum error_kind kind, const struct upstream_said *said, const char *fmt, ...)
{
	struct error *e = error_last();
	va_list args;

	va_start(args, fmt);
	set(kind, fmt, args);
	va_end(args);
	e->provider_type = said->provider_type;
	e->upstream_status = said->status;
	e->upstream_code = said->code;
	e->upstream_message = said->message;
	e->fatal = said->fatal;
	return -1;
}

int fail_as(enum error_kind kind)
{
	error_last()->kind = kind;
	return -1;
}

int fail_context(const char *fmt, ...)
{
	struct error *e = error_last();
	struct bytes prefix;
	va_list args;
	char *text;

	va_start(args, fmt);
	prefix = format_new(fmt, args);
	va_end(args);
	text = prefix.p ? malloc(prefix.n + e->message.n + 1) : NULL;
	if (text) {
		memcpy(mempcpy(text, prefix.p, prefix.n), e->message.p, e->message.n);
		prefix.n += e->message.n;
		text[prefix.n] = '\0';
		text_release(e);
		e->owned = text;
		e->message = (struct bytes){ text, prefix.n };
	}
	free((char *)prefix.p);
	return -1;
}

int fail_with(const struct error *from)
{
	struct error *e = error_last();

	if (from != e) {
		text_release(e);
		*e = *from;
		e->owned = NULL;
	}
	return -1;
}

struct error *error_save(struct arena *a)
{
	struct error *e = error_last(), *copy = arena_alloc(a, sizeof *copy);

	if (!copy)
		return NULL;
	*copy = *e;
	copy->owned = NULL;
	struct bytes *texts[] = {
		&copy->message,       &copy->upstream_code, &copy->upstream_message,
		&copy->upstream_body, &copy->provider_type, &copy->request_id,
		&copy->param,         &copy->code
	};
	for (size_t i = 0; i < COUNT(texts); i++) {
		bool had = bytes_set(*texts[i]);

		*texts[i] = arena_dup(a, *texts[i]);
		if (had && !bytes_set(*texts[i]))
			return NULL;
	}
	return copy;
}

int error_list_add(struct error_list *l, struct bytes name, const struct error *e, struct arena *a)
{
	if (l->len == l->cap) {
		size_t cap = l->cap;

		if (!arena_grow(a, (void **)&l->names, sizeof *l->names, l->len, &cap))
			return -1;
		cap = l->cap;
		if (!arena_grow(a, (void **)&l->errors, sizeof *l->errors, l->len, &cap))
			return -1;
		l->cap = cap;
	}
	l->names[l->len] = name;
	l->errors[l->len] = *e;
	l->errors[l->len++].owned = NULL;
	return 0;
}

const char *error_kind_name(enum error_kind kind)
{
	return kinds[kind < ERR_KINDS ? kind : ERR_INTERNAL].name;
}

int error_kind_status(enum error_kind kind)
{
	return kinds[kind < ERR_KINDS ? kind : ERR_INTERNAL].status;
}
