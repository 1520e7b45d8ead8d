/* Who called: the client's user, session, agent and program, as tags (surfaces §1.8). */
#ifndef SIGNET_API_CLIENTS_H
#define SIGNET_API_CLIENTS_H

#include "config/config.h"
#include "inference/envelope.h"
#include "net/http_server.h"

/* Adds the tags signet::user, ::session, ::agent, ::parent_agent, ::client and ::surface to the envelope's own, which
 * win. -1: out of memory. */
/* The tag of the API key that the request came with, as TensorZero has it. -1: out of memory. */
int clients_attribute_key(const struct exchange *, struct envelope *);
int clients_attribute(const struct exchange *, struct envelope *, struct bytes surface);

/* Which requests belong together, as [routing] affinity has it (route/keys.h); 0: none is known. */
uint64_t clients_belong(const struct exchange *, const struct config *, struct bytes model,
			const struct envelope *);

#endif
