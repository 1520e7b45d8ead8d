/*
 * A signer's module: reading, hashing, compiling (or taking a compilation from the cache), and finding
 * out by which ABI it is called.
 *
 * The cache holds machine code that this process will run, so a file of it is believed only if this user
 * owns it and nobody else may write it, and only if the SHA-256 at its end fits what stands before
 * (Wasmtime checks versions, settings and processor, but not for bit rot). Anything else is compiled
 * again and written anew: to a temporary file, synced, renamed.
 *
 * The two ABIs of wasm-bindgen differ in how `sign` gives two numbers back: through memory (`retptr`,
 * with __wbindgen_add_to_stack_pointer) or as two results (multi-value). Newer versions rename the
 * allocator's exports to __wbindgen_export, __wbindgen_export2, or __wbindgen_export_0, _1, ...; these
 * are told apart by their types.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/pen.h"
#include "sign/wasm.h"

#define PATH_ROOM     4096
#define EXPORTS_SHOWN 2048

/* ---- reading ---- */

static void sha256_hex(struct bytes data, char out[65])
{
	uint8_t hash[SHA256_DIGEST_LENGTH];

	SHA256((const uint8_t *)data.p, data.n, hash);
	hex_print(hash, sizeof(hash), out);
}

static int check_form(struct bytes wasm)
{
	static const char magic[4] = "\0asm";

	if (!wasm.n)
		return fail(ERR_SIGNER, "the file is empty");
	if (wasm.n < 8 || memcmp(wasm.p, magic, 4) != 0)
		return fail(ERR_SIGNER, "not a WebAssembly module (no \\0asm at its beginning)");
	if (wasm.p[6] == 1)
		return fail(ERR_SIGNER, "a WebAssembly component, where a core module is needed");
	return 0;
}

int module_read(const char *path, struct bytes pin, struct buf *wasm, char sha256[65])
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int rc = -1;

	if (fd < 0)
		return fail(ERR_SIGNER, "%s", strerror(errno));
	if (fstat(fd, &st) < 0)
		fail(ERR_SIGNER, "%s", strerror(errno));
	else if (!S_ISREG(st.st_mode))
		fail(ERR_SIGNER, "not a regular file");
	else if (st.st_size > MODULE_MAX)
		fail(ERR_SIGNER, "larger than %u MiB", MODULE_MAX >> 20);
	else
		rc = buf_read(wasm, fd) ? fail_as(ERR_SIGNER) : 0;
	close(fd);
	if (rc < 0)
		return -1;
	sha256_hex(buf_bytes(wasm), sha256);
	if (pin.n && !bytes_ieq(pin, bytes_of(sha256)))
		return fail(ERR_SIGNER, "its SHA-256 is %s, signer.sha256 asks for %.*s", sha256,
			    BFMT(pin));
	return check_form(buf_bytes(wasm));
}

/* ---- the cache ---- */

static bool trusted(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* The compiled code without its checksum; false: not there, not ours or damaged. */
static bool cache_read(const char *path, struct buf *code)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	bool good;

	if (fd < 0)
		return false;
	good = trusted(fd) && buf_read(code, fd) == 0 && code->len > sizeof(hash);
	close(fd);
	if (!good)
		return false;
	code->len -= sizeof(hash);
	SHA256((const uint8_t *)code->data, code->len, hash);
	return memcmp(hash, code->data + code->len, sizeof(hash)) == 0;
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = fault("sign.cache_write") ? (errno = ENOSPC, -1) : write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

/* The cache saves time, nothing more: what fails here is a warning. */
static void cache_write(const char *dir, const char *path, const wasm_byte_vec_t *code)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	char temp[PATH_ROOM];
	int fd;

	if (snprintf(temp, sizeof(temp), "%s/.new-XXXXXX", dir) >= (int)sizeof(temp))
		return;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		if (errno == ENOENT)
			return; /* no data directory yet: a check, or a start that will be refused */
		goto failed;
	}
	fd = mkostemp(temp, O_CLOEXEC); /* mode 0600 */
	if (fd < 0)
		goto failed;
	SHA256((const uint8_t *)code->data, code->size, hash);
	if (write_all(fd, code->data, code->size) ||
	    write_all(fd, (const char *)hash, sizeof(hash)) || fsync(fd) < 0) {
		int saved = errno;

		close(fd);
		unlink(temp);
		errno = saved;
		goto failed;
	}
	close(fd);
	if (rename(temp, path) == 0)
		return;
	unlink(temp);
failed:
	log_warn("sign", "a compiled signer cannot be kept", LS("file", path),
		 LS("error", strerror(errno)));
}

