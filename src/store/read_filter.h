/*
 * Which inferences a page is about: the parameters of ui §2. One filter, two ways to apply it: as SQL over the store
 * (read_sql.c) and in C to a row of the journal. Pure.
 */
#ifndef SIGNET_STORE_READ_FILTER_H
#define SIGNET_STORE_READ_FILTER_H

#include "base/arena.h"
#include "store/log_read.h"
#include "store/words.h"

#define FILTER_VALUES 200  /* of all conditions together */
#define FILTER_TYPED  8192 /* bytes to look for */

enum condition_kind {
	CONDITION_ANY,    /* the cell is one of the values */
	CONDITION_NONE,   /* it is none of them */
	CONDITION_FLAG,   /* it is not 0, or it is: `number` */
	CONDITION_LEAST,  /* the number or more */
	CONDITION_MOST,   /* the number or less */
	CONDITION_STATUS, /* one of the states, codes and classes of codes */
	CONDITION_NO_STATUS,
	CONDITION_TAG,      /* has the tag, with one of the values if there are any */
	CONDITION_NO_TAG,   /* has the tag, with none of the values */
	CONDITION_FALLBACK, /* another provider had failed before: `number` */
	CONDITION_NEVER     /* what no row has today */
};

struct condition {
	enum condition_kind kind;
	enum list_cell cell;
	struct bytes tag;
	struct bytes *values;
	size_t n, cap;
	int64_t number;
};

struct read_filter {
	int64_t from, to; /* seq: from <= row < to */
	struct condition *at;
	size_t n, cap;
	struct bytes typed; /* to look for (words.h); empty: nothing */
	enum words_side side;
	struct arena *arena;
};

/* Everything. */
void filter_init(struct read_filter *, struct arena *);
/* Takes one parameter, decoded. 1: it is one of the filter's; 0: it is none; -1: ERR_INVALID_REQUEST. `now`: Unix ms, for
 * range=. Views of the texts are kept. */
int filter_take(struct read_filter *, struct bytes name, struct bytes value, uint64_t now);
/* The column behind a parameter of texts ("fn", "model", ...); L_CELLS: there is none. */
enum list_cell filter_cell(struct bytes name);
/* Of a row of the journal, which has its bodies; its words are not looked at. `scratch` is for tags. */
bool filter_matches(const struct read_filter *, const struct log_entry *, struct arena *scratch);

/* RFC 3339 -> Unix ms. false: it is no time. */
bool time_parse(struct bytes text, uint64_t *unix_ms);

#endif
