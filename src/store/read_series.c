/*
 * Sums by step and value. Whole hours, and minutes of the last two days, come from Rollup where that has what is asked
 * for; the ends of the range, and whatever Rollup does not know, from the rows. Both add to the same sums, and
 * percentiles are those of the merged histograms.
 */
#include "store/read_summing.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "store/read_clickhouse.h"
#include "store/read_sql.h"

#define VALUES_MAX 100000 /* that are told apart */

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

int summing_blob(struct summing *s, struct times **t, sqlite3_stmt *st, int column)
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

static bool is_of(const struct series *series, struct bytes value)
{
	return bytes_eq(series->by, value);
}

/* Sums of a value come one after the other, so the last one is tried first. */
struct series *summing_series(struct summing *s, struct bytes value)
{
	struct series_question *q = s->q;

	if (!value.n)
		return NULL;
	if (s->last && is_of(s->last, value))
		return s->last;
	for (size_t i = 0; i < q->nseries - q->others; i++)
		if (is_of(&q->at[i], value))
			return s->last = &q->at[i];
	return q->others ? &q->at[q->nseries - 1] : NULL;
}

struct sums *summing_at(const struct summing *s, struct series *series, int64_t unix_s)
{
	const struct series_question *q = s->q;
	uint64_t from = q->from_s, t = unix_s > (int64_t)from ? (uint64_t)unix_s : from;
	size_t i = (size_t)((t - from) / q->step_s);

	return &series->at[i < q->n ? i : q->n - 1];
}

int summing_count(struct summing *s, struct bytes value, int64_t n)
{
	struct facet *f;

	if (!value.n || n <= 0)
		return 0;
	f = map_get(&s->counted, value);
	if (f) {
		f->n += n;
		return 0;
	}
	if (s->nvalues >= VALUES_MAX)
		return 0;
	f = arena_new(s->q->arena, struct facet);
	value = arena_dup(s->q->arena, value);
	if (!f || !bytes_set(value))
		return -1;
	*f = (struct facet){ value, n };
	return map_put(&s->counted, value, f) ||
			       !arena_push(s->q->arena, s->values, s->nvalues, s->cap_values, f)
		       ? -1
		       : 0;
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
	struct bytes value;
	struct arena a;
	int bad = 0;

	if (s->by_all)
		bad = add_row(s, summing_at(s, &s->q->all, unix_s), e);
	if (bad || !s->by_value)
		return bad;
	arena_init(&a, READ_ENTRY_MAX);
	value = value_of(s, e, &a);
	if (s->counting)
		bad = summing_count(s, value, 1);
	else
		series = summing_series(s, value);
	arena_deinit(&a);
	return series ? add_row(s, summing_at(s, series, unix_s), e) : bad;
}

int summing_rows(struct summing *s, int64_t from, int64_t to, bool journal_alone)
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
		(*t)->steps[pairs->at[i] < TIME_STEPS ? pairs->at[i] : TIME_STEPS - 1] +=
			(uint32_t)pairs->at[i + 1];
	}
	return 0;
}

static int add_part(void *arg, const struct sums_part *p)
{
	struct summing *s = arg;
	struct series *series = s->by_value ? summing_series(s, p->by) : &s->q->all;
	struct sums *to;

	if (!series)
		return 0;
	to = summing_at(s, series, p->unix_s);
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

static int most_first(const void *x, const void *y)
{
	const struct facet *const *a = x, *const *b = y;

	if ((*a)->n != (*b)->n)
		return (*a)->n < (*b)->n ? 1 : -1;
	return bytes_cmp((*a)->value, (*b)->value);
}

/* Of what is summed up already. */
static int count_values(struct summing *s, struct facet **values, size_t *n)
{
	int bad;

	map_init(&s->counted);
	s->counting = true;
	bad = rollup_count(s);
	s->counting = false;
	map_deinit(&s->counted);
	if (s->nvalues)
		qsort(s->values, s->nvalues, sizeof(struct facet *), most_first);
	*n = s->nvalues;
	*values = arena_array(s->q->arena, struct facet, *n + 1);
	for (size_t i = 0; *values && i < *n; i++)
		(*values)[i] = *s->values[i];
	return bad || !*values ? -1 : 0;
}

/* Which values have a series of their own: the most frequent. */
static int choose_series(struct summing *s, bool rolled)
{
	struct series_question *q = s->q;
	struct facet *values;
	size_t n;
	int late;

	if (!q->by.n)
		return 0;
	late = rolled ? count_values(s, &values, &n)
		      : read_facets(s->r, &q->filter, q->by, B(""), &values, &n, q->arena);
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
	bool rolled;

	if (choose_cell(&s) || series_init(&s, &q->all, (struct bytes){ 0 }))
		return -1;
	rolled = rollup_answers(&s);
	if (choose_series(&s, rolled && (!r->clickhouse || q->filter.from >= r->horizon)))
		return -1;
	s.by_all = true;
	s.by_value = q->by.n > 0;
	if (rolled ? rollup_sum(&s) : summing_rows(&s, q->filter.from, q->filter.to, false))
		return -1;
	return sum_clickhouse(&s);
}

/* ---- how many, where that is summed up ---- */

#define ONE_STEP_S (86400ull * 366000) /* a thousand years */

/* Sums outlive their rows (retention takes the oldest); here rows are counted. */
static int64_t oldest_row(struct reader *r)
{
	sqlite3_stmt *st =
		r->log.db ? read_statement(r, "SELECT min(seq) FROM InferenceById") : NULL;
	int64_t oldest = INT64_MAX;

	if (st && sqlite3_step(st) == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL)
		oldest = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return oldest;
}

int read_sum(struct reader *r, const struct read_filter *f, uint64_t *n)
{
	struct sums all = { 0 };
	struct series_question q = {
		.filter = *f, .step_s = ONE_STEP_S, .n = 1, .arena = f->arena
	};
	struct summing s = { .r = r, .q = &q, .cell = L_CELLS, .oldest = oldest_row(r) };
	int bad;

	q.all.at = &all;
	if (r->clickhouse || !rollup_answers(&s))
		return 0;
	bad = rollup_sum(&s);
	*n = all.n;
	return bad ? -1 : !q.partial;
}

int read_values(struct reader *r, const struct read_filter *f, struct bytes dim,
		struct facet **values, size_t *n)
{
	struct series_question q = {
		.filter = *f, .by = dim, .step_s = ONE_STEP_S, .n = 1, .arena = f->arena
	};
	struct summing s = { .r = r, .q = &q, .cell = filter_cell(dim), .oldest = oldest_row(r) };

	if (r->clickhouse || s.cell == L_CELLS || !rollup_answers(&s))
		return 0;
	return count_values(&s, values, n) ? -1 : !q.partial;
}
