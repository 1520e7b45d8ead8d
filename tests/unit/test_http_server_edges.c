/* The server at its edges: what handlers may and may not do, what is counted, each failure inside, its own end. */
#include "net_harness.h"

#include "base/fault.h"

/* Written on the loop's thread, read on the test's. */
static pthread_mutex_t notes_lock = PTHREAD_MUTEX_INITIALIZER;
static char notes_kept[4096];
static _Atomic int handled, finished;
static struct {
	int status;
	uint64_t bytes;
	bool gone;
	const char *route;
	bool timed;
} last;
static _Atomic int done_count;

static void note(const char *what, int r)
{
	size_t at;

	pthread_mutex_lock(&notes_lock);
	at = strlen(notes_kept);
	snprintf(notes_kept + at, sizeof notes_kept - at, "%s %d %d\n", what, r,
		 r ? (int)error_last()->kind : 0);
	pthread_mutex_unlock(&notes_lock);
	error_clear();
}

static void forget_notes(void)
{
	pthread_mutex_lock(&notes_lock);
	notes_kept[0] = 0;
	pthread_mutex_unlock(&notes_lock);
}

/* What was noted since; until the next call. */
static const char *notes(void)
{
	static char copy[sizeof notes_kept];

	pthread_mutex_lock(&notes_lock);
	memcpy(copy, notes_kept, sizeof copy);
	pthread_mutex_unlock(&notes_lock);
	return copy;
}

static void say_all(struct exchange *ex)
{
	struct buf out;

	buf_init(&out, 1 << 16);
	if (buf_printf(&out, "%.*s|%.*s|%.*s|%s%.*s|%zu|%d", BFMT(ex->method), BFMT(ex->target),
		       BFMT(ex->path), bytes_set(ex->query) ? "?" : "-", BFMT(ex->query),
		       ex->nheaders, ex->head))
		exchange_respond(ex, 503, (struct bytes){ 0 }, B(""));
	else
		exchange_respond(ex, 200, B("text/plain"), buf_bytes(&out));
	buf_deinit(&out);
}

static void headers(struct exchange *ex)
{
	static char longest[16385];
	struct bytes value = { longest, 16384 - 1 };

	memset(longest, 'v', sizeof longest);
	note("plain", exchange_header(ex, B("x-a"), B("b\tc")));
	note("empty", exchange_header(ex, B("x-b"), (struct bytes){ NULL, 0 }));
	note("cr", exchange_header(ex, B("x-c"), B("a\rb")));
	note("lf", exchange_header(ex, B("x-c"), B("a\nb")));
	note("nul", exchange_header(ex, B("x-c"), B("a\0b")));
	note("unit", exchange_header(ex, B("x-c"), B("a\x1f")));
	note("del", exchange_header(ex, B("x-c"), B("a\x7f")));
	note("long", exchange_header(ex, B("x"), value));
	value.n++;
	note("longer", exchange_header(ex, B("x"), value));
	exchange_respond(ex, 200, (struct bytes){ 0 }, B(""));
}

