/*
 * Making and changing keys, and the list of who did what. A change is one transaction with its line of the audit; it is
 * synced before the caller hears of it, so what was acknowledged survives a crash. A key is never deleted: rows name it.
 */
#include "base/error.h"
#include "base/fault.h"
#include "base/time.h"
#include "store/keys_db.h"

#define AUDIT_KEEP 100000 /* lines; the oldest go */

/* ---- audit ---- */

static struct bytes text_or_empty(struct bytes text)
{
	return bytes_set(text) ? text : B("");
}

static int add_event(struct keys *k, const struct actor *who, struct bytes action,
		     struct bytes target)
{
	if (SQL_RUN(k,
		    "INSERT INTO Audit(at, user, address, action, target) VALUES(?1, ?2, ?3, ?4, ?5)",
		    SQL_INT(clock_unix_ms()), SQL_TEXT(text_or_empty(who->user)),
		    SQL_TEXT(text_or_empty(who->address)), SQL_TEXT(action),
		    SQL_TEXT(text_or_empty(target))))
		return -1;
	return SQL_RUN(k, "DELETE FROM Audit WHERE id <= ?1",
		       SQL_INT(sqlite3_last_insert_rowid(k->db) - AUDIT_KEEP));
}

int audit_add(struct keys *k, const struct actor *who, struct bytes action, struct bytes target)
{
	if (keys_begin(k))
		return -1;
	return keys_commit(k, add_event(k, who, action, target));
}

int audit_list(struct keys *k, uint64_t before, size_t limit, struct arena *a,
	       struct audit_event **out, size_t *n)
{
	sqlite3_stmt *st;
	size_t cap = 0;
	int rc = SQLITE_DONE, bad;

	*out = NULL;
	*n = 0;
	pthread_mutex_lock(&k->db_lock);
	bad = keys_db_open(k, false);
	st = bad ? NULL
		 : SQL_BIND(
			   k,
			   "SELECT id, at, user, address, action, target FROM Audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
			   SQL_INT(before ? before : INT64_MAX), SQL_INT(limit));
	bad = !st;
	while (!bad && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct audit_event e = { .id = (uint64_t)sqlite3_column_int64(st, 0),
					 .at_ms = sql_time(st, 1),
					 .user = arena_dup(a, sql_text(st, 2)),
					 .address = arena_dup(a, sql_text(st, 3)),
					 .action = arena_dup(a, sql_text(st, 4)),
					 .target = arena_dup(a, sql_text(st, 5)) };

		bad = !arena_push(a, *out, *n, cap, e);
	}
	if (!bad && rc != SQLITE_DONE)
		bad = sql_failed(k);
	sqlite3_finalize(st);
	pthread_mutex_unlock(&k->db_lock);
	return bad ? -1 : 0;
}

/* ---- keys ---- */

static struct sql_value sql_role(int role)
{
	return SQL_TEXT(bytes_of(role < 0 ? NULL : role_names[role]));
}

/* Within a transaction. */
static int insert_key(struct keys *k, const struct key_change *c, char text[KEY_TEXT + 1])
{
	uint64_t now = clock_unix_ms();
	struct bytes id, secret;
	char hash[2 * DIGEST + 1];

	key_make(text);
	if (key_parse((struct bytes){ text, KEY_TEXT }, &id, &secret))
		return fail(ERR_INTERNAL, "a new key is no key");
	sha256_hex(secret, hash);
	k->keys_changed = true;
	return SQL_RUN(
		k,
		"INSERT INTO tensorzero_auth_api_key(organization, workspace, description, public_id, hash, created_at, updated_at, expires_at, role) VALUES('default', 'default', ?1, ?2, ?3, ?4, ?4, ?5, ?6)",
		SQL_TEXT(c->description), SQL_TEXT(id), SQL_TEXT(bytes_of(hash)), SQL_INT(now),
		SQL_TIME(c->expires_ms), sql_role(c->role));
}

static struct bytes public_id_of(const char *text)
{
	return (struct bytes){ text + 6, KEY_PUBLIC_ID };
}

int keys_create(struct keys *k, const struct key_change *c, const struct actor *who,
		char text[KEY_TEXT + 1])
{
	if (keys_begin(k))
		return -1;
	return keys_commit(k, insert_key(k, c, text) ||
					      add_event(k, who, B("key.create"), public_id_of(text))
				      ? -1
				      : 0);
}

/* Whether there was one: else ERR_NOT_FOUND. */
static int one_changed(struct keys *k, struct bytes public_id)
{
	k->keys_changed = true;
	return sqlite3_changes(k->db) == 1
		       ? 0
		       : fail(ERR_NOT_FOUND, "There is no key with the public id `%.*s`",
			      BFMT(bytes_head(public_id, 64)));
}

static int update_key(struct keys *k, struct bytes id, const struct key_change *c)
{
	uint64_t now = clock_unix_ms();
	int bad = SQL_RUN(k,
			  "UPDATE tensorzero_auth_api_key SET updated_at = ?1 WHERE public_id = ?2",
			  SQL_INT(now), SQL_TEXT(id)) ||
		  one_changed(k, id);

	if (!bad && c->set_description)
		bad = SQL_RUN(
			k,
			"UPDATE tensorzero_auth_api_key SET description = ?1 WHERE public_id = ?2",
			SQL_TEXT(c->description), SQL_TEXT(id));
	if (!bad && c->set_expires)
		bad = SQL_RUN(
			k,
			"UPDATE tensorzero_auth_api_key SET expires_at = ?1 WHERE public_id = ?2",
			SQL_TIME(c->expires_ms), SQL_TEXT(id));
	if (!bad && c->set_role)
		bad = SQL_RUN(k,
			      "UPDATE tensorzero_auth_api_key SET role = ?1 WHERE public_id = ?2",
			      sql_role(c->role), SQL_TEXT(id));
	if (!bad && c->set_disabled) /* one that is disabled keeps its time */
		bad = SQL_RUN(
			k,
			"UPDATE tensorzero_auth_api_key SET disabled_at = iif(?1, ifnull(disabled_at, ?2), NULL) WHERE public_id = ?3",
			SQL_INT(c->disabled), SQL_INT(now), SQL_TEXT(id));
	return bad ? -1 : 0;
}

