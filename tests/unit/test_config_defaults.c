/*
 * Every default of the vocabulary in one text, so that a default which changes is seen here, beside the
 * documentation that names it. And each number at both ends of its range, as it arrives in the configuration.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "config/config.h"
#include "sign/signer.h"
#include "upstream/openai.h"

static struct config_issues issues;

static struct config *load(const char *toml)
{
	struct config_options options = { .text = bytes_of(toml), .offline = true };
	struct config *c = config_load(&options, &issues);

	for (size_t i = 0; !c && i < issues.len; i++)
		print_error("%.*s\n", BFMT(issues.at[i].text));
	assert_non_null(c);
	return c;
}

static void drop(struct config *c)
{
	config_unref(c);
	config_issues_deinit(&issues);
}

static void print_gateway(const struct gateway_config *g, struct buf *out)
{
	buf_printf(out, "bind_address=%.*s base_path=%.*s debug=%d error_json=%d fetch_files=%d\n",
		   BFMT(g->bind_address), BFMT(g->base_path), g->debug, g->unstable_error_json,
		   g->fetch_files);
	buf_printf(out, "outbound_timeout_ms=%llu outbound_read_timeout_ms=%llu observability=%d\n",
		   (unsigned long long)g->outbound_timeout_ms,
		   (unsigned long long)g->outbound_read_timeout_ms, g->observability);
	buf_printf(out, "buckets:");
	for (size_t i = 0; i <= g->noverhead_buckets; i++) /* the 0 behind them, too */
		buf_printf(out, " %g", g->overhead_buckets[i]);
}

#define N(member) (unsigned long long)c->member

static void print_config(const struct config *c, struct buf *out)
{
	print_gateway(&c->gateway, out);
	buf_printf(
		out,
		"\nworkers=%d finish=%d access_log=%d drain_s=%llu notice=%llu max_connections=%llu max_header_kib=%llu max_headers=%llu\n",
		c->server.workers, c->server.finish_on_disconnect, c->server.access_log,
		N(server.drain_s), N(server.drain_notice_s), N(server.max_connections),
		N(server.max_header_kib), N(server.max_headers));
	buf_printf(
		out,
		"max_body_mib=%llu body_memory_mib=%llu header_timeout_ms=%llu body_idle_ms=%llu keepalive_ms=%llu write_idle_ms=%llu\n",
		N(server.max_body_mib), N(server.body_memory_mib), N(server.header_timeout_ms),
		N(server.body_idle_ms), N(server.keepalive_ms), N(server.write_idle_ms));
	buf_printf(out,
		   "connect_timeout_ms=%llu idle_ms=%llu max_idle=%llu dns_ttl_s=%llu ca_file=%d\n",
		   N(upstream.connect_timeout_ms), N(upstream.idle_ms), N(upstream.max_idle),
		   N(upstream.dns_ttl_s), bytes_set(c->upstream.ca_file));
	buf_printf(
		out,
		"aliases=%zu default_model=%d shorthand=%d error_status_gateway=%d placeholder=%d reasoning=%d list=%u head_after_ms=%llu ping_ms=%llu\n",
		c->surfaces.naliases, bytes_set(c->surfaces.default_model), c->surfaces.shorthand,
		c->surfaces.error_status_gateway, c->surfaces.unsupported_as_placeholder,
		c->surfaces.reasoning_to_client, c->surfaces.list, N(surfaces.head_after_ms),
		N(surfaces.ping_ms));
	buf_printf(
		out,
		"sync=%d sync_ms=%llu segment_mb=%llu max_mb=%llu queue_mb=%llu wait_ms=%llu keep_mb=%llu reserve_mb=%llu refuse=%d compress=%d\n",
		(int)c->journal.sync, N(journal.sync_ms), N(journal.segment_mb), N(journal.max_mb),
		N(journal.queue_mb), N(journal.wait_ms), N(journal.keep_mb), N(journal.reserve_mb),
		c->journal.refuse_when_full, c->journal.compress);
	buf_printf(
		out,
		"shutdown_drain_s=%llu max_raw_kib=%llu data_dir=%.*s cache_dir=%d models=%zu object_storage=%d",
		N(shutdown_drain_s), N(max_raw_kib), BFMT(c->data_dir),
		bytes_set(c->module_cache_dir), c->nmodels, c->object_storage_set);
}

static void expect(const char *toml, const char *want)
{
	struct config *c = load(toml);
	struct buf got;

	buf_init(&got, 1 << 16);
	print_config(c, &got);
	if (!bytes_eq(buf_bytes(&got), bytes_of(want)))
		fail_msg("got\n%.*s\nwant\n%s", BFMT(buf_bytes(&got)), want);
	buf_deinit(&got);
	drop(c);
}

