/*
 * Sums by step and value. Whole hours, and minutes of the last two days, come from Rollup where that has what is asked
 * for; the ends of the range, and whatever Rollup does not know, from the rows. Both add to the same sums, and
 * percentiles are those of the merged histograms.
 */
#include "store/read_series.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "store/read_clickhouse.h"
#include "store/read_sql.h"
#include "store/rollup.h"

#define MINUTES_S (47 * 3600) /* for so long, to be sure, Rollup has minutes */

struct summing {
	struct reader *r;
	struct series_question *q;
	enum list_cell cell; /* of `by`; L_CELLS: a tag's value, or none */
	struct bytes tag;
	bool by_all, by_value; /* which of the two the rows at hand are added to */
};

/* ---- histograms ---- */

static size_t step_of(int64_t ms)
{
	int step = hist_bucket(ms);

	return step < TIME_STEPS ? (size_t)step : TIME_STEPS - 1;
}

void times_add(struct times *to, const struct times *t)
{
	if (!t)
		return;
	to->n += t->n;
	for (size_t i = 0; i < TIME_STEPS; i++)
		to->steps[i] += t->steps[i];
}

double times_quantile(const struct times *t, double part)
{
	uint64_t seen = 0, want;

	if (!t || !t->n)
		return -1;
	want = (uint64_t)ceil((double)t->n * part);
	for (size_t i = 0; i < TIME_STEPS; i++) {
		seen += t->steps[i];
		if (seen && seen >= want)
			return hist_value((int)i);
	}
	return -1;
}

static struct times *times_of(struct summing *s, struct times **t)
{
	if (!*t)
		*t = arena_new(s->q->arena, struct times);
	return *t;
}

static int add_time(struct summing *s, struct times **t, const struct cell *ms)
{
	if (ms->type != CELL_INT || ms->num < 0)
		return 0;
	if (!times_of(s, t))
		return -1;
	(*t)->n++;
	(*t)->steps[step_of(ms->num)]++;
	return 0;
}

static bool get_varint(struct bytes *in, uint64_t *v)
{
	*v = 0;
	for (int shift = 0; in->n && shift < 63; shift += 7) {
		uint8_t c = (uint8_t)*in->p;

		*in = bytes_slice(*in, 1, in->n);
		*v |= (uint64_t)(c & 127) << shift;
		if (c < 128)
			return true;
	}
	return false;
}

/* Adds what Rollup keeps: pairs of the distance to the step before, and the count. */
static int add_blob(struct summing *s, struct times **t, sqlite3_stmt *st, int column)
{
	const void *p = sqlite3_column_blob(st, column);
	struct bytes in = { p ? p : "", (size_t)sqlite3_column_bytes(st, column) };
	uint64_t step = 0, distance, n;

	while (get_varint(&in, &distance) && get_varint(&in, &n)) {
		step += distance;
		if (step >= TIME_STEPS)
			step = TIME_STEPS - 1;
		if (!times_of(s, t))
			return -1;
		(*t)->n += n;
		(*t)->steps[step] += (uint32_t)n;
	}
	return 0;
}

/* ---- where a row counts ---- */

static struct series *series_of(struct summing *s, struct bytes value)
{
	struct series_question *q = s->q;

	for (size_t i = 0; value.n && i < q->nseries - q->others; i++)
		if (bytes_eq(q->at[i].by, value))
			return &q->at[i];
	return q->others && value.n ? &q->at[q->nseries - 1] : NULL;
}

static struct sums *sums_at(const struct summing *s, struct series *series, int64_t unix_s)
{
	const struct series_question *q = s->q;
	uint64_t from = q->from_s, t = unix_s > (int64_t)from ? (uint64_t)unix_s : from;
	size_t i = (size_t)((t - from) / q->step_s);

	return &series->at[i < q->n ? i : q->n - 1];
}

/* ---- rows ---- */

