/*
 * OpenAI chat completions, the client's side: reading a request, writing answers, chunks and errors
 * in either profile (http-api §12, surfaces §3). The provider's side is `wire_openai_chat` in wire.h.
 * Pure.
 */
#ifndef SIGNET_WIRE_OPENAI_CHAT_H
#define SIGNET_WIRE_OPENAI_CHAT_H

#include "wire/wire.h"

/* What the request says beside the conversation. */
struct chat_request {
	struct inference inf; /* id, fetch_files and the function's part are the caller's */
	struct bytes model;   /* as the client wrote it */
	bool stream;
	int include_usage; /* stream_options.include_usage: -1 absent, 0, 1 */
	bool dryrun;
	struct bytes variant_name, namespace_; /* unset if absent */
	struct bytes episode_id;    /* a UUID in canonical form, not yet checked for its version */
	struct bytes cache_options; /* JSON */
	bool dynamic_variant;       /* internal_dynamic_variant_config was given */
	struct tag *tags;
	size_t ntags, ctags;
	struct tag *credentials;
	size_t ncredentials, ccredentials;
	bool include_raw_usage, include_raw_response, include_original_response;
	bool legacy_functions; /* functions / function_call: the answer uses function_call */
	bool has_files;
	struct bytes user, safety_identifier, prompt_cache_key; /* openai profile */
	struct bytes
		inference_params; /* JSON object of what is set, in the order of storage §2.2: what stands in
					* the row under "chat_completion" */
	struct bytes ignored; /* "a, b": paths for x-signet-ignored, unset = none */
	/* What only the checks need (openai_chat_check_*). */
	bool tools_given, tool_choice_given, parallel_given, allowed_given, provider_tools_given;
};

/*
 * Reads and checks a body in the order of http-api §12.2, texts of the profile. NULL: ERR_JSON_REQUEST,
 * ERR_INVALID_OPENAI_REQUEST, ... with `param` and `code` set for profile openai. Does not look at what
 * needs the configuration (model names, object storage, filters). `body` must live as long as the request.
 */
struct chat_request *openai_chat_read_request(struct bytes body, enum profile, struct arena *);
/*
 * The checks of http-api §9 that follow the resolution of a *model* (functions have their own), to be called in
 * their places: `input` is step 6 (json_mode tool and its tool `respond`, templates, which a model has none
 * of), `tools` is step 9 (duplicates, unknown names). -1: error set.
 */
int openai_chat_check_input(struct chat_request *, struct arena *);
int openai_chat_check_tools(struct chat_request *);

/*
 * Names in `ignored` ("a, tools[3]:web_search") what of a request of profile openai only pass-through could carry:
 * for providers of another family.
 */
void openai_chat_foreign_fields(const struct inference *, struct buf *ignored);

/* What every answer of one inference carries. */
struct chat_answer {
	enum profile profile;
	struct uuid inference_id, episode_id;
	int64_t created;    /* Unix seconds */
	struct bytes model; /* tensorzero: the tensorzero::… name; openai: as asked for */
	bool include_usage, include_raw_usage, include_raw_response, include_original_response;
	bool legacy_functions;
	bool reasoning_to_client;
	struct uuid model_inference_id;
	struct bytes provider_type;
	struct bytes
		failed_raw; /* JSON entries of failed attempts for tensorzero_raw_response, comma-joined */
	bool pass_through; /* the upstream's own answer is edited in place, where it has one (inf.source_is_chat
				  * and a provider of wire_openai_chat; not for cached answers) */
	bool json_tool; /* inference.json_tool */
	bool cached;
};

/* A plain answer. */
int openai_chat_write_result(const struct chat_answer *, const struct result *, struct buf *out);

/* The state of one client stream: which calls have which index, what was begun. In the arena. */
struct chat_writer;
struct chat_writer *openai_chat_writer_new(const struct chat_answer *, struct arena *);
/* Appends the events ("data: …\n\n") for one delta: none, one or more. Takes usage and finish reason
 * out and keeps them for the end. Allocation-free but for `out`. */
int openai_chat_write_delta(struct chat_writer *, const struct delta *, struct buf *out);
/* The last chunks with finish reason and usage, and "data: [DONE]\n\n". `usage` and `finish` are those of
 * the gathered result. After an error in profile openai only [DONE]. */
int openai_chat_write_end(struct chat_writer *, const struct result *, struct buf *out);
/* An error inside a stream: one event. `status` is what it would have been before the head. */
int openai_chat_write_stream_error(struct chat_writer *, const struct error *, int status,
				   struct buf *out);

/* The OpenAI error object: {"error":{"message","type","param","code"}}; both profiles carry all four
 * keys (http-api §22.2), `type` and `code` from the status and kind (surfaces §1.7). */
int openai_write_error(const struct error *, int status, struct buf *out);
/* Profile openai: an upstream's HTML page in the message becomes its first 200 characters without tags. */
int openai_error_without_html(struct error *, struct arena *);
/* With gateway.unstable_error_json. */
int openai_write_error_json(const struct error *, int status, struct buf *out);

#endif
