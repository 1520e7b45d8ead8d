/* From one configuration to the next: what differs, and what only a restart can change (config §1, ui §4.14). */
#ifndef SIGNET_CONFIG_CHANGE_H
#define SIGNET_CONFIG_CHANGE_H

#include "config/entries.h"

struct config_change {
	struct bytes key;
	struct bytes old, new; /* JSON; unset: it is not there */
	struct bytes file;     /* of the new value, else of the old one; unset: in none */
	size_t line;
	bool restart; /* it takes effect with the next start only */
};
struct config_changes {
	struct config_change *at;
	size_t len, cap;
};

/* In the order of the keys. -1: out of memory. Not on a loop: it looks at variables and files of credentials. */
int config_changes(const struct config *from, const struct config *to, struct config_changes *,
		   struct arena *);
/* Gives `next` what the process was started with wherever a key is read at start only. `first`, which holds that, must
 * outlive it. */
void config_keep(struct config *next, const struct config *first);

#endif
