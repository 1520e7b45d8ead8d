/*
 * Declarations of metrics, and the gauges that ask the floors below when somebody scrapes. Names and labels
 * are other people's dashboards: none changes without its row in the specification.
 */
#include "api/counters.h"

#include <stdio.h>

#include "base/answer_memory.h"
#include "base/process.h"
#include "route/model_call.h"
#include "route/record.h"
#include "route/target.h"

#define PAIRS_MAX \
	100 /* of model and provider that are there at zero: a metric has room for 1,000 series */

METRIC(tensorzero_requests_total, METRIC_COUNTER, "tensorzero_requests_total",
       "endpoint,function_name,model_name,metric_name",
       "Inference requests that passed their checks");
METRIC(tensorzero_inferences_total, METRIC_COUNTER, "tensorzero_inferences_total",
       "endpoint,function_name,model_name,metric_name", "Inferences of those requests");
METRIC(tensorzero_input_tokens_total, METRIC_COUNTER, "tensorzero_input_tokens_total", NULL,
       "Input tokens of all answers whose count is known");
METRIC(tensorzero_output_tokens_total, METRIC_COUNTER, "tensorzero_output_tokens_total", NULL,
       "Output tokens of all answers whose count is known");
METRIC(tensorzero_inference_latency_overhead_seconds, METRIC_HISTOGRAM,
       "tensorzero_inference_latency_overhead_seconds", "function_name,variant_name",
       "Time in the gateway less the time of waiting for providers");
METRIC(signet_http_requests_total, METRIC_COUNTER, "signet_http_requests_total", "route,status",
       "Requests by route and status of the answer");
METRIC(signet_http_request_seconds, METRIC_HISTOGRAM, "signet_http_request_seconds", "route,status",
       "Time from a request's first byte to its answer's last, by class of status (2xx)");
static METRIC(tokens, METRIC_COUNTER, "signet_tokens_total", "model,provider,direction",
	      "Tokens of answers whose count is known; direction is input or output");
METRIC(signet_streams, METRIC_GAUGE, "signet_streams", NULL, "Streamed answers under way");
METRIC(signet_cancelled_total, METRIC_COUNTER, "signet_cancelled_total", NULL,
       "Requests whose client left before the end of the answer");

static METRIC(build_info, METRIC_GAUGE, "signet_build_info", "version",
	      "Always 1; the label tells the version");
static METRIC(start_time, METRIC_GAUGE, "signet_start_time_seconds", NULL,
	      "When the process started, in Unix seconds");
static METRIC(rss, METRIC_GAUGE, "signet_process_rss_bytes", NULL, "Resident memory");
static METRIC(open_files, METRIC_GAUGE, "signet_open_files", NULL, "Open file descriptors");
static METRIC(cpu, METRIC_COUNTER, "process_cpu_seconds_total", NULL,
	      "User and system CPU time spent, in seconds");
static METRIC(resident, METRIC_GAUGE, "process_resident_memory_bytes", NULL,
	      "Resident memory size in bytes");
static METRIC(virtual_memory, METRIC_GAUGE, "process_virtual_memory_bytes", NULL,
	      "Virtual memory size in bytes");
static METRIC(open_fds, METRIC_GAUGE, "process_open_fds", NULL, "Open file descriptors");
static METRIC(max_fds, METRIC_GAUGE, "process_max_fds", NULL,
	      "How many file descriptors may be open");
static METRIC(process_start, METRIC_GAUGE, "process_start_time_seconds", NULL,
	      "When the process started, in Unix seconds");
static METRIC(client_connections, METRIC_GAUGE, "signet_client_connections", NULL,
	      "Open connections of clients");
static METRIC(body_memory, METRIC_GAUGE, "signet_body_memory_bytes", NULL,
	      "Memory that request bodies hold");
static METRIC(answer_memory, METRIC_GAUGE, "signet_answer_memory_bytes", NULL,
	      "Memory that answers hold while they are read and recorded");
static METRIC(loop_lag, METRIC_GAUGE, "signet_loop_lag_seconds", "worker",
	      "Longest turn of a worker's loop in the last ten seconds");
static METRIC(offload_queue, METRIC_GAUGE, "signet_offload_queue", NULL,
	      "Pieces of work handed to the thread pool and not finished");

static METRIC(upstream_connections, METRIC_GAUGE, "signet_upstream_connections", "host,state",
	      "Open connections to upstreams");

static double read_one(void *arg)
{
	(void)arg;
	return 1;
}

static double read_cpu(void *arg)
{
	(void)arg;
	return process_cpu_seconds();
}

static double read_start(void *app)
{
	return (double)((struct app *)app)->started_unix_s;
}

/* All loops are there before the first listener opens, and until the last has closed. */
static double read_lag(void *worker)
{
	return loop_lag_seconds(((struct worker *)worker)->loop);
}

