/*
 * Strings and growing bytes.
 *
 * `struct bytes` is a view: whoever made it says how long it lives. NUL-terminated strings exist
 * only at the borders of libraries. `struct buf` owns its memory and never grows past `max`.
 */
#ifndef SIGNET_BASE_BYTES_H
#define SIGNET_BASE_BYTES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	const char *p;
	size_t n;
};

/* A view of a string literal. */
#define B(lit) ((struct bytes){ (lit), sizeof(lit) - 1 })
/* For printf's "%.*s". It asks for b several times: no call that may answer differently the second time. */
#define BFMT(b) (int)((b).n > INT32_MAX ? INT32_MAX : (b).n), ((b).p ? (b).p : "")

/* Elements of an array. */
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct bytes bytes_of(const char *cstr);                       /* NULL gives {NULL, 0} */
struct bytes bytes_slice(struct bytes, size_t from, size_t n); /* clamped to what is there */

bool bytes_alike(const char *a, const char *b,
		 size_t n); /* memcmp() == 0, of short texts in fewer steps */
static inline bool bytes_eq(struct bytes a, struct bytes b)
{
	return a.n == b.n && bytes_alike(a.p, b.p, a.n);
}
bool bytes_ieq(struct bytes, struct bytes); /* ASCII case folded */
bool bytes_starts(struct bytes, struct bytes prefix);
bool bytes_istarts(struct bytes, struct bytes prefix);
bool bytes_ends(struct bytes, struct bytes suffix);
int bytes_cmp(struct bytes, struct bytes);                /* bytewise, like memcmp, shorter first */
ptrdiff_t bytes_find(struct bytes, struct bytes needle);  /* -1: not there */
ptrdiff_t bytes_ifind(struct bytes, struct bytes needle); /* ASCII case folded */
ptrdiff_t bytes_chr(struct bytes, char);
bool bytes_has_control(
	struct bytes); /* a byte below 32 but a tab, or 127: what no header or URL may carry */
struct bytes bytes_trim(struct bytes); /* blanks and tabs off both ends */
/* Cuts *rest at the first `sep`: returns what stood before and moves *rest behind it. */
struct bytes bytes_cut(struct bytes *rest, char sep);

/* Edits from one word to the other (Levenshtein; neighbours swapped are one edit), for "did you mean". Words
 * over 64 bytes count by their beginning. */
size_t bytes_distance(struct bytes, struct bytes);

/* Decimal digits only, no sign, no blanks. false: not a number or it does not fit. */
bool bytes_to_u64(struct bytes, uint64_t *out);

#define U64_DIGITS 20 /* at most */
struct bytes u64_text(uint64_t, char digits[U64_DIGITS]);

int hex_digit(char);                                   /* its value, any case; -1: none */
int hex_code(struct bytes);                            /* of four digits at the front; -1: none */
void hex_print(const void *data, size_t n, char *out); /* 2n digits and a NUL */
/* Takes %XX apart, once; what is no escape stays as it is. `out` has room for text.n bytes. The length. */
size_t bytes_percent_decode(struct bytes text, char *out);

/* Whether the bytes are valid UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool bytes_is_utf8(struct bytes);
size_t utf8_length(struct bytes);            /* of the valid character at the front; 0: none */
size_t utf8_print(unsigned code, char *out); /* 1 to 4 bytes; a half surrogate as WTF-8 has it */
/* A byte inside of a character. */
static inline bool utf8_continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}
/* The longest beginning, or end, of at most `max` bytes whose cut goes through no character. */
struct bytes bytes_head(struct bytes, size_t max);
struct bytes bytes_tail(struct bytes, size_t max);
struct bytes bytes_whole(struct bytes); /* without a cut character at its end */

/* The unset state of optional strings is p == NULL; an empty string has a non-NULL p. */
static inline bool bytes_set(struct bytes b)
{
	return b.p != NULL;
}

/* Bounded growing bytes on the heap. Appending past `max` fails and leaves what was there. */
struct buf {
	char *data;
	size_t len, cap, max;
};

void buf_init(struct buf *, size_t max);
void buf_deinit(struct buf *);
void buf_reset(struct buf *);                      /* keeps the memory */
int buf_reserve(struct buf *, size_t more);        /* -1: ERR_TOO_LARGE or ERR_OUT_OF_MEMORY */
int buf_append(struct buf *, struct bytes);        /* the same */
int buf_putc(struct buf *, char);                  /* the same */
int buf_printf(struct buf *, const char *fmt, ...) /* the same */
	__attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *, const char *fmt, va_list);
int buf_put_u64(struct buf *, uint64_t); /* decimal */
int buf_put_double(
	struct buf *,
	double); /* shortest digits that read back as the same number, laid out as ryu does: "3.45e-6", "0.0" */
/* Appends a file to its end. -1: the same, or ERR_IO with errno's text. The last read needs room in `max`, too. */
#define BUF_READ_ROOM 65536u
int buf_read(struct buf *, int fd);
/* Appends a JSON string with its quotes: control characters, quote and backslash escaped, the rest
 * as it is (no \/, no \u for printable text), as serde_json and yyjson print it. */
int buf_json_string(struct buf *, struct bytes);

static inline struct bytes buf_bytes(const struct buf *b)
{
	return (struct bytes){ b->data ? b->data : "", b->len };
}

#endif
