/*
 * The ClickHouse sink: batches of rows, INSERTed as JSONEachRow over one kept-alive connection, and a cursor beside the journal
 * that says how far it is (storage §7.5-7.8).
 *
 * The HTTP client is the workers' own and lives on fibers of a loop, so the sink has a thread with a loop; the drainer's
 * threads hand it one piece of work at a time and wait. A batch is written to the cursor before its first byte goes out. From
 * then on its borders stay, whatever fails and whoever restarts, because the server knows it by them.
 */
#include "store/sink_clickhouse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/version.h"
#include "store/store.h"

#define SINK_NAME CLICKHOUSE_SINK
#define IDLE_MS \
	2500 /* well below a server's own 10 s: a connection that it closed costs a look for rows */
#define BACKLOG_BY  10 /* with a backlog a batch may have that many times `max_rows` */
#define CALL_MEMORY (1u << 30)
#define OWN_ROWS    64 /* tables from here on are Signet's own, and never go to ClickHouse */

const struct clickhouse_row_table clickhouse_row_tables[CLICKHOUSE_ROW_TABLES] = {
	{ ROW_CHAT_INFERENCE, "ChatInference", N_ID },
	{ ROW_JSON_INFERENCE, "JsonInference", N_ID },
	{ ROW_MODEL_INFERENCE, "ModelInference", N_ID },
	{ 4, "BooleanMetricFeedback", N_ID },
	{ 5, "FloatMetricFeedback", N_ID },
	{ 6, "CommentFeedback", N_ID },
	{ 7, "DemonstrationFeedback", N_ID },
	{ 8, "StaticEvaluationHumanFeedback", "feedback_id" },
	{ 9, "BatchModelInference", N_INFERENCE },
	{ 10, "BatchRequest", N_ID },
	{ 11, "ChatInferenceDatapoint", N_ID },
	{ 12, "JsonInferenceDatapoint", N_ID },
};

static struct clickhouse_sink *own(struct sink *base)
{
	return (struct clickhouse_sink *)base;
}

/* ---- the thread ---- */

struct job {
	struct loop_task task;
	struct clickhouse_sink *s;
	enum sink_result (*fn)(struct clickhouse_sink *, const void *arg);
	const void *arg;
	enum sink_result result;
	bool done;
};

static void *sink_thread(void *arg)
{
	struct clickhouse_sink *s = arg;
	struct http_client_options o = s->o.clickhouse->http;
	struct loop *loop;

	pthread_setname_np(pthread_self(), "signet-clickhs");
	o.idle_ms = IDLE_MS;
	loop = loop_new(-1);
	pthread_mutex_lock(&s->lock);
	s->client = loop ? http_client_new(&o) : NULL;
	s->loop = s->client ? loop : NULL;
	if (!s->loop)
		clickhouse_failed(s, FAULT_RETRY, error_last()->message);
	s->ready = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	if (s->loop)
		loop_run(loop);
	if (s->client)
		http_client_free(s->client);
	if (loop)
		loop_free(loop);
	error_clear();
	return NULL;
}

/* -1: it cannot be had, base.error says why. */
static int want_thread(struct clickhouse_sink *s)
{
	int e;

	if (s->thread_runs)
		return s->loop ? 0 : -1;
	e = thread_start(&s->thread, sink_thread, s);
	if (e) {
		clickhouse_failed(s, FAULT_RETRY, bytes_of(strerror(e)));
		return -1;
	}
	s->thread_runs = true;
	pthread_mutex_lock(&s->lock);
	while (!s->ready)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
	return s->loop ? 0 : -1;
}

