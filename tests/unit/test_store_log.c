/* `signet log`: the lines of signet-own (b), JSON of ui §5, ids in every form of (h), beside an open store. */
#include "store_rows.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/log_read.h"

static char dir[256];

static int setup(void **state)
{
	(void)state;
	temp_dir(dir, sizeof(dir));
	setenv("TZ", "UTC", 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	remove_tree(dir);
	return 0;
}

/* Runs the command in a child; its stdout and stderr, and the status. */
static int run(char *out, size_t n, ...)
{
	char *argv[14] = { "signet", "log" }; /* main() below knows them */
	int argc = 2, p[2], status;
	size_t got = 0;
	ssize_t r;
	va_list args;
	pid_t pid;

	va_start(args, n);
	while ((argv[argc] = va_arg(args, char *)))
		argc++;
	va_end(args);
	assert_int_equal(pipe(p), 0);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		dup2(p[1], 1);
		dup2(p[1], 2);
		close(p[0]);
		close(p[1]);
		alarm(30);
		/* a program of its own: the threads that a fork leaves behind may hold locks of SQLite */
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	close(p[1]);
	while (got < n - 1 && (r = read(p[0], out + got, n - 1 - got)) > 0)
		got += (size_t)r;
	out[got] = 0;
	close(p[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static struct store *open_with(const char *text, char id[37])
{
	struct store_options o = test_options(dir);
	struct store *s = store_open(&o);
	struct record r;

	assert_non_null(s);
	make_record(&r, text, id);
	assert_int_equal(store_append(s, &r), 0);
	record_deinit(&r);
	return s;
}

static void append_error(struct store *s, char id[37])
{
	struct record r;
	struct buf b;

	uuid_print(uuid_v7(), id);
	buf_init(&b, 1 << 16);
	record_init(&r);
	buf_printf(
		&b,
		"{\"id\":\"%s\",\"function_name\":\"f\",\"variant_name\":\"v\",\"episode_id\":null,\"function_type\":\"chat\",\"state\":\"error\",\"status\":502,\"error_kind\":\"server\",\"stream\":true,\"model_name\":\"m\",\"model_provider_name\":\"q\",\"attempts\":3,\"processing_time_ms\":1900,\"preview_in\":\"say \\\"hi\\\"\\u001b[2J\"}",
		id);
	assert_int_equal(record_add(&r, ROW_INFERENCE_BY_ID, buf_bytes(&b)), 0);
	buf_reset(&b);
	buf_printf(
		&b,
		"{\"id\":\"%s\",\"error\":\"all failed\",\"attempts\":[{\"variant\":\"v\",\"model\":\"m\",\"provider\":\"p\",\"why\":\"first\",\"delay_ms\":0,\"status\":500,\"error\":\"boom\",\"signature\":null,\"raw_request\":\"ask\",\"raw_response\":\"no\"},{\"model\":\"m\",\"provider\":\"p\",\"status\":500},{\"model\":\"m\",\"provider\":\"q\",\"status\":503}]}",
		id);
	assert_int_equal(record_add(&r, ROW_REQUEST_ERROR, buf_bytes(&b)), 0);
	assert_int_equal(store_append(s, &r), 0);
	record_deinit(&r);
	buf_deinit(&b);
}

/* What stands behind the time, "2025-06-30 02:10:11.123+0000". */
static const char *after_time(const char *line)
{
	assert_true(strlen(line) > 29);
	assert_int_equal(line[13], ':');
	assert_int_equal(line[19], '.');
	return line + 28;
}

static void test_lines_have_the_exact_form(void **state)
{
	char out[8192], id[37], bad[37], want[1000];
	struct store *s = open_with("Hello, world!", id);

	(void)state;
	append_error(s, bad);
	assert_int_equal(run(out, sizeof(out), "grep", "hello", "--data-dir", dir, NULL), 0);
	snprintf(
		want, sizeof(want),
		" 200 m/p                           signed            12 ms            in     11 out      3 %s \"Hello, world!\" -> \"Hello.\"\n",
		id);
	assert_int_equal(strncmp(after_time(out), want, strlen(want)), 0);
	assert_non_null(strstr(out, "1 found"));
	/* fallback, retry, an error where the answer would stand, nothing that steers the terminal */
	assert_int_equal(run(out, sizeof(out), "grep", "BOOM", "--data-dir", dir, NULL), 0);
	snprintf(
		want, sizeof(want),
		" 502 m/q (f/v)                     stream R1 F1    1900 ms                                 %s \"say \\\"hi\\\"\\x1b[2J\" -> server: all failed\n",
		bad);
	assert_int_equal(strncmp(after_time(out), want, strlen(want)), 0);
	store_close(s);
	/* and the same out of the store */
	assert_int_equal(run(out, sizeof(out), "grep", "BOOM", "--data-dir", dir, NULL), 0);
	assert_int_equal(strncmp(after_time(out), want, strlen(want)), 0);
}

static void test_every_form_of_an_id_finds_it(void **state)
{
	char out[16384], id[37], form[80], hex[33];
	struct store *s = open_with("where is it?", id);
	struct uuid u;

	(void)state;
	uuid_parse(bytes_of(id), &u);
	uuid_hex(u, hex);
	for (int closed = 0; closed < 2; closed++) {
		const char *const prefixes[] = { "", "chatcmpl-", "req_", "resp_", "msg_" };

		for (size_t i = 0; i < 5; i++) {
			snprintf(form, sizeof(form), "%s%s", prefixes[i], hex);
			assert_int_equal(
				run(out, sizeof(out), "show", form, "--data-dir", dir, NULL), 0);
			assert_non_null(strstr(out, "user\nwhere is it?\n\noutput\nHello.\n"));
			assert_non_null(strstr(out, "signature signer models.m.providers.p"));
		}
		assert_int_equal(
			run(out, sizeof(out), "show", id, "--raw", "--data-dir", dir, NULL), 0);
		assert_non_null(strstr(out, "{\"model\":\"x\",\"text\":\"where is it?\"}"));
		if (!closed)
			store_close(s);
	}
	snprintf(form, sizeof(form), "%.40s", db_text(dir, "SELECT id FROM ModelInference"));
	assert_int_equal(run(out, sizeof(out), "show", form, "--data-dir", dir, NULL), 0);
	assert_non_null(strstr(out, id));
	assert_int_equal(run(out, sizeof(out), "show", "0197c0de-0000-7000-8000-000000000000",
			     "--data-dir", dir, NULL),
			 1);
	assert_non_null(strstr(out, "is not in"));
}

static void test_json_is_that_of_the_ui(void **state)
{
	char out[16384], id[37], want[400];
	struct store *s = open_with("x", id);

	(void)state;
	for (int closed = 0; closed < 2; closed++) {
		assert_int_equal(
			run(out, sizeof(out), "show", id, "--json", "--data-dir", dir, NULL), 0);
		snprintf(want, sizeof(want), "{\"row\":{\"id\":\"%s\",\"t\":\"20", id);
		assert_int_equal(strncmp(out, want, strlen(want)), 0);
		assert_non_null(strstr(out, "\"cost\":0.0000345,\"finish\":\"stop\",\"key\":null"));
		assert_non_null(strstr(out, "\"tags\":{\"user\":\"7\",\"we\\\"ird\":\"xA\"}"));
		assert_non_null(
			strstr(out, "\"attempts\":[{\"n\":1,\"why\":\"first\",\"delay_ms\":0,"));
		assert_non_null(strstr(out, "\"http_status\":200"));
		assert_non_null(
			strstr(out, closed ? "\"state\":\"stored\"" : "\"record\":{\"state\":\""));
		if (!closed)
			store_close(s);
	}
}

/* Every byte of what is printed of one answer, out of the journal and out of the store: its ids and times are fixed. */
static void test_each_form_is_what_it_was(void **state)
{
	static char out[32768];
	char id[37], *record_state;
	struct record r;
	struct store *s;

	(void)state;
	for (int closed = 0; closed < 2; closed++) {
		sqlite3 *db = NULL;

		if (!closed) {
			char path[400];

			s = open_with("before it", id);
			snprintf(path, sizeof(path), "%s/signet.db", dir);
			assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
			sqlite3_busy_timeout(db, 5000);
			assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), 0);
			make_full_record(&r);
			assert_int_equal(store_append(s, &r), 0);
			record_deinit(&r);
		}
		assert_int_equal(
			run(out, sizeof(out), "show", FULL_ID, "--json", "--data-dir", dir, NULL),
			0);
		record_state = strstr(out, closed ? "stored" : "journal");
		assert_non_null(record_state);
		memmove(record_state, record_state + (closed ? 6 : 7),
			strlen(record_state + (closed ? 6 : 7)) + 1);
		assert_string_equal(
			out,
			"{\"row\":{\"id\":\"0197c0de-1234-7abc-8def-000000000001\",\"t\":\"2025-06-30T12:44:28.596Z\",\"state\":\"truncated\",\"status\":299,\"error_kind\":\"timeout\",\"function\":\"f\",\"variant\":\"v\",\"model\":\"m1\",\"provider\":\"p1\",\"surface\":\"chat\",\"type\":\"chat\",\"stream\":true,\"cached\":true,\"signed\":true,\"attempts\":3,\"ms\":101,\"ttft_ms\":301,\"in\":201,\"out\":202,\"estimated\":true,\"cost\":null,\"finish\":\"length\",\"key\":\"key7\",\"episode_id\":\"0197c0de-1234-7abc-8def-0000000000e1\",\"tools\":302,\"tags\":{\"k1\":\"v1\",\"k2\":\"\303\251\"},\"metrics\":{},\"preview_in\":\"in?\",\"preview_out\":\"out!\"},\"input\":{\"bytes\":16,\"inline\":{\"messages\":[1]},\"cut\":false},\"output\":{\"bytes\":17,\"inline\":[{\"type\":\"text\"}],\"cut\":false},\"params\":[{\"key\":\"seed\",\"value\":1,\"from\":\"request\"}],\"tools\":{\"dynamic_tools\":[\"dt\"],\"allowed_tools\":{\"tools\":[\"at\"]},\"tool_choice\":\"auto\",\"parallel_tool_calls\":true},\"extra_body\":[{\"e\":1}],\"tags\":{\"k1\":\"v1\",\"k2\":\"\303\251\"},\"config_hash\":\"10f210fb7cb3cd25459de54dd8d7228d03a7775f0497759ceab028d0de38f34e\",\"limits\":[],\"spans\":[{\"name\":\"wait\"}],\"record\":{\"state\":\"\",\"sink\":\"sqlite\",\"journal_ms\":null},\"error\":\"why\",\"attempts\":[{\"n\":1,\"why\":\"first\",\"delay_ms\":0,\"variant\":\"v\",\"model\":\"m1\",\"provider\":\"p1\",\"model_inference_id\":\"0197c0de-1235-7abc-8def-000000000002\",\"http_status\":298,\"error\":null,\"usage\":{\"input_tokens\":201,\"output_tokens\":202,\"cache_read_tokens\":206,\"cache_write_tokens\":207,\"cache_write_1h_tokens\":null,\"reasoning_tokens\":null},\"cost\":0.000000205,\"price\":null,\"finish\":\"length\",\"raw_request\":{\"bytes\":7,\"inline\":\"{\\\"q\\\":1}\",\"cut\":true},\"raw_response\":{\"bytes\":7,\"inline\":\"{\\\"a\\\":1}\",\"cut\":true},\"signature\":{\"signer\":\"s\"}},{\"n\":2,\"why\":\"fallback\",\"delay_ms\":0,\"variant\":\"\",\"model\":\"m2\",\"provider\":\"p2\",\"model_inference_id\":\"0197c0de-1236-7abc-8def-000000000003\",\"http_status\":null,\"error\":null,\"usage\":{\"input_tokens\":null,\"output_tokens\":null,\"cache_read_tokens\":null,\"cache_write_tokens\":null,\"cache_write_1h_tokens\":null,\"reasoning_tokens\":null},\"cost\":null,\"price\":null,\"finish\":null,\"raw_request\":{\"bytes\":2,\"inline\":\"q2\",\"cut\":true},\"raw_response\":{\"bytes\":2,\"inline\":\"a2\",\"cut\":true},\"signature\":null},{\"n\":3,\"why\":\"fallback\",\"delay_ms\":0,\"variant\":null,\"model\":\"m\",\"provider\":null,\"model_inference_id\":null,\"http_status\":null,\"error\":null,\"usage\":{\"input_tokens\":null,\"output_tokens\":null,\"cache_read_tokens\":null,\"cache_write_tokens\":null,\"cache_write_1h_tokens\":null,\"reasoning_tokens\":null},\"cost\":null,\"price\":null,\"finish\":null,\"raw_request\":null,\"raw_response\":null,\"signature\":null}]}\n");
		assert_int_equal(run(out, sizeof(out), "show", FULL_ID, "--data-dir", dir, NULL),
				 0);
		assert_string_equal(
			out,
			"2025-06-30 12:44:28.596+0000 299 m1/p1 (f/v)                   stream signed F2 cut truncated    101 ms ttft   301 in    201 out   ~202 0197c0de-1234-7abc-8def-000000000001 \"in?\" -> \"out!\"\n"
			"\n"
			"user\n"
			"\n"
			"output\n"
			"{\"type\":\"text\"}\n"
			"\n"
			"parameters\n"
			"inference_params {\"chat_completion\":{\"seed\":1}}\n"
			"tool_choice auto\n"
			"allowed_tools {\"tools\":[\"at\"]}\n"
			"dynamic_tools [\"dt\"]\n"
			"extra_body [{\"e\":1}]\n"
			"tags {\"k1\":\"v1\",\"k2\":\"\\u00e9\"}\n"
			"episode_id 0197c0de-1234-7abc-8def-0000000000e1\n"
			"surface chat\n"
			"\n"
			"error\n"
			"why\n"
			"\n"
			"attempt 1 (first)\n"
			"  m1/p1 298 203 ms in 201 out 202 finish length cost $0.000000205\n"
			"  0197c0de-1235-7abc-8def-000000000002\n"
			"  signature signer s\n"
			"\n"
			"attempt 2 (fallback)\n"
			"  m2/p2 0 ms in - out - finish -\n"
			"  0197c0de-1236-7abc-8def-000000000003\n"
			"\n"
			"attempt 3 (fallback)\n"
			"  m\n");
		assert_int_equal(
			run(out, sizeof(out), "show", FULL_ID, "--raw", "--data-dir", dir, NULL),
			0);
		assert_string_equal(
			out,
			"2025-06-30 12:44:28.596+0000 299 m1/p1 (f/v)                   stream signed F2 cut truncated    101 ms ttft   301 in    201 out   ~202 0197c0de-1234-7abc-8def-000000000001 \"in?\" -> \"out!\"\n"
			"\n"
			"attempt 1 (first)\n"
			"  m1/p1 298 203 ms in 201 out 202 finish length cost $0.000000205\n"
			"  0197c0de-1235-7abc-8def-000000000002\n"
			"  signature signer s\n"
			"\n"
			"raw request\n"
			"{\"q\":1}\n"
			"\n"
			"raw response\n"
			"{\"a\":1}\n"
			"\n"
			"attempt 2 (fallback)\n"
			"  m2/p2 0 ms in - out - finish -\n"
			"  0197c0de-1236-7abc-8def-000000000003\n"
			"\n"
			"raw request\n"
			"q2\n"
			"\n"
			"raw response\n"
			"a2\n"
			"\n"
			"attempt 3 (fallback)\n"
			"  m\n"
			"\n"
			"raw request\n"
			"\n"
			"\n"
			"raw response\n"
			"\n");
		assert_int_equal(
			run(out, sizeof(out), "grep", "in?", "--json", "--data-dir", dir, NULL), 0);
		*strstr(out, "1 found") = 0;
		assert_string_equal(
			out,
			"{\"id\":\"0197c0de-1234-7abc-8def-000000000001\",\"t\":\"2025-06-30T12:44:28.596Z\",\"state\":\"truncated\",\"status\":299,\"error_kind\":\"timeout\",\"function\":\"f\",\"variant\":\"v\",\"model\":\"m1\",\"provider\":\"p1\",\"surface\":\"chat\",\"type\":\"chat\",\"stream\":true,\"cached\":true,\"signed\":true,\"attempts\":3,\"ms\":101,\"ttft_ms\":301,\"in\":201,\"out\":202,\"estimated\":true,\"cost\":null,\"finish\":\"length\",\"key\":\"key7\",\"episode_id\":\"0197c0de-1234-7abc-8def-0000000000e1\",\"tools\":302,\"tags\":{\"k1\":\"v1\",\"k2\":\"\303\251\"},\"metrics\":{},\"preview_in\":\"in?\",\"preview_out\":\"out!\"}\n");
		assert_int_equal(run(out, sizeof(out), "grep", "out!", "--data-dir", dir, NULL), 0);
		*strstr(out, "1 found") = 0;
		assert_string_equal(
			out,
			"2025-06-30 12:44:28.596+0000 299 m1/p1 (f/v)                   stream signed F2 cut truncated    101 ms ttft   301 in    201 out   ~202 0197c0de-1234-7abc-8def-000000000001 \"in?\" -> \"out!\"\n");
		if (!closed) {
			assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), 0);
			sqlite3_close(db);
			assert_int_equal(store_close(s), 0);
		}
	}
}

