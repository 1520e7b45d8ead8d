/*
 * The SQLite sink: signet.db, one writing connection, rows in, positions in the same transaction. Here is the database
 * itself: whose file it is, what its results mean, batches, the write-ahead log, the check after an unclean stop, and
 * what becomes of a damaged one. sink_sqlite_rows.c stores a record.
 */
#include "store/sink_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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
#include "store/schema.h"

#define FILE_WAL       SQLITE_FILE "-wal"
#define FILE_SHM       SQLITE_FILE "-shm"
#define ASIDE          SQLITE_FILE ".corrupt-"
#define BUSY_MS        5000
#define WAL_CHECKPOINT (16u << 20)
#define WAL_WARN       (256u << 20)
#define EMPTY_WAL_MS   5000  /* of quiet */
#define GIVE_BACK_MS   20000 /* the same, until the cache is not kept any longer */
#define WORK_MS        20    /* of retention that cannot wait, after a batch */

/* INSERTs that are not here are made from the lists of columns. */
static const char *const queries[QUERIES] = {
	[Q_BEGIN] = "BEGIN IMMEDIATE",
	[Q_COMMIT] = "COMMIT",
	[Q_ROLLBACK] = "ROLLBACK",
	[Q_TAG] = "INSERT INTO TagInference(key, value, seq, " N_INFERENCE ", " N_FUNCTION
		  ", " N_VARIANT ", " N_EPISODE ", " N_TYPE
		  ") VALUES(?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
	[Q_RESPONSE] = "INSERT INTO Response(" N_ID ", " N_KEY ", " N_CREATED ", " N_EXPIRES
		       ", " N_PREVIOUS ", " N_ASKED ", " N_INPUT ", " N_OBJECT
		       ") VALUES(?,?,?,?,?,?,?,?) ON CONFLICT(" N_ID ") DO UPDATE SET " N_INPUT
		       " = excluded." N_INPUT ", " N_OBJECT " = excluded." N_OBJECT,
	[Q_RESPONSES_OLD] =
		"DELETE FROM Response WHERE rowid IN (SELECT rowid FROM Response WHERE " N_EXPIRES
		" < ?1 ORDER BY " N_EXPIRES " LIMIT 20)",
	[Q_PENDING] = "INSERT OR IGNORE INTO TextPending(seq) VALUES(?1)",
	[Q_HASH] = "SELECT n FROM ConfigSnapshot WHERE " N_CONFIG_HASH " = ?1",
	[Q_HASH_NEW] = "INSERT INTO ConfigSnapshot(" N_CONFIG_HASH ", " N_CONFIG
		       ", extra_templates, tensorzero_version, created_at, last_used, " N_TAGS
		       ") VALUES(?1, ?2, '{}', ?3, ?4, ?4, '{}') ON CONFLICT(" N_CONFIG_HASH
		       ") DO UPDATE SET last_used = ?4, " N_CONFIG " = iif(" N_CONFIG
		       " = '', ?2, " N_CONFIG ")",
	[Q_POSITION] = "INSERT INTO Delivered(sink, recno) VALUES('" SQLITE_SINK
		       "', ?1) ON CONFLICT(sink) DO UPDATE SET recno = ?1",
	[Q_DELIVERED] = "SELECT recno FROM Delivered WHERE sink = '" SQLITE_SINK "'",
};
static const enum table_id inserted[QUERIES] = {
	[Q_LIST] = T_LIST, [Q_CHAT] = T_CHAT, [Q_MODEL] = T_MODEL, [Q_ERROR] = T_ERROR
};

static struct sqlite_sink *own(struct sink *base)
{
	return (struct sqlite_sink *)base;
}

/* ---- what SQLite's answers mean ---- */

enum sink_result sqlite_classify(struct sqlite_sink *s, int rc)
{
	int sys = s->db ? sqlite3_system_errno(s->db) : errno;

