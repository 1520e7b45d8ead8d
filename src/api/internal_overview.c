/* What happened over a range, by the step and by whatever it is counted by (ui §4.1). */
#include "api/internal.h"

#include "store/read_series.h"

#define STEPS_WANTED 60
#define STEPS_MAX    1000

struct overview {
	struct series_question now, before;
};

static int read_overview(struct reader *r, void *arg)
{
	struct overview *o = arg;

	return read_series(r, &o->now) || read_series(r, &o->before) ? -1 : 0;
}

/* The words of ui §4.1 beside the filter's own. */
static struct bytes take_by(struct exchange *ex)
{
	struct bytes by = query_get(ex, B("by"));

	if (bytes_eq(by, B("function")))
		return B("fn");
	if (bytes_starts(by, B("tag:")))
		return arena_cat(ex->arena, B("tag."), bytes_slice(by, 4, by.n));
	return by;
}

static int shape(struct exchange *ex, struct overview *o)
{
	struct series_question *q = &o->now;
	uint64_t from_s, to_s, step;
	int64_t width;

	if (query_filter(ex, &q->filter) || query_count(ex, B("step"), 0, 31 * 86400, &step))
		return -1;
	filter_fix_range(&q->filter, query_has_range(ex));
	if (q->filter.from > q->filter.to)
		q->filter.from = q->filter.to;
	from_s = (uint64_t)(q->filter.from >> 15) / 1000;
	to_s = (uint64_t)(q->filter.to >> 15) / 1000;
	q->step_s = step ? step : nice_step(to_s - from_s, STEPS_WANTED);
	q->from_s = from_s - from_s % q->step_s;
	q->n = (to_s - q->from_s) / q->step_s + 1;
	if (q->n > STEPS_MAX)
		return fail(ERR_INVALID_REQUEST, "step=%" PRIu64 ": over %d steps in this range",
			    step, STEPS_MAX);
	q->by = take_by(ex);
	q->arena = ex->arena;
	width = q->filter.to - q->filter.from;
	o->before = (struct series_question){ .filter = q->filter, .n = 1, .arena = ex->arena };
	o->before.filter.to = q->filter.from;
	o->before.filter.from = q->filter.from > width ? q->filter.from - width : 0;
	o->before.from_s = (uint64_t)(o->before.filter.from >> 15) / 1000 / 3600 * 3600;
	o->before.step_s = 3600 * 24 * 3660ul; /* one step, of whole hours */
	return 0;
}

/* ---- printing ---- */

enum figure { N, ERR, IN, OUT, COST, PRICED, P50, P95, P99, TTFT50, TTFT95, FIGURES };
static const struct bytes figures[FIGURES] = {
	[N] = B(",\"n\":"),           [ERR] = B(",\"err\":"),       [IN] = B(",\"in\":"),
	[OUT] = B(",\"out\":"),       [COST] = B(",\"cost\":"),     [PRICED] = B(",\"priced\":"),
	[P50] = B(",\"p50\":"),       [P95] = B(",\"p95\":"),       [P99] = B(",\"p99\":"),
	[TTFT50] = B(",\"ttft50\":"), [TTFT95] = B(",\"ttft95\":"),
};

static void put_quantile(struct pen *p, const struct times *t, double part)
{
	double ms = times_quantile(t, part);

	if (ms < 0)
		pen_lit(p, "null");
	else
		pen_printf(p, "%.1f", ms);
}

static void put_figure(struct pen *p, const struct sums *s, enum figure f)
{
	switch (f) {
	case N: pen_u64(p, s->n); break;
	case ERR: pen_u64(p, s->errors); break;
	case IN: pen_u64(p, s->in); break;
	case OUT: pen_u64(p, s->out); break;
	case PRICED: pen_u64(p, s->priced); break;
	case COST:
		if (s->priced)
			pen_printf(p, "%.9g", (double)s->cost_nano / 1e9);
		else
			pen_lit(p, "null");
		break;
	case P50: put_quantile(p, s->ms, 0.5); break;
	case P95: put_quantile(p, s->ms, 0.95); break;
	case P99: put_quantile(p, s->ms, 0.99); break;
	case TTFT50: put_quantile(p, s->ttft_ms, 0.5); break;
	case TTFT95: put_quantile(p, s->ttft_ms, 0.95); break;
	case FIGURES: break;
	}
}

static void put_series(struct pen *p, const struct series *s, size_t n)
{
	pen_item(p);
	pen_open(p, '{');
	pen_key(p, "by");
	pen_string_or_null(p, s->by);
	for (enum figure f = 0; f < FIGURES; f++) {
		pen_member(p, figures[f]);
		pen_open(p, '[');
		for (size_t i = 0; i < n; i++) {
			pen_item(p);
			put_figure(p, &s->at[i], f);
		}
		pen_close(p, ']');
	}
	pen_close(p, '}');
}

static void put_total(struct pen *p, struct bytes key, const struct series *s, size_t n,
		      struct arena *a)
{
	struct sums all = { .ms = arena_new(a, struct times),
			    .ttft_ms = arena_new(a, struct times) };

	for (size_t i = 0; all.ms && all.ttft_ms && i < n; i++) {
		all.n += s->at[i].n;
		all.errors += s->at[i].errors;
		all.in += s->at[i].in;
		all.out += s->at[i].out;
		all.priced += s->at[i].priced;
		all.cost_nano += s->at[i].cost_nano;
		times_add(all.ms, s->at[i].ms);
		times_add(all.ttft_ms, s->at[i].ttft_ms);
	}
	pen_member(p, key);
	pen_open(p, '{');
	for (enum figure f = 0; f < FIGURES; f++) {
		pen_member(p, figures[f]);
		put_figure(p, &all, f);
	}
	pen_close(p, '}');
}

static void put_overview(struct pen *p, const struct overview *o)
{
	const struct series_question *q = &o->now;

	pen_key(p, "from");
	pen_time(p, q->from_s * 1000);
	pen_key(p, "to");
	pen_time(p, (uint64_t)(q->filter.to >> 15));
	pen_number(p, "step_s", q->step_s);
	pen_key(p, "series");
	pen_open(p, '[');
	if (!q->by.n)
		put_series(p, &q->all, q->n);
	for (size_t i = 0; i < q->nseries; i++)
		put_series(p, &q->at[i], q->n);
	pen_close(p, ']');
	put_total(p, B(",\"total\":"), &q->all, q->n, q->arena);
	put_total(p, B(",\"before\":"), &o->before.all, o->before.n, q->arena);
}

static void get_overview(struct exchange *ex, const struct bytes *params)
{
	struct overview o = { 0 };
	struct reply reply;
	int bad = shape(ex, &o) || internal_read(ex, READ_CHART_MS, read_overview, &o);

	(void)params;
	reply_begin(&reply, ex);
	if (!bad)
		put_overview(&reply.pen, &o);
	reply.partial = o.now.partial || o.before.partial;
	reply_end(&reply, bad);
}

const struct internal_route internal_overview_routes[] = {
	{ "GET", "/internal/signet/overview", ROLE_VIEWER, get_overview },
	{ 0 },
};
