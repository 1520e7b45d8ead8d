/*
 * signet.db: the tables marked core in storage §6.3. `seq` is the time and the primary key, bodies
 * stand apart from the narrow list, every index ends in seq for nothing. Columns are only ever added.
 *
 * Beyond the page: InferenceById.cut (a raw body was over its cap); the index on the key holds only
 * rows that have a key. Rollup's `step` is the width of the bucket (60 or 3600 s) that begins at `hour` (seconds, Unix).
 * TextPending has the rows whose words are not indexed yet, Progress how far what works behind has come.
 *
 * A new file is made whole; one that is there goes through the steps that it lacks (schema_change.c). What a step makes
 * is written down once: a table of its own in its step, which a new file runs too; a column in columns.h and in its step.
 */
#include "store/schema.h"

#define LIST  "InferenceById"
#define MODEL "ModelInference"
#define SEQ   "seq INTEGER PRIMARY KEY"
#define STAMP "timestamp INTEGER GENERATED ALWAYS AS (seq >> 15) VIRTUAL"
/* Around the alias of a table: its time as views show it. An index is over the same words. */
#define TIME_BEGIN "strftime('%Y-%m-%dT%H:%M:%fZ', "
#define TIME_END   "timestamp / 1000.0, 'unixepoch')"

static const char indexes[] =
	"CREATE INDEX " LIST "_variant ON " LIST "(" N_FUNCTION ", " N_VARIANT ");"
	"CREATE INDEX " LIST "_function ON " LIST "(" N_FUNCTION ");"
	"CREATE INDEX " LIST "_model ON " LIST "(" N_MODEL ");"
	"CREATE INDEX " LIST "_provider ON " LIST "(" N_PROVIDER ");"
	"CREATE INDEX " LIST "_key ON " LIST "(" N_KEY ") WHERE " N_KEY " IS NOT NULL;"
	"CREATE INDEX " LIST "_episode ON " LIST "(" N_EPISODE ");"
	"CREATE INDEX " LIST "_state ON " LIST "(" N_STATE ") WHERE " N_STATE " <> 'ok';"
	"CREATE INDEX " MODEL "_inference ON " MODEL "(" N_INFERENCE ");";

#define SUMMED                                                                                   \
	"dim TEXT NOT NULL, value TEXT NOT NULL, step INTEGER NOT NULL, hour INTEGER NOT NULL, " \
	"count INTEGER NOT NULL, errors INTEGER NOT NULL, " N_CACHED " INTEGER NOT NULL, " N_IN  \
	" INTEGER NOT NULL, " N_OUT " INTEGER NOT NULL, " N_COST_NANO " INTEGER NOT NULL, "      \
	"priced INTEGER NOT NULL, ms_sum INTEGER NOT NULL, ms BLOB NOT NULL, "                   \
	"ttft_sum INTEGER NOT NULL, ttft BLOB NOT NULL, "

/* What no row of the journal stands for. */
static const char other_tables[] =
	"CREATE TABLE TagInference("
	"key TEXT NOT NULL, value TEXT NOT NULL, seq INTEGER NOT NULL, " N_INFERENCE
	" TEXT NOT NULL, " N_FUNCTION " TEXT NOT NULL, " N_VARIANT " TEXT NOT NULL, " N_EPISODE
	" TEXT, " N_TYPE " TEXT NOT NULL, "
	"PRIMARY KEY(key, value, seq)) WITHOUT ROWID;"
	"CREATE VIEW InferenceTag AS SELECT " N_FUNCTION ", key, value, " N_INFERENCE
	" FROM TagInference;"

	"CREATE TABLE Rollup(" SUMMED "PRIMARY KEY(dim, value, step, hour)) WITHOUT ROWID;"

	"CREATE TABLE Facet("
	"dim TEXT NOT NULL, value TEXT NOT NULL, hour INTEGER NOT NULL, count INTEGER NOT NULL, "
	"PRIMARY KEY(dim, value)) WITHOUT ROWID;"

	"CREATE TABLE ConfigSnapshot("
	"n INTEGER PRIMARY KEY, " N_CONFIG
	" TEXT NOT NULL, extra_templates TEXT NOT NULL, " N_CONFIG_HASH
	" TEXT NOT NULL UNIQUE, tensorzero_version TEXT NOT NULL, "
	"created_at INTEGER NOT NULL, last_used INTEGER NOT NULL, " N_TAGS " TEXT NOT NULL);"

	"CREATE TABLE Delivered(sink TEXT PRIMARY KEY, recno INTEGER NOT NULL) WITHOUT ROWID;";

