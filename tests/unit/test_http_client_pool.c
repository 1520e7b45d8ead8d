/* The client's pool, its ways to an upstream, and what it says when there is none. */
#include "client_harness.h"

#include "base/fault.h"
#include "net/socket.h"

/* Two calls at a time, closed in this order. */
static struct {
	struct http_call *calls[4];
	struct arena arenas[4];
	struct url urls[4];
	bool reused[4];
	int n;
} many;

static void open_many(struct harness *h)
{
	for (int i = 0; i < many.n; i++) {
		struct http_send s = call.send;

		arena_init(&many.arenas[i], 1 << 20);
		url_parse(bytes_of(call.url), &many.arenas[i], &many.urls[i]);
		s.url = &many.urls[i];
		s.arena = &many.arenas[i];
		s.method = B("POST");
		many.calls[i] = http_send(h->client, &s);
		if (!many.calls[i]) {
			note_error();
			continue;
		}
		many.reused[i] = http_call_reused(many.calls[i]);
	}
}

static void close_many(struct harness *h)
{
	struct bytes body;

	(void)h;
	for (int i = 0; i < many.n; i++) {
		if (many.calls[i]) {
			http_call_read_all(many.calls[i], 1000, &body);
			http_call_close(many.calls[i]);
		}
		arena_deinit(&many.arenas[i]);
	}
}

static size_t idle_seen, busy_seen, origins_seen;

static void count_origin(void *arg, struct bytes host, size_t idle, size_t busy)
{
	idle_seen += idle;
	busy_seen += busy;
	origins_seen += bytes_eq(host, bytes_of(arg));
}

static void expect_counts(const char *host, size_t origins, size_t idle, size_t busy)
{
	idle_seen = busy_seen = origins_seen = 0;
	http_client_visit(count_origin, (void *)(uintptr_t)host);
	assert_int_equal(origins, origins_seen);
	assert_int_equal(idle, idle_seen);
	assert_int_equal(busy, busy_seen);
	assert_int_equal(idle + busy, http_client_connections());
}

#define ANSWER OK_HEAD "Content-Length: 2\r\n\r\nok"

/* n calls at once; fds[i] is the i-th one's connection. */
static void open_on(struct harness *h, int n, int fds[4])
{
	many.n = n;
	harness_begin(h, open_many);
	for (int i = 0; i < n; i++)
		fds[i] = serve(ANSWER);
	harness_join(h);
}

static void close_on(struct harness *h)
{
	harness_begin(h, close_many);
	harness_join(h);
}

static void test_no_more_than_max_idle_are_kept(void **state)
{
	struct harness *h = *state;
	int fds[4];

	h->client_options.max_idle = 2;
	harness_start(h);
	open_on(h, 4, fds);
	expect_counts("127.0.0.1", 1, 0, 4);
	close_on(h);
	expect_counts("127.0.0.1", 1, 2, 0);
	for (int i = 0; i < 4; i++) { /* the first two to end are kept */
		assert_int_equal(closes(fds[i], i < 2 ? 50 : 2000), i >= 2);
		close(fds[i]);
	}
}

static void test_none_is_kept_where_none_may_be(void **state)
{
	struct harness *h = *state;
	int fds[4];

	h->client_options.max_idle = 0;
	harness_start(h);
	open_on(h, 1, fds);
	close_on(h);
	assert_true(closes(fds[0], 2000));
	expect_counts("127.0.0.1", 1, 0, 0);
	close(fds[0]);
}

static void test_the_newest_idle_connection_is_used_first(void **state)
{
	struct harness *h = *state;
	int fds[4];
	char *got;

	harness_start(h);
	open_on(h, 3, fds);
	close_on(h); /* 0, 1, 2: the last one to end is 2 */
	for (int i = 2; i >= 0; i--) {
		harness_begin(h, run_call);
		got = hear(fds[i], "{}", 3000);
		assert_non_null(strstr(got, "POST /v1/chat?a=b"));
		free(got);
		say(fds[i], OK_HEAD "Connection: close\r\nContent-Length: 2\r\n\r\nok");
		harness_join(h);
		assert_true(call.reused);
		assert_string_equal("ok", call.body);
		assert_true(closes(fds[i], 1000));
		close(fds[i]);
		expect_counts("127.0.0.1", 1, (size_t)i, 0);
	}
}

