/*
 * Sessions of the pages and the links that open one. The database has SHA-256 of what the browser holds; the id by which
 * lists name a session opens nothing.
 */
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "store/keys_db.h"

#define SESSIONS_MAX 10000
#define LINKS_MAX    100

static void random_hex(char *out, size_t digits)
{
	uint8_t bytes[32];

	if (RAND_bytes(bytes, (int)(digits / 2)) != 1)
		abort(); /* a guessable session is worse than none */
	hex_print(bytes, digits / 2, out);
}

/* Within a transaction. Who signs in without end pushes out the oldest, not the database's disk. */
static int insert_session(struct keys *k, const struct session *s, const char *secret)
{
	char hash[2 * DIGEST + 1];

	sha256_hex(bytes_of(secret), hash);
	if (SQL_RUN(k,
		    "DELETE FROM Session WHERE id IN (SELECT id FROM Session ORDER BY seen_at DESC LIMIT -1 OFFSET ?1)",
		    SQL_INT(SESSIONS_MAX - 1)))
		return -1;
	return SQL_RUN(
		k,
		"INSERT INTO Session(id, hash, user, role, method, key_id, proof, address, created_at, seen_at, ends_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10)",
		SQL_TEXT(bytes_of(s->id)), SQL_TEXT(bytes_of(hash)), SQL_TEXT(bytes_of(s->user)),
		SQL_TEXT(bytes_of(role_names[s->role])), SQL_TEXT(bytes_of(s->method)),
		SQL_TEXT(bytes_of(*s->key_public_id ? s->key_public_id : NULL)),
		SQL_TEXT(bytes_of(s->proof)), SQL_TEXT(bytes_of(s->address)),
		SQL_INT(s->created_ms), SQL_INT(s->ends_ms));
}

int sessions_create(struct keys *k, struct session *s, char secret[SESSION_SECRET + 1])
{
	uuid_print(uuid_v4(), s->id);
	random_hex(secret, SESSION_SECRET);
	s->created_ms = s->seen_ms = clock_unix_ms();
	s->ends_ms = s->created_ms + SESSION_LIFE_MS;
	if (keys_begin(k))
		return -1;
	return keys_commit(k, insert_session(k, s, secret));
}

int sessions_end(struct keys *k, struct bytes id, const struct actor *who)
{
	int bad;

	if (keys_begin(k))
		return -1;
	bad = SQL_RUN(k, "DELETE FROM Session WHERE id = ?1", SQL_TEXT(id));
	if (!bad && sqlite3_changes(k->db) != 1)
		bad = fail(ERR_NOT_FOUND, "There is no such session");
	if (!bad)
		bad = SQL_RUN(
			k,
			"INSERT INTO Audit(at, user, address, action, target) VALUES(?1, ?2, ?3, 'session.end', ?4)",
			SQL_INT(clock_unix_ms()), SQL_TEXT(who->user), SQL_TEXT(who->address),
			SQL_TEXT(id));
	return keys_commit(k, bad);
}

static int newest_first(const void *a, const void *b)
{
	const struct session *x = a, *y = b;

	return x->created_ms < y->created_ms ? 1 : x->created_ms > y->created_ms ? -1 : 0;
}

int sessions_list(struct keys *k, struct arena *a, struct session **out, size_t *n)
{
	uint64_t now = clock_unix_ms();
	int bad = 0;

	*n = 0;
	pthread_rwlock_rdlock(&k->table_lock);
	*out = k->table && k->table->nsessions ? arena_array(a, struct session, k->table->nsessions)
					       : NULL;
	if (k->table && k->table->nsessions && !*out)
		bad = -1;
	for (size_t i = 0; *out && i < k->table->nsessions; i++) {
		struct session_row *row = &k->table->sessions[i];
		struct session *s = &(*out)[*n];

		*s = row->facts;
		s->seen_ms = row->seen_ms;
		*n += now < s->ends_ms && now < s->seen_ms + SESSION_IDLE_MS;
	}
	pthread_rwlock_unlock(&k->table_lock);
	if (*n)
		qsort(*out, *n, sizeof(**out), newest_first);
	return bad;
}

/* ---- links ---- */

static int insert_link(struct keys *k, const char *secret)
{
	char hash[2 * DIGEST + 1];

	sha256_hex(bytes_of(secret), hash);
	if (SQL_RUN(k,
		    "DELETE FROM SessionLink WHERE hash IN (SELECT hash FROM SessionLink ORDER BY ends_at DESC LIMIT -1 OFFSET ?1)",
		    SQL_INT(LINKS_MAX - 1)))
		return -1;
	return SQL_RUN(k, "INSERT INTO SessionLink(hash, ends_at) VALUES(?1, ?2)",
		       SQL_TEXT(bytes_of(hash)), SQL_INT(clock_unix_ms() + LINK_LIFE_MS));
}

int links_create(struct keys *k, char secret[LINK_SECRET + 1])
{
	random_hex(secret, LINK_SECRET);
	if (keys_begin(k))
		return -1;
	return keys_commit(k, insert_link(k, secret));
}

int links_use(struct keys *k, struct bytes secret)
{
	char hash[2 * DIGEST + 1];
	int bad, used;

	sha256_hex(secret, hash);
	if (keys_begin(k))
		return -1;
	bad = SQL_RUN(k, "DELETE FROM SessionLink WHERE hash = ?1 AND ends_at > ?2",
		      SQL_TEXT(bytes_of(hash)), SQL_INT(clock_unix_ms()));
	used = sqlite3_changes(k->db) == 1;
	return keys_commit(k, bad) ? -1 : used;
}