static void test_tail_follows_a_running_store(void **state)
{
	char out[8192] = "", first[37], second[37];
	struct store *s = open_with("early", first);
	int p[2], status;
	size_t got = 0;
	struct record r;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(p), 0);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		char *argv[] = { "signet", "log", "tail", "--data-dir", dir, NULL };

		dup2(p[1], 1);
		close(p[0]);
		close(p[1]);
		alarm(30);
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	close(p[1]);
	while (!strstr(out, first) && got < sizeof(out) - 1) {
		ssize_t n = read(p[0], out + got, sizeof(out) - 1 - got);

		assert_true(n > 0);
		got += (size_t)n;
	}
	make_record(&r, "late", second);
	assert_int_equal(store_append(s, &r), 0);
	record_deinit(&r);
	while (!strstr(out, second) && got < sizeof(out) - 1) {
		ssize_t n = read(p[0], out + got, sizeof(out) - 1 - got);

		assert_true(n > 0);
		got += (size_t)n;
		out[got] = 0;
	}
	/* a pipe that closes ends it, which is no error */
	close(p[0]);
	make_record(&r, "unheard", second);
	assert_int_equal(store_append(s, &r), 0);
	record_deinit(&r);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
	assert_non_null(strstr(out, "\"early\""));
	assert_non_null(strstr(out, "\"late\""));
	store_close(s);
}

