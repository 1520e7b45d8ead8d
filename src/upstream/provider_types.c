/*
 * The list of provider types: the one place that a new type touches beside its own files. In TensorZero's order, since
 * messages print it, Signet's own at the end. A type that is not built yet is a name here, so that a configuration
 * that names it is told so, and so that no model takes a name that will be its shorthand.
 */
#include "upstream/provider_type.h"

extern const struct provider_type provider_anthropic, provider_aws_bedrock, provider_aws_sagemaker,
	provider_azure, provider_deepseek, provider_fireworks, provider_gcp_vertex_anthropic,
	provider_gcp_vertex_gemini, provider_google_ai_studio_gemini, provider_groq,
	provider_hyperbolic, provider_mistral, provider_openai, provider_openrouter,
	provider_sglang, provider_tgi, provider_together, provider_vllm, provider_xai,
	provider_rust_proxy;

const struct provider_entry provider_entries[] = {
	{ .kind = &provider_anthropic.kind, .settings = 1 },
	{ .kind = &provider_aws_bedrock.kind },
	{ .kind = &provider_aws_sagemaker.kind },
	{ .kind = &provider_azure.kind, .settings = 2 },
	{ .kind = &provider_gcp_vertex_anthropic.kind, .settings = 6 },
	{ .kind = &provider_gcp_vertex_gemini.kind, .settings = 5 },
	{ .kind = &provider_google_ai_studio_gemini.kind, .settings = 7 },
	{ .kind = &provider_groq.kind, .settings = 8 },
	{ .kind = &provider_hyperbolic.kind, .settings = 9 },
	{ .kind = &provider_fireworks.kind, .settings = 4 },
	{ .kind = &provider_mistral.kind, .settings = 10 },
	{ .kind = &provider_openai.kind, .settings = 11 },
	{ .kind = &provider_openrouter.kind, .settings = 12 },
	{ .kind = &provider_together.kind, .settings = 15 },
	{ .kind = &provider_vllm.kind, .settings = 16 },
	{ .kind = &provider_xai.kind, .settings = 17 },
	{ .kind = &provider_tgi.kind, .settings = 14 },
	{ .kind = &provider_sglang.kind, .settings = 13 },
	{ .kind = &provider_deepseek.kind, .settings = 3 },
	{ .kind = &provider_rust_proxy.kind },
};
const size_t provider_nentries = COUNT(provider_entries);

/* ---- thoughts of others ---- */

bool provider_takes_thoughts_of(const struct provider_config *p, struct bytes type)
{
	const struct provider_type *own = provider_type_of(p);
	size_t i = 0;

	if (bytes_eq(type, own->thoughts_of ? own->thoughts_of(p) : p->type) ||
	    (own->kin && bytes_eq(type, own->kin->name)))
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
