/*
 * The SQLite sink. What a row of the journal becomes is written down in the column tables below, from which
 * the INSERT statements are made too; the rest is order: the list row first, because its id decides whether
 * the record is new and its seq is that of all the others, and everything derived (tags, sums, facets) only
 * for a new one. With the position in the same transaction a record is in the file exactly once.
 *
 * A record is read whole before its first INSERT, so that a row at fault leaves nothing half done.
 * The trap: text is bound without a copy, so payload, scratch and cells must stand still until the step.
 */
#include "store/sink_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/log.h"
#include "base/time.h"
#include "store/columns.h"
#include "store/rollup.h"
#include "store/sqlite_file.h"
#include "store/store.h"

enum {
	Q_BEGIN,
	Q_COMMIT,
	Q_ROLLBACK,
	Q_LIST,
	Q_CHAT,
	Q_MODEL,
	Q_ERROR,
	Q_TAG,
	Q_HASH,
	Q_HASH_NEW,
	Q_POSITION,
	Q_DELIVERED,
	QUERIES
};

#define SINK_NAME "sqlite"

static const char *const queries[QUERIES] = {
	[Q_BEGIN] = "BEGIN IMMEDIATE",
	[Q_COMMIT] = "COMMIT",
	[Q_ROLLBACK] = "ROLLBACK",
	[Q_LIST] =
		"INSERT INTO InferenceById(id, function_name, variant_name, episode_id, function_type, snapshot_hash, state, status, error_kind, surface, stream, cached, signed, model_name, model_provider_name, key_public_id, attempts, input_tokens, output_tokens, estimated, cost_nano, processing_time_ms, ttft_ms, finish_reason, tools, preview_in, preview_out, seq, cut) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO NOTHING",
	[Q_CHAT] =
		"INSERT INTO ChatInference(id, function_name, variant_name, episode_id, input, output, dynamic_tools, dynamic_provider_tools, allowed_tools, tool_choice, parallel_tool_calls, tool_params, inference_params, processing_time_ms, ttft_ms, tags, extra_body, snapshot_hash, seq) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(seq) DO NOTHING",
	[Q_MODEL] =
		"INSERT INTO ModelInference(id, inference_id, function_name, variant_name, raw_request, raw_response, system, input_messages, output, input_tokens, output_tokens, response_time_ms, model_name, model_provider_name, ttft_ms, cached, cost_nano, finish_reason, snapshot_hash, provider_cache_read_input_tokens, provider_cache_write_input_tokens, attempt, http_status, signature, spans, seq) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO NOTHING",
	[Q_ERROR] =
		"INSERT INTO RequestError(id, error, attempts, seq) VALUES(?,?,?,?) ON CONFLICT(seq) DO NOTHING",
	[Q_TAG] =
		"INSERT INTO TagInference(key, value, seq, inference_id, function_name, variant_name, episode_id, function_type) VALUES(?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
	[Q_HASH] = "SELECT n FROM ConfigSnapshot WHERE hash = ?1",
	[Q_HASH_NEW] =
		"INSERT INTO ConfigSnapshot(hash, config, extra_templates, tensorzero_version, created_at, last_used, tags) VALUES(?1, ?2, '{}', ?3, ?4, ?4, '{}') ON CONFLICT(hash) DO UPDATE SET last_used = ?4, config = iif(config = '', ?2, config)",
	[Q_POSITION] = "INSERT INTO Delivered(sink, recno) VALUES('" SINK_NAME
		       "', ?1) ON CONFLICT(sink) DO UPDATE SET recno = ?1",
	[Q_DELIVERED] = "SELECT recno FROM Delivered WHERE sink = '" SINK_NAME "'",
};

/* ---- what SQLite's answers mean ---- */

static enum sink_result classify(struct sink *s, int rc)
{
	int sys = s->db ? sqlite3_system_errno(s->db) : errno;

	snprintf(s->error, sizeof(s->error), "%s",
		 s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
	switch (rc & 255) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return SINK_OK;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return SINK_BUSY;
	case SQLITE_FULL:
		return SINK_FULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return SINK_CORRUPT;
	case SQLITE_IOERR:
		return sys == ENOSPC || sys == EDQUOT || sys == EFBIG ? SINK_FULL : SINK_DOWN;
	default:
		return SINK_DOWN;
	}
}

