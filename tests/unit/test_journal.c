/* The journal without a store: its queue, what it writes again, its reader beside it, what it counts (storage §7). */
#include "store_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <zstd.h>

#include "fiber/loop.h"
#include "store/journal_read.h"
#include "store/journal_write.h"

#define QUEUE 100000

static struct journal_options plain(void)
{
	return (struct journal_options){ .sync = SYNC_NEVER,
					 .sync_ms = 1,
					 .segment_bytes = 1 << 20,
					 .max_bytes = 64 << 20,
					 .queue_bytes = QUEUE,
					 .wait_ms = 20000 };
}

static int open_folder(void)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/journal", dir);
	mkdir(path, 0700);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* In memory of its own: a test that fails leaves its threads behind. */
static struct journal *open_after(struct journal_options o, uint64_t delivered, uint64_t skip)
{
	struct journal *j = calloc(1, sizeof(*j));
	uint8_t node[16] = { 1 };

	if (journal_open(j, open_folder(), &o, node, delivered, skip))
		fail_msg("%.*s", BFMT(error_last()->message));
	return j;
}

static struct journal *open_journal(struct journal_options o)
{
	return open_after(o, 0, 0);
}

static void drop(struct journal *j)
{
	journal_deinit(j);
	free(j);
}

/* A record of n bytes, all the same or all noise. */
static enum unrecorded append(struct journal *j, size_t n, bool noise)
{
	struct record_head h = { .type = RECORD_GROUP, .parts = 1 };
	struct buf b;
	enum unrecorded why;

	buf_init(&b, RECORD_MAX);
	assert_int_equal(buf_reserve(&b, n + 1), 0);
	memset(b.data, 'x', n);
	if (noise)
		random_bytes(b.data, n);
	b.len = n;
	why = journal_append(j, &b, &h);
	buf_deinit(&b);
	return why;
}

static bool is_there(const char *name)
{
	char path[400];
	struct stat st;

	snprintf(path, sizeof(path), "%s/journal/%s", dir, name);
	return !stat(path, &st);
}

/* All that can be read now: "number[:length] …" */
static const char *read_on(struct journal_reader *r)
{
	static char out[2000];
	struct record_view v;
	int n = 0, found;

	out[0] = 0;
	while ((found = journal_next(r, &v)) > 0)
		n += snprintf(out + n, sizeof(out) - (size_t)n,
			      v.type == RECORD_END ? "%s%d." : "%s%d", n ? " " : "", (int)v.number);
	assert_int_equal(found, 0);
	return out;
}

/* ---- the queue ---- */

/* What others have queued stands for records of theirs that the writer has not written. */
static void test_the_queue_takes_what_fits(void **state)
{
	struct journal *j;

	(void)state;
	j = open_journal(plain());
	atomic_store(&j->queued_bytes, QUEUE - 300);
	assert_int_equal(append(j, 300, false), RECORDED);
	assert_int_equal(atomic_load(&j->queued_bytes), QUEUE - 300);
	j->o.wait_ms = 30;
	assert_int_equal(append(j, 301, false), QUEUE_FULL);
	assert_int_equal(atomic_load(&j->queued_bytes), QUEUE - 300);
	atomic_store(&j->queued_bytes, 1);
	assert_int_equal(append(j, QUEUE, false), QUEUE_FULL);
	atomic_store(&j->queued_bytes, 0);
	j->o.wait_ms = 20000;
	assert_int_equal(append(j, QUEUE + 1, false), RECORDED); /* an empty one takes any */
	assert_int_equal(atomic_load(&j->queued_bytes), 0);
	assert_int_equal(atomic_load(&j->unrecorded[QUEUE_FULL]), 2);
	drop(j);
}

static void test_it_is_full_from_its_bound_on(void **state)
{
	struct journal *j;

	(void)state;
	j = open_journal(plain());
	assert_false(journal_is_full(j));
	atomic_store(&j->queued_bytes, QUEUE - 1);
	assert_false(journal_is_full(j));
	atomic_store(&j->queued_bytes, QUEUE);
	assert_true(journal_is_full(j));
	atomic_store(&j->queued_bytes, 0);
	atomic_store(&j->full, true);
	assert_true(journal_is_full(j));
	assert_int_equal(append(j, 10, false), DISK_FULL);
	atomic_store(&j->full, false);
	atomic_store(&j->broken, true);
	assert_true(journal_is_full(j));
	drop(j);
}

