/*
 * Types that speak chat completions in a dialect of their own and differ in data alone (providers-openai §3): an address,
 * the keys of their table, and what the dialect does otherwise. A type whose address or headers depend on the request has
 * a file of its own.
 *
 * A list of keys is the order in which TensorZero writes the body: recorded bodies are compared and cached as bytes.
 */
#include "upstream/openai.h"

#define BEARER      (FORM_ENV | FORM_DYNAMIC | FORM_TABLE)
#define BEARER_NONE (BEARER | FORM_NONE)

#define OPENAI_COMPATIBLE \
	OPENAI_FAMILY, .headers = openai_headers, .status_text = openai_status_text
#define MAX_TOKENS .max_tokens_key = B("max_tokens")
/* Models are not OpenAI's, whatever their names begin with. */
#define OWN_MODELS .no_o1_mini = true, .no_o1 = true, .no_old_models = true, .no_custom = true
#define LIST(...)                          \
	(const unsigned char[])            \
	{                                  \
		__VA_ARGS__, CHAT_KEYS_END \
	}
#define SAMPLING PARAM_PRESENCE_PENALTY, PARAM_FREQUENCY_PENALTY
#define TOOLS    PARAM_TOOLS, PARAM_TOOL_CHOICE

extern const struct provider_type provider_openai;

/* ---- keys of their tables ---- */

static const char *const required_words[] = { "auto", "required", NULL };
static const char *const schema_words[] = { "response_format", "guided_json", NULL };

/* OpenAI's own server is elsewhere: api_base is ours, and comes behind what TensorZero knows. */
static const struct key plain_keys[] = { OPENAI_MODEL_NAME("model"), OPENAI_API_KEY,
					 OPENAI_API_BASE, OPENAI_TOOL_STRICT };

static const struct key groq_keys[] = {
	OPENAI_MODEL_NAME("llama-3.3-70b-versatile"),
	OPENAI_API_KEY,
	{ "reasoning_format", KEY_STRING, OWN(openai_options, reasoning_format) },
	OPENAI_API_BASE,
	OPENAI_TOOL_STRICT,
};

static const struct key mistral_keys[] = {
	OPENAI_MODEL_NAME("mistral-small-latest"),
	OPENAI_API_KEY,
	{ "prompt_mode", KEY_STRING, OWN(openai_options, prompt_mode) },
	OPENAI_API_BASE,
	OPENAI_TOOL_STRICT,
};

static const struct key fireworks_keys[] = {
	OPENAI_MODEL_NAME("accounts/fireworks/models/llama-v3p1-8b-instruct"),
	OPENAI_API_KEY,
	{ "parse_think_blocks", KEY_ANY_BOOL },
	OPENAI_API_BASE,
	OPENAI_TOOL_STRICT,
};

static const struct key together_keys[] = {
	OPENAI_MODEL_NAME("meta-llama/Llama-3.3-70B-Instruct-Turbo"),
	OPENAI_API_KEY,
	{ "parse_think_blocks", KEY_ANY_BOOL },
	OPENAI_API_BASE,
	OPENAI_TOOL_STRICT,
	{ "tool_choice_required", KEY_SWITCH, OWN(openai_options, requires_tools),
	  .choices = required_words },
};

#define SERVED_AT                                                                          \
	{                                                                                  \
		"api_base", KEY_CALL, .required = true,                                    \
				      .fix = "`api_base = \"http://127.0.0.1:8000/v1/\"`", \
				      .call = openai_read_api_base                         \
	}

static const struct key vllm_keys[] = {
	OPENAI_MODEL_NAME("model"),
	SERVED_AT,
	OPENAI_API_KEY,
	OPENAI_TOOL_STRICT,
	{ "json_schema_as", KEY_SWITCH, OWN(openai_options, guided_json), .choices = schema_words },
};

static const struct key sglang_keys[] = { OPENAI_MODEL_NAME("model"), SERVED_AT, OPENAI_API_KEY,
					  OPENAI_TOOL_STRICT };

static const struct key tgi_keys[] = { SERVED_AT, OPENAI_API_KEY, OPENAI_TOOL_STRICT };

/* It serves the one model that it was started with. */
static void tgi_model(struct provider_config *p)
{
	p->model_name = B("tgi");
}