static void streams(struct exchange *ex)
{
	static char large[100000];
	struct buf *b;

	memset(large, 'l', sizeof large);
	if (bytes_eq(ex->path, B("/stream/none"))) {
		exchange_stream_begin(ex, 200, B("text/plain"));
		exchange_stream_end(ex);
		note("write", exchange_stream_write(ex, B("late")));
		note("flush", exchange_stream_flush(ex));
		note("end", exchange_stream_end(ex));
	} else if (bytes_eq(ex->path, B("/stream/204"))) {
		exchange_stream_begin(ex, 204, (struct bytes){ 0 });
		exchange_stream_write(ex, B("nobody reads this"));
		exchange_stream_end(ex);
	} else if (bytes_eq(ex->path, B("/stream/large"))) {
		exchange_stream_begin(ex, 200, B("text/plain"));
		for (int i = 0; i < 3; i++) {
			exchange_stream_write(ex, B("a"));
			exchange_stream_write(ex, (struct bytes){ large, sizeof large });
			exchange_stream_flush(ex);
			exchange_stream_flush(ex); /* nothing is buffered: nothing is sent */
			exchange_stream_write(ex, B("b"));
			exchange_stream_flush(ex);
		}
		exchange_stream_end(ex);
	} else if (bytes_eq(ex->path, B("/stream/tried"))) {
		exchange_stream_begin(ex, 200, B("text/plain"));
		for (int i = 0; i < 60;
		     i++) { /* more than the socket takes at once, and nobody waits */
			exchange_stream_write(ex, (struct bytes){ large, sizeof large });
			exchange_stream_try_flush(ex);
		}
		exchange_stream_end(ex);
	} else if (bytes_eq(ex->path, B("/stream/buf"))) {
		if (exchange_stream_begin(ex, 200, B("text/plain")))
			return;
		b = exchange_stream_buf(ex);
		if (buf_append(b, B("one")) || buf_append(exchange_stream_buf(ex), B("two")))
			return exchange_abort(ex);
		exchange_stream_try_flush(ex);
		exchange_stream_try_flush(ex);
		fiber_sleep(1);
		if (buf_append(exchange_stream_buf(ex), B("three")))
			return exchange_abort(ex);
		exchange_stream_end(ex);
	} else {
		note("write", exchange_stream_write(ex, B("x")));
		note("flush", exchange_stream_flush(ex));
		note("end", exchange_stream_end(ex));
		exchange_stream_try_flush(ex);
		exchange_respond(ex, 200, B("text/plain"), B("first"));
		note("respond", exchange_respond(ex, 500, B("text/plain"), B("second")));
		note("begin", exchange_stream_begin(ex, 500, B("text/plain")));
	}
}

static void echo(struct exchange *ex)
{
	struct bytes body = B(""), again;
	int r = exchange_body(ex, &body);

	note("body", r);
	note("again", exchange_body(ex, &again));
	exchange_respond(ex, r ? 400 : 200, B("text/plain"), r ? B("no") : body);
}

static void answers(struct exchange *ex)
{
	exchange_respond(ex, bytes_eq(ex->path, B("/answer/204")) ? 204 : 304, B("text/plain"),
			 B("never sent"));
}

static void waits(struct exchange *ex)
{
	handled++;
	if (fiber_sleep(20000)) {
		fiber_cancel_reset();
		note("respond", exchange_respond(ex, 503, (struct bytes){ 0 }, B("bye")));
	}
	finished++;
}

static void handler(struct exchange *ex)
{
	ex->route = "/route";
	if (bytes_eq(ex->path, B("/headers")))
		headers(ex);
	else if (bytes_starts(ex->path, B("/stream/")))
		streams(ex);
	else if (bytes_eq(ex->path, B("/echo")))
		echo(ex);
	else if (bytes_starts(ex->path, B("/answer/")))
		answers(ex);
	else if (bytes_eq(ex->path, B("/wait")))
		waits(ex);
	else
		say_all(ex);
}

static void done(struct exchange *ex)
{
	last.status = ex->status;
	last.bytes = ex->bytes_sent;
	last.gone = ex->client_gone;
	last.route = ex->route;
	last.timed = clock_mono_ns() - ex->started_ns < 60000000000u;
	done_count++;
}

static void malformed(struct exchange *ex, int status, const char *reason, struct buf *body)
{
	(void)ex;
	buf_printf(body, "%d %s", status, reason);
}

static int start(void **state)
{
	struct harness *h = malloc(sizeof *h);

	harness_init(h, handler);
	h->options.malformed = malformed;
	h->options.done = done;
	forget_notes();
	handled = finished = done_count = 0;
	memset(&last, 0, sizeof last);
	*state = h;
	return 0;
}

static int stop(void **state)
{
	fault_setup(NULL);
	harness_stop(*state);
	free(*state);
	return 0;
}

static int up(struct harness *h)
{
	harness_start(h);
	return dial(h->port);
}

static void wait_for(_Atomic int *what, int value)
{
	for (int i = 0; i < 500 && *what != value; i++)
		usleep(10000);
	assert_int_equal(value, *what);
}

/* One exchange on a connection of its own: the answer without its date. */
static char *ask(struct harness *h, const char *request)
{
	int fd = dial(h->port);
	char *got;

	say(fd, request);
	got = hear(fd, NULL, 5000);
	close(fd);
	return got;
}

#define CLOSE "Connection: close\r\n\r\n"

