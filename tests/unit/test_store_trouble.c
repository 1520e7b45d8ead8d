/* Seldom ways through the store: waits that end, packed records, files that somebody meddled with, rows that are none. */
#include "store_dir.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/metrics.h"
#include "fiber/loop.h"
#include "store/journal.h"

static struct store *open_store(const struct store_options *o)
{
	struct store *s = store_open(o);

	if (!s)
		fail_msg("%.*s", BFMT(error_last()->message));
	return s;
}

static int append_list(struct store *s, const char *preview, char id[37])
{
	struct record r;
	struct buf b;
	int refused;

	uuid_print(uuid_v7(), id);
	buf_init(&b, 8 << 20);
	buf_printf(&b, "{\"id\":\"%s\",\"preview_in\":\"%s\"}", id, preview);
	record_init(&r);
	assert_int_equal(record_add(&r, ROW_INFERENCE_BY_ID, buf_bytes(&b)), 0);
	refused = store_append(s, &r);
	record_deinit(&r);
	buf_deinit(&b);
	return refused;
}

static void status_of(struct store *s, struct store_status *st, char *alarm, size_t n)
{
	struct arena a;

	arena_init(&a, 1 << 20);
	store_status(s, st, &a);
	snprintf(alarm, n, "%.*s", BFMT(st->alarm));
	arena_deinit(&a);
}

static void wait_alarm(struct store *s, const char *begins)
{
	struct store_status st;
	char alarm[500];

	for (int i = 0; i < 1000; i++) {
		status_of(s, &st, alarm, sizeof(alarm));
		if (!strncmp(alarm, begins, strlen(begins)))
			return;
		usleep(20000);
	}
	fail_msg("no alarm \"%s\" but \"%s\"", begins, alarm);
}

#ifdef SIGNET_FAULTS
struct waiting {
	struct store *s;
	int refused, todo;
};

static void *append_on_a_thread(void *arg)
{
	struct waiting *w = arg;
	char id[37];

	w->refused = append_list(w->s, "x", id);
	return NULL;
}

static void append_on_a_fiber(void *arg)
{
	struct waiting *w = arg;
	char id[37];

	w->refused += append_list(w->s, "x", id);
	if (!--w->todo)
		loop_stop(loop_self());
}

static void start_fibers(struct loop_task *t);
static struct {
	struct loop_task task;
	struct waiting w;
} on_loop = { .task = { .fn = start_fibers } };

static void start_fibers(struct loop_task *t)
{
	(void)t;
	for (int i = 0; i < 2; i++)
		assert_non_null(fiber_spawn("append", append_on_a_fiber, &on_loop.w));
}

/* The writer tries one of them until its time is over, the other one waits behind it: neither is recorded, each counts
 * once, and the next one is written. */
static void test_a_wait_that_is_over_counts_once(void **state)
{
	struct store_options o = test_options(dir);
	struct waiting w[2];
	struct store_status st;
	char id[37], alarm[500];
	struct store *s;
	pthread_t t[2];
	struct loop *l = NULL;
	int refused = 1;

	(void)state;
	o.refuse_when_full = true;
	o.wait_ms = 300;
	for (int fibers = 0; fibers < 2; fibers++) {
		s = open_store(&o);
		fault_setup("journal.full:1+");
		if (fibers) {
			l = loop_new(false);
			on_loop.w = (struct waiting){ .s = s, .todo = 2 };
			loop_post(l, &on_loop.task);
			loop_run(l);
			assert_int_equal(on_loop.w.refused, 2);
		} else {
			for (int i = 0; i < 2; i++) {
				w[i] = (struct waiting){ .s = s };
				assert_int_equal(
					pthread_create(&t[i], NULL, append_on_a_thread, &w[i]), 0);
			}
			for (int i = 0; i < 2; i++)
				pthread_join(t[i], NULL);
			assert_int_equal(w[0].refused + w[1].refused, 2);
		}
		usleep(300000); /* the writer's own time for them */
		fault_setup(NULL);
		for (int i = 0; i < 200 && refused; i++) {
			usleep(20000);
			refused = store_refuses(s) ? 1 : append_list(s, "next", id);
		}
		assert_int_equal(refused, 0);
		wait_caught_up(s);
		status_of(s, &st, alarm, sizeof(alarm));
		assert_int_equal(st.unrecorded, 2);
		assert_int_equal(store_close(s), 0);
		assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), 1 + fibers);
		refused = 1;
	}
	loop_free(
		l); /* only now: a sanitizer takes its descriptors' numbers, come back on a thread, for a race */
}
#endif

