/*
 * What the answers of all requests together hold while they are read and recorded (`[server] answer_memory_mib`). Who finds no
 * room waits or does without; one at a time goes on all the same, so that a crowd of half-read answers never stands still.
 * Any thread; nothing here waits.
 */
#ifndef SIGNET_BASE_ANSWER_MEMORY_H
#define SIGNET_BASE_ANSWER_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANSWER_ROOM_WAIT_MS 5000 /* how long an answer is waited with for room */

struct answer_hold {
	size_t n;
};

void answer_memory_limit(size_t bytes); /* 0, as at start: none */
/* Takes so much more. False: there is no room now. */
bool answer_hold_take(struct answer_hold *, size_t bytes);
void answer_hold_give(struct answer_hold *); /* all of it */
bool answer_memory_full(void);
uint64_t answer_memory_bytes(void);

#endif
