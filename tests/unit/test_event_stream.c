/* net/event_stream.c: the frames of providers-others §11.3, cut anywhere, and with each bit flipped. */
#include "unit.h"

#include <stdlib.h>

#include "base/error.h"
#include "net/event_stream.h"

static const char *const frames[] = {
	"0000009400000057b4ab9aee0b3a6576656e742d74797065070011636f6e7465"
	"6e74426c6f636b44656c74610d3a636f6e74656e742d74797065070010617070"
	"6c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576"
	"656e747b22636f6e74656e74426c6f636b496e646578223a302c2264656c7461"
	"223a7b2274657874223a224869227d7d1f944657",
	"0000008800000061de0175f40f3a657863657074696f6e2d7479706507001374"
	"68726f74746c696e67457863657074696f6e0d3a636f6e74656e742d74797065"
	"0700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970"
	"65070009657863657074696f6e7b226d657373616765223a22736c6f7720646f"
	"776e227d832ee072",
	"00000077000000593c670ae60d3a6d6573736167652d747970650700056576656e740b3a6576656e742d7479706507000b5061796c6f6164506172740d3a636f6e74656e742d747970650700186170"
	"706c69636174696f6e2f6f637465742d73747265616d646174613a205b444f4e455d0a0ae8f53808",
	"000000100000000005c248eb7d98c8ff",
};

static const char told[] =
	"[event contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"Hi\"}}]"
	"[exception throttlingException {\"message\":\"slow down\"}]"
	"[event PayloadPart data: [DONE]\n\n]"
	"[other  ]";

static size_t read_hex(const char *hex, char *out)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++)
		out[i] = (char)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
	return n;
}

static size_t all_frames(char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < COUNT(frames); i++)
		n += read_hex(frames[i], out + n);
	return n;
}

/* All that can be read, told as text. */
static int tell(struct event_stream *s, struct buf *out)
{
	static const char *const names[] = { "event", "exception", "error", "other" };
	struct frame f;
	int r;

	while ((r = event_stream_next(s, &f)) == 1) {
		buf_printf(out, "[%s %.*s ", names[f.kind], BFMT(f.name));
		buf_append(out, f.message);
		buf_append(out, f.payload);
		buf_putc(out, ']');
	}
	return r;
}

/* In pieces of that size, each in memory of its own. */
static int tell_pieces(struct bytes in, size_t size, struct buf *out)
{
	struct event_stream s;
	int r = 0;

	event_stream_init(&s);
	while (in.n && r == 0) {
		size_t n = in.n < size ? in.n : size;
		char *piece = malloc(n);

		memcpy(piece, in.p, n);
		event_stream_feed(&s, (struct bytes){ piece, n });
		r = tell(&s, out);
		free(piece);
		in = bytes_slice(in, n, in.n);
	}
	if (r == 0)
		r = event_stream_end(&s);
	event_stream_deinit(&s);
	return r;
}

/* providers-others §13 B9: one byte at a time, all at once, and everything between. */
static void test_frames_cut_anywhere(void **state)
{
	char bytes[1024];
	struct bytes in = { bytes, all_frames(bytes) };
	struct buf out;

	(void)state;
	assert_int_equal(in.n, 148 + 136 + 119 + 16);
	buf_init(&out, 4096);
	for (size_t size = 1; size <= in.n; size++) {
		buf_reset(&out);
		assert_int_equal(tell_pieces(in, size, &out), 0);
		assert_bytes(buf_bytes(&out), told);
	}
	buf_deinit(&out);
}

static void test_two_pieces_cut_at_every_byte(void **state)
{
	char bytes[1024];
	struct bytes in = { bytes, all_frames(bytes) };
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	for (size_t at = 0; at <= in.n; at++) {
		struct event_stream s;

		buf_reset(&out);
		event_stream_init(&s);
		event_stream_feed(&s, bytes_slice(in, 0, at));
		assert_int_equal(tell(&s, &out), 0);
		event_stream_feed(&s, bytes_slice(in, at, in.n));
		assert_int_equal(tell(&s, &out), 0);
		assert_bytes(buf_bytes(&out), told);
		event_stream_deinit(&s);
	}
	buf_deinit(&out);
}

/* providers-others §13 B12: no flipped bit goes unseen. */
static void test_every_bit_flipped(void **state)
{
	char bytes[256];
	size_t n = read_hex(frames[0], bytes);
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	for (size_t bit = 0; bit < 8 * n; bit++) {
		bytes[bit / 8] ^= (char)(1 << bit % 8);
		buf_reset(&out);
		error_clear();
		assert_int_equal(tell_pieces((struct bytes){ bytes, n }, 7, &out), -1);
		assert_int_equal(error_last()->kind, ERR_PROTOCOL);
		assert_int_equal(out.len, 0);
		assert_true(bytes_find(error_last()->message,
				       bit < 96 ? B("the checksum of its lengths is wrong")
						: B("the checksum of the message is wrong")) > 0);
		bytes[bit / 8] ^= (char)(1 << bit % 8);
	}
	buf_deinit(&out);
}

static void test_a_stream_that_ends_in_a_frame(void **state)
{
	char bytes[256];
	size_t n = read_hex(frames[0], bytes);
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	for (size_t cut = 1; cut < n; cut++) {
		assert_int_equal(tell_pieces((struct bytes){ bytes, cut }, 5, &out), -1);
		assert_true(bytes_find(error_last()->message, B("ended in its middle")) > 0);
	}
	assert_int_equal(tell_pieces((struct bytes){ bytes, 0 }, 5, &out), 0);
	buf_deinit(&out);
}

