/*
 * Sums for charts (storage §6.3 Rollup, §6.5) and the dictionary of values (Facet), gathered over a batch and
 * written in its transaction. One thread. Switched off (struct sink_options) until the web UI reads them; its
 * first start will have to sum up what was recorded before.
 */
#ifndef SIGNET_STORE_ROLLUP_H
#define SIGNET_STORE_ROLLUP_H

#include <sqlite3.h>

#include "store/columns.h"

struct rollup;

struct rollup *rollup_new(sqlite3 *);
void rollup_free(struct rollup *);
/* Counts an inference, by its list row. 0 or -1: out of memory. */
int rollup_record(struct rollup *, const struct cell *list, uint64_t unix_ms);
/* dim is a literal. */
int rollup_facet(struct rollup *, const char *dim, struct bytes value, uint64_t unix_ms);
/* Writes what changed since the last flush. An SQLite result code. */
int rollup_flush(struct rollup *);
/* The transaction was rolled back: what is held is no longer what is stored. */
void rollup_forget(struct rollup *);
/* Minutes that began before `unix_ms` become hours. Inside a transaction; flush afterwards. */
int rollup_fold(struct rollup *, uint64_t unix_ms);

/* Histogram blobs: buckets of ratio 1.02, sparse: varints (distance to the bucket before, count). */
struct hist {
	uint16_t *bucket;
	uint32_t *count;
	size_t len, cap;
};
int hist_bucket(int64_t ms); /* 0 for 0; 1 + round(log(ms) / log(1.02)) */
double hist_value(int bucket);
int hist_add(struct hist *, int bucket, uint32_t n);
int hist_write(const struct hist *, struct buf *);
int hist_read(struct hist *, struct bytes); /* adds; -1: no histogram */
void hist_deinit(struct hist *);

#endif
