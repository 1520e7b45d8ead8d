/*
 * Schema changes (storage §6.7): forward only, a step a transaction, its number in user_version in the same one. So a
 * process that dies anywhere leaves a file of one schema or of the next, and the next start goes on from there.
 *
 * Before the first step the narrow tables are copied: what a mistaken step could spoil and nobody could make again. Bodies are
 * not, as they are nine tenths of the file. The copy is made under another name and renamed when it is synced: a file of
 * that name is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/time.h"
#include "store/schema.h"

#define COPY_TMP  SQLITE_FILE ".before.tmp"
#define COPY_NAME SQLITE_FILE ".before-%d"

static int exec(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* ---- the copy ---- */

static int attach_copy(sqlite3 *db, const char *path)
{
	sqlite3_stmt *st;
	char *name =
		sqlite3_mprintf("%.*s" COPY_TMP, (int)(strlen(path) - strlen(SQLITE_FILE)), path);
	int rc = name ? sqlite3_prepare_v2(db, "ATTACH ?1 AS before", -1, &st, NULL) : SQLITE_NOMEM;

	if (!rc) {
		sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
		rc = sqlite3_step(st);
		rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
		sqlite3_finalize(st);
	}
	sqlite3_free(name);
	return rc;
}

/* "CREATE TABLE X(…)" as SQLite keeps it, and its columns that are not computed. */
static int copy_table(sqlite3 *db, const char *name, const char *create, const char *columns)
{
	static const char verb[] = "CREATE TABLE ";
	char *sql = sqlite3_mprintf(
		"%sbefore.%s; INSERT INTO before.\"%w\"(%s) SELECT %s FROM main.\"%w\"", verb,
		create + strlen(verb), name, columns, columns, name);
	int rc = sql ? exec(db, sql) : SQLITE_NOMEM;

	sqlite3_free(sql);
	return rc;
}

static int copy_tables(sqlite3 *db, int from)
{
	static const char which[] =
		"SELECT t.name, s.sql, (SELECT group_concat('\"' || c.name || '\"', ', ') FROM pragma_table_xinfo(t.name) c WHERE c.hidden = 0) FROM pragma_table_list t JOIN main.sqlite_schema s ON s.name = t.name AND s.type = 'table' WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT IN ('ChatInference', 'ModelInference', 'RequestError', 'Response') ORDER BY 1";
	sqlite3_stmt *st;
	char identity[100];
	int rc = sqlite3_prepare_v2(db, which, -1, &st, NULL), r;

	if (rc)
		return rc;
	while ((r = sqlite3_step(st)) == SQLITE_ROW && !rc)
		rc = copy_table(db, (const char *)sqlite3_column_text(st, 0),
				(const char *)sqlite3_column_text(st, 1),
				(const char *)sqlite3_column_text(st, 2));
	sqlite3_finalize(st);
	if (rc || r != SQLITE_DONE)
		return rc ? rc : r;
	snprintf(identity, sizeof(identity),
		 "PRAGMA before.application_id=%d; PRAGMA before.user_version=%d", SINK_APP_ID,
		 from);
	return exec(db, identity);
}

static int fill_copy(sqlite3 *db, const char *path, int from)
{
	int rc = attach_copy(db, path);

	if (rc)
		return rc;
	rc = exec(db, "PRAGMA before.journal_mode=OFF; PRAGMA before.synchronous=OFF; BEGIN");
	if (!rc)
		rc = fault("migrate.copy") ? SQLITE_FULL : copy_tables(db, from);
	fault_dies("migrate.copying");
	if (!rc)
		rc = exec(db, "COMMIT");
	if (rc && !sqlite3_get_autocommit(db))
		exec(db, "ROLLBACK");
	exec(db, "DETACH before");
	return rc;
}

static int copy_before(sqlite3 *db, int dir_fd, const char *path, int from)
{
	char name[64];
	int fd, rc;

	snprintf(name, sizeof(name), COPY_NAME, from + 1);
	unlinkat(dir_fd, COPY_TMP, 0);
	fd = openat(dir_fd, COPY_TMP, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == ENOSPC ? SQLITE_FULL : SQLITE_CANTOPEN;
	rc = fill_copy(db, path, from);
	if (!rc && (fsync(fd) || renameat(dir_fd, COPY_TMP, dir_fd, name) || fsync(dir_fd)))
		rc = errno == ENOSPC ? SQLITE_FULL : SQLITE_IOERR;
	close(fd); /* SQLite has let go of the file: no lock of its own is lost by this */
	if (rc)
		unlinkat(dir_fd, COPY_TMP, 0);
	fault_dies("migrate.copied");
	return rc;
}

/* ---- the steps ---- */

static int run_step(sqlite3 *db, const struct schema_step *step)
{
	char number[40];
	struct buf views;
	int rc = exec(db, "BEGIN EXCLUSIVE");

	if (rc)
		return rc;
	buf_init(&views, SQL_MAX);
	snprintf(number, sizeof(number), "PRAGMA user_version=%d", step->version);
	rc = fault("migrate.step") ? SQLITE_IOERR : exec(db, step->sql);
	fault_dies("migrate.stepping");
	if (!rc)
		rc = schema_views(&views) ? SQLITE_NOMEM : exec(db, views.data);
	if (!rc)
		rc = exec(db, number);
	fault_dies("migrate.commit");
	if (!rc)
		rc = exec(db, "COMMIT");
	if (rc && !sqlite3_get_autocommit(db))
		exec(db, "ROLLBACK");
	fault_dies("migrate.done");
	buf_deinit(&views);
	return rc;
}

int schema_change(sqlite3 *db, int dir_fd, const char *path, int from)
{
	uint64_t began = clock_mono_ms();
	int rc = copy_before(db, dir_fd, path, from);

	for (size_t i = 0; !rc && i < schema_nsteps; i++)
		if (schema_steps[i].version > from)
			rc = run_step(db, &schema_steps[i]);
	if (rc)
		log_error("store",
			  SQLITE_FILE " could not be brought to the schema of this version",
			  LS("error", sqlite3_errstr(rc)));
	else
		log_info("store", SQLITE_FILE " was brought to the schema of this version",
			 LI("ms", clock_mono_ms() - began));
	return rc;
}
