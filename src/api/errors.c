/*
 * One table says what a failure looks like to an OpenAI client. TensorZero's surfaces have their statuses by kind
 * and never show an upstream's. The three shapes of an error's body stand below it.
 */
#include "api/errors.h"

#include "api/api.h"
#include "api/surface.h"
#include "base/json.h"
#include "base/pen.h"
#include "net/http_status.h"
#include "route/classify.h"
#include "upstream/upstream.h"
#include "wire/anthropic_messages/anthropic_messages.h"
#include "wire/openai_chat/openai_chat.h"

#define ERROR_TEXT_MAX 8192u      /* of what an OpenAI client is told */
#define LAST_WORDS_MS  2000       /* for what an answer may still need when the drain is over */
#define ERROR_MAX      (8u << 20) /* an error body: nested errors carry what upstreams said */

static const struct {
	int status;
	struct bytes code;
} openai[] = {
	[FAILURE_CLIENT] = { 400, { NULL, 0 } },
	[FAILURE_SERVER] = { 502, B("upstream_error") },
	[FAILURE_TIMEOUT] = { 504, B("timeout") },
	[FAILURE_RATE_LIMIT] = { 429, B("rate_limit_exceeded") },
	[FAILURE_AUTH] = { 502, B("upstream_auth") },
	[FAILURE_CONTEXT] = { 400, B("context_length_exceeded") },
	[FAILURE_QUOTA] = { 429, B("insufficient_quota") },
	[FAILURE_OVERLOAD] = { 503, B("server_is_overloaded") },
	[FAILURE_CONTENT_FILTER] = { 400, B("content_policy_violation") },
	[FAILURE_SIGNER] = { 500, B("signer_failed") },
	[FAILURE_CONFIG] = { 500, { NULL, 0 } },
	[FAILURE_INTERNAL] = { 500, { NULL, 0 } },
	[FAILURE_SHUTDOWN] = { 503, { NULL, 0 } },
};

/* Whether the failure came from an upstream, or from the way there. */
static bool of_upstream(enum error_kind k)
{
	return k == ERR_INFERENCE_CLIENT || k == ERR_INFERENCE_SERVER || k == ERR_FATAL_STREAM ||
	       k == ERR_PROVIDER_TIMEOUT || k == ERR_MODEL_TIMEOUT || k == ERR_SIGNER ||
	       k == ERR_DEADLINE;
}

int api_error_status(const struct error *e, bool upstream_errors, const struct config *cfg)
{
	const struct error *leaf = error_leaf(e);

	if (!upstream_errors || cfg->surfaces.error_status_gateway)
		return error_kind_status(e->kind);
	if (leaf->kind == ERR_API_KEY_MISSING)
		return 400; /* the request lacks a credential that this provider takes from it */
	if (!of_upstream(leaf->kind))
		return error_kind_status(leaf->kind);
	if (classify(leaf) == FAILURE_CLIENT && leaf->upstream_status >= 400)
		return leaf->upstream_status;
	return openai[classify(leaf)].status;
}

/* What clients show and log: the whole text is in the record. */
static struct bytes cut_text(struct bytes text, struct arena *a)
{
	static const struct bytes ellipsis = B("\xe2\x80\xa6");
	struct bytes cut;

	if (text.n <= ERROR_TEXT_MAX)
		return text;
	cut = arena_cat(a, bytes_head(text, ERROR_TEXT_MAX - ellipsis.n), ellipsis);
	return bytes_set(cut) ? cut : B("out of memory");
}

/* The failure of all providers within an error. NULL: it is none. */
static const struct error_list *failed_providers(const struct error *e)
{
	while (e->kind == ERR_ALL_VARIANTS_FAILED && e->nested && e->nested->len)
		e = &e->nested->errors[e->nested->len - 1];
	return e->kind == ERR_ALL_PROVIDERS_FAILED && e->nested && e->nested->len ? e->nested
										  : NULL;
}

/* The text behind a frame of TensorZero's, as wire.c prints it: "Error 401 Unauthorized from openai client: ". */
static struct bytes behind_frame(const struct error *e, struct arena *a)
{
	static const char *const sides[] = { "client", "server" };
	struct bytes text = e->message;

