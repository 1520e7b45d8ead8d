/*
 * A credential of these types is a document (static), a bearer token of the request (dynamic), the platform's chain (sdk), or
 * two of them. Documents are checked when the configuration is read, tokens are made of them when they are needed.
 */
#include "upstream/gcp_credentials.h"

#include "base/error.h"
#include "base/log.h"
#include "upstream/gcp_sources.h"

/* ---- the configuration ---- */

static void read_batch(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	const struct toml *type = toml_get(t, "storage_type");

	(void)into;
	if (want_table(l, t, path, "internally tagged enum") &&
	    !(type && bytes_eq(type->text, B("none"))))
		not_yet(l, t, path, B("batch"));
}

const struct key gcp_settings[] = { { "batch", KEY_CALL, .call = read_batch } };
_Static_assert(COUNT(gcp_settings) == GCP_SETTINGS, "the header has their number");

/* A document of a credential that cannot be used; unset: all can. */
static struct bytes document_problem(const struct credential *c, struct arena *a)
{
	struct bytes problem = { NULL, 0 };

	if (c->kind == CREDENTIAL_FALLBACK) {
		problem = document_problem(c->first, a);
		return bytes_set(problem) ? problem : document_problem(c->second, a);
	}
	if (c->kind == CREDENTIAL_STATIC && gcp_document_check(c->value))
		problem = arena_dup(a, error_last()->message);
	return problem;
}

/* Where the document is, for messages. */
static struct bytes document_place(const struct toml *t, const struct provider_kind *kind,
				   struct arena *a)
{
	const struct toml *location = toml_get(t, kind->key_name);

	if (location && location->type == TOML_STRING)
		return location->text;
	return location ? B("a file of `credential_location`")
			: arena_printf(a, "the file that %s names", kind->key_variable);
}

/* Multi-regions have names of their own form. */
static int set_host(struct gcp_options *o, struct arena *a)
{
	struct bytes l = o->location;

	if (bytes_eq(l, B("global")))
		o->host = B("aiplatform.googleapis.com");
	else if (bytes_eq(l, B("us")) || bytes_eq(l, B("eu")))
		o->host = arena_printf(a, "aiplatform.%.*s.rep.googleapis.com", BFMT(l));
	else
		o->host = arena_printf(a, "%.*s-aiplatform.googleapis.com", BFMT(l));
	o->audience = arena_printf(a, "https://%.*s/", BFMT(o->host));
	return bytes_set(o->audience) ? 0 : -1;
}

/* It becomes a part of a host's name. */
static bool is_location(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if (!((text.p[i] >= 'a' && text.p[i] <= 'z') ||
		      (text.p[i] >= '0' && text.p[i] <= '9') || text.p[i] == '-'))
			return false;
	return text.n;
}

void gcp_check(struct loader *l, struct toml *t, struct bytes path, struct provider_config *p,
	       struct bytes resource)
{
	struct gcp_options *o = p->options;
	struct bytes problem;

	check_api_key(l, t, path, p);
	problem = document_problem(&p->api_key, l->arena);
	if (bytes_set(problem))
		error_at(l, t, path, "%s: %.*s (in %.*s)", p->kind->label, BFMT(problem),
			 BFMT(document_place(t, p->kind, l->arena)));
	if (o->location.n && !is_location(o->location))
		error_at(l, t, path,
			 "`%.*s` is no location (such as \"us-central1\" or \"global\")",
			 BFMT(o->location));
	set_host(o, l->arena);
	o->path = arena_printf(l->arena, "projects/%.*s/locations/%.*s/%.*s", BFMT(o->project_id),
			       BFMT(o->location), BFMT(resource));
}

/* The next part of a path, which must be of that name; its value behind it. False: it is not. */
static bool take_part(struct bytes *rest, struct bytes name, struct bytes *value)
{
	if (!bytes_eq(bytes_cut(rest, '/'), name))
		return false;
	*value = bytes_cut(rest, '/');
	return value->n;
}

static bool is_known_form(struct bytes rest, struct bytes models, struct gcp_options *o,
			  struct bytes *model)
{
	if (!take_part(&rest, B("projects"), &o->project_id) ||
	    !take_part(&rest, B("locations"), &o->location) || !is_location(o->location))
		return false;
	if (bytes_starts(rest, B("endpoints/")))
		return take_part(&rest, B("endpoints"), model) && !rest.n;
	*model = bytes_slice(rest, models.n, rest.n);
	return bytes_starts(rest, models) && model->n && bytes_chr(*model, '/') < 0;
}

