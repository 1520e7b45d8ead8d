/*
 * A chunked bump allocator. Chunks are of 4 KiB, the second of 8, until there are 32 KiB, so that what waits for long holds
 * little that it does not need; then they double, up to 256 KiB. An allocation that is larger than a chunk gets one of its own. Freed
 * chunks of the first size are kept in a small list per thread, since every request takes some and gives them back.
 */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/format.h"

#define CHUNK_FIRST   4096u
#define CHUNK_SECOND  8192u /* a parsed body, before it is trimmed, leaves no hole */
#define CHUNK_LARGEST (256u * 1024)
#define FEW           (8 * CHUNK_FIRST) /* up to here chunks do not grow */
#define SPARE_MAX     256
#define LARGE_ELEMENT 128 /* most lists of such ones have a single one */
#define RESERVE       (1u << 20)
#define UNCOUNTED     (1u << 20) /* of each arena, towards its bound */

struct arena_chunk {
	struct arena_chunk *next;
	size_t size; /* with this header */
};

/* Heap memory that came from elsewhere and goes with the arena. */
struct arena_adopted {
	struct arena_adopted *next;
	void *memory;
};

static _Thread_local struct arena_chunk *spare;
static _Thread_local unsigned nspare;
static atomic_size_t alive;

size_t arena_count(void)
{
	return atomic_load(&alive);
}

void arena_init(struct arena *a, size_t max)
{
	*a = (struct arena){ .max = max };
}

void arena_bind(struct arena *a, struct arena_bound *bound)
{
	a->bound = bound;
}

void arena_open_reserve(struct arena *a)
{
	if (a->reserve)
		return;
	a->reserve = true;
	a->max += RESERVE;
}

static int count(struct arena *a, size_t size, bool must)
{
	struct arena_bound *b = a->bound;
	size_t max;

	if (!b || a->used + size <= UNCOUNTED)
		return 0;
	max = atomic_load_explicit(&b->max, memory_order_relaxed);
	if (atomic_fetch_add_explicit(&b->used, size, memory_order_relaxed) + size > max && !must &&
	    !a->reserve) {
		atomic_fetch_sub_explicit(&b->used, size, memory_order_relaxed);
		if (a->counted + size > max)
			return fail(ERR_BODY_TOO_LARGE,
				    "a request needs more than %zu bytes of memory", max);
		return fail(ERR_BUSY, "too many large requests at once");
	}
	a->counted += size;
	return 0;
}

static struct arena_chunk *chunk_new(size_t size)
{
	struct arena_chunk *c;

	if (fault("alloc"))
		return NULL;
	if (size == CHUNK_FIRST && spare) {
		c = spare;
		spare = c->next;
		nspare--;
		return c;
	}
	c = malloc(size);
	if (c)
		c->size = size;
	return c;
}

static void chunk_free(struct arena_chunk *c)
{
#ifndef __SANITIZE_ADDRESS__ /* let the sanitizer see uses after the request's end */
	if (c->size == CHUNK_FIRST && nspare < SPARE_MAX) {
		c->next = spare;
		spare = c;
		nspare++;
		return;
	}
#endif
	free(c);
}

void arena_deinit(struct arena *a)
{
	if (a->chunks)
		atomic_fetch_sub_explicit(&alive, 1, memory_order_relaxed);
	for (struct arena_adopted *n = a->adopted; n; n = n->next)
		free(n->memory);
	for (struct arena_chunk *c = a->chunks, *next; c; c = next) {
		next = c->next;
		chunk_free(c);
	}
	if (a->counted)
		atomic_fetch_sub_explicit(&a->bound->used, a->counted, memory_order_relaxed);
	*a = (struct arena){ .max = a->max, .bound = a->bound };
}

struct bytes arena_adopt(struct arena *a, struct buf *b)
{
	struct arena_adopted *node;
	struct bytes all = buf_bytes(b);

	if (!b->data)
		return B("");
	node = arena_alloc_raw(a, sizeof *node);
	if (!node)
		return (struct bytes){ NULL, 0 };
	*node = (struct arena_adopted){ a->adopted, b->data };
	count(a, b->cap, true); /* it is there already */
	a->adopted = node;
	*b = (struct buf){ .max = b->max };
	return all;
}

static size_t chunk_size(const struct arena *a)
{
	if (a->used == CHUNK_FIRST)
		return CHUNK_SECOND;
	return a->used < FEW ? CHUNK_FIRST : a->chunks->size * 2;
}

