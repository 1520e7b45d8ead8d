/* The small tools of the wires: edits of JSON texts in place, paths of errors, URLs, base64, media types. */
#include "unit.h"

#include "wire/json_edit.h"
#include "wire/media.h"

static void same(struct bytes got, struct bytes want)
{
	if (!bytes_eq(got, want))
		fail_msg("want %.*s, got %.*s", BFMT(want), BFMT(got));
}

/* Drops members named "drop", writes 1 for those named "set", renames "old" to "new", adds "end". */
static void edit_is(struct bytes text, struct bytes want)
{
	struct buf out;
	struct pen p = { .b = &out };
	struct json_member m;
	struct json_edit e;

	buf_init(&out, 4096);
	edit_begin(&e, text, &p);
	while (edit_next(&e, &m) > 0) {
		if (json_key_is(m.key, B("set"))) {
			edit_value(&e, &m);
			pen_lit(&p, "1");
		} else if (json_key_is(m.key, B("old"))) {
			edit_renamed(&e, &m, B("new"));
			pen_bytes(&p, m.value);
		} else if (!json_key_is(m.key, B("drop"))) {
			edit_keep(&e, &m);
		}
	}
	edit_add(&e, B("\"end\":"));
	pen_lit(&p, "0");
	edit_end(&e);
	assert_false(p.failed);
	same(buf_bytes(&out), want);
	buf_deinit(&out);
}

static void test_edits_leave_the_rest_alone(void **state)
{
	(void)state;
	edit_is(B("{}"), B("{\"end\":0}"));
	edit_is(B("{ }"), B("{\"end\":0 }"));
	edit_is(B("{\"a\":1}"), B("{\"a\":1,\"end\":0}"));
	edit_is(B("{ \"a\" : [1, {\"b\":\",}\"}] , \"set\":\"x\" }"),
		B("{ \"a\" : [1, {\"b\":\",}\"}],  \"set\":1,\"end\":0 }"));
	edit_is(B("{\"drop\":1,\"a\":2}"), B("{\"a\":2,\"end\":0}"));
	edit_is(B("{\"a\":2, \"drop\":{\"x\":[]}}"), B("{\"a\":2,\"end\":0}"));
	edit_is(B("{\"drop\":1,\n\"drop\":2,\n\"a\":3}"), B("{\n\"a\":3,\"end\":0}"));
	edit_is(B("{\"old\": 1.50 }"), B("{\"new\":1.50,\"end\":0 }"));
	edit_is(B("{\"s\\u0065t\":7}"), B("{\"s\\u0065t\":1,\"end\":0}"));
}

static void elements_are(struct bytes text, int last, struct bytes want)
{
	struct bytes one;
	struct buf out;
	size_t pos = 0;
	int n;

	buf_init(&out, 4096);
	while ((n = json_next_element(text, &pos, &one)) > 0) {
		buf_putc(&out, '<');
		buf_append(&out, one);
		buf_putc(&out, '>');
	}
	assert_int_equal(last, n);
	same(buf_bytes(&out), want);
	buf_deinit(&out);
}

static void test_elements(void **state)
{
	(void)state;
	elements_are(B("[]"), 0, B(""));
	elements_are(B(" [ ] "), 0, B(""));
	elements_are(B("[1, \"a,]\\\"\" ,{\"x\":[2]} , [], null]"), 0,
		     B("<1><\"a,]\\\"\"><{\"x\":[2]}><[]><null>"));
	elements_are(B("{}"), -1, B(""));
	elements_are(B("[1"), -1, B("<1>"));
	elements_are(B("[\"x"), -1, B(""));
}

static void test_strings_of_spans(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 64);
	same(json_span_string(B("\"plain\""), &out), B("plain"));
	same(json_span_string(B("\"a\\u0062\\n\""), &out), B("ab\n"));
	assert_false(bytes_set(json_span_string(B("5"), &out)));
	buf_deinit(&out);
}

