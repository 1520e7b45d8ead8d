/*
 * [gateway], [object_storage] and the top-level tables of TensorZero that this version has not.
 *
 * What TensorZero knows and Signet does not yet stops the start, so that nobody believes in a limit, a
 * key check or an export that is not there. What is written but says "off" is accepted: a file that
 * turns authentication off asks for nothing. The trap: keys without effect here (telemetry, batch
 * writes) are still typed and checked, because TensorZero would refuse what is wrong in them.
 */
#include "config/gateway.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "config/models.h"
#include "config/tables.h"
#include "net/socket.h"

#define BUCKETS "tensorzero_inference_latency_overhead_seconds_buckets"

/* ---- helpers of this file ---- */

#define AT(member) offsetof(struct checked, member)

static void read_bind_address(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct sockaddr_storage address;
	struct bytes text;
	socklen_t n;

	(void)into;
	if (!want_string(l, t, path, &text))
		return;
	if (sock_address_parse(text, &address, &n))
		l->config->gateway.bind_address = text;
	else
		error_at(
			l, t, path,
			"%.*s: invalid socket address syntax (`%.*s`; write \"127.0.0.1:3000\" or \"[::]:3000\")",
			BFMT(path), BFMT(text));
}

static void read_base_path(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct bytes text;

	(void)into;
	if (!want_string(l, t, path, &text))
		return;
	if (text.n == 0 || text.p[0] != '/') {
		error_at(l, t, path,
			 "[gateway.base_path] must start with a `/` : `%.*s` (write \"/%.*s\")",
			 BFMT(text), BFMT(text));
		return;
	}
	if (text.p[text.n - 1] == '/')
		text.n--;
	l->config->gateway.base_path = text;
}

/* ---- gateway.observability ---- */

static const char *const backends[] = { "auto", "clickhouse", "postgres", "sqlite", NULL };

static void read_backend(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	int choice = want_choice(l, t, path, backends);

	(void)into;
	if (choice == 1 || choice == 2)
		error_at(
			l, t, path,
			"%.*s: this version of Signet does not support `backend = \"%s\"` yet (write \"sqlite\" or \"auto\")",
			BFMT(path), backends[choice]);
}

static const struct key batch_keys[] = {
	{ "enabled", KEY_BOOL, AT(enabled), .required = true, .fix = "`enabled = false`" },
	{ "__force_allow_embedded_batch_writes", KEY_FLAG, AT(flag) },
	{ "flush_interval_ms", KEY_PASS },
	{ "max_rows", KEY_PASS },
	{ "max_rows_postgres", KEY_PASS },
	{ "write_queue_capacity", KEY_PASS },
};
static const struct table batch_table = TABLE("struct BatchWritesConfig", batch_keys);

/* A number that is there must not be 0 (config §2.1, batch write errors). */
static void check_batch_number(struct loader *l, struct toml *table, const char *name,
			       struct bytes path, const char *message)
{
	struct key k = { .name = name, .kind = KEY_U64 };
	struct toml *t = toml_get(table, name);
	uint64_t value = 1;

	if (!t)
		return;
	path = path_join(l, path, ".", t->key);
	read_key(l, &k, t, path, &value);
	if (value == 0)
		error_at(l, t, path, "%s (%.*s = 0)", message, BFMT(path));
}

static void read_batch_writes(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct checked batch = { 0 }, *observability = into;

	read_table(l, &batch_table, t, path, ".", &batch);
	if (t->type != TOML_TABLE)
		return;
	check_batch_number(l, t, "flush_interval_ms", path,
			   "Batch writes flush interval must be greater than 0");
	check_batch_number(l, t, "max_rows", path, "Batch writes max rows must be greater than 0");
	check_batch_number(l, t, "max_rows_postgres", path,
			   "Batch writes Postgres max rows must be greater than 0");
	check_batch_number(l, t, "write_queue_capacity", path,
			   "Batch writes `write_queue_capacity` must be greater than 0 when set");
	observability->enabled = batch.enabled;
}

