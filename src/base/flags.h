/* Command lines: a table of flags, read in one way by every command. For the main thread, before anything else runs. */
#ifndef SIGNET_BASE_FLAGS_H
#define SIGNET_BASE_FLAGS_H

#include "base/bytes.h"

/* A flag writes to what its row points at, which says what kind it is: "--name" sets *on, "--name VALUE" and
 * "--name=VALUE" the others. */
struct flag {
	const char *name; /* with its dashes */
	bool *on;
	const char **text; /* as it stands in argv */
	uint64_t *number;  /* 1 to `most` */
	uint64_t most;
	const char **list; /* may be there `most` times: each value in its place, *listed of them */
	size_t *listed;
	const char *instead; /* the flag is not built: what to do */
	bool not_empty;
	bool word; /* its value is one more word */
};

struct command {
	const char *name; /* "signet log" */
	const char *help; /* of --help and -h */
	const struct flag *flags;
	size_t nflags;
	bool words; /* takes arguments that are no flags, all of those behind "--" too */
};

/* Reads argv, which ends with NULL, as will the words that move to its front. -1: go on; else the exit status, everything said:
 * 0 help, 1 a flag that is not built, 2 wrong usage. */
int flags_read(const struct command *, int argc, char **argv);
/* Says on standard error what is wrong with the command line. Returns 2. */
int flags_wrong(const struct command *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Says the last error there, behind `before`. Returns 1. */
int flags_failed(const char *before);

/* While a viewer is set, flags_read hands the command to it, reads nothing and returns 0: so completions know what the
 * commands themselves know. NULL ends it. */
void flags_view(void (*view)(const struct command *, void *arg), void *arg);

#endif
