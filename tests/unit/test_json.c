/* base/json.c, json_scan.c, pen.h */
#include "unit.h"

#include "base/error.h"
#include "base/json.h"
#include "base/pen.h"

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 16u << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_deinit(&arena);
	return 0;
}

static yyjson_val *parse(const char *text)
{
	return json_parse(bytes_of(text), &arena);
}

static void assert_text(struct bytes got, const char *want)
{
	assert_non_null(got.p);
	if (got.n != strlen(want) || memcmp(got.p, want, got.n))
		fail_msg("got \"%.*s\", want \"%s\"", BFMT(got), want);
}

/* serde_json's words and places, each checked against serde_json 1.0.149 */
static void test_errors_are_worded_and_placed_as_serde_json_does(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "", "EOF while parsing a value at line 1 column 0" },
		{ "  ", "EOF while parsing a value at line 1 column 2" },
		{ "{", "EOF while parsing an object at line 1 column 1" },
		{ "[", "EOF while parsing a list at line 1 column 1" },
		{ "[1", "EOF while parsing a list at line 1 column 2" },
		{ "[1,", "EOF while parsing a value at line 1 column 3" },
		{ "{\"a\"", "EOF while parsing an object at line 1 column 4" },
		{ "{\"a\":", "EOF while parsing a value at line 1 column 5" },
		{ "{\"a\":1", "EOF while parsing an object at line 1 column 6" },
		{ "{\"a\":1,", "EOF while parsing a value at line 1 column 7" },
		{ "\"abc", "EOF while parsing a string at line 1 column 4" },
		{ "\"abc\\", "EOF while parsing a string at line 1 column 5" },
		{ "\"\\u12", "EOF while parsing a string at line 1 column 5" },
		{ "\"\\ud83d", "EOF while parsing a string at line 1 column 7" },
		{ "nul", "EOF while parsing a value at line 1 column 3" },
		{ "nulx", "expected ident at line 1 column 4" },
		{ "x", "expected value at line 1 column 1" },
		{ "{\"a\":}", "expected value at line 1 column 6" },
		{ "[1 2]", "expected `,` or `]` at line 1 column 4" },
		{ "{\"a\":1 \"b\":2}", "expected `,` or `}` at line 1 column 8" },
		{ "{\"a\" 1}", "expected `:` at line 1 column 6" },
		{ "{a:1}", "key must be a string at line 1 column 2" },
		{ "{\"a\":1,b:2}", "key must be a string at line 1 column 8" },
		{ "{\"a\":1,}", "trailing comma at line 1 column 8" },
		{ "[1,]", "trailing comma at line 1 column 4" },
		{ "{} {}", "trailing characters at line 1 column 4" },
		{ "{}\n\n x", "trailing characters at line 3 column 2" },
		{ "\"\\x\"", "invalid escape at line 1 column 3" },
		{ "\"\\uzzzz\"", "invalid escape at line 1 column 7" },
		{ "\"\\ud83d\"", "unexpected end of hex escape at line 1 column 8" },
		{ "\"\\ud83d\\n\"", "unexpected end of hex escape at line 1 column 9" },
		{ "\"\\ud83d\\u0041\"",
		  "lone leading surrogate in hex escape at line 1 column 13" },
		{ "\"\\ude00\"", "lone leading surrogate in hex escape at line 1 column 7" },
		{ "\"a\nb\"",
		  "control character (\\u0000-\\u001F) found while parsing a string at line 2 column 0" },
		{ "\"a\tb\"",
		  "control character (\\u0000-\\u001F) found while parsing a string at line 1 column 3" },
		{ "\"\xff\"", "invalid unicode code point at line 1 column 3" },
		{ "\"\xed\xa0\x80\"", "invalid unicode code point at line 1 column 5" },
		{ "01", "invalid number at line 1 column 2" },
		{ "-", "EOF while parsing a value at line 1 column 1" },
		{ "-x", "invalid number at line 1 column 2" },
		{ "1.", "EOF while parsing a value at line 1 column 2" },
		{ "1.x", "invalid number at line 1 column 3" },
		{ "1e", "EOF while parsing a value at line 1 column 2" },
		{ "1ex", "invalid number at line 1 column 3" },
		{ "1e999", "number out of range at line 1 column 5" },
		{ "[1e400]", "number out of range at line 1 column 6" },
		{ "\xef\xbb\xbf{}", "expected value at line 1 column 1" },
		{ "'a'", "expected value at line 1 column 1" },
		{ "NaN", "expected value at line 1 column 1" },
		{ "{\"a\":1} // c", "trailing characters at line 1 column 9" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (parse(rows[i].text))
			fail_msg("accepted: %s", rows[i].text);
		assert_int_equal(error_last()->kind, ERR_JSON_REQUEST);
		assert_text(error_last()->message, rows[i].error);
	}
}

