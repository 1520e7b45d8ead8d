/*
 * Configuration: TOML files -> one immutable `struct config`, every error with its file, line and key
 * path (config §1, signet-own (a)). All strings live in the config's own arena. Reference-counted,
 * so that a reload can swap it whole.
 */
#ifndef SIGNET_CONFIG_CONFIG_H
#define SIGNET_CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/map.h"
#include "config/cost.h"
#include "config/sync_policy.h"
#include "inference/extra.h"

struct provider_kind;
struct shorthands;
struct signer;
struct toml;

enum credential_kind {
	CREDENTIAL_NONE,
	CREDENTIAL_STATIC,
	CREDENTIAL_DYNAMIC,
	CREDENTIAL_FALLBACK,
	CREDENTIAL_SEVERAL,
	CREDENTIAL_SDK, /* the platform's own chain of sources */
	CREDENTIAL_MISSING
};
struct key_ring;
struct credential {
	enum credential_kind kind;
	struct bytes value; /* static: the secret; missing: what is wrong, for messages */
	struct bytes key;   /* dynamic: name in the request's credentials (client_authorization and
			     * client_x_api_key: the client's header); missing: the variable's name, if it is one */
	const struct credential *first, *second; /* fallback */
	struct key_ring *ring;                   /* several */
	bool blank;   /* missing: something is there, but only white space */
	bool trimmed; /* static: white space around it was cut off */
};

#define API_KEYS_MAX 32

/* Several keys of one provider, and what changes of them: atomic (route/keys.h). */
struct key_ring {
	struct credential *keys;
	size_t n, turn;
	uint64_t rests_until_ms
		[API_KEYS_MAX]; /* clock_mono_ms(): not used before, as long as there are others */
};

#define TIMEOUT_AT_ONCE UINT64_MAX /* a configured 0: every call fails */
struct timeouts {                  /* 0 = unset */
	uint64_t total_ms, ttft_ms, stream_total_ms;
};

struct strings {
	struct bytes *at;
	size_t len, cap;
	bool set;
};

#define SIGNER_INPUTS 4

/* What makes a signature: a module, or a scheme that is built in. */
enum signer_kind { SIGNER_WASM, SIGNER_SIGV4, SIGNER_HMAC };

struct signer_config {
	bool set;
	int kind; /* enum signer_kind */
	struct bytes path, sha256;
	uint32_t memory_mb, timeout_ms, pool; /* see struct signer_limits */
	/* nonce, timestamp, device_id, body, content, method, url, path, "" */
	struct bytes inputs[SIGNER_INPUTS];
	struct bytes header, nonce_header, timestamp_header, device_id_header; /* "" = not sent */
	struct credential device_id;
	struct signer *
		signer; /* loaded at start; NULL in `signet check` of a missing module, and of other kinds */
	/* SIGNER_SIGV4; without a key_id AWS's own sources are asked */
	struct bytes service, region;
	struct credential key_id, session_token;
	struct credential secret; /* of SIGNER_HMAC, too */
	/* SIGNER_HMAC: what stands between the inputs, before the signature, and how that is printed */
	struct bytes separator, prefix;
	bool base64;
};

struct provider_config {
	struct bytes name;                /* the key under providers */
	const struct provider_kind *kind; /* a part of its struct provider_type */
	struct bytes type;                /* the type's name */
	struct bytes model_name;
	struct bytes endpoint; /* the URL that is called, if it is the same for every request */
	const struct url *url; /* the same, taken apart; NULL: each call does that */
	struct credential api_key;
	struct timeouts timeouts;
	struct extras extra_body, extra_headers;
	struct strings drop_fields;
	int unsupported_as_placeholder; /* -1: [surfaces] decides */
	struct cost_entries cost;
	const struct price *price; /* of its model in the list; NULL: none */
	struct signer_config signer;
	void *options;                    /* what only its type has: a struct of the type's own */
	const struct model_config *model; /* the one it belongs to */
	const struct toml *node;          /* its table; NULL: it has none */
	bool embeds;                      /* it belongs to an embedding model */
	size_t *in_flight; /* calls under way, atomic: all of a configuration that changes. NULL: not counted */
};

struct model_config {
	struct bytes name;
	struct provider_config **routing; /* in order of trial */
	size_t nrouting;
	struct timeouts timeouts;
	struct bytes namespace_;
	struct bytes label; /* as metrics name it; unset: its name */
	bool embeds;        /* it is an embedding model */
};

