/*
 * The word index. FTS5 without contents forgets a row only when it is told the row's text again, so the text is made from
 * the record's rows by one function, for putting it in and for taking it out, and a row leaves before its bodies do.
 *
 * Each Han, Kana and Hangul character gets a space on both sides, and unicode61 then takes it for a word: two of them
 * are found by adjacency, as in a phrase, without a dictionary.
 */
#include "store/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "store/columns.h"

#define TYPED_MAX (64u << 10)
#define TERMS_MAX 64  /* of what was typed */
#define ONE_STEP  512 /* rows that are looked up at once: some 20 ms of work */

/* ---- text ---- */

static const struct {
	uint32_t from, to;
} alone[] = {
	{ 0x1100, 0x11ff }, { 0x2e80, 0x2fdf },   { 0x3005, 0x3007 },   { 0x3021, 0x3029 },
	{ 0x3040, 0x30ff }, { 0x3130, 0x318f },   { 0x31f0, 0x31ff },   { 0x3400, 0x4dbf },
	{ 0x4e00, 0x9fff }, { 0xa960, 0xa97f },   { 0xac00, 0xd7ff },   { 0xf900, 0xfaff },
	{ 0xff66, 0xff9f }, { 0x1b000, 0x1b16f }, { 0x20000, 0x3ffff },
};

/* Whether the character of n bytes at p is a word by itself. */
static bool stands_alone(const char *p, size_t n)
{
	const unsigned char *u = (const unsigned char *)p;
	uint32_t code;

	if (n < 3)
		return false;
	code = n == 3 ? (u[0] & 15u) << 12 | (u[1] & 63u) << 6 | (u[2] & 63u)
		      : (u[0] & 7u) << 18 | (u[1] & 63u) << 12 | (u[2] & 63u) << 6 | (u[3] & 63u);
	for (size_t i = 0; i < COUNT(alone); i++)
		if (code <= alone[i].to)
			return code >= alone[i].from;
	return false;
}

/* The text as FTS5 gets it. Bytes that are no UTF-8, and NULs, part words. */
static int put_apart(struct bytes text, struct buf *out)
{
	int bad = 0;

	for (size_t i = 0, n; i < text.n && !bad; i += n) {
		struct bytes rest = bytes_slice(text, i, text.n);

		n = utf8_length(rest);
		if (!n || !text.p[i]) {
			n = 1;
			bad = buf_putc(out, ' ');
		} else if (stands_alone(rest.p, n)) {
			bad = buf_putc(out, ' ') || buf_append(out, bytes_head(rest, n)) ||
			      buf_putc(out, ' ');
		} else {
			bad = buf_append(out, bytes_head(rest, n));
		}
	}
	return bad;
}

/* A text block more. What is over the bound is left out. */
static int add_text(struct bytes text, size_t *room, struct buf *out)
{
	struct bytes cut = bytes_head(text, *room);

	while (cut.n && cut.n < text.n && utf8_continues(text.p[cut.n]))
		cut.n--;
	*room -= cut.n;
	return buf_putc(out, ' ') || put_apart(cut, out);
}

static int add_string(struct bytes value, size_t *room, struct buf *out)
{
	struct buf unescaped;
	struct bytes text;
	int bad;

	buf_init(&unescaped, value.n + 1);
	text = json_span_string(value, &unescaped);
	bad = bytes_set(text) && add_text(text, room, out);
	buf_deinit(&unescaped);
	return bad;
}

static bool member_of(struct bytes object, struct bytes name, struct bytes *value)
{
	struct json_member m;

	if (!json_find_member(object, name, &m))
		return false;
	*value = m.value;
	return true;
}

/* The text blocks of an array of blocks, or a string. */
static int add_blocks(struct bytes blocks, size_t *room, struct buf *out)
{
	struct bytes block, type, text;
	size_t pos = 0;
	int bad = 0;

	if (bytes_starts(blocks, B("\"")))
		return add_string(blocks, room, out);
	while (!bad && *room && bytes_starts(blocks, B("[")) &&
	       json_next_element(blocks, &pos, &block) > 0)
		if (bytes_starts(block, B("{")) && member_of(block, B("type"), &type) &&
		    bytes_eq(type, B("\"text\"")) && member_of(block, B("text"), &text))
			bad = add_string(text, room, out);
	return bad;
}

