/*
 * Signer tables and the modules they name.
 *
 * A module is loaded once for each distinct path, pin and limits, however many providers name it; the
 * configuration owns it. A type whose protocol signs has a signer also without a table, and the protocol fixes
 * what the four inputs and the headers are. The trap: a device id is only demanded where an input names
 * it, so that a signer without one needs no DEVICE_ID.
 */
#include <ctype.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "config/credentials.h"
#include "config/models.h"
#include "sign/signer.h"

#define CACHE_MAX   (64 << 20)
#define OFF(member) offsetof(struct signer_config, member)

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
	struct bytes text;
	bool ok;

	if (!want_string(l, t, path, &text))
		return;
	s->sha256 = arena_dup(l->arena, text);
	ok = text.n == 64;
	for (size_t i = 0; bytes_set(s->sha256) && i < text.n; i++) {
		ok &= hex_digit(text.p[i]) >= 0;
		((char *)s->sha256.p)[i] = (char)tolower((unsigned char)text.p[i]);
	}
	if (!ok)
		error_at(l, t, path,
			 "`%.*s` is no SHA-256 (write its 64 hex digits: sha256sum ‹module›)",
			 BFMT(text));
}

static void read_inputs(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	const struct provider_kind *kind = protocol_kind();
	struct signer_config *s = into;
	size_t n = 0;

	if (!want_array(l, t, path))
		return;
	for (struct toml *e = t->child; e; e = e->next, n++) {
		struct bytes place = path_index(l, path, n);
		int choice = want_choice(l, e, place, signer_input_names);

		if (choice < 0 || n >= SIGNER_INPUTS)
			continue;
		s->inputs[n] = bytes_of(signer_input_names[choice]);
		if (kind && bytes_eq(s->inputs[n], kind->protocol->content))
			error_text(l, e, path,
				   "%.*s: `%.*s` exists for type `%.*s` only (write `body`)",
				   BFMT(place), BFMT(s->inputs[n]), BFMT(kind->name));
	}
	if (n != SIGNER_INPUTS)
		error_at(l, t, path, "needs 4 inputs and has %zu (fill up with \"\")", n);
}

static void read_header(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct bytes text;

	if (!want_string(l, t, path, &text))
		return;
	if (text.n && !is_header_name(text))
		error_at(l, t, path,
			 "`%.*s` is no header name (letters, digits and dashes; \"\" sends none)",
			 BFMT(text));
	else
		*(struct bytes *)into = text;
}

static void read_signature_header(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	read_header(l, t, path, into);
	if (((struct bytes *)into)->n == 0)
		error_at(l, t, path, "the signature needs a header (write its name)");
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
	{ "kind", KEY_PASS },
};

static bool names_device_id(const struct signer_config *s)
{
	for (size_t i = 0; i < SIGNER_INPUTS; i++)
		if (bytes_eq(s->inputs[i], B("device_id")))
			return true;
	return false;
}

/* ---- kinds that need no module ---- */

static const char *const kind_names[] = { "wasm", "sigv4", "hmac", NULL };
static const char *const encodings[] = { "hex", "base64", NULL };

static void read_secret(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct credential *c = into;
	struct bytes flaw;

	if (!credential_read(l, t, path, FORM_ENV | FORM_PATH | FORM_PATH_FROM_ENV | FORM_DYNAMIC,
			     "signer", c))
		return;
	flaw = credential_flaw(c, l->arena);
	if (bytes_set(flaw) || !credential_usable(c))
		issue_add(l->issues, l->options->offline && !bytes_set(flaw), node_file(t), t->line,
			  path, "%.*s: %.*s (set it, or name another)", BFMT(path),
			  BFMT(bytes_set(flaw) ? flaw : credential_problem(c)));
}

static const struct key sigv4_keys[] = {
	{ "kind", KEY_PASS },
	{ "service", KEY_STRING, OFF(service), .required = true, .fix = "`service = \"bedrock\"`" },
	{ "region", KEY_STRING, OFF(region), .required = true, .fix = "`region = \"us-east-1\"`" },
	{ "access_key_id", KEY_CALL, OFF(key_id), .call = read_secret },
	{ "secret_access_key", KEY_CALL, OFF(secret), .call = read_secret },
	{ "session_token", KEY_CALL, OFF(session_token), .call = read_secret },
};

static const struct key hmac_keys[] = {
	{ "kind", KEY_PASS },
	{ "secret_location", KEY_CALL, OFF(secret), .call = read_secret, .required = true,
	  .fix = "`secret_location = \"env::SIGNING_SECRET\"`" },
	{ "inputs", KEY_CALL, .call = read_inputs },
	{ "separator", KEY_STRING, OFF(separator) },
	{ "encoding", KEY_SWITCH, OFF(base64), .choices = encodings },
	{ "prefix", KEY_STRING, OFF(prefix) },
	{ "header", KEY_CALL, OFF(header), .call = read_signature_header },
	{ "nonce_header", KEY_CALL, OFF(nonce_header), .call = read_header },
	{ "timestamp_header", KEY_CALL, OFF(timestamp_header), .call = read_header },
};

