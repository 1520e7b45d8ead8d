/*
 * What the two files of provider type rust-proxy share: its options, and its list of models (spec/rust-proxy.md "Model
 * discovery"), which is fetched on first use, kept 60 s and refreshed behind the requests.
 */
#ifndef SIGNET_UPSTREAM_RUST_PROXY_H
#define SIGNET_UPSTREAM_RUST_PROXY_H

#include "upstream/provider_type.h"
#include "wire/developer_api/developer_api.h"

struct model_filter {
	struct strings include, exclude; /* types */
	int64_t min_usage_left;          /* -1 unset */
	bool only_new;
};

/* provider_config.options of this type. */
struct rust_proxy_options {
	struct credential device_id, session_id;
	struct bytes os_type, accept_language, models_endpoint;
	struct developer_api_options developer_api;
	struct model_filter filter;
};

/* The headers that a call and a look at the list have in common. -1: ERR_API_KEY_MISSING. */
int rust_proxy_headers(const struct provider_config *, const struct call_context *,
		       struct bytes accept, struct header_list *);

/* Decides whether the provider's model may be called and gives the name to send (short names map to the
 * one listed name that begins with it). Without discovery configured it does nothing. Waits for the first
 * list. -1: ERR_INVALID_REQUEST "Model 'X' is not available or has no usage left". */
int discovery_admit(const struct provider_config *, const struct call_context *,
		    struct bytes *model_name);
/* Adds what the provider's list, as far as it is known, offers; never asks an upstream. */
int discovery_list(const struct provider_config *, struct model_list *);
/* upstream_discovered() of this type. */
int discovery_show(const struct provider_config *, const struct call_context *, bool fetch,
		   struct discovered *);

#endif
