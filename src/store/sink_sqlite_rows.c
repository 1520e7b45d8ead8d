/*
 * One record into signet.db. The list row goes first, because its id decides whether the record is new and its seq is that
 * of all the others; what is made of it (tags, sums, words to index) only for a new one. With the position in the same transaction a
 * record is in the file exactly once.
 *
 * A record is read whole before its first INSERT, so that a row at fault leaves nothing half done.
 * The trap: text is bound without a copy, so payload, scratch and cells must stand still until the step.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/time.h"
#include "base/version.h"
#include "store/schema.h"
#include "store/sink_sqlite.h"

#define SCRATCH_KEPT  (4u << 20) /* bytes that outlive a record which needed more */
#define SNAPSHOTS_MAX 8          /* in one record */
#define SEQ_TRIES     40000

struct parts {
	struct cell *cells[TABLES]; /* NULL: no such row; of T_MODEL nmodels x M_CELLS */
	size_t nmodels;
	struct bytes config[SNAPSHOTS_MAX];
	size_t nconfig;
	struct bytes response; /* the one of the record; unset: none */
};

static enum sink_result bad_row(struct sqlite_sink *s, struct bytes why)
{
	snprintf(s->base.error, sizeof(s->base.error), "%.*s", BFMT(why));
	return SINK_ROW;
}

/* Binds each cell that has a column. The place of the next parameter. */
static int bind_cells(sqlite3_stmt *st, int at, const struct column *columns, const struct cell *c,
		      size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!columns[i].place)
			continue;
		if (c[i].type == CELL_TEXT)
			sqlite_bind_text(st, at++, c[i].text.n ? c[i].text : B(""));
		else if (c[i].type == CELL_INT)
			sqlite3_bind_int64(st, at++, c[i].num);
		else
			sqlite3_bind_null(st, at++);
	}
	return at;
}

static int want_cells(struct sqlite_sink *s, size_t n)
{
	struct cell *grown;

	if (n <= s->cap_cells)
		return 0;
	grown = realloc(s->cells, n * sizeof(*grown));
	if (!grown)
		return fail(ERR_OUT_OF_MEMORY, "out of memory");
	s->cells = grown;
	s->cap_cells = n;
	return 0;
}

/* Room for the texts and cells of a record. -1: out of memory. */
static int make_room(struct sqlite_sink *s, size_t bytes, size_t models)
{
	buf_reset(&s->scratch);
	if (s->scratch.cap > SCRATCH_KEPT && bytes < SCRATCH_KEPT / 4) {
		buf_deinit(&s->scratch);
		buf_init(&s->scratch, (size_t)RECORD_MAX * 2);
	}
	/* twice: the elements of `calls` and of tags are taken apart once more */
	if (buf_reserve(&s->scratch, bytes * 2 + 64))
		return -1;
	return want_cells(s, CALL_CELLS + L_CELLS + C_CELLS + E_CELLS + models * M_CELLS);
}

/* Counts first, so that the cells stand still; then reads. */
static enum sink_result read_parts(struct sqlite_sink *s, struct bytes payload, struct parts *out)
{
	static const size_t offsets[TABLES] = {
		[T_LIST] = CALL_CELLS, /* the first are bind_call()'s */
		[T_CHAT] = CALL_CELLS + L_CELLS,
		[T_ERROR] = CALL_CELLS + L_CELLS + C_CELLS,
		[T_MODEL] = CALL_CELLS + L_CELLS + C_CELLS + E_CELLS
	};
	struct record_part part;
	size_t pos = 0, models = 0;
	int r;

	while ((r = record_next_part(payload, &pos, &part)) > 0)
		models += part.table == ROW_MODEL_INFERENCE;
	if (r)
		return bad_row(s, B("the record's parts are damaged"));
	if (make_room(s, payload.n, models))
		return sqlite_classify(s, SQLITE_NOMEM);
	*out = (struct parts){ 0 };
	for (pos = 0; record_next_part(payload, &pos, &part) > 0;) {
		enum table_id t = table_of_row(part.table);
		struct cell *cells;

		if (part.table == ROW_CONFIG_SNAPSHOT) {
			if (out->nconfig < SNAPSHOTS_MAX)
				out->config[out->nconfig++] = part.json;
			continue;
		}
		if (part.table == ROW_RESPONSE) {
			out->response = part.json;
			continue;
		}
		if (t == TABLES) {
			fail(ERR_STORE, "table %d is not known to this version", part.table);
			return bad_row(s, error_last()->message);
		}
		cells = s->cells + offsets[t];
		if (t != T_MODEL || !out->nmodels)
			out->cells[t] = cells;
		if (t == T_MODEL)
			cells += out->nmodels++ * M_CELLS;
		if (row_read_part(&part, tables[t].columns, tables[t].ncolumns, cells, &s->scratch))
			return bad_row(s, error_last()->message);
	}
	return SINK_OK;
}

