/*
 * Globs, the way TensorZero reads them: by the crate globset.
 *
 * glob(3) is not used: it has no "**", follows symlinked directories and lets '*' skip dot files.
 * A walk lists the tree below the literal part of the pattern and matches whole paths. The trap: "**" costs a walk
 * of everything below, so depth and count are bounded.
 */
#include "config/glob.h"

#include <dirent.h>
#include <engines.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "config/issue.h"

#define MAX_FILES 10000
#define MAX_DEPTH 64
#define MAX_PATH  4096

struct walk {
	const struct engine_glob *glob;
	bool deep; /* the pattern holds "**" or braces, so depth is not bounded by its slashes */
	size_t slashes;
	struct glob_list *list;
	struct config_issues *issues;
	struct arena *arena;
	struct bytes denied; /* the first path that was not to be entered, and why */
	const char *denied_why;
	char path[MAX_PATH];
};

static void note_denied(struct walk *w)
{
	if (bytes_set(w->denied) || errno == ENOENT || errno == ENOTDIR)
		return;
	w->denied_why = strerror(errno);
	w->denied = arena_dup(w->arena, bytes_of(*w->path ? w->path : "."));
}

static bool add_file(struct walk *w, size_t n)
{
	struct bytes path = arena_dup(w->arena, (struct bytes){ w->path, n });

	if (!bytes_set(path) || w->list->len >= MAX_FILES)
		return false;
	return arena_push(w->arena, w->list->at, w->list->len, w->list->cap, path);
}

static size_t count_slashes(struct bytes s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '/';
	return n;
}

static bool walk_dir(struct walk *w, size_t n, int depth);

/* One entry whose path, n bytes, is in w->path. */
static bool walk_entry(struct walk *w, size_t n, int depth)
{
	struct bytes path = { w->path, n };
	struct stat st;

	if (fault("config.lstat") ? (errno = EACCES, true) : lstat(w->path, &st) != 0) {
		note_denied(w); /* or it has just gone */
		return true;
	}
	if (S_ISDIR(st.st_mode)) {
		if (depth >= MAX_DEPTH || (!w->deep && count_slashes(path) >= w->slashes))
			return true;
		return walk_dir(w, n, depth + 1);
	}
	if (S_ISLNK(st.st_mode) && stat(w->path, &st))
		return true;
	return S_ISREG(st.st_mode) && engine_glob_match(w->glob, path.p, path.n) ? add_file(w, n)
										 : true;
}

static bool walk_dir(struct walk *w, size_t n, int depth)
{
	DIR *dir = fault("config.opendir") ? (errno = EACCES, NULL) : opendir(n ? w->path : ".");
	struct dirent *entry;
	bool ok = true;

	if (!dir) {
		note_denied(w);
		if (depth > 0 || errno == EACCES)
			issue_anywhere(w->issues, true, "Skipping `%s` of the config file glob: %s",
				       w->path, strerror(errno));
		return true;
	}
	while (ok && (entry = readdir(dir))) {
		bool slash = n > 0 && w->path[n - 1] != '/';
		size_t name = strlen(entry->d_name);

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    n + slash + name >= sizeof(w->path))
			continue;
		if (slash)
			w->path[n] = '/';
		memcpy(w->path + n + slash, entry->d_name, name + 1);
		ok = walk_entry(w, n + slash + name, depth);
		w->path[n] = '\0';
	}
	closedir(dir);
	return ok;
}

/* Lists below the literal part of the pattern. */
static bool walk_pattern(struct walk *w, struct bytes pattern)
{
	size_t meta = 0, base = 0;
	struct stat st;

	while (meta < pattern.n && !strchr("*?[]{}", pattern.p[meta]))
		if (pattern.p[meta++] == '/')
			base = meta;
	memcpy(w->path, pattern.p, pattern.n);
	w->path[meta == pattern.n ? meta : base] = '\0';
	if (meta < pattern.n)
		return walk_dir(w, base, 0);
	if (fault("config.stat") ? (errno = EACCES, true) : stat(w->path, &st) != 0) {
		note_denied(w);
		return true;
	}
	return S_ISREG(st.st_mode) ? add_file(w, pattern.n) : true;
}

static void glob_error(struct walk *w, struct bytes pattern, struct bytes why)
{
	issue_anywhere(w->issues, false, "Error using glob: `%.*s`: %.*s", BFMT(pattern),
		       BFMT(why));
}

void glob_walk(struct bytes pattern, struct glob_list *list, struct config_issues *issues,
	       struct arena *arena)
{
	struct walk w = { .list = list, .issues = issues, .arena = arena };
	size_t before = list->len;
	struct engine_text error = { 0 };
	struct engine_glob *glob = engine_glob_compile(pattern.p, pattern.n, &error);

	w.glob = glob;
	w.deep = bytes_find(pattern, B("**")) >= 0 || bytes_chr(pattern, '{') >= 0;
	w.slashes = count_slashes(pattern);
	if (!glob)
		glob_error(&w, pattern, (struct bytes){ error.p, error.n });
	else if (pattern.n < sizeof(w.path) && !memchr(pattern.p, '\0', pattern.n) &&
		 !walk_pattern(&w, pattern))
		glob_error(&w, pattern, B("more than 10000 files match, or out of memory"));
	else if (list->len == before && bytes_set(w.denied))
		glob_error(&w, pattern,
			   arena_printf(arena, "%s at `%.*s`, so that no file could be found",
					w.denied_why, BFMT(w.denied)));
	else if (list->len == before)
		glob_error(
			&w, pattern,
			B("No files matched the glob pattern. Ensure that the path exists, and contains at least one file."));
	engine_text_free(&error);
	engine_glob_free(glob);
}
