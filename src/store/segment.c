/*
 * Segments: the bytes of storage §7.1 and their reader.
 *
 * The reader trusts nothing: a length may be absurd, a record may be half there, noise may stand in the
 * middle. Where a record does not hold, it looks whether its length leads to one that does; else it
 * searches in steps of 8 for a header whose sum holds and whose number is greater. What it passes over is
 * reported as a range, so that the caller can keep the bytes and count. The trap: a search must not be
 * quadratic in noise, so a candidate is summed only if its number is one that can follow.
 */
#include "store/segment.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/pen.h"
#include "store/columns.h"
#include "store/crc32c.h"

#define WINDOW (256u << 10)

static const char magic[8] = { 'S', 'I', 'G', 'N', 'E', 'T', 'J', '1' };

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void put64(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

void segment_header_write(const struct segment_header *h, uint8_t out[SEGMENT_HEADER])
{
	memset(out, 0, SEGMENT_HEADER);
	memcpy(out, magic, 8);
	put32(out + 8, h->format);
	put32(out + 12, SEGMENT_HEADER);
	put64(out + 16, h->first);
	put64(out + 24, h->unix_ms);
	memcpy(out + 32, h->node, 16);
	put32(out + 60, crc32c(0, out, 60));
}

enum segment_state segment_header_read(const void *data, size_t n, struct segment_header *out)
{
	const uint8_t *p = data;
	size_t zeros = 0;

	while (zeros < n && zeros < SEGMENT_HEADER && !p[zeros])
		zeros++;
	if (zeros == n || zeros == SEGMENT_HEADER)
		return SEGMENT_EMPTY;
	if (n < SEGMENT_HEADER || memcmp(p, magic, 7) != 0)
		return SEGMENT_BAD;
	/* A later format may have another header, with another sum: only the magic's digit and the number
	 * are promised. A bit that fell over in them is told apart by today's sum, which then fails. */
	if (get32(p + 60) != crc32c(0, p, 60)) {
		bool later = p[7] > '1' && p[7] <= '9';

		return later && get32(p + 8) > SEGMENT_FORMAT ? SEGMENT_NEWER : SEGMENT_BAD;
	}
	if (p[7] != '1' || get32(p + 8) > SEGMENT_FORMAT)
		return SEGMENT_NEWER;
	if (get32(p + 8) < 1 || get32(p + 12) != SEGMENT_HEADER)
		return SEGMENT_BAD;
	*out = (struct segment_header){ .format = get32(p + 8),
					.first = get64(p + 16),
					.unix_ms = get64(p + 24) };
	memcpy(out->node, p + 32, 16);
	return SEGMENT_OK;
}

void record_head_write(const struct record_head *h, uint8_t out[RECORD_HEADER])
{
	put32(out, h->len);
	put64(out + 8, h->number);
	out[16] = h->type;
	out[17] = h->flags;
	out[18] = (uint8_t)h->parts;
	out[19] = (uint8_t)(h->parts >> 8);
	put32(out + 20, 0);
	put32(out + 4, crc32c_join(crc32c(0, out + 8, 16), h->payload_crc, h->len));
}

void segment_reader_init(struct segment_reader *r, int fd, uint64_t limit, uint64_t last)
{
	*r = (struct segment_reader){
		.fd = fd, .limit = limit, .offset = SEGMENT_HEADER, .last = last
	};
	buf_init(&r->window, (size_t)RECORD_MAX + WINDOW + RECORD_HEADER + 8);
}

void segment_reader_init_mem(struct segment_reader *r, const void *data, size_t n, uint64_t last)
{
	segment_reader_init(r, -1, n, last);
	r->mem = data;
}

void segment_reader_deinit(struct segment_reader *r)
{
	buf_deinit(&r->window);
}

static int cannot_read(struct segment_reader *r, int e)
{
	r->err = e;
	return -1;
}

static int fill_window(struct segment_reader *r, uint64_t at, size_t n)
{
	size_t want = n > WINDOW ? n : WINDOW;

	if (want > r->limit - at)
		want = (size_t)(r->limit - at);
	if (r->window.cap > 4 * WINDOW && want <= WINDOW) { /* one huge record must not stay */
		buf_deinit(&r->window);
		buf_init(&r->window, (size_t)RECORD_MAX + WINDOW + RECORD_HEADER + 8);
	}
	buf_reset(&r->window);
	if (buf_reserve(&r->window, want))
		return cannot_read(r, ENOMEM);
	r->window_at = at;
	while (r->window.len < want) {
		ssize_t got = fault("journal.read")
				      ? (errno = EIO, -1)
				      : pread(r->fd, r->window.data + r->window.len,
					      want - r->window.len, (off_t)(at + r->window.len));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return cannot_read(r, errno);
		if (!got)
			break;
		r->window.len += (size_t)got;
	}
	return r->window.len >= n ? 0 : cannot_read(r, EIO);
}

/* n bytes at `at`, which the caller has checked against the limit. NULL: r->err. */
static const uint8_t *bytes_at(struct segment_reader *r, uint64_t at, size_t n)
{
	if (r->mem)
		return r->mem + at;
	if (at < r->window_at || at + n > r->window_at + r->window.len)
		if (fill_window(r, at, n))
			return NULL;
	return (const uint8_t *)r->window.data + (at - r->window_at);
}

enum check { HOLDS, HOLDS_NOT, UNREADABLE };

/* Whether a whole record stands at `at`. */
static enum check record_at(struct segment_reader *r, uint64_t at, uint64_t after,
			    struct record_view *out)
{
	const uint8_t *p;
	uint32_t len, crc;

	if (at > r->limit || r->limit - at < RECORD_HEADER)
		return HOLDS_NOT;
	p = bytes_at(r, at, RECORD_HEADER);
	if (!p)
		return UNREADABLE;
	len = get32(p);
	crc = get32(p + 4);
	*out = (struct record_view){ .number = get64(p + 8),
				     .offset = at,
				     .size = record_size(len),
				     .type = p[16],
				     .flags = p[17],
				     .parts = (uint16_t)(p[18] | p[19] << 8) };
	if (len > RECORD_MAX || len > r->limit - at - RECORD_HEADER || get32(p + 20) || !p[16] ||
	    !out->number)
		return HOLDS_NOT;
	if (after != UINT64_MAX && (out->number <= after || out->number - after > r->limit))
		return HOLDS_NOT;
	p = bytes_at(r, at, RECORD_HEADER + len);
	if (!p)
		return UNREADABLE;
	if (crc32c(0, p + 8, RECORD_HEADER - 8 + len) != crc)
		return HOLDS_NOT;
	out->payload = (struct bytes){ (const char *)p + RECORD_HEADER, len };
	/* The last record's padding may be missing when the file was cut there. */
	if (out->size > r->limit - at)
		out->size = r->limit - at;
	return HOLDS;
}

/* 1: nothing but zeros from `at` on; 0: something; -1: unreadable. */
static int rest_is_zero(struct segment_reader *r, uint64_t at)
{
	while (at < r->limit) {
		size_t n = r->limit - at < 4096 ? (size_t)(r->limit - at) : 4096;
		const uint8_t *p = bytes_at(r, at, n);

		if (!p)
			return -1;
		if (p[0] || (n > 1 && memcmp(p, p + 1, n - 1) != 0))
			return 0;
		at += n;
	}
	return 1;
}

/* What stands at `offset` is no record: how far does the damage go? */
static enum segment_found measure_damage(struct segment_reader *r, uint32_t len)
{
	uint64_t at = r->offset, next = at + record_size(len);
	struct record_view v;
	enum check c = HOLDS_NOT;

	r->from = at;
	r->to = r->limit;
	if (len <= RECORD_MAX && next < r->limit) {
		c = record_at(r, next, r->last, &v);
		if (c == HOLDS)
			r->to = next;
	}
	for (uint64_t s = at + 8; c == HOLDS_NOT && s + RECORD_HEADER <= r->limit; s += 8) {
		c = record_at(r, s, r->last, &v);
		if (c == HOLDS)
			r->to = s;
	}
	if (c == UNREADABLE)
		return FOUND_IO_ERROR;
	r->offset = r->to;
	return c == HOLDS ? FOUND_DAMAGE : FOUND_TORN;
}

enum segment_found segment_next(struct segment_reader *r, struct record_view *out)
{
	for (;;) {
		const uint8_t *p;
		uint32_t len = UINT32_MAX;
		int zero;

		if (r->offset >= r->limit)
			return FOUND_END;
		switch (record_at(r, r->offset, UINT64_MAX, out)) {
		case UNREADABLE: return FOUND_IO_ERROR;
		case HOLDS:
			r->offset += out->size;
			if (out->number <= r->last) {
				r->seen_again++;
				continue;
			}
			r->last = out->number;
			return FOUND_RECORD;
		case HOLDS_NOT: break;
		}
		zero = rest_is_zero(r, r->offset);
		if (zero < 0)
			return FOUND_IO_ERROR;
		if (zero) {
			r->from = r->offset;
			r->to = r->offset = r->limit;
			return FOUND_ZEROS;
		}
		if (r->limit - r->offset >= 4) {
			p = bytes_at(r, r->offset, 4);
			if (!p)
				return FOUND_IO_ERROR;
			len = get32(p);
		}
		return measure_damage(r, len);
	}
}

int segment_copy_range(struct segment_reader *r, uint64_t from, uint64_t to, size_t max,
		       struct buf *out)
{
	if (to > r->limit)
		to = r->limit;
	if (to - from > max)
		to = from + max;
	while (from < to) {
		size_t n = to - from < WINDOW ? (size_t)(to - from) : WINDOW;
		const uint8_t *p = bytes_at(r, from, n);

		if (!p || buf_append(out, (struct bytes){ (const char *)p, n }))
			return -1;
		from += n;
	}
	return 0;
}

const struct bytes row_text_names[ROW_TEXTS] = { B(N_RAW_REQUEST), B(N_RAW_RESPONSE), B(N_SYSTEM),
						 B(N_MESSAGES), B(N_OUTPUT) };

/* One frame: 1, 0 or -1 as record_next_part. */
static int next_frame(struct bytes payload, size_t *pos, uint8_t *what, struct bytes *value)
{
	const uint8_t *p = (const uint8_t *)payload.p + *pos;
	size_t left = payload.n - *pos, len;

	if (!left)
		return 0;
	if (left < 8)
		return -1;
	len = get32(p + 4);
	if (p[1] || p[2] || p[3] || len > left - 8)
		return -1;
	*what = p[0];
	*value = (struct bytes){ (const char *)p + 8, len };
	len = (8 + len + 3) & ~(size_t)3;
	*pos += len < left ? len : left;
	return 1;
}

/* What an offset and a length before the frame at `limit` point at. Unset: they do not. */
static struct bytes same_bytes(struct bytes payload, size_t limit, struct bytes place)
{
	size_t from, n;

	if (place.n != 8)
		return (struct bytes){ 0 };
	from = get32((const uint8_t *)place.p);
	n = get32((const uint8_t *)place.p + 4);
	if (from > limit || n > limit - from)
		return (struct bytes){ 0 };
	return (struct bytes){ payload.p + from, n };
}

int record_next_part(struct bytes payload, size_t *pos, struct record_part *out)
{
	bool texts = false;
	int r;

	memset(out->texts, 0, sizeof(out->texts));
	for (;;) {
		size_t at = *pos;
		unsigned column;

		r = next_frame(payload, pos, &out->table, &out->json);
		if (r <= 0)
			return texts ? -1 : r;
		if (out->table < TEXT_PART)
			return 1;
		texts = true;
		column = out->table & ~(unsigned)(TEXT_PART | SAME_PART);
		if (out->table & SAME_PART)
			out->json = same_bytes(payload, at, out->json);
		if (column >= ROW_TEXTS || !bytes_set(out->json))
			return -1;
		out->texts[column] = out->json;
	}
}

int record_print_row(const struct record_part *part, struct buf *out)
{
	struct bytes row = part->json;
	struct pen p = { .b = out, .comma = row.n > 2 };

	pen_bytes(&p, bytes_slice(row, 0, row.n ? row.n - 1 : 0));
	for (size_t i = 0; row.n > 1 && i < ROW_TEXTS; i++) {
		if (!bytes_set(part->texts[i]))
			continue;
		pen_item(&p);
		pen_string(&p, row_text_names[i]);
		pen_lit(&p, ":");
		pen_string(&p, part->texts[i]);
	}
	pen_bytes(&p, bytes_slice(row, row.n ? row.n - 1 : 0, 1));
	return pen_done(&p);
}

int record_payload(const struct record_view *v, struct buf *unpacked, struct bytes *out)
{
	unsigned long long size;
	size_t got;

	*out = v->payload;
	if (!(v->flags & RECORD_ZSTD))
		return 0;
	*out = B("");
	size = ZSTD_getFrameContentSize(v->payload.p, v->payload.n);
	if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size > RECORD_MAX)
		return fail(ERR_STORE, "a compressed record is damaged");
	buf_reset(unpacked);
	if (buf_reserve(unpacked, (size_t)size + 1))
		return -1;
	got = ZSTD_decompress(unpacked->data, unpacked->cap, v->payload.p, v->payload.n);
	if (ZSTD_isError(got) || got != size)
		return fail(ERR_STORE, "a compressed record is damaged: %s",
			    ZSTD_getErrorName(got));
	unpacked->len = got;
	*out = buf_bytes(unpacked);
	return 0;
}

