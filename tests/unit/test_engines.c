/* The Rust engines through their C header: TOML with spans, BLAKE3, JSON Schema. */
#include <engines.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct engine_toml *parse(const char *text)
{
	struct engine_text error = { 0 };
	struct engine_toml *doc = engine_toml_parse(text, strlen(text), &error);

	assert_non_null(doc);
	assert_null(error.p);
	return doc;
}

/* Node `i`'s value text, its source text, or its key's, compared with what is expected. */
static void assert_text(const char *p, size_t n, const char *want)
{
	assert_non_null(p);
	assert_int_equal(n, strlen(want));
	assert_memory_equal(p, want, n);
}

static const struct engine_toml_node *find(struct engine_toml *doc, uint32_t table, const char *key)
{
	size_t n;
	const struct engine_toml_node *nodes = engine_toml_nodes(doc, &n);

	for (uint32_t i = nodes[table].child; i; i = nodes[i].next) {
		if (nodes[i].key_n == strlen(key) && memcmp(nodes[i].key, key, nodes[i].key_n) == 0)
			return &nodes[i];
	}
	fail_msg("no key %s", key);
	return NULL;
}

static void test_toml_gives_types_texts_and_spans(void **state)
{
	const char *text =
		"s = \"a\\nb\"\n[\"t.x\"]\ni = 0x1F # c\nf = 1_0.50\nb = true\nd = 1979-05-27\n"
		"a = [1, 'x']\nn = -7\n";
	struct engine_toml *doc = parse(text);
	const struct engine_toml_node *nodes, *s, *t, *v;
	size_t n;

	(void)state;
	nodes = engine_toml_nodes(doc, &n);
	s = find(doc, 0, "s");
	assert_int_equal(s->type, ENGINE_TOML_STRING);
	assert_text(s->text, s->text_n, "a\nb");
	assert_text(text + s->from, s->to - s->from, "\"a\\nb\"");
	assert_text(text + s->key_from, s->key_to - s->key_from, "s");
	t = find(doc, 0, "t.x");
	assert_int_equal(t->type, ENGINE_TOML_TABLE);
	assert_text(text + t->key_from, t->key_to - t->key_from, "\"t.x\"");
	v = find(doc, (uint32_t)(t - nodes), "i");
	assert_int_equal(v->type, ENGINE_TOML_INTEGER);
	assert_text(v->text, v->text_n, "31");
	v = find(doc, (uint32_t)(t - nodes), "f");
	assert_int_equal(v->type, ENGINE_TOML_FLOAT);
	assert_text(v->text, v->text_n, "10.50");
	v = find(doc, (uint32_t)(t - nodes), "b");
	assert_int_equal(v->type, ENGINE_TOML_BOOL);
	assert_text(v->text, v->text_n, "true");
	v = find(doc, (uint32_t)(t - nodes), "d");
	assert_int_equal(v->type, ENGINE_TOML_DATETIME);
	assert_text(v->text, v->text_n, "1979-05-27");
	v = find(doc, (uint32_t)(t - nodes), "n");
	assert_text(v->text, v->text_n, "-7");
	v = find(doc, (uint32_t)(t - nodes), "a");
	assert_int_equal(v->type, ENGINE_TOML_ARRAY);
	assert_null(v->text);
	assert_text(nodes[v->child].text, nodes[v->child].text_n, "1");
	assert_null(nodes[v->child].key);
	v = &nodes[nodes[v->child].next];
	assert_text(v->text, v->text_n, "x");
	assert_int_equal(v->next, 0);
	engine_toml_free(doc);
}

static void test_toml_reports_every_syntax_error_with_its_place(void **state)
{
	struct engine_toml *doc = parse("ä = 1\n[gateway\n\nx = 'ü' y\n");
	const struct engine_toml_error *errors;
	size_t n;

	(void)state;
	errors = engine_toml_errors(doc, &n);
	assert_true(n >= 2);
	assert_int_equal(errors[0].line, 1);
	assert_int_equal(errors[0].column, 1);
	assert_int_equal(errors[1].line, 2);
	assert_int_equal(errors[1].column, 9);
	assert_text(errors[1].message, errors[1].message_n, "unclosed table, expected `]`");
	engine_toml_free(doc);
}

