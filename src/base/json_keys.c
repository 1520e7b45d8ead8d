/*
 * Keys that stand twice in one object. Parsers differ in which of them counts, so a body that has such a key is two requests:
 * the one that was checked and recorded, and the one that an upstream may read.
 *
 * Most objects have a handful of keys, whose lengths alone tell them apart; those of large ones go into a map.
 */
#include "base/error.h"
#include "base/json.h"
#include "base/map.h"

#define FEW_KEYS  8
#define SHOWN_MAX 64 /* bytes of a key in a path */

struct level {
	const struct level *above;
	struct bytes key; /* unset: an element */
	size_t index;
};

static struct bytes path_of(const struct level *l, struct arena *a)
{
	struct bytes above;

	if (!l)
		return B("");
	above = path_of(l->above, a);
	if (!bytes_set(l->key))
		return arena_printf(a, "%.*s[%zu]", BFMT(above), l->index);
	return arena_printf(a, "%.*s%s%.*s", BFMT(above), above.n ? "." : "",
			    BFMT(bytes_head(l->key, SHOWN_MAX)));
}

static bool same_key(yyjson_val *a, yyjson_val *b)
{
	size_t n = unsafe_yyjson_get_len(a);

	return n == unsafe_yyjson_get_len(b) &&
	       !memcmp(unsafe_yyjson_get_str(a), unsafe_yyjson_get_str(b), n);
}

/* 1: there is one, *twice. -1: out of memory. */
static int in_few(yyjson_val *obj, yyjson_val **twice)
{
	yyjson_val *seen[FEW_KEYS], *key;
	yyjson_obj_iter it = yyjson_obj_iter_with(obj);
	size_t n = 0;

	while ((key = yyjson_obj_iter_next(&it))) {
		for (size_t i = 0; i < n; i++)
			if (same_key(seen[i], key)) {
				*twice = key;
				return 1;
			}
		seen[n++] = key;
	}
	return 0;
}

static int in_many(yyjson_val *obj, yyjson_val **twice)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(obj);
	yyjson_val *key;
	struct map seen;
	int r = 0;

	map_init(&seen);
	while (!r && (key = yyjson_obj_iter_next(&it))) {
		struct bytes name = json_str(key);

		*twice = key;
		r = map_get(&seen, name) ? 1 : map_put(&seen, name, key);
	}
	map_deinit(&seen);
	return r;
}

static int walk(yyjson_val *v, const struct level *above, struct arena *a, struct bytes *path)
{
	struct level here = { .above = above };
	yyjson_val *twice = NULL, *item;
	size_t i, max;
	int r = 0;

	if (yyjson_is_arr(v)) {
		yyjson_arr_foreach(v, i, max, item)
		{
			here.index = i;
			if (yyjson_is_ctn(item) && (r = walk(item, &here, a, path)))
				return r;
		}
		return 0;
	}
	r = yyjson_obj_size(v) <= FEW_KEYS ? in_few(v, &twice) : in_many(v, &twice);
	if (r) {
		here.key = json_str(twice);
		if (r > 0)
			*path = path_of(&here, a);
		return r > 0 && !bytes_set(*path) ? -1 : r;
	}
	yyjson_obj_foreach(v, i, max, twice, item)
	{
		here.key = json_str(twice);
		if (yyjson_is_ctn(item) && (r = walk(item, &here, a, path)))
			return r;
	}
	return 0;
}

int json_repeated_key(yyjson_val *root, struct arena *a, struct bytes *path)
{
	return yyjson_is_ctn(root) ? walk(root, NULL, a, path) : 0;
}
