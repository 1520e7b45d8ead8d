/* What stands above and beside a list of the record: how many, when, of what kinds. */
#include "api/internal.h"

#include "store/read_series.h"

#define BUCKETS_MAX 1000
#define DIMS_MAX    16

/* ---- how many ---- */

struct counting {
	struct read_filter filter;
	size_t n;
	bool exact;
};

static int count_rows(struct reader *r, void *arg)
{
	struct counting *c = arg;

	return read_count(r, &c->filter, COUNT_MAX, &c->n, &c->exact);
}

static void get_count(struct exchange *ex, const struct bytes *params)
{
	struct counting c = { 0 };
	struct reply reply;
	int bad = query_filter(ex, &c.filter) || internal_read(ex, READ_LIST_MS, count_rows, &c);

	(void)params;
	reply_begin(&reply, ex);
	pen_number(&reply.pen, "n", c.n);
	pen_key(&reply.pen, "exact");
	pen_bytes(&reply.pen, c.exact ? B("true") : B("false"));
	reply.partial = !c.exact && c.n < COUNT_MAX;
	reply_end(&reply, bad);
}

/* ---- when ---- */

struct histogram {
	struct read_filter filter;
	uint64_t from_s, step_s;
	size_t n;
	uint64_t *ok, *err;
	struct arena *arena;
	bool partial;
};

static int on_row(const struct log_entry *e, void *arg)
{
	struct histogram *h = arg;
	uint64_t s = (uint64_t)(e->seq >> 15) / 1000;
	size_t i = s < h->from_s ? 0 : (s - h->from_s) / h->step_s;

	if (i < h->n)
		(row_failed(e) ? h->err : h->ok)[i]++;
	return 0;
}

/* What one condition at most asks for may be summed up already. */
static int read_sums(struct reader *r, struct histogram *h)
{
	struct series_question q = { .filter = h->filter,
				     .from_s = h->from_s,
				     .step_s = h->step_s,
				     .n = h->n,
				     .arena = h->arena };

	if (read_series(r, &q))
		return -1;
	for (size_t i = 0; i < h->n; i++) {
		h->err[i] = q.all.at[i].errors;
		h->ok[i] = q.all.at[i].n - q.all.at[i].errors;
	}
	h->partial = q.partial;
	return 0;
}

static int read_histogram(struct reader *r, void *arg)
{
	struct histogram *h = arg;
	struct read_page page = { .before = INT64_MAX, .limit = SIZE_MAX, .bare = true };
	int bad;

	if ((h->filter.n <= 1 || read_sums_all(r)) && !h->filter.typed.n)
		return read_sums(r, h);
	bad = read_rows(r, &h->filter, &page, on_row, h);

	h->partial = page.partial;
	return bad;
}

uint64_t nice_step(uint64_t seconds, uint64_t most)
{
	static const uint64_t nice[] = { 1,     2,     5,     10,    15,     30,    60,
					 120,   300,   600,   900,   1800,   3600,  7200,
					 10800, 21600, 43200, 86400, 172800, 604800 };

	for (size_t i = 0; i < COUNT(nice); i++)
		if (seconds / nice[i] + 2 <= most)
			return nice[i];
	return (seconds / most / 604800 + 1) * 604800;
}

bool query_has_range(const struct exchange *ex)
{
	return query_get(ex, B("range")).n || query_get(ex, B("from")).n;
}

static void put_numbers(struct pen *p, struct bytes key, const uint64_t *at, size_t n)
{
	pen_member(p, key);
	pen_open(p, '[');
	for (size_t i = 0; i < n; i++) {
		pen_item(p);
		pen_u64(p, at[i]);
	}
	pen_close(p, ']');
}

