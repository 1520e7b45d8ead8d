/*
 * The command line: which subcommand runs, and what each one says about itself. A first argument that
 * begins with "--" means `serve`, so that images which start a TensorZero gateway keep their `command:`.
 * Answers go to stdout, everything else to stderr; the exit status is 0, 1 (failed) or 2 (usage).
 */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	if (argc == 2 && (!strcmp(argv[1], "version") || !strcmp(argv[1], "--version"))) {
		puts("signet " SIGNET_VERSION " (TensorZero 2026.6.0)");
		return 0;
	}
	fputs("usage: signet version\n", stderr);
	return 2;
}
