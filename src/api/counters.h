/*
 * The metrics that the surfaces count: TensorZero's five, under its names and with its labels (http-api §4),
 * and Signet's own about clients (signet-own (f)). Any thread. Labels that do not apply are left unset.
 */
#ifndef SIGNET_API_COUNTERS_H
#define SIGNET_API_COUNTERS_H

#include "api/app.h"
#include "base/metrics.h"

/* labels: endpoint, function_name, model_name, metric_name */
extern struct metric tensorzero_requests_total, tensorzero_inferences_total;
extern struct metric tensorzero_input_tokens_total, tensorzero_output_tokens_total; /* no labels */
/* labels: function_name, variant_name. Only where the configuration gives buckets. */
extern struct metric tensorzero_inference_latency_overhead_seconds;

/* labels: route (pattern), status; of the histogram the class: 2xx */
extern struct metric signet_http_requests_total, signet_http_request_seconds;
extern struct metric signet_streams;         /* +1 when a streamed answer begins, -1 at its end */
extern struct metric signet_cancelled_total; /* clients that left before their answer's end */

/* A request that passed its checks and is not a dry run: counts `inferences` and one request. */
void count_inference(struct bytes endpoint, struct bytes function_name, struct bytes model_name,
		     double inferences);

/* An answer's tokens, as far as they are known, and what of its time was the gateway's own. */
struct answer_facts;
void count_answer(const struct answer_facts *);
/* The counters of a configuration's models and providers, at zero: a rate begins with the first failure, not behind it. */
void counters_begin(const struct config *);

/* Once, before the workers start: gives the histogram its configured buckets, and the gauges that are read when
 * scraped what they read. */
void counters_setup(struct app *);

#endif
