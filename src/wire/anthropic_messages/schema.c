/*
 * JSON Schemas as the API takes them (providers-others §2.4, §2.7). What it knows goes out as it came; only where something
 * else stands there the schema is printed anew: such keywords become words of the description, objects are closed. A schema
 * that would then mean something else (an open object, one that contains itself) cannot be said.
 */
#include "wire/anthropic_messages/write_request.h"

#define SCHEMA_MAX (64u << 20)
#define DEPTH_MAX  64
#define STEPS_MAX  20000 /* schemas that are looked at behind references */
#define MOVED_MAX  (64u << 10)

static bool is_in(struct bytes word, const struct bytes *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes_eq(list[i], word))
			return true;
	return false;
}

static struct bytes key_of(yyjson_val *key)
{
	return json_str(key);
}

/* ---- what is known ---- */

static bool is_scalar_list(yyjson_val *list)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *one;

	while ((one = yyjson_arr_iter_next(&it)))
		if (yyjson_is_ctn(one))
			return false;
	return yyjson_is_arr(list);
}

static bool is_known(struct bytes key, yyjson_val *v)
{
	static const struct bytes keys[] = { B("type"),  B("const"),       B("anyOf"),
					     B("allOf"), B("$ref"),        B("$defs"),
					     B("items"), B("definitions"), B("properties"),
					     B("title"), B("description"), B("required") };
	static const struct bytes formats[] = { B("date-time"), B("time"),  B("date"),
						B("duration"),  B("email"), B("hostname"),
						B("uri"),       B("ipv4"),  B("ipv6"),
						B("uuid") };

	if (bytes_eq(key, B("enum")))
		return is_scalar_list(v);
	if (bytes_eq(key, B("format")))
		return is_in(json_str(v), formats, COUNT(formats));
	if (bytes_eq(key, B("minItems")))
		return bytes_eq(json_raw(v), B("0")) || bytes_eq(json_raw(v), B("1"));
	if (bytes_eq(key, B("additionalProperties")))
		return yyjson_is_false(v);
	return is_in(key, keys, COUNT(keys));
}

static bool is_object(yyjson_val *schema)
{
	yyjson_val *type = json_get(schema, "type"), *one;
	yyjson_arr_iter it = yyjson_arr_iter_with(type);

	if (bytes_eq(json_str(type), B("object")) || json_get(schema, "properties"))
		return true;
	while ((one = yyjson_arr_iter_next(&it)))
		if (bytes_eq(json_str(one), B("object")))
			return true;
	return false;
}

/* Whether members that nobody named are allowed to be there on purpose. */
static bool is_open(yyjson_val *schema)
{
	yyjson_val *more = json_get(schema, "additionalProperties");

	if (json_get(schema, "patternProperties"))
		return true;
	if (more)
		return !yyjson_is_false(more);
	return is_object(schema) && !json_get(schema, "properties") && !json_get(schema, "$ref") &&
	       !json_get(schema, "anyOf") && !json_get(schema, "allOf");
}

/* ---- the walk ---- */

struct walk {
	yyjson_val *root;
	size_t steps;
	bool mend; /* something must be printed anew */
};

static bool can_say(struct walk *w, yyjson_val *schema, unsigned depth);

static bool can_say_list(struct walk *w, yyjson_val *list, unsigned depth)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *one;

	while ((one = yyjson_arr_iter_next(&it)))
		if (!can_say(w, one, depth))
			return false;
	return true;
}

static bool can_say_map(struct walk *w, yyjson_val *map, unsigned depth)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(map);
	yyjson_val *key;

	while ((key = yyjson_obj_iter_next(&it)))
		if (!can_say(w, yyjson_obj_iter_get_val(key), depth))
			return false;
	return true;
}

/* "#/$defs/name": what stands there. NULL: not here. */
static yyjson_val *referred(yyjson_val *root, struct bytes path)
{
	if (!bytes_starts(path, B("#/")))
		return NULL;
	path = bytes_slice(path, 2, path.n);
	while (root && path.n) {
		struct bytes step = bytes_cut(&path, '/');

		root = json_get_n(root, step.p, step.n);
	}
	return root;
}

