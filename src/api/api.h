/*
 * HTTP routes. router.c finds the route, sets the headers that every answer carries (x-tensorzero-gateway-version,
 * x-request-id, request-id) and answers unknown paths, wrong methods and malformed requests in the path's shape of
 * errors. A surface is a row of its own file (surface.h), walked by answer.c; the other routes have handlers here.
 */
#ifndef SIGNET_API_API_H
#define SIGNET_API_API_H

#include "api/app.h"
#include "base/error.h"
#include "upstream/upstream.h"

/* router.c */
void api_handle(struct exchange *); /* http_server_options.handler */
void api_malformed(struct exchange *, int status, const char *, struct buf *); /* .malformed */
void api_done(struct exchange *); /* .done: metrics, access log */
/* "req_‹32 hex›", set by api_handle(); for logs and the record. */
struct bytes api_request_id(const struct exchange *);
/* The inference's: that of the request, so that who was given the one finds the other. */
struct uuid api_inference_id(const struct exchange *);
/* Of a list with commas at most `max` bytes, no name cut. */
struct bytes api_whole_names(struct bytes list, size_t max);
/* A pass-through answer keeps the upstream's own id in request-id; x-request-id is ours (surfaces §1.5). */
void api_keep_upstream_id(struct exchange *, struct bytes id);
/* A header of the answer that was set already; unset: it was not. */
struct bytes api_header_set(const struct exchange *, struct bytes name);
/* Whether a value may stand in a header: model names of a configuration, ids of an upstream may be anything. */
bool api_header_fits(struct bytes value);
/* What the upstream says to a client of its own family goes out. */
int api_returned_headers(struct exchange *, const struct attempt *);
/* What stands in the place of {id} in the route's pattern, percent-decoded; unset: the pattern has none. */
struct bytes api_path_id(const struct exchange *);

static inline struct app *api_app(const struct exchange *x)
{
	return ((struct worker *)x->user)->app;
}

/* The configuration that the exchange began with, whatever is reloaded meanwhile. It lives as long as the exchange. */
static inline const struct config *api_config(const struct exchange *x)
{
	return x->held ? x->held : ((struct worker *)x->user)->config;
}

/* models.c */
http_handler api_models;

/* messages.c */
http_handler api_count_tokens;

/* ui.c */
http_handler api_ui;
http_handler
	api_pages; /* of the listener of [ui] bind_address: pages at /, and what they ask for */

/* ops.c */
http_handler api_health, api_status, api_metrics;
http_handler api_probe; /* HEAD /: clients warm their connection up with it */

#endif
