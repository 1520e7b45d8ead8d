/* Which proxy a request goes through: HTTPS_PROXY, HTTP_PROXY, NO_PROXY, as everywhere. Pure. */
#ifndef SIGNET_NET_PROXY_H
#define SIGNET_NET_PROXY_H

#include "base/arena.h"
#include "base/bytes.h"

struct proxy {
	struct bytes host; /* unset: none */
	uint16_t port;
	struct bytes authorization; /* value of proxy-authorization, unset: none */
};

/* "http://[user:password@]host[:port]", also without the scheme. NULL or "" is no proxy. -1: ERR_CONFIG,
 * whose text never holds the password. */
int proxy_parse(const char *text, struct arena *, struct proxy *out);
/* Whether NO_PROXY exempts the host: "*", names and their subdomains, addresses, CIDR blocks, each also
 * with a port. */
bool proxy_bypassed(struct bytes no_proxy, struct bytes host, uint16_t port);

#endif
