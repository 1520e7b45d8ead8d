/*
 * API keys and the audit as pages see them (ui §4.11, §5). A key's text is in the answer that made it and nowhere else.
 * Limits, models and functions of a key come with limits; until then a request that names them is refused, so that
 * nobody believes in a bound that is not there.
 */
#include <openssl/crypto.h>

#include "api/auth.h"
#include "api/guard.h"
#include "api/internal.h"
#include "api/key_use.h"
#include "base/json.h"
#include "base/time.h"

#define DESCRIPTION_MAX 1024
#define KEEP_MAX_S      (30 * 86400)
#define AUDIT_PAGE      100
#define AUDIT_PAGE_MAX  1000

/* One of the calls below, on another thread. */
struct key_work {
	struct keys *keys;
	struct arena *arena;
	struct actor actor;
	struct bytes public_id;
	struct key_change change;
	uint64_t keep_ms;
	char text[KEY_TEXT + 1];
	struct key_facts *list;
	struct audit_event *events;
	uint64_t before, limit;
	size_t n;
	int bad;
};

/* NULL: answered. */
static struct key_work *work_new(struct exchange *ex)
{
	struct key_work *w = arena_new(ex->arena, struct key_work);
	struct caller caller;

	if (w && api_app(ex)->keys) {
		guard_caller(ex, &caller);
		w->keys = api_app(ex)->keys;
		w->arena = ex->arena;
		w->actor = guard_actor(ex, &caller);
		return w;
	}
	fail(ERR_STORE, "This gateway keeps no keys: nothing is recorded and gateway.auth is off");
	reply_error(ex, 503);
	return NULL;
}

static void answer_error(struct exchange *ex)
{
	enum error_kind kind = error_last()->kind;

	reply_error(ex, kind == ERR_NOT_FOUND ? 404 : kind == ERR_STORE ? 503 : 0);
}

/* false: answered. */
static bool run(struct exchange *ex, void (*fn)(void *), struct key_work *w)
{
	if (offload(fn, w) == 0 && !w->bad)
		return true;
	answer_error(ex);
	return false;
}

/* ---- what is asked ---- */

static int read_expiry(yyjson_val *v, struct key_change *c)
{
	c->set_expires = v != NULL;
	if (!v || yyjson_is_null(v))
		return 0;
	if (!time_parse_rfc3339(json_str(v), &c->expires_ms))
		return fail(ERR_INVALID_REQUEST,
			    "expires_at: not a time (write \"2027-01-31T00:00:00Z\", or null)");
	if (c->expires_ms <= clock_unix_ms())
		return fail(ERR_INVALID_REQUEST, "Expiration datetime needs to be in the future");
	return 0;
}

static int read_role(yyjson_val *v, struct key_change *c)
{
	struct bytes name = json_str(v);

	c->set_role = v != NULL;
	c->role = -1;
	if (!v || yyjson_is_null(v))
		return 0;
	for (int i = 0; role_names[i]; i++)
		if (bytes_eq(name, bytes_of(role_names[i])))
			c->role = i;
	return c->role >= 0 ? 0
			    : fail(ERR_INVALID_REQUEST,
				   "role: one of none, viewer, editor, admin, or null");
}

static int read_disabled(yyjson_val *v, struct key_change *c)
{
	c->set_disabled = v != NULL;
	if (v && !yyjson_is_bool(v))
		return fail(ERR_INVALID_REQUEST, "disabled: true or false");
	c->disabled = v && yyjson_get_bool(v);
	return 0;
}

static int read_description(yyjson_val *v, struct key_change *c)
{
	c->set_description = v != NULL;
	c->description = json_str(v);
	if (v && !yyjson_is_null(v) && !bytes_set(c->description))
		return fail(ERR_INVALID_REQUEST, "description: a text, or null");
	if (c->description.n > DESCRIPTION_MAX)
		return fail(ERR_INVALID_REQUEST, "description: at most %d bytes", DESCRIPTION_MAX);
	return 0;
}

