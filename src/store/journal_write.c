/*
 * The writer: one thread that puts groups of records into segments (storage §7.3), and its helper that calls
 * fdatasync beside it, so that with sync = "interval" no answer waits for the disk.
 *
 * What may go wrong decides the shape. A short or refused write is cut away before the next try. A failed
 * fdatasync says nothing about which pages are gone, and a second one on the same file would say "fine", so
 * that file is closed as doubtful and everything since the last good sync is written again, with the same
 * numbers, into a new one; for that the records stay in memory until they are synced (`unsynced`). A full
 * disk frees the reserve file once, which is enough to end what runs. The trap: a record number must never
 * name two different records; where bytes of a refused record could not be cut away, its number is burnt.
 */
#include "store/journal_write.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/time.h"
#include "store/crc32c.h"

#define CHUNK_RECORDS  256 /* three pieces each, below IOV_MAX */
#define CHUNK_BYTES    (8u << 20)
#define SEGMENT_OLD_MS 60000
#define UNSYNCED_MAX   (64u << 20)
#define SPACE_EVERY_MS 1000

enum sync_state { SYNC_IDLE, SYNC_WANTED, SYNC_DONE, SYNC_FAILED, SYNC_STOP };

/* errno -> what the answer is told */
static enum unrecorded trouble(struct journal *j, const char *what)
{
	j->last_errno = errno;
	log_warn("store", what, LS("error", strerror(errno)));
	return journal_is_full_errno(errno) ? DISK_FULL : WRITE_ERROR;
}

/* ---- segments ---- */

static void forget_file(struct journal *j)
{
	if (j->fd >= 0)
		close(j->fd);
	j->fd = -1;
	j->allocated = j->offset = j->records = 0;
	j->dirty_since_ms = 0;
}

/* Under the lock. */
static struct segment_info *open_segment(struct journal *j)
{
	return j->nsegments ? &j->segments[j->nsegments - 1] : NULL;
}

static bool newest_segment_is(struct journal *j, uint64_t first)
{
	bool is;

	pthread_mutex_lock(&j->lock);
	is = open_segment(j) && open_segment(j)->first == first;
	pthread_mutex_unlock(&j->lock);
	return is;
}

/* Makes the new segment known. `replaces`: its name is that of the one before. */
static int publish_segment(struct journal *j, uint64_t first, bool replaces)
{
	struct segment_info info = { .first = first,
				     .end = SEGMENT_HEADER,
				     .generation = ++j->generations };
	int result = 0;

	pthread_mutex_lock(&j->lock);
	if (replaces) {
		*open_segment(j) = info;
	} else {
		result = journal_add_segment(j, &info);
	}
	pthread_mutex_unlock(&j->lock);
	return result;
}

static int write_all(int fd, const void *p, size_t n, uint64_t at)
{
	ssize_t got = pwrite(fd, p, fault("journal.header") ? 1 : n, (off_t)at);

	if (got >= 0 && (size_t)got < n)
		errno = ENOSPC;
	return got == (ssize_t)n ? 0 : -1;
}

/* A file with header and reserved blocks. -1: errno. */
static int make_segment_file(struct journal *j, const char *name, uint64_t first)
{
	struct segment_header h = { .format = SEGMENT_FORMAT,
				    .first = first,
				    .unix_ms = clock_unix_ms() };
	int fd = fault("journal.open")
			 ? (errno = EIO, -1)
			 : openat(j->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int e;

	if (fd < 0)
		return -1;
	memcpy(h.node, j->node, 16);
	segment_header_write(&h, j->header);
	j->allocated = 0;
	if (fault("journal.fallocate"))
		e = ENOSPC;
	else
		e = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)j->o.segment_bytes) ? errno : 0;
	if (!e)
		j->allocated = j->o.segment_bytes;
	/* Some file systems cannot; and when even the reserve has been given up, what room there is will do. */
	if (journal_is_full_errno(e) && !j->reserve_gone) {
		errno = e;
		goto failed;
	}
	if (write_all(fd, j->header, sizeof(j->header), 0))
		goto failed;
	if (j->o.sync != SYNC_NEVER)
		fsync(j->dir); /* the name must survive a power cut too */
	return fd;
