/*
 * What the types on AWS share: their keys for region, endpoint and credentials (config §2.5, §2.6), and the signature.
 */
#ifndef SIGNET_UPSTREAM_AWS_H
#define SIGNET_UPSTREAM_AWS_H

#include "upstream/aws_credentials.h"
#include "upstream/provider_type.h"

/* Where a value comes from. */
struct aws_value {
	enum { AWS_UNSET, AWS_SDK, AWS_GIVEN } from;
	struct credential value; /* of AWS_GIVEN: static or dynamic */
};

/* The beginning of provider_config.options of these types. */
struct aws_options {
	struct bytes service, host; /* "bedrock", "bedrock-runtime"; set by the type's defaults */
	struct aws_value region, endpoint_url, api_key, key_id, secret, session_token;
	bool find_region; /* allow_auto_detect_region */
};

/* Keys of struct aws_options: of every type, and the one that takes the place of a signature. */
#define AWS_KEY(name_, member)                                                       \
	{                                                                            \
		name_, KEY_CALL, OWN(aws_options, member), .call = read_aws_##member \
	}
void read_aws_region(struct loader *, struct toml *, struct bytes path, void *into);
void read_aws_endpoint_url(struct loader *, struct toml *, struct bytes path, void *into);
void read_aws_api_key(struct loader *, struct toml *, struct bytes path, void *into);
void read_aws_key_id(struct loader *, struct toml *, struct bytes path, void *into);
void read_aws_secret(struct loader *, struct toml *, struct bytes path, void *into);
void read_aws_session_token(struct loader *, struct toml *, struct bytes path, void *into);
/* For `check`: that they fit together. */
void check_aws(struct loader *, struct toml *, struct bytes path, struct provider_config *);

/* The base of all URLs of this request, without a slash at its end. -1: ERR_API_KEY_MISSING (a dynamic one is missing), ERR_CONFIG (no
 * region is found). Waits where the region is looked for. */
int aws_base(const struct provider_config *, const struct call_context *, struct bytes *base);
/* provider_type.sign: SigV4, or nothing where the request bears a token. Waits. */
int aws_sign(const struct provider_config *, const struct call_context *, const struct http_send *,
	     struct header_list *);
/* Signs what is sent as that service wants it: adds x-amz-date, x-amz-security-token, authorization. Waits. */
int aws_sign_request(const struct aws_keys *, struct bytes region, struct bytes service,
		     const struct http_send *, struct header_list *, struct arena *);
/* provider_type.headers: content-type, accept of a plain answer, the bearer token if there is one. */
int aws_headers(const struct provider_config *, const struct inference *,
		const struct call_context *, struct header_list *);
/* provider_type.sign_better: other credentials, or the clock of AWS. */
bool aws_sign_better(const struct provider_config *, const struct call_context *,
		     const struct http_call *);
/* Of a URL: the base and `path`, `id` between them as one segment. Unset: no memory. */
struct bytes aws_url(struct bytes base, struct bytes before, struct bytes id, struct bytes behind,
		     struct arena *);

/* Fill upstream_* of an error. */
void aws_read_error(struct error *, struct bytes body, struct arena *);
void aws_read_exception(struct error *, const struct frame *, struct arena *);

#endif
