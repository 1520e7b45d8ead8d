/*
 * What a configuration becomes: values and defaults, credentials, providers, signers, the hash, and
 * the whole list of reports of tests/unit/config_cases.txt.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "config/config.h"
#include "sign/signer.h"
#include "upstream/openai.h"
#include "upstream/rust_proxy.h"
#include "unit.h"

static struct config_issues issues;
static bool short_of_memory; /* the file's name may be missing then */

/* Loads a document with the environment as it is. NULL: it was refused. */
static struct config *load(const char *toml, bool offline)
{
	struct config_options options = { .text = bytes_of(toml), .offline = offline };

	return config_load(&options, &issues);
}

static struct config *load_good(const char *toml)
{
	struct config *c = load(toml, true);

	for (size_t i = 0; !c && i < issues.len; i++)
		print_error("%.*s\n", BFMT(issues.at[i].text));
	assert_non_null(c);
	return c;
}

static void drop(struct config *c)
{
	for (size_t i = 0; i < issues.len && !short_of_memory; i++) /* a line is a line of a file */
		assert_int_equal(issues.at[i].line > 0, issues.at[i].file.n > 0);
	config_unref(c);
	config_issues_deinit(&issues);
}

static struct provider_config *first(struct config *c, const char *model)
{
	struct model_config *m = config_model(c, bytes_of(model));

	assert_non_null(m);
	return m->routing[0];
}

static struct rust_proxy_options *proxy_options(struct config *c)
{
	return first(c, "r")->options;
}

static int fresh_environment(void **state)
{
	(void)state;
	clearenv();
	setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1);
	return 0;
}

/* ---- every report ---- */

static char *read_whole(const char *path, size_t *n)
{
	FILE *f = fopen(path, "re");
	char *text = malloc(1 << 20);

	assert_non_null(f);
	assert_non_null(text);
	*n = fread(text, 1, 1 << 20, f);
	fclose(f);
	return text;
}

/* The part up to a line that is `mark`, which is taken off the front together with it. */
static struct bytes take_part(struct bytes *rest, const char *mark)
{
	struct bytes m = bytes_of(mark), all = *rest;
	size_t at = 0;

	while (at < all.n) {
		struct bytes here = bytes_slice(all, at, all.n);

		if (bytes_starts(here, m)) {
			*rest = bytes_slice(here, m.n, here.n);
			return bytes_slice(all, 0, at);
		}
		while (at < all.n && all.p[at++] != '\n')
			;
	}
	*rest = bytes_slice(all, all.n, 0);
	return all;
}

static void test_each_case_draws_exactly_its_lines(void **state)
{
	size_t n, cases = 0, wrong = 0;
	char *text = read_whole("tests/unit/config_cases.txt", &n);
	struct bytes rest = { text, n };
	struct buf got;

	(void)state;
	buf_init(&got, 1 << 20);
	take_part(&rest, "===\n");
	while (rest.n) {
		struct bytes toml = take_part(&rest, "---\n"), report = take_part(&rest, "===\n");
		struct config_options options = { .text = toml };
		struct config *c = config_load(&options, &issues);

		buf_reset(&got);
		for (size_t i = 0; i < issues.len; i++) {
			config_issue_print(&issues.at[i], &got);
			buf_putc(&got, '\n');
		}
		if (!bytes_eq(buf_bytes(&got), report)) {
			print_error("%.*s--- want\n%.*s--- got\n%.*s\n", BFMT(toml), BFMT(report),
				    BFMT(buf_bytes(&got)));
			wrong++;
		}
		cases++;
		drop(c);
	}
	assert_int_equal(wrong, 0);
	assert_true(cases > 200);
	buf_deinit(&got);
	free(text);
}

/* ---- values ---- */

static void test_defaults_are_those_of_the_vocabulary(void **state)
{
	struct config *c = load_good("");

	(void)state;
	assert_bytes(c->gateway.bind_address, "0.0.0.0:3000");
	assert_bytes(c->gateway.base_path, "");
	assert_int_equal(c->gateway.outbound_timeout_ms, 900000);
	assert_int_equal(c->gateway.observability, -1);
	assert_int_equal(c->gateway.noverhead_buckets, 3);
	assert_true(c->gateway.overhead_buckets[2] == 0.1 && c->gateway.overhead_buckets[3] == 0);
	assert_int_equal(c->server.workers, 0);
	assert_int_equal(c->server.drain_s, 30);
	assert_int_equal(c->server.max_body_mib, 100);
	assert_int_equal(c->server.header_timeout_ms, 10000);
	assert_false(c->server.finish_on_disconnect);
	assert_int_equal(c->upstream.max_idle, 256);
	assert_true(c->surfaces.shorthand && c->surfaces.reasoning_to_client);
	assert_int_equal(c->surfaces.list, 31);
	assert_int_equal(c->journal.sync, SYNC_INTERVAL);
	assert_int_equal(c->journal.max_mb, 8192);
	assert_int_equal(c->max_raw_kib, 4096);
	assert_bytes(c->data_dir, "./signet-data");
	assert_false(c->object_storage_set);
	assert_false(bytes_set(c->module_cache_dir));
	drop(c);
}

