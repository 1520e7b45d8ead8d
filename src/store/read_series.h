/* Sums over time, for charts (ui §5 overview). */
#ifndef SIGNET_STORE_READ_SERIES_H
#define SIGNET_STORE_READ_SERIES_H

#include "store/read.h"

#define SERIES_MAX 24 /* by value; what is left is added up in one more */
#define TIME_STEPS 1100

/* A histogram of times: steps of ratio 1.02, as Rollup keeps them (rollup.h). */
struct times {
	uint64_t n;
	uint32_t steps[TIME_STEPS];
};
/* Milliseconds that `part` of the times did not exceed, 1 % off at most; -1: there are none. */
double times_quantile(const struct times *, double part);
void times_add(struct times *to, const struct times *); /* NULL: none */

struct sums {
	uint64_t n, errors, in, out, priced;
	int64_t cost_nano;          /* of the priced ones */
	struct times *ms, *ttft_ms; /* NULL: none */
};
struct series {
	struct bytes by; /* unset: all rows */
	struct sums *at; /* one a step */
};

struct series_question {
	struct read_filter filter; /* its time is the whole range */
	struct bytes by; /* a parameter of the filter, tag.K; unset: all rows are one series */
	uint64_t from_s, step_s;
	size_t n; /* steps */
	/* out, in the arena */
	struct arena *arena;
	struct series all,
		*at; /* at: by value, most frequent first, the last for all others if `others` */
	size_t nseries;
	bool others, partial;
};
/* Whether sums of any filter without words come as quickly as those of a simple one: walking its rows is no help. */
bool read_sums_all(const struct reader *);
/* -1: ERR_INVALID_REQUEST for a `by` that there is not, ... */
int read_series(struct reader *, struct series_question *);

#endif