static int shape_histogram(struct exchange *ex, struct histogram *h)
{
	uint64_t buckets, to_s;

	if (query_filter(ex, &h->filter) ||
	    query_count(ex, B("buckets"), 60, BUCKETS_MAX, &buckets))
		return -1;
	filter_fix_range(&h->filter, query_has_range(ex));
	to_s = (uint64_t)(h->filter.to >> 15) / 1000;
	h->from_s = (uint64_t)(h->filter.from >> 15) / 1000;
	if (h->from_s > to_s)
		h->from_s = to_s;
	h->step_s = nice_step(to_s - h->from_s, buckets < 3 ? 3 : buckets);
	h->from_s -= h->from_s % h->step_s;
	h->n = (to_s - h->from_s) / h->step_s + 1;
	h->ok = arena_array(ex->arena, uint64_t, h->n);
	h->err = arena_array(ex->arena, uint64_t, h->n);
	return h->ok && h->err ? 0 : -1;
}

static void get_histogram(struct exchange *ex, const struct bytes *params)
{
	struct histogram h = { .arena = ex->arena };
	struct reply reply;
	int bad = shape_histogram(ex, &h) || internal_read(ex, READ_CHART_MS, read_histogram, &h);

	(void)params;
	reply_begin(&reply, ex);
	pen_key(&reply.pen, "from");
	pen_time(&reply.pen, h.from_s * 1000);
	pen_number(&reply.pen, "step_s", h.step_s);
	if (!bad) {
		put_numbers(&reply.pen, B(",\"ok\":"), h.ok, h.n);
		put_numbers(&reply.pen, B(",\"err\":"), h.err, h.n);
	}
	reply.partial = h.partial;
	reply_end(&reply, bad);
}

/* ---- of what kinds ---- */

struct facets {
	struct read_filter filter;
	struct bytes dims[DIMS_MAX], part;
	size_t ndims;
	struct facet *at[DIMS_MAX];
	size_t n[DIMS_MAX];
	bool partial;
	struct arena *arena;
};

static int list_facets(struct reader *r, void *arg)
{
	struct facets *f = arg;

	for (size_t i = 0; i < f->ndims; i++) {
		int late = read_facets(r, &f->filter, f->dims[i], f->part, &f->at[i], &f->n[i],
				       f->arena);

		if (late < 0)
			return -1;
		f->partial |= late;
	}
	return 0;
}

static int take_dims(const struct exchange *ex, struct facets *f)
{
	struct bytes rest = ex->query, name, value;

	while (query_next(&rest, ex->arena, &name, &value)) {
		if (!bytes_eq(name, B("dim")))
			continue;
		if (f->ndims == DIMS_MAX)
			return fail(ERR_INVALID_REQUEST, "more than %d dim", DIMS_MAX);
		f->dims[f->ndims++] = value;
	}
	f->part = query_get(ex, B("prefix"));
	return f->ndims ? 0 : fail(ERR_INVALID_REQUEST, "dim is missing: fn, model, status, ...");
}

static void put_facets(struct pen *p, const struct facets *f)
{
	pen_key(p, "facets");
	pen_open(p, '{');
	for (size_t d = 0; d < f->ndims; d++) {
		pen_item(p);
		pen_string(p, f->dims[d]);
		pen_lit(p, ":");
		pen_open(p, '[');
		for (size_t i = 0; i < f->n[d]; i++) {
			pen_item(p);
			pen_open(p, '{');
			pen_text(p, "v", f->at[d][i].value);
			pen_key(p, "n");
			if (f->at[d][i].n < 0)
				pen_lit(p, "null");
			else
				pen_u64(p, (uint64_t)f->at[d][i].n);
			pen_close(p, '}');
		}
		pen_close(p, ']');
	}
	pen_close(p, '}');
}

static void get_facets(struct exchange *ex, const struct bytes *params)
{
	struct facets f = { .arena = ex->arena };
	struct reply reply;
	int bad = query_filter(ex, &f.filter) || take_dims(ex, &f) ||
		  internal_read(ex, READ_LIST_MS, list_facets, &f);

	(void)params;
	reply_begin(&reply, ex);
	if (!bad)
		put_facets(&reply.pen, &f);
	reply.partial = f.partial;
	reply_end(&reply, bad);
}

const struct internal_route internal_charts_routes[] = {
	{ "GET", "/internal/signet/logs/count", ROLE_VIEWER, get_count },
	{ "GET", "/internal/signet/logs/histogram", ROLE_VIEWER, get_histogram },
	{ "GET", "/internal/signet/logs/facets", ROLE_VIEWER, get_facets },
	{ 0 },
};
