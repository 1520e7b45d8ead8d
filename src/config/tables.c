/*
 * Signet's own tables: server, upstream, signing, surfaces, store, journal, record.
 *
 * Names, defaults and ranges are those of signet-own (a); nothing else lives here but two checks that
 * need more than one key. The trap: a key that fills a member with an unset state must leave it alone
 * when it is wrong, or a default would hide the error from the checks behind.
 */
#include "config/tables.h"

#include <unistd.h>

#include "config/models.h"
#include "net/web_origin.h"

#define OFF(member) offsetof(struct config, member)
#define DAY_MS      86400000

/* A number of the table, from min to max; normally what comes last. */
#define NUMBER(table_, name_, min_, max_, normal_)                                           \
	{                                                                                    \
		.name = #name_, .kind = KEY_U64, .offset = OFF(table_.name_), .min = (min_), \
		.max = (max_), .normal = (normal_),                                          \
	}

const char *const unsupported_choices[] = { "reject", "placeholder", NULL };
static const char *const disconnect_choices[] = { "cancel", "finish", NULL };
static const char *const status_choices[] = { "upstream", "gateway", NULL };
static const char *const echo_choices[] = { "full", "short", NULL };
static const char *const tools_choices[] = { "drop", "reject", NULL };
static const char *const sync_choices[] = { "always", "interval", "never", NULL };
static const char *const full_choices[] = { "serve", "refuse", NULL };
static const char *const also_choices[] = { "sqlite", "clickhouse", NULL };
static const char *const unpriced_choices[] = { "ignore", "warn", "refuse", NULL };
static const char *const list_choices[] = { "models",  "functions",  "embeddings",
					    "aliases", "discovered", NULL };

/* ---- [server], [upstream], [signing] ---- */

static void read_cors_origins(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct strings *list = &((struct config *)into)->server.cors_origins;
	struct bytes origin;
	size_t i = 0;

	if (!want_array(l, t, path))
		return;
	for (struct toml *e = t->child; e; e = e->next) {
		struct bytes at = path_index(l, path, i++);

		if (!want_string(l, e, at, &origin))
			continue;
		if (!web_origin_is_valid(origin))
			error_at(
				l, e, at,
				"`%.*s` is no origin of a web page (write it as its browser does, `https://app.example.com`; there is no wildcard)",
				BFMT(origin));
		(void)arena_push(l->arena, list->at, list->len, list->cap, origin);
	}
}

static const char *const access_log_choices[] = { "api", "all", NULL };

static const struct key server_keys[] = {
	{ "workers", KEY_INT, OFF(server.workers), .min = 1, .max = 1024 },
	{ "on_disconnect", KEY_SWITCH, OFF(server.finish_on_disconnect),
	  .choices = disconnect_choices },
	NUMBER(server, drain_s, 0, 86400, 30),
	NUMBER(server, max_connections, 0, 10000000, 0),
	NUMBER(server, max_header_kib, 1, 1024, 64),
	NUMBER(server, max_headers, 1, 10000, 256),
	NUMBER(server, max_body_mib, 1, 4096, 100),
	NUMBER(server, body_memory_mib, 1, 1 << 20, 1024),
	NUMBER(server, answer_memory_mib, 1, 1 << 20, 1024),
	NUMBER(server, header_timeout_ms, 1, DAY_MS, 10000),
	NUMBER(server, body_idle_ms, 1, DAY_MS, 30000),
	NUMBER(server, keepalive_ms, 1, DAY_MS, 75000),
	NUMBER(server, write_idle_ms, 1, DAY_MS, 300000),
	{ "access_log", KEY_CHOICE, OFF(server.access_log), .min = ACCESS_LOG_API,
	  .choices = access_log_choices, .or_bool = true, .at_once = true },
	{ "cors_origins", KEY_CALL, .call = read_cors_origins, .at_once = true },
	{ "metrics_auth", KEY_BOOL, OFF(server.metrics_auth), .at_once = true },
};
const struct table server_table = TABLE("struct ServerConfig", server_keys, .at_start = true);

