/*
 * uv_poll as the only notification, raw system calls for the rest: libuv's own streams would allocate a
 * request per write and copy, and their read buffers would belong to idle connections.
 *
 * Traps. uv_poll_start always removes and adds the descriptor (two system calls), so the mask is compared
 * first. On EPOLLERR libuv stops the handle by itself and reports a negative status. Interest in writing
 * must not stay on: an idle socket is always writable and the loop would spin.
 */
#include "net/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "fiber/loop.h"

#define SPARE_BUFFERS 32
#define JOIN_BYTES    4096u

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct sock *s = p->data;

	if (status < 0) { /* libuv has stopped the handle */
		s->mask = 0;
		events = SOCK_READ | SOCK_WRITE | SOCK_HANGUP;
	}
	if (events & (SOCK_READ | SOCK_HANGUP))
		s->likely = true;
	if (s->waiter && (events & s->want)) {
		s->got |= (uint8_t)events;
		fiber_wake(s->waiter);
		return;
	}
	s->event(s, events);
}

int sock_open(struct sock *s, int fd, void (*event)(struct sock *, int))
{
	int e;

	*s = (struct sock){ .fd = fd, .event = event };
	e = fault("poll") ? UV_ENOMEM : uv_poll_init(loop_uv(loop_self()), &s->poll, fd);
	if (e) {
		close(fd);
		s->fd = -1;
		return fail(ERR_IO, "cannot watch a socket: %s", uv_strerror(e));
	}
	s->poll.data = s;
	return 0;
}

bool sock_failed(const struct sock *s)
{
	struct pollfd p = { .fd = s->fd };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP));
}

int sock_watch(struct sock *s, int events)
{
	int e;

	if (s->ended && events)
		events = (events & SOCK_WRITE) | SOCK_FAILURE;
	if (s->mask == events)
		return 0;
	e = events ? uv_poll_start(&s->poll, events, on_poll) : uv_poll_stop(&s->poll);
	if (e) {
		s->mask = 0;
		return fail(ERR_IO, "cannot watch a socket: %s", uv_strerror(e));
	}
	s->mask = (uint8_t)events;
	return 0;
}

int sock_wait(struct sock *s, int want, uint64_t deadline)
{
	uint64_t before;
	int r = 0;

	if (sock_watch(s, want == SOCK_READ ? SOCK_READ : want | SOCK_HANGUP))
		return -1;
	s->waiter = fiber_self();
	s->want = (uint8_t)want;
	s->got = 0;
	before = fiber_deadline_narrow(deadline);
	while (!s->got && r == 0)
		r = fiber_park();
	fiber_deadline_restore(before);
	s->waiter = NULL;
	if ((s->mask & SOCK_WRITE) && sock_watch(s, SOCK_READ))
		return -1;
	return r && (!s->got || fiber_cancelled()) ? -1 : 0;
}

void sock_kick(struct sock *s)
{
	if (!s->waiter)
		return;
	s->got = SOCK_READ | SOCK_WRITE;
	s->likely = true;
	fiber_wake(s->waiter);
}

static void on_closed(uv_handle_t *h)
{
	struct sock *s = h->data;

	s->closed(s);
}

void sock_close(struct sock *s, void (*closed)(struct sock *))
{
	s->closed = closed;
	s->mask = 0;
	uv_close((uv_handle_t *)&s->poll, on_closed); /* takes the fd out of epoll at once */
	close(s->fd);
	s->fd = -1;
}

ssize_t sock_recv(struct sock *s, char *to, size_t n)
{
	ssize_t r;

	if (fault("recv")) {
		errno = ECONNRESET;
		return -1;
	}
	do
		r = recv(s->fd, to, n, 0);
	while (r < 0 && errno == EINTR);
	s->likely = r == (ssize_t)n;
	return r;
}

size_t iov_total(const struct iovec *iov, int n)
{
	size_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return sum;
}

void iov_advance(struct iovec **iov, int *n, size_t sent)
{
	while (*n && sent >= (*iov)->iov_len) {
		sent -= (*iov)->iov_len;
		++*iov;
		--*n;
	}
	if (*n) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + sent;
		(*iov)->iov_len -= sent;
	}
}

/* Small pieces as one: copying them costs less than the kernel's copying in of a header and a vector. */
static ssize_t send_joined(int fd, const struct iovec *iov, int n)
{
	static _Thread_local char joined[JOIN_BYTES];
	size_t len = 0;

	for (int i = 0; i < n; i++) {
		if (iov[i].iov_len)
			memcpy(joined + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	return send(fd, joined, len, MSG_NOSIGNAL);
}

int sock_send(struct sock *s, struct iovec **iov, int *niov)
{
	while (*niov) {
		struct msghdr m = { .msg_iov = *iov, .msg_iovlen = (size_t)*niov };
		ssize_t r;

		if (fault("send"))
			r = (errno = EPIPE, -1);
		else if (*niov == 1)
			r = send(s->fd, (*iov)->iov_base, (*iov)->iov_len, MSG_NOSIGNAL);
		else if (iov_total(*iov, *niov) <= JOIN_BYTES)
			r = send_joined(s->fd, *iov, *niov);
		else
			r = sendmsg(s->fd, &m, MSG_NOSIGNAL);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 1 : -1;
		iov_advance(iov, niov, (size_t)r);
	}
	return 0;
}

static void *ip_of(const struct sockaddr *a)
{
	return a->sa_family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)(void *)a)->sin6_addr
					: (void *)&((struct sockaddr_in *)(void *)a)->sin_addr;
}

