/*
 * Rollups. A row of Rollup is kept in memory, whole, while its minute lasts, and written over the stored one
 * at each commit that changed it: no read-modify-write in SQL, one statement a row and batch, however many
 * inferences were in the batch. The price: after a roll-back all of it must be forgotten and read again.
 */
#include "store/rollup.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/map.h"

/* What a row of Rollup adds up. */
#define SUMS                                                             \
	"count, errors, " N_CACHED ", " N_IN ", " N_OUT ", " N_COST_NANO \
	", priced, ms_sum, ttft_sum"
enum {
	SUM_COUNT,
	SUM_ERRORS,
	SUM_CACHED,
	SUM_IN,
	SUM_OUT,
	SUM_COST,
	SUM_PRICED,
	SUM_MS,
	SUM_TTFT,
	NSUMS
};

#define VALUE_MAX 400  /* bytes of a value that count */
#define KEEP_MAX  4096 /* rows held; past it all are dropped once they are written */
#define STALE_S   120  /* rows of minutes that ended so long ago are dropped */

/* What is counted. A dimension of two cells has no facet of its own, one that is not summed only that. */
static const struct dim {
	const char *name;
	int a, b; /* cells; b: -1, none */
	bool summed;
} dims[] = {
	{ "surface", L_SURFACE, -1, true },
	{ "function", L_FUNCTION, -1, true },
	{ "model", L_MODEL, -1, true },
	{ "provider", L_PROVIDER, -1, true },
	{ "key", L_KEY, -1, true },
	{ "function_variant", L_FUNCTION, L_VARIANT, true },
	{ "model_key", L_MODEL, L_KEY, true },
	{ "variant", L_VARIANT, -1, false },
	{ "state", L_STATE, -1, false },
	{ "error_kind", L_ERROR_KIND, -1, false },
	{ "tag", -1, -1, false },
};
#define DIM_TAG (&dims[COUNT(dims) - 1])

/* A row of Rollup, or of Facet alone. */
struct slot {
	struct slot *next; /* all of them */
	const struct dim *dim;
	struct bytes value;
	int64_t step, hour;
	int64_t sums[NSUMS]; /* as SUMS has them */
	int64_t fresh;       /* counted since the last flush, for the facet */
	struct hist ms, ttft;
	bool dirty;
	char key[];
};

enum { Q_GET, Q_PUT, Q_FACET, Q_FIRST, Q_OLD, Q_DROP, QUERIES };
#define ONE_ROW "dim=?1 AND value=?2 AND step=?3 AND hour=?4"
static const char *const queries[QUERIES] = {
	[Q_GET] = "SELECT " SUMS ", ms, ttft FROM Rollup WHERE " ONE_ROW,
	[Q_PUT] = "REPLACE INTO Rollup(dim, value, step, hour, " SUMS
		  ", ms, ttft) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	[Q_FACET] =
		"INSERT INTO Facet(dim, value, hour, count) VALUES(?1,?2,?3,?4) ON CONFLICT DO UPDATE SET count = count + ?4, hour = max(hour, ?3)",
	[Q_FIRST] = "SELECT min(hour) FROM Rollup WHERE step = 60",
	[Q_OLD] = "SELECT dim, value, hour, " SUMS
		  ", ms, ttft FROM Rollup WHERE step = 60 AND hour < ?1",
	[Q_DROP] = "DELETE FROM Rollup WHERE step = 60 AND hour < ?1",
};

struct rollup {
	sqlite3 *db;
	sqlite3_stmt *st[QUERIES];
	struct map map;
	struct slot *all;
	int64_t minute; /* the newest */
	struct buf blob[2];
};

/* ---- histograms ---- */

int hist_bucket(int64_t ms)
{
	int b = ms <= 0 ? 0 : 1 + (int)lround(log((double)ms) / log(1.02));

	return b > UINT16_MAX ? UINT16_MAX : b;
}

double hist_value(int bucket)
{
	return bucket <= 0 ? 0 : pow(1.02, bucket - 1);
}

int hist_add(struct hist *h, int bucket, uint32_t n)
{
	size_t i = h->len;

	while (i && h->bucket[i - 1] > bucket)
		i--;
	if (i && h->bucket[i - 1] == bucket) {
		h->count[i - 1] += n;
		return 0;
	}
	if (h->len == h->cap) {
		size_t cap = h->cap ? h->cap * 2 : 16;
		uint16_t *b = realloc(h->bucket, cap * sizeof(*b));
		uint32_t *c;

		if (!b)
			return fail(ERR_OUT_OF_MEMORY, "out of memory");
		h->bucket = b;
		c = realloc(h->count, cap * sizeof(*c));
		if (!c)
			return fail(ERR_OUT_OF_MEMORY, "out of memory");
		h->count = c;
		h->cap = cap;
	}
	memmove(h->bucket + i + 1, h->bucket + i, (h->len - i) * sizeof(*h->bucket));
	memmove(h->count + i + 1, h->count + i, (h->len - i) * sizeof(*h->count));
	h->bucket[i] = (uint16_t)bucket;
	h->count[i] = n;
	h->len++;
	return 0;
}