static void read_disable_migrations(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct key k = { .name = "disable_automatic_migrations", .kind = KEY_BOOL };
	bool value = false;

	(void)into;
	read_key(l, &k, t, path, &value);
	warn_at(l, t, path,
		"Deprecation Warning: `gateway.observability.disable_automatic_migrations` is deprecated. Use `clickhouse.disable_automatic_migrations` instead. (it has no effect in this version; remove it)");
}

static const struct key observability_keys[] = {
	{ "enabled", KEY_PASS },
	{ "backend", KEY_CALL, .call = read_backend },
	{ "async_writes", KEY_FLAG, AT(flag) },
	{ "batch_writes", KEY_CALL, .call = read_batch_writes },
	{ "disable_automatic_migrations", KEY_CALL, .call = read_disable_migrations },
};
static const struct table observability_table =
	TABLE("struct ObservabilityConfig", observability_keys);

static void read_observability(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct key enabled = { .name = "enabled", .kind = KEY_FLAG };
	struct checked seen = { .flag = 1 };
	struct toml *e;

	(void)into;
	read_table(l, &observability_table, t, path, ".", &seen);
	e = toml_get(t, "enabled");
	if (e)
		read_key(l, &enabled, e, path_join(l, path, ".", e->key),
			 &l->config->gateway.observability);
	if (seen.enabled && seen.flag)
		error_at(
			l, t, path,
			"Batch writes and async writes cannot be enabled at the same time. Async writes are enabled by default; to use batch writes, set `gateway.observability.async_writes = false`.");
}

/* ---- gateway.export, auth, relay, cache: accepted while they are off ---- */

static const char *const formats[] = { "opentelemetry", "openinference", NULL };

static void read_string_map(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct bytes text;

	(void)into;
	if (!want_table(l, t, path, "a map"))
		return;
	for (struct toml *c = t->child; c; c = c->next)
		want_string(l, c, path_join(l, path, ".", c->key), &text);
}

static void read_off(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct key k = { .name = "enabled", .kind = KEY_BOOL };
	bool on = false;

	(void)into;
	read_key(l, &k, t, path, &on);
	if (on)
		error_at(
			l, t, path,
			"%.*s: this version of Signet does not support `%.*s = true` yet (write false, or keep TensorZero for what needs it)",
			BFMT(path), BFMT(path));
}

static const struct key traces_keys[] = {
	{ "enabled", KEY_CALL, .call = read_off },
	{ "format", KEY_CHOICE, AT(choice), .choices = formats },
	{ "extra_headers", KEY_CALL, .call = read_string_map },
	{ "include_content", KEY_FLAG, AT(flag) },
};
static const struct table traces_table = TABLE("struct OtlpTracesConfig", traces_keys);
static const struct key otlp_keys[] = { { "traces", KEY_CHECKED, .table = &traces_table } };
static const struct table otlp_table = TABLE("struct OtlpConfig", otlp_keys);
static const struct key export_keys[] = { { "otlp", KEY_CHECKED, .table = &otlp_table } };
static const struct table export_table = TABLE("struct ExportConfig", export_keys);

static const struct key auth_cache_keys[] = {
	{ "enabled", KEY_FLAG, AT(flag) },
	{ "ttl_ms", KEY_U64, AT(number) },
};
static const struct table auth_cache_table =
	TABLE("struct GatewayAuthCacheConfig", auth_cache_keys);
static const struct key auth_keys[] = {
	{ "enabled", KEY_CALL, .call = read_off, .required = true, .fix = "`enabled = false`" },
	{ "cache", KEY_CHECKED, .table = &auth_cache_table },
};
static const struct table auth_table = TABLE("struct AuthConfig", auth_keys);

static const char *const cache_backends[] = { "auto", "clickhouse", "valkey", NULL };
static const struct key valkey_keys[] = { { "ttl_s", KEY_U64, AT(number) } };
static const struct table valkey_table =
	TABLE("struct ValkeyModelInferenceCacheConfig", valkey_keys);
