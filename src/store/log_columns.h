/* The columns of `signet log`: one line under the other, each value at its place. A value that is wider moves its own line only. */
#ifndef SIGNET_STORE_LOG_COLUMNS_H
#define SIGNET_STORE_LOG_COLUMNS_H

#include "base/bytes.h"

/* All return 0, or not 0: no room. */
/* "2026-12-01 04:20:11.123+0100": local time, which its end says. `seq` >> 15: Unix milliseconds. */
int column_time(struct buf *, int64_t seq);
/* Spaces until what stands behind `from` is `width` characters wide. */
int column_fill(struct buf *, size_t from, size_t width);
/* " ‹before›‹number›‹after›", the number at the right end of `width`, `mark` in front of it; below 0: that many spaces. */
struct figure {
	const char *before, *mark, *after;
	int width;
};
int column_figure(struct buf *, const struct figure *, int64_t number);

#endif
