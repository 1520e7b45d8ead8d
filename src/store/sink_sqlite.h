/* The SQLite sink (storage §6): sink_sqlite.c has the database, sink_sqlite_rows.c stores a record, sink_sqlite_work.c does what
 * can wait. */
#ifndef SIGNET_STORE_SINK_SQLITE_H
#define SIGNET_STORE_SINK_SQLITE_H

#include <pthread.h>
#include <sqlite3.h>
#include <sys/types.h>

#include "store/retention.h"
#include "store/rollup.h"
#include "store/sink.h"
#include "store/words.h"

enum sqlite_query {
	Q_BEGIN,
	Q_COMMIT,
	Q_ROLLBACK,
	Q_LIST,
	Q_CHAT,
	Q_MODEL,
	Q_ERROR,
	Q_RESPONSE,
	Q_RESPONSES_OLD,
	Q_TAG,
	Q_PENDING,
	Q_HASH,
	Q_HASH_NEW,
	Q_POSITION,
	Q_DELIVERED,
	QUERIES
};

/* How far the work behind has come, as of a commit (sink_sqlite_work.c). */
struct work_state {
	int64_t summed_from; /* rows below are not in Rollup yet; 0: all are */
	int64_t queued_from; /* rows below are not in TextPending yet, nor indexed */
	int64_t behind;      /* rows of TextPending */
	bool words_begun;    /* the index holds what Progress says */
};

struct sqlite_work {
	struct work_state now, next; /* next: of the transaction at hand */
	uint64_t rest_until_ms, folded_ms, widened_ms;
	bool words_cleared; /* search is off, and nothing of it is left */
	bool shrinking;
};

struct sqlite_sink {
	struct sink base;
	struct sink_options o;
	char *path;
	sqlite3 *db;
	int fd;           /* SQLite's own of the file, for advice only; -1 = not known */
	off_t file_bytes; /* of the file, of which the page cache was told that they are done with */
	sqlite3_stmt *statements[QUERIES];
	bool in_transaction;
	bool was_full; /* since the last commit */
	struct rollup *rollup;
	struct words *words;
	struct retention *retention;
	struct sqlite_work work;
	int64_t pending;    /* rows of the batch at hand whose words wait */
	uint64_t wal_pages; /* in the write-ahead log, after the last commit */
	bool gave_back;     /* its cache, since it is idle */
	uint64_t page_bytes;

	/* of the record at hand */
	struct buf scratch, unpacked;
	struct cell *cells;
	size_t cap_cells;
	struct bytes hash_text; /* cached: the last snapshot hash and its number */
	char hash_kept[80];
	int64_t hash_n;

	/* the check after an unclean stop */
	pthread_t checker;
	bool opened_before, checking;
	sqlite3 *_Atomic check_db;
};

/* What SQLite's result means, and its text in base.error. */
enum sink_result sqlite_classify(struct sqlite_sink *, int rc);
/* Runs a statement that gives no row. */
enum sink_result sqlite_run(struct sqlite_sink *, enum sqlite_query);
void sqlite_bind_text(sqlite3_stmt *, int at, struct bytes); /* unset: NULL */

/* A transaction. After `undo` nothing that was held of it counts. */
enum sink_result sqlite_begin(struct sqlite_sink *);
void sqlite_undo(struct sqlite_sink *);

/* sink_sqlite_work.c */
int sqlite_work_open(struct sqlite_sink *); /* an SQLite result code */
void sqlite_work_close(struct sqlite_sink *);
bool sqlite_work(struct sink *, unsigned ms);                /* struct sink_type.work */
void sqlite_make_room(struct sqlite_sink *, unsigned ms);    /* what retention must do under load */
void sqlite_note_behind(struct sqlite_sink *, int64_t more); /* rows that wait for the word index */

/* sink_sqlite_rows.c */
enum sink_result sqlite_add_record(struct sink *, const struct record_view *);
enum sink_result sqlite_touch_config(struct sqlite_sink *, struct bytes hash, struct bytes text);

#endif
