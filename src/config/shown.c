/*
 * The trap: what is wrong with a line is often its quotes, so they say little about where a value begins. Everything behind
 * the first `=` is a value; in an inline table a name counts as a key while all before it was in order.
 */
#include "config/shown.h"

#include "base/pen.h"
#include "config/read.h"

#define LINE_MAX_SHOWN 60
#define KEY_MAX_SHOWN  40
#define VALUE          "\"\xe2\x80\xa6\""

/* ---- words ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool in_word(char c)
{
	return is_digit(c) || is_letter(c) || c == '_' || c == '-' || c == '+' || c == '=';
}

static bool is_uuid(struct bytes w)
{
	for (size_t i = 0; i < w.n; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? w.p[i] != '-' : hex_digit(w.p[i]) < 0)
			return false;
	return w.n == 36;
}

bool looks_secret(struct bytes w)
{
	static const struct bytes beginnings[] = {
		B("sk-"),  B("sk_"),   B("pk-"),  B("rk-"),  B("gsk_"), B("ghp_"), B("gho_"),
		B("xai-"), B("xox"),   B("hf_"),  B("AKIA"), B("AIza"), B("eyJ"),  B("r8_"),
		B("pat-"), B("glpat"), B("ya29"), B("csk-"), B("key-"),
	};
	size_t digits = 0, letters = 0, run = 0, longest = 0;

	for (size_t i = 0; i < COUNT(beginnings) && w.n >= 8; i++)
		if (bytes_starts(w, beginnings[i]))
			return true;
	for (size_t i = 0; i < w.n; i++) {
		digits += is_digit(w.p[i]);
		letters += is_letter(w.p[i]);
		run = is_digit(w.p[i]) || is_letter(w.p[i]) ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	return is_uuid(w) || (w.n >= 20 && longest >= 16 && digits && letters);
}

/* "user:password@" behind "://": how long it is. */
static size_t userinfo(struct bytes rest)
{
	size_t at = 0;

	for (size_t i = 0; i < rest.n && !memchr("/?# \"`'", rest.p[i], 8); i++)
		if (rest.p[i] == '@')
			at = i;
	/* the example of our own messages */
	return bytes_eq(bytes_slice(rest, 0, at), B("user:password")) ? 0 : at;
}

/* The value of "?name=" or "&name=", if the name says that it is secret: how long it is. */
static size_t secret_parameter(struct bytes text, size_t from)
{
	size_t name = from, n = 0;

	if (from < 2 || text.p[from - 1] != '=')
		return 0;
	while (--name > 0 && in_word(text.p[name - 1]) && text.p[name - 1] != '=')
		;
	if (name == 0 || (text.p[name - 1] != '?' && text.p[name - 1] != '&') ||
	    !is_secret_header(bytes_slice(text, name, from - 1 - name)))
		return 0;
	while (from + n < text.n && !memchr("&# \"`'", text.p[from + n], 6))
		n++;
	return n;
}

/* How many bytes at `from` are secret; *plain: how many, at least one, may be shown if none is. */
static size_t secret_at(struct bytes text, size_t from, size_t *plain)
{
	struct bytes rest = bytes_slice(text, from, text.n), word = rest;
	size_t n = secret_parameter(text, from);

	*plain = 1;
	if (!n && from >= 3 && bytes_eq(bytes_slice(text, from - 3, 3), B("://")))
		n = userinfo(rest);
	if (n || !in_word(*rest.p) || *rest.p == '=')
		return n;
	for (word.n = 0; word.n < rest.n && in_word(rest.p[word.n]);)
		if (rest.p[word.n++] == '=' && word.n < rest.n && in_word(rest.p[word.n]))
			break;
	*plain = word.n;
	return looks_secret(word) ? word.n : 0;
}

int show_text(struct bytes text, struct buf *out)
{
	bool hashes = bytes_ifind(text, B("sha256")) >= 0 || bytes_ifind(text, B("sha-256")) >= 0;
	struct pen p = { .b = out };

	for (size_t i = 0, plain; i < text.n; i += plain) {
		size_t secret = secret_at(text, i, &plain);

		if (secret && !(hashes && secret == 64)) {
			pen_lit(&p, "\xe2\x80\xa6");
			plain = secret;
		} else {
			pen_bytes(&p, bytes_slice(text, i, plain));
		}
	}
	return pen_done(&p);
}

/* ---- a line ---- */

/* The quotes that a string at the front begins with: 3, 1, or 0. */
static size_t quotes(struct bytes t)
{
	char c = t.n ? *t.p : 0;

	if (c != '"' && c != '\'')
		return 0;
	return t.n >= 3 && t.p[1] == c && t.p[2] == c ? 3 : 1;
}

