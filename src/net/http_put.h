/* Printing a message's head into memory that was measured before. Each returns where the next piece goes. */
#ifndef SIGNET_NET_HTTP_PUT_H
#define SIGNET_NET_HTTP_PUT_H

#include "base/bytes.h"

static inline char *http_put(char *at, struct bytes b)
{
	if (b.n)
		memcpy(at, b.p, b.n);
	return at + b.n;
}

static inline char *http_put_header(char *at, struct bytes name, struct bytes value)
{
	at = http_put(at, name);
	at = http_put(at, B(": "));
	at = http_put(at, value);
	return http_put(at, B("\r\n"));
}

static inline char *http_put_number(char *at, uint64_t n)
{
	char digits[U64_DIGITS];

	return http_put(at, u64_text(n, digits));
}

#endif
