/* wire/gemini/: schemas, parts and their signatures, answers (providers-others §9, §13 G10-G14) */
#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

#include "base/error.h"
#include "base/json.h"
#include "wire/gemini/gemini.h"
#include "wire/google_error.h"
#include "wire/openai_chat/openai_chat.h"

#define NODE \
	"{\"type\":\"object\",\"properties\":{\"next\":{\"$ref\":\"#/$defs/node\"},\"v\":{\"type\":\"string\"}}}"

/* ---- schemas ---- */

static const struct {
	const char *schema, *want;
} schemas[] = {
	/* providers-others §13 G10 */
	{ "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"additionalProperties\":{\"type\":\"string\"}}}",
	  "{\"type\":\"object\",\"properties\":{\"additionalProperties\":{\"type\":\"string\"}}}" },
	/* providers-others §13 G11 */
	{ "{\"type\":[\"string\",\"null\"]}", "{\"type\":\"string\",\"nullable\":true}" },
	/* providers-others §13 G12 */
	{ "{\"$ref\":\"#/$defs/node\",\"$defs\":{\"node\":" NODE "}}",
	  "{\"type\":\"object\",\"properties\":{\"next\":{\"type\":\"object\"},\"v\":{\"type\":\"string\"}}}" },
	{ "{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"}}}",
	  "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\"}}}}}" },
	{ "{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/$defs/x~1y\"},\"b\":{\"$ref\":\"#/$defs/x~1y\"}},\"$defs\":{\"x/y\":{\"type\":\"integer\"}}}",
	  "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"integer\"}}}" },
	{ "{\"properties\":{\"a\":{\"$ref\":\"http://x/y\",\"description\":\"d\"}}}",
	  "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\",\"description\":\"d\"}}}" },
	/* providers-others §13 G13 */
	{ "{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"number\"}}",
	  "{\"type\":\"array\",\"items\":{\"type\":\"number\"},\"nullable\":true}" },
	{ "{\"type\":\"array\"}", "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}" },
	{ "{\"type\":[\"string\",\"array\"],\"description\":\"d\",\"items\":{\"type\":\"number\"}}",
	  "{\"description\":\"d\",\"anyOf\":[{\"type\":\"string\",\"description\":\"d\"},{\"type\":\"array\",\"description\":\"d\",\"items\":{\"type\":\"number\"}}]}" },
	/* providers-others §13 G14 */
	{ "{\"const\":\"a\"}", "{\"type\":\"string\",\"enum\":[\"a\"]}" },
	{ "{\"type\":\"integer\",\"enum\":[1,2]}", "{\"type\":\"integer\"}" },
	{ "{\"type\":\"object\",\"propertyNames\":{\"pattern\":\"x\"},\"patternProperties\":{},\"properties\":{\"a\":{\"type\":\"number\",\"exclusiveMinimum\":1,\"minimum\":0}}}",
	  "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"number\",\"minimum\":0}}}" },
	{ "{\"enum\":[\"a\",null,\"b\"]}", "{\"type\":\"string\",\"enum\":[\"a\",\"b\"]}" },
	/* the rest of §9.5 */
	{ "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}],\"description\":\"d\"}",
	  "{\"description\":\"d\",\"type\":\"string\",\"nullable\":true}" },
	{ "{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"integer\"},{\"type\":\"null\"}]}",
	  "{\"nullable\":true,\"anyOf\":[{\"type\":\"string\"},{\"type\":\"integer\"}]}" },
	{ "{\"allOf\":[{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},\"required\":[\"a\"]},{\"properties\":{\"b\":{\"type\":\"boolean\"}},\"required\":[\"b\",\"c\"]}]}",
	  "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{\"type\":\"boolean\"}},\"required\":[\"a\",\"b\"]}" },
	{ "{\"$schema\":\"x\",\"title\":\"t\",\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"number\",\"default\":1.50,\"maximum\":12345678901234567890}},\"required\":[]}",
	  "{\"title\":\"t\",\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"number\",\"default\":1.50,\"maximum\":12345678901234567890}}}" },
	{ "{\"type\":\"object\",\"properties\":{\"any\":true,\"x\":{}}}",
	  "{\"type\":\"object\",\"properties\":{\"any\":{\"type\":\"string\"},\"x\":{\"type\":\"string\"}}}" },
	{ "{\"type\":\"object\",\"properties\":{}}", "{\"type\":\"object\",\"properties\":{}}" },
	{ "7", "{\"type\":\"object\"}" },
	{ "{", "{\"type\":\"object\"}" },
};