static enum sink_result step(struct sink *s, int q)
{
	int rc = sqlite3_step(s->statements[q]);

	if (rc != SQLITE_DONE && rc != SQLITE_ROW) {
		enum sink_result r = classify(s, rc);

		sqlite3_reset(s->statements[q]);
		return r;
	}
	sqlite3_reset(s->statements[q]);
	return SINK_OK;
}

static void bind_text(sqlite3_stmt *st, int i, struct bytes b)
{
	if (b.p)
		sqlite3_bind_text(st, i, b.p, (int)b.n, SQLITE_STATIC);
	else
		sqlite3_bind_null(st, i);
}

static void bind_cells(sqlite3_stmt *st, int from, const struct cell *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int at = from + (int)i;

		if (c[i].type == CELL_TEXT)
			sqlite3_bind_text(st, at, c[i].text.n ? c[i].text.p : "", (int)c[i].text.n,
					  SQLITE_STATIC);
		else if (c[i].type == CELL_INT)
			sqlite3_bind_int64(st, at, c[i].num);
		else
			sqlite3_bind_null(st, at);
	}
}

/* ---- opening ---- */

static int exec(struct sink *s, const char *sql)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL);
}

static int query_int(struct sink *s, const char *sql, int64_t *out)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);

	*out = 0;
	if (rc)
		return rc;
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int on_wal(void *sink, sqlite3 *db, const char *name, int pages)
{
	(void)db;
	(void)name;
	((struct sink *)sink)->wal_pages = (uint64_t)pages;
	return SQLITE_OK;
}

static int make_schema(struct sink *s)
{
	char sql[128];
	int rc = exec(
		s,
		"PRAGMA page_size=16384; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL");

	if (!rc)
		rc = exec(s, "BEGIN EXCLUSIVE");
	if (!rc)
		rc = exec(s, sqlite_schema_sql);
	snprintf(sql, sizeof(sql), "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT",
		 SINK_APP_ID, SINK_SCHEMA);
	return rc ? rc : exec(s, sql);
}

/* Whose file it is, and of which schema. An empty one becomes ours. */
static enum sink_result identify(struct sink *s)
{
	int64_t app, version, tables;
	int rc = query_int(s, "PRAGMA application_id", &app);

	if (!rc)
		rc = query_int(s, "PRAGMA user_version", &version);
	if (!rc)
		rc = query_int(s, "SELECT count(*) FROM sqlite_schema", &tables);
	if (rc)
		return classify(s, rc);
	if (!app && !version && !tables) {
		rc = make_schema(s);
		return rc ? classify(s, rc) : SINK_OK;
	}
	if (app != SINK_APP_ID) {
		snprintf(s->error, sizeof(s->error), "signet.db is a database of another program");
		return SINK_CORRUPT;
	}
	if (version > SINK_SCHEMA) {
		snprintf(s->error, sizeof(s->error),
			 "signet.db has schema %" PRId64
			 ", this version knows schemas up to %d: start the later version again",
			 version, SINK_SCHEMA);
		return SINK_NEWER;
	}
	return SINK_OK;
}

static enum sink_result prepare(struct sink *s)
{
	int rc = exec(
		s,
		"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-8192;PRAGMA mmap_size=0; PRAGMA wal_autocheckpoint=0; PRAGMA secure_delete=OFF;PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY");
	int64_t position, page;