	snprintf(s->base.error, sizeof(s->base.error), "%s",
		 s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
	switch (rc & 255) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW: return SINK_OK;
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return SINK_BUSY;
	case SQLITE_FULL: s->was_full = true; return SINK_FULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: return SINK_CORRUPT;
	case SQLITE_IOERR:
		return sys == ENOSPC || sys == EDQUOT || sys == EFBIG ? SINK_FULL : SINK_DOWN;
	default: return SINK_DOWN;
	}
}

enum sink_result sqlite_run(struct sqlite_sink *s, enum sqlite_query q)
{
	int rc = sqlite3_step(s->statements[q]);
	enum sink_result r = SINK_OK;

	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		r = sqlite_classify(s, rc);
	sqlite3_reset(s->statements[q]);
	return r;
}

void sqlite_bind_text(sqlite3_stmt *st, int at, struct bytes b)
{
	if (b.p)
		sqlite3_bind_text(st, at, b.p, (int)b.n, SQLITE_STATIC);
	else
		sqlite3_bind_null(st, at);
}

/* ---- opening ---- */

static int exec(struct sqlite_sink *s, const char *sql)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL);
}

static int query_int(struct sqlite_sink *s, const char *sql, int64_t *out)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);

	*out = 0;
	if (rc)
		return rc;
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int on_wal(void *sink, sqlite3 *db, const char *name, int pages)
{
	(void)db;
	(void)name;
	((struct sqlite_sink *)sink)->wal_pages = (uint64_t)pages;
	return SQLITE_OK;
}

static int make_schema(struct sqlite_sink *s)
{
	struct buf sql;
	int rc = exec(
		s,
		"PRAGMA page_size=16384; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL");

	buf_init(&sql, SQL_MAX);
	if (!rc)
		rc = exec(s, "BEGIN EXCLUSIVE");
	if (!rc)
		rc = schema_create(&sql) ? SQLITE_NOMEM : exec(s, sql.data);
	if (!rc) {
		buf_reset(&sql);
		rc = buf_printf(&sql, "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT%c",
				SINK_APP_ID, SINK_SCHEMA, 0)
			     ? SQLITE_NOMEM
			     : exec(s, sql.data);
	}
	buf_deinit(&sql);
	return rc;
}

/* Whose file it is, and of which schema. An empty one becomes ours. */
static enum sink_result identify(struct sqlite_sink *s)
{
	int64_t app, version, tables_there;
	int rc = query_int(s, "PRAGMA application_id", &app);

	if (!rc)
		rc = query_int(s, "PRAGMA user_version", &version);
	if (!rc)
		rc = query_int(s, "SELECT count(*) FROM sqlite_schema", &tables_there);
	if (rc)
		return sqlite_classify(s, rc);
	if (!app && !version && !tables_there) {
		rc = make_schema(s);
		return rc ? sqlite_classify(s, rc) : SINK_OK;
	}
	if (app != SINK_APP_ID) {
		snprintf(s->base.error, sizeof(s->base.error),
			 SQLITE_FILE " is a database of another program");
		return SINK_CORRUPT;
	}
	if (version > SINK_SCHEMA) {
		snprintf(s->base.error, sizeof(s->base.error),
			 SQLITE_FILE
			 " has schema %" PRId64
			 ", this version knows schemas up to %d: start the later version again",
			 version, SINK_SCHEMA);
		return SINK_NEWER;
	}
	if (version < SINK_SCHEMA)
		return sqlite_classify(s, schema_change(s->db, s->o.dir_fd, s->path, (int)version));
	return SINK_OK;
}

static int prepare_query(struct sqlite_sink *s, enum sqlite_query q)
{
	struct buf made;
	int rc;

	buf_init(&made, SQL_MAX);
	if (!queries[q] && schema_insert(&tables[inserted[q]], &made))
		rc = SQLITE_NOMEM;
	else
		rc = sqlite3_prepare_v3(s->db, queries[q] ? queries[q] : made.data, -1,
					SQLITE_PREPARE_PERSISTENT, &s->statements[q], NULL);
	buf_deinit(&made);
	return rc;
}