static void test_what_is_over_16_KiB_is_packed_if_that_saves(void **state)
{
	static const struct {
		size_t n;
		bool noise, packed;
	} cases[] = { { 16384, false, false }, { 16385, false, true }, { 20000, true, false } };
	struct journal_options o = plain();
	struct journal_reader r = { 0 };
	struct record_view v;
	struct bytes text;
	struct buf unpacked;
	struct journal *j;

	(void)state;
	buf_init(&unpacked, 1 << 20);
	o.compress = true;
	j = open_journal(o);
	r.j = j;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(append(j, cases[i].n, cases[i].noise), RECORDED);
		assert_int_equal(atomic_load(&j->queued_bytes), 0);
		assert_int_equal(journal_next(&r, &v), 1);
		assert_int_equal(v.number, i + 1);
		assert_int_equal(v.flags, cases[i].packed ? RECORD_ZSTD : 0);
		assert_int_equal(record_payload(&v, &unpacked, &text), 0);
		assert_int_equal(text.n, cases[i].n);
		assert_true(cases[i].noise || (text.p[0] == 'x' && text.p[text.n - 1] == 'x'));
	}
	journal_stop_reading(&r);
	drop(j);
	buf_deinit(&unpacked);
}

/* Who waits leaves at its time, whatever holds the writer: one that it has taken, and one that waits behind. Two of them
 * on fibers, whose own deadlines stay as they were. */
static struct {
	struct journal *j;
	enum unrecorded why[2];
	uint64_t before[2], after[2];
	int todo;
} late;

static void append_late(void *arg)
{
	size_t i = (size_t)(uintptr_t)arg;

	fiber_deadline_narrow(clock_mono_ms() + 60000 + i);
	late.before[i] = fiber_deadline();
	late.why[i] = append(late.j, 10, false);
	late.after[i] = fiber_deadline();
	if (!--late.todo)
		loop_stop(loop_self());
}

static void start_late(void *arg)
{
	(void)arg;
	assert_non_null(fiber_spawn("first", append_late, (void *)(uintptr_t)0));
	fiber_sleep(10); /* the writer has it */
	assert_non_null(fiber_spawn("second", append_late, (void *)(uintptr_t)1));
}

static void test_a_wait_ends_at_its_time(void **state)
{
	struct journal_options o = plain();
	struct journal_reader r = { 0 };
	struct loop *l = loop_new(0);
	struct journal *j;

	(void)state;
	assert_non_null(l);
	alarm(60);
	o.wait_ms = 500; /* for the writer to take the first one */
	j = open_journal(o);
	pthread_mutex_lock(&j->lock); /* holds the writer when it has written */
	assert_int_equal(append(j, 10, false), UNRECORDED_REASONS);
	assert_int_equal(append(j, 10, false), QUEUE_FULL);
	assert_int_equal(atomic_load(&j->unrecorded[QUEUE_FULL]), 1);
	pthread_mutex_unlock(&j->lock);
	for (int i = 0; i < 1000 && atomic_load(&j->queued_bytes); i++)
		usleep(10000);
	r.j = late.j = j;
	assert_string_equal(read_on(&r), "1");
	late.todo = 2;
	pthread_mutex_lock(&j->lock);
	assert_non_null(fiber_spawn("late", start_late, NULL));
	loop_run(l);
	pthread_mutex_unlock(&j->lock);
	assert_int_equal(late.why[0], UNRECORDED_REASONS);
	assert_int_equal(late.why[1], QUEUE_FULL);
	for (int i = 0; i < 2; i++) {
		assert_true(late.before[i] != TIME_NEVER);
		assert_int_equal(late.after[i], late.before[i]);
	}
	for (int i = 0; i < 1000 && atomic_load(&j->queued_bytes); i++)
		usleep(10000);
	assert_string_equal(read_on(&r), "2");
	assert_int_equal(atomic_load(&j->unrecorded[QUEUE_FULL]), 2);
	assert_int_equal(atomic_load(&j->unrecorded[WRITE_ERROR]), 0);
	journal_stop_reading(&r);
	drop(j);
	loop_free(l);
	alarm(0);
}

