/*
 * What serde_json says about a text that is no JSON, and where. Clients of TensorZero see its words
 * ("expected `,` or `}` at line 1 column 9"), and people search for them; so this is a second reader that
 * takes the decisions in serde_json's order (version 1.0.149, Deserializer over a slice). It runs only
 * after the fast parser has failed.
 * Trap: serde_json reports some errors at the byte it looked at ("peek": the column counts that byte) and
 * others at the last byte it took ("at"); the two differ by one column.
 */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"

struct check {
	struct bytes text;
	size_t at; /* first byte not taken */
	size_t depth;
	bool object[JSON_MAX_DEPTH];
};

static int error_at(const struct check *c, const char *what)
{
	size_t line, column;

	json_position(c->text, c->at, &line, &column);
	return fail(ERR_JSON_REQUEST, "%s at line %zu column %zu", what, line, column);
}

static int error_peek(const struct check *c, const char *what)
{
	struct check next = { .text = c->text, .at = c->at + 1 };

	return error_at(&next, what);
}

/* The next byte without taking it, -1 at the end. */
static int peek(const struct check *c)
{
	return c->at < c->text.n ? (unsigned char)c->text.p[c->at] : -1;
}

static int peek_behind_blanks(struct check *c)
{
	while (c->at < c->text.n && memchr(" \n\t\r", c->text.p[c->at], 4))
		c->at++;
	return peek(c);
}

static int check_ident(struct check *c, const char *rest)
{
	for (c->at++; *rest; rest++) {
		if (peek(c) < 0)
			return error_at(c, "EOF while parsing a value");
		if (c->text.p[c->at++] != *rest)
			return error_at(c, "expected ident");
	}
	return 0;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static int check_exponent(struct check *c)
{
	c->at++;
	if (peek(c) == '+' || peek(c) == '-')
		c->at++;
	if (peek(c) < 0)
		return error_at(c, "EOF while parsing a value");
	if (!is_digit(c->text.p[c->at++]))
		return error_at(c, "invalid number");
	while (is_digit(peek(c)))
		c->at++;
	return 0;
}

static int check_magnitude(struct check *c, size_t from)
{
	size_t n = c->at - from;
	char *copy = malloc(n + 1);
	bool fits;

	if (!copy)
		return fail(ERR_OUT_OF_MEMORY, "no memory for a number of %zu digits", n);
	memcpy(copy, c->text.p + from, n);
	copy[n] = 0;
	fits = !isinf(strtod(copy, NULL));
	free(copy);
	return fits ? 0 : error_at(c, "number out of range");
}

static int check_number(struct check *c)
{
	size_t from = c->at;

	if (peek(c) == '-')
		c->at++;
	if (peek(c) < 0)
		return error_at(c, "EOF while parsing a value");
	if (!is_digit(c->text.p[c->at++]))
		return error_at(c, "invalid number");
	if (c->text.p[c->at - 1] == '0' && is_digit(peek(c)))
		return error_peek(c, "invalid number");
	while (is_digit(peek(c)))
		c->at++;
	if (peek(c) == '.') {
		c->at++;
		if (!is_digit(peek(c)))
			return error_peek(c, peek(c) < 0 ? "EOF while parsing a value"
							 : "invalid number");
		while (is_digit(peek(c)))
			c->at++;
	}
	if ((peek(c) | 0x20) == 'e' && check_exponent(c))
		return -1;
	return check_magnitude(c, from);
}

/* Four digits behind "\u". -1: error set. */
static int check_hex(struct check *c)
{
	int value = 0;

	if (c->text.n - c->at < 4) {
		c->at = c->text.n;
		return error_at(c, "EOF while parsing a string");
	}
	for (int i = 0; i < 4; i++) {
		char d = c->text.p[c->at + (size_t)i], low = (char)(d | 0x20);

		if (value >= 0 && is_digit(d))
			value = value << 4 | (d - '0');
		else if (value >= 0 && low >= 'a' && low <= 'f')
			value = value << 4 | (low - 'a' + 10);
		else
			value = -1;
	}
	c->at += 4;
	return value < 0 ? error_at(c, "invalid escape") : value;
}

static int check_unicode_escape(struct check *c)
{
	int high = check_hex(c), low;

	if (high < 0)
		return -1;
	if (high >= 0xdc00 && high <= 0xdfff)
		return error_at(c, "lone leading surrogate in hex escape");
	if (high < 0xd800 || high > 0xdbff)
		return 0;
	for (const char *want = "\\u"; *want; want++) {
		if (peek(c) < 0)
			return error_at(c, "EOF while parsing a string");
		if (c->text.p[c->at++] != *want)
			return error_at(c, "unexpected end of hex escape");
	}
	low = check_hex(c);
	if (low < 0)
		return -1;
	return low >= 0xdc00 && low <= 0xdfff ? 0
					      : error_at(c, "lone leading surrogate in hex escape");
}

static int check_escape(struct check *c)
{
	if (peek(c) < 0)
		return error_at(c, "EOF while parsing a string");
	switch (c->text.p[c->at++]) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return 0;
	case 'u':
		return check_unicode_escape(c);
	default:
		return error_at(c, "invalid escape");
	}
}

