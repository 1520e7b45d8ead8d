/* What messages about a configuration repeat of it: keys and places, never a value that may be a secret. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "config/shown.h"

static void line_is(const char *document, const char *expected)
{
	struct buf out;
	size_t from = 0;
	const char *at = strstr(document, "\n>");
	char text[1000];

	/* the line that begins with '>' (which is no part of it), else the first */
	snprintf(text, sizeof text, "%s", document);
	if (at) {
		from = (size_t)(at + 1 - document);
		memmove(text + from, text + from + 1, strlen(text + from));
	}
	buf_init(&out, 4096);
	assert_int_equal(show_line(bytes_of(text), from, &out), 0);
	if (!bytes_eq(buf_bytes(&out), bytes_of(expected)))
		fail_msg("%s\nshows %.*s\nnot   %s", document, BFMT(buf_bytes(&out)), expected);
	buf_deinit(&out);
}

#define V "\"…\""

static void test_a_line_shows_keys_and_punctuation(void **state)
{
	static const char *const cases[][2] = {
		{ "session_id = \"hunter2\" x", "session_id = " V " " V },
		{ "api_key_location = \"sk-abc", "api_key_location = " V },
		{ "api_key_location = sk-abc", "api_key_location = " V },
		{ "sid = abc=def,ghi = jkl", "sid = " V "=" V "," V " = " V },
		{ "a = 'one' 'two'", "a = " V " " V },
		{ "a = \"ab\"cd\"", "a = " V V V },
		{ "a.b.\"c d\" = 1", V "" V " = " V },
		{ "[models.m", "[models.m" },
		{ "[models.\"gpt 4\"", "[models." V },
		{ "[models.m] sk-abc", "[models.m] " V },
		{ "[\"sk-abc\", \"def\"", "[" V ", " V },
		{ "  \"sk-abc\",", V "," },
		{ "sk-abc,", V "," },
		{ "c2VjcmV0Cg==", V "==" },
		{ "token", V },
		{ "x = { name = \"a\", value = \"b\" c }",
		  "x = { name = " V ", value = " V " " V " }" },
		{ "x = { value = \"a\"b, c=d\" }", "x = { value = " V V ", " V "=" V V },
		{ "x = { value = sk-1 2, b = 3", "x = { value = " V " " V ", " V " = " V },
		{ "x = [{ default = \"a\", fallback = \"b\" }",
		  "x = [{ default = " V ", fallback = " V " }" },
		{ "a = 1 # sk-abc", "a = " V " " },
		{ "# sk-abc", "" },
		{ "sk-live-abcdefgh = 1", V " = " V },
		{ "a = \"\"\"x\nsecret = y\n>token = z\n", "" }, /* inside of a string */
		{ "a = '''x\n>token = z\n'''", "" },
		{ "a = '''x'''\n>token = z", "token = " V },
		{ "a = \"x # '''\"\n# \"\"\"\n>token = z", "token = " V },
		{ "a = \"\xff\"", "" },
		{ "long = \"0123456789012345678901234567890123456789012345678901234567890\"", "" },
		{ "=", "=" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		line_is(cases[i][0], cases[i][1]);
}

static void test_a_message_shows_no_secret(void **state)
{
	static const char *const cases[][2] = {
		{ "invalid type: string \"sk-live-123456\", expected a boolean",
		  "invalid type: string \"…\", expected a boolean" },
		{ "variable `abc123def456ghi789jkl012` is missing", "variable `…` is missing" },
		{ "`0197c0de-1234-4abc-8def-0123456789ab`", "`…`" },
		{ "`dGhpcyBpcyBhIHNlY3JldCBvZiBtaW5l1=`", "`…`" },
		{ "\"https://user:pass@host/v1\"", "\"https://…@host/v1\"" },
		{ "\"postgres://u:p@ss@host/db\"", "\"postgres://…@host/db\"" },
		{ "\"https://host/chat?a=b&access_token=hunter2&c=d\"",
		  "\"https://host/chat?a=b&access_token=…&c=d\"" },
		{ "\"https://host/?api-key=hunter2\"", "\"https://host/?api-key=…\"" },
		{ "\"eyJhbGciOiJI.eyJzdWIi.sig\"", "\"….….sig\"" },
	};
	static const char *const same[] = {
		"unknown field `foo`, expected one of `gateway`, `clickhouse` (remove it)",
		"models.claude-3-5-sonnet-20241022: `routing` must not be empty",
		"the module's sha256 is 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		"Environment variable `OPENAI_API_KEY_FOR_PRODUCTION_2` is missing",
		"https://api.openai.com/v1/?key",
		"a=b",
		"://",
		"?key=",
		"sk-",
		"",
	};
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	for (size_t i = 0; i < COUNT(cases) + COUNT(same); i++) {
		const char *text = i < COUNT(cases) ? cases[i][0] : same[i - COUNT(cases)],
			   *expected = i < COUNT(cases) ? cases[i][1] : text;

		buf_reset(&out);
		assert_int_equal(show_text(bytes_of(text), &out), 0);
		if (!bytes_eq(buf_bytes(&out), bytes_of(expected)))
			fail_msg("%s\nshows %.*s\nnot   %s", text, BFMT(buf_bytes(&out)), expected);
	}
	buf_deinit(&out);
}

/* Every way in which one value can stand where it is wrong: none of the messages has it. */
static void test_no_error_of_a_configuration_repeats_a_secret(void **state)
{
#define MODEL \
	"[models.m]\nrouting = [\"p\"]\n[models.m.providers.p]\ntype = \"openai\"\nmodel_name = \"x\"\n"
#define SECRET "sk-Live9fQ2aBcDeFgHiJkLmNoP"
	static const char *const cases[] = {
		"session_id = \"" SECRET "\" x\n",
		MODEL "api_key_location = \"" SECRET "\" y\n",
		MODEL "api_key_location = \"" SECRET "\n",
		MODEL "api_key_location = " SECRET "\n",
		MODEL "api_key_location = \"" SECRET "\"\n",
		MODEL "api_key_location = \"env::" SECRET "\"\n",
		MODEL "api_key_location = \"path::" SECRET "\"\n",
		MODEL "api_key_location = { default = \"" SECRET "\", fallback = \"none\" }\n",
		MODEL "api_key_location = [\"" SECRET "\"]\n",
		MODEL "api_key = \"" SECRET "\"\n",
		MODEL SECRET " = 1\n",
		MODEL "api_base = \"http://me:" SECRET "@host/v1/\"\n",
		MODEL "api_base = \"http://host/v1/ ?api_key=" SECRET "\"\n",
		MODEL "api_base = \"" SECRET "\"\n",
		MODEL "timeouts = \"" SECRET "\"\n",
		MODEL "extra_headers = [{ name = \"authorization\", value = \"" SECRET "\" z }]\n",
		MODEL "extra_headers = [{ name = \"authorization\", value = [\"" SECRET "\"] }]\n",
		MODEL "extra_headers = \"" SECRET "\"\n",
		"[gateway]\ndebug = \"" SECRET "\"\n",
		"[gateway]\nbind_address = \"" SECRET "\"\n",
		"[gateway]\nbase_path = \"" SECRET "\"\n",
		"[models.m]\nrouting = [\"" SECRET "\"]\n",
		"[ui.users.a]\npassword_hash_location = \"" SECRET "\"\nrole = \"" SECRET "\"\n",
		"[surfaces]\nerror_status = \"" SECRET "\"\n",
		"a = \"\"\"\n" SECRET " = \n\"\"\" x\n",
		"[" SECRET "]\n",
		"[a." SECRET "\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config_options options = { .text = bytes_of(cases[i]), .offline = true };
		struct config_issues issues = { 0 };
		struct config *c = config_load(&options, &issues);

		for (size_t k = 0; k < issues.len; k++)
			if (bytes_find(issues.at[k].text, B("9fQ2")) >= 0 ||
			    bytes_find(issues.at[k].key, B("9fQ2")) >= 0)
				fail_msg("%s\ntells %.*s", cases[i], BFMT(issues.at[k].text));
		assert_true(issues.len > 0 || c);
		config_unref(c);
		config_issues_deinit(&issues);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_line_shows_keys_and_punctuation),
		cmocka_unit_test(test_a_message_shows_no_secret),
		cmocka_unit_test(test_no_error_of_a_configuration_repeats_a_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
