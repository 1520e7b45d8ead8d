/*
 * JSON Schema -> the subset of OpenAPI that `parameters` and `responseSchema` take (providers-others §9.5). What the API does
 * not know it answers with a 400, and with it the whole request; so nothing but its own words goes out.
 *
 * A schema is looked at as a view of several objects at once: the one that stands there, what its `$ref` names, and the
 * branches of its `allOf`. A keyword is the first one's that has it; properties are those of all. So references and
 * allOf need no tree of their own. Only where a schema may stand is looked for keywords: a property may have any name.
 *
 * The trap is growth: a reference to what it stands in ends at its second level, and the nodes of the whole are
 * counted, since ten definitions of ten references each, ten deep, are a valid schema.
 */
#include "base/error.h"
#include "base/json.h"
#include "base/pen.h"
#include "wire/gemini/gemini.h"

#define SOURCES_MAX 16 /* objects in one view */
#define REFS_MAX    32 /* references inside of each other */
#define DEPTH_MAX   24 /* schemas inside of each other: this runs on the stack of a fiber */
#define SCRATCH_MAX (64u << 20)

struct cleaner {
	struct pen *pen;
	struct arena *arena;
	yyjson_val *root;
	yyjson_val *active[REFS_MAX]; /* what references name that we are inside of */
	size_t nactive;
	size_t nodes, depth;
};

struct view {
	yyjson_val *at[SOURCES_MAX];
	size_t n;
	bool cut; /* a reference in it goes no further */
	bool nullable;
};

enum type {
	TYPE_NONE,
	TYPE_STRING,
	TYPE_NUMBER,
	TYPE_INTEGER,
	TYPE_BOOLEAN,
	TYPE_ARRAY,
	TYPE_OBJECT
};
static const struct bytes type_names[] = {
	[TYPE_NONE] = { NULL, 0 },     [TYPE_STRING] = B("string"),   [TYPE_NUMBER] = B("number"),
	[TYPE_INTEGER] = B("integer"), [TYPE_BOOLEAN] = B("boolean"), [TYPE_ARRAY] = B("array"),
	[TYPE_OBJECT] = B("object"),
};

#define OF(type) (1u << TYPE_##type)
#define ANY_TYPE (~0u)

/* Keywords whose value goes out as it is, of which types, and what they say of the type where none is given. */
static const struct {
	struct bytes name;
	unsigned types;
	enum type implies;
} kept[] = {
	{ B("format"), ANY_TYPE, TYPE_NONE },
	{ B("title"), ANY_TYPE, TYPE_NONE },
	{ B("description"), ANY_TYPE, TYPE_NONE },
	{ B("nullable"), ANY_TYPE, TYPE_NONE },
	{ B("pattern"), OF(STRING), TYPE_STRING },
	{ B("example"), ANY_TYPE, TYPE_NONE },
	{ B("default"), ANY_TYPE, TYPE_NONE },
	{ B("propertyOrdering"), OF(OBJECT), TYPE_OBJECT },
	{ B("minimum"), OF(NUMBER) | OF(INTEGER), TYPE_NUMBER },
	{ B("maximum"), OF(NUMBER) | OF(INTEGER), TYPE_NUMBER },
	{ B("minItems"), OF(ARRAY), TYPE_ARRAY },
	{ B("maxItems"), OF(ARRAY), TYPE_ARRAY },
	{ B("minLength"), OF(STRING), TYPE_STRING },
	{ B("maxLength"), OF(STRING), TYPE_STRING },
	{ B("minProperties"), OF(OBJECT), TYPE_OBJECT },
	{ B("maxProperties"), OF(OBJECT), TYPE_OBJECT },
};

static int put_view(struct cleaner *, const struct view *, enum type forced);
static int put_schema(struct cleaner *, yyjson_val *);

/* ---- views ---- */

static yyjson_val *find(const struct view *v, const char *key)
{
	yyjson_val *found = NULL;

	for (size_t i = 0; i < v->n && !found; i++)
		found = json_get(v->at[i], key);
	return found;
}

static yyjson_val *step_into(struct cleaner *c, yyjson_val *at, struct bytes step)
{
	char *name = arena_alloc_raw(c->arena, step.n + 1);
	uint64_t index;
	size_t n, out = 0;

	if (!name)
		return NULL;
	n = bytes_percent_decode(step, name);
	for (size_t i = 0; i < n; i++, out++) { /* RFC 6901: ~1 is '/', ~0 is '~' */
		bool escape =
			name[i] == '~' && i + 1 < n && (name[i + 1] == '0' || name[i + 1] == '1');

		name[out] = escape ? (name[i + 1] == '1' ? '/' : '~') : name[i];
		i += escape;
	}
	if (yyjson_is_arr(at) && bytes_to_u64((struct bytes){ name, out }, &index))
		return yyjson_arr_get(at, index);
	return json_get_n(at, name, out);
}

