/*
 * The one thread that asks ClickHouse on behalf of all readers: a loop with an HTTP client of its own, apart from the sink's, so
 * that neither waits for the other. A reader's thread hands it a query and sleeps; it wakes to see whether its own question is
 * over, and then has the fiber cancelled, whose connection closes.
 *
 * The answer is read whole before a line of it is looked at. That is bounded (clickhouse.c), and what readers do with rows may
 * block and needs more stack than a fiber has.
 */
#include "store/read_clickhouse.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"
#include "base/json.h"
#include "base/thread.h"
#include "fiber/loop.h"
#include "store/store.h"

#define IDLE_MS  2500 /* as the sink's: well below a server's own 10 s */
#define LOOK_MS  20   /* between two looks whether the question is over */
#define LATER_MS 250  /* the server's own limit comes first, so that it can say so */

struct clickhouse_reads {
	struct clickhouse_options o;
	struct arena texts;
	struct clickhouse_server server;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows, and of each asking's `done` */
	pthread_cond_t changed;
	bool started, ready;
	struct loop *loop; /* NULL: not there */
	struct http_client *client;
};

/* ---- the thread ---- */

static void *asking_thread(void *arg)
{
	struct clickhouse_reads *c = arg;
	struct http_client_options o = c->o.http;
	struct loop *loop;

	pthread_setname_np(pthread_self(), "signet-chread");
	o.idle_ms = IDLE_MS;
	loop = loop_new(-1);
	pthread_mutex_lock(&c->lock);
	c->client = loop ? http_client_new(&o) : NULL;
	c->loop = c->client ? loop : NULL;
	c->ready = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	if (c->loop)
		loop_run(loop);
	if (c->client)
		http_client_free(c->client);
	if (loop)
		loop_free(loop);
	error_clear();
	return NULL;
}

/* Under the lock. -1: there is no thread to ask with. */
static int want_thread(struct clickhouse_reads *c)
{
	if (!c->started && !thread_start(&c->thread, asking_thread, c))
		c->started = true;
	while (c->started && !c->ready)
		pthread_cond_wait(&c->changed, &c->lock);
	return c->loop ? 0 : fail(ERR_BUSY, "no thread to ask ClickHouse with");
}

static void end_loop(struct loop_task *task)
{
	(void)task;
	loop_stop(loop_self());
}

struct clickhouse_reads *clickhouse_reads_new(const struct clickhouse_options *o)
{
	struct clickhouse_reads *c = calloc(1, sizeof(*c));

	if (!c)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	c->o = *o;
	arena_init(&c->texts, 1u << 20);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	if (!clickhouse_server_parse(o->url, &c->texts, &c->server))
		return c;
	clickhouse_reads_free(c);
	return NULL;
}

void clickhouse_reads_free(struct clickhouse_reads *c)
{
	struct loop_task end = { .fn = end_loop };

	if (!c)
		return;
	if (c->started) {
		if (c->loop)
			loop_post(c->loop, &end);
		pthread_join(c->thread, NULL);
	}
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	arena_deinit(&c->texts);
	free(c);
}

/* ---- one query ---- */

struct asking {
	struct loop_task begin, cancel; /* begin first: see begin_asking() */
	struct clickhouse_reads *c;
	struct clickhouse_query query;
	struct arena *arena;
	struct clickhouse_answer answer;
	bool stale;
	struct fiber *fiber; /* on the loop's thread; NULL: not there any more */
	bool done, cancelled;
};

static void set_done(struct asking *q, bool *what)
{
	pthread_mutex_lock(&q->c->lock);
	*what = true;
	pthread_cond_broadcast(&q->c->changed);
	pthread_mutex_unlock(&q->c->lock);
}

static void asking_fiber(void *arg)
{
	struct asking *q = arg;

	q->answer = clickhouse_ask(q->c->client, &q->c->server, &q->query, q->arena);
	/* A connection that the server closed while it was idle: reading twice does no harm. */
	if (q->answer.code < 0 && error_last()->kind == ERR_STALE)
		q->answer = clickhouse_ask(q->c->client, &q->c->server, &q->query, q->arena);
	q->fiber = NULL;
	set_done(q, &q->done);
}

static void begin_asking(struct loop_task *task)
{
	struct asking *q = (struct asking *)task;

	q->fiber = fiber_spawn("clickhouse-read", asking_fiber, q);
	if (q->fiber)
		return;
	q->answer = (struct clickhouse_answer){ .code = -1, .text = B("out of memory") };
	set_done(q, &q->done);
}

