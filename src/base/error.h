/*
 * Errors: a function that can fail returns -1 (or NULL) and leaves a `struct error` in the current
 * context, which is the running fiber's, or the thread's own outside of fibers. The surface that
 * meets the client, or the log, prints it. An error stays until the next failure overwrites it.
 */
#ifndef SIGNET_BASE_ERROR_H
#define SIGNET_BASE_ERROR_H

#include "base/bytes.h"

struct arena;

/*
 * The first block is Signet's machinery. From ERR_INVALID_REQUEST on the kinds are those of
 * TensorZero (http-api §2.2), whose names and statuses stand in the table of error.c.
 */
enum error_kind {
	ERR_NONE,
	ERR_INTERNAL,
	ERR_OUT_OF_MEMORY,
	ERR_TOO_LARGE, /* a named maximum was reached */
	ERR_CANCELLED, /* the fiber was cancelled while it waited */
	ERR_DEADLINE,  /* the fiber's deadline passed while it waited */
	ERR_IO,        /* a system call failed */
	ERR_CLOSED,    /* the peer closed the connection */
	ERR_STALE,     /* a reused upstream connection closed before the first byte of an answer */
	ERR_PROTOCOL,  /* the peer broke HTTP, TLS or event-stream framing */
	ERR_NOT_FOUND,
	ERR_CONFIG,
	ERR_STORE,
	ERR_SIGNER,
	ERR_BUSY,     /* refused for lack of room: 503 with retry-after */
	ERR_SHUTDOWN, /* cut off by the end of a drain: the same */
	/* what a client did wrong */
	ERR_INVALID_REQUEST,
	ERR_INVALID_OPENAI_REQUEST,
	ERR_INVALID_TARGET,
	ERR_INVALID_MESSAGE,
	ERR_JSON_REQUEST,
	ERR_API_KEY_MISSING,
	ERR_EXTRA_BODY,
	ERR_TOOL_NOT_FOUND,
	ERR_DUPLICATE_TOOL,
	ERR_INVALID_UUID,
	ERR_INVALID_EPISODE,
	ERR_UNSUPPORTED_CONTENT,
	ERR_DYNAMIC_JSON_SCHEMA,
	ERR_BODY_TOO_LARGE,
	ERR_UNSUPPORTED_ENCODING,
	ERR_REQUEST_TIMEOUT, /* the client was too slow in sending */
	ERR_ROUTE_NOT_FOUND,
	ERR_METHOD_NOT_ALLOWED,
	ERR_AUTH, /* no key, or not a good one */
	ERR_UNKNOWN_FUNCTION,
	ERR_UNKNOWN_VARIANT,
	ERR_MODEL_NOT_FOUND,
	ERR_OBJECT_STORE_UNCONFIGURED,
	ERR_BAD_FILE_FETCH,
	/* what an upstream did */
	ERR_INFERENCE_CLIENT, /* the upstream says the request is at fault (4xx), or it was not reached */
	ERR_INFERENCE_SERVER, /* 5xx, garbage, a broken stream */
	ERR_FATAL_STREAM,
	ERR_PROVIDER_TIMEOUT,
	ERR_MODEL_TIMEOUT,
	ERR_RATE_LIMIT,
	ERR_ALL_PROVIDERS_FAILED,
	ERR_ALL_VARIANTS_FAILED,
	ERR_KINDS
};

struct error {
	enum error_kind kind;
	struct bytes message; /* text for the reader; never a credential */
	/* What an upstream said, where there was one (providers-openai §2.12). */
	int upstream_status; /* 0: none */
	struct bytes upstream_code, upstream_message, upstream_body;
	struct bytes provider_type;
	struct bytes request_id;  /* the upstream's */
	int64_t retry_after_ms;   /* -1: not given */
	struct bytes param, code; /* openai error object: which field, which code; unset = none */
	bool fatal;               /* in a stream: nothing follows */
	/* ALL_PROVIDERS_FAILED, ALL_VARIANTS_FAILED: what failed, in order; names and errors */
	struct error_list *nested;
	char *owned; /* heap text of a slot (error.c); NULL in copies */
};

struct error_list {
	struct bytes of; /* ALL_PROVIDERS_FAILED: the model's name */
	struct bytes *names;
	struct error *errors;
	size_t len, cap;
};

/* The error of the last failure in this fiber or thread. Never NULL. Valid until the next failure. */
struct error *error_last(void);
void error_clear(void);

/* Sets the error and returns -1. The text is copied to the heap and freed by the next failure. */
int fail(enum error_kind, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same, `return fail_null(...)` for functions that return a pointer. */
void *fail_null(enum error_kind, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same, of one field of the client's request: `param` and `code` of the openai error object, whose texts outlive
 * the error; unset, NULL: none. */
int fail_param(enum error_kind, struct bytes param, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The same, of an upstream: texts as above, what is unset was not said. */
struct upstream_said {
	struct bytes provider_type, code, message;
	int status;
	bool fatal; /* in a stream: nothing follows */
};
int fail_from_upstream(enum error_kind, const struct upstream_said *, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The last error stays as it is but for its kind. Returns -1. */
int fail_as(enum error_kind);
/* Puts text in front of the last error's message, keeping the rest of it. Returns -1. */
int fail_context(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Makes `e` (whose strings live in an arena that outlives the use) the last error. Returns -1. */
int fail_with(const struct error *e);

/* Copies the last error with all its strings into the arena. NULL only when memory is out. */
struct error *error_save(struct arena *);
int error_list_add(struct error_list *, struct bytes name, const struct error *, struct arena *);

const char *error_kind_name(enum error_kind); /* "InferenceServer", as TensorZero's error_json */
int error_kind_status(enum error_kind);       /* HTTP status of http-api §2.2 */

/* For fiber/: makes `slot` the current context of this thread; NULL = the thread's own. Returns the
 * one before. */
struct error *error_context_swap(struct error *slot);
/* Frees what a slot owns. */
void error_slot_deinit(struct error *slot);

#endif
