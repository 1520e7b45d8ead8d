/* Shared by write_answer.c (plain answers) and write_events.c (streams). */
#ifndef SIGNET_WIRE_ANTHROPIC_WRITE_ANSWER_H
#define SIGNET_WIRE_ANTHROPIC_WRITE_ANSWER_H

#include "base/pen.h"
#include "wire/anthropic_messages/anthropic_messages.h"

/* "msg_…" with quotes. */
void messages_put_id(struct pen *, const struct answer *);
/* All members are there that the API's schema requires: null where nothing is known. The value of `usage`, as a message has
 * it, and as a stream's end has it; what is not known of the input is estimated. */
void messages_put_usage(struct pen *, const struct answer *, const struct usage *,
			struct bytes service_tier);
void messages_put_end_usage(struct pen *, const struct answer *, const struct usage *);
/* `"stop_reason":…,"stop_sequence":…,"stop_details":…,"container":null` */
void messages_put_stop(struct pen *, const struct result *, bool called);
/* A thought's seal as a JSON string: bare to a client of the family that it is of, else in an envelope. */
void messages_put_seal(struct pen *, const struct answer *, const struct block *thought);
bool messages_is_blank(struct bytes text);

#endif
