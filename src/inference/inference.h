/*
 * The neutral model: what every surface is read into and every provider is written from
 * (providers-openai §1). Data only. Strings and arrays live in the request's arena; "unset" is
 * p == NULL for strings, NULL for arrays. JSON values are kept as their compact text, numbers as the
 * decimal text that the client or the TOML wrote.
 */
#ifndef SIGNET_INFERENCE_INFERENCE_H
#define SIGNET_INFERENCE_INFERENCE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "base/money.h"
#include "inference/options.h"
#include "inference/params.h"
#include "inference/extra.h"

enum role { ROLE_USER, ROLE_ASSISTANT };
enum json_mode { JSON_MODE_UNSET, JSON_MODE_OFF, JSON_MODE_ON, JSON_MODE_STRICT, JSON_MODE_TOOL };

enum block_type {
	BLOCK_TEXT,
	BLOCK_RAW_TEXT, /* stored as such; to a provider the same as text */
	BLOCK_TEMPLATE, /* only before rendering: text holds the arguments, name the template */
	BLOCK_TOOL_CALL,
	BLOCK_TOOL_RESULT,
	BLOCK_THOUGHT,
	BLOCK_FILE,
	BLOCK_UNKNOWN,
	BLOCK_REFUSAL,
	BLOCK_AUDIO,
};

/* Where a client wants the prompt cached up to; how long. */
enum cache_mark { CACHE_UNMARKED, CACHE_5M, CACHE_1H };

/* A name and its text: tags of a request, credentials of a request. */
struct tag {
	struct bytes key, value;
};

struct file {
	bool is_url; /* the client named it by `url` */
	struct bytes url;
	struct bytes data; /* base64, no prefix; unset: a URL that was not fetched */
	struct bytes mime_type, detail, filename;
};

struct summary {
	struct bytes id, text;
};

struct block {
	enum block_type type;
	struct bytes text; /* text, raw_text, thought, refusal; result of a tool_result; JSON of
				  * template arguments, unknown data, audio. Unset: a thought without text */
	struct bytes id;   /* tool_call, tool_result */
	struct bytes name; /* tool_call, tool_result, template */
	struct bytes arguments; /* tool_call: text, never parsed by a wire */
	bool custom;            /* tool_call of a custom tool: arguments are its free text */
	bool is_error;          /* tool_result */
	struct block *parts;    /* tool_result with parts (text, file); NULL for a plain text */
	size_t nparts;
	struct bytes signature, provider_type; /* thought */
	struct summary *summaries;             /* thought; set, but none of them: an empty list */
	size_t nsummaries;
	struct file *file;
	struct bytes model_name, provider_name; /* unknown: only for these, unset = for all */
	struct bytes extra_data, annotations, logprobs; /* JSON */
	struct bytes item_id; /* tool_call, thought: the Responses API's own id of it */
	/* The client's own JSON of it, which a provider of that format (inference.source_wire) gets in its place. Unset: none. A
	 * thought of no provider type, and an unknown, that has one is for that format alone. */
	struct bytes source;
	enum cache_mark cache; /* up to and with this block */
};

struct message {
	enum role role;
	struct block *content;
	size_t len, cap;
};

struct tool {
	struct bytes name, description, parameters; /* parameters: JSON Schema text */
	bool strict;
	bool custom;
	struct bytes format; /* custom: JSON text of the format, unset = none */
	bool described;      /* the client gave a description (custom tools print it only then) */
	struct bytes source; /* the client's own JSON of this tool, for pass-through */
	enum cache_mark cache;
};

struct provider_tool {
	struct bytes model_name, provider_name; /* scope; unset = all */
	struct bytes tool;                      /* JSON */
};

enum tool_choice {
	TOOL_CHOICE_UNSET,
	TOOL_CHOICE_NONE,
	TOOL_CHOICE_AUTO,
	TOOL_CHOICE_REQUIRED,
	TOOL_CHOICE_SPECIFIC
};

struct tool_config {
	struct tool *tools; /* functions and custom tools, configured first, then the request's */
	size_t len, cap;
	struct provider_tool *provider_tools;
	size_t nprovider_tools, cprovider_tools;
	enum tool_choice choice;
	struct bytes specific; /* name for TOOL_CHOICE_SPECIFIC */
	int parallel;          /* -1 unset, 0, 1 */
	struct bytes *allowed; /* names */
	size_t nallowed, callowed;
	bool allowed_explicit; /* the request gave allowed_tools */
};

#define CHOICES_MAX 8 /* that may be asked for */

/* One of several system texts, where the client sent them apart. */
struct system_part {
	struct bytes text;
	enum cache_mark cache;
};

