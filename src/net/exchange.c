/*
 * One exchange as its handler sees it: reading the body, writing the answer.
 *
 * A body that came with its head lies in the arena already and costs nothing more. Another is received
 * straight into one block that grows with what arrives (never with what was announced) and counts
 * towards the process' bound. Decompression goes piece by piece and stops at the bound.
 *
 * An answer is one sendmsg: head and body, or chunk size, chunk and line end. When the kernel is full the
 * fiber waits, and so does whoever feeds it: that is all there is to back-pressure.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "base/error.h"
#include "base/fault.h"
#include "net/decode.h"
#include "net/http_conn.h"
#include "net/http_put.h"

#define BODY_FIRST    (64u << 10)  /* the first block of a body of unknown length */
#define BODY_HEAP     (256u << 10) /* a larger block is mapped */
#define STREAM_MAX    (64u << 20)  /* unsent bytes of a stream: one event with its translation */
#define CHUNK_ROOM    10           /* "ffffffff\r\n" */
#define STREAM_KEEP   4096         /* a buffer that grew past this is freed after a flush */
#define YIELD_BYTES   (256u << 10)
#define HEADER_MAX    (16u << 10)    /* one header of an answer */
#define HEADERS_FIRST 12             /* an answer has some ten */
#define BEGIN         B("HTTP/1.1 ") /* every answer */

atomic_size_t http_body_bytes;

size_t http_server_body_bytes(void)
{
	return atomic_load_explicit(&http_body_bytes, memory_order_relaxed);
}

struct bytes exchange_get(const struct exchange *ex, struct bytes name)
{
	return http_header_get(ex->headers, ex->nheaders, name);
}

bool exchange_peer(const struct exchange *ex, struct sockaddr_storage *out)
{
	socklen_t n = sizeof(*out);

	return ex->conn && !getpeername(ex->conn->sock.fd, (struct sockaddr *)out, &n);
}

void answer_deinit(struct request *rq)
{
	if (rq->body_counted)
		atomic_fetch_sub_explicit(&http_body_bytes, rq->body_counted, memory_order_relaxed);
	if (rq->body_map)
		munmap(rq->body, rq->body_map);
	else
		free(rq->body);
	buf_deinit(&rq->out);
}

/* ---- sending ---- */

/* Sends all of it. Waits. */
static int send_all(struct request *rq, struct iovec *iov, int n)
{
	struct http_conn *c = rq->ex.conn;
	struct exchange *ex = &rq->ex;
	uint64_t until;

	ex->bytes_sent += iov_total(iov, n);
	while (!ex->client_gone) {
		int r = sock_send(&c->sock, &iov, &n);

		if (r == 0)
			return 0;
		if (r < 0)
			break;
		until = clock_mono_ms() + c->server->opt.write_idle_ms;
		if (sock_wait(&c->sock, SOCK_WRITE, until)) {
			rq->answer = RESPONSE_BROKEN;
			if (error_last()->kind != ERR_DEADLINE || clock_mono_ms() < until)
				return -1;
			break; /* it has read nothing for that long */
		}
	}
	rq->answer = RESPONSE_BROKEN;
	conn_gone(c);
	return fail(ERR_CLOSED, "the client closed the connection");
}

/* ---- the body ---- */

struct intake {
	struct request *rq;
	size_t len, cap, max;
	struct decoder *decoder; /* NULL: identity */
	size_t since_yield;
};

static int too_large(const struct intake *in)
{
	return fail(ERR_BODY_TOO_LARGE, "the request's body is over %zu bytes", in->max);
}

/* Makes the block larger. A large one becomes a mapping of the whole maximum, of which only what is written
 * takes memory: growing it by copies would hold a body nearly twice. */
static int enlarge(struct intake *in, size_t cap)
{
	struct request *rq = in->rq;
	size_t size = in->max + IO_BUFFER;
	char *p = MAP_FAILED;

	if (cap > BODY_HEAP)
		p = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p != MAP_FAILED) {
		if (in->len)
			memcpy(p, rq->body, in->len);
		free(rq->body);
		rq->body = p;
		rq->body_map = size;
		return 0;
	}
	p = realloc(rq->body, cap);
	if (!p)
		return -1;
	rq->body = p;
	return 0;
}