static bool can_say(struct walk *w, yyjson_val *schema, unsigned depth)
{
	static const struct bytes lists[] = { B("anyOf"), B("allOf"), B("oneOf") };
	yyjson_val *ref = json_get(schema, "$ref");
	yyjson_obj_iter it = yyjson_obj_iter_with(schema);
	yyjson_val *key;

	if (!yyjson_is_obj(schema) || depth > DEPTH_MAX || ++w->steps > STEPS_MAX ||
	    is_open(schema))
		return false;
	w->mend |= is_object(schema) && !json_get(schema, "additionalProperties");
	if (ref && !can_say(w, referred(w->root, json_str(ref)), depth + 1))
		return false;
	while ((key = yyjson_obj_iter_next(&it))) {
		yyjson_val *v = yyjson_obj_iter_get_val(key);

		w->mend |= !is_known(key_of(key), v);
		if (is_in(key_of(key), lists, COUNT(lists)) && !can_say_list(w, v, depth + 1))
			return false;
	}
	return (!json_get(schema, "items") || can_say(w, json_get(schema, "items"), depth + 1)) &&
	       can_say_map(w, json_get(schema, "properties"), depth + 1);
}

/* ---- printing ---- */

static void put_schema(struct pen *p, yyjson_val *schema);

static void put_value(struct pen *p, yyjson_val *v)
{
	if (json_print(v, p->b))
		p->failed = true;
}

static void put_list(struct pen *p, yyjson_val *list)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *one;

	pen_open(p, '[');
	while ((one = yyjson_arr_iter_next(&it))) {
		pen_item(p);
		put_schema(p, one);
	}
	pen_close(p, ']');
}

static void put_map(struct pen *p, yyjson_val *map)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(map);
	yyjson_val *key;

	pen_open(p, '{');
	while ((key = yyjson_obj_iter_next(&it))) {
		pen_item(p);
		pen_string(p, json_str(key));
		pen_lit(p, ":");
		put_schema(p, yyjson_obj_iter_get_val(key));
	}
	pen_close(p, '}');
}

static void put_member(struct pen *p, struct bytes key, yyjson_val *v)
{
	static const struct bytes lists[] = { B("anyOf"), B("allOf"), B("oneOf") },
				  maps[] = { B("properties"), B("$defs"), B("definitions") };

	pen_item(p);
	pen_string(p, bytes_eq(key, B("oneOf")) ? B("anyOf") : key);
	pen_lit(p, ":");
	if (is_in(key, lists, COUNT(lists)))
		put_list(p, v);
	else if (is_in(key, maps, COUNT(maps)))
		put_map(p, v);
	else if (bytes_eq(key, B("items")))
		put_schema(p, v);
	else
		put_value(p, v);
	p->comma = true;
}

/* Keywords that the API does not know, as words: {"pattern":"^a"}. */
static void put_description(struct pen *p, yyjson_val *schema, yyjson_obj_iter it)
{
	struct bytes said = json_str(json_get(schema, "description"));
	struct buf moved;
	struct pen words = { .b = &moved };
	yyjson_val *key;

	buf_init(&moved, MOVED_MAX);
	pen_bytes(&words, said);
	pen_bytes(&words, said.n ? B("\n\n") : B(""));
	pen_open(&words, '{');
	while ((key = yyjson_obj_iter_next(&it))) {
		yyjson_val *v = yyjson_obj_iter_get_val(key);

		if (is_known(key_of(key), v) || bytes_eq(key_of(key), B("oneOf")))
			continue;
		pen_item(&words);
		pen_string(&words, key_of(key));
		pen_lit(&words, ":");
		put_value(&words, v);
	}
	pen_close(&words, '}');
	pen_text(p, "description", buf_bytes(&moved));
	buf_deinit(&moved);
}

static void put_schema(struct pen *p, yyjson_val *schema)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(schema), all = it;
	yyjson_val *key;
	bool moved = false;

	while ((key = yyjson_obj_iter_next(&it)))
		moved |= !is_known(key_of(key), yyjson_obj_iter_get_val(key)) &&
			 !bytes_eq(key_of(key), B("oneOf"));
	it = all;
	pen_open(p, '{');
	while ((key = yyjson_obj_iter_next(&it))) {
		yyjson_val *v = yyjson_obj_iter_get_val(key);
		bool one_of = bytes_eq(key_of(key), B("oneOf"));

		if ((!one_of && !is_known(key_of(key), v)) ||
		    (moved && bytes_eq(key_of(key), B("description"))))
			continue;
		put_member(p, key_of(key), v);
	}
	if (moved)
		put_description(p, schema, all);
	if (is_object(schema) && !json_get(schema, "additionalProperties"))
		pen_lit(p, ",\"additionalProperties\":false");
	pen_close(p, '}');
}

bool claude_put_format(struct pen *p, struct bytes schema)
{
	struct walk w = { 0 };
	struct arena a;
	bool can;

	arena_init(&a, SCHEMA_MAX);
	w.root = json_parse(schema, &a);
	can = w.root && can_say(&w, w.root, 0);
	if (can && p && w.mend)
		put_schema(p, w.root);
	else if (can && p)
		pen_bytes(p, schema);
	arena_deinit(&a);
	return can;
}

/* ---- a tool's ---- */

