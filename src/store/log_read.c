/*
 * Reading for `signet log`. The store is opened read-only; the journal's segments are read as files, beside
 * the gateway that writes them, so the end of the last one may be half a record: then it is simply not there
 * yet. What the journal has and the store has not is told by the store's own position.
 */
#include "store/log_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "store/cursor.h"
#include "store/journal.h"
#include "store/schema.h"
#include "store/store.h"

#define SEGMENTS_MAX  1024
#define DELIVERED_MAX 2 /* segments that are looked at although a store has them */
#define LONGEST       ((int64_t)3600000 << 15) /* no request takes longer */

/* Columns: a cell each, then seq. */
static const struct {
	size_t at;
	enum table_id table;
	const char *which;
} queries[] = {
	{ offsetof(struct log_reader, older), T_LIST,
	  "WHERE t.seq < ?1 ORDER BY t.seq DESC LIMIT 1" },
	{ offsetof(struct log_reader, by_id), T_LIST, "WHERE t." N_ID " = ?1" },
	{ offsetof(struct log_reader, by_model), T_MODEL, "WHERE t." N_ID " = ?1" },
	{ offsetof(struct log_reader, chat), T_CHAT, "WHERE t.seq = ?1" },
	{ offsetof(struct log_reader, models), T_MODEL,
	  "WHERE t." N_INFERENCE " = ?1 ORDER BY t." N_ATTEMPT ", t.seq" },
	{ offsetof(struct log_reader, error), T_ERROR, "WHERE t.seq = ?1" },
};

static sqlite3_stmt **query(struct log_reader *r, size_t i)
{
	return (sqlite3_stmt **)((char *)r + queries[i].at);
}

static int db_error(struct log_reader *r)
{
	return fail(ERR_STORE, SQLITE_FILE ": %s", sqlite3_errmsg(r->db));
}

/* Of the chat row, but not its bodies: they may be large. */
static const char tags_query[] = "SELECT " N_TAGS " FROM ChatInference WHERE seq = ?1";

static int prepare(struct log_reader *r, size_t i)
{
	struct buf sql;
	int rc;

	buf_init(&sql, SQL_MAX);
	rc = schema_select(&tables[queries[i].table], queries[i].which, &sql)
		     ? SQLITE_NOMEM
		     : sqlite3_prepare_v2(r->db, sql.data, -1, query(r, i), NULL);
	buf_deinit(&sql);
	return rc;
}

static void close_segment(struct log_reader *r)
{
	if (r->fd < 0)
		return;
	segment_reader_deinit(&r->segment);
	close(r->fd);
	r->fd = -1;
}

static bool open_segment(struct log_reader *r, uint64_t first);

/* One view of the store from here on: what it lacks is what the journal is asked for, no more, no less. */
static int begin_view(struct log_reader *r)
{
	sqlite3_stmt *st;
	int rc;

	if (sqlite3_exec(r->db, "BEGIN", NULL, NULL, NULL) ||
	    sqlite3_prepare_v2(r->db, "SELECT recno FROM Delivered WHERE sink = '" SQLITE_SINK "'",
			       -1, &st, NULL))
		return db_error(r);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		r->delivered = (uint64_t)sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : db_error(r);
}

static int open_db(struct log_reader *r, const char *dir)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/" SQLITE_FILE, dir);
	if (access(path, F_OK))
		return 0;
	if (sqlite3_open_v2(path, &r->db, SQLITE_OPEN_READONLY, NULL))
		return db_error(r);
	sqlite3_busy_timeout(r->db, 5000);
	sqlite3_exec(r->db, "PRAGMA query_only=1; PRAGMA cache_size=-2048", NULL, NULL, NULL);
	for (size_t i = 0; i < COUNT(queries); i++)
		if (prepare(r, i))
			return db_error(r);
	if (sqlite3_prepare_v2(r->db, tags_query, -1, &r->tags, NULL))
		return db_error(r);
	return begin_view(r);
}

/* What the sink has not by its cursor. Without one it has nothing. */
static void look_at_cursor(struct log_reader *r)
{
	struct cursor c;

	if (r->dir < 0)
		return;
	(void)cursor_read(r->dir, r->sink, &c);
	r->delivered = c.delivered;
}