/* yyjson asks for as many values as the text could hold: what it did not need serves what comes next. */
static void test_a_parsed_text_holds_no_more_than_its_values(void **state)
{
	char text[1024] = "[\"";
	yyjson_val *root, *next;

	(void)state;
	memset(text + 2, 'x', 1000);
	memcpy(text + 1002, "\",7]", 5);
	root = parse(text);
	assert_non_null(root);
	next = arena_alloc_raw(&arena, 16);
	assert_true((char *)next >= (char *)(root + 3) && (char *)next < (char *)(root + 3) + 16);
	memset(next, 0xff, 16);
	assert_int_equal(1000, json_str(yyjson_arr_get_first(root)).n);
	assert_text(json_raw(yyjson_arr_get_last(root)), "7");
}

static void test_nesting_of_127_is_read_and_of_128_is_refused(void **state)
{
	char text[512];

	(void)state;
	memset(text, '[', 127);
	memset(text + 127, ']', 127);
	assert_non_null(json_parse((struct bytes){ text, 254 }, &arena));
	memset(text, '[', 128);
	memset(text + 128, ']', 128);
	assert_null(json_parse((struct bytes){ text, 256 }, &arena));
	assert_text(error_last()->message, "recursion limit exceeded at line 1 column 128");
	memset(text, '[', sizeof(text));
	assert_null(json_parse((struct bytes){ text, sizeof(text) }, &arena));
	assert_text(error_last()->message, "recursion limit exceeded at line 1 column 128");
}

static void test_nesting_limit_counts_levels_and_not_values(void **state)
{
	struct buf text;

	(void)state;
	buf_init(&text, 1u << 20);
	buf_putc(&text, '[');
	for (int i = 0; i < 1000; i++)
		buf_append(&text, B("{\"a\":[[1],[2]]},"));
	buf_append(&text, B("0]"));
	assert_non_null(json_parse(buf_bytes(&text), &arena));
	buf_deinit(&text);
}

