/* What the files of the keys share: the connection and what is in memory. Nobody else includes it. */
#ifndef SIGNET_STORE_KEYS_DB_H
#define SIGNET_STORE_KEYS_DB_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/map.h"
#include "store/keys.h"

#define DIGEST       32
#define KEYS_BUSY_MS 5000 /* for who holds the writer's lock */

/* One key, one session, as they are looked up. */
struct key_row {
	char public_id[KEY_PUBLIC_ID + 1];
	uint8_t hash[DIGEST];
	bool hash_good;
	int role;
	uint64_t disabled_ms, expires_ms;
	_Atomic uint64_t used_ms;
	uint64_t used_stored;
};
struct session_row {
	struct session facts;
	uint8_t hash[DIGEST];
	_Atomic uint64_t seen_ms;
	uint64_t seen_stored;
};

/* All there are at one moment. */
struct key_table {
	struct key_row *keys;
	struct session_row *sessions;
	size_t nkeys, nsessions;
	struct map by_id, by_hash;
};

struct keys {
	char *dir, *path;
	int dir_fd;

	pthread_mutex_t db_lock; /* over what is up to the next blank line */
	sqlite3 *db;             /* NULL: it cannot be opened */
	struct stat file; /* the one that is open: another one may come to stand in its place */
	int64_t data_version;
	bool keys_changed; /* by the transaction at hand: keys.json is behind */
	char error[200];

	pthread_rwlock_t table_lock;
	struct key_table *table; /* NULL: nothing could be read yet */

	pthread_t watcher;
	pthread_mutex_t watch_lock;
	pthread_cond_t watch_end;
	bool watching, ending;
};

/* ---- SQL (keys_db.c); under db_lock ---- */

/* What a ? is bound to. */
struct sql_value {
	enum { SQL_IS_NULL, SQL_IS_INT, SQL_IS_TEXT } type;
	int64_t number;
	struct bytes text;
};
#define SQL_INT(n) ((struct sql_value){ SQL_IS_INT, (int64_t)(n), { NULL, 0 } })
/* Unset is NULL. */
#define SQL_TEXT(b) ((struct sql_value){ SQL_IS_TEXT, 0, (b) })
/* 0 is NULL. */
#define SQL_TIME(ms) \
	((struct sql_value){ (ms) ? SQL_IS_INT : SQL_IS_NULL, (int64_t)(ms), { NULL, 0 } })

/* NULL: ERR_STORE. The caller finalizes it. */
sqlite3_stmt *sql_bind(struct keys *, const char *sql, const struct sql_value *, size_t n);
/* Runs what gives no rows. -1: ERR_STORE. */
int sql_run(struct keys *, const char *sql, const struct sql_value *, size_t n);
#define SQL_RUN(k, sql, ...)                                           \
	sql_run((k), (sql), (const struct sql_value[]){ __VA_ARGS__ }, \
		COUNT(((const struct sql_value[]){ __VA_ARGS__ })))
#define SQL_BIND(k, sql, ...)                                           \
	sql_bind((k), (sql), (const struct sql_value[]){ __VA_ARGS__ }, \
		 COUNT(((const struct sql_value[]){ __VA_ARGS__ })))
struct bytes sql_text(sqlite3_stmt *, int column); /* until the next step; unset: NULL */
uint64_t sql_time(sqlite3_stmt *, int column);     /* 0: NULL */
int sql_failed(struct keys *);                     /* ERR_STORE with SQLite's words; -1 */

/* Locks, and begins a transaction. -1: ERR_STORE, not locked. */
int keys_begin(struct keys *);
/* Ends it, all of it or with `bad` nothing, unlocks; what was changed is in force. -1: bad, or ERR_STORE. */
int keys_commit(struct keys *, int bad);

/* Opens the database if it is not open, or another one than before. -1: ERR_STORE. */
int keys_db_open(struct keys *, bool make);
void keys_db_close(struct keys *);
int keys_db_make(struct keys *); /* the tables that are missing */
/* Reads all keys and sessions and puts them in force. -1: ERR_STORE; those in force stay. */
int keys_reload(struct keys *);
int keys_read_version(struct keys *, int64_t *);

/* ---- the rest ---- */

void keys_put_in_force(struct keys *, struct key_table *);
void key_table_free(struct key_table *);
struct key_table *key_table_read(struct keys *);
void sha256(struct bytes, uint8_t out[DIGEST]);
void sha256_hex(struct bytes, char out[2 * DIGEST + 1]);

/* keys.json. Both under db_lock, in a transaction. */
int keys_json_write(struct keys *);
void keys_json_import(struct keys *); /* what cannot be read is said in the log */
/* What it holds, for the time when the database cannot be read. NULL: it is not there or cannot be read. */
struct key_table *keys_json_table(struct keys *);

int role_of(struct bytes name); /* -1: none */

#endif
