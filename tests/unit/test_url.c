/* URLs and proxy rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/error.h"
#include "net/http_client.h"
#include "net/proxy.h"

#include <cmocka.h> /* after error.h: it makes a macro of fail() */

/* "tls host port authority target", or the error's text. */
static const char *parsed(const char *text)
{
	static char out[600];
	struct arena a;
	struct url u;

	arena_init(&a, 1 << 16);
	if (url_parse(bytes_of(text), &a, &u))
		snprintf(out, sizeof out, "%.*s", BFMT(error_last()->message));
	else
		snprintf(out, sizeof out, "%d %.*s %u %.*s %.*s", u.tls, BFMT(u.host), u.port,
			 BFMT(u.authority), BFMT(u.target));
	error_clear();
	arena_deinit(&a);
	return out;
}

static void test_parts_of_a_url(void **state)
{
	(void)state;
	assert_string_equal("1 api.openai.com 443 api.openai.com /v1/",
			    parsed("https://api.openai.com/v1/"));
	assert_string_equal("0 x 80 x /", parsed("http://x"));
	assert_string_equal("0 x 80 x /", parsed("HTTP://x:80/"));
	assert_string_equal("0 x 8080 x:8080 /a?b=c", parsed("http://x:8080/a?b=c#d"));
	assert_string_equal("1 x 80 x:80 /?q", parsed("https://x:80?q"));
	assert_string_equal("0 ::1 3000 [::1]:3000 /", parsed("http://[::1]:3000"));
	assert_string_equal("1 2001:db8::1 443 [2001:db8::1] /", parsed("https://[2001:db8::1]/"));
	assert_string_equal("0 x 80 x /a%20b%C3%A9%22", parsed("http://x/a b\xC3\xA9\""));
	assert_string_equal("0 x 80 x /a%20b", parsed("http://x:/a%20b"));
	assert_string_equal("0 AZaz09-._~ 80 AZaz09-._~ /", parsed("http://AZaz09-._~/"));
}

static void test_bad_urls_say_what_is_wrong(void **state)
{
	(void)state;
	assert_string_equal("ftp://x is not a usable URL: it must begin with http:// or https://",
			    parsed("ftp://x"));
	assert_string_equal(" is not a usable URL: it must begin with http:// or https://",
			    parsed(""));
	assert_string_equal("http:// is not a usable URL: no host", parsed("http://"));
	assert_string_equal("http://:80 is not a usable URL: no host", parsed("http://:80"));
	assert_string_equal("a URL with a user name or password is not allowed here",
			    parsed("http://user:secret@x/"));
	assert_string_equal(
		"http://x:0 is not a usable URL: the port is not a number from 1 to 65535",
		parsed("http://x:0"));
	assert_string_equal(
		"http://x:65536/ is not a usable URL: the port is not a number from 1 to 65535",
		parsed("http://x:65536/"));
	assert_string_equal(
		"http://x:1a is not a usable URL: the port is not a number from 1 to 65535",
		parsed("http://x:1a"));
	assert_string_equal(
		"http://a b/ is not a usable URL: a character that a host name cannot have",
		parsed("http://a b/"));
	assert_string_equal("http://[::1 is not a usable URL: no ] after the address",
			    parsed("http://[::1"));
	assert_string_equal("http://[x]/ is not a usable URL: not an IPv6 address",
			    parsed("http://[x]/"));
	assert_string_equal("a URL with a control character", parsed("http://x/\r\nHost: y"));
}

/* By the crate: "host path query", or what is wrong. The text ends where its block does. */
static const char *address(const char *text, size_t n)
{
	static char out[100];
	char *block = malloc(n ? n : 1);
	struct address u;
	struct arena a;
	const char *bad;

	memcpy(block, text, n);
	arena_init(&a, 1 << 16);
	bad = address_parse((struct bytes){ block, n }, &a, &u);
	if (bad)
		snprintf(out, sizeof out, "%s", bad);
	else
		snprintf(out, sizeof out, "%.*s %.20s %.20s", BFMT(u.host), u.path.p,
			 u.query.n ? u.query.p : "-");
	arena_deinit(&a);
	free(block);
	return out;
}

