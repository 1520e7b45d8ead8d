/*
 * Looking for words where SQLite keeps the list of the last days and ClickHouse the bodies. What was said is there, what went
 * wrong is here: ClickHouse finds the answers that have the words, SQLite's own rows say the rest of them and decide the filter's
 * other conditions; requests without an answer are looked for in SQLite, by their errors and previews.
 */
#include <stdlib.h>

#include "base/error.h"
#include "store/read_clickhouse.h"
#include "store/read_sql.h"

/* A row of SQLite's that has no answer, or not the whole of one, and has the words. */
struct failure {
	int64_t seq;
	bool given;
};

struct both {
	struct reader *r;
	const struct read_filter *f;
	struct read_page *page;
	row_fn *give;
	void *arg;
	struct failure *at; /* newest first */
	size_t n, cap, next;
};

static int keep_failure(sqlite3_stmt *st, struct both *b)
{
	if (b->n == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 64;
		struct failure *grown = realloc(b->at, cap * sizeof(*grown));

		if (!grown)
			return fail(ERR_OUT_OF_MEMORY, "out of memory");
		b->at = grown;
		b->cap = cap;
	}
	b->at[b->n++] = (struct failure){ .seq = sqlite3_column_int64(st, 1) };
	return 0;
}

static int find_failures(struct both *b)
{
	struct bytes states[] = { B("error"), B("cancelled"), B("truncated") };
	const struct sql_columns columns = { .kind = SQL_STATE };
	struct read_filter f = *b->f;
	sqlite3_stmt *st;
	int rc = SQLITE_DONE, bad = 0;

	f.at = arena_array(f.arena, struct condition, f.n + 1);
	if (!f.at)
		return -1;
	for (size_t i = 0; i < f.n; i++)
		f.at[i] = b->f->at[i];
	f.at[f.n++] = (struct condition){
		.kind = CONDITION_STATUS, .cell = L_STATUS, .values = states, .n = COUNT(states)
	};
	st = filter_statement(b->r, &f, b->page->before, &columns);
	if (!st)
		return -1;
	while (!bad && b->n < b->page->limit && (rc = sqlite3_step(st)) == SQLITE_ROW)
		bad = keep_failure(st, b);
	if (!bad && rc != SQLITE_DONE && rc != SQLITE_ROW)
		bad = read_over(b->r) ? 0 : fail(ERR_STORE, "%s", sqlite3_errmsg(b->r->log.db));
	sqlite3_finalize(st);
	return bad;
}

/* Those that are newer than `seq`. */
static int give_failures(struct both *b, int64_t seq)
{
	struct log_entry e;
	struct arena a;
	int r = 0;

	arena_init(&a, READ_ENTRY_MAX);
	while (!r && b->next < b->n && b->at[b->next].seq > seq) {
		int64_t at = b->at[b->next++].seq + 1;

		r = log_next_stored(&b->r->log, &at, &e, &a);
		if (r > 0)
			r = b->give(&e, b->arg);
		arena_deinit(&a);
	}
	arena_deinit(&a);
	return r;
}

/* SQLite's own row of an answer, with what the filter asks beside its cells. 1, 0, -1. */
static int own_row(struct both *b, const struct log_entry *e, struct log_entry *own,
		   struct arena *a)
{
	int found = log_find_listed(&b->r->log, e->list[L_ID].text, own, a);

	if (found <= 0 || log_load_line(&b->r->log, own, a))
		return found > 0 ? -1 : found;
	own->has_chat = e->has_chat;
	own->chat[C_TAGS] = e->chat[C_TAGS];
	return 1;
}

static int on_answer(const struct log_entry *e, void *arg)
{
	struct both *b = arg;
	struct log_entry own = *e;
	struct arena a;
	int r;

	arena_init(&a, READ_ENTRY_MAX);
	r = own_row(b, e, &own, &a);
	if (!r)
		own = *e; /* older than the list, or another gateway's */
	if (r >= 0)
		r = give_failures(b, own.seq);
	if (!r && b->next < b->n && b->at[b->next].seq == own.seq)
		b->next++; /* truncated: its answer has the words, too */
	if (!r && filter_matches(b->f, &own, &a))
		r = b->give(&own, b->arg);
	arena_deinit(&a);
	return r;
}

/* What ClickHouse can decide of it; the rest is looked at row by row. */
static struct read_filter for_clickhouse(const struct read_filter *f)
{
	struct read_filter out = *f;

	out.at = arena_array(f->arena, struct condition, f->n + 1);
	out.n = 0;
	for (size_t i = 0; out.at && i < f->n; i++)
		if (clickhouse_decides(&f->at[i]))
			out.at[out.n++] = f->at[i];
	return out;
}

int both_words(struct reader *r, const struct read_filter *f, struct read_page *page, row_fn *give,
	       void *arg)
{
	struct both b = { .r = r, .f = f, .page = page, .give = give, .arg = arg };
	struct read_filter theirs = for_clickhouse(f);
	struct read_page all = *page;
	int64_t horizon = r->horizon;
	int result = find_failures(&b);

	all.limit = SIZE_MAX;
	all.bare = false;
	r->horizon = INT64_MAX;
	if (!result && f->side != WORDS_ERROR)
		result = clickhouse_rows(r, &theirs, &all, on_answer, &b);
	r->horizon = horizon;
	page->partial = all.partial;
	page->reached = all.reached;
	if (!result)
		result = give_failures(&b, page->partial ? page->reached : INT64_MIN);
	free(b.at);
	return result;
}
