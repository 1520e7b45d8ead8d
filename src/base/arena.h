/*
 * Memory of one request: many small allocations, one free. Not shared between threads at once.
 */
#ifndef SIGNET_BASE_ARENA_H
#define SIGNET_BASE_ARENA_H

#include <stdatomic.h>

#include "base/bytes.h"

struct arena_chunk;
struct arena_adopted;

/* What many arenas together may hold: each counts from its second MiB on, so small ones pay nothing. */
struct arena_bound {
	atomic_size_t used, max;
};

struct arena {
	struct arena_chunk *chunks; /* the newest first */
	char *at, *end;             /* free room of the newest */
	size_t used, max;           /* bytes taken from the heap; the bound */
	struct arena_adopted *adopted;
	struct arena_bound *bound; /* NULL: none */
	size_t counted;            /* towards it */
	bool reserve;              /* the reserve is open */
};

void arena_init(struct arena *, size_t max); /* takes no memory until the first allocation */
void arena_deinit(struct arena *);           /* frees everything that came from it */
/* For the arenas of requests, before the first allocation. Past the bound: ERR_BUSY, or ERR_BODY_TOO_LARGE if
 * this one would be past it alone. */
void arena_bind(struct arena *, struct arena_bound *);
/* Room past both limits for saying that they were met. Once; again does nothing. */
void arena_open_reserve(struct arena *);

/* Zeroed, 16-byte aligned. NULL: ERR_OUT_OF_MEMORY, or ERR_TOO_LARGE past `max`. */
void *arena_alloc(struct arena *, size_t);
/* Not zeroed. */
void *arena_alloc_raw(struct arena *, size_t);
/* Grows the last allocation in place where it can, else copies. */
void *arena_realloc(struct arena *, void *old, size_t old_n, size_t n);
/* Gives back what the last allocation, in which `end` lies, holds behind `end`. One in a chunk of its own keeps all. */
void arena_trim(struct arena *, const void *end);

#define arena_new(a, type)      ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc_array((a), sizeof(type), (n)))
void *arena_alloc_array(struct arena *, size_t size, size_t n); /* checks the product */

/* Copies; the copy is also NUL-terminated. p == NULL: out of memory. Unset stays unset. */
struct bytes arena_dup(struct arena *, struct bytes);
struct bytes arena_cat(struct arena *, struct bytes, struct bytes);
struct bytes arena_printf(struct arena *, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Appends one element to an arena array: `ptr`, `len` and `cap` are lvalues. False: out of memory. */
#define arena_push(a, ptr, len, cap, value)                                                 \
	(((len) < (cap) || arena_grow((a), (void **)&(ptr), sizeof(*(ptr)), (len), &(cap))) \
		 ? ((ptr)[(len)++] = (value), true)                                         \
		 : false)
bool arena_grow(struct arena *, void **ptr, size_t size, size_t len, size_t *cap);

/* Moves the buffer's memory into the arena without a copy; the buffer is empty afterwards. The bytes live
 * as long as the arena. p == NULL: out of memory (the buffer keeps its content). */
struct bytes arena_adopt(struct arena *, struct buf *);

/* live arenas of the process, for /status in debug builds and for leak checks of tests */
size_t arena_count(void);

#endif
