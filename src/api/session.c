/*
 * Signing in and out of the pages (ui §4.15, §5, §7). A sign-in by password, API key or one-time link makes a new
 * session, whatever cookie came with it; what the browser gets is a random number of which the store has the SHA-256. A
 * refusal never says which part was wrong, and takes as long as a success.
 *
 * Passwords are hashed on the thread pool, two at a time: each takes 32 MiB and a core for 80 ms, and whoever asks is
 * not known yet.
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/auth.h"
#include "api/guard.h"
#include "api/internal.h"
#include "api/password.h"
#include "api/sign_in.h"
#include "base/json.h"
#include "base/log.h"
#include "base/time.h"
#include "base/version.h"

#define HASHING_MAX 2
#define MAX_AGE     "2592000" /* SESSION_LIFE_MS */

static atomic_int hashing;

/* ---- a sign-in ---- */

enum verdict { REFUSED, ADMITTED, NO_ROLE, TOO_MANY, NO_STORE };

struct sign_in_try {
	struct app *app;
	const struct config *config;
	struct bytes user, password, api_key, link; /* as they came; unset: not there */
	struct bytes hash;                          /* of that user; unset: there is none */
	struct bytes old_id;                        /* of the session that the browser had */
	struct actor actor;
	struct session session;
	char secret[SESSION_SECRET + 1];
	enum verdict verdict;
};

static int read_try(struct exchange *ex, struct sign_in_try *t)
{
	struct bytes body;
	yyjson_val *v;

	if (exchange_body(ex, &body))
		return -1;
	v = json_parse(body, ex->arena);
	if (!v)
		return fail_as(ERR_INVALID_REQUEST);
	t->user = json_str(json_get(v, "user"));
	t->password = json_str(json_get(v, "password"));
	t->api_key = json_str(json_get(v, "api_key"));
	t->link = json_str(json_get(v, "link"));
	if (bytes_set(t->password) + bytes_set(t->api_key) + bytes_set(t->link) != 1)
		return fail(
			ERR_INVALID_REQUEST,
			"Send one of {\"user\", \"password\"}, {\"api_key\"}, {\"link\"} (`user` may be left out where there is one)");
	return 0;
}

/* The user that is meant, and the hash; what is left unset is no user. */
static void find_user(struct sign_in_try *t)
{
	const struct app *app = t->app;
	const struct ui_config *ui = &t->config->ui;
	size_t users = ui->nusers + bytes_set(app->admin_hash);

	if (!bytes_set(t->user) && users == 1)
		t->user = ui->nusers ? ui->users[0].name : UI_ADMIN;
	if (bytes_set(app->admin_hash) && bytes_eq(t->user, UI_ADMIN)) {
		t->hash = app->admin_hash;
		t->session.role = ROLE_ADMIN;
		return;
	}
	for (size_t i = 0; i < ui->nusers; i++)
		if (bytes_eq(ui->users[i].name, t->user)) {
			t->hash = ui->users[i].password_hash;
			t->session.role = ui->users[i].role;
		}
}

/* Whose failures are counted: one for all who do not exist, or the list would be anybody's to fill. */
static struct bytes counted_as(const struct sign_in_try *t)
{
	if (bytes_set(t->password))
		return bytes_set(t->hash) ? t->user : B("?");
	return bytes_set(t->api_key) ? B("key:") : B("link:");
}

static void put(char *to, size_t size, struct bytes text)
{
	snprintf(to, size, "%.*s", BFMT(bytes_head(text, size - 1)));
}

static void try_password(struct sign_in_try *t)
{
	struct session *s = &t->session;

	if (atomic_fetch_add(&hashing, 1) >= HASHING_MAX) {
		t->verdict = TOO_MANY;
	} else if (password_fits(t->password, t->hash)) {
		t->verdict = ADMITTED;
		put(s->user, sizeof(s->user), t->user);
		put(s->method, sizeof(s->method), B("password"));
		guard_password_proof(t->hash, s->proof);
	}
	atomic_fetch_sub(&hashing, 1);
}