static inline struct bytes model_label(const struct model_config *m)
{
	return bytes_set(m->label) ? m->label : m->name;
}

struct alias {
	struct bytes name; /* without the '*' if it is a prefix */
	bool prefix;
	struct bytes target, display_name;
	int64_t max_input_tokens, max_output_tokens; /* -1 unset */
};

enum list_kind {
	LIST_MODELS = 1,
	LIST_FUNCTIONS = 2,
	LIST_EMBEDDINGS = 4,
	LIST_ALIASES = 8,
	LIST_DISCOVERED = 16
};

enum store_backend { BACKEND_AUTO, BACKEND_CLICKHOUSE, BACKEND_POSTGRES, BACKEND_SQLITE };
enum record_content { CONTENT_FULL, CONTENT_METADATA, CONTENT_HASH };
enum also_store { ALSO_SQLITE = 1, ALSO_CLICKHOUSE = 2 };

struct clickhouse_config {
	struct bytes url, cluster; /* of the environment; unset: none */
	bool single_node;          /* TENSORZERO_OVERRIDE_NON_REPLICATED_CLICKHOUSE=1 */
	bool disable_automatic_migrations, dedup_window;
};

/* What somebody may do with the gateway's own pages and routes; each includes those before it (ui §7). */
enum guard_role { ROLE_NONE, ROLE_VIEWER, ROLE_EDITOR, ROLE_ADMIN };
extern const char *const role_names[]; /* ends with NULL */

enum ui_auth { UI_AUTH_AUTO, UI_AUTH_REQUIRED, UI_AUTH_NONE };

struct ui_user {
	struct bytes name;
	struct bytes password_hash; /* $scrypt$…; unset in `signet check` of a missing one */
	enum guard_role role;
};

struct ui_config {
	bool enabled;              /* the pages and their routes are there */
	struct bytes bind_address; /* "ip:port" of a listener for them alone; unset: none */
	enum ui_auth auth;
	enum guard_role default_key_role; /* of keys that have none of their own */
	struct bytes public_url;          /* unset: whatever Host the browser says */
	struct ui_user *users;
	size_t nusers;
	struct bytes password; /* SIGNET_UI_PASSWORD: of one admin, UI_ADMIN; unset: none */
};
#define UI_ADMIN B("admin")

struct gateway_config {
	struct bytes bind_address; /* "ip:port" */
	struct bytes base_path;    /* "" or "/x" */
	bool debug, unstable_error_json, fetch_files;
	uint64_t outbound_timeout_ms;      /* 900000 */
	uint64_t outbound_read_timeout_ms; /* 0 = unset */
	double *overhead_buckets;          /* ends with 0; the list may be empty */
	size_t noverhead_buckets;
	int observability; /* -1 unset, 0, 1 */
	int backend;       /* enum store_backend; once all is read AUTO means SQLite */
	uint64_t flush_interval_ms, max_rows; /* of batches to ClickHouse */
	bool auth;                            /* a key is asked for */
};

enum access_log { ACCESS_LOG_OFF, ACCESS_LOG_API, ACCESS_LOG_ALL };

struct server_config {
	int workers; /* 0 = as many as there are cores allowed */
	bool finish_on_disconnect;
	uint64_t drain_s, drain_notice_s;
	uint64_t max_connections, max_header_kib, max_headers, max_body_mib, body_memory_mib,
		answer_memory_mib;
	uint64_t header_timeout_ms, body_idle_ms, keepalive_ms, write_idle_ms;
	int access_log;              /* enum access_log */
	bool metrics_auth;           /* /metrics needs a key where one is asked for */
	struct strings cors_origins; /* of web pages that may call */
};

struct upstream_config {
	uint64_t connect_timeout_ms, idle_ms, max_idle, dns_ttl_s, max_files, max_files_mib;
	struct bytes ca_file; /* unset: the system's */
};

struct surfaces_config {
	struct alias *aliases;
	size_t naliases;
	struct bytes default_model;
	bool shorthand, error_status_gateway, unsupported_as_placeholder, reasoning_to_client,
		auto_cache;
	unsigned list; /* bits of enum list_kind */
	uint64_t head_after_ms, ping_ms;
	bool reject_tools; /* unsupported_tools = "reject" */
	/* of the Responses API */
	bool responses_store, responses_short_echo, responses_upstream_state;
	uint64_t responses_days;
};