static void test_idle_connections_go_one_after_another(void **state)
{
	struct harness *h = *state;
	int fds[4], other;

	h->client_options.idle_ms = 300;
	harness_start(h);
	open_on(h, 1, fds);
	close_on(h);
	usleep(150000);
	call.send.fresh = true;
	harness_begin(h, run_call);
	other = serve(ANSWER);
	harness_join(h);
	expect_counts("127.0.0.1", 1, 2, 0);
	assert_true(closes(fds[0], 2000));
	expect_counts("127.0.0.1", 1, 1, 0); /* the younger one has its own time */
	assert_true(closes(other, 2000));
	expect_counts("127.0.0.1", 1, 0, 0);
	close(fds[0]);
	close(other);
}

static void test_what_speaks_while_idle_is_dropped(void **state)
{
	struct harness *h = *state;
	int fds[4];

	harness_start(h);
	open_on(h, 1, fds);
	close_on(h);
	say(fds[0], "HTTP/1.1 408 Request Timeout\r\n\r\n");
	assert_true(closes(fds[0], 2000));
	expect_counts("127.0.0.1", 1, 0, 0);
	close(fds[0]);
}

/* What follows after the reader is content may be an end of chunks, not another book. */
static void test_the_rest_of_an_answer_is_read_up_to_a_bound(void **state)
{
	static const struct {
		size_t rest;
		bool chunked, kept;
	} cases[] = { { 0, true, true },      { 4000, true, true },  { 16000, true, true },
		      { 40000, true, false }, { 4000, false, true }, { 40000, false, false } };
	struct harness *h = *state;
	static char text[50000];

	harness_start(h);
	call.pieces = call.close_early = true;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char head[200];
		size_t rest = cases[i].rest;
		int fd;

		memset(text, 'x', sizeof text);
		if (cases[i].chunked)
			snprintf(head, sizeof head,
				 OK_HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
		else
			snprintf(head, sizeof head, OK_HEAD "Content-Length: %zu\r\n\r\na",
				 rest + 1);
		call.send.fresh = true;
		harness_begin(h, run_call);
		fd = serve(head);
		harness_join(h);
		assert_string_equal("a", call.body);
		expect_counts("127.0.0.1", 1, 0, 1);
		if (cases[i].chunked && rest) {
			snprintf(head, sizeof head, "%zx\r\n", rest);
			say(fd, head);
		}
		for (size_t at = 0; at < rest; at += 4000) { /* it may be closed in the middle */
			send(fd, text + at, rest - at < 4000 ? rest - at : 4000, MSG_NOSIGNAL);
			usleep(2000);
		}
		if (cases[i].chunked)
			send(fd, rest ? "\r\n0\r\n\r\n" : "0\r\n\r\n", rest ? 7 : 5, MSG_NOSIGNAL);
		assert_int_equal(closes(fd, cases[i].kept ? 100 : 2000), !cases[i].kept);
		close(fd);
		for (int k = 0; k < 100 && http_client_connections(); k++)
			usleep(5000);
	}
}

/* ---- ways ---- */

static void run_to(struct harness *h, enum error_kind kind, const char *message)
{
	harness_begin(h, run_call);
	harness_join(h);
	assert_string_equal(message, call.message);
	assert_int_equal(kind, call.kind);
}

static void test_addresses_that_are_not_public_are_not_called(void **state)
{
	struct harness *h = *state;
	int fd;

	call.public_only = true;
	harness_start(h);
	run_to(h, ERR_IO, "127.0.0.1 is not a public address");
	snprintf(call.url, sizeof call.url, "http://localhost:%u/", up_port);
	run_to(h, ERR_IO, "localhost is not a public address");
	call.public_only = false; /* nor does the one origin's pool serve the other */
	harness_begin(h, run_call);
	fd = serve(ANSWER);
	harness_join(h);
	assert_string_equal("ok", call.body);
	call.public_only = true;
	run_to(h, ERR_IO, "localhost is not a public address");
	expect_counts("localhost", 1, 1, 0);
	expect_counts("files", 2, 1, 0); /* such hosts are the clients' choice, and no labels */
	close(fd);
}

