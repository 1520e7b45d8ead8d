/*
 * Who may call /internal/signet, and what a browser must prove (ui §7). Nothing here waits but the sending of a refusal.
 */
#ifndef SIGNET_API_GUARD_H
#define SIGNET_API_GUARD_H

#include "api/errors.h"
#include "config/config.h" /* enum guard_role */
#include "net/http_server.h"
#include "store/keys.h"

/* Whether the caller has this role. If not, 401 or 403 was answered. ROLE_NONE: anybody, who must still come from a page
 * of ours if it is a browser. Sets the headers that every answer of these routes has. Waits. */
bool guard_admits(struct exchange *, enum guard_role needed);

/* Who calls. `method`: "auto" (at this machine, no login), "none" (no login at all), "password", "key", "link"
 * (a session), "bearer" (a key in a header). NULL: nobody; the last error says why. */
struct caller {
	enum guard_role role;
	const char *method;
	struct session session;                /* of a session */
	char key_public_id[KEY_PUBLIC_ID + 1]; /* of "bearer" */
};
void guard_caller(struct exchange *, struct caller *);
/* Its name and address, for the audit; in the request's arena. */
struct actor guard_actor(struct exchange *, const struct caller *);

/* Whether a process of this machine calls, under a local name, and no proxy says that it passes on for somebody else. */
bool guard_is_near(const struct exchange *);

/* The session of the request's cookie, if it has not ended: its role is that which its user has today. */
bool guard_session(const struct exchange *, struct session *);
/* What this session lacks to use a route that is TensorZero's (reading needs viewer, the rest editor); NULL: nothing. */
const char *guard_session_lacks(const struct exchange *, const struct session *);
/* Whether a page asks that is not of the host which the request names, nor of `[ui] public_url`. */
bool guard_is_foreign(const struct exchange *);
bool guard_is_public_url(const struct exchange *, struct bytes origin);

#define CSRF_TEXT 32
/* What X-Signet-CSRF must say: for this session, or, with none, for callers without one. */
void guard_csrf(const struct exchange *, const struct caller *, char out[CSRF_TEXT + 1]);

/* Name of the cookie: on https another one, which browsers take from no other host (__Host-). */
bool guard_is_https(const struct exchange *);
struct bytes guard_cookie(const struct exchange *); /* its value; unset: there is none */

/* Whether somebody can sign in by password: then the machine itself has to, too. */
bool guard_has_users(const struct config *);
/* What a session remembers of the password it was opened with. */
void guard_password_proof(struct bytes password_hash, char out[33]);

#endif
