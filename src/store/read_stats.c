/* Counts and lists of values. What the journal has beyond the store counts, too: it is walked first. */
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "base/map.h"
#include "store/read_clickhouse.h"
#include "store/read_sql.h"
#include "store/schema.h"

bool row_failed(const struct log_entry *e)
{
	struct bytes state = cell_text(&e->list[L_STATE]);

	return bytes_eq(state, B("error")) || bytes_eq(state, B("truncated"));
}

/* ---- how many ---- */

static int on_counted(const struct log_entry *e, void *arg)
{
	(void)e;
	++*(size_t *)arg;
	return 0;
}

int read_count(struct reader *r, const struct read_filter *f, size_t most, size_t *n, bool *exact)
{
	struct read_page page = { .before = INT64_MAX, .limit = most, .bare = true };
	size_t more = 0;

	page.no_clickhouse = !f->typed.n; /* words are looked at row by row */
	*n = 0;
	if (read_rows(r, f, &page, on_counted, n))
		return -1;
	if (r->clickhouse && page.no_clickhouse && !page.partial && *n < most &&
	    clickhouse_count(r, f, most == SIZE_MAX ? most : most - *n, &more, &page.partial) &&
	    clickhouse_is_missed(r, &page.partial))
		return -1;
	*n += more;
	*exact = !page.partial && *n < most;
	return 0;
}

/* ---- values ---- */

struct values {
	struct reader *r;
	struct arena *arena;
	struct bytes part;
	enum list_cell cell; /* L_CELLS: tags */
	struct bytes tag;    /* whose values; empty: the keys of tags */
	struct map map;      /* value -> struct facet */
	struct facet **at;
	size_t n, cap;
	bool uncounted;
};

static int add_value(struct values *v, struct bytes value, int64_t n)
{
	struct facet *f;

	if (!value.n || (v->part.n && bytes_ifind(value, v->part) < 0))
		return 0;
	f = map_get(&v->map, value);
	if (f) {
		f->n += n;
		return 0;
	}
	if (v->n >= FACETS_MAX * 10) /* what matters was met before */
		return 0;
	f = arena_new(v->arena, struct facet);
	value = arena_dup(v->arena, value);
	if (!f || !bytes_set(value))
		return -1;
	*f = (struct facet){ value, n };
	return map_put(&v->map, value, f) || !arena_push(v->arena, v->at, v->n, v->cap, f) ? -1 : 0;
}

static int add_found(void *arg, struct bytes value, int64_t n)
{
	return add_value(arg, value, n);
}

/* Each value that the statement gives, with its count in the second column. */
static int take_values(struct values *v, sqlite3_stmt *st)
{
	int rc = SQLITE_ERROR, bad = 0;

	while (!bad && st && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct bytes value = { (const char *)sqlite3_column_text(st, 0),
				       (size_t)sqlite3_column_bytes(st, 0) };

		bad = add_value(v, value, sqlite3_column_int64(st, 1));
	}
	sqlite3_finalize(st);
	if (bad)
		return -1;
	if (rc == SQLITE_DONE)
		return 0;
	v->uncounted = true;
	return read_over(v->r) ? 0
			       : fail(ERR_STORE, SQLITE_FILE ": %s", sqlite3_errmsg(v->r->log.db));
}

static int take_tags(struct values *v, const struct log_entry *e, struct arena *scratch)
{
	yyjson_val *tags = e->has_chat ? json_parse(cell_text(&e->chat[C_TAGS]), scratch) : NULL;
	yyjson_val *k, *value;
	size_t i, max;
	int bad = 0;

	if (yyjson_is_obj(tags)) {
		yyjson_obj_foreach(tags, i, max, k, value)
		{
			if (!v->tag.n)
				bad |= add_value(v, json_str(k), 1);
			else if (bytes_eq(json_str(k), v->tag))
				bad |= add_value(v, json_str(value), 1);
		}
	}
	return bad;
}

/* Of the journal, before the store is asked. */
static int take_journal(struct values *v, const struct read_filter *f)
{
	struct log_entry e;
	struct arena a;
	int found = 0, bad = 0;

	arena_init(&a, READ_ENTRY_MAX);
	v->r->ids.n = 0;
	log_rewind_journal(&v->r->log);
	while (!bad && (found = log_next_in_journal(&v->r->log, &e, &a)) > 0) {
		int match = reader_matches(v->r, f, &e, &a);

		if (note_in_journal(v->r, &e))
			match = -1;
		if (match < 0)
			bad = -1;
		else if (match)
			bad = v->cell == L_CELLS ? take_tags(v, &e, &a)
						 : add_value(v, cell_text(&e.list[v->cell]), 1);
		arena_deinit(&a);
		if (read_over(v->r)) {
			v->uncounted = true;
			break;
		}
	}
	arena_deinit(&a);
	return bad || found < 0 ? -1 : 0;
}