static void job_fiber(void *arg)
{
	struct job *j = arg;
	struct clickhouse_sink *s = j->s;

	s->working = fiber_self();
	arena_init(&s->arena, CALL_MEMORY);
	j->result = j->fn(s, j->arg);
	arena_deinit(&s->arena);
	s->working = NULL;
	pthread_mutex_lock(&s->lock);
	j->done = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static void start_job(struct loop_task *task)
{
	struct job *j = (struct job *)task;

	if (fiber_spawn("clickhouse", job_fiber, j))
		return;
	pthread_mutex_lock(&j->s->lock);
	j->result = clickhouse_failed(j->s, FAULT_RETRY, error_last()->message);
	j->done = true;
	pthread_cond_broadcast(&j->s->changed);
	pthread_mutex_unlock(&j->s->lock);
}

/* Runs it on a fiber of the sink's loop; the calling thread waits. */
static enum sink_result run_there(struct clickhouse_sink *s,
				  enum sink_result (*fn)(struct clickhouse_sink *, const void *),
				  const void *arg)
{
	struct job j = { .task.fn = start_job, .s = s, .fn = fn, .arg = arg };

	if (want_thread(s))
		return SINK_DOWN;
	loop_post(s->loop, &j.task);
	pthread_mutex_lock(&s->lock);
	while (!j.done)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
	return j.result;
}

struct hurry {
	struct loop_task task;
	struct clickhouse_sink *s;
	uint64_t until;
};

/* Ends with the loop at the latest, which waits for its fibers. */
static void hurry_fiber(void *arg)
{
	struct hurry *h = arg;

	while (!h->s->ending && clock_mono_ms() < h->until && !fiber_sleep(20))
		;
	if (h->s->working)
		fiber_cancel(h->s->working);
	free(h);
}

static void start_hurry(struct loop_task *task)
{
	if (!fiber_spawn("clickhouse-end", hurry_fiber, task))
		free(task);
}

static void hurry(struct sink *base, uint64_t until)
{
	struct clickhouse_sink *s = own(base);
	struct hurry *h = calloc(1, sizeof(*h));
	struct loop *loop;

	pthread_mutex_lock(&s->lock);
	loop = s->loop;
	pthread_mutex_unlock(&s->lock);
	if (!h || !loop) {
		free(h);
		return;
	}
	*h = (struct hurry){ .task.fn = start_hurry, .s = s, .until = until };
	loop_post(loop, &h->task);
}

struct ending {
	struct loop_task task;
	struct clickhouse_sink *s;
};

static void end_loop(struct loop_task *task)
{
	((struct ending *)task)->s->ending = true;
	loop_stop(loop_self());
}

/* ---- making and opening ---- */

static void read_cursor(struct clickhouse_sink *s)
{
	int found;

	if (s->o.visit) {
		s->verify_upto = UINT64_MAX;
		return;
	}
	found = cursor_read(s->o.dir_fd, SINK_NAME, &s->cursor);
	s->base.position = s->cursor.delivered;
	s->base.batch_ends_at = s->cursor.last;
	/* Without a cursor nobody knows what a former one has sent of what the journal still holds. */
	s->verify_upto = found > 0 ? s->cursor.last : UINT64_MAX;
	if (found < 0)
		log_error(
			"store",
			"the cursor of ClickHouse is damaged: rows that are there are looked for before any is sent",
			LS("file", "journal/" SINK_NAME ".cursor"));
}

static struct sink *make(const struct sink_options *o)
{
	struct clickhouse_sink *s = calloc(1, sizeof(*s));
	const struct clickhouse_options *c = o->clickhouse;

	if (!s)
		return NULL;
	s->base.type = &sink_clickhouse;
	s->o = *o;
	s->clickhouse = *c;
	s->o.clickhouse = &s->clickhouse;
	arena_init(&s->texts, 1u << 20);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	for (size_t i = 0; i < CLICKHOUSE_ROW_TABLES; i++) {
		s->tables[i].table = &clickhouse_row_tables[i];
		buf_init(&s->tables[i].lines, (size_t)RECORD_MAX * 3);
	}
	s->base.batch_rows = c->max_rows;
	s->base.batch_rows_max = c->max_rows * BACKLOG_BY;
	s->base.batch_ms = c->flush_interval_ms;
	if (o->visit) /* its numbers are its own */
		random_bytes(s->o.node, sizeof(s->o.node));
	hex_print(s->o.node, sizeof(s->o.node), s->node);
	/* config/ has looked at it: it can be parsed */
	if (clickhouse_server_parse(c->url, &s->texts, &s->server)) {
		sink_clickhouse.free(&s->base);
		return NULL;
	}
	s->server.cluster = c->cluster;
	s->server.single_node = c->single_node;
	s->server.keep_out = c->disable_automatic_migrations;
	s->server.dedup_window = c->dedup_window;
	read_cursor(s);
	return &s->base;
}

static void free_sink(struct sink *base)
{
	struct clickhouse_sink *s = own(base);
	struct ending end = { .task.fn = end_loop, .s = s };

	if (s->thread_runs) {
		if (s->loop)
			loop_post(s->loop, &end.task);
		pthread_join(s->thread, NULL);
	}
	for (size_t i = 0; i < CLICKHOUSE_ROW_TABLES; i++) {
		buf_deinit(&s->tables[i].lines);
		free(s->tables[i].rows);
	}
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	arena_deinit(&s->texts);
	free(s);
}

static enum sink_result prepare(struct clickhouse_sink *s, const void *may_alter)
{
	char why[400];
	enum clickhouse_fault f =
		clickhouse_prepare(s->client, &s->server, may_alter != NULL, why, sizeof(why));

	return clickhouse_failed(s, f, bytes_of(why));
}

static enum sink_result open_sink(struct sink *base)
{
	return run_there(own(base), prepare, NULL);
}

static void close_sink(struct sink *base)
{
	(void)base; /* connections close themselves, and what is known of a batch outlives it */
}

/* ---- batches ---- */

static enum sink_result begin(struct sink *base)
{
	struct clickhouse_sink *s = own(base);

	s->first = 0;
	for (size_t i = 0; i < CLICKHOUSE_ROW_TABLES; i++) {
		buf_reset(&s->tables[i].lines);
		s->tables[i].n = 0;
	}
	return SINK_OK;
}

static struct table_batch *table_of(struct clickhouse_sink *s, uint8_t row)
{
	for (size_t i = 0; i < CLICKHOUSE_ROW_TABLES; i++)
		if (s->tables[i].table->row == row)
			return &s->tables[i];
	return NULL;
}

bool clickhouse_takes(uint64_t row)
{
	for (size_t i = 0; i < CLICKHOUSE_ROW_TABLES; i++)
		if (clickhouse_row_tables[i].row == row)
			return true;
	return false;
}

static enum sink_result bad_row(struct clickhouse_sink *s, const char *why, unsigned table)
{
	snprintf(s->base.error, sizeof(s->base.error), why, table);
	return SINK_ROW;
}

static struct batch_row *want_row(struct table_batch *t)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		struct batch_row *grown = realloc(t->rows, cap * sizeof(*grown));

		if (!grown)
			return NULL;
		t->rows = grown;
		t->cap = cap;
	}
	return &t->rows[t->n];
}

