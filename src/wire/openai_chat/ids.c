/*
 * Ids and names are mapped without any memory: a history that the client sends again maps alike in every turn,
 * so calls and results stay paired. Only names come back, and the tools of the request itself are the table
 * for that.
 */
#include "wire/openai_chat/ids.h"

#include <openssl/sha.h>
#include <stdio.h>

#define HASHED 9 /* '_' and 8 hex digits */

static void put_hash(struct bytes text, char *out)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char hex[HASHED];

	SHA256((const unsigned char *)text.p, text.n, digest);
	hex_print(digest, 4, hex);
	*out = '_';
	memcpy(out + 1, hex, 8);
}

struct bytes chat_id(struct bytes id, char out[CHAT_ID_MAX])
{
	size_t n = bytes_head(id, CHAT_ID_MAX - HASHED).n;

	if (id.n <= CHAT_ID_MAX)
		return id;
	memcpy(out, id.p, n);
	put_hash(id, out + n);
	return (struct bytes){ out, n + HASHED };
}

static bool fits(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

bool chat_name_fits(struct bytes name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!fits(name.p[i]))
			return false;
	return name.n > 0 && name.n <= CHAT_NAME_MAX;
}

struct bytes chat_name(struct bytes name, char out[CHAT_NAME_MAX])
{
	size_t n = name.n < CHAT_NAME_MAX - HASHED ? name.n : CHAT_NAME_MAX - HASHED;

	if (chat_name_fits(name))
		return name;
	for (size_t i = 0; i < n; i++)
		out[i] = fits(name.p[i]) ? name.p[i] : '_';
	put_hash(name, out + n);
	return (struct bytes){ out, n + HASHED };
}

bool chat_names_mapped(const struct inference *inf)
{
	if (!inf->options->short_ids || !inf->tools)
		return false;
	for (size_t i = 0; i < inf->tools->len; i++)
		if (!chat_name_fits(inf->tools->tools[i].name))
			return true;
	return false;
}

struct bytes chat_name_back(const struct inference *inf, struct bytes name)
{
	char out[CHAT_NAME_MAX];

	if (!inf->options->short_ids || !inf->tools)
		return name;
	for (size_t i = 0; i < inf->tools->len; i++) {
		struct bytes own = inf->tools->tools[i].name;

		if (!chat_name_fits(own) && bytes_eq(chat_name(own, out), name))
			return own;
	}
	return name;
}

struct bytes chat_id_made(struct uuid id, size_t position, char out[16])
{
	char seed[UUID_TEXT + 1 + 24];
	unsigned char digest[SHA256_DIGEST_LENGTH];
	int n;

	uuid_print(id, seed);
	n = snprintf(seed + UUID_TEXT, sizeof seed - UUID_TEXT, "_%zu", position);
	SHA256((const unsigned char *)seed, UUID_TEXT + (size_t)n, digest);
	memcpy(out, "call_", 5);
	hex_print(digest, 4, out + 5);
	return (struct bytes){ out, 13 };
}