static const struct bytes unions[] = { B("anyOf"), B("oneOf"), B("allOf") };

static yyjson_val *union_of(yyjson_val *root, bool *all)
{
	yyjson_val *list = NULL;

	for (size_t i = 0; i < COUNT(unions) && !list; i++) {
		list = json_get_n(root, unions[i].p, unions[i].n);
		*all = i == 2;
	}
	return list;
}

static void put_properties(struct pen *p, yyjson_val *properties)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(properties);
	yyjson_val *key;

	while ((key = yyjson_obj_iter_next(&it))) {
		pen_item(p);
		pen_string(p, json_str(key));
		pen_lit(p, ":");
		put_value(p, yyjson_obj_iter_get_val(key));
	}
}

static bool lists_name(yyjson_val *list, struct bytes name)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *one;

	while ((one = yyjson_arr_iter_next(&it)))
		if (bytes_eq(json_str(one), name))
			return true;
	return false;
}

/* Whether each branch requires it, or, of allOf, any. */
static bool is_required(yyjson_val *branches, struct bytes name, bool all)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(branches);
	yyjson_val *one;

	while ((one = yyjson_arr_iter_next(&it)))
		if (lists_name(json_get(one, "required"), name) == all)
			return all;
	return !all;
}

static void put_required(struct pen *p, yyjson_val *root, yyjson_val *branches, bool all)
{
	yyjson_val *own = json_get(root, "required"), *one, *name;
	yyjson_arr_iter it = yyjson_arr_iter_with(own), names;

	pen_key(p, "required");
	pen_open(p, '[');
	while ((name = yyjson_arr_iter_next(&it))) {
		pen_item(p);
		pen_string(p, json_str(name));
	}
	it = yyjson_arr_iter_with(branches);
	while ((one = yyjson_arr_iter_next(&it))) {
		names = yyjson_arr_iter_with(json_get(one, "required"));
		while ((name = yyjson_arr_iter_next(&names))) {
			if (lists_name(own, json_str(name)) ||
			    !is_required(branches, json_str(name), all))
				continue;
			pen_item(p);
			pen_string(p, json_str(name));
		}
		if (!all)
			break; /* what all have in common is in the first */
	}
	pen_close(p, ']');
}

static void put_rule(struct pen *p, yyjson_val *root, yyjson_val *branches, bool all)
{
	struct bytes said = json_str(json_get(root, "description"));
	struct buf text;
	struct pen words = { .b = &text };

	buf_init(&text, MOVED_MAX);
	pen_bytes(&words, said);
	pen_bytes(&words, said.n ? B("\n\n") : B(""));
	pen_bytes(&words, all ? B("All of these hold: ") : B("One of these holds: "));
	put_value(&words, branches);
	pen_text(p, "description", buf_bytes(&text));
	buf_deinit(&text);
}

/* One object in the place of a union of several. */
static void put_united(struct pen *p, yyjson_val *root, yyjson_val *branches, bool all)
{
	static const struct bytes anew[] = { B("type"), B("properties"), B("required"),
					     B("description") };
	yyjson_obj_iter it = yyjson_obj_iter_with(root);
	yyjson_arr_iter each = yyjson_arr_iter_with(branches);
	yyjson_val *key, *one;

	pen_head(p, "{\"type\":\"object\"");
	put_rule(p, root, branches, all);
	pen_key(p, "properties");
	pen_open(p, '{');
	put_properties(p, json_get(root, "properties"));
	while ((one = yyjson_arr_iter_next(&each)))
		put_properties(p, json_get(one, "properties"));
	pen_close(p, '}');
	put_required(p, root, branches, all);
	while ((key = yyjson_obj_iter_next(&it))) {
		if (is_in(json_str(key), anew, COUNT(anew)) ||
		    is_in(json_str(key), unions, COUNT(unions)))
			continue;
		pen_item(p);
		pen_string(p, json_str(key));
		pen_lit(p, ":");
		put_value(p, yyjson_obj_iter_get_val(key));
	}
	pen_close(p, '}');
}

void claude_put_tool_schema(struct pen *p, struct bytes schema)
{
	yyjson_val *root, *branches;
	struct arena a;
	bool all = false;

	arena_init(&a, SCHEMA_MAX);
	root = json_parse(schema, &a);
	branches = union_of(root, &all);
	if (yyjson_arr_size(branches)) {
		put_united(p, root, branches, all);
	} else if (yyjson_is_obj(root) && !json_get(root, "type")) {
		pen_head(p, "{\"type\":\"object\"");
		put_properties(p, root);
		pen_close(p, '}');
	} else {
		pen_bytes(p, bytes_set(schema) ? schema : B("{\"type\":\"object\"}"));
	}
	arena_deinit(&a);
}
