/*
 * The connection to signet.db that the keys have for themselves. The record's sink writes the same file from its own
 * thread: SQLite lets one of the two write at a time, and a change of a key takes a millisecond.
 *
 * The tables are made here where they are missing, whatever made the file; a file whose tables are new takes the keys
 * from keys.json, because that is what it looks like after a damaged one was set aside (storage §6.9).
 * Trap: the sink may put another file into this one's place, so whoever comes here looks at the inode first.
 */
#include "store/keys_db.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fault.h"
#include "store/schema.h"
#include "store/sink.h"

/* Times are Unix milliseconds. The first one is TensorZero's with Signet's columns behind it (storage §6.3). */
static const char tables_sql[] =
	"CREATE TABLE IF NOT EXISTS tensorzero_auth_api_key(id INTEGER PRIMARY KEY, organization TEXT NOT NULL, workspace TEXT NOT NULL, description TEXT, public_id TEXT NOT NULL UNIQUE, hash TEXT NOT NULL, disabled_at INTEGER, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, expires_at INTEGER, role TEXT, limits TEXT, models TEXT, functions TEXT, last_used_at INTEGER);"
	"CREATE TABLE IF NOT EXISTS Session(id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, user TEXT NOT NULL, role TEXT NOT NULL, method TEXT NOT NULL, key_id TEXT, proof TEXT, address TEXT, created_at INTEGER NOT NULL, seen_at INTEGER NOT NULL, ends_at INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS SessionLink(hash TEXT PRIMARY KEY, ends_at INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS Audit(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, user TEXT NOT NULL, address TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL);";

/* ---- SQL ---- */

int sql_failed(struct keys *k)
{
	return fail(ERR_STORE, "%s: %s", k->path, sqlite3_errmsg(k->db));
}

sqlite3_stmt *sql_bind(struct keys *k, const char *sql, const struct sql_value *v, size_t n)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(k->db, sql, -1, &st, NULL);

	for (size_t i = 0; !rc && i < n; i++) {
		int at = (int)i + 1;

		if (v[i].type == SQL_IS_INT)
			rc = sqlite3_bind_int64(st, at, v[i].number);
		else if (v[i].type == SQL_IS_TEXT && bytes_set(v[i].text))
			rc = sqlite3_bind_text64(st, at, v[i].text.p, v[i].text.n, SQLITE_TRANSIENT,
						 SQLITE_UTF8);
		else
			rc = sqlite3_bind_null(st, at);
	}
	if (!rc)
		return st;
	sql_failed(k);
	sqlite3_finalize(st);
	return NULL;
}

int sql_run(struct keys *k, const char *sql, const struct sql_value *v, size_t n)
{
	sqlite3_stmt *st = sql_bind(k, sql, v, n);
	int rc = st ? sqlite3_step(st) : SQLITE_ERROR;
	int bad = st && rc != SQLITE_DONE && rc != SQLITE_ROW ? sql_failed(k) : st ? 0 : -1;

	sqlite3_finalize(st);
	return bad;
}

struct bytes sql_text(sqlite3_stmt *st, int column)
{
	const char *text = (const char *)sqlite3_column_text(st, column);

	return (struct bytes){ text, text ? (size_t)sqlite3_column_bytes(st, column) : 0 };
}

uint64_t sql_time(sqlite3_stmt *st, int column)
{
	int64_t ms = sqlite3_column_int64(st, column);

	return ms > 0 ? (uint64_t)ms : 0;
}

static int exec(struct keys *k, const char *sql)
{
	return sqlite3_exec(k->db, sql, NULL, NULL, NULL) ? sql_failed(k) : 0;
}

static int read_number(struct keys *k, const char *sql, int64_t *out)
{
	sqlite3_stmt *st = sql_bind(k, sql, NULL, 0);
	int rc = st ? sqlite3_step(st) : SQLITE_ERROR;

	*out = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	if (st && rc != SQLITE_ROW && rc != SQLITE_DONE)
		sql_failed(k);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
}

