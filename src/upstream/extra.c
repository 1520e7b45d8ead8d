/*
 * Edits on a finished provider request. The body is parsed into a mutable document with raw numbers,
 * so that everything an entry does not name is printed as it was. Texts are TensorZero's, since
 * deployments match on them.
 */
#include "upstream/extra.h"

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "config/read.h"

static bool names(struct bytes filter, struct bytes have)
{
	return !bytes_set(filter) || bytes_eq(filter, have);
}

static bool holds(const struct extra *e, const struct extra_scope *s)
{
	return names(e->variant_name, s->variant_name) && names(e->model_name, s->model_name) &&
	       names(e->provider_name, s->provider_name);
}

bool extras_apply(const struct extras *list, const struct extra_scope *scope)
{
	for (size_t i = 0; i < list->len; i++)
		if (holds(&list->at[i], scope))
			return true;
	return false;
}

struct edit {
	yyjson_mut_doc *doc;
	struct bytes pointer;
	yyjson_mut_val *value; /* NULL: remove */
	bool fill_with_last;
	struct arena *arena;
};

/* `why`, a format, in the frame that TensorZero puts around it. */
#define refuse(e, why, ...)                                                                \
	fail(ERR_EXTRA_BODY, "Error replacing extra body: `" why "` with pointer: `%.*s`", \
	     ##__VA_ARGS__, BFMT((e)->pointer))

static int nothing_to_delete(const struct edit *e)
{
	log_warn("upstream", "extra_body: nothing to delete", LB("key", e->pointer));
	return 0;
}

static int not_a_container(const struct edit *e, yyjson_mut_val *found)
{
	yyjson_alc alc = json_alc(e->arena);
	char *text = yyjson_mut_val_write_opts(found, YYJSON_WRITE_NOFLAG, &alc, NULL, NULL);

	return refuse(e, "Can only index into object or array - found target %s",
		      text ? text : "?");
}

/* ~1 is a slash, ~0 a tilde (RFC 6901 §4). */
static struct bytes unescape(struct bytes token, struct arena *a)
{
	char *out = arena_alloc_raw(a, token.n + 1);
	size_t n = 0;

	if (!out)
		return (struct bytes){ NULL, 0 };
	for (size_t i = 0; i < token.n; i++) {
		if (token.p[i] == '~' && i + 1 < token.n &&
		    (token.p[i + 1] == '0' || token.p[i + 1] == '1'))
			out[n++] = token.p[++i] == '1' ? '/' : '~';
		else
			out[n++] = token.p[i];
	}
	return (struct bytes){ out, n };
}

/* An array index as serde_json's pointer reads it: digits, no leading zero but "0" itself. */
static bool as_index(struct bytes token, uint64_t *index)
{
	return bytes_to_u64(token, index) && (token.n == 1 || token.p[0] != '0');
}

static int no_index(const struct edit *e, struct bytes token, size_t len)
{
	return refuse(e, "Could not find array index %.*s in target array (len %zu)", BFMT(token),
		      len);
}

static int no_container(const struct edit *e, struct bytes token)
{
	return refuse(
		e,
		"TensorZero doesn't support pointing an index (%.*s) if its container doesn't exist. We'd love to hear about your use case (& help)! Please open a GitHub Discussion: https://github.com/tensorzero/tensorzero/discussions/new",
		BFMT(token));
}

static int put_in_array(struct edit *e, yyjson_mut_val *array, struct bytes token)
{
	size_t len = yyjson_mut_arr_size(array);
	uint64_t index;

	if (bytes_eq(token, B("-"))) {
		if (!e->value)
			return refuse(e, "Cannot delete using array append operator `-`");
		return yyjson_mut_arr_append(array, e->value)
			       ? 0
			       : fail(ERR_OUT_OF_MEMORY, "out of memory");
	}
	if (!as_index(token, &index) || index >= len)
		return e->value ? no_index(e, token, len) : nothing_to_delete(e);
	if (e->value)
		yyjson_mut_arr_replace(array, index, e->value);
	else
		yyjson_mut_arr_remove(array, index);
	return 0;
}

/* Takes the member away; see fill_with_last. */
static bool remove_member(struct edit *e, yyjson_mut_val *object, struct bytes name)
{
	size_t n = yyjson_mut_obj_size(object), i = 0, at = n;
	yyjson_mut_val **pairs = arena_array(e->arena, yyjson_mut_val *, 2 * n + 1), *key, *value;
	yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(object);

	if (!e->fill_with_last || !pairs)
		return yyjson_mut_obj_remove_keyn(object, name.p, name.n) != NULL;
	while ((key = yyjson_mut_obj_iter_next(&it))) {
		value = yyjson_mut_obj_iter_get_val(key);
		pairs[2 * i] = key;
		pairs[2 * i + 1] = value;
		if (yyjson_mut_equals_strn(key, name.p, name.n))
			at = i;
		i++;
	}
	if (at == n)
		return false;
	yyjson_mut_obj_clear(object);
	for (i = 0; i + 1 < n; i++) {
		size_t from = i == at ? n - 1 : i;

		yyjson_mut_obj_add(object, pairs[2 * from], pairs[2 * from + 1]);
	}
	return true;
}

static int put_in_object(struct edit *e, yyjson_mut_val *object, struct bytes token)
{
	bool there = yyjson_mut_obj_getn(object, token.p, token.n) != NULL;
	yyjson_mut_val *key;
	uint64_t index;

	if (!e->value)
		return remove_member(e, object, token) ? 0 : nothing_to_delete(e);
	if (!there && as_index(token, &index))
		return no_container(e, token);
	key = yyjson_mut_strn(e->doc, token.p, token.n);
	/* replaces in place, so that the key order of the body stays */
	if (key && (there ? yyjson_mut_obj_replace(object, key, e->value)
			  : yyjson_mut_obj_add(object, key, e->value)))
		return 0;
	return fail(ERR_OUT_OF_MEMORY, "out of memory");
}

/* The container below `at`; a missing one is made as an object. *next NULL: there is nothing to delete. */
static int step(struct edit *e, yyjson_mut_val *at, struct bytes token, yyjson_mut_val **next)
{
	yyjson_mut_val *key;
	uint64_t index;

	*next = NULL;
	if (yyjson_mut_is_arr(at) && bytes_eq(token, B("-"))) {
		if (!e->value)
			return refuse(e, "Cannot delete using array append operator `-`");
		return refuse(e,
			      "Array append operator `-` can only be used at the end of a pointer");
	}
	if (yyjson_mut_is_arr(at)) {
		*next = as_index(token, &index) ? yyjson_mut_arr_get(at, index) : NULL;
		return *next || !e->value ? 0 : no_index(e, token, yyjson_mut_arr_size(at));
	}
	if (!yyjson_mut_is_obj(at))
		return e->value ? not_a_container(e, at) : 0;
	*next = yyjson_mut_obj_getn(at, token.p, token.n);
	if (*next || !e->value)
		return 0;
	if (as_index(token, &index))
		return no_container(e, token);
	key = yyjson_mut_strn(e->doc, token.p, token.n);
	*next = yyjson_mut_obj(e->doc);
	return key && *next && yyjson_mut_obj_add(at, key, *next)
		       ? 0
		       : fail(ERR_OUT_OF_MEMORY, "out of memory");
}

static int walk(struct edit *e)
{
	yyjson_mut_val *at = yyjson_mut_doc_get_root(e->doc), *next = NULL;
	struct bytes rest = e->pointer, token;

	if (rest.n == 0)
		return refuse(e, "Pointer cannot be empty");
	if (rest.p[0] != '/')
		return refuse(e, "Pointer must start with '/'");
	if (rest.p[rest.n - 1] == '/')
		return refuse(e, "Pointer cannot end with '/'");
	rest = bytes_slice(rest, 1, rest.n);
	while (bytes_chr(rest, '/') >= 0) {
		token = unescape(bytes_cut(&rest, '/'), e->arena);
		if (!bytes_set(token) || step(e, at, token, &next))
			return -1;
		if (!next)
			return nothing_to_delete(e);
		at = next;
	}
	token = unescape(rest, e->arena);
	if (!bytes_set(token))
		return -1;
	if (yyjson_mut_is_arr(at))
		return put_in_array(e, at, token);
	if (yyjson_mut_is_obj(at))
		return put_in_object(e, at, token);
	return e->value ? not_a_container(e, at) : nothing_to_delete(e);
}

static int apply_list(yyjson_mut_doc *doc, const struct extras *list,
		      const struct extra_scope *scope, struct arena *a)
{
	yyjson_alc alc = json_alc(a);

	for (size_t i = 0; i < list->len; i++) {
		const struct extra *x = &list->at[i];
		struct edit e = { .doc = doc,
				  .pointer = x->pointer,
				  .arena = a,
				  .fill_with_last = scope->fill_with_last };

		if (!holds(x, scope))
			continue;
		if (!x->remove) {
			yyjson_doc *v = yyjson_read_opts((char *)(uintptr_t)x->value.p, x->value.n,
							 YYJSON_READ_NUMBER_AS_RAW, &alc, NULL);

			e.value = v ? yyjson_val_mut_copy(doc, yyjson_doc_get_root(v)) : NULL;
			if (!e.value)
				return refuse(&e, "the value is not JSON");
		}
		if (walk(&e))
			return -1;
	}
	return 0;
}

/* yyjson writes \u001F, all else here \u001f. */
static void lower_escapes(char *text, size_t n)
{
	for (char *end = text + n, *at = text; (at = memchr(at, '\\', (size_t)(end - at))); at += 2)
		for (size_t i = 2; at[1] == 'u' && i < 6; i++)
			at[i] = (char)(at[i] >= 'A' && at[i] <= 'F' ? at[i] + 32 : at[i]);
}

int extra_body_apply(struct bytes *body, const struct extras *provider,
		     const struct extras *request, const struct extra_scope *scope, struct arena *a)
{
	yyjson_alc alc = json_alc(a);
	yyjson_doc *read;
	yyjson_mut_doc *doc;
	char *text;
	size_t n;

	if (!extras_apply(provider, scope) && !extras_apply(request, scope))
		return 0;
	read = yyjson_read_opts((char *)(uintptr_t)body->p, body->n, YYJSON_READ_NUMBER_AS_RAW,
				&alc, NULL);
	doc = read ? yyjson_doc_mut_copy(read, &alc) : NULL;
	if (!doc)
		return fail(ERR_OUT_OF_MEMORY, "out of memory");
	if (apply_list(doc, provider, scope, a) || apply_list(doc, request, scope, a))
		return -1;
	text = yyjson_mut_write_opts(doc, YYJSON_WRITE_NOFLAG, &alc, &n, NULL);
	if (!text)
		return fail(ERR_OUT_OF_MEMORY, "out of memory");
	lower_escapes(text, n);
	*body = (struct bytes){ text, n };
	return 0;
}

int header_set(struct header_list *l, struct bytes name, struct bytes value, struct arena *a)
{
	struct http_header h = { name, value };

	for (size_t i = 0; i < l->len; i++)
		if (bytes_ieq(l->at[i].name, name)) {
			l->at[i].value = value;
			return 0;
		}
	return arena_push(a, l->at, l->len, l->cap, h) ? 0 : -1;
}

/* `delete` takes away only what an earlier entry of these lists has added (TensorZero). */
static int collect_headers(struct header_list *added, const struct extras *list,
			   const struct extra_scope *scope, struct arena *a)
{
	for (size_t i = 0; i < list->len; i++) {
		const struct extra *x = &list->at[i];

		if (!holds(x, scope))
			continue;
		if (!is_header_name(x->pointer))
			return fail(ERR_INTERNAL,
				    "Invalid header name `%.*s`: invalid HTTP header name",
				    BFMT(x->pointer));
		if (!x->remove && !is_header_value(x->value))
			return fail(ERR_INTERNAL,
				    "Invalid header value `%.*s`: failed to parse header value",
				    BFMT(x->value));
		if (!x->remove && header_set(added, x->pointer, x->value, a))
			return -1;
		for (size_t j = 0; x->remove && j < added->len; j++)
			if (bytes_ieq(added->at[j].name, x->pointer))
				added->at[j--] = added->at[--added->len];
	}
	return 0;
}

int extra_headers_apply(struct header_list *l, const struct extras *provider,
			const struct extras *request, const struct extra_scope *scope,
			struct arena *a)
{
	struct header_list added = { 0 };

	if (provider->len == 0 && request->len == 0)
		return 0;
	if (collect_headers(&added, provider, scope, a) ||
	    collect_headers(&added, request, scope, a))
		return -1;
	for (size_t i = 0; i < added.len; i++)
		if (header_set(l, added.at[i].name, added.at[i].value, a))
			return -1;
	return 0;
}