#define SCHEMA_2                                                                           \
	"CREATE TABLE Progress(what TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;" \
	"CREATE TABLE TextPending(seq INTEGER PRIMARY KEY);"

/* What a chart of a month reads: step first, for there the days stand together. And the list's rare rows. */
#define SCHEMA_3                                                                                  \
	"CREATE TABLE RollupWide(" SUMMED "PRIMARY KEY(step, dim, value, hour)) WITHOUT ROWID;"   \
	"CREATE INDEX " LIST_INDEX("surface") " ON " LIST "(" N_SURFACE ");"                      \
					      "CREATE INDEX " LIST_INDEX(                         \
						      "rare") " ON " LIST "(seq, " N_STATUS       \
							      ", " N_ERROR_KIND ", " N_FINISH     \
							      ", " N_TYPE ", " N_SIGNED           \
							      ", " N_CACHED ", " N_MS ", " N_TTFT \
							      ", " N_COST_NANO ", " N_IN          \
							      ", " N_OUT ") WHERE " RARE_ROWS ";"

/* Answers of the Responses API that are kept, found by their id. */
#define SCHEMA_5                                                                             \
	"CREATE TABLE Response(" N_ID " TEXT PRIMARY KEY, " N_KEY " TEXT, " N_CREATED        \
	" INTEGER, " N_EXPIRES " INTEGER, " N_PREVIOUS " TEXT, " N_ASKED " TEXT, " N_INPUT   \
	" TEXT, " N_OBJECT " TEXT);"                                                         \
	"CREATE INDEX Response_" N_EXPIRES " ON Response(" N_EXPIRES ");"                    \
	"CREATE INDEX Response_" N_PREVIOUS " ON Response(" N_PREVIOUS ") WHERE " N_PREVIOUS \
	" IS NOT NULL;"

/* Who asks with sqlite3(1) says `time > '2026-11-30'`. */
#define SCHEMA_7 "CREATE INDEX " LIST_INDEX("time") " ON " LIST "(" TIME_BEGIN TIME_END ");"

/* A column that is added needs no more than ALTER TABLE ... ADD COLUMN in `sql`; the views are made anew by each step. */
const struct schema_step schema_steps[] = {
	{ 2, SCHEMA_2
	  /* what was there is summed up afterwards, newest first (rollup.h) */
	  "INSERT INTO Progress(what, at) SELECT 'rollup', max(seq) + 1 FROM " LIST
	  " HAVING count(*) > 0;" },
	{ 3, SCHEMA_3 },
	{ 4, "ALTER TABLE " MODEL " ADD COLUMN " N_OTHERS " TEXT;" },
	{ 5, SCHEMA_5 },
	{ 6, "ALTER TABLE " MODEL " ADD COLUMN " N_CACHE_WRITE_1H " INTEGER;"
	     "ALTER TABLE " MODEL " ADD COLUMN " N_REASONING " INTEGER;"
	     "ALTER TABLE " MODEL " ADD COLUMN " N_PRICE " TEXT;" },
	{ 7, SCHEMA_7 },
};
const size_t schema_nsteps = COUNT(schema_steps);

