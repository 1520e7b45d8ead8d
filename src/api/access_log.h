/*
 * The access log ([server] access_log): one info line per request, fields as signet-own (i) has them. And routes that nobody
 * has: told with their path once a minute each, whatever access_log says. Any worker; nothing waits.
 */
#ifndef SIGNET_API_ACCESS_LOG_H
#define SIGNET_API_ACCESS_LOG_H

#include "api/api.h"

struct result;

/* What an inference came to, for the line of its request. `state` and the finish reason are literals. */
void access_note(struct exchange *, const char *state, bool stream, const struct result *);
/* After the answer. `api`: the route is one of the API, which access_log = "api" is for. */
void access_write(const struct exchange *, bool api, struct bytes profile, uint64_t took_ns);
void access_no_route(const struct exchange *);

#endif
