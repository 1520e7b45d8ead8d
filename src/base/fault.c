/*
 * Injected failures. The specification is one point ("arena:3+") or several with commas between; each pass
 * of a named point counts, on all threads together, and the count decides whether it fails. Only in builds
 * with -Dfaults=true: elsewhere fault() is the constant false and the calls vanish.
 */
#include "base/fault.h"

#ifdef SIGNET_FAULTS

#include <stdatomic.h>
#include <stdlib.h>

#include "base/bytes.h"

#define MAX_POINTS 16

static struct point {
	struct bytes name;
	uint64_t nth;
	bool later; /* and every pass after it */
	atomic_uint_fast64_t passes;
} points[MAX_POINTS];
static size_t npoints;
static char *spec_copy;

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
	atomic_store(&p->passes, 0);
	npoints++;
}

void fault_setup(const char *spec)
{
	struct bytes rest;

	free(spec_copy);
	spec_copy = spec ? strdup(spec) : NULL;
	npoints = 0;
	rest = bytes_of(spec_copy);
	while (rest.n)
		point_add(bytes_cut(&rest, ','));
}

bool fault(const char *name)
{
	for (size_t i = 0; i < npoints; i++) {
		uint64_t pass;

		if (!bytes_eq(points[i].name, bytes_of(name)))
			continue;
		pass = atomic_fetch_add(&points[i].passes, 1) + 1;
		return points[i].later ? pass >= points[i].nth : pass == points[i].nth;
	}
	return false;
}

#else
typedef int fault_is_compiled_out; /* ISO C wants a declaration in every file */
#endif
