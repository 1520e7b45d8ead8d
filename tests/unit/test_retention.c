/* What the store forgets by itself: the oldest, whole, within bounds, exactly, also after kill -9. */
#include "store_dir.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/words.h"

#define DAY_MS 86400000ull

static struct store *open_with(struct retention_options keep)
{
	struct store_options o = test_options(dir);
	struct store *s;

	o.retention = keep;
	s = store_open(&o);
	if (!s)
		fail_msg("%.*s", BFMT(error_last()->message));
	return s;
}

static void aged_id(char id[37], uint64_t ms_ago)
{
	uint64_t t = clock_unix_ms() - ms_ago;
	struct uuid u = uuid_v7();

	for (int i = 0; i < 6; i++)
		u.b[i] = (uint8_t)(t >> (40 - 8 * i));
	uuid_print(u, id);
}

/* An answer of that age, with bodies of about `size`, a failed attempt, two tags. */
static void append_aged(struct store *s, const char *word, size_t size, uint64_t ms_ago)
{
	struct record r;
	struct buf b;
	char id[37], call[37];

	aged_id(id, ms_ago);
	aged_id(call, ms_ago);
	buf_init(&b, 32 << 20);
	record_init(&r);
	buf_printf(
		&b,
		"{\"id\":\"%s\",\"function_name\":\"f\",\"variant_name\":\"v\",\"episode_id\":\"%s\",\"input\":{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"%s\"}]}]},\"output\":[{\"type\":\"text\",\"text\":\"said\"}],\"tags\":{\"user\":\"7\",\"w\\\"d\":\"x\"}}",
		id, id, word);
	assert_int_equal(record_add(&r, ROW_CHAT_INFERENCE, buf_bytes(&b)), 0);
	buf_reset(&b);
	buf_printf(&b, "{\"id\":\"%s\",\"inference_id\":\"%s\",\"raw_request\":\"%s ", call, id,
		   word);
	for (size_t i = 0; i < size; i++)
		buf_putc(&b, (char)('a' + (i * 7 + i / 11) % 26));
	buf_printf(
		&b,
		"\",\"raw_response\":\"a\",\"system\":\"be\",\"input_messages\":[],\"output\":[],\"input_tokens\":5,\"model_name\":\"m\",\"model_provider_name\":\"p\",\"cached\":false}");
	assert_int_equal(record_add(&r, ROW_MODEL_INFERENCE, buf_bytes(&b)), 0);
	buf_reset(&b);
	buf_printf(&b, "{\"id\":\"%s\",\"surface\":\"chat\",\"preview_in\":\"%s\"}", id, word);
	assert_int_equal(record_add(&r, ROW_INFERENCE_BY_ID, buf_bytes(&b)), 0);
	buf_reset(&b);
	buf_printf(
		&b,
		"{\"id\":\"%s\",\"error\":null,\"attempts\":[{\"why\":\"first\",\"status\":500,\"raw_request\":\"%s\",\"raw_response\":\"no\"}]}",
		id, word);
	assert_int_equal(record_add(&r, ROW_REQUEST_ERROR, buf_bytes(&b)), 0);
	assert_int_equal(store_append(s, &r), 0);
	record_deinit(&r);
	buf_deinit(&b);
}

#define WHOLE \
	"SELECT (SELECT count(*) FROM ChatInference WHERE seq NOT IN (SELECT seq FROM InferenceById)) + (SELECT count(*) FROM RequestError WHERE seq NOT IN (SELECT seq FROM InferenceById)) + (SELECT count(*) FROM TagInference WHERE seq NOT IN (SELECT seq FROM InferenceById)) + (SELECT count(*) FROM ModelInference WHERE inference_id NOT IN (SELECT id FROM InferenceById)) + (SELECT count(*) FROM TextPending WHERE seq NOT IN (SELECT seq FROM InferenceById)) + (SELECT count(*) FROM InferenceById WHERE seq NOT IN (SELECT seq FROM ChatInference) OR id NOT IN (SELECT inference_id FROM ModelInference))"

static void wait_for(const char *sql, int64_t want)
{
	int64_t have = 0;

	for (int i = 0; i < 6000; i++) {
		have = db_int(dir, sql);
		if (have == want)
			return;
		usleep(10000);
	}
	fail_msg("%s: %" PRId64 ", not %" PRId64, sql, have, want);
}

static void wait_indexed(void)
{
	wait_for("SELECT at FROM Progress WHERE what = 'words'", 0);
	wait_for("SELECT count(*) FROM TextPending", 0);
}

/* How many rows of the index have the word. */
static int hits(const char *word)
{
	char path[512];
	struct words_search ws;
	sqlite3 *db;
	int64_t seq;
	int n = 0;

	snprintf(path, sizeof(path), "%s/signet.db", dir);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(words_search_begin(&ws, db, bytes_of(word), WORDS_ANY, INT64_MAX), 0);
	while (words_search_next(&ws, &seq) > 0)
		n++;
	words_search_end(&ws);
	sqlite3_close(db);
	return n;
}

