/*
 * What is told of a module: where in it a call ended, what `signet sign --inspect` prints of one that the engine refuses, and the
 * verdict. Modules are built with clang from wasm/module.c, or written byte by byte.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "sign/wasm.h"
#include "unit.h"

#define CLANG                                                                               \
	"clang --target=wasm32 -nostdlib -ffreestanding -fno-builtin -mbulk-memory -O1 -w " \
	"-Wl,--no-entry -Wl,-z,stack-size=4096 "

static const struct signer_limits limits = { 16, 100, 4 };
static char dir[64];

/* cmocka puts its own handlers in place before each test; traps need Wasmtime's. */
static const int trap_signals[] = { SIGILL, SIGSEGV, SIGFPE, SIGBUS };
static struct sigaction trap_handlers[4];

static void handlers(bool save)
{
	for (int i = 0; i < 4; i++)
		sigaction(trap_signals[i], save ? NULL : &trap_handlers[i],
			  save ? &trap_handlers[i] : NULL);
}

static void assert_contains(struct bytes got, const char *want)
{
	if (bytes_find(got, bytes_of(want)) < 0)
		fail_msg("\"%s\" is not in \"%.*s\"", want, BFMT(got));
}

static const char *in_dir(const char *name)
{
	static char full[128];

	snprintf(full, sizeof(full), "%s/%s", dir, name);
	return full;
}

/* Builds one case; its path, until the next call. */
static const char *build(const char *what)
{
	char command[1024];

	snprintf(command, sizeof(command), CLANG "-DCASE=%s -DIS_%s -o %s tests/unit/wasm/module.c",
		 what, what, in_dir(what));
	if (access(in_dir(what), R_OK))
		assert_int_equal(system(command), 0);
	return in_dir(what);
}

