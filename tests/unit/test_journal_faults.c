/*
 * The promise of storage §7: what was acknowledged is in the store after the next start, once; what was not
 * is counted. Tried with every failure that can be injected, with kill -9, full disks, damaged files.
 */
#include "store_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/metrics.h"
#include "store/journal.h"

static struct store *open_store(struct store_options *o)
{
	struct store *s = store_open(o);

	if (!s)
		fail_msg("%.*s", BFMT(error_last()->message));
	return s;
}

struct ids {
	char at[4000][UUID_TEXT + 1];
	size_t n, refused;
};

static bool append_to(struct store *s, struct ids *ids)
{
	struct record r;
	char id[37];
	bool ok;

	make_record(&r, "some text that stands for a body", id);
	ok = !store_append(s, &r);
	record_deinit(&r);
	if (ok)
		memcpy(ids->at[ids->n++], id, sizeof(id));
	else
		ids->refused++;
	return ok;
}

/* Every acknowledged id stands in each table once. */
static void check_ids(const struct ids *ids, const char *what)
{
	char path[512];
	sqlite3 *db;
	sqlite3_stmt *st;

	snprintf(path, sizeof(path), "%s/signet.db", dir);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	assert_int_equal(
		sqlite3_prepare_v2(
			db,
			"SELECT (SELECT count(*) FROM InferenceById WHERE id = ?1) * 100 + (SELECT count(*) FROM ChatInference WHERE id = ?1) * 10 + (SELECT count(*) FROM ModelInference WHERE inference_id = ?1)",
			-1, &st, NULL),
		SQLITE_OK);
	for (size_t i = 0; i < ids->n; i++) {
		sqlite3_bind_text(st, 1, ids->at[i], -1, SQLITE_STATIC);
		assert_int_equal(sqlite3_step(st), SQLITE_ROW);
		if (sqlite3_column_int(st, 0) != 111)
			fail_msg("%s: record %zu of %zu (%s) is there %d", what, i, ids->n,
				 ids->at[i], sqlite3_column_int(st, 0));
		sqlite3_reset(st);
	}
	sqlite3_finalize(st);
	sqlite3_close(db);
}

static uint64_t unrecorded(struct store *s)
{
	struct store_status st;
	struct arena a;

	arena_init(&a, 1 << 20);
	store_status(s, &st, &a);
	arena_deinit(&a);
	return st.unrecorded;
}

/* Opens without faults, so that all that waits is delivered. */
static void deliver(struct store_options *o)
{
	fault_setup(NULL);
	assert_int_equal(store_close(open_store(o)), 0);
}

static int64_t count_files(const char *sub, const char *part)
{
	char path[400];
	struct dirent *e;
	int64_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", dir, sub);
	d = opendir(path);
	while (d && (e = readdir(d)))
		n += strstr(e->d_name, part) != NULL;
	if (d)
		closedir(d);
	return n;
}

#ifdef SIGNET_FAULTS
static void one_failure(const char *spec, int sync, bool refuse)
{
	struct store_options o = test_options(dir);
	struct ids *ids = calloc(1, sizeof(*ids));
	struct store *s;

	o.sync = sync;
	o.refuse_when_full = refuse;
	o.wait_ms =
		20000; /* whose time is over may be written all the same: the counts below would differ */
	remove_tree(dir);
	mkdir(dir, 0700);
	fault_setup(spec);
	s = store_open(&o);
	if (!s) { /* the failure met the start, which says so; the next one works */
		assert_true(error_last()->message.n > 0);
		fault_setup(NULL);
		s = open_store(&o);
	}
	for (int i = 0; i < 40; i++) {
		append_to(s, ids);
		if (i % 10 == 9)
			usleep(25000); /* a batch, a sync */
	}
	if (unrecorded(s) != ids->refused)
		fail_msg("%s: %zu refused, %d counted", spec, ids->refused, (int)unrecorded(s));
	store_close(s);
	deliver(&o);
	check_ids(ids, spec);
	if (db_int(dir, "SELECT count(*) FROM InferenceById") != (int64_t)ids->n)
		fail_msg("%s: %zu acknowledged, other rows are there", spec, ids->n);
	free(ids);
}

