/* The client against upstreams that answer in every way they should not. */
#include <semaphore.h>
#include <zlib.h>

#include "client_harness.h"

static void test_a_call_and_its_answer(void **state)
{
	static const struct http_header headers[] = { { B("content-type"),
							B("application/json") } };
	struct harness *h = *state;
	char want[300], *got;
	int fd;

	call.send.headers = headers;
	call.send.nheaders = 1;
	harness_start(h);
	harness_begin(h, run_call);
	fd = take();
	got = hear(fd, "{}", 3000);
	snprintf(
		want, sizeof want,
		"POST /v1/chat?a=b HTTP/1.1\r\nhost: 127.0.0.1:%u\r\ncontent-type: application/json\r\n"
		"content-length: 2\r\n\r\n{}",
		up_port);
	assert_string_equal(want, got);
	free(got);
	say(fd, OK_HEAD "Content-Length: 5\r\n\r\nhello");
	harness_join(h);
	assert_true(call.sent);
	assert_int_equal(200, call.status);
	assert_string_equal("yes", call.head);
	assert_string_equal("hello", call.body);
	assert_false(call.reused);

	harness_begin(h, run_call); /* the same connection again */
	got = hear(fd, "{}", 3000);
	assert_string_equal(want, got);
	free(got);
	say(fd, OK_HEAD "Content-Length: 0\r\n\r\n");
	harness_join(h);
	assert_true(call.reused);
	assert_int_equal(0, call.nbody);
	close(fd);
}

static void test_every_form_of_body(void **state)
{
	static const struct {
		const char *answer;
		bool closes;
		const char *body;
	} forms[] = {
		{ OK_HEAD "Content-Length: 3\r\n\r\nabc", false, "abc" },
		{ OK_HEAD
		  "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x=y\r\nbc\r\n0\r\nT: u\r\n\r\n",
		  false, "abc" },
		{ OK_HEAD "\r\nabc", true, "abc" },
		{ "HTTP/1.0 200 OK\r\n\r\nabc", true, "abc" },
		{ "HTTP/1.1 204 No Content\r\n\r\n", false, "" },
		{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", false, "" },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK_HEAD
		  "Content-Length: 3\r\n\r\nabc",
		  false, "abc" },
		{ "HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nabc", false, "abc" },
	};
	struct harness *h = *state;

	harness_start(h);
	for (size_t i = 0; i < 2 * sizeof forms / sizeof forms[0]; i++) {
		size_t k = i / 2;
		int fd;

		call.pieces = i % 2;
		harness_begin(h, run_call);
		fd = serve(forms[k].answer);
		if (forms[k].closes)
			close(fd);
		harness_join(h);
		if (call.kind || strcmp(call.body, forms[k].body))
			print_error("form %zu: %s", k, forms[k].answer);
		assert_int_equal(ERR_NONE, call.kind);
		assert_string_equal(forms[k].body, call.body);
		if (!forms[k].closes)
			close(fd);
		usleep(20000); /* let it notice */
	}
}

static void test_an_answer_cut_at_every_byte_is_the_same(void **state)
{
	static const char answer[] =
		OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
	struct harness *h = *state;
	int fd = -1;

	harness_start(h);
	for (size_t cut = 1; cut < sizeof answer - 1; cut++) {
		harness_begin(h, run_call);
		if (fd < 0)
			fd = take();
		free(hear(fd, "{}", 3000));
		say_n(fd, answer, cut);
		usleep(1000);
		say_n(fd, answer + cut, sizeof answer - 1 - cut);
		harness_join(h);
		assert_int_equal(ERR_NONE, call.kind);
		assert_string_equal("abcde", call.body);
		assert_string_equal("yes", call.head);
		assert_true(cut == 1 || call.reused);
	}
	close(fd);
}

