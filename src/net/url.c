/*
 * Absolute http and https URLs (RFC 3986), as configuration and clients give them: what a request line
 * cannot carry is percent-encoded, what could change its meaning is refused. Names are not decoded or
 * case-folded beyond ASCII; an internationalised host must come in its xn-- form.
 */
#include <stdlib.h>

#include "base/error.h"
#include "net/http_client.h"

#define HOST_MAX 253

static int bad(struct bytes text, const char *why)
{
	return fail(ERR_CONFIG, "%.*s is not a usable URL: %s", (int)(text.n > 200 ? 200 : text.n),
		    text.p ? text.p : "", why);
}

/* The text may hold a password: it is not repeated. */
static int has_userinfo(void)
{
	return fail(ERR_CONFIG, "a URL with a user name or password is not allowed here");
}

static bool host_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

static bool v6_char(unsigned char c)
{
	return hex_digit((char)c) >= 0 || c == ':' || c == '.';
}

/* Splits host[:port]; the port is 0 if there is none. NULL, or what is wrong. */
static const char *split_authority(struct bytes a, struct bytes *host, uint64_t *port)
{
	struct bytes rest;
	ptrdiff_t i;

	*port = 0;
	if (a.n && a.p[0] == '[') {
		i = bytes_chr(a, ']');
		if (i < 0)
			return "no ] after the address";
		*host = bytes_slice(a, 1, (size_t)i - 1);
		rest = bytes_slice(a, (size_t)i + 1, a.n);
		for (size_t k = 0; k < host->n; k++)
			if (!v6_char((unsigned char)host->p[k]))
				return "not an IPv6 address";
	} else {
		i = bytes_chr(a, ':');
		*host = i < 0 ? a : bytes_slice(a, 0, (size_t)i);
		rest = i < 0 ? (struct bytes)B("") : bytes_slice(a, (size_t)i, a.n);
		for (size_t k = 0; k < host->n; k++)
			if (!host_char((unsigned char)host->p[k]))
				return "a character that a host name cannot have";
	}
	if (host->n == 0)
		return "no host";
	if (host->n > HOST_MAX)
		return "the host name is too long";
	if (rest.n == 0 || bytes_eq(rest, B(":")))
		return NULL;
	if (rest.p[0] != ':' || !bytes_to_u64(bytes_slice(rest, 1, rest.n), port) || *port == 0 ||
	    *port > 65535)
		return "the port is not a number from 1 to 65535";
	return NULL;
}

static bool must_encode(unsigned char c)
{
	return c <= ' ' || c >= 127 || c == '"' || c == '<' || c == '>' || c == '`' || c == '{' ||
	       c == '}';
}

/* Path and query for the request line. */
static struct bytes encode_target(struct bytes t, struct arena *a)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t extra = t.n && t.p[0] == '/' ? 0 : 1, n = 0;
	char *out;

	for (size_t i = 0; i < t.n; i++)
		if (must_encode((unsigned char)t.p[i]))
			extra += 2;
	if (extra == 0)
		return t;
	out = arena_alloc_raw(a, t.n + extra);
	if (!out)
		return (struct bytes){ 0 };
	if (t.n == 0 || t.p[0] != '/')
		out[n++] = '/';
	for (size_t i = 0; i < t.n; i++) {
		unsigned char c = (unsigned char)t.p[i];

		if (!must_encode(c)) {
			out[n++] = (char)c;
			continue;
		}
		out[n++] = '%';
		out[n++] = hex[c >> 4];
		out[n++] = hex[c & 15];
	}
	return (struct bytes){ out, n };
}

int url_parse(struct bytes text, struct arena *a, struct url *out)
{
	struct bytes rest, authority, target, fragment;
	const char *why;
	uint64_t port;
	size_t n = 0;

	*out = (struct url){ 0 };
	if (bytes_has_control(text) || bytes_chr(text, '\t') >= 0)
		return fail(ERR_CONFIG, "a URL with a control character");
	if (bytes_istarts(text, B("https://")))
		out->tls = true;
	else if (!bytes_istarts(text, B("http://")))
		return bad(text, "it must begin with http:// or https://");
	rest = bytes_slice(text, out->tls ? 8 : 7, text.n);
	while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?' && rest.p[n] != '#')
		n++;
	authority = bytes_slice(rest, 0, n);
	target = bytes_slice(rest, n, rest.n);
	if (bytes_chr(authority, '@') >= 0)
		return has_userinfo();
	why = split_authority(authority, &out->host, &port);
	if (why)
		return bad(text, why);
	fragment = target;
	target = bytes_cut(&fragment, '#');
	out->target = encode_target(target, a);
	out->port = (uint16_t)(port ? port : out->tls ? 443 : 80);
	out->authority = authority;
	if (out->port == (out->tls ? 443 : 80)) /* a host header leaves the scheme's own port out */
		out->authority.n = authority.p[0] == '[' ? out->host.n + 2 : out->host.n;
	return out->target.p ? 0 : -1;
}
