/*
 * The journal (storage §7): segments on disk, one writer thread, group commit without a timer.
 * Private to store/: the request's path sees store_append() only.
 */
#ifndef SIGNET_STORE_JOURNAL_H
#define SIGNET_STORE_JOURNAL_H

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "base/metrics.h"
#include "store/segment.h"

struct fiber;
struct waker;

#define JOURNAL_READERS 2 /* a drainer for each sink */

enum sync_policy { SYNC_ALWAYS, SYNC_INTERVAL, SYNC_NEVER };

/* Why a record is not in the journal. The order is that of `unrecorded_reasons`. */
enum unrecorded { RECORDED, QUEUE_FULL, DISK_FULL, WRITE_ERROR, TOO_LARGE, UNRECORDED_REASONS };

struct journal_options {
	enum sync_policy sync;
	uint64_t sync_ms, segment_bytes, max_bytes, queue_bytes, wait_ms, keep_bytes, reserve_bytes;
	bool refuse_when_full, compress;
};

enum pending_state { PENDING_QUEUED, PENDING_TAKEN, PENDING_DONE, PENDING_LEFT };

/* One record between a worker and the writer. Both hold it; the last one frees it. */
struct pending {
	struct pending *next, *next_unsynced;
	struct buf payload;
	struct record_head head;
	uint64_t queued_ms;
	struct waker *waker; /* NULL: a thread waits on `done_cond` */
	struct fiber *fiber;
	bool woken;       /* on the fiber's thread only */
	atomic_int state; /* enum pending_state */
	atomic_int holders;
	enum unrecorded result;
};

struct segment_info {
	uint64_t first; /* its name */
	uint64_t end;   /* bytes that readers may look at */
	uint64_t
		last; /* greatest number written by this process, or known from its successor; 0 = unknown */
	uint64_t written_ms; /* Unix: the last time before this process; 0: by it alone */
	unsigned generation; /* another one for each file: a name may come back */
};

/* When what was written (journal_age.c). */
#define JOURNAL_MARKS   256
#define JOURNAL_SAMPLES 32
struct journal_age {
	struct journal_mark {
		uint64_t number, unix_ms; /* records from it on were not written before */
	} marks[JOURNAL_MARKS];
	size_t nmarks;
	uint64_t stored[JOURNAL_READERS]; /* record number that the reader's sink has */
	struct journal_sample {
		uint64_t unix_ms, bytes; /* that waited then for the slowest */
	} samples[JOURNAL_SAMPLES];
	size_t nsamples;
};

struct journal {
	struct journal_options o;
	int dir; /* ‹data›/journal */
	uint8_t node[16];

	/* workers -> writer */
	_Atomic(struct pending *) queue;
	atomic_uint_fast64_t queued_bytes;
	atomic_uint bell; /* a futex: 0 = the writer may sleep */
	atomic_bool closing;
	pthread_mutex_t done_lock;
	pthread_cond_t done_cond;

	/* the writer's own */
	pthread_t writer, syncer;
	bool threads;
	int fd;                         /* of the open segment; -1 = none */
	uint64_t offset;                /* where the next record goes */
	uint64_t allocated;             /* bytes reserved for it on disk */
	uint64_t opened_first;          /* its name */
	uint8_t header[SEGMENT_HEADER]; /* its own, for the end record */
	uint64_t records;               /* in it */
	uint64_t first_record_ms;
	uint64_t next_number;
	struct pending *unsynced, **unsynced_tail;
	uint64_t unsynced_bytes, dirty_since_ms;
	bool reserve_gone;
	uint64_t space_checked_ms, retry_open_ms;
	atomic_int last_errno;

	/* writer <-> syncer */
	atomic_int sync_state; /* enum sync_state of journal.c */
	atomic_uint sync_bell;
	int sync_fd;
	struct pending *sync_upto; /* last record that the running sync covers */

	/* what the others may see */
	pthread_mutex_t lock; /* segments and read position */
	struct segment_info *segments;
	size_t nsegments, cap_segments;
	unsigned generations; /* given out */
	/* Everything before a reader's place is in its sink. The whole is where the slowest stands; 0: nobody knows. */
	struct journal_place {
		uint64_t first, offset;
	} places[JOURNAL_READERS], slowest;
	size_t readers;
	atomic_uint_fast64_t written; /* last number */
	atomic_uint_fast64_t written_rows;
	atomic_bool full, broken;
	atomic_uint_fast64_t disk_free;
	atomic_uint_fast64_t unrecorded[UNRECORDED_REASONS];
	struct journal_age age; /* under the lock */

