/*
 * The sandbox against modules that mean harm (tests/unit/wasm/module.c, built here with clang), the cache
 * of compilations, and the pool of instances. What an upstream's signature looks like is tested with real
 * signers in tests/http/signing.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/time.h"
#include "fiber/loop.h"
#include "sign/signer.h"
#include "unit.h"

#define CLANG                                                                               \
	"clang --target=wasm32 -nostdlib -ffreestanding -fno-builtin -mbulk-memory -O1 -w " \
	"-Wl,--no-entry -Wl,-z,stack-size=4096 "

static const struct signer_limits limits = { 16, 100, 4 };
static char dir[64];

static const char *in_dir(const char *name)
{
	static char path[16][256];
	static int turn;

	turn = (turn + 1) % 16;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

/* Builds one case; returns its path. */
static const char *build(const char *what, const char *flags)
{
	const char *path = in_dir(what);
	char command[1024];

	if (access(path, R_OK) == 0 && !*flags)
		return path;
	snprintf(command, sizeof(command),
		 CLANG "-DCASE=%s -DIS_%s %s -o %s tests/unit/wasm/module.c", what, what, flags,
		 path);
	assert_int_equal(system(command), 0);
	return path;
}

static void write_file(const char *path, const void *data, size_t n)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, n, f), n);
	fclose(f);
}

static size_t read_file(const char *path, char *out, size_t room)
{
	FILE *f = fopen(path, "re");
	size_t n;

	assert_non_null(f);
	n = fread(out, 1, room, f);
	fclose(f);
	return n;
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

static struct signer *load_with(const char *path, struct signer_limits l, const char *cache)
{
	handlers(false);
	return signer_load(path, B("test"), (struct bytes){ 0 }, &l, cache);
}

static struct signer *load(const char *what)
{
	struct signer *s = load_with(build(what, ""), limits, NULL);

	assert_non_null(s);
	return s;
}

static struct bytes last_message(void)
{
	return error_last()->message;
}

static void assert_contains(struct bytes got, const char *want)
{
	if (bytes_find(got, bytes_of(want)) < 0)
		fail_msg("\"%s\" is not in \"%.*s\"", want, BFMT(got));
}

static int sign(struct signer *s, struct bytes content, char out[4097])
{
	struct bytes args[4] = { B("nonce"), B("1700000000"), B("device"), content };
	struct signature sig;
	struct arena arena;
	int rc;

	arena_init(&arena, 65536);
	rc = signer_sign(s, args, &arena, &sig);
	if (rc == 0)
		snprintf(out, 4097, "%.*s", BFMT(sig.text));
	arena_deinit(&arena);
	return rc;
}

/* ---- failures of a call ---- */

struct failure {
	const char *what, *kind, *text;
};

static const struct failure failures[] = {
	{ "LOOP", "timeout", "Signing failed: cut after 100 ms of CPU time (signer.timeout_ms)" },
	{ "TRAP", "trap", "Signing failed: it gave up (unreachable: a panic or abort)" },
	{ "GROW", "memory",
	  "Signing failed: it gave up (unreachable: a panic or abort) at its memory limit of 16 MiB (signer.memory_limit_mb)" },
	{ "FAR_ANSWER", "answer", "Signing failed: its answer points outside of its memory" },
	{ "WRAPPED", "answer", "Signing failed: its answer points outside of its memory" },
	{ "FAR_STACK", "answer", "Signing failed: its stack pointer is outside of its memory" },
	{ "FAR_MALLOC", "answer",
	  "Signing failed: its allocator returned memory outside of its own" },
	{ "NULL_MALLOC", "memory",
	  "Signing failed: it has no memory for an argument of 5 bytes (signer.memory_limit_mb is 16)" },
	{ "NOT_UTF8", "answer", "Signing failed: its answer is not UTF-8" },
	{ "HALF_UTF8", "answer", "Signing failed: its answer is not UTF-8" },
	{ "LONG_ANSWER", "answer",
	  "Signing failed: its answer has 1048576 bytes, at most 4096 are allowed" },
	{ "CONTROL", "answer", "Signing failed: its answer has control characters" },
	{ "BLANK", "answer", "Signing failed: its answer begins or ends with a blank" },
	{ "EMPTY_ANSWER", "answer", "Signing failed: its answer is empty" },
	{ "RECURSION", "trap", "Signing failed: it ran out of stack (recursion too deep)" },
};

static void test_a_bad_module_fails_its_call_and_nothing_else(void **state)
{
	struct signer *good = load("GOOD");
	char out[4097];

	(void)state;
	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++) {
		struct signer *bad = load(failures[i].what);

		assert_int_equal(sign(bad, B("content"), out), -1);
		assert_int_equal(error_last()->kind, ERR_SIGNER);
		assert_bytes(last_message(), failures[i].text);
		assert_bytes(error_last()->upstream_code, failures[i].kind);
		assert_int_equal(signer_counts(bad).failures, 1);
		assert_int_equal(sign(good, B("content"), out), 0);
		assert_string_equal(out, "xxxx");
		/* the failed instance is gone, the good one is kept */
		assert_int_equal(signer_instances(), 1);
		signer_unref(bad);
	}
	signer_unref(good);
	signer_thread_end();
	assert_int_equal(signer_instances(), 0);
}

