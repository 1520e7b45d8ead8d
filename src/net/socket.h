/*
 * A non-blocking socket on this thread's loop, for fibers and for callbacks.
 *
 * Interest in reading stays registered while the connection lives, so that in steady state an exchange
 * costs no epoll_ctl. Events come to the fiber that waits; if none does, to `event`, which must take what
 * is readable or stop watching (events are level-triggered).
 */
#ifndef SIGNET_NET_SOCKET_H
#define SIGNET_NET_SOCKET_H

#include <netinet/in.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <uv.h>

#include "base/bytes.h"
#include "fiber/fiber.h"

enum {
	SOCK_READ = UV_READABLE,
	SOCK_WRITE = UV_WRITABLE,
	SOCK_HANGUP = UV_DISCONNECT,
	SOCK_FAILURE = UV_PRIORITIZED /* nothing but its failing, which is always told */
};

struct sock {
	uv_poll_t poll;
	void (*event)(struct sock *, int events);
	void (*closed)(struct sock *);
	struct fiber *waiter;
	int fd;
	uint8_t mask, want, got;
	bool likely; /* data is probably there: try before waiting */
	/* The peer has ended its side, and all that it sent was taken: the socket stays readable for ever. Set by the
	 * owner; from then on SOCK_READ and SOCK_HANGUP mean SOCK_FAILURE. */
	bool ended;
};

/* Takes the fd (closes it on failure). Watches nothing yet. -1: ERR_IO. */
int sock_open(struct sock *, int fd, void (*event)(struct sock *, int events));
/* Sets what is watched while nobody waits. -1: ERR_IO. */
int sock_watch(struct sock *, int events);
/* Whether the connection is broken (a reset came, or both sides have ended), whatever may still be read. */
bool sock_failed(const struct sock *);
/* Waits for SOCK_READ, SOCK_WRITE or either; `got` has what came (a failed socket is both) until `deadline`. Watches SOCK_READ
 * afterwards. -1: ERR_DEADLINE, ERR_CANCELLED, ERR_IO. */
int sock_wait(struct sock *, int want, uint64_t deadline);
/* Lets a fiber that waits on it go on, as if the socket were ready. */
void sock_kick(struct sock *);
/* Closes the fd now; `closed` is called from the loop when the memory may go. */
void sock_close(struct sock *, void (*closed)(struct sock *));

/* What is there, without waiting: > 0 bytes, 0 = end, -1 with errno (EAGAIN: nothing there). */
ssize_t sock_recv(struct sock *, char *to, size_t n);
/* Sends what the kernel takes and moves *iov forward. 0: all gone. 1: the kernel is full. -1: errno. */
int sock_send(struct sock *, struct iovec **iov, int *niov);

size_t iov_total(const struct iovec *, int n);          /* bytes */
void iov_advance(struct iovec **, int *n, size_t sent); /* takes sent bytes off the front */

/* Numeric IPv4 or IPv6 in network order. How many bytes, 4 or 16; 0: it is no address. */
size_t ip_parse(struct bytes text, unsigned char out[16]);
/* Numeric IPv4 or [IPv6], a colon, a port: what Rust's SocketAddr takes. False: it is not of that form. */
bool sock_address_parse(struct bytes text, struct sockaddr_storage *, socklen_t *);
/* Of an address in n bytes, 4 or 16, in room for either family. Returns the length of what it made. */
socklen_t sock_address_make(const unsigned char *ip, size_t n, uint16_t port,
			    struct sockaddr_in6 *room);
in_port_t *sock_port(const struct sockaddr *); /* in network order */
/* "host:port" or "[v6]:port" of an address, NUL-terminated. */
#define SOCK_ADDRESS_TEXT 64
/* Whether it belongs to the public Internet: not loopback, private, link-local, shared, multicast or reserved. */
bool sock_address_public(const struct sockaddr *);
void sock_address_text(const struct sockaddr *, char out[SOCK_ADDRESS_TEXT]);
void sock_ip_text(const struct sockaddr *,
		  char out[SOCK_ADDRESS_TEXT]); /* without brackets and port */

/* A timer for lists in order of their deadlines: it goes off at the earliest that it was armed with. *armed is TIME_NEVER
 * while it is not. */
void timer_arm(uv_timer_t *, uint64_t *armed, uint64_t due, uv_timer_cb);

/*
 * Buffers for reads, shared by all connections of the thread: a connection that waits holds none. A fiber
 * takes one when data is there and gives it back before it waits for more.
 */
#define IO_BUFFER 32768u
char *io_buffer_take(void);  /* NULL: ERR_OUT_OF_MEMORY */
void io_buffer_give(char *); /* NULL is fine */
void io_buffers_free(void);  /* the spare ones of this thread */

#endif
