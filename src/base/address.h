/* URLs as a WHATWG parser (the crate `url`) reads and prints them. From any fiber or thread; does not wait. */
#ifndef SIGNET_BASE_ADDRESS_H
#define SIGNET_BASE_ADDRESS_H

#include "base/arena.h"
#include "base/bytes.h"

/* The parts are views of `text`: scheme and host in lower case, names beyond ASCII in their xn-- form, the scheme's own
 * port and dot segments gone, the rest percent-encoded. What there is not is empty. */
struct address {
	struct bytes text;
	struct bytes scheme, user, host, path; /* user: up to its '@' */
	struct bytes query;                    /* with its '?' */
};

/* NULL, or what is wrong ("relative URL without a base", "out of memory"): valid until this thread's next call. */
const char *address_parse(struct bytes text, struct arena *, struct address *);

#endif
