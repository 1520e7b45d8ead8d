/*
 * Provider type `openai`, chat completions and responses (config §2.5, providers-openai §2.1, §2.2, §2.12, §4). Statuses
 * 400, 401, 403 and 429 are the request's fault; every other one that is not 2xx is the server's.
 */
#include "upstream/openai.h"

#include "base/error.h"
#include "wire/openai_chat/openai_chat.h"

#define TOOL_MAX (1u << 20) /* of one of provider_tools */

/* ---- its keys ---- */

static const char *const api_types[] = { "chat_completions", "responses", NULL };
static const char *const file_forms[] = { "image_url", "file", "input_audio", NULL };
const char *const openai_strict_places[] = { "outer", "inner", NULL };

void openai_read_api_base(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct provider_config *p = into;
	struct openai_options *o = p->options;
	const char *problem;
	struct bytes base, shown;

	if (!is_text(t))
		return type_error(l, t, path, "a string representing an URL",
				  "such as \"https://api.openai.com/v1/\"");
	problem = api_base_problem(t->text);
	shown = url_quoted(t->text, l->arena);
	if (problem)
		return error_at(l, t, path, "%s: %.*s (such as \"https://api.openai.com/v1/\")",
				problem, BFMT(shown));
	base = bytes_ends(t->text, B("/")) ? bytes_slice(t->text, 0, t->text.n - 1) : t->text;
	if (bytes_ends(base, B("/chat/completions")))
		warn_text(
			l, t, path,
			"The gateway automatically appends `/chat/completions` to the `api_base`. You provided `%.*s` which is likely incorrect. Please remove the `/chat/completions` suffix from `api_base`.",
			BFMT(url_shown(t->text)));
	o->api_base = t->text;
	o->basic = url_authorization(t->text, l->arena);
}

struct bytes openai_path(const struct provider_config *p)
{
	return p->embeds ? B("embeddings") : B("chat/completions");
}

void openai_set_endpoint(struct provider_config *p, struct bytes path, struct arena *a)
{
	const struct openai_options *o = p->options;
	struct bytes base = bytes_set(o->api_base) ? o->api_base : p->kind->api_base;

	if (bytes_set(base))
		p->endpoint = url_endpoint(base, path, a);
}

void openai_check(struct loader *l, struct toml *t, struct bytes path, struct provider_config *p)
{
	openai_set_endpoint(p, openai_path(p), l->arena);
	check_api_key(l, t, path, p);
}

int openai_shorthand(struct loader *l, struct bytes name, struct provider_config *p)
{
	openai_set_endpoint(p, openai_path(p), l->arena);
	return shorthand_api_key(l, name, p);
}

static void read_overrides(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct openai_options *o = into;
	size_t cap = 0;

	if (!want_table(l, t, path, "a map"))
		return;
	for (struct toml *c = t->child; c; c = c->next) {
		int form = want_choice(l, c, path_join(l, path, ".", c->key), file_forms);
		struct mime_override override = { c->key, (enum file_form)form };

		if (form >= 0)
			(void)arena_push(l->arena, o->overrides, o->noverrides, cap, override);
	}
}

static const struct key keys[] = {
	OPENAI_MODEL_NAME("gpt-4o"),
	OPENAI_API_BASE,
	OPENAI_API_KEY,
	{ "api_type", KEY_CHOICE, OWN(openai_options, api_type), .choices = api_types },
	{ "include_encrypted_reasoning", KEY_PASS },
	{ "provider_tools", KEY_PASS },
	{ "content_type_overrides", KEY_CALL, .own = true, .call = read_overrides },
	OPENAI_TOOL_STRICT,
};

static bool is_responses(const struct openai_options *o)
{
	return o->api_type == 1;
}

