/* The record end to end: what is appended is in signet.db, once, in the shape of storage §6.3. */
#include "store_rows.h"

#include <pthread.h>
#include <sys/stat.h>

#include "fiber/loop.h"
#include "store/drainer.h"

static char dir[256];

static struct store *open_store(struct store_options *o)
{
	struct store *s = store_open(o);

	if (!s)
		fail_msg("%.*s", BFMT(error_last()->message));
	return s;
}

static void append_one(struct store *s, const char *text, char id[37])
{
	struct record r;

	make_record(&r, text, id);
	assert_int_equal(store_append(s, &r), 0);
	record_deinit(&r);
}

static int setup(void **state)
{
	(void)state;
	temp_dir(dir, sizeof(dir));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	remove_tree(dir);
	return 0;
}

static void test_appended_rows_are_in_the_tables(void **state)
{
	struct store_options o = test_options(dir);
	struct store *s = open_store(&o);
	char id[37], sql[256];

	(void)state;
	append_one(s, "Hello, world!", id);
	assert_int_equal(store_close(s), 0);

	assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), 1);
	assert_string_equal(db_text(dir, "SELECT id FROM InferenceById"), id);
	snprintf(sql, sizeof(sql), "SELECT seq >> 15 FROM ChatInference WHERE id = '%s'", id);
	{
		struct uuid u;

		uuid_parse(bytes_of(id), &u);
		assert_int_equal(db_int(dir, sql), uuid_v7_ms(u));
	}
	assert_string_equal(
		db_text(dir, "SELECT input FROM ChatInference"),
		"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hello, world!\"}]}]}");
	assert_string_equal(db_text(dir, "SELECT tool_params||dynamic_tools FROM ChatInference"),
			    "[]");
	assert_string_equal(db_text(dir, "SELECT raw_request FROM ModelInference"),
			    "{\"model\":\"x\",\"text\":\"Hello, world!\"}");
	assert_string_equal(db_text(dir, "SELECT raw_response FROM ModelInference"),
			    "{\"id\":1}\n");
	assert_int_equal(db_int(dir, "SELECT cost_nano FROM ModelInference"), 34500);
	assert_int_equal(db_int(dir, "SELECT http_status FROM ModelInference WHERE attempt = 1"),
			 200);
	assert_string_equal(db_text(dir, "SELECT signature FROM ModelInference"),
			    "{\"signer\":\"models.m.providers.p\"}");
	assert_string_equal(db_text(dir, "SELECT value FROM TagInference WHERE key = 'we\"ird'"),
			    "xA");
	assert_string_equal(db_text(dir, "SELECT snapshot_hash FROM inferences"), ROWS_HASH);
	assert_string_equal(db_text(dir, "SELECT config FROM ConfigSnapshot"), "[gateway]\n");
	assert_int_equal(
		db_int(dir, "SELECT count(*) FROM model_inferences WHERE cost = 0.0000345"), 1);
	assert_int_equal(db_int(dir, "PRAGMA application_id"), 0x53474E54);
}

