/* net/web_origin.c; what a gateway makes of each is tests/http/test_origin.py */
#include "unit.h"

#include <stdlib.h>

#include "net/web_origin.h"

static void test_two_ways_to_write_an_origin_are_the_same(void **state)
{
	(void)state;
	assert_true(web_origin_same(B("https://a.example"), B("HTTPS://A.example:443")));
	assert_true(web_origin_same(B("http://a.example:80"), B("http://a.example")));
	assert_true(web_origin_same(B("app://x"), B("app://x")));
	assert_false(web_origin_same(B("https://a.example"), B("http://a.example")));
	assert_false(web_origin_same(B("https://a.example:80"), B("https://a.example")));
	assert_false(web_origin_same(B("app://x:443"), B("app://x")));
	assert_false(web_origin_same(B("null"), B("null")));
	assert_false(web_origin_same(B(""), B("")));
}

static void test_only_this_machines_pages_are_of_this_machine(void **state)
{
	static const struct bytes bad[] = { B("http://localhost.example"),
					    B("http://127.0.0.1."),
					    B("http://[::1]x"),
					    B("http://[::1]]"),
					    B("http://[]"),
					    B("http://"),
					    B("http://[::ffff:1.2.3.4]"),
					    B("http://127.0.0.1:"),
					    B("ws://localhost"),
					    { NULL, 0 } };

	(void)state;
	assert_true(web_origin_is_loopback(B("http://[::ffff:127.0.0.1]:1")));
	assert_true(web_origin_is_loopback(B("https://LOCALHOST:65535")));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(web_origin_is_loopback(bad[i]));
}

static void test_a_host_is_local_as_a_whole(void **state)
{
	static const struct bytes good[] = { B("localhost"), B("LocalHost:3000"),
					     B("127.0.0.1"), B("127.0.0.1:65535"),
					     B("[::1]"),     B("[::1]:80") };
	static const struct bytes bad[] = { B("localhost:80@evil.example"),
					    B("localhost:"),
					    B("localhost:x"),
					    B("localhost."),
					    B("127.0.0.1.evil.example"),
					    B("127.0.0.2"),
					    B("[::1"),
					    B("::1"),
					    B("[::1]x"),
					    B(""),
					    { NULL, 0 } };

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(web_host_is_local(good[i]));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(web_host_is_local(bad[i]));
}

static void test_every_prefix_of_one_is_read_without_reading_on(void **state)
{
	static const char text[] = "https://[2001:db8::1]:8080";

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = malloc(n ? n : 1); /* ASan sees a byte too many */

		memcpy(copy, text, n);
		web_origin_is_valid((struct bytes){ copy, n });
		web_origin_is_loopback((struct bytes){ copy, n });
		free(copy);
	}
	assert_true(web_origin_is_valid(B("https://[2001:db8::1]:8080")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_ways_to_write_an_origin_are_the_same),
		cmocka_unit_test(test_only_this_machines_pages_are_of_this_machine),
		cmocka_unit_test(test_a_host_is_local_as_a_whole),
		cmocka_unit_test(test_every_prefix_of_one_is_read_without_reading_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
