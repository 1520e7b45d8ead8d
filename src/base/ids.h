/* UUIDs and random bytes. Safe from any thread. */
#ifndef SIGNET_BASE_IDS_H
#define SIGNET_BASE_IDS_H

#include "base/bytes.h"

struct uuid {
	uint8_t b[16];
};

#define UUID_TEXT 36

struct uuid uuid_v4(void);
/* RFC 9562 version 7. Within one thread strictly growing; never behind an earlier one of the process
 * by more than the clock's own step back. */
struct uuid uuid_v7(void);
uint64_t uuid_v7_ms(struct uuid); /* its Unix milliseconds */
int uuid_version(struct uuid);

void uuid_print(struct uuid, char out[UUID_TEXT + 1]); /* canonical, lower case, NUL-terminated */
void uuid_hex(struct uuid, char out[33]);              /* 32 digits, no dashes, NUL-terminated */
struct bytes uuid_text(struct uuid, char out[UUID_TEXT + 1]);
/* Canonical form with dashes, or 32 hex digits, any case. */
bool uuid_parse(struct bytes, struct uuid *out);

void random_bytes(void *out, size_t n);

#endif