static void test_written_values_arrive(void **state)
{
	struct config *c = load_good(
		"[gateway]\nbind_address = \"[::1]:0\"\nbase_path = \"/llm/\"\n"
		"debug = true\nunstable_error_json = true\n"
		"fetch_and_encode_input_files_before_inference = true\n"
		"global_outbound_http_intra_stream_read_timeout_ms = 5\n"
		"metrics.tensorzero_inference_latency_overhead_seconds_buckets = []\n"
		"observability = { enabled = false, backend = \"sqlite\" }\n"
		"[server]\nworkers = 2\non_disconnect = \"finish\"\naccess_log = true\n"
		"[signing]\ncache_dir = \"\"\n"
		"[surfaces]\nshorthand = false\nlist = [\"models\", \"aliases\"]\n"
		"unsupported_content = \"placeholder\"\nerror_status = \"gateway\"\n"
		"[surfaces.aliases]\n\"claude-*\" = \"openai::x\"\n"
		"fast = { target = \"openai::y\", display_name = \"Fast\", max_output_tokens = 9 }\n"
		"[journal]\nsync = \"never\"\non_full = \"refuse\"\ncompress = true\n"
		"[store]\ndata_dir = \"/d\"\n[record]\nmax_raw_kib = 7\n"
		"[object_storage]\ntype = \"disabled\"\n");

	(void)state;
	assert_bytes(c->gateway.bind_address, "[::1]:0");
	assert_bytes(c->gateway.base_path, "/llm");
	assert_true(c->gateway.debug && c->gateway.unstable_error_json && c->gateway.fetch_files);
	assert_int_equal(c->gateway.outbound_read_timeout_ms, 5);
	assert_int_equal(c->gateway.noverhead_buckets, 0);
	assert_int_equal(c->gateway.observability, 0);
	assert_int_equal(c->server.workers, 2);
	assert_true(c->server.finish_on_disconnect && c->server.access_log);
	assert_true(bytes_set(c->module_cache_dir) && c->module_cache_dir.n == 0);
	assert_false(c->surfaces.shorthand);
	assert_int_equal(c->surfaces.list, LIST_MODELS | LIST_ALIASES);
	assert_true(c->surfaces.unsupported_as_placeholder && c->surfaces.error_status_gateway);
	assert_int_equal(c->surfaces.naliases, 2);
	assert_true(c->surfaces.aliases[0].prefix && !c->surfaces.aliases[1].prefix);
	assert_bytes(c->surfaces.aliases[0].name, "claude-");
	assert_bytes(c->surfaces.aliases[1].display_name, "Fast");
	assert_int_equal(c->surfaces.aliases[1].max_input_tokens, -1);
	assert_int_equal(c->surfaces.aliases[1].max_output_tokens, 9);
	assert_int_equal(c->journal.sync, SYNC_NEVER);
	assert_true(c->journal.refuse_when_full && c->journal.compress);
	assert_bytes(c->data_dir, "/d");
	assert_int_equal(c->max_raw_kib, 7);
	assert_true(c->object_storage_set);
	drop(c);
}

static void test_base_path_of_one_slash_is_none(void **state)
{
	struct config *c = load_good("gateway.base_path = \"/\"\n");

	(void)state;
	assert_bytes(c->gateway.base_path, "");
	drop(c);
}

static void test_environment_wins_over_toml_and_the_command_line_over_both(void **state)
{
	static const char toml[] =
		"[server]\nworkers = 3\non_disconnect = \"cancel\"\n[store]\ndata_dir = \"/toml\"\n";
	struct config_options options = { .text = B(toml), .workers = 5, .data_dir = "/flag" };
	struct config *c;

	(void)state;
	setenv("SIGNET_WORKERS", "4", 1);
	setenv("SIGNET_DATA_DIR", "/env", 1);
	setenv("SIGNET_ON_DISCONNECT", "finish", 1);
	setenv("SSL_CERT_FILE", "/ca.pem", 1);
	c = load_good(toml);
	assert_int_equal(c->server.workers, 4);
	assert_bytes(c->data_dir, "/env");
	assert_true(c->server.finish_on_disconnect);
	assert_bytes(c->upstream.ca_file, "/ca.pem");
	drop(c);
	c = config_load(&options, &issues);
	assert_non_null(c);
	assert_int_equal(c->server.workers, 5);
	assert_bytes(c->data_dir, "/flag");
	drop(c);
	setenv("SIGNET_WORKERS", "0", 1);
	setenv("SIGNET_ON_DISCONNECT", "stay", 1);
	assert_null(load(toml, false));
	assert_int_equal(issues.len, 2);
	assert_bytes(issues.at[0].text, "SIGNET_WORKERS: `0` is out of range (from 1 to 1024)");
	assert_bytes(issues.at[1].text,
		     "SIGNET_ON_DISCONNECT: unknown variant `stay`, expected `cancel` or `finish`");
	drop(NULL);
}

