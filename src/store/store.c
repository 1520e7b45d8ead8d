/*
 * The record's front door: the data directory and its lock, opening and closing in the right order, the one
 * call of the request's path, and what /status and /metrics tell.
 *
 * Order matters. The sink is opened first, because its position says where record numbers go on; a sink that
 * cannot be opened does not stop the start (the journal keeps what comes), unless it is of a later schema.
 * At the end the journal is closed before the drainer, which then has all there is to deliver.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "store/drainer.h"
#include "store/journal.h"

/* Record numbers are skipped by this when the sink's position is not known at the start: more than any
 * power cut can have taken from the journal's end. */
#define UNKNOWN_POSITION_GAP 1000000

struct store {
	struct journal journal;
	struct drainer drainer;
	int dir, lock_fd;
	struct arena texts; /* of the options */
	const char *dir_name;
	uint64_t shutdown_drain_ms;
	struct sink *sink;
};

/* ---- the data directory ---- */

/* 0: it does not say. */
static uint64_t read_pid(int fd)
{
	char text[32];
	ssize_t n = pread(fd, text, sizeof(text), 0);
	struct bytes all = { text, n > 0 ? (size_t)n : 0 };
	uint64_t pid;

	return bytes_to_u64(bytes_cut(&all, '\n'), &pid) ? pid : 0;
}

static int open_dir(const char *dir)
{
	struct stat st;
	int fd;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return fail(ERR_STORE, "%s: cannot be made: %s (see --data-dir)", dir,
			    strerror(errno));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(ERR_STORE, "%s: %s", dir, strerror(errno));
	if (faccessat(fd, ".", W_OK, AT_EACCESS)) {
		fail(ERR_STORE, "%s is not writable: %s (see --data-dir)", dir, strerror(errno));
		close(fd);
		return -1;
	}
	if (!fstat(fd, &st) && st.st_mode & 077)
		log_warn("store", "the data directory is open to other users (chmod 700)",
			 LS("file", dir));
	return fd;
}

static int lock_in(int dir_fd, const char *dir, int *lock_fd)
{
	char text[32];
	int n, fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return fail(ERR_STORE, "%s/lock: %s", dir, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		int e = errno, held = e == EWOULDBLOCK;
		uint64_t pid = read_pid(fd);

		if (!held)
			fail(ERR_STORE, "%s/lock: %s", dir, strerror(e));
		else if (!pid)
			fail(ERR_STORE, "%s is in use by another process", dir);
		else
			fail(ERR_STORE, "%s is in use by process %" PRIu64, dir, pid);
		close(fd);
		return held ? 1 : -1;
	}
	n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)n, 0) != n)
		log_warn("store", "the lock file cannot be written", LS("error", strerror(errno)));
	*lock_fd = fd;
	return 0;
}

int store_lock_dir(const char *dir, int *lock_fd)
{
	int fd = open_dir(dir), result;

	if (fd < 0)
		return -1;
	result = lock_in(fd, dir, lock_fd);
	close(fd);
	return result;
}

static int read_node(int dir_fd, const char *dir, uint8_t node[16])
{
	char text[40];
	struct uuid u;
	int fd = openat(dir_fd, "node", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return fail(ERR_STORE, "%s/node: %s", dir, strerror(errno));
	if (pread(fd, text, sizeof(text), 0) < 32 || !uuid_parse((struct bytes){ text, 32 }, &u)) {
		random_bytes(u.b, sizeof(u.b));
		hex_print(u.b, sizeof(u.b), text);
		text[32] = '\n';
		/* a full disk: another id the next time, which harms nobody */
		if (ftruncate(fd, 0) || pwrite(fd, text, 33, 0) != 33)
			log_warn("store", "the node id cannot be written",
				 LS("error", strerror(errno)));
	}
	memcpy(node, u.b, sizeof(u.b));
	close(fd);
	return 0;
}

/* A corrupt file that was set aside is an alarm until somebody has moved it away. */
static void look_for_corrupt(struct store *s)
{
	struct bytes aside = bytes_of(s->sink->type->aside);
	DIR *d = folder_list(s->dir);
	struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d)))
		if (bytes_starts(bytes_of(e->d_name), aside))
			snprintf(
				s->drainer.standing, sizeof(s->drainer.standing),
				"%.100s is a damaged store that was replaced: look at it, then move it away",
				e->d_name);
	closedir(d);
}

