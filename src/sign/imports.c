/*
 * What a module imports. An import computes nothing and reaches nothing: whatever a module asks for by name, it gets a
 * function that fails the signature when it is called, so that a module works that imports what it never calls (today's
 * toolchains make many of those, and WASI's are no different). Memories, tables and globals would be shared with the
 * host: they are refused.
 *
 * The one exception does what its name says. wasm-bindgen with Rust 1.82 and later gives each module a table of
 * JavaScript objects (externref) and imports `__wbindgen_init_externref_table`, which its JavaScript answers by putting
 * undefined, null, true and false where the module expects them. Nobody looks into such an object but JavaScript; a module
 * can only ask whether it is null. Three references to nothing and a null do the same.
 *
 * Trap: where they go has changed. Up to 0.2.12x the script grew the table by four and used the new places; since then the
 * table is made large enough and they stand at 1024. In both, place 0 is undefined.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "sign/wasm.h"

#define FILLED_AT     1024 /* wasm-bindgen's JSIDX_OFFSET */
#define VALUES        4
#define IMPORTS_SHOWN 1024 /* bytes, in an error */

static const char table_failed[] = "its table of externref cannot be filled";

/* ---- what a module imports ---- */

static struct bytes name_of(const wasm_name_t *n)
{
	return (struct bytes){ n->data ? n->data : "", n->size };
}

/* "module.name", made fit for a line of a log. */
static void import_name(const wasm_importtype_t *i, char *out, size_t room)
{
	snprintf(out, room, "%.*s.%.*s", BFMT(name_of(wasm_importtype_module(i))),
		 BFMT(name_of(wasm_importtype_name(i))));
	for (; *out; out++)
		if ((unsigned char)*out < 0x20 || *out == 0x7f)
			*out = '?';
}

static bool is_function(const wasm_importtype_t *i)
{
	return wasm_externtype_kind(wasm_importtype_type(i)) == WASM_EXTERN_FUNC;
}

static bool fills_table(const wasm_importtype_t *i)
{
	const wasm_functype_t *f = wasm_externtype_as_functype_const(wasm_importtype_type(i));

	return f &&
	       bytes_eq(name_of(wasm_importtype_name(i)), B("__wbindgen_init_externref_table")) &&
	       !wasm_functype_params(f)->size && !wasm_functype_results(f)->size;
}

static int refuse(const wasm_importtype_vec_t *v)
{
	struct buf text;
	char name[160];
	size_t n = 0;

	buf_init(&text, IMPORTS_SHOWN);
	for (size_t i = 0; i < v->size; i++) {
		if (is_function(v->data[i]) || n++ >= 4)
			continue;
		import_name(v->data[i], name, sizeof(name));
		buf_printf(&text, "%s%s", n > 1 ? ", " : "", name);
	}
	if (n > 4)
		buf_printf(&text, " and %zu more", n - 4);
	if (n)
		fail(ERR_SIGNER,
		     "it imports %.*s; a signer may import functions only (which are stubs), no memory, table or global",
		     BFMT(buf_bytes(&text)));
	buf_deinit(&text);
	return n ? -1 : 0;
}

int imports_take(struct module *m)
{
	char name[160];

	if (!m->imports.data)
		wasmtime_module_imports(m->compiled, &m->imports);
	if (refuse(&m->imports))
		return -1;
	if (m->imports.size > IMPORTS_MAX)
		return fail(ERR_SIGNER, "it imports %zu functions, at most %d are allowed",
			    m->imports.size, IMPORTS_MAX);
	m->stubs = m->imports.size ? calloc(m->imports.size, sizeof(*m->stubs)) : NULL;
	if (m->imports.size && !m->stubs)
		return fail(ERR_OUT_OF_MEMORY, "out of memory");
	for (size_t i = 0; i < m->imports.size; i++) {
		m->stubs[i].fills_table = fills_table(m->imports.data[i]);
		import_name(m->imports.data[i], name, sizeof(name));
		snprintf(m->stubs[i].text, sizeof(m->stubs[i].text),
			 "it called its import %s: a signer may only compute", name);
	}
	return 0;
}