/* Views, for people with sqlite3(1): the time stands behind the id, dollars are dollars, a hash is its text. */
struct shown {
	char alias;
	const struct column *column;
};
#define L(cell)    ((struct shown){ 'l', &list_columns[L_##cell] })
#define C(cell)    ((struct shown){ 'c', &chat_columns[C_##cell] })
#define M(cell)    ((struct shown){ 'm', &model_columns[M_##cell] })
#define CALL(cell) ((struct shown){ 'm', &call_columns[CALL_##cell] })
#define E(cell)    ((struct shown){ 'e', &error_columns[E_##cell] })
static const struct shown inferences[] = {
	L(ID),       L(STATE),   L(STATUS), L(ERROR_KIND), L(FUNCTION),  L(VARIANT),  L(MODEL),
	L(PROVIDER), L(SURFACE), L(STREAM), L(CACHED),     L(SIGNED),    L(ATTEMPTS), L(MS),
	L(TTFT),     L(IN),      L(OUT),    L(ESTIMATED),  L(COST_NANO), L(FINISH),   L(KEY),
	L(EPISODE),  L(HASH),    C(TAGS),   C(INPUT),      C(OUTPUT),    C(PARAMS),   E(ERROR),
};
static const struct shown model_inferences[] = {
	M(ID),     M(INFERENCE),   M(FUNCTION),       M(VARIANT), M(MODEL),  M(PROVIDER),
	M(IN),     M(OUT),         M(RESPONSE_MS),    M(TTFT),    M(CACHED), M(FINISH),
	M(COST),   CALL(ATTEMPT),  CALL(HTTP_STATUS), M(HASH),    M(SYSTEM), M(MESSAGES),
	M(OUTPUT), M(RAW_REQUEST), M(RAW_RESPONSE),
};
static const struct {
	const char *name;
	const struct shown *columns;
	size_t n;
	const char *from;
} views[] = {
	{ "inferences", inferences, COUNT(inferences),
	  LIST
	  " l LEFT JOIN ChatInference c ON c.seq = l.seq LEFT JOIN RequestError e ON e.seq = l.seq LEFT JOIN ConfigSnapshot s ON s.n = l." N_HASH },
	{ "model_inferences", model_inferences, COUNT(model_inferences),
	  MODEL " m LEFT JOIN ConfigSnapshot s ON s.n = m." N_HASH },
};

/* Each call of a provider, those that failed and were followed by another one too. What is told of these is JSON. */
#define FAILED(member) "json_extract(a.value, '$." member "')"
static const char attempts_view[] =
	"CREATE VIEW attempts AS SELECT " TIME_BEGIN "l." TIME_END " AS time, l." N_ID
	" AS " N_INFERENCE ", m." N_ATTEMPT ", CASE l." N_STATE
	" WHEN 'error' THEN 'ok' ELSE l." N_STATE " END AS " N_STATE ", m." N_MODEL
	", m." N_PROVIDER ", m." N_HTTP_STATUS ", NULL AS " N_ERROR ", m." N_IN ", m." N_OUT
	", m." N_COST_NANO " / 1e9 AS " N_COST ", m." N_RESPONSE_MS ", m." N_TTFT ", l." N_FUNCTION
	", l." N_VARIANT ", l." N_KEY " FROM " LIST " l JOIN " MODEL " m ON m." N_INFERENCE
	" = l." N_ID " WHERE m." N_CACHED " = 0 UNION ALL SELECT " TIME_BEGIN "l." TIME_END
	", l." N_ID ", a.key + 1, 'failed', " FAILED("model") ", " FAILED("provider") ", " FAILED(
		N_STATUS) ", " FAILED(N_ERROR) ", NULL, NULL, NULL, NULL, NULL, l." N_FUNCTION
					       ", l." N_VARIANT ", l." N_KEY " FROM " LIST
					       " l JOIN RequestError e ON e.seq = l.seq, json_each(e." N_ATTEMPTS
					       ") a;";

static int put(struct buf *out, const char *text)
{
	return buf_append(out, bytes_of(text));
}

/* Dollars are kept in 10^-9, and the column says so. */
static int put_name(struct buf *out, const struct column *c)
{
	return buf_append(out, c->name) || (c->kind == COL_NANO && put(out, "_nano"));
}

static const struct column *column_at(const struct table *t, unsigned place)
{
	for (size_t i = 0; i < t->ncolumns + t->nmore; i++) {
		const struct column *c =
			i < t->ncolumns ? &t->columns[i] : &t->more[i - t->ncolumns];

		if (c->place == place)
			return c;
	}
	return NULL;
}

static int create_table(const struct table *t, struct buf *out)
{
	const struct column *c;
	int bad = buf_printf(out, "CREATE TABLE %s(" SEQ, t->name);

	for (unsigned place = 1; (c = column_at(t, place)); place++) {
		bool text = c->kind == COL_TEXT || c->kind == COL_JSON;

		bad |= put(out, ", ") | put_name(out, c) | put(out, text ? " TEXT" : " INTEGER");
		if (c->need != NULLABLE || c->missing)
			bad |= put(out, " NOT NULL");
		if (t->unique_id && place == 1)
			bad |= put(out, " UNIQUE");
	}
	return bad | put(out, ", " STAMP ");");
}

