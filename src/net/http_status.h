/* Names of statuses. Pure. */
#ifndef SIGNET_NET_HTTP_STATUS_H
#define SIGNET_NET_HTTP_STATUS_H

#include "base/bytes.h"

/* The phrase of the registry (RFC 9110 and others) for a status; "" if it has none. */
struct bytes http_status_phrase(int status);

#endif