/* ---- metrics ---- */

/* The store that the gauges tell of: a process has one. */
static struct store *metered;
static pthread_mutex_t metered_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t backlog_records(const struct store *s)
{
	uint64_t written = atomic_load(&s->journal.written),
		 delivered = atomic_load(&s->drainer.delivered);

	return written > delivered ? written - delivered : 0;
}

static uint64_t oldest_s(const struct store *s)
{
	uint64_t since = atomic_load(&s->journal.backlog_since_ms), now = clock_unix_ms();

	return since && now > since && backlog_records(s) ? (now - since) / 1000 : 0;
}

/* X(id, name, label, what it says, what it reads of the store `s`) */
#define GAUGES(X)                                                                               \
	X(queue, "signet_journal_queue_bytes", NULL, "Bytes handed over and not written yet",   \
	  atomic_load(&s->journal.queued_bytes))                                                \
	X(segments, "signet_journal_segments", NULL, "Segments on disk",                        \
	  journal_totals(&s->journal).segments)                                                 \
	X(disk, "signet_journal_disk_bytes", NULL, "Bytes of the segments",                     \
	  journal_totals(&s->journal).bytes)                                                    \
	X(backlog, "signet_sink_backlog_records", "sink", "Records that the sink has not",      \
	  backlog_records(s))                                                                   \
	X(backlog_bytes, "signet_sink_backlog_bytes", NULL, "Bytes of these records",           \
	  journal_totals(&s->journal).backlog)                                                  \
	X(oldest, "signet_sink_oldest_seconds", NULL, "Age of the oldest of them", oldest_s(s)) \
	X(state, "signet_sink_state", "sink", "0 ok, 1 slow, 2 down, 3 blocked",                \
	  atomic_load(&s->drainer.state))

struct gauge {
	struct metric *metric;
	double (*read)(struct store *);
};
#define DEFINE(id, name, label, help, value)                        \
	static METRIC(gauge_##id, METRIC_GAUGE, name, label, help); \
	static double read_##id(struct store *s)                    \
	{                                                           \
		return (double)(value);                             \
	}
GAUGES(DEFINE)
#define ROW(id, name, label, help, value) { &gauge_##id, read_##id },
static const struct gauge gauges[] = { GAUGES(ROW) };
static METRIC(gauge_bytes, METRIC_GAUGE, "signet_store_bytes", "file", "Size of a store's file");

static double read_gauge(void *which)
{
	const struct gauge *g = which;
	double v;

	pthread_mutex_lock(&metered_lock);
	v = metered ? g->read(metered) : 0;
	pthread_mutex_unlock(&metered_lock);
	return v;
}

static double read_file_gauge(void *name)
{
	struct stat st;
	double v;

	pthread_mutex_lock(&metered_lock);
	v = metered && !fstatat(metered->dir, name, &st, 0) ? (double)st.st_size : 0;
	pthread_mutex_unlock(&metered_lock);
	return v;
}

static void register_gauges(void)
{
	const struct sink_type *type = &sink_sqlite;

	journal_meter_unrecorded();
	for (size_t i = 0; i < COUNT(gauges); i++)
		metrics_gauge_fn(gauges[i].metric, read_gauge, (void *)&gauges[i],
				 gauges[i].metric->labels ? type->name : NULL);
	for (size_t i = 0; type->files[i]; i++)
		metrics_gauge_fn(&gauge_bytes, read_file_gauge, (void *)type->files[i],
				 type->files[i]);
}

static void meter(struct store *s)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, register_gauges);
	pthread_mutex_lock(&metered_lock);
	metered = s;
	pthread_mutex_unlock(&metered_lock);
}

