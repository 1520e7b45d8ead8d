/*
 * The ClickHouse sink (storage §7.6-7.8) in its two files: sink_clickhouse.c has batches, the cursor and the thread that
 * speaks HTTP; clickhouse_insert.c brings the rows of one table into the database, each once.
 */
#ifndef SIGNET_STORE_SINK_CLICKHOUSE_H
#define SIGNET_STORE_SINK_CLICKHOUSE_H

#include <pthread.h>

#include "base/ids.h"
#include "fiber/loop.h"
#include "store/clickhouse.h"
#include "store/cursor.h"
#include "store/sink.h"

/* A table that rows of the journal go to. */
struct clickhouse_row_table {
	enum row_table row;
	const char *name, *id; /* the column that says whether a row is there */
};
/* In the order of an insertion: views join feedback with what the first ones have brought. */
#define CLICKHOUSE_ROW_TABLES 12
extern const struct clickhouse_row_table clickhouse_row_tables[CLICKHOUSE_ROW_TABLES];

struct batch_row {
	uint64_t number; /* of its record */
	size_t from, n;  /* in the table's lines, with the line end */
	struct uuid id;
	bool stored;
	int guilty; /* the code it was refused for; 0: it was not */
};

/* The rows of a batch for one table, and what is known of earlier tries. */
struct table_batch {
	const struct clickhouse_row_table *table;
	struct buf lines;
	struct batch_row *rows;
	size_t n, cap;
	/* these outlive a try */
	bool stored;
	bool unclear; /* some of it may be there */
	bool running; /* the query may still be at it */
	bool refused; /* the server answered with an error */
	uint64_t sent_ms;
	/* Whatever is there came as one block under `token`, the last that was sent (0: the plain one, n: -r‹n›). */
	bool one_block;
	unsigned token, next_token; /* no token is used for two different sets of rows */
	uint64_t token_ms;          /* Unix: it was not sent before */
	unsigned sent_for_views;    /* times without an answer */
};

struct clickhouse_sink {
	struct sink base;
	struct sink_options o;
	struct clickhouse_options clickhouse; /* o.clickhouse points here */
	struct arena texts;
	struct clickhouse_server server;
	char node[33];
	struct cursor cursor; /* as it is on disk */
	uint64_t verify_upto; /* records up to here may be there already */
	uint64_t first;       /* record of the batch at hand; 0: it is empty */
	uint64_t last;
	uint64_t tried_first, tried_last; /* the batch that the tables know of; 0: none */
	struct table_batch tables[CLICKHOUSE_ROW_TABLES];

	/* its thread: a loop with the gateway's own HTTP client */
	pthread_t thread;
	bool thread_runs;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	struct loop *loop; /* NULL: not there */
	struct http_client *client;
	bool ready;
	struct fiber *working; /* on the loop's thread only, as is the next */
	bool ending;
	struct arena arena; /* of the call at hand */
};

/* All rows of the table that are not there yet, and those at fault to the dead letter. Waits. SINK_OK: stored. */
enum sink_result clickhouse_store_table(struct clickhouse_sink *, struct table_batch *);
/* Notes in the cursor under which token the table's rows go out now. */
enum sink_result clickhouse_note_token(struct clickhouse_sink *, const struct table_batch *);
/* Whether the server would know a block of the table by its token if it came once more, and so would all views behind it
 * (clickhouse_window.c); `why` says why not, in the arena. Waits. SINK_OK: it is known. */
enum sink_result clickhouse_token_is_known(struct clickhouse_sink *, const struct table_batch *,
					   bool *known, struct bytes *why);
/* The sink's result for a fault, its text kept. */
enum sink_result clickhouse_failed(struct clickhouse_sink *, enum clickhouse_fault,
				   struct bytes text);
/* A statement of a command, on the sink's thread; the caller waits. Appends the answer. Else base.error says why not. */
enum sink_result clickhouse_run_statement(struct sink *, struct bytes sql, uint64_t timeout_ms,
					  struct buf *answer);
/* Times, shorter where a test wants them so. */
uint64_t clickhouse_patience_ms(void); /* for one request */

#endif