/* `begin`, n times x, `end` */
static const char *long_address(const char *begin, size_t n, const char *end)
{
	static char text[6000];

	memset(text, 'x', sizeof text);
	memcpy(text, begin, strlen(begin));
	memcpy(text + strlen(begin) + n, end, strlen(end));
	return address(text, strlen(begin) + n + strlen(end));
}

#define TOO_LONG "invalid international domain name"

static void test_what_stands_before_the_path_has_a_bound(void **state)
{
	static const char *const short_ones[] = {
		"", "h", "http:", "http:/", "http://", "http:\\"
	};

	(void)state;
	for (size_t i = 0; i < sizeof short_ones / sizeof *short_ones; i++)
		assert_string_not_equal(address(short_ones[i], strlen(short_ones[i])), TOO_LONG);
	assert_string_equal(address("http://h/p?q", 12), "h /p?q ?q");
	assert_string_equal(long_address("http://", 4094, "@h"), "h / -");
	assert_string_equal(long_address("http://", 4095, "@h"), TOO_LONG);
	assert_string_equal(long_address("http:\\/\\", 4095, "@h"), TOO_LONG);
	assert_string_equal(long_address("http://", 4094, "@h/p"), "h /p -");
	assert_string_equal(long_address("http://h/", 5000, ""), "h /xxxxxxxxxxxxxxxxxxx -");
	assert_string_equal(long_address("http://h\\", 5000, ""), "h /xxxxxxxxxxxxxxxxxxx -");
	assert_string_equal(long_address("http://h?", 5000, ""),
			    "h /?xxxxxxxxxxxxxxxxxx ?xxxxxxxxxxxxxxxxxxx");
	assert_string_equal(long_address("http://h#", 5000, ""), "h /#xxxxxxxxxxxxxxxxxx -");
}

/* The literal ends at the array's end: nothing may be read past it. */
static void test_proxies_and_their_credentials(void **state)
{
	struct arena a;
	struct proxy p;

	(void)state;
	arena_init(&a, 1 << 16);
	assert_int_equal(0, proxy_parse(NULL, &a, &p));
	assert_null(p.host.p);
	assert_int_equal(0, proxy_parse("", &a, &p));
	assert_null(p.host.p);
	assert_int_equal(0, proxy_parse("http://proxy.local:3128/", &a, &p));
	assert_true(bytes_eq(B("proxy.local"), p.host));
	assert_int_equal(3128, p.port);
	assert_null(p.authorization.p);
	assert_int_equal(0, proxy_parse("user:p%40ss@proxy", &a, &p));
	assert_true(bytes_eq(B("proxy"), p.host));
	assert_int_equal(80, p.port);
	assert_true(bytes_eq(B("Basic dXNlcjpwQHNz"), p.authorization));
	assert_int_equal(0, proxy_parse(" HTTP://u%3a%2Fx%zz%4@h:1/path@x ", &a, &p));
	assert_true(bytes_eq(B("h"), p.host));
	assert_int_equal(1, p.port);
	assert_true(bytes_eq(B("Basic dToveCV6eiU0Og=="),
			     p.authorization)); /* a user of odd characters, no password */
	assert_int_equal(0, proxy_parse("only@h", &a, &p));
	assert_true(bytes_eq(B("Basic b25seTo="), p.authorization)); /* "only:" */
	assert_int_equal(-1, proxy_parse("socks5://user:secret@x", &a, &p));
	assert_int_equal(-1, bytes_find(error_last()->message, B("secret")));
	assert_int_equal(-1, proxy_parse("http://user:secret@x:y", &a, &p));
	assert_int_equal(-1, bytes_find(error_last()->message, B("secret")));
	error_clear();
	arena_deinit(&a);
}

