/*
 * ClickHouse over HTTP as the store speaks it: whose server it is (a URL as TensorZero takes it), one request and its answer,
 * and the schema of TensorZero found or made (storage §1.3, §2.1). Functions that ask wait, on a fiber of the loop that the
 * client belongs to.
 */
#ifndef SIGNET_STORE_CLICKHOUSE_H
#define SIGNET_STORE_CLICKHOUSE_H

#include "fiber/fiber.h"
#include "net/http_client.h"

#define CLICKHOUSE_SINK "clickhouse" /* the sink's name: of its cursor, its metrics */

struct clickhouse_server {
	struct url url; /* without its query */
	struct bytes user, password, database;
	struct bytes parameters; /* other query parameters of the URL, each behind an & */
	struct bytes cluster;    /* ON CLUSTER; unset: none */
	bool single_node;  /* tables that are not replicated, whatever the cluster looks like */
	bool keep_out;     /* never create: clickhouse.disable_automatic_migrations */
	bool dedup_window; /* of tables that are created */
};

/* Of TENSORZERO_CLICKHOUSE_URL. What is kept points into the arena. -1: ERR_CONFIG, without the password. */
int clickhouse_server_parse(struct bytes text, struct arena *, struct clickhouse_server *out);

struct clickhouse_query {
	struct bytes sql;
	struct bytes rows;     /* behind an INSERT's FORMAT; goes compressed */
	struct bytes settings; /* more query parameters, each behind an & */
	uint64_t timeout_ms;   /* for the whole of it */
	bool outside;          /* of the database: it may not be there yet */
};

/* What came of it. */
struct clickhouse_answer {
	int code;     /* 0: done; ClickHouse's error code; -1: no answer */
	bool unclear; /* with -1: the server may have had the whole request, and may be at it still */
	struct bytes text; /* the answer, or what went wrong; in the arena */
};
/* Waits. */
struct clickhouse_answer clickhouse_ask(struct http_client *, const struct clickhouse_server *,
					const struct clickhouse_query *, struct arena *);

enum clickhouse_fault {
	FAULT_NONE,
	FAULT_RETRY, /* the server's: the same again, soon */
	FAULT_SETUP, /* schema, database, login, rights: nothing is given up, an operator must act */
	FAULT_ROWS   /* a row's */
};
enum clickhouse_fault clickhouse_fault_of(int code);

/* Finds the schema or makes it (§1.3). `may_alter`: the operator asked for it (--run-clickhouse-migrations), so clusters and
 * disabled migrations are no obstacle. FAULT_NONE: it can be written to. Else `why` says what is missing and the remedy. Waits. */
enum clickhouse_fault clickhouse_prepare(struct http_client *, const struct clickhouse_server *,
					 bool may_alter, char *why, size_t n);
/* Appends the CREATE of a table (clickhouse_schema.h). Pure. */
struct clickhouse_table;
int clickhouse_create_table(const struct clickhouse_table *, const struct clickhouse_server *,
			    struct buf *);

#endif
