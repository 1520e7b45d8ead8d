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
#include "config/shorthand.h"
#include "config/tables.h"
#include "net/http_client.h"

#define KEYS_MAX 64

/* ---- the types ---- */

static struct bytes name_of(const struct provider_entry *e)
{
	return e->kind ? e->kind->name : bytes_of(e->name);
}

static const struct provider_entry *entry_named(struct bytes name)
{
	for (size_t i = 0; i < provider_nentries; i++) {
		const struct provider_kind *kind = provider_entries[i].kind;

		if (bytes_eq(name, name_of(&provider_entries[i])) ||
		    (kind && kind->alias.n && bytes_eq(name, kind->alias)))
			return &provider_entries[i];
	}
	return NULL;
}

/* The type whose shorthand the name looks like: what stands before the first "::". */
static const struct provider_entry *entry_before(struct bytes name)
{
	ptrdiff_t colons = bytes_find(name, B("::"));

	return colons > 0 ? entry_named(bytes_slice(name, 0, (size_t)colons)) : NULL;
}

bool is_shorthand_name(struct bytes name)
{
	return entry_before(name) != NULL;
}

bool shorthand_is_reserved(struct bytes name)
{
	const struct provider_entry *e = entry_before(name);

	return e && !e->kind && e->shorthand;
}

const struct provider_kind *shorthand_kind(struct bytes name, struct bytes *model_name)
{
	const struct provider_entry *e = entry_before(name);

	if (!e || !e->kind || !e->kind->shorthand || shorthand_is_reserved(name))
		return NULL;
	*model_name = bytes_slice(name, (size_t)bytes_find(name, B("::")) + 2, name.n);
	return model_name->n ? e->kind : NULL;
}

/* The type that an example names. */
static struct bytes first_type(void)
{
	size_t i = 0;

	while (!provider_entries[i].kind || !provider_entries[i].kind->example)
		i++;
	return provider_entries[i].kind->name;
}

static void unknown_type(struct loader *l, const struct toml *type, struct bytes path)
{
	struct bytes names[KEYS_MAX], built[KEYS_MAX], list, hint;
	size_t n = 0, nbuilt = 0;

	for (; n < provider_nentries && n < COUNT(names); n++) {
		names[n] = name_of(&provider_entries[n]);
		if (provider_entries[n].kind)
			built[nbuilt++] = names[n];
	}
	list = entry_named(type->text) ? join_names(l->arena, built, nbuilt, "`", ", ")
				       : join_names(l->arena, names, n, "`", ", ");
	hint = name_hint(l, type->text, names, n, B("write one of these"));
	if (entry_named(type->text))
		error_at(
			l, type, path,
			"this version of Signet does not support `type = \"%.*s\"` yet (it has: %.*s)",
			BFMT(type->text), BFMT(list));
	else
		error_at(l, type, path, "unknown variant `%.*s`, expected one of %.*s%.*s",
			 BFMT(type->text), BFMT(list), BFMT(hint));
}

static struct bytes embedding_types(struct loader *l)
{
	struct bytes names[KEYS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < provider_nentries && n < COUNT(names); i++)
		if (provider_entries[i].kind && provider_entries[i].kind->embeds)
			names[n++] = provider_entries[i].kind->name;
	return join_names(l->arena, names, n, "`", ", ");
}

/* ---- timeouts (config §2.17) ---- */

#define TIME(member) offsetof(struct timeouts, member)
static const struct key non_streaming_keys[] = { { "total_ms", KEY_U64, TIME(total_ms) } };
static const struct table non_streaming_table =
	TABLE("struct NonStreamingTimeouts", non_streaming_keys, .sequence = true);
static const struct key streaming_keys[] = {
	{ "ttft_ms", KEY_U64, TIME(ttft_ms) },
	{ "total_ms", KEY_U64, TIME(stream_total_ms) },
};
static const struct table streaming_table =
	TABLE("struct StreamingTimeouts", streaming_keys, .sequence = true);
