/*
 * Shared by the files that read a client's Responses request: read_request.c (the fields and their order), read_items.c (the
 * conversation), read_tools.c.
 */
#ifndef SIGNET_WIRE_OPENAI_RESPONSES_READ_REQUEST_H
#define SIGNET_WIRE_OPENAI_RESPONSES_READ_REQUEST_H

#include "base/map.h"
#include "wire/expect.h"
#include "wire/openai_responses/openai_responses.h"

#define RESPONSES_MAX_TOOLS 2048

struct responses_reader {
	struct arena *arena;
	const struct surface_options *options;
	struct responses_request *req;
	struct envelope *env;  /* of req */
	struct inference *inf; /* of env */
	struct where root;
	struct bytes *system; /* instructions and leading system items */
	size_t nsystem, csystem;
	struct map calls; /* ids of calls so far */
	bool turned;      /* a turn of the conversation has come: no system item leads any more */
	bool open_user;   /* the last message holds results and may take more */
};

/* What of the request no format but this one can say, told to a client whose provider speaks another (inference.unsayable). The
 * first counts. 0, or -1: out of memory. */
int responses_unsayable(struct responses_reader *, const struct where *, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The value of `input`. */
int responses_read_input(struct responses_reader *, yyjson_val *);
/* A list of tools; may be called several times. */
int responses_read_tools(struct responses_reader *, const struct where *, yyjson_val *);
int responses_read_tool_choice(struct responses_reader *, yyjson_val *);
/* The list of tools as the response object has it, in the arena. Unset: no room. */
struct bytes responses_tools_shown(yyjson_val *, struct arena *);
/* The name of a function of a namespace, in the arena. */
struct bytes responses_space_name(struct responses_reader *, struct bytes space, struct bytes name);
/* Whether an item, or a tool, of that type is one that other formats know. */
bool responses_knows_item(struct bytes type);
bool responses_knows_tool(struct bytes type);

#endif
