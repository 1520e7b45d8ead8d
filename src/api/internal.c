/*
 * The door of /internal: routes with places in their paths, the guard before each, and what the answers have in common.
 * Errors are TensorZero's {"error":"…"}; every answer says how long it took.
 */
#include "api/internal.h"

#include "base/ids.h"
#include "base/time.h"
#include "store/row.h"

static const struct internal_route *const lists[] = {
	internal_record_routes,  internal_charts_routes, internal_gateway_routes,
	internal_signer_routes,  internal_health_routes, internal_overview_routes,
	internal_live_routes,    internal_action_routes, internal_tensorzero_routes,
	internal_session_routes, internal_key_routes,    internal_config_routes
};

/* ---- routes ---- */

static struct bytes decoded(struct bytes text, bool plus, struct arena *a)
{
	char *copy = arena_alloc_raw(a, text.n + 1);
	size_t n;

	if (!copy)
		return (struct bytes){ 0 };
	n = bytes_percent_decode(text, copy);
	if (plus) { /* a '+' that is one was encoded: look at the text as it came */
		memcpy(copy, text.p ? text.p : "", text.n);
		for (size_t i = 0; i < text.n; i++)
			if (copy[i] == '+')
				copy[i] = ' ';
		n = bytes_percent_decode((struct bytes){ copy, text.n }, copy);
	}
	return (struct bytes){ copy, n };
}

static bool path_matches(const struct internal_route *r, struct bytes path, struct arena *a,
			 struct bytes *params)
{
	struct bytes pattern = bytes_of(r->path);
	size_t n = 0;

	while (pattern.n && path.n) {
		struct bytes want = bytes_cut(&pattern, '/'), is = bytes_cut(&path, '/');

		if (bytes_starts(want, B("{"))) {
			if (!is.n || n == INTERNAL_PARAMS)
				return false;
			params[n++] = decoded(is, false, a);
		} else if (!bytes_eq(want, is)) {
			return false;
		}
	}
	return !pattern.n && !path.n;
}

static bool method_is(const struct internal_route *r, const struct exchange *ex)
{
	return bytes_eq(bytes_of(r->method), ex->method) ||
	       (bytes_eq(ex->method, B("HEAD")) && bytes_eq(bytes_of(r->method), B("GET")));
}

static void wrong_method(struct exchange *ex, const struct internal_route *r)
{
	ex->route = r->path;
	exchange_header(ex, B("allow"), bytes_of(r->method));
	fail(ERR_METHOD_NOT_ALLOWED, "Method not allowed: %.*s %.*s (allowed: %s)",
	     BFMT(ex->method), BFMT(ex->path), r->method);
	reply_error(ex, 405);
}

bool internal_handle(struct exchange *ex, struct bytes path)
{
	const struct internal_route *other = NULL;
	struct bytes params[INTERNAL_PARAMS];

	for (size_t l = 0; l < COUNT(lists); l++)
		for (const struct internal_route *r = lists[l]; r->path; r++) {
			memset(params, 0, sizeof(params));
			if (!path_matches(r, path, ex->arena, params))
				continue;
			if (!method_is(r, ex)) {
				other = r;
				continue;
			}
			ex->route = r->path;
			exchange_header(ex, B("cache-control"), B("no-store"));
			exchange_header(ex, B("x-content-type-options"), B("nosniff"));
			if (guard_admits(ex, r->role))
				r->answer(ex, params);
			return true;
		}
	if (other)
		wrong_method(ex, other);
	return other != NULL;
}

/* ---- what is asked ---- */

bool query_next(struct bytes *rest, struct arena *a, struct bytes *name, struct bytes *value)
{
	while (rest->n) {
		struct bytes one = bytes_cut(rest, '&');

		*name = bytes_cut(&one, '=');
		if (!name->n)
			continue;
		*name = decoded(*name, true, a);
		*value = decoded(one, true, a);
		return bytes_set(*name) && bytes_set(*value);
	}
	return false;
}

struct bytes query_get(const struct exchange *ex, struct bytes name)
{
	struct bytes rest = ex->query, one, value;

	while (query_next(&rest, ex->arena, &one, &value))
		if (bytes_eq(one, name))
			return value;
	return (struct bytes){ 0 };
}

int query_count(const struct exchange *ex, struct bytes name, uint64_t missing, uint64_t most,
		uint64_t *out)
{
	struct bytes value = query_get(ex, name);

	*out = missing;
	if (!bytes_set(value))
		return 0;
	if (!bytes_to_u64(value, out) || *out < 1 || *out > most)
		return fail(ERR_INVALID_REQUEST, "%.*s=%.*s: wanted is a number from 1 to %" PRIu64,
			    BFMT(name), BFMT(bytes_head(value, 40)), most);
	return 0;
}

void filter_fix_range(struct read_filter *f, bool has_range)
{
	int64_t now = (int64_t)(clock_unix_ms() + 1000) << 15;

	if (!has_range)
		f->from = now - ((int64_t)86400000 << 15);
	if (f->to > now)
		f->to = now;
}

int query_filter(const struct exchange *ex, struct read_filter *f)
{
	struct bytes rest = ex->query, name, value;

	filter_init(f, ex->arena);
	while (query_next(&rest, ex->arena, &name, &value))
		if (filter_take(f, name, value, clock_unix_ms()) < 0)
			return -1;
	return 0;
}

/* ---- what is answered ---- */

void reply_error(struct exchange *ex, int status)
{
	api_respond_error(ex, write_native_error, status, B(""));
}

void reply_begin(struct reply *r, struct exchange *ex)
{
	*r = (struct reply){ .ex = ex };
	buf_init(&r->out, INTERNAL_ANSWER);
	r->pen.b = &r->out;
	pen_open(&r->pen, '{');
}

void reply_end(struct reply *r, int bad)
{
	struct pen *p = &r->pen;

	if (!bad) {
		if (r->partial)
			pen_member(p, B(",\"partial\":true"));
		pen_key(p, "took_ms");
		pen_printf(p, "%.1f", (double)(clock_mono_ns() - r->ex->started_ns) / 1e6);
		pen_close(p, '}');
		bad = pen_done(p);
	}
	if (bad)
		reply_error(r->ex, 0);
	else
		exchange_respond(r->ex, 200, B("application/json"), buf_bytes(&r->out));
	buf_deinit(&r->out);
}

int internal_needs_record(const struct exchange *ex)
{
	if (api_app(ex)->reads)
		return 0;
	return fail(ERR_ROUTE_NOT_FOUND,
		    "Nothing is recorded: gateway.observability.enabled is false");
}

int internal_read(struct exchange *ex, uint64_t ms, read_fn *fn, void *arg)
{
	return internal_needs_record(ex) ? -1
					 : reads_run(api_app(ex)->reads, ms, fn, arg, ex->arena);
}

struct bytes seq_text(int64_t seq, char out[UUID_TEXT + 1])
{
	return uuid_text(row_seq_id(seq), out);
}

void pen_time(struct pen *p, uint64_t unix_ms)
{
	char text[25];

	time_rfc3339_ms(unix_ms, text);
	pen_string(p, bytes_of(text));
}
