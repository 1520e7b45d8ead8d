/*
 * HTTP routes. One file per surface; router.c finds the route, sets the headers that every answer
 * carries (x-tensorzero-gateway-version, x-request-id, request-id) and answers unknown paths, wrong
 * methods and malformed requests in the surface's shape.
 */
#ifndef SIGNET_API_API_H
#define SIGNET_API_API_H

#include "api/app.h"
#include "base/error.h"

/* router.c */
void api_handle(struct exchange *); /* http_server_options.handler */
void api_malformed(struct exchange *, int status, const char *, struct buf *); /* .malformed */
void api_done(struct exchange *); /* .done: metrics, access log */
enum profile { PROFILE_TENSORZERO, PROFILE_OPENAI };
/* The profile of this exchange: by path, or header x-signet-profile (surfaces §3). */
enum profile api_profile(const struct exchange *);
/* "req_‹32 hex›", set by api_handle(); for logs and the record. */
struct bytes api_request_id(const struct exchange *);
/* Answers with the last error in OpenAI's shape (openai) or TensorZero's ({"error":"…"}). `status` 0: by the
 * error's kind. Waits. */
int api_respond_openai_error(struct exchange *, int status);
/* The same with further members of the body's object, such as `,"tensorzero_raw_response":[…]`. */
int api_respond_openai_error_with(struct exchange *, int status, struct bytes members);
/* Sets retry-after where the status (429, 503, 529) allows it and the error knows it: seconds, rounded up; one
 * where the gateway itself has no room. Not over one that is set. */
void api_retry_after(struct exchange *, const struct error *, int status);
int api_respond_native_error(struct exchange *, int status);

/* openai.c */
void api_chat_completions(
	struct exchange *); /* POST /v1/chat/completions, /openai/v1/chat/completions */

/* models.c; `id` = what follows /v1/models/, percent-decoded, unset for the list */
void api_models(struct exchange *, struct bytes id);

/* ops.c */
void api_health(struct exchange *);
void api_status(struct exchange *);
void api_metrics(struct exchange *);

#endif