static enum sink_result prepare(struct sqlite_sink *s)
{
	int rc = exec(
		s,
		"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-8192;PRAGMA mmap_size=0; PRAGMA wal_autocheckpoint=0; PRAGMA secure_delete=OFF;PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY");
	int64_t page;

	if (!rc)
		rc = query_int(s, "PRAGMA page_size", &page);
	if (rc)
		return sqlite_classify(s, rc);
	s->page_bytes = (uint64_t)page;
	sqlite3_wal_hook(s->db, on_wal, s);
	for (int q = 0; q < QUERIES; q++) {
		rc = prepare_query(s, (enum sqlite_query)q);
		if (rc) { /* a table or column is not there: the file was meddled with */
			enum sink_result r = sqlite_classify(s, rc);

			return rc == SQLITE_ERROR ? SINK_CORRUPT : r;
		}
	}
	rc = sqlite_work_open(s);
	if (rc) {
		enum sink_result r = sqlite_classify(s, rc);

		return (rc & 255) == SQLITE_ERROR ? SINK_CORRUPT : r;
	}
	rc = sqlite3_step(s->statements[Q_DELIVERED]);
	s->base.position = rc != SQLITE_ROW
				   ? 0
				   : (uint64_t)sqlite3_column_int64(s->statements[Q_DELIVERED], 0);
	sqlite3_reset(s->statements[Q_DELIVERED]);
	return sqlite_classify(s, rc);
}

/* SQLite would make the file with the umask's mode; its companions take the file's. A file that is there is
 * not opened: closing any descriptor of it would drop the locks that SQLite holds on it in this process (the
 * check after an unclean stop may be reading), and then another program's close could take the log away. */
static enum sink_result make_file(struct sqlite_sink *s)
{
	struct stat st;
	int fd = -1, e;

	if (fault("sqlite.open")) {
		snprintf(s->base.error, sizeof(s->base.error), SQLITE_FILE ": injected");
		return SINK_DOWN;
	}
	if (!fstatat(s->o.dir_fd, SQLITE_FILE, &st, 0)) {
		if (st.st_mode & 077)
			log_warn("store", SQLITE_FILE " can be read by others (chmod 600)",
				 LS("file", s->path));
		return SINK_OK;
	}
	if (errno == ENOENT)
		fd = openat(s->o.dir_fd, SQLITE_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	e = errno;
	if (fd >= 0) {
		close(fd);
		return SINK_OK;
	}
	snprintf(s->base.error, sizeof(s->base.error), SQLITE_FILE ": %s", strerror(e));
	return e == ENOSPC || e == EDQUOT ? SINK_FULL : SINK_DOWN;
}

/* SQLite's Unix layer lets its system calls be replaced by name (sqlite3_vfs.xSetSystemCall). open() is, once, by one that
 * also notes the descriptor while this thread is inside open_noted(). SQLite makes the path absolute. */
typedef int open_fn(const char *path, int flags, int mode);

static open_fn *real_open;
static _Thread_local bool noting;
static _Thread_local int noted_fd;

static int open_and_note(const char *path, int flags, int mode)
{
	int fd = real_open(path, flags, mode);

	if (noting && bytes_ends(bytes_of(path), B("/" SQLITE_FILE)))
		noted_fd = fd;
	return fd;
}

static void replace_open(void)
{
	sqlite3_vfs *vfs = sqlite3_initialize() ? NULL : sqlite3_vfs_find(NULL);

	if (!vfs || vfs->iVersion < 3 || !vfs->xGetSystemCall || !vfs->xSetSystemCall)
		return;
	real_open = (open_fn *)vfs->xGetSystemCall(vfs, "open");
	if (real_open)
		vfs->xSetSystemCall(vfs, "open", (sqlite3_syscall_ptr)open_and_note);
}

/*
 * sqlite3_open_v2(), and in s->fd the descriptor that SQLite opened for it; -1 if it took one that it had. It is for
 * advice and fstat() until the database is closed: closing it, or another one of the same file, would drop every
 * lock that this process holds on it.
 */
static int open_noted(struct sqlite_sink *s, int flags)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int rc;

