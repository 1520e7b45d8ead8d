/*
 * How far a sink is that cannot keep that with its rows: journal/‹sink›.cursor (storage §7.5). Written to a temporary file,
 * synced, renamed. One thread at a time.
 */
#ifndef SIGNET_STORE_CURSOR_H
#define SIGNET_STORE_CURSOR_H

#include <stdint.h>

struct cursor {
	uint64_t delivered; /* everything up to this record number is in the sink */
	/* The batch in flight; 0: none. A batch once noted keeps its borders, and from them follow its query ids. */
	uint64_t first, last;
};

/* `data_dir`: a descriptor of ‹data›. 1: read; 0: there is none; -1: unreadable or damaged, and *out is empty. */
int cursor_read(int data_dir, const char *sink, struct cursor *out);
/* -1: errno; what was there before is there still. */
int cursor_write(int data_dir, const char *sink, const struct cursor *);

#endif
