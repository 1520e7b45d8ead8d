/*
 * Names. A surface may know only the two prefixed forms (TensorZero's); others try the rows of surfaces
 * §1.2 in order. Functions come with a later issue: a name that could only be one is unknown here.
 */
#include "route/target.h"

#include "base/error.h"
#include "config/models.h"
#include "route/model_call.h"
#include "upstream/upstream.h"

#define FUNCTION         B("tensorzero::function_name::")
#define MODEL            B("tensorzero::model_name::")
#define DEFAULT_FUNCTION B("tensorzero::default")
#define NEAREST          5

/* What a name may mean: what is configured, and beside it the models that shorthands have made. */
struct naming {
	const struct config *config;
	struct shorthands *shorthands;
};

static struct bytes behind(struct bytes name, struct bytes prefix)
{
	return bytes_slice(name, prefix.n, name.n);
}

/* ", "-joined names of models and aliases, the nearest first. */
static struct bytes nearest(const struct config *config, struct bytes name, struct arena *a)
{
	struct bytes best[NEAREST + 1], out = B("");
	size_t far[NEAREST + 1], n = 0, all = config->nmodels + config->surfaces.naliases;

	for (size_t i = 0; i < all; i++) {
		const struct alias *alias =
			i < config->nmodels ? NULL : &config->surfaces.aliases[i - config->nmodels];
		struct bytes have = alias ? alias->name : config->models[i]->name;
		size_t d = bytes_distance(name, have), at = n;

		if (alias && alias->prefix)
			continue; /* `claude-*` is no name that could be asked for */
		for (; at > 0 && far[at - 1] > d; at--) {
			best[at] = best[at - 1];
			far[at] = far[at - 1];
		}
		best[at] = have;
		far[at] = d;
		n += n < NEAREST;
	}
	for (size_t i = 0; i < n && bytes_set(out); i++)
		out = i ? arena_printf(a, "%.*s, %.*s", BFMT(out), BFMT(best[i])) : best[i];
	return out;
}

static int not_found(const struct config *config, struct bytes name, struct arena *a)
{
	struct bytes known = nearest(config, name, a);

	return fail_param(ERR_MODEL_NOT_FOUND, B("model"), "model_not_found",
			  "The model `%.*s` does not exist.%s%.*s", BFMT(name),
			  known.n ? " Known: " : "", BFMT(known));
}

static int to_model(const struct model_config *m, struct target *out)
{
	*out = (struct target){ .model = m,
				.variant_name = m->name,
				.function_name = DEFAULT_FUNCTION };
	return 0;
}

/* A configured model or a shorthand. 0 found, 1 neither, -1 a shorthand that cannot be had. */
static int model_named(const struct naming *naming, struct bytes name, bool shorthand,
		       struct arena *a, struct target *out)
{
	const struct model_config *m = config_model(naming->config, name);

	if (m)
		return to_model(m, out);
	if (!shorthand)
		return 1;
	m = shorthand_model(naming->shorthands, name, a);
	if (m)
		return to_model(m, out);
	if (shorthand_is_reserved(name)) {
		struct bytes rest = name, type = bytes_cut(&rest, ':');

		return fail(
			ERR_INVALID_TARGET,
			"Invalid inference target: Invalid model name: this version of Signet does not support provider type `%.*s` yet (model `%.*s`)",
			BFMT(type), BFMT(name));
	}
	return error_last()->kind == ERR_MODEL_NOT_FOUND ? 1 : -1;
}

static int function_named(struct bytes name, bool prefixed_only)
{
	if (bytes_eq(name, DEFAULT_FUNCTION))
		return fail(ERR_INTERNAL, "Function `tensorzero::default` has no variants");
	if (prefixed_only)
		return fail(ERR_UNKNOWN_FUNCTION, "Unknown function: %.*s", BFMT(name));
	return fail_param(ERR_UNKNOWN_FUNCTION, B("model"), "model_not_found",
			  "Unknown function: %.*s", BFMT(name));
}

