/* wire/call_ids.c (surfaces §6.3) */
#include "unit.h"

#include "wire/call_ids.h"

static void test_what_fits_goes_as_it_is(void **state)
{
	char out[ID_ROOM];

	(void)state;
	assert_bytes(id_mapped(&id_anthropic, B("toolu_01-x"), out), "toolu_01-x");
	assert_bytes(id_mapped(&id_openai_chat, B("functions.run:0"), out), "functions.run:0");
	assert_bytes(id_mapped(&id_openai_chat, B(""), out), "");
	assert_bytes(id_mapped(&name_gemini, B("a.b_c-1"), out), "a.b_c-1");
	assert_bytes(id_mapped(&name_gemini, B("_1"), out), "_1");
}

static void test_what_does_not_fit_is_told_apart(void **state)
{
	char one[ID_ROOM], two[ID_ROOM];
	struct bytes a = id_mapped(&id_anthropic, B("call.0"), one),
		     b = id_mapped(&id_anthropic, B("call:0"), two);

	(void)state;
	assert_true(bytes_starts(a, B("call_0_")) && bytes_starts(b, B("call_0_")));
	assert_false(bytes_eq(a, b));
	assert_true(id_fits(&id_anthropic, a) && id_fits(&id_anthropic, b));
	assert_true(bytes_starts(id_mapped(&name_gemini, B("1a"), one), B("_1a_")));
	assert_true(bytes_starts(id_mapped(&id_anthropic, B(""), one), B("_")));
}

static void test_long_ones_are_cut_to_their_most(void **state)
{
	static const struct id_rule *const rules[] = { &id_openai_chat, &id_openai_responses,
						       &id_anthropic,   &name_openai,
						       &name_anthropic, &name_bedrock,
						       &name_gemini };
	char text[300], out[ID_ROOM];

	(void)state;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = "1\xc3\xa9"[i % 3];
	for (size_t r = 0; r < COUNT(rules); r++)
		for (size_t n = 1; n < sizeof text; n++) {
			struct bytes id = { text, n }, fit = id_mapped(rules[r], id, out);

			assert_true(fit.n <= rules[r]->max);
			assert_true(bytes_eq(fit, id) || id_fits(rules[r], fit));
			assert_true(!rules[r]->any || n <= rules[r]->max ||
				    !utf8_continues(fit.p[fit.n - 9]));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_fits_goes_as_it_is),
		cmocka_unit_test(test_what_does_not_fit_is_told_apart),
		cmocka_unit_test(test_long_ones_are_cut_to_their_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
