/* The server over loopback: exchanges, limits, slow and hostile clients. */
#include <sys/resource.h>
#include <time.h>

#include "net_harness.h"

static _Atomic int cancelled, finished, began;
static _Atomic int body_error;

/* Routes by path: echo answers with the body, stream with three chunks. */
static void handler(struct exchange *ex)
{
	struct bytes body;

	if (bytes_eq(ex->path, B("/echo"))) {
		if (exchange_body(ex, &body)) {
			body_error = error_last()->kind;
			exchange_respond(ex, error_kind_status(error_last()->kind), B("text/plain"),
					 B("no"));
			return;
		}
		exchange_respond(ex, 200, B("text/plain"), body);
	} else if (bytes_eq(ex->path, B("/size"))) {
		char text[32];

		if (exchange_body(ex, &body)) {
			body_error = error_last()->kind;
			exchange_respond(ex, error_kind_status(error_last()->kind), B("text/plain"),
					 B("no"));
			return;
		}
		snprintf(text, sizeof text, "%zu", body.n);
		exchange_respond(ex, 200, B("text/plain"), bytes_of(text));
	} else if (bytes_eq(ex->path, B("/stream"))) {
		exchange_header(ex, B("x-test"), B("1"));
		exchange_stream_begin(ex, 200, B("text/event-stream"));
		exchange_stream_write(ex, B("one"));
		exchange_stream_flush(ex);
		exchange_stream_write(ex, B("two"));
		exchange_stream_write(ex, B("three"));
		exchange_stream_flush(ex);
		exchange_stream_write(ex, B("four"));
		exchange_stream_end(ex);
	} else if (bytes_eq(ex->path, B("/wait"))) {
		began++;
		if (fiber_sleep(5000) && error_last()->kind == ERR_CANCELLED) {
			cancelled++;
			fiber_cancel_reset();
			if (!ex->client_gone)
				exchange_respond(ex, 503, B("text/plain"), B("draining"));
		}
		finished++;
	} else if (bytes_eq(ex->path, B("/nap"))) {
		began++;
		if (fiber_sleep(300) == 0)
			exchange_respond(ex, 200, B("text/plain"), B("rested"));
		finished++;
	} else if (bytes_eq(ex->path, B("/slow-stream"))) {
		ex->idle = B(":\n\n");
		exchange_stream_begin(ex, 200, B("text/event-stream"));
		exchange_stream_write(ex, B("one"));
		exchange_stream_flush(ex);
		began++;
		fiber_sleep(300);
		exchange_stream_write(ex, B("two"));
		exchange_stream_end(ex);
	} else if (bytes_eq(ex->path, B("/abort"))) {
		exchange_stream_begin(ex, 200, B("text/plain"));
		exchange_stream_write(ex, B("half"));
		exchange_stream_flush(ex);
		exchange_abort(ex);
	} else if (bytes_eq(ex->path, B("/silent"))) {
		finished++;
	} else if (bytes_eq(ex->path, B("/flood"))) {
		char block[8192];
		int i;

		memset(block, 'x', sizeof block);
		exchange_stream_begin(ex, 200, B("text/plain"));
		for (i = 0; i < 8192; i++) { /* 64 MiB */
			if (exchange_stream_write(ex, (struct bytes){ block, sizeof block }) ||
			    exchange_stream_flush(ex))
				break;
			began = i;
		}
		exchange_stream_end(ex);
		finished++;
	} else {
		exchange_respond(ex, 404, B("text/plain"), ex->path);
	}
}

static void malformed(struct exchange *ex, int status, const char *reason, struct buf *body)
{
	(void)reason;
	exchange_header(ex, B("content-type"), B("text/plain"));
	buf_printf(body, "bad %d", status);
}

static int start(void **state)
{
	struct harness *h = malloc(sizeof *h);

	harness_init(h, handler);
	h->options.malformed = malformed;
	cancelled = finished = began = body_error = 0;
	*state = h;
	return 0;
}

static int stop(void **state)
{
	harness_stop(*state);
	free(*state);
	return 0;
}

static int up(struct harness *h)
{
	harness_start(h);
	return dial(h->port);
}

static void test_keep_alive_serves_one_request_after_another(void **state)
{
	int fd = up(*state);

	for (int i = 0; i < 3; i++) {
		say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
		expect_text(
			fd, "hello",
			"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello");
	}
	close(fd);
}

