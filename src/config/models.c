/*
 * [models]: which providers answer for a name, in which order (config §2.4).
 *
 * Every provider is read, also one that routing does not name, because its errors are the reader's
 * errors too. The trap: names. A model must not look like a shorthand ("openai::..."), or adding a
 * provider type in a later version would change what a request reaches.
 */
#include "config/models.h"

#include <stddef.h>

/* ---- one model ---- */

static void read_namespace(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct model_config *m = into;

	if (!want_string(l, t, path, &m->namespace_))
		return;
	if (m->namespace_.n == 0)
		error_at(l, t, path, "Namespace identifier cannot be empty (remove it)");
	else if (bytes_starts(m->namespace_, B("tensorzero::")))
		error_at(l, t, path, "Namespace cannot start with `tensorzero::`: %.*s",
			 BFMT(m->namespace_));
}

static const struct key model_keys[] = {
	{ "routing", KEY_PASS, .required = true, .fix = "`routing = [\"‹provider›\"]`" },
	{ "providers", KEY_PASS, .required = true,
	  .fix = "`[models.‹model›.providers.‹provider›]`" },
	{ "timeouts", KEY_CALL, offsetof(struct model_config, timeouts), .call = read_timeouts },
	{ "skip_relay", KEY_ANY_BOOL },
	{ "namespace", KEY_CALL, .call = read_namespace },
};
static const struct table model_table = TABLE("struct UninitializedModelConfig", model_keys);

static const struct key embedding_model_keys[] = {
	{ "routing", KEY_PASS, .required = true, .fix = "`routing = [\"‹provider›\"]`" },
	{ "providers", KEY_PASS, .required = true,
	  .fix = "`[embedding_models.‹model›.providers.‹provider›]`" },
	{ "timeout_ms", KEY_U64, offsetof(struct model_config, timeouts.total_ms) },
};
static const struct table embedding_model_table =
	TABLE("struct UninitializedEmbeddingModelConfig", embedding_model_keys);

/* The providers of the table, in its order. */
struct providers {
	struct provider_config **at;
	size_t len, cap;
};

static void read_providers(struct loader *l, struct toml *t, struct bytes path,
			   struct model_config *m, struct providers *out)
{
	if (!want_table(l, t, path, "a map"))
		return;
	for (struct toml *c = t->child; c; c = c->next) {
		struct provider_config *p = arena_new(l->arena, struct provider_config);
		size_t *in_flight = arena_new(l->arena, size_t);

		if (!p || !arena_push(l->arena, out->at, out->len, out->cap, p))
			return;
		p->name = c->key;
		p->model = m;
		p->embeds = m->embeds;
		p->in_flight = in_flight;
		read_provider(l, c, path_join(l, path, ".", c->key), p);
	}
}

static struct provider_config *find_provider(const struct providers *ps, struct bytes name)
{
	for (size_t i = 0; i < ps->len; i++)
		if (bytes_eq(ps->at[i]->name, name))
			return ps->at[i];
	return NULL;
}

static void unknown_provider(struct loader *l, const struct toml *t, struct bytes path,
			     struct bytes name, const struct providers *ps)
{
	struct bytes names[64], have, hint;
	size_t n = 0;

	for (; n < ps->len && n < COUNT(names); n++)
		names[n] = ps->at[n]->name;
	have = n ? arena_cat(l->arena, B("it has: "), join_names(l->arena, names, n, "", ", "))
		 : B("it has none");
	hint = name_hint(l, name, names, n, have);
	error_text(l, t, path,
		   "`%.*s`: `routing` contains entry `%.*s` that does not exist in `providers`%.*s",
		   BFMT(path), BFMT(name), BFMT(hint));
}

static bool is_routed(const struct model_config *m, const struct provider_config *p)
{
	for (size_t i = 0; i < m->nrouting; i++)
		if (m->routing[i] == p)
			return true;
	return false;
}

/* One entry of routing: its checks, and its provider at the end of the model's list. */
static void route(struct loader *l, const struct toml *e, struct bytes path, struct model_config *m,
		  const struct providers *ps)
{
	struct provider_config *p = find_provider(ps, e->text);

	if (bytes_starts(e->text, B("tensorzero::")))
		return error_text(
			l, e, path,
			"`%.*s.routing`: Provider name cannot start with 'tensorzero::': %.*s",
			BFMT(path), BFMT(e->text));
	if (!p)
		return unknown_provider(l, e, path, e->text, ps);
	if (is_routed(m, p))
		return error_text(l, e, path, "`%.*s.routing`: duplicate entry `%.*s` (remove one)",
				  BFMT(path), BFMT(e->text));
	m->routing[m->nrouting++] = p; /* no more than providers: each once */
}