static int open_journal(struct log_reader *r, const char *dir)
{
	char path[4096];

	*r = (struct log_reader){ .journal = -1, .fd = -1, .dir = -1 };
	buf_init(&r->unpacked, (size_t)RECORD_MAX + 1);
	snprintf(path, sizeof(path), "%s/journal", dir);
	r->journal = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->journal < 0 && errno == EACCES)
		return fail(ERR_STORE, "%s: %s", path, strerror(errno));
	return 0;
}

int log_reader_open_journal(struct log_reader *r, const char *dir, const char *sink)
{
	if (open_journal(r, dir))
		return -1;
	r->sink = sink;
	r->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->dir < 0)
		return fail(ERR_STORE, "%s: %s", dir, strerror(errno));
	look_at_cursor(r);
	r->last = r->delivered;
	return 0;
}

int log_reader_open(struct log_reader *r, const char *dir)
{
	if (open_journal(r, dir) || open_db(r, dir))
		return -1;
	if (!r->db && r->journal < 0)
		return fail(ERR_STORE, "no record in %s (see --data-dir)", dir);
	r->last = r->delivered;
	return 0;
}

void log_rewind_journal(struct log_reader *r)
{
	r->one_segment = false;
	r->last = r->delivered;
	if (r->begin.first && open_segment(r, r->begin.first)) {
		r->segment.offset = r->begin.offset;
	} else {
		close_segment(r);
		r->first = 0;
	}
}

int log_look_anew(struct log_reader *r)
{
	if (r->db && begin_view(r))
		return -1;
	look_at_cursor(r);
	log_rewind_journal(r);
	return 0;
}

void log_let_go(struct log_reader *r)
{
	if (r->db)
		sqlite3_exec(r->db, "COMMIT", NULL, NULL, NULL);
}

void log_reader_close(struct log_reader *r)
{
	for (size_t i = 0; r->db && i < COUNT(queries); i++)
		sqlite3_finalize(*query(r, i));
	sqlite3_finalize(r->tags);
	sqlite3_close_v2(r->db);
	close_segment(r);
	if (r->journal >= 0)
		close(r->journal);
	if (r->dir >= 0)
		close(r->dir);
	buf_deinit(&r->unpacked);
}

/* ---- the journal ---- */

/* The segment to read after the one at hand; 0: none. Before the first: the one that holds the next number. */
static uint64_t next_segment(struct log_reader *r)
{
	DIR *d = folder_list(r->journal);
	uint64_t best = 0, first;
	struct dirent *e;

	if (!d)
		return 0;
	while ((e = readdir(d))) {
		if (strlen(e->d_name) != 19 || !segment_name_parse(e->d_name, &first) || !first)
			continue;
		if (r->first) { /* the least one that is greater */
			if (first > r->first && (!best || first < best))
				best = first;
		} else if (!best) {
			best = first;
		} else if (first <= r->last + 1 ? best > r->last + 1 || first > best
						: best > r->last + 1 && first < best) {
			best = first;
		}
	}
	closedir(d);
	return best;
}

static bool open_segment(struct log_reader *r, uint64_t first)
{
	int fd = segment_open(r->journal, first, O_RDONLY);

	if (fd < 0)
		return false;
	close_segment(r);
	r->fd = fd;
	r->first = first;
	segment_reader_init(&r->segment, fd, SEGMENT_HEADER,
			    r->last > first - 1 ? r->last : first - 1);
	return true;
}

/* The next view needs nothing of what stands before the first record that this one's store lacks. */
static void note_begin(struct log_reader *r, uint64_t offset, bool here)
{
	if (!here || r->fd < 0)
		return;
	r->begin.first = r->first;
	r->begin.offset = offset;
}

/* 1: a record; 0: none for now. What is damaged is the gateway's business; here it is passed over. */
static int next_record(struct log_reader *r, struct record_view *v)
{
	uint64_t next;
	struct stat st;

	for (;;) {
		uint64_t at = r->segment.offset, last = r->segment.last;

		if (r->fd >= 0 && !fstat(r->fd, &st)) {
			r->segment.limit = (uint64_t)st.st_size;
			switch (segment_next(&r->segment, v)) {
			case FOUND_RECORD:
				r->last = v->number;
				note_begin(r, v->offset, v->number == r->delivered + 1);
				return 1;
			case FOUND_DAMAGE: continue;
			case FOUND_END: at = r->segment.offset; break;
			case FOUND_ZEROS:
			case FOUND_TORN: at = r->segment.from; break;
			case FOUND_IO_ERROR: break;
			}
		}
		next = r->journal < 0 || r->one_segment ? 0 : next_segment(r);
		if (next && open_segment(r, next))
			continue;
		r->segment.offset = at; /* half a record today is a whole one in a moment */
		r->segment.last = last;
		note_begin(r, at, r->last == r->delivered);
		r->segment.window.len = 0;
		return 0;
	}
}

