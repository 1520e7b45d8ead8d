/*
 * Writing JSON by hand into a buf without asking after each piece whether it fitted: the pen remembers a
 * failure (whose error is set by buf_append) and the caller looks once, at the end. It remembers too whether
 * a comma is due: keys and items bring theirs, values are written by any of the other calls.
 *
 *	pen_open(p, '{');
 *	pen_key(p, "id");
 *	pen_u64(p, id);
 *	pen_set(p, "name", name);
 *	pen_close(p, '}');
 */
#ifndef SIGNET_BASE_PEN_H
#define SIGNET_BASE_PEN_H

#include "base/bytes.h"

struct pen {
	struct buf *b;
	bool failed;
	bool comma; /* due before the next key or item */
};

__attribute__((always_inline)) static inline void pen_bytes(struct pen *p, struct bytes s)
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

/* The beginning of an object, with members in it. */
#define pen_head(pen, literal) (pen_lit((pen), literal), (void)((pen)->comma = true))

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

static inline void pen_open(struct pen *p, char bracket)
{
	pen_bytes(p, (struct bytes){ &bracket, 1 });
	p->comma = false;
}

static inline void pen_close(struct pen *p, char bracket)
{
	pen_bytes(p, (struct bytes){ &bracket, 1 });
	p->comma = true;
}

/* Before an element, or a member whose key is no literal. */
static inline void pen_item(struct pen *p)
{
	if (p->comma)
		pen_lit(p, ",");
	p->comma = true;
}

/* One copy: `member` begins with the comma that may not be due. */
static inline void pen_member(struct pen *p, struct bytes member)
{
	size_t from = p->comma ? 0 : 1;

	pen_bytes(p, (struct bytes){ member.p + from, member.n - from });
	p->comma = true;
}

/* The literal key and its colon: a value must follow. */
#define pen_key(pen, key) pen_member((pen), B(",\"" key "\":"))

/* Members: a string, a number; a string, JSON text that are only written when set. */
#define pen_text(pen, key, value)           \
	do {                                \
		pen_key((pen), key);        \
		pen_string((pen), (value)); \
	} while (0)
#define pen_number(pen, key, value)      \
	do {                             \
		pen_key((pen), key);     \
		pen_u64((pen), (value)); \
	} while (0)
#define pen_set(pen, key, value)                    \
	do {                                        \
		if (bytes_set(value)) {             \
			pen_key((pen), key);        \
			pen_string((pen), (value)); \
		}                                   \
	} while (0)
#define pen_json(pen, key, json)                  \
	do {                                      \
		if (bytes_set(json)) {            \
			pen_key((pen), key);      \
			pen_bytes((pen), (json)); \
		}                                 \
	} while (0)

/* A member that is a list, which is only there if it has elements: before each of them, and behind the last. */
static inline void pen_element(struct pen *p, struct bytes member, bool *any)
{
	if (!*any) {
		pen_member(p, member);
		p->comma = false;
	}
	*any = true;
	pen_item(p);
}
#define pen_list_item(pen, key, any) pen_element((pen), B(",\"" key "\":["), (any))

static inline void pen_list_end(struct pen *p, bool any)
{
	if (any)
		pen_close(p, ']');
}

/* What is no string of JSON: the format's own. */
#define pen_printf(pen, ...) ((pen)->failed |= buf_printf((pen)->b, __VA_ARGS__) != 0)

static inline int pen_done(const struct pen *p)
{
	return p->failed ? -1 : 0;
}

#endif
