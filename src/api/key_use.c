/*
 * The use of a key is asked as a chart of one step: so it comes from the rollups and costs the same however many rows
 * there are. Keys that were not used within the time are not asked for; when the time is over, the rest stays unknown.
 */
#include "api/key_use.h"

#include "api/internal.h"
#include "base/log.h"
#include "base/time.h"
#include "store/read_series.h"

#define USE_S (30 * 86400ull)

struct use_question {
	const struct key_facts *keys;
	struct key_use *out;
	size_t n;
	struct arena *arena;
	uint64_t now_ms, from_s;
};

static int read_key(struct reader *r, const struct use_question *u, size_t i)
{
	struct series_question q = {
		.from_s = u->from_s, .step_s = 2 * USE_S, .n = 1, .arena = u->arena
	};
	const struct sums *s;

	filter_init(&q.filter, u->arena);
	q.filter.from = (int64_t)(u->from_s * 1000) << 15;
	q.filter.to = (int64_t)(u->now_ms + 1000) << 15;
	if (filter_take(&q.filter, B("key"), u->keys[i].public_id, u->now_ms) < 0 ||
	    read_series(r, &q))
		return -1;
	s = &q.all.at[0];
	if (!q.partial)
		u->out[i] = (struct key_use){ .known = true,
					      .n = s->n,
					      .tokens = s->in + s->out,
					      .priced = s->priced,
					      .cost_nano = s->cost_nano };
	return 0;
}

static int read_use(struct reader *r, void *arg)
{
	const struct use_question *u = arg;

	for (size_t i = 0; i < u->n; i++) {
		if (u->keys[i].used_ms / 1000 < u->from_s)
			u->out[i].known = true; /* of nothing */
		else if (!read_over(r) && read_key(r, u, i))
			return -1;
	}
	return 0;
}

void key_use_read(struct exchange *ex, const struct key_facts *keys, size_t n, struct key_use *out)
{
	uint64_t now_ms = clock_unix_ms();
	struct use_question u = { .keys = keys,
				  .out = out,
				  .n = n,
				  .arena = ex->arena,
				  .now_ms = now_ms,
				  .from_s = (now_ms / 1000 - USE_S) / 3600 * 3600 };

	if (api_app(ex)->reads && internal_read(ex, READ_CHART_MS, read_use, &u))
		log_warn("api", "the use of keys could not be read",
			 LB("error", error_last()->message));
}
