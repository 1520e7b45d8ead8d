/* base/bytes.c, base/arena.c, base/error.c */
#include <stdio.h>

#include "unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/error.h"

static void test_distance_counts_edits_and_swapped_neighbours_once(void **state)
{
	(void)state;
	assert_int_equal(bytes_distance(B("gpt-4o"), B("gpt-4o")), 0);
	assert_int_equal(bytes_distance(B("kitten"), B("sitting")), 3);
	assert_int_equal(bytes_distance(B("opnai"), B("openai")), 1);
	assert_int_equal(bytes_distance(B("mdoels"), B("models")), 1);
	assert_int_equal(bytes_distance(B(""), B("abc")), 3);
}

static void test_hex_digits_are_read_and_printed(void **state)
{
	char out[9];

	(void)state;
	assert_int_equal(hex_digit('0'), 0);
	assert_int_equal(hex_digit('9'), 9);
	assert_int_equal(hex_digit('a'), 10);
	assert_int_equal(hex_digit('F'), 15);
	for (int c = 0; c < 256; c++)
		assert_int_equal(hex_digit((char)c) >= 0,
				 c && strchr("0123456789abcdefABCDEF", c) != NULL);
	assert_int_equal(hex_code(B("d83dx")), 0xd83d);
	assert_int_equal(hex_code(B("d83")), -1);
	assert_int_equal(hex_code(B("d8g3")), -1);
	hex_print("\x00\x9a\xff\x10", 4, out);
	assert_string_equal(out, "009aff10");
}

static void test_percent_escapes_are_taken_apart_once(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "a%20b", "a b" }, { "%41%4a%4A", "AJJ" },       { "%2541", "%41" }, { "%", "%" },
		{ "%4", "%4" },     { "%4x%x4%%41", "%4x%x4%A" }, { "", "" },
	};
	char out[32];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = bytes_percent_decode(bytes_of(rows[i].text), out);

		assert_bytes((struct bytes){ out, n }, rows[i].want);
	}
}

static void test_cuts_go_between_characters(void **state)
{
	struct bytes text = B("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	static const size_t head[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10 };
	static const size_t tail[] = { 0, 0, 0, 0, 4, 4, 4, 7, 7, 9, 10, 10 };

	(void)state;
	for (size_t max = 0; max < sizeof(head) / sizeof(head[0]); max++) {
		assert_int_equal(bytes_head(text, max).n, head[max]);
		assert_int_equal(bytes_tail(text, max).n, tail[max]);
		assert_ptr_equal(bytes_tail(text, max).p + tail[max], text.p + text.n);
	}
	for (size_t n = 0; n <= text.n; n++)
		assert_int_equal(bytes_whole(bytes_slice(text, 0, n)).n, bytes_head(text, n).n);
	assert_int_equal(bytes_whole(B("a\x80\x80\x80\x80")).n, 5); /* nothing that began */
	assert_int_equal(bytes_head(B("\x80\x80\x80"), 2).n, 0);
	assert_int_equal(bytes_tail(B("\x80\x80\x80"), 2).n, 0);
}

static void test_characters_have_a_length_and_are_printed(void **state)
{
	static const unsigned codes[] = { 0,      0x41,   0x7f,   0x80,    0x7ff,   0x800,
					  0xd7ff, 0xe000, 0xffff, 0x10000, 0x1f600, 0x10ffff };
	char out[4];

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		size_t n = utf8_print(codes[i], out);

		assert_int_equal(n, codes[i] < 0x80      ? 1
				    : codes[i] < 0x800   ? 2
				    : codes[i] < 0x10000 ? 3
							 : 4);
		assert_int_equal(utf8_length((struct bytes){ out, n }), n);
		assert_int_equal(utf8_length((struct bytes){ out, n - 1 }), 0);
	}
	assert_int_equal(utf8_print(0x20ac, out), 3);
	assert_memory_equal(out, "\xe2\x82\xac", 3);
	assert_int_equal(utf8_print(0xd83d, out), 3);
	assert_memory_equal(out, "\xed\xa0\xbd", 3);
	assert_int_equal(utf8_length((struct bytes){ out, 3 }), 0); /* half a pair */
}

