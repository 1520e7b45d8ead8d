/*
 * What pages ask of the record (ui §5, §6; storage §3, §6.4). A question is a function that runs on a reader's thread, at
 * most READERS at once, with one view of the store and of what the journal has beyond it. It has a deadline, and ends
 * early when the one who asked has left; then its answer is what was found until there. Nothing here blocks a loop.
 */
#ifndef SIGNET_STORE_READ_H
#define SIGNET_STORE_READ_H

#include "store/log_read.h"
#include "store/read_filter.h"

#define READERS        4
#define READ_QUEUE     64   /* questions that wait: over it ERR_BUSY */
#define READ_LIST_MS   1000 /* deadlines (ui §6) */
#define READ_CHART_MS  3000
#define READ_ENTRY_MAX (1u << 30) /* memory of one inference with its bodies */

struct reads;
struct reader; /* one of its connections, while it answers a question */

/* Takes a copy of the folder's name. NULL: out of memory. */
struct reads *reads_new(const char *data_dir);
void reads_free(struct reads *); /* when no loop runs any more */

/* -1: error set. Must look at read_over() where it works long without asking the store. */
typedef int read_fn(struct reader *, void *arg);
/* Runs fn(arg) on a reader's thread, at most `ms` from now. Waits, and to its end even when cancelled, because `arg` is
 * usually on the caller's stack. -1: what fn failed with, ERR_BUSY, ERR_CANCELLED before it began, ERR_STORE. */
int reads_run(struct reads *, uint64_t ms, read_fn *, void *arg, struct arena *);

/* Of the question at hand: its deadline has passed, or nobody waits for it. */
bool read_over(const struct reader *);

/* ---- questions, from within a read_fn ---- */

/* What walks rows: newest first, each with its list cells and tags, not its bodies. 0: go on; 1: enough; -1: error. */
typedef int row_fn(const struct log_entry *, void *arg);

struct read_page {
	int64_t before; /* seq; INT64_MAX: from the newest */
	size_t limit;
	bool bare; /* only state and seq, the journal's first, in any order: for counting */
	bool lean; /* without tags and failed attempts */
	/* out */
	bool partial;    /* the deadline came first ... */
	int64_t reached; /* ... at this seq */
};
/* Rows that match, of journal and store, in the order of their seq, newest first. */
int read_rows(struct reader *, const struct read_filter *, struct read_page *, row_fn *, void *arg);

/* By the id of an inference or of a model inference, in either place, with its bodies. 1, 0, -1. */
int read_find(struct reader *, struct bytes id, struct log_entry *, struct arena *);

#endif
