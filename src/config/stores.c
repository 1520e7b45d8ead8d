/*
 * Which stores there are: gateway.observability.backend, [store] also, TensorZero's variables (storage §6.8). A store is there
 * if its variable is; what names one that is not stops the start, so that nobody believes in rows that go nowhere.
 */
#include <stdlib.h>

#include "config/credentials.h"
#include "config/issue.h"
#include "config/tables.h"

#define URL "TENSORZERO_CLICKHOUSE_URL"

static struct bytes variable(struct loader *l, const char *name)
{
	const char *value = getenv(name);

	return value && *value ? arena_dup(l->arena, bytes_of(value)) : (struct bytes){ 0 };
}

/* The URL holds a password, so it may stand in a file: "path::/run/secrets/clickhouse_url". */
static struct bytes url_with_password(struct loader *l)
{
	struct bytes url = variable(l, URL), head = B("path::");
	struct credential c;

	if (!bytes_starts(url, head))
		return url;
	c = credential_file(url.p + head.n, l->arena);
	if (c.kind == CREDENTIAL_STATIC)
		return c.value;
	issue_anywhere(l->issues, false, URL ": %.*s", BFMT(c.value));
	return (struct bytes){ 0 };
}

static const struct key clickhouse_keys[] = {
	{ "disable_automatic_migrations", KEY_BOOL,
	  offsetof(struct config, clickhouse.disable_automatic_migrations) },
};
const struct table clickhouse_table = TABLE("struct ClickHouseConfig", clickhouse_keys);

static const struct key store_clickhouse_keys[] = {
	{ "dedup_window", KEY_BOOL, offsetof(struct config, clickhouse.dedup_window) },
};
const struct table store_clickhouse_table =
	TABLE("struct StoreClickHouseConfig", store_clickhouse_keys);

/* `backend` or `also` names ClickHouse, and nobody says where it is. */
static void want_url(struct loader *l, const struct toml *t, const char *path)
{
	error_text(l, t, bytes_of(path),
		   "%s: \"clickhouse\" needs the variable " URL
		   " (set it to http://user:password@host:8123/database)",
		   path);
}

static bool says_true(const struct toml *t)
{
	return t && t->type == TOML_BOOL && bytes_eq(t->text, B("true"));
}

/* Once would do, and whoever reads one of them must not wonder about the other. */
static void check_both(struct loader *l)
{
	const char *name = "disable_automatic_migrations";
	const struct toml *new = toml_get(toml_get(l->root, "clickhouse"), name),
			  *old = toml_get(toml_get(toml_get(l->root, "gateway"), "observability"),
					  name);

	if (says_true(new) && says_true(old))
		error_text(
			l, new, B("clickhouse.disable_automatic_migrations"),
			"`disable_automatic_migrations` is set in both `[clickhouse]` and `[gateway.observability]`. Remove it from `[gateway.observability]`.");
}

void stores_apply(struct loader *l)
{
	struct config *c = l->config;
	struct bytes postgres = variable(l, "TENSORZERO_POSTGRES_URL"),
		     single = variable(l, "TENSORZERO_OVERRIDE_NON_REPLICATED_CLICKHOUSE");
	bool here;

	check_both(l);
	if (l->options->offline)
		return;
	c->clickhouse.url = url_with_password(l);
	c->clickhouse.cluster = variable(l, "TENSORZERO_CLICKHOUSE_CLUSTER_NAME");
	c->clickhouse.single_node = bytes_eq(single, B("1"));
	here = bytes_set(c->clickhouse.url);
	if (c->gateway.backend == BACKEND_CLICKHOUSE && !here)
		want_url(l,
			 toml_get(toml_get(toml_get(l->root, "gateway"), "observability"),
				  "backend"),
			 "gateway.observability.backend");
	if (c->also & ALSO_CLICKHOUSE && !here)
		want_url(l, toml_get(toml_get(l->root, "store"), "also"), "store.also");
	if (c->gateway.backend == BACKEND_AUTO && here)
		c->gateway.backend = BACKEND_CLICKHOUSE;
	if (c->gateway.backend == BACKEND_SQLITE && here && !(c->also & ALSO_CLICKHOUSE))
		issue_anywhere(
			l->issues, true,
			URL
			" is set, but `gateway.observability.backend` is \"sqlite\": nothing is written to ClickHouse (add `also = [\"clickhouse\"]` to [store])");
	if (bytes_set(postgres))
		issue_anywhere(
			l->issues, true,
			"TENSORZERO_POSTGRES_URL is set, but this version of Signet does not write to Postgres: it records to %s",
			c->gateway.backend == BACKEND_CLICKHOUSE ? "ClickHouse" : "SQLite");
}
