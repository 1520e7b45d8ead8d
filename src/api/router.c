/*
 * From a request's method and path to the handler that answers it, and what is common to all answers: the
 * version header, the ids, the shape of errors. Three shapes exist, TensorZero's {"error":"…"}, OpenAI's error
 * object and Anthropic's; the path alone decides which (surfaces §1.1), also for requests that never reach a
 * handler.
 * Trap: no redirect is ever sent. Clients drop their credentials on one, or fail; a trailing slash is simply
 * the same route.
 */
#include "api/api.h"
#include "api/counters.h"
#include "base/ids.h"
#include "base/log.h"
#include "route/classify.h"
#include "wire/openai_chat/openai_chat.h"

#define ERROR_MAX (8u << 20) /* an error body: nested errors carry what upstreams said */

enum shape { SHAPE_NATIVE, SHAPE_OPENAI, SHAPE_ANTHROPIC };

/* ---- routes ---- */

static void chat(struct exchange *ex, struct bytes id)
{
	(void)id;
	api_chat_completions(ex);
}

static void health(struct exchange *ex, struct bytes id)
{
	(void)id;
	api_health(ex);
}

static void status(struct exchange *ex, struct bytes id)
{
	(void)id;
	api_status(ex);
}

static void metrics(struct exchange *ex, struct bytes id)
{
	(void)id;
	api_metrics(ex);
}

/* Claude Code and others warm their connection up with it. */
static void probe(struct exchange *ex, struct bytes id)
{
	(void)id;
	exchange_respond(ex, 200, (struct bytes){ 0 }, B(""));
}

/* A path that ends in "{id}" takes the rest of the request's path, slashes too. GET answers HEAD. */
static const struct route {
	const char *method, *path;
	void (*answer)(struct exchange *, struct bytes id);
} routes[] = {
	{ "POST", "/v1/chat/completions", chat },
	{ "POST", "/openai/v1/chat/completions", chat },
	{ "GET", "/v1/models", api_models },
	{ "GET", "/v1/models/{id}", api_models },
	{ "GET", "/openai/v1/models", api_models },
	{ "GET", "/openai/v1/models/{id}", api_models },
	{ "GET", "/health", health },
	{ "GET", "/status", status },
	{ "GET", "/metrics", metrics },
	{ "HEAD", "/", probe },
};

/* Whether the path (no base path, no slash at its end) is the route's; *id is what {id} stands for. */
static bool route_is(const struct route *r, struct bytes path, struct bytes *id)
{
	struct bytes pattern = bytes_of(r->path);

	*id = (struct bytes){ 0 };
	if (!bytes_ends(pattern, B("{id}")))
		return bytes_eq(pattern, path);
	pattern.n -= 4;
	*id = bytes_slice(path, pattern.n, path.n);
	return bytes_starts(path, pattern) && id->n;
}

static bool method_is(const struct route *r, struct bytes method)
{
	return bytes_eq(bytes_of(r->method), method) ||
	       (bytes_eq(method, B("HEAD")) && bytes_eq(bytes_of(r->method), B("GET")));
}

/* The path below gateway.base_path, without a slash at its end. Empty: it is not below it. */
static struct bytes path_below_base(const struct exchange *ex)
{
	struct bytes base = ((struct worker *)ex->user)->app->config->gateway.base_path;
	struct bytes path = ex->path;

	if (!bytes_starts(path, base))
		return B("");
	path = bytes_slice(path, base.n, path.n);
	if (path.n > 1 && bytes_ends(path, B("/")))
		path.n--;
	if (!path.n) /* the base path itself */
		return B("/");
	return path.p[0] == '/' ? path : B("");
}

/* Percent-decoded once; what is no escape stays as it is. */
static struct bytes percent_decode(struct bytes text, struct arena *a)
{
	char *copy, *out;
	unsigned char byte;

