/* What a provider of type openai has of its own. */
#ifndef SIGNET_UPSTREAM_OPENAI_H
#define SIGNET_UPSTREAM_OPENAI_H

#include "upstream/provider_type.h"

/* provider_config.options of this type. */
struct openai_options {
	enum strict_place tool_strict;
	struct mime_override *overrides; /* content_type_overrides */
	size_t noverrides;
	struct bytes
		basic; /* "Basic …" of api_base's user and password, sent where there is no key */
};

#endif