#ifdef SIGNET_FAULTS
static int retries(void)
{
	struct buf page;
	ptrdiff_t at;
	int n;

	buf_init(&page, 4 << 20);
	assert_int_equal(metrics_print(&page) || buf_putc(&page, 0), 0);
	at = bytes_find(buf_bytes(&page), B("\nsignet_sink_retries_total "));
	assert_true(at >= 0);
	n = atoi(page.data + at + 27);
	buf_deinit(&page);
	return n;
}

/* A disk that stays full is asked after 1 s, then after 2 s: not all the time. */
static void test_a_full_disk_is_left_in_peace(void **state)
{
	struct store_options o = test_options(dir);
	struct store *s;
	char id[37];
	int before;

	(void)state;
	/* one of its own: nobody else makes room on it */
	if (mount("tmpfs", dir, "tmpfs", 0, "size=64m,mode=0700"))
		skip();
	s = open_store(&o);
	before = retries();
	fault_setup("sqlite.full:1+");
	append_list(s, "x", id);
	wait_alarm(s, "no room for signet.db in ");
	usleep(900000);
	assert_in_range(retries() - before, 1, 3);
	fault_setup(NULL);
	assert_int_equal(store_close(s), 0);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), 1);
	umount2(dir, MNT_DETACH);
}

/* An allocation fails while it opens, each one in turn: it is open and whole, or it is not and says so. */
static void test_it_opens_whole_or_not_at_all(void **state)
{
	struct store_options o = test_options(dir);
	int opened = 0, refused = 0;
	char spec[32], id[37];

	(void)state;
	for (int n = 1; n <= 25; n++) {
		struct store *s;

		snprintf(spec, sizeof(spec), "alloc:%d", n);
		fault_setup(spec);
		s = store_open(&o);
		fault_setup(NULL);
		if (!s) {
			assert_true(error_last()->message.n > 0);
			refused++;
			continue;
		}
		assert_int_equal(append_list(s, "x", id), 0);
		wait_caught_up(s);
		assert_int_equal(store_close(s), 0);
		assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), ++opened);
		assert_string_equal(db_text(dir, "SELECT config FROM ConfigSnapshot"),
				    "[gateway]\n");
	}
	assert_true(refused > 0 && opened > 0);
}
#endif

static void test_a_packed_record_is_the_same(void **state)
{
	static char same[40001], mixed[40001];
	struct store_options o = test_options(dir);
	char id[3][37];
	struct record r;
	struct buf b;
	struct store *s;

	(void)state;
	memset(same, 'x', sizeof(same) - 1);
	for (size_t i = 0; i + 1 < sizeof(mixed); i += 32) {
		uint8_t noise[16];

		random_bytes(noise, 16);
		hex_print(noise, 16, mixed + i);
	}
	o.compress = true;
	s = open_store(&o);
	append_list(s, same, id[0]);
	append_list(s, mixed, id[1]);
	append_list(s, "short", id[2]);
	/* and one that goes to the dead letter, packed */
	buf_init(&b, 1 << 20);
	buf_printf(&b, "{\"x\":\"%s\"}", same);
	record_init(&r);
	assert_int_equal(record_add(&r, (enum row_table)99, buf_bytes(&b)), 0);
	assert_int_equal(store_append(s, &r), 0);
	record_deinit(&r);
	buf_deinit(&b);
	assert_int_equal(store_close(s), 0);
	assert_string_equal(
		db_dump(dir,
			"SELECT length(preview_in) AS n, preview_in GLOB 'x*' AS x FROM InferenceById ORDER BY seq"),
		"n=40000 x=1\nn=40000 x=0\nn=5 x=0\n");
	{
		char path[400], month[8];
		time_t now = time(NULL);
		struct tm tm;
		struct stat st;

		gmtime_r(&now, &tm);
		strftime(month, sizeof(month), "%Y%m", &tm);
		snprintf(path, sizeof(path), "%s/journal/dead/sqlite-%s.ndjson", dir, month);
		assert_int_equal(stat(path, &st), 0);
		assert_true(st.st_size > 40000);
	}
}

