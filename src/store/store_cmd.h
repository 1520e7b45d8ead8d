/* `signet store …` in its files. For the main thread of a process of its own; errors go to standard error. */
#ifndef SIGNET_STORE_STORE_CMD_H
#define SIGNET_STORE_STORE_CMD_H

#include <sqlite3.h>

#include "store/dead_letter.h"
#include "store/sink.h"
#include "store/store.h"

struct store_cmd {
	const char *dir, *from_text, *to_text, *out, *sink;
	uint64_t from_ms, to_ms; /* to: exclusive */
	uint64_t clickhouse_days;
	char **words;     /* what stands behind the command, NULL at the end */
	uint64_t said_ms; /* progress */
};

/* An exit status each. */
int store_check(struct store_cmd *);
int store_vacuum(struct store_cmd *);
int store_export(struct store_cmd *);
int store_import(struct store_cmd *);
int store_dead(struct store_cmd *);
int store_sql(struct store_cmd *);
int store_copy(struct store_cmd *);
int store_retention(struct store_cmd *);

/* At most a line a second on standard error. */
void store_progress(struct store_cmd *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* signet.db, with progress. NULL: error set. */
sqlite3 *store_open_db(struct store_cmd *, int flags);
/* Says the last error. Returns 1. */
int store_failed(void);

/* The database as the gateway's drainer has it, for a process that the gateway does not run beside. */
struct store_writer {
	struct sink *sink;
	int lock_fd, dir_fd;
	uint64_t in_batch;
};
/* -1: error said (in use, no such directory, …). */
int store_writer_open(struct store_writer *, const char *dir);
/* SINK_ROW: it does not fit, sink->error says why; else what it says ends the work. */
enum sink_result store_writer_add(struct store_writer *, struct record *);
enum sink_result store_writer_flush(struct store_writer *);
void store_writer_close(struct store_writer *);
/* A row as ClickHouse's JSONEachRow takes it. -1: out of memory. */
int store_print_row(enum table_id, const struct cell *, struct buf *out, struct arena *);

/* store_clickhouse.c: a ClickHouse that a command brings rows to, or asks. */
struct store_clickhouse {
	struct sink_visit visit;
	struct clickhouse_options options;
	struct sink *sink;
	int dir_fd;     /* of the caller; -1: it only asks */
	uint64_t rows;  /* of the batch at hand */
	uint64_t bytes; /* the same */
	uint64_t number;
	struct buf refused; /* numbers of records, 8 bytes each */
	char error[300];    /* why the last one was refused */
};
/* `url` NULL: TENSORZERO_CLICKHOUSE_URL. Makes the schema in an empty database. `name` and `dir_fd` (‹data›): what it notes
 * batches under; a former visit that was cut, and a gateway's batch in flight, are waited for. -1: error set; close it. */
int store_clickhouse_open(struct store_clickhouse *, const char *url, const char *name, int dir_fd);
/* Puts rows of a record into the batch, which goes out when it is full, after some tries if need be. Records are numbered from
 * 1 in the order of these calls. -1: error set. */
int store_clickhouse_add(struct store_clickhouse *, struct record *);
int store_clickhouse_flush(struct store_clickhouse *);
/* `finished`: nothing is in doubt. */
void store_clickhouse_close(struct store_clickhouse *, bool finished);
/* Runs SQL; the answer's text replaces `answer`. -1: error set. */
int store_clickhouse_ask(struct store_clickhouse *, struct bytes sql, struct buf *answer);

#endif
