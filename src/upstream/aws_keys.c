/*
 * The keys of providers on AWS, in TensorZero's words. A value is named by a location, only region and endpoint may stand
 * there themselves. The trap: ids, secrets and tokens belong together and must come from one kind of source, or a
 * request could be signed by halves of two identities.
 */
#include "config/models.h"
#include "upstream/aws.h"

#define LITERAL 1u
#define SDK     2u

static bool is_location(struct bytes text)
{
	return bytes_find(text, B("::")) > 0;
}

static void read_value(struct loader *l, struct toml *t, struct bytes path, unsigned forms,
		       unsigned others, struct aws_value *out)
{
	struct bytes text;

	if (!is_text(t)) {
		want_string(l, t, path, &text);
		return;
	}
	if (others & SDK && bytes_eq(t->text, B("sdk"))) {
		out->from = AWS_SDK;
		return;
	}
	out->from = AWS_GIVEN;
	if (others & LITERAL && !is_location(t->text)) {
		out->value = (struct credential){ .kind = CREDENTIAL_STATIC, .value = t->text };
		return;
	}
	if (!credential_read(l, t, path, forms, "AWS", &out->value))
		out->from = AWS_UNSET;
}

#define KEY_FORMS   (FORM_ENV | FORM_PATH | FORM_PATH_FROM_ENV | FORM_DYNAMIC | FORM_NONE)
#define VALUE_FORMS (FORM_ENV | FORM_PATH | FORM_PATH_FROM_ENV | FORM_DYNAMIC)

void read_aws_region(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	read_value(l, t, path, VALUE_FORMS, LITERAL | SDK, into);
}

void read_aws_endpoint_url(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	read_value(l, t, path, VALUE_FORMS, LITERAL | SDK, into);
}

void read_aws_api_key(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	read_value(l, t, path, KEY_FORMS, 0, into);
}

void read_aws_key_id(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	read_value(l, t, path, KEY_FORMS, SDK, into);
}

void read_aws_secret(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	read_value(l, t, path, KEY_FORMS, SDK, into);
}

void read_aws_session_token(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	read_value(l, t, path, KEY_FORMS, SDK, into);
}

/* ---- what one key alone does not tell ---- */

static bool same_source(const struct aws_value *a, const struct aws_value *b)
{
	return a->from == b->from &&
	       (a->from != AWS_GIVEN ||
		(a->value.kind == CREDENTIAL_DYNAMIC) == (b->value.kind == CREDENTIAL_DYNAMIC));
}

/* TensorZero's words for a variable that is not set. */
static struct bytes not_found(struct loader *l, const struct provider_config *p, const char *key,
			      struct bytes variable)
{
	if (strcmp(key, "region") == 0 || strcmp(key, "endpoint_url") == 0)
		return arena_printf(
			l->arena,
			"Environment variable `%.*s` not found. Your configuration for a `%.*s` provider requires this variable for `%s`.",
			BFMT(variable), BFMT(p->type), key);
	return arena_printf(l->arena, "Environment variable `%.*s` not found for `%s` in `%.*s`.",
			    BFMT(variable), key, BFMT(p->type));
}

/* A value that is named and not there. */
static void check_value(struct loader *l, struct toml *t, struct bytes path,
			const struct provider_config *p, const char *key, const struct aws_value *v)
{
	const struct credential *c = &v->value;
	struct bytes flaw = credential_flaw(c, l->arena), problem;

	if (v->from != AWS_GIVEN)
		return;
	if (c->kind == CREDENTIAL_NONE)
		return error_at(
			l, t, path,
			"Unsupported credential location for `%s` in `%.*s`. Use `env::` or `dynamic::`.",
			key, BFMT(p->type));
	if (c->kind != CREDENTIAL_MISSING && !bytes_set(flaw))
		return credential_warn(l, t, path, c);
	problem = bytes_set(flaw)     ? flaw
		  : bytes_set(c->key) ? not_found(l, p, key, c->key)
				      : credential_problem(c);
	issue_add(l->issues, l->options->offline && !bytes_set(flaw), node_file(t), t->line, path,
		  "%.*s: %.*s (`%s`: set it, or name another)", BFMT(path), BFMT(problem), key);
}

