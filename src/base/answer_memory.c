/* The one that goes on past the limit is the first that met it; it gives the place up with what it holds. */
#include "base/answer_memory.h"

#include <stdatomic.h>

static atomic_size_t used, max;
static _Atomic(struct answer_hold *) first;

void answer_memory_limit(size_t bytes)
{
	atomic_store(&max, bytes);
}

uint64_t answer_memory_bytes(void)
{
	return atomic_load_explicit(&used, memory_order_relaxed);
}

bool answer_memory_full(void)
{
	size_t limit = atomic_load_explicit(&max, memory_order_relaxed);

	return limit && atomic_load_explicit(&used, memory_order_relaxed) >= limit;
}

bool answer_hold_take(struct answer_hold *h, size_t n)
{
	size_t limit = atomic_load_explicit(&max, memory_order_relaxed),
	       now = atomic_fetch_add_explicit(&used, n, memory_order_relaxed) + n;
	struct answer_hold *nobody = NULL;

	if (limit && now > limit && atomic_load(&first) != h &&
	    !atomic_compare_exchange_strong(&first, &nobody, h)) {
		atomic_fetch_sub_explicit(&used, n, memory_order_relaxed);
		return false;
	}
	h->n += n;
	return true;
}

void answer_hold_give(struct answer_hold *h)
{
	struct answer_hold *me = h;

	if (h->n)
		atomic_fetch_sub_explicit(&used, h->n, memory_order_relaxed);
	h->n = 0;
	atomic_compare_exchange_strong(&first, &me, NULL);
}
