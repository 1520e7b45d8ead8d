/*
 * HTTP/1.1 client: a pool of keep-alive connections per worker and origin (scheme, host, port, proxy),
 * TLS with certificate and name check, DNS off the loop with a cache, decoded bodies. All functions
 * belong to the worker's thread and, unless said, to a fiber. Redirects are never followed.
 */
#ifndef SIGNET_NET_HTTP_CLIENT_H
#define SIGNET_NET_HTTP_CLIENT_H

#include "base/arena.h"
#include "base/bytes.h"
#include "net/http_server.h" /* struct http_header */

struct http_client;
struct http_call;

struct http_client_options {
	uint64_t connect_timeout_ms; /* DNS, TCP and TLS together */
	uint64_t idle_ms;            /* how long an unused connection is kept */
	size_t max_idle;             /* per origin */
	uint64_t dns_ttl_s;
	const char *ca_file; /* NULL: SSL_CERT_FILE, else the system's */
	const char *https_proxy, *http_proxy, *no_proxy; /* NULL: none; as in the environment */
};

/* One per worker, on its thread. NULL: error (an unreadable ca_file). */
struct http_client *http_client_new(const struct http_client_options *);
void http_client_free(struct http_client *);

struct url {
	bool tls;
	struct bytes host;      /* without brackets */
	struct bytes authority; /* host[:port] as the host header wants it */
	uint16_t port;
	struct bytes target; /* path and query, at least "/" */
	/* The caller's: connect to addresses of the public Internet only, on connections of their own pool.
	 * Through a proxy too: the name is resolved here before the proxy is asked, and a tunnel goes to the
	 * address that was found. A plain proxy gets the name. */
	bool public_only;
	bool direct; /* the caller's: through no proxy (what lives on this machine or its link) */
};
/* http and https only; userinfo is refused. The strings point into `text` or the arena. */
int url_parse(struct bytes text, struct arena *, struct url *out);

struct http_send {
	const struct url *url;
	struct bytes method;
	const struct http_header *headers; /* all but host, content-length, connection */
	size_t nheaders;
	struct bytes body;
	bool fresh;             /* do not reuse a pooled connection */
	bool once;              /* and let nobody reuse it afterwards */
	uint64_t head_deadline; /* absolute: the answer's head must be there; TIME_NEVER = none */
	uint64_t read_idle_ms;  /* longest silence between two reads of the answer; 0 = none */
	struct arena *arena;    /* for the head of the answer and the call itself */
};

/*
 * Sends and reads the head of the answer (1xx skipped). Waits. NULL: error with its cause chain as text:
 * ERR_STALE if the connection was a reused one and closed before a byte of an answer came (send again,
 * signed anew, with `fresh`), ERR_IO for connect, DNS, TLS and write failures, ERR_PROTOCOL, ERR_CLOSED
 * (a fresh connection closed before an answer), ERR_DEADLINE, ERR_CANCELLED, ERR_TOO_LARGE.
 */
struct http_call *http_send(struct http_client *, const struct http_send *);

int http_call_status(const struct http_call *);
struct bytes http_call_header(const struct http_call *, struct bytes name);       /* unset: none */
const struct http_header *http_call_headers(const struct http_call *, size_t *n); /* as they came */
bool http_call_reused(const struct http_call *);

/* The next piece of the decoded body: all that one read of the socket brought. 1: a piece (valid until
 * the next call), 0: the end, -1: ERR_IO, ERR_CLOSED (cut short), ERR_PROTOCOL (framing, a bad gzip
 * stream), ERR_DEADLINE, ERR_CANCELLED. Waits. */
int http_call_read(struct http_call *, struct bytes *piece);
/* The rest of the body as one string in the arena of http_send; past `max` ERR_TOO_LARGE. Waits. */
int http_call_read_all(struct http_call *, size_t max, struct bytes *out);
/* The connection goes back to the pool if the answer was read to its end, else it is closed. Must be
 * called exactly once, also after errors and when cancelled. Does not wait. With the end of the body
 * unread but already buffered (a chunked body's last chunk) it still counts as read. */
void http_call_close(struct http_call *);
/* What came is broken: the connection is not used again, however well it ends. Before http_call_close. */
void http_call_distrust(struct http_call *);

/* The value of proxy-authorization that a request to that URL is sent with; unset: none. */
struct bytes http_client_proxy_secret(const struct http_client *, const struct url *);

/* Upstream connections of the process; any thread. */
size_t http_client_connections(void);
/* The same, one call for each origin of each worker (a host may come several times). Hosts that clients chose (public_only)
 * are all called "files". */
void http_client_visit(void (*)(void *arg, struct bytes host, size_t idle, size_t busy), void *arg);

#endif