	if (!rc)
		rc = query_int(s, "PRAGMA page_size", &page);
	if (rc)
		return classify(s, rc);
	s->page_bytes = (uint64_t)page;
	sqlite3_wal_hook(s->db, on_wal, s);
	s->statements = calloc(QUERIES, sizeof(*s->statements));
	if (!s->statements)
		return classify(s, SQLITE_NOMEM);
	for (int i = 0; i < QUERIES; i++) {
		rc = sqlite3_prepare_v3(s->db, queries[i], -1, SQLITE_PREPARE_PERSISTENT,
					&s->statements[i], NULL);
		/* A table or column that is not there: the file was meddled with. */
		if (rc)
			return rc == SQLITE_ERROR ? (classify(s, rc), SINK_CORRUPT)
						  : classify(s, rc);
	}
	s->rollup = rollup_new(s->db);
	if (!s->rollup) {
		rc = sqlite3_errcode(s->db);
		return rc == SQLITE_ERROR ? (classify(s, rc), SINK_CORRUPT) : classify(s, rc);
	}
	sqlite3_reset(s->statements[Q_DELIVERED]);
	rc = sqlite3_step(s->statements[Q_DELIVERED]);
	position = rc == SQLITE_ROW ? sqlite3_column_int64(s->statements[Q_DELIVERED], 0) : 0;
	s->position = (uint64_t)position;
	sqlite3_reset(s->statements[Q_DELIVERED]);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SINK_OK : classify(s, rc);
}

/* SQLite would make the file with the umask's mode; its companions take the file's. A file that is there is
 * not opened: closing any descriptor of it would drop the locks that SQLite holds on it in this process (the
 * check after an unclean stop may be reading), and then another program's close could take the log away. */
static enum sink_result make_file(struct sink *s)
{
	struct stat st;
	int fd = -1, e = 0;

	if (fault("sqlite.open")) {
		snprintf(s->error, sizeof(s->error), "signet.db: injected");
		return SINK_DOWN;
	}
	if (!fstatat(s->dir, "signet.db", &st, 0)) {
		if (st.st_mode & 077)
			log_warn("store", "signet.db can be read by others (chmod 600)",
				 LS("file", s->path));
		return SINK_OK;
	}
	if (errno == ENOENT)
		fd = openat(s->dir, "signet.db", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	e = errno;
	if (fd >= 0)
		return close(fd), SINK_OK;
	snprintf(s->error, sizeof(s->error), "signet.db: %s", strerror(e));
	return e == ENOSPC || e == EDQUOT ? SINK_FULL : SINK_DOWN;
}

enum sink_result sink_open(struct sink *s, int dir_fd, const char *dir)
{
	enum sink_result r;
	struct stat st;
	int rc;

	*s = (struct sink){ .dir = dir_fd, .fd = -1 };
	buf_init(&s->scratch, (size_t)RECORD_MAX * 2);
	buf_init(&s->unpacked, (size_t)RECORD_MAX + 1);
	if (asprintf(&s->path, "%s/signet.db", dir) < 0) {
		s->path = NULL;
		return classify(s, SQLITE_NOMEM);
	}
	r = make_file(s);
	if (r != SINK_OK) {
		sink_close(s);
		return r;
	}
	rc = sqlite_open(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, &s->fd);
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, 5000);
	r = rc ? classify(s, rc) : identify(s);
	if (r == SINK_OK)
		r = prepare(s);
	if (r != SINK_OK)
		sink_close(s);
	else if (s->fd >= 0 && !fstat(s->fd, &st))
		s->file_bytes = st.st_size;
	return r;
}

void sink_close(struct sink *s)
{
	rollup_free(s->rollup);
	for (int i = 0; s->statements && i < QUERIES; i++)
		sqlite3_finalize(s->statements[i]);
	free(s->statements);
	sqlite3_close_v2(s->db);
	free(s->path);
	free(s->cells);
	buf_deinit(&s->scratch);
	buf_deinit(&s->unpacked);
	s->rollup = NULL;
	s->statements = NULL;
	s->db = NULL;
	s->fd = -1;
	s->path = NULL;
	s->cells = NULL;
	s->cap_cells = 0;
	s->in_transaction = false;
}

int sink_set_aside(int dir_fd, uint64_t unix_ms)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	time_t t = (time_t)(unix_ms / 1000);
	struct tm tm;
	char stamp[32], from[64], to[128];

	gmtime_r(&t, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	/* two in one second: the first one stays */
	for (int n = 1; n < 100; n++) {
		struct stat st;

		snprintf(to, sizeof(to), "signet.db.corrupt-%s", stamp);
		if (fstatat(dir_fd, to, &st, AT_SYMLINK_NOFOLLOW))
			break;
		strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
		snprintf(stamp + strlen(stamp), sizeof(stamp) - strlen(stamp), "-%d", n);
	}
	for (size_t i = 0; i < 3; i++) {
		snprintf(from, sizeof(from), "signet.db%s", suffixes[i]);
		snprintf(to, sizeof(to), "signet.db.corrupt-%s%s", stamp, suffixes[i]);
		if (renameat(dir_fd, from, dir_fd, to) && errno != ENOENT)
			return fail(ERR_STORE, "%s: %s", from, strerror(errno));
	}
	return 0;
}