	pthread_once(&once, replace_open);
	noting = true;
	noted_fd = -1;
	rc = sqlite3_open_v2(s->path, &s->db, flags, NULL);
	noting = false;
	s->fd = noted_fd;
	return rc;
}

static void close_sink(struct sink *base)
{
	struct sqlite_sink *s = own(base);

	sqlite_work_close(s);
	for (int q = 0; q < QUERIES; q++) {
		sqlite3_finalize(s->statements[q]);
		s->statements[q] = NULL;
	}
	sqlite3_close_v2(s->db);
	s->db = NULL;
	s->fd = -1;
	free(s->cells);
	s->cells = NULL;
	s->cap_cells = 0;
	buf_deinit(&s->scratch);
	buf_deinit(&s->unpacked);
	s->in_transaction = false;
	s->hash_text = (struct bytes){ 0 };
	s->wal_pages = 0;
}

static void *check(void *sink);

static enum sink_result open_sink(struct sink *base)
{
	struct sqlite_sink *s = own(base);
	enum sink_result r = make_file(s);
	bool unclean;
	struct stat st;
	int rc;

	if (r != SINK_OK)
		return r;
	unclean = !fstatat(s->o.dir_fd, FILE_WAL, &st, 0) && st.st_size > 0;
	buf_init(&s->scratch, (size_t)RECORD_MAX * 2);
	buf_init(&s->unpacked, (size_t)RECORD_MAX + 1);
	rc = open_noted(s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX);
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, BUSY_MS);
	r = rc ? sqlite_classify(s, rc) : identify(s);
	if (r == SINK_OK)
		r = prepare(s);
	if (r != SINK_OK) {
		close_sink(base);
		return r;
	}
	if (s->fd >= 0 && !fstat(s->fd, &st))
		s->file_bytes = st.st_size;
	if (unclean && !s->opened_before)
		s->checking = !thread_start(&s->checker, check, s);
	s->opened_before = true;
	return SINK_OK;
}

/* ---- the background check after an unclean stop ---- */

static void *check(void *arg)
{
	struct sqlite_sink *s = arg;
	sqlite3 *db;
	sqlite3_stmt *st = NULL;
	const char *text;

	pthread_setname_np(pthread_self(), "signet-check");
	if (sqlite3_open_v2(s->path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL)) {
		sqlite3_close(db);
		return NULL;
	}
	atomic_store(&s->check_db, db);
	sqlite3_busy_timeout(db, BUSY_MS);
	if (!sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &st, NULL) &&
	    sqlite3_step(st) == SQLITE_ROW) {
		text = (const char *)sqlite3_column_text(st, 0);
		if (text && strcmp(text, "ok") != 0) {
			log_error("store", SQLITE_FILE " is damaged", LS("error", text));
			atomic_store(&s->base.damaged, true);
		}
	}
	sqlite3_finalize(st);
	while (!atomic_exchange(&s->check_db, NULL))
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL); /* stop_check() interrupts us */
	sqlite3_close(db);
	return NULL;
}

static void stop_check(struct sqlite_sink *s)
{
	sqlite3 *db;

	if (!s->checking)
		return;
	db = atomic_exchange(&s->check_db, NULL);
	if (db) {
		sqlite3_interrupt(db);
		atomic_store(&s->check_db, db);
	}
	pthread_join(s->checker, NULL);
	s->checking = false;
}

/* ---- making and ending ---- */

static struct sink *make(const struct sink_options *o)
{
	struct sqlite_sink *s = calloc(1, sizeof(*s));

	if (!s || asprintf(&s->path, "%s/" SQLITE_FILE, o->dir) < 0) {
		free(s);
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	}
	s->base.type = &sink_sqlite;
	s->o = *o;
	s->fd = -1;
	return &s->base;
}

