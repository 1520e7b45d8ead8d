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
	size_t n = 1, at = 0;

	for (size_t i = 0; i < r->text.n; i++)
		n += r->text.p[i] == '\n';
	r->lines = arena_array(r->arena, size_t, n);
	if (!r->lines)
		return false;
	r->nlines = n;
	for (size_t i = 0; i < r->text.n; i++) {
		if (r->text.p[i] == '\n')
			r->lines[++at] = i + 1;
	}
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
		struct bytes line = { r->text.p, 0 };

		if (e[i].line <= r->nlines) {
			struct bytes rest =
				bytes_slice(r->text, r->lines[e[i].line - 1], r->text.n);

			line = bytes_trim(bytes_cut(&rest, '\n'));
		}
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
	for (struct toml *t = table->child; t; t = t->next) {
		if (bytes_eq(t->key, key))
			return t;
	}
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
		if ((len && buf_putc(path, '.') != 0) || buf_append(path, t->key) != 0)
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

/* Rust's {:?} of a string: quotes and backslashes escaped, controls as \n, \t, \r or \u{..}. */
static int put_debug_string(struct buf *b, struct bytes s)
{
	int bad = buf_putc(b, '"');

	for (size_t i = 0; i < s.n && !bad; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			bad = buf_putc(b, '\\') || buf_putc(b, (char)c);
		else if (c == '\n' || c == '\t' || c == '\r')
			bad = buf_putc(b, '\\') || buf_putc(b, c == '\n'   ? 'n'
							       : c == '\t' ? 't'
									   : 'r');
		else if (c < 0x20 || c == 0x7f)
			bad = buf_printf(b, "\\u{%x}", c);
		else
			bad = buf_putc(b, (char)c);
	}
	return bad || buf_putc(b, '"') ? -1 : 0;
}

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
	struct bytes out;
	struct buf b;

	switch (t->type) {
	case TOML_TABLE:
		return B("map");
	case TOML_ARRAY:
		return B("sequence");
	case TOML_INTEGER:
		return t->secret ? B("integer")
				 : arena_printf(arena, "integer `%.*s`", BFMT(t->text));
	case TOML_BOOL:
		return t->secret ? B("boolean")
				 : arena_printf(arena, "boolean `%.*s`", BFMT(t->text));
	case TOML_FLOAT:
		return t->secret ? B("floating point") : describe_float(t->text, arena);
	case TOML_STRING:
	case TOML_DATETIME:
		break;
	}
	if (t->secret)
		return B("string");
	buf_init(&b, 6 * MAX_SHOWN + 16);
	if (put_debug_string(&b, bytes_head(t->text, MAX_SHOWN)) != 0)
		b.len = 0;
	out = arena_printf(arena, "string %.*s%s", BFMT(buf_bytes(&b)),
			   t->text.n > MAX_SHOWN ? "..." : "");
	buf_deinit(&b);
	return bytes_set(out) ? out : B("string");
}

/* A TOML float as a JSON number: no leading '+', nan and inf as null; else as written. */
static int put_json_float(struct buf *b, struct bytes text)
{
	if (text.n && text.p[0] == '+')
		text = bytes_slice(text, 1, text.n);
	if (bytes_find(text, B("n")) >= 0)
		return buf_append(b, B("null"));
	return buf_append(b, text);
}

