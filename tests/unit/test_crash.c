/* base/crash.c: a child crashes, and what it says is read. Sanitizers report in their own way. */
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "fiber/loop.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static char said[65536];

/* Runs `crash` in a child; its stderr is in `said`. The signal that ended it. */
static int signal_of(void (*crash)(void))
{
	int ends[2], status;
	size_t n = 0;
	ssize_t r;
	pid_t child;

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
		cmocka_unit_test(test_an_abort_is_told),
		cmocka_unit_test(test_a_fiber_that_overflows_its_stack_is_told),
	};

#ifdef SANITIZED
	return 0;
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
