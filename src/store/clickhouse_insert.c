/*
 * The rows of one table into ClickHouse, each once (storage §7.8). A plain MergeTree keeps every copy of a row, so nothing is
 * sent twice that may be there: after any end that does not prove the contrary the ids are asked for first, and only what is
 * missing goes out again, under another token: the server may know the first one although it has lost the block.
 *
 * Where everything is there, views behind the table may still have missed the block: a server that was killed between the
 * two, a view that failed. Once more under its own token then fills them and doubles nothing, if the rows came as one block
 * and every table concerned still knows that token (docs/decisions/0012).
 *
 * A row that ClickHouse will never take goes to the dead letter, and the others are stored; "(at row n)" of the error names it,
 * else the batch is halved. When every row is refused for one reason it is not the rows' fault, and nothing is given up.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/dead_letter.h"
#include "store/sink_clickhouse.h"

#define REQUEST_MS      65000 /* over the 60 s that the server gives the query */
#define ASK_ROWS        4000  /* ids in one question: the text stays under the server's 256 KiB */
#define PROCESS_POLL_MS 1000
#define VIEWS_TRIES     5           /* of sending a block once more that get no answer */
#define BLOCK_BYTES     (64u << 20) /* a larger text may become several blocks */

static METRIC(metric_view_gap, METRIC_COUNTER, "signet_sink_view_gap_total", NULL,
	      "Tables whose rows were stored while a view behind them failed");

uint64_t clickhouse_patience_ms(void)
{
	return fault("clickhouse.soon") ? 2000 : REQUEST_MS;
}

enum sink_result clickhouse_failed(struct clickhouse_sink *s, enum clickhouse_fault f,
				   struct bytes text)
{
	snprintf(s->base.error, sizeof(s->base.error), "%.*s",
		 BFMT(bytes_head(text, sizeof(s->base.error) - 1)));
	return f == FAULT_NONE ? SINK_OK : f == FAULT_SETUP ? SINK_BLOCKED : SINK_DOWN;
}

/* ---- was it stored? (rule 5) ---- */

static void put_query_id(const struct clickhouse_sink *s, const struct table_batch *t,
			 char out[160])
{
	snprintf(out, 160, "signet-%s-%s-%" PRIu64 "-%" PRIu64, s->node, t->table->name, s->first,
		 s->last);
}

static struct clickhouse_answer ask(struct clickhouse_sink *s, struct bytes sql)
{
	struct clickhouse_query q = { .sql = sql, .timeout_ms = clickhouse_patience_ms() };

	return clickhouse_ask(s->client, &s->server, &q, &s->arena);
}

/* Until the query of an unclear end cannot run any more: the server says so, or the time that it was given is over. */
static enum sink_result wait_until_over(struct clickhouse_sink *s, struct table_batch *t)
{
	uint64_t until = t->sent_ms + clickhouse_patience_ms();
	char id[160];
	struct bytes sql;

	put_query_id(s, t, id);
	sql = arena_printf(&s->arena, "SELECT count() FROM system.processes WHERE query_id = '%s'",
			   id);
	while (t->running && clock_mono_ms() < until) {
		struct clickhouse_answer a = ask(s, sql);

		if (a.code < 0)
			return clickhouse_failed(s, FAULT_RETRY, a.text);
		if (!a.code && bytes_starts(a.text, B("0")))
			break;
		if (fiber_sleep(PROCESS_POLL_MS))
			return clickhouse_failed(s, FAULT_RETRY, error_last()->message);
	}
	t->running = false;
	return SINK_OK;
}

static void mark_stored(struct table_batch *t, struct bytes ids)
{
	while (ids.n) {
		struct bytes line = bytes_cut(&ids, '\n');
		struct uuid id;

		if (!uuid_parse(line, &id))
			continue;
		for (size_t i = 0; i < t->n; i++)
			if (!memcmp(t->rows[i].id.b, id.b, sizeof(id.b)))
				t->rows[i].stored = true;
	}
}