/* What the body says; an empty one says nothing. `fresh`: of a key that is not there yet. */
static int read_change(struct exchange *ex, struct key_work *w, yyjson_val **body)
{
	static const char *const known[] = { "description", "expires_at", "role", "disabled",
					     "keep_s" };
	struct bytes text;
	size_t i, n;
	yyjson_val *key, *value;

	*body = NULL;
	if (exchange_body(ex, &text))
		return fail_as(ERR_INVALID_REQUEST);
	w->change.role = -1;
	if (!text.n)
		return 0;
	*body = json_parse(text, ex->arena);
	if (!*body)
		return fail_as(ERR_INVALID_REQUEST);
	if (!yyjson_is_obj(*body))
		return fail(ERR_INVALID_REQUEST, "The body must be a JSON object");
	yyjson_obj_foreach(*body, i, n, key, value)
	{
		size_t k = 0;

		while (k < COUNT(known) && !bytes_eq(json_str(key), bytes_of(known[k])))
			k++;
		if (k == COUNT(known) && !yyjson_is_null(value))
			return fail(ERR_INVALID_REQUEST,
				    "%.*s: this version of Signet does not support it for keys",
				    BFMT(bytes_head(json_str(key), 64)));
	}
	return read_description(json_get(*body, "description"), &w->change) ||
			       read_expiry(json_get(*body, "expires_at"), &w->change) ||
			       read_role(json_get(*body, "role"), &w->change) ||
			       read_disabled(json_get(*body, "disabled"), &w->change)
		       ? -1
		       : 0;
}

/* ---- what is answered ---- */

static void answer_new_key(struct exchange *ex, struct key_work *w)
{
	struct buf out;
	struct pen p = { .b = &out };

	buf_init(&out, 1024);
	pen_open(&p, '{');
	pen_text(&p, "public_id", ((struct bytes){ w->text + 6, KEY_PUBLIC_ID }));
	pen_text(&p, "key", bytes_of(w->text));
	pen_close(&p, '}');
	if (pen_done(&p))
		reply_error(ex, 503);
	else
		exchange_respond(ex, 201, B("application/json"), buf_bytes(&out));
	OPENSSL_cleanse(w->text, sizeof(w->text));
	if (out.data)
		OPENSSL_cleanse(out.data, out.len);
	buf_deinit(&out);
}

static void put_use(struct pen *p, const struct key_use *use)
{
	pen_key(p, "use_30d");
	if (!use || !use->known) {
		pen_lit(p, "null");
		return;
	}
	pen_open(p, '{');
	pen_number(p, "n", use->n);
	pen_number(p, "tokens", use->tokens);
	pen_key(p, "cost");
	if (use->priced)
		pen_printf(p, "%.9g", (double)use->cost_nano / 1e9);
	else
		pen_lit(p, "null");
	pen_close(p, '}');
}

static void put_key(struct pen *p, const struct key_facts *f, const struct key_use *use)
{
	pen_item(p);
	pen_open(p, '{');
	key_put_facts(p, f);
	pen_key(p, "limits");
	pen_lit(p, "[]");
	pen_key(p, "models");
	pen_lit(p, "null");
	pen_key(p, "functions");
	pen_lit(p, "null");
	pen_key(p, "last_used_at");
	key_put_time(p, f->used_ms);
	put_use(p, use);
	pen_close(p, '}');
}

/* ---- routes ---- */

static void list_keys(void *arg)
{
	struct key_work *w = arg;

	w->bad = keys_list(w->keys, w->arena, &w->list, &w->n);
}

static void get_keys(struct exchange *ex, const struct bytes params[INTERNAL_PARAMS])
{
	struct key_work *w = work_new(ex);
	struct key_use *use;
	struct reply r;

	(void)params;
	if (!w || !run(ex, list_keys, w))
		return;
	use = arena_array(ex->arena, struct key_use, w->n + 1);
	if (use)
		key_use_read(ex, w->list, w->n, use);
	reply_begin(&r, ex);
	pen_key(&r.pen, "enforced");
	pen_bytes(&r.pen, api_config(ex)->gateway.auth ? B("true") : B("false"));
	pen_key(&r.pen, "keys");
	pen_open(&r.pen, '[');
	for (size_t i = 0; i < w->n; i++)
		put_key(&r.pen, &w->list[i], use ? &use[i] : NULL);
	pen_close(&r.pen, ']');
	reply_end(&r, 0);
}

