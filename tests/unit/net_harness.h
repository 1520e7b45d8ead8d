/*
 * For tests of sockets: a worker (loop, server, client) on a thread of its own; the test's own thread plays
 * the other side with plain blocking sockets, so that every byte and every pause is its own choice.
 */
#ifndef SIGNET_TESTS_NET_HARNESS_H
#define SIGNET_TESTS_NET_HARNESS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "fiber/loop.h"
#include "net/http_client.h"
#include "net/http_server.h"

#include <cmocka.h> /* after error.h: it makes a macro of fail() */

struct harness {
	pthread_t thread;
	struct http_server_options options;
	struct http_client_options client_options;
	bool want_client;
	struct loop *loop;
	struct http_server *server;
	struct http_client *client;
	uint16_t port;
	pthread_mutex_t lock;
	pthread_cond_t ready;
	bool up;
	struct loop_task stop, job;
	void (*job_fn)(struct harness *);
	bool job_done;
};

static inline void *harness_thread(void *arg)
{
	struct harness *h = arg;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	h->loop = loop_new(0);
	if (http_bind_test((struct sockaddr *)&a, sizeof a))
		abort();
	h->server = http_server_listen((struct sockaddr *)&a, sizeof a, &h->options);
	if (!h->server)
		abort();
	if (h->want_client && !(h->client = http_client_new(&h->client_options)))
		abort();
	pthread_mutex_lock(&h->lock);
	h->port = ntohs(a.sin_port);
	h->up = true;
	pthread_cond_signal(&h->ready);
	pthread_mutex_unlock(&h->lock);
	loop_run(h->loop);
	http_server_free(h->server);
	if (h->client)
		http_client_free(h->client);
	loop_free(h->loop);
	error_clear();
	return NULL;
}

/* Defaults that tests narrow before harness_start(). */
static inline void harness_init(struct harness *h, http_handler *handler)
{
	*h = (struct harness){
		.options = { .handler = handler,
			     .user = h,
			     .max_connections = 1000,
			     .max_header_bytes = 8192,
			     .max_headers = 64,
			     .max_body = 1 << 20,
			     .body_memory = 16 << 20,
			     .header_timeout_ms = 10000,
			     .body_idle_ms = 10000,
			     .keepalive_ms = 10000,
			     .write_idle_ms = 10000 },
		.client_options = { .connect_timeout_ms = 5000,
				    .idle_ms = 10000,
				    .max_idle = 8,
				    .dns_ttl_s = 30 },
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.ready = PTHREAD_COND_INITIALIZER,
	};
	signal(SIGPIPE, SIG_IGN);
}

static inline void harness_start(struct harness *h)
{
	assert_int_equal(0, pthread_create(&h->thread, NULL, harness_thread, h));
	pthread_mutex_lock(&h->lock);
	while (!h->up)
		pthread_cond_wait(&h->ready, &h->lock);
	pthread_mutex_unlock(&h->lock);
}

static inline void harness_on_stop(struct loop_task *t)
{
	struct harness *h = (struct harness *)((char *)t - offsetof(struct harness, stop));

	http_server_drain(h->server);
	http_server_cancel_all(h->server);
	loop_stop(h->loop);
}

/* Ends the worker and checks that nothing was left behind, but for arenas that stay for the life of a process. */
static inline void harness_stop_but(struct harness *h, size_t arenas)
{
	h->stop.fn = harness_on_stop;
	loop_post(h->loop, &h->stop);
	pthread_join(h->thread, NULL);
	assert_int_equal(0, http_server_connections());
	assert_int_equal(0, http_server_body_bytes());
	assert_int_equal(0, http_client_connections());
	assert_int_equal(arenas, arena_count());
	assert_int_equal(0, fiber_count());
}

static inline void harness_stop(struct harness *h)
{
	harness_stop_but(h, 0);
}

static inline void harness_job_fiber(void *arg)
{
	struct harness *h = arg;

	h->job_fn(h);
	pthread_mutex_lock(&h->lock);
	h->job_done = true;
	pthread_cond_signal(&h->ready);
	pthread_mutex_unlock(&h->lock);
}

static inline void harness_on_job(struct loop_task *t)
{
	struct harness *h = (struct harness *)((char *)t - offsetof(struct harness, job));

	if (!fiber_spawn("test", harness_job_fiber, h))
		abort();
}

/* Runs fn in a fiber of the worker; harness_join() waits for its end. Asserts belong outside of fn. */
static inline void harness_begin(struct harness *h, void (*fn)(struct harness *))
{
	h->job_fn = fn;
	h->job_done = false;
	h->job.fn = harness_on_job;
	loop_post(h->loop, &h->job);
}

static inline void harness_join(struct harness *h)
{
	pthread_mutex_lock(&h->lock);
	while (!h->job_done)
		pthread_cond_wait(&h->ready, &h->lock);
	pthread_mutex_unlock(&h->lock);
}

/* ---- the other side ---- */

static inline int dial(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(0, connect(fd, (struct sockaddr *)&a, sizeof a));
	return fd;
}

static inline void say_n(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t r = send(fd, p, n, MSG_NOSIGNAL);

		assert_true(r > 0);
		p += r;
		n -= (size_t)r;
	}
}

static inline void say(int fd, const char *text)
{
	say_n(fd, text, strlen(text));
}

/* Reads until `end` stands at the end of what came, or the peer closes (or `ms` pass). NUL-terminated. */
static inline char *hear(int fd, const char *end, int ms)
{
	size_t len = 0, cap = 4096, want = end ? strlen(end) : 0;
	char *p = malloc(cap);
	struct pollfd w = { .fd = fd, .events = POLLIN };

	assert_non_null(p);
	while (poll(&w, 1, ms) > 0) {
		ssize_t r;

		if (cap - len < 2048)
			p = realloc(p, cap *= 2);
		assert_non_null(p);
		r = recv(fd, p + len, cap - len - 1, 0);
		if (r <= 0)
			break;
		len += (size_t)r;
		if (want && len >= want && memcmp(p + len - want, end, want) == 0)
			break;
	}
	p[len] = 0;
	return p;
}

/* Takes the line that begins with "date:" away: the only part of an answer that changes. */
static inline char *undated(char *text)
{
	char *d = strstr(text, "date: "), *e;

	while (d && (e = strstr(d, "\r\n"))) {
		memmove(d, e + 2, strlen(e + 2) + 1);
		d = strstr(d, "date: ");
	}
	return text;
}

static inline void expect_text(int fd, const char *end, const char *want)
{
	char *got = undated(hear(fd, end, 5000));

	assert_string_equal(want, got);
	free(got);
}

/* True if the peer closes within `ms`. */
static inline bool closes(int fd, int ms)
{
	struct pollfd w = { .fd = fd, .events = POLLIN };
	char c;

	return poll(&w, 1, ms) > 0 && recv(fd, &c, 1, 0) <= 0;
}

#endif
