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

#define MAX_FILE       (16 << 20)
#define PATH_MAX_BYTES (1 << 20) /* of a key, with all that it stands in */

static int compare_paths(const void *a, const void *b)
{
	return bytes_cmp(*(const struct bytes *)a, *(const struct bytes *)b);
}

/* Sorted, each once: two globs may name the same file. */
static void sort_paths(struct glob_list *list)
{
	size_t n = 0;

	if (list->len)
		qsort(list->at, list->len, sizeof(*list->at), compare_paths);
	for (size_t i = 0; i < list->len; i++)
		if (n == 0 || !bytes_eq(list->at[n - 1], list->at[i]))
			list->at[n++] = list->at[i];
	list->len = n;
}

/* ---- one file, two paths ---- */

struct found {
	struct bytes path;
	dev_t device;
	ino_t inode;
};

/* The same file stands together, the shortest path to it first: of a ConfigMap that is the mount's own name for it, not
 * `..data/NAME` or `..2024_05_01_…/NAME`. */
static int compare_files(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	if (x->path.n != y->path.n)
		return x->path.n < y->path.n ? -1 : 1;
	return bytes_cmp(x->path, y->path);
}

/* Leaves one path to each file. What cannot be looked at stays: reading it says why. */
static bool drop_same(struct glob_list *list, struct arena *arena)
{
	struct found *all = arena_array(arena, struct found, list->len + 1);
	size_t n = 0, known = 0;
	struct stat st;

	if (!all)
		return false;
	for (size_t i = 0; i < list->len; i++)
		if (stat(list->at[i].p, &st))
			list->at[n++] = list->at[i];
		else
			all[known++] = (struct found){ list->at[i], st.st_dev, st.st_ino };
	qsort(all, known, sizeof(*all), compare_files);
	for (size_t i = 0; i < known; i++)
		if (i == 0 || all[i].device != all[i - 1].device ||
		    all[i].inode != all[i - 1].inode)
			list->at[n++] = all[i].path;
	list->len = n;
	return true;
}

static void find_glob(const char *glob, struct glob_list *list, struct config_issues *issues,
		      struct arena *arena)
{
	if (strchr(glob, '*') && !strstr(glob, "**"))
		issue_anywhere(
			issues, true,
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

bool file_read(int fd, size_t max, struct bytes *out, struct arena *arena)
{
	char *text = arena_alloc_raw(arena, max + 1);
	size_t n = 0;
	ssize_t got = 1;

	if (!text)
		errno = ENOMEM;
	while (text && n <= max && got > 0) {
		got = fault("config.read") ? (errno = EIO, -1) : read(fd, text + n, max + 1 - n);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got > 0)
			n += (size_t)got;
	}
	*out = (struct bytes){ text, n };
	return text && got >= 0;
}

static bool read_file(struct toml_file *file, struct bytes *out, struct config_issues *issues,
		      struct arena *arena)
{
	int fd = open(file->path.p, O_RDONLY | O_CLOEXEC);
	const char *why = NULL;
	struct stat st;

	if (fd < 0)
		return unreadable(file, strerror(errno), issues);
	if (fstat(fd, &st) || st.st_size > MAX_FILE)
		why = "it is larger than 16 MiB";
	else if (!file_read(fd, (size_t)st.st_size, out, arena))
		why = strerror(errno);
	close(fd);
	if (why)
		return unreadable(file, why, issues);
	*out = bytes_slice(*out, 0, (size_t)st.st_size); /* it may grow meanwhile */
	file->others_read = st.st_mode & S_IROTH;
	file->others_write = st.st_mode & S_IWOTH;
	return bytes_is_utf8(*out) ||
	       unreadable(file, "stream did not contain valid UTF-8", issues);
}

static struct bytes directory_of(struct bytes path)
{
	size_t n = path.n;

	while (n > 0 && path.p[n - 1] != '/')
		n--;
	return n == 0 ? B(".") : bytes_slice(path, 0, n > 1 ? n - 1 : n);
}

/* `text` unset: what the file holds. NULL: it is no TOML. */
static struct toml *read_tree(struct bytes path, struct bytes text, struct config_issues *issues,
			      struct arena *arena)
{
	struct toml_file *file = arena_new(arena, struct toml_file);
	struct toml *tree;

	if (!file) {
		unreadable(&(struct toml_file){ .path = path }, "out of memory", issues);
		return NULL;
	}
	file->path = path;
	file->dir = arena_dup(arena, directory_of(path));
	if (!bytes_set(text) && !read_file(file, &text, issues, arena))
		return NULL;
	tree = toml_read(file, text, issues, arena);
	if (!tree)
		unreadable(file, "out of memory", issues);
	return tree;
}

static bool add_file(struct toml *root, struct bytes path, struct bytes text,
		     struct config_issues *issues, struct arena *arena)
{
	size_t errors = issues_errors(issues);
	struct toml *tree = read_tree(path, text, issues, arena);

	issues->files++;
	if (tree && !toml_merge(root, tree, issues))
		return unreadable(&(struct toml_file){ .path = path }, "out of memory", issues);
	return tree && issues_errors(issues) == errors;
}

struct toml *file_tree(struct bytes path, struct config_issues *issues, struct arena *arena)
{
	size_t errors = issues_errors(issues);
	struct toml *tree = read_tree(path, (struct bytes){ NULL, 0 }, issues, arena);

	return issues_errors(issues) == errors ? tree : NULL;
}

bool files_read(const struct config_options *options, struct toml *root, struct bytes *base_dir,
		struct config_issues *issues, struct arena *arena)
{
	struct glob_list list = { 0 };
	bool whole;

	*base_dir = B(".");
	root->type = TOML_TABLE;
	if (bytes_set(options->text))
		return add_file(root, B("signet.toml"), options->text, issues, arena);
	if (options->glob)
		find_glob(options->glob, &list, issues, arena);
	for (size_t i = 0; options->globs && options->globs[i]; i++)
		find_glob(options->globs[i], &list, issues, arena);
	whole = issues_errors(issues) == 0;
	if (!drop_same(&list, arena))
		return unreadable(&(struct toml_file){ .path = B("") }, "out of memory", issues);
	sort_paths(&list);
	for (size_t i = 0; i < list.len; i++)
		whole &= add_file(root, list.at[i], (struct bytes){ NULL, 0 }, issues, arena);
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
		if (bytes_set(c->key) && ((len && buf_putc(path, '.')) || buf_append(path, c->key)))
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

	buf_init(&path, PATH_MAX_BYTES);
	walk_secrets(root, &path, issues);
	buf_deinit(&path);
}
