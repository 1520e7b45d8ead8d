/*
 * The shape of OpenAI's answers: what its schema requires of a chunk and of a whole answer (surfaces §1.6, Repair). What
 * has the shape goes out as it came; what has not is printed anew with the least that makes it readable, unknown
 * members and all. The schema is that of the official clients' own models: a member that these may do without is not
 * required.
 */
#ifndef SIGNET_WIRE_OPENAI_CHAT_SHAPE_H
#define SIGNET_WIRE_OPENAI_CHAT_SHAPE_H

#include "base/json.h"
#include "base/pen.h"
#include "inference/inference.h"

/* What the reader made of one of its choices, for what cannot be read off the document alone. */
struct shape_choice {
	yyjson_val *json;
	unsigned index;
	/* of a chunk; `first`: the reader's */
	const struct part *parts;
	size_t first, nparts;
	const struct result *result; /* of a whole answer */
};

bool shape_is_chunk(yyjson_val *root);
bool shape_is_answer(yyjson_val *root);
bool shape_is_usage(yyjson_val *usage);

/* The document with what is missing or wrong set right. `id`, `model` and `created` that are missing are "", "" and 0,
 * which whoever edits these members replaces. The pen remembers a lack of room. */
void shape_mend_chunk(struct pen *, yyjson_val *root, const struct shape_choice *, size_t n);
void shape_mend_answer(struct pen *, yyjson_val *root, const struct shape_choice *, size_t n);
/* An element's index, which is its place among the objects where it says none. */
uint64_t shape_index(yyjson_val *element, size_t place);

#endif
