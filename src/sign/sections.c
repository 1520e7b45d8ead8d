/*
 * What a module's file says of itself, read without the engine, which tells nothing about a module that it refuses: names
 * and types of its imports and exports, and whether a tool has still to work on it.
 *
 * The file is anybody's. Every number is checked against what is left of its section, and what does not fit ends the list;
 * types that are newer than this reader are shown as "function" alone.
 */
#include <stdlib.h>

#include "base/error.h"
#include "sign/wasm.h"

#define SHOWN_MAX  200 /* imports, and exports */
#define VALUES_MAX 32  /* of a type */

enum section { CUSTOM, TYPES, IMPORTS, FUNCTIONS, TABLES, MEMORIES, GLOBALS, EXPORTS };
enum item { FUNCTION, TABLE, MEMORY, GLOBAL, TAG };

/* Reading past the end gives zeros and is noted. */
struct cursor {
	struct bytes rest;
	bool bad;
};

static uint8_t take_byte(struct cursor *c)
{
	uint8_t v;

	if (!c->rest.n) {
		c->bad = true;
		return 0;
	}
	v = (uint8_t)c->rest.p[0];
	c->rest = bytes_slice(c->rest, 1, c->rest.n);
	return v;
}

/* LEB128, of at most 64 bits; signs are nobody's matter here. */
static uint64_t take_number(struct cursor *c)
{
	uint64_t v = 0;
	uint8_t b = 0x80;

	for (unsigned shift = 0; b & 0x80; shift += 7) {
		b = take_byte(c);
		if (c->bad || shift > 63) {
			c->bad = true;
			return 0;
		}
		v |= (uint64_t)(b & 0x7f) << shift;
	}
	return v;
}

static struct bytes take_bytes(struct cursor *c, uint64_t n)
{
	struct bytes got;

	if (n > c->rest.n) {
		c->bad = true;
		return B("");
	}
	got = bytes_slice(c->rest, 0, (size_t)n);
	c->rest = bytes_slice(c->rest, (size_t)n, c->rest.n);
	return got;
}

static struct bytes take_name(struct cursor *c)
{
	return take_bytes(c, take_number(c));
}

/* The next section. False: no more. */
static bool next_section(struct cursor *file, unsigned *id, struct cursor *body)
{
	if (file->bad || !file->rest.n)
		return false;
	*id = take_byte(file);
	*body = (struct cursor){ .rest = take_bytes(file, take_number(file)) };
	return !file->bad;
}

static struct cursor after_header(struct bytes wasm)
{
	return (struct cursor){ .rest = bytes_slice(wasm, 8, wasm.n) };
}

/* The first of its kind; an empty one if there is none. */
static struct cursor find_section(struct bytes wasm, enum section want)
{
	struct cursor file = after_header(wasm), body;
	unsigned id;

	while (next_section(&file, &id, &body))
		if (id == want)
			return body;
	return (struct cursor){ .rest = B("") };
}

static bool has_custom(struct bytes wasm, struct bytes name)
{
	struct cursor file = after_header(wasm), body;
	unsigned id;

	while (next_section(&file, &id, &body))
		if (id == CUSTOM && bytes_eq(take_name(&body), name))
			return true;
	return false;
}

int sections_check(struct bytes wasm)
{
	if (has_custom(wasm, B("__wasm_bindgen_unstable")))
		return fail(
			ERR_SIGNER,
			"it is cargo's own output: run wasm-bindgen on it (wasm-bindgen --target web --out-dir OUT ‹this file›) and take OUT/‹name›_bg.wasm");
	return 0;
}

/* ---- types ---- */

static const char *const value_names[] = {
	[0x7f] = "i32",  [0x7e] = "i64",     [0x7d] = "f32",      [0x7c] = "f64",
	[0x7b] = "v128", [0x70] = "funcref", [0x6f] = "externref"
};

static const char *take_value(struct cursor *c)
{
	uint8_t b = take_byte(c);

	if (b == 0x63 || b == 0x64) /* a reference to a type that follows */
		take_number(c);
	return b < COUNT(value_names) && value_names[b] ? value_names[b] : "ref";
}

static void take_values(struct cursor *c, struct pen *p)
{
	uint64_t n = take_number(c);

	if (p)
		pen_lit(p, "(");
	for (uint64_t i = 0; i < n && !c->bad; i++) {
		const char *value = take_value(c);

		if (p && i < VALUES_MAX)
			pen_printf(p, "%s%s", i ? " " : "", value);
		else if (p && i == VALUES_MAX)
			pen_lit(p, " ...");
	}
	if (p)
		pen_lit(p, ")");
}

/* Where the file says what: as many as it says, or as could be read. */
struct known {
	struct bytes *types; /* of functions, from behind their first byte */
	size_t ntypes;
	uint64_t *functions; /* each one's type, imported ones first */
	size_t nfunctions;
};

static void read_types(struct known *k, struct bytes wasm)
{
	struct cursor c = find_section(wasm, TYPES);
	uint64_t n = take_number(&c);

	k->types = n && n <= c.rest.n ? calloc(n, sizeof(*k->types)) : NULL;
	while (k->types && k->ntypes < n && take_byte(&c) == 0x60) {
		struct bytes at = c.rest;

		take_values(&c, NULL);
		take_values(&c, NULL);
		if (c.bad)
			return;
		k->types[k->ntypes++] = at;
	}
}