	if (bytes_chr(text, '%') < 0)
		return text;
	copy = out = arena_alloc_raw(a, text.n);
	for (size_t i = 0; copy && i < text.n; i++) {
		unsigned value = 0;
		bool escape = text.p[i] == '%' && text.n - i > 2;

		for (size_t k = 1; escape && k < 3; k++) {
			byte = (unsigned char)text.p[i + k];
			if (byte >= '0' && byte <= '9')
				value = value << 4 | (byte - '0');
			else if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f')
				value = value << 4 | ((byte | 0x20) - 'a' + 10u);
			else
				escape = false;
		}
		*out++ = escape ? (char)value : text.p[i];
		i += escape ? 2 : 0;
	}
	return copy ? (struct bytes){ copy, (size_t)(out - copy) } : text;
}

/* ---- shapes and profiles ---- */

static bool is_at_or_below(struct bytes path, struct bytes top)
{
	return bytes_starts(path, top) && (path.n == top.n || path.p[top.n] == '/');
}

static enum shape shape_of(struct bytes path)
{
	static const char *const openai[] = { "/openai/v1",     "/v1/models",    "/v1/chat",
					      "/v1/embeddings", "/v1/responses", "/v1/completions",
					      "/v1/v1" };

	if (is_at_or_below(path, B("/v1/messages")) || is_at_or_below(path, B("/anthropic")) ||
	    is_at_or_below(path, B("/v1/v1/messages")))
		return SHAPE_ANTHROPIC;
	for (size_t i = 0; i < sizeof(openai) / sizeof(openai[0]); i++)
		if (is_at_or_below(path, bytes_of(openai[i])))
			return SHAPE_OPENAI;
	return SHAPE_NATIVE;
}

enum profile api_profile(const struct exchange *ex)
{
	struct bytes asked = exchange_get(ex, B("x-signet-profile"));

	if (bytes_eq(asked, B("openai")))
		return PROFILE_OPENAI;
	if (bytes_eq(asked, B("tensorzero")))
		return PROFILE_TENSORZERO;
	return is_at_or_below(path_below_base(ex), B("/openai/v1")) ? PROFILE_TENSORZERO
								    : PROFILE_OPENAI;
}

/* A header of the answer that was set already. */
static struct bytes header_set(const struct exchange *ex, struct bytes name)
{
	for (size_t i = 0; i < ex->nout; i++)
		if (bytes_eq(ex->out[i].name, name))
			return ex->out[i].value;
	return (struct bytes){ 0 };
}

struct bytes api_request_id(const struct exchange *ex)
{
	return header_set(ex, B("x-request-id"));
}

/* ---- errors ---- */

static int put_optional(struct buf *out, const char *key, struct bytes value)
{
	if (buf_printf(out, ",\"%s\":", key))
		return -1;
	return bytes_set(value) ? buf_json_string(out, value) : buf_append(out, B("null"));
}

/* gateway.unstable_error_json: {"‹Kind›":{"message":…}}; nested errors as a map of the same by name. */
static int put_error_json(struct buf *out, const struct error *e)
{
	if (buf_printf(out, "{\"%s\":{", error_kind_name(e->kind)))
		return -1;
	if (!e->nested) {
		if (buf_append(out, B("\"message\":")) || buf_json_string(out, e->message))
			return -1;
		return buf_append(out, B("}}"));
	}
	if (buf_append(out, B("\"errors\":{")))
		return -1;
	for (size_t i = 0; i < e->nested->len; i++) {
		if ((i && buf_putc(out, ',')) || buf_json_string(out, e->nested->names[i]) ||
		    buf_putc(out, ':') || put_error_json(out, &e->nested->errors[i]))
			return -1;
	}
	return buf_append(out, B("}}}"));
}

static int put_native(struct buf *out, const struct error *e, bool with_json)
{
	if (buf_append(out, B("{\"error\":")) || buf_json_string(out, e->message))
		return -1;
	if (with_json && (buf_append(out, B(",\"error_json\":")) || put_error_json(out, e)))
		return -1;
	return buf_putc(out, '}');
}

