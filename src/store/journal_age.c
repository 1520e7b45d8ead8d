/*
 * How old the oldest record is that a sink has not, and where its backlog leads to. Records have no time of their own, so the
 * writer leaves a mark every MARK_MS: "from this number on, not before this time". When there is no more room the one goes
 * whose neighbours are closest to each other for their age, so that every age is told with the same small error.
 *
 * For what an earlier process wrote each segment's file says when it was last written.
 */
#include <string.h>

#include "base/time.h"
#include "store/journal.h"

#define MARK_MS   100
#define SAMPLE_MS 10000
#define STEADY_MS 30000 /* what changes within that says nothing */

/* Marks that no reader needs: all before the last one at or before the first number that somebody has not. */
static void forget_marks(struct journal_age *a, size_t readers)
{
	uint64_t needed = UINT64_MAX;
	size_t drop = 0;

	for (size_t i = 0; i < readers; i++)
		if (a->stored[i] + 1 < needed)
			needed = a->stored[i] + 1;
	while (readers && drop + 1 < a->nmarks && a->marks[drop + 1].number <= needed)
		drop++;
	memmove(a->marks, a->marks + drop, (a->nmarks - drop) * sizeof(*a->marks));
	a->nmarks -= drop;
}

static void drop_a_mark(struct journal_age *a, uint64_t now)
{
	double least = 0;
	size_t drop = 1;

	for (size_t i = 1; i + 1 < a->nmarks; i++) {
		const struct journal_mark *m = &a->marks[i];
		double gap =
			(double)(m[1].unix_ms - m[-1].unix_ms) / (double)(now - m[-1].unix_ms + 1);

		if (i == 1 || gap < least) {
			least = gap;
			drop = i;
		}
	}
	a->nmarks--;
	memmove(a->marks + drop, a->marks + drop + 1, (a->nmarks - drop) * sizeof(*a->marks));
}

void journal_age_mark(struct journal *j, uint64_t number, uint64_t unix_ms)
{
	struct journal_age *a = &j->age;
	const struct journal_mark *last = a->nmarks ? &a->marks[a->nmarks - 1] : NULL;

	if (last && (number <= last->number ||
		     (unix_ms < last->unix_ms + MARK_MS && unix_ms >= last->unix_ms)))
		return;
	if (a->nmarks == JOURNAL_MARKS)
		drop_a_mark(a, unix_ms);
	a->marks[a->nmarks++] = (struct journal_mark){ number, unix_ms };
}

void journal_age_stored(struct journal *j, unsigned reader, uint64_t delivered)
{
	pthread_mutex_lock(&j->lock);
	j->age.stored[reader] = delivered;
	forget_marks(&j->age, j->readers);
	pthread_mutex_unlock(&j->lock);
}

uint64_t journal_waiting_since(struct journal *j, uint64_t delivered)
{
	const struct journal_age *a = &j->age;
	uint64_t since = 0;

	if (atomic_load(&j->written) <= delivered)
		return 0;
	pthread_mutex_lock(&j->lock);
	for (size_t i = 0; i < a->nmarks && (!i || a->marks[i].number <= delivered + 1); i++)
		since = a->marks[i].unix_ms;
	pthread_mutex_unlock(&j->lock);
	return since ? since : clock_unix_ms();
}

void journal_age_sample(struct journal *j, uint64_t backlog)
{
	struct journal_age *a = &j->age;
	uint64_t now = clock_unix_ms();

	pthread_mutex_lock(&j->lock);
	if (!a->nsamples || now >= a->samples[a->nsamples - 1].unix_ms + SAMPLE_MS) {
		if (a->nsamples == JOURNAL_SAMPLES)
			memmove(a->samples, a->samples + 1, --a->nsamples * sizeof(*a->samples));
		a->samples[a->nsamples++] = (struct journal_sample){ now, backlog };
	}
	pthread_mutex_unlock(&j->lock);
}

uint64_t journal_full_at(struct journal *j, uint64_t backlog, uint64_t since)
{
	const struct journal_age *a = &j->age;
	uint64_t now = clock_unix_ms(), most = j->o.max_bytes;
	/* all of it came since then, if nothing else is known */
	struct journal_sample from = { since, 0 };

	pthread_mutex_lock(&j->lock);
	/* where it was smallest, the last time: what it did before that says nothing of what it does now */
	for (size_t i = 0; i < a->nsamples; i++)
		if (a->samples[i].unix_ms + STEADY_MS <= now &&
		    (!i || a->samples[i].bytes <= from.bytes))
			from = a->samples[i];
	pthread_mutex_unlock(&j->lock);
	if (backlog <= from.bytes || now <= from.unix_ms)
		return 0;
	return backlog >= most
		       ? now
		       : now + (uint64_t)((double)(now - from.unix_ms) * (double)(most - backlog) /
					  (double)(backlog - from.bytes));
}
