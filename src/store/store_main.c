/*
 * `signet store`: looking after signet.db from outside. What writes takes the data directory's lock first, so it never
 * meets a gateway; what only reads goes beside one.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/flags.h"
#include "base/time.h"
#include "store/schema.h"
#include "store/store_cmd.h"

#define BATCH_RECORDS 200
#define PROGRESS_OPS  100000 /* of SQLite's machine between two looks at the clock */

static const char help_text[] =
	"signet store: looks after the record in signet.db\n"
	"\n"
	"usage: signet store check              whether the database is whole\n"
	"       signet store vacuum             writes it anew without free pages (needs its size again on the disk)\n"
	"       signet store sql [QUERY]        a question in SQL, read-only; without QUERY from standard input\n"
	"       signet store export             its rows, a JSON object a line, newest first\n"
	"       signet store import FILE        rows of an export (- is standard input); those that are there stay\n"
	"       signet store copy-to-clickhouse [URL]  its answers to a ClickHouse, each once; may be stopped and run again\n"
	"       signet store retention          deletes rows of ClickHouse that are older than --clickhouse-days N\n"
	"       signet store dead list          rows that a store refused for good, a JSON object a line\n"
	"       signet store dead retry         tries them once more and keeps those that still do not fit\n"
	"       signet store dead drop          deletes them\n"
	"\n"
	"  --data-dir D   the data directory (SIGNET_DATA_DIR, default ./signet-data)\n"
	"  --from T       export, copy-to-clickhouse: only inferences from then on (2026-11-30 or 2026-11-30T12:00:00Z)\n"
	"  --to T         the same: only those before\n"
	"  --out F        export: into this file instead of standard output\n"
	"  --sink NAME    dead: only those of this store (sqlite, clickhouse)\n"
	"  --clickhouse-days N  retention: how many days stay\n"
	"\n"
	"ClickHouse is the one of TENSORZERO_CLICKHOUSE_URL, where no URL is given. retention needs no data directory.\n"
	"check, sql, export, retention and dead list may run beside a gateway, the others not. Progress is on standard error.\n"
	"Exit status: 0 done, 1 failed or not whole, 2 wrong usage.\n"
	"\n"
	"  signet store check --data-dir /var/lib/signet\n"
	"  signet store sql 'SELECT model_name, count(*) FROM inferences GROUP BY 1'\n"
	"  signet store export --from 2026-11-01 --to 2026-12-01 --out november.ndjson\n"
	"  signet store copy-to-clickhouse http://user:password@host:8123/tensorzero --from 2026-11-01\n"
	"  grep '^{\"table\":\"ChatInference\"' november.ndjson | clickhouse-client -q 'INSERT INTO ChatInference SETTINGS input_format_skip_unknown_fields=1 FORMAT JSONEachRow'\n";

void store_progress(struct store_cmd *c, const char *fmt, ...)
{
	uint64_t now = clock_mono_ms();
	va_list ap;

	if (c->said_ms && now - c->said_ms < 1000)
		return;
	c->said_ms = now;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int store_failed(void)
{
	return flags_failed("signet store: ");
}

/* ---- the database, written ---- */

int store_writer_open(struct store_writer *w, const char *dir)
{
	struct sink_options o = { .dir = dir };
	enum sink_result r;

	*w = (struct store_writer){ .lock_fd = -1, .dir_fd = -1 };
	if (access(dir, F_OK))
		return fail(ERR_STORE, "no record in %s (see --data-dir)", dir);
	if (store_lock_dir(dir, &w->lock_fd))
		return -1;
	w->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->dir_fd < 0)
		return fail(ERR_STORE, "%s: %s", dir, strerror(errno));
	o.dir_fd = w->dir_fd;
	w->sink = sink_sqlite.make(&o);
	if (!w->sink)
		return -1;
	r = w->sink->type->open(w->sink);
	return r == SINK_OK ? 0 : fail(ERR_STORE, SQLITE_FILE ": %s", w->sink->error);
}

enum sink_result store_writer_flush(struct store_writer *w)
{
	enum sink_result r = SINK_OK;

	if (w->in_batch)
		r = w->sink->type->commit(w->sink, w->sink->position);
	w->in_batch = 0;
	return r;
}

enum sink_result store_writer_add(struct store_writer *w, struct record *rec)
{
	struct record_view v = { .type = RECORD_GROUP,
				 .flags = rec->cut ? RECORD_CUT : 0,
				 .parts = rec->parts,
				 .payload = buf_bytes(&rec->payload) };
	enum sink_result r = w->in_batch ? SINK_OK : w->sink->type->begin(w->sink);

	if (r != SINK_OK)
		return r;
	w->in_batch++;
	r = w->sink->type->add(w->sink, &v);
	if (r == SINK_OK && w->in_batch >= BATCH_RECORDS)
		r = store_writer_flush(w);
	return r;
}

