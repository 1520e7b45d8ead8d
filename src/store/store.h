/*
 * The record: rows of finished answers go to the journal (never lost), a drainer for each store moves them to SQLite, to
 * ClickHouse or to both. storage §6, §7. store_append() is the only call on the request's path.
 */
#ifndef SIGNET_STORE_STORE_H
#define SIGNET_STORE_STORE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "config/sync_policy.h"
#include "net/http_client.h"
#include "store/segment.h"

struct store;

/* Texts outlive the store. */
struct clickhouse_options {
	struct bytes url; /* as TENSORZERO_CLICKHOUSE_URL; checked by clickhouse_server_parse() */
	struct bytes cluster; /* unset: none */
	bool single_node, disable_automatic_migrations, dedup_window;
	uint64_t max_rows, flush_interval_ms; /* of gateway.observability.batch_writes */
	struct http_client_options http;
};

/* [store.sqlite.retention]; 0: no bound. */
struct retention_options {
	uint64_t days, body_days, max_mb;
};

struct store_options {
	const char *data_dir; /* made if missing, locked */
	enum sync_policy sync;
	uint64_t sync_ms, segment_mb, max_mb, queue_mb, wait_ms, keep_mb, reserve_mb;
	bool refuse_when_full, compress;
	uint64_t shutdown_drain_s;
	bool search_off; /* no word index */
	struct retention_options retention;
	struct bytes config_hash, config_text; /* ConfigSnapshot; the hash in decimal */
	/* Where rows go. The first is what /status calls the sink: ClickHouse if it is main, else SQLite. */
	const struct clickhouse_options *clickhouse; /* NULL: not there */
	bool clickhouse_is_main;
	bool no_sqlite, sqlite_list_only; /* no rows at all; no bodies (storage §6.8) */
};

/* `--run-clickhouse-migrations`: makes TensorZero's schema in an empty database, finds it in a finished one. -1: error,
 * with what an operator must do. Not on a fiber. */
int store_clickhouse_migrate(const struct clickhouse_options *);

/* A record of a request that no fiber waits for may also be appended on a thread of its own, which then
 * blocks. Close the store before the loops are freed whose fibers appended to it. */
/* Takes the data directory's lock; makes the files that are not there; recovers the journal; starts the writer
 * and drainer threads. NULL: error ("‹dir› is in use by process ‹pid›", not writable, ...). Not on a fiber. */
struct store *store_open(const struct store_options *);
/* Only makes and locks the data directory (for --validate-and-exit and for a start with the record off).
 * 1: another process has it; the error says which. */
int store_lock_dir(const char *dir, int *lock_fd);
/* Another configuration is in force: each sink gets its ConfigSnapshot before the rows that name it. Copies. Any thread.
 * -1: ERR_OUT_OF_MEMORY. */
int store_config(struct store *, struct bytes hash, struct bytes text);
/* Writes what is queued, an end record, syncs, gives the drainer its time. Returns the number of records
 * left for the next start. */
uint64_t store_close(struct store *);

/* Table numbers of storage §7.1, for ever. */
enum row_table {
	ROW_CHAT_INFERENCE = 1,
	ROW_JSON_INFERENCE = 2,
	ROW_MODEL_INFERENCE = 3,
	ROW_CONFIG_SNAPSHOT = 13,
	ROW_INFERENCE_BY_ID = 64,
	ROW_REQUEST_ERROR = 65,
	ROW_RESPONSE = 66,
};

/* All rows of one answer. Built in the request's arena. */
struct record {
	struct buf payload; /* framed parts, as they go into the journal */
	size_t open_at;     /* where the open row's frame begins */
	uint16_t parts;
	bool cut;       /* a raw body was over its cap */
	bool too_large; /* over 256 MiB or 65535 rows: store_append() counts it and lets the answer go */
};
void record_init(struct record *);
void record_deinit(struct record *);
/*
 * Adds a row: the JSON of storage §2.4, with the keys in that order; unknown ones are left out as there.
 * ROW_INFERENCE_BY_ID (64): the columns of §6.3 by name (a hash as decimal text as everywhere, booleans as
 * true/false, absent = null), and `calls`: [{"id": model inference id, "attempt": n, "http_status": n|null,
 * "signature": {…}|null, "spans": [{"name","start_ms","end_ms"}]}], which become Signet's own columns of the
 * ModelInference rows of the same record (ClickHouse must not see them).
 * ROW_REQUEST_ERROR (65): {"id","error": s|null,"attempts":[{"variant","model","provider","why","delay_ms","status",
 * "error","signature","raw_request","raw_response"}]}.
 */
int record_add(struct record *, enum row_table, struct bytes json);
/* The same without a copy: append what the part holds to the buffer that is returned, then close. One at a time, nothing
 * else may touch the buffer before. A part is a row (enum row_table), its JSON, or, before it, one of its columns
 * (TEXT_PART | enum row_text) as it is: valid UTF-8, neither quoted nor escaped, and not in the row's JSON too. -1, NULL:
 * as record_add. After a failed append do not close: drop the record. */
struct buf *record_open_part(struct record *, unsigned part);
int record_close_part(struct record *);
/* A column as above, of a text that stands in the payload already. */
int record_add_same(struct record *, enum row_text, size_t from, size_t n);

/*
 * Hands the record to the journal and waits until it is written (and synced, by policy). On a fiber; waits at
 * most wait_ms for room, also when the fiber is cancelled. 0: recorded. 1: not recorded, served and counted.
 */
int store_append(struct store *, struct record *);
/* Whether a new request must be refused (on_full = "refuse" and full). Cheap, any thread. */
bool store_refuses(const struct store *);

struct sink_status {
	const char *sink;  /* the kind of store: sqlite, clickhouse */
	const char *state; /* ok, slow, down, blocked */
	uint64_t backlog_records, backlog_bytes, oldest_s;
	struct bytes alarm; /* unset = none; in the arena given */
};
#define STORE_SINKS 2
struct store_status {
	const char *sink;  /* of the first: sqlite, clickhouse */
	const char *state; /* of the one that is worst off: ok, slow, down, blocked */
	uint64_t backlog_records, backlog_bytes, oldest_s; /* of the one that is furthest behind */
	uint64_t unrecorded, disk_free_bytes;
	uint64_t text_behind_rows; /* that the word index has not yet */
	struct bytes
		alarm; /* of the journal, else the first of a sink; unset = none; in the arena given */
	struct sink_status sinks[STORE_SINKS];
	size_t nsinks;
};
void store_status(const struct store *, struct store_status *, struct arena *);

/* Rows that the word index has not yet. */
uint64_t sqlite_text_behind(void);

/* `signet log`: argv without the program and "log". Returns the exit status. */
int store_log_main(int argc, char **argv);
/* `signet store`: the same. */
int store_main(int argc, char **argv);

#endif
