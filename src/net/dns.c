/*
 * getaddrinfo on threads of its own, each look-up in a fiber of its own: the fiber that asks may give up at its
 * deadline or be cancelled, the look-up cannot. Those who ask for a name that is being looked up wait for
 * the same answer.
 *
 * Trap: the resolver has no deadline of its own and may take half a minute; an entry therefore lives until
 * its look-up has returned, even when the worker's client is freed meanwhile.
 */
#include "net/dns.h"

#include <netdb.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/map.h"
#include "fiber/offload.h"
#include "net/socket.h"

#define ENTRIES_MAX 1024
#define NEGATIVE_MS 1000

struct waiter {
	struct fiber *fiber;
	struct waiter *next;
	bool done;
};

struct entry {
	struct dns *dns;
	struct dns_addresses found;
	const char *reason; /* why there is none */
	uint64_t expires;
	bool resolving;
	struct waiter *waiters;
	char name[];
};

struct dns {
	uint64_t ttl_ms;
	struct map entries;
	size_t resolving;
	bool freed;
};

struct dns *dns_new(uint64_t ttl_s)
{
	struct dns *d = calloc(1, sizeof *d);

	if (!d)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	d->ttl_ms = ttl_s * 1000;
	map_init(&d->entries);
	return d;
}

static bool drop_done(void *value, void *all)
{
	struct entry *e = value;

	if (e->resolving || (!all && clock_mono_ms() < e->expires))
		return false;
	free(e);
	return true;
}

/* All entries whose look-up is over, or only those out of date. */
static void sweep(struct dns *d, bool all)
{
	map_sweep(&d->entries, drop_done, all ? d : NULL);
}

static void release(struct dns *d)
{
	if (!d->freed || d->resolving)
		return;
	map_deinit(&d->entries);
	free(d);
}

void dns_free(struct dns *d)
{
	if (!d)
		return;
	d->freed = true;
	sweep(d, true);
	release(d);
}

static void resolve(void *arg)
{
	struct entry *e = arg;
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM },
			*list = NULL;
	int r = fault("dns") ? EAI_FAIL : getaddrinfo(e->name, NULL, &hints, &list);

	e->found.len = 0;
	for (struct addrinfo *i = list; i && e->found.len < DNS_MAX_ADDRESSES; i = i->ai_next) {
		struct dns_address *a = &e->found.at[e->found.len];

		if (i->ai_addrlen > sizeof a->addr)
			continue;
		e->found.len++;
		memcpy(&a->addr, i->ai_addr, i->ai_addrlen);
		a->len = i->ai_addrlen;
	}
	if (list)
		freeaddrinfo(list);
	e->reason = r ? gai_strerror(r) : "no address";
}

static void resolver(void *arg)
{
	struct entry *e = arg;
	struct dns *d = e->dns;

	if (offload_to(OFFLOAD_NAMES, resolve, e)) {
		e->found.len = 0;
		e->reason = "no thread to ask on";
	}
	e->expires = clock_mono_ms() + (e->found.len ? d->ttl_ms : NEGATIVE_MS);
	e->resolving = false;
	d->resolving--;
	for (struct waiter *w = e->waiters, *next; w; w = next) {
		next = w->next;
		w->done = true;
		fiber_wake(w->fiber);
	}
	e->waiters = NULL;
	if (d->freed) {
		sweep(d, true);
		release(d);
	}
}

static struct entry *entry_for(struct dns *d, struct bytes host)
{
	struct entry *e = map_get(&d->entries, host);

	if (e)
		return e;
	if (d->entries.len >= ENTRIES_MAX)
		sweep(d, false);
	if (d->entries.len >= ENTRIES_MAX)
		sweep(d, true);
	e = calloc(1, sizeof *e + host.n + 1);
	if (!e)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	memcpy(e->name, host.p, host.n);
	e->dns = d;
	if (map_put(&d->entries, (struct bytes){ e->name, host.n }, e)) {
		free(e);
		return NULL;
	}
	return e;
}

/* Until the entry's look-up is over. Waits. */
static int wait_for(struct entry *e, uint64_t deadline)
{
	struct waiter w = { .fiber = fiber_self(), .next = e->waiters };
	uint64_t before = fiber_deadline_narrow(deadline);
	int r = 0;

	e->waiters = &w;
	while (!w.done && r == 0)
		r = fiber_park();
	fiber_deadline_restore(before);
	if (w.done)
		return fiber_cancelled() ? fail(ERR_CANCELLED, "cancelled") : 0;
	for (struct waiter **at = &e->waiters; *at; at = &(*at)->next)
		if (*at == &w) {
			*at = w.next;
			break;
		}
	return r;
}

static bool literal(struct bytes host, struct dns_addresses *out)
{
	unsigned char ip[16];
	size_t n = ip_parse(host, ip);

	if (!n)
		return false;
	out->len = 1;
	out->at[0].len = sock_address_make(ip, n, 0, &out->at[0].addr);
	return true;
}

int dns_lookup(struct dns *d, struct bytes host, uint64_t deadline, struct dns_addresses *out)
{
	struct entry *e;

	if (literal(host, out))
		return 0;
	e = entry_for(d, host);
	if (!e)
		return -1;
	if (!e->resolving && clock_mono_ms() >= e->expires) {
		e->resolving = true;
		d->resolving++;
		if (!fiber_spawn("dns", resolver, e)) {
			e->resolving = false;
			d->resolving--;
			return -1;
		}
	}
	if (e->resolving && wait_for(e, deadline))
		return -1;
	if (e->found.len == 0)
		return fail(ERR_IO, "cannot resolve %.*s: %s", BFMT(host), e->reason);
	*out = e->found;
	return 0;
}
