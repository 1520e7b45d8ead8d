/*
 * Rows of journal and store as one list. Of the journal's rows that match only their places are kept, and only the newest
 * ones that the page can show: a body may be large. They are read again when their turn comes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "store/read_clickhouse.h"
#include "store/read_sql.h"
#include "store/schema.h"

#define SEGMENTS_MAX 1024
#define LONGEST      ((int64_t)3600000 << 15) /* no request takes longer */

/* A row of the journal that waits for its turn. */
struct waiting {
	int64_t seq;
	uint64_t first, offset;
};

struct walk {
	struct reader *r;
	const struct read_filter *f;
	struct read_page *page;
	row_fn *fn;
	void *arg;
	struct arena a, journal; /* of the row at hand, of a journal's that goes before it */
	struct waiting *waiting;
	size_t n, cap, next;
	size_t given;
	int64_t last; /* seq given last */
};

static int newest_first(const void *x, const void *y)
{
	const struct waiting *a = x, *b = y;

	return a->seq < b->seq ? 1 : a->seq > b->seq ? -1 : 0;
}

static void sort_waiting(struct walk *w)
{
	if (w->n)
		qsort(w->waiting, w->n, sizeof(*w->waiting), newest_first);
	if (w->n > w->page->limit)
		w->n = w->page->limit;
}

static int keep_place(struct walk *w, const struct log_entry *e)
{
	if (w->n == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 256;
		struct waiting *grown;

		if (w->cap > 2 * w->page->limit) {
			sort_waiting(w);
		} else {
			grown = realloc(w->waiting, cap * sizeof(*grown));
			if (!grown)
				return fail(ERR_OUT_OF_MEMORY, "out of memory");
			w->waiting = grown;
			w->cap = cap;
		}
	}
	w->waiting[w->n++] = (struct waiting){ .seq = e->seq,
					       .first = e->place.first,
					       .offset = e->place.offset };
	return 0;
}

/* 0: go on; 1: enough; -1. */
static int give(struct walk *w, const struct log_entry *e)
{
	int r = w->fn(e, w->arg);

	w->last = e->seq;

	if (!r && ++w->given >= w->page->limit)
		r = 1;
	return r;
}

int note_in_journal(struct reader *r, const struct log_entry *e)
{
	struct uuid id;

	if (!r->clickhouse || !uuid_parse(e->list[L_ID].text, &id))
		return 0;
	return journal_ids_add(&r->ids, id);
}

/* What of the segment at hand matches: kept in its place, or told at once where the order does not matter. */
static int walk_segment(struct walk *w)
{
	struct log_entry e;
	int found = 0, r = 0;

	while (!r && (found = log_next_in_journal(&w->r->log, &e, &w->a)) > 0) {
		int match = e.seq < w->page->before ? reader_matches(w->r, w->f, &e, &w->a) : 0;

		if (note_in_journal(w->r, &e))
			match = -1;
		if (match)
			r = match < 0 ? -1 : w->page->unordered ? give(w, &e) : keep_place(w, &e);
		arena_deinit(&w->a);
	}
	return found < 0 ? -1 : r;
}

/* Whether older segments can only have rows that come behind those which are kept, or lie before the filter's time. */
static bool is_enough(const struct walk *w, const struct journal_segment *s)
{
	if (s->seq < w->f->from)
		return true;
	return !w->page->unordered && w->n >= w->page->limit && w->waiting[w->n - 1].seq >= s->seq;
}

/* The newest segment first: behind a sink that is away for long there may be many. */
static int walk_journal(struct walk *w)
{
	struct journal_segment at[SEGMENTS_MAX];
	size_t n = log_undelivered(&w->r->log, at, SEGMENTS_MAX);
	int64_t seen = w->page->before;
	int r = 0;

	for (size_t i = 0; !r && i < n; i++) {
		if (w->page->before != INT64_MAX && at[i].seq > w->page->before + LONGEST)
			continue; /* all of it is newer */
		if (!log_enter_segment(&w->r->log, at[i].first))
			continue;
		r = walk_segment(w);
		sort_waiting(w);
		if (!r && read_over(w->r)) {
			w->page->partial = true;
			w->page->reached = seen < w->page->before ? seen : at[i].seq;
			break;
		}
		if (at[i].seq < seen)
			seen = at[i].seq;
		if (is_enough(w, &at[i]))
			break;
	}
	log_rewind_journal(&w->r->log);
	return r;
}

/* The waiting rows that are newer than `seq`. */
static int give_waiting(struct walk *w, int64_t seq)
{
	struct log_entry e;
	int r = 0;

	while (!r && w->next < w->n && w->waiting[w->next].seq > seq) {
		const struct waiting *at = &w->waiting[w->next++];

		r = log_at_place(&w->r->log, at->first, at->offset, &e, &w->journal);
		if (r > 0)
			r = give(w, &e);
		arena_deinit(&w->journal);
	}
	return r;
}