static void test_a_loop_is_cut_by_its_cpu_time(void **state)
{
	struct signer_limits short_limit = { 16, 20, 1 };
	struct signer *s = load_with(build("LOOP", ""), short_limit, NULL);
	uint64_t start = clock_thread_cpu_ns(), used;
	char out[4097];

	(void)state;
	assert_non_null(s);
	assert_int_equal(sign(s, B("x"), out), -1);
	used = (clock_thread_cpu_ns() - start) / 1000000;
	assert_in_range(used, 15, 200);
	assert_bytes(last_message(),
		     "Signing failed: cut after 20 ms of CPU time (signer.timeout_ms)");
	signer_unref(s);
}

static void test_after_a_failure_the_next_call_gets_a_fresh_instance(void **state)
{
	struct signer *s = load("LOOP_ONCE");
	char out[4097];

	(void)state;
	assert_int_equal(sign(s, B("loop"), out), -1);
	assert_int_equal(sign(s, B("fine"), out), 0);
	assert_string_equal(out, "xxxx");
	assert_int_equal(signer_counts(s).calls, 2);
	signer_unref(s);
	signer_thread_end();
}

static void test_arguments_over_the_memory_limit_are_refused(void **state)
{
	struct signer *s = load("GOOD");
	struct bytes big = { calloc(1, 17u << 20), 17u << 20 };
	char out[4097];

	(void)state;
	assert_int_equal(sign(s, big, out), -1);
	assert_bytes(error_last()->upstream_code, "memory");
	assert_contains(last_message(), "over its memory limit of 16 MiB (signer.memory_limit_mb)");
	free((void *)(uintptr_t)big.p);
	signer_unref(s);
	signer_thread_end();
}

static void test_the_longest_answer_is_4096_bytes(void **state)
{
	struct signer *s = load("LONG_OK");
	char out[4097];

	(void)state;
	assert_int_equal(sign(s, B(""), out), 0);
	assert_int_equal(strlen(out), 4096);
	signer_unref(s);
	signer_thread_end();
}

static void test_every_legal_header_value_passes(void **state)
{
	struct signer *s = load("ECHO");
	char out[4097];

	(void)state;
	assert_int_equal(sign(s, B("a b ~!\"\\ \xe4\xbd\xa0\xf0\x9f\x91\x8b"), out), 0);
	assert_string_equal(out, "a b ~!\"\\ \xe4\xbd\xa0\xf0\x9f\x91\x8b");
	assert_int_equal(sign(s, B("tab\there"), out), -1);
	assert_int_equal(sign(s, B("del\x7f"), out), -1);
	assert_int_equal(sign(s, B("nul\0"), out), -1);
	signer_unref(s);
	signer_thread_end();
}

