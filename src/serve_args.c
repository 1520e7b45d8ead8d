/*
 * Flags of `signet serve`: TensorZero's, so that images keep their `command:`, and Signet's few. A flag may be
 * written "--flag value" or "--flag=value". What the command line does not say is left to the configuration
 * (config/), which knows the environment, the files and the defaults.
 */
#include "serve_args.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "config/glob.h"
#include "net/socket.h"

#define MAX_WORKERS      1024
#define FILES_MEMORY_MAX (64u << 20) /* the names that a glob finds */
#define ISSUE_LINE_MAX   (1u << 20)

static const char help[] =
	"signet serve: starts the gateway\n"
	"\n"
	"usage: signet serve --config-file GLOB [flags]\n"
	"       signet serve --default-config [flags]\n"
	"\n"
	"  --config-file GLOB      every matching TOML file (\"*\" in a folder, \"**\" any folders)\n"
	"  --default-config        no file: only shorthand models such as openai::gpt-4o\n"
	"  --bind-address IP:PORT  where to listen (gateway.bind_address, 0.0.0.0:3000); port 0: a free\n"
	"                          one (also TENSORZERO_GATEWAY_BIND_ADDRESS)\n"
	"  --data-dir D            record, module cache (store.data_dir, ./signet-data; also\n"
	"                          SIGNET_DATA_DIR)\n"
	"  --workers N             threads that answer (server.workers, one a core; also SIGNET_WORKERS)\n"
	"  --log-format F          pretty or json (pretty on a terminal, else json)\n"
	"  --log-file F            the log goes there; SIGUSR1 opens it anew after rotation\n"
	"  --validate-and-exit     does all of a start but listen\n"
	"  --help                  this text\n"
	"\n"
	"\"signet --config-file ...\" is the same: without a command, a first argument that begins with --\n"
	"means serve. SIGNET_LOG=info,net=debug sets what is logged.\n"
	"\n"
	"Signals: SIGTERM and SIGINT drain (server.drain_s, 30 s; a second one ends at once), SIGHUP drains\n"
	"after a second. Exit status: 0 drained, 1 the start was refused (the reason is on standard error),\n"
	"2 wrong usage.\n"
	"\n"
	"  signet serve --config-file signet.toml\n"
	"  signet serve --config-file 'config/**/*.toml' --bind-address 127.0.0.1:3000\n"
	"  OPENAI_API_KEY=... signet serve --default-config\n";

enum flag {
	FLAG_CONFIG_FILE,
	FLAG_DEFAULT_CONFIG,
	FLAG_BIND_ADDRESS,
	FLAG_DATA_DIR,
	FLAG_WORKERS,
	FLAG_LOG_FORMAT,
	FLAG_LOG_FILE,
	FLAG_VALIDATE,
	FLAG_HELP,
	FLAG_NOT_BUILT,
};

static const struct {
	const char *name;
	enum flag flag;
	bool takes_value;
	const char *instead; /* of flags that are not built: what to do */
} flags[] = {
	{ "--config-file", FLAG_CONFIG_FILE, true, NULL },
	{ "--default-config", FLAG_DEFAULT_CONFIG, false, NULL },
	{ "--bind-address", FLAG_BIND_ADDRESS, true, NULL },
	{ "--data-dir", FLAG_DATA_DIR, true, NULL },
	{ "--workers", FLAG_WORKERS, true, NULL },
	{ "--log-format", FLAG_LOG_FORMAT, true, NULL },
	{ "--log-file", FLAG_LOG_FILE, true, NULL },
	{ "--validate-and-exit", FLAG_VALIDATE, false, NULL },
	{ "--help", FLAG_HELP, false, NULL },
	{ "-h", FLAG_HELP, false, NULL },
	{ "--run-clickhouse-migrations", FLAG_NOT_BUILT, false,
	  "it records to SQLite, whose tables it makes itself at every start" },
	{ "--run-migrations", FLAG_NOT_BUILT, false,
	  "it records to SQLite, whose tables it makes itself at every start" },
	{ "--run-postgres-migrations", FLAG_NOT_BUILT, false, "it does not use Postgres" },
	{ "--create-api-key", FLAG_NOT_BUILT, false, "it does not check keys of clients yet" },
	{ "--disable-api-key", FLAG_NOT_BUILT, false, "it does not check keys of clients yet" },
	{ "--migrate-config", FLAG_NOT_BUILT, false, "its configuration stays in files" },
};

static int usage(const char *fmt, const char *what)
{
	fprintf(stderr, "signet serve: ");
	fprintf(stderr, fmt, what);
	fprintf(stderr, "\nsignet serve --help explains\n");
	return 2;
}

static bool is_address(const char *text)
{
	struct sockaddr_storage addr;
	socklen_t n;

	return sock_address_parse(bytes_of(text), &addr, &n);
}

static bool workers_parse(const char *text, int *out)
{
	uint64_t n;

	if (!bytes_to_u64(bytes_of(text), &n) || !n || n > MAX_WORKERS)
		return false;
	*out = (int)n;
	return true;
}

