/*
 * The list of provider types: the one place that a new type touches beside its own files. In TensorZero's order, since
 * messages print it, Signet's own at the end. A type that is not built yet is a name here, so that a configuration
 * that names it is told so, and so that no model takes a name that will be its shorthand.
 */
#include "upstream/provider_type.h"

extern const struct provider_type provider_openai, provider_rust_proxy;

#define BUILT(type, ...)                          \
	{                                         \
		.kind = &(type).kind, __VA_ARGS__ \
	}
#define LATER(name_, ...)                    \
	{                                    \
		.name = (name_), __VA_ARGS__ \
	}

const struct provider_entry provider_entries[] = {
	LATER("anthropic", .shorthand = true, .settings = 1),
	LATER("aws_bedrock"),
	LATER("aws_sagemaker"),
	LATER("azure", .settings = 2),
	LATER("gcp_vertex_anthropic", .shorthand = true, .settings = 6),
	LATER("gcp_vertex_gemini", .shorthand = true, .settings = 5),
	LATER("google_ai_studio_gemini", .shorthand = true, .settings = 7),
	LATER("groq", .shorthand = true, .settings = 8),
	LATER("hyperbolic", .shorthand = true, .settings = 9),
	LATER("fireworks", .shorthand = true, .settings = 4),
	LATER("mistral", .shorthand = true, .settings = 10),
	BUILT(provider_openai, .settings = 11),
	LATER("openrouter", .shorthand = true, .settings = 12),
	LATER("together", .shorthand = true, .settings = 15),
	LATER("vllm", .settings = 16),
	LATER("xai", .shorthand = true, .settings = 17),
	LATER("tgi", .settings = 14),
	LATER("sglang", .settings = 13),
	LATER("deepseek", .shorthand = true, .settings = 3),
	BUILT(provider_rust_proxy),
};
const size_t provider_nentries = COUNT(provider_entries);

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
