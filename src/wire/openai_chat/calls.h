/*
 * The calls of one stream: which of them a fragment belongs to (providers-openai §2.11). Fragments name their call by id,
 * by index, by both or by neither, and servers get it wrong in every possible way.
 */
#ifndef SIGNET_WIRE_OPENAI_CHAT_CALLS_H
#define SIGNET_WIRE_OPENAI_CHAT_CALLS_H

#include "base/arena.h"
#include "base/ids.h"

#define MAX_CALLS 128

struct call {
	bool has_index, made, has_arguments, custom;
	unsigned choice;
	size_t touched;        /* when it was last: a number that grows */
	uint64_t index, shown; /* the upstream's, the client's: no two calls have the same */
	struct bytes id, name; /* name: all parts that came */
};

/* One entry of delta.tool_calls. */
struct entry {
	bool has_index, custom;
	uint64_t index;
	struct bytes id, name, arguments; /* "" and unset are the same */
};

struct call_table {
	struct arena *arena;
	struct uuid id;  /* seed of generated ids */
	unsigned choice; /* whose calls are meant; set before each use */
	struct call *at;
	size_t len, cap, touches;
};

/* The call that the entry belongs to, a new one perhaps. NULL: too many (*full), none that it could belong to (*lost), or
 * out of memory. */
struct call *call_resolve(struct call_table *, const struct entry *, bool *full, bool *lost);

#endif
