/* base/log.c, seen through --log-file, and base/fault.c */
#include "unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/time.h"

static char path[64], moved[72], text[1 << 20];

/* What was written so far; the time of each line is replaced by T. */
static const char *written(const char *file)
{
	FILE *f = fopen(file, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	text[n] = 0;
	if (f)
		fclose(f);
	for (char *p = strstr(text, "{\"t\":\""); p; p = strstr(p + 1, "{\"t\":\"")) {
		assert_int_equal(p[29], 'Z');
		memmove(p + 7, p + 30, strlen(p + 30) + 1);
		p[6] = 'T';
	}
	return text;
}

static int setup(void **state)
{
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/signet-test-log-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	snprintf(moved, sizeof(moved), "%s.1", path);
	assert_int_equal(log_setup(LOG_AUTO, NULL), 0);
	return log_open_file(path);
}

static int teardown(void **state)
{
	(void)state;
	log_flush(); /* the next test starts with nothing held back */
	unlink(path);
	unlink(moved);
	return 0;
}

static void test_json_is_one_line_with_its_fields(void **state)
{
	(void)state;
	log_info("net", "listening", LS("file", "a\"\\\n\x01\xff"), LI("line", -3), LR("ms", 1.5),
		 LB("key", B("")));
	assert_string_equal(
		written(path),
		"{\"t\":\"T\",\"level\":\"info\",\"msg\":\"listening\",\"file\":\"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\",\"line\":-3,\"ms\":1.5,\"key\":\"\"}\n");
}

/* U+009B is CSI to a terminal, as ESC [ is. */
static void test_nothing_steers_a_terminal(void **state)
{
	(void)state;
	log_info("net", "x",
		 LS("file", "\xc2\x9b"
			    "31m\x7f\x1b[m\xc2\xa9"));
	assert_non_null(strstr(written(path), "\"file\":\"\\u009b31m\\u007f\\u001b[m\xc2\xa9\""));
}

static void test_pretty_names_the_area(void **state)
{
	(void)state;
	log_setup(LOG_PRETTY, "info");
	log_error("sign", "failed", LS("error", "no such file"), LS("signer", "x"));
	assert_string_equal(written(path) + 24,
			    " ERROR sign: failed error=\"no such file\" signer=x\n");
}

static void test_the_filter_knows_levels_and_areas(void **state)
{
	(void)state;
	assert_int_equal(log_setup(LOG_JSON, "warn,net=debug, sign=error"), 0);
	assert_true(log_enabled(LOG_WARN, "store"));
	assert_false(log_enabled(LOG_INFO, "store"));
	assert_true(log_enabled(LOG_DEBUG, "net"));
	assert_false(log_enabled(LOG_WARN, "sign"));
	assert_true(log_enabled(LOG_ERROR, "sign"));
	assert_int_equal(log_setup(LOG_JSON, "loud"), -1);
	assert_non_null(strstr(error_last()->message.p, "\"loud\" is no log level"));
	assert_int_equal(log_setup(LOG_JSON, "net=loud"), -1);
	assert_int_equal(log_setup(LOG_JSON, "=info"), -1);
}

static void test_a_repeated_warning_is_held_back_and_counted(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		log_warn("net", "slow", LI("ms", i));
	log_warn("net", "other");
	log_error("net", "slow"); /* errors are never held back */
	log_error("net", "slow");
	log_flush();
	assert_string_equal(
		written(path),
		"{\"t\":\"T\",\"level\":\"warn\",\"msg\":\"slow\",\"ms\":0}\n"
		"{\"t\":\"T\",\"level\":\"warn\",\"msg\":\"other\"}\n"
		"{\"t\":\"T\",\"level\":\"error\",\"msg\":\"slow\"}\n"
		"{\"t\":\"T\",\"level\":\"error\",\"msg\":\"slow\"}\n"
		"{\"t\":\"T\",\"level\":\"warn\",\"msg\":\"slow\",\"count\":99,\"ms\":99}\n");
}

static void test_a_warning_about_another_provider_is_another_warning(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		log_warn("route", "failed", LS("model", "m"), LS("provider", "p"));
	log_warn("route", "failed", LS("model", "m"), LS("provider", "q"));
	log_flush();
	assert_string_equal(
		written(path),
		"{\"t\":\"T\",\"level\":\"warn\",\"msg\":\"failed\",\"model\":\"m\",\"provider\":\"p\"}\n"
		"{\"t\":\"T\",\"level\":\"warn\",\"msg\":\"failed\",\"model\":\"m\",\"provider\":\"q\"}\n"
		"{\"t\":\"T\",\"level\":\"warn\",\"msg\":\"failed\",\"count\":2,\"model\":\"m\",\"provider\":\"p\"}\n");
}

static size_t lines(const char *part)
{
	size_t n = 0;

	for (const char *p = written(path); (p = strstr(p, part)); p++)
		n++;
	return n;
}

/* Issue 15 C1. */
static void test_another_kind_status_or_text_is_another_warning(void **state)
{
	static const struct {
		const char *kind, *error;
		int status;
	} failures[] = {
		{ "http", "overloaded", 503 },
		{ "http", "overloaded", 500 },
		{ "http", "no such model", 500 },
		{ "timeout", "overloaded", 503 },
	};

	(void)state;
	for (size_t turn = 0; turn < 3; turn++)
		for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++)
			log_warn("route", "failed", LS("provider", "p"),
				 LI("status", failures[i].status),
				 LS("error_kind", failures[i].kind),
				 LS("error", failures[i].error));
	assert_int_equal(lines("failed"), 4);
	log_flush();
	assert_int_equal(
		lines("\"count\":2,\"provider\":\"p\",\"status\":503,\"error_kind\":\"http\""), 1);
	assert_int_equal(
		lines("\"count\":2,\"provider\":\"p\",\"status\":503,\"error_kind\":\"timeout\""),
		1);
	assert_int_equal(lines("\"count\":2"), 4);
}

