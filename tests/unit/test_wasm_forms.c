/*
 * Modules byte by byte: which exports make a signer, what is told of those that do not, each way in which a call can
 * trap, and what of a signer is kept: compilations and instances.
 */
#include <dirent.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "fiber/loop.h"
#include "sign/signer.h"
#include "sign/wasm.h"
#include "unit.h"
#include "wasm_form.h"

/* A refusal's reason, which stands behind the path. */
static void expect_reason(const char *want)
{
	char all[4096];

	snprintf(all, sizeof all, "Failed to get WasmSigner instance: %s: %s", path, want);
	assert_int_equal(error_last()->kind, ERR_SIGNER);
	if (!bytes_eq(why(), bytes_of(all)))
		fail_msg("got  %.*s\nwant %s", BFMT(why()), all);
	error_clear();
}

static int sign(struct signer *s)
{
	struct bytes args[4] = { B("n"), B("t"), B("d"), B("c") };
	struct signature out;
	struct arena a;
	int r;

	arena_init(&a, 1 << 16);
	r = signer_sign(s, args, &a, &out);
	arena_deinit(&a);
	return r;
}

/* ---- which exports make a signer ---- */

#define NINE  "iiiiiiiii:"
#define EIGHT "iiiiiiii:ii"
#define MEMORY                \
	{                     \
		"memory", "m" \
	}
#define MALLOC                              \
	{                                   \
		"__wbindgen_malloc", "ii:i" \
	}
#define FREE                              \
	{                                 \
		"__wbindgen_free", "iii:" \
	}
#define STACK                                            \
	{                                                \
		"__wbindgen_add_to_stack_pointer", "i:i" \
	}