/* A chunk with room for n bytes becomes the newest, or stands behind it if it serves n alone. */
static void *arena_more(struct arena *a, size_t n)
{
	size_t size = chunk_size(a);
	struct arena_chunk *c;
	bool alone;

	if (size > CHUNK_LARGEST)
		size = CHUNK_LARGEST;
	if (n > SIZE_MAX - sizeof *c || n > a->max || a->used > a->max - n)
		return fail_null(a->bound ? ERR_BODY_TOO_LARGE : ERR_TOO_LARGE,
				 "a request needs more than %zu bytes of memory", a->max);
	alone = n + sizeof *c > (size > CHUNK_FIRST ? size / 2 : size) && a->chunks;
	if (alone || n + sizeof *c > size)
		size = n + sizeof *c;
	if (count(a, size, false))
		return NULL;
	c = chunk_new(size);
	if (!c)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	c->size = size;
	a->used += size;
	if (!a->chunks)
		atomic_fetch_add_explicit(&alive, 1, memory_order_relaxed);
	if (alone) {
		c->next = a->chunks->next;
		a->chunks->next = c;
		return c + 1;
	}
	c->next = a->chunks;
	a->chunks = c;
	a->at = (char *)(c + 1) + n;
	a->end = (char *)c + size;
	return c + 1;
}

void *arena_alloc_raw(struct arena *a, size_t n)
{
	if (n > SIZE_MAX - 15)
		return fail_null(ERR_TOO_LARGE, "an allocation of %zu bytes", n);
	n = n ? (n + 15) & ~(size_t)15 : 16;
	if (n <= (size_t)(a->end - a->at)) {
		void *p = a->at;

		a->at += n;
		return p;
	}
	return arena_more(a, n);
}

void *arena_alloc(struct arena *a, size_t n)
{
	void *p = arena_alloc_raw(a, n);

	return p ? memset(p, 0, n) : NULL;
}

void *arena_alloc_array(struct arena *a, size_t size, size_t n)
{
	size_t all;

	if (__builtin_mul_overflow(size, n, &all))
		return fail_null(ERR_TOO_LARGE, "an array of %zu elements", n);
	return arena_alloc(a, all);
}

void *arena_realloc(struct arena *a, void *old, size_t old_n, size_t n)
{
	size_t had = old_n ? (old_n + 15) & ~(size_t)15 : 16;
	void *p;

	if (old && n <= had)
		return old;
	if (old && (char *)old + had == a->at && n <= SIZE_MAX - 15) {
		size_t more = ((n + 15) & ~(size_t)15) - had;

		if (more <= (size_t)(a->end - a->at)) {
			a->at += more;
			return old;
		}
	}
	p = arena_alloc_raw(a, n);
	if (p && old)
		memcpy(p, old, old_n < n ? old_n : n);
	return p;
}

void arena_trim(struct arena *a, const void *end)
{
	char *at = (char *)(((uintptr_t)end + 15) & ~(uintptr_t)15);

	if (a->chunks && at > (char *)a->chunks && at < a->at)
		a->at = at;
}

bool arena_grow(struct arena *a, void **ptr, size_t size, size_t len, size_t *cap)
{
	size_t more = *cap ? *cap * 2 : size < LARGE_ELEMENT ? 4 : 1;
	void *p;

	if (more > SIZE_MAX / size) {
		fail(ERR_TOO_LARGE, "an array of %zu elements", more);
		return false;
	}
	p = arena_realloc(a, *ptr, len * size, more * size);
	if (!p)
		return false;
	*ptr = p;
	*cap = more;
	return true;
}

struct bytes arena_dup(struct arena *a, struct bytes b)
{
	char *p;

	if (!b.p)
		return b;
	p = arena_alloc_raw(a, b.n + 1);
	if (!p)
		return (struct bytes){ NULL, 0 };
	if (b.n)
		memcpy(p, b.p, b.n);
	p[b.n] = 0;
	return (struct bytes){ p, b.n };
}

struct bytes arena_cat(struct arena *a, struct bytes x, struct bytes y)
{
	char *p;

	if (x.n > SIZE_MAX - y.n - 1)
		return (struct bytes){ NULL, 0 };
	p = arena_alloc_raw(a, x.n + y.n + 1);
	if (!p)
		return (struct bytes){ NULL, 0 };
	if (x.n)
		memcpy(p, x.p, x.n);
	if (y.n)
		memcpy(p + x.n, y.p, y.n);
	p[x.n + y.n] = 0;
	return (struct bytes){ p, x.n + y.n };
}

struct bytes arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list args;
	size_t n;
	char *p;

	va_start(args, fmt);
	n = format_text(NULL, 0, fmt, args);
	p = arena_alloc_raw(a, n + 1);
	if (p)
		format_text(p, n + 1, fmt, args);
	va_end(args);
	return p ? (struct bytes){ p, n } : (struct bytes){ NULL, 0 };
}
