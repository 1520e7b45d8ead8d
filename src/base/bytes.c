/*
 * Views and growing bytes. The views never own; the buffers double until their named maximum and
 * leave their content untouched when they cannot grow, so that a caller may answer with an error
 * from the same buffer.
 */
#include "base/bytes.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/format.h"

struct bytes bytes_of(const char *cstr)
{
	return cstr ? (struct bytes){ cstr, strlen(cstr) } : (struct bytes){ NULL, 0 };
}

struct bytes bytes_slice(struct bytes b, size_t from, size_t n)
{
	if (!b.p)
		return (struct bytes){ NULL, 0 };
	if (from > b.n)
		from = b.n;
	if (n > b.n - from)
		n = b.n - from;
	return (struct bytes){ b.p + from, n };
}

static inline unsigned char lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

/* Of up to 16 bytes the first and the last word, which may overlap, are all of them. */
bool bytes_alike(const char *a, const char *b, size_t n)
{
	uint64_t first, last, other_first, other_last;
	uint32_t head, tail, other_head, other_tail;

	if (n > 2 * sizeof first)
		return memcmp(a, b, n) == 0;
	if (n >= sizeof first) {
		memcpy(&first, a, sizeof first);
		memcpy(&other_first, b, sizeof first);
		memcpy(&last, a + n - sizeof last, sizeof last);
		memcpy(&other_last, b + n - sizeof last, sizeof last);
		return first == other_first && last == other_last;
	}
	if (n >= sizeof head) {
		memcpy(&head, a, sizeof head);
		memcpy(&other_head, b, sizeof head);
		memcpy(&tail, a + n - sizeof tail, sizeof tail);
		memcpy(&other_tail, b + n - sizeof tail, sizeof tail);
		return head == other_head && tail == other_tail;
	}
	while (n && a[n - 1] == b[n - 1])
		n--;
	return n == 0;
}

#define EACH(byte) (UINT64_MAX / 255 * (byte)) /* a word with that in each of its bytes */

/* Whether a byte of the word is below 32 or 127; a tab counts, too. */
static bool may_have_control(uint64_t word)
{
	uint64_t deleted = word ^ EACH(127);

	return ((word - EACH(32)) & ~word & EACH(128)) ||
	       ((deleted - EACH(1)) & ~deleted & EACH(128));
}

bool bytes_has_control(struct bytes b)
{
	size_t i = 0;
	uint64_t word;

	for (; i + sizeof word <= b.n; i += sizeof word) {
		memcpy(&word, b.p + i, sizeof word);
		if (may_have_control(word))
			break;
	}
	for (; i < b.n; i++)
		if (((unsigned char)b.p[i] < 32 && b.p[i] != '\t') || b.p[i] == 127)
			return true;
	return false;
}

bool bytes_ieq(struct bytes a, struct bytes b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

bool bytes_starts(struct bytes b, struct bytes prefix)
{
	return b.n >= prefix.n && (prefix.n == 0 || memcmp(b.p, prefix.p, prefix.n) == 0);
}

bool bytes_istarts(struct bytes b, struct bytes prefix)
{
	return b.n >= prefix.n && bytes_ieq((struct bytes){ b.p, prefix.n }, prefix);
}

bool bytes_ends(struct bytes b, struct bytes suffix)
{
	return b.n >= suffix.n &&
	       (suffix.n == 0 || memcmp(b.p + b.n - suffix.n, suffix.p, suffix.n) == 0);
}

int bytes_cmp(struct bytes a, struct bytes b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	if (c)
		return c;
	return a.n < b.n ? -1 : a.n > b.n;
}

ptrdiff_t bytes_find(struct bytes b, struct bytes needle)
{
	if (needle.n == 0)
		return 0;
	if (b.n < needle.n)
		return -1;
	const char *at = memmem(b.p, b.n, needle.p, needle.n);

	return at ? at - b.p : -1;
}

ptrdiff_t bytes_ifind(struct bytes b, struct bytes needle)
{
	for (size_t i = 0; i + needle.n <= b.n; i++)
		if (bytes_ieq((struct bytes){ b.p + i, needle.n }, needle))
			return (ptrdiff_t)i;
	return -1;
}

ptrdiff_t bytes_chr(struct bytes b, char c)
{
	const char *at = b.n ? memchr(b.p, c, b.n) : NULL;

	return at ? at - b.p : -1;
}

struct bytes bytes_trim(struct bytes b)
{
	while (b.n && (b.p[0] == ' ' || b.p[0] == '\t'))
		b.p++, b.n--;
	while (b.n && (b.p[b.n - 1] == ' ' || b.p[b.n - 1] == '\t'))
		b.n--;
	return b;
}

struct bytes bytes_cut(struct bytes *rest, char sep)
{
	ptrdiff_t at = bytes_chr(*rest, sep);
	struct bytes head = *rest;

	if (at < 0) {
		*rest = (struct bytes){ rest->p + rest->n, 0 };
		return head;
	}
	head.n = (size_t)at;
	rest->p += at + 1;
	rest->n -= (size_t)at + 1;
	return head;
}

#define DISTANCE_MAX 64

size_t bytes_distance(struct bytes a, struct bytes b)
{
	size_t rows[3][DISTANCE_MAX + 1], *before = rows[0], *last = rows[1], *row = rows[2];

	a = bytes_slice(a, 0, DISTANCE_MAX);
	b = bytes_slice(b, 0, DISTANCE_MAX);
	for (size_t j = 0; j <= b.n; j++)
		last[j] = j, before[j] = 0;
	for (size_t i = 1; i <= a.n; i++) {
		size_t *free_row = before;

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t cost = a.p[i - 1] != b.p[j - 1], best = last[j - 1] + cost;

			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] &&
			    a.p[i - 2] == b.p[j - 1] && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		before = last;
		last = row;
		row = free_row;
	}
	return last[b.n];
}

