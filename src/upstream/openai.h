/* What the providers of the OpenAI family share (providers-openai §2, §3); their rows are openai.c's, openai_compatible.c's,
 * azure.c's and openrouter.c's. */
#ifndef SIGNET_UPSTREAM_OPENAI_H
#define SIGNET_UPSTREAM_OPENAI_H

#include "config/models.h"
#include "upstream/provider_type.h"
#include "wire/openai_responses/openai_responses.h"

/* provider_config.options of all these types, or how it begins. A type has the keys of some of it. */
struct openai_options {
	int api_type; /* index into api_types: 0 chat completions, 1 responses */
	struct responses_options responses; /* of api_type responses */
	enum strict_place tool_strict;
	struct mime_override *overrides; /* content_type_overrides */
	size_t noverrides;
	struct bytes api_base; /* as it was configured; unset: the type's own */
	struct bytes
		basic; /* "Basic …" of api_base's user and password, sent where there is no key */
	struct bytes reasoning_format, prompt_mode;
	bool requires_tools; /* tool_choice_required = "required" */
	bool guided_json;    /* json_schema_as = "guided_json" */
};

/* ---- keys ---- */

extern const char *const openai_strict_places[];
void openai_read_api_base(struct loader *, struct toml *, struct bytes path, void *into);
#define OPENAI_MODEL_NAME(example)                                                      \
	{                                                                               \
		"model_name", KEY_STRING, offsetof(struct provider_config, model_name), \
			.required = true, .fix = "`model_name = \"" example "\"`"       \
	}
#define OPENAI_API_BASE                                                               \
	{                                                                             \
		"api_base", KEY_CALL, .type_wide = true, .call = openai_read_api_base \
	}
#define OPENAI_API_KEY                                             \
	{                                                          \
		"api_key_location", KEY_CALL, .call = read_api_key \
	}
#define OPENAI_TOOL_STRICT                                                   \
	{                                                                    \
		"tool_strict", KEY_CHOICE, OWN(openai_options, tool_strict), \
			.choices = openai_strict_places, .min = STRICT_OUTER \
	}

/* What its model is called at. */
struct bytes openai_path(const struct provider_config *);
/* Its URL, from what was read or the type's own address. */
void openai_set_endpoint(struct provider_config *, struct bytes path, struct arena *);
/* provider_kind.check and .shorthand of a type whose chat is at chat/completions. */
void openai_check(struct loader *, struct toml *, struct bytes path, struct provider_config *);
int openai_shorthand(struct loader *, struct bytes name, struct provider_config *);

/* ---- calls ---- */

void openai_set_dialect(const struct provider_config *, struct dialect *);
/* content-type, the credential as a bearer, accept of a stream. */
int openai_headers(const struct provider_config *, const struct inference *,
		   const struct call_context *, struct header_list *);
/* The first and the last of them alone. */
int openai_content_headers(const struct inference *, const struct call_context *,
			   struct header_list *);
extern const int openai_client_statuses[];
extern const struct bytes openai_passed_headers[], openai_returned_headers[];
/* Without the upstream's request id, which only OpenAI's own text has. */
struct bytes openai_status_text(int status, struct bytes reason, struct bytes body,
				struct bytes request_id, bool stream, struct arena *);
bool openai_takes_url(const struct file *);

/* What all rows have in common. */
#define OPENAI_FAMILY                                                                           \
	.wire = &wire_openai_chat, .set_dialect = openai_set_dialect,                           \
	.passed_headers = openai_passed_headers, .returned_headers = openai_returned_headers,   \
	.request_id_header = B("x-request-id"), .client_statuses = openai_client_statuses,      \
	.read_error = wire_read_error_body, .takes_files = true, .takes_url = openai_takes_url, \
	.ignored_warning = "what the provider does not support is ignored",                     \
	.words = { .send = B("Error sending request: "),                                        \
		   .send_kind = ERR_INFERENCE_CLIENT,                                           \
		   .fatal_stream = true,                                                        \
		   .body = B("Error parsing text response: ") }

#endif
