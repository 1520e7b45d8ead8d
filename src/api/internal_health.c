/* How the gateway, its record and its providers are, at this moment. */
#include "api/internal.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/process.h"
#include "config/entries.h"

#define WINDOW_MS (5 * 60 * 1000)

struct health {
	const struct config *config;
	struct provider_health *providers;
	size_t nproviders;
	unsigned segments;
	struct config_entries entries;
	bool files_changed;
	struct arena *arena;
};

static unsigned count_segments(const char *data_dir)
{
	char path[4096];
	unsigned n = 0;
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/journal", data_dir);
	d = opendir(path);
	while (d && (e = readdir(d)))
		n += bytes_ends(bytes_of(e->d_name), B(".sj"));
	if (d)
		closedir(d);
	return n;
}

static bool has_changed(const struct config *c, struct bytes path)
{
	char name[4096];
	struct stat st;

	snprintf(name, sizeof(name), "%.*s", BFMT(path));
	/* ctime: an older file may have been moved into its place */
	return stat(name, &st) ||
	       (uint64_t)st.st_ctim.tv_sec * 1000 + (uint64_t)st.st_ctim.tv_nsec / 1000000 >
		       c->loaded_unix_ms;
}

static void look_at_files(void *arg)
{
	struct health *h = arg;

	h->segments = count_segments(h->config->data_dir.p);
	if (config_entries(h->config, &h->entries))
		return;
	for (size_t i = 0; i < h->entries.nfiles; i++)
		h->files_changed |= has_changed(h->config, h->entries.files[i]);
}

static int look_at_rows(struct reader *r, void *arg)
{
	struct health *h = arg;

	return read_provider_health(r, clock_unix_ms() - WINDOW_MS, &h->providers, &h->nproviders,
				    h->arena);
}

/* Those that are configured are there, tried or not. */
static int add_configured(struct health *h)
{
	size_t cap = h->nproviders;

	for (size_t m = 0; m < h->config->nmodels; m++)
		for (size_t k = 0; k < h->config->models[m]->nrouting; k++) {
			const struct provider_config *p = h->config->models[m]->routing[k];
			struct provider_health one = { .model = h->config->models[m]->name,
						       .provider = p->name };
			bool there = false;

			for (size_t i = 0; i < h->nproviders && !there; i++)
				there = bytes_eq(h->providers[i].model, one.model) &&
					bytes_eq(h->providers[i].provider, one.provider);
			if (!there && !arena_push(h->arena, h->providers, h->nproviders, cap, one))
				return -1;
		}
	return 0;
}

static void put_int_or_null(struct pen *p, struct bytes key, int64_t n, int64_t none)
{
	pen_member(p, key);
	if (n == none)
		pen_lit(p, "null");
	else
		pen_printf(p, "%" PRId64, n);
}

static size_t connections_of(const struct http_server *s)
{
	return s ? http_server_own_connections(s) : 0;
}

static size_t streams_of(const struct http_server *s)
{
	return s ? http_server_own_streams(s) : 0;
}

static void put_workers(struct pen *p, const struct app *app)
{
	pen_key(p, "workers");
	pen_open(p, '[');
	for (int i = 0; i < app->nworkers; i++) {
		const struct worker *w = &app->workers[i];

		pen_item(p);
		pen_open(p, '{');
		pen_number(p, "connections", connections_of(w->server) + connections_of(w->pages));
		pen_number(p, "streams", streams_of(w->server) + streams_of(w->pages));
		pen_key(p, "loop_lag_ms");
		pen_printf(p, "%.1f", loop_lag_seconds(w->loop) * 1000);
		pen_close(p, '}');
	}
	pen_close(p, ']');
}

