/*
 * What a start finds in the journal's folder (storage §7.5).
 *
 * Every header is read; only the last segment is walked, because only it can end in the middle of a record;
 * and not even that one when it was closed in order, which its last bytes tell. Damage in the middle of
 * older segments is met by the drainer, which reads them anyway: a start with 8 GB of backlog takes no
 * longer than one with none. A damaged header costs nothing: what it says stands elsewhere (segment.h). Nothing
 * here gives up, but for a segment of a later format: a downgrade must not eat records.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/time.h"
#include "store/journal.h"

#define MAX_SEGMENTS 1000000
#define BAD_MAX      (64u << 20) /* bytes of one damaged stretch that are kept */

void segment_name(uint64_t first, char out[20])
{
	snprintf(out, 20, "%016" PRIx64 ".sj", first);
}

bool segment_name_parse(const char *name, uint64_t *first)
{
	char canonical[20];
	uint64_t n = 0;

	for (int i = 0; i < 16; i++) {
		int digit = hex_digit(name[i]);

		if (digit < 0)
			return false;
		n = n << 4 | (uint64_t)digit;
	}
	*first = n;
	segment_name(n, canonical);
	return !strcmp(name, canonical);
}

int segment_open(int dir, uint64_t first, int flags)
{
	char name[20];
	struct stat st;
	int fd;

	segment_name(first, name);
	fd = openat(dir, name, flags | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) || S_ISREG(st.st_mode))
		return fd;
	close(fd); /* of that name, but no segment */
	errno = ENOENT;
	return -1;
}

int segment_remove(int dir, uint64_t first)
{
	char name[20];

	segment_name(first, name);
	return unlinkat(dir, name, 0);
}

DIR *folder_list(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d && fd >= 0)
		close(fd);
	return d;
}

static int make_bad(struct journal *j)
{
	if (mkdirat(j->dir, "bad", 0700) && errno != EEXIST)
		return fail(ERR_STORE, "journal/bad: %s", strerror(errno));
	return 0;
}

/* Moves it to bad/, under a name of its own. */
static int set_aside(struct journal *j, const char *name)
{
	char to[80];

	if (make_bad(j))
		return -1;
	snprintf(to, sizeof(to), "bad/%.40s", name);
	if (!faccessat(j->dir, to, F_OK, AT_SYMLINK_NOFOLLOW))
		snprintf(to, sizeof(to), "bad/%.40s-%" PRIu64, name, clock_unix_ms());
	if (renameat(j->dir, name, j->dir, to))
		return fail(ERR_STORE, "journal/%s: %s", name, strerror(errno));
	return 0;
}

