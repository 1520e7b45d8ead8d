/*
 * TensorZero's routes under /internal that are about model calls (http-api §20.1, §20.2), in its shapes. What it reads
 * from materialized views comes from the same sums as the charts.
 */
#include "api/internal.h"

#include <time.h>

#include "base/json.h"
#include "store/read_series.h"
#include "store/row.h"

#define PERIODS_MAX 400
#define PAGE_MOST   1000

/* ---- the calls of an inference ---- */

struct lookup {
	struct bytes id;
	struct log_entry e;
	bool found, episode;
	struct arena *arena;
};

static int look_up(struct reader *r, void *arg)
{
	struct lookup *l = arg;
	int found = read_find(r, l->id, &l->e, l->arena);

	l->found = found > 0;
	return found < 0 ? -1 : 0;
}

static bool take_uuid(struct exchange *ex, struct bytes text, struct bytes *out)
{
	char id[UUID_TEXT + 1];
	struct uuid u;

	if (!uuid_parse(text, &u))
		return fail(ERR_INVALID_UUID, "Invalid UUID: %.*s", BFMT(bytes_head(text, 100))),
		       false;
	*out = arena_dup(ex->arena, uuid_text(u, id));
	return bytes_set(*out);
}

static void put_seconds(struct pen *p, uint64_t unix_s)
{
	char text[25];

	time_rfc3339_ms(unix_s * 1000, text);
	memcpy(text + 19, "Z", 2);
	pen_string(p, bytes_of(text));
}

static void put_cell(struct pen *p, const struct column *c, const struct cell *cell)
{
	pen_item(p);
	pen_string(p, c->name);
	pen_lit(p, ":");
	if (cell->type == CELL_NULL)
		pen_lit(p, "null");
	else if (cell->type == CELL_TEXT && c->kind == COL_JSON && cell->text.n)
		pen_bytes(p, cell->text);
	else if (cell->type == CELL_TEXT)
		pen_string(p, cell->text);
	else if (c->kind == COL_BOOL)
		pen_bytes(p, cell->num ? B("true") : B("false"));
	else if (c->kind == COL_NANO)
		pen_printf(p, "%.9g", (double)cell->num / 1e9);
	else
		pen_printf(p, "%" PRId64, cell->num);
}

static void put_model_inference(struct pen *p, const struct log_model *m)
{
	struct uuid id;

	pen_item(p);
	pen_open(p, '{');
	for (size_t i = 0; i < M_CELLS; i++)
		put_cell(p, &model_columns[i], &m->m[i]);
	pen_key(p, "timestamp");
	put_seconds(p, uuid_parse(cell_text(&m->m[M_ID]), &id) ? uuid_v7_ms(id) / 1000 : 0);
	pen_close(p, '}');
}

static void get_model_inferences(struct exchange *ex, const struct bytes *params)
{
	struct lookup l = { .arena = ex->arena };
	struct reply reply;
	int bad = !take_uuid(ex, params[0], &l.id) || internal_read(ex, READ_LIST_MS, look_up, &l);

	reply_begin(&reply, ex);
	pen_key(&reply.pen, "model_inferences");
	pen_open(&reply.pen, '[');
	/* the id of one of its calls is no inference's here */
	for (size_t i = 0;
	     !bad && l.found && bytes_eq(l.e.list[L_ID].text, l.id) && i < l.e.nmodels; i++)
		put_model_inference(&reply.pen, &l.e.models[i]);
	pen_close(&reply.pen, ']');
	reply_end(&reply, bad);
}

/* ---- what an id is of ---- */

static int on_any(const struct log_entry *e, void *arg)
{
	(void)e;
	((struct lookup *)arg)->episode = true;
	return 1;
}

static int resolve(struct reader *r, void *arg)
{
	struct lookup *l = arg;
	struct read_page page = { .before = INT64_MAX, .limit = 1, .bare = true };
	struct read_filter f;

	filter_init(&f, l->arena);
	if (look_up(r, l) || filter_take(&f, B(N_EPISODE), l->id, 0) < 0)
		return -1;
	return read_rows(r, &f, &page, on_any, l);
}