int log_next_record(struct log_reader *r, struct record_view *v)
{
	return next_record(r, v);
}

static void model_calls(struct log_entry *e, struct buf *scratch)
{
	struct bytes calls = cell_text(&e->list[L_CALLS]), one;
	struct cell c[CALL_CELLS];
	size_t pos = 0;

	while (calls.n && json_next_element(calls, &pos, &one) > 0) {
		if (row_read(one, call_columns, CALL_CELLS, c, scratch))
			continue;
		for (size_t i = 0; i < e->nmodels; i++)
			if (bytes_eq(e->models[i].m[M_ID].text, c[CALL_ID].text))
				memcpy(e->models[i].call, c, sizeof(c));
	}
}

static int read_rows(struct bytes payload, struct log_entry *e, struct buf *scratch,
		     struct arena *a)
{
	struct record_part part;
	size_t pos = 0, n = 0;
	bool list = false;

	while (record_next_part(payload, &pos, &part) > 0)
		n += part.table == ROW_MODEL_INFERENCE;
	e->models = arena_array(a, struct log_model, n + 1); /* one more to read into */
	if (!e->models)
		return -1;
	for (pos = 0; record_next_part(payload, &pos, &part) > 0;) {
		enum table_id t = table_of_row(part.table);
		struct cell *cells[TABLES] = { [T_LIST] = e->list,
					       [T_CHAT] = e->chat,
					       [T_MODEL] = e->models[e->nmodels].m,
					       [T_ERROR] = e->error };

		if (t == TABLES ||
		    row_read_part(&part, tables[t].columns, tables[t].ncolumns, cells[t], scratch))
			continue;
		list |= t == T_LIST;
		e->has_chat |= t == T_CHAT;
		e->has_error |= t == T_ERROR;
		e->nmodels += t == T_MODEL;
	}
	if (list)
		list_fill(e->list, e->has_chat ? e->chat : NULL,
			  e->nmodels ? e->models[e->nmodels - 1].m : NULL);
	return list;
}

/* 1: an inference; 0: the record is none; -1. */
static int take_record(struct log_reader *r, const struct record_view *v, struct log_entry *e,
		       struct arena *a)
{
	struct bytes payload;
	struct buf scratch = { 0 };
	struct uuid id;
	int found;

	if (v->type != RECORD_GROUP || record_payload(v, &r->unpacked, &payload))
		return 0;
	if (r->wanted.n && bytes_find(payload, r->wanted) < 0)
		return 0;
	payload = arena_dup(a, payload);
	scratch.cap = scratch.max = payload.n * 2 + 64;
	scratch.data = arena_alloc_raw(a, scratch.cap);
	if (!payload.p || !scratch.data)
		return -1;
	*e = (struct log_entry){ .cut = v->flags & RECORD_CUT, .place = { r->first, v->offset } };
	found = read_rows(payload, e, &scratch, a);
	if (found <= 0)
		return found;
	if (!uuid_parse(e->list[L_ID].text, &id))
		return 0;
	model_calls(e, &scratch);
	e->seq = row_seq(id);
	e->hash = cell_text(&e->list[L_HASH]);
	return 1;
}

int log_next_in_journal(struct log_reader *r, struct log_entry *e, struct arena *a)
{
	struct record_view v;

	while (!(r->over && r->over(r->over_arg)) && next_record(r, &v) > 0) {
		int found = take_record(r, &v, e, a);

		if (found)
			return found;
	}
	return 0;
}

/* ---- following it ---- */

static void go_to_place(struct log_reader *r, const struct follow_place *at)
{
	if (r->fd >= 0 && r->first == at->first && r->last == at->last &&
	    r->segment.offset == at->offset)
		return;
	r->last = at->last;
	if (open_segment(r, at->first)) {
		r->segment.offset = at->offset;
	} else { /* it was delivered and removed */
		close_segment(r);
		r->first = 0;
	}
}

