/*
 * /internal/signet and the /internal routes of TensorZero's that pages read: what a browser shows of the record, the
 * models and the gateway itself (ui §5, http-api §20). docs/internal-api.md has them for users.
 */
#ifndef SIGNET_API_INTERNAL_H
#define SIGNET_API_INTERNAL_H

#include <inttypes.h>

#include "api/api.h"
#include "api/errors.h"
#include "api/guard.h"
#include "base/ids.h"
#include "base/pen.h"
#include "store/read.h"
#include "upstream/upstream.h"

#define INTERNAL_PARAMS 3 /* {x} of a pattern */
#define INTERNAL_ANSWER (256u << 20)

/* Answers the request; `params` is what stands in the places of the pattern, decoded. Waits. */
typedef void internal_handler(struct exchange *, const struct bytes params[INTERNAL_PARAMS]);

struct internal_route {
	const char *method, *path; /* below the base path; "{x}" is one segment */
	enum guard_role role;
	internal_handler *answer;
};
/* A list for each file, a row of no path at its end. */
extern const struct internal_route internal_record_routes[], internal_charts_routes[],
	internal_gateway_routes[], internal_config_routes[], internal_signer_routes[],
	internal_health_routes[], internal_overview_routes[], internal_live_routes[],
	internal_action_routes[], internal_tensorzero_routes[], internal_session_routes[],
	internal_key_routes[];

/* A path under /internal/, below the base path. false: no route is there, nothing was answered. Waits. */
bool internal_handle(struct exchange *, struct bytes path);

/* ---- for the handlers ---- */

/* The next parameter of a query string, decoded. */
bool query_next(struct bytes *rest, struct arena *, struct bytes *name, struct bytes *value);
/* A parameter's value; unset: it is not there. */
struct bytes query_get(const struct exchange *, struct bytes name);
/* A number from 1 to `most`, or `missing`. -1: ERR_INVALID_REQUEST. */
int query_count(const struct exchange *, struct bytes name, uint64_t missing, uint64_t most,
		uint64_t *out);
/* The filter of ui §2 in the query. -1: ERR_INVALID_REQUEST. */
int query_filter(const struct exchange *, struct read_filter *);
bool query_has_range(const struct exchange *);
/* Seconds of a step that people count in, so that at most `most` of them cover the range. */
uint64_t nice_step(uint64_t seconds, uint64_t most);
/* 24 hours where the query names no time, as pages do; `to` is now at the latest. */
void filter_fix_range(struct read_filter *, bool has_range);

/* An answer: opens an object; the pen is for its members. */
struct reply {
	struct exchange *ex;
	struct buf out;
	struct pen pen;
	bool partial;
};
void reply_begin(struct reply *, struct exchange *);
/* Closes it with took_ms (and partial), and sends it. `bad`: the last error instead. Waits. */
void reply_end(struct reply *, int bad);
/* The last error. Waits. */
void reply_error(struct exchange *, int status);

/* reads_run on the gateway's record. -1 too if there is none. Waits. */
int internal_read(struct exchange *, uint64_t ms, read_fn *, void *arg);

/* -1: nothing is recorded. */
int internal_needs_record(const struct exchange *);

/* For a call to a provider on behalf of a page. */
struct call_context internal_context(struct exchange *, struct bytes model);
/* The members of an element of `discovered` (ui §5). */
void put_discovered(struct pen *, const struct provider_config *, const struct discovered *);

/* seq as an id of version 7 of that moment, for cursors. */
struct bytes seq_text(int64_t seq, char out[UUID_TEXT + 1]);
/* "2026-11-30T18:00:00.000Z" of a seq. */
void pen_time(struct pen *, uint64_t unix_ms);

#endif