static void test_every_injected_failure(void **state)
{
	static const char *const points[] = {
		"journal.write",   "journal.full",  "journal.short",     "journal.fsync",
		"journal.open",    "journal.alloc", "journal.fallocate", "journal.truncate",
		"journal.prepare", "sqlite.open",   "sqlite.begin",      "sqlite.step",
		"sqlite.commit",   "sqlite.full",   "drainer.open",      "journal.read",
	};
	double lost = metric_sum(&metric_lost);

	(void)state;
	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++)
		for (int nth = 1; nth <= 3; nth++)
			for (int sync = 0; sync < 3; sync++) {
				char spec[64];

				snprintf(spec, sizeof(spec), "%s:%d", points[i], nth);
				one_failure(spec, sync, nth == 2);
			}
	assert_true(metric_sum(&metric_lost) == lost);
}

static void test_failed_sync_is_written_again_elsewhere(void **state)
{
	(void)state;
	/* two in a row: the file and its replacement; with a write that could not be cut back */
	one_failure("journal.fsync:1,journal.fsync:2", 1, false);
	one_failure("journal.fsync:2,journal.write:20", 1, false);
	one_failure("journal.write:7,journal.truncate:1", 1, false);
	one_failure("journal.short:3,journal.fsync:2", 1, true);
}

static void test_failure_that_stays_is_counted_and_ends(void **state)
{
	struct store_options o = test_options(dir);
	struct ids *ids = calloc(1, sizeof(*ids));
	struct store *s = open_store(&o);
	bool again = false;

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_true(append_to(s, ids));
	fault_setup("journal.write:1+");
	for (int i = 0; i < 20; i++)
		assert_false(append_to(s, ids));
	assert_int_equal(unrecorded(s), 20);
	fault_setup(NULL);
	for (int i = 0; i < 40 && !again; i++) {
		usleep(100000);
		again = append_to(s, ids);
	}
	assert_true(again);
	assert_int_equal(unrecorded(s), ids->refused);
	store_close(s);
	deliver(&o);
	check_ids(ids, "after a failure that stayed");
	free(ids);
}

/* What SQLite holds in memory it does not read again, so the file is opened anew: the sink does that after an I/O error. */
static void test_store_found_corrupt_while_serving_is_replaced(void **state)
{
	struct store_options o = test_options(dir);
	struct ids *ids = calloc(1, sizeof(*ids));
	struct store *s = open_store(&o);
	struct store_status st;
	struct arena a;
	char path[400];
	int64_t set_aside;
	int fd;

	(void)state;
	arena_init(&a, 1 << 20);
	for (int i = 0; i < 50; i++)
		assert_true(append_to(s, ids));
	wait_caught_up(s);
	snprintf(path, sizeof(path), "%s/signet.db-wal", dir);
	assert_int_equal(truncate(path, 0), 0);
	snprintf(path, sizeof(path), "%s/signet.db", dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 4000; i++)
		assert_int_equal(pwrite(fd, "noise that no database holds....", 32, i * 32), 32);
	close(fd);
	fault_setup("sqlite.step:1");
	for (int i = 0; i < 50; i++)
		assert_true(append_to(s, ids));
	wait_caught_up(s);
	store_status(s, &st, &a);
	assert_int_equal(strncmp(st.alarm.p, "signet.db was damaged (", 23), 0);
	/* with its log and index, unless it was found by work between batches, whose connection takes these away */
	set_aside = count_files(".", "signet.db.corrupt-");
	assert_true(set_aside == 3 || set_aside == 1);
	arena_deinit(&a);
	store_close(s);
	deliver(&o);
	check_ids(ids, "after noise under load");
	free(ids);
}
#endif

/* ---- kill -9 ---- */

struct child {
	struct store *s;
	int pipe;
};

static void *append_forever(void *arg)
{
	struct child *c = arg;

	for (;;) {
		struct record r;
		char id[37];

		make_record(&r, "text", id);
		if (!store_append(c->s, &r) && write(c->pipe, id, 37) != 37)
			_exit(3);
		record_deinit(&r);
	}
	return NULL;
}