static void check_keys(struct loader *l, struct toml *t, struct bytes path,
		       const struct provider_config *p, const struct aws_options *o)
{
	bool id = o->key_id.from, secret = o->secret.from, token = o->session_token.from;

	if (id != secret)
		error_at(l, t, path, "`%s` requires `%s` to also be specified for `%.*s`. (add it)",
			 id ? "access_key_id" : "secret_access_key",
			 id ? "secret_access_key" : "access_key_id", BFMT(p->type));
	else if (token && !id)
		error_at(
			l, t, path,
			"`session_token` cannot be specified without `access_key_id` and `secret_access_key` for `%.*s`. (add them)",
			BFMT(p->type));
	else if (id && (!same_source(&o->key_id, &o->secret) ||
			(token && !same_source(&o->key_id, &o->session_token))))
		error_at(
			l, t, path,
			"`access_key_id` and `secret_access_key` must use the same source type (both `env::`, both `dynamic::`, or both `sdk`) for `%.*s`. (`session_token` too)",
			BFMT(p->type));
	if (o->api_key.from && (id || secret || token))
		error_at(
			l, t, path,
			"Cannot specify both `api_key` and IAM credentials (`access_key_id`/`secret_access_key`) for `%.*s`. Use one or the other.",
			BFMT(p->type));
	if (bytes_set(o->api_key.value.key) || toml_get(t, "api_key"))
		check_value(l, t, path, p, "api_key", &o->api_key);
	check_value(l, t, path, p, "access_key_id", &o->key_id);
	check_value(l, t, path, p, "secret_access_key", &o->secret);
	check_value(l, t, path, p, "session_token", &o->session_token);
}

static bool is_amazons(struct bytes host)
{
	static const struct bytes ends[] = { B(".amazonaws.com"), B(".amazonaws.com.cn"),
					     B(".api.aws"), B(".c2s.ic.gov"), B(".sc2s.sgov.gov") };

	for (size_t i = 0; i < COUNT(ends); i++)
		if (bytes_ends(host, ends[i]))
			return true;
	return false;
}

static void check_endpoint(struct loader *l, struct toml *t, struct bytes path,
			   const struct provider_config *p, const struct aws_options *o)
{
	const struct credential *c = &o->endpoint_url.value;
	const char *problem;
	struct url url;

	check_value(l, t, path, p, "endpoint_url", &o->endpoint_url);
	if (o->endpoint_url.from == AWS_SDK)
		error_at(
			l, t, path,
			"`endpoint_url = \"sdk\"` is not supported for `%.*s`. Use a static URL, `env::`, `path::`, or `dynamic::` instead.",
			BFMT(p->type));
	if (o->endpoint_url.from != AWS_GIVEN)
		return;
	if (c->kind == CREDENTIAL_DYNAMIC)
		warn_at(l, t, path,
			"You configured a dynamic `endpoint_url` for a `%.*s` provider. Only use this setting with trusted clients. An untrusted client can exfiltrate your AWS credentials with a malicious endpoint.",
			BFMT(p->type));
	if (c->kind != CREDENTIAL_STATIC)
		return;
	problem = url_problem(c->value);
	if (problem)
		error_at(l, t, path,
			 "Invalid endpoint URL `%.*s` for %.*s: %s (write the whole URL)",
			 BFMT(url_shown(c->value)), BFMT(p->type), problem);
	else if (url_parse(c->value, l->arena, &url) == 0 && !is_amazons(url.host))
		warn_at(l, t, path,
			"`endpoint_url` names `%.*s`, which is no host of AWS: it sees what is signed",
			BFMT(url.host));
}

/* A wrong date or signature of the configuration's own could never work. */
static void check_headers(struct loader *l, struct toml *t, struct bytes path,
			  const struct provider_config *p, const struct aws_options *o)
{
	for (size_t i = 0; i < p->extra_headers.len; i++) {
		struct bytes name = p->extra_headers.at[i].pointer;

		if (!o->api_key.from &&
		    (bytes_ieq(name, B("x-amz-date")) || bytes_ieq(name, B("authorization"))))
			error_at(l, t, path, "extra_headers: `%.*s` is the signature's (remove it)",
				 BFMT(name));
	}
}

void check_aws(struct loader *l, struct toml *t, struct bytes path, struct provider_config *p)
{
	struct aws_options *o = p->options;

	if (o->find_region && !o->region.from)
		o->region.from = AWS_SDK;
	if (!o->region.from && !toml_get(t, "region"))
		error_at(
			l, t, path,
			"AWS %.*s provider requires a region. Use `region = \"sdk\"` to enable auto-detection, or specify a region like `region = \"us-east-1\"`.",
			BFMT(p->type));
	check_value(l, t, path, p, "region", &o->region);
	check_keys(l, t, path, p, o);
	check_endpoint(l, t, path, p, o);
	check_headers(l, t, path, p, o);
}
