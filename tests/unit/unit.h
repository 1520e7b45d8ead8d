/* cmocka with what it needs before it, less its macro `fail`, whose name is Signet's own (use fail_msg). */
#ifndef SIGNET_TESTS_UNIT_H
#define SIGNET_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail

#endif
