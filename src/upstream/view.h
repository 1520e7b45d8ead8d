/*
 * A text as it can be read: with its escapes taken apart, or as what its base64 or hex stands for. Byte i of a view stands in
 * the text from at[i] up to end[i]. Pure. For redact.c.
 */
#ifndef SIGNET_UPSTREAM_VIEW_H
#define SIGNET_UPSTREAM_VIEW_H

#include "base/arena.h"

#define VIEW_BEYOND 0xff /* in the place of an escape whose character is no byte */

struct view {
	char *text;
	uint32_t *at, *end;
	size_t n;
};

int view_new(struct view *, size_t room, struct arena *); /* -1: out of memory */
void view_put(struct view *, char c, uint32_t at, uint32_t end);
/* The escapes of JSON, URLs and HTML taken apart, once; line ends are left out. False: there was none. `out` has room for
 * as much as the view has. */
bool view_unescape(const struct view *, struct view *out);
/* What runs of digits stand for, with a zero byte behind each: base64 from its first, second, ... digit on, then hex. False:
 * there is no such shift. `out` has room for twice as much. */
bool view_digits(const struct view *, unsigned shift, struct view *out);

#endif
