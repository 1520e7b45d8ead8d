/*
 * [ui]: who may see and change what, and with which password (ui §7).
 *
 * TensorZero refuses a file that has this table, so each key has a variable too, which wins. A user's hash is checked
 * when it is read: a login that can never succeed is better refused at the start. The trap: the hash is a secret, and
 * so is what is wrong in it.
 */
#include <stdlib.h>

#include "config/credentials.h"
#include "config/tables.h"
#include "net/socket.h"

#define OFF(member) offsetof(struct config, member)

const char *const role_names[] = { "none", "viewer", "editor", "admin", NULL };
static const char *const user_roles[] = { "viewer", "editor", "admin", NULL };
static const char *const auth_choices[] = { "auto", "required", "none", NULL };

#define HASH_FIX "write `env::VAR_NAME` or `path::FILE`; `signet ui hash-password` makes the hash"

static void read_hash(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct ui_user *user = into;
	struct credential c = { 0 };

	if (t->type == TOML_STRING && !bytes_starts(t->text, B("env::")) &&
	    !bytes_starts(t->text, B("path::")) && !bytes_starts(t->text, B("path_from_env::"))) {
		t->secret = true; /* perhaps the hash, or the password itself */
		return error_at(l, t, path, "is no location (" HASH_FIX ")");
	}
	if (!credential_read(l, t, path, FORM_ENV | FORM_PATH | FORM_PATH_FROM_ENV, "user", &c))
		return;
	if (c.kind == CREDENTIAL_STATIC && bytes_starts(c.value, B("$scrypt$")))
		user->password_hash = c.value;
	else if (c.kind == CREDENTIAL_STATIC)
		error_at(l, t, path, "`%.*s` holds no hash of a password (" HASH_FIX ")",
			 BFMT(t->text));
	else if (l->options->offline)
		warn_at(l, t, path, "%.*s", BFMT(credential_problem(&c)));
	else
		error_at(l, t, path, "%.*s (" HASH_FIX ")", BFMT(credential_problem(&c)));
}

static const struct key user_keys[] = {
	{ "password_hash_location", KEY_CALL, .call = read_hash, .required = true,
	  .fix = "`password_hash_location = \"env::VAR_NAME\"`" },
	{ "role", KEY_CHOICE, offsetof(struct ui_user, role), .choices = user_roles,
	  .min = ROLE_VIEWER, .required = true, .fix = "`role = \"viewer\"`" },
};
static const struct table user_table = TABLE("struct UserConfig", user_keys);

static void read_users(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct ui_config *ui = &((struct config *)into)->ui;
	size_t cap = 0;

	if (!want_table(l, t, path, "a map"))
		return;
	for (struct toml *u = t->child; u; u = u->next) {
		struct ui_user user = { .name = u->key };

		read_table(l, &user_table, u, path_join(l, path, ".", u->key), ".", &user);
		if (user.name.n == 0 || user.name.n > 64)
			error_at(l, u, path, "a user's name has 1 to 64 bytes");
		(void)arena_push(l->arena, ui->users, ui->nusers, cap, user);
	}
}

static bool is_origin(struct bytes url)
{
	ptrdiff_t slashes = bytes_find(url, B("://"));
	struct bytes rest = bytes_slice(url, (size_t)slashes + 3, url.n);

	return (bytes_starts(url, B("http://")) || bytes_starts(url, B("https://"))) && rest.n &&
	       rest.p[0] != '/' && bytes_find(url, B(" ")) < 0;
}

static void read_public_url(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct ui_config *ui = &((struct config *)into)->ui;

	if (!want_string(l, t, path, &ui->public_url))
		return;
	if (!is_origin(ui->public_url))
		error_at(l, t, path,
			 "`%.*s` is no address of a page (write \"https://gateway.example.com\")",
			 BFMT(ui->public_url));
}

/* ---- the listener ---- */

static bool is_address(struct bytes text)
{
	struct sockaddr_storage a;
	socklen_t n;

	return sock_address_parse(text, &a, &n);
}

static void read_ui_address(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct ui_config *ui = &((struct config *)into)->ui;

	if (!want_string(l, t, path, &ui->bind_address) || is_address(ui->bind_address))
		return;
	error_at(l, t, path, "invalid socket address syntax (`%.*s`; write 127.0.0.1:4000)",
		 BFMT(ui->bind_address));
	ui->bind_address = (struct bytes){ 0 };
}

