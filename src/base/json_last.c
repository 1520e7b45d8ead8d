/*
 * Nearly no document has equal keys, so finding that out must be cheap: small objects by comparing all pairs, large ones by
 * sorting their keys. Only then is the document copied into one that can be changed.
 */
#include "base/json_last.h"

#include <stdlib.h>

#include "base/error.h"

#define COMPARED 12 /* members: up to these, all pairs */

struct member {
	struct bytes name;
	size_t at; /* its place in the object */
	yyjson_mut_val *key, *value;
};

static int by_name(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int order = bytes_cmp(x->name, y->name);

	return order ? order : x->at < y->at ? -1 : 1;
}

/* Whether two members of the object have one name; -1: out of memory. */
static int repeats(yyjson_val *object, struct arena *a)
{
	size_t n = unsafe_yyjson_get_len(object);
	yyjson_val *key = unsafe_yyjson_get_first(object);
	struct member few[COMPARED], *all = n > COMPARED ? arena_array(a, struct member, n) : few;

	if (!all)
		return -1;
	for (size_t i = 0; i < n; i++) {
		all[i] = (struct member){ .name = json_str(key), .at = i };
		key = unsafe_yyjson_get_next(key + 1);
	}
	if (n > COMPARED)
		qsort(all, n, sizeof *all, by_name);
	for (size_t i = 1; i < n; i++)
		for (size_t j = n > COMPARED ? i - 1 : 0; j < i; j++)
			if (bytes_eq(all[i].name, all[j].name))
				return 1;
	return 0;
}

static int any_repeats(yyjson_val *root, struct arena *a)
{
	yyjson_val *end = unsafe_yyjson_get_next(root);
	int found = 0;

	for (yyjson_val *v = root; v < end && !found; v++)
		if (unsafe_yyjson_is_obj(v) && unsafe_yyjson_get_len(v) > 1)
			found = repeats(v, a);
	return found;
}

/* The first of equal names gets the last one's value, the others go. */
static int keep_last(yyjson_mut_val *object, struct arena *a)
{
	yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(object);
	size_t n = yyjson_mut_obj_size(object), i = 0;
	struct member *sorted = arena_array(a, struct member, n + 1),
		      *placed = arena_array(a, struct member, n + 1);
	yyjson_mut_val *key;

	if (!sorted || !placed)
		return -1;
	while ((key = yyjson_mut_obj_iter_next(&it))) {
		struct bytes name = { yyjson_mut_get_str(key), yyjson_mut_get_len(key) };

		sorted[i] = (struct member){ name, i, key, yyjson_mut_obj_iter_get_val(key) };
		i++;
	}
	qsort(sorted, n, sizeof *sorted, by_name);
	for (i = 0; i < n; i++) {
		size_t first = i;

		while (i + 1 < n && bytes_eq(sorted[i + 1].name, sorted[first].name))
			i++;
		placed[sorted[first].at] =
			(struct member){ .key = sorted[first].key, .value = sorted[i].value };
	}
	yyjson_mut_obj_clear(object);
	for (i = 0; i < n; i++)
		if (placed[i].key && !yyjson_mut_obj_add(object, placed[i].key, placed[i].value))
			return -1;
	return 0;
}

/* Goes no deeper than JSON_MAX_DEPTH, which the parser kept. */
static int clean(yyjson_mut_val *v, struct arena *a)
{
	yyjson_mut_arr_iter list = yyjson_mut_arr_iter_with(v);
	yyjson_mut_obj_iter it;
	yyjson_mut_val *one;

	while ((one = yyjson_mut_arr_iter_next(&list)))
		if (clean(one, a))
			return -1;
	if (!yyjson_mut_is_obj(v) || yyjson_mut_obj_size(v) == 0)
		return 0;
	if (keep_last(v, a))
		return -1;
	it = yyjson_mut_obj_iter_with(v);
	while ((one = yyjson_mut_obj_iter_next(&it)))
		if (clean(yyjson_mut_obj_iter_get_val(one), a))
			return -1;
	return 0;
}

yyjson_val *json_last_of_keys(yyjson_val *root, struct arena *a)
{
	yyjson_alc alc = json_alc(a);
	int found = any_repeats(root, a);
	yyjson_mut_doc *doc;
	yyjson_doc *done;

	if (!found)
		return root;
	doc = found > 0 ? yyjson_mut_doc_new(&alc) : NULL;
	if (doc)
		yyjson_mut_doc_set_root(doc, yyjson_val_mut_copy(doc, root));
	if (!doc || !yyjson_mut_doc_get_root(doc) || clean(yyjson_mut_doc_get_root(doc), a) ||
	    !(done = yyjson_mut_doc_imut_copy(doc, &alc)))
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	return yyjson_doc_get_root(done);
}
