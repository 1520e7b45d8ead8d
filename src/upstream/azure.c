/*
 * Provider type `azure`: OpenAI's models by deployment (providers-openai §3.1). The deployment stands in the path and the
 * key in a header of its own; the endpoint may come with each request.
 */
#include "upstream/openai.h"

#define API_VERSION "2025-04-01-preview"
#define ID_MAX      4096 /* of a deployment's name, escaped */

struct azure_options {
	struct openai_options family;
	struct bytes
		dynamic; /* name of the endpoint among the request's credentials; unset: it is configured */
};

/* ---- its keys ---- */

static void read_endpoint(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct provider_config *p = into;
	struct azure_options *o = p->options;
	struct bytes text = t->text;
	const char *problem;

	if (!is_text(t))
		return type_error(l, t, path, "a string",
				  "such as \"https://NAME.openai.azure.com\"");
	if (bytes_starts(text, B("dynamic::"))) {
		o->dynamic = bytes_slice(text, sizeof "dynamic::" - 1, text.n);
		return;
	}
	if (bytes_starts(text, B("env::"))) {
		struct credential c =
			credential_env(bytes_slice(text, sizeof "env::" - 1, text.n).p, l->arena);

		if (c.kind != CREDENTIAL_STATIC)
			return issue_add(l->issues, l->options->offline, node_file(t), t->line,
					 path, "%.*s: %.*s (set it, or write the address here)",
					 BFMT(path), BFMT(c.value));
		text = c.value;
	}
	problem = api_base_problem(text);
	if (problem)
		return error_at(l, t, path, "%s: %.*s (such as \"https://NAME.openai.azure.com\")",
				problem, BFMT(url_quoted(text, l->arena)));
	o->family.api_base = text;
}

static const struct key keys[] = {
	{ "deployment_id", KEY_STRING, offsetof(struct provider_config, model_name),
	  .required = true, .fix = "`deployment_id = \"gpt-4o\"`" },
	{ "endpoint", KEY_CALL, .required = true, .call = read_endpoint,
	  .fix = "`endpoint = \"https://NAME.openai.azure.com\"`" },
	OPENAI_API_KEY,
	OPENAI_TOOL_STRICT,
};

/* ---- its address ---- */

static bool stays(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("-._~!$&'()*+,;=:@|[]\\^", c));
}

static struct bytes escaped(struct bytes text, struct arena *a)
{
	static const char hex[] = "0123456789ABCDEF";
	char *out = text.n <= ID_MAX ? arena_alloc_raw(a, 3 * text.n + 1) : NULL;
	size_t n = 0;

	for (size_t i = 0; out && i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (stays((char)c)) {
			out[n++] = (char)c;
			continue;
		}
		out[n++] = '%';
		out[n++] = hex[c >> 4];
		out[n++] = hex[c & 15];
	}
	return (struct bytes){ out, n };
}

static struct bytes address(struct bytes base, const struct provider_config *p, struct arena *a)
{
	struct bytes id = escaped(p->model_name, a), path = openai_path(p), url;

	if (!bytes_set(id))
		return id;
	url = url_endpoint(
		base, arena_printf(a, "openai/deployments/%.*s/%.*s", BFMT(id), BFMT(path)), a);
	if (!bytes_set(url) || bytes_find(url, B("api-version=")) >= 0)
		return url;
	return arena_printf(a, "%.*s%sapi-version=" API_VERSION, BFMT(url),
			    bytes_chr(url, '?') >= 0 ? "&" : "?");
}

static void check(struct loader *l, struct toml *t, struct bytes path, struct provider_config *p)
{
	const struct azure_options *o = p->options;

	if (bytes_set(o->family.api_base))
		p->endpoint = address(o->family.api_base, p, l->arena);
	check_api_key(l, t, path, p);
}

static int endpoint(const struct provider_config *p, const struct inference *inf,
		    const struct call_context *context, struct bytes *url)
{
	const struct azure_options *o = p->options;
	struct bytes base = { NULL, 0 };

	(void)inf;
	if (!bytes_set(o->dynamic))
		return 0;
	for (size_t i = context->ncredentials; i > 0 && !bytes_set(base); i--)
		if (bytes_eq(context->credentials[i - 1].key, o->dynamic))
			base = context->credentials[i - 1].value;
	if (!bytes_set(base))
		return fail(ERR_INVALID_REQUEST, "Dynamic endpoint '%.*s' not found in credentials",
			    BFMT(o->dynamic));
	if (api_base_problem(base))
		return fail(ERR_INVALID_REQUEST, "Invalid dynamic endpoint URL: %.*s",
			    BFMT(url_shown(base)));
	*url = address(base, p, context->arena);
	return bytes_set(*url) ? 0 : -1;
}

/* ---- its calls ---- */

static int headers(const struct provider_config *p, const struct inference *inf,
		   const struct call_context *context, struct header_list *l)
{
	struct bytes key;

	if (credential_get(&p->api_key, context, p->kind->label, &key) ||
	    openai_content_headers(inf, context, l))
		return -1;
	return bytes_set(key) ? header_set(l, B("api-key"), key, context->arena) : 0;
}

static const unsigned char order[] = {
	PARAM_TEMPERATURE,
	PARAM_TOP_P,
	PARAM_STOP,
	PARAM_PRESENCE_PENALTY,
	PARAM_FREQUENCY_PENALTY,
	PARAM_MAX_TOKENS,
	PARAM_SEED,
	CHAT_STREAM,
	CHAT_STREAM_OPTIONS,
	PARAM_RESPONSE_FORMAT,
	PARAM_TOOLS,
	PARAM_TOOL_CHOICE,
	PARAM_PARALLEL,
	PARAM_REASONING_EFFORT,
	PARAM_SERVICE_TIER,
	PARAM_VERBOSITY,
	CHAT_KEYS_END,
};
static const struct bytes tiers[] = { B("auto"), B("default"), { NULL, 0 } };

extern const struct provider_type provider_openai;

const struct provider_type provider_azure = {
	.kind = {
		.name = B("azure"),
		.label = "Azure",
		.key_variable = "AZURE_API_KEY",
		.key_forms = FORM_ENV | FORM_DYNAMIC | FORM_TABLE,
		.keys = keys,
		.nkeys = COUNT(keys),
		.options_size = sizeof(struct azure_options),
		.embeds = true,
		.check = check,
	},
	.kin = &provider_openai.kind,
	OPENAI_FAMILY,
	.dialect = {
		.max_tokens_key = B("max_completion_tokens"),
		.model_in_url = true,
		.chat = {
			.keys = order,
			.tiers = tiers,
			.no_o1_mini = true,
			.no_o1 = true,
			.no_old_models = true,
			.no_custom = true,
		},
	},
	.embeddings = &wire_openai_embeddings,
	.endpoint = endpoint,
	.headers = headers,
	.other_request_id_header = B("apim-request-id"),
	.status_text = openai_status_text,
};
