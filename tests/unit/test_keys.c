/* store/keys*.c: the text of a key, look-ups, changes from elsewhere, keys.json when the database is gone. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "store/keys.h"
#include "store_dir.h"

static const struct actor who = { B("tester"), B("127.0.0.1") };
static const struct key_change plain = { .role = -1 };

static struct bytes id_of(const char *key)
{
	return (struct bytes){ key + 6, KEY_PUBLIC_ID };
}

static enum key_state look(struct keys *k, const char *key, struct key_found *found)
{
	struct bytes id, secret;

	assert_null(key_parse(bytes_of(key), &id, &secret));
	return keys_find(k, id, secret, found);
}

static struct keys *open_keys(bool watch)
{
	struct keys *k = keys_open(dir, watch);

	assert_non_null(k);
	return k;
}

static void path_in(char out[400], const char *name)
{
	snprintf(out, 400, "%s/%s", dir, name);
}

/* ---- text ---- */

static void test_a_new_key_is_one_and_none_is_like_another(void **state)
{
	char a[KEY_TEXT + 1], b[KEY_TEXT + 1];
	unsigned seen[256] = { 0 };
	struct bytes id, secret;

	(void)state;
	key_make(b);
	for (int i = 0; i < 200; i++) {
		key_make(a);
		assert_int_equal(strlen(a), KEY_TEXT);
		assert_null(key_parse(bytes_of(a), &id, &secret));
		assert_string_not_equal(a, b);
		for (size_t c = 0; c < secret.n; c++)
			seen[(unsigned char)secret.p[c]]++;
		memcpy(b, a, sizeof(a));
	}
	for (const char *c = "ABCXYZabcxyz0189"; *c; c++) /* 155 each on average */
		assert_in_range(seen[(unsigned char)*c], 60, 300);
}

static void test_what_is_wrong_with_a_text_comes_in_order(void **state)
{
	static const char form[] = "API key must be of the form `sk-t0-<public_id>-<long_key>`";
	static const char start[] = "API key must start with `sk-t0-`";
	static const struct {
		const char *text, *wrong;
	} cases[] = {
		{ "", form },
		{ "sk", form },
		{ "sk-t0-a", form },
		{ "sk-t0-a-b-c", form },
		{ "sk-t0-a-b-", form },
		{ "SK-t0-a-b", start },
		{ "sk-t1-a-b", start },
		{ "---", start },
		{ "sk-t0--", "Public ID must be 12 characters" },
		{ "sk-t0-aaaaaaaaaaaaa-b", "Public ID must be 12 characters" },
		{ "sk-t0-aaaaaaaaaaaa-b", "Long key must be 48 characters" },
		{ "sk-t0-aaaaaaaaaaa.-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
		  "Public ID must be alphanumeric" },
		{ "sk-t0-aaaaaaaaaaaa-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb ",
		  "Long key must be alphanumeric" },
	};
	struct bytes id, secret;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(key_parse(bytes_of(cases[i].text), &id, &secret),
				    cases[i].wrong);
}

/* ---- look-ups ---- */

static void test_a_key_is_found_by_both_its_parts(void **state)
{
	struct keys *k = open_keys(false);
	char key[KEY_TEXT + 1], other[KEY_TEXT + 1];
	struct key_found found;

	(void)state;
	assert_int_equal(keys_create(k, &plain, &who, key), 0);
	assert_int_equal(look(k, key, &found), KEY_GOOD);
	assert_memory_equal(found.public_id, key + 6, KEY_PUBLIC_ID);
	assert_int_equal(found.role, -1);
	key_make(other);
	assert_int_equal(look(k, other, &found), KEY_UNKNOWN);
	memcpy(other, key, 6 + KEY_PUBLIC_ID); /* the right id, another secret */
	assert_int_equal(look(k, other, &found), KEY_UNKNOWN);
	keys_close(k);
}

