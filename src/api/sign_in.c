/*
 * Who may try to sign in when, and what must be there before anybody can. The list of failures is bounded: users that
 * do not exist count as one, and when it is full the one that has waited longest for its next failure goes.
 */
#include "api/sign_in.h"

#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/guard.h"
#include "api/password.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/log.h"
#include "net/socket.h"

#define FREE_TRIES  5
#define WAIT_MAX_S  300
#define FORGET_MS   3600000 /* without another failure */
#define ENTRIES_MAX 4096

struct entry {
	uint64_t who; /* of user and address */
	uint64_t failures, last_ms;
};

struct sign_in {
	pthread_mutex_t lock;
	struct entry at[ENTRIES_MAX];
	size_t len;
};

struct sign_in *sign_in_new(void)
{
	struct sign_in *s = calloc(1, sizeof(*s));

	if (!s)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void sign_in_free(struct sign_in *s)
{
	free(s);
}

static uint64_t hash_who(struct bytes user, struct bytes address)
{
	return hash_bytes(user) * 31 + hash_bytes(address);
}

static struct entry *find(struct sign_in *s, uint64_t who)
{
	for (size_t i = 0; i < s->len; i++)
		if (s->at[i].who == who)
			return &s->at[i];
	return NULL;
}

/* A place for a new one. */
static struct entry *place(struct sign_in *s)
{
	struct entry *oldest = s->at;

	if (s->len < ENTRIES_MAX)
		return &s->at[s->len++];
	for (size_t i = 1; i < s->len; i++)
		if (s->at[i].last_ms < oldest->last_ms)
			oldest = &s->at[i];
	return oldest;
}

uint64_t sign_in_wait_ms(struct sign_in *s, struct bytes user, struct bytes address,
			 uint64_t now_ms)
{
	uint64_t wait_s = 0, until = 0;
	struct entry *e;

	pthread_mutex_lock(&s->lock);
	e = find(s, hash_who(user, address));
	if (e && e->failures >= FREE_TRIES && now_ms < e->last_ms + FORGET_MS) {
		uint64_t doubled = e->failures - FREE_TRIES;

		wait_s = doubled > 8 ? WAIT_MAX_S : (uint64_t)1 << doubled;
		wait_s = wait_s > WAIT_MAX_S ? WAIT_MAX_S : wait_s;
		until = e->last_ms + wait_s * 1000;
	}
	pthread_mutex_unlock(&s->lock);
	return until > now_ms ? until - now_ms : 0;
}

void sign_in_count(struct sign_in *s, struct bytes user, struct bytes address, bool good,
		   uint64_t now_ms)
{
	uint64_t who = hash_who(user, address);
	struct entry *e;

	pthread_mutex_lock(&s->lock);
	e = find(s, who);
	if (e && (good || now_ms >= e->last_ms + FORGET_MS))
		e->failures = 0;
	if (!good) {
		e = e ? e : place(s);
		if (e->who != who)
			*e = (struct entry){ .who = who };
		e->failures++;
		e->last_ms = now_ms;
	}
	pthread_mutex_unlock(&s->lock);
}

/* ---- the start ---- */

/* Whether a listener there takes connections from other machines. */
static bool is_open_to_others(struct bytes address)
{
	return bytes_set(address) && !bytes_starts(address, B("127.")) &&
	       !bytes_starts(address, B("[::1]"));
}

static bool is_reachable(const struct config *c)
{
	return is_open_to_others(c->gateway.bind_address) || is_open_to_others(c->ui.bind_address);
}

static bool wants_keys(const struct config *c)
{
	if (!c->ui.enabled)
		return c->gateway.auth;
	return c->gateway.observability != 0 || c->gateway.auth || guard_has_users(c) ||
	       c->ui.auth == UI_AUTH_REQUIRED;
}

/* Nobody could sign in: the operator, who reads this log, gets a link. */
static void offer_link(struct app *app)
{
	const struct config *c = app->config;
	char secret[LINK_SECRET + 1], text[512];
	struct bytes url = c->ui.public_url, port = c->gateway.bind_address;
	ptrdiff_t at;

	while ((at = bytes_chr(port, ':')) >= 0)
		port = bytes_slice(port, (size_t)at + 1, port.n);
	if (!c->ui.enabled || guard_has_users(c) || c->ui.auth == UI_AUTH_NONE ||
	    (c->ui.auth == UI_AUTH_AUTO && !c->gateway.auth && !is_reachable(c)))
		return;
	if (links_create(app->keys, secret)) {
		log_warn("api", "no link for a first sign-in could be made (signet ui link)",
			 LB("error", error_last()->message));
		return;
	}
	if (bytes_set(url))
		snprintf(text, sizeof(text), "%.*s%.*s/ui/login#link=%s", BFMT(url),
			 BFMT(c->gateway.base_path), secret);
	else
		snprintf(text, sizeof(text), "http://localhost:%.*s%.*s/ui/login#link=%s",
			 BFMT(port), BFMT(c->gateway.base_path), secret);
	log_info(
		"api",
		"no user is configured: this link signs in once, for 15 minutes (`signet ui link` makes another)",
		LS("link", text));
}

/* The same hash at each start, so that sessions outlive one: its salt is the data directory's own id. */
static int hash_admin(struct app *app)
{
	const struct config *c = app->config;
	unsigned char salt[PASSWORD_SALT] = "signet";
	char path[4096], text[PASSWORD_HASH];
	int fd;

	if (!bytes_set(c->ui.password))
		return 0;
	snprintf(path, sizeof(path), "%.*s/node", BFMT(c->data_dir));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, salt, sizeof(salt)) != sizeof(salt))
		random_bytes(salt, sizeof(salt));
	if (fd >= 0)
		close(fd);
	if (password_hash(c->ui.password, salt, text))
		return fail_context("SIGNET_UI_PASSWORD: ");
	app->admin_hash = arena_dup(&app->config->arena, bytes_of(text));
	return bytes_set(app->admin_hash) ? 0 : -1;
}

int sign_in_start(struct app *app)
{
	const struct config *c = app->config;

	app->sign_in = sign_in_new();
	if (!app->sign_in || hash_admin(app))
		return -1;
	if (!wants_keys(c))
		return 0;
	app->keys = keys_open(c->data_dir.p, true);
	if (!app->keys) {
		if (c->gateway.auth)
			return -1;
		log_warn("api", "nobody can sign in", LB("error", error_last()->message));
		return 0;
	}
	if (c->ui.enabled && c->ui.auth == UI_AUTH_NONE)
		log_warn(
			"api",
			"ui.auth is \"none\": whoever reaches this gateway may read what it records and spend its money");
	offer_link(app);
	return 0;
}

int sign_in_reload(const struct app *app, const struct config *c)
{
	if (app->keys || !(c->gateway.auth || guard_has_users(c)))
		return 0;
	return fail(
		ERR_CONFIG,
		"gateway.auth and users of [ui] need the store of keys, which was not opened at the start: restart");
}

void sign_in_end(struct app *app)
{
	keys_close(app->keys);
	sign_in_free(app->sign_in);
	app->keys = NULL;
	app->sign_in = NULL;
}