static const struct key timeouts_keys[] = {
	{ "non_streaming", KEY_TABLE, 0, .table = &non_streaming_table },
	{ "streaming", KEY_TABLE, 0, .table = &streaming_table },
};
static const struct table timeouts_table =
	TABLE("struct TimeoutsConfig", timeouts_keys, .sequence = true);

static const struct toml *find(const struct toml *t, const char *a, const char *b)
{
	const struct toml *leaf = toml_get(toml_get(t, a), b);

	return leaf ? leaf : t;
}

/* A 0 that stands there is a time that is over at once; TensorZero starts with it. */
static void check_limit(struct loader *l, const struct toml *t, struct bytes path,
			const char *table, const char *key, uint64_t *value)
{
	const struct toml *leaf = toml_get(toml_get(t, table), key);
	uint64_t limit = l->config->gateway.outbound_timeout_ms;

	if (leaf && leaf->type == TOML_INTEGER && bytes_eq(leaf->text, B("0"))) {
		*value = TIMEOUT_AT_ONCE;
		warn_text(l, leaf, path,
			  "%.*s.%s.%s: with 0 every call fails at once (remove it for no limit)",
			  BFMT(path), table, key);
	} else if (*value > limit)
		error_text(
			l, find(t, table, key), path,
			"The `timeouts.%s.%s` value `%llu` is greater than `gateway.global_outbound_http_timeout_ms`: `%llu` (%.*s.%s.%s; lower it, or raise the global one)",
			table, key, (unsigned long long)*value, (unsigned long long)limit,
			BFMT(path), table, key);
}

