/*
 * Model discovery of rust-proxy.
 *
 * The list of models is one per (URL, device, session), shared by all workers under a mutex that is never
 * held over a wait. The first request that finds none fetches it; one that finds it older than 60 s starts
 * a fiber that fetches it anew and goes on with the old one. A list that cannot be had stops nobody.
 */
#include "upstream/rust_proxy.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "fiber/fiber.h"
#include "upstream/files.h"

#define FRESH_MS  60000
#define FETCH_MS  10000
#define RETRY_MS  5000 /* after a failed fetch */
#define LIST_MAX  (4u << 20)
#define ARENA_MAX (4 * LIST_MAX) /* of one read list */
#define LISTS_MAX 64

struct list {
	struct list *next;
	struct arena arena; /* key and models */
	struct bytes key;
	struct developer_api_model *models;
	size_t len;
	uint64_t tried_ms; /* 0: never */
	bool have, fetching;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list *lists; /* newest first; never freed while the process runs, LISTS_MAX at most */
static size_t nlists;

static bool named(const struct strings *names, struct bytes type)
{
	for (size_t i = 0; i < names->len; i++)
		if (bytes_ieq(names->at[i], type))
			return true;
	return false;
}

static bool usable(const struct developer_api_model *m, const struct model_filter *f)
{
	if ((f->include.len && !named(&f->include, m->type)) || named(&f->exclude, m->type) ||
	    (f->only_new && !m->is_new))
		return false;
	return bytes_eq(m->type, B("base")) ||
	       (m->usage_left > 0 && m->usage_left >= f->min_usage_left);
}

/* The list of that key, made if it is not there. Called with the lock held. NULL: no room. */
static struct list *list_of(struct bytes key)
{
	struct list *l;

	for (l = lists; l; l = l->next)
		if (bytes_eq(l->key, key))
			return l;
	if (nlists >= LISTS_MAX || !(l = calloc(1, sizeof *l)))
		return NULL;
	arena_init(&l->arena, ARENA_MAX);
	l->key = arena_dup(&l->arena, key);
	if (!bytes_set(l->key)) {
		free(l);
		return NULL;
	}
	l->next = lists;
	lists = l;
	nlists++;
	return l;
}

static struct bytes key_of(const struct provider_config *p, const struct call_context *context)
{
	const struct rust_proxy_options *o = p->options;
	const char *label = p->kind->label;
	struct bytes device, session;

	if (credential_get(&o->device_id, context, label, &device) ||
	    credential_get(&o->session_id, context, label, &session))
		return (struct bytes){ NULL, 0 };
	return arena_printf(context->arena, "%.*s\n%.*s\n%.*s", BFMT(o->models_endpoint),
			    BFMT(device), BFMT(session));
}

/* ---- fetching ---- */

/* One look at the upstream's list. It may outlive the request that wants it, so that all of it is its own. */
struct refresh {
	struct arena arena;
	struct http_client *client;
	struct bytes key, model, provider; /* the latter for the log */
	struct url url;
	struct header_list headers;
};

static void refresh_free(struct refresh *f)
{
	struct arena arena = f->arena; /* f itself lives in it */

	arena_deinit(&arena);
}

static int own_values(struct header_list *l, struct arena *a)
{
	for (size_t i = 0; i < l->len; i++) {
		l->at[i].value = arena_dup(a, l->at[i].value);
		if (!bytes_set(l->at[i].value))
			return -1;
	}
	return 0;
}

static struct refresh *refresh_new(const struct provider_config *p,
				   const struct call_context *context, struct bytes key)
{
	const struct rust_proxy_options *o = p->options;
	struct call_context own = *context;
	struct arena arena;
	struct refresh *f;

	arena_init(&arena, 2 * ARENA_MAX);
	f = arena_new(&arena, struct refresh);
	if (!f)
		return NULL;
	f->arena = arena;
	f->client = context->client;
	own.arena = &f->arena;
	f->key = arena_dup(own.arena, key);
	f->model = arena_dup(own.arena, p->model->name);
	f->provider = arena_dup(own.arena, p->name);
	if (!bytes_set(f->key) ||
	    url_parse(arena_dup(own.arena, o->models_endpoint), own.arena, &f->url) ||
	    rust_proxy_headers(p, &own, B("application/json"), &f->headers) ||
	    own_values(&f->headers, own.arena)) {
		refresh_free(f);
		return NULL;
	}
	return f;
}

static int get_list(struct refresh *f, struct bytes *body)
{
	struct http_send s = { .url = &f->url,
			       .method = B("GET"),
			       .headers = f->headers.at,
			       .nheaders = f->headers.len,
			       .arena = &f->arena,
			       .head_deadline = clock_mono_ms() + FETCH_MS,
			       .read_idle_ms = FETCH_MS };
	struct http_call *call = send_unsigned(f->client, &s);
	int r;

	if (!call)
		return -1;
	r = http_call_read_all(call, LIST_MAX, body);
	if (r == 0 && http_call_status(call) != 200)
		r = fail(ERR_INFERENCE_SERVER, "the list of models was answered with status %d",
			 http_call_status(call));
	http_call_close(call);
	return r;
}

/* The end of a look: what it brought, NULL: nothing, takes the place of what was there. */
static void end_fetching(struct bytes key, struct arena *fresh, struct developer_api_model *models,
			 size_t n)
{
	struct list *l;

	pthread_mutex_lock(&lock);
	l = list_of(key);
	if (l) {
		l->fetching = false;
		l->tried_ms = clock_mono_ms();
	}
	if (l && fresh && bytes_set(key = arena_dup(fresh, key))) {
		struct arena old = l->arena;

		l->key = key;
		l->arena = *fresh;
		l->models = models;
		l->len = n;
		l->have = true;
		*fresh = old;
	}
	pthread_mutex_unlock(&lock);
}

/* Fetches and puts the list in place. Waits. */
static int fetch_list(struct refresh *f)
{
	struct developer_api_model *models = NULL;
	struct bytes body = { NULL, 0 };
	struct arena fresh;
	size_t n = 0;
	int r;

	arena_init(&fresh, ARENA_MAX);
	r = get_list(f, &body) || developer_api_read_models(body, &fresh, &models, &n) ? -1 : 0;
	end_fetching(f->key, r ? NULL : &fresh, models, n);
	arena_deinit(&fresh);
	return r;
}

static void refresh_fiber(void *arg)
{
	struct refresh *f = arg;

	if (fetch_list(f))
		log_warn("upstream", "the list of models could not be refreshed, the old one holds",
			 LB("model", f->model), LB("provider", f->provider),
			 LB("error", error_last()->message));
	refresh_free(f);
}

/* Fetches the list, or starts a fiber that does and lets the request go on with the old one. */
static int refresh_list(const struct provider_config *p, const struct call_context *context,
			struct bytes key, bool behind)
{
	struct refresh *f = refresh_new(p, context, key);
	int r = -1;