static const struct key cache_keys[] = {
	{ "enabled", KEY_CALL, .call = read_off },
	{ "backend", KEY_CHOICE, AT(choice), .choices = cache_backends },
	{ "valkey", KEY_CHECKED, .table = &valkey_table },
};
static const struct table cache_table = TABLE("struct ModelInferenceCacheConfig", cache_keys);

static void read_cache(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct checked cache = { 0 };
	struct toml *enabled, *backend;

	(void)into;
	read_table(l, &cache_table, t, path, ".", &cache);
	enabled = toml_get(t, "enabled");
	backend = toml_get(t, "backend");
	if (cache.choice > 0 && backend && !(enabled && bytes_eq(enabled->text, B("false"))))
		error_at(
			l, backend, path,
			"%.*s.backend: this version of Signet does not support `gateway.cache` yet (remove it, or write `enabled = false`)",
			BFMT(path));
}

/* ---- gateway.metrics ---- */

static bool bucket_value(struct loader *l, struct toml *t, struct bytes path, double *out)
{
	char text[64];

	if ((t->type != TOML_FLOAT && t->type != TOML_INTEGER) || t->text.n >= sizeof(text)) {
		type_error(l, t, path, "f64", "write a number, without quotes");
		return false;
	}
	memcpy(text, t->text.p, t->text.n);
	text[t->text.n] = '\0';
	*out = strtod(text, NULL);
	if (!isfinite(*out)) {
		error_at(l, t, path, "%.*s must be finite (not NaN or infinity), got: %s",
			 BFMT(path),
			 isnan(*out) ? "NaN"
			 : *out < 0  ? "-inf"
				     : "inf");
		return false;
	}
	if (*out < 0) {
		error_at(l, t, path, "%.*s must be non-negative, got: %.*s", BFMT(path),
			 BFMT(t->text));
		return false;
	}
	return true;
}

static void read_buckets(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	double *list;
	size_t n = 0, i = 0;

	(void)into;
	if (!want_array(l, t, path))
		return;
	for (const struct toml *e = t->child; e; e = e->next)
		n++;
	list = arena_array(l->arena, double, n + 1);
	if (!list)
		return error_at(l, t, path, "out of memory");
	for (struct toml *e = t->child; e; e = e->next, i++) {
		if (!bucket_value(l, e, path_index(l, path, i), &list[i]))
			return;
		if (i && list[i] <= list[i - 1])
			return error_at(
				l, e, path,
				"%.*s must be in strictly ascending order, but buckets[%zu] (%g) <= buckets[%zu] (%g)",
				BFMT(path), i, list[i], i - 1, list[i - 1]);
	}
	l->config->gateway.overhead_buckets = list;
	l->config->gateway.noverhead_buckets = n;
}

static const struct key metrics_keys[] = { { BUCKETS, KEY_CALL, .call = read_buckets } };
static const struct table metrics_table = TABLE("struct MetricsConfig", metrics_keys);

/* ---- gateway.template_filesystem_access ---- */

static void read_access_enabled(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct key k = { .name = "enabled", .kind = KEY_BOOL };
	bool value;

	(void)into;
	read_key(l, &k, t, path, &value);
	warn_at(l, t, path,
		"Deprecation Warning: The `gateway.template_filesystem_access.enabled` flag is deprecated. We now enable filesystem access if and only if `gateway.template_file_system_access.base_path` is set. We will stop allowing this flag in the future. (remove it)");
}

/* No templates yet: the directory is only checked, as TensorZero does before it starts. */
static void read_access_base(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct bytes full;
	struct stat st;

	(void)into;
	if (t->type != TOML_STRING)
		return error_at(l, t, path, "`%.*s`: Expected a string, found %s", BFMT(path),
				toml_type_name(t->type));
	full = t->text.n && t->text.p[0] == '/'
		       ? t->text
		       : arena_printf(l->arena, "%.*s/%.*s", BFMT(t->file->dir), BFMT(t->text));
	if (!bytes_set(full) || stat(full.p, &st) != 0)
		return error_at(
			l, t, path,
			"`%.*s`: Failed to resolve path `%.*s` (base: `%.*s`): No such file or directory (os error 2)",
			BFMT(path), BFMT(t->text), BFMT(t->file->dir));
}

