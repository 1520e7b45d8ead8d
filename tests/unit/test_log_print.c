/* What `signet log` prints of an entry, without a store: every mark, colours, what must not steer a terminal, numbers. */
#include "store_rows.h"

#include <time.h>

#include "store/log_read.h"

static struct log_entry entry;
static struct log_model models[3];
static struct arena arena;
static struct buf out;

static int setup(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	arena_init(&arena, 4 << 20);
	buf_init(&out, 4 << 20);
	memset(models, 0, sizeof(models));
	entry = (struct log_entry){ .seq = (int64_t)0x0197c0de1234 << 15, .models = models };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_deinit(&arena);
	buf_deinit(&out);
	return 0;
}

static struct cell text(const char *t)
{
	return (struct cell){ .type = CELL_TEXT, .text = bytes_of(t) };
}

static struct cell num(int64_t n)
{
	return (struct cell){ .type = CELL_INT, .num = n };
}

/* Several spaces become one. */
static char *squeezed(char *t)
{
	char *to = t;

	for (const char *p = t; *p; p++)
		if (*p != ' ' || p[1] != ' ')
			*to++ = *p;
	*to = 0;
	return t;
}

/* Behind the time; columns are of test_lines_align(). */
static const char *line(bool colour)
{
	buf_reset(&out);
	assert_int_equal(log_print_line(&entry, colour, &out, &arena), 0);
	assert_int_equal(buf_putc(&out, 0), 0);
	assert_int_equal(strncmp(out.data, "2025-06-30 12:44:28.596+0000", 28), 0);
	return squeezed(out.data + 28);
}

static const char *json(void)
{
	buf_reset(&out);
	assert_int_equal(log_print_detail_json(&entry, &out, &arena), 0);
	assert_int_equal(buf_putc(&out, 0), 0);
	return out.data;
}

static const char *page(bool colour, bool raw)
{
	buf_reset(&out);
	assert_int_equal(log_print_page(&entry, colour, raw, &out, &arena), 0);
	assert_int_equal(buf_putc(&out, 0), 0);
	return strchr(out.data, '\n') + 1;
}

static void test_a_line_with_nothing_but_an_id(void **state)
{
	(void)state;
	entry.list[L_ID] = text("x");
	entry.list[L_STATE] = text("ok");
	assert_string_equal(line(false), " - - x \"\" -> \"\"\n");
}

/* Issue 15 C5: local time says of which zone it is. */
static void test_local_time_is_marked(void **state)
{
	(void)state;
	setenv("TZ", "XXX-05:30", 1);
	tzset();
	assert_int_equal(log_print_line(&entry, false, &out, &arena), 0);
	assert_int_equal(strncmp(out.data, "2025-06-30 18:14:28.596+0530 ", 29), 0);
	setenv("TZ", "UTC", 1);
	tzset();
}

/* Where the id stands, in characters. */
static size_t id_column(void)
{
	buf_reset(&out);
	assert_int_equal(log_print_line(&entry, false, &out, &arena), 0);
	assert_int_equal(buf_putc(&out, 0), 0);
	return (size_t)(strstr(out.data, " ID ") - out.data);
}

static void test_lines_align(void **state)
{
	size_t column;

	(void)state;
	entry.list[L_ID] = text("ID");
	entry.list[L_STATE] = text("error");
	column = id_column();
	entry.list[L_STATUS] = num(200);
	entry.list[L_STATE] = text("ok");
	entry.list[L_MODEL] = text("a-model");
	entry.list[L_PROVIDER] = text("a-provider");
	entry.list[L_STREAM] = entry.list[L_SIGNED] = entry.list[L_ESTIMATED] = num(1);
	entry.list[L_MS] = num(123456);
	entry.list[L_TTFT] = num(7);
	entry.list[L_IN] = num(1234);
	entry.list[L_OUT] = num(12);
	assert_int_equal(id_column(), column);
}

