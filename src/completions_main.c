/*
 * `signet completions`: what a shell offers behind "signet", and the commands' part of the manual page. Nothing is
 * listed here. The commands stand in the table of main.c, each shows the table of flags that it reads its command line
 * by (flags_view), and words, arguments and explanations are taken from its --help: a flag that is added to a command
 * is offered from then on.
 *
 * The trap: a flag is offered only if it stands in both, table and help. tests/packages/test_command_line.py compares.
 */
#include <stdio.h>
#include <string.h>

#include "base/flags.h"
#include "commands.h"

#define OPTIONS_MAX 64
#define VERBS_MAX   24

enum value { VALUE_NONE, VALUE_ANY, VALUE_FILE, VALUE_FOLDER };

struct option {
	struct bytes name, argument, text; /* "config-file", "GLOB", what it does */
	enum value value;
};

/* A command as it shows itself. */
struct told {
	const struct subcommand *command;
	struct bytes help;
	struct option options[OPTIONS_MAX];
	size_t noptions;
	struct bytes verbs[VERBS_MAX];
	size_t nverbs;
	bool files; /* its words are files */
};

/* ---- what --help says ---- */

/* A line of help that explains a flag: "  --name ARGUMENT   text". */
static bool flag_line(struct bytes line, struct bytes *name, struct bytes *argument,
		      struct bytes *text)
{
	struct bytes rest;
	ptrdiff_t gap;

	if (!bytes_starts(line, B("  --")))
		return false;
	rest = bytes_slice(line, 4, line.n);
	gap = bytes_find(rest, B("  "));
	*text = gap < 0 ? B("") : bytes_trim(bytes_slice(rest, (size_t)gap, rest.n));
	rest = bytes_slice(rest, 0, gap < 0 ? rest.n : (size_t)gap);
	*name = bytes_cut(&rest, ' ');
	*argument = bytes_trim(rest);
	return true;
}

/* Up to where an explanation goes into details. */
static struct bytes in_short(struct bytes text)
{
	static const char *const ends[] = { " (", ";", ":" };

	for (size_t i = 0; i < COUNT(ends); i++) {
		ptrdiff_t at = bytes_find(text, bytes_of(ends[i]));

		if (at > 0)
			text = bytes_slice(text, 0, (size_t)at);
	}
	return text;
}

static enum value value_of(struct bytes name, struct bytes argument)
{
	if (bytes_ends(name, B("-dir")))
		return VALUE_FOLDER;
	if (bytes_ends(name, B("-file")) || bytes_chr(argument, '.') >= 0)
		return VALUE_FILE;
	return VALUE_ANY;
}

/* false: --help does not speak of it. */
static bool explain_option(struct option *o, struct bytes help)
{
	bool explained = false;

	while (help.n) {
		struct bytes line = bytes_cut(&help, '\n'), name, argument, text;

		if (!flag_line(line, &name, &argument, &text) || !bytes_eq(name, o->name))
			continue;
		if (!text.n) { /* a long name has its explanation below */
			struct bytes rest = help;

			text = bytes_trim(bytes_cut(&rest, '\n'));
		}
		o->argument = argument;
		o->text = in_short(text);
		explained = true;
	}
	return explained;
}

static bool is_verb(struct bytes word)
{
	for (size_t i = 0; i < word.n; i++)
		if (!(word.p[i] >= 'a' && word.p[i] <= 'z') && !(i && word.p[i] == '-'))
			return false;
	return word.n > 0;
}

static void add_verb(struct told *t, struct bytes verb)
{
	for (size_t i = 0; i < t->nverbs; i++)
		if (bytes_eq(t->verbs[i], verb))
			return;
	if (is_verb(verb) && t->nverbs < VERBS_MAX)
		t->verbs[t->nverbs++] = verb;
}

static bool usage_line(struct bytes line)
{
	return bytes_istarts(line, B("usage: signet ")) || bytes_starts(line, B("       signet "));
}

/* "usage: signet log show ID": the word behind the command, or several in the form a|b, is a verb; GLOB and FILE are files. */
static void read_usage(struct told *t)
{
	struct bytes help = t->help, name = bytes_of(t->command->name);

	while (help.n) {
		struct bytes line = bytes_cut(&help, '\n'), word;

		if (!usage_line(line))
			continue;
		line = bytes_slice(line, 7, line.n);
		bytes_cut(&line, ' ');
		word = bytes_cut(&line, ' ');
		if (!bytes_eq(word, name))
			continue;
		word = bytes_cut(&line, ' ');
		t->files |= bytes_starts(word, B("GLOB")) || bytes_starts(word, B("FILE"));
		while (word.n)
			add_verb(t, bytes_cut(&word, '|'));
	}
}

