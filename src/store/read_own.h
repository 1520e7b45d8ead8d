/* A reader from within (read_pool.c, read_rows.c, ...). Nobody above the store includes it. */
#ifndef SIGNET_STORE_READ_OWN_H
#define SIGNET_STORE_READ_OWN_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "store/read.h"

struct question;

struct reader {
	struct reads *reads;
	struct question *question; /* at hand; NULL: none */
	pthread_t thread;
	bool open;
	dev_t device; /* of the store's file when it was opened */
	ino_t inode;
	struct log_reader log;
	int64_t seen;                    /* the seq that a statement looked at last */
	const struct read_filter *words; /* of the statement at hand */
};

/* SQL functions of a connection: signet_at(seq) notes where a statement is, signet_words(...) looks for the words. -1:
 * error set. */
int read_functions(struct reader *);

#endif
