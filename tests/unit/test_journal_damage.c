/* One flipped bit anywhere costs at most the record that it is in, and what is lost is counted exactly (storage §7.1, §7.5). */
#include "store_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "store/crc32c.h"
#include "store/journal_read.h"

#define RECORDS   60
#define SEGMENTS  16
#define FLIPS     1000
#define FILE_ROOM 8192

/* What a run has left. */
static struct image {
	char name[20];
	uint8_t bytes[FILE_ROOM];
	size_t n;
} images[SEGMENTS];
static size_t nimages;

static int open_folder(void)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/journal", dir);
	mkdir(path, 0700);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static struct journal *open_journal(void)
{
	struct journal_options o = { .sync = SYNC_NEVER,
				     .segment_bytes = 4096,
				     .max_bytes = 64 << 20,
				     .queue_bytes = 1 << 20,
				     .wait_ms = 20000 };
	struct journal *j = calloc(1, sizeof(*j));
	uint8_t node[16] = { 1 };

	if (journal_open(j, open_folder(), &o, node, 0, 0))
		fail_msg("%.*s", BFMT(error_last()->message));
	return j;
}

static void drop(struct journal *j)
{
	journal_deinit(j);
	free(j);
}

static void append(struct journal *j, size_t n)
{
	struct record_head h = { .type = RECORD_GROUP, .parts = 1 };
	struct buf b;

	buf_init(&b, RECORD_MAX);
	assert_int_equal(buf_reserve(&b, n), 0);
	random_bytes(b.data, n);
	b.len = n;
	assert_int_equal(journal_append(j, &b, &h), RECORDED);
	buf_deinit(&b);
}

static bool is_segment(const char *name)
{
	return strlen(name) == 19 && !strcmp(name + 16, ".sj");
}

static void take_images(void)
{
	int folder = open_folder();
	DIR *d = folder_list(folder);
	struct dirent *e;

	nimages = 0;
	while ((e = readdir(d))) {
		struct image *i = &images[nimages];
		int fd;

		if (!is_segment(e->d_name))
			continue;
		assert_true(++nimages <= SEGMENTS);
		memcpy(i->name, e->d_name, sizeof(i->name));
		fd = openat(folder, e->d_name, O_RDONLY | O_CLOEXEC);
		i->n = (size_t)read(fd, i->bytes, sizeof(i->bytes));
		assert_in_range(i->n, 1, FILE_ROOM - 1);
		close(fd);
	}
	closedir(d);
	close(folder);
}

