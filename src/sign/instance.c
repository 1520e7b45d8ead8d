/*
 * One instance of a signer's module, and one call of it (spec/rust-proxy.md "The signer module").
 *
 * Everything that the module says is taken as hostile: every pointer and length is checked against the
 * memory as it is at that moment (it grows during calls, and may move), and nothing of the host is
 * reachable but the bytes that are copied in. The strings that go in belong to the module, which frees
 * them itself; only the answer is freed here. (The reference implementation freed both and so broke the
 * module's heap.)
 *
 * Trap: Wasmtime checks the stack pointer against the thread's own stack, so all of this runs there and
 * never on a fiber's stack.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/time.h"
#include "sign/wasm.h"

#define MAX_TABLE_ELEMENTS 10000
/* Since the first tick, which comes half a tick into a call. */
#define LOOP_NS ((SIGNER_LOOP_MS * 2 - SIGNER_TICK_MS) * 500000ull)

static wasmtime_error_t *on_deadline(wasmtime_context_t *context, void *data, uint64_t *delta,
				     wasmtime_update_deadline_kind_t *kind)
{
	struct instance *in = data;
	uint64_t now = clock_thread_cpu_ns();

	(void)context;
	if (!in->cpu_start)
		in->cpu_start = now;
	in->moved = in->on_loop && now - in->cpu_start > LOOP_NS && in->limit_ns > LOOP_NS;
	in->cut = !in->moved && (now - in->cpu_start > in->limit_ns || fault("sign.timeout"));
	if (in->cut || in->moved)
		return wasmtime_error_new("cut");
	*delta = 1;
	*kind = WASMTIME_UPDATE_DEADLINE_CONTINUE;
	return NULL;
}

static void start_clock(struct instance *in)
{
	in->cpu_start = 0;
	in->cut = in->moved = false;
	in->refused = NULL;
	in->trace[0] = '\0';
	wasmtime_context_set_epoch_deadline(in->context, 1);
}

static bool over_limit(struct instance *in, uint64_t more)
{
	return in->memory.store_id &&
	       wasmtime_memory_data_size(in->context, &in->memory) + more > in->limit_memory;
}

/* Writes why. Returns the result. */
__attribute__((format(printf, 3, 4))) static enum signer_result say(enum signer_result r, char *why,
								    const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, SIGNER_WHY_BYTES, fmt, args);
	va_end(args);
	return r;
}

/* By the host. */
static enum signer_result stopped(const struct instance *in, char *why)
{
	if (in->refused)
		return say(SIGNER_TRAP, why, "%s", in->refused);
	if (in->moved)
		return say(SIGNER_MOVED, why, "over %d ms of CPU time", SIGNER_LOOP_MS);
	return say(SIGNER_TIMEOUT, why, "cut after %llu ms of CPU time (signer.timeout_ms)",
		   (unsigned long long)(in->limit_ns / 1000000));
}

/* Notes where a call ended. */
static void take_trace(struct instance *in, const wasmtime_error_t *e, const wasm_trap_t *trap)
{
	wasm_frame_vec_t frames;

	if (trap)
		wasm_trap_trace(trap, &frames);
	else
		wasmtime_error_wasm_trace(e, &frames);
	backtrace_print(&frames, in->trace);
	wasm_frame_vec_delete(&frames);
}

/* Says why a call ended early and frees what the engine gave. */
static enum signer_result explain(struct instance *in, wasmtime_error_t *e, wasm_trap_t *trap,
				  char *why)
{
	take_trace(in, e, trap);
	if (in->cut || in->moved || in->refused) {
		if (e)
			wasmtime_error_delete(e);
		if (trap)
			wasm_trap_delete(trap);
		return stopped(in, why);
	}
	if (trap)
		engine_trap_text(trap, why, SIGNER_WHY_BYTES);
	else
		engine_error_text(e, why, SIGNER_WHY_BYTES);
	if (over_limit(in, WASM_PAGE)) {
		size_t at = strlen(why);

		snprintf(why + at, SIGNER_WHY_BYTES - at,
			 " at its memory limit of %llu MiB (signer.memory_limit_mb)",
			 (unsigned long long)(in->limit_memory >> 20));
		return SIGNER_MEMORY;
	}
	return SIGNER_TRAP;
}