static void test_states_and_roles_of_a_key(void **state)
{
	struct keys *k = open_keys(false);
	struct key_change c = { .role = ROLE_EDITOR, .expires_ms = clock_unix_ms() + 3600000 };
	struct key_change off = { .set_disabled = true, .disabled = true };
	struct key_change past = { .set_expires = true, .expires_ms = 1000 };
	char key[KEY_TEXT + 1];
	struct key_found found;

	(void)state;
	assert_int_equal(keys_create(k, &c, &who, key), 0);
	assert_int_equal(look(k, key, &found), KEY_GOOD);
	assert_int_equal(found.role, ROLE_EDITOR);
	assert_int_equal(keys_change(k, id_of(key), &off, &who), 0);
	assert_int_equal(look(k, key, &found), KEY_DISABLED);
	assert_true(found.at_ms > 1000);
	off.disabled = false;
	assert_int_equal(keys_change(k, id_of(key), &off, &who), 0);
	assert_int_equal(look(k, key, &found), KEY_GOOD);
	assert_int_equal(keys_change(k, id_of(key), &past, &who), 0);
	assert_int_equal(look(k, key, &found), KEY_EXPIRED);
	assert_int_equal(found.at_ms, 1000);
	assert_int_equal(keys_state(k, id_of(key), &found), KEY_EXPIRED);
	assert_int_equal(keys_change(k, B("nobody"), &past, &who), -1);
	assert_int_equal(error_last()->kind, ERR_NOT_FOUND);
	keys_close(k);
}

static void test_a_change_by_another_process_is_seen(void **state)
{
	struct keys *gateway = open_keys(true), *shell = open_keys(false);
	struct key_change off = { .set_disabled = true, .disabled = true };
	char key[KEY_TEXT + 1];
	struct key_found found;
	uint64_t until;

	(void)state;
	assert_int_equal(keys_create(shell, &plain, &who, key), 0);
	until = clock_mono_ms() + 1000;
	while (look(gateway, key, &found) != KEY_GOOD && clock_mono_ms() < until)
		usleep(5000);
	assert_int_equal(look(gateway, key, &found), KEY_GOOD);
	assert_int_equal(keys_change(shell, id_of(key), &off, &who), 0);
	until = clock_mono_ms() + 1000;
	while (look(gateway, key, &found) == KEY_GOOD && clock_mono_ms() < until)
		usleep(5000);
	assert_int_equal(look(gateway, key, &found), KEY_DISABLED);
	keys_close(shell);
	keys_close(gateway);
}

/* ---- the list, the audit ---- */

static void test_the_list_says_who_made_a_key_and_when_it_was_used(void **state)
{
	struct keys *k = open_keys(false);
	struct key_change c = { .description = B("x"), .role = -1 };
	char key[KEY_TEXT + 1], other[KEY_TEXT + 1];
	struct key_facts *list;
	struct audit_event *events;
	struct key_found found;
	struct arena a;
	size_t n;

	(void)state;
	arena_init(&a, 1 << 20);
	assert_int_equal(keys_create(k, &c, &who, key), 0);
	assert_int_equal(keys_rotate(k, id_of(key), 0, &who, other), 0);
	assert_int_equal(look(k, other, &found), KEY_GOOD);
	assert_int_equal(keys_list(k, &a, &list, &n), 0);
	assert_int_equal(n, 2);
	assert_true(bytes_eq(list[0].public_id, id_of(other)));
	assert_true(bytes_eq(list[0].description, B("x")) &&
		    bytes_eq(list[0].created_by, B("tester")));
	assert_true(list[0].used_ms && !list[0].disabled_ms);
	assert_true(!list[1].used_ms && list[1].disabled_ms);
	assert_int_equal(keys_rotate(k, id_of(key), 0, &who, other), -1);
	assert_int_equal(error_last()->kind, ERR_INVALID_REQUEST);
	assert_int_equal(audit_list(k, 0, 2, &a, &events, &n), 0);
	assert_int_equal(n, 2);
	assert_true(bytes_eq(events[0].action, B("key.create")) &&
		    bytes_eq(events[1].action, B("key.rotate")));
	assert_int_equal(audit_list(k, events[1].id, 2, &a, &events, &n), 0);
	assert_int_equal(n, 1);
	assert_true(bytes_eq(events[0].target, id_of(key)) &&
		    bytes_eq(events[0].address, B("127.0.0.1")));
	arena_deinit(&a);
	keys_close(k);
}