static int put_anthropic(struct buf *out, const struct error *e, int code, struct bytes request_id)
{
	static const struct {
		int status;
		const char *type;
	} types[] = { { 401, "authentication_error" }, { 403, "permission_error" },
		      { 404, "not_found_error" },      { 413, "request_too_large" },
		      { 429, "rate_limit_error" },     { 503, "overloaded_error" },
		      { 529, "overloaded_error" } };
	const char *type = code < 500 ? "invalid_request_error" : "api_error";

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].status == code)
			type = types[i].type;
	if (buf_printf(out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":", type) ||
	    buf_json_string(out, e->message) || buf_putc(out, '}') ||
	    put_optional(out, "request_id", request_id))
		return -1;
	return buf_putc(out, '}');
}

static int put_error(struct buf *out, enum shape shape, const struct error *e, int code,
		     const struct exchange *ex)
{
	bool with_json = ((struct worker *)ex->user)->app->config->gateway.unstable_error_json;

	switch (shape) {
	case SHAPE_OPENAI:
		return with_json ? openai_write_error_json(e, code, out)
				 : openai_write_error(e, code, out);
	case SHAPE_ANTHROPIC:
		return put_anthropic(out, e, code, api_request_id(ex));
	default:
		return put_native(out, e, with_json);
	}
}

void api_retry_after(struct exchange *ex, const struct error *e, int code)
{
	const struct error *leaf = error_leaf(e);
	int64_t ms = leaf->retry_after_ms;

	if ((code != 429 && code != 503 && code != 529) ||
	    bytes_set(header_set(ex, B("retry-after"))))
		return;
	if (ms < 0 && leaf->kind == ERR_BUSY)
		ms = 1000;
	if (ms >= 0)
		exchange_header(ex, B("retry-after"),
				arena_printf(ex->arena, "%lld", (long long)((ms + 999) / 1000)));
}

/* `members`: JSON members that follow the error in its object, with their comma; unset: none. */
static int respond_error(struct exchange *ex, enum shape shape, int code, struct bytes members)
{
	arena_open_reserve(ex->arena);
	const struct error *e = error_save(ex->arena);
	struct error none = { .message = B("out of memory"), .retry_after_ms = -1 };
	struct buf body;
	int sent;

	e = e ? e : &none;
	code = code ? code : error_kind_status(e->kind);
	api_retry_after(ex, e, code);
	if (code == 415)
		exchange_header(ex, B("accept-encoding"), B("zstd,gzip,br"));
	buf_init(&body, ERROR_MAX);
	if (put_error(&body, shape, e, code, ex))
		buf_reset(&body); /* a status without words is better than no answer */
	if (members.n && body.len) {
		body.len--; /* the closing brace */
		if (buf_append(&body, members) || buf_putc(&body, '}'))
			buf_reset(&body);
	}
	sent = exchange_respond(ex, code, B("application/json"), buf_bytes(&body));
	buf_deinit(&body);
	return sent;
}

int api_respond_openai_error(struct exchange *ex, int code)
{
	return respond_error(ex, SHAPE_OPENAI, code, B(""));
}

int api_respond_openai_error_with(struct exchange *ex, int code, struct bytes members)
{
	return respond_error(ex, SHAPE_OPENAI, code, members);
}

int api_respond_native_error(struct exchange *ex, int code)
{
	return respond_error(ex, SHAPE_NATIVE, code, B(""));
}

/* ---- unknown paths and methods ---- */

/* A client whose base URL has one "/v1" too many learns the right one. */
static const char *hint_of(struct bytes path)
{
	if (is_at_or_below(path, B("/v1/v1/messages")))
		return " (set the client's base URL to http://HOST, without /v1)";
	if (is_at_or_below(path, B("/v1/v1")))
		return " (set the client's base URL to http://HOST/v1, with /v1 once)";
	return "";
}

static void not_found(struct exchange *ex, struct bytes path)
{
	if (is_at_or_below(path, B("/api")))
		log_debug("api", "unknown path of another service", LB("route", path));
	fail(ERR_ROUTE_NOT_FOUND, "Route not found: %.*s %.*s%s", BFMT(ex->method), BFMT(ex->path),
	     hint_of(path));
	respond_error(ex, shape_of(path), 404, B(""));
}

