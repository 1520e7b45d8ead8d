/*
 * Writing JSON by hand into a buf without asking after each piece whether it fitted: the pen remembers a
 * failure (whose error is set by buf_append) and the caller looks once, at the end.
 */
#ifndef SIGNET_WIRE_PEN_H
#define SIGNET_WIRE_PEN_H

#include "base/bytes.h"

struct pen {
	struct buf *b;
	bool failed;
};

static inline void pen_bytes(struct pen *p, struct bytes s)
{
	struct buf *b = p->b;

	if (s.n <= b->cap - b->len && b->data) {
		if (s.n > 0)
			memcpy(b->data + b->len, s.p, s.n);
		b->len += s.n;
	} else if (buf_append(b, s) < 0) {
		p->failed = true;
	}
}

#define pen_lit(pen, literal) pen_bytes((pen), B(literal))

/* A JSON string with its quotes. */
static inline void pen_string(struct pen *p, struct bytes s)
{
	if (buf_json_string(p->b, s) < 0)
		p->failed = true;
}

/* A JSON string; with *any it goes on inside of the quotes of the one before. */
static inline void pen_more(struct pen *p, struct bytes s, bool *any)
{
	size_t seam = p->b->len;

	pen_string(p, s);
	if (*any && !p->failed) {
		memmove(p->b->data + seam - 1, p->b->data + seam + 1, p->b->len - seam - 1);
		p->b->len -= 2;
	}
	*any = true;
}

/* A JSON string, or null if it is unset. */
static inline void pen_string_or_null(struct pen *p, struct bytes s)
{
	if (bytes_set(s))
		pen_string(p, s);
	else
		pen_lit(p, "null");
}

static inline void pen_u64(struct pen *p, uint64_t n)
{
	if (buf_put_u64(p->b, n) < 0)
		p->failed = true;
}

/* `,"key":` as one literal in front of a string value that is only written when set. */
#define pen_field(pen, literal, value)                \
	do {                                          \
		if (bytes_set(value)) {               \
			pen_bytes((pen), B(literal)); \
			pen_string((pen), (value));   \
		}                                     \
	} while (0)

static inline int pen_done(const struct pen *p)
{
	return p->failed ? -1 : 0;
}

#endif