failed:
	e = errno;
	close(fd);
	unlinkat(j->dir, name, 0);
	errno = e;
	return -1;
}

/* Opens a segment whose first record will be `first`. */
static enum unrecorded start_segment(struct journal *j, uint64_t first)
{
	char name[20], made[24];
	bool replaces = newest_segment_is(j, first);
	uint64_t now = clock_mono_ms();
	int fd;

	if (j->retry_open_ms > now)
		return journal_is_full_errno(j->last_errno) ? DISK_FULL : WRITE_ERROR;
	segment_name(first, name);
	snprintf(made, sizeof(made), "%s%s", name, replaces ? ".new" : "");
	if (replaces)
		unlinkat(j->dir, made, 0);
	fd = make_segment_file(j, made, first);
	if (fd < 0) {
		if (!journal_is_full_errno(errno))
			j->retry_open_ms = now + 200;
		return trouble(j, "a new journal segment could not be made");
	}
	j->fd = fd;
	j->offset = SEGMENT_HEADER;
	j->opened_first = first;
	j->records = 0;
	j->first_record_ms = 0;
	j->retry_open_ms = 0;
	if (!replaces && publish_segment(j, first, false)) {
		forget_file(j);
		unlinkat(j->dir, made, 0);
		errno = ENOMEM;
		return trouble(j, "a new journal segment could not be made");
	}
	return RECORDED;
}

/* A segment for new records. A file of that name may be there of which nothing could be read at the start: it
 * keeps its name, and the number is burnt, for a new file under the old name would take its place. */
static enum unrecorded start_next(struct journal *j)
{
	if (newest_segment_is(j, j->next_number))
		j->next_number++;
	return start_segment(j, j->next_number);
}

static int sync_now(int fd)
{
	uint64_t from = clock_mono_ns();
	int r = fault("journal.fsync") ? (errno = EIO, -1) : fdatasync(fd);

	METRIC_OBSERVE(&metric_sync, (double)(clock_mono_ns() - from) / 1e9);
	return r;
}

/* ---- writing ---- */

/* Numbers and writes n records from p on at the end of the open file. -1: errno, nothing was added. */
static int write_records(struct journal *j, struct pending **at, size_t n, uint64_t *bytes)
{
	struct iovec iov[CHUNK_RECORDS * 3];
	uint8_t heads[CHUNK_RECORDS][RECORD_HEADER];
	static const uint8_t zeros[8];
	size_t niov = 0;
	uint64_t total = 0;
	ssize_t got = -1;
	int injected;

	for (size_t i = 0; i < n; i++) {
		const struct record_head *h = &at[i]->head;
		size_t pad = (size_t)(record_size(h->len) - RECORD_HEADER - h->len);

		record_head_write(h, heads[i]);
		iov[niov++] = (struct iovec){ heads[i], RECORD_HEADER };
		if (h->len)
			iov[niov++] = (struct iovec){ at[i]->payload.data, h->len };
		if (pad)
			iov[niov++] = (struct iovec){ (void *)zeros, pad };
		total += record_size(h->len);
	}
	injected = fault("journal.write") ? EIO : fault("journal.full") ? ENOSPC : 0;
	if (injected)
		errno = injected;
	else
		got = pwritev(j->fd, iov, fault("journal.short") ? 1 : (int)niov, (off_t)j->offset);
	*bytes = total;
	if (got == (ssize_t)total)
		return 0;
	if (got >= 0)
		errno = ENOSPC; /* a short write; the next one would say why */
	return -1;
}

/* After a failed write: what it left is cut away. False: it could not be. */
static bool cut_back(struct journal *j)
{
	int e = errno;
	bool ok = !fault("journal.truncate") && !ftruncate(j->fd, (off_t)j->offset);

	errno = e;
	return ok;
}

static const char not_synced[] =
	"the journal could not be synced; its records are written again elsewhere";
static enum unrecorded rewrite_unsynced(struct journal *j);