static int take_row(struct walk *w, sqlite3_stmt *st, struct log_entry *e)
{
	*e = (struct log_entry){ .stored = true };
	if (w->page->bare) {
		e->list[L_STATE].type = CELL_TEXT;
		e->list[L_STATE].text = sqlite3_column_int(st, 0) ? B("error") : B("ok");
		e->seq = sqlite3_column_int64(st, 1);
		return 0;
	}
	if (w->page->cells) {
		for (size_t i = 0; i < w->page->ncells; i++)
			if (log_copy_cells(st, (int)i, &e->list[w->page->cells[i]], 1, &w->a))
				return -1;
		e->seq = sqlite3_column_int64(st, (int)w->page->ncells);
		return w->page->lean ? 0 : log_load_line(&w->r->log, e, &w->a);
	}
	if (log_copy_cells(st, 0, e->list, L_CELLS, &w->a))
		return -1;
	e->seq = sqlite3_column_int64(st, L_CELLS);
	e->cut = cell_int(&e->list[L_CUT], 0);
	e->hash = cell_text(&e->list[L_HASH]);
	return w->page->lean ? 0 : log_load_line(&w->r->log, e, &w->a);
}

/* A row of the store, behind the journal's that are newer. 0: go on; 1: enough; -1. */
static int give_stored(const struct log_entry *e, void *arg)
{
	struct walk *w = arg;
	int r = give_waiting(w, e->seq);

	return r ? r : give(w, e);
}

static int give_row(sqlite3_stmt *st, void *arg)
{
	struct walk *w = arg;
	struct log_entry e;
	int r = take_row(w, st, &e);

	if (!r)
		r = give_stored(&e, w);
	arena_deinit(&w->a);
	return r;
}

/* 0: all of it, or out of time; 1: enough; -1. */
static int step_rows(struct walk *w, sqlite3_stmt *st)
{
	int rc = SQLITE_DONE, r = 0;

	while (!r && (rc = sqlite3_step(st)) == SQLITE_ROW)
		r = give_row(st, w);
	if (r < 0 && sqlite3_errcode(w->r->log.db) == SQLITE_INTERRUPT)
		r = 0, rc = SQLITE_INTERRUPT;
	if (!r && rc == SQLITE_INTERRUPT)
		w->page->partial = true;
	else if (!r && rc != SQLITE_DONE)
		return fail(ERR_STORE, SQLITE_FILE ": %s", sqlite3_errmsg(w->r->log.db));
	return r;
}

static int walk_store(struct walk *w)
{
	const struct read_page *page = w->page;
	struct sql_columns columns = { page->bare    ? SQL_STATE
				       : page->cells ? SQL_SOME
						     : SQL_CELLS,
				       page->cells, page->ncells };
	sqlite3_stmt *st;
	int r = 2;

	if (!w->r->log.db || page->journal_alone)
		return 0;
	w->r->seen = page->before;
	if (w->r->judge.any)
		r = walk_words(w->r, w->f, page->before, &columns, give_row, w, &w->page->partial);
	if (r == 2) {
		st = filter_statement(w->r, w->f, page->before, &columns);
		if (!st)
			return read_over(w->r) ? (w->page->partial = true, 0) : -1;
		r = step_rows(w, st);
		sqlite3_finalize(st);
	}
	if (page->partial)
		w->page->reached = w->r->seen;
	return r;
}

/* What ClickHouse has below SQLite's list. When it does not answer, what was found before stands: the page says how far it goes,
 * and going on from there says why. */
static int walk_clickhouse(struct walk *w)
{
	int r;

	if (!w->r->clickhouse || w->page->journal_alone || w->page->no_clickhouse)
		return 0;
	journal_ids_sort(&w->r->ids);
	r = clickhouse_rows(w->r, w->f, w->page, give_stored, w);
	if (r >= 0 || w->page->unordered || !(w->given || w->n))
		return r;
	w->page->partial = true;
	if (w->next < w->n)
		w->page->reached = w->waiting[w->n - 1].seq;
	else
		w->page->reached = w->last;
	return give_waiting(w, w->page->reached - 1);
}

static int walk_stored(struct walk *w)
{
	int r;

	/* Words of a list without bodies are in ClickHouse; while that is away, previews have some. */
	if (w->r->judge.any && w->r->clickhouse && w->r->log.db && !w->page->journal_alone) {
		journal_ids_sort(&w->r->ids);
		r = both_words(w->r, w->f, w->page, give_stored, w);
		if (r >= 0 || w->given)
			return r;
	}
	r = walk_store(w);
	return r || w->page->partial ? r : walk_clickhouse(w);
}