void store_writer_close(struct store_writer *w)
{
	if (w->sink) {
		if (w->in_batch)
			w->sink->type->rollback(w->sink);
		w->sink->type->free(w->sink);
	}
	if (w->dir_fd >= 0)
		close(w->dir_fd);
	if (w->lock_fd >= 0)
		close(w->lock_fd);
}

/* ---- check ---- */

static int on_progress(void *arg)
{
	struct store_cmd *c = arg;

	store_progress(c, "still at it");
	return 0;
}

sqlite3 *store_open_db(struct store_cmd *c, int flags)
{
	char path[4096];
	sqlite3 *db = NULL;

	snprintf(path, sizeof(path), "%s/" SQLITE_FILE, c->dir);
	if (access(path, F_OK)) {
		fail(ERR_STORE, "%s: %s (see --data-dir)", path, strerror(errno));
		return NULL;
	}
	if (sqlite3_open_v2(path, &db, flags, NULL)) {
		fail(ERR_STORE, "%s: %s", path, sqlite3_errmsg(db));
		sqlite3_close(db);
		return NULL;
	}
	sqlite3_busy_timeout(db, 5000);
	sqlite3_progress_handler(db, PROGRESS_OPS, on_progress, c);
	c->said_ms = clock_mono_ms();
	return db;
}

static int db_failed(sqlite3 *db)
{
	fail(ERR_STORE, SQLITE_FILE ": %s", sqlite3_errmsg(db));
	return store_failed();
}

/* Rows that have lost those they belong to. */
static const struct {
	const char *what, *sql;
} lost[] = {
	{ "answers without their list row",
	  "SELECT count(*) FROM ChatInference WHERE seq NOT IN (SELECT seq FROM InferenceById)" },
	{ "errors without their list row",
	  "SELECT count(*) FROM RequestError WHERE seq NOT IN (SELECT seq FROM InferenceById)" },
	{ "model inferences without their inference",
	  "SELECT count(*) FROM ModelInference WHERE " N_INFERENCE " NOT IN (SELECT " N_ID
	  " FROM InferenceById)" },
	{ "tags without their inference",
	  "SELECT count(*) FROM TagInference WHERE seq NOT IN (SELECT seq FROM InferenceById)" },
};

/* Prints each row of the query; *bad counts those that are not "ok" or 0. */
static int print_findings(sqlite3 *db, const char *sql, const char *what, int64_t *bad)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	while (!rc && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(st, 0);

		rc = SQLITE_OK;
		if (!text || !strcmp(text, "ok") || !strcmp(text, "0"))
			continue;
		printf(what ? "%s %s\n" : "%s\n", text, what);
		++*bad;
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : -1;
}

static int64_t number_of(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st;
	int64_t n = 0;

	if (!sqlite3_prepare_v2(db, sql, -1, &st, NULL) && sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

static int check(sqlite3 *db)
{
	int64_t bad = 0;
	int64_t version = number_of(db, "PRAGMA user_version");

	if (number_of(db, "PRAGMA application_id") != SINK_APP_ID) {
		printf("it is no database of Signet\n");
		return 1;
	}
	if (print_findings(db, "PRAGMA integrity_check(100)", NULL, &bad))
		return db_failed(db);
	for (size_t i = 0; i < COUNT(lost); i++)
		if (print_findings(db, lost[i].sql, lost[i].what, &bad))
			return db_failed(db);
	if (version != SINK_SCHEMA)
		printf("schema %" PRId64 "; this version's is %d\n", version, SINK_SCHEMA);
	printf("%s: %" PRId64 " inferences, %" PRId64 " MiB\n", bad ? "NOT whole" : "whole",
	       number_of(db, "SELECT count(*) FROM InferenceById"),
	       number_of(
		       db,
		       "SELECT page_count * page_size >> 20 FROM pragma_page_count, pragma_page_size"));
	return bad ? 1 : 0;
}

int store_check(struct store_cmd *c)
{
	sqlite3 *db = store_open_db(c, SQLITE_OPEN_READONLY);
	int status;

	if (!db)
		return store_failed();
	status = check(db);
	sqlite3_close(db);
	return status;
}

/* ---- vacuum ---- */

static int64_t file_bytes(const char *dir)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s/" SQLITE_FILE, dir);
	return stat(path, &st) ? 0 : (int64_t)st.st_size;
}

static int enough_room(const char *dir, int64_t need)
{
	struct statvfs v;
	int64_t room = statvfs(dir, &v) ? 0 : (int64_t)(v.f_bavail * v.f_frsize);

	if (fault("store.room"))
		room = 0;
	return room > need ? 0
			   : fail(ERR_STORE,
				  "%s has %" PRId64 " bytes free, and %" PRId64
				  " are needed to write " SQLITE_FILE " anew",
				  dir, room, need);
}

static int vacuum(struct store_cmd *c, sqlite3 *db)
{
	int64_t before = file_bytes(c->dir);

	if (enough_room(c->dir, before))
		return store_failed();
	fprintf(stderr, "writing " SQLITE_FILE " anew, %" PRId64 " MiB\n", before >> 20);
	if (sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL) ||
	    sqlite3_exec(db, "VACUUM", NULL, NULL, NULL) ||
	    sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL))
		return db_failed(db);
	printf("%" PRId64 " -> %" PRId64 " bytes\n", before, file_bytes(c->dir));
	return 0;
}

