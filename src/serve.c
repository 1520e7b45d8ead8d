/*
 * `signet serve`. The main thread reads flags and configuration, opens the store, starts a thread a worker and
 * then does nothing but wait for signals; workers never see one. A start fails before the first listener opens
 * or not at all: listeners open only when every worker has all it needs.
 *
 * The end of it: on the first SIGTERM or SIGINT the listeners close and running requests go on; when they are
 * done, or after `[server] drain_s` are cancelled, the loops end, then the store writes what it holds. A second
 * signal ends the process at once. SIGHUP loads the configuration anew (api/in_force.h), or ends like SIGTERM.
 * Trap: a worker's loop is asked for its lag by all others (/metrics), so none is freed before all have ended.
 */
#include "serve.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/api.h"
#include "api/counters.h"
#include "api/in_force.h"
#include "api/sign_in.h"
#include "base/answer_memory.h"
#include "base/fault.h"
#include "base/flags.h"
#include "base/log.h"
#include "base/process.h"
#include "fiber/fiber.h"
#include "fiber/offload.h"
#include "net/socket.h"
#include "serve_args.h"
#include "sign/signer.h"
#include "store/clickhouse.h"

#define START_ROOM \
	(64u       \
	 << 20) /* address space that the engines need: Rust's allocator ends the process without */
#define SERVING_ROOM   (64u << 20) /* what must be left when all threads are there */
#define DRAIN_TELL_MS  5000        /* how often a drain says how many are running */
#define DRAIN_LOOK_MS  20
#define CANCEL_WAIT_MS 10000 /* what cancelled requests may still take */
#define WORKER_FILES   8     /* descriptors of a loop and its listener */
#define LOG_TICK_MS    5000
#define HANGUP_MS      1000 /* SIGHUP drains after this time (config §1.1) */

enum phase { PHASE_STARTING, PHASE_READY, PHASE_LISTENING, PHASE_ENDED, PHASE_FAILED };

/* Where to listen and what answers there. */
struct listener {
	struct sockaddr_storage addr;
	socklen_t addr_n; /* 0: nowhere */
	struct http_server_options options;
};
enum { LISTENER_API, LISTENER_PAGES, LISTENERS };

/* A worker's thread and how the main thread speaks with it. */
struct crew {
	struct worker *worker;
	const struct listener *listeners;
	pthread_t thread;
	enum phase phase; /* under `meeting` */
	char *error;      /* why it failed; heap */
	atomic_size_t running;
	struct loop_task drain, cancel, end;
	bool ending;
};

/* Where threads wait for each other. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool go, freeing; /* listeners may open; loops may be freed */
} meeting = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static struct app app;
static struct crew *crew;

static void phase_set(struct crew *c, enum phase phase)
{
	pthread_mutex_lock(&meeting.lock);
	c->phase = phase;
	pthread_cond_broadcast(&meeting.changed);
	pthread_mutex_unlock(&meeting.lock);
}

/* Returns whether all is being freed by then. */
static bool wait_until(const bool *flag)
{
	bool freeing;

	pthread_mutex_lock(&meeting.lock);
	while (!*flag)
		pthread_cond_wait(&meeting.changed, &meeting.lock);
	freeing = meeting.freeing;
	pthread_mutex_unlock(&meeting.lock);
	return freeing;
}

static void raise_flag(bool *flag)
{
	pthread_mutex_lock(&meeting.lock);
	*flag = true;
	pthread_cond_broadcast(&meeting.changed);
	pthread_mutex_unlock(&meeting.lock);
}

/* Until all workers are past `phase`. -1: one of them failed; its error is the last error. */
static int wait_for_all(enum phase phase)
{
	int bad = 0;

	pthread_mutex_lock(&meeting.lock);
	for (int i = 0; i < app.nworkers; i++) {
		while (crew[i].phase < phase)
			pthread_cond_wait(&meeting.changed, &meeting.lock);
		if (crew[i].phase == PHASE_FAILED && !bad)
			bad = fail(ERR_IO, "%s", crew[i].error ? crew[i].error : "out of memory");
	}
	pthread_mutex_unlock(&meeting.lock);
	return bad;
}

/* ---- a worker ---- */