static void try_key(struct sign_in_try *t)
{
	struct session *s = &t->session;
	struct key_found found;

	if (auth_key_text(t->app, t->api_key, &found) != AUTH_GOOD) {
		if (error_last()->kind == ERR_BUSY)
			t->verdict = NO_STORE;
		return;
	}
	s->role = found.role < 0 ? t->config->ui.default_key_role : (enum guard_role)found.role;
	t->verdict = s->role == ROLE_NONE ? NO_ROLE : ADMITTED;
	put(s->user, sizeof(s->user), bytes_of(found.public_id));
	put(s->key_public_id, sizeof(s->key_public_id), bytes_of(found.public_id));
	put(s->method, sizeof(s->method), B("key"));
}

static void try_link(struct sign_in_try *t)
{
	struct session *s = &t->session;
	int used = t->app->keys ? links_use(t->app->keys, t->link) : -1;

	t->verdict = used > 0 ? ADMITTED : used < 0 ? NO_STORE : REFUSED;
	s->role = ROLE_ADMIN;
	put(s->user, sizeof(s->user), B("link"));
	put(s->method, sizeof(s->method), B("link"));
}

/* On another thread: hashing and the store take their time. */
static void try_all(void *arg)
{
	struct sign_in_try *t = arg;
	struct keys *keys = t->app->keys;

	if (bytes_set(t->password))
		try_password(t);
	else if (bytes_set(t->api_key))
		try_key(t);
	else
		try_link(t);
	if (t->verdict != ADMITTED) {
		t->actor.user = counted_as(t);
		if (keys && t->verdict == REFUSED)
			audit_add(keys, &t->actor, B("session.refused"), B(""));
		return;
	}
	put(t->session.address, sizeof(t->session.address), t->actor.address);
	t->actor.user = bytes_of(t->session.user);
	if (!keys || sessions_create(keys, &t->session, t->secret)) {
		t->verdict = NO_STORE;
		return;
	}
	if (t->old_id.n)
		sessions_end(keys, t->old_id, &t->actor);
	audit_add(keys, &t->actor, B("session.begin"), bytes_of(t->session.id));
}

/* ---- its answer ---- */

static void set_cookie(struct exchange *ex, const char *value, const char *max_age)
{
	bool https = guard_is_https(ex);

	exchange_header(
		ex, B("set-cookie"),
		arena_printf(ex->arena,
			     "%ssignet_session=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%s%s",
			     https ? "__Host-" : "", value, max_age, https ? "; Secure" : ""));
}

/* {"error","code"} and what else there is to say. */
static void refuse(struct exchange *ex, int status, const char *code, const char *text)
{
	struct buf out;
	struct pen p = { .b = &out };

	buf_init(&out, 4096);
	pen_open(&p, '{');
	pen_text(&p, "error", bytes_of(text));
	pen_text(&p, "code", bytes_of(code));
	pen_close(&p, '}');
	if (!pen_done(&p))
		exchange_respond(ex, status, B("application/json"), buf_bytes(&out));
	buf_deinit(&out);
}

static void refuse_wait(struct exchange *ex, uint64_t ms)
{
	long long s = (long long)((ms + 999) / 1000);

	exchange_header(ex, B("retry-after"), arena_printf(ex->arena, "%lld", s));
	refuse(ex, 429, "wait",
	       arena_printf(ex->arena, "Too many failed sign-ins: try again in %lld s", s).p);
}

static void answer_try(struct exchange *ex, struct sign_in_try *t)
{
	struct sign_in *list = t->app->sign_in;

	if (t->verdict == REFUSED)
		auth_count_failure("sign_in");
	if (t->verdict == ADMITTED || t->verdict == REFUSED)
		sign_in_count(list, counted_as(t), t->actor.address, t->verdict == ADMITTED,
			      clock_mono_ms());
	switch (t->verdict) {
	case ADMITTED:
		set_cookie(ex, t->secret, MAX_AGE);
		exchange_respond(ex, 204, (struct bytes){ 0 }, B(""));
		break;
	case REFUSED:
		refuse(ex, 401, "refused",
		       "This is no valid sign-in: name and password, key or link do not fit");
		break;
	case NO_ROLE:
		refuse(ex, 403, "no_role",
		       "The key is valid, but has no role for the pages (`[ui] default_key_role`, or `signet keys create --role viewer`)");
		break;
	case TOO_MANY: refuse_wait(ex, 1000); break;
	case NO_STORE:
		refuse(ex, 503, "store",
		       "Nobody can sign in: the store of keys and sessions cannot be used");
		break;
	}
	OPENSSL_cleanse(t->secret, sizeof(t->secret));
}