/* Lets go of the records up to this one; NULL: of all. */
static void drop_unsynced(struct journal *j, const struct pending *upto)
{
	bool more = true;

	while (j->unsynced && more) {
		struct pending *p = j->unsynced;

		more = p != upto;
		j->unsynced = p->next_unsynced;
		j->unsynced_bytes -= p->head.len;
		pending_drop(p);
	}
	if (!j->unsynced) {
		j->unsynced_tail = &j->unsynced;
		j->dirty_since_ms = 0;
	}
	j->sync_upto = NULL;
}

/* What the file holds is doubtful from here on. */
static enum unrecorded sync_failed(struct journal *j, const char *what)
{
	trouble(j, what);
	forget_file(j);
	return rewrite_unsynced(j);
}

/* A segment in which nothing stands leaves no trace. */
static void remove_empty(struct journal *j)
{
	segment_remove(j->dir, j->opened_first);
	pthread_mutex_lock(&j->lock);
	if (j->nsegments && open_segment(j)->first == j->opened_first)
		j->nsegments--;
	pthread_mutex_unlock(&j->lock);
	forget_file(j);
}

/* Ends the open segment in a way that says nothing is wrong with it. */
static void close_segment(struct journal *j)
{
	struct pending end = { .head = { .number = j->next_number,
					 .len = SEGMENT_END,
					 .type = RECORD_END,
					 .parts = 0 } },
		       *one = &end;
	uint64_t counts[2] = { htole64(j->records), htole64(j->offset - SEGMENT_HEADER) }, bytes;
	uint8_t payload[SEGMENT_END];

	if (j->fd < 0)
		return;
	if (!j->records) {
		remove_empty(j);
		return;
	}
	memcpy(payload, counts, SEGMENT_COUNTS);
	memcpy(payload + SEGMENT_COUNTS, j->header, SEGMENT_HEADER);
	end.payload = (struct buf){ .data = (char *)payload, .len = SEGMENT_END };
	end.head.payload_crc = crc32c(0, payload, SEGMENT_END);
	if (!write_records(j, &one, 1, &bytes)) {
		j->offset += bytes;
		pthread_mutex_lock(&j->lock);
		open_segment(j)->end = j->offset;
		open_segment(j)->last = j->next_number;
		journal_age_mark(j, j->next_number, clock_unix_ms());
		pthread_mutex_unlock(&j->lock);
		atomic_store(&j->written, j->next_number);
		j->next_number++;
	} else if (!cut_back(j)) {
		j->next_number++;
	}
	if (j->o.sync != SYNC_NEVER && sync_now(j->fd)) {
		sync_failed(j, "a journal segment could not be synced when it was closed");
		return;
	}
	drop_unsynced(j, NULL);
	(void)!ftruncate(j->fd, (off_t)j->offset); /* gives the reserved blocks back */
	forget_file(j);
}

/* Waits for the helper's fdatasync, if one runs: the file is about to be closed. */
static void settle_sync(struct journal *j)
{
	while (atomic_load(&j->sync_state) == SYNC_WANTED) {
		struct timespec t = { 0, 200000 };

		nanosleep(&t, NULL);
	}
}

/* The helper's answer. */
static void take_sync_result(struct journal *j)
{
	switch (atomic_load(&j->sync_state)) {
	case SYNC_DONE:
		atomic_store(&j->sync_state, SYNC_IDLE);
		if (j->sync_upto)
			drop_unsynced(j, j->sync_upto);
		j->dirty_since_ms = j->unsynced ? clock_mono_ms() : 0;
		break;
	case SYNC_FAILED:
		atomic_store(&j->sync_state, SYNC_IDLE);
		j->sync_upto = NULL;
		errno = j->last_errno;
		sync_failed(j, not_synced);
		break;
	default: break;
	}
}

static void rotate_if_due(struct journal *j, uint64_t more)
{
	bool old = j->records && clock_mono_ms() - j->first_record_ms >= SEGMENT_OLD_MS;
	bool full = j->records && j->offset + more + record_size(SEGMENT_END) > j->o.segment_bytes;

	if (j->fd < 0 || !(old || full))
		return;
	settle_sync(j);
	take_sync_result(j);
	close_segment(j);
}

