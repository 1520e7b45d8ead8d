/*
 * One provider: [models.M.providers.P].
 *
 * The common keys and those of type "openai" stand here; rust-proxy's in rust_proxy.c, the signer's in
 * signing.c. Messages about a type's own keys have the form of TensorZero's tagged tables ("path: key:
 * ..."), the common ones that of plain tables ("path.key: ..."). The trap: what TensorZero refuses only
 * for some types must not pass here because the type is another, so every type checks all of its keys.
 */
#include "config/models.h"

#include <stddef.h>

#include "config/credentials.h"
#include "config/extras.h"
#include "config/tables.h"

#define OFF(member) offsetof(struct provider_config, member)

const char *const provider_type_names[] = {
	"anthropic",
	"aws_bedrock",
	"aws_sagemaker",
	"azure",
	"gcp_vertex_anthropic",
	"gcp_vertex_gemini",
	"google_ai_studio_gemini",
	"groq",
	"hyperbolic",
	"fireworks",
	"mistral",
	"openai",
	"openrouter",
	"together",
	"vllm",
	"xai",
	"tgi",
	"sglang",
	"deepseek",
	NULL,
};

void provider_defaults(struct provider_config *p)
{
	p->unsupported_as_placeholder = -1;
	p->filter.min_usage_left = -1;
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

/* ---- common keys ---- */

static void call_timeouts(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	read_timeouts(l, t, path, &((struct provider_config *)into)->timeouts);
}

static void call_extra_body(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	read_extra_body(l, t, path, &((struct provider_config *)into)->extra_body);
}

static void call_extra_headers(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	read_extra_headers(l, t, path, &((struct provider_config *)into)->extra_headers);
}

static void call_unsupported(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct provider_config *p = into;
	int choice = want_choice(l, t, path, unsupported_choices);

	if (choice >= 0)
		p->unsupported_as_placeholder = choice;
}

static void call_drop_fields(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct key k = { .kind = KEY_STRINGS };
	struct provider_config *p = into;
	struct strings list = { 0 };

	read_key(l, &k, t, path, &list);
	p->drop_fields = list.at;
	p->ndrop_fields = list.len;
}

#define COMMON_KEYS                                                                               \
	{ "type", KEY_PASS, .outer = true },                                                      \
		{ "extra_body", KEY_CALL, .outer = true, .call = call_extra_body },               \
		{ "extra_headers", KEY_CALL, .outer = true, .call = call_extra_headers },         \
		{ "timeouts", KEY_CALL, .outer = true, .call = call_timeouts },                   \
		{ "discard_unknown_chunks", KEY_CALL, .outer = true, .call = read_ignored_bool }, \
                                                                                                  \
		{ "cost", KEY_LATER, .outer = true }, { "batch_cost", KEY_LATER, .outer = true }, \
		{ "signer", KEY_PASS },                                                           \
		{ "unsupported_content", KEY_CALL, .call = call_unsupported },                    \
	{                                                                                         \
		"drop_fields", KEY_CALL, .call = call_drop_fields                                 \
	}

/* ---- type = "openai" ---- */

static const char *const api_types[] = { "chat_completions", "responses", NULL };
static const char *const file_forms[] = { "image_url", "file", "input_audio", NULL };
static const char *const strict_places[] = { "outer", "inner", NULL };

static void call_api_base(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct provider_config *p = into;
	const char *problem;
	struct bytes base;

	if (t->type != TOML_STRING)
		return type_error(l, t, path, "a string representing an URL",
				  "such as \"https://api.openai.com/v1/\"");
	problem = url_problem(t->text);
	if (problem)
		return error_at(l, t, path,
				"%.*s: %s: \"%.*s\" (such as \"https://api.openai.com/v1/\")",
				BFMT(path), problem,
				bytes_chr(t->text, '@') >= 0 ? 0 : (int)t->text.n, t->text.p);
	base = bytes_ends(t->text, B("/")) ? bytes_slice(t->text, 0, t->text.n - 1) : t->text;
	if (bytes_ends(base, B("/chat/completions")))
		warn_at(l, t, path,
			"The gateway automatically appends `/chat/completions` to the `api_base`. You provided `%.*s` which is likely incorrect. Please remove the `/chat/completions` suffix from `api_base`.",
			BFMT(t->text));
	p->api_base = url_base(t->text, l->arena);
	p->endpoint = url_endpoint(t->text, l->arena);
}

static void call_api_key(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct provider_config *p = into;

	if (!credential_read(l, t, path, FORM_ENV | FORM_DYNAMIC | FORM_NONE | FORM_TABLE, "OpenAI",
			     &p->api_key))
		p->api_key.kind = CREDENTIAL_NONE;
}

static void call_api_type(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	(void)into;
	if (want_choice(l, t, path, api_types) == 1)
		not_yet(l, t, path, B("api_type = \"responses\""));
}

static bool wants_responses(const struct toml *provider)
{
	const struct toml *type = toml_get(provider, "api_type");

	return type && bytes_eq(type->text, B("responses"));
}

static void call_overrides(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct provider_config *p = into;
	size_t n = 0;

	if (!want_table(l, t, path, "a map"))
		return;
	for (const struct toml *c = t->child; c; c = c->next)
		n++;
	p->overrides = arena_array(l->arena, struct mime_override, n);
	if (n && !p->overrides)
		return error_at(l, t, path, "out of memory");
	for (struct toml *c = t->child; c; c = c->next) {
		int form = want_choice(l, c, path_join(l, path, ".", c->key), file_forms);

		if (form >= 0)
			p->overrides[p->noverrides++] =
				(struct mime_override){ .mime_type = c->key,
							.form = (enum file_form)form };
	}
}

static void call_strict(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct provider_config *p = into;
	int choice = want_choice(l, t, path, strict_places);

	if (choice >= 0)
		p->tool_strict = choice == 0 ? STRICT_OUTER : STRICT_INNER;
}

static const struct key openai_keys[] = {
	{ "model_name", KEY_STRING, OFF(model_name), .required = true,
	  .fix = "`model_name = \"gpt-4o\"`" },
	{ "api_base", KEY_CALL, .call = call_api_base },
	{ "api_key_location", KEY_CALL, .call = call_api_key },
	{ "api_type", KEY_CALL, .call = call_api_type },
	{ "include_encrypted_reasoning", KEY_PASS },
	{ "provider_tools", KEY_PASS },
	{ "content_type_overrides", KEY_CALL, .call = call_overrides },
	{ "tool_strict", KEY_CALL, .call = call_strict },
	COMMON_KEYS,
};
static const struct table openai_table = TABLE("struct UninitializedModelProvider", openai_keys);

/* The two keys that only the Responses API has (config §2.5). */
static void check_responses_keys(struct loader *l, struct toml *t, struct bytes path)
{
	struct toml *reasoning = toml_get(t, "include_encrypted_reasoning");
	struct toml *tools = toml_get(t, "provider_tools");
	struct key k = { .kind = KEY_BOOL };
	bool on = false;

	if (reasoning)
		read_key(l, &k, reasoning, path_join(l, path, ": ", reasoning->key), &on);
	if (on && !wants_responses(t))
		error_at(
			l, reasoning, path,
			"%.*s: include_encrypted_reasoning is only supported when api_type = \"responses\" (remove it)",
			BFMT(path));
	if (tools && want_array(l, tools, path_join(l, path, ": ", tools->key)) && tools->child &&
	    !wants_responses(t))
		error_at(
			l, tools, path,
			"%.*s: `provider_tools` are provided for an OpenAI provider but Responses API is not enabled. These will be ignored. (remove them)",
			BFMT(path));
}

static void read_openai(struct loader *l, struct toml *t, struct bytes path,
			struct provider_config *p)
{
	p->kind = PROVIDER_OPENAI;
	p->type = B("openai");
	p->api_base = B("https://api.openai.com/v1/");
	p->endpoint = B("https://api.openai.com/v1/chat/completions");
	read_table(l, &openai_table, t, path, ": ", p);
	check_responses_keys(l, t, path);
	if (!toml_get(t, "api_key_location"))
		p->api_key = l->config->openai_default;
	if (!credential_usable(&p->api_key))
		issue_add(
			l->issues, l->options->offline, node_file(t), t->line, path,
			"%.*s: API key missing for provider OpenAI: %.*s (set it, or write another `api_key_location`)",
			BFMT(path), BFMT(credential_problem(&p->api_key, l->arena)));
	else if (p->api_key.kind == CREDENTIAL_STATIC && p->api_key.value.n == 0)
		warn_at(l, t, path, "%.*s: Environment variable `%.*s` is empty", BFMT(path),
			BFMT(p->api_key.key));
}

/* ---- type = "rust-proxy" ---- */

static void read_type_rust_proxy(struct loader *l, struct toml *t, struct bytes path,
				 struct provider_config *p)
{
	static const struct key common[] = { COMMON_KEYS };
	struct key keys[64];
	struct table table = { .expected = "struct UninitializedModelProvider", .keys = keys };
	struct missing missing = { 0 };

	p->kind = PROVIDER_RUST_PROXY;
	p->type = B("rust-proxy");
	for (size_t i = 0; i < rust_proxy_table.nkeys; i++)
		keys[table.nkeys++] = rust_proxy_table.keys[i];
	for (size_t i = 0; i < COUNT(common); i++)
		keys[table.nkeys++] = common[i];
	read_table(l, &table, t, path, ": ", p);
	read_rust_proxy(l, t, path, p, &missing);
	if (bytes_set(missing.problem))
		error_at(l, t, path, "%.*s: %.*s", BFMT(path), BFMT(missing.problem));
	if (missing.len)
		issue_add(l->issues, l->options->offline, node_file(t), t->line, path, "%.*s",
			  BFMT(missing_text(&missing, path, l->arena)));
}

/* ---- all types ---- */

static void unknown_type(struct loader *l, const struct toml *type, struct bytes path)
{
	struct bytes names[32], near;
	struct buf list;
	size_t n = 0;

	buf_init(&list, 4096);
	for (; provider_type_names[n]; n++) {
		names[n] = bytes_of(provider_type_names[n]);
		buf_printf(&list, "%s`%s`", n ? ", " : "", provider_type_names[n]);
		if (bytes_eq(type->text, names[n])) {
			error_at(
				l, type, path,
				"%.*s: this version of Signet does not support `type = \"%s\"` yet (it has: `openai`, `rust-proxy`)",
				BFMT(path), provider_type_names[n]);
			buf_deinit(&list);
			return;
		}
	}
	names[n++] = B("rust-proxy");
	near = nearest(type->text, names, n);
	error_at(l, type, path,
		 "%.*s: unknown variant `%.*s`, expected one of %.*s, `rust-proxy` (%s%.*s%s)",
		 BFMT(path), BFMT(type->text), BFMT(buf_bytes(&list)),
		 bytes_set(near) ? "did you mean `" : "write one of these", BFMT(near),
		 bytes_set(near) ? "`?" : "");
	buf_deinit(&list);
}

void read_provider(struct loader *l, struct toml *t, struct bytes path, struct provider_config *p)
{
	struct toml *type, *signer;

	provider_defaults(p);
	if (!want_table(l, t, path, "struct UninitializedModelProvider"))
		return;
	type = toml_get(t, "type");
	if (!type || type->type != TOML_STRING)
		return error_at(
			l, type ? type : t, path,
			"%.*s: TensorZeroDerive: missing tag field `type` (add `type = \"openai\"`)",
			BFMT(path));
	signer = toml_get(t, "signer");
	if (bytes_eq(type->text, B("openai")))
		read_openai(l, t, path, p);
	else if (bytes_eq(type->text, B("rust-proxy")) || bytes_eq(type->text, B("rust_proxy")))
		read_type_rust_proxy(l, t, path, p);
	else
		return unknown_type(l, type, path);
	if (signer || p->kind == PROVIDER_RUST_PROXY)
		read_signer(l, signer, type->file->dir, path_join(l, path, ".", B("signer")), p);
}