static void test_views_compare_and_cut(void **state)
{
	struct bytes rest = B("a,bb,,c"), none = { 0 };

	(void)state;
	assert_true(bytes_eq(B("ab"), B("ab")) && !bytes_eq(B("ab"), B("aB")) &&
		    bytes_eq(none, B("")));
	assert_true(bytes_ieq(B("Ab-1"), B("aB-1")) && !bytes_ieq(B("a"), B("ab")));
	assert_true(bytes_starts(B("abc"), B("ab")) && bytes_starts(B("a"), none));
	assert_false(bytes_starts(B("a"), B("ab")));
	assert_true(bytes_istarts(B("BEARER x"), B("bearer ")) &&
		    bytes_ends(B("x.wasm"), B(".wasm")));
	assert_true(bytes_cmp(B("a"), B("b")) < 0 && bytes_cmp(B("ab"), B("a")) > 0);
	assert_int_equal(bytes_cmp(B("a"), B("a")), 0);
	assert_int_equal(bytes_find(B("hello"), B("ll")), 2);
	assert_int_equal(bytes_find(B("hello"), B("lx")), -1);
	assert_int_equal(bytes_find(B("hello"), none), 0);
	assert_int_equal(bytes_find(none, none), 0);
	assert_int_equal(bytes_find(B("he"), B("hel")), -1);
	assert_int_equal(bytes_find(B("hel"), B("hel")), 0);
	assert_int_equal(bytes_ifind(B("heLLo"), B("ll")), 2);
	assert_int_equal(bytes_ifind(B("heLLo"), B("lo")), 3);
	assert_int_equal(bytes_ifind(B("heLLo"), B("ox")), -1);
	assert_int_equal(bytes_ifind(B("h"), B("hh")), -1);
	assert_int_equal(bytes_chr(B("a=b"), '='), 1);
	assert_int_equal(bytes_chr(none, '='), -1);
	assert_bytes(bytes_trim(B(" \ta b\t ")), "a b");
	assert_bytes(bytes_slice(B("abc"), 1, 99), "bc");
	assert_bytes(bytes_slice(B("abc"), 9, 1), "");
	assert_bytes(bytes_cut(&rest, ','), "a");
	assert_bytes(bytes_cut(&rest, ','), "bb");
	assert_bytes(bytes_cut(&rest, ','), "");
	assert_bytes(bytes_cut(&rest, ','), "c");
	assert_int_equal(rest.n, 0);
}

static void test_numbers_are_digits_that_fit(void **state)
{
	uint64_t n = 7;

	(void)state;
	assert_true(bytes_to_u64(B("18446744073709551615"), &n) && n == UINT64_MAX);
	assert_false(bytes_to_u64(B("18446744073709551616"), &n));
	assert_false(bytes_to_u64(B(""), &n) || bytes_to_u64(B("-1"), &n) ||
		     bytes_to_u64(B("1 "), &n));
	assert_true(bytes_to_u64(B("007"), &n) && n == 7);
}

static void test_utf8_is_checked_by_the_book(void **state)
{
	static const char *const good[] = { "",
					    "a",
					    "\xc2\x80",
					    "\xe0\xa0\x80",
					    "\xed\x9f\xbf",
					    "\xf0\x90\x80\x80",
					    "\xf4\x8f\xbf\xbf",
					    "long plain text €" };
	static const char *const bad[] = {
		"\x80",         "\xc1\xbf",         "\xc2",
		"\xe0\x9f\xbf", "\xed\xa0\x80",     "\xf0\x8f\xbf\xbf",
		"\xf5\x80\x80", "\xf4\x90\x80\x80", "plain text then \xff"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!bytes_is_utf8(bytes_of(good[i])))
			fail_msg("row %zu is UTF-8", i);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (bytes_is_utf8(bytes_of(bad[i])))
			fail_msg("row %zu is no UTF-8", i);
}

