/*
 * Thoughts that stand in the text as <think>…</think> (providers-openai §3.7). A tag may be cut anywhere by a stream: what
 * could be the beginning of one waits for what follows, never more than seven bytes. A lone closing tag is text, an
 * unclosed one holds to the end.
 */
#ifndef SIGNET_WIRE_OPENAI_CHAT_THINK_TAGS_H
#define SIGNET_WIRE_OPENAI_CHAT_THINK_TAGS_H

#include "base/arena.h"
#include "base/bytes.h"

struct think_tags {
	bool inside;
	unsigned pairs; /* opening tags so far */
	char held[8];
	size_t nheld;
};

/* Calls `each` for what of the text is known now, in order; `pair` counts from 1 inside of tags and is 0 before the first,
 * else that of the tags before it. Pieces live as long as `text` and the arena. -1: out of memory, or `each` said so. */
typedef int think_piece(void *ctx, bool thought, unsigned pair, struct bytes piece);
int think_feed(struct think_tags *, struct bytes text, struct arena *, think_piece *each,
	       void *ctx);
/* What waits is no tag. */
int think_end(struct think_tags *, struct arena *, think_piece *each, void *ctx);

#endif
