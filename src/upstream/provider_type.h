/*
 * What one provider type adds to upstream.c: its wire, its dialect, its headers, its words for errors.
 * Declared in one table in its own file, listed once in provider_types.c.
 */
#ifndef SIGNET_UPSTREAM_PROVIDER_TYPE_H
#define SIGNET_UPSTREAM_PROVIDER_TYPE_H

#include "upstream/extra.h"
#include "upstream/upstream.h"

struct provider_type {
	enum provider_kind kind;
	const struct wire *wire;
	const struct dialect *dialect; /* the base; upstream.c adds the provider's own keys */
	bool always_streams; /* the upstream answers with events also when asked plainly */
	/* The type's own headers, credentials included. -1: ERR_API_KEY_MISSING, ... */
	int (*headers)(const struct provider_config *, const struct inference *,
		       const struct call_context *, struct header_list *);
	/* Whether this HTTP status is the request's fault (client kind), else the server's. */
	bool (*client_status)(int status);
	/* The inner text of an error for a status that is not 2xx; `body` as it came. */
	struct bytes (*status_text)(int status, struct bytes reason, struct bytes body,
				    struct bytes request_id, bool stream, struct arena *);
	/* Called before each attempt; -1 refuses it (model discovery). May be NULL. Waits. */
	int (*admit)(const struct provider_config *, const struct call_context *,
		     struct bytes *model_name);
};

const struct provider_type *provider_type_of(enum provider_kind); /* never NULL for a valid kind */
/* The format that the provider speaks. */
static inline const struct wire *provider_wire(const struct provider_config *p)
{
	return provider_type_of(p->kind)->wire;
}
extern const struct provider_type provider_openai, provider_rust_proxy;

/* The secret of a location for this request. {NULL, 0} with 0: none is to be sent. -1: ERR_API_KEY_MISSING;
 * `label` is the provider's name in TensorZero's text ("OpenAI"). */
int credential_get(const struct credential *, const struct call_context *, const char *label,
		   struct bytes *out);

#endif
