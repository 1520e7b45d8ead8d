/* Names to addresses: what is remembered and for how long, who waits for whom, and how a wait ends. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "fiber/loop.h"
#include "fiber/offload.h"
#include "net/dns.h"

static struct loop *loop;
static struct dns *dns;
static uint64_t ttl;

/* One look-up as a fiber made it. */
struct look {
	const char *host;
	uint64_t deadline;
	int r;
	enum error_kind kind;
	char message[200];
	struct dns_addresses found;
	struct fiber *fiber;
	bool done;
};

static void look(void *arg)
{
	struct look *l = arg;

	l->fiber = fiber_self();
	l->r = dns_lookup(dns, bytes_of(l->host), l->deadline ? l->deadline : TIME_NEVER,
			  &l->found);
	l->kind = error_last()->kind;
	snprintf(l->message, sizeof l->message, "%.*s", BFMT(error_last()->message));
	l->done = true;
}

static void (*scene)(void);

static void play(void *arg)
{
	(void)arg;
	dns = dns_new(ttl);
	scene();
	dns_free(dns);
	loop_stop(loop);
}

static void run(uint64_t ttl_s, void (*fn)(void))
{
	ttl = ttl_s;
	scene = fn;
	loop = loop_new(0);
	assert_non_null(loop);
	assert_non_null(fiber_spawn("scene", play, NULL));
	loop_run(loop);
	loop_free(loop);
	assert_int_equal(fiber_count(), 0);
	fault_setup(NULL);
	error_clear();
}

static struct look ask(const char *host)
{
	struct look l = { .host = host };

	error_clear();
	look(&l);
	return l;
}

static bool is_loopback(const struct look *l)
{
	const struct sockaddr_in6 *a = &l->found.at[0].addr;

	if (l->r || l->found.len == 0)
		return false;
	if (a->sin6_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr) &&
		       l->found.at[0].len == sizeof(struct sockaddr_in6);
	return ((const struct sockaddr_in *)a)->sin_addr.s_addr == htonl(INADDR_LOOPBACK) &&
	       l->found.at[0].len == sizeof(struct sockaddr_in);
}

/* ---- addresses ---- */

static bool same(const char *host, int family, const char *want)
{
	struct look l = ask(host);
	char text[INET6_ADDRSTRLEN] = "";
	const struct sockaddr_in6 *a = &l.found.at[0].addr;

	if (l.r || l.found.len != 1 || a->sin6_family != family)
		return false;
	if (family == AF_INET)
		inet_ntop(family, &((const struct sockaddr_in *)a)->sin_addr, text, sizeof text);
	else
		inet_ntop(family, &((const struct sockaddr_in6 *)a)->sin6_addr, text, sizeof text);
	return strcmp(text, want) == 0 &&
	       l.found.at[0].len == (family == AF_INET ? sizeof(struct sockaddr_in)
						       : sizeof(struct sockaddr_in6));
}

static bool literals[5];

static void play_literals(void)
{
	fault_setup("dns:1+"); /* nobody is asked */
	literals[0] = same("192.0.2.7", AF_INET, "192.0.2.7");
	literals[1] = same("::1", AF_INET6, "::1");
	literals[2] = same("2001:db8:0:1:2:3:4:5", AF_INET6, "2001:db8:0:1:2:3:4:5");
	literals[3] = same("1111:2222:3333:4444:5555:6666:7777:8888", AF_INET6,
			   "1111:2222:3333:4444:5555:6666:7777:8888");
	literals[4] = ask("1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc").r == -1;
}

static void test_an_address_is_its_own(void **state)
{
	(void)state;
	run(30, play_literals);
	for (int i = 0; i < 4; i++)
		assert_true(literals[i]);
#ifdef SIGNET_FAULTS
	assert_true(literals[4]);
#endif
}

/* ---- what is remembered ---- */

#ifdef SIGNET_FAULTS
static struct look looks[8];

static void play_cached(void)
{
	looks[0] = ask("localhost");
	fault_setup("dns:1+"); /* who asks again fails */
	looks[1] = ask("localhost");
	looks[2] = ask("LOCALHOST"); /* another name */
}

static void test_an_answer_holds_for_its_time(void **state)
{
	(void)state;
	run(30, play_cached);
	assert_true(is_loopback(&looks[0]));
	assert_true(is_loopback(&looks[1]));
	assert_int_equal(looks[2].r, -1);
	run(0, play_cached);
	assert_true(is_loopback(&looks[0]));
	assert_int_equal(looks[1].r, -1);
	assert_int_equal(looks[1].kind, ERR_IO);
	assert_string_equal(looks[1].message,
			    "cannot resolve localhost: Non-recoverable failure in name resolution");
}

static void play_short(void)
{
	looks[0] = ask("localhost");
	fault_setup("dns:1+");
	fiber_sleep(1050);
	looks[1] = ask("localhost");
}

static void test_after_it_the_name_is_asked_anew(void **state)
{
	(void)state;
	run(1, play_short);
	assert_true(is_loopback(&looks[0]));
	assert_int_equal(looks[1].r, -1);
}

static void play_negative(void)
{
	fault_setup("dns");
	looks[0] = ask("localhost");
	looks[1] = ask("localhost");
	fiber_sleep(1050);
	looks[2] = ask("localhost");
}

