/*
 * From a request's method and path to the handler that answers it, and what is common to all answers: the
 * version header, the ids, the shape of errors. Three shapes exist, TensorZero's {"error":"…"}, OpenAI's error
 * object and Anthropic's; the path alone decides which (surfaces §1.1), also for requests that never reach a
 * handler.
 * Trap: no redirect is ever sent. Clients drop their credentials on one, or fail; a trailing slash is simply
 * the same route.
 */
#include "api/access_log.h"
#include "api/api.h"
#include "api/auth.h"
#include "api/counters.h"
#include "api/internal.h"
#include "api/nearest_route.h"
#include "api/origin.h"
#include "api/responses.h"
#include "api/surface.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/version.h"

#define HEADER_SHOWN 1024 /* longer values are left out */

/* ---- routes ---- */

/* Each in its own file. */
extern const struct surface surface_openai_chat, surface_tensorzero_chat,
	surface_openai_completions, surface_openai_responses, surface_anthropic_messages,
	surface_openai_embeddings, surface_tensorzero_embeddings;

/* Either a surface or a handler. A path that ends in "{id}" takes the rest of the request's path, slashes too. GET
 * answers HEAD. */
static const struct route {
	const char *method, *path;
	const struct surface *surface;
	http_handler *answer;
} routes[] = {
	{ "POST", "/v1/chat/completions", &surface_openai_chat, NULL },
	{ "POST", "/openai/v1/chat/completions", &surface_tensorzero_chat, NULL },
	{ "POST", "/v1/completions", &surface_openai_completions, NULL },
	{ "POST", "/v1/embeddings", &surface_openai_embeddings, NULL },
	{ "POST", "/openai/v1/embeddings", &surface_tensorzero_embeddings, NULL },
	{ "POST", "/v1/messages", &surface_anthropic_messages, NULL },
	{ "POST", "/anthropic/v1/messages", &surface_anthropic_messages, NULL },
	{ "POST", "/v1/messages/count_tokens", NULL, api_count_tokens },
	{ "POST", "/anthropic/v1/messages/count_tokens", NULL, api_count_tokens },
	{ "GET", "/anthropic/v1/models", NULL, api_models },
	{ "GET", "/anthropic/v1/models/{id}", NULL, api_models },
	{ "POST", "/v1/responses", &surface_openai_responses, NULL },
	{ "POST", "/openai/v1/responses", &surface_openai_responses, NULL },
	{ "GET", "/v1/responses", NULL, api_responses_upgrade },
	{ "GET", "/openai/v1/responses", NULL, api_responses_upgrade },
	{ "POST", "/v1/responses/input_tokens", NULL, api_response_tokens },
	{ "POST", "/openai/v1/responses/input_tokens", NULL, api_response_tokens },
	{ "POST", "/v1/responses/{id}", NULL, api_response_post },
	{ "POST", "/openai/v1/responses/{id}", NULL, api_response_post },
	{ "GET", "/v1/responses/{id}", NULL, api_response_get },
	{ "GET", "/openai/v1/responses/{id}", NULL, api_response_get },
	{ "DELETE", "/v1/responses/{id}", NULL, api_response_delete },
	{ "DELETE", "/openai/v1/responses/{id}", NULL, api_response_delete },
	{ "GET", "/v1/models", NULL, api_models },
	{ "GET", "/v1/models/{id}", NULL, api_models },
	{ "GET", "/openai/v1/models", NULL, api_models },
	{ "GET", "/openai/v1/models/{id}", NULL, api_models },
	{ "GET", "/health", NULL, api_health },
	{ "GET", "/status", NULL, api_status },
	{ "GET", "/metrics", NULL, api_metrics },
	{ "GET", "/ui", NULL, api_ui },
	{ "GET", "/ui/{id}", NULL, api_ui },
	{ "HEAD", "/", NULL, api_probe },
	{ "GET", "/api/hello", NULL, api_probe },
};

/* The shape of errors at a path and below where no surface's own route is; elsewhere it is TensorZero's. */
static const struct {
	const char *top;
	error_writer *write_error;
} shapes[] = {
	{ "/v1/messages", write_anthropic_error },    { "/anthropic", write_anthropic_error },
	{ "/v1/v1/messages", write_anthropic_error }, { "/openai/v1", write_openai_error },
	{ "/v1/models", write_openai_error },         { "/v1/chat", write_openai_error },
	{ "/v1/embeddings", write_openai_error },     { "/v1/responses", write_openai_error },
	{ "/v1/completions", write_openai_error },    { "/v1/v1", write_openai_error },
};