/* Each stands between two letters: what a log or a terminal would obey, or what nobody sees. */
static void test_a_signature_has_no_characters_that_are_not_what_they_seem(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ "a\nb", "control" },
		{ "a\x01z", "control" },
		{ "a\x1fz", "control" },
		{ "a\x7fz", "control" },
		{ "a\xc2\x80z", "control" },
		{ "a\xc2\x85z", "control" }, /* U+0080, U+0085 */
		{ "a\xc2\x9bz", "control" },
		{ "a\xc2\x9fz", "control" }, /* U+009B, U+009F */
		{ "a\xd8\x9cz", "be seen" },
		{ "a\xe2\x80\x8ez", "be seen" }, /* ALM, LRM */
		{ "a\xe2\x80\x8fz", "be seen" },
		{ "a\xe2\x80\xaaz", "be seen" }, /* RLM, LRE */
		{ "a\xe2\x80\xaez", "be seen" },
		{ "a\xe2\x81\xa6z", "be seen" }, /* RLO, LRI */
		{ "a\xe2\x81\xa9z", "be seen" },
		{ "a\xe2\x80\x8bz", "be seen" }, /* PDI, ZWSP */
		{ "a\xe2\x80\x8dz", "be seen" },
		{ "a\xe2\x81\xa0z", "be seen" }, /* ZWJ, WJ */
		{ "\xef\xbb\xbfz", "be seen" },
		{ "a\xe2\x80\xa8z", "be seen" }, /* BOM, line separator */
		{ "a\xc2\xadz", "be seen" },
		{ "a\xf3\xa0\x81\x81z", "be seen" }, /* soft hyphen, a tag */
		{ "a\xed\xa0\xbdz", "UTF-8" },
		{ "a\xed\xbf\xbfz", "UTF-8" }, /* lone surrogates */
		{ "a\xc0\x80z", "UTF-8" },
		{ "a\xf4\x90\x80\x80z", "UTF-8" }, /* too long, too large */
		{ "a\xffz", "UTF-8" },
		{ "a\xe2\x80", "UTF-8" },
		{ " a", "blank" },
		{ "a ", "blank" },
	};
	/* what stands beside them */
	static const char *const good[] = { "a\xc2\xa0z",     "a\xc2\xaez",
					    "a\xe2\x80\x90z", "a\xe2\x80\xafz",
					    "a\xef\xbb\xbez", "a\xf3\xa0\x84\x80z",
					    "a\xd8\x9bz" };
	struct signer *s = load("ECHO");
	char out[4097];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (!sign(s, bytes_of(cases[i].text), out))
			fail_msg("case %zu passed", i);
		assert_bytes(error_last()->upstream_code, "answer");
		assert_contains(last_message(), cases[i].reason);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(sign(s, bytes_of(good[i]), out), 0);
		assert_string_equal(out, good[i]);
	}
	signer_unref(s);
	signer_thread_end();
}

static void test_a_leaking_module_is_replaced_before_it_hits_its_limit(void **state)
{
	struct signer *s = load("LEAK");
	char out[4097];

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(sign(s, B("x"), out), 0);
	assert_int_equal(signer_counts(s).failures, 0);
	signer_unref(s);
	signer_thread_end();
}

/* ---- both ABIs ---- */

static void test_multi_value_with_renamed_allocator(void **state)
{
	const char *path =
		build("ECHO",
		      "-mmultivalue -Xclang -target-abi -Xclang experimental-mv -DMULTI -DRENAMED");
	struct signer *s = load_with(path, limits, NULL);
	char out[4097];

	(void)state;
	assert_non_null(s);
	assert_bytes(signer_abi(s), "wasm-bindgen (multi-value)");
	assert_int_equal(sign(s, B("through two results"), out), 0);
	assert_string_equal(out, "through two results");
	signer_unref(s);
	signer_thread_end();
	unlink(path);
}