static void test_method_target_path_and_query(void **state)
{
	static const struct {
		const char *line, *want;
	} cases[] = {
		{ "GET /a/b?c=d&e HTTP/1.1", "GET|/a/b?c=d&e|/a/b|?c=d&e|2|0" },
		{ "GET /a? HTTP/1.1", "GET|/a?|/a|?|2|0" },
		{ "GET /a#b HTTP/1.1", "GET|/a#b|/a|-|2|0" },
		{ "PUT /a?b#c?d HTTP/1.1", "PUT|/a?b#c?d|/a|?b|2|0" },
		{ "GET http://h HTTP/1.1", "GET|http://h|/|-|2|0" },
		{ "GET HTTP://h:80/x?y HTTP/1.1", "GET|HTTP://h:80/x?y|/x|?y|2|0" },
		{ "GET http://h?x=/y HTTP/1.1", "GET|http://h?x=/y|/|?x=/y|2|0" },
		{ "GET https://h/x HTTP/1.1", "GET|https://h/x|/x|-|2|0" },
		{ "GET https:///x HTTP/1.1", "GET|https:///x|/x|-|2|0" },
		{ "GET http:///x HTTP/1.1", "GET|http:///x|/x|-|2|0" },
		{ "GET http://h/#x?y HTTP/1.1", "GET|http://h/#x?y|/|-|2|0" },
		{ "OPTIONS * HTTP/1.1", "OPTIONS|*|*|-|2|0" },
		{ "GET /%2F%20?%41 HTTP/1.1", "GET|/%2F%20?%41|/%2F%20|?%41|2|0" },
	};
	struct harness *h = *state;

	harness_start(h);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[256], *got, *body;

		snprintf(text, sizeof text, "%s\r\nHost: x\r\n" CLOSE, cases[i].line);
		got = ask(h, text);
		body = strstr(got, "\r\n\r\n");
		assert_non_null(body);
		assert_string_equal(cases[i].want, body + 4);
		free(got);
	}
}

static void test_headers_of_an_answer_cannot_write_others(void **state)
{
	char *got = NULL;
	struct harness *h = *state;

	harness_start(h);
	got = ask(h, "GET /headers HTTP/1.1\r\nHost: x\r\n" CLOSE);
	assert_string_equal(notes(), "plain 0 0\nempty 0 0\ncr -1 1\nlf -1 1\nnul -1 1\nunit -1 1\n"
				     "del -1 1\nlong 0 0\nlonger -1 3\n");
	assert_non_null(strstr(got, "\r\nx-a: b\tc\r\nx-b: \r\nx: vvv"));
	assert_null(strstr(got, "x-c"));
	free(got);
}

