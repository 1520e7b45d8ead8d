/*
 * The list out of ClickHouse. A page's ids come from InferenceById, whose order is that of ids, so that the newest page reads no
 * more than itself; what the list shows of them is then looked up by the keys of the other tables. A filter that those tables
 * decide is asked slice by slice of time, each four times as long as the one before: a common value is found in the first, a rare
 * one says how far it got when time is over.
 */
#include "store/read_clickhouse.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/map.h"
#include "base/time.h"

#define CHUNK       1000       /* rows looked up at once */
#define CHUNK_WORDS 20         /* with bodies, which are looked at for words ... */
#define JUDGED_MAX  (2u << 20) /* ... if both together are not longer */
#define CHUNK_BARE  20000
#define HOUR        ((int64_t)3600000 << 15)
#define PREVIEW     160

struct rows_walk {
	struct reader *r;
	const struct read_filter *f;
	struct read_page *page;
	row_fn *give;
	void *arg;
	struct arena a; /* of the chunk at hand */
	struct log_entry *at;
	bool *passed_over; /* a closer look at its words said no */
	size_t n;
	struct map by_id;
	struct uuid last; /* given or passed over */
	bool begun;
	size_t given;
	int64_t reached; /* nothing above is missing */
};

enum { OUT_OF_TIME = 2 };

/* ---- ids ---- */

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct uuid));
}

static bool is_in_journal(const struct reader *r, struct uuid id)
{
	return r->ids.n && bsearch(&id, r->ids.at, r->ids.n, sizeof(id), compare_ids);
}

int journal_ids_add(struct journal_ids *ids, struct uuid id)
{
	if (ids->n == JOURNAL_IDS)
		return 0; /* what a sink can have delivered meanwhile are the oldest */
	if (ids->n == ids->cap) {
		size_t cap = ids->cap ? ids->cap * 2 : 256;
		struct uuid *grown = realloc(ids->at, cap * sizeof(*grown));

		if (!grown)
			return fail(ERR_OUT_OF_MEMORY, "out of memory");
		ids->at = grown;
		ids->cap = cap;
	}
	ids->at[ids->n++] = id;
	ids->sorted = false;
	return 0;
}

void journal_ids_sort(struct journal_ids *ids)
{
	if (ids->n && !ids->sorted)
		qsort(ids->at, ids->n, sizeof(*ids->at), compare_ids);
	ids->sorted = true;
}

void clickhouse_put_not_in_journal(struct clickhouse_text *s, const struct reader *r,
				   const char *id_column)
{
	if (!r->ids.n)
		return;
	sql_printf(s, " AND %s NOT IN (", id_column);
	for (size_t i = 0; i < r->ids.n; i++) {
		sql_put(s, i ? "," : "");
		sql_id(s, r->ids.at[i]);
	}
	sql_put(s, ")");
}

static struct cell text_cell(struct bytes text)
{
	return (struct cell){ .type = CELL_TEXT, .text = text };
}

static struct cell int_cell(int64_t n)
{
	return (struct cell){ .type = CELL_INT, .num = n };
}

struct cell clickhouse_int(const struct cell *c)
{
	char digits[24] = "", *end;
	long long n;

	if (c->type != CELL_TEXT)
		return *c;
	if (!c->text.n || c->text.n >= sizeof(digits))
		return (struct cell){ 0 };
	memcpy(digits, c->text.p, c->text.n);
	n = strtoll(digits, &end, 10);
	return *end ? (struct cell){ 0 } : int_cell(n);
}

static size_t chunk_of(const struct rows_walk *w)
{
	size_t most = w->page->bare ? CHUNK_BARE : w->r->judge.any ? CHUNK_WORDS : CHUNK;

	return w->page->limit - w->given < most && !w->r->judge.any ? w->page->limit - w->given
								    : most;
}

void clickhouse_put_list(struct clickhouse_text *s)
{
	sql_put(s, "SELECT toString(uint_to_uuid(i.id_uint)), i." N_FUNCTION ", i." N_VARIANT
		   ", toString(i." N_EPISODE "), toString(i." N_TYPE "), toString(i." N_HASH
		   ") FROM InferenceById AS i");
}