static void test_a_buffer_stops_at_its_maximum_and_keeps_what_it_has(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	assert_int_equal(buf_append(&b, B("12345678")), 0);
	assert_int_equal(buf_append(&b, B("abc")), -1);
	assert_int_equal(error_last()->kind, ERR_TOO_LARGE);
	assert_int_equal(buf_printf(&b, "%d", 123), -1);
	assert_int_equal(buf_reserve(&b, SIZE_MAX), -1);
	assert_bytes(buf_bytes(&b), "12345678");
	assert_int_equal(buf_put_u64(&b, 90), 0);
	assert_bytes(buf_bytes(&b), "1234567890");
	buf_deinit(&b);
}

static void test_printing_grows_the_buffer(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1u << 20);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buf_printf(&b, "%s-%04d ", "word", i), 0);
	assert_int_equal(b.len, 10000);
	assert_bytes(bytes_slice(buf_bytes(&b), 9990, 10), "word-0999 ");
	buf_put_u64(&b, 0);
	buf_put_u64(&b, UINT64_MAX);
	assert_bytes(bytes_slice(buf_bytes(&b), 10000, 99), "018446744073709551615");
	buf_deinit(&b);
}

static void test_an_arena_gives_aligned_zeroed_memory(void **state)
{
	struct arena a;
	size_t before = arena_count();

	(void)state;
	arena_init(&a, 1u << 20);
	assert_int_equal(arena_count(), before);
	for (size_t n = 0; n < 3000; n += 7) {
		unsigned char *p = arena_alloc(&a, n);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xaa, n);
	}
	assert_int_equal(arena_count(), before + 1);
	arena_deinit(&a);
	assert_int_equal(arena_count(), before);
}

static void test_an_arena_is_bounded(void **state)
{
	struct arena a;
	size_t got = 0;

	(void)state;
	arena_init(&a, 100000);
	while (arena_alloc_raw(&a, 1000))
		got += 1000;
	assert_int_equal(error_last()->kind, ERR_TOO_LARGE);
	assert_in_range(got, 50000, 400000);
	assert_null(arena_alloc_array(&a, SIZE_MAX / 2, 3));
	assert_null(arena_alloc(&a, SIZE_MAX - 1));
	arena_deinit(&a);
}

/* Of all arenas that are bound together, from each one's second MiB on. */
static void test_arenas_share_a_bound(void **state)
{
	enum { MB = 1 << 20 };
	struct arena_bound bound = { .max = 3 * MB };
	struct arena a, b;
	size_t head;

	(void)state;
	arena_init(&a, 1u << 30);
	assert_non_null(arena_alloc_raw(&a, 65536));
	head = a.used - 65536;
	arena_deinit(&a);
	arena_init(&b, 1u << 30);
	arena_bind(&a, &bound);
	arena_bind(&b, &bound);
	assert_non_null(arena_alloc_raw(&a, 2 * MB - head));
	assert_int_equal(bound.used, 2 * MB);
	assert_null(arena_alloc_raw(&b, 3 * MB - head)); /* as much as there is in all */
	assert_int_equal(error_last()->kind, ERR_BUSY);
	assert_bytes(error_last()->message, "too many large requests at once");
	assert_null(arena_alloc_raw(&b, 3 * MB - head + 16));
	assert_int_equal(error_last()->kind, ERR_BODY_TOO_LARGE);
	assert_bytes(error_last()->message, "a request needs more than 3145728 bytes of memory");
	assert_int_equal(bound.used, 2 * MB);
	assert_non_null(arena_alloc_raw(&b, MB - head)); /* not counted */
	assert_int_equal(bound.used, 2 * MB);
	assert_non_null(arena_alloc_raw(&b, MB - head));
	assert_int_equal(bound.used, 3 * MB);
	assert_null(arena_alloc_raw(&b, MB - head));
	assert_int_equal(error_last()->kind, ERR_BUSY);
	assert_null(arena_alloc_raw(&b, 2 * MB - head + 16)); /* with what it has */
	assert_int_equal(error_last()->kind, ERR_BODY_TOO_LARGE);
	arena_open_reserve(&b);
	assert_non_null(arena_alloc_raw(&b, 1000));
	assert_int_equal(bound.used, 3 * MB + MB / 4); /* a chunk */
	arena_deinit(&b);
	assert_int_equal(bound.used, 2 * MB);
	arena_deinit(&a);
	assert_int_equal(bound.used, 0);
	error_clear();
}