/* What was ever seen is known at once, whatever the count takes. */
static int take_dictionary(struct values *v, struct bytes dim)
{
	static const struct {
		struct bytes dim;
		const char *name;
	} dims[] = { { B("fn"), "function" },  { B("variant"), "variant" },
		     { B("model"), "model" },  { B("provider"), "provider" },
		     { B("key"), "key" },      { B("surface"), "surface" },
		     { B("status"), "state" }, { B("error_kind"), "error_kind" },
		     { B("tag"), "tag" } };
	sqlite3_stmt *st;

	for (size_t i = 0; i < COUNT(dims); i++)
		if (bytes_eq(dims[i].dim, dim)) {
			st = read_statement(
				v->r,
				"SELECT value, 0 FROM Facet WHERE dim = ?1 ORDER BY hour DESC, count DESC LIMIT 10000");
			if (st)
				sqlite3_bind_text(st, 1, dims[i].name, -1, SQLITE_STATIC);
			return take_values(v, st);
		}
	return 0;
}

static sqlite3_stmt *tags_statement(struct values *v, const struct read_filter *f)
{
	sqlite3_stmt *st = read_statement(
		v->r,
		v->tag.n
			? "SELECT value, count(*) FROM TagInference WHERE key = ?1 AND seq >= ?2 AND seq < ?3 GROUP BY 1"
			: "SELECT key, count(*) FROM TagInference WHERE ?1 = '' AND seq >= ?2 AND seq < ?3 GROUP BY 1");

	if (!st)
		return NULL;
	sqlite3_bind_text(st, 1, v->tag.p ? v->tag.p : "", (int)v->tag.n, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, f->from);
	sqlite3_bind_int64(st, 3, f->to);
	return st;
}

static int most_first(const void *x, const void *y)
{
	const struct facet *const *a = x, *const *b = y;

	if ((*a)->n != (*b)->n)
		return (*a)->n < (*b)->n ? 1 : -1;
	return bytes_cmp((*a)->value, (*b)->value);
}

static int choose_column(struct values *v, struct bytes dim)
{
	v->cell = bytes_eq(dim, B(N_STATUS)) ? L_STATE : filter_cell(dim);
	if (v->cell != L_CELLS || bytes_eq(dim, B("tag")))
		return 0;
	if (bytes_starts(dim, B("tag.")) && dim.n > 4) {
		v->tag = bytes_slice(dim, 4, dim.n);
		return 0;
	}
	return fail(ERR_INVALID_REQUEST, "dim=%.*s: there is no list of its values",
		    BFMT(bytes_head(dim, 100)));
}

/* Without its own condition on what is listed: else there would be nothing to add to it. */
static struct read_filter others(const struct read_filter *f, enum list_cell cell)
{
	struct read_filter out = *f;

	out.at = arena_array(f->arena, struct condition, f->n + 1);
	out.n = 0;
	for (size_t i = 0; out.at && i < f->n; i++)
		if (f->at[i].cell != cell && !(cell == L_STATE && f->at[i].cell == L_STATUS))
			out.at[out.n++] = f->at[i];
	return out;
}

int read_facets(struct reader *r, const struct read_filter *f, struct bytes dim, struct bytes part,
		struct facet **out, size_t *n, struct arena *a)
{
	struct values v = { .r = r, .arena = a, .part = part };
	struct read_filter rest;
	int bad = choose_column(&v, dim);

	if (bad)
		return -1;
	rest = others(f, v.cell);
	if (judge_set(&r->judge, f))
		return -1;
	map_init(&v.map);
	if (r->log.db)
		bad = take_dictionary(&v, dim);
	bad = bad || take_journal(&v, &rest);
	if (!bad && r->log.db)
		bad = take_values(&v, v.cell == L_CELLS
					      ? tags_statement(&v, &rest)
					      : filter_statement(r, &rest, INT64_MAX,
								 &(struct sql_columns){
									 SQL_GROUPS, &v.cell, 1 }));
	if (!bad && r->clickhouse)
		bad = clickhouse_values(r, &rest, v.cell, v.tag, add_found, &v, &v.uncounted) &&
		      clickhouse_is_missed(r, &v.uncounted);
	map_deinit(&v.map);
	if (bad)
		return -1;
	if (v.n && !v.uncounted)
		qsort(v.at, v.n, sizeof(struct facet *), most_first);
	*n = 0;
	*out = arena_array(a, struct facet, v.n + 1);
	for (size_t i = 0; *out && i < v.n && *n < FACETS_MAX; i++)
		if (v.uncounted || v.at[i]->n) /* known of old, but not among these rows */
			(*out)[(*n)++] =
				(struct facet){ v.at[i]->value, v.uncounted ? -1 : v.at[i]->n };
	return !*out ? -1 : v.uncounted;
}