/* The folder as it was. */
static void put_images(void)
{
	int folder = open_folder();
	DIR *d = folder_list(folder);
	struct dirent *e;

	while ((e = readdir(d)))
		if (is_segment(e->d_name))
			unlinkat(folder, e->d_name, 0);
	closedir(d);
	for (size_t i = 0; i < nimages; i++) {
		int fd = openat(folder, images[i].name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		assert_int_equal(write(fd, images[i].bytes, images[i].n), images[i].n);
		close(fd);
	}
	close(folder);
}

/* RECORDS records in several segments; `closed`: in order. */
static void write_images(bool closed)
{
	struct journal *j = open_journal();

	for (size_t i = 0; i < RECORDS; i++)
		append(j, 200 + i * 7 % 90);
	if (closed)
		drop(j);
	take_images();
	if (!closed)
		drop(j);
	assert_in_range(nimages, 3, SEGMENTS);
}

/* A start, and all that its drainer would see. How many records came; *lost: how many it says are missing. */
static size_t read_all(uint64_t *lost)
{
	struct journal *j = open_journal();
	struct journal_reader r = { .j = j, .baseline_unknown = false };
	struct record_view v;
	uint64_t before = 0;
	size_t n = 0;

	while (journal_next(&r, &v) > 0) {
		assert_true(v.number > before);
		before = v.number;
		n += v.type == RECORD_GROUP;
	}
	*lost = r.lost;
	journal_stop_reading(&r);
	drop(j);
	return n;
}

static void flip(struct image *i, size_t bit)
{
	i->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
}

static void test_a_thousand_flips(void **state)
{
	size_t missing[3] = { 0 };
	uint64_t lost;

	(void)state;
	write_images(true);
	assert_int_equal(read_all(&lost), RECORDS);
	assert_int_equal(lost, 0);
	srandom(1);
	for (int k = 0; k < FLIPS; k++) {
		struct image *i = &images[(size_t)random() % nimages];
		size_t bit = (size_t)random() % (i->n * 8), n;

		flip(i, bit);
		put_images();
		n = read_all(&lost);
		if (n < RECORDS - 1 || lost != RECORDS - n)
			fail_msg("bit %zu of %s: %zu of %d records, %d said to be lost", bit,
				 i->name, n, RECORDS, (int)lost);
		missing[RECORDS - n]++;
		flip(i, bit);
	}
	print_message("of %d flips %zu cost a record, %zu none\n", FLIPS, missing[1], missing[0]);
	assert_in_range(missing[1], FLIPS / 2, FLIPS - 20);
}

/* Each bit of each header: of segments that were closed, and of the last one of a killed process. */
static void test_a_header_costs_nothing(void **state)
{
	uint64_t lost;

	(void)state;
	for (int closed = 0; closed < 2; closed++) {
		write_images(closed);
		for (size_t i = 0; i < nimages; i++)
			for (size_t bit = i % 7; bit < 8 * SEGMENT_HEADER; bit += 7) {
				flip(&images[i], bit);
				put_images();
				assert_int_equal(read_all(&lost), RECORDS);
				assert_int_equal(lost, 0);
				flip(&images[i], bit);
			}
		nimages = 0;
		put_images();
	}
}

/* A block of the file system, the header in it. */
static void test_a_block_of_noise_costs_what_it_touches(void **state)
{
	uint64_t lost;
	size_t n;

	(void)state;
	write_images(true);
	random_bytes(images[1].bytes, 512);
	put_images();
	n = read_all(&lost);
	assert_in_range(n, RECORDS - 3, RECORDS - 1);
	assert_int_equal(lost, RECORDS - n);
}

static void test_a_file_of_noise_is_set_aside(void **state)
{
	uint64_t lost;
	size_t n;

	(void)state;
	write_images(true);
	random_bytes(images[1].bytes, images[1].n);
	put_images();
	n = read_all(&lost);
	assert_in_range(n, RECORDS / 2, RECORDS - 5);
	assert_true(lost == RECORDS - n ||
		    lost == RECORDS - n + 1); /* and an end record, for all it knows */
}

/* Its end record says so, whatever has become of its header. */
static void test_a_later_format_is_refused_without_its_header(void **state)
{
	struct segment_header h = { .format = SEGMENT_FORMAT + 1 };
	uint8_t head[SEGMENT_HEADER], payload[SEGMENT_END] = { 0 };
	struct record_head end = { .number = 900, .len = SEGMENT_END, .type = RECORD_END };
	struct journal *j = calloc(1, sizeof(*j));
	struct journal_options o = { .segment_bytes = 4096 };
	uint8_t node[16] = { 1 };
	struct image *i;

	(void)state;
	write_images(true);
	i = &images[0];
	segment_name_parse(i->name, &h.first);
	segment_header_write(&h, head);
	memcpy(payload + SEGMENT_COUNTS, head, sizeof(head));
	end.payload_crc = crc32c(0, payload, sizeof(payload));
	record_head_write(&end, i->bytes + i->n - record_size(SEGMENT_END));
	memcpy(i->bytes + i->n - SEGMENT_END, payload, SEGMENT_END);
	memset(i->bytes, 0x55, SEGMENT_HEADER);
	put_images();
	assert_int_equal(journal_open(j, open_folder(), &o, node, 0, 0), -1);
	assert_non_null(strstr(error_last()->message.p, "later format"));
	free(j);
}

/* Folders, a pipe: also when one of that name was set aside before. */
static void test_what_is_no_file_is_set_aside(void **state)
{
	uint64_t lost;

	(void)state;
	write_images(true);
	for (int again = 0; again < 2; again++) {
		int folder = open_folder();

		assert_int_equal(mkdirat(folder, "00000000000000ff.sj", 0700), 0);
		assert_int_equal(mkdirat(folder, "00000000000000ff.sj/x", 0700), 0);
		assert_int_equal(mkfifoat(folder, "0000000000000100.sj", 0600), 0);
		close(folder);
		assert_int_equal(read_all(&lost), RECORDS);
		assert_int_equal(lost, 0);
	}
	{
		int folder = open_folder();
		struct stat st;

		assert_int_equal(fstatat(folder, "bad/00000000000000ff.sj/x", &st, 0), 0);
		assert_int_equal(fstatat(folder, "00000000000000ff.sj", &st, 0), -1);
		assert_int_equal(fstatat(folder, "0000000000000100.sj", &st, 0), -1);
		close(folder);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_thousand_flips, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_header_costs_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_block_of_noise_costs_what_it_touches, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_file_of_noise_is_set_aside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_later_format_is_refused_without_its_header,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_no_file_is_set_aside, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