/* A segment is filled to its last byte, with the end record that closes it. */
static void test_a_segment_is_as_large_as_it_was_asked_to_be(void **state)
{
	(void)state;
	for (int over = 0; over < 2; over++) {
		struct journal_options o = plain();
		struct journal *j;
		struct stat st;

		o.segment_bytes = 4096;
		j = open_journal(o);
		assert_int_equal(append(j, 1000, false), RECORDED);
		assert_int_equal(append(j, 2880 + (over ? 1 : 0), false), RECORDED);
		drop(j);
		assert_int_equal(is_there("0000000000000003.sj"), over);
		if (!over) {
			char path[400];

			snprintf(path, sizeof(path), "%s/journal/0000000000000001.sj", dir);
			assert_int_equal(stat(path, &st), 0);
			assert_int_equal(st.st_size, 4096);
			snprintf(path, sizeof(path), "%s/journal", dir);
			remove_tree(path);
		}
	}
}

/* ---- reading ---- */

static void test_a_segment_that_is_gone_is_nothing_to_read(void **state)
{
	struct journal_reader r = { 0 };
	struct record_view v;
	struct journal *j;

	(void)state;
	j = open_journal(plain());
	r.j = j;
	assert_true(is_there("0000000000000001.sj"));
	assert_int_equal(unlinkat(j->dir, "0000000000000001.sj", 0), 0);
	assert_int_equal(journal_next(&r, &v), 0);
#ifdef SIGNET_FAULTS
	fault_setup("drainer.open:1");
	assert_int_equal(journal_next(&r, &v), -1);
	assert_int_equal(errno, EIO);
	fault_setup(NULL);
#endif
	drop(j);
}

static void test_a_reader_follows_the_writer_over_segments(void **state)
{
	struct journal_options o = plain();
	struct journal_reader r = { 0 };
	struct journal *j;

	(void)state;
	o.segment_bytes = 4096;
	j = open_journal(o);
	r.j = j;
	assert_string_equal(read_on(&r), "");
	for (int i = 0; i < 2; i++)
		assert_int_equal(append(j, 1000, false), RECORDED);
	assert_string_equal(read_on(&r), "1 2");
	assert_string_equal(read_on(&r), "");
	for (int i = 0; i < 5; i++)
		assert_int_equal(append(j, 1000, false), RECORDED);
	assert_string_equal(read_on(&r), "3 4. 5 6 7 8. 9");
	assert_int_equal(r.at.first, 9);
	assert_int_equal(r.at.offset, SEGMENT_HEADER + 1024);
	assert_int_equal(r.at.last, 9);
	assert_int_equal(r.lost + r.corrupt, 0);
	/* back to where it was, and to the beginning */
	journal_go_back(&r, (struct place){ .first = 9, .offset = SEGMENT_HEADER, .last = 8 },
			false);
	assert_string_equal(read_on(&r), "9");
	journal_go_back(&r, (struct place){ .last = 5 }, false);
	assert_string_equal(read_on(&r), "6 7 8. 9");
	journal_go_back(&r, (struct place){ 0 }, false);
	assert_string_equal(read_on(&r), "1 2 3 4. 5 6 7 8. 9");
	journal_stop_reading(&r);
	drop(j);
}

/* A gap is a loss; not so where it is known that the numbers were never used. */
static void test_a_gap_in_the_numbers_is_a_loss(void **state)
{
	static const struct {
		uint64_t jump_to, lost;
	} cases[] = { { 0, 100 }, { 4, 100 }, { 5, 0 }, { 104, 0 } };
	struct journal *j;

	(void)state;
	j = open_journal(plain());
	for (int i = 0; i < 3; i++)
		assert_int_equal(append(j, 10, false), RECORDED);
	drop(j);
	j = open_after(plain(), 0, 100);
	assert_int_equal(append(j, 10, false), RECORDED);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct journal_reader r = { .j = j, .jump_to = cases[i].jump_to };

		assert_string_equal(read_on(&r), "1 2 3 4. 105");
		assert_int_equal(r.lost, cases[i].lost);
		journal_stop_reading(&r);
	}
	j->slowest.first = 105;
	journal_drop_delivered(j, 0);
	for (int unknown = 0; unknown < 2; unknown++) {
		struct journal_reader r = { .j = j, .baseline_unknown = unknown };

		assert_string_equal(read_on(&r), "105");
		assert_int_equal(r.lost, unknown ? 0 : 104); /* where counting begins */
		journal_stop_reading(&r);
	}
	drop(j);
}

/* ---- what is asked of the segments ---- */

static uint64_t size_of(const struct journal *j, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(j->dir, name, &st, 0), 0);
	return (uint64_t)st.st_size;
}

