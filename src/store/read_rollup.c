/*
 * Charts out of Rollup and RollupWide (rollup.h). The range is cut into stretches: days where steps are of whole days,
 * hours of the last days, and for the rest the narrow sums, hours or minutes. What lies outside of whole minutes or hours,
 * and what the journal has beyond the store, are rows.
 *
 * A value's sums of a stretch stand together, so each value is sought by the one before it: what is read does not grow with
 * the age of the record.
 */
#include "base/error.h"
#include "base/time.h"
#include "store/read_sql.h"
#include "store/read_summing.h"
#include "store/schema.h"

#define HOUR_S    3600
#define DAY_S     86400
#define MINUTES_S (ROLLUP_NARROW_S - HOUR_S) /* for so long, to be sure, Rollup has minutes */

/* ---- which dimension ---- */

static const struct {
	const char *name;
	enum list_cell halves[2]; /* L_CELLS: there is no second */
} dims[] = {
	{ "function", { L_FUNCTION, L_CELLS } }, { "model", { L_MODEL, L_CELLS } },
	{ "provider", { L_PROVIDER, L_CELLS } }, { "key", { L_KEY, L_CELLS } },
	{ "surface", { L_SURFACE, L_CELLS } },   { "function_variant", { L_FUNCTION, L_VARIANT } },
	{ "model_key", { L_MODEL, L_KEY } },
};

static int half_of(size_t dim, enum list_cell cell)
{
	for (int i = 0; i < 2; i++)
		if (cell != L_CELLS && dims[dim].halves[i] == cell)
			return i;
	return -1;
}

/* L_CELLS: not wanted. */
static bool find_dim(enum list_cell filtered, enum list_cell by, struct rolled *out)
{
	if (filtered == L_CELLS && by == L_CELLS) { /* every row has a surface */
		*out = (struct rolled){ "surface", -1, -1 };
		return true;
	}
	for (size_t i = 0; i < COUNT(dims); i++) {
		*out = (struct rolled){ dims[i].name, half_of(i, filtered), half_of(i, by) };
		if ((filtered == L_CELLS || out->filtered >= 0) && (by == L_CELLS || out->by >= 0))
			return true;
	}
	return false;
}

static const struct condition *condition_of(const struct summing *s)
{
	return s->q->filter.n ? &s->q->filter.at[0] : NULL;
}

static bool find_dims(struct summing *s)
{
	const struct read_filter *f = &s->q->filter;
	enum list_cell filtered = f->n ? f->at[0].cell : L_CELLS;

	if (f->typed.n || f->n > 1 || (f->n && f->at[0].kind != CONDITION_ANY))
		return false;
	if (!find_dim(filtered, L_CELLS, &s->all))
		return false;
	return !s->q->by.n || (s->cell != L_CELLS && find_dim(filtered, s->cell, &s->by));
}

/* ---- what there is ---- */

/* A number of Progress; 0: it is not there, nor in a file that no gateway with charts has opened yet. */
static int64_t progress(struct reader *r, const char *what)
{
	sqlite3_stmt *st = NULL;
	int64_t at = 0;

	if (sqlite3_prepare_v2(r->log.db, "SELECT at FROM Progress WHERE what = ?1", -1, &st, NULL))
		return 0;
	sqlite3_bind_text(st, 1, what, -1, SQLITE_STATIC);
	if (sqlite3_step(st) == SQLITE_ROW)
		at = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return at;
}

/* Whether all that is stored was added up. */
static bool is_whole(struct reader *r)
{
	sqlite3_stmt *st = NULL;
	bool whole;

	if (!r->log.db ||
	    sqlite3_prepare_v2(r->log.db, "SELECT 1 FROM Progress WHERE what = 'rollup'", -1, &st,
			       NULL))
		return false;
	whole = sqlite3_step(st) == SQLITE_DONE;
	sqlite3_finalize(st);
	return whole;
}

static bool find_range(struct summing *s)
{
	const struct series_question *q = s->q;
	int64_t now = (int64_t)(clock_unix_ms() / 1000);
	int64_t first = q->filter.from >> 15, last = q->filter.to >> 15; /* ms */
	int64_t unit;

	if (first < s->oldest >> 15)
		first = s->oldest >> 15;
	if (s->r->clickhouse && first < s->r->horizon >> 15)
		first = s->r->horizon >> 15; /* what is older is asked of ClickHouse */
	unit = first / 1000 < now - MINUTES_S ? HOUR_S : 60;

	if (q->step_s % (uint64_t)unit)
		return false;
	s->from_s = (first + unit * 1000 - 1) / 1000 / unit * unit;
	if (s->from_s * 1000 < first)
		s->from_s += unit;
	unit = last / 1000 < now - MINUTES_S ? HOUR_S : 60;
	s->to_s = last / 1000 / unit * unit;
	return s->from_s < s->to_s;
}

