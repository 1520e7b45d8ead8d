/* The top-level tables but models and provider_types: TensorZero's (gateway.c), and Signet's own (tables.c, signet-own
 * (a)). */
#ifndef SIGNET_CONFIG_TABLES_H
#define SIGNET_CONFIG_TABLES_H

#include "config/read.h"

/* Each fills struct config. */
extern const struct table gateway_table, server_table, upstream_table, signing_table,
	surfaces_table, routing_table, store_table, journal_table, record_table, clickhouse_table,
	store_clickhouse_table, sqlite_table, ui_table;

/* Of a key: the member that it is kept in. */
#define KEPT(member) KEPT_RANGE(member, member)
#define KEPT_RANGE(first, last)                                                              \
	.kept_offset = offsetof(struct config, first),                                       \
	.kept_size = offsetof(struct config, last) + sizeof(((struct config *)NULL)->last) - \
		     offsetof(struct config, first)

/* A top-level table whose keys fill struct config. */
struct known_table {
	const char *name;
	const struct table *table;
};
extern const struct known_table known_tables[]; /* ends with no name (entries.c) */

void read_object_storage(struct loader *, struct toml *, struct bytes path, void *into);
void read_postgres(struct loader *, struct toml *, struct bytes path, void *into);
void read_rate_limiting(struct loader *, struct toml *, struct bytes path, void *into);

/* Reads the environment's part and resolves `backend` (stores.c). */
void stores_apply(struct loader *);
/* SIGNET_UI_… over [ui], and the password of SIGNET_UI_PASSWORD. */
void ui_apply_environment(struct loader *);

void tables_defaults(struct config *);
extern const char *const unsupported_choices[]; /* "reject", "placeholder" */
/* After the models are known: aliases and the default model that lead nowhere draw warnings. */
void tables_check_targets(struct loader *);

#endif