bool bytes_to_u64(struct bytes b, uint64_t *out)
{
	uint64_t v = 0;

	if (b.n == 0)
		return false;
	for (size_t i = 0; i < b.n; i++) {
		if (b.p[i] < '0' || b.p[i] > '9')
			return false;
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(b.p[i] - '0'), &v))
			return false;
	}
	*out = v;
	return true;
}

struct bytes u64_text(uint64_t n, char digits[U64_DIGITS])
{
	size_t i = U64_DIGITS;

	do
		digits[--i] = (char)('0' + n % 10);
	while (n /= 10);
	return (struct bytes){ digits + i, U64_DIGITS - i };
}

int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hex_code(struct bytes b)
{
	int code = b.n < 4 ? -1 : 0;

	for (size_t i = 0; i < 4 && code >= 0; i++) {
		int digit = hex_digit(b.p[i]);

		code = digit < 0 ? -1 : code << 4 | digit;
	}
	return code;
}

void hex_print(const void *data, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
	*out = '\0';
}

size_t bytes_percent_decode(struct bytes text, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		int high = text.p[i] == '%' && text.n - i > 2 ? hex_digit(text.p[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(text.p[i + 2]) : -1;

		out[n++] = (char)(low >= 0 ? high << 4 | low : text.p[i]);
		i += low >= 0 ? 2 : 0;
	}
	return n;
}

/* Length of the valid sequence at p (n bytes left), 0 if there is none. RFC 3629 §4. */
static size_t utf8_sequence(const unsigned char *p, size_t n)
{
	size_t len;
	unsigned char lo = 0x80, hi = 0xbf;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (p[0] == 0xe0)
		lo = 0xa0;
	else if (p[0] == 0xed)
		hi = 0x9f;
	else if (p[0] == 0xf0)
		lo = 0x90;
	else if (p[0] == 0xf4)
		hi = 0x8f;
	if (n < len || p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

size_t utf8_length(struct bytes b)
{
	return b.n ? utf8_sequence((const unsigned char *)b.p, b.n) : 0;
}

size_t utf8_print(unsigned code, char *out)
{
	size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (size_t i = n; --i;) {
		out[i] = (char)(0x80 | (code & 0x3f));
		code >>= 6;
	}
	out[0] = (char)(lead[n] | code);
	return n;
}

struct bytes bytes_head(struct bytes b, size_t max)
{
	if (max >= b.n)
		return b;
	while (max && utf8_continues(b.p[max]))
		max--;
	return (struct bytes){ b.p, max };
}

struct bytes bytes_whole(struct bytes b)
{
	size_t last = b.n;

	while (last && b.n - last < 3 && utf8_continues(b.p[last - 1]))
		last--;
	if (last && (unsigned char)b.p[last - 1] >= 0xc0 &&
	    !utf8_length(bytes_slice(b, last - 1, b.n)))
		b.n = last - 1;
	return b;
}

struct bytes bytes_tail(struct bytes b, size_t max)
{
	size_t from = b.n > max ? b.n - max : 0;

	while (from && from < b.n && utf8_continues(b.p[from]))
		from++;
	return bytes_slice(b, from, b.n);
}

/* How many bytes from p on are ASCII, in steps of a word: what is left of the last step is looked at singly. */
static size_t ascii_run(const unsigned char *p, size_t n)
{
	size_t i = 0;
	uint64_t word;

#ifdef __SSE2__
	for (; n - i >= 64; i += 64) {
		const __m128i *v = (const __m128i *)(const void *)(p + i);
		__m128i low = _mm_or_si128(_mm_loadu_si128(v), _mm_loadu_si128(v + 1));
		__m128i high = _mm_or_si128(_mm_loadu_si128(v + 2), _mm_loadu_si128(v + 3));

		if (_mm_movemask_epi8(_mm_or_si128(low, high)))
			break;
	}
#endif
	for (; n - i >= sizeof word; i += sizeof word) {
		memcpy(&word, p + i, sizeof word);
		if (word & 0x8080808080808080u)
			break;
	}
	return i;
}

bool bytes_is_utf8(struct bytes b)
{
	const unsigned char *p = (const unsigned char *)b.p;
	size_t i = 0;

	while ((i += ascii_run(p + i, b.n - i)) < b.n) {
		size_t len = utf8_sequence(p + i, b.n - i);

		if (len == 0)
			return false;
		i += len;
	}
	return true;
}

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_deinit(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ .max = b->max };
}

void buf_reset(struct buf *b)
{
	b->len = 0;
}

int buf_reserve(struct buf *b, size_t more)
{
	size_t need, cap;
	char *data;

	if (more <= b->cap - b->len)
		return 0;
	if (__builtin_add_overflow(b->len, more, &need) || need > b->max)
		return fail(ERR_TOO_LARGE, "more than %zu bytes", b->max);
	cap = b->cap       ? b->cap
	      : need > 256 ? need
			   : 256; /* who knows how much it will be asks first */
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	if (cap > b->max)
		cap = b->max;
	data = fault("alloc") ? NULL : realloc(b->data, cap);
	if (!data)
		return fail(ERR_OUT_OF_MEMORY, "out of memory");
	b->data = data;
	b->cap = cap;
	return 0;
}

int buf_append(struct buf *b, struct bytes s)
{
	if (s.n == 0)
		return 0;
	if (buf_reserve(b, s.n))
		return -1;
	memcpy(b->data + b->len, s.p, s.n);
	b->len += s.n;
	return 0;
}

int buf_putc(struct buf *b, char c)
{
	if (buf_reserve(b, 1))
		return -1;
	b->data[b->len++] = c;
	return 0;
}

int buf_read(struct buf *b, int fd)
{
	for (;;) {
		ssize_t n;

		if (buf_reserve(b, BUF_READ_ROOM))
			return -1;
		n = read(fd, b->data + b->len, b->cap - b->len);
		if (n == 0)
			return 0;
		if (n > 0)
			b->len += (size_t)n;
		else if (errno != EINTR)
			return fail(ERR_IO, "%s", strerror(errno));
	}
}

int buf_vprintf(struct buf *b, const char *fmt, va_list args)
{
	size_t n = format_text(NULL, 0, fmt, args);

	/* it writes a NUL behind the text: room for it, but it is not counted */
	if (buf_reserve(b, n + 1))
		return -1;
	format_text(b->data + b->len, n + 1, fmt, args);
	b->len += n;
	return 0;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args;
	int r;

	va_start(args, fmt);
	r = buf_vprintf(b, fmt, args);
	va_end(args);
	return r;
}

/* Shortest digits that read back as the same number, laid out as ryu does. */
int buf_put_double(struct buf *out, double d)
{
	char digits[40], mantissa[24];
	int exponent, len = 0, point;

	if (!isfinite(d))
		return buf_append(out, d > 0 ? B("inf") : B("-inf"));
	for (int precision = 0; precision < 17; precision++) {
		snprintf(digits, sizeof digits, "%.*e", precision, fabs(d));
		if (strtod(digits, NULL) == fabs(d))
			break;
	}
	exponent = (int)strtol(strchr(digits, 'e') + 1, NULL, 10);
	for (const char *c = digits; *c && *c != 'e'; c++)
		if (*c != '.')
			mantissa[len++] = *c;
	while (len > 1 && mantissa[len - 1] == '0')
		len--;
	point = exponent + 1; /* digits before the point */
	if (signbit(d) && buf_putc(out, '-'))
		return -1;
	if (d == 0)
		return buf_append(out, B("0.0"));
	if (len <= point && point <= 16)
		return buf_printf(out, "%.*s%.*s.0", len, mantissa, point - len,
				  "0000000000000000");
	if (point > 0 && point <= 16)
		return buf_printf(out, "%.*s.%.*s", point, mantissa, len - point, mantissa + point);
	if (point > -5 && point <= 0)
		return buf_printf(out, "0.%.*s%.*s", -point, "00000", len, mantissa);
	return buf_printf(out, "%.1s%s%.*se%s%d", mantissa, len > 1 ? "." : "", len - 1,
			  mantissa + 1, exponent > 0 ? "+" : "", exponent);
}

int buf_put_u64(struct buf *b, uint64_t v)
{
	char digits[U64_DIGITS];

	return buf_append(b, u64_text(v, digits));
}

/* What stands behind the backslash: 0 = the byte goes out as it is, 'u' = \u00XX, 's' = perhaps half of a
 * surrogate pair in WTF-8, which json_parse_lenient() leaves: two that belong together become their character, one alone
 * U+FFFD. */
static const char json_escape[256] = {
	['\b'] = 'b',  ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't', ['"'] = '"',
	['\\'] = '\\', [0x00] = 'u', [0x01] = 'u', [0x02] = 'u', [0x03] = 'u', [0x04] = 'u',
	[0x05] = 'u',  [0x06] = 'u', [0x07] = 'u', [0x0b] = 'u', [0x0e] = 'u', [0x0f] = 'u',
	[0x10] = 'u',  [0x11] = 'u', [0x12] = 'u', [0x13] = 'u', [0x14] = 'u', [0x15] = 'u',
	[0x16] = 'u',  [0x17] = 'u', [0x18] = 'u', [0x19] = 'u', [0x1a] = 'u', [0x1b] = 'u',
	[0x1c] = 'u',  [0x1d] = 'u', [0x1e] = 'u', [0x1f] = 'u', [0xed] = 's',
};

/* Half a pair at p, of n bytes, and perhaps the other. How many bytes they are; there is room. */
static size_t put_half(struct buf *b, const unsigned char *p, size_t n)
{
	unsigned high = (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu), low, code;
	char *to = b->data + b->len;

	if (n < 6 || p[1] > 0xaf || p[3] != 0xed || p[4] < 0xb0) {
		memcpy(to, "\xef\xbf\xbd", 3);
		b->len += 3;
		return 3;
	}
	low = (p[4] & 0x3fu) << 6 | (p[5] & 0x3fu);
	code = 0x10000 + ((high & 0x3ffu) << 10) + (low & 0x3ffu);
	to[0] = (char)(0xf0 | code >> 18);
	to[1] = (char)(0x80 | (code >> 12 & 0x3f));
	to[2] = (char)(0x80 | (code >> 6 & 0x3f));
	to[3] = (char)(0x80 | (code & 0x3f));
	b->len += 4;
	return 6;
}

/* Copies from p on what surely needs no escape, 16 bytes at a time; how many. `to` has room for n. What is left, at most
 * 16 plain bytes, is looked at singly. */
static size_t copy_plain(char *to, const unsigned char *p, size_t n)
{
	size_t i = 0;

#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
	const __m128i half = _mm_set1_epi8((char)0xed), last = _mm_set1_epi8(0x1f);

	for (; n - i >= 16; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
		__m128i quoted =
			_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash));
		__m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, last), v); /* unsigned v <= 0x1f */
		__m128i odd = _mm_or_si128(quoted, _mm_cmpeq_epi8(v, half));
		int hit = _mm_movemask_epi8(_mm_or_si128(odd, control));

		_mm_storeu_si128((__m128i *)(void *)(to + i), v);
		if (hit)
			return i + (size_t)__builtin_ctz((unsigned)hit);
	}
