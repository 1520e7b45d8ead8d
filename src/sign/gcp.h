/*
 * Google's signed tokens (providers-others §8): a JSON Web Token, RS256, that a service account's own key signs. Pure: key and
 * clock are arguments. Signing takes about a millisecond: not on a loop's thread.
 */
#ifndef SIGNET_SIGN_GCP_H
#define SIGNET_SIGN_GCP_H

#include "base/bytes.h"

#define GCP_JWT_S 3600 /* how long one is good */

struct gcp_claims {
	struct bytes key_id, email;
	struct bytes
		audience; /* "https://‹host›/", or the address of a token server; unset: none */
	struct bytes scope; /* unset: none */
	bool subject;       /* `sub`, too: of a token that is used as it is, not exchanged */
	uint64_t now_s;     /* Unix time */
};

/* Appends the token. The key is PEM; its line ends may be CRLF, or escaped once more than they should ("\\n"). -1: ERR_CONFIG
 * "private_key failed to parse as RSA", or no room. */
int gcp_jwt(struct bytes private_key, const struct gcp_claims *, struct buf *out);
/* Whether it could sign. -1: as above. */
int gcp_key_check(struct bytes private_key);

#endif
