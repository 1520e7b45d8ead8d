/*
 * Who calls the gateway's own routes. Three ways in: sitting at this machine (mode auto, nothing configured), a session's
 * cookie, an API key with a role. A browser sends cookies and reaches 127.0.0.1 for any page that asks it to, so whatever
 * is not a key in a header must also prove that a page of ours asked: its Origin is this host, and what changes something
 * carries a header that other sites cannot send.
 *
 * Local is a peer on the loopback that names this machine as it is called from here (a page elsewhere whose name was bent
 * to 127.0.0.1 names itself) and that came through no proxy. The trap: whoever believes one header too many lets the
 * whole network in.
 */
#include "api/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/api.h"
#include "api/auth.h"
#include "base/error.h"
#include "net/socket.h"
#include "net/web_origin.h"

/* ---- local ---- */

static bool is_loopback(const struct sockaddr_storage *peer)
{
	const struct sockaddr_in6 *v6 = (const void *)peer;

	if (peer->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)peer)->sin_addr.s_addr) >>
			       24 ==
		       127;
	if (peer->ss_family != AF_INET6)
		return false;
	return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
	       (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127);
}

static bool was_forwarded(const struct exchange *ex)
{
	static const struct bytes names[] = { B("forwarded"), B("via"), B("x-real-ip"),
					      B("x-signet-remote") };

	for (size_t i = 0; i < ex->nheaders; i++) {
		struct bytes name = ex->headers[i].name;

		for (size_t k = 0; k < COUNT(names); k++)
			if (bytes_ieq(name, names[k]))
				return true;
		if (bytes_istarts(name, B("x-forwarded-")))
			return true;
	}
	return false;
}

bool guard_has_users(const struct config *c)
{
	return c->ui.nusers || bytes_set(c->ui.password);
}

bool guard_is_near(const struct exchange *ex)
{
	struct sockaddr_storage peer;

	return exchange_peer(ex, &peer) && is_loopback(&peer) &&
	       web_host_is_local(exchange_get(ex, B("host"))) && !was_forwarded(ex);
}

static bool is_local(const struct exchange *ex)
{
	const struct config *c = api_config(ex);

	return c->ui.auth == UI_AUTH_AUTO && !c->gateway.auth && !guard_has_users(c) &&
	       guard_is_near(ex);
}

/* ---- sessions ---- */

bool guard_is_https(const struct exchange *ex)
{
	struct bytes url = api_config(ex)->ui.public_url;

	return bytes_istarts(url, B("https://")) ||
	       bytes_ieq(exchange_get(ex, B("x-forwarded-proto")), B("https"));
}

struct bytes guard_cookie(const struct exchange *ex)
{
	static const struct bytes names[] = { B("__Host-signet_session"), B("signet_session") };
	struct bytes all = exchange_get(ex, B("cookie"));

	while (all.n) {
		struct bytes value = bytes_trim(bytes_cut(&all, ';')),
			     name = bytes_cut(&value, '=');

		for (size_t i = 0; i < COUNT(names); i++)
			if (bytes_eq(name, names[i]))
				return value;
	}
	return (struct bytes){ 0 };
}

static void hash_text(struct bytes a, struct bytes b, char out[33])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	struct buf all;

	buf_init(&all, 4096);
	if (buf_append(&all, a) || buf_append(&all, b))
		abort(); /* both are short */
	SHA256((const unsigned char *)all.data, all.len, digest);
	OPENSSL_cleanse(all.data, all.len);
	buf_deinit(&all);
	hex_print(digest, 16, out);
}

void guard_password_proof(struct bytes password_hash, char out[33])
{
	hash_text(B("signet password "), bytes_head(password_hash, 1024), out);
}

/* What the user of a password's session may do today: nothing, if the user or the password is another. */
static enum guard_role role_today(const struct exchange *ex, const struct session *s)
{
	const struct ui_config *ui = &api_config(ex)->ui;
	const struct app *app = api_app(ex);
	char proof[33];

	if (bytes_set(app->admin_hash) && bytes_eq(bytes_of(s->user), UI_ADMIN)) {
		guard_password_proof(app->admin_hash, proof);
		if (!CRYPTO_memcmp(proof, s->proof, 32))
			return ROLE_ADMIN;
	}
	for (size_t i = 0; i < ui->nusers; i++) {
		if (!bytes_eq(ui->users[i].name, bytes_of(s->user)))
			continue;
		guard_password_proof(ui->users[i].password_hash, proof);
		return CRYPTO_memcmp(proof, s->proof, 32) ? ROLE_NONE : ui->users[i].role;
	}
	return ROLE_NONE;
}

