/*
 * Joining a stream's deltas into the result that the record keeps (providers-openai §1.5).
 *
 * One slot a block, found by (kind, id); nearly always the last slot is the right one, so the search
 * begins there. Growing text stands in heap buffers, because arena memory that is outgrown would stay
 * until the end of the request: a long answer would cost twice its size. Finished views point into
 * these buffers, which is why gather_free() comes after the result was used.
 *
 * Raw events are joined by LF. Past the cap the middle goes: the first half stays, the second half is
 * a ring that always holds the newest bytes. The result says how much is missing and where; what stands there in the record is
 * the record's.
 */
#include "inference/inference.h"

#include <stdlib.h>

#include "base/answer_memory.h"
#include "base/error.h"

#define GATHER_MAX_BYTES     (128u << 20) /* of one block: an upstream body ends at 100 MiB */
#define GATHER_MAX_BLOCKS    1024 /* a text, a thought, 128 calls; unknown blocks come by id */
#define GATHER_MAX_SUMMARIES 1024
#define HOLD_STEP            (256u << 10) /* of the memory of answers, taken at a time */

struct gathered_summary {
	struct bytes id;
	struct buf text;
};

struct slot {
	enum part_type type;
	unsigned choice;
	struct bytes id;
	struct block block; /* what is not gathered piece by piece */
	struct buf text;    /* text, refusal, thought, unknown; arguments of a call */
	struct buf name, signature;
	bool has_text;
	struct gathered_summary *summaries;
	size_t nsummaries, csummaries;
};

struct gather {
	struct arena *arena;
	struct slot *slots;
	size_t len, cap, last;
	struct result so_far; /* without its content and its texts */
	struct buf raw_usage;
	/* raw text: `raw` up to half of the cap, then the ring */
	struct buf raw;
	size_t raw_max, tail_max;
	char *tail;
	size_t tail_at, tail_len;
	uint64_t raw_total;
	bool content, outline;
	struct answer_hold hold;
	size_t texts;  /* bytes that are kept */
	bool text_cut; /* texts went on that were not */
	unsigned own;  /* the choice that is the result's own content */
	enum finish_reason finishes[CHOICES_MAX];
	const char *alike; /* the last delta's: what all of these have in common is known already */
};

struct gather *gather_new(struct arena *a, size_t max_raw)
{
	struct gather *g = arena_new(a, struct gather);

	if (!g)
		return NULL;
	g->arena = a;
	g->tail_max = max_raw / 2;
	g->raw_max = max_raw - g->tail_max;
	usage_init(&g->so_far.usage);
	buf_init(&g->raw, max_raw + 1);
	buf_init(&g->raw_usage, GATHER_MAX_BYTES);
	return g;
}

void gather_outline(struct gather *g)
{
	g->outline = true;
	g->raw_max = g->tail_max = 0;
}

static int tail_add(struct gather *g, struct bytes b)
{
	if (g->tail_max == 0 || b.n == 0)
		return 0;
	if (!g->tail) {
		g->tail = malloc(g->tail_max);
		if (!g->tail)
			return fail(ERR_OUT_OF_MEMORY, "out of memory");
	}
	if (b.n > g->tail_max)
		b = bytes_slice(b, b.n - g->tail_max, g->tail_max);
	while (b.n > 0) {
		size_t n = g->tail_max - g->tail_at;

		n = n < b.n ? n : b.n;
		memcpy(g->tail + g->tail_at, b.p, n);
		g->tail_at = (g->tail_at + n) % g->tail_max;
		g->tail_len = g->tail_len + n < g->tail_max ? g->tail_len + n : g->tail_max;
		b = bytes_slice(b, n, b.n);
	}
	return 0;
}

/* Whether n bytes more may be kept. */
static bool has_room(struct gather *g, size_t n)
{
	size_t now = g->texts + g->raw.len + n;

	return now <= g->hold.n || answer_hold_take(&g->hold, (now - g->hold.n + HOLD_STEP - 1) /
								      HOLD_STEP * HOLD_STEP);
}

/* A text's next piece, as far as the record keeps it. */
static int text_add(struct gather *g, struct buf *to, struct bytes text)
{
	if (!text.n || g->text_cut)
		return 0;
	g->text_cut = g->texts + text.n > RESULT_KEPT || !has_room(g, text.n);
	if (g->text_cut)
		return 0;
	g->texts += text.n;
	return buf_append(to, text);
}

static int raw_add(struct gather *g, struct bytes b)
{
	size_t room = g->raw.len < g->raw_max ? g->raw_max - g->raw.len : 0;
	struct bytes head = bytes_slice(b, 0, room);

	g->raw_total += b.n;
	if (head.n &&
	    !has_room(g, head.n)) { /* cut in the middle, as ever: the end is in the ring */
		g->raw_max = g->raw.len;
		head.n = 0;
	}
	if (head.n > 0 && buf_append(&g->raw, head))
		return -1;
	return tail_add(g, bytes_slice(b, head.n, b.n));
}

void gather_choice(struct gather *g, unsigned choice)
{
	g->own = choice;
}