static void test_every_mark_of_a_line(void **state)
{
	(void)state;
	entry.list[L_ID] = text("x");
	entry.list[L_STATE] = text("ok");
	entry.list[L_STATUS] = num(200);
	entry.list[L_MODEL] = text("m");
	entry.list[L_PROVIDER] = text("p");
	entry.list[L_FUNCTION] = text("f");
	entry.list[L_VARIANT] = text("v");
	entry.list[L_STREAM] = num(1);
	entry.list[L_SIGNED] = num(1);
	entry.list[L_ESTIMATED] = num(1);
	entry.list[L_MS] = num(0);
	entry.list[L_TTFT] = num(0);
	entry.list[L_IN] = num(0);
	entry.list[L_OUT] = num(7);
	entry.list[L_PREVIEW_IN] = text("a\\b");
	entry.list[L_PREVIEW_OUT] = text("c");
	entry.cut = true;
	assert_string_equal(
		line(false),
		" 200 m/p (f/v) stream signed cut 0 ms ttft 0 in 0 out ~7 x \"a\\\\b\" -> \"c\"\n");
	entry.list[L_FUNCTION] = text("tensorzero::default");
	entry.list[L_STREAM] = entry.list[L_SIGNED] = entry.list[L_ESTIMATED] = num(0);
	entry.list[L_STATE] = text("cancelled");
	entry.cut = false;
	assert_string_equal(line(false),
			    " 200 m/p cancelled 0 ms ttft 0 in 0 out 7 x \"a\\\\b\" -> \"c\"\n");
	/* green, red, yellow; what is not colour stays the same */
	entry.list[L_STATE] = text("ok");
	assert_int_equal(strncmp(line(true), "\033[32m 200\033[0m m/p 0 ms", 21), 0);
	entry.list[L_STATE] = text("truncated");
	assert_int_equal(strncmp(line(true), "\033[33m 200\033[0m m/p truncated", 26), 0);
	entry.list[L_STATE] = text("error");
	entry.list[L_ERROR_KIND] = text("server");
	entry.has_error = true;
	entry.error[E_ERROR] = text("boom");
	assert_string_equal(
		line(true),
		"\033[31m 200\033[0m m/p 0 ms ttft 0 in 0 out 7 \033[2mx\033[0m \"a\\\\b\" -> \033[31mserver: boom\033[0m\n");
	entry.list[L_ERROR_KIND] = (struct cell){ 0 };
	entry.has_error = false;
	assert_string_equal(line(false), " 200 m/p 0 ms ttft 0 in 0 out 7 x \"a\\\\b\" -> error\n");
}

static void test_nothing_steers_a_terminal(void **state)
{
	static const struct {
		const char *is, *shown;
	} cases[] = {
		{ "\033[2J", "\\x1b[2J" },
		{ "a\nb\tc", "a\\nb\\x09c" },
		{ "\x7f", "\\x7f" },
		{ "\xc2\x9b", "\\x9b" }, /* C1, in UTF-8 */
		/* what turns text round: marks, embeddings, overrides, isolates, separators of lines */
		{ "a\u202eb\u202c", "a\\u202eb\\u202c" },
		{ "\u061c\u200e\u200f\u202a\u202b\u202d",
		  "\\u061c\\u200e\\u200f\\u202a\\u202b\\u202d" },
		{ "\u2066\u2067\u2068\u2069\u2028\u2029",
		  "\\u2066\\u2067\\u2068\\u2069\\u2028\\u2029" },
		{ "\u2027\u202f\u2065\u206a\u061b\u200d\u2026",
		  "\u2027\u202f\u2065\u206a\u061b\u200d\u2026" },
		{ "\xe2\x80", "\xe2\x80" },
		{ "\xc2\xa0", "\xc2\xa0" }, /* no C1 */
		{ "\xc2", "\xc2" },         /* cut */
		{ "x\xc2\x80y", "x\\x80y" },
		{ "\xc3\xa9", "\xc3\xa9" },
		{ "\x1f ", "\\x1f " },
	};

	(void)state;
	entry.list[L_ID] = text("x");
	entry.list[L_STATE] = text("ok");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char want[80];

		entry.list[L_PREVIEW_IN] = text(cases[i].is);
		snprintf(want, sizeof(want), " - - x \"%s\" -> \"\"\n", cases[i].shown);
		assert_string_equal(line(false), want);
	}
}

static void failed(const char *attempts)
{
	entry.has_error = true;
	entry.error[E_ATTEMPTS] = text(attempts);
}

/* The same provider again is a retry, another one a fallback; what an attempt says of itself goes first. */
static void test_retries_and_fallbacks_are_counted(void **state)
{
	(void)state;
	entry.list[L_ID] = text("x");
	entry.list[L_STATE] = text("error");
	failed("[{\"model\":\"m\",\"provider\":\"p\"},{\"model\":\"m\",\"provider\":\"p\"},{\"model\":\"m\",\"provider\":\"q\"},{\"model\":\"n\",\"provider\":\"q\"}]");
	assert_string_equal(line(false), " - - R1 F2 x \"\" -> error\n");
	failed("[{\"model\":\"m\",\"provider\":\"p\"},{\"model\":\"m\",\"provider\":\"p\",\"why\":\"fallback\"},{\"model\":\"m\",\"provider\":\"q\",\"why\":\"retry\"}]");
	assert_string_equal(line(false), " - - R1 F1 x \"\" -> error\n");
	failed("[{\"model\":\"m\",\"provider\":\"p\"}]");
	assert_string_equal(line(false), " - - x \"\" -> error\n");
	/* an answer: the attempt that gave it counts too, by its row or by the list */
	entry.list[L_STATE] = text("ok");
	entry.list[L_MODEL] = text("m");
	entry.list[L_PROVIDER] = text("q");
	assert_string_equal(line(false), " - m/q F1 x \"\" -> \"\"\n");
	entry.list[L_PROVIDER] = text("p");
	assert_string_equal(line(false), " - m/p R1 x \"\" -> \"\"\n");
	models[0].m[M_MODEL] = text("m");
	models[0].m[M_PROVIDER] = text("q");
	models[0].call[CALL_ATTEMPT] = num(2);
	entry.nmodels = 1;
	assert_string_equal(line(false), " - m/p F1 x \"\" -> \"\"\n");
}