static void note_place(const struct log_reader *r, struct follow_place *at)
{
	*at = (struct follow_place){ r->first, r->segment.offset, r->last };
}

/* The beginning of the newest segment. false: there is none. */
static bool go_to_newest(struct log_reader *r)
{
	uint64_t first;

	r->one_segment = false;
	close_segment(r);
	r->first = 0;
	r->last = UINT64_MAX - 1;
	first = r->journal < 0 ? 0 : next_segment(r);
	r->last = first ? first - 1 : r->delivered;
	return first && open_segment(r, first);
}

/* ---- from its newest segment on ---- */

static int newest_first(const void *x, const void *y)
{
	const struct journal_segment *a = x, *b = y;

	return a->first < b->first ? 1 : a->first > b->first ? -1 : 0;
}

/* When its first record was written, as a seq. */
static int64_t begin_of(const struct log_reader *r, uint64_t first)
{
	uint8_t head[SEGMENT_HEADER];
	struct segment_header h = { 0 };
	struct stat st = { 0 };
	int fd = segment_open(r->journal, first, O_RDONLY);

	if (fd < 0)
		return 0;
	if (pread(fd, head, sizeof(head), 0) != sizeof(head) ||
	    segment_header_read(head, sizeof(head), &h) != SEGMENT_OK) {
		fstat(fd, &st); /* later than that, but not earlier */
		h.unix_ms = (uint64_t)st.st_mtim.tv_sec * 1000 + 1000;
	}
	close(fd);
	return (int64_t)(h.unix_ms << 15);
}

size_t log_undelivered(struct log_reader *r, struct journal_segment *at, size_t max)
{
	DIR *d = r->journal < 0 ? NULL : folder_list(r->journal);
	size_t n = 0, keep = 0;
	struct dirent *e;
	uint64_t first;

	while (d && (e = readdir(d)))
		if (n < max && strlen(e->d_name) == 19 && segment_name_parse(e->d_name, &first) &&
		    first)
			at[n++].first = first;
	if (d)
		closedir(d);
	qsort(at, n, sizeof(*at), newest_first);
	while (keep < n) { /* up to the one that holds the first number the store has not */
		at[keep].seq = begin_of(r, at[keep].first);
		if (at[keep++].first <= r->delivered + 1)
			break;
	}
	return keep;
}

bool log_enter_segment(struct log_reader *r, uint64_t first)
{
	r->one_segment = true;
	r->last = r->delivered;
	if (!open_segment(r, first))
		return false;
	if (first == r->begin.first)
		r->segment.offset = r->begin.offset;
	return true;
}

int log_follow(struct log_reader *r, struct follow_place *at, struct log_entry *e, struct arena *a)
{
	struct record_view v;
	int found;

	r->one_segment = false;
	if (at->first) {
		go_to_place(r, at);
		found = log_next_in_journal(r, e, a);
	} else if (go_to_newest(r)) {
		while (next_record(r, &v) > 0)
			;
		found = 0;
	} else {
		return 0;
	}
	if (r->fd >= 0)
		note_place(r, at);
	return found;
}

int log_place_of(struct log_reader *r, struct bytes id, struct follow_place *at)
{
	struct log_entry e;
	struct arena a;
	int found = 0;

	arena_init(&a, RECORD_MAX * 4u);
	if (!go_to_newest(r))
		return 0;
	while (!found && (found = log_next_in_journal(r, &e, &a)) > 0) {
		found = bytes_eq(e.list[L_ID].text, id);
		arena_deinit(&a);
	}
	if (found > 0)
		note_place(r, at);
	return found;
}

static bool has_id(const struct log_entry *e, struct bytes id)
{
	bool has = bytes_eq(e->list[L_ID].text, id);

	for (size_t i = 0; i < e->nmodels; i++)
		has |= bytes_eq(e->models[i].m[M_ID].text, id);
	return has;
}

/* In the segment at hand. 1, 0, -1. */
static int find_in_segment(struct log_reader *r, struct bytes id, struct log_entry *e,
			   struct arena *a)
{
	int found;

	while ((found = log_next_in_journal(r, e, a)) > 0) {
		if (has_id(e, id))
			return 1;
		arena_deinit(a); /* the next one takes its place */
	}
	return found;
}