static struct slot *find(struct gather *g, const struct part *p)
{
	if (g->len == 0)
		return NULL;
	for (size_t n = 0, i = g->last; n < g->len; n++, i = i ? i - 1 : g->len - 1) {
		struct slot *s = &g->slots[i];

		if (s->type == p->type && s->choice == p->choice && bytes_eq(s->id, p->id)) {
			g->last = i;
			return s;
		}
	}
	return NULL;
}

static struct slot *add(struct gather *g, const struct part *p)
{
	static const enum block_type types[] = { [PART_TEXT] = BLOCK_TEXT,
						 [PART_TOOL_CALL] = BLOCK_TOOL_CALL,
						 [PART_THOUGHT] = BLOCK_THOUGHT,
						 [PART_UNKNOWN] = BLOCK_UNKNOWN,
						 [PART_REFUSAL] = BLOCK_REFUSAL };
	struct slot s = { .type = p->type,
			  .choice = p->choice,
			  .id = arena_dup(g->arena, p->id),
			  .block = { .type = types[p->type] } };

	if (g->len >= GATHER_MAX_BLOCKS)
		return fail_null(ERR_TOO_LARGE, "an answer of more than %d blocks",
				 GATHER_MAX_BLOCKS);
	if (bytes_set(p->id) && !bytes_set(s.id))
		return NULL;
	buf_init(&s.text, GATHER_MAX_BYTES);
	buf_init(&s.name, GATHER_MAX_BYTES);
	buf_init(&s.signature, GATHER_MAX_BYTES);
	if (!arena_push(g->arena, g->slots, g->len, g->cap, s))
		return NULL;
	g->last = g->len - 1;
	return &g->slots[g->last];
}

static int keep(struct gather *g, struct bytes *to, struct bytes from)
{
	if (!bytes_set(from) || (bytes_set(*to) && bytes_eq(*to, from)))
		return 0;
	*to = arena_dup(g->arena, from);
	return bytes_set(*to) ? 0 : -1;
}

static int summary_add(struct gather *g, struct slot *s, const struct part *p)
{
	struct gathered_summary fresh = { .id = p->summary_id };
	size_t i = 0;

	if (!bytes_set(p->summary_text))
		return 0;
	while (i < s->nsummaries && !bytes_eq(s->summaries[i].id, p->summary_id))
		i++;
	if (i == s->nsummaries) {
		if (i == GATHER_MAX_SUMMARIES)
			return fail(ERR_TOO_LARGE, "a thought of too many summaries");
		fresh.id = arena_dup(g->arena, p->summary_id);
		buf_init(&fresh.text, GATHER_MAX_BYTES);
		if (!arena_push(g->arena, s->summaries, s->nsummaries, s->csummaries, fresh))
			return -1;
	}
	return buf_append(&s->summaries[i].text, p->summary_text);
}

static int part_add(struct gather *g, const struct part *p)
{
	struct slot *s = find(g, p);

	if (!s) {
		if (part_is_empty(p))
			return 0;
		s = add(g, p);
		if (!s)
			return -1;
		g->content = true;
	}
	if (g->outline)
		return 0;
	if (keep(g, &s->block.item_id, p->item_id))
		return -1;
	switch (p->type) {
	case PART_TOOL_CALL:
		s->block.custom |= p->custom;
		return buf_append(&s->name, p->name) || text_add(g, &s->text, p->arguments) ? -1
											    : 0;
	case PART_UNKNOWN: buf_reset(&s->text); return buf_append(&s->text, p->text);
	case PART_THOUGHT:
		s->has_text |= bytes_set(p->text);
		if (keep(g, &s->block.provider_type, p->provider_type) ||
		    keep(g, &s->block.extra_data, p->extra_data) || summary_add(g, s, p) ||
		    buf_append(&s->signature, p->signature))
			return -1;
		break;
	case PART_TEXT:
	case PART_REFUSAL: break;
	}
	return text_add(g, &s->text, p->text);
}

int gather_add(struct gather *g, const struct delta *d)
{
	struct result *r = &g->so_far;

	if (d->raw.n > 0) {
		if ((g->raw_total > 0 && raw_add(g, B("\n"))) || raw_add(g, d->raw))
			return -1;
	}
	for (size_t i = 0; i < d->len; i++)
		if (part_add(g, &d->parts[i]))
			return -1;
	if (bytes_set(d->alike) && d->alike.p == g->alike)
		return 0;
	g->alike = d->alike.p;
	if (d->has_usage)
		usage_max(&r->usage, &d->usage);
	if (bytes_set(d->raw_usage)) {
		buf_reset(&g->raw_usage);
		if (buf_append(&g->raw_usage, d->raw_usage))
			return -1;
	}
	for (unsigned i = 0; i < CHOICES_MAX; i++)
		if (delta_finish(d, i) != FINISH_UNSET)
			g->finishes[i] = delta_finish(d, i);
	return keep(g, &r->annotations, d->annotations) ||
			       keep(g, &r->provider_id, d->provider_id) ||
			       keep(g, &r->provider_model, d->provider_model) ||
			       keep(g, &r->service_tier, d->service_tier) ||
			       keep(g, &r->system_fingerprint, d->system_fingerprint) ||
			       keep(g, &r->stop_sequence, d->stop_sequence) ||
			       keep(g, &r->stop_explanation, d->stop_explanation)
		       ? -1
		       : 0;
}

