/*
 * `signet store sql`: questions in SQL to signet.db, read-only, beside a gateway or without one, for machines that have no
 * sqlite3(1). A row is a JSON object a line, whole whatever its size.
 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/pen.h"
#include "store/schema.h"
#include "store/store_cmd.h"

#define ROW_MAX   (1u << 30)
#define QUERY_MAX (16u << 20)

static void put_value(struct pen *p, sqlite3_stmt *st, int i)
{
	const void *data;
	char text[40];
	size_t n;

	switch (sqlite3_column_type(st, i)) {
	case SQLITE_NULL: pen_lit(p, "null"); return;
	case SQLITE_INTEGER:
		snprintf(text, sizeof(text), "%" PRId64, (int64_t)sqlite3_column_int64(st, i));
		pen_bytes(p, bytes_of(text));
		return;
	case SQLITE_FLOAT:
		snprintf(text, sizeof(text), "%.17g", sqlite3_column_double(st, i));
		pen_bytes(p, bytes_of(text));
		return;
	case SQLITE_BLOB: /* in hex digits, as quote() has them */
		data = sqlite3_column_blob(st, i);
		n = (size_t)sqlite3_column_bytes(st, i);
		pen_lit(p, "\"");
		for (size_t k = 0; k < n; k++) {
			snprintf(text, sizeof(text), "%02X", ((const unsigned char *)data)[k]);
			pen_bytes(p, bytes_of(text));
		}
		pen_lit(p, "\"");
		return;
	default:
		data = sqlite3_column_text(st, i);
		pen_string(p, (struct bytes){ data, (size_t)sqlite3_column_bytes(st, i) });
	}
}

static int print_row(sqlite3_stmt *st, struct buf *out)
{
	struct pen p = { .b = out };

	buf_reset(out);
	pen_open(&p, '{');
	for (int i = 0; i < sqlite3_column_count(st); i++) {
		pen_item(&p);
		pen_string(&p, bytes_of(sqlite3_column_name(st, i)));
		pen_lit(&p, ":");
		put_value(&p, st, i);
	}
	pen_close(&p, '}');
	pen_lit(&p, "\n");
	return p.failed || fwrite(out->data, 1, out->len, stdout) != out->len ? -1 : 0;
}

/* All statements of the text, one after the other. */
static int run_sql(sqlite3 *db, const char *sql, struct buf *out)
{
	while (*sql) {
		sqlite3_stmt *st = NULL;
		int rc = sqlite3_prepare_v2(db, sql, -1, &st, &sql);

		while (!rc && st && (rc = sqlite3_step(st)) == SQLITE_ROW)
			rc = print_row(st, out) ? SQLITE_IOERR : SQLITE_OK;
		sqlite3_finalize(st);
		if (rc && rc != SQLITE_DONE)
			return rc == SQLITE_IOERR ? fail(ERR_STORE, "standard output: closed")
						  : fail(ERR_STORE, "%s", sqlite3_errmsg(db));
	}
	return 0;
}

int store_sql(struct store_cmd *c)
{
	struct buf query, out;
	sqlite3 *db = store_open_db(c, SQLITE_OPEN_READONLY);
	int bad = 0, n = 1;

	if (!db)
		return store_failed();
	sqlite3_exec(db, "PRAGMA query_only=1", NULL, NULL, NULL);
	buf_init(&query, QUERY_MAX);
	buf_init(&out, ROW_MAX);
	if (c->words[0])
		bad = buf_append(&query, bytes_of(c->words[0]));
	while (!c->words[0] && !bad && n > 0) {
		n = buf_read(&query, STDIN_FILENO);
		bad = n < 0;
	}
	bad = bad || buf_putc(&query, 0) || run_sql(db, query.data, &out);
	buf_deinit(&query);
	buf_deinit(&out);
	sqlite3_close(db);
	return bad ? store_failed() : 0;
}
