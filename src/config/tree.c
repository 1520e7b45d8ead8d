/*
 * TOML documents as trees.
 *
 * The engine hands out a flat list of nodes with byte spans; here they become linked nodes in an arena
 * that know file and line, which is what errors need. Several files become one tree by moving nodes:
 * tables merge, anything else found twice is an error even if equal (config §1.3), so that a file never
 * overrides another one unseen. The trap: a merged table keeps the place where it was seen first; a
 * value's own node always has its own file, which relative paths depend on.
 */
#include "config/tree.h"

#include <engines.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/words.h"
#include "base/pen.h"
#include "config/issue.h"

#define MAX_SHOWN      200
#define PATH_MAX_BYTES (1 << 20) /* of a key, with all that it stands in */
#define MAX_DEPTH      130 /* the engine refuses deeper documents; a guard for the recursions below */

static const char *const type_names[] = { "table", "array",   "string",  "integer",
					  "float", "boolean", "datetime" };

const char *toml_type_name(enum toml_type type)
{
	return type_names[type];
}

/* ---- reading ---- */

struct reading {
	const struct toml_file *file;
	struct bytes text;
	struct arena *arena;
	size_t *lines, nlines; /* offset of each line's first byte */
};

static bool find_lines(struct reading *r)
{
	size_t cap = 0;

	if (!arena_push(r->arena, r->lines, r->nlines, cap, 0))
		return false;
	for (size_t i = 0; i < r->text.n; i++)
		if (r->text.p[i] == '\n' && !arena_push(r->arena, r->lines, r->nlines, cap, i + 1))
			return false;
	return true;
}

static size_t line_of(const struct reading *r, size_t offset)
{
	size_t low = 0, high = r->nlines;

	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (r->lines[mid] <= offset)
			low = mid;
		else
			high = mid;
	}
	return low + 1;
}

static struct toml *take_node(struct reading *r, const struct engine_toml_node *nodes, uint32_t i)
{
	const struct engine_toml_node *e = &nodes[i];
	struct toml *t = arena_new(r->arena, struct toml);

	if (!t)
		return NULL;
	t->type = (enum toml_type)e->type;
	t->file = i ? r->file : NULL;
	t->line = i ? line_of(r, e->key ? e->key_from : e->from) : 0;
	if (t->type == TOML_INTEGER) {
		struct bytes digits = bytes_slice(r->text, e->from, r->text.n);

		t->radix = bytes_starts(digits, B("0x")) || bytes_starts(digits, B("0o")) ||
			   bytes_starts(digits, B("0b"));
	}
	if (e->key && !bytes_set(t->key = arena_dup(r->arena, (struct bytes){ e->key, e->key_n })))
		return NULL;
	if (e->text &&
	    !bytes_set(t->text = arena_dup(r->arena, (struct bytes){ e->text, e->text_n })))
		return NULL;
	return t;
}

static struct toml *take_tree(struct reading *r, const struct engine_toml_node *nodes, uint32_t i,
			      int depth)
{
	struct toml *t = take_node(r, nodes, i), **tail;

	if (!t || depth > MAX_DEPTH)
		return t;
	tail = &t->child;
	for (uint32_t c = nodes[i].child; c; c = nodes[c].next) {
		*tail = take_tree(r, nodes, c, depth + 1);
		if (!*tail)
			return NULL;
		tail = &(*tail)->next;
	}
	return t;
}

static void report_syntax(struct reading *r, const struct engine_toml *doc,
			  struct config_issues *issues)
{
	size_t n;
	const struct engine_toml_error *e = engine_toml_errors(doc, &n);

	for (size_t i = 0; i < n; i++) {
		size_t from = e[i].line <= r->nlines ? r->lines[e[i].line - 1] : r->text.n;
		struct bytes rest = bytes_slice(r->text, from, r->text.n),
			     line = bytes_trim(bytes_cut(&rest, '\n'));

		if (line.n > 60 || !bytes_is_utf8(line))
			line.n = 0;
		issue_add(
			issues, false, r->file->path, e[i].line, B(""),
			"Failed to parse config file as valid TOML: TOML parse error at line %zu, column %zu: %.*s%s%.*s%s",
			e[i].line, e[i].column, (int)e[i].message_n, e[i].message,
			line.n ? " (`" : "", BFMT(line), line.n ? "`)" : "");
	}
}

struct toml *toml_read(const struct toml_file *file, struct bytes text,
		       struct config_issues *issues, struct arena *arena)
{
	struct reading r = { .file = file, .text = text, .arena = arena };
	struct engine_text error = { 0 };
	struct engine_toml *doc;
	struct toml *root = NULL;
	size_t n;

