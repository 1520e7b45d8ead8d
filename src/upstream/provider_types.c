/*
 * The list of provider types: the one place that a new type touches beside its own files. In TensorZero's order, since
 * messages print it, Signet's own at the end. A type that is not built yet is a name here, so that a configuration
 * that names it is told so, and so that no model takes a name that will be its shorthand.
 */
#include "upstream/provider_type.h"

extern const struct provider_type provider_anthropic, provider_openai, provider_rust_proxy;
extern const struct provider_type provider_aws_bedrock, provider_aws_sagemaker;
extern const struct provider_type provider_gcp_vertex_anthropic, provider_gcp_vertex_gemini;
extern const struct provider_type provider_google_ai_studio_gemini;

const struct provider_entry provider_entries[] = {
	{ .kind = &provider_anthropic.kind, .settings = 1 },
	{ .kind = &provider_aws_bedrock.kind },
	{ .kind = &provider_aws_sagemaker.kind },
	{ .name = "azure", .settings = 2 },
	{ .kind = &provider_gcp_vertex_anthropic.kind, .settings = 6 },
	{ .kind = &provider_gcp_vertex_gemini.kind, .settings = 5 },
	{ .kind = &provider_google_ai_studio_gemini.kind, .settings = 7 },
	{ .name = "groq", .shorthand = true, .settings = 8 },
	{ .name = "hyperbolic", .shorthand = true, .settings = 9 },
	{ .name = "fireworks", .shorthand = true, .settings = 4 },
	{ .name = "mistral", .shorthand = true, .settings = 10 },
	{ .kind = &provider_openai.kind, .settings = 11 },
	{ .name = "openrouter", .shorthand = true, .settings = 12 },
	{ .name = "together", .shorthand = true, .settings = 15 },
	{ .name = "vllm", .settings = 16 },
	{ .name = "xai", .shorthand = true, .settings = 17 },
	{ .name = "tgi", .settings = 14 },
	{ .name = "sglang", .settings = 13 },
	{ .name = "deepseek", .shorthand = true, .settings = 3 },
	{ .kind = &provider_rust_proxy.kind },
};
const size_t provider_nentries = COUNT(provider_entries);

/* ---- thoughts of others ---- */

bool provider_takes_thoughts_of(const struct provider_config *p, struct bytes type)
{
	const struct provider_type *own = provider_type_of(p);
	size_t i = 0;

	if (bytes_eq(type, p->type))
		return true;
	if (!own->shares_thoughts || !own->shares_thoughts(p))
		return false;
	while (i < provider_nentries &&
	       !(provider_entries[i].kind && bytes_eq(provider_entries[i].kind->name, type)))
		i++;
	return i < provider_nentries &&
	       ((const struct provider_type *)provider_entries[i].kind)->wire == own->wire;
}

/* ---- models that types list ---- */

int model_list_add(struct model_list *l, struct bytes name, const struct provider_config *p)
{
	struct listed_model m = { arena_dup(l->arena, name), p };

	for (size_t i = 0; i < l->len; i++)
		if (bytes_ieq(l->at[i].name, name))
			return 0;
	return bytes_set(m.name) && arena_push(l->arena, l->at, l->len, l->cap, m) ? 0 : -1;
}

int upstream_models(const struct config *config, struct model_list *l)
{
	int r = 0;

	for (size_t i = 0; i < config->nmodels && !r; i++)
		for (size_t j = 0; j < config->models[i]->nrouting && !r; j++) {
			const struct provider_config *p = config->models[i]->routing[j];
			const struct provider_type *type = provider_type_of(p);

			if (type->list_models)
				r = type->list_models(p, l);
		}
	return r;
}