#else
	(void)to;
	(void)p;
	(void)n;
#endif
	return i;
}

int buf_json_string(struct buf *b, struct bytes s)
{
	const unsigned char *p = (const unsigned char *)s.p;

	if (buf_reserve(b, s.n + 2)) /* enough unless something is escaped */
		return -1;
	b->data[b->len++] = '"';
	for (size_t i = 0; i < s.n; i++) {
		size_t plain = copy_plain(b->data + b->len, p + i, s.n - i);
		char e;

		b->len += plain;
		i += plain;
		for (; i < s.n && !json_escape[p[i]]; i++)
			b->data[b->len++] = (char)p[i];
		if (i == s.n)
			break;
		e = json_escape[p[i]];
		if (e == 's' && (s.n - i <= 2 || p[i + 1] < 0xa0)) { /* a whole character */
			b->data[b->len++] = (char)p[i];
			continue;
		}
		if (buf_reserve(b, 7 + s.n - i))
			return -1;
		if (e == 's') {
			i += put_half(b, p + i, s.n - i) - 1;
			continue;
		}
		b->data[b->len++] = '\\';
		b->data[b->len++] = e;
		if (e == 'u') { /* there is room for a NUL too */
			hex_print((unsigned char[]){ 0, p[i] }, 2, b->data + b->len);
			b->len += 4;
		}
	}
	return buf_putc(b, '"');
}
