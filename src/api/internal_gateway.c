/* What pages show of the gateway itself: who asks, how it is, what is configured. */
#include "api/internal.h"

#include "base/version.h"

static void get_session(struct exchange *ex, const struct bytes *params)
{
	const struct config *c = api_app(ex)->config;
	struct reply reply;
	struct pen *p = &reply.pen;

	(void)params;
	reply_begin(&reply, ex);
	pen_text(p, "user", B("local"));
	pen_text(p, "role", B("admin"));
	pen_text(p, "method", B("auto"));
	pen_key(p, "csrf");
	pen_lit(p, "null");
	pen_key(p, "expires_at");
	pen_lit(p, "null");
	pen_text(p, "version", B(SIGNET_VERSION));
	pen_text(p, "base", c->gateway.base_path.p ? c->gateway.base_path : B(""));
	pen_key(p, "public_url");
	pen_lit(p, "null");
	pen_key(p, "features");
	pen_lit(p, "[]");
	reply_end(&reply, 0);
}

const struct internal_route internal_gateway_routes[] = {
	{ "GET", "/internal/signet/session", ROLE_VIEWER, get_session },
	{ 0 },
};