static int add_row(struct summing *s, struct sums *to, const struct log_entry *e)
{
	const struct cell *l = e->list;

	to->n++;
	to->errors += row_failed(e);
	to->in += (uint64_t)cell_int(&l[L_IN], 0);
	to->out += (uint64_t)cell_int(&l[L_OUT], 0);
	to->priced += l[L_COST_NANO].type == CELL_INT;
	to->cost_nano += cell_int(&l[L_COST_NANO], 0);
	return add_time(s, &to->ms, &l[L_MS]) || add_time(s, &to->ttft_ms, &l[L_TTFT]) ? -1 : 0;
}

static struct bytes value_of(const struct summing *s, const struct log_entry *e, struct arena *a)
{
	yyjson_val *tags;

	if (s->cell != L_CELLS)
		return cell_text(&e->list[s->cell]);
	tags = s->tag.n && e->has_chat ? json_parse(cell_text(&e->chat[C_TAGS]), a) : NULL;
	return json_str(json_get_n(tags, s->tag.p, s->tag.n));
}

static int on_row(const struct log_entry *e, void *arg)
{
	struct summing *s = arg;
	int64_t unix_s = (e->seq >> 15) / 1000;
	struct series *series = NULL;
	struct arena a;
	int bad = 0;

	if (s->by_all)
		bad = add_row(s, sums_at(s, &s->q->all, unix_s), e);
	if (bad || !s->by_value)
		return bad;
	arena_init(&a, READ_ENTRY_MAX);
	series = series_of(s, value_of(s, e, &a));
	arena_deinit(&a);
	return series ? add_row(s, sums_at(s, series, unix_s), e) : 0;
}

static int sum_rows(struct summing *s, int64_t from, int64_t to, bool journal_alone)
{
	const enum list_cell cells[] = {
		L_STATE, L_IN, L_OUT, L_COST_NANO, L_MS, L_TTFT, s->cell == L_CELLS ? L_ID : s->cell
	};
	struct read_page page = { .before = INT64_MAX,
				  .limit = SIZE_MAX,
				  .unordered = true,
				  .lean = !s->tag.n,
				  .cells = cells,
				  .ncells = COUNT(cells),
				  .journal_alone = journal_alone,
				  .no_clickhouse = !s->q->filter.typed.n };
	struct read_filter f = s->q->filter;
	int bad;

	f.from = from;
	f.to = to;
	if (from >= to)
		return 0;
	bad = read_rows(s->r, &f, &page, on_row, s);
	s->q->partial |= page.partial;
	return bad;
}

/* ---- Rollup ---- */

static const struct {
	enum list_cell cell;
	const char *dim;
} dims[] = {
	{ L_FUNCTION, "function" }, { L_MODEL, "model" },     { L_PROVIDER, "provider" },
	{ L_KEY, "key" },           { L_SURFACE, "surface" },
};

static const char *dim_of(enum list_cell cell)
{
	for (size_t i = 0; i < COUNT(dims); i++)
		if (dims[i].cell == cell)
			return dims[i].dim;
	return NULL;
}

/* Whether all that is stored was added up. */
static bool rollup_is_whole(struct reader *r)
{
	sqlite3_stmt *st = NULL;
	bool whole;

	if (!r->log.db ||
	    sqlite3_prepare_v2(r->log.db, "SELECT 1 FROM Progress WHERE what = 'rollup'", -1, &st,
			       NULL))
		return false; /* a file that no gateway with charts has opened yet */
	whole = sqlite3_step(st) == SQLITE_DONE;
	sqlite3_finalize(st);
	return whole;
}

/* The dimension that has the rows of the filter, and its only condition; NULL: none has. Every row has a surface. */
static const char *dim_of_filter(const struct read_filter *f, const struct condition **only)
{
	*only = f->n ? &f->at[0] : NULL;
	if (f->typed.n || f->n > 1)
		return NULL;
	if (!f->n)
		return "surface";
	return (*only)->kind == CONDITION_ANY ? dim_of((*only)->cell) : NULL;
}

static int add_stored(struct summing *s, sqlite3_stmt *st, struct sums *to)
{
	to->n += (uint64_t)sqlite3_column_int64(st, 2);
	to->errors += (uint64_t)sqlite3_column_int64(st, 3);
	to->in += (uint64_t)sqlite3_column_int64(st, 4);
	to->out += (uint64_t)sqlite3_column_int64(st, 5);
	to->cost_nano += sqlite3_column_int64(st, 6);
	to->priced += (uint64_t)sqlite3_column_int64(st, 7);
	return add_blob(s, &to->ms, st, 8) || add_blob(s, &to->ttft_ms, st, 9) ? -1 : 0;
}

