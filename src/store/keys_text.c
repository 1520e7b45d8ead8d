/*
 * A key's text: sk-t0-‹public id›-‹secret›, as TensorZero makes and reads it (storage §4.1). Checks come in its order
 * and with its words, because clients print them. The secret has 285 bits: SHA-256 without salt is enough.
 */
#include <openssl/rand.h>
#include <stdlib.h>

#include "base/time.h"
#include "store/keys.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
#define LETTERS (sizeof(letters) - 1)

static bool is_alphanumeric(struct bytes b)
{
	for (size_t i = 0; i < b.n; i++)
		if (!memchr(letters, b.p[i], LETTERS))
			return false;
	return true;
}

const char *key_parse(struct bytes text, struct bytes *public_id, struct bytes *secret)
{
	struct bytes parts[4], rest = text;
	size_t n = 0;

	for (; n < COUNT(parts) && bytes_set(rest); n++) {
		ptrdiff_t dash = bytes_chr(rest, '-');

		parts[n] = dash < 0 ? rest : bytes_slice(rest, 0, (size_t)dash);
		rest = dash < 0 ? (struct bytes){ 0 } : bytes_slice(rest, (size_t)dash + 1, rest.n);
	}
	if (n != COUNT(parts) || bytes_set(rest))
		return "API key must be of the form `sk-t0-<public_id>-<long_key>`";
	if (!bytes_eq(parts[0], B("sk")) || !bytes_eq(parts[1], B("t0")))
		return "API key must start with `sk-t0-`";
	if (parts[2].n != KEY_PUBLIC_ID)
		return "Public ID must be 12 characters";
	if (parts[3].n != KEY_SECRET)
		return "Long key must be 48 characters";
	if (!is_alphanumeric(parts[2]))
		return "Public ID must be alphanumeric";
	if (!is_alphanumeric(parts[3]))
		return "Long key must be alphanumeric";
	*public_id = parts[2];
	*secret = parts[3];
	return NULL;
}

/* Every letter as likely as any other: bytes past the last whole multiple are thrown away. */
static void random_letters(char *out, size_t n)
{
	unsigned char pool[64];
	size_t left = 0;

	while (n) {
		if (!left) {
			if (RAND_bytes(pool, sizeof(pool)) != 1)
				abort(); /* a guessable key is worse than none */
			left = sizeof(pool);
		}
		if (pool[--left] < 256 / LETTERS * LETTERS) {
			*out++ = letters[pool[left] % LETTERS];
			n--;
		}
	}
}

void key_make(char text[KEY_TEXT + 1])
{
	memcpy(text, "sk-t0-", 6);
	random_letters(text + 6, KEY_PUBLIC_ID);
	text[6 + KEY_PUBLIC_ID] = '-';
	random_letters(text + 7 + KEY_PUBLIC_ID, KEY_SECRET);
	text[KEY_TEXT] = '\0';
}

void key_put_time(struct pen *p, uint64_t ms)
{
	char text[25];

	time_rfc3339_ms(ms, text);
	pen_string_or_null(p, ms ? bytes_of(text) : (struct bytes){ 0 });
}

void key_put_facts(struct pen *p, const struct key_facts *f)
{
	pen_text(p, "public_id", f->public_id);
	pen_key(p, "description");
	pen_string_or_null(p, f->description);
	pen_key(p, "created_at");
	key_put_time(p, f->created_ms);
	pen_key(p, "created_by");
	pen_string_or_null(p, f->created_by);
	pen_key(p, "expires_at");
	key_put_time(p, f->expires_ms);
	pen_key(p, "disabled_at");
	key_put_time(p, f->disabled_ms);
	pen_key(p, "role");
	pen_string_or_null(p, bytes_of(f->role < 0 ? NULL : role_names[f->role]));
}
