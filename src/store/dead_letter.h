/* Rows that a sink will never take: journal/dead/‹sink›-‹yyyymm›.ndjson (storage §7.7). Any thread. */
#ifndef SIGNET_STORE_DEAD_LETTER_H
#define SIGNET_STORE_DEAD_LETTER_H

#include "base/bytes.h"

struct dead_row {
	const char *sink;
	unsigned table;     /* of the journal (enum row_table) */
	uint64_t number;    /* of its record */
	int code;           /* the sink's; 0: it has none */
	struct bytes error; /* its words */
	struct bytes row;   /* the JSON */
};
/* Appends a line and counts it. `data_dir`: a descriptor of ‹data›. -1: errno, and nothing may be given up. */
int dead_letter_add(int data_dir, const struct dead_row *);

#endif
