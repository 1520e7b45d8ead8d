/* The schema that a ClickHouse database has after TensorZero's migration 53 (storage §1), as data. */
#ifndef SIGNET_STORE_CLICKHOUSE_SCHEMA_H
#define SIGNET_STORE_CLICKHOUSE_SCHEMA_H

#include "base/bytes.h"

struct clickhouse_table {
	const char *name, *columns; /* with its indexes */
	const char *engine;         /* MergeTree, ReplacingMergeTree, ... */
	const char *arguments;      /* of the engine; NULL: none */
	const char *order;          /* ORDER BY, PARTITION BY, PRIMARY KEY */
	unsigned granularity;       /* 0: the server's 8192 */
};
struct clickhouse_view {
	const char *name, *into, *select;
};

/* Both end with a row without a name. */
extern const struct clickhouse_table clickhouse_tables[];
extern const struct clickhouse_view clickhouse_views[];
extern const char clickhouse_function[];

#define CLICKHOUSE_MIGRATIONS 47
extern const unsigned clickhouse_migrations[CLICKHOUSE_MIGRATIONS]; /* ids, ascending */

#endif
