/* See think_tags.h. */
#include "wire/openai_chat/think_tags.h"

#define OPEN  B("<think>")
#define CLOSE B("</think>")

/* How many bytes at the end of the text may be the beginning of a tag. */
static size_t may_begin(struct bytes text, struct bytes tag)
{
	size_t n = text.n < tag.n - 1 ? text.n : tag.n - 1;

	while (n > 0 && memcmp(text.p + text.n - n, tag.p, n) != 0)
		n--;
	return n;
}

static int give(const struct think_tags *t, struct bytes piece, think_piece *each, void *ctx)
{
	return piece.n ? each(ctx, t->inside, t->pairs, piece) : 0;
}

int think_feed(struct think_tags *t, struct bytes text, struct arena *a, think_piece *each,
	       void *ctx)
{
	if (t->nheld)
		text = arena_cat(a, (struct bytes){ t->held, t->nheld }, text);
	if (!bytes_set(text))
		return -1;
	t->nheld = 0;
	for (;;) {
		struct bytes tag = t->inside ? CLOSE : OPEN;
		ptrdiff_t at = bytes_find(text, tag);

		if (at < 0)
			break;
		if (give(t, bytes_slice(text, 0, (size_t)at), each, ctx))
			return -1;
		text = bytes_slice(text, (size_t)at + tag.n, text.n);
		t->inside = !t->inside;
		t->pairs += t->inside;
	}
	t->nheld = may_begin(text, t->inside ? CLOSE : OPEN);
	memcpy(t->held, text.p + text.n - t->nheld, t->nheld);
	return give(t, bytes_slice(text, 0, text.n - t->nheld), each, ctx);
}

int think_end(struct think_tags *t, struct arena *a, think_piece *each, void *ctx)
{
	struct bytes rest = arena_dup(a, (struct bytes){ t->held, t->nheld });

	if (!bytes_set(rest))
		return -1;
	t->nheld = 0;
	return give(t, rest, each, ctx);
}