/* Whether the path (no base path, no slash at its end) is the route's. */
static bool route_is(const struct route *r, struct bytes path)
{
	struct bytes pattern = bytes_of(r->path);

	if (!bytes_ends(pattern, B("{id}")))
		return bytes_eq(pattern, path);
	pattern.n -= 4;
	return bytes_starts(path, pattern) && path.n > pattern.n;
}

static bool method_is(const struct route *r, struct bytes method)
{
	return bytes_eq(bytes_of(r->method), method) ||
	       (bytes_eq(method, B("HEAD")) && bytes_eq(bytes_of(r->method), B("GET")));
}

/* The path below gateway.base_path, without a slash at its end. Empty: it is not below it. */
static struct bytes path_below_base(const struct exchange *ex)
{
	struct bytes base = api_config(ex)->gateway.base_path;
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
	char *copy = bytes_chr(text, '%') < 0 ? NULL : arena_alloc_raw(a, text.n);

	return copy ? (struct bytes){ copy, bytes_percent_decode(text, copy) } : text;
}

struct bytes api_path_id(const struct exchange *ex)
{
	struct bytes pattern = bytes_of(ex->route), path = path_below_base(ex);

	if (!bytes_ends(pattern, B("{id}")))
		return (struct bytes){ 0 };
	return percent_decode(bytes_slice(path, pattern.n - 4, path.n), ex->arena);
}

/* ---- shapes and profiles ---- */

static bool is_at_or_below(struct bytes path, struct bytes top)
{
	return bytes_starts(path, top) && (path.n == top.n || path.p[top.n] == '/');
}

static error_writer *shape_of(struct bytes path)
{
	for (size_t i = 0; i < COUNT(routes); i++)
		if (routes[i].surface && route_is(&routes[i], path))
			return routes[i].surface->write_error;
	for (size_t i = 0; i < COUNT(shapes); i++)
		if (is_at_or_below(path, bytes_of(shapes[i].top)))
			return shapes[i].write_error;
	return write_native_error;
}

/* By header x-signet-profile, else by path (surfaces §3). */
static struct bytes profile_of(const struct exchange *ex)
{
	struct bytes asked = exchange_get(ex, B("x-signet-profile"));

	if (bytes_eq(asked, B("openai")) || bytes_eq(asked, B("tensorzero")))
		return asked;
	return is_at_or_below(path_below_base(ex), B("/openai/v1")) ? B("tensorzero") : B("openai");
}

/* The route's surface, or its twin if the header asks for that one's profile. */
static const struct surface *surface_of(const struct route *r, const struct exchange *ex)
{
	const struct surface *twin = r->surface->twin;

	return twin && bytes_eq(bytes_of(twin->profile), profile_of(ex)) ? twin : r->surface;
}

/* The surface whose route the path is, whatever the method, but for what a browser asks by itself. NULL: none. */
static const struct surface *surface_at(struct bytes path, const struct exchange *ex)
{
	for (size_t i = 0; i < COUNT(routes); i++)
		if (routes[i].surface && route_is(&routes[i], path))
			return bytes_eq(ex->method, B("OPTIONS")) ? NULL
								  : surface_of(&routes[i], ex);
	return NULL;
}

/* As the access log names it: that of the surface which answered. */
static struct bytes answered_profile(const struct exchange *ex)
{
	for (size_t i = 0; i < COUNT(routes); i++)
		if (routes[i].surface && routes[i].path == ex->route)
			return bytes_of(surface_of(&routes[i], ex)->profile);
	return profile_of(ex);
}

bool api_header_fits(struct bytes value)
{
	return value.n > 0 && value.n <= HEADER_SHOWN && !bytes_has_control(value);
}

int api_returned_headers(struct exchange *x, const struct attempt *t)
{
	for (size_t i = 0; i < t->nreturned; i++)
		if (api_header_fits(t->returned[i].value) &&
		    exchange_header(x, t->returned[i].name, t->returned[i].value))
			return -1;
	return 0;
}

struct bytes api_header_set(const struct exchange *ex, struct bytes name)
{
	return http_header_get(ex->out, ex->nout, name);
}

