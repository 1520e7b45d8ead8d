/*
 * Flags of `signet serve`: TensorZero's, so that images keep their `command:`, and Signet's few. What the command
 * line does not say is left to the configuration (config/), which knows the environment, the files and the defaults.
 */
#include "serve_args.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/flags.h"
#include "config/glob.h"
#include "keys_main.h"
#include "net/socket.h"

#define MAX_WORKERS      1024
#define FILES_MEMORY_MAX (64u << 20) /* the names that a glob finds */
#define ISSUE_LINE_MAX   (1u << 20)

static const char help[] =
	"signet serve: starts the gateway\n"
	"\n"
	"usage: signet serve GLOB... [flags]\n"
	"       signet serve --config-file GLOB [flags]\n"
	"       signet serve --default-config [flags]\n"
	"\n"
	"  --config-file GLOB      the same as GLOB: every matching TOML file (\"*\" in a folder, \"**\" any folders)\n"
	"  --default-config        no file: only shorthand models such as openai::gpt-4o\n"
	"  --bind-address IP:PORT  where to listen (gateway.bind_address, 0.0.0.0:3000); port 0: a free\n"
	"                          one (also TENSORZERO_GATEWAY_BIND_ADDRESS)\n"
	"  --data-dir D            record, module cache (store.data_dir, ./signet-data; also\n"
	"                          SIGNET_DATA_DIR)\n"
	"  --workers N             threads that answer (server.workers, one a core; also SIGNET_WORKERS)\n"
	"  --log-format F          pretty or json (pretty on a terminal, else json)\n"
	"  --log-file F            the log goes there; SIGUSR1 opens it anew after rotation\n"
	"  --on-sighup ACTION      reload: SIGHUP loads the files anew and puts them in force if they are\n"
	"                          valid (the default); exit: it drains after a second, as TensorZero does\n"
	"  --validate-and-exit     does all of a start but listen\n"
	"  --run-clickhouse-migrations\n"
	"                          makes TensorZero's tables in the empty database that\n"
	"                          TENSORZERO_CLICKHOUSE_URL names, and ends\n"
	"  --create-api-key        prints a new key and ends (as signet keys create)\n"
	"  --expiration TIME       of that key, such as 2027-01-31T00:00:00Z\n"
	"  --disable-api-key ID    disables the key with this public id and ends\n"
	"  --help                  this text\n"
	"\n"
	"\"signet --config-file ...\" is the same: without a command, a first argument that begins with --\n"
	"means serve. SIGNET_LOG=info,net=debug sets what is logged.\n"
	"\n"
	"Signals: SIGTERM and SIGINT drain (server.drain_notice_s, 0 s, then server.drain_s, 30 s; a second one\n"
	"ends at once), SIGHUP reloads the configuration. Of a service manager NOTIFY_SOCKET and LISTEN_FDS are\n"
	"read. Exit status: 0 drained, 1 the start was refused (the reason is on standard error), 2 wrong usage.\n"
	"\n"
	"  signet serve signet.toml\n"
	"  signet serve --config-file 'config/**/*.toml' --bind-address 127.0.0.1:3000\n"
	"  OPENAI_API_KEY=... signet serve --default-config\n";

static bool is_address(const char *text)
{
	struct sockaddr_storage addr;
	socklen_t n;

	return sock_address_parse(bytes_of(text), &addr, &n);
}

static int read_flags(int argc, char **argv, struct serve_args *a)
{
	const char *format = NULL, *on_hangup = NULL;
	uint64_t workers = 0;
	const struct flag flags[] = {
		{ "--config-file", .text = &a->config.glob },
		{ "--default-config", .on = &a->config.default_config },
		{ "--bind-address", .text = &a->config.bind_address },
		{ "--data-dir", .text = &a->config.data_dir, .not_empty = true },
		{ "--workers", .number = &workers, .most = MAX_WORKERS },
		{ "--log-format", .text = &format },
		{ "--log-file", .text = &a->log_file, .not_empty = true },
		{ "--on-sighup", .text = &on_hangup },
		{ "--validate-and-exit", .on = &a->validate },
		{ "--run-clickhouse-migrations", .on = &a->migrate },
		{ "--run-migrations", .on = &a->migrate },
		{ "--run-postgres-migrations", .instead = "it does not use Postgres" },
		{ "--create-api-key", .on = &a->create_key },
		{ "--expiration", .text = &a->expiration },
		{ "--disable-api-key", .text = &a->disable_key },
		{ "--migrate-config", .instead = "its configuration stays in files" },
	};
	const struct command serve = { "signet serve", help, flags, COUNT(flags), true };
	int status = flags_read(&serve, argc, argv);

	if (status >= 0)
		return status;
	a->config.workers = (int)workers;
	if (argv[0] && (a->config.glob || a->config.default_config))
		return flags_wrong(&serve,
				   "give files, --config-file or --default-config: one of them");
	if (argv[0] && !argv[1])
		a->config.glob = argv[0];
	else if (argv[0])
		a->config.globs = (const char *const *)argv;
	if (a->migrate && !a->config.glob) /* the variable says all that it needs */
		a->config.default_config = true;
	if (a->config.bind_address && !is_address(a->config.bind_address))
		return flags_wrong(
			&serve,
			"invalid value '%s' for '--bind-address <BIND_ADDRESS>': invalid socket address syntax (write 127.0.0.1:3000 or [::]:3000)",
			a->config.bind_address);
	if (format && strcmp(format, "pretty") && strcmp(format, "json"))
		return flags_wrong(&serve, "invalid value '%s' for '--log-format': pretty or json",
				   format);
	if (on_hangup && strcmp(on_hangup, "reload") && strcmp(on_hangup, "exit"))
		return flags_wrong(&serve, "invalid value '%s' for '--on-sighup': reload or exit",
				   on_hangup);
	a->exit_on_hangup = on_hangup && *on_hangup == 'e';
	if (format)
		a->log_format = *format == 'p' ? LOG_PRETTY : LOG_JSON;
	return -1;
}

static const char *env_of(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* Wrong usage in TensorZero's words, which scripts look for. */
static int refuse(const char *text)
{
	fprintf(stderr, "%s\nsignet serve --help explains\n", text);
	return 2;
}

int serve_args_read(int argc, char **argv, struct serve_args *a)
{
	int status;

	*a = (struct serve_args){ .log_format = LOG_AUTO };
	status = read_flags(argc, argv, a);
	if (status >= 0)
		return status;
	if (a->expiration && !a->create_key)
		return refuse("--expiration is only for --create-api-key");
	if (a->create_key)
		return keys_create_main(a->config.data_dir, a->expiration);
	if (a->disable_key)
		return keys_disable_main(a->config.data_dir, a->disable_key);
	if (a->config.glob && a->config.default_config)
		return refuse("You must not specify both `--config-file` and `--default-config`.");
	if (!a->config.glob && !a->config.globs && !a->config.default_config)
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
	for (size_t i = 0; rust && i < COUNT(plain); i++)
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

void serve_log_debug(bool debug)
{
	if (!filter_of_environment())
		log_level(debug ? LOG_DEBUG : LOG_INFO);
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
