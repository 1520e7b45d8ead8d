/*
 * One small pull interface over zlib, brotli and zstd.
 *
 * gzip members and zstd frames may follow each other (RFC 9110 §8.4.1.3, RFC 8878 §3): the end of one is
 * the end of the body only if the input ends there. "deflate" means zlib's format, but senders of raw
 * deflate are real: the first two bytes tell (RFC 1950's header is a multiple of 31), so they are held back
 * until both are there. zstd windows are limited to 8 MiB, as RFC 9659 has it for HTTP.
 */
#include "net/decode.h"

#include <brotli/decode.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/error.h"
#include "base/fault.h"

#define ZSTD_WINDOW_LOG 23

struct decoder {
	enum coding coding;
	bool begun, ended; /* some input was seen; at the end of a member */
	bool zlib_ready;
	unsigned char first[2]; /* of a deflate stream */
	size_t nfirst;
	z_stream z;
	BrotliDecoderState *br;
	ZSTD_DStream *zstd;
};

static const struct {
	struct bytes name;
	enum coding coding;
} codings[] = {
	{ B("identity"), CODING_IDENTITY },
	{ B("gzip"), CODING_GZIP },
	{ B("x-gzip"), CODING_GZIP },
	{ B("deflate"), CODING_DEFLATE },
	{ B("br"), CODING_BR },
	{ B("zstd"), CODING_ZSTD },
};

enum coding coding_of(struct bytes value)
{
	value = bytes_trim(value);
	if (value.n == 0)
		return CODING_IDENTITY;
	for (size_t i = 0; i < COUNT(codings); i++)
		if (bytes_ieq(value, codings[i].name))
			return codings[i].coding;
	return CODING_UNKNOWN;
}

const char *coding_name(enum coding c)
{
	static const char *const names[] = { "identity", "gzip", "deflate", "br", "zstd" };

	return c < CODING_UNKNOWN ? names[c] : "unknown";
}

struct decoder *decoder_new(enum coding coding)
{
	struct decoder *d = fault("decoder") ? NULL : calloc(1, sizeof *d);

	if (!d)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	d->coding = coding;
	if (coding == CODING_GZIP) {
		if (inflateInit2(&d->z, 15 + 16) == Z_OK)
			d->zlib_ready = true;
		else
			goto failed;
	}
	if (coding == CODING_BR && !(d->br = BrotliDecoderCreateInstance(NULL, NULL, NULL)))
		goto failed;
	if (coding == CODING_ZSTD) {
		d->zstd = ZSTD_createDStream();
		if (!d->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax,
								    ZSTD_WINDOW_LOG)))
			goto failed;
	}
	return d;
failed:
	decoder_free(d);
	return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
}

void decoder_free(struct decoder *d)
{
	if (!d)
		return;
	if (d->zlib_ready)
		inflateEnd(&d->z);
	if (d->br)
		BrotliDecoderDestroyInstance(d->br);
	ZSTD_freeDStream(d->zstd);
	free(d);
}

bool decoder_done(const struct decoder *d)
{
	return !d->begun || d->ended;
}

static int garbage(const struct decoder *d)
{
	return fail(ERR_PROTOCOL, "the body is not valid %s", coding_name(d->coding));
}

static unsigned room_of(size_t n)
{
	return n > 1u << 30 ? 1u << 30 : (unsigned)n;
}

static int inflate_from(struct decoder *d, struct bytes *in, char *out, size_t room, size_t *n)
{
	int r;

	d->z.next_in = (Bytef *)in->p;
	d->z.avail_in = room_of(in->n);
	d->z.next_out = (Bytef *)out;
	d->z.avail_out = room_of(room);
	r = inflate(&d->z, Z_NO_FLUSH);
	*n = room_of(room) - d->z.avail_out;
	in->n -= (size_t)((const char *)d->z.next_in - in->p);
	in->p = (const char *)d->z.next_in;
	if (r == Z_MEM_ERROR)
		return fail(ERR_OUT_OF_MEMORY, "out of memory");
	if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
		return garbage(d);
	d->ended = r == Z_STREAM_END;
	return 0;
}

static int step_gzip(struct decoder *d, struct bytes *in, char *out, size_t room, size_t *n)
{
	if (d->ended) {
		if (!in->n)
			return 0;
		if (inflateReset(&d->z) != Z_OK)
			return garbage(d);
	}
	return inflate_from(d, in, out, room, n);
}

static int step_deflate(struct decoder *d, struct bytes *in, char *out, size_t room, size_t *n)
{
	while (d->nfirst < 2 && in->n) {
		d->first[d->nfirst++] = (unsigned char)*in->p;
		in->p++;
		in->n--;
	}
	if (d->nfirst < 2)
		return 0;
	if (!d->zlib_ready) {
		bool framed =
			(d->first[0] & 15) == 8 && (d->first[0] * 256 + d->first[1]) % 31 == 0;
		struct bytes first = { (char *)d->first, 2 };
		int r;

		if (inflateInit2(&d->z, framed ? 15 : -15) != Z_OK)
			return fail(ERR_OUT_OF_MEMORY, "out of memory");
		d->zlib_ready = true;
		/* both go in: there is no output and no end before the tenth bit */
		r = inflate_from(d, &first, out, room, n);
		if (r || *n == room || d->ended)
			return r;
		out += *n;
		room -= *n;
	}
	if (d->ended)
		return in->n ? garbage(d) : 0;
	if (in->n || *n == 0) {
		size_t before = *n, more = 0;
		int r = inflate_from(d, in, out, room, &more);

		*n = before + more;
		return r;
	}
	return 0;
}

static int step_br(struct decoder *d, struct bytes *in, char *out, size_t room, size_t *n)
{
	const uint8_t *next_in = (const uint8_t *)in->p;
	uint8_t *next_out = (uint8_t *)out;
	size_t left = room;
	BrotliDecoderResult r;

	if (d->ended)
		return in->n ? garbage(d) : 0;
	r = BrotliDecoderDecompressStream(d->br, &in->n, &next_in, &left, &next_out, NULL);
	in->p = (const char *)next_in;
	*n = room - left;
	if (r == BROTLI_DECODER_RESULT_ERROR)
		return garbage(d);
	d->ended = r == BROTLI_DECODER_RESULT_SUCCESS;
	return 0;
}

static int step_zstd(struct decoder *d, struct bytes *in, char *out, size_t room, size_t *n)
{
	ZSTD_inBuffer from = { in->p, in->n, 0 };
	ZSTD_outBuffer to = { out, room, 0 };
	size_t r;

	if (d->ended && !in->n)
		return 0;
	r = ZSTD_decompressStream(d->zstd, &to, &from);
	in->p += from.pos;
	in->n -= from.pos;
	*n = to.pos;
	if (ZSTD_isError(r))
		return garbage(d);
	d->ended = r == 0;
	return 0;
}

int decoder_step(struct decoder *d, struct bytes *in, char *out, size_t room, size_t *n)
{
	*n = 0;
	if (in->n)
		d->begun = true;
	if (!d->begun)
		return 0;
	switch (d->coding) {
	case CODING_GZIP: return step_gzip(d, in, out, room, n);
	case CODING_DEFLATE: return step_deflate(d, in, out, room, n);
	case CODING_BR: return step_br(d, in, out, room, n);
	case CODING_ZSTD: return step_zstd(d, in, out, room, n);
	default: return fail(ERR_INTERNAL, "no decoder");
	}
}
