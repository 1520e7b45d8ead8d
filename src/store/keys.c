/*
 * Keys and sessions in memory, and the thread that keeps them true. All that there are is one table, made anew at each
 * change and swapped whole; a look-up takes a read lock for some hundred nanoseconds and copies what it found. So a key
 * that was disabled here is out of force on all workers at once. For changes from outside the thread asks SQLite four
 * times a second whether the file has another version, which also every batch of the record gives it: then the tables
 * are read again, some hundred microseconds for hundreds of keys.
 *
 * When a key or a session was last used is noted in memory, and stored once a minute.
 * Trap: a table that is replaced takes these notes along, or a busy key would look unused.
 */
#include "store/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/time.h"
#include "store/keys_db.h"
#include "store/schema.h"

#define WATCH_MS      250
#define STORE_USED_MS 60000

void sha256(struct bytes text, uint8_t out[DIGEST])
{
	SHA256((const unsigned char *)text.p, text.n, out);
}

void sha256_hex(struct bytes text, char out[2 * DIGEST + 1])
{
	uint8_t digest[DIGEST];

	sha256(text, digest);
	hex_print(digest, sizeof(digest), out);
}

/* ---- the table in force ---- */

void key_table_free(struct key_table *t)
{
	if (!t)
		return;
	map_deinit(&t->by_id);
	map_deinit(&t->by_hash);
	free(t->keys);
	free(t->sessions);
	free(t);
}

static struct bytes id_of(const struct key_row *row)
{
	return (struct bytes){ row->public_id, KEY_PUBLIC_ID };
}

static struct bytes hash_of(const struct session_row *row)
{
	return (struct bytes){ (const char *)row->hash, DIGEST };
}

/* What was noted of use since the old one was read. */
static void take_notes(struct key_table *now, const struct key_table *old)
{
	for (size_t i = 0; i < old->nkeys; i++) {
		struct key_row *row = map_get(&now->by_id, id_of(&old->keys[i]));

		if (row && old->keys[i].used_ms > row->used_ms)
			row->used_ms = old->keys[i].used_ms;
	}
	for (size_t i = 0; i < old->nsessions; i++) {
		struct session_row *row = map_get(&now->by_hash, hash_of(&old->sessions[i]));

		if (row && old->sessions[i].seen_ms > row->seen_ms)
			row->seen_ms = old->sessions[i].seen_ms;
	}
}

void keys_put_in_force(struct keys *k, struct key_table *t)
{
	struct key_table *old;

	pthread_rwlock_wrlock(&k->table_lock);
	old = k->table;
	if (old)
		take_notes(t, old);
	k->table = t;
	pthread_rwlock_unlock(&k->table_lock);
	key_table_free(old);
}

int keys_reload(struct keys *k)
{
	int64_t version;
	struct key_table *t;

	if (keys_read_version(k, &version))
		return -1;
	t = key_table_read(k);
	if (!t)
		return -1;
	keys_put_in_force(k, t);
	k->data_version = version;
	return 0;
}

/* ---- look-ups ---- */

static enum key_state state_of(const struct key_row *row, struct key_found *out)
{
	memcpy(out->public_id, row->public_id, sizeof(out->public_id));
	out->role = row->role;
	out->at_ms = row->disabled_ms;
	if (row->disabled_ms)
		return KEY_DISABLED;
	out->at_ms = row->expires_ms;
	return row->expires_ms && row->expires_ms <= clock_unix_ms() ? KEY_EXPIRED : KEY_GOOD;
}

static enum key_state find(struct keys *k, struct bytes id, const uint8_t *hash,
			   struct key_found *out)
{
	enum key_state state = KEY_UNKNOWN;
	struct key_row *row;

