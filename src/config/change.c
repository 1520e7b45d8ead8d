#include "config/change.h"

#include <string.h>

#include "config/tables.h"

/* ---- what differs ---- */

/* `shown`: one of the two, of which either may not be there. */
static int add_change(struct config_changes *list, struct arena *a,
		      const struct config_entry *shown, const struct config_entry *old,
		      const struct config_entry *new)
{
	const struct config_entry *place = old && !bytes_set(shown->file) ? old : shown;
	struct config_change c = { .key = shown->key,
				   .old = old ? old->value : (struct bytes){ 0 },
				   .new = new ? new->value : (struct bytes){ 0 },
				   .file = place->file,
				   .line = place->line,
				   .restart = shown->at_start };

	return arena_push(a, list->at, list->len, list->cap, c) ? 0 : -1;
}

int config_changes(const struct config *from, const struct config *to, struct config_changes *out,
		   struct arena *a)
{
	struct config_entries olds = { .arena = a }, news = { .arena = a };
	size_t i = 0, k = 0;
	int bad = config_entries(from, &olds) || config_entries(to, &news) ? -1 : 0;

	*out = (struct config_changes){ 0 };
	if (!olds.at || !news.at) /* there are always defaults */
		return -1;
	while (!bad && (i < olds.len || k < news.len)) {
		int order = i == olds.len   ? 1
			    : k == news.len ? -1
					    : bytes_cmp(olds.at[i].key, news.at[k].key);

		if (order < 0)
			bad = add_change(out, a, &olds.at[i], &olds.at[i], NULL);
		else if (order > 0)
			bad = add_change(out, a, &news.at[k], NULL, &news.at[k]);
		else if (!bytes_eq(olds.at[i].value, news.at[k].value))
			bad = add_change(out, a, &news.at[k], &olds.at[i], &news.at[k]);
		i += order <= 0;
		k += order >= 0;
	}
	return bad;
}

/* ---- what stays ---- */

static size_t size_of(enum key_kind kind)
{
	switch (kind) {
	case KEY_STRING: return sizeof(struct bytes);
	case KEY_BOOL:
	case KEY_SWITCH: return sizeof(bool);
	case KEY_U64:
	case KEY_I64: return sizeof(uint64_t);
	case KEY_U32: return sizeof(uint32_t);
	case KEY_INT:
	case KEY_FLAG:
	case KEY_CHOICE: return sizeof(int);
	case KEY_BITS: return sizeof(unsigned);
	case KEY_STRINGS: return sizeof(struct strings);
	default: return 0; /* kept by hand, if at all */
	}
}

void config_keep(struct config *next, const struct config *first)
{
	for (const struct known_table *t = known_tables; t->name; t++)
		for (size_t i = 0; i < t->table->nkeys; i++) {
			const struct key *k = &t->table->keys[i];
			size_t offset = k->kept_size ? k->kept_offset : k->offset,
			       size = k->kept_size ? k->kept_size : size_of(k->kind);

			if (k->at_start || (t->table->at_start && !k->at_once))
				memcpy((char *)next + offset, (const char *)first + offset, size);
		}
}