static void keep_until_synced(struct journal *j, struct pending *p)
{
	p->next_unsynced = NULL;
	atomic_fetch_add(&p->holders, 1);
	*j->unsynced_tail = p;
	j->unsynced_tail = &p->next_unsynced;
	j->unsynced_bytes += p->head.len;
	if (!j->dirty_since_ms)
		j->dirty_since_ms = clock_mono_ms();
}

static void tell_readers(struct journal *j, uint64_t last, uint64_t rows)
{
	uint64_t total, before = atomic_load(&j->written);

	pthread_mutex_lock(&j->lock);
	open_segment(j)->end = j->offset;
	open_segment(j)->last = last;
	if (last > before)
		journal_age_mark(j, before + 1, clock_unix_ms());
	pthread_mutex_unlock(&j->lock);
	if (last > before)
		atomic_store(&j->written, last);
	total = atomic_fetch_add(&j->written_rows, rows) + rows;
	for (size_t i = 0; i < JOURNAL_READERS; i++) {
		uint64_t wants = atomic_load(&j->reader_wants_rows[i]);

		if (!wants || total < wants)
			continue;
		pthread_mutex_lock(&j->more_lock);
		pthread_cond_broadcast(&j->more_cond);
		pthread_mutex_unlock(&j->more_lock);
		break;
	}
}

/* Writes n numbered records, at most CHUNK_RECORDS, to the open segment. */
static enum unrecorded put(struct journal *j, struct pending **at, size_t n)
{
	uint64_t bytes, rows = 0;

	if (write_records(j, at, n, &bytes)) {
		enum unrecorded why = trouble(j, "a write to the journal failed");

		if (!cut_back(j) && at[n - 1]->head.number >= j->next_number)
			j->next_number = at[n - 1]->head.number + 1; /* burnt */
		return why;
	}
	j->offset += bytes;
	if (!j->records)
		j->first_record_ms = clock_mono_ms();
	j->records += n;
	for (size_t i = 0; i < n; i++)
		rows += at[i]->head.parts;
	METRIC_ADD(&metric_bytes, (double)bytes);
	tell_readers(j, at[n - 1]->head.number, rows);
	return RECORDED;
}

/* Everything since the last good sync, again, with the same numbers, into a new segment. */
static enum unrecorded rewrite_unsynced(struct journal *j)
{
	struct pending *chunk[CHUNK_RECORDS], *p = j->unsynced;
	bool replaces;
	char name[20], made[24];
	enum unrecorded why;

	if (!p)
		return RECORDED;
	replaces = newest_segment_is(j, p->head.number);
	why = start_segment(j, p->head.number);
	if (why == RECORDED && replaces && publish_segment(j, p->head.number, true))
		why = WRITE_ERROR;
	while (why == RECORDED && p) {
		size_t n = 0;

		for (; p && n < CHUNK_RECORDS; p = p->next_unsynced)
			chunk[n++] = p;
		why = put(j, chunk, n);
	}
	if (why == RECORDED && sync_now(j->fd))
		why = trouble(j, "the journal could not be synced in its new segment either");
	segment_name(j->opened_first, name);
	snprintf(made, sizeof(made), "%s.new", name);
	if (why == RECORDED && replaces && renameat(j->dir, made, j->dir, name))
		why = trouble(j, "the new segment could not take its place");
	if (why != RECORDED) {
		forget_file(j);
		return why;
	}
	drop_unsynced(j, NULL);
	return RECORDED;
}

/* ---- the start ---- */

int journal_prepare(struct journal *j)
{
	enum unrecorded why;

	if (journal_make_reserve(j) && !journal_is_full_errno(errno))
		return fail(ERR_STORE, "journal/" JOURNAL_RESERVE ": %s", strerror(errno));
	journal_look_at_disk(j);
	why = start_next(j);
	if (why == DISK_FULL)
		atomic_store(&j->full, true); /* serves all the same: on_full decides */
	else if (why != RECORDED)
		return fail(ERR_STORE, "journal: no segment can be made: %s",
			    strerror(atomic_load(&j->last_errno)));
	if (fault("journal.prepare"))
		return fail(ERR_STORE, "journal: injected");
	atomic_store(&j->written, j->next_number - 1);
	return 0;
}

