/* Reading messages: limits to the byte, what is refused and how, where a message ends, what is kept of it. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "net/http_message.h"

#define MAX_HEAD    200u
#define MAX_HEADERS 4u

enum { REQUEST, ANSWER, ANSWER_TO_HEAD };

static struct arena arena;
static struct http_message m;
static char pieces[1 << 16]; /* bodies lie in it */
static struct buf body;
static size_t left; /* of the last piece that was no more of the message */

static struct bytes http_message_get(const struct http_message *from, struct bytes name)
{
	return http_header_get(from->headers, from->nheaders, name);
}

static void begin(int kind)
{
	arena_deinit(&arena);
	arena_init(&arena, 1 << 20);
	buf_reset(&body);
	if (kind == REQUEST)
		http_request_init(&m, &arena, MAX_HEAD, MAX_HEADERS);
	else
		http_response_init(&m, &arena, MAX_HEAD, MAX_HEADERS, kind == ANSWER_TO_HEAD);
}

/* 0, or the status that a server answers. */
static int push(struct bytes text, size_t step)
{
	for (size_t at = 0; at < text.n; at += step) {
		struct bytes part = bytes_slice(text, at, step);
		size_t used;

		memcpy(pieces, part.p, part.n);
		if (http_message_push(&m, pieces, part.n, at % 2, &used))
			return m.bad_status;
		assert_true(used <= part.n);
		assert_int_equal(buf_append(&body, m.body), 0);
		left = part.n - used + (text.n - at - part.n);
		if (m.complete)
			break;
	}
	return 0;
}

/* The same whole, in halves of any size, and byte by byte. */
static void expect(int kind, const char *text, int status, const char *bad)
{
	struct bytes all = bytes_of(text);

	for (size_t step = 1; step <= all.n; step++) {
		int got;

		begin(kind);
		got = push(all, step);
		if (got != status || (bad && strcmp(bad, m.bad)))
			fail_msg("by %zu: %d %s, want %d %s: %.80s", step, got, got ? m.bad : "-",
				 status, bad ? bad : "-", text);
		if (status)
			assert_int_equal(error_last()->kind,
					 status == 414 || (status == 431 && !m.head_done)
						 ? ERR_TOO_LARGE
						 : ERR_PROTOCOL);
	}
}

static const char *padded(const char *front, size_t n, const char *back)
{
	static char text[8192];
	size_t at = strlen(front);

	memcpy(text, front, at);
	memset(text + at, 'a', n);
	strcpy(text + at + n, back);
	return text;
}

/* What counts is the head up to the end of the last value. */
static void test_a_head_may_be_as_long_as_its_limit(void **state)
{
	static const char front[] = "GET / HTTP/1.1\r\nHost: x\r\nA: ";
	size_t fits = MAX_HEAD - (sizeof front - 1);

	(void)state;
	begin(REQUEST);
	assert_int_equal(push(bytes_of(padded(front, fits, "\r\n\r\n")), 8192), 0);
	assert_true(m.complete);
	assert_int_equal(http_message_get(&m, B("a")).n, fits);
	begin(REQUEST);
	assert_int_equal(push(bytes_of(padded(front, fits + 1, "\r\n\r\n")), 8192), 431);
	assert_string_equal(m.bad, "the headers are too long");
	/* in pieces it is refused before its end */
	begin(REQUEST);
	assert_int_equal(push(bytes_of(padded(front, fits - 4, "\r\n\r\n")), 1), 0);
	begin(REQUEST);
	assert_int_equal(push(bytes_of(padded(front, fits + 1, "")), 1), 431);
	begin(ANSWER);
	assert_int_equal(push(bytes_of(padded("HTTP/1.1 200 ", MAX_HEAD, "")), 1), 431);
	assert_string_equal(m.bad, "the headers are too long");
}

static void test_a_request_line_over_the_limit_is_its_own_fault(void **state)
{
	(void)state;
	begin(REQUEST);
	assert_int_equal(
		push(bytes_of(padded("GET /", MAX_HEAD - 2, " HTTP/1.1\r\nHost: x\r\n\r\n")), 8192),
		431);
	begin(REQUEST);
	assert_int_equal(
		push(bytes_of(padded("GET /", MAX_HEAD - 1, " HTTP/1.1\r\nHost: x\r\n\r\n")), 8192),
		414);
	assert_string_equal(m.bad, "the request line is too long");
	begin(REQUEST);
	assert_int_equal(push(bytes_of(padded("GET /", MAX_HEAD, "")), 1), 414);
	assert_string_equal(m.bad, "the request line is too long");
	assert_int_equal(error_last()->kind, ERR_TOO_LARGE);
}

