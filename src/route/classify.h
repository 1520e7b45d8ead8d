/* What kind of failure an error is, for statuses, records and metrics (storage §6.3, surfaces §1.7, §6.9). */
#ifndef SIGNET_ROUTE_CLASSIFY_H
#define SIGNET_ROUTE_CLASSIFY_H

#include "base/error.h"

enum failure {
	FAILURE_CLIENT,
	FAILURE_SERVER,
	FAILURE_TIMEOUT,
	FAILURE_RATE_LIMIT,
	FAILURE_AUTH,
	FAILURE_CONTEXT,
	FAILURE_QUOTA,
	FAILURE_OVERLOAD,
	FAILURE_CONTENT_FILTER,
	FAILURE_SIGNER,
	FAILURE_CONFIG,
	FAILURE_INTERNAL,
	FAILURE_SHUTDOWN,
};

/* The innermost error that decides: the last one nested in it, recursively. */
const struct error *error_leaf(const struct error *);
enum failure classify(const struct error *); /* looks at the leaf */
const char *failure_name(enum failure);      /* "rate_limit": error_kind of the record */

#endif
