/*
 * Counting must cost nothing that another thread can feel. Each thread owns a shard: a table of cells, one
 * for each metric and set of label values that this thread has met. Only the owner writes a cell, by a relaxed
 * load and store, and only the owner looks in its table, so counting takes no lock. The process-wide lock is
 * taken when a shard meets a new label set (its series is then found or made in the common list, which is also
 * where the limit of label sets is kept) and by a scrape, which sums the shards.
 * A thread that ends leaves its shard, with what it counted, to the next thread that begins.
 * Past the limit a metric folds new label sets into one whose values are all "other"; names come from
 * clients, and a scrape must not grow with what they make up.
 */
#include "base/metrics.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/map.h"
#include "base/pen.h"

#define MAX_METRICS 128
#define MAX_LABEL   128  /* bytes of a value, signet-own (f) */
#define MAX_SETS    1000 /* signet-own (f) */
#define MAX_LABELS  6
#define FIRST_CELLS 64

struct series {
	struct series *next; /* of the same metric, in order of appearance */
	struct metric *metric;
	uint64_t hash;
	size_t nlabels;
	struct bytes labels[MAX_LABELS];
	double (*fn)(void *);
	void *arg;
	double collected; /* of the scrape numbered `scrape` */
	uint64_t scrape;
};

struct cell {
	struct series *series;
	_Atomic double
		at[]; /* counter, gauge: the value; histogram: a count a bucket, +Inf, the sum */
};

struct shard {
	struct shard *next;
	struct cell **cells; /* open addressing by the series' hash */
	size_t len, cap;
	struct cell *latest[MAX_METRICS]; /* by metric: most often it is the same once more */
	bool owned;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	struct metric *metric;
	struct series *first, **last;
	size_t sets;
	void (*collect)(struct metric *);
} metrics[MAX_METRICS];
static int nmetrics;
static struct shard *shards;
static pthread_mutex_t scraping =
	PTHREAD_MUTEX_INITIALIZER; /* one scrape at a time; before `lock` */
static uint64_t scrape;

static _Thread_local struct shard *mine;
static pthread_key_t leave_key;
static pthread_once_t leave_once = PTHREAD_ONCE_INIT;

/* Models answer in seconds, so between one and sixty of them the buckets are close. */
static const double seconds[] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1,   1.5,
				  2,     2.5,  3,     4,    5,   7.5,  10,  15,   20,  25,
				  30,    45,   60,    90,   120, 180,  300, 600,  900, 0 };

static const double *bounds_of(const struct metric *m)
{
	return m->bounds ? m->bounds : seconds;
}

static size_t nbounds(const struct metric *m)
{
	size_t n = 0;

	while (bounds_of(m)[n] > 0)
		n++;
	return n;
}

static size_t cell_width(const struct metric *m)
{
	return m->type == METRIC_HISTOGRAM ? nbounds(m) + 2 : 1;
}

void metrics_register(struct metric *m)
{
	pthread_mutex_lock(&lock);
	if (nmetrics < MAX_METRICS && !m->id) {
		metrics[nmetrics].metric = m;
		metrics[nmetrics].last = &metrics[nmetrics].first;
		m->id = ++nmetrics; /* 0 means: not registered, and counts nowhere */
	}
	pthread_mutex_unlock(&lock);
}

static uint64_t series_hash(const struct metric *m, const struct bytes *values, size_t n)
{
	uint64_t hash = (uint64_t)m->id * 0x9e3779b97f4a7c15u;

	for (size_t i = 0; i < n; i++)
		hash = (hash << 7 | hash >> 57) ^ hash_bytes(values[i]);
	return hash;
}

static bool series_is(const struct series *s, const struct metric *m, const struct bytes *values,
		      size_t n)
{
	if (s->metric != m || s->nlabels != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!bytes_eq(s->labels[i], values[i]))
			return false;
	return true;
}

