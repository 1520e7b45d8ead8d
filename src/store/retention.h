/*
 * What signet.db forgets by itself (storage §6.6): in small steps, each a transaction of the sink's. Sums, the dictionary of
 * values and configurations stay. One thread, the sink's connection; SQLite result codes.
 */
#ifndef SIGNET_STORE_RETENTION_H
#define SIGNET_STORE_RETENTION_H

#include <sqlite3.h>

#include "store/store.h"
#include "store/words.h"

#define RETENTION_ROWS 500 /* of a step, at most */

struct retention;

/* `words`: the index that rows leave, too; it must outlive this. NULL: error set. */
struct retention *retention_new(sqlite3 *, const struct retention_options *, struct words *);
void retention_free(struct retention *);
/* Whether the file is over max_mb, or was and is not below 95 % of it yet. Cheap: asked after each batch. */
bool retention_is_over(struct retention *);
/* Over by so much that a small step after each batch is not enough. */
bool retention_is_far_over(struct retention *);
/* Over max_mb, or it is time to look for rows that have become too old. */
bool retention_is_due(struct retention *);
/* Takes the oldest rows that are due, until clock_mono_ms() is `until_ms`. *more: there are others; *waited: how many of
 * them waited for the word index. In a transaction. */
int retention_step(struct retention *, uint64_t unix_ms, uint64_t until_ms, bool *more,
		   int64_t *waited);
/* A row was stored, in the same transaction. One that is older than those whose bodies went (a backlog, an import) is looked
 * at once more. */
int retention_row_came(struct retention *, int64_t seq);
/* The transaction is committed: counts what is gone. */
void retention_committed(struct retention *);
/* Gives a few free pages back to the disk if over a twentieth of the file is free. *more: it still is. */
int retention_shrink(struct retention *, bool *more);

#endif