/* The child appends on four threads and names each id when it is acknowledged, until it is killed. */
static void run_and_kill(struct store_options *o, struct ids *ids, unsigned us)
{
	int p[2];
	pid_t pid;
	size_t from = ids->n;

	assert_int_equal(pipe(p), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct child c = { .s = store_open(o), .pipe = p[1] };
		pthread_t t;

		if (!c.s)
			_exit(4);
		for (int i = 0; i < 4; i++)
			pthread_create(&t, NULL, append_forever, &c);
		pause();
	}
	close(p[1]);
	while (ids->n < from + 20 + us % 37) {
		struct pollfd f = { .fd = p[0], .events = POLLIN };

		if (poll(&f, 1, 60000) != 1 || read(p[0], ids->at[ids->n], 37) != 37) {
			int status = 0;
			bool ended = waitpid(pid, &status, WNOHANG) == pid;

			kill(pid, SIGKILL);
			fail_msg(
				"nothing is acknowledged any more after %zu records; the child %s, status %x",
				ids->n - from, ended ? "ended" : "lives", (unsigned)status);
		}
		ids->n++;
	}
	usleep(us);
	kill(pid, SIGKILL);
	while (ids->n < 4000 && read(p[0], ids->at[ids->n], 37) == 37)
		ids->n++;
	close(p[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_kill_9_loses_nothing_acknowledged(void **state)
{
	struct store_options o = test_options(dir);
	struct ids *ids = calloc(1, sizeof(*ids));

	(void)state;
	for (int i = 0; i < 8 && ids->n < 3000; i++)
		run_and_kill(&o, ids, (unsigned)i * 3700u + 500);
	assert_true(ids->n > 100);
	deliver(&o);
	check_ids(ids, "after kill -9");
	free(ids);
}

/* ---- full disks ---- */

/* A small file system on dir, or false (not root). */
static bool mount_small(const char *options)
{
	return !mount("tmpfs", dir, "tmpfs", 0, options);
}

static int fill_disk(const char *path)
{
	char block[4096] = { 1 };
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	while (write(fd, block, sizeof(block)) == sizeof(block))
		;
	return close(fd);
}

static void full_disk(bool refuse)
{
	struct store_options o;
	struct ids *ids = calloc(1, sizeof(*ids));
	char ballast[400], data[300];
	struct store *s;
	bool again = false;
	size_t during;

	if (!mount_small("size=12m,mode=0700")) {
		free(ids);
		skip();
	}
	snprintf(data, sizeof(data), "%s/data", dir);
	snprintf(ballast, sizeof(ballast), "%s/ballast", dir);
	o = test_options(data);
	o.refuse_when_full = refuse;
	o.wait_ms =
		20000; /* whose time is over may be written all the same: the counts below would differ */
	s = open_store(&o);
	for (int i = 0; i < 50; i++)
		assert_true(append_to(s, ids));
	wait_caught_up(s);
	for (int i = 0; i < 400 && !atomic_load(&((struct journal *)s)->full); i++) {
		fill_disk(ballast); /* again: what is delivered makes room */
		usleep(50000);      /* it looks once a second */
	}
	fill_disk(ballast);
	if (refuse)
		assert_true(store_refuses(s));
	for (int i = 0; i < 50; i++)
		append_to(s, ids);
	during = ids->refused;
	if (!refuse)
		assert_int_equal(during, 50);
	unlink(ballast);
	for (int i = 0; i < 400 && !again; i++) {
		usleep(50000);
		again = !store_refuses(s) && append_to(s, ids);
	}
	assert_true(again);
	for (int i = 0; i < 50; i++)
		assert_true(append_to(s, ids));
	assert_int_equal(unrecorded(s), ids->refused);
	store_close(s);
	deliver(&o);
	{
		char outer[256];

		memcpy(outer, dir, sizeof(dir));
		memcpy(dir, data, sizeof(dir));
		check_ids(ids, "after a full disk");
		assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), ids->n);
		memcpy(dir, outer, sizeof(dir));
	}
	umount2(dir, MNT_DETACH);
	free(ids);
}

static void test_full_disk_serving_counts_what_is_missing(void **state)
{
	(void)state;
	full_disk(false);
}

static void test_full_disk_refusing_writes_what_runs(void **state)
{
	(void)state;
	full_disk(true);
}

static void test_read_only_directory_is_refused(void **state)
{
	struct store_options o = test_options(dir);

	(void)state;
	if (geteuid()) {
		assert_int_equal(chmod(dir, 0500), 0);
	} else if (!mount_small("size=1m") ||
		   mount("tmpfs", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=1m")) {
		skip();
	}
	assert_null(store_open(&o));
	assert_non_null(strstr(error_last()->message.p, "is not writable"));
	if (geteuid())
		chmod(dir, 0700);
	else
		umount2(dir, MNT_DETACH);
}

/* ---- other programs ---- */

/* Another program, forked before there are threads: takes the lock when told to, and holds it until killed. */
static pid_t fork_locker(int go[2], int ready[2])
{
	char path[400], c;
	sqlite3 *db;
	pid_t pid;

	assert_int_equal(pipe(go) | pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid) {
		close(go[0]);
		close(ready[1]);
		return pid;
	}
	close(go[1]);
	snprintf(path, sizeof(path), "%s/signet.db", dir);
	if (read(go[0], &c, 1) != 1 || sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL))
		_exit(1);
	sqlite3_busy_timeout(db, 10000);
	if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) || write(ready[1], "x", 1) != 1)
		_exit(1);
	pause();
	_exit(0);
}