static int add_input(struct bytes input, size_t *room, struct buf *out)
{
	struct bytes value, message, content;
	size_t pos = 0;
	int bad = 0;

	if (!bytes_starts(input, B("{")))
		return 0;
	if (member_of(input, B("system"), &value) && bytes_starts(value, B("\"")))
		bad = add_string(value, room, out);
	if (!member_of(input, B("messages"), &value) || !bytes_starts(value, B("[")))
		return bad;
	while (!bad && *room && json_next_element(value, &pos, &message) > 0)
		if (bytes_starts(message, B("{")) && member_of(message, B("content"), &content))
			bad = add_blocks(content, room, out);
	return bad;
}

/* ---- what was typed ---- */

/* The next term: a word, or what stands between quotes. */
static bool next_term(struct bytes *rest, struct bytes *term, bool *without, bool *begins)
{
	ptrdiff_t end;

	while (rest->n && (unsigned char)*rest->p <= ' ')
		*rest = bytes_slice(*rest, 1, rest->n);
	*without = rest->n > 1 && *rest->p == '-';
	if (*without)
		*rest = bytes_slice(*rest, 1, rest->n);
	if (!rest->n)
		return false;
	*begins = false;
	if (*rest->p == '"') {
		*rest = bytes_slice(*rest, 1, rest->n);
		end = bytes_chr(*rest, '"');
		*term = bytes_head(*rest, end < 0 ? rest->n : (size_t)end);
		*rest = bytes_slice(*rest, end < 0 ? rest->n : (size_t)end + 1, rest->n);
		return true;
	}
	for (end = 0; (size_t)end < rest->n && (unsigned char)rest->p[end] > ' '; end++)
		;
	*term = bytes_head(*rest, (size_t)end);
	*rest = bytes_slice(*rest, (size_t)end, rest->n);
	*begins = term->n > 1 && bytes_ends(*term, B("*"));
	term->n -= *begins;
	return true;
}

