/*
 * The WebAssembly engine of the process, and its clock.
 *
 * A signer is stopped by CPU time, not by wall time: on a busy machine a healthy signature may be off
 * the processor for 100 ms, and a wall-clock deadline then cuts it (seen in one of three runs of 100,000
 * calls). Compiled code compares the engine's epoch with its store's deadline at every loop head and
 * function entry; the ticker thread below advances the epoch, and the deadline callback (instance.c)
 * reads the CPU clock of the thread that runs the module and lets it go on while it is under its limit.
 *
 * A call on a worker's loop has 2 ms in the same way, and is then begun anew beside it (signer.c): hence ticks so near to each other.
 * The ticker sleeps for good once nothing was signed for half a second, so that an idle gateway is idle.
 * Trap: under TSan Wasmtime's signal handler is reported as unsafe (it allocates after it left the
 * handler); there the engine checks bounds explicitly instead of by signals.
 */
#include <errno.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"
#include "base/ids.h"
#include "base/thread.h"
#include "sign/wasm.h"

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif
#ifndef UNDER_TSAN
#define UNDER_TSAN 0
#endif

/* Changes whenever configure() below does: compilations made with other settings are of no use. */
#define SETTINGS    "2 epoch, stack 512k, 32-bit memory, externref"
#define QUIET_TICKS (500 / SIGNER_TICK_MS)

static struct {
	wasm_engine_t *engine;
	char key[64];
	pthread_t ticker;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;           /* under the lock */
	atomic_uint users;   /* signing_init(), and each engine_take() */
	atomic_bool asleep;  /* the ticker waits for `wake` */
	atomic_uint running; /* calls between enter and leave */
	atomic_ulong calls;  /* ever entered */
} self = { .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER };

wasm_engine_t *engine(void)
{
	return self.engine;
}

const char *engine_key(void)
{
	return self.key;
}

wasm_engine_t *engine_take(void)
{
	atomic_fetch_add(&self.users, 1);
	return self.engine;
}

void engine_give(wasm_engine_t *e)
{
	if (atomic_fetch_sub(&self.users, 1) == 1)
		wasm_engine_delete(e);
}

static wasm_engine_t *configure(void)
{
	wasm_config_t *c = wasm_config_new();

	if (!c)
		return NULL;
	wasmtime_config_epoch_interruption_set(c, true);
	wasmtime_config_max_wasm_stack_set(c, SIGNER_STACK);
	wasmtime_config_wasm_memory64_set(c, false);
	wasmtime_config_wasm_multi_memory_set(c, false);
	wasmtime_config_shared_memory_set(c, false);
	wasmtime_config_wasm_reference_types_set(c, true); /* decision 0013 */
	wasmtime_config_wasm_gc_set(c, false);
	wasmtime_config_wasm_exceptions_set(c, false);
	wasmtime_config_signals_based_traps_set(c, !UNDER_TSAN);
	return wasm_engine_new_with_config(c);
}

/* The model of the processor: a compilation may use what only this one has. Wasmtime checks that too, so
 * this only keeps machines that share a directory from overwriting each other's files. */
static void processor(char *out, size_t n)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[4096];

	snprintf(out, n, "unknown");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "flags", 5) || !strncmp(line, "Features", 8)) {
			snprintf(out, n, "%s", line);
			break;
		}
	fclose(f);
}

static void name_key(void)
{
	char cpu[4096], text[4352];
	uint8_t hash[SHA256_DIGEST_LENGTH];
	char hex[9];
	int n;

	processor(cpu, sizeof(cpu));
	n = snprintf(text, sizeof(text), "%s|%d|%s", SETTINGS, UNDER_TSAN, cpu);
	SHA256((const uint8_t *)text, (size_t)n, hash);
	hex_print(hash, 4, hex);
	snprintf(self.key, sizeof(self.key), "%s-%s", WASMTIME_VERSION, hex);
}

/* Waits until a call begins. False: the process ends. */
static bool sleep_until_needed(void)
{
	bool go;

	pthread_mutex_lock(&self.lock);
	atomic_store(&self.asleep, true);
	while (!self.stop && !atomic_load(&self.running))
		pthread_cond_wait(&self.wake, &self.lock);
	atomic_store(&self.asleep, false);
	go = !self.stop;
	pthread_mutex_unlock(&self.lock);
	return go;
}

