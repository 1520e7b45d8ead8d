/*
 * Declarations of metrics, and the gauges that ask the floors below when somebody scrapes. Names and labels
 * are other people's dashboards: none changes without its row in the specification.
 */
#include "api/counters.h"

#include <stdio.h>

#include "base/process.h"

struct metric tensorzero_requests_total = {
	.name = "tensorzero_requests_total",
	.help = "Requests handled by TensorZero",
	.labels = "endpoint,function_name,model_name,metric_name",
	.type = METRIC_COUNTER,
};
struct metric tensorzero_inferences_total = {
	.name = "tensorzero_inferences_total",
	.help = "Inferences performed by TensorZero",
	.labels = "endpoint,function_name,model_name,metric_name",
	.type = METRIC_COUNTER,
};
struct metric tensorzero_input_tokens_total = {
	.name = "tensorzero_input_tokens_total",
	.help = "Input tokens consumed by TensorZero inferences",
	.type = METRIC_COUNTER,
};
struct metric tensorzero_output_tokens_total = {
	.name = "tensorzero_output_tokens_total",
	.help = "Output tokens consumed by TensorZero inferences",
	.type = METRIC_COUNTER,
};
struct metric tensorzero_inference_latency_overhead_seconds = {
	.name = "tensorzero_inference_latency_overhead_seconds",
	.help = "Time in the gateway less the time of waiting for providers",
	.labels = "function_name,variant_name",
	.type = METRIC_HISTOGRAM,
};
struct metric signet_http_requests_total = {
	.name = "signet_http_requests_total",
	.help = "Requests by route and status of the answer",
	.labels = "route,status",
	.type = METRIC_COUNTER,
};
struct metric signet_http_request_seconds = {
	.name = "signet_http_request_seconds",
	.help = "Time from a request's first byte to its answer's last",
	.labels = "route,status",
	.type = METRIC_HISTOGRAM,
};
struct metric signet_streams = {
	.name = "signet_streams",
	.help = "Streamed answers under way",
	.type = METRIC_GAUGE,
};
struct metric signet_cancelled_total = {
	.name = "signet_cancelled_total",
	.help = "Requests whose client left before the end of the answer",
	.type = METRIC_COUNTER,
};

static struct metric build_info = {
	.name = "signet_build_info",
	.help = "Always 1; the label tells the version",
	.labels = "version",
	.type = METRIC_GAUGE,
};
static struct metric start_time = {
	.name = "signet_start_time_seconds",
	.help = "When the process started, in Unix seconds",
	.type = METRIC_GAUGE,
};
static struct metric rss = {
	.name = "signet_process_rss_bytes",
	.help = "Resident memory",
	.type = METRIC_GAUGE,
};
static struct metric open_files = {
	.name = "signet_open_files",
	.help = "Open file descriptors",
	.type = METRIC_GAUGE,
};
static struct metric client_connections = {
	.name = "signet_client_connections",
	.help = "Open connections of clients",
	.type = METRIC_GAUGE,
};
static struct metric body_memory = {
	.name = "signet_body_memory_bytes",
	.help = "Memory that request bodies hold",
	.type = METRIC_GAUGE,
};
static struct metric loop_lag = {
	.name = "signet_loop_lag_seconds",
	.help = "Longest turn of a worker's loop in the last ten seconds",
	.labels = "worker",
	.type = METRIC_GAUGE,
};
static struct metric offload_queue = {
	.name = "signet_offload_queue",
	.help = "Pieces of work handed to the thread pool and not finished",
	.type = METRIC_GAUGE,
};

static struct metric upstream_connections = {
	.name = "signet_upstream_connections",
	.help = "Open connections to upstreams",
	.labels = "host,state",
	.type = METRIC_GAUGE,
};

static double read_one(void *arg)
{
	(void)arg;
	return 1;
}

static double read_start(void *app)
{
	return (double)((struct app *)app)->started_unix_s;
}

static double read_rss(void *arg)
{
	(void)arg;
	return (double)process_rss_bytes();
}

static double read_open_files(void *arg)
{
	(void)arg;
	return (double)process_open_files();
}

static double read_connections(void *arg)
{
	(void)arg;
	return (double)http_server_connections();
}

static double read_body_memory(void *arg)
{
	(void)arg;
	return (double)http_server_body_bytes();
}

static double read_offload(void *arg)
{
	(void)arg;
	return (double)offload_queued();
}

/* All loops are there before the first listener opens, and until the last has closed. */
static double read_lag(void *worker)
{
	return loop_lag_seconds(((struct worker *)worker)->loop);
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
	metrics_register(&loop_lag);
	for (int i = 0; i < app->nworkers; i++) {
		char number[12];

		snprintf(number, sizeof(number), "%d", i);
		metrics_gauge_fn(&loop_lag, read_lag, &app->workers[i], number);
	}
}

void counters_setup(struct app *app)
{
	static struct metric *const plain[] = {
		&tensorzero_requests_total,
		&tensorzero_inferences_total,
		&tensorzero_input_tokens_total,
		&tensorzero_output_tokens_total,
		&signet_http_requests_total,
		&signet_http_request_seconds,
		&signet_streams,
		&signet_cancelled_total,
	};
	static const struct {
		struct metric *metric;
		double (*read)(void *);
		const char *label;
	} gauges[] = {
		{ &build_info, read_one, SIGNET_VERSION },
		{ &start_time, read_start, NULL },
		{ &rss, read_rss, NULL },
		{ &open_files, read_open_files, NULL },
		{ &client_connections, read_connections, NULL },
		{ &body_memory, read_body_memory, NULL },
		{ &offload_queue, read_offload, NULL },
	};

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		metrics_register(plain[i]);
	if (app->config->gateway.noverhead_buckets) {
		tensorzero_inference_latency_overhead_seconds.bounds =
			app->config->gateway.overhead_buckets;
		metrics_register(&tensorzero_inference_latency_overhead_seconds);
	}
	for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++) {
		metrics_register(gauges[i].metric);
		metrics_gauge_fn(gauges[i].metric, gauges[i].read, app, gauges[i].label);
	}
	metrics_register(&upstream_connections);
	metrics_collect_fn(&upstream_connections, collect_upstreams);
	workers_register(app);
}
