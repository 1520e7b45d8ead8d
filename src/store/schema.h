/* SQL of signet.db, made from the lists of columns.h. */
#ifndef SIGNET_STORE_SCHEMA_H
#define SIGNET_STORE_SCHEMA_H

#include "store/columns.h"

#define SQL_MAX (1u << 20) /* of a statement, or of all that make a database */

#define SQLITE_SINK "sqlite" /* in Delivered, in metrics and log lines */
#define SQLITE_FILE "signet.db"
#define SINK_SCHEMA 1
#define SINK_APP_ID 0x53474E54

/* All append, and end with a NUL that counts. -1: out of memory. */
int schema_create(struct buf *); /* everything in an empty file */
/* Parameters: each column that has a place, in the order of the cells, those of `more`, then seq. A row that is there
 * already stays. */
int schema_insert(const struct table *, struct buf *);
/* Columns: a cell each, those of `more` too, then seq; a hash as its decimal text. The table's alias is t. */
int schema_select(const struct table *, const char *tail, struct buf *);
/* Its beginning, up to FROM; without a NUL. */
int schema_select_list(const struct table *, struct buf *);

#endif