static void post_session(struct exchange *ex, const struct bytes params[INTERNAL_PARAMS])
{
	struct sign_in_try *t = arena_new(ex->arena, struct sign_in_try);
	struct session old;
	uint64_t wait;

	(void)params;
	if (!t) {
		reply_error(ex, 503);
		return;
	}
	t->app = api_app(ex);
	t->config = api_config(ex);
	t->actor = guard_actor(ex, &(struct caller){ 0 });
	if (read_try(ex, t)) {
		reply_error(ex, error_last()->kind == ERR_PROTOCOL ? 400 : 0);
		return;
	}
	if (guard_session(ex, &old))
		t->old_id = arena_dup(ex->arena, bytes_of(old.id));
	find_user(t);
	wait = sign_in_wait_ms(t->app->sign_in, counted_as(t), t->actor.address, clock_mono_ms());
	if (wait)
		refuse_wait(ex, wait);
	else if (offload(try_all, t))
		reply_error(ex, 503);
	else
		answer_try(ex, t);
}

/* ---- signing out ---- */

struct ending {
	struct keys *keys;
	struct bytes id;
	struct actor actor;
	int bad;
};

static void end_session(void *arg)
{
	struct ending *e = arg;

	e->bad = sessions_end(e->keys, e->id, &e->actor);
}

/* Ends one, and answers 204 or the error. */
static void end_and_answer(struct exchange *ex, struct bytes id, const struct caller *caller,
			   bool own)
{
	struct ending e = { .keys = api_app(ex)->keys, .id = id, .actor = guard_actor(ex, caller) };

	if (!e.keys) {
		fail(ERR_NOT_FOUND, "There is no such session");
		reply_error(ex, 404);
		return;
	}
	if (offload(end_session, &e) || (e.bad && !(own && error_last()->kind == ERR_NOT_FOUND))) {
		reply_error(ex, error_last()->kind == ERR_NOT_FOUND ? 404 : 503);
		return;
	}
	if (own)
		set_cookie(ex, "", "0");
	exchange_respond(ex, 204, (struct bytes){ 0 }, B(""));
}

static void delete_session(struct exchange *ex, const struct bytes params[INTERNAL_PARAMS])
{
	struct caller caller;

	(void)params;
	guard_caller(ex, &caller);
	if (*caller.session.id) {
		end_and_answer(ex, bytes_of(caller.session.id), &caller, true);
		return;
	}
	set_cookie(ex, "", "0");
	exchange_respond(ex, 204, (struct bytes){ 0 }, B(""));
}

static void delete_other_session(struct exchange *ex, const struct bytes params[INTERNAL_PARAMS])
{
	struct caller caller;

	guard_caller(ex, &caller);
	end_and_answer(ex, params[0], &caller, bytes_eq(params[0], bytes_of(caller.session.id)));
}

/* ---- who am I ---- */

/* What a page of sign-in offers; nothing else, before anybody is known. */
static void answer_stranger(struct exchange *ex)
{
	static const struct bytes ways[] = { B("password"), B("key"), B("link") };
	const struct app *app = api_app(ex);
	struct buf out;
	struct pen p = { .b = &out };

	buf_init(&out, 4096);
	pen_open(&p, '{');
	pen_text(&p, "error", B("Sign in"));
	pen_text(&p, "code", B("sign_in"));
	pen_key(&p, "login");
	pen_open(&p, '[');
	for (size_t i = 0; app->keys && i < COUNT(ways); i++)
		if (i > 0 || guard_has_users(api_config(ex))) {
			pen_item(&p);
			pen_string(&p, ways[i]);
		}
	pen_close(&p, ']');
	pen_key(&p, "needs_user");
	pen_bytes(&p, api_config(ex)->ui.nusers + bytes_set(app->admin_hash) > 1 ? B("true")
										 : B("false"));
	pen_close(&p, '}');
	if (!pen_done(&p))
		exchange_respond(ex, 401, B("application/json"), buf_bytes(&out));
	buf_deinit(&out);
}

