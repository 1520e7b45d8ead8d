/*
 * What a module imports: functions that it may name but not call, wasm-bindgen's table of externref, and what is refused.
 * The modules here are laid out as wasm-bindgen lays out its own, of both generations (tests/http/signing has real ones).
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "sign/wasm.h"
#include "wasm_form.h"

#define EIGHT "iiiiiiii:ii"
#define INIT  "./sign_bg.js.__wbindgen_init_externref_table"
#define ROOM                                                              \
	{                                                                 \
		"__wbindgen_malloc", "ii:i", B("\x41\xe8\x07") /* 1000 */ \
	}
#define FREE                              \
	{                                 \
		"__wbindgen_free", "iii:" \
	}
#define MEMORY                \
	{                     \
		"memory", "m" \
	}
#define TABLE                                \
	{                                    \
		"__wbindgen_externrefs", "x" \
	}
/* calls the first import */
#define START                                          \
	{                                              \
		"__wbindgen_start", ":", B("\x10\x00") \
	}

/* One letter at address 100 + n: 'A', or 'B' if the table's element there is null. */
#define LETTER(n, at) "\x41" n "\x00\x41" at "\x25\x01\xd1\x41\xc1\x00\x6a\x3a\x00\x00"
#define ANSWER        "\x41\xe4\x00\x41\x05" /* 5 letters from 100 */
#define AT_1024                                                                        \
	B(LETTER("\xe4", "\x00") LETTER("\xe5", "\x80\x08") LETTER("\xe6", "\x81\x08") \
		  LETTER("\xe7", "\x82\x08") LETTER("\xe8", "\x83\x08") ANSWER)
#define AT_128                                                                         \
	B(LETTER("\xe4", "\x00") LETTER("\xe5", "\x80\x01") LETTER("\xe6", "\x81\x01") \
		  LETTER("\xe7", "\x82\x01") LETTER("\xe8", "\x83\x01") ANSWER)
#define XXXXX \
	B("\x41\xe4\x00\x41\xd8\xb0\xe1\xc2\x05\x36\x02\x00\x41\xe8\x00\x41\xd8\x00\x3a\x00\x00" ANSWER)

static struct signer *load(const struct form *f)
{
	write_form(f);
	return load_limited(limits, NULL);
}

static int signed_as(struct signer *s, char out[64])
{
	struct bytes args[4] = { B("n"), B("t"), B("d"), B("c") };
	struct signature sig;
	struct arena a;
	int r;

	arena_init(&a, 1 << 16);
	r = signer_sign(s, args, &a, &sig);
	snprintf(out, 64, "%.*s", r ? 0 : (int)sig.text.n, r ? "" : sig.text.p);
	arena_deinit(&a);
	return r;
}

static void expect_signature(const struct form *f, const char *want)
{
	struct signer *s = load(f);
	char got[64];

	if (!s)
		fail_msg("%.*s", BFMT(why()));
	assert_int_equal(signer_try(s, path), 0);
	if (signed_as(s, got))
		fail_msg("%.*s", BFMT(why()));
	assert_string_equal(got, want);
	signer_unref(s);
	signer_thread_end();
}

static void expect_ends(const char *reason)
{
	if (!bytes_ends(why(), bytes_of(reason)))
		fail_msg("got  %.*s\nwant ...%s", BFMT(why()), reason);
	error_clear();
}

static void test_the_table_is_filled_as_wasm_bindgens_script_fills_it(void **state)
{
	(void)state;
	expect_signature(&(struct form){ .imports = { INIT },
					 .externrefs = 1028,
					 .exports = { MEMORY,
						      { "sign", EIGHT, AT_1024 },
						      ROOM,
						      FREE,
						      TABLE,
						      START } },
			 "AABAA");
	expect_signature(
		&(struct form){
			.imports = { INIT }, /* wasm-bindgen up to 0.2.12x: it grows by four */
			.externrefs = 128,
			.exports = { MEMORY,
				     { "sign", EIGHT, AT_128 },
				     ROOM,
				     FREE,
				     TABLE,
				     START } },
		"AABAA");
	expect_signature(
		&(struct form){
			.imports = { INIT }, /* where the module itself has nothing to start */
			.externrefs = 1028,
			.exports = { MEMORY,
				     { "sign", EIGHT, AT_1024 },
				     ROOM,
				     FREE,
				     TABLE,
				     { "__wbindgen_start", "r" } } },
		"AABAA");
	expect_signature(&(struct form){ .imports = { "wbg.__wbindgen_init_externref_table" },
					 .externrefs = 128, /* under any name */
					 .exports = { { "__wbindgen_export_2", "x" },
						      MEMORY,
						      { "sign", EIGHT, AT_128 },
						      ROOM,
						      FREE,
						      START } },
			 "AABAA");
}

