/*
 * Counters, gauges and histograms in the Prometheus text form. Each thread counts in a shard of its
 * own (one hash look-up and a relaxed add); a scrape sums the shards.
 */
#ifndef SIGNET_BASE_METRICS_H
#define SIGNET_BASE_METRICS_H

#include "base/bytes.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* One per metric, static, shared by all threads. `labels` are names, comma-separated ("model,provider")
 * or NULL. `bounds` of a histogram end with 0; NULL = seconds from 0.005 to 900. */
struct metric {
	const char *name, *help, *labels;
	enum metric_type type;
	const double *bounds;
	int id; /* set at registration */
};

/*
 * Defines a metric, which is on the page from the start of the process; put `static` in front where it is one:
 *
 *	static METRIC(retries, METRIC_COUNTER, "signet_retries_total", "model", "What was sent again");
 *
 * Further fields may follow as `.bounds = …`.
 */
#define METRIC(var, type_, name_, labels_, help_, ...)                \
	struct metric var = { .name = (name_),                        \
			      .help = (help_),                        \
			      .labels = (labels_),                    \
			      .type = (type_),                        \
			      __VA_ARGS__ };                          \
	__attribute__((constructor)) static void var##_register(void) \
	{                                                             \
		metrics_register(&var);                               \
	}                                                             \
	_Static_assert(sizeof(name_) > 1, "a metric has a name")

void metrics_register(struct metric *); /* of METRIC(); before any thread counts */
/* Label values in the order of the names; a label whose value is empty is left out of the page, one of more than 128 bytes is
 * cut. At most 1,000 sets of values a metric; beyond that all are "other". */
void metric_add(struct metric *, double value, const struct bytes *values, size_t n);
void metric_observe(struct metric *, double value, const struct bytes *values, size_t n);
/* A gauge that is read when scraped; `fn` may be called from any thread. */
void metrics_gauge_fn(struct metric *, double (*fn)(void *), void *arg, const char *label_value);
/* A gauge whose series are only known when scraped: `fn` then calls metric_collect() for each; what it does
 * not name is 0. Values of one scrape for the same labels add up. */
void metrics_collect_fn(struct metric *, void (*fn)(struct metric *));
void metric_collect(struct metric *, double value, const struct bytes *values, size_t n);

#define METRIC_ADD(m, v, ...)                                                                 \
	metric_add((m), (v), (const struct bytes[]){ __VA_ARGS__ __VA_OPT__(, ){ NULL, 0 } }, \
		   sizeof((const struct bytes[]){ __VA_ARGS__ __VA_OPT__(, ){ NULL, 0 } }) /  \
				   sizeof(struct bytes) -                                     \
			   1)
#define METRIC_OBSERVE(m, v, ...)                                                                 \
	metric_observe((m), (v), (const struct bytes[]){ __VA_ARGS__ __VA_OPT__(, ){ NULL, 0 } }, \
		       sizeof((const struct bytes[]){ __VA_ARGS__ __VA_OPT__(, ){ NULL, 0 } }) /  \
				       sizeof(struct bytes) -                                     \
			       1)

int metrics_print(struct buf *out); /* text exposition format 0.0.4 */
double metric_sum(struct metric *); /* over all shards and labels, for /status */

#endif