static enum guard_role key_role(const struct exchange *ex, const struct key_found *found)
{
	return found->role < 0 ? api_config(ex)->ui.default_key_role : (enum guard_role)found->role;
}

bool guard_session(const struct exchange *ex, struct session *s)
{
	struct app *app = api_app(ex);
	struct bytes cookie = guard_cookie(ex);
	struct key_found found;

	if (!cookie.n || !app->keys || !api_config(ex)->ui.enabled ||
	    !sessions_find(app->keys, cookie, s))
		return false;
	if (!strcmp(s->method, "password"))
		s->role = role_today(ex, s);
	else if (!strcmp(s->method, "key"))
		s->role = keys_state(app->keys, bytes_of(s->key_public_id), &found) == KEY_GOOD
				  ? key_role(ex, &found)
				  : ROLE_NONE;
	return s->role != ROLE_NONE;
}

/* ---- what a browser must prove ---- */

static char page_secret[CSRF_TEXT + 1]; /* of callers without a session; for this process */

static void make_page_secret(void)
{
	unsigned char bytes[CSRF_TEXT / 2];

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		abort();
	hex_print(bytes, sizeof(bytes), page_secret);
}

void guard_csrf(const struct exchange *ex, const struct caller *caller, char out[CSRF_TEXT + 1])
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	if (caller->method && *caller->session.id) {
		hash_text(B("signet csrf "), bytes_head(guard_cookie(ex), 1024), out);
		return;
	}
	pthread_once(&once, make_page_secret);
	memcpy(out, page_secret, sizeof(page_secret));
}

static bool is_origin_of(struct bytes origin, struct bytes url)
{
	ptrdiff_t at = bytes_find(url, B("://")), end;

	if (at < 0)
		return false;
	end = bytes_chr(bytes_slice(url, (size_t)at + 3, url.n), '/');
	if (end >= 0)
		url.n = (size_t)at + 3 + (size_t)end;
	return bytes_ieq(origin, url);
}

bool guard_is_public_url(const struct exchange *ex, struct bytes origin)
{
	return is_origin_of(origin, api_config(ex)->ui.public_url);
}

/* Its own: the host that the request names, or the address under which the operator says that the gateway is known. */
bool guard_is_foreign(const struct exchange *ex)
{
	struct bytes origin = exchange_get(ex, B("origin")), host = exchange_get(ex, B("host")),
		     site = exchange_get(ex, B("sec-fetch-site"));
	ptrdiff_t at = bytes_find(origin, B("://"));

	if (bytes_set(site) && !bytes_eq(site, B("same-origin")) && !bytes_eq(site, B("none")))
		return true;
	if (!bytes_set(origin) || guard_is_public_url(ex, origin))
		return false;
	return at < 0 || !bytes_ieq(bytes_slice(origin, (size_t)at + 3, origin.n), host);
}

static bool changes_something(const struct exchange *ex)
{
	return !bytes_eq(ex->method, B("GET")) && !bytes_eq(ex->method, B("HEAD"));
}

static bool is_json(const struct exchange *ex)
{
	struct bytes type = exchange_get(ex, B("content-type"));

	return bytes_ieq(bytes_trim(bytes_cut(&type, ';')), B("application/json"));
}

/* A route of Signet's own, none of TensorZero's. */
static bool is_ours(const struct exchange *ex)
{
	struct bytes base = api_config(ex)->gateway.base_path;

	return bytes_starts(bytes_slice(ex->path, base.n, ex->path.n), B("/internal/signet"));
}

/* NULL, or why not. Somebody without a session has no token yet: any will do, no other site can send the header. On
 * TensorZero's routes who sits here may ask as there: with curl, without it. */
static const char *lacks_proof(const struct exchange *ex, const struct caller *caller)
{
	struct bytes given = exchange_get(ex, B("x-signet-csrf"));
	char wanted[CSRF_TEXT + 1];

	if (guard_is_foreign(ex))
		return "This request comes from a page of another site";
	if (!changes_something(ex) || (!*caller->session.id && !is_ours(ex)))
		return NULL;
	if (!given.n)
		return "The header X-Signet-CSRF is missing (GET /internal/signet/session says what it must be)";
	if (!is_json(ex))
		return "The content type must be application/json";
	guard_csrf(ex, caller, wanted);
	if (api_config(ex)->ui.enabled && caller->method && /* else no route tells it */
	    (given.n != CSRF_TEXT || CRYPTO_memcmp(given.p, wanted, CSRF_TEXT) != 0))
		return "The header X-Signet-CSRF is of another session (reload the page)";
	return NULL;
}

