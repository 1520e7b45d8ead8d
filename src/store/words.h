/*
 * The word index of signet.db (storage §6.5): FTS5 without contents, a table a month of UTC (Text_2026_11), rowid = seq,
 * columns input, output, error. A word is what unicode61 makes of it (case and diacritics folded); each Han, Kana and
 * Hangul character is a word of its own, and several in a row are a phrase. Only text blocks count, at most
 * WORDS_SIDE_MAX bytes a column.
 *
 * The characters are set apart before FTS5 sees the text, so the tables use SQLite's own tokenizer: any connection can
 * ask, also a foreign shell's. Rows are indexed behind the drainer: TextPending has the seq of those that are not yet.
 */
#ifndef SIGNET_STORE_WORDS_H
#define SIGNET_STORE_WORDS_H

#include <sqlite3.h>

#include "base/bytes.h"

#define WORDS_SIDE_MAX 65536

/* ---- for readers: any connection, any thread ---- */

enum words_side { WORDS_ANY, WORDS_INPUT, WORDS_OUTPUT, WORDS_ERROR };

/*
 * An FTS5 expression, NUL-terminated, for what somebody typed: all the words, "a phrase", beginn*, -without. 0; 1: there
 * is no word to look for in it; -1: out of memory.
 */
int words_expression(struct bytes typed, enum words_side, struct buf *out);
/* The next term that is wanted, of what somebody typed, without its marks: for a store that has no index. */
bool words_next_wanted(struct bytes *typed, struct bytes *term);

#define WORDS_MONTHS 1200

struct words_search {
	sqlite3 *db;
	sqlite3_stmt *st; /* of the month at hand */
	struct buf expression;
	int months[WORDS_MONTHS]; /* 2026 * 12 + 10, newest first */
	size_t nmonths, at;
	int64_t before;
};
/*
 * Rows of the index that match, newest first, from below seq `before` on; INT64_MAX: from the newest. A seq may be that
 * of a row which retention has just taken: join it with InferenceById. What stands in TextPending is not found; look
 * there too (SELECT seq FROM TextPending ORDER BY seq DESC). 0; 1: nothing to look for; -1: error set. End it in any case.
 */
int words_search_begin(struct words_search *, sqlite3 *, struct bytes typed, enum words_side,
		       int64_t before);
/* 1, 0, -1: error set (interrupted, too). */
int words_search_next(struct words_search *, int64_t *seq);
void words_search_end(struct words_search *);

/* What is indexed of a row: the three columns as FTS5 gets them, for whoever looks at a row that is not indexed yet. The
 * first two are JSON; a preview counts where the text itself is not there. -1: out of memory. */
struct words_row {
	struct bytes input, output, error, preview_in, preview_out;
};
int words_texts(const struct words_row *, struct buf sides[3]);

/* ---- for the sink: its connection, inside its transactions. SQLite result codes. ---- */

struct words;

struct words *words_new(sqlite3 *); /* NULL: error set */
void words_free(struct words *);
/* Indexes what is pending, newest first, until clock_mono_ms() is `until_ms`. *n: how many rows; 0: nothing is pending. */
int words_index(struct words *, uint64_t until_ms, size_t *n);
/* Before a row's texts go: it leaves the index, or the list of those that wait, which adds one to *waited. */
int words_forget(struct words *, int64_t seq, int64_t *waited);
/* Drops the months that ended before the row `seq`; *n: how many, at most one a call. */
int words_drop_months(struct words *, int64_t seq, size_t *n);

#endif
