/*
 * Open addressing with linear probing at a load of at most 3/4; removal shifts the followers back, so there
 * are no tombstones and a map that sees many names come and go does not slow down. The hash multiplies
 * 64 x 64 -> 128 bits and folds, with a seed that is new in each process: names come from clients, who must
 * not be able to choose collisions.
 */
#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/ids.h"

#define FIRST_CAP 8

static uint64_t seed[2];
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void seed_make(void)
{
	random_bytes(seed, sizeof(seed));
}

static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t load(const char *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return v;
}

uint64_t hash_bytes(struct bytes b)
{
	uint64_t h;
	const char *p = b.p;
	size_t n = b.n;

	pthread_once(&seed_once, seed_make);
	h = seed[0] ^ n;
	for (; n > 16; p += 16, n -= 16)
		h = fold(load(p, 8) ^ seed[1] ^ 0xa0761d6478bd642fu, load(p + 8, 8) ^ h);
	if (n > 8)
		h = fold(load(p, 8) ^ seed[1], load(p + 8, n - 8) ^ h);
	else if (n)
		h = fold(load(p, n) ^ seed[1], h ^ 0xe7037ed1a0b428dbu);
	return fold(h ^ 0x8ebc6af09c88c6e3u, seed[1] ^ 0x589965cc75374cc3u);
}

void map_init(struct map *m)
{
	*m = (struct map){ 0 };
}

void map_deinit(struct map *m)
{
	free(m->slots);
	*m = (struct map){ 0 };
}

/* The slot that holds the key, or the free one where it would go. There is always a free one. */
static struct map_slot *slot_of(const struct map *m, struct bytes key, uint64_t hash)
{
	size_t mask = m->cap - 1, i = (size_t)hash & mask;

	while (m->slots[i].value && (m->slots[i].hash != hash || !bytes_eq(m->slots[i].key, key)))
		i = (i + 1) & mask;
	return &m->slots[i];
}

void *map_get(const struct map *m, struct bytes key)
{
	return m->len ? slot_of(m, key, hash_bytes(key))->value : NULL;
}

static int grow(struct map *m)
{
	size_t cap = m->cap ? m->cap * 2 : FIRST_CAP;
	struct map bigger = { .cap = cap, .len = m->len };

	bigger.slots = calloc(cap, sizeof(*bigger.slots));
	if (!bigger.slots)
		return fail(ERR_OUT_OF_MEMORY, "no memory for a table of %zu names", cap);
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i].value)
			*slot_of(&bigger, m->slots[i].key, m->slots[i].hash) = m->slots[i];
	free(m->slots);
	*m = bigger;
	return 0;
}

int map_put(struct map *m, struct bytes key, void *value)
{
	uint64_t hash = hash_bytes(key);
	struct map_slot *slot;

	if (!value)
		return map_remove(m, key), 0;
	if (m->len + 1 > m->cap / 4 * 3 && grow(m))
		return -1;
	slot = slot_of(m, key, hash);
	if (!slot->value)
		m->len++;
	*slot = (struct map_slot){ key, value, hash };
	return 0;
}

/* Closes the gap at i: a follower moves back unless that would put it before its own place. */
static void close_gap(struct map *m, size_t i)
{
	size_t mask = m->cap - 1;

	for (size_t j = (i + 1) & mask; m->slots[j].value; j = (j + 1) & mask) {
		size_t home = (size_t)m->slots[j].hash & mask;

		if (((j - home) & mask) < ((j - i) & mask))
			continue;
		m->slots[i] = m->slots[j];
		i = j;
	}
	m->slots[i] = (struct map_slot){ 0 };
}

void *map_remove(struct map *m, struct bytes key)
{
	struct map_slot *slot;
	void *value;

	if (!m->len)
		return NULL;
	slot = slot_of(m, key, hash_bytes(key));
	value = slot->value;
	if (!value)
		return NULL;
	close_gap(m, (size_t)(slot - m->slots));
	m->len--;
	return value;
}

void map_sweep(struct map *m, bool (*drop)(void *value, void *arg), void *arg)
{
	size_t i = 0;

	while (i < m->cap) {
		if (!m->slots[i].value || !drop(m->slots[i].value, arg)) {
			i++;
			continue;
		}
		close_gap(m, i); /* a follower may stand here now */
		m->len--;
	}
}