static int write_bad(struct journal *j, const char *name, struct bytes data)
{
	int fd, bad = 0;

	if (make_bad(j))
		return -1;
	fd = openat(j->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(ERR_STORE, "journal/%s: %s", name, strerror(errno));
	while (!bad && data.n) {
		ssize_t n = write(fd, data.p, data.n);

		if (n > 0)
			data = bytes_slice(data, (size_t)n, data.n);
		else if (!n || errno != EINTR)
			bad = fail(ERR_STORE, "journal/%s: %s", name, strerror(errno));
	}
	close(fd);
	return bad;
}

void journal_keep_bad(struct journal *j, struct segment_reader *r, uint64_t first,
		      const char *suffix, const char *not_kept)
{
	struct buf bytes;
	char name[80];

	buf_init(&bytes, BAD_MAX);
	snprintf(name, sizeof(name), "bad/%016" PRIx64 "%.40s", first, suffix);
	if (segment_copy_range(r, r->from, r->to, BAD_MAX, &bytes) ||
	    write_bad(j, name, buf_bytes(&bytes)))
		log_warn("store", not_kept, LB("error", error_last()->message));
	buf_deinit(&bytes);
}

int journal_add_segment(struct journal *j, const struct segment_info *info)
{
	if (j->nsegments == j->cap_segments) {
		size_t cap = j->cap_segments ? j->cap_segments * 2 : 16;
		struct segment_info *grown = realloc(j->segments, cap * sizeof(*grown));

		if (!grown)
			return fail(ERR_OUT_OF_MEMORY, "out of memory");
		j->segments = grown;
		j->cap_segments = cap;
	}
	j->segments[j->nsegments++] = *info;
	return 0;
}

static int by_first(const void *a, const void *b)
{
	const struct segment_info *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static uint64_t unix_ms_of(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000 + (uint64_t)t->tv_nsec / 1000000;
}

/* The end record at the end of a file of `end` bytes with a payload of `n`. Its number, 0: there is none. */
static uint64_t read_end(int fd, uint64_t end, size_t n, uint8_t payload[SEGMENT_END])
{
	uint8_t last[SEGMENT_HEADER + RECORD_HEADER + SEGMENT_END] = { 0 };
	size_t size = RECORD_HEADER + n;
	struct segment_reader r;
	struct record_view v;
	uint64_t number = 0;

	if (end < SEGMENT_HEADER + size ||
	    pread(fd, last + SEGMENT_HEADER, size, (off_t)(end - size)) != (ssize_t)size)
		return 0;
	segment_reader_init_mem(&r, last, SEGMENT_HEADER + size, 0);
	if (segment_next(&r, &v) == FOUND_RECORD && v.type == RECORD_END && v.payload.n == n) {
		number = v.number;
		memcpy(payload, v.payload.p, n);
	}
	segment_reader_deinit(&r);
	return number;
}

/* The end record's number, 0 if the file does not end in one. */
static uint64_t closed_in_order(int fd, const struct segment_info *s)
{
	uint8_t payload[SEGMENT_END];
	uint64_t number = read_end(fd, s->end, SEGMENT_END, payload);

	if (!number)
		number = read_end(fd, s->end, SEGMENT_COUNTS, payload);
	return number >= s->first ? number : 0;
}

/* Of a damaged header, out of the end record, else out of the first record that holds. */
static enum segment_state header_from_elsewhere(int fd, const struct stat *st, uint64_t first,
						struct segment_header *h)
{
	uint64_t end = (uint64_t)st->st_size;
	uint8_t payload[SEGMENT_END];
	struct segment_reader r;
	struct record_view v;
	enum segment_found found;

	if (read_end(fd, end, SEGMENT_END, payload))
		return segment_header_read(payload + SEGMENT_COUNTS, SEGMENT_HEADER, h);
	segment_reader_init(&r, fd, end, first - 1);
	do
		found = segment_next(&r, &v);
	while (found == FOUND_DAMAGE);
	segment_reader_deinit(&r);
	*h = (struct segment_header){ .format = SEGMENT_FORMAT,
				      .first = first,
				      .unix_ms = unix_ms_of(&st->st_mtim) };
	return found == FOUND_RECORD ? SEGMENT_OK : SEGMENT_BAD;
}

/* -1: errno. */
static int read_header(int fd, const struct stat *st, const char *name, uint64_t first,
		       struct segment_header *h)
{
	uint8_t head[SEGMENT_HEADER];
	ssize_t n = pread(fd, head, sizeof(head), 0);
	enum segment_state state;

	if (n < 0)
		return -1;
	state = segment_header_read(head, (size_t)n, h);
	if ((state != SEGMENT_BAD && state != SEGMENT_EMPTY) || st->st_size <= SEGMENT_HEADER)
		return state;
	state = header_from_elsewhere(fd, st, first, h);
	if (state == SEGMENT_OK) {
		METRIC_ADD(&metric_corrupt, 1);
		log_error(
			"store",
			"the header of a journal segment is damaged; its records are read all the same",
			LS("file", name));
	}
	return state;
}

/* 0: taken or set aside; -1: the start must end here. */
static int look_at(struct journal *j, const char *name, uint64_t first)
{
	struct segment_header h = { 0 };
	int state = SEGMENT_BAD; /* enum segment_state */
	struct stat st;
	int fd = openat(j->dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &st))
		state = -1;
	else if (S_ISREG(st.st_mode))
		state = read_header(fd, &st, name, first, &h);
	if (state < 0)
		fail(ERR_STORE, "journal/%s: %s", name, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (state < 0)
		return -1;
	if (state == SEGMENT_NEWER)
		return fail(
			ERR_STORE,
			"journal/%s is of a later format than this version reads (%d): start the later version again, or let it deliver what is left first",
			name, SEGMENT_FORMAT);
	if (state == SEGMENT_EMPTY) {
		unlinkat(j->dir, name, 0); /* the process ended between open and header */
		return 0;
	}
	if (state != SEGMENT_OK || h.first != first) {
		log_warn("store",
			 S_ISREG(st.st_mode)
				 ? "a journal segment in which nothing can be read was set aside"
				 : "what has a journal segment's name and is no file was set aside",
			 LS("file", name));
		METRIC_ADD(&metric_corrupt, 1);
		return set_aside(j, name);
	}
	if (j->nsegments == MAX_SEGMENTS)
		return fail(ERR_STORE, "journal: more than %d segments", MAX_SEGMENTS);
	return journal_add_segment(j,
				   &(struct segment_info){ .first = first,
							   .end = (uint64_t)st.st_size,
							   .written_ms = unix_ms_of(&st.st_mtim) });
}

static int list_segments(struct journal *j)
{
	DIR *d = folder_list(j->dir);
	struct dirent *e;
	int result = 0;

	if (!d)
		return fail(ERR_STORE, "journal: %s", strerror(errno));
	while (!result && (e = readdir(d))) {
		uint64_t first;
		size_t n = strlen(e->d_name);

		if (n == 19 && segment_name_parse(e->d_name, &first))
			result = look_at(j, e->d_name, first);
		else if (n == 23 && !strcmp(e->d_name + 16, ".sj.new"))
			unlinkat(j->dir, e->d_name, 0); /* a rewrite that was not finished */
	}
	closedir(d);
	if (j->nsegments)
		qsort(j->segments, j->nsegments, sizeof(*j->segments), by_first);
	return result;
}

/* Cuts the tail off; what stood there goes to bad/ unless it was all zero. */
static int cut_tail(struct journal *j, struct segment_reader *r, struct segment_info *s, bool zeros)
{
	if (!zeros)
		journal_keep_bad(j, r, s->first, ".tail",
				 "the torn tail of a segment could not be kept");
	if (ftruncate(r->fd, (off_t)r->from))
		return fail(ERR_STORE, "journal/%016" PRIx64 ".sj: %s", s->first, strerror(errno));
	s->end = r->from;
	METRIC_ADD(&metric_torn, 1);
	j->torn_tails++;
	log_info("store", "the journal's torn tail was cut off, as after any crash",
		 LI("bytes", r->to - r->from));
	return 0;
}

/* The greatest number in a segment. Damage with valid records behind it stays in the file: the drainer meets it when it
 * gets there. Of the newest segment a torn tail is cut off. */
static int find_last(struct journal *j, struct segment_info *s, bool newest, uint64_t *last)
{
	struct segment_reader r;
	struct record_view v;
	enum segment_found found;
	char name[20];
	int fd = segment_open(j->dir, s->first, newest ? O_RDWR : O_RDONLY), result = 0;

	segment_name(s->first, name);
	if (fd < 0)
		return fail(ERR_STORE, "journal/%s: %s", name, strerror(errno));
	*last = closed_in_order(fd, s);
	if (!*last) {
		segment_reader_init(&r, fd, s->end, s->first - 1);
		do
			found = segment_next(&r, &v);
		while (found == FOUND_RECORD || found == FOUND_DAMAGE);
		*last = r.last;
		if (newest && found == FOUND_IO_ERROR) {
			log_warn("store", "a segment cannot be read to its end", LS("file", name),
				 LS("error", strerror(r.err)));
			/* No number that may stand in the rest is given out again. */
			*last += 1 + (s->end - SEGMENT_HEADER) / RECORD_HEADER;
		} else if (newest && found != FOUND_END) {
			result = cut_tail(j, &r, s, found == FOUND_ZEROS);
		}
		segment_reader_deinit(&r);
	}
	close(fd);
	return result;
}

int journal_recover(struct journal *j, uint64_t delivered)
{
	uint64_t greatest = delivered;

	if (list_segments(j))
		return -1;
	if (j->nsegments) {
		struct segment_info *s = &j->segments[j->nsegments - 1];
		uint64_t before = 0;

		for (size_t i = 0; i + 1 < j->nsegments; i++)
			j->segments[i].last = j->segments[i + 1].first - 1;
		for (size_t i = 0; i < j->nsegments; i++)
			journal_age_mark(j, j->segments[i].first, j->segments[i].written_ms);
		if (find_last(j, s, true, &s->last))
			return -1;
		if (s->last > greatest)
			greatest = s->last;
		/* After a failed sync the last segment but one may be ahead of the last one. */
		if (j->nsegments > 1 && !find_last(j, s - 1, false, &before) && before > greatest)
			greatest = before;
		if (s->end <= SEGMENT_HEADER) { /* opened, never written */
			segment_remove(j->dir, s->first);
			j->nsegments--;
		}
	}
	j->next_number = greatest + 1;
	return 0;
}
