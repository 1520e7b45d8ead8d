/*
 * Stop sequences at a provider whose API has none (surfaces §5.2, §6.1; wire.no_stop): it says on, and its text is cut before the
 * first of them here. The first is the one that is whole first, however the text comes in pieces. Pure.
 *
 * The rest of the upstream's stream is still read, though nothing of it goes on: usage stands in its last event, and with it what
 * the answer costs. Who reads it sets the time that this may take.
 */
#ifndef SIGNET_UPSTREAM_STOP_CUT_H
#define SIGNET_UPSTREAM_STOP_CUT_H

#include "inference/inference.h"

#define STOP_CUT_SEQUENCES 64
#define STOP_CUT_BYTES     (64u << 10) /* of all of them */

struct stop_cut;
/* In the arena, but for its buffers. NULL: more than that (ERR_INVALID_REQUEST), or out of memory. */
struct stop_cut *stop_cut_new(const struct inference *, struct arena *);
/* Changes the delta's parts; their texts live until the next call. What may begin a sequence waits for more text, but not if this
 * is the `last` delta. -1: out of memory. */
int stop_cut_take(struct stop_cut *, struct delta *, bool last);
/* Whether a sequence was met: all that matters of the stream from here on is usage. */
bool stop_cut_met(const struct stop_cut *);
/* The same of a whole answer, in place. */
void stop_cut_result(struct stop_cut *, struct result *);
void stop_cut_free(struct stop_cut *);

#endif
