/*
 * Globs, the way TensorZero reads them.
 *
 * glob(3) is not used: it has no "**", follows symlinked directories and lets '*' skip dot files.
 * A walk lists the tree below the literal part of the pattern and matches whole paths, in one
 * backtracking matcher. The trap: "**" costs a walk of everything below, so depth and count are
 * bounded, and a "**" that matches nothing must swallow one slash ("a/" "**" "/b" matches "a/b").
 */
#include "config/glob.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "config/issue.h"

#define MAX_FILES 10000
#define MAX_DEPTH 64
#define MAX_PATH  4096
#define MAX_STEPS 200000 /* of the matcher: a hostile pattern ends, as "no match" */

/* ---- matching ---- */

struct matcher {
	size_t steps;
};

/* The length of the class that begins at p[0] == '[', and whether c is in it. 0: it is not closed. */
static size_t match_class(struct bytes p, char c, bool *in)
{
	size_t i = 1;
	bool negate = i < p.n && (p.p[i] == '!' || p.p[i] == '^'), found = false;

	i += negate;
	for (size_t first = i; i < p.n && (p.p[i] != ']' || i == first); i++) {
		char low = p.p[i], high = low;

		if (i + 2 < p.n && p.p[i + 1] == '-' && p.p[i + 2] != ']') {
			high = p.p[i + 2];
			i += 2;
		}
		found |= (unsigned char)c >= (unsigned char)low &&
			 (unsigned char)c <= (unsigned char)high;
	}
	*in = found != negate && c != '/';
	return i < p.n ? i + 1 : 0;
}

/* The index of the '}' that closes p[0] == '{', or 0. */
static size_t closing_brace(struct bytes p)
{
	int depth = 0;

	for (size_t i = 0; i < p.n; i++) {
		if (p.p[i] == '\\')
			i++;
		else if (p.p[i] == '{')
			depth++;
		else if (p.p[i] == '}' && --depth == 0)
			return i;
	}
	return 0;
}

static bool match(struct matcher *m, struct bytes p, struct bytes s, bool start);

/* Tries each alternative of the braces at p[0], followed by what stands behind them. */
static bool match_braces(struct matcher *m, struct bytes p, size_t close, struct bytes s,
			 bool start)
{
	struct bytes rest = bytes_slice(p, close + 1, p.n);
	char joined[MAX_PATH];
	size_t from = 1;
	int depth = 0;

	for (size_t i = 1; i <= close; i++) {
		char c = p.p[i];

		if (c == '\\') {
			i++;
			continue;
		}
		depth += c == '{';
		if ((c == ',' && depth == 0) || i == close) {
			size_t n = i - from;

			if (n + rest.n > sizeof(joined))
				return false;
			memcpy(joined, p.p + from, n);
			memcpy(joined + n, rest.p, rest.n);
			if (match(m, (struct bytes){ joined, n + rest.n }, s, start))
				return true;
			from = i + 1;
		}
		depth -= c == '}';
	}
	return false;
}

/* "**" at p[0]: nothing, or any number of whole components. */
static bool match_deep(struct matcher *m, struct bytes p, struct bytes s)
{
	struct bytes rest = bytes_slice(p, 2, p.n);

	if (rest.n == 0)
		return true;
	rest = bytes_slice(rest, 1, rest.n); /* the slash */
	for (;;) {
		ptrdiff_t slash;

		if (match(m, rest, s, true))
			return true;
		slash = bytes_chr(s, '/');
		if (slash < 0)
			return false;
		s = bytes_slice(s, (size_t)slash + 1, s.n);
	}
}

/* `start`: p stands at the beginning of a component. */
static bool match(struct matcher *m, struct bytes p, struct bytes s, bool start)
{
	while (p.n) {
		size_t take = 1;
		bool in = true;

		if (++m->steps > MAX_STEPS)
			return false;
		if (start && bytes_starts(p, B("**")) && (p.n == 2 || p.p[2] == '/'))
			return match_deep(m, p, s);
		if (p.p[0] == '*') {
			while (p.n && p.p[0] == '*')
				p = bytes_slice(p, 1, p.n);
			for (size_t i = 0;; i++) {
				if (match(m, p, bytes_slice(s, i, s.n), false))
					return true;
				if (i >= s.n || s.p[i] == '/')
					return false;
			}
		}
		if (p.p[0] == '{') {
			size_t close = closing_brace(p);

			if (close)
				return match_braces(m, p, close, s, start);
		}
		if (s.n == 0)
			return false;
		if (p.p[0] == '[')
			take = match_class(p, s.p[0], &in);
		else if (p.p[0] == '?')
			in = s.p[0] != '/';
		else if (p.p[0] == '\\' && p.n > 1)
			in = p.p[1] == s.p[0], take = 2;
		else
			in = p.p[0] == s.p[0];
		if (take == 0) /* an unclosed bracket is a character like another */
			in = s.p[0] == '[', take = 1;
		if (!in)
			return false;
		start = s.p[0] == '/';
		p = bytes_slice(p, take, p.n);
		s = bytes_slice(s, 1, s.n);
	}
	return s.n == 0;
}

bool glob_match(struct bytes pattern, struct bytes path)
{
	struct matcher m = { 0 };

	return match(&m, pattern, path, true);
}

/* ---- walking ---- */

struct walk {
	struct bytes pattern;
	bool deep; /* the pattern holds "**" or braces, so depth is not bounded by its slashes */
	size_t slashes;
	struct glob_list *list;
	struct config_issues *issues;
	struct arena *arena;
	char path[MAX_PATH];
};

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

	if (lstat(w->path, &st) != 0)
		return true; /* it has just gone */
	if (S_ISDIR(st.st_mode)) {
		if (depth >= MAX_DEPTH || (!w->deep && count_slashes(path) >= w->slashes))
			return true;
		return walk_dir(w, n, depth + 1);
	}
	if (S_ISLNK(st.st_mode) && stat(w->path, &st) != 0)
		return true;
	return S_ISREG(st.st_mode) && glob_match(w->pattern, path) ? add_file(w, n) : true;
}

static bool walk_dir(struct walk *w, size_t n, int depth)
{
	DIR *dir = opendir(n ? w->path : ".");
	struct dirent *entry;
	bool ok = true;

	if (!dir) {
		if (depth > 0 || errno == EACCES)
			issue_add(w->issues, true, B(""), 0, B(""),
				  "Skipping `%s` of the config file glob: %s", w->path,
				  strerror(errno));
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

bool glob_walk(struct bytes pattern, struct glob_list *list, struct config_issues *issues,
	       struct arena *arena)
{
	size_t meta = 0, base = 0;
	struct stat st;
	struct walk w = { .pattern = pattern, .list = list, .issues = issues, .arena = arena };

	if (pattern.n == 0 || pattern.n >= sizeof(w.path) || memchr(pattern.p, '\0', pattern.n))
		return true;
	while (meta < pattern.n && !strchr("*?[]{}", pattern.p[meta])) {
		if (pattern.p[meta++] == '/')
			base = meta;
	}
	memcpy(w.path, pattern.p, pattern.n);
	if (meta == pattern.n) {
		w.path[pattern.n] = '\0';
		return stat(w.path, &st) == 0 && S_ISREG(st.st_mode) ? add_file(&w, pattern.n)
								     : true;
	}
	w.path[base] = '\0';
	w.deep = bytes_find(pattern, B("**")) >= 0 || bytes_chr(pattern, '{') >= 0;
	w.slashes = count_slashes(pattern);
	return walk_dir(&w, base, 0);
}
