/*
 * Sockets that the service manager has opened (socket activation, sd_listen_fds(3)): $LISTEN_FDS of them from descriptor 3
 * on, for the process $LISTEN_PID, with $LISTEN_FDNAMES in order.
 */
#ifndef SIGNET_NET_LISTEN_FDS_H
#define SIGNET_NET_LISTEN_FDS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define LISTEN_FDS_MAX 16

/* Those of one listener. */
struct listen_fds {
	int fd[LISTEN_FDS_MAX];
	size_t n;
	struct sockaddr_storage addr; /* of the first */
	socklen_t addr_n;
};

/* The sockets named `pages` go to *pages, all others to *api. The variables are taken out of the environment. -1: one of them
 * is no listening TCP socket, or they are too many; the error says which. On the main thread, before there are others. */
int listen_fds_take(struct listen_fds *api, struct listen_fds *pages);
void listen_fds_close(struct listen_fds *);

#endif
