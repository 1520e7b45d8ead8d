/*
 * Signer tables and the modules they name.
 *
 * A module is loaded once for each distinct path, pin and limits, however many providers name it; the
 * configuration owns it. type = "rust-proxy" has a signer also without a table, and its protocol fixes
 * what the four inputs and the headers are. The trap: a device id is only demanded where an input names
 * it, so that a signer without one needs no DEVICE_ID.
 */
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "config/credentials.h"
#include "config/extras.h"
#include "config/models.h"

#define DEFAULT_PATH "rust_proxy/sign_bg.wasm"
#define OFF(member)  offsetof(struct signer_config, member)

static const char *const input_names[] = { "nonce", "timestamp", "device_id", "body",    "method",
					   "url",   "path",      "",          "content", NULL };

/* ---- the table ---- */

static void call_sha256(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct signer_config *s = into;
	struct bytes text, lower;
	bool ok;

	if (!want_string(l, t, path, &text))
		return;
	lower = arena_dup(l->arena, text);
	ok = bytes_set(lower) && text.n == 64;
	for (size_t i = 0; ok && i < text.n; i++) {
		char *c = (char *)lower.p + i; /* our own copy */

		if (*c >= 'A' && *c <= 'F')
			*c = (char)(*c - 'A' + 'a');
		ok = hex_digit(*c) >= 0;
	}
	if (!ok)
		return error_at(
			l, t, path,
			"%.*s: `%.*s` is no SHA-256 (write its 64 hex digits: sha256sum ‹module›)",
			BFMT(path), BFMT(text));
	s->sha256 = lower;
}

static void call_inputs(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct signer_config *s = into;
	size_t n = 0;

	if (!want_array(l, t, path))
		return;
	for (struct toml *e = t->child; e; e = e->next, n++) {
		int choice = want_choice(l, e, path_index(l, path, n), input_names);

		if (choice < 0 || n >= 4)
			continue;
		if (bytes_eq(bytes_of(input_names[choice]), B("content")))
			error_at(l, e, path,
				 "%.*s: `content` exists for type `rust-proxy` only (write `body`)",
				 BFMT(path_index(l, path, n)));
		s->inputs[n] = bytes_of(input_names[choice]);
	}
	if (n != 4)
		error_at(l, t, path, "%.*s: needs 4 inputs and has %zu (fill up with \"\")",
			 BFMT(path), n);
}

static void header(struct loader *l, struct toml *t, struct bytes path, struct bytes *out)
{
	struct bytes text;

	if (!want_string(l, t, path, &text))
		return;
	if (text.n && !is_header_name(text))
		error_at(
			l, t, path,
			"%.*s: `%.*s` is no header name (letters, digits and dashes; \"\" sends none)",
			BFMT(path), BFMT(text));
	else
		*out = text;
}

static void call_header(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct signer_config *s = into;

	header(l, t, path, &s->header);
	if (s->header.n == 0)
		error_at(l, t, path, "%.*s: the signature needs a header (write its name)",
			 BFMT(path));
}

static void call_nonce_header(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	header(l, t, path, &((struct signer_config *)into)->nonce_header);
}

static void call_timestamp_header(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	header(l, t, path, &((struct signer_config *)into)->timestamp_header);
}

static void call_device_header(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	header(l, t, path, &((struct signer_config *)into)->device_id_header);
}

#define SHARED_KEYS                                                                           \
	{ "path", KEY_STRING, OFF(path) }, { "sha256", KEY_CALL, .call = call_sha256 },       \
		{ "memory_limit_mb", KEY_U32, OFF(limits.memory_mb), .min = 1, .max = 4096 }, \
		{ "timeout_ms", KEY_U32, OFF(limits.timeout_ms), .min = 1, .max = 60000 },    \
	{                                                                                     \
		"pool", KEY_U32, OFF(limits.pool), .min = 1, .max = 1024                      \
	}

static const struct key signer_keys[] = {
	SHARED_KEYS,
	{ "inputs", KEY_CALL, .call = call_inputs },
	{ "header", KEY_CALL, .call = call_header },
	{ "nonce_header", KEY_CALL, .call = call_nonce_header },
	{ "timestamp_header", KEY_CALL, .call = call_timestamp_header },
	{ "device_id_header", KEY_CALL, .call = call_device_header },
	{ "device_id", KEY_PASS },
	{ "device_id_location", KEY_PASS },
};
static const struct table signer_table = TABLE("struct SignerConfig", signer_keys);