static int create_view(size_t v, struct buf *out)
{
	int bad = buf_printf(out, "CREATE VIEW %s AS SELECT ", views[v].name);

	for (size_t i = 0; i < views[v].n; i++) {
		const struct column *c = views[v].columns[i].column;
		char alias = views[v].columns[i].alias;

		if (c->kind == COL_HASH)
			bad |= put(out, "s." N_CONFIG_HASH " AS " N_HASH);
		else if (c->kind == COL_NANO || c == &list_columns[L_COST_NANO])
			bad |= buf_printf(out, "%c." N_COST_NANO " / 1e9 AS " N_COST, alias);
		else
			bad |= buf_printf(out, "%c.", alias) | put_name(out, c);
		if (!i)
			bad |= buf_printf(out, ", %s%c.%s AS time", TIME_BEGIN, alias, TIME_END);
		bad |= put(out, i + 1 < views[v].n ? ", " : " FROM ");
	}
	return bad | buf_printf(out, "%s;", views[v].from);
}

int schema_create(struct buf *out)
{
	int bad = 0;

	for (size_t i = 0; i < TABLES; i++)
		if (tables[i].columns)
			bad |= create_table(&tables[i], out);
	bad |= put(out, indexes) | put(out, other_tables) | put(out, SCHEMA_2) |
	       put(out, SCHEMA_3) | put(out, SCHEMA_5) | put(out, SCHEMA_7);
	for (size_t i = 0; i < COUNT(views); i++)
		bad |= create_view(i, out);
	bad |= put(out, attempts_view);
	return bad | buf_putc(out, 0) ? -1 : 0;
}

int schema_views(struct buf *out)
{
	int bad = 0;

	for (size_t i = 0; i < COUNT(views); i++)
		bad |= buf_printf(out, "DROP VIEW IF EXISTS %s;", views[i].name) |
		       create_view(i, out);
	bad |= put(out, "DROP VIEW IF EXISTS attempts;") | put(out, attempts_view);
	return bad | buf_putc(out, 0) ? -1 : 0;
}

static int list_names(const struct column *c, size_t n, struct buf *out, size_t *count)
{
	int bad = 0;

	for (size_t i = 0; i < n; i++)
		if (c[i].place) {
			bad |= put_name(out, &c[i]) | put(out, ", ");
			++*count;
		}
	return bad;
}

int schema_insert(const struct table *t, struct buf *out)
{
	size_t n = 0;
	int bad = buf_printf(out, "INSERT INTO %s(", t->name);

	bad |= list_names(t->columns, t->ncolumns, out, &n) |
	       list_names(t->more, t->nmore, out, &n);
	bad |= put(out, "seq) VALUES(");
	while (n--)
		bad |= put(out, "?,");
	bad |= buf_printf(out, "?) ON CONFLICT(%s) DO NOTHING", t->unique_id ? N_ID : "seq");
	return bad | buf_putc(out, 0) ? -1 : 0;
}

static int select_cells(const struct column *c, size_t n, struct buf *out)
{
	int bad = 0;

	for (size_t i = 0; i < n; i++) {
		if (!c[i].place)
			bad |= put(out, "NULL");
		else if (c[i].kind == COL_HASH)
			bad |= put(out, "(SELECT " N_CONFIG_HASH
					" FROM ConfigSnapshot s WHERE s.n = t." N_HASH ")");
		else
			bad |= put(out, "t.") | put_name(out, &c[i]);
		bad |= put(out, ", ");
	}
	return bad;
}

int schema_select_list(const struct table *t, struct buf *out)
{
	int bad = put(out, "SELECT ");

	bad |= select_cells(t->columns, t->ncolumns, out) | select_cells(t->more, t->nmore, out);
	return bad | put(out, "t.seq") ? -1 : 0;
}

int schema_select(const struct table *t, const char *tail, struct buf *out)
{
	int bad = schema_select_list(t, out);

	bad |= buf_printf(out, " FROM %s t %s", t->name, tail);
	return bad | buf_putc(out, 0) ? -1 : 0;
}
