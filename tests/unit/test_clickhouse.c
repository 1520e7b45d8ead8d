/* What of the ClickHouse sink needs no server: URLs, CREATE on a cluster, codes, the cursor. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "store/clickhouse.h"
#include "store/clickhouse_schema.h"
#include "store/cursor.h"
#include "store_dir.h"
#include "unit.h"

static struct arena arena;
static struct clickhouse_server server;

static int before(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	return 0;
}

static int after(void **state)
{
	(void)state;
	arena_deinit(&arena);
	error_clear();
	return 0;
}

static void test_a_url_is_taken_apart(void **state)
{
	(void)state;
	assert_int_equal(clickhouse_server_parse(
				 B("https://us%40er:p%3Aw%2Fd@h.example:8443/my_db?x=1&y=a%20b"),
				 &arena, &server),
			 0);
	assert_true(server.url.tls);
	assert_bytes(server.url.host, "h.example");
	assert_int_equal(server.url.port, 8443);
	assert_bytes(server.user, "us@er");
	assert_bytes(server.password, "p:w/d");
	assert_bytes(server.database, "my_db");
	assert_bytes(server.parameters, "&x=1&y=a%20b");
}

static void test_what_a_url_leaves_out(void **state)
{
	(void)state;
	assert_int_equal(clickhouse_server_parse(B("http://h:8123"), &arena, &server), 0);
	assert_bytes(server.user, "default");
	assert_bytes(server.password, "");
	assert_bytes(server.database, "default");
	assert_int_equal(clickhouse_server_parse(B("http://u@[::1]:8123/d/"), &arena, &server), 0);
	assert_bytes(server.user, "u");
	assert_bytes(server.database, "d");
	assert_bytes(server.url.host, "::1");
}

static void test_urls_that_are_none(void **state)
{
	static const char *const wrong[] = { "",
					     "h:8123",
					     "tcp://h:9000/d",
					     "http://u:secret@h/a/b",
					     "http://u:secret@h/?database=d",
					     "http://u:secret@/d",
					     "http://u:secret@h:port/d" };

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		assert_int_equal(clickhouse_server_parse(bytes_of(wrong[i]), &arena, &server), -1);
		assert_true(bytes_find(error_last()->message, B("secret")) < 0);
	}
}

static const struct clickhouse_table *table(const char *name)
{
	const struct clickhouse_table *t = clickhouse_tables;

	while (t->name && strcmp(t->name, name))
		t++;
	assert_non_null(t->name);
	return t;
}

static bool creates(const char *name, const char *part)
{
	struct buf sql;
	bool found;

	buf_init(&sql, 1 << 20);
	assert_int_equal(clickhouse_create_table(table(name), &server, &sql), 0);
	found = bytes_find(buf_bytes(&sql), bytes_of(part)) >= 0;
	buf_deinit(&sql);
	return found;
}

static void test_tables_of_a_cluster_are_replicated(void **state)
{
	(void)state;
	server = (struct clickhouse_server){ .database = B("d"), .dedup_window = true };
	assert_true(creates("ChatInference", "CREATE TABLE IF NOT EXISTS ChatInference (id UUID"));
	assert_true(creates("ChatInference", "ENGINE = MergeTree() ORDER BY"));
	assert_true(creates("ChatInference", "non_replicated_deduplication_window = 1000"));
	assert_true(creates("InferenceById", "non_replicated_deduplication_window = 1000"));
	assert_true(creates("ModelInferenceCache", "index_granularity = 256"));
	server.cluster = B("c1");
	assert_true(creates("ChatInference", "ChatInference ON CLUSTER `c1` (id UUID"));
	assert_true(creates(
		"ChatInference",
		"ReplicatedMergeTree('/clickhouse/tables/{shard}/d/ChatInference', '{replica}') ORDER BY"));
	assert_true(creates(
		"ModelInferenceCache",
		"ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/d/ModelInferenceCache', '{replica}', timestamp, is_deleted)"));
	assert_false(
		creates("ChatInference", "deduplication_window")); /* they have one by default */
}

static void test_the_schema_is_whole(void **state)
{
	size_t tables = 0, views = 0;

	(void)state;
	for (const struct clickhouse_table *t = clickhouse_tables; t->name; t++)
		tables++;
	for (const struct clickhouse_view *v = clickhouse_views; v->name; v++) {
		table(v->into);
		views++;
	}
	assert_int_equal(tables, 39);
	assert_int_equal(views, 30);
}

