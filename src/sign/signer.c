/*
 * Signers: a checked module, its instances on each thread, and a call of one of them.
 *
 * Instances are kept per thread (making one costs more than a short signature) in a list that no lock
 * guards. A call takes one, works with it wherever it runs, and puts it back on the thread it came from,
 * or throws it away: after any failure, and when its memory has grown past half of its limit.
 *
 * Where a call runs: on the thread's own stack if it is expected to take under half a millisecond, else
 * on one of the signer's own threads, `pool` of them: what loops holds up nobody but itself. The expectation is measured: a
 * base and a price per byte for every signer, moving averages of what its calls took. What was expected to be short and is
 * not is stopped on the loop after SIGNER_LOOP_MS and begun anew on a thread, with the same arguments and a fresh instance (the
 * old one is in the middle of something and thrown away); the signer's next SLOW_CALLS calls begin there. A signer that was
 * ever cut by its time limit stays on its threads, which then give way to all others.
 *
 * A signer that is cut three times in a row rests: calls fail at once for a second, then one is let through, and if that is
 * cut, too, for two seconds, and so on to thirty. Those who wait for a thread then fail at once as well.
 *
 * Trap: a reload drops a signer while the threads still keep instances of it. A signer therefore has two
 * counts: its users (configurations), and its pins (one for all users, one for each thread's list).
 * Without users it is retired; each thread drops its list at its next call.
 */
#include <stdatomic.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "fiber/offload.h"
#include "sign/wasm.h"

#define LOOP_BUDGET_NS  400000 /* longer calls leave the loop's thread (DESIGN §3: 0.5 ms) */
#define FIRST_BASE_NS   20000  /* what a signer is thought to cost before it was measured */
#define FIRST_BYTE_PS   10000  /* picoseconds a byte */
#define SMALL_ARGUMENTS 2048 /* up to here a call shows the base, from here on the price per byte */
#define POOL_MAX        64
#define SLOW_CALLS      256 /* quick ones in a row, until it is trusted with a loop again */
#define TIME_STEPS      96  /* a quarter of an octave each */
#define CUTS_IN_A_ROW   3
#define UNUSABLE        "Failed to get WasmSigner instance: %s: "
#define REST_MS         1000 /* the first time, then twice as long each time */
#define REST_AT_MOST_MS 30000

/* Whether a signer is called at all. Changed under the lock; `cuts` is read without it where there were none. */
struct rest {
	atomic_uint cuts;        /* in a row */
	uint64_t until, last_ms; /* clock_mono_ms(); the length of the last rest */
	bool probing;            /* one call was let through, to see */
};

struct signer {
	struct module module;
	struct signer_limits limits;
	atomic_size_t users, pins;
	atomic_bool retired, cut;
	atomic_ulong calls, failures, made, refused, moved;
	atomic_uint
		slow; /* so many of the next calls begin beside the loop: one took too long on it */
	atomic_size_t memory;
	atomic_long base_ns, byte_ps;
	atomic_ulong traps, timeouts, running, max_us;
	atomic_uint times[SIGNER_SIZES][TIME_STEPS]; /* good calls by microseconds: step_of() */
	pthread_mutex_t lock;                        /* of what follows */
	char last_error[160];
	struct rest rest;
	struct threads *threads; /* NULL: not made yet */
	size_t id_len;
	char id[];
};

/* The instances of one signer that this thread keeps. */
struct pool {
	struct pool *next;
	struct signer *signer;
	struct instance *idle;
	unsigned len;
};

static _Thread_local struct pool *pools;
static _Thread_local unsigned long swept; /* value of `retirements` at this thread's last sweep */
static atomic_ulong retirements;
static atomic_size_t instances;

static METRIC(m_calls, METRIC_COUNTER, "signet_signer_calls_total", "signer,result",
	      "Signatures asked of a signer, by result");
static METRIC(m_seconds, METRIC_HISTOGRAM, "signet_signer_seconds", "signer",
	      "Wall time of a signature",
	      .bounds = (const double[]){ 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005,
					  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
					  1, 0 });
static METRIC(m_instances, METRIC_GAUGE, "signet_signer_instances", "signer",
	      "Live instances of a signer's module");

