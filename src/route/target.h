/* From the name in a request to what answers it (http-api §9.1, §12.2; surfaces §1.2). */
#ifndef SIGNET_ROUTE_TARGET_H
#define SIGNET_ROUTE_TARGET_H

#include "config/shorthand.h"
#include "inference/inference.h"

struct target {
	const struct model_config *model;
	struct bytes variant_name;  /* a model call's one variant bears the model's name */
	struct bytes function_name; /* "tensorzero::default" for a model call */
};

/* prefixed_only: names are TensorZero's. -1: ERR_UNKNOWN_FUNCTION, ERR_INVALID_TARGET, ERR_MODEL_NOT_FOUND (else: 404 with
 * the nearest names, code and param set), ERR_API_KEY_MISSING and others of a shorthand. */
int target_resolve(const struct config *, struct shorthands *, bool prefixed_only,
		   struct bytes name, struct arena *, struct target *);

/* The same among embedding models. -1: ERR_MODEL_NOT_FOUND, what a shorthand lacks. */
int target_resolve_embedding(const struct config *, struct shorthands *, bool tensorzero,
			     struct bytes name, struct arena *, struct target *);

/* The filters of extra_body and extra_headers name things that exist (http-api §8). */
int target_check_filters(const struct config *, const struct target *, const struct inference *);

#endif
