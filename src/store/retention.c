/*
 * Retention. Rows are taken one by one, oldest first, with a look at the clock after each, because a row may be a hundred
 * bytes or ten megabytes. All of a row goes in one transaction: what is left after kill -9 is a record that was there
 * before or one that is whole.
 *
 * The tags of a row are in its chat row, and TagInference is sorted by them: so the chat row is read before it goes, and
 * stays, without its bodies, where only these go (body_days).
 */
#include "store/retention.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "store/columns.h"

#define DAY_MS       86400000ull
#define LOOK_MS      60000 /* how often it is asked whether rows have become too old */
#define SHRINK_PAGES "256"
#define TAGS_MAX     (16u << 20)

static METRIC(metric_deleted, METRIC_COUNTER, "signet_store_retention_deleted_total", NULL,
	      "Inferences that retention took out of the store");

enum {
	Q_PAGES,
	Q_FREE,
	Q_OLDEST,
	Q_BETWEEN,
	Q_TAGS,
	Q_TAG,
	Q_CHAT,
	Q_ERROR,
	Q_MODELS,
	Q_LIST,
	Q_FIRST,
	Q_CHAT_BODIES,
	Q_MODEL_BODIES,
	Q_ERROR_BODIES,
	Q_BODIES_AT,
	Q_BODIES_DONE,
	QUERIES
};
static const char *const queries[QUERIES] = {
	[Q_PAGES] = "PRAGMA page_count",
	[Q_FREE] = "PRAGMA freelist_count",
	[Q_OLDEST] = "SELECT seq, " N_ID " FROM InferenceById WHERE seq < ?1 ORDER BY seq LIMIT 50",
	[Q_BETWEEN] = "SELECT seq, " N_ID
		      " FROM InferenceById WHERE seq >= ?2 AND seq < ?1 ORDER BY seq LIMIT 50",
	[Q_TAGS] = "SELECT " N_TAGS " FROM ChatInference WHERE seq = ?1",
	[Q_TAG] = "DELETE FROM TagInference WHERE key = ?1 AND value = ?2 AND seq = ?3",
	[Q_CHAT] = "DELETE FROM ChatInference WHERE seq = ?1",
	[Q_ERROR] = "DELETE FROM RequestError WHERE seq = ?1",
	[Q_MODELS] = "DELETE FROM ModelInference WHERE " N_INFERENCE " = ?2",
	[Q_LIST] = "DELETE FROM InferenceById WHERE seq = ?1",
	[Q_FIRST] = "SELECT coalesce(min(seq), 0x7fffffffffffffff) FROM InferenceById",
	[Q_CHAT_BODIES] = "UPDATE ChatInference SET " N_INPUT " = '{\"messages\":[]}', " N_OUTPUT
			  " = '[]', " N_TOOL_PARAMS " = '', " N_DYNAMIC_TOOLS
			  " = '[]', " N_EXTRA_BODY " = NULL WHERE seq = ?1",
	[Q_MODEL_BODIES] = "UPDATE ModelInference SET " N_OTHERS " = NULL, " N_RAW_REQUEST
			   " = '', " N_RAW_RESPONSE " = '', " N_SYSTEM " = NULL, " N_MESSAGES
			   " = '[]', " N_OUTPUT " = '[]' WHERE " N_INFERENCE " = ?2",
	[Q_ERROR_BODIES] =
		"UPDATE RequestError SET " N_ATTEMPTS " = iif(json_valid(" N_ATTEMPTS
		"), (SELECT json_group_array(json_remove(value, '$." N_RAW_REQUEST
		"', '$." N_RAW_RESPONSE "')) FROM json_each(" N_ATTEMPTS ")), '[]') WHERE seq = ?1",
	[Q_BODIES_AT] = "SELECT at FROM Progress WHERE what = 'bodies'",
	[Q_BODIES_DONE] =
		"INSERT INTO Progress(what, at) VALUES('bodies', ?1) ON CONFLICT(what) DO UPDATE SET at = ?1",
};

struct retention {
	sqlite3 *db;
	sqlite3_stmt *st[QUERIES];
	struct retention_options o;
	struct words *words;
	int64_t max_pages; /* 0: no bound */
	bool shrinking;    /* it was over max_mb */
	bool marks_bodies; /* Progress has, or may get, how far bodies went */
	uint64_t looked_ms;
	uint64_t
		gone; /* in the transaction at hand, and how many of those waited for the word index */
	int64_t waited;
	struct buf scratch;
};

static int64_t number(struct retention *r, int q)
{
	int64_t n = 0;

	if (sqlite3_step(r->st[q]) == SQLITE_ROW)
		n = sqlite3_column_int64(r->st[q], 0);
	sqlite3_reset(r->st[q]);
	return n;
}