static void *tick(void *unused)
{
	const struct timespec pause = { .tv_nsec = SIGNER_TICK_MS * 1000000L };
	unsigned long seen = 0;
	unsigned quiet = QUIET_TICKS;

	(void)unused;
	for (;;) {
		unsigned long calls = atomic_load(&self.calls);

		if (atomic_load(&self.running) || calls != seen)
			quiet = 0;
		else if (++quiet > QUIET_TICKS) {
			if (!sleep_until_needed())
				return NULL;
			quiet = 0;
		}
		seen = calls;
		nanosleep(&pause, NULL);
		wasmtime_engine_increment_epoch(self.engine);
		pthread_mutex_lock(&self.lock);
		if (self.stop) {
			pthread_mutex_unlock(&self.lock);
			return NULL;
		}
		pthread_mutex_unlock(&self.lock);
	}
}

void engine_enter(void)
{
	atomic_fetch_add(&self.running, 1);
	atomic_fetch_add_explicit(&self.calls, 1, memory_order_relaxed);
	if (atomic_load(&self.asleep)) {
		pthread_mutex_lock(&self.lock);
		pthread_cond_signal(&self.wake);
		pthread_mutex_unlock(&self.lock);
	}
}

void engine_leave(void)
{
	atomic_fetch_sub(&self.running, 1);
}

int signing_init(void)
{
	int err;

	self.engine = configure();
	if (!self.engine)
		return fail(ERR_SIGNER, "the WebAssembly engine does not start");
	atomic_fetch_add(&self.users, 1);
	name_key();
	self.stop = false;
	err = thread_start(&self.ticker, tick, NULL);
	if (err) {
		engine_give(self.engine);
		self.engine = NULL;
		return fail(ERR_SIGNER, "the signers' clock does not start: %s", strerror(err));
	}
	return 0;
}

void signing_deinit(void)
{
	if (!self.engine)
		return;
	pthread_mutex_lock(&self.lock);
	self.stop = true;
	pthread_cond_signal(&self.wake);
	pthread_mutex_unlock(&self.lock);
	pthread_join(self.ticker, NULL);
	engine_give(self.engine);
	self.engine = NULL;
}

/* Wasmtime prints causes on lines of their own ("\n\nCaused by:\n    0: x"); here they follow ": ". */
static void one_line(const char *p, size_t n, char *out, size_t room)
{
	struct bytes rest = { p, n };
	size_t at = 0;

	out[0] = '\0';
	while (rest.n && at + 1 < room) {
		struct bytes line = bytes_trim(bytes_cut(&rest, '\n'));
		int wrote;

		if (line.n && !line.p[line.n - 1])
			line.n--;
		if (!line.n || bytes_eq(line, B("Caused by:")))
			continue;
		if (line.n > 3 && line.p[0] >= '0' && line.p[0] <= '9' && line.p[1] == ':')
			line = bytes_slice(line, 3, line.n);
		wrote = snprintf(out + at, room - at, "%s%.*s", at ? ": " : "", BFMT(line));
		at += wrote > 0 ? (size_t)wrote : 0;
	}
}

void engine_error_text(wasmtime_error_t *e, char *out, size_t n)
{
	wasm_name_t text;

	wasmtime_error_message(e, &text);
	one_line(text.data, text.size, out, n);
	wasm_byte_vec_delete(&text);
	wasmtime_error_delete(e);
}

static const char *const trap_texts[] = {
	[WASMTIME_TRAP_CODE_STACK_OVERFLOW] = "it ran out of stack (recursion too deep)",
	[WASMTIME_TRAP_CODE_MEMORY_OUT_OF_BOUNDS] = "it used memory that it does not have",
	[WASMTIME_TRAP_CODE_HEAP_MISALIGNED] = "misaligned atomic access",
	[WASMTIME_TRAP_CODE_TABLE_OUT_OF_BOUNDS] = "it used a table entry that does not exist",
	[WASMTIME_TRAP_CODE_INDIRECT_CALL_TO_NULL] = "it called a null function pointer",
	[WASMTIME_TRAP_CODE_BAD_SIGNATURE] = "it called a function by a wrong type",
	[WASMTIME_TRAP_CODE_INTEGER_OVERFLOW] = "integer overflow",
	[WASMTIME_TRAP_CODE_INTEGER_DIVISION_BY_ZERO] = "division by zero",
	[WASMTIME_TRAP_CODE_BAD_CONVERSION_TO_INTEGER] = "a number that is no integer",
	[WASMTIME_TRAP_CODE_UNREACHABLE_CODE_REACHED] =
		"it gave up (unreachable: a panic or abort)",
};

void engine_trap_text(wasm_trap_t *trap, char *out, size_t n)
{
	wasmtime_trap_code_t code;

	if (wasmtime_trap_code(trap, &code) && code < COUNT(trap_texts)) {
		snprintf(out, n, "%s", trap_texts[code]);
	} else {
		wasm_message_t text;

		wasm_trap_message(trap, &text);
		one_line(text.data, text.size, out, n);
		wasm_byte_vec_delete(&text);
	}
	wasm_trap_delete(trap);
}
