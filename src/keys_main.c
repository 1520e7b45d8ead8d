/*
 * `signet keys`. It writes the store; a gateway that runs on the same data directory sees it within half a second. What
 * was printed is synced before. `create` prints the key alone on standard output, so that a script can take it; what
 * there is to say stands on standard error.
 */
#include "keys_main.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/flags.h"
#include "base/pen.h"
#include "base/time.h"
#include "store/keys.h"
#include "store/store.h"

#define LIST_MEMORY (256u << 20)
#define KEEP_MAX_S  (30 * 86400)

static const char help[] =
	"signet keys: API keys, beside a running gateway or without one\n"
	"\n"
	"usage: signet keys create [--description S] [--expiration RFC3339] [--role R]\n"
	"       signet keys list [--json]\n"
	"       signet keys disable PUBLIC_ID\n"
	"       signet keys enable PUBLIC_ID\n"
	"       signet keys rotate PUBLIC_ID [--keep-s N]\n"
	"\n"
	"  --data-dir D         the data directory (SIGNET_DATA_DIR, default ./signet-data)\n"
	"  --description S      what the key is for\n"
	"  --expiration TIME    when it ends, such as 2027-01-31T00:00:00Z\n"
	"  --role R             what it may do with the pages and /internal/signet: none, viewer, editor,\n"
	"                       admin (default: [ui] default_key_role)\n"
	"  --keep-s N           rotate: the old key goes on for so many seconds (default: it ends at once)\n"
	"  --json               list: one JSON object a line\n"
	"\n"
	"create and rotate print the new key, once, alone on standard output: what is stored is its hash.\n"
	"A gateway that runs follows within a second. Keys are asked for with gateway.auth.enabled = true.\n"
	"\n"
	"  signet keys create --description \"app, production\"\n"
	"  signet keys list\n"
	"  signet keys disable 9fA3kQ81xTz0\n";

struct options {
	const char *data_dir, *description, *expiration, *role;
	uint64_t keep_s;
	bool json;
};

static const struct actor shell = { B("signet keys"), B("") };

static const char *dir_of(const char *given)
{
	const char *env = getenv("SIGNET_DATA_DIR");

	return given ? given : env && *env ? env : "./signet-data";
}

static int failed(void)
{
	return flags_failed("signet keys: ");
}

/* The directory is locked while there is no gateway, so that two of us make one database; only a first key makes a
 * directory. NULL: said. */
static struct keys *open_keys(const char *given, bool make, int *lock_fd)
{
	const char *dir = dir_of(given);
	struct keys *k;

	*lock_fd = -1;
	if (!make && access(dir, F_OK)) {
		fail(ERR_STORE, "%s: %s (see --data-dir)", dir, strerror(errno));
		failed();
		return NULL;
	}
	if (store_lock_dir(dir, lock_fd) < 0) {
		failed();
		return NULL;
	}
	k = keys_open(dir, false);
	if (!k)
		failed();
	return k;
}

static int close_keys(struct keys *k, int lock_fd, int status)
{
	keys_close(k);
	if (lock_fd >= 0)
		close(lock_fd);
	return status;
}

static int print_key(char text[KEY_TEXT + 1])
{
	int bad = printf("%s\n", text) < 0 || fflush(stdout);

	OPENSSL_cleanse(text, KEY_TEXT);
	if (bad)
		fputs("signet keys: standard output cannot be written: the key is lost, disable it\n",
		      stderr);
	return bad ? 1 : 0;
}

/* -1: said. */
static int read_options(const struct options *o, struct key_change *c)
{
	*c = (struct key_change){ .description = bytes_of(o->description), .role = -1 };
	if (o->expiration && !time_parse_rfc3339(bytes_of(o->expiration), &c->expires_ms))
		return fail(ERR_INVALID_REQUEST,
			    "--expiration %s: not a time (write 2027-01-31T00:00:00Z)",
			    o->expiration);
	if (o->expiration && c->expires_ms <= clock_unix_ms())
		return fail(ERR_INVALID_REQUEST, "Expiration datetime needs to be in the future");
	for (int i = 0; o->role && role_names[i]; i++)
		if (!strcmp(o->role, role_names[i]))
			c->role = i;
	if (o->role && c->role < 0)
		return fail(ERR_INVALID_REQUEST, "--role %s: one of none, viewer, editor, admin",
			    o->role);
	return 0;
}

static int create(const struct options *o)
{
	struct key_change change;
	char text[KEY_TEXT + 1];
	struct keys *k;
	int lock_fd;

	if (read_options(o, &change))
		return failed();
	k = open_keys(o->data_dir, true, &lock_fd);
	if (!k)
		return close_keys(k, lock_fd, 1);
	return close_keys(k, lock_fd,
			  keys_create(k, &change, &shell, text) ? failed() : print_key(text));
}

