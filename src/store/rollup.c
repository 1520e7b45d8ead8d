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
enum { COUNT, ERRORS, CACHED, INPUT, OUTPUT, COST, PRICED, MS, TTFT, NSUMS };

#define VALUE_MAX 400  /* bytes of a value that count */
#define KEEP_MAX  4096 /* rows held; past it everything is written and dropped */

struct slot {
	struct slot *next; /* all of them */
	const char *dim;
	struct bytes value;
	int64_t step, hour;
	int64_t sums[NSUMS]; /* as SUMS has them */
	int64_t fresh;       /* counted since the last flush, for the facet */
	struct hist ms, ttft;
	bool dirty, facet_only;
	char key[];
};

struct rollup {
	sqlite3 *db;
	sqlite3_stmt *get, *put, *facet, *old, *drop;
	struct map map;
	struct slot *all;
	int64_t minute;
	struct buf blob[2];
};

/* Rollup dimensions whose values are also facets. */
static const char *const facet_dims[] = { "function", "model", "provider", "key", "surface" };

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

#define ONE_ROW "dim=?1 AND value=?2 AND step=?3 AND hour=?4"
static const struct {
	size_t at;
	const char *sql;
} statements[] = {
	{ offsetof(struct rollup, get), "SELECT " SUMS ", ms, ttft FROM Rollup WHERE " ONE_ROW },
	{ offsetof(struct rollup, put), "REPLACE INTO Rollup(dim, value, step, hour, " SUMS
					", ms, ttft) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)" },
	{ offsetof(struct rollup, facet),
	  "INSERT INTO Facet(dim, value, hour, count) VALUES(?1,?2,?3,?4) ON CONFLICT DO UPDATE SET count = count + ?4, hour = max(hour, ?3)" },
	{ offsetof(struct rollup, old),
	  "SELECT dim, value, hour, " SUMS ", ms, ttft FROM Rollup WHERE step = 60 AND hour < ?1" },
	{ offsetof(struct rollup, drop), "DELETE FROM Rollup WHERE step = 60 AND hour < ?1" },
};
#define NSTATEMENTS (sizeof(statements) / sizeof(*statements))

static sqlite3_stmt **statement(struct rollup *r, size_t i)
{
	return (sqlite3_stmt **)((char *)r + statements[i].at);
}

struct rollup *rollup_new(sqlite3 *db)
{
	struct rollup *r = calloc(1, sizeof(*r));

	if (!r)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	r->db = db;
	map_init(&r->map);
	buf_init(&r->blob[0], 1 << 20);
	buf_init(&r->blob[1], 1 << 20);
	for (size_t i = 0; i < NSTATEMENTS; i++)
		if (sqlite3_prepare_v3(db, statements[i].sql, -1, SQLITE_PREPARE_PERSISTENT,
				       statement(r, i), NULL)) {
			fail(ERR_STORE, "%s", sqlite3_errmsg(db));
			rollup_free(r);
			return NULL;
		}
	return r;
}

