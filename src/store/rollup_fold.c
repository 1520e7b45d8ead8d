/*
 * Wide sums of narrow ones, behind the drainer: minutes that are two days old become hours, and RollupWide gets the hours
 * and the days that have ended, so that a chart of a month reads a row a day. There a sum stands a second time; what comes
 * late for it is added to it as to the narrow one (rollup.c).
 *
 * The trap: nothing here may look at a whole table, because minutes are as many as rows. The key of a table begins with
 * dimension and value, so each of these is sought by the one before it, and then the time within it.
 */
#include "base/error.h"
#include "store/rollup_own.h"

#define GRACE_S    120 /* an hour is summed up when so much of the next is over: less comes late */
#define WIDE_HOURS 72  /* kept in RollupWide at most; the newest 48 stay */
#define OF_ONE     "dim = ?1 AND value = ?2"
#define ENDS       "ON CONFLICT(what) DO UPDATE SET at = excluded.at"
#define WIDE_FROM  "wide_from"
#define WIDE_TO    "wide_to"
#define WIDE_DAYS  "wide_days"

const char *const rollup_fold_queries[ROLLUP_QUERIES] = {
	[Q_AT] = "SELECT at FROM Progress WHERE what = ?1",
	[Q_SET_AT] = "INSERT INTO Progress(what, at) VALUES(?1, ?2) " ENDS,
	[Q_NEXT] =
		"SELECT dim, value FROM Rollup WHERE (dim, value) > (?1, ?2) ORDER BY dim, value LIMIT 1",
	[Q_FIRST] = "SELECT min(hour) FROM Rollup WHERE " OF_ONE " AND step = ?3",
	[Q_RANGE] = "SELECT " ALL_SUMS " FROM Rollup WHERE " OF_ONE
		    " AND step IN (?3, ?4) AND hour >= ?5 AND hour < ?6",
	[Q_DROP] = "DELETE FROM Rollup WHERE " OF_ONE " AND step = 60 AND hour < ?3",
	[Q_DROP_WIDE] = "DELETE FROM RollupWide WHERE step = 3600 AND hour < ?1",
};

/* ---- each dimension and value that there is ---- */

struct each {
	struct buf dim, value;
	const struct rollup_dim *known; /* NULL: none of this version */
};

static void each_init(struct each *e)
{
	buf_init(&e->dim, 1 << 10);
	buf_init(&e->value, 1 << 16);
}

static void each_deinit(struct each *e)
{
	buf_deinit(&e->dim);
	buf_deinit(&e->value);
}

static int keep(struct buf *b, struct bytes text)
{
	buf_reset(b);
	return buf_append(b, text) || buf_putc(b, 0) ? SQLITE_NOMEM : SQLITE_ROW;
}

static struct bytes kept(const struct buf *b)
{
	return (struct bytes){ b->data, b->len ? b->len - 1 : 0 };
}

/* SQLITE_ROW, SQLITE_DONE behind the last, or an error. */
static int each_next(struct rollup *r, struct each *e)
{
	sqlite3_stmt *st = r->st[Q_NEXT];
	int rc;

	rollup_bind(st, 1, kept(&e->dim));
	rollup_bind(st, 2, kept(&e->value));
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		rc = keep(&e->dim, rollup_column(st, 0));
	if (rc == SQLITE_ROW)
		rc = keep(&e->value, rollup_column(st, 1));
	sqlite3_reset(st);
	if (rc == SQLITE_ROW)
		e->known = rollup_dim_named(e->dim.data);
	return rc;
}

static void bind_one(sqlite3_stmt *st, const struct each *e)
{
	rollup_bind(st, 1, kept(&e->dim));
	rollup_bind(st, 2, kept(&e->value));
}

