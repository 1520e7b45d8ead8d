/*
 * The reading of HTTP messages. The first byte chooses request or response and how the rest is cut; the
 * same bytes whole and cut must be the same message, or bad both ways.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "net/http_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_HEAD 2048

struct seen {
	bool bad, too_large;
	bool complete, head_done;
	size_t used;
	struct buf text; /* head and body */
};

static void note_head(struct http_message *m, struct buf *out)
{
	buf_printf(out, "%d %d %zu\n", m->status, m->minor, m->nheaders);
	buf_append(out, m->method);
	buf_append(out, m->target);
	for (size_t i = 0; i < m->nheaders; i++) {
		buf_append(out, m->headers[i].name);
		buf_putc(out, ':');
		buf_append(out, m->headers[i].value);
		buf_putc(out, '\n');
	}
}

static void run(struct bytes in, bool response, size_t step, struct seen *seen)
{
	struct arena a;
	struct http_message m;

	*seen = (struct seen){ 0 };
	buf_init(&seen->text, 1 << 22);
	arena_init(&a, 1 << 22);
	if (response)
		http_response_init(&m, &a, MAX_HEAD, 64, false);
	else
		http_request_init(&m, &a, MAX_HEAD, 64);
	while (in.n && !m.complete && !seen->bad) {
		size_t n = in.n < step ? in.n : step, used;
		char *piece = malloc(n);
		bool had_head = m.head_done;

		if (!piece)
			abort();
		memcpy(piece, in.p, n);
		if (http_message_push(&m, piece, n, step % 2, &used)) {
			if (!m.bad || m.bad_status < 400)
				abort();
			seen->bad = true;
			seen->too_large = error_last()->kind == ERR_TOO_LARGE;
		} else {
			if (used > n || (used < n && !m.complete))
				abort();
			if (m.head_done && !had_head)
				note_head(&m, &seen->text);
			buf_append(&seen->text, m.body);
			seen->used += used;
		}
		free(piece);
		in = bytes_slice(in, n, in.n);
	}
	if (seen->bad || !m.head_done)
		http_message_give_up(&m);
	/* what a log would read of a bad one */
	buf_printf(&seen->text, "%.*s",
		   BFMT(m.head_done && !seen->bad ? (struct bytes){ 0 } : m.target));
	if (seen->bad)
		buf_reset(&seen->text);
	seen->complete = m.complete && !seen->bad;
	seen->head_done = m.head_done;
	arena_deinit(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, parts;
	struct bytes in;

	if (size < 2)
		return 0;
	in = (struct bytes){ (const char *)data + 1, size - 1 };
	run(in, data[0] & 1, in.n, &whole);
	run(in, data[0] & 1, (size_t)(data[0] >> 1) % 64 + 1, &parts);
	/* How many blanks before the blank line count towards the maximum depends on the cuts. */
	if (whole.too_large || parts.too_large)
		goto out;
	/* Cut, a message may be complete before its bad end was looked at; and only then. */
	if (whole.bad != parts.bad && !(whole.bad && parts.complete))
		abort();
	if (!whole.bad && (whole.complete != parts.complete || whole.used != parts.used ||
			   !bytes_eq(buf_bytes(&whole.text), buf_bytes(&parts.text))))
		abort();
out:
	buf_deinit(&whole.text);
	buf_deinit(&parts.text);
	error_clear();
	return 0;
}
