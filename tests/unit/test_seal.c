/* wire/seal.c, base/base64.c */
#include "unit.h"

#include <stdlib.h>

#include "base/base64.h"
#include "wire/seal.h"

static void test_base64_both_ways(void **state)
{
	static const char *const rows[][3] = {
		{ "", "", "" },
		{ "f", "Zg==", "Zg" },
		{ "fo", "Zm8=", "Zm8" },
		{ "foo", "Zm9v", "Zm9v" },
		{ "\xfb\xff\xbf", "+/+/", "-_-_" },
		{ "foobar?>", "Zm9vYmFyPz4=", "Zm9vYmFyPz4" },
	};
	struct arena a;

	(void)state;
	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf b;

		buf_init(&b, 100);
		assert_int_equal(buf_append(&b, B("x")), 0);
		assert_int_equal(buf_base64(&b, bytes_of(rows[i][0])), 0);
		assert_bytes(bytes_slice(buf_bytes(&b), 1, b.len), rows[i][1]);
		buf_reset(&b);
		assert_int_equal(buf_base64url(&b, bytes_of(rows[i][0])), 0);
		assert_bytes(buf_bytes(&b), rows[i][2]);
		for (size_t k = 1; k < 3; k++)
			assert_bytes(base64_read(bytes_of(rows[i][k]), &a), rows[i][0]);
		buf_deinit(&b);
	}
	for (size_t i = 0; i < 4; i++)
		assert_false(bytes_set(base64_read(
			bytes_of(((const char *[]){ "Z", "Zg!=", "Zm9vZ", "Zm=v" })[i]), &a)));
	arena_deinit(&a);
}

static void test_a_seal_comes_back(void **state)
{
	struct seal full = { .provider_type = B("anthropic"),
			     .item_id = B("rs_1"),
			     .encrypted = B("e\"1"),
			     .signature = B("s"),
			     .redacted = B("d"),
			     .text = B("") },
		    some = { .signature = B("only") }, back;
	struct arena a;
	struct buf b;

	(void)state;
	arena_init(&a, 1 << 20);
	buf_init(&b, 1000);
	assert_int_equal(seal_write(&full, &b), 0);
	assert_true(bytes_starts(buf_bytes(&b), B("sgn1.")));
	assert_true(seal_read(buf_bytes(&b), &a, &back));
	assert_bytes(back.provider_type, "anthropic");
	assert_bytes(back.item_id, "rs_1");
	assert_bytes(back.encrypted, "e\"1");
	assert_bytes(back.signature, "s");
	assert_bytes(back.redacted, "d");
	assert_true(bytes_set(back.text));
	assert_int_equal(back.text.n, 0);
	buf_reset(&b);
	assert_int_equal(seal_write(&some, &b), 0);
	assert_true(seal_read(buf_bytes(&b), &a, &back));
	assert_bytes(back.signature, "only");
	assert_false(bytes_set(back.text));
	buf_deinit(&b);
	arena_deinit(&a);
}

static void test_what_is_no_seal_is_foreign(void **state)
{
	static const char *const rows[] = { "",         "sgn1",     "sgn1.",  "sgn1.!!",
					    "sgn1.bm8", "sgn1.W10", "EqQBCg", "sgn2.e30" };
	struct arena a;
	struct seal s;

	(void)state;
	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_false(seal_read(bytes_of(rows[i]), &a, &s));
	assert_true(seal_read(B("sgn1.e30"), &a, &s));
	arena_deinit(&a);
}

static void test_a_seal_has_a_most(void **state)
{
	char *long_text = calloc(1, SEAL_MAX);
	struct seal s = { .text = { long_text, SEAL_MAX - 1000 } };
	struct buf b;

	(void)state;
	memset(long_text, 'x', SEAL_MAX);
	buf_init(&b, 2 * SEAL_MAX);
	assert_int_equal(seal_write(&s, &b), -1);
	s.text.n = SEAL_MAX / 2;
	assert_int_equal(seal_write(&s, &b), 0);
	buf_deinit(&b);
	free(long_text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64_both_ways),
		cmocka_unit_test(test_a_seal_comes_back),
		cmocka_unit_test(test_what_is_no_seal_is_foreign),
		cmocka_unit_test(test_a_seal_has_a_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