long sink_lock_holder(int dir_fd)
{
	static const char *const names[] = { "signet.db-shm", "signet.db" };
	char line[256];
	long holder = 0;
	FILE *f = fopen("/proc/locks", "re");

	if (!f)
		return 0;
	while (!holder && fgets(line, sizeof(line), f)) {
		unsigned major, minor;
		unsigned long inode;
		long pid;
		const char *p = strstr(line, "WRITE ");

		if (!p || sscanf(p + 6, "%ld %x:%x:%lu", &pid, &major, &minor, &inode) != 4)
			continue;
		for (size_t i = 0; i < 2; i++) {
			struct stat st;

			if (!fstatat(dir_fd, names[i], &st, 0) && st.st_ino == inode &&
			    pid != getpid())
				holder = pid;
		}
	}
	fclose(f);
	return holder;
}

/* ---- batches ---- */

enum sink_result sink_begin(struct sink *s)
{
	enum sink_result r = fault("sqlite.begin") ? classify(s, SQLITE_BUSY) : step(s, Q_BEGIN);

	s->in_transaction = r == SINK_OK;
	s->new_rows = 0;
	return r;
}

void sink_rollback(struct sink *s)
{
	if (s->db && s->in_transaction && !sqlite3_get_autocommit(s->db))
		step(s, Q_ROLLBACK);
	s->in_transaction = false;
	s->hash_text = (struct bytes){ 0 };
	if (s->rollup)
		rollup_forget(s->rollup);
}

enum sink_result sink_commit(struct sink *s, uint64_t number)
{
	enum sink_result r;
	int rc = rollup_flush(s->rollup);

	if (rc)
		return classify(s, rc);
	if (fault("sqlite.full"))
		return classify(s, SQLITE_FULL);
	sqlite3_bind_int64(s->statements[Q_POSITION], 1, (int64_t)number);
	r = step(s, Q_POSITION);
	if (r == SINK_OK)
		r = fault("sqlite.commit") ? classify(s, SQLITE_IOERR) : step(s, Q_COMMIT);
	if (r != SINK_OK)
		return r;
	s->in_transaction = false;
	s->position = number;
	return SINK_OK;
}

/* ---- one record ---- */

struct parts {
	struct cell *list, *chat, *error; /* NULL: no such row */
	struct cell *models;              /* nmodels x M_CELLS */
	size_t nmodels;
	struct bytes config[8];
	size_t nconfig;
};

static enum sink_result row_fault(struct sink *s)
{
	snprintf(s->error, sizeof(s->error), "%.*s", BFMT(error_last()->message));
	return SINK_ROW;
}

static int want_cells(struct sink *s, size_t n)
{
	struct cell *grown;

	if (n <= s->cap_cells)
		return 0;
	grown = realloc(s->cells, n * sizeof(*grown));
	if (!grown)
		return fail(ERR_OUT_OF_MEMORY, "out of memory");
	s->cells = grown;
	s->cap_cells = n;
	return 0;
}

/* Counts first, so that the cells stand still; then reads. */
static enum sink_result read_parts(struct sink *s, struct bytes payload, struct parts *out)
{
	struct record_part part;
	size_t pos = 0, models = 0;
	struct cell *next;
	int r;

