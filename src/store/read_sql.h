/* A filter as SQL over signet.db (storage §6.4). Nobody above the store includes it. */
#ifndef SIGNET_STORE_READ_SQL_H
#define SIGNET_STORE_READ_SQL_H

#include "store/read_own.h"

enum sql_kind {
	SQL_CELLS,  /* the list's cells, and seq */
	SQL_SOME,   /* some of them, and seq */
	SQL_STATE,  /* whether the row failed, and seq */
	SQL_GROUPS, /* each value of the only cell, and how often it is there */
};
struct sql_columns {
	enum sql_kind kind;
	const enum list_cell *cells;
	size_t n;
};

/* A statement over the list's rows that match, newest first, below `before`. The caller finalizes it. NULL: error set. */
sqlite3_stmt *filter_statement(struct reader *, const struct read_filter *, int64_t before,
			       const struct sql_columns *);
/* The same of one row, whose seq is the first parameter. */
sqlite3_stmt *filter_point(struct reader *, const struct read_filter *, const struct sql_columns *,
			   bool with_words);
/* Another statement, for its own text. NULL: error set. */
sqlite3_stmt *read_statement(struct reader *, const char *sql);

#endif