int keys_change(struct keys *k, struct bytes public_id, const struct key_change *c,
		const struct actor *who)
{
	struct bytes action = !c->set_disabled ? B("key.change")
			      : c->disabled    ? B("key.disable")
					       : B("key.enable");

	if (keys_begin(k))
		return -1;
	return keys_commit(
		k, update_key(k, public_id, c) || add_event(k, who, action, public_id) ? -1 : 0);
}

/* What the new key takes from the old one, which must be good. */
static int read_for_rotation(struct keys *k, struct bytes id, struct key_change *c, struct arena *a)
{
	sqlite3_stmt *st = SQL_BIND(
		k,
		"SELECT description, expires_at, role, disabled_at FROM tensorzero_auth_api_key WHERE public_id = ?1",
		SQL_TEXT(id));
	int rc = st ? sqlite3_step(st) : SQLITE_ERROR, bad = -1;
	uint64_t now = clock_unix_ms();

	*c = (struct key_change){ 0 };
	if (rc == SQLITE_ROW) {
		c->description = arena_dup(a, sql_text(st, 0));
		c->expires_ms = sql_time(st, 1);
		c->role = role_of(sql_text(st, 2));
		bad = sql_time(st, 3) || (c->expires_ms && c->expires_ms <= now)
			      ? fail(ERR_INVALID_REQUEST,
				     "The key `%.*s` is disabled or has expired: create a new one",
				     BFMT(id))
			      : 0;
	} else if (rc == SQLITE_DONE) {
		bad = fail(ERR_NOT_FOUND, "There is no key with the public id `%.*s`",
			   BFMT(bytes_head(id, 64)));
	} else if (st) {
		sql_failed(k);
	}
	sqlite3_finalize(st);
	return bad;
}

static int rotate(struct keys *k, struct bytes id, uint64_t keep_ms, const struct actor *who,
		  char text[KEY_TEXT + 1], struct arena *a)
{
	struct key_change old = { 0 }, fresh;
	uint64_t until = clock_unix_ms() + keep_ms;

	if (read_for_rotation(k, id, &fresh, a) || insert_key(k, &fresh, text))
		return -1;
	old.set_disabled = old.disabled = !keep_ms;
	old.set_expires = keep_ms && (!fresh.expires_ms || until < fresh.expires_ms);
	old.expires_ms = until;
	return update_key(k, id, &old) || add_event(k, who, B("key.rotate"), id) ||
			       add_event(k, who, B("key.create"), public_id_of(text))
		       ? -1
		       : 0;
}

int keys_rotate(struct keys *k, struct bytes public_id, uint64_t keep_ms, const struct actor *who,
		char text[KEY_TEXT + 1])
{
	struct arena a;
	int bad;

	if (keys_begin(k))
		return -1;
	arena_init(&a, 1 << 20);
	bad = keys_commit(k, rotate(k, public_id, keep_ms, who, text, &a));
	arena_deinit(&a);
	return bad;
}

/* When it was last used: of what is in memory, which is newer. */
static uint64_t used_in_memory(const struct keys *k, struct bytes id, uint64_t stored)
{
	struct key_row *row = k->table ? map_get(&k->table->by_id, id) : NULL;
	uint64_t used = row ? row->used_ms : 0;

	return used > stored ? used : stored;
}

int keys_list(struct keys *k, struct arena *a, struct key_facts **out, size_t *n)
{
	sqlite3_stmt *st;
	size_t cap = 0;
	int rc = SQLITE_DONE, bad;

	*out = NULL;
	*n = 0;
	pthread_mutex_lock(&k->db_lock);
	bad = keys_db_open(k, false);
	st = bad ? NULL
		 : sql_bind(
			   k,
			   "SELECT k.public_id, k.description, k.created_at, k.updated_at, k.expires_at, k.disabled_at, k.last_used_at, k.role, (SELECT a.user FROM Audit a WHERE a.action = 'key.create' AND a.target = k.public_id) FROM tensorzero_auth_api_key k ORDER BY k.id DESC",
			   NULL, 0);
	bad = !st;
	while (!bad && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct key_facts f = { .public_id = arena_dup(a, sql_text(st, 0)),
				       .description = arena_dup(a, sql_text(st, 1)),
				       .created_ms = sql_time(st, 2),
				       .updated_ms = sql_time(st, 3),
				       .expires_ms = sql_time(st, 4),
				       .disabled_ms = sql_time(st, 5),
				       .role = role_of(sql_text(st, 7)),
				       .created_by = arena_dup(a, sql_text(st, 8)) };

		f.used_ms = used_in_memory(k, f.public_id, sql_time(st, 6));
		bad = !arena_push(a, *out, *n, cap, f);
	}
	if (!bad && rc != SQLITE_DONE)
		bad = sql_failed(k);
	sqlite3_finalize(st);
	pthread_mutex_unlock(&k->db_lock);
	return bad ? -1 : 0;
}