static bool v4_public(uint32_t a)
{
	static const struct {
		uint32_t net;
		int bits;
	} not_public[] = {
		/* the registry of RFC 6890, and multicast with all above it */
		{ 0x00000000, 8 },  { 0x0a000000, 8 },  { 0x64400000, 10 }, { 0x7f000000, 8 },
		{ 0xa9fe0000, 16 }, { 0xac100000, 12 }, { 0xc0000000, 24 }, { 0xc0000200, 24 },
		{ 0xc0a80000, 16 }, { 0xc6120000, 15 }, { 0xc6336400, 24 }, { 0xcb007100, 24 },
		{ 0xe0000000, 3 },
	};

	for (size_t i = 0; i < COUNT(not_public); i++)
		if ((a ^ not_public[i].net) >> (32 - not_public[i].bits) == 0)
			return false;
	return true;
}

/* 2000::/3 is all that is given out; the ways in it that lead to IPv4 (6to4, Teredo) are shut, as is NAT64. */
static bool v6_public(const struct in6_addr *a)
{
	const uint8_t *b = a->s6_addr;

	if (IN6_IS_ADDR_V4MAPPED(a))
		return v4_public((uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 |
				 (uint32_t)b[14] << 8 | b[15]);
	if ((b[0] & 0xe0) != 0x20)
		return false;
	return !(b[0] == 0x20 && b[1] == 0x02) && !(b[0] == 0x20 && b[1] == 0x01 && b[2] < 2) &&
	       !(b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8);
}

bool sock_address_public(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET6)
		return v6_public(ip_of(a));
	return a->sa_family == AF_INET && v4_public(ntohl(((struct in_addr *)ip_of(a))->s_addr));
}

size_t ip_parse(struct bytes text, unsigned char out[16])
{
	char copy[INET6_ADDRSTRLEN + 1];

	if (text.n == 0 || text.n >= sizeof copy)
		return 0;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	if (inet_pton(AF_INET, copy, out) == 1)
		return 4;
	return inet_pton(AF_INET6, copy, out) == 1 ? 16 : 0;
}

in_port_t *sock_port(const struct sockaddr *a)
{
	return a->sa_family == AF_INET6 ? &((struct sockaddr_in6 *)(void *)a)->sin6_port
					: &((struct sockaddr_in *)(void *)a)->sin_port;
}

socklen_t sock_address_make(const unsigned char *ip, size_t n, uint16_t port,
			    struct sockaddr_in6 *room)
{
	struct sockaddr *a = (struct sockaddr *)room;

	memset(room, 0, sizeof *room);
	a->sa_family = n == 16 ? AF_INET6 : AF_INET;
	*sock_port(a) = htons(port);
	memcpy(ip_of(a), ip, n);
	return n == 16 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

bool sock_address_parse(struct bytes text, struct sockaddr_storage *out, socklen_t *n)
{
	bool six = text.n && text.p[0] == '[';
	struct bytes host = text, port;
	unsigned char ip[16];
	uint64_t number;

	while (host.n && host.p[host.n - 1] != ':')
		host.n--;
	port = bytes_slice(text, host.n, text.n);
	host.n -= host.n > 0;
	if (port.n > 5 || !bytes_to_u64(port, &number) || number > UINT16_MAX)
		return false;
	if (six && (host.n < 2 || host.p[host.n - 1] != ']'))
		return false;
	host = six ? bytes_slice(host, 1, host.n - 2) : host;
	if (ip_parse(host, ip) != (six ? 16 : 4))
		return false;
	*out = (struct sockaddr_storage){ 0 };
	*n = sock_address_make(ip, six ? 16 : 4, (uint16_t)number, (struct sockaddr_in6 *)out);
	return true;
}

void sock_ip_text(const struct sockaddr *a, char out[SOCK_ADDRESS_TEXT])
{
	if (!inet_ntop(a->sa_family, ip_of(a), out, SOCK_ADDRESS_TEXT))
		*out = '\0';
}

void sock_address_text(const struct sockaddr *a, char out[SOCK_ADDRESS_TEXT])
{
	char ip[INET6_ADDRSTRLEN] = "?";

	inet_ntop(a->sa_family, ip_of(a), ip, sizeof ip);
	snprintf(out, SOCK_ADDRESS_TEXT, a->sa_family == AF_INET6 ? "[%s]:%u" : "%s:%u", ip,
		 ntohs(*sock_port(a)));
}

void timer_arm(uv_timer_t *t, uint64_t *armed, uint64_t due, uv_timer_cb fn)
{
	uint64_t now;

	if (due >= *armed || uv_is_closing((uv_handle_t *)t))
		return;
	now = clock_mono_ms();
	*armed = due;
	uv_update_time(t->loop);
	uv_timer_start(t, fn, due > now ? due - now : 0, 0);
}

/* ---- buffers ---- */

static _Thread_local char *spare[SPARE_BUFFERS];
static _Thread_local unsigned nspare;

char *io_buffer_take(void)
{
	char *b;

	if (fault("io_buffer"))
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	if (nspare)
		return spare[--nspare];
	b = malloc(IO_BUFFER);
	return b ? b : fail_null(ERR_OUT_OF_MEMORY, "out of memory");
}

void io_buffer_give(char *b)
{
	if (b && nspare < SPARE_BUFFERS)
		spare[nspare++] = b;
	else
		free(b);
}

void io_buffers_free(void)
{
	while (nspare)
		free(spare[--nspare]);
}