static void test_schemas(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(schemas); i++) {
		struct buf out;

		buf_init(&out, 1 << 20);
		assert_int_equal(gemini_schema(bytes_of(schemas[i].schema), &out), 0);
		assert_bytes(buf_bytes(&out), schemas[i].want);
		buf_deinit(&out);
	}
	error_clear();
}

/* Ten definitions of ten references each, ten deep: 10^10 nodes if they were written out. */
static void test_a_schema_that_grows_without_end(void **state)
{
	struct buf in, out;

	(void)state;
	buf_init(&in, 1 << 20);
	buf_init(&out, 4 << 20);
	buf_append(&in, B("{\"$ref\":\"#/$defs/d0\",\"$defs\":{\"d10\":{\"type\":\"string\"}"));
	for (int i = 0; i < 10; i++) {
		buf_printf(&in, ",\"d%d\":{\"type\":\"object\",\"properties\":{\"p\":{}", i);
		for (int j = 0; j < 10; j++)
			buf_printf(&in, ",\"p%d\":{\"$ref\":\"#/$defs/d%d\"}", j, i + 1);
		buf_append(&in, B("}}"));
	}
	buf_append(&in, B("}}"));
	assert_int_equal(gemini_schema(buf_bytes(&in), &out), 0);
	assert_true(out.len > 1000 && out.len < GEMINI_SCHEMA_NODES * 64);
	buf_deinit(&in);
	buf_deinit(&out);
}

static void test_a_schema_that_is_deep(void **state)
{
	struct buf in, out;

	(void)state;
	buf_init(&in, 1 << 20);
	buf_init(&out, 1 << 20);
	for (int i = 0; i < 100; i++)
		buf_append(&in, B("{\"type\":\"array\",\"items\":"));
	buf_append(&in, B("{}"));
	for (int i = 0; i < 100; i++)
		buf_append(&in, B("}"));
	assert_int_equal(gemini_schema(buf_bytes(&in), &out), 0);
	assert_true(bytes_find(buf_bytes(&out), B("{\"type\":\"object\"}")) > 0);
	buf_deinit(&in);
	buf_deinit(&out);
}

/* ---- requests ---- */

static struct dialect dialect = {
	.type = B("google_ai_studio_gemini"),
	.label = B("Google AI Studio Gemini"),
	.model = B("gemini-3-pro"),
};

static void assert_contents(struct block *blocks, size_t n, const char *want)
{
	struct block hello = { .type = BLOCK_TEXT, .text = B("x") };
	struct message m[] = { { .role = ROLE_USER, .content = &hello, .len = 1 },
			       { .role = ROLE_ASSISTANT, .content = blocks, .len = n } };
	struct inference inf = { .messages = m, .nmessages = 2, .options = &openai_chat_options };
	struct bytes body;
	char whole[4096];
	struct buf out;

	buf_init(&out, 1 << 20);
	assert_int_equal(wire_gemini.write_request(&inf, &dialect, &out, NULL), 0);
	body = buf_bytes(&out);
	snprintf(
		whole, sizeof whole,
		"{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"x\"}]},{\"role\":\"model\",\"parts\":[%s]}],\"generationConfig\":{}}",
		want);
	assert_bytes(body, whole);
	buf_deinit(&out);
}

#define SEAL(s)                                          \
	{                                                \
		.type = BLOCK_THOUGHT, .signature = B(s) \
	}
#define CALL(name_)                                                                                \
	{                                                                                          \
		.type = BLOCK_TOOL_CALL, .id = B("call_1"), .name = B(name_), .arguments = B("{}") \
	}

