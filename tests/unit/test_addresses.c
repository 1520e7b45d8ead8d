/* Which addresses the gateway may fetch from on a client's behalf: public ones, and nothing beside them. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "net/socket.h"

static bool public(const char *text)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return sock_address_public((struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return sock_address_public((struct sockaddr *)&v6);
}

/* RFC 6890's blocks: their first and last address are inside, the neighbours of both outside. */
static void test_blocks_of_the_inside_end_where_the_registry_says(void **state)
{
	static const char *const inside[] = {
		"0.0.0.0",         "0.255.255.255",   "10.0.0.0",        "10.255.255.255",
		"100.64.0.0",      "100.127.255.255", "127.0.0.0",       "127.0.0.1",
		"127.255.255.255", "169.254.0.0",     "169.254.169.254", "169.254.255.255",
		"172.16.0.0",      "172.31.255.255",  "192.0.0.0",       "192.0.0.255",
		"192.0.2.0",       "192.0.2.255",     "192.168.0.0",     "192.168.255.255",
		"198.18.0.0",      "198.19.255.255",  "198.51.100.0",    "198.51.100.255",
		"203.0.113.0",     "203.0.113.255",   "224.0.0.0",       "239.255.255.255",
		"255.255.255.255",
	};
	static const char *const outside[] = {
		"1.0.0.0",        "9.255.255.255",   "11.0.0.0",        "100.63.255.255",
		"100.128.0.0",    "126.255.255.255", "128.0.0.0",       "169.253.255.255",
		"169.255.0.0",    "172.15.255.255",  "172.32.0.0",      "191.255.255.255",
		"192.0.1.0",      "192.0.3.0",       "192.167.255.255", "192.169.0.0",
		"198.17.255.255", "198.20.0.0",      "198.51.99.255",   "198.51.101.0",
		"203.0.112.255",  "203.0.114.0",     "223.255.255.255", "8.8.8.8",
	};

	(void)state;
	for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
		if (public(inside[i]))
			fail_msg("%s is no public address", inside[i]);
	for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
		if (!public(outside[i]))
			fail_msg("%s is a public address", outside[i]);
}

static void test_of_ipv6_only_what_is_given_out(void **state)
{
	static const char *const inside[] = {
		"::",
		"::1",
		"fe80::1",
		"fc00::1",
		"fd12:3456::1",
		"ff02::1",
		"64:ff9b::808:808",
		"1fff::1",
		"4000::1",
		"2002:808:808::1",
		"2001::1",
		"2001:1ff:ffff::1",
		"2001:db8::1",
		"2001:db8:ffff::1",
		"::ffff:127.0.0.1",
		"::ffff:10.1.2.3",
		"::ffff:169.254.169.254",
		"::8.8.8.8",
	};
	static const char *const outside[] = {
		"2000::1",
		"2001:200::1",
		"2001:4860:4860::8888",
		"2001:db7::1",
		"2001:db9::1",
		"2003:db8::1",
		"2a01:db8::1",
		"2a01:100::1",
		"2003::1",
		"2606:4700:4700::1111",
		"3fff:ffff::1",
		"2100:db8::1",
		"2a00:1450:4001::200e",
		"::ffff:8.8.8.8",
	};

	(void)state;
	for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
		if (public(inside[i]))
			fail_msg("%s is no public address", inside[i]);
	for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
		if (!public(outside[i]))
			fail_msg("%s is a public address", outside[i]);
}

static void test_another_family_is_not_public(void **state)
{
	struct sockaddr_un path = { .sun_family = AF_UNIX, .sun_path = "/tmp/x" };

	(void)state;
	assert_false(sock_address_public((struct sockaddr *)&path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_of_the_inside_end_where_the_registry_says),
		cmocka_unit_test(test_of_ipv6_only_what_is_given_out),
		cmocka_unit_test(test_another_family_is_not_public),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
