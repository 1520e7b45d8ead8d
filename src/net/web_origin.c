/*
 * Parsing of web origins. The trap: whatever is believed to be this machine's opens the operator's keys to a page, so a
 * name must be the whole host and an address must parse as one; nothing is looked for inside of a text.
 */
#include "net/web_origin.h"

#include "net/socket.h"

struct parts {
	struct bytes scheme, host,
		port; /* port: unset without one; an IPv6 host has its brackets */
};

static bool consists_of(struct bytes text, bool (*good)(char))
{
	for (size_t i = 0; i < text.n; i++)
		if (!good(text.p[i]))
			return false;
	return text.n > 0;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_of_scheme(char c)
{
	return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
}

static bool is_of_host(char c)
{
	return is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '_';
}

static bool is_port(struct bytes text)
{
	uint64_t n;

	return consists_of(text, is_digit) && text.n <= 5 && bytes_to_u64(text, &n) && n >= 1 &&
	       n <= 65535;
}

static struct bytes without_brackets(struct bytes host)
{
	return host.n > 2 ? bytes_slice(host, 1, host.n - 2) : (struct bytes){ 0 };
}

/* The host and what may follow it. */
static bool split_host(struct bytes rest, struct parts *out)
{
	bool v6 = bytes_starts(rest, B("["));
	ptrdiff_t end = bytes_chr(rest, v6 ? ']' : ':');
	unsigned char ip[16];

	if (v6 && end < 0)
		return false;
	out->host = bytes_slice(rest, 0, end < 0 ? rest.n : (size_t)end + v6);
	rest = bytes_slice(rest, out->host.n, rest.n);
	out->port = (struct bytes){ 0 };
	if (rest.n) {
		if (rest.p[0] != ':')
			return false;
		out->port = bytes_slice(rest, 1, rest.n);
		if (!is_port(out->port))
			return false;
	}
	return v6 ? ip_parse(without_brackets(out->host), ip) == sizeof(ip)
		  : consists_of(out->host, is_of_host);
}

static bool split(struct bytes origin, struct parts *out)
{
	ptrdiff_t at = bytes_find(origin, B("://"));

	if (at <= 0)
		return false;
	out->scheme = bytes_slice(origin, 0, (size_t)at);
	return is_letter(origin.p[0]) && consists_of(out->scheme, is_of_scheme) &&
	       split_host(bytes_slice(origin, (size_t)at + 3, origin.n), out);
}

bool web_origin_is_valid(struct bytes origin)
{
	struct parts parts;

	return split(origin, &parts);
}

static struct bytes port_of(const struct parts *p)
{
	if (bytes_set(p->port))
		return p->port;
	if (bytes_ieq(p->scheme, B("http")))
		return B("80");
	return bytes_ieq(p->scheme, B("https")) ? B("443") : B("");
}

bool web_origin_same(struct bytes one, struct bytes other)
{
	struct parts a, b;

	return split(one, &a) && split(other, &b) && bytes_ieq(a.scheme, b.scheme) &&
	       bytes_ieq(a.host, b.host) && bytes_eq(port_of(&a), port_of(&b));
}

/* ::1, and 127.0.0.0/8 as IPv4 or mapped into IPv6. */
static bool is_loopback_address(struct bytes host)
{
	static const unsigned char one[16] = { [15] = 1 };
	static const unsigned char mapped[13] = { [10] = 0xff, [11] = 0xff, [12] = 127 };
	unsigned char ip[16];

	if (host.n && host.p[0] == '[')
		return ip_parse(without_brackets(host), ip) == 16 &&
		       (!memcmp(ip, one, sizeof(one)) || !memcmp(ip, mapped, sizeof(mapped)));
	return ip_parse(host, ip) == 4 && ip[0] == 127;
}

bool web_host_is_local(struct bytes host)
{
	static const struct bytes names[] = { B("localhost"), B("127.0.0.1"), B("[::1]") };
	struct parts parts;

	for (size_t i = 0; i < COUNT(names); i++)
		if (split_host(host, &parts) && bytes_ieq(parts.host, names[i]))
			return true;
	return false;
}

bool web_origin_is_loopback(struct bytes origin)
{
	struct parts parts;

	return split(origin, &parts) &&
	       (bytes_ieq(parts.scheme, B("http")) || bytes_ieq(parts.scheme, B("https"))) &&
	       (bytes_ieq(parts.host, B("localhost")) || is_loopback_address(parts.host));
}