static void test_locked_store_names_the_holder_and_goes_on(void **state)
{
	struct store_options o = test_options(dir);
	struct ids *ids = calloc(1, sizeof(*ids));
	struct store_status st;
	struct store *s;
	struct arena a;
	int go[2], ready[2];
	char want[100], c;
	pid_t pid = fork_locker(go, ready);

	(void)state;
	arena_init(&a, 1 << 20);
	s = open_store(&o);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(read(ready[0], &c, 1), 1);
	for (int i = 0; i < 20; i++)
		assert_true(append_to(s, ids)); /* the answer does not wait for the store */
	snprintf(want, sizeof(want), "signet.db is locked by process %d", (int)pid);
	for (int i = 0; i < 200; i++) {
		store_status(s, &st, &a);
		if (st.alarm.n)
			break;
		usleep(100000);
	}
	assert_string_equal(st.state, "slow");
	assert_int_equal(st.alarm.n, strlen(want));
	assert_memory_equal(st.alarm.p, want, strlen(want));
	assert_true(st.backlog_records >= 20);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(go[1]);
	close(ready[0]);
	assert_int_equal(store_close(s), 0);
	check_ids(ids, "after a lock");
	arena_deinit(&a);
	free(ids);
}

static void test_store_overwritten_with_noise_is_replayed(void **state)
{
	struct store_options o = test_options(dir);
	struct ids *ids = calloc(1, sizeof(*ids));
	struct store *s = open_store(&o);
	struct store_status st;
	struct arena a;
	char path[400];
	int fd;

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_true(append_to(s, ids));
	assert_int_equal(store_close(s), 0);
	snprintf(path, sizeof(path), "%s/signet.db", dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "noise", 5, 0), 5);
	close(fd);
	s = open_store(&o);
	arena_init(&a, 1 << 20);
	store_status(s, &st, &a);
	arena_deinit(&a);
	assert_int_equal(store_close(s), 0);
	check_ids(ids, "after noise");
	assert_int_equal(count_files(".", "signet.db.corrupt-"), 1);
	s = open_store(&o);
	arena_init(&a, 1 << 20);
	store_status(s, &st, &a);
	assert_non_null(st.alarm.p); /* until somebody has moved the file away */
	arena_deinit(&a);
	store_close(s);
	free(ids);
}

static void test_later_schema_is_refused_with_both_numbers(void **state)
{
	struct store_options o = test_options(dir);

	(void)state;
	deliver(&o);
	db_int(dir, "PRAGMA user_version = 77");
	assert_null(store_open(&o));
	assert_non_null(strstr(error_last()->message.p, "schema 77"));
	assert_non_null(strstr(error_last()->message.p, "up to 7"));
}

/* ---- damaged journals ---- */

/* n records in one segment, nothing delivered. */
static void write_journal(struct ids *ids, int n)
{
	struct journal_options o = { .sync = SYNC_NEVER,
				     .sync_ms = 100,
				     .segment_bytes = 1 << 20,
				     .max_bytes = 64 << 20,
				     .queue_bytes = 16 << 20,
				     .wait_ms = 1000 };
	struct journal *j = calloc(1, sizeof(*j));
	uint8_t node[16] = { 1 };
	char path[400];

	snprintf(path, sizeof(path), "%s/journal", dir);
	mkdir(path, 0700);
	assert_int_equal(
		journal_open(j, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), &o, node, 0, 0), 0);
	for (int i = 0; i < n; i++) {
		struct record_head h = { .type = RECORD_GROUP, .parts = 3 };
		struct record r;
		char id[37];

		make_record(&r, "text", id);
		assert_int_equal(journal_append(j, &r.payload, &h), RECORDED);
		memcpy(ids->at[ids->n++], id, 37);
		record_deinit(&r);
	}
	journal_close(j);
	journal_deinit(j);
	free(j);
}