static size_t running_of(const struct worker *w)
{
	return http_server_running(w->server) + (w->pages ? http_server_running(w->pages) : 0);
}

static void cancel_all(struct worker *w)
{
	http_server_cancel_all(w->server);
	if (w->pages)
		http_server_cancel_all(w->pages);
}

/* Runs while the drain does, and keeps the number that the main thread reads. */
static void drain_fiber(void *arg)
{
	struct crew *c = arg;
	size_t running;

	http_server_drain(c->worker->server);
	if (c->worker->pages)
		http_server_drain(c->worker->pages);
	while ((running = running_of(c->worker)) > 0 && !c->ending) {
		atomic_store(&c->running, running);
		if (fiber_sleep(DRAIN_LOOK_MS))
			fiber_cancel_reset();
	}
	atomic_store(&c->running, 0);
	loop_stop(c->worker->loop);
}

static struct crew *crew_of(struct loop_task *task, size_t offset)
{
	return (struct crew *)(void *)((char *)task - offset);
}

static void on_drain(struct loop_task *task)
{
	struct crew *c = crew_of(task, offsetof(struct crew, drain));

	if (!fiber_spawn("drain", drain_fiber, c)) {
		log_error("serve", "no memory to drain: requests are cut",
			  LI("worker", c->worker->number));
		cancel_all(c->worker);
		loop_stop(c->worker->loop);
	}
}

static void on_cancel(struct loop_task *task)
{
	cancel_all(crew_of(task, offsetof(struct crew, cancel))->worker);
}

static void on_end(struct loop_task *task)
{
	struct crew *c = crew_of(task, offsetof(struct crew, end));

	c->ending = true;
	loop_stop(c->worker->loop);
}

static int worker_make(struct worker *w)
{
	const struct config *c = w->config;
	struct http_client_options options = {
		.connect_timeout_ms = c->upstream.connect_timeout_ms,
		.idle_ms = c->upstream.idle_ms,
		.max_idle = c->upstream.max_idle,
		.dns_ttl_s = c->upstream.dns_ttl_s,
		.ca_file = bytes_set(c->upstream.ca_file) ? c->upstream.ca_file.p : NULL,
		.https_proxy = proxy_of("HTTPS_PROXY", "https_proxy", "ALL_PROXY"),
		.http_proxy = proxy_of("HTTP_PROXY", "http_proxy", "ALL_PROXY"),
		.no_proxy = proxy_of("NO_PROXY", "no_proxy", NULL),
	};

	w->loop = loop_new(w->number);
	if (!w->loop)
		return -1;
	w->client = http_client_new(&options);
	return w->client ? 0 : -1;
}

static struct http_server *listen_at(const struct listener *l, struct worker *w)
{
	struct http_server_options options = l->options;

	options.user = w;
	return http_server_listen((const struct sockaddr *)&l->addr, l->addr_n, &options);
}

static int worker_listen(struct crew *c)
{
	struct worker *w = c->worker;

	w->server = listen_at(&c->listeners[LISTENER_API], w);
	if (!w->server || !c->listeners[LISTENER_PAGES].addr_n)
		return w->server ? 0 : -1;
	w->pages = listen_at(&c->listeners[LISTENER_PAGES], w);
	return w->pages ? 0 : -1;
}

/* What a worker does between its start and the freeing of everything. */
static void worker_live(struct crew *c)
{
	int bad;

	worker_config_begin(c->worker);
	bad = worker_make(c->worker);
	if (!bad) {
		phase_set(c, PHASE_READY);
		if (wait_until(&meeting.go)) /* another one failed */
			return;
		bad = worker_listen(c);
	}
	if (bad) {
		c->error = strndup(error_last()->message.p, error_last()->message.n);
		phase_set(c, PHASE_FAILED);
		return;
	}
	phase_set(c, PHASE_LISTENING);
	loop_run(c->worker->loop);
	phase_set(c, PHASE_ENDED);
}

static void *worker_main(void *arg)
{
	struct crew *c = arg;
	struct worker *w = c->worker;

	crash_thread_begin();
	worker_live(c);
	wait_until(&meeting.freeing);
	http_server_free(w->pages);
	http_server_free(w->server);
	http_client_free(w->client);
	worker_config_end(w);
	signer_thread_end();
	loop_free(w->loop);
	error_slot_deinit(error_last());
	crash_thread_end();
	return NULL;
}