static void test_a_proxy_is_asked_for_public_addresses_only(void **state)
{
	struct harness *h = *state;
	char proxy[64], *got;
	int fd;

	snprintf(proxy, sizeof proxy, "127.0.0.1:%u", up_port);
	h->client_options.http_proxy = h->client_options.https_proxy = proxy;
	call.public_only = true;
	harness_start(h);
	snprintf(call.url, sizeof call.url, "http://10.0.0.1/");
	run_to(h, ERR_IO, "10.0.0.1 is not a public address");
	snprintf(call.url, sizeof call.url, "https://localhost/");
	run_to(h, ERR_IO, "localhost is not a public address");
	snprintf(call.url, sizeof call.url, "https://no-such-name.invalid/");
	harness_begin(h, run_call);
	harness_join(h);
	assert_int_equal(call.kind, ERR_IO);
	assert_memory_equal(call.message, "cannot resolve no-such-name.invalid", 35);
	assert_int_equal(0, http_client_connections());
	snprintf(call.url, sizeof call.url, "http://93.184.216.34/");
	for (int i = 0; i < 2; i++) { /* looked at anew, on a connection of its own, each time */
		harness_begin(h, run_call);
		fd = serve(ANSWER);
		harness_join(h);
		assert_string_equal("ok", call.body);
		close(fd);
	}
	snprintf(call.url, sizeof call.url, "https://93.184.216.34/");
	harness_begin(h, run_call);
	fd = take();
	got = hear(fd, "\r\n\r\n", 3000);
	assert_string_equal(
		got, "CONNECT 93.184.216.34:443 HTTP/1.1\r\nhost: 93.184.216.34:443\r\n\r\n");
	free(got);
	close(fd);
	harness_join(h);
}

static void test_a_host_of_no_proxy_is_called_itself(void **state)
{
	struct harness *h = *state;
	char *got;
	int fd;

	h->client_options.http_proxy = "127.0.0.1:1";
	h->client_options.no_proxy = "example.com, 127.0.0.1";
	harness_start(h);
	harness_begin(h, run_call);
	fd = take();
	got = hear(fd, "{}", 3000);
	assert_memory_equal(got, "POST /v1/chat?a=b HTTP/1.1\r\n", 28);
	assert_null(strstr(got, "proxy"));
	free(got);
	say(fd, ANSWER);
	harness_join(h);
	assert_string_equal("ok", call.body);
	close(fd);
}

static void test_a_proxy_that_is_not_there_is_named(void **state)
{
	struct harness *h = *state;

	h->client_options.http_proxy = "http://user:secret@127.0.0.1:1";
	harness_start(h);
	snprintf(call.url, sizeof call.url, "http://api.example/");
	run_to(h, ERR_IO, "through the proxy: cannot connect to 127.0.0.1:1: Connection refused");
}

static void test_what_a_proxy_may_answer_to_connect(void **state)
{
	static const struct {
		const char *answer;
		enum error_kind kind;
		const char *message;
	} cases[] = {
		{ "", ERR_IO, "the proxy closed the connection" },
		{ "HTTP/1.1 2", ERR_IO, "the proxy closed the connection" },
		{ "HTTP/1.1 502 Bad\r\n\r\n", ERR_IO, "the proxy answered 502 Bad Gateway" },
		{ "HTTP/1.1 199 Odd\r\n\r\nHTTP/1.1 300 Odd\r\n\r\n", ERR_IO,
		  "the proxy answered 300 Multiple Choices" },
		{ "HTTP/1.1 200 OK\r\n\r\nhello", ERR_PROTOCOL,
		  "the proxy sent more than its answer" },
		{ "SSH-2.0\r\n", ERR_PROTOCOL, "Expected HTTP/" },
	};
	struct harness *h = *state;
	char proxy[64], *got;

	snprintf(proxy, sizeof proxy, "127.0.0.1:%u", up_port);
	h->client_options.https_proxy = proxy;
	harness_start(h);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int fd;

		snprintf(call.url, sizeof call.url,
			 i ? "https://api.example:8443/v1" : "https://[2001:db8::1]:444/");
		harness_begin(h, run_call);
		fd = take();
		got = hear(fd, "\r\n\r\n", 3000);
		assert_string_equal(
			got,
			i ? "CONNECT api.example:8443 HTTP/1.1\r\nhost: api.example:8443\r\n\r\n"
			  : "CONNECT [2001:db8::1]:444 HTTP/1.1\r\nhost: [2001:db8::1]:444\r\n\r\n");
		free(got);
		say(fd, cases[i].answer);
		shutdown(fd, SHUT_WR);
		harness_join(h);
		assert_string_equal(cases[i].message, call.message);
		assert_int_equal(cases[i].kind, call.kind);
		close(fd);
		assert_int_equal(0, http_client_connections());
	}
}

