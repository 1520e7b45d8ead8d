/* What a client of each profile sees of an error (http-api §2.2, surfaces §1.7). */
#ifndef SIGNET_API_ERRORS_H
#define SIGNET_API_ERRORS_H

#include "api/api.h"

/* The status before the head of an answer. */
int api_error_status(const struct error *, enum profile, const struct config *);

/*
 * The error as the client of profile openai gets it: the innermost failure's kind and codes with the whole
 * text, `code` set by the table of surfaces §1.7. In the arena.
 */
struct error *api_openai_error(const struct error *, int status, struct arena *);

/* The upstream's own error body, where it goes out unchanged with its own status: a client and an upstream of one
 * family (surfaces §1.6), and not about the gateway's own credential. Unset: it does not. */
struct bytes api_upstream_body(const struct error *, bool client_credential, int *status);

/* How a chat request's error is answered. */
struct chat_error_way {
	enum profile profile;
	bool same_family;       /* the client's format is that of the upstream that failed last */
	bool client_credential; /* and its credential was the client's own */
	struct bytes members;   /* further members of the body, see api_respond_openai_error_with */
};
/* Answers with the last error in the profile's shape, with retry-after where due. Waits. */
int api_respond_chat_error(struct exchange *, const struct config *, const struct chat_error_way *);

#endif
