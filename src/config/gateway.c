/*
 * [gateway], [object_storage] and the top-level tables of TensorZero that this version has not.
 *
 * What TensorZero knows and Signet does not yet stops the start, so that nobody believes in a limit, a
 * key check or an export that is not there. What is written but says "off" is accepted: a file that
 * turns authentication off asks for nothing. The trap: keys without effect here (telemetry, batch
 * writes) are still typed and checked, because TensorZero would refuse what is wrong in them.
 */
#include "config/tables.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "net/socket.h"

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
			"invalid socket address syntax (`%.*s`; write \"127.0.0.1:3000\" or \"[::]:3000\")",
			BFMT(text));
}

static void read_base_path(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct bytes text;

	(void)into;
	if (!want_string(l, t, path, &text))
		return;
	if (!bytes_starts(text, B("/")))
		return error_text(
			l, t, path,
			"[gateway.base_path] must start with a `/` : `%.*s` (write \"/%.*s\")",
			BFMT(text), BFMT(text));
	if (bytes_ends(text, B("/")))
		text.n--;
	l->config->gateway.base_path = text;
}

/* ---- gateway.observability ---- */

/* What only the check of the table looks at. */
struct observability {
	int enabled; /* -1: not said */
	bool async_writes, batch_writes, no_migrations;
	int backend;
	uint64_t flush_interval_ms, max_rows;
};
#define SEEN(member) offsetof(struct observability, member)

static const char *const backends[] = { "auto", "clickhouse", "postgres", "sqlite", NULL };

static const struct key batch_keys[] = {
	{ "enabled", KEY_BOOL, SEEN(batch_writes), .required = true, .fix = "`enabled = false`" },
	{ "__force_allow_embedded_batch_writes", KEY_ANY_BOOL },
	{ "flush_interval_ms", KEY_U64, SEEN(flush_interval_ms),
	  .zero_text = "Batch writes flush interval must be greater than 0" },
	{ "max_rows", KEY_U64, SEEN(max_rows),
	  .zero_text = "Batch writes max rows must be greater than 0" },
	{ "max_rows_postgres", KEY_ANY_U64,
	  .zero_text = "Batch writes Postgres max rows must be greater than 0" },
	{ "write_queue_capacity", KEY_ANY_U64,
	  .zero_text = "Batch writes `write_queue_capacity` must be greater than 0 when set" },
};
static const struct table batch_table = TABLE("struct BatchWritesConfig", batch_keys);

static const struct key observability_keys[] = {
	{ "enabled", KEY_FLAG, SEEN(enabled) },
	{ "backend", KEY_CHOICE, SEEN(backend), .choices = backends },
	{ "async_writes", KEY_BOOL, SEEN(async_writes) },
	{ "batch_writes", KEY_TABLE, 0, .table = &batch_table },
	{ "disable_automatic_migrations", KEY_BOOL, SEEN(no_migrations),
	  .warning =
		  "Deprecation Warning: `gateway.observability.disable_automatic_migrations` is deprecated. Use `clickhouse.disable_automatic_migrations` instead." },
};
static const struct table observability_table =
	TABLE("struct ObservabilityConfig", observability_keys);

static void read_observability(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct gateway_config *gateway = &l->config->gateway;
	struct observability seen = { .enabled = -1,
				      .async_writes = true,
				      .flush_interval_ms = gateway->flush_interval_ms,
				      .max_rows = gateway->max_rows };
	const struct toml *backend = toml_get(t, "backend");

	(void)into;
	read_table(l, &observability_table, t, path, ".", &seen);
	gateway->observability = seen.enabled;
	gateway->backend = seen.backend;
	gateway->flush_interval_ms = seen.flush_interval_ms;
	gateway->max_rows = seen.max_rows;
	l->config->clickhouse.disable_automatic_migrations = seen.no_migrations;
	if (seen.backend == BACKEND_POSTGRES)
		error_text(
			l, backend, path,
			"%.*s.backend: this version of Signet does not record to Postgres (write \"clickhouse\", \"sqlite\" or \"auto\")",
			BFMT(path));
	if (seen.batch_writes && seen.async_writes)
		error_text(
			l, t, path,
			"Batch writes and async writes cannot be enabled at the same time. Async writes are enabled by default; to use batch writes, set `gateway.observability.async_writes = false`.");
}

/* ---- gateway.export, relay, cache: accepted while they are off; auth ---- */

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

