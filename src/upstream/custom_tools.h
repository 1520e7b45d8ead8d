/*
 * Custom tools, whose input is free text, at a provider that knows functions alone (surfaces §4.3): each goes out as a function of
 * one text, and comes back as what it was. Pure.
 */
#ifndef SIGNET_UPSTREAM_CUSTOM_TOOLS_H
#define SIGNET_UPSTREAM_CUSTOM_TOOLS_H

#include "inference/inference.h"

bool custom_tools_any(const struct inference *);
/* The request with functions in their place; what does not change is shared. NULL: out of memory. */
struct inference *custom_tools_as_functions(const struct inference *, struct arena *);
/* Calls of them in the answer to what custom_tools_as_functions() was given. -1: out of memory. */
int custom_tools_restore(struct result *, const struct inference *asked, struct arena *);

/* The same of a stream, as fragments come: an escape that is cut waits for its end. In the arena, but for one buffer. */
struct custom_stream;
struct custom_stream *custom_stream_new(const struct inference *asked, struct arena *);
/* Changes the delta's parts; their texts live until the next call. -1: out of memory. */
int custom_stream_take(struct custom_stream *, struct delta *);
void custom_stream_free(struct custom_stream *);

#endif
