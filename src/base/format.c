/*
 * printf ends a "%.*s" at a NUL, so a client's name or an upstream's page with one would cut the error that shows it, and all
 * that stands behind it. Here "%.*s" is written as it is; every other directive goes to snprintf, alone.
 */
#include "base/format.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIRECTIVE_MAX 24 /* bytes of one: flags, width, precision, length, conversion */

struct target {
	char *out; /* n bytes and a NUL; NULL: only counted */
	size_t n, len;
};

static void put(struct target *t, const char *p, size_t n)
{
	if (t->len < t->n) {
		size_t room = t->n - t->len;

		memcpy(t->out + t->len, p, n < room ? n : room);
	}
	t->len += n;
}

/* What one directive with its argument prints, as snprintf does it. */
#define put_printed(t, ...)                                                                \
	do {                                                                               \
		size_t room_ = (t)->out && (t)->len <= (t)->n ? (t)->n - (t)->len + 1 : 0; \
		int n_ = snprintf(room_ ? (t)->out + (t)->len : NULL, room_, __VA_ARGS__); \
		(t)->len += n_ > 0 ? (size_t)n_ : 0;                                       \
	} while (0)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"

/* A whole number, by the length that its directive names. */
static void put_integer(struct target *t, const char *directive, const char *length, va_list *args)
{
	if (strstr(length, "ll"))
		put_printed(t, directive, va_arg(*args, long long));
	else if (*length == 'l')
		put_printed(t, directive, va_arg(*args, long));
	else if (*length == 'z')
		put_printed(t, directive, va_arg(*args, size_t));
	else if (*length == 'j')
		put_printed(t, directive, va_arg(*args, intmax_t));
	else if (*length == 't')
		put_printed(t, directive, va_arg(*args, ptrdiff_t));
	else
		put_printed(t, directive, va_arg(*args, int));
}

/* `star`: a width or precision from the arguments, already taken; the directive holds its digits instead. */
static void put_directive(struct target *t, const char *directive, const char *length,
			  char conversion, va_list *args)
{
	if (strchr("diuxXoc", conversion))
		put_integer(t, directive, length, args);
	else if (strchr("aAeEfFgG", conversion))
		put_printed(t, directive, va_arg(*args, double));
	else if (conversion == 's')
		put_printed(t, directive, va_arg(*args, const char *));
	else if (conversion == 'p')
		put_printed(t, directive, va_arg(*args, void *));
	else
		put_printed(t, directive, 0); /* %%, %m: no argument */
}

#pragma GCC diagnostic pop

size_t format_text(char *out, size_t n, const char *fmt, va_list list)
{
	struct target t = { .out = out, .n = n ? n - 1 : 0 };
	va_list args;

	va_copy(args, list);
	while (*fmt) {
		size_t plain = strcspn(fmt, "%"), len = 0, length;
		char directive[DIRECTIVE_MAX];

		put(&t, fmt, plain);
		fmt += plain;
		if (!*fmt)
			break;
		if (strncmp(fmt, "%.*s", 4) == 0) {
			int precision = va_arg(args, int);
			const char *text = va_arg(args, const char *);

			put(&t, text, precision > 0 ? (size_t)precision : 0);
			fmt += 4;
			continue;
		}
		directive[len++] = *fmt++;
		while (*fmt && strchr("-+ #0123456789.*", *fmt) && len < DIRECTIVE_MAX - 14) {
			if (*fmt == '*')
				len += (size_t)snprintf(directive + len, 12, "%d",
							va_arg(args, int));
			else
				directive[len++] = *fmt;
			fmt++;
		}
		length = len;
		while (*fmt && strchr("hlzjt", *fmt) && len < DIRECTIVE_MAX - 2)
			directive[len++] = *fmt++;
		directive[len] = *fmt;
		directive[len + 1] = '\0';
		put_directive(&t, directive, directive + length, *fmt, &args);
		fmt += *fmt != '\0';
	}
	va_end(args);
	if (n > 0)
		out[t.len < n ? t.len : n - 1] = '\0';
	return t.len;
}

struct bytes format_new(const char *fmt, va_list args)
{
	size_t n = format_text(NULL, 0, fmt, args);
	char *text = malloc(n + 1);

	if (!text)
		return (struct bytes){ NULL, 0 };
	format_text(text, n + 1, fmt, args);
	return (struct bytes){ text, n };
}