static void url_is(const char *url, const char *want)
{
	struct bytes out;
	struct arena a;

	arena_init(&a, 1u << 16);
	assert_null(media_url(bytes_of(url), &a, &out));
	same(out, bytes_of(want));
	arena_deinit(&a);
}

static void test_urls_as_a_parser_prints_them(void **state)
{
	struct bytes out;
	struct arena a;

	(void)state;
	url_is("HTTPS://A.B", "https://a.b/");
	url_is("http://a:80/x/../y/./z?q=a b#f g", "http://a/y/z?q=a%20b#f%20g");
	url_is("https://u:p@a:8443/", "https://u:p@a:8443/");
	url_is("https://a/\xc3\xa9", "https://a/%C3%A9");
	url_is("http://a/..", "http://a/");
	url_is("http://b\xc3\xbc"
	       "cher.example/",
	       "http://xn--bcher-kva.example/");
	url_is("http://0x7f.1/", "http://127.0.0.1/");
	url_is("http://[2001:DB8:0::1]/", "http://[2001:db8::1]/");
	url_is(" http:\\\\a\\b\t", "http://a/b");
	arena_init(&a, 1u << 16);
	assert_string_equal("relative URL without a base", media_url(B("/x"), &a, &out));
	assert_string_equal("empty host", media_url(B("http://:80/"), &a, &out));
	assert_string_equal("invalid port number", media_url(B("http://a:1x/"), &a, &out));
	assert_string_equal("invalid IPv6 address", media_url(B("http://[::1"), &a, &out));
	arena_deinit(&a);
}

static void test_base64_and_types(void **state)
{
	char err[80];

	(void)state;
	static const struct {
		const char *text, *error;
	} bad[] = {
		{ "=", "Invalid symbol 61, offset 0." },
		{ "A=", "Invalid symbol 61, offset 1." },
		{ "AA===", "Invalid symbol 61, offset 2." },
		{ "AAA==", "Invalid symbol 61, offset 3." },
		{ "AAAA=", "Invalid symbol 61, offset 4." },
		{ "AAAAAA===", "Invalid symbol 61, offset 6." },
		{ "AA=A", "Invalid symbol 61, offset 2." },
		{ "AAAA-", "Invalid symbol 45, offset 4." },
		{ "\xff", "Invalid symbol 255, offset 0." },
		{ "A", "Invalid input length: 1" },
		{ "AAAAA", "Invalid input length: 5" },
		{ "AB==", "Invalid last symbol 66, offset 1." },
		{ "AAB=", "Invalid last symbol 66, offset 2." },
		{ "AAAAAAC", "Invalid padding" }, /* the length is looked at before the last bits */
		{ "AB=", "Invalid padding" },
		{ "AAAAAAC=", "Invalid last symbol 67, offset 6." },
		{ "AA=", "Invalid padding" },
		{ "AAA", "Invalid padding" },
	};
	static const char *const good[] = { "AAAA", "AAA=", "AQ==", "AAE=", "azAZ09+/", "//8=" };

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (media_base64(bytes_of(bad[i].text), err))
			fail_msg("%s is taken", bad[i].text);
		assert_string_equal(bad[i].error, err);
	}
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (!media_base64(bytes_of(good[i]), err))
			fail_msg("%s: %s", good[i], err);
	assert_true(media_base64(B(""), err));
	assert_true(media_base64(B("AA=="), err));
	assert_false(media_base64(B("AA"), err));
	assert_string_equal("Invalid padding", err);
	assert_false(media_base64(B("A*AA"), err));
	assert_string_equal("Invalid symbol 42, offset 1.", err);
	same(media_sniff(B("iVBORw0KGgo=")), B("image/png"));
	same(media_sniff(B("UklGRiQAAABXQVZFZm10IBAAAAABAAEA")), B("audio/x-wav"));
	assert_false(bytes_set(media_sniff(B("AAAA"))));
}