static void read_sigv4(struct loader *l, struct toml *t, struct bytes path, struct signer_config *s)
{
	static const struct table table = TABLE("struct SignerConfig", sigv4_keys);

	*s = (struct signer_config){ .set = true, .kind = SIGNER_SIGV4 };
	read_table(l, &table, t, path, ".", s);
	if (!toml_get(t, "access_key_id") != !toml_get(t, "secret_access_key") ||
	    (toml_get(t, "session_token") && !toml_get(t, "access_key_id")))
		error_at(
			l, t, path,
			"`access_key_id` and `secret_access_key` belong together, and `session_token` to both (add what is missing, or leave all out: then credentials are found as AWS's SDKs find them)");
}

static void read_hmac(struct loader *l, struct toml *t, struct bytes path, struct signer_config *s)
{
	static const struct table table = TABLE("struct SignerConfig", hmac_keys);

	*s = (struct signer_config){ .set = true,
				     .kind = SIGNER_HMAC,
				     .inputs = { B("timestamp"), B("body"), B(""), B("") },
				     .separator = B("."),
				     .prefix = B(""),
				     .header = B("x-signature"),
				     .nonce_header = B(""),
				     .timestamp_header = B("x-timestamp") };
	read_table(l, &table, t, path, ".", s);
	if (names_device_id(s))
		error_at(
			l, t, path,
			"`inputs`: `device_id` is a module's (write `nonce`, `timestamp`, `method`, `url`, `path` or `body`)");
}

/* Whether the table was of a kind without a module, and is read. */
static bool read_built_in(struct loader *l, struct toml *t, struct bytes path,
			  struct provider_config *p)
{
	struct toml *node = t && t->type == TOML_TABLE ? toml_get(t, "kind") : NULL;
	struct bytes at = path_join(l, path, ".", B("kind"));
	int kind = node ? want_choice(l, node, at, kind_names) : SIGNER_WASM;

	if (kind <= SIGNER_WASM)
		return kind < 0;
	if (p->kind->protocol)
		error_at(l, node, at, "is fixed by type `%.*s` (remove it)", BFMT(p->type));
	else if (kind == SIGNER_SIGV4)
		read_sigv4(l, t, path, &p->signer);
	else
		read_hmac(l, t, path, &p->signer);
	return true;
}

/* ---- modules ---- */

/* With a protocol only the keys of the module may be there. */
static void read_signer_table(struct loader *l, struct toml *t, struct bytes path,
			      struct provider_config *p)
{
	struct bytes fixed =
		arena_printf(l->arena, "is fixed by type `%.*s` (remove it)", BFMT(p->type));
	struct key keys[COUNT(signer_keys)];
	struct table table = TABLE("struct SignerConfig", keys);

	for (size_t i = 0; i < COUNT(keys); i++)
		keys[i] = p->kind->protocol && i >= MODULE_KEYS
				  ? (struct key){ signer_keys[i].name, KEY_REFUSED, .fix = fixed.p }
				  : signer_keys[i];
	read_table(l, &table, t, path, ".", &p->signer);
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

/* The device id of a signer that no protocol demands. */
static void read_signer_device(struct loader *l, struct toml *t, struct bytes path,
			       struct signer_config *s)
{
	const struct provider_kind *kind = protocol_kind();
	struct missing missing = { 0 };

	if (!names_device_id(s))
		s->device_id_header = B("");
	if (!names_device_id(s) && !toml_get(t, "device_id") && !toml_get(t, "device_id_location"))
		return;
	secret_read(l, t, path, ".", &device_id_source, kind ? kind->label : "signer", &missing,
		    &s->device_id);
	if (bytes_set(missing.problem))
		error_at(l, t, path, "%.*s", BFMT(missing.problem));
	if (missing.len)
		issue_add(
			l->issues, l->options->offline, node_file(t), t->line, path,
			"%.*s: %.*s is not set (set it, or write `device_id_location`, or leave `device_id` out of `inputs`)",
			BFMT(path), BFMT(missing.names[0]));
	if (!names_device_id(s))
		s->device_id.kind = CREDENTIAL_NONE;
}

void read_signer(struct loader *l, struct toml *t, struct bytes dir, struct bytes path,
		 struct provider_config *p)
{
	const struct signer_protocol *protocol = p->kind->protocol;
	struct signer_config *s = &p->signer;
	const struct toml *module = toml_get(t, "path");

