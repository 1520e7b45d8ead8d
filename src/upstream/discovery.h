/*
 * Model discovery of rust-proxy (spec/rust-proxy.md "Model discovery"): which models the developer API
 * offers, by its quota. The list is fetched on first use, kept 60 s, refreshed behind the requests.
 */
#ifndef SIGNET_UPSTREAM_DISCOVERY_H
#define SIGNET_UPSTREAM_DISCOVERY_H

#include "upstream/provider_type.h"

/* Decides whether the provider's model may be called and gives the name to send (short names map to the
 * one listed name that begins with it). Without discovery configured it does nothing. Waits for the first
 * list. -1: ERR_INVALID_REQUEST "Model 'X' is not available or has no usage left". */
int discovery_admit(const struct provider_config *, const struct call_context *,
		    struct bytes *model_name);

/* Usable discovered model names over all providers of the configuration, in the arena; never asks an
 * upstream. */
int discovery_models(const struct config *, struct arena *, struct bytes **names, size_t *n);

#endif