static void test_chunks_of_one_read_come_as_one_piece(void **state)
{
	struct harness *h = *state;
	int fd;

	call.pieces = true;
	harness_start(h);
	harness_begin(h, run_call);
	fd = serve(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n");
	usleep(50000);
	say(fd, "2\r\nab\r\n2\r\ncd\r\n2\r\nef\r\n");
	usleep(50000);
	say(fd, "0\r\n\r\n");
	harness_join(h);
	assert_string_equal("abcdef", call.body);
	assert_int_equal(1, call.npieces);
	close(fd);
}

static void test_bad_answers_are_errors_of_their_kind(void **state)
{
	static const struct {
		const char *answer;
		enum error_kind kind;
	} forms[] = {
		{ "", ERR_CLOSED },
		{ "HTTP/1.1 200 OK\r\nA: b", ERR_CLOSED },
		{ "<html>hello</html>", ERR_PROTOCOL },
		{ "SSH-2.0-OpenSSH\r\n", ERR_PROTOCOL },
		{ OK_HEAD "Content-Length: 5\r\n\r\nabc", ERR_CLOSED },
		{ OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nabc", ERR_CLOSED },
		{ OK_HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc", ERR_PROTOCOL },
		{ OK_HEAD "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
		  ERR_PROTOCOL },
		{ OK_HEAD "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", ERR_PROTOCOL },
		{ OK_HEAD "Content-Encoding: rot13\r\nContent-Length: 3\r\n\r\nabc", ERR_PROTOCOL },
		{ OK_HEAD "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", ERR_PROTOCOL },
		{ "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		  ERR_PROTOCOL },
	};
	struct harness *h = *state;

	harness_start(h);
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		harness_begin(h, run_call);
		close(serve(forms[i].answer));
		harness_join(h);
		if (call.kind != forms[i].kind)
			print_error("form %zu gives %s: %s\n", i, call.message, forms[i].answer);
		assert_int_equal(forms[i].kind, call.kind);
	}
}

static void test_a_head_without_end_is_too_large(void **state)
{
	struct harness *h = *state;
	static char line[1025];
	int fd;

	memset(line, 'a', 1024);
	memcpy(line, "A: ", 3);
	memcpy(line + 1022, "\r\n", 2);
	harness_start(h);
	harness_begin(h, run_call);
	fd = serve("HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 257; i++)
		if (send(fd, line, 1024, MSG_NOSIGNAL) < 0)
			break;
	harness_join(h);
	assert_int_equal(ERR_TOO_LARGE, call.kind);
	close(fd);
}

static void test_a_body_over_the_readers_maximum(void **state)
{
	struct harness *h = *state;

	call.max = 4;
	harness_start(h);
	harness_begin(h, run_call);
	close(serve(OK_HEAD "Content-Length: 5\r\n\r\nabcde"));
	harness_join(h);
	assert_int_equal(ERR_TOO_LARGE, call.kind);
	harness_begin(h, run_call);
	close(serve(OK_HEAD "\r\nabcde"));
	harness_join(h);
	assert_int_equal(ERR_TOO_LARGE, call.kind);
}

static void test_refused_connections_say_so(void **state)
{
	struct harness *h = *state;
	char want[100];

	close(up_listen);
	harness_start(h);
	harness_begin(h, run_call);
	harness_join(h);
	snprintf(want, sizeof want, "cannot connect to 127.0.0.1:%u: Connection refused", up_port);
	assert_int_equal(ERR_IO, call.kind);
	assert_string_equal(want, call.message);
	up_listen = -1;
}

static void test_names_that_do_not_exist_say_so(void **state)
{
	struct harness *h = *state;

	snprintf(call.url, sizeof call.url, "http://no-such-host.invalid/");
	harness_start(h);
	harness_begin(h, run_call);
	harness_join(h);
	assert_int_equal(ERR_IO, call.kind);
	assert_memory_equal("cannot resolve no-such-host.invalid: ", call.message, 37);
}

static void test_names_are_resolved(void **state)
{
	struct harness *h = *state;

	snprintf(call.url, sizeof call.url, "http://localhost:%u/", up_port);
	harness_start(h);
	harness_begin(h, run_call);
	close(serve(OK_HEAD "Content-Length: 2\r\n\r\nok"));
	harness_join(h);
	assert_string_equal("ok", call.body);
}

static void test_the_head_has_a_deadline(void **state)
{
	struct harness *h = *state;
	int fd;

	call.send.head_deadline = clock_mono_ms() + 200;
	harness_start(h);
	harness_begin(h, run_call);
	fd = serve("HTTP/1.1 200 OK\r\n");
	harness_join(h);
	assert_int_equal(ERR_DEADLINE, call.kind);
	assert_in_range(call.ms, 100, 2000);
	assert_true(closes(fd, 1000));
	close(fd);
}

/* 192.0.2.0/24 is for documentation: nobody answers, or there is no route. */
static void test_connecting_has_its_own_deadline_and_the_callers(void **state)
{
	struct harness *h = *state;

	h->client_options.connect_timeout_ms = 200;
	snprintf(call.url, sizeof call.url, "http://192.0.2.1:81/");
	harness_start(h);
	harness_begin(h, run_call);
	harness_join(h);
	assert_int_equal(ERR_IO, call.kind);
	assert_in_range(call.ms, 0, 2000);
	call.send.head_deadline = clock_mono_ms();
	harness_begin(h, run_call);
	harness_join(h);
	assert_int_equal(ERR_DEADLINE, call.kind);
}

static void test_silence_in_the_body_has_a_deadline(void **state)
{
	struct harness *h = *state;
	int fd;

	call.send.read_idle_ms = 150;
	call.pieces = true;
	harness_start(h);
	harness_begin(h, run_call);
	fd = serve(OK_HEAD "Content-Length: 5\r\n\r\nab");
	for (int i = 0; i < 2; i++) {
		usleep(100000);
		say(fd, "c");
	}
	harness_join(h);
	assert_true(call.sent);
	assert_string_equal("abcc", call.body);
	assert_int_equal(ERR_DEADLINE, call.kind);
	close(fd);
}

/* Stops the loop's thread until the test lets it go: what happens in between, it sees at once. */
static struct {
	struct loop_task task;
	sem_t begun, go;
} hold;

static void hold_the_loop(struct loop_task *t)
{
	(void)t;
	sem_post(&hold.begun);
	sem_wait(&hold.go);
}

static void test_an_answer_that_is_reset_in_its_middle_ends_at_once(void **state)
{
	static const struct linger none = { .l_onoff = 1 };
	struct harness *h = *state;
	int fd;

	sem_init(&hold.begun, 0, 0);
	sem_init(&hold.go, 0, 0);
	hold.task.fn = hold_the_loop;
	call.send.read_idle_ms = 4000;
	call.pieces = true;
	harness_start(h);
	harness_begin(h, run_call);
	fd = take();
	free(hear(fd, "{}", 3000));
	loop_post(h->loop, &hold.task);
	sem_wait(&hold.begun);
	say(fd, OK_HEAD "Content-Length: 5\r\n\r\nab");
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
	close(fd);
	sem_post(&hold.go);
	harness_join(h);
	assert_true(call.sent);
	assert_string_equal("ab", call.body);
	assert_int_equal(ERR_CLOSED, call.kind);
}

static void test_an_idle_connection_closed_by_its_server_is_not_used(void **state)
{
	struct harness *h = *state;

	harness_start(h);
	harness_begin(h, run_call);
	close(serve(OK_HEAD "Content-Length: 2\r\n\r\nok"));
	harness_join(h);
	usleep(100000);
	harness_begin(h, run_call);
	close(serve(OK_HEAD "Content-Length: 2\r\n\r\nok"));
	harness_join(h);
	assert_false(call.reused);
	assert_string_equal("ok", call.body);
}

static void test_a_reused_connection_that_dies_unanswered_is_stale(void **state)
{
	struct harness *h = *state;
	struct linger hard = { .l_onoff = 1 };
	int fd;

	harness_start(h);
	for (int reset = 0; reset < 2; reset++) {
		harness_begin(h, run_call);
		fd = serve(OK_HEAD "Content-Length: 2\r\n\r\nok");
		harness_join(h);
		harness_begin(h, run_call);
		free(hear(fd, "{}", 3000)); /* the request arrives and the server closes */
		if (reset)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
		close(fd);
		harness_join(h);
		assert_int_equal(ERR_STALE, call.kind);
	}
	call.send.fresh = true;
	harness_begin(h, run_call); /* on a fresh one the same is the upstream's failure */
	close(serve(""));
	harness_join(h);
	assert_int_equal(ERR_CLOSED, call.kind);
}

static void test_fresh_leaves_the_pool_alone(void **state)
{
	struct harness *h = *state;
	int a, b;

	harness_start(h);
	harness_begin(h, run_call);
	a = serve(OK_HEAD "Content-Length: 2\r\n\r\nok");
	harness_join(h);
	call.send.fresh = true;
	harness_begin(h, run_call);
	b = serve(OK_HEAD "Content-Length: 2\r\n\r\nok");
	harness_join(h);
	assert_false(call.reused);
	close(a);
	close(b);
}

static void test_connections_that_may_not_be_reused_are_closed(void **state)
{
	static const char *const answers[] = {
		OK_HEAD "Connection: close\r\nContent-Length: 2\r\n\r\nok",
		OK_HEAD "Content-Length: 2\r\n\r\nokEXTRA",
		"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
	};
	struct harness *h = *state;

	harness_start(h);
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		int fd;

		harness_begin(h, run_call);
		fd = serve(answers[i]);
		harness_join(h);
		assert_string_equal("ok", call.body);
		assert_true(closes(fd, 1000));
		close(fd);
	}
}

/* providers-openai §8 #41: the reader has its [DONE], the socket stays open. */
static void test_the_end_of_a_stream_is_read_in_the_background(void **state)
{
	struct harness *h = *state;
	int fd;

	call.pieces = call.close_early = true;
	harness_start(h);
	harness_begin(h, run_call);
	fd = serve(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n6\r\n[DONE]\r\n");
	harness_join(h);
	assert_in_range(call.ms, 0, 900);
	usleep(100000);
	say(fd, "0\r\n\r\n");
	usleep(100000);
	call.pieces = call.close_early = false;
	harness_begin(h, run_call);
	free(hear(fd, "{}", 3000));
	say(fd, OK_HEAD "Content-Length: 2\r\n\r\nok");
	harness_join(h);
	assert_true(call.reused);

	call.pieces = call.close_early = true; /* and if it never comes the connection is closed */
	harness_begin(h, run_call);
	free(hear(fd, "{}", 3000));
	say(fd, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n6\r\n[DONE]\r\n");
	harness_join(h);
	assert_false(closes(fd, 500));
	assert_true(closes(fd, 1500));
	close(fd);
}

static void test_idle_connections_are_closed_after_their_time(void **state)
{
	struct harness *h = *state;
	int fd;

	h->client_options.idle_ms = 150;
	harness_start(h);
	harness_begin(h, run_call);
	fd = serve(OK_HEAD "Content-Length: 2\r\n\r\nok");
	harness_join(h);
	assert_true(closes(fd, 1000));
	close(fd);
}

static void test_gzip_is_decoded_though_not_asked_for(void **state)
{
	struct harness *h = *state;
	unsigned char zipped[4096];
	static char plain[60000];
	char head[200];
	z_stream z = { 0 };
	int fd, n;

	for (size_t i = 0; i < sizeof plain; i++)
		plain[i] = (char)('a' + i * i % 7);
	deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
	z.next_in = (Bytef *)plain;
	z.avail_in = sizeof plain;
	z.next_out = zipped;
	z.avail_out = sizeof zipped;
	assert_int_equal(Z_STREAM_END, deflate(&z, Z_FINISH));
	n = snprintf(head, sizeof head,
		     OK_HEAD "Content-Encoding: gzip\r\nContent-Length: %lu\r\n\r\n", z.total_out);
	deflateEnd(&z);
	harness_start(h);
	for (int i = 0; i < 2; i++) {
		call.pieces = i;
		harness_begin(h, run_call);
		fd = take();
		free(hear(fd, "{}", 3000));
		say_n(fd, head, (size_t)n);
		for (size_t k = 0; k < z.total_out; k += 100) {
			say_n(fd, (char *)zipped + k,
			      z.total_out - k < 100 ? z.total_out - k : 100);
			usleep(500);
		}
		harness_join(h);
		assert_int_equal(ERR_NONE, call.kind);
		assert_int_equal(sizeof plain, call.nbody);
		assert_memory_equal(plain, call.body, sizeof plain);
		close(fd);
		usleep(20000);
	}
}

static void test_a_large_request_survives_a_slow_upstream(void **state)
{
	struct harness *h = *state;
	size_t n = 8 << 20, got = 0;
	char *big = malloc(n), block[65536];
	int fd;

	assert_non_null(big);
	memset(big, 'x', n);
	call.send.body = (struct bytes){ big, n };
	harness_start(h);
	harness_begin(h, run_call);
	fd = take();
	usleep(100000);
	while (got < n) {
		ssize_t r = recv(fd, block, sizeof block, 0);

		assert_true(r > 0);
		got += (size_t)r;
	}
	say(fd, OK_HEAD "Content-Length: 2\r\n\r\nok");
	harness_join(h);
	assert_string_equal("ok", call.body);
	close(fd);
	free(big);
}

static void test_an_answer_before_the_request_was_read_is_an_answer(void **state)
{
	struct harness *h = *state;
	size_t n = 32 << 20;
	char *big = malloc(n), block[1024];
	int fd;

	assert_non_null(big);
	memset(big, 'x', n);
	call.send.body = (struct bytes){ big, n };
	harness_start(h);
	harness_begin(h, run_call);
	fd = take();
	assert_true(recv(fd, block, sizeof block, 0) > 0);
	say(fd, "HTTP/1.1 413 Payload Too Large\r\nContent-Length: 3\r\n\r\nbig");
	harness_join(h);
	assert_int_equal(413, call.status);
	assert_string_equal("big", call.body);
	close(fd);
	free(big);
}

static void test_head_has_no_body(void **state)
{
	struct harness *h = *state;
	int fd;
	char *got;

	call.send.method = B("HEAD");
	call.send.body = (struct bytes){ 0 };
	harness_start(h);
	for (int i = 0; i < 2; i++) {
		harness_begin(h, run_call);
		if (i == 0)
			fd = take();
		got = hear(fd, "\r\n\r\n", 3000);
		assert_null(strstr(got, "content-length"));
		free(got);
		say(fd, OK_HEAD "Content-Length: 100\r\n\r\n");
		harness_join(h);
		assert_int_equal(ERR_NONE, call.kind);
		assert_int_equal(i, call.reused);
	}
	close(fd);
}

static void test_header_injection_is_refused(void **state)
{
	static const struct http_header bad = { B("x"), B("a\r\nb: c") };
	struct harness *h = *state;

	call.send.headers = &bad;
	call.send.nheaders = 1;
	harness_start(h);
	harness_begin(h, run_call);
	close(take());
	harness_join(h);
	assert_int_equal(ERR_CONFIG, call.kind);
}

static void test_plain_requests_go_through_the_proxy_whole(void **state)
{
	struct harness *h = *state;
	char proxy[64], *got;
	int fd;

	snprintf(proxy, sizeof proxy, "http://user:p%%40ss@127.0.0.1:%u", up_port);
	h->client_options.http_proxy = proxy;
	h->client_options.no_proxy = "other.example, .internal";
	snprintf(call.url, sizeof call.url, "http://api.example/v1?x");
	harness_start(h);
	harness_begin(h, run_call);
	fd = take();
	got = hear(fd, "{}", 3000);
	assert_string_equal(
		"POST http://api.example/v1?x HTTP/1.1\r\nhost: api.example\r\n"
		"proxy-authorization: Basic dXNlcjpwQHNz\r\ncontent-length: 2\r\n\r\n{}",
		got);
	free(got);
	say(fd, OK_HEAD "Content-Length: 2\r\n\r\nok");
	harness_join(h);
	assert_string_equal("ok", call.body);
	close(fd);
}

static void test_tls_asks_the_proxy_for_a_tunnel(void **state)
{
	struct harness *h = *state;
	char proxy[64], *got;
	int fd;

	snprintf(proxy, sizeof proxy, "127.0.0.1:%u", up_port);
	h->client_options.https_proxy = proxy;
	snprintf(call.url, sizeof call.url, "https://api.example/v1");
	harness_start(h);
	harness_begin(h, run_call);
	fd = take();
	got = hear(fd, "\r\n\r\n", 3000);
	assert_string_equal("CONNECT api.example:443 HTTP/1.1\r\nhost: api.example:443\r\n\r\n",
			    got);
	free(got);
	say(fd, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
	harness_join(h);
	assert_int_equal(ERR_IO, call.kind);
	assert_string_equal("the proxy answered 407 Proxy Authentication Required", call.message);
	close(fd);
}

/* ---- through the server: a client that leaves takes the upstream call along ---- */

static void relay(struct exchange *ex)
{
	struct harness *h = ex->user;
	struct url u;
	struct http_call *c;
	struct bytes piece;
	struct http_send s = { .url = &u,
			       .method = B("POST"),
			       .body = B("{}"),
			       .head_deadline = TIME_NEVER,
			       .arena = ex->arena };

	if (url_parse(bytes_of(call.url), ex->arena, &u) || !(c = http_send(h->client, &s))) {
		exchange_respond(ex, 502, (struct bytes){ 0 }, B(""));
		return;
	}
	exchange_stream_begin(ex, 200, B("text/event-stream"));
	while (http_call_read(c, &piece) > 0)
		if (exchange_stream_write(ex, piece) || exchange_stream_flush(ex))
			break;
	exchange_stream_end(ex);
	http_call_close(c);
}

static int start_relay(void **state)
{
	return start_with(state, relay);
}

static void test_a_relayed_stream_arrives_event_by_event(void **state)
{
	struct harness *h = *state;
	int down, fd;

	harness_start(h);
	down = dial(h->port);
	say(down, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	fd = serve(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
	free(hear(down, "3\r\none\r\n", 3000));
	say(fd, "3\r\ntwo\r\n");
	expect_text(down, "two\r\n", "3\r\ntwo\r\n");
	say(fd, "0\r\n\r\n");
	expect_text(down, "0\r\n\r\n", "0\r\n\r\n");
	close(down);
	close(fd);
}

static void test_a_client_that_leaves_takes_the_upstream_call_along(void **state)
{
	struct harness *h = *state;
	int down, fd;

	harness_start(h);
	for (int when = 0; when < 3; when++) {
		down = dial(h->port);
		say(down, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
		fd = serve(when ? OK_HEAD "Transfer-Encoding: chunked\r\n\r\n" : "");
		if (when == 2) {
			say(fd, "3\r\none\r\n");
			free(hear(down, "3\r\none\r\n", 3000));
		}
		usleep(20000);
		close(down);
		/* a stream that has nothing to ask with learns of it by its next bytes */
		for (int i = 0; when && i < 20 && !closes(fd, 50); i++)
			say(fd, "3\r\ntwo\r\n");
		assert_true(closes(fd, 3000));
		close(fd);
	}
}

static void test_a_slow_client_slows_the_upstream(void **state)
{
	struct harness *h = *state;
	static char block[65536];
	struct pollfd w;
	size_t sent = 0;
	int down, fd, rcv = 32768;

	harness_start(h);
	down = dial(h->port);
	setsockopt(down, SOL_SOCKET, SO_RCVBUF, &rcv, sizeof rcv);
	say(down, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	fd = serve(OK_HEAD "\r\n");
	w = (struct pollfd){ .fd = fd, .events = POLLOUT };
	while (sent < (256u << 20) && poll(&w, 1, 300) > 0) {
		ssize_t n = send(fd, block, sizeof block, MSG_NOSIGNAL | MSG_DONTWAIT);

		assert_true(n > 0);
		sent += (size_t)n;
	}
	assert_true(sent < 64u << 20); /* socket buffers, nothing of ours */
	close(down);
	assert_true(closes(fd, 2000));
	close(fd);
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
#define R(f) cmocka_unit_test_setup_teardown(f, start_relay, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_call_and_its_answer),
		T(test_every_form_of_body),
		T(test_an_answer_cut_at_every_byte_is_the_same),
		T(test_chunks_of_one_read_come_as_one_piece),
		T(test_bad_answers_are_errors_of_their_kind),
		T(test_a_head_without_end_is_too_large),
		T(test_a_body_over_the_readers_maximum),
		T(test_refused_connections_say_so),
		T(test_names_that_do_not_exist_say_so),
		T(test_names_are_resolved),
		T(test_the_head_has_a_deadline),
		T(test_connecting_has_its_own_deadline_and_the_callers),
		T(test_silence_in_the_body_has_a_deadline),
		T(test_an_answer_that_is_reset_in_its_middle_ends_at_once),
		T(test_an_idle_connection_closed_by_its_server_is_not_used),
		T(test_a_reused_connection_that_dies_unanswered_is_stale),
		T(test_fresh_leaves_the_pool_alone),
		T(test_connections_that_may_not_be_reused_are_closed),
		T(test_the_end_of_a_stream_is_read_in_the_background),
		T(test_idle_connections_are_closed_after_their_time),
		T(test_gzip_is_decoded_though_not_asked_for),
		T(test_a_large_request_survives_a_slow_upstream),
		T(test_an_answer_before_the_request_was_read_is_an_answer),
		T(test_head_has_no_body),
		T(test_header_injection_is_refused),
		T(test_plain_requests_go_through_the_proxy_whole),
		T(test_tls_asks_the_proxy_for_a_tunnel),
		R(test_a_relayed_stream_arrives_event_by_event),
		R(test_a_client_that_leaves_takes_the_upstream_call_along),
		R(test_a_slow_client_slows_the_upstream),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
