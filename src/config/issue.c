/*
 * The list of findings. Everything found in one run is kept, in any order, and sorted at the end into
 * the order in which a reader walks through the files. The trap: this list is also the way in which
 * "out of memory" is told, so it must hold that one issue without allocating.
 */
#include "config/issue.h"

#include <stdarg.h>

#include "base/pen.h"
#include "config/shown.h"

#define MAX_BYTES  (64 << 20)
#define MAX_TEXT   (32 << 20) /* a file may hold a key of 16 MiB */
#define MAX_ISSUES 1000

static struct config_issue no_memory;

void issues_init(struct config_issues *issues)
{
	*issues = (struct config_issues){ 0 };
	arena_init(&issues->arena, MAX_BYTES);
}

void config_issues_deinit(struct config_issues *issues)
{
	arena_deinit(&issues->arena);
	*issues = (struct config_issues){ 0 };
}

static void out_of_memory(struct config_issues *issues)
{
	no_memory =
		(struct config_issue){ .file = B(""), .key = B(""), .text = B("out of memory") };
	issues->at = &no_memory;
	issues->len = 1;
}

/* A copy without what nobody may read. Unset: out of memory. */
static struct bytes shown(struct bytes text, struct arena *a)
{
	struct bytes copy = { NULL, 0 };
	struct buf out;

	buf_init(&out, MAX_TEXT);
	if (show_text(bytes_set(text) ? text : B(""), &out) == 0)
		copy = arena_dup(a, buf_bytes(&out));
	buf_deinit(&out);
	return copy;
}

void issue_add(struct config_issues *issues, bool warning, struct bytes file, size_t line,
	       struct bytes key, const char *fmt, ...)
{
	struct config_issue issue = { .line = line, .warning = warning };
	struct buf text;
	va_list ap;
	int bad;

	if (issues->at == &no_memory || issues->len >= MAX_ISSUES)
		return;
	buf_init(&text, MAX_TEXT);
	va_start(ap, fmt);
	bad = buf_vprintf(&text, fmt, ap);
	va_end(ap);
	issue.text = shown(buf_bytes(&text), &issues->arena);
	buf_deinit(&text);
	issue.file = arena_dup(&issues->arena, bytes_set(file) ? file : B(""));
	issue.key = shown(key, &issues->arena);
	if (bad || !bytes_set(issue.text) || !bytes_set(issue.file) || !bytes_set(issue.key) ||
	    !arena_push(&issues->arena, issues->at, issues->len, issues->cap, issue))
		out_of_memory(issues);
}

int config_issue_print(const struct config_issue *i, struct buf *out)
{
	struct pen p = { .b = out };

	pen_bytes(&p, i->file);
	if (i->file.n && i->line) {
		pen_lit(&p, ":");
		pen_u64(&p, i->line);
	}
	pen_bytes(&p, i->file.n ? B(": ") : B(""));
	pen_bytes(&p, i->warning ? B("warning: ") : B(""));
	pen_bytes(&p, i->text);
	return pen_done(&p);
}

size_t issues_errors(const struct config_issues *issues)
{
	size_t n = 0;

	for (size_t i = 0; i < issues->len; i++)
		n += !issues->at[i].warning;
	return n;
}

static bool after(const struct config_issue *a, const struct config_issue *b)
{
	int order;

	if ((a->file.n == 0) != (b->file.n == 0))
		return a->file.n == 0;
	order = bytes_cmp(a->file, b->file);
	return order ? order > 0 : a->line > b->line;
}

/* Insertion keeps equal ones in the order in which they were found; the list is short. */
void issues_sort(struct config_issues *issues)
{
	for (size_t i = 1; i < issues->len; i++) {
		struct config_issue issue = issues->at[i];
		size_t j = i;

		for (; j > 0 && after(&issues->at[j - 1], &issue); j--)
			issues->at[j] = issues->at[j - 1];
		issues->at[j] = issue;
	}
}
