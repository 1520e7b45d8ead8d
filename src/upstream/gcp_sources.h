/* Where an access token of Google's comes from (providers-others §8). */
#ifndef SIGNET_UPSTREAM_GCP_SOURCES_H
#define SIGNET_UPSTREAM_GCP_SOURCES_H

#include "upstream/token_cache.h"

/* What a token is asked of and for, as the one text that the cache knows it by. */
struct gcp_wanted {
	struct bytes
		document; /* a credentials file's contents; unset: application default credentials */
	struct bytes
		audience; /* of tokens that a service account signs itself: "https://‹host›/" */
	bool exchange;    /* a service account's token is exchanged at its token server */
};
/* Unset: out of memory. */
struct bytes gcp_wanted_text(const struct gcp_wanted *, struct arena *);
/* A token_fetch of such a text. `beside` is the quota project, if one is set. */
int gcp_fetch(struct bytes what, struct http_client *, struct arena *, struct token *out);
/* Whether a document is one of the kinds that gcp_fetch() knows, with all its members and a key that signs. Does not wait. -1:
 * ERR_CONFIG, without a secret: "missing private_key_id". */
int gcp_document_check(struct bytes document);

#endif