/* ---- start ---- */

static int crew_start(const struct listener *listeners)
{
	for (int i = 0; i < app.nworkers; i++) {
		int err;

		app.workers[i] = (struct worker){ .app = &app, .number = i };
		crew[i].worker = &app.workers[i];
		crew[i].listeners = listeners;
		crew[i].drain.fn = on_drain;
		crew[i].cancel.fn = on_cancel;
		crew[i].end.fn = on_end;
		err = pthread_create(&crew[i].thread, NULL, worker_main, &crew[i]);
		if (err) {
			app.nworkers = i;
			return fail(ERR_IO, "cannot start worker %d: %s", i, strerror(err));
		}
	}
	return wait_for_all(PHASE_READY);
}

/* All threads end, whatever state they are in. */
static void crew_end(void)
{
	raise_flag(&meeting.freeing);
	raise_flag(&meeting.go);
	for (int i = 0; i < app.nworkers; i++) {
		pthread_join(crew[i].thread, NULL);
		free(crew[i].error);
	}
}

/* All threads that requests will need: later, under a limit of tasks or memory, one may not be had. */
static int helpers_start(const struct config *c)
{
	if (offload_start() || (app.reads && reads_start(app.reads)))
		return -1;
	return config_start_signers(c);
}

static int crew_listen(void)
{
	int bad;

	raise_flag(&meeting.go);
	bad = wait_for_all(PHASE_LISTENING);
	for (int i = 0; bad && i < app.nworkers; i++)
		if (crew[i].phase == PHASE_LISTENING)
			loop_post(crew[i].worker->loop, &crew[i].end);
	return bad;
}

/* -1: the variable is no usable URL; the error says why, without the password in it. */
static int clickhouse_options(const struct config *c, struct clickhouse_options *out)
{
	struct clickhouse_server server;
	struct arena arena;
	int bad;

	*out = (struct clickhouse_options){
		.url = c->clickhouse.url,
		.cluster = c->clickhouse.cluster,
		.single_node = c->clickhouse.single_node,
		.disable_automatic_migrations = c->clickhouse.disable_automatic_migrations,
		.dedup_window = c->clickhouse.dedup_window,
		.max_rows = c->gateway.max_rows,
		.flush_interval_ms = c->gateway.flush_interval_ms,
		.http = { .connect_timeout_ms = c->upstream.connect_timeout_ms,
			  .max_idle = 2,
			  .dns_ttl_s = c->upstream.dns_ttl_s,
			  .ca_file =
				  bytes_set(c->upstream.ca_file) ? c->upstream.ca_file.p : NULL },
	};
	arena_init(&arena, 1 << 20);
	bad = clickhouse_server_parse(out->url, &arena, &server);
	arena_deinit(&arena);
	return bad ? fail_context("TENSORZERO_CLICKHOUSE_URL") : 0;
}

static int clickhouse_migrate(const struct config *c)
{
	struct clickhouse_options clickhouse;

	if (!bytes_set(c->clickhouse.url))
		return fail(
			ERR_CONFIG,
			"--run-clickhouse-migrations needs the variable TENSORZERO_CLICKHOUSE_URL");
	if (clickhouse_options(c, &clickhouse) || store_clickhouse_migrate(&clickhouse))
		return -1;
	log_info("serve", "the ClickHouse database has TensorZero's schema");
	return 0;
}

