/* Records as the api floor builds them, for the tests of the store. */
#ifndef SIGNET_TESTS_STORE_ROWS_H
#define SIGNET_TESTS_STORE_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail /* cmocka's; error.h has one too */
#undef fail_msg
#define fail_msg(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

#include <ftw.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "store/store.h"

#define ROWS_HASH "111577600112233445566778899001122334455667788990011223344556677889900776"

/* The three rows of a plain answer. `id` gets its inference id. */
static inline void make_record(struct record *r, const char *text, char id[37])
{
	struct buf b, *request;
	char call[37], episode[37];
	size_t messages, end;

	uuid_print(uuid_v7(), id);
	uuid_print(uuid_v7(), call);
	uuid_print(uuid_v7(), episode);
	buf_init(&b, 8 << 20);
	record_init(r);
	buf_printf(
		&b,
		"{\"id\":\"%s\",\"function_name\":\"tensorzero::default\",\"variant_name\":\"m\",\"episode_id\":\"%s\",\"input\":{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"%s\"}]}]},\"output\":[{\"type\":\"text\",\"text\":\"Hello.\"}],\"inference_params\":{\"chat_completion\":{}},\"processing_time_ms\":12,\"ttft_ms\":null,\"tags\":{\"user\":\"7\",\"we\\\"ird\":\"x\\u0041\"},\"extra_body\":[],\"snapshot_hash\":\"" ROWS_HASH
		"\"}",
		id, episode, text);
	assert_int_equal(record_add(r, ROW_CHAT_INFERENCE, buf_bytes(&b)), 0);
	/* bodies beside the row, and in it */
	messages = (size_t)bytes_find(buf_bytes(&r->payload), B("[{\"role"));
	end = (size_t)bytes_find(buf_bytes(&r->payload), B("},\"output\""));
	request = record_open_part(r, TEXT_PART | TEXT_RAW_REQUEST);
	assert_non_null(request);
	assert_int_equal(buf_printf(request, "{\"model\":\"x\",\"text\":\"%s\"}", text), 0);
	assert_int_equal(record_close_part(r), 0);
	assert_int_equal(record_add_same(r, TEXT_INPUT_MESSAGES, messages, end - messages), 0);
	buf_reset(&b);
	buf_printf(
		&b,
		"{\"id\":\"%s\",\"inference_id\":\"%s\",\"function_name\":\"tensorzero::default\",\"variant_name\":\"m\",\"raw_response\":\"{\\\"id\\\":1}\\n\",\"system\":null,\"output\":\"[{\\\"type\\\":\\\"text\\\",\\\"text\\\":\\\"Hello.\\\"}]\",\"input_tokens\":11,\"output_tokens\":3,\"response_time_ms\":9,\"model_name\":\"m\",\"model_provider_name\":\"p\",\"ttft_ms\":null,\"cached\":false,\"cost\":0.0000345,\"finish_reason\":\"stop\",\"snapshot_hash\":\"" ROWS_HASH
		"\"}",
		call, id);
	assert_int_equal(record_add(r, ROW_MODEL_INFERENCE, buf_bytes(&b)), 0);
	buf_reset(&b);
	buf_printf(
		&b,
		"{\"id\":\"%s\",\"function_name\":\"tensorzero::default\",\"variant_name\":\"m\",\"episode_id\":\"%s\",\"function_type\":\"chat\",\"snapshot_hash\":\"" ROWS_HASH
		"\",\"state\":\"ok\",\"status\":200,\"error_kind\":null,\"surface\":\"openai\",\"stream\":false,\"cached\":false,\"signed\":true,\"model_name\":\"m\",\"model_provider_name\":\"p\",\"attempts\":1,\"input_tokens\":11,\"output_tokens\":3,\"estimated\":false,\"cost_nano\":34500,\"processing_time_ms\":12,\"ttft_ms\":null,\"finish_reason\":\"stop\",\"tools\":0,\"preview_in\":\"%s\",\"preview_out\":\"Hello.\",\"calls\":[{\"id\":\"%s\",\"attempt\":1,\"http_status\":200,\"signature\":{\"signer\":\"models.m.providers.p\"},\"spans\":[]}]}",
		id, episode, text, call);
	assert_int_equal(record_add(r, ROW_INFERENCE_BY_ID, buf_bytes(&b)), 0);
	buf_deinit(&b);
}