int read_rows(struct reader *r, const struct read_filter *f, struct read_page *page, row_fn *fn,
	      void *arg)
{
	struct walk w = { .r = r, .f = f, .page = page, .fn = fn, .arg = arg };
	int result;

	page->partial = false;
	page->unordered |= page->bare;
	if (judge_set(&r->judge, f))
		return -1;
	page->reached = page->before;
	r->ids.n = 0;
	arena_init(&w.a, READ_ENTRY_MAX);
	arena_init(&w.journal, READ_ENTRY_MAX);
	result = walk_journal(&w);
	if (!result && !page->partial)
		result = walk_stored(&w);
	if (!result) /* out of time: what is newer than where it got to is whole */
		result = give_waiting(&w, page->partial ? page->reached : INT64_MIN);
	arena_deinit(&w.a);
	arena_deinit(&w.journal);
	free(w.waiting);
	return result < 0 ? -1 : 0;
}

int read_recent(struct reader *r, const struct read_filter *f, struct read_page *page, row_fn *fn,
		void *arg)
{
	uint64_t delivered = r->log.delivered;
	int bad;

	page->journal_alone = true;
	r->log.delivered = r->log.begin.first = 0;
	bad = read_rows(r, f, page, fn, arg);
	r->log.delivered = delivered;
	r->log.begin.first = 0;
	log_rewind_journal(&r->log);
	return bad;
}

/* Only SQLite's own list row was there: its bodies are in ClickHouse, or on the way to it. */
static int find_bodies(struct reader *r, struct log_entry *e, struct arena *a)
{
	bool answered = !bytes_eq(cell_text(&e->list[L_STATE]), B("error"));

	return e->stored && !e->has_chat && answered ? clickhouse_bodies(r, e, a) : 0;
}

/* Found by the id of one of its calls, which SQLite does not know: its own list row says more. */
static int prefer_own_row(struct reader *r, struct log_entry *e, struct arena *a)
{
	struct log_entry own;
	int found = r->log.db ? log_find_stored(&r->log, e->list[L_ID].text, &own, a) : 0;

	if (found <= 0)
		return found < 0 ? -1 : 1;
	memcpy(own.chat, e->chat, sizeof(own.chat));
	own.has_chat = e->has_chat;
	own.models = e->models;
	own.nmodels = e->nmodels;
	*e = own;
	return 1;
}

/* The journal first: as long as it has a record, it has all of it. */
static int find_anywhere(struct reader *r, struct bytes id, struct log_entry *e, struct arena *a)
{
	int found;

	if (!r->clickhouse)
		return log_find(&r->log, id, e, a);
	found = log_find_in_journal(&r->log, id, e, a);
	if (!found && r->log.db)
		found = log_find_stored(&r->log, id, e, a);
	if (!found) {
		found = clickhouse_find(r, id, e, a);
		return found > 0 ? prefer_own_row(r, e, a) : found;
	}
	return found < 0 || find_bodies(r, e, a) < 0 ? -1 : 1;
}

int read_find(struct reader *r, struct bytes id, struct log_entry *e, struct arena *a)
{
	int found = find_anywhere(r, id, e, a);

	if (!found && read_over(r))
		return fail(ERR_BUSY, "The record did not answer in time");
	return found;
}

int read_bodies(struct reader *r, struct log_entry *e, struct arena *a)
{
	if (e->remote)
		return clickhouse_bodies(r, e, a) < 0 ? -1 : 0;
	if (log_load_bodies(&r->log, e, a))
		return -1;
	return r->clickhouse ? find_bodies(r, e, a) < 0 ? -1 : 0 : 0;
}

static int tell_live(struct reader *r, const struct read_filter *f, struct read_live *live,
		     const struct log_entry *e, size_t *told, row_fn *fn, void *arg,
		     struct arena *a)
{
	struct bytes id = cell_text(&e->list[L_ID]);

	int match = reader_matches(r, f, e, a);

	if (match <= 0)
		return match;
	snprintf(live->last_id, sizeof(live->last_id), "%.*s", BFMT(id));
	if (*told == live->most) {
		live->skipped++;
		return 0;
	}
	++*told;
	return fn(e, arg);
}

int read_live(struct reader *r, const struct read_filter *f, struct read_live *live, row_fn *fn,
	      void *arg)
{
	struct log_entry e;
	struct arena a;
	size_t told = 0;
	int found = 0, bad = 0;

	live->skipped = 0;
	*live->last_id = 0;
	if (judge_set(&r->judge, f))
		return -1;
	arena_init(&a, READ_ENTRY_MAX);
	while (!bad && !read_over(r) && (found = log_follow(&r->log, &live->place, &e, &a)) > 0) {
		bad = tell_live(r, f, live, &e, &told, fn, arg, &a);
		arena_deinit(&a);
	}
	arena_deinit(&a);
	return bad || found < 0 ? -1 : 0;
}

int read_live_place(struct reader *r, struct bytes id, struct read_live *live)
{
	return log_place_of(&r->log, id, &live->place);
}
