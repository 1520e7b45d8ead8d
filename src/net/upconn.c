/*
 * Upstream connections: the pool of each origin and the bytes in and out.
 *
 * Idle connections are watched: one that becomes readable was closed by its server (or speaks out of
 * turn) and is dropped before a request meets it. The newest idle one is used first, so that a pool that
 * was large for a moment shrinks by itself. Idle and draining connections have one time limit each, so
 * their lists are in order of deadlines and one timer serves both.
 */
#include "net/upconn.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/fault.h"
#include "fiber/loop.h"

#define TLS_RECORD        16384u
#define DRAIN_MS          1000
#define DRAIN_BYTES       (16u << 10) /* of what follows after the reader is content: an end of chunks */
#define STREAK_MAX        16          /* reads of a full buffer in one turn */
#define CLIENT_MEMORY_MAX (1u << 20) /* names and settings, once a client */
#define ORIGINS_MAX       1024       /* a client; those without connections go first */

static atomic_size_t connections;
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, origin) registry = LIST_HEAD_INITIALIZER(registry);

size_t http_client_connections(void)
{
	return atomic_load_explicit(&connections, memory_order_relaxed);
}

void http_client_visit(void (*fn)(void *, struct bytes host, size_t idle, size_t busy), void *arg)
{
	const struct origin *o;

	pthread_mutex_lock(&registry_lock);
	LIST_FOREACH(o, &registry, registered)
	fn(arg, o->public_only ? B("files") : o->host, o->nidle, o->nbusy);
	pthread_mutex_unlock(&registry_lock);
}

/* ---- origins ---- */

static bool drop_unconnected(void *value, void *arg)
{
	struct origin *o = value;

	(void)arg;
	if (o->nidle || o->nbusy)
		return false;
	pthread_mutex_lock(&registry_lock);
	LIST_REMOVE(o, registered);
	pthread_mutex_unlock(&registry_lock);
	SSL_SESSION_free(o->session);
	free(o);
	return true;
}

static const struct proxy *proxy_of(const struct http_client *c, const struct url *u)
{
	const struct proxy *p = u->tls ? &c->https_proxy : &c->http_proxy;

	if (u->direct || !bytes_set(p->host) || proxy_bypassed(c->no_proxy, u->host, u->port))
		return NULL;
	return p;
}

struct bytes http_client_proxy_secret(const struct http_client *c, const struct url *u)
{
	const struct proxy *p = proxy_of(c, u);

	return p ? p->authorization : (struct bytes){ NULL, 0 };
}

struct origin *origin_of(struct http_client *c, const struct url *u)
{
	char text[300];
	struct bytes key = { text, u->host.n + 3 };
	struct origin *o;

	if (key.n > sizeof text)
		return fail_null(ERR_CONFIG, "the host name is too long");
	text[0] = (char)(u->port >> 8);
	text[1] = (char)(u->port & 255);
	text[2] = (char)((u->tls ? 's' : 'p') - (u->public_only ? 32 : 0));
	memcpy(text + 3, u->host.p, u->host.n);
	o = map_get(&c->origins, key);
	if (o)
		return o;
	if (c->origins.len >= ORIGINS_MAX)
		map_sweep(&c->origins, drop_unconnected, NULL);
	o = fault("origin") ? NULL : calloc(1, sizeof *o + key.n);
	if (!o)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	memcpy(o + 1, text, key.n);
	o->key = (struct bytes){ (char *)(o + 1), key.n };
	o->host = bytes_slice(o->key, 3, key.n);
	o->port = u->port;
	o->tls = u->tls;
	o->public_only = u->public_only;
	o->proxy = proxy_of(c, u);
	if (map_put(&c->origins, o->key, o)) {
		free(o);
		return NULL;
	}
	pthread_mutex_lock(&registry_lock);
	LIST_INSERT_HEAD(&registry, o, registered);
	pthread_mutex_unlock(&registry_lock);
	return o;
}

/* ---- lists and their timer ---- */

static void on_timer(uv_timer_t *);

static atomic_size_t *count_of(struct upconn *u)
{
	return u->state == UPCONN_IDLE ? &u->origin->nidle : &u->origin->nbusy;
}