/* Failed attempts have no number: they take those that good ones leave. */
static void test_attempts_are_numbered_in_order(void **state)
{
	static const struct {
		int64_t numbers[3];
		const char *want;
	} cases[] = {
		{ { 2, 4, 5 }, "1f 2a 3f 4b 5c 6f " },
		{ { 1, 2, 3 }, "1a 2b 3c 4f 5f 6f " },
		{ { 1, 4, 5 }, "1a 2f 3f 4b 5c 6f " },
	};

	(void)state;
	failed("[{\"model\":\"f\"},{\"model\":\"f\"},{\"model\":\"f\"}]");
	entry.nmodels = 3;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char got[80] = "";
		const char *p;

		for (size_t k = 0; k < 3; k++) {
			static const char *const names[] = { "a", "b", "c" };

			models[k].m[M_MODEL] = text(names[k]);
			models[k].call[CALL_ATTEMPT] =
				cases[i].numbers[k] ? num(cases[i].numbers[k]) : (struct cell){ 0 };
		}
		p = strstr(json(), "\"attempts\":[{");
		assert_non_null(p);
		while ((p = strstr(p, "{\"n\":"))) {
			const char *model = strstr(p, "\"model\":\"");

			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%c%c ", p[5],
				 model[9]);
			p += 5;
		}
		assert_string_equal(got, cases[i].want);
	}
}

static void test_costs_are_decimal(void **state)
{
	static const struct {
		int64_t nano;
		const char *want;
	} cases[] = {
		{ 0, "\"cost\":0.0," },           { 1, "\"cost\":0.000000001," },
		{ 1000000000, "\"cost\":1.0," },  { 1500000000, "\"cost\":1.5," },
		{ -500000000, "\"cost\":-0.5," }, { 12000000010, "\"cost\":12.00000001," },
		{ 100000000, "\"cost\":0.1," },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		entry.list[L_COST_NANO] = num(cases[i].nano);
		assert_non_null(strstr(json(), cases[i].want));
	}
	entry.list[L_COST_NANO] = (struct cell){ 0 };
	assert_non_null(strstr(json(), "\"cost\":null,"));
}

