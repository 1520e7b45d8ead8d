/*
 * Provider type `gcp_vertex_anthropic` (config §2.5, providers-others §3): Anthropic's Messages on Vertex AI. The URL names the
 * model and whether it streams, the body the version; an error may be Google's, Anthropic's, or Anthropic's inside of
 * Google's.
 */
#include "upstream/anthropic.h"
#include "upstream/gcp_credentials.h"

#define LABEL  "GCP Vertex Anthropic"
#define MODELS "publishers/anthropic/models/"

/* provider_config.options of this type. */
struct vertex_anthropic_options {
	struct gcp_options gcp;
	struct anthropic_options wire;
	bool share_thoughts;
	int display; /* index into anthropic_displays, from 1; 0: unset */
};

static const struct key keys[] = {
	{ "model_id", KEY_STRING, offsetof(struct provider_config, model_name), .required = true,
	  .fix = "`model_id = \"claude-sonnet-4-6\"`" },
	GCP_KEYS(vertex_anthropic_options),
	{ "provider_tools", KEY_CALL, OWN(vertex_anthropic_options, wire),
	  .call = anthropic_read_tools },
	{ "thinking_display", KEY_CHOICE, OWN(vertex_anthropic_options, display),
	  .choices = anthropic_displays, .min = 1 },
	{ "share_thoughts", KEY_BOOL, OWN(vertex_anthropic_options, share_thoughts) },
	{ "repair_history", KEY_BOOL, OWN(vertex_anthropic_options, wire.repair_history) },
};

static void defaults(struct provider_config *p)
{
	struct vertex_anthropic_options *o = p->options;

	o->wire.body_version = B("vertex-2023-10-16");
	o->wire.no_strict = true;
	o->wire.stops_first = true;
	o->wire.no_service_tier = true;
}

static void check(struct loader *l, struct toml *t, struct bytes path, struct provider_config *p)
{
	struct vertex_anthropic_options *o = p->options;

	if (o->display)
		o->wire.thinking_display = bytes_of(anthropic_displays[o->display - 1]);
	gcp_check(l, t, path, p, arena_cat(l->arena, B(MODELS), p->model_name));
}

static int shorthand(struct loader *l, struct bytes name, struct provider_config *p)
{
	return gcp_shorthand(l, name, p, B(MODELS));
}

/* Signatures hold on all platforms. */
static bool shares_thoughts(const struct provider_config *p)
{
	return ((const struct vertex_anthropic_options *)p->options)->share_thoughts;
}

static void set_dialect(const struct provider_config *p, struct dialect *d)
{
	const struct vertex_anthropic_options *o = p->options;

	d->options = &o->wire;
}

static int endpoint(const struct provider_config *p, const struct inference *inf,
		    const struct call_context *context, struct bytes *url)
{
	return gcp_endpoint(p, context, inf->stream ? B("streamRawPredict") : B("rawPredict"), url);
}

static int headers(const struct provider_config *p, const struct inference *inf,
		   const struct call_context *context, struct header_list *l)
{
	return gcp_authorize(p, context, l) || google_headers(inf, context, l) ? -1 : 0;
}

static void read_error(struct error *e, struct bytes body, struct arena *a)
{
	google_read_error(e, body, a);
	if (!e->upstream_code.n)
		wire_read_error_body(e, body, a);
	if (bytes_starts(e->upstream_message, B("{")))
		wire_read_error_body(e, e->upstream_message, a);
	e->upstream_body = body;
}

static const struct bytes passed_headers[] = { B("anthropic-beta"), { NULL, 0 } };

const struct provider_type provider_gcp_vertex_anthropic = {
	.kind = {
		.name = B("gcp_vertex_anthropic"),
		.label = LABEL,
		.key_variable = "GCP_VERTEX_CREDENTIALS_PATH",
		.key_forms = GCP_CREDENTIAL_FORMS,
		.key_name = "credential_location",
		.key_in_file = true,
		.keys = keys,
		.nkeys = COUNT(keys),
		.settings = gcp_settings,
		.nsettings = GCP_SETTINGS,
		.options_size = sizeof(struct vertex_anthropic_options),
		.defaults = defaults,
		.check = check,
		.shorthand = shorthand,
	},
	.wire = &wire_anthropic_messages,
	.set_dialect = set_dialect,
	.endpoint = endpoint,
	.headers = headers,
	.passed_headers = passed_headers,
	.shares_thoughts = shares_thoughts,
	.sign_better = gcp_sign_better,
	.request_id_header = B("request-id"),
	.client_statuses = google_client_statuses,
	.status_text = google_status_text,
	.read_error = read_error,
	.words = GOOGLE_WORDS,
	.takes_files = true,
	.takes_url = anthropic_takes_url,
	.ignored_warning = "the model does not take all of a request",
};