static void read_ca_file(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct config *c = into;
	struct bytes text;

	if (!want_string(l, t, path, &text))
		return;
	text = path_beside(text, t->file->dir, l->arena);
	if (bytes_set(text) && access(text.p, R_OK))
		return error_at(l, t, path, "cannot read `%.*s` (name a file of PEM certificates)",
				BFMT(text));
	c->upstream.ca_file = text;
}

static const struct key upstream_keys[] = {
	NUMBER(upstream, connect_timeout_ms, 1, DAY_MS, 10000),
	NUMBER(upstream, idle_ms, 0, DAY_MS, 60000),
	NUMBER(upstream, max_idle, 0, 100000, 256),
	NUMBER(upstream, dns_ttl_s, 0, 86400, 30),
	NUMBER(upstream, max_files, 0, 1000, 16),
	NUMBER(upstream, max_files_mib, 1, 1024, 100),
	{ "ca_file", KEY_CALL, .call = read_ca_file, KEPT(upstream.ca_file) },
};
const struct table upstream_table = TABLE("struct UpstreamConfig", upstream_keys, .at_start = true);

static const struct key signing_keys[] = { { "cache_dir", KEY_STRING, OFF(module_cache_dir) } };
const struct table signing_table = TABLE("struct SigningConfig", signing_keys);

/* ---- [surfaces] ---- */

#define ALIAS(member) offsetof(struct alias, member)
static const struct key alias_keys[] = {
	{ "target", KEY_STRING, ALIAS(target), .required = true, .fix = "`target = \"‹model›\"`" },
	{ "display_name", KEY_STRING, ALIAS(display_name) },
	{ "max_input_tokens", KEY_I64, ALIAS(max_input_tokens) },
	{ "max_output_tokens", KEY_I64, ALIAS(max_output_tokens) },
};
static const struct table alias_table = TABLE("struct AliasConfig", alias_keys);

static void read_alias(struct loader *l, struct toml *t, struct bytes path, struct alias *out)
{
	struct bytes name = t->key;
	ptrdiff_t star = bytes_chr(name, '*');

	*out = (struct alias){ .max_input_tokens = -1, .max_output_tokens = -1, .name = name };
	if (name.n == 0)
		return error_at(l, t, path, "an alias needs a name");
	if (star >= 0 && (size_t)star != name.n - 1)
		return error_at(l, t, path, "`*` may only stand at the end of an alias");
	if (star >= 0) {
		out->prefix = true;
		out->name.n--;
	}
	if (t->type == TOML_TABLE)
		read_table(l, &alias_table, t, path, ".", out);
	else if (t->type == TOML_STRING)
		out->target = t->text;
	else
		type_error(l, t, path, "a string or a table with `target`",
			   "write the target's name in quotes");
	if (bytes_set(out->target) && out->target.n == 0)
		error_at(l, t, path, "the target is empty (name a model)");
}

static void read_aliases(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct surfaces_config *surfaces = &((struct config *)into)->surfaces;
	struct alias alias;
	size_t cap = 0;

	if (!want_table(l, t, path, "a map"))
		return;
	for (struct toml *a = t->child; a; a = a->next) {
		read_alias(l, a, path_join(l, path, ".", a->key), &alias);
		(void)arena_push(l->arena, surfaces->aliases, surfaces->naliases, cap, alias);
	}
}

static const struct key responses_keys[] = {
	{ "store", KEY_BOOL, OFF(surfaces.responses_store) },
	{ .name = "retention_days",
	  .kind = KEY_U64,
	  .offset = OFF(surfaces.responses_days),
	  .min = 1,
	  .max = 3650,
	  .normal = 30 },
	{ "echo", KEY_SWITCH, OFF(surfaces.responses_short_echo), .choices = echo_choices },
	{ "upstream_state", KEY_BOOL, OFF(surfaces.responses_upstream_state) },
};
static const struct table responses_table = TABLE("struct ResponsesConfig", responses_keys);

