/*
 * From a filter to a statement. What the filter holds is bound, never written into the text. The way through the store
 * is chosen here and forced, because SQLite's planner knows nothing of how rows are spread: of the conditions with an
 * index the one with the fewest rows leads, if those are few (counted, up to LEAD_MAX); else the list is walked newest
 * first. What a statement has looked at is noted by signet_at(), inside of a CASE because only that fixes the order: so
 * a question that runs out of time knows how far it got.
 */
#include "store/read_sql.h"

#include <stdlib.h>

#include "base/error.h"
#include "store/schema.h"

#define LEAD_MAX  20000
#define BINDS_MAX (4 * FILTER_VALUES + 64)

/* A statement's text and what is bound to it. */
struct statement {
	struct buf text;
	bool failed, tags_apart; /* the rows' own tags are elsewhere, their table alone has them */
	int n;
	struct cell binds[BINDS_MAX];
};

static void put(struct statement *s, const char *text)
{
	s->failed |= buf_append(&s->text, bytes_of(text)) != 0;
}

static void bind_value(struct statement *s, struct cell value)
{
	if (s->n == BINDS_MAX)
		s->failed = true;
	else
		s->binds[s->n++] = value;
	put(s, "?");
}

static void bind_text(struct statement *s, struct bytes text)
{
	bind_value(s, (struct cell){ .type = CELL_TEXT, .text = text });
}

static void bind_int(struct statement *s, int64_t n)
{
	bind_value(s, (struct cell){ .type = CELL_INT, .num = n });
}

static void put_cell(struct statement *s, enum list_cell cell)
{
	put(s, "t.");
	put(s, list_columns[cell].name.p);
}

static void put_values(struct statement *s, const struct condition *c)
{
	put(s, "(");
	for (size_t i = 0; i < c->n; i++) {
		put(s, i ? "," : "");
		bind_text(s, c->values[i]);
	}
	put(s, ")");
}

/* "4xx", "429", "error" */
static void put_statuses(struct statement *s, const struct condition *c)
{
	for (size_t i = 0; i < c->n; i++) {
		struct bytes v = c->values[i];
		uint64_t code;

		put(s, i ? " OR " : "");
		if (bytes_to_u64(v, &code)) {
			put(s, "t." N_STATUS " IS ");
			bind_int(s, (int64_t)code);
		} else if (bytes_ends(v, B("xx"))) {
			put(s, "ifnull(t." N_STATUS ",0)/100 = ");
			bind_int(s, *v.p - '0');
		} else {
			put(s, "t." N_STATE " = ");
			bind_text(s, v);
		}
	}
}

/* The tags of a row, whatever stands in their column. */
#define TAGS_OF_ROW                                                                      \
	"EXISTS(SELECT 1 FROM ChatInference c, json_each(CASE WHEN json_valid(c." N_TAGS \
	") THEN c." N_TAGS " ELSE '{}' END) j WHERE c.seq = t.seq AND j.key = "
#define FAILED_ELSEWHERE                                                                           \
	"EXISTS(SELECT 1 FROM RequestError e, json_each(CASE WHEN json_valid(e." N_ATTEMPTS        \
	") THEN e." N_ATTEMPTS " ELSE '[]' END) j WHERE e.seq = t.seq AND j.value ->> 'provider' " \
	"<> '' AND j.value ->> 'provider' IS NOT t." N_PROVIDER ")"

static void put_tag(struct statement *s, const struct condition *c)
{
	if (c->kind == CONDITION_TAG && c->n == 1) {
		put(s, "EXISTS(SELECT 1 FROM TagInference g WHERE g.key = ");
		bind_text(s, c->tag);
		put(s, " AND g.value = ");
		bind_text(s, c->values[0]);
		put(s, " AND g.seq = t.seq)");
		return;
	}
	if (s->tags_apart) {
		put(s, "t.seq IN (SELECT g.seq FROM TagInference g WHERE g.key = ");
		bind_text(s, c->tag);
		if (c->n) {
			put(s,
			    c->kind == CONDITION_TAG ? " AND g.value IN " : " AND g.value NOT IN ");
			put_values(s, c);
		}
		put(s, ")");
		return;
	}
	put(s, TAGS_OF_ROW);
	bind_text(s, c->tag);
	if (c->n) {
		put(s, c->kind == CONDITION_TAG ? " AND j.value IN " : " AND j.value NOT IN ");
		put_values(s, c);
	}
	put(s, ")");
}