void imports_free(struct module *m)
{
	if (m->imports.data)
		wasm_importtype_vec_delete(&m->imports);
	m->imports.data = NULL;
	free(m->stubs);
	m->stubs = NULL;
}

void imports_print(struct pen *p, const struct module *m)
{
	char name[160];

	for (size_t i = 0; i < m->imports.size; i++) {
		const wasm_importtype_t *t = m->imports.data[i];

		pen_bytes(p, i ? B("\n         ") : B(""));
		import_name(t, name, sizeof(name));
		pen_printf(p, "%s: ", name);
		type_print(p, wasm_importtype_type(t));
		if (!is_function(t))
			pen_lit(p, ", refused: it would be shared with the host");
		else if (fills_table(t))
			pen_lit(p, ", fills the module's own table of externref");
		else
			pen_lit(p, ", a stub: a call of it fails the signature");
	}
	if (!m->imports.size)
		pen_lit(p, "none");
}

/* ---- what it gets ---- */

static wasm_trap_t *stop(struct instance *in, const char *why)
{
	in->refused = why;
	return wasmtime_trap_new(why, strlen(why));
}

/* undefined, true and false are three objects that are not null, and nothing else. */
static bool put(wasmtime_context_t *c, const wasmtime_table_t *t, uint64_t at, bool null)
{
	static char object;
	wasmtime_val_t v = { .kind = WASMTIME_EXTERNREF };
	wasmtime_error_t *e;

	if (null)
		wasmtime_externref_set_null(&v.of.externref);
	else if (!wasmtime_externref_new(c, &object, NULL, &v.of.externref))
		return false;
	e = wasmtime_table_set(c, t, at, &v);
	wasmtime_externref_unroot(&v.of.externref);
	if (e)
		wasmtime_error_delete(e);
	return !e;
}

static bool fill(wasmtime_context_t *c, const wasmtime_table_t *t)
{
	uint64_t at = FILLED_AT;
	wasmtime_val_t none = { .kind = WASMTIME_EXTERNREF };
	wasmtime_error_t *e = NULL;

	wasmtime_externref_set_null(&none.of.externref);
	if (wasmtime_table_size(c, t) < FILLED_AT + VALUES)
		e = wasmtime_table_grow(c, t, VALUES, &none, &at);
	if (e) {
		wasmtime_error_delete(e);
		return false;
	}
	return put(c, t, 0, false) && put(c, t, at, false) && put(c, t, at + 1, true) &&
	       put(c, t, at + 2, false) && put(c, t, at + 3, false);
}

/* The module's own one. Its caller has no exports where the import itself is exported as `__wbindgen_start`, and the
 * instance is not there yet where it is the start function. */
static bool find_table(struct instance *in, wasmtime_caller_t *caller, wasmtime_extern_t *item)
{
	const char *name = in->module->table;

	if (!name)
		return false;
	if (in->made)
		return wasmtime_instance_export_get(in->context, &in->own, name, strlen(name),
						    item);
	return wasmtime_caller_export_get(caller, name, strlen(name), item);
}

static wasm_trap_t *fill_table(struct instance *in, wasmtime_caller_t *caller)
{
	wasmtime_extern_t item;
	bool filled;

	if (!find_table(in, caller, &item))
		return stop(in, table_failed);
	filled = item.kind == WASMTIME_EXTERN_TABLE &&
		 fill(wasmtime_caller_context(caller), &item.of.table);
	wasmtime_extern_delete(&item);
	return filled ? NULL : stop(in, table_failed);
}

static wasm_trap_t *on_call(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values,
			    size_t n)
{
	const struct stub *s = env;
	struct instance *in = wasmtime_context_get_data(wasmtime_caller_context(caller));

	(void)values, (void)n;
	return s->fills_table ? fill_table(in, caller) : stop(in, s->text);
}

void imports_make(struct instance *in, const struct module *m, wasmtime_extern_t *out)
{
	for (size_t i = 0; i < m->imports.size; i++) {
		const wasm_externtype_t *t = wasm_importtype_type(m->imports.data[i]);

		out[i].kind = WASMTIME_EXTERN_FUNC;
		wasmtime_func_new_unchecked(in->context, wasm_externtype_as_functype_const(t),
					    on_call, &m->stubs[i], NULL, &out[i].of.func);
	}
}
