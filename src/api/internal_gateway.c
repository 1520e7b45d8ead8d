/*
 * What pages show of the gateway itself: what is configured, its signers. No secret is printed: of a credential
 * its place and whether something is there, of a signer's device id nothing.
 */
#include "api/internal.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <unistd.h>

#include "config/entries.h"
#include "sign/signer.h"

#define FILE_MAX (16u << 20)

static void pen_null_or_text(struct pen *p, struct bytes key, struct bytes value)
{
	pen_member(p, key);
	pen_string_or_null(p, value);
}

static void put_bool(struct pen *p, struct bytes key, bool value)
{
	pen_member(p, key);
	pen_bytes(p, value ? B("true") : B("false"));
}

/* ---- models ---- */

static struct bytes host_of(const struct provider_config *p, struct arena *a)
{
	struct url url;

	return p->endpoint.n && !url_parse(p->endpoint, a, &url) ? url.authority
								 : (struct bytes){ 0 };
}

static void put_provider(struct pen *p, const struct provider_config *provider, struct arena *a)
{
	pen_item(p);
	pen_open(p, '{');
	pen_text(p, "name", provider->name);
	pen_text(p, "type", provider->type);
	pen_null_or_text(p, B(",\"model_name\":"), provider->model_name);
	pen_null_or_text(p, B(",\"host\":"), host_of(provider, a));
	pen_null_or_text(p, B(",\"credential\":"), credential_state(provider, a));
	pen_null_or_text(p, B(",\"signer\":"),
			 provider->signer.signer ? signer_id(provider->signer.signer)
						 : (struct bytes){ 0 });
	put_bool(p, B(",\"priced\":"), provider_is_priced(provider));
	pen_close(p, '}');
}

static void put_model(struct pen *p, const struct model_config *m, struct arena *a)
{
	pen_item(p);
	pen_open(p, '{');
	pen_text(p, "name", m->name);
	pen_text(p, "kind", B("chat"));
	pen_key(p, "routing");
	pen_open(p, '[');
	for (size_t i = 0; i < m->nrouting; i++) {
		pen_item(p);
		pen_string(p, m->routing[i]->name);
	}
	pen_close(p, ']');
	pen_key(p, "used_by");
	pen_lit(p, "[]");
	pen_key(p, "providers");
	pen_open(p, '[');
	for (size_t i = 0; i < m->nrouting; i++)
		put_provider(p, m->routing[i], a);
	pen_close(p, ']');
	pen_close(p, '}');
}

static void put_time_or_null(struct pen *p, struct bytes key, uint64_t unix_ms)
{
	pen_member(p, key);
	if (unix_ms)
		pen_time(p, unix_ms);
	else
		pen_lit(p, "null");
}

static void put_discovered_model(struct pen *p, const struct discovered_model *m)
{
	pen_item(p);
	pen_open(p, '{');
	pen_text(p, "displayName", m->display_name);
	pen_text(p, "modelName", m->name);
	pen_null_or_text(p, B(",\"modelType\":"), m->type);
	put_bool(p, B(",\"isNew\":"), m->is_new);
	pen_key(p, "usageLeft");
	if (m->usage_left < 0)
		pen_lit(p, "null");
	else
		pen_u64(p, (uint64_t)m->usage_left);
	put_bool(p, B(",\"usable\":"), !bytes_set(m->why));
	pen_null_or_text(p, B(",\"why\":"), m->why);
	pen_close(p, '}');
}

void put_discovered(struct pen *p, const struct provider_config *provider,
		    const struct discovered *d)
{
	pen_text(p, "model", provider->model->name);
	pen_text(p, "provider", provider->name);
	put_time_or_null(p, B(",\"fetched_at\":"), d->fetched_unix_ms);
	put_time_or_null(p, B(",\"next_at\":"), d->next_unix_ms);
	pen_null_or_text(p, B(",\"error\":"), d->error);
	pen_key(p, "items");
	pen_open(p, '[');
	for (size_t i = 0; i < d->len; i++)
		put_discovered_model(p, &d->at[i]);
	pen_close(p, ']');
}

struct call_context internal_context(struct exchange *ex, struct bytes model)
{
	return (struct call_context){ .config = api_config(ex),
				      .client = ((struct worker *)ex->user)->client,
				      .arena = ex->arena,
				      .request_id = api_request_id(ex),
				      .variant_name = model,
				      .model_name = model };
}

static void put_all_discovered(struct pen *p, struct exchange *ex, const struct model_config *m)
{
	for (size_t i = 0; i < m->nrouting; i++) {
		struct call_context context = internal_context(ex, m->name);
		struct discovered d;

		if (upstream_discovered(m->routing[i], &context, false, &d) <= 0)
			continue;
		pen_item(p);
		pen_open(p, '{');
		put_discovered(p, m->routing[i], &d);
		pen_close(p, '}');
	}
}

static void get_models(struct exchange *ex, const struct bytes *params)
{
	const struct config *c = api_config(ex);
	struct reply reply;
	struct pen *p = &reply.pen;

	(void)params;
	reply_begin(&reply, ex);
	pen_key(p, "models");
	pen_open(p, '[');
	for (size_t i = 0; i < c->nmodels; i++)
		put_model(p, c->models[i], ex->arena);
	pen_close(p, ']');
	pen_key(p, "discovered");
	pen_open(p, '[');
	for (size_t i = 0; i < c->nmodels; i++)
		put_all_discovered(p, ex, c->models[i]);
	pen_close(p, ']');
	reply_end(&reply, 0);
}

const struct internal_route internal_gateway_routes[] = {
	{ "GET", "/internal/signet/models", ROLE_VIEWER, get_models },
	{ 0 },
};
