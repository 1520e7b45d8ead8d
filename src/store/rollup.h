/*
 * Sums for charts (storage §6.3 Rollup, §6.5) and the dictionary of values (Facet), gathered over a batch and
 * written in its transaction. One thread.
 */
#ifndef SIGNET_STORE_ROLLUP_H
#define SIGNET_STORE_ROLLUP_H

#include <sqlite3.h>

#include "base/bytes.h"

struct rollup;

struct rollup_sample {
	bool error, cached, priced;
	int64_t input_tokens, output_tokens, cost_nano;
	int64_t ms, ttft_ms; /* -1: unknown */
};

struct rollup *rollup_new(sqlite3 *);
void rollup_free(struct rollup *);
/* dim is a literal. 0 or -1: out of memory. */
int rollup_add(struct rollup *, const char *dim, struct bytes value, uint64_t unix_ms,
	       const struct rollup_sample *);
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