/* A row without a good id is the server's to refuse. */
static struct uuid id_of(struct bytes json, const char *column)
{
	struct json_member m;
	struct uuid id = { 0 };

	if (json_find_member(json, bytes_of(column), &m) && m.value.n > 2)
		uuid_parse(bytes_slice(m.value, 1, m.value.n - 2), &id);
	return id;
}

static int add_row(struct table_batch *t, const struct record_part *part, uint64_t number)
{
	struct batch_row *row = want_row(t);
	size_t from = t->lines.len;

	if (!row || record_print_row(part, &t->lines) || buf_putc(&t->lines, '\n')) {
		t->lines.len = from;
		return -1;
	}
	*row = (struct batch_row){ .number = number, .from = from, .n = t->lines.len - from };
	row->id = id_of((struct bytes){ t->lines.data + from, row->n - 1 }, t->table->id);
	t->n++;
	return 0;
}

static enum sink_result check_parts(struct clickhouse_sink *s, struct bytes payload)
{
	struct record_part part;
	size_t pos = 0;
	int r;

	while ((r = record_next_part(payload, &pos, &part)) > 0)
		if (part.table < OWN_ROWS && !table_of(s, part.table))
			return bad_row(s, "table %u is not known to this version", part.table);
	return r ? bad_row(s, "the record's parts are damaged", 0) : SINK_OK;
}