static void read_routing(struct loader *l, struct toml *t, struct bytes path,
			 struct model_config *m, const struct providers *ps)
{
	struct bytes inner = path_join(l, path, ".", B("routing")), text;
	size_t i = 0;

	if (!want_array(l, t, inner))
		return;
	if (!t->child)
		return error_text(l, t, path,
				  "`%.*s`: `routing` must not be empty (name a provider)",
				  BFMT(path));
	m->routing = arena_array(l->arena, struct provider_config *, ps->len + 1);
	for (struct toml *e = t->child; e && m->routing; e = e->next, i++)
		if (want_string(l, e, path_index(l, inner, i), &text))
			route(l, e, path, m, ps);
}

static void check_listed(struct loader *l, struct bytes path, const struct model_config *m,
			 const struct providers *ps)
{
	for (size_t i = 0; i < ps->len; i++)
		if (!is_routed(m, ps->at[i]))
			error_text(
				l, ps->at[i]->node, path,
				"`%.*s`: Provider `%.*s` is not listed in `routing` (add it there, or remove it)",
				BFMT(path), BFMT(ps->at[i]->name));
}

static void read_model(struct loader *l, struct toml *t, struct bytes path, struct model_config *m)
{
	struct toml *providers = toml_get(t, "providers"), *routing = toml_get(t, "routing");
	struct providers ps = { 0 };

	if (bytes_starts(t->key, B("tensorzero::")) || is_shorthand_name(t->key))
		error_text(
			l, t, path,
			"Failed to load %s: %s name '%.*s' contains a reserved prefix (rename it)",
			m->embeds ? "embedding models" : "models",
			m->embeds ? "Embedding model" : "Model", BFMT(t->key));
	read_table(l, m->embeds ? &embedding_model_table : &model_table, t, path, ".", m);
	if (providers)
		read_providers(l, providers, path_join(l, path, ".", providers->key), m, &ps);
	if (routing)
		read_routing(l, routing, path, m, &ps);
	if (providers && routing && routing->type == TOML_ARRAY && routing->child)
		check_listed(l, path, m, &ps);
}

/* A list of models under construction. */
struct models {
	struct map *by_name;
	struct model_config **at;
	size_t len, cap;
};

static void read_list(struct loader *l, struct toml *t, struct bytes path, bool embeds,
		      struct models *out)
{
	if (!want_table(l, t, path, "a map"))
		return;
	for (struct toml *e = t->child; e; e = e->next) {
		struct model_config *m = arena_new(l->arena, struct model_config);

		if (!m || map_put(out->by_name, e->key, m) ||
		    !arena_push(l->arena, out->at, out->len, out->cap, m))
			return;
		m->name = e->key;
		m->embeds = embeds;
		read_model(l, e, path_join(l, path, ".", e->key), m);
	}
}

void read_models(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct config *c = into;
	struct models models = { .by_name = &c->model_by_name };

	read_list(l, t, path, false, &models);
	c->models = models.at;
	c->nmodels = models.len;
}

void read_embedding_models(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct config *c = into;
	struct models models = { .by_name = &c->embedding_model_by_name };

	read_list(l, t, path, true, &models);
	c->embedding_models = models.at;
	c->nembedding_models = models.len;
}

struct model_config *config_embedding_model(const struct config *c, struct bytes name)
{
	return map_get(&c->embedding_model_by_name, name);
}

struct model_config *config_model(const struct config *c, struct bytes name)
{
	return map_get(&c->model_by_name, name);
}

const struct alias *config_alias(const struct config *c, struct bytes name)
{
	const struct alias *best = NULL;

	for (size_t i = 0; i < c->surfaces.naliases; i++) {
		const struct alias *alias = &c->surfaces.aliases[i];

		if (!alias->prefix && bytes_eq(alias->name, name))
			return alias;
		if (alias->prefix && bytes_starts(name, alias->name) &&
		    (!best || alias->name.n > best->name.n))
			best = alias;
	}
	return best;
}
