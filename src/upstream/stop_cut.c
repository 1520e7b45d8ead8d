/*
 * Each sequence is searched by Knuth, Morris and Pratt: what it has matched so far is all that is remembered between pieces, and
 * the longest of these is the end of the text that waits. So the work is one step a byte and sequence, whatever they look like.
 *
 * A run is text of one part id: a sequence is not met over two of them, since a client shows them as two texts.
 */
#include "upstream/stop_cut.h"

#include <stdlib.h>

#include "base/error.h"

#define TEXT_MAX (200u << 20) /* of a delta's texts, with what waited */
#define ID_MAX   4096

struct stop {
	struct bytes text;
	uint32_t *fall; /* how much is still matched where the next byte is another one */
	uint32_t matched;
};

struct stop_cut {
	struct stop *stops;
	size_t n, longest;
	struct arena *arena;
	struct buf held, texts, id; /* `id`: of the run, `held` its end */
	struct part *parts;
	size_t nparts, cparts;
	struct bytes met; /* unset: none yet */
};

/* ---- the search ---- */

static bool prepare(struct stop *s, struct bytes text, struct arena *a)
{
	s->text = text;
	s->fall = arena_array(a, uint32_t, text.n);
	if (!s->fall)
		return false;
	s->fall[0] = 0;
	for (uint32_t i = 1, k = 0; i < text.n; i++) {
		while (k && text.p[i] != text.p[k])
			k = s->fall[k - 1];
		k += text.p[i] == text.p[k];
		s->fall[i] = k;
	}
	return true;
}

/* Whether it is whole with this byte. */
static inline bool step(struct stop *s, char c)
{
	uint32_t k = s->matched;

	while (k && s->text.p[k] != c)
		k = s->fall[k - 1];
	k += s->text.p[k] == c;
	s->matched = k;
	return k == s->text.n;
}

static void forget(struct stop_cut *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->stops[i].matched = 0;
}

/* How many bytes of `text` were taken until one was whole, the longest of those that are; then it is s->met. All of them:
 * none was. */
static size_t search(struct stop_cut *s, struct bytes text)
{
	for (size_t at = 0; at < text.n; at++) {
		for (size_t i = 0; i < s->n; i++)
			if (step(&s->stops[i], text.p[at]) && s->stops[i].text.n > s->met.n)
				s->met = s->stops[i].text;
		if (bytes_set(s->met))
			return at + 1;
	}
	return text.n;
}

/* Bytes at the end of the text that may begin a sequence. */
static size_t waiting(const struct stop_cut *s)
{
	size_t most = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->stops[i].matched > most)
			most = s->stops[i].matched;
	return most;
}

/* ---- a stream ---- */

static int put(struct stop_cut *s, struct part p)
{
	return arena_push(s->arena, s->parts, s->nparts, s->cparts, p) ? 0 : -1;
}

/* Bytes behind `from` in the room that was made for this delta. */
static struct bytes since(const struct stop_cut *s, size_t from)
{
	return bytes_slice(buf_bytes(&s->texts), from, s->texts.len - from);
}

/* The run is over: what waited was text. */
static int end_run(struct stop_cut *s)
{
	struct part p = { .type = PART_TEXT };
	size_t from = s->texts.len;

	forget(s);
	if (!s->held.len)
		return 0;
	if (buf_append(&s->texts, buf_bytes(&s->held)))
		return -1;
	p.text = since(s, from);
	from = s->texts.len;
	if (buf_append(&s->texts, buf_bytes(&s->id)))
		return -1;
	p.id = since(s, from);
	buf_reset(&s->held);
	return put(s, p);
}

static int begin_run(struct stop_cut *s, struct bytes id)
{
	if (bytes_eq(buf_bytes(&s->id), id))
		return 0;
	if (end_run(s))
		return -1;
	buf_reset(&s->id);
	return buf_append(&s->id, id);
}

static int take_text(struct stop_cut *s, struct part p)
{
	size_t from, before, taken, shown;
	struct bytes all;

	if (begin_run(s, p.id))
		return -1;
	from = s->texts.len;
	before = s->held.len;
	if (buf_append(&s->texts, buf_bytes(&s->held)) || buf_append(&s->texts, p.text))
		return -1;
	all = since(s, from);
	taken = search(s, p.text);
	shown = before + taken - (bytes_set(s->met) ? s->met.n : waiting(s));
	buf_reset(&s->held);
	if (!bytes_set(s->met) && buf_append(&s->held, bytes_slice(all, shown, all.n - shown)))
		return -1;
	p.text = bytes_slice(all, 0, shown);
	return p.text.n ? put(s, p) : 0;
}

