/*
 * Two walks: over the tree that the files made, leaf by leaf, and over the tables of keys for what no file sets. The tree
 * knows which values are secrets (those that were pasted into a file); a location is none, and is told with whether
 * something is there.
 */
#include "config/entries.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "config/provider_kind.h"
#include "config/tables.h"

#define VALUE_MAX (1u << 20)

const struct known_table known_tables[] = {
	{ "gateway", &gateway_table },
	{ "server", &server_table },
	{ "upstream", &upstream_table },
	{ "signing", &signing_table },
	{ "surfaces", &surfaces_table },
	{ "routing", &routing_table },
	{ "store", &store_table },
	{ "journal", &journal_table },
	{ "record", &record_table },
	{ "ui", &ui_table },
	{ NULL, NULL },
};

/* What environment and command line may set. */
static const struct given {
	const char *key, *variable;
	size_t offset;        /* struct bytes in struct config; of `workers` its number */
	const char *fallback; /* the default */
	bool at_once;         /* a reload changes it */
} givens[] = {
	{ "gateway.bind_address", "TENSORZERO_GATEWAY_BIND_ADDRESS",
	  offsetof(struct config, gateway.bind_address), "0.0.0.0:3000" },
	{ "store.data_dir", "SIGNET_DATA_DIR", offsetof(struct config, data_dir), "./signet-data" },
	{ "upstream.ca_file", "SSL_CERT_FILE", offsetof(struct config, upstream.ca_file), NULL },
	{ "ui.bind_address", "SIGNET_UI_BIND_ADDRESS", offsetof(struct config, ui.bind_address),
	  NULL },
	{ "ui.public_url", "SIGNET_UI_PUBLIC_URL", offsetof(struct config, ui.public_url), NULL,
	  true },
};

const char *entry_origin_name(enum entry_origin from)
{
	static const char *const names[] = { "file", "env", "cli", "default" };

	return names[from];
}

static int add(struct config_entries *es, struct config_entry e)
{
	return bytes_set(e.key) && bytes_set(e.value) &&
			       arena_push(es->arena, es->at, es->len, es->cap, e)
		       ? 0
		       : -1;
}

/* ---- what the files say ---- */

/* "env::X" -> "env::X (set)"; what is no place stays as it is. */
static struct bytes location_state(struct bytes location, struct arena *a)
{
	char name[4096];
	const char *value;

	for (size_t i = 0; i < 2; i++) {
		static const struct bytes heads[] = { B("env::"), B("path_from_env::") };

		if (!bytes_starts(location, heads[i]))
			continue;
		snprintf(name, sizeof(name), "%.*s",
			 BFMT(bytes_slice(location, heads[i].n, location.n)));
		value = getenv(name);
		return arena_printf(a, "%.*s (%s)", BFMT(location),
				    value && *value ? "set" : "unset");
	}
	if (!bytes_starts(location, B("path::")))
		return location;
	snprintf(name, sizeof(name), "%.*s", BFMT(bytes_slice(location, 6, location.n)));
	return arena_printf(a, "%.*s (%s)", BFMT(location), access(name, R_OK) ? "unset" : "set");
}

static bool has_secret(const struct toml *t)
{
	bool found = t->secret;

	for (const struct toml *c = t->child; c && !found; c = c->next)
		found = has_secret(c);
	return found;
}

static bool has_tables(const struct toml *t)
{
	for (const struct toml *c = t->child; c; c = c->next)
		if (c->type == TOML_TABLE)
			return true;
	return false;
}

static struct bytes json_of(const struct toml *t, struct arena *a)
{
	struct bytes out = { 0 };
	struct buf b;
	int bad;

	buf_init(&b, VALUE_MAX);
	if (has_secret(t))
		bad = buf_append(&b, B("\"<secret>\""));
	else if (t->type == TOML_STRING && bytes_find(t->key, B("_location")) >= 0)
		bad = buf_json_string(&b, location_state(t->text, a));
	else
		bad = toml_json(t, &b);
	if (!bad)
		out = arena_dup(a, buf_bytes(&b));
	buf_deinit(&b);
	return out;
}

static const struct key *key_of(const struct table *table, struct bytes name)
{
	for (size_t i = 0; table && i < table->nkeys; i++)
		if (bytes_eq(bytes_of(table->keys[i].name), name))
			return &table->keys[i];
	return NULL;
}

