/* Models that no table names: "openai::gpt-4o" (config §3.3). They stand beside a configuration, which never changes. */
#ifndef SIGNET_CONFIG_SHORTHAND_H
#define SIGNET_CONFIG_SHORTHAND_H

#include "config/config.h"

struct shorthands;

/* Of that configuration, whose own they are (config.c). NULL: out of memory. */
struct shorthands *shorthands_new(const struct config *);
void shorthands_free(struct shorthands *);
/*
 * The model of that name, made on first use and kept for the life of the shorthands (at most 1,000; beyond that in
 * `arena`). NULL: ERR_MODEL_NOT_FOUND if it is no shorthand, ERR_API_KEY_MISSING, ERR_CONFIG, ERR_SIGNER if its
 * environment is not there. Any thread; waits.
 */
struct model_config *shorthand_model(struct shorthands *, struct bytes name, struct arena *);
/* The same of an embedding model. */
struct model_config *shorthand_embedding_model(struct shorthands *, struct bytes name,
					       struct arena *);
/* Whether the name is a shorthand of a provider that is not built yet ("anthropic::x"). */
bool shorthand_is_reserved(struct bytes name);

#endif
