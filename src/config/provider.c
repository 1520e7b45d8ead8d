/*
 * One provider: [models.M.providers.P], and what is said of a type for all of its providers: [provider_types.T].
 *
 * The keys that every type has stand here; a type's own come from its row (struct provider_kind), the signer's from
 * signing.c. Messages about a type's own keys have the form of TensorZero's tagged tables ("path: key: ..."), the
 * common ones that of plain tables ("path.key: ..."). The trap: what TensorZero refuses only for some types must not
 * pass here because the type is another, so every type checks all of its keys.
 */
#include "config/models.h"

#include "base/error.h"
#include "config/extras.h"
#include "config/shorthand.h"
#include "config/tables.h"

#define NAMES_MAX (16 << 10) /* of a message's list of types */
#define KEYS_MAX  64

/* ---- the types ---- */

static struct bytes name_of(const struct provider_entry *e)
{
	return e->kind ? e->kind->name : bytes_of(e->name);
}

/* Whether `text` is that name and "::", or begins so. */
static bool begins_with_type(struct bytes text, struct bytes name)
{
	return name.n && bytes_starts(text, name) &&
	       bytes_starts(bytes_slice(text, name.n, text.n), B("::"));
}

bool is_shorthand_name(struct bytes text)
{
	for (size_t i = 0; i < provider_nentries; i++) {
		const struct provider_entry *e = &provider_entries[i];

		if (begins_with_type(text, name_of(e)) ||
		    (e->kind && begins_with_type(text, e->kind->alias)))
			return true;
	}
	return false;
}

bool shorthand_is_reserved(struct bytes text)
{
	for (size_t i = 0; i < provider_nentries; i++) {
		const struct provider_entry *e = &provider_entries[i];

		if (e->kind ? e->kind->reserved_shorthand.n &&
				      bytes_starts(text, e->kind->reserved_shorthand)
			    : e->shorthand && begins_with_type(text, name_of(e)))
			return true;
	}
	return false;
}

const struct provider_kind *shorthand_kind(struct bytes text, struct bytes *model_name)
{
	if (shorthand_is_reserved(text))
		return NULL;
	for (size_t i = 0; i < provider_nentries; i++) {
		const struct provider_kind *kind = provider_entries[i].kind;
		struct bytes used;

		if (!kind || !kind->shorthand)
			continue;
		used = begins_with_type(text, kind->name) ? kind->name : kind->alias;
		*model_name = bytes_slice(text, used.n + 2, text.n);
		if (begins_with_type(text, used) && model_name->n)
			return kind;
	}
	return NULL;
}

static const struct provider_kind *kind_named(struct bytes name)
{
	for (size_t i = 0; i < provider_nentries; i++) {
		const struct provider_kind *kind = provider_entries[i].kind;

		if (kind &&
		    (bytes_eq(name, kind->name) || (kind->alias.n && bytes_eq(name, kind->alias))))
			return kind;
	}
	return NULL;
}

/* The built type that an example names. */
static struct bytes first_type(void)
{
	size_t i = 0;

	while (!provider_entries[i].kind)
		i++;
	return provider_entries[i].kind->name;
}

/* "`a`, `b`": of all types, or of those that are built. */
static void print_types(struct buf *out, bool built)
{
	for (size_t i = 0; i < provider_nentries; i++)
		if (!built || provider_entries[i].kind)
			buf_printf(out, "%s`%.*s`", out->len ? ", " : "",
				   BFMT(name_of(&provider_entries[i])));
}

static void unknown_type(struct loader *l, const struct toml *type, struct bytes path)
{
	struct bytes names[KEYS_MAX], near;
	struct buf list;
	bool later = false;
	size_t n = 0;

	for (size_t i = 0; i < provider_nentries && n < COUNT(names); i++) {
		names[n] = name_of(&provider_entries[i]);
		later |= bytes_eq(type->text, names[n++]);
	}
	near = nearest(type->text, names, n);
	buf_init(&list, NAMES_MAX);
	print_types(&list, later);
	if (later)
		error_at(
			l, type, path,
			"%.*s: this version of Signet does not support `type = \"%.*s\"` yet (it has: %.*s)",
			BFMT(path), BFMT(type->text), BFMT(buf_bytes(&list)));
	else
		error_at(l, type, path,
			 "%.*s: unknown variant `%.*s`, expected one of %.*s (%s%.*s%s)",
			 BFMT(path), BFMT(type->text), BFMT(buf_bytes(&list)),
			 bytes_set(near) ? "did you mean `" : "write one of these", BFMT(near),
			 bytes_set(near) ? "`?" : "");
	buf_deinit(&list);
}

/* ---- timeouts (config §2.17) ---- */

#define TIME(member) offsetof(struct timeouts, member)
static const struct key non_streaming_keys[] = { { "total_ms", KEY_U64, TIME(total_ms),
						   .min = 1 } };