	/* writer -> drainers */
	atomic_uint_fast64_t reader_wants_rows
		[JOURNAL_READERS]; /* wake it when written_rows reaches this; 0: it does not wait */
	pthread_mutex_t more_lock;
	pthread_cond_t more_cond;

	uint64_t torn_tails;
};

extern struct metric metric_records, metric_bytes, metric_wait, metric_sync, metric_unrecorded,
	metric_torn, metric_corrupt, metric_lost, metric_cut;

/* `dir_fd` is the journal's folder, which the journal closes. Recovers what is there; then the writer
 * runs. `delivered`: the sink's position; numbers go on after it at least, and after a gap of `skip` (for
 * when the position is not known). -1: error set. */
int journal_open(struct journal *, int dir_fd, const struct journal_options *,
		 const uint8_t node[16], uint64_t delivered, uint64_t skip);
/* Writes what is queued and the end record, syncs, joins the threads. Readers may go on. */
void journal_close(struct journal *);
void journal_deinit(struct journal *);

/* Takes payload and waits (on a fiber or a thread). The reason, or RECORDED. */
enum unrecorded journal_append(struct journal *, struct buf *payload, const struct record_head *);
bool journal_is_full(const struct journal *);
/* Shows the counter with 0 for each reason, so that an alarm on it has something to look at. */
void journal_meter_unrecorded(void);
void journal_count_unrecorded(struct journal *, enum unrecorded);

struct journal_totals {
	size_t segments;
	uint64_t bytes, backlog; /* on disk; of these, what the slowest sink has not */
};
struct journal_totals journal_totals(struct journal *);
/* Where a reader stands whose sink has everything up to this record. Nothing is deleted that a reader has not. */
void journal_place_reader(struct journal *, unsigned reader, uint64_t delivered);
void journal_move_reader(struct journal *, unsigned reader, struct journal_place);
/* Bytes that this reader's sink has not. */
uint64_t journal_backlog(struct journal *, unsigned reader);
/* Deletes delivered segments, oldest first, until at most `keep` bytes of them are left. */
void journal_drop_delivered(struct journal *, uint64_t keep);

/* Unix milliseconds at which the oldest record was written that a sink has not which has those up to `delivered`; 0: it has all. */
uint64_t journal_waiting_since(struct journal *, uint64_t delivered);
/* When the journal will be full of the slowest sink's backlog, at the pace of the last minutes, else at that since `since`.
 * Unix milliseconds; 0: the backlog does not grow. */
uint64_t journal_full_at(struct journal *, uint64_t backlog, uint64_t since);
/* A reader's sink has everything up to this number. */
void journal_age_stored(struct journal *, unsigned reader, uint64_t delivered);
void journal_age_mark(struct journal *, uint64_t number, uint64_t unix_ms); /* under the lock */
void journal_age_sample(struct journal *, uint64_t backlog);                /* from time to time */

/* For waits on conditions of the monotonic clock. */
struct timespec journal_deadline(uint64_t ms);
/* Of this reader: waits until `rows` more rows than `seen_rows` are written, at most `ms`; not once the journal closes. */
void journal_wait_rows(struct journal *, unsigned reader, uint64_t seen_rows, uint64_t rows,
		       uint64_t ms);

/* recovery.c: fills segments, next_number. Truncates the torn tail of the last one. */
int journal_recover(struct journal *, uint64_t delivered);
void segment_name(uint64_t first, char out[20]); /* "‹16 hex›.sj" */
bool segment_name_parse(const char *name, uint64_t *first);
int segment_open(int dir, uint64_t first, int flags); /* -1: errno */
int segment_remove(int dir, uint64_t first);          /* the same */
DIR *folder_list(int dir);                            /* read from its beginning. NULL: errno */
/* Writes what the reader found damaged to bad/. If that fails, `not_kept` is logged. */
void journal_keep_bad(struct journal *, struct segment_reader *, uint64_t first, const char *suffix,
		      const char *not_kept);
int journal_add_segment(struct journal *, const struct segment_info *); /* under the lock */

#endif