static void unlist(struct upconn *u)
{
	TAILQ_REMOVE(&u->client->lists[u->state], u, of_state);
	if (u->state == UPCONN_IDLE)
		LIST_REMOVE(u, of_origin);
	atomic_fetch_sub_explicit(count_of(u), 1, memory_order_relaxed);
}

static void enlist(struct upconn *u, int state)
{
	struct http_client *c = u->client;

	u->state = (uint8_t)state;
	TAILQ_INSERT_TAIL(&c->lists[state], u, of_state);
	if (state == UPCONN_IDLE)
		LIST_INSERT_HEAD(&u->origin->idle, u, of_origin);
	atomic_fetch_add_explicit(count_of(u), 1, memory_order_relaxed);
	if (state != UPCONN_BUSY) {
		u->deadline = turn_ms() + (state == UPCONN_IDLE ? c->opt.idle_ms : DRAIN_MS);
		timer_arm(&c->timer, &c->timer_due, u->deadline, on_timer);
	}
}

static void change_list(struct upconn *u, int state)
{
	unlist(u);
	enlist(u, state);
}

static void on_timer(uv_timer_t *t)
{
	struct http_client *c = t->data;
	uint64_t now = clock_mono_ms(), due = TIME_NEVER;

	c->timer_due = TIME_NEVER;
	for (int i = UPCONN_IDLE; i < UPCONN_CLOSED; i++) {
		struct upconn *u;

		while ((u = TAILQ_FIRST(&c->lists[i])) && u->deadline <= now)
			upconn_close(u);
		if (u && u->deadline < due)
			due = u->deadline;
	}
	timer_arm(t, &c->timer_due, due, on_timer);
}

/* ---- connections ---- */

static void client_unref(struct http_client *c)
{
	if (!c->freed || c->nconns || !c->timer_closed)
		return;
	map_sweep(&c->origins, drop_unconnected, NULL);
	map_deinit(&c->origins);
	arena_deinit(&c->arena);
	free(c);
}

static void timer_closed(uv_handle_t *h)
{
	struct http_client *c = h->data;

	c->timer_closed = true;
	client_unref(c);
}

static void upconn_closed(struct sock *s)
{
	struct upconn *u = (struct upconn *)s;
	struct http_client *c = u->client;

	free(u);
	c->nconns--;
	client_unref(c);
}

void upconn_close(struct upconn *u)
{
	if (u->state == UPCONN_CLOSED)
		return;
	unlist(u);
	u->state = UPCONN_CLOSED;
	tls_free(u->ssl, !u->broken);
	u->ssl = NULL;
	free(u->rest);
	u->rest = NULL;
	atomic_fetch_sub_explicit(&connections, 1, memory_order_relaxed);
	sock_close(&u->sock, upconn_closed);
}

void upconn_drop(struct upconn *u)
{
	u->broken = true;
	upconn_close(u);
}

/* What is there, without waiting: as sock_recv, errno EPROTO for a TLS failure. *want: what to wait for
 * after EAGAIN. */
static ssize_t receive(struct upconn *u, char *to, size_t room, int *want)
{
	size_t n = 0;

	*want = SOCK_READ;
	if (!u->ssl)
		return sock_recv(&u->sock, to, room);
	switch (tls_read(u->ssl, to, room, &n)) {
	case TLS_OK: u->sock.likely = SSL_has_pending(u->ssl) || n == room; return (ssize_t)n;
	case TLS_WANT_WRITE: *want = SOCK_WRITE; /* fall through */
	case TLS_WANT_READ:
		u->sock.likely = false;
		errno = EAGAIN;
		return -1;
	case TLS_CLOSED: return 0;
	default: errno = EPROTO; return -1;
	}
}

/* An idle connection became readable: only TLS has anything to say then (a session ticket). */
static void idle_readable(struct upconn *u)
{
	int want;
	char byte;

	if (u->ssl && receive(u, &byte, 1, &want) < 0 && errno == EAGAIN)
		return;
	upconn_drop(u);
}