static bool compile_cached(struct module *m, const char *path)
{
	wasmtime_error_t *e;
	struct buf code;
	char why[SIGNER_WHY_BYTES];

	buf_init(&code, COMPILED_MAX);
	if (!cache_read(path, &code)) {
		buf_deinit(&code);
		return false;
	}
	e = wasmtime_module_deserialize(engine(), (const uint8_t *)code.data, code.len,
					&m->compiled);
	buf_deinit(&code);
	if (!e)
		return m->cached = true;
	engine_error_text(e, why, sizeof(why));
	log_info("sign", "a compiled signer in the cache is of no use", LS("file", path),
		 LS("error", why));
	return false;
}

int module_compile(struct module *m, struct bytes wasm, const char *cache_dir)
{
	char path[PATH_ROOM] = "", why[SIGNER_WHY_BYTES];
	wasm_byte_vec_t code;
	wasmtime_error_t *e;

	m->size = wasm.n;
	if (cache_dir && *cache_dir &&
	    snprintf(path, sizeof(path), "%s/%s-%s.cwasm", cache_dir, m->sha256, engine_key()) >=
		    (int)sizeof(path))
		path[0] = '\0';
	if (path[0] && compile_cached(m, path))
		return 0;
	if (compile_module(wasm, &m->compiled))
		return -1;
	if (!path[0])
		return 0;
	e = wasmtime_module_serialize(m->compiled, &code);
	if (e) {
		engine_error_text(e, why, sizeof(why));
		log_warn("sign", "a compiled signer cannot be kept", LS("error", why));
		return 0;
	}
	cache_write(cache_dir, path, &code);
	wasm_byte_vec_delete(&code);
	return 0;
}

void module_free(struct module *m)
{
	imports_free(m);
	if (m->compiled)
		wasmtime_module_delete(m->compiled);
	m->compiled = NULL;
	free(m->table);
	m->table = NULL;
}

/* ---- exports ---- */

/* The C API's own function ends the process at a type that it does not know (v128, typed references). */
static wasmtime_valtype_kind_t value_kind(const wasm_valtype_t *v)
{
	wasmtime_valtype_kind_t kind;
	wasmtime_valtype_t type;

	wasmtime_valtype_new(v, &type);
	kind = type.kind;
	wasmtime_valtype_delete(&type);
	return kind;
}

static bool is_externref(const wasm_valtype_t *v)
{
	wasmtime_valtype_t type;
	bool is;

	wasmtime_valtype_new(v, &type);
	is = type.kind == WASMTIME_VALTYPE_KIND_REF &&
	     type.reftype.heaptype.kind == WASMTIME_HEAPTYPE_KIND_EXTERN;
	wasmtime_valtype_delete(&type);
	return is;
}

static const char *value_name(const wasm_valtype_t *v)
{
	switch (value_kind(v)) {
	case WASMTIME_VALTYPE_KIND_I32: return "i32";
	case WASMTIME_VALTYPE_KIND_I64: return "i64";
	case WASMTIME_VALTYPE_KIND_F32: return "f32";
	case WASMTIME_VALTYPE_KIND_F64: return "f64";
	case WASMTIME_VALTYPE_KIND_V128: return "v128";
	default: return "ref";
	}
}

static void print_values(struct pen *p, const wasm_valtype_vec_t *v)
{
	pen_lit(p, "(");
	for (size_t i = 0; i < v->size; i++)
		pen_printf(p, "%s%s", i ? " " : "", value_name(v->data[i]));
	pen_lit(p, ")");
}

static void print_limits(struct pen *p, const char *what, const wasm_limits_t *l, const char *unit)
{
	pen_printf(p, "%s %u %s", what, l->min, unit);
	if (l->max != wasm_limits_max_default)
		pen_printf(p, ", at most %u", l->max);
}

/* "function (i32 i32) -> (i32)", "memory 17 pages". */
void type_print(struct pen *p, const wasm_externtype_t *t)
{
	const wasm_functype_t *f = wasm_externtype_as_functype_const(t);

	switch (wasm_externtype_kind(t)) {
	case WASM_EXTERN_FUNC:
		pen_lit(p, "function ");
		print_values(p, wasm_functype_params(f));
		pen_lit(p, " -> ");
		print_values(p, wasm_functype_results(f));
		break;
	case WASM_EXTERN_MEMORY:
		print_limits(p, "memory",
			     wasm_memorytype_limits(wasm_externtype_as_memorytype_const(t)),
			     "pages");
		break;
	case WASM_EXTERN_TABLE:
		print_limits(p, "table",
			     wasm_tabletype_limits(wasm_externtype_as_tabletype_const(t)),
			     "elements");
		break;
	case WASM_EXTERN_GLOBAL: pen_lit(p, "global"); break;
	default: pen_lit(p, "other");
	}
}