static void test_rows_older_than_days_go_whole(void **state)
{
	struct store *s = open_with((struct retention_options){ 0 });

	(void)state;
	for (int i = 0; i < 700; i++)
		append_aged(s, "ancient", 100, 10 * DAY_MS + (uint64_t)i * 1000);
	for (int i = 0; i < 20; i++)
		append_aged(s, "recent", 100, 2 * DAY_MS);
	wait_caught_up(s);
	wait_indexed();
	assert_int_equal(hits("ancient"), 700);
	assert_int_equal(store_close(s), 0);
	s = open_with((struct retention_options){ .days = 5 });
	wait_for("SELECT count(*) FROM InferenceById", 20);
	assert_int_equal(store_close(s), 0);
	assert_int_equal(db_int(dir, WHOLE), 0);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM TagInference"), 40);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM ModelInference"), 20);
	assert_int_equal(hits("ancient"), 0);
	assert_int_equal(hits("recent"), 20);
	/* sums and the dictionary stay */
	assert_int_equal(db_int(dir, "SELECT sum(count) FROM Rollup WHERE dim = 'surface'"), 720);
	assert_int_equal(
		db_int(dir, "SELECT count FROM Facet WHERE dim = 'tag' AND value = 'user'"), 720);
	assert_string_equal(db_text(dir, "PRAGMA integrity_check"), "ok");
}

static bool is_set_aside(void)
{
	struct dirent *e;
	DIR *d = opendir(dir);
	bool found = false;

	assert_non_null(d);
	while ((e = readdir(d)))
		found |= strstr(e->d_name, "corrupt") != NULL;
	closedir(d);
	return found;
}

/* From a backlog or an import: older than what retention has seen already. */
static void test_bodies_of_rows_that_come_late_go_too(void **state)
{
	struct store *s = open_with((struct retention_options){ .body_days = 5 });

	(void)state;
	append_aged(s, "old", 300, 10 * DAY_MS);
	wait_for("SELECT count(*) FROM ModelInference WHERE raw_request = ''", 1);
	append_aged(s, "older", 300, 20 * DAY_MS);
	wait_caught_up(s);
	assert_int_equal(store_close(s), 0);
	s = open_with((struct retention_options){ 0 }); /* off for a while */
	append_aged(s, "oldest", 300, 30 * DAY_MS);
	wait_caught_up(s);
	assert_int_equal(store_close(s), 0);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM ModelInference WHERE raw_request <> ''"),
			 2);
	s = open_with((struct retention_options){ .body_days = 5 });
	wait_for("SELECT count(*) FROM ModelInference WHERE raw_request = ''", 3);
	assert_int_equal(store_close(s), 0);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), 3);
}

static void test_bodies_go_earlier_than_their_rows(void **state)
{
	struct store *s = open_with((struct retention_options){ .body_days = 5 });

	(void)state;
	for (int i = 0; i < 80; i++)
		append_aged(s, "ancient", 3000, 10 * DAY_MS + (uint64_t)i * 1000);
	append_aged(s, "recent", 3000, 2 * DAY_MS);
	wait_caught_up(s);
	wait_indexed();
	assert_int_equal(store_close(s), 0);
	s = open_with((struct retention_options){ .body_days = 5 });
	wait_for("SELECT count(*) FROM ModelInference WHERE raw_request <> ''", 1);
	assert_int_equal(store_close(s), 0);
	assert_int_equal(db_int(dir, WHOLE), 0);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), 81);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM TagInference"), 162);
	assert_int_equal(db_int(dir, "SELECT sum(input_tokens) FROM ModelInference"), 405);
	assert_int_equal(
		db_int(dir,
		       "SELECT count(*) FROM ChatInference WHERE input = '{\"messages\":[]}' AND output = '[]'"),
		80);
	assert_int_equal(
		db_int(dir,
		       "SELECT count(*) FROM RequestError WHERE attempts = '[{\"why\":\"first\",\"status\":500}]'"),
		80);
	assert_int_equal(hits("ancient"), 0);
	assert_int_equal(hits("recent"), 1);
	s = open_with((struct retention_options){ .body_days = 5,
						  .days = 7 }); /* and then the rest of them */
	wait_for("SELECT count(*) FROM InferenceById", 1);
	assert_int_equal(store_close(s), 0);
	assert_int_equal(db_int(dir, WHOLE), 0);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM TagInference"), 2);
	assert_string_equal(db_text(dir, "PRAGMA integrity_check"), "ok");
	/* their words went with the bodies: who takes them out of the index again damages it, and the store is set aside */
	assert_int_equal(hits("recent"), 1);
	assert_false(is_set_aside());
}

static int64_t file_mb(void)
{
	char path[512];
	struct stat st;

	snprintf(path, sizeof(path), "%s/signet.db", dir);
	assert_int_equal(stat(path, &st), 0);
	return st.st_size >> 20;
}

