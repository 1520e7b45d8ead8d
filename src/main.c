/*
 * The command line: which subcommand runs. Each tells about itself under --help. A first argument that begins
 * with "--" means `serve`, so that images which start a TensorZero gateway keep their `command:`.
 * Answers go to stdout, everything else to stderr; the exit status is 0, 1 (failed) or 2 (usage).
 */
#ifdef SIGNET_MIMALLOC
#include <mimalloc.h>
#endif
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <wasmtime.h>

#include "base/flags.h"
#include "base/process.h"
#include "base/thread.h"
#include "base/version.h"
#include "commands.h"
#include "config/config.h"
#include "keys_main.h"
#include "serve.h"
#include "sign/signer.h"
#include "store/store.h"
#include "ui_main.h"

static int version_main(int argc, char **argv);

const struct subcommand commands[] = {
	{ "serve", serve_main, "run the gateway" },
	{ "check", config_check_main, "validate configuration files, offline" },
	{ "sign", signer_main, "sign one request with a signer module, look into it, time it" },
	{ "log", store_log_main, "read the record: tail, show, grep" },
	{ "keys", keys_main, "API keys: create, list, disable, enable, rotate" },
	{ "store", store_main, "look after the record: check, vacuum, sql, export, import, dead" },
	{ "ui", ui_main, "serve the web application before a gateway elsewhere" },
	{ "completions", completions_main, "completions for bash, zsh and fish" },
	{ "version", version_main, "versions of Signet and of what it is built on" },
};
const size_t ncommands = COUNT(commands);

static int print_help(FILE *out)
{
	fputs("signet: an LLM gateway that signs what it sends and records what it answers\n"
	      "\n"
	      "usage: signet COMMAND [--help]\n"
	      "\n",
	      out);
	for (size_t i = 0; i < ncommands; i++)
		fprintf(out, "  %-11s  %s\n", commands[i].name, commands[i].summary);
	fputs("\n"
	      "Without a command, a first argument that begins with -- means serve.\n"
	      "\n"
	      "  signet serve --config-file signet.toml\n"
	      "  signet check signet.toml\n"
	      "  signet log tail\n",
	      out);
	return out == stdout ? 0 : 2;
}

static const char version_help[] =
	"signet version: the version of Signet and the TensorZero version it speaks, then those of\n"
	"SQLite, OpenSSL and Wasmtime\n"
	"\n"
	"usage: signet version\n";

static int version_main(int argc, char **argv)
{
	static const struct command version = { .name = "signet version", .help = version_help };
	int status = flags_read(&version, argc, argv);

	if (status >= 0)
		return status;
	printf("signet " SIGNET_VERSION " (TensorZero " TENSORZERO_VERSION ")\n"
	       "SQLite %s\n"
	       "%s\n"
	       "Wasmtime %s\n",
	       sqlite3_libversion(), OpenSSL_version(OPENSSL_VERSION), WASMTIME_VERSION);
	return 0;
}

static void say_unknown(struct bytes word)
{
	const char *meant = NULL;
	size_t least = 3;

	for (size_t i = 0; i < ncommands; i++) {
		size_t edits = bytes_distance(word, bytes_of(commands[i].name));

		if (edits < least) {
			least = edits;
			meant = commands[i].name;
		}
	}
	fprintf(stderr, "signet: unknown command %.*s", BFMT(word));
	if (meant)
		fprintf(stderr, " (did you mean %s?)", meant);
	fputs("\n\n", stderr);
}

#define KEEP_FREED_MS 10000

#if defined(SIGNET_MIMALLOC) && MI_MALLOC_VERSION < 210
static const mi_option_t delays[] = { mi_option_decommit_delay, mi_option_segment_decommit_delay };
#elif defined(SIGNET_MIMALLOC)
static const mi_option_t delays[] = { mi_option_purge_delay };
#endif

#ifdef SIGNET_MIMALLOC
static long kept_ms[COUNT(delays)];

/* What is freed meanwhile goes at once: mimalloc looks at its delay when a page is freed, not when it is collected. */
static void give_back(void (*release)(void *), void *arg)
{
	for (size_t i = 0; i < COUNT(delays); i++)
		mi_option_set(delays[i], 0);
	if (release)
		release(arg);
	mi_collect(true);
	for (size_t i = 0; i < COUNT(delays); i++)
		mi_option_set(delays[i], kept_ms[i]);
}
#endif

/* Records live until their journal segment is synced, so some megabytes are freed and taken again ten times a second.
 * mimalloc's default gives pages back after 25 ms and faults them in anew: 1.5 us an answer. Its variables still win. */
static void keep_freed_memory(void)
{
#ifdef SIGNET_MIMALLOC
	for (size_t i = 0; i < COUNT(delays); i++) {
		mi_option_set_default(delays[i], KEEP_FREED_MS);
		kept_ms[i] = mi_option_get(delays[i]);
	}
	thread_give_back = give_back;
#endif
}

int main(int argc, char **argv)
{
	keep_freed_memory();
	process_forbid_core();
	if (argc < 2)
		return print_help(stderr);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return print_help(stdout);
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return version_main(argc - 2, argv + 2);
	if (!strncmp(argv[1], "--", 2))
		return serve_main(argc - 1, argv + 1);
	for (size_t i = 0; i < ncommands; i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 2, argv + 2);
	say_unknown(bytes_of(argv[1]));
	return print_help(stderr);
}