static void put_record(struct pen *p, const struct app *app, const struct health *h)
{
	struct store_status st = { .sink = "none", .state = "ok" };

	if (app->store)
		store_status(app->store, &st, h->arena);
	pen_key(p, "record");
	pen_open(p, '{');
	pen_text(p, "policy", app->store ? B("full") : B("off"));
	pen_number(p, "segments", h->segments);
	pen_number(p, "bytes", st.backlog_bytes);
	pen_number(p, "rows", st.backlog_records);
	pen_number(p, "oldest_s", st.oldest_s);
	pen_number(p, "limit_bytes", h->config->journal.max_mb << 20);
	pen_number(p, "disk_free", st.disk_free_bytes);
	pen_key(p, "full_in_s");
	pen_lit(p, "null");
	pen_number(p, "unrecorded", st.unrecorded);
	pen_key(p, "answers_only");
	pen_bytes(p, reads_answers_only(app->reads) ? B("true") : B("false"));
	pen_key(p, "sink");
	pen_open(p, '{');
	pen_text(p, "type", bytes_of(st.sink));
	pen_text(p, "state", bytes_of(st.state));
	pen_lit(p, ",\"since\":null,\"last_ok\":null,\"rows_per_s\":null,\"error\":");
	pen_string_or_null(p, st.alarm);
	pen_close(p, '}');
	pen_close(p, '}');
}

static void put_last_error(struct pen *p, const struct provider_health *h)
{
	pen_key(p, "last_error");
	if (!h->last_error_ms) {
		pen_lit(p, "null");
		return;
	}
	pen_open(p, '{');
	pen_key(p, "t");
	pen_time(p, h->last_error_ms);
	put_int_or_null(p, B(",\"status\":"), h->last_status, 0);
	pen_text(p, "text", h->last_error);
	pen_close(p, '}');
}

/* Of a model that no table has none is known: they are made for a request, and go with it. */
static size_t in_flight(const struct config *c, const struct provider_health *h)
{
	const struct model_config *m = config_model(c, h->model);

	for (size_t k = 0; m && k < m->nrouting; k++)
		if (bytes_eq(m->routing[k]->name, h->provider) && m->routing[k]->in_flight)
			return __atomic_load_n(m->routing[k]->in_flight, __ATOMIC_RELAXED);
	return 0;
}

static void put_provider(struct pen *p, const struct config *c, struct provider_health *h)
{
	bool failing = h->errors * 2 > h->n;

	pen_item(p);
	pen_open(p, '{');
	pen_text(p, "model", h->model);
	pen_text(p, "provider", h->provider);
	pen_text(p, "state", failing ? B("failing") : h->n ? B("ok") : B("idle"));
	pen_key(p, "circuit");
	pen_lit(p, "null");
	pen_key(p, "since");
	if (failing && h->since_ms)
		pen_time(p, h->since_ms);
	else
		pen_lit(p, "null");
	pen_number(p, "in_flight", in_flight(c, h));
	pen_number(p, "n_5m", h->n);
	pen_number(p, "err_5m", h->errors);
	put_int_or_null(p, B(",\"p95_ms\":"), numbers_quantile(&h->ms, 0.95), -1);
	put_int_or_null(p, B(",\"ttft95_ms\":"), numbers_quantile(&h->ttft_ms, 0.95), -1);
	put_last_error(p, h);
	pen_close(p, '}');
}

static void put_health(struct pen *p, const struct app *app, struct health *h)
{
	pen_number(p, "uptime_s", (clock_mono_ms() - app->started_mono_ms) / 1000);
	pen_text(p, "config_hash", bytes_of(h->config->hash));
	pen_key(p, "files_changed");
	pen_bytes(p, h->files_changed ? B("true") : B("false"));
	put_workers(p, app);
	pen_number(p, "rss", process_rss_bytes());
	put_record(p, app, h);
	pen_key(p, "providers");
	pen_open(p, '[');
	for (size_t i = 0; i < h->nproviders; i++)
		put_provider(p, h->config, &h->providers[i]);
	pen_close(p, ']');
}

static void get_health(struct exchange *ex, const struct bytes *params)
{
	const struct app *app = api_app(ex);
	struct health h = { .config = api_config(ex),
			    .arena = ex->arena,
			    .entries.arena = ex->arena };
	struct reply reply;
	int bad = offload(look_at_files, &h) ||
		  (app->reads && internal_read(ex, READ_LIST_MS, look_at_rows, &h)) ||
		  add_configured(&h);

	(void)params;
	reply_begin(&reply, ex);
	if (!bad)
		put_health(&reply.pen, app, &h);
	reply_end(&reply, bad);
}

const struct internal_route internal_health_routes[] = {
	{ "GET", "/internal/signet/health", ROLE_VIEWER, get_health },
	{ 0 },
};
