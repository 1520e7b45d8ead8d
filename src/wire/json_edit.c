/*
 * Edits leave every byte alone that needs no change (providers-openai §7.1): unknown keys, the spelling of
 * numbers, even white space survive, and no document is built for it.
 */
#include "wire/json_edit.h"

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