static int put_varint(struct buf *out, uint64_t v)
{
	while (v >= 128) {
		if (buf_putc(out, (char)(v | 128)))
			return -1;
		v >>= 7;
	}
	return buf_putc(out, (char)v);
}

static bool get_varint(struct bytes *in, uint64_t *v)
{
	*v = 0;
	for (int shift = 0; in->n && shift < 63; shift += 7) {
		uint8_t c = (uint8_t)*in->p;

		*in = bytes_slice(*in, 1, in->n);
		*v |= (uint64_t)(c & 127) << shift;
		if (c < 128)
			return true;
	}
	return false;
}

int hist_write(const struct hist *h, struct buf *out)
{
	int before = 0;

	for (size_t i = 0; i < h->len; i++) {
		if (put_varint(out, (uint64_t)(h->bucket[i] - before)) ||
		    put_varint(out, h->count[i]))
			return -1;
		before = h->bucket[i];
	}
	return 0;
}

int hist_read(struct hist *h, struct bytes in)
{
	uint64_t bucket = 0, distance, n;

	while (in.n) {
		if (!get_varint(&in, &distance) || !get_varint(&in, &n))
			return -1;
		bucket += distance;
		if (bucket > UINT16_MAX || hist_add(h, (int)bucket, (uint32_t)n))
			return -1;
	}
	return 0;
}

void hist_deinit(struct hist *h)
{
	free(h->bucket);
	free(h->count);
	*h = (struct hist){ 0 };
}

/* ---- slots ---- */

struct rollup *rollup_new(sqlite3 *db)
{
	struct rollup *r = calloc(1, sizeof(*r));

	if (!r)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	r->db = db;
	map_init(&r->map);
	buf_init(&r->blob[0], 1 << 20);
	buf_init(&r->blob[1], 1 << 20);
	for (size_t i = 0; i < QUERIES; i++)
		if (sqlite3_prepare_v3(db, queries[i], -1, SQLITE_PREPARE_PERSISTENT, &r->st[i],
				       NULL)) {
			fail(ERR_STORE, "%s", sqlite3_errmsg(db));
			rollup_free(r);
			return NULL;
		}
	return r;
}

static void free_slot(struct slot *s)
{
	hist_deinit(&s->ms);
	hist_deinit(&s->ttft);
	free(s);
}

void rollup_forget(struct rollup *r)
{
	while (r->all) {
		struct slot *s = r->all;

		r->all = s->next;
		free_slot(s);
	}
	map_deinit(&r->map);
	map_init(&r->map);
}

void rollup_free(struct rollup *r)
{
	if (!r)
		return;
	rollup_forget(r);
	map_deinit(&r->map);
	buf_deinit(&r->blob[0]);
	buf_deinit(&r->blob[1]);
	for (size_t i = 0; i < QUERIES; i++)
		sqlite3_finalize(r->st[i]);
	free(r);
}

static void bind_bytes(sqlite3_stmt *st, int at, struct bytes b)
{
	sqlite3_bind_text(st, at, b.n ? b.p : "", (int)b.n, SQLITE_STATIC);
}

static struct bytes column_bytes(sqlite3_stmt *st, int i)
{
	const void *p = sqlite3_column_blob(st, i);

	return (struct bytes){ p ? p : "", (size_t)sqlite3_column_bytes(st, i) };
}

/* Adds a stored row whose sums stand in the columns from `at` on. */
static void add_stored(struct slot *s, sqlite3_stmt *st, int at)
{
	for (int i = 0; i < NSUMS; i++)
		s->sums[i] += sqlite3_column_int64(st, at + i);
	hist_read(&s->ms, column_bytes(st, at + NSUMS));
	hist_read(&s->ttft, column_bytes(st, at + NSUMS + 1));
}

