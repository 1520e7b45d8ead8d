/*
 * keys.json: a copy of the key table, hashes and no secrets, for the day on which signet.db is damaged and a new one
 * stands in its place (storage §6.1, §6.9). Written whole beside the old one and renamed over it, so that a reader, or
 * the next start after a power cut, sees one or the other.
 *
 * Both ways go through SQLite's own JSON: the copy is what the table holds, column by column, whatever it is. Where
 * there is no database to go through, one in memory does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "store/keys_db.h"

#define FILE_NAME "keys.json"
#define NEW_NAME  FILE_NAME ".new"
#define FILE_MAX  (64u << 20)

static const char print_sql[] =
	"SELECT json_object('version', 1, 'keys', json_group_array(json_object('organization', organization, 'workspace', workspace, 'description', description, 'public_id', public_id, 'hash', hash, 'disabled_at', disabled_at, 'created_at', created_at, 'updated_at', updated_at, 'expires_at', expires_at, 'role', role, 'limits', limits, 'models', models, 'functions', functions))) FROM tensorzero_auth_api_key";
static const char import_sql[] =
	"INSERT INTO tensorzero_auth_api_key(organization, workspace, description, public_id, hash, disabled_at, created_at, updated_at, expires_at, role, limits, models, functions) SELECT value->>'organization', value->>'workspace', value->>'description', value->>'public_id', value->>'hash', value->>'disabled_at', value->>'created_at', value->>'updated_at', value->>'expires_at', value->>'role', value->>'limits', value->>'models', value->>'functions' FROM json_each(?1, '$.keys') WHERE true ON CONFLICT(public_id) DO NOTHING";

static int write_whole(int fd, struct bytes text)
{
	while (text.n) {
		ssize_t n = write(fd, text.p, text.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		text = bytes_slice(text, (size_t)n, text.n);
	}
	return fsync(fd);
}

static int replace_file(struct keys *k, struct bytes text)
{
	int fd = openat(k->dir_fd, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int bad = fd < 0 || write_whole(fd, text);
	int e = errno;

	if (fd >= 0)
		close(fd);
	if (!bad && renameat(k->dir_fd, NEW_NAME, k->dir_fd, FILE_NAME)) {
		bad = -1;
		e = errno;
	}
	if (!bad)
		return fsync(k->dir_fd);
	log_warn("store", FILE_NAME " cannot be written: it is behind the keys of the database",
		 LS("error", strerror(e)));
	return -1;
}

int keys_json_write(struct keys *k)
{
	sqlite3_stmt *st = sql_bind(k, print_sql, NULL, 0);
	int bad = -1;

	if (st && sqlite3_step(st) == SQLITE_ROW)
		bad = replace_file(k, sql_text(st, 0));
	sqlite3_finalize(st);
	return bad;
}

/* 1: there is none. -1: error. */
static int read_file(struct keys *k, struct buf *out)
{
	int fd = openat(k->dir_fd, FILE_NAME, O_RDONLY | O_CLOEXEC), bad;

	if (fd < 0 && errno == ENOENT)
		return 1;
	if (fd < 0)
		return fail(ERR_IO, "%s/" FILE_NAME ": %s", k->dir, strerror(errno));
	bad = buf_read(out, fd);
	close(fd);
	return bad;
}

static int import(struct keys *k, bool *any)
{
	struct buf text;
	int r;

	buf_init(&text, FILE_MAX);
	r = read_file(k, &text);
	*any = r == 0;
	if (r == 0)
		r = SQL_RUN(k, import_sql, SQL_TEXT(buf_bytes(&text)));
	else if (r > 0)
		r = 0;
	if (!r && *any)
		log_warn("store", "the keys were taken from " FILE_NAME,
			 LI("records", sqlite3_changes(k->db)));
	buf_deinit(&text);
	return r;
}

void keys_json_import(struct keys *k)
{
	bool any;

	/* the database must not be shut for this: without keys nobody gets in */
	if (import(k, &any))
		log_error("store", FILE_NAME " cannot be read: there are no keys",
			  LB("error", error_last()->message));
}

struct key_table *keys_json_table(struct keys *k)
{
	struct keys memory = { .dir = k->dir, .path = "memory", .dir_fd = k->dir_fd };
	struct key_table *t = NULL;
	bool any = false;

	if (!sqlite3_open(":memory:", &memory.db) && !keys_db_make(&memory) &&
	    !import(&memory, &any) && any)
		t = key_table_read(&memory);
	sqlite3_close_v2(memory.db);
	return t;
}
