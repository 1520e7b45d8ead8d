/*
 * Calls: a request out, the answer's head in, then its body piece by piece.
 *
 * The body is handed out where the socket's read left it; chunk sizes are taken out in place, so that all
 * that one read brought is one piece. A call holds a read buffer only between two waits: thousands of
 * streams that wait for their next event hold none.
 *
 * A reused connection may have been closed by its server at the very moment it was taken. If it ends before
 * a byte of an answer came, that is ERR_STALE and the caller sends again; on a fresh connection the same is
 * the upstream's failure.
 */
#include "net/http_client.h"

#include <stdlib.h>

#include "base/answer_memory.h"
#include "base/error.h"
#include "fiber/fiber.h"
#include "net/decode.h"
#include "net/http_put.h"
#include "net/upconn.h"

#define HEAD_MAX      (256u << 10)
#define HEADERS_MAX   1000
#define YIELD_BYTES   (256u << 10)
#define ALLOC_AHEAD   (1u << 20) /* an announced length is believed up to here */
#define UNHELD        (1u << 20) /* of each body, towards the memory of answers */
#define HOLD_STEP     (1u << 20)
#define HOLD_RETRY_MS 10

struct http_call {
	struct upconn *conn;
	struct arena *arena;
	struct http_message msg;
	struct decoder *decoder; /* NULL: identity */
	struct bytes raw;        /* body bytes of the last read that were not handed out */
	char *io, *plain; /* buffers of the thread's pool: the last read, the decoder's output */
	uint64_t read_idle_ms;
	size_t since_yield; /* decoded bytes */
	struct answer_hold hold;
	enum coding coding;
	bool reused, once, failed, more; /* more: the decoder filled its output */
};

/* ---- sending ---- */

static bool clean(struct bytes b)
{
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] == '\r' || b.p[i] == '\n' || b.p[i] == 0)
			return false;
	return true;
}

/* Headers that say where a message ends or belong to the connection: from anyone but this file they would let a
 * request hide another one. */