static void expect_totals(struct journal *j, size_t segments, uint64_t bytes, uint64_t backlog)
{
	struct journal_totals t = journal_totals(j);

	assert_int_equal(t.segments, segments);
	assert_int_equal(t.bytes, bytes);
	assert_int_equal(t.backlog, backlog);
}

static void test_totals_and_what_may_go(void **state)
{
	struct journal_options o = plain();
	uint64_t a, b, c;
	struct journal *j;

	(void)state;
	o.segment_bytes = 4096;
	j = open_journal(o);
	expect_totals(j, 1, SEGMENT_HEADER, 0);
	for (int i = 0; i < 7; i++)
		assert_int_equal(append(j, 1000, false), RECORDED);
	a = size_of(j, "0000000000000001.sj");
	b = size_of(j, "0000000000000005.sj");
	c = SEGMENT_HEADER + 1024;
	assert_int_equal(a, SEGMENT_HEADER + 3 * 1024 + record_size(SEGMENT_END));
	expect_totals(j, 3, a + b + c, a + b + c - 3 * SEGMENT_HEADER);
	j->slowest.first = 1;
	j->slowest.offset = SEGMENT_HEADER + 1024;
	expect_totals(j, 3, a + b + c, a + b + c - 3 * SEGMENT_HEADER - 1024);
	j->slowest.offset = a;
	expect_totals(j, 3, a + b + c, b + c - 2 * SEGMENT_HEADER);
	j->slowest.first = 9;
	j->slowest.offset = c;
	expect_totals(j, 3, a + b + c, 0);
	/* the two before the reader's may go, the oldest first, until what is left of them is little enough */
	journal_drop_delivered(j, a + b);
	expect_totals(j, 3, a + b + c, 0);
	journal_drop_delivered(j, a + b - 1);
	expect_totals(j, 2, b + c, 0);
	assert_false(is_there("0000000000000001.sj"));
	assert_true(is_there("0000000000000005.sj"));
	assert_int_equal(unlinkat(j->dir, "0000000000000005.sj", 0), 0); /* by somebody else */
	journal_drop_delivered(j, 0);
	expect_totals(j, 1, c, 0);
	journal_drop_delivered(j, 0);
	expect_totals(j, 1, c, 0);
	assert_true(is_there("0000000000000009.sj"));
	drop(j);
}

static void test_a_wait_for_rows_ends_when_they_are_there(void **state)
{
	struct journal *j;
	uint64_t before;

	(void)state;
	j = open_journal(plain());
	for (int i = 0; i < 3; i++)
		assert_int_equal(append(j, 10, false), RECORDED);
	before = clock_mono_ms();
	journal_wait_rows(j, 0, 0, 3, 100000);
	journal_wait_rows(j, 0, 2, 1, 100000);
	assert_true(clock_mono_ms() - before < 50000);
	before = clock_mono_ms();
	journal_wait_rows(j, 0, 0, 4, 30);
	assert_true(clock_mono_ms() - before >= 25);
	journal_close(j);
	before = clock_mono_ms();
	journal_wait_rows(j, 0, 3, 1, 100000); /* there will be no more */
	assert_true(clock_mono_ms() - before < 50000);
	drop(j);
}

#ifdef SIGNET_FAULTS
/* ---- syncs and writes that fail ---- */

static double syncs(void)
{
	struct buf page;
	ptrdiff_t at;
	double n;

	buf_init(&page, 1 << 20);
	assert_int_equal(metrics_print(&page) || buf_putc(&page, 0), 0);
	at = bytes_find(buf_bytes(&page), B("\nsignet_journal_sync_seconds_count "));
	n = at < 0 ? 0 : strtod(page.data + at + 35, NULL);
	buf_deinit(&page);
	return n;
}

static void wait_until_there(const char *name, bool there)
{
	for (int i = 0; i < 1000 && is_there(name) != there; i++)
		usleep(10000);
	assert_int_equal(is_there(name), there);
}