static void take_limits(struct cursor *c, struct pen *p, const char *unit)
{
	uint8_t flags = take_byte(c);

	if (p)
		pen_printf(p, " %llu %s", (unsigned long long)take_number(c), unit);
	else
		take_number(c);
	if (flags & 1) {
		uint64_t most = take_number(c);

		if (p)
			pen_printf(p, ", at most %llu", (unsigned long long)most);
	}
	if (flags & 8) /* the size of a page */
		take_number(c);
	if (p && flags & 2)
		pen_lit(p, ", shared");
	if (p && flags & 4)
		pen_lit(p, ", 64-bit");
}

static void print_function(const struct known *k, uint64_t type, struct pen *p)
{
	struct cursor c;

	pen_lit(p, "function");
	if (type >= k->ntypes)
		return;
	c = (struct cursor){ .rest = k->types[type] };
	pen_lit(p, " ");
	take_values(&c, p);
	pen_lit(p, " -> ");
	take_values(&c, p);
}

/* Takes what an import says of its item, and prints it if there is a pen. A function's type, else SIZE_MAX. */
static uint64_t take_item(struct cursor *c, uint8_t kind, const struct known *k, struct pen *p)
{
	uint64_t type = UINT64_MAX;

	switch (kind) {
	case FUNCTION:
		type = take_number(c);
		if (p)
			print_function(k, type, p);
		break;
	case TABLE:
		take_value(c);
		if (p)
			pen_lit(p, "table");
		take_limits(c, p, "elements");
		break;
	case MEMORY:
		if (p)
			pen_lit(p, "memory");
		take_limits(c, p, "pages");
		break;
	case GLOBAL:
		take_value(c);
		take_byte(c);
		if (p)
			pen_lit(p, "global");
		break;
	case TAG:
		take_byte(c);
		take_number(c);
		if (p)
			pen_lit(p, "tag");
		break;
	default: c->bad = true;
	}
	return type;
}

static void add_function(struct known *k, size_t room, uint64_t type)
{
	if (k->functions && k->nfunctions < room)
		k->functions[k->nfunctions++] = type;
}

static void read_functions(struct known *k, struct bytes wasm)
{
	struct cursor imports = find_section(wasm, IMPORTS), own = find_section(wasm, FUNCTIONS);
	size_t room = imports.rest.n + own.rest.n; /* each takes a byte at least */
	uint64_t nimports = take_number(&imports), nown = take_number(&own);

	k->functions = room ? calloc(room, sizeof(*k->functions)) : NULL;
	for (uint64_t i = 0; i < nimports && !imports.bad; i++) {
		uint8_t kind;
		uint64_t type;

		take_name(&imports);
		take_name(&imports);
		kind = take_byte(&imports);
		type = take_item(&imports, kind, k, NULL);
		if (kind == FUNCTION && !imports.bad)
			add_function(k, room, type);
	}
	for (uint64_t i = 0; i < nown && !own.bad; i++)
		add_function(k, room, take_number(&own));
}

/* ---- the lists ---- */

static void print_name(struct pen *p, struct bytes name)
{
	for (size_t i = 0; i < name.n && i < 256; i++) {
		char c = (unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f ? '?' : name.p[i];

		pen_bytes(p, (struct bytes){ &c, 1 });
	}
}

static void between(struct pen *p, uint64_t i)
{
	if (i)
		pen_lit(p, "\n         ");
}

static void print_imports(struct pen *p, struct bytes wasm, const struct known *k)
{
	struct cursor c = find_section(wasm, IMPORTS);
	uint64_t n = take_number(&c), i;

	for (i = 0; i < n && i < SHOWN_MAX && !c.bad; i++) {
		struct bytes module = take_name(&c), name = take_name(&c);

		if (c.bad)
			break;
		between(p, i);
		print_name(p, module);
		pen_lit(p, ".");
		print_name(p, name);
		pen_lit(p, ": ");
		take_item(&c, take_byte(&c), k, p);
	}
	if (!i)
		pen_lit(p, "none");
	else if (i < n)
		pen_lit(p, "\n         ...");
}

static void print_exports(struct pen *p, struct bytes wasm, const struct known *k)
{
	static const char *const kinds[] = { "function", "table", "memory", "global", "tag" };
	struct cursor c = find_section(wasm, EXPORTS);
	uint64_t n = take_number(&c), i;

	for (i = 0; i < n && i < SHOWN_MAX && !c.bad; i++) {
		struct bytes name = take_name(&c);
		uint8_t kind = take_byte(&c);
		uint64_t at = take_number(&c);

		if (c.bad)
			break;
		between(p, i);
		print_name(p, name);
		pen_lit(p, ": ");
		if (kind == FUNCTION && at < k->nfunctions)
			print_function(k, k->functions[at], p);
		else
			pen_printf(p, "%s", kind < COUNT(kinds) ? kinds[kind] : "other");
	}
	if (!i)
		pen_lit(p, "none");
	else if (i < n)
		pen_lit(p, "\n         ...");
}

static void print_memory(struct pen *p, struct bytes wasm)
{
	struct cursor c = find_section(wasm, MEMORIES);

	if (!take_number(&c)) {
		pen_lit(p, "none of its own");
		return;
	}
	pen_lit(p, "at start");
	take_limits(&c, p, "pages");
}

void sections_print(struct pen *p, struct bytes wasm)
{
	struct known k = { 0 };

	read_types(&k, wasm);
	read_functions(&k, wasm);
	pen_lit(p, "imports  ");
	print_imports(p, wasm, &k);
	pen_lit(p, "\nexports  ");
	print_exports(p, wasm, &k);
	pen_lit(p, "\nmemory   ");
	print_memory(p, wasm);
	pen_lit(p, "\n");
	free(k.types);
	free(k.functions);
}