static const struct key traces_keys[] = {
	{ "enabled", KEY_OFF },
	{ "format", KEY_ANY_CHOICE, .choices = formats },
	{ "extra_headers", KEY_CALL, .call = read_string_map },
	{ "include_content", KEY_ANY_BOOL },
};
static const struct table traces_table = TABLE("struct OtlpTracesConfig", traces_keys);
static const struct key otlp_keys[] = { { "traces", KEY_TABLE, .table = &traces_table } };
static const struct table otlp_table = TABLE("struct OtlpConfig", otlp_keys);
static const struct key export_keys[] = { { "otlp", KEY_TABLE, .table = &otlp_table } };
static const struct table export_table = TABLE("struct ExportConfig", export_keys);

/* All keys are in memory (store/keys.h), so a look-up is never older than a second: nothing to switch off or to age. */
static const struct key auth_cache_keys[] = {
	{ "enabled", KEY_ANY_BOOL },
	{ "ttl_ms", KEY_ANY_U64 },
};
static const struct table auth_cache_table =
	TABLE("struct GatewayAuthCacheConfig", auth_cache_keys);
static const struct key auth_keys[] = {
	{ "enabled", KEY_BOOL, offsetof(struct config, gateway.auth), .required = true,
	  .fix = "`enabled = false`" },
	{ "cache", KEY_TABLE, .table = &auth_cache_table },
};
static const struct table auth_table = TABLE("struct AuthConfig", auth_keys);

static bool says_off(const struct toml *t)
{
	const struct toml *enabled = toml_get(t, "enabled");

	return enabled && enabled->type == TOML_BOOL && bytes_eq(enabled->text, B("false"));
}

static const char *const cache_backends[] = { "auto", "clickhouse", "valkey", NULL };
static const struct key valkey_keys[] = { { "ttl_s", KEY_ANY_U64 } };
static const struct table valkey_table =
	TABLE("struct ValkeyModelInferenceCacheConfig", valkey_keys);
static const struct key cache_keys[] = {
	{ "enabled", KEY_OFF },
	{ "backend", KEY_PASS },
	{ "valkey", KEY_TABLE, .table = &valkey_table },
};
static const struct table cache_table = TABLE("struct ModelInferenceCacheConfig", cache_keys);

static void read_cache(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	const struct toml *backend = toml_get(t, "backend");
	struct bytes inner = path_join(l, path, ".", B("backend"));

	read_table(l, &cache_table, t, path, ".", into);
	if (backend && want_choice(l, backend, inner, cache_backends) > 0 && !says_off(t))
		error_text(
			l, backend, path,
			"%.*s: this version of Signet does not support `gateway.cache` yet (remove it, or write `enabled = false`)",
			BFMT(inner));
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
	if (!isfinite(*out))
		error_text(l, t, path, "%.*s must be finite (not NaN or infinity), got: %s",
			   BFMT(path),
			   isnan(*out) ? "NaN"
			   : *out < 0  ? "-inf"
				       : "inf");
	else if (*out < 0)
		error_text(l, t, path, "%.*s must be non-negative, got: %.*s", BFMT(path),
			   BFMT(t->text));
	else
		return true;
	return false;
}

static void read_buckets(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	double *list = NULL, bucket;
	size_t n = 0, cap = 0;

	(void)into;
	if (!want_array(l, t, path))
		return;
	for (struct toml *e = t->child; e; e = e->next) {
		if (!bucket_value(l, e, path_index(l, path, n), &bucket))
			return;
		if (n && bucket <= list[n - 1])
			return error_text(
				l, e, path,
				"%.*s must be in strictly ascending order, but buckets[%zu] (%g) <= buckets[%zu] (%g)",
				BFMT(path), n, bucket, n - 1, list[n - 1]);
		if (!arena_push(l->arena, list, n, cap, bucket))
			return;
	}
	if (!arena_push(l->arena, list, n, cap, 0))
		return;
	l->config->gateway.overhead_buckets = list;
	l->config->gateway.noverhead_buckets = n - 1;
}

static const struct key metrics_keys[] = {
	{ "tensorzero_inference_latency_overhead_seconds_buckets", KEY_CALL, .call = read_buckets }
};
static const struct table metrics_table =
	TABLE("struct MetricsConfig", metrics_keys, .sequence = true);

/* ---- gateway.template_filesystem_access ---- */