static const struct table non_streaming_table =
	TABLE("struct NonStreamingTimeouts", non_streaming_keys);
static const struct key streaming_keys[] = {
	{ "ttft_ms", KEY_U64, TIME(ttft_ms), .min = 1 },
	{ "total_ms", KEY_U64, TIME(stream_total_ms), .min = 1 },
};
static const struct table streaming_table = TABLE("struct StreamingTimeouts", streaming_keys);
static const struct key timeouts_keys[] = {
	{ "non_streaming", KEY_TABLE, 0, .table = &non_streaming_table },
	{ "streaming", KEY_TABLE, 0, .table = &streaming_table },
};
static const struct table timeouts_table = TABLE("struct TimeoutsConfig", timeouts_keys);

static const struct toml *find(const struct toml *t, const char *a, const char *b)
{
	const struct toml *inner = t->type == TOML_TABLE ? toml_get(t, a) : NULL;
	const struct toml *leaf = inner && inner->type == TOML_TABLE ? toml_get(inner, b) : NULL;

	return leaf ? leaf : t;
}

static void check_limit(struct loader *l, const struct toml *t, struct bytes path,
			const char *table, const char *key, uint64_t value)
{
	uint64_t limit = l->config->gateway.outbound_timeout_ms;

	if (value > limit)
		error_at(
			l, find(t, table, key), path,
			"The `timeouts.%s.%s` value `%llu` is greater than `gateway.global_outbound_http_timeout_ms`: `%llu` (%.*s.%s.%s; lower it, or raise the global one)",
			table, key, (unsigned long long)value, (unsigned long long)limit,
			BFMT(path), table, key);
}

void read_timeouts(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct timeouts *out = into;

	read_table(l, &timeouts_table, t, path, ".", out);
	check_limit(l, t, path, "non_streaming", "total_ms", out->total_ms);
	check_limit(l, t, path, "streaming", "ttft_ms", out->ttft_ms);
	check_limit(l, t, path, "streaming", "total_ms", out->stream_total_ms);
	if (out->ttft_ms && out->stream_total_ms && out->stream_total_ms < out->ttft_ms)
		warn_at(l, find(t, "streaming", "total_ms"), path,
			"The `timeouts.streaming.total_ms` value `%llu` is less than `timeouts.streaming.ttft_ms` value `%llu`. The `total_ms` timeout may fire before the `ttft_ms` timeout. (%.*s)",
			(unsigned long long)out->stream_total_ms, (unsigned long long)out->ttft_ms,
			BFMT(path));
}

/* ---- a provider ---- */

#define OFF(member) offsetof(struct provider_config, member)

/* Behind a type's own keys, in every type. */
static const struct key common_keys[] = {
	{ "type", KEY_PASS, .outer = true },
	{ "extra_body", KEY_CALL, OFF(extra_body), .outer = true, .call = read_extra_body },
	{ "extra_headers", KEY_CALL, OFF(extra_headers), .outer = true,
	  .call = read_extra_headers },
	{ "timeouts", KEY_CALL, OFF(timeouts), .outer = true, .call = read_timeouts },
	{ "discard_unknown_chunks", KEY_CALL, .outer = true, .call = read_ignored_bool },
	{ "cost", KEY_LATER, .outer = true },
	{ "batch_cost", KEY_LATER, .outer = true },
	{ "signer", KEY_PASS },
	{ "unsupported_content", KEY_CHOICE, OFF(unsupported_as_placeholder),
	  .choices = unsupported_choices },
	{ "drop_fields", KEY_STRINGS, OFF(drop_fields) },
};

bool provider_begin(struct provider_config *p, const struct provider_kind *kind,
		    struct arena *arena)
{
	p->kind = kind;
	p->type = kind->name;
	p->options = arena_alloc(arena, kind->options_size + 1);
	if (!p->options)
		return false;
	if (kind->defaults)
		kind->defaults(p);
	return true;
}

void read_provider(struct loader *l, struct toml *t, struct bytes path, struct provider_config *p)
{
	struct key keys[KEYS_MAX];
	struct table table = { .expected = "struct UninitializedModelProvider", .keys = keys };
	const struct provider_kind *kind;
	struct toml *type, *signer;

	p->unsupported_as_placeholder = -1;
	if (!want_table(l, t, path, table.expected))
		return;
	type = toml_get(t, "type");
	if (!type || type->type != TOML_STRING)
		return error_at(
			l, type ? type : t, path,
			"%.*s: TensorZeroDerive: missing tag field `type` (add `type = \"%.*s\"`)",
			BFMT(path), BFMT(first_type()));
	kind = kind_named(type->text);
	if (!kind)
		return unknown_type(l, type, path);
	if (!provider_begin(p, kind, l->arena))
		return error_at(l, t, path, "out of memory");
	for (size_t i = 0; i < kind->nkeys; i++)
		keys[table.nkeys++] = kind->keys[i];
	for (size_t i = 0; i < COUNT(common_keys); i++)
		keys[table.nkeys++] = common_keys[i];
	read_table(l, &table, t, path, ": ", p);
	kind->check(l, t, path, p);
	signer = toml_get(t, "signer");
	if (signer || kind->protocol)
		read_signer(l, signer, type->file->dir, path_join(l, path, ".", B("signer")), p);
}