/* providers-others §13 G1, G3: a signature goes onto the part behind it, or is one itself */
static void test_signatures(void **state)
{
	struct block before_text[] = { SEAL("s"), { .type = BLOCK_TEXT, .text = B("a") } };
	struct block before_empty[] = { SEAL("s"), { .type = BLOCK_TEXT, .text = B("") } };
	struct block last[] = { { .type = BLOCK_TEXT, .text = B("a") }, SEAL("s") };
	struct block two[] = { SEAL("s"), SEAL("t"), CALL("f"), CALL("g") };
	struct block thought[] = { SEAL("s"), { .type = BLOCK_THOUGHT, .text = B("hm") } };
	struct block both[] = { SEAL("s"),
				{ .type = BLOCK_THOUGHT, .text = B("hm"), .signature = B("t") } };
	struct block nothing[] = { { .type = BLOCK_THOUGHT },
				   { .type = BLOCK_TEXT, .text = B("a") } };
	struct block unknown[] = { SEAL("s"), { .type = BLOCK_UNKNOWN, .text = B("{\"a\":1}") } };
	struct block own[] = { SEAL("s"),
			       { .type = BLOCK_UNKNOWN,
				 .text = B("{\"a\":1,\"thoughtSignature\":\"s\"}") } };
	struct block empty[] = { SEAL("s"), { .type = BLOCK_UNKNOWN, .text = B("{}") } };
	struct block none[] = { CALL("f"), CALL("g") };

	(void)state;
	assert_contents(before_text, 2, "{\"thoughtSignature\":\"s\",\"text\":\"a\"}");
	assert_contents(before_empty, 2, "{\"thoughtSignature\":\"s\",\"text\":\"\"}");
	assert_contents(last, 2, "{\"text\":\"a\"},{\"thoughtSignature\":\"s\",\"text\":\"\"}");
	assert_contents(
		two, 4,
		"{\"thoughtSignature\":\"s\",\"text\":\"\"},{\"thoughtSignature\":\"t\",\"function_call\":{\"name\":\"f\",\"args\":{}}},{\"function_call\":{\"name\":\"g\",\"args\":{}}}");
	assert_contents(thought, 2,
			"{\"thought\":true,\"thoughtSignature\":\"s\",\"text\":\"hm\"}");
	assert_contents(
		both, 2,
		"{\"thoughtSignature\":\"s\",\"text\":\"\"},{\"thought\":true,\"thoughtSignature\":\"t\",\"text\":\"hm\"}");
	assert_contents(nothing, 2, "{\"text\":\"a\"}");
	assert_contents(unknown, 2, "{\"thoughtSignature\":\"s\",\"a\":1}");
	assert_contents(own, 2, "{\"a\":1,\"thoughtSignature\":\"s\"}");
	assert_contents(empty, 2, "{\"thoughtSignature\":\"s\"}");
	assert_contents(
		none, 2,
		"{\"thoughtSignature\":\"skip_thought_signature_validator\",\"function_call\":{\"name\":\"f\",\"args\":{}}},{\"function_call\":{\"name\":\"g\",\"args\":{}}}");
}

static void test_no_messages(void **state)
{
	struct inference inf = { .options = &openai_chat_options };
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 10);
	assert_int_equal(wire_gemini.write_request(&inf, &dialect, &out, NULL), -1);
	assert_bytes(error_last()->message,
		     "Google AI Studio Gemini requires at least one message");
	buf_deinit(&out);
}

/* ---- errors ---- */

static void test_errors(void **state)
{
	static const struct {
		struct bytes body;
		const char *code, *message;
		int64_t wait;
	} cases[] = {
		{ B("{\"error\":{\"code\":429,\"message\":\"m\",\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"retryDelay\":\"7s\"}]}}"),
		  "RESOURCE_EXHAUSTED", "m", 7000 },
		{ B("[{\"error\":{\"message\":\"m\",\"status\":\"INVALID_ARGUMENT\",\"details\":[{\"reason\":\"API_KEY_INVALID\"},{\"retryDelay\":\"0.25s\"}]}}]"),
		  "API_KEY_INVALID", "m", 250 },
		{ B("{\"error\":{\"message\":\"m\",\"status\":\"X\",\"details\":[{\"reason\":\"OTHER\",\"retryDelay\":\"soon\"}]}}"),
		  "X", "m", -1 },
		{ B("<html>"), NULL, "<html>", -1 },
		{ B("{"), NULL, "{", -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct error e = { .retry_after_ms = -1 };
		struct arena a;

		arena_init(&a, 1 << 20);
		google_read_error(&e, cases[i].body, &a);
		if (cases[i].code)
			assert_bytes(e.upstream_code, cases[i].code);
		else
			assert_false(bytes_set(e.upstream_code));
		assert_bytes(e.upstream_message, cases[i].message);
		assert_int_equal(e.retry_after_ms, cases[i].wait);
		arena_deinit(&a);
	}
	error_clear();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schemas),
		cmocka_unit_test(test_a_schema_that_grows_without_end),
		cmocka_unit_test(test_a_schema_that_is_deep),
		cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_no_messages),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
