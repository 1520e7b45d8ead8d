/*
 * JSON values: yyjson reads into the request's arena, numbers stay the text that the client wrote. What
 * yyjson cannot know is added here: the nesting limit, numbers that no double can hold, and error texts in
 * serde_json's words, which clients of TensorZero see and people search for (serde_json itself goes over the text
 * a second time, for errors only).
 * Trap: a document of yyjson is one flat array of values in the order of the text, which the walks below use
 * instead of recursion; fibers have small stacks.
 */
#include "base/json.h"

#include <engines.h>
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/pen.h"
#include "base/thread.h"

#define LONG_TEXT (64u << 10)
#define MAX_PATH  (64u << 10) /* of an error: keys come from the client */

static void *alc_malloc(void *arena, size_t n)
{
	return arena_alloc_raw(arena, n);
}

static void *alc_realloc(void *arena, void *old, size_t old_n, size_t n)
{
	return arena_realloc(arena, old, old_n, n);
}

static void alc_free(void *arena, void *old)
{
	(void)arena;
	(void)old;
}

yyjson_alc json_alc(struct arena *a)
{
	return (yyjson_alc){ alc_malloc, alc_realloc, alc_free, a };
}

static bool is_container(const yyjson_val *v)
{
	return unsafe_yyjson_get_type((void *)v) >= YYJSON_TYPE_ARR;
}

/* Only a number with an exponent or over 300 digits can be past the largest double. */
static bool number_fits(yyjson_val *v)
{
	const char *text = unsafe_yyjson_get_raw(v);
	size_t n = unsafe_yyjson_get_len(v);
	char copy[512], *long_copy = NULL, *number = copy;
	bool fits;

	if (n < 300 && !memchr(text, 'e', n) && !memchr(text, 'E', n))
		return true;
	if (n >= sizeof(copy) && !(number = long_copy = malloc(n + 1)))
		return false;
	memcpy(number, text, n);
	number[n] = 0;
	fits = !isinf(strtod(number, NULL));
	free(long_copy);
	return fits;
}

/* The limits of serde_json, which yyjson has not: nesting and the size of numbers. */
static bool within_limits(yyjson_doc *doc, bool any_number)
{
	yyjson_val *ends[JSON_MAX_DEPTH], *v = doc->root;
	size_t depth = 0;

	for (size_t i = 0; i < doc->val_read; i++, v++) {
		while (depth && v >= ends[depth - 1])
			depth--;
		if (is_container(v)) {
			if (depth + 1 == JSON_MAX_DEPTH)
				return false;
			ends[depth++] = unsafe_yyjson_get_next(v);
		} else if (unsafe_yyjson_is_raw(v) && !any_number && !number_fits(v)) {
			return false;
		}
	}
	return true;
}

/* NULL with *code set, or with the arena's error for want of memory. */
static yyjson_val *read_text(struct bytes text, yyjson_read_flag flags, bool any_number,
			     struct arena *a, yyjson_read_err *err)
{
	yyjson_alc alc = json_alc(a);
	yyjson_doc *doc;

	*err = (yyjson_read_err){ 0 };
	/* yyjson takes a hundred bytes for each bracket before within_limits() sees the first */
	if (text.n > LONG_TEXT && json_too_deep(text))
		return NULL;
	doc = yyjson_read_opts((char *)text.p, text.n, flags | YYJSON_READ_NUMBER_AS_RAW, &alc,
			       err);
	if (!doc || !within_limits(doc, any_number))
		return NULL;
	arena_trim(a, doc->root + doc->val_read); /* yyjson takes the most that there could be */
	return doc->root;
}

struct question {
	struct bytes text;
	struct engine_text path, words;
};

static void ask(void *arg)
{
	struct question *q = arg;

	engine_json_check(q->text.p, q->text.n, &q->path, &q->words);
}

/* NULL, with the words that serde_json has for what is wrong, and the place if `path` is not NULL. */
static yyjson_val *explain(struct bytes text, const yyjson_read_err *err, struct arena *a,
			   struct bytes *path)
{
	struct question q = { .text = text };
	size_t line, column;

