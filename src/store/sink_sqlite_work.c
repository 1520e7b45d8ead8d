/*
 * What the SQLite sink does between batches, in steps of some milliseconds that are a transaction each: retention, sums of
 * rows that were there before there were sums, minutes that become hours, the word index, space that goes back to the disk.
 * Each step says whether there is more to do; when one fails, all rest for a second, and rows go in meanwhile.
 *
 * How far two of them have come stands in Progress: rows below `at` are not summed up yet ('rollup'), or not put down for
 * the word index ('words', whose row is missing while the index is being thrown away or was never begun). A record of
 * that time which arrives late is left to them, so that none is counted twice.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "store/schema.h"
#include "store/sink_sqlite.h"

#define REST_MS      1000
#define FOLD_MS      3600000
#define MINUTES_KEPT (ROLLUP_NARROW_S * 1000ull)
#define WIDEN_MS     60000
#define SUM_ROWS     100
#define ENQUEUE_ROWS "5000"

static _Atomic(int64_t) text_behind; /* of the store that the process has */
static METRIC(gauge_text_behind, METRIC_GAUGE, "signet_store_text_behind_rows", NULL,
	      "Rows whose words are not indexed yet");

uint64_t sqlite_text_behind(void)
{
	int64_t n = atomic_load(&text_behind);

	return n > 0 ? (uint64_t)n : 0;
}

static double read_text_behind(void *unused)
{
	(void)unused;
	return (double)sqlite_text_behind();
}

static void register_gauge(void)
{
	metrics_gauge_fn(&gauge_text_behind, read_text_behind, NULL, NULL);
}

/* ---- Progress ---- */

#define AT(what) "SELECT at FROM Progress WHERE what = '" what "'"
#define SET_AT(what)                                                 \
	"INSERT INTO Progress(what, at) VALUES('" what "', %" PRId64 \
	") ON CONFLICT(what) DO UPDATE SET at = excluded.at"
#define CLEAR_AT(what) "DELETE FROM Progress WHERE what = '" what "'"

/* The first column of the first row; `missing` if there is none. */
static int one_number(struct sqlite_sink *s, const char *sql, int64_t missing, int64_t *out)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);

	*out = missing;
	if (rc)
		return rc;
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int exec(struct sqlite_sink *s, const char *sql)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL);
}

static int exec_number(struct sqlite_sink *s, const char *format, int64_t n)
{
	char sql[400];

	snprintf(sql, sizeof(sql), format, n);
	return exec(s, sql);
}

int sqlite_work_open(struct sqlite_sink *s)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct work_state *w = &s->work.now;
	int64_t begun = 0;
	int rc;

	pthread_once(&once, register_gauge);
	s->rollup = rollup_new(s->db);
	s->words = s->rollup ? words_new(s->db) : NULL;
	s->retention = s->words ? retention_new(s->db, &s->o.retention, s->words) : NULL;
	if (!s->retention)
		return sqlite3_errcode(s->db) ? sqlite3_errcode(s->db) : SQLITE_NOMEM;
	s->work = (struct sqlite_work){ .shrinking = true };
	rc = one_number(s, AT("rollup"), 0, &w->summed_from);
	if (!rc)
		rc = one_number(s, AT("words"), INT64_MAX, &w->queued_from);
	if (!rc)
		rc = one_number(s, "SELECT count(*) FROM Progress WHERE what = 'words'", 0, &begun);
	if (!rc)
		rc = one_number(s, "SELECT count(*) FROM TextPending", 0, &w->behind);
	w->words_begun = begun > 0;
	sqlite_note_behind(s, 0);
	return rc;
}

void sqlite_work_close(struct sqlite_sink *s)
{
	retention_free(s->retention);
	words_free(s->words);
	rollup_free(s->rollup);
	s->retention = NULL;
	s->words = NULL;
	s->rollup = NULL;
}

void sqlite_note_behind(struct sqlite_sink *s, int64_t more)
{
	s->work.now.behind += more;
	atomic_store(&text_behind, s->o.search_off ? 0 : s->work.now.behind);
}