static void test_pipelined_requests_are_answered_in_order(void **state)
{
	int fd = up(*state);

	say(fd,
	    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\naGET /b?q=1 HTTP/1.1\r\nHost: x\r\n\r\n"
	    "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n"
	    "GET /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	expect_text(
		fd, NULL,
		"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1\r\n\r\naHTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n/bHTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1\r\n\r\ncHTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n"
		"connection: close\r\n\r\n/end");
	close(fd);
}

static void test_a_request_may_be_pipelined_while_the_handler_waits(void **state)
{
	int fd = up(*state);

	say(fd, "GET /nap HTTP/1.1\r\nHost: x\r\n\r\n");
	usleep(50000);
	say(fd, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_text(
		fd, "/b",
		"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\nrestedHTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n/b");
	close(fd);
}

static void test_a_request_cut_anywhere_is_read_the_same(void **state)
{
	static const char rq[] =
		"POST /echo HTTP/1.1\r\nHost: x\r\nX-Empty:\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\nTrailer: 1\r\n\r\n";
	int fd = up(*state);

	for (size_t cut = 1; cut < sizeof rq - 1; cut++) {
		say_n(fd, rq, cut);
		usleep(500);
		say_n(fd, rq + cut, sizeof rq - 1 - cut);
		expect_text(
			fd, "abcdefg",
			"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 7\r\n\r\nabcdefg");
	}
	close(fd);
}

static void test_streams_are_chunked_and_end(void **state)
{
	int fd = up(*state);

	say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_text(fd, "0\r\n\r\n",
		    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-test: 1\r\n"
		    "transfer-encoding: chunked\r\n\r\n"
		    "3\r\none\r\n8\r\ntwothree\r\n4\r\nfour\r\n0\r\n\r\n");
	say(fd, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_text(
		fd, "/b",
		"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n/b");
	close(fd);
}

static void test_http_1_0_streams_until_close_and_keeps_alive_when_asked(void **state)
{
	struct harness *h = *state;
	int fd = up(h);

	say(fd, "GET /b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	expect_text(fd, "/b",
		    "HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n"
		    "connection: keep-alive\r\n\r\n/b");
	say(fd, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	expect_text(fd, NULL,
		    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-test: 1\r\n"
		    "connection: close\r\n\r\nonetwothreefour");
	close(fd);
	fd = dial(h->port);
	say(fd, "GET /b HTTP/1.0\r\n\r\n");
	expect_text(fd, NULL,
		    "HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n"
		    "connection: close\r\n\r\n/b");
	close(fd);
}

static void test_head_has_the_head_only(void **state)
{
	int fd = up(*state);

	say(fd,
	    "HEAD /abc HTTP/1.1\r\nHost: x\r\n\r\nHEAD /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	expect_text(
		fd, NULL,
		"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\n"
		"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-test: 1\r\n"
		"transfer-encoding: chunked\r\nconnection: close\r\n\r\n");
	close(fd);
}

static void test_absolute_targets_and_fragments_lose_what_is_not_path(void **state)
{
	int fd = up(*state);

	say(fd, "GET http://x:1/a/b?c=1#d HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_text(
		fd, "/a/b",
		"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\n/a/b");
	close(fd);
}

static void test_offers_of_other_protocols_are_passed_over(void **state)
{
	int fd = up(*state);

	say(fd,
	    "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
	    "Content-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
	    "Upgrade: websocket\r\n\r\nCONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n");
	expect_text(
		fd, "x:80",
		"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n/bHTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nx:80");
	close(fd);
}

static void test_expect_is_answered_when_the_body_is_wanted(void **state)
{
	int fd = up(*state);

	say(fd,
	    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	expect_text(fd, "\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n");
	say(fd, "ok");
	expect_text(fd, "ok",
		    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok");
	close(fd);
}

static void test_expect_without_a_reader_ends_the_connection(void **state)
{
	int fd = up(*state);

	say(fd,
	    "POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	expect_text(fd, NULL,
		    "HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n"
		    "connection: close\r\n\r\n/other");
	close(fd);
}

/* RFC 9112 §11.2: forms that two parsers read in two ways. */
static void test_smuggling_forms_are_refused(void **state)
{
	static const struct {
		const char *text;
		int status;
	} forms[] = {
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		  400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
		  400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		  400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
		  400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nhello", 400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello", 400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nhello", 400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
		  400 },
		{ "GET / HTTP/1.1\nHost: x\n\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: x\r\nA: b\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\rB: c\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nhello", 400 },
		{ "GET / HTTP/1.1\r\nHost: x\r\nA\x01: b\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: x\r\nA: b\x01\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: x\r\nA b\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		  400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
		  400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		  400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		  400 },
		{ "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		  400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n 1\r\na\r\n0\r\n\r\n",
		  400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
		  400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
		  400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\na\n0\n\n",
		  400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
		  400 },
		{ "GET / HTTP/1.1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400 },
		{ "GET /\r\n\r\n", 505 },
		{ "GET / HTTP/0.9\r\n\r\n", 505 },
		{ "GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505 },
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400 },
		{ "NONSENSE / HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET /  HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ " GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400 },
		{ "\x16\x03\x01\x02\x05\x01\x01\xfc\x03\x03", 400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: tea\r\n\r\n", 417 },
	};
	struct harness *h = *state;

	harness_start(h);
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		int fd = dial(h->port);
		char want[200], *got;

		say(fd, forms[i].text);
		got = undated(hear(fd, NULL, 3000));
		snprintf(want, sizeof want,
			 "HTTP/1.1 %d %.*s\r\ncontent-type: text/plain\r\ncontent-length: 7\r\n"
			 "connection: close\r\n\r\nbad %d",
			 forms[i].status, BFMT(http_status_phrase(forms[i].status)),
			 forms[i].status);
		if (strcmp(want, got))
			print_error("form %zu: %s", i, forms[i].text);
		assert_string_equal(want, got);
		free(got);
		close(fd);
	}
}

/* A head over the limits, in one piece and in many. */
static void test_limits_of_line_headers_and_their_number(void **state)
{
	struct harness *h = *state;
	char *text = malloc(20000);

	harness_start(h);
	for (int form = 0; form < 4; form++) {
		int fd = dial(h->port), status = form == 0 || form == 3 ? 414 : 431;
		size_t n = 0;
		char *got, want[16];

		if (form == 0) { /* a long line that ends */
			n = (size_t)snprintf(text, 20000,
					     "GET /%09000d HTTP/1.1\r\nHost: x\r\n\r\n", 0);
		} else if (form == 1) {
			n = (size_t)snprintf(text, 20000,
					     "GET / HTTP/1.1\r\nHost: x\r\nA: %09000d\r\n\r\n", 0);
		} else if (form == 2) {
			n = (size_t)snprintf(text, 20000, "GET / HTTP/1.1\r\nHost: x\r\n");
			for (int i = 0; i < 64; i++)
				n += (size_t)snprintf(text + n, 20000 - n, "A: b\r\n");
			n += (size_t)snprintf(text + n, 20000 - n, "\r\n");
		} else { /* a line without end */
			n = (size_t)snprintf(text, 20000, "GET /%09000d", 0);
		}
		for (size_t at = 0; at < n; at += 3000)
			say_n(fd, text + at, n - at < 3000 ? n - at : 3000);
		got = hear(fd, NULL, 3000);
		snprintf(want, sizeof want, "HTTP/1.1 %d", status);
		assert_memory_equal(want, got, 12);
		free(got);
		close(fd);
	}
	free(text);
}

static void test_a_body_over_the_limit_is_refused_and_the_client_sees_why(void **state)
{
	struct harness *h = *state;
	static char block[1 << 16];
	int fd, n = 0;
	char *got;

	h->options.max_body = 100000;
	fd = up(h);
	say(fd, "POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n");
	while (n < 150 && send(fd, block, sizeof block, MSG_NOSIGNAL) > 0)
		n++;
	got = hear(fd, NULL, 3000);
	assert_non_null(strstr(got, "\r\n\r\nno"));
	assert_non_null(strstr(got, "connection: close\r\n"));
	assert_int_equal(ERR_BODY_TOO_LARGE, body_error);
	free(got);
	close(fd);

	body_error = 0; /* of unknown length */
	fd = dial(h->port);
	say(fd, "POST /size HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n186a1\r\n");
	say_n(fd, block, sizeof block);
	say_n(fd, block, 100001 - sizeof block);
	got = hear(fd, NULL, 3000);
	assert_int_equal(ERR_BODY_TOO_LARGE, body_error);
	free(got);
	close(fd);

	body_error = 0; /* one byte less passes */
	fd = dial(h->port);
	say(fd, "POST /size HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n");
	say_n(fd, block, sizeof block);
	say_n(fd, block, 100000 - sizeof block);
	say(fd, "\r\n0\r\n\r\n");
	expect_text(
		fd, "100000",
		"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\n100000");
	close(fd);
}

static void test_large_bodies_arrive_whole(void **state)
{
	struct harness *h = *state;
	static char block[1 << 16];
	int fd;

	h->options.max_body = 8 << 20;
	fd = up(h);
	say(fd, "POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 8388608\r\n\r\n");
	for (int i = 0; i < 128; i++)
		say_n(fd, block, sizeof block);
	say(fd, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n"); /* pipelined behind it */
	expect_text(
		fd, "/b",
		"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 7\r\n\r\n8388608HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n/b");
	close(fd);
}

static void test_all_bodies_together_have_a_bound(void **state)
{
	struct harness *h = *state;
	static char block[1 << 16];
	int fd, other;
	char *got;

	h->options.body_memory = 600 << 10;
	fd = up(h);
	say(fd, "POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n");
	for (int i = 0; i < 5; i++)
		say_n(fd, block, sizeof block);
	usleep(100000);
	other = dial(h->port);
	say(other, "POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n");
	for (int i = 0; i < 5; i++)
		say_n(other, block, sizeof block);
	got = hear(other, NULL, 3000);
	assert_memory_equal("HTTP/1.1 503", got, 12);
	assert_int_equal(ERR_BUSY, body_error);
	free(got);
	close(other);
	close(fd);
}

/* http-api §1.2: Content-Encoding of requests. */
static void test_compressed_bodies_are_decoded(void **state)
{
	static const struct {
		const char *coding;
		struct bytes body;
		const char *answer;
	} forms[] = {
		{ "gzip",
		  B("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6"
		    "\x10\x36"
		    "\x05\x00\x00\x00"),
		  "hello" },
		{ "zstd", B("\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00hello"), "hello" },
		{ "br", B("\x0b\x02\x80hello\x03"), "hello" },
		{ "identity", B("hello"), "hello" },
	};
	struct harness *h = *state;
	int fd = up(h);

	for (size_t i = 0; i < 4; i++) {
		for (size_t cut = 0; cut < forms[i].body.n; cut += 3) {
			char head[200];

			snprintf(head, sizeof head,
				 "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Encoding: %s\r\n"
				 "Content-Length: %zu\r\n\r\n",
				 forms[i].coding, forms[i].body.n);
			say(fd, head);
			say_n(fd, forms[i].body.p, cut);
			usleep(1000);
			say_n(fd, forms[i].body.p + cut, forms[i].body.n - cut);
			expect_text(
				fd, "hello",
				"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\n"
				"hello");
		}
	}
	close(fd);
}

static void test_decompression_stops_at_the_limit_and_knows_its_codings(void **state)
{
	/* 10 MiB of "a" */
	static const char bomb[] =
		"POST /size HTTP/1.1\r\nHost: x\r\nContent-Encoding: br\r\nContent-Length: 27\r\n\r\n"
		"\xcb\xff\xff\x3f\xf8\x25\xc2\xe2\xb1\x40\x20\xf7\xfe\x2f\xff"
		"\xff\x3f\xf0\x4b\x00\xc4\x61"
		"\x11\x80\xee\xfd\x07";
	struct harness *h = *state;
	int fd = up(h);

	say_n(fd, bomb, sizeof bomb - 1);
	free(hear(fd, "no", 3000));
	assert_int_equal(ERR_BODY_TOO_LARGE, body_error);
	say(fd,
	    "POST /size HTTP/1.1\r\nHost: x\r\nContent-Encoding: rot13\r\nContent-Length: 1\r\n\r\na");
	free(hear(fd, "no", 3000));
	assert_int_equal(ERR_UNSUPPORTED_ENCODING, body_error);
	say(fd,
	    "POST /size HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc");
	free(hear(fd, "no", 3000));
	assert_int_equal(ERR_PROTOCOL, body_error);
	close(fd);
}

static void test_a_slow_head_is_cut_off(void **state)
{
	struct harness *h = *state;
	uint64_t began_at;
	int fd;
	char *got;

	h->options.header_timeout_ms = 200;
	fd = up(h);
	began_at = clock_mono_ms();
	say(fd, "GET / HT");
	for (int i = 0; i < 4; i++) {
		usleep(30000);
		say(fd, "T");
	}
	got = hear(fd, NULL, 3000);
	assert_memory_equal("HTTP/1.1 4", got, 10);
	free(got);
	close(fd);
	fd = dial(h->port);
	say(fd, "GET / HTTP/1.1\r\nHost: x\r\n");
	got = hear(fd, NULL, 3000);
	assert_memory_equal("HTTP/1.1 408", got, 12);
	assert_in_range(clock_mono_ms() - began_at, 200, 2000);
	free(got);
	close(fd);
}

static void test_a_slow_body_is_cut_off(void **state)
{
	struct harness *h = *state;
	int fd;
	char *got;

	h->options.body_idle_ms = 150;
	fd = up(h);
	say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nab");
	got = hear(fd, NULL, 3000);
	assert_memory_equal("HTTP/1.1 408", got, 12);
	assert_int_equal(ERR_REQUEST_TIMEOUT, body_error);
	free(got);
	close(fd);
}

static void test_idle_connections_are_closed_after_their_time(void **state)
{
	struct harness *h = *state;
	int fd, never;

	h->options.keepalive_ms = 150;
	fd = up(h);
	never = dial(h->port);
	say(fd, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_text(
		fd, "/b",
		"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n/b");
	assert_false(closes(fd, 50));
	assert_true(closes(fd, 2000));
	assert_true(closes(never, 2000));
	close(fd);
	close(never);
}

static void wait_for(_Atomic int *what, int value)
{
	for (int i = 0; i < 300 && *what != value; i++)
		usleep(10000);
	assert_int_equal(value, *what);
}

static void test_a_client_that_leaves_cancels_its_handler(void **state)
{
	int fd = up(*state);

	say(fd, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
	wait_for(&began, 1);
	close(fd);
	wait_for(&cancelled, 1);
	wait_for(&finished, 1);
}

static void test_it_is_noticed_behind_pipelined_bytes_too(void **state)
{
	int fd = up(*state);

	say(fd, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n");
	wait_for(&began, 1);
	say(fd, "more");
	usleep(50000);
	close(fd);
	wait_for(&cancelled, 1);
}

static void test_a_client_that_only_ends_its_side_gets_its_answer(void **state)
{
	struct harness *h = *state;
	int fd = up(h);

	say(fd, "GET /nap HTTP/1.1\r\nHost: x\r\n\r\n");
	shutdown(fd, SHUT_WR);
	expect_text(
		fd, NULL,
		"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\nrested");
	close(fd);
	fd = dial(h->port);
	say(fd, "GET /nap HTTP/1.0\r\n\r\n");
	shutdown(fd, SHUT_WR);
	expect_text(
		fd, NULL,
		"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\nconnection: close\r\n\r\nrested");
	close(fd);
	assert_int_equal(0, cancelled);
}

static void test_so_it_does_while_a_stream_is_silent(void **state)
{
	int fd = up(*state);

	say(fd, "GET /slow-stream HTTP/1.1\r\nHost: x\r\n\r\n");
	wait_for(&began, 1);
	shutdown(fd, SHUT_WR);
	expect_text(fd, NULL,
		    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
		    "transfer-encoding: chunked\r\n\r\n"
		    "3\r\none\r\n3\r\n:\n\n\r\n3\r\ntwo\r\n0\r\n\r\n");
	close(fd);
}

static void test_it_is_noticed_when_it_leaves_later(void **state)
{
	int fd = up(*state);

	say(fd, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
	wait_for(&began, 1);
	shutdown(fd, SHUT_WR);
	usleep(100000);
	assert_int_equal(0, cancelled);
	close(fd); /* "H" is unread: a reset at once */
	wait_for(&cancelled, 1);
	wait_for(&finished, 1);
}

static void test_what_it_sent_ahead_is_answered_too(void **state)
{
	int fd = up(*state);

	say(fd, "GET /nap HTTP/1.1\r\nHost: x\r\n\r\n");
	wait_for(&began, 1);
	say(fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n");
	usleep(20000);
	shutdown(fd, SHUT_WR);
	expect_text(
		fd, NULL,
		"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\nrested"
		"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n/a"
		"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n/b");
	close(fd);
}

static void test_a_body_that_ends_too_early_is_no_half_close(void **state)
{
	int fd = up(*state);

	say(fd, "POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < 300 && body_error != ERR_CLOSED; i++)
		usleep(10000);
	assert_int_equal(ERR_CLOSED, body_error);
	close(fd);
}

static void test_on_disconnect_finish_lets_the_handler_end(void **state)
{
	struct harness *h = *state;
	int fd;

	h->options.fibers_on_disconnect_finish = true;
	fd = up(h);
	say(fd, "GET /nap HTTP/1.1\r\nHost: x\r\n\r\n");
	wait_for(&began, 1);
	close(fd);
	wait_for(&finished, 1);
	assert_int_equal(0, cancelled);
}

static void test_a_slow_reader_holds_the_writer_back(void **state)
{
	struct harness *h = *state;
	int fd = up(h), before, rcv = 32768;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcv, sizeof rcv);
	say(fd, "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
	usleep(300000);
	before = began;
	usleep(200000);
	assert_int_equal(before, began); /* it waits */
	assert_true(before < 2000);
	assert_int_equal(0, finished);
	close(fd);
	wait_for(&finished, 1);
}

static void test_a_client_that_reads_nothing_is_given_up(void **state)
{
	struct harness *h = *state;
	int fd;

	h->options.write_idle_ms = 200;
	fd = up(h);
	say(fd, "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
	wait_for(&finished, 1);
	close(fd);
}

static void test_a_slow_reader_gets_everything(void **state)
{
	int fd = up(*state);
	static char block[1 << 16];
	size_t total = 0;
	ssize_t n;

	say(fd, "GET /flood HTTP/1.0\r\nHost: x\r\n\r\n");
	usleep(100000);
	while ((n = recv(fd, block, sizeof block, 0)) > 0)
		total += (size_t)n;
	assert_int_equal(0, n);
	assert_true(total > 8192 * 8192);
	close(fd);
}

static void test_aborted_streams_end_broken(void **state)
{
	int fd = up(*state);
	char *got;

	say(fd, "GET /abort HTTP/1.1\r\nHost: x\r\n\r\n");
	got = hear(fd, NULL, 2000);
	assert_null(strstr(got, "0\r\n\r\n"));
	free(got);
	close(fd);
}

static void test_a_handler_that_forgets_to_answer_gives_500(void **state)
{
	int fd = up(*state);

	say(fd, "GET /silent HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_text(fd, "\r\n\r\n",
		    "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n");
	close(fd);
}

static void test_too_many_connections_are_turned_away(void **state)
{
	struct harness *h = *state;
	int a, b, c;

	h->options.max_connections = 2;
	a = up(h);
	b = dial(h->port);
	usleep(50000);
	c = dial(h->port);
	expect_text(c, NULL,
		    "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\n"
		    "connection: close\r\n\r\n");
	say(a, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_text(
		a, "/b",
		"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n/b");
	close(a);
	close(b);
	close(c);
}

static struct harness *draining;

static void drain(struct loop_task *t)
{
	(void)t;
	http_server_drain(draining->server);
}

/* Out of descriptors: no spinning, no loss; who waits in the backlog is served afterwards. */
static void test_running_out_of_descriptors_pauses_accepting(void **state)
{
	struct harness *h = *state;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct rlimit before, low;
	struct timespec t0, t1;
	int fd, next;
	double cpu;

	harness_start(h);
	a.sin_port = htons(h->port);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	next = dup(0);
	close(next);
	assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &before));
	low = before;
	low.rlim_cur = (rlim_t)next;
	assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &low));
	assert_int_equal(0, connect(fd, (struct sockaddr *)&a, sizeof a));
	say(fd, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
	usleep(500000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
	setrlimit(RLIMIT_NOFILE, &before);
	cpu = (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
	assert_true(cpu < 0.2);
	expect_text(
		fd, "/b",
		"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n/b");
	close(fd);
}

/* Chunk extensions and trailers are read and forgotten, but not without end. */
static void test_chunk_extensions_and_trailers_have_an_end(void **state)
{
	struct harness *h = *state;
	char *text = malloc(20000);
	int fd;

	harness_start(h);
	for (int form = 0; form < 2; form++) {
		fd = dial(h->port);
		body_error = 0;
		say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
		usleep(20000);
		snprintf(text, 20000,
			 form ? "0\r\nA: %09000d\r\n\r\n" : "1;%09000d=b\r\na\r\n0\r\n\r\n", 0);
		say(fd, text);
		free(hear(fd, NULL, 3000));
		assert_int_equal(ERR_PROTOCOL, body_error);
		close(fd);
	}
	free(text);
}

static void test_draining_closes_idle_ones_and_lets_the_rest_finish(void **state)
{
	struct harness *h = *state;
	struct loop_task t = { .fn = drain };
	int busy = up(h), idle = dial(h->port);

	draining = h;
	say(busy, "GET /nap HTTP/1.1\r\nHost: x\r\n\r\n");
	wait_for(&began, 1);
	loop_post(h->loop, &t);
	assert_true(closes(idle, 1000));
	expect_text(busy, NULL,
		    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n"
		    "connection: close\r\n\r\nrested");
	close(busy);
	close(idle);
}

static void test_a_taken_port_is_named(void **state)
{
	struct harness *h = *state;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char want[200];

	harness_start(h);
	a.sin_port = htons(h->port);
	assert_int_equal(-1, http_bind_test((struct sockaddr *)&a, sizeof a));
	snprintf(
		want, sizeof want,
		"Failed to bind to `127.0.0.1:%u`: address in use (another process listens there: stop it, or choose another with --bind-address)",
		h->port);
	assert_int_equal(strlen(want), error_last()->message.n);
	assert_memory_equal(want, error_last()->message.p, strlen(want));
	error_clear();
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_keep_alive_serves_one_request_after_another),
		T(test_pipelined_requests_are_answered_in_order),
		T(test_a_request_may_be_pipelined_while_the_handler_waits),
		T(test_a_request_cut_anywhere_is_read_the_same),
		T(test_streams_are_chunked_and_end),
		T(test_http_1_0_streams_until_close_and_keeps_alive_when_asked),
		T(test_head_has_the_head_only),
		T(test_absolute_targets_and_fragments_lose_what_is_not_path),
		T(test_offers_of_other_protocols_are_passed_over),
		T(test_expect_is_answered_when_the_body_is_wanted),
		T(test_expect_without_a_reader_ends_the_connection),
		T(test_smuggling_forms_are_refused),
		T(test_limits_of_line_headers_and_their_number),
		T(test_a_body_over_the_limit_is_refused_and_the_client_sees_why),
		T(test_large_bodies_arrive_whole),
		T(test_all_bodies_together_have_a_bound),
		T(test_compressed_bodies_are_decoded),
		T(test_decompression_stops_at_the_limit_and_knows_its_codings),
		T(test_a_slow_head_is_cut_off),
		T(test_a_slow_body_is_cut_off),
		T(test_idle_connections_are_closed_after_their_time),
		T(test_a_client_that_leaves_cancels_its_handler),
		T(test_it_is_noticed_behind_pipelined_bytes_too),
		T(test_a_client_that_only_ends_its_side_gets_its_answer),
		T(test_so_it_does_while_a_stream_is_silent),
		T(test_it_is_noticed_when_it_leaves_later),
		T(test_what_it_sent_ahead_is_answered_too),
		T(test_a_body_that_ends_too_early_is_no_half_close),
		T(test_on_disconnect_finish_lets_the_handler_end),
		T(test_a_slow_reader_holds_the_writer_back),
		T(test_a_client_that_reads_nothing_is_given_up),
		T(test_a_slow_reader_gets_everything),
		T(test_aborted_streams_end_broken),
		T(test_a_handler_that_forgets_to_answer_gives_500),
		T(test_too_many_connections_are_turned_away),
		T(test_running_out_of_descriptors_pauses_accepting),
		T(test_chunk_extensions_and_trailers_have_an_end),
		T(test_draining_closes_idle_ones_and_lets_the_rest_finish),
		T(test_a_taken_port_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
