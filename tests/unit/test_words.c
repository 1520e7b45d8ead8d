/* The word index: which words are found, in which order, behind the drainer, and none after its row is gone. */
#include "store_dir.h"

#include "store/words.h"

static const char *expression_of(const char *typed, enum words_side side)
{
	static char text[512];
	struct buf out;
	int r;

	buf_init(&out, 1 << 20);
	r = words_expression(bytes_of(typed), side, &out);
	assert_true(r >= 0);
	snprintf(text, sizeof(text), "%s", r ? "(nothing)" : out.data);
	buf_deinit(&out);
	return text;
}

static void test_what_is_typed_becomes_an_expression(void **state)
{
	static const struct {
		const char *typed, *want;
	} cases[] = {
		{ "invoice", "(\"invoice\")" },
		{ " invoice  overdue ", "(\"invoice\" AND \"overdue\")" },
		{ "\"past due\" pay*", "(\"past due\" AND \"pay\" *)" },
		{ "due -paid -\"in full\"", "(\"due\") NOT (\"paid\" OR \"in full\")" },
		{ "你好 world", "(\" 你  好 \" AND \"world\")" },
		{ "AND OR NOT NEAR(x)", "(\"AND\" AND \"OR\" AND \"NOT\" AND \"NEAR(x)\")" },
		{ "a\"b", "(\"a b\")" },
		{ "\"open", "(\"open\")" },
		{ "", "(nothing)" },
		{ "-paid", "(nothing)" },
		{ "... ! \"\"", "(nothing)" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(expression_of(cases[i].typed, WORDS_ANY), cases[i].want);
	assert_string_equal(expression_of("x -y", WORDS_OUTPUT),
			    "output : (\"x\") NOT output : (\"y\")");
}

static struct store *open_with(bool search_off)
{
	struct store_options o = test_options(dir);
	struct store *s;

	o.search_off = search_off;
	s = store_open(&o);
	if (!s)
		fail_msg("%.*s", BFMT(error_last()->message));
	return s;
}

static void append(struct store *s, const char *text, char id[37])
{
	struct record r;

	make_record(&r, text, id);
	assert_int_equal(store_append(s, &r), 0);
	record_deinit(&r);
}

static void append_failed(struct store *s, const char *preview, const char *error)
{
	struct record r;
	struct buf b;
	char id[37];

	uuid_print(uuid_v7(), id);
	buf_init(&b, 1 << 20);
	record_init(&r);
	buf_printf(&b, "{\"id\":\"%s\",\"state\":\"error\",\"preview_in\":\"%s\"}", id, preview);
	assert_int_equal(record_add(&r, ROW_INFERENCE_BY_ID, buf_bytes(&b)), 0);
	buf_reset(&b);
	buf_printf(&b, "{\"id\":\"%s\",\"error\":\"%s\",\"attempts\":[]}", id, error);
	assert_int_equal(record_add(&r, ROW_REQUEST_ERROR, buf_bytes(&b)), 0);
	assert_int_equal(store_append(s, &r), 0);
	record_deinit(&r);
	buf_deinit(&b);
}

/* Until the index is begun and has all. */
static void wait_indexed(struct store *s)
{
	wait_caught_up(s);
	for (int i = 0; i < 1000; i++) {
		if (db_int(dir, "SELECT at FROM Progress WHERE what = 'words'") == 0 &&
		    db_int(dir, "SELECT count(*) FROM TextPending") == 0)
			return;
		usleep(10000);
	}
	fail_msg("the index does not catch up");
}

/* The previews of what is found, newest first, with a bar between. */
static const char *found(const char *typed, enum words_side side)
{
	static char out[2000];
	char path[512], sql[100];
	struct words_search ws;
	sqlite3 *db;
	int64_t seq;
	int r;

	out[0] = 0;
	snprintf(path, sizeof(path), "%s/signet.db", dir);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	r = words_search_begin(&ws, db, bytes_of(typed), side, INT64_MAX);
	while (!r && (r = words_search_next(&ws, &seq)) > 0) {
		snprintf(sql, sizeof(sql),
			 "SELECT preview_in FROM InferenceById WHERE seq = %" PRId64, seq);
		snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%.200s", *out ? "|" : "",
			 db_text(dir, sql));
		r = 0;
	}
	if (r < 0)
		fail_msg("%.*s", BFMT(error_last()->message));
	words_search_end(&ws);
	sqlite3_close(db);
	return out;
}

static void test_words_are_found_newest_first(void **state)
{
	struct store *s = open_with(false);
	char id[37];

	(void)state;
	append(s, "The invoice is overdue", id);
	append(s, "Invoices, café and naïve", id);
	append(s, "我想学习人工智能", id);
	append(s, "東京タワー 한국어 invoice", id);
	append_failed(s, "gone wrong", "the upstream said: boom 503");
	wait_indexed(s);
	assert_string_equal(found("INVOICE", WORDS_ANY),
			    "東京タワー 한국어 invoice|The invoice is overdue");
	assert_string_equal(found("invoice overdue", WORDS_INPUT), "The invoice is overdue");
	assert_string_equal(found("invoice -overdue", WORDS_ANY), "東京タワー 한국어 invoice");
	assert_string_equal(
		found("invoice*", WORDS_ANY),
		"東京タワー 한국어 invoice|Invoices, café and naïve|The invoice is overdue");
	assert_string_equal(found("\"is overdue\"", WORDS_ANY), "The invoice is overdue");
	assert_string_equal(found("\"overdue is\"", WORDS_ANY), "");
	assert_string_equal(found("cafe NAIVE", WORDS_ANY), "Invoices, café and naïve");
	/* each character a word, several of them a phrase */
	assert_string_equal(found("学习", WORDS_ANY), "我想学习人工智能");
	assert_string_equal(found("智", WORDS_ANY), "我想学习人工智能");
	assert_string_equal(found("习学", WORDS_ANY), "");
	assert_string_equal(found("タワ 국어", WORDS_ANY), "東京タワー 한국어 invoice");
	/* sides: the answer of all is "Hello." */
	assert_string_equal(found("hello 智能", WORDS_ANY), "我想学习人工智能");
	assert_string_equal(found("hello 智能", WORDS_INPUT), "");
	assert_string_equal(found("boom", WORDS_ERROR), "gone wrong");
	assert_string_equal(found("wrong", WORDS_INPUT), "gone wrong");
	assert_string_equal(found("boom", WORDS_OUTPUT), "");
	assert_string_equal(found("nobody", WORDS_ANY), "");
	/* what looks like SQL or FTS5 is text */
	assert_string_equal(found("' OR 1=1 --", WORDS_ANY), "");
	assert_string_equal(found("input : invoice", WORDS_ANY), "");
	assert_int_equal(store_close(s), 0);
}

static void test_only_text_blocks_count_up_to_a_bound(void **state)
{
	struct store *s = open_with(false);
	struct record r;
	struct buf b;
	char id[37];

	(void)state;
	uuid_print(uuid_v7(), id);
	buf_init(&b, 1 << 20);
	record_init(&r);
	buf_printf(
		&b,
		"{\"id\":\"%s\",\"function_name\":\"f\",\"variant_name\":\"v\",\"episode_id\":\"%s\",\"input\":{\"system\":\"sys\\u0074em\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"first\"},{\"type\":\"tool_result\",\"result\":\"hidden\"},{\"type\":\"text\",\"text\":\"",
		id, id);
	for (int i = 0; i < 70000; i++)
		buf_putc(&b, i % 7 ? 'x' : ' ');
	buf_printf(
		&b,
		" beyond\"}]},{\"role\":\"user\",\"content\":\"plain\"}]},\"output\":[{\"type\":\"thought\",\"text\":\"secret\"},{\"type\":\"text\",\"text\":\"said\"}]}");
	assert_int_equal(record_add(&r, ROW_CHAT_INFERENCE, buf_bytes(&b)), 0);
	buf_reset(&b);
	buf_printf(&b, "{\"id\":\"%s\",\"preview_in\":\"p\"}", id);
	assert_int_equal(record_add(&r, ROW_INFERENCE_BY_ID, buf_bytes(&b)), 0);
	assert_int_equal(store_append(s, &r), 0);
	record_deinit(&r);
	buf_deinit(&b);
	wait_indexed(s);
	assert_string_equal(found("system first said", WORDS_ANY), "p");
	assert_string_equal(found("hidden", WORDS_ANY), "");
	assert_string_equal(found("secret", WORDS_ANY), "");
	assert_string_equal(found("beyond", WORDS_ANY), "");
	assert_int_equal(store_close(s), 0);
}

static void test_search_off_throws_the_index_away_and_on_makes_it_anew(void **state)
{
	struct store *s = open_with(false);
	char id[37];

	(void)state;
	append(s, "before", id);
	wait_indexed(s);
	assert_int_equal(store_close(s), 0);
	assert_int_equal(
		db_int(dir, "SELECT count(*) FROM pragma_table_list WHERE type = 'virtual'"), 1);
	s = open_with(true);
	append(s, "meanwhile", id);
	wait_caught_up(s);
	for (int i = 0;
	     i < 500 &&
	     db_int(dir, "SELECT count(*) FROM pragma_table_list WHERE type = 'virtual'");
	     i++)
		usleep(10000);
	assert_int_equal(
		db_int(dir, "SELECT count(*) FROM pragma_table_list WHERE type = 'virtual'"), 0);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM TextPending"), 0);
	assert_int_equal(store_close(s), 0);
	s = open_with(false);
	append(s, "after", id);
	wait_indexed(s);
	assert_string_equal(found("hello", WORDS_ANY), "after|meanwhile|before");
	assert_int_equal(store_close(s), 0);
}

/* FTS5 writes a segment as often as a rowid is not above the one before. */
static void test_what_is_indexed_at_once_is_one_segment(void **state)
{
	struct store *s = open_with(true);
	char path[512], sql[600], id[37];
	struct words *w;
	sqlite3 *db;
	size_t n;

	(void)state;
	for (int i = 0; i < 200; i++)
		append(s, "the same few words", id);
	wait_caught_up(s);
	assert_int_equal(store_close(s), 0);
	snprintf(path, sizeof(path), "%s/signet.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "BEGIN; INSERT INTO TextPending SELECT seq FROM InferenceById",
			     NULL, NULL, NULL),
		SQLITE_OK);
	w = words_new(db);
	assert_non_null(w);
	assert_int_equal(words_index(w, UINT64_MAX, &n), SQLITE_OK);
	assert_int_equal(n, 200);
	words_free(w);
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	snprintf(sql, sizeof(sql), "SELECT count(DISTINCT id >> 37) FROM %.40s_data WHERE id > 10",
		 db_text(dir, "SELECT name FROM pragma_table_list WHERE type = 'virtual'"));
	assert_int_equal(db_int(dir, sql), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_typed_becomes_an_expression),
		cmocka_unit_test_setup_teardown(test_words_are_found_newest_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_text_blocks_count_up_to_a_bound, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			test_search_off_throws_the_index_away_and_on_makes_it_anew, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_what_is_indexed_at_once_is_one_segment, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
