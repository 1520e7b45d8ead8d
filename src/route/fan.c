/*
 * See fan.h. A call's fiber offers one delta at a time and sleeps until it was taken and used, so nothing is copied and
 * none of the streams runs ahead of a slow client. Its texts are in an arena of its own, because encoding a large request
 * happens on another thread while the other calls go on.
 *
 * The trap: the fibers use what is on the heap here, so fan_stop() waits for their ends even if its own fiber is cancelled
 * or late, with both set aside meanwhile.
 */
#include "route/fan.h"

#include <stdlib.h>

#include "base/error.h"
#include "fiber/fiber.h"

#define CALL_MAX_BYTES \
	(1024u << 20) /* of a call's arena; what it reads is limited closer (upstream/answer.c) */

struct one {
	struct fan_call call; /* first: fan_at() */
	struct fan *fan;
	struct fiber *fiber; /* NULL: it has ended */
	struct arena arena;
	struct call_context context;
	struct call *upstream;
	struct error *error;
	struct delta *offered; /* to whoever calls fan_next() */
	bool answered, failed; /* failed: behind that */
};

struct fan {
	const struct provider_config *provider;
	struct fiber *owner;
	size_t n, taken; /* taken: whose delta is in use; n: none */
	struct one at[CHOICES_MAX];
};

/* ---- a call, in its fiber ---- */

static int answer_of(struct one *o)
{
	o->upstream = upstream_open(o->fan->provider, &o->call.inf, &o->context, &o->call.attempt);
	if (!o->upstream)
		return -1;
	if (!o->call.inf.stream)
		o->call.result = upstream_result(o->upstream);
	if (!o->call.inf.stream && !o->call.result)
		return -1;
	o->call.first_ms = turn_ms();
	o->answered = true;
	fiber_wake(o->fan->owner);
	return 0;
}

/* Until somebody has used what is offered. -1: nobody will. */
static int offer(struct one *o, struct delta *d)
{
	o->offered = d;
	fiber_wake(o->fan->owner);
	while (o->offered)
		if (fiber_park())
			return -1;
	return 0;
}

static int stream_of(struct one *o)
{
	unsigned choice = (unsigned)(o - o->fan->at);
	struct delta *d;
	int r;

	while ((r = upstream_next(o->upstream, &d, NULL, NULL)) == 1) {
		for (size_t i = 0; i < d->len; i++)
			d->parts[i].choice = choice;
		if (choice) {
			d->finishes[choice] = d->finish;
			d->finish = FINISH_UNSET;
		}
		d->choices = 1u << choice;
		if (offer(o, d))
			return -1;
	}
	o->call.attempt.end_ms = turn_ms();
	return r;
}

static void call_fiber(void *arg)
{
	struct one *o = arg;

	if (answer_of(o) || (o->call.inf.stream && stream_of(o))) {
		o->failed = o->answered;
		o->error = error_save(&o->arena);
	}
	o->fiber = NULL;
	fiber_wake(o->fan->owner);
}

/* ---- all of them ---- */

static void one_init(struct fan *f, size_t i, const struct inference *inf,
		     const struct call_context *context, bool last)
{
	struct one *o = &f->at[i];

	arena_init(&o->arena, CALL_MAX_BYTES);
	o->fan = f;
	o->call.inf = *inf;
	o->call.inf.id = uuid_v7();
	o->call.inf.n = 1;
	o->call.attempt.last = last;
	o->context = *context;
	o->context.arena = &o->arena;
	if (i) /* they leave out the same as the first */
		o->context.ignored = NULL;
}

/* What a fiber ended with. */
static int ended_badly(const struct one *o)
{
	return o->error ? fail_with(o->error) : fail(ERR_OUT_OF_MEMORY, "out of memory");
}

/* 1: all have answered; 0: not yet; -1: one never will. */
static int all_answered(const struct fan *f, struct attempt *failed)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++) {
		const struct one *o = &f->at[i];

		if (!o->fiber && !o->answered) {
			*failed = o->call.attempt;
			return ended_badly(o);
		}
		n += o->answered;
	}
	return n == f->n;
}

static int wait_for_all(struct fan *f, struct attempt *failed)
{
	int r;

	while ((r = all_answered(f, failed)) == 0)
		if (fiber_park()) {
			*failed = f->at[0].call.attempt;
			return -1;
		}
	return r > 0 ? 0 : -1;
}