/* ---- frames made here ---- */

#include <zlib.h>

static void put_u32(struct buf *b, uint32_t n)
{
	char four[4] = { (char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n };

	buf_append(b, (struct bytes){ four, 4 });
}

static void put_checksum(struct buf *b)
{
	put_u32(b, (uint32_t)crc32(0, (const Bytef *)b->data, (uInt)b->len));
}

static void put_frame(struct buf *b, struct bytes headers, struct bytes payload)
{
	put_u32(b, (uint32_t)(16 + headers.n + payload.n));
	put_u32(b, (uint32_t)headers.n);
	put_checksum(b);
	buf_append(b, headers);
	buf_append(b, payload);
	put_checksum(b);
}

/* Of every type; only strings matter, and the rest is skipped by its own length. */
static void test_headers_of_every_type(void **state)
{
	struct buf b, out;

	(void)state;
	buf_init(&b, 4096);
	buf_init(&out, 4096);
	put_frame(&b,
		  B("\1a\0"
		    "\1b\1"
		    "\1c\2x"
		    "\1d\3xx"
		    "\1e\4xxxx"
		    "\1f\5xxxxxxxx"
		    "\1g\6\0\3xxx"
		    "\1h\10xxxxxxxx"
		    "\1i\11xxxxxxxxxxxxxxxx"
		    "\15:message-type\7\0\5error"
		    "\13:error-code\7\0\5Oops!"
		    "\16:error-message\7\0\3why"),
		  B(""));
	assert_int_equal(tell_pieces(buf_bytes(&b), b.len, &out), 0);
	assert_bytes(buf_bytes(&out), "[error Oops! why]");
	buf_deinit(&b);
	buf_deinit(&out);
}

static void test_broken_headers(void **state)
{
	static const struct bytes headers[] = { B("\0a\7\0\1x"), B("\2a"), B("\1a\7\0\5x"),
						B("\1a\12x"),    B("\1a"), B("\1a\5xxx"),
						B("\1a\7\0") };
	struct buf b, out;

	(void)state;
	buf_init(&b, 4096);
	buf_init(&out, 4096);
	for (size_t i = 0; i < COUNT(headers); i++) {
		buf_reset(&b);
		put_frame(&b, headers[i], B("x"));
		assert_int_equal(tell_pieces(buf_bytes(&b), b.len, &out), -1);
		assert_true(bytes_find(error_last()->message, B("headers are broken")) > 0);
	}
	buf_deinit(&b);
	buf_deinit(&out);
}

/* Right checksums, wrong lengths: refused at the lengths, before anything waits for so much. */
static void test_impossible_lengths(void **state)
{
	static const struct {
		uint32_t total, headers;
		const char *words;
	} cases[] = {
		{ 15, 0, "impossible" },
		{ 0, 0, "impossible" },
		{ 16, 1, "impossible" },
		{ 20, UINT32_MAX, "impossible" },
		{ 16 + EVENT_STREAM_MAX_PAYLOAD + 1, 0, "too long" },
		{ UINT32_MAX, 0, "too long" },
		{ 16 + EVENT_STREAM_MAX_HEADERS + 2, EVENT_STREAM_MAX_HEADERS + 1, "too long" },
	};
	struct buf b, out;

	(void)state;
	buf_init(&b, 4096);
	buf_init(&out, 4096);
	for (size_t i = 0; i < COUNT(cases); i++) {
		buf_reset(&b);
		put_u32(&b, cases[i].total);
		put_u32(&b, cases[i].headers);
		put_checksum(&b);
		assert_int_equal(tell_pieces(buf_bytes(&b), 3, &out), -1);
		assert_true(bytes_find(error_last()->message, bytes_of(cases[i].words)) > 0);
	}
	buf_deinit(&b);
	buf_deinit(&out);
}

static void test_the_longest_payload(void **state)
{
	char *payload = malloc(EVENT_STREAM_MAX_PAYLOAD);
	struct buf b, out;

	(void)state;
	memset(payload, 'x', EVENT_STREAM_MAX_PAYLOAD);
	buf_init(&b, EVENT_STREAM_MAX_PAYLOAD + 4096);
	buf_init(&out, EVENT_STREAM_MAX_PAYLOAD + 4096);
	put_frame(&b, B("\15:message-type\7\0\5event"),
		  (struct bytes){ payload, EVENT_STREAM_MAX_PAYLOAD });
	assert_int_equal(tell_pieces(buf_bytes(&b), 65536, &out), 0);
	assert_int_equal(out.len, EVENT_STREAM_MAX_PAYLOAD + strlen("[event  ]"));
	buf_deinit(&b);
	buf_deinit(&out);
	free(payload);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_cut_anywhere),
		cmocka_unit_test(test_two_pieces_cut_at_every_byte),
		cmocka_unit_test(test_every_bit_flipped),
		cmocka_unit_test(test_a_stream_that_ends_in_a_frame),
		cmocka_unit_test(test_headers_of_every_type),
		cmocka_unit_test(test_broken_headers),
		cmocka_unit_test(test_impossible_lengths),
		cmocka_unit_test(test_the_longest_payload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