/* Ten times more than there is room for, without a pause: the file stays within its bound, what is left is the newest. */
static void test_a_store_with_a_bound_runs_without_a_hand(void **state)
{
	struct store *s = open_with((struct retention_options){ .max_mb = 16 });
	int64_t most = 0;

	(void)state;
	for (int i = 0; i < 4000; i++) {
		char word[20];

		snprintf(word, sizeof(word), "n%d", i);
		append_aged(s, word, 40000, (uint64_t)(4000 - i) * 20);
		if (i % 100 == 0 && file_mb() > most)
			most = file_mb();
	}
	wait_caught_up(s);
	usleep(300000);
	assert_int_equal(store_close(s), 0);
	if (most > 26) /* a batch may have 8 MiB */
		fail_msg("%" PRId64 " MiB", most);
	assert_true(file_mb() <= 16);
	assert_int_equal(db_int(dir, WHOLE), 0);
	assert_true(db_int(dir, "SELECT count(*) FROM InferenceById") > 150);
	assert_int_equal(
		db_int(dir, "SELECT count(*) FROM InferenceById WHERE preview_in = 'n3999'"), 1);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById WHERE preview_in = 'n0'"),
			 0);
	/* the newest ones without a gap */
	assert_int_equal(
		db_int(dir,
		       "SELECT max(n) - min(n) + 1 - count(*) FROM (SELECT substr(preview_in, 2) + 0 AS n FROM InferenceById)"),
		0);
	assert_int_equal(db_int(dir, "SELECT sum(count) FROM Rollup WHERE dim = 'surface'"), 4000);
	assert_string_equal(db_text(dir, "PRAGMA integrity_check"), "ok");
}

#ifdef SIGNET_FAULTS
/* No batch goes in; what is over the bound goes first, so that there is room. */
static void test_a_full_disk_has_retention_run_at_once(void **state)
{
	struct store *s = open_with((struct retention_options){ 0 });

	(void)state;
	for (int i = 0; i < 700; i++)
		append_aged(s, "old", 40000, DAY_MS + (uint64_t)i * 1000);
	wait_caught_up(s);
	assert_int_equal(store_close(s), 0);
	assert_true(file_mb() > 24);
	fault_setup("sqlite.full:1+");
	s = open_with((struct retention_options){ 0 });
	append_aged(s, "new", 100, 0);
	assert_true(store_close(s) > 0); /* it waits in the journal */
	s = open_with((struct retention_options){ .max_mb = 16 });
	for (int i = 0; i < 1500 && db_int(dir, "SELECT count(*) FROM InferenceById") == 700; i++)
		usleep(10000);
	assert_true(db_int(dir, "SELECT count(*) FROM InferenceById") < 700);
	fault_setup(NULL);
	wait_caught_up(s);
	wait_for("SELECT count(*) FROM InferenceById WHERE preview_in = 'new'", 1);
	assert_int_equal(store_close(s), 0);
	assert_int_equal(db_int(dir, WHOLE), 0);
}

static void test_kill_9_at_every_point_of_retention_and_the_work_behind(void **state)
{
	static const char *const points[] = {
		"retention.row",  "retention.row:60", "retention.bodies:30",
		"work.retention", "work.committed",   "work.committed:5",
		"work.words",     "work.shrink",      "work.fold",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(points); i++) {
		struct retention_options keep = { .days = 5, .body_days = 1 };
		struct store *s = open_with((struct retention_options){ 0 });
		int status = 0;
		pid_t child;

		for (int k = 0; k < 120; k++)
			append_aged(s, "ancient", 2000,
				    (k % 2 ? 10 : 3) * DAY_MS + (uint64_t)k * 1000);
		append_aged(s, "recent", 100, 1000);
		assert_int_equal(store_close(s), 0);
		child = fork();
		assert_true(child >= 0);
		if (!child) {
			fault_setup(points[i]);
			open_with(keep);
			sleep(20);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			fail_msg("%s was not passed", points[i]);
		assert_int_equal(db_int(dir, WHOLE), 0);
		s = open_with(keep);
		wait_for("SELECT count(*) FROM InferenceById", 61);
		wait_for("SELECT count(*) FROM ModelInference WHERE raw_request <> ''", 1);
		wait_indexed();
		assert_int_equal(store_close(s), 0);
		assert_int_equal(db_int(dir, WHOLE), 0);
		assert_int_equal(hits("recent"), 1);
		assert_int_equal(db_int(dir, "SELECT sum(count) FROM Rollup WHERE dim = 'surface'"),
				 121);
		assert_string_equal(db_text(dir, "PRAGMA integrity_check"), "ok");
		remove_tree(dir);
		assert_int_equal(mkdir(dir, 0700), 0);
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rows_older_than_days_go_whole, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_bodies_of_rows_that_come_late_go_too, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_bodies_go_earlier_than_their_rows, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_store_with_a_bound_runs_without_a_hand,
						setup, teardown),
#ifdef SIGNET_FAULTS
		cmocka_unit_test_setup_teardown(test_a_full_disk_has_retention_run_at_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			test_kill_9_at_every_point_of_retention_and_the_work_behind, setup,
			teardown),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
