/*
 * The schema of a ClickHouse database, found or made (storage §1.3). A database that has all of TensorZero's migrations is
 * used as it is and never altered. An empty or missing one gets the final schema in one pass: tables, views, the function,
 * the deployment's row, and last the rows of the 47 migrations, which say that all the rest is there. An older one is left
 * alone: upgrading from every past version in place is TensorZero's own work.
 *
 * The pass may be interrupted anywhere, and two gateways may run it at once: everything says IF NOT EXISTS, and tables of ours
 * that hold no row yet count as an empty database.
 */
#include <stdio.h>

#include "base/error.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/version.h"
#include "store/clickhouse.h"
#include "store/clickhouse_schema.h"

#define ASK_MS    30000
#define CREATE_MS 180000
#define SQL_MAX   (1u << 20)

#define REMEDY                               \
	"run TensorZero " TENSORZERO_VERSION \
	"'s own `gateway --run-clickhouse-migrations` against it, or name an empty database"

struct preparing {
	struct http_client *client;
	const struct clickhouse_server *server;
	struct arena arena;
	char *why;
	size_t n;
};

static struct clickhouse_answer ask(struct preparing *p, struct bytes sql, bool outside,
				    uint64_t ms)
{
	struct clickhouse_query q = { .sql = sql, .timeout_ms = ms, .outside = outside };

	return clickhouse_ask(p->client, p->server, &q, &p->arena);
}

static enum clickhouse_fault said(struct preparing *p, const struct clickhouse_answer *a)
{
	snprintf(p->why, p->n, "%.*s", BFMT(bytes_head(a->text, 250)));
	return a->code < 0                                   ? FAULT_RETRY
	       : clickhouse_fault_of(a->code) == FAULT_RETRY ? FAULT_RETRY
							     : FAULT_SETUP;
}

static enum clickhouse_fault blocked(struct preparing *p, struct bytes text)
{
	snprintf(p->why, p->n, "%.*s", BFMT(text));
	return FAULT_SETUP;
}

/* ---- creating ---- */

static int on_cluster(const struct clickhouse_server *s, struct buf *out)
{
	return bytes_set(s->cluster) ? buf_printf(out, " ON CLUSTER `%.*s`", BFMT(s->cluster)) : 0;
}

/* ENGINE = X(...), on a cluster the replicated form of it with TensorZero's path. */
static int put_engine(const struct clickhouse_table *t, const struct clickhouse_server *s,
		      struct buf *out)
{
	if (!bytes_set(s->cluster))
		return buf_printf(out, " ENGINE = %s(%s)", t->engine,
				  t->arguments ? t->arguments : "");
	return buf_printf(
		out,
		" ENGINE = Replicated%s('/clickhouse/tables/{shard}/%.*s/%s', '{replica}'%s%s)",
		t->engine, BFMT(s->database), t->name, t->arguments ? ", " : "",
		t->arguments ? t->arguments : "");
}

int clickhouse_create_table(const struct clickhouse_table *t, const struct clickhouse_server *s,
			    struct buf *out)
{
	bool window = s->dedup_window && !bytes_set(s->cluster);

	if (buf_printf(out, "CREATE TABLE IF NOT EXISTS %s", t->name) || on_cluster(s, out) ||
	    buf_printf(out, " (%s)", t->columns) || put_engine(t, s, out) ||
	    buf_printf(out, " %s SETTINGS index_granularity = %u", t->order,
		       t->granularity ? t->granularity : 8192))
		return -1;
	return window ? buf_append(out, B(", non_replicated_deduplication_window = 1000")) : 0;
}

static int create_view(const struct clickhouse_view *v, const struct clickhouse_server *s,
		       struct buf *out)
{
	return buf_printf(out, "CREATE MATERIALIZED VIEW IF NOT EXISTS %s", v->name) ||
			       on_cluster(s, out) ||
			       buf_printf(out, " TO %s AS %s", v->into, v->select)
		       ? -1
		       : 0;
}

static enum clickhouse_fault run_sql(struct preparing *p, struct buf *sql, bool outside)
{
	struct clickhouse_answer a = ask(p, buf_bytes(sql), outside, CREATE_MS);