static void read_provider_tools(struct loader *l, const struct toml *list, struct openai_options *o)
{
	struct bytes *tools = NULL;
	size_t cap = 0;

	for (const struct toml *one = list->child; one; one = one->next) {
		struct bytes json = { NULL, 0 };
		struct buf b;

		buf_init(&b, TOOL_MAX);
		if (toml_json(one, &b) == 0)
			json = arena_dup(l->arena, buf_bytes(&b));
		buf_deinit(&b);
		if (bytes_set(json))
			(void)arena_push(l->arena, tools, o->responses.ntools, cap, json);
	}
	o->responses.tools = tools;
}

/* The other address beside the one of chat completions; its query stays. */
static struct bytes responses_endpoint(struct bytes endpoint, struct arena *a)
{
	static const struct bytes path = B("/chat/completions");
	ptrdiff_t at = bytes_find(endpoint, path);

	if (at < 0)
		return endpoint;
	return arena_printf(a, "%.*s/responses%.*s", (int)at, endpoint.p,
			    BFMT(bytes_slice(endpoint, (size_t)at + path.n, endpoint.n)));
}

static void use_responses(struct provider_config *p, struct arena *a)
{
	struct openai_options *o = p->options;

	p->endpoint = responses_endpoint(p->endpoint, a);
	o->responses.vendor = bytes_starts(p->endpoint, B("https://api.openai.com/"));
}

/* The two keys that only the Responses API has (config §2.5). */
static void check_responses_keys(struct loader *l, struct toml *t, struct bytes path,
				 struct openai_options *o)
{
	struct toml *reasoning = toml_get(t, "include_encrypted_reasoning");
	struct toml *tools = toml_get(t, "provider_tools");
	struct key k = { .kind = KEY_BOOL };
	bool on = false, responses = is_responses(o);

	if (reasoning)
		read_key(l, &k, reasoning, path_join(l, path, ": ", reasoning->key), &on);
	o->responses.encrypted_reasoning = on;
	if (on && !responses)
		error_at(
			l, reasoning, path,
			"include_encrypted_reasoning is only supported when api_type = \"responses\" (remove it)");
	if (!tools || !want_array(l, tools, path_join(l, path, ": ", tools->key)))
		return;
	read_provider_tools(l, tools, o);
	if (tools->child && !responses)
		error_at(
			l, tools, path,
			"`provider_tools` are provided for an OpenAI provider but Responses API is not enabled. These will be ignored. (remove them)");
}

static void check(struct loader *l, struct toml *t, struct bytes path, struct provider_config *p)
{
	check_responses_keys(l, t, path, p->options);
	openai_check(l, t, path, p);
	if (is_responses(p->options) && !p->embeds)
		use_responses(p, l->arena);
}

/* "openai::gpt-4o", "openai::responses::gpt-5" */
static int shorthand(struct loader *l, struct bytes name, struct provider_config *p)
{
	static const struct bytes responses = B("responses::");
	struct openai_options *o = p->options;

	openai_set_endpoint(p, openai_path(p), l->arena);
	if (!p->embeds && bytes_starts(p->model_name, responses)) {
		p->model_name = bytes_slice(p->model_name, responses.n, p->model_name.n);
		if (!p->model_name.n)
			return fail(ERR_MODEL_NOT_FOUND,
				    "Model name '%.*s' not found in model table", BFMT(name));
		o->api_type = 1;
		use_responses(p, l->arena);
	}
	return shorthand_api_key(l, name, p);
}

/* ---- its calls ---- */

void openai_set_dialect(const struct provider_config *p, struct dialect *d)
{
	const struct openai_options *o = p->options;

	struct chat_dialect *chat = &d->chat;

	d->tool_strict = o->tool_strict;
	d->overrides = o->overrides;
	d->noverrides = o->noverrides;
	chat->reasoning_format = o->reasoning_format;
	if (bytes_set(o->reasoning_format))
		chat->thoughts = CHAT_REASONING_TEXT;
	chat->prompt_mode = o->prompt_mode;
	if (bytes_set(o->prompt_mode))
		chat->thoughts = CHAT_THINKING_PARTS;
	if (o->requires_tools)
		chat->required_as = (struct bytes){ NULL, 0 };
	if (o->guided_json)
		chat->json = CHAT_JSON_GUIDED;
	if (is_responses(o))
		d->options = &o->responses;
}