static int add_file(struct config_entries *es, const struct toml *t)
{
	if (!t->file)
		return 0;
	for (size_t i = 0; i < es->nfiles; i++)
		if (bytes_eq(es->files[i], t->file->path))
			return 0;
	return arena_push(es->arena, es->files, es->nfiles, es->cap_files, t->file->path) ? 0 : -1;
}

/* Of [ui] each key has a variable, which wins over the file. */
static bool is_from_environment(struct bytes key)
{
	char name[64] = "SIGNET_UI_";
	size_t at = strlen(name);
	const char *value;

	if (!bytes_starts(key, B("ui.")) || key.n - 3 >= sizeof(name) - at)
		return false;
	for (size_t i = 3; i < key.n; i++)
		name[at++] = (char)(key.p[i] >= 'a' && key.p[i] <= 'z' ? key.p[i] - 32 : key.p[i]);
	value = getenv(name);
	return value && *value;
}

static bool is_at_start(const struct table *table, const struct key *k)
{
	return (table && table->at_start && !(k && k->at_once)) || (k && k->at_start);
}

static int walk_tree(struct config_entries *es, const struct toml *t, struct bytes path,
		     const struct table *table, bool at_start)
{
	for (const struct toml *c = t->child; c; c = c->next) {
		const struct key *k = key_of(table, c->key);
		const struct table *below = k ? k->table : NULL;
		struct config_entry e = { .from = ENTRY_FILE,
					  .line = c->line,
					  .at_start = at_start || is_at_start(table, k) };

		e.key = path.n ? arena_printf(es->arena, "%.*s.%.*s", BFMT(path), BFMT(c->key))
			       : c->key;
		if (is_from_environment(e.key))
			continue;
		if (c->type == TOML_TABLE && c->child) {
			for (const struct known_table *top = known_tables; !path.n && top->name;
			     top++)
				if (bytes_eq(bytes_of(top->name), c->key))
					below = top->table;
			if (walk_tree(es, c, e.key, below, e.at_start))
				return -1;
			continue;
		}
		e.value = c->type == TOML_ARRAY && has_tables(c) && has_secret(c)
				  ? B("\"<secret>\"")
				  : json_of(c, es->arena);
		e.file = c->file ? c->file->path : (struct bytes){ 0 };
		e.deprecated = k && k->warning;
		e.ignored = k && (k->kind == KEY_ANY_BOOL || k->kind == KEY_ANY_U64 ||
				  k->kind == KEY_ANY_CHOICE);
		if (add(es, e) || add_file(es, c))
			return -1;
	}
	return 0;
}

/* ---- what no file says ---- */

static bool is_there(const struct config_entries *es, struct bytes key)
{
	for (size_t i = 0; i < es->len; i++)
		if (bytes_eq(es->at[i].key, key))
			return true;
	return false;
}

static struct bytes quoted(struct bytes text, struct arena *a)
{
	struct bytes out = { 0 };
	struct buf b;

	buf_init(&b, VALUE_MAX);
	if (!buf_json_string(&b, text))
		out = arena_dup(a, buf_bytes(&b));
	buf_deinit(&b);
	return out;
}

/* The bits of a list by their names. */
static struct bytes bits_of(unsigned bits, const char *const *choices, struct arena *a)
{
	struct bytes out = B("[");

	for (size_t i = 0; choices[i]; i++)
		if (bits & 1u << i)
			out = arena_printf(a, "%.*s%s\"%s\"", BFMT(out), out.n > 1 ? "," : "",
					   choices[i]);
	return arena_printf(a, "%.*s]", BFMT(out));
}

/* What a key that is kept as a plain member stands at. Unset: it is none of those. */
static struct bytes value_at(const struct key *k, const char *base, struct arena *a)
{
	const void *at = base + k->offset;

	switch (k->kind) {
	case KEY_U64: return arena_printf(a, "%llu", (unsigned long long)*(const uint64_t *)at);
	case KEY_U32: return arena_printf(a, "%u", *(const uint32_t *)at);
	case KEY_INT: return arena_printf(a, "%d", *(const int *)at);
	case KEY_BOOL: return *(const bool *)at ? B("true") : B("false");
	case KEY_SWITCH: return quoted(bytes_of(k->choices[*(const bool *)at ? 1 : 0]), a);
	case KEY_CHOICE: {
		int i = *(const int *)at - (int)k->min;

		if (i < 0 && k->or_bool)
			return B("false");
		return i >= 0 ? quoted(bytes_of(k->choices[i]), a) : (struct bytes){ 0 };
	}
	case KEY_BITS: return bits_of(*(const unsigned *)at, k->choices, a);
	case KEY_STRING: {
		const struct bytes *text = at;

		return bytes_set(*text) ? quoted(*text, a) : B("null");
	}
	default: return (struct bytes){ 0 };
	}
}

