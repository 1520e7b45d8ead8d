/*
 * `signet store export` and `import`. A line is a row: {"table":"ChatInference", then its columns as storage §2.4 has them.
 * The rows of an inference stand together, its list row last, which is how import knows that it has all of them.
 *
 * Import makes a record of them and gives it to the sink as the drainer does: what is there already stays, sums and words
 * are made as for any new row.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "base/pen.h"
#include "base/time.h"
#include "store/log_read.h"
#include "store/schema.h"
#include "store/store_cmd.h"

#define LINE_MAX_BYTES ((size_t)RECORD_MAX * 2)
#define ENTRY_MAX      (1u << 30)
#define BAD_SHOWN      20 /* lines at fault that are told one by one */

/* ---- export ---- */

static void put_nano(struct pen *p, int64_t nano)
{
	char text[40];

	snprintf(text, sizeof(text), "%s%" PRId64 ".%09" PRId64, nano < 0 ? "-" : "",
		 (nano < 0 ? -nano : nano) / 1000000000, (nano < 0 ? -nano : nano) % 1000000000);
	pen_bytes(p, bytes_of(text));
}

static bool is_json(struct bytes text, struct arena *a)
{
	return (bytes_starts(text, B("{")) || bytes_starts(text, B("["))) && json_parse(text, a);
}

/* Columns without a value are left out: ClickHouse takes no null where its column has a default. */
static void put_cell(struct pen *p, const struct column *c, const struct cell *v, struct arena *a)
{
	char number[32];

	if (v->type == CELL_NULL || !c->place)
		return;
	pen_item(p);
	pen_string(p, c->name);
	pen_lit(p, ":");
	if (c->kind == COL_NANO) {
		put_nano(p, v->num);
	} else if (c->kind == COL_BOOL) {
		pen_bytes(p, v->num ? B("true") : B("false"));
	} else if (v->type == CELL_INT) {
		snprintf(number, sizeof(number), "%" PRId64, v->num);
		pen_bytes(p, bytes_of(number));
	} else if (c->kind == COL_JSON && is_json(v->text, a)) {
		pen_bytes(p, v->text);
	} else {
		pen_string(p, v->text);
	}
}

static void put_cells(struct pen *p, const struct column *c, size_t n, const struct cell *v,
		      struct arena *a)
{
	for (size_t i = 0; i < n; i++)
		put_cell(p, &c[i], &v[i], a);
}

static void open_line(struct pen *p, enum table_id t)
{
	pen_open(p, '{');
	pen_item(p);
	pen_lit(p, "\"table\":");
	pen_string(p, bytes_of(tables[t].name));
}

static void close_line(struct pen *p)
{
	pen_close(p, '}');
	pen_lit(p, "\n");
	p->comma = false;
}

static void put_row(struct pen *p, enum table_id t, const struct cell *cells, struct arena *a)
{
	open_line(p, t);
	put_cells(p, tables[t].columns, tables[t].ncolumns, cells, a);
	close_line(p);
}

int store_print_row(enum table_id t, const struct cell *cells, struct buf *out, struct arena *a)
{
	struct pen p = { .b = out };

	pen_open(&p, '{');
	put_cells(&p, tables[t].columns, tables[t].ncolumns, cells, a);
	pen_close(&p, '}');
	return pen_done(&p);
}

/* Signet's own of the model inferences, for their list row. */
static void put_calls(struct pen *p, const struct log_entry *e, struct arena *a)
{
	pen_item(p);
	pen_lit(p, "\"" N_CALLS "\":");
	pen_open(p, '[');
	for (size_t i = 0; i < e->nmodels; i++) {
		pen_item(p);
		pen_open(p, '{');
		pen_item(p);
		pen_lit(p, "\"" N_ID "\":");
		pen_string(p, cell_text(&e->models[i].m[M_ID]));
		put_cells(p, call_columns, CALL_CELLS, e->models[i].call, a);
		pen_close(p, '}');
	}
	pen_close(p, ']');
}

static int print_entry(const struct log_entry *e, struct buf *out, struct arena *a)
{
	struct pen p = { .b = out };

	if (e->has_chat)
		put_row(&p, T_CHAT, e->chat, a);
	for (size_t i = 0; i < e->nmodels; i++)
		put_row(&p, T_MODEL, e->models[i].m, a);
	if (e->has_error)
		put_row(&p, T_ERROR, e->error, a);
	open_line(&p, T_LIST);
	put_cells(&p, list_columns, L_CELLS, e->list, a);
	put_calls(&p, e, a);
	close_line(&p);
	return p.failed ? -1 : 0;
}