/* What stands there was recognised when the module was loaded: it is of the kind that is taken. */
static wasmtime_extern_union_t export_of(struct instance *in, const wasmtime_instance_t *of,
					 size_t at)
{
	wasmtime_extern_t item = { 0 };
	char *name;
	size_t n;

	wasmtime_instance_export_nth(in->context, of, at, &name, &n, &item);
	return item.of;
}

static void take_exports(struct instance *in, const wasmtime_instance_t *of, const struct module *m)
{
	in->memory = export_of(in, of, m->memory).memory;
	in->sign = export_of(in, of, m->sign).func;
	in->alloc = export_of(in, of, m->alloc).func;
	in->release = export_of(in, of, m->release).func;
	if (m->abi == ABI_RETPTR)
		in->stack = export_of(in, of, m->stack).func;
}

static enum signer_result call(struct instance *in, const wasmtime_func_t *f, wasmtime_val_raw_t *v,
			       size_t n, char *why)
{
	wasm_trap_t *trap = NULL;
	wasmtime_error_t *e = wasmtime_func_call_unchecked(in->context, f, v, n, &trap);

	return e || trap ? explain(in, e, trap, why) : SIGNER_OK;
}

/* With its imports, and begun as wasm-bindgen's script begins it. */
static enum signer_result begin(struct instance *in, const struct module *m, char *why)
{
	wasmtime_extern_t *given = calloc(m->imports.size + 1, sizeof(*given));
	wasmtime_func_t start;
	wasmtime_error_t *e;
	wasm_trap_t *trap = NULL;

	if (!given)
		return say(SIGNER_MEMORY, why, "out of memory");
	imports_make(in, m, given);
	e = wasmtime_instance_new(in->context, m->compiled, given, m->imports.size, &in->own,
				  &trap);
	free(given);
	if (e || trap)
		return explain(in, e, trap, why);
	in->made = true;
	take_exports(in, &in->own, m);
	if (!m->starts)
		return SIGNER_OK;
	start = export_of(in, &in->own, m->start).func;
	return call(in, &start, NULL, 0, why);
}

struct instance *instance_new(const struct module *m, const struct signer_limits *limits,
			      bool on_loop, enum signer_result *result, char why[SIGNER_WHY_BYTES])
{
	struct instance *in = fault("sign.instance") ? NULL : calloc(1, sizeof(*in));

	*result = say(SIGNER_MEMORY, why, "out of memory");
	if (!in)
		return NULL;
	in->abi = m->abi;
	in->module = m;
	in->on_loop = on_loop;
	in->limit_ns = limits->timeout_ms * 1000000ull;
	in->limit_memory = (uint64_t)limits->memory_mb << 20;
	in->store = wasmtime_store_new(engine(), in, NULL);
	if (!in->store) {
		free(in);
		return NULL;
	}
	in->context = wasmtime_store_context(in->store);
	wasmtime_store_limiter(in->store, (int64_t)in->limit_memory, MAX_TABLE_ELEMENTS, 1, 8, 1);
	wasmtime_store_epoch_deadline_callback(in->store, on_deadline, in, NULL);
	start_clock(in);
	*result = begin(in, m, why);
	if (*result == SIGNER_OK)
		return in;
	instance_free(in);
	return NULL;
}

void instance_free(struct instance *in)
{
	if (!in)
		return;
	wasmtime_store_delete(in->store);
	free(in);
}

size_t instance_memory(struct instance *in)
{
	return wasmtime_memory_data_size(in->context, &in->memory);
}

/* ---- a call ---- */

static bool inside(struct instance *in, uint32_t p, size_t n)
{
	size_t size = wasmtime_memory_data_size(in->context, &in->memory);

	return p <= size && n <= size - p;
}

