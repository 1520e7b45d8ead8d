/* What an answer rests on, in OpenAI's words: `url_citation` of the texts that Anthropic gives citations with (surfaces §6.5). */
#ifndef SIGNET_WIRE_CITATIONS_H
#define SIGNET_WIRE_CITATIONS_H

#include "base/json.h"
#include "base/pen.h"

#define CITATIONS_MAX \
	(1u << 20) /* bytes of an answer's annotations; what comes after is left out */

/* Unicode code points, which OpenAI counts places in. */
uint64_t citations_chars(struct bytes text);
/* One citation as an element of a list that `out` is inside of: `{…}`, after a comma where it is not the first. Those without
 * a URL (of documents) have no form there, and what has no room is left out. -1: out of memory. */
int citations_add(struct buf *out, yyjson_val *citation, uint64_t start, uint64_t end);

#endif
