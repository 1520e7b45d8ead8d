/*
 * Where in a module a call ended: names of its functions, innermost first, on one line of bounded length.
 *
 * The names are from the module's name section, so they are foreign text and may be long. Rust's are mangled, in the old way
 * (`_ZN4sign7explode17h0123456789abcdefE`) or the new one (`_RNvCs1_4sign7explode`); of both the path is shown, and what is
 * more than a path (the methods of a trait) stays as it is.
 */
#include <stdio.h>

#include "sign/wasm.h"

#define NAME_MAX_BYTES 64
#define NAME_ROOM      256
#define HASH_DIGITS    17 /* "h" and 16 digits, at the end of each old Rust name */
#define PATH_DEPTH     16

/* What stands for characters that no symbol may have. */
static const struct {
	struct bytes code, text;
} rust_codes[] = {
	{ B("$LT$"), B("<") },  { B("$GT$"), B(">") },  { B("$RF$"), B("&") },
	{ B("$BP$"), B("*") },  { B("$C$"), B(",") },   { B("$LP$"), B("(") },
	{ B("$RP$"), B(")") },  { B("$u20$"), B(" ") }, { B(".."), B("::") },
	{ B("$u7b$"), B("{") }, { B("$u7d$"), B("}") },
};

static bool is_hash(struct bytes part)
{
	if (part.n != HASH_DIGITS || part.p[0] != 'h')
		return false;
	for (size_t i = 1; i < part.n; i++)
		if (hex_digit(part.p[i]) < 0)
			return false;
	return true;
}

static void put(struct bytes text, char *out, size_t *n)
{
	for (size_t i = 0; i < text.n && *n + 1 < NAME_ROOM; i++)
		out[(*n)++] = text.p[i];
}

static void put_part(struct bytes part, char *out, size_t *n)
{
	if (part.n > 1 && part.p[0] == '_' && part.p[1] == '$')
		part = bytes_slice(part, 1, part.n);
	while (part.n) {
		struct bytes text = bytes_slice(part, 0, 1);
		size_t taken = 1;

		for (size_t i = 0; i < COUNT(rust_codes); i++)
			if (bytes_starts(part, rust_codes[i].code)) {
				text = rust_codes[i].text;
				taken = rust_codes[i].code.n;
				break;
			}
		put(text, out, n);
		part = bytes_slice(part, taken, part.n);
	}
}

/* Takes "7explode" off the front. False: there is none. */
static bool next_part(struct bytes *rest, struct bytes *part)
{
	size_t digits = 0, n = 0;

	while (digits < rest->n && digits < 4 && rest->p[digits] >= '0' && rest->p[digits] <= '9')
		n = n * 10 + (size_t)(rest->p[digits++] - '0');
	if (!n || n > rest->n - digits)
		return false;
	*part = bytes_slice(*rest, digits, n);
	*rest = bytes_slice(*rest, digits + n, rest->n);
	return true;
}

/* An identifier of the new way: "s1_" (which of several), "4name", "4_name" where it begins with a digit or "_". */
static bool next_identifier(struct bytes *rest, struct bytes *part)
{
	size_t digits = 0, n = 0;

	if (bytes_starts(*rest, B("s")) && bytes_chr(*rest, '_') >= 0)
		bytes_cut(rest, '_');
	while (digits < rest->n && digits < 4 && rest->p[digits] >= '0' && rest->p[digits] <= '9')
		n = n * 10 + (size_t)(rest->p[digits++] - '0');
	*rest = bytes_slice(*rest, digits, rest->n);
	if (bytes_starts(*rest, B("_")))
		*rest = bytes_slice(*rest, 1, rest->n);
	if (!digits || n > rest->n)
		return false;
	*part = bytes_slice(*rest, 0, n);
	*rest = bytes_slice(*rest, n, rest->n);
	return true;
}

/* A path: "C" and a crate, "N", a letter, a path and a name in it, or "I" and a path with types. False: another one. */
static bool put_path(struct bytes *rest, int depth, char *out, size_t *n)
{
	char kind = rest->n ? rest->p[0] : '\0', space = rest->n > 1 ? rest->p[1] : '\0';
	struct bytes part;

	*rest = bytes_slice(*rest, kind == 'N' ? 2 : 1, rest->n);
	if (depth == PATH_DEPTH || (kind != 'C' && kind != 'N' && kind != 'I'))
		return false;
	if (kind == 'I')
		return put_path(rest, depth + 1, out, n);
	if ((kind == 'N' && !put_path(rest, depth + 1, out, n)) || !next_identifier(rest, &part))
		return false;
	put(*n ? B("::") : B(""), out, n);
	put(space == 'C' && kind == 'N' ? B("{closure}") : part, out, n);
	return true;
}

