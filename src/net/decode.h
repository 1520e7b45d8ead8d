/*
 * Content codings, decoding: gzip, deflate (with and without zlib's frame), br, zstd. Pure; bounded output
 * by construction: a step writes at most what it is given room for.
 */
#ifndef SIGNET_NET_DECODE_H
#define SIGNET_NET_DECODE_H

#include "base/bytes.h"

enum coding {
	CODING_IDENTITY,
	CODING_GZIP,
	CODING_DEFLATE,
	CODING_BR,
	CODING_ZSTD,
	CODING_UNKNOWN, /* also a list of several */
};

/* Of a content-encoding value; unset or empty is identity. */
enum coding coding_of(struct bytes value);
const char *coding_name(enum coding);

struct decoder;

struct decoder *decoder_new(enum coding); /* NULL: ERR_OUT_OF_MEMORY */
void decoder_free(struct decoder *);
/* Takes from *in, writes at most `room` bytes to `out`; *n = how many. If they fill the room there may be
 * more: call again, also with empty input. -1: ERR_PROTOCOL, ERR_OUT_OF_MEMORY. */
int decoder_step(struct decoder *, struct bytes *in, char *out, size_t room, size_t *n);
/* Whether the input so far is a whole stream (or nothing at all). */
bool decoder_done(const struct decoder *);

#endif
