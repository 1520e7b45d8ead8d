/*
 * The developer API of rust-proxy (spec/rust-proxy.md): a flattened conversation in, events out.
 * The provider's side only; it has no client surface. Pure.
 */
#ifndef SIGNET_WIRE_DEVELOPER_API_H
#define SIGNET_WIRE_DEVELOPER_API_H

#include "wire/wire.h"

extern const struct wire wire_developer_api;

/* Keys of the provider that stand in the body: dialect.options of this wire. */
struct developer_api_options {
	struct bytes search_mode, language, plugin_for;
	bool is_expert;
	bool last_user; /* message_style = "last_user" */
	bool estimate_usage;
};

/* Most that one request's `content` may be: what a body may be. */
#define DEVELOPER_API_MAX_CONTENT (100u << 20)

/* `content` of a finished body (extra_body applied): what the signature covers. Unset: there is none.
 * Unescaped into the arena. */
struct bytes developer_api_content(struct bytes body, struct arena *);

/* Model discovery: one item of the list. */
struct developer_api_model {
	struct bytes display_name, name, type; /* type: base, freeTrial, premium */
	bool is_new;
	int64_t usage_left; /* -1: not said */
};
/* A bare array or {"data":[…]}. -1: not that. */
int developer_api_read_models(struct bytes body, struct arena *, struct developer_api_model **out,
			      size_t *n);

#endif