static int ask_ids(struct rows_walk *w, struct seq_range range, size_t most, struct bytes *answer)
{
	struct clickhouse_text s;
	int bad;

	sql_init(&s);
	clickhouse_put_list(&s);
	sql_put(&s, " WHERE 1");
	sql_in_range(&s, "i.id_uint", range);
	if (w->begun) {
		sql_put(&s, " AND i.id_uint < toUInt128(");
		sql_uuid(&s, w->last);
		sql_put(&s, ")");
	}
	sql_list_conditions(&s, w->f, range);
	sql_printf(&s, " ORDER BY i.id_uint DESC LIMIT %zu FORMAT JSONCompactEachRow", most);
	bad = clickhouse_select(w->r, &s, answer, &w->a);
	sql_deinit(&s);
	return bad > 0 ? OUT_OF_TIME : bad;
}

/* A list row as far as InferenceById has it. What its tables hold are answers: a failure never got there. */
void clickhouse_set_list(struct log_entry *e, const struct cell *c, struct uuid id)
{
	*e = (struct log_entry){ .stored = true, .remote = true, .seq = row_seq(id) };
	e->list[L_ID] = c[0];
	e->list[L_FUNCTION] = c[1];
	e->list[L_VARIANT] = c[2];
	e->list[L_EPISODE] = c[3];
	e->list[L_TYPE] = c[4];
	e->list[L_HASH] = c[5];
	e->hash = cell_text(&c[5]);
	e->list[L_STATE] = text_cell(B("ok"));
	e->list[L_STATUS] = int_cell(200);
}

/* The next chunk's rows, but for those that the journal has told of. *asked: how many there were. */
static int take_ids(struct rows_walk *w, struct bytes answer, size_t *asked)
{
	struct cell c[LIST_CELLS];
	int more;

	w->at = arena_array(&w->a, struct log_entry, chunk_of(w) + 1);
	w->passed_over = arena_array(&w->a, bool, chunk_of(w) + 1);
	w->n = *asked = 0;
	if (!w->at || !w->passed_over)
		return -1;
	while ((more = clickhouse_next_row(&answer, c, COUNT(c), &w->a)) > 0) {
		struct uuid id;

		if (!uuid_parse(cell_text(&c[0]), &id) || *asked >= chunk_of(w))
			return fail(ERR_BUSY, "ClickHouse's answer is not what was asked for");
		++*asked;
		if (w->begun && !memcmp(&id, &w->last, sizeof(id)))
			continue; /* InferenceById keeps both of two equal rows until it merges them */
		w->begun = true;
		w->last = id;
		if (is_in_journal(w->r, id))
			continue;
		clickhouse_set_list(&w->at[w->n], c, id);
		if (map_put(&w->by_id, w->at[w->n].list[L_ID].text, &w->at[w->n]))
			return -1;
		w->n++;
	}
	return more;
}

/* ---- what the list shows of them ---- */

#define BLOCK_TEXTS(blocks)                                                                                                                                                                                              \
	"arrayStringConcat(arrayMap(b -> if(JSONHas(b, 'text'), JSONExtractString(b, 'text'), JSONExtractString(b, 'value')), arrayFilter(b -> JSONExtractString(b, 'type') IN ('text', 'raw_text', 'refusal'), " blocks \
	")), ' ')"
/* The last message of the user's that has text; its content may be a text alone. */
#define ASKED                                                                                                                                                        \
	"arrayLast(m -> JSONExtractString(m, 'role') = 'user' AND position(m, '\"text\"') + (JSONType(m, 'content') = 'String') > 0, JSONExtractArrayRaw(i." N_INPUT \
	", 'messages'))"
#define PREVIEW_OF_INPUT                                                                       \
	"substringUTF8(if(JSONType(" ASKED ", 'content') = 'String', JSONExtractString(" ASKED \
	", 'content'), " BLOCK_TEXTS("JSONExtractArrayRaw(" ASKED ", 'content')") "), 1, 1000)"
#define TOOL_CALLS                                                                                     \
	"arrayFilter(b -> JSONExtractString(b, 'type') = 'tool_call', JSONExtractArrayRaw(i." N_OUTPUT \
	"))"