/* ---- groups ---- */

/* Takes what is queued, oldest first, without those whose waiters have gone. */
static struct pending *take_queue(struct journal *j)
{
	struct pending *p = atomic_exchange(&j->queue, NULL), *list = NULL;

	while (p) {
		struct pending *next = p->next;
		int queued = PENDING_QUEUED;

		if (atomic_compare_exchange_strong(&p->state, &queued, PENDING_TAKEN)) {
			p->next = list;
			list = p;
		} else {
			atomic_fetch_sub(&j->queued_bytes, p->head.len);
			pending_drop(p);
		}
		p = next;
	}
	return list;
}

/* One try for a chunk: segment, numbers, write, by policy sync. */
static enum unrecorded try_chunk(struct journal *j, struct pending **at, size_t n, uint64_t bytes)
{
	enum unrecorded why;

	take_sync_result(j);
	rotate_if_due(j, bytes);
	if (j->fd < 0 && j->unsynced) {
		why = rewrite_unsynced(j);
		if (why != RECORDED)
			return why;
	}
	if (j->fd < 0) {
		why = start_next(j);
		if (why != RECORDED)
			return why;
	}
	for (size_t i = 0; i < n; i++)
		at[i]->head.number = j->next_number + i;
	why = put(j, at, n);
	if (why != RECORDED)
		return why;
	j->next_number += n;
	if (j->o.sync == SYNC_NEVER)
		return RECORDED;
	for (size_t i = 0; i < n; i++)
		keep_until_synced(j, at[i]);
	if (j->o.sync == SYNC_INTERVAL)
		return RECORDED;
	if (sync_now(j->fd)) {
		why = sync_failed(j, not_synced);
		/* if it failed, its waiters are told so and the numbers are burnt */
		drop_unsynced(j, NULL);
		return why;
	}
	drop_unsynced(j, at[n - 1]);
	j->dirty_since_ms = 0;
	return RECORDED;
}

/* A write error makes the file doubtful: the next try goes to a new one. */
static void leave_file(struct journal *j)
{
	settle_sync(j);
	if (atomic_load(&j->sync_state) != SYNC_IDLE)
		atomic_store(&j->sync_state, SYNC_IDLE);
	j->sync_upto = NULL;
	if (j->fd >= 0 && !j->records && newest_segment_is(j, j->next_number))
		remove_empty(j); /* its name is needed again */
	forget_file(j);
}

static enum unrecorded put_chunk(struct journal *j, struct pending **at, size_t n, uint64_t bytes)
{
	bool moved = false;

	for (;;) {
		enum unrecorded why = try_chunk(j, at, n, bytes);

		if (why == RECORDED) {
			atomic_store(&j->broken, false);
			return why;
		}
		if (why == DISK_FULL && journal_release_reserve(j)) {
			atomic_store(&j->full, true);
			journal_drop_delivered(j, 0);
			continue;
		}
		if (why == WRITE_ERROR && !moved) {
			moved = true;
			leave_file(j);
			j->retry_open_ms = 0;
			continue;
		}
		atomic_store(why == DISK_FULL ? &j->full : &j->broken, true);
		if (!j->o.refuse_when_full || atomic_load(&j->closing) ||
		    clock_mono_ms() - at[0]->queued_ms >= j->o.wait_ms)
			return why;
		nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
		moved = false;
	}
}

static void count_types(struct pending **at, size_t n)
{
	static const char *const types[] = { "group", "feedback", "control" };
	size_t count[3] = { 0 };

	for (size_t i = 0; i < n; i++)
		count[(at[i]->head.type - 1) % 3]++;
	for (size_t i = 0; i < 3; i++)
		if (count[i])
			METRIC_ADD(&metric_records, (double)count[i], bytes_of(types[i]));
}

