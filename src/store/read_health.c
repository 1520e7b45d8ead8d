/* How the providers did lately: each try of the newest rows counts, those of one that fell back, too. */
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "store/read_own.h"

#define ROWS_MAX 20000

struct looking {
	struct provider_health **at;
	size_t *n, cap;
	struct arena *arena;
};

static struct provider_health *health_of(struct looking *l, struct bytes model,
					 struct bytes provider)
{
	struct provider_health *h = arena_new(l->arena, struct provider_health);

	for (size_t i = 0; i < *l->n; i++)
		if (bytes_eq((*l->at)[i].model, model) && bytes_eq((*l->at)[i].provider, provider))
			return &(*l->at)[i];
	if (!h || !model.n)
		return NULL;
	h->model = arena_dup(l->arena, model);
	h->provider = arena_dup(l->arena, provider);
	return arena_push(l->arena, *l->at, *l->n, l->cap, *h) ? &(*l->at)[*l->n - 1] : NULL;
}

static void count_failed(struct looking *l, const struct log_entry *e, yyjson_val *attempt)
{
	struct provider_health *h = health_of(l, json_str(json_get(attempt, "model")),
					      json_str(json_get(attempt, "provider")));
	struct bytes text = json_str(json_get(attempt, N_ERROR));
	uint64_t status = 0;

	if (!h)
		return;
	h->n++;
	h->errors++;
	if (h->errors == h->n) /* none went well since */
		h->since_ms = (uint64_t)e->seq >> 15;
	if (h->last_error_ms)
		return;
	(void)json_u64(json_get(attempt, N_STATUS), &status);
	h->last_error_ms = (uint64_t)e->seq >> 15;
	h->last_status = (int)status;
	h->last_error = arena_dup(l->arena, bytes_head(text, 300));
}

static int push_number(struct looking *l, struct numbers *to, const struct cell *c)
{
	if (c->type != CELL_INT)
		return 0;
	return arena_push(l->arena, to->at, to->n, to->cap, c->num) ? 0 : -1;
}

static int on_row(const struct log_entry *e, void *arg)
{
	struct looking *l = arg;
	struct bytes attempts =
		e->has_error ? cell_text(&e->error[E_ATTEMPTS]) : (struct bytes){ 0 };
	struct provider_health *h;
	yyjson_val *all, *one;
	struct arena scratch;
	size_t i, max;

	arena_init(&scratch, READ_ENTRY_MAX);
	all = attempts.n ? json_parse(attempts, &scratch) : NULL;
	if (yyjson_is_arr(all)) {
		yyjson_arr_foreach(all, i, max, one) count_failed(l, e, one);
	}
	arena_deinit(&scratch);
	if (bytes_eq(cell_text(&e->list[L_STATE]), B("error")))
		return 0;
	h = health_of(l, cell_text(&e->list[L_MODEL]), cell_text(&e->list[L_PROVIDER]));
	if (!h)
		return 0;
	h->n++;
	return push_number(l, &h->ms, &e->list[L_MS]) ||
			       push_number(l, &h->ttft_ms, &e->list[L_TTFT])
		       ? -1
		       : 0;
}

static int by_number(const void *x, const void *y)
{
	int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;

	return a < b ? -1 : a > b;
}

int64_t numbers_quantile(struct numbers *ns, double part)
{
	size_t i = (size_t)((double)ns->n * part);

	if (!ns->n)
		return -1;
	qsort(ns->at, ns->n, sizeof(*ns->at), by_number);
	return ns->at[i < ns->n ? i : ns->n - 1];
}

int read_provider_health(struct reader *r, uint64_t since_unix_ms, struct provider_health **out,
			 size_t *n, struct arena *a)
{
	struct looking l = { .at = out, .n = n, .arena = a };
	struct read_page page = { .before = INT64_MAX, .limit = ROWS_MAX };
	struct read_filter f;

	*out = NULL;
	*n = 0;
	filter_init(&f, a);
	f.from = (int64_t)(since_unix_ms << 15);
	page.no_clickhouse = true; /* what failed is not there */
	return r->clickhouse && !r->log.db ? read_recent(r, &f, &page, on_row, &l)
					   : read_rows(r, &f, &page, on_row, &l);
}