/* A listener that takes nobody: its queue is full, so a connection waits. */
static int full_listener(int fill[], int n)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	bind(fd, (struct sockaddr *)&a, sizeof a);
	listen(fd, 0);
	getsockname(fd, (struct sockaddr *)&a, &len);
	for (int i = 0; i < n; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fill[i], (struct sockaddr *)&a, sizeof a);
	}
	snprintf(call.url, sizeof call.url, "http://127.0.0.1:%u/", ntohs(a.sin_port));
	return fd;
}

static void test_whose_time_ran_out_while_connecting_is_told(void **state)
{
	struct harness *h = *state;
	int fill[8], fd = full_listener(fill, 8);
	char want[200];
	const char *at = call.url + sizeof "http://" - 1;

	h->client_options.connect_timeout_ms = 100;
	harness_start(h);
	snprintf(want, sizeof want, "cannot connect to %.*s: Connection timed out",
		 (int)strlen(at) - 1, at);
	run_to(h, ERR_IO, want);
	assert_in_range(call.ms, 90, 3000);
	call.send.head_deadline = clock_mono_ms() + 60;
	snprintf(want, sizeof want, "timed out while connecting to %.*s", (int)strlen(at) - 1, at);
	run_to(h, ERR_DEADLINE, want);
	assert_int_equal(0, http_client_connections());
	for (int i = 0; i < 8; i++)
		close(fill[i]);
	close(fd);
}

/* Nobody answers the handshake. */
static void test_the_handshake_is_part_of_connecting(void **state)
{
	struct harness *h = *state;
	char want[100];
	int fd;

	h->client_options.connect_timeout_ms = 100;
	snprintf(call.url, sizeof call.url, "https://127.0.0.1:%u/", up_port);
	snprintf(want, sizeof want, "no connection to 127.0.0.1:%u in time", up_port);
	harness_start(h);
	harness_begin(h, run_call);
	fd = take();
	harness_join(h);
	assert_string_equal(want, call.message);
	assert_int_equal(ERR_IO, call.kind);
	close(fd);
	call.send.head_deadline = clock_mono_ms() + 50;
	snprintf(want, sizeof want, "timed out while connecting to 127.0.0.1:%u", up_port);
	harness_begin(h, run_call);
	fd = take();
	harness_join(h);
	assert_string_equal(want, call.message);
	assert_int_equal(ERR_DEADLINE, call.kind);
	close(fd);
}

/* ---- what belongs to the connection ---- */

static void test_a_handshake_that_is_cut_or_not_tls_says_so(void **state)
{
	static const struct {
		const char *answer, *message;
	} cases[] = {
		{ "", "TLS: 127.0.0.1 closed the connection during the handshake" },
		{ "HTTP/1.1 400 Bad Request\r\n\r\n",
		  "TLS handshake with 127.0.0.1: wrong version number" },
	};
	struct harness *h = *state;

	snprintf(call.url, sizeof call.url, "https://127.0.0.1:%u/", up_port);
	harness_start(h);
	for (size_t i = 0; i < 2; i++) {
		char hello[4096];
		int fd;

		harness_begin(h, run_call);
		fd = take();
		assert_true(recv(fd, hello, sizeof hello, 0) > 0);
		say(fd, cases[i].answer);
		close(fd);
		harness_join(h);
		assert_string_equal(cases[i].message, call.message);
		assert_int_equal(ERR_IO, call.kind);
		assert_int_equal(0, http_client_connections());
	}
}