static void test_headers_are_counted(void **state)
{
	(void)state;
	expect(REQUEST, "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\nC: d\r\nE: f\r\n\r\n", 0, NULL);
	assert_int_equal(m.nheaders, 4);
	expect(REQUEST, "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\nC: d\r\nE: f\r\nG: h\r\n\r\n", 431,
	       "too many headers");
	/* an interim answer's are not the answer's */
	expect(ANSWER,
	       "HTTP/1.1 103 Early\r\nA: b\r\nC: d\r\n\r\nHTTP/1.1 204 No\r\nE: f\r\nG: h\r\nI: j\r\nK: l\r\n\r\n",
	       0, NULL);
	assert_int_equal(m.nheaders, 4);
	assert_int_equal(m.status, 204);
	assert_true(bytes_eq(http_message_get(&m, B("e")), B("f")));
	assert_false(bytes_set(http_message_get(&m, B("a"))));
}

static void test_trailers_and_extensions_have_the_same_limit(void **state)
{
	static const char head[] =
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
	char text[16384];

	(void)state;
	for (int over = 0; over < 2; over++) {
		snprintf(text, sizeof text, "%s0\r\nA: %s", head,
			 padded("", MAX_HEAD - 1 + (size_t)over, "\r\n\r\n"));
		begin(REQUEST);
		assert_int_equal(push(bytes_of(text), sizeof text), over ? 431 : 0);
		assert_int_equal(m.complete, !over);
		if (over)
			assert_int_equal(error_last()->kind, ERR_PROTOCOL);
		snprintf(text, sizeof text, "%s1;%s", head,
			 padded("", MAX_HEAD - 1 + (size_t)over, "=b\r\na\r\n0\r\n\r\n"));
		begin(REQUEST);
		assert_int_equal(push(bytes_of(text), sizeof text), over ? 431 : 0);
		if (over)
			assert_string_equal(m.bad, "trailers or chunk extensions are too long");
	}
}