static void test_values_print_as_they_were_written(void **state)
{
	static const char *const rows[] = {
		"{\"a\":0.7,\"b\":1e5,\"c\":-0,\"d\":123456789012345678901234567890,\"e\":1.10}",
		"[[],{},[{}],{\"a\":[]},null,true,false,\"\"]",
		"{\"a\":1,\"a\":2}",
		"\"\\\"\\\\\\n\\u0000/é😀\"",
		"7",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_text(json_print_arena(parse(rows[i]), &arena), rows[i]);
	assert_text(json_print_arena(parse(" { \"a\" : [ 1 , { } ] } "), &arena), "{\"a\":[1,{}]}");
}

static void test_a_part_of_a_document_prints_alone(void **state)
{
	yyjson_val *v = parse("{\"x\":{\"a\":[1,2]},\"y\":3}");

	(void)state;
	assert_text(json_print_arena(json_get(v, "x"), &arena), "{\"a\":[1,2]}");
	assert_text(json_print_arena(json_get(v, "none"), &arena), "null");
	assert_text(json_print_arena(json_get(v, "y"), &arena), "3");
}

static void test_the_last_of_duplicate_keys_counts(void **state)
{
	yyjson_val *v = parse("{\"a\":1,\"b\":2,\"a\":3}");

	(void)state;
	assert_text(json_raw(json_get(v, "a")), "3");
	assert_null(json_get(v, "c"));
	assert_null(json_get(json_get(v, "a"), "b"));
	assert_null(json_get(NULL, "a"));
	assert_null(json_str(json_get(v, "a")).p);
}

static void test_integers_are_read_in_every_spelling(void **state)
{
	static const struct {
		const char *text;
		bool fits;
		uint64_t value;
	} rows[] = {
		{ "0", true, 0 },
		{ "42", true, 42 },
		{ "3.0", true, 3 },
		{ "3.000000000000000000000000", true, 3 },
		{ "0.0", true, 0 },
		{ "1e3", true, 1000 },
		{ "1.5e1", true, 15 },
		{ "0.3E+1", true, 3 },
		{ "1200e-2", true, 12 },
		{ "18446744073709551615", true, UINT64_MAX },
		{ "18446744073709551616", false, 0 },
		{ "1e20", false, 0 },
		{ "0e99", true, 0 },
		{ "1e-1", false, 0 },
		{ "3.5", false, 0 },
		{ "-1", false, 0 },
		{ "\"3\"", false, 0 },
		{ "null", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t value = 0;
		bool fits = json_u64(parse(rows[i].text), &value);

		if (fits != rows[i].fits || value != rows[i].value)
			fail_msg("%s gives %d, %ju", rows[i].text, fits, (uintmax_t)value);
	}
}

/* Half an emoji of an upstream is read, and leaves as U+FFFD. */
static void test_lone_surrogates_of_an_upstream_are_replaced(void **state)
{
	static const struct {
		const char *text, *printed;
	} rows[] = {
		{ "{\"a\":\"x\\ud83d\"}", "{\"a\":\"x\xef\xbf\xbd\"}" },
		{ "{\"a\":\"\\ude00y\"}", "{\"a\":\"\xef\xbf\xbdy\"}" },
		{ "[\"\\ud83d\\ud83d\",\"\\\\ud83d\"]",
		  "[\"\xef\xbf\xbd\xef\xbf\xbd\",\"\\\\ud83d\"]" },
		{ "\"\\ude00\\ud83d\"", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\"\\ud83d\\ud83d\\ude00\"", "\"\xef\xbf\xbd😀\"" },
		{ "\"\\ud83dA\"", "\"\xef\xbf\xbd"
				  "A\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_null(parse(rows[i].text));
		assert_text(json_print_arena(json_parse_lenient(bytes_of(rows[i].text), &arena),
					     &arena),
			    rows[i].printed);
	}
	assert_text(json_str(json_parse_lenient(B("\"\\ud83d\\ude00\""), &arena)), "😀");
	assert_text(json_str(json_parse_lenient(B("\"\\ud83d\\ude00\\ud83d\""), &arena)),
		    "😀\xed\xa0\xbd");
}

/* Both halves, each from an event of its own, meet in the accumulated text. */
static void test_halves_of_a_pair_join_to_their_character(void **state)
{
	struct bytes high = json_str(json_parse_lenient(B("\"\\ud83d\""), &arena));
	struct bytes low = json_str(json_parse_lenient(B("\"\\ude00\""), &arena));
	struct buf out;

	(void)state;
	buf_init(&out, 64);
	assert_int_equal(buf_json_string(&out, arena_cat(&arena, high, low)), 0);
	assert_text(buf_bytes(&out), "\"😀\"");
	buf_reset(&out); /* the first and the last of the planes above */
	assert_int_equal(
		buf_json_string(&out, B("\xed\xa0\x80\xed\xb0\x80\xed\xaf\xbf\xed\xbf\xbf")), 0);
	assert_text(buf_bytes(&out), "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"");
	buf_deinit(&out);
}

static void test_lenient_reading_still_refuses_what_is_broken(void **state)
{
	(void)state;
	assert_null(json_parse_lenient(B("\"\\ud83d"), &arena));
	assert_null(json_parse_lenient(B("\"\\ud83d\xff\""), &arena));
	assert_null(json_parse_lenient(B("\"\\ud83d\" x"), &arena));
	assert_null(json_parse_lenient(B("\"\\x\""), &arena));
	assert_text(error_last()->message, "invalid escape at line 1 column 3");
}

static void test_members_are_found_with_their_spans(void **state)
{
	struct bytes text =
		B(" { \"a\" : 1 ,\"b\":\"x\\\"}\", \"c\":{\"d\":[\"]\",{}]} , \"e\":null}");
	static const struct {
		const char *key, *value;
	} want[] = {
		{ "a", "1" }, { "b", "\"x\\\"}\"" }, { "c", "{\"d\":[\"]\",{}]}" }, { "e", "null" }
	};
	struct json_member m;
	size_t pos = 0;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(json_next_member(text, &pos, &m), 1);
		assert_text(m.key, want[i].key);
		assert_text(m.value, want[i].value);
		assert_int_equal(text.p[m.from], '"');
		assert_ptr_equal(text.p + m.to, m.value.p + m.value.n);
	}
	assert_int_equal(json_next_member(text, &pos, &m), 0);
	pos = 0;
	assert_int_equal(json_next_member(B("{ }"), &pos, &m), 0);
	assert_int_equal(json_next_member(B("[1]"), &pos, &m), -1);
	assert_int_equal(json_next_member(B(""), &pos, &m), -1);
}

static void test_cut_texts_end_the_walk_without_reading_on(void **state)
{
	struct bytes whole = B("{\"key\":{\"a\":\"b\\\"\",\"c\":[1,2,{}]},\"x\":12}");

	(void)state;
	for (size_t n = 0; n < whole.n; n++) {
		struct bytes cut = arena_dup(&arena, bytes_slice(whole, 0, n));
		struct json_member m;
		size_t pos = 0;
		int r;

		while ((r = json_next_member(cut, &pos, &m)) > 0)
			assert_true(pos <= n);
		assert_int_equal(r, -1);
	}
}

static void test_find_member_takes_the_last_and_reads_escapes_in_keys(void **state)
{
	struct bytes text =
		B("{\"model\":\"a\",\"x\":{\"model\":\"b\"},\"m\\u006fdel\":\"c\",\"models\":1}");
	struct json_member m;

	(void)state;
	assert_true(json_find_member(text, B("model"), &m));
	assert_text(m.value, "\"c\"");
	assert_false(json_find_member(text, B("mode"), &m));
	assert_true(json_key_is(B("\\ud83d\\ude00\\n"), B("😀\n")));
	assert_true(json_key_is(B("\\u00e9\\u20ac"), B("é€")));
	assert_false(json_key_is(B("\\u00e9x"), B("é")));
	assert_false(json_key_is(B("\\"), B("")));
}

static void test_strings_longer_than_a_vector_are_passed_whole(void **state)
{
	struct buf text;
	struct json_member m;

	(void)state;
	for (size_t n = 0; n < 70; n++) {
		buf_init(&text, 4096);
		buf_append(&text, B("{\"s\":\""));
		for (size_t i = 0; i < n; i++)
			buf_putc(&text, (char)('a' + i % 26));
		buf_append(&text, B("\\\"}\",\"t\":[\"{\"]}"));
		assert_true(json_find_member(buf_bytes(&text), B("t"), &m));
		assert_text(m.value, "[\"{\"]");
		assert_true(json_find_member(buf_bytes(&text), B("s"), &m));
		assert_int_equal(m.value.n, n + 5);
		buf_deinit(&text);
	}
}

static void test_compact_removes_blanks_outside_of_strings_only(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_int_equal(
		json_compact(B(" {\n\t\"a b\" : [ 1 , \" \\\" x \" ] ,\r\n \"c\":1.50 } "), &out),
		0);
	assert_text(buf_bytes(&out), "{\"a b\":[1,\" \\\" x \"],\"c\":1.50}");
	buf_deinit(&out);
}

static void test_escapes_are_found_at_every_offset(void **state)
{
	static const struct {
		const char *raw, *escaped;
	} rows[] = { { "\"", "\\\"" },
		     { "\\", "\\\\" },
		     { "\n", "\\n" },
		     { "\x01", "\\u0001" },
		     { "\x1f", "\\u001f" },
		     { " ", " " },
		     { "\x7f", "\x7f" },
		     { "\xed\x9f\xbf", "\xed\x9f\xbf" },
		     { "\xed\xa0\xbd", "\xef\xbf\xbd" },
		     { "\xed\xa0\xbd\xed\xb8\x80", "😀" },
		     { "\xff", "\xff" } };
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t at = 0; at < 40; at++) {
			const char *x = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop";
			struct bytes before = { x, at }, after = { x + at, 40 - at };

			buf_reset(&out);
			buf_json_string(&out, arena_printf(&arena, "%.*s%s%.*s", BFMT(before),
							   rows[i].raw, BFMT(after)));
			assert_text(buf_bytes(&out),
				    arena_printf(&arena, "\"%.*s%s%.*s\"", BFMT(before),
						 rows[i].escaped, BFMT(after))
					    .p);
		}
	}
	buf_deinit(&out);
}

static void test_a_document_too_large_for_its_arena_is_a_named_error(void **state)
{
	struct arena small;
	struct buf text;

	(void)state;
	arena_init(&small, 4096);
	buf_init(&text, 1u << 16);
	buf_putc(&text, '[');
	for (int i = 0; i < 5000; i++)
		buf_append(&text, B("0,"));
	buf_append(&text, B("0]"));
	assert_null(json_parse(buf_bytes(&text), &small));
	assert_int_equal(error_last()->kind, ERR_TOO_LARGE);
	buf_deinit(&text);
	arena_deinit(&small);
}

static void test_broken_json_has_a_path(void **state)
{
	struct bytes path = { 0 };
	struct arena a;
	struct buf body;

	(void)state;
	arena_init(&a, 1u << 20);
	assert_null(json_parse_path(B("{\"messages\":[1,{\"content\":\"\n"), &a, &path));
	assert_text(path, "messages[1].content");
	assert_null(json_parse_path(B("{} x"), &a, &path));
	assert_text(path, "");
	buf_init(&body, 1u << 20);
	buf_append(&body, B("{\""));
	for (int i = 0; i < 50000; i++)
		buf_append(&body, B("\xc3\xa9"));
	buf_append(&body, B("\":x"));
	assert_null(json_parse_path(buf_bytes(&body), &a, &path));
	assert_int_equal(path.n, 65536); /* a client's key is not printed without end */
	assert_null(json_parse_path(bytes_slice(buf_bytes(&body), 0, 3), &a, &path));
	buf_deinit(&body);
	arena_deinit(&a);
	error_clear();
}

static void test_elements_are_found_with_their_spans(void **state)
{
	static const char *const want[] = { "1", "\"a,]\"", "[2, {}]", "{\"b\":[]}", "null" };
	struct bytes text = B(" [ 1 ,\"a,]\",[2, {}] ,{\"b\":[]},\nnull ] "), element;
	size_t pos = 0;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(json_next_element(text, &pos, &element), 1);
		assert_text(element, want[i]);
	}
	assert_int_equal(json_next_element(text, &pos, &element), 0);
	pos = 0;
	assert_int_equal(json_next_element(B("[ ]"), &pos, &element), 0);
	assert_int_equal(json_next_element(B("{}"), &pos, &element), -1);
	assert_int_equal(json_next_element(B("[,1]"), &pos, &element), -1);
	for (size_t n = 0; n < text.n - 2; n++) { /* cut anywhere it ends, and not as if whole */
		int r;

		pos = 0;
		while ((r = json_next_element(bytes_slice(text, 0, n), &pos, &element)) > 0)
			assert_true(pos <= n);
		assert_int_equal(r, -1);
	}
	error_clear();
}

