/*
 * `signet store dead`: rows that a store will never take, in journal/dead/‹sink›-‹yyyymm›.ndjson (storage §7.7). After
 * what was wrong is mended (a table, a version), retry gives them to their store again: to SQLite all rows of a record together,
 * to ClickHouse each by itself. What still does not fit is written to a new file, which takes the old one's name when it is
 * whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/json.h"
#include "store/journal.h"
#include "store/schema.h"
#include "store/store_cmd.h"

#define NAME_MAX_BYTES 100
#define FILES_MAX      1000
#define NEW_FILE       ".retry.tmp"
#define GIVEN_MAX      (256u << 20) /* 8 bytes a line of a file */

struct dead_files {
	char names[FILES_MAX][NAME_MAX_BYTES];
	size_t n;
};

static bool is_dead_file(struct store_cmd *c, struct bytes name)
{
	struct bytes sink = c->sink ? bytes_of(c->sink) : B("");

	return name.n < NAME_MAX_BYTES && bytes_ends(name, B(".ndjson")) &&
	       (!sink.n || (bytes_starts(name, sink) && name.n > sink.n && name.p[sink.n] == '-'));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The folder; -1: there is none, and so no file. */
static int list_files(struct store_cmd *c, struct dead_files *out)
{
	char path[4096];
	struct dirent *e;
	int fd;
	DIR *d;

	out->n = 0;
	snprintf(path, sizeof(path), "%s/journal/dead", c->dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : folder_list(fd);
	if (!d)
		return fd;
	while (out->n < FILES_MAX && (e = readdir(d)))
		if (is_dead_file(c, bytes_of(e->d_name)))
			memcpy(out->names[out->n++], e->d_name, strlen(e->d_name) + 1);
	closedir(d);
	qsort(out->names, out->n, NAME_MAX_BYTES, by_name);
	return fd;
}

static FILE *open_in(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	if (!f) {
		fail(ERR_STORE, "journal/dead/%s: %s", name, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	return f;
}

static int list(struct store_cmd *c, int folder, struct dead_files *files)
{
	uint64_t rows = 0;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	(void)c;
	for (size_t i = 0; i < files->n; i++) {
		FILE *f = open_in(folder, files->names[i]);

		if (!f)
			return store_failed();
		for (; (n = getline(&line, &cap, f)) > 0; rows++)
			fwrite(line, 1, (size_t)n, stdout);
		fclose(f);
	}
	free(line);
	fprintf(stderr, "%" PRIu64 " rows\n", rows);
	return 0;
}

static int drop(struct store_cmd *c, int folder, struct dead_files *files)
{
	int lock_fd = -1;

	if (store_lock_dir(c->dir, &lock_fd))
		return store_failed();
	for (size_t i = 0; i < files->n; i++)
		if (unlinkat(folder, files->names[i], 0)) {
			fail(ERR_STORE, "journal/dead/%s: %s", files->names[i], strerror(errno));
			close(lock_fd);
			return store_failed();
		}
	close(lock_fd);
	fprintf(stderr, "%zu files deleted\n", files->n);
	return 0;
}

/* ---- retry ---- */

struct retry {
	struct store_writer w;
	FILE *kept;
	struct record rec;
	struct buf lines; /* of the record */
	struct bytes number;
	char number_kept[24];
	uint64_t stored, left;
};

/* What was gathered goes in, or is kept. -1: error set. */
static int end_record(struct retry *r)
{
	enum sink_result result = SINK_OK;

	if (r->rec.parts)
		result = store_writer_add(&r->w, &r->rec);
	if (result != SINK_OK && result != SINK_ROW)
		return fail(ERR_STORE, SQLITE_FILE ": %s", r->w.sink->error);
	if (result == SINK_OK && r->rec.parts) {
		r->stored++;
	} else if (r->lines.len) {
		r->left++;
		if (fwrite(r->lines.data, 1, r->lines.len, r->kept) != r->lines.len)
			return fail(ERR_STORE, "journal/dead/" NEW_FILE ": %s", strerror(errno));
	}
	buf_reset(&r->lines);
	record_deinit(&r->rec);
	record_init(&r->rec);
	return 0;
}

static int take_line(struct retry *r, struct bytes line)
{
	struct json_member number, table, row;
	bool whole = json_find_member(line, B("recno"), &number) &&
		     json_find_member(line, B("table"), &table) &&
		     json_find_member(line, B("row"), &row) &&
		     number.value.n < sizeof(r->number_kept);
	uint64_t t = 0;

	if (!whole || !bytes_eq(number.value, r->number)) {
		if (end_record(r))
			return -1;
		if (whole)
			memcpy(r->number_kept, number.value.p, number.value.n);
		r->number = (struct bytes){ r->number_kept, whole ? number.value.n : 0 };
	}
	if (buf_append(&r->lines, line))
		return -1;
	if (!whole || !bytes_to_u64(table.value, &t))
		return 0; /* kept as it is */
	return record_add(&r->rec, (enum row_table)t, row.value);
}

static int retry_lines(struct retry *r, FILE *f)
{
	char *text = NULL;
	size_t cap = 0;
	ssize_t n;
	int bad = 0;

	r->number = (struct bytes){ r->number_kept, 0 };
	while (!bad && (n = getline(&text, &cap, f)) > 0)
		bad = take_line(r, (struct bytes){ text, (size_t)n });
	free(text);
	return bad || end_record(r) ? -1 : 0;
}

/* The rows are in the database before they leave their file: who dies in between finds them there already. */
static int replace_file(struct retry *r, int folder, const char *name)
{
	if (store_writer_flush(&r->w) != SINK_OK)
		return fail(ERR_STORE, SQLITE_FILE ": %s", r->w.sink->error);
	fault_dies("dead.stored");
	if (fflush(r->kept) || fsync(fileno(r->kept)) ||
	    (r->left ? renameat(folder, NEW_FILE, folder, name)
		     : unlinkat(folder, NEW_FILE, 0) || unlinkat(folder, name, 0)))
		return fail(ERR_STORE, "journal/dead/%s: %s", name, strerror(errno));
	return 0;
}

/* ---- retry: ClickHouse ---- */

/* Number i of a line that was put into a record; 0: it cannot be, and is kept. */
static int give_line(struct retry *r, struct store_clickhouse *to, struct bytes line,
		     uint64_t *number)
{
	struct json_member table, row;
	struct record rec;
	uint64_t t = 0;
	int bad;

	*number = 0;
	if (!json_find_member(line, B("table"), &table) || !bytes_to_u64(table.value, &t) ||
	    !clickhouse_takes(t) || !json_find_member(line, B("row"), &row) ||
	    !bytes_starts(row.value, B("{")))
		return 0;
	record_init(&rec);
	bad = record_add(&rec, (enum row_table)t, row.value) || store_clickhouse_add(to, &rec);
	*number = to->number;
	record_deinit(&rec);
	r->stored += !bad;
	return bad ? -1 : 0;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Lines that were not given (0), or were refused, stay. */
static int keep_lines(struct retry *r, const struct store_clickhouse *to, FILE *f,
		      const struct buf *given)
{
	const uint64_t *numbers = (const uint64_t *)(const void *)given->data;
	size_t nrefused = to->refused.len / sizeof(uint64_t);
	char *text = NULL;
	size_t cap = 0;
	ssize_t n;
	int bad = 0;

	if (nrefused)
		qsort(to->refused.data, nrefused, sizeof(uint64_t), by_number);
	rewind(f);
	for (size_t i = 0; !bad && (n = getline(&text, &cap, f)) > 0; i++) {
		bool refused = nrefused && numbers[i] &&
			       bsearch(&numbers[i], to->refused.data, nrefused, sizeof(uint64_t),
				       by_number);

		if (numbers[i] && !refused)
			continue;
		r->left++;
		r->stored -= refused;
		if (fwrite(text, 1, (size_t)n, r->kept) != (size_t)n)
			bad = fail(ERR_STORE, "journal/dead/" NEW_FILE ": %s", strerror(errno));
	}
	free(text);
	return bad;
}

/* All of the file goes out before it is looked at again for what stays. */
static int retry_remote_lines(struct retry *r, struct store_clickhouse *to, FILE *f)
{
	struct buf given;
	char *text = NULL;
	size_t cap = 0;
	uint64_t number;
	ssize_t n;
	int bad = 0;

	buf_init(&given, GIVEN_MAX);
	while (!bad && (n = getline(&text, &cap, f)) > 0) {
		bad = give_line(r, to, (struct bytes){ text, (size_t)n }, &number);
		bad = bad || buf_append(&given, (struct bytes){ (char *)&number, sizeof(number) });
	}
	free(text);
	bad = bad || store_clickhouse_flush(to) || keep_lines(r, to, f, &given);
	buf_deinit(&given);
	return bad ? -1 : 0;
}

static int retry_remote(struct retry *r, FILE *f)
{
	struct store_clickhouse to;
	int bad = store_clickhouse_open(&to, NULL, "retry", r->w.dir_fd) ||
		  retry_remote_lines(r, &to, f);

	if (!bad && to.refused.len)
		fprintf(stderr, "refused again: %s\n", to.error);
	store_clickhouse_close(&to, !bad);
	return bad ? -1 : 0;
}

/* ---- retry: all files ---- */

static int retry_file(struct retry *r, int folder, const char *name)
{
	int fd = openat(folder, NEW_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), bad;
	bool remote = bytes_starts(bytes_of(name), B(CLICKHOUSE_SINK "-"));
	FILE *f = open_in(folder, name);

	r->left = 0;
	r->kept = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f || !r->kept)
		bad = f ? fail(ERR_STORE, "journal/dead/" NEW_FILE ": %s", strerror(errno)) : -1;
	else
		bad = (remote ? retry_remote(r, f) : retry_lines(r, f)) ||
				      replace_file(r, folder, name)
			      ? -1
			      : 0;
	if (f)
		fclose(f);
	if (r->kept)
		fclose(r->kept);
	return bad;
}

/* Whether there is a store here that the file's rows can go to. */
static bool can_be_tried(const char *name)
{
	const char *url = getenv("TENSORZERO_CLICKHOUSE_URL");

	if (bytes_starts(bytes_of(name), B(SQLITE_SINK "-")))
		return true;
	if (!bytes_starts(bytes_of(name), B(CLICKHOUSE_SINK "-")))
		fprintf(stderr, "%s: of a store that this version does not know\n", name);
	else if (!url || !*url)
		fprintf(stderr, "%s: set TENSORZERO_CLICKHOUSE_URL to try its rows again\n", name);
	else
		return true;
	return false;
}

static int retry(struct store_cmd *c, int folder, struct dead_files *files)
{
	struct retry r = { 0 };
	uint64_t left = 0;
	int bad;

	buf_init(&r.lines, (size_t)RECORD_MAX * 2);
	record_init(&r.rec);
	bad = store_writer_open(&r.w, c->dir);
	for (size_t i = 0; !bad && i < files->n; i++) {
		if (!can_be_tried(files->names[i])) {
			left++;
			continue;
		}
		bad = retry_file(&r, folder, files->names[i]);
		left += r.left;
	}
	if (bad)
		store_failed();
	else
		fprintf(stderr, "%" PRIu64 " records stored, %" PRIu64 " left\n", r.stored, left);
	buf_deinit(&r.lines);
	record_deinit(&r.rec);
	store_writer_close(&r.w);
	return bad || left ? 1 : 0;
}

int store_dead(struct store_cmd *c)
{
	static const struct {
		const char *name;
		int (*run)(struct store_cmd *, int folder, struct dead_files *);
	} verbs[] = { { "list", list }, { "retry", retry }, { "drop", drop } };
	struct dead_files *files = malloc(sizeof(*files));
	int status = 2, folder;

	if (!files)
		return 1;
	folder = list_files(c, files);
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (!strcmp(verbs[i].name, c->words[0]))
			status = access(c->dir, F_OK)
					 ? (fail(ERR_STORE, "no record in %s (see --data-dir)",
						 c->dir),
					    store_failed())
					 : verbs[i].run(c, folder, files);
	if (status == 2)
		fprintf(stderr, "signet store: dead wants list, retry or drop, not '%s'\n",
			c->words[0]);
	if (folder >= 0)
		close(folder);
	free(files);
	return status;
}