	if (!e->provider_type.n ||
	    !(bytes_starts(text, B("Error ")) || bytes_starts(text, B("Inference stream closed"))))
		return text;
	for (size_t i = 0; i < COUNT(sides); i++) {
		struct bytes end =
			arena_printf(a, " from %.*s %s: ", BFMT(e->provider_type), sides[i]);
		ptrdiff_t at = bytes_set(end) ? bytes_find(text, end) : -1;

		if (at >= 0)
			return bytes_slice(text, (size_t)at + end.n, text.n);
	}
	return text;
}

/* One provider's failure without TensorZero's frames; a raw body gives way to what it says. Words of a type's own that
 * name the status already, such as the developer API's, stay: its guide explains them. */
static struct bytes bare_text(const struct error *e, struct arena *a)
{
	struct bytes send = B("Error sending request: "), text = behind_frame(e, a);
	struct bytes phrase = http_status_phrase(e->upstream_status);
	char digits[U64_DIGITS];
	bool raw =
		text.n == 0 || text.p[0] == '{' || bytes_starts(text, B("Invalid status code: "));
	bool names_it =
		!raw && bytes_find(text, u64_text((uint64_t)e->upstream_status, digits)) >= 0;

	if (e->upstream_status >= 400 && e->upstream_message.n && !names_it)
		return arena_printf(a, "%d%s%.*s: %.*s", e->upstream_status, phrase.n ? " " : "",
				    BFMT(phrase), BFMT(e->upstream_message));
	return bytes_starts(text, send) ? bytes_slice(text, send.n, text.n) : text;
}

/* `no provider of "assistant" answered. openai: cannot resolve …; local: connection refused`. Each gets its share of the
 * room: the last one's reason is as wanted as the first's. Unset: out of memory. */
static struct bytes providers_text(const struct error_list *failed, struct arena *a)
{
	size_t share = ERROR_TEXT_MAX / failed->len;
	struct bytes whole = { NULL, 0 };
	struct buf text;
	int bad;

	buf_init(&text, ERROR_MAX);
	bad = buf_printf(&text, "no provider of \"%.*s\" answered.", BFMT(failed->of));
	for (size_t i = 0; i < failed->len && !bad; i++) {
		struct bytes why = bare_text(&failed->errors[i], a);

		bad = !bytes_set(why) ||
		      buf_printf(&text, "%s %.*s: %.*s", i ? ";" : "", BFMT(failed->names[i]),
				 BFMT(bytes_head(why, share)));
	}
	if (!bad)
		whole = arena_adopt(a, &text);
	buf_deinit(&text);
	return whole;
}

struct error *api_openai_error(const struct error *e, int status, struct arena *a)
{
	const struct error *leaf = error_leaf(e);
	const struct error_list *failed = failed_providers(e);
	struct error *out = arena_new(a, struct error);

	if (!out)
		return NULL;
	*out = *leaf;
	out->owned = NULL;
	out->nested = NULL;
	out->message = failed ? providers_text(failed, a) : e->message;
	if (failed && !bytes_set(out->message))
		return NULL;
	out->message = cut_text(out->message, a);
	if (!of_upstream(leaf->kind))
		return out;
	if (openai_error_without_html(out, a))
		return NULL;
	if (!bytes_set(out->code))
		out->code = openai[classify(leaf)].code;
	/* codes that OpenAI's own clients know survive */
	if (bytes_eq(leaf->upstream_code, B("cyber_policy")) ||
	    bytes_eq(leaf->upstream_code, B("invalid_prompt")))
		out->code = leaf->upstream_code;
	if (status == 429 && leaf->retry_after_ms >= 0 && classify(leaf) == FAILURE_RATE_LIMIT)
		out->message =
			arena_printf(a, "%.*s Please try again in %llds.", BFMT(out->message),
				     (long long)((leaf->retry_after_ms + 999) / 1000));
	return out;
}

int surface_status(const struct surface *s, const struct error *e, const struct config *cfg)
{
	int status = api_error_status(e, s->upstream_errors, cfg);

	return s->face ? s->face->status(e, status) : status;
}

struct error *surface_error(const struct surface *s, const struct error *e, int status,
			    struct arena *a)
{
	return s->face ? s->face->show(e, status, a) : api_openai_error(e, status, a);
}

struct bytes api_upstream_body(const struct error *e, const struct credential *key, int *status)
{
	const struct error *leaf = error_leaf(e);
	struct json_member member;
	int s = leaf->upstream_status;