/* A string at the front, to its end or that of the line: its length. *open: it goes on behind the text. */
static size_t string_length(struct bytes t, bool *open)
{
	size_t q = quotes(t), i = q;

	for (*open = false; i < t.n; i++) {
		if (*t.p == '"' && t.p[i] == '\\')
			i++;
		else if (q == 1 && t.p[i] == '\n')
			return i;
		else if (t.p[i] == *t.p && quotes(bytes_slice(t, i, t.n)) >= q)
			return i + q;
	}
	*open = true;
	return t.n;
}

static bool in_string(struct bytes document, size_t at)
{
	struct bytes before = bytes_slice(document, 0, at);
	bool open = false;

	for (size_t i = 0; i < before.n && !open;) {
		struct bytes rest = bytes_slice(before, i, before.n);

		if (quotes(rest)) {
			i += string_length(rest, &open);
		} else if (*rest.p == '#') {
			bytes_cut(&rest, '\n');
			i = before.n - rest.n;
		} else {
			i++;
		}
	}
	return open;
}

struct line {
	struct bytes rest;
	struct pen p;
	bool values; /* all that comes is a value, but for keys of an inline table */
	bool ordered, value_last;
	size_t depth; /* of inline tables */
	bool key_next;
};

static size_t blanks(struct bytes t)
{
	size_t n = 0;

	while (n < t.n && (t.p[n] == ' ' || t.p[n] == '\t' || t.p[n] == '\r'))
		n++;
	return n;
}

/* A bare word at the front that an `=` (one) follows, or that stands in a table's head. */
static size_t key_length(const struct line *l, bool head)
{
	struct bytes t = l->rest;
	size_t n = 0, after;

	while (n < t.n && (is_digit(t.p[n]) || is_letter(t.p[n]) || memchr("_-.", t.p[n], 3)))
		n++;
	after = n + blanks(bytes_slice(t, n, t.n));
	if (n == 0 || n > KEY_MAX_SHOWN || looks_secret(bytes_slice(t, 0, n)))
		return 0;
	if (head)
		return n;
	return after < t.n && t.p[after] == '=' && (after + 1 == t.n || t.p[after + 1] != '=') ? n
											       : 0;
}

static size_t value_length(struct bytes t)
{
	bool open;
	size_t n = 0;

	if (quotes(t))
		return string_length(t, &open);
	while (!n || (n < t.n && !memchr(" \t\r,[]{}=\"'#", t.p[n], 12)))
		n++;
	return n;
}

static void show_punctuation(struct line *l)
{
	char c = *l->rest.p;

	l->depth += c == '{';
	l->depth -= c == '}' && l->depth;
	l->values |= c == '=';
	l->ordered &= c == '=' || c == '{' || c == '[' || l->value_last || c == ']' || c == '}';
	l->key_next = l->depth && l->ordered && (c == '{' || c == ',');
	l->value_last = c == ']' || c == '}';
	pen_bytes(&l->p, bytes_slice(l->rest, 0, 1));
}

/* One key, value, sign or run of blanks. */
static size_t show_next(struct line *l, bool head)
{
	size_t n = blanks(l->rest);

	if (n) {
		pen_lit(&l->p, " ");
		return n;
	}
	n = !l->values || l->key_next ? key_length(l, head) : 0;
	if (n) {
		pen_bytes(&l->p, bytes_slice(l->rest, 0, n));
		l->values = true;
		l->key_next = l->value_last = false;
		return n;
	}
	if (memchr(",[]{}=", *l->rest.p, 6)) {
		show_punctuation(l);
		return 1;
	}
	pen_lit(&l->p, VALUE);
	l->ordered &= !l->value_last;
	l->value_last = true;
	l->key_next = false;
	l->values = true;
	return value_length(l->rest);
}

int show_line(struct bytes document, size_t from, struct buf *out)
{
	struct bytes rest = bytes_slice(document, from, document.n);
	struct line l = { .rest = bytes_trim(bytes_cut(&rest, '\n')),
			  .p = { .b = out },
			  .ordered = true };
	bool head = l.rest.n && *l.rest.p == '[';

	if (l.rest.n > LINE_MAX_SHOWN || !bytes_is_utf8(l.rest) || in_string(document, from))
		return 0;
	while (l.rest.n && *l.rest.p != '#') {
		size_t n = show_next(&l, head);

		l.rest = bytes_slice(l.rest, n, l.rest.n);
	}
	return pen_done(&l.p);
}
