/*
 * Reading the journal forward. What is met in segments is storage §7.5's table: damage is set aside and counted, a gap in
 * the numbers is a loss and counted, but first it looks whether the next segment begins at or before the missing number:
 * then the file at hand was left after a failed sync and all of it stands in the next one.
 */
#include "store/journal_read.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"

#define LET_GO_BYTES (4u << 20)

void journal_stop_reading(struct journal_reader *r)
{
	if (!r->reading)
		return;
	close(r->segment.fd);
	segment_reader_deinit(&r->segment);
	r->reading = false;
}

/* Under the journal's lock: the index of the segment to read; nsegments: none. */
static size_t segment_index(const struct journal_reader *r)
{
	const struct journal *j = r->j;
	size_t i = 0;

	if (r->at.first) {
		while (i < j->nsegments && j->segments[i].first < r->at.first)
			i++;
		return i;
	}
	/* the last one that begins at or before the next number; else the first there is */
	while (i + 1 < j->nsegments && j->segments[i + 1].first <= r->at.last + 1)
		i++;
	return i;
}

/* The segment to read; first = 0: none. */
static struct segment_info segment_at_hand(const struct journal_reader *r, bool *last)
{
	struct journal *j = r->j;
	struct segment_info s = { 0 };
	size_t i;

	pthread_mutex_lock(&j->lock);
	i = segment_index(r);
	if (i < j->nsegments)
		s = j->segments[i];
	*last = i + 1 >= j->nsegments;
	pthread_mutex_unlock(&j->lock);
	return s;
}

/* 1: open; 0: there is nothing to read; -1: the file cannot be opened. */
static int start_reading(struct journal_reader *r)
{
	bool last;
	struct segment_info s = segment_at_hand(r, &last);
	int fd;

	if (!s.first)
		return 0;
	fd = fault("drainer.open") ? (errno = EIO, -1) : segment_open(r->j->dir, s.first, O_RDONLY);
	if (fd < 0 && errno == ENOENT)
		return 0; /* an empty one, just removed */
	if (fd < 0)
		return -1;
	if (r->baseline_unknown) {
		r->at.last = s.first - 1;
		r->baseline_unknown = false;
	}
	if (s.first != r->at.first) {
		r->at.first = s.first;
		r->at.offset = SEGMENT_HEADER;
	}
	segment_reader_init(&r->segment, fd, s.end,
			    r->at.last > s.first - 1 ? r->at.last : s.first - 1);
	r->segment.offset = r->at.offset;
	r->generation = s.generation;
	r->pages_gone = r->at.offset;
	r->reading = true;
	return 1;
}

/* What the sink has is not read again: its pages go back to the system, for the next records to take. Pages that
 * are not on the disk yet stay, until the segment's end at the latest. */
void journal_let_pages_go(struct journal_reader *r, bool whole)
{
	if (!r->reading || (!whole && r->at.offset < r->pages_gone + LET_GO_BYTES))
		return;
	posix_fadvise(r->segment.fd, 0, whole ? 0 : (off_t)r->at.offset, POSIX_FADV_DONTNEED);
	r->pages_gone = r->at.offset;
}

/* Whether a segment follows that begins at or before `number`; moves there. */
static bool go_to_successor(struct journal_reader *r, uint64_t number)
{
	struct journal *j = r->j;
	uint64_t next = 0;

	pthread_mutex_lock(&j->lock);
	for (size_t i = 0; i < j->nsegments && !next; i++)
		if (j->segments[i].first > r->at.first)
			next = j->segments[i].first;
	pthread_mutex_unlock(&j->lock);
	if (!next || next > number)
		return false;
	journal_let_pages_go(r, true);
	journal_stop_reading(r);
	r->at.first = next;
	r->at.offset = SEGMENT_HEADER;
	return true;
}

/* More of the same file, or the next one. 1: go on; 0: that was all. */
static int read_further(struct journal_reader *r)
{
	bool last;
	struct segment_info s = segment_at_hand(r, &last);

	if (s.first != r->at.first || s.generation != r->generation) {
		journal_stop_reading(r);
		r->at.offset = SEGMENT_HEADER;
		return 1;
	}
	if (s.end > r->segment.limit) {
		r->segment.limit = s.end;
		return 1;
	}
	return !last && go_to_successor(r, UINT64_MAX);
}

/* What is missing between the last record and this one. A damaged end record is no loss: it held no row. */
static uint64_t lost_before(const struct journal_reader *r, uint64_t number)
{
	uint64_t expected = r->at.last + 1;

	if (number <= expected || expected <= r->jump_to)
		return 0;
	return number - expected - (r->end_number == expected);
}

/* The last bytes of a segment, as many as its end record has. */
static bool is_end_record(const struct segment_reader *s)
{
	uint64_t n = s->to - s->from;

	return s->to == s->limit &&
	       (n == record_size(SEGMENT_END) || n == record_size(SEGMENT_COUNTS));
}

static void set_damage_aside(struct journal_reader *r)
{
	char suffix[40];

	snprintf(suffix, sizeof(suffix), "-%" PRIu64, r->segment.from);
	journal_keep_bad(r->j, &r->segment, r->at.first, suffix,
			 "a damaged stretch of the journal could not be kept");
	r->corrupt++;
	log_error("store", "the journal is damaged; the stretch was set aside",
		  LI("bytes", r->segment.to - r->segment.from));
}

