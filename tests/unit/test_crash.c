/*
 * base/crash.c: a child crashes, and what it says is read. Sanitizers report in their own way, so crash.c leaves it to
 * them; here it stands beside AddressSanitizer all the same, compiled as without one.
 */
#undef __SANITIZE_ADDRESS__
#include "base/crash.c" /* first: what this defines is not taken from the library */
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fiber/loop.h"

static char said[65536];
static pid_t child;

/* Runs `crash` in a child; its stderr is in `said`. The signal that ended it. */
static int signal_of(void (*crash)(void))
{
	int ends[2], status;
	size_t n = 0;
	ssize_t r;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (!child) {
		dup2(ends[1], STDERR_FILENO);
		crash_setup("signet test");
		crash();
		_exit(0);
	}
	close(ends[1]);
	while ((r = read(ends[0], said + n, sizeof(said) - 1 - n)) > 0)
		n += (size_t)r;
	said[n] = 0;
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void write_to_nowhere(void)
{
	*(volatile int *)(uintptr_t)0x1234 = 1;
}

static void give_up(void)
{
	abort();
}

static int sent;

static void send_it(void)
{
	raise(sent);
}

/* Not a tail call, and never the same frame twice. */
static int eat_stack(int depth)
{
	volatile char room[512];

	room[depth % 512] = (char)depth;
	return depth < 0 ? 0 : eat_stack(depth + 1) + room[(depth + 1) % 512];
}

static void overflow(void *arg)
{
	*(volatile int *)arg = eat_stack(1);
}

static void overflow_a_fiber(void)
{
	struct loop *loop = loop_new(0);
	static int result;

	if (loop && fiber_spawn("overflow", overflow, &result))
		loop_run(loop);
}

static void test_a_fault_is_told_with_its_address(void **state)
{
	(void)state;
	assert_int_equal(signal_of(write_to_nowhere), SIGSEGV);
	assert_non_null(strstr(
		said, "\nsignet test crashed: signal 11 (SIGSEGV) at address 0x1234, process "));
	assert_non_null(strstr(said, "\nbacktrace:\n"));
}

/* Of a signal that was sent there is no address. */
static void test_each_signal_has_its_name(void **state)
{
	static const struct {
		int number;
		const char *name;
	} cases[] = { { SIGSEGV, "11 (SIGSEGV)" },
		      { SIGBUS, "7 (SIGBUS)" },
		      { SIGABRT, "6 (SIGABRT)" },
		      { SIGFPE, "8 (SIGFPE)" },
		      { SIGILL, "4 (SIGILL)" } };
	char want[100];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		sent = cases[i].number;
		assert_int_equal(signal_of(send_it), sent);
		snprintf(want, sizeof(want),
			 "\nsignet test crashed: signal %s, process %d\nbacktrace:\n",
			 cases[i].name, (int)child);
		if (strncmp(said, want, strlen(want)) != 0)
			fail_msg("not %s but %s", want, said);
	}
}

static void test_a_thread_has_its_own_stack_for_it_and_gives_it_back(void **state)
{
	stack_t before, with, after, own = { .ss_size = STACK_SIZE };

	(void)state;
	assert_int_equal(sigaltstack(NULL, &before), 0);
	crash_thread_begin();
	crash_thread_begin();
	assert_int_equal(sigaltstack(NULL, &with), 0);
	assert_ptr_equal(with.ss_sp, stack);
	assert_int_equal(with.ss_size, 65536);
	assert_int_equal(with.ss_flags & SS_DISABLE, 0);
	crash_thread_end();
	assert_int_equal(sigaltstack(NULL, &after), 0);
	assert_int_equal(after.ss_flags & SS_DISABLE, SS_DISABLE);
	assert_int_equal(msync(with.ss_sp, 4096, MS_ASYNC), -1); /* unmapped */
	assert_int_equal(msync((char *)with.ss_sp + 61440, 4096, MS_ASYNC), -1);
	crash_thread_end();
	/* another one that took its place is left alone */
	crash_thread_begin();
	own.ss_sp = malloc(STACK_SIZE);
	assert_int_equal(sigaltstack(&own, NULL), 0);
	crash_thread_end();
	assert_int_equal(sigaltstack(NULL, &after), 0);
	assert_ptr_equal(after.ss_sp, own.ss_sp);
	assert_int_equal(sigaltstack(&before, NULL), 0);
	free(own.ss_sp);
}

static void test_an_abort_is_told(void **state)
{
	(void)state;
	assert_int_equal(signal_of(give_up), SIGABRT);
	assert_non_null(strstr(said, "signet test crashed: signal 6 (SIGABRT), process "));
}

static void test_a_fiber_that_overflows_its_stack_is_told(void **state)
{
	(void)state;
	assert_int_equal(signal_of(overflow_a_fiber), SIGSEGV);
	assert_non_null(strstr(said, "(SIGSEGV) at address 0x"));
	assert_non_null(strstr(said, "\nbacktrace:\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_fault_is_told_with_its_address),
		cmocka_unit_test(test_each_signal_has_its_name),
		cmocka_unit_test(test_an_abort_is_told),
		cmocka_unit_test(test_a_thread_has_its_own_stack_for_it_and_gives_it_back),
		cmocka_unit_test(test_a_fiber_that_overflows_its_stack_is_told),
	};

	return SANITIZED ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