struct bytes api_request_id(const struct exchange *ex)
{
	return api_header_set(ex, B("x-request-id"));
}

struct uuid api_inference_id(const struct exchange *x)
{
	(void)x;
	return fiber_self() ? *fiber_request(fiber_self()) : uuid_v7();
}

struct bytes api_whole_names(struct bytes list, size_t max)
{
	struct bytes cut = bytes_slice(list, 0, max);

	while (cut.n < list.n && cut.n && list.p[cut.n] != ',')
		cut.n--;
	return cut;
}

void api_keep_upstream_id(struct exchange *x, struct bytes id)
{
	for (size_t i = 0; i < x->nout; i++)
		if (bytes_eq(x->out[i].name, B("request-id")))
			x->out[i].value = id;
}

/* ---- unknown paths and methods ---- */

static bool is_pages(struct bytes path)
{
	return is_at_or_below(path, B("/ui")) || is_at_or_below(path, B("/internal"));
}

/* The routes of clients that may be meant by an unknown path, and how many; the others are for people, who read docs. */
static size_t routes_of_clients(struct known_route out[COUNT(routes)])
{
	size_t n = 0;

	for (size_t i = 0; i < COUNT(routes); i++) {
		const struct route *r = &routes[i];
		bool lists = r->answer == api_models || r->answer == api_count_tokens ||
			     r->answer == api_response_tokens;

		if ((r->surface || lists) && !bytes_ends(bytes_of(r->path), B("{id}")))
			out[n++] = (struct known_route){ r->method, r->path,
							 shape_of(bytes_of(r->path)) };
	}
	return n;
}

static void not_found(struct exchange *ex, struct bytes path)
{
	struct known_route known[COUNT(routes)];
	const struct known_route *meant = NULL;
	struct bytes url;
	bool other_base = false;

	if (is_at_or_below(path, B("/api")))
		log_debug("api", "unknown path of another service", LB("route", path));
	if (!is_pages(path))
		meant = nearest_route(known, routes_of_clients(known), path, &other_base);
	if (!meant) {
		fail(ERR_ROUTE_NOT_FOUND, "Route not found: %.*s %.*s", BFMT(ex->method),
		     BFMT(ex->path));
		api_respond_error(ex, shape_of(path), 404, B(""));
		return;
	}
	url = client_base_url(meant, ex, api_config(ex)->gateway.base_path);
	fail(ERR_ROUTE_NOT_FOUND, "Route not found: %.*s %.*s (did you mean %s %.*s%s?%s%.*s)",
	     BFMT(ex->method), BFMT(ex->path), meant->method,
	     BFMT(api_config(ex)->gateway.base_path), meant->path,
	     other_base ? " Set the client's base URL to " : "", BFMT(other_base ? url : B("")));
	api_respond_error(ex, meant->write_error, 404, B(""));
}

static void wrong_method(struct exchange *ex, struct bytes path, const struct route *route)
{
	bool get = bytes_eq(bytes_of(route->method), B("GET"));
	const char *allow = get ? "GET,HEAD" : route->method;

	exchange_header(ex, B("allow"), bytes_of(allow));
	fail(ERR_METHOD_NOT_ALLOWED, "Method not allowed: %.*s %.*s (allowed: %s)",
	     BFMT(ex->method), BFMT(ex->path), allow);
	if (surface_at(path, ex))
		answer_refused(ex, surface_at(path, ex), 405);
	api_respond_error(ex, shape_of(path), 405, B(""));
}

/* ---- the door ---- */

static void common_headers(struct exchange *ex)
{
	char text[4 + 32 + 1] = "req_";
	struct bytes id = { text, sizeof(text) - 1 };
	struct uuid request = uuid_v7();

	uuid_hex(request, text + 4);
	if (fiber_self())
		*fiber_request(fiber_self()) = request;
	exchange_header(ex, B("x-tensorzero-gateway-version"), B(TENSORZERO_VERSION));
	exchange_header(ex, B("x-request-id"), id);
	exchange_header(ex, B("request-id"), id);
}

/* [ui] enabled = false: the pages and what is for them alone. TensorZero's /internal stays, and what was there before them. */
static bool is_switched_off(const struct exchange *ex, struct bytes path)
{
	return !api_config(ex)->ui.enabled &&
	       !bytes_eq(path, B("/internal/signet/config/reload")) &&
	       (is_at_or_below(path, B("/ui")) || is_at_or_below(path, B("/internal/signet")));
}

