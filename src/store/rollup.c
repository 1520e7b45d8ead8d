/*
 * Rollups. A row of Rollup is kept in memory, whole, while its minute lasts, and written over the stored one
 * at each commit that changed it: no read-modify-write in SQL, one statement a row and batch, however many
 * inferences were in the batch. The price: after a roll-back all of it must be forgotten and read again.
 */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/time.h"
#include "store/rollup_own.h"

#define VALUE_MAX 400  /* bytes of a value that count */
#define KEEP_MAX  4096 /* rows held; past it all are dropped once they are written */
#define STALE_S   120  /* rows of minutes that ended so long ago are dropped */

/* What is counted. A dimension of two cells has no facet of its own, one that is not summed only that. */
static const struct rollup_dim {
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

static const struct level {
	char letter; /* of the key */
	int64_t step;
	enum rollup_query get, put;
} levels[ROLLUP_LEVELS] = {
	[LEVEL_FACET] = { 'f' },
	[LEVEL_MINUTE] = { 'm', 60, Q_GET, Q_PUT },
	[LEVEL_HOUR] = { 'h', HOUR_S, Q_GET, Q_PUT },
	[LEVEL_WIDE_HOUR] = { 'H', HOUR_S, Q_GET_WIDE, Q_PUT_WIDE },
	[LEVEL_WIDE_DAY] = { 'D', DAY_S, Q_GET_WIDE, Q_PUT_WIDE },
};

#define GET_FROM(table) \
	"SELECT " ALL_SUMS " FROM " table " WHERE dim=?1 AND value=?2 AND step=?3 AND hour=?4"
#define PUT_INTO(table)                                            \
	"REPLACE INTO " table "(dim, value, step, hour, " ALL_SUMS \
	") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
static const char *const queries[ROLLUP_QUERIES] = {
	[Q_GET] = GET_FROM("Rollup"),
	[Q_PUT] = PUT_INTO("Rollup"),
	[Q_GET_WIDE] = GET_FROM("RollupWide"),
	[Q_PUT_WIDE] = PUT_INTO("RollupWide"),
	[Q_FACET] =
		"INSERT INTO Facet(dim, value, hour, count) VALUES(?1,?2,?3,?4) ON CONFLICT DO UPDATE SET count = count + ?4, hour = max(hour, ?3)",
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
	for (size_t i = 0; i < ROLLUP_QUERIES; i++)
		if (sqlite3_prepare_v3(db, queries[i] ? queries[i] : rollup_fold_queries[i], -1,
				       SQLITE_PREPARE_PERSISTENT, &r->st[i], NULL)) {
			fail(ERR_STORE, "%s", sqlite3_errmsg(db));
			rollup_free(r);
			return NULL;
		}
	return r;
}

static void free_slot(struct rollup_slot *s)
{
	hist_deinit(&s->ms);
	hist_deinit(&s->ttft);
	free(s);
}

void rollup_drop_slots(struct rollup *r)
{
	while (r->all) {
		struct rollup_slot *s = r->all;

		r->all = s->next;
		free_slot(s);
	}
	map_deinit(&r->map);
	map_init(&r->map);
}

void rollup_forget(struct rollup *r)
{
	rollup_drop_slots(r);
	r->knows_wide = false;
}

void rollup_free(struct rollup *r)
{
	if (!r)
		return;
	rollup_forget(r);
	map_deinit(&r->map);
	buf_deinit(&r->blob[0]);
	buf_deinit(&r->blob[1]);
	for (size_t i = 0; i < ROLLUP_QUERIES; i++)
		sqlite3_finalize(r->st[i]);
	free(r);
}

/* Adds a stored row whose sums stand in the columns from `at` on. */
void rollup_add_stored(struct rollup_slot *s, sqlite3_stmt *st, int at)
{
	for (int i = 0; i < NSUMS; i++)
		s->sums[i] += sqlite3_column_int64(st, at + i);
	hist_read(&s->ms, rollup_column(st, at + NSUMS));
	hist_read(&s->ttft, rollup_column(st, at + NSUMS + 1));
}

/* Adds what is stored under this key. */
static int load(struct rollup *r, struct rollup_slot *s)
{
	const struct level *level = &levels[s->level];
	sqlite3_stmt *st = r->st[level->get];
	int rc;

	sqlite3_bind_text(st, 1, s->dim->name, -1, SQLITE_STATIC);
	rollup_bind(st, 2, s->value);
	sqlite3_bind_int64(st, 3, level->step);
	sqlite3_bind_int64(st, 4, s->hour);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		rollup_add_stored(s, st, 0);
	sqlite3_reset(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0
						     : fail(ERR_STORE, "%s", sqlite3_errmsg(r->db));
}

/* The key: the dimension, the bucket, the value. */
static size_t make_key(char key[VALUE_MAX + 32], const struct rollup_dim *dim, struct bytes value,
		       enum rollup_level level, int64_t hour)
{
	char *p = key;

	*p++ = (char)(dim - dims);
	*p++ = levels[level].letter;
	memcpy(p, &hour, sizeof(hour));
	p += sizeof(hour);
	memcpy(p, value.p, value.n);
	return (size_t)(p - key) + value.n;
}

static struct rollup_slot *new_slot(struct rollup *r, const struct rollup_dim *dim,
				    enum rollup_level level, int64_t hour, const char *key,
				    size_t n, size_t value_n)
{
	struct rollup_slot *s = calloc(1, sizeof(*s) + n);

	if (!s)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	memcpy(s->key, key, n);
	s->dim = dim;
	s->value = (struct bytes){ s->key + n - value_n, value_n };
	s->level = level;
	s->hour = hour;
	if ((level != LEVEL_FACET && load(r, s)) ||
	    map_put(&r->map, (struct bytes){ s->key, n }, s)) {
		free_slot(s);
		return NULL;
	}
	s->next = r->all;
	r->all = s;
	return s;
}

struct rollup_slot *rollup_slot(struct rollup *r, const struct rollup_dim *dim, struct bytes value,
				enum rollup_level level, int64_t hour)
{
	char key[VALUE_MAX + 32];
	struct rollup_slot *s;
	size_t n;

	value = bytes_head(value, VALUE_MAX);
	while (value.n && value.n == VALUE_MAX && !bytes_is_utf8(value))
		value.n--;
	n = make_key(key, dim, value, level, hour);
	s = map_get(&r->map, (struct bytes){ key, n });
	return s ? s : new_slot(r, dim, level, hour, key, n, value.n);
}

/* ---- counting ---- */

/* What one inference adds, the same for each dimension. */
struct addend {
	int64_t sums[NSUMS];
	int ms, ttft; /* buckets; -1: none */
	int64_t minute, hour;
	bool is_old; /* of a time that has no minutes any more */
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
		.hour = s / HOUR_S * HOUR_S,
	};

	a.is_old = a.hour < (int64_t)(clock_unix_ms() / 1000) / HOUR_S * HOUR_S - ROLLUP_NARROW_S;

	a.ms = bucket_of(&l[L_MS], &a.sums[SUM_MS]);
	a.ttft = bucket_of(&l[L_TTFT], &a.sums[SUM_TTFT]);
	return a;
}

static int add_to(struct rollup_slot *s, const struct addend *a)
{
	if (!s)
		return -1;
	s->dirty = true;
	for (int i = 0; i < NSUMS; i++)
		s->sums[i] += a->sums[i];
	if (a->ms >= 0 && hist_add(&s->ms, a->ms, 1))
		return -1;
	return a->ttft >= 0 ? hist_add(&s->ttft, a->ttft, 1) : 0;
}

/* What comes late for sums that stand a second time. */
static int add_late(struct rollup *r, const struct rollup_dim *dim, struct bytes value,
		    const struct addend *a)
{
	const struct rollup_wide *w = &r->wide;

	if (a->hour >= w->from && a->hour < w->to &&
	    add_to(rollup_slot(r, dim, value, LEVEL_WIDE_HOUR, a->hour), a))
		return -1;
	if (a->hour >= w->days_to)
		return 0;
	return add_to(rollup_slot(r, dim, value, LEVEL_WIDE_DAY, a->hour / DAY_S * DAY_S), a);
}

static int add_sum(struct rollup *r, const struct rollup_dim *dim, struct bytes value,
		   const struct addend *a)
{
	struct rollup_slot *s = rollup_slot(r, dim, value, a->is_old ? LEVEL_HOUR : LEVEL_MINUTE,
					    a->is_old ? a->hour : a->minute);

	if (add_to(s, a))
		return -1;
	if (!a->is_old && a->minute > r->minute)
		r->minute = a->minute;
	s->fresh++;
	return a->hour < r->wide.to || a->hour < r->wide.days_to ? add_late(r, dim, value, a) : 0;
}

static int add_facet(struct rollup *r, const struct rollup_dim *dim, struct bytes value,
		     const struct addend *a)
{
	struct rollup_slot *s = rollup_slot(r, dim, value, LEVEL_FACET, a->hour);

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

	if (rollup_learn_wide(r))
		return fail(ERR_STORE, "%s", sqlite3_errmsg(r->db));
	for (const struct rollup_dim *d = dims; d != DIM_TAG; d++) {
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

int rollup_run_once(sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);

	sqlite3_reset(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int write_row(struct rollup *r, const struct rollup_slot *s)
{
	const struct level *level = &levels[s->level];
	sqlite3_stmt *st = r->st[level->put];

	buf_reset(&r->blob[0]);
	buf_reset(&r->blob[1]);
	if (hist_write(&s->ms, &r->blob[0]) || hist_write(&s->ttft, &r->blob[1]))
		return SQLITE_NOMEM;
	sqlite3_bind_text(st, 1, s->dim->name, -1, SQLITE_STATIC);
	rollup_bind(st, 2, s->value);
	sqlite3_bind_int64(st, 3, level->step);
	sqlite3_bind_int64(st, 4, s->hour);
	for (int i = 0; i < NSUMS; i++)
		sqlite3_bind_int64(st, 5 + i, s->sums[i]);
	for (int i = 0; i < 2; i++)
		sqlite3_bind_blob(st, 5 + NSUMS + i, r->blob[i].len ? r->blob[i].data : "",
				  (int)r->blob[i].len, SQLITE_STATIC);
	return rollup_run_once(st);
}

static int write_facet(struct rollup *r, const struct rollup_slot *s)
{
	sqlite3_stmt *st = r->st[Q_FACET];

	sqlite3_bind_text(st, 1, s->dim->name, -1, SQLITE_STATIC);
	rollup_bind(st, 2, s->value);
	sqlite3_bind_int64(st, 3, s->hour / HOUR_S * HOUR_S);
	sqlite3_bind_int64(st, 4, s->fresh);
	return rollup_run_once(st);
}

int rollup_flush(struct rollup *r)
{
	bool stale = r->map.len > KEEP_MAX;
	int rc = SQLITE_OK;

	for (struct rollup_slot *s = r->all; s && rc == SQLITE_OK; s = s->next) {
		stale |= s->level != LEVEL_FACET && s->hour + STALE_S < r->minute;
		if (!s->dirty)
			continue;
		if (s->level != LEVEL_FACET)
			rc = write_row(r, s);
		if (rc == SQLITE_OK && s->fresh && s->dim->b < 0)
			rc = write_facet(r, s);
		s->dirty = false;
		s->fresh = 0;
	}
	if (rc == SQLITE_OK && stale)
		rollup_drop_slots(r);
	return rc;
}

const struct rollup_dim *rollup_dim_named(const char *name)
{
	for (const struct rollup_dim *d = dims; d != DIM_TAG; d++)
		if (d->summed && !strcmp(name, d->name))
			return d;
	return NULL;
}
