/*
 * The drainer. It reads segments forward, a batch at a time, and gives each batch to the sink in one
 * transaction that also holds the number of the last record; when that fails it goes back to where the
 * batch began. So nothing here needs to be remembered across a crash.
 *
 * What it meets in segments is storage §7.5's table: damage is set aside and counted, a gap in the numbers
 * is a loss and counted, but first it looks whether the next segment begins at or before the missing number:
 * then the file at hand was left after a failed sync and all of it stands in the next one. Counts are added
 * only when their batch is in the sink, so that a batch tried five times counts once.
 */
#include "store/drainer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/time.h"
#include "store/store.h"

#define BATCH_ROWS     100
#define BATCH_MS       20
#define BATCH_ROWS_MAX 2000 /* with a backlog batches grow to this */
#define BATCH_BYTES    (8u << 20)
#define BAD_MAX        (64u << 20)
#define WAL_CHECKPOINT (16u << 20)
#define WAL_WARN       (256u << 20)
#define IDLE_MS        5000
#define FOLD_EVERY_MS  3600000
#define SLOW_MS        60000
#define URGENT_MS      30000
#define ROOM_EVERY_MS  200
#define LET_GO_BYTES   (4u << 20)
#define ROOM_BYTES     (1u << 20) /* that much more is room again */

static METRIC(metric_rows, METRIC_COUNTER, "signet_sink_rows_total", "sink,table", "Rows stored");
static METRIC(metric_batches, METRIC_COUNTER, "signet_sink_batches_total", "sink,result",
	      "Batches given to the sink");
static METRIC(metric_retries, METRIC_COUNTER, "signet_sink_retries_total", NULL,
	      "Batches that had to be given again");
static const double batch_bounds[] = { 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
				       0.1,    0.2,   0.5,   1,     5,    0 };
static METRIC(metric_batch, METRIC_HISTOGRAM, "signet_sink_batch_seconds", NULL,
	      "How long a batch took, commit included", .bounds = batch_bounds);

/* ---- alarms ---- */

static void set_alarm(struct drainer *d, const char *text)
{
	pthread_mutex_lock(&d->lock);
	snprintf(d->alarm, sizeof(d->alarm), "%s", text);
	pthread_mutex_unlock(&d->lock);
}

void drainer_stand_alarm(struct drainer *d, const char *text)
{
	pthread_mutex_lock(&d->lock);
	snprintf(d->standing, sizeof(d->standing), "%s", text);
	pthread_mutex_unlock(&d->lock);
	log_error("store", text, LS("sink", "sqlite"));
}

/* ---- reading ---- */

static void stop_reading(struct drainer *d)
{
	if (!d->reading)
		return;
	close(d->reader.fd);
	segment_reader_deinit(&d->reader);
	d->reading = false;
}

/* Under the journal's lock: the index of the segment to read; nsegments: none. */
static size_t segment_index(const struct drainer *d)
{
	const struct journal *j = d->j;
	size_t i = 0;

	if (d->at.first) {
		while (i < j->nsegments && j->segments[i].first < d->at.first)
			i++;
		return i;
	}
	/* the last one that begins at or before the next number; else the first there is */
	while (i + 1 < j->nsegments && j->segments[i + 1].first <= d->at.last + 1)
		i++;
	return i;
}

