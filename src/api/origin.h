/*
 * Which web pages may call the routes that clients call: those of this machine, and those of `[server] cors_origins`. Nothing
 * here waits but the sending of an answer. Pages' own routes (/ui, /internal) have a guard of their own (guard.h).
 */
#ifndef SIGNET_API_ORIGIN_H
#define SIGNET_API_ORIGIN_H

#include "api/door.h"

/* Whether the request may go on. If not, it was answered: a preflight, or a page of another site (403). An answer to a
 * page that may call gets the headers by which its browser shows it, errors too. Waits. */
bool origin_admits(struct exchange *, const struct door *);

/* The headers alone, for what never reaches a handler. */
void origin_headers(struct exchange *);

#endif