/* ---- the types ---- */

#define TAGS  B("{\"reasoning_format\":\"think_tags\"}")
#define FIELD B("{\"reasoning_format\":\"reasoning_field\"}")

static const struct bytes groq_tiers[] = { B("auto"), B("flex"), { NULL, 0 } };

const struct provider_type provider_groq = {
	.kind = {
		.name = B("groq"),
		.label = "Groq",
		.key_variable = "GROQ_API_KEY",
		.key_forms = BEARER_NONE,
		.api_base = B("https://api.groq.com/openai/v1/"),
		.keys = groq_keys,
		.nkeys = COUNT(groq_keys),
		.options_size = sizeof(struct openai_options),
		.check = openai_check,
		.shorthand = openai_shorthand,
	},
	OPENAI_COMPATIBLE,
	.dialect = { 
		.max_tokens_key = B("max_completion_tokens"),
		.chat = {
			.keys = LIST(CHAT_MODEL, PARAM_TEMPERATURE, PARAM_MAX_TOKENS, PARAM_SEED, PARAM_TOP_P, SAMPLING, CHAT_STREAM, CHAT_STREAM_OPTIONS, PARAM_RESPONSE_FORMAT, TOOLS, PARAM_PARALLEL, PARAM_STOP, PARAM_REASONING_EFFORT, PARAM_SERVICE_TIER, CHAT_REASONING_FORMAT),
			.tiers = groq_tiers,
			.no_o1 = true,
			.no_old_models = true,
			.no_custom = true,
			.text_format = true,
			.no_detail = true,
			.all_images = true,
			.empty_assistant = true,
			.thoughts = CHAT_THOUGHTS_NONE,
			.thought_id = B("reasoning"),
		},
	 },
};

const struct provider_type provider_xai = {
	.kind = {
		.name = B("xai"),
		.label = "xAI",
		.key_variable = "XAI_API_KEY",
		.key_forms = BEARER_NONE,
		.api_base = B("https://api.x.ai/v1/"),
		.keys = plain_keys,
		.nkeys = COUNT(plain_keys),
		.options_size = sizeof(struct openai_options),
		.check = openai_check,
		.shorthand = openai_shorthand,
	},
	.kin = &provider_openai.kind,
	OPENAI_COMPATIBLE,
	.dialect = { 
		MAX_TOKENS,
		.chat = {
			.keys = LIST(CHAT_MODEL, PARAM_TEMPERATURE, PARAM_MAX_TOKENS, PARAM_SEED, PARAM_TOP_P, SAMPLING, PARAM_RESPONSE_FORMAT, CHAT_STREAM, CHAT_STREAM_OPTIONS, TOOLS, PARAM_PARALLEL, PARAM_STOP, PARAM_REASONING_EFFORT),
			OWN_MODELS,
			.hint_if_unsaid = true,
			.only_allowed = true,
			.parts_always = true,
			.results_in_place = true,
			.adds_reasoning = true,
		},
	 },
};

const struct provider_type provider_together = {
	.kind = {
		.name = B("together"),
		.label = "Together",
		.key_variable = "TOGETHER_API_KEY",
		.key_forms = BEARER,
		.api_base = B("https://api.together.xyz/v1/"),
		.keys = together_keys,
		.nkeys = COUNT(together_keys),
		.options_size = sizeof(struct openai_options),
		.check = openai_check,
		.shorthand = openai_shorthand,
	},
	OPENAI_COMPATIBLE,
	.dialect = { 
		MAX_TOKENS,
		.chat = {
			.keys = LIST(CHAT_MODEL, PARAM_TEMPERATURE, PARAM_TOP_P, SAMPLING, PARAM_MAX_TOKENS, PARAM_SEED, CHAT_STREAM, PARAM_RESPONSE_FORMAT, TOOLS, PARAM_PARALLEL, PARAM_STOP, PARAM_REASONING_EFFORT),
			OWN_MODELS,
			.json = CHAT_JSON_WITH_SCHEMA,
			.no_hint = true,
			.only_allowed = true,
			.none_without_tools = true,
			.required_as = B("auto"),
			.no_detail = true,
			.thoughts = CHAT_REASONING_TEXT,
			.tagged = true,
			.tag_data = TAGS,
			.text_data = FIELD,
			.thought_id = B("3"),
		},
	 },
};

