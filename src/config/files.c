/*
 * The files of a configuration: found by glob, read whole, merged in the order of their paths.
 *
 * A file is opened once and everything about it (mode, contents) comes from that descriptor. The trap:
 * syntax errors in one file must not hide those in the next, so all files are read before anybody gives
 * up, and only a tree without such gaps is worth typing.
 */
#include "config/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "config/glob.h"
#include "config/issue.h"

#define MAX_FILE (16 << 20)

static int compare_paths(const void *a, const void *b)
{
	return bytes_cmp(*(const struct bytes *)a, *(const struct bytes *)b);
}

/* Sorted, each once: two globs may name the same file. */
static void sort_paths(struct glob_list *list)
{
	size_t n = 0;

	if (list->len == 0)
		return;
	qsort(list->at, list->len, sizeof(*list->at), compare_paths);
	for (size_t i = 1; i < list->len; i++) {
		if (!bytes_eq(list->at[n], list->at[i]))
			list->at[++n] = list->at[i];
	}
	list->len = n + 1;
}

static void find_glob(const char *glob, struct glob_list *list, struct config_issues *issues,
		      struct arena *arena)
{
	if (strchr(glob, '*') && !strstr(glob, "**"))
		issue_add(
			issues, true, B(""), 0, B(""),
			"Important: `--config-file %s` contains `*`. `*` no longer matches directory separators (e.g. `*.toml` will not match `subdir/foo.toml`). Use `**` for recursive matching (e.g. `**/*.toml` will match `subdir/foo.toml`).",
			glob);
	glob_walk(bytes_of(glob), list, issues, arena);
}

static bool unreadable(const struct toml_file *file, const char *why, struct config_issues *issues)
{
	issue_add(issues, false, file->path, 0, B(""), "Failed to read config file `%.*s`: %s",
		  BFMT(file->path), why);
	return false;
}

/* The contents of an open file, in the arena. */
static bool read_all(int fd, size_t size, struct bytes *out, struct arena *arena)
{
	char *text = arena_alloc_raw(arena, size + 1);
	size_t n = 0;
	ssize_t got = 1;

	if (!text)
		return errno = ENOMEM, false;
	while (n < size + 1 && got > 0) {
		got = fault("config.read") ? (errno = EIO, -1) : read(fd, text + n, size + 1 - n);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got > 0)
			n += (size_t)got;
	}
	*out = (struct bytes){ text, n > size ? size : n };
	return got >= 0;
}

static bool read_file(struct toml_file *file, struct bytes *out, struct config_issues *issues,
		      struct arena *arena)
{
	int fd = open(file->path.p, O_RDONLY | O_CLOEXEC);
	struct stat st;
	bool ok;

	if (fd < 0)
		return unreadable(file, strerror(errno), issues);
	if (fstat(fd, &st) != 0 || st.st_size > MAX_FILE) {
		close(fd);
		return unreadable(file, "it is larger than 16 MiB", issues);
	}
	file->others_read = st.st_mode & S_IROTH;
	file->others_write = st.st_mode & S_IWOTH;
	ok = read_all(fd, (size_t)st.st_size, out, arena);
	if (!ok)
		unreadable(file, strerror(errno), issues);
	close(fd);
	if (ok && !bytes_is_utf8(*out))
		return unreadable(file, "stream did not contain valid UTF-8", issues);
	return ok;
}

static struct bytes directory_of(struct bytes path)
{
	size_t n = path.n;

	while (n > 0 && path.p[n - 1] != '/')
		n--;
	return n == 0 ? B(".") : bytes_slice(path, 0, n > 1 ? n - 1 : n);
}

static bool add_document(struct toml *root, struct toml_file *file, struct bytes text,
			 struct config_issues *issues, struct arena *arena)
{
	size_t errors = issues_errors(issues);
	struct toml *tree = toml_read(file, text, issues, arena);
	bool whole = issues_errors(issues) == errors;

	if (!tree || !toml_merge(root, tree, issues)) {
		issue_add(issues, false, file->path, 0, B(""), "out of memory");
		return false;
	}
	return whole;
}

static bool add_file(struct toml *root, struct bytes path, struct config_issues *issues,
		     struct arena *arena)
{
	struct toml_file *file = arena_new(arena, struct toml_file);
	struct bytes text;

	if (!file)
		return issue_add(issues, false, path, 0, B(""), "out of memory"), false;
	file->path = path;
	file->dir = arena_dup(arena, directory_of(path));
	issues->files++;
	return read_file(file, &text, issues, arena) &&
	       add_document(root, file, text, issues, arena);
}

static bool add_text(const struct config_options *options, struct toml *root,
		     struct config_issues *issues, struct arena *arena)
{
	struct toml_file *file = arena_new(arena, struct toml_file);

	if (!file)
		return false;
	file->path = B("signet.toml");
	file->dir = B(".");
	issues->files = 1;
	return add_document(root, file, options->text, issues, arena);
}

bool files_read(const struct config_options *options, struct toml *root, struct bytes *base_dir,
		struct config_issues *issues, struct arena *arena)
{
	struct glob_list list = { 0 };
	bool whole;

	*base_dir = B(".");
	root->type = TOML_TABLE;
	if (bytes_set(options->text))
		return add_text(options, root, issues, arena);
	if (options->glob)
		find_glob(options->glob, &list, issues, arena);
	for (size_t i = 0; options->globs && options->globs[i]; i++)
		find_glob(options->globs[i], &list, issues, arena);
	whole = issues_errors(issues) == 0;
	sort_paths(&list);
	for (size_t i = 0; i < list.len; i++)
		whole &= add_file(root, list.at[i], issues, arena);
	if (list.len)
		*base_dir = arena_dup(arena, directory_of(list.at[0]));
	return whole && bytes_set(*base_dir);
}

static void check_secret(const struct toml *t, struct bytes path, struct config_issues *issues)
{
	const struct toml_file *file = t->file;

	if (!file || (!file->others_write && !file->others_read))
		return;
	issue_add(
		issues, !file->others_write, file->path, t->line, path,
		"%.*s: is a secret in a file that other users of this machine can %s (chmod o-rwx %.*s, or use a location such as `env::VAR_NAME`)",
		BFMT(path), file->others_write ? "write" : "read", BFMT(file->path));
}

static void walk_secrets(const struct toml *t, struct buf *path, struct config_issues *issues)
{
	size_t len = path->len;

	for (const struct toml *c = t->child; c; c = c->next) {
		path->len = len;
		if (bytes_set(c->key) &&
		    ((len && buf_putc(path, '.') != 0) || buf_append(path, c->key) != 0))
			return;
		if (c->secret)
			check_secret(c, buf_bytes(path), issues);
		else
			walk_secrets(c, path, issues);
	}
	path->len = len;
}

void files_check_secrets(const struct toml *root, struct config_issues *issues)
{
	struct buf path;

	buf_init(&path, 1 << 20);
	walk_secrets(root, &path, issues);
	buf_deinit(&path);
}