static enum sink_result add(struct sink *base, const struct record_view *v)
{
	struct clickhouse_sink *s = own(base);
	struct record_part part;
	struct bytes payload;
	struct buf unpacked;
	enum sink_result r;
	size_t pos = 0;

	s->first = s->first ? s->first : v->number;
	if (v->type == RECORD_END)
		return SINK_OK;
	buf_init(&unpacked, (size_t)RECORD_MAX + 1);
	r = record_payload(v, &unpacked, &payload) ? bad_row(s, "the record is damaged", 0)
						   : check_parts(s, payload);
	while (r == SINK_OK && record_next_part(payload, &pos, &part) > 0)
		if (part.table < OWN_ROWS && add_row(table_of(s, part.table), &part, v->number))
			r = clickhouse_failed(s, FAULT_RETRY, B("out of memory"));
	buf_deinit(&unpacked);
	return r;
}

static enum sink_result write_cursor(struct clickhouse_sink *s, struct cursor c)
{
	const char *name = s->o.visit ? s->o.visit->name : SINK_NAME;

	if (cursor_write(s->o.dir_fd, name, &c)) {
		snprintf(s->base.error, sizeof(s->base.error),
			 "journal/%s.cursor cannot be written: %s", name, strerror(errno));
		return errno == ENOSPC || errno == EDQUOT ? SINK_FULL : SINK_DOWN;
	}
	s->cursor = c;
	return SINK_OK;
}

static struct cursor_token *token_of(struct cursor *c, unsigned table)
{
	for (size_t i = 0; i < c->ntokens; i++)
		if (c->tokens[i].table == table)
			return &c->tokens[i];
	return NULL;
}

static void put_token(struct cursor *c, struct cursor_token token)
{
	struct cursor_token *at = token_of(c, token.table);

	if (!at && c->ntokens < CURSOR_TABLES)
		at = &c->tokens[c->ntokens++];
	if (at)
		*at = token;
}

enum sink_result clickhouse_note_token(struct clickhouse_sink *s, const struct table_batch *t)
{
	struct cursor c = s->cursor;

	put_token(&c, (struct cursor_token){ .table = t->table->row,
					     .number = t->token,
					     .parts = !t->one_block,
					     .unix_ms = t->token_ms });
	return write_cursor(s, c);
}

/* What the cursor proves of the batch that it notes. `verify`: some of it may be there. */
static void begin_tries(struct clickhouse_sink *s, bool verify)
{
	for (size_t i = 0; i < CLICKHOUSE_ROW_TABLES; i++) {
		struct table_batch *t = &s->tables[i];
		const struct cursor_token *token = token_of(&s->cursor, t->table->row);

		t->stored = t->refused = false;
		t->unclear = verify;
		t->running = verify && !s->o.visit; /* a visitor has waited before */
		t->sent_ms = verify ? clock_mono_ms() : 0;
		t->one_block = s->cursor.noted_ms && (!token || !token->parts);
		t->token = token ? token->number : 0;
		t->token_ms = token ? token->unix_ms : s->cursor.noted_ms;
		t->next_token = verify ? t->token + 1 : 0;
		t->sent_for_views = 0;
	}
}

/* Nobody knows under which tokens rows of this batch have been sent: none of a former life is used again. */
static void note_unknown_tokens(struct cursor *c)
{
	for (size_t i = 0; i < CLICKHOUSE_ROW_TABLES; i++)
		put_token(c, (struct cursor_token){ .table = clickhouse_row_tables[i].row,
						    .number = (unsigned)(c->noted_ms / 1000),
						    .parts = true,
						    .unix_ms = c->noted_ms });
}

