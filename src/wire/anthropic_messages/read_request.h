/*
 * Shared by the files that read a client's request: read_request.c (the fields), read_messages.c (the conversation),
 * read_tools.c, foreign.c (what no other format can say).
 */
#ifndef SIGNET_WIRE_ANTHROPIC_READ_REQUEST_H
#define SIGNET_WIRE_ANTHROPIC_READ_REQUEST_H

#include "wire/anthropic_messages/anthropic_messages.h"
#include "base/map.h"
#include "wire/expect.h"

#define MESSAGES_MAX_TOOLS 2048

struct messages_reader {
	struct arena *arena;
	const struct surface_options *options;
	struct messages_request *req;
	struct envelope *env;  /* of req */
	struct inference *inf; /* of env */
	struct where root;
	struct map calls; /* names of the calls of the history, by id: the last counts */
};

/* 400 in the API's words: "messages.0.content.1.type: WHY"; `param` is that place. Returns -1. */
int messages_refuse(const struct where *, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The text, or refused. A missing one, too. */
int messages_string(const struct where *, yyjson_val *obj, const char *key, struct bytes *out);
/* Keeps it as what no other format can say: a provider of another family refuses it. */
int messages_only_here(struct messages_reader *, const struct where *, const char *what);
enum cache_mark messages_cache(yyjson_val *block);

int messages_read_system(struct messages_reader *, yyjson_val *);
int messages_read_messages(struct messages_reader *, yyjson_val *);
int messages_read_tools(struct messages_reader *, yyjson_val *);
int messages_read_choice(struct messages_reader *, yyjson_val *);
/* Whether a tool of that type runs at the provider: other families have none. */
bool messages_tool_is_hosted(struct bytes type);

#endif
