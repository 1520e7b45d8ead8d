/* The glob dialect of --config-file (config §1.3). */
#ifndef SIGNET_CONFIG_GLOB_H
#define SIGNET_CONFIG_GLOB_H

#include "base/arena.h"
#include "config/config.h"

struct glob_list {
	struct bytes *at;
	size_t len, cap;
};
/*
 * Adds the regular files that match to the list, unsorted. The walk starts at the leading components
 * without any of * ? [ ] { }. Symlinked directories below that are not followed; what cannot be read
 * is a warning. No file at all, over 10,000 files and a broken pattern are errors.
 */
void glob_walk(struct bytes pattern, struct glob_list *, struct config_issues *, struct arena *);

#endif
