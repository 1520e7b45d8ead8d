/*
 * Injected failures. The specification is one point ("arena:3+") or several with commas between; each pass
 * of a named point counts, on all threads together, and the count decides whether it fails. Only in builds
 * with -Dfaults=true: elsewhere fault() is the constant false and the calls vanish.
 */
#include "base/fault.h"

#ifdef SIGNET_FAULTS

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/bytes.h"

#define MAX_POINTS 16

static struct point {
	struct bytes name;
	uint64_t nth, passes;
	bool later; /* and every pass after it */
} points[MAX_POINTS];
static size_t npoints;
static char *spec_copy;
/* The lock is for all above: tests set points while threads run. With nothing set nothing is locked, as that
 * would order the threads and hide their races from TSan. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool any;

static void point_add(struct bytes text)
{
	struct point *p = &points[npoints];
	struct bytes number = text, name = bytes_cut(&number, ':');

	if (!name.n || npoints == MAX_POINTS)
		return;
	p->name = name;
	p->later = bytes_ends(number, B("+"));
	if (p->later)
		number.n--;
	if (!bytes_to_u64(number, &p->nth) || !p->nth)
		p->nth = 1;
	p->passes = 0;
	npoints++;
}

void fault_setup(const char *spec)
{
	struct bytes rest;

	pthread_mutex_lock(&lock);
	free(spec_copy);
	spec_copy = spec ? strdup(spec) : NULL;
	npoints = 0;
	rest = bytes_of(spec_copy);
	while (rest.n)
		point_add(bytes_cut(&rest, ','));
	atomic_store_explicit(&any, npoints != 0, memory_order_relaxed);
	pthread_mutex_unlock(&lock);
}

bool fault(const char *name)
{
	bool fails = false;

	if (!atomic_load_explicit(&any, memory_order_relaxed))
		return false;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < npoints; i++) {
		struct point *p = &points[i];

		if (!bytes_eq(p->name, bytes_of(name)))
			continue;
		p->passes++;
		fails |= p->later ? p->passes >= p->nth : p->passes == p->nth;
	}
	pthread_mutex_unlock(&lock);
	return fails;
}

#else
typedef int fault_is_compiled_out; /* ISO C wants a declaration in every file */
#endif