/* ---- what the commands show ---- */

static void view(const struct command *c, void *arg)
{
	struct told *t = arg;

	t->help = bytes_of(c->help);
	for (size_t i = 0; i < c->nflags && t->noptions < OPTIONS_MAX - 1; i++) {
		struct bytes name = bytes_of(c->flags[i].name);
		struct option *o = &t->options[t->noptions];

		*o = (struct option){ .name = bytes_slice(name, 2, name.n) };
		/* Flags that would be refused, and those that are only swallowed for another program's sake. */
		if (c->flags[i].instead || !explain_option(o, t->help))
			continue;
		o->value = c->flags[i].on ? VALUE_NONE : value_of(o->name, o->argument);
		t->noptions++;
	}
	t->options[t->noptions++] = (struct option){ .name = B("help"), .text = B("explains") };
	read_usage(t);
}

static void ask_command(const struct subcommand *command, struct told *t)
{
	char *nothing[] = { NULL };

	*t = (struct told){ .command = command };
	flags_view(view, t);
	command->run(0, nothing);
	flags_view(NULL, NULL);
}

/* ---- the shells ---- */

/* Puts a backslash before each character of `special`. */
static void put_escaped(struct bytes text, const char *special)
{
	for (size_t i = 0; i < text.n; i++) {
		if (strchr(special, text.p[i]))
			putchar('\\');
		putchar(text.p[i]);
	}
}

/* Inside of single quotes, for bash and zsh; `special` are characters that also need a backslash. */
static void put_quoted(struct bytes text, const char *special)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\'')
			fputs("'\\''", stdout);
		else
			put_escaped(bytes_slice(text, i, 1), special);
	}
}

static void put_flags_of(const struct told *t, enum value value)
{
	const char *between = "";

	for (size_t i = 0; i < t->noptions; i++) {
		if (t->options[i].value != value)
			continue;
		printf("%s--%.*s", between, BFMT(t->options[i].name));
		between = value == VALUE_NONE ? " " : "|";
	}
}

static void put_bash_flags(const struct told *t)
{
	printf("words='");
	for (size_t i = 0; i < t->noptions; i++)
		printf("%s--%.*s", i ? " " : "", BFMT(t->options[i].name));
	printf("' verbs='");
	for (size_t i = 0; i < t->nverbs; i++)
		printf("%s%.*s", i ? " " : "", BFMT(t->verbs[i]));
	printf("' files='");
	put_flags_of(t, VALUE_FILE);
	printf("' folders='");
	put_flags_of(t, VALUE_FOLDER);
	printf("' other='");
	put_flags_of(t, VALUE_ANY);
	printf("' named=%d", t->files);
}

static void print_bash(const struct told *all, size_t n)
{
	fputs("# Completions of signet for bash, made by `signet completions bash`.\n"
	      "_signet()\n"
	      "{\n"
	      "\tlocal current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}\n"
	      "\tlocal words='' verbs='' files='' folders='' other='' named=0 commands='",
	      stdout);
	for (size_t i = 0; i < n; i++)
		printf("%s%s", i ? " " : "", all[i].command->name);
	fputs("'\n"
	      "\tCOMPREPLY=()\n"
	      "\tcase $command in --*) command=serve ;; esac\n"
	      "\tcase $command in\n",
	      stdout);
	for (size_t i = 0; i < n; i++) {
		printf("\t%s) ", all[i].command->name);
		put_bash_flags(&all[i]);
		fputs(" ;;\n", stdout);
	}
	fputs("\tesac\n"
	      "\tif [[ $COMP_CWORD -eq 1 ]]; then\n"
	      "\t\tCOMPREPLY=($(compgen -W \"$commands --help --version $words\" -- \"$current\"))\n"
	      "\telif [[ -n $files && $before =~ ^($files)$ ]]; then\n"
	      "\t\tcompopt -o filenames\n"
	      "\t\tCOMPREPLY=($(compgen -f -- \"$current\"))\n"
	      "\telif [[ -n $folders && $before =~ ^($folders)$ ]]; then\n"
	      "\t\tcompopt -o filenames\n"
	      "\t\tCOMPREPLY=($(compgen -d -- \"$current\"))\n"
	      "\telif [[ -n $other && $before =~ ^($other)$ ]]; then\n"
	      "\t\t: # a value that only you know\n"
	      "\telif [[ $named = 1 && $current != -* ]]; then\n"
	      "\t\tcompopt -o filenames\n"
	      "\t\tCOMPREPLY=($(compgen -f -- \"$current\"))\n"
	      "\telif [[ $COMP_CWORD -eq 2 && $current != -* && -n $verbs ]]; then\n"
	      "\t\tCOMPREPLY=($(compgen -W \"$verbs\" -- \"$current\"))\n"
	      "\telse\n"
	      "\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
	      "\tfi\n"
	      "}\n"
	      "complete -F _signet signet\n",
	      stdout);
}

