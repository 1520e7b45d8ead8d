/*
 * What a provider of type "rust-proxy" has of its own (spec/rust-proxy.md).
 *
 * Each value comes from its literal key, else from its `_location`, else from the environment; what is
 * missing is gathered, so that one message names every variable. The same code fills the shorthand's
 * provider from the environment alone. The trap: placeholders of the reference implementation count as
 * missing wherever they come from, or the first request would be signed for a device called "xxxx".
 */
#include <stddef.h>
#include <stdlib.h>

#include "config/credentials.h"
#include "config/extras.h"
#include "config/models.h"

#define OFF(member) offsetof(struct provider_config, member)
#define LABEL       "RustProxy"

static const char *const styles[] = { "labelled", "last_user", NULL };
static const char *const model_types[] = { "base", "freeTrial", "premium", NULL };

/* ---- the table ---- */

static void call_style(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct provider_config *p = into;
	int choice = want_choice(l, t, path, styles);

	if (choice >= 0)
		p->developer_api.last_user = choice == 1;
}

static void read_types(struct loader *l, struct toml *t, struct bytes path, struct bytes **out,
		       size_t *n)
{
	struct strings list = { 0 };
	size_t i = 0;

	if (!want_array(l, t, path))
		return;
	for (struct toml *e = t->child; e; e = e->next, i++) {
		int choice = want_choice(l, e, path_index(l, path, i), model_types);

		if (choice >= 0 && !arena_push(l->arena, list.at, list.len, list.cap,
					       bytes_of(model_types[choice])))
			error_at(l, e, path, "out of memory");
	}
	*out = list.at;
	*n = list.len;
}

static void call_include(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct model_filter *f = into;

	read_types(l, t, path, &f->include_types, &f->ninclude);
}

static void call_exclude(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct model_filter *f = into;

	read_types(l, t, path, &f->exclude_types, &f->nexclude);
}

static const struct key filter_keys[] = {
	{ "include_types", KEY_CALL, .call = call_include },
	{ "exclude_types", KEY_CALL, .call = call_exclude },
	{ "min_usage_left", KEY_I64, offsetof(struct model_filter, min_usage_left) },
	{ "only_new", KEY_BOOL, offsetof(struct model_filter, only_new) },
};
static const struct table filter_table = TABLE("struct ModelFilter", filter_keys);

static void call_filter(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct provider_config *p = into;

	p->filter.set = t->type == TOML_TABLE;
	read_table(l, &filter_table, t, path, ".", &p->filter);
}

static void call_models_endpoint(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct provider_config *p = into;
	const char *problem;

	if (!want_string(l, t, path, &p->models_endpoint))
		return;
	problem = url_problem(p->models_endpoint);
	if (problem)
		error_at(l, t, path,
			 "%.*s: %s: \"%.*s\" (write the whole URL of the list of models)",
			 BFMT(path), problem,
			 bytes_chr(p->models_endpoint, '@') >= 0 ? 0 : (int)p->models_endpoint.n,
			 p->models_endpoint.p);
}

static const struct key rust_proxy_keys[] = {
	{ "model_name", KEY_STRING, OFF(model_name), .required = true,
	  .fix = "`model_name = \"claude-3.5-sonnet\"`" },
	{ "api_endpoint", KEY_PASS },
	{ "device_id", KEY_PASS },
	{ "device_id_location", KEY_PASS },
	{ "os_type", KEY_PASS },
	{ "session_id", KEY_PASS },
	{ "session_id_location", KEY_PASS },
	{ "accept_language", KEY_STRING, OFF(accept_language) },
	{ "models_endpoint", KEY_CALL, .call = call_models_endpoint },
	{ "model_filter", KEY_CALL, .call = call_filter },
	{ "search_mode", KEY_STRING, OFF(developer_api.search_mode) },
	{ "language", KEY_STRING, OFF(developer_api.language) },
	{ "is_expert", KEY_BOOL, OFF(developer_api.is_expert) },
	{ "plugin_for", KEY_STRING, OFF(developer_api.plugin_for) },
	{ "message_style", KEY_CALL, .call = call_style },
	{ "estimate_usage", KEY_BOOL, OFF(developer_api.estimate_usage) },
};
const struct table rust_proxy_table = TABLE("struct UninitializedModelProvider", rust_proxy_keys);

/* ---- values with three sources ---- */

static void add_missing(struct missing *m, struct bytes name)
{
	if (m->len < COUNT(m->names))
		m->names[m->len++] = name;
}

static bool usable(struct bytes value, const char *placeholder)
{
	return value.n > 0 && !bytes_eq(value, bytes_of(placeholder)) && is_header_value(value);
}

/* Puts what cannot be used among the missing, by the name under which an operator knows it. */
static void judge(const struct credential *c, struct bytes name, const char *placeholder,
		  struct missing *missing, struct arena *arena)
{
	if (c->kind == CREDENTIAL_MISSING && c->key.n && c->key.p[0] == '\x01')
		missing->problem = credential_problem(c, arena);
	else if (c->kind == CREDENTIAL_MISSING)
		add_missing(missing, bytes_set(c->key) ? c->key : name);
	else if (c->kind == CREDENTIAL_STATIC && !usable(c->value, placeholder))
		add_missing(missing, bytes_set(c->key) ? c->key : name);
}

struct source {
	const char *key, *location, *variable, *placeholder;
};
static const struct source device_source = { "device_id", "device_id_location", "DEVICE_ID",
					     "xxxx" };
static const struct source session_source = { "session_id", "session_id_location", "SID", "sid" };