bool rollup_answers(struct summing *s)
{
	if (!find_dims(s) || !is_whole(s->r) || !find_range(s))
		return false;
	s->wide = (struct rollup_wide){ progress(s->r, "wide_from"), progress(s->r, "wide_to"),
					progress(s->r, "wide_days") };
	return true;
}

/* ---- a stretch ---- */

struct stretch {
	int64_t step; /* of RollupWide; 0: of Rollup */
	int64_t from, to;
};

/* The values: one, or those from ?2 on that lie before ?6. */
#define THE_VALUE "WITH v(value) AS (SELECT ?2) "
#define EACH_VALUE(table, where)                                                                  \
	"WITH RECURSIVE v(value) AS (SELECT min(value) FROM " table " WHERE " where               \
	"dim = ?1 AND value >= ?2 AND value < ?6 UNION ALL SELECT (SELECT min(value) FROM " table \
	" WHERE " where                                                                           \
	"dim = ?1 AND value > v.value AND value < ?6) FROM v WHERE v.value IS NOT NULL) "
/* Of each value how often it is there. */
#define COUNTS_OF(from) \
	"SELECT v.value, 0, (SELECT sum(r.count) FROM " from ") FROM v WHERE v.value IS NOT NULL"
#define SUMS_OF                                                                              \
	"SELECT r.value, r.hour, r.count, r.errors, r." N_IN ", r." N_OUT ", r." N_COST_NANO \
	", r.priced, r.ms, r.ttft FROM v CROSS JOIN "
#define NARROW \
	"Rollup r WHERE r.dim = ?1 AND r.value = v.value AND r.step IN (60, 3600) AND r.hour >= ?3 AND r.hour < ?4"
#define WIDE \
	"RollupWide r WHERE r.step = ?5 AND r.dim = ?1 AND r.value = v.value AND r.hour >= ?3 AND r.hour < ?4"
#define EACH_NARROW EACH_VALUE("Rollup", "")
#define EACH_WIDE   EACH_VALUE("RollupWide", "step = ?5 AND ")

static sqlite3_stmt *stretch_statement(const struct summing *s, const struct stretch *at, bool one)
{
	static const char *const texts[2][2][2] = {
		/* wide, counting, one */
		{ { EACH_NARROW SUMS_OF NARROW, THE_VALUE SUMS_OF NARROW },
		  { EACH_NARROW COUNTS_OF(NARROW), THE_VALUE COUNTS_OF(NARROW) } },
		{ { EACH_WIDE SUMS_OF WIDE, THE_VALUE SUMS_OF WIDE },
		  { EACH_WIDE COUNTS_OF(WIDE), THE_VALUE COUNTS_OF(WIDE) } }
	};

	return read_statement(s->r, texts[at->step != 0][s->counting][one]);
}

static struct bytes half(struct bytes value, int which, bool paired)
{
	struct bytes first = paired ? bytes_cut(&value, '\t') : value;

	return which == 1 ? value : first;
}

static bool is_wanted(const struct condition *c, struct bytes value)
{
	for (size_t i = 0; i < c->n; i++)
		if (bytes_eq(c->values[i], value))
			return true;
	return false;
}

static int add_sums(struct summing *s, sqlite3_stmt *st, struct sums *to)
{
	to->n += (uint64_t)sqlite3_column_int64(st, 2);
	to->errors += (uint64_t)sqlite3_column_int64(st, 3);
	to->in += (uint64_t)sqlite3_column_int64(st, 4);
	to->out += (uint64_t)sqlite3_column_int64(st, 5);
	to->cost_nano += sqlite3_column_int64(st, 6);
	to->priced += (uint64_t)sqlite3_column_int64(st, 7);
	return summing_blob(s, &to->ms, st, 8) || summing_blob(s, &to->ttft_ms, st, 9) ? -1 : 0;
}

static int take_sums(struct summing *s, sqlite3_stmt *st, const struct rolled *as)
{
	struct bytes value = { (const char *)sqlite3_column_text(st, 0),
			       (size_t)sqlite3_column_bytes(st, 0) };
	bool paired = as->by >= 0 && as->filtered >= 0 ? as->by != as->filtered
						       : as->by == 1 || as->filtered == 1;
	const struct condition *c = condition_of(s);
	struct series *series = &s->q->all;

	if (c && !is_wanted(c, half(value, as->filtered, paired)))
		return 0;
	if (s->by_value) {
		value = half(value, as->by, paired);
		if (s->counting)
			return summing_count(s, value, sqlite3_column_int64(st, 2));
		series = summing_series(s, value);
	}
	return series ? add_sums(s, st, summing_at(s, series, sqlite3_column_int64(st, 1))) : 0;
}

