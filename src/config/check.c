/*
 * `signet check`: everything a start would find wrong in the files, without environment, network or
 * data directory. Errors and warnings go to stderr, one a line, in the form editors jump to; stdout
 * holds the summary, or with --json the whole list. Exit 0 valid, 1 not, 2 usage.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/pen.h"
#include "config/config.h"
#include "config/issue.h"
#include "sign/signer.h"

#define MAX_GLOBS  4096
#define REPORT_MAX (64 << 20)

static const char help[] =
	"Usage: signet check GLOB...\n"
	"       signet check --config-file GLOB | --default-config\n"
	"\n"
	"Reads the files as one configuration and says everything that is wrong with them,\n"
	"without starting anything: keys and their types, models and routing, URLs, signer\n"
	"modules. Needs no environment: a variable that is not set here is a warning.\n"
	"\n"
	"  --config-file GLOB   the same as GLOB alone; `*` stays within a directory, `**` does not\n"
	"  --default-config     check the empty configuration\n"
	"  --json               print [{\"file\",\"line\",\"key\",\"text\"}] on stdout instead\n"
	"  --help               this text\n"
	"\n"
	"Each finding is one line on stderr, `file:line: what is wrong (what to do)`.\n"
	"Exit status: 0 valid, 1 something is wrong, 2 wrong usage.\n"
	"\n"
	"Examples:\n"
	"  signet check signet.toml\n"
	"  signet check 'config/**/*.toml'\n";

struct request {
	const char *globs[MAX_GLOBS + 1];
	size_t nglobs;
	bool default_config, json, help;
};

static int usage(const char *why, const char *what)
{
	fprintf(stderr, "signet check: %s%s%s%s\nTry: signet check --help\n", why, what ? " `" : "",
		what ? what : "", what ? "`" : "");
	return 2;
}

/* -1: understood; else the exit status. */
static int read_arguments(int argc, char **argv, struct request *r)
{
	bool options = true;

	for (int i = 0; i < argc; i++) {
		const char *a = argv[i];

		if (options && strcmp(a, "--") == 0) {
			options = false;
		} else if (options && strcmp(a, "--help") == 0) {
			r->help = true;
		} else if (options && strcmp(a, "--json") == 0) {
			r->json = true;
		} else if (options && strcmp(a, "--default-config") == 0) {
			r->default_config = true;
		} else if (options && strncmp(a, "--config-file", 13) == 0 &&
			   (a[13] == '\0' || a[13] == '=')) {
			if (a[13] == '\0' && ++i >= argc)
				return usage("--config-file needs a file or glob", NULL);
			r->globs[r->nglobs++] = a[13] ? a + 14 : argv[i];
		} else if (options && a[0] == '-' && a[1]) {
			return usage("unknown option", a);
		} else {
			r->globs[r->nglobs++] = a;
		}
		if (r->nglobs >= MAX_GLOBS)
			return usage("too many files", NULL);
	}
	if (r->help)
		return -1;
	if (r->nglobs && r->default_config)
		return usage("give files or --default-config, not both", NULL);
	if (!r->nglobs && !r->default_config)
		return usage("name the files to check", NULL);
	return -1;
}

static int put_json(const struct config_issues *issues, struct buf *out)
{
	struct pen p = { .b = out };

	pen_lit(&p, "[");
	for (size_t i = 0; i < issues->len; i++) {
		const struct config_issue *issue = &issues->at[i];

		pen_bytes(&p, i ? B(",\n ") : B(""));
		pen_open(&p, '{');
		pen_text(&p, "file", issue->file);
		pen_number(&p, "line", issue->line);
		pen_text(&p, "key", issue->key);
		pen_text(&p, "text", issue->text);
		pen_bytes(&p, issue->warning ? B(",\"warning\":true}") : B("}"));
	}
	pen_lit(&p, "]\n");
	return pen_done(&p);
}

static int put_lines(const struct config_issues *issues, struct buf *out)
{
	for (size_t i = 0; i < issues->len; i++)
		if (config_issue_print(&issues->at[i], out) || buf_putc(out, '\n'))
			return -1;
	return 0;
}

static int report(const struct request *r, const struct config_issues *issues, bool valid)
{
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
	if (fflush(stdout))
		bad = -1;
	return bad || !valid ? 1 : 0;
}

int config_check_main(int argc, char **argv)
{
	static struct request r;
	struct config_options options = { .offline = true };
	struct config_issues issues;
	struct config *config;
	int status;

	r = (struct request){ 0 };
	status = read_arguments(argc, argv, &r);
	if (status >= 0)
		return status;
	if (r.help)
		return fputs(help, stdout) < 0 || fflush(stdout);
	if (signing_init()) {
		fprintf(stderr, "signet check: %.*s\n", BFMT(error_last()->message));
		return 1;
	}
	options.default_config = r.default_config;
	options.globs = r.nglobs ? r.globs : NULL;
	config = config_load(&options, &issues);
	status = report(&r, &issues, config != NULL);
	config_unref(config);
	config_issues_deinit(&issues);
	signing_deinit();
	return status;
}