static void test_headers_of_the_connection_cannot_be_set(void **state)
{
	static const char *const names[] = { "Content-Length",
					     "transfer-encoding",
					     "CONNECTION",
					     "proxy-authorization",
					     "Keep-Alive",
					     "trailer",
					     "upgrade",
					     "expect",
					     "TE" };
	static const struct http_header line_ends[] = {
		{ B("x"), B("a\nb") },
		{ B("x"), B("a\rb") },
		{ B("x"), B("a\0b") },
		{ B("x\n"), B("a") },
	};
	struct harness *h = *state;
	struct http_header one;
	char want[200];

	call.send.headers = &one;
	call.send.nheaders = 1;
	harness_start(h);
	for (size_t i = 0; i < 9; i++) {
		one = (struct http_header){ bytes_of(names[i]), B("x") };
		harness_begin(h, run_call);
		close(take());
		harness_join(h);
		snprintf(want, sizeof want, "header %s belongs to the connection and cannot be set",
			 names[i]);
		assert_string_equal(want, call.message);
		assert_int_equal(ERR_CONFIG, call.kind);
	}
	for (size_t i = 0; i < 4; i++) {
		one = line_ends[i];
		harness_begin(h, run_call);
		close(take());
		harness_join(h);
		assert_int_equal(ERR_CONFIG, call.kind);
		assert_non_null(strstr(call.message, "has a line end in its value"));
	}
}

static void test_a_host_of_the_callers_stands_in_place_of_the_urls(void **state)
{
	static const struct http_header host = { B("Host"), B("inner.example") };
	static const struct {
		const char *method, *body, *want;
	} cases[] = {
		{ "POST", "",
		  "POST /v1/chat?a=b HTTP/1.1\r\nHost: inner.example\r\ncontent-length: 0\r\n\r\n" },
		{ "PUT", "",
		  "PUT /v1/chat?a=b HTTP/1.1\r\nHost: inner.example\r\ncontent-length: 0\r\n\r\n" },
		{ "PATCH", "",
		  "PATCH /v1/chat?a=b HTTP/1.1\r\nHost: inner.example\r\ncontent-length: 0\r\n\r\n" },
		{ "GET", "", "GET /v1/chat?a=b HTTP/1.1\r\nHost: inner.example\r\n\r\n" },
		{ "DELETE", "{}",
		  "DELETE /v1/chat?a=b HTTP/1.1\r\nHost: inner.example\r\ncontent-length: 2\r\n\r\n{}" },
	};
	struct harness *h = *state;
	int fd = -1;

	call.send.headers = &host;
	call.send.nheaders = 1;
	harness_start(h);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *got;

		call.send.method = bytes_of(cases[i].method);
		call.send.body = bytes_of(cases[i].body);
		harness_begin(h, run_call);
		if (fd < 0)
			fd = take();
		got = hear(fd, *cases[i].body ? "{}" : "\r\n\r\n", 3000);
		assert_string_equal(cases[i].want, got);
		free(got);
		say(fd, ANSWER);
		harness_join(h);
		assert_int_equal(i > 0, call.reused);
	}
	close(fd);
}

static void test_answers_that_are_cut_or_wrong_say_where(void **state)
{
	static const struct {
		const char *answer;
		enum error_kind kind;
		const char *message;
	} cases[] = {
		{ "", ERR_CLOSED, "the upstream closed the connection before it answered" },
		{ "HTTP/1.1 200", ERR_CLOSED,
		  "the upstream closed the connection in the head of its answer" },
		{ OK_HEAD "Content-Length: 5\r\n\r\nabc", ERR_CLOSED,
		  "the upstream closed the connection before the end of its answer" },
		{ "<html>", ERR_PROTOCOL, "the upstream does not speak HTTP: Expected HTTP/" },
		{ OK_HEAD "Content-Encoding: rot13, gzip\r\nContent-Length: 1\r\n\r\na",
		  ERR_PROTOCOL, "the answer's content-encoding rot13, gzip is not known" },
		{ OK_HEAD "Content-Encoding: br\r\nContent-Length: 3\r\n\r\n\x0b\x02\x80",
		  ERR_PROTOCOL, "the answer's br body ends too early" },
		{ OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nabcdeXX", ERR_PROTOCOL, NULL },
		{ OK_HEAD "Content-Encoding: rot13\r\nContent-Length: 0\r\n\r\n", ERR_NONE, "" },
	};
	struct harness *h = *state;

	harness_start(h);
	for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
		size_t k = i / 2;

		call.pieces = i % 2;
		call.message[0] = 0;
		harness_begin(h, run_call);
		close(serve(cases[k].answer));
		harness_join(h);
		if (cases[k].message)
			assert_string_equal(cases[k].message, call.message);
		assert_int_equal(cases[k].kind, call.kind);
		for (int j = 0; j < 100 && http_client_connections(); j++)
			usleep(5000);
		assert_int_equal(0, http_client_connections());
	}
}

