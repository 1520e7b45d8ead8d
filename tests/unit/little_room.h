/*
 * For tests with too little room: the arena ends, the buffer ends or an allocation fails, at every place in turn.
 * Whatever is asked, the outcome is an error or the same bytes as with plenty of room: never half of them.
 */
#ifndef SIGNET_TESTS_LITTLE_ROOM_H
#define SIGNET_TESTS_LITTLE_ROOM_H

#include "unit.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/fault.h"
#include "inference/inference.h"
#include "inference/options.h"

#define PLENTY (1u << 28)
#define CHUNK  4096u /* an arena's first; each further one is twice as large */

/* What is tried: its text, made in this arena into this buffer. -1: the error is set. */
struct work {
	int (*make)(struct bytes input, const struct surface_options *, struct arena *,
		    struct buf *out);
	const struct surface_options *options;
	const char *input;
};

static int make(const struct work *w, struct arena *a, struct buf *out)
{
	error_clear();
	return w->make(bytes_of(w->input), w->options, a, out);
}

/* An outcome with little room, against that with plenty. Returns whether it failed. */
static bool judge(const struct work *w, int r, const struct buf *got, struct bytes whole,
		  const char *what, size_t room)
{
	struct bytes have = buf_bytes(got);
	size_t same = 0;

	while (same < have.n && same < whole.n && have.p[same] == whole.p[same])
		same++;
	if (r == 0 && !bytes_eq(have, whole))
		fail_msg("%.60s: with %s %zu, from byte %zu on\ngot  %.*s\nwant %.*s", w->input,
			 what, room, same, BFMT(bytes_slice(have, same, same + 200)),
			 BFMT(bytes_slice(whole, same, same + 200)));
	if (r && error_last()->kind != ERR_OUT_OF_MEMORY && error_last()->kind != ERR_TOO_LARGE)
		fail_msg("%.60s: with %s %zu: the error is %d \"%.*s\"", w->input, what, room,
			 (int)error_last()->kind, BFMT(error_last()->message));
	return r != 0;
}

/* The first chunk has `taken` bytes in use already, so that every allocation is the first without room once. */
static void little_arena(const struct work *w, struct bytes whole, size_t used)
{
	for (size_t max = CHUNK, chunk = 2 * CHUNK; max < used + CHUNK; max += chunk, chunk *= 2)
		for (size_t taken = 0; taken + 64 < CHUNK; taken += 16) {
			struct arena a;
			struct buf out;

			arena_init(&a, max);
			buf_init(&out, PLENTY);
			if (taken)
				assert_non_null(arena_alloc_raw(&a, taken));
			judge(w, make(w, &a, &out), &out, whole, "an arena's room less", taken);
			buf_deinit(&out);
			arena_deinit(&a);
		}
}

static void little_buffer(const struct work *w, struct bytes whole)
{
	for (size_t max = 0; max < whole.n; max++) {
		struct arena a;
		struct buf out;

		arena_init(&a, PLENTY);
		buf_init(&out, max);
		assert_true(judge(w, make(w, &a, &out), &out, whole, "a buffer of", max));
		buf_deinit(&out);
		arena_deinit(&a);
	}
}

#ifdef SIGNET_FAULTS
static void failing_allocations(const struct work *w, struct bytes whole)
{
	for (unsigned n = 1, clean = 0; clean < 3; n++) {
		struct arena a;
		struct buf out;
		char spec[32];
		int r;

		arena_init(&a, PLENTY);
		buf_init(&out, PLENTY);
		snprintf(spec, sizeof spec, "alloc:%u", n);
		fault_setup(spec);
		r = make(w, &a, &out);
		fault_setup(NULL);
		clean = judge(w, r, &out, whole, "the failing allocation", n) ? 0 : clean + 1;
		buf_deinit(&out);
		arena_deinit(&a);
	}
}
#endif

static void whole_or_an_error(const struct work *w)
{
	struct arena a;
	struct buf out;

	arena_init(&a, PLENTY);
	buf_init(&out, PLENTY);
	if (make(w, &a, &out))
		fail_msg("%s: %.*s", w->input, BFMT(error_last()->message));
	little_arena(w, buf_bytes(&out), a.used);
	little_buffer(w, buf_bytes(&out));
#ifdef SIGNET_FAULTS
	failing_allocations(w, buf_bytes(&out));
#endif
	buf_deinit(&out);
	arena_deinit(&a);
}

#endif