/* ---- sums of what was there before there were sums ---- */

static bool sums_are_due(struct sqlite_sink *s)
{
	return s->work.now.summed_from > 0;
}

static void read_cells(sqlite3_stmt *st, struct cell *cells, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int type = sqlite3_column_type(st, (int)i);

		cells[i] = (struct cell){ 0 };
		if (type == SQLITE_INTEGER) {
			cells[i].type = CELL_INT;
			cells[i].num = sqlite3_column_int64(st, (int)i);
		} else if (type != SQLITE_NULL) {
			cells[i].type = CELL_TEXT;
			cells[i].text.p = (const char *)sqlite3_column_text(st, (int)i);
			cells[i].text.n = (size_t)sqlite3_column_bytes(st, (int)i);
		}
	}
}

/* A statement over the rows below `at`, newest first, with their list cells, their seq and their tags. */
static int prepare_rows(struct sqlite_sink *s, int64_t at, sqlite3_stmt **st, sqlite3_stmt **tags)
{
	struct buf sql;
	int rc;

	buf_init(&sql, SQL_MAX);
	rc = schema_select(&tables[T_LIST], "WHERE t.seq < ?1 ORDER BY t.seq DESC LIMIT ?2", &sql)
		     ? SQLITE_NOMEM
		     : sqlite3_prepare_v2(s->db, sql.data, -1, st, NULL);
	buf_deinit(&sql);
	if (!rc)
		rc = sqlite3_prepare_v2(s->db,
					"SELECT " N_TAGS " FROM ChatInference WHERE seq = ?1", -1,
					tags, NULL);
	if (!rc) {
		sqlite3_bind_int64(*st, 1, at);
		sqlite3_bind_int(*st, 2, SUM_ROWS);
	}
	return rc;
}

static int sum_row(struct sqlite_sink *s, sqlite3_stmt *row, sqlite3_stmt *tags, int64_t seq)
{
	struct cell list[L_CELLS];
	struct bytes t = { 0 };
	int rc = SQLITE_OK;

	read_cells(row, list, L_CELLS);
	sqlite3_bind_int64(tags, 1, seq);
	if (sqlite3_step(tags) == SQLITE_ROW) {
		t.p = (const char *)sqlite3_column_text(tags, 0);
		t.n = t.p ? (size_t)sqlite3_column_bytes(tags, 0) : 0;
	}
	buf_reset(&s->scratch);
	if (buf_reserve(&s->scratch, t.n * 2 + 64) ||
	    rollup_record(s->rollup, list, t, seq, &s->scratch))
		rc = SQLITE_NOMEM;
	sqlite3_reset(tags);
	return rc;
}

