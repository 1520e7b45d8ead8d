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
#define READ_ENTRY_MS  5000       /* one inference: its bodies may have 100 MB */
#define READ_ENTRY_MAX (1u << 30) /* memory of one inference with its bodies */

struct reads;
struct reader; /* one of its connections, while it answers a question */

struct clickhouse_options;
struct reads_options {
	const char *data_dir;
	/* Where bodies, and rows older than SQLite's list, are; NULL: SQLite has everything. Texts outlive the reads. */
	const struct clickhouse_options *clickhouse;
	bool no_sqlite; /* its file has no rows */
};
/* NULL: out of memory. */
struct reads *reads_new(const struct reads_options *);
/* Whether all rows are ClickHouse's, which has answers alone: no request that failed. */
bool reads_answers_only(const struct reads *);
void reads_free(struct reads *); /* when no loop runs any more */

/* Makes all threads, which are otherwise made when a question finds none idle. -1: ERR_IO. */
int reads_start(struct reads *);

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
	bool bare; /* only state ("ok", "error") and seq, the journal's first, in any order: for counting */
	bool lean;                   /* without tags and failed attempts */
	bool unordered;              /* the journal's first, in any order */
	bool journal_alone;          /* what is stored was told of by other means */
	bool no_clickhouse;          /* what ClickHouse has was told of by other means */
	const enum list_cell *cells; /* of a stored row only these; NULL: all */
	size_t ncells;
	/* out */
	bool partial;    /* the deadline came first ... */
	int64_t reached; /* ... at this seq */
};
/* Rows that match, of journal and store, in the order of their seq, newest first. */
int read_rows(struct reader *, const struct read_filter *, struct read_page *, row_fn *, void *arg);

/* What counts as an error in charts: nothing, or not all, of an answer came, and it was not the client that left. */
bool row_failed(const struct log_entry *);

#define COUNT_MAX 100000
/* How many rows match, up to `most`; SIZE_MAX: no bound. *exact: that is all of them. */
int read_count(struct reader *, const struct read_filter *, size_t most, size_t *n, bool *exact);

/* Values of a column among the rows that match, most frequent first; a row of the journal counts, too. */
struct facet {
	struct bytes value;
	int64_t n; /* -1: the deadline came first */
};
#define FACETS_MAX 1000
/* `dim` is a parameter of the filter (fn, model, ..., tag, tag.K); `part` must stand in the value, in any case. -1:
 * ERR_INVALID_REQUEST: there is no such list. 1: the deadline came first. The filter's own condition on it is left out. */
int read_facets(struct reader *, const struct read_filter *, struct bytes dim, struct bytes part,
		struct facet **, size_t *n, struct arena *);

/* What the newest rows say of each provider that was tried. */
struct numbers {
	int64_t *at;
	size_t n, cap;
};
int64_t numbers_quantile(struct numbers *, double part); /* -1: there is none */
struct provider_health {
	struct bytes model, provider;
	size_t n, errors;
	uint64_t since_ms,
		last_error_ms; /* Unix; since: the first error behind the last success. 0: none */
	int last_status;       /* 0: none */
	struct bytes last_error;
	struct numbers ms, ttft_ms;
};
int read_provider_health(struct reader *, uint64_t since_unix_ms, struct provider_health **,
			 size_t *n, struct arena *);

/* Bodies and attempts of a row that read_rows() gave: all that is read of them goes through here and read_find(). */
int read_bodies(struct reader *, struct log_entry *, struct arena *);

/* What arrives while one looks, in the order in which it was recorded: what matches is told, at most `most` rows a call,
 * and counted beyond. */
struct read_live {
	struct follow_place place; /* zero: from now on */
	size_t most;
	/* out */
	size_t skipped;
	char last_id[UUID_TEXT + 1]; /* of the last row, told or skipped; "" = none */
};
int read_live(struct reader *, const struct read_filter *, struct read_live *, row_fn *, void *arg);
/* Sets the place behind that inference. 1; 0: it is too long ago; -1. */
int read_live_place(struct reader *, struct bytes id, struct read_live *);

/* An answer of the Responses API that is kept (surfaces §4.5). */
struct kept_response {
	struct bytes id, key, previous,
		model;              /* key: public id of whose it is; unset: nobody's, or none */
	struct bytes input, object; /* JSON */
	int64_t created, expires;   /* Unix seconds */
};
/* 1; 0: there is none of that id, or it was deleted; -1. */
int read_response(struct reader *, struct bytes id, struct kept_response *, struct arena *);

/* By the id of an inference or of a model inference, in either place, with its bodies. 1, 0, -1. */
int read_find(struct reader *, struct bytes id, struct log_entry *, struct arena *);

#endif