static enum sink_result look_for_rows(struct clickhouse_sink *s, struct table_batch *t, size_t from,
				      size_t to)
{
	struct clickhouse_answer a;
	char digits[UUID_TEXT + 1];
	struct buf sql;

	buf_init(&sql, 1u << 20);
	buf_printf(&sql, "SELECT %s FROM %s WHERE %s IN (", t->table->id, t->table->name,
		   t->table->id);
	for (size_t i = from; i < to; i++)
		buf_printf(&sql, "%s'%.*s'", i > from ? "," : "",
			   BFMT(uuid_text(t->rows[i].id, digits)));
	buf_putc(&sql, ')');
	a = ask(s, buf_bytes(&sql));
	buf_deinit(&sql);
	if (a.code)
		return clickhouse_failed(s, a.code > 0 ? clickhouse_fault_of(a.code) : FAULT_RETRY,
					 a.text);
	mark_stored(t, a.text);
	return SINK_OK;
}

static size_t count_missing(const struct table_batch *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += !t->rows[i].stored;
	return n;
}

/* ---- one INSERT ---- */

/* What of rows from..to is to be sent. *n: how many. */
static struct bytes lines_of(struct clickhouse_sink *s, const struct table_batch *t, size_t from,
			     size_t to, size_t *n)
{
	struct buf out;
	struct bytes all;

	*n = 0;
	for (size_t i = from; i < to; i++)
		*n += !t->rows[i].stored && !t->rows[i].guilty;
	if (*n == t->n)
		return buf_bytes(&t->lines);
	buf_init(&out, t->lines.len + 1);
	for (size_t i = from; i < to; i++)
		if (!t->rows[i].stored && !t->rows[i].guilty)
			buf_append(&out,
				   (struct bytes){ t->lines.data + t->rows[i].from, t->rows[i].n });
	all = arena_dup(&s->arena, buf_bytes(&out));
	buf_deinit(&out);
	return all;
}

static struct clickhouse_answer insert(struct clickhouse_sink *s, struct table_batch *t,
				       struct bytes lines)
{
	char id[160], again[24] = "";
	struct clickhouse_query q = { .rows = lines, .timeout_ms = clickhouse_patience_ms() };

	put_query_id(s, t, id);
	if (t->token)
		snprintf(again, sizeof(again), "-r%u", t->token);
	q.sql = arena_printf(&s->arena, "INSERT INTO %s FORMAT JSONEachRow", t->table->name);
	q.settings = arena_printf(
		&s->arena,
		"&async_insert=0&query_id=%s&insert_deduplication_token=%s%s&deduplicate_blocks_in_dependent_materialized_views=1&max_execution_time=60",
		id, id, again);
	t->sent_ms = clock_mono_ms();
	return clickhouse_ask(s->client, &s->server, &q, &s->arena);
}

/* Takes the next token, and notes it where the cursor's word for the batch does not cover it. `whole`: all its rows go, and
 * none of them is there. */
static enum sink_result take_token(struct clickhouse_sink *s, struct table_batch *t, bool whole)
{
	bool repeated = t->token && t->token == t->next_token && t->one_block == whole;

	if (repeated)
		return SINK_OK; /* nothing came of the last time */
	t->one_block = whole;
	t->token = t->next_token;
	if (!t->token && whole)
		return SINK_OK; /* since the batch was noted, and no other */
	t->token_ms = clock_unix_ms();
	return clickhouse_note_token(s, t);
}

/* A view's error, not the block's: that was stored. */
static bool of_a_view(const struct clickhouse_answer *a)
{
	return bytes_find(a->text, B("while pushing to view")) >= 0;
}

/* The n-th row of those that were sent, from 1. NULL: there is none. */
static struct batch_row *nth_sent(struct table_batch *t, size_t from, size_t to, uint64_t n)
{
	for (size_t i = from; n && i < to; i++)
		if (!t->rows[i].stored && !t->rows[i].guilty && !--n)
			return &t->rows[i];
	return NULL;
}

static struct batch_row *row_named(struct table_batch *t, size_t from, size_t to, struct bytes text)
{
	ptrdiff_t at = bytes_find(text, B("(at row "));
	uint64_t n = 0;

