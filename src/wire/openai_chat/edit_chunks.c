/*
 * An upstream's own events, edited (surfaces §1.6): they go out as they came, or as the reader mended them (shape.h), with
 * `id`, `model`, `usage` and, where it is wrong, `finish_reason` set right. What all events of a kind have in common is
 * edited once (alike.h).
 */
#include "wire/openai_chat/write_chunks.h"

#include "base/json.h"
#include "wire/json_edit.h"
#include "wire/openai_chat/alike.h"

#define MAX_PRINTED (64u << 10) /* of what is kept of a kind of event */

/* The index of a choice that the reader read; CHOICES_MAX: it is none of these. */
static unsigned index_of(struct bytes choice, size_t place)
{
	struct json_member m;
	uint64_t n = place;

	if (json_find_member(choice, B("index"), &m))
		bytes_to_u64(m.value, &n);
	return n < CHOICES_MAX ? (unsigned)n : CHOICES_MAX;
}

/* The choices: in those of `stops`, which had a call, `stop` is tool_calls. */
static int edit_choices(struct pen *p, struct bytes list, unsigned stops)
{
	struct bytes one;
	size_t place = 0;
	struct json_member m;
	struct json_edit e;
	size_t pos = 0;
	unsigned stops_here;
	int n, more;

	pen_open(p, '[');
	while ((more = json_next_element(list, &pos, &one)) > 0) {
		pen_item(p);
		if (*one.p != '{') {
			pen_bytes(p, one);
			continue;
		}
		stops_here = stops & CHOICE_BIT(index_of(one, place++));
		edit_begin(&e, one, p);
		while ((n = edit_next(&e, &m)) > 0) {
			if (stops_here && json_key_is(m.key, B("finish_reason")) &&
			    bytes_eq(m.value, B("\"stop\""))) {
				edit_value(&e, &m);
				pen_lit(p, "\"tool_calls\"");
			} else {
				edit_keep(&e, &m);
			}
		}
		if (n < 0)
			return -1;
		edit_end(&e);
	}
	pen_close(p, ']');
	return more;
}

/* The chunk of the upstream that holds only usage: hidden, unless it is asked for and stands at the end. */
static bool usage_passes(struct wire_writer *w, const struct delta *d, bool only_usage)
{
	return only_usage && d->has_usage && w->a->include_usage && w->finish_sent &&
	       !(w->role_sent & ~w->finish_sent) && !w->usage_sent;
}

/* Bits of the choices that end with this event; `stop`: with that reason. */
static unsigned finished(const struct delta *d, bool stop)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < CHOICES_MAX; i++)
		if (stop ? delta_finish(d, i) == FINISH_STOP : delta_finish(d, i) != FINISH_UNSET)
			bits |= CHOICE_BIT(i);
	return bits;
}

/* How the event deals with its `usage`. */
struct event_usage {
	bool passes, seen;
};

static int edit_member(struct wire_writer *w, struct pen *p, const struct delta *d,
		       struct json_edit *e, const struct json_member *m, struct event_usage *u)
{
	if (json_key_is(m->key, B("id"))) {
		edit_value(e, m);
		chat_put_id(p, w->a);
	} else if (json_key_is(m->key, B("model"))) {
		edit_value(e, m);
		pen_string(p, w->a->model);
	} else if (json_key_is(m->key, B("created")) && bytes_eq(m->value, B("0"))) {
		edit_value(e, m);
		pen_u64(p, (uint64_t)w->a->created);
	} else if (json_key_is(m->key, B("usage"))) {
		u->seen = true;
		if (u->passes) {
			edit_keep(e, m);
		} else if (w->a->include_usage) {
			edit_value(e, m);
			pen_lit(p, "null");
		}
	} else if (json_key_is(m->key, B("choices")) && *m->value.p == '[' &&
		   w->called & finished(d, true)) {
		edit_value(e, m);
		return edit_choices(p, m->value, w->called & finished(d, true));
	} else {
		edit_keep(e, m);
	}
	return 0;
}

static bool has_no_choices(struct bytes raw)
{
	struct json_member m;
	struct bytes one;
	size_t pos = 0;

	return json_find_member(raw, B("choices"), &m) &&
	       json_next_element(m.value, &pos, &one) == 0;
}

/* `text`: of the event, in one line. */
static int edit_event(struct wire_writer *w, struct pen *p, const struct delta *d,
		      struct bytes text)
{
	bool only_usage =
		d->has_usage && d->len == 0 && !finished(d, false) && has_no_choices(text);
	struct event_usage usage = { .passes = usage_passes(w, d, only_usage) };
	struct json_edit e;
	struct json_member m;
	int n;

	if (only_usage && !usage.passes)
		return 0;
	pen_lit(p, "data: ");
	edit_begin(&e, text, p);
	while ((n = edit_next(&e, &m)) > 0)
		if (edit_member(w, p, d, &e, &m, &usage))
			return -1;
	if (n < 0)
		return -1;
	if (!usage.seen && w->a->include_usage)
		edit_add(&e, B("\"usage\":null"));
	chunk_put_raws(w, p, d);
	edit_end(&e);
	pen_lit(p, "\n\n");
	w->role_sent |= d->choices;
	w->finish_sent |= finished(d, false);
	w->usage_sent |= usage.passes;
	return pen_done(p);
}

/* Edits what all events of this kind have in common. Where that does not work, each is edited by itself and says what
 * is wrong; so is each where the raw text is shown too. */
static void edit_alike(struct wire_writer *w, const struct delta *d)
{
	struct buf b;
	struct pen p = { .b = &b };
	struct bytes text = { NULL, 0 };

	w->alike = d->alike.p;
	w->pieces[0] = text;
	if (chunk_shows_raw(w, d))
		return;
	buf_init(&b, MAX_PRINTED);
	if (!edit_event(w, &p, d, d->alike))
		text = arena_dup(w->arena, buf_bytes(&b));
	buf_deinit(&b);
	if (!bytes_set(text) || !alike_cut(text, d->nholes, w->pieces))
		w->pieces[0] = (struct bytes){ NULL, 0 };
}

static void put_alike(struct wire_writer *w, struct pen *p, const struct delta *d)
{
	for (size_t i = 0; i < d->nholes; i++) {
		pen_bytes(p, w->pieces[i]);
		pen_bytes(p, d->holes[i]);
	}
	pen_bytes(p, w->pieces[d->nholes]);
}

/* An event whose data came in several lines goes out in one. */
int chunk_pass(struct wire_writer *w, struct pen *p, const struct delta *d)
{
	struct buf line;
	int bad;

	if (bytes_set(d->alike)) {
		if (d->alike.p != w->alike)
			edit_alike(w, d);
		if (bytes_set(w->pieces[0])) {
			w->role_sent |= d->choices;
			put_alike(w, p, d);
			return pen_done(p);
		}
	}
	for (size_t i = 0; i < d->len; i++)
		if (d->parts[i].type == PART_TOOL_CALL)
			w->called |= CHOICE_BIT(d->parts[i].choice);
	if (bytes_set(d->mended))
		return edit_event(w, p, d, d->mended);
	if (bytes_chr(d->raw, '\n') < 0 && bytes_chr(d->raw, '\r') < 0)
		return edit_event(w, p, d, d->raw);
	buf_init(&line, SSE_MAX_EVENT);
	bad = json_compact(d->raw, &line);
	if (!bad)
		bad = edit_event(w, p, d, buf_bytes(&line));
	buf_deinit(&line);
	return bad;
}
