/* What `signet serve` is told on its command line, and how it says what is wrong. */
#ifndef SIGNET_SERVE_ARGS_H
#define SIGNET_SERVE_ARGS_H

#include <sys/socket.h>

#include "base/log.h"
#include "config/config.h"

struct serve_args {
	struct config_options config;
	enum log_format log_format;
	const char *log_file; /* NULL: stderr */
	bool validate;        /* --validate-and-exit */
	bool migrate;         /* --run-clickhouse-migrations */
	bool exit_on_hangup;  /* --on-sighup exit */
	bool create_key;      /* --create-api-key, and then until when */
	const char *expiration, *disable_key;
};

/* argv without the program and "serve". -1: go on; else the exit status, everything said. */
int serve_args_read(int argc, char **argv, struct serve_args *);

/* Level and areas of SIGNET_LOG, else RUST_LOG; --log-file. -1: error. */
int serve_log_setup(const struct serve_args *);
/* `gateway.debug` shows debug lines, unless the environment has said what to show. Any thread. */
void serve_log_debug(bool debug);

/* Errors go to stderr under TensorZero's first lines, one line each; warnings to the log. */
void serve_issues_print(const struct serve_args *, struct config_issues *, bool loaded);

/* A proxy of the environment, the first that is set and not empty. NULL: none. */
const char *proxy_of(const char *name, const char *or_name, const char *or_else);

#endif
