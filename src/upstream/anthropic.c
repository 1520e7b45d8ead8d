/*
 * Provider type `anthropic`, Messages (config §2.5, providers-others §2.1, §2.10). Statuses 400, 401, 413 and 429 are the
 * request's fault; every other one that is not 2xx is the server's.
 */
#include "upstream/anthropic.h"

#include "base/address.h"
#include "base/json.h"
#include "config/models.h"

#define LABEL     "Anthropic"
#define MESSAGES  "messages"
#define MAX_TOOL  (1u << 20)
#define API_DATED "2023-06-01"

/* provider_config.options of this type. */
struct options {
	struct anthropic_options wire;
	int display; /* index into anthropic_displays, from 1; 0: unset */
};

/* ---- its keys ---- */

const char *const anthropic_displays[] = { "summarized", "omitted", NULL };

/* The path of api_base + "messages", its query dropped. */
static struct bytes endpoint_of(struct bytes base, struct arena *a)
{
	struct address url;

	if (address_parse(base, a, &url))
		return (struct bytes){ NULL, 0 };
	return arena_printf(a, "%.*s://%.*s%s" MESSAGES, BFMT(url.scheme),
			    (int)(url.path.p + url.path.n - url.user.p - url.user.n),
			    url.user.p + url.user.n, bytes_ends(url.path, B("/")) ? "" : "/");
}

static void read_api_base(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct provider_config *p = into;
	const char *problem;
	struct bytes base, cut, shown;

	if (!is_text(t))
		return type_error(l, t, path, "a string representing an URL",
				  "such as \"https://api.anthropic.com/v1/\"");
	problem = api_base_problem(t->text);
	shown = url_quoted(t->text, l->arena);
	if (problem)
		return error_at(l, t, path, "%s: %.*s (such as \"https://api.anthropic.com/v1/\")",
				problem, BFMT(shown));
	base = t->text;
	cut = bytes_ends(base, B("/")) ? bytes_slice(base, 0, base.n - 1) : base;
	if (bytes_ends(cut, B("/" MESSAGES))) {
		warn_text(
			l, t, path,
			"The gateway automatically appends `/messages` to the `api_base`. You provided `%.*s`, whose `/messages` is left out. (remove it)",
			BFMT(url_shown(t->text)));
		base = bytes_slice(cut, 0, cut.n - strlen(MESSAGES));
	}
	p->endpoint = endpoint_of(base, l->arena);
}

void anthropic_read_tools(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct anthropic_options *o = into;
	struct bytes *tools = NULL;
	size_t n = 0, cap = 0;

	if (!want_array(l, t, path))
		return;
	for (struct toml *e = t->child; e; e = e->next) {
		struct bytes tool = { NULL, 0 };
		struct buf json;

		buf_init(&json, MAX_TOOL);
		if (toml_json(e, &json) == 0)
			tool = arena_dup(l->arena, buf_bytes(&json));
		else
			error_at(l, e, path, "a tool is larger than 1 MiB");
		buf_deinit(&json);
		if (!bytes_set(tool) || !arena_push(l->arena, tools, n, cap, tool))
			return;
	}
	o->provider_tools = tools;
	o->nprovider_tools = n;
}

static const struct key keys[] = {
	{ "model_name", KEY_STRING, offsetof(struct provider_config, model_name), .required = true,
	  .fix = "`model_name = \"claude-sonnet-4-6\"`" },
	{ "api_base", KEY_CALL, .type_wide = true, .call = read_api_base },
	{ "api_key_location", KEY_CALL, .call = read_api_key },
	{ "beta_structured_outputs", KEY_ANY_BOOL },
	{ "provider_tools", KEY_CALL, OWN(options, wire), .call = anthropic_read_tools },
	{ "thinking_display", KEY_CHOICE, OWN(options, display), .choices = anthropic_displays,
	  .min = 1 },
	{ "repair_history", KEY_BOOL, OWN(options, wire.repair_history) },
};

static void defaults(struct provider_config *p)
{
	p->endpoint = B("https://api.anthropic.com/v1/" MESSAGES);
}

static void check(struct loader *l, struct toml *t, struct bytes path, struct provider_config *p)
{
	struct options *o = p->options;

	if (o->display)
		o->wire.thinking_display = bytes_of(anthropic_displays[o->display - 1]);
	check_api_key(l, t, path, p);
}

