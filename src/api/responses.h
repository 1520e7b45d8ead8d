/* The Responses API between requests (surfaces §4.5): what an answer is kept as, found again and shown. */
#ifndef SIGNET_API_RESPONSES_H
#define SIGNET_API_RESPONSES_H

#include "api/surface.h"

/* What a request brought along, and what its answer is kept with. In the request's arena. */
struct responses_state {
	size_t earlier;   /* items in front of the request's own */
	struct bytes key; /* public id of the caller's; unset: none */
	uint64_t days;    /* for so long it is kept */
};

/* Of struct surface. */
int responses_begin(struct exchange *, struct bytes *body, void **kept);
int responses_add_rows(const struct answer *, const struct wire_writer *, const struct result *,
		       struct record *);

/* GET and DELETE /v1/responses/{id}, GET /v1/responses/{id}/input_items. */
void api_response_get(struct exchange *);
void api_response_delete(struct exchange *);
/* POST /v1/responses/input_tokens; what else is posted below /v1/responses: 404. */
void api_response_tokens(struct exchange *);
void api_response_post(struct exchange *);
/* GET /v1/responses, with an upgrade: the API's own WebSocket (responses_socket.c). */
void api_responses_upgrade(struct exchange *);

#endif