/* What is asked of an embedding model, which has no conversation. */
struct embedding_request {
	struct bytes input;      /* JSON: a string, strings, token ids, or lists of them */
	size_t inputs;           /* as many vectors are expected */
	struct bytes dimensions; /* decimal; unset: the model's own */
	bool base64;             /* how the vectors are wanted, else as numbers */
	struct bytes user;
};

/* The request that one provider attempt gets. */
struct inference {
	struct uuid id; /* model inference id; a seed of generated tool call ids */
	const struct surface_options *options; /* of the surface that was asked */
	struct bytes system;                   /* unset: none */
	/* Only if the client sent parts; `system` is always their join. Who changes `system` unsets them. */
	struct system_part *system_parts;
	size_t nsystem_parts;
	struct block *system_template; /* BLOCK_TEMPLATE in the place of `system`; NULL: none */
	struct message *messages;
	size_t nmessages, cmessages;
	const struct embedding_request *embedding; /* NULL: it is a conversation */
	struct tool_config *tools;                 /* NULL: no tool section at all */
	struct bytes params[PARAMS]; /* those whose value is text (inference/params.h) */
	struct bytes *stop;
	size_t nstop;
	bool stop_set; /* an empty list is not unset */
	bool stream;
	unsigned n; /* choices that are asked for; 0: one, nothing was said of it */
	enum json_mode
		json_mode; /* as the client or function set it; JSON_MODE_TOOL never reaches a wire */
	/* json_mode `tool`: the only tool is `respond`, and the arguments of its calls are the answer's text
	 * (result_json_tool_to_text, answer.json_tool). */
	bool json_tool;
	struct bytes output_schema;
	struct bytes
		reasoning_summary; /* thoughts are wanted in words: "auto", "concise", "detailed" */
	struct extras extra_body, extra_headers; /* of the request, not yet filtered */
	bool fetch_files;
	bool raw_usage; /* a plain result keeps what the provider says of its usage */
	/* The client's own body and what pass-through needs of it; text unset: no pass-through. */
	struct bytes source;            /* valid JSON, an object */
	const struct wire *source_wire; /* its format */
	bool source_intact; /* the conversation is still the client's: `messages` of the source may go out.
			      * Whoever renders, moves or adds messages clears it */
	bool source_edit; /* some message of the source holds what must not go out as it is (long ids,
			      * legacy forms, tensorzero:: keys): messages are edited one by one */
	/* What the source says and no other format can; its values that are TensorZero's no more. A provider of another family
	 * refuses it with this text, at `param`. */
	struct bytes unsayable, unsayable_param;
	bool source_state; /* ids of earlier answers in the source are the upstream's own and go on */
	bool wants_seals;    /* thoughts shall come with all that they need to be sent back */
	bool source_repeats; /* a top-level key stands there twice: only its last member counts */
	unsigned
		own; /* PARAM_BIT of each whose member of the source keeps its bytes: its value still is the
		       * client's own. Whoever changes a parameter clears its bit */
};

enum finish_reason {
	FINISH_UNSET,
	FINISH_STOP,
	FINISH_STOP_SEQUENCE,
	FINISH_LENGTH,
	FINISH_TOOL_CALL,
	FINISH_CONTENT_FILTER,
	FINISH_UNKNOWN,
};
/* "stop", "stop_sequence", ...; unset gives {NULL, 0}. */
struct bytes finish_reason_name(enum finish_reason);

#define USAGE_UNKNOWN (-1)
struct usage {
	/* Each of them may be USAGE_UNKNOWN. input_tokens counts cache_read and cache_write, too; cache_write counts
	 * cache_write_1h; output_tokens counts reasoning_tokens. */
	int64_t input_tokens, output_tokens, cache_read, cache_write, cache_write_1h,
		reasoning_tokens;
	bool estimated;
	struct money cost; /* of a whole answer, once route/ has looked; zeroed: unknown */
};
void usage_init(struct usage *);                              /* all unknown */
void usage_max(struct usage *into, const struct usage *from); /* field-wise maximum */

struct result {
	struct block *content;
	size_t len, cap;
	/* Of an embedding request, in the order of its inputs: each is JSON, as it was asked for: a list of numbers, or a
	 * string. */
	struct bytes *vectors;
	size_t nvectors;
	struct usage usage;
	enum finish_reason finish;
	struct bytes raw_request;  /* as sent, file data replaced by <TENSORZERO_FILE_i> */
	struct bytes raw_response; /* the body; streams: event data joined by LF */
	/* Bytes that are left out of its middle, at offset `raw_gap`, without a word; 0: none. */
	uint64_t raw_missing;
	size_t raw_gap;
	struct bytes raw_usage;        /* JSON, unset = none */
	uint64_t response_ms, ttft_ms; /* ttft only of streams */
	struct bytes provider_id, provider_model, service_tier, system_fingerprint, request_id;
	struct bytes annotations;      /* JSON list of url_citation, unset = none */
	struct bytes stop_sequence;    /* the one that ended it, where that is known */
	struct bytes stop_explanation; /* why it was refused, in the provider's words */
	uint64_t unknown_events;       /* of an answer that came as events: ignored, but told */
	struct bytes
		document; /* the provider's own answer when both wires are the same, else unset */
	/* Of several choices this is the one of index 0. Of the others only content, finish and annotations are set. */
	unsigned choice;
	struct result *others;
	size_t nothers, cothers;
};

