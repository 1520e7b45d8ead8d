/*
 * docs/configuration.md has a row for each key of Signet's own tables, with the default that the code has, and no row for
 * a key that is not there. The rows are those of the tables below "### [NAME]": | `key` | default | unit | meaning | when |.
 */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "config/config.h"
#include "config/tables.h"

#define NOT_HERE "gateway clickhouse" /* TensorZero's, in tables of another form */

static struct bytes page;

static struct bytes cell(struct bytes line, size_t n)
{
	struct bytes text = { 0 };

	for (size_t i = 0; i <= n; i++)
		text = bytes_cut(&line, '|');
	return bytes_trim(text);
}

/* What stands under "### [NAME]"; empty: nothing. */
static struct bytes part(struct bytes name)
{
	char heading[100];
	ptrdiff_t at, end;
	struct bytes text;

	snprintf(heading, sizeof(heading), "\n### [%.*s]\n", BFMT(name));
	at = bytes_find(page, bytes_of(heading));
	if (at < 0)
		return B("");
	text = bytes_slice(page, (size_t)at + strlen(heading), page.n);
	end = bytes_find(text, B("\n#"));
	return bytes_slice(text, 0, end < 0 ? text.n : (size_t)end);
}

static struct bytes row(struct bytes text, const char *key)
{
	char want[100];

	snprintf(want, sizeof(want), "`%s`", key);
	while (text.n) {
		struct bytes line = bytes_cut(&text, '\n');

		if (bytes_starts(line, B("| `")) && bytes_eq(cell(line, 1), bytes_of(want)))
			return line;
	}
	return (struct bytes){ 0 };
}

/* As the page writes it; "": the code alone cannot say. */
static void print_default(const struct key *k, const struct config *c, char *out, size_t room)
{
	const char *at = (const char *)c + k->offset;
	size_t n = 0;

	*out = '\0';
	if (k->kind == KEY_U64)
		snprintf(out, room, "`%llu`", (unsigned long long)*(const uint64_t *)at);
	else if (k->kind == KEY_BOOL)
		snprintf(out, room, "`%s`", *(const bool *)at ? "true" : "false");
	else if (k->kind == KEY_SWITCH)
		snprintf(out, room, "`\"%s\"`", k->choices[*(const bool *)at]);
	else if (k->kind == KEY_CHOICE && k->or_bool && !*(const int *)at)
		snprintf(out, room, "`false`");
	else if (k->kind == KEY_CHOICE)
		snprintf(out, room, "`\"%s\"`", k->choices[*(const int *)at - (int)k->min]);
	else if (k->kind == KEY_BITS) {
		n += (size_t)snprintf(out + n, room - n, "`[");
		for (int i = 0; k->choices[i]; i++)
			if (*(const unsigned *)at & 1u << i)
				n += (size_t)snprintf(out + n, room - n, "%s\"%s\"",
						      n > 2 ? ", " : "", k->choices[i]);
		snprintf(out + n, room - n, "]`");
	}
}

static size_t check_table(const struct table *t, struct bytes name, const struct config *c)
{
	struct bytes text = part(name), rest = text;
	size_t rows = 0, keys = 0;

	if (!text.n)
		fail_msg("docs/configuration.md has no \"### [%.*s]\"", BFMT(name));
	for (const struct key *k = t->keys; k < t->keys + t->nkeys; k++) {
		struct bytes line = row(text, k->name);
		char inner[100], want[200];

		if (k->kind == KEY_TABLE) {
			snprintf(inner, sizeof(inner), "%.*s.%s", BFMT(name), k->name);
			check_table(k->table, bytes_of(inner), c);
			continue;
		}
		if (!bytes_set(line))
			fail_msg("[%.*s] %s has no row in docs/configuration.md", BFMT(name),
				 k->name);
		print_default(k, c, want, sizeof(want));
		if (*want && !bytes_eq(cell(line, 2), bytes_of(want)))
			fail_msg(
				"[%.*s] %s: the code's default is %s, docs/configuration.md has %.*s",
				BFMT(name), k->name, want, BFMT(cell(line, 2)));
		if (!cell(line, 2).n || !cell(line, 4).n)
			fail_msg("[%.*s] %s: no default or no meaning", BFMT(name), k->name);
		keys++;
	}
	while (rest.n)
		rows += bytes_starts(bytes_cut(&rest, '\n'), B("| `"));
	if (rows != keys)
		fail_msg("[%.*s]: %zu rows for %zu keys: one is of no key", BFMT(name), rows, keys);
	return keys;
}

static void test_each_key_has_a_row_with_its_default(void **state)
{
	struct config_options options = { .text = B(""), .offline = true };
	struct config_issues issues = { 0 };
	struct config *c = config_load(&options, &issues);
	struct buf text;
	int fd = open("docs/configuration.md", O_RDONLY | O_CLOEXEC);
	size_t checked = 0;

	(void)state;
	assert_non_null(c);
	assert_true(fd >= 0);
	buf_init(&text, 1 << 20);
	assert_int_equal(buf_read(&text, fd), 0);
	close(fd);
	page = buf_bytes(&text);
	for (const struct known_table *k = known_tables; k->name; k++)
		if (k->table && !strstr(NOT_HERE, k->name))
			checked += check_table(k->table, bytes_of(k->name), c);
	assert_true(checked > 40);
	buf_deinit(&text);
	config_unref(c);
	config_issues_deinit(&issues);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_key_has_a_row_with_its_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