static void test_bind_address_may_be_given_once(void **state)
{
	static const char conflict[] =
		"You must only specify one of `--bind-address` (CLI), `TENSORZERO_GATEWAY_BIND_ADDRESS` (environment variable), or `gateway.bind_address` (configuration).";
	struct config_options options = { .text = B(""), .bind_address = "127.0.0.1:1" };
	struct config *c;

	(void)state;
	setenv("TENSORZERO_GATEWAY_BIND_ADDRESS", "127.0.0.1:2", 1);
	c = config_load(&options, &issues);
	assert_non_null(c);
	assert_bytes(c->gateway.bind_address, "127.0.0.1:1");
	drop(c);
	c = load_good("");
	assert_bytes(c->gateway.bind_address, "127.0.0.1:2");
	drop(c);
	assert_null(load("\n[gateway]\nbind_address = \"127.0.0.1:3\"\n", false));
	assert_bytes(issues.at[0].text, conflict);
	assert_int_equal(issues.at[0].line, 3);
	drop(NULL);
	options.bind_address = "localhost:1";
	assert_null(config_load(&options, &issues));
	assert_bytes(
		issues.at[0].text,
		"gateway.bind_address: invalid socket address syntax (`localhost:1`, from --bind-address; write 127.0.0.1:3000)");
	drop(NULL);
}

static void test_flags_exclude_each_other(void **state)
{
	struct config_options none = { 0 }, both = { .glob = "x.toml", .default_config = true };
	struct config_options empty = { .default_config = true };
	struct config *c;

	(void)state;
	assert_null(config_load(&none, &issues));
	assert_bytes(issues.at[0].text,
		     "You must specify either `--config-file` or `--default-config`.");
	drop(NULL);
	assert_null(config_load(&both, &issues));
	assert_bytes(issues.at[0].text,
		     "You must not specify both `--config-file` and `--default-config`.");
	drop(NULL);
	c = config_load(&empty, &issues);
	assert_non_null(c);
	assert_int_equal(issues.len, 1);
	assert_true(issues.at[0].warning);
	drop(c);
}

static void test_stores_are_those_whose_variables_are_set(void **state)
{
	struct config *c;

	(void)state;
	setenv("TENSORZERO_CLICKHOUSE_URL", "http://u:secret@h/db", 1);
	c = load("", false);
	assert_non_null(c);
	assert_int_equal(issues.len, 0);
	assert_int_equal(c->gateway.backend, BACKEND_CLICKHOUSE);
	assert_bytes(c->clickhouse.url, "http://u:secret@h/db");
	assert_true(c->clickhouse.dedup_window);
	drop(c);
	c = load(
		"[gateway.observability]\nbackend = \"sqlite\"\n[store]\nalso = [\"clickhouse\"]\n",
		false);
	assert_non_null(c);
	assert_int_equal(issues.len, 0);
	assert_int_equal(c->gateway.backend, BACKEND_SQLITE);
	assert_int_equal(c->also, ALSO_CLICKHOUSE);
	drop(c);
	c = load("[gateway.observability]\nbackend = \"sqlite\"\n", false);
	assert_non_null(c);
	assert_int_equal(issues.len, 1);
	assert_true(issues.at[0].warning);
	assert_true(bytes_find(issues.at[0].text, B("nothing is written to ClickHouse")) > 0);
	drop(c);
}

static void test_postgres_only_warns(void **state)
{
	struct config *c;

	(void)state;
	setenv("TENSORZERO_POSTGRES_URL", "postgres://u:secret@h/db", 1);
	c = load("", false);
	assert_non_null(c);
	assert_int_equal(issues.len, 1);
	assert_true(issues.at[0].warning);
	assert_bytes(
		issues.at[0].text,
		"TENSORZERO_POSTGRES_URL is set, but this version of Signet does not write to Postgres: it records to SQLite");
	drop(c);
	unsetenv("TENSORZERO_POSTGRES_URL");
}

/* ---- providers ---- */

#define OPENAI                                                                                    \
	"[models.m]\nrouting = [\"p\"]\n[models.m.providers.p]\ntype = \"openai\"\nmodel_name = " \
	"\"gpt-4o\"\n"

static void test_openai_provider_and_its_addresses(void **state)
{
	static const struct {
		const char *base, *want_endpoint;
	} rows[] = {
		{ "http://h:1/v1/", "http://h:1/v1/chat/completions" },
		{ "http://h:1/v1", "http://h:1/v1/chat/completions" },
		{ "http://h", "http://h/chat/completions" },
		{ "https://h?v=1", "https://h/chat/completions?v=1" },
		{ "https://h/a/?v=1#f", "https://h/a/chat/completions?v=1" },
		{ "http://[::1]:8/x", "http://[::1]:8/x/chat/completions" },
	};
	char toml[512];
	struct config *c;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(toml, sizeof(toml),
			 OPENAI "api_key_location = \"none\"\napi_base = \"%s\"\n", rows[i].base);
		c = load_good(toml);
		assert_bytes(first(c, "m")->endpoint, rows[i].want_endpoint);
		drop(c);
	}
	c = load_good(
		OPENAI
		"api_key_location = \"none\"\ndiscard_unknown_chunks = true\ntool_strict = \"inner\"\n"
		"drop_fields = [\"user\"]\nunsupported_content = \"placeholder\"\n"
		"content_type_overrides = { \"image/heic\" = \"file\" }\n"
		"timeouts = { non_streaming.total_ms = 1, streaming = { ttft_ms = 2, total_ms = 3 } }\n");
	assert_bytes(first(c, "m")->type, "openai");
	assert_bytes(first(c, "m")->model_name, "gpt-4o");
	assert_bytes(first(c, "m")->endpoint, "https://api.openai.com/v1/chat/completions");
	assert_int_equal(first(c, "m")->api_key.kind, CREDENTIAL_NONE);
	assert_int_equal(((struct openai_options *)first(c, "m")->options)->tool_strict,
			 STRICT_INNER);
	assert_int_equal(first(c, "m")->unsupported_as_placeholder, 1);
	assert_bytes(first(c, "m")->drop_fields.at[0], "user");
	assert_bytes(((struct openai_options *)first(c, "m")->options)->overrides[0].mime_type,
		     "image/heic");
	assert_int_equal(((struct openai_options *)first(c, "m")->options)->overrides[0].form,
			 FILE_FILE);
	assert_int_equal(first(c, "m")->timeouts.total_ms, 1);
	assert_int_equal(first(c, "m")->timeouts.ttft_ms, 2);
	assert_int_equal(first(c, "m")->timeouts.stream_total_ms, 3);
	assert_false(first(c, "m")->signer.set);
	assert_ptr_equal(first(c, "m")->model, config_model(c, B("m")));
	drop(c);
}