/* What `tail` begins with: the newest of both places, in order; a backlog of any length. Then the pipe is closed. */
static void test_tail_begins_with_the_newest(void **state)
{
	static char out[1 << 16];
	struct store_options o = test_options(dir);
	char path[400], ids[80][37], *argv[] = { "signet",  "log", "tail",   "--data-dir", dir,
						 "--limit", "3",   "--json", NULL };
	sqlite3 *db = NULL;
	struct store *s;
	size_t got;
	int p[2], lines, status;
	pid_t pid;

	(void)state;
	snprintf(path, sizeof(path), "%s/signet.db", dir);
	for (int part = 0; part < 3;
	     part++) { /* all stored; two in the store and one in the journal; all in the journal */
		int from = part ? part == 1 ? 2 : 3 : 0, to = part == 0 ? 2 : part == 1 ? 3 : 80;

		s = store_open(&o);
		assert_non_null(s);
		if (part) {
			assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
			sqlite3_busy_timeout(db, 5000);
			assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL),
					 SQLITE_OK);
		}
		for (int i = from; i < to; i++) {
			struct record r;

			make_record(&r, "text", ids[i]);
			assert_int_equal(store_append(s, &r), 0);
			record_deinit(&r);
		}
		if (!part)
			wait_caught_up(s);
		assert_int_equal(pipe(p), 0);
		fflush(NULL);
		pid = fork();
		if (!pid) {
			dup2(p[1], 1);
			close(p[0]);
			close(p[1]);
			alarm(30);
			execv("/proc/self/exe", argv);
			_exit(127);
		}
		close(p[1]);
		for (got = 0, lines = 0; lines < (part ? 3 : 2);) {
			ssize_t n = read(p[0], out + got, sizeof(out) - 1 - got);

			assert_true(n > 0);
			got += (size_t)n;
			out[got] = 0;
			lines = 0;
			for (char *c = out; (c = strchr(c, '\n')); c++)
				lines++;
		}
		assert_int_equal(lines, part ? 3 : 2);
		for (int i = 0; i < lines; i++) {
			char *at = strstr(out, ids[to - lines + i]);

			assert_non_null(at);
			assert_true(!i || at > strstr(out, ids[to - lines + i - 1]));
			assert_non_null(strstr(at, "\"tags\":{\"user\":\"7\""));
		}
		close(p[0]);
		if (part) {
			assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
			sqlite3_close(db);
		}
		{
			struct record r;
			char id[37];

			make_record(&r, "the end", id);
			assert_int_equal(store_append(s, &r), 0);
			record_deinit(&r);
			if (part == 1)
				memcpy(ids[3], id, 37);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
		assert_int_equal(store_close(s), 0);
		if (!part)
			db_int(dir, "DELETE FROM InferenceById WHERE preview_in = 'the end'");
	}
}

