/*
 * A path, or with a leading @ a name of the abstract namespace. The socket does not block: a manager that takes nothing
 * must not hold up a start, and what it misses is said again by the next change of state at the latest.
 */
#include "base/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"

#define LINES_MAX 128

/* 0: it is no address that this protocol knows. */
static socklen_t address_of(const char *name, struct sockaddr_un *out)
{
	size_t n = strlen(name);

	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if ((*name != '/' && *name != '@') || n < 2 || n >= sizeof out->sun_path)
		return 0;
	memcpy(out->sun_path, name, n);
	if (*name == '@')
		out->sun_path[0] = 0;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (*name == '/'));
}

void notify_manager(const char *lines)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to;
	socklen_t n;
	int fd;

	if (!name || !*name)
		return;
	n = address_of(name, &to);
	errno = EAFNOSUPPORT;
	fd = n ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
	if (fd < 0 || sendto(fd, lines, strlen(lines), MSG_NOSIGNAL, (struct sockaddr *)&to, n) < 0)
		log_warn("serve", "the service manager cannot be told (NOTIFY_SOCKET)",
			 LS("error", strerror(errno)));
	if (fd >= 0)
		close(fd);
}

void notify_reloading(void)
{
	char lines[LINES_MAX];

	snprintf(lines, sizeof lines, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		 clock_mono_ns() / 1000);
	notify_manager(lines);
}
