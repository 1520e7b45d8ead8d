/* The digits are OpenSSL's; the alphabet for URLs differs from it in two, and leaves the padding out. */
#include "base/base64.h"

#include <openssl/evp.h>

#include "base/error.h"

#define TEXT_MAX (256u << 20) /* EVP_EncodeBlock counts in int */

static size_t padding_of(size_t n)
{
	return (3 - n % 3) % 3;
}

int buf_base64(struct buf *b, struct bytes data)
{
	size_t n = (data.n + 2) / 3 * 4;

	if (n > TEXT_MAX)
		return fail(ERR_TOO_LARGE, "base64 of more than %u bytes", TEXT_MAX);
	if (buf_reserve(b, n + 1)) /* OpenSSL ends it with a zero byte */
		return -1;
	b->len += (size_t)EVP_EncodeBlock((unsigned char *)b->data + b->len,
					  (const unsigned char *)data.p, (int)data.n);
	return 0;
}

int buf_base64url(struct buf *b, struct bytes data)
{
	size_t from = b->len;

	if (buf_base64(b, data))
		return -1;
	b->len -= padding_of(data.n);
	for (size_t i = from; i < b->len; i++)
		b->data[i] = b->data[i] == '+' ? '-' : b->data[i] == '/' ? '_' : b->data[i];
	return 0;
}

/* The text in OpenSSL's alphabet with its padding, `full` bytes of it. */
static void normalise(struct bytes text, char *out, size_t full)
{
	for (size_t i = 0; i < text.n; i++)
		out[i] = text.p[i] == '-' ? '+' : text.p[i] == '_' ? '/' : text.p[i];
	memset(out + text.n, '=', full - text.n);
}

static bool is_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '/';
}

struct bytes base64_read(struct bytes text, struct arena *a)
{
	static const struct bytes none = { NULL, 0 };
	size_t full;
	char *digits, *out;

	while (text.n && text.p[text.n - 1] == '=')
		text.n--;
	full = (text.n + 3) / 4 * 4;
	if (text.n % 4 == 1 || full > TEXT_MAX)
		return none;
	digits = arena_alloc(a, full + 1);
	out = arena_alloc(a, full / 4 * 3 + 1);
	if (!digits || !out)
		return none;
	normalise(text, digits, full);
	for (size_t i = 0; i < text.n; i++)
		if (!is_digit(digits[i]))
			return none;
	if (EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)digits, (int)full) < 0)
		return none;
	return (struct bytes){ out, full / 4 * 3 - (full - text.n) };
}
