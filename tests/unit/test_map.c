/* base/map.c */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

static void test_what_was_put_is_found_until_it_is_removed(void **state)
{
	static char names[5000][8];
	struct map m;

	(void)state;
	map_init(&m);
	assert_null(map_get(&m, B("a")));
	assert_null(map_remove(&m, B("a")));
	for (size_t i = 0; i < 5000; i++) {
		snprintf(names[i], sizeof(names[i]), "k%zu", i);
		assert_int_equal(map_put(&m, bytes_of(names[i]), names[i]), 0);
	}
	assert_int_equal(m.len, 5000);
	for (size_t i = 0; i < 5000; i += 3)
		assert_ptr_equal(map_remove(&m, bytes_of(names[i])), names[i]);
	for (size_t i = 0; i < 5000; i++)
		assert_ptr_equal(map_get(&m, bytes_of(names[i])), i % 3 ? names[i] : NULL);
	assert_int_equal(m.len, 3333);
	map_deinit(&m);
}

static void test_put_replaces_and_null_removes(void **state)
{
	struct map m;
	int a, b;

	(void)state;
	map_init(&m);
	map_put(&m, B("x"), &a);
	map_put(&m, B("x"), &b);
	assert_int_equal(m.len, 1);
	assert_ptr_equal(map_get(&m, B("x")), &b);
	map_put(&m, B("x"), NULL);
	assert_int_equal(m.len, 0);
	assert_null(map_get(&m, B("x")));
	map_deinit(&m);
}

static void test_the_empty_key_is_a_key(void **state)
{
	struct map m;
	int a;

	(void)state;
	map_init(&m);
	map_put(&m, B(""), &a);
	assert_ptr_equal(map_get(&m, (struct bytes){ NULL, 0 }), &a);
	map_deinit(&m);
}

/* Each in a block of just its length, so that a sanitizer sees a byte read too many. */
static void test_keys_of_each_length(void **state)
{
	char *keys[40];
	struct map m;

	(void)state;
	map_init(&m);
	for (size_t n = 0; n < 40; n++) {
		keys[n] = malloc(n ? n : 1);
		memset(keys[n], 'k', n);
		map_put(&m, (struct bytes){ keys[n], n }, keys[n]);
	}
	for (size_t n = 0; n < 40; n++)
		assert_ptr_equal(map_get(&m, (struct bytes){ keys[n], n }), keys[n]);
	map_deinit(&m);
	for (size_t n = 0; n < 40; n++)
		free(keys[n]);
}

static bool drop_odd(void *value, void *arg)
{
	size_t *number = value;

	if (*number & 1)
		++*(size_t *)arg;
	return *number & 1;
}

static void test_a_sweep_takes_out_what_it_is_told(void **state)
{
	char names[100][8];
	size_t numbers[100], dropped = 0;
	struct map m;

	(void)state;
	map_init(&m);
	map_sweep(&m, drop_odd, &dropped);
	for (size_t k = 0; k < 100; k++) {
		snprintf(names[k], sizeof(names[k]), "%zu", k);
		numbers[k] = k;
		map_put(&m, bytes_of(names[k]), &numbers[k]);
	}
	map_sweep(&m, drop_odd, &dropped);
	assert_int_equal(dropped, 50);
	assert_int_equal(m.len, 50);
	for (size_t k = 0; k < 100; k++)
		assert_ptr_equal(map_get(&m, bytes_of(names[k])), k & 1 ? NULL : &numbers[k]);
	map_deinit(&m);
}

static void test_hashes_of_all_lengths_differ(void **state)
{
	char text[64] = { 0 };
	uint64_t seen[64];

	(void)state;
	for (size_t n = 0; n < 64; n++) {
		seen[n] = hash_bytes((struct bytes){ text, n });
		assert_true(seen[n] == hash_bytes((struct bytes){ text, n }));
		for (size_t k = 0; k < n; k++)
			assert_true(seen[k] != seen[n]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_put_is_found_until_it_is_removed),
		cmocka_unit_test(test_put_replaces_and_null_removes),
		cmocka_unit_test(test_the_empty_key_is_a_key),
		cmocka_unit_test(test_a_sweep_takes_out_what_it_is_told),
		cmocka_unit_test(test_hashes_of_all_lengths_differ),
		cmocka_unit_test(test_keys_of_each_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
