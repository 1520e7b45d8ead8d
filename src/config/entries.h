/* The configuration in force, key by key, each with where its value came from: for pages that show it (ui §4.14). */
#ifndef SIGNET_CONFIG_ENTRIES_H
#define SIGNET_CONFIG_ENTRIES_H

#include "config/config.h"

enum entry_origin { ENTRY_FILE, ENTRY_ENVIRONMENT, ENTRY_COMMAND_LINE, ENTRY_DEFAULT };

struct config_entry {
	struct bytes key; /* "models.gpt.routing" */
	struct bytes
		value; /* JSON; a secret is "<secret>", a credential's location has " (set)" or " (unset)" behind it */
	enum entry_origin from;
	struct bytes file; /* unset: in none */
	size_t line;
	bool deprecated, ignored;
	bool at_start; /* read at start only: a reload does not change it */
};
struct config_entries {
	struct config_entry *at;
	size_t len, cap;
	struct bytes *files; /* all that were read and say something */
	size_t nfiles, cap_files;
	struct arena *arena;
};

/* Looks at environment variables and files that hold credentials: not on a loop. -1: out of memory. */
int config_entries(const struct config *, struct config_entries *);
const char *entry_origin_name(enum entry_origin);
/* Where a provider's key is, and whether something is there: "env::X (set)", "none", ... */
struct bytes credential_state(const struct provider_config *, struct arena *);

#endif