static int block_of(struct gather *g, const struct slot *s, struct block *b)
{
	*b = s->block;
	if (s->type == PART_TOOL_CALL) {
		b->id = s->id;
		b->name = buf_bytes(&s->name);
		b->arguments = buf_bytes(&s->text);
		return 0;
	}
	if (s->type != PART_THOUGHT || s->has_text)
		b->text = buf_bytes(&s->text);
	if (s->signature.len > 0)
		b->signature = buf_bytes(&s->signature);
	if (s->nsummaries == 0)
		return 0;
	b->nsummaries = s->nsummaries;
	b->summaries = arena_array(g->arena, struct summary, s->nsummaries);
	if (!b->summaries)
		return -1;
	for (size_t i = 0; i < s->nsummaries; i++)
		b->summaries[i] = (struct summary){ .id = s->summaries[i].id,
						    .text = buf_bytes(&s->summaries[i].text) };
	return 0;
}

/* A character that the cut went through is left out: rows are UTF-8. */
static void whole_characters(struct gather *g)
{
	g->raw.len = bytes_whole(buf_bytes(&g->raw)).n;
	while (g->tail_len > 0 &&
	       utf8_continues(g->tail[(g->tail_at + g->tail_max - g->tail_len) % g->tail_max]))
		g->tail_len--;
}

static bool raw_is_cut(const struct gather *g)
{
	return g->raw_total > g->raw_max + g->tail_max;
}

static int raw_finish(struct gather *g, struct result *out)
{
	size_t from, first;

	if (g->tail_max == 0 || !g->tail)
		return 0;
	if (raw_is_cut(g)) {
		whole_characters(g);
		out->raw_gap = g->raw.len;
		out->raw_missing = g->raw_total - g->raw.len - g->tail_len;
	}
	from = (g->tail_at + g->tail_max - g->tail_len) % g->tail_max;
	first = g->tail_len < g->tail_max - from ? g->tail_len : g->tail_max - from;
	if (buf_append(&g->raw, (struct bytes){ g->tail + from, first }) ||
	    buf_append(&g->raw, (struct bytes){ g->tail, g->tail_len - first }))
		return -1;
	g->tail_len = g->tail_at = 0;
	return 0;
}

/* The content of one choice. */
static int content_of(struct gather *g, unsigned choice, struct result *out)
{
	out->choice = choice;
	out->finish = g->finishes[choice];
	for (size_t i = 0; i < g->len; i++) {
		struct block b;

		if (g->slots[i].choice != choice)
			continue;
		if (block_of(g, &g->slots[i], &b) ||
		    !arena_push(g->arena, out->content, out->len, out->cap, b))
			return -1;
	}
	return 0;
}

/* Whether anything came of it. */
static bool has_choice(const struct gather *g, unsigned choice)
{
	size_t i = 0;

	while (i < g->len && g->slots[i].choice != choice)
		i++;
	return i < g->len || g->finishes[choice] != FINISH_UNSET;
}

static int add_others(struct gather *g, struct result *out)
{
	for (unsigned i = 0; i < CHOICES_MAX; i++) {
		struct result other = { 0 };

		if (i == g->own || !has_choice(g, i))
			continue;
		usage_init(&other.usage);
		if (content_of(g, i, &other) ||
		    !arena_push(g->arena, out->others, out->nothers, out->cothers, other))
			return -1;
	}
	return 0;
}

int gather_finish(struct gather *g, struct result *out)
{
	size_t i;

	*out = g->so_far;
	if (content_of(g, g->own, out) || add_others(g, out))
		return -1;
	i = 0;
	while (i < out->len && out->content[i].type != BLOCK_TEXT)
		i++;
	if (i < out->len)
		out->content[i].annotations = out->annotations;
	if (raw_finish(g, out))
		return -1;
	out->raw_response = buf_bytes(&g->raw);
	if (g->raw_usage.len > 0)
		out->raw_usage = buf_bytes(&g->raw_usage);
	return 0;
}

bool gather_has_content(const struct gather *g)
{
	return g->content;
}

bool gather_raw_cut(const struct gather *g)
{
	return g->text_cut || raw_is_cut(g);
}

void gather_free(struct gather *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->len; i++) {
		struct slot *s = &g->slots[i];

		buf_deinit(&s->text);
		buf_deinit(&s->name);
		buf_deinit(&s->signature);
		for (size_t j = 0; j < s->nsummaries; j++)
			buf_deinit(&s->summaries[j].text);
	}
	answer_hold_give(&g->hold);
	buf_deinit(&g->raw);
	buf_deinit(&g->raw_usage);
	free(g->tail);
	g->tail = NULL;
	g->len = 0;
}