	if (s < 400 || s > 599 ||
	    ((s == 401 || s == 402 || s == 403) && !credential_is_clients(key)))
		return (struct bytes){ NULL, 0 };
	/* only a body that a parser has read as an object with an error */
	if (leaf->upstream_body.n > ERROR_TEXT_MAX || !bytes_set(leaf->upstream_body) ||
	    !bytes_set(leaf->upstream_message) ||
	    bytes_eq(leaf->upstream_body, leaf->upstream_message) || leaf->upstream_body.n == 0 ||
	    leaf->upstream_body.p[0] != '{' ||
	    !json_find_member(leaf->upstream_body, B("error"), &member))
		return (struct bytes){ NULL, 0 };
	*status = s;
	return leaf->upstream_body;
}

/* ---- shapes ---- */

int write_native_error(const struct error *e, int status, const struct error_context *context,
		       struct buf *out)
{
	struct pen p = { .b = out };

	(void)status;
	pen_open(&p, '{');
	pen_text(&p, "error", e->message);
	if (context->with_json) {
		pen_key(&p, "error_json");
		openai_put_error_kind(&p, e);
	}
	pen_close(&p, '}');
	return pen_done(&p);
}

int write_openai_error(const struct error *e, int status, const struct error_context *context,
		       struct buf *out)
{
	if (context->with_json ? openai_write_error_json(e, status, out)
			       : openai_write_error(e, status, out))
		return -1;
	if (!context->members.n)
		return 0;
	out->len--; /* the closing brace */
	return buf_append(out, context->members) || buf_putc(out, '}') ? -1 : 0;
}

int write_anthropic_error(const struct error *e, int status, const struct error_context *context,
			  struct buf *out)
{
	struct pen p = { .b = out };

	pen_head(&p, "{\"type\":\"error\"");
	pen_key(&p, "error");
	pen_open(&p, '{');
	pen_text(&p, "type", anthropic_error_type(status));
	pen_text(&p, "message", e->message);
	pen_close(&p, '}');
	pen_key(&p, "request_id");
	pen_string_or_null(&p, context->request_id);
	pen_close(&p, '}');
	return pen_done(&p);
}

/* ---- answering ---- */

bool cut_off_by_shutdown(struct exchange *x)
{
	if (error_last()->kind != ERR_CANCELLED || x->client_gone || !fiber_cancelled() ||
	    !atomic_load(&api_app(x)->draining))
		return false;
	fiber_cancel_reset();
	fiber_deadline_restore(turn_ms() + LAST_WORDS_MS);
	fail(ERR_SHUTDOWN, "The gateway is shutting down: send the request again");
	return true;
}

void api_retry_after(struct exchange *x, const struct error *e, int status)
{
	const struct error *leaf = error_leaf(e);
	int64_t ms = leaf->retry_after_ms;

	if ((status != 429 && status != 503 && status != 529) ||
	    bytes_set(api_header_set(x, B("retry-after"))))
		return;
	if (ms < 0 && (leaf->kind == ERR_BUSY || leaf->kind == ERR_SHUTDOWN))
		ms = 1000;
	if (ms >= 0)
		exchange_header(x, B("retry-after"),
				arena_printf(x->arena, "%lld", (long long)((ms + 999) / 1000)));
}

int api_respond_error(struct exchange *x, error_writer *write, int status, struct bytes members)
{
	struct error_context context = { .with_json = api_config(x)->gateway.unstable_error_json,
					 .request_id = api_request_id(x),
					 .members = members };
	struct error none = { .message = B("out of memory"), .retry_after_ms = -1 };
	const struct error *e;
	struct buf body;
	int sent;

	arena_open_reserve(x->arena);
	e = error_save(x->arena);
	e = e ? e : &none;
	status = status ? status : error_kind_status(e->kind);
	api_retry_after(x, e, status);
	if (status == 415)
		exchange_header(x, B("accept-encoding"), B("zstd,gzip,br"));
	buf_init(&body, ERROR_MAX);
	if (write(e, status, &context, &body))
		buf_reset(&body); /* a status without words is better than no answer */
	sent = exchange_respond(x, status, B("application/json"), buf_bytes(&body));
	buf_deinit(&body);
	return sent;
}
