#include "store/cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "store/crc32c.h"

#define NUMBERS "signet cursor 1\ndelivered %" PRIu64 "\nbatch %" PRIu64 " %" PRIu64 "\n"

static int print_cursor(const struct cursor *c, char *out, size_t n)
{
	int len = snprintf(out, n, NUMBERS, c->delivered, c->first, c->last);

	return len +
	       snprintf(out + len, n - (size_t)len, "crc %08x\n", crc32c(0, out, (size_t)len));
}

int cursor_read(int data_dir, const char *sink, struct cursor *out)
{
	char name[80], text[256], again[256];
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
	/* what prints as itself, its sum included, is whole */
	if (sscanf(text, NUMBERS, &c.delivered, &c.first, &c.last) != 3 ||
	    print_cursor(&c, again, sizeof(again)) != n || memcmp(text, again, (size_t)n))
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
	char name[80], fresh[90], text[256];
	int n = print_cursor(c, text, sizeof(text)), fd, bad, e;

	snprintf(name, sizeof(name), "journal/%.40s.cursor", sink);
	snprintf(fresh, sizeof(fresh), "%s.new", name);
	fd = openat(data_dir, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	bad = write_whole(fd, text, (size_t)n);
	e = errno;
	close(fd);
	errno = e;
	return bad || renameat(data_dir, fresh, data_dir, name) ? -1 : 0;
}
