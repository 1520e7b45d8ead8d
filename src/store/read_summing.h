/* Sums over time from within: read_series.c adds up rows, read_rollup.c what is summed up already. Nobody else includes it. */
#ifndef SIGNET_STORE_READ_SUMMING_H
#define SIGNET_STORE_READ_SUMMING_H

#include "base/map.h"
#include "store/read_own.h"
#include "store/read_series.h"
#include "store/rollup.h"

/* A dimension of Rollup, and which half of its values is what is asked for; -1: neither. */
struct rolled {
	const char *dim;
	int filtered, by;
};

struct summing {
	struct reader *r;
	struct series_question *q;
	enum list_cell cell; /* of `by`; L_CELLS: a tag's value, or none */
	struct bytes tag;
	bool by_all, by_value; /* which of the two the rows at hand are added to */
	struct series *last;   /* that the row before this one was added to */

	/* read_rollup.c */
	struct rolled all, by;
	struct rollup_wide wide;
	int64_t oldest;       /* seq: what is older is not asked of Rollup */
	int64_t from_s, to_s; /* the part of the range that Rollup answers */

	/* How often each value is there, while series are chosen; then nothing is added up. */
	bool counting;
	struct map counted; /* value -> struct facet */
	struct facet **values;
	size_t nvalues, cap_values;
};

/* Rows of journal and store, from..to in seq. */
int summing_rows(struct summing *, int64_t from, int64_t to, bool journal_alone);
/* Where what happened then is added up. */
struct sums *summing_at(const struct summing *, struct series *, int64_t unix_s);
struct series *summing_series(struct summing *, struct bytes value); /* NULL: it has none */
int summing_count(struct summing *, struct bytes value, int64_t n);
/* Adds what Rollup keeps: pairs of the distance to the step before, and the count. */
int summing_blob(struct summing *, struct times **, sqlite3_stmt *, int column);

/* Whether Rollup has what is asked for. */
bool rollup_answers(struct summing *);
/* What it has, and the rows that it has not; counted or added up. */
int rollup_count(struct summing *);
int rollup_sum(struct summing *);

#endif
