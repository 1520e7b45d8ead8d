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

#define OFF(member) offsetof(struct config, member)
#define DAY_MS      86400000

const char *const unsupported_choices[] = { "reject", "placeholder", NULL };
static const char *const disconnect_choices[] = { "cancel", "finish", NULL };
static const char *const status_choices[] = { "upstream", "gateway", NULL };
static const char *const sync_choices[] = { "always", "interval", "never", NULL };
static const char *const full_choices[] = { "serve", "refuse", NULL };
static const char *const list_choices[] = { "models",  "functions",  "embeddings",
					    "aliases", "discovered", NULL };

void tables_defaults(struct config *c)
{
	c->server.drain_s = 30;
	c->server.max_header_kib = 64;
	c->server.max_headers = 256;
	c->server.max_body_mib = 100;
	c->server.body_memory_mib = 1024;
	c->server.header_timeout_ms = 10000;
	c->server.body_idle_ms = 30000;
	c->server.keepalive_ms = 75000;
	c->server.write_idle_ms = 300000;
	c->upstream.connect_timeout_ms = 10000;
	c->upstream.idle_ms = 60000;
	c->upstream.max_idle = 256;
	c->upstream.dns_ttl_s = 30;
	c->surfaces.shorthand = true;
	c->surfaces.reasoning_to_client = true;
	c->surfaces.list =
		LIST_MODELS | LIST_FUNCTIONS | LIST_EMBEDDINGS | LIST_ALIASES | LIST_DISCOVERED;
	c->surfaces.head_after_ms = 10000;
	c->surfaces.ping_ms = 15000;
	c->shutdown_drain_s = 10;
	c->journal.sync = SYNC_INTERVAL;
	c->journal.sync_ms = 100;
	c->journal.segment_mb = 64;
	c->journal.max_mb = 8192;
	c->journal.queue_mb = 64;
	c->journal.wait_ms = 1000;
	c->journal.keep_mb = 256;
	c->journal.reserve_mb = 16;
	c->max_raw_kib = 4096;
}

/* ---- [server], [upstream], [signing] ---- */

static const struct key server_keys[] = {
	{ "workers", KEY_INT, OFF(server.workers), .min = 1, .max = 1024 },
	{ "on_disconnect", KEY_SWITCH, OFF(server.finish_on_disconnect),
	  .choices = disconnect_choices },
	{ "drain_s", KEY_U64, OFF(server.drain_s), .max = 86400 },
	{ "max_connections", KEY_U64, OFF(server.max_connections), .max = 10000000 },
	{ "max_header_kib", KEY_U64, OFF(server.max_header_kib), .min = 1, .max = 1024 },
	{ "max_headers", KEY_U64, OFF(server.max_headers), .min = 1, .max = 10000 },
	{ "max_body_mib", KEY_U64, OFF(server.max_body_mib), .min = 1, .max = 4096 },
	{ "body_memory_mib", KEY_U64, OFF(server.body_memory_mib), .min = 1, .max = 1 << 20 },
	{ "header_timeout_ms", KEY_U64, OFF(server.header_timeout_ms), .min = 1, .max = DAY_MS },
	{ "body_idle_ms", KEY_U64, OFF(server.body_idle_ms), .min = 1, .max = DAY_MS },
	{ "keepalive_ms", KEY_U64, OFF(server.keepalive_ms), .min = 1, .max = DAY_MS },
	{ "write_idle_ms", KEY_U64, OFF(server.write_idle_ms), .min = 1, .max = DAY_MS },
	{ "access_log", KEY_BOOL, OFF(server.access_log) },
};
const struct table server_table = TABLE("struct ServerConfig", server_keys);

static void read_ca_file(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct config *c = into;
	struct bytes text;

	if (!want_string(l, t, path, &text))
		return;
	text = path_beside(text, t->file->dir, l->arena);
	if (!bytes_set(text))
		return;
	if (access(text.p, R_OK) != 0)
		return error_at(l, t, path,
				"%.*s: cannot read `%.*s` (name a file of PEM certificates)",
				BFMT(path), BFMT(text));
	c->upstream.ca_file = text;
}

static const struct key upstream_keys[] = {
	{ "connect_timeout_ms", KEY_U64, OFF(upstream.connect_timeout_ms), .min = 1,
	  .max = DAY_MS },
	{ "idle_ms", KEY_U64, OFF(upstream.idle_ms), .max = DAY_MS },
	{ "max_idle", KEY_U64, OFF(upstream.max_idle), .max = 100000 },
	{ "dns_ttl_s", KEY_U64, OFF(upstream.dns_ttl_s), .max = 86400 },
	{ "ca_file", KEY_CALL, .call = read_ca_file },
};
const struct table upstream_table = TABLE("struct UpstreamConfig", upstream_keys);

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
		return error_at(l, t, path, "%.*s: an alias needs a name", BFMT(path));
	if (star >= 0 && (size_t)star != name.n - 1)
		return error_at(l, t, path, "%.*s: `*` may only stand at the end of an alias",
				BFMT(path));
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
		error_at(l, t, path, "%.*s: the target is empty (name a model)", BFMT(path));
}

static void read_aliases(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct config *c = into;
	size_t n = 0;

	if (!want_table(l, t, path, "a map"))
		return;
	for (const struct toml *a = t->child; a; a = a->next)
		n++;
	c->surfaces.aliases = arena_array(l->arena, struct alias, n);
	if (n && !c->surfaces.aliases)
		return error_at(l, t, path, "out of memory");
	for (struct toml *a = t->child; a; a = a->next)
		read_alias(l, a, path_join(l, path, ".", a->key),
			   &c->surfaces.aliases[c->surfaces.naliases++]);
}

