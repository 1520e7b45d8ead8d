/*
 * What a request's files need: TensorZero parses each URL and prints it again, finds the type of audio in its
 * first bytes and names files by their type; providers see these bytes, so they are kept alike.
 */
#include "wire/media.h"

#include <stdio.h>

#include "base/address.h"
#include "base/words.h"

const char *media_url(struct bytes url, struct arena *a, struct bytes *out)
{
	struct address printed;
	const char *bad = address_parse(url, a, &printed);

	if (!bad)
		*out = printed.text;
	return bad;
}

enum data_url media_data_url(struct bytes url, struct arena *a, struct bytes *mime,
			     struct bytes *data)
{
	char why[MEDIA_WORDS];
	ptrdiff_t cut;

	if (!bytes_istarts(url, B("data:")))
		return DATA_URL_NO_PREFIX;
	url = bytes_slice(url, 5, url.n);
	cut = bytes_find(url, B(";base64,"));
	if (cut < 0)
		return DATA_URL_NO_BASE64;
	*mime = bytes_slice(url, 0, (size_t)cut);
	*data = bytes_slice(url, (size_t)cut + 8, url.n);
	if (media_mime(*mime, a, mime, why))
		return DATA_URL_OK;
	return *why ? DATA_URL_BAD_MIME : DATA_URL_MEMORY;
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

	if (s.n % 4 == 1 && s.p[s.n - 1] != '=' && digit(s.p[s.n - 1]) < 0) { /* looked at first */
		snprintf(err, 80, "Invalid symbol %u, offset %zu.", (unsigned char)s.p[s.n - 1],
			 s.n - 1);
		return false;
	}
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
		snprintf(err, 80, "Invalid symbol 61, offset %zu.", n);
		return false;
	}
	if (tail == 1) {
		snprintf(err, 80, "Invalid input length: %zu", s.n);
		return false;
	}
	if (tail > 0 && tail + pad != 4) {
		snprintf(err, 80, "Invalid padding");
		return false;
	}
	if (tail > 0 && (digit(s.p[n - 1]) & (tail == 2 ? 15 : 3))) {
		snprintf(err, 80, "Invalid last symbol %u, offset %zu.", (unsigned char)s.p[n - 1],
			 n - 1);
		return false;
	}
	return true;
}

struct magic {
	struct bytes mime;
	size_t at;
	struct bytes bytes;
};

#define M(mime, at, lit)            \
	{                           \
		B(mime), at, B(lit) \
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
	for (size_t i = 0; i < COUNT(magics); i++) {
		const struct magic *m = &magics[i];

		if (n >= m->at + m->bytes.n && memcmp(head + m->at, m->bytes.p, m->bytes.n) == 0)
			return m->mime;
	}
	return (struct bytes){ NULL, 0 };
}

struct named {
	struct bytes mime, name;
};

#define N(mime, name)            \
	{                        \
		B(mime), B(name) \
	}
/* Its own choices, before the table of all types. */
static const struct named extensions[] = {
	N("image/jpeg", "jpg"),    N("image/png", "png"),       N("image/gif", "gif"),
	N("image/webp", "webp"),   N("application/pdf", "pdf"), N("text/plain", "txt"),
	N("audio/midi", "mid"),    N("audio/mpeg", "mp3"),      N("audio/mp3", "mp3"),
	N("audio/m4a", "m4a"),     N("audio/mp4", "m4a"),       N("audio/ogg", "ogg"),
	N("audio/x-flac", "flac"), N("audio/flac", "flac"),     N("audio/wav", "wav"),
	N("audio/wave", "wav"),    N("audio/x-wav", "wav"),     N("audio/amr", "amr"),
	N("audio/aac", "aac"),     N("audio/x-aac", "aac"),     N("audio/aiff", "aiff"),
	N("audio/x-aiff", "aiff"), N("audio/x-dsf", "dsf"),     N("audio/x-ape", "ape"),
	N("audio/webm", "webm"),
};
#undef N

struct bytes media_extension(struct bytes mime, char space[MEDIA_EXTENSION])
{
	for (size_t i = 0; i < COUNT(extensions); i++)
		if (bytes_eq(extensions[i].mime, mime))
			return extensions[i].name;
	return words_extension(mime, space, MEDIA_EXTENSION);
}
