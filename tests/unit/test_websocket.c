/* net/websocket: frames of clients, wherever they are cut, and what may not be (RFC 6455). */
#include "unit.h"

#include "net/websocket.h"

static void assert_got(const char *bytes, size_t n, enum ws_got want, int code)
{
	struct bytes in = { bytes, n };
	struct ws_reader r;
	enum ws_got got;

	ws_reader_init(&r, 64);
	got = ws_take(&r, &in);
	assert_int_equal(got, want);
	if (code)
		assert_int_equal(r.code, code);
	ws_reader_deinit(&r);
}

#define GOT(bytes, want, code) assert_got(bytes, sizeof(bytes) - 1, want, code)

static void test_what_may_not_be(void **state)
{
	(void)state;
	GOT("\x81\x01\x61", WS_GOT_NOTHING, 0);
	GOT("\x81\x01\x61\0\0\0", WS_GOT_WRONG, 1002);     /* not masked */
	GOT("\xc1\x81\0\0\0\0a", WS_GOT_WRONG, 1002);      /* reserved bits */
	GOT("\x82\x81\0\0\0\0a", WS_GOT_WRONG, 1003);      /* no text */
	GOT("\x80\x81\0\0\0\0a", WS_GOT_WRONG, 1002);      /* goes on with nothing */
	GOT("\x09\x80\0\0\0\0", WS_GOT_WRONG, 1002);       /* a ping in pieces */
	GOT("\x89\xfe\0\x7e\0\0\0\0", WS_GOT_WRONG, 1002); /* a long ping */
	GOT("\x8b\x80\0\0\0\0", WS_GOT_WRONG, 1002);
	GOT("\x83\x80\0\0\0\0", WS_GOT_WRONG, 1002);
	GOT("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", WS_GOT_WRONG, 1009);
	GOT("\x81\xc1\0\0\0\0", WS_GOT_WRONG, 1009);
	GOT("\x81\x81\0\0\0\0\xff", WS_GOT_WRONG, 1007);
	GOT("\x88\x80\0\0\0\0", WS_GOT_CLOSE, 0);
	GOT("\x8a\x80\0\0\0\0", WS_GOT_PONG, 0);
}

/* "hello" masked, a ping between the two frames of "ab", a close. */
static const char talk[] =
	"\x81\x85\x01\x02\x03\x04\x69\x67\x6f\x68\x6e\x01\x81\0\0\0\0a\x89\x82\0\0\0\0hi\x80\x81\0\0\0\0b\x88\x80\0\0\0\0";

static void test_frames_wherever_they_are_cut(void **state)
{
	(void)state;
	for (size_t cut = 0; cut < sizeof talk; cut++) {
		struct bytes pieces[2] = { { talk, cut },
					   { talk + cut,
					     sizeof talk - 1 - (cut < sizeof talk ? cut : 0) } };
		struct ws_reader r;
		char seen[64] = "";
		enum ws_got got;

		if (cut == sizeof talk - 1)
			pieces[1].n = 0;
		ws_reader_init(&r, 64);
		for (int i = 0; i < 2; i++)
			while ((got = ws_take(&r, &pieces[i])) != WS_GOT_NOTHING) {
				if (got == WS_GOT_TEXT)
					strncat(seen, r.message.data, r.message.len);
				if (got == WS_GOT_PING)
					strncat(seen, r.control, r.ncontrol);
				strcat(seen, got == WS_GOT_CLOSE ? "." : "|");
				if (got == WS_GOT_CLOSE)
					break;
			}
		assert_string_equal(seen, "hello|hi|ab|.");
		ws_reader_deinit(&r);
	}
}

static void test_what_goes_out(void **state)
{
	char accept[WS_ACCEPT + 1], text[70000];
	struct buf out;

	(void)state;
	assert_true(bytes_eq(ws_accept(B("dGhlIHNhbXBsZSBub25jZQ=="), accept),
			     B("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
	memset(text, 'x', sizeof text);
	buf_init(&out, 1u << 20);
	assert_int_equal(ws_put(&out, WS_TEXT, B("hi")), 0);
	assert_memory_equal(out.data, "\x81\x02hi", 4);
	buf_reset(&out);
	assert_int_equal(ws_put(&out, WS_TEXT, (struct bytes){ text, 300 }), 0);
	assert_memory_equal(out.data, "\x81\x7e\x01\x2cx", 5);
	buf_reset(&out);
	assert_int_equal(ws_put(&out, WS_TEXT, (struct bytes){ text, sizeof text }), 0);
	assert_memory_equal(out.data, "\x81\x7f\0\0\0\0\0\x01\x11\x70x", 11);
	buf_reset(&out);
	assert_int_equal(ws_put_close(&out, 1001), 0);
	assert_memory_equal(out.data, "\x88\x02\x03\xe9", 4);
	buf_deinit(&out);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_may_not_be),
		cmocka_unit_test(test_frames_wherever_they_are_cut),
		cmocka_unit_test(test_what_goes_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