/* 1: open; 0: there is nothing to read; -1: the file cannot be opened. */
static int start_reading(struct drainer *d)
{
	struct journal *j = d->j;
	struct segment_info s = { 0 };
	char name[20];
	size_t i;
	int fd;

	pthread_mutex_lock(&j->lock);
	i = segment_index(d);
	if (i < j->nsegments)
		s = j->segments[i];
	pthread_mutex_unlock(&j->lock);
	if (!s.first)
		return 0;
	segment_name(s.first, name);
	fd = fault("drainer.open") ? (errno = EIO, -1) : openat(j->dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0; /* an empty one, just removed */
	if (fd < 0)
		return -1;
	if (d->baseline_unknown) {
		d->at.last = s.first - 1;
		d->baseline_unknown = false;
	}
	if (s.first != d->at.first) {
		d->at.first = s.first;
		d->at.offset = SEGMENT_HEADER;
	}
	segment_reader_init(&d->reader, fd, s.end,
			    d->at.last > s.first - 1 ? d->at.last : s.first - 1);
	d->reader.offset = d->at.offset;
	d->generation = s.generation;
	d->pages_gone = d->at.offset;
	d->reading = true;
	return 1;
}

/* What the sink has is not read again: its pages go back to the system, for the next records to take. Pages that
 * are not on the disk yet stay, until the segment's end at the latest. */
static void let_pages_go(struct drainer *d, bool whole)
{
	if (!d->reading || (!whole && d->at.offset < d->pages_gone + LET_GO_BYTES))
		return;
	posix_fadvise(d->reader.fd, 0, whole ? 0 : (off_t)d->at.offset, POSIX_FADV_DONTNEED);
	d->pages_gone = d->at.offset;
}

/* Whether a segment follows that begins at or before `number`; moves there. */
static bool go_to_successor(struct drainer *d, uint64_t number)
{
	struct journal *j = d->j;
	uint64_t next = 0;

	pthread_mutex_lock(&j->lock);
	for (size_t i = 0; i < j->nsegments && !next; i++)
		if (j->segments[i].first > d->at.first)
			next = j->segments[i].first;
	pthread_mutex_unlock(&j->lock);
	if (!next || next > number)
		return false;
	let_pages_go(d, true);
	stop_reading(d);
	d->at.first = next;
	d->at.offset = SEGMENT_HEADER;
	return true;
}

/* More of the same file, or the next one. 1: go on; 0: that was all. */
static int read_further(struct drainer *d)
{
	struct journal *j = d->j;
	struct segment_info s = { 0 };
	bool last;
	size_t i;

	pthread_mutex_lock(&j->lock);
	i = segment_index(d);
	if (i < j->nsegments)
		s = j->segments[i];
	last = i + 1 >= j->nsegments;
	pthread_mutex_unlock(&j->lock);
	if (s.first != d->at.first || s.generation != d->generation) {
		stop_reading(d);
		d->at.offset = SEGMENT_HEADER;
		return s.first ? 1 : 0;
	}
	if (s.end > d->reader.limit) {
		d->reader.limit = s.end;
		return 1;
	}
	return !last && go_to_successor(d, UINT64_MAX);
}

static void set_damage_aside(struct drainer *d)
{
	char suffix[40];
	struct buf bytes;

	buf_init(&bytes, BAD_MAX);
	snprintf(suffix, sizeof(suffix), "-%" PRIu64, d->reader.from);
	if (segment_copy_range(&d->reader, d->reader.from, d->reader.to, BAD_MAX, &bytes) ||
	    journal_keep_bad(d->j, d->at.first, suffix, buf_bytes(&bytes)))
		log_warn("store", "a damaged stretch of the journal could not be kept",
			 LB("error", error_last()->message));
	buf_deinit(&bytes);
	d->pending_corrupt++;
	log_error("store", "the journal is damaged; the stretch was set aside",
		  LI("bytes", d->reader.to - d->reader.from));
}

/* 1: a record; 0: none for now; -1: the journal cannot be read. */
static int next_record(struct drainer *d, struct record_view *out)
{
	for (;;) {
		uint64_t expected = d->at.last + 1;
		int r;

		if (!d->reading) {
			r = start_reading(d);
			if (r <= 0)
				return r;
			expected = d->at.last + 1;
		}
		switch (segment_next(&d->reader, out)) {
		case FOUND_RECORD:
			if (out->number > expected && go_to_successor(d, expected))
				continue;
			if (out->number > expected && expected > d->jump_to)
				d->pending_lost += out->number - expected;
			d->at.last = out->number;
			d->at.offset = d->reader.offset;
			return 1;
		case FOUND_DAMAGE:
		case FOUND_TORN:
			if (go_to_successor(d, expected))
				continue;
			set_damage_aside(d);
			d->at.offset = d->reader.offset;
			continue;
		case FOUND_ZEROS:
			d->at.offset = d->reader.offset;
			continue;
		case FOUND_END:
			d->at.offset = d->reader.offset;
			if (!read_further(d))
				return 0;
			continue;
		case FOUND_IO_ERROR:
			errno = d->reader.err;
			return -1;
		}
	}
}

static void go_back(struct drainer *d, struct place to)
{
	if (d->reading && to.first == d->at.first && to.offset >= SEGMENT_HEADER) {
		d->reader.offset = to.offset;
		d->reader.last = to.last > to.first - 1 ? to.last : to.first - 1;
	} else {
		stop_reading(d);
	}
	d->at = to;
	d->pending_lost = d->pending_corrupt = 0;
}

/* ---- dead letters ---- */

static int dead_file(struct drainer *d)
{
	time_t now = time(NULL);
	struct tm tm;
	char name[64];

	if (mkdirat(d->j->dir, "dead", 0700) && errno != EEXIST)
		return -1;
	gmtime_r(&now, &tm);
	strftime(name, sizeof(name), "dead/sqlite-%Y%m.ndjson", &tm);
	return openat(d->j->dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* 0: the rows stand in the dead letter. */
static int bury(struct drainer *d, const struct record_view *v)
{
	struct bytes payload = v->flags & RECORD_ZSTD ? buf_bytes(&d->sink.unpacked) : v->payload;
	struct record_part part;
	struct buf line;
	char t[25];
	size_t pos = 0;
	int fd = dead_file(d), result = 0;

	if (fd < 0)
		return -1;
	buf_init(&line, (size_t)RECORD_MAX * 2);
	time_rfc3339_ms(clock_unix_ms(), t);
	while (!result && record_next_part(payload, &pos, &part) > 0) {
		buf_reset(&line);
		result = buf_printf(
				 &line,
				 "{\"t\":\"%s\",\"sink\":\"sqlite\",\"table\":%u,\"recno\":%" PRIu64
				 ",\"code\":null,\"error\":",
				 t, part.table, v->number) ||
			 buf_json_string(&line, bytes_of(d->sink.error)) ||
			 buf_append(&line, B(",\"row\":")) || record_print_row(&part, &line) ||
			 buf_append(&line, B("}\n"));
		if (!result)
			result = write(fd, line.data, line.len) != (ssize_t)line.len;
	}
	buf_deinit(&line);
	close(fd);
	if (!result) {
		drainer_stand_alarm(d, "rows that do not fit signet.db are in journal/dead");
		log_error("store", "a record does not fit signet.db", LS("error", d->sink.error),
			  LI("records", 1));
	}
	return result ? -1 : 0;
}

/* ---- the sink and its troubles ---- */

static void note_state(struct drainer *d, enum sink_state state)
{
	static const char *const told[] = { "the sink is ok again", "the sink is slow",
					    "the sink is down", "the sink is blocked" };

	if (atomic_exchange(&d->state, state) == (int)state)
		return;
	log_info("store", told[state], LS("sink", "sqlite"));
}

static void pause_for(struct drainer *d, uint64_t ms)
{
	uint64_t until = clock_mono_ms() + ms;

	while (clock_mono_ms() < until && !atomic_load(&d->stopping))
		nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
}

static void longer(struct drainer *d)
{
	d->backoff_ms = !d->backoff_ms ? 1000 : d->backoff_ms >= 15000 ? 30000 : d->backoff_ms * 2;
}

static void back_off(struct drainer *d)
{
	longer(d);
	pause_for(d, d->backoff_ms);
}

static uint64_t free_bytes(const struct drainer *d)
{
	struct statvfs v;

	return fstatvfs(d->dir, &v) ? 0 : (uint64_t)v.f_bavail * v.f_frsize;
}

/* The same, but room that comes back ends the wait: a full disk is mended from one moment to the next. */
static void back_off_until_room(struct drainer *d)
{
	uint64_t had = free_bytes(d), until;

	longer(d);
	until = clock_mono_ms() + d->backoff_ms;
	while (clock_mono_ms() < until && !atomic_load(&d->stopping)) {
		pause_for(d, ROOM_EVERY_MS);
		if (free_bytes(d) >= had + ROOM_BYTES) {
			d->backoff_ms = 0;
			return;
		}
	}
}

static void replace_corrupt(struct drainer *d)
{
	char text[400];

	sink_close(&d->sink);
	d->sink_is_open = false;
	if (sink_set_aside(d->dir, clock_unix_ms())) {
		snprintf(text, sizeof(text), "signet.db is damaged and cannot be renamed: %.*s",
			 BFMT(error_last()->message));
		set_alarm(d, text);
		note_state(d, SINK_STATE_DOWN);
		back_off(d);
		return;
	}
	snprintf(
		text, sizeof(text),
		"signet.db was damaged (%.150s): it is kept as signet.db.corrupt-*, a new file was made and the journal's segments are replayed",
		d->sink.error);
	drainer_stand_alarm(d, text);
	stop_reading(d);
	d->at = (struct place){ 0 };
	d->baseline_unknown = true;
	atomic_store(&d->damaged, false);
}

static void trouble(struct drainer *d, enum sink_result r)
{
	char text[400];
	long pid;

	METRIC_ADD(&metric_batches, 1, B("sqlite"), B("failed"));
	METRIC_ADD(&metric_retries, 1);
	switch (r) {
	case SINK_CORRUPT:
		replace_corrupt(d);
		return;
	case SINK_BUSY:
		pid = sink_lock_holder(d->dir);
		if (pid)
			snprintf(text, sizeof(text), "signet.db is locked by process %ld", pid);
		else
			snprintf(text, sizeof(text), "signet.db is locked by another process");
		set_alarm(d, text);
		note_state(d, SINK_STATE_SLOW);
		log_warn("store", text);
		pause_for(d, 200);
		return;
	case SINK_FULL:
		snprintf(text, sizeof(text),
			 "no room for signet.db in %.200s: %" PRIu64 " bytes free", d->dir_name,
			 free_bytes(d));
		break;
	case SINK_NEWER:
		snprintf(text, sizeof(text), "%s", d->sink.error);
		break;
	default:
		snprintf(text, sizeof(text), "signet.db: %s", d->sink.error);
	}
	set_alarm(d, text);
	note_state(d, r == SINK_NEWER ? SINK_STATE_BLOCKED : SINK_STATE_DOWN);
	log_warn("store", text);
	if (r == SINK_FULL)
		back_off_until_room(d);
	else
		back_off(d);
}

/* Opens what is closed, tells the configuration. The sink's own position is where reading goes on. */
static bool sink_is_ready(struct drainer *d)
{
	enum sink_result r = SINK_OK;

	if (atomic_load(&d->damaged)) {
		snprintf(d->sink.error, sizeof(d->sink.error),
			 "found by the check after an unclean stop");
		trouble(d, SINK_CORRUPT);
	}
	if (!d->sink_is_open) {
		r = sink_open(&d->sink, d->dir, d->dir_name);
		d->sink_is_open = r == SINK_OK;
		d->config_told = 0;
		if (r == SINK_OK) {
			stop_reading(d);
			d->at = (struct place){ .last = d->sink.position };
			d->baseline_unknown = !d->sink.position;
			atomic_store(&d->delivered, d->sink.position);
		}
	}
	if (r == SINK_OK && !d->config_told) {
		r = sink_config(&d->sink, d->config_hash, d->config_text);
		d->config_told = r == SINK_OK;
	}
	if (r != SINK_OK) {
		trouble(d, r);
		return false;
	}
	return true;
}

/* ---- batches ---- */

struct batch {
	struct place from;
	bool baseline_unknown; /* as it was before the batch */
	uint64_t rows, bytes, records;
	bool more; /* it ended because it was full */
};

static bool batch_is_full(const struct batch *b)
{
	return b->rows >= BATCH_ROWS_MAX || b->bytes >= BATCH_BYTES;
}

/* Reads and adds until there is no more, or enough. */
static enum sink_result fill_batch(struct drainer *d, struct batch *b)
{
	struct record_view v;
	enum sink_result r;
	int found;

	while ((found = next_record(d, &v)) > 0) {
		if (!b->records) {
			r = sink_begin(&d->sink);
			if (r != SINK_OK)
				return r;
		}
		b->records++;
		b->rows += v.parts;
		b->bytes += v.size;
		r = sink_add(&d->sink, &v);
		if (r == SINK_ROW && !bury(d, &v))
			r = SINK_OK;
		if (r != SINK_OK)
			return r == SINK_ROW ? SINK_DOWN : r;
		if (batch_is_full(b)) {
			b->more = true;
			break;
		}
	}
	if (found < 0) {
		snprintf(d->sink.error, sizeof(d->sink.error), "the journal cannot be read: %s",
			 strerror(errno));
		return b->records ? SINK_OK : SINK_DOWN; /* what was read is stored first */
	}
	return SINK_OK;
}

static void count_rows(struct sink *s)
{
	uint64_t *counts[] = { &s->list_rows, &s->chat_rows, &s->model_rows, &s->error_rows,
			       &s->tag_rows };
	static const char *const tables[] = { "InferenceById", "ChatInference", "ModelInference",
					      "RequestError", "TagInference" };

	for (size_t i = 0; i < 5; i++) {
		if (*counts[i])
			METRIC_ADD(&metric_rows, (double)*counts[i], B("sqlite"),
				   bytes_of(tables[i]));
		*counts[i] = 0;
	}
}

/* The batch is stored: the journal may forget it. */
static void batch_is_stored(struct drainer *d)
{
	struct journal *j = d->j;

	METRIC_ADD(&metric_batches, 1, B("sqlite"), B("ok"));
	count_rows(&d->sink);
	if (d->pending_lost) {
		METRIC_ADD(&metric_lost, (double)d->pending_lost);
		log_error("store", "records are missing in the journal",
			  LI("records", d->pending_lost));
	}
	if (d->pending_corrupt)
		METRIC_ADD(&metric_corrupt, (double)d->pending_corrupt);
	d->pending_lost = d->pending_corrupt = 0;
	atomic_store(&d->delivered, d->at.last);
	pthread_mutex_lock(&j->lock);
	j->read_first = d->at.first;
	j->read_offset = d->at.offset;
	pthread_mutex_unlock(&j->lock);
	journal_drop_delivered(j, atomic_load(&j->full) ? 0 : j->o.keep_bytes);
	let_pages_go(d, false);
	if (d->at.last >= atomic_load(&j->written)) {
		atomic_store(&j->backlog_since_ms, 0);
		if (d->at.last < atomic_load(&j->written)) /* one came in between */
			atomic_store(&j->backlog_since_ms, clock_unix_ms());
	} else {
		atomic_store(&j->backlog_since_ms, clock_unix_ms() - BATCH_MS);
	}
	d->backoff_ms = 0;
	set_alarm(d, "");
	note_state(d, SINK_STATE_OK);
	if (d->sink.wal_pages * d->sink.page_bytes > WAL_CHECKPOINT)
		sink_checkpoint(&d->sink, false);
	if (d->sink.wal_pages * d->sink.page_bytes > WAL_WARN)
		set_alarm(
			d,
			"the write-ahead log of signet.db is over 256 MiB: a reader does not let go");
}

/* 1: stored something; 0: nothing was there; -1: it will be tried again. */
static int run_batch(struct drainer *d, struct batch *b)
{
	uint64_t began = clock_mono_ns();
	enum sink_result r;

	*b = (struct batch){ .from = d->at, .baseline_unknown = d->baseline_unknown };
	d->pending_lost = d->pending_corrupt = 0;
	r = fill_batch(d, b);
	if (r == SINK_OK && !b->records)
		return 0;
	if (r == SINK_OK)
		r = sink_commit(&d->sink, d->at.last);
	if (r == SINK_OK) {
		METRIC_OBSERVE(&metric_batch, (double)(clock_mono_ns() - began) / 1e9);
		batch_is_stored(d);
		return 1;
	}
	sink_rollback(&d->sink);
	d->sink.list_rows = d->sink.chat_rows = d->sink.model_rows = 0;
	d->sink.error_rows = d->sink.tag_rows = 0;
	go_back(d, b->from);
	d->baseline_unknown = b->baseline_unknown;
	if (r == SINK_DOWN) { /* whatever the connection thinks, the file knows better */
		char why[sizeof(d->sink.error)];

		memcpy(why, d->sink.error, sizeof(why));
		sink_close(&d->sink);
		memcpy(d->sink.error, why, sizeof(why));
		d->sink_is_open = false;
	}
	trouble(d, r);
	return -1;
}

static void watch_age(struct drainer *d)
{
	uint64_t since = atomic_load(&d->j->backlog_since_ms), now = clock_unix_ms();

	if (since && now > since + SLOW_MS && atomic_load(&d->state) == SINK_STATE_OK) {
		note_state(d, SINK_STATE_SLOW);
		log_warn("store", "rows have been waiting for the sink for over a minute",
			 LI("records", atomic_load(&d->j->written) - atomic_load(&d->delivered)));
	}
}

/* Nothing waits: put the house in order, then sleep. */
static void idle(struct drainer *d, uint64_t seen_rows)
{
	uint64_t now = clock_mono_ms();

	if (!d->idle_since_ms)
		d->idle_since_ms = now;
	if (now - d->idle_since_ms >= IDLE_MS && d->sink.wal_pages)
		sink_checkpoint(&d->sink, true);
	if (now - d->folded_ms >= FOLD_EVERY_MS || !d->folded_ms) {
		d->folded_ms = now;
		if (sink_fold(&d->sink, clock_unix_ms()) != SINK_OK)
			log_warn("store", "minutes could not be folded into hours",
				 LS("error", d->sink.error));
	}
	journal_wait_rows(d->j, seen_rows, 1, 1000);
	if (!atomic_load(&d->stopping))
		journal_wait_rows(d->j, seen_rows, BATCH_ROWS, BATCH_MS);
}

/* ---- turns ---- */

enum pace drainer_pace(enum pace now, uint64_t behind_ms, uint64_t waiting_bytes,
		       uint64_t max_bytes)
{
	if (!behind_ms)
		return GENTLE;
	if (behind_ms >= URGENT_MS || waiting_bytes >= max_bytes / 8)
		return URGENT;
	return now;
}

static enum pace next_pace(struct drainer *d)
{
	uint64_t since = d->behind_since_ms;

	if (atomic_load(&d->stopping))
		return URGENT;
	return drainer_pace(d->turn, since ? clock_mono_ms() - since + 1 : 0,
			    since ? journal_backlog_bytes(d->j) : 0, d->j->o.max_bytes);
}

/* Waits until it is this thread's turn. False: there will be no more. */
static bool take_turn(struct drainer *d, enum pace mine)
{
	bool over;

	pthread_mutex_lock(&d->turn_lock);
	while (!d->over && d->turn != mine)
		pthread_cond_wait(&d->turn_cond, &d->turn_lock);
	over = d->over;
	pthread_mutex_unlock(&d->turn_lock);
	return !over;
}

static void end_turn(struct drainer *d, bool over)
{
	enum pace next = next_pace(d);

	if (next == d->turn && !over)
		return;
	if (!atomic_load(&d->stopping))
		log_info("store",
			 next == URGENT
				 ? "the record has fallen behind: the drainer gives way no more"
				 : "the record has caught up: the drainer gives way again",
			 LI("records", atomic_load(&d->j->written) - atomic_load(&d->delivered)));
	pthread_mutex_lock(&d->turn_lock);
	d->turn = next;
	d->over = over;
	pthread_cond_broadcast(&d->turn_cond);
	pthread_mutex_unlock(&d->turn_lock);
}

/* A batch, and what is to be done after it. False: that was the last. */
static bool drain(struct drainer *d)
{
	/* Asked before reading: nothing is written any more once this is true. */
	bool last = atomic_load(&d->stopping);
	uint64_t seen = atomic_load(&d->j->written_rows);
	struct batch b = { 0 };
	int r = -1;

	if (last && clock_mono_ms() >= atomic_load(&d->stop_at_ms))
		return false;
	if (sink_is_ready(d)) {
		watch_age(d);
		r = run_batch(d, &b);
	}
	if (last && r <= 0)
		return false; /* nothing is left, or the journal keeps it for the next start */
	if (r > 0)
		d->idle_since_ms = 0;
	if (r == 0 || (r > 0 && !b.more))
		d->behind_since_ms = 0;
	else if (!d->behind_since_ms)
		d->behind_since_ms = clock_mono_ms();
	if (r > 0 && !b.more && !last)
		journal_wait_rows(d->j, atomic_load(&d->j->written_rows), BATCH_ROWS, BATCH_MS);
	else if (!r)
		idle(d, seen);
	return true;
}

static void finish(struct drainer *d)
{
	if (d->sink_is_open && d->sink.wal_pages)
		sink_checkpoint(&d->sink, true);
	stop_reading(d);
	sink_close(&d->sink);
	d->sink_is_open = false;
}

static void *drain_thread(void *arg)
{
	struct drain_thread *t = arg;
	struct drainer *d = t->d;

	pthread_setname_np(pthread_self(), "signet-drainer");
	if (t->pace == GENTLE)
		thread_give_way();
	while (take_turn(d, t->pace)) {
		bool more = drain(d);

		if (!more)
			finish(d);
		end_turn(d, !more);
	}
	error_clear(); /* a thread's last error is its own to free */
	return NULL;
}

static void join(struct drainer *d, int threads)
{
	while (threads-- > 0)
		pthread_join(d->threads[threads].id, NULL);
	pthread_cond_destroy(&d->turn_cond);
	pthread_mutex_destroy(&d->turn_lock);
	pthread_mutex_destroy(&d->lock);
}

int drainer_start(struct drainer *d)
{
	sigset_t all, before;
	int e = 0, started = 0;

	pthread_mutex_init(&d->lock, NULL);
	pthread_mutex_init(&d->turn_lock, NULL);
	pthread_cond_init(&d->turn_cond, NULL);
	d->at = (struct place){ .last = d->sink_is_open ? d->sink.position : 0 };
	d->baseline_unknown = d->sink_is_open && !d->sink.position;
	atomic_store(&d->delivered, d->at.last);
	d->turn = PACES; /* nobody's until all are there */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (; started < PACES && !e; started += !e) {
		struct drain_thread *t = &d->threads[started];

		*t = (struct drain_thread){ .d = d, .pace = (enum pace)started };
		e = pthread_create(&t->id, NULL, drain_thread, t);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_mutex_lock(&d->turn_lock);
	d->turn = GENTLE;
	d->over = e != 0;
	pthread_cond_broadcast(&d->turn_cond);
	pthread_mutex_unlock(&d->turn_lock);
	if (e) {
		join(d, started);
		return fail(ERR_STORE, "the drainer's thread: %s", strerror(e));
	}
	d->running = true;
	return 0;
}

void drainer_stop(struct drainer *d, uint64_t ms)
{
	if (!d->running)
		return;
	atomic_store(&d->stop_at_ms, clock_mono_ms() + ms);
	atomic_store(&d->stopping, true);
	pthread_mutex_lock(&d->j->more_lock);
	pthread_cond_signal(&d->j->more_cond);
	pthread_mutex_unlock(&d->j->more_lock);
	join(d, PACES);
	d->running = false;
}