/* ---- who calls ---- */

void guard_caller(struct exchange *ex, struct caller *out)
{
	struct key_found found;

	*out = (struct caller){ 0 };
	if (guard_session(ex, &out->session)) {
		out->method = out->session.method;
		out->role = out->session.role;
		return;
	}
	out->session = (struct session){ 0 };
	if (api_config(ex)->ui.auth == UI_AUTH_NONE) {
		out->method = "none";
		out->role = ROLE_EDITOR;
	} else if (is_local(ex)) {
		out->method = "auto";
		out->role = ROLE_ADMIN;
	} else if (!bytes_set(exchange_get(ex, B("x-signet-remote"))) &&
		   auth_key(ex, &found) == AUTH_GOOD) {
		out->method = "bearer";
		out->role = key_role(ex, &found);
		memcpy(out->key_public_id, found.public_id, sizeof(found.public_id));
	}
}

struct actor guard_actor(struct exchange *ex, const struct caller *caller)
{
	struct sockaddr_storage peer;
	char text[SOCK_ADDRESS_TEXT] = "";
	struct bytes address;
	const char *user = *caller->session.user    ? caller->session.user
			   : *caller->key_public_id ? caller->key_public_id
			   : caller->method         ? caller->method
						    : "";

	if (exchange_peer(ex, &peer))
		sock_address_text((struct sockaddr *)&peer, text);
	address = bytes_of(text);
	while (address.n && address.p[address.n - 1] != ':')
		address.n--; /* the port is of no use to anybody */
	address.n -= address.n > 0;
	return (struct actor){ .user = arena_dup(ex->arena, bytes_of(user)),
			       .address = arena_dup(ex->arena, address) };
}

/* ---- the verdict ---- */

static void set_headers(struct exchange *ex)
{
	static const struct http_header ours[] = {
		{ B("cache-control"), B("no-store") },
		{ B("content-security-policy"), B("default-src 'none'; frame-ancestors 'none'") },
		{ B("x-content-type-options"), B("nosniff") },
		{ B("referrer-policy"), B("no-referrer") },
		{ B("cross-origin-resource-policy"), B("same-origin") },
	};

	for (size_t i = 0; i < COUNT(ours); i++)
		if (!bytes_set(api_header_set(ex, ours[i].name)))
			exchange_header(ex, ours[i].name, ours[i].value);
}

static bool refuse(struct exchange *ex, int status, const char *text)
{
	fail(ERR_AUTH, "%s", text);
	api_respond_error(ex, write_native_error, status, B(""));
	return false;
}

/* A key in a header has TensorZero's rights on TensorZero's routes. */
static bool is_enough(struct exchange *ex, const struct caller *caller, enum guard_role needed)
{
	return caller->role >= needed || (*caller->key_public_id && !is_ours(ex));
}

bool guard_admits(struct exchange *ex, enum guard_role needed)
{
	struct caller caller;
	const char *why;

	set_headers(ex);
	guard_caller(ex, &caller);
	if (!*caller.key_public_id) { /* a header with a key is no browser's doing */
		why = lacks_proof(ex, &caller);
		if (why)
			return refuse(ex, 403, why);
	}
	if (needed == ROLE_NONE)
		return true;
	if (!caller.method)
		return refuse(
			ex, 401,
			"Sign in, or send an API key that has a role (`signet keys create --role viewer`)");
	if (!is_enough(ex, &caller, needed))
		return refuse(ex, 403,
			      arena_printf(ex->arena, "This needs the role %s, yours is %s",
					   role_names[needed], role_names[caller.role])
				      .p);
	return true;
}

const char *guard_session_lacks(const struct exchange *ex, const struct session *s)
{
	struct caller caller = { .role = s->role, .method = s->method, .session = *s };
	const char *why = lacks_proof(ex, &caller);

	if (!why && s->role < (changes_something(ex) ? ROLE_EDITOR : ROLE_VIEWER))
		return "This needs the role editor";
	return why;
}
