/* A database of an older schema, with rows in it, becomes one of this version's, whatever happens on the way. */
#include "store_dir.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/schema.h"

static struct store *open_store(void)
{
	struct store_options o = test_options(dir);
	struct store *s = store_open(&o);

	if (!s)
		fail_msg("%.*s", BFMT(error_last()->message));
	return s;
}

/* signet.db as the first version left it: its own CREATE text, three inferences, one of them failed. */
static void make_old(void)
{
	char path[512];
	struct buf sql;
	sqlite3 *db;
	int fd = open("tests/unit/schemas/1.sql", O_RDONLY);

	assert_true(fd >= 0);
	buf_init(&sql, 1 << 20);
	while (buf_read(&sql, fd) > 0)
		;
	close(fd);
	assert_int_equal(buf_putc(&sql, 0), 0);
	snprintf(path, sizeof(path), "%s/signet.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql.data, NULL, NULL, NULL))
		fail_msg("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
	buf_deinit(&sql);
	assert_int_equal(db_int(dir, "PRAGMA user_version"), 1);
}

static bool is_there(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

/* The copy that was made before, as a database of its own. */
static int64_t copy_int(const char *sql)
{
	char from[512], as[512], folder[400];
	int64_t n;

	snprintf(folder, sizeof(folder), "%s/copy", dir);
	assert_int_equal(mkdir(folder, 0700), 0);
	snprintf(from, sizeof(from), "%s/signet.db.before-2", dir);
	snprintf(as, sizeof(as), "%s/signet.db", folder);
	assert_int_equal(link(from, as), 0);
	n = db_int(folder, sql);
	remove_tree(folder);
	return n;
}

#define COLUMNS \
	"SELECT group_concat(x, '; ') FROM (SELECT t.name || ': ' || (SELECT group_concat(n, ',') FROM (SELECT c.name || ' ' || c.type || c.\"notnull\" || c.pk AS n FROM pragma_table_xinfo(t.name) c ORDER BY c.name)) AS x FROM pragma_table_list t WHERE t.schema = 'main' AND t.type IN ('table', 'view') AND t.name NOT LIKE 'sqlite%' ORDER BY t.name)"

#define INDEXES \
	"SELECT group_concat(sql, '; ') FROM (SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name)"

static void check_changed(void)
{
	static char fresh[8192];
	char other[400];
	struct store_options o = test_options(other);

	assert_int_equal(db_int(dir, "PRAGMA user_version"), SINK_SCHEMA);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), 3);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM ChatInference"), 2);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM ModelInference"), 2);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM inferences"), 3);
	assert_string_equal(db_text(dir, "PRAGMA integrity_check"), "ok");
	assert_true(is_there("signet.db.before-2"));
	assert_false(is_there("signet.db.before.tmp"));
	assert_int_equal(copy_int("PRAGMA user_version"), 1);
	assert_int_equal(copy_int("SELECT count(*) FROM InferenceById"), 3);
	assert_int_equal(copy_int("SELECT count(*) FROM TagInference"), 2);
	assert_int_equal(copy_int("SELECT recno FROM Delivered"), 4);
	assert_int_equal(
		copy_int(
			"SELECT count(*) FROM sqlite_schema WHERE name LIKE '%Inference' AND name NOT LIKE 'Tag%'"),
		0);
	/* a new file and a changed one are alike */
	temp_dir(other, sizeof(other));
	assert_int_equal(store_close(store_open(&o)), 0);
	snprintf(fresh, sizeof(fresh), "%s", db_text(other, COLUMNS));
	assert_string_equal(db_text(dir, COLUMNS), fresh);
	snprintf(fresh, sizeof(fresh), "%s", db_text(other, INDEXES));
	assert_non_null(strstr(fresh, "InferenceById_time"));
	assert_string_equal(db_text(dir, INDEXES), fresh);
	remove_tree(other);
}

