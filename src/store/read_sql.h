/* A filter as SQL over signet.db (storage §6.4). Nobody above the store includes it. */
#ifndef SIGNET_STORE_READ_SQL_H
#define SIGNET_STORE_READ_SQL_H

#include "store/read_own.h"

enum sql_columns { SQL_CELLS, SQL_STATE };

/* A statement over the list's rows that match, newest first, below `before`: their list cells (SQL_STATE: the state
 * alone) and seq. The caller finalizes it. NULL: error set. */
sqlite3_stmt *filter_statement(struct reader *, const struct read_filter *, int64_t before,
			       enum sql_columns);

#endif
