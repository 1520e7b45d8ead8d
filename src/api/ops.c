/*
 * /health, /status and /metrics (http-api §4): TensorZero's keys first, as its user interface and everybody's
 * probes read them, Signet's own beside them. Nothing here waits for a store or an upstream.
 */
#include "api/api.h"

#include "api/counters.h"
#include "api/errors.h"
#include "base/process.h"
#include "sign/signer.h"

#define PAGE_MAX (64u << 20)

static void respond(struct exchange *ex, int code, struct bytes type, struct buf *body, int bad)
{
	if (bad)
		api_respond_error(ex, write_native_error, 500, B(""));
	else
		exchange_respond(ex, code, type, buf_bytes(body));
	buf_deinit(body);
}

/* A store that is down shows, but what serves stays healthy: the journal keeps the rows. */
void api_health(struct exchange *ex)
{
	struct app *app = api_app(ex);
	struct store_status st = { .state = "ok" };
	bool refuses = app->store && store_refuses(app->store),
	     draining = atomic_load(&app->draining);
	bool down;
	struct buf out;
	int bad;

	if (app->store)
		store_status(app->store, &st, ex->arena);
	down = refuses || bytes_eq(bytes_of(st.state), B("down")) ||
	       bytes_eq(bytes_of(st.state), B("blocked"));
	buf_init(&out, PAGE_MAX);
	bad = buf_printf(
		&out,
		"{\"gateway\":\"%s\",\"clickhouse\":\"ok\",\"postgres\":\"ok\",\"valkey\":\"ok\",\"valkey_cache\":\"ok\"%s}",
		draining ? "error" : "ok", down ? ",\"signet_store\":\"error\"" : "");
	respond(ex, draining || refuses ? 503 : 200, B("application/json"), &out, bad);
}

static int put_record(struct buf *out, const struct app *app, struct arena *a)
{
	struct store_status st = { 0 };

	if (!app->store)
		return buf_append(out,
				  B("{\"content\":\"off\",\"sink\":\"none\",\"state\":\"ok\"}"));
	store_status(app->store, &st, a);
	if (buf_printf(
		    out,
		    "{\"content\":\"full\",\"sink\":\"sqlite\",\"state\":\"%s\",\"backlog_records\":%llu,\"backlog_bytes\":%llu,\"oldest_s\":%llu,\"text_behind_rows\":0,\"unrecorded\":%llu,\"disk_free_bytes\":%llu,\"alarms\":[",
		    st.state, (unsigned long long)st.backlog_records,
		    (unsigned long long)st.backlog_bytes, (unsigned long long)st.oldest_s,
		    (unsigned long long)st.unrecorded, (unsigned long long)st.disk_free_bytes))
		return -1;
	if (bytes_set(st.alarm) && buf_json_string(out, st.alarm))
		return -1;
	return buf_append(out, B("]}"));
}

static int put_signer(struct buf *out, const struct signer *s, bool first)
{
	if ((!first && buf_putc(out, ',')) || buf_append(out, B("{\"id\":")) ||
	    buf_json_string(out, signer_id(s)) || buf_append(out, B(",\"sha256\":")) ||
	    buf_json_string(out, signer_sha256(s)))
		return -1;
	return buf_printf(out, ",\"calls\":%llu,\"failures\":%llu}",
			  (unsigned long long)signer_calls(s),
			  (unsigned long long)signer_failures(s));
}

static int put_signers(struct buf *out, const struct config *c)
{
	bool first = true;

	if (buf_putc(out, '['))
		return -1;
	for (size_t i = 0; i < c->nmodels; i++) {
		const struct model_config *m = c->models[i];

		for (size_t k = 0; k < m->nrouting; k++) {
			const struct signer *s = m->routing[k]->signer.signer;

			if (!s)
				continue;
			if (put_signer(out, s, first))
				return -1;
			first = false;
		}
	}
	return buf_putc(out, ']');
}

#ifdef SIGNET_DEBUG
/* Must return to what it was before a test (tests/http): whatever is above it has leaked. */
static int put_debug(struct buf *out)
{
	return buf_printf(
		out,
		",\"debug\":{\"fibers\":%zu,\"client_connections\":%zu,\"upstream_connections\":%zu,\"signer_instances\":%zu,\"arenas\":%zu}",
		fiber_count(), http_server_connections(), http_client_connections(),
		signer_instances(), arena_count());
}
#else
static int put_debug(struct buf *out)
{
	(void)out;
	return 0;
}
#endif

static int put_status(struct buf *out, const struct app *app, struct arena *a)
{
	const struct config *c = app->config;

	if (buf_printf(
		    out,
		    "{\"status\":\"ok\",\"version\":\"" GATEWAY_VERSION
		    "\",\"config_hash\":\"%s\",\"signet\":{\"version\":\"" SIGNET_VERSION
		    "\",\"uptime_s\":%llu,\"workers\":%d,\"connections\":%zu,\"streams\":%.0f,\"rss_bytes\":%llu,\"record\":",
		    c->hash, (unsigned long long)((clock_mono_ms() - app->started_mono_ms) / 1000),
		    app->nworkers, http_server_connections(), metric_sum(&signet_streams),
		    (unsigned long long)process_rss_bytes()) ||
	    put_record(out, app, a) || buf_append(out, B(",\"signers\":")) || put_signers(out, c) ||
	    put_debug(out))
		return -1;
	return buf_append(out, B("}}"));
}

void api_status(struct exchange *ex)
{
	struct buf out;

	buf_init(&out, PAGE_MAX);
	respond(ex, 200, B("application/json"), &out, put_status(&out, api_app(ex), ex->arena));
}

void api_metrics(struct exchange *ex)
{
	struct buf out;

	buf_init(&out, PAGE_MAX);
	respond(ex, 200, B("text/plain; version=0.0.4; charset=utf-8"), &out, metrics_print(&out));
}

void api_probe(struct exchange *ex)
{
	exchange_respond(ex, 200, (struct bytes){ 0 }, B(""));
}