	if (at < 0)
		return NULL;
	text = bytes_slice(text, (size_t)at + 8, text.n);
	return bytes_to_u64(bytes_cut(&text, ')'), &n) ? nth_sent(t, from, to, n) : NULL;
}

/* Sends what is missing of rows from..to. On return rows are stored or guilty, or the try has failed. */
static enum sink_result insert_rows(struct clickhouse_sink *s, struct table_batch *t, size_t from,
				    size_t to)
{
	struct clickhouse_answer a;
	struct batch_row *guilty;
	enum sink_result r;
	size_t n;
	struct bytes lines;

	while ((lines = lines_of(s, t, from, to, &n)).n && n) {
		r = take_token(s, t, n == t->n);
		if (r != SINK_OK)
			return r;
		a = insert(s, t, lines);
		t->next_token = t->token + (a.code >= 0 || a.unclear || s->o.visit);
		if (!a.code) {
			for (size_t i = from; i < to; i++)
				t->rows[i].stored |= !t->rows[i].guilty;
			return SINK_OK;
		}
		if (clickhouse_fault_of(a.code) != FAULT_ROWS || of_a_view(&a)) {
			t->unclear |= a.code > 0 || a.unclear;
			t->running |= a.code < 0 && a.unclear;
			t->refused |= a.code > 0;
			return clickhouse_failed(s,
						 a.code > 0 && !of_a_view(&a)
							 ? clickhouse_fault_of(a.code)
							 : FAULT_RETRY,
						 a.text);
		}
		clickhouse_failed(s, FAULT_ROWS, a.text);
		guilty = row_named(t, from, to, a.text);
		if (!guilty && n == 1)
			guilty = nth_sent(t, from, to, 1);
		if (!guilty) {
			size_t middle = from + (to - from) / 2;

			t->unclear = true; /* a half may be stored and the other not */
			r = insert_rows(s, t, from, middle);
			return r == SINK_OK ? insert_rows(s, t, middle, to) : r;
		}
		guilty->guilty = a.code;
	}
	return SINK_OK;
}

/* ---- all of it is there: are views behind it whole? (rule 7) ---- */

static void count_view_gap(const struct table_batch *t, struct bytes why)
{
	METRIC_ADD(&metric_view_gap, 1);
	log_warn("store", "ClickHouse stored rows, but a view behind their table failed",
		 LS("table", t->table->name), LB("error", why));
}

/* The block once more under its own token. */
static enum sink_result send_for_views(struct clickhouse_sink *s, struct table_batch *t)
{
	struct clickhouse_answer a = insert(s, t, buf_bytes(&t->lines));

	if (!a.code) {
		log_info("store", "a block went to ClickHouse once more, so that no view lacks it",
			 LS("table", t->table->name), LI("rows", t->n));
		return SINK_OK;
	}
	if (a.code < 0 && ++t->sent_for_views < VIEWS_TRIES) {
		t->running |= a.unclear;
		return clickhouse_failed(s, FAULT_RETRY, a.text);
	}
	count_view_gap(t, a.text);
	return SINK_OK;
}

static enum sink_result fill_views(struct clickhouse_sink *s, struct table_batch *t)
{
	struct bytes why = B("its rows did not come as one block");
	bool known = false;
	enum sink_result r = SINK_OK;

	if (t->one_block && t->lines.len <= BLOCK_BYTES)
		r = clickhouse_token_is_known(s, t, &known, &why);
	if (r != SINK_OK)
		return r;
	if (known)
		return send_for_views(s, t);
	if (t->refused)
		count_view_gap(t, why);
	else if (!s->o.visit) /* whose rows may have come in any way */
		log_info(
			"store",
			"whether views behind a table of ClickHouse have a block cannot be made sure",
			LS("table", t->table->name), LB("error", why));
	return SINK_OK;
}

static enum sink_result find_out(struct clickhouse_sink *s, struct table_batch *t)
{
	enum sink_result r = wait_until_over(s, t);

