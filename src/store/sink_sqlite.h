/* The SQLite sink (storage §6) in its two files: sink_sqlite.c has the database, sink_sqlite_rows.c stores a record. */
#ifndef SIGNET_STORE_SINK_SQLITE_H
#define SIGNET_STORE_SINK_SQLITE_H

#include <pthread.h>
#include <sqlite3.h>
#include <sys/types.h>

#include "store/sink.h"

enum sqlite_query {
	Q_BEGIN,
	Q_COMMIT,
	Q_ROLLBACK,
	Q_LIST,
	Q_CHAT,
	Q_MODEL,
	Q_ERROR,
	Q_TAG,
	Q_HASH,
	Q_HASH_NEW,
	Q_POSITION,
	Q_DELIVERED,
	QUERIES
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
	uint64_t wal_pages; /* in the write-ahead log, after the last commit */
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

/* sink_sqlite_rows.c */
enum sink_result sqlite_add_record(struct sink *, const struct record_view *);
enum sink_result sqlite_touch_config(struct sqlite_sink *, struct bytes hash, struct bytes text);

#endif