static void call_fixed(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	(void)into;
	error_at(l, t, path, "%.*s: is fixed by type `rust-proxy` (remove it)", BFMT(path));
}

static const struct key fixed_keys[] = {
	SHARED_KEYS,
	{ "inputs", KEY_CALL, .call = call_fixed },
	{ "header", KEY_CALL, .call = call_fixed },
	{ "nonce_header", KEY_CALL, .call = call_fixed },
	{ "timestamp_header", KEY_CALL, .call = call_fixed },
	{ "device_id_header", KEY_CALL, .call = call_fixed },
	{ "device_id", KEY_CALL, .call = call_fixed },
	{ "device_id_location", KEY_CALL, .call = call_fixed },
};
static const struct table fixed_table = TABLE("struct SignerConfig", fixed_keys);

static void signer_defaults(struct signer_config *s, bool rust_proxy)
{
	*s = (struct signer_config){
		.set = true,
		.limits = { .memory_mb = 16, .timeout_ms = 100, .pool = 4 },
		.inputs = { B("nonce"), B("timestamp"), B("device_id"),
			    rust_proxy ? B("content") : B("body") },
		.header = B("sign"),
		.nonce_header = B("nonce"),
		.timestamp_header = B("timestamp"),
		.device_id_header = B("device-id"),
	};
}

static bool names_device_id(const struct signer_config *s)
{
	for (size_t i = 0; i < 4; i++) {
		if (bytes_eq(s->inputs[i], B("device_id")))
			return true;
	}
	return false;
}

/* The device id of a signer that is not rust-proxy's. */
static void read_signer_device(struct loader *l, struct toml *t, struct bytes path,
			       struct signer_config *s)
{
	struct missing missing = { 0 };

	if (!names_device_id(s)) {
		if (!toml_get(t, "device_id") && !toml_get(t, "device_id_location")) {
			s->device_id.kind = CREDENTIAL_NONE;
			s->device_id_header = B("");
			return;
		}
	}
	read_device_id(l, t, path, ".", &missing, &s->device_id);
	if (bytes_set(missing.problem))
		error_at(l, t, path, "%.*s: %.*s", BFMT(path), BFMT(missing.problem));
	if (missing.len)
		issue_add(
			l->issues, l->options->offline, node_file(t), t->line, path,
			"%.*s: %.*s is not set (set it, or write `device_id_location`, or leave `device_id` out of `inputs`)",
			BFMT(path), BFMT(missing.names[0]));
}

void read_signer(struct loader *l, struct toml *t, struct bytes dir, struct bytes path,
		 struct provider_config *p)
{
	bool rust_proxy = p->kind == PROVIDER_RUST_PROXY;
	struct signer_config *s = &p->signer;
	struct toml *module;

	signer_defaults(s, rust_proxy);
	if (t)
		read_table(l, rust_proxy ? &fixed_table : &signer_table, t, path, ".", s);
	if (t && t->type != TOML_TABLE) {
		s->set = false;
		return;
	}
	module = t ? toml_get(t, "path") : NULL;
	if (t && !rust_proxy && !module) {
		s->set = false;
		return missing_field(l, t, path, "path", "`path = \"signers/sign.wasm\"`");
	}
	if (module)
		dir = module->file->dir;
	if (t && !rust_proxy)
		read_signer_device(l, t, path, s);
	s->path = path_beside(bytes_set(s->path) ? s->path : B(DEFAULT_PATH), dir, l->arena);
	if (!bytes_set(s->path))
		s->set = false;
}

struct bytes path_beside(struct bytes path, struct bytes dir, struct arena *arena)
{
	struct bytes beside;

	if (path.n && path.p[0] == '/')
		return path;
	beside = bytes_eq(dir, B(".")) ? path
				       : arena_printf(arena, "%.*s/%.*s", BFMT(dir), BFMT(path));
	if (!bytes_set(beside) || access(beside.p, F_OK) == 0 || access(path.p, F_OK) != 0)
		return beside;
	return path;
}

/* ---- loading ---- */

struct signer_cache {
	pthread_mutex_t lock;
	struct loaded {
		struct bytes path, sha256; /* on the heap, one block */
		struct signer_limits limits;
		struct signer *signer;
	} * at;
	size_t len;
};

