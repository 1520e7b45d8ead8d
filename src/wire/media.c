/*
 * What a request's files need: TensorZero parses each URL and prints it again, finds the type of audio in its
 * first bytes and names files by their type; providers see these bytes, so they are kept alike.
 *
 * The URL printer follows the WHATWG URL standard for the special schemes (http, https, ftp, ws, wss), and
 * leaves others alone but for what must be encoded.
 */
#include "wire/media.h"

#include <stdio.h>

#include "base/error.h"

#define MAX_URL (32u << 20) /* of the printed form; data URLs never come here whole */

struct scheme {
	struct bytes name;
	struct bytes port; /* the default one */
};

static const struct scheme special[] = {
	{ B("http"), B("80") }, { B("https"), B("443") }, { B("ftp"), B("21") },
	{ B("ws"), B("80") },   { B("wss"), B("443") },
};

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static void put_encoded(struct buf *out, char c, const char *also)
{
	unsigned char u = (unsigned char)c;

	if (u <= 0x1f || u >= 0x7f || (*also && strchr(also, c)))
		buf_printf(out, "%%%02X", u);
	else
		buf_putc(out, c);
}

static void put_all(struct buf *out, struct bytes s, const char *also)
{
	for (size_t i = 0; i < s.n; i++)
		put_encoded(out, s.p[i], also);
}

/* Tabs and newlines anywhere, blanks and controls at the ends are not part of a URL. */
static struct bytes strip(struct bytes s, struct arena *a)
{
	char *copy;
	size_t n = 0;

	while (s.n > 0 && (unsigned char)s.p[0] <= 0x20)
		s = bytes_slice(s, 1, s.n);
	while (s.n > 0 && (unsigned char)s.p[s.n - 1] <= 0x20)
		s.n--;
	if (bytes_chr(s, '\t') < 0 && bytes_chr(s, '\n') < 0 && bytes_chr(s, '\r') < 0)
		return s;
	copy = arena_alloc_raw(a, s.n + 1);
	if (!copy)
		return (struct bytes){ NULL, 0 };
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '\t' && s.p[i] != '\n' && s.p[i] != '\r')
			copy[n++] = s.p[i];
	return (struct bytes){ copy, n };
}

static bool is_dot(struct bytes s, int n)
{
	int dots = 0;

	for (size_t i = 0; i < s.n; dots++) {
		if (s.p[i] == '.')
			i++;
		else if (s.n - i >= 3 && s.p[i] == '%' && s.p[i + 1] == '2' &&
			 lower(s.p[i + 2]) == 'e')
			i += 3;
		else
			return false;
	}
	return dots == n;
}

static void put_path(struct buf *out, struct bytes path)
{
	size_t root = out->len;

	while (path.n > 0) {
		struct bytes segment;
		size_t end = 1;

		while (end < path.n && path.p[end] != '/' && path.p[end] != '\\')
			end++;
		segment = bytes_slice(path, 1, end - 1);
		path = bytes_slice(path, end, path.n);
		if (is_dot(segment, 2)) {
			while (out->len > root && out->data[out->len - 1] != '/')
				out->len--;
			if (out->len > root)
				out->len--;
			if (path.n == 0)
				buf_putc(out, '/');
		} else if (!is_dot(segment, 1)) {
			buf_putc(out, '/');
			put_all(out, segment, " \"#<>?`{}");
		} else if (path.n == 0) {
			buf_putc(out, '/');
		}
	}
	if (out->len == root)
		buf_putc(out, '/');
}

