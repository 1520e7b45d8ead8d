/*
 * What a start finds in the journal's folder (storage §7.5).
 *
 * Every header is read; only the last segment is walked, because only it can end in the middle of a record;
 * and not even that one when it was closed in order, which its last 40 bytes tell. Damage in the middle of
 * older segments is met by the drainer, which reads them anyway: a start with 8 GB of backlog takes no
 * longer than one with none. Nothing here gives up, but for a segment of a later format: a downgrade must
 * not eat records.
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

int journal_set_aside(struct journal *j, const char *name)
{
	char to[80];

	if (mkdirat(j->dir, "bad", 0700) && errno != EEXIST)
		return fail(ERR_STORE, "journal/bad: %s", strerror(errno));
	snprintf(to, sizeof(to), "bad/%.40s", name);
	if (renameat(j->dir, name, j->dir, to))
		return fail(ERR_STORE, "journal/%s: %s", name, strerror(errno));
	return 0;
}

int journal_keep_bad(struct journal *j, uint64_t first, const char *suffix, struct bytes data)
{
	char name[80];
	int fd;

	if (mkdirat(j->dir, "bad", 0700) && errno != EEXIST)
		return fail(ERR_STORE, "journal/bad: %s", strerror(errno));
	snprintf(name, sizeof(name), "bad/%016" PRIx64 "%.40s", first, suffix);
	fd = openat(j->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(ERR_STORE, "journal/%s: %s", name, strerror(errno));
	for (size_t done = 0; done < data.n;) {
		ssize_t n = write(fd, data.p + done, data.n - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			fail(ERR_STORE, "journal/%s: %s", name, strerror(errno));
			close(fd);
			return -1;
		}
		done += (size_t)n;
	}
	close(fd);
	return 0;
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

/* 0: taken or set aside; -1: the start must end here. */
static int look_at(struct journal *j, const char *name, uint64_t first)
{
	uint8_t head[SEGMENT_HEADER];
	struct segment_header h = { 0 };
	struct stat st;
	ssize_t n;
	int fd = openat(j->dir, name, O_RDONLY | O_CLOEXEC);
	enum segment_state state = SEGMENT_BAD;

	if (fd < 0)
		return fail(ERR_STORE, "journal/%s: %s", name, strerror(errno));
	n = pread(fd, head, sizeof(head), 0);
	if (n < 0 || fstat(fd, &st)) {
		fail(ERR_STORE, "journal/%s: %s", name, strerror(errno));
		close(fd);
		return -1;
	}
	close(fd);
	state = segment_header_read(head, (size_t)n, &h);
	if (state == SEGMENT_NEWER)
		return fail(
			ERR_STORE,
			"journal/%s is of a later format than this version reads (%d): start the later version again, or let it deliver what is left first",
			name, SEGMENT_FORMAT);
	if (state == SEGMENT_EMPTY && st.st_size <= SEGMENT_HEADER) {
		unlinkat(j->dir, name, 0); /* the process ended between open and header */
		return 0;
	}
	if (state != SEGMENT_OK || h.first != first) {
		log_warn("store", "a journal segment without a valid header was set aside",
			 LS("file", name));
		METRIC_ADD(&metric_corrupt, 1);
		return journal_set_aside(j, name);
	}
	if (j->nsegments == MAX_SEGMENTS)
		return fail(ERR_STORE, "journal: more than %d segments", MAX_SEGMENTS);
	return journal_add_segment(j, &(struct segment_info){ .first = first,
							      .end = (uint64_t)st.st_size,
							      .made_ms = h.unix_ms });
}

