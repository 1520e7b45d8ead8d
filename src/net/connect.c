/*
 * How a connection to an upstream comes to be: DNS, TCP (or a tunnel through a proxy), TLS, all within one
 * deadline. The addresses of a name are tried in order, each with a fair share of the time that is left,
 * so that one dead address (IPv6 without a route, say) does not use it up.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "net/upconn.h"

#define SHARE_LEAST_MS    250
#define LOOKUP_MEMORY_MAX (1u << 20) /* the addresses of one host */
#define PROXY_HEAD_MAX    (16u << 10)

static void *connect_failed(const struct dns_address *a, int e)
{
	char text[SOCK_ADDRESS_TEXT];

	sock_address_text((const struct sockaddr *)&a->addr, text);
	return fail_null(ERR_IO, "cannot connect to %s: %s", text, strerror(e));
}

/* One address. Waits. */
static struct upconn *try_address(struct http_client *c, struct origin *o,
				  const struct dns_address *a, uint64_t deadline)
{
	int fd = socket(((const struct sockaddr *)&a->addr)->sa_family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, e = 0;
	socklen_t len = sizeof e;
	struct upconn *u;

	if (fd < 0)
		return connect_failed(a, errno);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (fault("connect"))
		e = ECONNREFUSED;
	else if (connect(fd, (const struct sockaddr *)&a->addr, a->len) && errno != EINPROGRESS)
		e = errno;
	if (e) {
		close(fd);
		return connect_failed(a, e);
	}
	u = upconn_new(c, o, fd);
	if (!u)
		return NULL;
	if (sock_wait(&u->sock, SOCK_WRITE, deadline)) {
		bool late = error_last()->kind == ERR_DEADLINE && clock_mono_ms() >= deadline;

		upconn_drop(u);
		return late ? connect_failed(a, ETIMEDOUT) : NULL;
	}
	if (getsockopt(u->sock.fd, SOL_SOCKET, SO_ERROR, &e, &len) || e) {
		upconn_drop(u);
		return connect_failed(a, e);
	}
	u->sock.likely = false;
	return u;
}

static struct upconn *connect_host(struct http_client *c, struct origin *o, struct bytes host,
				   uint16_t port, uint64_t deadline)
{
	struct dns_addresses found;
	struct upconn *u = NULL;

	if (dns_lookup(c->dns, host, deadline, &found))
		return NULL;
	for (size_t i = 0; i < found.len && !u; i++) {
		uint64_t now = clock_mono_ms(), left = deadline > now ? deadline - now : 0;
		uint64_t share = left / (found.len - i);

		if (share < SHARE_LEAST_MS)
			share = left < SHARE_LEAST_MS ? left : SHARE_LEAST_MS;
		if (left == 0 && i > 0)
			break;
		*sock_port((struct sockaddr *)&found.at[i].addr) = htons(port);
		if (o->public_only && !o->proxy &&
		    !sock_address_public((struct sockaddr *)&found.at[i].addr)) {
			fail(ERR_IO, "%.*s is not a public address", BFMT(host));
			continue;
		}
		u = try_address(c, o, &found.at[i], now + share);
		if (!u && error_last()->kind != ERR_IO) /* cancelled, out of memory, out of time */
			break;
	}
	return u;
}

/*
 * Looks where a proxy would go, since what is behind it is not seen from here: every address of the name must be public.
 * `ip` is the text of one of them. Waits.
 */
static int find_public(struct http_client *c, const struct origin *o, uint64_t deadline,
		       char ip[SOCK_ADDRESS_TEXT])
{
	struct dns_addresses found;

	if (dns_lookup(c->dns, o->host, deadline, &found))
		return -1;
	for (size_t i = 0; i < found.len; i++)
		if (!sock_address_public((struct sockaddr *)&found.at[i].addr))
			return fail(ERR_IO, "%.*s is not a public address", BFMT(o->host));
	sock_ip_text((struct sockaddr *)&found.at[0].addr, ip);
	return 0;
}

/* Asks the proxy for a tunnel to the host, or to the address that was found for it. Waits. */
static int tunnel(struct upconn *u, struct bytes host, uint64_t deadline)
{
	struct origin *o = u->origin;
	struct bytes auth = o->proxy->authorization, rq;
	bool v6 = bytes_chr(host, ':') >= 0;
	struct arena a;
	struct http_message m;
	struct iovec v;
	size_t used = 0;
	ssize_t n = 0;
	int r = -1;

	arena_init(&a, LOOKUP_MEMORY_MAX);
	rq = arena_printf(&a, "CONNECT %s%.*s%s:%u HTTP/1.1\r\nhost: %s%.*s%s:%u\r\n%s%.*s%s\r\n",
			  v6 ? "[" : "", BFMT(host), v6 ? "]" : "", o->port, v6 ? "[" : "",
			  BFMT(host), v6 ? "]" : "", o->port,
			  bytes_set(auth) ? "proxy-authorization: " : "", BFMT(auth),
			  bytes_set(auth) ? "\r\n" : "");
	if (!rq.p)
		goto out;
	v = (struct iovec){ (char *)rq.p, rq.n };
	if (upconn_send(u, &v, 1, deadline))
		goto out;
	http_response_init(&m, &a, PROXY_HEAD_MAX, 100, true);
	while (!m.head_done) {
		char *b;

		n = upconn_recv(u, &b, deadline);
		if (n == 0)
			fail(ERR_IO, "the proxy closed the connection");
		r = n > 0 ? http_message_push(&m, b, (size_t)n, false, &used) : -1;
		io_buffer_give(b);
		if (r)
			goto out;
	}
	if (m.status / 100 != 2)
		r = fail(ERR_IO, "the proxy answered %d %.*s", m.status,
			 BFMT(http_status_phrase(m.status)));
	else if (used != (size_t)n)
		r = fail(ERR_PROTOCOL, "the proxy sent more than its answer");
out:
	arena_deinit(&a);
	return r;
}

static void keep_session(void *arg, SSL_SESSION *s)
{
	struct upconn *u = arg;

	SSL_SESSION_free(u->origin->session);
	u->origin->session = s;
}

static int secure(struct upconn *u, uint64_t deadline)
{
	struct origin *o = u->origin;

	u->ssl = tls_new(u->client->opt.ca_file, u->sock.fd, o->host, o->session, keep_session, u);
	if (!u->ssl)
		return -1;
	for (;;) {
		enum tls_result r = tls_handshake(u->ssl, o->host);

		if (r == TLS_OK)
			return 0;
		if (r != TLS_WANT_READ && r != TLS_WANT_WRITE)
			return -1;
		if (sock_wait(&u->sock, r == TLS_WANT_READ ? SOCK_READ : SOCK_WRITE, deadline))
			return -1;
	}
}

/* Running out of connect_timeout is a connection that failed (ERR_IO); running out of the caller's time is
 * ERR_DEADLINE, whichever address was being tried then. */
static void *not_connected(const struct origin *o, uint64_t callers)
{
	enum error_kind kind = error_last()->kind;

	if (kind != ERR_IO && kind != ERR_DEADLINE)
		return NULL;
	if (clock_mono_ms() >= callers || clock_mono_ms() >= fiber_deadline())
		fail(ERR_DEADLINE, "timed out while connecting to %.*s:%u", BFMT(o->host), o->port);
	else if (kind == ERR_DEADLINE)
		fail(ERR_IO, "no connection to %.*s:%u in time", BFMT(o->host), o->port);
	return NULL;
}

struct upconn *upconn_connect(struct http_client *c, struct origin *o, uint64_t deadline)
{
	uint64_t own = clock_mono_ms() + c->opt.connect_timeout_ms, callers = deadline;
	bool pinned = o->public_only && o->proxy;
	char ip[SOCK_ADDRESS_TEXT];
	struct upconn *u;

	if (deadline > own)
		deadline = own;
	if (pinned && find_public(c, o, deadline, ip))
		return not_connected(o, callers);
	u = connect_host(c, o, o->proxy ? o->proxy->host : o->host,
			 o->proxy ? o->proxy->port : o->port, deadline);
	if (!u) {
		if (o->proxy && error_last()->kind == ERR_IO)
			fail_context("through the proxy: ");
		return not_connected(o, callers);
	}
	if (o->tls && ((o->proxy && tunnel(u, pinned ? bytes_of(ip) : o->host, deadline)) ||
		       secure(u, deadline))) {
		upconn_drop(u);
		return not_connected(o, callers);
	}
	return u;
}
