/*
 * What a request says beside the conversation, and what every answer to it carries. Neutral: a surface's reader
 * fills it, api/answer.c walks by it, the record prints it. Data only; everything lives in the request's arena.
 */
#ifndef SIGNET_INFERENCE_ENVELOPE_H
#define SIGNET_INFERENCE_ENVELOPE_H

#include "inference/inference.h"

struct envelope {
	struct inference inf; /* id, fetch_files and the function's part are the caller's */
	struct bytes model;   /* as the client wrote it */
	bool stream;
	int include_usage; /* of a stream: -1 absent, 0, 1 */
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
	bool has_files;
	/* who asks, as the body says it; for attribution */
	struct bytes user, safety_identifier, prompt_cache_key;
	struct bytes ignored; /* "a, b": paths for x-signet-ignored, unset = none */
	/* what only the checks need (route/check.h) */
	bool tools_given, tool_choice_given, parallel_given, allowed_given, provider_tools_given;
};

/* What an attempt that failed brought. */
struct failed_raw {
	struct bytes provider_type, api_type, data;
};

/* What every answer of one inference carries, for the writers of the surface that was asked. */
struct answer {
	const struct envelope
		*asked; /* as the surface's own reader made it, with what that keeps behind it */
	const struct surface_options *options;
	struct uuid inference_id, episode_id;
	int64_t created;    /* Unix seconds */
	int64_t ended;      /* the same, when it is whole; 0 before */
	struct bytes model; /* the tensorzero::… name, or the one that was asked for */
	bool include_usage, include_raw_usage, include_raw_response, include_original_response;
	bool reasoning_to_client;
	bool json_tool; /* inference.json_tool */
	/* of the model call that answered */
	struct uuid model_inference_id;
	struct bytes provider_type, api_type; /* api_type: as that of struct wire */
	const struct failed_raw
		*failed; /* for include_raw_response; in the order of the attempts */
	size_t nfailed;
	bool pass_through; /* the upstream's own answer is edited in place, where it has one (inf.source_wire is the
			    * provider's; not for cached answers) */
	bool cached;
};

#endif
