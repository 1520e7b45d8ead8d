/*
 * A ClickHouse that `signet store` brings rows to: the gateway's own sink (sink_clickhouse.c) with a visitor in the drainer's
 * place. Rows are looked for before any is sent, so a command that was stopped anywhere can be run again.
 *
 * What may still run is the trap: an INSERT of a visit that was cut, or of a gateway that was, ends within its minute whatever
 * becomes of its sender. So a cursor that notes a batch in flight is waited for until it is old enough.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "store/sink_clickhouse.h"
#include "store/store_cmd.h"

#define URL          "TENSORZERO_CLICKHOUSE_URL"
#define BATCH_ROWS   1000
#define BATCH_BYTES  (8u << 20)
#define TRIES        6 /* of a batch: after 1, 2, 4, 8 and 16 s */
#define STATEMENT_MS 3600000
#define REFUSED_MAX  (64u << 20)

static void sleep_ms(uint64_t ms)
{
	nanosleep(&(struct timespec){ (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 }, NULL);
}

static int note_refused(struct sink_visit *visit, const struct dead_row *dead)
{
	struct store_clickhouse *c = (struct store_clickhouse *)visit;

	snprintf(c->error, sizeof(c->error), "%.*s",
		 BFMT(bytes_head(dead->error, sizeof(c->error) - 1)));
	if (!buf_append(&c->refused,
			(struct bytes){ (const char *)&dead->number, sizeof(dead->number) }))
		return 0;
	errno = ENOMEM;
	return -1;
}

/* How long a batch that this cursor notes may still be on its way. */
static uint64_t in_flight_ms(int dir_fd, const char *name)
{
	uint64_t patience = clickhouse_patience_ms(), now = clock_unix_ms(), written;
	char path[80];
	struct cursor c;
	struct stat st;

	snprintf(path, sizeof(path), "journal/%.40s.cursor", name);
	if (cursor_read(dir_fd, name, &c) == 0 || fstatat(dir_fd, path, &st, 0))
		return 0;
	if (c.delivered && (!c.first || c.last == UINT64_MAX))
		return 0;
	written = (uint64_t)st.st_mtim.tv_sec * 1000 + (uint64_t)st.st_mtim.tv_nsec / 1000000;
	return written > now || written + patience <= now ? 0 : written + patience - now;
}

static void wait_for_others(int dir_fd, const char *name)
{
	uint64_t own = in_flight_ms(dir_fd, name), gateway = in_flight_ms(dir_fd, CLICKHOUSE_SINK),
		 ms = own > gateway ? own : gateway;

	if (!ms)
		return;
	fprintf(stderr,
		"a batch was on its way when it was cut: waiting %" PRIu64
		" s until it cannot run any more\n",
		(ms + 999) / 1000);
	sleep_ms(ms);
}

static int failed(struct store_clickhouse *c, enum sink_result r)
{
	char text[400];

	c->sink->type->explain(c->sink, r, text, sizeof(text));
	return fail(ERR_STORE, "%s", text);
}

static int check_url(struct bytes url)
{
	struct clickhouse_server server;
	struct arena a;
	int bad;

	arena_init(&a, 1u << 20);
	bad = clickhouse_server_parse(url, &a, &server);
	arena_deinit(&a);
	return bad ? fail_context("the URL of ClickHouse") : 0;
}

int store_clickhouse_open(struct store_clickhouse *c, const char *url, const char *name, int dir_fd)
{
	const char *cluster = getenv("TENSORZERO_CLICKHOUSE_CLUSTER_NAME"),
		   *single = getenv("TENSORZERO_OVERRIDE_NON_REPLICATED_CLICKHOUSE");
	struct sink_options o = { .dir = "", .dir_fd = dir_fd, .visit = &c->visit };
	enum sink_result r;

	*c = (struct store_clickhouse){ .visit = { name, note_refused }, .dir_fd = dir_fd };
	buf_init(&c->refused, REFUSED_MAX);
	url = url ? url : getenv(URL);
	if (!url || !*url)
		return fail(ERR_STORE, "no ClickHouse is named: set " URL);
	if (check_url(bytes_of(url)))
		return -1;
	c->options = (struct clickhouse_options){
		.url = bytes_of(url),
		.single_node = single && !strcmp(single, "1"),
		.dedup_window = true,
		.max_rows = BATCH_ROWS,
		.http = { .connect_timeout_ms = 10000, .max_idle = 2, .dns_ttl_s = 60 },
	};
	if (cluster && *cluster)
		c->options.cluster = bytes_of(cluster);
	o.clickhouse = &c->options;
	c->sink = sink_clickhouse.make(&o);
	if (!c->sink)
		return -1;
	if (!name)
		return 0;
	wait_for_others(dir_fd, name);
	r = c->sink->type->open(c->sink);
	return r == SINK_OK ? 0 : failed(c, r);
}

int store_clickhouse_add(struct store_clickhouse *c, struct record *rec)
{
	struct record_view v = { .type = RECORD_GROUP,
				 .parts = rec->parts,
				 .number = ++c->number,
				 .payload = buf_bytes(&rec->payload) };
	enum sink_result r = c->rows ? SINK_OK : c->sink->type->begin(c->sink);

	c->rows += rec->parts;
	c->bytes += rec->payload.len;
	if (r == SINK_OK)
		r = c->sink->type->add(c->sink, &v);
	if (r != SINK_OK)
		return failed(c, r);
	return c->rows >= BATCH_ROWS || c->bytes >= BATCH_BYTES ? store_clickhouse_flush(c) : 0;
}

int store_clickhouse_flush(struct store_clickhouse *c)
{
	enum sink_result r = SINK_OK;

	for (unsigned i = 0; c->rows && i < TRIES; i++) {
		if (i)
			sleep_ms(500u << i);
		r = c->sink->type->commit(c->sink, c->number);
		if (r == SINK_OK || r == SINK_BLOCKED)
			break;
	}
	c->rows = c->bytes = 0;
	return r == SINK_OK ? 0 : failed(c, r);
}

void store_clickhouse_close(struct store_clickhouse *c, bool finished)
{
	char path[80];

	if (c->sink)
		c->sink->type->free(c->sink);
	if (finished && c->visit.name) {
		snprintf(path, sizeof(path), "journal/%.40s.cursor", c->visit.name);
		unlinkat(c->dir_fd, path, 0);
	}
	buf_deinit(&c->refused);
}

int store_clickhouse_ask(struct store_clickhouse *c, struct bytes sql, struct buf *answer)
{
	enum sink_result r;

	buf_reset(answer);
	r = clickhouse_run_statement(c->sink, sql, STATEMENT_MS, answer);
	return r == SINK_OK ? 0 : failed(c, r);
}