#define FULL_HASH "123456789012345678901234567890123456789012345678901234567890123456789012345678"
#define FULL_ID   "0197c0de-1234-7abc-8def-000000000001"

static inline void add_row(struct record *r, enum row_table table, const char *json)
{
	assert_int_equal(record_add(r, table, bytes_of(json)), 0);
}

/* Each column has a value of its own, so that none can stand in another's place. */
static inline void make_full_record(struct record *r)
{
	record_init(r);
	r->cut = true;
	add_row(r, ROW_CHAT_INFERENCE,
		"{\"id\":\"0197c0de-1234-7abc-8def-000000000001\",\"function_name\":\"f\",\"variant_name\":\"v\",\"episode_id\":\"0197c0de-1234-7abc-8def-0000000000e1\",\"input\":{\"messages\":[1]},\"output\":[{\"type\":\"text\"}],\"dynamic_tools\":[\"dt\"],\"dynamic_provider_tools\":[\"dpt\"],\"allowed_tools\":{\"tools\":[\"at\"]},\"tool_choice\":\"auto\",\"parallel_tool_calls\":true,\"tool_params\":{\"tp\":1},\"inference_params\":{\"chat_completion\":{\"seed\":1}},\"processing_time_ms\":101,\"ttft_ms\":102,\"tags\":{\"k1\":\"v1\",\"k2\":\"\\u00e9\"},\"extra_body\":[{\"e\":1}],\"snapshot_hash\":\"" FULL_HASH
		"\"}");
	add_row(r, ROW_MODEL_INFERENCE,
		"{\"id\":\"0197c0de-1236-7abc-8def-000000000003\",\"inference_id\":\"0197c0de-1234-7abc-8def-000000000001\",\"raw_request\":\"q2\",\"raw_response\":\"a2\",\"system\":null,\"input_messages\":[3],\"output\":[4],\"input_tokens\":null,\"output_tokens\":null,\"response_time_ms\":null,\"model_name\":\"m2\",\"model_provider_name\":\"p2\",\"ttft_ms\":null,\"cached\":false,\"cost\":null,\"finish_reason\":null,\"snapshot_hash\":null}");
	add_row(r, ROW_MODEL_INFERENCE,
		"{\"id\":\"0197c0de-1235-7abc-8def-000000000002\",\"inference_id\":\"0197c0de-1234-7abc-8def-000000000001\",\"function_name\":\"f\",\"variant_name\":\"v\",\"raw_request\":\"{\\\"q\\\":1}\",\"raw_response\":\"{\\\"a\\\":1}\",\"system\":\"be \\\"kind\\\"\",\"input_messages\":\"[1]\",\"output\":\"[2]\",\"input_tokens\":201,\"output_tokens\":202,\"response_time_ms\":203,\"model_name\":\"m1\",\"model_provider_name\":\"p1\",\"ttft_ms\":204,\"cached\":true,\"cost\":0.000000205,\"finish_reason\":\"length\",\"snapshot_hash\":\"" FULL_HASH
		"\",\"provider_cache_read_input_tokens\":206,\"provider_cache_write_input_tokens\":207}");
	add_row(r, ROW_INFERENCE_BY_ID,
		"{\"id\":\"0197c0de-1234-7abc-8def-000000000001\",\"state\":\"truncated\",\"status\":299,\"error_kind\":\"timeout\",\"surface\":\"chat\",\"stream\":true,\"cached\":true,\"signed\":true,\"key_public_id\":\"key7\",\"attempts\":3,\"estimated\":true,\"ttft_ms\":301,\"tools\":302,\"preview_in\":\"in?\",\"preview_out\":\"out!\",\"calls\":[{\"id\":\"0197c0de-1236-7abc-8def-000000000003\",\"attempt\":2},{\"id\":\"0197c0de-1235-7abc-8def-000000000002\",\"attempt\":1,\"http_status\":298,\"signature\":{\"signer\":\"s\"},\"spans\":[{\"name\":\"wait\"}]}]}");
	add_row(r, ROW_REQUEST_ERROR,
		"{\"id\":\"0197c0de-1234-7abc-8def-000000000001\",\"error\":\"why\",\"attempts\":[{\"model\":\"m\"}]}");
}

