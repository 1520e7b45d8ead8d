/*
 * Provider type `rust-proxy` (spec/rust-proxy.md): its keys, its headers and its words for errors. What it lists is
 * discovery.c's; nonce, timestamp and sign are the signer's part (signing.c), set last and anew at each attempt.
 *
 * Each value of the table comes from its literal key, else from its `_location`, else from the environment; what is
 * missing is gathered, so that one message names every variable. The same code fills the shorthand's provider from the
 * environment alone. The trap: placeholders of the reference implementation count as missing wherever they come from,
 * or the first request would be signed for a device called "xxxx".
 */
#include "upstream/rust_proxy.h"

#include <stdlib.h>

#include "base/error.h"
#include "config/models.h"

#define LABEL            "RustProxy"
#define ERROR_BODY_SHOWN 4096

/* ---- its keys ---- */

static const char *const styles[] = { "labelled", "last_user", NULL };
static const char *const model_types[] = { "base", "freeTrial", "premium", NULL };

#define FILTER(member) offsetof(struct model_filter, member)
static const struct key filter_keys[] = {
	{ "include_types", KEY_STRINGS, FILTER(include), .choices = model_types },
	{ "exclude_types", KEY_STRINGS, FILTER(exclude), .choices = model_types },
	{ "min_usage_left", KEY_I64, FILTER(min_usage_left) },
	{ "only_new", KEY_BOOL, FILTER(only_new) },
};
static const struct table filter_table = TABLE("struct ModelFilter", filter_keys);

static void read_models_endpoint(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct rust_proxy_options *o = into;
	const char *problem;

	if (!want_string(l, t, path, &o->models_endpoint))
		return;
	problem = url_problem(o->models_endpoint);
	if (problem)
		error_at(l, t, path, "%s: \"%.*s\" (write the whole URL of the list of models)",
			 problem, BFMT(url_shown(o->models_endpoint)));
}

static const struct key keys[] = {
	{ "model_name", KEY_STRING, offsetof(struct provider_config, model_name), .required = true,
	  .fix = "`model_name = \"claude-3.5-sonnet\"`" },
	{ "api_endpoint", KEY_PASS },
	{ "device_id", KEY_PASS },
	{ "device_id_location", KEY_PASS },
	{ "os_type", KEY_PASS },
	{ "session_id", KEY_PASS },
	{ "session_id_location", KEY_PASS },
	{ "accept_language", KEY_STRING, OWN(rust_proxy_options, accept_language) },
	{ "models_endpoint", KEY_CALL, .own = true, .call = read_models_endpoint },
	{ "model_filter", KEY_TABLE, OWN(rust_proxy_options, filter), .table = &filter_table },
	{ "search_mode", KEY_STRING, OWN(rust_proxy_options, developer_api.search_mode) },
	{ "language", KEY_STRING, OWN(rust_proxy_options, developer_api.language) },
	{ "is_expert", KEY_BOOL, OWN(rust_proxy_options, developer_api.is_expert) },
	{ "plugin_for", KEY_STRING, OWN(rust_proxy_options, developer_api.plugin_for) },
	{ "message_style", KEY_SWITCH, OWN(rust_proxy_options, developer_api.last_user),
	  .choices = styles },
	{ "estimate_usage", KEY_BOOL, OWN(rust_proxy_options, developer_api.estimate_usage) },
};

/* ---- values with three sources ---- */

static const struct secret_source session_source = { "session_id", "session_id_location", "SID",
						     "sid" };

/* api_endpoint and os_type: a literal, env::VAR, or the variable. */
static struct credential plain_value(struct loader *l, struct toml *t, struct bytes path,
				     const char *key, const char *variable)
{
	struct toml *node = toml_get(t, key);
	struct credential c = { .kind = CREDENTIAL_MISSING, .key = bytes_of(key) };

	if (!node)
		return credential_env(variable, l->arena);
	if (!want_string(l, node, path_join(l, path, ": ", node->key), &c.value))
		return c;
	if (bytes_starts(c.value, B("env::")))
		return credential_env(c.value.p + strlen("env::"), l->arena);
	c.kind = CREDENTIAL_STATIC;
	return c;
}

static bool has_path(struct bytes url)
{
	ptrdiff_t host = bytes_find(url, B("://"));
	struct bytes rest = bytes_slice(url, host < 0 ? 0 : (size_t)host + 3, url.n);
	ptrdiff_t slash = bytes_chr(rest, '/');

	return slash >= 0 && (size_t)slash + 1 < rest.n;
}