static const struct key surfaces_keys[] = {
	{ "aliases", KEY_CALL, .call = read_aliases },
	{ "default_model", KEY_STRING, OFF(surfaces.default_model) },
	{ "shorthand", KEY_BOOL, OFF(surfaces.shorthand) },
	{ "list", KEY_BITS, OFF(surfaces.list), .choices = list_choices },
	{ "error_status", KEY_SWITCH, OFF(surfaces.error_status_gateway),
	  .choices = status_choices },
	NUMBER(surfaces, head_after_ms, 0, DAY_MS, 10000),
	NUMBER(surfaces, ping_ms, 100, DAY_MS, 15000),
	{ "reasoning_to_client", KEY_BOOL, OFF(surfaces.reasoning_to_client) },
	{ "auto_cache", KEY_BOOL, OFF(surfaces.auto_cache) },
	{ "unsupported_content", KEY_SWITCH, OFF(surfaces.unsupported_as_placeholder),
	  .choices = unsupported_choices },
	{ "unsupported_tools", KEY_SWITCH, OFF(surfaces.reject_tools), .choices = tools_choices },
	{ "responses", KEY_TABLE, 0, .table = &responses_table },
};
const struct table surfaces_table = TABLE("struct SurfacesConfig", surfaces_keys);

static void read_affinity(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct routing_config *r = &((struct config *)into)->routing;
	const struct bytes header = B("header:");
	struct bytes text;

	if (!want_string(l, t, path, &text))
		return;
	if (bytes_eq(text, B("session")))
		r->affinity = AFFINITY_SESSION;
	else if (bytes_eq(text, B("prefix")))
		r->affinity = AFFINITY_PREFIX;
	else if (bytes_starts(text, header) && text.n > header.n)
		r->affinity = AFFINITY_HEADER;
	else
		return error_at(
			l, t, path,
			"unknown variant `%.*s`, expected one of `session`, `prefix`, `header:NAME`",
			BFMT(text));
	if (r->affinity == AFFINITY_HEADER)
		r->affinity_header = bytes_slice(text, header.n, text.n);
	r->sessions = arena_array(l->arena, uint64_t, ROUTING_SESSIONS);
}

static const struct key routing_keys[] = {
	{ "affinity", KEY_CALL, .call = read_affinity },
};
const struct table routing_table = TABLE("struct RoutingConfig", routing_keys);

static bool leads_somewhere(const struct config *c, struct bytes target)
{
	struct bytes prefix = B("tensorzero::model_name::"),
		     embedding = B("tensorzero::embedding_model_name::");

	if (bytes_starts(target, embedding))
		target = bytes_slice(target, embedding.n, target.n);
	if (config_embedding_model(c, target))
		return true;

	if (bytes_starts(target, prefix))
		target = bytes_slice(target, prefix.n, target.n);
	return bytes_find(target, B("::")) > 0 || config_model(c, target);
}

static void check_target(struct loader *l, const struct toml *t, struct bytes path,
			 struct bytes target)
{
	struct bytes names[64], hint;
	size_t n = 0;

	if (target.n == 0 || leads_somewhere(l->config, target))
		return;
	for (; n < l->config->nmodels && n < COUNT(names); n++)
		names[n] = l->config->models[n]->name;
	hint = name_hint(l, target, names, n, B("it answers 404 unless a provider lists it"));
	warn_at(l, t, path, "`%.*s` is no model of this configuration%.*s", BFMT(target),
		BFMT(hint));
}

void tables_check_targets(struct loader *l)
{
	const struct toml *surfaces = toml_get(l->root, "surfaces"),
			  *aliases = toml_get(surfaces, "aliases"),
			  *model = toml_get(surfaces, "default_model"), *alias;
	const struct surfaces_config *read = &l->config->surfaces;

	if (model)
		check_target(l, model, B("surfaces.default_model"), read->default_model);
	alias = aliases ? aliases->child : NULL;
	for (size_t i = 0; alias && i < read->naliases; i++, alias = alias->next)
		check_target(l, alias, path_join(l, B("surfaces.aliases"), ".", alias->key),
			     read->aliases[i].target);
}

/* ---- [store], [journal], [record] ---- */

