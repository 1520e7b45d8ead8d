/*
 * Shared by the files that read a chat request: read_request.c (the fields and their order), read_messages.c and
 * read_parts.c (the conversation), read_params.c, read_tools.c, read_extras.c (fields that are more than a string).
 */
#ifndef SIGNET_WIRE_OPENAI_CHAT_READ_REQUEST_H
#define SIGNET_WIRE_OPENAI_CHAT_READ_REQUEST_H

#include "base/map.h"
#include "wire/expect.h"
#include "wire/openai_chat/openai_chat.h"

/* What one request may hold of things that are compared with each other. Far over what any real one has; without
 * a bound one body of the allowed size would keep a core busy for hours. */
#define CHAT_MAX_TOOLS    2048
#define CHAT_MAX_EXTRAS   256 /* entries of extra_body, and of extra_headers */
#define CHAT_MAX_INSERTED 256 /* thoughts and unknown blocks put before others in one message */

/* A call of the history, for the names of its results. */
struct known_call {
	struct bytes id, name;
};

struct reader {
	struct arena *arena;
	const struct surface_options *options;
	struct chat_request *req;
	struct envelope *env;  /* of req */
	struct inference *inf; /* of env */
	struct where root;
	yyjson_val *messages;
	struct inference *params;              /* tensorzero::params, which win; NULL: none */
	yyjson_val *functions, *function_call; /* deprecated forms */
	/* struct known_call by id; those of function_call, whose results come by name, by name. The last counts */
	struct map calls, legacy_calls;
	size_t ncalls;
	struct bytes *system; /* texts of system messages */
	size_t nsystem, csystem;
};

/* A value, or an element of a list, with its place. */
typedef int chat_read_fn(struct reader *, const struct where *, yyjson_val *);
/* Each element of a list, which it must be. */
int chat_each(struct reader *, const struct where *, yyjson_val *list, chat_read_fn *);

/* A member of an object: what it must be, and for whom null is as good as absent: everybody, lenient surfaces. */
struct chat_member {
	struct bytes name;
	chat_read_fn *check;
	bool null_is_absent, null_is_lenient;
};
/* Checks the members that are there, in the order of the document: the first that is wrong is told. */
int chat_check_members(struct reader *, const struct where *, yyjson_val *obj,
		       const struct chat_member *, size_t n);
chat_read_fn chat_is_string, chat_is_bool;

/* 400 with TensorZero's prefix, `param` of the place and `code`. Return -1. */
int openai_refuse(const struct where *, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* read_messages.c: types first, for the whole request; the conversation once all of it is checked. */
chat_read_fn openai_check_messages;
int openai_read_messages(struct reader *);

enum chat_role {
	CHAT_DEVELOPER,
	CHAT_SYSTEM,
	CHAT_USER,
	CHAT_ASSISTANT,
	CHAT_TOOL,
	CHAT_FUNCTION,
	CHAT_ROLES /* none of them */
};

/* A message under construction, and where it stands in the request. */
struct draft {
	struct message m;
	size_t ninserted;
	const struct where *at;
	enum chat_role role;
};

/* read_parts.c */
int chat_block_add(struct reader *, struct draft *, struct block);
/* Content, a string or a list of parts, becomes blocks of the draft. */
int chat_read_content(struct reader *, struct draft *, yyjson_val *);

/* read_params.c: a field of OpenAI's that is a row of inference/params.h; tensorzero::params. */
int chat_read_param(struct reader *, const struct where *, yyjson_val *, enum param);
chat_read_fn openai_read_params;

/* read_tools.c */
chat_read_fn openai_read_tools, openai_read_tool_choice, openai_read_parallel;
chat_read_fn openai_read_provider_tools;
int openai_read_legacy(struct reader *); /* functions and function_call, the forms before tools */

/* read_extras.c */
chat_read_fn openai_read_extra_body, openai_read_extra_headers, openai_read_cache_options;
chat_read_fn openai_read_episode_id, openai_read_namespace, openai_read_dynamic_variant;
chat_read_fn openai_read_tags, openai_read_credentials, openai_read_metadata;

/* The tag of an internally tagged union: its place shows in the text when the value is the wrong one. */
int chat_read_tag(const struct where *, yyjson_val *, const char *type, struct bytes *out);
/* Not there, or null where the surface takes that for absence. */
bool chat_is_absent(const struct reader *, yyjson_val *);

#endif
