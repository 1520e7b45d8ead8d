/*
 * Media types as TensorZero's crate reads them: a token, a slash, a token, parameters. Its errors reach clients, and it
 * prints a type otherwise than it was written: names in lower case, an end without parameters cut off.
 */
#include "wire/media.h"

#include <stdio.h>

#define MIME_MAX 65535

struct cursor {
	struct bytes text;
	size_t at;
	char *err; /* MEDIA_WORDS bytes */
};

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static bool is_token(char c)
{
	return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'+-.^_`|~", c));
}

static bool fail_words(const struct cursor *c, const char *words)
{
	snprintf(c->err, MEDIA_WORDS, "%s", words);
	return false;
}

/* The byte at hand is the wrong one; `end`: the words if there is none. */
static bool fail_here(const struct cursor *c, const char *end)
{
	static const char from[] = "\n\r\t\\\0", *const to[] = { "\\n", "\\r", "\\t", "\\", "\\0" };
	unsigned char byte;
	const char *known;
	char shown[8];

	if (c->at >= c->text.n)
		return fail_words(c, end);
	byte = (unsigned char)c->text.p[c->at];
	known = memchr(from, byte, sizeof from - 1);
	if (known)
		snprintf(shown, sizeof shown, "%s", to[known - from]);
	else if (byte >= 0x20 && byte < 0x80)
		snprintf(shown, sizeof shown, "%c", byte);
	else
		snprintf(shown, sizeof shown, "\\x%02x", byte);
	snprintf(c->err, MEDIA_WORDS, "invalid token, '%s' at position %zu", shown, c->at);
	return false;
}

static bool is_at(const struct cursor *c, char what)
{
	return c->at < c->text.n && c->text.p[c->at] == what;
}

static size_t skip_token(struct cursor *c)
{
	size_t from = c->at;

	while (c->at < c->text.n && is_token(c->text.p[c->at]))
		c->at++;
	return c->at - from;
}

/* From the quote to behind its end. */
static bool skip_quoted(struct cursor *c)
{
	static const char no_quote[] = "a quote (\") was missing from a parameter value";
	bool escaped = false;

	for (c->at++; c->at < c->text.n; c->at++) {
		char byte = c->text.p[c->at];

		if (byte != '\t' && ((unsigned char)byte < ' ' || byte == 0x7f))
			return fail_here(c, no_quote);
		if (byte == '"' && !escaped) {
			c->at++;
			return true;
		}
		escaped = !escaped && byte == '\\';
	}
	return fail_words(c, no_quote);
}

/* name=value, the semicolon or space behind it included. Lowers what has no case. */
static bool read_parameter(struct cursor *c, char *out)
{
	static const char no_equal[] =
		"an equals sign (=) was missing between a parameter and its value";
	size_t name = c->at, n = skip_token(c), value;

	if (n == 0 || !is_at(c, '='))
		return fail_here(c, no_equal);
	value = ++c->at;
	if (is_at(c, '"')) {
		if (!skip_quoted(c))
			return false;
	} else if (skip_token(c) > 0 && (is_at(c, ' ') || is_at(c, ';'))) {
		c->at++;
	} else if (c->at < c->text.n) {
		return fail_here(c, "");
	}
	for (size_t i = name; i < name + n; i++)
		out[i] = lower(out[i]);
	for (size_t i = value; bytes_ieq(bytes_slice(c->text, name, n), B("charset")) && i < c->at;
	     i++)
		out[i] = lower(out[i]);
	return true;
}

static bool read_type(struct cursor *c, size_t *essence)
{
	size_t sub;

	if (skip_token(c) == 0 || !is_at(c, '/'))
		return fail_here(c, "a slash (/) was missing between the type and subtype");
	sub = ++c->at;
	skip_token(c);
	*essence = c->at;
	return c->at == c->text.n || (c->at > sub && (is_at(c, ';') || is_at(c, ' ')))
		       ? true
		       : fail_here(c, "");
}

bool media_mime(struct bytes text, struct arena *a, struct bytes *out, char err[MEDIA_WORDS])
{
	struct cursor c = { .text = text, .err = err };
	char *printed = arena_alloc_raw(a, text.n + 1);
	size_t essence = 0, parameters = 0;

	err[0] = '\0';
	if (!printed)
		return false;
	if (text.n > MIME_MAX)
		return fail_words(&c, "the string is too long");
	if (bytes_eq(text, B("*/*")))
		return fail_words(&c, "unexpected asterisk");
	memcpy(printed, text.p, text.n);
	if (!read_type(&c, &essence))
		return false;
	for (c.at++; c.at < text.n;) {
		if (is_at(&c, ' ') || is_at(&c, ';')) {
			c.at++;
			continue;
		}
		if (!read_parameter(&c, printed))
			return false;
		parameters++;
	}
	for (size_t i = 0; i < essence; i++)
		printed[i] = lower(printed[i]);
	*out = (struct bytes){ printed, parameters > 0 ? text.n : essence };
	return true;
}