static const struct wire *wire_of(const struct provider_config *p)
{
	return is_responses(p->options) ? &wire_openai_responses : &wire_openai_chat;
}

int openai_content_headers(const struct inference *inf, const struct call_context *context,
			   struct header_list *l)
{
	if (header_set(l, B("content-type"), B("application/json"), context->arena))
		return -1;
	return inf->stream ? header_set(l, B("accept"), B("text/event-stream"), context->arena) : 0;
}

int openai_headers(const struct provider_config *p, const struct inference *inf,
		   const struct call_context *context, struct header_list *l)
{
	const struct openai_options *o = p->options;
	struct bytes key;

	if (credential_get(&p->api_key, context, p->kind->label, &key) ||
	    openai_content_headers(inf, context, l))
		return -1;
	if (bytes_set(key)) {
		/* a client's own authorization header comes with its scheme (surfaces §1.4) */
		struct bytes value =
			p->api_key.kind == CREDENTIAL_DYNAMIC &&
					bytes_eq(p->api_key.key, B("client_authorization"))
				? key
				: arena_cat(context->arena, B("Bearer "), key);

		if (!bytes_set(value) || header_set(l, B("authorization"), value, context->arena))
			return -1;
	}
	if (!bytes_set(key) && bytes_set(o->basic))
		return header_set(l, B("authorization"), o->basic, context->arena);
	return 0;
}

const int openai_client_statuses[] = { 400, 401, 403, 429, 0 };

struct bytes openai_status_text(int status, struct bytes reason, struct bytes body,
				struct bytes request_id, bool stream, struct arena *a)
{
	(void)request_id;
	if (!stream)
		return body;
	return arena_printf(a, "Invalid status code: %d %.*s: %.*s", status,
			    BFMT(reason.n ? reason : B("<unknown status code>")), BFMT(body));
}

static struct bytes status_text(int status, struct bytes reason, struct bytes body,
				struct bytes request_id, bool stream, struct arena *a)
{
	struct bytes text = openai_status_text(status, reason, body, request_id, stream, a);

	if (!bytes_set(request_id))
		return text;
	return arena_printf(a, "%.*s [request_id: %.*s]", BFMT(text), BFMT(request_id));
}

/* Images by their URL it fetches itself. */
bool openai_takes_url(const struct file *f)
{
	return !bytes_set(f->mime_type) || bytes_starts(f->mime_type, B("image/"));
}

/* Headers of an OpenAI client that go on (surfaces §1.6). */
const struct bytes openai_passed_headers[] = { B("openai-beta"), B("session_id"), B("session-id"),
					       B("thread-id"),   B("originator"), B("user-agent"),
					       B("x-codex-*"),   { NULL, 0 } };

/* And of its answer those that go back. */
const struct bytes openai_returned_headers[] = { B("x-ratelimit-*"), B("x-codex-*"), { NULL, 0 } };

const struct provider_type provider_openai = {
	.kind = {
		.name = B("openai"),
		.label = "OpenAI",
		.key_variable = "OPENAI_API_KEY",
		.api_base = B("https://api.openai.com/v1/"),
		.key_forms = FORM_ENV | FORM_DYNAMIC | FORM_NONE | FORM_TABLE,
		.keys = keys,
		.nkeys = COUNT(keys),
		.options_size = sizeof(struct openai_options),
		.check = check,
		.shorthand = shorthand,
		.embeds = true,
		.example = true,
	},
	OPENAI_FAMILY,
	.wire_of = wire_of,
	.embeddings = &wire_openai_embeddings,
	.dialect = { .max_tokens_key = B("max_completion_tokens") },
	.headers = openai_headers,
	.status_text = status_text,
};
