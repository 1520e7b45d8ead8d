/*
 * The cache of what the process finds: one entry for each region that STS is asked in, made on first use, never freed.
 *
 * A search is a fiber of its own, so that it outlives the request that wanted it; requests look at the entry until it is
 * there, for at most five seconds. Five minutes before the end of temporary credentials the next request starts a search
 * behind itself; while that fails the old ones are used until they end. The mutex is never held over a wait.
 */
#include "upstream/aws_credentials.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "fiber/fiber.h"

#define EARLY_MS    (5 * 60 * 1000u)
#define RETRY_MS    5000u  /* after a search that failed */
#define SEARCH_MS   65000u /* a command may take a minute */
#define LOOK_MS     5u
#define ENTRIES_MAX 64u
#define ARENA_MAX   (4u << 20)
#define ERROR_TEXT  1000

struct entry {
	struct entry *next;
	struct arena arena; /* of the keys */
	struct aws_keys keys;
	char region[64];
	uint64_t failed_ms; /* when a search failed last; 0: the last one did not */
	char error[ERROR_TEXT];
	bool have, searching;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *entries;
static size_t nentries;

/* Called with the lock held. NULL: no room, or no memory. */
static struct entry *entry_of(struct bytes region)
{
	struct entry *e;

	for (e = entries; e; e = e->next)
		if (bytes_eq(bytes_of(e->region), region))
			return e;
	if (nentries >= ENTRIES_MAX || region.n >= sizeof e->region || !(e = calloc(1, sizeof *e)))
		return NULL;
	arena_init(&e->arena, ARENA_MAX);
	memcpy(e->region, region.p, region.n);
	e->next = entries;
	entries = e;
	nentries++;
	return e;
}

/* ---- a search ---- */

static int (*const sources[])(struct aws_search *, struct aws_keys *) = {
	aws_from_environment, aws_from_profile,  aws_from_web_identity,
	aws_from_container,   aws_from_instance,
};

void aws_not_there(struct aws_search *s, struct bytes what)
{
	if (s->ntried < COUNT(s->tried))
		s->tried[s->ntried++] = what;
}

static int nothing_found(const struct aws_search *s)
{
	struct bytes list = B("");

	for (size_t i = 0; i < s->ntried; i++)
		list = arena_printf(s->arena, "%.*s%s%.*s", BFMT(list), i ? "; " : "",
				    BFMT(s->tried[i]));
	return fail(ERR_API_KEY_MISSING,
		    "API key missing for provider AWS: no credentials were found (tried: %.*s)",
		    BFMT(list));
}

static int search(struct aws_search *s, struct aws_keys *keys)
{
	for (size_t i = 0; i < COUNT(sources); i++) {
		int r = sources[i](s, keys);

		if (r)
			return r > 0 ? 0 : -1;
	}
	return nothing_found(s);
}

struct job {
	struct arena arena; /* of the job itself, too */
	struct http_client *client;
	struct bytes region;
};

/* What was found takes the place of what was there. NULL: nothing was, the error is set. */
static void put_in_place(struct bytes region, struct arena *found, const struct aws_keys *keys)
{
	struct entry *e;

	pthread_mutex_lock(&lock);
	e = entry_of(region);
	if (e) {
		e->searching = false;
		e->failed_ms = found ? 0 : clock_mono_ms();
		if (!found)
			snprintf(e->error, sizeof e->error, "%.*s", BFMT(error_last()->message));
	}
	if (e && found) {
		struct arena old = e->arena;

		e->arena = *found;
		e->keys = *keys;
		e->have = true;
		*found = old;
	}
	pthread_mutex_unlock(&lock);
}

static int keep_keys(struct aws_keys *k, struct arena *a)
{
	k->id = arena_dup(a, k->id);
	k->secret = arena_dup(a, k->secret);
	k->token = arena_dup(a, k->token);
	return bytes_set(k->id) && bytes_set(k->secret) ? 0 : -1;
}

static void search_fiber(void *arg)
{
	struct job *job = arg;
	struct arena arena, found;
	struct aws_search s = { .arena = &job->arena,
				.client = job->client,
				.region = job->region };
	struct aws_keys keys = { 0 };

	fiber_deadline_narrow(clock_mono_ms() + SEARCH_MS);
	arena_init(&found, ARENA_MAX);
	if (search(&s, &keys) || keep_keys(&keys, &found)) {
		log_warn("upstream", "AWS credentials could not be had",
			 LB("error", error_last()->message));
		put_in_place(job->region, NULL, NULL);
	} else {
		put_in_place(job->region, &found, &keys);
	}
	arena_deinit(&found);
	arena = job->arena; /* job lives in it */
	arena_deinit(&arena);
}

/* -1: there is no fiber; the error is set. */
static int start_search(const struct call_context *context, struct bytes region)
{
	struct arena arena;
	struct job *job;

	arena_init(&arena, ARENA_MAX);
	job = arena_new(&arena, struct job);
	if (job)
		*job = (struct job){ .client = context->client,
				     .region = arena_dup(&arena, region) };
	if (job && bytes_set(job->region)) {
		job->arena = arena;
		if (fiber_spawn("aws credentials", search_fiber, job))
			return 0;
	}
	put_in_place(region, NULL, NULL);
	arena_deinit(&arena);
	return -1;
}

/* ---- asking ---- */

enum state { READY, WAIT, FAILED, NO_ROOM };

static bool ends_before(const struct aws_keys *k, uint64_t ms)
{
	return k->expires_unix_ms && k->expires_unix_ms <= clock_unix_ms() + ms;
}

/* What there is now, copied; *due: a search is to be started, and no other asker will. With the lock held. */
static enum state look(struct entry *e, struct arena *a, struct aws_keys *out, bool *due)
{
	bool have, waits;

