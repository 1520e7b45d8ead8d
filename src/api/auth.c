/*
 * The check of API keys, before bodies are read and before an unknown path is told from a known one, with TensorZero's
 * texts. A key may come in one of four headers, because clients have one each; the other headers may hold what is meant
 * for an upstream. So every header is looked at, one good key is enough, and only if there is none does one of them say
 * what is wrong.
 *
 * Trap: a browser's session stands in for a key, but then its role decides and the request must prove that a page of
 * ours made it (guard.c).
 */
#include "api/auth.h"

#include "api/guard.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"

static METRIC(auth_failures, METRIC_COUNTER, "signet_auth_failures_total", "result",
	      "Requests and sign-ins that were refused");

#define TOP         "TensorZero authentication error: "
#define PERFORMING  TOP "Error performing authentication: "
#define BEARER      B("Bearer ")
#define CHRONO_TEXT 40

/* ---- one key ---- */

/* As chrono prints a time: "2026-11-30 17:03:36.120 UTC", no fraction if there is none. */
static void print_time(uint64_t unix_ms, char out[CHRONO_TEXT])
{
	char text[25];

	time_rfc3339_ms(unix_ms, text);
	text[10] = ' ';
	text[unix_ms % 1000 ? 23 : 19] = '\0';
	snprintf(out, CHRONO_TEXT, "%s UTC", text);
}

void auth_count_failure(const char *result)
{
	METRIC_ADD(&auth_failures, 1, bytes_of(result));
}

static enum auth_result refuse(const char *result)
{
	auth_count_failure(result);
	return AUTH_BAD;
}

static enum auth_result refuse_state(enum key_state state, const struct key_found *found)
{
	char when[CHRONO_TEXT];

	switch (state) {
	case KEY_GOOD: return AUTH_GOOD;
	case KEY_UNKNOWN:
		fail(ERR_AUTH, PERFORMING "Provided API key does not exist in the database");
		return refuse("unknown");
	case KEY_DISABLED:
		print_time(found->at_ms, when);
		fail(ERR_AUTH, PERFORMING "API key was disabled at: %s", when);
		return refuse("disabled");
	case KEY_EXPIRED:
		print_time(found->at_ms, when);
		fail(ERR_AUTH, PERFORMING "API key expired at: %s", when);
		return refuse("expired");
	case KEY_UNREADABLE: break;
	}
	fail(ERR_BUSY, TOP "Database error: the keys cannot be read");
	return refuse("unreadable");
}

static enum auth_result check_text(struct app *app, struct bytes text, struct key_found *found)
{
	struct bytes id, secret;
	const char *wrong = key_parse(text, &id, &secret);

	if (wrong) {
		fail(ERR_AUTH, TOP "Invalid format for TensorZero API key: %s", wrong);
		return refuse("malformed");
	}
	return refuse_state(app->keys ? keys_find(app->keys, id, secret, found) : KEY_UNREADABLE,
			    found);
}

enum auth_result auth_key_text(struct app *app, struct bytes text, struct key_found *found)
{
	return check_text(app, text, found);
}

/* ---- the headers ---- */

static const struct bytes headers[] = { B("authorization"), B("x-signet-api-key"), B("x-api-key"),
					B("api-key") };

static bool is_text(struct bytes value)
{
	for (size_t i = 0; i < value.n; i++)
		if (((unsigned char)value.p[i] < 0x20 && value.p[i] != '\t') ||
		    (unsigned char)value.p[i] >= 0x7f)
			return false;
	return true;
}

static enum auth_result check_header(struct app *app, size_t which, struct bytes value,
				     struct key_found *found)
{
	if (!is_text(value)) {
		fail(ERR_AUTH,
		     PERFORMING "Invalid authorization header: failed to convert header to a str");
		return refuse("malformed");
	}
	if (which == 0) {
		if (!bytes_starts(value, BEARER)) {
			fail(ERR_AUTH, PERFORMING "authorization header must start with 'Bearer '");
			return refuse("malformed");
		}
		value = bytes_slice(value, BEARER.n, value.n);
	}
	return check_text(app, value, found);
}

/* The header that says what is wrong: the first that looks like a key of this gateway, else the first. */
static size_t speaks(const struct exchange *ex, size_t *count)
{
	size_t first = COUNT(headers), like = COUNT(headers);

	*count = 0;
	for (size_t i = COUNT(headers); i-- > 0;) {
		struct bytes value = exchange_get(ex, headers[i]);

		if (!bytes_set(value))
			continue;
		++*count;
		first = i;
		if (bytes_find(value, B("sk-t0-")) >= 0)
			like = i;
	}
	return like < COUNT(headers) ? like : first;
}