/* ---- the configuration's number ---- */

enum sink_result sqlite_touch_config(struct sqlite_sink *s, struct bytes hash, struct bytes text)
{
	sqlite3_stmt *st = s->statements[Q_HASH_NEW];

	sqlite_bind_text(st, 1, hash);
	sqlite_bind_text(st, 2, text.p ? text : B(""));
	sqlite_bind_text(st, 3, B(TENSORZERO_VERSION));
	sqlite3_bind_int64(st, 4, (int64_t)clock_unix_ms());
	return sqlite_run(s, Q_HASH_NEW);
}

static enum sink_result find_hash(struct sqlite_sink *s, struct bytes text, int64_t *number)
{
	sqlite3_stmt *st = s->statements[Q_HASH];
	enum sink_result r = SINK_OK;
	int rc;

	sqlite_bind_text(st, 1, text);
	rc = sqlite3_step(st);
	*number = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		r = sqlite_classify(s, rc);
	sqlite3_reset(st);
	return r;
}

static void keep_hash(struct sqlite_sink *s, struct bytes text)
{
	if (text.n > sizeof(s->hash_kept))
		return;
	memcpy(s->hash_kept, text.p, text.n);
	s->hash_text = (struct bytes){ s->hash_kept, text.n };
}

/* A hash becomes its number; one that was not seen before gets a row. NULL stays NULL. */
static enum sink_result hash_number(struct sqlite_sink *s, struct cell *c)
{
	enum sink_result r = SINK_OK;

	if (c->type != CELL_TEXT)
		return SINK_OK;
	if (!bytes_set(s->hash_text) || !bytes_eq(c->text, s->hash_text)) {
		s->hash_text = (struct bytes){ 0 };
		r = find_hash(s, c->text, &s->hash_n);
		if (r == SINK_OK && !s->hash_n) {
			r = sqlite_touch_config(s, c->text, B(""));
			if (r == SINK_OK)
				r = find_hash(s, c->text, &s->hash_n);
		}
		if (r == SINK_OK)
			keep_hash(s, c->text);
	}
	*c = (struct cell){ .type = CELL_INT, .num = s->hash_n };
	return r;
}

/* ---- rows ---- */

/* Inserts with the first free seq from *seq on. *is_new: false if the id was there. */
static enum sink_result insert_seq(struct sqlite_sink *s, enum sqlite_query q, int seq_at,
				   int64_t *seq, bool *is_new)
{
	sqlite3_stmt *st = s->statements[q];

	for (int tries = 0; tries < SEQ_TRIES; tries++, ++*seq) {
		enum sink_result r = SINK_OK;
		int rc;

		sqlite3_bind_int64(st, seq_at, *seq);
		rc = fault("sqlite.step") ? SQLITE_IOERR : sqlite3_step(st);
		if (rc == SQLITE_DONE)
			*is_new = sqlite3_changes(s->db) > 0;
		else
			r = sqlite_classify(s, rc);
		sqlite3_reset(st);
		if (rc != SQLITE_CONSTRAINT_PRIMARYKEY && rc != SQLITE_CONSTRAINT_ROWID)
			return r;
	}
	return bad_row(s, B("no free seq near this id"));
}

/* A chat row without a list row (from a foreign writer): the list row that it implies. */
static void imply_list(struct cell *list, const struct cell *chat)
{
	memset(list, 0, L_CELLS * sizeof(*list));
	list[L_ID] = chat[C_ID];
	list[L_TYPE] = (struct cell){ .type = CELL_TEXT, .text = B("chat") };
	list[L_STATE] = (struct cell){ .type = CELL_TEXT, .text = B("ok") };
	list[L_TTFT] = chat[C_TTFT];
}

/* The columns of TagInference: */
_Static_assert(L_FUNCTION == L_ID + 1 && L_VARIANT == L_ID + 2 && L_EPISODE == L_ID + 3 &&
		       L_TYPE == L_ID + 4,
	       "five cells of the list in a row");

static enum sink_result add_tags(struct sqlite_sink *s, const struct cell *list, struct bytes tags,
				 int64_t seq)
{
	sqlite3_stmt *st = s->statements[Q_TAG];
	struct bytes key, value;
	size_t pos = 0;

	while (row_next_string(tags, &pos, &key, &value, &s->scratch) > 0) {
		enum sink_result r;

		sqlite_bind_text(st, 1, key);
		sqlite_bind_text(st, 2, value);
		sqlite3_bind_int64(st, 3, seq);
		bind_cells(st, 4, &list_columns[L_ID], &list[L_ID], L_TYPE - L_ID + 1);
		r = sqlite_run(s, Q_TAG);
		if (r != SINK_OK)
			return r;
		s->base.rows[T_TAGS]++;
	}
	return SINK_OK;
}