/* ---- sessions ---- */

static void test_a_session_lives_until_it_is_ended(void **state)
{
	struct keys *k = open_keys(false);
	struct session s = { .user = "alice", .method = "password", .role = ROLE_ADMIN }, got;
	char secret[SESSION_SECRET + 1];
	struct session *list;
	struct arena a;
	size_t n;

	(void)state;
	arena_init(&a, 1 << 20);
	assert_int_equal(sessions_create(k, &s, secret), 0);
	keys_close(k);
	k = open_keys(false); /* it outlives the process */
	assert_true(sessions_find(k, bytes_of(secret), &got));
	assert_string_equal(got.user, "alice");
	assert_int_equal(got.role, ROLE_ADMIN);
	assert_false(sessions_find(k, bytes_of(s.id), &got));
	assert_int_equal(sessions_list(k, &a, &list, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(sessions_end(k, bytes_of(s.id), &who), 0);
	assert_false(sessions_find(k, bytes_of(secret), &got));
	assert_int_equal(sessions_end(k, bytes_of(s.id), &who), -1);
	assert_int_equal(error_last()->kind, ERR_NOT_FOUND);
	arena_deinit(&a);
	keys_close(k);
}

static void run_sql(const char *sql)
{
	char path[400];
	sqlite3 *db;

	path_in(path, "signet.db");
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void test_a_session_ends_when_idle_and_when_old(void **state)
{
	static const char *const ends[] = {
		"UPDATE Session SET seen_at = seen_at - 43200001, created_at = created_at - 43200001",
		"UPDATE Session SET ends_at = seen_at",
	};
	struct session s = { .user = "alice", .method = "link", .role = ROLE_ADMIN }, got;
	char secret[SESSION_SECRET + 1];
	struct keys *k;

	(void)state;
	for (size_t i = 0; i < COUNT(ends); i++) {
		k = open_keys(false);
		assert_int_equal(sessions_create(k, &s, secret), 0);
		assert_true(sessions_find(k, bytes_of(secret), &got));
		keys_close(k);
		run_sql(ends[i]);
		k = open_keys(false);
		assert_false(sessions_find(k, bytes_of(secret), &got));
		keys_close(k);
	}
}

static void test_a_link_is_good_once_and_for_a_while(void **state)
{
	struct keys *k = open_keys(false);
	char secret[LINK_SECRET + 1];

	(void)state;
	assert_int_equal(links_create(k, secret), 0);
	assert_int_equal(links_use(k, bytes_of(secret)), 1);
	assert_int_equal(links_use(k, bytes_of(secret)), 0);
	assert_int_equal(links_use(k, B("")), 0);
	assert_int_equal(links_create(k, secret), 0);
	run_sql("UPDATE SessionLink SET ends_at = ends_at - 900001");
	assert_int_equal(links_use(k, bytes_of(secret)), 0);
	keys_close(k);
}

/* ---- when the database is not what it was ---- */

static void remove_database(void)
{
	char path[400];

	path_in(path, "signet.db");
	unlink(path);
	path_in(path, "signet.db-wal");
	unlink(path);
	path_in(path, "signet.db-shm");
	unlink(path);
}

static void write_file(const char *name, const char *text)
{
	char path[400];
	FILE *f;

	path_in(path, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_a_new_database_takes_its_keys_from_the_copy(void **state)
{
	struct keys *k = open_keys(false);
	struct key_change c = { .description = B("quote \" and \xe4\xb8\xad"),
				.role = ROLE_VIEWER };
	char key[KEY_TEXT + 1], path[400];
	struct key_found found;
	struct stat st;

	(void)state;
	assert_int_equal(keys_create(k, &c, &who, key), 0);
	keys_close(k);
	path_in(path, "keys.json");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	remove_database();
	k = open_keys(true);
	assert_int_equal(look(k, key, &found), KEY_GOOD);
	assert_int_equal(found.role, ROLE_VIEWER);
	keys_close(k);
}

static void test_a_file_that_comes_in_the_databases_place_is_taken(void **state)
{
	struct keys *k = open_keys(true);
	char key[KEY_TEXT + 1], other[KEY_TEXT + 1];
	struct keys *shell;
	struct key_found found;
	uint64_t until = clock_mono_ms() + 3000;

	(void)state;
	assert_int_equal(keys_create(k, &plain, &who, key), 0);
	remove_database(); /* as the sink does with a damaged one */
	shell = open_keys(false);
	assert_int_equal(keys_create(shell, &plain, &who, other), 0);
	keys_close(shell);
	while (look(k, other, &found) != KEY_GOOD && clock_mono_ms() < until)
		usleep(5000);
	assert_int_equal(look(k, other, &found), KEY_GOOD);
	assert_int_equal(look(k, key, &found), KEY_GOOD);
	keys_close(k);
}

static void test_without_a_database_the_copy_serves(void **state)
{
	struct keys *k = open_keys(false);
	char key[KEY_TEXT + 1];
	struct key_found found;

	(void)state;
	assert_int_equal(keys_create(k, &plain, &who, key), 0);
	keys_close(k);
	remove_database();
	write_file("signet.db",
		   "this is no database, but it is long enough to be read as one ........");
	k = open_keys(true);
	assert_int_equal(look(k, key, &found), KEY_GOOD);
	keys_close(k);
	assert_null(keys_open(dir, false));
}

static void test_without_both_nobody_gets_in(void **state)
{
	char key[KEY_TEXT + 1];
	struct key_found found;
	struct keys *k;

	(void)state;
	key_make(key);
	write_file("signet.db",
		   "this is no database, but it is long enough to be read as one ........");
	k = open_keys(true);
	assert_int_equal(look(k, key, &found), KEY_UNREADABLE);
	keys_close(k);
	write_file("keys.json", "{\"keys\": [");
	k = open_keys(true);
	assert_int_equal(look(k, key, &found), KEY_UNREADABLE);
	keys_close(k);
	remove_database(); /* a broken copy does not shut a good database */
	k = open_keys(true);
	assert_int_equal(look(k, key, &found), KEY_UNKNOWN);
	keys_close(k);
}

static void test_rows_that_others_wrote(void **state)
{
	struct keys *k = open_keys(false);
	char key[KEY_TEXT + 1];
	struct key_found found;

	(void)state;
	assert_int_equal(keys_create(k, &plain, &who, key), 0);
	keys_close(k);
	run_sql("UPDATE tensorzero_auth_api_key SET role = 'boss', hash = upper(hash);"
		"INSERT INTO tensorzero_auth_api_key(organization, workspace, public_id, hash, created_at, updated_at) VALUES('default', 'default', 'short', 'x', 1, 1), ('default', 'default', 'abcdefghijkl', 'no hash', 1, 1), ('default', 'default', 'ABCDEFGHIJKL', '', 1, 1)");
	k = open_keys(false);
	assert_int_equal(look(k, key, &found), KEY_GOOD);
	assert_int_equal(found.role, -1);
	memcpy(key + 6, "abcdefghijkl", KEY_PUBLIC_ID);
	assert_int_equal(look(k, key, &found), KEY_UNKNOWN);
	assert_int_equal(keys_state(k, B("abcdefghijkl"), &found), KEY_UNKNOWN);
	keys_close(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_key_is_one_and_none_is_like_another),
		cmocka_unit_test(test_what_is_wrong_with_a_text_comes_in_order),
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_a_key_is_found_by_both_its_parts),
		T(test_states_and_roles_of_a_key),
		T(test_a_change_by_another_process_is_seen),
		T(test_the_list_says_who_made_a_key_and_when_it_was_used),
		T(test_a_session_lives_until_it_is_ended),
		T(test_a_session_ends_when_idle_and_when_old),
		T(test_a_link_is_good_once_and_for_a_while),
		T(test_a_new_database_takes_its_keys_from_the_copy),
		T(test_a_file_that_comes_in_the_databases_place_is_taken),
		T(test_without_a_database_the_copy_serves),
		T(test_without_both_nobody_gets_in),
		T(test_rows_that_others_wrote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
