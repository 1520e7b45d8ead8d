/*
 * Signer tables and the modules they name.
 *
 * A module is loaded once for each distinct path, pin and limits, however many providers name it; the
 * configuration owns it. A type whose protocol signs has a signer also without a table, and the protocol fixes
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
#include "sign/signer.h"

#define OFF(member) offsetof(struct signer_config, member)

static const char *const input_names[] = { "nonce", "timestamp", "device_id", "body",    "method",
					   "url",   "path",      "",          "content", NULL };

/* The type that demands a signature: whose words the inputs' are. NULL: no type does. */
static const struct provider_kind *protocol_kind(void)
{
	for (size_t i = 0; i < provider_nentries; i++)
		if (provider_entries[i].kind && provider_entries[i].kind->protocol)
			return provider_entries[i].kind;
	return NULL;
}

/* ---- the table ---- */

static void read_sha256(struct loader *l, struct toml *t, struct bytes path, void *into)
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

static void read_inputs(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	const struct provider_kind *kind = protocol_kind();
	struct signer_config *s = into;
	size_t n = 0;

	if (!want_array(l, t, path))
		return;
	for (struct toml *e = t->child; e; e = e->next, n++) {
		int choice = want_choice(l, e, path_index(l, path, n), input_names);

		if (choice < 0 || n >= SIGNER_INPUTS)
			continue;
		s->inputs[n] = bytes_of(input_names[choice]);
		if (kind && bytes_eq(s->inputs[n], kind->protocol->content))
			error_at(l, e, path,
				 "%.*s: `%.*s` exists for type `%.*s` only (write `body`)",
				 BFMT(path_index(l, path, n)), BFMT(s->inputs[n]),
				 BFMT(kind->name));
	}
	if (n != SIGNER_INPUTS)
		error_at(l, t, path, "%.*s: needs 4 inputs and has %zu (fill up with \"\")",
			 BFMT(path), n);
}

static void read_header(struct loader *l, struct toml *t, struct bytes path, void *into)
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
		*(struct bytes *)into = text;
}

static void read_signature_header(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	read_header(l, t, path, into);
	if (((struct bytes *)into)->n == 0)
		error_at(l, t, path, "%.*s: the signature needs a header (write its name)",
			 BFMT(path));
}

#define MODULE_KEYS 5 /* the first of the table: of the module, whatever the signature is */

static const struct key signer_keys[] = {
	{ "path", KEY_STRING, OFF(path) },
	{ "sha256", KEY_CALL, .call = read_sha256 },
	{ "memory_limit_mb", KEY_U32, OFF(memory_mb), .min = 1, .max = 4096 },
	{ "timeout_ms", KEY_U32, OFF(timeout_ms), .min = 1, .max = 60000 },
	{ "pool", KEY_U32, OFF(pool), .min = 1, .max = 1024 },
	{ "inputs", KEY_CALL, .call = read_inputs },
	{ "header", KEY_CALL, OFF(header), .call = read_signature_header },
	{ "nonce_header", KEY_CALL, OFF(nonce_header), .call = read_header },
	{ "timestamp_header", KEY_CALL, OFF(timestamp_header), .call = read_header },
	{ "device_id_header", KEY_CALL, OFF(device_id_header), .call = read_header },
	{ "device_id", KEY_PASS },
	{ "device_id_location", KEY_PASS },
};
static void refuse_fixed(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	const struct provider_config *p =
		(const struct provider_config *)((char *)into -
						 offsetof(struct provider_config, signer));

	error_at(l, t, path, "%.*s: is fixed by type `%.*s` (remove it)", BFMT(path),
		 BFMT(p->type));
}

/* With a protocol only the keys of the module may be there. */
static void read_signer_table(struct loader *l, struct toml *t, struct bytes path,
			      const struct signer_protocol *protocol, struct signer_config *s)
{
	struct key keys[COUNT(signer_keys)];
	struct table table = TABLE("struct SignerConfig", keys);

	for (size_t i = 0; i < COUNT(keys); i++)
		keys[i] = protocol && i >= MODULE_KEYS
				  ? (struct key){ signer_keys[i].name, KEY_CALL,
						  .call = refuse_fixed }
				  : signer_keys[i];
	read_table(l, &table, t, path, ".", s);
}

/* A protocol's device id is there already: it is a key of its type. */
static void signer_defaults(struct signer_config *s, const struct signer_protocol *protocol)
{
	*s = (struct signer_config){
		.set = true,
		.memory_mb = 16,
		.timeout_ms = 100,
		.pool = 4,
		.inputs = { B("nonce"), B("timestamp"), B("device_id"),
			    protocol ? protocol->content : B("body") },
		.device_id = s->device_id,
		.header = B("sign"),
		.nonce_header = B("nonce"),
		.timestamp_header = B("timestamp"),
		.device_id_header = B("device-id"),
	};
}

static bool names_device_id(const struct signer_config *s)
{
	for (size_t i = 0; i < SIGNER_INPUTS; i++) {
		if (bytes_eq(s->inputs[i], B("device_id")))
			return true;
	}
	return false;
}

/* The device id of a signer that no protocol demands. */
static void read_signer_device(struct loader *l, struct toml *t, struct bytes path,
			       struct signer_config *s)
{
	const struct provider_kind *kind = protocol_kind();
	struct missing missing = { 0 };

	if (!names_device_id(s)) {
		if (!toml_get(t, "device_id") && !toml_get(t, "device_id_location")) {
			s->device_id.kind = CREDENTIAL_NONE;
			s->device_id_header = B("");
			return;
		}
	}
	secret_read(l, t, path, ".", &device_id_source, kind ? kind->label : "signer", &missing,
		    &s->device_id);
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
	const struct signer_protocol *protocol = p->kind->protocol;
	struct signer_config *s = &p->signer;
	struct toml *module;

	signer_defaults(s, protocol);
	if (t)
		read_signer_table(l, t, path, protocol, s);
	if (t && t->type != TOML_TABLE) {
		s->set = false;
		return;
	}
	module = t ? toml_get(t, "path") : NULL;
	if (t && !protocol && !module) {
		s->set = false;
		return missing_field(l, t, path, "path", "`path = \"signers/sign.wasm\"`");
	}
	if (module)
		dir = module->file->dir;
	if (t && !protocol)
		read_signer_device(l, t, path, s);
	if (!bytes_set(s->path) && protocol)
		s->path = protocol->path;
	if (bytes_set(s->path)) /* else it was no text, which is reported */
		s->path = path_beside(s->path, dir, l->arena);
	s->set = bytes_set(s->path);
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
	       e->limits.memory_mb == s->memory_mb && e->limits.timeout_ms == s->timeout_ms &&
	       e->limits.pool == s->pool;
}

static struct signer *load(struct signer_cache *c, const struct signer_config *s, struct bytes id,
			   const char *cache_dir)
{
	struct loaded *at = realloc(c->at, (c->len + 1) * sizeof(*at)), *e;
	char *text = malloc(s->path.n + s->sha256.n + 1);
	struct signer_limits limits = { s->memory_mb, s->timeout_ms, s->pool };
	struct signer *signer = NULL;

	if (at)
		c->at = at;
	if (at && text)
		signer = signer_load(s->path.p, id, s->sha256, &limits, cache_dir);
	else
		fail(ERR_OUT_OF_MEMORY, "out of memory");
	if (!signer) {
		free(text);
		return NULL;
	}
	e = &at[c->len++];
	*e = (struct loaded){ .limits = limits, .signer = signer };
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
