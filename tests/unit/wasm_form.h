/* WebAssembly modules byte by byte, for the tests of the sandbox: a form says what a module imports and exports. */
#ifndef SIGNET_TESTS_WASM_FORM_H
#define SIGNET_TESTS_WASM_FORM_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "sign/signer.h"
#include "unit.h"

/* ---- a small assembler ---- */

/* An export: a function of this type ("ii:i" takes two i32 and gives one), or 'm'emory, 't'able, 'g'lobal, e'x'ternrefs (a second table), the first import 'r'e-exported. */
struct export
{
	const char *name;
	const char *type;
	struct bytes body; /* unset: it gives zeros */
};

struct form {
	const char *imports
		[6]; /* "module.name", functions () -> (); behind '@' a memory, '#' a table, '$' a global */
	struct export exports[10];
	bool start; /* a start function that traps */
	bool table;
	bool large;          /* a memory of 1 MiB, else of 128 KiB */
	unsigned externrefs; /* elements of a second table; 0: none */
};

static void leb(struct buf *b, size_t n)
{
	while (n > 127) {
		buf_putc(b, (char)((n & 127) | 128));
		n >>= 7;
	}
	buf_putc(b, (char)n);
}

static void vec(struct buf *b, struct bytes bytes)
{
	leb(b, bytes.n);
	buf_append(b, bytes);
}

static void section(struct buf *out, int id, size_t count, struct buf *content)
{
	struct buf whole;

	if (count) {
		buf_init(&whole, 1 << 16);
		leb(&whole, count);
		buf_append(&whole, buf_bytes(content));
		buf_putc(out, (char)id);
		vec(out, buf_bytes(&whole));
		buf_deinit(&whole);
	}
	buf_deinit(content);
}

static char type_byte(char c)
{
	return (char)(c == 'i'   ? 0x7f
		      : c == 'I' ? 0x7e
		      : c == 'f' ? 0x7d
		      : c == 'F' ? 0x7c
		      : c == 'v' ? 0x7b
				 : 0x70);
}

static void put_type(struct buf *b, const char *type)
{
	const char *colon = strchr(type, ':');

	buf_putc(b, 0x60);
	leb(b, (size_t)(colon - type));
	for (const char *p = type; p < colon; p++)
		buf_putc(b, type_byte(*p));
	leb(b, strlen(colon + 1));
	for (const char *p = colon + 1; *p; p++)
		buf_putc(b, type_byte(*p));
}