/* Under the same name comes a new file with the same numbers; a reader that had the old one open goes on with it. */
static void test_a_failed_sync_is_mended_by_a_new_file(void **state)
{
	struct journal_options o = plain();
	struct journal_reader r = { 0 };
	struct journal *j;
	ino_t old;
	struct stat st;
	double before;

	(void)state;
	metrics_register(&metric_sync);
	o.sync = SYNC_ALWAYS;
	j = open_journal(o);
	r.j = j;
	assert_string_equal(read_on(&r), "");
	assert_int_equal(fstat(j->fd, &st), 0);
	old = st.st_ino;
	before = syncs();
	fault_setup("journal.fsync:1");
	assert_int_equal(append(j, 10, false), RECORDED);
	fault_setup(NULL);
	assert_int_equal(syncs() - before, 2);
	assert_string_equal(read_on(&r), "1");
	assert_int_equal(fstatat(j->dir, "0000000000000001.sj", &st, 0), 0);
	assert_true(st.st_ino != old);
	assert_false(is_there("0000000000000001.sj.new"));
	assert_int_equal(append(j, 10, false), RECORDED);
	assert_int_equal(append(j, 10, false), RECORDED);
	assert_int_equal(syncs() - before, 4);
	assert_string_equal(read_on(&r), "2 3");
	journal_stop_reading(&r);
	drop(j);
}

/* What is written again and synced is let go of: nothing is left to sync. */
static void test_what_was_written_again_is_not_synced_again(void **state)
{
	struct journal_options o = plain();
	struct journal *j;
	double before;

	(void)state;
	metrics_register(&metric_sync);
	o.sync = SYNC_INTERVAL;
	j = open_journal(o);
	before = syncs();
	fault_setup("journal.fsync:1");
	assert_int_equal(append(j, 10, false), RECORDED);
	for (int i = 0; i < 1000 && syncs() - before < 2; i++)
		usleep(10000);
	usleep(100000);
	assert_int_equal(syncs() - before, 2);
	fault_setup(NULL);
	drop(j);
}

/* The new file cannot be synced either: what it left is in nobody's way when the disk works again. */
static void test_a_failed_rewrite_is_tried_again(void **state)
{
	struct journal_options o = plain();
	struct journal_reader r = { 0 };
	struct journal *j;

	(void)state;
	o.sync = SYNC_INTERVAL;
	j = open_journal(o);
	r.j = j;
	fault_setup("journal.fsync:1+");
	assert_int_equal(append(j, 10, false), RECORDED);
	wait_until_there("0000000000000001.sj.new", true);
	usleep(50000);
	fault_setup(NULL);
	assert_int_equal(append(j, 10, false), RECORDED);
	assert_false(is_there("0000000000000001.sj.new"));
	assert_string_equal(read_on(&r), "1 2");
	journal_stop_reading(&r);
	drop(j);
	assert_true(is_there("0000000000000001.sj"));
}

/* Of a file that cannot be made nothing is left, and the reason is told: a full disk is not a broken one. */
static void test_a_segment_that_cannot_be_made(void **state)
{
	static const struct {
		const char *spec;
		bool full;
	} cases[] = { { "journal.header:1", true },
		      { "journal.fallocate:1", true },
		      { "journal.open:1", false } };
	uint8_t node[16] = { 1 };
	struct journal_options o = plain();

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct journal *j = calloc(1, sizeof(*j));
		int opened;

		fault_setup(cases[i].spec);
		errno = 0;
		opened = journal_open(j, open_folder(), &o, node, 0, 0);
		fault_setup(NULL);
		assert_false(is_there("0000000000000001.sj"));
		if (!cases[i].full) {
			assert_int_equal(opened, -1);
			assert_true(
				bytes_eq(error_last()->message,
					 B("journal: no segment can be made: Input/output error")));
			free(j);
			continue;
		}
		assert_int_equal(opened, 0);
		assert_int_equal(j->last_errno, ENOSPC);
		drop(j);
	}
}
#endif

/* ---- how long it has waited ---- */

/* A sink that stores something all the time and falls behind all the same: each record has the age that it has. */
static void test_the_oldest_is_as_old_as_it_is(void **state)
{
	struct journal *j = open_journal(plain());
	uint64_t wrote[8] = { 0 };

	(void)state;
	journal_place_reader(j, 0, 0);
	assert_int_equal(journal_waiting_since(j, 0), 0);
	for (int i = 1; i < 8; i++) {
		wrote[i] = clock_unix_ms();
		assert_int_equal(append(j, 100, false), RECORDED);
		usleep(130000);
	}
	for (uint64_t stored = 0; stored < 7; stored++) {
		uint64_t since = journal_waiting_since(j, stored);

		assert_in_range(since, wrote[stored + 1], wrote[stored + 1] + 100);
		journal_age_stored(j, 0, stored);
		assert_true(journal_waiting_since(j, stored) == since);
	}
	assert_int_equal(journal_waiting_since(j, 7), 0);
	journal_age_stored(j, 0, 7);
	assert_int_equal(j->age.nmarks, 1);
	drop(j);
}

