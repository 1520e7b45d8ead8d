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
	struct drainer drainers[STORE_SINKS]; /* one for each sink */
	size_t nsinks;
	int dir, lock_fd;
	struct arena texts; /* of the options */
	const char *dir_name;
	uint64_t shutdown_drain_ms;
	uint8_t node[16];
};
_Static_assert(STORE_SINKS == JOURNAL_READERS, "a drainer for each sink");

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

/* Who holds it: since when the lock is written, and its command line, as far as /proc shows it. */
static void fail_in_use(int lock, const char *dir, uint64_t pid)
{
	char path[48], command[120] = "", since[25] = "";
	struct stat st;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, command, sizeof(command) - 1);
	if (fd >= 0)
		close(fd);
	for (ssize_t i = 0; i + 1 < n; i++)
		if ((unsigned char)command[i] < ' ') /* words end in NUL */
			command[i] = ' ';
	if (!fstat(lock, &st))
		time_rfc3339_ms((uint64_t)st.st_mtime * 1000, since);
	fail(ERR_STORE,
	     "%s is in use by process %" PRIu64
	     " since %s%s%s (another directory: --data-dir, or SIGNET_DATA_DIR)",
	     dir, pid, since, n > 0 ? ": " : "", command);
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
			fail_in_use(fd, dir, pid);
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
static void look_for_corrupt(struct store *s, struct drainer *drainer)
{
	struct bytes aside = bytes_of(drainer->sink->type->aside);
	DIR *d = bytes_set(aside) ? folder_list(s->dir) : NULL;
	struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d)))
		if (bytes_starts(bytes_of(e->d_name), aside))
			snprintf(
				drainer->standing, sizeof(drainer->standing),
				"%.100s is a damaged store that was replaced: look at it, then move it away",
				e->d_name);
	closedir(d);
}

/* ---- metrics ---- */

/* The store that the gauges tell of: a process has one. */
static struct store *metered;
static pthread_mutex_t metered_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t backlog_records(const struct store *s, const struct drainer *d)
{
	uint64_t written = atomic_load(&s->journal.written), delivered = atomic_load(&d->delivered);

	return written > delivered ? written - delivered : 0;
}

static uint64_t oldest_s(struct store *s, const struct drainer *d)
{
	uint64_t since = journal_waiting_since(&s->journal, atomic_load(&d->delivered)),
		 now = clock_unix_ms();

	return since && now > since ? (now - since) / 1000 : 0;
}

/* X(id, name, what it says, what it reads of the store `s`) */
#define GAUGES(X)                                                                       \
	X(queue, "signet_journal_queue_bytes", "Bytes handed over and not written yet", \
	  atomic_load(&s->journal.queued_bytes))                                        \
	X(segments, "signet_journal_segments", "Segments on disk",                      \
	  journal_totals(&s->journal).segments)                                         \
	X(disk, "signet_journal_disk_bytes", "Bytes of the segments",                   \
	  journal_totals(&s->journal).bytes)

/* The same, of each sink, whose drainer is `d`. */
#define SINK_GAUGES(X)                                                                       \
	X(backlog, "signet_sink_backlog_records", "Records that the sink has not",           \
	  backlog_records(s, d))                                                             \
	X(backlog_bytes, "signet_sink_backlog_bytes", "Bytes of these records",              \
	  journal_backlog(&s->journal, d->id))                                               \
	X(oldest, "signet_sink_oldest_seconds", "Age of the oldest of them", oldest_s(s, d)) \
	X(state, "signet_sink_state", "0 ok, 1 slow, 2 down, 3 blocked", atomic_load(&d->state))

