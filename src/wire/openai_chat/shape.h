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

/* What the reader made of its choice, for what cannot be read off the document alone. */
struct shape_parts {
	yyjson_val *choice; /* NULL: there is none */
	const struct part *parts;
	size_t n;
};

bool shape_is_chunk(yyjson_val *root);
bool shape_is_answer(yyjson_val *root);
bool shape_is_usage(yyjson_val *usage);

/* The document with what is missing or wrong set right. `id`, `model` and `created` that are missing are "", "" and 0,
 * which whoever edits these members replaces. The pen remembers a lack of room. */
void shape_mend_chunk(struct pen *, yyjson_val *root, struct shape_parts);
void shape_mend_answer(struct pen *, yyjson_val *root, const struct result *);

#endif
