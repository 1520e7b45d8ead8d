/*
 * Spans in JSON text that a parser has already found valid: where a member stands, so that an edit leaves
 * every other byte alone. This runs over each forwarded body, so strings, which are most of it, are passed
 * 16 bytes at a time.
 * Trap: the text may be invalid after all when a caller errs; nothing here reads past its end.
 */
#include "base/json.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/error.h"

/* The first quote or backslash from p on, or `end`. */
static const char *find_quote(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');

	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		int hit = _mm_movemask_epi8(
			_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)));

		if (hit)
			return p + __builtin_ctz((unsigned)hit);
	}
#endif
	while (p < end && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* The first quote or bracket from p on, or `end`. A bracket and the brace of its side differ by the bit
 * 0x20 alone, so two comparisons find all four. */
static const char *find_structure(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), bit = _mm_set1_epi8(0x20);
	const __m128i open = _mm_set1_epi8('{'), close = _mm_set1_epi8('}');

	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i low = _mm_or_si128(v, bit);
		__m128i found = _mm_or_si128(_mm_cmpeq_epi8(low, open), _mm_cmpeq_epi8(low, close));
		int hit = _mm_movemask_epi8(_mm_or_si128(found, _mm_cmpeq_epi8(v, quote)));

		if (hit)
			return p + __builtin_ctz((unsigned)hit);
	}
#endif
	while (p < end && *p != '"' && (*p | 0x20) != '{' && (*p | 0x20) != '}')
		p++;
	return p;
}

/* p stands behind the opening quote. Behind the closing one, NULL if there is none. */
static const char *skip_string(const char *p, const char *end)
{
	while ((p = find_quote(p, end)) < end) {
		if (*p == '"')
			return p + 1;
		if (end - p < 2)
			break;
		p += 2;
	}
	return NULL;
}

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

static const char *skip_container(const char *p, const char *end)
{
	size_t depth = 0;

	while ((p = find_structure(p, end)) < end) {
		char c = *p++;

		if (c == '"') {
			p = skip_string(p, end);
			if (!p)
				return NULL;
		} else if ((c | 0x20) == '{') {
			depth++;
		} else if (!--depth) {
			return p;
		}
	}
	return NULL;
}

bool json_too_deep(struct bytes text)
{
	const char *p = text.p, *end = text.p + text.n;
	size_t depth = 0;

	while ((p = find_structure(p, end)) < end) {
		char c = *p++;

		if (c == '"')
			p = skip_string(p, end);
		else if ((c | 0x20) == '}')
			depth -= depth > 0;
		else if (++depth > JSON_MAX_DEPTH)
			return true;
		if (!p)
			break;
	}
	return false;
}

/* p stands on the first byte. Behind the last one, NULL if it does not end. */
static const char *skip_value(const char *p, const char *end)
{
	const char *from = p;

	if (p == end)
		return NULL;
	if (*p == '"')
		return skip_string(p + 1, end);
	if (*p == '{' || *p == '[')
		return skip_container(p, end);
	while (p < end && *p != ',' && *p != '}' && *p != ']' && (unsigned char)*p > ' ')
		p++;
	return p > from ? p : NULL;
}

int json_next_member(struct bytes text, size_t *pos, struct json_member *out)
{
	const char *end = text.p + text.n, *p = skip_blanks(text.p + *pos, end), *key, *value;

	if (p == end || *p != (*pos ? ',' : '{')) {
		bool over = p < end && *p == '}' && *pos;

		return over ? 0 : fail(ERR_INTERNAL, "not a JSON object");
	}
	p = skip_blanks(p + 1, end);
	if (p < end && *p == '}' && !*pos)
		return 0;
	key = p;
	if (p == end || *p != '"' || !(p = skip_string(p + 1, end)))
		return fail(ERR_INTERNAL, "not a JSON object");
	out->key = (struct bytes){ key + 1, (size_t)(p - key) - 2 };
	p = skip_blanks(p, end);
	if (p == end || *p != ':')
		return fail(ERR_INTERNAL, "not a JSON object");
	value = skip_blanks(p + 1, end);
	p = skip_value(value, end);
	if (!p)
		return fail(ERR_INTERNAL, "not a JSON object");
	out->value = (struct bytes){ value, (size_t)(p - value) };
	out->from = (size_t)(key - text.p);
	out->to = *pos = (size_t)(p - text.p);
	return 1;
}

int json_next_element(struct bytes text, size_t *pos, struct bytes *out)
{
	const char *end = text.p + text.n, *p = skip_blanks(text.p + *pos, end), *value;

	if (p < end && *p == ']' && *pos)
		return 0;
	if (p == end || *p != (*pos ? ',' : '['))
		return fail(ERR_INTERNAL, "not a JSON array");
	value = skip_blanks(p + 1, end);
	if (value < end && *value == ']' && !*pos)
		return 0;
	p = skip_value(value, end);
	if (!p)
		return fail(ERR_INTERNAL, "not a JSON array");
	*out = (struct bytes){ value, (size_t)(p - value) };
	*pos = (size_t)(p - text.p);
	return 1;
}

