/*
 * A signer's module and its answers as an attacker would make them. The first byte of the input chooses:
 *
 *   even  the rest is a module's file, loaded and asked for a signature under tight limits;
 *   odd   the rest says how a well-formed module behaves: which pointers its allocator and its stack
 *         return, where its answer lies and how long it is, which bytes its memory holds. The module is
 *         put together here, in both ABIs.
 *
 * Nothing may crash, hang or leave an instance behind, and what is signed must be a legal answer.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "sign/signer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct signer_limits limits = { 1, 20, 1 };

#define BUILD_MAX 8192

struct out {
	uint8_t p[BUILD_MAX];
	size_t n;
};

static void put(struct out *o, const void *p, size_t n)
{
	if (n > sizeof(o->p) - o->n)
		abort();
	memcpy(o->p + o->n, p, n);
	o->n += n;
}

static void byte(struct out *o, unsigned b)
{
	uint8_t v = (uint8_t)b;

	put(o, &v, 1);
}

static void uleb(struct out *o, uint32_t v)
{
	do {
		byte(o, (v & 0x7f) | (v > 0x7f ? 0x80 : 0));
		v >>= 7;
	} while (v);
}

static void i32_const(struct out *o, int32_t v)
{
	bool more = true;

	byte(o, 0x41);
	while (more) {
		uint8_t b = v & 0x7f;

		v >>= 7;
		more = !((v == 0 && !(b & 0x40)) || (v == -1 && (b & 0x40)));
		byte(o, b | (more ? 0x80u : 0));
	}
}

static void section(struct out *o, unsigned id, const struct out *body)
{
	byte(o, id);
	uleb(o, (uint32_t)body->n);
	put(o, body->p, body->n);
}

static void function_type(struct out *o, unsigned params, unsigned results)
{
	byte(o, 0x60);
	uleb(o, params);
	for (unsigned i = 0; i < params; i++)
		byte(o, 0x7f);
	uleb(o, results);
	for (unsigned i = 0; i < results; i++)
		byte(o, 0x7f);
}

static void export(struct out *o, const char *name, unsigned kind, unsigned index)
{
	uleb(o, (uint32_t)strlen(name));
	put(o, name, strlen(name));
	byte(o, kind);
	uleb(o, index);
}

static void body(struct out *o, const struct out *code)
{
	uleb(o, (uint32_t)code->n + 2);
	byte(o, 0); /* no locals */
	put(o, code->p, code->n);
	byte(o, 0x0b);
}

/* What the fuzzer decides about the module. */
struct behaviour {
	bool multi_value;
	int32_t stack, alloc, answer, answer_len, store_at;
	const uint8_t *memory;
	size_t memory_len;
};

static void code_section(struct out *o, const struct behaviour *b)
{
	struct out stack = { 0 }, alloc = { 0 }, release = { 0 }, sign = { 0 };

	i32_const(&stack, b->stack);
	i32_const(&alloc, b->alloc);
	if (b->multi_value) {
		i32_const(&sign, b->answer);
		i32_const(&sign, b->answer_len);
	} else {
		i32_const(&sign, b->store_at);
		i32_const(&sign, b->answer);
		put(&sign, "\x36\x02\x00", 3); /* i32.store */
		i32_const(&sign, b->store_at);
		i32_const(&sign, b->answer_len);
		put(&sign, "\x36\x02\x04", 3);
	}
	uleb(o, 4);
	body(o, &sign);
	body(o, &alloc);
	body(o, &release);
	body(o, &stack);
}

static void assemble(const struct behaviour *b, struct out *o)
{
	struct out types = { 0 }, functions = { 0 }, memory = { 0 }, exports = { 0 }, code = { 0 },
		   bytes = { 0 };

	uleb(&types, 4);
	function_type(&types, b->multi_value ? 8 : 9, b->multi_value ? 2 : 0);
	function_type(&types, 2, 1);
	function_type(&types, 3, 0);
	function_type(&types, 1, 1);
	put(&functions, "\4\0\1\2\3", 5);
	put(&memory, "\1\0\1", 3); /* one page */
	uleb(&exports, 5);
	export(&exports, "memory", 2, 0);
	export(&exports, "sign", 0, 0);
	export(&exports, b->multi_value ? "__wbindgen_export_0" : "__wbindgen_malloc", 0, 1);
	export(&exports, b->multi_value ? "__wbindgen_export_1" : "__wbindgen_free", 0, 2);
	export(&exports, "__wbindgen_add_to_stack_pointer", 0, 3);
	code_section(&code, b);
	put(&bytes, "\1\0\x41\0\x0b", 5); /* one active segment at 0 */
	uleb(&bytes, (uint32_t)b->memory_len);
	put(&bytes, b->memory, b->memory_len);
	put(o, "\0asm\1\0\0\0", 8);
	section(o, 1, &types);
	section(o, 3, &functions);
	section(o, 5, &memory);
	section(o, 7, &exports);
	section(o, 10, &code);
	section(o, 11, &bytes);
}

static int32_t number(const uint8_t *p)
{
	return (int32_t)((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
			 (uint32_t)p[3] << 24);
}

static void check_answer(struct bytes a)
{
	if (!a.n || a.n > 4096 || !bytes_is_utf8(a))
		abort();
	for (size_t i = 0; i < a.n; i++)
		if ((uint8_t)a.p[i] < 0x20 || a.p[i] == 0x7f)
			abort();
}

static void sign(struct signer *s)
{
	struct bytes args[4] = { B("nonce"), B("1700000000"), B(""), B("User: Hello") };
	struct signature sig;
	struct arena arena;

	arena_init(&arena, 65536);
	for (int i = 0; i < 2;
	     i++) /* the second on a kept instance, or on a fresh one after a failure */
		if (signer_sign(s, args, &arena, &sig) == 0)
			check_answer(sig.text);
		else if (error_last()->kind != ERR_SIGNER ||
			 !bytes_set(error_last()->upstream_code))
			abort();
	arena_deinit(&arena);
}

static void try_module(const uint8_t *p, size_t n)
{
	int fd = memfd_create("module", MFD_CLOEXEC);
	struct signer *s;
	struct buf text;
	char path[64];

	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	s = signer_load(path, B("fuzz"), (struct bytes){ 0 }, &limits, NULL);
	if (s)
		sign(s);
	buf_init(&text, 1 << 20);
	(void)signer_inspect(path, &text);
	buf_deinit(&text);
	close(fd);
	signer_unref(s);
	signer_thread_end();
	if (signer_instances())
		abort();
	error_clear();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	struct behaviour b;
	struct out *o;

	if (!ready && signing_init() < 0)
		abort();
	ready = true;
	if (!size)
		return 0;
	if (!(data[0] & 1)) {
		try_module(data + 1, size - 1);
		return 0;
	}
	if (size < 21)
		return 0;
	b = (struct behaviour){ .multi_value = data[0] & 2,
				.stack = number(data + 1),
				.alloc = number(data + 5),
				.answer = number(data + 9),
				.answer_len = number(data + 13),
				.store_at = number(data + 17),
				.memory = data + 21,
				.memory_len = size - 21 < 6000 ? size - 21 : 6000 };
	if (data[0] & 4)
		b.store_at = b.stack; /* as a module that behaves would */
	o = calloc(1, sizeof(*o));
	if (!o)
		abort();
	assemble(&b, o);
	try_module(o->p, o->n);
	free(o);
	return 0;
}
