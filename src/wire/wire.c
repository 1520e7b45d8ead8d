/*
 * What the wires share: the texts of a failed attempt (http-api §2.3) and the reading of an upstream's error
 * object. The texts are matched by users' alerts, so they are TensorZero's to the letter.
 */
#include "wire/wire.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/format.h"
#include "base/json.h"
#include "base/words.h"
#include "net/http_status.h"

static int fail_framed(enum error_kind kind, const struct upstream_said *said, struct bytes text)
{
	struct bytes type = said->provider_type, phrase = http_status_phrase(said->status);

	if (kind == ERR_INFERENCE_CLIENT && said->status > 0)
		return fail_from_upstream(kind, said, "Error %d%s%.*s from %.*s client: %.*s",
					  said->status, phrase.n ? " " : "", BFMT(phrase),
					  BFMT(type), BFMT(text));
	if (kind == ERR_INFERENCE_CLIENT)
		return fail_from_upstream(kind, said, "Error from %.*s client: %.*s", BFMT(type),
					  BFMT(text));
	if (kind == ERR_FATAL_STREAM)
		return fail_from_upstream(
			kind, said, "Inference stream closed due to error from %.*s server: %.*s",
			BFMT(type), BFMT(text));
	return fail_from_upstream(kind, said, "Error from %.*s server: %.*s", BFMT(type),
				  BFMT(text));
}

int wire_fail(enum error_kind kind, int status, struct bytes type, const char *fmt, ...)
{
	const struct upstream_said said = { .provider_type = type, .status = status };
	struct bytes text;
	va_list args;

	va_start(args, fmt);
	text = format_new(fmt, args);
	va_end(args);
	if (!text.p)
		return fail(ERR_OUT_OF_MEMORY, "out of memory");
	fail_framed(kind, &said, text);
	free((char *)text.p);
	return -1;
}

int wire_fail_said(enum error_kind kind, const struct upstream_said *said)
{
	return fail_framed(kind, said, said->message);
}

/* A code may be a string or a number ("code": 502). */
static struct bytes text_of(yyjson_val *v, struct arena *a)
{
	struct bytes s = json_str(v);

	if (!bytes_set(s))
		s = json_raw(v);
	return bytes_set(s) ? arena_dup(a, s) : s;
}

/* "Please try again in 1.5s", "try again in 20 seconds", "in 350ms" */
static int64_t retry_in_text(struct bytes text)
{
	ptrdiff_t at = bytes_ifind(text, B("try again in "));
	struct bytes t;
	int64_t ms = 0, scale = 1000;
	size_t i = 0;

	if (at < 0)
		return -1;
	t = bytes_slice(text, (size_t)at + sizeof "try again in " - 1, 32);
	for (; i < t.n && i < 9 && t.p[i] >= '0' && t.p[i] <= '9'; i++)
		ms = ms * 10 + (t.p[i] - '0');
	if (i == 0)
		return -1;
	ms *= 1000;
	if (i < t.n && t.p[i] == '.')
		for (i++; i < t.n && t.p[i] >= '0' && t.p[i] <= '9'; i++)
			ms += (scale /= 10) * (t.p[i] - '0');
	t = bytes_trim(bytes_slice(t, i, t.n));
	if (bytes_starts(t, B("ms")))
		return ms / 1000;
	return bytes_starts(t, B("m")) ? ms * 60 : ms;
}

/* Parses without losing the error that is being filled, which may be the current one. */
static yyjson_val *parse_quietly(struct error *e, struct bytes body, struct arena *a)
{
	struct error kept = *e;
	yyjson_val *root;

	if (body.n == 0 || *body.p == '<')
		return NULL;
	if (e == error_last())
		e->owned = NULL;
	root = json_parse(body, a);
	if (e == error_last()) {
		if (!root)
			error_clear();
		*e = kept;
	}
	return root;
}

void wire_read_error_body(struct error *e, struct bytes body, struct arena *a)
{
	yyjson_val *root = parse_quietly(e, body, a), *err = json_get(root, "error");
	struct bytes message = { NULL, 0 };

	e->upstream_body = body;
	if (yyjson_is_str(err))
		message = json_str(err);
	else if (yyjson_is_obj(err)) {
		e->upstream_code = text_of(json_get(err, "code"), a);
		if (!bytes_set(e->upstream_code))
			e->upstream_code = text_of(json_get(err, "type"), a);
		message = json_str(json_get(err, "message"));
	} else if (root) {
		e->upstream_code = text_of(json_get(root, "code"), a);
	}
	if (!bytes_set(message))
		message = json_str(json_get(root, "message"));
	if (!bytes_set(message))
		message = json_str(json_get(root, "detail"));
	e->upstream_message = bytes_set(message) ? arena_dup(a, message) : body;
	if (e->retry_after_ms < 0)
		e->retry_after_ms = retry_in_text(e->upstream_message);
}