/* Under the lock. NULL: no memory. */
static struct series *series_make(struct metric *m, uint64_t hash, const struct bytes *values,
				  size_t n)
{
	size_t text = 0;
	struct series *s;
	char *p;

	for (size_t i = 0; i < n; i++)
		text += values[i].n;
	s = calloc(1, sizeof(*s) + text);
	if (!s)
		return NULL;
	s->metric = m;
	s->hash = hash;
	s->nlabels = n;
	p = (char *)(s + 1);
	for (size_t i = 0; i < n; i++) {
		if (values[i].n)
			memcpy(p, values[i].p, values[i].n);
		s->labels[i] = (struct bytes){ p, values[i].n };
		p += values[i].n;
	}
	*metrics[m->id - 1].last = s;
	metrics[m->id - 1].last = &s->next;
	metrics[m->id - 1].sets++;
	return s;
}

static struct series *series_find(struct metric *m, uint64_t hash, const struct bytes *values,
				  size_t n)
{
	struct series *s = metrics[m->id - 1].first;

	while (s && (s->hash != hash || !series_is(s, m, values, n)))
		s = s->next;
	return s;
}

static bool is_long(const struct bytes *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (values[i].n > MAX_LABEL)
			return true;
	return false;
}

/* Under the lock. The series of these values, or that of "other" when there are too many. */
static struct series *series_get(struct metric *m, uint64_t hash, const struct bytes *values,
				 size_t n)
{
	struct bytes instead[MAX_LABELS];
	struct series *s;

	if (is_long(values, n)) {
		for (size_t i = 0; i < n; i++)
			instead[i] = bytes_head(values[i], MAX_LABEL);
		values = instead;
		hash = series_hash(m, values, n);
	}
	s = series_find(m, hash, values, n);
	if (s || metrics[m->id - 1].sets < MAX_SETS)
		return s ? s : series_make(m, hash, values, n);
	for (size_t i = 0; i < n; i++)
		instead[i] = B("other");
	hash = series_hash(m, instead, n);
	s = series_find(m, hash, instead, n);
	return s ? s : series_make(m, hash, instead, n);
}

static struct cell **cell_place(struct cell **cells, size_t cap, const struct series *s)
{
	size_t i = (size_t)s->hash & (cap - 1);

	while (cells[i] && cells[i]->series != s)
		i = (i + 1) & (cap - 1);
	return &cells[i];
}

/* Under the lock. The shard's cell of a series, made if it is missing. NULL: no memory. */
static struct cell *cell_make(struct shard *sh, struct series *s)
{
	struct cell **place, *c;

	if (sh->len + 1 > sh->cap / 2) {
		size_t cap = sh->cap ? sh->cap * 2 : FIRST_CELLS;
		struct cell **bigger = calloc(cap, sizeof(struct cell *));

		if (!bigger)
			return NULL;
		for (size_t i = 0; i < sh->cap; i++)
			if (sh->cells[i])
				*cell_place(bigger, cap, sh->cells[i]->series) = sh->cells[i];
		free(sh->cells);
		sh->cells = bigger;
		sh->cap = cap;
	}
	place = cell_place(sh->cells, sh->cap, s);
	if (*place)
		return *place;
	c = calloc(1, sizeof(*c) + cell_width(s->metric) * sizeof(c->at[0]));
	if (!c)
		return NULL;
	c->series = s;
	*place = c;
	sh->len++;
	return c;
}

static void leave(void *shard)
{
	pthread_mutex_lock(&lock);
	((struct shard *)shard)->owned = false;
	pthread_mutex_unlock(&lock);
}

static void leave_key_make(void)
{
	pthread_key_create(&leave_key, leave);
}

/* Under the lock. */
static struct shard *shard_take(void)
{
	struct shard *sh = shards;

	while (sh && sh->owned)
		sh = sh->next;
	if (!sh) {
		sh = calloc(1, sizeof(*sh));
		if (!sh)
			return NULL;
		sh->next = shards;
		shards = sh;
	}
	sh->owned = true;
	mine = sh;
	pthread_setspecific(leave_key, sh);
	return sh;
}

static struct cell *cell_slow(struct metric *m, uint64_t hash, const struct bytes *values, size_t n)
{
	struct cell *c = NULL;
	struct series *s;

	pthread_once(&leave_once, leave_key_make);
	pthread_mutex_lock(&lock);
	s = mine || shard_take() ? series_get(m, hash, values, n) : NULL;
	if (s)
		c = cell_make(mine, s);
	pthread_mutex_unlock(&lock);
	return c;
}

/* NULL: not registered, or no memory; what cannot be counted is not counted. */
static struct cell *cell_get(struct metric *m, const struct bytes *values, size_t n)
{
	struct cell *c;
	uint64_t hash;