/* One value of a dimension, or all of them; from..to in seconds. */
static int sum_rollup(struct summing *s, const char *dim, struct bytes value, int64_t from,
		      int64_t to)
{
	sqlite3_stmt *st = read_statement(
		s->r,
		value.n ? "SELECT value, hour, count, errors, " N_IN ", " N_OUT ", " N_COST_NANO
			  ", priced, ms, ttft FROM Rollup WHERE dim = ?1 AND value = ?2 AND step IN (60, 3600) AND hour >= ?3 AND hour < ?4"
			: "SELECT value, hour, count, errors, " N_IN ", " N_OUT ", " N_COST_NANO
			  ", priced, ms, ttft FROM Rollup WHERE dim = ?1 AND ?2 = '' AND hour >= ?3 AND hour < ?4");
	int rc = SQLITE_ERROR, bad = 0;

	if (!st)
		return -1;
	sqlite3_bind_text(st, 1, dim, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, value.n ? value.p : "", (int)value.n, SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, from);
	sqlite3_bind_int64(st, 4, to);
	while (!bad && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct bytes is = { (const char *)sqlite3_column_text(st, 0),
				    (size_t)sqlite3_column_bytes(st, 0) };
		struct series *series = s->by_value ? series_of(s, is) : &s->q->all;

		if (!s->by_value || series)
			bad = add_stored(s, st, sums_at(s, series, sqlite3_column_int64(st, 1)));
	}
	if (!bad && rc != SQLITE_DONE && !(s->q->partial = read_over(s->r)))
		bad = fail(ERR_STORE, "%s", sqlite3_errmsg(s->r->log.db));
	sqlite3_finalize(st);
	return bad;
}

static int sum_dim(struct summing *s, const char *dim, const struct condition *only, int64_t from,
		   int64_t to)
{
	int bad = 0;

	if (!only)
		return sum_rollup(s, dim, B(""), from, to);
	for (size_t i = 0; !bad && i < only->n; i++)
		bad = sum_rollup(s, dim, only->values[i], from, to);
	return bad;
}

/* The part of the range that Rollup answers, in seconds. false: none. */
static bool rollup_range(const struct series_question *q, int64_t *from, int64_t *to)
{
	int64_t now = (int64_t)(clock_unix_ms() / 1000);
	int64_t first = q->filter.from >> 15, last = q->filter.to >> 15; /* ms */
	int64_t unit = first / 1000 < now - MINUTES_S ? 3600 : 60;

	if (q->step_s % (uint64_t)unit)
		return false;
	*from = (first + unit * 1000 - 1) / 1000 / unit * unit;
	if (*from * 1000 < first)
		*from += unit;
	unit = last / 1000 < now - MINUTES_S ? 3600 : 60;
	*to = last / 1000 / unit * unit;
	return *from < *to;
}

/* 1: done; 0: Rollup has not what is asked for. */
static int sum_by_rollup(struct summing *s)
{
	struct series_question *q = s->q;
	const struct condition *only;
	const char *dim = dim_of_filter(&q->filter, &only), *by = dim_of(s->cell);
	int64_t from, to;

	if (!dim || !rollup_is_whole(s->r) || !rollup_range(q, &from, &to))
		return 0;
	if (q->by.n && (!by || (only && only->cell != s->cell)))
		return 0;
	s->by_all = true;
	s->by_value = false;
	if (sum_dim(s, dim, only, from, to))
		return -1;
	s->by_all = false;
	s->by_value = true;
	if (q->by.n && sum_dim(s, by, only, from, to))
		return -1;
	s->by_all = true;
	s->by_value = q->by.n > 0;
	from *= 1000 << 15;
	to *= 1000 << 15;
	if (sum_rows(s, q->filter.from, from, false) || sum_rows(s, to, q->filter.to, false) ||
	    sum_rows(s, from, to, true))
		return -1;
	return 1;
}

/* ---- ClickHouse ---- */