/* A number goes out as the TOML wrote it; extra_body values are compact JSON (config §2.19). */
static void test_extras_keep_order_and_numbers(void **state)
{
	struct config *c = load_good(
		OPENAI
		"api_key_location = \"none\"\n"
		"extra_body = [\n { pointer = \"/a~1b\", value = { x = [1.50, 0x10, \"s\"], d = 1979-05-27 } },\n"
		" { pointer = \"/t\", value = 0.1 },\n { pointer = \"/gone\", delete = true },\n"
		" { pointer = \"/both\", delete = true, value = 1 } ]\n"
		"extra_headers = [{ name = \"X-A\", value = \"b\" }, { name = \"X-C\", delete = true }]\n");
	struct provider_config *p = first(c, "m");

	(void)state;
	assert_int_equal(p->extra_body.len, 4);
	assert_bytes(p->extra_body.at[0].pointer, "/a~1b");
	assert_bytes(p->extra_body.at[0].value, "{\"x\":[1.50,16,\"s\"],\"d\":\"1979-05-27\"}");
	assert_bytes(p->extra_body.at[1].value, "0.1");
	assert_true(p->extra_body.at[2].remove);
	assert_true(p->extra_body.at[3].remove);
	assert_int_equal(p->extra_headers.len, 2);
	assert_bytes(p->extra_headers.at[0].pointer, "X-A");
	assert_bytes(p->extra_headers.at[0].value, "b");
	assert_true(p->extra_headers.at[1].remove);
	drop(c);
}

static void test_routing_order_and_names(void **state)
{
	struct config *c = load_good(
		"[models.\"gpt-4.1\"]\nrouting = [\"b\", \"a\"]\nnamespace = \"n\"\nskip_relay = true\n"
		"timeouts.streaming.ttft_ms = 4\n"
		"providers.a = { type = \"openai\", model_name = \"1\", api_key_location = \"none\" }\n"
		"providers.b = { type = \"openai\", model_name = \"2\", api_key_location = \"none\" }\n");
	struct model_config *m = config_model(c, B("gpt-4.1"));

	(void)state;
	assert_int_equal(c->nmodels, 1);
	assert_int_equal(m->nrouting, 2);
	assert_bytes(m->routing[0]->name, "b");
	assert_bytes(m->routing[1]->name, "a");
	assert_bytes(m->namespace_, "n");
	assert_int_equal(m->timeouts.ttft_ms, 4);
	assert_null(config_model(c, B("gpt-4")));
	drop(c);
}

static void test_credentials(void **state)
{
	struct config *c;
	const struct credential *k;

	(void)state;
	setenv("OPENAI_API_KEY", "sk-default", 1);
	setenv("MINE", "sk-mine", 1);
	c = load(OPENAI, false);
	assert_non_null(c);
	assert_int_equal(first(c, "m")->api_key.kind, CREDENTIAL_STATIC);
	assert_bytes(first(c, "m")->api_key.value, "sk-default");
	drop(c);
	c = load(OPENAI "api_key_location = \"env::MINE\"\n", false);
	assert_bytes(first(c, "m")->api_key.value, "sk-mine");
	drop(c);
	c = load(OPENAI "api_key_location = \"dynamic::client_authorization\"\n", false);
	assert_int_equal(first(c, "m")->api_key.kind, CREDENTIAL_DYNAMIC);
	assert_bytes(first(c, "m")->api_key.key, "client_authorization");
	drop(c);
	c = load("[provider_types.openai.defaults]\napi_key_location = \"env::MINE\"\n" OPENAI,
		 false);
	assert_bytes(first(c, "m")->api_key.value, "sk-mine");
	drop(c);
	/* one of the two is enough (config §5.2) */
	c = load(OPENAI
		 "api_key_location = { default = \"env::NOT_THERE\", fallback = \"env::MINE\" }\n",
		 false);
	assert_non_null(c);
	k = &first(c, "m")->api_key;
	assert_int_equal(k->kind, CREDENTIAL_FALLBACK);
	assert_int_equal(k->first->kind, CREDENTIAL_MISSING);
	assert_bytes(k->first->key, "NOT_THERE");
	assert_bytes(k->second->value, "sk-mine");
	drop(c);
	assert_null(load(OPENAI
			 "api_key_location = { default = \"env::A\", fallback = \"env::B\" }\n",
			 false));
	assert_bytes(
		issues.at[0].text,
		"models.m.providers.p: API key missing for provider OpenAI: Environment variable `A` is missing (set it, or write another `api_key_location`)");
	drop(NULL);
	/* a default that nobody uses is never missed */
	c = load("[provider_types.openai.defaults]\napi_key_location = \"env::NOT_THERE\"\n",
		 false);
	assert_non_null(c);
	drop(c);
}