static void test_the_readers_maximum_is_to_the_byte(void **state)
{
	static const char *const answers[] = {
		OK_HEAD "Content-Length: 5\r\n\r\nabcde",
		OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n",
		OK_HEAD "Connection: close\r\n\r\nabcde",
	};
	struct harness *h = *state;

	harness_start(h);
	for (size_t i = 0; i < 3; i++)
		for (size_t max = 4; max < 7; max++) {
			call.max = max;
			harness_begin(h, run_call);
			close(serve(answers[i]));
			harness_join(h);
			assert_int_equal(max < 5 ? ERR_TOO_LARGE : ERR_NONE, call.kind);
			assert_string_equal(max < 5 ? "" : "abcde", call.body);
			if (max < 5)
				assert_string_equal(
					"the body of the upstream's answer is over 4 bytes",
					call.message);
			usleep(5000);
		}
}

#ifdef SIGNET_FAULTS
/* Each of these fails once: the call says that memory is out, and the next one works. */
static void test_each_failure_inside_is_an_error_and_leaves_nothing(void **state)
{
	static const struct {
		const char *point;
		enum error_kind kind;
		const char *message;
	} cases[] = {
		{ "origin", ERR_OUT_OF_MEMORY, "out of memory" },
		{ "upconn", ERR_OUT_OF_MEMORY, "out of memory" },
		{ "poll", ERR_IO, "cannot watch a socket: not enough memory" },
		{ "io_buffer", ERR_OUT_OF_MEMORY, "out of memory" },
		{ "recv", ERR_CLOSED, "the upstream closed the connection before it answered" },
		{ "decoder", ERR_OUT_OF_MEMORY, "out of memory" },
	};
	struct harness *h = *state;
	int fd;

	harness_start(h);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		fault_setup(cases[i].point);
		harness_begin(h, run_call);
		if (i >= 3) {
			fd = serve(
				OK_HEAD
				"Content-Encoding: br\r\nContent-Length: 9\r\n\r\n\x0b\x02\x80hello\x03");
			harness_join(h);
			close(fd);
		} else {
			harness_join(h);
		}
		fault_setup(NULL);
		if (strcmp(cases[i].message, call.message))
			print_error("%s: %s\n", cases[i].point, call.message);
		assert_int_equal(cases[i].kind, call.kind);
		assert_string_equal(cases[i].message, call.message);
		usleep(10000);
		assert_int_equal(0, http_client_connections());
		if (i == 1) /* a connection that came of it waits in the listener */
			close(take());
		if (i == 2)
			close(take());
	}
	harness_begin(h, run_call);
	close(serve(ANSWER));
	harness_join(h);
	assert_string_equal("ok", call.body);
}

static void call_many_ports(struct harness *h)
{
	for (unsigned port = 1; port <= 1100; port++) {
		snprintf(call.url, sizeof call.url, "http://127.0.0.1:%u/", port);
		run_call(h);
	}
}