/* A record is written after its id's time, and before the next segment begins. */
static int find_near(struct log_reader *r, struct bytes id, int64_t seq, uint64_t delivered,
		     struct log_entry *e, struct arena *a)
{
	struct journal_segment at[SEGMENTS_MAX];
	size_t i = log_undelivered(r, at, SEGMENTS_MAX), old = 0;
	int found = 0;

	while (!found && i-- > 0 && at[i].seq <= seq + LONGEST) {
		if (i && (at[i - 1].seq < seq ||
			  (at[i - 1].first <= delivered + 1 && old++ >= DELIVERED_MAX)))
			continue;
		if (log_enter_segment(r, at[i].first))
			found = find_in_segment(r, id, e, a);
	}
	return found;
}

int log_find_in_journal(struct log_reader *r, struct bytes id, struct log_entry *e, struct arena *a)
{
	uint64_t delivered = r->delivered;
	struct uuid u;
	int found;

	if (!uuid_parse(id, &u))
		return 0;
	r->delivered = r->begin.first = 0; /* what was delivered is there for a while, too */
	r->wanted = id;
	found = find_near(r, id, row_seq(u), delivered, e, a);
	if (found > 0)
		e->stored = r->last <= delivered;
	r->wanted = (struct bytes){ 0 };
	r->delivered = delivered;
	r->begin.first = 0;
	log_rewind_journal(r);
	return found;
}

int log_at_place(struct log_reader *r, uint64_t first, uint64_t offset, struct log_entry *e,
		 struct arena *a)
{
	struct segment_reader at;
	struct record_view v;
	struct stat st;
	int fd = segment_open(r->journal, first, O_RDONLY), found = 0;

	if (fd < 0)
		return 0;
	segment_reader_init(&at, fd, fstat(fd, &st) ? 0 : (uint64_t)st.st_size, 0);
	at.offset = offset;
	if (segment_next(&at, &v) == FOUND_RECORD)
		found = take_record(r, &v, e, a);
	segment_reader_deinit(&at);
	close(fd);
	return found;
}

/* ---- the store ---- */

int log_copy_cells(sqlite3_stmt *st, int from, struct cell *cells, size_t n, struct arena *a)
{
	for (size_t i = 0; i < n; i++) {
		int at = from + (int)i;

		cells[i] = (struct cell){ 0 };
		switch (sqlite3_column_type(st, at)) {
		case SQLITE_INTEGER:
			cells[i].type = CELL_INT;
			cells[i].num = sqlite3_column_int64(st, at);
			break;
		case SQLITE_NULL: break;
		default:
			cells[i].type = CELL_TEXT;
			cells[i].text.p = (const char *)sqlite3_column_text(st, at);
			cells[i].text.n = (size_t)sqlite3_column_bytes(st, at);
			cells[i].text = arena_dup(a, cells[i].text.p ? cells[i].text : B(""));
			if (!cells[i].text.p)
				return -1;
		}
	}
	return 0;
}

/* The statement's next row and its seq; ends the statement. 1, 0, -1. */
static int fetch(struct log_reader *r, sqlite3_stmt *st, struct cell *cells, size_t n, int64_t *seq,
		 struct arena *a)
{
	int rc = sqlite3_step(st), result = 0;

	if (rc == SQLITE_ROW) {
		result = log_copy_cells(st, 0, cells, n, a) ? -1 : 1;
		*seq = sqlite3_column_int64(st, (int)n);
	} else if (rc != SQLITE_DONE) {
		result = db_error(r);
	}
	sqlite3_reset(st);
	return result;
}

/* A row of the list. 1, 0, -1. */
static int take_list(struct log_reader *r, sqlite3_stmt *st, struct log_entry *e, struct arena *a)
{
	int found;

	*e = (struct log_entry){ .stored = true };
	found = fetch(r, st, e->list, L_CELLS, &e->seq, a);
	e->cut = cell_int(&e->list[L_CUT], 0);
	e->hash = cell_text(&e->list[L_HASH]);
	return found;
}

static int load_error(struct log_reader *r, struct log_entry *e, struct arena *a)
{
	int found;

	sqlite3_bind_int64(r->error, 1, e->seq);
	found = fetch(r, r->error, e->error, E_CELLS, &e->seq, a);
	e->has_error = found > 0;
	return found < 0 ? -1 : 0;
}