/* ---- open and close ---- */

static int keep_options(struct store *s, const struct store_options *o)
{
	struct drainer *d = &s->drainer;

	arena_init(&s->texts, SIZE_MAX);
	s->dir_name = arena_dup(&s->texts, bytes_of(o->data_dir)).p;
	d->config_text = arena_dup(&s->texts, o->config_text);
	d->config_hash = arena_dup(&s->texts, o->config_hash);
	s->shutdown_drain_ms = o->shutdown_drain_s * 1000;
	return s->dir_name && bytes_set(d->config_text) == bytes_set(o->config_text) &&
			       bytes_set(d->config_hash) == bytes_set(o->config_hash)
		       ? 0
		       : -1;
}

/* -1: the start must be refused. A sink that is down is none of its business. */
static int open_sink(struct store *s, const struct store_options *o)
{
	struct sink_options so = { .dir_fd = s->dir,
				   .dir = s->dir_name,
				   .search_off = o->search_off,
				   .retention = o->retention };
	struct sink *sink = sink_sqlite.make(&so);
	enum sink_result r;
	char text[200];

	if (!sink)
		return -1;
	s->sink = s->drainer.sink = sink;
	r = sink->type->open(sink);
	if (r == SINK_CORRUPT) {
		snprintf(text, sizeof(text), "%s is damaged", sink->type->files[0]);
		log_error("store", text, LS("error", sink->error));
		if (sink->type->set_aside(sink, clock_unix_ms()))
			return -1;
		r = sink->type->open(sink);
	}
	if (r == SINK_NEWER)
		return fail(ERR_STORE, "%s", sink->error);
	s->drainer.sink_is_open = r == SINK_OK;
	if (r != SINK_OK) {
		snprintf(text, sizeof(text),
			 "%s cannot be opened; the journal keeps the record until it can",
			 sink->type->files[0]);
		log_warn("store", text, LS("error", sink->error));
	}
	return 0;
}

