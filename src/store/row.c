/*
 * Rows out of the journal. They were made by Signet and guarded by a sum, so this is a reader of well-formed
 * JSON; but it never walks past the end, and what it cannot read makes the row's fault, not a crash.
 * Bodies are kilobytes of escaped text: strings are copied run by run, eight bytes at a time.
 */
#include "store/row.h"

#include <limits.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/error.h"

struct scan {
	const char *p, *end;
};

static void skip_blank(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
		s->p++;
}

/* The first quote or backslash at or after p. */
static const char *find_special(const char *p, const char *end)
{
	const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;

#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		__m128i w = _mm_loadu_si128((const __m128i *)p);
		int hits = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(w, _mm_set1_epi8('"')),
							  _mm_cmpeq_epi8(w, _mm_set1_epi8('\\'))));

		if (hits)
			return p + __builtin_ctz((unsigned)hits);
	}
#endif
	for (; end - p >= 8; p += 8) {
		uint64_t w, q, b;

		memcpy(&w, p, 8);
		q = w ^ ones * '"';
		b = w ^ ones * '\\';
		if (((q - ones) & ~q & highs) | ((b - ones) & ~b & highs))
			break;
	}
	while (p < end && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* At a quote: moves behind the closing one. *inner: what stands between; *escaped: holds backslashes. */
static bool scan_string(struct scan *s, struct bytes *inner, bool *escaped)
{
	const char *from = ++s->p, *p = from;

	*escaped = false;
	for (;;) {
		p = find_special(p, s->end);
		if (p >= s->end)
			return false;
		if (*p == '"')
			break;
		*escaped = true;
		p += 2;
		if (p > s->end)
			return false;
	}
	*inner = (struct bytes){ from, (size_t)(p - from) };
	s->p = p + 1;
	return true;
}

/* Moves behind the value; *raw is its text. */
static bool scan_value(struct scan *s, struct bytes *raw)
{
	const char *from;
	struct bytes inner;
	bool escaped;
	int depth = 0;

	skip_blank(s);
	from = s->p;
	do {
		if (s->p >= s->end)
			return false;
		switch (*s->p) {
		case '"':
			if (!scan_string(s, &inner, &escaped))
				return false;
			break;
		case '{':
		case '[':
			depth++;
			s->p++;
			break;
		case '}':
		case ']':
			if (!depth--)
				return false;
			s->p++;
			break;
		default:
			if (depth) {
				s->p++;
				break;
			}
			while (s->p < s->end && *s->p != ',' && *s->p != '}' && *s->p != ']' &&
			       *s->p != ' ')
				s->p++;
			if (s->p == from)
				return false;
		}
	} while (depth);
	*raw = (struct bytes){ from, (size_t)(s->p - from) };
	return true;
}

static int hex4(const char *p)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		char c = p[i];
		int d = c >= '0' && c <= '9'   ? c - '0'
			: c >= 'a' && c <= 'f' ? c - 'a' + 10
			: c >= 'A' && c <= 'F' ? c - 'A' + 10
					       : -1;

		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

static char *put_utf8(char *o, unsigned c)
{
	if (c < 0x80) {
		*o++ = (char)c;
	} else if (c < 0x800) {
		*o++ = (char)(0xc0 | c >> 6);
		*o++ = (char)(0x80 | (c & 63));
	} else if (c < 0x10000) {
		*o++ = (char)(0xe0 | c >> 12);
		*o++ = (char)(0x80 | (c >> 6 & 63));
		*o++ = (char)(0x80 | (c & 63));
	} else {
		*o++ = (char)(0xf0 | c >> 18);
		*o++ = (char)(0x80 | (c >> 12 & 63));
		*o++ = (char)(0x80 | (c >> 6 & 63));
		*o++ = (char)(0x80 | (c & 63));
	}
	return o;
}

/* \uXXXX at p (behind the u), with its second half. A half alone becomes U+FFFD. */
static char *put_unicode(char *o, const char **p, const char *end)
{
	int c = end - *p >= 4 ? hex4(*p) : -1, low;

	if (c < 0)
		return put_utf8(o, 0xfffd);
	*p += 4;
	if (c >= 0xd800 && c < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
		low = hex4(*p + 2);
		if (low >= 0xdc00 && low < 0xe000) {
			*p += 6;
			return put_utf8(o,
					0x10000u + (unsigned)((c - 0xd800) << 10 | (low - 0xdc00)));
		}
	}
	return put_utf8(o, c >= 0xd800 && c < 0xe000 ? 0xfffd : (unsigned)c);
}

/* Never longer than the escaped form. Unset: no room. */
static struct bytes unescape(struct bytes in, struct buf *scratch)
{
	const char *p = in.p, *end = in.p + in.n;
	char *from = scratch->data + scratch->len, *o = from;

	if (scratch->cap - scratch->len < in.n)
		return (struct bytes){ 0 };

	while (p < end) {
		const char *stop = find_special(p, end);

		memcpy(o, p, (size_t)(stop - p));
		o += stop - p;
		p = stop;
		if (p + 1 >= end)
			break;
		p += 2;
		switch (p[-1]) {
		case 'n':
			*o++ = '\n';
			break;
		case 't':
			*o++ = '\t';
			break;
		case 'r':
			*o++ = '\r';
			break;
		case 'b':
			*o++ = '\b';
			break;
		case 'f':
			*o++ = '\f';
			break;
		case 'u':
			o = put_unicode(o, &p, end);
			break;
		default:
			*o++ = p[-1];
		}
	}
	scratch->len += (size_t)(o - from);
	return (struct bytes){ from, (size_t)(o - from) };
}

struct bytes row_text(struct bytes value, struct buf *scratch)
{
	struct scan s = { value.p, value.p + value.n };
	struct bytes inner;
	bool escaped;

	if (!value.n || *value.p != '"' || !scan_string(&s, &inner, &escaped))
		return value;
	return escaped ? unescape(inner, scratch) : inner;
}

static bool read_int(struct bytes raw, int64_t *out)
{
	uint64_t v = 0;
	bool minus = raw.n && raw.p[0] == '-';

	if (minus)
		raw = bytes_slice(raw, 1, raw.n);
	if (raw.n && raw.p[0] == '.')
		return false;
	for (size_t i = 0; i < raw.n; i++) {
		if (raw.p[i] == '.') { /* 3.0 */
			while (++i < raw.n)
				if (raw.p[i] != '0')
					return false;
			break;
		}
		if (raw.p[i] < '0' || raw.p[i] > '9' || v > (INT64_MAX - 9) / 10)
			return false;
		v = v * 10 + (uint64_t)(raw.p[i] - '0');
	}
	*out = minus ? -(int64_t)v : (int64_t)v;
	return raw.n > 0;
}

bool row_nano(struct bytes d, int64_t *out)
{
	uint64_t digits = 0;
	int scale = 9, exponent = 0;
	bool minus = d.n && d.p[0] == '-', seen = false, point = false;
	size_t i = minus;

	for (; i < d.n; i++) {
		char c = d.p[i];

		if (c == '.' && !point) {
			point = true;
			continue;
		}
		if (c < '0' || c > '9')
			break;
		seen = true;
		if (digits > (UINT64_MAX - 9) / 10) { /* more digits than matter */
			scale += !point;
			continue;
		}
		digits = digits * 10 + (uint64_t)(c - '0');
		scale -= point;
	}
	if (!seen)
		return false;
	if (i < d.n && (d.p[i] == 'e' || d.p[i] == 'E')) {
		bool down = ++i < d.n && d.p[i] == '-';

		i += down || (i < d.n && d.p[i] == '+');
		for (; i < d.n && d.p[i] >= '0' && d.p[i] <= '9' && exponent < 10000; i++)
			exponent = exponent * 10 + (d.p[i] - '0');
		scale += down ? -exponent : exponent;
	}
	if (i < d.n)
		return false;
	for (; scale < 0 && digits; scale++)
		digits /= 10;
	for (; scale > 0 && digits; scale--) {
		if (digits > INT64_MAX / 10)
			return false;
		digits *= 10;
	}
	if (digits > INT64_MAX)
		return false;
	*out = minus ? -(int64_t)digits : (int64_t)digits;
	return true;
}

static bool fill(const struct column *c, struct bytes raw, struct cell *cell, struct buf *scratch)
{
	if (bytes_eq(raw, B("null")))
		return true;
	switch (c->kind) {
	case COL_TEXT:
		if (*raw.p != '"')
			return false;
		/* fall through */
	case COL_JSON:
	case COL_HASH:
		cell->type = CELL_TEXT;
		cell->text = row_text(raw, scratch);
		return cell->text.p != NULL;
	case COL_INT:
		cell->type = CELL_INT;
		return read_int(raw, &cell->num);
	case COL_BOOL:
		cell->type = CELL_INT;
		cell->num = bytes_eq(raw, B("true"));
		if (bytes_eq(raw, B("1")))
			cell->num = 1;
		return cell->num || bytes_eq(raw, B("false")) || bytes_eq(raw, B("0"));
	case COL_NANO:
		cell->type = CELL_INT;
		return row_nano(raw, &cell->num);
	}
	return false;
}

static int finish(const struct column *columns, size_t n, struct cell *cells)
{
	for (size_t i = 0; i < n; i++) {
		if (cells[i].type != CELL_NULL)
			continue;
		if (columns[i].need == REQUIRED)
			return fail(ERR_STORE, "column %.*s is missing", BFMT(columns[i].name));
		if (columns[i].missing) {
			cells[i].type = CELL_TEXT;
			cells[i].text = bytes_of(columns[i].missing);
		}
	}
	return 0;
}

/* Rows come with their columns in one order: the next one is nearly always the one after the last. */
static const struct column *find_column(const struct column *columns, size_t n, struct bytes name,
					size_t *hint)
{
	for (size_t k = 0; k < n; k++) {
		size_t i = *hint + k < n ? *hint + k : *hint + k - n;

		if (bytes_eq(columns[i].name, name)) {
			*hint = i + 1 < n ? i + 1 : 0;
			return &columns[i];
		}
	}
	return NULL;
}

/* 1: a member, behind its value; 0: the object has ended; -1: no such thing. */
static int next_member(struct scan *s, bool first, struct bytes *key, struct bytes *raw)
{
	bool escaped;

	skip_blank(s);
	if (s->p >= s->end)
		return -1;
	if (*s->p == '}')
		return 0;
	if (!first && *s->p++ != ',')
		return -1;
	skip_blank(s);
	if (s->p >= s->end || *s->p != '"' || !scan_string(s, key, &escaped))
		return -1;
	skip_blank(s);
	if (s->p >= s->end || *s->p++ != ':' || !scan_value(s, raw))
		return -1;
	return 1;
}

/* Texts beside the row go where their names are columns. */
static void take_texts(const struct bytes *texts, const struct column *columns, size_t n,
		       struct cell *cells)
{
	size_t hint = 0;

	for (size_t i = 0; i < ROW_TEXTS; i++) {
		const struct column *c;

		if (!bytes_set(texts[i]))
			continue;
		c = find_column(columns, n, row_text_names[i], &hint);
		if (c && (c->kind == COL_TEXT || c->kind == COL_JSON))
			cells[c - columns] = (struct cell){ .type = CELL_TEXT, .text = texts[i] };
	}
}

int row_read_part(const struct record_part *part, const struct column *columns, size_t n,
		  struct cell *cells, struct buf *scratch)
{
	struct scan s = { part->json.p, part->json.p + part->json.n };
	struct bytes key, raw;
	size_t hint = 0;
	bool first = true;
	int r;

	if (scratch->cap - scratch->len < part->json.n)
		return fail(ERR_INTERNAL, "no room for a row's texts");
	memset(cells, 0, n * sizeof(*cells));
	take_texts(part->texts, columns, n, cells);
	skip_blank(&s);
	if (s.p >= s.end || *s.p++ != '{')
		return fail(ERR_STORE, "a row is not an object");
	for (; (r = next_member(&s, first, &key, &raw)) > 0; first = false) {
		const struct column *c = find_column(columns, n, key, &hint);

		if (c && !fill(c, raw, &cells[c - columns], scratch))
			return fail(ERR_STORE, "column %.*s holds another type", BFMT(c->name));
	}
	if (r < 0)
		return fail(ERR_STORE, "a row is not valid JSON");
	return finish(columns, n, cells);
}

int row_read(struct bytes json, const struct column *columns, size_t n, struct cell *cells,
	     struct buf *scratch)
{
	struct record_part alone = { .json = json };

	return row_read_part(&alone, columns, n, cells, scratch);
}

int row_next_string(struct bytes object, size_t *pos, struct bytes *key, struct bytes *value,
		    struct buf *scratch)
{
	struct scan s = { object.p + *pos, object.p + object.n };
	struct bytes raw, name;
	int r;

	if (!*pos) {
		skip_blank(&s);
		if (s.p >= s.end || *s.p++ != '{')
			return -1;
	}
	r = next_member(&s, !*pos, &name, &raw);
	if (r <= 0)
		return r;
	*pos = (size_t)(s.p - object.p);
	*key = unescape(name, scratch);
	*value = row_text(raw, scratch);
	return key->p && value->p ? 1 : -1;
}

int row_next_element(struct bytes array, size_t *pos, struct bytes *value)
{
	struct scan s = { array.p + *pos, array.p + array.n };

	skip_blank(&s);
	if (s.p >= s.end)
		return -1;
	if (!*pos) {
		if (*s.p++ != '[')
			return -1;
		skip_blank(&s);
		if (s.p < s.end && *s.p == ']')
			return 0;
	} else if (*s.p == ']') {
		return 0;
	} else if (*s.p++ != ',') {
		return -1;
	}
	if (!scan_value(&s, value))
		return -1;
	*pos = (size_t)(s.p - array.p);
	return 1;
}

int64_t row_seq(struct uuid u)
{
	unsigned bits = (unsigned)(u.b[6] & 15) << 11 | (unsigned)u.b[7] << 3 | (u.b[8] >> 3 & 7);

	return (int64_t)(uuid_v7_ms(u) << 15 | bits);
}
