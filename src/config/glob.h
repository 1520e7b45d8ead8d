/* The glob dialect of --config-file (config §1.3). */
#ifndef SIGNET_CONFIG_GLOB_H
#define SIGNET_CONFIG_GLOB_H

#include "base/arena.h"
#include "config/config.h"

/*
 * Whether a path matches: '*' and '?' stay within a component, "**" as a whole component stands for
 * any number of them, [a-z] [!a-z] and {a,b} work, '\' takes the next character as it is.
 */
bool glob_match(struct bytes pattern, struct bytes path);

/*
 * Adds the regular files that match to the list, unsorted. The walk starts at the leading components
 * without any of * ? [ ] { }. Symlinked directories below that are not followed; what cannot be read
 * is a warning. False: out of memory or over 10,000 files.
 */
struct glob_list {
	struct bytes *at;
	size_t len, cap;
};
bool glob_walk(struct bytes pattern, struct glob_list *, struct config_issues *, struct arena *);

#endif