/* Where record number k (from 0) begins. */
static off_t record_offset(int fd, int k)
{
	off_t at = SEGMENT_HEADER;
	uint32_t len;

	while (k--) {
		assert_int_equal(pread(fd, &len, 4, at), 4);
		at += (off_t)record_size(len);
	}
	return at;
}

static int open_first_segment(void)
{
	char path[400];
	int fd;

	snprintf(path, sizeof(path), "%s/journal/0000000000000001.sj", dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* What stands in bad/ under that name is what stood at `from` in the segment. */
static void check_bad(const char *name, const char *stood, off_t from, size_t n)
{
	char path[400], *kept = malloc(n + 1);
	int fd;

	snprintf(path, sizeof(path), "%s/journal/bad/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, kept, n + 1), n);
	assert_memory_equal(kept, stood + from, n);
	close(fd);
	free(kept);
}

static char *read_whole(int fd)
{
	char *all = calloc(1, 1 << 20);

	assert_true(pread(fd, all, 1 << 20, 0) > 0);
	return all;
}

static void remove_id(struct ids *ids, size_t i)
{
	memmove(ids->at[i], ids->at[i + 1], (ids->n - i - 1) * sizeof(ids->at[0]));
	ids->n--;
}

static void test_damage_in_the_middle_costs_that_record(void **state)
{
	struct store_options o = test_options(dir);
	struct ids *ids = calloc(1, sizeof(*ids));
	double lost = metric_sum(&metric_lost), corrupt = metric_sum(&metric_corrupt);
	char name[2][60], *stood;
	off_t at[2][2];
	int fd;

	(void)state;
	write_journal(ids, 20);
	fd = open_first_segment();
	for (int i = 0; i < 2; i++) {
		at[i][0] = record_offset(fd, i ? 12 : 7);
		at[i][1] = record_offset(fd, i ? 13 : 8);
		snprintf(name[i], sizeof(name[i]), "0000000000000001-%ld", (long)at[i][0]);
	}
	assert_int_equal(pwrite(fd, "!", 1, at[0][0] + 100), 1);
	assert_int_equal(pwrite(fd, "\xff\xff\xff\xff", 4, at[1][0]), 4); /* absurd length */
	stood = read_whole(fd);
	close(fd);
	deliver(&o);
	for (int i = 0; i < 2; i++)
		check_bad(name[i], stood, at[i][0], (size_t)(at[i][1] - at[i][0]));
	free(stood);
	remove_id(ids, 12);
	remove_id(ids, 7);
	check_ids(ids, "damage in the middle");
	assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), 18);
	assert_true(metric_sum(&metric_lost) - lost == 2);
	assert_true(metric_sum(&metric_corrupt) - corrupt == 2);
	assert_int_equal(count_files("journal/bad", "0000000000000001-"), 2);
	free(ids);
}

static void test_torn_tail_is_cut_and_kept(void **state)
{
	struct store_options o = test_options(dir);
	struct ids *ids = calloc(1, sizeof(*ids));
	double torn = metric_sum(&metric_torn), lost = metric_sum(&metric_lost);
	char *stood;
	off_t at;
	int fd;

	(void)state;
	write_journal(ids, 5);
	fd = open_first_segment();
	at = record_offset(fd, 4);
	assert_int_equal(ftruncate(fd, at + 200), 0);
	stood = read_whole(fd);
	close(fd);
	ids->n = 4;
	deliver(&o);
	check_ids(ids, "a torn tail");
	check_bad("0000000000000001.tail", stood, at, 200);
	free(stood);
	assert_int_equal(count_files("journal/bad", "0000000000000001.tail"), 1);
	assert_true(metric_sum(&metric_torn) - torn == 1);
	assert_true(metric_sum(&metric_lost) == lost);
	/* and the numbers go on */
	{
		struct store *s = open_store(&o);

		assert_true(append_to(s, ids));
		store_close(s);
	}
	check_ids(ids, "after a torn tail");
	free(ids);
}

/* Where there is no place to keep it, it is gone, and the start goes on. */
static void test_a_torn_tail_that_cannot_be_kept_is_cut_all_the_same(void **state)
{
	struct store_options o = test_options(dir);
	struct ids *ids = calloc(1, sizeof(*ids));
	char path[400];
	int fd;

	(void)state;
	write_journal(ids, 5);
	fd = open_first_segment();
	assert_int_equal(ftruncate(fd, record_offset(fd, 4) + 200), 0);
	close(fd);
	snprintf(path, sizeof(path), "%s/journal/bad", dir);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)); /* no folder */
	ids->n = 4;
	deliver(&o);
	check_ids(ids, "a torn tail that could not be kept");
	free(ids);
}

