/* What each key was used for, from the record: the column "30 days" of the keys' page (ui §4.11, §5). */
#ifndef SIGNET_API_KEY_USE_H
#define SIGNET_API_KEY_USE_H

#include "net/http_server.h"
#include "store/keys.h"

struct key_use {
	bool known;         /* the record had time to say it */
	uint64_t n, tokens; /* requests; tokens in and out */
	uint64_t priced;    /* requests whose cost is known */
	int64_t cost_nano;  /* of these, in billionths of a dollar */
};

/* Fills out[i] for keys[i], whole hours back to 30 days. What cannot be read stays unknown. Waits. */
void key_use_read(struct exchange *, const struct key_facts *keys, size_t n, struct key_use *out);

#endif