struct signer_cache *signer_cache_new(void)
{
	struct signer_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void signer_cache_free(struct signer_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->len; i++) {
		signer_unref(c->at[i].signer);
		free((char *)c->at[i].path.p);
	}
	free(c->at);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static bool same(const struct loaded *e, const struct signer_config *s)
{
	return bytes_eq(e->path, s->path) && bytes_eq(e->sha256, s->sha256) &&
	       e->limits.memory_mb == s->limits.memory_mb &&
	       e->limits.timeout_ms == s->limits.timeout_ms && e->limits.pool == s->limits.pool;
}

static struct signer *load(struct signer_cache *c, const struct signer_config *s, struct bytes id,
			   const char *cache_dir)
{
	struct loaded *at = realloc(c->at, (c->len + 1) * sizeof(*at)), *e;
	char *text = malloc(s->path.n + s->sha256.n + 1);
	struct signer *signer = NULL;

	if (at)
		c->at = at;
	if (at && text)
		signer = signer_load(s->path.p, id, s->sha256, &s->limits, cache_dir);
	else
		fail(ERR_OUT_OF_MEMORY, "out of memory");
	if (!signer) {
		free(text);
		return NULL;
	}
	e = &at[c->len++];
	*e = (struct loaded){ .limits = s->limits, .signer = signer };
	memcpy(text, s->path.p, s->path.n);
	if (s->sha256.n)
		memcpy(text + s->path.n, s->sha256.p, s->sha256.n);
	e->path = (struct bytes){ text, s->path.n };
	e->sha256 = (struct bytes){ text + s->path.n, s->sha256.n };
	return signer;
}

struct signer *signer_cache_get(struct signer_cache *c, const struct signer_config *s,
				struct bytes id, const char *cache_dir)
{
	struct signer *signer = NULL;

	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->len && !signer; i++) {
		if (same(&c->at[i], s))
			signer = c->at[i].signer;
	}
	if (!signer)
		signer = load(c, s, id, cache_dir);
	pthread_mutex_unlock(&c->lock);
	return signer;
}

struct bytes module_cache_dir(const struct config *c, struct arena *arena)
{
	if (bytes_set(c->module_cache_dir))
		return c->module_cache_dir.n ? c->module_cache_dir : (struct bytes){ 0 };
	return arena_printf(arena, "%.*s/modules", BFMT(c->data_dir));
}

static const struct toml *provider_node(const struct loader *l, const struct provider_config *p)
{
	const struct toml *t = toml_get(l->root, "models");

	for (t = t ? t->child : NULL; t && !bytes_eq(t->key, p->model->name);)
		t = t->next;
	t = t ? toml_get(t, "providers") : NULL;
	for (t = t ? t->child : NULL; t && !bytes_eq(t->key, p->name);)
		t = t->next;
	return t;
}

static void load_signer(struct loader *l, struct provider_config *p, const char *cache_dir)
{
	struct bytes path = arena_printf(l->arena, "models.%.*s.providers.%.*s",
					 BFMT(p->model->name), BFMT(p->name));
	const struct toml *t = provider_node(l, p), *table = t ? toml_get(t, "signer") : NULL;
	bool absent = access(p->signer.path.p, F_OK) != 0;

	p->signer.signer = signer_cache_get(l->config->signers, &p->signer, path, cache_dir);
	if (p->signer.signer || !t)
		return;
	issue_add(l->issues, l->options->offline && absent, node_file(t),
		  table ? table->line : t->line, path, "%.*s (%.*s.signer)",
		  BFMT(error_last()->message), BFMT(path));
}

/* On a first start nobody has made the data directory yet; that it cannot be made is the store's error. */
void make_cache_dir(const struct config *c, struct bytes dir)
{
	if (!bytes_set(c->module_cache_dir))
		mkdir(c->data_dir.p, 0700);
	if (bytes_set(dir))
		mkdir(dir.p, 0700);
}

static bool has_signer(const struct config *c)
{
	for (size_t m = 0; m < c->nmodels; m++) {
		for (size_t i = 0; i < c->models[m]->nrouting; i++) {
			if (c->models[m]->routing[i]->signer.set)
				return true;
		}
	}
	return false;
}

void load_signers(struct loader *l)
{
	struct bytes dir = { 0 };

	if (!l->options->offline)
		dir = module_cache_dir(l->config, l->arena);
	if (!l->options->offline && has_signer(l->config) && issues_errors(l->issues) == 0)
		make_cache_dir(l->config, dir);
	for (size_t m = 0; m < l->config->nmodels; m++) {
		struct model_config *model = l->config->models[m];

		for (size_t i = 0; i < model->nrouting; i++) {
			struct provider_config *p = model->routing[i];

			if (p->signer.set && !p->signer.signer)
				load_signer(l, p, dir.p);
		}
	}
}