static void cancel_asking(struct loop_task *task)
{
	struct asking *q = (struct asking *)((char *)task - offsetof(struct asking, cancel));

	if (q->fiber)
		fiber_cancel(q->fiber);
	set_done(q, &q->cancelled);
}

/* Under the lock: until it is done, and nothing on the loop knows of it any more. */
static void wait_for_answer(struct reader *r, struct asking *q)
{
	bool told = false;

	while (!q->done || told != q->cancelled) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += LOOK_MS * 1000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&q->c->changed, &q->c->lock, &until);
		if (q->done || told || !read_left(r))
			continue;
		told = true;
		q->cancel.fn = cancel_asking;
		loop_post(q->c->loop, &q->cancel);
	}
}

/* Out of time, by the server's word or by ours. */
static bool ran_out(struct reader *r, const struct clickhouse_answer *a)
{
	return a->code == 159 || a->code == 160 || a->code == 394 || (a->code && read_over(r));
}

/* 503: the gateway itself is well. */
static int say_failed(const struct clickhouse_reads *c, const struct clickhouse_answer *a)
{
	return fail(ERR_BUSY, "ClickHouse at %.*s, database %.*s: %.*s",
		    BFMT(c->server.url.authority), BFMT(c->server.database),
		    BFMT(bytes_head(a->text, 400)));
}

int clickhouse_is_missed(const struct reader *r, bool *partial)
{
	*partial |= r->log.db != NULL;
	return r->log.db ? 0 : -1;
}

int clickhouse_too_late(const struct reader *r)
{
	const struct clickhouse_reads *c = r->clickhouse;

	return fail(ERR_BUSY, "ClickHouse at %.*s, database %.*s, did not answer in time",
		    BFMT(c->server.url.authority), BFMT(c->server.database));
}

int clickhouse_select(struct reader *r, const struct clickhouse_text *sql, struct bytes *answer,
		      struct arena *a)
{
	struct clickhouse_reads *c = r->clickhouse;
	uint64_t left = read_left_ms(r);
	struct asking q = { .begin.fn = begin_asking,
			    .c = c,
			    .arena = a,
			    .query = { .sql = buf_bytes(&sql->text),
				       .timeout_ms = left + LATER_MS } };
	int bad;

	*answer = (struct bytes){ 0 };
	if (sql->failed)
		return fail(ERR_TOO_LARGE, "a filter that is too long");
	if (!left)
		return 1;
	q.query.settings = arena_printf(
		a,
		"&max_execution_time=%u&cancel_http_readonly_queries_on_client_close=1&max_query_size=%u&output_format_json_validate_utf8=1&output_format_json_escape_forward_slashes=0",
		(unsigned)((left + 999) / 1000), 2 * CLICKHOUSE_TEXT_MAX);
	pthread_mutex_lock(&c->lock);
	bad = want_thread(c);
	if (!bad) {
		loop_post(c->loop, &q.begin);
		wait_for_answer(r, &q);
	}
	pthread_mutex_unlock(&c->lock);
	if (bad)
		return -1;
	if (ran_out(r, &q.answer))
		return 1;
	*answer = q.answer.text;
	return q.answer.code ? say_failed(c, &q.answer) : 0;
}

/* ---- rows of an answer ---- */

static bool take_value(yyjson_val *v, struct cell *c)
{
	char digits[24] = "";
	struct bytes raw = json_raw(v);
	char *end;

	*c = (struct cell){ 0 };
	if (yyjson_is_null(v))
		return true;
	if (yyjson_is_str(v)) {
		c->type = CELL_TEXT;
		c->text = json_str(v);
		return true;
	}
	if (!bytes_set(raw) || raw.n >= sizeof(digits))
		return false;
	memcpy(digits, raw.p, raw.n);
	c->type = CELL_INT;
	c->num = strtoll(digits, &end, 10);
	return !*end;
}

int clickhouse_next_row(struct bytes *answer, struct cell *cells, size_t n, struct arena *a)
{
	struct bytes line;
	yyjson_val *row, *v;
	size_t i, max;
	bool good = true;

	if (!answer->n)
		return 0;
	line = bytes_cut(answer, '\n');
	row = json_parse_lenient(line, a);
	if (!yyjson_is_arr(row) || yyjson_arr_size(row) != n)
		return fail(ERR_BUSY, "ClickHouse's answer is not what was asked for: %.*s",
			    BFMT(bytes_head(line, 100)));
	yyjson_arr_foreach(row, i, max, v) good &= take_value(v, &cells[i]);
	return good ? 1 : fail(ERR_BUSY, "ClickHouse's answer has a value that was not asked for");
}