	if (read_built_in(l, t, path, p))
		return;
	signer_defaults(s, protocol);
	if (t)
		read_signer_table(l, t, path, p);
	s->set = !t || (t->type == TOML_TABLE && (module || protocol));
	if (t && t->type == TOML_TABLE && !s->set)
		missing_field(l, t, path, "path", "`path = \"signers/sign.wasm\"`");
	if (!s->set)
		return;
	if (t && !protocol)
		read_signer_device(l, t, path, s);
	if (!module && protocol)
		s->path = protocol->path;
	if (bytes_set(s->path)) /* else it was no text, which is reported */
		s->path = path_beside(s->path, module ? module->file->dir : dir, l->arena);
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
	struct arena arena;
	struct loaded {
		struct bytes path, sha256;
		struct signer_limits limits;
		struct signer *signer;
	} * at;
	size_t len, cap;
};

struct signer_cache *signer_cache_new(void)
{
	struct signer_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	pthread_mutex_init(&c->lock, NULL);
	arena_init(&c->arena, CACHE_MAX);
	return c;
}

void signer_cache_free(struct signer_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->len; i++)
		signer_unref(c->at[i].signer);
	arena_deinit(&c->arena);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static bool is_loaded(const struct loaded *e, const struct signer_config *s)
{
	return bytes_eq(e->path, s->path) && bytes_eq(e->sha256, s->sha256) &&
	       e->limits.memory_mb == s->memory_mb && e->limits.timeout_ms == s->timeout_ms &&
	       e->limits.pool == s->pool;
}

/* With the cache's lock held. */
static struct signer *load(struct signer_cache *c, const struct signer_config *s, struct bytes id,
			   const char *dir)
{
	struct loaded e = { .limits = { s->memory_mb, s->timeout_ms, s->pool } };

	for (size_t i = 0; i < c->len; i++)
		if (is_loaded(&c->at[i], s))
			return c->at[i].signer;
	e.signer = signer_load(s->path.p, id, s->sha256, &e.limits, dir);
	if (!e.signer || signer_try(e.signer, s->path.p)) {
		signer_unref(e.signer);
		return NULL;
	}
	e.path = arena_dup(&c->arena, s->path);
	e.sha256 = arena_dup(&c->arena, s->sha256);
	if (bytes_set(e.path) && arena_push(&c->arena, c->at, c->len, c->cap, e))
		return e.signer;
	signer_unref(e.signer);
	return NULL;
}

/* Where compiled modules go; unset: nowhere. On a first start nobody has made the data directory yet; that it cannot be
 * made is the store's error. */
static struct bytes make_module_dir(const struct config *c, struct arena *arena)
{
	struct bytes dir = c->module_cache_dir;

	if (!bytes_set(dir)) {
		mkdir(c->data_dir.p, 0700);
		dir = arena_printf(arena, "%.*s/modules", BFMT(c->data_dir));
	}
	if (dir.n == 0)
		return (struct bytes){ 0 };
	mkdir(dir.p, 0700);
	return dir;
}

struct signer *signer_get(const struct config *c, const struct signer_config *s, struct bytes id,
			  bool keep_compiled, struct arena *arena)
{
	struct bytes dir = keep_compiled ? make_module_dir(c, arena) : (struct bytes){ 0 };
	struct signer *signer;

	pthread_mutex_lock(&c->signers->lock);
	signer = load(c->signers, s, id, dir.p);
	pthread_mutex_unlock(&c->signers->lock);
	return signer;
}

int config_start_signers(const struct config *c)
{
	int bad = 0;

	for (size_t i = 0; i < c->signers->len && !bad; i++)
		bad = signer_start(c->signers->at[i].signer);
	return bad;
}

static void load_signer(struct loader *l, struct provider_config *p)
{
	struct bytes path = arena_printf(l->arena, "models.%.*s.providers.%.*s",
					 BFMT(p->model->name), BFMT(p->name));
	const struct toml *table = toml_get(p->node, "signer"), *t = table ? table : p->node;
	/* a text that is in no folder has no module beside it: `signet check` of files has */
	bool offline = l->options->offline, nowhere = offline && bytes_set(l->options->text);

	p->signer.signer = signer_get(l->config, &p->signer, path,
				      !offline && issues_errors(l->issues) == 0, l->arena);
	if (!p->signer.signer)
		issue_add(l->issues, nowhere && access(p->signer.path.p, F_OK) != 0,
			  node_file(p->node), t->line, path, "%.*s (%.*s.signer)",
			  BFMT(error_last()->message), BFMT(path));
}

static void load_of(struct loader *l, struct model_config *const *models, size_t n)
{
	for (size_t m = 0; m < n; m++)
		for (size_t i = 0; i < models[m]->nrouting; i++)
			if (models[m]->routing[i]->signer.set &&
			    models[m]->routing[i]->signer.kind == SIGNER_WASM)
				load_signer(l, models[m]->routing[i]);
}

void load_signers(struct loader *l)
{
	load_of(l, l->config->models, l->config->nmodels);
	load_of(l, l->config->embedding_models, l->config->nembedding_models);
}