static int walk_table(struct config_entries *es, const struct config *c, const char *name,
		      const struct table *table)
{
	for (size_t i = 0; i < table->nkeys; i++) {
		const struct key *k = &table->keys[i];
		struct config_entry e = { .from = ENTRY_DEFAULT,
					  .at_start = is_at_start(table, k) };

		e.key = arena_printf(es->arena, "%s.%s", name, k->name);
		if (k->kind == KEY_TABLE && k->table && !k->offset)
			continue; /* filled by hand */
		e.value = value_at(k, (const char *)c, es->arena);
		if (!bytes_set(e.value) || is_there(es, e.key))
			continue;
		if (bytes_eq(e.key, B("server.workers")) && c->server.workers)
			e.from = getenv("SIGNET_WORKERS") ? ENTRY_ENVIRONMENT : ENTRY_COMMAND_LINE;
		if (bytes_eq(e.key, B("server.on_disconnect")) && getenv("SIGNET_ON_DISCONNECT"))
			e.from = ENTRY_ENVIRONMENT;
		if (is_from_environment(e.key))
			e.from = ENTRY_ENVIRONMENT;
		if (add(es, e))
			return -1;
	}
	return 0;
}

static int add_given(struct config_entries *es, const struct config *c, const struct given *g)
{
	const struct bytes *value = (const void *)((const char *)c + g->offset);
	struct bytes now = bytes_of(getenv(g->variable));
	struct config_entry e = { .key = bytes_of(g->key),
				  .from = ENTRY_COMMAND_LINE,
				  .at_start = !g->at_once };

	if (is_there(es, e.key))
		return 0;
	if (now.n && bytes_eq(now, *value))
		e.from = ENTRY_ENVIRONMENT;
	else if (!bytes_set(*value) || bytes_eq(*value, bytes_of(g->fallback)))
		e.from = ENTRY_DEFAULT;
	e.value = bytes_set(*value) ? quoted(*value, es->arena) : B("null");
	return add(es, e);
}

static int by_key(const void *x, const void *y)
{
	return bytes_cmp(((const struct config_entry *)x)->key,
			 ((const struct config_entry *)y)->key);
}

int config_entries(const struct config *c, struct config_entries *es)
{
	int bad = c->root ? walk_tree(es, c->root, B(""), NULL, false) : 0;

	for (size_t i = 0; !bad && i < COUNT(givens); i++)
		bad = add_given(es, c, &givens[i]);
	for (const struct known_table *top = known_tables; !bad && top->name; top++)
		bad = walk_table(es, c, top->name, top->table);
	if (!bad && es->len)
		qsort(es->at, es->len, sizeof(*es->at), by_key);
	return bad;
}

/* ---- a provider's key ---- */

/* Where its key is, if that is written and is not the key itself. */
static struct bytes key_location(const struct provider_config *p)
{
	const struct toml *t =
		toml_get(p->node, p->kind->key_name ? p->kind->key_name : "api_key_location");

	return t && t->type == TOML_STRING && !t->secret ? t->text : (struct bytes){ 0 };
}

struct bytes credential_state(const struct provider_config *p, struct arena *a)
{
	static const struct bytes names[] = { [CREDENTIAL_NONE] = B("none"),
					      [CREDENTIAL_STATIC] = B("set"),
					      [CREDENTIAL_DYNAMIC] = B("from the request"),
					      [CREDENTIAL_FALLBACK] = B("with fallback"),
					      [CREDENTIAL_SEVERAL] = B("several"),
					      [CREDENTIAL_SDK] = B("sdk"),
					      [CREDENTIAL_MISSING] = B("unset") };
	const struct credential *c = &p->api_key;
	const char *variable = p->kind->key_variable;
	struct bytes place = key_location(p);

	if (bytes_set(place))
		return location_state(place, a);
	if (variable && (c->kind == CREDENTIAL_STATIC || c->kind == CREDENTIAL_MISSING))
		return arena_printf(a, "%s::%s (%.*s)",
				    p->kind->key_in_file ? "path_from_env" : "env", variable,
				    BFMT(names[c->kind]));
	return names[c->kind];
}
