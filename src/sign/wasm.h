/*
 * What the files of the sandbox share: the engine (engine.c), a checked module (module.c) and one
 * instance of it (instance.c). signer.c puts them together; nothing outside of sign/ includes this.
 */
#ifndef SIGNET_SIGN_WASM_H
#define SIGNET_SIGN_WASM_H

#include <wasm.h>
#include <wasmtime.h>

#include "base/pen.h"
#include "sign/signer.h"

#define MODULE_MAX          (4u << 20)  /* bytes of a module's file */
#define COMPILED_MAX        (64u << 20) /* bytes of its compilation */
#define COMPILE_CPU_MS      2000        /* CPU time of one compilation */
#define IMPORTS_MAX         1000
#define SIGNATURE_MAX       4096u /* bytes of an answer */
#define SIGNER_ARGS         4
#define SIGNER_TICK_MS      2            /* how often a running module is asked how long it ran */
#define SIGNER_LOOP_MS      2            /* CPU time that a call may have on a worker's loop */
#define SIGNER_STACK        (512u << 10) /* bytes of a thread's stack that a module may use */
#define WASM_PAGE           65536u
#define SIGNER_WHY_BYTES    512
#define SIGNER_TRACE_BYTES  640
#define FUNCTION_NAME_BYTES 72

/* The process's engine; NULL before signing_init(). */
wasm_engine_t *engine(void);
/* "48.0.8-‹8 hex›": version, settings and processor; part of a cached module's name. */
const char *engine_key(void);
/* For a thread that may outlive signing_deinit() (a compilation that nobody waits for): the engine stays until it is given
 * back. One engine of the process at a time. */
wasm_engine_t *engine_take(void);
void engine_give(wasm_engine_t *);
/* While at least one call is between enter and leave the ticker ticks. Any thread. */
void engine_enter(void);
void engine_leave(void);
/* Writes the error's text on one line (causes joined by ": ") and deletes it. */
void engine_error_text(wasmtime_error_t *, char *out, size_t n);
void engine_trap_text(wasm_trap_t *, char *out, size_t n); /* the same for a trap */

/* ---- backtrace.c ---- */

/* "explode 0x1f3 <- answer <- sign": innermost first, with its place in the module's file. */
void backtrace_print(const wasm_frame_vec_t *, char out[SIGNER_TRACE_BYTES]);
/* A function's name as people read it, on one line; "function 7" if it has none. */
void function_name(struct bytes name, uint32_t number, char out[FUNCTION_NAME_BYTES]);

enum signer_abi { ABI_NONE, ABI_RETPTR, ABI_MULTI_VALUE };

/* One function that a module imports: nothing of the host, whatever its name (imports.c). */
struct stub {
	bool fills_table; /* wasm-bindgen's own, which prepares the module's table of externref */
	char text[256];   /* what a call of it fails with */
};

/* A compiled module. The numbers are positions in its export list; those of an unused role are 0. */
struct module {
	wasmtime_module_t *compiled;
	wasm_importtype_vec_t imports;
	struct stub *stubs; /* one for each import */
	char *table;        /* the export that is its table of externref; NULL: none */
	char sha256[65];
	size_t size;
	enum signer_abi abi;
	size_t memory, sign, alloc, release, stack, start;
	bool starts; /* it has `__wbindgen_start`, to be called once in an instance */
	bool cached; /* came from the cache */
};

/* Reads and hashes; checks the pin if one is given. -1: ERR_SIGNER with the bare reason. */
int module_read(const char *path, struct bytes pin, struct buf *wasm, char sha256[65]);
/* Compiles, or takes the compilation from `cache_dir` (NULL: none). -1: ERR_SIGNER, bare reason. */
int module_compile(struct module *, struct bytes wasm, const char *cache_dir);
/* Finds the roles among the exports. -1: ERR_SIGNER with a reason that lists what was found. */
int module_recognise(struct module *);
void module_free(struct module *);

/* Compiles on a thread of its own, for at most COMPILE_CPU_MS of its CPU time (compile.c). -1: ERR_SIGNER. */
int compile_module(struct bytes wasm, wasmtime_module_t **);
/* A type as signers' manuals write it: "function (i32 i32) -> (i32)", "memory 17 pages". */
void type_print(struct pen *, const wasm_externtype_t *);

/* ---- sections.c: of a module's file that begins as it should, without the engine ---- */

/* -1: ERR_SIGNER; a tool has still to work on it. */
int sections_check(struct bytes wasm);
/* Its imports, exports and memory, as `signet sign --inspect` prints them. */
void sections_print(struct pen *, struct bytes wasm);

/* ---- imports.c ---- */

/* Takes the list of imports and decides about each. -1: ERR_SIGNER with the names of those that cannot be. */
int imports_take(struct module *);
void imports_free(struct module *);
/* "wbg.now: function () -> (f64), a stub: a call of it fails the signature". */
void imports_print(struct pen *, const struct module *);
struct instance;
/* A function for each import, into an array of as many. */
void imports_make(struct instance *, const struct module *, wasmtime_extern_t *);

enum signer_result {
	SIGNER_OK,
	SIGNER_TRAP,
	SIGNER_TIMEOUT,
	SIGNER_MEMORY,
	SIGNER_ANSWER,
	SIGNER_REFUSED, /* not called: it was cut too often (signer.c) */
	SIGNER_MOVED,   /* it had its SIGNER_LOOP_MS: to be begun anew, elsewhere */
};

/* One instance and the memory its answer is copied to. Used by one thread at a time. */
struct instance {
	struct instance *next;
	wasmtime_store_t *store;
	wasmtime_context_t *context;
	wasmtime_memory_t memory;
	wasmtime_func_t sign, alloc, release, stack;
	enum signer_abi abi;
	uint64_t limit_ns;     /* CPU time of one call */
	uint64_t limit_memory; /* bytes */
	uint64_t cpu_start;  /* thread CPU clock at the first tick of this call; 0 = no tick yet */
	bool on_loop;        /* of this call: it may have SIGNER_LOOP_MS only */
	bool cut, moved;     /* this call was stopped by the time limit; by that of a loop */
	const char *refused; /* this call was stopped by an import: its text */
	const struct module *module;
	wasmtime_instance_t own;
	bool made; /* `own` is set */
	size_t answer_len;
	char answer[SIGNATURE_MAX];
	char trace
		[SIGNER_TRACE_BYTES]; /* where the last call ended early; "": it did not, or nobody knows */
};

/* NULL: `result` and `why` say what failed. `on_loop`: of what it runs at its start, and until the caller says otherwise.
 * Needs a thread's own stack. */
struct instance *instance_new(const struct module *, const struct signer_limits *, bool on_loop,
			      enum signer_result *result, char why[SIGNER_WHY_BYTES]);
void instance_free(struct instance *);
/* One signature; the answer is in the instance until the next call. After anything but SIGNER_OK the
 * instance must be freed. Needs a thread's own stack. */
enum signer_result instance_sign(struct instance *, const struct bytes args[SIGNER_ARGS],
				 char why[SIGNER_WHY_BYTES]);
size_t instance_memory(struct instance *); /* bytes of its linear memory */

#endif