/* Where the first row of this step begins; INT64_MAX: there is none. */
static int find_first(struct rollup *r, int64_t step, int64_t *first)
{
	sqlite3_stmt *st = r->st[Q_FIRST];
	struct each e;
	int rc;

	*first = INT64_MAX;
	each_init(&e);
	while ((rc = each_next(r, &e)) == SQLITE_ROW) {
		bind_one(st, &e);
		sqlite3_bind_int64(st, 3, step);
		if (sqlite3_step(st) == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL &&
		    sqlite3_column_int64(st, 0) < *first)
			*first = sqlite3_column_int64(st, 0);
		sqlite3_reset(st);
	}
	each_deinit(&e);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Sums that are read: of these steps, from..to, into the slot of `level` that begins at `at`. */
struct gathering {
	int64_t steps[2], from, to, at;
	enum rollup_level level;
};

static int gather_one(struct rollup *r, const struct each *e, const struct gathering *g)
{
	sqlite3_stmt *st = r->st[Q_RANGE];
	struct rollup_slot *slot = NULL;
	int rc;

	bind_one(st, e);
	sqlite3_bind_int64(st, 3, g->steps[0]);
	sqlite3_bind_int64(st, 4, g->steps[1]);
	sqlite3_bind_int64(st, 5, g->from);
	sqlite3_bind_int64(st, 6, g->to);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (!slot)
			slot = rollup_slot(r, e->known, kept(&e->value), g->level, g->at);
		if (!slot) {
			rc = SQLITE_NOMEM;
			break;
		}
		rollup_add_stored(slot, st, 0);
		slot->dirty = true;
	}
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int drop_one(struct rollup *r, const struct each *e, int64_t end)
{
	bind_one(r->st[Q_DROP], e);
	sqlite3_bind_int64(r->st[Q_DROP], 3, end);
	return rollup_run_once(r->st[Q_DROP]);
}

/* Adds up and writes. `drop_before`: minutes that end there go; 0: none. */
static int gather(struct rollup *r, const struct gathering *g, int64_t drop_before)
{
	struct each e;
	int rc;

	rollup_drop_slots(r); /* nothing may be held that is read and written now */
	each_init(&e);
	while ((rc = each_next(r, &e)) == SQLITE_ROW) {
		rc = e.known ? gather_one(r, &e, g) : SQLITE_OK;
		if (!rc && drop_before && e.known)
			rc = drop_one(r, &e, drop_before);
		if (rc)
			break;
	}
	each_deinit(&e);
	if (rc == SQLITE_DONE)
		rc = rollup_flush(r);
	rollup_drop_slots(r);
	return rc;
}

/* ---- minutes become hours ---- */

int rollup_fold(struct rollup *r, uint64_t unix_ms, bool *more)
{
	int64_t end = (int64_t)(unix_ms / 3600000 * HOUR_S), first, hour;
	int rc = find_first(r, 60, &first);

	*more = false;
	if (rc || first >= end)
		return rc;
	hour = first / HOUR_S * HOUR_S;
	*more = hour + HOUR_S < end;
	return gather(r,
		      &(struct gathering){ .steps = { 60, 60 },
					   .from = hour,
					   .to = hour + HOUR_S,
					   .at = hour,
					   .level = LEVEL_HOUR },
		      hour + HOUR_S);
}

/* ---- hours and days that have ended ---- */

static int read_at(struct rollup *r, const char *what, int64_t *at)
{
	sqlite3_stmt *st = r->st[Q_AT];
	int rc;

	sqlite3_bind_text(st, 1, what, -1, SQLITE_STATIC);
	rc = sqlite3_step(st);
	*at = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_reset(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int rollup_learn_wide(struct rollup *r)
{
	struct rollup_wide *w = &r->wide;
	int rc = SQLITE_OK;

	if (!r->knows_wide)
		rc = read_at(r, WIDE_FROM, &w->from);
	if (!rc && !r->knows_wide)
		rc = read_at(r, WIDE_TO, &w->to);
	if (!rc && !r->knows_wide)
		rc = read_at(r, WIDE_DAYS, &w->days_to);
	r->knows_wide = !rc;
	return rc;
}

static int write_at(struct rollup *r, const char *what, int64_t at)
{
	sqlite3_bind_text(r->st[Q_SET_AT], 1, what, -1, SQLITE_STATIC);
	sqlite3_bind_int64(r->st[Q_SET_AT], 2, at);
	return rollup_run_once(r->st[Q_SET_AT]);
}

static int write_wide(struct rollup *r)
{
	int rc = write_at(r, WIDE_FROM, r->wide.from);

	if (!rc)
		rc = write_at(r, WIDE_TO, r->wide.to);
	return rc ? rc : write_at(r, WIDE_DAYS, r->wide.days_to);
}

static int drop_wide_hours(struct rollup *r, int64_t before)
{
	sqlite3_bind_int64(r->st[Q_DROP_WIDE], 1, before);
	rollup_drop_slots(r);
	r->wide.from = before;
	return rollup_run_once(r->st[Q_DROP_WIDE]);
}

/* For the first time, and after a rest of days: hours begin where minutes do. */
static int begin_wide(struct rollup *r, int64_t end)
{
	int64_t minutes = INT64_MAX, hours = INT64_MAX;
	int rc = drop_wide_hours(r, end - ROLLUP_NARROW_S);

	r->wide.to = r->wide.from;
	if (rc || r->wide.days_to)
		return rc;
	rc = find_first(r, 60, &minutes);
	if (!rc)
		rc = find_first(r, HOUR_S, &hours);
	if (minutes > hours)
		minutes = hours;
	r->wide.days_to = (minutes < end ? minutes : end) / DAY_S * DAY_S;
	return rc;
}

static int widen_hour(struct rollup *r)
{
	struct gathering g = { .steps = { 60, HOUR_S },
			       .from = r->wide.to,
			       .to = r->wide.to + HOUR_S,
			       .at = r->wide.to,
			       .level = LEVEL_WIDE_HOUR };
	int rc = gather(r, &g, 0);

	r->wide.to = g.to;
	return rc;
}

static int widen_day(struct rollup *r)
{
	struct gathering g = { .steps = { 60, HOUR_S },
			       .from = r->wide.days_to,
			       .to = r->wide.days_to + DAY_S,
			       .at = r->wide.days_to,
			       .level = LEVEL_WIDE_DAY };
	int rc = gather(r, &g, 0);

	r->wide.days_to = g.to;
	return rc;
}

int rollup_widen(struct rollup *r, uint64_t unix_ms, bool *more)
{
	int64_t end = ((int64_t)(unix_ms / 1000) - GRACE_S) / HOUR_S * HOUR_S;
	int rc = rollup_learn_wide(r);
	struct rollup_wide *w = &r->wide;

	*more = true;
	if (rc)
		return rc;
	if (w->to + ROLLUP_NARROW_S < end)
		rc = begin_wide(r, end);
	else if (w->to + HOUR_S <= end)
		rc = widen_hour(r);
	else if (w->days_to + DAY_S <= w->to)
		rc = widen_day(r);
	else if (w->to - w->from > WIDE_HOURS * HOUR_S)
		rc = drop_wide_hours(r, w->to - ROLLUP_NARROW_S);
	else
		*more = false;
	return rc || !*more ? rc : write_wide(r);
}