/* Before its first byte goes out (rule 3). One that was noted before is known by its borders. */
static enum sink_result note_batch(struct clickhouse_sink *s)
{
	struct cursor c = { .delivered = s->cursor.delivered,
			    .first = s->first,
			    .last = s->last,
			    .noted_ms = clock_unix_ms() };
	bool noted = s->cursor.first == c.first && s->cursor.last == c.last;
	bool verify = c.first <= s->verify_upto || s->cursor.first;
	enum sink_result r = SINK_OK;

	if (s->tried_first == c.first && s->tried_last == c.last)
		return SINK_OK; /* another try: what the tables know holds */
	if (verify && !(noted && s->cursor.noted_ms))
		note_unknown_tokens(&c);
	if (!(noted && s->cursor.noted_ms))
		r = write_cursor(s, c);
	if (r != SINK_OK)
		return r;
	begin_tries(s, verify);
	if (s->verify_upto != UINT64_MAX && c.last >= s->verify_upto)
		s->verify_upto = 0; /* looked at from here on */
	s->base.batch_ends_at = c.last;
	s->tried_first = c.first;
	s->tried_last = c.last;
	return SINK_OK;
}

static enum sink_result store_batch(struct clickhouse_sink *s, const void *unused)
{
	enum sink_result r = SINK_OK;
	bool rows = false;

	(void)unused;
	for (size_t i = 0; i < CLICKHOUSE_ROW_TABLES; i++)
		rows |= s->tables[i].n > 0;
	if (rows)
		r = note_batch(s);
	for (size_t i = 0; r == SINK_OK && i < CLICKHOUSE_ROW_TABLES; i++) {
		struct table_batch *t = &s->tables[i];

		if (t->n && !t->stored)
			r = clickhouse_store_table(s, t);
	}
	return r == SINK_OK ? write_cursor(s, (struct cursor){ .delivered = s->last }) : r;
}

static void count_rows(struct clickhouse_sink *s)
{
	for (size_t i = 0; i < CLICKHOUSE_ROW_TABLES; i++) {
		enum table_id id = table_of_row((uint8_t)s->tables[i].table->row);

		for (size_t k = 0; id < TABLES && k < s->tables[i].n; k++)
			s->base.rows[id] += !s->tables[i].rows[k].guilty;
		s->tables[i].stored = false;
	}
}

static enum sink_result commit(struct sink *base, uint64_t number)
{
	struct clickhouse_sink *s = own(base);
	enum sink_result r;

	s->last = number;
	r = run_there(s, store_batch, NULL);
	if (r != SINK_OK)
		return r;
	s->base.position = number;
	s->base.batch_ends_at = s->tried_first = s->tried_last = 0;
	count_rows(s);
	return SINK_OK;
}

static void rollback(struct sink *base)
{
	(void)base; /* what may be there is looked for with the next try */
}

/* ---- the configuration in force ---- */

struct snapshot {
	struct bytes hash, text;
};

/* One that is there keeps its first time and its tags. */
static enum sink_result touch_config(struct clickhouse_sink *s, const void *arg)
{
	const struct snapshot *c = arg;
	struct clickhouse_query q = { .timeout_ms = clickhouse_patience_ms() };
	struct clickhouse_answer a;
	struct buf row;