/* Copies an argument into memory that the module allocates for it and will free. */
static enum signer_result give_string(struct instance *in, struct bytes arg, uint32_t *at,
				      char *why)
{
	wasmtime_val_raw_t v[2] = { { .i32 = (int32_t)arg.n }, { .i32 = 1 } };
	enum signer_result r = call(in, &in->alloc, v, 2, why);

	/* An allocator that finds no memory returns null (C) or gives up (Rust). */
	bool refused = r == SIGNER_TRAP && over_limit(in, arg.n);

	if (r != SIGNER_OK && !refused)
		return r;
	*at = (uint32_t)v[0].i32;
	if (!arg.n)
		return SIGNER_OK;
	if (refused || !*at)
		return say(
			SIGNER_MEMORY, why,
			"it has no memory for an argument of %zu bytes (signer.memory_limit_mb is %llu)",
			arg.n, (unsigned long long)(in->limit_memory >> 20));
	if (!inside(in, *at, arg.n))
		return say(SIGNER_ANSWER, why, "its allocator returned memory outside of its own");
	memcpy(wasmtime_memory_data(in->context, &in->memory) + *at, arg.p, arg.n);
	return SIGNER_OK;
}

static uint32_t load_u32(struct instance *in, uint32_t at)
{
	const uint8_t *p = wasmtime_memory_data(in->context, &in->memory) + at;

	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Characters that a log or a terminal obeys, or that nobody sees: no signature has them, and a header with them is not what
 * it seems. */
static const struct {
	uint32_t first, last;
	bool unseen;
} bad_characters[] = {
	{ 0x00, 0x1f, false },
	{ 0x7f, 0x9f, false }, /* C0, DEL, C1 */
	{ 0xad, 0xad, true },
	{ 0x61c, 0x61c, true }, /* soft hyphen; Arabic letter mark */
	{ 0x180e, 0x180e, true },
	{ 0x200b, 0x200f, true }, /* zero widths, marks of direction */
	{ 0x2028, 0x202e, true },
	{ 0x2060, 0x206f, true }, /* line ends; embeddings, overrides, isolates */
	{ 0xfeff, 0xfeff, true },
	{ 0xfff9, 0xfffb, true },   /* byte order mark; annotations */
	{ 0xe0000, 0xe007f, true }, /* tags */
};

/* Of valid UTF-8. */
static uint32_t next_character(struct bytes a, size_t *at)
{
	size_t n = utf8_length(bytes_slice(a, *at, a.n));
	uint32_t c = (uint8_t)a.p[*at] & (n == 1 ? 0x7f : 0xff >> (n + 1));

	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((uint8_t)a.p[*at + i] & 0x3f);
	*at += n;
	return c;
}

static const char *character_fault(uint32_t c)
{
	for (size_t i = 0; i < COUNT(bad_characters); i++)
		if (c >= bad_characters[i].first && c <= bad_characters[i].last)
			return bad_characters[i].unseen
				       ? "its answer has characters that cannot be seen"
				       : "its answer has control characters";
	return NULL;
}

/* NULL: a legal header value, which looks like what it is. */
static const char *answer_fault(struct bytes a)
{
	const char *found = NULL;

	if (!bytes_is_utf8(a))
		return "its answer is not UTF-8";
	for (size_t at = 0; at < a.n && !found;)
		if (a.p[at] >= ' ' && a.p[at] < 0x7f)
			at++; /* all of most answers */
		else
			found = character_fault(next_character(a, &at));
	if (!found && (a.p[0] == ' ' || a.p[a.n - 1] == ' '))
		return "its answer begins or ends with a blank";
	return found;
}

static enum signer_result take_answer(struct instance *in, uint32_t at, uint32_t n, char *why)
{
	const char *fault_text;

	if (!n)
		return say(SIGNER_ANSWER, why, "its answer is empty");
	if (n > SIGNATURE_MAX)
		return say(SIGNER_ANSWER, why, "its answer has %u bytes, at most %u are allowed", n,
			   SIGNATURE_MAX);
	if (!inside(in, at, n))
		return say(SIGNER_ANSWER, why, "its answer points outside of its memory");
	memcpy(in->answer, wasmtime_memory_data(in->context, &in->memory) + at, n);
	in->answer_len = n;
	fault_text = answer_fault((struct bytes){ in->answer, n });
	return fault_text ? say(SIGNER_ANSWER, why, "%s", fault_text) : SIGNER_OK;
}

/* Calls `sign` with the placed arguments and says where the answer lies. */
static enum signer_result call_sign(struct instance *in, uint32_t ret, const uint32_t *at,
				    const struct bytes *args, uint32_t out[2], char *why)
{
	wasmtime_val_raw_t v[1 + SIGNER_ARGS * 2];
	enum signer_result r;
	size_t n = 0;

	if (in->abi == ABI_RETPTR)
		v[n++].i32 = (int32_t)ret;
	for (size_t i = 0; i < SIGNER_ARGS; i++) {
		v[n++].i32 = (int32_t)at[i];
		v[n++].i32 = (int32_t)args[i].n;
	}
	r = fault("sign.trap") ? say(SIGNER_TRAP, why, "injected trap")
			       : call(in, &in->sign, v, n, why);
	if (r != SIGNER_OK)
		return r;
	if (in->abi == ABI_MULTI_VALUE) {
		out[0] = (uint32_t)v[0].i32;
		out[1] = (uint32_t)v[1].i32;
		return SIGNER_OK;
	}
	out[0] = load_u32(in, ret);
	out[1] = load_u32(in, ret + 4);
	return SIGNER_OK;
}

static enum signer_result move_stack(struct instance *in, int32_t by, uint32_t *at, char *why)
{
	wasmtime_val_raw_t v = { .i32 = by };
	enum signer_result r;

	if (in->abi != ABI_RETPTR)
		return SIGNER_OK;
	r = call(in, &in->stack, &v, 1, why);
	*at = (uint32_t)v.i32;
	return r;
}

static enum signer_result release(struct instance *in, uint32_t at, uint32_t n, char *why)
{
	wasmtime_val_raw_t v[3] = { { .i32 = (int32_t)at }, { .i32 = (int32_t)n }, { .i32 = 1 } };

	return call(in, &in->release, v, 3, why);
}

static enum signer_result check_size(struct instance *in, const struct bytes *args, char *why)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < SIGNER_ARGS; i++)
		sum += args[i].n;
	if (sum < in->limit_memory)
		return SIGNER_OK;
	return say(
		SIGNER_MEMORY, why,
		"its arguments are %llu bytes, over its memory limit of %llu MiB (signer.memory_limit_mb)",
		(unsigned long long)sum, (unsigned long long)(in->limit_memory >> 20));
}

enum signer_result instance_sign(struct instance *in, const struct bytes args[SIGNER_ARGS],
				 char why[SIGNER_WHY_BYTES])
{
	uint32_t at[SIGNER_ARGS], ret = 0, out[2] = { 0, 0 };
	enum signer_result r = check_size(in, args, why);

	start_clock(in);
	if (r == SIGNER_OK)
		r = move_stack(in, -16, &ret, why);
	if (r == SIGNER_OK && in->abi == ABI_RETPTR && !inside(in, ret, 8))
		r = say(SIGNER_ANSWER, why, "its stack pointer is outside of its memory");
	for (size_t i = 0; i < SIGNER_ARGS && r == SIGNER_OK; i++)
		r = give_string(in, args[i], &at[i], why);
	if (r == SIGNER_OK)
		r = call_sign(in, ret, at, args, out, why);
	if (r == SIGNER_OK)
		r = take_answer(in, out[0], out[1], why);
	if (r == SIGNER_OK)
		r = release(in, out[0], out[1], why);
	if (r == SIGNER_OK)
		r = move_stack(in, 16, &ret, why);
	if (r == SIGNER_OK && fault("sign.answer"))
		r = say(SIGNER_ANSWER, why, "injected answer");
	return r;
}