static void read_endpoint(struct loader *l, struct toml *t, struct bytes path,
			  struct provider_config *p, struct missing *missing)
{
	struct credential c = plain_value(l, t, path, "api_endpoint", "API_ENDPOINT");
	const char *problem;

	p->endpoint = c.kind == CREDENTIAL_STATIC ? c.value : B("");
	missing->blank |= c.blank;
	if (!secret_is_usable(p->endpoint, "https://xxx"))
		return missing_add(missing, c.key);
	problem = url_problem(p->endpoint);
	if (problem)
		missing->problem = arena_printf(
			l->arena,
			"api_endpoint: %s: \"%.*s\" (%.*s must be the whole URL of the chat endpoint)",
			problem, BFMT(url_shown(p->endpoint)), BFMT(c.key));
	else if (t && !has_path(p->endpoint))
		warn_at(l, t, path,
			"api_endpoint: \"%.*s\" has no path (%.*s is the whole URL of the chat endpoint, such as https://…/stream/chat)",
			BFMT(url_shown(p->endpoint)), BFMT(c.key));
}

static void read_os_type(struct loader *l, struct toml *t, struct bytes path,
			 struct rust_proxy_options *o, struct missing *missing)
{
	struct credential c = plain_value(l, t, path, "os_type", "OS_TYPE");
	bool given = c.kind == CREDENTIAL_STATIC;

	o->os_type = given ? c.value : B("3");
	missing->blank |= c.blank;
	if (c.blank || (!given && toml_get(t, "os_type")) || !secret_is_usable(o->os_type, ""))
		missing_add(missing, c.key);
}

/* The list of models: given, or the reference's rule (Model discovery). */
static void find_models_endpoint(struct loader *l, struct toml *t, struct bytes path,
				 struct provider_config *p, const struct missing *missing)
{
	struct rust_proxy_options *o = p->options;
	const struct toml *filter = toml_get(t, "model_filter");
	struct bytes tail = B("/stream/chat");

	if (!filter || filter->type != TOML_TABLE || bytes_set(o->models_endpoint))
		return;
	if (bytes_ends(p->endpoint, tail))
		o->models_endpoint =
			arena_cat(l->arena, bytes_slice(p->endpoint, 0, p->endpoint.n - tail.n),
				  B("/models"));
	else if (!missing->len)
		error_at(
			l, t, path,
			"`model_filter` has no list of models to filter (set `models_endpoint`, or an `api_endpoint` that ends in `/stream/chat`)");
}

static struct bytes or_default(struct bytes value, struct bytes other)
{
	return bytes_set(value) ? value : other;
}

static void read_values(struct loader *l, struct toml *t, struct bytes path,
			struct provider_config *p, struct missing *missing)
{
	struct rust_proxy_options *o = p->options;
	struct developer_api_options *body = &o->developer_api;

	read_endpoint(l, t, path, p, missing);
	secret_read(l, t, path, ": ", &device_id_source, LABEL, missing, &o->device_id);
	p->signer.device_id = o->device_id;
	read_os_type(l, t, path, o, missing);
	secret_read(l, t, path, ": ", &session_source, LABEL, missing, &o->session_id);
	o->accept_language = or_default(o->accept_language, B("en"));
	body->search_mode = or_default(body->search_mode, B("web"));
	body->language = or_default(body->language, o->accept_language);
	body->plugin_for = or_default(body->plugin_for, B("vscode"));
	if (t)
		find_models_endpoint(l, t, path, p, missing);
}

/* What to do about each: an absent one is given, a placeholder replaced. */
static struct bytes remedies(const struct missing *m, struct arena *arena)
{
	struct bytes absent[COUNT(m->names)] = { 0 }, fakes[COUNT(m->names)] = { 0 };
	size_t nabsent = 0, nfakes = 0;
	struct bytes give, replace;

	for (size_t i = 0; i < m->len; i++) {
		const char *value = getenv(m->names[i].p);
		bool key = m->names[i].p[0] >= 'a'; /* of the TOML: it stands there */

		if (key || (value && *value))
			fakes[nfakes++] = m->names[i];
		else
			absent[nabsent++] = m->names[i];
	}
	give = join_names(arena, absent, nabsent, "", ", ");
	replace = join_names(arena, fakes, nfakes, "", ", ");
	return arena_printf(
		arena, "%s%.*s%s%s%.*s%s", nabsent ? "; set " : "", BFMT(give),
		nabsent ? " where Signet starts, or write `api_endpoint`, `device_id_location`, `session_id_location`"
			: "",
		nfakes ? "; put your own value in " : "", BFMT(replace),
		nfakes ? ", which is empty, a placeholder or no text for a header" : "");
}

