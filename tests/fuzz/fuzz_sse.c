/*
 * The event-stream reader: the same bytes, whole and cut in pieces by the input's own first byte, must give
 * the same events.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "net/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_EVENT 512

static bool collect(struct sse *s, struct buf *out)
{
	struct sse_event ev;
	int r;

	while ((r = sse_next(s, &ev)) == 1) {
		buf_append(out, ev.event);
		buf_putc(out, '\x1e');
		buf_append(out, ev.data);
		buf_putc(out, '\x1f');
	}
	return r == 0;
}

static bool run(struct bytes in, size_t step, struct buf *out)
{
	struct sse s;
	struct sse_event ev;
	bool ok = true;

	sse_init(&s, MAX_EVENT);
	while (ok && in.n) {
		size_t n = in.n < step ? in.n : step;
		char *piece = malloc(n);

		if (!piece)
			abort();
		memcpy(piece, in.p, n);
		sse_feed(&s, (struct bytes){ piece, n });
		ok = collect(&s, out);
		free(piece);
		in = bytes_slice(in, n, in.n);
	}
	if (ok && sse_end(&s, &ev)) {
		buf_append(out, ev.event);
		buf_append(out, ev.data);
	}
	sse_deinit(&s);
	return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, parts;
	struct bytes in;

	if (size < 1)
		return 0;
	in = (struct bytes){ (const char *)data + 1, size - 1 };
	buf_init(&whole, 1 << 20);
	buf_init(&parts, 1 << 20);
	/* A line without meaning may be over the maximum when it is cut and unseen when it is not. */
	if (run(in, in.n ? in.n : 1, &whole) && run(in, (size_t)data[0] % 32 + 1, &parts) &&
	    !bytes_eq(buf_bytes(&whole), buf_bytes(&parts)))
		abort();
	buf_deinit(&whole);
	buf_deinit(&parts);
	error_clear();
	return 0;
}
