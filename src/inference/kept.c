/*
 * What the record keeps of one answer. A stream is capped while it is gathered (gather.c); a plain answer is all there when it
 * is recorded, and printing it whole would hold it two or three times more. So before anything is printed the result is
 * copied, without its bytes: views that end earlier, and fewer of them.
 */
#include "inference/inference.h"

/* Takes what fits of a text, up to a whole character. */
static void take_text(struct bytes *text, size_t *room, bool *cut)
{
	if (text->n > *room) {
		*text = bytes_whole(bytes_slice(*text, 0, *room));
		*room = 0;
		*cut = true;
	} else {
		*room -= text->n;
	}
}

/* JSON is kept whole or not at all. */
static void take_json(struct bytes *json, size_t *room, bool *cut)
{
	if (json->n > *room) {
		*json = (struct bytes){ NULL, 0 };
		*cut = true;
	} else {
		*room -= json->n;
	}
}

static int take_summaries(struct block *b, struct arena *a, size_t *room, bool *cut)
{
	struct summary *kept = arena_array(a, struct summary, b->nsummaries);

	if (!kept)
		return -1;
	for (size_t i = 0; i < b->nsummaries; i++) {
		kept[i] = b->summaries[i];
		take_text(&kept[i].text, room, cut);
	}
	b->summaries = kept;
	return 0;
}

static int take_block(struct block *b, struct arena *a, size_t *room, bool *cut)
{
	bool json = b->type == BLOCK_UNKNOWN || b->type == BLOCK_AUDIO;

	take_text(&b->id, room, cut);
	take_text(&b->name, room, cut);
	(json ? take_json : take_text)(&b->text, room, cut);
	take_text(&b->arguments, room, cut);
	take_text(&b->signature, room, cut);
	take_json(&b->extra_data, room, cut);
	if (json && !bytes_set(b->text))
		b->text = B("null");
	return b->nsummaries ? take_summaries(b, a, room, cut) : 0;
}

/* The blocks that begin within the room, each counted with what its row takes beside its texts. */
static int take_content(struct result *r, struct arena *a, size_t *room, bool *cut)
{
	size_t n = 0, most = *room / sizeof(struct block);
	struct block *kept;

	most = most < r->len ? most : r->len;
	kept = arena_array(a, struct block, most + 1);
	if (!kept)
		return -1;
	for (; n<most && * room> sizeof *kept; n++) {
		*room -= sizeof *kept;
		kept[n] = r->content[n];
		if (take_block(&kept[n], a, room, cut))
			return -1;
	}
	*cut |= n < r->len;
	r->content = kept;
	r->len = r->cap = n;
	return 0;
}

static int take_others(struct result *r, struct arena *a, size_t *room, bool *cut)
{
	struct result *kept = arena_array(a, struct result, r->nothers + 1);

	if (!kept)
		return -1;
	for (size_t i = 0; i < r->nothers; i++) {
		kept[i] = r->others[i];
		if (take_content(&kept[i], a, room, cut))
			return -1;
	}
	r->others = kept;
	return 0;
}

static size_t block_size(const struct block *b)
{
	size_t n = sizeof *b + b->id.n + b->name.n + b->text.n + b->arguments.n + b->signature.n +
		   b->extra_data.n;

	for (size_t i = 0; i < b->nsummaries; i++)
		n += b->summaries[i].text.n;
	return n;
}

size_t result_size(const struct result *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->len; i++)
		n += block_size(&r->content[i]);
	for (size_t i = 0; i < r->nothers; i++)
		n += result_size(&r->others[i]);
	return n;
}

const struct result *result_kept(const struct result *all, size_t room, struct arena *a, bool *cut)
{
	struct result *kept;

	if (result_size(all) <= room)
		return all;
	kept = arena_new(a, struct result);
	if (!kept)
		return NULL;
	*kept = *all;
	return take_content(kept, a, &room, cut) || take_others(kept, a, &room, cut) ? NULL : kept;
}