/* The file under the next number, as a process leaves it that ends between two of its steps: the name is needed again. */
static void test_segment_left_half_made_is_in_nobodys_way(void **state)
{
	static const size_t lengths[] = { 0,
					  1,
					  SEGMENT_HEADER - 1,
					  SEGMENT_HEADER,
					  SEGMENT_HEADER + 8,
					  SEGMENT_HEADER + RECORD_HEADER + 8 };
	struct store_options o = test_options(dir);
	struct ids *ids = calloc(1, sizeof(*ids));
	uint8_t file[SEGMENT_HEADER + RECORD_HEADER + 8] = { 0 };
	uint64_t next = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct segment_header h = { .format = SEGMENT_FORMAT, .first = next };
		char name[20], path[400];
		struct store *s;
		int fd;

		segment_header_write(&h, file);
		memset(file + SEGMENT_HEADER, 0x55, sizeof(file) - SEGMENT_HEADER);
		segment_name(next, name);
		snprintf(path, sizeof(path), "%s/journal", dir);
		mkdir(path, 0700);
		snprintf(path, sizeof(path), "%s/journal/%s", dir, name);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		assert_int_equal(write(fd, file, lengths[i]), lengths[i]);
		close(fd);
		s = open_store(&o);
		for (int k = 0; k < 3; k++)
			assert_true(append_to(s, ids));
		assert_int_equal(store_close(s), 0);
		next += 4; /* and the end record */
	}
	check_ids(ids, "after a segment left half made");
	free(ids);
}

/* Nothing in the file holds. */
static void spoil(int fd)
{
	off_t n = lseek(fd, 0, SEEK_END);

	for (off_t at = 0; at < n; at++)
		assert_int_equal(pwrite(fd, "!", 1, at), 1);
}

static void test_bad_header_costs_nothing(void **state)
{
	struct store_options o = test_options(dir);
	struct ids *ids = calloc(1, sizeof(*ids));
	double corrupt = metric_sum(&metric_corrupt), lost = metric_sum(&metric_lost);
	int fd;

	(void)state;
	write_journal(ids, 5);
	fd = open_first_segment();
	assert_int_equal(pwrite(fd, "!", 1, 20), 1);
	close(fd);
	deliver(&o);
	check_ids(ids, "a damaged header");
	assert_true(metric_sum(&metric_corrupt) - corrupt == 1);
	assert_true(metric_sum(&metric_lost) == lost);
	free(ids);
}

static void test_a_spoilt_segment_is_set_aside(void **state)
{
	struct store_options o = test_options(dir);
	struct ids *ids = calloc(1, sizeof(*ids));
	int fd;

	(void)state;
	write_journal(ids, 5);
	fd = open_first_segment();
	spoil(fd);
	close(fd);
	deliver(&o);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), 0);
	assert_int_equal(count_files("journal/bad", "0000000000000001.sj"), 1);
	free(ids);
}

static int open_again(void)
{
	struct journal_options o = { .sync = SYNC_NEVER,
				     .segment_bytes = 1 << 20,
				     .max_bytes = 64 << 20,
				     .queue_bytes = 1 << 20 };
	struct journal *j = calloc(1, sizeof(*j));
	uint8_t node[16] = { 1 };
	char path[400];
	int r;

	snprintf(path, sizeof(path), "%s/journal", dir);
	r = journal_open(j, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), &o, node, 0, 0);
	if (!r)
		journal_deinit(j);
	free(j);
	return r;
}