static int print_configs(struct log_reader *r, FILE *f, struct buf *out)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(
		r->db, "SELECT " N_CONFIG_HASH ", " N_CONFIG " FROM ConfigSnapshot ORDER BY n", -1,
		&st, NULL);
	int bad = 0;

	while (!rc && !bad && sqlite3_step(st) == SQLITE_ROW) {
		struct bytes hash = { (const char *)sqlite3_column_text(st, 0),
				      (size_t)sqlite3_column_bytes(st, 0) },
			     text = { (const char *)sqlite3_column_text(st, 1),
				      (size_t)sqlite3_column_bytes(st, 1) };
		struct pen p = { .b = out };

		buf_reset(out);
		pen_lit(&p, "{\"table\":\"ConfigSnapshot\",\"" N_CONFIG_HASH "\":");
		pen_string(&p, hash);
		pen_lit(&p, ",\"" N_CONFIG "\":");
		pen_string(&p, text);
		pen_lit(&p, "}\n");
		bad = p.failed || fwrite(out->data, 1, out->len, f) != out->len;
	}
	sqlite3_finalize(st);
	return rc ? fail(ERR_STORE, SQLITE_FILE ": %s", sqlite3_errmsg(r->db)) : bad ? -1 : 0;
}

/* 1: one is written; 0: that was the last; -1: error set. */
static int export_next(struct store_cmd *c, struct log_reader *r, int64_t *seq, FILE *f,
		       struct buf *out, struct arena *a)
{
	struct log_entry e;
	int found = log_next_stored(r, seq, &e, a);

	if (found <= 0 || (uint64_t)e.seq >> 15 < c->from_ms)
		return found < 0 ? -1 : 0;
	buf_reset(out);
	if (log_load_bodies(r, &e, a) || print_entry(&e, out, a))
		return -1;
	if (fwrite(out->data, 1, out->len, f) != out->len)
		return fail(ERR_STORE, "%s: %s", c->out ? c->out : "standard output",
			    strerror(errno));
	return 1;
}

static int export_rows(struct store_cmd *c, struct log_reader *r, FILE *f)
{
	int64_t seq = (int64_t)(c->to_ms << 15);
	uint64_t n = 0;
	struct arena a;
	struct buf out;
	char t[25];
	int found;

	buf_init(&out, ENTRY_MAX);
	arena_init(&a, ENTRY_MAX);
	found = print_configs(r, f, &out) ? -1 : 1;
	while (found > 0) {
		found = export_next(c, r, &seq, f, &out, &a);
		n += found > 0;
		arena_deinit(&a);
		time_rfc3339_ms((uint64_t)seq >> 15, t);
		store_progress(c, "%" PRIu64 " inferences, back to %s", n, t);
	}
	if (!found && fflush(f))
		found = fail(ERR_STORE, "%s: %s", c->out ? c->out : "standard output",
			     strerror(errno));
	buf_deinit(&out);
	if (!found)
		fprintf(stderr, "%" PRIu64 " inferences exported\n", n);
	return found;
}

int store_export(struct store_cmd *c)
{
	struct log_reader r;
	FILE *f = stdout;
	int bad;

	if (log_reader_open(&r, c->dir)) {
		log_reader_close(&r);
		return store_failed();
	}
	if (!r.db) {
		fail(ERR_STORE, "no " SQLITE_FILE " in %s (see --data-dir)", c->dir);
		log_reader_close(&r);
		return store_failed();
	}
	log_let_go(&r);
	c->said_ms = clock_mono_ms();
	if (c->out)
		f = fopen(c->out, "we");
	bad = f ? export_rows(c, &r, f) : fail(ERR_STORE, "%s: %s", c->out, strerror(errno));
	if (f && f != stdout)
		fclose(f);
	log_reader_close(&r);
	return bad ? store_failed() : 0;
}

/* ---- import ---- */

struct import {
	struct store_cmd *cmd;
	struct store_writer w;
	struct record rec;
	bool has_chat, has_list;
	uint64_t line, rec_line; /* line: from 1; rec_line: where the record began */
	uint64_t records, bad;
};

static void tell_bad(struct import *im, uint64_t line, struct bytes why)
{
	if (++im->bad <= BAD_SHOWN)
		fprintf(stderr, "line %" PRIu64 ": %.*s\n", line, BFMT(why));
}