	pthread_rwlock_rdlock(&k->table_lock);
	row = k->table ? map_get(&k->table->by_id, id) : NULL;
	if (!k->table) {
		state = KEY_UNREADABLE;
	} else if (row && row->hash_good &&
		   (!hash || !CRYPTO_memcmp(row->hash, hash, sizeof(row->hash)))) {
		state = state_of(row, out);
		if (state == KEY_GOOD)
			row->used_ms = clock_unix_ms();
	}
	pthread_rwlock_unlock(&k->table_lock);
	return state;
}

enum key_state keys_find(struct keys *k, struct bytes public_id, struct bytes secret,
			 struct key_found *out)
{
	uint8_t hash[DIGEST];

	sha256(secret, hash); /* also for an id that is not there: it takes as long */
	return find(k, public_id, hash, out);
}

enum key_state keys_state(struct keys *k, struct bytes public_id, struct key_found *out)
{
	return find(k, public_id, NULL, out);
}

bool sessions_find(struct keys *k, struct bytes secret, struct session *out)
{
	uint8_t hash[DIGEST];
	uint64_t now = clock_unix_ms();
	struct session_row *row;
	bool good = false;

	if (secret.n != SESSION_SECRET)
		return false;
	sha256(secret, hash);
	pthread_rwlock_rdlock(&k->table_lock);
	row = k->table ? map_get(&k->table->by_hash, (struct bytes){ (char *)hash, DIGEST }) : NULL;
	if (row && !CRYPTO_memcmp(row->hash, hash, DIGEST) && now < row->facts.ends_ms &&
	    now < row->seen_ms + SESSION_IDLE_MS) {
		row->seen_ms = now;
		*out = row->facts;
		out->seen_ms = now;
		good = true;
	}
	pthread_rwlock_unlock(&k->table_lock);
	return good;
}

/* ---- the watcher ---- */

static int store_used(struct keys *k)
{
	struct key_table *t = k->table; /* only replaced under db_lock, which is held */
	int bad = 0;

	for (size_t i = 0; t && !bad && i < t->nkeys; i++) {
		uint64_t used = t->keys[i].used_ms;

		if (used <= t->keys[i].used_stored)
			continue;
		bad = SQL_RUN(
			k,
			"UPDATE tensorzero_auth_api_key SET last_used_at = ?1 WHERE public_id = ?2",
			SQL_INT(used), SQL_TEXT(id_of(&t->keys[i])));
		t->keys[i].used_stored = used;
	}
	for (size_t i = 0; t && !bad && i < t->nsessions; i++) {
		struct session_row *s = &t->sessions[i];
		uint64_t seen = s->seen_ms;

		if (seen <= s->seen_stored)
			continue;
		bad = SQL_RUN(k, "UPDATE Session SET seen_at = ?1 WHERE id = ?2", SQL_INT(seen),
			      SQL_TEXT(bytes_of(s->facts.id)));
		s->seen_stored = seen;
	}
	return bad;
}

/* Notes of use, and what has ended goes. Nothing that anybody waits for: if another has the lock, the next time. */
static void tidy(struct keys *k)
{
	uint64_t now = clock_unix_ms();
	int busy;

	if (!k->db)
		return;
	sqlite3_busy_timeout(k->db, 0);
	busy = sqlite3_exec(k->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	sqlite3_busy_timeout(k->db, KEYS_BUSY_MS);
	if (busy)
		return;
	if (store_used(k) ||
	    SQL_RUN(k, "DELETE FROM Session WHERE ends_at <= ?1 OR seen_at <= ?2", SQL_INT(now),
		    SQL_INT(now - SESSION_IDLE_MS)) ||
	    SQL_RUN(k, "DELETE FROM SessionLink WHERE ends_at <= ?1", SQL_INT(now)) ||
	    sqlite3_exec(k->db, "COMMIT", NULL, NULL, NULL))
		sqlite3_exec(k->db, "ROLLBACK", NULL, NULL, NULL);
}

static void say(struct keys *k, const char *error)
{
	if (error && !*k->error)
		log_warn("store", "the keys cannot be read: those known so far stay in force",
			 LS("error", error));
	if (!error && *k->error)
		log_info("store", "the keys can be read again");
	snprintf(k->error, sizeof(k->error), "%s", error ? error : "");
}

static void look(struct keys *k)
{
	int64_t version;
	char text[200];
	int bad;

	bad = keys_db_open(k, false) || keys_read_version(k, &version);
	if (!bad && version != k->data_version)
		bad = keys_reload(k);
	if (bad)
		snprintf(text, sizeof(text), "%.*s", BFMT(error_last()->message));
	say(k, bad ? text : NULL);
}

/* Sleeps; true: the end has come. */
static bool wait_for_end(struct keys *k, uint64_t ms)
{
	struct timespec until;
	bool ending;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&k->watch_lock);
	if (!k->ending)
		pthread_cond_timedwait(&k->watch_end, &k->watch_lock, &until);
	ending = k->ending;
	pthread_mutex_unlock(&k->watch_lock);
	return ending;
}