/* What cannot be set aside must not be written over: the start is refused. */
static void test_a_spoilt_segment_that_cannot_be_set_aside_is_refused(void **state)
{
	struct ids *ids = calloc(1, sizeof(*ids));
	char path[400];
	int fd;

	(void)state;
	if (!mount_small("size=8m,mode=0700,nr_inodes=3")) {
		free(ids);
		skip();
	}
	write_journal(ids, 5);
	fd = open_first_segment();
	spoil(fd);
	assert_int_equal(open_again(), -1); /* no inode is left */
	assert_string_equal(error_last()->message.p, "journal/bad: No space left on device");
	assert_int_equal(mount("tmpfs", dir, "tmpfs", MS_REMOUNT, "size=8m,nr_inodes=9"), 0);
	snprintf(path, sizeof(path), "%s/journal/bad", dir);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)); /* no folder */
	assert_int_equal(open_again(), -1);
	assert_string_equal(error_last()->message.p,
			    "journal/0000000000000001.sj: Not a directory");
	unlink(path);
	assert_int_equal(open_again(), 0);
	assert_int_equal(count_files("journal/bad", "0000000000000001.sj"), 1);
	close(fd);
	umount2(dir, MNT_DETACH);
	free(ids);
}

static mode_t mode_of(const char *name)
{
	char path[500];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (stat(path, &st))
		fail_msg("%s: %s", path, strerror(errno));
	return st.st_mode & 07777;
}

/* Whatever the mask: conversations are nobody else's. */
static void test_nobody_else_may_read_it(void **state)
{
	struct ids *ids = calloc(1, sizeof(*ids));
	mode_t mask = umask(0);
	struct store_options o;
	struct store *s;
	struct record r;
	char data[300], month[8], name[60];
	time_t now = time(NULL);
	struct tm tm;
	int fd;

	(void)state;
	write_journal(ids, 5);
	fd = open_first_segment();
	assert_int_equal(ftruncate(fd, record_offset(fd, 4) + 200), 0);
	close(fd);
	o = test_options(dir);
	s = open_store(&o);
	record_init(&r);
	assert_int_equal(record_add(&r, (enum row_table)99, B("{}")), 0);
	assert_int_equal(store_append(s, &r), 0);
	record_deinit(&r);
	wait_caught_up(s);
	gmtime_r(&now, &tm);
	strftime(month, sizeof(month), "%Y%m", &tm);
	snprintf(name, sizeof(name), "journal/dead/sqlite-%s.ndjson", month);
	assert_int_equal(mode_of("signet.db"), 0600);
	assert_int_equal(mode_of("signet.db-wal"), 0600);
	assert_int_equal(mode_of("journal/0000000000000005.sj"), 0600);
	assert_int_equal(mode_of("journal/reserve"), 0600);
	assert_int_equal(mode_of("journal/bad"), 0700);
	assert_int_equal(mode_of("journal/bad/0000000000000001.tail"), 0600);
	assert_int_equal(mode_of("journal/dead"), 0700);
	assert_int_equal(mode_of(name), 0600);
	store_close(s);
	/* and the folders that it makes */
	snprintf(data, sizeof(data), "%s/data", dir);
	o.data_dir = data;
	store_close(open_store(&o));
	assert_int_equal(mode_of("data"), 0700);
	assert_int_equal(mode_of("data/journal"), 0700);
	umask(mask);
	free(ids);
}

static void test_later_format_is_refused(void **state)
{
	struct segment_header h = { .format = SEGMENT_FORMAT + 1, .first = 1 };
	struct store_options o = test_options(dir);
	uint8_t head[SEGMENT_HEADER];
	struct ids *ids = calloc(1, sizeof(*ids));
	int fd;

	(void)state;
	write_journal(ids, 5);
	fd = open_first_segment();
	segment_header_write(&h, head);
	assert_int_equal(pwrite(fd, head, SEGMENT_HEADER, 0), SEGMENT_HEADER);
	close(fd);
	assert_null(store_open(&o));
	assert_non_null(strstr(error_last()->message.p, "later format"));
	assert_int_equal(count_files("journal", "0000000000000001.sj"), 1);
	free(ids);
}