static void test_strings_are_unescaped(void **state)
{
	static const struct {
		const char *inner, *want;
	} rows[] = {
		{ "plain", "plain" },
		{ "a\\u0062\\n\\\"\\\\\\/", "ab\n\"\\/" },
		{ "\\b\\f\\r\\t", "\b\f\r\t" },
		{ "\\u00e9\\u20AC", "\xc3\xa9\xe2\x82\xac" },
		{ "\\ud83d\\ude00!", "\xf0\x9f\x98\x80!" },
		{ "\\ud83dx", "\xed\xa0\xbdx" },
		{ "\\ude00\\ud83d", "\xed\xb8\x80\xed\xa0\xbd" },
		{ "\\x\\u12\\", "\\x\\u12\\" },
	};
	struct buf scratch;
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = json_unescape(bytes_of(rows[i].inner), out);

		assert_text(((struct bytes){ out, n }), rows[i].want);
	}
	buf_init(&scratch, 64);
	assert_text(json_span_string(B("\"a\\u0062\""), &scratch), "ab");
	assert_text(json_span_string(B("\"\""), &scratch), "");
	assert_false(bytes_set(json_span_string(B("\""), &scratch)));
	assert_false(bytes_set(json_span_string(B("[1]"), &scratch)));
	buf_deinit(&scratch);
}

