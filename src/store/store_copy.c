/*
 * `signet store copy-to-clickhouse`: the answers of signet.db to a ClickHouse, the newest first, each once. What is there is
 * found by its id and stays; at the end every id is counted there.
 *
 * A gateway that sends to ClickHouse itself may have rows in its journal that signet.db has already. They would come there
 * twice, so its cursor is told to doubt them: it looks for them before it sends.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "store/cursor.h"
#include "store/log_read.h"
#include "store/schema.h"
#include "store/store_cmd.h"

#define COUNT_IDS 4000
#define ENTRY_MAX (1u << 30)
#define SQL_MAX   (1u << 20)

static volatile sig_atomic_t asked_to_stop;

static void on_stop(int signal)
{
	(void)signal;
	asked_to_stop = 1;
}

struct copy {
	struct store_cmd *cmd;
	struct store_clickhouse to;
	struct log_reader from;
	struct record rec;
	struct buf row, answer;
	uint64_t inferences, differing;
};

/* ---- rows ---- */

static int add_row(struct copy *c, enum table_id t, const struct cell *cells, struct arena *a)
{
	buf_reset(&c->row);
	return store_print_row(t, cells, &c->row, a) ||
			       record_add(&c->rec, tables[t].row, buf_bytes(&c->row))
		       ? -1
		       : 0;
}

static int copy_entry(struct copy *c, struct log_entry *e, struct arena *a)
{
	int bad;

	if (log_load_bodies(&c->from, e, a))
		return -1;
	record_init(&c->rec);
	bad = e->has_chat && add_row(c, T_CHAT, e->chat, a);
	for (size_t i = 0; !bad && i < e->nmodels; i++)
		bad = add_row(c, T_MODEL, e->models[i].m, a);
	if (!bad && c->rec.parts) {
		bad = store_clickhouse_add(&c->to, &c->rec);
		c->inferences++;
	}
	record_deinit(&c->rec);
	return bad ? -1 : 0;
}

static int copy_rows(struct copy *c)
{
	int64_t seq = (int64_t)(c->cmd->to_ms << 15);
	int found = 1;
	char t[25];

	while (found > 0 && !asked_to_stop) {
		struct log_entry e;
		struct arena a;

		arena_init(&a, ENTRY_MAX);
		found = log_next_stored(&c->from, &seq, &e, &a);
		if (found > 0 && (uint64_t)e.seq >> 15 < c->cmd->from_ms)
			found = 0;
		if (found > 0 && copy_entry(c, &e, &a))
			found = -1;
		arena_deinit(&a);
		time_rfc3339_ms((uint64_t)seq >> 15, t);
		store_progress(c->cmd, "%" PRIu64 " inferences, back to %s", c->inferences, t);
	}
	return found < 0 || store_clickhouse_flush(&c->to) ? -1 : 0;
}

/* The configurations that rows name. */
static int copy_configs(struct copy *c)
{
	const struct sink_type *type = c->to.sink->type;
	sqlite3_stmt *st;
	enum sink_result r = SINK_OK;
	int rc = sqlite3_prepare_v2(
		c->from.db, "SELECT " N_CONFIG_HASH ", " N_CONFIG " FROM ConfigSnapshot ORDER BY n",
		-1, &st, NULL);

	while (!rc && r == SINK_OK && sqlite3_step(st) == SQLITE_ROW) {
		struct bytes hash = { (const char *)sqlite3_column_text(st, 0),
				      (size_t)sqlite3_column_bytes(st, 0) },
			     text = { (const char *)sqlite3_column_text(st, 1),
				      (size_t)sqlite3_column_bytes(st, 1) };

		r = type->config(c->to.sink, hash, text);
	}
	sqlite3_finalize(st);
	if (rc)
		return fail(ERR_STORE, SQLITE_FILE ": %s", sqlite3_errmsg(c->from.db));
	return r == SINK_OK ? 0 : fail(ERR_STORE, "ClickHouse: %s", c->to.sink->error);
}

/* ---- counting ---- */

static const struct counted {
	const char *table, *ids; /* the statement that finds them here */
} counted[] = {
	{ "ChatInference",
	  "SELECT " N_ID " FROM ChatInference WHERE seq >= ?1 AND seq < ?2 ORDER BY seq" },
	{ "ModelInference",
	  "SELECT m." N_ID " FROM InferenceById i JOIN ModelInference m ON m." N_INFERENCE
	  " = i." N_ID " WHERE i.seq >= ?1 AND i.seq < ?2 ORDER BY i.seq" },
};

/* How many of the ids in `sql` are there, and how many rows they have. */
static int count_there(struct copy *c, struct buf *sql, uint64_t *rows, uint64_t *ids)
{
	struct bytes text;
	uint64_t n = 0, different = 0;

	if (buf_append(sql, B(")")) || store_clickhouse_ask(&c->to, buf_bytes(sql), &c->answer))
		return -1;
	text = bytes_trim(buf_bytes(&c->answer));
	bytes_to_u64(bytes_cut(&text, '\t'), &n);
	bytes_to_u64(bytes_cut(&text, '\n'), &different);
	*rows += n;
	*ids += different;
	return 0;
}