static void test_exports_that_make_a_signer(void **state)
{
	static const struct {
		struct form form;
		const char *abi;
	} cases[] = {
		{ { .exports = { MEMORY, { "sign", NINE }, MALLOC, FREE, STACK } },
		  "wasm-bindgen" },
		{ { .exports = { MEMORY, { "sign", EIGHT }, MALLOC, FREE } },
		  "wasm-bindgen (multi-value)" },
		{ { .exports = { { "__wbindgen_export_7", "iii:" },
				 { "__wbindgen_export", "ii:i" },
				 { "sign", EIGHT },
				 MEMORY } },
		  "wasm-bindgen (multi-value)" },
		{ { .exports = { { "__wbindgen_export2", "iii:" },
				 { "__wbindgen_export3", "ii:" },
				 { "__wbindgen_export4", "iI:i" },
				 { "__wbindgen_export5", "ii:I" },
				 { "__wbindgen_export", "ii:i" },
				 { "other", "ii:i" },
				 { "sign", NINE },
				 STACK,
				 MEMORY } },
		  "wasm-bindgen" },
		/* by its own name, whatever else has the type */
		{ { .exports = { MEMORY,
				 { "sign", EIGHT },
				 { "__wbindgen_export", "ii:i" },
				 { "__wbindgen_export2", "ii:i" },
				 MALLOC,
				 FREE } },
		  "wasm-bindgen (multi-value)" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct signer *s;

		write_form(&cases[i].form);
		s = load_limited(limits, NULL);
		if (!s)
			fail_msg("case %zu: %.*s", i, BFMT(why()));
		assert_true(bytes_eq(signer_abi(s), bytes_of(cases[i].abi)));
		assert_true(bytes_eq(signer_id(s), B("me")));
		assert_int_equal(signer_sha256(s).n, 64);
		assert_int_equal(sign(s), -1); /* it answers nothing at all */
		if (i < 2)
			assert_true(bytes_ends(
				why(),
				i ? B("it has no memory for an argument of 1 bytes (signer.memory_limit_mb is 16)")
				  : B("it has no memory for an argument of 1 bytes (signer.memory_limit_mb is 16)")));
		signer_unref(s);
	}
	error_clear();
}

static void test_exports_that_do_not(void **state)
{
	static const struct {
		struct form form;
		const char *reason;
	} cases[] = {
		{ { .exports = { MEMORY, { "sign", "iiiiiiii:" }, MALLOC, FREE, STACK } },
		  "it has no `sign` with 9 i32 parameters, or with 8 and 2 i32 results. Its exports: memory: memory 2 pages, at most 5; sign: function (i32 i32 i32 i32 i32 i32 i32 i32) -> (); __wbindgen_malloc: function (i32 i32) -> (i32); __wbindgen_free: function (i32 i32 i32) -> (); __wbindgen_add_to_stack_pointer: function (i32) -> (i32)" },
		{ { .exports = { { "sign", "iiiiiiiiI:" } } },
		  "it has no `sign` with 9 i32 parameters, or with 8 and 2 i32 results. Its exports: sign: function (i32 i32 i32 i32 i32 i32 i32 i32 i64) -> ()" },
		{ { .exports = { { "sign", "iiiiiiiii:i" }, { "sign2", NINE } } },
		  "it has no `sign` with 9 i32 parameters, or with 8 and 2 i32 results. Its exports: sign: function (i32 i32 i32 i32 i32 i32 i32 i32 i32) -> (i32); sign2: function (i32 i32 i32 i32 i32 i32 i32 i32 i32) -> ()" },
		{ { .exports = { { "sign", "iiiiiiii:iF" } } },
		  "it has no `sign` with 9 i32 parameters, or with 8 and 2 i32 results. Its exports: sign: function (i32 i32 i32 i32 i32 i32 i32 i32) -> (i32 f64)" },
		{ { .exports = { { "sign", "t" } } },
		  "it has no `sign` with 9 i32 parameters, or with 8 and 2 i32 results. Its exports: sign: table 1 elements, at most 3" },
		{ { .exports = { { NULL, NULL, { NULL, 0 } } } },
		  "it has no `sign` with 9 i32 parameters, or with 8 and 2 i32 results. Its exports: none" },
		{ { .exports = { { "sign", EIGHT }, MALLOC, FREE, { "memory", "f:r" } } },
		  "it has no `memory`. Its exports: sign: function (i32 i32 i32 i32 i32 i32 i32 i32) -> (i32 i32); __wbindgen_malloc: function (i32 i32) -> (i32); __wbindgen_free: function (i32 i32 i32) -> (); memory: function (f32) -> (ref)" },
		{ { .exports = { { "sign", EIGHT },
				 { "__wbindgen_malloc", "iii:" },
				 FREE,
				 MEMORY } },
		  "it has no `__wbindgen_malloc` or `__wbindgen_export_N` (i32 i32) -> (i32). Its exports: sign: function (i32 i32 i32 i32 i32 i32 i32 i32) -> (i32 i32); __wbindgen_malloc: function (i32 i32 i32) -> (); __wbindgen_free: function (i32 i32 i32) -> (); memory: memory 2 pages, at most 5" },
		{ { .exports = { { "sign", EIGHT },
				 { "__wbindgen_export", "ii:i" },
				 { "__wbindgen_export2", "ii:i" },
				 FREE,
				 MEMORY } },
		  "it has no `__wbindgen_malloc` or `__wbindgen_export_N` (i32 i32) -> (i32). Its exports: sign: function (i32 i32 i32 i32 i32 i32 i32 i32) -> (i32 i32); __wbindgen_export: function (i32 i32) -> (i32); __wbindgen_export2: function (i32 i32) -> (i32); __wbindgen_free: function (i32 i32 i32) -> (); memory: memory 2 pages, at most 5" },
		{ { .exports = { { "sign", EIGHT }, MALLOC, { "other_export", "iii:" }, MEMORY } },
		  "it has no `__wbindgen_free` or `__wbindgen_export_N` (i32 i32 i32) -> (). Its exports: sign: function (i32 i32 i32 i32 i32 i32 i32 i32) -> (i32 i32); __wbindgen_malloc: function (i32 i32) -> (i32); other_export: function (i32 i32 i32) -> (); memory: memory 2 pages, at most 5" },
		{ { .exports = { { "sign", NINE }, MALLOC, FREE, MEMORY, { "g", "g" } } },
		  "it has no `__wbindgen_add_to_stack_pointer` (i32) -> (i32). Its exports: sign: function (i32 i32 i32 i32 i32 i32 i32 i32 i32) -> (); __wbindgen_malloc: function (i32 i32) -> (i32); __wbindgen_free: function (i32 i32 i32) -> (); memory: memory 2 pages, at most 5; g: global" },
		{ { .imports = { "a.b", "@env.memory" }, .exports = { { "sign", NINE } } },
		  "it imports env.memory; a signer may import functions only (which are stubs), no memory, table or global" },
		{ { .imports = { "#a.b", "$c.d", "e.f", "@g.h", "#i.j", "$k.l" } },
		  "it imports a.b, c.d, g.h, i.j and 1 more; a signer may import functions only (which are stubs), no memory, table or global" },
		{ { .exports = { MEMORY, { "sign", EIGHT }, MALLOC, FREE }, .start = true },
		  "it gave up (unreachable: a panic or abort)" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		write_form(&cases[i].form);
		assert_null(load_limited(limits, NULL));
		expect_reason(cases[i].reason);
	}
}

/* ---- what is told of a module ---- */

static void inspected(const struct form *f, const char *want)
{
	struct buf wasm, text;
	unsigned char hash[32];
	char hex[65], head[400];

	buf_init(&wasm, 1 << 16);
	buf_init(&text, 1 << 16);
	assemble(f, &wasm);
	SHA256((const unsigned char *)wasm.data, wasm.len, hash);
	for (int i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	write_form(f);
	assert_int_equal(signer_inspect(path, &text), 0);
	snprintf(head, sizeof head, "module   %s (%zu bytes)\nsha256   %s\n", path, wasm.len, hex);
	assert_true(bytes_starts(buf_bytes(&text), bytes_of(head)));
	if (!bytes_eq(bytes_slice(buf_bytes(&text), strlen(head), text.len), bytes_of(want)))
		fail_msg("got\n%.*s\nwant\n%s", BFMT(buf_bytes(&text)), want);
	buf_deinit(&text);
	buf_init(&text, 300); /* too small for it: an error, not half of it */
	assert_int_equal(signer_inspect(path, &text), -1);
	error_clear();
	buf_deinit(&wasm);
	buf_deinit(&text);
}

static void test_inspect_tells_everything(void **state)
{
	(void)state;
	inspected(&(struct form){ .exports = { MEMORY,
					       { "sign", NINE },
					       MALLOC,
					       FREE,
					       STACK,
					       { "t", "t" },
					       { "g", "g" },
					       { "all", "iIfFr:iIfFr" },
					       { "none", ":" } } },
		  "abi      wasm-bindgen\n"
		  "imports  none\n"
		  "exports  memory: memory 2 pages, at most 5\n"
		  "         sign: function (i32 i32 i32 i32 i32 i32 i32 i32 i32) -> ()\n"
		  "         __wbindgen_malloc: function (i32 i32) -> (i32)\n"
		  "         __wbindgen_free: function (i32 i32 i32) -> ()\n"
		  "         __wbindgen_add_to_stack_pointer: function (i32) -> (i32)\n"
		  "         t: table 1 elements, at most 3\n"
		  "         g: global\n"
		  "         all: function (i32 i64 f32 f64 ref) -> (i32 i64 f32 f64 ref)\n"
		  "         none: function () -> ()\n"
		  "memory   2 pages at start (128 KiB), at most 5 pages\n");
	inspected(&(struct form){ .imports = { "a.b", "@c.d" },
				  .exports = { { "sign", EIGHT }, { "wide", "v:v" } } },
		  "abi      none: it has no `memory`\n"
		  "imports  a.b: function () -> (), a stub: a call of it fails the signature\n"
		  "         c.d: memory 1 pages, refused: it would be shared with the host\n"
		  "exports  sign: function (i32 i32 i32 i32 i32 i32 i32 i32) -> (i32 i32)\n"
		  "         wide: function (v128) -> (v128)\n"
		  "memory   none exported\n");
	inspected(&(struct form){ .exports = { { "sign", EIGHT }, MEMORY, MALLOC, FREE } },
		  "abi      wasm-bindgen (multi-value)\n"
		  "imports  none\n"
		  "exports  sign: function (i32 i32 i32 i32 i32 i32 i32 i32) -> (i32 i32)\n"
		  "         memory: memory 2 pages, at most 5\n"
		  "         __wbindgen_malloc: function (i32 i32) -> (i32)\n"
		  "         __wbindgen_free: function (i32 i32 i32) -> ()\n"
		  "memory   2 pages at start (128 KiB), at most 5 pages\n");
}

static void test_files_that_are_no_modules(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		const char *reason;
	} cases[] = {
		{ "", 0, "the file is empty" },
		{ "\0asm\1\0\0", 7, "not a WebAssembly module (no \\0asm at its beginning)" },
		{ "\0asM\1\0\0\0", 8, "not a WebAssembly module (no \\0asm at its beginning)" },
		{ "\0asm\x0d\0\1\0", 8, "a WebAssembly component, where a core module is needed" },
	};
	struct buf text;
	int fd;

	(void)state;
	snprintf(path, sizeof path, "%s/none.wasm", dir);
	buf_init(&text, 1 << 16);
	for (size_t i = 0; i < 4; i++) {
		write_bytes(path, (struct bytes){ cases[i].text, cases[i].n });
		assert_null(load_limited(limits, NULL));
		expect_reason(cases[i].reason);
		assert_int_equal(signer_inspect(path, &text), -1);
		expect_reason(cases[i].reason);
	}
	fd = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(ftruncate(fd, (4 << 20) + 1), 0);
	assert_null(load_limited(limits, NULL));
	expect_reason("larger than 4 MiB");
	assert_int_equal(ftruncate(fd, 4 << 20), 0);
	assert_null(load_limited(limits, NULL));
	expect_reason("not a WebAssembly module (no \\0asm at its beginning)");
	close(fd);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(load_limited(limits, NULL));
	expect_reason("not a regular file");
	unlink(path);
	assert_null(load_limited(limits, NULL));
	expect_reason("No such file or directory");
	buf_deinit(&text);
}

/* ---- calls ---- */

/* malloc gives 1024; `sign` writes nothing, so that it answers whatever lies at address 0. */
#define MALLOC_1024                                            \
	{                                                      \
		"__wbindgen_malloc", "ii:i", B("\x41\x80\x08") \
	}

static void test_each_trap_has_its_words(void **state)
{
	static const struct {
		struct bytes body; /* of sign(…) -> (i32 i32) */
		const char *kind, *words;
	} cases[] = {
		{ B("\x00"), "trap", "it gave up (unreachable: a panic or abort)" },
		{ B("\x41\x01\x41\x00\x6d\x41\x00"), "trap", "division by zero" },
		{ B("\x41\x80\x80\x80\x80\x78\x41\x7f\x6d\x41\x00"), "trap", "integer overflow" },
		{ B("\x43\x00\x00\xc0\x7f\xa8\x41\x00"), "trap", "a number that is no integer" },
		{ B("\x41\x7f\x28\x02\x00\x41\x00"), "trap",
		  "it used memory that it does not have" },
		{ B("\x41\x09\x11\x00\x00\x41\x00\x41\x00"), "trap",
		  "it used a table entry that does not exist" },
		{ B("\x41\x00\x11\x00\x00\x41\x00\x41\x00"), "trap",
		  "it called a null function pointer" },
		{ B("\x41\x00\x41\x00"), "answer", "its answer is empty" },
		{ B("\x41\x00\x41\x81\x20"), "answer",
		  "its answer has 4097 bytes, at most 4096 are allowed" },
		{ B("\x41\xff\xff\x07\x41\x01"), "answer", "its answer has control characters" },
		{ B("\x41\xff\xff\x07\x41\x02"), "answer",
		  "its answer points outside of its memory" },
		{ B("\x41\x80\x80\x08\x41\x01"), "answer",
		  "its answer points outside of its memory" },
		{ B("\x41\x7f\x41\x01"), "answer", "its answer points outside of its memory" },
	};
	char want[200];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct form f = { .exports = { MEMORY, { "sign", EIGHT }, MALLOC_1024, FREE } };
		struct signer *s;

		f.exports[1].body = cases[i].body;
		write_form(&f);
		s = load_limited(limits, NULL);
		if (!s)
			fail_msg("case %zu: %.*s", i, BFMT(why()));
		assert_int_equal(sign(s), -1);
		snprintf(want, sizeof want, "Signing failed: %s", cases[i].words);
		if (!bytes_eq(why(), bytes_of(want)))
			fail_msg("case %zu: %.*s", i, BFMT(why()));
		assert_true(bytes_eq(error_last()->upstream_code, bytes_of(cases[i].kind)));
		assert_int_equal(signer_counts(s).calls, 1);
		assert_int_equal(signer_counts(s).failures, 1);
		assert_int_equal(signer_instances(), 0); /* thrown away */
		signer_unref(s);
	}
	error_clear();
}

/* It answers "xxxx", which lies behind the arguments: malloc gives 1024, sign stores there and points at it. */
static struct form good(void)
{
	return (struct form){
		.exports = { MEMORY,
			     { "sign", EIGHT,
			       B("\x41\x80\x10\x41\xf8\xf0\xe1\xc3\x07\x36\x02\x00\x41\x80\x10\x41\x04") },
			     MALLOC_1024,
			     FREE }
	};
}

static void test_instances_are_kept_up_to_the_pools_size(void **state)
{
	struct form f = good();

	(void)state;
	write_form(&f);
	for (unsigned pool = 0; pool < 3; pool++) {
		struct signer_limits l = { 16, 1000, pool };
		struct signer *s = load_limited(l, NULL);

		assert_non_null(s);
		for (int i = 0; i < 3; i++)
			assert_int_equal(sign(s), 0);
		assert_int_equal(signer_counts(s).made, pool ? 1 : 3);
		assert_int_equal(signer_instances(), pool ? 1 : 0);
		assert_int_equal(signer_counts(s).memory, 2 * 65536);
		assert_int_equal(signer_counts(s).calls, 3);
		assert_int_equal(signer_counts(s).failures, 0);
		signer_thread_end();
		assert_int_equal(signer_instances(), 0);
		assert_int_equal(sign(s), 0); /* a thread may begin again */
		assert_int_equal(signer_counts(s).made, pool ? 2 : 4);
		signer_unref(s);
		signer_thread_end();
		assert_int_equal(signer_instances(), 0);
	}
}

/* It ends at a reference to nothing, sixteen calls deep: Wasmtime lists them all. */
static void test_a_long_reason_is_cut(void **state)
{
	struct form f = good();
	struct signer_limits tight = { 1, 1000, 1 };
	struct signer *s;

	(void)state;
	f.large = true;
	f.exports[1].body = B("\x20\x00\x45\x04\x40\xd0\x70\xd4\x1a\x0b"
			      "\x20\x00\x41\xc0\x00\x6b\x20\x01\x20\x02\x20\x03\x20\x04\x20\x05"
			      "\x20\x06\x20\x07\x10\x00");
	write_form(&f);
	s = load_limited(tight, NULL);
	if (!s)
		fail_msg("%.*s", BFMT(why()));
	assert_int_equal(sign(s), -1);
	assert_true(
		bytes_starts(why(), B("Signing failed: error while executing at wasm backtrace:")));
	assert_int_equal(why().n, B("Signing failed: ").n + SIGNER_WHY_BYTES - 1);
	assert_true(bytes_eq(error_last()->upstream_code, B("memory"))); /* all of it is in use */
	signer_unref(s);
	error_clear();
}

static void test_the_time_of_a_call_is_told(void **state)
{
	struct form f = good();
	struct bytes args[4] = { B("n"), B("t"), B("d"), B("c") };
	struct signature out = { 0 };
	struct signer *s;
	struct arena a;

	(void)state;
	/* counts down from a million first */
	f.exports[1].body =
		B("\x41\xc0\x84\x3d\x21\x00\x03\x40\x20\x00\x41\x01\x6b\x22\x00\x0d\x00\x0b"
		  "\x41\x80\x10\x41\xf8\xf0\xe1\xc3\x07\x36\x02\x00\x41\x80\x10\x41\x04");
	write_form(&f);
	s = load_limited(limits, NULL);
	assert_non_null(s);
	arena_init(&a, 1 << 16);
	assert_int_equal(signer_sign(s, args, &a, &out), 0);
	assert_true(bytes_eq(out.text, B("xxxx")));
	assert_in_range(out.us, 50, 10000000);
	arena_deinit(&a);
	signer_unref(s);
	signer_thread_end();
}

#ifdef SIGNET_FAULTS
static void test_the_clock_cuts_a_call_that_does_not_end(void **state)
{
	struct form f = good();
	struct signer_limits l = { 16, 60000, 1 };
	struct signer *s;

	(void)state;
	f.exports[1].body = B("\x03\x40\x0c\x00\x0b\x00"); /* loop, br 0 */
	write_form(&f);
	s = load_limited(l, NULL);
	assert_non_null(s);
	fault_setup("sign.timeout"); /* a minute of CPU time is over */
	assert_int_equal(sign(s), -1);
	fault_setup(NULL);
	assert_true(bytes_eq(
		why(), B("Signing failed: cut after 60000 ms of CPU time (signer.timeout_ms)")));
	assert_true(bytes_eq(error_last()->upstream_code, B("timeout")));
	signer_unref(s);
	error_clear();
}
#endif

/* Two of five pages are under half of 5 of the limit's 1 MiB = 16 pages; grown past it the instance goes. */
static void test_an_instance_that_grew_past_half_of_its_limit_goes(void **state)
{
	struct form f = good();
	struct signer_limits tight = { 1, 1000, 4 };
	struct signer *s;

	(void)state;
	/* memory.grow by 1 first: 3 pages, 4, 5, and no more */
	f.exports[1].body = B(
		"\x41\x01\x40\x00\x1a\x41\x80\x10\x41\xf8\xf0\xe1\xc3\x07\x36\x02\x00\x41\x80\x10\x41\x04");
	write_form(&f);
	s = load_limited(tight, NULL);
	assert_non_null(s);
	for (int i = 0; i < 6; i++)
		assert_int_equal(sign(s), 0);
	assert_int_equal(signer_counts(s).memory, 5 * 65536);
	assert_int_equal(signer_counts(s).made, 1); /* five pages of sixteen are fine */
	signer_unref(s);
	signer_thread_end();
}

static void test_a_pin_is_compared_whatever_its_case(void **state)
{
	struct form f = good();
	struct signer *s;
	char pin[65];

	(void)state;
	write_form(&f);
	s = load_limited(limits, NULL);
	snprintf(pin, sizeof pin, "%.*s", BFMT(signer_sha256(s)));
	signer_unref(s);
	for (char *p = pin; *p; p++)
		*p = (char)(*p >= 'a' && *p <= 'f' ? *p - 32 : *p);
	s = signer_load(path, B("me"), bytes_of(pin), &limits, NULL);
	assert_non_null(s);
	signer_unref(s);
	pin[63] = pin[63] == '0' ? '1' : '0';
	assert_null(signer_load(path, B("me"), bytes_of(pin), &limits, NULL));
	error_clear();
}

/* ---- the cache ---- */

static int files_of(const char *cache, char name[300])
{
	DIR *d = opendir(cache);
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) {
			snprintf(name, 300, "%s", e->d_name);
			n++;
		}
	if (d)
		closedir(d);
	return n;
}

