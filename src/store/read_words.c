/*
 * Looking for words. What is indexed comes from the index, newest first; rows that it has not yet (TextPending), and those
 * of the journal, are judged one by one in a table of their own in memory: the same words by the same rules.
 */
#include "store/read_sql.h"

#include "base/error.h"

#define SIDES_MAX (WORDS_SIDE_MAX * 8u)

/* ---- one row ---- */

static int judge_error(struct judge *j)
{
	return fail(ERR_STORE, "looking for words: %s", sqlite3_errmsg(j->db));
}

static int judge_open(struct judge *j)
{
	static const char table[] =
		"CREATE VIRTUAL TABLE one USING fts5(input, output, error, tokenize='unicode61')";

	if (j->db)
		return 0;
	buf_init(&j->expression, SIDES_MAX);
	for (size_t i = 0; i < COUNT(j->sides); i++)
		buf_init(&j->sides[i], SIDES_MAX);
	if (sqlite3_open(":memory:", &j->db) || sqlite3_exec(j->db, table, NULL, NULL, NULL) ||
	    sqlite3_prepare_v2(j->db,
			       "INSERT INTO one(rowid, input, output, error) VALUES(1,?1,?2,?3)",
			       -1, &j->put, NULL) ||
	    sqlite3_prepare_v2(j->db, "SELECT 1 FROM one WHERE one MATCH ?1", -1, &j->match,
			       NULL) ||
	    sqlite3_prepare_v2(j->db, "DELETE FROM one", -1, &j->drop, NULL))
		return judge_error(j);
	return 0;
}

void judge_deinit(struct judge *j)
{
	sqlite3_finalize(j->put);
	sqlite3_finalize(j->match);
	sqlite3_finalize(j->drop);
	sqlite3_close(j->db);
	buf_deinit(&j->expression);
	for (size_t i = 0; i < COUNT(j->sides); i++)
		buf_deinit(&j->sides[i]);
	*j = (struct judge){ 0 };
}

int judge_set(struct judge *j, const struct read_filter *f)
{
	int r;

	j->any = false;
	if (!f->typed.n)
		return 0;
	if (judge_open(j)) {
		judge_deinit(j);
		return -1;
	}
	buf_reset(&j->expression);
	r = words_expression(f->typed, f->side, &j->expression);
	if (r < 0)
		return fail(ERR_OUT_OF_MEMORY, "out of memory");
	j->any = !r;
	return 0;
}

static int run(sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);

	sqlite3_reset(st);
	return rc;
}

int judge_row(struct judge *j, const struct words_row *row)
{
	int rc;

	if (!j->any)
		return 1;
	if (words_texts(row, j->sides))
		return fail(ERR_OUT_OF_MEMORY, "out of memory");
	for (int i = 0; i < 3; i++)
		sqlite3_bind_text(j->put, i + 1, buf_bytes(&j->sides[i]).p, (int)j->sides[i].len,
				  SQLITE_STATIC);
	if (run(j->put) != SQLITE_DONE)
		return judge_error(j);
	sqlite3_bind_text(j->match, 1, j->expression.data, -1, SQLITE_STATIC);
	rc = run(j->match);
	if (run(j->drop) != SQLITE_DONE || (rc != SQLITE_ROW && rc != SQLITE_DONE))
		return judge_error(j);
	return rc == SQLITE_ROW;
}

int reader_matches(struct reader *r, const struct read_filter *f, const struct log_entry *e,
		   struct arena *scratch)
{
	struct words_row row = { cell_text(&e->chat[C_INPUT]), cell_text(&e->chat[C_OUTPUT]),
				 cell_text(&e->error[E_ERROR]), cell_text(&e->list[L_PREVIEW_IN]),
				 cell_text(&e->list[L_PREVIEW_OUT]) };

	if (!filter_matches(f, e, scratch))
		return 0;
	return judge_row(&r->judge, &row);
}

/* ---- the index ---- */

