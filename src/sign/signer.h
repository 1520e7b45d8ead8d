/*
 * Signers: a sandboxed WebAssembly module that signs a request (DESIGN §5, spec/rust-proxy.md "The signer
 * module"). A `struct signer` is a compiled, checked module; it is immutable, shared by all threads and
 * reference-counted. Instances are pooled per worker thread and thrown away after a failure.
 */
#ifndef SIGNET_SIGN_SIGNER_H
#define SIGNET_SIGN_SIGNER_H

#include "base/arena.h"
#include "base/bytes.h"

struct signer;

struct signer_limits {
	uint32_t memory_mb;  /* linear memory, 16 */
	uint32_t timeout_ms; /* CPU time of one call, 100 */
	uint32_t pool;       /* instances kept per worker, and threads for long calls, 4 */
};

/* Once a process, before any other call: engine and ticker thread. -1: error. */
int signing_init(void);
void signing_deinit(void);

/*
 * Reads, checks against `sha256` (64 hex digits, unset = any), compiles (or loads the compilation from
 * `cache_dir`, NULL = none), checks the exports and makes one instance. `id` names it in metrics and logs.
 * NULL: ERR_SIGNER "Failed to get WasmSigner instance: PATH: REASON". May take 10 ms; not on a fiber.
 */
struct signer *signer_load(const char *path, struct bytes id, struct bytes sha256,
			   const struct signer_limits *, const char *cache_dir);
void signer_unref(struct signer *);
/* Makes its threads, which otherwise are made at the first long call. -1: ERR_IO. Any thread. */
int signer_start(struct signer *);
/* Signs once, made-up arguments. One that traps or takes all of its memory then would do so for each request: -1, ERR_SIGNER
 * as of signer_load(). One that is cut or answers badly is only warned of: it may want other arguments. Not on a fiber. */
int signer_try(struct signer *, const char *path);

struct signature {
	struct bytes
		trace; /* of one that failed, in the arena: functions of the module, innermost first; unset: none */
	struct bytes text; /* in the arena; 1 byte to 4 KiB, a legal header value */
	uint64_t us;       /* wall time of the call */
};
/*
 * Calls the module's sign(args[0..3]); `out` is set in any case. On a fiber it runs on the thread's own stack for at most 2 ms (then it is begun anew), or on
 * one of the signer's own threads for large arguments and for modules that were ever slow. Waits. -1: ERR_SIGNER "Signing failed: REASON"; its
 * upstream_code is trap, timeout, memory, answer or refused.
 */
int signer_sign(struct signer *, const struct bytes args[4], struct arena *, struct signature *out);

/* What an argument of `sign` may be (`signer.inputs`); ends with NULL. */
extern const char *const signer_input_names[];

struct bytes signer_id(const struct signer *);
struct bytes signer_sha256(const struct signer *); /* 64 hex digits */
struct bytes signer_abi(const struct signer *); /* "wasm-bindgen" or "wasm-bindgen (multi-value)" */
/* `made` instances ever for calls, and the linear memory of the one that signed last: neither grows with a
 * well-behaved module. */
struct signer_counts {
	uint64_t calls, failures, made;
	uint64_t refused; /* calls that were not made (docs/signing.md) */
	uint64_t moved;   /* calls that took too long on a loop and were begun anew beside it */
	size_t memory;
};
struct signer_counts signer_counts(const struct signer *);
/* What calls took, since the start, by the size of what was signed: microseconds, of a histogram (error at most 20 %). */
#define SIGNER_SIZES 4
struct signer_times {
	uint64_t traps, timeouts, running; /* running: at this moment */
	uint64_t n, p50, p99, max;         /* of all sizes; n: good calls */
	struct {
		size_t up_to; /* bytes; SIZE_MAX: no bound */
		uint64_t n, p50;
	} by_size[SIGNER_SIZES];
	char last_error[160]; /* "" = none */
};
void signer_times(struct signer *, struct signer_times *);
size_t signer_bytes(const struct signer *); /* of the module */
size_t signer_instances(void);              /* of the process */
void signer_thread_end(void);               /* frees the calling thread's pooled instances */

/* Appends the last line of `--inspect`: whether the gateway takes the module, which is tried as its start does. -1: it does not, and
 * the line says why. Not on a fiber. */
int signer_verdict(const char *path, const struct signer_limits *, struct buf *out);

/* Text for `signet sign --inspect`: ABI, imports, exports, memory, SHA-256. Works on modules that
 * signer_load refuses. */
int signer_inspect(const char *path, struct buf *out);

/* `signet sign`: argv without the program and "sign". Returns the exit status. */
int signer_main(int argc, char **argv);

#endif
