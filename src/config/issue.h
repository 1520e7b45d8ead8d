/* Collecting what was found wrong. Not thread-safe. */
#ifndef SIGNET_CONFIG_ISSUE_H
#define SIGNET_CONFIG_ISSUE_H

#include "config/config.h"

void issues_init(struct config_issues *);
/* Adds one; when memory is out, the list becomes the one issue "out of memory". */
void issue_add(struct config_issues *, bool warning, struct bytes file, size_t line,
	       struct bytes key, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* One without a place. */
#define issue_anywhere(issues, warning, ...) \
	issue_add((issues), (warning), B(""), 0, B(""), __VA_ARGS__)
size_t issues_errors(const struct config_issues *); /* how many are no warnings */
/* By file and line; what has no place comes last. */
void issues_sort(struct config_issues *);

#endif
