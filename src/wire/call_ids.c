/*
 * Ids and names are mapped without any memory: a history that the client sends again maps alike in every turn,
 * so calls and results stay paired. Only names come back, and the tools of the request itself are the table
 * for that.
 */
#include "wire/call_ids.h"

#include <openssl/sha.h>
#include <stdio.h>

#define HASHED 9 /* '_' and 8 hex digits */

const struct id_rule id_openai_chat = { .max = 40, .any = true };
const struct id_rule id_openai_responses = { .max = 64, .any = true };
const struct id_rule id_anthropic = { .max = 64 };
const struct id_rule id_nine = { .max = 9, .exact = true };
const struct id_rule name_openai = { .max = 64 };
const struct id_rule name_anthropic = { .max = 128 };
const struct id_rule name_bedrock = { .max = 64 };
const struct id_rule name_gemini = { .max = 64, .dots = true, .letter_first = true };

static void put_hash(struct bytes text, char *out)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char hex[HASHED];

	SHA256((const unsigned char *)text.p, text.n, digest);
	hex_print(digest, 4, hex);
	*out = '_';
	memcpy(out + 1, hex, 8);
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool char_fits(const struct id_rule *rule, char c)
{
	return rule->any || is_letter(c) || (c >= '0' && c <= '9') || c == '-' ||
	       (rule->dots && c == '.');
}

static bool begins_well(const struct id_rule *rule, struct bytes id)
{
	return !rule->letter_first || is_letter(id.p[0]);
}

static bool is_letter_or_digit(char c)
{
	return (is_letter(c) && c != '_') || (c >= '0' && c <= '9');
}

static bool fits_exactly(const struct id_rule *rule, struct bytes id)
{
	for (size_t i = 0; i < id.n; i++)
		if (!is_letter_or_digit(id.p[i]))
			return false;
	return id.n == rule->max;
}

/* As many digits of the hash to base 62 as there are places. */
static struct bytes hashed(const struct id_rule *rule, struct bytes id, char out[ID_ROOM])
{
	static const char digits[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	unsigned char digest[SHA256_DIGEST_LENGTH];
	uint64_t number;

	SHA256((const unsigned char *)id.p, id.n, digest);
	memcpy(&number, digest, sizeof number);
	for (size_t i = 0; i < rule->max; i++, number /= 62)
		out[i] = digits[number % 62];
	return (struct bytes){ out, rule->max };
}

bool id_fits(const struct id_rule *rule, struct bytes id)
{
	if (rule->exact)
		return fits_exactly(rule, id);
	for (size_t i = 0; i < id.n; i++)
		if (!char_fits(rule, id.p[i]))
			return false;
	return id.n ? id.n <= rule->max && begins_well(rule, id) : rule->any;
}

struct bytes id_mapped(const struct id_rule *rule, struct bytes id, char out[ID_ROOM])
{
	size_t room = rule->max - HASHED, n = 0;
	struct bytes head;

	if (id_fits(rule, id))
		return id;
	if (rule->exact)
		return hashed(rule, id, out);
	if (id.n && !begins_well(rule, id))
		out[n++] = '_';
	head = rule->any ? bytes_head(id, room - n) : bytes_slice(id, 0, room - n);
	for (size_t i = 0; i < head.n; i++)
		out[n++] = char_fits(rule, head.p[i]) ? head.p[i] : '_';
	put_hash(id, out + n);
	return (struct bytes){ out, n + HASHED };
}

bool names_mapped(const struct id_rule *rule, const struct inference *inf)
{
	for (size_t i = 0; inf->tools && i < inf->tools->len; i++)
		if (!id_fits(rule, inf->tools->tools[i].name))
			return true;
	return false;
}

struct bytes name_back(const struct id_rule *rule, const struct inference *inf, struct bytes name)
{
	char out[ID_ROOM];

	for (size_t i = 0; inf->tools && i < inf->tools->len; i++) {
		struct bytes own = inf->tools->tools[i].name;

		if (!id_fits(rule, own) && bytes_eq(id_mapped(rule, own, out), name))
			return own;
	}
	return name;
}

struct bytes call_id_made(struct uuid id, size_t position, char out[16])
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
