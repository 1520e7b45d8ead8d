/*
 * Knowing an event again (see the header).
 *
 * Why this is exact: a hole is the inside of a string that the parser has seen, and what fills it cannot end the
 * string or escape anything, so the new text parses to the same tree. Of that tree only the text and the
 * obfuscation changed, and nothing reads the latter. An event with a backslash around its holes is not kept, so that
 * keys are what they look like.
 */
#include "wire/openai_chat/alike.h"

#include "base/json.h"
#include "wire/json_edit.h"

#define LEARN_MAX 8

static bool is_plain(struct bytes s)
{
	unsigned char all = 0;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < ' ' || c == '"' || c == '\\')
			return false;
		all |= c;
	}
	return all < 0x80 || bytes_is_utf8(s);
}

static bool matches(const struct alike *k, struct bytes event, struct bytes holes[DELTA_HOLES])
{
	struct bytes rest = event;

	if (!bytes_set(k->delta.alike))
		return false;
	for (size_t i = 0; i < k->nholes; i++) {
		struct bytes piece = k->pieces[i];
		ptrdiff_t end;

		if (!bytes_starts(rest, piece))
			return false;
		rest = bytes_slice(rest, piece.n, rest.n);
		end = bytes_chr(rest, '"');
		if (end < 0)
			return false;
		holes[i] = bytes_slice(rest, 0, (size_t)end);
		if (!is_plain(holes[i]))
			return false;
		rest = bytes_slice(rest, (size_t)end, rest.n);
	}
	return bytes_eq(rest, k->pieces[k->nholes]);
}

bool alike_read(const struct alike *k, struct bytes event, struct part *part, struct delta *out)
{
	struct bytes holes[DELTA_HOLES];

	if (!matches(k, event, holes))
		return false;
	*part = k->part;
	part->text = holes[k->text];
	*out = k->delta;
	out->raw = event;
	out->parts = part;
	memcpy(out->holes, holes, sizeof holes);
	return true;
}

bool alike_cut(struct bytes text, size_t holes, struct bytes *pieces)
{
	for (size_t i = 0; i <= holes; i++) {
		ptrdiff_t at = bytes_chr(text, ALIKE_MARK);

		if ((at < 0) != (i == holes))
			return false;
		pieces[i] = at < 0 ? text : bytes_slice(text, 0, (size_t)at);
		text = at < 0 ? text : bytes_slice(text, (size_t)at + 1, text.n);
	}
	return true;
}

/* The inside of a string member's value. */
static bool find_string(struct bytes object, struct bytes key, struct bytes *out)
{
	struct json_member m;

	if (!json_find_member(object, key, &m) || m.value.n < 2 || *m.value.p != '"')
		return false;
	*out = bytes_slice(m.value, 1, m.value.n - 2);
	return true;
}

/* The only choice's delta. */
static bool find_delta(struct bytes event, struct bytes *out)
{
	struct json_member choices, delta;
	struct bytes choice, more;
	size_t pos = 0;

	if (!json_find_member(event, B("choices"), &choices) ||
	    json_next_element(choices.value, &pos, &choice) != 1 || *choice.p != '{' ||
	    json_next_element(choices.value, &pos, &more) != 0 ||
	    !json_find_member(choice, B("delta"), &delta) || *delta.value.p != '{')
		return false;
	*out = delta.value;
	return true;
}

/* The string that became the part. A thought comes under two names; of both at once it is not clear which counts. */
static bool find_text(struct bytes event, const struct part *p, struct bytes *out)
{
	struct bytes delta, other;
	bool first, second;

	if (!find_delta(event, &delta))
		return false;
	if (p->type == PART_TEXT)
		return find_string(delta, B("content"), out);
	first = find_string(delta, B("reasoning"), out);
	second = find_string(delta, B("reasoning_content"), &other);
	if (second)
		*out = other;
	return p->type == PART_THOUGHT && first != second;
}

/* The event with a mark for each of its holes, which stand in order. */
static struct bytes with_marks(struct bytes event, const struct bytes *holes, size_t n,
			       struct arena *a)
{
	char *out = arena_alloc_raw(a, event.n + n), *at = out;
	const char *from = event.p;

	if (!out)
		return (struct bytes){ NULL, 0 };
	for (size_t i = 0; i < n; i++) {
		size_t len = (size_t)(holes[i].p - from);

		memcpy(at, from, len);
		at += len;
		*at++ = ALIKE_MARK;
		from = holes[i].p + holes[i].n;
	}
	memcpy(at, from, (size_t)(event.p + event.n - from));
	at += event.p + event.n - from;
	return (struct bytes){ out, (size_t)(at - out) };
}

/* An unset one stays so; false: out of memory. */
static bool own(struct bytes *text, struct arena *a)
{
	if (!bytes_set(*text))
		return true;
	*text = arena_dup(a, *text);
	return bytes_set(*text);
}

static bool may_come_again(struct bytes event, const struct delta *d)
{
	return event.n <= ALIKE_MAX && !d->error && !d->has_usage && d->finish == FINISH_UNSET &&
	       d->len == 1 && bytes_chr(event, '\n') < 0 && bytes_chr(event, '\r') < 0;
}

void alike_learn(struct alike *k, struct bytes event, const struct delta *d, struct arena *a)
{
	struct bytes text, padding, holes[DELTA_HOLES];
	struct alike fresh = { .learned = k->learned + 1, .nholes = 1 };
	struct delta *like = &fresh.delta;

	if (k->learned == LEARN_MAX || !may_come_again(event, d) ||
	    !find_text(event, &d->parts[0], &text))
		return;
	holes[0] = text;
	if (find_string(event, B("obfuscation"), &padding)) {
		fresh.nholes = 2;
		fresh.text = padding.p < text.p;
		holes[fresh.text] = text;
		holes[!fresh.text] = padding;
	}
	*k = (struct alike){ .learned = fresh.learned };
	fresh.part = d->parts[0];
	*like = *d;
	like->raw = like->raw_usage = (struct bytes){ NULL, 0 };
	like->nholes = fresh.nholes;
	like->alike = with_marks(event, holes, fresh.nholes, a);
	if (bytes_set(like->alike) && bytes_chr(like->alike, '\\') < 0 &&
	    alike_cut(like->alike, fresh.nholes, fresh.pieces) && own(&like->provider_id, a) &&
	    own(&like->provider_model, a) && own(&like->service_tier, a) &&
	    own(&like->system_fingerprint, a))
		*k = fresh;
}