/* Packed records and such as are damaged or of another kind, read beside the gateway. */
static void test_grep_reads_what_the_gateway_wrote(void **state)
{
	static char out[1 << 16], text[30001];
	struct store_options o = test_options(dir);
	char id[37], path[400];
	struct record r;
	struct store *s;
	sqlite3 *db;

	(void)state;
	o.compress = true;
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "needle", 6);
	s = store_open(&o);
	assert_non_null(s);
	snprintf(path, sizeof(path), "%s/signet.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	record_init(&r); /* no answer */
	add_row(&r, ROW_CONFIG_SNAPSHOT, "{\"hash\":\"1\"}");
	assert_int_equal(store_append(s, &r), 0);
	record_deinit(&r);
	record_init(&r); /* one without an id that is one */
	add_row(&r, ROW_INFERENCE_BY_ID, "{\"id\":\"needle\"}");
	assert_int_equal(store_append(s, &r), 0);
	record_deinit(&r);
	make_record(&r, text, id);
	assert_int_equal(store_append(s, &r), 0);
	record_deinit(&r);
	for (int closed = 0; closed < 2; closed++) {
		assert_int_equal(
			run(out, sizeof(out), "show", id, "--raw", "--data-dir", dir, NULL), 0);
		assert_non_null(strstr(out, "\"text\":\"needlexxx"));
		assert_int_equal(
			run(out, sizeof(out), "grep", "Needle", "hello", "--data-dir", dir, NULL),
			0);
		assert_non_null(strstr(out, id));
		assert_non_null(strstr(out, closed ? "1 found, looked back to 2"
						   : "1 found; nothing older is stored"));
		assert_int_equal(
			run(out, sizeof(out), "grep", "Needle", "absent", "--data-dir", dir, NULL),
			0);
		assert_null(strstr(out, id));
		assert_non_null(strstr(out, "0 found"));
		if (!closed) {
			assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
			sqlite3_close(db);
			store_close(s);
		}
	}
}

