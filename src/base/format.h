/* Formatted text in which "%.*s" is a struct bytes (BFMT): all of its bytes, a NUL too. What else a format says is printf's. */
#ifndef SIGNET_BASE_FORMAT_H
#define SIGNET_BASE_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

#include "base/bytes.h"

/* As vsnprintf: writes at most n - 1 bytes and a NUL; how long the whole is. For any thread. */
size_t format_text(char *out, size_t n, const char *fmt, va_list)
	__attribute__((format(printf, 3, 0)));

/* The same in memory of its own, which the caller frees; p == NULL: there is none. A NUL stands behind it. */
struct bytes format_new(const char *fmt, va_list) __attribute__((format(printf, 1, 0)));

#endif