/* What was gathered goes in. -1: the database does not take any more. */
static int end_record(struct import *im)
{
	enum sink_result r = SINK_OK;

	if (im->rec.parts)
		r = store_writer_add(&im->w, &im->rec);
	im->records += im->rec.parts && r == SINK_OK;
	record_deinit(&im->rec);
	record_init(&im->rec);
	im->has_chat = im->has_list = false;
	if (r == SINK_ROW)
		tell_bad(im, im->rec_line, bytes_of(im->w.sink->error));
	else if (r != SINK_OK)
		return fail(ERR_STORE, SQLITE_FILE ": %s", im->w.sink->error);
	return 0;
}

static enum row_table row_named(struct bytes name)
{
	if (bytes_eq(name, B("\"ConfigSnapshot\"")))
		return ROW_CONFIG_SNAPSHOT;
	for (size_t t = 0; t < TABLES; t++)
		if (tables[t].columns && name.n > 2 &&
		    bytes_eq(bytes_slice(name, 1, name.n - 2), bytes_of(tables[t].name)))
			return tables[t].row;
	return 0;
}

static int take_row(struct import *im, enum row_table table, struct bytes line)
{
	struct json_member cut;

	if (table == ROW_CHAT_INFERENCE && im->has_chat && end_record(im))
		return -1;
	if (!im->rec.parts)
		im->rec_line = im->line;
	im->has_chat |= table == ROW_CHAT_INFERENCE;
	if (table == ROW_INFERENCE_BY_ID && json_find_member(line, B(N_CUT), &cut))
		im->rec.cut = bytes_eq(cut.value, B("true"));
	if (record_add(&im->rec, table, line)) {
		tell_bad(im, im->line, error_last()->message);
		return 0;
	}
	return table == ROW_INFERENCE_BY_ID || table == ROW_CONFIG_SNAPSHOT ? end_record(im) : 0;
}

static int take_line(struct import *im, struct bytes line)
{
	struct json_member name;
	enum row_table table;
	struct arena a;
	bool valid;

	arena_init(&a, ENTRY_MAX);
	valid = json_parse(line, &a) && *line.p == '{';
	arena_deinit(&a);
	if (!valid) {
		tell_bad(im, im->line, B("it is no JSON object"));
		return 0;
	}
	table = json_find_member(line, B("table"), &name) ? row_named(name.value) : 0;
	if (table)
		return take_row(im, table, line);
	tell_bad(im, im->line, B("its \"table\" is none of this version"));
	return 0;
}

static int take_lines(struct import *im, FILE *f)
{
	char *text = NULL;
	size_t cap = 0;
	ssize_t n;
	int bad = 0;

	while (!bad && (n = getline(&text, &cap, f)) > 0) {
		struct bytes line = { text, (size_t)n };

		im->line++;
		while (line.n && (unsigned char)line.p[line.n - 1] <= ' ')
			line.n--;
		if (line.n > LINE_MAX_BYTES)
			tell_bad(im, im->line, B("it is too long"));
		else if (line.n)
			bad = take_line(im, line);
		store_progress(im->cmd, "%" PRIu64 " lines, %" PRIu64 " inferences", im->line,
			       im->w.sink->rows[T_LIST]);
	}
	free(text);
	if (!bad && ferror(f))
		bad = fail(ERR_STORE, "%s: %s", im->cmd->words[0], strerror(errno));
	return bad;
}

static int import_rows(struct import *im, FILE *f)
{
	if (take_lines(im, f) || end_record(im))
		return -1;
	return store_writer_flush(&im->w) == SINK_OK
		       ? 0
		       : fail(ERR_STORE, SQLITE_FILE ": %s", im->w.sink->error);
}

int store_import(struct store_cmd *c)
{
	struct import im = { .cmd = c };
	bool piped = !strcmp(c->words[0], "-");
	FILE *f = piped ? stdin : fopen(c->words[0], "re");
	int bad;

	record_init(&im.rec);
	if (!f) {
		fail(ERR_STORE, "%s: %s", c->words[0], strerror(errno));
		return store_failed();
	}
	c->said_ms = clock_mono_ms();
	bad = store_writer_open(&im.w, c->dir) || import_rows(&im, f);
	if (bad)
		store_failed();
	else
		fprintf(stderr,
			"%" PRIu64 " inferences imported of %" PRIu64 " lines, %" PRIu64
			" at fault\n",
			im.w.sink->rows[T_LIST], im.line, im.bad);
	record_deinit(&im.rec);
	store_writer_close(&im.w);
	if (!piped)
		fclose(f);
	return bad || im.bad ? 1 : 0;
}