#define CALLS_AS_TEXT                                                                                                                            \
	"arrayStringConcat(arrayMap(b -> concat(JSONExtractString(b, 'raw_name'), '(', JSONExtractString(b, 'raw_arguments'), ')'), " TOOL_CALLS \
	"), ' ')"
#define TEXTS_OF_OUTPUT BLOCK_TEXTS("JSONExtractArrayRaw(i." N_OUTPUT ")")
#define OF_JSON         "JSONExtractString(i." N_OUTPUT ", 'raw')"

const struct clickhouse_answers clickhouse_answers[CLICKHOUSE_ANSWERS] = {
	{ .type = B("chat"),
	  .table = "ChatInference",
	  .preview_in = PREVIEW_OF_INPUT,
	  .preview_out = "substringUTF8(if(" TEXTS_OF_OUTPUT " <> '', " TEXTS_OF_OUTPUT
			 ", " CALLS_AS_TEXT "), 1, 1000)",
	  .tools = "toUInt32(length(" TOOL_CALLS "))",
	  .words = "i." N_OUTPUT },
	{ .type = B("json"),
	  .table = "JsonInference",
	  .preview_in = PREVIEW_OF_INPUT,
	  .preview_out = "substringUTF8(" OF_JSON ", 1, 1000)",
	  .tools = "0",
	  .words = "concat('[{\"type\":\"text\",\"text\":', toJSONString(" OF_JSON "), '}]')" },
};

/* As the record's own previews are: one line, PREVIEW characters at most. */
static struct cell preview_of(const struct cell *c, struct arena *a)
{
	struct bytes text = cell_text(c);
	char *out = arena_alloc_raw(a, text.n + 1);
	size_t n = 0, left = PREVIEW;
	bool blank = true;

	if (!out || c->type != CELL_TEXT)
		return (struct cell){ 0 };
	for (size_t i = 0, len; i < text.n && left; i += len) {
		bool is_blank = (unsigned char)text.p[i] <= ' ';

		len = utf8_length(bytes_slice(text, i, text.n));
		len = len ? len : 1;
		if (is_blank && blank)
			continue;
		if (is_blank)
			out[n++] = ' ';
		else
			memcpy(out + n, text.p + i, len), n += len;
		blank = is_blank;
		left--;
	}
	n -= n && out[n - 1] == ' ';
	return text_cell((struct bytes){ out, n });
}

void clickhouse_set_answer(struct log_entry *e, const struct cell *c, struct arena *a)
{
	e->list[L_MS] = c[1];
	e->list[L_TTFT] = c[2];
	e->list[L_STREAM] = int_cell(c[2].type == CELL_INT);
	e->has_chat = true;
	e->chat[C_TAGS] = c[3];
	e->list[L_KEY] = c[4];
	e->list[L_PREVIEW_IN] = preview_of(&c[5], a);
	e->list[L_PREVIEW_OUT] = preview_of(&c[6], a);
	e->list[L_TOOLS] = c[7];
}

void clickhouse_put_answer(struct clickhouse_text *s, const struct clickhouse_answers *t)
{
	sql_printf(s,
		   "SELECT toString(i.id), i." N_MS ", i." N_TTFT ", toJSONString(i." N_TAGS
		   "), " CLICKHOUSE_KEY ", %s, %s, %s",
		   t->preview_in, t->preview_out, t->tools);
}

/* The sort key of the table first, so that it is used. */
static bool put_keys(struct clickhouse_text *s, const struct rows_walk *w, struct bytes type)
{
	struct uuid id;
	size_t n = 0;

	sql_put(s, " WHERE (i." N_FUNCTION ", i." N_VARIANT ", i." N_EPISODE ") IN (");
	for (size_t i = 0; i < w->n; i++) {
		const struct cell *l = w->at[i].list;

		if (!bytes_eq(cell_text(&l[L_TYPE]), type) ||
		    !uuid_parse(cell_text(&l[L_EPISODE]), &id))
			continue;
		sql_put(s, n++ ? ",(" : "(");
		sql_string(s, cell_text(&l[L_FUNCTION]));
		sql_put(s, ",");
		sql_string(s, cell_text(&l[L_VARIANT]));
		sql_put(s, ",");
		sql_id(s, id);
		sql_put(s, ")");
	}
	sql_put(s, ")");
	return n > 0;
}

