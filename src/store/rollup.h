/*
 * Sums for charts and the dictionary of values (storage §6.3 Rollup and Facet, §6.5; ui §6), gathered over a batch and
 * written in its transaction.
 *
 * Rollup: a row for dim, value and bucket. dim = function, model, provider, key, surface, function_variant, model_key; the
 * value of the last two is both, with a tab between. The bucket is `step` seconds wide, 60 for the last 48 hours and
 * 3600 before, and begins at `hour` (Unix seconds): who sums up takes both steps. errors: rows whose state is error or
 * truncated. priced: rows with a cost. ms, ttft: histograms (below).
 * RollupWide: the same sums once more of hours that have ended, `step` 3600, for some days, and of days of UTC, 86400, for ever:
 * what struct rollup_wide says is whole. Progress has its three numbers as wide_from, wide_to and wide_days.
 * Facet: dim = those of one value, and variant, state, error_kind, tag (its key); hour: when it was last seen.
 * A request that was refused before its model was known counts where it has a value: under its surface.
 */
#ifndef SIGNET_STORE_ROLLUP_H
#define SIGNET_STORE_ROLLUP_H

#include <sqlite3.h>

#include "store/columns.h"

/* ---- histograms: buckets of ratio 1.02, kept sparse, as varints: distance to the bucket before, count ---- */

struct hist {
	uint16_t *bucket;
	uint32_t *count;
	size_t len, cap;
};
int hist_bucket(int64_t ms); /* 0 for 0; else 1 + round(log(ms) / log(1.02)) */
double hist_value(int bucket);
int hist_add(struct hist *, int bucket, uint32_t n); /* -1: out of memory */
int hist_write(const struct hist *, struct buf *);
int hist_read(struct hist *,
	      struct bytes); /* adds what is stored; -1: no histogram, or no memory */
void hist_deinit(struct hist *);

/* ---- what RollupWide has, in Unix seconds ---- */

#define ROLLUP_NARROW_S (48 * 3600) /* for so long Rollup has minutes */

struct rollup_wide {
	int64_t from, to; /* hours */
	int64_t days_to;  /* all days before it */
};

/* ---- the sink's: one thread ---- */

struct rollup;

struct rollup *rollup_new(sqlite3 *); /* NULL: error set */
void rollup_free(struct rollup *);
/* Counts an inference, by its list row and its tags (an object of strings; unset: none). `scratch` has room for the tags' texts.
 * -1: out of memory. */
int rollup_record(struct rollup *, const struct cell *list, struct bytes tags, int64_t seq,
		  struct buf *scratch);
/* Writes what changed since the last flush. An SQLite result code. */
int rollup_flush(struct rollup *);
/* The transaction was rolled back: what is held is no longer what is stored. */
void rollup_forget(struct rollup *);
/* The oldest hour of minutes that ended before `unix_ms` becomes hours, in the transaction that is open. *more: there may
 * be another. An SQLite result code. */
int rollup_fold(struct rollup *, uint64_t unix_ms, bool *more);
/* The next hour or day that has ended as of `unix_ms` goes to RollupWide; the same. */
int rollup_widen(struct rollup *, uint64_t unix_ms, bool *more);

#endif
