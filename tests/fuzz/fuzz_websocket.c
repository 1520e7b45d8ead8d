/* Any bytes as what a WebSocket client sends, in pieces of two sizes: the same events come of it, and no message is longer than it may be. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "net/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define MOST 4096

static void require(bool what, const char *text)
{
	if (!what) {
		fprintf(stderr, "broken: %s\n", text);
		abort();
	}
}

/* The events, a letter each and the messages between them. */
static void events(struct bytes all, size_t piece, struct buf *out)
{
	struct ws_reader r;
	bool over = false;

	ws_reader_init(&r, MOST);
	while (all.n && !over) {
		struct bytes in = bytes_slice(all, 0, piece);
		enum ws_got got;

		all = bytes_slice(all, in.n, all.n);
		while (!over && (got = ws_take(&r, &in)) != WS_GOT_NOTHING) {
			require(buf_putc(out, (char)('0' + (int)got)) == 0, "room");
			require(r.message.len <= MOST && r.ncontrol <= WS_CONTROL, "limits hold");
			if (got == WS_GOT_TEXT) {
				require(bytes_is_utf8(buf_bytes(&r.message)), "a text is UTF-8");
				require(buf_append(out, buf_bytes(&r.message)) == 0, "room");
			}
			over = got == WS_GOT_CLOSE || got == WS_GOT_WRONG;
		}
		require(over || !in.n, "all is taken");
	}
	ws_reader_deinit(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct bytes all = { (const char *)data, n };
	struct buf whole, single;

	buf_init(&whole, 64u << 20);
	buf_init(&single, 64u << 20);
	events(all, n ? n : 1, &whole);
	events(all, 1, &single);
	require(bytes_eq(buf_bytes(&whole), buf_bytes(&single)), "pieces do not matter");
	buf_deinit(&whole);
	buf_deinit(&single);
	error_clear();
	return 0;
}
