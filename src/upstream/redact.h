/*
 * Credentials out of texts that others wrote. An upstream that refuses a key likes to repeat it; its words go to clients,
 * logs and rows, the key must not.
 */
#ifndef SIGNET_UPSTREAM_REDACT_H
#define SIGNET_UPSTREAM_REDACT_H

#include "base/arena.h"

#define SECRETS_MAX  32u
#define SECRET_LEAST 4u         /* bytes: what is shorter stands in any text */
#define REDACT_MAX   (1u << 20) /* of a text; the rest is cut off */

/* What one attempt has sent that nobody may read. The strings outlive it. */
struct secrets {
	struct bytes at[SECRETS_MAX];
	size_t len;
	bool too_many; /* to tell them apart: texts are left out whole */
};

/* Adds one; of "Bearer X" X, of "Basic X" also the user's name and password that it holds. */
void secrets_add(struct secrets *, struct bytes value, struct arena *);
/* Adds it if a header (or a parameter of a URL) of that name carries a secret. */
void secrets_add_named(struct secrets *, struct bytes name, struct bytes value, struct arena *);

/*
 * The text with `[redacted]` in the place of every secret: whole or a part of 12 bytes and more, in any case, as it is or
 * escaped (JSON, percent, HTML, up to three times), in base64 or hex also inside of something longer, across line ends, and
 * with its middle masked ("sk-abc...wxyz"). Of JSON it stays JSON. Itself where there is none; unset when memory is out.
 * Takes time in proportion to text and secrets, 20 ns a byte or so: see offload_if_big().
 */
struct bytes redact(struct bytes text, const struct secrets *, struct arena *);

#endif