int keys_read_version(struct keys *k, int64_t *out)
{
	return read_number(k, "PRAGMA data_version", out);
}

/* ---- opening ---- */

/* A database of the record, empty: its sink knows how. */
static int make_database(struct keys *k)
{
	struct sink_options so = { .dir_fd = k->dir_fd, .dir = k->dir };
	struct sink *sink = sink_sqlite.make(&so);
	int bad = 0;

	if (!sink)
		return -1;
	if (sink->type->open(sink) != SINK_OK)
		bad = fail(ERR_STORE, "%s: %s", k->path, sink->error);
	sink->type->free(sink);
	return bad;
}

int keys_db_make(struct keys *k)
{
	return exec(k, tables_sql);
}

static int make_tables(struct keys *k)
{
	int64_t there;

	if (read_number(
		    k,
		    "SELECT count(*) FROM sqlite_schema WHERE name IN ('tensorzero_auth_api_key', 'Session', 'SessionLink', 'Audit')",
		    &there))
		return -1;
	if (there == 4)
		return 0;
	if (exec(k, "BEGIN IMMEDIATE"))
		return -1;
	if (keys_db_make(k) == 0) {
		keys_json_import(k);
		if (exec(k, "COMMIT") == 0)
			return 0;
	}
	sqlite3_exec(k->db, "ROLLBACK", NULL, NULL, NULL);
	return -1;
}

static int open_database(struct keys *k)
{
	int64_t app;

	if (fault("keys.open"))
		return fail(ERR_STORE, "%s: injected", k->path);
	if (sqlite3_open_v2(k->path, &k->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL))
		return sql_failed(k);
	sqlite3_extended_result_codes(k->db, 1);
	sqlite3_busy_timeout(k->db, KEYS_BUSY_MS);
	if (read_number(k, "PRAGMA application_id", &app))
		return -1;
	if (app != SINK_APP_ID)
		return fail(ERR_STORE, "%s is a database of another program, or is not ready yet",
			    k->path);
	if (exec(k,
		 "PRAGMA synchronous=FULL; PRAGMA cache_size=-2048; PRAGMA mmap_size=0; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY"))
		return -1;
	return make_tables(k);
}

void keys_db_close(struct keys *k)
{
	sqlite3_close_v2(k->db);
	k->db = NULL;
}

int keys_db_open(struct keys *k, bool make)
{
	struct stat now;
	bool there = !stat(k->path, &now);

	if (k->db && there && now.st_ino == k->file.st_ino && now.st_dev == k->file.st_dev)
		return 0;
	keys_db_close(k);
	if (!there &&
	    (!make ? fail(ERR_STORE, "%s: %s", k->path, strerror(errno)) : make_database(k)))
		return -1;
	if (stat(k->path, &k->file) || open_database(k)) {
		keys_db_close(k);
		return -1;
	}
	k->data_version = -1;
	return 0;
}

/* ---- transactions ---- */

int keys_begin(struct keys *k)
{
	pthread_mutex_lock(&k->db_lock);
	if (keys_db_open(k, true) == 0 && exec(k, "BEGIN IMMEDIATE") == 0)
		return 0;
	pthread_mutex_unlock(&k->db_lock);
	return -1;
}

/* Under the writer's lock, so that of two processes which change keys the later one also writes the later copy. The
 * copy alone may fail: what is in the database counts. */
static void copy_keys(struct keys *k)
{
	if (exec(k, "BEGIN IMMEDIATE"))
		return;
	keys_json_write(k);
	sqlite3_exec(k->db, "ROLLBACK", NULL, NULL, NULL);
}

int keys_commit(struct keys *k, int bad)
{
	if (!bad)
		bad = exec(k, "COMMIT");
	if (bad) {
		sqlite3_exec(k->db, "ROLLBACK", NULL, NULL, NULL);
	} else {
		if (k->keys_changed)
			copy_keys(k);
		keys_reload(k); /* not in force until the watcher comes by, if this fails */
	}
	k->keys_changed = false;
	pthread_mutex_unlock(&k->db_lock);
	return bad;
}