/* Signet's own columns of a model inference, out of the list row's `calls`. All null: it is not there. */
static const struct cell *find_call(struct sqlite_sink *s, struct bytes calls, struct bytes id)
{
	static const struct cell nothing[CALL_CELLS];
	struct cell *cells = s->cells; /* its first CALL_CELLS are kept for this */
	struct bytes element;
	size_t pos = 0, mark = s->scratch.len;

	while (calls.n && json_next_element(calls, &pos, &element) > 0) {
		if (!row_read(element, call_columns, CALL_CELLS, cells, &s->scratch) &&
		    bytes_eq(cells[CALL_ID].text, id))
			return cells;
		s->scratch.len = mark;
	}
	return nothing;
}

/* ids_are_good() has seen it. */
static int64_t seq_of(const struct cell *id)
{
	struct uuid u = { 0 };

	uuid_parse(id->text, &u);
	return row_seq(u);
}

static enum sink_result add_model(struct sqlite_sink *s, struct cell *m, struct bytes calls)
{
	sqlite3_stmt *st = s->statements[Q_MODEL];
	enum sink_result r = hash_number(s, &m[M_HASH]);
	size_t mark = s->scratch.len;
	int64_t seq = seq_of(&m[M_ID]);
	bool is_new = false;
	int at;

	if (r != SINK_OK)
		return r;
	at = bind_cells(st, 1, model_columns, m, M_CELLS);
	at = bind_cells(st, at, call_columns, find_call(s, calls, m[M_ID].text), CALL_CELLS);
	r = insert_seq(s, Q_MODEL, at, &seq, &is_new);
	s->scratch.len = mark;
	s->base.rows[T_MODEL] += r == SINK_OK && is_new;
	return r;
}

static enum sink_result add_list(struct sqlite_sink *s, struct cell *list, bool cut, int64_t *seq,
				 bool *is_new)
{
	enum sink_result r = hash_number(s, &list[L_HASH]);
	int at;

	if (r != SINK_OK)
		return r;
	*seq = seq_of(&list[L_ID]);
	list[L_CUT] = (struct cell){ .type = CELL_INT, .num = cut };
	at = bind_cells(s->statements[Q_LIST], 1, list_columns, list, L_CELLS);
	r = insert_seq(s, Q_LIST, at, seq, is_new);
	s->base.rows[T_LIST] += r == SINK_OK && *is_new;
	return r;
}

/* A row that stands beside the list row, under its seq. */
static enum sink_result add_beside(struct sqlite_sink *s, enum sqlite_query q, enum table_id t,
				   const struct cell *cells, int64_t seq)
{
	sqlite3_stmt *st = s->statements[q];
	enum sink_result r;

	sqlite3_bind_int64(st, bind_cells(st, 1, tables[t].columns, cells, tables[t].ncolumns),
			   seq);
	r = sqlite_run(s, q);
	s->base.rows[t] += r == SINK_OK;
	return r;
}

static enum sink_result add_bodies(struct sqlite_sink *s, struct parts *p, int64_t seq)
{
	struct cell *list = p->cells[T_LIST], *chat = p->cells[T_CHAT];
	enum sink_result r = SINK_OK;

	if (chat) {
		r = s->o.list_only ? SINK_OK : hash_number(s, &chat[C_HASH]);
		if (r == SINK_OK && !s->o.list_only)
			r = add_beside(s, Q_CHAT, T_CHAT, chat, seq);
		if (r == SINK_OK)
			r = add_tags(s, list, chat[C_TAGS].text, seq);
	}
	if (r == SINK_OK && p->cells[T_ERROR])
		r = add_beside(s, Q_ERROR, T_ERROR, p->cells[T_ERROR], seq);
	for (size_t i = 0; r == SINK_OK && i < p->nmodels && !s->o.list_only; i++)
		r = add_model(s, p->cells[T_MODEL] + i * M_CELLS, cell_text(&list[L_CALLS]));
	return r;
}

static enum sink_result add_configs(struct sqlite_sink *s, const struct parts *p)
{
	for (size_t i = 0; i < p->nconfig; i++) {
		struct cell c[S_CELLS];
		enum sink_result r;

		if (row_read(p->config[i], config_columns, S_CELLS, c, &s->scratch))
			return bad_row(s, error_last()->message);
		r = sqlite_touch_config(s, c[S_CONFIG_HASH].text, c[S_CONFIG].text);
		if (r != SINK_OK)
			return r;
	}
	return SINK_OK;
}