/* One flag with its value. -1: taken; else the exit status. */
static int flag_take(struct serve_args *a, enum flag flag, const char *value)
{
	value = value ? value : ""; /* of flags that take none */
	switch (flag) {
	case FLAG_CONFIG_FILE:
		a->config.glob = value;
		return -1;
	case FLAG_DEFAULT_CONFIG:
		a->config.default_config = true;
		return -1;
	case FLAG_BIND_ADDRESS:
		a->config.bind_address = value;
		return is_address(value)
			       ? -1
			       : usage("invalid value '%s' for '--bind-address <BIND_ADDRESS>': invalid socket address syntax (write 127.0.0.1:3000 or [::]:3000)",
				       value);
	case FLAG_DATA_DIR:
		a->config.data_dir = value;
		return *value ? -1 : usage("%s is empty", "--data-dir");
	case FLAG_WORKERS:
		return workers_parse(value, &a->config.workers)
			       ? -1
			       : usage("invalid value '%s' for '--workers': a number from 1 to 1024",
				       value);
	case FLAG_LOG_FORMAT:
		if (strcmp(value, "pretty") && strcmp(value, "json"))
			return usage("invalid value '%s' for '--log-format': pretty or json",
				     value);
		a->log_format = *value == 'p' ? LOG_PRETTY : LOG_JSON;
		return -1;
	case FLAG_LOG_FILE:
		a->log_file = value;
		return *value ? -1 : usage("%s is empty", "--log-file");
	case FLAG_VALIDATE:
		a->validate = true;
		return -1;
	case FLAG_HELP:
		fputs(help, stdout);
		return 0;
	case FLAG_NOT_BUILT:
		break;
	}
	return 2;
}

/* argv[*i], and the value behind it. -1: taken; else the exit status. */
static int argument_take(struct serve_args *a, int argc, char **argv, int *i)
{
	const char *text = argv[*i], *value = strchr(text, '=');
	struct bytes name = { text, value ? (size_t)(value - text) : strlen(text) };

	for (size_t k = 0; k < sizeof(flags) / sizeof(flags[0]); k++) {
		if (!bytes_eq(name, bytes_of(flags[k].name)))
			continue;
		if (flags[k].flag == FLAG_NOT_BUILT) {
			fprintf(stderr, "signet serve: %s is not in this version of Signet: %s\n",
				flags[k].name, flags[k].instead);
			return 1;
		}
		if (!flags[k].takes_value)
			return value ? usage("%s takes no value", flags[k].name)
				     : flag_take(a, flags[k].flag, NULL);
		if (!value && *i + 1 == argc)
			return usage("%s needs a value", flags[k].name);
		return flag_take(a, flags[k].flag, value ? value + 1 : argv[++*i]);
	}
	return usage("unknown argument %s", text);
}

static const char *env_of(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static int refuse(const char *text)
{
	fprintf(stderr, "%s\n", text);
	return 1;
}

int serve_args_read(int argc, char **argv, struct serve_args *a)
{
	*a = (struct serve_args){ .log_format = LOG_AUTO };
	for (int i = 0; i < argc; i++) {
		int status = argument_take(a, argc, argv, &i);

		if (status >= 0)
			return status;
	}
	if (a->config.glob && a->config.default_config)
		return refuse("You must not specify both `--config-file` and `--default-config`.");
	if (!a->config.glob && !a->config.default_config)
		return refuse("You must specify either `--config-file` or `--default-config`.");
	return -1;
}

/* RUST_LOG is a language of its own; only what is a level in both is read. */
static const char *filter_of_environment(void)
{
	static const char *const plain[] = { "error", "warn", "info", "debug", "trace" };
	const char *own = env_of("SIGNET_LOG"), *rust = env_of("RUST_LOG");

	if (own)
		return own;
	for (size_t i = 0; rust && i < sizeof(plain) / sizeof(plain[0]); i++)
		if (bytes_ieq(bytes_of(rust), bytes_of(plain[i])))
			return rust;
	return NULL;
}

int serve_log_setup(const struct serve_args *a)
{
	if (log_setup(a->log_format, filter_of_environment()))
		return fail_context("SIGNET_LOG: ");
	return a->log_file ? log_open_file(a->log_file) : 0;
}

void serve_log_debug(const struct serve_args *a, bool debug)
{
	if (debug && !filter_of_environment())
		log_setup(a->log_format, "debug");
}

static void print_files(const char *pattern)
{
	struct config_issues unread = { 0 };
	struct glob_list files = { 0 };
	struct arena arena;

	arena_init(&arena, FILES_MEMORY_MAX);
	fprintf(stderr,
		"Failed to load config. Config file glob `%s` resolved to the following files:\n",
		pattern);
	glob_walk(bytes_of(pattern), &files, &unread, &arena);
	for (size_t i = 0; i < files.len; i++)
		fprintf(stderr, "%.*s\n", BFMT(files.at[i]));
	config_issues_deinit(&unread);
	arena_deinit(&arena);
}

void serve_issues_print(const struct serve_args *a, struct config_issues *issues, bool loaded)
{
	struct buf line;

	buf_init(&line, ISSUE_LINE_MAX);
	if (!loaded && a->config.glob)
		print_files(a->config.glob);
	for (size_t i = 0; i < issues->len; i++) {
		const struct config_issue *s = &issues->at[i];

		if (s->warning) {
			char text[1024];

			snprintf(text, sizeof(text), "%.*s", BFMT(s->text));
			if (s->file.n)
				log_warn("config", text, LB("file", s->file), LI("line", s->line),
					 LB("key", s->key));
			else
				log_warn("config", text);
			continue;
		}
		buf_reset(&line);
		if (!config_issue_print(s, &line))
			fprintf(stderr, "%.*s\n", BFMT(buf_bytes(&line)));
	}
	buf_deinit(&line);
}

const char *proxy_of(const char *name, const char *or_name, const char *or_else)
{
	const char *value = env_of(name);

	if (!value)
		value = env_of(or_name);
	return value || !or_else ? value : env_of(or_else);
}
