/*
 * What http_server.c (listener, connections, reading heads) and exchange.c (bodies and answers) share.
 * Nobody else includes it.
 */
#ifndef SIGNET_NET_HTTP_CONN_H
#define SIGNET_NET_HTTP_CONN_H

#include <sys/queue.h>

#include "net/http_message.h"
#include "net/http_server.h"
#include "net/socket.h"

enum conn_state {
	CONN_IDLE,
	CONN_HEAD,
	CONN_RUNNING,
	CONN_ENDED, /* runs, and the client has ended its side: does it still read? */
	CONN_LINGER,
	CONN_CLOSED
};

/* One client's connection. Small: ten thousand may be idle. */
struct http_conn {
	struct sock sock;
	struct http_server *server;
	TAILQ_ENTRY(http_conn) of_state; /* in the server's list of its state */
	uint64_t deadline;               /* of that list */
	struct request *rq;              /* NULL while idle */
	char *pending;                   /* pipelined bytes behind the running request; malloc */
	size_t npending, drained;
	uint8_t state;
	uint8_t probes; /* of the running request */
};

enum response_state { RESPONSE_NONE, RESPONSE_STREAM, RESPONSE_DONE, RESPONSE_BROKEN };

/* One request and its answer. */
struct request {
	struct exchange ex;
	struct arena arena;
	struct http_message msg;
	struct fiber *fiber; /* NULL: the handler does not run */
	struct bytes first;  /* body bytes that came with the head, in the arena */
	char *body;      /* the body, if it did not fit there; malloc, or mmap if body_map is set */
	size_t body_map; /* the mapping's size */
	size_t body_counted; /* towards body_memory */
	struct buf out;      /* of a streamed answer, behind `room` bytes for its chunk's size */
	size_t room,
		expect; /* expect: how much the next chunk will need, if it is like the last one */
	struct bytes head; /* of a streamed answer, not sent yet */
	size_t early; /* bytes of its head that went ahead, to see whether the client is there */
	uint8_t answer;
	bool keep, chunked_out, body_read, streamed;
};

struct conn_list {
	TAILQ_HEAD(, http_conn) conns;
	size_t len;
};

struct listening_socket {
	uv_poll_t poll;
	int fd;
};

struct http_server {
	struct http_server_options opt;
	struct listening_socket *listening; /* closed when it drains, freed with the server */
	size_t nlistening;
	uv_timer_t timer, accept_pause;
	uint64_t timer_due;
	int open_handles; /* of the above */
	struct conn_list lists[CONN_CLOSED];
	_Atomic size_t nconns, nstreams; /* its own thread changes them */
	bool leaving;                    /* every answer ends its connection */
	bool draining, freed, closed;    /* closed: it does not listen any more */
};

extern _Atomic size_t http_body_bytes; /* of the process */

static inline struct request *request_of(const struct exchange *ex)
{
	return (struct request *)ex; /* its first member */
}

/* Keeps pipelined bytes for the next request. -1: out of memory. */
int conn_keep_pending(struct http_conn *, const char *p, size_t n);
/* The client has left: marks the exchange and cancels its fiber, unless the server says to finish. */
void conn_gone(struct http_conn *);
/* Sends the client something that changes nothing, if there is such a thing now: one that has left answers by a reset. */
void answer_probe(struct request *);
/* Builds the head of an answer in the arena, without what went ahead of it. `length` < 0: not known, so chunked or until
 * close. */
struct bytes answer_head(struct request *, int status, struct bytes type, int64_t length);
/* Frees what exchange.c keeps in the request. */
void answer_deinit(struct request *);

#endif