static void test_files_are_closed_to_others(void **state)
{
	static const char *const files[] = { "lock", "node", "signet.db", NULL };
	struct store_options o;
	struct store *s;
	struct stat st;
	char path[400], id[37], own[280];

	(void)state;
	snprintf(own, sizeof(own), "%s/data", dir);
	o = test_options(own);
	s = open_store(&o);
	append_one(s, "x", id);
	assert_int_equal(stat(own, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	for (int i = 0; files[i]; i++) {
		snprintf(path, sizeof(path), "%s/%s", own, files[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	snprintf(path, sizeof(path), "%s/journal/0000000000000001.sj", own);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	store_close(s);
}

static void test_second_process_is_refused_with_the_pid(void **state)
{
	struct store_options o = test_options(dir);
	struct store *s = open_store(&o);
	char want[320];

	(void)state;
	assert_null(store_open(&o));
	snprintf(want, sizeof(want), "%s is in use by process %ld", dir, (long)getpid());
	assert_true(bytes_starts(error_last()->message, bytes_of(want)));
	assert_true(bytes_find(error_last()->message, B(" since 20")) > 0);
	assert_true(bytes_find(error_last()->message, B("test_store")) > 0); /* its command */
	assert_true(bytes_find(error_last()->message, B("--data-dir")) > 0);
	store_close(s);
}

static void test_numbers_go_on_over_restarts(void **state)
{
	struct store_options o = test_options(dir);
	char id[37];

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct store *s = open_store(&o);

		append_one(s, "again", id);
		assert_int_equal(store_close(s), 0);
	}
	assert_int_equal(db_int(dir, "SELECT count(*) FROM ChatInference"), 3);
	/* three records, three end records */
	assert_int_equal(db_int(dir, "SELECT recno FROM Delivered"), 5 + 1);
}

/* Fibers on two loops append at once. */
struct fibers {
	struct store *store;
	int todo, failed;
	bool cancel;
};

static void append_some(void *arg)
{
	struct fibers *f = arg;

	for (int i = 0; i < 50; i++) {
		struct record r;
		char id[37];

		if (f->cancel && i == 10)
			fiber_cancel(fiber_self());
		make_record(&r, "from a fiber", id);
		if (store_append(f->store, &r))
			f->failed++;
		record_deinit(&r);
		if (f->cancel && i == 10) {
			assert_true(fiber_cancelled());
			fiber_cancel_reset();
		}
	}
	if (!--f->todo)
		loop_stop(loop_self());
}

struct start {
	struct loop_task task;
	struct fibers *f;
};

static void start_fibers(struct loop_task *t)
{
	struct start *s = (struct start *)t;

	for (int i = 0; i < 10; i++)
		assert_non_null(fiber_spawn("append", append_some, s->f));
	free(s);
}

static void spawn_on(struct loop *l, struct fibers *f)
{
	struct start *s = calloc(1, sizeof(*s));

	s->task.fn = start_fibers;
	s->f = f;
	loop_post(l, &s->task);
}

static void *run_loop(void *arg)
{
	struct fibers *f = arg;
	struct loop *l = loop_new(f->cancel);

	assert_non_null(l);
	spawn_on(l, f);
	loop_run(l);
	loop_free(l);
	return NULL;
}

static void test_fibers_of_two_loops_append(void **state)
{
	struct store_options o = test_options(dir);
	struct store *s = open_store(&o);
	struct fibers f[2] = { { .store = s, .todo = 10 },
			       { .store = s, .todo = 10, .cancel = true } };
	pthread_t t[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, run_loop, &f[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(f[0].failed + f[1].failed, 0);
	assert_int_equal(store_close(s), 0);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), 1000);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM ModelInference"), 1000);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM TagInference WHERE key = 'user'"), 1000);
}

/* Two ids of one millisecond whose first random bits are equal: seq moves on by one. */
static void test_taken_seq_moves_on(void **state)
{
	static const char *const ids[] = { "0197c0de-1234-7abc-8def-000000000001",
					   "0197c0de-1234-7abc-8def-000000000002",
					   "0197c0de-1234-7abc-8def-000000000003" };
	struct store_options o = test_options(dir);
	struct store *s = open_store(&o);

	(void)state;
	for (int twice = 0; twice < 2; twice++) /* the second time they are there already */
		for (int i = 0; i < 3; i++) {
			struct record r;
			char json[100];
			int n = snprintf(json, sizeof(json), "{\"id\":\"%s\",\"state\":\"ok\"}",
					 ids[i]);

			record_init(&r);
			assert_int_equal(record_add(&r, ROW_INFERENCE_BY_ID,
						    (struct bytes){ json, (size_t)n }),
					 0);
			assert_int_equal(store_append(s, &r), 0);
			record_deinit(&r);
		}
	store_close(s);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), 3);
	assert_int_equal(db_int(dir, "SELECT max(seq) - min(seq) FROM InferenceById"), 2);
	assert_int_equal(db_int(dir, "SELECT count(DISTINCT timestamp) FROM InferenceById"), 1);
}

static void test_record_over_its_bound_is_served_and_counted(void **state)
{
	struct store_options o = test_options(dir);
	struct store *s = open_store(&o);
	struct store_status st;
	struct record r;
	struct arena a;
	char room[2000] = { 0 };

	(void)state;
	record_init(&r);
	r.payload.max = 1000;
	assert_int_equal(record_add(&r, ROW_REQUEST_ERROR, (struct bytes){ room, sizeof(room) }),
			 -1);
	assert_int_equal(store_append(s, &r), 1);
	record_deinit(&r);
	arena_init(&a, 1 << 16);
	store_status(s, &st, &a);
	assert_int_equal(st.unrecorded, 1);
	arena_deinit(&a);
	store_close(s);
}

