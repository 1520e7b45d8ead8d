/* `signet log`: entries out of signet.db and out of the journal, read-only, beside a gateway, and how they are printed. */
#ifndef SIGNET_STORE_LOG_READ_H
#define SIGNET_STORE_LOG_READ_H

#include <sqlite3.h>

#include "base/arena.h"
#include "store/columns.h"
#include "store/segment.h"

/* One inference, however it ended. Everything lives in the arena that it was read into. */
struct log_entry {
	int64_t seq; /* >> 15: Unix milliseconds */
	bool stored, cut;
	bool remote; /* its list row is ClickHouse's, which knows less */
	struct {
		uint64_t first, offset;
	} place; /* in the journal, if it is not stored */
	struct cell list[L_CELLS];
	struct bytes hash; /* decimal */
	bool has_chat, has_error;
	struct cell chat[C_CELLS];
	struct cell error[E_CELLS];
	struct log_model {
		struct cell m[M_CELLS], call[CALL_CELLS];
	} * models;
	size_t nmodels;
};

struct log_reader {
	sqlite3 *db; /* NULL: there is no signet.db yet */
	int journal; /* folder; -1: none */
	uint64_t delivered;
	int dir; /* ‹data›, for the cursor of a sink that keeps its place there; -1: SQLite keeps it */
	const char *sink;
	struct {
		uint64_t first, offset; /* 0: unknown */
	} begin; /* a place in the journal before the first record that the store has not */
	/* where in the journal it is */
	uint64_t first, last; /* segment, last number given out */
	int fd;
	struct bytes
		wanted; /* records that do not have this text are passed over; empty: all are read */
	bool one_segment; /* does not go on to the next one */
	bool (*over)(
		void *arg); /* whoever waits for a look through the journal has had enough; NULL: never */
	void *over_arg;
	struct segment_reader segment;
	struct buf unpacked;
	sqlite3_stmt *older, *by_id, *by_model, *chat, *models, *error, *tags;
};

/* -1: error set ("no record in ‹dir›"). */
int log_reader_open(struct log_reader *, const char *dir);
/* The same of the journal alone, as far as another sink has not delivered it. */
int log_reader_open_journal(struct log_reader *, const char *dir, const char *sink);
/* A new view of the store after log_let_go(); the journal is read again from where the store ends. -1: error set. */
int log_look_anew(struct log_reader *);
/* The journal once more, from where the store ends. */
void log_rewind_journal(struct log_reader *);
/* Ends the view of the store that the open began, so that the gateway's log file can be emptied again. */
void log_let_go(struct log_reader *);
void log_reader_close(struct log_reader *);

/* The next inference of the journal that the store has not (as of the open), later those that are written
 * while one looks. 1: one; 0: none for now; -1: unreadable. */
int log_next_in_journal(struct log_reader *, struct log_entry *, struct arena *);
/* The next record of any kind. 1; 0: none for now. */
struct record_view;
int log_next_record(struct log_reader *, struct record_view *);
/* The segments that hold what the store has not, the newest first; `at` has room for `max`. */
struct journal_segment {
	uint64_t first;
	int64_t seq; /* no row of an older segment is as new as this: it was recorded before */
};
size_t log_undelivered(struct log_reader *, struct journal_segment *at, size_t max);
/* From here on log_next_in_journal() gives what the store has not of this segment alone. false: it has gone. */
bool log_enter_segment(struct log_reader *, uint64_t first);
/* A place in the journal that a follower has come to, whatever the store has. Zero: where it ends now. */
struct follow_place {
	uint64_t first, offset, last; /* segment; in it; number of the last record seen */
};
/* The next inference behind the place, which it moves. 1; 0: none for now; -1. */
int log_follow(struct log_reader *, struct follow_place *, struct log_entry *, struct arena *);
/* The place behind the inference of that id, looked for in the newest segments. 1; 0: not there; -1. */
int log_place_of(struct log_reader *, struct bytes id, struct follow_place *);
/* The inference of that id, or with a model inference of that id, in a segment of about its time, delivered or not. Reading goes
 * on elsewhere behind it. 1; 0: not there; -1. */
int log_find_in_journal(struct log_reader *, struct bytes id, struct log_entry *, struct arena *);
/* The one at a place where one was found. 1; 0: it is not there any more; -1. */
int log_at_place(struct log_reader *, uint64_t first, uint64_t offset, struct log_entry *,
		 struct arena *);
/* The newest stored one below *seq, which it lowers. 1, 0, -1. */
int log_next_stored(struct log_reader *, int64_t *seq, struct log_entry *, struct arena *);
/* Tags and failed attempts of a stored entry, which its line tells of, without its bodies. */
int log_load_line(struct log_reader *, struct log_entry *, struct arena *);
/* Of the row at hand of a statement made with schema_select(): `n` cells from column `from` on. -1: out of memory. */
int log_copy_cells(sqlite3_stmt *, int from, struct cell *, size_t n, struct arena *);
/* Bodies and attempts of a stored entry. */
int log_load_bodies(struct log_reader *, struct log_entry *, struct arena *);
/* By the id of an inference or of a model inference. 1, 0, -1. */
int log_find_stored(struct log_reader *, struct bytes id, struct log_entry *, struct arena *);
/* Its list row alone, by the id of an inference. */
int log_find_listed(struct log_reader *, struct bytes id, struct log_entry *, struct arena *);
/* The first, in either place. */
int log_find(struct log_reader *, struct bytes id, struct log_entry *, struct arena *);

/* A list row's members, between its time and what is counted elsewhere; NULL: the name is the column's. */
struct row_member {
	enum list_cell cell;
	const char *name;
};
extern const struct row_member log_row_members[];
extern const size_t log_nrow_members;

/* log_print.c: how an inference is told of: a line, a page, or the JSON of ui.md §5. */
/* `colour`: for a terminal. Ends with a newline. -1: out of memory. */
int log_print_line(const struct log_entry *, bool colour, struct buf *out, struct arena *);
int log_print_row_json(const struct log_entry *, struct buf *out, struct arena *);
/* With bodies, whole: the row, and beside its members input, output and error. */
int log_print_whole_json(const struct log_entry *, struct buf *out, struct arena *);
/* The entry has its bodies. `raw`: the bodies of each attempt instead of the conversation. */
int log_print_page(const struct log_entry *, bool colour, bool raw, struct buf *out,
		   struct arena *);
int log_print_detail_json(const struct log_entry *, struct buf *out, struct arena *);

/* log_csv.c: as a line for a spreadsheet. */
int log_print_csv_head(struct buf *out);
int log_print_csv(const struct log_entry *, struct buf *out);

#endif