/* Room for `more` bytes, at least doubling, counted towards the process' bound. */
static int reserve(struct intake *in, size_t more)
{
	struct request *rq = in->rq;
	size_t want = in->len + more, cap = in->cap ? in->cap * 2 : BODY_FIRST, grow;

	if (want <= in->cap)
		return 0;
	if (cap > in->max + IO_BUFFER)
		cap = in->max + IO_BUFFER;
	if (cap < want)
		cap = want;
	grow = cap - in->cap;
	if (atomic_fetch_add_explicit(&http_body_bytes, grow, memory_order_relaxed) + grow >
	    rq->ex.conn->server->opt.body_memory) {
		atomic_fetch_sub_explicit(&http_body_bytes, grow, memory_order_relaxed);
		return fail(ERR_BUSY, "too many large request bodies at once");
	}
	if (fault("body") || (!rq->body_map && enlarge(in, cap))) {
		atomic_fetch_sub_explicit(&http_body_bytes, grow, memory_order_relaxed);
		return fail(ERR_OUT_OF_MEMORY, "out of memory");
	}
	rq->body_counted += grow;
	in->cap = cap;
	return 0;
}

/* A long body must not keep the loop from the others. */
static int pause_now_and_then(struct intake *in, size_t n)
{
	in->since_yield += n;
	if (in->since_yield < YIELD_BYTES)
		return 0;
	in->since_yield = 0;
	fiber_yield();
	return fiber_cancelled() ? fail(ERR_CANCELLED, "cancelled") : 0;
}

/* Decodes one piece behind what is there. */
static int decode(struct intake *in, struct bytes piece)
{
	size_t n;

	do {
		if (reserve(in, IO_BUFFER / 2))
			return -1;
		if (decoder_step(in->decoder, &piece, in->rq->body + in->len, in->cap - in->len,
				 &n))
			return -1;
		in->len += n;
		if (in->len > in->max)
			return too_large(in);
		if (pause_now_and_then(in, n))
			return -1;
	} while (piece.n || in->len == in->cap);
	return 0;
}

int conn_keep_pending(struct http_conn *c, const char *p, size_t n)
{
	if (n == 0)
		return 0;
	c->pending = malloc(n);
	if (!c->pending)
		return fail(ERR_OUT_OF_MEMORY, "out of memory");
	memcpy(c->pending, p, n);
	c->npending = n;
	return 0;
}

/* One read of the socket, parsed. Waits. */
static ssize_t receive(struct request *rq, char *to, size_t room)
{
	struct http_conn *c = rq->ex.conn;
	uint64_t until = clock_mono_ms() + c->server->opt.body_idle_ms;
	ssize_t n;

	for (;;) {
		if (!c->sock.likely && sock_wait(&c->sock, SOCK_READ, until)) {
			if (error_last()->kind == ERR_DEADLINE && clock_mono_ms() >= until)
				return fail(ERR_REQUEST_TIMEOUT,
					    "the request's body came too slowly");
			return -1;
		}
		n = sock_recv(&c->sock, to, room);
		if (n > 0)
			return n;
		if (n == 0 || errno != EAGAIN)
			break;
	}
	conn_gone(c);
	return fail(ERR_CLOSED, "the client closed the connection");
}

static int receive_plain(struct intake *in)
{
	struct request *rq = in->rq;
	size_t used;
	ssize_t n;

	if (reserve(in, in->len + 1 > in->max ? IO_BUFFER : 1))
		return -1;
	n = receive(rq, rq->body + in->len, in->cap - in->len);
	if (n < 0 || http_message_push(&rq->msg, rq->body + in->len, (size_t)n, true, &used) ||
	    conn_keep_pending(rq->ex.conn, rq->body + in->len + used, (size_t)n - used))
		return -1;
	in->len += rq->msg.body.n;
	if (in->len > in->max)
		return too_large(in);
	return pause_now_and_then(in, (size_t)n);
}

static int receive_coded(struct intake *in)
{
	struct request *rq = in->rq;
	char *b = io_buffer_take();
	size_t used;
	ssize_t n;
	int r = -1;

	if (!b)
		return -1;
	n = receive(rq, b, IO_BUFFER);
	if (n >= 0 && http_message_push(&rq->msg, b, (size_t)n, true, &used) == 0 &&
	    conn_keep_pending(rq->ex.conn, b + used, (size_t)n - used) == 0)
		r = decode(in, rq->msg.body);
	io_buffer_give(b);
	return r;
}

