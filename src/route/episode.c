/*
 * A client may make its own episode id, but it must be a version 7 UUID of a plausible time. Ids whose time
 * lies beyond the year 2286 (10^10 s) belong to workflow evaluation runs, of which this version has none.
 */
#include "route/check.h"

#include "base/error.h"
#include "base/time.h"

#define EARLIEST_S 1579751960u
#define WORKFLOW_S 10000000000u

/* Versions that carry a time: 1, 6 and 7 (RFC 9562). */
static bool has_time(struct uuid id)
{
	int v = uuid_version(id);

	return v == 1 || v == 6 || v == 7;
}

int episode_id(struct bytes text, struct uuid *out)
{
	uint64_t seconds;

	if (!bytes_set(text)) {
		*out = uuid_v7();
		return 0;
	}
	if (!uuid_parse(text, out))
		return fail(ERR_JSON_REQUEST, "tensorzero::episode_id: UUID parsing failed: `%.*s`",
			    BFMT(text));
	if (!has_time(*out))
		return fail(ERR_INVALID_UUID, "Failed to parse UUID as v7: %.*s", BFMT(text));
	seconds = uuid_v7_ms(*out) / 1000;
	if (uuid_version(*out) != 7)
		return fail(ERR_INVALID_EPISODE, "Invalid Episode ID: Version must be 7, got %d",
			    uuid_version(*out));
	if (seconds >= WORKFLOW_S)
		return fail(ERR_INVALID_EPISODE,
			    "Workflow evaluation run not found for episode id: %.*s", BFMT(text));
	if (seconds < EARLIEST_S)
		return fail(ERR_INVALID_EPISODE, "Invalid Episode ID: Timestamp is too early");
	if (seconds > clock_unix_ms() / 1000)
		return fail(ERR_INVALID_EPISODE, "Invalid Episode ID: Timestamp is in the future");
	return 0;
}