/* Whether unicode61 finds a word in it: a letter or a digit, or anything beyond ASCII. */
static bool has_word(struct bytes term)
{
	for (size_t i = 0; i < term.n; i++) {
		unsigned char c = (unsigned char)term.p[i];

		if (c >= 128 || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'))
			return true;
	}
	return false;
}

static int put_term(struct bytes term, bool begins, struct buf *out)
{
	struct buf apart;
	int bad;

	buf_init(&apart, TYPED_MAX * 3);
	bad = put_apart(term, &apart) || buf_putc(out, '"');
	for (size_t i = 0; i < apart.len && !bad; i++)
		bad = buf_putc(out, apart.data[i] == '"' ? ' ' : apart.data[i]);
	buf_deinit(&apart);
	return bad || buf_append(out, begins ? B("\" *") : B("\""));
}

/* Terms that are wanted, or those that are not, with `word` between them. */
static int put_terms(struct bytes typed, bool unwanted, struct bytes word, struct buf *out,
		     size_t *n)
{
	struct bytes term;
	bool without, begins;
	int bad = 0;

	*n = 0;
	while (!bad && *n < TERMS_MAX && next_term(&typed, &term, &without, &begins)) {
		if (without != unwanted || !has_word(term))
			continue;
		bad = (*n && buf_append(out, word)) || put_term(term, begins, out);
		++*n;
	}
	return bad;
}

bool words_next_wanted(struct bytes *typed, struct bytes *term)
{
	bool without, begins;

	while (next_term(typed, term, &without, &begins))
		if (!without && has_word(*term))
			return true;
	return false;
}

int words_expression(struct bytes typed, enum words_side side, struct buf *out)
{
	static const char *const sides[] = { "", "input : ", "output : ", "error : " };
	struct buf unwanted;
	size_t wanted, not_wanted;
	int bad;

	typed = bytes_head(typed, TYPED_MAX);
	buf_init(&unwanted, TYPED_MAX * 4);
	bad = buf_printf(out, "%s(", sides[side]) ||
	      put_terms(typed, false, B(" AND "), out, &wanted) || buf_putc(out, ')') ||
	      put_terms(typed, true, B(" OR "), &unwanted, &not_wanted);
	if (!bad && not_wanted)
		bad = buf_printf(out, " NOT %s(%.*s)", sides[side], BFMT(buf_bytes(&unwanted)));
	buf_deinit(&unwanted);
	if (bad || buf_putc(out, 0))
		return -1;
	return wanted ? 0 : 1;
}

/* ---- months ---- */

/* 2026 * 12 + 10 for November 2026. */
static int month_of(int64_t seq)
{
	time_t t = (time_t)((seq >> 15) / 1000);
	struct tm tm;

	gmtime_r(&t, &tm);
	return (tm.tm_year + 1900) * 12 + tm.tm_mon;
}

#define MONTH_NAME    "Text_%1$04d_%2$02d"
#define MONTH(m)      (m) / 12, (m) % 12 + 1
#define MONTH_NAMED   "name GLOB 'Text_[0-9][0-9][0-9][0-9]_[0-9][0-9]'"
#define MONTH_OF_NAME "(substr(name, 6, 4) * 12 + substr(name, 11, 2) - 1)"
#define FROM_MONTHS   " FROM sqlite_schema WHERE type = 'table' AND " MONTH_NAMED

static int prepare(sqlite3 *db, sqlite3_stmt **st, const char *format, int month)
{
	char sql[400];

	snprintf(sql, sizeof(sql), format, MONTH(month));
	return sqlite3_prepare_v2(db, sql, -1, st, NULL);
}

static int db_error(sqlite3 *db)
{
	return fail(ERR_STORE, "the word index: %s", sqlite3_errmsg(db));
}

/* ---- searching ---- */

static int list_months(struct words_search *s)
{
	sqlite3_stmt *st;
	int rc;

	if (sqlite3_prepare_v2(s->db, "SELECT " MONTH_OF_NAME FROM_MONTHS " ORDER BY name DESC", -1,
			       &st, NULL))
		return db_error(s->db);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && s->nmonths < WORDS_MONTHS) {
		int month = sqlite3_column_int(st, 0);

		if (s->before == INT64_MAX || month <= month_of(s->before))
			s->months[s->nmonths++] = month;
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : db_error(s->db);
}

int words_search_begin(struct words_search *s, sqlite3 *db, struct bytes typed,
		       enum words_side side, int64_t before)
{
	int r;

	*s = (struct words_search){ .db = db, .before = before };
	buf_init(&s->expression, TYPED_MAX * 8);
	r = words_expression(typed, side, &s->expression);
	return r ? r : list_months(s);
}

int words_search_next(struct words_search *s, int64_t *seq)
{
	for (; s->at < s->nmonths; s->at++) {
		int rc = SQLITE_OK;

		if (!s->st) {
			rc = prepare(s->db, &s->st,
				     "SELECT rowid FROM " MONTH_NAME " WHERE " MONTH_NAME
				     " MATCH ?1 AND rowid < ?2 ORDER BY rowid DESC",
				     s->months[s->at]);
			if (rc)
				return db_error(s->db);
			sqlite3_bind_text(s->st, 1, s->expression.data, -1, SQLITE_STATIC);
			sqlite3_bind_int64(s->st, 2, s->before);
		}
		rc = sqlite3_step(s->st);
		if (rc == SQLITE_ROW) {
			*seq = sqlite3_column_int64(s->st, 0);
			return 1;
		}
		sqlite3_finalize(s->st);
		s->st = NULL;
		if (rc != SQLITE_DONE)
			return db_error(s->db);
	}
	return 0;
}

void words_search_end(struct words_search *s)
{
	sqlite3_finalize(s->st);
	s->st = NULL;
	buf_deinit(&s->expression);
}

/* ---- the sink's side ---- */

enum { Q_PENDING, Q_DONE, Q_TEXTS, Q_OLDEST, QUERIES };
static const char *const queries[QUERIES] = {
	[Q_PENDING] = "SELECT seq FROM TextPending ORDER BY seq DESC LIMIT ?1",
	[Q_DONE] = "DELETE FROM TextPending WHERE seq = ?1",
	[Q_TEXTS] =
		"SELECT c." N_INPUT ", c." N_OUTPUT ", e." N_ERROR ", l." N_PREVIEW_IN
		", l." N_PREVIEW_OUT
		" FROM InferenceById l LEFT JOIN ChatInference c ON c.seq = l.seq LEFT JOIN RequestError e ON e.seq = l.seq WHERE l.seq = ?1",
	[Q_OLDEST] = "SELECT " MONTH_OF_NAME FROM_MONTHS " ORDER BY name LIMIT 1",
};

struct words {
	sqlite3 *db;
	sqlite3_stmt *st[QUERIES];
	/* of the month at hand; NULL: none */
	sqlite3_stmt *put, *take, *look;
	int put_month, take_month, look_month;
	struct buf sides[3];
};

struct words *words_new(sqlite3 *db)
{
	struct words *w = calloc(1, sizeof(*w));

	if (!w)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	w->db = db;
	for (size_t i = 0; i < COUNT(w->sides); i++)
		buf_init(&w->sides[i], WORDS_SIDE_MAX * 4);
	for (size_t i = 0; i < QUERIES; i++)
		if (sqlite3_prepare_v3(db, queries[i], -1, SQLITE_PREPARE_PERSISTENT, &w->st[i],
				       NULL)) {
			db_error(db);
			words_free(w);
			return NULL;
		}
	return w;
}

void words_free(struct words *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < QUERIES; i++)
		sqlite3_finalize(w->st[i]);
	sqlite3_finalize(w->put);
	sqlite3_finalize(w->take);
	sqlite3_finalize(w->look);
	for (size_t i = 0; i < COUNT(w->sides); i++)
		buf_deinit(&w->sides[i]);
	free(w);
}

