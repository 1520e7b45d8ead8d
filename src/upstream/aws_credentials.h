/*
 * AWS credentials, as its SDKs find them (providers-others §4.1): environment, profile (also by a role, a command, single
 * sign-on), web identity, container, instance. The first source that is there wins; one that is there and broken ends the
 * search with its own error.
 *
 * What was found is kept for the process and made anew before it ends, by one fiber however many wait. Safe from
 * every worker.
 */
#ifndef SIGNET_UPSTREAM_AWS_CREDENTIALS_H
#define SIGNET_UPSTREAM_AWS_CREDENTIALS_H

#include "upstream/upstream.h"

struct aws_keys {
	struct bytes id, secret, token; /* token unset: none */
	uint64_t expires_unix_ms;       /* 0: never */
	const char *source;             /* where they come from, for messages; a literal */
};

#define AWS_FIRST_WAIT_MS 5000 /* how long a request waits for the first ones */

/* Those that the process finds, STS being asked in that region. Strings go into the context's arena. Waits. -1:
 * ERR_API_KEY_MISSING, which lists the sources that were tried, or says what is wrong with the one that is there. */
int aws_keys_find(const struct call_context *, struct bytes region, struct aws_keys *out);
/* Those were refused: they are looked for anew by the next who asks. Whether that can help. */
bool aws_keys_drop(struct bytes region);
/* The region: AWS_REGION, AWS_DEFAULT_REGION, the profile's, the instance's. Kept once found. Waits. -1: ERR_CONFIG. */
int aws_region_find(const struct call_context *, struct bytes *out);

/* ---- between the files that look: one search, whose memory is its own ---- */

struct aws_search {
	struct arena *arena;
	struct http_client *client;
	struct bytes region;    /* for STS */
	struct bytes tried[16]; /* what was not there, for the message */
	size_t ntried;
};

/* 1: found; 0: this source is not there; -1: it is, and broken: error set. All wait. */
int aws_from_environment(struct aws_search *, struct aws_keys *);
int aws_from_profile(struct aws_search *, struct aws_keys *);
int aws_from_web_identity(struct aws_search *, struct aws_keys *);
int aws_from_container(struct aws_search *, struct aws_keys *);
int aws_from_instance(struct aws_search *, struct aws_keys *);
void aws_not_there(struct aws_search *, struct bytes what); /* for the message */

/* The profile's key of that name. Unset: none. Waits (files). */
struct bytes aws_profile_region(struct aws_search *);
int aws_instance_region(struct aws_search *, struct bytes *out);

/* STS: fills *out with what the role gives. -1. */
struct aws_role {
	struct bytes arn, session, external_id, duration;
};
int aws_assume_role(struct aws_search *, const struct aws_keys *with, const struct aws_role *,
		    struct aws_keys *out);

/* One request of a source, and its answer. `what` names it in errors. -1: error set. */
struct aws_get {
	const char *what;
	struct bytes method, url;
	struct http_header headers[8];
	size_t nheaders;
	struct bytes body;
	uint64_t wait_ms;
	bool direct; /* through no proxy */
};
int aws_get(struct aws_search *, const struct aws_get *, int *status, struct bytes *body);
/* Adds the headers of a signature. */
int aws_sign_get(struct aws_search *, struct aws_get *, const struct aws_keys *with,
		 struct bytes service);
/* {"AccessKeyId", "SecretAccessKey", "Token" or "SessionToken", "Expiration"}. -1: error set. */
int aws_read_keys(struct aws_search *, const char *what, struct bytes json, struct aws_keys *);
/* A file's text in the search's arena, by a thread for files. 1; 0: it is not there; -1. */
int aws_file(struct aws_search *, struct bytes path, struct bytes *out);

#endif
