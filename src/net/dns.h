/*
 * Names to addresses, off the loop, with a cache per worker. One look-up per name at a time; a failure is
 * remembered for a second, so that a burst of requests asks once.
 */
#ifndef SIGNET_NET_DNS_H
#define SIGNET_NET_DNS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/bytes.h"

#define DNS_MAX_ADDRESSES 8

struct dns_address {
	struct sockaddr_in6 addr; /* of either family: an IPv4 one is shorter; port 0 */
	socklen_t len;
};

struct dns_addresses {
	struct dns_address at[DNS_MAX_ADDRESSES];
	size_t len;
};

struct dns;

struct dns *dns_new(uint64_t ttl_s); /* NULL: ERR_OUT_OF_MEMORY */
void dns_free(struct dns *);         /* look-ups that run still end by themselves */
/* Addresses in the system's order of preference; a literal address is its own. Waits until `deadline` at
 * the longest. -1: ERR_IO with the resolver's reason, ERR_DEADLINE, ERR_CANCELLED. */
int dns_lookup(struct dns *, struct bytes host, uint64_t deadline, struct dns_addresses *out);

#endif