static void test_unknown_table_goes_to_the_dead_letter(void **state)
{
	struct store_options o = test_options(dir);
	struct ids *ids = calloc(1, sizeof(*ids));
	struct store *s = open_store(&o);
	struct record r;
	char path[400], text[2000];
	time_t now = time(NULL);
	struct tm tm;
	FILE *f;

	(void)state;
	assert_true(append_to(s, ids));
	record_init(&r);
	assert_non_null(record_open_part(&r, TEXT_PART | TEXT_RAW_REQUEST));
	assert_int_equal(buf_append(&r.payload, B("say \"hi\"")), 0);
	assert_int_equal(record_close_part(&r), 0);
	assert_int_equal(record_add(&r, (enum row_table)99, B("{\"x\":1}")), 0);
	assert_int_equal(store_append(s, &r), 0);
	record_deinit(&r);
	record_init(&r);
	assert_int_equal(record_add(&r, ROW_INFERENCE_BY_ID, B("{\"id\":17}")), 0);
	assert_int_equal(store_append(s, &r), 0);
	record_deinit(&r);
	assert_true(append_to(s, ids));
	assert_int_equal(store_close(s), 0);
	check_ids(ids, "around a foreign row");
	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y%m", &tm);
	snprintf(path, sizeof(path), "%s/journal/dead/sqlite-%.6s.ndjson", dir, text);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	assert_non_null(strstr(
		text,
		"\"table\":99,\"recno\":2,\"code\":null,\"error\":\"table 99 is not known to this version\",\"row\":{\"x\":1,\"raw_request\":\"say \\\"hi\\\"\"}}"));
	assert_non_null(fgets(text, sizeof(text), f));
	assert_non_null(strstr(text, "column id holds another type"));
	fclose(f);
	free(ids);
}

static void test_compressed_records_come_back(void **state)
{
	struct store_options o = test_options(dir);
	struct store *s;
	char *text = malloc(100001), id[37];
	struct record r;

	(void)state;
	memset(text, 'z', 100000);
	text[100000] = 0;
	o.compress = true;
	s = open_store(&o);
	make_record(&r, text, id);
	assert_int_equal(store_append(s, &r), 0);
	record_deinit(&r);
	assert_int_equal(store_close(s), 0);
	assert_int_equal(db_int(dir, "SELECT length(input) FROM ChatInference"), 100000 + 68);
	free(text);
}

static void test_segments_rotate_and_delivered_ones_go(void **state)
{
	struct store_options o = test_options(dir);
	struct store *s;
	char *text = malloc(50001), id[37];

	(void)state;
	memset(text, 'x', 50000);
	text[50000] = 0;
	o.keep_mb = 2;
	s = open_store(&o);
	for (int i = 0; i < 60; i++) {
		struct record r;

		make_record(&r, text, id);
		assert_int_equal(store_append(s, &r), 0);
		record_deinit(&r);
	}
	assert_int_equal(store_close(s), 0);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM ChatInference"), 60);
	assert_true(count_files("journal", ".sj") >= 2);
	assert_true(count_files("journal", ".sj") <=
		    5); /* 12 MB were written, 1 MB each, 2 are kept */
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#ifdef SIGNET_FAULTS
		T(test_every_injected_failure),
		T(test_failed_sync_is_written_again_elsewhere),
		T(test_failure_that_stays_is_counted_and_ends),
		T(test_store_found_corrupt_while_serving_is_replaced),
#endif
		T(test_kill_9_loses_nothing_acknowledged),
		T(test_full_disk_serving_counts_what_is_missing),
		T(test_full_disk_refusing_writes_what_runs),
		T(test_read_only_directory_is_refused),
		T(test_locked_store_names_the_holder_and_goes_on),
		T(test_store_overwritten_with_noise_is_replayed),
		T(test_later_schema_is_refused_with_both_numbers),
		T(test_damage_in_the_middle_costs_that_record),
		T(test_torn_tail_is_cut_and_kept),
		T(test_a_torn_tail_that_cannot_be_kept_is_cut_all_the_same),
		T(test_segment_left_half_made_is_in_nobodys_way),
		T(test_bad_header_costs_nothing),
		T(test_a_spoilt_segment_is_set_aside),
		T(test_a_spoilt_segment_that_cannot_be_set_aside_is_refused),
		T(test_nobody_else_may_read_it),
		T(test_later_format_is_refused),
		T(test_unknown_table_goes_to_the_dead_letter),
		T(test_compressed_records_come_back),
		T(test_segments_rotate_and_delivered_ones_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