/* What a reference inside of the document names; NULL: nothing. */
static yyjson_val *resolve(struct cleaner *c, struct bytes ref)
{
	yyjson_val *at = c->root;

	if (!bytes_starts(ref, B("#")))
		return NULL;
	ref = bytes_slice(ref, 1, ref.n);
	if (bytes_cut(&ref, '/').n) /* an anchor */
		return NULL;
	while (ref.n && at)
		at = step_into(c, at, bytes_cut(&ref, '/'));
	return at;
}

static bool is_active(const struct cleaner *c, const yyjson_val *target)
{
	for (size_t i = 0; i < c->nactive; i++)
		if (c->active[i] == target)
			return true;
	return false;
}

/* Adds a schema with all that it draws in. References that it follows stay active until the caller restores nactive. */
static void collect(struct cleaner *c, yyjson_val *schema, struct view *v)
{
	struct bytes ref = json_str(json_get(schema, "$ref"));
	yyjson_val *target, *one;
	yyjson_arr_iter it;

	if (!yyjson_is_obj(schema) || v->n == SOURCES_MAX)
		return;
	v->at[v->n++] = schema;
	if (bytes_set(ref)) {
		target = resolve(c, ref);
		v->cut |= !target || is_active(c, target) || c->nactive == REFS_MAX;
		if (!v->cut) {
			c->active[c->nactive++] = target;
			collect(c, target, v);
		}
	}
	it = yyjson_arr_iter_with(json_get(schema, "allOf"));
	while ((one = yyjson_arr_iter_next(&it)))
		collect(c, one, v);
}

/* ---- types ---- */

static enum type type_named(struct bytes name)
{
	for (enum type t = TYPE_STRING; t < COUNT(type_names); t++)
		if (bytes_ieq(type_names[t], name))
			return t;
	return TYPE_NONE;
}

static enum type type_of_value(yyjson_val *v)
{
	struct bytes digits = json_raw(v);

	if (yyjson_is_str(v))
		return TYPE_STRING;
	if (yyjson_is_bool(v))
		return TYPE_BOOLEAN;
	if (yyjson_is_arr(v))
		return TYPE_ARRAY;
	if (yyjson_is_obj(v))
		return TYPE_OBJECT;
	if (!bytes_set(digits))
		return TYPE_NONE;
	return bytes_chr(digits, '.') < 0 && bytes_chr(digits, 'e') < 0 &&
			       bytes_chr(digits, 'E') < 0
		       ? TYPE_INTEGER
		       : TYPE_NUMBER;
}

/* What the other keywords say of the type. */
static enum type implied_type(const struct view *v)
{
	yyjson_val *values = find(v, "enum");

	if (find(v, "properties") || find(v, "required") || find(v, "additionalProperties") ||
	    find(v, "patternProperties"))
		return TYPE_OBJECT;
	if (find(v, "items") || find(v, "prefixItems"))
		return TYPE_ARRAY;
	if (find(v, "const"))
		return type_of_value(find(v, "const"));
	if (yyjson_arr_size(values))
		return type_of_value(yyjson_arr_get_first(values));
	for (size_t i = 0; i < COUNT(kept); i++)
		if (kept[i].implies != TYPE_NONE && find(v, kept[i].name.p))
			return kept[i].implies;
	return v->cut ? TYPE_OBJECT : TYPE_STRING;
}

struct types {
	enum type at[8];
	size_t n;
	bool null;
};

static void types_add(struct types *t, struct bytes name)
{
	enum type type = type_named(name);

	t->null |= bytes_ieq(name, B("null"));
	if (type != TYPE_NONE && t->n < COUNT(t->at))
		t->at[t->n++] = type;
}

static struct types types_of(const struct view *v)
{
	yyjson_val *type = find(v, "type"), *one;
	yyjson_arr_iter it = yyjson_arr_iter_with(type);
	struct types t = { .n = 0 };

	if (yyjson_is_str(type))
		types_add(&t, json_str(type));
	while ((one = yyjson_arr_iter_next(&it)))
		types_add(&t, json_str(one));
	return t;
}

/* ---- anyOf ---- */

struct branches {
	size_t n; /* without those of null */
	yyjson_val *first;
	bool null;
};

static bool is_null_type(yyjson_val *schema)
{
	yyjson_val *constant = json_get(schema, "const");

	return bytes_eq(json_str(json_get(schema, "type")), B("null")) ||
	       (constant && yyjson_is_null(constant));
}

static void branches_add(struct branches *b, yyjson_val *list)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *one;

	while ((one = yyjson_arr_iter_next(&it))) {
		if (is_null_type(one))
			b->null = true;
		else if (b->n++ == 0)
			b->first = one;
	}
}

