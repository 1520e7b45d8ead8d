/*
 * Two commands for whoever runs a gateway: a link that signs in once, and the hash of a password for the configuration.
 * The password comes from the terminal, unseen, or as a line of standard input; never from the command line, which other
 * users of the machine can read.
 */
#include "ui_sign_in_main.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "api/password.h"
#include "base/error.h"
#include "base/flags.h"
#include "store/keys.h"

/* ---- link ---- */

static const char link_help[] =
	"signet ui link: makes a link that signs in as admin, once, within 15 minutes\n"
	"\n"
	"usage: signet ui link [--data-dir D] [--public-url URL]\n"
	"\n"
	"  --data-dir D       the gateway's data directory (SIGNET_DATA_DIR, default ./signet-data)\n"
	"  --public-url URL   where the gateway is found (SIGNET_UI_PUBLIC_URL, default\n"
	"                     http://localhost:3000), with gateway.base_path if there is one\n"
	"\n"
	"What stands behind the # of the link works on port 4000 of `signet ui` too.\n";

static const char *env_or(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

int ui_link_main(int argc, char **argv)
{
	const char *dir = env_or("SIGNET_DATA_DIR", "./signet-data"),
		   *url = env_or("SIGNET_UI_PUBLIC_URL", "http://localhost:3000");
	const struct flag flags[] = {
		{ "--data-dir", .text = &dir, .not_empty = true },
		{ "--public-url", .text = &url, .not_empty = true },
	};
	const struct command command = { "signet ui link", link_help, flags, COUNT(flags), false };
	int status = flags_read(&command, argc, argv);
	char secret[LINK_SECRET + 1];
	struct keys *k;

	if (status >= 0)
		return status;
	k = keys_open(dir, false);
	if (!k || links_create(k, secret))
		status = flags_failed("signet ui link: ");
	else
		status = printf("%s/ui/login#link=%s\n", url, secret) < 0 || fflush(stdout) ? 1 : 0;
	keys_close(k);
	return status;
}

/* ---- hash-password ---- */

static const char hash_help[] =
	"signet ui hash-password: prints the hash of a password, for\n"
	"[ui.users.NAME] password_hash_location\n"
	"\n"
	"usage: signet ui hash-password\n"
	"\n"
	"Asks for the password on the terminal; elsewhere it is the first line of standard input.\n"
	"\n"
	"  signet ui hash-password > /etc/signet/alice.hash\n";

/* A line without its end. -1: there is none, or it is too long. */
static int read_line(char *line, size_t size, size_t *n)
{
	if (!fgets(line, (int)size, stdin))
		return fail(ERR_IO, "there is no password on standard input");
	*n = strcspn(line, "\r\n");
	if (!line[*n] && *n == size - 1)
		return fail(ERR_TOO_LARGE, "the password is longer than %d bytes", PASSWORD_MAX);
	line[*n] = '\0';
	return *n ? 0 : fail(ERR_INVALID_REQUEST, "the password is empty");
}

static int ask(const char *prompt, char *line, size_t size, size_t *n)
{
	struct termios shown, hidden;
	int bad;

	if (tcgetattr(STDIN_FILENO, &shown))
		return read_line(line, size, n);
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	fputs(prompt, stderr);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	bad = read_line(line, size, n);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	fputc('\n', stderr);
	return bad;
}

int ui_hash_password_main(int argc, char **argv)
{
	const struct command command = { "signet ui hash-password", hash_help, NULL, 0, false };
	int status = flags_read(&command, argc, argv);
	char first[PASSWORD_MAX + 2], again[PASSWORD_MAX + 2], hash[PASSWORD_HASH];
	size_t n = 0, m;
	int bad;

	if (status >= 0)
		return status;
	bad = ask("Password: ", first, sizeof(first), &n);
	if (!bad && isatty(STDIN_FILENO)) {
		bad = ask("Again: ", again, sizeof(again), &m);
		if (!bad && strcmp(first, again) != 0)
			bad = fail(ERR_INVALID_REQUEST, "the two are not the same");
		OPENSSL_cleanse(again, sizeof(again));
	}
	bad = bad || password_hash((struct bytes){ first, n }, NULL, hash);
	OPENSSL_cleanse(first, sizeof(first));
	if (bad)
		return flags_failed("signet ui hash-password: ");
	return printf("%s\n", hash) < 0 || fflush(stdout) ? 1 : 0;
}
