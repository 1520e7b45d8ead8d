/* Files in requests: URLs, data URLs, base64, media types. Pure. */
#ifndef SIGNET_WIRE_MEDIA_H
#define SIGNET_WIRE_MEDIA_H

#include "base/arena.h"
#include "base/bytes.h"

/*
 * The URL as a WHATWG parser prints it (base/address.h). NULL and *out; else what is wrong with it ("relative URL
 * without a base"), valid until this thread's next call.
 */
const char *media_url(struct bytes url, struct arena *, struct bytes *out);

enum data_url {
	DATA_URL_OK,
	DATA_URL_NO_PREFIX,
	DATA_URL_NO_BASE64,
	DATA_URL_BAD_MIME,
	DATA_URL_MEMORY
};
/* Takes "data:image/png;base64,…" apart; `mime` as media_mime() prints it. DATA_URL_BAD_MIME leaves the bad text in it. */
enum data_url media_data_url(struct bytes url, struct arena *, struct bytes *mime,
			     struct bytes *data);

/* Whether it is strict base64 with padding; `err` gets the text of what is not ("Invalid padding"). */
bool media_base64(struct bytes text, char err[80]);
/* The media type of what the base64 text holds, by its first bytes. Unset: not recognised. */
struct bytes media_sniff(struct bytes base64);
#define MEDIA_EXTENSION 32
/* "png" for "image/png", "mp3" for "audio/mpeg" (what a provider takes as the format), in `space` where it is none of the names that stand here; unset: not known. */
struct bytes media_extension(struct bytes mime, char space[MEDIA_EXTENSION]);

#define MEDIA_WORDS 96
/* mime.c: type "/" subtype and parameters, printed as TensorZero prints them; else false, and why not in its words;
 * without memory none, and the error is set. */
bool media_mime(struct bytes text, struct arena *, struct bytes *out, char err[MEDIA_WORDS]);

#endif
