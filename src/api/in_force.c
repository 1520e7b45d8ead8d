#include "api/in_force.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "api/sign_in.h"
#include "api/counters.h"
#include "base/error.h"
#include "base/log.h"
#include "base/metrics.h"
#include "config/issue.h"

#define REPORT_MAX (64u << 20)
#define LOGGED_MAX 50    /* changes, or errors, of one reload */
#define SWAP_MS    10000 /* a loop that takes longer swaps all the same, but nobody waits for it */

static METRIC(metric_reloads, METRIC_COUNTER, "signet_config_reloads_total", "result",
	      "Configurations that were loaded while the gateway ran");

struct in_force {
	struct app *app;
	const struct config_options *options;
	void (*debug)(bool);
	pthread_mutex_t turn; /* one reload at a time */
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t swapped;
	int waiting;                       /* workers that have not swapped yet */
	struct config *kept[CONFIGS_KEPT]; /* newest first: the first one is in force */
	size_t n;
};

/* ---- workers ---- */

void worker_config_begin(struct worker *w)
{
	struct in_force *f = w->app->in_force;

	pthread_mutex_lock(&f->lock);
	w->config = f->kept[0];
	config_ref(w->config);
	pthread_mutex_unlock(&f->lock);
}

void worker_config_end(struct worker *w)
{
	config_unref(w->config);
	w->config = NULL;
}

/* On the worker's loop. */
static void swap(struct loop_task *task)
{
	struct config_swap *s =
		(struct config_swap *)(void *)((char *)task - offsetof(struct config_swap, task));
	struct worker *w = (struct worker *)(void *)((char *)s - offsetof(struct worker, swap));
	struct in_force *f = w->app->in_force;
	struct config *old = w->config;

	w->config = s->next;
	s->next = NULL;
	config_unref(old); /* not the last one: it is kept */
	pthread_mutex_lock(&f->lock);
	f->waiting--;
	pthread_cond_broadcast(&f->swapped);
	pthread_mutex_unlock(&f->lock);
}

/* Under `lock`. True: every worker has what is in force. */
static bool wait_for_workers(struct in_force *f)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += SWAP_MS / 1000;
	while (f->waiting)
		if (pthread_cond_timedwait(&f->swapped, &f->lock, &until))
			return false;
	return true;
}

/* ---- its life ---- */

struct in_force *in_force_new(struct app *app, struct config *config,
			      const struct config_options *options, void (*debug)(bool))
{
	struct in_force *f = calloc(1, sizeof(*f));

	if (!f)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	*f = (struct in_force){ .app = app, .options = options, .debug = debug };
	pthread_mutex_init(&f->turn, NULL);
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->swapped, NULL);
	config_ref(config);
	f->kept[f->n++] = config;
	return f;
}

void in_force_free(struct in_force *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		config_unref(f->kept[i]);
	pthread_mutex_destroy(&f->turn);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->swapped);
	free(f);
}

/* Puts it first, out of its old place if it has one; the oldest goes where there is no room. Under `lock`. Takes the
 * reference, or gives back the one to let go. */
static struct config *put_first(struct in_force *f, struct config *next)
{
	size_t at = 0;
	struct config *gone = NULL;

	while (at < f->n && !bytes_eq(bytes_of(f->kept[at]->hash), bytes_of(next->hash)))
		at++;
	if (at < f->n)
		gone = f->kept[at];
	else if (f->n == CONFIGS_KEPT)
		gone = f->kept[--at];
	else
		f->n++;
	memmove(f->kept + 1, f->kept, at * sizeof(*f->kept));
	f->kept[0] = next;
	return gone;
}

/* From now on each new request has it; waits until that is so on all workers. Takes the reference. */
static void put_in_force(struct in_force *f, struct config *next)
{
	struct app *app = f->app;
	struct config *gone;

	f->debug(next->gateway.debug);
	pthread_mutex_lock(&f->lock);
	if (!wait_for_workers(f)) /* for the one before: a task is in one list only */
		log_error("config", "a worker has not taken the last configuration yet");
	gone = put_first(f, next);
	for (int i = 0; !f->waiting && i < app->nworkers; i++) {
		config_ref(next);
		app->workers[i].swap = (struct config_swap){ .task.fn = swap, .next = next };
	}
	if (!f->waiting) {
		f->waiting = app->nworkers;
		for (int i = 0; i < app->nworkers; i++)
			loop_post(app->workers[i].loop, &app->workers[i].swap.task);
		if (!wait_for_workers(f))
			log_error("config", "a worker is slow to take the configuration",
				  LI("workers", f->waiting));
	}
	pthread_mutex_unlock(&f->lock);
	config_unref(gone);
}

/* ---- loading ---- */

static void report_begin(struct config_report *r)
{
	*r = (struct config_report){ .verdict = CONFIG_NO_ROOM };
	arena_init(&r->arena, REPORT_MAX);
	issues_init(&r->issues);
}

void config_report_deinit(struct config_report *r)
{
	config_unref(r->from);
	config_unref(r->to);
	config_issues_deinit(&r->issues);
	arena_deinit(&r->arena);
}

static struct config *now_in_force(struct in_force *f)
{
	struct config *c;

	pthread_mutex_lock(&f->lock);
	c = f->kept[0];
	config_ref(c);
	pthread_mutex_unlock(&f->lock);
	return c;
}

static void set_hash(struct config_report *r, struct bytes hash)
{
	snprintf(r->hash, sizeof(r->hash), "%.*s", BFMT(bytes_head(hash, sizeof(r->hash) - 1)));
}