static const char *put_host(struct buf *out, struct bytes authority, const struct scheme *s)
{
	struct bytes host = authority, port = { NULL, 0 };
	uint64_t number;
	ptrdiff_t at = -1;

	for (size_t i = 0; i < authority.n; i++)
		if (authority.p[i] == '@')
			at = (ptrdiff_t)i;
	if (at >= 0) {
		put_all(out, bytes_slice(authority, 0, (size_t)at), " \"#<>?`{}/;=@[\\]^|");
		buf_putc(out, '@');
		host = bytes_slice(authority, (size_t)at + 1, authority.n);
	}
	if (host.n > 0 && *host.p == '[') {
		ptrdiff_t end = bytes_chr(host, ']');

		if (end < 0)
			return "invalid IPv6 address";
		port = bytes_slice(host, (size_t)end + 1, host.n);
		host.n = (size_t)end + 1;
	} else {
		ptrdiff_t colon = bytes_chr(host, ':');

		if (colon >= 0) {
			port = bytes_slice(host, (size_t)colon, host.n);
			host.n = (size_t)colon;
		}
	}
	if (host.n == 0)
		return "empty host";
	for (size_t i = 0; i < host.n; i++) {
		if ((unsigned char)host.p[i] <= 0x20 || strchr("\"#%/<>?\\^`{|}", host.p[i]))
			return "invalid international domain name";
		buf_putc(out, lower(host.p[i]));
	}
	if (port.n <= 1)
		return port.n == 1 && *port.p != ':' ? "invalid port number" : NULL;
	if (*port.p != ':' || !bytes_to_u64(bytes_slice(port, 1, port.n), &number) ||
	    number > 65535)
		return "invalid port number";
	if (!bytes_eq(bytes_slice(port, 1, port.n), s->port))
		buf_printf(out, ":%llu", (unsigned long long)number);
	return NULL;
}

static const char *put_url(struct buf *out, struct bytes url, size_t scheme_len)
{
	struct bytes rest = bytes_slice(url, scheme_len + 1, url.n), name, authority, path, query,
		     fragment;
	const struct scheme *s = NULL;
	const char *bad;
	ptrdiff_t cut;
	size_t end = 0;

	for (size_t i = 0; i < scheme_len; i++)
		buf_putc(out, lower(url.p[i]));
	buf_putc(out, ':');
	name = (struct bytes){ out->data, scheme_len };
	for (size_t i = 0; i < sizeof special / sizeof *special; i++)
		if (bytes_eq(special[i].name, name))
			s = &special[i];
	if (!s) {
		put_all(out, rest, bytes_starts(rest, B("//")) ? " \"<>`" : "");
		return NULL;
	}
	while (rest.n > 0 && (*rest.p == '/' || *rest.p == '\\'))
		rest = bytes_slice(rest, 1, rest.n);
	buf_append(out, B("//"));
	while (end < rest.n && !strchr("/\\?#", rest.p[end]))
		end++;
	authority = bytes_slice(rest, 0, end);
	path = bytes_slice(rest, end, rest.n);
	bad = put_host(out, authority, s);
	if (bad)
		return bad;
	cut = bytes_chr(path, '#');
	fragment = cut < 0 ? (struct bytes){ NULL, 0 } : bytes_slice(path, (size_t)cut, path.n);
	path.n -= fragment.n;
	cut = bytes_chr(path, '?');
	query = cut < 0 ? (struct bytes){ NULL, 0 } : bytes_slice(path, (size_t)cut, path.n);
	path.n -= query.n;
	put_path(out, path);
	put_all(out, query, " \"#<>'");
	if (bytes_set(fragment)) {
		buf_putc(out, '#');
		put_all(out, bytes_slice(fragment, 1, fragment.n), " \"<>`");
	}
	return NULL;
}

const char *media_url(struct bytes url, struct arena *a, struct bytes *out)
{
	struct bytes s = strip(url, a);
	size_t n = 0;
	struct buf b;
	const char *bad;

	if (!bytes_set(s))
		return "out of memory";
	while (n < s.n && ((lower(s.p[n]) >= 'a' && lower(s.p[n]) <= 'z') ||
			   (n > 0 && ((s.p[n] >= '0' && s.p[n] <= '9') || strchr("+-.", s.p[n])))))
		n++;
	if (n == 0 || n == s.n || s.p[n] != ':')
		return "relative URL without a base";
	buf_init(&b, MAX_URL);
	if (buf_reserve(&b, s.n + 8) < 0)
		return "out of memory";
	bad = put_url(&b, s, n);
	if (!bad) {
		*out = arena_dup(a, buf_bytes(&b));
		bad = bytes_set(*out) ? NULL : "out of memory";
	}
	buf_deinit(&b);
	return bad;
}

