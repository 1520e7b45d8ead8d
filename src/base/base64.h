/* Base64 (RFC 4648): §4 with padding, §5 (for URLs) without. */
#ifndef SIGNET_BASE_BASE64_H
#define SIGNET_BASE_BASE64_H

#include "base/arena.h"
#include "base/bytes.h"

/* Append the text of `data`. -1: error set. */
int buf_base64(struct buf *, struct bytes data);
int buf_base64url(struct buf *, struct bytes data);
/* What a text of either alphabet stands for; padding may be there or not. In the arena; unset: it is none, or no memory. */
struct bytes base64_read(struct bytes text, struct arena *);

#endif