static void test_origins_without_connections_are_forgotten_when_there_are_many(void **state)
{
	struct harness *h = *state;
	int fd;

	harness_start(h);
	harness_begin(h, run_call);
	fd = serve(ANSWER);
	harness_join(h);
	fault_setup("connect:1+");
	harness_begin(h, call_many_ports);
	harness_join(h);
	fault_setup(NULL);
	assert_int_equal(ERR_IO, call.kind);
	expect_counts("127.0.0.1", 1100 - 1024 + 2, 1,
		      0); /* the one with a connection, and those since */
	snprintf(call.url, sizeof call.url, "http://127.0.0.1:%u/v1/chat?a=b", up_port);
	harness_begin(h, run_call);
	free(hear(fd, "{}", 3000));
	say(fd, ANSWER);
	harness_join(h);
	assert_true(call.reused);
	close(fd);
}
#endif

/* More buffers than are kept: the sanitizer sees those that are neither kept nor freed. */
static void test_buffers_over_those_that_are_kept_are_freed(void **state)
{
	char *all[80];

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < COUNT(all); i++) {
			all[i] = io_buffer_take();
			assert_non_null(all[i]);
			memset(all[i], round, IO_BUFFER); /* nobody else's */
		}
		for (size_t i = 0; i < COUNT(all); i++)
			assert_int_equal(all[i][IO_BUFFER - 1], round);
		for (size_t i = 0; i < COUNT(all); i++) {
			io_buffer_give(all[i]);
			all[i] = NULL;
		}
		io_buffer_give(NULL);
	}
	io_buffers_free();
}

/* ---- settings ---- */

static struct http_client_options bad_options;
static char refused[300];

static void make_client(struct harness *h)
{
	struct http_client *c = http_client_new(&bad_options);

	(void)h;
	refused[0] = 0;
	if (c)
		http_client_free(c);
	else
		snprintf(refused, sizeof refused, "%.*s", BFMT(error_last()->message));
}

static void test_settings_that_cannot_be_used_say_which(void **state)
{
	struct harness *h = *state;

	harness_start(h);
	bad_options = (struct http_client_options){ .https_proxy = "socks5://x" };
	harness_begin(h, make_client);
	harness_join(h);
	assert_string_equal(
		refused,
		"HTTPS_PROXY: the proxy's URL must begin with http:// (other kinds of proxy are not supported)");
	bad_options = (struct http_client_options){ .http_proxy = "http://a:secret@x:0" };
	harness_begin(h, make_client);
	harness_join(h);
	assert_memory_equal(refused, "HTTP_PROXY: the proxy's URL: ", 29);
	assert_null(strstr(refused, "secret"));
	bad_options = (struct http_client_options){ .ca_file = "/nonexistent/ca.pem" };
	harness_begin(h, make_client);
	harness_join(h);
	assert_string_equal(
		refused,
		"cannot read the certificates of /nonexistent/ca.pem: No such file or directory");
	bad_options = (struct http_client_options){ .no_proxy = "x" };
	harness_begin(h, make_client);
	harness_join(h);
	assert_string_equal(refused, "");
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_no_more_than_max_idle_are_kept),
		T(test_none_is_kept_where_none_may_be),
		T(test_the_newest_idle_connection_is_used_first),
		T(test_idle_connections_go_one_after_another),
		T(test_what_speaks_while_idle_is_dropped),
		T(test_the_rest_of_an_answer_is_read_up_to_a_bound),
		T(test_addresses_that_are_not_public_are_not_called),
		T(test_a_proxy_is_asked_for_public_addresses_only),
		T(test_a_host_of_no_proxy_is_called_itself),
		T(test_a_proxy_that_is_not_there_is_named),
		T(test_what_a_proxy_may_answer_to_connect),
		T(test_whose_time_ran_out_while_connecting_is_told),
		T(test_the_handshake_is_part_of_connecting),
		T(test_a_handshake_that_is_cut_or_not_tls_says_so),
		T(test_headers_of_the_connection_cannot_be_set),
		T(test_a_host_of_the_callers_stands_in_place_of_the_urls),
		T(test_answers_that_are_cut_or_wrong_say_where),
		T(test_the_readers_maximum_is_to_the_byte),
#ifdef SIGNET_FAULTS
		T(test_each_failure_inside_is_an_error_and_leaves_nothing),
		T(test_origins_without_connections_are_forgotten_when_there_are_many),
#endif
		cmocka_unit_test(test_buffers_over_those_that_are_kept_are_freed),
		T(test_settings_that_cannot_be_used_say_which),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