static void test_a_descriptor_is_read_to_its_end_within_the_bound(void **state)
{
	int p[2];
	struct buf b;

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "abc", 3), 3);
	buf_init(&b, BUF_READ_ROOM - 1);
	assert_int_equal(buf_read(&b, p[0]), -1);
	assert_int_equal(error_last()->kind, ERR_TOO_LARGE);
	assert_int_equal(b.len, 0);
	buf_init(&b, 2 * BUF_READ_ROOM);
	assert_int_equal(buf_append(&b, B("x")), 0);
	close(p[1]);
	assert_int_equal(buf_read(&b, p[0]), 0);
	assert_bytes(buf_bytes(&b), "xabc");
	close(p[0]);
	assert_int_equal(buf_read(&b, p[0]), -1);
	assert_bytes(buf_bytes(&b), "xabc");
	buf_deinit(&b);
	error_clear();
}

static void test_the_last_allocation_grows_in_place(void **state)
{
	struct arena a;
	char *p, *q;

	(void)state;
	arena_init(&a, 1u << 20);
	p = arena_alloc(&a, 100);
	memcpy(p, "kept", 5);
	assert_ptr_equal(arena_realloc(&a, p, 100, 200), p);
	q = arena_alloc(&a, 16);
	q = arena_realloc(&a, p, 200, 400);
	assert_ptr_not_equal(q, p);
	assert_string_equal(q, "kept");
	arena_deinit(&a);
}

static void test_arena_strings_and_arrays(void **state)
{
	struct arena a;
	size_t *numbers = NULL, len = 0, cap = 0;
	struct bytes copy, unset = { 0 };

	(void)state;
	arena_init(&a, 1u << 20);
	copy = arena_dup(&a, B("abc"));
	assert_bytes(copy, "abc");
	assert_int_equal(copy.p[3], 0);
	assert_false(bytes_set(arena_dup(&a, unset)));
	assert_true(bytes_set(arena_dup(&a, B(""))));
	assert_bytes(arena_cat(&a, B("ab"), B("cd")), "abcd");
	assert_bytes(arena_printf(&a, "%d %s", 7, "x"), "7 x");
	for (size_t i = 0; i < 1000; i++)
		assert_true(arena_push(&a, numbers, len, cap, i));
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(numbers[i], i);
	arena_deinit(&a);
}

static void test_an_error_stays_until_the_next_and_takes_context(void **state)
{
	(void)state;
	error_clear();
	assert_int_equal(error_last()->kind, ERR_NONE);
	assert_int_equal(fail(ERR_CONFIG, "x is %d", 3), -1);
	assert_int_equal(fail_context("models.%s: ", "m"), -1);
	assert_int_equal(error_last()->kind, ERR_CONFIG);
	assert_bytes(error_last()->message, "models.m: x is 3");
	assert_null(fail_null(ERR_IO, "other"));
	assert_bytes(error_last()->message, "other");
	assert_int_equal(error_last()->retry_after_ms, -1);
}

static void test_a_saved_error_outlives_the_next_failure(void **state)
{
	struct error_list list = { 0 };
	struct error *saved;
	struct arena a;

	(void)state;
	arena_init(&a, 1u << 20);
	fail(ERR_INFERENCE_CLIENT, "first");
	error_last()->code = B("c");
	error_last()->upstream_status = 429;
	saved = error_save(&a);
	for (int i = 0; i < 10; i++)
		assert_int_equal(error_list_add(&list, B("p"), saved, &a), 0);
	fail(ERR_IO, "second");
	assert_bytes(saved->message, "first");
	assert_bytes(saved->code, "c");
	assert_false(bytes_set(saved->param));
	assert_int_equal(list.len, 10);
	assert_int_equal(list.errors[9].upstream_status, 429);
	fail_with(saved);
	assert_int_equal(error_last()->kind, ERR_INFERENCE_CLIENT);
	arena_deinit(&a);
	error_clear();
}