	if (!find_lines(&r))
		return NULL;
	doc = engine_toml_parse(text.p, text.n, &error);
	if (!doc) {
		issue_add(issues, false, file->path, 0, B(""),
			  "Failed to parse config file as valid TOML: %.*s", (int)error.n,
			  error.p ? error.p : "");
		engine_text_free(&error);
		return arena_new(arena, struct toml);
	}
	report_syntax(&r, doc, issues);
	root = take_tree(&r, engine_toml_nodes(doc, &n), 0, 0);
	engine_toml_free(doc);
	return root;
}

/* ---- merging ---- */

static struct toml *get(const struct toml *table, struct bytes key)
{
	for (struct toml *t = table ? table->child : NULL; t; t = t->next)
		if (bytes_eq(t->key, key))
			return t;
	return NULL;
}

struct toml *toml_get(const struct toml *table, const char *key)
{
	return get(table, bytes_of(key));
}

/* `path` holds the dotted path of `into` and is put back before the return. */
static bool merge(struct toml *into, struct toml *from, struct buf *path,
		  struct config_issues *issues)
{
	struct toml *next, **tail = &into->child;
	size_t len = path->len;

	while (*tail)
		tail = &(*tail)->next;
	for (struct toml *t = from->child; t; t = next) {
		struct toml *old = get(into, t->key);

		next = t->next;
		if (!old) {
			t->next = NULL;
			*tail = t;
			tail = &t->next;
			continue;
		}
		path->len = len;
		if ((len && buf_putc(path, '.')) || buf_append(path, t->key))
			return false;
		if (old->type == TOML_TABLE && t->type == TOML_TABLE) {
			if (!merge(old, t, path, issues))
				return false;
		} else if (old->type == TOML_TABLE) {
			issue_add(
				issues, false, t->file->path, t->line, buf_bytes(path),
				"`%.*s`: Cannot merge `%s` from file `%.*s` into a table from file `%.*s` (keep one of them)",
				BFMT(buf_bytes(path)), toml_type_name(t->type), BFMT(t->file->path),
				BFMT(old->file->path));
		} else {
			issue_add(
				issues, false, t->file->path, t->line, buf_bytes(path),
				"`%.*s`: Found duplicate values in globbed TOML config files `%.*s` and `%.*s` (first at line %zu; remove one of them)",
				BFMT(buf_bytes(path)), BFMT(old->file->path), BFMT(t->file->path),
				old->line);
		}
	}
	path->len = len;
	return true;
}

bool toml_merge(struct toml *into, struct toml *from, struct config_issues *issues)
{
	struct buf path;
	bool ok;

	buf_init(&path, PATH_MAX_BYTES);
	ok = merge(into, from, &path, issues);
	buf_deinit(&path);
	return ok;
}

/* ---- printing ---- */

/* A float as Rust's Display prints it, with ".0" where it is whole. */
static struct bytes describe_float(struct bytes text, struct arena *arena)
{
	char number[64], out[340];
	double value;

	if (text.n >= sizeof(number))
		return arena_printf(arena, "floating point `%.*s`", BFMT(text));
	memcpy(number, text.p, text.n);
	number[text.n] = '\0';
	value = strtod(number, NULL);
	if (isnan(value) || isinf(value))
		return arena_printf(arena, "floating point `%s`",
				    isnan(value) ? "NaN"
				    : value < 0  ? "-inf"
						 : "inf");
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(out, sizeof(out), "%.*g", digits, value);
		if (strtod(out, NULL) == value)
			break;
	}
	if (strchr(out, 'e'))
		snprintf(out, sizeof(out), "%.*f", fabs(value) < 1 ? 20 : 0, value);
	return arena_printf(arena, "floating point `%s%s`", out, strchr(out, '.') ? "" : ".0");
}

struct bytes toml_describe(const struct toml *t, struct arena *arena)
{
	static const char *const kinds[] = { "map",     "sequence",       "string",
					     "integer", "floating point", "boolean",
					     "string" };
	struct bytes out = bytes_of(kinds[t->type]);
	struct buf text;

	if (t->secret || t->type == TOML_TABLE || t->type == TOML_ARRAY)
		return out;
	if (t->type == TOML_FLOAT)
		return describe_float(t->text, arena);
	if (t->type == TOML_INTEGER || t->type == TOML_BOOL)
		return arena_printf(arena, "%.*s `%.*s`", BFMT(out), BFMT(t->text));
	buf_init(&text, 10 * MAX_SHOWN + 16);
	words_quote(bytes_head(t->text, MAX_SHOWN), &text);
	out = arena_printf(arena, "string %.*s%s", BFMT(buf_bytes(&text)),
			   t->text.n > MAX_SHOWN ? "..." : "");
	buf_deinit(&text);
	return out;
}

/* A TOML float as a JSON number: no leading '+', nan and inf as null; else as written. */
static struct bytes json_float(struct bytes text)
{
	if (bytes_chr(text, 'n') >= 0)
		return B("null");
	return bytes_starts(text, B("+")) ? bytes_slice(text, 1, text.n) : text;
}