/* Hours of a backlog: as many marks as there is room for, each age right within 10 %, the newest to the mark. */
static void test_marks_of_hours(void **state)
{
	struct journal *j = open_journal(plain());
	uint64_t begin = 1000000, now = begin + 4 * 3600000;

	(void)state;
	for (uint64_t n = 1; n <= 4 * 36000; n++)
		journal_age_mark(j, n, begin + n * 100);
	assert_true(j->age.nmarks <= JOURNAL_MARKS);
	atomic_store(&j->written, 4 * 36000);
	for (uint64_t n = 1; n <= 4 * 36000; n += 97) {
		uint64_t age = now - begin - n * 100, told = now - journal_waiting_since(j, n - 1);

		if (told < age || told > age + age / 10 + 200)
			fail_msg("record %d: %d ms old, told are %d", (int)n, (int)age, (int)told);
	}
	drop(j);
}

/* What an earlier process left is as old as its file. */
static void test_the_age_of_what_was_left(void **state)
{
	struct timespec old[2] = { { time(NULL) - 7200, 0 }, { time(NULL) - 7200, 0 } };
	struct journal *j = open_journal(plain());
	uint64_t since;

	(void)state;
	assert_int_equal(append(j, 100, false), RECORDED);
	drop(j);
	assert_int_equal(utimensat(open_folder(), "0000000000000001.sj", old, 0), 0);
	j = open_journal(plain());
	since = journal_waiting_since(j, 0);
	assert_true(since == (uint64_t)old[0].tv_sec * 1000);
	assert_int_equal(append(j, 100, false), RECORDED);
	assert_true(journal_waiting_since(j, 0) == since);
	assert_in_range(journal_waiting_since(j, 2), clock_unix_ms() - 5000, clock_unix_ms());
	drop(j);
}

static void put_samples(struct journal *j, const uint64_t *mb, size_t n)
{
	uint64_t now = clock_unix_ms();

	j->age.nsamples = n;
	for (size_t i = 0; i < n; i++)
		j->age.samples[i] = (struct journal_sample){ now - (n - i) * 10000, mb[i] << 20 };
}

/* From its growth, not from how long the newest batch took. */
static void test_when_it_will_be_full(void **state)
{
	static const uint64_t grows[] = { 5, 5, 5, 10, 15, 20, 25, 30 },
			      falls[] = { 60, 50, 45, 40, 39, 38, 37, 35 },
			      stays[] = { 35, 35, 35, 35, 35, 35, 35, 35 };
	struct journal *j = open_journal(plain());
	uint64_t now = clock_unix_ms();

	(void)state;
	put_samples(j, grows, 8); /* 5 MB in 10 s, and 29 are left */
	assert_in_range(journal_full_at(j, 35 << 20, now - 20), now + 50000, now + 70000);
	put_samples(j, falls, 8);
	assert_int_equal(journal_full_at(j, 36 << 20, now - 20), 0);
	put_samples(j, stays, 8);
	assert_int_equal(journal_full_at(j, 35 << 20, now - 20), 0);
	put_samples(j, stays, 0); /* nothing is known yet but that all of it came in 100 s */
	assert_in_range(journal_full_at(j, 32 << 20, now - 100000), now + 99000, now + 102000);
	drop(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_the_queue_takes_what_fits),
		T(test_it_is_full_from_its_bound_on),
		T(test_what_is_over_16_KiB_is_packed_if_that_saves),
		T(test_a_wait_ends_at_its_time),
		T(test_a_segment_is_as_large_as_it_was_asked_to_be),
		T(test_a_segment_that_is_gone_is_nothing_to_read),
		T(test_a_reader_follows_the_writer_over_segments),
		T(test_a_gap_in_the_numbers_is_a_loss),
		T(test_totals_and_what_may_go),
		T(test_a_wait_for_rows_ends_when_they_are_there),
#ifdef SIGNET_FAULTS
		T(test_a_failed_sync_is_mended_by_a_new_file),
		T(test_what_was_written_again_is_not_synced_again),
		T(test_a_failed_rewrite_is_tried_again),
		T(test_a_segment_that_cannot_be_made),
#endif
		cmocka_unit_test_setup_teardown(test_the_oldest_is_as_old_as_it_is, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_marks_of_hours, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_age_of_what_was_left, setup, teardown),
		cmocka_unit_test_setup_teardown(test_when_it_will_be_full, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
