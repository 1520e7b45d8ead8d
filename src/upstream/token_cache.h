/*
 * Tokens that are good for a while, such as a cloud's access tokens: fetched once for whoever waits, on whatever worker, and
 * again in the background before they end. The process has one cache.
 */
#ifndef SIGNET_UPSTREAM_TOKEN_CACHE_H
#define SIGNET_UPSTREAM_TOKEN_CACHE_H

#include "net/http_client.h"

struct token {
	struct bytes text;
	struct bytes beside; /* what goes with it; unset: nothing */
	uint64_t lifetime_ms;
};

/* Fetches the token of `what`, in a fiber of its own with a deadline, texts in the arena. Waits. -1: error set. */
typedef int token_fetch(struct bytes what, struct http_client *, struct arena *, struct token *out);

/*
 * The token of `what`, a text that holds all that fetching it needs and stands for it in the cache (as a hash). Texts are
 * copied into the arena. Waits only where none is there that is good. -1: the error of the fetch, cancelled, past the
 * fiber's deadline.
 */
int token_get(token_fetch *, struct bytes what, struct http_client *, struct arena *,
	      struct token *out);
/* It was refused: nobody gets it any more. */
void token_drop(struct bytes what);

/* When a token of that lifetime ends, and from when on it is fetched anew, if it came at `now`: five minutes before, or at half
 * of a short life. All in ms. */
struct token_times {
	uint64_t ends, refresh;
};
struct token_times token_times_of(uint64_t lifetime_ms, uint64_t now_ms);

#endif
