/* Call ids and tool names that OpenAI's chat API takes (surfaces §6.3). Pure functions of their text. */
#ifndef SIGNET_WIRE_OPENAI_CHAT_IDS_H
#define SIGNET_WIRE_OPENAI_CHAT_IDS_H

#include "inference/inference.h"

#define CHAT_ID_MAX   40
#define CHAT_NAME_MAX 64

/* The id itself, or a shortened one in `out` if it is longer than 40 bytes. */
struct bytes chat_id(struct bytes id, char out[CHAT_ID_MAX]);
bool chat_name_fits(struct bytes name); /* ^[a-zA-Z0-9_-]{1,64}$ */
/* The name itself, or one that fits, in `out`. */
struct bytes chat_name(struct bytes name, char out[CHAT_NAME_MAX]);
/* Whether any tool of the request goes out under another name. */
bool chat_names_mapped(const struct inference *);
/* The client's name of the tool that went out as `name`; `name` itself if none did. */
struct bytes chat_name_back(const struct inference *, struct bytes name);
/* "call_" and 8 hex digits, of the model inference's id and a position (providers-openai §2.11). */
struct bytes chat_id_made(struct uuid, size_t position, char out[16]);

#endif
