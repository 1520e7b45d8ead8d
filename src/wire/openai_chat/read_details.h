/* Thoughts as they come: as details with signatures, as parts of `content` (providers-openai §3.6, §3.8). */
#ifndef SIGNET_WIRE_OPENAI_CHAT_READ_DETAILS_H
#define SIGNET_WIRE_OPENAI_CHAT_READ_DETAILS_H

#include "base/json.h"
#include "wire/wire.h"

/* One entry of `reasoning_details` as the part of a thought, at its place in the list. Parts of one index are one thought,
 * but for what is encrypted. false: out of memory. */
bool chat_read_detail(yyjson_val *detail, size_t place, const struct dialect *, struct arena *,
		      struct part *out);
/* The text of a part of type `thinking`; unset: it is none, or out of memory. */
struct bytes chat_thinking_text(yyjson_val *part, struct arena *);
/* The id of a thought's parts. */
struct bytes chat_thought_id(const struct dialect *);

#endif