static void put_condition(struct statement *s, const struct condition *c)
{
	switch (c->kind) {
	case CONDITION_ANY:
		put_cell(s, c->cell);
		put(s, " IN ");
		put_values(s, c);
		break;
	case CONDITION_NONE:
		put_cell(s, c->cell);
		put(s, " IS NULL OR ");
		put_cell(s, c->cell);
		put(s, " NOT IN ");
		put_values(s, c);
		break;
	case CONDITION_FLAG:
		put(s, "ifnull(");
		put_cell(s, c->cell);
		put(s, c->number ? ",0) <> 0" : ",0) = 0");
		break;
	case CONDITION_LEAST:
	case CONDITION_MOST:
		put_cell(s, c->cell);
		put(s, c->kind == CONDITION_LEAST ? " >= " : " <= ");
		bind_int(s, c->number);
		break;
	case CONDITION_STATUS: put_statuses(s, c); break;
	case CONDITION_NO_STATUS:
		put(s, "NOT(");
		put_statuses(s, c);
		put(s, ")");
		break;
	case CONDITION_TAG:
	case CONDITION_NO_TAG: put_tag(s, c); break;
	case CONDITION_FALLBACK:
		put(s, c->number ? FAILED_ELSEWHERE : "NOT " FAILED_ELSEWHERE);
		break;
	case CONDITION_NEVER: put(s, "0"); break;
	}
}

/* ---- the way through the store ---- */

static const struct {
	enum list_cell cell;
	const char *index;
} indexes[] = {
	{ L_FUNCTION, "InferenceById_function" }, { L_MODEL, "InferenceById_model" },
	{ L_PROVIDER, "InferenceById_provider" }, { L_KEY, "InferenceById_key" },
	{ L_EPISODE, "InferenceById_episode" },
};

struct lead {
	const struct condition *condition; /* NULL: the list itself, newest first */
	const char *index;                 /* of the list; NULL: the tags' own table */
	size_t rows;
};

static bool has_index(const struct condition *c, struct lead *out)
{
	*out = (struct lead){ .condition = c };
	if (c->kind == CONDITION_TAG)
		return c->n == 1;
	if (c->kind == CONDITION_STATUS) {
		for (size_t i = 0; i < c->n; i++)
			if (!bytes_eq(c->values[i], B("error")) &&
			    !bytes_eq(c->values[i], B("cancelled")) &&
			    !bytes_eq(c->values[i], B("truncated")))
				return false;
		out->index = "InferenceById_state";
		return true;
	}
	for (size_t i = 0; i < COUNT(indexes) && c->kind == CONDITION_ANY; i++)
		if (indexes[i].cell == c->cell)
			out->index = indexes[i].index;
	return out->index != NULL;
}

/* FROM and WHERE of what leads, in the filter's time. */
static void put_lead(struct statement *s, const struct lead *l, const struct read_filter *f,
		     int64_t before)
{
	if (!l->condition) {
		put(s, " FROM InferenceById t NOT INDEXED WHERE ");
	} else if (!l->index) {
		put(s,
		    " FROM TagInference g CROSS JOIN InferenceById t ON t.seq = g.seq WHERE g.key = ");
		bind_text(s, l->condition->tag);
		put(s, " AND g.value = ");
		bind_text(s, l->condition->values[0]);
		put(s, " AND g.seq < ");
		bind_int(s, before);
		put(s, " AND g.seq >= ");
		bind_int(s, f->from);
		return;
	} else {
		put(s, " FROM InferenceById t INDEXED BY ");
		put(s, l->index);
		put(s, " WHERE ");
		if (l->condition->kind == CONDITION_STATUS) {
			put(s, "t." N_STATE " <> 'ok' AND t." N_STATE " IN ");
			put_values(s, l->condition);
		} else {
			put_condition(s, l->condition);
		}
		put(s, " AND ");
	}
	put(s, "t.seq < ");
	bind_int(s, before);
	put(s, " AND t.seq >= ");
	bind_int(s, f->from);
}

static sqlite3_stmt *prepare(struct reader *r, struct statement *s)
{
	sqlite3_stmt *st = NULL;

	if (s->failed || buf_putc(&s->text, 0))
		return fail_null(ERR_OUT_OF_MEMORY, "a filter that is too long");
	if (sqlite3_prepare_v2(r->log.db, s->text.data, -1, &st, NULL))
		return fail_null(ERR_STORE, SQLITE_FILE ": %s", sqlite3_errmsg(r->log.db));
	for (int i = 0; i < s->n; i++) {
		const struct cell *c = &s->binds[i];

		if (c->type == CELL_INT)
			sqlite3_bind_int64(st, i + 1, c->num);
		else
			sqlite3_bind_text64(st, i + 1, c->text.p ? c->text.p : "", c->text.n,
					    SQLITE_STATIC, SQLITE_UTF8);
	}
	return st;
}

static struct statement *statement_new(const struct reader *r)
{
	struct statement *s = calloc(1, sizeof(*s));

	if (!s)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	buf_init(&s->text, SQL_MAX);
	s->tags_apart = r->clickhouse != NULL;
	return s;
}

static sqlite3_stmt *statement_done(struct reader *r, struct statement *s)
{
	sqlite3_stmt *st = prepare(r, s);

	buf_deinit(&s->text);
	free(s);
	return st;
}

