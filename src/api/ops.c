/*
 * /health, /status and /metrics (http-api §4): TensorZero's keys first, as its user interface and everybody's
 * probes read them, Signet's own beside them. Nothing here waits for a store or an upstream.
 */
#include "api/api.h"

#include "api/auth.h"
#include "api/counters.h"
#include "api/errors.h"
#include "api/guard.h"
#include "base/pen.h"
#include "base/process.h"
#include "base/version.h"
#include "fiber/offload.h"
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

/* Where rows go to more than one store: how each of them is. */
static void put_sinks(struct pen *p, const struct store_status *st)
{
	pen_key(p, "sinks");
	pen_open(p, '[');
	for (size_t i = 0; i < st->nsinks; i++) {
		const struct sink_status *s = &st->sinks[i];

		pen_item(p);
		pen_open(p, '{');
		pen_text(p, "sink", bytes_of(s->sink));
		pen_text(p, "state", bytes_of(s->state));
		pen_number(p, "backlog_records", s->backlog_records);
		pen_number(p, "backlog_bytes", s->backlog_bytes);
		pen_number(p, "oldest_s", s->oldest_s);
		pen_key(p, "alarms");
		pen_open(p, '[');
		if (bytes_set(s->alarm))
			pen_string(p, s->alarm);
		pen_close(p, ']');
		pen_close(p, '}');
	}
	pen_close(p, ']');
}

static void put_record(struct pen *p, const struct app *app, const struct config *c,
		       struct arena *a)
{
	static const struct bytes contents[] = { B("full"), B("metadata"), B("hash") };
	struct store_status st = { 0 };

	pen_key(p, "record");
	if (!app->store) {
		pen_lit(p, "{\"content\":\"off\",\"sink\":\"none\",\"state\":\"ok\"}");
		return;
	}
	store_status(app->store, &st, a);
	pen_open(p, '{');
	pen_text(p, "content", contents[c->record_content]);
	pen_text(p, "sink", bytes_of(st.sink));
	pen_text(p, "state", bytes_of(st.state));
	pen_number(p, "backlog_records", st.backlog_records);
	pen_number(p, "backlog_bytes", st.backlog_bytes);
	pen_number(p, "oldest_s", st.oldest_s);
	pen_number(p, "text_behind_rows", st.text_behind_rows);
	pen_number(p, "unrecorded", st.unrecorded);
	pen_number(p, "disk_free_bytes", st.disk_free_bytes);
	pen_key(p, "alarms");
	pen_open(p, '[');
	if (bytes_set(st.alarm))
		pen_string(p, st.alarm);
	pen_close(p, ']');
	if (st.nsinks > 1)
		put_sinks(p, &st);
	pen_close(p, '}');
}

static void put_signer(struct pen *p, const struct signer *s)
{
	pen_item(p);
	pen_open(p, '{');
	pen_text(p, "id", signer_id(s));
	pen_text(p, "sha256", signer_sha256(s));
	pen_number(p, "calls", signer_counts(s).calls);
	pen_number(p, "failures", signer_counts(s).failures);
	pen_number(p, "refused", signer_counts(s).refused);
	pen_number(p, "moved", signer_counts(s).moved);
	pen_close(p, '}');
}

static void put_signers(struct pen *p, const struct config *c)
{
	pen_key(p, "signers");
	pen_open(p, '[');
	for (size_t i = 0; i < c->nmodels; i++)
		for (size_t k = 0; k < c->models[i]->nrouting; k++)
			if (c->models[i]->routing[k]->signer.signer)
				put_signer(p, c->models[i]->routing[k]->signer.signer);
	pen_close(p, ']');
}

static void put_pool(const struct threads_counts *c, void *arg)
{
	struct pen *p = arg;

	pen_item(p);
	pen_open(p, '{');
	pen_text(p, "name", c->name);
	pen_number(p, "threads", c->threads);
	pen_number(p, "running", c->running);
	pen_number(p, "queued", c->queued);
	pen_number(p, "most_queued", c->most_queued);
	pen_close(p, '}');
}

/* The pools of threads: bodies, files, names, and one for each signer, under its id. */
static void put_pools(struct pen *p)
{
	pen_key(p, "pools");
	pen_open(p, '[');
	threads_each(put_pool, p);
	pen_close(p, ']');
}

/* Must return to what it was before a test (tests/http): whatever is above it has leaked. */
static void put_debug(struct pen *p)
{
#ifdef SIGNET_DEBUG
	pen_key(p, "debug");
	pen_open(p, '{');
	pen_number(p, "fibers", fiber_count());
	pen_number(p, "client_connections", http_server_connections());
	pen_number(p, "upstream_connections", http_client_connections());
	pen_number(p, "signer_instances", signer_instances());
	pen_number(p, "arenas", arena_count());
	pen_close(p, '}');
#else
	(void)p;
#endif
}

/* What is Signet's own of /status is not for strangers, where there are any. */
static bool is_stranger(struct exchange *ex)
{
	struct key_found found;
	struct session session;

	return api_config(ex)->gateway.auth && !guard_session(ex, &session) &&
	       auth_key(ex, &found) != AUTH_GOOD;
}

static void put_own(struct pen *p, const struct app *app, const struct config *c, struct arena *a)
{
	pen_key(p, "signet");
	pen_open(p, '{');
	pen_text(p, "version", B(SIGNET_VERSION));
	pen_number(p, "uptime_s", (clock_mono_ms() - app->started_mono_ms) / 1000);
	pen_number(p, "workers", (uint64_t)app->nworkers);
	pen_number(p, "connections", http_server_connections());
	pen_key(p, "streams");
	pen_printf(p, "%.0f", metric_sum(&signet_streams));
	pen_number(p, "rss_bytes", process_rss_bytes());
	put_record(p, app, c, a);
	put_signers(p, c);
	put_pools(p);
	put_debug(p);
	pen_close(p, '}');
}

void api_status(struct exchange *ex)
{
	const struct app *app = api_app(ex);
	struct buf out;
	struct pen p = { .b = &out };

	buf_init(&out, PAGE_MAX);
	pen_open(&p, '{');
	pen_text(&p, "status", B("ok"));
	pen_text(&p, "version", B(TENSORZERO_VERSION));
	pen_text(&p, "config_hash", bytes_of(api_config(ex)->hash));
	if (!is_stranger(ex))
		put_own(&p, app, api_config(ex), ex->arena);
	pen_close(&p, '}');
	respond(ex, 200, B("application/json"), &out, pen_done(&p));
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