struct gauge {
	struct metric *metric;
	double (*read)(struct store *, struct drainer *);
	const char *sink; /* NULL: of the journal */
};
#define DEFINE_OF(id, name, label, help, value)                     \
	static METRIC(gauge_##id, METRIC_GAUGE, name, label, help); \
	static double read_##id(struct store *s, struct drainer *d) \
	{                                                           \
		(void)s;                                            \
		(void)d;                                            \
		return (double)(value);                             \
	}
#define DEFINE(id, name, help, value)      DEFINE_OF(id, name, NULL, help, value)
#define DEFINE_SINK(id, name, help, value) DEFINE_OF(id, name, "sink", help, value)
GAUGES(DEFINE)
SINK_GAUGES(DEFINE_SINK)
#define ROW(id, name, help, value)            { &gauge_##id, read_##id, NULL },
#define ROW_SQLITE(id, name, help, value)     { &gauge_##id, read_##id, "sqlite" },
#define ROW_CLICKHOUSE(id, name, help, value) { &gauge_##id, read_##id, "clickhouse" },
static const struct gauge gauges[] = { GAUGES(ROW) };
static const struct gauge sink_gauges[] = { SINK_GAUGES(ROW_SQLITE) SINK_GAUGES(ROW_CLICKHOUSE) };
static METRIC(gauge_bytes, METRIC_GAUGE, "signet_store_bytes", "file", "Size of a store's file");

/* NULL: the store has no such sink. */
static struct drainer *drainer_of(struct store *s, const char *sink)
{
	for (size_t i = 0; i < s->nsinks; i++)
		if (!sink || bytes_eq(bytes_of(s->drainers[i].sink->type->name), bytes_of(sink)))
			return &s->drainers[i];
	return NULL;
}

static double read_gauge(void *which)
{
	const struct gauge *g = which;
	struct drainer *d;
	double v = 0;

	pthread_mutex_lock(&metered_lock);
	d = metered ? drainer_of(metered, g->sink) : NULL;
	if (d)
		v = g->read(metered, d);
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

/* Once for a process and kind of sink; those of a kind that it never has are not shown. */
static void register_sink_gauges(const struct sink_type *type)
{
	for (size_t i = 0; i < COUNT(sink_gauges); i++)
		if (bytes_eq(bytes_of(sink_gauges[i].sink), bytes_of(type->name)))
			metrics_gauge_fn(sink_gauges[i].metric, read_gauge, (void *)&sink_gauges[i],
					 type->name);
	for (size_t i = 0; type->files[i]; i++)
		metrics_gauge_fn(&gauge_bytes, read_file_gauge, (void *)type->files[i],
				 type->files[i]);
}

static void register_gauges(struct store *s)
{
	static bool journal_told, told[STORE_SINKS];

	if (!journal_told) {
		journal_meter_unrecorded();
		for (size_t i = 0; i < COUNT(gauges); i++)
			metrics_gauge_fn(gauges[i].metric, read_gauge, (void *)&gauges[i], NULL);
	}
	journal_told = true;
	for (size_t i = 0; i < s->nsinks; i++) {
		const struct sink_type *type = s->drainers[i].sink->type;

		if (!told[type->remote])
			register_sink_gauges(type);
		told[type->remote] = true;
	}
}

/* By whoever opens and closes the store, one at a time. */
static void meter(struct store *s)
{
	if (s)
		register_gauges(s);
	pthread_mutex_lock(&metered_lock);
	metered = s;
	pthread_mutex_unlock(&metered_lock);
}

/* ---- open and close ---- */

static int keep_options(struct store *s, const struct store_options *o)
{
	struct bytes text, hash;

	arena_init(&s->texts, SIZE_MAX);
	s->dir_name = arena_dup(&s->texts, bytes_of(o->data_dir)).p;
	text = arena_dup(&s->texts, o->config_text);
	hash = arena_dup(&s->texts, o->config_hash);
	for (unsigned i = 0; i < STORE_SINKS; i++) {
		s->drainers[i].id = i;
		s->drainers[i].j = s->drainers[i].reader.j = &s->journal;
		s->drainers[i].config_text = text;
		s->drainers[i].config_hash = hash;
	}
	s->shutdown_drain_ms = o->shutdown_drain_s * 1000;
	return s->dir_name && bytes_set(text) == bytes_set(o->config_text) &&
			       bytes_set(hash) == bytes_set(o->config_hash)
		       ? 0
		       : -1;
}

/* -1: the start must be refused. A sink that is down is none of its business. */
static int open_sink(struct store *s, struct drainer *d)
{
	struct sink *sink = d->sink;
	enum sink_result r;
	char text[200];

	if (sink->type->remote)
		return 0; /* nobody waits for a server */
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
	d->sink_is_open = r == SINK_OK;
	if (r != SINK_OK) {
		snprintf(text, sizeof(text),
			 "%s cannot be opened; the journal keeps the record until it can",
			 sink->type->files[0]);
		log_warn("store", text, LS("error", sink->error));
	}
	look_for_corrupt(s, d); /* one may just have been set aside */
	return 0;
}

static int add_sink(struct store *s, const struct sink_type *type, const struct sink_options *o)
{
	struct drainer *d = &s->drainers[s->nsinks];

	d->dir = s->dir;
	d->sink = type->make(o);
	if (!d->sink)
		return -1;
	s->nsinks++;
	return open_sink(s, d);
}

static int open_sinks(struct store *s, const struct store_options *o)
{
	struct sink_options so = { .dir_fd = s->dir,
				   .dir = s->dir_name,
				   .list_only = o->sqlite_list_only,
				   .search_off = o->search_off || o->sqlite_list_only,
				   .retention = o->retention,
				   .clickhouse = o->clickhouse };
	bool last = o->clickhouse && !o->clickhouse_is_main;

	memcpy(so.node, s->node, sizeof(so.node));
	if (o->clickhouse && o->clickhouse_is_main && add_sink(s, &sink_clickhouse, &so))
		return -1;
	if (!o->no_sqlite && add_sink(s, &sink_sqlite, &so))
		return -1;
	return last && add_sink(s, &sink_clickhouse, &so) ? -1 : 0;
}

/* What the sinks know of record numbers. false: one of them cannot tell. */
static bool furthest_position(const struct store *s, uint64_t *position)
{
	bool known = true;

	*position = 0;
	for (size_t i = 0; i < s->nsinks; i++) {
		const struct drainer *d = &s->drainers[i];

		known &= d->sink_is_open || d->sink->type->remote;
		if (d->sink->position > *position)
			*position = d->sink->position;
	}
	return known;
}

static int open_journal(struct store *s, const struct store_options *o)
{
	struct journal_options jo = { .sync = o->sync,
				      .sync_ms = o->sync_ms,
				      .segment_bytes = o->segment_mb << 20,
				      .max_bytes = o->max_mb << 20,
				      .queue_bytes = o->queue_mb << 20,
				      .wait_ms = o->wait_ms,
				      .keep_bytes = o->keep_mb << 20,
				      .reserve_bytes = o->reserve_mb << 20,
				      .refuse_when_full = o->refuse_when_full,
				      .compress = o->compress };
	uint64_t position;
	bool known = furthest_position(s, &position);
	int fd;

	if (mkdirat(s->dir, "journal", 0700) && errno != EEXIST)
		return fail(ERR_STORE, "%s/journal: %s", s->dir_name, strerror(errno));
	fd = openat(s->dir, "journal", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(ERR_STORE, "%s/journal: %s", s->dir_name, strerror(errno));
	if (journal_open(&s->journal, fd, &jo, s->node, position, known ? 0 : UNKNOWN_POSITION_GAP))
		return -1;
	for (size_t i = 0; !known && i < s->nsinks; i++)
		s->drainers[i].reader.jump_to = s->journal.next_number;
	return 0;
}

static void free_store(struct store *s)
{
	for (size_t i = 0; i < s->nsinks; i++) {
		s->drainers[i].sink->type->free(s->drainers[i].sink);
		free(s->drainers[i].note);
		free(atomic_load(&s->drainers[i].next_note));
	}
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	if (s->dir >= 0)
		close(s->dir);
	arena_deinit(&s->texts);
	free(s);
}

int store_config(struct store *s, struct bytes hash, struct bytes text)
{
	int bad = 0;

	for (size_t i = 0; i < s->nsinks && !bad; i++)
		bad = drainer_config(&s->drainers[i], hash, text);
	return bad;
}

static int start_drainers(struct store *s)
{
	size_t started = 0;

	/* all places first: what one has may be deleted only when the others have it */
	for (size_t i = 0; i < s->nsinks; i++)
		journal_place_reader(&s->journal, s->drainers[i].id, 0);
	while (started < s->nsinks && !drainer_start(&s->drainers[started]))
		started++;
	if (started == s->nsinks)
		return 0;
	while (started-- > 0)
		drainer_stop(&s->drainers[started], 0);
	return -1;
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
	if (read_node(s->dir, s->dir_name, s->node) || open_sinks(s, o) || open_journal(s, o))
		goto failed;
	if (start_drainers(s)) {
		journal_close(&s->journal);
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
	uint64_t left = 0, until;

	if (!s)
		return 0;
	journal_close(&s->journal);
	until = clock_mono_ms() + s->shutdown_drain_ms;
	for (size_t i = 0; i < s->nsinks; i++)
		drainer_hurry(&s->drainers[i], s->shutdown_drain_ms);
	for (size_t i = 0; i < s->nsinks; i++) {
		uint64_t now = clock_mono_ms(), behind;

		drainer_stop(&s->drainers[i], until > now ? until - now : 0);
		behind = backlog_records(s, &s->drainers[i]);
		left = behind > left ? behind : left;
	}
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

static void journal_alarm(struct store *s, uint64_t bytes, char *text, size_t n)
{
	struct journal *j = &s->journal;
	uint64_t since = 0, at;
	char when[25];

	for (size_t i = 0; i < s->nsinks; i++) { /* of the one that is furthest behind */
		uint64_t one = journal_waiting_since(j, atomic_load(&s->drainers[i].delivered));

		if (one && (!since || one < since))
			since = one;
	}
	if (atomic_load(&j->full)) {
		snprintf(text, n,
			 "the journal has no room: %" PRIu64 " bytes free, %" PRIu64 " waiting",
			 (uint64_t)atomic_load(&j->disk_free), bytes);
	} else if (atomic_load(&j->broken)) {
		snprintf(text, n, "the journal cannot be written: %s",
			 strerror(atomic_load(&j->last_errno)));
	} else if (bytes > j->o.max_bytes / 2 && since) {
		at = journal_full_at(j, bytes, since);
		time_rfc3339_ms(at, when);
		snprintf(text, n,
			 at ? "the journal is half full and will be full at %s"
			    : "the journal is half full and is not growing",
			 when);
	}
}

static void sink_status(struct store *s, struct drainer *d, struct sink_status *out,
			struct arena *a)
{
	static const char *const states[] = { "ok", "slow", "down", "blocked" };
	char alarm[400];

	*out = (struct sink_status){ .sink = d->sink->type->name,
				     .state = states[atomic_load(&d->state) & 3],
				     .backlog_records = backlog_records(s, d),
				     .backlog_bytes = journal_backlog(&s->journal, d->id),
				     .oldest_s = oldest_s(s, d) };
	pthread_mutex_lock(&d->lock);
	memcpy(alarm, *d->alarm ? d->alarm : d->standing, sizeof(alarm));
	pthread_mutex_unlock(&d->lock);
	if (*alarm)
		out->alarm = arena_dup(a, bytes_of(alarm));
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The whole, of what the sinks say. */
static void sum_up(struct store *s, struct store_status *out)
{
	int worst = -1;

	for (size_t i = 0; i < out->nsinks; i++) {
		const struct sink_status *one = &out->sinks[i];
		int state = atomic_load(&s->drainers[i].state);

		if (state > worst)
			out->state = one->state;
		worst = state > worst ? state : worst;
		out->backlog_records = most(out->backlog_records, one->backlog_records);
		out->backlog_bytes = most(out->backlog_bytes, one->backlog_bytes);
		out->oldest_s = most(out->oldest_s, one->oldest_s);
		if (!bytes_set(out->alarm))
			out->alarm = one->alarm;
	}
}

void store_status(const struct store *cs, struct store_status *out, struct arena *a)
{
	struct store *s = (struct store *)cs; /* for its locks */
	struct statvfs v;
	char alarm[400] = "";

	*out = (struct store_status){ .sink = s->nsinks ? s->drainers[0].sink->type->name : "none",
				      .state = "ok",
				      .nsinks = s->nsinks,
				      .text_behind_rows = sqlite_text_behind() };
	for (size_t i = 0; i < s->nsinks; i++)
		sink_status(s, &s->drainers[i], &out->sinks[i], a);
	sum_up(s, out);
	for (int i = RECORDED + 1; i < UNRECORDED_REASONS; i++)
		out->unrecorded += atomic_load(&s->journal.unrecorded[i]);
	out->disk_free_bytes = fstatvfs(s->dir, &v) ? atomic_load(&s->journal.disk_free)
						    : (uint64_t)v.f_bavail * v.f_frsize;
	journal_alarm(s, out->backlog_bytes, alarm, sizeof(alarm));
	if (*alarm)
		out->alarm = arena_dup(a, bytes_of(alarm));
}