	while ((r = record_next_part(payload, &pos, &part)) > 0)
		models += part.table == ROW_MODEL_INFERENCE;
	if (r < 0)
		return fail(ERR_STORE, "the record's parts are damaged"), row_fault(s);
	buf_reset(&s->scratch);
	if (s->scratch.cap > (4u << 20) && payload.n < (1u << 20)) {
		buf_deinit(&s->scratch);
		buf_init(&s->scratch, (size_t)RECORD_MAX * 2);
	}
	/* twice: the elements of `calls` and of tags are taken apart once more */
	if (buf_reserve(&s->scratch, payload.n * 2 + 64) ||
	    want_cells(s, L_CELLS + C_CELLS + E_CELLS + models * M_CELLS + CALL_CELLS))
		return classify(s, SQLITE_NOMEM), SINK_DOWN;
	next = s->cells + CALL_CELLS;
	*out = (struct parts){ .models = next + L_CELLS + C_CELLS + E_CELLS };
	for (pos = 0; record_next_part(payload, &pos, &part) > 0;) {
		const struct column *columns;
		struct cell *cells;
		size_t n;

		switch (part.table) {
		case ROW_INFERENCE_BY_ID:
			columns = list_columns, n = L_CELLS, out->list = cells = next;
			break;
		case ROW_CHAT_INFERENCE:
			columns = chat_columns, n = C_CELLS, out->chat = cells = next + L_CELLS;
			break;
		case ROW_REQUEST_ERROR:
			columns = error_columns, n = E_CELLS;
			out->error = cells = next + L_CELLS + C_CELLS;
			break;
		case ROW_MODEL_INFERENCE:
			columns = model_columns, n = M_CELLS;
			cells = out->models + out->nmodels++ * M_CELLS;
			break;
		case ROW_CONFIG_SNAPSHOT:
			if (out->nconfig < 8)
				out->config[out->nconfig++] = part.json;
			continue;
		default:
			fail(ERR_STORE, "table %d is not known to this version", part.table);
			return row_fault(s);
		}
		if (row_read_part(&part, columns, n, cells, &s->scratch))
			return row_fault(s);
	}
	return SINK_OK;
}

/* The number of a snapshot hash; a hash not seen before gets a row. NULL stays NULL. */
static enum sink_result hash_number(struct sink *s, struct cell *c)
{
	sqlite3_stmt *st = s->statements[Q_HASH];
	enum sink_result r;
	int rc;

	if (c->type != CELL_TEXT)
		return SINK_OK;
	if (!bytes_set(s->hash_text) || !bytes_eq(c->text, s->hash_text)) {
		for (int tries = 0;; tries++) {
			bind_text(st, 1, c->text);
			rc = sqlite3_step(st);
			s->hash_n = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
			if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
				r = classify(s, rc);
				sqlite3_reset(st);
				return r;
			}
			sqlite3_reset(st);
			if (rc == SQLITE_ROW || tries)
				break;
			bind_text(s->statements[Q_HASH_NEW], 1, c->text);
			bind_text(s->statements[Q_HASH_NEW], 2, B(""));
			bind_text(s->statements[Q_HASH_NEW], 3, B("2026.6.0"));
			sqlite3_bind_int64(s->statements[Q_HASH_NEW], 4, (int64_t)clock_unix_ms());
			r = step(s, Q_HASH_NEW);
			if (r != SINK_OK)
				return r;
		}
		s->hash_text = (struct bytes){ 0 };
		if (c->text.n <= sizeof(s->hash_kept)) {
			memcpy(s->hash_kept, c->text.p, c->text.n);
			s->hash_text = (struct bytes){ s->hash_kept, c->text.n };
		}
	}
	c->type = CELL_INT;
	c->num = s->hash_n;
	return SINK_OK;
}

/* Inserts with the first free seq from *seq on. *is_new: false if the id was there. */
static enum sink_result insert_seq(struct sink *s, int q, int seq_at, int64_t *seq, bool *is_new)
{
	for (int tries = 0; tries < 40000; tries++) {
		int rc;

		sqlite3_bind_int64(s->statements[q], seq_at, *seq);
		rc = fault("sqlite.step") ? SQLITE_IOERR : sqlite3_step(s->statements[q]);
		if (rc == SQLITE_DONE) {
			*is_new = sqlite3_changes(s->db) > 0;
			sqlite3_reset(s->statements[q]);
			return SINK_OK;
		}
		if (rc != SQLITE_CONSTRAINT_PRIMARYKEY && rc != SQLITE_CONSTRAINT_ROWID) {
			enum sink_result r = classify(s, rc);

			sqlite3_reset(s->statements[q]);
			return r;
		}
		sqlite3_reset(s->statements[q]);
		++*seq;
	}
	snprintf(s->error, sizeof(s->error), "no free seq near this id");
	return SINK_ROW;
}