static void test_return_pointer_with_renamed_allocator(void **state)
{
	const char *path = build("ECHO", "-DRENAMED");
	struct signer *s = load_with(path, limits, NULL);
	char out[4097];

	(void)state;
	assert_non_null(s);
	assert_bytes(signer_abi(s), "wasm-bindgen");
	assert_int_equal(sign(s, B("by pointer"), out), 0);
	assert_string_equal(out, "by pointer");
	signer_unref(s);
	signer_thread_end();
	unlink(path);
}

/* ---- refusals at load ---- */

static void assert_refused(const char *path, const char *reason)
{
	char text[512];

	assert_null(load_with(path, limits, NULL));
	assert_int_equal(error_last()->kind, ERR_SIGNER);
	snprintf(text, sizeof(text), "Failed to get WasmSigner instance: %s: ", path);
	assert_true(bytes_starts(last_message(), bytes_of(text)));
	assert_contains(last_message(), reason);
}

static void test_refusals_name_the_reason(void **state)
{
	char module[65536];
	size_t n = read_file(build("GOOD", ""), module, sizeof(module));

	(void)state;
	assert_refused(in_dir("nowhere"), "No such file or directory");
	assert_refused(dir, "not a regular file");
	write_file(in_dir("empty"), "", 0);
	assert_refused(in_dir("empty"), "the file is empty");
	write_file(in_dir("html"), "<html>not found</html>", 22);
	assert_refused(in_dir("html"), "not a WebAssembly module");
	write_file(in_dir("component"), "\0asm\x0d\0\1\0", 8);
	assert_refused(in_dir("component"),
		       "a WebAssembly component, where a core module is needed");
	for (size_t cut = 9; cut < n; cut += 37) {
		write_file(in_dir("truncated"), module, cut);
		assert_null(load_with(in_dir("truncated"), limits, NULL));
		assert_true(bytes_starts(last_message(), B("Failed to get WasmSigner instance: ")));
	}
	assert_refused(
		build("NO_SIGN", ""),
		"it has no `sign` with 9 i32 parameters, or with 8 and 2 i32 results. Its exports: memory: memory");
}

static void test_too_much_memory_at_start_is_refused(void **state)
{
	struct signer_limits small = { 1, 100, 1 };
	const char *path = build("GOOD", "-Wl,--initial-memory=2097152");

	(void)state;
	assert_null(load_with(path, small, NULL));
	assert_contains(last_message(), "memory minimum size of 32 pages exceeds memory limits");
	unlink(path);
}

static void test_the_pin_is_compared(void **state)
{
	struct signer *s = load("GOOD");
	struct bytes right = signer_sha256(s);
	struct signer *again;

	(void)state;
	again = signer_load(build("GOOD", ""), B("test"), right, &limits, NULL);
	assert_non_null(again);
	signer_unref(again);
	assert_null(
		signer_load(build("GOOD", ""), B("test"),
			    B("00000000000000000000000000000000000000000000000000000000000000aa"),
			    &limits, NULL));
	assert_contains(last_message(), "its SHA-256 is ");
	assert_contains(
		last_message(),
		"signer.sha256 asks for 00000000000000000000000000000000000000000000000000000000000000aa");
	signer_unref(s);
}

static void test_inspect_shows_imports_and_refused_modules(void **state)
{
	struct buf text;

	(void)state;
	buf_init(&text, 65536);
	assert_int_equal(signer_inspect(build("WASI", ""), &text), 0);
	assert_contains(buf_bytes(&text), "\nabi      wasm-bindgen\n");
	assert_contains(
		buf_bytes(&text),
		"\nimports  wasi_snapshot_preview1.fd_write: function (i32 i32 i32 i32) -> (i32), a stub: a call of it fails the signature\n");
	buf_reset(&text);
	assert_int_equal(signer_inspect(build("NO_SIGN", ""), &text), 0);
	assert_contains(buf_bytes(&text), "\nabi      none: it has no `sign`");
	buf_deinit(&text);
}

