/*
 * A connection to an upstream, its origin and its pool. Shared by upconn.c (pools, bytes in and out),
 * connect.c (how one comes to be) and http_client.c (calls). Nobody else includes it.
 */
#ifndef SIGNET_NET_UPCONN_H
#define SIGNET_NET_UPCONN_H

#include <sys/queue.h>

#include "base/map.h"
#include "net/dns.h"
#include "net/http_client.h"
#include "net/http_message.h"
#include "net/proxy.h"
#include "net/socket.h"
#include "net/tls.h"

enum upconn_state { UPCONN_BUSY, UPCONN_IDLE, UPCONN_DRAINING, UPCONN_CLOSED };

struct upconn {
	struct sock sock;
	struct http_client *client;
	struct origin *origin;
	SSL *ssl;                     /* NULL: plain */
	TAILQ_ENTRY(upconn) of_state; /* in the client's list of its state */
	LIST_ENTRY(upconn) of_origin; /* while it is idle */
	uint64_t deadline;
	struct http_message *rest; /* draining: what is left of an answer; malloc */
	size_t drained;
	uint8_t state;
	uint8_t streak; /* reads without a wait */
	bool broken;    /* unfit for another request */
};

/* Scheme, host and port, and with them the proxy. */
struct origin {
	LIST_ENTRY(origin) registered; /* in the process, for metrics */
	struct bytes key, host;
	uint16_t port;
	bool tls, public_only;
	const struct proxy *proxy; /* NULL: direct */
	SSL_SESSION *session;
	LIST_HEAD(, upconn) idle; /* the newest first */
	_Atomic size_t nidle, nbusy;
};

struct http_client {
	struct http_client_options opt;
	struct arena arena; /* its own strings */
	struct proxy https_proxy, http_proxy;
	struct bytes no_proxy;
	struct dns *dns;
	struct map origins;
	TAILQ_HEAD(, upconn) lists[UPCONN_CLOSED];
	uv_timer_t timer;
	uint64_t timer_due;
	size_t nconns;
	bool freed, timer_closed;
};

/* NULL: ERR_OUT_OF_MEMORY. */
struct origin *origin_of(struct http_client *, const struct url *);
struct upconn *origin_take_idle(struct origin *); /* NULL: none */

/* Wraps a connected descriptor, which it takes. It is busy. */
struct upconn *upconn_new(struct http_client *, struct origin *, int fd);
void upconn_close(struct upconn *);
void upconn_drop(struct upconn *); /* the same, of one that is broken */
/* The answer was read: back to the pool, if the connection is fit for it. */
void upconn_release(struct upconn *);
/* The reader has what it wants, but the answer's end is still to come: reads on for a moment. */
void upconn_drain(struct upconn *, const struct http_message *);

/* Sends everything. Waits. 1: the peer has answered before it took all (the connection is broken);
 * 0: sent; -1: ERR_CLOSED (it closed), ERR_DEADLINE, ERR_CANCELLED, ERR_PROTOCOL. */
int upconn_send(struct upconn *, struct iovec *, int n, uint64_t deadline);
/* One read into a buffer of the thread's pool, taken only when data is there: the caller gives *to back.
 * Waits. > 0 bytes; 0: closed; -1: ERR_CLOSED (reset), ERR_DEADLINE, ERR_CANCELLED, ERR_PROTOCOL. */
ssize_t upconn_recv(struct upconn *, char **to, uint64_t deadline);

/* A new connection, with proxy and TLS. Waits. NULL: ERR_IO, ERR_DEADLINE, ERR_CANCELLED. */
struct upconn *upconn_connect(struct http_client *, struct origin *, uint64_t deadline);

#endif
