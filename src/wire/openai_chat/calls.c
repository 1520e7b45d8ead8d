/* See calls.h. */
#include "wire/openai_chat/calls.h"

#include "wire/call_ids.h"

static struct call *by_id(struct call_table *s, struct bytes id)
{
	if (id.n == 0)
		return NULL;
	for (size_t i = 0; i < s->len; i++)
		if (s->at[i].choice == s->choice && bytes_eq(s->at[i].id, id))
			return &s->at[i];
	return NULL;
}

static struct call *by_index(struct call_table *s, const struct entry *e)
{
	if (!e->has_index)
		return NULL;
	for (size_t i = 0; i < s->len; i++)
		if (s->at[i].choice == s->choice && s->at[i].has_index &&
		    s->at[i].index == e->index)
			return &s->at[i];
	return NULL;
}

static void label(struct call_table *s, struct call *c, const struct entry *e)
{
	struct call *old = by_index(s, e);

	if (!e->has_index || old == c)
		return;
	if (old)
		old->has_index = false;
	c->has_index = true;
	c->index = e->index;
}

static bool is_shown(const struct call_table *s, uint64_t index)
{
	for (size_t i = 0; i < s->len; i++)
		if (s->at[i].choice == s->choice && s->at[i].shown == index)
			return true;
	return false;
}

/* Calls of the choice that is read. */
static size_t calls_of_choice(const struct call_table *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->len; i++)
		n += s->at[i].choice == s->choice;
	return n;
}

/* The one of them that was touched last; NULL: there is none. */
static struct call *last_call(const struct call_table *s)
{
	struct call *last = NULL;

	for (size_t i = 0; i < s->len; i++)
		if (s->at[i].choice == s->choice && (!last || s->at[i].touched > last->touched))
			last = &s->at[i];
	return last;
}

/* NULL: too many, or out of memory (*full says which). */
static struct call *call_new(struct call_table *s, const struct entry *e, struct bytes id,
			     bool *full)
{
	struct call c = {
		.made = id.n == 0, .custom = e->custom, .shown = e->index, .choice = s->choice
	};
	char made[16];

	*full = s->len == MAX_CALLS;
	if (*full)
		return NULL;
	if (!e->has_index)
		c.shown = calls_of_choice(s);
	while (is_shown(s, c.shown))
		c.shown++;
	c.id = arena_dup(s->arena, id.n > 0 ? id : call_id_made(s->id, s->len, made));
	if (!bytes_set(c.id) || !arena_push(s->arena, s->at, s->len, s->cap, c))
		return NULL;
	label(s, &s->at[s->len - 1], e);
	return &s->at[s->len - 1];
}

struct call *call_resolve(struct call_table *s, const struct entry *e, bool *full, bool *lost)
{
	struct bytes none = { NULL, 0 };
	struct call *c = by_id(s, e->id), *at = by_index(s, e);

	*lost = false;
	if (c) {
		bool other = e->has_index && c->has_index && c->index != e->index;

		if (other && e->name.n > 0 && c->has_arguments)
			return call_new(s, e, none, full);
		label(s, c, e);
		return c;
	}
	if (e->id.n > 0)
		return at && at->made && !at->has_arguments ? at : call_new(s, e, e->id, full);
	if (at) {
		bool another = e->name.n > 0 && at->has_arguments && !bytes_eq(e->name, at->name);

		return another ? call_new(s, e, none, full) : at;
	}
	if (e->name.n > 0)
		return call_new(s, e, none, full);
	c = last_call(s);
	*lost = !c;
	return c;
}
