/*
 * Addresses in the configuration, checked with the wording of the `url` crate that TensorZero prints.
 *
 * Only what the gateway will call is accepted: http or https, a host, no user and password. net/ parses
 * again when it connects; here the point is an error at the start instead of at the first request.
 */
#include "config/models.h"

static size_t scheme_length(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (c == ':')
			return i;
		if (!letter &&
		    (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')))
			return 0;
	}
	return 0;
}

/* The first of "/?#" at or behind `from`, or the end. */
static size_t authority_end(struct bytes text, size_t from)
{
	while (from < text.n && !strchr("/?#", text.p[from]))
		from++;
	return from;
}

static const char *port_problem(struct bytes authority)
{
	size_t colon = authority.n;
	uint64_t port;

	while (colon > 0 && authority.p[colon - 1] != ':' && authority.p[colon - 1] != ']')
		colon--;
	if (colon == 0 || authority.p[colon - 1] == ']')
		return NULL;
	if (colon == 1)
		return "empty host";
	if (colon == authority.n)
		return NULL; /* "host:" is the default port */
	if (!bytes_to_u64(bytes_slice(authority, colon, authority.n), &port) || port > 65535)
		return "invalid port number";
	return NULL;
}

const char *url_problem(struct bytes text)
{
	size_t scheme = scheme_length(text), from, to;
	struct bytes authority;

	if (scheme == 0)
		return "relative URL without a base";
	if (!bytes_ieq(bytes_slice(text, 0, scheme), B("http")) &&
	    !bytes_ieq(bytes_slice(text, 0, scheme), B("https")))
		return "neither http nor https";
	if (!bytes_starts(bytes_slice(text, scheme, text.n), B("://")))
		return "empty host";
	from = scheme + 3;
	to = authority_end(text, from);
	authority = bytes_slice(text, from, to - from);
	if (authority.n == 0)
		return "empty host";
	if (bytes_chr(authority, '@') >= 0)
		return "user and password do not belong into a URL";
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c <= 0x20 || c == 0x7f)
			return i < to ? "invalid international domain name"
				      : "white space in a URL";
	}
	if (authority.p[0] == '[' && bytes_chr(authority, ']') < 0)
		return "invalid IPv6 address";
	return port_problem(authority);
}

/* Where path and query of a valid URL end. */
static void cut_url(struct bytes text, size_t *path_end, size_t *query_end)
{
	size_t from = scheme_length(text) + 3;

	*path_end = authority_end(text, from);
	while (*path_end < text.n && text.p[*path_end] != '?' && text.p[*path_end] != '#')
		++*path_end;
	*query_end = *path_end;
	while (*query_end < text.n && text.p[*query_end] != '#')
		++*query_end;
}

struct bytes url_base(struct bytes text, struct arena *arena)
{
	size_t path_end, query_end;
	bool slash;

	cut_url(text, &path_end, &query_end);
	slash = text.p[path_end - 1] == '/' &&
		path_end > authority_end(text, scheme_length(text) + 3);
	return arena_printf(arena, "%.*s%s", BFMT(bytes_slice(text, 0, path_end)),
			    slash ? "" : "/");
}

struct bytes url_endpoint(struct bytes text, struct arena *arena)
{
	struct bytes base = url_base(text, arena);
	size_t path_end, query_end;

	cut_url(text, &path_end, &query_end);
	return arena_printf(arena, "%.*schat/completions%.*s", BFMT(base),
			    BFMT(bytes_slice(text, path_end, query_end - path_end)));
}