static void test_no_proxy_rules(void **state)
{
	static const struct {
		const char *rules, *host;
		uint16_t port;
		bool bypassed;
	} cases[] = {
		{ "", "x", 80, false },
		{ "*", "x", 80, true },
		{ "example.com", "example.com", 443, true },
		{ "example.com", "EXAMPLE.com", 443, true },
		{ "example.com", "api.example.com", 443, true },
		{ "example.com", "badexample.com", 443, false },
		{ ".example.com", "api.example.com", 443, true },
		{ ".example.com", "example.com", 443, true },
		{ "*.example.com", "api.example.com", 443, true },
		{ "a, b ,c", "b", 1, true },
		{ "x:8080", "x", 8080, true },
		{ "x:8080", "x", 80, false },
		{ "127.0.0.1", "127.0.0.1", 80, true },
		{ "10.0.0.0/8", "10.1.2.3", 80, true },
		{ "10.0.0.0/8", "11.1.2.3", 80, false },
		{ "192.168.4.0/22", "192.168.7.9", 80, true },
		{ "192.168.4.0/22", "192.168.8.9", 80, false },
		{ "10.0.0.0/99", "10.1.2.3", 80, false },
		{ "::1", "::1", 80, true },
		{ "[::1]:80", "::1", 80, true },
		{ "[::1]:81", "::1", 80, false },
		{ "2001:db8::/32", "2001:db8:1::2", 80, true },
		{ "", "localhost", 80, false },
		{ ",,", "x", 80, false },
		{ "/8", "10.1.2.3", 80, false },
		{ "10.0.0.0/", "10.1.2.3", 80, false },
		{ "10.0.0.0/8x", "10.1.2.3", 80, false },
		{ "0.0.0.0/0", "10.1.2.3", 80, true },
		{ "0.0.0.0/0", "::1", 80, false },
		{ "0.0.0.0/0", "name", 80, false },
		{ "10.1.2.3/32", "10.1.2.3", 80, true },
		{ "10.1.2.3/32", "10.1.2.2", 80, false },
		{ "10.1.2.3/31", "10.1.2.2", 80, true },
		{ "10.1.2.3/33", "10.1.2.3", 80, false },
		{ "10.128.0.0/9", "10.127.0.1", 80, false },
		{ "10.128.0.0/9", "10.129.0.1", 80, true },
		{ "[2001:db8::1]", "2001:db8:0::1", 80, true },
		{ "[2001:db8::1]", "2001:db8::2", 80, false },
		{ "[2001:db8::1]:443", "2001:db8::1", 443, true },
		{ "127.0.0.1:80", "127.0.0.1", 80, true },
		{ "127.0.0.1:81", "127.0.0.1", 80, false },
		{ "127.0.0.1", "0:0:0:0:0:ffff:7f00:1", 80, false },
		{ "x:y", "x", 80, false },
		{ "*.", "x", 80, false },
		{ ".", "x", 80, false },
		{ "e", "xe", 80, false },
		{ "0000:0000:0000:0000:0000:0000:0000:0001:0000:0000", "::1", 80, false },
		{ "b", "a.b.c", 80, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		bool got = proxy_bypassed(bytes_of(cases[i].rules), bytes_of(cases[i].host),
					  cases[i].port);

		if (got != cases[i].bypassed)
			print_error("%s against %s:%u\n", cases[i].rules, cases[i].host,
				    cases[i].port);
		assert_int_equal(cases[i].bypassed, got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts_of_a_url),
		cmocka_unit_test(test_bad_urls_say_what_is_wrong),
		cmocka_unit_test(test_what_stands_before_the_path_has_a_bound),
		cmocka_unit_test(test_proxies_and_their_credentials),
		cmocka_unit_test(test_no_proxy_rules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