enum part_type { PART_TEXT, PART_TOOL_CALL, PART_THOUGHT, PART_UNKNOWN, PART_REFUSAL };

struct part {
	enum part_type type;
	unsigned choice;
	struct bytes id;
	struct bytes text;      /* text, refusal, thought (unset: none); JSON of an unknown */
	struct bytes name;      /* tool_call: only on the parts that add to the name, else unset */
	struct bytes arguments; /* tool_call: fragment, may be empty */
	bool custom;
	bool begins;    /* tool_call: its first fragment */
	uint64_t index; /* tool_call: its number to the client, where the upstream's is none */
	struct bytes signature, summary_id, summary_text, provider_type, extra_data; /* thought */
	struct bytes item_id; /* as of a block */
};

#define DELTA_PARTS 130 /* thought, text and at most 128 calls */
#define DELTA_HOLES 2   /* strings that events of one kind differ in */

/*
 * One provider event. Everything in it lives until the next call of the wire's read_event.
 */
struct delta {
	struct part *parts;
	size_t len;
	struct usage usage;
	bool has_usage;
	struct bytes raw_usage; /* JSON */
	enum finish_reason finish;
	enum finish_reason finishes[CHOICES_MAX]; /* of the choices from 1 on */
	unsigned choices;                         /* bits of those that the event is of */
	struct bytes raw;                         /* the event's data */
	struct bytes event;       /* pass-through: its name, in formats whose events have one */
	struct bytes annotations; /* JSON, with the last delta (rust-proxy sources) */
	struct bytes provider_id, provider_model, service_tier, system_fingerprint;
	struct bytes stop_sequence, stop_explanation; /* as of a result, with the finish reason */
	struct error *error; /* then nothing else is set; error->fatal says whether more may come */
	bool forward;        /* pass-through: `raw` may go to the client, edited in place */
	struct bytes
		mended; /* pass-through: goes out in the place of `raw`, which is no chunk of the format */
	bool beyond; /* pass-through: `raw` has content that no part holds, such as audio */
	/* Set if the event is one of many that differ in a few strings only (wire/openai_chat/alike.h): what all of them
	 * have in common, of the same address each time; the strings, as they stand in the JSON. All but the parts'
	 * texts is the same in each of them. Lives as long as the stream. */
	struct bytes alike;
	struct bytes holes[DELTA_HOLES];
	size_t nholes;
};

bool part_is_empty(const struct part *);
/* The finish reason of a choice. */
static inline enum finish_reason delta_finish(const struct delta *d, unsigned choice)
{
	return choice ? d->finishes[choice] : d->finish;
}
/* Any text, thought, refusal or call: what an answer begins with. A role, usage, a finish reason are none. */
bool delta_has_content(const struct delta *);
/* All of it goes into the arena, to live longer than until the next event. -1: out of memory. It has no error. */
int delta_keep(struct delta *, struct arena *);

/*
 * Joins deltas into a result (providers-openai §1.5): parts of one (kind, id) form one block at the
 * place of its first non-empty part.
 */
struct gather;
struct gather *gather_new(struct arena *,
			  size_t max_raw); /* raw text past max_raw is cut in the middle */
/* From here on no text is kept, only what an answer's end is made of: for one that leaves no record. */
void gather_outline(struct gather *);
int gather_add(struct gather *, const struct delta *); /* -1: out of memory */
/* What it gathers is this choice of several answers, and the answer to it: the result's own content. */
void gather_choice(struct gather *, unsigned choice);
/* The result so far; raw_response is set, raw_request and times are the caller's. */
int gather_finish(struct gather *, struct result *out);
/* json_mode `tool`: tool calls become text blocks of their arguments (http-api §11.2). In place. */
void result_json_tool_to_text(struct result *);
#define RESULT_KEPT (16u << 20) /* of all texts of an answer, for the record */
/* Bytes of its content and of its other choices. */
size_t result_size(const struct result *);
/* As much of the result as fits into `room`: itself, or one with texts that end earlier (they are views of the same bytes)
 * and fewer blocks; then *cut is set. NULL: out of memory. */
const struct result *result_kept(const struct result *, size_t room, struct arena *, bool *cut);
bool gather_has_content(const struct gather *); /* any non-empty text, thought, call */
bool gather_raw_cut(const struct gather *);
void gather_free(
	struct gather *); /* what is not in the arena; after gather_finish's result was used */

#endif