static int receive_all(struct intake *in)
{
	struct request *rq = in->rq;

	if (in->decoder) {
		if (decode(in, rq->first))
			return -1;
	} else {
		size_t announced = rq->msg.has_length ? (size_t)rq->msg.length : 0;

		if (reserve(in, announced > rq->first.n && announced < BODY_FIRST * 4
					? announced
					: rq->first.n + 1))
			return -1;
		if (rq->first.n)
			memcpy(rq->body, rq->first.p, rq->first.n);
		in->len = rq->first.n;
	}
	while (!rq->msg.complete)
		if (in->decoder ? receive_coded(in) : receive_plain(in))
			return -1;
	if (in->decoder && !decoder_done(in->decoder))
		return fail(ERR_PROTOCOL, "the request's compressed body ends too early");
	return 0;
}

static int say_continue(struct request *rq)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct iovec v = { (char *)line, sizeof line - 1 };

	if (!rq->msg.expect || rq->msg.complete || rq->first.n)
		return 0;
	return send_all(rq, &v, 1);
}

int exchange_body(struct exchange *ex, struct bytes *out)
{
	struct request *rq = request_of(ex);
	enum coding coding = coding_of(exchange_get(ex, B("content-encoding")));
	struct intake in = { .rq = rq, .max = ex->conn->server->opt.max_body };
	int r;

	if (rq->body_read)
		return fail(ERR_INTERNAL, "the body was read before");
	rq->body_read = true;
	ex->bytes_received = rq->first.n;
	if (coding == CODING_UNKNOWN || coding == CODING_DEFLATE)
		return fail(ERR_UNSUPPORTED_ENCODING, "unsupported content-encoding");
	if (rq->msg.has_length && rq->msg.length > in.max)
		return too_large(&in);
	if (coding == CODING_IDENTITY && rq->msg.complete) {
		*out = rq->first.p ? rq->first : (struct bytes)B("");
		return out->n > in.max ? too_large(&in) : 0;
	}
	if (say_continue(rq))
		return -1;
	if (coding != CODING_IDENTITY && !(in.decoder = decoder_new(coding)))
		return -1;
	r = receive_all(&in);
	decoder_free(in.decoder);
	ex->bytes_received = in.len;
	*out = (struct bytes){ rq->body ? rq->body : "", in.len };
	return r;
}

/* ---- heads ---- */

/* "date: ...\r\n", made once a second. */
static struct bytes date_line(void)
{
	static _Thread_local time_t made;
	static _Thread_local char line[48];
	static _Thread_local size_t len;
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (now.tv_sec != made && gmtime_r(&now.tv_sec, &tm)) {
		made = now.tv_sec;
		len = strftime(line, sizeof line, "date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
	}
	return (struct bytes){ line, len };
}

int exchange_header(struct exchange *ex, struct bytes name, struct bytes value)
{
	struct http_header h = { .name = name };

	if (name.n + value.n > HEADER_MAX)
		return fail(ERR_TOO_LARGE, "a header of the answer is too long");
	if (bytes_has_control(value)) /* would let a value write headers */
		return fail(ERR_INTERNAL, "a control character in header %.*s", BFMT(name));
	if (!ex->cout && !(ex->out = arena_array(ex->arena, struct http_header, HEADERS_FIRST)))
		return -1;
	if (!ex->cout)
		ex->cout = HEADERS_FIRST;
	h.value = arena_dup(ex->arena, value.p ? value : B(""));
	if (!h.value.p || !arena_push(ex->arena, ex->out, ex->nout, ex->cout, h))
		return -1;
	return 0;
}

/* Whether this connection goes on after the answer. */
static bool keeps(const struct request *rq, bool framed)
{
	const struct http_message *m = &rq->msg;

	return m->complete && m->keep_alive && framed && !rq->ex.conn->server->leaving;
}

static bool bodyless(int status)
{
	return status == 204 || status == 304 || status < 200;
}

struct bytes answer_head(struct request *rq, int status, struct bytes type, int64_t length)
{
	struct exchange *ex = &rq->ex;
	struct bytes phrase = http_status_phrase(status), date = date_line();
	size_t size = 256 + phrase.n + date.n + type.n;
	char *head, *at;