static void put_object(struct pen *p, const struct lookup *l)
{
	const struct cell *c = l->e.list;

	pen_item(p);
	pen_open(p, '{');
	if (bytes_eq(cell_text(&c[L_ID]), l->id)) {
		pen_text(p, "type", B("inference"));
		pen_item(p);
		pen_lit(p, "\"" N_FUNCTION "\":");
		pen_string(p, cell_text(&c[L_FUNCTION]));
		put_cell(p, &list_columns[L_TYPE], &c[L_TYPE]);
		put_cell(p, &list_columns[L_VARIANT], &c[L_VARIANT]);
		put_cell(p, &list_columns[L_EPISODE], &c[L_EPISODE]);
	} else {
		pen_text(p, "type", B("model_inference"));
		pen_text(p, "inference_id", cell_text(&c[L_ID]));
		for (size_t i = 0; i < l->e.nmodels; i++)
			if (bytes_eq(cell_text(&l->e.models[i].m[M_ID]), l->id)) {
				put_cell(p, &model_columns[M_MODEL], &l->e.models[i].m[M_MODEL]);
				put_cell(p, &model_columns[M_PROVIDER],
					 &l->e.models[i].m[M_PROVIDER]);
			}
	}
	pen_close(p, '}');
}

static void resolve_uuid(struct exchange *ex, const struct bytes *params)
{
	struct lookup l = { .arena = ex->arena };
	struct reply reply;
	struct pen *p = &reply.pen;
	int bad = !take_uuid(ex, params[0], &l.id) || internal_read(ex, READ_LIST_MS, resolve, &l);

	reply_begin(&reply, ex);
	pen_text(p, "id", l.id);
	pen_key(p, "object_types");
	pen_open(p, '[');
	if (!bad && l.found)
		put_object(p, &l);
	if (!bad && l.episode) {
		pen_item(p);
		pen_lit(p, "{\"type\":\"episode\"}");
		p->comma = true;
	}
	pen_close(p, ']');
	reply_end(&reply, bad);
}

/* ---- metadata ---- */

struct metadata {
	struct read_filter filter;
	struct read_page page;
	bool ascending;
	struct kept {
		struct bytes text;
		struct arena arena;
	} * ring; /* the last `limit` rows, printed */
	size_t limit, n;
};

static int put_metadata(const struct log_entry *e, struct buf *out)
{
	static const enum list_cell cells[] = { L_ID,      L_FUNCTION, L_VARIANT,
						L_EPISODE, L_TYPE,     L_HASH };
	struct pen p = { .b = out };

	pen_open(&p, '{');
	for (size_t i = 0; i < COUNT(cells); i++)
		if (cells[i] != L_HASH || e->list[L_HASH].type != CELL_NULL)
			put_cell(&p, &list_columns[cells[i]], &e->list[cells[i]]);
	pen_close(&p, '}');
	return pen_done(&p);
}

/* Newest first; going up from `after` they are those that come last. */
static int on_metadata(const struct log_entry *e, void *arg)
{
	struct metadata *m = arg;
	struct kept *k = &m->ring[m->n++ % m->limit];
	struct buf out;
	int bad;

	arena_deinit(&k->arena);
	buf_init(&out, 1u << 20);
	bad = put_metadata(e, &out);
	k->text = arena_dup(&k->arena, buf_bytes(&out));
	buf_deinit(&out);
	return bad || !bytes_set(k->text) ? -1 : 0;
}

static int read_metadata(struct reader *r, void *arg)
{
	struct metadata *m = arg;

	return read_rows(r, &m->filter, &m->page, on_metadata, m);
}

static int take_place(struct exchange *ex, struct bytes name, int64_t *seq)
{
	struct bytes text = query_get(ex, name), id;
	struct uuid u;

	if (!bytes_set(text))
		return 0;
	if (!take_uuid(ex, text, &id))
		return -1;
	(void)uuid_parse(text, &u);
	*seq = row_seq(u);
	return 1;
}