/* NULL: nobody in particular. */
static const char *user_of(const struct caller *c)
{
	if (*c->session.user)
		return c->session.user;
	if (*c->key_public_id)
		return c->key_public_id;
	return strcmp(c->method, "auto") ? NULL : "local";
}

static void get_session(struct exchange *ex, const struct bytes params[INTERNAL_PARAMS])
{
	/* the first two are always there, those of keys where they can be read, the last where clients must bring one */
	static const char *const features[] = { "config-check", "config-reload", "keys",
						"sessions",     "audit",         "auth" };
	const struct app *app = api_app(ex);
	struct caller caller;
	struct reply r;
	char csrf[CSRF_TEXT + 1];
	struct bytes user;
	size_t n;

	(void)params;
	guard_caller(ex, &caller);
	if (!caller.method || caller.role == ROLE_NONE) {
		answer_stranger(ex);
		return;
	}
	user = bytes_of(user_of(&caller));
	guard_csrf(ex, &caller, csrf);
	reply_begin(&r, ex);
	pen_key(&r.pen, "user");
	pen_string_or_null(&r.pen, user);
	pen_text(&r.pen, "role", bytes_of(role_names[caller.role]));
	pen_text(&r.pen, "method", bytes_of(caller.method));
	pen_text(&r.pen, "csrf", bytes_of(csrf));
	pen_key(&r.pen, "expires_at");
	if (*caller.session.id)
		pen_time(&r.pen, caller.session.ends_ms);
	else
		pen_lit(&r.pen, "null");
	pen_text(&r.pen, "version", B(SIGNET_VERSION));
	pen_text(&r.pen, "base", api_config(ex)->gateway.base_path);
	pen_key(&r.pen, "public_url");
	pen_string_or_null(&r.pen, api_config(ex)->ui.public_url);
	pen_key(&r.pen, "features");
	pen_open(&r.pen, '[');
	n = !app->keys ? 2 : api_config(ex)->gateway.auth ? COUNT(features) : COUNT(features) - 1;
	for (size_t i = 0; i < n; i++) {
		pen_item(&r.pen);
		pen_string(&r.pen, bytes_of(features[i]));
	}
	pen_close(&r.pen, ']');
	reply_end(&r, 0);
}

static void get_sessions(struct exchange *ex, const struct bytes params[INTERNAL_PARAMS])
{
	struct app *app = api_app(ex);
	struct session *list = NULL;
	struct caller caller;
	size_t n = 0;
	struct reply r;
	int bad = app->keys ? sessions_list(app->keys, ex->arena, &list, &n) : 0;

	(void)params;
	guard_caller(ex, &caller);
	reply_begin(&r, ex);
	pen_key(&r.pen, "sessions");
	pen_open(&r.pen, '[');
	for (size_t i = 0; i < n; i++) {
		pen_item(&r.pen);
		pen_open(&r.pen, '{');
		pen_text(&r.pen, "id", bytes_of(list[i].id));
		pen_text(&r.pen, "user", bytes_of(list[i].user));
		pen_text(&r.pen, "role", bytes_of(role_names[list[i].role]));
		pen_text(&r.pen, "method", bytes_of(list[i].method));
		pen_text(&r.pen, "address", bytes_of(list[i].address));
		pen_key(&r.pen, "created_at");
		pen_time(&r.pen, list[i].created_ms);
		pen_key(&r.pen, "seen_at");
		pen_time(&r.pen, list[i].seen_ms);
		pen_key(&r.pen, "expires_at");
		pen_time(&r.pen, list[i].ends_ms);
		pen_key(&r.pen, "own");
		pen_bytes(&r.pen, strcmp(list[i].id, caller.session.id) ? B("false") : B("true"));
		pen_close(&r.pen, '}');
	}
	pen_close(&r.pen, ']');
	reply_end(&r, bad);
}

const struct internal_route internal_session_routes[] = {
	{ "GET", "/internal/signet/session", ROLE_NONE, get_session },
	{ "POST", "/internal/signet/session", ROLE_NONE, post_session },
	{ "DELETE", "/internal/signet/session", ROLE_NONE, delete_session },
	{ "GET", "/internal/signet/sessions", ROLE_ADMIN, get_sessions },
	{ "DELETE", "/internal/signet/sessions/{id}", ROLE_ADMIN, delete_other_session },
	{ 0 },
};