/* Of all of a type; empty: of all. */
static void put_ids(struct clickhouse_text *s, const struct rows_walk *w, struct bytes type)
{
	struct uuid id;
	size_t n = 0;

	sql_put(s, "(");
	for (size_t i = 0; i < w->n; i++) {
		if (type.n && !bytes_eq(cell_text(&w->at[i].list[L_TYPE]), type))
			continue;
		uuid_parse(cell_text(&w->at[i].list[L_ID]), &id);
		sql_put(s, n++ ? "," : "");
		sql_id(s, id);
	}
	sql_put(s, ")");
}

static struct log_entry *entry_of(struct rows_walk *w, const struct cell *id)
{
	return map_get(&w->by_id, cell_text(id));
}

/* The bodies of rows that may have the words go along. One whose bodies are too long counts as it was found. */
static int judge_entry(struct rows_walk *w, struct log_entry *e, const struct cell *bodies)
{
	struct words_row row = { .input = cell_text(&bodies[0]), .output = cell_text(&bodies[1]) };
	int is = bodies[0].type == CELL_NULL ? 1 : judge_row(&w->r->judge, &row);

	w->passed_over[e - w->at] = !is;
	return is < 0 ? -1 : 0;
}

static int look_up_answers(struct rows_walk *w, const struct clickhouse_answers *t)
{
	struct clickhouse_text s;
	struct bytes answer;
	struct cell c[ANSWER_CELLS + 2];
	size_t n = w->r->judge.any ? ANSWER_CELLS + 2 : ANSWER_CELLS;
	bool any;
	int bad, more;

	sql_init(&s);
	clickhouse_put_answer(&s, t);
	if (w->r->judge.any)
		sql_printf(&s,
			   ", if(length(i." N_INPUT ") + length(i." N_OUTPUT
			   ") > %1$u, NULL, i." N_INPUT "), if(length(i." N_INPUT
			   ") + length(i." N_OUTPUT ") > %1$u, NULL, %2$s)",
			   JUDGED_MAX, t->words);
	sql_printf(&s, " FROM %s AS i", t->table);
	any = put_keys(&s, w, t->type);
	sql_put(&s, " AND i.id IN ");
	put_ids(&s, w, t->type);
	sql_put(&s, " FORMAT JSONCompactEachRow");
	bad = any ? clickhouse_select(w->r, &s, &answer, &w->a) : 0;
	sql_deinit(&s);
	if (!any || bad)
		return bad > 0 ? OUT_OF_TIME : bad;
	while ((more = clickhouse_next_row(&answer, c, n, &w->a)) > 0) {
		struct log_entry *e = entry_of(w, &c[0]);

		if (!e)
			continue;
		clickhouse_set_answer(e, c, &w->a);
		if (n > ANSWER_CELLS && judge_entry(w, e, &c[ANSWER_CELLS]))
			return -1;
	}
	return more;
}

static int look_up_calls(struct rows_walk *w)
{
	struct clickhouse_text s;
	struct bytes answer;
	struct cell c[8];
	int bad, more;

	sql_init(&s);
	sql_put(&s, "SELECT toString(" N_INFERENCE
		    "), model, provider, tokens_in, tokens_out, nano, finish, was_cached FROM (");
	sql_calls_head(&s);
	sql_put(&s, " WHERE " N_INFERENCE " IN ");
	put_ids(&s, w, (struct bytes){ 0 });
	sql_put(&s, " GROUP BY " N_INFERENCE ") FORMAT JSONCompactEachRow");
	bad = clickhouse_select(w->r, &s, &answer, &w->a);
	sql_deinit(&s);
	if (bad)
		return bad > 0 ? OUT_OF_TIME : bad;
	while ((more = clickhouse_next_row(&answer, c, COUNT(c), &w->a)) > 0) {
		struct log_entry *e = entry_of(w, &c[0]);

		if (!e)
			continue;
		e->list[L_MODEL] = c[1];
		e->list[L_PROVIDER] = c[2];
		e->list[L_IN] = clickhouse_int(&c[3]);
		e->list[L_OUT] = clickhouse_int(&c[4]);
		e->list[L_COST_NANO] = clickhouse_int(&c[5]);
		e->list[L_FINISH] = c[6];
		e->list[L_CACHED] = c[7];
	}
	return more;
}