static void test_status_tells_the_backlog(void **state)
{
	struct store_options o = test_options(dir);
	struct store *s = open_store(&o);
	struct store_status st;
	struct arena a;
	char id[37];

	(void)state;
	arena_init(&a, 1 << 20);
	append_one(s, "x", id);
	for (int i = 0; i < 300; i++) {
		store_status(s, &st, &a);
		if (!st.backlog_records)
			break;
		usleep(10000);
	}
	assert_string_equal(st.state, "ok");
	assert_int_equal(st.backlog_records, 0);
	assert_int_equal(st.backlog_bytes, 0);
	assert_int_equal(st.unrecorded, 0);
	assert_true(st.disk_free_bytes > 0);
	assert_null(st.alarm.p);
	arena_deinit(&a);
	store_close(s);
}

static void test_a_journal_half_full_says_when_it_will_be_full(void **state)
{
	static const char want[] = "the journal is half full and will be full at 2";
	static char text[60000];
	struct store_options o = test_options(dir);
	struct store_status st;
	struct store *s;
	struct arena a;
	char path[400], id[37];
	sqlite3 *db;

	(void)state;
	o.max_mb = 1;
	s = open_store(&o);
	arena_init(&a, 1 << 20);
	snprintf(path, sizeof(path), "%s/signet.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	memset(text, 'x', sizeof(text) - 1);
	append_one(s, text, id); /* its text stands there twice and in the preview */
	usleep(5000);
	store_status(s, &st, &a);
	assert_false(st.alarm.n && !strncmp(st.alarm.p, want, strlen(want)));
	for (int i = 0; i < 3; i++)
		append_one(s, text, id);
	usleep(5000);
	store_status(s, &st, &a);
	assert_true(st.backlog_bytes > 512 << 10);
	assert_true(st.alarm.n > strlen(want));
	assert_int_equal(strncmp(st.alarm.p, want, strlen(want)), 0);
	assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	arena_deinit(&a);
	assert_int_equal(store_close(s), 0);
}

/* A lock file that holds no number, and a node id that is none: the next start makes them anew. */
static void test_small_files_are_made_anew(void **state)
{
	struct store_options o = test_options(dir);
	char path[400], node[40] = "", again[40] = "";
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/node", dir);
	f = fopen(path, "w");
	assert_int_equal(fwrite("0123456789abcdef0123456789abcdeg", 1, 32, f), 32);
	fclose(f);
	for (int i = 0; i < 2; i++) {
		store_close(open_store(&o));
		f = fopen(path, "r");
		assert_int_equal(fread(i ? again : node, 1, 33, f), 33);
		fclose(f);
	}
	assert_string_equal(node, again);
	assert_int_equal(node[32], '\n');
	assert_int_equal(strspn(node, "0123456789abcdef"), 32);
}

/* Bytes are of a journal of 8000: an eighth is 1000. */
static void test_whose_turn_it_is(void **state)
{
	(void)state;
	assert_int_equal(drainer_pace(GENTLE, 0, 0, 8000), GENTLE);
	assert_int_equal(drainer_pace(GENTLE, 29999, 999, 8000), GENTLE);
	assert_int_equal(drainer_pace(GENTLE, 30000, 1, 8000), URGENT);
	assert_int_equal(drainer_pace(GENTLE, 1, 1000, 8000), URGENT);
	/* the urgent one goes on until it has caught up */
	assert_int_equal(drainer_pace(URGENT, 1, 1, 8000), URGENT);
	assert_int_equal(drainer_pace(URGENT, 0, 0, 8000), GENTLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_appended_rows_are_in_the_tables),
		T(test_files_are_closed_to_others),
		T(test_second_process_is_refused_with_the_pid),
		T(test_numbers_go_on_over_restarts),
		T(test_fibers_of_two_loops_append),
		T(test_taken_seq_moves_on),
		T(test_record_over_its_bound_is_served_and_counted),
		T(test_status_tells_the_backlog),
		T(test_a_journal_half_full_says_when_it_will_be_full),
		T(test_small_files_are_made_anew),
		T(test_whose_turn_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
