/*
 * The tables of keys and sessions as memory has them. A key whose hash is no SHA-256 (a row written by hand) is there
 * and never fits; one whose id is no public id is left out.
 */
#include <stdlib.h>

#include "base/error.h"
#include "store/keys_db.h"

int role_of(struct bytes name)
{
	for (int i = 0; bytes_set(name) && role_names[i]; i++)
		if (bytes_eq(name, bytes_of(role_names[i])))
			return i;
	return -1;
}

static bool read_hash(struct bytes hex, uint8_t out[DIGEST])
{
	if (hex.n != 2 * DIGEST)
		return false;
	for (size_t i = 0; i < DIGEST; i++) {
		int high = hex_digit(hex.p[2 * i]), low = hex_digit(hex.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* As much of the text as fits, with its NUL. */
static void copy_text(char *to, size_t size, struct bytes text)
{
	text = bytes_head(text, size - 1);
	if (text.n)
		memcpy(to, text.p, text.n);
	to[text.n] = '\0';
}

/* One more element, zeroed. NULL: ERR_OUT_OF_MEMORY. */
static void *grow(void **list, size_t *n, size_t size)
{
	void *more = *n & (*n - 1) ? *list : realloc(*list, (*n ? *n * 2 : 1) * size);

	if (!more)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	*list = more;
	more = (char *)more + size * (*n)++;
	memset(more, 0, size);
	return more;
}

/* public_id, hash, role, disabled, expires, used: a row of either source. */
static int add_key(struct key_table *t, sqlite3_stmt *st)
{
	struct bytes id = sql_text(st, 0);
	struct key_row *row;

	if (id.n != KEY_PUBLIC_ID)
		return 0;
	row = grow((void **)&t->keys, &t->nkeys, sizeof(*row));
	if (!row)
		return -1;
	copy_text(row->public_id, sizeof(row->public_id), id);
	row->hash_good = read_hash(sql_text(st, 1), row->hash);
	row->role = role_of(sql_text(st, 2));
	row->disabled_ms = sql_time(st, 3);
	row->expires_ms = sql_time(st, 4);
	row->used_ms = row->used_stored = sql_time(st, 5);
	return 0;
}

static int add_session(struct key_table *t, sqlite3_stmt *st)
{
	struct session_row *row;
	struct session *s;
	int role;

	row = grow((void **)&t->sessions, &t->nsessions, sizeof(*row));
	if (!row)
		return -1;
	s = &row->facts;
	if (!read_hash(sql_text(st, 1), row->hash)) {
		t->nsessions--;
		return 0;
	}
	role = role_of(sql_text(st, 3));
	copy_text(s->id, sizeof(s->id), sql_text(st, 0));
	copy_text(s->user, sizeof(s->user), sql_text(st, 2));
	s->role = role < 0 ? ROLE_NONE : (enum guard_role)role;
	copy_text(s->method, sizeof(s->method), sql_text(st, 4));
	copy_text(s->key_public_id, sizeof(s->key_public_id), sql_text(st, 5));
	copy_text(s->proof, sizeof(s->proof), sql_text(st, 6));
	copy_text(s->address, sizeof(s->address), sql_text(st, 7));
	s->created_ms = sql_time(st, 8);
	row->seen_ms = row->seen_stored = s->seen_ms = sql_time(st, 9);
	s->ends_ms = sql_time(st, 10);
	return 0;
}

static int read_rows(struct keys *k, struct key_table *t, const char *sql,
		     int (*add)(struct key_table *, sqlite3_stmt *))
{
	sqlite3_stmt *st = sql_bind(k, sql, NULL, 0);
	int rc, bad = st ? 0 : -1;

	while (!bad && (rc = sqlite3_step(st)) != SQLITE_DONE)
		bad = rc == SQLITE_ROW ? add(t, st) : sql_failed(k);
	sqlite3_finalize(st);
	return bad;
}

/* The arrays no longer move. */
static int index_rows(struct key_table *t)
{
	for (size_t i = 0; i < t->nkeys; i++)
		if (map_put(&t->by_id, (struct bytes){ t->keys[i].public_id, KEY_PUBLIC_ID },
			    &t->keys[i]))
			return -1;
	for (size_t i = 0; i < t->nsessions; i++)
		if (map_put(&t->by_hash,
			    (struct bytes){ (const char *)t->sessions[i].hash, DIGEST },
			    &t->sessions[i]))
			return -1;
	return 0;
}

struct key_table *key_table_read(struct keys *k)
{
	struct key_table *t = calloc(1, sizeof(*t));

	if (!t)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	map_init(&t->by_id);
	map_init(&t->by_hash);
	if (read_rows(
		    k, t,
		    "SELECT public_id, hash, role, disabled_at, expires_at, last_used_at FROM tensorzero_auth_api_key",
		    add_key) == 0 &&
	    read_rows(
		    k, t,
		    "SELECT id, hash, user, role, method, key_id, proof, address, created_at, seen_at, ends_at FROM Session",
		    add_session) == 0 &&
	    index_rows(t) == 0)
		return t;
	key_table_free(t);
	return NULL;
}
