/* Signet's own top-level tables (signet-own (a)). */
#ifndef SIGNET_CONFIG_TABLES_H
#define SIGNET_CONFIG_TABLES_H

#include "config/read.h"

/* Each fills struct config. */
extern const struct table server_table, upstream_table, signing_table, surfaces_table, store_table,
	journal_table, record_table;

void tables_defaults(struct config *);
extern const char *const unsupported_choices[]; /* "reject", "placeholder" */
/* After the models are known: aliases and the default model that lead nowhere draw warnings. */
void tables_check_targets(struct loader *);

#endif