int journal_next(struct journal_reader *r, struct record_view *out)
{
	for (;;) {
		uint64_t expected = r->at.last + 1;
		int opened;

		if (!r->reading) {
			opened = start_reading(r);
			if (opened <= 0)
				return opened;
			expected = r->at.last + 1;
		}
		switch (segment_next(&r->segment, out)) {
		case FOUND_RECORD:
			if (out->number > expected && go_to_successor(r, expected))
				continue;
			r->lost += lost_before(r, out->number);
			r->at.last = out->number;
			r->at.offset = r->segment.offset;
			return 1;
		case FOUND_DAMAGE:
		case FOUND_TORN:
			if (go_to_successor(r, expected))
				continue;
			if (is_end_record(&r->segment))
				r->end_number = expected;
			set_damage_aside(r);
			r->at.offset = r->segment.offset;
			continue;
		case FOUND_ZEROS: continue;
		case FOUND_END:
			r->at.offset = r->segment.offset;
			if (!read_further(r))
				return 0;
			continue;
		case FOUND_IO_ERROR: errno = r->segment.err; return -1;
		}
	}
}

void journal_go_back(struct journal_reader *r, struct place to, bool baseline_unknown)
{
	if (r->reading && to.first == r->at.first) {
		r->segment.offset = to.offset;
		r->segment.last = to.last > to.first - 1 ? to.last : to.first - 1;
	} else {
		journal_stop_reading(r);
	}
	r->at = to;
	r->baseline_unknown = baseline_unknown;
	r->lost = r->corrupt = 0;
}

/* ---- what is asked of the segments ---- */

/* Under the lock: bytes of records behind a place. */
static uint64_t bytes_behind(const struct journal *j, struct journal_place at)
{
	uint64_t n = 0;

	for (size_t i = 0; i < j->nsegments; i++) {
		const struct segment_info *s = &j->segments[i];

		if (s->first > at.first || !at.first)
			n += s->end - SEGMENT_HEADER;
		else if (s->first == at.first && s->end > at.offset)
			n += s->end - at.offset;
	}
	return n;
}

struct journal_totals journal_totals(struct journal *j)
{
	struct journal_totals t;

	pthread_mutex_lock(&j->lock);
	t = (struct journal_totals){ .segments = j->nsegments,
				     .backlog = bytes_behind(j, j->slowest) };
	for (size_t i = 0; i < j->nsegments; i++)
		t.bytes += j->segments[i].end;
	pthread_mutex_unlock(&j->lock);
	return t;
}

uint64_t journal_backlog(struct journal *j, unsigned reader)
{
	uint64_t n;

	pthread_mutex_lock(&j->lock);
	n = bytes_behind(j, j->places[reader]);
	pthread_mutex_unlock(&j->lock);
	return n;
}

static bool place_before(struct journal_place a, struct journal_place b)
{
	return a.first < b.first || (a.first == b.first && a.offset < b.offset);
}

void journal_move_reader(struct journal *j, unsigned reader, struct journal_place at)
{
	pthread_mutex_lock(&j->lock);
	j->places[reader] = at;
	if (j->readers <= reader)
		j->readers = reader + 1;
	j->slowest = j->places[0];
	for (size_t i = 1; i < j->readers; i++)
		if (place_before(j->places[i], j->slowest))
			j->slowest = j->places[i];
	pthread_mutex_unlock(&j->lock);
}

void journal_place_reader(struct journal *j, unsigned reader, uint64_t delivered)
{
	struct journal_place at = { 0 };

	pthread_mutex_lock(&j->lock);
	for (size_t i = 0; delivered && i < j->nsegments; i++)
		if (j->segments[i].first <= delivered + 1)
			at = (struct journal_place){ j->segments[i].first, SEGMENT_HEADER };
	pthread_mutex_unlock(&j->lock);
	journal_move_reader(j, reader, at);
}

void journal_drop_delivered(struct journal *j, uint64_t keep)
{
	uint64_t bytes = 0;
	size_t delivered = 0, drop = 0;

	pthread_mutex_lock(&j->lock);
	for (; delivered < j->nsegments && j->segments[delivered].first < j->slowest.first;
	     delivered++)
		bytes += j->segments[delivered].end;
	for (; drop < delivered && bytes > keep; drop++) {
		if (segment_remove(j->dir, j->segments[drop].first) && errno != ENOENT)
			break;
		bytes -= j->segments[drop].end;
	}
	memmove(j->segments, j->segments + drop, (j->nsegments - drop) * sizeof(*j->segments));
	j->nsegments -= drop;
	pthread_mutex_unlock(&j->lock);
}

void journal_wait_rows(struct journal *j, unsigned reader, uint64_t seen_rows, uint64_t rows,
		       uint64_t ms)
{
	struct timespec t = journal_deadline(ms);
	uint64_t wanted = seen_rows + rows;

	pthread_mutex_lock(&j->more_lock);
	atomic_store(&j->reader_wants_rows[reader], wanted);
	/* the other reader's bell wakes this one too: it has waited long enough when its own rows are there */
	while (atomic_load(&j->written_rows) < wanted && !atomic_load(&j->closing))
		if (pthread_cond_timedwait(&j->more_cond, &j->more_lock, &t))
			break;
	atomic_store(&j->reader_wants_rows[reader], 0);
	pthread_mutex_unlock(&j->more_lock);
}
