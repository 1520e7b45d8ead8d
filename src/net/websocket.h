/*
 * WebSocket frames (RFC 6455), the server's side: what clients send is taken apart, what goes to them put together. Pure; no
 * extension is spoken, so reserved bits are an error.
 */
#ifndef SIGNET_NET_WEBSOCKET_H
#define SIGNET_NET_WEBSOCKET_H

#include "base/bytes.h"

enum ws_opcode {
	WS_CONTINUES = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10
};

#define WS_ACCEPT  28  /* characters of sec-websocket-accept */
#define WS_CONTROL 125 /* bytes of a ping, a pong, a close */

enum ws_got {
	WS_GOT_NOTHING, /* all that was fed is taken: more must come */
	WS_GOT_TEXT,    /* a whole message, in `message` until the next call */
	WS_GOT_PING,    /* its payload is in `control`, to be sent back */
	WS_GOT_PONG,
	WS_GOT_CLOSE, /* nothing may follow */
	WS_GOT_WRONG, /* `code` says what; nothing may follow */
};

struct ws_reader {
	struct buf message;
	char control[WS_CONTROL];
	size_t ncontrol;
	int code; /* 1002 framing, 1003 no text, 1007 no UTF-8, 1009 too long; of WS_GOT_WRONG */
	/* the frame at hand */
	unsigned char head[14];
	size_t nhead, at;
	uint64_t left;
	bool in_payload, begun,
		given; /* begun: a message of several frames; given: it was handed out */
};

void ws_reader_init(struct ws_reader *, size_t max_message);
void ws_reader_deinit(struct ws_reader *);
/* Takes bytes off the front of *in up to the first event. */
enum ws_got ws_take(struct ws_reader *, struct bytes *in);

/* Appends a frame, whole and unmasked. -1: no room. */
int ws_put(struct buf *out, enum ws_opcode, struct bytes payload);
int ws_put_close(struct buf *out, int code);
/* The answer to sec-websocket-key. */
struct bytes ws_accept(struct bytes key, char out[WS_ACCEPT + 1]);

#endif