static void test_all_that_is_not_written(void **state)
{
	(void)state;
	expect("",
	       "bind_address=0.0.0.0:3000 base_path= debug=0 error_json=0 fetch_files=0\n"
	       "outbound_timeout_ms=900000 outbound_read_timeout_ms=0 observability=-1\n"
	       "buckets: 0.001 0.01 0.1 0\n"
	       "workers=0 finish=0 access_log=0 drain_s=30 notice=0 max_connections=0 max_header_kib=64 max_headers=256\n"
	       "max_body_mib=100 body_memory_mib=1024 header_timeout_ms=10000 body_idle_ms=30000 keepalive_ms=75000 write_idle_ms=300000\n"
	       "connect_timeout_ms=10000 idle_ms=60000 max_idle=256 dns_ttl_s=30 ca_file=0\n"
	       "aliases=0 default_model=0 shorthand=1 error_status_gateway=0 placeholder=0 reasoning=1 list=31 head_after_ms=10000 ping_ms=15000\n"
	       "sync=1 sync_ms=100 segment_mb=64 max_mb=8192 queue_mb=64 wait_ms=1000 keep_mb=256 reserve_mb=16 refuse=0 compress=0\n"
	       "shutdown_drain_s=10 max_raw_kib=4096 data_dir=./signet-data cache_dir=0 models=0 object_storage=0");
}

static void test_the_least_of_each_number(void **state)
{
	(void)state;
	expect("[gateway]\nglobal_outbound_http_timeout_ms = 1\nglobal_outbound_http_intra_stream_read_timeout_ms = 1\n"
	       "metrics.tensorzero_inference_latency_overhead_seconds_buckets = [0, 5]\n"
	       "[server]\nworkers = 1\ndrain_s = 0\ndrain_notice_s = 0\nmax_connections = 0\nmax_header_kib = 1\nmax_headers = 1\nmax_body_mib = 1\nbody_memory_mib = 1\n"
	       "header_timeout_ms = 1\nbody_idle_ms = 1\nkeepalive_ms = 1\nwrite_idle_ms = 1\n"
	       "[upstream]\nconnect_timeout_ms = 1\nidle_ms = 0\nmax_idle = 0\ndns_ttl_s = 0\n"
	       "[surfaces]\nhead_after_ms = 0\nping_ms = 100\nlist = []\nreasoning_to_client = false\n"
	       "[store]\nshutdown_drain_s = 0\n"
	       "[journal]\nsync = \"always\"\nsync_ms = 1\nsegment_mb = 1\nmax_mb = 1\nqueue_mb = 1\nwait_ms = 0\nkeep_mb = 0\nreserve_mb = 0\n"
	       "[record]\nmax_raw_kib = 1\n",
	       "bind_address=0.0.0.0:3000 base_path= debug=0 error_json=0 fetch_files=0\n"
	       "outbound_timeout_ms=1 outbound_read_timeout_ms=1 observability=-1\n"
	       "buckets: 0 5 0\n"
	       "workers=1 finish=0 access_log=0 drain_s=0 notice=0 max_connections=0 max_header_kib=1 max_headers=1\n"
	       "max_body_mib=1 body_memory_mib=1 header_timeout_ms=1 body_idle_ms=1 keepalive_ms=1 write_idle_ms=1\n"
	       "connect_timeout_ms=1 idle_ms=0 max_idle=0 dns_ttl_s=0 ca_file=0\n"
	       "aliases=0 default_model=0 shorthand=1 error_status_gateway=0 placeholder=0 reasoning=0 list=0 head_after_ms=0 ping_ms=100\n"
	       "sync=0 sync_ms=1 segment_mb=1 max_mb=1 queue_mb=1 wait_ms=0 keep_mb=0 reserve_mb=0 refuse=0 compress=0\n"
	       "shutdown_drain_s=0 max_raw_kib=1 data_dir=./signet-data cache_dir=0 models=0 object_storage=0");
}

