/* What an unknown path was meant to be: the first mistakes of a client's base URL. */
#ifndef SIGNET_API_NEAREST_ROUTE_H
#define SIGNET_API_NEAREST_ROUTE_H

#include "api/errors.h"

/* A route that clients are pointed at. */
struct known_route {
	const char *method, *path;
	error_writer *write_error; /* of its format */
};

/*
 * The route that a path (no base path) stands for: one whose end it has ("/chat/completions", "/v1/v1/models"), else the
 * nearest by edit distance, of which only few are borne. NULL: none is near. *other_base: the path's front is what is wrong.
 */
const struct known_route *nearest_route(const struct known_route *, size_t n, struct bytes path,
					bool *other_base);
/* The base URL for clients of this route, as the caller of this request reaches the gateway: Host as it came, "HOST" if it
 * is none. In the request's arena. */
struct bytes client_base_url(const struct known_route *, const struct exchange *,
			     struct bytes base_path);

#endif
