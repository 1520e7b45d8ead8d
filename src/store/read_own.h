/* A reader from within (read_pool.c, read_rows.c, ...). Nobody above the store includes it. */
#ifndef SIGNET_STORE_READ_OWN_H
#define SIGNET_STORE_READ_OWN_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/ids.h"
#include "store/read.h"

struct question;

/* Looks for the words of a filter in a row that is not indexed: with the index's own means, in memory. */
struct judge {
	sqlite3 *db;
	sqlite3_stmt *put, *match, *drop;
	struct buf sides[3], expression;
	bool any; /* there is a word to look for */
};
/* Sets what is looked for. -1: error set. */
int judge_set(struct judge *, const struct read_filter *);
/* 1, 0, -1: error set. */
int judge_row(struct judge *, const struct words_row *);
void judge_deinit(struct judge *);
/* filter_matches(), and the words too. 1, 0, -1. */
int reader_matches(struct reader *, const struct read_filter *, const struct log_entry *,
		   struct arena *scratch);

/* The store's rows that have the words, newest first, by its index; those that are not indexed yet are looked at. 2: there
 * is no index. `row` as row_fn, of a statement made with the columns. *partial: the deadline came first. */
struct sql_columns;
int walk_words(struct reader *, const struct read_filter *, int64_t before,
	       const struct sql_columns *, int (*row)(sqlite3_stmt *, void *), void *arg,
	       bool *partial);

/* ids that the journal has and a server may have too by now: from there they are not told of again. */
#define JOURNAL_IDS 30000
struct journal_ids {
	struct uuid *at;
	size_t n, cap;
	bool sorted;
};
int journal_ids_add(struct journal_ids *, struct uuid);
void journal_ids_sort(struct journal_ids *);

struct clickhouse_reads;

/*
 * What is stored is signet.db's rows and, below the horizon, those of ClickHouse (read_clickhouse.h). Where SQLite is the main
 * store there is no ClickHouse here; where it keeps the list of the last days without bodies, the horizon is its oldest row;
 * where it keeps no rows, all are ClickHouse's.
 */
struct reader {
	struct reads *reads;
	struct clickhouse_reads *clickhouse; /* NULL: none */
	int64_t horizon;                     /* of the question at hand */
	struct journal_ids ids;
	struct question *question; /* at hand; NULL: none */
	pthread_t thread;
	bool open;
	dev_t device; /* of the store's file when it was opened */
	ino_t inode;
	struct log_reader log;
	int64_t seen; /* the seq that a statement looked at last */
	struct judge judge;
};

/* As read_rows(), of what the journal has on its disk still, delivered or not. */
int read_recent(struct reader *, const struct read_filter *, struct read_page *, row_fn *,
		void *arg);

/* A row of the journal was seen. -1: error set. */
int note_in_journal(struct reader *, const struct log_entry *);

/* Whether nobody waits for the question at hand any more; the time that it has left, at least 0. */
bool read_left(const struct reader *);
uint64_t read_left_ms(const struct reader *);

/* SQL functions of a connection: signet_at(seq) notes where a statement is, signet_words(...) looks for the words. -1:
 * error set. */
int read_functions(struct reader *);

#endif