/* A discovered model is called through the provider that lists it, under its own name. */
static int to_discovered(const struct listed_model *found, struct arena *a, struct target *out)
{
	struct provider_config *p = arena_new(a, struct provider_config);
	struct model_config *m = arena_new(a, struct model_config);

	if (!p || !m)
		return -1;
	*p = *found->provider;
	p->model_name = found->name;
	p->model = m;
	*m = *found->provider->model;
	m->name = found->name;
	m->label = model_label(found->provider->model); /* not what an upstream lists */
	m->routing = arena_array(a, struct provider_config *, 1);
	if (!m->routing)
		return -1;
	m->routing[0] = p;
	m->nrouting = 1;
	return to_model(m, out);
}

/* The listed model of that name, or the only one whose name begins so. 0 found, 1 none, -1. */
static int discovered(const struct config *config, struct bytes name, struct arena *a,
		      struct target *out)
{
	struct model_list list = { .arena = a };
	const struct listed_model *found = NULL;
	size_t begin = 0;

	if (upstream_models(config, &list))
		return -1;
	for (size_t i = 0; i < list.len; i++) {
		if (bytes_eq(list.at[i].name, name))
			return to_discovered(&list.at[i], a, out);
		if (name.n && bytes_starts(list.at[i].name, name)) {
			found = &list.at[i];
			begin++;
		}
	}
	return begin == 1 ? to_discovered(found, a, out) : 1;
}

static int resolve_prefixed(const struct naming *naming, bool prefixed_only, struct bytes name,
			    struct arena *a, struct target *out)
{
	struct bytes model;
	int r;

	if (bytes_starts(name, FUNCTION))
		return function_named(behind(name, FUNCTION), prefixed_only);
	model = behind(name, MODEL);
	r = model_named(naming, model, true, a, out);
	/* TensorZero reads a shorthand's credential only when it calls the model's one variant */
	if (r < 0 && prefixed_only && error_last()->kind == ERR_API_KEY_MISSING)
		return fail_variants(model, a);
	if (r <= 0)
		return r;
	if (!prefixed_only)
		return not_found(naming->config, model, a);
	return fail(
		ERR_INVALID_TARGET,
		"Invalid inference target: Invalid model name: Model name '%.*s' not found in model table",
		BFMT(model));
}

static bool prefixed(struct bytes name)
{
	return bytes_starts(name, FUNCTION) || bytes_starts(name, MODEL);
}

static int resolve_any(const struct naming *naming, struct bytes name, struct arena *a, bool once,
		       struct target *out)
{
	const struct alias *alias;
	int r;

	if (prefixed(name))
		return resolve_prefixed(naming, false, name, a, out);
	r = model_named(naming, name, false, a, out);
	if (r <= 0)
		return r;
	alias = once ? NULL : config_alias(naming->config, name); /* no chains */
	if (alias)
		return resolve_any(naming, alias->target, a, true, out);
	r = model_named(naming, name, naming->config->surfaces.shorthand, a, out);
	if (r <= 0)
		return r;
	r = discovered(naming->config, name, a, out);
	if (r <= 0)
		return r;
	if (!once && naming->config->surfaces.default_model.n)
		return resolve_any(naming, naming->config->surfaces.default_model, a, true, out);
	return not_found(naming->config, name, a);
}

int target_resolve(const struct config *config, struct shorthands *shorthands, bool prefixed_only,
		   struct bytes name, struct arena *a, struct target *out)
{
	struct naming naming = { config, shorthands };

	if (prefixed_only)
		return resolve_prefixed(&naming, true, name, a, out);
	if (!resolve_any(&naming, name, a, false, out))
		return 0;
	/* an alias that leads nowhere is told under the name that the client knows */
	return error_last()->kind == ERR_MODEL_NOT_FOUND && !prefixed(name)
		       ? not_found(config, name, a)
		       : -1;
}

