/*
 * The last words of a crash. Only calls that are safe in a signal handler: the text is put together by hand and
 * goes straight to stderr. The handler runs on a stack of its own, since the usual crash of a fiber is an
 * overflow into its guard page.
 * Trap: Wasmtime handles SIGSEGV and others itself for wasm code and hands on what is not its own to the
 * handler that it found, so this one must be there first. backtrace() loads the unwinder at its first call,
 * which must not be the one in the handler.
 */
#include "base/process.h"

#include <execinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifndef SANITIZED
#define SANITIZED 0
#endif
#define STACK_SIZE (64u * 1024)
#define MAX_FRAMES 64

static const struct {
	int number;
	const char *name;
} signals[] = {
	{ SIGSEGV, "SIGSEGV" }, { SIGBUS, "SIGBUS" }, { SIGABRT, "SIGABRT" },
	{ SIGFPE, "SIGFPE" },   { SIGILL, "SIGILL" },
};

static const char *program_version = "";
static _Thread_local void *stack;

struct text {
	char p[256];
	size_t n;
};

static void put(struct text *t, const char *s)
{
	while (*s && t->n < sizeof(t->p))
		t->p[t->n++] = *s++;
}

static void put_number(struct text *t, uintptr_t value, unsigned base)
{
	char digits[24];
	size_t i = sizeof(digits) - 1;

	digits[i] = 0;
	do
		digits[--i] = "0123456789abcdef"[value % base];
	while (value /= base);
	put(t, digits + i);
}

static const char *name_of(int number)
{
	for (size_t i = 0; i < COUNT(signals); i++)
		if (signals[i].number == number)
			return signals[i].name;
	return "?";
}

/* For the faults that have one, where the memory is that was touched. */
static void put_address(struct text *t, const siginfo_t *info)
{
	if (info->si_signo == SIGABRT || info->si_code <= 0) /* raised or sent, not met */
		return;
	put(t, " at address 0x");
	put_number(t, (uintptr_t)info->si_addr, 16);
}

static void on_crash(int number, siginfo_t *info, void *context)
{
	struct sigaction plain = { .sa_handler = SIG_DFL };
	void *frames[MAX_FRAMES];
	struct text t = { .n = 0 };
	int n;

	(void)context;
	sigaction(number, &plain, NULL); /* a crash in here ends it */
	put(&t, "\n");
	put(&t, program_version);
	put(&t, " crashed: signal ");
	put_number(&t, (uintptr_t)number, 10);
	put(&t, " (");
	put(&t, name_of(number));
	put(&t, ")");
	put_address(&t, info);
	put(&t, ", process ");
	put_number(&t, (uintptr_t)getpid(), 10);
	put(&t, "\nbacktrace:\n");
	if (write(STDERR_FILENO, t.p, t.n) < 0)
		_exit(128 + number);
	n = backtrace(frames, MAX_FRAMES);
	backtrace_symbols_fd(frames, n, STDERR_FILENO);
	raise(number); /* blocked until this returns; then it ends the process where it crashed */
}

void crash_setup(const char *version)
{
	struct sigaction act = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	void *warm[2];

	if (SANITIZED)
		return;
	program_version = version;
	backtrace(warm, 2);
	crash_thread_begin();
	sigemptyset(&act.sa_mask);
	for (size_t i = 0; i < COUNT(signals); i++)
		sigaction(signals[i].number, &act, NULL);
}

void crash_thread_begin(void)
{
	stack_t alternate = { .ss_size = STACK_SIZE };

	if (stack || SANITIZED)
		return;
	stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack == MAP_FAILED) {
		stack = NULL; /* a crash is then reported on the stack where it happens */
		return;
	}
	alternate.ss_sp = stack;
	sigaltstack(&alternate, NULL);
}

void crash_thread_end(void)
{
	stack_t none = { .ss_flags = SS_DISABLE }, now;

	if (!stack)
		return;
	if (!sigaltstack(NULL, &now) && now.ss_sp == stack)
		sigaltstack(&none, NULL);
	munmap(stack, STACK_SIZE);
	stack = NULL;
}
