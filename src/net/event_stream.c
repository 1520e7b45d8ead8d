/*
 * A frame is: total length, length of the headers, checksum of these two; headers; payload; checksum of all before it.
 * Nothing is believed before its checksum: the lengths only after the first, headers and payload after the second.
 *
 * A frame that lies whole in a piece is handed out as a view of it. The trap: the length decides how much is gathered, so
 * a flipped bit in it must be found before anything waits for that much.
 */
#include "net/event_stream.h"

#include <zlib.h>

#include "base/error.h"

#define PRELUDE   12u
#define CHECKSUM  4u
#define FRAME_MIN (PRELUDE + CHECKSUM)
#define FRAME_MAX (FRAME_MIN + EVENT_STREAM_MAX_HEADERS + EVENT_STREAM_MAX_PAYLOAD)
#define KEEP      4096 /* a buffer that grew past this is given back after its frame */

void event_stream_init(struct event_stream *s)
{
	*s = (struct event_stream){ 0 };
	buf_init(&s->frame, FRAME_MAX);
}

void event_stream_deinit(struct event_stream *s)
{
	buf_deinit(&s->frame);
}

void event_stream_feed(struct event_stream *s, struct bytes piece)
{
	s->in = piece;
}

static uint32_t number(const char *p, size_t n)
{
	uint32_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 8 | (unsigned char)p[i];
	return value;
}

static uint32_t checksum(const char *p, size_t n)
{
	return (uint32_t)crc32(0, (const Bytef *)p, (uInt)n);
}

static int broken(const char *what)
{
	return fail(ERR_PROTOCOL, "Error decoding event stream frame: %s", what);
}

/* ---- headers ---- */

enum { HEADER_BYTES = 6, HEADER_STRING = 7, HEADER_TYPES = 10 };

/* How long a value is; -1: two bytes in front of it say so; -2: no such type. */
static int value_length(unsigned type)
{
	static const int lengths[HEADER_TYPES] = { 0, 0, 1, 2, 4, 8, -1, -1, 8, 16 };

	return type < HEADER_TYPES ? lengths[type] : -2;
}

/* Takes n bytes off the front. */
static bool take(struct bytes *rest, size_t n, struct bytes *out)
{
	if (rest->n < n)
		return false;
	*out = bytes_slice(*rest, 0, n);
	*rest = bytes_slice(*rest, n, rest->n);
	return true;
}

/* One header; `value` is unset unless it is a string. */
static bool take_header(struct bytes *rest, struct bytes *name, struct bytes *value)
{
	struct bytes length, type;
	int n;

	if (!take(rest, 1, &length) || number(length.p, 1) == 0 ||
	    !take(rest, number(length.p, 1), name) || !take(rest, 1, &type))
		return false;
	n = value_length((unsigned char)*type.p);
	if (n == -2 || (n == -1 && !take(rest, 2, &length)))
		return false;
	if (!take(rest, n == -1 ? number(length.p, 2) : (size_t)n, value))
		return false;
	if (*type.p != HEADER_STRING)
		*value = (struct bytes){ NULL, 0 };
	return true;
}

static const struct {
	struct bytes name, header;
	enum frame_kind kind;
} kinds[] = {
	{ B("event"), B(":event-type"), FRAME_EVENT },
	{ B("exception"), B(":exception-type"), FRAME_EXCEPTION },
	{ B("error"), B(":error-code"), FRAME_ERROR },
};

/* What the headers make of the frame. */
static int read_headers(struct bytes rest, struct frame *out)
{
	struct bytes name, value, message_type = B(""), names[COUNT(kinds)] = { { NULL, 0 } };

	out->name = out->message = B("");
	out->kind = FRAME_OTHER;
	while (rest.n) {
		if (!take_header(&rest, &name, &value))
			return broken("its headers are broken");
		if (!bytes_set(value))
			continue;
		if (bytes_eq(name, B(":message-type")))
			message_type = value;
		if (bytes_eq(name, B(":error-message")))
			out->message = value;
		for (size_t i = 0; i < COUNT(kinds); i++)
			if (bytes_eq(name, kinds[i].header))
				names[i] = value;
	}
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (bytes_eq(message_type, kinds[i].name)) {
			out->kind = kinds[i].kind;
			out->name = bytes_set(names[i]) ? names[i] : B("");
		}
	return 0;
}

/* ---- frames ---- */

/* The length of the frame that begins here. */
static int frame_length(const char *p, size_t *out)
{
	size_t total = number(p, 4), headers = number(p + 4, 4);

	if (checksum(p, 8) != number(p + 8, 4))
		return broken("the checksum of its lengths is wrong");
	if (total < FRAME_MIN || headers > total - FRAME_MIN)
		return broken("its lengths are impossible");
	if (headers > EVENT_STREAM_MAX_HEADERS ||
	    total - FRAME_MIN - headers > EVENT_STREAM_MAX_PAYLOAD)
		return broken("it is too long");
	*out = total;
	return 0;
}

static int read_frame(struct bytes text, struct frame *out)
{
	size_t headers = number(text.p + 4, 4), body = text.n - CHECKSUM;

	if (checksum(text.p, body) != number(text.p + body, 4))
		return broken("the checksum of the message is wrong");
	out->payload = bytes_slice(text, PRELUDE + headers, body - PRELUDE - headers);
	return read_headers(bytes_slice(text, PRELUDE, headers), out) ? -1 : 1;
}

/* Moves from the piece until `want` bytes are gathered. 1: they are; 0: the piece is over; -1. */
static int gather(struct event_stream *s, size_t want)
{
	struct bytes more = bytes_slice(s->in, 0, want > s->frame.len ? want - s->frame.len : 0);

	if (buf_append(&s->frame, more))
		return -1;
	s->in = bytes_slice(s->in, more.n, s->in.n);
	return s->frame.len >= want;
}

static void forget(struct event_stream *s)
{
	if (s->frame.cap > KEEP) {
		buf_deinit(&s->frame);
		buf_init(&s->frame, FRAME_MAX);
	} else {
		buf_reset(&s->frame);
	}
	s->given = false;
}

/* The frame that an earlier piece began. */
static int next_gathered(struct event_stream *s, struct frame *out)
{
	int r = gather(s, PRELUDE);
	size_t n = 0;

	if (r < 1)
		return r;
	if (frame_length(s->frame.data, &n))
		return -1;
	r = gather(s, n);
	if (r < 1)
		return r;
	s->given = true;
	return read_frame((struct bytes){ s->frame.data, n }, out);
}

int event_stream_next(struct event_stream *s, struct frame *out)
{
	struct bytes whole;
	size_t n = 0;

	if (s->given)
		forget(s);
	if (s->frame.len || s->in.n < PRELUDE)
		return s->in.n || s->frame.len ? next_gathered(s, out) : 0;
	if (frame_length(s->in.p, &n))
		return -1;
	if (s->in.n < n)
		return next_gathered(s, out);
	take(&s->in, n, &whole);
	return read_frame(whole, out);
}

int event_stream_end(const struct event_stream *s)
{
	return s->frame.len && !s->given ? broken("the stream ended in its middle") : 0;
}
