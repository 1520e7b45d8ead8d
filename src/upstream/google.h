/* What the types of Google's APIs share: keys, addresses, words (providers-others §3, §9.1). */
#ifndef SIGNET_UPSTREAM_GOOGLE_H
#define SIGNET_UPSTREAM_GOOGLE_H

#include "upstream/provider_type.h"
#include "wire/gemini/gemini.h"
#include "wire/google_error.h"

/* Key `api_base`: provider_config.endpoint, without a slash at its end. `into` is the provider. */
void google_read_api_base(struct loader *, struct toml *, struct bytes path, void *into);
/* Key `include_thoughts`: an enum gemini_thoughts. */
void google_read_thoughts(struct loader *, struct toml *, struct bytes path, void *into);
extern const char *const google_schema_keys[]; /* of key `schema_keys` */

/* "‹base›/‹path›:‹method›", of what stands in a path as it is, the rest escaped. -1: out of memory. */
int google_url(struct bytes base, struct bytes path, struct bytes method, struct arena *,
	       struct bytes *url);
/* content-type, and what the answer shall be. */
int google_headers(const struct inference *, const struct call_context *, struct header_list *);

/* ---- of the row ---- */

extern const int google_client_statuses[];
struct bytes google_status_text(int status, struct bytes reason, struct bytes body,
				struct bytes request_id, bool stream, struct arena *);
#define GOOGLE_WORDS                                                                     \
	{                                                                                \
		.send = B("Error sending request: "), .send_kind = ERR_INFERENCE_CLIENT, \
		.fatal_stream = true, .body = B("Error parsing text response: "),        \
	}

#endif
