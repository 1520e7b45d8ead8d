/*
 * Shorthand models, made on first use.
 *
 * A model is first built in the request's arena; only one that works is built again in memory of its
 * own, so that clients who send invented names cannot fill it: at most 1,000 names of at most 512
 * bytes stay. The trap: this runs on a fiber. A signer module takes milliseconds to load and must not
 * run on its stack, so loading goes to the thread pool, and no lock is held while the fiber waits.
 */
#include "config/shorthand.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "config/config.h"
#include "config/credentials.h"
#include "config/models.h"
#include "fiber/fiber.h"

#define MAX_KEPT 1000
#define MAX_NAME 512

struct shorthands {
	pthread_mutex_t lock;
	struct map by_name;
	struct arena arena;
};

struct shorthands *shorthands_new(void)
{
	struct shorthands *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	map_init(&s->by_name);
	arena_init(&s->arena, 16 << 20);
	return s;
}

void shorthands_free(struct shorthands *s)
{
	if (!s)
		return;
	map_deinit(&s->by_name);
	arena_deinit(&s->arena);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static const struct prefix {
	struct bytes text;
	enum provider_kind kind;
} prefixes[] = {
	{ B("openai::"), PROVIDER_OPENAI },
	{ B("rust-proxy::"), PROVIDER_RUST_PROXY },
	{ B("rust_proxy::"), PROVIDER_RUST_PROXY },
};

/* Types with a shorthand in TensorZero (config §3.3) that this version has not. */
static const char *const reserved[] = { "anthropic::",
					"deepseek::",
					"fireworks::",
					"google_ai_studio_gemini::",
					"groq::",
					"hyperbolic::",
					"mistral::",
					"openrouter::",
					"together::",
					"xai::",
					"gcp_vertex_gemini::",
					"gcp_vertex_anthropic::",
					"openai::responses::" };

bool config_is_reserved_shorthand(struct bytes name)
{
	for (size_t i = 0; i < COUNT(reserved); i++) {
		if (bytes_starts(name, bytes_of(reserved[i])))
			return true;
	}
	return false;
}

/* ---- building one ---- */

static int fill_openai(const struct config *c, struct provider_config *p, struct arena *arena)
{
	struct bytes problem;

	p->type = B("openai");
	p->api_base = B("https://api.openai.com/v1/");
	p->endpoint = B("https://api.openai.com/v1/chat/completions");
	p->api_key = c->openai_default;
	if (credential_usable(&p->api_key))
		return 0;
	problem = credential_problem(&p->api_key, arena);
	return fail(ERR_API_KEY_MISSING, "API key missing for provider OpenAI: %.*s",
		    BFMT(problem));
}

static int fill_rust_proxy(struct config *c, struct bytes name, struct provider_config *p,
			   struct arena *arena)
{
	struct loader l = { .config = c, .arena = arena };
	struct missing missing = { 0 };

	p->type = B("rust-proxy");
	read_rust_proxy(&l, NULL, name, p, &missing);
	if (missing.len)
		return fail(ERR_API_KEY_MISSING, "%.*s", BFMT(missing_text(&missing, name, arena)));
	if (bytes_set(missing.problem))
		return fail(ERR_CONFIG, "%.*s: %.*s", BFMT(name), BFMT(missing.problem));
	read_signer(&l, NULL, c->base_dir, name, p);
	return 0;
}

static struct model_config *build(struct config *c, struct bytes name, const struct prefix *prefix,
				  struct signer *signer, struct arena *arena)
{
	struct model_config *m = arena_new(arena, struct model_config);
	struct provider_config *p = arena_new(arena, struct provider_config);

	if (!m || !p || !(m->routing = arena_array(arena, struct provider_config *, 1)))
		return NULL;
	m->name = arena_dup(arena, name);
	if (!bytes_set(m->name))
		return NULL;
	m->shorthand = true;
	m->routing[m->nrouting++] = p;
	provider_defaults(p);
	p->model = m;
	p->kind = prefix->kind;
	p->model_name = bytes_slice(m->name, prefix->text.n, m->name.n);
	if ((p->kind == PROVIDER_OPENAI ? fill_openai(c, p, arena)
					: fill_rust_proxy(c, m->name, p, arena)) != 0)
		return NULL;
	p->name = p->type;
	p->signer.signer = signer;
	return m;
}

/* ---- its signer, off the fiber ---- */

struct signer_job {
	struct config *config;
	const struct signer_config *settings;
	struct arena *arena;
	struct signer *signer;
	struct error *error;
};

static void load_signer(void *arg)
{
	struct signer_job *job = arg;
	struct bytes dir = module_cache_dir(job->config, job->arena);

	make_cache_dir(job->config, dir);
	job->signer = signer_cache_get(job->config->signers, job->settings, B("rust-proxy"), dir.p);
	if (!job->signer)
		job->error = error_save(job->arena);
}

static struct signer *get_signer(struct config *c, const struct signer_config *settings,
				 struct arena *arena)
{
	struct signer_job job = { .config = c, .settings = settings, .arena = arena };

	if (!fiber_self())
		load_signer(&job);
	else if (offload(load_signer, &job) != 0)
		return NULL;
	if (!job.signer && job.error)
		fail_with(job.error);
	return job.signer;
}

/* ---- finding and keeping ---- */

static struct model_config *find(struct shorthands *s, struct bytes name)
{
	struct model_config *m;

	pthread_mutex_lock(&s->lock);
	m = map_get(&s->by_name, name);
	pthread_mutex_unlock(&s->lock);
	return m;
}

/* Builds it again to stay; the request's own one serves where there is no room. */
static struct model_config *keep(struct config *c, const struct prefix *prefix,
				 struct model_config *made)
{
	struct shorthands *s = c->shorthands;
	struct model_config *m;

	if (made->name.n > MAX_NAME)
		return made;
	pthread_mutex_lock(&s->lock);
	m = map_get(&s->by_name, made->name);
	if (!m && s->by_name.len < MAX_KEPT) {
		m = build(c, made->name, prefix, made->routing[0]->signer.signer, &s->arena);
		if (m && map_put(&s->by_name, m->name, m) != 0)
			m = NULL;
	}
	pthread_mutex_unlock(&s->lock);
	return m ? m : made;
}

struct model_config *config_shorthand(struct config *c, struct bytes name, struct arena *arena)
{
	const struct prefix *prefix = NULL;
	struct provider_config *p;
	struct model_config *m;

	for (size_t i = 0; i < COUNT(prefixes) && !prefix; i++) {
		if (bytes_starts(name, prefixes[i].text) && name.n > prefixes[i].text.n)
			prefix = &prefixes[i];
	}
	if (!prefix || config_is_reserved_shorthand(name))
		return fail_null(ERR_MODEL_NOT_FOUND, "Model name '%.*s' not found in model table",
				 BFMT(name));
	m = find(c->shorthands, name);
	if (m)
		return m;
	m = build(c, name, prefix, NULL, arena);
	if (!m)
		return NULL;
	p = m->routing[0];
	if (p->signer.set && !(p->signer.signer = get_signer(c, &p->signer, arena)))
		return NULL;
	return keep(c, prefix, m);
}