int gcp_shorthand(struct loader *l, struct bytes name, struct provider_config *p,
		  struct bytes models)
{
	struct gcp_options *o = p->options;
	struct bytes problem;

	if (!is_known_form(p->model_name, models, o, &p->model_name))
		return fail(
			ERR_CONFIG,
			"GCP shorthand url is not in the expected format: `%.*s` (expected: `%.*s::projects/‹p›/locations/‹l›/%.*s‹m›` or `…/endpoints/‹e›`)",
			BFMT(name), BFMT(p->kind->name), BFMT(models));
	o->path = bytes_slice(name, (size_t)bytes_find(name, B("::")) + 2, name.n);
	if (set_host(o, l->arena) || shorthand_api_key(l, name, p))
		return -1;
	problem = document_problem(&p->api_key, l->arena);
	return bytes_set(problem)
		       ? fail(ERR_API_KEY_MISSING, "%s: %.*s", p->kind->label, BFMT(problem))
		       : 0;
}

/* ---- calls ---- */

int gcp_endpoint(const struct provider_config *p, const struct call_context *context,
		 struct bytes method, struct bytes *url)
{
	const struct gcp_options *o = p->options;
	struct bytes base = p->endpoint;

	if (!bytes_set(base))
		base = arena_printf(context->arena, "%.*sv1", BFMT(o->audience));
	return bytes_set(base) ? google_url(base, o->path, method, context->arena, url) : -1;
}

/* The one of the credential's sources that this request has. */
static const struct credential *source_of(const struct credential *c,
					  const struct call_context *context, const char *label)
{
	const struct credential *first;
	struct bytes value;

	if (c->kind != CREDENTIAL_FALLBACK)
		return c;
	first = source_of(c->first, context, label);
	if (first->kind == CREDENTIAL_STATIC || first->kind == CREDENTIAL_SDK ||
	    credential_get(first, context, label, &value) == 0)
		return first;
	log_warn("upstream", "the default credential is not available, the fallback is used");
	return source_of(c->second, context, label);
}

/* Unset: out of memory. */
static struct bytes wanted_text(const struct provider_config *p, const struct credential *source,
				struct arena *a)
{
	const struct gcp_options *o = p->options;
	const struct gcp_wanted w = { .document = source->value,
				      .audience = o->audience,
				      .exchange = o->token_exchange };

	return gcp_wanted_text(&w, a);
}

static bool is_fetched(const struct credential *source)
{
	return source->kind == CREDENTIAL_STATIC || source->kind == CREDENTIAL_SDK;
}

static int fetched_token(const struct provider_config *p, const struct call_context *context,
			 const struct credential *source, struct token *t)
{
	struct bytes what = wanted_text(p, source, context->arena);
	enum error_kind kind;

	if (!bytes_set(what))
		return -1;
	if (token_get(gcp_fetch, what, context->client, context->arena, t) == 0)
		return 0;
	kind = error_last()->kind;
	if (kind != ERR_INFERENCE_CLIENT)
		return -1;
	fail_context("API key missing for provider %s: ", p->kind->label);
	return fail_as(ERR_API_KEY_MISSING);
}

int gcp_authorize(const struct provider_config *p, const struct call_context *context,
		  struct header_list *l)
{
	const char *label = p->kind->label;
	const struct credential *source = source_of(&p->api_key, context, label);
	struct token t = { .lifetime_ms = 0 };
	struct bytes bearer;

	if (is_fetched(source) ? fetched_token(p, context, source, &t)
			       : credential_get(source, context, label, &t.text))
		return -1;
	bearer = source->kind == CREDENTIAL_DYNAMIC &&
				 bytes_eq(source->key, B("client_authorization"))
			 ? t.text
			 : arena_cat(context->arena, B("Bearer "), t.text);
	if (!bytes_set(bearer) || header_set(l, B("authorization"), bearer, context->arena))
		return -1;
	return bytes_set(t.beside)
		       ? header_set(l, B("x-goog-user-project"), t.beside, context->arena)
		       : 0;
}

bool gcp_sign_better(const struct provider_config *p, const struct call_context *context,
		     const struct http_call *http)
{
	const struct credential *source;
	struct bytes what;

	if (http_call_status(http) != 401)
		return false;
	source = source_of(&p->api_key, context, p->kind->label);
	what = is_fetched(source) ? wanted_text(p, source, context->arena)
				  : (struct bytes){ NULL, 0 };
	if (!bytes_set(what))
		return false;
	token_drop(what);
	return true;
}