static int set_disabled(const char *data_dir, const char *public_id, bool disabled)
{
	struct key_change change = { .set_disabled = true, .disabled = disabled };
	int lock_fd;
	struct keys *k = open_keys(data_dir, false, &lock_fd);

	if (!k)
		return close_keys(k, lock_fd, 1);
	return close_keys(k, lock_fd,
			  keys_change(k, bytes_of(public_id), &change, &shell) ? failed() : 0);
}

static int rotate(const struct options *o, const char *public_id)
{
	char text[KEY_TEXT + 1];
	int lock_fd;
	struct keys *k = open_keys(o->data_dir, false, &lock_fd);

	if (!k)
		return close_keys(k, lock_fd, 1);
	return close_keys(k, lock_fd,
			  keys_rotate(k, bytes_of(public_id), o->keep_s * 1000, &shell, text)
				  ? failed()
				  : print_key(text));
}

/* ---- list ---- */

static void put_json(struct pen *p, const struct key_facts *f)
{
	p->comma = false;
	pen_open(p, '{');
	key_put_facts(p, f);
	pen_key(p, "last_used_at");
	key_put_time(p, f->used_ms);
	pen_close(p, '}');
	pen_lit(p, "\n");
}

static const char *state_of(const struct key_facts *f)
{
	if (f->disabled_ms)
		return "disabled";
	return f->expires_ms && f->expires_ms <= clock_unix_ms() ? "expired" : "on";
}

static void put_line(struct pen *p, const struct key_facts *f)
{
	char created[25], used[25] = "-", expires[25] = "-";

	time_rfc3339_ms(f->created_ms, created);
	if (f->used_ms)
		time_rfc3339_ms(f->used_ms, used);
	if (f->expires_ms)
		time_rfc3339_ms(f->expires_ms, expires);
	pen_printf(p, "%.*s  %-8s  %-7s  %-20.19s  %-20.19s  %-20.19s  %.*s\n", BFMT(f->public_id),
		   state_of(f), f->role < 0 ? "-" : role_names[f->role], created, expires, used,
		   BFMT(f->description));
}

static int list(const struct options *o)
{
	int lock_fd, bad;
	struct keys *k = open_keys(o->data_dir, false, &lock_fd);
	struct key_facts *all;
	struct arena a;
	struct buf out;
	struct pen p = { .b = &out };
	size_t n;

	if (!k)
		return close_keys(k, lock_fd, 1);
	arena_init(&a, LIST_MEMORY);
	buf_init(&out, LIST_MEMORY);
	bad = keys_list(k, &a, &all, &n);
	if (!bad && n && !o->json)
		pen_printf(&p, "%-12s  %-8s  %-7s  %-20s  %-20s  %-20s  %s\n", "public id", "state",
			   "role", "created (UTC)", "expires", "last used", "description");
	for (size_t i = 0; !bad && i < n; i++) {
		if (o->json)
			put_json(&p, &all[i]);
		else
			put_line(&p, &all[i]);
	}
	if (!bad)
		bad = pen_done(&p);
	if (!bad && out.len)
		bad = fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout)
			      ? fail(ERR_IO, "standard output cannot be written")
			      : 0;
	buf_deinit(&out);
	arena_deinit(&a);
	return close_keys(k, lock_fd, bad ? failed() : 0);
}

/* ---- the command ---- */

int keys_create_main(const char *data_dir, const char *expiration)
{
	return create(&(struct options){ .data_dir = data_dir, .expiration = expiration });
}

int keys_disable_main(const char *data_dir, const char *public_id)
{
	return set_disabled(data_dir, public_id, true);
}

int keys_main(int argc, char **argv)
{
	struct options o = { 0 };
	const struct flag flags[] = {
		{ "--data-dir", .text = &o.data_dir, .not_empty = true },
		{ "--description", .text = &o.description },
		{ "--expiration", .text = &o.expiration, .not_empty = true },
		{ "--role", .text = &o.role, .not_empty = true },
		{ "--keep-s", .number = &o.keep_s, .most = KEEP_MAX_S },
		{ "--json", .on = &o.json },
	};
	const struct command keys = { "signet keys", help, flags, COUNT(flags), true };
	int status = flags_read(&keys, argc, argv);
	const char *verb = argv[0];

	if (status >= 0)
		return status;
	if (!verb)
		return flags_wrong(&keys,
				   "one of create, list, disable, enable, rotate is missing");
	if (!strcmp(verb, "create") && !argv[1])
		return create(&o);
	if (!strcmp(verb, "list") && !argv[1])
		return list(&o);
	if (argv[1] && !argv[2]) {
		if (!strcmp(verb, "disable") || !strcmp(verb, "enable"))
			return set_disabled(o.data_dir, argv[1], *verb == 'd');
		if (!strcmp(verb, "rotate"))
			return rotate(&o, argv[1]);
	}
	return flags_wrong(&keys, "%s: see signet keys --help", verb);
}