int fan_open(const struct provider_config *p, const struct inference *inf,
	     const struct call_context *context, bool last, struct fan **out,
	     struct attempt *failed)
{
	struct fan *f = calloc(1, sizeof *f);

	*out = f;
	if (!f)
		return fail(ERR_OUT_OF_MEMORY, "out of memory");
	f->provider = p;
	f->owner = fiber_self();
	for (; f->n < inf->n; f->n++) {
		struct one *o = &f->at[f->n];

		one_init(f, f->n, inf, context, last);
		o->fiber = fiber_spawn("choice", call_fiber, o);
		if (!o->fiber) {
			f->n++; /* its arena is there */
			return -1;
		}
		if (f->owner)
			*fiber_request(o->fiber) = *fiber_request(f->owner);
	}
	f->taken = f->n;
	return wait_for_all(f, failed);
}

/* What was taken is used: its call goes on. */
static void give_back(struct fan *f)
{
	struct one *o = f->taken < f->n ? &f->at[f->taken] : NULL;

	f->taken = f->n;
	if (!o)
		return;
	o->offered = NULL;
	if (o->fiber)
		fiber_wake(o->fiber);
}

/* 1: one is offered, from behind the last in turn; 0: none yet; 2: there will be none; -1: one ended before its stream. */
static int look(struct fan *f, size_t from, size_t *which)
{
	bool alive = false;

	for (size_t k = 0; k < f->n; k++) {
		size_t i = (from + k) % f->n;

		*which = i;
		if (f->at[i].offered)
			return 1;
		if (f->at[i].failed)
			return ended_badly(&f->at[i]);
		alive |= f->at[i].fiber != NULL;
	}
	return alive ? 0 : 2;
}

int fan_next(struct fan *f, struct delta **out, size_t *which, int (*idle)(void *), void *arg)
{
	size_t from = f->taken < f->n ? f->taken + 1 : 0;
	int r;

	give_back(f);
	while ((r = look(f, from, which)) == 0)
		if ((idle && idle(arg)) || fiber_park())
			return -1;
	if (r != 1)
		return r < 0 ? -1 : 0;
	f->taken = *which;
	*out = f->at[*which].offered;
	return 1;
}

size_t fan_len(const struct fan *f)
{
	return f->n;
}

const struct fan_call *fan_at(const struct fan *f, size_t i)
{
	return &f->at[i].call;
}

/* Until the call's fiber has ended. A cancellation of this one meanwhile is told, but does not end the wait. */
static bool join(const struct one *o)
{
	bool cancelled = false;

	while (o->fiber) {
		cancelled |= fiber_cancelled();
		fiber_cancel_reset();
		(void)fiber_park();
	}
	return cancelled;
}

void fan_stop(struct fan *f)
{
	uint64_t before = fiber_deadline();
	bool cancelled = fiber_cancelled();

	fiber_deadline_restore(TIME_NEVER);
	for (size_t i = 0; i < f->n; i++) {
		if (f->at[i].fiber)
			fiber_cancel(f->at[i].fiber);
		cancelled |= join(&f->at[i]);
		upstream_close(f->at[i].upstream);
		f->at[i].upstream = NULL;
	}
	fiber_deadline_restore(before);
	if (cancelled)
		fiber_cancel(fiber_self());
}

void fan_free(struct fan *f)
{
	for (size_t i = 0; i < f->n; i++)
		arena_deinit(&f->at[i].arena);
	free(f);
}

/* ---- one answer ---- */

static void add(int64_t *to, int64_t n)
{
	if (n != USAGE_UNKNOWN)
		*to = *to == USAGE_UNKNOWN ? n : *to + n;
}

void fan_combine(const struct result *results, size_t n, struct result *others, struct result *out)
{
	*out = results[0];
	out->others = others;
	out->nothers = n - 1;
	for (size_t i = 1; i < n; i++) {
		const struct usage *u = &results[i].usage;

		others[i - 1] = results[i];
		others[i - 1].choice = (unsigned)i;
		add(&out->usage.input_tokens, u->input_tokens);
		add(&out->usage.output_tokens, u->output_tokens);
		add(&out->usage.cache_read, u->cache_read);
		add(&out->usage.cache_write, u->cache_write);
		add(&out->usage.cache_write_1h, u->cache_write_1h);
		add(&out->usage.reasoning_tokens, u->reasoning_tokens);
		money_add(&out->usage.cost, u->cost);
		out->usage.estimated |= u->estimated;
		out->unknown_events += results[i].unknown_events;
	}
}
