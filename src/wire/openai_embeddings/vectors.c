/* A vector in its two encodings: what one server has, the client of another asks for. */
#include "wire/openai_embeddings/openai_embeddings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/pen.h"

#define VECTOR_MAX (16u << 20) /* bytes of one, in either */

static bool number_of(yyjson_val *v, float *out)
{
	struct bytes digits = json_raw(v);
	char text[64];

	if (!bytes_set(digits) || digits.n >= sizeof text)
		return false;
	memcpy(text, digits.p, digits.n);
	text[digits.n] = 0;
	*out = strtof(text, NULL);
	return true;
}

/* Bytes of an f32, the lowest first, whatever the machine. */
static void put_float(char *at, float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof bits);
	for (size_t i = 0; i < 4; i++)
		at[i] = (char)(bits >> (8 * i));
}

static float get_float(const char *at)
{
	uint32_t bits = 0;
	float f;

	for (size_t i = 0; i < 4; i++)
		bits |= (uint32_t)(unsigned char)at[i] << (8 * i);
	memcpy(&f, &bits, sizeof f);
	return f;
}

struct bytes embedding_to_base64(yyjson_val *numbers, struct arena *a)
{
	struct bytes none = { NULL, 0 }, out = none;
	size_t n = yyjson_arr_size(numbers), i = 0;
	yyjson_arr_iter it = yyjson_arr_iter_with(numbers);
	char *raw = n < VECTOR_MAX / 4 ? arena_alloc_raw(a, 4 * n + 1) : NULL;
	struct buf text;
	yyjson_val *one;
	float f;

	if (!raw || !yyjson_is_arr(numbers))
		return none;
	while ((one = yyjson_arr_iter_next(&it))) {
		if (!number_of(one, &f))
			return none;
		put_float(raw + 4 * i++, f);
	}
	buf_init(&text, 2 * VECTOR_MAX);
	if (!buf_append(&text, B("\"")) && !buf_base64(&text, (struct bytes){ raw, 4 * n }) &&
	    !buf_append(&text, B("\"")))
		out = arena_dup(a, buf_bytes(&text));
	buf_deinit(&text);
	return out;
}

/* The fewest digits that are the same f32 again. */
static int put_number(struct buf *out, float f)
{
	char text[32];
	int digits = 6;

	do
		snprintf(text, sizeof text, "%.*g", digits, (double)f);
	while (strtof(text, NULL) != f && ++digits <= 9);
	return buf_append(out, bytes_of(text));
}

struct bytes embedding_to_numbers(struct bytes base64, struct arena *a)
{
	struct bytes none = { NULL, 0 }, out = none, raw;
	struct buf text;
	bool bad;

	raw = base64.n <= VECTOR_MAX ? base64_read(base64, a) : none;
	if (!bytes_set(raw) || raw.n % 4)
		return none;
	buf_init(&text, 4 * VECTOR_MAX);
	bad = buf_append(&text, B("["));
	for (size_t i = 0; i < raw.n && !bad; i += 4) {
		float f = get_float(raw.p + i);

		bad = !isfinite(f) || (i && buf_append(&text, B(","))) || put_number(&text, f);
	}
	if (!bad && !buf_append(&text, B("]")))
		out = arena_dup(a, buf_bytes(&text));
	buf_deinit(&text);
	return out;
}