	for (size_t i = 0; r == SINK_OK && i < t->n; i += ASK_ROWS)
		r = look_for_rows(s, t, i, i + ASK_ROWS < t->n ? i + ASK_ROWS : t->n);
	if (r == SINK_OK && !count_missing(t))
		r = fill_views(s, t);
	if (r == SINK_OK)
		t->unclear = t->refused = false;
	return r;
}

/* ---- rows at fault ---- */

/* A column that rows have and the table has not; it is in the arena. Unset: none, or nobody can tell. */
static struct bytes missing_column(struct clickhouse_sink *s, const struct table_batch *t)
{
	struct bytes row = { t->lines.data, t->rows[0].n };
	struct clickhouse_answer a;
	struct json_member m;
	size_t pos = 0;

	a = ask(s,
		arena_printf(
			&s->arena,
			"SELECT name FROM system.columns WHERE database = currentDatabase() AND table = '%s'",
			t->table->name));
	while (!a.code && a.text.n && json_next_member(row, &pos, &m) > 0) {
		struct bytes names = a.text;
		bool there = false;

		while (names.n && !there)
			there = bytes_eq(bytes_cut(&names, '\n'), m.key);
		if (!there)
			return m.key;
	}
	return (struct bytes){ 0 };
}

static size_t count_guilty(const struct table_batch *t, bool *one_reason)
{
	size_t n = 0;
	int code = 0;

	*one_reason = true;
	for (size_t i = 0; i < t->n; i++) {
		if (!t->rows[i].guilty)
			continue;
		*one_reason &= !code || code == t->rows[i].guilty;
		code = t->rows[i].guilty;
		n++;
	}
	return n;
}

static enum sink_result bury_guilty(struct clickhouse_sink *s, struct table_batch *t)
{
	for (size_t i = 0; i < t->n; i++) {
		struct batch_row *row = &t->rows[i];
		struct dead_row dead = { .sink = s->base.type->name,
					 .table = t->table->row,
					 .number = row->number,
					 .code = row->guilty,
					 .error = bytes_of(s->base.error),
					 .row = { t->lines.data + row->from, row->n - 1 } };

		if (!row->guilty)
			continue;
		if (s->o.visit ? s->o.visit->refused(s->o.visit, &dead)
			       : dead_letter_add(s->o.dir_fd, &dead)) {
			t->unclear = true; /* the others are there */
			return clickhouse_failed(s, FAULT_RETRY,
						 arena_printf(&s->arena,
							      "journal/dead cannot be written: %s",
							      strerror(errno)));
		}
		s->base.dead_rows++;
	}
	return SINK_OK;
}

/* One row alone tells nothing of whose fault it is, unless a column is not there. */
static enum sink_result judge_guilty(struct clickhouse_sink *s, struct table_batch *t)
{
	bool one_reason;
	size_t guilty = count_guilty(t, &one_reason);
	struct bytes column, why;

	if (!guilty)
		return SINK_OK;
	if (s->o.visit || guilty < t->n || (t->n > 1 && !one_reason))
		return bury_guilty(s, t);
	why = arena_dup(&s->arena, bytes_of(s->base.error));
	column = missing_column(s, t);
	if (bytes_set(column))
		return clickhouse_failed(s, FAULT_SETUP,
					 arena_printf(&s->arena,
						      "table %s has no column `%.*s`: %.*s",
						      t->table->name, BFMT(column), BFMT(why)));
	if (t->n > 1)
		return clickhouse_failed(
			s, FAULT_SETUP,
			arena_printf(&s->arena, "every row of a batch for %s is refused: %.*s",
				     t->table->name, BFMT(why)));
	return bury_guilty(s, t);
}

enum sink_result clickhouse_store_table(struct clickhouse_sink *s, struct table_batch *t)
{
	enum sink_result r = t->unclear ? find_out(s, t) : SINK_OK;

	if (r == SINK_OK)
		r = insert_rows(s, t, 0, t->n);
	if (r == SINK_OK)
		r = judge_guilty(s, t);
	t->stored = r == SINK_OK;
	return r;
}