	for (size_t i = 0; i < ex->nout; i++)
		size += ex->out[i].name.n + ex->out[i].value.n + 4;
	head = at = arena_alloc_raw(ex->arena, size);
	if (!head)
		return (struct bytes){ 0 };
	rq->chunked_out = length < 0 && rq->msg.minor == 1 && !bodyless(status);
	rq->keep = keeps(rq, length >= 0 || rq->chunked_out || bodyless(status));
	at = http_put(at, BEGIN);
	at = http_put_number(at, (uint64_t)status);
	*at++ = ' ';
	at = http_put(at, phrase);
	at = http_put(at, B("\r\n"));
	at = http_put(at, date);
	if (bytes_set(type))
		at = http_put_header(at, B("content-type"), type);
	for (size_t i = 0; i < ex->nout; i++)
		at = http_put_header(at, ex->out[i].name, ex->out[i].value);
	if (rq->chunked_out) {
		at = http_put(at, B("transfer-encoding: chunked\r\n"));
	} else if (length >= 0 && !bodyless(status)) {
		at = http_put(at, B("content-length: "));
		at = http_put_number(at, (uint64_t)length);
		at = http_put(at, B("\r\n"));
	}
	if (!rq->keep)
		at = http_put(at, B("connection: close\r\n"));
	else if (rq->msg.minor == 0)
		at = http_put(at, B("connection: keep-alive\r\n"));
	at = http_put(at, B("\r\n"));
	return bytes_slice((struct bytes){ head, (size_t)(at - head) }, rq->early, SIZE_MAX);
}

/* ---- answers ---- */

static int begin_answer(struct request *rq, int status, uint8_t state)
{
	if (rq->answer != RESPONSE_NONE)
		return fail(ERR_INTERNAL, "a second answer to one request");
	rq->ex.status = status;
	rq->answer = state;
	if (rq->ex.client_gone) {
		rq->answer = RESPONSE_BROKEN;
		return fail(ERR_CLOSED, "the client closed the connection");
	}
	return 0;
}

int exchange_respond(struct exchange *ex, int status, struct bytes type, struct bytes body)
{
	struct request *rq = request_of(ex);
	struct bytes head;
	struct iovec v[2];

	if (begin_answer(rq, status, RESPONSE_DONE))
		return -1;
	head = answer_head(rq, status, type, (int64_t)body.n);
	if (!head.p) {
		rq->answer = RESPONSE_BROKEN;
		return -1;
	}
	v[0] = (struct iovec){ (char *)head.p, head.n };
	v[1] = (struct iovec){ (char *)body.p, body.n };
	return send_all(rq, v, ex->head || bodyless(status) || body.n == 0 ? 1 : 2);
}

int exchange_stream_begin(struct exchange *ex, int status, struct bytes type)
{
	struct request *rq = request_of(ex);

	if (begin_answer(rq, status, RESPONSE_STREAM))
		return -1;
	buf_init(&rq->out, STREAM_MAX);
	rq->head = answer_head(rq, status, type, -1);
	if (!rq->head.p) {
		rq->answer = RESPONSE_BROKEN;
		return -1;
	}
	rq->streamed = true;
	ex->conn->server->nstreams++;
	return 0;
}

static int streaming(struct request *rq)
{
	if (rq->answer == RESPONSE_STREAM && !rq->ex.client_gone)
		return 0;
	if (rq->ex.client_gone) {
		rq->answer = RESPONSE_BROKEN;
		return fail(ERR_CLOSED, "the client closed the connection");
	}
	return fail(ERR_INTERNAL, "no stream is open");
}

int exchange_stream_write(struct exchange *ex, struct bytes b)
{
	struct request *rq = request_of(ex);

	if (streaming(rq))
		return -1;
	if (ex->conn->sock.waiter) /* from a timer, while a flush waits that sends this buffer */
		return fail(ERR_BUSY, "the client is slower than its stream");
	return buf_append(exchange_stream_buf(ex), b);
}

/* The chunk's size goes in front of its bytes in one buffer, so that one plain send() takes all. */
struct buf *exchange_stream_buf(struct exchange *ex)
{
	struct request *rq = request_of(ex);

