/*
 * AWS event streams: the same bytes, whole and cut in pieces by the input's own first byte, must give the same frames and
 * the same end. With the second byte odd, checksums are put right first, or the fuzzer would never get past them.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/error.h"
#include "net/event_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run(struct bytes in, size_t step, struct buf *out)
{
	struct event_stream s;
	struct frame f;
	int r = 0;

	event_stream_init(&s);
	while (in.n && r == 0) {
		size_t n = in.n < step ? in.n : step;
		char *piece = malloc(n);

		if (!piece)
			abort();
		memcpy(piece, in.p, n);
		event_stream_feed(&s, (struct bytes){ piece, n });
		while ((r = event_stream_next(&s, &f)) == 1) {
			buf_printf(out, "%d\x1e", f.kind);
			buf_append(out, f.name);
			buf_append(out, f.message);
			buf_append(out, f.payload);
		}
		free(piece);
		in = bytes_slice(in, n, in.n);
	}
	if (r == 0)
		r = event_stream_end(&s);
	event_stream_deinit(&s);
	return r;
}

static void put(char *p, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		p[i] = (char)(n >> (24 - 8 * i));
}

/* Makes frames of the text as far as it goes: short lengths, right checksums. */
static void mend(char *p, size_t n)
{
	while (n >= 16) {
		size_t total = 16 + (unsigned char)p[3] % 64;

		if (total > n)
			return;
		put(p, (uint32_t)total);
		put(p + 4, (unsigned char)p[7] % (uint32_t)(total - 15));
		put(p + 8, (uint32_t)crc32(0, (const Bytef *)p, 8));
		put(p + total - 4, (uint32_t)crc32(0, (const Bytef *)p, (uInt)total - 4));
		p += total;
		n -= total;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, parts;
	char *text;

	if (size < 3)
		return 0;
	text = malloc(size);
	if (!text)
		abort();
	memcpy(text, data, size);
	if (data[1] & 1)
		mend(text + 2, size - 2);
	buf_init(&whole, 4 << 20);
	buf_init(&parts, 4 << 20);
	if (run((struct bytes){ text + 2, size - 2 }, size, &whole) !=
		    run((struct bytes){ text + 2, size - 2 }, (size_t)data[0] % 32 + 1, &parts) ||
	    !bytes_eq(buf_bytes(&whole), buf_bytes(&parts)))
		abort();
	buf_deinit(&whole);
	buf_deinit(&parts);
	free(text);
	error_clear();
	return 0;
}