static int shape_metadata(struct exchange *ex, struct metadata *m)
{
	static const struct bytes equal[] = { B(N_FUNCTION), B(N_VARIANT), B(N_EPISODE) };
	int64_t after = 0, before = INT64_MAX;
	uint64_t limit;
	int up, down;

	filter_init(&m->filter, ex->arena);
	for (size_t i = 0; i < COUNT(equal); i++) {
		struct bytes value = query_get(ex, equal[i]);

		if (bytes_set(value) && filter_take(&m->filter, equal[i], value, 0) < 0)
			return -1;
	}
	up = take_place(ex, B("after"), &after);
	down = take_place(ex, B("before"), &before);
	if (up < 0 || down < 0 || query_count(ex, B("limit"), 20, PAGE_MOST, &limit))
		return -1;
	if (up && down)
		return fail(ERR_INVALID_REQUEST, "Cannot specify both 'before' and 'after'");
	m->ascending = up;
	m->filter.from = up ? after + 1 : 0;
	m->limit = limit;
	m->page = (struct read_page){ .before = before,
				      .limit = up ? SIZE_MAX : limit,
				      .lean = true };
	m->ring = arena_array(ex->arena, struct kept, limit);
	for (size_t i = 0; m->ring && i < limit; i++)
		arena_init(&m->ring[i].arena, 1u << 20);
	return m->ring ? 0 : -1;
}

static void get_metadata(struct exchange *ex, const struct bytes *params)
{
	struct metadata m = { 0 };
	struct reply reply;
	size_t first;
	int bad = shape_metadata(ex, &m) || internal_read(ex, READ_LIST_MS, read_metadata, &m);

	(void)params;
	reply_begin(&reply, ex);
	pen_key(&reply.pen, "inference_metadata");
	pen_open(&reply.pen, '[');
	first = m.n > m.limit ? m.n - m.limit : 0;
	for (size_t i = first; !bad && i < m.n; i++) {
		pen_item(&reply.pen);
		pen_bytes(&reply.pen, m.ring[i % m.limit].text);
	}
	pen_close(&reply.pen, ']');
	for (size_t i = 0; m.ring && i < m.limit && i < m.n; i++)
		arena_deinit(&m.ring[i].arena);
	reply.partial = m.page.partial;
	reply_end(&reply, bad);
}

/* ---- counts ---- */

struct total {
	struct read_filter filter;
	size_t n;
};

static int count_all(struct reader *r, void *arg)
{
	struct total *t = arg;
	bool exact;

	if (read_count(r, &t->filter, SIZE_MAX, &t->n, &exact))
		return -1;
	return exact ? 0 : fail(ERR_BUSY, "Too many inferences to count in time: narrow it");
}

static int shape_count(struct exchange *ex, struct total *t)
{
	static const struct {
		const char *name;
		struct bytes parameter;
	} equal[] = { { N_FUNCTION, B(N_FUNCTION) },
		      { N_VARIANT, B(N_VARIANT) },
		      { N_EPISODE, B(N_EPISODE) } };
	struct bytes text;
	yyjson_val *body, *v;

	filter_init(&t->filter, ex->arena);
	if (exchange_body(ex, &text))
		return -1;
	body = json_parse(text, ex->arena);
	if (!body)
		return -1;
	v = json_get(body, "filters");
	if ((v && !yyjson_is_null(v)) || json_get(body, "search_query_experimental"))
		return fail(ERR_INVALID_REQUEST,
			    "This version of Signet counts by function, variant and episode alone");
	for (size_t i = 0; i < COUNT(equal); i++) {
		struct bytes value = json_str(json_get(body, equal[i].name));

		if (bytes_set(value) && filter_take(&t->filter, equal[i].parameter, value, 0) < 0)
			return -1;
	}
	return 0;
}

static void count_inferences(struct exchange *ex, const struct bytes *params)
{
	struct total t = { 0 };
	struct reply reply;
	int bad = shape_count(ex, &t) || internal_read(ex, READ_CHART_MS, count_all, &t);

	(void)params;
	reply_begin(&reply, ex);
	pen_number(&reply.pen, "count", t.n);
	reply_end(&reply, bad);
}

struct models_count {
	struct read_filter filter;
	struct facet *at;
	size_t n;
	struct arena *arena;
};

static int list_model_names(struct reader *r, void *arg)
{
	struct models_count *m = arg;

	int late = read_facets(r, &m->filter, B("model"), B(""), &m->at, &m->n, m->arena);

	return late > 0 ? fail(ERR_BUSY, "Too many models to count in time") : late;
}

static void get_models_count(struct exchange *ex, const struct bytes *params)
{
	struct models_count m = { .arena = ex->arena };
	struct reply reply;
	int bad;

	(void)params;
	filter_init(&m.filter, ex->arena);
	bad = internal_read(ex, READ_CHART_MS, list_model_names, &m);
	reply_begin(&reply, ex);
	pen_number(&reply.pen, "model_count", m.n);
	reply_end(&reply, bad);
}