static const struct key access_keys[] = {
	{ "enabled", KEY_CALL, .call = read_access_enabled },
	{ "base_path", KEY_CALL, .call = read_access_base },
};
static const struct table access_table =
	TABLE("struct TemplateFilesystemAccess", access_keys, .walked = true);

/* ---- gateway ---- */

#define GW(member) offsetof(struct config, gateway.member)

static const struct key gateway_keys[] = {
	{ "bind_address", KEY_CALL, .call = read_bind_address },
	{ "observability", KEY_CALL, .call = read_observability },
	{ "debug", KEY_BOOL, GW(debug) },
	{ "template_filesystem_access", KEY_CHECKED, .table = &access_table },
	{ "export", KEY_CHECKED, .table = &export_table },
	{ "base_path", KEY_CALL, .call = read_base_path },
	{ "unstable_disable_feedback_target_validation", KEY_CALL, .call = read_ignored_bool },
	{ "unstable_error_json", KEY_BOOL, GW(unstable_error_json) },
	{ "disable_pseudonymous_usage_analytics", KEY_CALL, .call = read_ignored_bool },
	{ "fetch_and_encode_input_files_before_inference", KEY_BOOL, GW(fetch_files) },
	{ "auth", KEY_CHECKED, .table = &auth_table },
	{ "global_outbound_http_timeout_ms", KEY_U64, GW(outbound_timeout_ms), .min = 1 },
	{ "global_outbound_http_intra_stream_read_timeout_ms", KEY_U64,
	  GW(outbound_read_timeout_ms), .min = 1 },
	{ "relay", KEY_LATER },
	{ "metrics", KEY_CHECKED, .table = &metrics_table },
	{ "cache", KEY_CALL, .call = read_cache },
};
const struct table gateway_table =
	TABLE("struct UninitializedGatewayConfig", gateway_keys, .walked = true);

/* ---- object_storage, postgres, rate_limiting ---- */

static const char *const storage_types[] = { "s3_compatible", "filesystem", "disabled", NULL };

void read_object_storage(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct toml *type;
	int choice;

	(void)into;
	if (!want_table(l, t, path, "internally tagged enum StorageKind"))
		return;
	type = toml_get(t, "type");
	if (!type)
		return missing_field(l, t, path, "type", "`type = \"disabled\"`");
	path = path_join(l, path, ".", B("type"));
	if (type->type != TOML_STRING)
		return type_error(l, type, path, "variant identifier", "write \"disabled\"");
	choice = want_choice(l, type, path, storage_types);
	if (choice == 0 || choice == 1)
		return error_at(
			l, type, path,
			"%.*s: this version of Signet does not support `type = \"%s\"` yet (write \"disabled\": files are passed on and not stored)",
			BFMT(path), storage_types[choice]);
	if (choice < 0)
		return;
	l->config->object_storage_set = true;
	for (const struct toml *c = t->child; c; c = c->next) {
		if (c != type)
			warn_at(l, c, path,
				"object_storage.%.*s: has no effect with `type = \"disabled\"` (remove it)",
				BFMT(c->key));
	}
}

static bool says_off(const struct toml *t)
{
	const struct toml *enabled = t->type == TOML_TABLE ? toml_get(t, "enabled") : NULL;

	return enabled && enabled->type == TOML_BOOL && bytes_eq(enabled->text, B("false"));
}

void read_postgres(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	(void)into;
	if (says_off(t))
		return warn_at(
			l, t, path,
			"Deprecation Warning: `postgres.enabled` is deprecated. (it has no effect in this version; remove it)");
	not_yet(l, t, path, B("postgres"));
}

void read_rate_limiting(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	const struct toml *rules = t->type == TOML_TABLE ? toml_get(t, "rules") : NULL;

	(void)into;
	if (says_off(t) || (t->type == TOML_TABLE && (!rules || is_empty(rules))))
		return;
	not_yet(l, t, path, B("rate_limiting"));
}