static int store_start(const struct config *c)
{
	bool main = c->gateway.backend == BACKEND_CLICKHOUSE;
	struct clickhouse_options clickhouse;
	struct store_options options = {
		.data_dir = c->data_dir.p,
		.sync = c->journal.sync,
		.sync_ms = c->journal.sync_ms,
		.segment_mb = c->journal.segment_mb,
		.max_mb = c->journal.max_mb,
		.queue_mb = c->journal.queue_mb,
		.wait_ms = c->journal.wait_ms,
		.keep_mb = c->journal.keep_mb,
		.reserve_mb = c->journal.reserve_mb,
		.refuse_when_full = c->journal.refuse_when_full,
		.compress = c->journal.compress,
		.shutdown_drain_s = c->shutdown_drain_s,
		.search_off = c->sqlite.search_off,
		.retention = { .days = c->sqlite.retention_days,
			       .body_days = c->sqlite.retention_body_days,
			       .max_mb = c->sqlite.retention_max_mb },
		.config_hash = bytes_of(c->hash_decimal),
		.config_text = c->snapshot,
		.clickhouse = main || c->also & ALSO_CLICKHOUSE ? &clickhouse : NULL,
		.clickhouse_is_main = main,
		.sqlite_list_only = main && !(c->also & ALSO_SQLITE),
		.no_sqlite = main && !(c->also & ALSO_SQLITE) && !c->local_days,
	};

	if (options.clickhouse && clickhouse_options(c, &clickhouse))
		return -1;
	/* without bodies signet.db is the list of the last days only */
	if (options.sqlite_list_only &&
	    (!options.retention.days || c->local_days < options.retention.days))
		options.retention.days = c->local_days;

	app.store = store_open(&options);
	if (!app.store)
		return -1;
	app.reads = reads_new(&(struct reads_options){
		.data_dir = options.data_dir,
		.clickhouse = options.sqlite_list_only ? options.clickhouse : NULL,
		.no_sqlite = options.no_sqlite,
	});
	return app.reads ? 0 : -1;
}

/* 80 % of the descriptors that the store and the loops leave; upstreams and files get the rest. */
static uint64_t clients_by_default(void)
{
	uint64_t limit = process_raise_file_limit();
	uint64_t taken = process_open_files() + (uint64_t)app.nworkers * WORKER_FILES;

	return limit > taken + 10 ? (limit - taken) * 8 / 10 : 8;
}

static struct http_server_options server_options(const struct config *c, uint64_t clients)
{
	return (struct http_server_options){
		.handler = api_handle,
		.malformed = api_malformed,
		.done = api_done,
		.max_connections = c->server.max_connections ? c->server.max_connections : clients,
		.max_header_bytes = c->server.max_header_kib << 10,
		.max_headers = c->server.max_headers,
		.max_body = c->server.max_body_mib << 20,
		.body_memory = c->server.body_memory_mib << 20,
		.header_timeout_ms = c->server.header_timeout_ms,
		.body_idle_ms = c->server.body_idle_ms,
		.keepalive_ms = c->server.keepalive_ms,
		.write_idle_ms = c->server.write_idle_ms,
		.fibers_on_disconnect_finish = c->server.finish_on_disconnect,
	};
}

/* ---- signals and the end ---- */

static void signals_of(sigset_t *set)
{
	static const int ours[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };

	sigemptyset(set);
	for (size_t i = 0; i < COUNT(ours); i++)
		sigaddset(set, ours[i]);
}

