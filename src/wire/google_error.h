/* The error object of Google's APIs, in bodies and inside of streams (providers-others §9.7, §12.2). Pure. */
#ifndef SIGNET_WIRE_GOOGLE_ERROR_H
#define SIGNET_WIRE_GOOGLE_ERROR_H

#include "base/json.h"
#include "wire/wire.h"

/*
 * Fills upstream_code (the status, "RESOURCE_EXHAUSTED", or the reason of a refused key, "API_KEY_INVALID"), upstream_message
 * and retry_after_ms of an error from {"error":{…}}, also the first of a list. What has another form is read as
 * wire_read_error_body() reads it. Strings go into the arena.
 */
void google_read_error(struct error *, struct bytes body, struct arena *);
/* Of a document that came as an answer: 0: it is no error, nor a list or a bare text; -1: it is, and the error is set, of a
 * stream a fatal one. */
int google_fail(yyjson_val *document, struct bytes provider_type, bool stream, struct arena *);

#endif
