#include "store/cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "store/crc32c.h"

#define TEXT_MAX 2048

/* The second line of what each version writes; a cursor without a batch is of the first, which all can read. */
#define NUMBERS "\ndelivered %" PRIu64 "\nbatch %" PRIu64 " %" PRIu64 "\n"
#define FIRST   "signet cursor 1" NUMBERS
#define SECOND  "signet cursor 2" NUMBERS "noted %" PRIu64 "\n"
#define TOKEN   "table %u token %u %5s %" PRIu64 "\n"

static size_t print_cursor(const struct cursor *c, char *out)
{
	size_t n;

	if (c->noted_ms)
		n = (size_t)snprintf(out, TEXT_MAX, SECOND, c->delivered, c->first, c->last,
				     c->noted_ms);
	else
		n = (size_t)snprintf(out, TEXT_MAX, FIRST, c->delivered, c->first, c->last);
	for (size_t i = 0; i < c->ntokens && i < CURSOR_TABLES; i++)
		n += (size_t)snprintf(out + n, TEXT_MAX - n, TOKEN, c->tokens[i].table,
				      c->tokens[i].number, c->tokens[i].parts ? "parts" : "whole",
				      c->tokens[i].unix_ms);
	return n + (size_t)snprintf(out + n, TEXT_MAX - n, "crc %08x\n", crc32c(0, out, n));
}

/* Whatever it makes of damage: what prints as itself, its sum included, is whole. */
static void scan_cursor(const char *text, struct cursor *c)
{
	int n = 0;

	sscanf(text, FIRST, &c->delivered, &c->first, &c->last);
	sscanf(text, SECOND "%n", &c->delivered, &c->first, &c->last, &c->noted_ms, &n);
	while (n && c->ntokens < CURSOR_TABLES) {
		struct cursor_token *t = &c->tokens[c->ntokens];
		char how[6];
		int len = 0;

		text += n;
		n = sscanf(text, TOKEN "%n", &t->table, &t->number, how, &t->unix_ms, &len) == 4
			    ? len
			    : 0;
		t->parts = n && how[0] == 'p';
		c->ntokens += n > 0;
	}
}

int cursor_read(int data_dir, const char *sink, struct cursor *out)
{
	char name[80], text[TEXT_MAX], again[TEXT_MAX];
	struct cursor c = { 0 };
	ssize_t n;
	int fd;

	*out = c;
	snprintf(name, sizeof(name), "journal/%.40s.cursor", sink);
	fd = openat(data_dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	scan_cursor(text, &c);
	if (print_cursor(&c, again) != (size_t)n || memcmp(text, again, (size_t)n) != 0)
		return -1;
	*out = c;
	return 1;
}

static int write_whole(int fd, const char *text, size_t n)
{
	ssize_t done = fault("cursor.write") ? (errno = EIO, -1) : write(fd, text, n);

	if (done >= 0 && (size_t)done < n)
		errno = ENOSPC;
	return done == (ssize_t)n && !fsync(fd) ? 0 : -1;
}

int cursor_write(int data_dir, const char *sink, const struct cursor *c)
{
	char name[80], fresh[90], text[TEXT_MAX];
	size_t n = print_cursor(c, text);
	int fd, bad, e;

	snprintf(name, sizeof(name), "journal/%.40s.cursor", sink);
	snprintf(fresh, sizeof(fresh), "%s.new", name);
	fd = openat(data_dir, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	bad = write_whole(fd, text, n);
	e = errno;
	close(fd);
	errno = e;
	return bad || renameat(data_dir, fresh, data_dir, name) ? -1 : 0;
}