static void test_the_most_of_each_number(void **state)
{
	(void)state;
	expect("[gateway]\nglobal_outbound_http_timeout_ms = 9223372036854775807\nglobal_outbound_http_intra_stream_read_timeout_ms = 9223372036854775807\n"
	       "observability.enabled = true\n"
	       "[server]\nworkers = 1024\ndrain_s = 86400\ndrain_notice_s = 3600\nmax_connections = 10000000\nmax_header_kib = 1024\nmax_headers = 10000\nmax_body_mib = 4096\nbody_memory_mib = 1048576\n"
	       "header_timeout_ms = 86400000\nbody_idle_ms = 86400000\nkeepalive_ms = 86400000\nwrite_idle_ms = 86400000\n"
	       "[upstream]\nconnect_timeout_ms = 86400000\nidle_ms = 86400000\nmax_idle = 100000\ndns_ttl_s = 86400\n"
	       "[surfaces]\nhead_after_ms = 86400000\nping_ms = 86400000\nlist = [\"functions\", \"embeddings\", \"discovered\"]\n"
	       "[store]\nshutdown_drain_s = 86400\n"
	       "[journal]\nsync_ms = 60000\nsegment_mb = 1024\nmax_mb = 16777216\nqueue_mb = 65536\nwait_ms = 600000\nkeep_mb = 16777216\nreserve_mb = 65536\n"
	       "[record]\nmax_raw_kib = 102400\n",
	       "bind_address=0.0.0.0:3000 base_path= debug=0 error_json=0 fetch_files=0\n"
	       "outbound_timeout_ms=9223372036854775807 outbound_read_timeout_ms=9223372036854775807 observability=1\n"
	       "buckets: 0.001 0.01 0.1 0\n"
	       "workers=1024 finish=0 access_log=0 drain_s=86400 notice=3600 max_connections=10000000 max_header_kib=1024 max_headers=10000\n"
	       "max_body_mib=4096 body_memory_mib=1048576 header_timeout_ms=86400000 body_idle_ms=86400000 keepalive_ms=86400000 write_idle_ms=86400000\n"
	       "connect_timeout_ms=86400000 idle_ms=86400000 max_idle=100000 dns_ttl_s=86400 ca_file=0\n"
	       "aliases=0 default_model=0 shorthand=1 error_status_gateway=0 placeholder=0 reasoning=1 list=22 head_after_ms=86400000 ping_ms=86400000\n"
	       "sync=1 sync_ms=60000 segment_mb=1024 max_mb=16777216 queue_mb=65536 wait_ms=600000 keep_mb=16777216 reserve_mb=65536 refuse=0 compress=0\n"
	       "shutdown_drain_s=86400 max_raw_kib=102400 data_dir=./signet-data cache_dir=0 models=0 object_storage=0");
}

/* The configuration's hash in both forms: 256 bits, in hex as the metric has it, in decimal as rows have it. */
static void test_both_forms_of_the_hash_are_one_number(void **state)
{
	struct config *c = load("[server]\nworkers = 1\n");
	unsigned char number[32], digits[80];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof number; i++)
		number[i] = (unsigned char)(hex_digit(c->hash[2 * i]) << 4 |
					    hex_digit(c->hash[2 * i + 1]));
	for (bool more = true; more;) { /* long division, a byte at a time */
		unsigned rest = 0;

		more = false;
		for (size_t i = 0; i < sizeof number; i++) {
			unsigned at = rest << 8 | number[i];

			number[i] = (unsigned char)(at / 10);
			rest = at % 10;
			more |= number[i] != 0;
		}
		digits[n++] = (unsigned char)('0' + rest);
	}
	assert_int_equal(strlen(c->hash_decimal), n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(c->hash_decimal[i], digits[n - 1 - i]);
	assert_true(c->loaded_unix_ms > 1700000000);
	drop(c);
}

#define OPENAI                                                                                    \
	"[models.m]\nrouting = [\"p\"]\n[models.m.providers.p]\ntype = \"openai\"\nmodel_name = " \
	"\"x\"\napi_key_location = \"none\"\n"

static const struct openai_options *openai(struct config *c)
{
	return config_model(c, B("m"))->routing[0]->options;
}

static void test_what_only_openai_has(void **state)
{
	struct config *c = load(OPENAI);

	(void)state;
	assert_int_equal(openai(c)->noverrides, 0);
	assert_int_equal(openai(c)->tool_strict, 0);
	drop(c);
	for (int i = 0; i < 2; i++) {
		c = load(i ? OPENAI "tool_strict = \"outer\"\n"
			   : OPENAI "tool_strict = \"inner\"\n");
		assert_int_equal(openai(c)->tool_strict, i ? STRICT_OUTER : STRICT_INNER);
		drop(c);
	}
	c = load(
		OPENAI
		"content_type_overrides = { \"a/b\" = \"file\", \"c/d\" = \"input_audio\", \"e/f\" = \"image_url\", \"g/h\" = \"file\" }\n");
	assert_int_equal(openai(c)->noverrides, 4);
	for (size_t i = 0; i < 4; i++) {
		static const struct bytes types[] = { B("a/b"), B("c/d"), B("e/f"), B("g/h") };
		static const int forms[] = { 1, 2, 0, 1 };

		assert_true(bytes_eq(openai(c)->overrides[i].mime_type, types[i]));
		assert_int_equal(openai(c)->overrides[i].form, forms[i]);
	}
	drop(c);
}

static int fresh_environment(void **state)
{
	(void)state;
	clearenv();
	return setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_that_is_not_written),
		cmocka_unit_test(test_the_least_of_each_number),
		cmocka_unit_test(test_the_most_of_each_number),
		cmocka_unit_test(test_both_forms_of_the_hash_are_one_number),
		cmocka_unit_test(test_what_only_openai_has),
	};

	return cmocka_run_group_tests(tests, fresh_environment, NULL);
}
