/*
 * What a browser says of the page that makes it ask. Any page may have a browser send a request to 127.0.0.1, or to a name
 * of its own that it bends there; it cannot read the answer, but the tokens are spent. Browsers name the page in Origin
 * on whatever is not a plain GET of the same site, and nobody else sends one: so it must be a page that may.
 *
 * The gateway's own pages call from the address that the browser knows it by. That is believed of `[ui] public_url`, and of
 * a session, which no name of a stranger's has (and which must prove more, see guard.c); not of Host alone, which a
 * bent name has too.
 * Trap: a browser's preflight brings no key, so it is answered before anybody asks for one.
 */
#include "api/origin.h"

#include "api/api.h"
#include "api/guard.h"
#include "net/web_origin.h"

#define PREFLIGHT_S B("600")

static bool is_listed(const struct server_config *s, struct bytes origin)
{
	for (size_t i = 0; i < s->cors_origins.len; i++)
		if (web_origin_same(origin, s->cors_origins.at[i]))
			return true;
	return false;
}

static bool may_call(const struct exchange *ex, struct bytes origin)
{
	const struct config *c = api_config(ex);

	return web_origin_is_loopback(origin) || is_listed(&c->server, origin) ||
	       guard_is_public_url(ex, origin);
}

/* Of all its Origin headers; a browser sends one. Unset: it is no browser's. */
static struct bytes origin_of(const struct exchange *ex, bool *admitted)
{
	struct bytes first = { 0 };

	*admitted = true;
	for (size_t i = 0; i < ex->nheaders; i++) {
		if (!bytes_ieq(ex->headers[i].name, B("origin")))
			continue;
		if (!bytes_set(first))
			first = ex->headers[i].value.n ? ex->headers[i].value : B("");
		*admitted = *admitted && may_call(ex, ex->headers[i].value);
	}
	return first;
}

/* ---- a page that may ---- */

static void let_read(struct exchange *ex, struct bytes origin)
{
	exchange_header(ex, B("access-control-allow-origin"), origin);
	exchange_header(ex, B("access-control-expose-headers"), B("*"));
	exchange_header(ex, B("vary"), B("origin"));
}

static bool is_preflight(const struct exchange *ex)
{
	return bytes_eq(ex->method, B("OPTIONS")) &&
	       bytes_set(exchange_get(ex, B("access-control-request-method")));
}

/* What it asks for is granted; whether the route is there and takes the method, the request itself learns, and can show. */
static void answer_preflight(struct exchange *ex)
{
	struct bytes asked = exchange_get(ex, B("access-control-request-headers"));

	exchange_header(ex, B("access-control-allow-methods"), B("GET, HEAD, POST"));
	if (asked.n)
		exchange_header(ex, B("access-control-allow-headers"), asked);
	exchange_header(ex, B("access-control-max-age"), PREFLIGHT_S);
	exchange_respond(ex, 204, (struct bytes){ 0 }, B(""));
}

void origin_headers(struct exchange *ex)
{
	bool admitted;
	struct bytes origin = origin_of(ex, &admitted);

	if (bytes_set(origin) && admitted)
		let_read(ex, origin);
}

/* ---- the verdict ---- */

static bool is_own_page(const struct exchange *ex)
{
	struct session session;

	return !guard_is_foreign(ex) && guard_session(ex, &session);
}

bool origin_admits(struct exchange *ex, const struct door *door)
{
	bool admitted;
	struct bytes origin = origin_of(ex, &admitted);

	if (!bytes_set(origin))
		return true;
	if (admitted) {
		let_read(ex, origin);
		if (!is_preflight(ex))
			return true;
		answer_preflight(ex);
		return false;
	}
	if (is_own_page(ex))
		return true;
	fail_param(
		ERR_AUTH, (struct bytes){ 0 }, "origin_not_allowed",
		"Web pages of `%.*s` may not call this gateway (Origin; to allow them, add it to `[server] cors_origins`)",
		BFMT(bytes_head(origin, 200)));
	return door_refuse(ex, door, 403);
}
