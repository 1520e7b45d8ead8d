/*
 * What the types on Vertex AI share: where a provider is (project, location, path) and who it says that it is (config §2.6,
 * providers-others §3, §8). Tokens are cached by what they are of, and never wait on a loop's thread.
 */
#ifndef SIGNET_UPSTREAM_GCP_CREDENTIALS_H
#define SIGNET_UPSTREAM_GCP_CREDENTIALS_H

#include "upstream/google.h"

/* The first member of provider_config.options of these types. */
struct gcp_options {
	struct bytes location, project_id;
	struct bytes host;     /* of the location */
	struct bytes audience; /* of tokens for it: "https://‹host›/" */
	struct bytes path;     /* "projects/…" of what is called */
	bool token_exchange;
};

#define GCP_CREDENTIAL_FORMS (FORM_PATH | FORM_PATH_FROM_ENV | FORM_DYNAMIC | FORM_SDK | FORM_TABLE)
/* Rows of a type whose options are of that name and begin with `gcp`. */
#define GCP_KEYS(options)                                                                       \
	{ "location", KEY_STRING, OWN(options, gcp.location), .required = true,                 \
	  .fix = "`location = \"us-central1\"`, or \"global\"" },                               \
		{ "project_id", KEY_STRING, OWN(options, gcp.project_id), .required = true,     \
		  .fix = "`project_id = \"my-project\"`" },                                     \
		{ "credential_location", KEY_CALL, .call = read_api_key },                      \
		{ "api_base", KEY_CALL, .type_wide = true, .call = google_read_api_base },      \
	{                                                                                       \
		"token_exchange", KEY_BOOL, OWN(options, gcp.token_exchange), .type_wide = true \
	}

/* [provider_types] of these types: `batch` without a storage, the only one built. */
extern const struct key gcp_settings[];
#define GCP_SETTINGS 1

/* For `check`, once location and project are read: credentials, host, and the path of "publishers/google/models/x" or
 * "endpoints/1" in the project. */
void gcp_check(struct loader *, struct toml *, struct bytes path, struct provider_config *,
	       struct bytes resource);
/* For `shorthand`: a name such as "projects/p/locations/l/publishers/google/models/x", where `models` is what stands in front
 * of a model's own name ("publishers/google/models/"); model_name is then its last part. -1:
 * ERR_CONFIG, ERR_API_KEY_MISSING. */
int gcp_shorthand(struct loader *, struct bytes name, struct provider_config *,
		  struct bytes models);
/* The URL of a method. */
int gcp_endpoint(const struct provider_config *, const struct call_context *, struct bytes method,
		 struct bytes *url);
/* The authorization header, and x-goog-user-project. -1: no credential. Waits. */
int gcp_authorize(const struct provider_config *, const struct call_context *,
		  struct header_list *);
/* For `sign_better`: a refused token is dropped, so that the next one is fresh. */
bool gcp_sign_better(const struct provider_config *, const struct call_context *,
		     const struct http_call *);

#endif
