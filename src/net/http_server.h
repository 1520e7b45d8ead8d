/*
 * HTTP/1.1 server (RFC 9112): a listener a worker, one fiber a request in flight.
 *
 * An exchange is one request and its answer. The handler runs in a fiber of its own, may wait, and
 * must answer exactly once; if the client leaves meanwhile the fiber is cancelled. A client that only ends
 * its sending side has not left (decision 0015). Pipelined requests are answered in order. An idle keep-alive
 * connection holds no fiber and no buffers.
 */
#ifndef SIGNET_NET_HTTP_SERVER_H
#define SIGNET_NET_HTTP_SERVER_H

#include <sys/socket.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "net/http_status.h"

struct http_server; /* one per worker */
struct http_conn;

struct http_header {
	struct bytes name, value; /* the name as it came; compare with bytes_ieq */
};

struct exchange {
	/* the request; strings live in `arena` until the handler returns */
	struct bytes method, target; /* target as it came: path and query */
	struct bytes path, query; /* still percent-encoded; query without its '?', unset if none */
	struct http_header *headers;
	size_t nheaders;
	struct arena *arena; /* of this request: deinit after the handler returned */
	uint64_t started_ns; /* clock_mono_ns() when the first byte of the request was there */
	bool head;           /* HEAD: bodies are counted, not sent */
	void *user;          /* the server's `user` */
	void *held;          /* what the handler holds for the exchange; done() lets it go */

	/* headers for whatever answer comes, added by exchange_header() */
	struct http_header *out;
	size_t nout, cout;

	/* what was answered, for logs and metrics */
	int status; /* 0: nothing yet */
	uint64_t bytes_sent;
	uint64_t bytes_received; /* of the body, decoded */
	struct {
		const char *state;   /* of an inference; NULL: it was none */
		struct bytes finish; /* unset: unknown */
		int64_t tokens_in, tokens_out;
		bool stream,
			known; /* known: the tokens may be looked at, -1 is unknown all the same */
	} told;                /* by the handler, for the access log */
	bool client_gone;      /* the client closed or its socket failed before the answer's end */
	struct bytes
		idle; /* what may stand between two writes of a streamed answer and says nothing; set by the
			     * handler, unset: nothing may */
	const char *route; /* pattern for metrics, set by the handler; NULL = "other" */
	uint64_t
		first_ms; /* clock_mono_ms() at a stream's first delta, set by the handler; 0: none */
	struct bytes key_public_id; /* of the API key it came with, set at the door; unset: none */
	struct http_conn *conn;
};

typedef void http_handler(struct exchange *);

struct http_server_options {
	http_handler *handler;
	void *user;
	/* Called (no waiting) for requests that never reach a handler: bad syntax, limits, timeouts. It
	 * fills the body, may change exchange->status and add headers (content-type too); the connection is
	 * closed after it. NULL = empty body. */
	void (*malformed)(struct exchange *, int status, const char *reason, struct buf *body);
	/* Called after an exchange is over (answered or gone), before its arena goes. May be NULL. */
	void (*done)(struct exchange *);
	size_t max_connections; /* of the process; above it one is closed with 503. 0: no limit */
	size_t max_header_bytes; /* request line and headers together: 431 (line alone over it: 414) */
	size_t max_headers;      /* 431 */
	size_t max_body;         /* after decompression: ERR_BODY_TOO_LARGE */
	size_t body_memory;      /* of all bodies of the process together: ERR_BUSY */
	uint64_t header_timeout_ms, body_idle_ms, keepalive_ms, write_idle_ms;
	bool fibers_on_disconnect_finish; /* [server] on_disconnect = "finish": do not cancel */
};

/* Opens the worker's listener (SO_REUSEPORT) on this thread's loop. NULL: error set. */
struct http_server *http_server_listen(const struct sockaddr *, size_t addrlen,
				       const struct http_server_options *);