/* The group in pieces that fit a segment and a writev; each piece's waiters are told when it is done. */
static void write_group(struct journal *j, struct pending *group)
{
	struct pending *chunk[CHUNK_RECORDS];

	while (group) {
		struct pending *last = group, *rest;
		uint64_t bytes = record_size(group->head.len);
		enum unrecorded why;
		size_t n = 1;

		chunk[0] = group;
		for (; last->next && n < CHUNK_RECORDS; last = last->next) {
			uint64_t more = record_size(last->next->head.len);

			if (bytes + more > CHUNK_BYTES)
				break;
			bytes += more;
			chunk[n++] = last->next;
		}
		rest = last->next;
		last->next = NULL;
		why = put_chunk(j, chunk, n, bytes);
		if (why == RECORDED)
			count_types(chunk, n);
		journal_finish(j, group, why);
		group = rest;
	}
}

/* Hands the file to the helper when its oldest unsynced record is sync_ms old. */
static void sync_if_due(struct journal *j, uint64_t now)
{
	if (j->o.sync != SYNC_INTERVAL || !j->unsynced || atomic_load(&j->sync_state) != SYNC_IDLE)
		return;
	if (j->fd < 0) {
		if (now - j->space_checked_ms >= 500 || !j->space_checked_ms)
			rewrite_unsynced(j);
		return;
	}
	if (now - j->dirty_since_ms < j->o.sync_ms && j->unsynced_bytes < UNSYNCED_MAX)
		return;
	j->sync_fd = j->fd;
	j->sync_upto = (struct pending *)((char *)j->unsynced_tail -
					  offsetof(struct pending, next_unsynced));
	atomic_store(&j->sync_state, SYNC_WANTED);
	journal_ring(&j->sync_bell);
}

/* How long the writer may sleep: to the next sync, or to the next look at the disk. */
static uint64_t housekeeping(struct journal *j)
{
	uint64_t now = clock_mono_ms(), next;

	take_sync_result(j);
	sync_if_due(j, now);
	if (now - j->space_checked_ms >= SPACE_EVERY_MS) {
		journal_look_at_disk(j);
		if (atomic_load(&j->broken)) {
			/* Nobody hands records over while it is broken and serving: try for them. */
			j->retry_open_ms = 0;
			if (j->fd >= 0 || start_next(j) == RECORDED)
				atomic_store(&j->broken, false);
		}
	}
	next = j->space_checked_ms + SPACE_EVERY_MS;
	if (j->unsynced && j->dirty_since_ms + j->o.sync_ms < next)
		next = j->dirty_since_ms + j->o.sync_ms;
	return next > now ? next - now : 1;
}

void *journal_writer(void *arg)
{
	struct journal *j = arg;

	pthread_setname_np(pthread_self(), "signet-journal");
	for (;;) {
		struct pending *group;
		uint64_t ms;

		group = take_queue(j);
		if (group)
			write_group(j, group);
		ms = housekeeping(j);
		if (group)
			continue;
		atomic_store(&j->bell, 0); /* from here on a push must ring */
		if (!atomic_load(&j->queue) && !atomic_load(&j->closing))
			journal_sleep(&j->bell, ms);
		atomic_store(&j->bell, 1);
		if (atomic_load(&j->closing) && !atomic_load(&j->queue))
			break;
	}
	settle_sync(j);
	take_sync_result(j);
	close_segment(j);
	drop_unsynced(j, NULL);
	error_clear(); /* a thread's last error is its own to free */
	return NULL;
}

void *journal_syncer(void *arg)
{
	struct journal *j = arg;

	pthread_setname_np(pthread_self(), "signet-sync");
	for (;;) {
		while (!atomic_exchange(&j->sync_bell, 0))
			journal_sleep(&j->sync_bell, TIME_NEVER);
		if (atomic_load(&j->sync_state) == SYNC_STOP)
			break;
		if (atomic_load(&j->sync_state) != SYNC_WANTED)
			continue;
		if (sync_now(j->sync_fd)) {
			j->last_errno = errno;
			atomic_store(&j->sync_state, SYNC_FAILED);
		} else {
			atomic_store(&j->sync_state, SYNC_DONE);
		}
		journal_ring(&j->bell);
	}
	error_clear();
	return NULL;
}

void journal_stop_syncer(struct journal *j)
{
	atomic_store(&j->sync_state, SYNC_STOP);
	journal_ring(&j->sync_bell);
}
