/*
 * The event-stream reader: every form of line end, and the same events wherever the bytes are cut
 * (providers-openai §8 #31, #33, #34, #79).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"
#include "net/sse.h"

#include <cmocka.h> /* after error.h: it makes a macro of fail() */

/* Renders events as "[name|data]". */
static void drain(struct sse *s, struct buf *out)
{
	struct sse_event ev;
	int r;

	while ((r = sse_next(s, &ev)) == 1)
		assert_int_equal(0, buf_printf(out, "[%.*s|%.*s]", BFMT(ev.event), BFMT(ev.data)));
	assert_int_equal(0, r);
}

static void finish(struct sse *s, struct buf *out)
{
	struct sse_event ev;

	if (sse_end(s, &ev))
		assert_int_equal(0,
				 buf_printf(out, "end[%.*s|%.*s]", BFMT(ev.event), BFMT(ev.data)));
	sse_deinit(s);
}

/* A piece on the heap of its exact size, so that the sanitizer sees a read past it. */
static void feed(struct sse *s, struct bytes piece, struct buf *out)
{
	char *copy = malloc(piece.n ? piece.n : 1);

	assert_non_null(copy);
	memcpy(copy, piece.p, piece.n);
	sse_feed(s, (struct bytes){ copy, piece.n });
	drain(s, out);
	free(copy);
}

static void expect(struct bytes in, const char *want)
{
	for (size_t i = 0; i <= in.n; i++) {
		for (size_t j = i; j <= in.n; j += (in.n > 60 ? 7 : 1)) {
			struct sse s;
			struct buf out;

			buf_init(&out, 1 << 20);
			sse_init(&s, 1 << 16);
			feed(&s, bytes_slice(in, 0, i), &out);
			feed(&s, bytes_slice(in, i, j - i), &out);
			feed(&s, bytes_slice(in, j, in.n - j), &out);
			finish(&s, &out);
			assert_int_equal(0, buf_putc(&out, 0));
			assert_string_equal(want, out.data);
			buf_deinit(&out);
		}
	}
}

static void test_lf_crlf_and_cr_end_lines(void **state)
{
	(void)state;
	expect(B("data: a\n\ndata: b\n\n"), "[|a][|b]");
	expect(B("data: a\r\n\r\ndata: b\r\n\r\n"), "[|a][|b]");
	expect(B("data: a\r\rdata: b\r\r"), "[|a][|b]");
	expect(B("data: a\r\n\ndata: b\n\r\n\r"), "[|a][|b]");
}

static void test_blank_after_the_colon_is_optional_and_only_one_is_taken(void **state)
{
	(void)state;
	expect(B("data:{\"a\":1}\n\ndata:  two\n\ndata:\n\ndata\n\n"), "[|{\"a\":1}][| two][|][|]");
}

static void test_data_lines_join_by_lf(void **state)
{
	(void)state;
	expect(B("data: a\ndata: b\ndata:\ndata: c\n\n"), "[|a\nb\n\nc]");
}

static void test_byte_order_mark_at_the_start_is_skipped(void **state)
{
	(void)state;
	expect(B("\xEF\xBB\xBF"
		 "data: a\n\n"),
	       "[|a]");
	expect(B("data: \xEF\xBB\xBF\n\n"), "[|\xEF\xBB\xBF]");
}

static void test_names_belong_to_one_event(void **state)
{
	(void)state;
	expect(B("event: ping\ndata: a\n\ndata: b\n\nevent: x\n\ndata: c\n\n"), "[ping|a][|b][|c]");
	expect(B("event: a\nevent: b\ndata: c\nevent: d\ndata: e\n\n"), "[d|c\ne]");
}

static void test_comments_ids_and_unknown_fields_are_passed_over(void **state)
{
	struct sse s;
	struct buf out;

	(void)state;
	expect(B(": OPENROUTER PROCESSING\n\n:\n\nid: 7\nretry: 10\nfoo: bar\ndata: a\n\n"),
	       "[|a]");
	buf_init(&out, 100);
	sse_init(&s, 100);
	feed(&s, B(": one\n\n:two\n"), &out);
	assert_int_equal(2, s.comments);
	finish(&s, &out);
	buf_deinit(&out);
}

static void test_multibyte_characters_survive_a_cut(void **state)
{
	(void)state;
	expect(B("data: {\"t\":\"h\xC3\xA9llo \xF0\x9F\x98\x80\"}\n\n"),
	       "[|{\"t\":\"h\xC3\xA9llo \xF0\x9F\x98\x80\"}]");
}

