/* A client of the worker (net_harness.h) and an upstream that the test plays itself. */
#ifndef SIGNET_TESTS_CLIENT_HARNESS_H
#define SIGNET_TESTS_CLIENT_HARNESS_H

#include "net_harness.h"

#include "base/arena.h"

/* What a call is to do and what became of it; filled by the worker's fiber. */
static struct {
	char url[128];
	struct http_send send;
	size_t max;       /* read_all */
	bool pieces;      /* read piece by piece */
	bool close_early; /* close after the first piece */
	bool public_only;
	/* result */
	bool sent;
	int status;
	bool reused;
	enum error_kind kind;
	char message[300];
	char head[64];
	char body[1 << 16];
	size_t nbody, npieces;
	uint64_t ms;
} call;

static inline void note_error(void)
{
	struct error *e = error_last();

	call.kind = e->kind;
	snprintf(call.message, sizeof call.message, "%.*s", BFMT(e->message));
}

static inline void add(struct bytes piece)
{
	size_t room = sizeof call.body - 1 - call.nbody, n = piece.n < room ? piece.n : room;

	memcpy(call.body + call.nbody, piece.p, n);
	call.nbody += n;
	call.npieces++;
}

static inline void run_call(struct harness *h)
{
	struct arena a;
	struct url u;
	struct http_call *c;
	struct bytes body;
	uint64_t began = clock_mono_ms();
	int r;

	call.sent = false;
	call.status = 0;
	call.kind = ERR_NONE;
	call.nbody = call.npieces = 0;
	memset(call.body, 0, sizeof call.body);
	arena_init(&a, 64 << 20);
	if (url_parse(bytes_of(call.url), &a, &u)) {
		note_error();
		goto out;
	}
	u.public_only = call.public_only;
	call.send.url = &u;
	call.send.arena = &a;
	if (!call.send.method.p)
		call.send.method = B("POST");
	c = http_send(h->client, &call.send);
	if (!c) {
		note_error();
		goto out;
	}
	call.sent = true;
	call.status = http_call_status(c);
	call.reused = http_call_reused(c);
	snprintf(call.head, sizeof call.head, "%.*s", BFMT(http_call_header(c, B("x-test"))));
	if (call.pieces) {
		while ((r = http_call_read(c, &body)) > 0) {
			add(body);
			if (call.close_early)
				break;
		}
	} else {
		r = http_call_read_all(c, call.max ? call.max : 1 << 20, &body);
		if (r == 0)
			add(body);
	}
	if (r < 0)
		note_error();
	http_call_close(c);
out:
	call.ms = clock_mono_ms() - began;
	arena_deinit(&a);
}

/* ---- the upstream ---- */

static uint16_t up_port;
static int up_listen;

static inline int start_with(void **state, http_handler *handler)
{
	struct harness *h = malloc(sizeof *h);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;

	memset(&call, 0, sizeof call);
	harness_init(h, handler);
	h->want_client = true;
	up_listen = socket(AF_INET, SOCK_STREAM, 0);
	bind(up_listen, (struct sockaddr *)&a, sizeof a);
	listen(up_listen, 16);
	getsockname(up_listen, (struct sockaddr *)&a, &len);
	up_port = ntohs(a.sin_port);
	snprintf(call.url, sizeof call.url, "http://127.0.0.1:%u/v1/chat?a=b", up_port);
	call.send.body = B("{}");
	call.send.head_deadline = TIME_NEVER;
	*state = h;
	return 0;
}

static inline void nothing(struct exchange *ex)
{
	exchange_respond(ex, 404, (struct bytes){ 0 }, B(""));
}

static inline int start(void **state)
{
	return start_with(state, nothing);
}

static inline int stop(void **state)
{
	close(up_listen);
	harness_stop(*state);
	free(*state);
	return 0;
}

static inline int take(void)
{
	int fd = accept(up_listen, NULL, NULL);

	assert_true(fd >= 0);
	return fd;
}

/* Accepts, reads one request with the body "{}", answers. */
static inline int serve(const char *answer)
{
	int fd = take();
	char *got = hear(fd, "{}", 3000);

	free(got);
	say(fd, answer);
	return fd;
}

#define OK_HEAD "HTTP/1.1 200 OK\r\nx-test: yes\r\n"

#endif