	if (rq->expect &&
	    !rq->out.data) /* in one step; if it fails the writer's own try will tell */
		buf_reserve(&rq->out, rq->expect);
	rq->expect = 0;
	if (rq->out.len == 0 && rq->chunked_out &&
	    buf_append(&rq->out, (struct bytes){ "0123456789", CHUNK_ROOM }) == 0)
		rq->room = CHUNK_ROOM;
	return &rq->out;
}

/* "1a2b\r\n", ending at `end`; where it begins. There is room for CHUNK_ROOM bytes. */
static char *chunk_size(size_t n, char *end)
{
	*--end = '\n';
	*--end = '\r';
	do
		*--end = "0123456789abcdef"[n & 15];
	while (n >>= 4);
	return end;
}

/* The buffered bytes as a chunk, with what stands before and behind. Returns how many pieces there are; nearly always
 * one. `size` holds the size if the buffer had no memory for it. */
static int chunk_pieces(struct request *rq, bool last, char size[CHUNK_ROOM], struct iovec v[4])
{
	int n = 0;
	size_t length = rq->out.len - rq->room;
	bool data = length && !rq->ex.head && !bodyless(rq->ex.status);
	bool chunked = rq->chunked_out && !rq->ex.head;
	struct bytes tail = last ? B("\r\n0\r\n\r\n") : B("\r\n");
	char *begin, *end = size + CHUNK_ROOM;

	if (rq->head.n)
		v[n++] = (struct iovec){ (char *)rq->head.p, rq->head.n };
	if (!data)
		tail = bytes_slice(tail, 2, tail.n);
	if (data && rq->room && buf_append(&rq->out, tail) == 0) {
		begin = chunk_size(length, rq->out.data + rq->room);
		v[n++] = (struct iovec){ begin, (size_t)(rq->out.data + rq->out.len - begin) };
		return n;
	}
	if (data && chunked) {
		begin = chunk_size(length, end);
		v[n++] = (struct iovec){ begin, (size_t)(end - begin) };
	}
	if (data)
		v[n++] = (struct iovec){ rq->out.data + rq->room, length };
	if (chunked && tail.n)
		v[n++] = (struct iovec){ (char *)tail.p, tail.n };
	return n;
}

static void forget_sent(struct request *rq)
{
	struct buf *b = &rq->out;

	rq->room = 0;
	if (b->cap > STREAM_KEEP) {
		rq->expect = b->len > STREAM_KEEP ? b->len : 0;
		buf_deinit(b);
		buf_init(b, STREAM_MAX);
	} else {
		buf_reset(b);
	}
}

static int send_stream(struct exchange *ex, bool last)
{
	struct request *rq = request_of(ex);
	char size[CHUNK_ROOM];
	struct iovec v[4];
	int n, r;

	if (streaming(rq))
		return -1;
	if (last)
		rq->answer = RESPONSE_DONE;
	n = chunk_pieces(rq, last, size, v);
	rq->head.n = 0;
	r = n ? send_all(rq, v, n) : 0;
	forget_sent(rq);
	return r;
}

int exchange_stream_flush(struct exchange *ex)
{
	return send_stream(ex, false);
}

int exchange_stream_end(struct exchange *ex)
{
	return send_stream(ex, true);
}

/* What the socket did not take goes before the next chunk, where the head of the answer would stand. */
static void keep_unsent(struct request *rq, const struct iovec *iov, int n)
{
	size_t all = iov_total(iov, n);
	char *rest, *at;

	rest = at = arena_alloc_raw(rq->ex.arena, all);
	if (!rest) { /* a chunk with a hole in it must not go on */
		conn_gone(rq->ex.conn);
		return;
	}
	for (int i = 0; i < n; i++)
		at = http_put(at, (struct bytes){ iov[i].iov_base, iov[i].iov_len });
	rq->head = (struct bytes){ rest, all };
	rq->ex.bytes_sent -= all; /* counted again when it goes */
}

void exchange_stream_try_flush(struct exchange *ex)
{
	struct request *rq = request_of(ex);
	char size[CHUNK_ROOM];
	struct iovec v[4], *iov = v;
	int n, r;

	if (rq->answer != RESPONSE_STREAM || ex->client_gone || ex->conn->sock.waiter)
		return;
	n = chunk_pieces(rq, false, size, v);
	ex->bytes_sent += iov_total(v, n);
	if (n == 0)
		return;
	r = sock_send(&ex->conn->sock, &iov, &n);
	rq->head.n = 0;
	if (r < 0)
		conn_gone(ex->conn);
	else if (r > 0)
		keep_unsent(rq, iov, n);
	forget_sent(rq);
}

/* One byte more of what every answer begins with. */
static void send_early(struct request *rq)
{
	struct bytes begin = BEGIN;
	struct iovec v = { (char *)begin.p + rq->early, 1 }, *iov = &v;
	int n = 1, r;

	if (rq->early == begin.n)
		return;
	r = sock_send(&rq->ex.conn->sock, &iov, &n);
	if (r < 0)
		conn_gone(rq->ex.conn);
	else if (r == 0)
		rq->ex.bytes_sent++, rq->early++;
}

void answer_probe(struct request *rq)
{
	struct exchange *ex = &rq->ex;

	if (ex->client_gone || ex->conn->sock.waiter) /* a write that waits is probe enough */
		return;
	if (rq->answer == RESPONSE_NONE)
		send_early(rq);
	else if (rq->answer == RESPONSE_STREAM && ex->idle.n &&
		 exchange_stream_write(ex, ex->idle) == 0)
		exchange_stream_try_flush(ex);
}

void exchange_abort(struct exchange *ex)
{
	request_of(ex)->answer = RESPONSE_BROKEN;
}

/* ---- another protocol ---- */

int exchange_upgrade(struct exchange *ex, struct bytes protocol, struct bytes accept)
{
	struct request *rq = request_of(ex);
	struct bytes head;
	struct iovec v;

	if (begin_answer(rq, 101, RESPONSE_DONE))
		return -1;
	rq->keep = false;
	head = arena_printf(
		ex->arena,
		"HTTP/1.1 101 Switching Protocols\r\nupgrade: %.*s\r\nconnection: Upgrade\r\nsec-websocket-accept: %.*s\r\n\r\n",
		BFMT(protocol), BFMT(accept));
	if (!bytes_set(head))
		return -1;
	v = (struct iovec){ (char *)head.p, head.n };
	return send_all(rq, &v, 1);
}

/* What came behind the handshake in one piece with it. */
static ssize_t take_pending(struct http_conn *c, char *to, size_t room)
{
	size_t n = c->npending < room ? c->npending : room;

	memcpy(to, c->pending, n);
	memmove(c->pending, c->pending + n, c->npending - n);
	c->npending -= n;
	if (!c->npending) {
		free(c->pending);
		c->pending = NULL;
	}
	return (ssize_t)n;
}

ssize_t exchange_raw_read(struct exchange *ex, char *to, size_t room, uint64_t deadline)
{
	struct http_conn *c = ex->conn;
	ssize_t n;

	if (ex->client_gone)
		return 0;
	if (c->npending)
		return take_pending(c, to, room);
	for (;;) {
		n = sock_recv(&c->sock, to, room);
		if (n >= 0 || errno != EAGAIN)
			break;
		if (sock_wait(&c->sock, SOCK_READ, deadline))
			return -1;
	}
	return n < 0 ? fail(ERR_IO, "%s", strerror(errno)) : n;
}

int exchange_raw_write(struct exchange *ex, struct bytes b)
{
	struct iovec v = { (char *)b.p, b.n };

	if (ex->client_gone)
		return fail(ERR_CLOSED, "the client closed the connection");
	return send_all(request_of(ex), &v, 1);
}

bool exchange_draining(const struct exchange *ex)
{
	return ex->conn->server->draining;
}

bool exchange_own_address(const struct exchange *ex, char out[SOCK_ADDRESS_TEXT])
{
	struct sockaddr_storage at;
	socklen_t n = sizeof at;

	if (ex->client_gone || getsockname(ex->conn->sock.fd, (struct sockaddr *)&at, &n))
		return false;
	sock_address_text((struct sockaddr *)&at, out);
	return true;
}
