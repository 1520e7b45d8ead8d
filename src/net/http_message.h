/*
 * Reading one HTTP/1.x message, request or response, from whatever pieces the socket brings. Pure: no
 * socket, no clock. Strict (RFC 9112): whatever two parsers could read in two ways is refused.
 */
#ifndef SIGNET_NET_HTTP_MESSAGE_H
#define SIGNET_NET_HTTP_MESSAGE_H

#include <llhttp.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "net/http_server.h" /* struct http_header */

struct http_message {
	/* the head, once head_done; strings live in `arena` */
	struct bytes method, target; /* of a request; the method is a literal */
	int status;                  /* of a response */
	int minor;                   /* HTTP/1.minor */
	struct http_header *headers;
	size_t nheaders;
	uint64_t length; /* content-length */
	bool has_length, chunked;
	bool expect; /* 100-continue */
	bool head_done, complete;
	bool keep_alive; /* the connection may serve another message after this one */

	/* what the last push decoded of the body: lies in the memory that was pushed */
	struct bytes body;

	/* why the last push failed */
	int bad_status; /* what a server answers: 400, 414, 417, 431, 505 */
	const char *bad;

	/* private */
	llhttp_t parser;
	struct arena *arena;
	size_t cheaders, max_head, max_headers;
	const char *piece; /* being parsed */
	char *head;        /* bytes of the head that came in earlier pieces */
	size_t base;       /* how many */
	size_t head_cap, head_end, extra;
	bool response, no_body, in_value, target_done, version_seen, compact, interim;
};

/* `bad` where TLS came to a port of plain HTTP: this very pointer. */
extern const char http_got_tls[];

/* `no_body`: a response to HEAD. */
void http_request_init(struct http_message *, struct arena *, size_t max_head, size_t max_headers);
void http_response_init(struct http_message *, struct arena *, size_t max_head, size_t max_headers,
			bool no_body);

/*
 * Parses the next piece, in which body bytes may be moved together (chunk sizes taken out). *used: how much
 * of it belongs to this message, all unless it is complete. With `compact` the body's bytes are moved to
 * the front of the piece. -1: bad and bad_status say why, the error is ERR_PROTOCOL or ERR_TOO_LARGE (or
 * ERR_OUT_OF_MEMORY). Responses with a 1xx status are skipped.
 */
int http_message_push(struct http_message *, char *piece, size_t n, bool compact, size_t *used);
/* The peer closed: 0 if that is how the message ends (complete is set), -1 if it was cut short. */
int http_message_eof(struct http_message *);

/* No more will be read of an unfinished head: method and target become readable, as far as they came. */
void http_message_give_up(struct http_message *);

#endif
