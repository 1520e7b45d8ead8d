/*
 * Edits leave every byte alone that needs no change (providers-openai §7.1): unknown keys, the spelling of
 * numbers, even white space survive, and no document is built for it.
 */
#include "wire/json_edit.h"

#include <stdlib.h>

void edit_begin(struct json_edit *e, struct bytes object, struct pen *pen)
{
	while (object.n > 0 && *object.p != '{') /* a document may begin with white space */
		object = bytes_slice(object, 1, object.n);
	*e = (struct json_edit){ .text = object, .pen = pen, .done = 1 };
	pen_open(pen, '{');
}

/* What stood between the members, without commas. */
static void gap(struct json_edit *e, size_t to)
{
	size_t from = e->done;

	for (size_t i = from; i <= to; i++) {
		if (i < to && e->text.p[i] != ',')
			continue;
		if (i > from)
			pen_bytes(e->pen, bytes_slice(e->text, from, i - from));
		from = i + 1;
	}
	e->done = to;
}

static void member_begin(struct json_edit *e, const struct json_member *m)
{
	pen_item(e->pen);
	gap(e, m->from);
}

int edit_next(struct json_edit *e, struct json_member *m)
{
	int n;

	/* a dropped member takes the space before it along */
	if (e->pos > e->done)
		e->done = e->pos;
	n = json_next_member(e->text, &e->pos, m);
	if (n == 0 && e->pos == 0)
		e->done = 1;
	return n;
}

void edit_keep(struct json_edit *e, const struct json_member *m)
{
	member_begin(e, m);
	pen_bytes(e->pen, bytes_slice(e->text, m->from, m->to - m->from));
	e->done = m->to;
}

void edit_value(struct json_edit *e, const struct json_member *m)
{
	size_t value = (size_t)(m->value.p - e->text.p);

	member_begin(e, m);
	pen_bytes(e->pen, bytes_slice(e->text, m->from, value - m->from));
	e->done = m->to;
}

void edit_renamed(struct json_edit *e, const struct json_member *m, struct bytes key)
{
	member_begin(e, m);
	pen_string(e->pen, key);
	pen_lit(e->pen, ":");
	e->done = m->to;
}

void edit_add(struct json_edit *e, struct bytes key)
{
	pen_item(e->pen);
	pen_bytes(e->pen, key);
}

void edit_end(struct json_edit *e)
{
	size_t end = e->text.n;

	while (end > 0 && e->text.p[end - 1] != '}')
		end--;
	if (end > 0)
		gap(e, end - 1);
	pen_close(e->pen, '}');
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Behind the value that begins at i; 0: it does not end. */
static size_t skip(struct bytes t, size_t i)
{
	size_t depth = 0;

	for (; i < t.n; i++) {
		char c = t.p[i];

		if (c == '"') {
			for (i++; i < t.n && t.p[i] != '"'; i++)
				if (t.p[i] == '\\')
					i++;
			if (i >= t.n)
				return 0;
		} else if (c == '{' || c == '[') {
			depth++;
			continue;
		} else if (depth > 0 && (c == '}' || c == ']')) {
			depth--;
		} else if (depth == 0) {
			while (i < t.n && !is_blank(t.p[i]) && t.p[i] != ',' && t.p[i] != ']' &&
			       t.p[i] != '}')
				i++;
			return i;
		}
		if (depth == 0)
			return i + 1;
	}
	return 0;
}

int json_next_element(struct bytes text, size_t *pos, struct bytes *out)
{
	bool first = *pos == 0;
	size_t i = *pos, end;

	while (i < text.n && is_blank(text.p[i]))
		i++;
	if (i < text.n && !first && text.p[i] == ']')
		return 0;
	if (i >= text.n || text.p[i] != (first ? '[' : ','))
		return -1;
	i++;
	while (i < text.n && is_blank(text.p[i]))
		i++;
	if (i < text.n && first && text.p[i] == ']')
		return 0;
	end = skip(text, i);
	if (end <= i)
		return -1;
	*out = bytes_slice(text, i, end - i);
	*pos = end;
	return 1;
}

struct bytes json_span_string(struct bytes v, struct buf *out)
{
	struct bytes none = { NULL, 0 }, inner;
	yyjson_doc *doc;

	if (v.n < 2 || *v.p != '"')
		return none;
	inner = bytes_slice(v, 1, v.n - 2);
	if (bytes_chr(inner, '\\') < 0)
		return inner;
	doc = yyjson_read(v.p, v.n, 0);
	if (!doc)
		return none;
	buf_reset(out);
	if (buf_append(out, json_str(yyjson_doc_get_root(doc))) == 0)
		none = buf_bytes(out);
	yyjson_doc_free(doc);
	return none;
}