static struct bytes name_of(const wasm_name_t *n)
{
	return (struct bytes){ n->data ? n->data : "", n->size };
}

static bool all_i32(const wasm_valtype_vec_t *v, size_t n)
{
	for (size_t i = 0; i < v->size; i++)
		if (value_kind(v->data[i]) != WASMTIME_VALTYPE_KIND_I32)
			return false;
	return v->size == n;
}

/* Whether it is a function of `np` i32 that gives `nr` i32. */
static bool is_function(const wasm_externtype_t *t, size_t np, size_t nr)
{
	const wasm_functype_t *f = wasm_externtype_as_functype_const(t);

	return f && all_i32(wasm_functype_params(f), np) && all_i32(wasm_functype_results(f), nr);
}

#define MISSING SIZE_MAX

static size_t find_function(const wasm_exporttype_vec_t *v, struct bytes name, size_t np, size_t nr)
{
	for (size_t i = 0; i < v->size; i++)
		if (bytes_eq(name_of(wasm_exporttype_name(v->data[i])), name) &&
		    is_function(wasm_exporttype_type(v->data[i]), np, nr))
			return i;
	return MISSING;
}

/* The only renamed export of wasm-bindgen with this type. */
static size_t find_renamed(const wasm_exporttype_vec_t *v, size_t np, size_t nr)
{
	size_t found = MISSING;

	for (size_t i = 0; i < v->size; i++) {
		if (!bytes_starts(name_of(wasm_exporttype_name(v->data[i])),
				  B("__wbindgen_export")) ||
		    !is_function(wasm_exporttype_type(v->data[i]), np, nr))
			continue;
		if (found != MISSING)
			return MISSING;
		found = i;
	}
	return found;
}

static size_t find_allocator(const wasm_exporttype_vec_t *v, struct bytes name, size_t np,
			     size_t nr)
{
	size_t at = find_function(v, name, np, nr);

	return at != MISSING ? at : find_renamed(v, np, nr);
}

static size_t find_memory(const wasm_exporttype_vec_t *v)
{
	for (size_t i = 0; i < v->size; i++)
		if (bytes_eq(name_of(wasm_exporttype_name(v->data[i])), B("memory")) &&
		    wasm_externtype_kind(wasm_exporttype_type(v->data[i])) == WASM_EXTERN_MEMORY)
			return i;
	return MISSING;
}

/* What keeps the exports from being one of the two ABIs; NULL: nothing, and the module is filled in. */
static const char *match(struct module *m, const wasm_exporttype_vec_t *v)
{
	const size_t args = SIGNER_ARGS * 2;
	size_t by_pointer = find_function(v, B("sign"), args + 1, 0);
	size_t by_value = find_function(v, B("sign"), args, 2);

	m->memory = find_memory(v);
	m->alloc = find_allocator(v, B("__wbindgen_malloc"), 2, 1);
	m->release = find_allocator(v, B("__wbindgen_free"), 3, 0);
	m->stack = find_function(v, B("__wbindgen_add_to_stack_pointer"), 1, 1);
	m->start = find_function(v, B("__wbindgen_start"), 0, 0);
	m->starts = m->start != MISSING;
	m->sign = by_pointer != MISSING ? by_pointer : by_value;
	if (m->sign == MISSING)
		return "it has no `sign` with 9 i32 parameters, or with 8 and 2 i32 results";
	if (m->memory == MISSING)
		return "it has no `memory`";
	if (m->alloc == MISSING)
		return "it has no `__wbindgen_malloc` or `__wbindgen_export_N` (i32 i32) -> (i32)";
	if (m->release == MISSING)
		return "it has no `__wbindgen_free` or `__wbindgen_export_N` (i32 i32 i32) -> ()";
	if (by_pointer != MISSING && m->stack == MISSING)
		return "it has no `__wbindgen_add_to_stack_pointer` (i32) -> (i32)";
	m->abi = by_pointer != MISSING ? ABI_RETPTR : ABI_MULTI_VALUE;
	if (m->abi == ABI_MULTI_VALUE)
		m->stack = 0;
	return NULL;
}

static void print_exports(struct pen *p, const wasm_exporttype_vec_t *v, const char *between)
{
	for (size_t i = 0; i < v->size; i++) {
		pen_printf(p, "%s%.*s: ", i ? between : "",
			   BFMT(name_of(wasm_exporttype_name(v->data[i]))));
		type_print(p, wasm_exporttype_type(v->data[i]));
	}
	if (!v->size)
		pen_lit(p, "none");
}