const char *media_bad_mime(struct bytes mime)
{
	ptrdiff_t slash = bytes_chr(mime, '/');

	if (slash < 0)
		return "a slash (/) was missing between the type and subtype";
	if (slash == 0 || (size_t)slash + 1 == mime.n)
		return "an invalid token was encountered, 2F at position 0";
	return NULL;
}

enum data_url media_data_url(struct bytes url, struct arena *a, struct bytes *mime,
			     struct bytes *data)
{
	ptrdiff_t cut;
	char *text;

	if (!bytes_istarts(url, B("data:")))
		return DATA_URL_NO_PREFIX;
	url = bytes_slice(url, 5, url.n);
	cut = bytes_find(url, B(";base64,"));
	if (cut < 0)
		return DATA_URL_NO_BASE64;
	*mime = bytes_slice(url, 0, (size_t)cut);
	*data = bytes_slice(url, (size_t)cut + 8, url.n);
	if (media_bad_mime(*mime))
		return DATA_URL_BAD_MIME;
	for (size_t i = 0; i < mime->n; i++) {
		if (lower(mime->p[i]) == mime->p[i])
			continue;
		text = arena_alloc_raw(a, mime->n);
		if (!text)
			return DATA_URL_MEMORY;
		for (i = 0; i < mime->n; i++)
			text[i] = lower(mime->p[i]);
		mime->p = text;
		break;
	}
	return DATA_URL_OK;
}

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool media_base64(struct bytes s, char err[80])
{
	size_t n = s.n, pad = 0, tail;

	while (n > 0 && s.p[n - 1] == '=')
		n--;
	pad = s.n - n;
	for (size_t i = 0; i < n; i++) {
		if (digit(s.p[i]) < 0) {
			snprintf(err, 80, "Invalid symbol %u, offset %zu.", (unsigned char)s.p[i],
				 i);
			return false;
		}
	}
	tail = n % 4;
	if (pad > 0 && (tail < 2 || tail + pad > 4)) {
		snprintf(err, 80, "Invalid symbol 61, offset %zu.", tail < 2 ? n : n + 4 - tail);
		return false;
	}
	if (tail == 1) {
		snprintf(err, 80, "Invalid input length: %zu", s.n);
		return false;
	}
	if (tail > 0 && (digit(s.p[n - 1]) & (tail == 2 ? 15 : 3))) {
		snprintf(err, 80, "Invalid last symbol %u, offset %zu.", (unsigned char)s.p[n - 1],
			 n - 1);
		return false;
	}
	if (tail > 0 && tail + pad != 4) {
		snprintf(err, 80, "Invalid padding");
		return false;
	}
	return true;
}

struct magic {
	struct bytes mime;
	size_t at;
	struct bytes bytes;
};

#define M(mime, at, lit)                       \
	{                                      \
		{ mime, sizeof mime - 1 }, at, \
		{                              \
			lit, sizeof lit - 1    \
		}                              \
	}
static const struct magic magics[] = {
	M("audio/midi", 0, "MThd"),
	M("audio/mpeg", 0, "ID3"),
	M("audio/mpeg", 0, "\xff\xfb"),
	M("audio/mpeg", 0, "\xff\xf3"),
	M("audio/mpeg", 0, "\xff\xf2"),
	M("audio/m4a", 4, "ftypM4A"),
	M("audio/m4a", 0, "M4A "),
	M("audio/ogg", 0, "OggS"),
	M("audio/x-flac", 0, "fLaC"),
	M("audio/x-wav", 8, "WAVE"),
	M("audio/amr", 0, "#!AMR\n"),
	M("audio/aac", 0, "\xff\xf1"),
	M("audio/aac", 0, "\xff\xf9"),
	M("audio/x-aiff", 8, "AIFF"),
	M("audio/x-aiff", 8, "AIFC"),
	M("audio/x-dsf", 0, "DSD "),
	M("audio/x-ape", 0, "MAC "),
	M("image/png", 0, "\x89PNG"),
	M("image/jpeg", 0, "\xff\xd8\xff"),
	M("image/gif", 0, "GIF"),
	M("image/webp", 8, "WEBP"),
	M("image/bmp", 0, "BM"),
	M("image/tiff", 0, "II*\0"),
	M("image/tiff", 0, "MM\0*"),
	M("application/pdf", 0, "%PDF"),
	M("application/zip", 0, "PK\3\4"),
	M("application/gzip", 0, "\x1f\x8b\x08"),
	M("video/mp4", 4, "ftyp"),
	M("video/webm", 0, "\x1a\x45\xdf\xa3"),
	M("text/html", 0, "<html"),
	M("text/html", 0, "<!DOCTYPE HTML"),
	M("text/html", 0, "<!doctype html"),
};
#undef M