static struct branches branches_of(const struct view *v)
{
	struct branches b = { .n = 0 };

	branches_add(&b, find(v, "anyOf"));
	branches_add(&b, find(v, "oneOf"));
	return b;
}

/* The only one beside null is no choice: it is the schema itself. */
static bool is_only_branch(const struct branches *b)
{
	return b->null && b->n == 1;
}

/* ---- printing ---- */

static void put_type(struct cleaner *c, enum type type)
{
	pen_text(c->pen, "type", type_names[type]);
}

static void put_value(struct cleaner *c, yyjson_val *v)
{
	if (json_print(v, c->pen->b))
		c->pen->failed = true;
}

static void put_enum(struct cleaner *c, const struct view *v)
{
	yyjson_val *constant = find(v, "const"), *one;
	yyjson_arr_iter it = yyjson_arr_iter_with(find(v, "enum"));
	bool any = false;

	if (yyjson_is_str(constant)) {
		pen_list_item(c->pen, "enum", &any);
		put_value(c, constant);
	}
	while (!yyjson_is_str(constant) && (one = yyjson_arr_iter_next(&it))) {
		if (!yyjson_is_str(one))
			continue;
		pen_list_item(c->pen, "enum", &any);
		put_value(c, one);
	}
	pen_list_end(c->pen, any);
}

static bool is_first(const struct view *v, size_t source, struct bytes name)
{
	for (size_t i = 0; i < source; i++)
		if (json_get_n(json_get(v->at[i], "properties"), name.p, name.n))
			return false;
	return true;
}

static int put_properties(struct cleaner *c, const struct view *v)
{
	yyjson_val *key;

	if (!find(v, "properties"))
		return 0;
	pen_key(c->pen, "properties");
	pen_open(c->pen, '{');
	for (size_t i = 0; i < v->n; i++) {
		yyjson_obj_iter it = yyjson_obj_iter_with(json_get(v->at[i], "properties"));

		while ((key = yyjson_obj_iter_next(&it))) {
			if (!is_first(v, i, json_str(key)))
				continue;
			pen_item(c->pen);
			pen_string(c->pen, json_str(key));
			pen_lit(c->pen, ":");
			if (put_schema(c, yyjson_obj_iter_get_val(key)))
				return -1;
		}
	}
	pen_close(c->pen, '}');
	return 0;
}

static bool has_property(const struct view *v, struct bytes name)
{
	for (size_t i = 0; i < v->n; i++)
		if (json_get_n(json_get(v->at[i], "properties"), name.p, name.n))
			return true;
	return false;
}

static void put_required(struct cleaner *c, const struct view *v)
{
	bool any = false;
	yyjson_val *one;

	for (size_t i = 0; i < v->n; i++) {
		yyjson_arr_iter it = yyjson_arr_iter_with(json_get(v->at[i], "required"));

		while ((one = yyjson_arr_iter_next(&it))) {
			if (!yyjson_is_str(one) || !has_property(v, json_str(one)))
				continue;
			pen_list_item(c->pen, "required", &any);
			put_value(c, one);
		}
	}
	pen_list_end(c->pen, any);
}

static int put_items(struct cleaner *c, const struct view *v)
{
	yyjson_val *items = find(v, "items");

	if (yyjson_is_arr(items)) /* a tuple of older drafts */
		items = yyjson_arr_get_first(items);
	pen_key(c->pen, "items");
	if (yyjson_is_obj(items))
		return put_schema(c, items);
	pen_lit(c->pen, "{\"type\":\"string\"}");
	return 0;
}

/* A branch of anyOf for each of the types, every one with the keywords that are of it. */
static int put_type_branches(struct cleaner *c, const struct view *v, const struct types *t)
{
	struct view bare = *v;

	bare.nullable = false;
	pen_key(c->pen, "anyOf");
	pen_open(c->pen, '[');
	for (size_t i = 0; i < t->n; i++) {
		pen_item(c->pen);
		if (put_view(c, &bare, t->at[i]))
			return -1;
	}
	pen_close(c->pen, ']');
	return 0;
}

static int put_branches(struct cleaner *c, const struct view *v)
{
	yyjson_val *lists[] = { find(v, "anyOf"), find(v, "oneOf") }, *one;

	pen_key(c->pen, "anyOf");
	pen_open(c->pen, '[');
	for (size_t i = 0; i < COUNT(lists); i++) {
		yyjson_arr_iter it = yyjson_arr_iter_with(lists[i]);

		while ((one = yyjson_arr_iter_next(&it))) {
			if (is_null_type(one))
				continue;
			pen_item(c->pen);
			if (put_schema(c, one))
				return -1;
		}
	}
	pen_close(c->pen, ']');
	return 0;
}