/* ---- its calls ---- */

static void set_dialect(const struct provider_config *p, struct dialect *d)
{
	d->options = &((const struct options *)p->options)->wire;
}

static int headers(const struct provider_config *p, const struct inference *inf,
		   const struct call_context *context, struct header_list *l)
{
	struct bytes key, bearer = B("Bearer ");
	bool own = p->api_key.kind == CREDENTIAL_DYNAMIC &&
		   bytes_eq(p->api_key.key, B("client_authorization"));

	if (credential_get(&p->api_key, context, LABEL, &key) ||
	    header_set(l, B("content-type"), B("application/json"), context->arena) ||
	    header_set(l, B("anthropic-version"), B(API_DATED), context->arena))
		return -1;
	/* a client's own authorization header comes with its scheme (surfaces §1.4) */
	if (bytes_set(key) &&
	    header_set(l, own && bytes_istarts(key, bearer) ? B("authorization") : B("x-api-key"),
		       key, context->arena))
		return -1;
	return inf->stream ? header_set(l, B("accept"), B("text/event-stream"), context->arena) : 0;
}

static int count_endpoint(const struct provider_config *p, const struct call_context *context,
			  struct bytes *url)
{
	*url = arena_cat(context->arena, p->endpoint, B("/count_tokens"));
	return bytes_set(*url) ? 0 : -1;
}

static bool read_count(struct bytes answer, struct arena *a, uint64_t *tokens)
{
	return json_u64(json_get(json_parse(answer, a), "input_tokens"), tokens);
}

static const int client_statuses[] = { 400, 401, 413, 429, 0 };

static struct bytes status_text(int status, struct bytes reason, struct bytes body,
				struct bytes request_id, bool stream, struct arena *a)
{
	(void)request_id;
	if (!stream)
		return body;
	if (!reason.n || status == 529) /* a status of Anthropic's own */
		reason = B("<unknown status code>");
	return arena_printf(a, "Invalid status code: %d %.*s: %.*s", status, BFMT(reason),
			    BFMT(body));
}

/* What it fetches itself: of a URL whose type is not known nobody can say what kind of block it is. */
bool anthropic_takes_url(const struct file *f)
{
	return bytes_starts(f->mime_type, B("image/")) ||
	       bytes_starts(f->mime_type, B("application/pdf"));
}

/* Headers of a client of the same format that go on (surfaces §1.6). */
static const struct bytes passed_headers[] = { B("!anthropic-dangerous-direct-browser-access"),
					       B("anthropic-*"),
					       B("x-claude-code-*"),
					       B("x-app"),
					       B("user-agent"),
					       { NULL, 0 } };

/* What is left of the limits; of a subscription's only to whose it is (surfaces §5.8). */
static const struct bytes returned_headers[] = { B("!anthropic-ratelimit-unified-*"),
						 B("anthropic-ratelimit-*"),
						 { NULL, 0 } };
static const struct bytes returned_to_owner[] = { B("anthropic-ratelimit-*"),
						  B("anthropic-organization-id"),
						  { NULL, 0 } };

const struct provider_type provider_anthropic = {
	.kind = {
		.name = B("anthropic"),
		.label = LABEL,
		.key_variable = "ANTHROPIC_API_KEY",
		.key_forms = FORM_ENV | FORM_DYNAMIC | FORM_TABLE,
		.keys = keys,
		.nkeys = COUNT(keys),
		.options_size = sizeof(struct options),
		.defaults = defaults,
		.check = check,
		.shorthand = shorthand_api_key,
	},
	.wire = &wire_anthropic_messages,
	.set_dialect = set_dialect,
	.headers = headers,
	.passed_headers = passed_headers,
	.returned_headers = returned_headers,
	.returned_to_owner = returned_to_owner,
	.count_endpoint = count_endpoint,
	.read_count = read_count,
	.request_id_header = B("request-id"),
	.client_statuses = client_statuses,
	.status_text = status_text,
	.read_error = wire_read_error_body,
	.words = {
		.send = B("Error sending request: "),
		.send_kind = ERR_INFERENCE_CLIENT,
		.fatal_stream = true,
		.body = B("Error parsing text response: "),
	},
	.takes_files = true,
	.takes_url = anthropic_takes_url,
	.ignored_warning = "the model does not take all of a request",
};