static inline struct store_options test_options(const char *dir)
{
	return (struct store_options){ .data_dir = dir,
				       .sync = SYNC_INTERVAL,
				       .sync_ms = 20,
				       .segment_mb = 1,
				       .max_mb = 64,
				       .queue_mb = 16,
				       .wait_ms = 2000,
				       .keep_mb = 8,
				       .reserve_mb = 1,
				       .shutdown_drain_s = 20,
				       .config_hash = B(ROWS_HASH),
				       .config_text = B("[gateway]\n") };
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

static inline void remove_tree(const char *dir)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline char *temp_dir(char *out, size_t n)
{
	const char *base = getenv("TMPDIR");

	snprintf(out, n, "%s/signet-store-XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(out));
	return out;
}

/* The first column of the first row, as an integer; -1: none. */
static inline int64_t db_int(const char *dir, const char *sql)
{
	char path[512];
	sqlite3 *db;
	sqlite3_stmt *st = NULL;
	int64_t v = -1;

	snprintf(path, sizeof(path), "%s/signet.db", dir);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL))
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	if (sqlite3_step(st) == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL)
		v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return v;
}

/* The same as text, in a static buffer. */
static inline const char *db_text(const char *dir, const char *sql)
{
	static char out[4096];
	char path[512];
	sqlite3 *db;
	sqlite3_stmt *st = NULL;

	snprintf(path, sizeof(path), "%s/signet.db", dir);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL))
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	snprintf(out, sizeof(out), "%s",
		 sqlite3_step(st) == SQLITE_ROW && sqlite3_column_text(st, 0)
			 ? (const char *)sqlite3_column_text(st, 0)
			 : "(null)");
	sqlite3_finalize(st);
	sqlite3_close(db);
	return out;
}

/* All that a query gives: a line a row, "column=value " for each column, in a static buffer. */
static inline const char *db_dump(const char *dir, const char *sql)
{
	static char out[16384];
	char path[512];
	sqlite3 *db;
	sqlite3_stmt *st = NULL;
	size_t n = 0;

	snprintf(path, sizeof(path), "%s/signet.db", dir);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL))
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	out[0] = 0;
	while (sqlite3_step(st) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(st); i++) {
			const char *text = (const char *)sqlite3_column_text(st, i);
			bool quoted = sqlite3_column_type(st, i) == SQLITE_TEXT;

			n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s=%s%s%s", i ? " " : "",
					      sqlite3_column_name(st, i), quoted ? "'" : "",
					      text ? text : "null", quoted ? "'" : "");
			assert_true(n < sizeof(out) - 1000);
		}
		n += (size_t)snprintf(out + n, sizeof(out) - n, "\n");
	}
	sqlite3_finalize(st);
	sqlite3_close(db);
	return out;
}

/* Until the sink has all that was appended. */
static inline void wait_caught_up(struct store *s)
{
	struct store_status st;
	struct arena a;

	arena_init(&a, 1 << 20);
	for (int i = 0; i < 3000; i++) {
		store_status(s, &st, &a);
		if (!st.backlog_records)
			break;
		usleep(10000);
	}
	assert_int_equal(st.backlog_records, 0);
	arena_deinit(&a);
}

#endif