	if (!m->id || n > MAX_LABELS)
		return NULL;
	c = mine ? mine->latest[m->id - 1] : NULL;
	if (c && series_is(c->series, m, values, n))
		return c;
	hash = series_hash(m, values, n);
	c = NULL;
	if (mine && mine->cap) {
		size_t mask = mine->cap - 1, i = (size_t)hash & mask;

		while ((c = mine->cells[i]) &&
		       !(c->series->hash == hash && series_is(c->series, m, values, n)))
			i = (i + 1) & mask;
	}
	if (!c)
		c = cell_slow(m, hash, values, n);
	if (c)
		mine->latest[m->id - 1] = c;
	return c;
}

static void add(_Atomic double *at, double value)
{
	atomic_store_explicit(at, atomic_load_explicit(at, memory_order_relaxed) + value,
			      memory_order_relaxed);
}

void metric_add(struct metric *m, double value, const struct bytes *values, size_t n)
{
	struct cell *c = cell_get(m, values, n);

	if (c)
		add(&c->at[0], value);
}

void metric_observe(struct metric *m, double value, const struct bytes *values, size_t n)
{
	struct cell *c = cell_get(m, values, n);
	const double *bounds = bounds_of(m);
	size_t i = 0;

	if (!c)
		return;
	while (bounds[i] > 0 && value > bounds[i])
		i++;
	add(&c->at[i], 1);
	add(&c->at[nbounds(m) + 1], value);
}

void metrics_gauge_fn(struct metric *m, double (*fn)(void *), void *arg, const char *label_value)
{
	struct bytes value = bytes_of(label_value);
	size_t n = label_value ? 1 : 0;
	struct series *s;

	if (!m->id)
		return;
	pthread_mutex_lock(&lock);
	s = series_get(m, series_hash(m, &value, n), &value, n);
	if (s) {
		s->fn = fn;
		s->arg = arg;
	}
	pthread_mutex_unlock(&lock);
}

void metrics_collect_fn(struct metric *m, void (*fn)(struct metric *))
{
	if (!m->id)
		return;
	pthread_mutex_lock(&lock);
	metrics[m->id - 1].collect = fn;
	pthread_mutex_unlock(&lock);
}

void metric_collect(struct metric *m, double value, const struct bytes *values, size_t n)
{
	struct series *s;

	pthread_mutex_lock(&lock);
	s = series_get(m, series_hash(m, values, n), values, n);
	if (s) {
		s->collected = s->scrape == scrape ? s->collected + value : value;
		s->scrape = scrape;
	}
	pthread_mutex_unlock(&lock);
}

static double gauge_read(const struct series *s, double counted)
{
	if (metrics[s->metric->id - 1].collect)
		return s->scrape == scrape ? s->collected : 0;
	return s->fn ? s->fn(s->arg) : counted;
}

/* Under the lock. The sums of a series over all shards, in `at`. */
static void series_sum(struct series *s, double *at, size_t width)
{
	memset(at, 0, width * sizeof(*at));
	for (struct shard *sh = shards; sh; sh = sh->next) {
		struct cell *c = sh->cap ? *cell_place(sh->cells, sh->cap, s) : NULL;

		for (size_t i = 0; c && i < width; i++)
			at[i] += atomic_load_explicit(&c->at[i], memory_order_relaxed);
	}
}

/* The shortest text that reads back as the same number. */
static void put_number(struct pen *p, double v)
{
	char text[40];

	if (isinf(v) || isnan(v)) {
		pen_bytes(p, isnan(v) ? B("NaN") : v > 0 ? B("+Inf") : B("-Inf"));
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	pen_bytes(p, bytes_of(text));
}

/* Backslash, line feed and (in values of labels) quote; bytes that are no UTF-8 would spoil the whole page. */
static void put_escaped(struct pen *p, struct bytes s, bool quotes)
{
	bool valid = bytes_is_utf8(s);

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\' || (quotes && s.p[i] == '"'))
			pen_lit(p, "\\");
		if (s.p[i] == '\n')
			pen_lit(p, "\\n");
		else if (!valid && (unsigned char)s.p[i] >= 0x80)
			pen_lit(p, "\xef\xbf\xbd");
		else
			pen_bytes(p, bytes_slice(s, i, 1));
	}
}