static bool of_connection(struct bytes name)
{
	static const struct bytes names[] = {
		B("content-length"),
		B("transfer-encoding"),
		B("connection"),
		B("proxy-authorization"),
		B("keep-alive"),
		B("trailer"),
		B("upgrade"),
		B("expect"),
		B("te"),
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (bytes_ieq(name, names[i]))
			return true;
	return false;
}

static int check_header(const struct http_header *h)
{
	if (of_connection(h->name))
		return fail(ERR_CONFIG, "header %.*s belongs to the connection and cannot be set",
			    BFMT(h->name));
	if (!clean(h->name) || !clean(h->value))
		return fail(ERR_CONFIG, "header %.*s has a line end in its value", BFMT(h->name));
	return 0;
}

static bool sends_length(const struct http_send *s)
{
	return s->body.n || bytes_eq(s->method, B("POST")) || bytes_eq(s->method, B("PUT")) ||
	       bytes_eq(s->method, B("PATCH"));
}

/* The request line and headers, in the arena. Through a plain proxy the target is absolute. */
static struct bytes request_head(const struct http_send *s, const struct origin *o)
{
	const struct proxy *proxy = o->tls ? NULL : o->proxy;
	const struct url *u = s->url;
	size_t size = 160 + s->method.n + u->target.n + u->authority.n * 2;
	char *head, *at;

	if (proxy)
		size += proxy->authorization.n;
	for (size_t i = 0; i < s->nheaders; i++) {
		size += s->headers[i].name.n + s->headers[i].value.n + 4;
		if (check_header(&s->headers[i]))
			return (struct bytes){ 0 };
	}
	head = at = arena_alloc_raw(s->arena, size);
	if (!head)
		return (struct bytes){ 0 };
	at = http_put(at, s->method);
	*at++ = ' ';
	if (proxy) {
		at = http_put(at, B("http://"));
		at = http_put(at, u->authority);
	}
	at = http_put(at, u->target);
	at = http_put(at, B(" HTTP/1.1\r\n"));
	/* a `host` of the caller's stands in place of the URL's own */
	if (!bytes_set(http_header_get(s->headers, s->nheaders, B("host"))))
		at = http_put_header(at, B("host"), u->authority);
	if (proxy && bytes_set(proxy->authorization))
		at = http_put_header(at, B("proxy-authorization"), proxy->authorization);
	for (size_t i = 0; i < s->nheaders; i++)
		at = http_put_header(at, s->headers[i].name, s->headers[i].value);
	if (sends_length(s)) {
		at = http_put(at, B("content-length: "));
		at = http_put_number(at, s->body.n);
		at = http_put(at, B("\r\n"));
	}
	at = http_put(at, B("\r\n"));
	return (struct bytes){ head, (size_t)(at - head) };
}

static int send_request(struct http_call *call, const struct http_send *s)
{
	struct bytes head = request_head(s, call->conn->origin);
	struct iovec v[2] = { { (char *)head.p, head.n }, { (char *)s->body.p, s->body.n } };

	if (!head.p)
		return -1;
	return upconn_send(call->conn, v, s->body.n ? 2 : 1, s->head_deadline) < 0 ? -1 : 0;
}

/* ---- the head ---- */

static int cut_before_answer(const struct http_call *call)
{
	if (call->reused)
		return fail(ERR_STALE, "the upstream had closed the idle connection");
	return fail(ERR_CLOSED, "the upstream closed the connection before it answered");
}

static int answer_too_large(struct http_call *call)
{
	if (error_last()->kind == ERR_TOO_LARGE)
		return fail(ERR_TOO_LARGE,
			    "the head of the upstream's answer is over %u bytes or %u headers",
			    HEAD_MAX, HEADERS_MAX);
	if (error_last()->kind == ERR_PROTOCOL)
		return fail(ERR_PROTOCOL, "the upstream does not speak HTTP: %s", call->msg.bad);
	return -1;
}

static int read_head(struct http_call *call, const struct http_send *s)
{
	struct http_message *m = &call->msg;
	bool any = false;

	while (!m->head_done) {
		size_t used = 0;
		ssize_t n;

		io_buffer_give(call->io);
		n = upconn_recv(call->conn, &call->io, s->head_deadline);
		if (n == 0 || (n < 0 && error_last()->kind == ERR_CLOSED))
			return any ? fail(ERR_CLOSED,
					  "the upstream closed the connection in the head of its answer")
				   : cut_before_answer(call);
		if (n < 0)
			return -1;
		any = true;
		if (http_message_push(m, call->io, (size_t)n, false, &used))
			return answer_too_large(call);
		if (used < (size_t)n) /* bytes after the answer: not a connection to trust */
			call->conn->broken = true;
	}
	call->raw = m->body;
	return 0;
}

static int choose_decoder(struct http_call *call)
{
	struct bytes value = http_call_header(call, B("content-encoding"));

	call->coding = coding_of(value);
	if (call->coding == CODING_IDENTITY || (call->msg.complete && call->raw.n == 0))
		return 0;
	if (call->coding == CODING_UNKNOWN)
		return fail(ERR_PROTOCOL, "the answer's content-encoding %.*s is not known",
			    (int)(value.n > 100 ? 100 : value.n), value.p);
	call->decoder = decoder_new(call->coding);
	return call->decoder ? 0 : -1;
}

struct http_call *http_send(struct http_client *c, const struct http_send *s)
{
	struct http_call *call = arena_new(s->arena, struct http_call);
	struct origin *o = call ? origin_of(c, s->url) : NULL;

	if (!o)
		return NULL;
	call->arena = s->arena;
	call->read_idle_ms = s->read_idle_ms;
	call->once = s->once;
	http_response_init(&call->msg, s->arena, HEAD_MAX, HEADERS_MAX,
			   bytes_eq(s->method, B("HEAD")));
	/* a plain proxy resolves the name anew at each request, so it is looked at anew, too */
	call->conn =
		s->fresh || (o->public_only && o->proxy && !o->tls) ? NULL : origin_take_idle(o);
	call->reused = call->conn != NULL;
	if (!call->conn)
		call->conn = upconn_connect(c, o, s->head_deadline);
	if (!call->conn)
		return NULL;
	if (send_request(call, s) || read_head(call, s) || choose_decoder(call)) {
		call->failed = true;
		http_call_close(call);
		return NULL;
	}
	return call;
}

/* ---- what was answered ---- */

int http_call_status(const struct http_call *call)
{
	return call->msg.status;
}

struct bytes http_call_header(const struct http_call *call, struct bytes name)
{
	return http_header_get(call->msg.headers, call->msg.nheaders, name);
}

const struct http_header *http_call_headers(const struct http_call *call, size_t *n)
{
	*n = call->msg.nheaders;
	return call->msg.headers;
}

bool http_call_reused(const struct http_call *call)
{
	return call->reused;
}

/* ---- the body ---- */

/* One decoder step into the output buffer. 1: a piece, 0: it wants input, -1. */
static int decode(struct http_call *call, struct bytes *piece)
{
	size_t n;

	if (!call->plain && !(call->plain = io_buffer_take()))
		return -1;
	if (decoder_step(call->decoder, &call->raw, call->plain, IO_BUFFER, &n))
		return -1;
	call->more = n == IO_BUFFER;
	call->since_yield += n;
	if (call->since_yield >=
	    YIELD_BYTES) { /* a few bytes may become very many: others wait meanwhile */
		call->since_yield = 0;
		fiber_yield();
		if (fiber_cancelled())
			return fail(ERR_CANCELLED, "cancelled");
	}
	*piece = (struct bytes){ call->plain, n };
	return n > 0;
}

/* The next read of the socket, parsed. Waits. */
static int refill(struct http_call *call)
{
	uint64_t until = call->read_idle_ms ? turn_ms() + call->read_idle_ms : TIME_NEVER;
	size_t used = 0;
	ssize_t n;

	io_buffer_give(call->io);
	io_buffer_give(call->plain);
	call->io = call->plain = NULL;
	n = upconn_recv(call->conn, &call->io, until);
	if (n < 0)
		return -1;
	if (n == 0)
		return http_message_eof(&call->msg)
			       ? fail(ERR_CLOSED,
				      "the upstream closed the connection before the end of its answer")
			       : 0;
	if (http_message_push(&call->msg, call->io, (size_t)n, false, &used))
		return fail(ERR_PROTOCOL, "bad framing of the upstream's answer: %s",
			    call->msg.bad);
	if (used < (size_t)n)
		call->conn->broken = true;
	call->raw = call->msg.body;
	return 0;
}

static int body_end(const struct http_call *call)
{
	if (call->decoder && !decoder_done(call->decoder))
		return fail(ERR_PROTOCOL, "the answer's %s body ends too early",
			    coding_name(call->coding));
	return 0;
}

static int next_piece(struct http_call *call, struct bytes *piece)
{
	for (;;) {
		if (call->decoder && (call->raw.n || call->more)) {
			int r = decode(call, piece);

			if (r)
				return r;
			if (call->raw.n)
				continue;
		} else if (call->raw.n) {
			*piece = call->raw;
			call->raw.n = 0;
			return 1;
		}
		if (call->msg.complete)
			return body_end(call);
		if (refill(call))
			return -1;
	}
}

int http_call_read(struct http_call *call, struct bytes *piece)
{
	int r;

	*piece = (struct bytes)B("");
	if (call->failed)
		return fail(ERR_CLOSED, "the answer was cut off before");
	r = next_piece(call, piece);
	if (r < 0)
		call->failed = true;
	return r;
}

/* So much more of the memory of answers. Waits, and so does the upstream. -1: ERR_BUSY, ERR_CANCELLED, ERR_DEADLINE. */
static int hold_more(struct http_call *call)
{
	uint64_t until = clock_mono_ms() + ANSWER_ROOM_WAIT_MS;

	while (!answer_hold_take(&call->hold, HOLD_STEP)) {
		if (clock_mono_ms() >= until)
			return fail(ERR_BUSY, "too many large answers at once");
		if (fiber_sleep(HOLD_RETRY_MS))
			return -1;
	}
	return 0;
}

static int body_too_large(struct http_call *call, size_t max)
{
	call->failed = true;
	return fail(ERR_TOO_LARGE, "the body of the upstream's answer is over %zu bytes", max);
}

/* The pieces in one block, of the size announced if that is credible. */
static int collect(struct http_call *call, size_t max, struct bytes first, struct bytes *out)
{
	struct buf b;
	int r;

	buf_init(&b, max);
	if (call->msg.has_length && call->msg.length <= ALLOC_AHEAD)
		buf_reserve(&b, call->msg.length < max ? (size_t)call->msg.length : max);
	for (r = 1; r > 0; r = http_call_read(call, &first)) {
		if (first.n > max - b.len) {
			r = body_too_large(call, max);
			break;
		}
		/* twice: decoded, it takes as much again */
		if ((b.len + first.n > UNHELD && 2 * (b.len + first.n) > call->hold.n &&
		     hold_more(call)) ||
		    buf_append(&b, first)) {
			call->failed = true;
			r = -1;
			break;
		}
	}
	if (r == 0) {
		*out = arena_dup(call->arena, buf_bytes(&b));
		r = out->p ? 0 : -1;
	}
	buf_deinit(&b);
	return r;
}

int http_call_read_all(struct http_call *call, size_t max, struct bytes *out)
{
	struct bytes piece;
	int r = http_call_read(call, &piece);

	*out = (struct bytes)B("");
	if (r <= 0)
		return r;
	if (call->msg.complete && !call->raw.n && !call->more && !body_end(call)) {
		if (piece.n > max)
			return body_too_large(call, max);
		*out = arena_dup(call->arena, piece);
		return out->p ? 0 : -1;
	}
	return collect(call, max, piece, out);
}

void http_call_distrust(struct http_call *call)
{
	call->failed = true;
}

void http_call_close(struct http_call *call)
{
	struct upconn *u = call->conn;

	answer_hold_give(&call->hold);
	io_buffer_give(call->io);
	io_buffer_give(call->plain);
	decoder_free(call->decoder);
	call->io = call->plain = NULL;
	call->decoder = NULL;
	call->conn = NULL;
	if (!u)
		return;
	if (call->failed || fiber_cancelled()) {
		upconn_drop(u);
	} else if (!call->msg.complete) {
		upconn_drain(u, &call->msg);
	} else {
		u->broken |= !call->msg.keep_alive || call->once;
		upconn_release(u);
	}
}