static void read_secret_value(struct loader *l, struct toml *t, struct bytes path,
			      const char *separator, const struct source *s,
			      struct missing *missing, struct credential *out)
{
	struct toml *literal = t ? toml_get(t, s->key) : NULL,
		    *location = t ? toml_get(t, s->location) : NULL;
	unsigned forms = FORM_ENV | FORM_PATH | FORM_PATH_FROM_ENV | FORM_DYNAMIC | FORM_NONE;

	if (literal)
		literal->secret = true;
	if (literal && location)
		return error_at(l, location, path,
				"%.*s%s%s: `%s` and `%s` exclude each other (remove one)",
				BFMT(path), separator, s->location, s->key, s->location);
	if (location) {
		if (!credential_read(l, location, path_join(l, path, separator, location->key),
				     forms, LABEL, out))
			return;
	} else if (literal) {
		*out = (struct credential){ .kind = CREDENTIAL_STATIC };
		if (!want_string(l, literal, path_join(l, path, separator, literal->key),
				 &out->value))
			return;
	} else {
		*out = credential_env(s->variable, l->arena);
	}
	judge(out, bytes_of(s->key), s->placeholder, missing, l->arena);
}

void read_device_id(struct loader *l, struct toml *t, struct bytes path, const char *separator,
		    struct missing *missing, struct credential *out)
{
	read_secret_value(l, t, path, separator, &device_source, missing, out);
}

/* api_endpoint and os_type: a literal, env::VAR, or the variable. Unset: nothing there. */
static struct bytes plain_value(struct loader *l, struct toml *t, struct bytes path,
				const char *key, const char *variable, struct bytes *name)
{
	struct toml *node = t ? toml_get(t, key) : NULL;
	struct bytes value = { 0 };

	*name = bytes_of(variable);
	if (node) {
		*name = bytes_of(key);
		if (!want_string(l, node, path_join(l, path, ": ", node->key), &value))
			return (struct bytes){ 0 };
		if (!bytes_starts(value, B("env::")))
			return value;
		*name = bytes_slice(value, 5, value.n);
		variable = name->p;
	}
	return arena_dup(l->arena, bytes_of(getenv(variable)));
}

static void read_endpoint(struct loader *l, struct toml *t, struct bytes path,
			  struct provider_config *p, struct missing *missing)
{
	struct bytes name, value = plain_value(l, t, path, "api_endpoint", "API_ENDPOINT", &name);
	const char *problem;

	p->api_base = p->endpoint = bytes_set(value) ? value : B("");
	if (!usable(p->endpoint, "https://xxx"))
		return add_missing(missing, name);
	problem = url_problem(value);
	if (problem) /* user and password, if it has them, are not for a log */
		missing->problem = arena_printf(
			l->arena,
			"api_endpoint: %s: \"%.*s\" (%.*s must be the whole URL of the chat endpoint)",
			problem, bytes_chr(value, '@') >= 0 ? 0 : (int)value.n, value.p,
			BFMT(name));
}

static void read_os_type(struct loader *l, struct toml *t, struct bytes path,
			 struct provider_config *p, struct missing *missing)
{
	struct bytes name, value = plain_value(l, t, path, "os_type", "OS_TYPE", &name);

	p->os_type = bytes_set(value) ? value : B("3");
	if ((!bytes_set(value) && t && toml_get(t, "os_type")) || !usable(p->os_type, ""))
		add_missing(missing, name);
}

/* The list of models: given, or the reference's rule (Model discovery). */
static void find_models_endpoint(struct loader *l, struct toml *t, struct bytes path,
				 struct provider_config *p, const struct missing *missing)
{
	struct bytes tail = B("/stream/chat");

	if (!p->filter.set || bytes_set(p->models_endpoint))
		return;
	if (bytes_ends(p->endpoint, tail)) {
		p->models_endpoint =
			arena_printf(l->arena, "%.*s/models",
				     BFMT(bytes_slice(p->endpoint, 0, p->endpoint.n - tail.n)));
		return;
	}
	if (!missing->len)
		error_at(
			l, t, path,
			"%.*s: `model_filter` has no list of models to filter (set `models_endpoint`, or an `api_endpoint` that ends in `/stream/chat`)",
			BFMT(path));
}

static struct bytes or_default(struct bytes value, struct bytes other)
{
	return bytes_set(value) ? value : other;
}

void read_rust_proxy(struct loader *l, struct toml *t, struct bytes path, struct provider_config *p,
		     struct missing *missing)
{
	read_endpoint(l, t, path, p, missing);
	read_secret_value(l, t, path, ": ", &device_source, missing, &p->device_id);
	read_os_type(l, t, path, p, missing);
	read_secret_value(l, t, path, ": ", &session_source, missing, &p->session_id);
	p->api_key.kind = CREDENTIAL_NONE;
	p->accept_language = or_default(p->accept_language, B("en"));
	p->developer_api.search_mode = or_default(p->developer_api.search_mode, B("web"));
	p->developer_api.language = or_default(p->developer_api.language, p->accept_language);
	p->developer_api.plugin_for = or_default(p->developer_api.plugin_for, B("vscode"));
	if (t)
		find_models_endpoint(l, t, path, p, missing);
}

struct bytes missing_text(const struct missing *m, struct bytes path, struct arena *arena)
{
	struct bytes out = B("Failed to create DevApiClient: ");

	for (size_t i = 0; i < m->len; i++)
		out = arena_printf(arena, "%.*s%s%.*s", BFMT(out),
				   i == 0            ? ""
				   : i + 1 == m->len ? " and "
						     : ", ",
				   BFMT(m->names[i]));
	return arena_printf(arena, "%.*s %s not set (%.*s)", BFMT(out), m->len == 1 ? "is" : "are",
			    BFMT(path));
}
