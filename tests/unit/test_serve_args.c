/* src/serve_args.c, and what base/process.c reads */
#include "unit.h"

#include <stdio.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/process.h"
#include "net/socket.h"
#include "serve_args.h"

static int read_args(struct serve_args *a, const char *line)
{
	static char text[512];
	char *argv[16];
	int argc = 0;

	snprintf(text, sizeof(text), "%s", line);
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	return serve_args_read(argc, argv, a);
}

static void test_flags_are_read_in_both_spellings(void **state)
{
	struct serve_args a;

	(void)state;
	assert_int_equal(
		read_args(
			&a,
			"--config-file=a.toml --bind-address [::1]:0 --workers 3 --data-dir=/d --log-format json --log-file l --validate-and-exit"),
		-1);
	assert_string_equal(a.config.glob, "a.toml");
	assert_string_equal(a.config.bind_address, "[::1]:0");
	assert_string_equal(a.config.data_dir, "/d");
	assert_string_equal(a.log_file, "l");
	assert_int_equal(a.config.workers, 3);
	assert_int_equal(a.log_format, LOG_JSON);
	assert_true(a.validate);
	assert_false(a.config.default_config);
}

static void test_wrong_usage_is_2_and_a_refused_start_1(void **state)
{
	static const struct {
		const char *line;
		int status;
	} rows[] = {
		{ "", 2 },
		{ "--config-file a --default-config", 2 },
		{ "--config-file", 2 },
		{ "--default-config=1", 2 },
		{ "--default-config --frob", 2 },
		{ "--default-config extra", 2 },
		{ "--default-config --bind-address 3000", 2 },
		{ "--default-config --bind-address localhost:3000", 2 },
		{ "--default-config --bind-address 1.2.3.4:65536", 2 },
		{ "--default-config --workers 0", 2 },
		{ "--default-config --workers 1025", 2 },
		{ "--default-config --log-format xml", 2 },
		{ "--default-config --data-dir=", 2 },
		{ "--run-postgres-migrations", 1 },
		{ "--run-migrations", -1 }, /* needs no configuration */
		{ "--run-clickhouse-migrations", -1 },
		{ "--expiration 2099-01-01T00:00:00Z", 2 },
		{ "--create-api-key --expiration soon", 1 },
		{ "--disable-api-key abc --data-dir /nowhere", 1 },
		{ "--migrate-config x", 1 },
		{ "--help", 0 },
	};
	struct serve_args a;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (read_args(&a, rows[i].line) != rows[i].status)
			fail_msg("\"%s\" does not end with %d", rows[i].line, rows[i].status);
}

static void test_addresses_survive_the_way_there_and_back(void **state)
{
	static const char *const good[] = { "127.0.0.1:3000", "0.0.0.0:0", "[::1]:8080",
					    "[::]:65535" };
	static const char *const bad[] = {
		"", ":", "3000", "127.0.0.1", "::1:80", "[127.0.0.1]:80", "127.0.0.1:80 ", "[::1]"
	};
	struct sockaddr_storage addr;
	char text[64];
	socklen_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(sock_address_parse(bytes_of(good[i]), &addr, &n));
		sock_address_text((const struct sockaddr *)&addr, text);
		assert_string_equal(text, good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(sock_address_parse(bytes_of(bad[i]), &addr, &n));
}

static void test_proxies_are_the_first_that_is_not_empty(void **state)
{
	(void)state;
	setenv("T_A", "", 1);
	setenv("T_B", "http://b", 1);
	setenv("T_C", "http://c", 1);
	assert_string_equal(proxy_of("T_A", "T_B", "T_C"), "http://b");
	assert_string_equal(proxy_of("T_A", "T_X", "T_C"), "http://c");
	assert_null(proxy_of("T_A", "T_X", NULL));
}

static void test_quotas_round_up_to_cores(void **state)
{
	(void)state;
	assert_int_equal(process_quota_cores(B("max 100000\n")), 0);
	assert_int_equal(process_quota_cores(B("150000 100000\n")), 2);
	assert_int_equal(process_quota_cores(B("200000 100000\n")), 2);
	assert_int_equal(process_quota_cores(B("1000 100000\n")), 1);
	assert_int_equal(process_quota_cores(B("-1 100000")), 0);
	assert_int_equal(process_quota_cores(B("")), 0);
	assert_int_equal(process_quota_cores(B("0 100000")), 0);
	assert_int_equal(process_quota_cores(B("100000 0")), 0);
	assert_int_equal(process_quota_cores(B("100000")), 0);
	assert_int_equal(process_quota_cores(B("32767 1")), 32767);
	assert_int_equal(process_quota_cores(B("32768 1")), 0);
	assert_int_equal(process_quota_cores(B("300000\n 100000\n")), 3);
	assert_int_equal(process_quota_cores(B("300001 100000")), 4);
}

static void put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(text, f) < 0 || fclose(f))
		_exit(100);
}