bool read_sums_all(const struct reader *r)
{
	return r->clickhouse && r->horizon == INT64_MAX;
}

static int add_times(struct summing *s, struct times **t, const struct numbers *pairs)
{
	if (!pairs->n)
		return 0;
	if (!times_of(s, t))
		return -1;
	for (size_t i = 0; i + 1 < pairs->n; i += 2) {
		(*t)->n += (uint64_t)pairs->at[i + 1];
		(*t)->steps[step_of(pairs->at[i])] += (uint32_t)pairs->at[i + 1];
	}
	return 0;
}

static int add_part(void *arg, const struct sums_part *p)
{
	struct summing *s = arg;
	struct series *series = s->by_value ? series_of(s, p->by) : &s->q->all;
	struct sums *to;

	if (!series)
		return 0;
	to = sums_at(s, series, p->unix_s);
	to->n += p->n;
	to->in += p->in;
	to->out += p->out;
	to->priced += p->priced;
	to->cost_nano += p->cost_nano;
	return add_times(s, &to->ms, &p->ms) || add_times(s, &to->ttft_ms, &p->ttft_ms) ? -1 : 0;
}

/* Once for all rows, and once for each value. What the journal has is left out by the ids that were seen there. */
static int sum_clickhouse(struct summing *s)
{
	struct series_question *q = s->q;
	int64_t horizon = s->r->horizon;
	int bad;

	if (!s->r->clickhouse || q->filter.typed.n)
		return 0;
	s->by_value = false;
	if (clickhouse_sums(s->r, q, s->cell, s->tag, false, add_part, s, &q->partial))
		return clickhouse_is_missed(s->r, &q->partial);
	s->by_value = true;
	if (!q->by.n)
		return 0;
	if (s->tag.n) /* a list without bodies has no tags either */
		s->r->horizon = INT64_MAX;
	bad = clickhouse_sums(s->r, q, s->cell, s->tag, true, add_part, s, &q->partial);
	s->r->horizon = horizon;
	return bad ? clickhouse_is_missed(s->r, &q->partial) : 0;
}

/* ---- the whole ---- */

static int series_init(struct summing *s, struct series *series, struct bytes by)
{
	series->by = by;
	series->at = arena_array(s->q->arena, struct sums, s->q->n);
	return series->at ? 0 : -1;
}

/* Which values have a series of their own: the most frequent. */
static int choose_series(struct summing *s)
{
	struct series_question *q = s->q;
	struct facet *values;
	size_t n;
	int late;

	if (!q->by.n)
		return 0;
	late = read_facets(s->r, &q->filter, q->by, B(""), &values, &n, q->arena);
	if (late < 0)
		return -1;
	q->partial |= late;
	q->others = n > SERIES_MAX;
	q->nseries = q->others ? SERIES_MAX + 1 : n;
	q->at = arena_array(q->arena, struct series, q->nseries + 1);
	for (size_t i = 0; q->at && i < q->nseries; i++)
		if (series_init(s, &q->at[i],
				i == SERIES_MAX && q->others ? B("other") : values[i].value))
			return -1;
	return q->at ? 0 : -1;
}

static int choose_cell(struct summing *s)
{
	struct bytes by = s->q->by;

	s->cell = filter_cell(by);
	if (!by.n || s->cell != L_CELLS)
		return 0;
	if (!bytes_starts(by, B("tag.")) || by.n < 5)
		return fail(ERR_INVALID_REQUEST, "by=%.*s: wanted is fn, model, ..., tag.K",
			    BFMT(bytes_head(by, 100)));
	s->tag = bytes_slice(by, 4, by.n);
	return 0;
}

int read_series(struct reader *r, struct series_question *q)
{
	struct summing s = { .r = r, .q = q };
	int done;

	if (choose_cell(&s) || series_init(&s, &q->all, (struct bytes){ 0 }) || choose_series(&s))
		return -1;
	done = sum_by_rollup(&s);
	if (done < 0)
		return -1;
	s.by_all = true;
	s.by_value = q->by.n > 0;
	if (!done && sum_rows(&s, q->filter.from, q->filter.to, false))
		return -1;
	return sum_clickhouse(&s);
}