static void test_toml_names_a_duplicate_key(void **state)
{
	struct engine_toml *doc = parse("a = 1\na = 2\n");
	const struct engine_toml_error *errors;
	size_t n;

	(void)state;
	errors = engine_toml_errors(doc, &n);
	assert_int_equal(n, 1);
	assert_int_equal(errors[0].line, 2);
	assert_text(errors[0].message, errors[0].message_n, "duplicate key");
	engine_toml_free(doc);
}

static void test_toml_refuses_bytes_that_are_no_utf8(void **state)
{
	struct engine_toml *doc = parse("a = 1\nb = \"\xff\"\n");
	const struct engine_toml_error *errors;
	size_t n;

	(void)state;
	errors = engine_toml_errors(doc, &n);
	assert_int_equal(n, 1);
	assert_int_equal(errors[0].line, 2);
	assert_text(errors[0].message, errors[0].message_n, "stream did not contain valid UTF-8");
	engine_toml_free(doc);
}

/* A key of 200,000 parts: neither parser nor destructor may recurse into it. */
static void test_toml_survives_deep_nesting(void **state)
{
	size_t parts = 200000;
	char *text = malloc(2 * parts + 4);
	const struct engine_toml_error *errors;
	struct engine_toml *doc;
	size_t n;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < parts; i++) {
		text[2 * i] = 'a';
		text[2 * i + 1] = '.';
	}
	memcpy(text + 2 * parts, "a=1", 4);
	doc = parse(text);
	errors = engine_toml_errors(doc, &n);
	assert_int_equal(n, 1);
	assert_text(errors[0].message, errors[0].message_n, "recursion limit");
	engine_toml_free(doc);
	memset(text, '[', 2 * parts);
	memcpy(text, "a=", 2);
	doc = parse(text);
	engine_toml_errors(doc, &n);
	assert_true(n > 0);
	engine_toml_free(doc);
	free(text);
}

static void test_blake3_of_abc(void **state)
{
	static const uint8_t want[4] = { 0x64, 0x37, 0xb3, 0xac };
	uint8_t out[32];

	(void)state;
	engine_blake3("abc", 3, out);
	assert_memory_equal(out, want, 4);
	engine_blake3(NULL, 0, out);
	assert_int_equal(out[0], 0xaf);
}

static struct engine_schema *compile(const char *schema, struct engine_text *error)
{
	return engine_schema_compile(schema, strlen(schema), error);
}

static void test_schema_accepts_and_refuses(void **state)
{
	struct engine_text error = { 0 };
	struct engine_schema *s = compile(
		"{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"type\":\"integer\"}}}",
		&error);

	(void)state;
	assert_non_null(s);
	assert_int_equal(engine_schema_validate(s, "{\"a\":1}", 7, &error), 0);
	assert_null(error.p);
	assert_int_equal(engine_schema_validate(s, "{\"a\":\"x\"}", 9, &error), -1);
	assert_text(error.p, error.n, "\"x\" is not of type \"integer\" at /a");
	engine_text_free(&error);
	assert_null(error.p);
	assert_int_equal(engine_schema_validate(s, "{}", 2, &error), -1);
	assert_text(error.p, error.n, "\"a\" is a required property");
	engine_text_free(&error);
	assert_int_equal(engine_schema_validate(s, "{", 1, &error), -1);
	assert_memory_equal(error.p, "invalid JSON: ", 14);
	engine_text_free(&error);
	assert_int_equal(engine_schema_validate(s, "{}", 2, NULL), -1);
	engine_schema_free(s);
}

static void test_schema_follows_no_reference_outside(void **state)
{
	static const char *const remote[] = { "{\"$ref\":\"http://127.0.0.1:1/s.json\"}",
					      "{\"$ref\":\"file:///etc/hostname\"}" };
	struct engine_text error = { 0 };
	struct engine_schema *s;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_null(compile(remote[i], &error));
		assert_non_null(memmem(error.p, error.n, "not followed", 12));
		engine_text_free(&error);
	}
	s = compile("{\"$ref\":\"#/$defs/x\",\"$defs\":{\"x\":{\"type\":\"string\"}}}", &error);
	assert_non_null(s);
	assert_int_equal(engine_schema_validate(s, "\"y\"", 3, NULL), 0);
	engine_schema_free(s);
	assert_null(compile("{\"type\":3}", &error));
	assert_non_null(error.p);
	engine_text_free(&error);
	engine_schema_free(NULL);
	engine_toml_free(NULL);
	engine_text_free(NULL);
}