/* A configured embedding model or a shorthand. 0 found, 1 neither, -1. */
static int embedding_named(const struct naming *naming, struct bytes name, struct arena *a,
			   struct target *out)
{
	const struct model_config *m = config_embedding_model(naming->config, name);

	if (!m && naming->config->surfaces.shorthand)
		m = shorthand_embedding_model(naming->shorthands, name, a);
	if (m)
		return to_model(m, out);
	return naming->config->surfaces.shorthand && error_last()->kind != ERR_MODEL_NOT_FOUND ? -1
											       : 1;
}

/* Known ones stand in the message: there are few of them. */
static int no_embedding(const struct config *config, struct bytes name, struct arena *a)
{
	struct bytes known = B("");

	for (size_t i = 0; i < config->nembedding_models && i < NEAREST && bytes_set(known); i++)
		known = arena_printf(a, "%.*s%s%.*s", BFMT(known), i ? ", " : " Known: ",
				     BFMT(config->embedding_models[i]->name));
	return fail_param(ERR_MODEL_NOT_FOUND, B("model"), "model_not_found",
			  "The embedding model `%.*s` does not exist.%.*s", BFMT(name),
			  BFMT(known));
}

int target_resolve_embedding(const struct config *config, struct shorthands *shorthands,
			     bool tensorzero, struct bytes name, struct arena *a,
			     struct target *out)
{
	struct naming naming = { config, shorthands };
	struct bytes prefix = B("tensorzero::embedding_model_name::"), model = name;
	const struct alias *alias;
	int r;

	if (bytes_starts(name, prefix))
		model = behind(name, prefix);
	r = embedding_named(&naming, model, a, out);
	if (r <= 0)
		return r;
	if (tensorzero)
		return fail(ERR_MODEL_NOT_FOUND, "Model not found: %.*s", BFMT(model));
	alias = config_alias(config, model);
	if (alias) {
		model = alias->target;
		if (bytes_starts(model, prefix))
			model = behind(model, prefix);
		r = embedding_named(&naming, model, a, out);
	}
	return r <= 0 ? r : no_embedding(config, name, a);
}

static int check_models(const struct config *config, const struct extras *list)
{
	for (size_t i = 0; i < list->len; i++) {
		const struct extra *e = &list->at[i];
		const struct model_config *m;
		bool there = false;

		if (!bytes_set(e->model_name))
			continue;
		m = config_model(config, e->model_name);
		if (!m && is_shorthand_name(e->model_name))
			continue; /* its one provider is named after its type */
		if (!m)
			return fail(
				ERR_INVALID_TARGET,
				"Invalid inference target: Invalid model provider filter: model `%.*s` does not exist.",
				BFMT(e->model_name));
		for (size_t j = 0; j < m->nrouting; j++)
			there |= bytes_eq(m->routing[j]->name, e->provider_name);
		if (bytes_set(e->provider_name) && !there)
			return fail(
				ERR_INVALID_TARGET,
				"Invalid inference target: Invalid model provider filter: provider `%.*s` not found in model `%.*s`.",
				BFMT(e->provider_name), BFMT(e->model_name));
	}
	return 0;
}

/* A model call has one variant, which bears the model's name. */
static int check_variants(const struct target *target, const struct extras *list)
{
	for (size_t i = 0; i < list->len; i++) {
		struct bytes name = list->at[i].variant_name;

		if (bytes_set(name) && !bytes_eq(name, target->variant_name))
			return fail(ERR_UNKNOWN_VARIANT, "Unknown variant: %.*s", BFMT(name));
	}
	return 0;
}

int target_check_filters(const struct config *config, const struct target *target,
			 const struct inference *inf)
{
	return check_models(config, &inf->extra_body) ||
			       check_models(config, &inf->extra_headers) ||
			       check_variants(target, &inf->extra_body) ||
			       check_variants(target, &inf->extra_headers)
		       ? -1
		       : 0;
}