static void free_sink(struct sink *base)
{
	struct sqlite_sink *s = own(base);

	stop_check(s);
	close_sink(base);
	free(s->path);
	free(s);
}

static int set_aside(struct sink *base, uint64_t unix_ms)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	int dir_fd = own(base)->o.dir_fd;
	time_t t = (time_t)(unix_ms / 1000);
	struct tm tm;
	char stamp[32], from[64], aside[64], to[128];
	struct stat st;

	gmtime_r(&t, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	snprintf(aside, sizeof(aside), ASIDE "%s", stamp);
	/* two in one second: the first one stays */
	for (int n = 1; n < 100 && !fstatat(dir_fd, aside, &st, AT_SYMLINK_NOFOLLOW); n++)
		snprintf(aside, sizeof(aside), ASIDE "%s-%d", stamp, n);
	for (size_t i = 0; i < COUNT(suffixes); i++) {
		snprintf(from, sizeof(from), SQLITE_FILE "%s", suffixes[i]);
		snprintf(to, sizeof(to), "%s%s", aside, suffixes[i]);
		if (renameat(dir_fd, from, dir_fd, to) && errno != ENOENT)
			return fail(ERR_STORE, "%s: %s", from, strerror(errno));
	}
	return 0;
}

/* ---- the write-ahead log ---- */

/* Rows are written once and read seldom: what the file grew by, now that it is on the disk, need not stay in the page
 * cache. What a reader asks for later comes in again and stays. */
static void let_pages_go(struct sqlite_sink *s)
{
	struct stat st;

	if (s->fd < 0 || fstat(s->fd, &st) || st.st_size <= s->file_bytes)
		return;
	posix_fadvise(s->fd, s->file_bytes, st.st_size - s->file_bytes, POSIX_FADV_DONTNEED);
	s->file_bytes = st.st_size;
}

/* Moves the write-ahead log into the file. `all`: and makes it empty; for idle moments. */
static void checkpoint(struct sqlite_sink *s, bool all)
{
	int in_log = 0, moved_pages = 0;
	int rc = sqlite3_wal_checkpoint_v2(
		s->db, NULL, all ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &in_log,
		&moved_pages);

	if (rc == SQLITE_OK && (in_log == moved_pages || all)) {
		s->wal_pages = 0;
		let_pages_go(s);
	} else if (rc != SQLITE_OK && (rc & 255) != SQLITE_BUSY) {
		log_warn("store", "a checkpoint of " SQLITE_FILE " failed",
			 LS("error", sqlite3_errmsg(s->db)));
	}
}

/* ---- batches ---- */

enum sink_result sqlite_begin(struct sqlite_sink *s)
{
	enum sink_result r =
		fault("sqlite.begin") ? sqlite_classify(s, SQLITE_BUSY) : sqlite_run(s, Q_BEGIN);

	s->in_transaction = r == SINK_OK;
	return r;
}

static enum sink_result begin(struct sink *base)
{
	struct sqlite_sink *s = own(base);

	if (s->was_full) { /* the log's room comes first: what goes has to be written, too */
		s->was_full = false;
		checkpoint(s, true);
		sqlite_make_room(s, WORK_MS);
	}
	s->pending = 0;
	return sqlite_begin(s);
}

void sqlite_undo(struct sqlite_sink *s)
{
	if (s->db && s->in_transaction && !sqlite3_get_autocommit(s->db))
		sqlite_run(s, Q_ROLLBACK);
	s->in_transaction = false;
	s->hash_text = (struct bytes){ 0 };
	if (s->rollup)
		rollup_forget(s->rollup);
}

static void rollback(struct sink *base)
{
	sqlite_undo(own(base));
}

static enum sink_result commit(struct sink *base, uint64_t number)
{
	struct sqlite_sink *s = own(base);
	int rc = rollup_flush(s->rollup);
	enum sink_result r;

