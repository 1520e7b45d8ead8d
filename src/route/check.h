/*
 * The checks of http-api §9 that follow the resolution of a *model* (functions have their own), to be called in
 * their places: `input` is step 6 (json_mode tool and its tool `respond`, templates, which a model has none
 * of), `tools` is step 9 (duplicates, unknown names). -1: error set.
 */
#ifndef SIGNET_ROUTE_CHECK_H
#define SIGNET_ROUTE_CHECK_H

#include "base/ids.h"
#include "config/config.h"
#include "inference/envelope.h"

int check_input(struct envelope *, struct arena *);
int check_tools(struct envelope *);
/* A model of a namespace takes requests of that one only. -1: ERR_INVALID_REQUEST. */
int check_namespace(const struct envelope *, const struct model_config *);
/* An episode id of a client (http-api §5.4), checked, or a new one if `text` is unset. -1: ERR_INVALID_UUID,
 * ERR_INVALID_EPISODE. */
int episode_id(struct bytes text, struct uuid *out);

#endif
