/* Provider type `gcp_vertex_gemini` (config §2.5, providers-others §9.1): Gemini, and models of one's own behind an endpoint, on
 * Vertex AI. */
#include "upstream/gcp_credentials.h"

#define LABEL  "GCP Vertex Gemini"
#define MODELS "publishers/google/models/"

/* provider_config.options of this type. */
struct vertex_gemini_options {
	struct gcp_options gcp;
	struct gemini_options gemini;
	struct bytes endpoint_id;
};

static const struct key keys[] = {
	{ "model_id", KEY_STRING, offsetof(struct provider_config, model_name) },
	{ "endpoint_id", KEY_STRING, OWN(vertex_gemini_options, endpoint_id) },
	GCP_KEYS(vertex_gemini_options),
	{ "include_thoughts", KEY_CALL, OWN(vertex_gemini_options, gemini.include_thoughts),
	  .call = google_read_thoughts },
	{ "schema_keys", KEY_SWITCH, OWN(vertex_gemini_options, gemini.json_schema),
	  .choices = google_schema_keys },
};

static void defaults(struct provider_config *p)
{
	struct vertex_gemini_options *o = p->options;

	o->gemini.max_tokens_first = true;
}

static void check(struct loader *l, struct toml *t, struct bytes path, struct provider_config *p)
{
	struct vertex_gemini_options *o = p->options;
	bool model = bytes_set(p->model_name), endpoint = bytes_set(o->endpoint_id);
	struct bytes resource = model ? arena_cat(l->arena, B(MODELS), p->model_name)
				      : arena_cat(l->arena, B("endpoints/"), o->endpoint_id);

	if (model == endpoint)
		error_at(l, t, path, "Exactly one of model_id or endpoint_id must be provided (%s)",
			 model ? "remove one" : "`model_id = \"gemini-2.5-flash\"`");
	if (!model)
		p->model_name = o->endpoint_id;
	gcp_check(l, t, path, p, resource);
}

static int shorthand(struct loader *l, struct bytes name, struct provider_config *p)
{
	return gcp_shorthand(l, name, p, B(MODELS));
}

static void set_dialect(const struct provider_config *p, struct dialect *d)
{
	const struct vertex_gemini_options *o = p->options;

	d->options = &o->gemini;
}

static int endpoint(const struct provider_config *p, const struct inference *inf,
		    const struct call_context *context, struct bytes *url)
{
	return gcp_endpoint(p, context,
			    inf->stream ? B("streamGenerateContent?alt=sse") : B("generateContent"),
			    url);
}

static int headers(const struct provider_config *p, const struct inference *inf,
		   const struct call_context *context, struct header_list *l)
{
	return gcp_authorize(p, context, l) || google_headers(inf, context, l) ? -1 : 0;
}

/* TensorZero's word for a 404; what the API says of it is in the record. */
static struct bytes status_text(int status, struct bytes reason, struct bytes body,
				struct bytes request_id, bool stream, struct arena *a)
{
	if (status == 404 && !stream)
		return B(
			"Model or endpoint not found. You may be specifying the wrong one of these. Standard GCP models should use a `model_id` and not an `endpoint_id`, while fine-tuned models should use an `endpoint_id`.");
	return google_status_text(status, reason, body, request_id, stream, a);
}

const struct provider_type provider_gcp_vertex_gemini = {
	.kind = {
		.name = B("gcp_vertex_gemini"),
		.label = LABEL,
		.key_variable = "GCP_VERTEX_CREDENTIALS_PATH",
		.key_forms = GCP_CREDENTIAL_FORMS,
		.key_name = "credential_location",
		.key_in_file = true,
		.keys = keys,
		.nkeys = COUNT(keys),
		.settings = gcp_settings,
		.nsettings = GCP_SETTINGS,
		.options_size = sizeof(struct vertex_gemini_options),
		.defaults = defaults,
		.check = check,
		.shorthand = shorthand,
	},
	.wire = &wire_gemini,
	.set_dialect = set_dialect,
	.endpoint = endpoint,
	.headers = headers,
	.sign_better = gcp_sign_better,
	.request_id_header = B("x-request-id"),
	.client_statuses = google_client_statuses,
	.status_text = status_text,
	.read_error = google_read_error,
	.words = GOOGLE_WORDS,
	.takes_files = true,
	.takes_url = gemini_takes_url,
	.ignored_warning = "Gemini does not take all of a request",
};