static void test_white_space_around_a_key_is_cut_off(void **state)
{
	static const char *const values[] = { "sk-mine\n",
					      "sk-mine\r\n",
					      " sk-mine",
					      "\tsk-mine \n ",
					      "sk-mine\xc2\xa0",
					      "\xef\xbb\xbfsk-mine",
					      "sk-mine\xe2\x80\x8b\n" };
	struct config *c;

	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		setenv("MINE", values[i], 1);
		c = load(OPENAI "api_key_location = \"env::MINE\"\n", false);
		assert_non_null(c);
		assert_bytes(first(c, "m")->api_key.value, "sk-mine");
		assert_int_equal(issues.len, 1);
		assert_true(issues.at[0].warning);
		assert_bytes(
			issues.at[0].text,
			"models.m.providers.p: Environment variable `MINE` has white space around its value, which is cut off (remove it)");
		drop(c);
	}
	setenv("MINE", "sk mine", 1); /* inside it is a part of the key */
	c = load(OPENAI "api_key_location = \"env::MINE\"\n", false);
	assert_bytes(first(c, "m")->api_key.value, "sk mine");
	assert_int_equal(issues.len, 0);
	drop(c);
}

/* For `check`, too, to which a variable that is not there is only a warning. */
static void test_a_key_that_is_blank_stops_the_start(void **state)
{
	static const struct {
		const char *value, *what;
	} cases[] = {
		{ "", "is empty" },
		{ "  ", "is blank" },
		{ "\n", "is blank" },
		{ "\xc2\xa0\r\n", "is blank" },
		{ "sk-a\nsk-b", "holds a line break or another control character" },
		{ "sk-\x01", "holds a line break or another control character" },
	};
	static const char *const places[] = {
		OPENAI "api_key_location = \"env::MINE\"\n",
		OPENAI
		"api_key_location = { default = \"env::MINE\", fallback = \"env::OTHER\" }\n",
		OPENAI
		"api_key_location = { default = \"env::OTHER\", fallback = \"env::MINE\" }\n",
		"[provider_types.openai.defaults]\napi_key_location = \"env::MINE\"\n" OPENAI,
	};

	(void)state;
	setenv("OTHER", "sk-other", 1);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t k = 0; k < 2 * sizeof places / sizeof *places; k++) {
			setenv("MINE", cases[i].value, 1);
			assert_null(load(places[k / 2], k % 2));
			assert_int_equal(issues.len, 1);
			assert_false(issues.at[0].warning);
			if (bytes_find(issues.at[0].text, bytes_of(cases[i].what)) < 0)
				fail_msg("%s is not in %.*s", cases[i].what,
					 BFMT(issues.at[0].text));
			drop(NULL);
		}
	setenv("OPENAI_API_KEY", "", 1); /* nobody uses it */
	drop(load_good(OPENAI "api_key_location = \"env::OTHER\"\n"));
	unsetenv("OPENAI_API_KEY");
}

/* What may be a key that was pasted in: of more than 20 characters only the first three are shown. */
static void test_a_location_that_is_none_may_be_a_key(void **state)
{
	static const struct {
		const char *location, *shown;
	} cases[] = {
		{ "abcdefghijklmnopqrst", "`abcdefghijklmnopqrst`" },
		{ "abcdefghijklmnopqrstu", "`abc...`" },
		{ "sk-1", "`sk-...`" },
	};
	char toml[512];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(toml, sizeof toml, OPENAI "api_key_location = \"%s\"\n",
			 cases[i].location);
		assert_null(load(toml, false));
		if (bytes_find(issues.at[0].text, bytes_of(cases[i].shown)) < 0)
			fail_msg("%s is not in %.*s", cases[i].shown, BFMT(issues.at[0].text));
		drop(NULL);
	}
}

static void test_an_alias_leads_to_a_model_that_is_there(void **state)
{
	struct config *c;

	(void)state;
	setenv("OPENAI_API_KEY", "sk-default", 1);
	c = load_good(OPENAI "[surfaces]\nlist = [\"models\", \"aliases\"]\n[surfaces.aliases]\n"
			     "a = \"m\"\nb = \"tensorzero::model_name::m\"\nc = \"openai::any\"\n");
	assert_int_equal(issues.len, 0);
	drop(c);
	c = load(OPENAI "[surfaces.aliases]\na = \"tensorzero::model_name::gone\"\n", false);
	assert_int_equal(issues.len, 1);
	assert_true(bytes_find(issues.at[0].text, B("gone")) >= 0);
	drop(c);
}

