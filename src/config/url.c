/*
 * Addresses in the configuration, read as TensorZero reads them. Only what the gateway will call is accepted: http
 * or https, a host, no user and password. net/ parses again when it connects, and takes nothing off; here the point
 * is an error at the start instead of at the first request.
 */
#include "base/address.h"
#include "config/models.h"

#define MAX_URL (1u << 20)

static bool has_blanks(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] <= 0x20 || text.p[i] == 0x7f)
			return true;
	return false;
}

const char *url_problem(struct bytes text)
{
	struct address url;
	struct arena arena;
	const char *problem;

	arena_init(&arena, MAX_URL);
	problem = address_parse(text, &arena, &url);
	if (!problem) {
		if (!bytes_eq(url.scheme, B("http")) && !bytes_eq(url.scheme, B("https")))
			problem = "neither http nor https";
		else if (has_blanks(text))
			problem = "white space in a URL";
		else if (!bytes_starts(bytes_slice(text, url.scheme.n, text.n), B("://")))
			problem = "empty host";
		else if (url.user.n)
			problem = "user and password do not belong into a URL";
	}
	arena_deinit(&arena);
	return problem;
}

struct bytes url_endpoint(struct bytes text, struct arena *arena)
{
	struct address url;

	if (address_parse(text, arena, &url))
		return (struct bytes){ NULL, 0 };
	return arena_printf(arena, "%.*s%schat/completions%.*s",
			    (int)(url.path.p + url.path.n - url.text.p), url.text.p,
			    bytes_ends(url.path, B("/")) ? "" : "/", BFMT(url.query));
}

struct bytes url_shown(struct bytes url)
{
	return bytes_chr(url, '@') >= 0 ? B("") : url;
}
