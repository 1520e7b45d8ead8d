/*
 * One load: files -> tree -> tables -> checks across tables -> modules -> hash.
 *
 * The order follows config §1.5 where one table needs another (the global timeout before the timeouts
 * of models, the defaults of provider types before providers); everything else is independent, so that
 * one run finds all errors. The result never changes; a reload makes another one and swaps it. The
 * trap: values of the command line and the environment win over the TOML, but the TOML is still typed,
 * or a file would break on the day on which the variable goes.
 */
#include "config/config.h"

#include <engines.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/ids.h"
#include "config/files.h"
#include "config/models.h"
#include "config/shorthand.h"
#include "config/tables.h"
#include "net/socket.h"

#define MAX_BYTES    (256 << 20)
#define SNAPSHOT_MAX (64 << 20)

/* ---- the top level ---- */

/* Of what this version does not have, the type is checked all the same. */
static const struct table map_table = { .expected = "a map" };
static const struct table walked_map = { .expected = "a map", .walked = true };
static const struct table autopilot_table = { .expected = "struct AutopilotConfig" };

static const struct key top_keys[] = {
	{ "gateway", KEY_PASS },
	{ "clickhouse", KEY_TABLE, 0, .table = &clickhouse_table },
	{ "postgres", KEY_CALL, .call = read_postgres },
	{ "rate_limiting", KEY_CALL, .call = read_rate_limiting },
	{ "object_storage", KEY_CALL, .call = read_object_storage },
	{ "models", KEY_CALL, .call = read_models },
	{ "embedding_models", KEY_CALL, .call = read_embedding_models },
	{ "functions", KEY_LATER, .table = &walked_map },
	{ "metrics", KEY_LATER, .table = &map_table },
	{ "tools", KEY_LATER, .table = &walked_map },
	{ "evaluations", KEY_LATER, .table = &walked_map },
	{ "provider_types", KEY_PASS },
	{ "optimizers", KEY_LATER, .table = &map_table },
	{ "autopilot", KEY_LATER, .table = &autopilot_table },
	{ "server", KEY_TABLE, 0, .table = &server_table },
	{ "upstream", KEY_TABLE, 0, .table = &upstream_table },
	{ "signing", KEY_TABLE, 0, .table = &signing_table },
	{ "surfaces", KEY_TABLE, 0, .table = &surfaces_table },
	{ "routing", KEY_TABLE, 0, .table = &routing_table },
	{ "store", KEY_TABLE, 0, .table = &store_table },
	{ "journal", KEY_TABLE, 0, .table = &journal_table },
	{ "record", KEY_TABLE, 0, .table = &record_table },
	{ "ui", KEY_TABLE, 0, .table = &ui_table },
};
static const struct table top_table = TABLE("struct UninitializedConfig", top_keys);

static void read_tree(struct loader *l)
{
	struct toml *gateway = toml_get(l->root, "gateway"),
		    *types = toml_get(l->root, "provider_types");

	if (gateway)
		read_table(l, &gateway_table, gateway, gateway->key, ".", l->config);
	provider_types_defaults(l);
	if (types)
		read_provider_types(l, types, types->key, l->config);
	read_table(l, &top_table, l->root, B(""), ".", l->config);
}

/* ---- command line and environment ---- */

/* What the command line says, else the environment; unset: neither. */
static struct bytes given_value(struct loader *l, const char *option, const char *variable)
{
	const char *value = option ? option : getenv(variable);

	return option || (value && *value) ? arena_dup(l->arena, bytes_of(value))
					   : (struct bytes){ 0 };
}

static struct bytes env_value(struct loader *l, const char *name)
{
	return given_value(l, NULL, name);
}

static void apply_bind_address(struct loader *l)
{
	const char *option = l->options->bind_address,
		   *variable = "TENSORZERO_GATEWAY_BIND_ADDRESS";
	struct toml *t = toml_get(toml_get(l->root, "gateway"), "bind_address");
	struct bytes given = given_value(l, option, variable);
	struct sockaddr_storage address;
	socklen_t address_n;

	if (!bytes_set(given))
		return;
	l->config->gateway.bind_address = given;
	if (t)
		error_text(
			l, t, B("gateway.bind_address"),
			"You must only specify one of `--bind-address` (CLI), `TENSORZERO_GATEWAY_BIND_ADDRESS` (environment variable), or `gateway.bind_address` (configuration).");
	else if (!sock_address_parse(given, &address, &address_n))
		issue_add(
			l->issues, false, B(""), 0, B("gateway.bind_address"),
			"gateway.bind_address: invalid socket address syntax (`%.*s`, from %s; write 127.0.0.1:3000)",
			BFMT(given), option ? "--bind-address" : variable);
}

static void apply_workers(struct loader *l)
{
	struct bytes given = env_value(l, "SIGNET_WORKERS");
	uint64_t n = (uint64_t)l->options->workers;

	if (l->options->workers <= 0 && !bytes_set(given))
		return;
	if (l->options->workers <= 0 && (!bytes_to_u64(given, &n) || n < 1 || n > 1024))
		issue_add(l->issues, false, B(""), 0, B("server.workers"),
			  "SIGNET_WORKERS: `%.*s` is out of range (from 1 to 1024)", BFMT(given));
	l->config->server.workers = (int)n;
}