static void json_is(const char *json, const char *path, const char *words)
{
	struct engine_text where = { 0 }, error = { 0 };

	assert_int_equal(engine_json_check(json, strlen(json), &where, &error), -1);
	assert_text(where.p, where.n, path);
	assert_text(error.p, error.n, words);
	engine_text_free(&where);
	engine_text_free(&error);
}

static void test_json_errors_have_words_and_a_path(void **state)
{
	struct engine_text where = { 0 }, error = { 0 };
	char deep[201];

	(void)state;
	json_is("{\"a\":[1,{\"b\":x}]}", "a[1].b", "expected value at line 1 column 14");
	json_is("{\n\"a\":\n tru}", "a", "expected ident at line 3 column 5");
	json_is("{\"a\":{\"b\":1,}}", "a.?", "trailing comma at line 1 column 13");
	json_is("{\"a\": 1} x", "", "trailing characters at line 1 column 10");
	json_is("x", "", "expected value at line 1 column 1");
	json_is("", "", "EOF while parsing a value at line 1 column 0");
	json_is("[1e999]", "[0]", "number out of range at line 1 column 6");
	assert_int_equal(engine_json_check("[1]", 3, &where, &error), 0);
	assert_null(where.p);
	assert_null(error.p);
	memset(deep, '[', sizeof deep - 1);
	deep[sizeof deep - 1] = '\0';
	assert_int_equal(engine_json_check(deep, strlen(deep), &where, NULL), -1);
	assert_int_equal(where.n, 127 * 3);
	engine_text_free(&where);
}

static void test_urls_have_parts(void **state)
{
	struct engine_text error = { 0 };
	struct engine_url u = { 0 };
	const char *url = "HTTPS://me:pw@B\xc3\xbc"
			  "cher.example:443/a/../b c?q#f";

	(void)state;
	assert_int_equal(engine_url_parse(url, strlen(url), &u, &error), 0);
	assert_null(error.p);
	assert_text(u.text.p, u.text.n, "https://me:pw@xn--bcher-kva.example/b%20c?q#f");
	assert_text(u.text.p, u.scheme_end, "https");
	assert_text(u.text.p + u.user, u.host - u.user, "me:pw@");
	assert_text(u.text.p + u.host, u.host_end - u.host, "xn--bcher-kva.example");
	assert_text(u.text.p + u.path, u.path_end - u.path, "/b%20c");
	assert_text(u.text.p + u.path_end, u.query_end - u.path_end, "?q");
	engine_text_free(&u.text);
	assert_int_equal(engine_url_parse("http://a:x/", 11, &u, &error), -1);
	assert_text(error.p, error.n, "invalid port number");
	engine_text_free(&error);
	assert_int_equal(engine_url_parse("\xff", 1, &u, NULL), -1);
}

static void test_globs_refuse_what_is_no_text(void **state)
{
	struct engine_text error = { 0 };

	(void)state;
	assert_null(engine_glob_compile("\xff", 1, &error));
	assert_text(error.p, error.n, "it is not UTF-8");
	engine_text_free(&error);
	engine_glob_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_toml_gives_types_texts_and_spans),
		cmocka_unit_test(test_toml_reports_every_syntax_error_with_its_place),
		cmocka_unit_test(test_toml_names_a_duplicate_key),
		cmocka_unit_test(test_toml_refuses_bytes_that_are_no_utf8),
		cmocka_unit_test(test_toml_survives_deep_nesting),
		cmocka_unit_test(test_blake3_of_abc),
		cmocka_unit_test(test_schema_accepts_and_refuses),
		cmocka_unit_test(test_schema_follows_no_reference_outside),
		cmocka_unit_test(test_json_errors_have_words_and_a_path),
		cmocka_unit_test(test_urls_have_parts),
		cmocka_unit_test(test_globs_refuse_what_is_no_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