static struct bytes zero_of(char c)
{
	switch (c) {
	case 'i': return B("\x41\x00");
	case 'I': return B("\x42\x00");
	case 'f': return B("\x43\x00\x00\x00\x00");
	case 'F': return B("\x44\x00\x00\x00\x00\x00\x00\x00\x00");
	case 'v': return B("\xfd\x0c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
	default: return B("\xd0\x70");
	}
}

static void put_code(struct buf *b, const struct export *e)
{
	struct buf body;

	buf_init(&body, 1 << 12);
	buf_putc(&body, 0); /* no locals */
	if (bytes_set(e->body))
		buf_append(&body, e->body);
	for (const char *p = strchr(e->type, ':') + 1; !bytes_set(e->body) && *p; p++)
		buf_append(&body, zero_of(*p));
	buf_putc(&body, 0x0b);
	vec(b, buf_bytes(&body));
	buf_deinit(&body);
}

static bool is_function(const struct export *e)
{
	return strchr(e->type, ':') != NULL;
}

static void assemble(const struct form *f, struct buf *out)
{
	struct buf types, imports, functions, exports, code, memory, table, global, start;
	size_t ntypes = 1, nimports = 0, nfunctions = 0, nexports = 0, first = 0;

	bool memory_imported = false;
	struct buf *all[] = { &types,  &imports, &functions, &exports, &code,
			      &memory, &table,   &global,    &start };

	for (size_t i = 0; i < 9; i++)
		buf_init(all[i], 1 << 16);
	put_type(&types, ":");
	for (; nimports < 6 && f->imports[nimports]; nimports++) {
		struct bytes rest = bytes_of(f->imports[nimports]), module;
		char kind = rest.p[0];

		rest = bytes_slice(rest, strchr("@#$", kind) != NULL, rest.n);
		module = bytes_slice(
			rest, 0,
			(size_t)(strrchr(rest.p, '.') - rest.p)); /* up to the last point */
		rest = bytes_slice(rest, module.n + 1, rest.n);
		vec(&imports, module);
		vec(&imports, rest);
		buf_append(&imports, kind == '@'   ? B("\x02\x00\x01")
				     : kind == '#' ? B("\x01\x70\x00\x01")
				     : kind == '$' ? B("\x03\x7f\x00")
						   : B("\x00\x00"));
		first += !strchr("@#$", kind);
		memory_imported |= kind == '@';
	}
	for (; nexports < 10 && f->exports[nexports].name; nexports++) {
		const struct export *e = &f->exports[nexports];

		vec(&exports, bytes_of(e->name));
		if (is_function(e)) {
			put_type(&types, e->type);
			leb(&functions, ntypes++);
			put_code(&code, e);
			buf_putc(&exports, 0);
			leb(&exports, first + nfunctions++);
		} else {
			buf_putc(&exports, *e->type == 'm'          ? 2
					   : strchr("tx", *e->type) ? 1
					   : *e->type == 'r'        ? 0
								    : 3);
			buf_putc(&exports, *e->type == 'x');
		}
	}
	if (f->start) {
		struct export e = { "", ":", B("\x00") };

		leb(&functions, 0);
		put_code(&code, &e);
		leb(&start, first + nfunctions++);
	}
	buf_append(&table, B("\x70\x01\x01\x03")); /* funcref, 1 to 3 */
	if (f->externrefs) {
		buf_append(&table, B("\x6f\x00"));
		leb(&table, f->externrefs);
	}
	/* 2 to 5 pages */
	buf_append(&memory, f->large ? B("\x01\x10\x10") : B("\x01\x02\x05"));
	buf_append(&global, B("\x7f\x00\x41\x00\x0b")); /* i32 0 */
	buf_append(out, B("\0asm\1\0\0\0"));
	section(out, 1, ntypes, &types);
	section(out, 2, nimports, &imports);
	section(out, 3, nfunctions, &functions);
	section(out, 4, f->externrefs ? 2 : 1, &table);
	section(out, 5, !memory_imported, &memory);
	section(out, 6, 1, &global);
	section(out, 7, nexports, &exports);
	if (f->start) {
		buf_putc(out, 8);
		vec(out, buf_bytes(&start));
	}
	buf_deinit(&start);
	section(out, 10, nfunctions, &code);
}

/* ---- around it ---- */

static const struct signer_limits limits = { 16, 1000, 4 };
static char dir[64], path[128];

static void write_bytes(const char *to, struct bytes b)
{
	FILE *f = fopen(to, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(b.p, 1, b.n, f), b.n);
	fclose(f);
}

static void write_form(const struct form *f)
{
	struct buf out;

	buf_init(&out, 1 << 16);
	assemble(f, &out);
	snprintf(path, sizeof path, "%s/form.wasm", dir);
	write_bytes(path, buf_bytes(&out));
	buf_deinit(&out);
}

/* cmocka puts its own handlers in place before each test; traps need Wasmtime's. */
static const int trap_signals[] = { SIGILL, SIGSEGV, SIGFPE, SIGBUS };
static struct sigaction trap_handlers[4];

static void handlers(bool save)
{
	for (int i = 0; i < 4; i++)
		sigaction(trap_signals[i], save ? NULL : &trap_handlers[i],
			  save ? &trap_handlers[i] : NULL);
}

static struct signer *load_limited(struct signer_limits l, const char *cache)
{
	handlers(false);
	return signer_load(path, B("me"), (struct bytes){ 0 }, &l, cache);
}

static struct bytes why(void)
{
	return error_last()->message;
}

#endif