static int64_t page_bytes(sqlite3 *db)
{
	sqlite3_stmt *st;
	int64_t n = 0;

	if (sqlite3_prepare_v2(db, "PRAGMA page_size", -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n > 0 ? n : 4096;
}

struct retention *retention_new(sqlite3 *db, const struct retention_options *o, struct words *w)
{
	struct retention *r = calloc(1, sizeof(*r));

	if (!r)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	r->db = db;
	r->o = *o;
	r->words = w;
	r->max_pages = (int64_t)(o->max_mb << 20) / page_bytes(db);
	buf_init(&r->scratch, TAGS_MAX);
	for (size_t i = 0; i < QUERIES; i++)
		if (sqlite3_prepare_v3(db, queries[i], -1, SQLITE_PREPARE_PERSISTENT, &r->st[i],
				       NULL)) {
			fail(ERR_STORE, "%s", sqlite3_errmsg(db));
			retention_free(r);
			return NULL;
		}
	r->marks_bodies = o->body_days || number(r, Q_BODIES_AT) > 0;
	return r;
}

void retention_free(struct retention *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < QUERIES; i++)
		sqlite3_finalize(r->st[i]);
	buf_deinit(&r->scratch);
	free(r);
}

bool retention_is_over(struct retention *r)
{
	int64_t pages;

	if (!r->max_pages)
		return false;
	pages = number(r, Q_PAGES);
	if (!r->shrinking && pages <= r->max_pages)
		return false;
	r->shrinking = (pages - number(r, Q_FREE)) * 20 > r->max_pages * 19;
	return r->shrinking;
}

/* ---- one row ---- */

static int run(struct retention *r, int q, int64_t seq, struct bytes id)
{
	sqlite3_stmt *st = r->st[q];
	int rc;

	if (sqlite3_bind_parameter_count(st) == 2)
		sqlite3_bind_text(st, 2, id.p, (int)id.n, SQLITE_STATIC);
	else
		sqlite3_bind_int64(st, 1, seq);
	rc = sqlite3_step(st);
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int take_tag(struct retention *r, struct bytes key, struct bytes value, int64_t seq)
{
	sqlite3_stmt *st = r->st[Q_TAG];
	int rc;

	sqlite3_bind_text(st, 1, key.p, (int)key.n, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, value.p, (int)value.n, SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, seq);
	rc = sqlite3_step(st);
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int take_tags(struct retention *r, int64_t seq)
{
	sqlite3_stmt *st = r->st[Q_TAGS];
	struct bytes tags, key, value;
	size_t pos = 0;
	int rc;

	sqlite3_bind_int64(st, 1, seq);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		tags.p = (const char *)sqlite3_column_text(st, 0);
		tags.n = tags.p ? (size_t)sqlite3_column_bytes(st, 0) : 0;
		buf_reset(&r->scratch);
		rc = buf_reserve(&r->scratch, tags.n * 2 + 64) ? SQLITE_NOMEM : SQLITE_DONE;
		while (rc == SQLITE_DONE && tags.n &&
		       row_next_string(tags, &pos, &key, &value, &r->scratch) > 0)
			if (take_tag(r, key, value, seq))
				rc = sqlite3_errcode(r->db);
	}
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int take_row(struct retention *r, int64_t seq, struct bytes id)
{
	static const int deletes[] = { Q_CHAT, Q_ERROR, Q_MODELS, Q_LIST };
	int rc = words_forget(r->words, seq, &r->waited);

	if (!rc)
		rc = take_tags(r, seq);
	for (size_t i = 0; !rc && i < COUNT(deletes); i++)
		rc = run(r, deletes[i], seq, id);
	fault_dies("retention.row");
	r->gone += !rc;
	return rc;
}

static int take_bodies(struct retention *r, int64_t seq, struct bytes id)
{
	static const int updates[] = { Q_CHAT_BODIES, Q_MODEL_BODIES, Q_ERROR_BODIES };
	int rc = words_forget(r->words, seq, &r->waited);

	for (size_t i = 0; !rc && i < COUNT(updates); i++)
		rc = run(r, updates[i], seq, id);
	fault_dies("retention.bodies");
	return rc;
}

/* ---- a step ---- */

struct old_row {
	int64_t seq;
	char id[40];
	size_t id_n;
};

/* The next rows that the query gives, which must not be open while they go. */
static int list_rows(struct retention *r, int q, int64_t before, int64_t from,
		     struct old_row rows[50], size_t *n)
{
	sqlite3_stmt *st = r->st[q];
	int rc;

	*n = 0;
	sqlite3_bind_int64(st, 1, before);
	if (q == Q_BETWEEN)
		sqlite3_bind_int64(st, 2, from);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && *n < 50) {
		struct old_row *row = &rows[(*n)++];
		struct bytes id = { (const char *)sqlite3_column_text(st, 1),
				    (size_t)sqlite3_column_bytes(st, 1) };

		row->seq = sqlite3_column_int64(st, 0);
		row->id_n = id.n < sizeof(row->id) ? id.n : sizeof(row->id);
		if (row->id_n)
			memcpy(row->id, id.p, row->id_n);
	}
	sqlite3_reset(st);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

typedef int take_fn(struct retention *, int64_t seq, struct bytes id);

/* *after: the seq behind the last row that was taken. */
static int take_rows(struct retention *r, int q, int64_t before, int64_t from, take_fn *take,
		     uint64_t until_ms, bool *more, int64_t *after)
{
	struct old_row rows[50];
	size_t n, total = 0;
	int rc;

	*after = from;
	*more = true;
	do {
		rc = list_rows(r, q, before, *after, rows, &n);
		for (size_t i = 0; !rc && i < n; i++) {
			rc = take(r, rows[i].seq, (struct bytes){ rows[i].id, rows[i].id_n });
			*after = rows[i].seq + 1;
			if (++total >= RETENTION_ROWS || clock_mono_ms() >= until_ms)
				return rc;
			if (q == Q_OLDEST && r->shrinking && !(total % 16) && !retention_is_over(r))
				return rc; /* enough: asked now and then */
		}
	} while (!rc && n);
	*more = false;
	return rc;
}

static int64_t seq_of_ms(uint64_t unix_ms)
{
	return (int64_t)(unix_ms << 15);
}

static int take_old_bodies(struct retention *r, uint64_t unix_ms, uint64_t until_ms, bool *more)
{
	int64_t before = seq_of_ms(unix_ms - r->o.body_days * DAY_MS), at = number(r, Q_BODIES_AT),
		after;
	int rc = take_rows(r, Q_BETWEEN, before, at, take_bodies, until_ms, more, &after);

	if (!rc && after != at)
		rc = run(r, Q_BODIES_DONE, after, (struct bytes){ 0 });
	return rc;
}

bool retention_is_far_over(struct retention *r)
{
	return r->max_pages && number(r, Q_PAGES) - number(r, Q_FREE) > r->max_pages / 16 * 17;
}

bool retention_is_due(struct retention *r)
{
	return retention_is_over(r) ||
	       ((r->o.days || r->o.body_days) &&
		(!r->looked_ms || clock_mono_ms() - r->looked_ms >= LOOK_MS));
}

/* Rows older than `days`, or while there is not enough room any. */
static int take_old_rows(struct retention *r, uint64_t unix_ms, uint64_t until_ms, bool *more)
{
	int64_t before = INT64_MAX, after;
	bool over = retention_is_over(r);
	int rc;

	if (!over && (!r->o.days || r->o.days * DAY_MS >= unix_ms))
		return SQLITE_OK;
	if (!over)
		before = seq_of_ms(unix_ms - r->o.days * DAY_MS);
	rc = take_rows(r, Q_OLDEST, before, 0, take_row, until_ms, more, &after);
	if (!rc && over && !*more)
		log_warn(
			"store",
			"[store.sqlite.retention] max_mb is too small: no inference is left, and the database is still larger");
	return rc;
}

int retention_step(struct retention *r, uint64_t unix_ms, uint64_t until_ms, bool *more,
		   int64_t *waited)
{
	size_t months = 0;
	int rc;

	*more = false;
	r->gone = 0;
	r->waited = 0;
	rc = take_old_rows(r, unix_ms, until_ms, more);
	if (!rc && !*more && r->o.body_days && r->o.body_days * DAY_MS < unix_ms)
		rc = take_old_bodies(r, unix_ms, until_ms, more);
	if (!rc && !*more)
		rc = words_drop_months(r->words, number(r, Q_FIRST), &months);
	*more |= months > 0;
	*waited = r->waited;
	r->looked_ms = *more || rc ? 0 : clock_mono_ms();
	return rc;
}

int retention_row_came(struct retention *r, int64_t seq)
{
	if (!r->marks_bodies || seq >= number(r, Q_BODIES_AT))
		return SQLITE_OK;
	return run(r, Q_BODIES_DONE, seq, (struct bytes){ 0 });
}

void retention_committed(struct retention *r)
{
	if (r->gone)
		METRIC_ADD(&metric_deleted, (double)r->gone);
	r->gone = 0;
}

int retention_shrink(struct retention *r, bool *more)
{
	sqlite3_stmt *st;
	int rc;

	*more = number(r, Q_FREE) * 20 > number(r, Q_PAGES);
	if (!*more)
		return SQLITE_OK;
	rc = sqlite3_prepare_v2(r->db, "PRAGMA incremental_vacuum(" SHRINK_PAGES ")", -1, &st,
				NULL);
	if (rc)
		return rc;
	do
		rc = sqlite3_step(st);
	while (rc == SQLITE_ROW);
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}
