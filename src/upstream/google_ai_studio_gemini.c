/* Provider type `google_ai_studio_gemini` (config §2.5, providers-others §9.1): Gemini by an API key, which is a header and
 * never in the URL. */
#include "upstream/google.h"

#define LABEL "Google AI Studio Gemini"

/* provider_config.options of this type. */
struct ai_studio_options {
	struct gemini_options gemini;
};

static const struct key keys[] = {
	{ "model_name", KEY_STRING, offsetof(struct provider_config, model_name), .required = true,
	  .fix = "`model_name = \"gemini-2.5-flash\"`" },
	{ "api_key_location", KEY_CALL, .call = read_api_key },
	{ "api_base", KEY_CALL, .type_wide = true, .call = google_read_api_base },
	{ "include_thoughts", KEY_CALL, OWN(ai_studio_options, gemini.include_thoughts),
	  .call = google_read_thoughts },
	{ "schema_keys", KEY_SWITCH, OWN(ai_studio_options, gemini.json_schema),
	  .choices = google_schema_keys },
};

static void defaults(struct provider_config *p)
{
	struct ai_studio_options *o = p->options;

	p->endpoint = B("https://generativelanguage.googleapis.com/v1beta");
	o->gemini.tools_null = true;
}

static void set_dialect(const struct provider_config *p, struct dialect *d)
{
	const struct ai_studio_options *o = p->options;

	d->options = &o->gemini;
}

static int endpoint(const struct provider_config *p, const struct inference *inf,
		    const struct call_context *context, struct bytes *url)
{
	struct bytes path = arena_cat(context->arena, B("models/"), p->model_name);

	if (!bytes_set(path))
		return -1;
	return google_url(p->endpoint, path,
			  inf->stream ? B("streamGenerateContent?alt=sse") : B("generateContent"),
			  context->arena, url);
}

static int headers(const struct provider_config *p, const struct inference *inf,
		   const struct call_context *context, struct header_list *l)
{
	struct bytes key;

	if (credential_get(&p->api_key, context, LABEL, &key))
		return -1;
	if (bytes_set(key) && header_set(l, B("x-goog-api-key"), key, context->arena))
		return -1;
	return google_headers(inf, context, l);
}

const struct provider_type provider_google_ai_studio_gemini = {
	.kind = {
		.name = B("google_ai_studio_gemini"),
		.label = LABEL,
		.key_variable = "GOOGLE_AI_STUDIO_API_KEY",
		.key_forms = FORM_ENV | FORM_DYNAMIC | FORM_TABLE,
		.keys = keys,
		.nkeys = COUNT(keys),
		.options_size = sizeof(struct ai_studio_options),
		.defaults = defaults,
		.check = check_api_key,
		.shorthand = shorthand_api_key,
	},
	.wire = &wire_gemini,
	.set_dialect = set_dialect,
	.endpoint = endpoint,
	.headers = headers,
	.request_id_header = B("x-request-id"),
	.client_statuses = google_client_statuses,
	.status_text = google_status_text,
	.read_error = google_read_error,
	.words = GOOGLE_WORDS,
	.takes_files = true,
	.takes_url = gemini_takes_url,
	.ignored_warning = "Gemini does not take all of a request",
};