static void read_data_dir(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct config *c = into;
	struct bytes text;

	if (!want_string(l, t, path, &text))
		return;
	if (text.n == 0)
		return error_at(l, t, path, "is empty (name a directory)");
	if (!bytes_set(c->data_dir)) /* else flag or environment have set it */
		c->data_dir = text;
}

static const struct key store_keys[] = {
	{ "data_dir", KEY_CALL, .call = read_data_dir, KEPT(data_dir) },
	{ "shutdown_drain_s", KEY_U64, OFF(shutdown_drain_s), .max = 86400, .normal = 10 },
	{ "also", KEY_BITS, OFF(also), .choices = also_choices },
	{ "local_days", KEY_U64, OFF(local_days), .max = 36500, .normal = 7 },
	{ "prices", KEY_CALL, .call = read_prices, .at_once = true },
	{ "unpriced", KEY_CHOICE, OFF(unpriced), .choices = unpriced_choices, .at_once = true },
	{ "clickhouse", KEY_TABLE, 0, .table = &store_clickhouse_table, KEPT(clickhouse) },
	{ "sqlite", KEY_TABLE, .table = &sqlite_table, KEPT(sqlite) },
};
const struct table store_table = TABLE("struct StoreConfig", store_keys, .at_start = true);

static const struct key journal_keys[] = {
	{ "sync", KEY_CHOICE, OFF(journal.sync), .choices = sync_choices },
	NUMBER(journal, sync_ms, 1, 60000, 100),
	NUMBER(journal, segment_mb, 1, 1024, 64),
	NUMBER(journal, max_mb, 1, 1 << 24, 8192),
	NUMBER(journal, queue_mb, 1, 1 << 16, 64),
	NUMBER(journal, wait_ms, 0, 600000, 1000),
	{ "on_full", KEY_SWITCH, OFF(journal.refuse_when_full), .choices = full_choices },
	NUMBER(journal, keep_mb, 0, 1 << 24, 256),
	NUMBER(journal, reserve_mb, 0, 1 << 16, 16),
	{ "compress", KEY_BOOL, OFF(journal.compress) },
};
const struct table journal_table = TABLE("struct JournalConfig", journal_keys, .at_start = true);

static const char *const content_choices[] = { "full", "metadata", "hash", NULL };
static const struct key record_keys[] = {
	{ "content", KEY_CHOICE, OFF(record_content), .choices = content_choices },
	{ "max_raw_kib", KEY_U64, OFF(max_raw_kib), .min = 1, .max = 102400, .normal = 4096 },
};
const struct table record_table = TABLE("struct RecordConfig", record_keys);

/* ---- what holds where nothing is said ---- */

void tables_defaults(struct config *c)
{
	static const struct table *const tables[] = { &gateway_table,  &server_table,
						      &upstream_table, &surfaces_table,
						      &store_table,    &journal_table,
						      &record_table };
	static double buckets[] = { 0.001, 0.01, 0.1, 0 };

	for (size_t i = 0; i < COUNT(tables); i++)
		for (const struct key *k = tables[i]->keys; k < tables[i]->keys + tables[i]->nkeys;
		     k++)
			if (k->kind == KEY_U64)
				*(uint64_t *)((char *)c + k->offset) = k->normal;
	c->gateway.bind_address = B("0.0.0.0:3000");
	c->gateway.base_path = B("");
	c->gateway.overhead_buckets = buckets;
	c->gateway.noverhead_buckets = COUNT(buckets) - 1;
	c->gateway.observability = -1;
	c->gateway.flush_interval_ms = 100;
	c->gateway.max_rows = 1000;
	c->clickhouse.dedup_window = true;
	c->unpriced = UNPRICED_WARN;
	c->server.metrics_auth = true;
	c->ui.enabled = true;
	c->surfaces.shorthand = true;
	c->surfaces.reasoning_to_client = true;
	c->surfaces.auto_cache = true;
	c->surfaces.responses_store = true;
	c->surfaces.responses_days = 30;
	c->surfaces.list =
		LIST_MODELS | LIST_FUNCTIONS | LIST_EMBEDDINGS | LIST_ALIASES | LIST_DISCOVERED;
	c->journal.sync = SYNC_INTERVAL;
}