static enum auth_result missing(void)
{
	fail(ERR_AUTH, PERFORMING "authorization header is required");
	return AUTH_NONE;
}

/* Whether another header than `used` holds another good key. */
static bool has_other_key(struct exchange *ex, size_t used, const struct key_found *found)
{
	struct key_found other;

	for (size_t i = 0; i < COUNT(headers); i++) {
		struct bytes value = exchange_get(ex, headers[i]), id, secret;

		if (i == 0 && bytes_starts(value, BEARER))
			value = bytes_slice(value, BEARER.n, value.n);
		if (i != used && bytes_set(value) && !key_parse(value, &id, &secret) &&
		    keys_find(api_app(ex)->keys, id, secret, &other) == KEY_GOOD &&
		    memcmp(other.public_id, found->public_id, sizeof(other.public_id)) != 0)
			return true;
	}
	return false;
}

static enum auth_result found_one(struct exchange *ex, size_t used, const struct key_found *found)
{
	if (has_other_key(ex, used, found)) {
		fail(ERR_AUTH, PERFORMING "two different API keys were sent (send one)");
		return refuse("malformed");
	}
	ex->key_public_id = arena_dup(ex->arena, (struct bytes){ found->public_id, KEY_PUBLIC_ID });
	return bytes_set(ex->key_public_id) ? AUTH_GOOD : AUTH_BAD;
}

enum auth_result auth_key(struct exchange *ex, struct key_found *found)
{
	struct app *app = api_app(ex);
	struct bytes id, secret;
	size_t count, first = speaks(ex, &count);

	if (!count)
		return missing();
	/* the others first, without a word: what they hold may be an upstream's */
	for (size_t i = 0; i < COUNT(headers); i++) {
		struct bytes value = exchange_get(ex, headers[i]);

		if (i == 0 && bytes_starts(value, BEARER))
			value = bytes_slice(value, BEARER.n, value.n);
		else if (i == 0)
			continue;
		if (i != first && bytes_set(value) && app->keys &&
		    !key_parse(value, &id, &secret) &&
		    keys_find(app->keys, id, secret, found) == KEY_GOOD)
			return found_one(ex, i, found);
	}
	if (check_header(app, first, exchange_get(ex, headers[first]), found) != AUTH_GOOD)
		return AUTH_BAD;
	return found_one(ex, first, found);
}

struct bytes auth_client_header(const struct exchange *ex, struct bytes name)
{
	struct bytes value = exchange_get(ex, name);

	if (ex->key_public_id.n && bytes_find(value, ex->key_public_id) >= 0)
		return (struct bytes){ 0 };
	return value;
}

/* ---- the door ---- */

static bool is_below(struct bytes path, struct bytes top)
{
	return bytes_starts(path, top) && (path.n == top.n || path.p[top.n] == '/');
}

/* Paths that need no key: probes, as with TensorZero but also under a base path, and what has a guard of its own. */
static bool is_open(const struct config *c, struct bytes path)
{
	return bytes_eq(path, B("/health")) || bytes_eq(path, B("/status")) ||
	       bytes_eq(path, B("/api/hello")) || bytes_eq(path, B("/internal/autopilot/status")) ||
	       (bytes_eq(path, B("/metrics")) && !c->server.metrics_auth) ||
	       (c->ui.enabled &&
		(is_below(path, B("/internal/signet")) || is_below(path, B("/ui"))));
}

static bool session_admits(struct exchange *ex, const struct session *session,
			   const struct door *door)
{
	struct key_found found;
	const char *lacks;

	if (api_config(ex)->gateway.auth)
		auth_key(ex, &found); /* for attribution: a key on the way from `signet ui` */
	lacks = guard_session_lacks(ex, session);
	if (!lacks)
		return true;
	fail(ERR_AUTH, "%s", lacks);
	return door_refuse(ex, door, 403);
}

bool auth_admits(struct exchange *ex, const struct door *door)
{
	struct key_found found;
	struct session session;

	if (is_open(api_config(ex), door->path))
		return true;
	if (guard_session(ex, &session))
		return session_admits(ex, &session, door);
	/* Somebody elsewhere, by way of `signet ui`, perhaps a page with a bent name: a key there is the way's, not the caller's,
	 * and only a session makes it count. */
	if (bytes_set(exchange_get(ex, B("x-signet-remote"))) &&
	    (api_config(ex)->gateway.auth || api_config(ex)->ui.auth != UI_AUTH_NONE)) {
		missing();
		return door_refuse(ex, door, 0);
	}
	if (!api_config(ex)->gateway.auth)
		return true;
	switch (auth_key(ex, &found)) {
	case AUTH_GOOD: return true;
	case AUTH_NONE: refuse("missing"); break;
	case AUTH_BAD: break;
	}
	return door_refuse(ex, door, 0);
}