	q.sql = arena_printf(
		&s->arena,
		"SELECT toString(min(created_at)), toJSONString(any(" N_TAGS
		")), toString(now64(6)), count() FROM ConfigSnapshot FINAL WHERE hash = toUInt256('%.*s')",
		BFMT(c->hash));
	a = clickhouse_ask(s->client, &s->server, &q, &s->arena);
	if (!a.code) {
		struct bytes created = bytes_cut(&a.text, '\t'), tags = bytes_cut(&a.text, '\t'),
			     now = bytes_cut(&a.text, '\t');

		if (bytes_starts(a.text, B("0")))
			created = now;
		buf_init(&row, (size_t)RECORD_MAX);
		buf_append(&row, B("{\"" N_CONFIG "\":"));
		buf_json_string(&row, c->text);
		buf_printf(
			&row,
			",\"extra_templates\":{},\"hash\":\"%.*s\",\"tensorzero_version\":\"" TENSORZERO_VERSION
			"\",\"created_at\":\"%.*s\",\"last_used\":\"%.*s\",\"" N_TAGS "\":%.*s}",
			BFMT(c->hash), BFMT(created), BFMT(now), BFMT(tags));
		q.sql = B("INSERT INTO ConfigSnapshot FORMAT JSONEachRow");
		q.settings = B("&async_insert=0");
		q.rows = buf_bytes(&row);
		a = clickhouse_ask(s->client, &s->server, &q, &s->arena);
		buf_deinit(&row);
	}
	if (!a.code)
		return SINK_OK;
	return clickhouse_failed(s,
				 a.code > 0 && clickhouse_fault_of(a.code) != FAULT_RETRY
					 ? FAULT_SETUP
					 : FAULT_RETRY,
				 a.text);
}

static enum sink_result config(struct sink *base, struct bytes hash, struct bytes text)
{
	struct snapshot c = { hash, bytes_set(text) ? text : (struct bytes)B("") };

	return bytes_set(hash) ? run_there(own(base), touch_config, &c) : SINK_OK;
}

static const char *idle(struct sink *base, uint64_t idle_ms)
{
	struct clickhouse_sink *s = own(base);

	if (idle_ms && s->verify_upto == UINT64_MAX)
		s->verify_upto = 0; /* all that an unknown past may have sent is behind us */
	return "";
}

static void explain(struct sink *base, enum sink_result r, char *text, size_t n)
{
	struct clickhouse_sink *s = own(base);

	if (r == SINK_FULL)
		snprintf(text, n, "%s", base->error);
	else
		snprintf(text, n, "ClickHouse at %.*s, database %.*s, %s: %s%s",
			 BFMT(s->server.url.authority), BFMT(s->server.database),
			 r == SINK_BLOCKED ? "does not take rows" : "does not answer as it should",
			 base->error,
			 r == SINK_BLOCKED && !s->o.visit ? " (the journal keeps them)" : "");
}

/* ---- a statement of a command ---- */

struct statement {
	struct bytes sql;
	uint64_t timeout_ms;
	struct buf *answer;
};

static enum sink_result run_statement(struct clickhouse_sink *s, const void *arg)
{
	const struct statement *st = arg;
	struct clickhouse_query q = { .sql = st->sql, .timeout_ms = st->timeout_ms };
	struct clickhouse_answer a = clickhouse_ask(s->client, &s->server, &q, &s->arena);

	if (a.code)
		return clickhouse_failed(s, a.code > 0 ? clickhouse_fault_of(a.code) : FAULT_RETRY,
					 a.text);
	return buf_append(st->answer, a.text) ? SINK_DOWN : SINK_OK;
}

enum sink_result clickhouse_run_statement(struct sink *base, struct bytes sql, uint64_t timeout_ms,
					  struct buf *answer)
{
	struct statement st = { sql, timeout_ms, answer };

	return run_there(own(base), run_statement, &st);
}

int store_clickhouse_migrate(const struct clickhouse_options *o)
{
	struct sink_options so = { .dir_fd = -1, .dir = "", .clickhouse = o };
	struct sink *sink = sink_clickhouse.make(&so);
	enum sink_result r;

	if (!sink)
		return -1;
	r = run_there(own(sink), prepare, o);
	if (r != SINK_OK)
		fail(ERR_STORE, "%s", sink->error);
	sink_clickhouse.free(sink);
	return r == SINK_OK ? 0 : -1;
}

const struct sink_type sink_clickhouse = {
	.name = SINK_NAME,
	.remote = true,
	.make = make,
	.free = free_sink,
	.open = open_sink,
	.close = close_sink,
	.begin = begin,
	.add = add,
	.commit = commit,
	.rollback = rollback,
	.config = config,
	.idle = idle,
	.explain = explain,
	.hurry = hurry,
};