int toml_json(const struct toml *t, struct buf *b)
{
	bool array = t->type == TOML_ARRAY;

	switch (t->type) {
	case TOML_INTEGER:
	case TOML_BOOL:
		return buf_append(b, t->text);
	case TOML_FLOAT:
		return put_json_float(b, t->text);
	case TOML_STRING:
	case TOML_DATETIME:
		return buf_json_string(b, t->text);
	case TOML_ARRAY:
	case TOML_TABLE:
		break;
	}
	if (buf_putc(b, array ? '[' : '{') != 0)
		return -1;
	for (const struct toml *c = t->child; c; c = c->next) {
		if (c != t->child && buf_putc(b, ',') != 0)
			return -1;
		if (!array && (buf_json_string(b, c->key) != 0 || buf_putc(b, ':') != 0))
			return -1;
		if (toml_json(c, b) != 0)
			return -1;
	}
	return buf_putc(b, array ? ']' : '}');
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
static int put_toml_string(struct buf *b, struct bytes s)
{
	size_t at = b->len;

	if (buf_json_string(b, s) != 0)
		return -1;
	for (; at < b->len; at++) {
		if (b->data[at] == 0x7f)
			b->data[at] = '?';
	}
	return 0;
}

static int put_key(struct buf *b, struct bytes key)
{
	return is_bare(key) ? buf_append(b, key) : put_toml_string(b, key);
}

static int compare_keys(const void *a, const void *b)
{
	return bytes_cmp((*(struct toml *const *)a)->key, (*(struct toml *const *)b)->key);
}

/* The children sorted by key; free() it. *n == 0: none, and NULL then is no failure. */
static const struct toml **sorted(const struct toml *table, size_t *n)
{
	const struct toml **list;
	size_t i = 0;

	*n = 0;
	for (const struct toml *t = table->child; t; t = t->next)
		++*n;
	list = *n ? malloc(*n * sizeof(struct toml *)) : NULL;
	if (!list)
		return NULL;
	for (const struct toml *t = table->child; t; t = t->next)
		list[i++] = t;
	qsort(list, *n, sizeof(*list), compare_keys);
	return list;
}

static int put_value(struct buf *b, const struct toml *t);

static int put_inline_table(struct buf *b, const struct toml *t)
{
	size_t n;
	const struct toml **list = sorted(t, &n);
	int bad = (n && !list) || buf_append(b, B("{")) != 0;

	for (size_t i = 0; i < n && !bad; i++)
		bad = buf_append(b, i ? B(", ") : B(" ")) != 0 || put_key(b, list[i]->key) != 0 ||
		      buf_append(b, B(" = ")) != 0 || put_value(b, list[i]) != 0;
	free(list);
	return bad || buf_append(b, n ? B(" }") : B("}")) != 0 ? -1 : 0;
}

static int put_value(struct buf *b, const struct toml *t)
{
	int bad;

	if (t->secret)
		return buf_append(b, B("\"<secret>\""));
	if (t->type == TOML_TABLE)
		return put_inline_table(b, t);
	if (t->type == TOML_STRING)
		return put_toml_string(b, t->text);
	if (t->type != TOML_ARRAY)
		return buf_append(b, t->text);
	bad = buf_putc(b, '[');
	for (const struct toml *c = t->child; c && !bad; c = c->next)
		bad = (c != t->child && buf_append(b, B(", ")) != 0) || put_value(b, c) != 0;
	return bad || buf_putc(b, ']') != 0 ? -1 : 0;
}

/* Values first, then each sub-table under its own header. */
static int print(const struct toml *table, struct buf *path, struct buf *b)
{
	size_t n, len = path->len;
	const struct toml **list = sorted(table, &n);
	int bad = n && !list ? -1 : 0;

	if (!bad && len &&
	    (!table->child || table->child->type != TOML_TABLE || table->child->next))
		bad = buf_printf(b, "[%.*s]\n", BFMT(buf_bytes(path)));
	for (size_t i = 0; i < n && !bad; i++) {
		if (list[i]->type != TOML_TABLE)
			bad = put_key(b, list[i]->key) != 0 || buf_append(b, B(" = ")) != 0 ||
			      put_value(b, list[i]) != 0 || buf_putc(b, '\n') != 0;
	}
	for (size_t i = 0; i < n && !bad; i++) {
		if (list[i]->type != TOML_TABLE)
			continue;
		path->len = len;
		bad = (len && buf_putc(path, '.') != 0) || put_key(path, list[i]->key) != 0 ||
		      print(list[i], path, b) != 0;
	}
	path->len = len;
	free(list);
	return bad ? -1 : 0;
}

int toml_print(const struct toml *root, struct buf *b)
{
	struct buf path;
	int bad;

	buf_init(&path, PATH_MAX_BYTES);
	bad = print(root, &path, b);
	buf_deinit(&path);
	return bad;
}