static void put_zsh_option(const struct option *o)
{
	static const char *const actions[] = {
		[VALUE_ANY] = "", [VALUE_FILE] = "_files", [VALUE_FOLDER] = "_files -/"
	};

	printf(" \\\n\t\t'--%.*s%s[", BFMT(o->name), o->value == VALUE_NONE ? "" : "=");
	put_quoted(o->text, "[]:\\");
	putchar(']');
	if (o->value != VALUE_NONE) {
		putchar(':');
		put_quoted(o->argument.n ? o->argument : B("value"), ":\\");
		printf(":%s", actions[o->value]);
	}
	putchar('\'');
}

static void print_zsh(const struct told *all, size_t n)
{
	fputs("#compdef signet\n"
	      "# Completions of signet for zsh, made by `signet completions zsh`.\n"
	      "local -a commands verbs\n"
	      "commands=(\n",
	      stdout);
	for (size_t i = 0; i < n; i++) {
		printf("\t'%s:", all[i].command->name);
		put_quoted(bytes_of(all[i].command->summary), ":\\");
		fputs("'\n", stdout);
	}
	fputs(")\n"
	      "if (( CURRENT == 2 )) && [[ $words[2] != --* ]]; then\n"
	      "\t_describe -t commands command commands\n"
	      "\treturn\n"
	      "fi\n"
	      "if [[ $words[2] != --* ]]; then\n"
	      "\tshift words\n"
	      "\t(( CURRENT-- ))\n"
	      "else\n"
	      "\twords[1]=serve\n"
	      "fi\n"
	      "case $words[1] in\n",
	      stdout);
	for (size_t i = 0; i < n; i++) {
		const struct told *t = &all[i];

		printf("%s)\n", t->command->name);
		if (t->nverbs) {
			fputs("\tverbs=(", stdout);
			for (size_t v = 0; v < t->nverbs; v++)
				printf("%s%.*s", v ? " " : "", BFMT(t->verbs[v]));
			fputs(")\n", stdout);
		}
		fputs("\t_arguments", stdout);
		for (size_t o = 0; o < t->noptions; o++)
			put_zsh_option(&t->options[o]);
		if (t->files)
			fputs(" \\\n\t\t'*:file:_files'", stdout);
		else if (t->nverbs)
			fputs(" \\\n\t\t'1:what:($verbs)'", stdout);
		fputs("\n\t;;\n", stdout);
	}
	fputs("esac\n", stdout);
}

static void put_fish_option(const char *command, const struct option *o)
{
	static const char *const takes[] = { [VALUE_NONE] = "",
					     [VALUE_ANY] = " -x",
					     [VALUE_FILE] = " -rF",
					     [VALUE_FOLDER] =
						     " -x -a '(__fish_complete_directories)'" };

	printf("complete -c signet -n '__fish_seen_subcommand_from %s' -l %.*s%s -d '", command,
	       BFMT(o->name), takes[o->value]);
	put_escaped(o->text, "'\\");
	fputs("'\n", stdout);
}

static void print_fish(const struct told *all, size_t n)
{
	fputs("# Completions of signet for fish, made by `signet completions fish`.\n"
	      "complete -c signet -f\n"
	      "complete -c signet -n __fish_use_subcommand -l help -d explains\n"
	      "complete -c signet -n __fish_use_subcommand -l version -d 'versions'\n",
	      stdout);
	for (size_t i = 0; i < n; i++) {
		const struct told *t = &all[i];

		printf("complete -c signet -n __fish_use_subcommand -a %s -d '", t->command->name);
		put_escaped(bytes_of(t->command->summary), "'\\");
		fputs("'\n", stdout);
		for (size_t v = 0; v < t->nverbs; v++)
			printf("complete -c signet -n '__fish_seen_subcommand_from %s; and test (count (commandline -opc)) -eq 2' -a %.*s\n",
			       t->command->name, BFMT(t->verbs[v]));
		if (t->files)
			printf("complete -c signet -n '__fish_seen_subcommand_from %s' -F\n",
			       t->command->name);
		for (size_t o = 0; o < t->noptions; o++)
			put_fish_option(t->command->name, &t->options[o]);
	}
}

