/*
 * A product of two 18-digit numbers fits in 128 bits before it is brought to 10^-24, so there is no rounding on the way;
 * what does not fit is unknown rather than wrong. Doubles come in only where a text or a counter leaves the process.
 */
#include "base/money.h"

#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX    18 /* of a decimal: it fits into int64_t */
#define EXPONENT_MAX  30
#define PARTS_SCALE   24
#define PARTS_OF_NANO 1000000000000000

/* ---- decimals ---- */

static bool is_digit(struct bytes t, size_t i)
{
	return i < t.n && t.p[i] >= '0' && t.p[i] <= '9';
}

/* "e-7" at `i`: the exponent; *i is behind it. false: it has no digits. */
static bool read_exponent(struct bytes t, size_t *i, int *out)
{
	bool minus = *i + 1 < t.n && t.p[*i + 1] == '-';
	int n = 0;

	*i += 1 + (minus || (*i + 1 < t.n && t.p[*i + 1] == '+'));
	if (!is_digit(t, *i))
		return false;
	for (; is_digit(t, *i); ++*i)
		n = n < 10000 ? n * 10 + (t.p[*i] - '0') : n;
	*out = minus ? -n : n;
	return true;
}

static bool in_range(struct decimal *d, bool minus)
{
	while (d->digits && d->digits % 10 == 0) {
		d->digits /= 10;
		d->scale--;
	}
	if (!d->digits)
		d->scale = 0;
	if (minus)
		d->digits = -d->digits;
	return d->scale >= -EXPONENT_MAX && d->scale <= EXPONENT_MAX + DIGITS_MAX;
}

/* Digits, a point among them, lines between them. false: there are none. */
static bool read_digits(struct bytes t, size_t *i, struct decimal *out)
{
	bool point = false, seen = false;
	int kept = 0;

	for (; is_digit(t, *i) || (*i < t.n && (t.p[*i] == '.' || t.p[*i] == '_')); ++*i) {
		if (t.p[*i] == '.' && point)
			break;
		point |= t.p[*i] == '.';
		if (!is_digit(t, *i)) {
			if (t.p[*i] == '_' && !seen)
				break;
			continue;
		}
		seen = true;
		if (kept == DIGITS_MAX) {
			out->scale -= !point;
			continue;
		}
		out->digits = out->digits * 10 + (t.p[*i] - '0');
		kept += out->digits != 0;
		out->scale += point;
	}
	return seen;
}

bool decimal_read(struct bytes t, struct decimal *out)
{
	bool minus = bytes_starts(t, B("-"));
	size_t i = minus || bytes_starts(t, B("+"));
	int exponent = 0;

	*out = (struct decimal){ 0 };
	if (!read_digits(t, &i, out))
		return false;
	if (i < t.n && (t.p[i] | 0x20) == 'e' && !read_exponent(t, &i, &exponent))
		return false;
	out->scale -= exponent;
	return i == t.n && in_range(out, minus);
}

/* ---- sums ---- */

/* n × 10^by, by may be negative. false: it does not fit. */
static bool shift(__int128 n, int by, __int128 *out)
{
	for (; by < 0 && n; by++)
		n /= 10;
	for (; by > 0 && n; by--)
		if (__builtin_mul_overflow(n, (__int128)10, &n))
			return false;
	*out = n;
	return true;
}

int decimal_cmp(struct decimal a, struct decimal b)
{
	__int128 x, y;
	int scale = a.scale > b.scale ? a.scale : b.scale;

	/* what is too large to be shifted is the larger one, by its sign */
	if (!shift(a.digits, scale - a.scale, &x))
		return a.digits < 0 ? -1 : 1;
	if (!shift(b.digits, scale - b.scale, &y))
		return b.digits < 0 ? 1 : -1;
	return x < y ? -1 : x > y;
}

void money_add(struct money *sum, struct money part)
{
	if (!sum->known || !part.known ||
	    __builtin_add_overflow(sum->parts, part.parts, &sum->parts))
		*sum = (struct money){ 0 };
}

void money_add_product(struct money *sum, struct decimal amount, struct decimal price)
{
	struct money part = { 0 };

	part.known = shift((__int128)amount.digits * price.digits,
			   PARTS_SCALE - amount.scale - price.scale, &part.parts);
	money_add(sum, part);
}

int64_t money_nano(struct money m)
{
	__int128 nano = m.parts / PARTS_OF_NANO;

	return nano > INT64_MAX ? INT64_MAX : nano < INT64_MIN ? INT64_MIN : (int64_t)nano;
}

/* The double next to it, by way of its digits: a division of doubles could miss by one. */
double money_dollars(struct money m)
{
	char text[64];
	unsigned __int128 n =
		m.parts < 0 ? -(unsigned __int128)m.parts : (unsigned __int128)m.parts;
	size_t at = sizeof(text) - 5;

	memcpy(text + at, "e-24", 5);
	do {
		text[--at] = (char)('0' + (int)(n % 10));
		n /= 10;
	} while (n);
	if (m.parts < 0)
		text[--at] = '-';
	return strtod(text + at, NULL);
}

int money_print(struct money m, struct buf *out)
{
	return m.known ? buf_put_double(out, money_dollars(m)) : buf_append(out, B("null"));
}