	*due = false;
	if (!e)
		return NO_ROOM;
	have = e->have && !ends_before(&e->keys, 0);
	waits = e->failed_ms && clock_mono_ms() - e->failed_ms < RETRY_MS;
	if (!e->searching && !waits && (!have || ends_before(&e->keys, EARLY_MS)))
		*due = e->searching = true;
	if (!have)
		return e->searching ? WAIT : FAILED;
	*out = e->keys;
	return keep_keys(out, a) ? NO_ROOM : READY;
}

static int say_failed(struct bytes region)
{
	char text[ERROR_TEXT] = "";
	struct entry *e;

	pthread_mutex_lock(&lock);
	e = entry_of(region);
	if (e)
		memcpy(text, e->error, sizeof text);
	pthread_mutex_unlock(&lock);
	return fail(ERR_API_KEY_MISSING, "%s", text);
}

int aws_keys_find(const struct call_context *context, struct bytes region, struct aws_keys *out)
{
	uint64_t end = clock_mono_ms() + AWS_FIRST_WAIT_MS;

	for (;;) {
		enum state state;
		bool due;

		pthread_mutex_lock(&lock);
		state = look(entry_of(region), context->arena, out, &due);
		pthread_mutex_unlock(&lock);
		if (due && start_search(context, region) && state != READY)
			return -1;
		switch (state) {
		case READY: return 0;
		case NO_ROOM: return fail(ERR_OUT_OF_MEMORY, "no room for AWS credentials");
		case FAILED: return say_failed(region);
		case WAIT: break;
		}
		if (clock_mono_ms() >= end)
			return fail(ERR_API_KEY_MISSING,
				    "API key missing for provider AWS: no credentials within %u ms",
				    AWS_FIRST_WAIT_MS);
		if (fiber_sleep(LOOK_MS))
			return -1;
	}
}

bool aws_keys_drop(struct bytes region)
{
	struct entry *e;
	bool dropped;

	pthread_mutex_lock(&lock);
	e = entry_of(region);
	dropped = e && e->have && e->keys.expires_unix_ms;
	if (dropped)
		e->have = false;
	pthread_mutex_unlock(&lock);
	return dropped;
}

/* ---- the region ---- */

static char known_region[64]; /* under the lock; "": not found yet */

static bool take_known(struct arena *a, struct bytes *out)
{
	pthread_mutex_lock(&lock);
	*out = *known_region ? arena_dup(a, bytes_of(known_region)) : (struct bytes){ NULL, 0 };
	pthread_mutex_unlock(&lock);
	return bytes_set(*out);
}

static struct bytes region_of_environment(void)
{
	const char *text = getenv("AWS_REGION");

	if (!text || !*text)
		text = getenv("AWS_DEFAULT_REGION");
	return text && *text ? bytes_of(text) : (struct bytes){ NULL, 0 };
}

int aws_region_find(const struct call_context *context, struct bytes *out)
{
	struct aws_search s = { .arena = context->arena, .client = context->client };
	uint64_t before;

	if (take_known(context->arena, out))
		return 0;
	*out = region_of_environment();
	before = fiber_deadline_narrow(clock_mono_ms() + AWS_FIRST_WAIT_MS);
	if (!bytes_set(*out))
		*out = aws_profile_region(&s);
	if (!bytes_set(*out) && aws_instance_region(&s, out) < 1)
		*out = (struct bytes){ NULL, 0 };
	fiber_deadline_restore(before);
	if (fiber_cancelled())
		return fail(ERR_CANCELLED, "cancelled");
	if (!out->n || out->n >= sizeof known_region)
		return fail(ERR_CONFIG, "Failed to determine AWS region.");
	pthread_mutex_lock(&lock);
	memcpy(known_region, out->p, out->n);
	known_region[out->n] = '\0';
	pthread_mutex_unlock(&lock);
	return 0;
}