void read_timeouts(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct timeouts *out = into;

	read_table(l, &timeouts_table, t, path, ".", out);
	check_limit(l, t, path, "non_streaming", "total_ms", &out->total_ms);
	check_limit(l, t, path, "streaming", "ttft_ms", &out->ttft_ms);
	check_limit(l, t, path, "streaming", "total_ms", &out->stream_total_ms);
	if (out->ttft_ms && out->stream_total_ms && out->stream_total_ms < out->ttft_ms &&
	    out->ttft_ms != TIMEOUT_AT_ONCE)
		warn_text(
			l, find(t, "streaming", "total_ms"), path,
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
	{ "discard_unknown_chunks", KEY_ANY_BOOL, .outer = true },
	{ "cost", KEY_CALL, OFF(cost), .outer = true, .call = read_cost },
	{ "batch_cost", KEY_CALL, .outer = true, .call = read_batch_cost },
	{ "signer", KEY_PASS },
	{ "unsupported_content", KEY_CHOICE, OFF(unsupported_as_placeholder),
	  .choices = unsupported_choices },
	{ "drop_fields", KEY_STRINGS, OFF(drop_fields) },
};

/* The same of an embedding model's. */
static const struct key embedding_keys[] = {
	{ "type", KEY_PASS, .outer = true },
	{ "timeout_ms", KEY_U64, OFF(timeouts.total_ms), .outer = true },
	{ "extra_body", KEY_CALL, OFF(extra_body), .outer = true, .call = read_extra_body },
	{ "extra_headers", KEY_CALL, OFF(extra_headers), .outer = true,
	  .call = read_extra_headers },
	{ "cost", KEY_LATER, .outer = true },
	{ "signer", KEY_PASS },
};

/* The place of a built type in the lists of what holds for all of its providers. */
static size_t place_of(const struct provider_kind *kind)
{
	size_t i = 0;

	while (provider_entries[i].kind != kind)
		i++;
	return i;
}

bool provider_begin(struct provider_config *p, const struct provider_kind *kind,
		    const struct config *config, struct arena *arena)
{
	struct bytes endpoint = config->default_endpoints[place_of(kind)];
	const void *options = config->default_options[place_of(kind)];

	p->kind = kind;
	p->type = kind->name;
	p->options = arena_alloc(arena, kind->options_size + 1);
	if (!p->options)
		return false;
	if (kind->defaults)
		kind->defaults(p);
	if (bytes_set(endpoint))
		p->endpoint = endpoint;
	if (options)
		memcpy(p->options, options, kind->options_size);
	return true;
}

void provider_end(struct provider_config *p, struct arena *arena)
{
	struct url *url = arena_new(arena, struct url);

	if (url && bytes_set(p->endpoint) && url_parse(p->endpoint, arena, url) == 0)
		p->url = url;
}

/* Its type is none. What is wrong in the keys that all types have is said first, as TensorZero reads them first. */
static void read_without_type(struct loader *l, struct toml *t, struct toml *type,
			      struct bytes path, struct provider_config *p)
{
	static const struct table common = { .expected = "struct UninitializedModelProvider",
					     .keys = common_keys,
					     .nkeys = COUNT(common_keys),
					     .partial = true };

	read_table(l, &common, t, path, ": ", p);
	if (type && is_text(type))
		unknown_type(l, type, path);
	else
		error_text(
			l, type ? type : t, path,
			"%.*s: TensorZeroDerive: missing tag field `type` (add `type = \"%.*s\"`)",
			BFMT(path), BFMT(first_type()));
}

void read_provider(struct loader *l, struct toml *t, struct bytes path, struct provider_config *p)
{
	struct key keys[KEYS_MAX];
	struct table table = { .expected = "struct UninitializedModelProvider", .keys = keys };
	const struct provider_entry *entry;
	const struct provider_kind *kind;
	struct toml *type = toml_get(t, "type"), *signer = toml_get(t, "signer");

	p->node = t;
	p->unsupported_as_placeholder = -1;
	if (!want_table(l, t, path, table.expected))
		return;
	entry = type && is_text(type) ? entry_named(type->text) : NULL;
	kind = entry ? entry->kind : NULL;
	if (!kind)
		return read_without_type(l, t, type, path, p);
	if (p->embeds && !kind->embeds)
		return error_at(l, type, path,
				"Unsupported provider config for embedding: `%.*s` (it has: %.*s)",
				BFMT(type->text), BFMT(embedding_types(l)));
	if (!provider_begin(p, kind, l->config, l->arena))
		return;
	for (size_t i = 0; i < kind->nkeys; i++)
		keys[table.nkeys++] = kind->keys[i];
	for (size_t i = 0; !p->embeds && i < COUNT(common_keys); i++)
		keys[table.nkeys++] = common_keys[i];
	for (size_t i = 0; p->embeds && i < COUNT(embedding_keys); i++)
		keys[table.nkeys++] = embedding_keys[i];
	read_table(l, &table, t, path, ": ", p);
	kind->check(l, t, path, p);
	if (signer || kind->protocol)
		read_signer(l, signer, type->file->dir, path_join(l, path, ".", B("signer")), p);
	provider_end(p, l->arena);
}

/* ---- api keys ---- */

void read_api_key(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct provider_config *p = into;

	/* files on every type, which TensorZero has on some: how systemd, Docker and Kubernetes hand secrets over */
	credential_read(l, t, path, p->kind->key_forms | FORM_PATH | FORM_PATH_FROM_ENV,
			p->kind->label, &p->api_key);
}

/* What a type's providers use that name no key of their own. */
static struct credential *default_key(const struct config *c, const struct provider_kind *kind)
{
	return &c->default_keys[place_of(kind)];
}

static const char *key_name(const struct provider_kind *kind)
{
	return kind->key_name ? kind->key_name : "api_key_location";
}

void check_api_key(struct loader *l, struct toml *t, struct bytes path, struct provider_config *p)
{
	struct bytes flaw = { NULL, 0 };

	if (!toml_get(t, key_name(p->kind)))
		p->api_key = *default_key(l->config, p->kind);
	if (!p->kind->key_in_file)
		flaw = credential_flaw(&p->api_key, l->arena);
	if (bytes_set(flaw) || !credential_usable(&p->api_key))
		issue_add(
			l->issues, l->options->offline && !bytes_set(flaw), node_file(t), t->line,
			path,
			"%.*s: API key missing for provider %s: %.*s (set it, or write another `%s`)",
			BFMT(path), p->kind->label,
			BFMT(bytes_set(flaw) ? flaw : credential_problem(&p->api_key)),
			key_name(p->kind));
	else if (!p->kind->key_in_file)
		credential_warn(l, t, path, &p->api_key);
}

int shorthand_api_key(struct loader *l, struct bytes name, struct provider_config *p)
{
	(void)name;
	p->api_key = *default_key(l->config, p->kind);
	if (credential_usable(&p->api_key))
		return 0;
	return fail(ERR_API_KEY_MISSING, "API key missing for provider %s: %.*s", p->kind->label,
		    BFMT(credential_problem(&p->api_key)));
}

/* ---- [provider_types] (config §2.7) ---- */

void provider_types_defaults(struct loader *l)
{
	for (size_t i = 0; i < provider_nentries; i++) {
		const struct provider_kind *kind = provider_entries[i].kind;

		if (kind && kind->key_variable)
			l->config->default_keys[i] =
				kind->key_in_file
					? credential_path_from_env(kind->key_variable, l->arena)
					: credential_env(kind->key_variable, l->arena);
	}
}

/* Those of the type's own keys that may be said for all of its providers. */
static size_t add_type_wide(const struct provider_kind *kind, struct key *keys, size_t n)
{
	for (size_t i = 0; i < kind->nkeys && n < KEYS_MAX; i++)
		if (kind->keys[i].type_wide)
			keys[n++] = kind->keys[i];
	return n;
}

/* [provider_types.T]: TensorZero's one key is `defaults.api_key_location`, which it requires. */
static void read_settings(struct loader *l, struct toml *t, struct bytes path,
			  const struct provider_kind *kind)
{
	struct key defaults_keys[KEYS_MAX] = {
		{ key_name(kind), KEY_CALL, .call = read_api_key,
		  .fix = arena_printf(l->arena, "`%s = \"%s::%s\"`", key_name(kind),
				      kind->key_in_file ? "path_from_env" : "env",
				      kind->key_variable)
				 .p },
	};
	size_t n = add_type_wide(kind, defaults_keys, 1);
	const struct table defaults = {
		.expected = arena_printf(l->arena, "struct %sDefaults", kind->label).p,
		.keys = defaults_keys,
		.nkeys = n,
		.lax = !kind->nsettings
	};
	struct key keys[KEYS_MAX] = { { "defaults", KEY_TABLE, 0, .table = &defaults } };
	const struct table table = {
		.expected = arena_printf(l->arena, "struct %sProviderTypeConfig", kind->label).p,
		.keys = keys,
		.nkeys = 1 + kind->nsettings,
		.lax = !kind->nsettings
	};
	struct credential *key = default_key(l->config, kind);
	struct provider_config any = { .kind = kind, .api_key = *key };
	bool others = false;

	any.options = arena_alloc(l->arena, kind->options_size + 1);
	if (!any.options)
		return;
	if (kind->defaults)
		kind->defaults(&any);
	for (size_t i = 0; i < kind->nsettings; i++)
		keys[1 + i] = kind->settings[i];
	for (size_t i = 1; i < n; i++)
		others |= toml_get(toml_get(t, "defaults"), defaults_keys[i].name) != NULL;
	defaults_keys[0].required = !others;
	read_table(l, &table, t, path, ".", &any);
	*key = any.api_key;
	l->config->default_endpoints[place_of(kind)] = any.endpoint;
	l->config->default_options[place_of(kind)] = any.options;
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
	for (size_t i = 0; i < provider_nentries; i++) {
		const struct provider_entry *e = &provider_entries[i];
		struct toml *settings =
			e->kind && e->settings ? toml_get(t, e->kind->name.p) : NULL;

		if (settings)
			read_settings(l, settings, path_join(l, path, ".", settings->key), e->kind);
	}
}