/* Before the first thread is made: all inherit the mask, and only the main thread takes signals. */
static void signals_setup(void)
{
	sigset_t set;

	signals_of(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* What the log adds to a warning of a request. */
static bool request_now(struct uuid *id)
{
	static const struct uuid none;

	if (!fiber_self())
		return false;
	*id = *fiber_request(fiber_self());
	return memcmp(id, &none, sizeof(none)) != 0;
}

/* The next signal, or 0 when the time is over. SIGUSR1 is done here, and the log's timer stands here. */
static int signal_wait(uint64_t ms)
{
	uint64_t until = ms == TIME_NEVER ? TIME_NEVER : clock_mono_ms() + ms;
	sigset_t set;

	signals_of(&set);
	for (;;) {
		uint64_t now = clock_mono_ms(), left = until > now ? until - now : 0;
		uint64_t turn = left < LOG_TICK_MS ? left : LOG_TICK_MS;
		struct timespec ts = { (time_t)(turn / 1000), (long)(turn % 1000) * 1000000 };
		int sig;

		if (!left)
			return 0;
		log_tick(now);
		sig = sigtimedwait(&set, NULL, &ts);
		if (sig == SIGUSR1) {
			log_reopen();
			log_info("serve", "log file reopened");
		} else if (sig > 0) {
			return sig;
		}
	}
}

/* For whoever does not want to wait. What is in the journal stays for the next start. */
static _Noreturn void end_at_once(int sig)
{
	log_warn("serve", "ended at once by a second signal");
	log_flush();
	_exit(128 + sig);
}

static size_t running_now(void)
{
	size_t n = 0;

	for (int i = 0; i < app.nworkers; i++)
		n += atomic_load(&crew[i].running);
	return n;
}

static bool all_ended(void)
{
	bool ended = true;

	pthread_mutex_lock(&meeting.lock);
	for (int i = 0; i < app.nworkers; i++)
		ended &= crew[i].phase == PHASE_ENDED;
	pthread_mutex_unlock(&meeting.lock);
	return ended;
}

/* Waits for the loops to end until `until`. true: they have. */
static bool wait_for_end(uint64_t until)
{
	uint64_t tell = clock_mono_ms() + DRAIN_TELL_MS;

	while (!all_ended()) {
		uint64_t now = clock_mono_ms();
		int sig;

		if (now >= until)
			return false;
		if (now >= tell) {
			log_info("serve", "draining", LI("running", running_now()),
				 LI("seconds_left", (until - now) / 1000));
			tell = now + DRAIN_TELL_MS;
		}
		sig = signal_wait(DRAIN_LOOK_MS);
		if (sig && sig != SIGHUP)
			end_at_once(sig);
	}
	return true;
}

static void drain(uint64_t drain_s)
{
	atomic_store(&app.draining, true);
	for (int i = 0; i < app.nworkers; i++)
		loop_post(app.workers[i].loop, &crew[i].drain);
	if (wait_for_end(clock_mono_ms() + drain_s * 1000))
		return;
	log_warn("serve", "requests that still run are cancelled", LI("running", running_now()));
	for (int i = 0; i < app.nworkers; i++)
		loop_post(app.workers[i].loop, &crew[i].cancel);
	if (wait_for_end(clock_mono_ms() + CANCEL_WAIT_MS))
		return;
	/* Something does not let go of its fiber: better an end that says so than none. */
	log_error("serve", "cancelled requests do not end", LI("running", running_now()));
	log_flush();
	_exit(1);
}

static void reload(void)
{
	struct config_report report;

	log_info("serve", "SIGHUP: loading the configuration anew");
	config_reload(&app, (struct bytes){ 0 }, &report);
	config_report_deinit(&report);
}

/* Until the process shall end. */
static void wait_for_the_end(bool exit_on_hangup)
{
	int sig;

	while ((sig = signal_wait(TIME_NEVER)) == SIGHUP && !exit_on_hangup)
		reload();
	if (sig == SIGHUP) { /* TensorZero waits a second, for a terminal that closes sends both */
		log_info("serve", "SIGHUP: draining in a second");
		signal_wait(HANGUP_MS);
	}
}

static void run(bool exit_on_hangup, uint64_t drain_s)
{
	wait_for_the_end(exit_on_hangup);
	log_info("serve", "draining: no new connections, running requests go on",
		 LI("seconds_left", drain_s));
	drain(drain_s);
}

/* ---- the whole ---- */

static void listening(const struct listener *at)
{
	char text[32 + SOCK_ADDRESS_TEXT] = "listening on ";

	sock_address_text((const struct sockaddr *)&at[LISTENER_API].addr, text + strlen(text));
	log_info("serve", text, LI("workers", app.nworkers),
		 LB("store", app.store ? app.config->data_dir : B("off")),
		 LI("models", app.config->nmodels),
		 LI("ms", clock_mono_ms() - app.started_mono_ms));
	if (!at[LISTENER_PAGES].addr_n)
		return;
	snprintf(text, sizeof(text), "the web UI is at http://");
	sock_address_text((const struct sockaddr *)&at[LISTENER_PAGES].addr, text + strlen(text));
	log_info("serve", text);
}

/* While the loops still exist, if no longer run: the journal's thread may be waking one at this moment. */
static void store_end(void)
{
	uint64_t left = app.store ? store_close(app.store) : 0;

	reads_free(app.reads);
	app.reads = NULL;
	app.store = NULL;
	if (left)
		log_warn("serve", "records are left for the next start", LI("records", left));
}

static int bind_tests(struct listener *at)
{
	for (int i = 0; i < LISTENERS; i++)
		if (at[i].addr_n && http_bind_test((struct sockaddr *)&at[i].addr, at[i].addr_n))
			return -1;
	return 0;
}

/* From opened store to the drain's end. The exit status. */
static int serve(const struct serve_args *args, struct listener *at)
{
	const struct config *c = app.config;
	int status = 1;

	app.nworkers = c->server.workers ? c->server.workers : process_cores();
	app.workers = calloc((size_t)app.nworkers, sizeof(*app.workers));
	crew = calloc((size_t)app.nworkers, sizeof(*crew));
	if (!app.workers || !crew) {
		fprintf(stderr, "no memory for %d workers\n", app.nworkers);
		goto out;
	}
	app.in_force = in_force_new(&app, app.config, &args->config, serve_log_debug);
	if (!app.in_force) {
		flags_failed("");
		goto out;
	}
	counters_setup(&app);
	answer_memory_limit(c->server.answer_memory_mib << 20);
	at[LISTENER_API].options = server_options(c, clients_by_default());
	at[LISTENER_PAGES].options = at[LISTENER_API].options;
	at[LISTENER_PAGES].options.handler = api_pages;
	if (bind_tests(at) || sign_in_start(&app)) {
		flags_failed("");
		goto out;
	}
	if (helpers_start(c) || crew_start(at) || process_room(SERVING_ROOM) || crew_listen()) {
		flags_failed("");
	} else {
		listening(at);
		run(args->exit_on_hangup, c->server.drain_s);
		status = 0;
	}
	sign_in_end(&app);
	store_end();
	crew_end();
out:
	sign_in_end(&app);
	in_force_free(app.in_force);
	free(crew);
	free(app.workers);
	return status;
}

/* The data directory: with the store in it, or only locked. Beside a running gateway its next configuration
 * can be validated, and without a record a directory that cannot be had costs compiled signers, no more. */
static int take_data_dir(const struct serve_args *args, int *lock_fd)
{
	bool record = app.config->gateway.observability != 0;
	int r;

	if (record && !args->validate)
		return store_start(app.config);
	r = store_lock_dir(app.config->data_dir.p, lock_fd);
	if (r == 0 || (r > 0 && args->validate))
		return 0;
	if (r > 0 || record)
		return -1;
	log_warn("serve", "there is no data directory: compiled signers are not kept",
		 LB("error", error_last()->message));
	return 0;
}

static int serve_config(const struct serve_args *args)
{
	const struct ui_config *ui = &app.config->ui;
	struct listener at[LISTENERS] = { 0 };
	struct listener *api = &at[LISTENER_API], *pages = &at[LISTENER_PAGES];
	int lock_fd = -1, status;

	if (!sock_address_parse(app.config->gateway.bind_address, &api->addr, &api->addr_n) ||
	    (ui->enabled && bytes_set(ui->bind_address) &&
	     !sock_address_parse(ui->bind_address, &pages->addr, &pages->addr_n)))
		return 1; /* config/ has checked them */
	if (take_data_dir(args, &lock_fd))
		return flags_failed("");
	if (args->validate)
		log_info("serve", "Configuration is valid. Exiting.");
	status = args->validate ? 0 : serve(args, at);
	store_end();
	if (!status && !args->validate)
		log_info("serve", "ended");
	if (lock_fd >= 0)
		close(lock_fd);
	return status;
}

int serve_main(int argc, char **argv)
{
	struct config_issues issues = { 0 };
	struct serve_args args;
	int status = serve_args_read(argc, argv, &args);

	if (status >= 0)
		return status;
	app.started_unix_s = clock_unix_ms() / 1000;
	app.started_mono_ms = clock_mono_ms();
	fault_setup(getenv("SIGNET_FAULT"));
	crash_setup("signet " SIGNET_VERSION);
	signals_setup();
	log_ids_from(request_now);
	if (process_room(START_ROOM) || serve_log_setup(&args) || signing_init())
		return flags_failed("");
	app.config = config_load(&args.config, &issues);
	serve_issues_print(&args, &issues, app.config != NULL);
	config_issues_deinit(&issues);
	status = 1;
	if (app.config) {
		serve_log_debug(app.config->gateway.debug);
		if (args.migrate)
			status = clickhouse_migrate(app.config) ? flags_failed("") : 0;
		else
			status = serve_config(&args);
	}
	config_unref(app.config);
	signing_deinit();
	log_flush();
	return status;
}
