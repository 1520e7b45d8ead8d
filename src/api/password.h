/* Passwords as scrypt hashes: "$scrypt$ln=15,r=8,p=1$‹salt›$‹hash›", both base64. Each call takes some 80 ms and 32 MiB:
 * not on a loop. */
#ifndef SIGNET_API_PASSWORD_H
#define SIGNET_API_PASSWORD_H

#include "base/bytes.h"

#define PASSWORD_MAX  1024 /* bytes; a longer one is refused */
#define PASSWORD_HASH 160
#define PASSWORD_SALT 16

/* `salt` NULL: a random one. -1: ERR_OUT_OF_MEMORY, ERR_TOO_LARGE. */
int password_hash(struct bytes password, const unsigned char *salt, char out[PASSWORD_HASH]);
/* Whether the password is that of the hash. A hash of another form fits none, and takes as long. */
bool password_fits(struct bytes password, struct bytes hash);

#endif