/* No templates yet: the directory is only checked, as TensorZero does before it starts. */
static void read_access_base(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct bytes full;
	struct stat st;

	(void)into;
	if (t->type != TOML_STRING)
		return error_text(l, t, path, "`%.*s`: Expected a string, found %s", BFMT(path),
				  toml_type_name(t->type));
	full = t->text.n && t->text.p[0] == '/'
		       ? t->text
		       : arena_printf(l->arena, "%.*s/%.*s", BFMT(t->file->dir), BFMT(t->text));
	if (!bytes_set(full) || stat(full.p, &st))
		error_text(
			l, t, path,
			"`%.*s`: Failed to resolve path `%.*s` (base: `%.*s`): No such file or directory (os error 2)",
			BFMT(path), BFMT(t->text), BFMT(t->file->dir));
}

static const struct key access_keys[] = {
	{ "enabled", KEY_ANY_BOOL,
	  .warning =
		  "Deprecation Warning: The `gateway.template_filesystem_access.enabled` flag is deprecated. We now enable filesystem access if and only if `gateway.template_file_system_access.base_path` is set. We will stop allowing this flag in the future. (remove it)" },
	{ "base_path", KEY_CALL, .call = read_access_base },
};
static const struct table access_table =
	TABLE("struct TemplateFilesystemAccess", access_keys, .walked = true);

/* ---- gateway ---- */

#define GW(member) offsetof(struct config, gateway.member)

static const struct key gateway_keys[] = {
	{ "bind_address", KEY_CALL, .call = read_bind_address, .at_start = true,
	  KEPT(gateway.bind_address) },
	{ "observability", KEY_CALL, .call = read_observability, .at_start = true,
	  KEPT_RANGE(gateway.observability, gateway.max_rows) },
	{ "debug", KEY_BOOL, GW(debug) },
	{ "template_filesystem_access", KEY_TABLE, .table = &access_table },
	{ "export", KEY_TABLE, .table = &export_table },
	{ "base_path", KEY_CALL, .call = read_base_path },
	{ "unstable_disable_feedback_target_validation", KEY_ANY_BOOL },
	{ "unstable_error_json", KEY_BOOL, GW(unstable_error_json) },
	{ "disable_pseudonymous_usage_analytics", KEY_ANY_BOOL },
	{ "fetch_and_encode_input_files_before_inference", KEY_BOOL, GW(fetch_files) },
	{ "auth", KEY_TABLE, .table = &auth_table },
	{ "global_outbound_http_timeout_ms", KEY_U64, GW(outbound_timeout_ms), .min = 1,
	  .normal = 900000 },
	{ "global_outbound_http_intra_stream_read_timeout_ms", KEY_U64,
	  GW(outbound_read_timeout_ms), .min = 1 },
	{ "relay", KEY_LATER },
	{ "metrics", KEY_TABLE, .table = &metrics_table, .at_start = true,
	  KEPT_RANGE(gateway.overhead_buckets, gateway.noverhead_buckets) },
	{ "cache", KEY_CALL, .call = read_cache },
};
const struct table gateway_table =
	TABLE("struct UninitializedGatewayConfig", gateway_keys, .walked = true);

/* ---- object_storage, postgres, rate_limiting ---- */

static const char *const storage_types[] = { "s3_compatible", "filesystem", "disabled", NULL };

void read_object_storage(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	static const struct key type_key = {
		"type", KEY_ANY_CHOICE, .choices = storage_types, .later = 1 << 0 | 1 << 1,
		.fix = "write \"disabled\": files are passed on and not stored"
	};
	struct toml *type = toml_get(t, "type");

	if (!want_table(l, t, path, "internally tagged enum StorageKind"))
		return;
	if (!type)
		return missing_field(l, t, path, "type", "`type = \"disabled\"`");
	path = path_join(l, path, ".", B("type"));
	if (!is_text(type))
		return type_error(l, type, path, "variant identifier", "write \"disabled\"");
	read_key(l, &type_key, type, path, into);
	l->config->object_storage_set = true;
	for (const struct toml *c = t->child; c && bytes_eq(type->text, B("disabled")); c = c->next)
		if (c != type)
			warn_text(
				l, c, path,
				"object_storage.%.*s: has no effect with `type = \"disabled\"` (remove it)",
				BFMT(c->key));
}

void read_postgres(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	(void)into;
	if (says_off(t))
		return warn_text(
			l, t, path,
			"Deprecation Warning: `postgres.enabled` is deprecated. (it has no effect in this version; remove it)");
	not_yet(l, t, path, B("postgres"));
}

void read_rate_limiting(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	const struct toml *rules = toml_get(t, "rules");

	(void)into;
	if (says_off(t) || (t->type == TOML_TABLE && (!rules || is_empty(rules))))
		return;
	not_yet(l, t, path, B("rate_limiting"));
}