static int sum_rows(struct sqlite_sink *s, sqlite3_stmt *rows, sqlite3_stmt *tags,
		    uint64_t until_ms)
{
	int64_t *at = &s->work.next.summed_from;
	int rc;

	while ((rc = sqlite3_step(rows)) == SQLITE_ROW) {
		int64_t seq = sqlite3_column_int64(rows, L_CELLS);

		rc = sum_row(s, rows, tags, seq);
		if (rc)
			return rc;
		*at = seq;
		if (clock_mono_ms() >= until_ms)
			return SQLITE_OK;
	}
	if (rc == SQLITE_DONE && *at == s->work.now.summed_from)
		*at = 0; /* no row is left */
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int run_sums(struct sqlite_sink *s, uint64_t until_ms, bool *more)
{
	sqlite3_stmt *rows = NULL, *tags = NULL;
	int rc = prepare_rows(s, s->work.now.summed_from, &rows, &tags);

	if (!rc)
		rc = sum_rows(s, rows, tags, until_ms);
	sqlite3_finalize(rows);
	sqlite3_finalize(tags);
	if (!rc)
		rc = rollup_flush(s->rollup);
	if (!rc)
		rc = s->work.next.summed_from
			     ? exec_number(s, SET_AT("rollup"), s->work.next.summed_from)
			     : exec(s, CLEAR_AT("rollup"));
	fault_dies("work.sums");
	*more = s->work.next.summed_from > 0;
	return rc;
}

/* ---- minutes become hours ---- */

static bool fold_is_due(struct sqlite_sink *s)
{
	return !s->work.folded_ms || clock_mono_ms() - s->work.folded_ms >= FOLD_MS;
}

static int run_fold(struct sqlite_sink *s, uint64_t until_ms, bool *more)
{
	int rc = rollup_fold(s->rollup, clock_unix_ms() - MINUTES_KEPT, more);

	(void)until_ms;
	fault_dies("work.fold");
	s->work.folded_ms = *more ? 0 : clock_mono_ms();
	return rc;
}

/* ---- sums of hours and days ---- */

static bool widen_is_due(struct sqlite_sink *s)
{
	return !s->work.widened_ms || clock_mono_ms() - s->work.widened_ms >= WIDEN_MS;
}

static int run_widen(struct sqlite_sink *s, uint64_t until_ms, bool *more)
{
	int rc = rollup_widen(s->rollup, clock_unix_ms(), more);

	(void)until_ms;
	fault_dies("work.widen");
	s->work.widened_ms = *more ? 0 : clock_mono_ms();
	return rc;
}

/* ---- the word index ---- */

static bool words_are_due(struct sqlite_sink *s)
{
	const struct work_state *w = &s->work.now;

	if (s->o.search_off)
		return !s->work.words_cleared;
	return !w->words_begun || w->queued_from > 0 || w->behind > 0;
}

/* A step of throwing it away, whether it is wanted no more or begun anew. */
static int clear_words(struct sqlite_sink *s, bool *more)
{
	struct work_state *next = &s->work.next;
	size_t dropped = 0;
	int rc;

	*more = true;
	if (next->words_begun) {
		next->words_begun = false;
		next->queued_from = INT64_MAX;
		return exec(s, CLEAR_AT("words"));
	}
	rc = words_drop_months(s->words, INT64_MAX, &dropped);
	if (rc || dropped)
		return rc;
	rc = exec(s, "DELETE FROM TextPending");
	next->behind = 0;
	if (rc || s->o.search_off) {
		s->work.words_cleared = !rc;
		*more = false;
		return rc;
	}
	next->words_begun = true;
	return exec_number(s, SET_AT("words"), INT64_MAX);
}

/* Puts rows down for the index that were there before it, newest first. */
static int queue_words(struct sqlite_sink *s, bool *more)
{
	static const char lowest[] =
		"SELECT min(seq) FROM (SELECT seq FROM InferenceById WHERE seq < %" PRId64
		" ORDER BY seq DESC LIMIT " ENQUEUE_ROWS ")";
	int64_t from = s->work.now.queued_from, to;
	char sql[300];
	int rc;

	snprintf(sql, sizeof(sql), lowest, from);
	rc = one_number(s, sql, 0, &to); /* min() of nothing is null, which reads as 0 */
	if (rc)
		return rc;
	if (to) {
		snprintf(
			sql, sizeof(sql),
			"INSERT OR IGNORE INTO TextPending SELECT seq FROM InferenceById WHERE seq >= %" PRId64
			" AND seq < %" PRId64,
			to, from);
		rc = exec(s, sql);
		s->work.next.behind += rc ? 0 : sqlite3_changes(s->db);
	}
	s->work.next.queued_from = to;
	*more = true;
	return rc ? rc : exec_number(s, SET_AT("words"), to);
}

static int run_words(struct sqlite_sink *s, uint64_t until_ms, bool *more)
{
	size_t n = 0;
	int rc;

	if (s->o.search_off || !s->work.now.words_begun)
		return clear_words(s, more);
	if (s->work.now.queued_from > 0)
		return queue_words(s, more);
	rc = words_index(s->words, until_ms, &n);
	fault_dies("work.words");
	s->work.next.behind -= (int64_t)n;
	if (!n || s->work.next.behind < 0)
		s->work.next.behind = 0;
	*more = s->work.next.behind > 0;
	return rc;
}

/* ---- retention ---- */

static bool retention_due(struct sqlite_sink *s)
{
	return retention_is_due(s->retention);
}

static int run_retention(struct sqlite_sink *s, uint64_t until_ms, bool *more)
{
	int64_t waited = 0;
	int rc = retention_step(s->retention, clock_unix_ms(), until_ms, more, &waited);

	fault_dies("work.retention");
	s->work.next.behind -= waited;
	s->work.shrinking = true;
	return rc;
}

static bool shrink_is_due(struct sqlite_sink *s)
{
	return s->work.shrinking;
}

static int run_shrink(struct sqlite_sink *s, uint64_t until_ms, bool *more)
{
	int rc = retention_shrink(s->retention, more);

	(void)until_ms;
	fault_dies("work.shrink");
	s->work.shrinking = *more;
	return rc;
}

/* ---- steps ---- */

struct task {
	const char *name;
	bool (*is_due)(struct sqlite_sink *);
	/* In a transaction. An SQLite result code; *more: there is more of it. */
	int (*run)(struct sqlite_sink *, uint64_t until_ms, bool *more);
};

static const struct task tasks[] = {
	{ "retention", retention_due, run_retention },
	{ "giving space back", shrink_is_due, run_shrink },
	{ "the sums of older rows", sums_are_due, run_sums },
	{ "folding minutes into hours", fold_is_due, run_fold },
	{ "the sums of hours and days", widen_is_due, run_widen },
	{ "the word index", words_are_due, run_words },
};

/* SINK_OK: the step is in the file. */
static enum sink_result run_task(struct sqlite_sink *s, const struct task *t, unsigned ms,
				 bool *more)
{
	enum sink_result r = sqlite_begin(s);
	int rc;

	*more = false;
	if (r != SINK_OK)
		return r;
	s->work.next = s->work.now;
	rc = fault("work.step") ? SQLITE_IOERR : t->run(s, clock_mono_ms() + ms, more);
	r = rc ? sqlite_classify(s, rc) : sqlite_run(s, Q_COMMIT);
	if (r != SINK_OK) {
		sqlite_undo(s);
		return r;
	}
	s->in_transaction = false;
	s->work.now = s->work.next;
	sqlite_note_behind(s, 0);
	retention_committed(s->retention);
	fault_dies("work.committed");
	return SINK_OK;
}

/* False: it failed, and all rest. */
static bool step(struct sqlite_sink *s, const struct task *t, unsigned ms, bool *more)
{
	enum sink_result r = run_task(s, t, ms, more);
	char text[120];

	if (r == SINK_OK)
		return true;
	s->work.rest_until_ms = clock_mono_ms() + REST_MS;
	if (r == SINK_CORRUPT)
		atomic_store(&s->base.damaged, true);
	snprintf(text, sizeof(text), "work on " SQLITE_FILE " failed: %s", t->name);
	log_warn("store", text, LS("error", s->base.error));
	return false;
}

bool sqlite_work(struct sink *base, unsigned ms)
{
	struct sqlite_sink *s = (struct sqlite_sink *)base;
	bool more = false;

	if (clock_mono_ms() < s->work.rest_until_ms)
		return false;
	for (size_t i = 0; i < COUNT(tasks); i++) {
		if (!tasks[i].is_due(s))
			continue;
		if (!step(s, &tasks[i], ms, &more))
			return false;
		if (more)
			return true;
	}
	return false;
}

void sqlite_make_room(struct sqlite_sink *s, unsigned ms)
{
	bool more;

	if (clock_mono_ms() < s->work.rest_until_ms || !retention_is_over(s->retention))
		return;
	if (retention_is_far_over(s->retention))
		ms *= 10;
	if (step(s, &tasks[0], ms, &more) && s->work.shrinking)
		step(s, &tasks[1], ms, &more);
}