/* The table that wasm-bindgen's import fills: by its name of today, else the first of its kind. -1: no memory. */
static int find_table(struct module *m, const wasm_exporttype_vec_t *v)
{
	struct bytes found = { 0 };

	for (size_t i = 0; i < v->size; i++) {
		struct bytes name = name_of(wasm_exporttype_name(v->data[i]));
		const wasm_tabletype_t *t =
			wasm_externtype_as_tabletype_const(wasm_exporttype_type(v->data[i]));

		if (t && is_externref(wasm_tabletype_element(t)) &&
		    (!bytes_set(found) || bytes_eq(name, B("__wbindgen_externrefs"))))
			found = name;
	}
	free(m->table);
	m->table = bytes_set(found) ? strndup(found.p, found.n) : NULL;
	return bytes_set(found) && !m->table ? fail(ERR_OUT_OF_MEMORY, "out of memory") : 0;
}

int module_recognise(struct module *m)
{
	wasm_exporttype_vec_t v;
	const char *missing;
	struct buf text;
	struct pen p = { .b = &text };
	int rc = 0;

	if (imports_take(m))
		return -1;
	wasmtime_module_exports(m->compiled, &v);
	rc = find_table(m, &v);
	missing = match(m, &v);
	if (missing) {
		buf_init(&text, EXPORTS_SHOWN);
		print_exports(&p, &v, "; "); /* cut when there are many */
		rc = fail(ERR_SIGNER, "%s. Its exports: %.*s", missing, BFMT(buf_bytes(&text)));
		buf_deinit(&text);
	}
	wasm_exporttype_vec_delete(&v);
	return rc;
}

/* ---- signet sign --inspect ---- */

static void print_memory(struct pen *p, const wasm_exporttype_vec_t *v)
{
	size_t at = find_memory(v);
	const wasm_memorytype_t *type;
	uint64_t min, max;

	if (at == MISSING) {
		pen_lit(p, "none exported");
		return;
	}
	type = wasm_externtype_as_memorytype_const(wasm_exporttype_type(v->data[at]));
	min = wasmtime_memorytype_minimum(type);
	pen_printf(p, "%" PRIu64 " pages at start (%" PRIu64 " KiB)", min, min * 64);
	if (wasmtime_memorytype_maximum(type, &max))
		pen_printf(p, ", at most %" PRIu64 " pages", max);
	else
		pen_lit(p, ", no maximum of its own");
}

static int print_module(struct module *m, const char *path, struct buf *out)
{
	static const char *const abis[] = { "", "wasm-bindgen", "wasm-bindgen (multi-value)" };
	wasm_exporttype_vec_t exports;
	struct pen p = { .b = out };
	const char *missing;

	wasmtime_module_imports(m->compiled, &m->imports);
	wasmtime_module_exports(m->compiled, &exports);
	missing = match(m, &exports);
	pen_printf(&p, "module   %s (%zu bytes)\nsha256   %s\nabi      %s%s\nimports  ", path,
		   m->size, m->sha256, missing ? "none: " : "", missing ? missing : abis[m->abi]);
	imports_print(&p, m);
	pen_lit(&p, "\nexports  ");
	print_exports(&p, &exports, "\n         ");
	pen_lit(&p, "\nmemory   ");
	print_memory(&p, &exports);
	pen_lit(&p, "\n");
	wasm_exporttype_vec_delete(&exports);
	return pen_done(&p);
}

/* What the engine has refused, with its reason. */
static int print_refused(const struct module *m, const char *path, struct bytes wasm,
			 struct buf *out)
{
	struct pen p = { .b = out };

	pen_printf(&p, "module   %s (%zu bytes)\nsha256   %s\nabi      none: %.*s\n", path, m->size,
		   m->sha256, BFMT(error_last()->message));
	sections_print(&p, wasm);
	return pen_done(&p);
}

int signer_inspect(const char *path, struct buf *out)
{
	struct module m = { 0 };
	struct buf wasm;
	int rc = -1;

	buf_init(&wasm, MODULE_MAX + BUF_READ_ROOM);
	if (module_read(path, (struct bytes){ 0 }, &wasm, m.sha256))
		fail_context("Failed to get WasmSigner instance: %s: ", path);
	else if (module_compile(&m, buf_bytes(&wasm), NULL))
		rc = print_refused(&m, path, buf_bytes(&wasm), out);
	else
		rc = print_module(&m, path, out);
	buf_deinit(&wasm);
	module_free(&m);
	return rc;
}
