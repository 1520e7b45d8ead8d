/*
 * The server: listener, connections, heads of requests.
 *
 * A connection is a small struct that callbacks drive: it is idle, or its head is coming in, and neither
 * needs a fiber. Only a complete head starts one, which runs the handler and ends with the answer. The
 * struct stands in one list per state; all of a list share one time limit, so each list is in order of its
 * deadlines by itself and one timer watches the first of each.
 *
 * While a handler runs, its client's socket stays watched. Data (the next request, or a body nobody asked for)
 * must not be read, so only the hang-up is watched then. An end of file is alike for a client that left and for
 * one that has only nothing more to say; which of both it is shows what it answers when something is sent: a
 * reset cancels the fiber. So something is sent at once, and a few times more (decision 0015).
 *
 * After an answer with unread input the connection lingers: closing at once would make the kernel send a
 * reset, and the client would lose the answer that says what was wrong.
 */
#include "net/http_server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "fiber/loop.h"
#include "net/http_conn.h"

#define ACCEPT_BURST    64  /* connections taken in one turn */
#define ACCEPT_PAUSE_MS 100 /* after running out of descriptors */
#define LINGER_MS       2000
#define PROBE_MS        1000 /* between two probes of a client that ended its side */
#define PROBES          9
#define LINGER_BYTES    (256u << 20) /* the client of a refused 100 MiB body must see why */
#define LINGER_MAX      256          /* refused connections that linger, a worker */
#define BACKLOG         1024
#define REFUSAL_MAX     (64u << 10) /* the body of an answer without a handler */
/* A request's arena: its body, the parsed JSON and the neutral model of it. */
#define MADE_OF_BODIES  4 /* times the bound of the bodies */
#define ARENA_MAX(body) ((body) < SIZE_MAX / 32 ? (body)*16 + (64u << 20) : SIZE_MAX)

/* What is made of the bodies: a body of nothing but small values takes forty times its size. */
static struct arena_bound made_of_bodies;
static atomic_size_t connections;
static atomic_bool said_no_files;

size_t http_server_connections(void)
{
	return atomic_load_explicit(&connections, memory_order_relaxed);
}

/* ---- lists and their timer ---- */

static uint64_t limit_of(const struct http_server *s, int state)
{
	switch (state) {
	case CONN_IDLE: return s->opt.keepalive_ms;
	case CONN_HEAD: return s->opt.header_timeout_ms;
	case CONN_ENDED: return PROBE_MS;
	case CONN_LINGER: return LINGER_MS;
	default: return TIME_NEVER;
	}
}

static void unlist(struct http_conn *c)
{
	struct conn_list *l = &c->server->lists[c->state];

	TAILQ_REMOVE(&l->conns, c, of_state);
	l->len--;
}

static void on_timer(uv_timer_t *);

static void enlist(struct http_conn *c, int state)
{
	struct conn_list *l = &c->server->lists[state];
	uint64_t limit = limit_of(c->server, state);

	c->state = (uint8_t)state;
	TAILQ_INSERT_TAIL(&l->conns, c, of_state);
	l->len++;
	if (limit != TIME_NEVER) {
		c->deadline = turn_ms() + limit;
		timer_arm(&c->server->timer, &c->server->timer_due, c->deadline, on_timer);
	}
}

static void change_list(struct http_conn *c, int state)
{
	unlist(c);
	enlist(c, state);
}

/* ---- the end of things ---- */

static void request_free(struct request *rq)
{
	if (!rq)
		return;
	answer_deinit(rq);
	arena_deinit(&rq->arena);
	free(rq);
}

static void server_unref(struct http_server *s)
{
	if (!s->freed || s->nconns || s->open_handles)
		return;
	free(s->listening);
	free(s);
}

static void conn_closed(struct sock *sock)
{
	struct http_conn *c = (struct http_conn *)sock;
	struct http_server *s = c->server;

	free(c);
	s->nconns--;
	server_unref(s);
}