/* In a child that sees other control groups than ours: how many cores it would use. 101: that needs root. */
static int cores_with(const char *group, const char *own, const char *top, const char *v1_quota,
		      const char *v1_period)
{
	int status;
	pid_t child = fork();

	if (!child) {
		if (unshare(CLONE_NEWNS) || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("tmpfs", "/sys/fs/cgroup", "tmpfs", 0, NULL))
			_exit(101);
		put_file("/sys/fs/cgroup/self", group);
		if (mount("/sys/fs/cgroup/self", "/proc/self/cgroup", NULL, MS_BIND, NULL))
			_exit(101);
		mkdir("/sys/fs/cgroup/a", 0700);
		mkdir("/sys/fs/cgroup/a/b", 0700);
		mkdir("/sys/fs/cgroup/cpu", 0700);
		if (own)
			put_file("/sys/fs/cgroup/a/b/cpu.max", own);
		if (top)
			put_file("/sys/fs/cgroup/cpu.max", top);
		if (v1_quota)
			put_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", v1_quota);
		if (v1_period)
			put_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us", v1_period);
		_exit(process_cores());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 100);
	return WEXITSTATUS(status);
}

static void test_quotas_stand_in_files_of_two_kinds(void **state)
{
#define ONE "100000 100000\n"
#define ANY "max 100000\n"
	static char deep[450] = "0::/";
	int all = cores_with("", NULL, NULL, NULL, NULL);

	(void)state;
	if (all == 101 || all == 1)
		skip();
	assert_int_equal(cores_with("0::/a/b\n", ONE, NULL, NULL, NULL), 1);
	assert_int_equal(cores_with("0::/a/b\n", ANY, NULL, NULL, NULL), all);
	assert_int_equal(cores_with("0::/a/b\n", ANY, ONE, NULL, NULL), 1);
	assert_int_equal(cores_with("0::/a/b\n", "90000000 100000\n", ONE, NULL, NULL), all);
	assert_int_equal(cores_with("9:cpu:/a/b\n0::/a/b\n", ONE, NULL, NULL, NULL), all);
	assert_int_equal(cores_with("0::/a\n", ONE, NULL, NULL, NULL), all);
	assert_int_equal(cores_with("0::/\n", NULL, ONE, NULL, NULL), 1);
	assert_int_equal(cores_with("0::/\n", NULL, ANY, "100000\n", "100000\n"), 1);
	assert_int_equal(cores_with("", NULL, NULL, "100000\n", "100000\n"), 1);
	assert_int_equal(cores_with("", NULL, NULL, "-1\n", "100000\n"), all);
	assert_int_equal(cores_with("", NULL, NULL, "100000\n", NULL), all);
	assert_int_equal(cores_with("", NULL, NULL, NULL, "100000\n"), all);
	/* a path of 399 characters is followed, a longer one is not */
	for (size_t i = 4; i < 398; i += 2)
		memcpy(deep + i, "./", 2);
	strcpy(deep + 397, "//a/b\n");
	assert_int_equal(cores_with(deep, ONE, NULL, NULL, NULL), 1);
	strcpy(deep + 397, "/./a/b\n");
	assert_int_equal(cores_with(deep, ONE, NULL, NULL, NULL), all);
}

static void test_the_process_knows_itself(void **state)
{
	uint64_t before = process_open_files();
	int fd = dup(0);

	(void)state;
	assert_true(process_cores() >= 1);
	assert_true(process_rss_bytes() > 100000);
	assert_int_equal(process_open_files(), before + 1);
	close(fd);
	assert_true(process_raise_file_limit() >= 256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags_are_read_in_both_spellings),
		cmocka_unit_test(test_wrong_usage_is_2_and_a_refused_start_1),
		cmocka_unit_test(test_addresses_survive_the_way_there_and_back),
		cmocka_unit_test(test_proxies_are_the_first_that_is_not_empty),
		cmocka_unit_test(test_quotas_round_up_to_cores),
		cmocka_unit_test(test_quotas_stand_in_files_of_two_kinds),
		cmocka_unit_test(test_the_process_knows_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
