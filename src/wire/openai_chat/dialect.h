/*
 * How the chat completions of one server differ from OpenAI's (providers-openai §2.1, §3): each difference is a named
 * field, and all of them unset is OpenAI itself. A provider type's row fills them; the wire reads them and never asks
 * which type it writes for.
 */
#ifndef SIGNET_WIRE_OPENAI_CHAT_DIALECT_H
#define SIGNET_WIRE_OPENAI_CHAT_DIALECT_H

#include "inference/params.h"
#include "wire/call_ids.h"

/* Keys of the body behind `messages` that are no parameter; the parameters are themselves (enum param). */
enum chat_key {
	CHAT_MODEL = PARAMS,
	CHAT_STREAM,
	CHAT_STREAM_OPTIONS,
	CHAT_REASONING, /* {"effort","max_tokens"} */
	CHAT_REASONING_FORMAT,
	CHAT_GUIDED_JSON,
	CHAT_PROMPT_MODE,
	CHAT_KEYS_END,
};

/* What stands in `response_format` when JSON is asked for. */
enum chat_json {
	CHAT_JSON_OPENAI,      /* json_object, json_schema when strict */
	CHAT_JSON_SCHEMA,      /* json_schema whatever is asked for; it must be there */
	CHAT_JSON_OBJECT,      /* json_object */
	CHAT_JSON_WITH_SCHEMA, /* json_object with the schema inside */
	CHAT_JSON_GUIDED,      /* nothing: the schema is the key guided_json */
	CHAT_JSON_NONE,
};

/* How an assistant's thoughts go back. */
enum chat_thoughts {
	CHAT_REASONING_CONTENT, /* a text of that name */
	CHAT_REASONING_TEXT,    /* a text `reasoning` */
	CHAT_REASONING_DETAILS, /* a list of details, with signatures */
	CHAT_THINKING_PARTS,    /* parts of `content`, in their order */
	CHAT_THOUGHTS_NONE,     /* the API refuses them */
};

struct chat_dialect {
	/* ---- the body ---- */
	const unsigned char
		*keys;         /* behind `messages`, in order, to CHAT_KEYS_END; NULL: OpenAI's */
	struct bytes seed_key; /* unset: "seed" */
	const struct bytes
		*tiers; /* service tiers that go out; an unset one ends them. NULL: all */
	struct bytes reasoning_format, prompt_mode; /* values of these keys; unset: not sent */
	bool no_o1_mini, no_o1, no_old_models;      /* models of these names are like all others */

	/* ---- JSON ---- */
	enum chat_json json;
	bool text_format; /* when no JSON is asked for that is said, too */
	bool no_hint;
	bool hint_if_unsaid; /* without system text only if no message has the word */

	/* ---- tools ---- */
	bool only_allowed; /* `tools` is cut to those that are allowed, else tool_choice names them */
	bool never_strict;
	bool none_without_tools;  /* choice none: no tools at all */
	bool no_custom;           /* custom tools are not known */
	struct bytes required_as; /* unset: "required" */
	const struct id_rule
		*call_ids; /* its own rule for ids of calls, on every surface; NULL: OpenAI's */

	/* ---- messages ---- */
	bool parts_always;     /* content is a list also if it is one text */
	bool results_in_place; /* a text before a result stays before it */
	bool no_detail;        /* of images */
	bool all_images;       /* files of every kind are image_url */
	bool empty_assistant;  /* an assistant's message without content is sent */
	bool take_turns;       /* neighbours of one role are one message */
	struct bytes
		plain_roles_for; /* models with this in their name get system text as a user's */

	/* ---- thoughts ---- */
	enum chat_thoughts thoughts;
	bool tagged;             /* they come, and go back, as <think>…</think> in the text */
	struct bytes tag_data;   /* extra_data of one that came so, */
	struct bytes text_data;  /* and of one that came as a field; unset: none */
	bool details;            /* they come as reasoning_details */
	bool no_empty_text;      /* an answer's empty text is none */
	struct bytes thought_id; /* of their parts in streams; unset: "1" */

	/* ---- usage ---- */
	bool adds_reasoning; /* completion_tokens without reasoning_tokens */
	bool cache_hits;     /* prompt_cache_hit_tokens, prompt_cache_miss_tokens */
};

#endif