#define RUST_PROXY                                                       \
	"[models.r]\nrouting = [\"d\"]\n[models.r.providers.d]\ntype = " \
	"\"rust_proxy\"\nmodel_name = \"claude\"\n"

static void test_blank_variables_of_a_rust_proxy_stop_the_start(void **state)
{
	static const char *const names[] = { "API_ENDPOINT", "DEVICE_ID", "SID", "OS_TYPE" };

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		setenv("API_ENDPOINT", "http://127.0.0.1:9/stream/chat", 1);
		setenv("DEVICE_ID", "dev", 1);
		setenv("SID", "session", 1);
		setenv("OS_TYPE", "3", 1);
		setenv(names[i], " \n", 1);
		assert_null(load(RUST_PROXY, true));
		assert_false(issues.at[0].warning);
		if (bytes_find(issues.at[0].text, bytes_of(names[i])) < 0)
			fail_msg("%s is not in %.*s", names[i], BFMT(issues.at[0].text));
		drop(NULL);
	}
	unsetenv("OS_TYPE");
}

static void test_rust_proxy_from_the_environment(void **state)
{
	struct config *c;
	struct rust_proxy_options *o;
	struct provider_config *p;

	(void)state;
	setenv("API_ENDPOINT", "http://127.0.0.1:9/stream/chat", 1);
	setenv("DEVICE_ID", "dev", 1);
	setenv("SID", "session", 1);
	c = load_good(RUST_PROXY);
	p = first(c, "r");
	o = p->options;
	assert_bytes(p->type, "rust-proxy");
	assert_ptr_equal(provider_type_of(p)->wire, &wire_developer_api);
	assert_bytes(p->endpoint, "http://127.0.0.1:9/stream/chat");
	assert_bytes(o->device_id.value, "dev");
	assert_bytes(o->session_id.value, "session");
	assert_bytes(o->os_type, "3");
	assert_bytes(o->accept_language, "en");
	assert_bytes(o->developer_api.language, "en");
	assert_bytes(o->developer_api.search_mode, "web");
	assert_bytes(o->developer_api.plugin_for, "vscode");
	assert_false(o->developer_api.is_expert || o->developer_api.last_user ||
		     o->developer_api.estimate_usage);
	assert_false(bytes_set(o->models_endpoint));
	assert_int_equal(p->unsupported_as_placeholder, -1);
	assert_true(p->signer.set);
	assert_bytes(p->signer.path, "rust_proxy/sign_bg.wasm");
	assert_bytes(p->signer.inputs[3], "content");
	assert_bytes(p->signer.header, "sign");
	assert_int_equal(p->signer.memory_mb, 16);
	assert_int_equal(p->signer.timeout_ms, 100);
	assert_int_equal(p->signer.pool, 4);
	drop(c);
}

static void test_a_credentials_file_has_a_bound(void **state)
{
	static char text[65540], path[] = "/tmp/signet-credential-XXXXXX";
	char toml[512];
	int fd = mkstemp(path);
	struct config *c;

	(void)state;
	assert_true(fd >= 0);
	setenv("API_ENDPOINT", "http://127.0.0.1:9/stream/chat", 1);
	memset(text, 'k', sizeof text);
	snprintf(toml, sizeof toml,
		 RUST_PROXY "device_id = \"d\"\nsession_id_location = \"path::%s\"\n", path);
	assert_int_equal(write(fd, text, 65536), 65536);
	c = load_good(toml);
	assert_int_equal(proxy_options(c)->session_id.value.n, 65536);
	drop(c);
	assert_int_equal(write(fd, text, 1), 1);
	assert_null(load(toml, false));
	assert_true(bytes_find(issues.at[0].text, B(" is larger than 64 KiB")) > 0);
	drop(NULL);
	close(fd);
	unlink(path);
}

static void test_rust_proxy_keys(void **state)
{
	struct config *c;
	struct rust_proxy_options *o;
	struct provider_config *p;

	(void)state;
	setenv("MY_ENDPOINT", "http://h/api/stream/chat", 1);
	setenv("API_ENDPOINT", "http://not-this/", 1);
	c = load_good(
		RUST_PROXY
		"api_endpoint = \"env::MY_ENDPOINT\"\ndevice_id = \"lit\"\nos_type = \"7\"\n"
		"session_id_location = \"dynamic::sid\"\naccept_language = \"zh\"\n"
		"model_filter = { include_types = [\"base\"], exclude_types = [\"premium\"], min_usage_left = 2 }\n"
		"search_mode = \"none\"\nis_expert = true\nmessage_style = \"last_user\"\n"
		"estimate_usage = true\nplugin_for = \"x\"\n"
		"[models.r.providers.d.signer]\npath = \"/m.wasm\"\nmemory_limit_mb = 1\ntimeout_ms = 2\n"
		"pool = 3\n"
		"sha256 = \"ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789\"\n");
	p = first(c, "r");
	o = p->options;
	assert_bytes(p->endpoint, "http://h/api/stream/chat");
	assert_bytes(o->device_id.value, "lit");
	assert_bytes(o->os_type, "7");
	assert_int_equal(o->session_id.kind, CREDENTIAL_DYNAMIC);
	assert_bytes(o->session_id.key, "sid");
	assert_bytes(o->developer_api.language, "zh");
	assert_bytes(o->models_endpoint, "http://h/api/models");
	assert_true(o->filter.include.len == 1 && o->filter.exclude.len == 1);
	assert_bytes(o->filter.include.at[0], "base");
	assert_int_equal(o->filter.min_usage_left, 2);
	assert_true(o->developer_api.is_expert && o->developer_api.last_user &&
		    o->developer_api.estimate_usage);
	assert_bytes(p->signer.path, "/m.wasm");
	assert_int_equal(p->signer.pool, 3);
	assert_bytes(p->signer.sha256,
		     "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789");
	drop(c);
}

