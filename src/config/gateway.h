/* [gateway] and TensorZero's other top-level tables but models. */
#ifndef SIGNET_CONFIG_GATEWAY_H
#define SIGNET_CONFIG_GATEWAY_H

#include "config/read.h"

extern const struct table gateway_table; /* fills struct config */
void read_object_storage(struct loader *, struct toml *, struct bytes path, void *into);
void read_postgres(struct loader *, struct toml *, struct bytes path, void *into);
void read_rate_limiting(struct loader *, struct toml *, struct bytes path, void *into);

#endif
