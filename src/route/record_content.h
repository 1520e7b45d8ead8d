/* What [record] content leaves of a body (storage §6.10): all of it, nothing, or its SHA-256. Pure. */
#ifndef SIGNET_ROUTE_RECORD_CONTENT_H
#define SIGNET_ROUTE_RECORD_CONTENT_H

#include "base/pen.h"
#include "config/config.h"

#define CONTENT_TEXT (7 + 64 + 1) /* "sha256:", digits, NUL */

/* The forms that readers of a row expect where no body is. */
enum content_form { FORM_INPUT, FORM_MESSAGES, FORM_BLOCKS, CONTENT_FORMS };

/* The text as it may be kept; `room` holds what stands for it. Unset stays unset. */
struct bytes content_text(const struct config *, struct bytes text, char room[CONTENT_TEXT]);
/* Of a JSON body that was printed from `from` to the pen's end. */
void content_json(const struct config *, struct pen *, size_t from, enum content_form);

#endif
