/* Content codings: every split of the input, every size of output, garbage, cut streams, bombs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>

#include "base/error.h"
#include "net/decode.h"

#include <cmocka.h> /* after error.h: it makes a macro of fail() */

static const char text[] =
	"hello hello hello hello, brotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotlibrotli";

/* `text`, made by another program. */
static const char brotli[] = "\x82\x28\x00\xbf\x23\x75\xea\x73\x17\x2e\x41\xc4\xe4\x8a\x85\x2e\xd3"
			     "\xd8\xde\x72\x10\x61\x76\x4b\x00\x0e\x38\xc7\x4e\x37\x30\xfd\x00";
/* 10 MiB of "a" */
static const char brotli_bomb[] = "\xcb\xff\xff\x3f\xf8\x25\xc2\xe2\xb1\x40\x20\xf7\xfe\x2f\xff\xff"
				  "\x3f\xf0\x4b\x00\xc4\x61\x11\x80\xee\xfd\x07";

static struct bytes zlib_form(int window, char *out, size_t room)
{
	z_stream z = { 0 };

	deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY);
	z.next_in = (Bytef *)text;
	z.avail_in = sizeof text - 1;
	z.next_out = (Bytef *)out;
	z.avail_out = (unsigned)room;
	deflate(&z, Z_FINISH);
	deflateEnd(&z);
	return (struct bytes){ out, z.total_out };
}

/* Decodes pieces cut at `cut` with `room` bytes of output a step. -1 or the length, *done as it ends. */
static long run(enum coding coding, struct bytes in, size_t cut, size_t room, char *out, size_t max,
		bool *done)
{
	struct decoder *d = decoder_new(coding);
	size_t total = 0, n;
	long r = 0;

	for (int part = 0; part < 2 && r == 0; part++) {
		struct bytes piece = part ? bytes_slice(in, cut, in.n) : bytes_slice(in, 0, cut);

		do {
			size_t fits = room < max - total ? room : max - total;

			if (fits == 0 || decoder_step(d, &piece, out + total, fits, &n)) {
				r = -1;
				break;
			}
			total += n;
		} while (piece.n || n == room);
	}
	*done = decoder_done(d);
	decoder_free(d);
	return r ? r : (long)total;
}

static void expect_text(enum coding coding, struct bytes in, int times)
{
	static const size_t rooms[] = { 1, 7, 1000 };
	char out[2000];
	bool done;

	for (size_t cut = 0; cut <= in.n; cut++)
		for (size_t k = 0; k < 3; k++) {
			size_t n = sizeof text - 1;

			assert_int_equal(n * times,
					 run(coding, in, cut, rooms[k], out, sizeof out, &done));
			assert_true(done);
			for (int i = 0; i < times; i++)
				assert_memory_equal(text, out + i * n, n);
		}
	for (size_t end = 1; end < in.n / (size_t)times; end++) { /* cut short */
		long n = run(coding, bytes_slice(in, 0, end), end, 1000, out, sizeof out, &done);

		assert_true(n < 0 || !done);
	}
	error_clear();
}

static void test_each_coding(void **state)
{
	char b[2000], two[2000];
	struct bytes z;

	(void)state;
	z = zlib_form(15 + 16, b, sizeof b);
	expect_text(CODING_GZIP, z, 1);
	memcpy(two, b, z.n);
	memcpy(two + z.n, b, z.n);
	expect_text(CODING_GZIP, (struct bytes){ two, z.n * 2 }, 2); /* members follow each other */
	expect_text(CODING_DEFLATE, zlib_form(15, b, sizeof b), 1);
	expect_text(CODING_DEFLATE, zlib_form(-15, b, sizeof b), 1);
	expect_text(CODING_BR, (struct bytes){ brotli, sizeof brotli - 1 }, 1);
	z = (struct bytes){ b, ZSTD_compress(b, sizeof b, text, sizeof text - 1, 3) };
	expect_text(CODING_ZSTD, z, 1);
	memcpy(two, b, z.n);
	memcpy(two + z.n, b, z.n);
	expect_text(CODING_ZSTD, (struct bytes){ two, z.n * 2 }, 2);
}

static void test_garbage_is_refused(void **state)
{
	static const enum coding all[] = { CODING_GZIP, CODING_DEFLATE, CODING_BR, CODING_ZSTD };
	char out[2000], b[2000];
	struct bytes z;
	bool done;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(-1, run(all[i], B("\xff\xff\xff\xffno such thing at all"), 3, 100,
					 out, sizeof out, &done));
		assert_int_equal(ERR_PROTOCOL, error_last()->kind);
	}
	z = zlib_form(15 + 16, b, sizeof b); /* behind a good stream too */
	memcpy(b + z.n, "garbage", 7);
	assert_int_equal(
		-1, run(CODING_GZIP, (struct bytes){ b, z.n + 7 }, 5, 100, out, sizeof out, &done));
	error_clear();
}

static void test_nothing_is_a_whole_stream(void **state)
{
	char out[10];
	bool done;

	(void)state;
	for (int c = CODING_GZIP; c <= CODING_ZSTD; c++) {
		assert_int_equal(0,
				 run((enum coding)c, (struct bytes)B(""), 0, 10, out, 10, &done));
		assert_true(done);
	}
}

static void test_a_bomb_never_writes_past_its_room(void **state)
{
	struct decoder *d = decoder_new(CODING_BR);
	struct bytes in = { brotli_bomb, sizeof brotli_bomb - 1 };
	size_t total = 0, n;
	char *out = malloc(4096);

	(void)state;
	assert_non_null(out);
	do {
		assert_int_equal(0, decoder_step(d, &in, out, 4096, &n));
		assert_true(n <= 4096);
		total += n;
	} while (n == 4096);
	assert_int_equal(10 << 20, total);
	assert_true(decoder_done(d));
	decoder_free(d);
	free(out);
}

static void test_zstd_windows_are_limited(void **state)
{
	/* a frame header that asks for a window of 128 MiB */
	static const char frame[] = "\x28\xb5\x2f\xfd\x00\x88\x01\x00\x00";
	char out[10];
	bool done;

	(void)state;
	assert_int_equal(-1, run(CODING_ZSTD, (struct bytes){ frame, 9 }, 9, 10, out, 10, &done));
	error_clear();
}

static void test_names_of_codings(void **state)
{
	(void)state;
	assert_int_equal(CODING_IDENTITY, coding_of((struct bytes){ 0 }));
	assert_int_equal(CODING_IDENTITY, coding_of(B(" identity ")));
	assert_int_equal(CODING_GZIP, coding_of(B("GZip")));
	assert_int_equal(CODING_GZIP, coding_of(B("x-gzip")));
	assert_int_equal(CODING_BR, coding_of(B("br")));
	assert_int_equal(CODING_ZSTD, coding_of(B("zstd")));
	assert_int_equal(CODING_DEFLATE, coding_of(B("deflate")));
	assert_int_equal(CODING_UNKNOWN, coding_of(B("gzip, br")));
	assert_int_equal(CODING_UNKNOWN, coding_of(B("compress")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_coding),
		cmocka_unit_test(test_garbage_is_refused),
		cmocka_unit_test(test_nothing_is_a_whole_stream),
		cmocka_unit_test(test_a_bomb_never_writes_past_its_room),
		cmocka_unit_test(test_zstd_windows_are_limited),
		cmocka_unit_test(test_names_of_codings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