static void test_a_string_as_it_stands_in_the_text(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "\"\"", "" },
		{ "\"plain\"", "plain" },
		{ "\"\\n\"", "\n" },
		{ "\"a\\\"\"", "a\"" },
		{ "\"\\u00e9t\\u00e9\"", "\xc3\xa9t\xc3\xa9" },
	};
	struct buf room;

	(void)state;
	buf_init(&room, 1 << 10);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct bytes got = json_span_string(bytes_of(cases[i].text), &room);

		assert_true(bytes_eq(got, bytes_of(cases[i].want)));
	}
	assert_null(json_span_string(B("1"), &room).p);
	assert_null(json_span_string(B("\""), &room).p);
	assert_null(json_span_string(B("null"), &room).p);
	buf_deinit(&room);
}

static void test_a_pen_knows_whether_a_comma_is_due(void **state)
{
	struct bytes unset = { 0 };
	struct buf b;
	struct pen p = { .b = &b };

	(void)state;
	buf_init(&b, 256);
	pen_open(&p, '{');
	pen_set(&p, "none", unset);
	pen_set(&p, "name", B("x\n"));
	pen_key(&p, "list");
	pen_open(&p, '[');
	for (uint64_t i = 0; i < 2; i++) {
		pen_item(&p);
		pen_u64(&p, i);
	}
	pen_item(&p);
	pen_open(&p, '{');
	pen_close(&p, '}');
	pen_item(&p);
	pen_open(&p, '[');
	pen_close(&p, ']');
	pen_close(&p, ']');
	pen_key(&p, "last");
	pen_lit(&p, "null");
	pen_close(&p, '}');
	assert_int_equal(pen_done(&p), 0);
	assert_text(buf_bytes(&b), "{\"name\":\"x\\n\",\"list\":[0,1,{},[]],\"last\":null}");
	buf_deinit(&b);
	buf_init(&b, 4);
	p = (struct pen){ .b = &b };
	pen_open(&p, '[');
	pen_lit(&p, "12345");
	pen_close(&p, ']');
	assert_int_equal(pen_done(&p), -1);
	buf_deinit(&b);
	error_clear();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_parsed_text_holds_no_more_than_its_values),
		cmocka_unit_test(test_errors_are_worded_and_placed_as_serde_json_does),
		cmocka_unit_test(test_nesting_of_127_is_read_and_of_128_is_refused),
		cmocka_unit_test(test_nesting_limit_counts_levels_and_not_values),
		cmocka_unit_test(test_values_print_as_they_were_written),
		cmocka_unit_test(test_a_part_of_a_document_prints_alone),
		cmocka_unit_test(test_the_last_of_duplicate_keys_counts),
		cmocka_unit_test(test_integers_are_read_in_every_spelling),
		cmocka_unit_test(test_lone_surrogates_of_an_upstream_are_replaced),
		cmocka_unit_test(test_halves_of_a_pair_join_to_their_character),
		cmocka_unit_test(test_lenient_reading_still_refuses_what_is_broken),
		cmocka_unit_test(test_members_are_found_with_their_spans),
		cmocka_unit_test(test_cut_texts_end_the_walk_without_reading_on),
		cmocka_unit_test(test_find_member_takes_the_last_and_reads_escapes_in_keys),
		cmocka_unit_test(test_strings_longer_than_a_vector_are_passed_whole),
		cmocka_unit_test(test_compact_removes_blanks_outside_of_strings_only),
		cmocka_unit_test(test_escapes_are_found_at_every_offset),
		cmocka_unit_test(test_broken_json_has_a_path),
		cmocka_unit_test(test_elements_are_found_with_their_spans),
		cmocka_unit_test(test_strings_are_unescaped),
		cmocka_unit_test(test_a_string_as_it_stands_in_the_text),
		cmocka_unit_test(test_a_pen_knows_whether_a_comma_is_due),
		cmocka_unit_test(test_a_document_too_large_for_its_arena_is_a_named_error),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