const struct provider_type provider_fireworks = {
	.kind = {
		.name = B("fireworks"),
		.label = "Fireworks",
		.key_variable = "FIREWORKS_API_KEY",
		.key_forms = BEARER,
		.api_base = B("https://api.fireworks.ai/inference/v1/"),
		.keys = fireworks_keys,
		.nkeys = COUNT(fireworks_keys),
		.options_size = sizeof(struct openai_options),
		.check = openai_check,
		.shorthand = openai_shorthand,
	},
	OPENAI_COMPATIBLE,
	.dialect = { 
		MAX_TOKENS,
		.chat = {
			.keys = LIST(CHAT_MODEL, PARAM_TEMPERATURE, PARAM_TOP_P, SAMPLING, PARAM_STOP, PARAM_MAX_TOKENS, CHAT_STREAM, PARAM_RESPONSE_FORMAT, TOOLS, PARAM_REASONING_EFFORT),
			OWN_MODELS,
			.json = CHAT_JSON_WITH_SCHEMA,
			.no_hint = true,
			.only_allowed = true,
			.never_strict = true,
			.no_detail = true,
			.tagged = true,
			.tag_data = TAGS,
			.text_data = FIELD,
			.thought_id = B("3"),
		},
	 },
	.cached_tokens_header = B("fireworks-cached-prompt-tokens"),
};

const struct provider_type provider_deepseek = {
	.kind = {
		.name = B("deepseek"),
		.label = "DeepSeek",
		.key_variable = "DEEPSEEK_API_KEY",
		.key_forms = BEARER,
		.api_base = B("https://api.deepseek.com/v1/"),
		.keys = plain_keys,
		.nkeys = COUNT(plain_keys),
		.options_size = sizeof(struct openai_options),
		.check = openai_check,
		.shorthand = openai_shorthand,
	},
	OPENAI_COMPATIBLE,
	.dialect = { 
		MAX_TOKENS,
		.chat = {
			.keys = LIST(CHAT_MODEL, PARAM_TEMPERATURE, PARAM_MAX_TOKENS, PARAM_SEED, PARAM_TOP_P, PARAM_STOP, SAMPLING, CHAT_STREAM, CHAT_STREAM_OPTIONS, TOOLS, PARAM_RESPONSE_FORMAT, PARAM_REASONING_EFFORT),
			OWN_MODELS,
			.json = CHAT_JSON_OBJECT,
			.only_allowed = true,
			.no_detail = true,
			.take_turns = true,
			.plain_roles_for = B("reasoner"),
			.thought_id = B("0"),
			.cache_hits = true,
		},
	 },
};

const struct provider_type provider_mistral = {
	.kind = {
		.name = B("mistral"),
		.label = "Mistral",
		.key_variable = "MISTRAL_API_KEY",
		.key_forms = BEARER,
		.api_base = B("https://api.mistral.ai/v1/"),
		.keys = mistral_keys,
		.nkeys = COUNT(mistral_keys),
		.options_size = sizeof(struct openai_options),
		.check = openai_check,
		.shorthand = openai_shorthand,
	},
	OPENAI_COMPATIBLE,
	.dialect = { 
		MAX_TOKENS,
		.chat = {
			.keys = LIST(CHAT_MODEL, PARAM_TEMPERATURE, PARAM_TOP_P, SAMPLING, PARAM_MAX_TOKENS, PARAM_SEED, CHAT_STREAM, PARAM_RESPONSE_FORMAT, TOOLS, PARAM_PARALLEL, PARAM_STOP, CHAT_PROMPT_MODE),
			.seed_key = B("random_seed"),
			OWN_MODELS,
			.json = CHAT_JSON_OBJECT,
			.only_allowed = true,
			.never_strict = true,
			.required_as = B("any"),
			.call_ids = &id_nine,
			.no_detail = true,
			.thoughts = CHAT_THOUGHTS_NONE,
			.thought_id = B("thinking"),
			.no_empty_text = true,
		},
	 },
};