/* What the files say now, and how it differs. */
static void look(struct in_force *f, struct bytes hash, struct config_report *r)
{
	report_begin(r);
	r->from = now_in_force(f);
	r->to = config_load(f->options, &r->issues);
	if (!r->to) {
		r->verdict = CONFIG_WRONG;
		return;
	}
	set_hash(r, bytes_of(r->to->hash));
	if (bytes_set(hash) && !bytes_eq(hash, bytes_of(r->hash)))
		r->verdict = CONFIG_MOVED;
	else if (!config_changes(r->from, r->to, &r->changes, &r->arena))
		r->verdict = CONFIG_GOOD;
}

void config_check(struct app *app, struct config_report *r)
{
	struct in_force *f = app->in_force;

	pthread_mutex_lock(&f->turn);
	look(f, (struct bytes){ 0 }, r);
	pthread_mutex_unlock(&f->turn);
}

/* ---- what the log says of it ---- */

/* Each in a message of its own: a warning that repeats is written once a minute only. */
static void log_changes(const struct config_report *r)
{
	struct bytes none = B("(unset)");
	char text[512];

	for (size_t i = 0; i < r->changes.len && i < LOGGED_MAX; i++) {
		const struct config_change *c = &r->changes.at[i];
		struct bytes old = bytes_set(c->old) ? c->old : none,
			     new = bytes_set(c->new) ? c->new : none;

		snprintf(text, sizeof(text), "%.*s %s", BFMT(bytes_head(c->key, 400)),
			 c->restart ? "takes effect with the next start only" : "changed");
		if (c->restart)
			log_warn("config", text, LB("running", old), LB("file", new));
		else
			log_info("config", text, LB("old", old), LB("new", new));
	}
	if (r->changes.len > LOGGED_MAX)
		log_info("config", "and more changes", LI("changes", r->changes.len));
}

static void log_issues(const struct config_report *r)
{
	struct buf line;

	for (size_t i = 0; i < r->issues.len && i < LOGGED_MAX; i++) {
		buf_init(&line, 1u << 20);
		if (!config_issue_print(&r->issues.at[i], &line) && !buf_putc(&line, '\0'))
			log_at(r->issues.at[i].warning ? LOG_WARN : LOG_ERROR, "config", line.data);
		buf_deinit(&line);
	}
}

static void tell(const struct config_report *r, const char *what)
{
	static const struct bytes results[] = { [CONFIG_GOOD] = B("ok"),
						[CONFIG_WRONG] = B("invalid"),
						[CONFIG_MOVED] = B("conflict"),
						[CONFIG_NO_ROOM] = B("failed") };

	METRIC_ADD(&metric_reloads, 1, results[r->verdict]);
	log_issues(r);
	switch (r->verdict) {
	case CONFIG_GOOD:
		log_changes(r);
		log_info("config", what, LS("hash", r->hash), LI("changes", r->changes.len));
		break;
	case CONFIG_WRONG:
		log_error("config", "not reloaded: the files have errors, nothing has changed",
			  LS("in_force", r->from->hash));
		break;
	case CONFIG_MOVED:
		log_warn("config", "not reloaded: the files are not those that were checked",
			 LS("in_force", r->from->hash));
		break;
	case CONFIG_NO_ROOM:
		log_error("config", "not reloaded", LB("error", error_last()->message));
		break;
	}
}

/* ---- reload ---- */

/* Whether the other floors can live with it; the store has its text then. -1: error set. */
static int others_are_ready(struct app *app, const struct config *next)
{
	if (sign_in_reload(app, next))
		return -1;
	return app->store ? store_config(app->store, bytes_of(next->hash_decimal), next->snapshot)
			  : 0;
}

void config_reload(struct app *app, struct bytes hash, struct config_report *r)
{
	struct in_force *f = app->in_force;

	pthread_mutex_lock(&f->turn);
	look(f, hash, r);
	if (r->verdict == CONFIG_GOOD) {
		config_keep(r->to, app->config);
		if (config_start_signers(r->to) || others_are_ready(app, r->to)) {
			r->verdict = CONFIG_NO_ROOM;
		} else {
			config_ref(r->to);
			put_in_force(f, r->to);
			counters_begin(r->to);
		}
	}
	tell(r, "reloaded");
	pthread_mutex_unlock(&f->turn);
}

void config_activate(struct app *app, struct bytes hash, struct config_report *r)
{
	struct in_force *f = app->in_force;

	pthread_mutex_lock(&f->turn);
	report_begin(r);
	set_hash(r, hash);
	pthread_mutex_lock(&f->lock);
	r->from = f->kept[0];
	config_ref(r->from);
	for (size_t i = 0; i < f->n && !r->to; i++)
		if (bytes_eq(bytes_of(f->kept[i]->hash), hash)) {
			r->to = f->kept[i];
			config_ref(r->to);
		}
	pthread_mutex_unlock(&f->lock);
	if (!r->to)
		r->verdict = CONFIG_MOVED;
	else if (!config_changes(r->from, r->to, &r->changes, &r->arena) &&
		 !others_are_ready(app, r->to))
		r->verdict = CONFIG_GOOD;
	if (r->verdict == CONFIG_GOOD) {
		config_ref(r->to);
		put_in_force(f, r->to);
	}
	tell(r, "an earlier configuration is in force again");
	pthread_mutex_unlock(&f->turn);
}

size_t configs_kept(struct app *app, struct kept_config out[CONFIGS_KEPT])
{
	struct in_force *f = app->in_force;
	size_t n;

	pthread_mutex_lock(&f->lock);
	n = f->n;
	for (size_t i = 0; i < n; i++) {
		memcpy(out[i].hash, f->kept[i]->hash, sizeof(out[i].hash));
		out[i].loaded_unix_ms = f->kept[i]->loaded_unix_ms;
	}
	pthread_mutex_unlock(&f->lock);
	return n;
}
