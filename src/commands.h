/* The commands of the program, for those who speak of all of them: --help and the completions. */
#ifndef SIGNET_COMMANDS_H
#define SIGNET_COMMANDS_H

#include <stddef.h>

struct subcommand {
	const char *name;
	int (*run)(int argc,
		   char **argv); /* without the program and the command; the exit status */
	const char *summary;
};

extern const struct subcommand commands[];
extern const size_t ncommands;

/* `signet completions`. It runs every command, with a viewer of its flags. */
int completions_main(int argc, char **argv);

#endif