static void test_there_is_one_answer_and_one_reading_of_the_body(void **state)
{
	struct harness *h = *state;
	char *got;

	harness_start(h);
	got = undated(ask(h, "GET /stream/unbegun HTTP/1.1\r\nHost: x\r\n" CLOSE));
	assert_string_equal(got,
			    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n"
			    "connection: close\r\n\r\nfirst");
	assert_string_equal(notes(),
			    "write -1 1\nflush -1 1\nend -1 1\nrespond -1 1\nbegin -1 1\n");
	free(got);
	forget_notes();
	free(ask(h, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n" CLOSE "ab"));
	assert_string_equal(notes(), "body 0 0\nagain -1 1\n");
}

static void test_statuses_without_a_body_send_none(void **state)
{
	struct harness *h = *state;
	int fd = up(h);

	say(fd,
	    "GET /answer/204 HTTP/1.1\r\nHost: x\r\n\r\nGET /answer/304 HTTP/1.1\r\nHost: x\r\n\r\n"
	    "GET /stream/204 HTTP/1.1\r\nHost: x\r\n" CLOSE);
	expect_text(fd, NULL,
		    "HTTP/1.1 204 No Content\r\ncontent-type: text/plain\r\n\r\n"
		    "HTTP/1.1 304 Not Modified\r\ncontent-type: text/plain\r\n\r\n"
		    "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
	close(fd);
}

static void test_streams_of_nothing_of_much_and_from_the_buffer_itself(void **state)
{
	struct harness *h = *state;
	int fd = up(h);
	char *got, *at;

	say(fd, "GET /stream/none HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_text(
		fd, "0\r\n\r\n",
		"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
		"0\r\n\r\n");
	for (int i = 0; i < 100 && !strstr(notes(), "end"); i++)
		usleep(1000);
	assert_string_equal(notes(), "write -1 1\nflush -1 1\nend -1 1\n");
	say(fd, "GET /stream/buf HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_text(
		fd, "0\r\n\r\n",
		"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
		"6\r\nonetwo\r\n5\r\nthree\r\n0\r\n\r\n");
	say(fd, "GET /stream/large HTTP/1.1\r\nHost: x\r\n\r\n");
	got = hear(fd, "\r\n0\r\n\r\n", 5000);
	at = strstr(got, "\r\n\r\n") + 4;
	for (int i = 0; i < 3; i++) {
		assert_memory_equal(at, "186a1\r\nalllll", 13);
		at += 7 + 100001;
		assert_memory_equal(at, "\r\n1\r\nb\r\n", 8);
		at += 8;
	}
	assert_string_equal(at, "0\r\n\r\n");
	free(got);
	close(fd);
	for (int i = 0; i < 200 && done_count < 3; i++)
		usleep(1000);
}

static void test_what_a_full_socket_did_not_take_comes_later(void **state)
{
	struct harness *h = *state;
	int fd = up(h), rcv = 32768;
	char *got, *at;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcv, sizeof rcv);
	say(fd, "GET /stream/tried HTTP/1.1\r\nHost: x\r\n" CLOSE);
	usleep(50000);
	got = hear(fd, NULL, 5000);
	at = strstr(got, "\r\n\r\n") + 4;
	for (int i = 0; i < 60; i++) {
		assert_memory_equal(at, "186a0\r\nlllll", 12);
		at += 7 + 100000;
		assert_memory_equal(at, "\r\n", 2);
		at += 2;
	}
	assert_string_equal(at, "0\r\n\r\n");
	wait_for(&done_count, 1);
	assert_int_equal(last.bytes, strlen(got));
	free(got);
	close(fd);
}

static void test_what_was_sent_is_counted(void **state)
{
	static const struct {
		const char *request;
		int status;
		bool routed;
	} cases[] = {
		{ "GET /x HTTP/1.1\r\nHost: x\r\n" CLOSE, 200, true },
		{ "HEAD /x HTTP/1.1\r\nHost: x\r\n" CLOSE, 200, true },
		{ "GET /stream/buf HTTP/1.1\r\nHost: x\r\n" CLOSE, 200, true },
		{ "GET /stream/large HTTP/1.0\r\n\r\n", 200, true },
		{ "HEAD /stream/buf HTTP/1.1\r\nHost: x\r\n" CLOSE, 200, true },
		{ "GET /answer/204 HTTP/1.1\r\nHost: x\r\n" CLOSE, 204, true },
		{ "nonsense\r\n\r\n", 400, false },
		{ "HEAD / HTTP/1.1\r\n\r\n", 400, false },
	};
	struct harness *h = *state;
	static char got[1 << 20];

	harness_start(h);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int fd = dial(h->port);
		size_t n = 0;
		ssize_t r;

		say(fd, cases[i].request);
		while ((r = recv(fd, got + n, sizeof got - n, 0)) > 0)
			n += (size_t)r;
		close(fd);
		wait_for(&done_count, (int)i + 1);
		if (last.bytes != n)
			print_error("%s: %llu of %zu\n", cases[i].request,
				    (unsigned long long)last.bytes, n);
		assert_int_equal(n, last.bytes);
		assert_int_equal(cases[i].status, last.status);
		assert_false(last.gone);
		assert_int_equal(cases[i].routed, last.route != NULL);
		assert_true(last.timed);
	}
}

static void test_a_client_that_leaves_is_told_to_who_counts(void **state)
{
	struct harness *h = *state;
	int fd = up(h);

	say(fd, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
	wait_for(&handled, 1);
	assert_int_equal(0, done_count);
	close(fd);
	wait_for(&done_count, 1);
	assert_true(last.gone);
	assert_string_equal(notes(), "respond -1 7\n");
}

static void test_bodies_that_are_refused(void **state)
{
	static const struct {
		const char *head, *body, *notes;
	} cases[] = {
		{ "Content-Length: 1000\r\n", "", NULL },
		{ "Content-Length: 1001\r\n", "", NULL },
		{ "Content-Length: 3\r\nContent-Encoding: deflate\r\n", "abc", NULL },
		{ "Content-Length: 3\r\nContent-Encoding: gzip, br\r\n", "abc", NULL },
		{ "Content-Length: 3\r\nContent-Encoding: br\r\n", "\x0b\x02\x80", NULL },
		{ "Content-Length: 3\r\nContent-Encoding: identity\r\n", "abc", NULL },
	};
	static const int kinds[] = { 0,
				     ERR_BODY_TOO_LARGE,
				     ERR_UNSUPPORTED_ENCODING,
				     ERR_UNSUPPORTED_ENCODING,
				     ERR_PROTOCOL,
				     0 };
	struct harness *h = *state;
	static char thousand[1001];

	memset(thousand, 'x', 1000);
	h->options.max_body = 1000;
	harness_start(h);
	for (size_t i = 0; i < 6; i++) {
		char want[64], *got;
		int fd = dial(h->port);

		forget_notes();
		say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\n");
		say(fd, cases[i].head);
		say(fd, CLOSE);
		say(fd, i ? cases[i].body : thousand);
		got = hear(fd, NULL, 5000);
		snprintf(want, sizeof want, "body %d %d\nagain -1 1\n", kinds[i] ? -1 : 0,
			 kinds[i]);
		assert_string_equal(want, notes());
		assert_memory_equal(got, kinds[i] ? "HTTP/1.1 400" : "HTTP/1.1 200", 12);
		free(got);
		close(fd);
	}
}

static void test_expectations_are_met_only_where_something_is_to_come(void **state)
{
	static const char ok[] =
		"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n";
	struct harness *h = *state;
	char want[200];
	int fd = up(h);

	snprintf(want, sizeof want, "%s\r\nab", ok);
	say(fd,
	    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab");
	expect_text(fd, "ab", want);
	say(fd,
	    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\na");
	usleep(20000);
	say(fd, "b"); /* it has begun to send: it does not wait */
	expect_text(fd, "ab", want);
	close(fd);
	fd = dial(h->port);
	say(fd, "POST /echo HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	usleep(20000);
	say(fd, "ab");
	snprintf(want, sizeof want, "%sconnection: close\r\n\r\nab", ok);
	expect_text(fd, NULL, want);
	close(fd);
}

static void test_a_refusal_says_why_and_waits_for_the_client_to_stop(void **state)
{
	struct harness *h = *state;
	static char block[65536];
	int fd = up(h);

	say(fd, "GET /a b HTTP/1.1\r\n\r\n");
	for (int i = 0; i < 20; i++)
		say_n(fd, block, sizeof block);
	expect_text(fd, NULL,
		    "HTTP/1.1 400 Bad Request\r\ncontent-length: 18\r\nconnection: close\r\n\r\n"
		    "400 Expected HTTP/");
	assert_int_equal(1, http_server_connections());
	close(fd);
	for (int i = 0; i < 500 && http_server_connections(); i++)
		usleep(10000);
	assert_int_equal(0, http_server_connections());
	fd = dial(h->port); /* one that neither reads nor leaves has two seconds */
	say(fd, "GET / HTTP/1.1\r\n\r\n");
	expect_text(fd, NULL,
		    "HTTP/1.1 400 Bad Request\r\ncontent-length: 18\r\nconnection: close\r\n\r\n"
		    "400 no host header");
	for (int i = 0; i < 500 && http_server_connections(); i++)
		usleep(10000);
	assert_int_equal(0, http_server_connections());
	close(fd);
}

/* Nor is one read for ever that does not stop sending. */
static void test_a_refused_client_is_read_up_to_a_bound(void **state)
{
	struct harness *h = *state;
	static char block[1 << 20];
	int fd = up(h);
	size_t sent = 0;
	ssize_t n;

	say(fd, "GET /a b HTTP/1.1\r\n\r\n");
	while (sent < (600u << 20) && (n = send(fd, block, sizeof block, MSG_NOSIGNAL)) > 0)
		sent += (size_t)n;
	assert_in_range(sent, 1, 400u << 20);
	close(fd);
}

static void test_without_words_for_it_a_refusal_is_empty(void **state)
{
	struct harness *h = *state;
	char *got;

	h->options.malformed = NULL;
	h->options.done = NULL;
	harness_start(h);
	got = undated(ask(h, "GET / HTTP/1.1\r\n\r\n"));
	assert_string_equal(got, "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n"
				 "connection: close\r\n\r\n");
	free(got);
}

/* ---- connections ---- */

static void test_who_leaves_makes_room_under_the_bound(void **state)
{
	struct harness *h = *state;
	int fds[32], n = 0;
	char *got;

	h->options.max_connections = 20;
	harness_start(h);
	for (; n < 20; n++)
		fds[n] = dial(h->port);
	for (int i = 0; i < 500 && http_server_connections() < 20; i++)
		usleep(1000);
	assert_int_equal(20, http_server_connections());
	got = ask(h, "");
	assert_memory_equal(got, "HTTP/1.1 503 Service Unavailable\r\n", 34);
	free(got);
	close(fds[--n]);
	for (int i = 0; i < 500 && http_server_connections() > 19; i++)
		usleep(1000);
	fds[n] = dial(h->port);
	say(fds[n++], "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	got = hear(fds[n - 1], "|0", 3000);
	assert_memory_equal(got, "HTTP/1.1 200 OK\r\n", 17);
	free(got);
	while (n)
		close(fds[--n]);
}

static size_t running;

static void count_running(struct harness *h)
{
	running = http_server_running(h->server);
}

static void drain_it(struct harness *h)
{
	http_server_drain(h->server);
	running = http_server_running(h->server);
}

static void cancel_it(struct harness *h)
{
	http_server_cancel_all(h->server);
}

static void on_loop(struct harness *h, void (*fn)(struct harness *))
{
	harness_begin(h, fn);
	harness_join(h);
}

static void test_a_drain_waits_for_what_runs_and_a_cancel_for_nobody(void **state)
{
	struct harness *h = *state;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int idle = up(h), head = dial(h->port), busy = dial(h->port), late;

	say(head, "GET / HTTP/1.1\r\nHo");
	say(busy, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
	wait_for(&handled, 1);
	for (int i = 0; i < 500 && running < 2; i++)
		on_loop(h, count_running);
	assert_int_equal(2, running);
	on_loop(h, drain_it);
	assert_int_equal(2, running);
	assert_true(closes(idle, 2000));
	assert_false(closes(head, 20));
	late = socket(AF_INET, SOCK_STREAM, 0);
	a.sin_port = htons(h->port);
	assert_int_equal(-1, connect(late, (struct sockaddr *)&a, sizeof a));
	on_loop(h, cancel_it);
	assert_true(closes(head, 2000));
	expect_text(
		busy, NULL,
		"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbye");
	wait_for(&finished, 1);
	wait_for(&done_count, 1);
	assert_false(last.gone);
	close(idle);
	close(head);
	close(busy);
	close(late);
}

static void test_an_address_that_is_not_ours_is_named(void **state)
{
	struct sockaddr_in other = { .sin_family = AF_INET, .sin_port = htons(81) };
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	uint16_t port;

	(void)state;
	inet_pton(AF_INET, "192.0.2.1", &other.sin_addr);
	assert_int_equal(-1, http_bind_test((struct sockaddr *)&other, sizeof other));
	assert_int_equal(ERR_IO, error_last()->kind);
	assert_true(
		bytes_eq(error_last()->message,
			 B("Failed to bind to `192.0.2.1:81`: Cannot assign requested address")));
	error_clear();
	assert_int_equal(0, http_bind_test((struct sockaddr *)&any, sizeof any));
	port = ntohs(any.sin_port);
	assert_true(port > 0);
	any.sin_port = 0;
	assert_int_equal(0, http_bind_test((struct sockaddr *)&any, sizeof any));
	assert_true(ntohs(any.sin_port) != port); /* the first is held */
	if (http_bind_test((struct sockaddr *)&six, sizeof six) == 0)
		assert_true(six.sin6_port != 0);
	error_clear();
}

/* ---- failures inside ---- */

#ifdef SIGNET_FAULTS
static void test_each_failure_inside_costs_one_connection_at_most(void **state)
{
	static const struct {
		const char *point, *request, *want; /* how the answer begins */
	} cases[] = {
		{ "conn", "GET / HTTP/1.1\r\nHost: x\r\n" CLOSE, "" },
		{ "poll", "GET / HTTP/1.1\r\nHost: x\r\n" CLOSE, "" },
		{ "request", "GET / HTTP/1.1\r\nHost: x\r\n" CLOSE, "" },
		{ "io_buffer", "GET / HTTP/1.1\r\nHost: x\r\n" CLOSE, "" },
		{ "recv", "GET / HTTP/1.1\r\nHost: x\r\n" CLOSE, "" },
		{ "send", "GET / HTTP/1.1\r\nHost: x\r\n" CLOSE, "" },
		{ "accept", "GET / HTTP/1.1\r\nHost: x\r\n" CLOSE, "HTTP/1.1 200" },
		{ "stack", "GET / HTTP/1.1\r\nHost: x\r\n" CLOSE, NULL },
		{ "decoder",
		  "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Encoding: br\r\nContent-Length: 1\r\n" CLOSE
		  "a",
		  "HTTP/1.1 400" },
		{ "body", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n" CLOSE "abc",
		  "HTTP/1.1 400" },
	};
	struct harness *h = *state;

	harness_start(h);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int fd;
		char *got;

		forget_notes();
		fault_setup(cases[i].point);
		fd = dial(h->port);
		send(fd, cases[i].request, strlen(cases[i].request), MSG_NOSIGNAL);
		got = hear(fd, NULL, 5000);
		fault_setup(NULL);
		if (cases[i].want && strncmp(got, cases[i].want, *cases[i].want ? 12 : 1))
			fail_msg("%s: %s", cases[i].point, got);
		if (i >= 8)
			assert_memory_equal(notes(), "body -1 2\n", 10);
		free(got);
		close(fd);
		for (int k = 0; k < 500 && http_server_connections(); k++)
			usleep(10000);
		assert_int_equal(0, http_server_connections());
		got = ask(h, "GET / HTTP/1.1\r\nHost: x\r\n" CLOSE);
		assert_memory_equal(got, "HTTP/1.1 200", 12);
		free(got);
	}
}

static void fail_msg_of(const char *spec, const char *got)
{
	print_error("%s: %s\n", spec, got);
	assert_true(false);
}

/* Each allocation of a request fails once: whole, refused with 503, or the connection ends; never half an answer. */
static void test_each_failing_allocation_of_a_request(void **state)
{
	static const char *const requests[] = {
		"GET /x?y HTTP/1.1\r\nHost: x\r\nA: b\r\nC: d\r\nE: f\r\n" CLOSE,
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n" CLOSE "abc",
		"GET /stream/buf HTTP/1.1\r\nHost: x\r\n" CLOSE,
	};
	struct harness *h = *state;

	harness_start(h);
	for (size_t i = 0; i < 3; i++) {
		char *whole = undated(ask(h, requests[i]));

		for (int n = 1, clean = 0; clean < 3 && n < 60; n++) {
			char spec[32], *got;

			snprintf(spec, sizeof spec, "alloc:%d", n);
			fault_setup(spec);
			got = undated(ask(h, requests[i]));
			fault_setup(NULL);
			clean = strcmp(got, whole) ? 0 : clean + 1;
			if (clean == 0 && *got && strncmp(got, "HTTP/1.1 5", 10) &&
			    strncmp(got, "HTTP/1.1 400", 12) &&
			    (i != 2 || strstr(got, "\r\n0\r\n\r\n")))
				fail_msg_of(spec, got);
			free(got);
		}
		free(whole);
	}
}
#endif

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_method_target_path_and_query),
		T(test_headers_of_an_answer_cannot_write_others),
		T(test_there_is_one_answer_and_one_reading_of_the_body),
		T(test_statuses_without_a_body_send_none),
		T(test_streams_of_nothing_of_much_and_from_the_buffer_itself),
		T(test_what_a_full_socket_did_not_take_comes_later),
		T(test_what_was_sent_is_counted),
		T(test_a_client_that_leaves_is_told_to_who_counts),
		T(test_bodies_that_are_refused),
		T(test_expectations_are_met_only_where_something_is_to_come),
		T(test_a_refusal_says_why_and_waits_for_the_client_to_stop),
		T(test_a_refused_client_is_read_up_to_a_bound),
		T(test_without_words_for_it_a_refusal_is_empty),
		T(test_who_leaves_makes_room_under_the_bound),
		T(test_a_drain_waits_for_what_runs_and_a_cancel_for_nobody),
		cmocka_unit_test(test_an_address_that_is_not_ours_is_named),
#ifdef SIGNET_FAULTS
		T(test_each_failure_inside_costs_one_connection_at_most),
		T(test_each_failing_allocation_of_a_request),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
