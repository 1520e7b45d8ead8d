/*
 * {"input": "…"} and back. Models keep to the form nearly always; where one does not, what it wrote is the input as it is.
 *
 * In a stream the string is unescaped piece by piece: what stands before it is matched against the only form there is, and as soon
 * as it does not match, all of it was text. Bytes that are not decided yet (the beginning, half an escape, half a surrogate
 * pair) wait in `held`.
 */
#include "upstream/custom_tools.h"

#include "base/error.h"
#include "base/json.h"
#include "base/pen.h"

#define TEXT_MAX  (100u << 20)
#define HELD_MAX  64
#define CALLS_MAX 128
#define INPUT_SCHEMA \
	B("{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\"}},\"required\":[\"input\"],\"additionalProperties\":false}")

static bool is_custom(const struct tool_config *t, struct bytes name)
{
	for (size_t i = 0; t && i < t->len; i++)
		if (bytes_eq(t->tools[i].name, name))
			return t->tools[i].custom;
	return false;
}

static bool is_custom_call(const struct inference *inf, const struct block *b)
{
	return b->type == BLOCK_TOOL_CALL && (b->custom || is_custom(inf->tools, b->name));
}

bool custom_tools_any(const struct inference *inf)
{
	for (size_t i = 0; inf->tools && i < inf->tools->len; i++)
		if (inf->tools->tools[i].custom)
			return true;
	for (size_t i = 0; i < inf->nmessages; i++)
		for (size_t j = 0; j < inf->messages[i].len; j++)
			if (is_custom_call(inf, &inf->messages[i].content[j]))
				return true;
	return false;
}

/* ---- going out ---- */

/* The description, and what the input's grammar is. */
static struct bytes described(const struct tool *t, struct arena *a)
{
	yyjson_val *format = bytes_set(t->format) ? json_parse(t->format, a) : NULL,
		   *grammar = json_get(format, "grammar");
	struct bytes syntax = json_str(json_get(grammar, "syntax")),
		     definition = json_str(json_get(grammar, "definition"));

	if (!definition.n)
		return t->description;
	return arena_printf(a, "%.*s%sInput format (%.*s):\n%.*s", BFMT(t->description),
			    t->description.n ? "\n\n" : "", BFMT(syntax), BFMT(definition));
}

static struct tool_config *as_functions(const struct tool_config *from, struct arena *a)
{
	struct tool_config *to = arena_new(a, struct tool_config);

	if (!to)
		return NULL;
	*to = *from;
	to->tools = arena_array(a, struct tool, from->len ? from->len : 1);
	if (!to->tools)
		return NULL;
	for (size_t i = 0; i < from->len; i++) {
		struct tool *t = &to->tools[i];

		*t = from->tools[i];
		if (!t->custom)
			continue;
		t->description = described(t, a);
		t->described = true;
		t->parameters = INPUT_SCHEMA;
		t->format = (struct bytes){ NULL, 0 };
		t->custom = false;
		if (!bytes_set(t->description))
			return NULL;
	}
	return to;
}

static struct bytes wrapped(struct bytes text, struct arena *a)
{
	struct bytes out = { NULL, 0 };
	struct buf b;
	struct pen p = { .b = &b };

	buf_init(&b, TEXT_MAX);
	pen_lit(&p, "{\"input\":");
	pen_string(&p, text);
	pen_lit(&p, "}");
	if (!pen_done(&p))
		out = arena_dup(a, buf_bytes(&b));
	buf_deinit(&b);
	return out;
}

static int wrap_calls(const struct inference *asked, struct message *m, struct arena *a)
{
	struct block *copy = NULL;

	for (size_t i = 0; i < m->len; i++) {
		if (!is_custom_call(asked, &m->content[i]))
			continue;
		if (!copy) {
			copy = arena_array(a, struct block, m->len);
			if (!copy)
				return -1;
			memcpy(copy, m->content, m->len * sizeof *copy);
			m->content = copy;
			m->cap = m->len;
		}
		copy[i].arguments = wrapped(copy[i].arguments, a);
		copy[i].custom = false;
		if (!bytes_set(copy[i].arguments))
			return -1;
	}
	return 0;
}

struct inference *custom_tools_as_functions(const struct inference *asked, struct arena *a)
{
	struct inference *inf = arena_new(a, struct inference);

	if (!inf)
		return NULL;
	*inf = *asked;
	if (asked->tools && !(inf->tools = as_functions(asked->tools, a)))
		return NULL;
	inf->messages = arena_array(a, struct message, asked->nmessages + 1);
	if (!inf->messages)
		return NULL;
	inf->cmessages = asked->nmessages + 1;
	for (size_t i = 0; i < asked->nmessages; i++) {
		inf->messages[i] = asked->messages[i];
		if (wrap_calls(asked, &inf->messages[i], a))
			return NULL;
	}
	return inf;
}

/* ---- coming back ---- */

int custom_tools_restore(struct result *r, const struct inference *asked, struct arena *a)
{
	for (size_t i = 0; i < r->len; i++) {
		struct block *b = &r->content[i];
		yyjson_val *root, *input;

		if (!is_custom_call(asked, b))
			continue;
		root = json_parse_lenient(b->arguments, a);
		input = json_get(root, "input");
		b->custom = true;
		if (yyjson_is_str(input))
			b->arguments = json_str(input);
	}
	for (size_t i = 0; i < r->nothers; i++)
		if (custom_tools_restore(&r->others[i], asked, a))
			return -1;
	return 0;
}

/* ---- in a stream ---- */

enum place { BEFORE, INSIDE, BEHIND, AS_IT_IS };

