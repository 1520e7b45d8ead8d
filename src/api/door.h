/*
 * The door of the routes that clients call: what is refused there, before a body is read, answers in the shape of its path
 * and leaves a row, so that an operator finds it by its request id (storage §6.10).
 */
#ifndef SIGNET_API_DOOR_H
#define SIGNET_API_DOOR_H

#include "api/errors.h"
#include "api/surface.h"

/* What a request asks for. */
struct door {
	struct bytes path; /* below the base path */
	error_writer *write_error;
	const struct surface *surface; /* NULL: no surface's route; its refusals leave no row */
};

/* Answers with the last error; status 0: its own. The row is left out when too many were refused within the minute, which
 * is counted: strangers must not fill the disk. Returns false. Waits. */
bool door_refuse(struct exchange *, const struct door *, int status);

#endif