/* ---- the manual page ---- */

static void put_troff(struct bytes text)
{
	if (text.n && (text.p[0] == '.' || text.p[0] == '\''))
		fputs("\\&", stdout);
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\\')
			fputs("\\e", stdout);
		else
			put_escaped(bytes_slice(text, i, 1), "-");
	}
}

static void put_man_flag(struct bytes name, struct bytes argument)
{
	fputs(".TP\n\\fB\\-\\-", stdout);
	put_escaped(name, "-");
	if (argument.n) {
		fputs("\\fR \\fI", stdout);
		put_escaped(argument, "-");
	}
	fputs("\\fR\n", stdout);
}

/* Where the lines of a help text stand that are being written as troff. */
struct man_place {
	bool literal;   /* inside of lines that stay as they are */
	bool paragraph; /* a new one is due */
	bool begun;
};

static void put_man_line(struct bytes line, struct man_place *at)
{
	struct bytes name, argument, text = line;
	bool flag = flag_line(line, &name, &argument, &text);
	bool as_is = !flag && (usage_line(line) ||
			       (bytes_starts(line, B("  ")) && !bytes_starts(line, B("   "))));

	if (bytes_istarts(line, B("usage: ")))
		text = bytes_slice(line, 7, line.n);
	text = bytes_trim(text);
	if (at->literal && !as_is)
		fputs(".fi\n.RE\n", stdout);
	if (!at->literal && as_is)
		fputs(at->begun ? ".PP\n.RS 4\n.nf\n" : ".RS 4\n.nf\n", stdout);
	else if (at->paragraph && !as_is && !flag && text.n)
		fputs(".PP\n", stdout);
	at->begun = true;
	at->literal = as_is;
	at->paragraph = !text.n;
	if (flag)
		put_man_flag(name, argument);
	if (text.n) {
		put_troff(text);
		putchar('\n');
	}
}

static void print_man(const struct told *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct bytes help = all[i].help;
		struct man_place at = { .literal = false };

		printf(".SS signet %s\n", all[i].command->name);
		if (bytes_starts(help,
				 B("signet "))) { /* "signet log: reads …" under that very title */
			bytes_cut(&help, ':');
			help = bytes_slice(help, 1, help.n);
		}
		while (help.n)
			put_man_line(bytes_cut(&help, '\n'), &at);
		if (at.literal)
			fputs(".fi\n.RE\n", stdout);
	}
}

static const struct {
	const char *name;
	void (*print)(const struct told *, size_t);
} forms[] = {
	{ "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish }, { "man", print_man }
};

static const char help_text[] =
	"signet completions: prints what a shell needs to complete signet's commands and flags\n"
	"\n"
	"usage: signet completions bash|zsh|fish\n"
	"       signet completions man   the commands' part of the manual page, in troff\n"
	"\n"
	"  --help   this text\n"
	"\n"
	"Packages install them. By hand:\n"
	"\n"
	"  signet completions bash > ~/.local/share/bash-completion/completions/signet\n"
	"  signet completions zsh > ~/.zfunc/_signet       (with fpath+=~/.zfunc before compinit)\n"
	"  signet completions fish > ~/.config/fish/completions/signet.fish\n";

#define COMMANDS_MAX 24

int completions_main(int argc, char **argv)
{
	static const struct command completions = { .name = "signet completions",
						    .help = help_text,
						    .words = true };
	static struct told all[COMMANDS_MAX];
	int status = flags_read(&completions, argc, argv);

	if (status >= 0)
		return status;
	if (!argv[0] || argv[1])
		return flags_wrong(&completions, "name one of bash, zsh and fish");
	for (size_t i = 0; i < COUNT(forms); i++) {
		if (strcmp(argv[0], forms[i].name))
			continue;
		for (size_t c = 0; c < ncommands && c < COMMANDS_MAX; c++)
			ask_command(&commands[c], &all[c]);
		forms[i].print(all, ncommands < COMMANDS_MAX ? ncommands : COMMANDS_MAX);
		return fflush(stdout) ? flags_failed("signet completions: ") : 0;
	}
	return flags_wrong(&completions, "%s is none of bash, zsh and fish", argv[0]);
}