static int count_table(struct copy *c, const struct counted *of, sqlite3_stmt *st)
{
	uint64_t here = 0, rows = 0, ids = 0, in_question = 0;
	struct buf sql;
	int rc = SQLITE_ROW, bad = 0;

	buf_init(&sql, SQL_MAX);
	while (!bad && rc == SQLITE_ROW) {
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW) {
			bad = in_question ? buf_append(&sql, B(","))
					  : buf_printf(&sql,
						       "SELECT count(), uniqExact(" N_ID
						       ") FROM %s WHERE " N_ID " IN (",
						       of->table);
			bad = bad || buf_printf(&sql, "'%s'", sqlite3_column_text(st, 0));
			in_question++;
			here++;
		}
		if (bad || !in_question || (rc == SQLITE_ROW && in_question < COUNT_IDS))
			continue;
		bad = count_there(c, &sql, &rows, &ids);
		store_progress(c->cmd, "%s: %" PRIu64 " counted", of->table, here);
		buf_reset(&sql);
		in_question = 0;
	}
	buf_deinit(&sql);
	if (!bad && rc != SQLITE_DONE)
		bad = fail(ERR_STORE, SQLITE_FILE ": %s", sqlite3_errmsg(c->from.db));
	if (bad)
		return -1;
	printf("%s: %" PRIu64 " rows here, %" PRIu64 " of them there", of->table, here, ids);
	printf(rows == ids ? "\n" : " in %" PRIu64 " rows\n", rows);
	c->differing += here != ids || rows != ids;
	return 0;
}

static int count_rows(struct copy *c)
{
	int bad = 0;

	for (size_t i = 0; !bad && i < COUNT(counted); i++) {
		sqlite3_stmt *st;

		if (sqlite3_prepare_v2(c->from.db, counted[i].ids, -1, &st, NULL))
			return fail(ERR_STORE, SQLITE_FILE ": %s", sqlite3_errmsg(c->from.db));
		sqlite3_bind_int64(st, 1, (int64_t)(c->cmd->from_ms << 15));
		sqlite3_bind_int64(st, 2, (int64_t)(c->cmd->to_ms << 15));
		bad = count_table(c, &counted[i], st);
		sqlite3_finalize(st);
	}
	return bad;
}

/* ---- the command ---- */

/* A gateway's cursor: from where it is, whatever the journal holds may be there. */
static int let_gateway_doubt(int dir_fd)
{
	struct cursor c;

	if (cursor_read(dir_fd, CLICKHOUSE_SINK, &c) <= 0)
		return 0; /* nothing was ever sent, or nothing is known: then it doubts by itself */
	c = (struct cursor){ .delivered = c.delivered,
			     .first = c.delivered + 1,
			     .last = UINT64_MAX };
	return cursor_write(dir_fd, CLICKHOUSE_SINK, &c)
		       ? fail(ERR_STORE, "journal/clickhouse.cursor: %s", strerror(errno))
		       : 0;
}

/* 1: some of it is not there. */
static int copy(struct copy *c)
{
	if (copy_configs(c) || copy_rows(c))
		return -1;
	if (asked_to_stop) {
		fprintf(stderr,
			"stopped after %" PRIu64
			" inferences; the same command goes on, and nothing comes twice\n",
			c->inferences);
		return 1;
	}
	fprintf(stderr, "%" PRIu64 " inferences copied or there already\n", c->inferences);
	if (count_rows(c))
		return -1;
	if (c->to.refused.len)
		fprintf(stderr, "%zu records were refused, the last one because: %s\n",
			c->to.refused.len / 8, c->to.error);
	return c->differing || c->to.refused.len;
}

static int open_both(struct copy *c, int dir_fd)
{
	if (log_reader_open(&c->from, c->cmd->dir))
		return -1;
	if (!c->from.db)
		return fail(ERR_STORE, "no " SQLITE_FILE " in %s (see --data-dir)", c->cmd->dir);
	if (store_clickhouse_open(&c->to, c->cmd->words[0], "copy", dir_fd))
		return -1;
	return let_gateway_doubt(dir_fd);
}

static int copy_locked(struct store_cmd *cmd, int dir_fd)
{
	struct copy c = { .cmd = cmd, .to.dir_fd = -1 };
	int status;

	buf_init(&c.row, (size_t)RECORD_MAX * 2);
	buf_init(&c.answer, 4096);
	status = open_both(&c, dir_fd) ? -1 : copy(&c);
	if (status < 0)
		store_failed();
	store_clickhouse_close(&c.to, status >= 0);
	log_reader_close(&c.from);
	buf_deinit(&c.row);
	buf_deinit(&c.answer);
	return status ? 1 : 0;
}

int store_copy(struct store_cmd *cmd)
{
	int lock_fd = -1, dir_fd, status;

	signal(SIGINT, on_stop);
	signal(SIGTERM, on_stop);
	cmd->said_ms = clock_mono_ms();
	if (access(cmd->dir, F_OK)) {
		fail(ERR_STORE, "no record in %s (see --data-dir)", cmd->dir);
		return store_failed();
	}
	if (store_lock_dir(cmd->dir, &lock_fd))
		return store_failed();
	dir_fd = open(cmd->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	status = copy_locked(cmd, dir_fd);
	close(dir_fd);
	close(lock_fd);
	return status;
}