static void apply_on_disconnect(struct loader *l)
{
	struct bytes given = env_value(l, "SIGNET_ON_DISCONNECT");

	if (!bytes_set(given))
		return;
	l->config->server.finish_on_disconnect = bytes_eq(given, B("finish"));
	if (!bytes_eq(given, B("finish")) && !bytes_eq(given, B("cancel")))
		issue_add(
			l->issues, false, B(""), 0, B("server.on_disconnect"),
			"SIGNET_ON_DISCONNECT: unknown variant `%.*s`, expected `cancel` or `finish`",
			BFMT(given));
}

static void apply_options(struct loader *l)
{
	struct config *c = l->config;
	struct bytes ca_file = env_value(l, "SSL_CERT_FILE");

	apply_bind_address(l);
	apply_workers(l);
	apply_on_disconnect(l);
	ui_apply_environment(l);
	if (bytes_set(ca_file))
		c->upstream.ca_file = ca_file;
	if (!bytes_set(c->data_dir))
		c->data_dir = B("./signet-data");
	stores_apply(l);
}

/* ---- the load ---- */

/* The 256-bit number behind 32 bytes, most significant first, in decimal: how rows name a configuration. */
static void print_decimal(const uint8_t digest[32], char out[80])
{
	char digits[80] = "";
	size_t at = sizeof digits - 1;
	uint8_t rest[32], more = 1;

	memcpy(rest, digest, sizeof rest);
	while (more) {
		unsigned carry = 0;

		more = 0;
		for (size_t i = 0; i < sizeof rest; i++) {
			carry = carry << 8 | rest[i];
			rest[i] = (uint8_t)(carry / 10);
			carry %= 10;
			more |= rest[i];
		}
		digits[--at] = (char)('0' + carry);
	}
	memcpy(out, digits + at, sizeof digits - at);
}

static bool make_hash(struct loader *l)
{
	struct buf text;
	uint8_t digest[32];

	buf_init(&text, SNAPSHOT_MAX);
	if (toml_print(l->root, &text) == 0)
		l->config->snapshot = arena_dup(l->arena, buf_bytes(&text));
	buf_deinit(&text);
	if (!bytes_set(l->config->snapshot))
		return false;
	engine_blake3(l->config->snapshot.p, l->config->snapshot.n, digest);
	hex_print(digest, sizeof(digest), l->config->hash);
	print_decimal(digest, l->config->hash_decimal);
	return true;
}

static struct config *config_new(void)
{
	struct config *c = fault("config.alloc") ? NULL : calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	arena_init(&c->arena, MAX_BYTES);
	map_init(&c->model_by_name);
	map_init(&c->embedding_model_by_name);
	c->refs = 1;
	c->loaded_unix_ms = clock_unix_ms();
	tables_defaults(c);
	c->signers = signer_cache_new();
	c->default_keys = arena_array(&c->arena, struct credential, provider_nentries);
	c->default_endpoints = arena_array(&c->arena, struct bytes, provider_nentries);
	c->default_options = arena_array(&c->arena, void *, provider_nentries);
	c->shorthands = shorthands_new(c);
	if (!c->signers || !c->default_keys || !c->default_endpoints || !c->default_options ||
	    !c->shorthands) {
		config_unref(c);
		return NULL;
	}
	return c;
}

static bool check_flags(const struct config_options *o, struct config_issues *issues)
{
	bool files = o->glob || o->globs || bytes_set(o->text);

	if (files && o->default_config)
		issue_anywhere(issues, false,
			       "You must not specify both `--config-file` and `--default-config`.");
	else if (!files && !o->default_config)
		issue_anywhere(issues, false,
			       "You must specify either `--config-file` or `--default-config`.");
	else if (o->default_config && !o->offline)
		issue_anywhere(
			issues, true,
			"No config file provided, so only default functions will be available. Use `--config-file path/to/signet.toml` to specify a config file.");
	return issues_errors(issues) == 0;
}

/* The arena's failures stay in the error until another one comes: no reader has to look after each text. */
static bool memory_is_out(void)
{
	enum error_kind kind = error_last()->kind;

	return kind == ERR_OUT_OF_MEMORY || kind == ERR_TOO_LARGE;
}

static void load(struct loader *l)
{
	struct config *c = l->config;

	error_clear();
	c->data_dir = given_value(l, l->options->data_dir, "SIGNET_DATA_DIR");
	if (!files_read(l->options, l->root, &c->base_dir, l->issues, l->arena))
		return;
	read_tree(l);
	apply_options(l);
	tables_check_targets(l);
	prices_apply(l);
	files_check_secrets(l->root, l->issues);
	if (memory_is_out())
		return issue_anywhere(l->issues, false, "%.*s", BFMT(error_last()->message));
	load_signers(l);
	if (!make_hash(l))
		issue_anywhere(l->issues, false, "out of memory");
}

struct config *config_load(const struct config_options *options, struct config_issues *issues)
{
	struct loader l = { .options = options, .issues = issues };

	issues_init(issues);
	if (!check_flags(options, issues))
		return NULL;
	l.config = config_new();
	if (l.config) {
		l.arena = &l.config->arena;
		l.root = arena_new(l.arena, struct toml);
		l.config->root = l.root;
	}
	if (l.root)
		load(&l);
	else
		issue_anywhere(issues, false, "out of memory");
	issues_sort(issues);
	if (issues_errors(issues) == 0)
		return l.config;
	config_unref(l.config);
	return NULL;
}

void config_ref(struct config *c)
{
	__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
}

void config_unref(struct config *c)
{
	if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	shorthands_free(c->shorthands);
	signer_cache_free(c->signers);
	map_deinit(&c->model_by_name);
	map_deinit(&c->embedding_model_by_name);
	arena_deinit(&c->arena);
	free(c);
}
