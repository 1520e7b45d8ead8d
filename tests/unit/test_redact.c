/* Credentials in texts of others: in each disguise they go, what only looks like them stays, and time grows with the text. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/time.h"
#include "upstream/redact.h"

#define KEY "sk-Proj_7Hq2+Zt/9aBcDeFgHiJkLmNoPqRsTuVwXyZ"

static struct arena arena;

static void with(struct secrets *s, const char *const *values)
{
	*s = (struct secrets){ 0 };
	arena_init(&arena, 256u << 20);
	for (; *values; values++)
		secrets_add(s, bytes_of(*values), &arena);
}

static void check(const struct secrets *s, const char *text, const char *expected)
{
	struct bytes got = redact(bytes_of(text), s, &arena);

	if (!bytes_eq(got, bytes_of(expected)))
		fail_msg("%s\nbecame %.*s\nnot    %s", text, BFMT(got), expected);
}

static void test_a_key_goes_in_every_disguise(void **state)
{
	static const char *const secrets[] = { "Bearer " KEY, NULL };
	static const char *const cases[][2] = {
		{ "no key " KEY "!", "no key [redacted]!" },
		{ "header Bearer " KEY, "header Bearer [redacted]" },
		{ "twice " KEY KEY, "twice [redacted]" },
		{ "upper SK-PROJ_7HQ2+ZT/9ABCDEFGHIJKLMNOPQRSTUVWXYZ.", "upper [redacted]." },
		{ "q=sk-Proj_7Hq2%2BZt%2f9aBcDeFgHiJkLmNoPqRsTuVwXyZ&x=1", "q=[redacted]&x=1" },
		{ "q=sk-Proj_7Hq2%252BZt%252F9aBcDeFgHiJkLmNoPqRsTuVwXyZ", "q=[redacted]" },
		{ "{\"m\":\"bad \\u0073k-Proj_7Hq2+Zt\\/9aBcDeFgHiJkLmNoPqRsTuVwXyZ\"}",
		  "{\"m\":\"bad [redacted]\"}" },
		{ "{\"m\":\"{\\\"k\\\":\\\"\\\\u0073k-Proj_7Hq2+Zt\\\\\\/9aBcDeFgHiJkLmNoPqRsTuVwXyZ\\\"}\"}",
		  "{\"m\":\"{\\\"k\\\":\\\"[redacted]\\\"}\"}" },
		{ "<b>sk&#45;Proj&#x5f;7Hq2+Zt/9aBcDeFgHiJkLmNoPqRsTuVwXyZ</b>",
		  "<b>[redacted]</b>" },
		{ "repr \\x73\\x6b\\x2dProj_7Hq2+Zt/9aBcDeFgHiJkLmNoPqRsTuVwXyZ",
		  "repr [redacted]" },
		{ "b64 c2stUHJval83SHEyK1p0LzlhQmNEZUZnSGlKa0xtTm9QcVJzVHVWd1h5Wg==",
		  "b64 [redacted]==" },
		{ "hex 736b2d50726f6a5f374871322b5a742f39614263446546", "hex [redacted]" },
		{ "wrapped sk-Proj_7H\nq2+Zt/9aBc\nDeFgHiJk\\nLmNoPqRsTuVwXyZ",
		  "wrapped [redacted]" },
		{ "part +Zt/9aBcDeFgHi of it", "part [redacted] of it" },
	};
	struct secrets s;

	(void)state;
	with(&s, secrets);
	for (size_t i = 0; i < COUNT(cases); i++)
		check(&s, cases[i][0], cases[i][1]);
	arena_deinit(&arena);
}

static void test_a_key_without_its_middle_goes(void **state)
{
	static const char *const secrets[] = { KEY, NULL };
	static const char *const cases[][2] = {
		{ "Incorrect API key provided: sk-Proj_*********wXyZ. You can",
		  "Incorrect API key provided: [redacted]. You can" },
		{ "sk-...wXyZ", "[redacted]" },
		{ "(sk-Proj\xe2\x80\xa6XyZ)", "([redacted])" },
		{ "sk-Proj_7Hq2+Zt/9aBcDe...FgHiJkLmNoPqRsTuVwXyZ", "[redacted]" },
		{ "sk-Proj_****", "[redacted]" },
		{ "text cut off at sk-Proj_7", "text cut off at [redacted]" },
		{ "ends in ****wXyZ", "ends in [redacted]" },
		{ "sk-Proxxxxxxxxxxxyz", "[redacted]" },
		{ "sk-Proj[hidden]wXyZ", "[redacted]" },
		{ "sk-Proj<redacted>wXyZ", "[redacted]" },
		{ "sk-Proj ... wXyZ", "[redacted]" },
		{ "sk-Pr\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2wXyZ", "[redacted]" },
		{ "{\"m\":\"sk-Pr\\u2026wXyZ\"}", "{\"m\":\"[redacted]\"}" },
		{ "k=sk%2DPr%2A%2A%2AwXyZ", "k=[redacted]" },
	};
	struct secrets s;

	(void)state;
	with(&s, secrets);
	for (size_t i = 0; i < COUNT(cases); i++)
		check(&s, cases[i][0], cases[i][1]);
	arena_deinit(&arena);
}

static void test_what_only_looks_like_it_stays(void **state)
{
	static const char *const secrets[] = { KEY, "abcd", "x", "  ", NULL };
	static const char *const cases[] = {
		"",
		"sk-Proj is how keys begin",
		"sk-Other_key_that_is_not_ours_12345",
		"sk-Zt...the rest",
		"abcde, xabcd",
		"see https://example.com/a... for more",
		"{\"error\":{\"message\":\"model not found\",\"code\":404}}",
		"\\",
		"%",
		"%zz &# &; \\u12",
		"\xff\xfe\x80",
	};
	struct secrets s;

	(void)state;
	with(&s, secrets);
	assert_int_equal(s.len, 2);
	for (size_t i = 0; i < COUNT(cases); i++)
		check(&s, cases[i], cases[i]);
	check(&s, "it is abcd.", "it is [redacted].");
	arena_deinit(&arena);
}

static void test_a_name_and_its_password_go_together_and_alone(void **state)
{
	static const char *const secrets[] = { "Basic dXNlcjpvcGVuLXNlc2FtZS0xMjM=", NULL };
	struct secrets s;

	(void)state;
	with(&s, secrets);
	check(&s, "user:open-sesame-123", "[redacted]");
	check(&s, "the password open-sesame-123 is bad", "the password [redacted] is bad");
	check(&s, "got dXNlcjpvcGVuLXNlc2FtZS0xMjM=", "got [redacted]");
	check(&s, "proxy saw eHg6b3Blbi1zZXNhbWUtMTIz", "proxy saw eH[redacted]");
	arena_deinit(&arena);
}

static void test_json_stays_json(void **state)
{
	static const char *const secrets[] = { "1234567890123", "n-abcdefghijklm", NULL };
	static const char *const cases[][2] = {
		{ "{\"device\":1234567890123}", "{\"device\":\"[redacted]\"}" },
		{ " [-1234567890123.5, 1]", " [\"[redacted]\", 1]" },
		{ "{\"a\":\"x\\n-abcdefghijklm\"}", "{\"a\":\"x[redacted]\"}" },
		{ "{\"a\":\"x\\\\n-abcdefghijklm\\\\\"}", "{\"a\":\"x\\\\[redacted]\\\\\"}" },
	};
	struct secrets s;

	(void)state;
	with(&s, secrets);
	for (size_t i = 0; i < COUNT(cases); i++) {
		check(&s, cases[i][0], cases[i][1]);
		assert_non_null(json_parse(bytes_of(cases[i][1]), &arena));
	}
	arena_deinit(&arena);
}

static void test_a_header_is_secret_by_its_name(void **state)
{
	struct secrets s = { 0 };

	(void)state;
	arena_init(&arena, 1u << 20);
	secrets_add_named(&s, B("Content-Type"), B("application/json"), &arena);
	secrets_add_named(&s, B("accept-language"), B("english"), &arena);
	assert_int_equal(s.len, 0);
	secrets_add_named(&s, B("X-API-Key"), B("key-of-many"), &arena);
	secrets_add_named(&s, B("SID"), B("session-1"), &arena);
	secrets_add_named(&s, B("cookie"), B("a=b; c=d"), &arena);
	secrets_add_named(&s, B("authorization"), B("Token  one-two-three "), &arena);
	assert_int_equal(s.len, 4);
	assert_true(bytes_eq(s.at[3], B("one-two-three")));
	arena_deinit(&arena);
}

static void test_too_many_secrets_leave_nothing(void **state)
{
	struct secrets s = { 0 };

	(void)state;
	arena_init(&arena, 1u << 20);
	for (unsigned i = 0; i <= SECRETS_MAX; i++)
		secrets_add(&s, arena_printf(&arena, "secret-number-%u", i), &arena);
	check(&s, "anything", "[redacted]");
	arena_deinit(&arena);
}

/* Texts made to be slow: each of a megabyte in well under what a walk of text times secret would take (hours). */
static void test_time_grows_with_the_text(void **state)
{
	static const char *const fills[] = { "a",   "ab", "*", "a*", "\\",
					     "%25", "x",  "[", "&#", "a.[" };
	struct secrets s = { 0 };
	char *secret = malloc(8192), *text = malloc(2 * REDACT_MAX);
	uint64_t before;

	(void)state;
	arena_init(&arena, 256u << 20);
	for (size_t i = 0; i < 8192; i++)
		secret[i] = i % 2 && i < 4096 ? 'b' : 'a';
	secrets_add(&s, (struct bytes){ secret, 8192 }, &arena);
	secrets_add(&s, B(KEY), &arena);
	for (size_t i = 0; i < COUNT(fills); i++) {
		size_t n = strlen(fills[i]);
		struct bytes got;

		for (size_t k = 0; k < 2 * REDACT_MAX; k++)
			text[k] = fills[i][k % n];
		before = clock_mono_ms();
		got = redact((struct bytes){ text, 2 * REDACT_MAX }, &s, &arena);
		assert_true(got.n <= REDACT_MAX);
		if (clock_mono_ms() - before > 8000)
			fail_msg("%s took %d ms", fills[i], (int)(clock_mono_ms() - before));
		arena_deinit(&arena);
		arena_init(&arena, 256u << 20);
	}
	free(secret);
	free(text);
	arena_deinit(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_key_goes_in_every_disguise),
		cmocka_unit_test(test_a_key_without_its_middle_goes),
		cmocka_unit_test(test_what_only_looks_like_it_stays),
		cmocka_unit_test(test_a_name_and_its_password_go_together_and_alone),
		cmocka_unit_test(test_json_stays_json),
		cmocka_unit_test(test_a_header_is_secret_by_its_name),
		cmocka_unit_test(test_too_many_secrets_leave_nothing),
		cmocka_unit_test(test_time_grows_with_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
