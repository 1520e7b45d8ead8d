/* Rollups from within: rollup.c counts and writes, rollup_fold.c makes wide sums of narrow ones. Nobody else includes it. */
#ifndef SIGNET_STORE_ROLLUP_OWN_H
#define SIGNET_STORE_ROLLUP_OWN_H

#include "base/map.h"
#include "store/rollup.h"

/* What a row of Rollup adds up. */
#define SUMS                                                             \
	"count, errors, " N_CACHED ", " N_IN ", " N_OUT ", " N_COST_NANO \
	", priced, ms_sum, ttft_sum"
enum {
	SUM_COUNT,
	SUM_ERRORS,
	SUM_CACHED,
	SUM_IN,
	SUM_OUT,
	SUM_COST,
	SUM_PRICED,
	SUM_MS,
	SUM_TTFT,
	NSUMS
};

#define HOUR_S 3600
#define DAY_S  86400

/* Where a sum stands. LEVEL_FACET: nowhere but in Facet. */
enum rollup_level {
	LEVEL_FACET,
	LEVEL_MINUTE,
	LEVEL_HOUR,
	LEVEL_WIDE_HOUR,
	LEVEL_WIDE_DAY,
	ROLLUP_LEVELS
};

struct rollup_dim; /* rollup.c */

/* A row of a table of sums, or of Facet alone. */
struct rollup_slot {
	struct rollup_slot *next; /* all of them */
	const struct rollup_dim *dim;
	struct bytes value;
	enum rollup_level level;
	int64_t hour;
	int64_t sums[NSUMS]; /* as SUMS has them */
	int64_t fresh;       /* counted since the last flush, for the facet */
	struct hist ms, ttft;
	bool dirty;
	char key[];
};

enum rollup_query {
	Q_GET,
	Q_PUT,
	Q_FACET,
	Q_GET_WIDE,
	Q_PUT_WIDE,
	Q_AT, /* the rest: rollup_fold.c */
	Q_SET_AT,
	Q_NEXT,
	Q_FIRST,
	Q_RANGE,
	Q_DROP,
	Q_DROP_WIDE,
	ROLLUP_QUERIES
};
/* "… WHERE …" of sums that rollup_add_stored() reads from the column 0 on. */
#define ALL_SUMS SUMS ", ms, ttft"
extern const char *const rollup_fold_queries[ROLLUP_QUERIES]; /* its part of them */

struct rollup {
	sqlite3 *db;
	sqlite3_stmt *st[ROLLUP_QUERIES];
	struct map map;
	struct rollup_slot *all;
	int64_t minute; /* the newest */
	struct buf blob[2];
	/* As Progress has it (rollup.h): read when it is first needed, and after a roll-back. */
	bool knows_wide;
	struct rollup_wide wide;
};

/* The slot, made if it is not held; then with what is stored. NULL: no memory, or SQLite's error. */
struct rollup_slot *rollup_slot(struct rollup *, const struct rollup_dim *, struct bytes value,
				enum rollup_level, int64_t hour);
void rollup_add_stored(struct rollup_slot *, sqlite3_stmt *, int at);
/* Lets go of what is held, which is written. */
void rollup_drop_slots(struct rollup *);
const struct rollup_dim *rollup_dim_named(const char *name); /* NULL: none that is summed */
/* SQLite result codes. */
int rollup_run_once(sqlite3_stmt *);
int rollup_learn_wide(struct rollup *);

static inline struct bytes rollup_column(sqlite3_stmt *st, int i)
{
	const void *p = sqlite3_column_blob(st, i);

	return (struct bytes){ p ? p : "", (size_t)sqlite3_column_bytes(st, i) };
}

static inline void rollup_bind(sqlite3_stmt *st, int at, struct bytes b)
{
	sqlite3_bind_text(st, at, b.n ? b.p : "", (int)b.n, SQLITE_STATIC);
}

#endif