/* What is said of schemas of that type; of no type in particular: what is said of all. */
static int put_keyword(struct cleaner *c, const struct view *v, struct bytes name,
		       yyjson_val *value, enum type type)
{
	if (bytes_eq(name, B("properties")))
		return type == TYPE_OBJECT ? put_properties(c, v) : 0;
	if (bytes_eq(name, B("required")) && type == TYPE_OBJECT)
		put_required(c, v);
	if (bytes_eq(name, B("items")) && type == TYPE_ARRAY)
		return put_items(c, v);
	if (type == TYPE_STRING &&
	    (bytes_eq(name, B("const")) || (bytes_eq(name, B("enum")) && !find(v, "const"))))
		put_enum(c, v);
	if (bytes_eq(name, B("nullable")) && v->nullable)
		return 0;
	for (size_t i = 0; i < COUNT(kept); i++) {
		if (!bytes_eq(name, kept[i].name) ||
		    !(kept[i].types == ANY_TYPE || (kept[i].types & 1u << type)))
			continue;
		pen_item(c->pen);
		pen_string(c->pen, name);
		pen_lit(c->pen, ":");
		put_value(c, value);
	}
	return 0;
}

/* Whether a source in front of this one has that keyword, too. */
static bool is_told(const struct view *v, size_t source, struct bytes name)
{
	for (size_t i = 0; i < source; i++)
		if (json_get_n(v->at[i], name.p, name.n))
			return true;
	return false;
}

static int put_keywords(struct cleaner *c, const struct view *v, enum type type, bool typed)
{
	yyjson_val *key;

	for (size_t i = 0; i < v->n; i++) {
		yyjson_obj_iter it = yyjson_obj_iter_with(v->at[i]);

		while ((key = yyjson_obj_iter_next(&it))) {
			struct bytes name = json_str(key);

			if (is_told(v, i, name))
				continue;
			if (!typed && type != TYPE_NONE && bytes_eq(name, B("type"))) {
				put_type(c, type);
				typed = true;
			}
			if (put_keyword(c, v, name, yyjson_obj_iter_get_val(key), type))
				return -1;
		}
	}
	if (type == TYPE_ARRAY && !find(v, "items") && put_items(c, v))
		return -1;
	if (v->nullable)
		pen_json(c->pen, "nullable", B("true"));
	return 0;
}

static bool is_structured(const struct view *v)
{
	return find(v, "properties") || find(v, "items");
}

/* `forced`: one of several types; TYPE_NONE: as the view says. */
static int put_view(struct cleaner *c, const struct view *given, enum type forced)
{
	struct view v = *given;
	struct types t = types_of(&v);
	struct branches b = branches_of(&v);
	bool several = forced == TYPE_NONE && t.n > 1, typed = find(&v, "type");
	bool choice = forced == TYPE_NONE && !several && b.n && !is_only_branch(&b);
	enum type type = forced;

	if (forced == TYPE_NONE)
		v.nullable |= t.null || b.null;
	if (type == TYPE_NONE && t.n == 1)
		type = t.at[0];
	if (type == TYPE_NONE && !several && (!choice || is_structured(&v)))
		type = implied_type(&v);
	pen_open(c->pen, '{');
	if (type != TYPE_NONE && !typed)
		put_type(c, type);
	if (put_keywords(c, &v, type, !typed))
		return -1;
	if (several ? put_type_branches(c, &v, &t) : choice && put_branches(c, &v))
		return -1;
	pen_close(c->pen, '}');
	return 0;
}

static int put_schema(struct cleaner *c, yyjson_val *schema)
{
	size_t active = c->nactive;
	struct view v = { .n = 0 };
	struct branches b;
	int r;

	if (++c->nodes > GEMINI_SCHEMA_NODES || c->depth == DEPTH_MAX) {
		pen_lit(c->pen, "{\"type\":\"object\"}");
		c->pen->comma = true;
		return 0;
	}
	collect(c, schema, &v);
	b = branches_of(&v);
	if (is_only_branch(&b))
		collect(c, b.first, &v);
	c->depth++;
	r = put_view(c, &v, TYPE_NONE);
	c->depth--;
	c->nactive = active;
	return r;
}

int gemini_schema(struct bytes schema, struct buf *out)
{
	struct pen p = { .b = out };
	struct cleaner c = { .pen = &p };
	struct arena arena;
	int r = 0;

	arena_init(&arena, SCRATCH_MAX);
	c.arena = &arena;
	c.root = json_parse(schema, &arena);
	if (yyjson_is_obj(c.root))
		r = put_schema(&c, c.root);
	else
		pen_lit(&p, "{\"type\":\"object\"}");
	arena_deinit(&arena);
	return r || p.failed ? -1 : 0;
}