/* UTF-8 is looked at when the string has ended, all else comes first. */
static int check_string(struct check *c)
{
	size_t from = ++c->at;

	for (;;) {
		int b = peek(c);

		if (b < 0)
			return error_at(c, "EOF while parsing a string");
		c->at++;
		if (b == '"')
			break;
		if (b < 0x20)
			return error_at(
				c,
				"control character (\\u0000-\\u001F) found while parsing a string");
		if (b == '\\' && check_escape(c))
			return -1;
	}
	if (!bytes_is_utf8(bytes_slice(c->text, from, c->at - 1 - from)))
		return error_at(c, "invalid unicode code point");
	return 0;
}

/* A value up to its end, or only its opening bracket (then *opened). */
static int check_value(struct check *c, bool *opened)
{
	int b = peek_behind_blanks(c);

	*opened = false;
	if (b == '[' || b == '{') {
		if (c->depth + 1 == JSON_MAX_DEPTH)
			return error_peek(c, "recursion limit exceeded");
		c->object[c->depth++] = b == '{';
		c->at++;
		*opened = true;
		return 0;
	}
	if (b == '"')
		return check_string(c);
	if (b == '-' || is_digit(b))
		return check_number(c);
	if (b == 'n')
		return check_ident(c, "ull");
	if (b == 't')
		return check_ident(c, "rue");
	if (b == 'f')
		return check_ident(c, "alse");
	return error_peek(c, b < 0 ? "EOF while parsing a value" : "expected value");
}

/* The key and its colon; a quote is next. */
static int check_key(struct check *c)
{
	int b;

	if (check_string(c))
		return -1;
	b = peek_behind_blanks(c);
	if (b != ':')
		return error_peek(c, b < 0 ? "EOF while parsing an object" : "expected `:`");
	c->at++;
	return 0;
}

/* What stands before a member. 1: a member follows, 0: the object has ended, -1: error. */
static int check_member_start(struct check *c, bool first)
{
	int b = peek_behind_blanks(c);

	if (b < 0)
		return error_peek(c, "EOF while parsing an object");
	if (b == '}')
		return 0;
	if (!first) {
		if (b != ',')
			return error_peek(c, "expected `,` or `}`");
		c->at++;
		b = peek_behind_blanks(c);
		if (b < 0)
			return error_peek(c, "EOF while parsing a value");
		if (b == '}')
			return error_peek(c, "trailing comma");
	}
	if (b != '"')
		return error_peek(c, "key must be a string");
	return check_key(c) ? -1 : 1;
}

/* The same before an element of an array. */
static int check_element_start(struct check *c, bool first)
{
	int b = peek_behind_blanks(c);

	if (b < 0)
		return error_peek(c, "EOF while parsing a list");
	if (b == ']')
		return 0;
	if (first)
		return 1;
	if (b != ',')
		return error_peek(c, "expected `,` or `]`");
	c->at++;
	b = peek_behind_blanks(c);
	if (b < 0)
		return error_peek(c, "EOF while parsing a value");
	return b == ']' ? error_peek(c, "trailing comma") : 1;
}

int json_check(struct bytes text)
{
	struct check c = { .text = text };
	bool opened;

	if (check_value(&c, &opened))
		return -1;
	while (c.depth) {
		int more = c.object[c.depth - 1] ? check_member_start(&c, opened)
						 : check_element_start(&c, opened);

		if (more < 0)
			return -1;
		if (more) {
			if (check_value(&c, &opened))
				return -1;
			continue;
		}
		c.at++; /* the closing bracket */
		c.depth--;
		opened = false;
	}
	if (peek_behind_blanks(&c) >= 0)
		return error_peek(&c, "trailing characters");
	return 0;
}
