/*
 * Shared by the files that read a chat request: openai_chat/read_request.c (the fields and their order),
 * openai_chat/read_messages.c (the conversation), openai_chat/read_fields.c (tools, formats, tensorzero:: fields).
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
	enum profile profile;
	struct chat_request *req;
	struct envelope *env; /* of req */
	struct where root;
	yyjson_val *messages;
	/* openai fields that are joined at the end */
	struct bytes max_tokens, max_completion_tokens, n;
	bool deny_unknown;
	/* tensorzero::params, which win */
	struct inference params;
	bool params_given;
	yyjson_val *functions, *function_call; /* deprecated forms */
	/* struct known_call by id; those of function_call, whose results come by name, by name. The last counts */
	struct map calls, legacy_calls;
	size_t ncalls;
	struct bytes *system; /* texts of system messages */
	size_t nsystem, csystem;
};

/* 400 with TensorZero's prefix, `param` of the place and `code`. Return -1. */
int openai_refuse(const struct where *, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* openai_chat/read_messages.c: types first, for the whole request; the conversation once all of it is checked. */
int openai_check_messages(struct reader *, const struct where *, yyjson_val *);
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

/* openai_chat/read_parts.c */
int chat_block_add(struct reader *, struct draft *, struct block);
/* Content, a string or a list of parts, becomes blocks of the draft. */
int chat_read_content(struct reader *, struct draft *, yyjson_val *);

/* openai_chat/read_fields.c */
int openai_read_tools(struct reader *, const struct where *, yyjson_val *);
int openai_read_tool_choice(struct reader *, const struct where *, yyjson_val *);
int openai_read_response_format(struct reader *, const struct where *, yyjson_val *);
int openai_read_stop(struct reader *, const struct where *, yyjson_val *);
int openai_read_service_tier(const struct where *, yyjson_val *, struct bytes *out);
int openai_read_params(struct reader *, const struct where *, yyjson_val *);
int openai_read_extra_body(struct reader *, const struct where *, yyjson_val *);
int openai_read_extra_headers(struct reader *, const struct where *, yyjson_val *);
int openai_read_provider_tools(struct reader *, const struct where *, yyjson_val *);
int openai_read_cache_options(struct reader *, const struct where *, yyjson_val *);
int openai_read_episode_id(struct reader *, const struct where *, yyjson_val *);
int openai_read_pairs(struct reader *, const struct where *, yyjson_val *, struct tag **,
		      size_t *len, size_t *cap);
int openai_read_metadata(struct reader *, const struct where *, yyjson_val *);
int openai_read_legacy(struct reader *);
struct tool_config *openai_tools(struct reader *); /* made on first use; NULL: out of memory */

#endif