struct bytes url_shown(struct bytes url)
{
	return bytes_chr(url, '@') >= 0 ? B("") : url;
}

/* ---- api keys ---- */

void read_api_key(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct provider_config *p = into;

	if (!credential_read(l, t, path, p->kind->key_forms, p->kind->label, &p->api_key))
		p->api_key.kind = CREDENTIAL_NONE;
}

/* What a type's providers use that name no key of their own. */
static struct credential *default_key(const struct config *c, const struct provider_kind *kind)
{
	size_t i = 0;

	while (provider_entries[i].kind != kind)
		i++;
	return &c->default_keys[i];
}

void check_api_key(struct loader *l, struct toml *t, struct bytes path, struct provider_config *p)
{
	if (!toml_get(t, "api_key_location"))
		p->api_key = *default_key(l->config, p->kind);
	if (!credential_usable(&p->api_key))
		issue_add(
			l->issues, l->options->offline, node_file(t), t->line, path,
			"%.*s: API key missing for provider %s: %.*s (set it, or write another `api_key_location`)",
			BFMT(path), p->kind->label,
			BFMT(credential_problem(&p->api_key, l->arena)));
	else if (p->api_key.kind == CREDENTIAL_STATIC && p->api_key.value.n == 0)
		warn_at(l, t, path, "%.*s: Environment variable `%.*s` is empty", BFMT(path),
			BFMT(p->api_key.key));
}

int shorthand_api_key(struct loader *l, struct bytes name, struct provider_config *p)
{
	(void)name;
	p->api_key = *default_key(l->config, p->kind);
	if (credential_usable(&p->api_key))
		return 0;
	return fail(ERR_API_KEY_MISSING, "API key missing for provider %s: %.*s", p->kind->label,
		    BFMT(credential_problem(&p->api_key, l->arena)));
}

/* ---- [provider_types] (config §2.7) ---- */

void provider_types_defaults(struct loader *l)
{
	for (size_t i = 0; i < provider_nentries; i++) {
		const struct provider_kind *kind = provider_entries[i].kind;

		if (kind && kind->key_variable)
			l->config->default_keys[i] = credential_env(kind->key_variable, l->arena);
	}
}

struct default_of {
	const struct provider_kind *kind;
	struct credential *key;
};

static void read_default_key(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct default_of *d = into;

	credential_read(l, t, path, d->kind->key_forms, d->kind->label, d->key);
}

static const char *text_of(struct bytes text)
{
	return bytes_set(text) ? text.p : "";
}

/* [provider_types.T]: its one key is `defaults.api_key_location`. */
static void read_settings(struct loader *l, struct toml *t, struct bytes path,
			  const struct provider_kind *kind)
{
	const struct key defaults_keys[] = {
		{ "api_key_location", KEY_CALL, .call = read_default_key, .required = true,
		  .fix = text_of(arena_printf(l->arena, "`api_key_location = \"env::%s\"`",
					      kind->key_variable)) },
	};
	const struct table defaults = { .expected = text_of(arena_printf(
						l->arena, "struct %sDefaults", kind->label)),
					.keys = defaults_keys,
					.nkeys = COUNT(defaults_keys),
					.lax = true };
	const struct key keys[] = { { "defaults", KEY_TABLE, 0, .table = &defaults } };
	const struct table table = { .expected = text_of(arena_printf(
					     l->arena, "struct %sProviderTypeConfig", kind->label)),
				     .keys = keys,
				     .nkeys = COUNT(keys),
				     .lax = true };
	struct default_of into = { kind, default_key(l->config, kind) };

	read_table(l, &table, t, path, ".", &into);
}

void read_provider_types(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct key keys[KEYS_MAX];
	struct table table = { .expected = "struct ProviderTypesConfig", .keys = keys };

	for (unsigned place = 1; place <= provider_nentries; place++)
		for (size_t i = 0; i < provider_nentries; i++)
			if (provider_entries[i].settings == place)
				keys[table.nkeys++] =
					(struct key){ name_of(&provider_entries[i]).p,
						      provider_entries[i].kind ? KEY_PASS
									       : KEY_LATER };
	read_table(l, &table, t, path, ".", into);
	for (size_t i = 0; t->type == TOML_TABLE && i < provider_nentries; i++) {
		const struct provider_entry *e = &provider_entries[i];
		struct toml *settings =
			e->kind && e->settings ? toml_get(t, e->kind->name.p) : NULL;

		if (settings)
			read_settings(l, settings, path_join(l, path, ".", settings->key), e->kind);
	}
}
