/* What a client sees of an error (http-api §2.2, surfaces §1.7): its status, its shape, its headers. */
#ifndef SIGNET_API_ERRORS_H
#define SIGNET_API_ERRORS_H

#include "base/error.h"
#include "config/config.h"
#include "net/http_server.h"

/* What stands in an error's body beside the error. */
struct error_context {
	bool with_json;          /* gateway.unstable_error_json */
	struct bytes request_id; /* "req_…" */
	struct bytes
		members; /* further members of the object, each behind its comma; unset: none */
};

/* A shape of errors: one object as the whole body of an answer. -1: no room. */
typedef int error_writer(const struct error *, int status, const struct error_context *,
			 struct buf *);
error_writer write_native_error;    /* TensorZero's {"error":"…"} */
error_writer write_openai_error;    /* {"error":{"message","type","param","code"}} */
error_writer write_anthropic_error; /* {"type":"error","error":{…}} */

/* Answers with the last error. `status` 0: by the error's kind. `members`: see error_context. Waits. */
int api_respond_error(struct exchange *, error_writer *, int status, struct bytes members);
/* Sets retry-after where the status (429, 503, 529) allows it and the error knows it: seconds, rounded up; one
 * where the gateway itself has no room. Not over one that is set. */
void api_retry_after(struct exchange *, const struct error *, int status);

/* Whether the last failure is that the drain's end cancelled this fiber, not its client: then ERR_SHUTDOWN is the last
 * error, and the fiber goes on for a moment, to say so and to be recorded. */
bool cut_off_by_shutdown(struct exchange *);

/* The status before the head of an answer; `upstream_errors` as in struct surface. */
int api_error_status(const struct error *, bool upstream_errors, const struct config *);
/*
 * The error as the client of a surface with upstream_errors gets it: the innermost failure's kind and codes with the
 * whole text, `code` set by the table of surfaces §1.7. In the arena.
 */
struct error *api_openai_error(const struct error *, int status, struct arena *);
/* What of this is otherwise in another format, for its surface (struct surface). */
struct error_face {
	int (*status)(const struct error *, int status); /* of what api_error_status() gave */
	/* In the place of api_openai_error(). */
	struct error *(*show)(const struct error *, int status, struct arena *);
};
/* The upstream's own error body, where it goes out unchanged with its own status: a client and an upstream of one
 * family (surfaces §1.6), and not about the gateway's own credential, if `key` is one. Unset: it does not. */
struct bytes api_upstream_body(const struct error *, const struct credential *key, int *status);

#endif
