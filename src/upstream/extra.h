/*
 * extra_body and extra_headers on a finished provider request (config §2.19, http-api §8).
 */
#ifndef SIGNET_UPSTREAM_EXTRA_H
#define SIGNET_UPSTREAM_EXTRA_H

#include "inference/inference.h"
#include "net/http_client.h"

/* Which entries of a request's list hold for this attempt. */
struct extra_scope {
	struct bytes variant_name, model_name, provider_name;
	/* Profile tensorzero: a removed member's place is taken by the last one, as in TensorZero's bodies; else the
	 * others keep their order. */
	bool fill_with_last;
};

/* Whether any entry of the list holds. */
bool extras_apply(const struct extras *, const struct extra_scope *);

/* Replaces *body (JSON) by the edited text, in the arena. The provider's list first, then the request's.
 * -1: ERR_EXTRA_BODY. */
int extra_body_apply(struct bytes *body, const struct extras *provider,
		     const struct extras *request, const struct extra_scope *, struct arena *);

/* A growing list of headers; a name stands there once. */
struct header_list {
	struct http_header *at;
	size_t len, cap;
};
int header_set(struct header_list *, struct bytes name, struct bytes value, struct arena *);
int extra_headers_apply(struct header_list *, const struct extras *provider,
			const struct extras *request, const struct extra_scope *, struct arena *);

#endif