/* ---- sums by model and period ---- */

static const struct window {
	struct bytes name;
	uint64_t step_s;
	uint64_t offset_s; /* where the first of them began after 1970: weeks begin on Monday */
} windows[] = {
	{ B("minute"), 60, 0 },   { B("hour"), 3600, 0 },
	{ B("day"), 86400, 0 },   { B("week"), 604800, 4 * 86400 },
	{ B("month"), 86400, 0 }, { B("cumulative"), 86400ul * 365000, 0 },
};

struct usage_page {
	struct series_question q;
	const struct window *window;
};

static int read_usage(struct reader *r, void *arg)
{
	return read_series(r, &((struct usage_page *)arg)->q);
}

static bool is_window(const struct usage_page *u, const char *name)
{
	return bytes_eq(u->window->name, bytes_of(name));
}

static int shape_usage(struct exchange *ex, struct usage_page *u, bool periods_wanted)
{
	struct bytes name = query_get(ex, B("time_window"));
	uint64_t periods = 1, now = clock_unix_ms() / 1000, step, back;

	for (size_t i = 0; i < COUNT(windows); i++)
		if (bytes_eq(windows[i].name, name))
			u->window = &windows[i];
	if (!u->window)
		return fail(ERR_INVALID_REQUEST,
			    "time_window: wanted is minute, hour, day, week, month or cumulative");
	if (periods_wanted && !bytes_set(query_get(ex, B("max_periods"))))
		return fail(ERR_INVALID_REQUEST, "max_periods is missing");
	if (query_count(ex, B("max_periods"), 1, PERIODS_MAX, &periods))
		return -1;
	filter_init(&u->q.filter, ex->arena);
	step = u->window->step_s;
	back = (is_window(u, "month") ? periods * 31 : periods) * step;
	u->q.step_s = step;
	u->q.from_s = now > back ? now - back : 0;
	u->q.from_s -=
		u->q.from_s < u->window->offset_s ? 0 : (u->q.from_s - u->window->offset_s) % step;
	u->q.n = (size_t)((now - u->q.from_s) / step + 1);
	u->q.filter.from = (int64_t)(u->q.from_s * 1000) << 15;
	u->q.filter.to = (int64_t)(now + 1) * 1000 << 15;
	u->q.by = B("model");
	u->q.arena = ex->arena;
	return 0;
}

static void add_sums(struct sums *to, const struct sums *s)
{
	to->n += s->n;
	to->in += s->in;
	to->out += s->out;
	to->priced += s->priced;
	to->cost_nano += s->cost_nano;
}

/* The step's period, which for months holds many of them. */
static uint64_t period_of(const struct usage_page *u, size_t i)
{
	uint64_t s = u->q.from_s + i * u->q.step_s;
	time_t t = (time_t)s;
	struct tm tm;

	if (is_window(u, "cumulative"))
		return 0;
	if (!is_window(u, "month"))
		return s;
	gmtime_r(&t, &tm);
	return s - (uint64_t)(tm.tm_mday - 1) * 86400;
}

static void put_usage(struct pen *p, uint64_t period, struct bytes model, const struct sums *s)
{
	pen_item(p);
	pen_open(p, '{');
	pen_key(p, "period_start");
	put_seconds(p, period);
	pen_item(p);
	pen_lit(p, "\"" N_MODEL "\":");
	pen_string(p, model);
	pen_printf(p, ",\"" N_IN "\":%" PRIu64 ",\"" N_OUT "\":%" PRIu64 ",\"count\":%" PRIu64,
		   s->in, s->out, s->n);
	pen_lit(p, ",\"" N_COST "\":");
	if (s->priced)
		pen_printf(p, "%.9g", (double)s->cost_nano / 1e9);
	else
		pen_lit(p, "null");
	pen_printf(p, ",\"count_with_cost\":%" PRIu64, s->priced);
	pen_close(p, '}');
}

static void put_series(struct pen *p, const struct usage_page *u, const struct series *s)
{
	for (size_t i = 0; i < u->q.n;) {
		uint64_t period = period_of(u, i);
		struct sums all = { 0 };

		for (; i < u->q.n && period_of(u, i) == period; i++)
			add_sums(&all, &s->at[i]);
		if (all.n)
			put_usage(p, period, s->by, &all);
	}
}