static int open_journal(struct store *s, const struct store_options *o)
{
	struct journal_options jo = { .sync = (enum sync_policy)o->sync,
				      .sync_ms = o->sync_ms,
				      .segment_bytes = o->segment_mb << 20,
				      .max_bytes = o->max_mb << 20,
				      .queue_bytes = o->queue_mb << 20,
				      .wait_ms = o->wait_ms,
				      .keep_bytes = o->keep_mb << 20,
				      .reserve_bytes = o->reserve_mb << 20,
				      .refuse_when_full = o->refuse_when_full,
				      .compress = o->compress };
	struct drainer *d = &s->drainer;
	uint8_t node[16];
	int fd;

	if (read_node(s->dir, s->dir_name, node))
		return -1;
	if (mkdirat(s->dir, "journal", 0700) && errno != EEXIST)
		return fail(ERR_STORE, "%s/journal: %s", s->dir_name, strerror(errno));
	fd = openat(s->dir, "journal", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(ERR_STORE, "%s/journal: %s", s->dir_name, strerror(errno));
	if (journal_open(&s->journal, fd, &jo, node, d->sink_is_open ? s->sink->position : 0,
			 d->sink_is_open ? 0 : UNKNOWN_POSITION_GAP))
		return -1;
	if (!d->sink_is_open)
		d->reader.jump_to = s->journal.next_number;
	return 0;
}

static void free_store(struct store *s)
{
	if (s->sink)
		s->sink->type->free(s->sink);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	if (s->dir >= 0)
		close(s->dir);
	arena_deinit(&s->texts);
	free(s);
}

struct store *store_open(const struct store_options *o)
{
	struct store *s = calloc(1, sizeof(*s));

	if (!s)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	s->dir = s->lock_fd = -1;
	meter(NULL);
	if (keep_options(s, o))
		goto failed;
	s->dir = open_dir(o->data_dir);
	if (s->dir < 0 || lock_in(s->dir, o->data_dir, &s->lock_fd))
		goto failed;
	s->drainer.dir = s->dir;
	s->drainer.j = s->drainer.reader.j = &s->journal;
	if (open_sink(s, o))
		goto failed;
	look_for_corrupt(s); /* open_sink() may just have set one aside */
	if (open_journal(s, o))
		goto failed;
	if (drainer_start(&s->drainer)) {
		journal_deinit(&s->journal);
		goto failed;
	}
	meter(s);
	return s;
failed:
	free_store(s);
	return NULL;
}

uint64_t store_close(struct store *s)
{
	uint64_t left;

	if (!s)
		return 0;
	journal_close(&s->journal);
	drainer_stop(&s->drainer, s->shutdown_drain_ms);
	left = backlog_records(s);
	meter(NULL);
	journal_deinit(&s->journal);
	free_store(s);
	return left;
}

/* ---- the request's path ---- */

int store_append(struct store *s, struct record *r)
{
	struct record_head h = { .type = RECORD_GROUP,
				 .flags = r->cut ? RECORD_CUT : 0,
				 .parts = r->parts };
	enum unrecorded why;

	if (r->too_large) {
		journal_count_unrecorded(&s->journal, TOO_LARGE);
		return 1;
	}
	if (!r->parts)
		return 0;
	why = journal_append(&s->journal, &r->payload, &h);
	r->parts = 0;
	return why != RECORDED;
}

bool store_refuses(const struct store *s)
{
	return s->journal.o.refuse_when_full && journal_is_full(&s->journal);
}

/* ---- /status ---- */

static void journal_alarm(const struct store *s, uint64_t bytes, char *text, size_t n)
{
	const struct journal *j = &s->journal;
	uint64_t since = atomic_load(&j->backlog_since_ms), now = clock_unix_ms(), at;
	char when[25];

	if (atomic_load(&j->full)) {
		snprintf(text, n,
			 "the journal has no room: %" PRIu64 " bytes free, %" PRIu64 " waiting",
			 (uint64_t)atomic_load(&j->disk_free), bytes);
	} else if (atomic_load(&j->broken)) {
		snprintf(text, n, "the journal cannot be written: %s",
			 strerror(atomic_load(&j->last_errno)));
	} else if (bytes > j->o.max_bytes / 2 && since && now > since) {
		/* at the pace at which it has grown so far */
		at = now + (now - since) * (j->o.max_bytes - bytes) / (bytes ? bytes : 1);
		time_rfc3339_ms(at, when);
		snprintf(text, n, "the journal is half full and will be full at %s", when);
	}
}

void store_status(const struct store *cs, struct store_status *out, struct arena *a)
{
	static const char *const states[] = { "ok", "slow", "down", "blocked" };
	struct store *s = (struct store *)cs; /* for its locks */
	struct statvfs v;
	char alarm[400] = "";

	*out = (struct store_status){ .sink = sink_sqlite.name,
				      .state = states[atomic_load(&s->drainer.state) & 3],
				      .backlog_records = backlog_records(s),
				      .backlog_bytes = journal_totals(&s->journal).backlog,
				      .oldest_s = oldest_s(s),
				      .text_behind_rows = sqlite_text_behind() };
	for (int i = RECORDED + 1; i < UNRECORDED_REASONS; i++)
		out->unrecorded += atomic_load(&s->journal.unrecorded[i]);
	out->disk_free_bytes = fstatvfs(s->dir, &v) ? atomic_load(&s->journal.disk_free)
						    : (uint64_t)v.f_bavail * v.f_frsize;
	journal_alarm(s, out->backlog_bytes, alarm, sizeof(alarm));
	pthread_mutex_lock(&s->drainer.lock);
	if (!*alarm)
		memcpy(alarm, s->drainer.alarm, sizeof(alarm));
	if (!*alarm)
		memcpy(alarm, s->drainer.standing, sizeof(alarm));
	pthread_mutex_unlock(&s->drainer.lock);
	if (*alarm)
		out->alarm = arena_dup(a, bytes_of(alarm));
}