static void test_a_hash_in_hex(void **state)
{
	static const struct {
		const char *decimal, *want;
	} cases[] = {
		{ "0",
		  "\"config_hash\":\"0000000000000000000000000000000000000000000000000000000000000000\"" },
		{ "255",
		  "\"config_hash\":\"00000000000000000000000000000000000000000000000000000000000000ff\"" },
		{ "65536",
		  "\"config_hash\":\"0000000000000000000000000000000000000000000000000000000000010000\"" },
		{ "115792089237316195423570985008687907853269984665640564039457584007913129639935",
		  "\"config_hash\":\"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\"" },
		{ "12x", "\"config_hash\":\"12x\"" },
		{ "", "\"config_hash\":null" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		entry.hash = bytes_of(cases[i].decimal);
		assert_non_null(strstr(json(), cases[i].want));
	}
}

static void test_long_bodies_are_not_inline(void **state)
{
	static char body[65536 + 3];

	(void)state;
	memset(body, '1', sizeof(body) - 1);
	entry.has_chat = true;
	for (size_t n = 65536; n <= 65537; n++) {
		entry.chat[C_INPUT] = (struct cell){ .type = CELL_TEXT, .text = { body, n } };
		json();
		assert_int_equal(bytes_find(buf_bytes(&out),
					    B("\"input\":{\"bytes\":65536,\"inline\":1")) >= 0,
				 n == 65536);
		assert_int_equal(
			bytes_find(
				buf_bytes(&out),
				B("\"input\":{\"bytes\":65537,\"inline\":null,\"cut\":false}")) >=
				0,
			n == 65537);
	}
}

static void test_a_row_shows_eight_tags_and_the_detail_all(void **state)
{
	(void)state;
	entry.has_chat = true;
	entry.chat[C_TAGS] = text(
		"{\"1\":\"\",\"2\":\"\",\"3\":\"\",\"4\":\"\",\"5\":\"\",\"6\":\"\",\"7\":\"\",\"8\":\"\",\"9\":\"\"}");
	json();
	assert_non_null(strstr(
		out.data,
		"\"tags\":{\"1\":\"\",\"2\":\"\",\"3\":\"\",\"4\":\"\",\"5\":\"\",\"6\":\"\",\"7\":\"\",\"8\":\"\"},\"metrics\""));
	assert_non_null(strstr(out.data, "\"8\":\"\",\"9\":\"\"},\"config_hash\""));
}

static void test_spans_of_all_calls_are_one_list(void **state)
{
	(void)state;
	entry.nmodels = 3;
	models[0].call[CALL_SPANS] = text("[{\"name\":\"a\"}]");
	models[1].call[CALL_SPANS] = text("[]");
	models[2].call[CALL_SPANS] = text(" [{\"name\":\"b\"},{\"name\":\"c\"}] ");
	assert_non_null(
		strstr(json(), "\"spans\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]"));
}

static void test_a_page_is_the_conversation(void **state)
{
	(void)state;
	entry.has_chat = true;
	entry.chat[C_INPUT] = text(
		"{\"system\":\"be\\nkind\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"one\\u001b\"},{\"type\":\"file\",\"url\":\"u\"}]},{\"role\":\"assistant\",\"content\":\"plain\"}]}");
	entry.chat[C_OUTPUT] = text("[{\"type\":\"text\",\"text\":\"two\"}]");
	entry.chat[C_PARAMS] = text("{}");
	entry.chat[C_TOOL_CHOICE] = text("auto");
	assert_string_equal(
		page(false, false),
		"\nsystem\nbe\nkind\n\nuser\none\\x1b\n{\"type\":\"file\",\"url\":\"u\"}\n\nassistant\nplain\n\noutput\ntwo\n\nparameters\ntool_choice auto\n");
	assert_non_null(strstr(page(true, false), "\n\033[1msystem\033[0m\n"));
}

/* To a pipe a raw body is as it was; to a terminal it does not steer. */
static void test_raw_bodies(void **state)
{
	(void)state;
	entry.nmodels = 1;
	models[0].m[M_RAW_REQUEST] = text("a\033b");
	models[0].m[M_RAW_RESPONSE] = text("c\td\n");
	models[0].m[M_MODEL] = text("m");
	models[0].m[M_PROVIDER] = text("p");
	models[0].m[M_ID] = text("id");
	models[0].m[M_FINISH] = text("stop");
	models[0].call[CALL_HTTP_STATUS] = num(200);
	models[0].call[CALL_SIGNATURE] = text("{\"signer\":\"s\",\"us\":7,\"nonce\":null}");
	assert_string_equal(
		page(false, true),
		"\nattempt 1 (first)\n  m/p 200 0 ms in - out - finish stop\n  id\n  signature signer s us 7\n\nraw request\na\033b\n\nraw response\nc\td\n\n");
	assert_string_equal(
		page(true, true),
		"\n\033[1mattempt 1 (first)\033[0m\n  m/p 200 0 ms in - out - finish stop\n  id\n  signature signer s us 7\n\n\033[1mraw request\033[0m\na\\x1bb\n\n\033[1mraw response\033[0m\nc\td\n\n");
}

static void test_a_failed_attempt_says_when_and_why(void **state)
{
	(void)state;
	failed("[{\"model\":\"m\",\"provider\":\"p\",\"status\":0,\"delay_ms\":0,\"error\":\"one\"},{\"model\":\"m\",\"provider\":\"q\",\"status\":503,\"delay_ms\":250,\"error\":\"two\"}]");
	entry.list[L_STATE] = text("error");
	assert_string_equal(
		page(false, false),
		"\nattempt 1 (first)\n  m/p 0\n  one\n\nattempt 2 (fallback)\n  m/q 503 after 250 ms\n  two\n");
	json();
	assert_non_null(strstr(out.data, "{\"n\":1,\"why\":\"first\",\"delay_ms\":0,"));
	assert_non_null(strstr(out.data, "{\"n\":2,\"why\":\"fallback\",\"delay_ms\":250,"));
	assert_non_null(strstr(out.data, "\"http_status\":503,\"error\":\"two\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_a_line_with_nothing_but_an_id),
		T(test_local_time_is_marked),
		T(test_lines_align),
		T(test_every_mark_of_a_line),
		T(test_nothing_steers_a_terminal),
		T(test_retries_and_fallbacks_are_counted),
		T(test_attempts_are_numbered_in_order),
		T(test_costs_are_decimal),
		T(test_a_hash_in_hex),
		T(test_long_bodies_are_not_inline),
		T(test_a_row_shows_eight_tags_and_the_detail_all),
		T(test_spans_of_all_calls_are_one_list),
		T(test_a_page_is_the_conversation),
		T(test_raw_bodies),
		T(test_a_failed_attempt_says_when_and_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