/* {name="value",...}; a label whose value is unset is left out. `le` NULL: none. */
static void put_labels(struct pen *p, const struct series *s, const char *le)
{
	struct bytes names = bytes_of(s->metric->labels);
	char sep = '{';

	for (size_t i = 0; i < s->nlabels; i++) {
		struct bytes name = bytes_cut(&names, ',');

		if (!s->labels[i].n)
			continue;
		pen_printf(p, "%c%.*s=\"", sep, BFMT(name));
		put_escaped(p, s->labels[i], true);
		pen_lit(p, "\"");
		sep = ',';
	}
	if (le)
		pen_printf(p, "%cle=\"%s\"", sep, le);
	if (le || sep == ',')
		pen_lit(p, "}");
}

static void put_sample(struct pen *p, const struct series *s, const char *suffix, const char *le,
		       double value)
{
	pen_printf(p, "%s%s", s->metric->name, suffix);
	put_labels(p, s, le);
	pen_lit(p, " ");
	put_number(p, value);
	pen_lit(p, "\n");
}

static void put_histogram(struct pen *p, const struct series *s, const double *at, size_t n)
{
	const double *bounds = bounds_of(s->metric);
	double total = 0;
	char le[40];

	for (size_t i = 0; i <= n; i++) {
		total += at[i];
		snprintf(le, sizeof(le), "%.15g", i < n ? bounds[i] : 0.0);
		put_sample(p, s, "_bucket", i < n ? le : "+Inf", total);
	}
	put_sample(p, s, "_sum", NULL, at[n + 1]);
	put_sample(p, s, "_count", NULL, total);
}

static void put_series(struct pen *p, struct series *s, double *at, size_t width)
{
	series_sum(s, at, width);
	if (s->metric->type == METRIC_HISTOGRAM)
		put_histogram(p, s, at, width - 2);
	else
		put_sample(p, s, "", NULL, gauge_read(s, at[0]));
}

/* Under the lock. A metric that has labels and was never counted is not shown. */
static int put_metric(struct pen *p, struct metric *m)
{
	static const char *const types[] = { "counter", "gauge", "histogram" };
	size_t width = cell_width(m);
	struct series *first = metrics[m->id - 1].first;
	double *at;

	if (!first && (m->labels || m->type == METRIC_HISTOGRAM))
		return 0;
	at = calloc(width, sizeof(*at));
	if (!at)
		return fail(ERR_OUT_OF_MEMORY, "no memory for a metric of %zu values", width);
	pen_printf(p, "# HELP %s ", m->name);
	put_escaped(p, bytes_of(m->help), false);
	pen_printf(p, "\n# TYPE %s %s\n", m->name, types[m->type]);
	if (!first)
		pen_printf(p, "%s 0\n", m->name);
	for (struct series *s = first; s; s = s->next)
		put_series(p, s, at, width);
	free(at);
	return pen_done(p);
}

/* Without the lock, which the collectors take for each of their values. */
static void collect_all(void)
{
	pthread_mutex_lock(&lock);
	scrape++;
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < nmetrics; i++)
		if (metrics[i].collect)
			metrics[i].collect(metrics[i].metric);
}

int metrics_print(struct buf *out)
{
	struct pen p = { .b = out };
	int bad = 0;

	pthread_mutex_lock(&scraping);
	collect_all();
	pthread_mutex_lock(&lock);
	for (int i = 0; i < nmetrics && !bad; i++)
		bad = put_metric(&p, metrics[i].metric);
	pthread_mutex_unlock(&lock);
	pthread_mutex_unlock(&scraping);
	return bad;
}

double metric_sum(struct metric *m)
{
	size_t at = m->type == METRIC_HISTOGRAM ? nbounds(m) + 1 : 0;
	double total = 0;

	if (!m->id)
		return 0;
	pthread_mutex_lock(&lock);
	for (struct shard *sh = shards; sh; sh = sh->next)
		for (size_t i = 0; i < sh->cap; i++)
			if (sh->cells[i] && sh->cells[i]->series->metric == m)
				total += atomic_load_explicit(&sh->cells[i]->at[at],
							      memory_order_relaxed);
	pthread_mutex_unlock(&lock);
	return total;
}