static const struct bytes results[] = {
	[SIGNER_OK] = B("ok"),           [SIGNER_TRAP] = B("trap"),
	[SIGNER_TIMEOUT] = B("timeout"), [SIGNER_MEMORY] = B("memory"),
	[SIGNER_ANSWER] = B("answer"),   [SIGNER_REFUSED] = B("refused"),
	[SIGNER_MOVED] = B("moved"),
};

const char *const signer_input_names[] = { "nonce", "timestamp", "device_id", "body",    "method",
					   "url",   "path",      "",          "content", NULL };

struct bytes signer_id(const struct signer *s)
{
	return (struct bytes){ s->id, s->id_len };
}

struct bytes signer_sha256(const struct signer *s)
{
	return (struct bytes){ s->module.sha256, 64 };
}

struct bytes signer_abi(const struct signer *s)
{
	return s->module.abi == ABI_MULTI_VALUE ? B("wasm-bindgen (multi-value)")
						: B("wasm-bindgen");
}

struct signer_counts signer_counts(const struct signer *s)
{
	return (struct signer_counts){ .calls = atomic_load(&s->calls),
				       .failures = atomic_load(&s->failures),
				       .made = atomic_load(&s->made),
				       .refused = atomic_load(&s->refused),
				       .moved = atomic_load(&s->moved),
				       .memory = atomic_load(&s->memory) };
}

size_t signer_instances(void)
{
	return atomic_load(&instances);
}

/* ---- life of a signer ---- */

static void count_instances(struct signer *s, int by)
{
	atomic_fetch_add(&instances, (size_t)by);
	METRIC_ADD(&m_instances, by, signer_id(s));
}

static struct instance *make(struct signer *s, bool on_loop, enum signer_result *r, char *why)
{
	struct instance *in = instance_new(&s->module, &s->limits, on_loop, r, why);

	if (in) {
		count_instances(s, 1);
		atomic_fetch_add(&s->made, 1);
	}
	return in;
}

static void drop(struct signer *s, struct instance *in)
{
	if (!in)
		return;
	instance_free(in);
	count_instances(s, -1);
}