/* Whatever the room: an error is in the list, or the list is as before. */
static void test_a_list_of_errors_with_little_room(void **state)
{
	struct error one = { .kind = ERR_IO, .message = B("m") };
	size_t refused = 0;

	(void)state;
	for (size_t max = 0; max < 30000; max += 112) {
		struct error_list list = { 0 };
		struct arena a;

		arena_init(&a, max);
		for (size_t n = 0; n < 40; n++) {
			int r;

			one.upstream_status = (int)n;
			r = error_list_add(&list, B("p"), &one, &a);
			refused += r != 0;
			assert_int_equal(list.len, n + !r);
			if (r)
				break;
			assert_int_equal(list.errors[n].upstream_status, n);
			assert_int_equal(list.errors[n / 2].upstream_status, n / 2);
			assert_bytes(list.names[n], "p");
		}
		arena_deinit(&a);
	}
	assert_true(refused > 50);
	error_clear();
}

static void *fail_elsewhere(void *arg)
{
	fail(ERR_INTERNAL, "%s", (const char *)arg);
	error_clear();
	return NULL;
}

static void test_errors_belong_to_their_thread_and_context(void **state)
{
	struct error slot = { 0 }, *before;
	pthread_t thread;

	(void)state;
	fail(ERR_IO, "mine");
	assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, "theirs"), 0);
	pthread_join(thread, NULL);
	assert_bytes(error_last()->message, "mine");
	before = error_context_swap(&slot);
	fail(ERR_CLOSED, "of the slot");
	assert_ptr_equal(error_context_swap(before), &slot);
	assert_bytes(error_last()->message, "mine");
	assert_bytes(slot.message, "of the slot");
	error_slot_deinit(&slot);
	error_clear();
}

static void test_errors_are_made_whole(void **state)
{
	struct error *e = error_last();
	const struct upstream_said said = { .provider_type = B("openai"),
					    .status = 429,
					    .code = B("slow"),
					    .message = B("later"),
					    .fatal = true };

	(void)state;
	assert_int_equal(fail_param(ERR_INVALID_REQUEST, B("model"), "unknown", "no %s", "x"), -1);
	assert_int_equal(e->kind, ERR_INVALID_REQUEST);
	assert_bytes(e->message, "no x");
	assert_bytes(e->param, "model");
	assert_bytes(e->code, "unknown");
	assert_int_equal(fail_as(ERR_SIGNER), -1);
	assert_int_equal(e->kind, ERR_SIGNER);
	assert_bytes(e->message, "no x");
	assert_int_equal(fail_from_upstream(ERR_RATE_LIMIT, &said, "it said %d", 429), -1);
	assert_int_equal(e->kind, ERR_RATE_LIMIT);
	assert_bytes(e->message, "it said 429");
	assert_bytes(e->provider_type, "openai");
	assert_bytes(e->upstream_code, "slow");
	assert_bytes(e->upstream_message, "later");
	assert_int_equal(e->upstream_status, 429);
	assert_true(e->fatal && !bytes_set(e->param) && !bytes_set(e->code));
	assert_int_equal(e->retry_after_ms, -1);
	error_clear();
}