/* More than a segment waits in the journal; then the same out of the store. */
static void test_answers_of_many_segments_come_newest_first(void **state)
{
	enum { N = 40 };
	static char out[1 << 16], text[60000], ids[N][37];
	struct store_options o = test_options(dir);
	char path[400];
	struct store *s;
	sqlite3 *db;

	(void)state;
	s = store_open(&o);
	assert_non_null(s);
	snprintf(path, sizeof(path), "%s/signet.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	memset(text, 'x', sizeof(text) - 1);
	for (int i = 0; i < N; i++) {
		struct record r;
		struct buf b;

		record_init(&r);
		buf_init(&b, 1 << 20);
		uuid_print(uuid_v7(), ids[i]);
		buf_printf(&b, "{\"id\":\"%s\",\"preview_in\":\"ping %d\",\"preview_out\":\"%s\"}",
			   ids[i], i, i % 2 ? text : "");
		assert_int_equal(record_add(&r, ROW_INFERENCE_BY_ID, buf_bytes(&b)), 0);
		assert_int_equal(store_append(s, &r), 0);
		record_deinit(&r);
		buf_deinit(&b);
	}
	for (int closed = 0; closed < 2; closed++) {
		const char *p;

		assert_int_equal(run(out, sizeof(out), "grep", "PING 2", "--limit", "3",
				     "--data-dir", dir, NULL),
				 0);
		p = strstr(out, ids[29]);
		assert_non_null(p);
		p = strstr(p, ids[28]);
		assert_non_null(p);
		p = strstr(p, ids[27]);
		assert_non_null(p);
		assert_null(strstr(out, ids[26]));
		assert_int_equal(run(out, sizeof(out), "show", ids[0], "--data-dir", dir, NULL), 0);
		assert_non_null(strstr(out, "\"ping 0\""));
		if (!closed) {
			assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
			sqlite3_close(db);
			assert_int_equal(store_close(s), 0);
		}
	}
}

/* Who only follows the journal does not hold the store's log. */
static void test_a_follower_lets_go_of_the_store(void **state)
{
	struct log_reader r;
	struct log_entry e;
	struct arena a;
	char id[37];
	struct store *s = open_with("text", id);
	int64_t seq = INT64_MAX;

	(void)state;
	wait_caught_up(s);
	arena_init(&a, 1 << 20);
	assert_int_equal(log_reader_open(&r, dir), 0);
	assert_int_equal(log_next_stored(&r, &seq, &e, &a), 1);
	assert_true(bytes_eq(e.list[L_ID].text, bytes_of(id)));
	log_let_go(&r);
	db_int(dir, "CREATE TABLE Later(x)");
	assert_int_equal(db_int(dir, "PRAGMA wal_checkpoint(TRUNCATE)"), 0); /* not busy */
	log_reader_close(&r);
	arena_deinit(&a);
	store_close(s);
}

/* Overwrites the page where the table begins. */
static void damage_table(const char *table)
{
	char path[400], sql[200], noise[16384];
	int fd;

	memset(noise, 'N', sizeof(noise));
	snprintf(sql, sizeof(sql),
		 "SELECT (rootpage - 1) * 16384 FROM sqlite_schema WHERE name = '%s'", table);
	snprintf(path, sizeof(path), "%s/signet.db", dir);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, noise, sizeof(noise), (off_t)db_int(dir, sql)), sizeof(noise));
	close(fd);
}