/* The same on `n` sockets that listen already, which it shares with others: it closes copies of its own. */
struct http_server *http_server_share(const int *fds, size_t n, const struct http_server_options *);
/* Every answer from now on says `connection: close`; new connections are taken all the same. */
void http_server_notice(struct http_server *);
/* Stops accepting and closes idle connections; running exchanges end with `connection: close`. */
void http_server_drain(struct http_server *);
/* Cancels what still runs and closes connections that are sending a request's head. */
void http_server_cancel_all(struct http_server *);
size_t http_server_running(const struct http_server *); /* exchanges in flight; its own thread */
/* Its connections, and the streamed answers among them. Any thread. */
size_t http_server_own_connections(const struct http_server *);
size_t http_server_own_streams(const struct http_server *);
void http_server_free(struct http_server *); /* after the drain; before loop_free */

/* Tests whether the address is free, by a plain bind (SO_REUSEADDR only). -1: error with the text of
 * signet-own (b). A port of 0 is replaced by the one found. */
int http_bind_test(struct sockaddr *, size_t addrlen);

/* The first header of that name, unset if none. */
struct bytes http_header_get(const struct http_header *, size_t n, struct bytes name);
struct bytes exchange_get(const struct exchange *, struct bytes name);
/* The address at the other end of the connection. false: it has left. */
bool exchange_peer(const struct exchange *, struct sockaddr_storage *);

/* Reads the whole body, decoded by its content-encoding (gzip, br, zstd, identity). Waits.
 * -1: ERR_BODY_TOO_LARGE, ERR_UNSUPPORTED_ENCODING, ERR_REQUEST_TIMEOUT, ERR_BUSY, ERR_PROTOCOL,
 * ERR_CLOSED, ERR_CANCELLED. The bytes live as long as the exchange. "Expect: 100-continue" is
 * answered here. May be called once. */
int exchange_body(struct exchange *, struct bytes *out);

/* Adds a header to the answer, before it is begun. Name lower case; it lives as long as the exchange. The value is copied
 * into the arena. */
int exchange_header(struct exchange *, struct bytes name, struct bytes value);

/* A whole answer in one write, with content-length and date. `type` unset: no content-type. Waits. */
int exchange_respond(struct exchange *, int status, struct bytes type, struct bytes body);

/* A streamed answer: head and chunks. begin() only prepares: the head leaves with the first flush.
 * write() buffers; flush() sends what is buffered and waits while the client is slower than that.
 * After an error (client gone) all three return -1 and nothing more is sent. end() flushes. Waits. */
int exchange_stream_begin(struct exchange *, int status, struct bytes type);
int exchange_stream_write(struct exchange *, struct bytes);
int exchange_stream_flush(struct exchange *);
int exchange_stream_end(struct exchange *);
/* The buffer that flush() sends, for writers that print in place: append a whole number of events (what stands in it is
 * the chunk's, not the writer's). Not while a flush waits: then write() refuses too, a timer may call it. */
struct buf *exchange_stream_buf(struct exchange *);
/* From the loop's own stack (a timer): sends what is buffered as far as the socket takes it now; leaves the rest for
 * the next flush. Does nothing while a flush of the handler's fiber is under way. */
void exchange_stream_try_flush(struct exchange *);
/* Ends the answer without its last chunk, so that the client sees a broken transfer. */
void exchange_abort(struct exchange *);

/* Another protocol on the connection, from here on: 101 with sec-websocket-accept, and then bytes as they come, until the
 * handler returns, which closes it. Waits. */
int exchange_upgrade(struct exchange *, struct bytes protocol, struct bytes accept);
/* > 0; 0: the client's end; -1: ERR_DEADLINE, ERR_CANCELLED, ERR_IO. */
ssize_t exchange_raw_read(struct exchange *, char *to, size_t room, uint64_t deadline);
int exchange_raw_write(struct exchange *, struct bytes);
bool exchange_draining(const struct exchange *);
/* "127.0.0.1:3000": where the client has reached this server. false: it has left. */
bool exchange_own_address(const struct exchange *, char out[64]);

/* Counters of the process for /status and metrics. */
size_t http_server_connections(void);
size_t http_server_body_bytes(void); /* bodies that did not come whole with their head */

#endif
