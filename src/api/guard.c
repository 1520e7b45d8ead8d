/*
 * The mode "auto" of ui §7 for a gateway without users and keys: whoever sits at this machine is admin, nobody else gets
 * in. Local is a peer on the loopback that names this machine as it is called from here (a page elsewhere whose name was
 * bent to 127.0.0.1 names itself) and that came through no proxy.
 */
#include "api/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "api/errors.h"

static bool peer_is_loopback(const struct exchange *ex)
{
	struct sockaddr_storage peer;
	const struct sockaddr_in6 *v6 = (const void *)&peer;

	if (!exchange_peer(ex, &peer))
		return false;
	if (peer.ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)&peer)->sin_addr.s_addr) >> 24 == 127;
	if (peer.ss_family != AF_INET6)
		return false;
	return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
	       (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127);
}

static bool host_is_local(const struct exchange *ex)
{
	static const struct bytes names[] = { B("localhost"), B("127.0.0.1"), B("[::1]") };
	struct bytes host = exchange_get(ex, B("host"));

	for (size_t i = 0; i < COUNT(names); i++)
		if (bytes_istarts(host, names[i]) &&
		    (host.n == names[i].n || host.p[names[i].n] == ':'))
			return true;
	return false;
}

static bool was_forwarded(const struct exchange *ex)
{
	for (size_t i = 0; i < ex->nheaders; i++) {
		struct bytes name = ex->headers[i].name;

		if (bytes_istarts(name, B("x-forwarded-")) || bytes_ieq(name, B("forwarded")) ||
		    bytes_ieq(name, B("via")) || bytes_ieq(name, B("x-signet-remote")))
			return true;
	}
	return false;
}

bool guard_admits(struct exchange *ex, enum guard_role needed)
{
	(void)needed;
	if (peer_is_loopback(ex) && host_is_local(ex) && !was_forwarded(ex))
		return true;
	fail(ERR_API_KEY_MISSING,
	     "Only callers on this machine are let in: open it as http://localhost, without a proxy");
	api_respond_error(ex, write_native_error, 401, B(""));
	return false;
}
