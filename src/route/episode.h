/* Episode ids of clients (http-api §5.4). */
#ifndef SIGNET_ROUTE_EPISODE_H
#define SIGNET_ROUTE_EPISODE_H

#include "base/ids.h"

/* The request's id, checked, or a new one if `text` is unset. -1: ERR_INVALID_UUID, ERR_INVALID_EPISODE. */
int episode_id(struct bytes text, struct uuid *out);

#endif
