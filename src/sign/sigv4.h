/*
 * AWS Signature Version 4 (providers-others §4.2). Pure: the clock and the credentials are arguments. Any thread; a
 * large body is hashed where it is called.
 */
#ifndef SIGNET_SIGN_SIGV4_H
#define SIGNET_SIGN_SIGV4_H

#include "base/arena.h"
#include "base/bytes.h"

struct sigv4_header {
	struct bytes name, value; /* as they are sent */
};

struct sigv4 {
	struct bytes key_id, secret;
	struct bytes region, service;
	struct bytes time; /* sigv4_time(); x-amz-date stands among the headers */
	struct bytes method;
	struct bytes target; /* path and query as they are sent */
	/* Of all that are sent, host, x-amz-date and x-amz-security-token included. Those that a proxy may change on the way
	 * are left out of the signature. */
	const struct sigv4_header *headers;
	size_t nheaders;
	struct bytes body;
};

#define SIGV4_TIME 17 /* with the NUL */
/* "20260102T030405Z" */
struct bytes sigv4_time(uint64_t unix_ms, char out[SIGV4_TIME]);

/* What is signed, in steps; all in the arena. */
struct sigv4_parts {
	struct bytes canonical, to_sign, signed_headers;
	char signature[65];
};
/* -1: out of memory, or more than 256 KiB of path and headers (ERR_TOO_LARGE). */
int sigv4_sign(const struct sigv4 *, struct arena *, struct sigv4_parts *out);
/* The value of `authorization`. Unset: as above. */
struct bytes sigv4_authorization(const struct sigv4 *, struct arena *);

/* One segment of a path: all but letters, digits and -_.~ percent-encoded. -1: as buf_append. */
int sigv4_segment(struct buf *, struct bytes text);

/* HMAC-SHA256. */
void hmac_sha256(struct bytes key, struct bytes text, unsigned char out[32]);

#endif
