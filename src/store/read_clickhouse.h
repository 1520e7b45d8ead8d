/*
 * Reading TensorZero's tables in ClickHouse for pages (storage §3, §6.8; ui §6), in its files: read_clickhouse.c has the
 * thread that speaks HTTP, clickhouse_sql.c makes conditions of a filter, read_clickhouse_rows.c lists, read_clickhouse_one.c
 * finds one inference with its bodies, read_clickhouse_sums.c counts. Nobody above the store includes it.
 */
#ifndef SIGNET_STORE_READ_CLICKHOUSE_H
#define SIGNET_STORE_READ_CLICKHOUSE_H

#include "store/clickhouse.h"
#include "store/clickhouse_sql.h"
#include "store/read_own.h"

struct clickhouse_reads;

/* Texts of the options outlive it. NULL: error set. */
struct clickhouse_reads *clickhouse_reads_new(const struct clickhouse_options *);
void clickhouse_reads_free(struct clickhouse_reads *); /* when no reader asks any more */

/*
 * One SELECT with its FORMAT, for the question at hand and not longer than that: its deadline is the server's too, and the
 * connection is closed when the one who asked has left, which ends the query there. Blocks the reader's thread. 0: *answer
 * is in the arena; 1: out of time; -1: error set.
 */
int clickhouse_select(struct reader *, const struct clickhouse_text *sql, struct bytes *answer,
		      struct arena *);
/* The error for a question that cannot do with less than the whole. -1. */
int clickhouse_too_late(const struct reader *);
/* Where SQLite has a list of its own, that is something while ClickHouse does not answer: 0, and *partial. Else -1, the error as
 * it is. */
int clickhouse_is_missed(const struct reader *, bool *partial);
/* The next line of an answer in JSONCompactEachRow, as `n` cells: texts, whole numbers, null. 1; 0: no more; -1: it is not
 * what was asked for. */
int clickhouse_next_row(struct bytes *answer, struct cell *, size_t n, struct arena *);

/* A whole number, which as UInt64 comes as text. */
struct cell clickhouse_int(const struct cell *);

/* The two tables of answers, and what the list shows of each. */
struct clickhouse_answers {
	struct bytes type; /* as InferenceById has it */
	const char *table, *preview_in, *preview_out, *tools,
		*words; /* expressions over it as `i` */
};
#define CLICKHOUSE_ANSWERS 2
extern const struct clickhouse_answers clickhouse_answers[CLICKHOUSE_ANSWERS];
/* SELECT of ANSWER_CELLS columns of one of them, and what they are of an entry. */
#define ANSWER_CELLS 8
void clickhouse_put_answer(struct clickhouse_text *, const struct clickhouse_answers *);
void clickhouse_set_answer(struct log_entry *, const struct cell *, struct arena *);
/* The same of InferenceById. */
#define LIST_CELLS 6
void clickhouse_put_list(struct clickhouse_text *);
void clickhouse_set_list(struct log_entry *, const struct cell *, struct uuid id);
/* AND conditions that leave out what the journal has told of. */
void clickhouse_put_not_in_journal(struct clickhouse_text *, const struct reader *,
				   const char *id_column);

/* ---- what read_*.c asks, below the reader's horizon ---- */

/* As read_rows(): newest first. 0: all; 1: enough; -1: error set. Out of time sets page->partial and reached. */
int clickhouse_rows(struct reader *, const struct read_filter *, struct read_page *, row_fn *give,
		    void *arg);
/* The same of a filter with words where SQLite has the list (read_both.c). */
int both_words(struct reader *, const struct read_filter *, struct read_page *, row_fn *give,
	       void *arg);
/* 1, 0, -1, by the id of an inference or of a model inference. */
int clickhouse_find(struct reader *, struct bytes id, struct log_entry *, struct arena *);
/* Chat row and model rows of an entry whose list row is known. 1; 0: the server has none; -1. */
int clickhouse_bodies(struct reader *, struct log_entry *, struct arena *);
/* How many match, at most `most`. Not of a filter with words. *partial: out of time. */
int clickhouse_count(struct reader *, const struct read_filter *, size_t most, size_t *n,
		     bool *partial);
/* Each value of a column (L_CELLS: of the tag, or the keys of tags), with how often it is there. */
typedef int value_fn(void *arg, struct bytes value, int64_t n);
int clickhouse_values(struct reader *, const struct read_filter *, enum list_cell, struct bytes tag,
		      value_fn *, void *arg, bool *partial);
/* Sums by step and value of `by`: no value is all of them. */
struct series_question;
struct sums_part {
	struct bytes by;
	int64_t unix_s;
	uint64_t n, in, out, priced;
	int64_t cost_nano;
	/* pairs: milliseconds, how often */
	struct numbers ms, ttft_ms;
};
typedef int sums_fn(void *arg, const struct sums_part *);
int clickhouse_sums(struct reader *, const struct series_question *, enum list_cell by,
		    struct bytes tag, bool grouped, sums_fn *, void *arg, bool *partial);

#endif