static void create_key(void *arg)
{
	struct key_work *w = arg;

	w->bad = keys_create(w->keys, &w->change, &w->actor, w->text);
}

static void post_keys(struct exchange *ex, const struct bytes params[INTERNAL_PARAMS])
{
	struct key_work *w = work_new(ex);
	yyjson_val *body;

	(void)params;
	if (!w)
		return;
	if (read_change(ex, w, &body))
		answer_error(ex);
	else if (run(ex, create_key, w))
		answer_new_key(ex, w);
}

static void change_key(void *arg)
{
	struct key_work *w = arg;

	w->bad = keys_change(w->keys, w->public_id, &w->change, &w->actor);
}

static void patch_key(struct exchange *ex, const struct bytes params[INTERNAL_PARAMS])
{
	struct key_work *w = work_new(ex);
	yyjson_val *body;

	if (!w)
		return;
	w->public_id = params[0];
	if (read_change(ex, w, &body))
		answer_error(ex);
	else if (run(ex, change_key, w))
		exchange_respond(ex, 204, (struct bytes){ 0 }, B(""));
}

static void rotate_key(void *arg)
{
	struct key_work *w = arg;

	w->bad = keys_rotate(w->keys, w->public_id, w->keep_ms, &w->actor, w->text);
}

static void post_rotate(struct exchange *ex, const struct bytes params[INTERNAL_PARAMS])
{
	struct key_work *w = work_new(ex);
	uint64_t keep_s = 0;
	yyjson_val *body, *keep;

	if (!w)
		return;
	w->public_id = params[0];
	if (read_change(ex, w, &body)) {
		answer_error(ex);
		return;
	}
	keep = json_get(body, "keep_s");
	if (keep && (!json_u64(keep, &keep_s) || keep_s > KEEP_MAX_S)) {
		fail(ERR_INVALID_REQUEST, "keep_s: seconds from 0 to %d", KEEP_MAX_S);
		answer_error(ex);
		return;
	}
	w->keep_ms = keep_s * 1000;
	if (run(ex, rotate_key, w))
		answer_new_key(ex, w);
}

static void list_audit(void *arg)
{
	struct key_work *w = arg;

	w->bad = audit_list(w->keys, w->before, w->limit, w->arena, &w->events, &w->n);
}

static void get_audit(struct exchange *ex, const struct bytes params[INTERNAL_PARAMS])
{
	struct key_work *w = work_new(ex);
	struct reply r;

	(void)params;
	if (!w)
		return;
	if (query_count(ex, B("limit"), AUDIT_PAGE, AUDIT_PAGE_MAX, &w->limit) ||
	    query_count(ex, B("cursor"), 0, INT64_MAX, &w->before)) {
		answer_error(ex);
		return;
	}
	if (!run(ex, list_audit, w))
		return;
	reply_begin(&r, ex);
	pen_key(&r.pen, "events");
	pen_open(&r.pen, '[');
	for (size_t i = 0; i < w->n; i++) {
		pen_item(&r.pen);
		pen_open(&r.pen, '{');
		pen_key(&r.pen, "t");
		pen_time(&r.pen, w->events[i].at_ms);
		pen_text(&r.pen, "user", w->events[i].user);
		pen_text(&r.pen, "address", w->events[i].address);
		pen_text(&r.pen, "action", w->events[i].action);
		pen_text(&r.pen, "target", w->events[i].target);
		pen_close(&r.pen, '}');
	}
	pen_close(&r.pen, ']');
	pen_key(&r.pen, "next");
	if (w->n && w->n == w->limit)
		pen_printf(&r.pen, "\"%llu\"", (unsigned long long)w->events[w->n - 1].id);
	else
		pen_lit(&r.pen, "null");
	reply_end(&r, 0);
}

const struct internal_route internal_key_routes[] = {
	{ "GET", "/internal/signet/keys", ROLE_ADMIN, get_keys },
	{ "POST", "/internal/signet/keys", ROLE_ADMIN, post_keys },
	{ "PATCH", "/internal/signet/keys/{id}", ROLE_ADMIN, patch_key },
	{ "POST", "/internal/signet/keys/{id}/rotate", ROLE_ADMIN, post_rotate },
	{ "GET", "/internal/signet/audit", ROLE_ADMIN, get_audit },
	{ 0 },
};