/* Bytes of the character at the front; 0: it is none. Half surrogates count as characters. */
static size_t character(struct bytes s)
{
	bool half = s.n > 2 && *s.p == '\xed' && ((unsigned char)s.p[1] & 0xe0) == 0xa0 &&
		    utf8_continues(s.p[2]);

	return half ? 3 : utf8_length(s);
}

struct bytes wire_utf8(struct bytes text, struct arena *a)
{
	char *out;
	size_t len = 0;

	if (!bytes_set(text) || bytes_is_utf8(text))
		return text;
	if (text.n > SIZE_MAX / 3)
		return (struct bytes){ NULL, 0 };
	out = arena_alloc_raw(a, text.n * 3);
	if (!out)
		return (struct bytes){ NULL, 0 };
	while (text.n > 0) {
		size_t n = character(text);

		memcpy(out + len, n ? text.p : "\xef\xbf\xbd", n ? n : 3);
		len += n ? n : 3;
		text = bytes_slice(text, n ? n : 1, text.n);
	}
	return (struct bytes){ out, len };
}

/* How many bytes are one character, or the longest beginning of one; *whole says which. */
static size_t sequence(struct bytes s, bool *whole)
{
	unsigned char first = (unsigned char)s.p[0];
	unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	size_t want = first < 0x80   ? 1
		      : first < 0xc2 ? 0
		      : first < 0xe0 ? 2
		      : first < 0xf0 ? 3
		      : first < 0xf5 ? 4
				     : 0,
	       n = 1;

	for (; n < want && n < s.n; n++) {
		unsigned char c = (unsigned char)s.p[n];

		if (c < (n == 1 ? low : 0x80) || c > (n == 1 ? high : 0xbf))
			break;
	}
	*whole = n == want;
	return n;
}

/* The charset of a media type; unset: it names none. */
static struct bytes charset_of(struct bytes type)
{
	bytes_cut(&type, ';');
	while (type.n > 0) {
		struct bytes parameter = bytes_trim(bytes_cut(&type, ';')),
			     name = bytes_cut(&parameter, '=');

		if (!bytes_ieq(name, B("charset")))
			continue;
		if (parameter.n > 1 && *parameter.p == '"')
			parameter = bytes_slice(parameter, 1, parameter.n - 2);
		return parameter;
	}
	return (struct bytes){ NULL, 0 };
}

static bool is_ascii(struct bytes s)
{
	unsigned char all = 0;

	for (size_t i = 0; i < s.n; i++)
		all |= (unsigned char)s.p[i];
	return all < 0x80;
}

/* Whether the body is of another charset than UTF-8. In all but UTF-16 ASCII is ASCII. */
static bool is_foreign(struct bytes body, struct bytes charset)
{
	if (bytes_starts(body, B("\xff\xfe")) || bytes_starts(body, B("\xfe\xff")))
		return true;
	if (!bytes_set(charset) || bytes_ieq(charset, B("utf-8")) ||
	    bytes_starts(body, B("\xef\xbb\xbf")))
		return false;
	return !is_ascii(body) || bytes_ifind(charset, B("16")) >= 0;
}

struct bytes wire_body_text(struct bytes body, struct bytes content_type, struct arena *a)
{
	struct bytes charset = charset_of(content_type);
	size_t len = 0;
	char *out;

	if (is_foreign(body, charset))
		return words_decode(body, charset, a);

	if (bytes_starts(body, B("\xef\xbb\xbf")))
		body = bytes_slice(body, 3, body.n);
	if (!bytes_set(body) || bytes_is_utf8(body))
		return body;
	out = body.n > SIZE_MAX / 3 ? NULL : arena_alloc_raw(a, body.n * 3);
	if (!out)
		return (struct bytes){ NULL, 0 };
	while (body.n > 0) {
		bool whole;
		size_t n = sequence(body, &whole);

		memcpy(out + len, whole ? body.p : "\xef\xbf\xbd", whole ? n : 3);
		len += whole ? n : 3;
		body = bytes_slice(body, n, body.n);
	}
	return (struct bytes){ out, len };
}