static void get_usage(struct exchange *ex, const struct bytes *params)
{
	struct usage_page u = { 0 };
	struct reply reply;
	int bad = shape_usage(ex, &u, true) || internal_read(ex, READ_CHART_MS, read_usage, &u);

	(void)params;
	reply_begin(&reply, ex);
	pen_key(&reply.pen, "data");
	pen_open(&reply.pen, '[');
	for (size_t i = 0; !bad && i < u.q.nseries; i++)
		put_series(&reply.pen, &u, &u.q.at[i]);
	pen_close(&reply.pen, ']');
	reply.partial = u.q.partial;
	reply_end(&reply, bad);
}

/* The levels of storage §1.2. */
static size_t quantile_levels(double out[80])
{
	static const struct {
		double from, to, by;
	} runs[] = { { 0.01, 0.1001, 0.01 },
		     { 0.12, 0.9001, 0.02 },
		     { 0.91, 0.9901, 0.01 },
		     { 0.991, 0.9991, 0.001 } };
	size_t n = 0;

	out[n++] = 0.001;
	out[n++] = 0.005;
	for (size_t r = 0; r < COUNT(runs); r++)
		for (int i = 0; runs[r].from + i * runs[r].by < runs[r].to; i++)
			out[n++] = runs[r].from + i * runs[r].by;
	return n;
}

static void put_quantiles(struct pen *p, struct bytes key, const struct times *t)
{
	double levels[80];
	size_t n = quantile_levels(levels);

	pen_member(p, key);
	pen_open(p, '[');
	for (size_t i = 0; i < n; i++) {
		double ms = times_quantile(t, levels[i]);

		pen_item(p);
		if (ms < 0)
			pen_lit(p, "null");
		else
			pen_printf(p, "%.1f", ms);
	}
	pen_close(p, ']');
}

static void put_latency(struct pen *p, const struct series *s, size_t n, struct arena *a)
{
	struct sums all = { .ms = arena_new(a, struct times),
			    .ttft_ms = arena_new(a, struct times) };

	for (size_t i = 0; all.ms && all.ttft_ms && i < n; i++) {
		all.n += s->at[i].n;
		times_add(all.ms, s->at[i].ms);
		times_add(all.ttft_ms, s->at[i].ttft_ms);
	}
	pen_item(p);
	pen_open(p, '{');
	pen_item(p);
	pen_lit(p, "\"" N_MODEL "\":");
	pen_string(p, s->by);
	put_quantiles(p, B(",\"" N_RESPONSE_MS "_quantiles\":"), all.ms);
	put_quantiles(p, B(",\"" N_TTFT "_quantiles\":"), all.ttft_ms);
	pen_number(p, "count", all.n);
	pen_close(p, '}');
}

static void get_latency(struct exchange *ex, const struct bytes *params)
{
	struct usage_page u = { 0 };
	struct reply reply;
	struct pen *p = &reply.pen;
	double levels[80];
	size_t n = quantile_levels(levels);
	int bad = shape_usage(ex, &u, false) || internal_read(ex, READ_CHART_MS, read_usage, &u);

	(void)params;
	reply_begin(&reply, ex);
	pen_key(p, "quantiles");
	pen_open(p, '[');
	for (size_t i = 0; i < n; i++) {
		pen_item(p);
		pen_printf(p, "%.3g", levels[i]);
	}
	pen_close(p, ']');
	pen_key(p, "data");
	pen_open(p, '[');
	for (size_t i = 0; !bad && i < u.q.nseries; i++)
		put_latency(p, &u.q.at[i], u.q.n, ex->arena);
	pen_close(p, ']');
	reply.partial = u.q.partial;
	reply_end(&reply, bad);
}

const struct internal_route internal_tensorzero_routes[] = {
	{ "GET", "/internal/model_inferences/{id}", ROLE_VIEWER, get_model_inferences },
	{ "GET", "/internal/resolve_uuid/{id}", ROLE_VIEWER, resolve_uuid },
	{ "GET", "/internal/inference_metadata", ROLE_VIEWER, get_metadata },
	{ "POST", "/internal/inferences/count", ROLE_VIEWER, count_inferences },
	{ "GET", "/internal/models/count", ROLE_VIEWER, get_models_count },
	{ "GET", "/internal/models/usage", ROLE_VIEWER, get_usage },
	{ "GET", "/internal/models/latency", ROLE_VIEWER, get_latency },
	{ 0 },
};
