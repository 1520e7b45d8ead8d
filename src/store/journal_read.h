/* The journal read forward, over the ends of its segments, beside the writer (storage §7.5, §7.6). One thread. */
#ifndef SIGNET_STORE_JOURNAL_READ_H
#define SIGNET_STORE_JOURNAL_READ_H

#include "store/journal.h"

/* Everything up to number `last` is behind it. */
struct place {
	uint64_t first; /* segment; 0 = to be found from `last` */
	uint64_t offset, last;
};

struct journal_reader {
	struct journal *j;
	struct place at;
	bool baseline_unknown; /* the first record is where counting begins */
	uint64_t jump_to;      /* numbers below were never used: no loss */
	uint64_t end_number;   /* of a damaged end record, which held no row; 0: none */
	/* since somebody set them to 0 */
	uint64_t lost, corrupt;

	bool reading;
	unsigned generation;
	uint64_t pages_gone; /* of the open segment, up to here */
	struct segment_reader segment;
};

/* 1: a record; 0: none for now; -1: the journal cannot be read (errno). Damage is set aside and counted. */
int journal_next(struct journal_reader *, struct record_view *);
/* Goes on from there, and forgets what was counted. */
void journal_go_back(struct journal_reader *, struct place to, bool baseline_unknown);
void journal_stop_reading(struct journal_reader *);
/* What is behind it will not be read again: gives its pages back to the system. */
void journal_let_pages_go(struct journal_reader *, bool whole);

#endif
