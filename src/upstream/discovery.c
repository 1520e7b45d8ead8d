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
	uint64_t fetched_ms, tried_ms; /* 0: never */
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
	bool base = bytes_eq(m->type, B("base"));

	if (f->include.len && !named(&f->include, m->type))
		return false;
	if (named(&f->exclude, m->type))
		return false;
	if (f->only_new && !m->is_new)
		return false;
	if (base)
		return true;
	return m->usage_left > 0 && (f->min_usage_left < 0 || m->usage_left >= f->min_usage_left);
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

static int get(const struct provider_config *p, const struct call_context *context,
	       struct bytes *body)
{
	const struct rust_proxy_options *o = p->options;
	struct header_list h = { 0 };
	struct http_send s = { .method = B("GET"),
			       .arena = context->arena,
			       .head_deadline = clock_mono_ms() + FETCH_MS,
			       .read_idle_ms = FETCH_MS };
	struct http_call *call;
	struct url url;
	int r;

	if (url_parse(o->models_endpoint, context->arena, &url) ||
	    rust_proxy_headers(p, context, B("application/json"), &h))
		return -1;
	s.url = &url;
	s.headers = h.at;
	s.nheaders = h.len;
	call = http_send(context->client, &s);
	if (!call && error_last()->kind == ERR_STALE) {
		s.fresh = true;
		call = http_send(context->client, &s);
	}
	if (!call)
		return -1;
	r = http_call_read_all(call, LIST_MAX, body);
	if (r == 0 && http_call_status(call) != 200)
		r = fail(ERR_INFERENCE_SERVER, "the list of models was answered with status %d",
			 http_call_status(call));
	http_call_close(call);
	return r;
}

/* Fetches and puts the list in place. Waits. */
static int fetch(const struct provider_config *p, const struct call_context *context,
		 struct bytes key)
{
	struct developer_api_model *models = NULL, *copy = NULL;
	struct bytes body = { NULL, 0 };
	struct arena fresh;
	struct list *l;
	size_t n = 0;
	int r = get(p, context, &body);

	arena_init(&fresh, ARENA_MAX);
	if (r == 0) {
		struct bytes own = arena_dup(&fresh, body);

		r = bytes_set(own) ? developer_api_read_models(own, &fresh, &models, &n) : -1;
		copy = models;
	}
	pthread_mutex_lock(&lock);
	l = list_of(key);
	if (l) {
		l->fetching = false;
		l->tried_ms = clock_mono_ms();
		if (r == 0) {
			struct arena old = l->arena;

			l->key = arena_dup(&fresh, l->key);
			l->arena = fresh;
			l->models = copy;
			l->len = n;
			l->have = true;
			l->fetched_ms = l->tried_ms;
			fresh = old;
		}
	}
	pthread_mutex_unlock(&lock);
	arena_deinit(&fresh);
	return r;
}

struct refresh {
	struct arena arena;
	struct call_context context;
	struct provider_config provider;
	struct bytes key, model_name;
	struct config *config;
};

static void refresh_fiber(void *arg)
{
	struct refresh *f = arg;
	struct arena arena;

	if (fetch(&f->provider, &f->context, f->key))
		log_warn("upstream", "the list of models could not be refreshed, the old one holds",
			 LB("model", f->model_name), LB("provider", f->provider.name),
			 LB("error", error_last()->message));
	config_unref(f->config);
	arena = f->arena; /* f itself lives in it */
	arena_deinit(&arena);
}

static void copy_credentials(struct refresh *f, const struct call_context *context)
{
	struct tag *tags = arena_array(&f->arena, struct tag,
				       context->ncredentials ? context->ncredentials : 1);

	f->context.ncredentials = 0;
	for (size_t i = 0; tags && i < context->ncredentials; i++) {
		tags[i].key = arena_dup(&f->arena, context->credentials[i].key);
		tags[i].value = arena_dup(&f->arena, context->credentials[i].value);
		f->context.ncredentials++;
	}
	f->context.credentials = tags;
}

/* A refresh that could not begin: the next request tries. */
static void not_fetching(struct bytes key)
{
	struct list *l;

	pthread_mutex_lock(&lock);
	l = list_of(key);
	if (l)
		l->fetching = false;
	pthread_mutex_unlock(&lock);
}

/* Starts a fiber that fetches the list; the request goes on with the old one. */
static void refresh_behind(const struct provider_config *p, const struct call_context *context,
			   struct bytes key)
{
	struct arena arena;
	struct refresh *f;

	arena_init(&arena, 2 * ARENA_MAX);
	f = arena_new(&arena, struct refresh);
	if (!f) {
		not_fetching(key);
		return;
	}
	f->arena = arena;
	f->context = *context;
	f->context.exchange = NULL;
	f->context.ignored = NULL;
	f->context.request_id = (struct bytes){ NULL, 0 };
	f->context.arena = &f->arena;
	f->provider = *p; /* a discovered model's provider lives in its request's arena */
	f->model_name = arena_dup(&f->arena, p->model->name);
	f->key = arena_dup(&f->arena, key);
	f->context.authorization = arena_dup(&f->arena, context->authorization);
	f->context.x_api_key = arena_dup(&f->arena, context->x_api_key);
	copy_credentials(f, context);
	f->config = (struct config *)(uintptr_t)context->config;
	config_ref(f->config);
	if (!bytes_set(f->key) || !fiber_spawn("model list", refresh_fiber, f)) {
		config_unref(f->config);
		arena = f->arena;
		arena_deinit(&arena);
		not_fetching(key);
	}
}

enum verdict { UNKNOWN, AVAILABLE, REFUSED };

/* Looks the model up; called with the lock held. The name found is copied into the arena. */
static enum verdict look_up(const struct list *l, const struct model_filter *filter,
			    struct arena *a, struct bytes *name)
{
	const struct developer_api_model *exact = NULL, *begins = NULL;
	size_t count = 0;

	if (!l || !l->have)
		return UNKNOWN;
	for (size_t i = 0; i < l->len; i++) {
		if (bytes_eq(l->models[i].name, *name))
			exact = &l->models[i];
		if (bytes_starts(l->models[i].name, *name)) {
			begins = &l->models[i];
			count++;
		}
	}
	if (!exact && count == 1)
		exact = begins;
	if (!exact || !usable(exact, filter))
		return REFUSED;
	*name = arena_dup(a, exact->name);
	return bytes_set(*name) ? AVAILABLE : REFUSED;
}

int discovery_admit(const struct provider_config *p, const struct call_context *context,
		    struct bytes *model_name)
{
	const struct rust_proxy_options *o = p->options;
	struct bytes key, asked = *model_name;
	enum verdict v;
	struct list *l;
	uint64_t now = clock_mono_ms();
	bool first = false, again = false;

	if (o->models_endpoint.n == 0)
		return 0;
	key = key_of(p, context);
	if (!bytes_set(key))
		return -1;
	pthread_mutex_lock(&lock);
	l = list_of(key);
	if (l && !l->fetching && now - l->tried_ms >= (l->have ? FRESH_MS : RETRY_MS)) {
		l->fetching = true;
		first = !l->have;
		again = l->have;
	} else if (l && !l->fetching && !l->tried_ms) {
		l->fetching = first = true;
	}
	pthread_mutex_unlock(&lock);
	if (again)
		refresh_behind(p, context, key);
	if (first && fetch(p, context, key)) {
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
