/*
 * Compiling a module, on a thread of its own. A compiler cannot be stopped, and a module that is small can be dear (one
 * function of a megabyte): whoever waits gives up once that thread has used COMPILE_CPU_MS of CPU time, and leaves it to
 * end by itself. CPU time rather than wall time, as for a signature: a busy machine refuses no healthy module.
 *
 * Trap: a thread that is left still uses the engine and its own copy of the module's bytes.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/thread.h"
#include "base/time.h"
#include "sign/wasm.h"

#define LOOK_MS 20

struct compilation {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done, left; /* under the lock: by the thread; by whoever waited */
	bool endless;    /* injected: it takes too long */
	wasm_engine_t *engine;
	wasmtime_module_t *module;
	wasmtime_error_t *error;
	size_t n;
	uint8_t wasm[];
};

static void compilation_free(struct compilation *c)
{
	engine_give(c->engine);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->changed);
	free(c);
}

static void *compile(void *arg)
{
	struct compilation *c = arg;
	bool left;

	thread_give_way();
	c->error = wasmtime_module_new(c->engine, c->wasm, c->n, &c->module);
	pthread_mutex_lock(&c->lock);
	while (c->endless && !c->left)
		pthread_cond_wait(&c->changed, &c->lock);
	c->done = true;
	left = c->left;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
	if (!left)
		return NULL;
	if (c->error)
		wasmtime_error_delete(c->error);
	else
		wasmtime_module_delete(c->module);
	compilation_free(c);
	return NULL;
}

static bool too_long(pthread_t thread)
{
	struct timespec cpu;
	clockid_t clock;

	return !pthread_getcpuclockid(thread, &clock) && !clock_gettime(clock, &cpu) &&
	       (uint64_t)cpu.tv_sec * 1000 + (uint64_t)cpu.tv_nsec / 1000000 > COMPILE_CPU_MS;
}

/* Until it is done, or has had its time: then it belongs to its thread. */
static bool wait_for(struct compilation *c, pthread_t thread)
{
	bool done;

	pthread_mutex_lock(&c->lock);
	while (!c->done && !c->left) {
		struct timespec at;

		clock_gettime(CLOCK_REALTIME, &at);
		at.tv_nsec += LOOK_MS * 1000000;
		at.tv_sec += at.tv_nsec / 1000000000;
		at.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&c->changed, &c->lock, &at);
		c->left = !c->done && (c->endless || too_long(thread));
	}
	done = c->done;
	if (!done)
		pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	return done;
}

int compile_module(struct bytes wasm, wasmtime_module_t **out)
{
	struct compilation *c = calloc(1, sizeof(*c) + wasm.n);
	char why[SIGNER_WHY_BYTES];
	pthread_t thread;
	int e;

	if (!c)
		return fail(ERR_OUT_OF_MEMORY, "out of memory");
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	c->engine = engine_take();
	c->endless = fault("sign.compile");
	c->n = wasm.n;
	memcpy(c->wasm, wasm.p, wasm.n);
	e = thread_start(&thread, compile, c);
	if (e) {
		compilation_free(c);
		return fail(ERR_SIGNER, "there is no thread to compile it on: %s", strerror(e));
	}
	if (!wait_for(c, thread)) {
		pthread_detach(thread);
		return fail(ERR_SIGNER, "compiling it takes over %d ms of CPU time",
			    COMPILE_CPU_MS);
	}
	pthread_join(thread, NULL);
	*out = c->module;
	e = c->error != NULL;
	if (e)
		engine_error_text(c->error, why, sizeof(why));
	compilation_free(c);
	return e ? fail(ERR_SIGNER, "%s", why) : 0;
}