const struct provider_type provider_hyperbolic = {
	.kind = {
		.name = B("hyperbolic"),
		.label = "Hyperbolic",
		.key_variable = "HYPERBOLIC_API_KEY",
		.key_forms = BEARER,
		.api_base = B("https://api.hyperbolic.xyz/v1/"),
		.keys = plain_keys,
		.nkeys = COUNT(plain_keys),
		.options_size = sizeof(struct openai_options),
		.check = openai_check,
		.shorthand = openai_shorthand,
	},
	.kin = &provider_openai.kind,
	OPENAI_COMPATIBLE,
	.dialect = { 
		MAX_TOKENS,
		.chat = {
			.keys = LIST(CHAT_MODEL, PARAM_FREQUENCY_PENALTY, PARAM_MAX_TOKENS, PARAM_PRESENCE_PENALTY, PARAM_SEED, CHAT_STREAM, PARAM_TEMPERATURE, PARAM_TOP_P, PARAM_STOP, PARAM_REASONING_EFFORT),
			OWN_MODELS,
			.json = CHAT_JSON_NONE,
			.no_detail = true,
		},
	 },
};

const struct provider_type provider_vllm = {
	.kind = {
		.name = B("vllm"),
		.label = "vLLM",
		.key_variable = "VLLM_API_KEY",
		.key_forms = BEARER_NONE,
		.keys = vllm_keys,
		.nkeys = COUNT(vllm_keys),
		.options_size = sizeof(struct openai_options),
		.check = openai_check,
	},
	.kin = &provider_openai.kind,
	OPENAI_COMPATIBLE,
	.dialect = { 
		MAX_TOKENS,
		.chat = {
			.keys = LIST(CHAT_MODEL, PARAM_TEMPERATURE, PARAM_TOP_P, SAMPLING, PARAM_MAX_TOKENS, CHAT_STREAM, CHAT_STREAM_OPTIONS, PARAM_RESPONSE_FORMAT, CHAT_GUIDED_JSON, PARAM_SEED, PARAM_STOP, TOOLS, PARAM_PARALLEL),
			OWN_MODELS,
			.only_allowed = true,
			.no_detail = true,
			.thoughts = CHAT_REASONING_TEXT,
		},
	 },
};

const struct provider_type provider_sglang = {
	.kind = {
		.name = B("sglang"),
		.label = "SGLang",
		.key_variable = "SGLANG_API_KEY",
		.key_forms = BEARER_NONE,
		.keys = sglang_keys,
		.nkeys = COUNT(sglang_keys),
		.options_size = sizeof(struct openai_options),
		.check = openai_check,
	},
	OPENAI_COMPATIBLE,
	.dialect = { 
		MAX_TOKENS,
		.chat = {
			.keys = LIST(CHAT_MODEL, PARAM_TEMPERATURE, PARAM_MAX_TOKENS, PARAM_SEED, PARAM_TOP_P, SAMPLING, CHAT_STREAM, CHAT_STREAM_OPTIONS, PARAM_RESPONSE_FORMAT, TOOLS, PARAM_PARALLEL, PARAM_STOP, PARAM_REASONING_EFFORT),
			OWN_MODELS,
			.json = CHAT_JSON_SCHEMA,
			.only_allowed = true,
			.no_detail = true,
		},
	 },
};

const struct provider_type provider_tgi = {
	.kind = {
		.name = B("tgi"),
		.label = "TGI",
		.key_variable = "TGI_API_KEY",
		.key_forms = BEARER_NONE,
		.keys = tgi_keys,
		.nkeys = COUNT(tgi_keys),
		.options_size = sizeof(struct openai_options),
		.defaults = tgi_model,
		.check = openai_check,
	},
	OPENAI_COMPATIBLE,
	.dialect = { 
		MAX_TOKENS,
		.chat = {
			.keys = LIST(CHAT_MODEL, PARAM_TEMPERATURE, PARAM_MAX_TOKENS, PARAM_SEED, PARAM_TOP_P, SAMPLING, CHAT_STREAM, CHAT_STREAM_OPTIONS, TOOLS, PARAM_PARALLEL, PARAM_STOP),
			OWN_MODELS,
			.json = CHAT_JSON_NONE,
			.only_allowed = true,
			.no_detail = true,
		},
	 },
};