/* "Failed to create DevApiClient: A, B and C are not set (‹path›)". */
static struct bytes missing_text(const struct missing *m, struct bytes path, struct arena *arena)
{
	struct bytes last = m->len ? m->names[m->len - 1] : B("");
	size_t before = m->len ? m->len - 1 : 0;
	struct bytes first = join_names(arena, m->names, before, "", ", ");

	return arena_printf(arena,
			    "Failed to create DevApiClient: %.*s%s%.*s %s not set (%.*s)%.*s",
			    BFMT(first), before ? " and " : "", BFMT(last), before ? "are" : "is",
			    BFMT(path), BFMT(remedies(m, arena)));
}

static void defaults(struct provider_config *p)
{
	((struct rust_proxy_options *)p->options)->filter.min_usage_left = -1;
}

static void check(struct loader *l, struct toml *t, struct bytes path, struct provider_config *p)
{
	struct missing missing = { 0 };
	struct bytes text;

	read_values(l, t, path, p, &missing);
	if (bytes_set(missing.problem))
		error_at(l, t, path, "%.*s", BFMT(missing.problem));
	text = missing_text(&missing, path, l->arena);
	if (missing.len)
		issue_add(l->issues, l->options->offline && !missing.blank, node_file(t), t->line,
			  path, "%.*s", BFMT(text));
}

static int shorthand(struct loader *l, struct bytes name, struct provider_config *p)
{
	struct missing missing = { 0 };
	struct bytes text;

	read_values(l, NULL, name, p, &missing);
	text = missing_text(&missing, name, l->arena);
	if (missing.len)
		return fail(ERR_API_KEY_MISSING, "%.*s", BFMT(text));
	if (bytes_set(missing.problem))
		return fail(ERR_CONFIG, "%.*s: %.*s", BFMT(name), BFMT(missing.problem));
	return 0;
}

/* ---- its calls ---- */

static void set_dialect(const struct provider_config *p, struct dialect *d)
{
	d->options = &((const struct rust_proxy_options *)p->options)->developer_api;
}

int rust_proxy_headers(const struct provider_config *p, const struct call_context *context,
		       struct bytes accept, struct header_list *l)
{
	const struct rust_proxy_options *o = p->options;
	struct arena *a = context->arena;
	struct bytes device, session;

	if (credential_get(&o->device_id, context, LABEL, &device) ||
	    credential_get(&o->session_id, context, LABEL, &session))
		return -1;
	if (header_set(l, B("accept"), accept, a) ||
	    header_set(l, B("accept-language"), o->accept_language, a) ||
	    (bytes_set(device) && header_set(l, B("device-id"), device, a)) ||
	    header_set(l, B("os-type"), o->os_type, a) ||
	    (bytes_set(session) && header_set(l, B("sid"), session, a)))
		return -1;
	return 0;
}

static int headers(const struct provider_config *p, const struct inference *inf,
		   const struct call_context *context, struct header_list *l)
{
	(void)inf; /* the developer API always streams */
	if (header_set(l, B("content-type"), B("application/json"), context->arena))
		return -1;
	return rust_proxy_headers(p, context, B("text/event-stream"), l);
}

static const int client_statuses[] = { 400, 401, 403, 404, 413, 422, 429, 0 };

static struct bytes status_text(int status, struct bytes reason, struct bytes body,
				struct bytes request_id, bool stream, struct arena *a)
{
	(void)reason, (void)request_id, (void)stream;
	body = bytes_slice(body, 0, ERROR_BODY_SHOWN);
	return arena_printf(a, "Dev API Error (%d): %.*s", status, BFMT(body));
}

static const struct signer_protocol protocol = {
	.path = B("rust_proxy/sign_bg.wasm"),
	.content = B("content"),
};

const struct provider_type provider_rust_proxy = {
	.kind = {
		.name = B("rust-proxy"),
		.alias = B("rust_proxy"),
		.label = LABEL,
		.keys = keys,
		.nkeys = COUNT(keys),
		.options_size = sizeof(struct rust_proxy_options),
		.defaults = defaults,
		.check = check,
		.shorthand = shorthand,
		.protocol = &protocol,
	},
	.wire = &wire_developer_api,
	.set_dialect = set_dialect,
	.always_streams = true,
	.headers = headers,
	.request_id_header = B("x-request-id"),
	.client_statuses = client_statuses,
	.status_text = status_text,
	.read_error = wire_read_error_body,
	.words = { .send = B("Request failed: "), .send_kind = ERR_INFERENCE_SERVER },
	.signed_content = developer_api_content,
	.admit = discovery_admit,
	.list_models = discovery_list,
	.discovered = discovery_show,
	.ignored_warning = "the developer API does not take all of a request",
};