	if (f && behind && fiber_spawn("model list", refresh_fiber, f))
		return 0;
	if (f && !behind)
		r = fetch_list(f);
	else
		end_fetching(key, NULL, NULL, 0);
	if (f)
		refresh_free(f);
	return r;
}

/* ---- asking ---- */

enum verdict { UNKNOWN, AVAILABLE, REFUSED, NO_ROOM };

/* Looks the model up; called with the lock held. The name found is copied into the arena. */
static enum verdict look_up(const struct list *l, const struct model_filter *filter,
			    struct arena *a, struct bytes *name)
{
	const struct developer_api_model *exact = NULL, *begins = NULL;
	size_t matches = 0;

	if (!l || !l->have)
		return UNKNOWN;
	for (size_t i = 0; i < l->len; i++) {
		if (bytes_eq(l->models[i].name, *name))
			exact = &l->models[i];
		if (bytes_starts(l->models[i].name, *name)) {
			begins = &l->models[i];
			matches++;
		}
	}
	if (!exact && matches == 1)
		exact = begins;
	if (!exact || !usable(exact, filter))
		return REFUSED;
	*name = arena_dup(a, exact->name);
	return bytes_set(*name) ? AVAILABLE : NO_ROOM;
}

int discovery_admit(const struct provider_config *p, const struct call_context *context,
		    struct bytes *model_name)
{
	const struct rust_proxy_options *o = p->options;
	struct bytes key, asked = *model_name;
	enum verdict v;
	struct list *l;
	uint64_t now = clock_mono_ms();
	bool have, due;

	if (o->models_endpoint.n == 0)
		return 0;
	key = key_of(p, context);
	if (!bytes_set(key))
		return -1;
	pthread_mutex_lock(&lock);
	l = list_of(key);
	have = l && l->have;
	due = l && !l->fetching &&
	      (!l->tried_ms || now - l->tried_ms >= (have ? FRESH_MS : RETRY_MS));
	if (due)
		l->fetching = true;
	pthread_mutex_unlock(&lock);
	if (due && refresh_list(p, context, key, have) && !have) {
		if (error_last()->kind == ERR_CANCELLED || error_last()->kind == ERR_DEADLINE)
			return -1;
		log_warn("upstream",
			 "the list of models cannot be fetched, every model is let through",
			 LB("model", p->model->name), LB("provider", p->name),
			 LB("error", error_last()->message));
	}
	pthread_mutex_lock(&lock);
	v = look_up(list_of(key), &o->filter, context->arena, model_name);
	pthread_mutex_unlock(&lock);
	if (v == NO_ROOM)
		return -1;
	if (v != REFUSED)
		return 0;
	return fail(ERR_INVALID_REQUEST, "Model '%.*s' is not available or has no usage left",
		    BFMT(asked));
}

int discovery_list(const struct provider_config *p, struct model_list *out)
{
	const struct rust_proxy_options *o = p->options;
	int r = 0;

	if (o->models_endpoint.n == 0)
		return 0;
	pthread_mutex_lock(&lock);
	for (struct list *l = lists; l; l = l->next) {
		struct bytes rest = l->key;

		if (!l->have || !bytes_eq(bytes_cut(&rest, '\n'), o->models_endpoint))
			continue;
		for (size_t i = 0; i < l->len && !r; i++)
			if (usable(&l->models[i], &o->filter))
				r = model_list_add(out, l->models[i].name, p);
	}
	pthread_mutex_unlock(&lock);
	return r;
}