static int sum_values(struct summing *s, const struct rolled *as, const struct stretch *at,
		      struct bytes least, struct bytes before, bool one)
{
	sqlite3_stmt *st = stretch_statement(s, at, one);
	int rc = SQLITE_ERROR, bad = 0;

	if (!st)
		return -1;
	sqlite3_bind_text(st, 1, as->dim, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, least.n ? least.p : "", (int)least.n, SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, at->from);
	sqlite3_bind_int64(st, 4, at->to);
	sqlite3_bind_int64(st, 5, at->step);
	sqlite3_bind_text(st, 6, before.p, (int)before.n, SQLITE_STATIC);
	while (!bad && (rc = sqlite3_step(st)) == SQLITE_ROW)
		bad = take_sums(s, st, as);
	if (!bad && rc != SQLITE_DONE && !(s->q->partial = read_over(s->r)))
		bad = fail(ERR_STORE, "%s", sqlite3_errmsg(s->r->log.db));
	sqlite3_finalize(st);
	return bad;
}

#define BEYOND_ALL B("\xf4\x8f\xbf\xbf") /* U+10FFFF */

static int sum_stretch(struct summing *s, const struct rolled *as, const struct stretch *at)
{
	const struct condition *c = condition_of(s);
	bool alone = as->filtered == 0 && as->by <= 0;
	int bad = 0;

	if (at->from >= at->to)
		return 0;
	if (!c || as->filtered == 1)
		return sum_values(s, as, at, B(""), BEYOND_ALL, false);
	for (size_t i = 0; !bad && i < c->n; i++) {
		struct bytes v = c->values[i];

		if (alone)
			bad = sum_values(s, as, at, v, B(""), true);
		else
			bad = sum_values(s, as, at, arena_cat(s->q->arena, v, B("\t")),
					 arena_cat(s->q->arena, v, B("\n")), false);
	}
	return bad;
}

/* ---- the range, in stretches ---- */

static int64_t later(int64_t x, int64_t y)
{
	return x > y ? x : y;
}

static int64_t earlier(int64_t x, int64_t y)
{
	return x < y ? x : y;
}

/* Whether sums of this width lie within a step each. */
static bool fits(const struct series_question *q, uint64_t unit)
{
	return q->step_s % unit == 0 && (q->n == 1 || q->from_s % unit == 0);
}

static int sum_hours(struct summing *s, const struct rolled *as, int64_t from, int64_t to)
{
	int64_t a = (later(from, s->wide.from) + HOUR_S - 1) / HOUR_S * HOUR_S;
	int64_t b = earlier(to, s->wide.to) / HOUR_S * HOUR_S;

	if (!fits(s->q, HOUR_S) || a >= b)
		return sum_stretch(s, as, &(struct stretch){ 0, from, to });
	return sum_stretch(s, as, &(struct stretch){ 0, from, a }) ||
			       sum_stretch(s, as, &(struct stretch){ HOUR_S, a, b }) ||
			       sum_stretch(s, as, &(struct stretch){ 0, b, to })
		       ? -1
		       : 0;
}

static int sum_dim(struct summing *s, const struct rolled *as)
{
	int64_t a = (s->from_s + DAY_S - 1) / DAY_S * DAY_S;
	int64_t b = earlier(s->to_s / DAY_S * DAY_S, s->wide.days_to);

	if (!fits(s->q, DAY_S) || a >= b)
		return sum_hours(s, as, s->from_s, s->to_s);
	return sum_hours(s, as, s->from_s, a) ||
			       sum_stretch(s, as, &(struct stretch){ DAY_S, a, b }) ||
			       sum_hours(s, as, b, s->to_s)
		       ? -1
		       : 0;
}

/* What Rollup has not. */
static int sum_the_rest(struct summing *s)
{
	int64_t from = s->from_s * (1000 << 15), to = s->to_s * (1000 << 15);

	return summing_rows(s, s->q->filter.from, from, false) ||
			       summing_rows(s, to, s->q->filter.to, false) ||
			       summing_rows(s, from, to, true)
		       ? -1
		       : 0;
}

int rollup_count(struct summing *s)
{
	s->by_all = false;
	s->by_value = true;
	return sum_dim(s, &s->by) || sum_the_rest(s) ? -1 : 0;
}

int rollup_sum(struct summing *s)
{
	s->by_all = true;
	s->by_value = false;
	if (sum_dim(s, &s->all))
		return -1;
	s->by_all = false;
	s->by_value = true;
	if (s->q->by.n && sum_dim(s, &s->by))
		return -1;
	s->by_all = true;
	s->by_value = s->q->by.n > 0;
	return sum_the_rest(s);
}