	buf_reset(sql);
	return a.code ? said(p, &a) : FAULT_NONE;
}

static enum clickhouse_fault create_objects(struct preparing *p, struct buf *sql)
{
	const struct clickhouse_server *s = p->server;
	enum clickhouse_fault f = FAULT_NONE;

	buf_printf(sql, "CREATE DATABASE IF NOT EXISTS `%.*s`", BFMT(s->database));
	on_cluster(s, sql);
	f = run_sql(p, sql, true);
	for (const struct clickhouse_table *t = clickhouse_tables; !f && t->name; t++)
		f = clickhouse_create_table(t, s, sql) ? FAULT_RETRY : run_sql(p, sql, false);
	for (const struct clickhouse_view *v = clickhouse_views; !f && v->name; v++)
		f = create_view(v, s, sql) ? FAULT_RETRY : run_sql(p, sql, false);
	if (f)
		return f;
	buf_append(sql, bytes_of(clickhouse_function));
	return run_sql(p, sql, false);
}

static int put_migration(struct buf *sql, unsigned id)
{
	return buf_printf(
		sql,
		"{\"migration_id\":%u,\"migration_name\":\"Migration%04u\",\"gateway_version\":\"" TENSORZERO_VERSION
		"\",\"gateway_git_sha\":\"\",\"execution_time_ms\":0,\"extra_data\":\"{\\\"signet\\\":\\\"" SIGNET_VERSION
		"\\\"}\"}\n",
		id, id);
}

static enum clickhouse_fault create_rows(struct preparing *p, struct buf *sql)
{
	uint8_t id[32];
	char hex[65] = "";
	enum clickhouse_fault f;

	random_bytes(id, sizeof(id));
	hex_print(id, sizeof(id), hex);
	buf_printf(
		sql,
		"INSERT INTO DeploymentID SETTINGS async_insert=0 FORMAT JSONEachRow\n{\"deployment_id\":\"%.64s\"}",
		hex);
	f = run_sql(p, sql, false);
	if (f)
		return f;
	buf_append(
		sql,
		B("INSERT INTO TensorZeroMigration SETTINGS async_insert=0 FORMAT JSONEachRow\n"));
	for (size_t i = 0; i < CLICKHOUSE_MIGRATIONS; i++)
		if (put_migration(sql, clickhouse_migrations[i]))
			return FAULT_RETRY;
	return run_sql(p, sql, false);
}

/* "1" of a cluster of this name; of a server with more than one node in a cluster of any. */
static enum clickhouse_fault look_at_clusters(struct preparing *p)
{
	const struct clickhouse_server *s = p->server;
	struct clickhouse_answer a;
	uint64_t nodes = 0;
	struct bytes sql;

	if (bytes_set(s->cluster))
		sql = arena_printf(&p->arena,
				   "SELECT count() FROM system.clusters WHERE cluster = '%.*s'",
				   BFMT(s->cluster));
	else
		sql = B("SELECT max(n) FROM (SELECT count() AS n FROM system.clusters GROUP BY cluster)");
	a = ask(p, sql, true, ASK_MS);
	if (a.code)
		return said(p, &a);
	while (a.text.n && a.text.p[a.text.n - 1] == '\n')
		a.text.n--;
	bytes_to_u64(a.text, &nodes);
	if (bytes_set(s->cluster) && !nodes)
		return blocked(
			p,
			B("the server knows no cluster of the name in TENSORZERO_CLICKHOUSE_CLUSTER_NAME"));
	if (!bytes_set(s->cluster) && nodes > 1 && !s->single_node)
		return blocked(
			p,
			B("the server is part of a cluster: set TENSORZERO_CLICKHOUSE_CLUSTER_NAME and run `signet serve --run-clickhouse-migrations`, or set TENSORZERO_OVERRIDE_NON_REPLICATED_CLICKHOUSE=1"));
	return FAULT_NONE;
}

static enum clickhouse_fault create(struct preparing *p, bool may_alter)
{
	enum clickhouse_fault f;
	struct buf sql;