static void test_signer_without_device_id_needs_none(void **state)
{
	struct config *c = load_good(
		OPENAI
		"api_key_location = \"none\"\nsigner = { path = \"s.wasm\", inputs = [\"nonce\", \"timestamp\", \"\", \"body\"], header = \"x-signature\" }\n");
	struct signer_config *s = &first(c, "m")->signer;

	(void)state;
	assert_true(s->set);
	assert_bytes(s->inputs[2], "");
	assert_bytes(s->inputs[3], "body");
	assert_bytes(s->header, "x-signature");
	assert_bytes(s->nonce_header, "nonce");
	assert_bytes(s->device_id_header, "");
	assert_int_equal(s->device_id.kind, CREDENTIAL_NONE);
	drop(c);
	/* the default inputs name it: offline its absence is a warning, at a start an error */
	c = load_good(OPENAI "api_key_location = \"none\"\nsigner.path = \"s.wasm\"\n");
	assert_bytes(
		issues.at[0].text,
		"models.m.providers.p.signer: DEVICE_ID is not set (set it, or write `device_id_location`, or leave `device_id` out of `inputs`)");
	assert_bytes(first(c, "m")->signer.device_id_header, "device-id");
	drop(c);
}

/* ---- hash and snapshot ---- */

static void test_hash_ignores_order_and_comments_but_no_value(void **state)
{
	struct config
		*a = load_good(
			"# c\n[gateway]\nbase_path = '/x'\ndebug = true\n[server]\nworkers = 1\n"),
		*b;
	char hash[65];

	(void)state;
	memcpy(hash, a->hash, sizeof(hash));
	assert_int_equal(strlen(hash), 64);
	assert_bytes(a->snapshot,
		     "[gateway]\nbase_path = \"/x\"\ndebug = true\n[server]\nworkers = 1\n");
	drop(a);
	b = load_good("[server]\nworkers = 0x1\n[gateway]\ndebug = true\nbase_path = \"/x\"\n");
	assert_string_equal(b->hash, hash);
	drop(b);
	b = load_good("[server]\nworkers = 2\n[gateway]\ndebug = true\nbase_path = \"/x\"\n");
	assert_string_not_equal(b->hash, hash);
	drop(b);
}

static void test_snapshot_holds_no_secret(void **state)
{
	struct config *c = load_good(
		RUST_PROXY
		"session_id = \"hush1\"\ndevice_id = \"hush2\"\n"
		"extra_headers = [{ name = \"Authorization\", value = \"hush3\" }, { name = \"x\", value = \"v\" }]\n");

	(void)state;
	assert_true(bytes_find(c->snapshot, B("hush")) < 0);
	assert_true(bytes_find(c->snapshot, B("session_id = \"<secret>\"")) > 0);
	assert_true(bytes_find(c->snapshot, B("value = \"v\"")) > 0);
	assert_bytes(proxy_options(c)->session_id.value, "hush1");
	assert_bytes(first(c, "r")->extra_headers.at[0].value, "hush3");
	drop(c);
}

static void test_the_snapshot_quotes_only_what_is_no_bare_key(void **state)
{
	static const char *const bare[] = { "AZ", "az", "09", "_-" };
	static const char *const quoted[] = {
		"a.b", "a b", "a@", "a[", "a`", "a{", "a/", "a:", ""
	};
	char toml[256], want[64];

	(void)state;
	for (size_t i = 0; i < 12; i++) {
		const char *key = i < 4 ? bare[i] : quoted[i - 4];
		struct config *c;

		snprintf(toml, sizeof toml, "[surfaces.aliases.\"%s\"]\ntarget = \"x\"\n", key);
		snprintf(want, sizeof want,
			 i < 4 ? "[surfaces.aliases.%s]" : "[surfaces.aliases.\"%s\"]", key);
		c = load_good(toml);
		if (bytes_find(c->snapshot, bytes_of(want)) < 0)
			fail_msg("%s is not in %.*s", want, BFMT(c->snapshot));
		drop(c);
	}
}

/* ---- memory ---- */

static void test_references(void **state)
{
	struct config *c = load_good("");

	(void)state;
	config_ref(c);
	config_unref(c);
	assert_bytes(c->gateway.bind_address, "0.0.0.0:3000");
	drop(c);
}

