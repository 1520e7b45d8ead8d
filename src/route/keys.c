/*
 * See keys.h. What changes stands beside the configuration, which does not: a moment for each key until which it rests, a
 * number that turns, and a table of sessions in which a new one may take an old one's place. All of it is atomic; that two
 * requests choose the same key at once is no harm.
 *
 * While all keys rest the one that is free first is tried, once: an upstream's guess must not make requests fail that would
 * have been served.
 */
#include "route/keys.h"

#include "base/error.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "fiber/fiber.h"
#include "route/classify.h"

#define REST_LIMITED_MS \
	30000 /* of a key over its limit, where the upstream does not say how long */
#define REST_REFUSED_MS 300000 /* of one that was not admitted */
#define SESSION_MINUTES 60     /* as long as vendors keep a prompt, at most */
#define PREFIX_MAX      8192   /* bytes of a conversation's beginning that tell it from others */

static METRIC(rested, METRIC_COUNTER, "signet_keys_rested_total", "model,provider",
	      "Keys of a provider that its upstream refused or limited and that rested then");

void keys_counters_begin(const struct provider_config *p)
{
	METRIC_ADD(&rested, 0, model_label(p->model), p->name);
}

/* ---- a session ---- */

/* FNV-1a: the same in every process, so that several gateways choose alike. */
static uint64_t mix(uint64_t hash, struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		hash = (hash ^ (unsigned char)text.p[i]) * UINT64_C(0x100000001b3);
	return (hash ^ 0xff) * UINT64_C(0x100000001b3);
}

static uint64_t mix_prefix(uint64_t hash, const struct inference *inf)
{
	size_t left = PREFIX_MAX;

	hash = mix(hash, bytes_slice(inf->system, 0, left));
	for (size_t i = 0; inf->tools && i < inf->tools->len; i++)
		hash = mix(hash, inf->tools->tools[i].name);
	for (size_t i = 0; inf->nmessages && i < inf->messages[0].len && left; i++) {
		struct bytes text = bytes_slice(inf->messages[0].content[i].text, 0, left);

		hash = mix(hash, text);
		left -= text.n;
	}
	return hash;
}

uint64_t affinity_of(const struct config *c, struct bytes model, struct bytes session,
		     struct bytes header, const struct inference *inf)
{
	uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), model);

	switch (c->routing.affinity) {
	case AFFINITY_NONE: return 0;
	case AFFINITY_SESSION: hash = session.n ? mix(hash, session) : 0; break;
	case AFFINITY_HEADER: hash = header.n ? mix(hash, header) : 0; break;
	case AFFINITY_PREFIX: hash = mix_prefix(hash, inf); break;
	}
	return hash;
}

/* An entry: 32 bits of the session, 8 each of provider and key, 16 of the minute in which it was used. */
static uint64_t *slot_of(const struct config *c, uint64_t session)
{
	return c->routing.sessions ? &c->routing.sessions[session % ROUTING_SESSIONS] : NULL;
}

static uint16_t minute(void)
{
	return (uint16_t)(turn_ms() / 60000);
}

bool affinity_find(const struct config *c, uint64_t session, struct affinity *out)
{
	uint64_t *slot = session ? slot_of(c, session) : NULL, entry;

	if (!slot)
		return false;
	entry = __atomic_load_n(slot, __ATOMIC_RELAXED);
	if (!entry || entry >> 32 != session >> 32 ||
	    (uint16_t)(minute() - (uint16_t)entry) > SESSION_MINUTES)
		return false;
	out->provider = entry >> 24 & 0xff;
	out->key = entry >> 16 & 0xff;
	return true;
}

void affinity_keep(const struct config *c, uint64_t session, struct affinity a)
{
	uint64_t *slot = session ? slot_of(c, session) : NULL;

	if (slot && a.provider < 0xff)
		__atomic_store_n(slot,
				 session >> 32 << 32 | a.provider << 24 | (a.key & 0xff) << 16 |
					 minute(),
				 __ATOMIC_RELAXED);
}

/* ---- keys ---- */

static struct key_ring *ring_of(const struct key_walk *w)
{
	return w->provider->api_key.ring;
}

void key_walk_begin(struct key_walk *w, const struct provider_config *p, uint64_t session,
		    size_t preferred)
{
	struct key_ring *ring = p->api_key.ring;

	*w = (struct key_walk){ .provider = p, .key = API_KEYS_MAX };
	if (!ring)
		return;
	if (preferred < ring->n)
		w->first = preferred;
	else if (session)
		w->first = (session >> 16) % ring->n;
	else
		w->first = __atomic_fetch_add(&ring->turn, 1, __ATOMIC_RELAXED) % ring->n;
}

static uint64_t rests_until(const struct key_ring *ring, size_t i)
{
	return __atomic_load_n(&ring->rests_until_ms[i], __ATOMIC_RELAXED);
}

/* The first from `first` on that does not rest; once, else, the one that is free first. API_KEYS_MAX: none is left. */
static size_t choose(const struct key_walk *w)
{
	const struct key_ring *ring = ring_of(w);
	size_t soonest = API_KEYS_MAX;
	uint64_t now = turn_ms();

	for (size_t k = 0; k < ring->n; k++) {
		size_t i = (w->first + k) % ring->n;

		if (w->tried >> i & 1)
			continue;
		if (rests_until(ring, i) <= now)
			return i;
		if (soonest == API_KEYS_MAX || rests_until(ring, i) < rests_until(ring, soonest))
			soonest = i;
	}
	return w->tried ? API_KEYS_MAX : soonest;
}

bool key_walk_has_more(const struct key_walk *w)
{
	return ring_of(w) && choose(w) != API_KEYS_MAX;
}

const struct provider_config *key_walk_next(struct key_walk *w, struct arena *a)
{
	const struct key_ring *ring = ring_of(w);
	struct provider_config *p;

	error_clear();
	if (!ring) {
		p = w->tried ? NULL : (struct provider_config *)(uintptr_t)w->provider;
		w->tried = 1;
		return p;
	}
	w->key = choose(w);
	if (w->key == API_KEYS_MAX)
		return NULL;
	w->tried |= UINT64_C(1) << w->key;
	p = arena_new(a, struct provider_config);
	if (!p)
		return NULL;
	*p = *w->provider;
	p->api_key = ring->keys[w->key];
	return p;
}

/* How long the key rests after this; 0: it is not at fault. */
static uint64_t rest_ms(const struct error *e)
{
	switch (e->upstream_status) {
	case 401:
	case 403: return e->retry_after_ms > 0 ? (uint64_t)e->retry_after_ms : REST_REFUSED_MS;
	case 429: return e->retry_after_ms >= 0 ? (uint64_t)e->retry_after_ms : REST_LIMITED_MS;
	default: return 0;
	}
}

bool key_walk_failed(struct key_walk *w, const struct error *e)
{
	struct key_ring *ring = ring_of(w);
	uint64_t ms = ring && w->key < ring->n ? rest_ms(error_leaf(e)) : 0;
	bool refused = ms || error_leaf(e)->upstream_status == 429;

	if (!ring || w->key >= ring->n || !refused)
		return false;
	__atomic_store_n(&ring->rests_until_ms[w->key], turn_ms() + ms, __ATOMIC_RELAXED);
	METRIC_ADD(&rested, 1, model_label(w->provider->model), w->provider->name);
	log_warn("route", "a key rests: the upstream refused it",
		 LB("model", w->provider->model->name), LB("provider", w->provider->name),
		 LI("key_number", w->key + 1), LI("status", error_leaf(e)->upstream_status),
		 LI("ms", ms));
	return key_walk_has_more(w);
}