static struct bytes column(sqlite3_stmt *st, int i)
{
	const char *p = (const char *)sqlite3_column_text(st, i);

	return (struct bytes){ p, p ? (size_t)sqlite3_column_bytes(st, i) : 0 };
}

int words_texts(const struct words_row *row, struct buf sides[3])
{
	size_t room[3] = { WORDS_SIDE_MAX, WORDS_SIDE_MAX, WORDS_SIDE_MAX };
	int bad;

	for (size_t i = 0; i < 3; i++)
		buf_reset(&sides[i]);
	bad = bytes_set(row->input) ? add_input(row->input, &room[0], &sides[0])
				    : add_text(row->preview_in, &room[0], &sides[0]);
	if (!bad)
		bad = bytes_set(row->output) ? add_blocks(row->output, &room[1], &sides[1])
					     : add_text(row->preview_out, &room[1], &sides[1]);
	return bad || add_text(row->error, &room[2], &sides[2]) ? -1 : 0;
}

static int make_sides(struct words *w, sqlite3_stmt *st)
{
	struct words_row row = { column(st, 0), column(st, 1), column(st, 2), column(st, 3),
				 column(st, 4) };

	return words_texts(&row, w->sides) ? SQLITE_NOMEM : SQLITE_OK;
}

/* The row's texts in `sides`. *found: there is such a row. */
static int read_sides(struct words *w, int64_t seq, bool *found)
{
	sqlite3_stmt *st = w->st[Q_TEXTS];
	int rc;

	sqlite3_bind_int64(st, 1, seq);
	rc = sqlite3_step(st);
	*found = rc == SQLITE_ROW;
	if (rc == SQLITE_ROW)
		rc = make_sides(w, st);
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int run_sides(struct words *w, sqlite3_stmt *st, int64_t seq)
{
	int rc;

	sqlite3_bind_int64(st, 1, seq);
	for (int i = 0; i < 3; i++)
		sqlite3_bind_text(st, 2 + i, buf_bytes(&w->sides[i]).p, (int)w->sides[i].len,
				  SQLITE_STATIC);
	rc = sqlite3_step(st);
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int month_statement(struct words *w, sqlite3_stmt **st, int *have, int month,
			   const char *sql)
{
	if (*st && *have == month)
		return SQLITE_OK;
	sqlite3_finalize(*st);
	*st = NULL;
	*have = month;
	return prepare(w->db, st, sql, month);
}

static int put_month(struct words *w, int month)
{
	sqlite3_stmt *st;
	int rc;

	if (w->put && w->put_month == month)
		return SQLITE_OK;
	rc = prepare(w->db, &st,
		     "CREATE VIRTUAL TABLE IF NOT EXISTS " MONTH_NAME
		     " USING fts5(input, output, error, content='', tokenize='unicode61')",
		     month);
	if (rc)
		return rc;
	rc = sqlite3_step(st);
	sqlite3_finalize(st);
	if (rc != SQLITE_DONE)
		return rc;
	return month_statement(w, &w->put, &w->put_month, month,
			       "INSERT INTO " MONTH_NAME
			       "(rowid, input, output, error) VALUES(?1, ?2, ?3, ?4)");
}

static int forget_pending(struct words *w, int64_t seq, bool *was)
{
	int rc;

	sqlite3_bind_int64(w->st[Q_DONE], 1, seq);
	rc = sqlite3_step(w->st[Q_DONE]);
	sqlite3_reset(w->st[Q_DONE]);
	*was = sqlite3_changes(w->db) > 0;
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int index_one(struct words *w, int64_t seq)
{
	bool found, was;
	int rc = read_sides(w, seq, &found);

	if (!rc && found)
		rc = put_month(w, month_of(seq));
	if (!rc && found)
		rc = run_sides(w, w->put, seq);
	return rc ? rc : forget_pending(w, seq, &was);
}

int words_index(struct words *w, uint64_t until_ms, size_t *n)
{
	int64_t seqs[ONE_STEP];
	size_t found;
	int rc;

	*n = 0;
	do {
		found = 0;
		sqlite3_bind_int(w->st[Q_PENDING], 1, ONE_STEP);
		while ((rc = sqlite3_step(w->st[Q_PENDING])) == SQLITE_ROW)
			seqs[found++] = sqlite3_column_int64(w->st[Q_PENDING], 0);
		sqlite3_reset(w->st[Q_PENDING]);
		if (rc != SQLITE_DONE)
			return rc;
		/* The newest rows first, but these in their order: a rowid below the one before makes FTS5 write
		 * out what it holds, a segment a row. */
		for (size_t i = found; i-- > 0;) {
			rc = index_one(w, seqs[i]);
			if (rc)
				return rc;
			++*n;
			if (clock_mono_ms() >= until_ms)
				return SQLITE_OK;
		}
	} while (found);
	return SQLITE_OK;
}

/* Whether the row is in its month's index: what FTS5 is told to take out that is not in damages it. */
static int is_indexed(struct words *w, int64_t seq, bool *is)
{
	int rc = month_statement(w, &w->look, &w->look_month, month_of(seq),
				 "SELECT rowid FROM " MONTH_NAME " WHERE rowid = ?1");

	*is = false;
	if (rc)
		return rc == SQLITE_ERROR ? SQLITE_OK : rc; /* no such month */
	sqlite3_bind_int64(w->look, 1, seq);
	rc = sqlite3_step(w->look);
	sqlite3_reset(w->look);
	*is = rc == SQLITE_ROW;
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int words_forget(struct words *w, int64_t seq, int64_t *waited)
{
	bool found, was, is;
	int rc = forget_pending(w, seq, &was);

	*waited += was;
	if (rc || was)
		return rc;
	rc = is_indexed(w, seq, &is);
	if (rc || !is)
		return rc;
	rc = month_statement(w, &w->take, &w->take_month, month_of(seq),
			     "INSERT INTO " MONTH_NAME "(" MONTH_NAME
			     ", rowid, input, output, error) VALUES('delete', ?1, ?2, ?3, ?4)");
	if (!rc)
		rc = read_sides(w, seq, &found);
	return rc || !found ? rc : run_sides(w, w->take, seq);
}

int words_drop_months(struct words *w, int64_t seq, size_t *n)
{
	sqlite3_stmt *st = w->st[Q_OLDEST];
	int rc = sqlite3_step(st), month = rc == SQLITE_ROW ? sqlite3_column_int(st, 0) : 0;

	*n = 0;
	sqlite3_reset(st);
	if (rc != SQLITE_ROW || month >= month_of(seq))
		return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
	sqlite3_finalize(w->put);
	sqlite3_finalize(w->take);
	sqlite3_finalize(w->look);
	w->put = w->take = w->look = NULL;
	rc = prepare(w->db, &st, "DROP TABLE " MONTH_NAME, month);
	if (rc)
		return rc;
	rc = sqlite3_step(st);
	sqlite3_finalize(st);
	*n = rc == SQLITE_DONE;
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}
