/*
 * The configuration in force, and how another one takes its place (config §1, ui §7): loaded beside it, validated, swapped
 * on each worker between two requests. Requests under way keep the one that they began with. A file that is wrong changes
 * nothing; what is read at start only stays as it was (config/change.h).
 */
#ifndef SIGNET_API_IN_FORCE_H
#define SIGNET_API_IN_FORCE_H

#include "api/app.h"
#include "config/change.h"

#define CONFIGS_KEPT 8 /* earlier ones that one can return to, the one in force among them */

/* `config` is that of the start, `options` what it was loaded by; both must outlive it. Tells `debug` when
 * gateway.debug is another. NULL: error set. */
struct in_force *in_force_new(struct app *, struct config *config,
			      const struct config_options *options, void (*debug)(bool));
void in_force_free(struct in_force *); /* when no loop runs any more */

/* For a worker's own thread, before its loop runs and after it has ended. */
void worker_config_begin(struct worker *);
void worker_config_end(struct worker *);

/* What came of it. Its texts live in its own memory until config_report_deinit(). */
struct config_report {
	enum config_verdict {
		CONFIG_GOOD,  /* as asked: checked, or in force on all workers */
		CONFIG_WRONG, /* the files have errors: see `issues` */
		CONFIG_MOVED, /* it is not the one that was asked for, or none is kept by that name */
		CONFIG_NO_ROOM, /* memory, or a store that is due cannot be had: the last error says so */
	} verdict;
	char hash[65]; /* of what the files say, or of the one that was asked for; "": unknown */
	struct config_issues issues;
	struct config_changes changes; /* against what was in force */
	struct arena arena;
	struct config *from, *to; /* held for the texts */
};
void config_report_deinit(struct config_report *);

/* These three wait for files, modules and all workers: not on a loop. */
void config_check(struct app *, struct config_report *);
/* `hash` set: only if the files still say what has that hash. Logs each change, and why not. */
void config_reload(struct app *, struct bytes hash, struct config_report *);
/* One of those that were in force before. */
void config_activate(struct app *, struct bytes hash, struct config_report *);

/* Those that one can return to, newest first. */
struct kept_config {
	char hash[65];
	uint64_t loaded_unix_ms;
};
size_t configs_kept(struct app *, struct kept_config out[CONFIGS_KEPT]);

#endif