/* Not while its handler runs. */
static void conn_close(struct http_conn *c)
{
	if (c->state == CONN_CLOSED)
		return;
	unlist(c);
	c->state = CONN_CLOSED;
	request_free(c->rq);
	c->rq = NULL;
	free(c->pending);
	c->pending = NULL;
	atomic_fetch_sub_explicit(&connections, 1, memory_order_relaxed);
	sock_close(&c->sock, conn_closed);
}

/* The client sees a reset instead of an end. */
static void conn_reset(struct http_conn *c)
{
	struct linger hard = { .l_onoff = 1 };

	setsockopt(c->sock.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	conn_close(c);
}

static void conn_linger(struct http_conn *c)
{
	if (shutdown(c->sock.fd, SHUT_WR) || sock_watch(&c->sock, SOCK_READ)) {
		conn_close(c);
		return;
	}
	c->drained = 0;
	change_list(c, CONN_LINGER);
}

static void linger_read(struct http_conn *c)
{
	char *b = io_buffer_take();
	ssize_t n = 0;

	for (int i = 0; b && i < 32; i++) {
		n = sock_recv(&c->sock, b, IO_BUFFER);
		if (n <= 0)
			break;
		c->drained += (size_t)n;
	}
	io_buffer_give(b);
	if (!b || n == 0 || (n < 0 && errno != EAGAIN) || c->drained > LINGER_BYTES)
		conn_close(c);
}

/* ---- requests ---- */

static struct request *request_new(struct http_conn *c)
{
	struct http_server *s = c->server;
	struct request *rq = fault("request") ? NULL : calloc(1, sizeof *rq);

	if (!rq)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	arena_init(&rq->arena, ARENA_MAX(s->opt.max_body));
	arena_bind(&rq->arena, &made_of_bodies);
	http_request_init(&rq->msg, &rq->arena, s->opt.max_header_bytes, s->opt.max_headers);
	rq->ex.arena = &rq->arena;
	rq->ex.user = s->opt.user;
	rq->ex.conn = c;
	rq->ex.started_ns = clock_mono_ns();
	return rq;
}

/* Path and query of the target; an absolute-form target loses its scheme and authority. */
static void split_target(struct exchange *ex)
{
	struct bytes t = ex->target;
	ptrdiff_t i;
	size_t scheme = bytes_istarts(t, B("http://"))    ? 7
			: bytes_istarts(t, B("https://")) ? 8
							  : 0;

	while (scheme && scheme < t.n && !memchr("/?#", t.p[scheme], 3))
		scheme++;
	t = bytes_slice(t, scheme, t.n);
	i = bytes_chr(t, '#');
	if (i >= 0)
		t.n = (size_t)i;
	i = bytes_chr(t, '?');
	ex->path = i < 0 ? t : bytes_slice(t, 0, (size_t)i);
	if (!ex->path.n)
		ex->path = B("/");
	ex->query = i < 0 ? (struct bytes){ 0 } : bytes_slice(t, (size_t)i + 1, t.n);
}

static void fill_exchange(struct request *rq)
{
	struct exchange *ex = &rq->ex;

	ex->method = rq->msg.method;
	ex->target = rq->msg.target;
	ex->headers = rq->msg.headers;
	ex->nheaders = rq->msg.nheaders;
	ex->head = bytes_eq(ex->method, B("HEAD"));
	split_target(ex);
}

static void conn_push(struct http_conn *, char *, size_t);

/* The request is over: the connection serves the next, lingers or closes. */
static void request_end(struct http_conn *c)
{
	struct request *rq = c->rq;
	struct http_server *s = c->server;
	bool keep = rq->keep && rq->answer == RESPONSE_DONE && !rq->ex.client_gone && !s->draining;
	bool whole = rq->msg.complete, sent = rq->answer == RESPONSE_DONE,
	     gone = rq->ex.client_gone;
	char *pending = c->pending;
	size_t n = c->npending;

	c->sock.ended = false;
	c->probes = 0;
	if (s->opt.done)
		s->opt.done(&rq->ex);
	s->nstreams -= rq->streamed;
	request_free(rq);
	c->rq = NULL;
	if (!keep) {
		if (sent && !gone && (!whole || n))
			conn_linger(c);
		else if (sent)
			conn_close(c);
		else
			conn_reset(c);
		return;
	}
	if (sock_watch(&c->sock, SOCK_READ)) {
		conn_close(c);
		return;
	}
	change_list(c, CONN_IDLE);
	if (n) {
		c->pending = NULL;
		c->npending = 0;
		conn_push(c, pending, n);
		free(pending);
	}
}

static void request_fiber(void *arg)
{
	struct http_conn *c = arg;
	struct request *rq = c->rq;

	c->server->opt.handler(&rq->ex);
	if (rq->answer == RESPONSE_NONE && !rq->ex.client_gone) {
		fiber_cancel_reset();
		exchange_respond(&rq->ex, 500, (struct bytes){ 0 }, (struct bytes)B(""));
	}
	rq->fiber = NULL;
	request_end(c);
}

/* Answers without a handler and lets the connection go. */
static void refuse(struct http_conn *c, int status, const char *reason)
{
	struct request *rq = c->rq;
	struct buf body;
	struct iovec v[2], *iov = v;
	struct bytes head;
	int n = 2;

	fill_exchange(rq);
	if (reason == http_got_tls)
		log_warn("net", reason);
	rq->ex.status = status;
	buf_init(&body, REFUSAL_MAX);
	if (c->server->opt.malformed)
		c->server->opt.malformed(&rq->ex, status, reason, &body);
	rq->msg.keep_alive = false;
	head = answer_head(rq, rq->ex.status, (struct bytes){ 0 }, (int64_t)body.len);
	if (!head.p) {
		buf_deinit(&body);
		conn_close(c);
		return;
	}
	v[0] = (struct iovec){ (char *)head.p, head.n };
	v[1] = (struct iovec){ body.data, rq->ex.head ? 0 : body.len };
	rq->ex.bytes_sent = head.n + v[1].iov_len;
	sock_send(&c->sock, &iov,
		  &n); /* a few hundred bytes: the kernel takes them or nobody reads */
	buf_deinit(&body);
	if (c->server->opt.done)
		c->server->opt.done(&rq->ex);
	request_free(rq);
	c->rq = NULL;
	conn_linger(c);
}

/* Keeps body bytes and pipelined bytes, then starts the handler. */
static void start(struct http_conn *c, char *piece, size_t n, size_t used)
{
	struct request *rq = c->rq;

	fill_exchange(rq);
	rq->first = arena_dup(&rq->arena, rq->msg.body);
	if (rq->first.n == rq->msg.body.n && !conn_keep_pending(c, piece + used, n - used))
		rq->fiber = fiber_spawn("request", request_fiber, c);
	if (rq->fiber)
		change_list(c, CONN_RUNNING);
	else
		refuse(c, 503, "out of memory");
}

/* Bytes of a head have come. */
static void conn_push(struct http_conn *c, char *piece, size_t n)
{
	size_t used;

	if (!c->rq)
		c->rq = request_new(c);
	if (!c->rq)
		conn_close(c);
	else if (http_message_push(&c->rq->msg, piece, n, false, &used))
		refuse(c, c->rq->msg.bad_status, c->rq->msg.bad);
	else if (c->rq->msg.head_done)
		start(c, piece, n, used);
	else if (c->state != CONN_HEAD)
		change_list(c, CONN_HEAD);
}

/* Idle or in a head, and something came. */
static void conn_readable(struct http_conn *c)
{
	char *b = io_buffer_take();
	ssize_t n;

	if (!b) {
		conn_close(c);
		return;
	}
	n = sock_recv(&c->sock, b, IO_BUFFER);
	if (n > 0)
		conn_push(c, b, (size_t)n);
	else if (n == 0 || errno != EAGAIN)
		conn_close(c);
	io_buffer_give(b);
}

void conn_gone(struct http_conn *c)
{
	struct request *rq = c->rq;

	if (!rq || rq->ex.client_gone)
		return;
	rq->ex.client_gone = true;
	sock_watch(&c->sock, 0);
	sock_kick(&c->sock);
	if (rq->fiber && !c->server->opt.fibers_on_disconnect_finish)
		fiber_cancel(rq->fiber);
}

static void conn_probe(struct http_conn *c)
{
	answer_probe(c->rq);
	change_list(c, ++c->probes < PROBES && !c->rq->ex.client_gone ? CONN_ENDED : CONN_RUNNING);
}

/* The client has ended its side behind `unread` bytes, or none. */
static void client_ended(struct http_conn *c, bool unread)
{
	if (c->sock.ended) {
		sock_watch(&c->sock, SOCK_FAILURE);
	} else if (c->rq->msg.complete) {
		c->sock.ended = true;
		sock_watch(&c->sock, SOCK_FAILURE);
		conn_probe(c);
	} else if (unread) {
		sock_watch(&c->sock, 0); /* whether the body is whole shows when it is read */
	} else {
		conn_gone(c);
	}
}

/* The handler runs and does not read: has the client left, or is it sending ahead? */
static void conn_peek(struct http_conn *c, int events)
{
	char byte;
	ssize_t n;

	if (sock_failed(&c->sock)) {
		conn_gone(c);
		return;
	}
	if (events & SOCK_FAILURE) { /* urgent data that nobody asked for */
		sock_watch(&c->sock, 0);
		return;
	}
	n = recv(c->sock.fd, &byte, 1, MSG_PEEK);
	if (n == 0 || (events & SOCK_HANGUP))
		client_ended(c, n > 0);
	else if (n > 0)
		sock_watch(&c->sock, SOCK_HANGUP);
	else if (errno != EAGAIN)
		conn_gone(c);
}

static void on_event(struct sock *s, int events)
{
	struct http_conn *c = (struct http_conn *)s;

	switch (c->state) {
	case CONN_IDLE:
	case CONN_HEAD: conn_readable(c); break;
	case CONN_RUNNING:
	case CONN_ENDED: conn_peek(c, events); break;
	case CONN_LINGER: linger_read(c); break;
	default: break;
	}
}

static void on_timer(uv_timer_t *t)
{
	struct http_server *s = t->data;
	uint64_t now = clock_mono_ms(), due = TIME_NEVER;

	s->timer_due = TIME_NEVER;
	for (int i = 0; i < CONN_CLOSED; i++) {
		struct http_conn *c;

		if (limit_of(s, i) == TIME_NEVER)
			continue;
		while ((c = TAILQ_FIRST(&s->lists[i].conns)) && c->deadline <= now) {
			if (i == CONN_ENDED) {
				conn_probe(c);
				continue;
			}
			if (i != CONN_HEAD || !c->rq) {
				conn_close(c);
				continue;
			}
			http_message_give_up(&c->rq->msg);
			refuse(c, 408, "the request's head came too slowly");
		}
		if (c && c->deadline < due)
			due = c->deadline;
	}
	timer_arm(t, &s->timer_due, due, on_timer);
}

/* ---- accepting ---- */

/* Over the limit: says so and goes. */
static void turn_away(struct http_server *s, struct http_conn *c)
{
	static const char busy[] =
		"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n";
	struct iovec v = { (char *)busy, sizeof busy - 1 }, *iov = &v;
	int n = 1;

	sock_send(&c->sock, &iov, &n);
	/* few may linger: with a small limit of files they would hold what upstreams need */
	if (s->lists[CONN_LINGER].len < LINGER_MAX &&
	    s->lists[CONN_LINGER].len < s->opt.max_connections / 16)
		conn_linger(c);
	else
		conn_close(c);
}

static void accept_client(struct http_server *s, int fd)
{
	struct http_conn *c = fault("conn") ? NULL : calloc(1, sizeof *c);
	int on = 1;

	if (!c) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (sock_open(&c->sock, fd, on_event)) {
		free(c);
		return;
	}
	c->server = s;
	s->nconns++;
	enlist(c, CONN_IDLE);
	if (atomic_fetch_add_explicit(&connections, 1, memory_order_relaxed) >=
	    s->opt.max_connections) {
		turn_away(s, c);
		return;
	}
	if (sock_watch(&c->sock, SOCK_READ))
		conn_close(c);
}

static void on_accept(uv_poll_t *p, int status, int events);

static void on_pause_over(uv_timer_t *t)
{
	struct http_server *s = t->data;

	for (size_t i = 0; i < s->nlistening && !s->draining; i++)
		uv_poll_start(&s->listening[i].poll, UV_READABLE, on_accept);
}

static void pause_accepting(struct http_server *s, int e)
{
	for (size_t i = 0; i < s->nlistening; i++)
		uv_poll_stop(&s->listening[i].poll);
	uv_timer_start(&s->accept_pause, on_pause_over, ACCEPT_PAUSE_MS, 0);
	if (!atomic_exchange(&said_no_files, true))
		log_error("net", "cannot accept connections", LS("error", strerror(e)));
}

static void on_accept(uv_poll_t *p, int status, int events)
{
	const struct listening_socket *l = (struct listening_socket *)p; /* its first member */
	struct http_server *s = p->data;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPT_BURST && !s->draining; i++) {
		int fd = fault("accept") ? (errno = EMFILE, -1)
					 : accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			atomic_store_explicit(&said_no_files, false, memory_order_relaxed);
			accept_client(s, fd);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			   errno == ENOMEM) {
			pause_accepting(s, errno);
			return;
		} /* else that one connection failed before it was taken: the next */
	}
}