static void test_an_event_without_its_blank_line_comes_at_the_end(void **state)
{
	(void)state;
	expect(B("data: a\n\ndata: [DONE]"), "[|a]end[|[DONE]]");
	expect(B("data: a\n\nevent: x\ndata: b\n"), "[|a]end[x|b]");
	expect(B("data: a\n\nevent: x\n"), "[|a]");
	expect(B(""), "");
}

static void test_an_event_in_one_piece_is_not_copied(void **state)
{
	struct bytes in = B("event: e\ndata: abc\n\n");
	struct sse s;
	struct sse_event ev;

	(void)state;
	sse_init(&s, 100);
	sse_feed(&s, in);
	assert_int_equal(1, sse_next(&s, &ev));
	assert_ptr_equal(in.p + 15, ev.data.p);
	assert_ptr_equal(in.p + 7, ev.event.p);
	assert_int_equal(0, sse_next(&s, &ev));
	assert_null(s.data.data);
	assert_null(s.line.data);
	sse_deinit(&s);
}

static void test_an_event_over_the_maximum_is_an_error(void **state)
{
	static const struct bytes forms[] = {
		B("data: 123456789012345\n\n"),
		B("data: 12345678\ndata: 1234567\n\n"),
		{ "event: 123456789012345\ndata: 1\n\n", 31 },
		{ "1234567890123456789012345678901234567890123456789012345678901234567890123456789",
		  79 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		for (size_t cut = 0; cut <= forms[i].n; cut++) {
			struct sse s;
			struct sse_event ev;
			int r;

			sse_init(&s, 14);
			sse_feed(&s, bytes_slice(forms[i], 0, cut));
			r = sse_next(&s, &ev);
			if (r == 0) {
				sse_feed(&s, bytes_slice(forms[i], cut, forms[i].n));
				r = sse_next(&s, &ev);
			}
			assert_int_equal(-1, r);
			assert_int_equal(ERR_TOO_LARGE, error_last()->kind);
			sse_deinit(&s);
		}
	}
}

/* Also one that nobody would have read, as soon as it does not lie in one piece. */
static void test_a_kept_line_over_the_maximum_is_an_error(void **state)
{
	char text[100];

	(void)state;
	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = '\n';
	for (size_t cut = 1; cut < sizeof text - 1; cut++) {
		struct sse s;
		struct sse_event ev;
		int r;

		sse_init(&s, 14);
		sse_feed(&s, (struct bytes){ text, cut });
		r = sse_next(&s, &ev);
		if (r == 0) {
			sse_feed(&s, (struct bytes){ text + cut, sizeof text - cut });
			r = sse_next(&s, &ev);
		}
		assert_int_equal(-1, r);
		assert_int_equal(ERR_TOO_LARGE, error_last()->kind);
		sse_deinit(&s);
	}
}

static void test_sixteen_mib_of_carriage_returns_take_linear_time(void **state)
{
	size_t n = 16u << 20;
	char *cr = malloc(n);
	struct sse s;
	struct sse_event ev;

	(void)state;
	assert_non_null(cr);
	memset(cr, '\r', n);
	sse_init(&s, SSE_MAX_EVENT);
	sse_feed(&s, (struct bytes){ cr, n });
	assert_int_equal(0, sse_next(&s, &ev));
	sse_deinit(&s);
	free(cr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lf_crlf_and_cr_end_lines),
		cmocka_unit_test(test_blank_after_the_colon_is_optional_and_only_one_is_taken),
		cmocka_unit_test(test_data_lines_join_by_lf),
		cmocka_unit_test(test_byte_order_mark_at_the_start_is_skipped),
		cmocka_unit_test(test_names_belong_to_one_event),
		cmocka_unit_test(test_comments_ids_and_unknown_fields_are_passed_over),
		cmocka_unit_test(test_multibyte_characters_survive_a_cut),
		cmocka_unit_test(test_an_event_without_its_blank_line_comes_at_the_end),
		cmocka_unit_test(test_an_event_in_one_piece_is_not_copied),
		cmocka_unit_test(test_an_event_over_the_maximum_is_an_error),
		cmocka_unit_test(test_a_kept_line_over_the_maximum_is_an_error),
		cmocka_unit_test(test_sixteen_mib_of_carriage_returns_take_linear_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
