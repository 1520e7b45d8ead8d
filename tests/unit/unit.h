/* cmocka with what it needs before it, less its macro `fail`, whose name is Signet's own (use fail_msg). */
#ifndef SIGNET_TESTS_UNIT_H
#define SIGNET_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"
#undef fail
#undef fail_msg /* it is made with the macro that went */
#define fail_msg(...)                      \
	do {                               \
		print_error(__VA_ARGS__);  \
		print_error("\n");         \
		_fail(__FILE__, __LINE__); \
	} while (0)

/* Of struct bytes and the C string that they should be; NULL: they should be unset. */
static inline void bytes_are(const char *file, int line, struct bytes got, const char *want)
{
	if ((want || !bytes_set(got)) && bytes_eq(got, bytes_of(want)))
		return;
	print_error("got \"%.*s\", not \"%s\"\n", BFMT(got), want ? want : "(unset)");
	_fail(file, line);
}
#define assert_bytes(...) bytes_are(__FILE__, __LINE__, __VA_ARGS__)

#endif
