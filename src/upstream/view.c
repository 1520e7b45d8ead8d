/* The trap: a byte of a view may come from the middle of a character of the text, so places overlap, but never go back. */
#include "upstream/view.h"

int view_new(struct view *v, size_t room, struct arena *a)
{
	*v = (struct view){ .text = arena_alloc_raw(a, room + 1),
			    .at = arena_alloc_raw(a, (room + 1) * sizeof(uint32_t)),
			    .end = arena_alloc_raw(a, (room + 1) * sizeof(uint32_t)) };
	return v->text && v->at && v->end ? 0 : -1;
}

void view_put(struct view *v, char c, uint32_t at, uint32_t end)
{
	v->text[v->n] = c;
	v->at[v->n] = at;
	v->end[v->n++] = end;
}

/* ---- digits ---- */

/* A reading in which 2^bits characters make digits. */
struct digits {
	int (*value)(char);
	unsigned bits;
	unsigned shift; /* where it begins */
	size_t least;   /* digits in a row, or it is a word */
};

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

static const struct digits readings[] = {
	{ base64_value, 6, 0, 6 }, { base64_value, 6, 1, 6 }, { base64_value, 6, 2, 6 },
	{ base64_value, 6, 3, 6 }, { hex_digit, 4, 0, 8 },    { hex_digit, 4, 1, 8 },
};

/* The digits from `from` up to `to` as bytes. */
static void put_digits(const struct digits *d, const struct view *v, size_t from, size_t to,
		       struct view *out)
{
	unsigned held = 0, bits = 0;
	size_t first = from;

	for (size_t i = from; i < to; i++) {
		held = held << d->bits | (unsigned)d->value(v->text[i]);
		bits += d->bits;
		if (bits < 8)
			continue;
		bits -= 8;
		view_put(out, (char)(held >> bits), v->at[first], v->end[i]);
		first = bits ? i : i + 1;
	}
}

bool view_digits(const struct view *v, unsigned shift, struct view *out)
{
	const struct digits *d = &readings[shift];

	if (shift == COUNT(readings))
		return false;
	out->n = 0;
	for (size_t i = 0, end; i < v->n; i = end + 1) {
		for (end = i; end < v->n && d->value(v->text[end]) >= 0;)
			end++;
		if (end - i < d->least + d->shift)
			continue;
		put_digits(d, v, i + d->shift, end, out);
		view_put(out, 0, v->at[end - 1], v->at[end - 1]);
	}
	return true;
}

/* ---- escapes ---- */

/* What an escape at the front of the text stands for: its length, 0: it is none; *c -1: for nothing. */
static size_t percent_escape(struct bytes t, int *c)
{
	if (t.n < 3 || t.p[0] != '%' || hex_digit(t.p[1]) < 0 || hex_digit(t.p[2]) < 0)
		return 0;
	*c = hex_digit(t.p[1]) << 4 | hex_digit(t.p[2]);
	return 3;
}

static size_t backslash_escape(struct bytes t, int *c)
{
	if (t.n < 2 || t.p[0] != '\\')
		return 0;
	*c = (unsigned char)t.p[1];
	if (t.p[1] == 'n' || t.p[1] == 'r' || t.p[1] == 't')
		*c = -1;
	if (t.p[1] == 'x' && t.n >= 4 && hex_digit(t.p[2]) >= 0 && hex_digit(t.p[3]) >= 0) {
		*c = hex_digit(t.p[2]) << 4 | hex_digit(t.p[3]);
		return 4;
	}
	if (t.p[1] == 'u' && t.n >= 6 && hex_code(bytes_slice(t, 2, 4)) >= 0) {
		*c = hex_code(bytes_slice(t, 2, 4));
		return 6;
	}
	return 2;
}

static size_t html_escape(struct bytes t, int *c)
{
	static const struct {
		struct bytes name;
		char c;
	} names[] = { { B("&amp;"), '&' },
		      { B("&lt;"), '<' },
		      { B("&gt;"), '>' },
		      { B("&quot;"), '"' },
		      { B("&apos;"), '\'' } };
	bool in_hex = t.n > 2 && (t.p[2] | 32) == 'x';
	size_t i = in_hex ? 3 : 2;
	int value = 0;

	if (t.n < 4 || t.p[0] != '&')
		return 0;
	for (size_t k = 0; k < COUNT(names); k++)
		if (bytes_starts(t, names[k].name)) {
			*c = (unsigned char)names[k].c;
			return names[k].name.n;
		}
	if (t.p[1] != '#')
		return 0;
	for (; i < t.n && i < 10 && hex_digit(t.p[i]) >= 0; i++)
		value = (value * (in_hex ? 16 : 10) + hex_digit(t.p[i])) & 0xffff;
	*c = value;
	return i < t.n && t.p[i] == ';' ? i + 1 : 0;
}

static size_t escape(struct bytes t, int *c)
{
	size_t n = percent_escape(t, c);

	if (!n)
		n = backslash_escape(t, c);
	if (!n)
		n = html_escape(t, c);
	if (!n && (t.p[0] == '\n' || t.p[0] == '\r')) {
		*c = -1;
		n = 1;
	}
	return n;
}

/* Takes escapes apart, once. False: there was none. */
bool view_unescape(const struct view *v, struct view *out)
{
	bool any = false;

	out->n = 0;
	for (size_t i = 0, n; i < v->n; i += n) {
		int c = 0;

		n = escape((struct bytes){ v->text + i, v->n - i }, &c);
		if (!n) {
			view_put(out, v->text[i], v->at[i], v->end[i]);
			n = 1;
			continue;
		}
		any = true;
		if (c >= 0)
			view_put(out, (char)(c < 256 ? c : VIEW_BEYOND), v->at[i],
				 v->end[i + n - 1]);
	}
	return any;
}
