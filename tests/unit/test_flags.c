/* src/base/flags.c */
#include "unit.h"

#include <stdio.h>
#include <unistd.h>

#include "base/flags.h"

static struct {
	bool on;
	const char *text, *full;
	uint64_t number;
} got;

static const struct flag flags[] = {
	{ "--on", .on = &got.on },
	{ "--text", .text = &got.text },
	{ "--full", .text = &got.full, .not_empty = true },
	{ "--number", .number = &got.number, .most = 9 },
	{ "--word", .word = true },
	{ "--later", .instead = "wait" },
};

static char *argv[16];
static char said[512];

/* Reads the line's words (a "_" is an empty one); what is said goes to `said`. */
static int read_line(bool words, const char *line)
{
	const struct command c = { "signet x", "the help\n", flags, COUNT(flags), words };
	static char text[256];
	int argc = 0, old_out = dup(1), old_err = dup(2), status;
	FILE *f = tmpfile();

	memset(&got, 0, sizeof(got));
	snprintf(text, sizeof(text), "%s", line);
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
		argv[argc++] = strcmp(word, "_") ? word : word + 1;
	argv[argc] = NULL;
	fflush(stdout);
	dup2(fileno(f), 1);
	dup2(fileno(f), 2);
	status = flags_read(&c, argc, argv);
	fflush(stdout);
	dup2(old_out, 1);
	dup2(old_err, 2);
	close(old_out);
	close(old_err);
	rewind(f);
	said[fread(said, 1, sizeof(said) - 1, f)] = '\0';
	fclose(f);
	return status;
}

static void test_both_spellings_and_words_in_front(void **state)
{
	(void)state;
	assert_int_equal(read_line(true, "a --on --text=b=c - --number 9 --word d -- --on"), -1);
	assert_true(got.on);
	assert_string_equal(got.text, "b=c");
	assert_int_equal(got.number, 9);
	assert_string_equal(argv[0], "a");
	assert_string_equal(argv[1], "-");
	assert_string_equal(argv[2], "d");
	assert_string_equal(argv[3], "--on");
	assert_null(argv[4]);
	assert_int_equal(read_line(false, "--text _"), -1);
	assert_string_equal(got.text, "");
	assert_null(argv[0]);
	assert_string_equal(said, "");
}

static void test_what_is_wrong_is_said(void **state)
{
	static const struct {
		const char *line, *said;
	} rows[] = {
		{ "--off", "unknown argument --off" },
		{ "--onx", "unknown argument --onx" },
		{ "a", "unknown argument a" },
		{ "-x", "unknown argument -x" },
		{ "--", "unknown argument --" },
		{ "--on=1", "--on takes no value" },
		{ "--text", "--text needs a value" },
		{ "--full=", "--full is empty" },
		{ "--number 0", "--number wants a number from 1 to 9, not '0'" },
		{ "--number=10", "--number wants a number from 1 to 9, not '10'" },
		{ "--number x", "--number wants a number from 1 to 9, not 'x'" },
	};
	char want[256];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(read_line(false, rows[i].line), 2);
		snprintf(want, sizeof(want), "signet x: %s\nsignet x --help explains\n",
			 rows[i].said);
		assert_string_equal(said, want);
	}
}

static void test_help_and_what_is_not_built(void **state)
{
	(void)state;
	assert_int_equal(read_line(true, "a --help --off"), 0);
	assert_string_equal(said, "the help\n");
	assert_int_equal(read_line(false, "-h"), 0);
	assert_int_equal(read_line(false, "--later 5"), 1);
	assert_string_equal(said, "signet x: --later is not in this version of Signet: wait\n");
}

static void see(const struct command *c, void *arg)
{
	*(int *)arg += (int)c->nflags;
}

static void test_a_viewer_gets_the_table_and_nothing_is_read(void **state)
{
	int n = 0;

	(void)state;
	flags_view(see, &n);
	assert_int_equal(read_line(false, "--on --nonsense --help"), 0);
	flags_view(NULL, NULL);
	assert_int_equal(n, COUNT(flags));
	assert_false(got.on);
	assert_string_equal(said, "");
	assert_int_equal(read_line(false, "--on"), -1);
	assert_true(got.on);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_spellings_and_words_in_front),
		cmocka_unit_test(test_what_is_wrong_is_said),
		cmocka_unit_test(test_help_and_what_is_not_built),
		cmocka_unit_test(test_a_viewer_gets_the_table_and_nothing_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
