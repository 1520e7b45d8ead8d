/*
 * Rows out of the journal. They were made by Signet and guarded by a sum, so this is a reader of well-formed
 * JSON; but it never walks past the end, and what it cannot read makes the row's fault, not a crash.
 * Bodies are kilobytes of escaped text, which base/json_scan.c copies run by run.
 */
#include "store/row.h"

#include "base/error.h"
#include "base/json.h"

/* Half of a surrogate pair alone, which a row's text may have, is no character for a database: U+FFFD has its size. */
static void replace_halves(char *p, const char *end)
{
	while ((p = memchr(p, 0xed, (size_t)(end - p))) && end - p > 2) {
		if ((unsigned char)p[1] >= 0xa0)
			memcpy(p, "\xef\xbf\xbd", 3);
		p += 3;
	}
}

/* Never longer than the escaped form. Unset: no room. */
static struct bytes unescape(struct bytes in, struct buf *scratch)
{
	char *out = scratch->data + scratch->len;
	size_t n;

	if (scratch->cap - scratch->len < in.n)
		return (struct bytes){ 0 };
	n = json_unescape(in, out);
	replace_halves(out, out + n);
	scratch->len += n;
	return (struct bytes){ out, n };
}

struct bytes row_text(struct bytes value, struct buf *scratch)
{
	struct bytes inner;

	if (value.n < 2 || *value.p != '"')
		return value;
	inner = bytes_slice(value, 1, value.n - 2);
	return bytes_chr(inner, '\\') < 0 ? inner : unescape(inner, scratch);
}

/* Also 3.0. */
static bool read_int(struct bytes raw, int64_t *out)
{
	bool minus = bytes_starts(raw, B("-"));
	struct bytes zeros = bytes_slice(raw, minus, raw.n), digits = bytes_cut(&zeros, '.');
	uint64_t n;

	for (size_t i = 0; i < zeros.n; i++)
		if (zeros.p[i] != '0')
			return false;
	if (!bytes_to_u64(digits, &n) || n > INT64_MAX)
		return false;
	*out = minus ? -(int64_t)n : (int64_t)n;
	return true;
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
	case COL_INT: cell->type = CELL_INT; return read_int(raw, &cell->num);
	case COL_BOOL:
		cell->type = CELL_INT;
		cell->num = bytes_eq(raw, B("true"));
		if (bytes_eq(raw, B("1")))
			cell->num = 1;
		return cell->num || bytes_eq(raw, B("false")) || bytes_eq(raw, B("0"));
	case COL_NANO: cell->type = CELL_INT; return row_nano(raw, &cell->num);
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
	struct json_member m;
	size_t hint = 0, pos = 0;
	int r;

	if (scratch->cap - scratch->len < part->json.n)
		return fail(ERR_INTERNAL, "no room for a row's texts");
	memset(cells, 0, n * sizeof(*cells));
	take_texts(part->texts, columns, n, cells);
	if (!bytes_starts(part->json, B("{")))
		return fail(ERR_STORE, "a row is not an object");
	while ((r = json_next_member(part->json, &pos, &m)) > 0) {
		const struct column *c = find_column(columns, n, m.key, &hint);

		if (c && !fill(c, m.value, &cells[c - columns], scratch))
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
	struct json_member m;
	int r = json_next_member(object, pos, &m);

	if (r <= 0)
		return r;
	*key = unescape(m.key, scratch);
	*value = row_text(m.value, scratch);
	return key->p && value->p ? 1 : -1;
}

int64_t row_seq(struct uuid u)
{
	unsigned bits = (unsigned)(u.b[6] & 15) << 11 | (unsigned)u.b[7] << 3 | (u.b[8] >> 3 & 7);

	return (int64_t)(uuid_v7_ms(u) << 15 | bits);
}

struct uuid row_seq_id(int64_t seq)
{
	uint64_t ms = (uint64_t)seq >> 15, bits = (uint64_t)seq & 0x7fff;
	struct uuid u = { 0 };

	for (int i = 0; i < 6; i++)
		u.b[i] = (uint8_t)(ms >> (40 - 8 * i));
	u.b[6] = (uint8_t)(0x70 | (bits >> 11));
	u.b[7] = (uint8_t)(bits >> 3);
	u.b[8] = (uint8_t)(0x80 | ((bits & 7) << 3));
	return u;
}

struct bytes row_hash_hex(struct bytes decimal, char out[65])
{
	uint8_t bytes[32] = { 0 };

	if (!decimal.n)
		return (struct bytes){ 0 };
	for (size_t i = 0; i < decimal.n; i++) {
		unsigned carry;

		if (decimal.p[i] < '0' || decimal.p[i] > '9')
			return decimal;
		carry = (unsigned)(decimal.p[i] - '0');
		for (int k = 31; k >= 0; k--) {
			carry += bytes[k] * 10u;
			bytes[k] = (uint8_t)carry;
			carry >>= 8;
		}
	}
	hex_print(bytes, 32, out);
	return (struct bytes){ out, 64 };
}