static void test_requests_that_are_refused_say_why(void **state)
{
	static const struct {
		const char *text;
		int status;
		const char *bad;
	} cases[] = {
		{ "GET / HTTP/1.1\r\n\r\n", 400, "no host header" },
		{ "GET / HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n", 400,
		  "more than one host header" },
		{ "GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", 400,
		  "more than one host header" },
		{ "GET / HTTP/1.0\r\n\r\n", 0, NULL },
		{ "GET / HTTP/1.2\r\nHost: x\r\n\r\n", 400, NULL },
		{ "GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, "HTTP version is not 1.0 or 1.1" },
		{ "GET / HTTP/0.9\r\n\r\n", 505, "HTTP version is not 1.0 or 1.1" },
		{ "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400,
		  "more than one blank in the request line" },
		{ "GET /  HTTP/1.1\r\nHost: x\r\n\r\n", 400,
		  "more than one blank in the request line" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n", 417, "unknown expectation" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n", 400, NULL },
		{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
		  "transfer-encoding in HTTP/1.0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		expect(REQUEST, cases[i].text, cases[i].status, cases[i].bad);
}

static void test_answers_that_are_refused_say_why(void **state)
{
	static const char unusable[] = "an answer with an unusable status";

	(void)state;
	expect(ANSWER, "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", 502, unusable);
	expect(ANSWER, "HTTP/1.1 099 Odd\r\n\r\n", 502, unusable);
	expect(ANSWER,
	       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	       0, NULL);
	assert_int_equal(m.status, 200);
	expect(ANSWER, "HTTP/2.0 200 OK\r\n\r\n", 505, "HTTP version is not 1.0 or 1.1");
	expect(ANSWER, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 400,
	       "unknown transfer-encoding");
	expect(ANSWER, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, NULL); /* no host */
}

static void test_where_a_message_ends(void **state)
{
	static const struct {
		int kind;
		const char *text, *body;
		size_t left;
		bool complete, keep_alive, has_length, chunked, expect;
	} cases[] = {
		{ REQUEST, "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET", "", 3, true, true, false, false,
		  false },
		{ REQUEST, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "", 0, true,
		  false, false, false, false },
		{ REQUEST, "GET / HTTP/1.0\r\n\r\n", "", 0, true, false, false, false, false },
		{ REQUEST, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "", 0, true, true,
		  false, false, false },
		{ REQUEST,
		  "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\nabcde",
		  "abc", 2, true, true, true, false, true },
		{ REQUEST,
		  "POST / HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc", "abc",
		  0, true, false, true, false, false },
		{ REQUEST,
		  "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: CHUNKED\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: u\r\n\r\nZ",
		  "abc", 1, true, true, false, true, false },
		{ REQUEST, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab", "ab", 0,
		  false, false, true, false, false },
		{ ANSWER, "HTTP/1.1 200 OK\r\n\r\nabc", "abc", 0, false, false, false, false,
		  false },
		{ ANSWER, "HTTP/1.1 304 Not\r\nContent-Length: 9\r\n\r\n", "", 0, true, true, true,
		  false, false },
		{ ANSWER_TO_HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "", 0, true, true,
		  true, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t step = 1; step < 200; step += 11) {
			begin(cases[i].kind);
			assert_int_equal(push(bytes_of(cases[i].text), step), 0);
			if (!bytes_eq(buf_bytes(&body), bytes_of(cases[i].body)) ||
			    left != cases[i].left || m.complete != cases[i].complete ||
			    m.keep_alive != cases[i].keep_alive ||
			    m.has_length != cases[i].has_length || m.chunked != cases[i].chunked ||
			    m.expect != cases[i].expect)
				fail_msg("case %zu by %zu: \"%.*s\" left %zu: %d%d%d%d%d", i, step,
					 BFMT(buf_bytes(&body)), left, m.complete, m.keep_alive,
					 m.has_length, m.chunked, m.expect);
		}
}

static void test_an_end_of_the_connection_ends_only_what_has_no_other_end(void **state)
{
	static const struct {
		int kind;
		const char *text;
		int eof;
	} cases[] = {
		{ ANSWER, "HTTP/1.1 200 OK\r\n\r\nabc", 0 },
		{ ANSWER, "HTTP/1.0 200 OK\r\n\r\n", 0 },
		{ ANSWER, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", -1 },
		{ ANSWER, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", -1 },
		{ ANSWER, "HTTP/1.1 200 OK\r\n", -1 },
		{ ANSWER, "HTTP/1.1 100 Continue\r\n\r\n", -1 },
		{ REQUEST, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabc", -1 },
		{ REQUEST, "GET / HTT", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		begin(cases[i].kind);
		assert_int_equal(push(bytes_of(cases[i].text), 1000), 0);
		assert_int_equal(http_message_eof(&m), cases[i].eof);
		assert_int_equal(m.complete, cases[i].eof == 0);
		assert_false(m.keep_alive);
		if (cases[i].eof)
			assert_int_equal(error_last()->kind, ERR_CLOSED);
	}
}

static void test_strings_are_those_of_the_head(void **state)
{
	static const char text[] =
		"DELETE /a%20b?c=d#e HTTP/1.1\r\nHost:x\r\nA:  b\tc \t\r\nEmpty:\r\nA: second\r\n\r\n";

	(void)state;
	for (size_t step = 1; step < sizeof text; step++) {
		begin(REQUEST);
		assert_int_equal(push(bytes_of(text), step), 0);
		memset(pieces, 'X', sizeof pieces); /* the head is the message's own copy */
		assert_true(bytes_eq(m.method, B("DELETE")));
		assert_true(bytes_eq(m.target, B("/a%20b?c=d#e")));
		assert_int_equal(m.minor, 1);
		assert_int_equal(m.nheaders, 4);
		assert_true(bytes_eq(m.headers[1].name, B("A")));
		assert_true(bytes_eq(http_message_get(&m, B("a")), B("b\tc"))); /* the first */
		assert_true(bytes_eq(http_message_get(&m, B("EMPTY")), B("")));
		assert_true(bytes_eq(http_message_get(&m, B("host")), B("x")));
		assert_false(bytes_set(http_message_get(&m, B("none"))));
	}
}

/* For the log: the request line if it was read, nothing else. */
static void test_a_head_that_failed_leaves_its_request_line(void **state)
{
	static const char bad[] = "GET /x HTTP/1.1\r\nHost: x\r\nA\x01: b\r\n\r\n";

	(void)state;
	for (size_t step = 1; step < sizeof bad; step++) {
		begin(REQUEST);
		assert_int_equal(push(bytes_of(bad), step), 400);
		assert_true(bytes_eq(m.target, B("/x")));
		assert_true(bytes_eq(m.method, B("GET")));
		assert_int_equal(m.nheaders, 0);
		assert_false(m.complete);
	}
	begin(REQUEST);
	assert_int_equal(push(B("GET /never\x01 HTTP/1.1\r\n"), 100), 400);
	assert_true(bytes_eq(m.target, B("")));
	begin(REQUEST); /* its time is over */
	assert_int_equal(push(B("GET /slow HTTP/1.1\r\nHo"), 5), 0);
	http_message_give_up(&m);
	assert_true(bytes_eq(m.target, B("/slow")));
	assert_int_equal(m.nheaders, 0);
	begin(REQUEST);
	assert_int_equal(push(B("GET /slo"), 5), 0);
	http_message_give_up(&m);
	assert_true(bytes_eq(m.target, B("")));
	begin(REQUEST); /* nothing is given up of a head that is whole */
	assert_int_equal(push(B("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"), 100),
			 0);
	http_message_give_up(&m);
	assert_int_equal(m.nheaders, 2);
}

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	buf_init(&body, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_deinit(&body);
	arena_deinit(&arena);
	error_clear();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_head_may_be_as_long_as_its_limit),
		cmocka_unit_test(test_a_request_line_over_the_limit_is_its_own_fault),
		cmocka_unit_test(test_headers_are_counted),
		cmocka_unit_test(test_trailers_and_extensions_have_the_same_limit),
		cmocka_unit_test(test_requests_that_are_refused_say_why),
		cmocka_unit_test(test_answers_that_are_refused_say_why),
		cmocka_unit_test(test_where_a_message_ends),
		cmocka_unit_test(test_an_end_of_the_connection_ends_only_what_has_no_other_end),
		cmocka_unit_test(test_strings_are_those_of_the_head),
		cmocka_unit_test(test_a_head_that_failed_leaves_its_request_line),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