static void test_an_older_database_is_changed_and_goes_on(void **state)
{
	struct store *s;
	struct record r;
	char id[37], sql[200];

	(void)state;
	make_old();
	assert_int_equal(store_close(open_store()), 0);
	check_changed();
	s = open_store();
	make_record(&r, "after the change", id);
	assert_int_equal(store_append(s, &r), 0);
	record_deinit(&r);
	assert_int_equal(store_close(s), 0);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM inferences WHERE id = '%s'", id);
	assert_int_equal(db_int(dir, sql), 1);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), 4);
}

static void test_a_newer_database_is_refused_and_left_alone(void **state)
{
	struct store_options o = test_options(dir);
	char said[100];

	(void)state;
	make_old();
	db_int(dir, "PRAGMA user_version = 99");
	assert_null(store_open(&o));
	snprintf(said, sizeof(said), "has schema 99, this version knows schemas up to %d",
		 SINK_SCHEMA);
	assert_true(bytes_find(error_last()->message, bytes_of(said)) >= 0);
	assert_int_equal(db_int(dir, "PRAGMA user_version"), 99);
	assert_false(is_there("signet.db.before-2"));
}

/* Its pages are gone, but for the first ones: it is set aside as any damaged one, and a new one serves. */
static void test_an_older_database_that_was_cut_is_set_aside(void **state)
{
	char path[512];

	(void)state;
	make_old();
	snprintf(path, sizeof(path), "%s/signet.db", dir);
	assert_int_equal(truncate(path, 16384 * 3), 0);
	assert_int_equal(store_close(open_store()), 0);
	assert_int_equal(db_int(dir, "PRAGMA user_version"), SINK_SCHEMA);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), 0);
}

/* Another program holds the file: the start does not fail, and the change is made when it lets go. */
static void test_a_locked_one_is_changed_later(void **state)
{
	char path[512];
	struct store *s;
	struct record r;
	char id[37];
	sqlite3 *db;

	(void)state;
	make_old();
	snprintf(path, sizeof(path), "%s/signet.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	s = open_store(); /* after the five seconds of a lock */
	make_record(&r, "meanwhile", id);
	assert_int_equal(store_append(s, &r), 0);
	record_deinit(&r);
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	wait_caught_up(s);
	assert_int_equal(store_close(s), 0);
	assert_int_equal(db_int(dir, "PRAGMA user_version"), SINK_SCHEMA);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), 4);
}

#ifdef SIGNET_FAULTS
/* No room for the copy, or an error in the step: the old file is whole, and the next try does it. */
static void test_a_change_that_fails_is_tried_again(void **state)
{
	static const char *const points[] = { "migrate.copy:1", "migrate.step:1" };

	(void)state;
	for (size_t i = 0; i < COUNT(points); i++) {
		struct store *s;

		make_old();
		fault_setup(points[i]);
		s = open_store();
		usleep(100000);
		fault_setup(NULL);
		for (int k = 0; k < 600 && db_int(dir, "PRAGMA user_version") != SINK_SCHEMA; k++)
			usleep(20000);
		store_close(s);
		check_changed();
		remove_tree(dir);
		assert_int_equal(mkdir(dir, 0700), 0);
	}
}

static void test_kill_9_at_every_point_of_a_change(void **state)
{
	static const char *const points[] = { "migrate.copying", "migrate.copied",
					      "migrate.stepping", "migrate.commit",
					      "migrate.done" };

	(void)state;
	for (size_t i = 0; i < COUNT(points); i++) {
		int status = 0;
		pid_t child;

		make_old();
		child = fork();
		assert_true(child >= 0);
		if (!child) {
			struct store_options o = test_options(dir);

			fault_setup(points[i]);
			store_open(&o);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			fail_msg("%s was not passed", points[i]);
		assert_int_equal(store_close(open_store()), 0);
		check_changed();
		remove_tree(dir);
		assert_int_equal(mkdir(dir, 0700), 0);
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_an_older_database_is_changed_and_goes_on,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_newer_database_is_refused_and_left_alone,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_older_database_that_was_cut_is_set_aside,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_locked_one_is_changed_later, setup,
						teardown),
#ifdef SIGNET_FAULTS
		cmocka_unit_test_setup_teardown(test_a_change_that_fails_is_tried_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_kill_9_at_every_point_of_a_change, setup,
						teardown),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
