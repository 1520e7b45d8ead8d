/* Where `signet serve` listens: at addresses of the configuration, or on sockets of the service manager. */
#ifndef SIGNET_SERVE_LISTEN_H
#define SIGNET_SERVE_LISTEN_H

#include "config/config.h"
#include "net/http_server.h"
#include "net/listen_fds.h"

/* Where to listen and what answers there. */
struct listener {
	struct sockaddr_storage addr;
	socklen_t addr_n;        /* 0: nowhere */
	struct listen_fds given; /* sockets that listen already: the address is that of the first */
	struct http_server_options options;
};
enum { LISTENER_API, LISTENER_PAGES, LISTENERS };

/* -1: the sockets that were given cannot be used; the error says why. */
int listeners_find(const struct config *, struct listener at[LISTENERS]);
/* Whether the addresses are free. -1: the error says which is not. */
int listeners_test(struct listener at[LISTENERS]);
/* On the loop that shall answer. NULL: error set. */
struct http_server *listener_open(const struct listener *, void *user);
void listeners_close(struct listener at[LISTENERS]); /* what was given */

#endif