	if (err->code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		return NULL;
	thread_own_stack(ask, &q);
	if (path)
		*path = arena_dup(a, bytes_head((struct bytes){ q.path.p, q.path.n }, MAX_PATH));
	if (q.words.p) {
		fail(ERR_JSON_REQUEST, "%.*s", BFMT(q.words));
	} else {
		json_position(text, err->pos, &line, &column);
		fail(ERR_JSON_REQUEST, "%s at line %zu column %zu",
		     err->msg ? err->msg : "number out of range", line, column);
	}
	engine_text_free(&q.path);
	engine_text_free(&q.words);
	return NULL;
}

yyjson_val *json_parse_path(struct bytes text, struct arena *a, struct bytes *path)
{
	yyjson_read_err err;
	yyjson_val *root = read_text(text, 0, false, a, &err);

	return root ? root : explain(text, &err, a, path);
}

yyjson_val *json_parse(struct bytes text, struct arena *a)
{
	return json_parse_path(text, a, NULL);
}

yyjson_val *json_parse_lenient(struct bytes text, struct arena *a)
{
	bool halves;

	return json_parse_halves(text, a, &halves);
}

yyjson_val *json_parse_halves(struct bytes text, struct arena *a, bool *had_halves)
{
	yyjson_read_err err;
	yyjson_val *root = read_text(text, 0, true, a, &err);
	struct bytes mended;

	*had_halves = false;
	if (root || err.code != YYJSON_READ_ERROR_INVALID_STRING || !bytes_is_utf8(text))
		return root ? root : explain(text, &err, a, NULL);
	mended = json_without_halves(text, a);
	if (mended.p)
		root = read_text(mended, YYJSON_READ_ALLOW_INVALID_UNICODE, true, a, &err);
	*had_halves = true;
	return root ? root : explain(text, &err, a, NULL);
}

void json_position(struct bytes text, size_t offset, size_t *line, size_t *column)
{
	size_t start = 0;

	offset = offset < text.n ? offset : text.n;
	*line = 1;
	for (size_t i = 0; i < offset; i++) {
		if (text.p[i] == '\n') {
			++*line;
			start = i + 1;
		}
	}
	*column = offset - start;
}

yyjson_val *json_get_n(yyjson_val *obj, const char *name, size_t n)
{
	size_t left;
	yyjson_val *key, *found = NULL;

	if (!yyjson_is_obj(obj))
		return NULL;
	key = unsafe_yyjson_get_first(obj);
	for (left = unsafe_yyjson_get_len(obj); left; left--) {
		if (unsafe_yyjson_get_len(key) == n &&
		    bytes_alike(unsafe_yyjson_get_str(key), name, n))
			found = key + 1;
		key = unsafe_yyjson_get_next(key + 1);
	}
	return found;
}

struct bytes json_str(yyjson_val *v)
{
	if (!yyjson_is_str(v))
		return (struct bytes){ 0 };
	return (struct bytes){ unsafe_yyjson_get_str(v), unsafe_yyjson_get_len(v) };
}

struct bytes json_raw(yyjson_val *v)
{
	if (!yyjson_is_raw(v))
		return (struct bytes){ 0 };
	return (struct bytes){ unsafe_yyjson_get_raw(v), unsafe_yyjson_get_len(v) };
}

/* The exponent of a number ("12.5e-3" gives -3), clamped to what cannot fit anyway. */
static long exponent_of(struct bytes text)
{
	bool negative = false;
	long e = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '-')
			negative = true;
		else if (text.p[i] != '+' && e < 100000)
			e = e * 10 + (text.p[i] - '0');
	}
	return negative ? -e : e;
}

bool json_u64(yyjson_val *v, uint64_t *out)
{
	struct bytes number = json_raw(v), mantissa = number;
	size_t cut = 0, digits = 0, seen = 0;
	long point;
	uint64_t value = 0;

	if (!number.n || number.p[0] == '-')
		return false;
	while (cut < number.n && (number.p[cut] | 0x20) != 'e')
		cut++;
	mantissa.n = cut;
	if (bytes_chr(number, '.') < 0 && cut == number.n)
		return bytes_to_u64(number, out);
	/* Digits before the point, and then as many as the exponent moves it. */
	point = bytes_chr(mantissa, '.') < 0 ? (long)mantissa.n : bytes_chr(mantissa, '.');
	point += exponent_of(bytes_slice(number, cut + 1, number.n));
	for (size_t i = 0; i < mantissa.n; i++) {
		if (mantissa.p[i] == '.')
			continue;
		seen++;
		if (mantissa.p[i] != '0')
			digits = seen;
	}
	if ((long)digits > point && digits)
		return false; /* something other than zero behind the point */
	seen = 0;
	for (size_t i = 0; digits && (long)seen < point; i++) {
		uint64_t digit;

		if (i < mantissa.n && mantissa.p[i] == '.')
			continue;
		digit = i < mantissa.n ? (uint64_t)(mantissa.p[i] - '0') : 0;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return false;
		seen++;
	}
	*out = value;
	return true;
}

static void print_scalar(yyjson_val *v, struct pen *p)
{
	switch (unsafe_yyjson_get_type(v)) {
	case YYJSON_TYPE_STR: pen_string(p, json_str(v)); break;
	case YYJSON_TYPE_RAW: pen_bytes(p, json_raw(v)); break;
	case YYJSON_TYPE_BOOL:
		pen_bytes(p, unsafe_yyjson_get_bool(v) ? B("true") : B("false"));
		break;
	default: pen_lit(p, "null");
	}
}

/* An open array or object: how many values are still to come, keys counted. */
struct open {
	size_t left;
	bool object;
};

int json_print(yyjson_val *v, struct buf *out)
{
	struct open stack[JSON_MAX_DEPTH], *in = NULL;
	struct pen p = { .b = out };

	if (!v) /* a member that was not there */
		return buf_append(out, B("null"));
	for (; !p.failed; v++) {
		if (in && in->left-- % 2 && in->object)
			pen_lit(&p, ":"); /* it is a key's value */
		else if (in)
			pen_item(&p);
		if (is_container(v)) {
			bool object = unsafe_yyjson_is_obj(v);

			if (in == &stack[JSON_MAX_DEPTH - 1])
				return fail(ERR_TOO_LARGE, "JSON is nested too deeply");
			in = in ? in + 1 : stack;
			*in = (struct open){ unsafe_yyjson_get_len(v) << object, object };
			pen_open(&p, object ? '{' : '[');
		} else {
			print_scalar(v, &p);
		}
		for (; in && !in->left; in = in == stack ? NULL : in - 1)
			pen_close(&p, in->object ? '}' : ']');
		if (!in)
			break;
	}
	return pen_done(&p);
}

struct bytes json_print_arena(yyjson_val *v, struct arena *a)
{
	struct bytes text = { 0 };
	struct buf out;

	buf_init(&out, a->max);
	if (!json_print(v, &out))
		text = arena_dup(a, buf_bytes(&out));
	buf_deinit(&out);
	return text;
}
