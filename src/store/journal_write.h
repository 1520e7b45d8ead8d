/* Between journal.c (the workers' side), journal_write.c (the writer's thread) and journal_room.c (its disk). */
#ifndef SIGNET_STORE_JOURNAL_WRITE_H
#define SIGNET_STORE_JOURNAL_WRITE_H

#include "store/journal.h"

void *journal_writer(void *journal);
void *journal_syncer(void *journal);
void journal_stop_syncer(struct journal *);
/* The reserve file and the first look at the disk. -1: error set. Before the threads run. */
int journal_prepare(struct journal *);

void journal_ring(atomic_uint *bell); /* its thread has something to do */
void journal_sleep(atomic_uint *bell,
		   uint64_t ms); /* that thread only: until the bell, or the time */
void pending_drop(struct pending *);
/* Gives a list of taken records back to those who wait for them. */
void journal_finish(struct journal *, struct pending *group, enum unrecorded result);

/* journal_room.c: the writer only. */
#define JOURNAL_RESERVE "reserve"
bool journal_is_full_errno(int);
int journal_make_reserve(struct journal *);     /* -1: errno */
bool journal_release_reserve(struct journal *); /* false: it was gone */
void journal_look_at_disk(struct journal *);    /* whether the journal is full */

#endif