static void unpin(struct signer *s)
{
	if (atomic_fetch_sub(&s->pins, 1) != 1)
		return;
	threads_free(s->threads);
	module_free(&s->module);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void signer_unref(struct signer *s)
{
	if (!s || atomic_fetch_sub(&s->users, 1) != 1)
		return;
	atomic_store(&s->retired, true);
	atomic_fetch_add(&retirements, 1);
	unpin(s);
}

static struct signer *signer_new(struct bytes id, const struct signer_limits *limits)
{
	struct signer *s = calloc(1, sizeof(*s) + id.n);

	if (!s)
		return NULL;
	if (id.n)
		memcpy(s->id, id.p, id.n);
	s->id_len = id.n;
	s->limits = *limits;
	if (s->limits.memory_mb > 4096)
		s->limits.memory_mb = 4096;
	if (s->limits.pool > POOL_MAX)
		s->limits.pool = POOL_MAX;
	atomic_init(&s->users, 1);
	atomic_init(&s->pins, 1);
	atomic_init(&s->base_ns, FIRST_BASE_NS);
	atomic_init(&s->byte_ps, FIRST_BYTE_PS);
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

/* One instance under the limits shows what else may be wrong: too much memory, a start function. */
static int try_out(struct signer *s)
{
	char why[SIGNER_WHY_BYTES];
	enum signer_result r;
	struct instance *in;

	engine_enter();
	in = instance_new(&s->module, &s->limits, false, &r, why);
	engine_leave();
	if (!in)
		return fail(ERR_SIGNER, "%s", why);
	instance_free(in);
	return 0;
}

struct signer *signer_load(const char *path, struct bytes id, struct bytes sha256,
			   const struct signer_limits *limits, const char *cache_dir)
{
	struct signer *s = signer_new(id, limits);
	struct buf wasm;

	if (!s)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	buf_init(&wasm, MODULE_MAX + BUF_READ_ROOM);
	if (module_read(path, sha256, &wasm, s->module.sha256) ||
	    sections_check(buf_bytes(&wasm)) ||
	    module_compile(&s->module, buf_bytes(&wasm), cache_dir) ||
	    module_recognise(&s->module) || try_out(s)) {
		buf_deinit(&wasm);
		fail_as(ERR_SIGNER);
		fail_context(UNUSABLE, path);
		signer_unref(s);
		return NULL;
	}
	buf_deinit(&wasm);
	return s;
}

/* ---- instances of a thread ---- */

static void pool_empty(struct pool *p)
{
	while (p->idle) {
		struct instance *in = p->idle;

		p->idle = in->next;
		drop(p->signer, in);
	}
	unpin(p->signer);
	free(p);
}

static void sweep(void)
{
	unsigned long now = atomic_load(&retirements);

	if (now == swept)
		return;
	swept = now;
	for (struct pool **at = &pools; *at;) {
		struct pool *p = *at;

		if (!atomic_load(&p->signer->retired)) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		pool_empty(p);
	}
}

void signer_thread_end(void)
{
	while (pools) {
		struct pool *p = pools;

		pools = p->next;
		pool_empty(p);
	}
}

static struct pool *pool_of(struct signer *s)
{
	for (struct pool *p = pools; p; p = p->next)
		if (p->signer == s)
			return p;
	return NULL;
}

/* NULL: there is none; the call makes one. */
static struct instance *take_instance(struct signer *s)
{
	struct pool *p;
	struct instance *in;

	sweep();
	p = pool_of(s);
	if (!p || !p->idle)
		return NULL;
	in = p->idle;
	p->idle = in->next;
	p->len--;
	return in;
}

static void give_back(struct signer *s, struct instance *in)
{
	struct pool *p = pool_of(s);
	size_t memory = instance_memory(in);

	atomic_store_explicit(&s->memory, memory, memory_order_relaxed);
	if (!p && s->limits.pool) {
		p = calloc(1, sizeof(*p));
		if (p) {
			atomic_fetch_add(&s->pins, 1);
			p->signer = s;
			p->next = pools;
			pools = p;
		}
	}
	if (!p || p->len >= s->limits.pool || memory > in->limit_memory / 2) {
		drop(s, in);
		return;
	}
	in->next = p->idle;
	p->idle = in;
	p->len++;
}

/* ---- whether a signer is called ---- */

/* With the lock held: how long it still rests, in ms. */
static uint64_t rest_left(const struct signer *s)
{
	uint64_t now = clock_mono_ms();

	return s->rest.until > now ? s->rest.until - now : 0;
}

/* 0: a call may be made; else how long none may, in ms. `probe`: this one is to show whether more may. */
static uint64_t admit(struct signer *s, bool *probe)
{
	uint64_t left;

	if (!atomic_load_explicit(&s->rest.cuts, memory_order_relaxed))
		return 0;
	pthread_mutex_lock(&s->lock);
	left = rest_left(s);
	if (!left && s->rest.cuts >= CUTS_IN_A_ROW) {
		if (s->rest.probing)
			left = 1;
		else
			*probe = s->rest.probing = true;
	}
	pthread_mutex_unlock(&s->lock);
	return left;
}

static void note_cut(struct rest *r, uint64_t now)
{
	if (++r->cuts < CUTS_IN_A_ROW ||
	    r->until > now) /* of several at once the first one counts */
		return;
	r->last_ms = r->last_ms ? r->last_ms * 2 : REST_MS;
	if (r->last_ms > REST_AT_MOST_MS)
		r->last_ms = REST_AT_MOST_MS;
	r->until = now + r->last_ms;
}

/* What a call that was made has shown. */
static void note_result(struct signer *s, enum signer_result result, bool probe)
{
	if (result != SIGNER_TIMEOUT && !probe &&
	    !atomic_load_explicit(&s->rest.cuts, memory_order_relaxed))
		return;
	pthread_mutex_lock(&s->lock);
	if (probe)
		s->rest.probing = false;
	if (result == SIGNER_TIMEOUT)
		note_cut(&s->rest, clock_mono_ms());
	else if (result != SIGNER_REFUSED) {
		s->rest.until = s->rest.last_ms = 0;
		s->rest.cuts = 0;
	}
	pthread_mutex_unlock(&s->lock);
}

/* ---- a call ---- */

struct job {
	struct signer *signer;
	struct instance *instance;
	const struct bytes *args;
	bool probe, on_loop;
	enum signer_result result;
	uint64_t ns;
	char why[SIGNER_WHY_BYTES];
};

static void run_job(void *arg)
{
	struct job *j = arg;
	uint64_t start;

	engine_enter();
	if (!j->instance)
		j->instance = make(j->signer, j->on_loop, &j->result, j->why);
	start = clock_mono_ns();
	if (j->instance) {
		j->instance->on_loop = j->on_loop;
		j->result = instance_sign(j->instance, j->args, j->why);
	}
	j->ns = clock_mono_ns() - start;
	engine_leave();
}

/* With arguments that are made up. -1: it would fail so for each request. */
static int first_signature(struct job *j)
{
	static const struct bytes args[SIGNER_ARGS] = {
		B("00000000-0000-4000-8000-000000000000"), B("1700000000"), B("device"),
		B("{\"model\":\"signet\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}")
	};
	char trace[SIGNER_TRACE_BYTES + 8] = "";

	j->args = args;
	run_job(j);
	if (j->instance)
		snprintf(trace, sizeof(trace), "%s%s", *j->instance->trace ? ", in " : "",
			 j->instance->trace);
	drop(j->signer, j->instance);
	if (j->result == SIGNER_TRAP || j->result == SIGNER_MEMORY)
		return fail(ERR_SIGNER, "its first signature failed: %s%s", j->why, trace);
	return 0;
}

int signer_try(struct signer *s, const char *path)
{
	struct job j = { .signer = s };

	if (first_signature(&j))
		return fail_context(UNUSABLE, path);
	if (j.result == SIGNER_OK)
		return 0;
	if (j.result == SIGNER_TIMEOUT)
		atomic_store(&s->cut, true);
	log_warn("sign", "a signer failed when it was tried", LB("signer", signer_id(s)),
		 LS("error", j.why));
	return 0;
}

int signer_verdict(const char *path, const struct signer_limits *limits, struct buf *out)
{
	struct signer *s = signer_load(path, B(""), (struct bytes){ 0 }, limits, NULL);
	struct job j = { .signer = s };
	struct bytes why;
	int bad = !s || first_signature(&j) ? -1 : 0;

	signer_unref(s);
	if (bad) {
		why = error_last()->message;
		if (!s)
			why = bytes_slice(why, B(UNUSABLE).n - 2 + strlen(path), why.n);
		buf_printf(out, "verdict  refused: %.*s\n", BFMT(why));
	} else if (j.result == SIGNER_OK) {
		buf_printf(out, "verdict  accepted\n");
	} else {
		buf_printf(out,
			   "verdict  accepted, but a signature of made-up arguments failed: %s\n",
			   j.why);
	}
	return bad;
}

static void refuse(struct job *j, uint64_t left)
{
	j->result = SIGNER_REFUSED;
	snprintf(
		j->why, sizeof(j->why),
		"it was cut %d times in a row and is not called for another %llu ms (signer.timeout_ms)",
		CUTS_IN_A_ROW, (unsigned long long)left);
}

/* On one of the signer's threads: others may have shown meanwhile that it is of no use. */
static void run_queued(void *arg)
{
	struct job *j = arg;
	uint64_t left;

	pthread_mutex_lock(&j->signer->lock);
	left = j->probe ? 0 : rest_left(j->signer);
	pthread_mutex_unlock(&j->signer->lock);
	if (left)
		refuse(j, left);
	else
		run_job(j);
}

int signer_start(struct signer *s)
{
	struct threads *t;

	pthread_mutex_lock(&s->lock);
	if (!s->threads)
		s->threads = threads_new(signer_id(s), s->limits.pool);
	t = s->threads;
	if (t && atomic_load(&s->cut)) /* when it was tried */
		threads_give_way(t);
	pthread_mutex_unlock(&s->lock);
	return t ? 0 : -1;
}

static bool looks_long(const struct signer *s, size_t bytes)
{
	int64_t price = atomic_load_explicit(&s->byte_ps, memory_order_relaxed);
	int64_t base = atomic_load_explicit(&s->base_ns, memory_order_relaxed);

	return bytes > (64u << 20) || base + (int64_t)bytes * price / 1000 > LOOP_BUDGET_NS;
}

/* Of a signer that was not trusted, a call that does not look long: quick ones earn trust, one by one. */
static void learn_trust(struct signer *s, uint64_t ns)
{
	unsigned slow = atomic_load_explicit(&s->slow, memory_order_relaxed);

	if (ns > LOOP_BUDGET_NS)
		atomic_store_explicit(&s->slow, SLOW_CALLS, memory_order_relaxed);
	else if (slow)
		atomic_compare_exchange_strong(&s->slow, &slow, slow - 1);
}

/* Moves an average by a sixteenth of the distance; one outlier (a preempted thread) moves it by no more
 * than a quarter of itself. */
static void learn(atomic_long *average, int64_t sample)
{
	int64_t old = atomic_load_explicit(average, memory_order_relaxed);
	int64_t step = (sample - old) / 16;

	if (step > old / 4 + 1)
		step = old / 4 + 1;
	atomic_store_explicit(average, old + step, memory_order_relaxed);
}

static void measure(struct signer *s, size_t bytes, uint64_t ns)
{
	int64_t base = atomic_load_explicit(&s->base_ns, memory_order_relaxed);
	int64_t over = (int64_t)ns - base;

	if (bytes <= SMALL_ARGUMENTS)
		learn(&s->base_ns, (int64_t)ns);
	else
		learn(&s->byte_ps, over > 0 ? over * 1000 / (int64_t)bytes : 0);
}

static const size_t size_bounds[SIGNER_SIZES] = { 1024, 16384, 262144, SIZE_MAX };

static unsigned step_of(uint64_t us)
{
	double step = us > 1 ? ceil(log2((double)us) * 4) : 0;

	return step < TIME_STEPS ? (unsigned)step : TIME_STEPS - 1;
}

static uint64_t step_us(unsigned step)
{
	return (uint64_t)llround(exp2((double)step / 4));
}

static void count_time(struct signer *s, size_t bytes, uint64_t us)
{
	unsigned long max = atomic_load_explicit(&s->max_us, memory_order_relaxed);
	size_t size = 0;

	while (bytes > size_bounds[size])
		size++;
	atomic_fetch_add_explicit(&s->times[size][step_of(us)], 1, memory_order_relaxed);
	while (us > max && !atomic_compare_exchange_weak(&s->max_us, &max, us))
		;
}

static void count_failure(struct signer *s, const struct job *j)
{
	atomic_fetch_add_explicit(&s->failures, 1, memory_order_relaxed);
	if (j->result == SIGNER_TIMEOUT) {
		atomic_store(&s->cut, true);
		atomic_fetch_add_explicit(&s->timeouts, 1, memory_order_relaxed);
	} else {
		atomic_fetch_add_explicit(&s->traps, 1, memory_order_relaxed);
	}
	pthread_mutex_lock(&s->lock);
	if (s->threads && atomic_load(&s->cut))
		threads_give_way(s->threads);
	snprintf(s->last_error, sizeof(s->last_error), "%.*s", (int)sizeof(s->last_error) - 1,
		 j->why);
	pthread_mutex_unlock(&s->lock);
}

/* The time that `part` of n calls did not exceed. */
static uint64_t quantile(const uint64_t counts[TIME_STEPS], uint64_t n, double part)
{
	uint64_t want = (uint64_t)ceil((double)n * part), seen = 0;

	for (unsigned i = 0; i < TIME_STEPS; i++)
		if ((seen += counts[i]) >= want && seen)
			return step_us(i);
	return 0;
}

void signer_times(struct signer *s, struct signer_times *out)
{
	uint64_t all[TIME_STEPS] = { 0 };

	*out = (struct signer_times){ .traps = atomic_load(&s->traps),
				      .timeouts = atomic_load(&s->timeouts),
				      .running = atomic_load(&s->running),
				      .max = atomic_load(&s->max_us) };
	for (size_t k = 0; k < SIGNER_SIZES; k++) {
		uint64_t counts[TIME_STEPS];

		out->by_size[k].up_to = size_bounds[k];
		for (unsigned i = 0; i < TIME_STEPS; i++) {
			counts[i] = atomic_load_explicit(&s->times[k][i], memory_order_relaxed);
			out->by_size[k].n += counts[i];
			all[i] += counts[i];
		}
		out->by_size[k].p50 = quantile(counts, out->by_size[k].n, 0.5);
		out->n += out->by_size[k].n;
	}
	out->p50 = quantile(all, out->n, 0.5);
	out->p99 = quantile(all, out->n, 0.99);
	pthread_mutex_lock(&s->lock);
	memcpy(out->last_error, s->last_error, sizeof(out->last_error));
	pthread_mutex_unlock(&s->lock);
}

size_t signer_bytes(const struct signer *s)
{
	return s->module.size;
}

static void record(struct job *j, size_t bytes)
{
	struct signer *s = j->signer;

	METRIC_ADD(&m_calls, 1, signer_id(s), results[j->result]);
	if (j->result == SIGNER_REFUSED) {
		atomic_fetch_add_explicit(&s->refused, 1, memory_order_relaxed);
		return;
	}
	atomic_fetch_add_explicit(&s->calls, 1, memory_order_relaxed);
	METRIC_OBSERVE(&m_seconds, (double)j->ns / 1e9, signer_id(s));
	if (j->result == SIGNER_OK) {
		if (atomic_load_explicit(&s->slow, memory_order_relaxed) && !looks_long(s, bytes))
			learn_trust(s, j->ns);
		measure(s, bytes, j->ns);
		count_time(s, bytes, j->ns / 1000);
		return;
	}
	count_failure(s, j);
}

/* On the thread's own stack. False: it had its time there. */
static bool run_on_loop(struct job *j)
{
	struct signer *s = j->signer;

	j->on_loop = true;
	fiber_on_thread_stack(run_job, j);
	j->on_loop = false;
	if (j->result != SIGNER_MOVED)
		return true;
	drop(s, j->instance);
	j->instance = NULL;
	atomic_fetch_add_explicit(&s->moved, 1, memory_order_relaxed);
	if (!atomic_exchange(&s->slow, SLOW_CALLS))
		log_info("sign", "a signature takes long: it and the next ones run beside the loop",
			 LB("signer", signer_id(s)));
	return false;
}

/* On the thread's own stack, or on one of the signer's threads. -1: it was not made, and nothing is to be told of it. */
static int make_call(struct job *j, size_t bytes)
{
	struct signer *s = j->signer;

	if (!fiber_self()) {
		run_job(j);
		return 0;
	}
	if (!atomic_load_explicit(&s->cut, memory_order_relaxed) &&
	    !atomic_load_explicit(&s->slow, memory_order_relaxed) && !looks_long(s, bytes) &&
	    run_on_loop(j))
		return 0;
	return signer_start(s) || threads_run(s->threads, run_queued, j) ? -1 : 0;
}

/* The way through the module is for its author: in the log and for `signet sign`, never for a client. */
static void tell_trace(const struct job *j, struct arena *arena, struct signature *out)
{
	if (!j->instance || !*j->instance->trace)
		return;
	out->trace = arena_dup(arena, bytes_of(j->instance->trace));
	if (fiber_self())
		log_warn("sign", "a signature failed inside its module",
			 LB("signer", signer_id(j->signer)), LS("error", j->why),
			 LB("backtrace", out->trace));
}

static int call_failed(struct job *j, struct arena *arena, struct signature *out)
{
	tell_trace(j, arena, out);
	drop(j->signer, j->instance);
	return fail_from_upstream(ERR_SIGNER, &(struct upstream_said){ .code = results[j->result] },
				  "Signing failed: %s", j->why);
}

int signer_sign(struct signer *s, const struct bytes args[4], struct arena *arena,
		struct signature *out)
{
	struct job j = { .signer = s, .args = args };
	size_t bytes = args[0].n + args[1].n + args[2].n + args[3].n;
	uint64_t left = admit(s, &j.probe);
	int bad;

	*out = (struct signature){ 0 };
	if (left) {
		refuse(&j, left);
		record(&j, bytes);
		return call_failed(&j, arena, out);
	}
	j.instance = take_instance(s);
	atomic_fetch_add_explicit(&s->running, 1, memory_order_relaxed);
	bad = make_call(&j, bytes);
	atomic_fetch_sub_explicit(&s->running, 1, memory_order_relaxed);
	note_result(s, bad ? SIGNER_REFUSED : j.result, j.probe);
	if (bad) {
		if (j.instance)
			give_back(s, j.instance);
		return -1;
	}
	record(&j, bytes);
	if (j.result == SIGNER_REFUSED && j.instance) { /* it was not touched */
		give_back(s, j.instance);
		j.instance = NULL;
	}
	if (j.result != SIGNER_OK)
		return call_failed(&j, arena, out);
	out->us = j.ns / 1000;
	out->text = arena_dup(arena, (struct bytes){ j.instance->answer, j.instance->answer_len });
	give_back(s, j.instance);
	return out->text.p ? 0 : -1;
}
