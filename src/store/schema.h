/* SQL of signet.db, made from the lists of columns.h. */
#ifndef SIGNET_STORE_SCHEMA_H
#define SIGNET_STORE_SCHEMA_H

#include <sqlite3.h>

#include "store/columns.h"

#define SQL_MAX (1u << 20) /* of a statement, or of all that make a database */

#define SQLITE_SINK "sqlite" /* in Delivered, in metrics and log lines */
#define SQLITE_FILE "signet.db"
#define SINK_SCHEMA 7
#define SINK_APP_ID 0x53474E54

#define LIST_INDEX(what) "InferenceById_" what
/* What few rows have. One index has these rows alone, newest first, with the columns that say why: so it costs the others
 * next to nothing, and who looks for the rare looks at few. Tails begin where a fifth of the rows or less is: what is more
 * frequent is met soon by who walks the list. */
#define RARE_MS       10000
#define RARE_FAST_MS  200
#define RARE_TTFT     2000
#define RARE_COST     10000000
#define RARE_IN       4000
#define RARE_OUT      1000
#define RARE_TEXT_(n) #n
#define RARE_TEXT(n)  RARE_TEXT_(n)
#define RARE_ROWS                                                                              \
	"(" N_STATUS " <> 200 OR " N_ERROR_KIND " IS NOT NULL OR " N_FINISH                    \
	" <> 'stop' OR " N_TYPE " <> 'chat' OR " N_SIGNED " = 1 OR " N_CACHED " = 1 OR " N_MS  \
	" >= " RARE_TEXT(RARE_MS) " OR " N_MS " <= " RARE_TEXT(                                \
		RARE_FAST_MS) " OR " N_TTFT                                                    \
			      " >= " RARE_TEXT(RARE_TTFT) " OR " N_COST_NANO " >= " RARE_TEXT( \
				      RARE_COST) " OR " N_IN                                   \
						 " >= " RARE_TEXT(RARE_IN) " OR " N_OUT        \
									   " >= " RARE_TEXT(   \
										   RARE_OUT) ")"

/* What makes a file of the schema before it one of schema `version`. Steps are for ever, in their order. */
struct schema_step {
	int version;
	const char *sql;
};
extern const struct schema_step schema_steps[];
extern const size_t schema_nsteps;

/*
 * Brings a file of schema `from` to SINK_SCHEMA, a transaction a step. Before the first one all tables but bodies are
 * copied to signet.db.before-‹its version› (storage §6.7). The connection has nothing open. An SQLite result code; the
 * file is then of the schema that the last whole step left.
 */
int schema_change(sqlite3 *, int dir_fd, const char *path, int from);

/* All append, and end with a NUL that counts. -1: out of memory. */
int schema_create(struct buf *); /* everything in an empty file */
int schema_views(struct buf *);  /* the views made anew */
/* Parameters: each column that has a place, in the order of the cells, those of `more`, then seq. A row that is there
 * already stays. */
int schema_insert(const struct table *, struct buf *);
/* Columns: a cell each, those of `more` too, then seq; a hash as its decimal text. The table's alias is t. */
int schema_select(const struct table *, const char *tail, struct buf *);
/* Its beginning, up to FROM; without a NUL. */
int schema_select_list(const struct table *, struct buf *);

#endif
