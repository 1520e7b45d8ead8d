/*
 * Proxy variables. Rules as curl's and reqwest's agree on them: a NO_PROXY entry matches its own name and
 * all names below it, with or without a leading dot; loopback is not special.
 */
#include "net/proxy.h"

#include <openssl/evp.h>

#include "base/error.h"
#include "net/http_client.h"
#include "net/socket.h"

static struct bytes basic(struct bytes userinfo, struct arena *a)
{
	char *plain = arena_alloc_raw(a, userinfo.n + 2);
	unsigned char *coded;
	size_t n;

	if (!plain)
		return (struct bytes){ 0 };
	n = bytes_percent_decode(userinfo, plain);
	if (bytes_chr(userinfo, ':') < 0)
		plain[n++] = ':';
	coded = arena_alloc_raw(a, (n + 2) / 3 * 4 + 1);
	if (!coded)
		return (struct bytes){ 0 };
	EVP_EncodeBlock(coded, (unsigned char *)plain, (int)n);
	return arena_cat(a, B("Basic "), bytes_of((char *)coded));
}

int proxy_parse(const char *text, struct arena *a, struct proxy *out)
{
	struct bytes t = bytes_trim(bytes_of(text)), user = { 0 }, scheme = B("http://");
	ptrdiff_t at, slash;
	struct url u;

	*out = (struct proxy){ 0 };
	if (t.n == 0)
		return 0;
	if (bytes_istarts(t, scheme))
		t = bytes_slice(t, scheme.n, t.n);
	else if (bytes_find(t, B("://")) >= 0)
		return fail(
			ERR_CONFIG,
			"the proxy's URL must begin with http:// (other kinds of proxy are not supported)");
	slash = bytes_chr(t, '/');
	if (slash >= 0)
		t.n = (size_t)slash;
	for (at = (ptrdiff_t)t.n - 1; at >= 0 && t.p[at] != '@'; at--)
		;
	if (at >= 0) {
		user = bytes_slice(t, 0, (size_t)at);
		t = bytes_slice(t, (size_t)at + 1, t.n);
		out->authorization = basic(user, a);
		if (!out->authorization.p)
			return -1;
	}
	t = arena_cat(a, scheme, t);
	if (!t.p || url_parse(t, a, &u))
		return fail_context("the proxy's URL: ");
	out->host = u.host;
	out->port = u.port;
	return 0;
}

/* The address, in brackets too; how many bytes, 0: it is none. */
static size_t parse_ip(struct bytes s, unsigned char out[16])
{
	if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = bytes_slice(s, 1, s.n - 2);
	return ip_parse(s, out);
}

static bool in_block(struct bytes block, struct bytes host)
{
	unsigned char net[16], ip[16];
	struct bytes base = bytes_cut(&block, '/');
	size_t n = parse_ip(base, net);
	uint64_t bits;

	if (!n || parse_ip(host, ip) != n || !bytes_to_u64(block, &bits) || bits > n * 8)
		return false;
	if (memcmp(net, ip, bits / 8))
		return false;
	return bits % 8 == 0 ||
	       ((net[bits / 8] ^ ip[bits / 8]) & (0xff00 >> (bits % 8)) & 0xff) == 0;
}

/* Takes ":port" off an entry (not off a bare IPv6 address). False: the port is another one. */
static bool port_matches(struct bytes *entry, uint16_t port)
{
	ptrdiff_t colon = -1;
	uint64_t want;

	for (size_t i = 0; i < entry->n; i++) {
		if (entry->p[i] != ':')
			continue;
		if (colon >= 0 && entry->p[0] != '[')
			return true;
		colon = (ptrdiff_t)i;
	}
	if (colon < 0 || !bytes_to_u64(bytes_slice(*entry, (size_t)colon + 1, entry->n), &want))
		return true; /* "[::1]", too */
	entry->n = (size_t)colon;
	return want == port;
}

static bool entry_matches(struct bytes e, struct bytes host, uint16_t port)
{
	unsigned char a[16], b[16];
	size_t n;

	if (bytes_eq(e, B("*")))
		return true;
	if (bytes_chr(e, '/') >= 0)
		return in_block(e, host);
	if (!port_matches(&e, port))
		return false;
	n = parse_ip(e, a);
	if (n)
		return parse_ip(host, b) == n && memcmp(a, b, n) == 0;
	if (bytes_starts(e, B("*.")))
		e = bytes_slice(e, 2, e.n);
	else if (bytes_starts(e, B(".")))
		e = bytes_slice(e, 1, e.n);
	if (e.n == 0 || host.n < e.n)
		return false;
	if (!bytes_ieq(bytes_slice(host, host.n - e.n, e.n), e))
		return false;
	return host.n == e.n || host.p[host.n - e.n - 1] == '.';
}

bool proxy_bypassed(struct bytes no_proxy, struct bytes host, uint16_t port)
{
	while (no_proxy.n) {
		struct bytes e = bytes_trim(bytes_cut(&no_proxy, ','));

		if (e.n && entry_matches(e, host, port))
			return true;
	}
	return false;
}
