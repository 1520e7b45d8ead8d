/* A hash map from bytes to pointers. Keys are not copied: they must outlive the map. */
#ifndef SIGNET_BASE_MAP_H
#define SIGNET_BASE_MAP_H

#include "base/bytes.h"

struct map_slot {
	struct bytes key;
	void *value; /* NULL = free slot */
	uint64_t hash;
};

struct map {
	struct map_slot *slots;
	size_t len, cap;
};

void map_init(struct map *);
void map_deinit(struct map *);
void *map_get(const struct map *, struct bytes key);      /* NULL: not there */
int map_put(struct map *, struct bytes key, void *value); /* replaces; -1: ERR_OUT_OF_MEMORY */
void *map_remove(struct map *, struct bytes key);         /* what was there, or NULL */
/* Takes out, in no order, all values for which `drop` says so; it may free them, and their keys. */
void map_sweep(struct map *, bool (*drop)(void *value, void *arg), void *arg);

uint64_t hash_bytes(struct bytes); /* seeded once a process */

#endif
