/*
 * Whoever finds no good token puts itself among the waiters of its entry and sleeps. The fetch is a fiber of its own, which no
 * client cancels; when it ends, on its worker, each waiter is woken on the waiter's own, by a task that lies on the
 * waiter's stack. The trap is that stack: a waiter that is cancelled may leave only once its task is not under way.
 */
#include "upstream/token_cache.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "fiber/loop.h"

#define ENTRIES_MAX   256
#define ENTRY_MAX     (256u << 10) /* a token's texts */
#define JOB_MAX       (4u << 20)
#define FETCH_MS      10000
#define BEFORE_END_MS 300000
#define AGAIN_MS      5000 /* after a refresh in the background that failed */
#define ERROR_SHOWN   1024
#define HASH_TEXT     (2 * SHA256_DIGEST_LENGTH + 1)

struct waiter {
	struct loop_task task;
	struct waiter *next;
	struct fiber *fiber;
	struct loop *loop;
	bool done, failed;
	char error[ERROR_SHOWN];
};

struct entry {
	struct entry *next;
	char key[HASH_TEXT];
	struct buf text, beside; /* the token; text empty: none */
	bool has_beside;
	uint64_t lifetime_ms;
	struct token_times times;
	bool fetching;
	struct waiter *waiters;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *entries;
static size_t nentries;

struct token_times token_times_of(uint64_t lifetime_ms, uint64_t now_ms)
{
	uint64_t before = lifetime_ms / 2 < BEFORE_END_MS ? lifetime_ms / 2 : BEFORE_END_MS;

	return (struct token_times){ now_ms + lifetime_ms, now_ms + lifetime_ms - before };
}

static void hash(struct bytes what, char out[HASH_TEXT])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)what.p, what.n, digest);
	hex_print(digest, sizeof digest, out);
}

/* ---- entries: all of these with the lock held ---- */

static struct entry *find(const char *key)
{
	struct entry *e = entries;

	while (e && strcmp(e->key, key) != 0)
		e = e->next;
	return e;
}

static void forget(struct entry *e)
{
	OPENSSL_cleanse(e->text.data, e->text.len);
	buf_reset(&e->text);
	buf_reset(&e->beside);
	e->has_beside = false;
}

/* Makes room: the one that ends first, of those that nobody works on, goes. */
static void evict(void)
{
	struct entry **oldest = NULL, *e;

	for (struct entry **at = &entries; *at; at = &(*at)->next)
		if (!(*at)->fetching && !(*at)->waiters &&
		    (!oldest || (*at)->times.ends < (*oldest)->times.ends))
			oldest = at;
	if (!oldest)
		return;
	e = *oldest;
	*oldest = e->next;
	nentries--;
	forget(e);
	buf_deinit(&e->text);
	buf_deinit(&e->beside);
	free(e);
}

static struct entry *entry_of(const char *key)
{
	struct entry *e = find(key);

	if (e)
		return e;
	if (nentries >= ENTRIES_MAX)
		evict();
	e = nentries < ENTRIES_MAX ? calloc(1, sizeof *e) : NULL;
	if (!e)
		return fail_null(ERR_OUT_OF_MEMORY, "no room for one more access token");
	memcpy(e->key, key, HASH_TEXT);
	buf_init(&e->text, ENTRY_MAX);
	buf_init(&e->beside, ENTRY_MAX);
	e->next = entries;
	entries = e;
	nentries++;
	return e;
}

static bool is_good(const struct entry *e, uint64_t now)
{
	return e->text.len && now < e->times.ends;
}

static int copy_token(const struct entry *e, struct arena *a, struct token *out)
{
	*out = (struct token){ .text = arena_dup(a, buf_bytes(&e->text)),
			       .lifetime_ms = e->lifetime_ms };
	if (e->has_beside)
		out->beside = arena_dup(a, buf_bytes(&e->beside));
	return bytes_set(out->text) && bytes_set(out->beside) == e->has_beside ? 0 : -1;
}

static bool keep_token(struct entry *e, const struct token *t)
{
	forget(e);
	if (buf_append(&e->text, t->text) || buf_append(&e->beside, t->beside)) {
		forget(e);
		return false;
	}
	e->has_beside = bytes_set(t->beside);
	e->lifetime_ms = t->lifetime_ms;
	e->times = token_times_of(t->lifetime_ms, clock_mono_ms());
	return true;
}

/* ---- fetching ---- */

static void wake(struct loop_task *task)
{
	struct waiter *w = (struct waiter *)((char *)task - offsetof(struct waiter, task));

	w->done = true;
	fiber_wake(w->fiber);
}

