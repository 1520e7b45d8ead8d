/*
 * Where in a broken document an error stands. Only the text up to the error is looked at, once, and only when
 * there is an error: keys and indexes of the containers that are open there make the path, each as far as
 * its value had begun.
 */
#include "wire/json_path.h"

#include "base/json.h"

struct level {
	bool object, value; /* value: the error lies in the value of this key or index */
	bool begun;         /* object: a member was read whole, or nearly so */
	struct bytes key;
	size_t index;
};

struct scan {
	struct level levels[JSON_MAX_DEPTH];
	size_t depth;
};

static bool position_of(struct bytes message, uint64_t *line, uint64_t *column)
{
	ptrdiff_t at = bytes_find(message, B(" at line "));
	struct bytes rest;
	ptrdiff_t cut;

	if (at < 0)
		return false;
	rest = bytes_slice(message, (size_t)at + 9, message.n);
	cut = bytes_find(rest, B(" column "));
	return cut > 0 && bytes_to_u64(bytes_slice(rest, 0, (size_t)cut), line) &&
	       bytes_to_u64(bytes_slice(rest, (size_t)cut + 8, rest.n), column);
}

static size_t offset_of(struct bytes text, uint64_t line, uint64_t column)
{
	size_t at = 0;

	while (line > 1 && at < text.n)
		line -= text.p[at++] == '\n';
	return column < text.n - at ? at + (size_t)column : text.n;
}

/* Behind the string that begins at i, or the end. */
static size_t skip_string(struct bytes t, size_t i)
{
	for (i++; i < t.n && t.p[i] != '"'; i++)
		if (t.p[i] == '\\')
			i++;
	return i < t.n ? i + 1 : t.n;
}

static void step(struct scan *s, struct bytes t, size_t *i)
{
	struct level *top = s->depth ? &s->levels[s->depth - 1] : NULL;
	size_t from = *i;
	char c = t.p[(*i)++];

	switch (c) {
	case '"':
		*i = skip_string(t, from);
		if (top && top->object && !top->value)
			top->key = bytes_slice(t, from + 1, *i > from + 1 ? *i - from - 2 : 0);
		break;
	case '{':
	case '[':
		if (s->depth < JSON_MAX_DEPTH)
			s->levels[s->depth++] =
				(struct level){ .object = c == '{', .value = c == '[' };
		break;
	case '}':
	case ']':
		s->depth -= s->depth > 0;
		break;
	case ':':
		if (top)
			top->value = true;
		break;
	case ',':
		if (top) {
			top->value = !top->object;
			top->begun = true;
			top->index++;
		}
		break;
	default:
		break;
	}
}

struct bytes json_error_path(struct bytes text, struct bytes message, struct arena *a)
{
	bool eof = bytes_starts(message, B("EOF"));
	bool between = bytes_starts(message, B("expected `,`")) ||
		       bytes_starts(message, B("trailing comma")) ||
		       bytes_starts(message, B("EOF while parsing a list")) ||
		       bytes_starts(message, B("EOF while parsing an object"));
	struct bytes path = B("");
	struct scan s = { 0 };
	uint64_t line, column;
	struct buf b;

	if (!position_of(message, &line, &column))
		return path;
	text.n = offset_of(text, line, column);
	if (!eof && text.n > 0)
		text.n--; /* the byte that is wrong */
	while (eof && text.n > 0 && (unsigned char)text.p[text.n - 1] <= ' ')
		text.n--;
	for (size_t i = 0; i < text.n;)
		step(&s, text, &i);
	if (s.depth > 0 && (between || (eof && text.n > 0 && text.p[text.n - 1] == ','))) {
		s.levels[s.depth - 1].begun |= s.levels[s.depth - 1].value;
		s.levels[s.depth - 1].value = false;
	}
	buf_init(&b, 64u << 10);
	for (size_t i = 0; i < s.depth && s.levels[i].value; i++) {
		if (s.levels[i].object) {
			if (b.len > 0)
				buf_putc(&b, '.');
			buf_append(&b, s.levels[i].key);
		} else {
			buf_printf(&b, "[%zu]", s.levels[i].index);
		}
	}
	if (b.len > 0 && s.levels[s.depth - 1].object && !s.levels[s.depth - 1].value &&
	    s.levels[s.depth - 1].begun && !bytes_starts(message, B("expected `:`")))
		buf_append(&b, B(".?")); /* TensorZero's reader had no key to name */
	if (b.len > 0)
		path = arena_dup(a, buf_bytes(&b));
	buf_deinit(&b);
	return bytes_set(path) ? path : B("");
}