/* Whatever part of the store cannot be read, the command says so and fails. */
static void test_a_damaged_store_is_told(void **state)
{
	static const struct {
		const char *table;
		bool tail, failed; /* whether its lines need it; which one it is part of */
	} cases[] = { { "InferenceById", true, false },
		      { "ChatInference", false, false },
		      { "ModelInference", false, false },
		      { "RequestError", true, true } };
	char out[8192], id[2][37];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct store *s = open_with("text", id[0]);

		append_error(s, id[1]);
		store_close(s);
		damage_table(cases[i].table);
#define FAILS(...)                                                                        \
	assert_int_equal(run(out, sizeof(out), __VA_ARGS__, "--data-dir", dir, NULL), 1); \
	assert_non_null(strstr(out, "signet log: signet.db: database disk image is malformed"))
		if (cases[i].tail) {
			FAILS("tail");
		}
		FAILS("tail", "--json");
		FAILS("show", id[cases[i].failed]);
		FAILS("grep", "text", "absent");
#undef FAILS
		remove_tree(dir);
		mkdir(dir, 0700);
	}
}

/* Where memory ends an entry of the journal is a failure, not one that is not there. */
static void test_an_entry_of_the_journal_needs_its_memory(void **state)
{
	struct store_options o = test_options(dir);
	char path[400], id[37], text[200] = "";
	struct log_reader r;
	struct log_entry e;
	struct store *s = store_open(&o);
	struct record full;
	struct arena a;
	sqlite3 *db;
	int whole = 0, failed = 0, found;

	(void)state;
	assert_non_null(s);
	snprintf(path, sizeof(path), "%s/signet.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	memset(text, 'x', sizeof(text) - 1);
	make_record(&full, text, id);
	assert_int_equal(store_append(s, &full), 0);
	record_deinit(&full);
	for (size_t max = 4096; max < 20000; max += 256)
		for (size_t taken = 16; taken < 4096;
		     taken += 500) { /* of an arena's first chunk */
			assert_int_equal(log_reader_open(&r, dir), 0);
			arena_init(&a, max);
			if (!arena_alloc_raw(&a, taken))
				error_clear();
			found = log_next_in_journal(&r, &e, &a);
			assert_int_not_equal(found, 0);
			if (found > 0) {
				assert_true(bytes_eq(e.list[L_ID].text, bytes_of(id)));
				assert_int_equal(e.nmodels, 1);
				assert_true(e.has_chat);
				whole++;
			} else {
				assert_true(error_last()->kind == ERR_TOO_LARGE ||
					    error_last()->kind == ERR_OUT_OF_MEMORY);
				failed++;
			}
			arena_deinit(&a);
			log_reader_close(&r);
		}
	assert_true(failed > 10 && whole > 10);
	assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	store_close(s);
}

static void test_usage(void **state)
{
	char out[4096];

	(void)state;
	assert_int_equal(run(out, sizeof(out), "--help", NULL), 0);
	assert_non_null(strstr(out, "usage: signet log tail"));
	assert_int_equal(run(out, sizeof(out), "dig", NULL), 2);
	assert_int_equal(run(out, sizeof(out), "tail", "--since", "soon", NULL), 2);
	assert_int_equal(run(out, sizeof(out), "tail", "--limit", "0", NULL), 2);
	assert_int_equal(run(out, sizeof(out), "tail", "--limit", "100001", NULL), 2);
	assert_int_equal(
		run(out, sizeof(out), "grep", "x", "--limit", "100000", "--data-dir", dir, NULL),
		1);
	assert_int_equal(run(out, sizeof(out), "tail", "--since", "5", NULL), 2);
	assert_int_equal(run(out, sizeof(out), "tail", "--since", "m", NULL), 2);
	assert_int_equal(run(out, sizeof(out), "tail", "--since", "100000000s", NULL), 2);
	assert_int_equal(
		run(out, sizeof(out), "grep", "x", "--since", "99999999d", "--data-dir", dir, NULL),
		1);
	assert_int_equal(run(out, sizeof(out), "tail", "word", NULL), 2);
	assert_int_equal(run(out, sizeof(out), "grep", NULL), 2);
	assert_int_equal(run(out, sizeof(out), "tail", "--data-dir", NULL), 2);
	assert_int_equal(run(out, sizeof(out), NULL), 2);
	assert_int_equal(run(out, sizeof(out), "tail", "--colour", NULL), 2);
	assert_int_equal(run(out, sizeof(out), "show", "--data-dir", dir, NULL), 2);
	assert_int_equal(run(out, sizeof(out), "show", "zzz", "--data-dir", dir, NULL), 1);
	assert_int_equal(run(out, sizeof(out), "tail", "--data-dir", dir, NULL), 1);
	assert_non_null(strstr(out, "no record in"));
}

static void test_since_and_limit(void **state)
{
	char out[8192], id[37], bad[37];
	struct store *s = open_with("one", id);

	(void)state;
	append_error(s, bad);
	store_close(s);
	assert_int_equal(
		run(out, sizeof(out), "grep", "e", "--limit", "1", "--data-dir", dir, NULL), 0);
	assert_null(strstr(out, id)); /* the newest first */
	assert_non_null(strstr(out, bad));
	usleep(1100000);
	assert_int_equal(run(out, sizeof(out), "grep", "e", "--since=1s", "--data-dir", dir, NULL),
			 0);
	assert_null(strstr(out, id));
	assert_int_equal(run(out, sizeof(out), "grep", "e", "--since=1h", "--data-dir", dir, NULL),
			 0);
	assert_non_null(strstr(out, id));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_lines_have_the_exact_form),
		T(test_every_form_of_an_id_finds_it),
		T(test_json_is_that_of_the_ui),
		T(test_each_form_is_what_it_was),
		T(test_tail_follows_a_running_store),
		T(test_tail_begins_with_the_newest),
		T(test_grep_reads_what_the_gateway_wrote),
		T(test_answers_of_many_segments_come_newest_first),
		T(test_a_follower_lets_go_of_the_store),
		T(test_a_damaged_store_is_told),
		T(test_an_entry_of_the_journal_needs_its_memory),
		T(test_usage),
		T(test_since_and_limit),
	};

	if (argc > 1 && !strcmp(argv[1], "log"))
		return store_log_main(argc - 2, argv + 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
