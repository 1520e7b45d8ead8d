/*
 * How far a sink is that cannot keep that with its rows: journal/‹sink›.cursor (storage §7.5). Written to a temporary file,
 * synced, renamed. One thread at a time.
 */
#ifndef SIGNET_STORE_CURSOR_H
#define SIGNET_STORE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CURSOR_TABLES 16

/* The last token under which rows of the batch in flight were sent to a table. A table without one: under none but the
 * first, all rows together, or not at all. */
struct cursor_token {
	unsigned table;   /* its number in the journal */
	unsigned number;  /* of the token: -r‹n› */
	bool parts;       /* not all rows of the batch together */
	uint64_t unix_ms; /* before it was first sent */
};

struct cursor {
	uint64_t delivered; /* everything up to this record number is in the sink */
	/* The batch in flight; 0: none. A batch once noted keeps its borders, and from them follow its query ids. */
	uint64_t first, last;
	uint64_t noted_ms; /* Unix; 0: written by a version that did not note tokens */
	struct cursor_token tokens[CURSOR_TABLES];
	size_t ntokens;
};

/* `data_dir`: a descriptor of ‹data›. 1: read; 0: there is none; -1: unreadable or damaged, and *out is empty. */
int cursor_read(int data_dir, const char *sink, struct cursor *out);
/* -1: errno; what was there before is there still. */
int cursor_write(int data_dir, const char *sink, const struct cursor *);

#endif