enum affinity_kind { AFFINITY_NONE, AFFINITY_SESSION, AFFINITY_PREFIX, AFFINITY_HEADER };
#define ROUTING_SESSIONS 16384

struct routing_config {
	enum affinity_kind affinity;
	struct bytes affinity_header; /* of AFFINITY_HEADER, in lower case */
	uint64_t *sessions; /* atomic: where each was last (route/keys.h); NULL: not asked for */
};

struct journal_config {
	enum sync_policy sync;
	uint64_t sync_ms, segment_mb, max_mb, queue_mb, wait_ms, keep_mb, reserve_mb;
	bool refuse_when_full, compress;
};

struct sqlite_config {
	bool search_off;
	uint64_t retention_days, retention_body_days, retention_max_mb; /* 0: no bound */
};

struct config {
	struct arena arena;
	size_t refs; /* atomic */
	char hash[65];
	char hash_decimal[80]; /* the same number in decimal, as rows have it */
	uint64_t loaded_unix_ms;
	struct bytes snapshot;   /* the canonical text that was hashed, without secrets */
	const struct toml *root; /* what was read, for entries.h */

	struct gateway_config gateway;
	bool object_storage_set; /* [object_storage] is there (type disabled) */

	struct model_config **models; /* as configured */
	size_t nmodels;
	struct map model_by_name;
	struct model_config **embedding_models; /* the same of [embedding_models] */
	size_t nembedding_models;
	struct map embedding_model_by_name;
	struct credential *default_keys; /* of each type: provider_types, else its variable */
	struct bytes *default_endpoints; /* of each type: provider_types; unset: the type's own */
	void **default_options;          /* the same of its options; NULL: none */

	struct server_config server;
	struct upstream_config upstream;
	struct bytes module_cache_dir; /* [signing] cache_dir; unset = ‹data›/modules, "" = none */
	struct surfaces_config surfaces;
	struct routing_config routing;
	struct ui_config ui;
	struct bytes data_dir; /* resolved: flag, environment, TOML, default */
	uint64_t shutdown_drain_s;
	unsigned also; /* bits of enum also_store */
	struct price_list prices;
	int unpriced; /* enum unpriced */
	uint64_t local_days;
	struct clickhouse_config clickhouse;
	struct sqlite_config sqlite;
	struct journal_config journal;
	uint64_t max_raw_kib;
	int record_content; /* enum record_content */

	struct bytes base_dir; /* of the first file, for signer paths of shorthands */

	struct signer_cache *signers;  /* config/'s own: the modules, loaded once each */
	struct shorthands *shorthands; /* models that no table names, made on first use */
};

struct config_options {
	const char *glob;         /* --config-file; NULL with default_config */
	const char *const *globs; /* `signet check A B`: more of them, ends with NULL; or NULL */
	bool default_config;
	const char *bind_address, *data_dir; /* command line; NULL = not given */
	int workers;                         /* 0 = not given */
	/* `signet check`: missing variables and modules are warnings; signers are checked but need no data directory. */
	bool offline;
	struct bytes text; /* tests and fuzzers: one document instead of files, "signet.toml" */
};

/* One finding. `line` 0: no place in a file. */
struct config_issue {
	struct bytes file, key, text; /* text: TensorZero's whole message and "(value; fix)" */
	size_t line;
	bool warning;
};
struct config_issues {
	struct arena arena;
	struct config_issue *at;
	size_t len, cap;
	size_t files; /* how many were read */
};

/*
 * Loads. NULL: `issues` holds at least one that is no warning, in the order of the files. Reads
 * credentials from the environment and loads signer modules, unless offline. Not on a fiber.
 */
struct config *config_load(const struct config_options *, struct config_issues *);
/* Makes the threads of its signers, before it serves. -1: ERR_IO, which says which cannot be had. */
int config_start_signers(const struct config *);
void config_ref(struct config *);
void config_unref(struct config *);
void config_issues_deinit(struct config_issues *);
/* "file:line: text", "file: text" or "text", a warning's text behind "warning: ": one line of a report. */
int config_issue_print(const struct config_issue *, struct buf *out);

struct model_config *config_model(const struct config *, struct bytes name); /* NULL: none */
struct model_config *config_embedding_model(const struct config *, struct bytes name);
/* The alias that stands for this name: the one of exactly that name, else the longest prefix. NULL: none. */
const struct alias *config_alias(const struct config *, struct bytes name);
/* `signet check`: argv without the program and "check". Returns the exit status. */
int config_check_main(int argc, char **argv);

#endif