static void test_a_table_that_cannot_be_filled_stops_the_start(void **state)
{
	(void)state;
	assert_null(load(&(struct form){
		.imports = { INIT },
		.exports = { MEMORY, { "sign", EIGHT, XXXXX }, ROOM, FREE, START } }));
	expect_ends(": its table of externref cannot be filled");
	assert_null(load(
		&(struct form){ .externrefs = 10001,
				.exports = { MEMORY, { "sign", EIGHT, XXXXX }, ROOM, FREE } }));
	expect_ends("exceeds table limits");
}

static void test_what_is_imported_and_never_called_does_no_harm(void **state)
{
	(void)state;
	expect_signature(
		&(struct form){ .imports = { "wbg.__wbg_now_1234",
					     "wasi_snapshot_preview1.fd_write", "env.same",
					     "env.same" },
				.exports = { MEMORY, { "sign", EIGHT, XXXXX }, ROOM, FREE } },
		"XXXXX");
}

static void test_a_call_of_an_import_fails_the_signature_by_its_name(void **state)
{
	static const struct form calls = {
		.imports = { "wbg.first", "wasi_snapshot_preview1.random_get" },
		.exports = { MEMORY, { "sign", EIGHT, B("\x10\x01\x00") }, ROOM, FREE }
	};
	static const char reason[] =
		"it called its import wasi_snapshot_preview1.random_get: a signer may only compute";
	struct signer *s = load(&calls);
	char got[64], text[512];

	(void)state;
	assert_non_null(s);
	assert_int_equal(signed_as(s, got), -1);
	snprintf(text, sizeof(text), "Signing failed: %s", reason);
	assert_true(bytes_eq(error_last()->upstream_code, B("trap")));
	assert_true(bytes_eq(why(), bytes_of(text)));
	assert_int_equal(signer_try(s, path), -1);
	snprintf(
		text, sizeof(text),
		"Failed to get WasmSigner instance: %s: its first signature failed: %s, in function 2 0x",
		path, reason);
	assert_true(bytes_starts(why(), bytes_of(text)));
	assert_int_equal(signer_instances(), 0);
	signer_unref(s);
}

static void test_an_import_that_is_called_at_the_start_stops_it(void **state)
{
	(void)state;
	assert_null(load(&(struct form){
		.imports = { "env.read\nfile" },
		.exports = { MEMORY, { "sign", EIGHT, XXXXX }, ROOM, FREE, START } }));
	expect_ends(": it called its import env.read?file: a signer may only compute");
}

static void test_a_hundred_instances_leave_nothing(void **state)
{
	static const struct form f = {
		.imports = { INIT },
		.externrefs = 1028,
		.exports = { MEMORY, { "sign", EIGHT, AT_1024 }, ROOM, FREE, TABLE, START }
	};
	struct signer *s = load(&f);
	char got[64];

	(void)state;
	assert_non_null(s);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(signed_as(s, got), 0);
		signer_thread_end();
		assert_int_equal(signer_instances(), 0);
	}
	assert_int_equal(signer_counts(s).made, 100);
	signer_unref(s);
}

#ifdef SIGNET_FAULTS
static void test_a_module_whose_compilation_takes_long_is_refused(void **state)
{
	static const struct form f = { .exports = {
					       MEMORY, { "sign", EIGHT, XXXXX }, ROOM, FREE } };

	(void)state;
	fault_setup("sign.compile");
	assert_null(load(&f));
	fault_setup(NULL);
	expect_ends(": compiling it takes over 2000 ms of CPU time");
}
#endif

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/signet-imports-XXXXXX");
	if (!mkdtemp(dir) || signing_init())
		return -1;
	handlers(true);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	signer_thread_end();
	signing_deinit();
	unlink(path);
	rmdir(dir);
	error_clear();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_table_is_filled_as_wasm_bindgens_script_fills_it),
		cmocka_unit_test(test_a_table_that_cannot_be_filled_stops_the_start),
		cmocka_unit_test(test_what_is_imported_and_never_called_does_no_harm),
		cmocka_unit_test(test_a_call_of_an_import_fails_the_signature_by_its_name),
		cmocka_unit_test(test_an_import_that_is_called_at_the_start_stops_it),
		cmocka_unit_test(test_a_hundred_instances_leave_nothing),
#ifdef SIGNET_FAULTS
		cmocka_unit_test(test_a_module_whose_compilation_takes_long_is_refused),
#endif
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