static void test_a_failure_is_remembered_for_a_second(void **state)
{
	(void)state;
	run(30, play_negative);
	assert_int_equal(looks[0].r, -1);
	assert_int_equal(looks[1].r, -1);
	assert_string_equal(looks[1].message,
			    "cannot resolve localhost: Non-recoverable failure in name resolution");
	assert_true(is_loopback(&looks[2]));
}

static void play_together(void)
{
	fault_setup("dns:2+"); /* a second look-up would fail */
	for (int i = 0; i < 5; i++) {
		looks[i] = (struct look){ .host = "localhost" };
		fiber_spawn("look", look, &looks[i]);
	}
	while (!(looks[0].done && looks[1].done && looks[2].done && looks[3].done && looks[4].done))
		fiber_sleep(1);
}

static void test_those_who_ask_together_wait_for_one_look_up(void **state)
{
	(void)state;
	run(30, play_together);
	for (int i = 0; i < 5; i++)
		assert_true(is_loopback(&looks[i]));
}

static void play_many(void)
{
	char name[32];

	looks[0] = ask("localhost");
	fault_setup("dns:1+");
	for (int i = 0; i < 1100; i++) {
		snprintf(name, sizeof name, "host-%d.invalid", i);
		looks[1] = ask(name);
	}
	looks[2] = ask("host-1099.invalid");
}

/* The cache is bounded: what is out of date goes first, then all. */
static void test_more_names_than_are_kept_are_asked_one_after_another(void **state)
{
	(void)state;
	run(30, play_many);
	assert_true(is_loopback(&looks[0]));
	assert_string_equal(
		looks[2].message,
		"cannot resolve host-1099.invalid: Non-recoverable failure in name resolution");
}

/* ---- how a wait ends ---- */

static void hold(void *arg)
{
	(void)arg;
	usleep(30000);
}

static void hold_fiber(void *arg)
{
	(void)arg;
	offload_to(OFFLOAD_NAMES, hold, NULL);
}

/* All threads for names are busy, so the look-up begins later. */
static void fill_pool(void)
{
	for (int i = 0; i < 32; i++)
		fiber_spawn("hold", hold_fiber, NULL);
	fiber_sleep(5);
}

static void play_ends(void)
{
	fill_pool();
	looks[0] = (struct look){ .host = "localhost", .deadline = clock_mono_ms() + 20 };
	looks[1] = (struct look){ .host = "localhost" };
	looks[2] = (struct look){ .host = "localhost" };
	looks[3] = (struct look){ .host = "localhost", .deadline = 1 };
	for (int i = 0; i < 4; i++)
		fiber_spawn("look", look, &looks[i]);
	fiber_sleep(5);
	fiber_cancel(looks[1].fiber);
	while (!(looks[0].done && looks[1].done && looks[2].done && looks[3].done))
		fiber_sleep(5);
}

static void test_a_deadline_and_a_cancellation_end_only_ones_own_wait(void **state)
{
	(void)state;
	run(30, play_ends);
	assert_int_equal(looks[0].kind, ERR_DEADLINE);
	assert_int_equal(looks[1].kind, ERR_CANCELLED);
	assert_true(is_loopback(&looks[2]));
	assert_int_equal(looks[3].kind, ERR_DEADLINE);
}

static void play_freed(void)
{
	fill_pool();
	looks[0] = (struct look){ .host = "localhost", .deadline = clock_mono_ms() + 10 };
	fiber_spawn("look", look, &looks[0]);
	while (!looks[0].done)
		fiber_sleep(1);
}

static void test_a_look_up_may_outlive_who_asked_and_the_cache(void **state)
{
	(void)state;
	run(30, play_freed); /* the sanitizer tells what was lost */
	assert_int_equal(looks[0].kind, ERR_DEADLINE);
}

static void play_no_fiber(void)
{
	fault_setup("stack"); /* the fiber that would ask */
	looks[0] = ask("localhost");
	looks[1] = ask("localhost");
}

static void test_a_look_up_that_cannot_begin_is_tried_again(void **state)
{
	(void)state;
	run(30, play_no_fiber);
	assert_true(looks[0].r == 0 || looks[0].kind == ERR_OUT_OF_MEMORY);
	assert_true(is_loopback(&looks[1]));
}

static void play_no_thread(void)
{
	fault_setup("offload");
	looks[0] = ask("localhost");
}

static void test_a_pool_that_refuses_is_an_answer(void **state)
{
	(void)state;
	run(30, play_no_thread);
	assert_string_equal(looks[0].message, "cannot resolve localhost: no thread to ask on");
	assert_int_equal(looks[0].kind, ERR_IO);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_address_is_its_own),
#ifdef SIGNET_FAULTS
		cmocka_unit_test(test_an_answer_holds_for_its_time),
		cmocka_unit_test(test_after_it_the_name_is_asked_anew),
		cmocka_unit_test(test_a_failure_is_remembered_for_a_second),
		cmocka_unit_test(test_those_who_ask_together_wait_for_one_look_up),
		cmocka_unit_test(test_more_names_than_are_kept_are_asked_one_after_another),
		cmocka_unit_test(test_a_deadline_and_a_cancellation_end_only_ones_own_wait),
		cmocka_unit_test(test_a_look_up_may_outlive_who_asked_and_the_cache),
		cmocka_unit_test(test_a_look_up_that_cannot_begin_is_tried_again),
		cmocka_unit_test(test_a_pool_that_refuses_is_an_answer),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