static struct bytes text_of(const struct cell *c)
{
	return c->type == CELL_TEXT ? c->text : (struct bytes){ 0 };
}

static int64_t int_of(const struct cell *c, int64_t missing)
{
	return c->type == CELL_INT ? c->num : missing;
}

/* A chat row without a list row (from a foreign writer): the list row that it implies. */
static void imply_list(struct cell *list, const struct cell *chat)
{
	memset(list, 0, L_CELLS * sizeof(*list));
	list[L_ID] = chat[C_ID];
	list[L_TYPE] = (struct cell){ .type = CELL_TEXT, .text = B("chat") };
	list[L_STATE] = (struct cell){ .type = CELL_TEXT, .text = B("ok") };
	list[L_TTFT] = chat[C_TTFT];
}

static enum sink_result add_tags(struct sink *s, const struct cell *list, struct bytes tags,
				 int64_t seq)
{
	sqlite3_stmt *st = s->statements[Q_TAG];
	struct bytes key, value;
	size_t pos = 0;

	while (row_next_string(tags, &pos, &key, &value, &s->scratch) > 0) {
		enum sink_result r;

		bind_text(st, 1, key);
		bind_text(st, 2, value);
		sqlite3_bind_int64(st, 3, seq);
		bind_cells(st, 4, &list[L_ID], 5);
		r = step(s, Q_TAG);
		if (r != SINK_OK)
			return r;
		s->tag_rows++;
		if (rollup_facet(s->rollup, "tag", key, (uint64_t)seq >> 15))
			return classify(s, SQLITE_NOMEM), SINK_DOWN;
	}
	return SINK_OK;
}

static enum sink_result add_sums(struct sink *s, const struct cell *l, uint64_t ms)
{
	static const struct {
		const char *dim;
		int a, b;
	} sums[] = {
		{ "function", L_FUNCTION, -1 },  { "model", L_MODEL, -1 },
		{ "provider", L_PROVIDER, -1 },  { "key", L_KEY, -1 },
		{ "surface", L_SURFACE, -1 },    { "function_variant", L_FUNCTION, L_VARIANT },
		{ "model_key", L_MODEL, L_KEY },
	};
	static const struct {
		const char *dim;
		int a;
	} facets[] = { { "variant", L_VARIANT },
		       { "state", L_STATE },
		       { "error_kind", L_ERROR_KIND } };
	struct rollup_sample x = { .error = bytes_eq(text_of(&l[L_STATE]), B("error")),
				   .cached = int_of(&l[L_CACHED], 0) != 0,
				   .priced = l[L_COST].type == CELL_INT,
				   .input_tokens = int_of(&l[L_IN], 0),
				   .output_tokens = int_of(&l[L_OUT], 0),
				   .cost_nano = int_of(&l[L_COST], 0),
				   .ms = int_of(&l[L_MS], -1),
				   .ttft_ms = int_of(&l[L_TTFT], -1) };
	char joined[402];

	for (size_t i = 0; i < sizeof(sums) / sizeof(*sums); i++) {
		struct bytes v = text_of(&l[sums[i].a]), w;

		if (!v.n)
			continue;
		if (sums[i].b >= 0) {
			w = text_of(&l[sums[i].b]);
			if (!w.n || v.n + w.n > 400)
				continue;
			memcpy(joined, v.p, v.n);
			joined[v.n] = '\t';
			memcpy(joined + v.n + 1, w.p, w.n);
			v = (struct bytes){ joined, v.n + 1 + w.n };
		}
		if (rollup_add(s->rollup, sums[i].dim, v, ms, &x))
			return classify(s, SQLITE_NOMEM), SINK_DOWN;
	}
	for (size_t i = 0; i < sizeof(facets) / sizeof(*facets); i++) {
		struct bytes v = text_of(&l[facets[i].a]);

		if (v.n && rollup_facet(s->rollup, facets[i].dim, v, ms))
			return classify(s, SQLITE_NOMEM), SINK_DOWN;
	}
	return SINK_OK;
}