/* What the floors below count. */
static const struct gauge {
	struct metric *metric;
	uint64_t (*read)(void);
} gauges[] = {
	{ &rss, process_rss_bytes },
	{ &open_files, process_open_files },
	{ &resident, process_rss_bytes },
	{ &virtual_memory, process_virtual_bytes },
	{ &open_fds, process_open_files },
	{ &max_fds, process_file_limit },
	{ &client_connections, http_server_connections },
	{ &body_memory, http_server_body_bytes },
	{ &answer_memory, answer_memory_bytes },
	{ &offload_queue, offload_queued },
};

static double read_gauge(void *gauge)
{
	return (double)((const struct gauge *)gauge)->read();
}

static void collect_host(void *arg, struct bytes host, size_t idle, size_t busy)
{
	metric_collect(arg, (double)idle, (const struct bytes[]){ host, B("idle") }, 2);
	metric_collect(arg, (double)busy, (const struct bytes[]){ host, B("busy") }, 2);
}

static void collect_upstreams(struct metric *m)
{
	http_client_visit(collect_host, m);
}

void count_inference(struct bytes endpoint, struct bytes function_name, struct bytes model_name,
		     double inferences)
{
	struct bytes none = { 0 };

	METRIC_ADD(&tensorzero_requests_total, 1, endpoint, function_name, model_name, none);
	METRIC_ADD(&tensorzero_inferences_total, inferences, endpoint, function_name, model_name,
		   none);
}

static void workers_register(struct app *app)
{
	for (int i = 0; i < app->nworkers; i++) {
		char number[12];

		snprintf(number, sizeof(number), "%d", i);
		metrics_gauge_fn(&loop_lag, read_lag, &app->workers[i], number);
	}
}

static void count_tokens(const struct recorded_call *c)
{
	const struct usage *u = &c->result->usage;
	struct bytes model = model_label(c->call->model), provider = c->call->provider->name;

	if (u->input_tokens > 0) {
		METRIC_ADD(&tensorzero_input_tokens_total, (double)u->input_tokens);
		METRIC_ADD(&tokens, (double)u->input_tokens, model, provider, B("input"));
	}
	if (u->output_tokens > 0) {
		METRIC_ADD(&tensorzero_output_tokens_total, (double)u->output_tokens);
		METRIC_ADD(&tokens, (double)u->output_tokens, model, provider, B("output"));
	}
}

/* What the gateway took: the whole time less that of every attempt, of which calls side by side count as one. */
static void observe_overhead(const struct answer_facts *f)
{
	const struct model_call *call = f->calls[0].call;
	uint64_t waited = f->calls[0].result->response_ms, overhead;

	for (size_t i = 0; i < call->nfailed; i++)
		waited += call->failed[i].attempt.end_ms - call->failed[i].attempt.started_ms;
	overhead = f->processing_ms > waited ? f->processing_ms - waited : 0;
	METRIC_OBSERVE(&tensorzero_inference_latency_overhead_seconds, (double)overhead / 1e3,
		       f->function_name, f->variant_name);
}

void count_answer(const struct answer_facts *f)
{
	for (size_t i = 0; i < f->ncalls; i++)
		if (f->calls[i].result)
			count_tokens(&f->calls[i]);
	if (f->ncalls && f->calls[0].result && f->config->gateway.noverhead_buckets)
		observe_overhead(f);
}

static void pair_begin(const struct model_config *m, const struct provider_config *p)
{
	METRIC_ADD(&tokens, 0, m->name, p->name, B("input"));
	METRIC_ADD(&tokens, 0, m->name, p->name, B("output"));
	model_call_counters_begin(m, p);
}

void counters_begin(const struct config *c)
{
	size_t pairs = 0;

	for (size_t i = 0; i < c->nmodels; i++)
		for (size_t k = 0; k < c->models[i]->nrouting && pairs < PAIRS_MAX; k++, pairs++)
			pair_begin(c->models[i], c->models[i]->routing[k]);
	METRIC_ADD(&tensorzero_input_tokens_total, 0);
	METRIC_ADD(&tensorzero_output_tokens_total, 0);
	METRIC_ADD(&signet_cancelled_total, 0);
}

void counters_setup(struct app *app)
{
	if (app->config->gateway.noverhead_buckets)
		tensorzero_inference_latency_overhead_seconds.bounds =
			app->config->gateway.overhead_buckets;
	metrics_gauge_fn(&build_info, read_one, NULL, SIGNET_VERSION);
	metrics_gauge_fn(&start_time, read_start, app, NULL);
	metrics_gauge_fn(&process_start, read_start, app, NULL);
	metrics_gauge_fn(&cpu, read_cpu, NULL, NULL);
	counters_begin(app->config);
	for (size_t i = 0; i < COUNT(gauges); i++)
		metrics_gauge_fn(gauges[i].metric, read_gauge, (void *)&gauges[i], NULL);
	metrics_collect_fn(&upstream_connections, collect_upstreams);
	workers_register(app);
}