static void drain_read(struct upconn *u)
{
	char *b = io_buffer_take();
	size_t used;
	ssize_t n;
	int want;

	if (!b) {
		upconn_close(u);
		return;
	}
	n = receive(u, b, IO_BUFFER, &want);
	if (n < 0 && errno == EAGAIN)
		goto out;
	u->drained += n > 0 ? (size_t)n : 0;
	if (n <= 0 || u->drained > DRAIN_BYTES ||
	    http_message_push(u->rest, b, (size_t)n, false, &used)) {
		upconn_drop(u);
	} else if (u->rest->complete) {
		u->broken = used < (size_t)n || !u->rest->keep_alive;
		upconn_release(u);
	}
out:
	io_buffer_give(b);
}

static void on_event(struct sock *s, int events)
{
	struct upconn *u = (struct upconn *)s;

	(void)events;
	switch (u->state) {
	case UPCONN_IDLE: idle_readable(u); break;
	case UPCONN_DRAINING: drain_read(u); break;
	case UPCONN_BUSY: /* whoever holds it is busy elsewhere: it will look first */
		sock_watch(s, 0);
		break;
	default: break;
	}
}

struct upconn *upconn_new(struct http_client *c, struct origin *o, int fd)
{
	struct upconn *u = fault("upconn") ? NULL : calloc(1, sizeof *u);

	if (!u) {
		close(fd);
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	}
	if (sock_open(&u->sock, fd, on_event)) {
		free(u);
		return NULL;
	}
	u->client = c;
	u->origin = o;
	c->nconns++;
	atomic_fetch_add_explicit(&connections, 1, memory_order_relaxed);
	enlist(u, UPCONN_BUSY);
	return u;
}

struct upconn *origin_take_idle(struct origin *o)
{
	struct upconn *u = LIST_FIRST(&o->idle);

	if (u)
		change_list(u, UPCONN_BUSY);
	return u;
}

void upconn_release(struct upconn *u)
{
	free(u->rest);
	u->rest = NULL;
	if (u->broken || u->client->freed || u->origin->nidle >= u->client->opt.max_idle ||
	    sock_watch(&u->sock, SOCK_READ)) {
		upconn_close(u);
		return;
	}
	change_list(u, UPCONN_IDLE);
}

void upconn_drain(struct upconn *u, const struct http_message *m)
{
	u->rest = malloc(sizeof *u->rest);
	if (!u->rest || u->broken || u->client->freed || sock_watch(&u->sock, SOCK_READ)) {
		upconn_close(u);
		return;
	}
	*u->rest = *m;
	u->rest->parser.data = u->rest;
	u->drained = 0;
	change_list(u, UPCONN_DRAINING);
	drain_read(u); /* the end is usually there already */
}

/* ---- bytes ---- */

static int closed(const char *when, int e)
{
	return fail(ERR_CLOSED, "the upstream closed the connection %s%s%s", when, e ? ": " : "",
		    e ? strerror(e) : "");
}

/* One TLS record of what is at the front: head and body leave together. A repetition after the kernel was
 * full begins with the same bytes, as OpenSSL wants it. */
static enum tls_result send_record(struct upconn *u, const struct iovec *iov, int n, size_t *took)
{
	struct bytes b = { iov->iov_base, iov->iov_len };
	char *joined = n > 1 && b.n < TLS_RECORD ? io_buffer_take() : NULL;
	enum tls_result r;

	if (joined) {
		b = (struct bytes){ joined, 0 };
		for (int i = 0; i < n && b.n < TLS_RECORD; i++) {
			size_t fits = TLS_RECORD - b.n < iov[i].iov_len ? TLS_RECORD - b.n
									: iov[i].iov_len;

			if (fits)
				memcpy(joined + b.n, iov[i].iov_base, fits);
			b.n += fits;
		}
	}
	r = tls_write(u->ssl, b, took);
	io_buffer_give(joined);
	return r;
}

/* 0: all gone; 1: *want says what to wait for; -1: errno. */
static int send_some(struct upconn *u, struct iovec **iov, int *n, int *want)
{
	*want = SOCK_WRITE;
	if (!u->ssl)
		return sock_send(&u->sock, iov, n);
	while (*n) {
		enum tls_result r;
		size_t took;

		if ((*iov)->iov_len == 0) {
			iov_advance(iov, n, 0);
			continue;
		}
		r = send_record(u, *iov, *n, &took);
		if (r == TLS_WANT_READ)
			*want = SOCK_READ;
		if (r == TLS_WANT_READ || r == TLS_WANT_WRITE)
			return 1;
		if (r != TLS_OK) {
			errno = r == TLS_CLOSED ? EPIPE : EPROTO;
			return -1;
		}
		iov_advance(iov, n, took);
	}
	return 0;
}