	if (rc)
		return sqlite_classify(s, rc);
	if (fault("sqlite.full"))
		return sqlite_classify(s, SQLITE_FULL);
	sqlite3_bind_int64(s->statements[Q_POSITION], 1, (int64_t)number);
	r = sqlite_run(s, Q_POSITION);
	if (r == SINK_OK)
		r = fault("sqlite.commit") ? sqlite_classify(s, SQLITE_IOERR)
					   : sqlite_run(s, Q_COMMIT);
	if (r != SINK_OK)
		return r;
	s->in_transaction = s->was_full = false;
	base->position = number;
	sqlite_note_behind(s, s->pending);
	return SINK_OK;
}

static enum sink_result config(struct sink *base, struct bytes hash, struct bytes text)
{
	return hash.n ? sqlite_touch_config(own(base), hash, text) : SINK_OK;
}

/* ---- between batches ---- */

static void release_cache(void *db)
{
	sqlite3_db_release_memory(db);
}

static const char *idle(struct sink *base, uint64_t idle_ms)
{
	struct sqlite_sink *s = own(base);
	bool quiet = idle_ms >= EMPTY_WAL_MS;

	if (!idle_ms)
		sqlite_make_room(s, WORK_MS);
	if (idle_ms >= GIVE_BACK_MS && !s->gave_back)
		thread_give_back(release_cache, s->db);
	s->gave_back = idle_ms >= GIVE_BACK_MS;
	if (quiet ? s->wal_pages > 0 : s->wal_pages * s->page_bytes > WAL_CHECKPOINT)
		checkpoint(s, quiet);
	if (s->wal_pages * s->page_bytes <= WAL_WARN)
		return "";
	return "the write-ahead log of " SQLITE_FILE " is over 256 MiB: a reader does not let go";
}

/* The process that holds a lock on the file, 0 if the system does not tell. */
static long lock_holder(int dir_fd)
{
	static const char *const names[] = { FILE_SHM, SQLITE_FILE };
	char line[256];
	long holder = 0;
	FILE *f = fopen("/proc/locks", "re");

	if (!f)
		return 0;
	while (!holder && fgets(line, sizeof(line), f)) {
		unsigned major, minor;
		unsigned long inode;
		long pid;
		const char *p = strstr(line, "WRITE ");

		if (!p || sscanf(p + 6, "%ld %x:%x:%lu", &pid, &major, &minor, &inode) != 4)
			continue;
		for (size_t i = 0; i < 2; i++) {
			struct stat st;

			if (!fstatat(dir_fd, names[i], &st, 0) && st.st_ino == inode &&
			    pid != getpid())
				holder = pid;
		}
	}
	fclose(f);
	return holder;
}

static void explain(struct sink *base, enum sink_result r, char *text, size_t n)
{
	struct sqlite_sink *s = own(base);
	struct statvfs v;
	uint64_t room;
	long pid;

	switch (r) {
	case SINK_BUSY:
		pid = lock_holder(s->o.dir_fd);
		if (pid)
			snprintf(text, n, SQLITE_FILE " is locked by process %ld", pid);
		else
			snprintf(text, n, SQLITE_FILE " is locked by another process");
		return;
	case SINK_FULL:
		room = fstatvfs(s->o.dir_fd, &v) ? 0 : (uint64_t)v.f_bavail * v.f_frsize;
		snprintf(text, n, "no room for " SQLITE_FILE " in %.200s: %" PRIu64 " bytes free",
			 s->o.dir, room);
		return;
	case SINK_NEWER: snprintf(text, n, "%s", base->error); return;
	default: snprintf(text, n, SQLITE_FILE ": %s", base->error);
	}
}

const struct sink_type sink_sqlite = {
	.name = SQLITE_SINK,
	.files = { SQLITE_FILE, FILE_WAL },
	.aside = ASIDE,
	.make = make,
	.free = free_sink,
	.open = open_sink,
	.close = close_sink,
	.begin = begin,
	.add = sqlite_add_record,
	.commit = commit,
	.rollback = rollback,
	.config = config,
	.idle = idle,
	.work = sqlite_work,
	.explain = explain,
	.set_aside = set_aside,
};