/* The end of a fetch: `t` NULL: it failed, with the last error. */
static void settle(const char *key, const struct token *t)
{
	struct entry *e;
	struct waiter *w;
	bool good;

	pthread_mutex_lock(&lock);
	e = find(key); /* what is fetched is never evicted */
	good = t && keep_token(e, t);
	if (!good)
		e->times.refresh = clock_mono_ms() + AGAIN_MS;
	e->fetching = false;
	w = e->waiters;
	e->waiters = NULL;
	while (w) {
		struct waiter *next = w->next;

		w->failed = !good;
		if (!good)
			snprintf(w->error, sizeof w->error, "%.*s", BFMT(error_last()->message));
		loop_post(w->loop, &w->task);
		w = next;
	}
	pthread_mutex_unlock(&lock);
}

/* It may outlive the request that wants it, so that all of it is its own. */
struct job {
	struct arena arena;
	struct bytes what;
	char key[HASH_TEXT];
	token_fetch *fetch;
	struct http_client *client;
};

static void job_free(struct job *j)
{
	struct arena arena = j->arena; /* j itself lives in it */

	arena_deinit(&arena);
}

static void fetch_fiber(void *arg)
{
	struct job *j = arg;
	struct token t = { .lifetime_ms = 0 };
	int r;

	fiber_deadline_narrow(clock_mono_ms() + FETCH_MS);
	r = j->fetch(j->what, j->client, &j->arena, &t);
	if (r)
		log_warn("upstream", "an access token could not be had",
			 LB("error", error_last()->message));
	settle(j->key, r ? NULL : &t);
	job_free(j);
}

/* -1: nothing was begun, error set. */
static int begin_fetch(token_fetch *fetch, struct bytes what, const char *key,
		       struct http_client *client)
{
	struct arena arena;
	struct job *j;

	arena_init(&arena, JOB_MAX);
	j = arena_new(&arena, struct job);
	if (!j)
		return -1;
	j->fetch = fetch;
	j->client = client;
	j->what = arena_dup(&arena, what);
	memcpy(j->key, key, HASH_TEXT);
	j->arena = arena;
	if (bytes_set(j->what) && fiber_spawn("access token", fetch_fiber, j))
		return 0;
	job_free(j);
	return -1;
}

/* ---- asking ---- */

static bool unlist(struct waiter *w, const char *key)
{
	struct entry *e;
	struct waiter **at;

	pthread_mutex_lock(&lock);
	e = find(key);
	at = e ? &e->waiters : NULL;
	while (at && *at && *at != w)
		at = &(*at)->next;
	if (at && *at)
		*at = w->next;
	else
		at = NULL;
	pthread_mutex_unlock(&lock);
	return at;
}

static int wait_for(struct waiter *w, const char *key)
{
	while (!w->done) {
		if (fiber_park() == 0)
			continue;
		if (!unlist(w, key))
			while (!w->done) /* its task is on the way, and lies on this stack */
				fiber_hold();
		return -1;
	}
	return w->failed ? fail(ERR_INFERENCE_CLIENT, "%s", w->error) : 0;
}

/* 1: there is a good one, in *out. 0: wait for it. -1. */
static int look(const char *key, struct waiter *w, bool *start, struct arena *a, struct token *out)
{
	uint64_t now = clock_mono_ms();
	struct entry *e;
	int r = -1;

	pthread_mutex_lock(&lock);
	e = entry_of(key);
	if (e) {
		r = is_good(e, now) ? 1 : 0;
		*start = !e->fetching && (r == 0 || now >= e->times.refresh);
		e->fetching |= *start;
		if (r == 0) {
			w->next = e->waiters;
			e->waiters = w;
		} else if (copy_token(e, a, out)) {
			r = -1;
		}
	}
	pthread_mutex_unlock(&lock);
	return r;
}

/* What was fetched just now, however short it lives; false: it was dropped in the meantime. */
static bool take(const char *key, struct arena *a, struct token *out)
{
	struct entry *e;
	bool there;

	pthread_mutex_lock(&lock);
	e = find(key);
	there = e && e->text.len && copy_token(e, a, out) == 0;
	pthread_mutex_unlock(&lock);
	return there;
}

int token_get(token_fetch *fetch, struct bytes what, struct http_client *client, struct arena *a,
	      struct token *out)
{
	struct waiter w = { .task = { .fn = wake }, .fiber = fiber_self(), .loop = loop_self() };
	char key[HASH_TEXT];
	bool start = false;
	int r;

	hash(what, key);
	r = look(key, &w, &start, a, out);
	if (start && begin_fetch(fetch, what, key, client))
		settle(key, NULL);
	if (r)
		return r < 0 ? -1 : 0;
	if (wait_for(&w, key))
		return -1;
	return take(key, a, out) ? 0 : fail(ERR_INFERENCE_CLIENT, "the access token was refused");
}

void token_drop(struct bytes what)
{
	char key[HASH_TEXT];
	struct entry *e;

	hash(what, key);
	pthread_mutex_lock(&lock);
	e = find(key);
	if (e)
		forget(e);
	pthread_mutex_unlock(&lock);
}