int store_vacuum(struct store_cmd *c)
{
	int lock_fd = -1, status;
	sqlite3 *db;

	if (access(c->dir, F_OK)) {
		fail(ERR_STORE, "no record in %s (see --data-dir)", c->dir);
		return store_failed();
	}
	if (store_lock_dir(c->dir, &lock_fd))
		return store_failed();
	db = store_open_db(c, SQLITE_OPEN_READWRITE);
	status = db ? vacuum(c, db) : store_failed();
	sqlite3_close(db);
	close(lock_fd);
	return status;
}

/* ---- the command line ---- */

static const struct store_command {
	const char *name;
	int (*run)(struct store_cmd *);
	const char *words; /* what it takes; NULL: nothing */
	bool may_lack;     /* it does without */
} commands[] = {
	{ "check", store_check, NULL },
	{ "vacuum", store_vacuum, NULL },
	{ "export", store_export, NULL },
	{ "import", store_import, "a file, or - for standard input" },
	{ "copy-to-clickhouse", store_copy, "one URL, or none", true },
	{ "retention", store_retention, NULL },
	{ "dead", store_dead, "list, retry or drop" },
	{ "sql", store_sql, "one query, or none and standard input", true },
};

/* A day, or a second with a Z. */
static bool parse_time(const char *text, uint64_t *ms)
{
	static const char *const forms[] = { "%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ" };

	for (size_t i = 0; i < COUNT(forms); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(text, forms[i], &tm);
		time_t t;

		if (!end || *end)
			continue;
		t = timegm(&tm);
		if (t < 0)
			return false;
		*ms = (uint64_t)t * 1000;
		return true;
	}
	return false;
}

static const struct store_command *find_command(const char *name)
{
	for (size_t i = 0; name && i < COUNT(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

/* -1: go on; else the exit status. */
static int read_options(int argc, char **argv, struct store_cmd *c,
			const struct store_command **cmd)
{
	const struct flag flags[] = {
		{ "--data-dir", .text = &c->dir, .not_empty = true },
		{ "--from", .text = &c->from_text },
		{ "--to", .text = &c->to_text },
		{ "--out", .text = &c->out, .not_empty = true },
		{ "--sink", .text = &c->sink },
		{ "--clickhouse-days", .number = &c->clickhouse_days, .most = 36500 },
	};
	const struct command store = { "signet store", help_text, flags, COUNT(flags), true };
	int status = flags_read(&store, argc, argv);

	if (status >= 0)
		return status;
	if (c->from_text && !parse_time(c->from_text, &c->from_ms))
		return flags_wrong(&store,
				   "--from wants 2026-11-30 or 2026-11-30T12:00:00Z, not '%s'",
				   c->from_text);
	if (c->to_text && !parse_time(c->to_text, &c->to_ms))
		return flags_wrong(&store,
				   "--to wants 2026-11-30 or 2026-11-30T12:00:00Z, not '%s'",
				   c->to_text);
	*cmd = find_command(argv[0]);
	if (!*cmd)
		return argv[0] ? flags_wrong(&store, "unknown command %s", argv[0])
			       : flags_wrong(
					 &store,
					 "check, vacuum, sql, export, import, copy-to-clickhouse, retention or dead is missing");
	c->words = argv + 1;
	if (!(*cmd)->words && c->words[0])
		return flags_wrong(&store, "%s takes no words", (*cmd)->name);
	if ((*cmd)->words && ((!c->words[0] && !(*cmd)->may_lack) || (c->words[0] && c->words[1])))
		return flags_wrong(&store, "%s wants %s", (*cmd)->name, (*cmd)->words);
	return -1;
}

int store_main(int argc, char **argv)
{
	struct store_cmd c = { .dir = getenv("SIGNET_DATA_DIR"),
			       .to_ms = (uint64_t)INT64_MAX >> 15 };
	const struct store_command *cmd = NULL;
	int status;

	fault_setup(getenv("SIGNET_FAULT"));
	status = read_options(argc, argv, &c, &cmd);
	if (status >= 0 || !cmd)
		return status;
	if (!c.dir || !*c.dir)
		c.dir = "signet-data";
	return cmd->run(&c);
}