static int bind_error(const struct sockaddr *a, int e)
{
	char text[SOCK_ADDRESS_TEXT];

	sock_address_text(a, text);
	if (e == EADDRINUSE)
		return fail(
			ERR_IO,
			"Failed to bind to `%s`: address in use (another process listens there: stop it, or choose another with --bind-address)",
			text);
	return fail(ERR_IO, "Failed to bind to `%s`: %s", text, strerror(e));
}

/* A socket bound to the address, which listens if `backlog` is not 0. -1: error set. */
static int open_bound(const struct sockaddr *a, size_t len, bool shared, int backlog)
{
	int on = 1, fd = socket(a->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return bind_error(a, errno);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (shared)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (bind(fd, a, (socklen_t)len) || (backlog && listen(fd, backlog))) {
		bind_error(a, errno);
		close(fd);
		return -1;
	}
	return fd;
}

int http_bind_test(struct sockaddr *a, size_t len)
{
	/* A port that the system chose (0) is held until the workers listen, by a socket that never does: closed
	 * in between, the port could go to another Signet that asks at the same moment, and both would share it. */
	bool held = !*sock_port(a);
	int fd = open_bound(a, len, held, held ? 0 : 1), bad;
	socklen_t n = (socklen_t)len;

	if (fd < 0)
		return -1;
	bad = getsockname(fd, a, &n) ? bind_error(a, errno) : 0;
	if (bad || !held)
		close(fd);
	return bad;
}

static struct http_server *server_new(size_t nsockets, const struct http_server_options *opt)
{
	struct http_server *s = calloc(1, sizeof *s);

	if (s)
		s->listening = calloc(nsockets, sizeof *s->listening);
	if (!s || !s->listening) {
		free(s);
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	}
	s->opt = *opt;
	if (!s->opt.max_connections)
		s->opt.max_connections = SIZE_MAX;
	atomic_store(&made_of_bodies.max, opt->body_memory < SIZE_MAX / MADE_OF_BODIES
						  ? opt->body_memory * MADE_OF_BODIES
						  : SIZE_MAX);
	s->timer_due = TIME_NEVER;
	for (int i = 0; i < CONN_CLOSED; i++)
		TAILQ_INIT(&s->lists[i].conns);
	uv_timer_init(loop_uv(loop_self()), &s->timer);
	uv_timer_init(loop_uv(loop_self()), &s->accept_pause);
	s->timer.data = s->accept_pause.data = s;
	s->open_handles = 2;
	return s;
}

/* Takes the socket, also when it fails. */
static int accept_from(struct http_server *s, int fd)
{
	struct listening_socket *l = &s->listening[s->nlistening];

	if (fd < 0)
		return -1;
	if (uv_poll_init(loop_uv(loop_self()), &l->poll, fd)) {
		close(fd);
		return fail(ERR_IO, "cannot watch the listener");
	}
	l->fd = fd;
	l->poll.data = s;
	s->nlistening++;
	s->open_handles++;
	uv_poll_start(&l->poll, UV_READABLE, on_accept);
	return 0;
}

struct http_server *http_server_listen(const struct sockaddr *a, size_t len,
				       const struct http_server_options *opt)
{
	struct http_server *s = server_new(1, opt);

	if (s && accept_from(s, open_bound(a, len, true, BACKLOG))) {
		http_server_free(s);
		return NULL;
	}
	return s;
}

struct http_server *http_server_share(const int *fds, size_t n,
				      const struct http_server_options *opt)
{
	struct http_server *s = server_new(n, opt);

	for (size_t i = 0; s && i < n; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			fail(ERR_IO, "a listening socket cannot be shared: %s", strerror(errno));
		if (accept_from(s, fd)) {
			http_server_free(s);
			return NULL;
		}
	}
	return s;
}

/* ---- the end of the server ---- */

static void handle_closed(uv_handle_t *h)
{
	struct http_server *s = h->data;

	s->open_handles--;
	server_unref(s);
}

static void stop_listening(struct http_server *s)
{
	for (size_t i = 0; i < s->nlistening && !s->closed; i++) {
		uv_close((uv_handle_t *)&s->listening[i].poll, handle_closed);
		close(s->listening[i].fd);
	}
	s->closed = true;
}

static void close_all(struct http_server *s, int state)
{
	while (!TAILQ_EMPTY(&s->lists[state].conns))
		conn_close(TAILQ_FIRST(&s->lists[state].conns));
}

void http_server_notice(struct http_server *s)
{
	s->leaving = true;
}

void http_server_drain(struct http_server *s)
{
	s->draining = s->leaving = true;
	stop_listening(s);
	close_all(s, CONN_IDLE);
}

void http_server_cancel_all(struct http_server *s)
{
	struct http_conn *c;

	for (int i = CONN_RUNNING; i <= CONN_ENDED; i++)
		TAILQ_FOREACH(c, &s->lists[i].conns, of_state)
	if (c->rq->fiber)
		fiber_cancel(c->rq->fiber);
	close_all(s, CONN_HEAD);
}

size_t http_server_running(const struct http_server *s)
{
	return s->lists[CONN_RUNNING].len + s->lists[CONN_ENDED].len + s->lists[CONN_HEAD].len;
}

size_t http_server_own_connections(const struct http_server *s)
{
	return s->nconns;
}

size_t http_server_own_streams(const struct http_server *s)
{
	return s->nstreams;
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	s->draining = s->leaving = true;
	stop_listening(s);
	for (int i = 0; i < CONN_CLOSED; i++)
		close_all(s, i);
	s->freed = true;
	uv_close((uv_handle_t *)&s->timer, handle_closed);
	uv_close((uv_handle_t *)&s->accept_pause, handle_closed);
	io_buffers_free();
}