static void test_data_urls(void **state)
{
	struct bytes mime, data;
	struct arena a;

	(void)state;
	arena_init(&a, 1u << 16);
	assert_int_equal(media_data_url(B("DATA:Image/PNG;base64,AAAA"), &a, &mime, &data),
			 DATA_URL_OK);
	same(mime, B("image/png"));
	same(data, B("AAAA"));
	assert_int_equal(media_data_url(B("data:a/b;x=Y;base64,"), &a, &mime, &data), DATA_URL_OK);
	same(mime, B("a/b;x=Y"));
	same(data, B(""));
	assert_int_equal(media_data_url(B("http://a/;base64,AAAA"), &a, &mime, &data),
			 DATA_URL_NO_PREFIX);
	assert_int_equal(media_data_url(B("data:a/b,AAAA"), &a, &mime, &data), DATA_URL_NO_BASE64);
	assert_int_equal(media_data_url(B("data:;base64,AAAA"), &a, &mime, &data),
			 DATA_URL_BAD_MIME);
	arena_deinit(&a);
}

/* Recorded from TensorZero: what is printed, or what is wrong. */
static void test_media_types(void **state)
{
	static const struct {
		const char *text, *printed, *wrong;
	} types[] = {
		{ "Image/PNG", "image/png", NULL },
		{ "a/", "a/", NULL },
		{ "image/png;", "image/png", NULL },
		{ "text/plain ", "text/plain", NULL },
		{ "TEXT/PLAIN; Charset=UTF-8", "text/plain; charset=utf-8", NULL },
		{ "text/plain;a=\"b c\"", "text/plain;a=\"b c\"", NULL },
		{ "text/plain;;A=B", "text/plain;;a=B", NULL },
		{ "text/plain;a=", "text/plain;a=", NULL },
		{ "nonsense", NULL, "a slash (/) was missing between the type and subtype" },
		{ "", NULL, "a slash (/) was missing between the type and subtype" },
		{ "/b", NULL, "invalid token, '/' at position 0" },
		{ "te xt/plain", NULL, "invalid token, ' ' at position 2" },
		{ "image/*", NULL, "invalid token, '*' at position 6" },
		{ "*/*", NULL, "unexpected asterisk" },
		{ "\xc3\xbc/x", NULL, "invalid token, '\\xc3' at position 0" },
		{ "a/b;c", NULL,
		  "an equals sign (=) was missing between a parameter and its value" },
		{ "a/b;c=d=e", NULL, "invalid token, '=' at position 7" },
		{ "a/b; =c", NULL, "invalid token, '=' at position 5" },
		{ "a/b;c=\"d", NULL, "a quote (\") was missing from a parameter value" },
		{ "a/b;c=\n", NULL, "invalid token, '\\n' at position 6" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		char wrong[MEDIA_WORDS] = "";
		struct bytes printed = { NULL, 0 };
		struct arena a;

		arena_init(&a, 1u << 16);
		if (media_mime(bytes_of(types[i].text), &a, &printed, wrong))
			same(printed, bytes_of(types[i].printed));
		else
			assert_string_equal(types[i].wrong, wrong);
		arena_deinit(&a);
	}
}

static void test_names_of_files(void **state)
{
	char space[MEDIA_EXTENSION];

	(void)state;
	same(media_extension(B("audio/x-wav"), space), B("wav"));
	same(media_extension(B("audio/mpeg"), space), B("mp3"));
	same(media_extension(B("audio/basic"), space), B("snd"));
	same(media_extension(B("application/pdf;x=y"), space), B("pdf"));
	same(media_extension(B("text/tab-separated-values"), space), B("tsv"));
	assert_false(bytes_set(media_extension(B("audio/x"), space)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_media_types),
		cmocka_unit_test(test_names_of_files),
		cmocka_unit_test(test_edits_leave_the_rest_alone),
		cmocka_unit_test(test_elements),
		cmocka_unit_test(test_strings_of_spans),
		cmocka_unit_test(test_urls_as_a_parser_prints_them),
		cmocka_unit_test(test_base64_and_types),
		cmocka_unit_test(test_data_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