static int look_up(struct rows_walk *w)
{
	int bad = 0;

	if (!w->n || (w->page->bare && !w->r->judge.any))
		return 0;
	for (size_t i = 0; !bad && i < CLICKHOUSE_ANSWERS; i++)
		bad = look_up_answers(w, &clickhouse_answers[i]);
	return bad || w->page->bare ? bad : look_up_calls(w);
}

/* ---- the walk ---- */

static int give_chunk(struct rows_walk *w)
{
	int r = 0;

	for (size_t i = 0; !r && i < w->n; i++) {
		w->reached = w->at[i].seq;
		if (w->passed_over[i])
			continue;
		r = w->give(&w->at[i], w->arg);
		if (!r && ++w->given >= w->page->limit)
			r = 1;
	}
	return r;
}

/* 0: all of the slice; 1: enough; 2: out of time; -1. */
static int walk_slice(struct rows_walk *w, struct seq_range range)
{
	size_t most, asked = 0;
	int r;

	do {
		struct bytes answer;

		arena_deinit(&w->a);
		map_deinit(&w->by_id);
		map_init(&w->by_id);
		most = chunk_of(w);
		r = ask_ids(w, range, most, &answer);
		if (!r)
			r = take_ids(w, answer, &asked);
		if (!r)
			r = look_up(w);
		if (!r)
			r = give_chunk(w);
	} while (!r && asked == most);
	if (!r)
		w->reached = range.from;
	return r;
}

/* Where the slice begins that ends there. */
static int64_t slice_from(int64_t to, int64_t width, int64_t from)
{
	int64_t now = (int64_t)clock_unix_ms() << 15, end = to < now ? to : now;

	return end - from <= width ? from : end - width;
}

/* Where the oldest row is, so that nobody looks for older ones. 0; 2: out of time; -1. */
static int find_oldest(struct rows_walk *w, int64_t *seq)
{
	struct clickhouse_text s;
	struct bytes answer;
	struct cell c;
	struct uuid id;
	int bad;

	sql_init(&s);
	sql_put(&s,
		"SELECT toString(uint_to_uuid(id_uint)) FROM InferenceById ORDER BY id_uint LIMIT 1 FORMAT JSONCompactEachRow");
	bad = clickhouse_select(w->r, &s, &answer, &w->a);
	sql_deinit(&s);
	if (bad)
		return bad > 0 ? OUT_OF_TIME : bad;
	bad = clickhouse_next_row(&answer, &c, 1, &w->a);
	*seq = bad > 0 && uuid_parse(cell_text(&c), &id) ? row_seq(id) : INT64_MAX;
	return bad < 0 ? -1 : 0;
}

int clickhouse_rows(struct reader *r, const struct read_filter *f, struct read_page *page,
		    row_fn *give, void *arg)
{
	struct rows_walk w = { .r = r, .f = f, .page = page, .give = give, .arg = arg };
	struct clickhouse_needs needs = clickhouse_needs(f);
	struct seq_range slice = { .to = page->before < f->to ? page->before : f->to };
	int64_t width = f->typed.n                          ? 6 * HOUR
			: needs.of_answer || needs.of_calls ? 24 * HOUR
							    : INT64_MAX;
	int64_t from = f->from, oldest = 0, begun;
	int result = 0;

	if (slice.to > r->horizon)
		slice.to = r->horizon;
	w.reached = begun = slice.to;
	arena_init(&w.a, READ_ENTRY_MAX);
	map_init(&w.by_id);
	while (!result && !needs.never && slice.to > from) {
		slice.from = slice_from(slice.to, width, from);
		result = walk_slice(&w, slice);
		slice.to = slice.from;
		width = width > INT64_MAX / 4 ? INT64_MAX : width * 4;
		if (!result && !oldest && slice.to > from) {
			result = find_oldest(&w, &oldest);
			from = oldest > from ? oldest : from;
		}
	}
	map_deinit(&w.by_id);
	arena_deinit(&w.a);
	if (result != OUT_OF_TIME)
		return result;
	if (w.reached == begun) /* going on from there would be the same again */
		return clickhouse_too_late(r);
	page->partial = true;
	page->reached = w.reached;
	return 0;
}