/* Two lists of seq, each newest first: what the index found, and what it has not yet. */
struct found {
	struct reader *r;
	struct words_search search;
	sqlite3_stmt *pending, *judged,
		*known; /* known: matches by the index; judged: its words are looked at */
	int64_t next_found, next_pending; /* INT64_MIN: no more */
	int (*row)(sqlite3_stmt *, void *);
	void *arg;
};

static int next_found(struct found *f)
{
	int r = words_search_next(&f->search, &f->next_found);

	if (r <= 0)
		f->next_found = INT64_MIN;
	return r < 0 ? -1 : 0;
}

static int next_pending(struct found *f)
{
	int rc = sqlite3_step(f->pending);

	f->next_pending = rc == SQLITE_ROW ? sqlite3_column_int64(f->pending, 0) : INT64_MIN;
	return rc == SQLITE_ROW || rc == SQLITE_DONE
		       ? 0
		       : fail(ERR_STORE, "looking for words: %s", sqlite3_errmsg(f->r->log.db));
}

/* One row by its seq, if it is there and the other conditions hold. */
static int look_at(struct found *f, sqlite3_stmt *st, int64_t seq)
{
	int rc, r = 0;

	sqlite3_bind_int64(st, 1, seq);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		r = f->row(st, f->arg);
	else if (rc != SQLITE_DONE)
		r = fail(ERR_STORE, "looking for words: %s", sqlite3_errmsg(f->r->log.db));
	sqlite3_reset(st);
	return r;
}

static int step(struct found *f)
{
	bool indexed = f->next_found >= f->next_pending;
	int64_t seq = indexed ? f->next_found : f->next_pending;
	int bad = 0;

	f->r->seen = seq;
	if (f->next_found == seq)
		bad = next_found(f);
	if (!bad && f->next_pending == seq)
		bad = next_pending(f);
	return bad ? -1 : look_at(f, indexed ? f->known : f->judged, seq);
}

static int begin(struct found *f, const struct read_filter *filter, int64_t before,
		 const struct sql_columns *columns)
{
	if (words_search_begin(&f->search, f->r->log.db, filter->typed, filter->side, before))
		return -1;
	f->pending = read_statement(f->r,
				    "SELECT seq FROM TextPending WHERE seq < ?1 ORDER BY seq DESC");
	f->known = filter_point(f->r, filter, columns, false);
	f->judged = filter_point(f->r, filter, columns, true);
	if (!f->pending || !f->known || !f->judged)
		return -1;
	sqlite3_bind_int64(f->pending, 1, before);
	return next_found(f) || next_pending(f) ? -1 : 0;
}

/* Whether all rows are indexed, or put down for it. Not so in a file that no gateway with an index has opened yet, while it
 * is made for what was there before, and where it is off. */
static bool has_index(struct reader *r)
{
	sqlite3_stmt *st = NULL;
	bool whole = !sqlite3_prepare_v2(r->log.db, "SELECT at FROM Progress WHERE what = 'words'",
					 -1, &st, NULL) &&
		     sqlite3_step(st) == SQLITE_ROW && sqlite3_column_int64(st, 0) == 0;

	sqlite3_finalize(st);
	return whole;
}

int walk_words(struct reader *r, const struct read_filter *filter, int64_t before,
	       const struct sql_columns *columns, int (*row)(sqlite3_stmt *, void *), void *arg,
	       bool *partial)
{
	struct found f = { .r = r, .row = row, .arg = arg };
	int result = 0;

	if (!has_index(r))
		return 2;
	if (before > filter->to)
		before = filter->to;
	result = begin(&f, filter, before, columns);
	while (!result) {
		int64_t next = f.next_found > f.next_pending ? f.next_found : f.next_pending;

		if (next == INT64_MIN || next < filter->from)
			break;
		if (read_over(r)) {
			*partial = true;
			break;
		}
		result = step(&f);
	}
	if (result < 0 && read_over(r)) {
		*partial = true;
		result = 0;
	}
	words_search_end(&f.search);
	sqlite3_finalize(f.pending);
	sqlite3_finalize(f.known);
	sqlite3_finalize(f.judged);
	return result;
}