void record_init(struct record *r)
{
	*r = (struct record){ 0 };
	buf_init(&r->payload, RECORD_MAX);
}

void record_deinit(struct record *r)
{
	buf_deinit(&r->payload);
}

static int refuse_row(struct record *r)
{
	r->too_large = error_last()->kind == ERR_TOO_LARGE;
	r->payload.len = r->open_at;
	return -1;
}

struct buf *record_open_part(struct record *r, unsigned what)
{
	uint8_t head[8] = { (uint8_t)what };

	r->open_at = r->payload.len;
	if (r->parts == UINT16_MAX)
		fail(ERR_TOO_LARGE, "a record of too many rows");
	else if (!buf_append(&r->payload, (struct bytes){ (char *)head, sizeof(head) }))
		return &r->payload;
	refuse_row(r);
	return NULL;
}

int record_close_part(struct record *r)
{
	size_t n = r->payload.len - r->open_at - 8, pad = (4 - (n & 3)) & 3;
	uint8_t *head;

	if (buf_append(&r->payload, bytes_slice(B("\0\0\0"), 0, pad)))
		return refuse_row(r);
	head = (uint8_t *)r->payload.data + r->open_at;
	put32(head + 4, (uint32_t)n);
	if (*head < TEXT_PART)
		r->parts++;
	return 0;
}

int record_add_same(struct record *r, enum row_text column, size_t from, size_t n)
{
	struct buf *out = record_open_part(r, TEXT_PART | SAME_PART | column);
	uint8_t place[8];

	if (!out)
		return -1;
	put32(place, (uint32_t)from);
	put32(place + 4, (uint32_t)n);
	if (buf_append(out, (struct bytes){ (char *)place, sizeof(place) }))
		return refuse_row(r);
	return record_close_part(r);
}

int record_add(struct record *r, enum row_table table, struct bytes json)
{
	struct buf *out = record_open_part(r, table);

	if (!out)
		return -1;
	if (buf_append(out, json))
		return refuse_row(r);
	return record_close_part(r);
}
