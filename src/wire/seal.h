/*
 * What must come back from a client unchanged but has no place in its format: a thought's signature, encrypted or
 * redacted reasoning of another family (surfaces §6.6). It travels in `signature`, `data` or `encrypted_content` as one
 * opaque text, "sgn1." and unpadded base64url of a JSON object. No secret and no MAC: upstreams verify their own seals.
 */
#ifndef SIGNET_WIRE_SEAL_H
#define SIGNET_WIRE_SEAL_H

#include "base/arena.h"
#include "base/bytes.h"

#define SEAL_MAX (1u << 20) /* of the whole text; a longer one is foreign */

/* Each unset where it has none. */
struct seal {
	struct bytes provider_type; /* whose thought it is */
	struct bytes item_id, encrypted, signature, redacted;
	struct bytes text; /* the exact text, where the visible one differs */
};

/* Appends it. -1: out of memory, or longer than SEAL_MAX. */
int seal_write(const struct seal *, struct buf *out);
/* False: not one of these, or broken: it is foreign, and goes only to whoever takes it as it is. Strings live in the arena. */
bool seal_read(struct bytes text, struct arena *, struct seal *out);

#endif
