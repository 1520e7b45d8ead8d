/*
 * gateway.auth: API keys of requests (http-api §3, surfaces §1.4). Look-ups are in memory; nothing here waits but the
 * sending of an error.
 */
#ifndef SIGNET_API_AUTH_H
#define SIGNET_API_AUTH_H

#include "api/api.h"
#include "api/door.h"
#include "store/keys.h"

enum auth_result { AUTH_NONE, AUTH_GOOD, AUTH_BAD };

/* The key in the request's headers. AUTH_NONE: there is none; AUTH_BAD: the error (ERR_AUTH, or ERR_BUSY if keys cannot
 * be read) has TensorZero's text, that of AUTH_NONE too. AUTH_GOOD sets exchange.key_public_id. */
enum auth_result auth_key(struct exchange *, struct key_found *);
/* Whether a key's text is good, for one that comes in a body. AUTH_BAD: as above. */
enum auth_result auth_key_text(struct app *, struct bytes text, struct key_found *);

/* The door of every route: whether a request may go on. If not, it was answered. Pages and /internal/signet have guards of
 * their own and pass. Waits. */
bool auth_admits(struct exchange *, const struct door *);

/* signet_auth_failures_total. */
void auth_count_failure(const char *result);

/* A header of the client's own for an upstream: unset if it holds this gateway's key. */
struct bytes auth_client_header(const struct exchange *, struct bytes name);

#endif
