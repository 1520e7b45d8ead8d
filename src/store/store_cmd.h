/* `signet store …` in its files. For the main thread of a process of its own; errors go to standard error. */
#ifndef SIGNET_STORE_STORE_CMD_H
#define SIGNET_STORE_STORE_CMD_H

#include <sqlite3.h>

#include "store/sink.h"

struct store_cmd {
	const char *dir, *from_text, *to_text, *out, *sink;
	uint64_t from_ms, to_ms; /* to: exclusive */
	char **words;            /* what stands behind the command, NULL at the end */
	uint64_t said_ms;        /* progress */
};

/* An exit status each. */
int store_check(struct store_cmd *);
int store_vacuum(struct store_cmd *);
int store_export(struct store_cmd *);
int store_import(struct store_cmd *);
int store_dead(struct store_cmd *);
int store_sql(struct store_cmd *);

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

#endif
