/* What a provider of type openai has of its own. */
#ifndef SIGNET_UPSTREAM_OPENAI_H
#define SIGNET_UPSTREAM_OPENAI_H

#include "upstream/provider_type.h"
#include "wire/openai_responses/openai_responses.h"

/* provider_config.options of this type. */
struct openai_options {
	int api_type; /* index into api_types: 0 chat completions, 1 responses */
	struct responses_options responses; /* of api_type responses */
	enum strict_place tool_strict;
	struct mime_override *overrides; /* content_type_overrides */
	size_t noverrides;
	struct bytes
		basic; /* "Basic …" of api_base's user and password, sent where there is no key */
};

#endif
