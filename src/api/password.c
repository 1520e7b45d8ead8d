/*
 * scrypt with OpenSSL. The cost stands in the hash, within bounds, so that hashes made later may cost more. The trap:
 * whether a user exists must not show in the time that a refusal takes, so there is always something to hash.
 */
#include "api/password.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"

#define LN         15 /* of 2^15 blocks */
#define BLOCK      8
#define LANES      1
#define DIGEST     32
#define MEMORY_MAX (256u << 20)

struct scrypt {
	uint64_t ln, r, p;
	unsigned char salt[64], digest[DIGEST];
	size_t nsalt;
};

static int derive(struct bytes password, const struct scrypt *s, unsigned char out[DIGEST])
{
	if (password.n > PASSWORD_MAX)
		return fail(ERR_TOO_LARGE, "the password is longer than %d bytes", PASSWORD_MAX);
	if (EVP_PBE_scrypt(password.p, password.n, s->salt, s->nsalt, (uint64_t)1 << s->ln, s->r,
			   s->p, MEMORY_MAX, out, DIGEST) != 1)
		return fail(ERR_OUT_OF_MEMORY, "no memory for a password's hash");
	return 0;
}

/* base64 without its padding, as in other programs' hashes of this form. */
static void print_base64(const unsigned char *data, size_t n, char *out)
{
	int len = EVP_EncodeBlock((unsigned char *)out, data, (int)n);

	while (len > 0 && out[len - 1] == '=')
		out[--len] = '\0';
}

int password_hash(struct bytes password, const unsigned char *salt, char out[PASSWORD_HASH])
{
	struct scrypt s = { .ln = LN, .r = BLOCK, .p = LANES, .nsalt = PASSWORD_SALT };
	char salt_text[32], digest_text[64];

	if (salt)
		memcpy(s.salt, salt, PASSWORD_SALT);
	else if (RAND_bytes(s.salt, PASSWORD_SALT) != 1)
		abort(); /* no random numbers, no passwords */
	if (derive(password, &s, s.digest))
		return -1;
	print_base64(s.salt, s.nsalt, salt_text);
	print_base64(s.digest, DIGEST, digest_text);
	snprintf(out, PASSWORD_HASH, "$scrypt$ln=%d,r=%d,p=%d$%s$%s", LN, BLOCK, LANES, salt_text,
		 digest_text);
	return 0;
}

/* 0: it is not base64, or longer than `room`. */
static size_t read_base64(struct bytes text, unsigned char *out, size_t room)
{
	char padded[128];
	unsigned char raw[96];
	size_t n = text.n, whole;
	int len;

	if (!n || n > 120)
		return 0;
	memcpy(padded, text.p, n);
	while (n % 4)
		padded[n++] = '=';
	len = EVP_DecodeBlock(raw, (const unsigned char *)padded, (int)n);
	whole = len < 0 ? 0 : (size_t)len - (n - text.n);
	if (!whole || whole > room)
		return 0;
	memcpy(out, raw, whole);
	return whole;
}

static bool read_cost(struct bytes *rest, const char *name, uint64_t least, uint64_t most,
		      uint64_t *out)
{
	struct bytes one = bytes_cut(rest, ',');

	return bytes_eq(bytes_cut(&one, '='), bytes_of(name)) && bytes_to_u64(one, out) &&
	       *out >= least && *out <= most;
}

static bool read_hash(struct bytes text, struct scrypt *s)
{
	struct bytes costs;

	*s = (struct scrypt){ 0 };
	if (!bytes_starts(text, B("$scrypt$")))
		return false;
	text = bytes_slice(text, 8, text.n);
	costs = bytes_cut(&text, '$');
	if (!read_cost(&costs, "ln", 10, 20, &s->ln) || !read_cost(&costs, "r", 1, 32, &s->r) ||
	    !read_cost(&costs, "p", 1, 16, &s->p) || costs.n)
		return false;
	s->nsalt = read_base64(bytes_cut(&text, '$'), s->salt, sizeof(s->salt));
	return s->nsalt && read_base64(text, s->digest, DIGEST) == DIGEST;
}

bool password_fits(struct bytes password, struct bytes hash)
{
	struct scrypt s;
	unsigned char digest[DIGEST];
	bool good = read_hash(hash, &s);

	if (!good)
		s = (struct scrypt){ .ln = LN, .r = BLOCK, .p = LANES, .nsalt = PASSWORD_SALT };
	if (derive(password, &s, digest))
		return false;
	return CRYPTO_memcmp(digest, s.digest, DIGEST) == 0 && good;
}