/* ---- the cache ---- */

static char cached_path[512];

/* The only file of the cache; its count is returned. */
static int cached_files(const char *cache)
{
	DIR *d = opendir(cache);
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.') {
			snprintf(cached_path, sizeof(cached_path), "%s/%s", cache, e->d_name);
			n++;
		}
	if (d)
		closedir(d);
	return n;
}

static void assert_works(const char *cache)
{
	struct signer *s = load_with(build("GOOD", ""), limits, cache);
	char out[4097];

	assert_non_null(s);
	assert_int_equal(sign(s, B("x"), out), 0);
	signer_unref(s);
	signer_thread_end();
}

static void test_a_compilation_is_kept_and_found_again(void **state)
{
	const char *cache = in_dir("cache");
	struct stat st, again;

	(void)state;
	assert_works(cache);
	assert_int_equal(cached_files(cache), 1);
	assert_true(bytes_ends(bytes_of(cached_path), B(".cwasm")));
	assert_int_equal(stat(cached_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_works(cache);
	assert_int_equal(stat(cached_path, &again), 0);
	assert_int_equal(again.st_ino, st.st_ino); /* not written anew */
}

static void test_a_damaged_compilation_is_made_again(void **state)
{
	const char *cache = in_dir("cache");
	static char code[1 << 20], again[1 << 20];
	size_t n;

	(void)state;
	assert_works(cache);
	assert_int_equal(cached_files(cache), 1);
	n = read_file(cached_path, code, sizeof(code));
	for (size_t at = 0; at < n; at += n / 7) {
		code[at] ^= 1;
		write_file(cached_path, code, n);
		code[at] ^= 1;
		assert_works(cache);
		assert_int_equal(read_file(cached_path, again, sizeof(again)), n);
		assert_memory_equal(again, code, n);
	}
	write_file(cached_path, code, n / 2); /* cut by a full disk */
	assert_works(cache);
	write_file(cached_path, "", 0);
	assert_works(cache);
	assert_int_equal(read_file(cached_path, again, sizeof(again)), n);
	assert_memory_equal(again, code, n);
}

static void test_a_compilation_that_others_can_write_is_not_run(void **state)
{
	const char *cache = in_dir("cache");
	struct stat st;

	(void)state;
	assert_works(cache);
	assert_int_equal(cached_files(cache), 1);
	assert_int_equal(chmod(cached_path, 0622), 0);
	assert_works(cache);
	assert_int_equal(stat(cached_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600); /* written anew */
}

static void test_a_link_in_the_cache_is_not_followed(void **state)
{
	const char *cache = in_dir("cache"), *elsewhere = in_dir("elsewhere");
	struct stat st;

	(void)state;
	assert_works(cache);
	assert_int_equal(cached_files(cache), 1);
	assert_int_equal(rename(cached_path, elsewhere), 0);
	assert_int_equal(symlink(elsewhere, cached_path), 0);
	assert_works(cache);
	assert_int_equal(lstat(cached_path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void test_a_cache_that_cannot_be_written_stops_nobody(void **state)
{
	(void)state;
	write_file(in_dir("file"), "x", 1);
	assert_works(in_dir("file"));
	assert_works("/proc/nowhere/modules");
#ifdef SIGNET_FAULTS
	fault_setup("sign.cache_write");
	assert_works(in_dir("full"));
	fault_setup(NULL);
	assert_int_equal(cached_files(in_dir("full")), 0);
#endif
}

/* ---- instances ---- */

static void test_a_retired_signer_leaves_the_pool_of_its_thread(void **state)
{
	struct signer *old = load("GOOD"), *new = load("ECHO");
	char out[4097];

	(void)state;
	assert_int_equal(sign(old, B("x"), out), 0);
	assert_int_equal(signer_instances(), 1);
	signer_unref(old); /* as a reload does */
	assert_int_equal(sign(new, B("x"), out), 0);
	assert_int_equal(signer_instances(), 1);
	signer_unref(new);
	signer_thread_end();
	assert_int_equal(signer_instances(), 0);
}

static void *sign_many(void *arg)
{
	char out[4097], want[32];

	for (int i = 0; i < 2000; i++) {
		snprintf(want, sizeof(want), "thread %p call %d", (void *)&out, i);
		if (sign(arg, bytes_of(want), out) < 0 || strcmp(out, want))
			return arg;
	}
	signer_thread_end();
	return NULL;
}

static void test_threads_share_a_signer_and_no_instance(void **state)
{
	struct signer *s = load("ECHO");
	pthread_t t[4];
	void *failed;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, sign_many, s), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(signer_counts(s).calls, 8000);
	signer_unref(s);
	assert_int_equal(signer_instances(), 0);
}

/* ---- on a worker's loop ---- */

struct work {
	struct loop_task start;
	struct signer *signer;
	struct loop *loop;
	unsigned turns, turns_before, turns_after;
	bool done;
	int small, large, cut, after_cut;
	uint64_t moved_before, moved_soon, moved_late;
};

static void turn(void *arg)
{
	struct work *w = arg;

	while (!w->done) {
		w->turns++;
		fiber_sleep(1);
	}
	loop_stop(w->loop);
}

static void sign_on_a_fiber(void *arg)
{
	static char content[250000];
	struct work *w = arg;
	char *out = malloc(4097);

	w->small = sign(w->signer, B("small"), out);
	w->large = 0;
	memset(content, 'x', sizeof(content));
	for (int i = 0; i < 3; i++)
		w->large |= sign(w->signer, (struct bytes){ content, sizeof(content) }, out);
	w->turns_before = w->turns;
	w->cut = sign(w->signer, B("loop"),
		      out); /* the first one: it holds the loop for a moment only */
	w->turns_after = w->turns;
	w->after_cut = sign(w->signer, B("fine"), out);
	w->done = true;
	free(out);
	signer_thread_end();
}

static void start(struct loop_task *task)
{
	struct work *w = (struct work *)task;

	assert_non_null(fiber_spawn("turn", turn, w));
	assert_non_null(fiber_spawn("sign", sign_on_a_fiber, w));
}

static void test_on_a_loop_only_short_signatures_hold_it(void **state)
{
	struct work w = { .start.fn = start, .signer = load("LOOP_ONCE") };

	(void)state;
	w.loop = loop_new(0);
	assert_non_null(w.loop);
	loop_post(w.loop, &w.start);
	loop_run(w.loop);
	assert_int_equal(w.small, 0);
	assert_int_equal(w.large, 0);
	assert_int_equal(w.cut, -1);
	assert_int_equal(w.after_cut, 0);
	assert_true(w.turns_after > w.turns_before);
	assert_int_equal(signer_counts(w.signer).moved, 1);
	assert_int_equal(signer_counts(w.signer).calls, 6); /* what was begun anew is one call */
	loop_free(w.loop);
	assert_int_equal(signer_instances(), 0);
	signer_unref(w.signer);
}

static void sign_slowly(void *arg)
{
	struct work *w = arg;
	char *out = malloc(4097);

	w->small = sign(w->signer, B("quick"), out);
	w->moved_before = signer_counts(w->signer).moved;
	w->large = sign(w->signer, B("slow"), out); /* begun on the loop, and anew beside it */
	w->large |= sign(w->signer, B("slow"), out);
	w->moved_soon = signer_counts(w->signer).moved;
	for (int i = 0; i < 5000; i++) /* the busier the machine, the more of them count as slow */
		w->small |= sign(w->signer, B("quick"), out);
	w->large |= sign(w->signer, B("slow"), out);
	w->moved_late = signer_counts(w->signer).moved;
	w->done = true;
	free(out);
	signer_thread_end();
}

static void start_slow(struct loop_task *task)
{
	assert_non_null(fiber_spawn("turn", turn, task));
	assert_non_null(fiber_spawn("sign", sign_slowly, task));
}

/* A slow signature is no failure. The next ones begin beside the loop, until enough of them were quick. */
static void test_a_slow_signature_is_made_beside_the_loop(void **state)
{
	struct signer_limits patient = { 16, 10000, 4 };
	struct work w = { .start.fn = start_slow,
			  .signer = load_with(build("SLOW", ""), patient, NULL) };

	(void)state;
	assert_non_null(w.signer);
	w.loop = loop_new(0);
	assert_non_null(w.loop);
	loop_post(w.loop, &w.start);
	loop_run(w.loop);
	assert_int_equal(w.small, 0);
	assert_int_equal(w.large, 0);
	assert_int_equal(w.moved_before, 0);
	assert_int_equal(w.moved_soon, 1);
	assert_int_equal(w.moved_late, 2);
	assert_int_equal(signer_counts(w.signer).failures, 0);
	loop_free(w.loop);
	assert_int_equal(signer_instances(), 0);
	signer_unref(w.signer);
}

#ifdef SIGNET_FAULTS
static void test_injected_failures_are_errors_like_others(void **state)
{
	static const struct {
		const char *point, *kind;
	} points[] = {
		{ "sign.trap", "trap" },
		{ "sign.answer", "answer" },
		{ "sign.instance", "memory" },
	};
	struct signer *s = load("GOOD");
	char out[4097];

	(void)state;
	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
		fault_setup(points[i].point);
		assert_int_equal(sign(s, B("x"), out), -1);
		assert_bytes(error_last()->upstream_code, points[i].kind);
		fault_setup(NULL);
		assert_int_equal(sign(s, B("x"), out), 0);
		signer_thread_end();
	}
	signer_unref(s);
}
#endif

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/signet-wasm-XXXXXX");
	if (!mkdtemp(dir) || signing_init() < 0)
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
		cmocka_unit_test(test_a_bad_module_fails_its_call_and_nothing_else),
		cmocka_unit_test(test_a_loop_is_cut_by_its_cpu_time),
		cmocka_unit_test(test_after_a_failure_the_next_call_gets_a_fresh_instance),
		cmocka_unit_test(test_arguments_over_the_memory_limit_are_refused),
		cmocka_unit_test(test_the_longest_answer_is_4096_bytes),
		cmocka_unit_test(test_every_legal_header_value_passes),
		cmocka_unit_test(test_a_signature_has_no_characters_that_are_not_what_they_seem),
		cmocka_unit_test(test_a_leaking_module_is_replaced_before_it_hits_its_limit),
		cmocka_unit_test(test_multi_value_with_renamed_allocator),
		cmocka_unit_test(test_return_pointer_with_renamed_allocator),
		cmocka_unit_test(test_refusals_name_the_reason),
		cmocka_unit_test(test_too_much_memory_at_start_is_refused),
		cmocka_unit_test(test_the_pin_is_compared),
		cmocka_unit_test(test_inspect_shows_imports_and_refused_modules),
		cmocka_unit_test(test_a_compilation_is_kept_and_found_again),
		cmocka_unit_test(test_a_damaged_compilation_is_made_again),
		cmocka_unit_test(test_a_compilation_that_others_can_write_is_not_run),
		cmocka_unit_test(test_a_link_in_the_cache_is_not_followed),
		cmocka_unit_test(test_a_cache_that_cannot_be_written_stops_nobody),
		cmocka_unit_test(test_a_retired_signer_leaves_the_pool_of_its_thread),
		cmocka_unit_test(test_threads_share_a_signer_and_no_instance),
		cmocka_unit_test(test_on_a_loop_only_short_signatures_hold_it),
		cmocka_unit_test(test_a_slow_signature_is_made_beside_the_loop),
#ifdef SIGNET_FAULTS
		cmocka_unit_test(test_injected_failures_are_errors_like_others),
#endif
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