/* Room first: texts of the parts before must not move. What waits may be written again with each part, and its id. */
static int make_room(struct stop_cut *s, const struct delta *d)
{
	size_t n = s->longest + s->id.len;

	for (size_t i = 0; i < d->len; i++)
		if (d->parts[i].type == PART_TEXT)
			n += d->parts[i].text.n + d->parts[i].id.n + 2 * s->longest;
	buf_reset(&s->texts);
	return buf_reserve(&s->texts, n);
}

/* Whether a part ends the run before it: one that shows nothing does not. */
static bool is_other(const struct part *p)
{
	return p->type != PART_TEXT && !part_is_empty(p);
}

static int take_parts(struct stop_cut *s, const struct delta *d)
{
	for (size_t i = 0; i < d->len && !bytes_set(s->met); i++) {
		struct part p = d->parts[i];

		if (p.type == PART_TEXT) {
			if (take_text(s, p))
				return -1;
			continue;
		}
		if ((is_other(&p) && end_run(s)) || put(s, p))
			return -1;
	}
	return 0;
}

int stop_cut_take(struct stop_cut *s, struct delta *d, bool last)
{
	bool met = bytes_set(s->met);

	s->nparts = 0;
	if (!met) {
		if (make_room(s, d) || take_parts(s, d))
			return -1;
		if (!bytes_set(s->met) && (last || d->finish != FINISH_UNSET) && end_run(s))
			return -1;
	}
	/* an event with less in it than it came with is not passed on as it came */
	d->forward = d->beyond = false;
	d->alike = d->mended = (struct bytes){ NULL, 0 };
	d->nholes = 0;
	d->parts = s->parts;
	d->len = s->nparts;
	if (!bytes_set(s->met))
		return 0;
	d->annotations = d->stop_explanation = (struct bytes){ NULL, 0 };
	d->finish = met ? FINISH_UNSET : FINISH_STOP_SEQUENCE; /* once */
	d->stop_sequence = met ? (struct bytes){ NULL, 0 } : s->met;
	return 0;
}

bool stop_cut_met(const struct stop_cut *s)
{
	return bytes_set(s->met);
}

/* ---- a whole answer ---- */

void stop_cut_result(struct stop_cut *s, struct result *r)
{
	for (size_t i = 0; i < r->len; i++) {
		struct block *b = &r->content[i];
		size_t taken;

		if (b->type != BLOCK_TEXT)
			continue;
		forget(s);
		taken = search(s, b->text);
		if (!bytes_set(s->met))
			continue;
		b->text = bytes_slice(b->text, 0, taken - s->met.n);
		b->annotations = r->annotations = r->stop_explanation = (struct bytes){ NULL, 0 };
		r->len = i + 1;
		r->finish = FINISH_STOP_SEQUENCE;
		r->stop_sequence = s->met;
	}
	r->document = (struct bytes){ NULL, 0 };
}

/* ---- its life ---- */

static int take_stops(struct stop_cut *s, const struct inference *inf)
{
	size_t bytes = 0;

	for (size_t i = 0; i < inf->nstop; i++) {
		bytes += inf->stop[i].n;
		if (s->n == STOP_CUT_SEQUENCES || bytes > STOP_CUT_BYTES)
			return fail(
				ERR_INVALID_REQUEST,
				"more than %d stop sequences, or more than %u bytes of them, for a provider that has none itself",
				STOP_CUT_SEQUENCES, STOP_CUT_BYTES);
		if (inf->stop[i].n && !prepare(&s->stops[s->n++], inf->stop[i], s->arena))
			return -1;
		if (inf->stop[i].n > s->longest)
			s->longest = inf->stop[i].n;
	}
	return 0;
}

struct stop_cut *stop_cut_new(const struct inference *inf, struct arena *a)
{
	struct stop_cut *s = arena_new(a, struct stop_cut);

	if (!s)
		return NULL;
	s->arena = a;
	s->stops = arena_array(a, struct stop, STOP_CUT_SEQUENCES);
	buf_init(&s->held, STOP_CUT_BYTES);
	buf_init(&s->texts, TEXT_MAX);
	buf_init(&s->id, ID_MAX);
	return s->stops && take_stops(s, inf) == 0 ? s : NULL;
}

void stop_cut_free(struct stop_cut *s)
{
	if (!s)
		return;
	buf_deinit(&s->held);
	buf_deinit(&s->texts);
	buf_deinit(&s->id);
}
