/* From globs to one merged tree (config §1.3). */
#ifndef SIGNET_CONFIG_FILES_H
#define SIGNET_CONFIG_FILES_H

#include "config/tree.h"

/*
 * Finds, reads and merges the files of the options into `root`, which is empty before, and sets
 * `base_dir` to the first file's directory. False: something could not be read or is no TOML, or memory
 * is out; the issues say so, and the tree is not worth reading further.
 */
bool files_read(const struct config_options *, struct toml *root, struct bytes *base_dir,
		struct config_issues *, struct arena *);
/* One more file, a tree of its own. NULL: it could not be read or is no TOML, which the issues say. */
struct toml *file_tree(struct bytes path, struct config_issues *, struct arena *);
/* What an open file holds, at most max + 1 bytes of it, in the arena. False: errno says why. */
bool file_read(int fd, size_t max, struct bytes *out, struct arena *);
/* Literal secrets in files that others can read (warning) or write (error). After everything is read. */
void files_check_secrets(const struct toml *root, struct config_issues *);

#endif