struct bytes media_sniff(struct bytes base64)
{
	char head[48];
	size_t n = 0;

	for (size_t i = 0; i + 1 < base64.n && n + 3 <= sizeof head; i += 4) {
		int d[4];

		for (size_t j = 0; j < 4; j++)
			d[j] = i + j < base64.n ? digit(base64.p[i + j]) : -1;
		if (d[0] < 0 || d[1] < 0)
			break;
		head[n++] = (char)(d[0] << 2 | d[1] >> 4);
		if (d[2] >= 0)
			head[n++] = (char)(d[1] << 4 | d[2] >> 2);
		if (d[2] >= 0 && d[3] >= 0)
			head[n++] = (char)(d[2] << 6 | d[3]);
	}
	for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
		const struct magic *m = &magics[i];

		if (n >= m->at + m->bytes.n && memcmp(head + m->at, m->bytes.p, m->bytes.n) == 0)
			return m->mime;
	}
	return (struct bytes){ NULL, 0 };
}

struct named {
	struct bytes mime, name;
};

#define N(mime, name)                         \
	{                                     \
		{ mime, sizeof mime - 1 },    \
		{                             \
			name, sizeof name - 1 \
		}                             \
	}
static const struct named extensions[] = {
	N("image/jpeg", "jpg"),
	N("image/jpg", "jpg"),
	N("image/png", "png"),
	N("image/gif", "gif"),
	N("image/webp", "webp"),
	N("image/svg+xml", "svg"),
	N("image/bmp", "bmp"),
	N("image/tiff", "tiff"),
	N("image/heic", "heic"),
	N("application/pdf", "pdf"),
	N("application/json", "json"),
	N("application/xml", "xml"),
	N("application/zip", "zip"),
	N("application/rtf", "rtf"),
	N("application/msword", "doc"),
	N("application/vnd.ms-excel", "xls"),
	N("application/vnd.ms-powerpoint", "ppt"),
	N("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
	N("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
	N("application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptx"),
	N("text/plain", "txt"),
	N("text/csv", "csv"),
	N("text/markdown", "md"),
	N("text/html", "shtml"),
	N("text/xml", "xml"),
	N("text/css", "css"),
	N("text/javascript", "js"),
	N("video/mp4", "mpg4"),
	N("video/mpeg", "mpeg"),
	N("video/webm", "webm"),
	N("video/quicktime", "mov"),
};

static const struct named audio[] = {
	N("audio/midi", "mid"),    N("audio/mpeg", "mp3"),  N("audio/mp3", "mp3"),
	N("audio/m4a", "m4a"),     N("audio/mp4", "m4a"),   N("audio/ogg", "ogg"),
	N("audio/x-flac", "flac"), N("audio/flac", "flac"), N("audio/wav", "wav"),
	N("audio/wave", "wav"),    N("audio/x-wav", "wav"), N("audio/amr", "amr"),
	N("audio/aac", "aac"),     N("audio/x-aac", "aac"), N("audio/aiff", "aiff"),
	N("audio/x-aiff", "aiff"), N("audio/x-dsf", "dsf"), N("audio/x-ape", "ape"),
	N("audio/webm", "webm"),
};
#undef N

struct bytes media_extension(struct bytes mime)
{
	for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
		if (bytes_eq(extensions[i].mime, mime))
			return extensions[i].name;
	return media_audio_format(mime);
}

struct bytes media_audio_format(struct bytes mime)
{
	for (size_t i = 0; i < sizeof audio / sizeof *audio; i++)
		if (bytes_eq(audio[i].mime, mime))
			return audio[i].name;
	return (struct bytes){ NULL, 0 };
}