static void overwrite(const char *name, off_t from, size_t n)
{
	char path[400], noise[64];
	int fd;

	memset(noise, 'N', sizeof(noise));
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	for (size_t i = 0; i < n; i += sizeof(noise))
		assert_int_equal(pwrite(fd, noise, sizeof(noise), from + (off_t)i), sizeof(noise));
	close(fd);
}

/* A log that was left behind says that the stop was not clean, so the file is looked through. */
static void test_damage_found_by_the_check_is_replayed(void **state)
{
	struct store_options o = test_options(dir);
	struct store *s = open_store(&o);
	char id[37];

	(void)state;
	for (int i = 0; i < 200; i++)
		append_list(s, "somewhat longer than nothing at all", id);
	assert_int_equal(store_close(s), 0);
	overwrite(
		"signet.db",
		db_int(dir,
		       "SELECT max(rootpage) * 16384 - 16384 FROM sqlite_schema WHERE name = 'InferenceById'"),
		16384);
	overwrite("signet.db-wal", 0, 64);
	s = open_store(&o);
	wait_alarm(s, "signet.db was damaged (found by the check after an unclean stop)");
	wait_caught_up(s);
	assert_int_equal(store_close(s), 0);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), 200);
}

/* Twice in one second: the first one that was set aside stays. */
static void test_a_store_without_a_table_is_set_aside(void **state)
{
	struct store_options o = test_options(dir);
	char id[37];

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct store *s = open_store(&o);

		append_list(s, "x", id);
		if (i)
			wait_alarm(s, "signet.db.corrupt-");
		wait_caught_up(s);
		assert_int_equal(store_close(s), 0);
		assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), i + 1);
		db_int(dir, "DROP TABLE RequestError");
	}
	{
		char command[400];

		snprintf(command, sizeof(command),
			 "test $(ls %s | grep -c '^signet.db.corrupt-[0-9TZ-]*$') = 2", dir);
		assert_int_equal(system(command), 0);
	}
}

/* Nothing of a record is stored when one of its rows is at fault, and what stands around it is. */
static void test_a_row_at_fault_takes_its_record_along(void **state)
{
	static const struct {
		enum row_table table;
		const char *json;
	} bad[] = {
		{ ROW_MODEL_INFERENCE,
		  "{\"id\":\"no id\",\"inference_id\":\"i\",\"raw_request\":\"\",\"raw_response\":\"\",\"input_messages\":[],\"output\":[],\"model_name\":\"\",\"model_provider_name\":\"\",\"cached\":false}" },
		{ ROW_MODEL_INFERENCE, "{\"id\":\"x\"}" },
		{ ROW_CHAT_INFERENCE, "{}" },
		{ ROW_REQUEST_ERROR, "[]" },
		{ ROW_CONFIG_SNAPSHOT, "{\"config\":\"\"}" },
	};
	struct store_options o = test_options(dir);
	struct store *s = open_store(&o);
	struct record r;
	char id[37], json[100];

	(void)state;
	append_list(s, "before", id);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		uuid_print(uuid_v7(), id);
		snprintf(json, sizeof(json), "{\"id\":\"%s\"}", id);
		record_init(&r);
		add_row(&r, ROW_INFERENCE_BY_ID, json);
		add_row(&r, bad[i].table, bad[i].json);
		assert_int_equal(store_append(s, &r), 0);
		record_deinit(&r);
	}
	append_list(s, "behind", id);
	wait_alarm(s, "rows that do not fit signet.db are in journal/dead");
	assert_int_equal(store_close(s), 0);
	assert_string_equal(db_dump(dir, "SELECT preview_in FROM InferenceById ORDER BY seq"),
			    "preview_in='before'\npreview_in='behind'\n");
	assert_int_equal(db_int(dir, "SELECT count(*) FROM ModelInference"), 0);
}

