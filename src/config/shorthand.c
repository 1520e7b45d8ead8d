/*
 * Shorthand models, made on first use.
 *
 * A model is first built in the request's arena; only one that works is built again in memory of its
 * own, so that clients who send invented names cannot fill it: at most 1,000 names of at most 512
 * bytes stay, and metrics name the first 100 of them. The trap: this runs on a fiber. A signer module takes milliseconds to load and must not
 * run on its stack, so loading goes to the thread pool, and no lock is held while the fiber waits.
 */
#include "config/shorthand.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "config/models.h"
#include "fiber/fiber.h"
#include "sign/signer.h"

#define MAX_KEPT     1000
#define MAX_NAME     512
#define MAX_LABELLED 100 /* signet-own (f) */
#define LABEL_NAME   128
#define KEPT_MAX     (16 << 20)

struct shorthands {
	const struct config *config;
	pthread_mutex_t lock;
	struct map by_name[2]; /* embedding models are the second */
	struct arena arena;
};

struct shorthands *shorthands_new(const struct config *config)
{
	struct shorthands *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->config = config;
	pthread_mutex_init(&s->lock, NULL);
	map_init(&s->by_name[false]);
	map_init(&s->by_name[true]);
	arena_init(&s->arena, KEPT_MAX);
	return s;
}

void shorthands_free(struct shorthands *s)
{
	if (!s)
		return;
	map_deinit(&s->by_name[false]);
	map_deinit(&s->by_name[true]);
	arena_deinit(&s->arena);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* ---- building one ---- */

static struct model_config *build(const struct config *c, struct bytes name, bool embeds,
				  struct signer *signer, struct arena *arena)
{
	struct loader l = { .config = (struct config *)(uintptr_t)c, .arena = arena };
	struct model_config *m = arena_new(arena, struct model_config);
	struct provider_config *p = arena_new(arena, struct provider_config);
	const struct provider_kind *kind;

	if (!m || !p || !(m->routing = arena_array(arena, struct provider_config *, 1)))
		return NULL;
	m->name = arena_dup(arena, name);
	m->label = B("other");
	if (!bytes_set(m->name))
		return NULL;
	m->routing[m->nrouting++] = p;
	p->model = m;
	m->embeds = p->embeds = embeds;
	p->unsupported_as_placeholder = -1;
	kind = shorthand_kind(m->name, &p->model_name);
	if (!provider_begin(p, kind, c, arena) || kind->shorthand(&l, m->name, p))
		return NULL;
	if (kind->protocol)
		read_signer(&l, NULL, c->base_dir, m->name, p);
	p->name = p->type;
	provider_end(p, arena);
	provider_price(c, p);
	p->signer.signer = signer;
	return m;
}

/* ---- its signer, off the fiber ---- */

struct signer_job {
	const struct config *config;
	const struct provider_config *provider;
	struct arena *arena;
	struct signer *signer;
	struct error *error;
};

static void load_signer(void *arg)
{
	struct signer_job *job = arg;

	job->signer = signer_get(job->config, &job->provider->signer, job->provider->type, true,
				 job->arena);
	if (job->signer && signer_start(job->signer))
		job->signer = NULL;
	if (!job->signer)
		job->error = error_save(job->arena);
}

static struct signer *get_signer(const struct config *c, const struct provider_config *p,
				 struct arena *arena)
{
	struct signer_job job = { .config = c, .provider = p, .arena = arena };

	if (!fiber_self())
		load_signer(&job);
	else if (offload(load_signer, &job))
		return NULL;
	if (job.error)
		fail_with(job.error);
	return job.signer;
}

/* ---- finding and keeping ---- */

/* Names that are labels, for the life of the process: metrics outlive a configuration. */
static struct {
	pthread_mutex_t lock;
	struct bytes at[MAX_LABELLED];
	size_t len;
} labelled = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct bytes label_of(struct bytes name)
{
	struct bytes label = B("other");
	char *copy;

	pthread_mutex_lock(&labelled.lock);
	for (size_t i = 0; i < labelled.len; i++)
		if (bytes_eq(labelled.at[i], name))
			label = labelled.at[i];
	if (bytes_eq(label, B("other")) && name.n <= LABEL_NAME && labelled.len < MAX_LABELLED &&
	    (copy = malloc(name.n + 1))) {
		memcpy(copy, name.p, name.n);
		label = (struct bytes){ copy, name.n };
		labelled.at[labelled.len++] = label;
	}
	pthread_mutex_unlock(&labelled.lock);
	return label;
}

static struct model_config *keep(struct shorthands *s, struct bytes name, bool embeds,
				 struct signer *signer)
{
	struct model_config *m = build(s->config, name, embeds, signer, &s->arena);

	if (!m || map_put(&s->by_name[embeds], m->name, m))
		return NULL;
	m->label = label_of(m->name);
	return m;
}

/* The one of that name that stays; else `made`, built again to stay, or itself where there is no room. NULL: neither. */
static struct model_config *kept_model(struct shorthands *s, struct bytes name, bool embeds,
				       struct model_config *made)
{
	struct model_config *m;

	pthread_mutex_lock(&s->lock);
	m = map_get(&s->by_name[embeds], name);
	if (!m && made && name.n <= MAX_NAME && s->by_name[embeds].len < MAX_KEPT)
		m = keep(s, name, embeds, made->routing[0]->signer.signer);
	pthread_mutex_unlock(&s->lock);
	return m ? m : made;
}

static struct model_config *model_named(struct shorthands *s, struct bytes name, bool embeds,
					struct arena *arena)
{
	const struct provider_kind *kind;
	struct bytes model_name;
	struct provider_config *p;
	struct model_config *m;

	kind = shorthand_kind(name, &model_name);
	if (!kind || (embeds && !kind->embeds))
		return fail_null(ERR_MODEL_NOT_FOUND, "Model name '%.*s' not found in model table",
				 BFMT(name));
	m = kept_model(s, name, embeds, NULL);
	if (m)
		return m;
	m = build(s->config, name, embeds, NULL, arena);
	if (!m)
		return NULL;
	p = m->routing[0];
	if (p->signer.set && !(p->signer.signer = get_signer(s->config, p, arena)))
		return NULL;
	return kept_model(s, name, embeds, m);
}

struct model_config *shorthand_model(struct shorthands *s, struct bytes name, struct arena *arena)
{
	return model_named(s, name, false, arena);
}

struct model_config *shorthand_embedding_model(struct shorthands *s, struct bytes name,
					       struct arena *arena)
{
	return model_named(s, name, true, arena);
}
