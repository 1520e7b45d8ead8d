/* Signing one attempt: nonce, time, the signer's four arguments, and the headers it adds. */
#ifndef SIGNET_UPSTREAM_SIGNING_H
#define SIGNET_UPSTREAM_SIGNING_H

#include "upstream/extra.h"
#include "upstream/upstream.h"

/*
 * Sets the signer's headers on `l`, over what stands there, with a fresh nonce and timestamp. Waits (a large
 * body is signed off the loop). -1: ERR_SIGNER "Signing failed: REASON", ERR_API_KEY_MISSING for a dynamic
 * device id. No signer: does nothing.
 */
int sign_attempt(const struct provider_config *, const struct call_context *, struct bytes method,
		 struct bytes url, struct bytes target, struct bytes body, struct header_list *l,
		 struct sign_facts *);

#endif
