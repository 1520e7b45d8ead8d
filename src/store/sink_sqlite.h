/*
 * The SQLite sink (storage §6): signet.db, one writing connection, rows in, positions in the same
 * transaction. One thread, the drainer's.
 */
#ifndef SIGNET_STORE_SINK_SQLITE_H
#define SIGNET_STORE_SINK_SQLITE_H

#include <sqlite3.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "store/row.h"
#include "store/segment.h"

#define SINK_SCHEMA 1
#define SINK_APP_ID 0x53474E54

enum sink_result {
	SINK_OK,
	SINK_BUSY,    /* another process holds a lock: the same batch again */
	SINK_FULL,    /* no room on its disk */
	SINK_DOWN,    /* I/O error, read-only, cannot be opened */
	SINK_CORRUPT, /* not a database of ours, or a damaged one: set it aside */
	SINK_NEWER,   /* of a later schema: the start must be refused */
	SINK_ROW      /* the record itself is at fault: dead letter */
};

struct rollup;

struct sink {
	sqlite3 *db;
	int dir;          /* ‹data› */
	int fd;           /* SQLite's own of the file, for advice only; -1 = not known */
	off_t file_bytes; /* of the file, of which the page cache was told that they are done with */
	char *path;
	sqlite3_stmt **statements;
	struct rollup *rollup;
	struct buf scratch, unpacked;
	struct cell *cells;
	size_t cap_cells;
	bool in_transaction;
	uint64_t position;  /* record number of the last commit */
	uint64_t wal_pages; /* in the write-ahead log, after the last commit */
	uint64_t page_bytes;
	uint64_t new_rows; /* of the running batch, by sink_add() */
	uint64_t list_rows, chat_rows, model_rows, error_rows,
		tag_rows;       /* of this process, committed or not */
	char error[300];        /* of the last result that was not SINK_OK */
	struct bytes hash_text; /* cached: the last snapshot hash and its number */
	char hash_kept[80];
	int64_t hash_n;
};

/* Opens or makes ‹dir›/signet.db (mode 0600). Everything is ready or nothing is left open. */
enum sink_result sink_open(struct sink *, int dir_fd, const char *dir);
void sink_close(struct sink *);

/* A batch: begin, add..., commit with the number of its last record; or roll back. */
enum sink_result sink_begin(struct sink *);
/* All rows of one record. SINK_ROW leaves the batch as it was. */
enum sink_result sink_add(struct sink *, const struct record_view *);
enum sink_result sink_commit(struct sink *, uint64_t number);
void sink_rollback(struct sink *);

/* The configuration in force: ConfigSnapshot's row, made or touched. In a transaction of its own. */
enum sink_result sink_config(struct sink *, struct bytes hash_decimal, struct bytes text);
/* Moves the write-ahead log into the file. `all`: and makes it empty; for idle moments. */
void sink_checkpoint(struct sink *, bool all);
/* Folds minutes older than 48 hours into hours. For idle moments. */
enum sink_result sink_fold(struct sink *, uint64_t unix_ms);
/* Renames signet.db and its companions to signet.db.corrupt-‹UTC time›. Closed before. -1: error. */
int sink_set_aside(int dir_fd, uint64_t unix_ms);
/* The process that holds a lock on the file, 0 if the system does not tell. */
long sink_lock_holder(int dir_fd);

/* schema.c */
extern const char sqlite_schema_sql[];

#endif