static void *watch(void *arg)
{
	struct keys *k = arg;
	uint64_t tidied = clock_mono_ms();

	pthread_setname_np(pthread_self(), "signet-keys");
	while (!wait_for_end(k, WATCH_MS)) {
		pthread_mutex_lock(&k->db_lock);
		look(k);
		if (clock_mono_ms() - tidied >= STORE_USED_MS) {
			tidy(k);
			tidied = clock_mono_ms();
		}
		pthread_mutex_unlock(&k->db_lock);
	}
	pthread_mutex_lock(&k->db_lock);
	tidy(k);
	pthread_mutex_unlock(&k->db_lock);
	error_slot_deinit(error_last());
	return NULL;
}

/* ---- open and close ---- */

static void init_locks(struct keys *k)
{
	pthread_condattr_t mono;

	pthread_mutex_init(&k->db_lock, NULL);
	pthread_mutex_init(&k->watch_lock, NULL);
	pthread_rwlock_init(&k->table_lock, NULL);
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_cond_init(&k->watch_end, &mono);
	pthread_condattr_destroy(&mono);
}

/* Without the database the copy serves, read once: what it holds may be old, but was true. */
static void open_tables(struct keys *k)
{
	struct key_table *copy;
	char text[200];

	if (keys_db_open(k, true) == 0 && keys_reload(k) == 0)
		return;
	snprintf(text, sizeof(text), "%.*s", BFMT(error_last()->message));
	say(k, text);
	copy = keys_json_table(k);
	if (copy)
		keys_put_in_force(k, copy);
}

struct keys *keys_open(const char *data_dir, bool watch_too)
{
	struct keys *k = calloc(1, sizeof(*k));
	int e;

	if (!k)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	init_locks(k);
	k->dir = strdup(data_dir);
	k->dir_fd = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->dir_fd < 0) {
		fail(ERR_STORE, "%s: %s (see --data-dir)", data_dir, strerror(errno));
		goto failed;
	}
	if (!k->dir || asprintf(&k->path, "%s/" SQLITE_FILE, data_dir) < 0) {
		fail(ERR_OUT_OF_MEMORY, "out of memory");
		goto failed;
	}
	if (!watch_too) {
		if (keys_db_open(k, true) == 0 && keys_reload(k) == 0)
			return k;
		goto failed;
	}
	open_tables(k);
	e = thread_start(&k->watcher, watch, k);
	k->watching = !e;
	if (!e)
		return k;
	fail(ERR_IO, "cannot start a thread: %s", strerror(e));
failed:
	keys_close(k);
	return NULL;
}

void keys_close(struct keys *k)
{
	if (!k)
		return;
	pthread_mutex_lock(&k->watch_lock);
	k->ending = true;
	pthread_cond_signal(&k->watch_end);
	pthread_mutex_unlock(&k->watch_lock);
	if (k->watching)
		pthread_join(k->watcher, NULL);
	keys_db_close(k);
	key_table_free(k->table);
	if (k->dir_fd >= 0)
		close(k->dir_fd);
	free(k->dir);
	free(k->path);
	free(k);
}
