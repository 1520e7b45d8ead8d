/* Call ids and tool names that each API takes (surfaces §6.3, providers-others §2.3, §12.3). Pure functions of their text. */
#ifndef SIGNET_WIRE_CALL_IDS_H
#define SIGNET_WIRE_CALL_IDS_H

#include "inference/inference.h"

/* What an API takes as an id or a name: at most `max` bytes, of [a-zA-Z0-9_-]. */
struct id_rule {
	size_t max;
	bool any;          /* of any bytes, or none; a cut stays between characters */
	bool dots;         /* dots, too */
	bool letter_first; /* begins with a letter or '_' */
	bool exact;        /* `max` letters and digits, no more and no fewer */
};

#define ID_ROOM 128 /* of a mapped one; no rule has a longer `max` */

extern const struct id_rule id_openai_chat, id_openai_responses, id_anthropic, id_nine;
extern const struct id_rule name_openai, name_anthropic, name_bedrock, name_gemini;

bool id_fits(const struct id_rule *, struct bytes id);
/* The id itself, or one that fits and tells others apart, in `out`: bad bytes as '_', cut, '_' and 8 hex digits of SHA-256;
 * by an exact rule digits of it alone. */
struct bytes id_mapped(const struct id_rule *, struct bytes id, char out[ID_ROOM]);
/* Whether any tool of the request goes out under another name. */
bool names_mapped(const struct id_rule *, const struct inference *);
/* The client's name of the tool that went out as `name`; `name` itself if none did. */
struct bytes name_back(const struct id_rule *, const struct inference *, struct bytes name);
/* "call_" and 8 hex digits, of the model inference's id and a position (providers-openai §2.11). */
struct bytes call_id_made(struct uuid, size_t position, char out[16]);

#endif