static void put_json(struct pen *p, const struct toml *t)
{
	bool array = t->type == TOML_ARRAY;

	switch (t->type) {
	case TOML_INTEGER:
	case TOML_BOOL: return pen_bytes(p, t->text);
	case TOML_FLOAT: return pen_bytes(p, json_float(t->text));
	case TOML_STRING:
	case TOML_DATETIME: return pen_string(p, t->text);
	case TOML_ARRAY:
	case TOML_TABLE: break;
	}
	pen_open(p, array ? '[' : '{');
	for (const struct toml *c = t->child; c && !p->failed; c = c->next) {
		pen_item(p);
		if (!array) {
			pen_string(p, c->key);
			pen_lit(p, ":");
		}
		put_json(p, c);
	}
	pen_close(p, array ? ']' : '}');
}

int toml_json(const struct toml *t, struct buf *out)
{
	struct pen p = { .b = out };

	put_json(&p, t);
	return pen_done(&p);
}

static bool is_bare(struct bytes key)
{
	for (size_t i = 0; i < key.n; i++) {
		char c = key.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '_' || c == '-'))
			return false;
	}
	return key.n > 0;
}

/* TOML basic strings take JSON's escapes, but DEL must be escaped too. */
static void put_toml_string(struct pen *p, struct bytes s)
{
	size_t at = p->b->len;

	pen_string(p, s);
	for (; at < p->b->len; at++)
		if (p->b->data[at] == 0x7f)
			p->b->data[at] = '?';
}

static void put_key(struct pen *p, struct bytes key)
{
	if (is_bare(key))
		pen_bytes(p, key);
	else
		put_toml_string(p, key);
}

static int compare_keys(const void *a, const void *b)
{
	return bytes_cmp((*(struct toml *const *)a)->key, (*(struct toml *const *)b)->key);
}

/* The children sorted by key; free() it. */
static const struct toml **sorted(struct pen *p, const struct toml *table, size_t *n)
{
	const struct toml **list;
	size_t i = 0;

	*n = 0;
	for (const struct toml *t = table->child; t; t = t->next)
		++*n;
	list = fault("alloc") ? NULL : malloc((*n + 1) * sizeof(struct toml *));
	if (!list) {
		p->failed = true;
		*n = 0;
		return NULL;
	}
	for (const struct toml *t = table->child; t; t = t->next)
		list[i++] = t;
	qsort(list, *n, sizeof(*list), compare_keys);
	return list;
}

static void put_value(struct pen *p, const struct toml *t);

static void put_inline_table(struct pen *p, const struct toml *t)
{
	size_t n;
	const struct toml **list = sorted(p, t, &n);

	pen_lit(p, "{");
	for (size_t i = 0; i < n; i++) {
		pen_bytes(p, i ? B(", ") : B(" "));
		put_key(p, list[i]->key);
		pen_lit(p, " = ");
		put_value(p, list[i]);
	}
	free(list);
	pen_bytes(p, n ? B(" }") : B("}"));
}

static void put_value(struct pen *p, const struct toml *t)
{
	if (t->secret)
		return pen_lit(p, "\"<secret>\"");
	if (t->type == TOML_TABLE)
		return put_inline_table(p, t);
	if (t->type == TOML_STRING)
		return put_toml_string(p, t->text);
	if (t->type != TOML_ARRAY)
		return pen_bytes(p, t->text);
	pen_lit(p, "[");
	for (const struct toml *c = t->child; c; c = c->next) {
		pen_bytes(p, c == t->child ? B("") : B(", "));
		put_value(p, c);
	}
	pen_lit(p, "]");
}

/* Values first, then each sub-table under its own header. */
static void print_table(struct pen *p, const struct toml *table, struct pen *path)
{
	size_t n, len = path->b->len;
	const struct toml **list = sorted(p, table, &n);

	if (len && (!table->child || table->child->type != TOML_TABLE || table->child->next)) {
		pen_lit(p, "[");
		pen_bytes(p, buf_bytes(path->b));
		pen_lit(p, "]\n");
	}
	for (size_t i = 0; i < n; i++) {
		if (list[i]->type == TOML_TABLE)
			continue;
		put_key(p, list[i]->key);
		pen_lit(p, " = ");
		put_value(p, list[i]);
		pen_lit(p, "\n");
	}
	for (size_t i = 0; i < n; i++) {
		if (list[i]->type != TOML_TABLE)
			continue;
		path->b->len = len;
		pen_bytes(path, len ? B(".") : B(""));
		put_key(path, list[i]->key);
		print_table(p, list[i], path);
	}
	path->b->len = len;
	free(list);
}

int toml_print(const struct toml *root, struct buf *out)
{
	struct buf text;
	struct pen p = { .b = out }, path = { .b = &text };

	buf_init(&text, PATH_MAX_BYTES);
	print_table(&p, root, &path);
	buf_deinit(&text);
	return p.failed || path.failed ? -1 : 0;
}