static void test_codes(void **state)
{
	(void)state;
	assert_int_equal(clickhouse_fault_of(0), FAULT_NONE);
	assert_int_equal(clickhouse_fault_of(241), FAULT_RETRY);
	assert_int_equal(clickhouse_fault_of(319), FAULT_RETRY);
	assert_int_equal(clickhouse_fault_of(100000), FAULT_RETRY);
	assert_int_equal(clickhouse_fault_of(60), FAULT_SETUP);
	assert_int_equal(clickhouse_fault_of(516), FAULT_SETUP);
	assert_int_equal(clickhouse_fault_of(117), FAULT_ROWS);
	assert_int_equal(clickhouse_fault_of(6), FAULT_ROWS);
}

/* One of a version before tokens, one with none yet, one with a token of every table. */
static struct cursor some_cursor(int i)
{
	struct cursor c = { .delivered = 1ull << 60, .first = 17, .last = 4711 };

	c.noted_ms = i ? 1764532800000 : 0;
	for (unsigned t = 0; i == 2 && t < CURSOR_TABLES; t++)
		c.tokens[c.ntokens++] = (struct cursor_token){
			.table = t, .number = UINT32_MAX - t, .parts = t & 1, .unix_ms = UINT64_MAX
		};
	return c;
}

static void test_a_cursor_is_read_as_it_was_written(void **state)
{
	struct cursor got;
	int fd = open(dir, O_RDONLY | O_DIRECTORY);

	(void)state;
	assert_int_equal(mkdirat(fd, "journal", 0700), 0);
	assert_int_equal(cursor_read(fd, "clickhouse", &got), 0);
	for (int i = 0; i < 3; i++) {
		struct cursor some = some_cursor(i);

		assert_int_equal(cursor_write(fd, "clickhouse", &some), 0);
		assert_int_equal(cursor_read(fd, "clickhouse", &got), 1);
		assert_memory_equal(&got, &some, sizeof(got));
	}
	close(fd);
}

/* What an older version wrote, byte for byte. */
static void test_an_older_cursor_is_read(void **state)
{
	static const char text[] = "signet cursor 1\ndelivered 3\nbatch 4 9\ncrc 3a7c0015\n";
	int fd = open(dir, O_RDONLY | O_DIRECTORY), f;
	struct cursor got;

	(void)state;
	mkdirat(fd, "journal", 0700);
	f = openat(fd, "journal/clickhouse.cursor", O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(f, text, sizeof(text) - 1), sizeof(text) - 1);
	close(f);
	assert_int_equal(cursor_read(fd, "clickhouse", &got), 1);
	assert_int_equal(got.delivered, 3);
	assert_int_equal(got.first, 4);
	assert_int_equal(got.last, 9);
	assert_int_equal(got.noted_ms, 0);
	close(fd);
}

/* Whatever byte is flipped, and wherever it is cut. */
static void test_a_damaged_cursor_is_none(void **state)
{
	const struct cursor some = some_cursor(2);
	struct cursor got;
	char text[2048];
	int fd = open(dir, O_RDONLY | O_DIRECTORY), f;
	size_t n;

	(void)state;
	mkdirat(fd, "journal", 0700);
	assert_int_equal(cursor_write(fd, "clickhouse", &some), 0);
	f = openat(fd, "journal/clickhouse.cursor", O_RDWR);
	n = (size_t)read(f, text, sizeof(text));
	assert_in_range(n, 1, sizeof(text));
	for (size_t i = 0; i < n; i++) {
		text[i] ^= 1;
		assert_int_equal(pwrite(f, text, n, 0), n);
		assert_int_equal(cursor_read(fd, "clickhouse", &got), -1);
		assert_int_equal(got.delivered, 0);
		text[i] ^= 1;
	}
	assert_int_equal(pwrite(f, text, n, 0), n);
	for (size_t i = n; i-- > 0;) {
		assert_int_equal(ftruncate(f, (off_t)i), 0);
		assert_int_equal(cursor_read(fd, "clickhouse", &got), -1);
	}
	close(f);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_url_is_taken_apart),
		cmocka_unit_test(test_what_a_url_leaves_out),
		cmocka_unit_test(test_urls_that_are_none),
		cmocka_unit_test(test_tables_of_a_cluster_are_replicated),
		cmocka_unit_test(test_the_schema_is_whole),
		cmocka_unit_test(test_codes),
		cmocka_unit_test_setup_teardown(test_an_older_cursor_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_cursor_is_read_as_it_was_written, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_damaged_cursor_is_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, before, after);
}
