/*
 * Meant for another process if the id is not ours: then they are as if they were not there, as the protocol says. From a
 * manager they come without close-on-exec, which children of ours must not inherit.
 */
#include "net/listen_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"

#define FIRST_FD 3

static bool number_of(const char *name, uint64_t *out)
{
	const char *text = getenv(name);

	return text && bytes_to_u64(bytes_of(text), out);
}

/* -1: error set. */
static int look_at(int fd, struct sockaddr_storage *addr, socklen_t *n)
{
	int type = 0, listens = 0, flags = fcntl(fd, F_GETFD);
	socklen_t size = sizeof type;

	*n = sizeof *addr;
	*addr = (struct sockaddr_storage){ 0 };
	if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) ||
	    getsockname(fd, (struct sockaddr *)addr, n))
		return fail(ERR_IO, "LISTEN_FDS: descriptor %d: %s", fd, strerror(errno));
	if (type != SOCK_STREAM || !listens ||
	    (addr->ss_family != AF_INET && addr->ss_family != AF_INET6))
		return fail(
			ERR_IO,
			"LISTEN_FDS: descriptor %d is no listening TCP socket (in the .socket unit: ListenStream=IP:PORT, Accept=no)",
			fd);
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return fail(ERR_IO, "LISTEN_FDS: descriptor %d: %s", fd, strerror(errno));
	return 0;
}

static int take_all(uint64_t n, struct bytes names, struct listen_fds *api,
		    struct listen_fds *pages)
{
	for (int fd = FIRST_FD; fd < FIRST_FD + (int)n; fd++) {
		bool of_pages = bytes_eq(bytes_cut(&names, ':'), B("pages"));
		struct listen_fds *to = of_pages ? pages : api;
		struct sockaddr_storage addr;
		socklen_t addr_n;

		if (look_at(fd, &addr, &addr_n))
			return -1;
		if (!to->n) {
			to->addr = addr;
			to->addr_n = addr_n;
		}
		to->fd[to->n++] = fd;
	}
	return 0;
}

int listen_fds_take(struct listen_fds *api, struct listen_fds *pages)
{
	const char *names = getenv("LISTEN_FDNAMES");
	uint64_t pid, n;
	int bad = 0;

	api->n = pages->n = 0;
	if (number_of("LISTEN_PID", &pid) && pid == (uint64_t)getpid() &&
	    number_of("LISTEN_FDS", &n)) {
		if (n > LISTEN_FDS_MAX)
			bad = fail(ERR_IO, "LISTEN_FDS: more than %d sockets", LISTEN_FDS_MAX);
		else
			bad = take_all(n, bytes_of(names ? names : ""), api, pages);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return bad;
}

void listen_fds_close(struct listen_fds *l)
{
	while (l->n)
		close(l->fd[--l->n]);
}