/* A kept answer of the Responses API, or that it was deleted; and some of those whose time is over. */
static enum sink_result add_response(struct sqlite_sink *s, struct bytes json)
{
	struct cell c[R_CELLS];
	enum sink_result r;

	if (!bytes_set(json))
		return SINK_OK;
	if (row_read(json, response_columns, R_CELLS, c, &s->scratch))
		return bad_row(s, error_last()->message);
	bind_cells(s->statements[Q_RESPONSE], 1, response_columns, c, R_CELLS);
	r = sqlite_run(s, Q_RESPONSE);
	if (r != SINK_OK)
		return r;
	sqlite3_bind_int64(s->statements[Q_RESPONSES_OLD], 1, (int64_t)(clock_unix_ms() / 1000));
	return sqlite_run(s, Q_RESPONSES_OLD);
}

/* Before the first INSERT: what follows must not stop half way because of a row. */
static bool ids_are_good(const struct parts *p)
{
	struct uuid id;

	if (!uuid_parse(p->cells[T_LIST][L_ID].text, &id))
		return false;
	for (size_t i = 0; i < p->nmodels; i++)
		if (!uuid_parse(p->cells[T_MODEL][i * M_CELLS + M_ID].text, &id))
			return false;
	return true;
}

/* What is made of a new row beside the tables: sums, and its place in the word index. Rows of a time that the work behind
 * has not come to are left to that (sink_sqlite_work.c). */
static enum sink_result add_derived(struct sqlite_sink *s, const struct parts *p, int64_t seq)
{
	const struct work_state *w = &s->work.now;
	struct bytes tags = p->cells[T_CHAT] ? p->cells[T_CHAT][C_TAGS].text : (struct bytes){ 0 };

	if (seq >= w->summed_from &&
	    rollup_record(s->rollup, p->cells[T_LIST], tags, seq, &s->scratch))
		return sqlite_classify(s, SQLITE_NOMEM);
	if (s->o.search_off || !w->words_begun || seq < w->queued_from)
		return SINK_OK;
	s->pending++;
	sqlite3_bind_int64(s->statements[Q_PENDING], 1, seq);
	return sqlite_run(s, Q_PENDING);
}

static enum sink_result add_parts(struct sqlite_sink *s, struct parts *p, bool cut)
{
	struct cell *last = p->nmodels ? p->cells[T_MODEL] + (p->nmodels - 1) * M_CELLS : NULL;
	enum sink_result r;
	bool is_new = false;
	int64_t seq;
	size_t mark;

	list_fill(p->cells[T_LIST], p->cells[T_CHAT], last);
	if (!ids_are_good(p))
		return bad_row(s, B("column id is no UUID"));
	r = add_list(s, p->cells[T_LIST], cut, &seq, &is_new);
	mark = s->scratch.len;
	if (r == SINK_OK && is_new)
		r = add_bodies(s, p, seq);
	s->scratch.len = mark;
	if (r == SINK_OK && is_new)
		r = add_derived(s, p, seq);
	if (r == SINK_OK && is_new && retention_row_came(s->retention, seq))
		r = sqlite_classify(s, sqlite3_errcode(s->db));
	return r;
}

enum sink_result sqlite_add_record(struct sink *base, const struct record_view *v)
{
	struct sqlite_sink *s = (struct sqlite_sink *)base;
	struct bytes payload;
	struct parts p = { 0 };
	enum sink_result r;

	if (v->type == RECORD_END)
		return SINK_OK;
	if (record_payload(v, &s->unpacked, &payload))
		return bad_row(s, error_last()->message);
	r = read_parts(s, payload, &p);
	if (r == SINK_OK)
		r = add_configs(s, &p);
	if (r == SINK_OK && !p.cells[T_LIST])
		r = add_response(s, p.response);
	if (r != SINK_OK)
		return r;
	if (!p.cells[T_LIST] && p.cells[T_CHAT]) {
		p.cells[T_LIST] = s->cells + CALL_CELLS;
		imply_list(p.cells[T_LIST], p.cells[T_CHAT]);
	}
	if (p.cells[T_LIST]) {
		r = add_parts(s, &p, v->flags & RECORD_CUT);
		return r == SINK_OK ? add_response(s, p.response) : r;
	}
	if (p.nmodels || p.cells[T_ERROR])
		return bad_row(s, B("rows without the inference that they belong to"));
	return SINK_OK;
}