static void read_list(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct config *c = into;
	unsigned bits = 0;
	size_t i = 0;

	if (!want_array(l, t, path))
		return;
	for (struct toml *e = t->child; e; e = e->next, i++) {
		int choice = want_choice(l, e, path_index(l, path, i), list_choices);

		bits |= choice >= 0 ? 1u << choice : 0;
	}
	c->surfaces.list = bits;
}

static const struct key surfaces_keys[] = {
	{ "aliases", KEY_CALL, .call = read_aliases },
	{ "default_model", KEY_STRING, OFF(surfaces.default_model) },
	{ "shorthand", KEY_BOOL, OFF(surfaces.shorthand) },
	{ "list", KEY_CALL, .call = read_list },
	{ "error_status", KEY_SWITCH, OFF(surfaces.error_status_gateway),
	  .choices = status_choices },
	{ "head_after_ms", KEY_U64, OFF(surfaces.head_after_ms), .max = DAY_MS },
	{ "ping_ms", KEY_U64, OFF(surfaces.ping_ms), .min = 100, .max = DAY_MS },
	{ "reasoning_to_client", KEY_BOOL, OFF(surfaces.reasoning_to_client) },
	{ "unsupported_content", KEY_SWITCH, OFF(surfaces.unsupported_as_placeholder),
	  .choices = unsupported_choices },
};
const struct table surfaces_table = TABLE("struct SurfacesConfig", surfaces_keys);

static bool leads_somewhere(const struct config *c, struct bytes target)
{
	struct bytes prefix = B("tensorzero::model_name::");

	if (bytes_starts(target, prefix))
		target = bytes_slice(target, prefix.n, target.n);
	return bytes_find(target, B("::")) > 0 || config_model(c, target);
}

static void check_target(struct loader *l, const struct toml *t, struct bytes path,
			 struct bytes target)
{
	struct bytes names[64], near;
	size_t n = 0;

	if (!bytes_set(target) || target.n == 0 || leads_somewhere(l->config, target))
		return;
	for (; n < l->config->nmodels && n < COUNT(names); n++)
		names[n] = l->config->models[n]->name;
	near = nearest(target, names, n);
	warn_at(l, t, path, "%.*s: `%.*s` is no model of this configuration%s%.*s%s", BFMT(path),
		BFMT(target),
		bytes_set(near) ? " (did you mean `"
				: " (it answers 404 unless a provider lists it)",
		BFMT(near), bytes_set(near) ? "`?)" : "");
}

void tables_check_targets(struct loader *l)
{
	struct toml *surfaces = toml_get(l->root, "surfaces"), *aliases, *model;
	struct config *c = l->config;
	size_t i = 0;

	if (!surfaces || surfaces->type != TOML_TABLE)
		return;
	model = toml_get(surfaces, "default_model");
	if (model)
		check_target(l, model, B("surfaces.default_model"), c->surfaces.default_model);
	aliases = toml_get(surfaces, "aliases");
	if (!aliases || aliases->type != TOML_TABLE)
		return;
	for (struct toml *a = aliases->child; a && i < c->surfaces.naliases; a = a->next, i++)
		check_target(l, a, path_join(l, B("surfaces.aliases"), ".", a->key),
			     c->surfaces.aliases[i].target);
}

/* ---- [store], [journal], [record] ---- */

static void read_data_dir(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct config *c = into;
	struct bytes text;

	if (!want_string(l, t, path, &text))
		return;
	if (text.n == 0)
		return error_at(l, t, path, "%.*s: is empty (name a directory)", BFMT(path));
	if (!bytes_set(c->data_dir)) /* else flag or environment have set it */
		c->data_dir = text;
}

static const struct key store_keys[] = {
	{ "data_dir", KEY_CALL, .call = read_data_dir },
	{ "shutdown_drain_s", KEY_U64, OFF(shutdown_drain_s), .max = 86400 },
};
const struct table store_table = TABLE("struct StoreConfig", store_keys);

static const struct key journal_keys[] = {
	{ "sync", KEY_CHOICE, OFF(journal.sync), .choices = sync_choices },
	{ "sync_ms", KEY_U64, OFF(journal.sync_ms), .min = 1, .max = 60000 },
	{ "segment_mb", KEY_U64, OFF(journal.segment_mb), .min = 1, .max = 1024 },
	{ "max_mb", KEY_U64, OFF(journal.max_mb), .min = 1, .max = 1 << 24 },
	{ "queue_mb", KEY_U64, OFF(journal.queue_mb), .min = 1, .max = 1 << 16 },
	{ "wait_ms", KEY_U64, OFF(journal.wait_ms), .max = 600000 },
	{ "on_full", KEY_SWITCH, OFF(journal.refuse_when_full), .choices = full_choices },
	{ "keep_mb", KEY_U64, OFF(journal.keep_mb), .max = 1 << 24 },
	{ "reserve_mb", KEY_U64, OFF(journal.reserve_mb), .max = 1 << 16 },
	{ "compress", KEY_BOOL, OFF(journal.compress) },
};
const struct table journal_table = TABLE("struct JournalConfig", journal_keys);

static const struct key record_keys[] = {
	{ "max_raw_kib", KEY_U64, OFF(max_raw_kib), .min = 1, .max = 102400 },
};
const struct table record_table = TABLE("struct RecordConfig", record_keys);