/* The value of \uXXXX at the front, -1: there is none. */
static int unicode_escape(struct bytes s)
{
	return bytes_starts(s, B("\\u")) ? hex_code(bytes_slice(s, 2, 4)) : -1;
}

/* Takes the escape at the front off as UTF-8 in out; its length. 0: no valid escape. */
static size_t unescape(struct bytes *rest, char *out)
{
	static const char simple[256] = { ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
					  ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t' };
	int code, low;

	if (rest->n < 2 || *rest->p != '\\')
		return 0;
	*out = simple[(unsigned char)rest->p[1]];
	if (*out) {
		*rest = bytes_slice(*rest, 2, rest->n);
		return 1;
	}
	code = unicode_escape(*rest);
	if (code < 0)
		return 0;
	*rest = bytes_slice(*rest, 6, rest->n);
	low = (code & 0xfc00) == 0xd800 ? unicode_escape(*rest) : -1;
	if (low >= 0xdc00 && low <= 0xdfff) {
		*rest = bytes_slice(*rest, 6, rest->n);
		code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
	}
	return utf8_print((unsigned)code, out);
}

size_t json_unescape(struct bytes inner, char *out)
{
	char *at = out;

	while (inner.n) {
		const char *end = inner.p + inner.n;
		size_t plain = (size_t)(find_quote(inner.p, end) - inner.p), n;

		memcpy(at, inner.p, plain);
		at += plain;
		inner = bytes_slice(inner, plain, inner.n);
		n = inner.n ? unescape(&inner, at) : 0;
		if (!n && inner.n) {
			*at = *inner.p;
			inner = bytes_slice(inner, n = 1, inner.n);
		}
		at += n;
	}
	return (size_t)(at - out);
}

struct bytes json_without_halves(struct bytes text, struct arena *a)
{
	char *copy = arena_alloc_raw(a, text.n), *at = copy;

	while (copy && text.n) {
		ptrdiff_t slash = bytes_chr(text, '\\');
		size_t n = slash < 0 ? text.n : (size_t)slash;

		memcpy(at, text.p, n);
		at += n;
		text = bytes_slice(text, n, text.n);
		if ((unicode_escape(text) & 0xf800) == 0xd800) {
			at += unescape(&text, at);
			continue;
		}
		n = text.n < 2 ? text.n : 2; /* an escape of another kind */
		memcpy(at, text.p, n);
		at += n;
		text = bytes_slice(text, n, text.n);
	}
	return (struct bytes){ copy, (size_t)(at - copy) };
}

struct bytes json_span_string(struct bytes value, struct buf *out)
{
	struct bytes inner = bytes_slice(value, 1, value.n < 2 ? 0 : value.n - 2);

	if (value.n < 2 || *value.p != '"')
		return (struct bytes){ NULL, 0 };
	if (bytes_chr(inner, '\\') < 0)
		return inner;
	buf_reset(out);
	if (buf_reserve(out, inner.n))
		return (struct bytes){ NULL, 0 };
	out->len = json_unescape(inner, out->data);
	return buf_bytes(out);
}

bool json_escaped_key_is(struct bytes escaped, struct bytes name)
{
	char c[4];

	if (bytes_chr(escaped, '\\') < 0)
		return false;
	while (escaped.n) {
		size_t n = 1;

		c[0] = escaped.p[0];
		if (c[0] == '\\')
			n = unescape(&escaped, c);
		else
			escaped = bytes_slice(escaped, 1, escaped.n);
		if (!n || n > name.n || memcmp(c, name.p, n))
			return false;
		name = bytes_slice(name, n, name.n);
	}
	return !name.n;
}

struct bytes json_key(struct bytes escaped, struct arena *a)
{
	char *out;

	if (bytes_chr(escaped, '\\') < 0)
		return escaped;
	out = arena_alloc_raw(a, escaped.n);
	return (struct bytes){ out, out ? json_unescape(escaped, out) : 0 };
}

bool json_find_member(struct bytes text, struct bytes key, struct json_member *out)
{
	struct json_member m = { 0 };
	bool found = false;
	size_t pos = 0;

	while (json_next_member(text, &pos, &m) > 0) {
		if (json_key_is(m.key, key)) {
			*out = m;
			found = true;
		}
	}
	return found;
}

int json_compact(struct bytes text, struct buf *out)
{
	const char *p = text.p, *end = text.p + text.n;

	if (buf_reserve(out, text.n))
		return -1;
	while (p < end) {
		const char *from = p;

		if (*p == '"') {
			p = skip_string(p + 1, end);
			if (!p)
				p = end;
		} else {
			while (p < end && *p != '"' && (unsigned char)*p > ' ')
				p++;
		}
		memcpy(out->data + out->len, from, (size_t)(p - from));
		out->len += (size_t)(p - from);
		if (p < end && *p != '"')
			p = skip_blanks(p, end);
		if (p == from) /* a control character, which no valid text has */
			p++;
	}
	return 0;
}