/* Signet's own columns of a model inference stand in the list row's `calls`. */
static void bind_call(struct sink *s, sqlite3_stmt *st, int at, struct bytes calls, struct bytes id)
{
	struct cell *cells = s->cells; /* its first CALL_CELLS are kept for this */
	struct bytes element;
	size_t pos = 0, mark = s->scratch.len;

	while (calls.n && (s->scratch.len = mark, json_next_element(calls, &pos, &element) > 0))
		if (!row_read(element, call_columns, CALL_CELLS, cells, &s->scratch) &&
		    bytes_eq(cells[CALL_ID].text, id)) {
			bind_cells(st, at, cells + CALL_ATTEMPT, CALL_CELLS - 1);
			return;
		}
	for (int i = 0; i < CALL_CELLS - 1; i++)
		sqlite3_bind_null(st, at + i);
}

static enum sink_result add_model(struct sink *s, struct cell *m, struct bytes calls)
{
	sqlite3_stmt *st = s->statements[Q_MODEL];
	enum sink_result r = hash_number(s, &m[M_HASH]);
	size_t mark = s->scratch.len;
	struct uuid id;
	int64_t seq;
	bool is_new;

	if (r != SINK_OK)
		return r;
	if (!uuid_parse(m[M_ID].text, &id))
		return fail(ERR_STORE, "column id is no UUID"), row_fault(s);
	seq = row_seq(id);
	bind_cells(st, 1, m, M_CELLS);
	bind_call(s, st, M_CELLS + 1, calls, m[M_ID].text);
	r = insert_seq(s, Q_MODEL, M_CELLS + CALL_CELLS, &seq, &is_new);
	s->scratch.len = mark;
	s->model_rows += r == SINK_OK && is_new;
	return r;
}

static enum sink_result add_list(struct sink *s, struct cell *list, bool cut, int64_t *seq,
				 bool *is_new)
{
	sqlite3_stmt *st = s->statements[Q_LIST];
	enum sink_result r = hash_number(s, &list[L_HASH]);
	struct uuid id;

	if (r != SINK_OK)
		return r;
	if (!uuid_parse(list[L_ID].text, &id))
		return fail(ERR_STORE, "column id is no UUID"), row_fault(s);
	*seq = row_seq(id);
	bind_cells(st, 1, list, L_CALLS);
	sqlite3_bind_int(st, L_CALLS + 2, cut);
	r = insert_seq(s, Q_LIST, L_CALLS + 1, seq, is_new);
	s->list_rows += r == SINK_OK && *is_new;
	return r;
}

static enum sink_result add_bodies(struct sink *s, struct parts *p, int64_t seq)
{
	enum sink_result r = SINK_OK;

	if (p->chat) {
		r = hash_number(s, &p->chat[C_HASH]);
		if (r != SINK_OK)
			return r;
		bind_cells(s->statements[Q_CHAT], 1, p->chat, C_CELLS);
		sqlite3_bind_int64(s->statements[Q_CHAT], C_CELLS + 1, seq);
		r = step(s, Q_CHAT);
		if (r == SINK_OK) {
			s->chat_rows++;
			r = add_tags(s, p->list, p->chat[C_TAGS].text, seq);
		}
	}
	if (r == SINK_OK && p->error) {
		bind_cells(s->statements[Q_ERROR], 1, p->error, E_CELLS);
		sqlite3_bind_int64(s->statements[Q_ERROR], E_CELLS + 1, seq);
		r = step(s, Q_ERROR);
		s->error_rows += r == SINK_OK;
	}
	for (size_t i = 0; r == SINK_OK && i < p->nmodels; i++)
		r = add_model(s, p->models + i * M_CELLS, text_of(&p->list[L_CALLS]));
	return r;
}

static enum sink_result touch_config(struct sink *s, struct bytes hash, struct bytes text)
{
	sqlite3_stmt *st = s->statements[Q_HASH_NEW];

	bind_text(st, 1, hash);
	bind_text(st, 2, text.p ? text : B(""));
	bind_text(st, 3, B("2026.6.0"));
	sqlite3_bind_int64(st, 4, (int64_t)clock_unix_ms());
	return step(s, Q_HASH_NEW);
}

