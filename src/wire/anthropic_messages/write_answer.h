/* Shared by write_answer.c (plain answers) and write_events.c (streams). */
#ifndef SIGNET_WIRE_ANTHROPIC_WRITE_ANSWER_H
#define SIGNET_WIRE_ANTHROPIC_WRITE_ANSWER_H

#include "base/pen.h"
#include "wire/anthropic_messages/anthropic_messages.h"

/* "msg_…" with quotes. */
void messages_put_id(struct pen *, const struct answer *);
/* The value of `usage`; what is not known of the input is estimated. `details`: with what was thought. */
void messages_put_usage(struct pen *, const struct answer *, const struct usage *, bool details);
/* `"stop_reason":…,"stop_sequence":…` */
void messages_put_stop(struct pen *, const struct result *, bool called);
/* A thought's seal as a JSON string: bare to a client of the family that it is of, else in an envelope. */
void messages_put_seal(struct pen *, const struct answer *, const struct block *thought);
bool messages_is_blank(struct bytes text);

#endif