static void test_the_cache_is_ours_alone_and_holds_nothing_else(void **state)
{
	struct form f = good();
	char cache[100], name[300], file[500];
	struct stat st, again;
	struct signer *s;
	unsigned char junk[64 + 32];

	(void)state;
	snprintf(cache, sizeof cache, "%s/cache", dir);
	write_form(&f);
	s = load_limited(limits, cache);
	assert_non_null(s);
	assert_int_equal(sign(s), 0);
	assert_int_equal(stat(cache, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(files_of(cache, name), 1); /* no half-written one beside it */
	assert_true(bytes_starts(bytes_of(name), signer_sha256(s)));
	assert_true(bytes_starts(bytes_slice(bytes_of(name), 64, 300), B("-48.0.8-")));
	assert_true(bytes_ends(bytes_of(name), B(".cwasm")));
	assert_int_equal(strlen(name), 64 + 8 + 8 + 6);
	signer_unref(s);
	snprintf(file, sizeof file, "%s/%s", cache, name);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	/* a file that nobody damaged, but that is no compilation */
	memset(junk, 'j', 64);
	SHA256(junk, 64, junk + 64);
	write_bytes(file, (struct bytes){ (char *)junk, sizeof junk });
	s = load_limited(limits, cache);
	assert_non_null(s);
	assert_int_equal(sign(s), 0);
	signer_unref(s);
	assert_int_equal(stat(file, &again), 0);
	assert_int_equal(again.st_size, st.st_size); /* made again and kept */
	assert_true(again.st_ino != st.st_ino);

	/* nor what others may write or own */
	for (int i = 0; i < 4; i++) {
		static const mode_t modes[] = { 0620, 0602, 0644, 0600 };
		bool trusted = i >= 2;

		assert_int_equal(chmod(file, modes[i]), 0);
		if (i == 3 && chown(file, 1, (gid_t)-1) == 0)
			trusted = false;
		assert_int_equal(stat(file, &st), 0);
		s = load_limited(limits, cache);
		assert_non_null(s);
		assert_int_equal(sign(s), 0);
		signer_unref(s);
		assert_int_equal(stat(file, &again), 0);
		if ((again.st_ino == st.st_ino) != trusted)
			fail_msg("mode %d", i);
		assert_int_equal(files_of(cache, name), 1);
	}
	signer_thread_end();
}

/* What is logged while this is loaded. */
static void load_and_read_log(const char *cache, char *log, size_t room)
{
	char name[120];
	int old = dup(2), fd;
	struct signer *s;
	ssize_t n;

	snprintf(name, sizeof name, "%s/log", dir);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	dup2(fd, 2);
	s = load_limited(limits, cache);
	dup2(old, 2);
	close(old);
	n = pread(fd, log, room - 1, 0);
	log[n > 0 ? n : 0] = 0;
	close(fd);
	assert_non_null(s);
	signer_unref(s);
}

static void test_only_a_compilation_that_is_ours_is_looked_into(void **state)
{
	struct form f = good();
	char cache[100], name[300], file[500], log[2000];

	(void)state;
	snprintf(cache, sizeof cache, "%s/own", dir);
	write_form(&f);
	load_and_read_log(cache, log, sizeof log); /* there is none */
	assert_string_equal(log, "");
	assert_int_equal(files_of(cache, name), 1);
	snprintf(file, sizeof file, "%s/%s", cache, name);
	write_bytes(file, B("short"));
	load_and_read_log(cache, log, sizeof log); /* damaged */
	assert_string_equal(log, "");
	assert_int_equal(chmod(file, 0622), 0);
	load_and_read_log(cache, log, sizeof log); /* others may write it */
	assert_string_equal(log, "");
}

#ifdef SIGNET_FAULTS
static void test_a_compilation_that_cannot_be_written_leaves_nothing(void **state)
{
	struct form f = good();
	char cache[100], name[300], log[2000];
	int before, after;

	(void)state;
	snprintf(cache, sizeof cache, "%s/full", dir);
	write_form(&f);
	before = files_of("/proc/self/fd", name);
	for (int n = 1; n < 3; n++) {
		fault_setup(n == 1 ? "sign.cache_write" : "sign.cache_write:2");
		load_and_read_log(cache, log, sizeof log);
		fault_setup(NULL);
		if (n == 1) { /* what repeats is not logged at once */
			assert_non_null(strstr(log, "a compiled signer cannot be kept"));
			assert_non_null(strstr(log, "\"No space left on device\""));
		}
		assert_int_equal(files_of(cache, name), 0);
	}
	load_and_read_log(cache, log, sizeof log);
	assert_int_equal(files_of(cache, name), 1);
	after = files_of("/proc/self/fd", name);
	assert_int_equal(before, after); /* nothing stays open */
}
#endif

static void test_without_a_directory_nothing_is_kept(void **state)
{
	struct form f = good();
	char cache[200], name[300];
	struct signer *s;

	(void)state;
	write_form(&f);
	snprintf(cache, sizeof cache, "%s/not/there", dir);
	s = load_limited(limits, cache);
	assert_non_null(s);
	signer_unref(s);
	assert_int_equal(files_of(cache, name), 0);
	s = load_limited(limits, "");
	assert_non_null(s);
	signer_unref(s);
}

/* ---- on a loop ---- */

static struct loop *loop;
static struct signer *on_loop;
static int results[5];
static size_t instances_then;

static void sign_on_fiber(void *arg)
{
	static char content[1 << 20];
	struct bytes small[4] = { B("n"), B("t"), B("d"), B("c") };
	struct bytes large[4] = { B("n"), B("t"), B("d"), { content, 40000 } };
	struct signature out;
	struct arena a;

	(void)arg;
	memset(content, 'x', sizeof content);
	arena_init(&a, 1 << 16);
	results[0] = signer_sign(on_loop, small, &a, &out);
#ifdef SIGNET_FAULTS
	fault_setup("offload"); /* no thread takes it: the instance is kept for the next */
	results[3] = signer_sign(on_loop, large, &a, &out);
	fault_setup(NULL);
	results[4] = (int)signer_instances();
#else
	results[3] = -1, results[4] = 1;
#endif
	results[1] = signer_sign(on_loop, large, &a, &out);
	results[2] = bytes_eq(out.text, B("xxxx"));
	instances_then = signer_instances();
	arena_deinit(&a);
	signer_thread_end();
	loop_stop(loop);
}

static void test_a_call_off_the_loop_gives_its_instance_back(void **state)
{
	struct form f = good();

	(void)state;
	write_form(&f);
	on_loop = load_limited(limits, NULL);
	assert_non_null(on_loop);
	loop = loop_new(0);
	assert_non_null(fiber_spawn("sign", sign_on_fiber, NULL));
	loop_run(loop);
	loop_free(loop);
	assert_int_equal(results[0], 0);
	assert_int_equal(results[1], 0);
	assert_true(results[2]);
	assert_int_equal(instances_then, 1);
	assert_int_equal(results[3], -1);
	assert_int_equal(results[4], 1);
	assert_int_equal(signer_counts(on_loop).made, 1);
	assert_int_equal(signer_instances(), 0);
	signer_unref(on_loop);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/signet-forms-XXXXXX");
	if (!mkdtemp(dir) || signing_init())
		return -1;
	handlers(true);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	signer_thread_end();
	signing_deinit();
	signing_deinit(); /* twice does no harm */
	error_clear();
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

/* ---- texts ---- */

/* Wasmtime numbers causes and puts each on a line; a text is cut where the room ends. */
static void test_an_error_is_one_line(void **state)
{
	static const struct {
		const char *text, *line;
	} cases[] = {
		{ "top", "top" },
		{ "top\n\nCaused by:\n    0: middle\n    9: last\n", "top: middle: last" },
		{ "+: a\n1x b\n0:\n:: c\n", "+: a: 1x b: 0:: :: c" },
		{ "0123456789012345678901234567890123456789\nx",
		  "0123456789012345678901234567890" },
		{ "0123456789012345678901234567\nabcdef", "0123456789012345678901234567: a" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *out = malloc(32);

		engine_error_text(wasmtime_error_new(cases[i].text), out, 32);
		assert_string_equal(out, cases[i].line);
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exports_that_make_a_signer),
		cmocka_unit_test(test_exports_that_do_not),
		cmocka_unit_test(test_inspect_tells_everything),
		cmocka_unit_test(test_files_that_are_no_modules),
		cmocka_unit_test(test_each_trap_has_its_words),
		cmocka_unit_test(test_instances_are_kept_up_to_the_pools_size),
		cmocka_unit_test(test_a_long_reason_is_cut),
		cmocka_unit_test(test_the_time_of_a_call_is_told),
#ifdef SIGNET_FAULTS
		cmocka_unit_test(test_the_clock_cuts_a_call_that_does_not_end),
#endif
		cmocka_unit_test(test_an_instance_that_grew_past_half_of_its_limit_goes),
		cmocka_unit_test(test_a_pin_is_compared_whatever_its_case),
		cmocka_unit_test(test_the_cache_is_ours_alone_and_holds_nothing_else),
		cmocka_unit_test(test_only_a_compilation_that_is_ours_is_looked_into),
#ifdef SIGNET_FAULTS
		cmocka_unit_test(test_a_compilation_that_cannot_be_written_leaves_nothing),
#endif
		cmocka_unit_test(test_without_a_directory_nothing_is_kept),
		cmocka_unit_test(test_a_call_off_the_loop_gives_its_instance_back),
		cmocka_unit_test(test_an_error_is_one_line),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
