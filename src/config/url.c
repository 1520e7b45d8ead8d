/*
 * Addresses in the configuration, read as TensorZero reads them: what its parser prints is called. net/ parses again when it
 * connects, and takes nothing off; here the point is an error at the start instead of at the first request.
 */
#include <openssl/evp.h>

#include "base/address.h"
#include "base/words.h"
#include "config/models.h"

#define MAX_URL (1u << 20)

static bool has_blanks(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] <= 0x20 || text.p[i] == 0x7f)
			return true;
	return false;
}

/* `strict`: what TensorZero would tidy up is a mistake. */
static const char *problem_of(struct bytes text, bool strict)
{
	struct address url;
	struct arena arena;
	const char *problem;

	arena_init(&arena, MAX_URL);
	problem = address_parse(text, &arena, &url);
	if (!problem) {
		if (!bytes_eq(url.scheme, B("http")) && !bytes_eq(url.scheme, B("https")))
			problem = "neither http nor https";
		else if (strict && has_blanks(text))
			problem = "white space in a URL";
		else if (strict && !bytes_starts(bytes_slice(text, url.scheme.n, text.n), B("://")))
			problem = "empty host";
		else if (strict && url.user.n)
			problem = "user and password do not belong into a URL";
	}
	arena_deinit(&arena);
	return problem;
}

const char *url_problem(struct bytes text)
{
	return problem_of(text, true);
}

const char *api_base_problem(struct bytes text)
{
	return problem_of(text, false);
}

/* %41 becomes A. */
static struct bytes percent_decode(struct bytes text, struct arena *arena)
{
	char *out = arena_alloc_raw(arena, text.n + 1);
	size_t n = 0;

	for (size_t i = 0; out && i < text.n; i++) {
		bool escape = text.p[i] == '%' && i + 2 < text.n && hex_digit(text.p[i + 1]) >= 0 &&
			      hex_digit(text.p[i + 2]) >= 0;

		out[n] = text.p[i];
		if (escape) {
			out[n] = (char)(hex_digit(text.p[i + 1]) << 4 | hex_digit(text.p[i + 2]));
			i += 2;
		}
		n++;
	}
	return (struct bytes){ out, out ? n : 0 };
}

struct bytes url_authorization(struct bytes text, struct arena *arena)
{
	struct bytes pair, name, none = { NULL, 0 };
	struct address url;
	char *out;

	if (address_parse(text, arena, &url) || url.user.n == 0)
		return none;
	pair = bytes_slice(url.user, 0, url.user.n - 1); /* without the '@' */
	name = percent_decode(bytes_cut(&pair, ':'), arena);
	pair = percent_decode(pair, arena);
	if (!name.p || !pair.p)
		return none;
	pair = arena_printf(arena, "%.*s:%.*s", BFMT(name), BFMT(pair));
	out = arena_alloc_raw(arena, 4 * (pair.n / 3 + 1) + 7);
	if (!bytes_set(pair) || !out)
		return none;
	memcpy(out, "Basic ", 6);
	return (struct bytes){ out, 6 + (size_t)EVP_EncodeBlock((unsigned char *)out + 6,
								(const unsigned char *)pair.p,
								(int)pair.n) };
}

struct bytes url_endpoint(struct bytes text, struct bytes path, struct arena *arena)
{
	struct address url;

	if (address_parse(text, arena, &url))
		return (struct bytes){ NULL, 0 };
	return arena_printf(arena, "%.*s://%.*s%s%.*s%.*s", BFMT(url.scheme),
			    (int)(url.path.p + url.path.n - url.user.p - url.user.n),
			    url.user.p + url.user.n, bytes_ends(url.path, B("/")) ? "" : "/",
			    BFMT(path), BFMT(url.query));
}

struct bytes url_shown(struct bytes url)
{
	return bytes_chr(url, '@') >= 0 ? B("") : url;
}

struct bytes url_quoted(struct bytes url, struct arena *arena)
{
	struct bytes out;
	struct buf b;

	buf_init(&b, MAX_URL);
	words_quote(url_shown(url), &b);
	out = arena_dup(arena, buf_bytes(&b));
	buf_deinit(&b);
	return out;
}
