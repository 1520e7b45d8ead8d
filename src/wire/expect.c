/*
 * Type errors in serde's words. The reader walks a parsed document and keeps its place as a chain of
 * `struct where` on the stack: nothing is built until something is wrong.
 *
 * Numbers reach us as their text, so whether one is an integer is decided as serde_json does: by a dot or an
 * exponent, by -0, or by not fitting 64 bits.
 */
#include "wire/expect.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/words.h"

#define EXPECT_MAX_TEXT \
	(64u << 10) /* of an error's message: a wrong value may be a whole document */

static void print_path(const struct where *w, struct buf *out, bool all)
{
	bool fresh;

	if (!w || !w->up)
		return;
	print_path(w->up, out, all);
	if (!all && w->show == WHERE_HIDDEN)
		return;
	fresh = out->len == 0 || (out->len > 1 && out->data[out->len - 1] == ' ');
	if (bytes_set(w->key)) {
		if (!fresh)
			buf_putc(out, '.');
		buf_append(out, w->key);
	} else {
		bool dotted = false;

		for (const struct where *u = w->up; u && !all; u = u->up)
			dotted |= u->inner;
		if (dotted && !fresh)
			buf_putc(out, '.');
		buf_printf(out, "[%zu]", w->index);
	}
	if (w->inner && !all)
		buf_append(out, B(": "));
}

struct bytes where_param(const struct where *w)
{
	const struct where *root = w;
	struct bytes text = { NULL, 0 };
	struct buf b;

	while (root->up)
		root = root->up;
	buf_init(&b, EXPECT_MAX_TEXT);
	print_path(w, &b, true);
	if (b.len > 0 && root->arena)
		text = arena_dup(root->arena, buf_bytes(&b));
	buf_deinit(&b);
	return text;
}

void where_mark(const struct where *w, const char *code)
{
	struct bytes param = where_param(w);

	error_last()->param = param;
	error_last()->code = bytes_of(code);
}

int expect_fail(const struct where *w, const char *code, const char *fmt, ...)
{
	struct buf b;
	va_list args;

	buf_init(&b, EXPECT_MAX_TEXT);
	print_path(w, &b, false);
	if (b.len > 0 && !bytes_ends(buf_bytes(&b), B(": ")))
		buf_append(&b, B(": "));
	va_start(args, fmt);
	buf_vprintf(&b, fmt, args);
	va_end(args);
	fail_param(ERR_JSON_REQUEST, where_param(w), code, "%.*s", BFMT(buf_bytes(&b)));
	buf_deinit(&b);
	return -1;
}

static bool is_float(struct bytes digits)
{
	bool minus = *digits.p == '-';
	uint64_t n;

	return !bytes_to_u64(bytes_slice(digits, minus, digits.n), &n) ||
	       (minus && (!n || n > (uint64_t)INT64_MAX + 1));
}

void expect_print(yyjson_val *v, struct buf *out)
{
	struct bytes digits = json_raw(v);

	if (bytes_set(digits)) {
		char text[400];
		size_t n = digits.n < sizeof text - 1 ? digits.n : sizeof text - 1;

		if (!is_float(digits)) {
			buf_printf(out, "integer `%.*s`", BFMT(digits));
			return;
		}
		memcpy(text, digits.p, n);
		text[n] = '\0';
		buf_append(out, B("floating point `"));
		buf_put_double(out, strtod(text, NULL));
		buf_putc(out, '`');
	} else if (yyjson_is_str(v)) {
		buf_append(out, B("string "));
		words_quote(json_str(v), out);
	} else if (yyjson_is_bool(v)) {
		buf_printf(out, "boolean `%s`", yyjson_is_true(v) ? "true" : "false");
	} else {
		buf_append(out, yyjson_is_arr(v)   ? B("sequence")
				: yyjson_is_obj(v) ? B("map")
						   : B("null"));
	}
}

static int wrong(const struct where *w, yyjson_val *got, const char *what, const char *expected,
		 const char *code)
{
	struct buf b;

	buf_init(&b, EXPECT_MAX_TEXT / 2);
	expect_print(got, &b);
	expect_fail(w, code, "invalid %s: %.*s, expected %s", what, BFMT(buf_bytes(&b)), expected);
	buf_deinit(&b);
	return -1;
}

int expect_type(const struct where *w, yyjson_val *got, const char *expected)
{
	return wrong(w, got, "type", expected, "invalid_type");
}

int expect_value(const struct where *w, yyjson_val *got, const char *expected)
{
	return wrong(w, got, "value", expected, "invalid_value");
}

int expect_field(const struct where *w, const char *missing)
{
	struct where field = WHERE_KEY(w, bytes_of(missing));

	expect_fail(w, NULL, "missing field `%s`", missing);
	where_mark(&field, "missing_required_parameter");
	return -1;
}

int expect_variant(const struct where *w, struct bytes got, const char *list)
{
	return expect_fail(w, "unsupported_value", "unknown variant `%.*s`, expected %s", BFMT(got),
			   list);
}