/* http-api §2.2 */
static void test_kinds_have_tensorzeros_names_and_statuses(void **state)
{
	static const struct {
		enum error_kind kind;
		const char *name;
		int status;
	} rows[] = {
		{ ERR_INVALID_REQUEST, "InvalidRequest", 400 },
		{ ERR_JSON_REQUEST, "JsonRequest", 400 },
		{ ERR_MODEL_NOT_FOUND, "ModelNotFound", 404 },
		{ ERR_ROUTE_NOT_FOUND, "RouteNotFound", 404 },
		{ ERR_PROVIDER_TIMEOUT, "ModelProviderTimeout", 408 },
		{ ERR_RATE_LIMIT, "RateLimitExceeded", 429 },
		{ ERR_ALL_VARIANTS_FAILED, "AllVariantsFailed", 502 },
		{ ERR_ALL_PROVIDERS_FAILED, "AllModelProvidersFailed", 500 },
		{ ERR_OBJECT_STORE_UNCONFIGURED, "ObjectStoreUnconfigured", 500 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_string_equal(error_kind_name(rows[i].kind), rows[i].name);
		assert_int_equal(error_kind_status(rows[i].kind), rows[i].status);
	}
	for (int kind = 0; kind < ERR_KINDS; kind++) {
		assert_non_null(error_kind_name((enum error_kind)kind));
		assert_in_range(error_kind_status((enum error_kind)kind), 400, 599);
	}
}

/* What buf_json_string is to print, a byte at a time. */
static size_t slow_string(const unsigned char *p, size_t n, char *out)
{
	size_t len = 0;

	out[len++] = '"';
	for (size_t i = 0; i < n; i++) {
		const char *short_form = p[i] ? strchr("\"\"\\\\\bb\ff\nn\rr\tt", p[i]) : NULL;

		if (p[i] == 0xed && n - i > 2 && p[i + 1] >= 0xa0) {
			len += (size_t)sprintf(out + len, "\xef\xbf\xbd"); /* half a pair */
			i += 2;
		} else if (p[i] == '"' || p[i] == '\\' || (p[i] < 0x20 && short_form)) {
			out[len++] = '\\';
			out[len++] = short_form[1];
		} else if (p[i] < 0x20) {
			len += (size_t)sprintf(out + len, "\\u%04x", p[i]);
		} else {
			out[len++] = (char)p[i];
		}
	}
	out[len++] = '"';
	return len;
}

static void test_json_strings_of_every_length_with_every_byte_at_every_place(void **state)
{
	unsigned char text[70];
	char want[500];
	struct buf b;

	(void)state;
	for (size_t n = 1; n <= sizeof(text); n++)
		for (size_t at = 0; at<n; at += n> 40 ? 3 : 1)
			for (unsigned c = 0; c < 256; c += c < 0x60 || c > 0xe8 ? 1 : 7) {
				memset(text, 'x', n);
				text[at] = (unsigned char)c;
				if (at + 1 < n)
					text[at + 1] =
						c == 0xed ? (unsigned char)(0x80 + n % 64) : '"';
				buf_init(&b, 4096);
				assert_int_equal(
					buf_json_string(&b, (struct bytes){ (char *)text, n }), 0);
				assert_int_equal(b.len, slow_string(text, n, want));
				assert_memory_equal(b.data, want, b.len);
				buf_deinit(&b);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_strings_of_every_length_with_every_byte_at_every_place),
		cmocka_unit_test(test_distance_counts_edits_and_swapped_neighbours_once),
		cmocka_unit_test(test_views_compare_and_cut),
		cmocka_unit_test(test_numbers_are_digits_that_fit),
		cmocka_unit_test(test_utf8_is_checked_by_the_book),
		cmocka_unit_test(test_a_buffer_stops_at_its_maximum_and_keeps_what_it_has),
		cmocka_unit_test(test_printing_grows_the_buffer),
		cmocka_unit_test(test_an_arena_gives_aligned_zeroed_memory),
		cmocka_unit_test(test_an_arena_is_bounded),
		cmocka_unit_test(test_arenas_share_a_bound),
		cmocka_unit_test(test_a_descriptor_is_read_to_its_end_within_the_bound),
		cmocka_unit_test(test_the_last_allocation_grows_in_place),
		cmocka_unit_test(test_arena_strings_and_arrays),
		cmocka_unit_test(test_an_error_stays_until_the_next_and_takes_context),
		cmocka_unit_test(test_a_saved_error_outlives_the_next_failure),
		cmocka_unit_test(test_a_list_of_errors_with_little_room),
		cmocka_unit_test(test_errors_belong_to_their_thread_and_context),
		cmocka_unit_test(test_errors_are_made_whole),
		cmocka_unit_test(test_hex_digits_are_read_and_printed),
		cmocka_unit_test(test_percent_escapes_are_taken_apart_once),
		cmocka_unit_test(test_cuts_go_between_characters),
		cmocka_unit_test(test_characters_have_a_length_and_are_printed),
		cmocka_unit_test(test_kinds_have_tensorzeros_names_and_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