int upconn_send(struct upconn *u, struct iovec *iov, int n, uint64_t deadline)
{
	for (;;) {
		int want, r = send_some(u, &iov, &n, &want);

		if (r == 0)
			return 0;
		if (r < 0) {
			int e = errno;

			u->broken = true;
			if (e == EPROTO && u->ssl)
				return -1;
			/* It may have answered (413, say) before it closed: that is worth reading. */
			if (e == EPIPE || e == ECONNRESET)
				return 1;
			return closed("while the request was sent", e);
		}
		if (!u->ssl) /* an answer that comes now ends the sending */
			want = SOCK_READ | SOCK_WRITE;
		if (sock_wait(&u->sock, want, deadline)) {
			u->broken = true;
			return -1;
		}
		if (!u->ssl && (u->sock.got & (SOCK_READ | SOCK_HANGUP))) {
			u->broken = true;
			return 1;
		}
	}
}

ssize_t upconn_recv(struct upconn *u, char **to, uint64_t deadline)
{
	int want = SOCK_READ;

	*to = NULL;
	for (;;) {
		ssize_t n;
		int e;

		if (u->sock.likely && ++u->streak % STREAK_MAX == 0)
			fiber_yield(); /* a fast upstream must not keep the loop to itself */
		if (!u->sock.likely && sock_wait(&u->sock, want, deadline))
			break;
		*to = io_buffer_take();
		if (!*to)
			break;
		n = receive(u, *to, IO_BUFFER, &want);
		if (n > 0)
			return n;
		e = errno;
		io_buffer_give(*to);
		*to = NULL;
		if (n < 0 && e == EAGAIN)
			continue;
		u->broken = true;
		if (n == 0)
			return 0;
		return e == EPROTO ? -1 : closed("while the answer was read", e);
	}
	u->broken = true;
	return -1;
}

/* ---- the client ---- */

static int take_proxy(struct http_client *c, const char *name, const char *value, struct proxy *out)
{
	return proxy_parse(value, &c->arena, out) ? fail_context("%s: ", name) : 0;
}

struct http_client *http_client_new(const struct http_client_options *opt)
{
	struct http_client *c = calloc(1, sizeof *c);

	if (!c)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
	c->opt = *opt;
	if (!c->opt.connect_timeout_ms)
		c->opt.connect_timeout_ms = 10000;
	c->timer_due = TIME_NEVER;
	arena_init(&c->arena, CLIENT_MEMORY_MAX);
	map_init(&c->origins);
	for (int i = 0; i < UPCONN_CLOSED; i++)
		TAILQ_INIT(&c->lists[i]);
	if (opt->ca_file) {
		struct bytes name = arena_dup(&c->arena, bytes_of(opt->ca_file));

		c->opt.ca_file = name.p;
		if (!name.p)
			goto failed;
	}
	if (tls_check_ca_file(c->opt.ca_file))
		goto failed;
	if (take_proxy(c, "HTTPS_PROXY", opt->https_proxy, &c->https_proxy) ||
	    take_proxy(c, "HTTP_PROXY", opt->http_proxy, &c->http_proxy))
		goto failed;
	c->no_proxy = arena_dup(&c->arena, bytes_of(opt->no_proxy));
	c->dns = dns_new(opt->dns_ttl_s);
	if (!c->dns)
		goto failed;
	uv_timer_init(loop_uv(loop_self()), &c->timer);
	c->timer.data = c;
	return c;
failed:
	map_deinit(&c->origins);
	arena_deinit(&c->arena);
	free(c);
	return NULL;
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	c->freed = true;
	for (int i = 0; i < UPCONN_CLOSED; i++)
		while (!TAILQ_EMPTY(&c->lists[i]))
			upconn_close(TAILQ_FIRST(&c->lists[i]));
	dns_free(c->dns);
	io_buffers_free();
	uv_close((uv_handle_t *)&c->timer, timer_closed);
}