void rollup_forget(struct rollup *r)
{
	while (r->all) {
		struct slot *s = r->all;

		r->all = s->next;
		hist_deinit(&s->ms);
		hist_deinit(&s->ttft);
		free(s);
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
	for (size_t i = 0; i < NSTATEMENTS; i++)
		sqlite3_finalize(*statement(r, i));
	free(r);
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

/* Adds what is stored under this key. -1: SQLite's error stands. */
static int load(struct rollup *r, struct slot *s)
{
	int rc;

	sqlite3_bind_text(r->get, 1, s->dim, -1, SQLITE_STATIC);
	sqlite3_bind_text(r->get, 2, s->value.p, (int)s->value.n, SQLITE_STATIC);
	sqlite3_bind_int64(r->get, 3, s->step);
	sqlite3_bind_int64(r->get, 4, s->hour);
	rc = sqlite3_step(r->get);
	if (rc == SQLITE_ROW) {
		add_stored(s, r->get, 0);
	}
	sqlite3_reset(r->get);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0
						     : fail(ERR_STORE, "%s", sqlite3_errmsg(r->db));
}

static struct slot *slot_of(struct rollup *r, const char *dim, struct bytes value, int64_t step,
			    int64_t hour, bool facet_only)
{
	char key[512];
	size_t dim_n = strlen(dim), n;
	struct slot *s;

	if (value.n > VALUE_MAX)
		value.n = VALUE_MAX;
	memcpy(key, dim, dim_n + 1);
	memcpy(key + dim_n + 1, value.p, value.n);
	n = dim_n + 1 + value.n;
	memcpy(key + n, &step, sizeof(step));
	memcpy(key + n + sizeof(step), &hour, sizeof(hour));
	n += sizeof(step) + sizeof(hour);
	s = map_get(&r->map, (struct bytes){ key, n });
	if (s)
		return s;
	s = calloc(1, sizeof(*s) + n);
	if (!s)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	memcpy(s->key, key, n);
	s->dim = dim;
	s->value = (struct bytes){ s->key + dim_n + 1, value.n };
	s->step = step;
	s->hour = hour;
	s->facet_only = facet_only;
	if ((!facet_only && load(r, s)) || map_put(&r->map, (struct bytes){ s->key, n }, s)) {
		hist_deinit(&s->ms);
		hist_deinit(&s->ttft);
		free(s);
		return NULL;
	}
	s->next = r->all;
	r->all = s;
	return s;
}

static struct bytes text_of(const struct cell *c)
{
	return c->type == CELL_TEXT ? c->text : (struct bytes){ 0 };
}

static int64_t int_of(const struct cell *c)
{
	return c->type == CELL_INT ? c->num : 0;
}

static int add_time(const struct cell *ms, int64_t *sum, struct hist *hist)
{
	if (ms->type != CELL_INT || ms->num < 0)
		return 0;
	*sum += ms->num;
	return hist_add(hist, hist_bucket(ms->num), 1);
}

static int add_sum(struct rollup *r, const char *dim, struct bytes value, uint64_t unix_ms,
		   const struct cell *l)
{
	int64_t minute = (int64_t)(unix_ms / 60000 * 60);
	struct slot *s = slot_of(r, dim, value, 60, minute, false);

	if (!s)
		return -1;
	if (minute > r->minute)
		r->minute = minute;
	s->dirty = true;
	s->fresh++;
	s->sums[COUNT]++;
	s->sums[ERRORS] += bytes_eq(text_of(&l[L_STATE]), B("error"));
	s->sums[CACHED] += int_of(&l[L_CACHED]) != 0;
	s->sums[INPUT] += int_of(&l[L_IN]);
	s->sums[OUTPUT] += int_of(&l[L_OUT]);
	s->sums[COST] += int_of(&l[L_COST_NANO]);
	s->sums[PRICED] += l[L_COST_NANO].type == CELL_INT;
	return add_time(&l[L_MS], &s->sums[MS], &s->ms) ||
			       add_time(&l[L_TTFT], &s->sums[TTFT], &s->ttft)
		       ? -1
		       : 0;
}

int rollup_record(struct rollup *r, const struct cell *l, uint64_t unix_ms)
{
	static const struct {
		const char *dim;
		int a, b; /* cells; b: -1, none */
		bool facet_only;
	} dims[] = {
		{ "function", L_FUNCTION, -1, false },
		{ "model", L_MODEL, -1, false },
		{ "provider", L_PROVIDER, -1, false },
		{ "key", L_KEY, -1, false },
		{ "surface", L_SURFACE, -1, false },
		{ "function_variant", L_FUNCTION, L_VARIANT, false },
		{ "model_key", L_MODEL, L_KEY, false },
		{ "variant", L_VARIANT, -1, true },
		{ "state", L_STATE, -1, true },
		{ "error_kind", L_ERROR_KIND, -1, true },
	};
	char joined[VALUE_MAX + 2];

	for (size_t i = 0; i < sizeof(dims) / sizeof(*dims); i++) {
		struct bytes v = text_of(&l[dims[i].a]), w;

		if (!v.n)
			continue;
		if (dims[i].b >= 0) {
			w = text_of(&l[dims[i].b]);
			if (!w.n || v.n + w.n > VALUE_MAX)
				continue;
			memcpy(joined, v.p, v.n);
			joined[v.n] = '\t';
			memcpy(joined + v.n + 1, w.p, w.n);
			v = (struct bytes){ joined, v.n + 1 + w.n };
		}
		if (dims[i].facet_only ? rollup_facet(r, dims[i].dim, v, unix_ms)
				       : add_sum(r, dims[i].dim, v, unix_ms, l))
			return -1;
	}
	return 0;
}

int rollup_facet(struct rollup *r, const char *dim, struct bytes value, uint64_t unix_ms)
{
	struct slot *s = slot_of(r, dim, value, 0, (int64_t)(unix_ms / 3600000 * 3600), true);

	if (!s)
		return -1;
	s->dirty = true;
	s->fresh++;
	return 0;
}

static int run_once(sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);

	sqlite3_reset(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int write_row(struct rollup *r, const struct slot *s)
{
	buf_reset(&r->blob[0]);
	buf_reset(&r->blob[1]);
	if (hist_write(&s->ms, &r->blob[0]) || hist_write(&s->ttft, &r->blob[1]))
		return SQLITE_NOMEM;
	sqlite3_bind_text(r->put, 1, s->dim, -1, SQLITE_STATIC);
	sqlite3_bind_text(r->put, 2, s->value.p, (int)s->value.n, SQLITE_STATIC);
	sqlite3_bind_int64(r->put, 3, s->step);
	sqlite3_bind_int64(r->put, 4, s->hour);
	for (int i = 0; i < NSUMS; i++)
		sqlite3_bind_int64(r->put, 5 + i, s->sums[i]);
	for (int i = 0; i < 2; i++)
		sqlite3_bind_blob(r->put, 5 + NSUMS + i, buf_bytes(&r->blob[i]).p,
				  (int)r->blob[i].len, SQLITE_STATIC);
	return run_once(r->put);
}

static int write_facet(struct rollup *r, const struct slot *s)
{
	sqlite3_bind_text(r->facet, 1, s->dim, -1, SQLITE_STATIC);
	sqlite3_bind_text(r->facet, 2, s->value.p, (int)s->value.n, SQLITE_STATIC);
	sqlite3_bind_int64(r->facet, 3, s->hour / 3600 * 3600);
	sqlite3_bind_int64(r->facet, 4, s->fresh);
	return run_once(r->facet);
}

static bool is_facet(const struct slot *s)
{
	if (s->facet_only)
		return true;
	for (size_t i = 0; i < sizeof(facet_dims) / sizeof(*facet_dims); i++)
		if (s->dim == facet_dims[i] || !strcmp(s->dim, facet_dims[i]))
			return true;
	return false;
}

int rollup_flush(struct rollup *r)
{
	bool stale = r->map.len > KEEP_MAX;
	int rc = SQLITE_OK;

	for (struct slot *s = r->all; s && rc == SQLITE_OK; s = s->next) {
		if (!s->facet_only && s->hour + 120 < r->minute)
			stale = true;
		if (!s->dirty)
			continue;
		if (!s->facet_only)
			rc = write_row(r, s);
		if (rc == SQLITE_OK && s->fresh && is_facet(s))
			rc = write_facet(r, s);
		s->dirty = false;
		s->fresh = 0;
	}
	if (rc == SQLITE_OK && stale)
		rollup_forget(r);
	return rc;
}

/* A literal for a dimension that came out of the table. */
static const char *dim_literal(const char *name)
{
	static const char *const dims[] = { "function", "model",   "provider",
					    "key",      "surface", "function_variant",
					    "model_key" };

	for (size_t i = 0; i < sizeof(dims) / sizeof(*dims); i++)
		if (!strcmp(name, dims[i]))
			return dims[i];
	return NULL;
}

int rollup_fold(struct rollup *r, uint64_t unix_ms)
{
	int64_t before = (int64_t)(unix_ms / 3600000 * 3600);
	int rc;

	sqlite3_bind_int64(r->old, 1, before);
	while ((rc = sqlite3_step(r->old)) == SQLITE_ROW) {
		const char *dim = dim_literal((const char *)sqlite3_column_text(r->old, 0));
		struct slot *s =
			!dim ? NULL
			     : slot_of(r, dim, column_bytes(r->old, 1), 3600,
				       sqlite3_column_int64(r->old, 2) / 3600 * 3600, false);

		if (!s)
			continue;
		add_stored(s, r->old, 3);
		s->dirty = true;
	}
	sqlite3_reset(r->old);
	if (rc != SQLITE_DONE)
		return rc;
	sqlite3_bind_int64(r->drop, 1, before);
	return run_once(r->drop);
}