static void test_out_of_memory_is_an_issue(void **state)
{
	(void)state;
#ifdef SIGNET_FAULTS
	fault_setup("config.alloc");
	assert_null(load("", true));
	fault_setup(NULL);
	assert_int_equal(issues.len, 1);
	assert_bytes(issues.at[0].text, "out of memory");
	drop(NULL);
#else
	skip(); /* a release build injects nothing */
#endif
}

/* Each allocation fails once: the load is refused with a reason, or is whole. */
static void test_each_failing_allocation_refuses_or_changes_nothing(void **state)
{
#ifdef SIGNET_FAULTS
	static const char toml[] = RUST_PROXY
		"session_id = \"s\"\ndevice_id = \"d\"\napi_endpoint = \"http://h/stream/chat\"\n"
		"model_filter = { include_types = [\"base\"] }\n"
		"extra_body = [{ pointer = \"/a\", value = [1, 2] }]\n" OPENAI
		"api_base = \"http://h/v1\"\napi_key_location = { default = \"dynamic::k\", fallback = \"none\" }\n"
		"signer = { path = \"s.wasm\", inputs = [\"nonce\", \"timestamp\", \"\", \"body\"] }\n"
		"[surfaces]\naliases.x = \"m\"\n";
	struct config *c = load_good(toml);
	size_t refused = 0, whole = 0;
	char hash[65], spec[32];

	memcpy(hash, c->hash, sizeof(hash));
	drop(c);
	short_of_memory = true;
	for (int n = 1; n < 300; n++) {
		snprintf(spec, sizeof(spec), "alloc:%d", n);
		fault_setup(spec);
		c = load(toml, true);
		fault_setup(NULL);
		if (!c) {
			assert_true(issues.len > 0);
			refused++;
		} else {
			assert_string_equal(c->hash, hash);
			assert_bytes(first(c, "m")->endpoint, "http://h/v1/chat/completions");
			assert_true(first(c, "m")->signer.set && first(c, "r")->signer.set);
			assert_bytes(first(c, "m")->signer.path, "s.wasm");
			assert_bytes(proxy_options(c)->models_endpoint, "http://h/models");
			assert_bytes(first(c, "r")->extra_body.at[0].value, "[1,2]");
			assert_bytes(c->surfaces.aliases[0].target, "m");
			whole++;
		}
		drop(c);
	}
	short_of_memory = false;
	assert_true(refused > 3 && whole > 3);
#endif
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_each_case_draws_exactly_its_lines, fresh_environment),
		cmocka_unit_test_setup(test_defaults_are_those_of_the_vocabulary,
				       fresh_environment),
		cmocka_unit_test_setup(test_written_values_arrive, fresh_environment),
		cmocka_unit_test_setup(test_base_path_of_one_slash_is_none, fresh_environment),
		cmocka_unit_test_setup(
			test_environment_wins_over_toml_and_the_command_line_over_both,
			fresh_environment),
		cmocka_unit_test_setup(test_bind_address_may_be_given_once, fresh_environment),
		cmocka_unit_test_setup(test_flags_exclude_each_other, fresh_environment),
		cmocka_unit_test_setup(test_stores_are_those_whose_variables_are_set,
				       fresh_environment),
		cmocka_unit_test_setup(test_postgres_only_warns, fresh_environment),
		cmocka_unit_test_setup(test_openai_provider_and_its_addresses, fresh_environment),
		cmocka_unit_test_setup(test_extras_keep_order_and_numbers, fresh_environment),
		cmocka_unit_test_setup(test_routing_order_and_names, fresh_environment),
		cmocka_unit_test_setup(test_credentials, fresh_environment),
		cmocka_unit_test_setup(test_white_space_around_a_key_is_cut_off, fresh_environment),
		cmocka_unit_test_setup(test_a_key_that_is_blank_stops_the_start, fresh_environment),
		cmocka_unit_test_setup(test_blank_variables_of_a_rust_proxy_stop_the_start,
				       fresh_environment),
		cmocka_unit_test_setup(test_a_credentials_file_has_a_bound, fresh_environment),
		cmocka_unit_test_setup(test_a_location_that_is_none_may_be_a_key,
				       fresh_environment),
		cmocka_unit_test_setup(test_an_alias_leads_to_a_model_that_is_there,
				       fresh_environment),
		cmocka_unit_test_setup(test_rust_proxy_from_the_environment, fresh_environment),
		cmocka_unit_test_setup(test_rust_proxy_keys, fresh_environment),
		cmocka_unit_test_setup(test_signer_without_device_id_needs_none, fresh_environment),
		cmocka_unit_test_setup(test_hash_ignores_order_and_comments_but_no_value,
				       fresh_environment),
		cmocka_unit_test_setup(test_snapshot_holds_no_secret, fresh_environment),
		cmocka_unit_test_setup(test_the_snapshot_quotes_only_what_is_no_bare_key,
				       fresh_environment),
		cmocka_unit_test_setup(test_references, fresh_environment),
		cmocka_unit_test_setup(test_out_of_memory_is_an_issue, fresh_environment),
		cmocka_unit_test_setup(test_each_failing_allocation_refuses_or_changes_nothing,
				       fresh_environment),
	};
	int failed;

	if (signing_init() != 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	signing_deinit();
	return failed;
}