/* A hash of any length gets its number, also one too long to be remembered. */
static void test_hashes_of_any_length(void **state)
{
	static const char *const hashes[] = {
		"1",
		"22222222222222222222222222222222222222222222222222222222222222222222222222222222",
		"333333333333333333333333333333333333333333333333333333333333333333333333333333333",
		"1"
	};
	struct store_options o = test_options(dir);
	struct store *s = open_store(&o);

	(void)state;
	for (int twice = 0; twice < 2; twice++)
		for (size_t i = 0; i < 4; i++) {
			struct record r;
			char id[37], json[300];

			uuid_print(uuid_v7(), id);
			snprintf(json, sizeof(json), "{\"id\":\"%s\",\"snapshot_hash\":\"%s\"}", id,
				 hashes[i]);
			record_init(&r);
			add_row(&r, ROW_INFERENCE_BY_ID, json);
			assert_int_equal(store_append(s, &r), 0);
			record_deinit(&r);
		}
	assert_int_equal(store_close(s), 0);
	assert_string_equal(
		db_dump(dir,
			"SELECT s.hash FROM InferenceById l JOIN ConfigSnapshot s ON s.n = l.snapshot_hash ORDER BY l.seq LIMIT 4"),
		"hash='1'\nhash='22222222222222222222222222222222222222222222222222222222222222222222222222222222'\nhash='333333333333333333333333333333333333333333333333333333333333333333333333333333333'\nhash='1'\n");
	assert_int_equal(db_int(dir, "SELECT count(*) FROM ConfigSnapshot"),
			 4); /* and the one in force */
}

static void test_directories_that_cannot_be_used(void **state)
{
	struct store_options o = test_options(dir);
	char path[400], want[500];
	int fd, lock = -1, again = -1;

	(void)state;
	assert_int_equal(store_lock_dir(dir, &lock), 0);
	assert_int_equal(store_lock_dir(dir, &again), 1);
	snprintf(want, sizeof(want), "%s is in use by process %ld", dir, (long)getpid());
	assert_int_equal(strncmp(error_last()->message.p, want, strlen(want)), 0);
	close(lock);
	snprintf(path, sizeof(path), "%s/file", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	o.data_dir = path;
	assert_null(store_open(&o));
	snprintf(path, sizeof(path), "%s/file/below", dir);
	assert_null(store_open(&o));
	snprintf(want, sizeof(want),
		 "%s/file/below: cannot be made: Not a directory (see --data-dir)", dir);
	assert_int_equal(strncmp(error_last()->message.p, want, strlen(want)), 0);
	assert_int_equal(store_lock_dir(path, &again), -1);
}

/* What a rewrite left that did not finish is not read, and goes. */
static void test_an_unfinished_rewrite_is_removed(void **state)
{
	struct store_options o = test_options(dir);
	struct stat st;
	char path[400], id[37];
	struct store *s;

	(void)state;
	s = open_store(&o);
	append_list(s, "x", id);
	assert_int_equal(store_close(s), 0);
	overwrite("journal/0000000000000001.sj.new", 0, 64);
	s = open_store(&o);
	snprintf(path, sizeof(path), "%s/journal/0000000000000001.sj.new", dir);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(store_close(s), 0);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#ifdef SIGNET_FAULTS
		T(test_a_wait_that_is_over_counts_once),
		T(test_a_full_disk_is_left_in_peace),
		T(test_it_opens_whole_or_not_at_all),
#endif
		T(test_a_packed_record_is_the_same),
		T(test_damage_found_by_the_check_is_replayed),
		T(test_a_store_without_a_table_is_set_aside),
		T(test_a_row_at_fault_takes_its_record_along),
		T(test_hashes_of_any_length),
		T(test_directories_that_cannot_be_used),
		T(test_an_unfinished_rewrite_is_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