static int list_segments(struct journal *j)
{
	int fd = openat(j->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		fail(ERR_STORE, "journal: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
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

/* The end record's number, 0 if the file does not end in one. */
static uint64_t closed_in_order(int fd, const struct segment_info *s)
{
	uint8_t last[RECORD_HEADER + 16 + SEGMENT_HEADER] = { 0 };
	struct segment_reader r;
	struct record_view v;
	uint64_t number = 0;

	if (s->end < SEGMENT_HEADER + RECORD_HEADER + 16)
		return 0;
	if (pread(fd, last + SEGMENT_HEADER, RECORD_HEADER + 16,
		  (off_t)(s->end - RECORD_HEADER - 16)) != RECORD_HEADER + 16)
		return 0;
	segment_reader_init_mem(&r, last, sizeof(last), 0);
	if (segment_next(&r, &v) == FOUND_RECORD && v.type == RECORD_END && v.payload.n == 16 &&
	    v.number >= s->first)
		number = v.number;
	segment_reader_deinit(&r);
	return number;
}

/* Cuts the tail off; what stood there goes to bad/ unless it was all zero. */
static int cut_tail(struct journal *j, struct segment_reader *r, struct segment_info *s, bool zeros)
{
	if (!zeros) {
		struct buf tail;

		buf_init(&tail, BAD_MAX);
		if (segment_copy_range(r, r->from, r->to, BAD_MAX, &tail) ||
		    journal_keep_bad(j, s->first, ".tail", buf_bytes(&tail)))
			log_warn("store", "the torn tail of a segment could not be kept",
				 LB("error", error_last()->message));
		buf_deinit(&tail);
	}
	if (ftruncate(r->fd, (off_t)r->from))
		return fail(ERR_STORE, "journal/%016" PRIx64 ".sj: %s", s->first, strerror(errno));
	s->end = r->from;
	METRIC_ADD(&metric_torn, 1);
	j->torn_tails++;
	log_info("store", "the journal's torn tail was cut off, as after any crash",
		 LI("bytes", r->to - r->from));
	return 0;
}

/* Damage with valid records behind it stays in the file: the drainer meets it when it gets there. */
static int walk_last(struct journal *j, struct segment_info *s, uint64_t *greatest)
{
	char name[20];
	struct segment_reader r;
	struct record_view v;
	enum segment_found found;
	int fd, result = 0;

	segment_name(s->first, name);
	fd = openat(j->dir, name, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fail(ERR_STORE, "journal/%s: %s", name, strerror(errno));
	s->last = closed_in_order(fd, s);
	if (s->last) {
		close(fd);
		*greatest = s->last;
		return 0;
	}
	segment_reader_init(&r, fd, s->end, s->first - 1);
	do
		found = segment_next(&r, &v);
	while (found == FOUND_RECORD || found == FOUND_DAMAGE);
	s->last = r.last;
	if (found == FOUND_IO_ERROR) {
		log_warn("store", "a segment cannot be read to its end", LS("file", name),
			 LS("error", strerror(r.err)));
		/* No number that may stand in the rest is given out again. */
		s->last += 1 + (s->end - SEGMENT_HEADER) / RECORD_HEADER;
	} else if (found != FOUND_END) {
		result = cut_tail(j, &r, s, found == FOUND_ZEROS);
	}
	*greatest = s->last;
	segment_reader_deinit(&r);
	close(fd);
	return result;
}

/* Greatest number of the last segment but one: after a failed sync it may be ahead of the last one. */
static uint64_t before_last(struct journal *j)
{
	struct segment_info *s;
	struct segment_reader r;
	struct record_view v;
	enum segment_found found;
	char name[20];
	uint64_t last;
	int fd;

	if (j->nsegments < 2)
		return 0;
	s = &j->segments[j->nsegments - 2];
	segment_name(s->first, name);
	fd = openat(j->dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	last = closed_in_order(fd, s);
	if (!last) {
		segment_reader_init(&r, fd, s->end, s->first - 1);
		do
			found = segment_next(&r, &v);
		while (found == FOUND_RECORD || found == FOUND_DAMAGE);
		last = r.last;
		segment_reader_deinit(&r);
	}
	close(fd);
	return last;
}

int journal_recover(struct journal *j, uint64_t delivered)
{
	uint64_t greatest = delivered;

	if (list_segments(j))
		return -1;
	if (j->nsegments) {
		struct segment_info *s = &j->segments[j->nsegments - 1];
		uint64_t last = 0;

		for (size_t i = 0; i + 1 < j->nsegments; i++)
			j->segments[i].last = j->segments[i + 1].first - 1;
		if (walk_last(j, s, &last))
			return -1;
		if (last > greatest)
			greatest = last;
		last = before_last(j);
		if (last > greatest)
			greatest = last;
		if (s->end <= SEGMENT_HEADER) { /* opened, never written */
			char name[20];

			segment_name(s->first, name);
			unlinkat(j->dir, name, 0);
			j->nsegments--;
		}
	}
	j->next_number = greatest + 1;
	return 0;
}