	if (!may_alter && p->server->keep_out)
		return blocked(
			p,
			B("the database is empty and `clickhouse.disable_automatic_migrations` is set: run `signet serve --run-clickhouse-migrations`"));
	if (!may_alter && bytes_set(p->server->cluster))
		return blocked(
			p,
			B("the database is empty and TENSORZERO_CLICKHOUSE_CLUSTER_NAME is set: tables of a cluster are made by `signet serve --run-clickhouse-migrations` only"));
	f = look_at_clusters(p);
	if (f)
		return f;
	buf_init(&sql, SQL_MAX);
	f = create_objects(p, &sql);
	if (!f)
		f = create_rows(p, &sql);
	buf_deinit(&sql);
	if (!f)
		log_info("store",
			 "TensorZero's schema was created in the empty ClickHouse database",
			 LB("database", p->server->database));
	return f;
}

/* ---- finding ---- */

/* Which of the 47 are not in the list of ids, a line each. How many. */
static size_t list_missing(struct bytes ids, struct buf *out)
{
	bool have[CLICKHOUSE_MIGRATIONS] = { 0 };
	size_t missing = 0;

	while (ids.n) {
		struct bytes line = bytes_cut(&ids, '\n');
		uint64_t id;

		for (size_t i = 0; bytes_to_u64(line, &id) && i < CLICKHOUSE_MIGRATIONS; i++)
			have[i] |= clickhouse_migrations[i] == id;
	}
	for (size_t i = 0; i < CLICKHOUSE_MIGRATIONS; i++) {
		if (have[i])
			continue;
		buf_printf(out, "%s%u", missing ? " " : "", clickhouse_migrations[i]);
		missing++;
	}
	return missing;
}

/* No migration is noted: nothing is there, or what an interrupted pass left, or tables from before they were noted. */
static enum clickhouse_fault look_for_rows(struct preparing *p, bool *any)
{
	struct clickhouse_answer a;
	struct buf sql;

	buf_init(&sql, SQL_MAX);
	buf_printf(
		&sql,
		"SELECT count() FROM system.tables WHERE database = currentDatabase() AND total_rows > 0 AND name IN (");
	for (const struct clickhouse_table *t = clickhouse_tables; t->name; t++)
		if (!bytes_eq(bytes_of(t->name), B("DeploymentID")))
			buf_printf(&sql, "%s'%s'", t == clickhouse_tables ? "" : ", ", t->name);
	buf_putc(&sql, ')');
	a = ask(p, buf_bytes(&sql), false, ASK_MS);
	buf_deinit(&sql);
	*any = !bytes_starts(a.text, B("0"));
	return a.code && a.code != 81 ? said(p, &a) : FAULT_NONE;
}

static enum clickhouse_fault judge(struct preparing *p, struct bytes ids, bool may_alter)
{
	enum clickhouse_fault f;
	struct buf missing;
	size_t n;
	bool any = true;

	buf_init(&missing, 4096);
	n = list_missing(ids, &missing);
	if (n == CLICKHOUSE_MIGRATIONS) {
		f = look_for_rows(p, &any);
		if (f || !any) {
			buf_deinit(&missing);
			return f ? f : create(p, may_alter);
		}
	}
	if (n)
		snprintf(
			p->why, p->n,
			"the schema of ClickHouse database `%.*s` is older than TensorZero " TENSORZERO_VERSION
			": migrations %.*s are missing; " REMEDY,
			BFMT(p->server->database), BFMT(buf_bytes(&missing)));
	buf_deinit(&missing);
	return n ? FAULT_SETUP : FAULT_NONE;
}

enum clickhouse_fault clickhouse_prepare(struct http_client *client,
					 const struct clickhouse_server *server, bool may_alter,
					 char *why, size_t n)
{
	struct preparing p = { .client = client, .server = server, .why = why, .n = n };
	struct clickhouse_answer a;
	enum clickhouse_fault f;

	*why = '\0';
	arena_init(&p.arena, 256u << 20);
	a = ask(&p, B("SELECT DISTINCT migration_id FROM TensorZeroMigration"), false, ASK_MS);
	if (a.code == 81)
		f = create(&p, may_alter);
	else if (a.code == 60)
		f = judge(&p, B(""), may_alter);
	else if (a.code)
		f = said(&p, &a);
	else
		f = judge(&p, a.text, may_alter);
	arena_deinit(&p.arena);
	return f;
}
