/*
 * What pages show of the gateway itself: who asks, what is configured, its signers. No secret is printed: of a credential
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

/* ---- configuration ---- */

struct config_page {
	const struct config *config;
	struct config_entries entries;
	struct bytes *sums; /* of the files, as they are now */
	int bad;
};

static struct bytes sum_of(struct bytes path, struct arena *a)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char hex[2 * SHA256_DIGEST_LENGTH + 1], name[4096];
	struct buf text;
	FILE *f;
	int bad;

	snprintf(name, sizeof(name), "%.*s", BFMT(path));
	f = fopen(name, "re");
	if (!f)
		return (struct bytes){ 0 };
	buf_init(&text, FILE_MAX);
	bad = buf_read(&text, fileno(f));
	fclose(f);
	if (!bad)
		SHA256((const unsigned char *)buf_bytes(&text).p, text.len, digest);
	buf_deinit(&text);
	hex_print(digest, sizeof(digest), hex);
	return bad ? (struct bytes){ 0 } : arena_dup(a, bytes_of(hex));
}

static void make_config_page(void *arg)
{
	struct config_page *page = arg;
	struct arena *a = page->entries.arena;

	page->bad = config_entries(page->config, &page->entries);
	page->sums = arena_array(a, struct bytes, page->entries.nfiles + 1);
	for (size_t i = 0; page->sums && i < page->entries.nfiles; i++)
		page->sums[i] = sum_of(page->entries.files[i], a);
	if (!page->sums)
		page->bad = -1;
}

static void put_entry(struct pen *p, const struct config_entry *e)
{
	pen_item(p);
	pen_open(p, '{');
	pen_text(p, "key", e->key);
	pen_key(p, "value");
	pen_bytes(p, e->value);
	pen_text(p, "from", bytes_of(entry_origin_name(e->from)));
	if (bytes_set(e->file)) {
		pen_text(p, "file", e->file);
		pen_number(p, "line", e->line);
	}
	if (e->deprecated)
		put_bool(p, B(",\"deprecated\":"), true);
	if (e->ignored)
		put_bool(p, B(",\"ignored\":"), true);
	pen_close(p, '}');
}

static void put_config(struct pen *p, const struct config_page *page)
{
	pen_text(p, "hash", bytes_of(page->config->hash));
	pen_key(p, "loaded_at");
	pen_time(p, page->config->loaded_unix_s * 1000);
	pen_key(p, "files");
	pen_open(p, '[');
	for (size_t i = 0; i < page->entries.nfiles; i++) {
		pen_item(p);
		pen_open(p, '{');
		pen_text(p, "path", page->entries.files[i]);
		pen_null_or_text(p, B(",\"sha256\":"), page->sums[i]);
		pen_close(p, '}');
	}
	pen_close(p, ']');
	pen_key(p, "entries");
	pen_open(p, '[');
	for (size_t i = 0; i < page->entries.len; i++)
		put_entry(p, &page->entries.at[i]);
	pen_close(p, ']');
}

static void get_config(struct exchange *ex, const struct bytes *params)
{
	struct config_page page = { .config = api_app(ex)->config, .entries.arena = ex->arena };
	struct bytes hash = query_get(ex, B("hash"));
	struct reply reply;

	(void)params;
	if (hash.n && !bytes_eq(hash, bytes_of(page.config->hash))) {
		fail(ERR_NOT_FOUND, "hash=%.*s is not the configuration in force",
		     BFMT(bytes_head(hash, 100)));
		reply_error(ex, 404);
		return;
	}
	if (offload(make_config_page, &page) || page.bad) {
		reply_error(ex, 500);
		return;
	}
	reply_begin(&reply, ex);
	put_config(&reply.pen, &page);
	reply_end(&reply, 0);
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
	put_bool(p, B(",\"priced\":"), false);
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
	return (struct call_context){ .config = api_app(ex)->config,
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
	const struct config *c = api_app(ex)->config;
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
	{ "GET", "/internal/signet/config", ROLE_VIEWER, get_config },
	{ 0 },
};