int expect_string(const struct where *w, yyjson_val *v, struct bytes *out)
{
	if (!yyjson_is_str(v))
		return expect_type(w, v, "a string");
	*out = json_str(v);
	return 0;
}

int expect_bool(const struct where *w, yyjson_val *v, bool *out)
{
	if (!yyjson_is_bool(v))
		return expect_type(w, v, "a boolean");
	*out = yyjson_is_true(v);
	return 0;
}

static int expect_int(const struct where *w, yyjson_val *v, const char *type, long long min,
		      long long max, struct bytes *out)
{
	struct bytes digits = json_raw(v);
	bool minus;
	uint64_t n;

	if (!bytes_set(digits) || is_float(digits))
		return expect_type(w, v, type);
	minus = *digits.p == '-';
	if (!bytes_to_u64(bytes_slice(digits, minus, digits.n), &n) ||
	    n > (minus ? 0 - (uint64_t)min : (uint64_t)max))
		return expect_value(w, v, type);
	*out = digits;
	return 0;
}

int expect_u32(const struct where *w, yyjson_val *v, struct bytes *out)
{
	return expect_int(w, v, "u32", 0, UINT32_MAX, out);
}

int expect_i32(const struct where *w, yyjson_val *v, struct bytes *out)
{
	return expect_int(w, v, "i32", INT32_MIN, INT32_MAX, out);
}

int expect_i64(const struct where *w, yyjson_val *v, struct bytes *out)
{
	return expect_int(w, v, "i64", INT64_MIN, INT64_MAX, out);
}

int expect_usize(const struct where *w, yyjson_val *v)
{
	struct bytes digits = json_raw(v);

	if (!bytes_set(digits) || is_float(digits))
		return expect_type(w, v, "usize");
	return *digits.p == '-' ? expect_value(w, v, "usize") : 0;
}

int expect_f32(const struct where *w, yyjson_val *v, struct bytes *out)
{
	if (!bytes_set(json_raw(v)))
		return expect_type(w, v, "f32");
	*out = json_raw(v);
	return 0;
}

/* `a`; `a` or `b`; one of `a`, `b`, `c` */
static void print_names(const struct bytes *names, size_t n, struct buf *out)
{
	buf_init(out, EXPECT_MAX_TEXT);
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s`%.*s`",
			   i == 0 ? (n > 2 ? "one of " : "") : (n > 2 ? ", " : " or "),
			   BFMT(names[i]));
}

static bool is_one_of(struct bytes got, const struct bytes *names, size_t n, size_t *at)
{
	for (*at = 0; *at < n; ++*at)
		if (bytes_eq(got, names[*at]))
			return true;
	return false;
}

int expect_one_of(const struct where *w, struct bytes got, const struct bytes *names, size_t n)
{
	struct buf list;
	size_t at;

	if (is_one_of(got, names, n, &at))
		return (int)at;
	print_names(names, n, &list);
	buf_putc(&list, '\0');
	expect_variant(w, got, list.data ? list.data : "");
	buf_deinit(&list);
	return -1;
}

int expect_choice(const struct where *w, yyjson_val *v, const struct bytes *names, size_t n)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(v);
	yyjson_val *key = yyjson_obj_iter_next(&it);
	struct where inside;
	int which;

	if (yyjson_is_str(v))
		return expect_one_of(w, json_str(v), names, n);
	if (!yyjson_is_obj(v))
		return expect_type(w, v, "string or map");
	if (yyjson_obj_size(v) != 1)
		return expect_fail(w, "invalid_value",
				   "invalid value: map, expected map with a single key");
	which = expect_one_of(w, json_str(key), names, n);
	if (which < 0 || yyjson_is_null(yyjson_obj_iter_get_val(key)))
		return which;
	inside = (struct where){ .up = w, .key = json_str(key), .show = w->show };
	return expect_type(&inside, yyjson_obj_iter_get_val(key), "unit");
}

int expect_only(const struct where *w, yyjson_val *obj, const struct bytes *names, size_t n,
		bool tagged)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(obj);
	yyjson_val *key;
	struct buf list;
	size_t at;

	while ((key = yyjson_obj_iter_next(&it))) {
		struct bytes name = json_str(key);
		struct where other = WHERE_KEY(w, name);

		if (is_one_of(name, names, n, &at) || (tagged && bytes_eq(name, B("type"))))
			continue;
		print_names(names, n, &list);
		expect_fail(&other, "unsupported_parameter", "unknown field `%.*s`, expected %.*s",
			    BFMT(name), BFMT(buf_bytes(&list)));
		buf_deinit(&list);
		return -1;
	}
	return 0;
}

int expect_member(const struct where *w, yyjson_val *obj, const char *key, yyjson_val **out)
{
	*out = json_get(obj, key);
	return *out ? 0 : expect_field(w, key);
}
