/* cmocka with what it needs before it, less its macro `fail`, whose name is Signet's own (use fail_msg). */
#ifndef SIGNET_TESTS_UNIT_H
#define SIGNET_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail
#undef fail_msg /* it is made with the macro that went */
#define fail_msg(...)                      \
	do {                               \
		print_error(__VA_ARGS__);  \
		print_error("\n");         \
		_fail(__FILE__, __LINE__); \
	} while (0)

/* Of struct bytes and the C string that they should be. */
#define assert_bytes(got, want)                                                 \
	do {                                                                    \
		struct bytes got_ = (got), want_ = bytes_of(want);              \
		if (!bytes_set(got_) || !bytes_eq(got_, want_))                 \
			fail_msg("got \"%.*s\", not \"%s\"", BFMT(got_), want); \
	} while (0)

#endif