static void test_an_upstreams_ids_do_not_make_another_warning(void **state)
{
	(void)state;
	log_warn("route", "failed", LS("error", "request 8f3c02aa1b of 0197c0de-0000-7000 failed"));
	log_warn("route", "failed", LS("error", "request 77aa02aa1c of 0197c0ff-0000-7000 failed"));
	assert_int_equal(lines("failed"), 2); /* the message and the text of one line */
}

static void test_a_timer_tells_what_was_held_back(void **state)
{
	uint64_t now = clock_mono_ms();

	(void)state;
	for (int i = 0; i < 5; i++)
		log_warn("route", "failed", LS("error_kind", "timeout"), LI("attempt", i));
	log_tick(now + 30000);
	assert_int_equal(lines("failed"), 1);
	log_tick(now + 61000);
	assert_int_equal(lines("\"count\":4,\"error_kind\":\"timeout\",\"attempt\":4}"), 1);
	log_tick(now + 122001); /* nobody said it again */
	assert_int_equal(lines("failed"), 2);
}

static bool some_request(struct uuid *id)
{
	return uuid_parse(B("0197c0de000070008000000000000001"), id);
}

/* Issue 15 C2. */
static void test_a_warning_has_the_ids_of_its_request(void **state)
{
	(void)state;
	log_ids_from(some_request);
	log_warn("route", "failed", LI("attempt", 1));
	log_info("route", "fine");
	log_ids_from(NULL);
	assert_string_equal(
		written(path),
		"{\"t\":\"T\",\"level\":\"warn\",\"msg\":\"failed\",\"attempt\":1,\"request_id\":\"req_0197c0de000070008000000000000001\",\"inference_id\":\"0197c0de-0000-7000-8000-000000000001\"}\n"
		"{\"t\":\"T\",\"level\":\"info\",\"msg\":\"fine\"}\n");
}

static void test_a_line_too_long_loses_fields_and_stays_json(void **state)
{
	static char big[20000];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	log_info("net", "m", LI("line", 1), LS("error", big), LI("ms", 2));
	assert_string_equal(written(path),
			    "{\"t\":\"T\",\"level\":\"info\",\"msg\":\"m\",\"line\":1,\"ms\":2}\n");
}

static void test_reopen_follows_a_rotated_file(void **state)
{
	(void)state;
	log_info("net", "before");
	assert_int_equal(rename(path, moved), 0);
	log_info("net", "still there");
	log_reopen();
	log_info("net", "after");
	assert_non_null(strstr(written(moved), "still there"));
	assert_null(strstr(written(moved), "after"));
	assert_non_null(strstr(written(path), "after"));
}

static void test_a_file_that_cannot_be_opened_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(log_open_file("/nonexistent/x.log"), -1);
	assert_string_equal(
		error_last()->message.p,
		"cannot open the log file /nonexistent/x.log: No such file or directory");
	assert_int_equal(log_open_file(path), 0);
}

static void *shout(void *word)
{
	for (int i = 0; i < 500; i++)
		log_info("net", "together", LS("key", word), LI("line", i));
	return NULL;
}

static void test_lines_of_threads_do_not_mix(void **state)
{
	pthread_t threads[4];
	size_t lines = 0;

	(void)state;
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, shout, "aaaaaaaaaaaaaaaaaaaaaaaa");
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	written(path);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++) {
		static const char head[] =
			"{\"t\":\"T\",\"level\":\"info\",\"msg\":\"together\",\"key\":\"aaaaaaaaaaaaaaaaaaaaaaaa\",\"line\":";

		assert_memory_equal(line, head, sizeof(head) - 1);
	}
	assert_int_equal(lines, 2000);
}

#ifdef SIGNET_FAULTS
static void test_faults_strike_at_their_pass(void **state)
{
	(void)state;
	fault_setup("a:2,b:2+,c");
	assert_false(fault("a"));
	assert_true(fault("a"));
	assert_false(fault("a"));
	assert_false(fault("b"));
	assert_true(fault("b"));
	assert_true(fault("b"));
	assert_true(fault("c"));
	assert_false(fault("c"));
	assert_false(fault("d"));
	fault_setup(NULL);
	assert_false(fault("b"));
}
#else
static void test_faults_strike_at_their_pass(void **state)
{
	(void)state;
	fault_setup("a:1+");
	assert_false(fault("a")); /* compiled out */
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_json_is_one_line_with_its_fields, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_nothing_steers_a_terminal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pretty_names_the_area, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_filter_knows_levels_and_areas, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_repeated_warning_is_held_back_and_counted,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_warning_about_another_provider_is_another_warning, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_kind_status_or_text_is_another_warning,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_upstreams_ids_do_not_make_another_warning,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_timer_tells_what_was_held_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_warning_has_the_ids_of_its_request, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_line_too_long_loses_fields_and_stays_json,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_reopen_follows_a_rotated_file, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_file_that_cannot_be_opened_is_an_error,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_lines_of_threads_do_not_mix, setup, teardown),
		cmocka_unit_test(test_faults_strike_at_their_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