static void wrong_method(struct exchange *ex, struct bytes path, const char *allow)
{
	exchange_header(ex, B("allow"), bytes_of(allow));
	fail(ERR_METHOD_NOT_ALLOWED, "Method not allowed: %.*s %.*s (allowed: %s)",
	     BFMT(ex->method), BFMT(ex->path), allow);
	respond_error(ex, shape_of(path), 405, B(""));
}

/* ---- the door ---- */

static void common_headers(struct exchange *ex)
{
	char text[4 + 32 + 1] = "req_";
	struct bytes id = { text, sizeof(text) - 1 };

	uuid_hex(uuid_v7(), text + 4);
	exchange_header(ex, B("x-tensorzero-gateway-version"), B(GATEWAY_VERSION));
	exchange_header(ex, B("x-request-id"), id);
	exchange_header(ex, B("request-id"), id);
}

/* A handler that was cancelled has not answered. The client is still there: it is the drain that ended. */
static void shutting_down(struct exchange *ex, struct bytes path)
{
	fiber_cancel_reset();
	fail(ERR_BUSY, "The gateway is shutting down");
	respond_error(ex, shape_of(path), 503, B(""));
}

void api_handle(struct exchange *ex)
{
	struct bytes path = path_below_base(ex), id;
	const struct route *wrong = NULL;

	common_headers(ex);
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (!route_is(&routes[i], path, &id))
			continue;
		ex->route = routes[i].path;
		if (method_is(&routes[i], ex->method)) {
			routes[i].answer(ex, bytes_set(id) ? percent_decode(id, ex->arena) : id);
			if (!ex->status && !ex->client_gone && fiber_cancelled())
				shutting_down(ex, path);
			return;
		}
		wrong = &routes[i];
	}
	/* "/" is there for HEAD only; to all else TensorZero has no such route. */
	if (wrong && !bytes_eq(path, B("/"))) {
		wrong_method(ex, path,
			     bytes_eq(bytes_of(wrong->method), B("GET")) ? "GET,HEAD"
									 : wrong->method);
	} else {
		ex->route = NULL;
		not_found(ex, path);
	}
}

void api_malformed(struct exchange *ex, int code, const char *reason, struct buf *body)
{
	struct error e = { .kind = code == 503 ? ERR_BUSY : ERR_INVALID_REQUEST,
			   .message = bytes_of(reason),
			   .retry_after_ms = -1 };

	common_headers(ex);
	exchange_header(ex, B("content-type"), B("application/json"));
	api_retry_after(ex, &e, code);
	if (put_error(body, shape_of(path_below_base(ex)), &e, code, ex))
		buf_reset(body);
}

/* ---- after the answer ---- */

static void access_log(const struct exchange *ex, const char *route, double took)
{
	struct log_field ttft = { 0 }; /* ends the list */

	if (ex->first_ms)
		ttft = LI("ttft_ms", ex->first_ms - ex->started_ns / 1000000);
	log_info("access", "request", LB("request_id", api_request_id(ex)), LS("route", route),
		 LS("profile", api_profile(ex) == PROFILE_OPENAI ? "openai" : "tensorzero"),
		 LI("status", ex->status), LR("ms", took * 1000),
		 LB("inference_id", header_set(ex, B("x-signet-inference-id"))),
		 LB("model", header_set(ex, B("x-signet-model"))),
		 LB("provider", header_set(ex, B("x-signet-provider"))),
		 LI("worker", ((struct worker *)ex->user)->number), ttft);
}

void api_done(struct exchange *ex)
{
	struct worker *w = ex->user;
	const char *route = ex->route ? ex->route : "other";
	double took = (double)(clock_mono_ns() - ex->started_ns) / 1e9;
	char digits[12];
	struct bytes code = { digits + sizeof(digits), 0 };

	for (int rest = ex->status; rest > 0; rest /= 10) {
		*(char *)--code.p = (char)('0' + rest % 10);
		code.n++;
	}
	if (!ex->status) /* nothing was answered */
		code = B("none");
	METRIC_ADD(&signet_http_requests_total, 1, bytes_of(route), code);
	METRIC_OBSERVE(&signet_http_request_seconds, took, bytes_of(route), code);
	if (w->app->config->server.access_log)
		access_log(ex, route, took);
}
