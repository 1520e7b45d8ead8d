/*
 * `signet check`: everything a start would find wrong in the files, without environment, network or
 * data directory. Errors and warnings go to stderr, one a line, in the form editors jump to; stdout
 * holds the summary, or with --json the whole list. Exit 0 valid, 1 not, 2 usage.
 */
#include <stdio.h>
#include <string.h>

#include "base/flags.h"
#include "base/pen.h"
#include "config/config.h"
#include "config/issue.h"
#include "sign/signer.h"

#define REPORT_MAX (64 << 20)

static const char help[] =
	"usage: signet check GLOB...\n"
	"       signet check --config-file GLOB | --default-config\n"
	"\n"
	"Reads the files as one configuration and says everything that is wrong with them,\n"
	"without starting anything: keys and their types, models and routing, URLs, signer\n"
	"modules. Needs no environment: a variable that is not set here is a warning.\n"
	"\n"
	"  --config-file GLOB   the same as GLOB alone; `*` stays within a directory, `**` does not\n"
	"  --default-config     check the empty configuration\n"
	"  --json               print [{\"file\",\"line\",\"key\",\"text\"}] on stdout instead\n"
	"  --strict             warnings fail, too\n"
	"  --help               this text\n"
	"\n"
	"Each finding is one line on stderr, `file:line: what is wrong (what to do)`.\n"
	"Exit status: 0 valid, 1 something is wrong, 2 wrong usage.\n"
	"\n"
	"Examples:\n"
	"  signet check signet.toml\n"
	"  signet check 'config/**/*.toml'\n";

struct request {
	bool default_config, json, strict;
};

/* -1: go on, the files are the words of argv; else the exit status. */
static int read_arguments(int argc, char **argv, struct request *r)
{
	const struct flag flags[] = {
		{ "--config-file", .word = true },
		{ "--default-config", .on = &r->default_config },
		{ "--json", .on = &r->json },
		{ "--strict", .on = &r->strict },
	};
	const struct command check = { "signet check", help, flags, COUNT(flags), true };
	int status = flags_read(&check, argc, argv);

	if (status >= 0)
		return status;
	if (argv[0] && r->default_config)
		return flags_wrong(&check, "give files or --default-config, not both");
	if (!argv[0] && !r->default_config)
		return flags_wrong(&check, "name the files to check");
	return -1;
}

/* "models.m.providers.p.api_base": the texts have ": " behind a provider, as TensorZero's, a program wants one form. */
static int put_key(struct pen *p, struct bytes key, struct buf *plain)
{
	ptrdiff_t at;

	buf_reset(plain);
	while ((at = bytes_find(key, B(": "))) >= 0) {
		buf_append(plain, bytes_slice(key, 0, (size_t)at));
		buf_putc(plain, '.');
		key = bytes_slice(key, (size_t)at + 2, key.n);
	}
	if (buf_append(plain, key))
		return -1;
	pen_text(p, "key", buf_bytes(plain));
	return 0;
}

static int put_json(const struct config_issues *issues, struct buf *out)
{
	struct pen p = { .b = out };
	struct buf plain;
	int bad = 0;

	buf_init(&plain, REPORT_MAX);
	pen_lit(&p, "[");
	for (size_t i = 0; i < issues->len; i++) {
		const struct config_issue *e = &issues->at[i];

		pen_bytes(&p, i ? B(",\n ") : B(""));
		pen_open(&p, '{');
		pen_text(&p, "file", e->file);
		pen_number(&p, "line", e->line);
		bad |= put_key(&p, e->key, &plain);
		pen_text(&p, "text", e->text);
		pen_bytes(&p, e->warning ? B(",\"warning\":true}") : B("}"));
	}
	pen_lit(&p, "]\n");
	buf_deinit(&plain);
	return bad ? -1 : pen_done(&p);
}

static int put_lines(const struct config_issues *issues, struct buf *out)
{
	int bad = 0;

	for (size_t i = 0; i < issues->len && !bad; i++)
		bad = config_issue_print(&issues->at[i], out) != 0 || buf_putc(out, '\n') != 0;
	return bad ? -1 : 0;
}

static void say_prices(const struct price_list *list)
{
	if (bytes_set(list->path))
		printf("%.*s: prices of %.*s, %lld days old.\n", BFMT(list->path), BFMT(list->date),
		       (long long)list->age_days);
}

/* `config` NULL: it is not valid. */
static int report(const struct request *r, const struct config_issues *issues,
		  const struct config *config)
{
	size_t warnings = issues->len - issues_errors(issues);
	bool valid = config != NULL && !(r->strict && warnings);
	struct buf out;
	int bad;

	buf_init(&out, REPORT_MAX);
	bad = r->json ? put_json(issues, &out) : put_lines(issues, &out);
	if (out.len && fwrite(out.data, 1, out.len, r->json ? stdout : stderr) != out.len)
		bad = -1;
	buf_deinit(&out);
	if (valid && !r->json && issues->files == 1)
		puts("1 file is valid.");
	else if (valid && !r->json)
		printf("%zu files are valid.\n", issues->files);
	if (config && !valid && !r->json)
		fprintf(stderr, "%zu warning%s, which --strict does not let pass.\n", warnings,
			warnings == 1 ? "" : "s");
	if (valid && !r->json)
		say_prices(&config->prices);
	if (fflush(stdout) != 0)
		bad = -1;
	return bad || !valid ? 1 : 0;
}

int config_check_main(int argc, char **argv)
{
	struct config_options options = { .offline = true };
	struct request r = { 0 };
	struct config_issues issues;
	struct config *config;
	int status = read_arguments(argc, argv, &r);

	if (status >= 0)
		return status;
	if (signing_init())
		return flags_failed("signet check: ");
	options.default_config = r.default_config;
	options.globs = argv[0] ? (const char *const *)argv : NULL;
	config = config_load(&options, &issues);
	status = report(&r, &issues, config);
	config_unref(config);
	config_issues_deinit(&issues);
	signing_deinit();
	return status;
}