static enum sink_result add_configs(struct sink *s, const struct parts *p)
{
	for (size_t i = 0; i < p->nconfig; i++) {
		struct cell c[CONFIG_CELLS];
		enum sink_result r;

		if (row_read(p->config[i], config_columns, CONFIG_CELLS, c, &s->scratch))
			return row_fault(s);
		r = touch_config(s, c[0].text, c[1].text);
		if (r != SINK_OK)
			return r;
	}
	return SINK_OK;
}

enum sink_result sink_add(struct sink *s, const struct record_view *v)
{
	struct bytes payload = v->payload;
	struct parts p = { 0 };
	enum sink_result r;
	bool is_new = false;
	struct uuid id;
	int64_t seq;

	if (v->type == RECORD_END)
		return SINK_OK;
	if (v->flags & RECORD_ZSTD) {
		if (record_unpack(payload, &s->unpacked))
			return row_fault(s);
		payload = buf_bytes(&s->unpacked);
	}
	r = read_parts(s, payload, &p);
	if (r == SINK_OK && p.nconfig)
		r = add_configs(s, &p);
	if (r != SINK_OK)
		return r;
	if (!p.list && p.chat) {
		p.list = s->cells + CALL_CELLS;
		imply_list(p.list, p.chat);
	}
	if (!p.list) {
		if (p.nmodels || p.error)
			return fail(ERR_STORE, "rows without the inference that they belong to"),
			       row_fault(s);
		return SINK_OK;
	}
	list_fill(p.list, p.chat, p.nmodels ? p.models + (p.nmodels - 1) * M_CELLS : NULL);
	for (size_t i = 0; i < p.nmodels; i++) /* before the first INSERT: nothing half done */
		if (!uuid_parse(p.models[i * M_CELLS + M_ID].text, &id))
			return fail(ERR_STORE, "column id is no UUID"), row_fault(s);
	r = add_list(s, p.list, v->flags & RECORD_CUT, &seq, &is_new);
	if (r != SINK_OK || !is_new)
		return r;
	s->new_rows += 1 + (p.chat != NULL) + (p.error != NULL) + p.nmodels;
	r = add_bodies(s, &p, seq);
	return r == SINK_OK ? add_sums(s, p.list, (uint64_t)seq >> 15) : r;
}

/* ---- idle moments ---- */

enum sink_result sink_config(struct sink *s, struct bytes hash, struct bytes text)
{
	return hash.n ? touch_config(s, hash, text) : SINK_OK;
}

/* Rows are written once and read seldom: what the file grew by, now that it is on the disk, need not stay in the page
 * cache. What a reader asks for later comes in again and stays. */
static void let_pages_go(struct sink *s)
{
	struct stat st;

	if (s->fd < 0 || fstat(s->fd, &st) || st.st_size <= s->file_bytes)
		return;
	posix_fadvise(s->fd, s->file_bytes, st.st_size - s->file_bytes, POSIX_FADV_DONTNEED);
	s->file_bytes = st.st_size;
}

void sink_checkpoint(struct sink *s, bool all)
{
	int in_log = 0, moved = 0;
	int rc = sqlite3_wal_checkpoint_v2(
		s->db, NULL, all ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &in_log,
		&moved);

	if (rc == SQLITE_OK && (in_log == moved || all)) {
		s->wal_pages = 0;
		let_pages_go(s);
	} else if (rc != SQLITE_OK && (rc & 255) != SQLITE_BUSY)
		log_warn("store", "a checkpoint of signet.db failed",
			 LS("error", sqlite3_errmsg(s->db)));
}

enum sink_result sink_fold(struct sink *s, uint64_t unix_ms)
{
	enum sink_result r = sink_begin(s);
	int rc;

	if (r != SINK_OK)
		return r;
	rc = rollup_fold(s->rollup, unix_ms - 48 * 3600000ull);
	if (!rc)
		rc = rollup_flush(s->rollup);
	r = rc ? classify(s, rc) : step(s, Q_COMMIT);
	if (r != SINK_OK)
		sink_rollback(s);
	s->in_transaction = false;
	return r;
}