/* Adds what is stored under this key. */
static int load(struct rollup *r, struct slot *s)
{
	sqlite3_stmt *st = r->st[Q_GET];
	int rc;

	sqlite3_bind_text(st, 1, s->dim->name, -1, SQLITE_STATIC);
	bind_bytes(st, 2, s->value);
	sqlite3_bind_int64(st, 3, s->step);
	sqlite3_bind_int64(st, 4, s->hour);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		add_stored(s, st, 0);
	sqlite3_reset(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0
						     : fail(ERR_STORE, "%s", sqlite3_errmsg(r->db));
}

/* The key: the dimension, the bucket, the value. */
static size_t make_key(char key[VALUE_MAX + 32], const struct dim *dim, struct bytes value,
		       int64_t step, int64_t hour)
{
	char *p = key;

	*p++ = (char)(dim - dims);
	*p++ = step == 60 ? 'm' : step ? 'h' : 'f';
	memcpy(p, &hour, sizeof(hour));
	p += sizeof(hour);
	memcpy(p, value.p, value.n);
	return (size_t)(p - key) + value.n;
}

static struct slot *new_slot(struct rollup *r, const struct dim *dim, int64_t step, int64_t hour,
			     const char *key, size_t n, size_t value_n)
{
	struct slot *s = calloc(1, sizeof(*s) + n);

	if (!s)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	memcpy(s->key, key, n);
	s->dim = dim;
	s->value = (struct bytes){ s->key + n - value_n, value_n };
	s->step = step;
	s->hour = hour;
	if ((step && load(r, s)) || map_put(&r->map, (struct bytes){ s->key, n }, s)) {
		free_slot(s);
		return NULL;
	}
	s->next = r->all;
	r->all = s;
	return s;
}

/* step 0: of Facet alone. */
static struct slot *slot_of(struct rollup *r, const struct dim *dim, struct bytes value,
			    int64_t step, int64_t hour)
{
	char key[VALUE_MAX + 32];
	struct slot *s;
	size_t n;

	value = bytes_head(value, VALUE_MAX);
	while (value.n && value.n == VALUE_MAX && !bytes_is_utf8(value))
		value.n--;
	n = make_key(key, dim, value, step, hour);
	s = map_get(&r->map, (struct bytes){ key, n });
	return s ? s : new_slot(r, dim, step, hour, key, n, value.n);
}

/* ---- counting ---- */

/* What one inference adds, the same for each dimension. */
struct addend {
	int64_t sums[NSUMS];
	int ms, ttft; /* buckets; -1: none */
	int64_t minute, hour;
};

static int bucket_of(const struct cell *ms, int64_t *sum)
{
	if (ms->type != CELL_INT || ms->num < 0)
		return -1;
	*sum = ms->num;
	return hist_bucket(ms->num);
}

static struct addend addend_of(const struct cell *l, int64_t seq)
{
	struct bytes state = cell_text(&l[L_STATE]);
	int64_t s = (seq >> 15) / 1000;
	struct addend a = {
		.sums = { [SUM_COUNT] = 1,
			  [SUM_ERRORS] =
				  bytes_eq(state, B("error")) || bytes_eq(state, B("truncated")),
			  [SUM_CACHED] = cell_int(&l[L_CACHED], 0) != 0,
			  [SUM_IN] = cell_int(&l[L_IN], 0),
			  [SUM_OUT] = cell_int(&l[L_OUT], 0),
			  [SUM_COST] = cell_int(&l[L_COST_NANO], 0),
			  [SUM_PRICED] = l[L_COST_NANO].type == CELL_INT },
		.minute = s / 60 * 60,
		.hour = s / 3600 * 3600,
	};

	a.ms = bucket_of(&l[L_MS], &a.sums[SUM_MS]);
	a.ttft = bucket_of(&l[L_TTFT], &a.sums[SUM_TTFT]);
	return a;
}

static int add_sum(struct rollup *r, const struct dim *dim, struct bytes value,
		   const struct addend *a)
{
	struct slot *s = slot_of(r, dim, value, 60, a->minute);

	if (!s)
		return -1;
	if (a->minute > r->minute)
		r->minute = a->minute;
	s->dirty = true;
	s->fresh++;
	for (int i = 0; i < NSUMS; i++)
		s->sums[i] += a->sums[i];
	if (a->ms >= 0 && hist_add(&s->ms, a->ms, 1))
		return -1;
	return a->ttft >= 0 ? hist_add(&s->ttft, a->ttft, 1) : 0;
}

static int add_facet(struct rollup *r, const struct dim *dim, struct bytes value,
		     const struct addend *a)
{
	struct slot *s = slot_of(r, dim, value, 0, a->hour);

	if (!s)
		return -1;
	s->dirty = true;
	s->fresh++;
	return 0;
}

/* Two values with a tab between, in `joined`. False: one is missing, or they are too long. */
static bool join(struct bytes *v, struct bytes w, char joined[VALUE_MAX + 1])
{
	if (!w.n || v->n + w.n >= VALUE_MAX)
		return false;
	memcpy(joined, v->p, v->n);
	joined[v->n] = '\t';
	memcpy(joined + v->n + 1, w.p, w.n);
	*v = (struct bytes){ joined, v->n + 1 + w.n };
	return true;
}

int rollup_record(struct rollup *r, const struct cell *l, struct bytes tags, int64_t seq,
		  struct buf *scratch)
{
	struct addend a = addend_of(l, seq);
	char joined[VALUE_MAX + 1];
	struct bytes key, value;
	size_t pos = 0;

	for (const struct dim *d = dims; d != DIM_TAG; d++) {
		struct bytes v = cell_text(&l[d->a]);

		if (!v.n || (d->b >= 0 && !join(&v, cell_text(&l[d->b]), joined)))
			continue;
		if (d->summed ? add_sum(r, d, v, &a) : add_facet(r, d, v, &a))
			return -1;
	}
	while (tags.n && row_next_string(tags, &pos, &key, &value, scratch) > 0)
		if (add_facet(r, DIM_TAG, key, &a))
			return -1;
	return 0;
}

/* ---- writing ---- */

static int run_once(sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);

	sqlite3_reset(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int write_row(struct rollup *r, const struct slot *s)
{
	sqlite3_stmt *st = r->st[Q_PUT];

	buf_reset(&r->blob[0]);
	buf_reset(&r->blob[1]);
	if (hist_write(&s->ms, &r->blob[0]) || hist_write(&s->ttft, &r->blob[1]))
		return SQLITE_NOMEM;
	sqlite3_bind_text(st, 1, s->dim->name, -1, SQLITE_STATIC);
	bind_bytes(st, 2, s->value);
	sqlite3_bind_int64(st, 3, s->step);
	sqlite3_bind_int64(st, 4, s->hour);
	for (int i = 0; i < NSUMS; i++)
		sqlite3_bind_int64(st, 5 + i, s->sums[i]);
	for (int i = 0; i < 2; i++)
		sqlite3_bind_blob(st, 5 + NSUMS + i, r->blob[i].len ? r->blob[i].data : "",
				  (int)r->blob[i].len, SQLITE_STATIC);
	return run_once(st);
}

static int write_facet(struct rollup *r, const struct slot *s)
{
	sqlite3_stmt *st = r->st[Q_FACET];

	sqlite3_bind_text(st, 1, s->dim->name, -1, SQLITE_STATIC);
	bind_bytes(st, 2, s->value);
	sqlite3_bind_int64(st, 3, s->hour / 3600 * 3600);
	sqlite3_bind_int64(st, 4, s->fresh);
	return run_once(st);
}

int rollup_flush(struct rollup *r)
{
	bool stale = r->map.len > KEEP_MAX;
	int rc = SQLITE_OK;

	for (struct slot *s = r->all; s && rc == SQLITE_OK; s = s->next) {
		stale |= s->step && s->hour + STALE_S < r->minute;
		if (!s->dirty)
			continue;
		if (s->step)
			rc = write_row(r, s);
		if (rc == SQLITE_OK && s->fresh && s->dim->b < 0)
			rc = write_facet(r, s);
		s->dirty = false;
		s->fresh = 0;
	}
	if (rc == SQLITE_OK && stale)
		rollup_forget(r);
	return rc;
}

/* ---- minutes become hours ---- */

static const struct dim *dim_named(const char *name)
{
	for (const struct dim *d = dims; d != DIM_TAG; d++)
		if (!strcmp(name, d->name))
			return d;
	return NULL;
}

static int64_t first_minute(struct rollup *r)
{
	sqlite3_stmt *st = r->st[Q_FIRST];
	int64_t first = INT64_MAX;

	if (sqlite3_step(st) == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL)
		first = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return first;
}

/* Adds the minutes before `end` to their hours, in memory. */
static int gather_minutes(struct rollup *r, int64_t end)
{
	sqlite3_stmt *st = r->st[Q_OLD];
	int rc;

	sqlite3_bind_int64(st, 1, end);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		const struct dim *dim = dim_named((const char *)sqlite3_column_text(st, 0));
		int64_t hour = sqlite3_column_int64(st, 2) / 3600 * 3600;
		struct slot *s;

		if (!dim)
			continue;
		s = slot_of(r, dim, column_bytes(st, 1), 3600, hour);
		if (!s) {
			rc = SQLITE_NOMEM;
			break;
		}
		add_stored(s, st, 3);
		s->dirty = true;
	}
	sqlite3_reset(st);
	return rc;
}

int rollup_fold(struct rollup *r, uint64_t unix_ms, bool *more)
{
	int64_t end = (int64_t)(unix_ms / 3600000 * 3600), first = first_minute(r);
	int rc;

	*more = false;
	if (first >= end)
		return SQLITE_OK;
	if (first / 3600 * 3600 + 3600 < end) {
		end = first / 3600 * 3600 + 3600;
		*more = true;
	}
	rollup_forget(r); /* nothing may be held that is folded now */
	rc = gather_minutes(r, end);
	if (rc != SQLITE_DONE)
		return rc;
	sqlite3_bind_int64(r->st[Q_DROP], 1, end);
	rc = run_once(r->st[Q_DROP]);
	if (!rc)
		rc = rollup_flush(r);
	if (!rc)
		rollup_forget(r);
	return rc;
}