/* How many rows it leads to, up to LEAD_MAX. */
static size_t count_rows(struct reader *r, const struct lead *l, const struct read_filter *f,
			 int64_t before)
{
	struct statement *s = statement_new(r);
	sqlite3_stmt *st;
	size_t n = LEAD_MAX;

	if (!s)
		return n;
	put(s, "SELECT count(*) FROM (SELECT 1");
	put_lead(s, l, f, before);
	put(s, " LIMIT ");
	bind_int(s, LEAD_MAX);
	put(s, ")");
	st = statement_done(r, s);
	if (st && sqlite3_step(st) == SQLITE_ROW)
		n = (size_t)sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

static struct lead choose_lead(struct reader *r, const struct read_filter *f, int64_t before)
{
	struct lead best = { .rows = LEAD_MAX }, l;

	for (size_t i = 0; i < f->n; i++) {
		if (!has_index(&f->at[i], &l))
			continue;
		/* The only condition, with one value: its index is in the order that is wanted. */
		if (f->n == 1 && !f->typed.n && f->at[i].n == 1)
			return l;
		l.rows = count_rows(r, &l, f, before);
		if (l.rows < best.rows)
			best = l;
	}
	return best;
}

static void put_words(struct statement *s, const struct read_filter *f)
{
	if (!f->typed.n)
		return;
	put(s, " AND signet_words((SELECT c." N_INPUT " FROM ChatInference c WHERE c.seq = t.seq)"
	       ",(SELECT c." N_OUTPUT " FROM ChatInference c WHERE c.seq = t.seq)"
	       ",(SELECT e." N_ERROR " FROM RequestError e WHERE e.seq = t.seq)"
	       ",t." N_PREVIEW_IN ",t." N_PREVIEW_OUT ")");
}

static void put_columns(struct statement *s, const struct sql_columns *columns)
{
	if (columns->kind == SQL_CELLS) {
		s->failed |= schema_select_list(&tables[T_LIST], &s->text) != 0;
		return;
	}
	put(s, "SELECT ");
	if (columns->kind == SQL_STATE)
		put(s, "t." N_STATE " IN ('error','truncated'), ");
	for (size_t i = 0; i < columns->n; i++) {
		put_cell(s, columns->cells[i]);
		put(s, ", ");
	}
	put(s, columns->kind == SQL_GROUPS ? "count(*)" : "t.seq");
}

sqlite3_stmt *read_statement(struct reader *r, const char *sql)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(r->log.db, sql, -1, &st, NULL))
		return fail_null(ERR_STORE, SQLITE_FILE ": %s", sqlite3_errmsg(r->log.db));
	return st;
}

/* The conditions but the one that leads. */
static void put_rest(struct statement *s, const struct read_filter *f, const struct condition *lead,
		     bool with_words)
{
	put(s, " AND CASE WHEN signet_at(t.seq) THEN 1");
	for (size_t i = 0; i < f->n; i++) {
		if (&f->at[i] == lead)
			continue;
		put(s, " AND (");
		put_condition(s, &f->at[i]);
		put(s, ")");
	}
	if (with_words)
		put_words(s, f);
	put(s, " END");
}

sqlite3_stmt *filter_statement(struct reader *r, const struct read_filter *f, int64_t before,
			       const struct sql_columns *columns)
{
	struct statement *s = statement_new(r);
	struct lead l;

	if (!s)
		return NULL;
	if (before > f->to)
		before = f->to;
	l = choose_lead(r, f, before);
	put_columns(s, columns);
	put_lead(s, &l, f, before);
	put_rest(s, f, l.condition, true);
	put(s, columns->kind == SQL_GROUPS ? " GROUP BY 1" : " ORDER BY t.seq DESC");
	return statement_done(r, s);
}

sqlite3_stmt *filter_point(struct reader *r, const struct read_filter *f,
			   const struct sql_columns *columns, bool with_words)
{
	struct statement *s = statement_new(r);

	if (!s)
		return NULL;
	put_columns(s, columns);
	put(s, " FROM InferenceById t WHERE t.seq = ");
	bind_int(s, 0); /* the first parameter */
	put_rest(s, f, NULL, with_words);
	return statement_done(r, s);
}

/* ---- functions of a connection ---- */

static void at(sqlite3_context *context, int n, sqlite3_value **values)
{
	struct reader *r = sqlite3_user_data(context);

	(void)n;
	r->seen = sqlite3_value_int64(values[0]);
	sqlite3_result_int(context, 1);
}

static struct bytes text_of(sqlite3_value *v)
{
	const char *p = (const char *)sqlite3_value_text(v);

	return (struct bytes){ p, p ? (size_t)sqlite3_value_bytes(v) : 0 };
}

static void words(sqlite3_context *context, int n, sqlite3_value **v)
{
	struct reader *r = sqlite3_user_data(context);
	struct words_row row = { text_of(v[0]), text_of(v[1]), text_of(v[2]), text_of(v[3]),
				 text_of(v[4]) };

	(void)n;
	sqlite3_result_int(context, judge_row(&r->judge, &row) > 0);
}

int read_functions(struct reader *r)
{
	int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;

	if (sqlite3_create_function(r->log.db, "signet_at", 1, flags, r, at, NULL, NULL) ||
	    sqlite3_create_function(r->log.db, "signet_words", 5, flags, r, words, NULL, NULL))
		return fail(ERR_STORE, SQLITE_FILE ": %s", sqlite3_errmsg(r->log.db));
	return 0;
}