/* Of "_R…". */
static size_t new_rust_name(struct bytes name, char out[NAME_ROOM])
{
	struct bytes rest = bytes_slice(name, 2, name.n);
	size_t n = 0;

	return bytes_starts(name, B("_R")) && put_path(&rest, 0, out, &n) ? n : 0;
}

/* Of "_ZN…E". The length of the readable name in `out`; 0: it is none of those. */
static size_t rust_name(struct bytes name, char out[NAME_ROOM])
{
	struct bytes rest = bytes_slice(name, 3, name.n), part;
	size_t n = 0;

	if (!bytes_starts(name, B("_ZN")))
		return 0;
	while (next_part(&rest, &part)) {
		if (is_hash(part))
			continue;
		put(n ? B("::") : B(""), out, &n);
		put_part(part, out, &n);
	}
	return bytes_starts(rest, B("E")) ? n : 0;
}

/* "core::panicking::panic::h0123456789abcdef", as tools write it that have undone the rest. */
static struct bytes without_hash(struct bytes name)
{
	size_t tail = HASH_DIGITS + 2;

	if (name.n > tail && bytes_starts(bytes_slice(name, name.n - tail, 2), B("::")) &&
	    is_hash(bytes_slice(name, name.n - HASH_DIGITS, HASH_DIGITS)))
		return bytes_slice(name, 0, name.n - tail);
	return name;
}

void function_name(struct bytes name, uint32_t number, char out[FUNCTION_NAME_BYTES])
{
	char readable[NAME_ROOM];
	size_t old = rust_name(name, readable), n = old ? old : new_rust_name(name, readable);
	struct bytes text = without_hash(n ? (struct bytes){ readable, n } : name);
	struct bytes shown = bytes_head(text, NAME_MAX_BYTES);

	if (!name.n || !bytes_is_utf8(name))
		snprintf(out, FUNCTION_NAME_BYTES, "function %u", number);
	else
		snprintf(out, FUNCTION_NAME_BYTES, "%.*s%s", BFMT(shown),
			 shown.n < text.n ? "..." : "");
	for (; *out; out++)
		if ((unsigned char)*out < 0x20 || *out == 0x7f)
			*out = '?';
}

static void name_of(const wasm_frame_t *f, char out[FUNCTION_NAME_BYTES])
{
	const wasm_name_t *name = wasmtime_frame_func_name(f);

	function_name(name ? (struct bytes){ name->data, name->size } : (struct bytes){ 0 },
		      wasm_frame_func_index(f), out);
}

/* Calls of the same function behind one another are told once. */
static size_t count_same(const wasm_frame_vec_t *v, size_t from)
{
	size_t n = 1;

	while (from + n < v->size &&
	       wasm_frame_func_index(v->data[from + n]) == wasm_frame_func_index(v->data[from]))
		n++;
	return n;
}

void backtrace_print(const wasm_frame_vec_t *v, char out[SIGNER_TRACE_BYTES])
{
	char name[FUNCTION_NAME_BYTES], times[32] = "";
	size_t at = 0, same;

	out[0] = '\0';
	for (size_t i = 0; i < v->size; i += same) {
		name_of(v->data[i], name);
		same = count_same(v, i);
		if (same > 1)
			snprintf(times, sizeof(times), " (%zu times)", same);
		if (at + sizeof(name) + sizeof(times) + sizeof(" <- 0x00000000 <- ...") >
		    SIGNER_TRACE_BYTES) {
			snprintf(out + at, SIGNER_TRACE_BYTES - at, " <- ...");
			return;
		}
		at += (size_t)snprintf(out + at, SIGNER_TRACE_BYTES - at, "%s%s", i ? " <- " : "",
				       name);
		if (!i)
			at += (size_t)snprintf(out + at, SIGNER_TRACE_BYTES - at, " 0x%zx",
					       wasm_frame_module_offset(v->data[i]));
		at += (size_t)snprintf(out + at, SIGNER_TRACE_BYTES - at, "%s",
				       same > 1 ? times : "");
	}
}