struct custom_call {
	struct bytes id;
	enum place place;
	char held[HELD_MAX]; /* not decided yet */
	size_t n;
};

struct custom_stream {
	const struct inference *asked;
	struct arena *arena;
	struct custom_call *calls;
	size_t ncalls, ccalls;
	struct buf out;
};

struct custom_stream *custom_stream_new(const struct inference *asked, struct arena *a)
{
	struct custom_stream *s = arena_new(a, struct custom_stream);

	if (!s)
		return NULL;
	s->asked = asked;
	s->arena = a;
	buf_init(&s->out, TEXT_MAX);
	return s;
}

void custom_stream_free(struct custom_stream *s)
{
	if (s)
		buf_deinit(&s->out);
}

static struct custom_call *call_of(struct custom_stream *s, const struct part *p)
{
	struct custom_call fresh = { .place = BEFORE };

	for (size_t i = 0; i < s->ncalls; i++)
		if (bytes_eq(s->calls[i].id, p->id))
			return &s->calls[i];
	if (!p->name.n || !is_custom(s->asked->tools, p->name) || s->ncalls == CALLS_MAX)
		return NULL;
	fresh.id = arena_dup(s->arena, p->id);
	if (!bytes_set(fresh.id) || !arena_push(s->arena, s->calls, s->ncalls, s->ccalls, fresh))
		return NULL;
	return &s->calls[s->ncalls - 1];
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Whether what is held is a beginning of {"input":" with any blanks in it; *whole: it is all of it. */
static bool is_beginning(const struct custom_call *c, bool *whole)
{
	static const struct bytes form = B("{\"input\":\"");
	size_t at = 0;

	for (size_t i = 0; i < c->n; i++) {
		bool between = at < 2 || at == 8 || at == 9; /* not inside of the key */

		if (at < form.n && c->held[i] == form.p[at])
			at++;
		else if (!is_blank(c->held[i]) || !between)
			return false;
	}
	*whole = at == form.n;
	return c->n < HELD_MAX;
}

/* Bytes of an escape that is whole in what is held; 0: more must come. */
static size_t escape_length(const struct custom_call *c)
{
	bool high;

	if (c->n < 2)
		return 0;
	if (c->held[1] != 'u')
		return 2;
	if (c->n < 6)
		return 0;
	high = (c->held[2] == 'd' || c->held[2] == 'D') && hex_digit(c->held[3]) >= 8 &&
	       hex_digit(c->held[3]) <= 11;
	if (!high || (c->n > 6 && c->held[6] != '\\') || (c->n > 7 && c->held[7] != 'u'))
		return 6;
	return c->n < 12 ? 0 : 12;
}

static int put_escape(struct custom_stream *s, struct custom_call *c, size_t n)
{
	char out[HELD_MAX];
	size_t len = json_unescape((struct bytes){ c->held, n }, out);

	memmove(c->held, c->held + n, c->n - n);
	c->n -= n;
	return buf_append(&s->out, (struct bytes){ out, len });
}

static int take_inside(struct custom_stream *s, struct custom_call *c, char byte);

/* What stands behind an escape that turned out to be shorter. */
static int take_rest(struct custom_stream *s, struct custom_call *c)
{
	char rest[HELD_MAX];
	size_t n = c->n;

	memcpy(rest, c->held, n);
	c->n = 0;
	for (size_t i = 0; i < n; i++)
		if (take_inside(s, c, rest[i]))
			return -1;
	return 0;
}

static int take_inside(struct custom_stream *s, struct custom_call *c, char byte)
{
	size_t n;

	if (!c->n && byte != '\\') {
		if (byte == '"')
			c->place = BEHIND;
		return byte == '"' ? 0 : buf_putc(&s->out, byte);
	}
	c->held[c->n++] = byte;
	n = escape_length(c);
	if (!n)
		return 0;
	return put_escape(s, c, n) || take_rest(s, c) ? -1 : 0;
}

static int take_byte(struct custom_stream *s, struct custom_call *c, char byte)
{
	bool whole = false;

	switch (c->place) {
	case BEFORE:
		c->held[c->n++] = byte;
		if (is_beginning(c, &whole)) {
			c->place = whole ? INSIDE : BEFORE;
			c->n = whole ? 0 : c->n;
			return 0;
		}
		c->place = AS_IT_IS;
		byte = c->held[--c->n];
		if (buf_append(&s->out, (struct bytes){ c->held, c->n }))
			return -1;
		c->n = 0;
		return buf_putc(&s->out, byte);
	case INSIDE: return take_inside(s, c, byte);
	case AS_IT_IS: return buf_putc(&s->out, byte);
	case BEHIND: break;
	}
	return 0;
}

/* Room first: texts of the parts before must not move. */
static int make_room(struct custom_stream *s, const struct delta *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->len; i++)
		if (d->parts[i].type == PART_TOOL_CALL)
			n += d->parts[i].arguments.n + HELD_MAX;
	buf_reset(&s->out);
	return n ? buf_reserve(&s->out, n) : 0;
}

int custom_stream_take(struct custom_stream *s, struct delta *d)
{
	if (make_room(s, d))
		return -1;
	for (size_t i = 0; i < d->len; i++) {
		struct part *p = &d->parts[i];
		struct custom_call *c = p->type == PART_TOOL_CALL ? call_of(s, p) : NULL;
		size_t from = s->out.len;

		if (!c)
			continue;
		for (size_t k = 0; k < p->arguments.n; k++)
			if (take_byte(s, c, p->arguments.p[k]))
				return -1;
		p->custom = true;
		p->arguments = bytes_slice(buf_bytes(&s->out), from, s->out.len - from);
	}
	return 0;
}