/* The line of an answer needs its failed attempts, but only few have any. */
static int complete_line(struct log_reader *r, struct log_entry *e, struct arena *a)
{
	bool plain = cell_int(&e->list[L_ATTEMPTS], 1) <= 1 &&
		     bytes_eq(cell_text(&e->list[L_STATE]), B("ok"));

	return plain ? 0 : load_error(r, e, a);
}

int log_next_stored(struct log_reader *r, int64_t *seq, struct log_entry *e, struct arena *a)
{
	int found;

	if (!r->db)
		return 0;
	sqlite3_bind_int64(r->older, 1, *seq);
	found = take_list(r, r->older, e, a);
	if (found <= 0)
		return found;
	*seq = e->seq;
	return complete_line(r, e, a) ? -1 : 1;
}

int log_load_line(struct log_reader *r, struct log_entry *e, struct arena *a)
{
	int rc;

	if (!e->stored)
		return 0; /* they came with it */
	sqlite3_bind_int64(r->tags, 1, e->seq);
	rc = sqlite3_step(r->tags);
	if (rc == SQLITE_ROW) {
		e->has_chat = true;
		rc = log_copy_cells(r->tags, 0, &e->chat[C_TAGS], 1, a) ? SQLITE_NOMEM
									: SQLITE_DONE;
	}
	sqlite3_reset(r->tags);
	return rc == SQLITE_DONE ? complete_line(r, e, a) : db_error(r);
}

int log_load_bodies(struct log_reader *r, struct log_entry *e, struct arena *a)
{
	struct bytes id = e->list[L_ID].text;
	size_t cap = 0;
	int rc;

	if (!e->stored)
		return 0; /* it came with them */
	sqlite3_bind_int64(r->chat, 1, e->seq);
	rc = fetch(r, r->chat, e->chat, C_CELLS, &e->seq, a);
	if (rc < 0)
		return -1;
	e->has_chat = rc > 0;
	sqlite3_bind_text(r->models, 1, id.p, (int)id.n, SQLITE_STATIC);
	while ((rc = sqlite3_step(r->models)) == SQLITE_ROW) {
		struct log_model m;

		if (log_copy_cells(r->models, 0, m.m, M_CELLS, a) ||
		    log_copy_cells(r->models, M_CELLS, m.call, CALL_CELLS, a) ||
		    !arena_push(a, e->models, e->nmodels, cap, m))
			break;
	}
	sqlite3_reset(r->models);
	return rc == SQLITE_DONE ? load_error(r, e, a) : db_error(r);
}

int log_find_listed(struct log_reader *r, struct bytes id, struct log_entry *e, struct arena *a)
{
	if (!r->db)
		return 0;
	sqlite3_bind_text(r->by_id, 1, id.p, (int)id.n, SQLITE_STATIC);
	return take_list(r, r->by_id, e, a);
}

int log_find_stored(struct log_reader *r, struct bytes id, struct log_entry *e, struct arena *a)
{
	struct bytes owner = id;
	int found;

	if (!r->db)
		return 0;
	for (int tries = 0; tries < 2; tries++) {
		sqlite3_bind_text(r->by_id, 1, owner.p, (int)owner.n, SQLITE_STATIC);
		found = take_list(r, r->by_id, e, a);
		if (found < 0 || (found && log_load_bodies(r, e, a)))
			return -1;
		if (found)
			return 1;
		sqlite3_bind_text(r->by_model, 1, id.p, (int)id.n, SQLITE_STATIC);
		if (sqlite3_step(r->by_model) == SQLITE_ROW)
			owner = arena_dup(a, bytes_of((const char *)sqlite3_column_text(
						     r->by_model, M_INFERENCE)));
		sqlite3_reset(r->by_model);
		if (owner.p == id.p)
			return 0;
	}
	return 0;
}

int log_find(struct log_reader *r, struct bytes id, struct log_entry *e, struct arena *a)
{
	int found = log_find_stored(r, id, e, a);

	if (found)
		return found;
	found = find_in_segment(r, id, e, a);
	if (found > 0)
		return 1;
	return found < 0 ? -1 : log_find_stored(r, id, e, a); /* it may have moved meanwhile */
}
