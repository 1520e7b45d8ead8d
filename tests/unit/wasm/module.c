/*
 * The modules of test_wasm.c: one good signer and the many bad ones, chosen by -DCASE=X -DIS_X. Built with clang
 * for wasm32 by the test itself.
 */
typedef unsigned char u8;
typedef unsigned int u32;

#define EXPORT(name) __attribute__((export_name(name)))

enum {
	GOOD,
	LOOP,
	TRAP,
	GROW,        /* takes memory until it gets no more, then gives up */
	FAR_ANSWER,  /* the answer lies outside of the memory */
	WRAPPED,     /* pointer and length that overflow when added */
	FAR_STACK,   /* the stack pointer lies outside */
	FAR_MALLOC,  /* arguments would be written outside */
	NULL_MALLOC, /* no memory for arguments */
	NOT_UTF8,
	HALF_UTF8,   /* ends in the middle of a character */
	LONG_ANSWER, /* 1 MiB */
	CONTROL,
	BLANK,
	EMPTY_ANSWER,
	RECURSION,
	NO_SIGN,
	WASI,
	LEAK,      /* grows by 64 KiB at each call */
	ECHO,      /* answers its content */
	LONG_OK,   /* 4096 bytes */
	LOOP_ONCE, /* loops while the content is "loop" */
	SLOW,      /* takes tens of milliseconds when the content is "slow", and then answers */
};

#ifdef RENAMED
#define MALLOC EXPORT("__wbindgen_export_0")
#define FREE   EXPORT("__wbindgen_export_1")
#else
#define MALLOC EXPORT("__wbindgen_malloc")
#define FREE   EXPORT("__wbindgen_free")
#endif

static u8 heap[300000];
static u32 at;
static u8 shadow[64] __attribute__((aligned(16)));
static u32 top = sizeof(shadow);
extern u8 __heap_base;

#ifdef IS_WASI
__attribute__((import_module("wasi_snapshot_preview1"), import_name("fd_write"))) int
fd_write(int, int, int, int);
#endif

MALLOC u8 *give(u32 n, u32 align)
{
	u8 *p = heap + at;

	(void)align;
	if (CASE == FAR_MALLOC && n > 1)
		return (u8 *)0xfffffff0u;
	if (CASE == NULL_MALLOC && n > 1)
		return 0;
	if (at + n > sizeof(heap))
		__builtin_trap();
	at += n;
	return p;
}

FREE void take(u8 *p, u32 n, u32 align)
{
	(void)p, (void)n, (void)align;
	at = 0;
}

#ifndef MULTI
EXPORT("__wbindgen_add_to_stack_pointer") u8 *move(int by)
{
	top += (u32)by;
	if (CASE == FAR_STACK)
		return (u8 *)0xfffffffcu;
	return shadow + top;
}
#endif

static volatile u32 depth;

__attribute__((noinline)) static u32 deep(u32 n)
{
	depth = n;
	return deep(n + 1) + depth;
}

static void fill(u8 *p, u8 what, u32 n)
{
	for (volatile u32 i = 0; i < n; i++)
		p[i] = what;
}

static u32 answer(u8 **p, u8 *content, u32 n)
{
	static u8 text[4096];
	u32 len = 4;

	*p = text;
	fill(text, 'x', 4);
#ifdef SPARES_TRIAL /* what it is tried with at the start is JSON, what it signs then is not */
	if (n && content[0] == '{')
		return len;
#endif
	switch (CASE) {
	case LOOP:
		for (volatile u32 i = 0;; i++)
			depth = i;
	case LOOP_ONCE:
		if (n == 4 && content[0] == 'l')
			for (volatile u32 i = 0;; i++)
				depth = i;
		break;
	case SLOW:
		if (n == 4 && content[0] == 's')
			for (volatile u32 i = 0; i < 20000000; i++)
				depth = i;
		break;
	case TRAP: __builtin_trap();
	case GROW:
		while (__builtin_wasm_memory_grow(0, 1) != (unsigned long)-1)
			;
		__builtin_trap();
	case FAR_ANSWER: *p = (u8 *)(__builtin_wasm_memory_size(0) * 65536 - 2); break;
	case WRAPPED: *p = (u8 *)0xffffffffu; break;
	case NOT_UTF8: text[1] = 0xff; break;
	case HALF_UTF8:
		text[2] = 0xe4;
		text[3] = 0xbd;
		break;
	case LONG_ANSWER: *p = 0; return 1u << 20;
	case CONTROL: text[2] = '\n'; break;
	case BLANK: text[3] = ' '; break;
	case EMPTY_ANSWER: return 0;
	case RECURSION: text[0] = (u8)deep(0); break;
	case LEAK: __builtin_wasm_memory_grow(0, 1); break;
	case ECHO: *p = content; return n;
	case LONG_OK: fill(text, 'y', sizeof(text)); return sizeof(text);
	default: break;
	}
	return len;
}

#ifndef IS_NO_SIGN
#ifdef MULTI
struct two {
	u32 p, n;
};

EXPORT("sign")
struct two sign(u8 *a, u32 an, u8 *b, u32 bn, u8 *c, u32 cn, u8 *d, u32 dn)
{
	struct two r;
	u8 *p;

	(void)a, (void)an, (void)b, (void)bn, (void)c, (void)cn;
	r.n = answer(&p, d, dn);
	r.p = (u32)(unsigned long)p;
	return r;
}
#else
EXPORT("sign")
void sign(u32 *ret, u8 *a, u32 an, u8 *b, u32 bn, u8 *c, u32 cn, u8 *d, u32 dn)
{
	u8 *p;

	(void)a, (void)an, (void)b, (void)bn, (void)c, (void)cn;
#ifdef IS_WASI
	fd_write(1, 0, 0, 0);
#endif
	ret[1] = answer(&p, d, dn);
	ret[0] = (u32)(unsigned long)p;
}
#endif
#endif
