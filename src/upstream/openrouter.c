/*
 * Provider type `openrouter`: many vendors behind one address (providers-openai §3.1, §3.6). It wants to know who calls,
 * takes effort and budget of reasoning in an object of their own, and tells and takes thoughts as a list of details.
 */
#include "upstream/openai.h"

static const struct key keys[] = { OPENAI_MODEL_NAME("openai/gpt-4o"), OPENAI_API_KEY,
				   OPENAI_API_BASE, OPENAI_TOOL_STRICT };

static int headers(const struct provider_config *p, const struct inference *inf,
		   const struct call_context *context, struct header_list *l)
{
	return openai_headers(p, inf, context, l) ||
			       header_set(l, B("x-title"), B("Signet"), context->arena)
		       ? -1
		       : 0;
}

static const unsigned char order[] = {
	CHAT_MODEL,
	PARAM_TEMPERATURE,
	PARAM_MAX_TOKENS,
	PARAM_SEED,
	PARAM_TOP_P,
	PARAM_PRESENCE_PENALTY,
	PARAM_FREQUENCY_PENALTY,
	CHAT_STREAM,
	CHAT_STREAM_OPTIONS,
	PARAM_RESPONSE_FORMAT,
	PARAM_TOOLS,
	PARAM_TOOL_CHOICE,
	PARAM_PARALLEL,
	PARAM_STOP,
	CHAT_REASONING,
	PARAM_VERBOSITY,
	CHAT_KEYS_END,
};

const struct provider_type provider_openrouter = {
	.kind = {
		.name = B("openrouter"),
		.label = "OpenRouter",
		.key_variable = "OPENROUTER_API_KEY",
		.key_forms = FORM_ENV | FORM_DYNAMIC | FORM_NONE | FORM_TABLE,
		.api_base = B("https://openrouter.ai/api/v1/"),
		.keys = keys,
		.nkeys = COUNT(keys),
		.options_size = sizeof(struct openai_options),
		.embeds = true,
		.check = openai_check,
		.shorthand = openai_shorthand,
	},
	OPENAI_FAMILY,
	.dialect = {
		.max_tokens_key = B("max_completion_tokens"),
		.chat = {
			.keys = order,
			.no_custom = true,
			.no_detail = true,
			.thoughts = CHAT_REASONING_DETAILS,
			.details = true,
		},
	},
	.embeddings = &wire_openai_embeddings,
	.headers = headers,
	.status_text = openai_status_text,
};