static void test_a_function_is_called_as_its_author_called_it(void **state)
{
	static const struct {
		struct bytes name;
		const char *shown;
	} names[] = {
		{ B("explode"), "explode" },
		{ B(""), "function 7" },
		{ B("a\nb\x1b[2J"), "a?b?[2J" },
		{ B("\xff"), "function 7" },
		{ B("_ZN4core9panicking9panic_fmt17h0123456789abcdefE"),
		  "core::panicking::panic_fmt" },
		{ B("core::panicking::panic_fmt::h0123456789abcdef"),
		  "core::panicking::panic_fmt" },
		{ B("_ZN44_$LT$T$u20$as$u20$alloc..string..ToString$GT$3run17h0123456789abcdefE"),
		  "_ZN44_$LT$T$u20$as$u20$alloc..string..ToString$GT$3run17h0123456..." },
		{ B("_ZN45_$LT$T$u20$as$u20$alloc..string..ToString$GT$3run17h0123456789abcdefE"),
		  "<T as alloc::string::ToString>::run" },
		{ B("_ZN9999"), "_ZN9999" },
		{ B("_ZN"), "_ZN" },
		{ B("_RNvNtCsgXGp5Oqx2Ny_4core9panicking9panic_fmt"),
		  "core::panicking::panic_fmt" },
		{ B("_RNvCsfLfy6EI15iL_7___rustc12___rust_abort"), "__rustc::__rust_abort" },
		{ B("_RNCNvNtCsebHcaeoSrxy_3std9panicking13panic_handler0B5_"),
		  "std::panicking::panic_handler::{closure}" },
		{ B("_RINvNtCsebHcaeoSrxy_3std9backtrace5shortNtB2_3ABCE"),
		  "std::backtrace::short" },
		{ B("_RNvXs_Cs1_4signNtB2_4Some3run"), "_RNvXs_Cs1_4signNtB2_4Some3run" },
		{ B("_RNvNvNv"), "_RNvNvNv" },
		{ B("_R"), "_R" },
		{ B("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
		  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..." },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		char shown[FUNCTION_NAME_BYTES];

		function_name(names[i].name, 7, shown);
		assert_string_equal(shown, names[i].shown);
	}
}

/* Signs and says where it ended. */
static const char *trace_of(const char *what, struct bytes content)
{
	static char trace[1024];
	struct bytes args[4] = { B("nonce"), B("1700000000"), B("device"), content };
	struct signer *s;
	struct signature sig;
	struct arena arena;

	handlers(false);
	s = signer_load(build(what), B("test"), (struct bytes){ 0 }, &limits, NULL);
	assert_non_null(s);
	arena_init(&arena, 65536);
	assert_int_equal(signer_sign(s, args, &arena, &sig), -1);
	snprintf(trace, sizeof(trace), "%.*s", BFMT(sig.trace));
	arena_deinit(&arena);
	signer_unref(s);
	signer_thread_end();
	return trace;
}

static void test_a_trap_says_where_it_happened(void **state)
{
	const char *trace;
	unsigned place, times;
	int end = 0;

	(void)state;
	assert_int_equal(sscanf(trace_of("TRAP", B("x")), "sign 0x%x%n", &place, &end), 1);
	assert_true(place > 8 && end);
	/* the same function behind itself is told once, and 20 frames are all that is looked at */
	trace = trace_of("RECURSION", B("x"));
	assert_int_equal(sscanf(trace, "deep 0x%x (%u times)%n", &place, &times, &end), 2);
	assert_int_equal(times, 20);
	assert_int_equal(trace[end], '\0');
	/* where it was cut */
	assert_int_equal(sscanf(trace_of("LOOP", B("x")), "sign 0x%x%n", &place, &end), 1);
	/* the host's own refusals have no place in the module */
	assert_string_equal(trace_of("BLANK", B("x")), "");
}

/* ---- modules that the engine refuses ---- */

/* A section of `count` things; all lengths here are below 128. */
static void add(struct buf *file, int id, int count, struct bytes content)
{
	buf_putc(file, (char)id);
	buf_putc(file, (char)(content.n + 1));
	buf_putc(file, (char)count);
	buf_append(file, content);
}

static const char *write_module(const char *name, struct bytes file)
{
	FILE *f = fopen(in_dir(name), "we");

	assert_non_null(f);
	assert_int_equal(fwrite(file.p, 1, file.n, f), file.n);
	fclose(f);
	return in_dir(name);
}

static void inspect(const char *module, struct buf *text)
{
	buf_reset(text);
	assert_int_equal(signer_inspect(module, text), 0);
}

/* A shared memory of 64 bits is imported; the third export's function is not there. */
static void make_refused(struct buf *file)
{
	buf_append(file, B("\0asm\1\0\0\0"));
	add(file, 1, 2,
	    B("\x60\x00\x00"
	      "\x60\x02\x7f\x7e\x01\x7b"));
	add(file, 2, 3,
	    B("\x01"
	      "a"
	      "\x01"
	      "b"
	      "\x00\x00"
	      "\x01"
	      "a"
	      "\x02"
	      "\n!"
	      "\x00\x01"
	      "\x01"
	      "a"
	      "\x01"
	      "m"
	      "\x02\x07\x01\x02"));
	add(file, 3, 1, B("\x01"));
	add(file, 7, 4,
	    B("\x01"
	      "x"
	      "\x00\x00"
	      "\x01"
	      "y"
	      "\x00\x02"
	      "\x01"
	      "z"
	      "\x00\x63"
	      "\x01"
	      "m"
	      "\x02\x00"));
}

static void test_inspect_reads_what_the_engine_refuses(void **state)
{
	struct buf text, file;

	(void)state;
	buf_init(&text, 65536);
	buf_init(&file, 4096);
	make_refused(&file);
	inspect(write_module("refused", buf_bytes(&file)), &text);
	assert_contains(buf_bytes(&text), "\nabi      none: ");
	assert_contains(buf_bytes(&text),
			"\nimports  a.b: function () -> ()\n"
			"         a.?!: function (i32 i64) -> (v128)\n"
			"         a.m: memory 1 pages, at most 2, shared, 64-bit\n"
			"exports  x: function () -> ()\n"
			"         y: function (i32 i64) -> (v128)\n"
			"         z: function\n"
			"         m: memory\n"
			"memory   none of its own\n");
	/* cut at every byte it is read as far as it goes */
	for (size_t n = 8; n < file.len; n++)
		inspect(write_module("cut", bytes_slice(buf_bytes(&file), 0, n)), &text);
	buf_deinit(&text);
	buf_deinit(&file);
}

static void test_the_verdict_is_that_of_a_start(void **state)
{
	static const struct {
		const char *what;
		int result;
		const char *line;
	} verdicts[] = {
		{ "GOOD", 0, "verdict  accepted\n" },
		{ "WASI", -1,
		  "verdict  refused: its first signature failed: it called its import wasi_snapshot_preview1.fd_write: a signer may only compute, in sign 0x" },
		{ "NO_SIGN", -1, "verdict  refused: it has no `sign`" },
		{ "TRAP", -1,
		  "verdict  refused: its first signature failed: it gave up (unreachable: a panic or abort), in sign 0x" },
		{ "LOOP", 0,
		  "verdict  accepted, but a signature of made-up arguments failed: cut after 100 ms of CPU time (signer.timeout_ms)\n" },
		{ "BLANK", 0,
		  "verdict  accepted, but a signature of made-up arguments failed: its answer begins or ends with a blank\n" },
	};
	const char *raw;
	struct buf text;

	(void)state;
	handlers(false);
	buf_init(&text, 65536);
	for (size_t i = 0; i < COUNT(verdicts); i++) {
		buf_reset(&text);
		assert_int_equal(signer_verdict(build(verdicts[i].what), &limits, &text),
				 verdicts[i].result);
		assert_true(bytes_starts(buf_bytes(&text), bytes_of(verdicts[i].line)));
		assert_int_equal(text.data[text.len - 1], '\n');
	}
	/* what cargo makes of a wasm-bindgen crate has this section, whatever else it has */
	buf_reset(&text);
	raw = write_module("cargo", B("\0asm\1\0\0\0\x00\x18\x17__wasm_bindgen_unstable"));
	assert_int_equal(signer_verdict(raw, &limits, &text), -1);
	assert_contains(buf_bytes(&text),
			"verdict  refused: it is cargo's own output: run wasm-bindgen on it (");
	buf_deinit(&text);
	assert_int_equal(signer_instances(), 0);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/signet-told-XXXXXX");
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
	error_clear();
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_function_is_called_as_its_author_called_it),
		cmocka_unit_test(test_a_trap_says_where_it_happened),
		cmocka_unit_test(test_inspect_reads_what_the_engine_refuses),
		cmocka_unit_test(test_the_verdict_is_that_of_a_start),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