/* Whether both would share a port: one of them would get what was meant for the other. */
static bool is_taken(struct bytes one, struct bytes other)
{
	struct sockaddr_storage a, b;
	socklen_t an, bn;
	bool any;

	if (!sock_address_parse(one, &a, &an) || !sock_address_parse(other, &b, &bn))
		return false;
	any = bytes_starts(one, B("0.0.0.0:")) || bytes_starts(other, B("0.0.0.0:")) ||
	      bytes_starts(one, B("[::]:")) || bytes_starts(other, B("[::]:"));
	return *sock_port((struct sockaddr *)&a) &&
	       *sock_port((struct sockaddr *)&a) == *sock_port((struct sockaddr *)&b) &&
	       (any || (an == bn && !memcmp(&a, &b, an)));
}

/* With all known that says where to listen. */
static void check_listener(struct loader *l)
{
	struct ui_config *ui = &l->config->ui;

	if (!bytes_set(ui->bind_address))
		return;
	if (is_taken(ui->bind_address, l->config->gateway.bind_address))
		issue_add(
			l->issues, false, B(""), 0, B("ui.bind_address"),
			"ui.bind_address: `%.*s` is where the gateway listens (gateway.bind_address; choose another port, such as 4000)",
			BFMT(ui->bind_address));
	if (!ui->enabled)
		issue_add(l->issues, true, B(""), 0, B("ui.bind_address"),
			  "ui.bind_address: is not used (ui.enabled is false)");
}

static const struct key ui_keys[] = {
	{ "enabled", KEY_BOOL, OFF(ui.enabled), .at_start = true },
	{ "bind_address", KEY_CALL, .call = read_ui_address, .at_start = true,
	  KEPT(ui.bind_address) },
	{ "auth", KEY_CHOICE, OFF(ui.auth), .choices = auth_choices },
	{ "default_key_role", KEY_CHOICE, OFF(ui.default_key_role), .choices = role_names },
	{ "public_url", KEY_CALL, .call = read_public_url },
	{ "users", KEY_CALL, .call = read_users },
};
const struct table ui_table = TABLE("struct UiConfig", ui_keys);

/* The index of what the variable says; -1: it is not set, or it is wrong, which is reported. */
static int env_choice(struct loader *l, const char *variable, const char *key,
		      const char *const *choices)
{
	struct bytes given = bytes_of(getenv(variable));
	struct bytes names[8];
	size_t n = 0;

	for (; choices[n] && n < COUNT(names); n++) {
		names[n] = bytes_of(choices[n]);
		if (given.n && bytes_eq(given, names[n]))
			return (int)n;
	}
	if (given.n)
		issue_add(l->issues, false, B(""), 0, bytes_of(key),
			  "%s: unknown variant `%.*s`, expected one of %.*s", variable, BFMT(given),
			  BFMT(join_names(l->arena, names, n, "`", ", ")));
	return -1;
}

static void apply_listener(struct loader *l)
{
	static const char *const switches[] = { "false", "true", "0", "1", NULL };
	struct bytes address = bytes_of(getenv("SIGNET_UI_BIND_ADDRESS"));
	struct ui_config *ui = &l->config->ui;
	int enabled = env_choice(l, "SIGNET_UI_ENABLED", "ui.enabled", switches);

	if (enabled >= 0)
		ui->enabled = enabled % 2;
	if (address.n && !is_address(address))
		issue_add(
			l->issues, false, B(""), 0, B("ui.bind_address"),
			"SIGNET_UI_BIND_ADDRESS: invalid socket address syntax (`%.*s`; write 127.0.0.1:4000)",
			BFMT(address));
	else if (address.n)
		ui->bind_address = arena_dup(l->arena, address);
	check_listener(l);
}

void ui_apply_environment(struct loader *l)
{
	struct ui_config *ui = &l->config->ui;
	const char *url = getenv("SIGNET_UI_PUBLIC_URL"), *password = getenv("SIGNET_UI_PASSWORD");
	int auth = env_choice(l, "SIGNET_UI_AUTH", "ui.auth", auth_choices);
	int role = env_choice(l, "SIGNET_UI_DEFAULT_KEY_ROLE", "ui.default_key_role", role_names);

	if (auth >= 0)
		ui->auth = (enum ui_auth)auth;
	if (role >= 0)
		ui->default_key_role = (enum guard_role)role;
	if (url && *url) {
		ui->public_url = arena_dup(l->arena, bytes_of(url));
		if (!is_origin(bytes_of(url)))
			issue_add(
				l->issues, false, B(""), 0, B("ui.public_url"),
				"SIGNET_UI_PUBLIC_URL: `%s` is no address of a page (write https://gateway.example.com)",
				url);
	}
	if (password && *password)
		ui->password = arena_dup(l->arena, bytes_of(password));
	apply_listener(l);
}
