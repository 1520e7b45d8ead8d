/*
 * One reader of command lines, so that all commands take both spellings of a flag and speak of mistakes in the same
 * words. What a flag may be is what its row points at; what only one command knows (addresses, ids) it checks itself.
 */
#include "base/flags.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"

static struct {
	void (*view)(const struct command *, void *arg);
	void *arg;
} viewer;

void flags_view(void (*view)(const struct command *, void *arg), void *arg)
{
	viewer.view = view;
	viewer.arg = arg;
}

int flags_wrong(const struct command *c, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", c->name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\n%s --help explains\n", c->name);
	return 2;
}

int flags_failed(const char *before)
{
	fprintf(stderr, "%s%.*s\n", before, BFMT(error_last()->message));
	return 1;
}

/* -1: taken; else the exit status. */
static int take_value(const struct command *c, const struct flag *f, char *value)
{
	uint64_t n;

	if (!*value && f->not_empty)
		return flags_wrong(c, "%s is empty", f->name);
	if (f->text)
		*f->text = value;
	if (f->list) {
		if (*f->listed == f->most)
			return flags_wrong(c, "%s is there more than %" PRIu64 " times", f->name,
					   f->most);
		f->list[(*f->listed)++] = value;
	}
	if (!f->number)
		return -1;
	if (!bytes_to_u64(bytes_of(value), &n) || !n || n > f->most)
		return flags_wrong(c, "%s wants a number from 1 to %" PRIu64 ", not '%s'", f->name,
				   f->most, value);
	*f->number = n;
	return -1;
}

static const struct flag *find_flag(const struct command *c, struct bytes name)
{
	for (size_t i = 0; i < c->nflags; i++)
		if (bytes_eq(name, bytes_of(c->flags[i].name)))
			return &c->flags[i];
	return NULL;
}

/* The flag at *argv, which moves on to its value, if that stands behind it. *word: a word that came with it. */
static int take_flag(const struct command *c, char ***argv, char **end, char **word)
{
	char *text = **argv, *value = strchr(text, '=');
	struct bytes name = { text, value ? (size_t)(value - text) : strlen(text) };
	const struct flag *f = find_flag(c, name);

	if (bytes_eq(name, B("--help")) || bytes_eq(name, B("-h")))
		return fputs(c->help, stdout) < 0 || fflush(stdout) ? 1 : 0;
	if (!f)
		return flags_wrong(c, "unknown argument %s", text);
	if (f->instead) {
		fprintf(stderr, "%s: %s is not in this version of Signet: %s\n", c->name, f->name,
			f->instead);
		return 1;
	}
	if (f->on) {
		*f->on = true;
		return value ? flags_wrong(c, "%s takes no value", f->name) : -1;
	}
	if (!value && *argv + 1 == end)
		return flags_wrong(c, "%s needs a value", f->name);
	value = value ? value + 1 : *++*argv;
	*word = f->word ? value : NULL;
	return take_value(c, f, value);
}

int flags_read(const struct command *c, int argc, char **argv)
{
	char **words = argv, **end = argv + argc;
	bool flags = true;

	if (viewer.view) {
		viewer.view(c, viewer.arg);
		return 0;
	}
	for (; argv < end; argv++) {
		char *word = *argv;
		int status = -1;

		if (flags && c->words && !strcmp(word, "--")) {
			flags = false;
			continue;
		}
		if (flags && (!c->words || !strncmp(word, "--", 2) || !strcmp(word, "-h"))) {
			word = NULL;
			status = take_flag(c, &argv, end, &word);
		}
		if (status >= 0)
			return status;
		if (word)
			*words++ = word;
	}
	*words = NULL;
	return -1;
}