/* Whether the request may go on to its route; if not, it was answered. */
static bool may_enter(struct exchange *ex, struct bytes path)
{
	const struct door door = { path, shape_of(path), surface_at(path, ex) };

	return (is_pages(path) || origin_admits(ex, &door)) && auth_admits(ex, &door);
}

/* A handler that was cancelled has not answered. */
static void shutting_down(struct exchange *ex, struct bytes path)
{
	if (ex->status || !fiber_cancelled())
		return;
	fail(ERR_CANCELLED, "cancelled"); /* whatever it came to since */
	if (cut_off_by_shutdown(ex))
		api_respond_error(ex, shape_of(path), 503, B(""));
}

/* Until it is over: see api_config(). */
static void hold_config(struct exchange *ex)
{
	struct config *c = ((struct worker *)ex->user)->config;

	config_ref(c);
	ex->held = c;
}

void api_handle(struct exchange *ex)
{
	struct bytes path;
	const struct route *wrong = NULL;

	hold_config(ex);
	path = path_below_base(ex);
	common_headers(ex);
	if (!may_enter(ex, path))
		return;
	if (is_switched_off(ex, path)) {
		not_found(ex, path);
		return;
	}
	if (is_at_or_below(path, B("/internal")) && internal_handle(ex, path)) {
		shutting_down(ex, path);
		return;
	}
	for (size_t i = 0; i < COUNT(routes); i++) {
		if (!route_is(&routes[i], path))
			continue;
		ex->route = routes[i].path;
		if (method_is(&routes[i], ex->method)) {
			if (routes[i].surface)
				answer_request(ex, surface_of(&routes[i], ex));
			else
				routes[i].answer(ex);
			shutting_down(ex, path);
			return;
		}
		wrong = &routes[i];
	}
	/* "/" is there for HEAD only; to all else TensorZero has no such route. */
	if (wrong && !bytes_eq(path, B("/"))) {
		wrong_method(ex, path, wrong);
	} else {
		ex->route = NULL;
		not_found(ex, path);
		access_no_route(ex);
	}
}

void api_malformed(struct exchange *ex, int code, const char *reason, struct buf *body)
{
	struct error e = { .kind = code == 503 ? ERR_BUSY : ERR_INVALID_REQUEST,
			   .message = bytes_of(reason),
			   .retry_after_ms = -1 };
	struct error_context context = { .with_json = api_config(ex)->gateway.unstable_error_json };

	common_headers(ex);
	if (!is_pages(path_below_base(ex)))
		origin_headers(ex);
	context.request_id = api_request_id(ex);
	exchange_header(ex, B("content-type"), B("application/json"));
	api_retry_after(ex, &e, code);
	if (shape_of(path_below_base(ex))(&e, code, &context, body))
		buf_reset(body);
}

/* ---- after the answer ---- */

/* What answers inferences, lists models, stores: not the probes, the pages and what is for them. */
static bool is_api(const struct exchange *ex)
{
	struct bytes path = path_below_base(ex);

	return ex->route && (is_at_or_below(path, B("/v1")) || is_at_or_below(path, B("/openai")) ||
			     is_at_or_below(path, B("/anthropic")) || surface_at(path, ex));
}

static struct bytes class_of(int status)
{
	static const struct bytes classes[] = { B("none"), B("1xx"), B("2xx"),
						B("3xx"),  B("4xx"), B("5xx") };

	return classes[status >= 100 && status < 600 ? status / 100 : 0];
}

void api_done(struct exchange *ex)
{
	const char *route = ex->route ? ex->route : "other";
	uint64_t took_ns = clock_mono_ns() - ex->started_ns;
	double took = (double)took_ns / 1e9;
	char digits[U64_DIGITS];
	struct bytes code = u64_text((uint64_t)ex->status, digits);

	if (!ex->status) /* nothing was answered */
		code = B("none");
	METRIC_ADD(&signet_http_requests_total, 1, bytes_of(route), code);
	METRIC_OBSERVE(&signet_http_request_seconds, took, bytes_of(route), class_of(ex->status));
	if (api_config(ex)->server.access_log)
		access_write(ex, is_api(ex), answered_profile(ex), took_ns);
	config_unref(ex->held);
	ex->held = NULL;
}
