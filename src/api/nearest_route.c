/*
 * A client appends its own path to a base URL that somebody typed. So the end of an unknown path tells what was wanted,
 * and its front what was typed wrong: no "/v1", one too many, the whole URL of an endpoint. A misspelt end is found by
 * edit distance, within a quarter of its length: farther away a guess misleads.
 * Trap: Anthropic's clients bring "/v1" themselves, OpenAI's do not.
 */
#include "api/nearest_route.h"

#define PATH_MEANT_MAX 128u /* bytes; what is longer is no slip of a pen */
#define EDITS_MAX      3u
#define HOST_MAX       255u

/* What a route's path has behind its "/v1": what the clients append. Unset: it has none. */
static struct bytes route_tail(const struct known_route *r, struct bytes *front)
{
	struct bytes path = bytes_of(r->path);
	ptrdiff_t at = bytes_find(path, B("/v1/"));

	*front = bytes_slice(path, 0, at < 0 ? 0 : (size_t)at);
	return at < 0 ? (struct bytes){ NULL, 0 } : bytes_slice(path, (size_t)at + 3, path.n);
}

static const struct known_route *same_end(const struct known_route *routes, size_t n,
					  struct bytes path)
{
	const struct known_route *best = NULL;
	size_t most = 0;

	for (size_t i = 0; i < n; i++) {
		struct bytes front, tail = route_tail(&routes[i], &front);
		/* the longest end; of twins the one below the path's own front, else that without one */
		size_t score = tail.n * 4 + (front.n == 0 ? 1 : bytes_starts(path, front) ? 2 : 0);

		if (tail.n && bytes_ends(path, tail) && score > most) {
			best = &routes[i];
			most = score;
		}
	}
	return best;
}

/* Whether `path` is a misspelt `word`, nearer than *least edits, which becomes the number. */
static bool is_nearer(struct bytes path, struct bytes word, size_t *least)
{
	size_t edits = bytes_distance(path, word);
	size_t bearable = word.n / 4 < EDITS_MAX ? word.n / 4 : EDITS_MAX;

	if (edits > bearable || edits >= *least)
		return false;
	*least = edits;
	return true;
}

const struct known_route *nearest_route(const struct known_route *routes, size_t n,
					struct bytes path, bool *other_base)
{
	const struct known_route *best;
	size_t least = SIZE_MAX;

	*other_base = true;
	if (path.n > PATH_MEANT_MAX)
		return NULL;
	best = same_end(routes, n, path);
	for (size_t i = 0; i < n && (!best || least < SIZE_MAX); i++) {
		struct bytes front, tail = route_tail(&routes[i], &front);

		if (is_nearer(path, bytes_of(routes[i].path), &least)) {
			*other_base = false;
			best = &routes[i];
		}
		if (!front.n && is_nearer(path, tail, &least)) {
			*other_base = true;
			best = &routes[i];
		}
	}
	return best;
}

static bool is_host(struct bytes host)
{
	for (size_t i = 0; i < host.n; i++) {
		char c = host.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']'))
			return false;
	}
	return host.n && host.n <= HOST_MAX;
}

struct bytes client_base_url(const struct known_route *r, const struct exchange *ex,
			     struct bytes base_path)
{
	struct bytes front, host = exchange_get(ex, B("host"));
	bool tls = bytes_ieq(exchange_get(ex, B("x-forwarded-proto")), B("https"));
	bool brings_v1 = r->write_error == write_anthropic_error;

	route_tail(r, &front);
	return arena_printf(ex->arena, "%s://%.*s%.*s%.*s%s", tls ? "https" : "http",
			    BFMT(is_host(host) ? host : B("HOST")), BFMT(base_path), BFMT(front),
			    brings_v1 ? "" : "/v1");
}
