/*
 * Conditions of a filter as ClickHouse's SQL. TensorZero's tables have less than a list row of Signet's: there a request that
 * failed has no row, and every row is an answer. So a condition is one of four: over InferenceById, over the answer's table,
 * over its calls, or one whose truth is the same for all rows.
 *
 * The server's own parameters ({x:String}) are read with rules that differ between its versions, so values are literals,
 * escaped so far that nothing but letters, digits and what stands beyond ASCII goes in as it is.
 */
#include "store/clickhouse_sql.h"

#include <inttypes.h>
#include <stdio.h>

#include "store/row.h"

#define LATE_S   3600 /* no call ends later than that behind its inference's beginning */
#define OF_CALLS "toUInt128(id)"

/* ---- text ---- */

void sql_init(struct clickhouse_text *s)
{
	s->failed = false;
	buf_init(&s->text, CLICKHOUSE_TEXT_MAX);
}

void sql_deinit(struct clickhouse_text *s)
{
	buf_deinit(&s->text);
}

void sql_put(struct clickhouse_text *s, const char *text)
{
	s->failed |= buf_append(&s->text, bytes_of(text)) != 0;
}

void sql_printf(struct clickhouse_text *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	s->failed |= buf_vprintf(&s->text, fmt, args) != 0;
	va_end(args);
}

void sql_string(struct clickhouse_text *s, struct bytes text)
{
	int bad = buf_putc(&s->text, '\'');

	for (size_t i = 0; i < text.n && !bad; i++) {
		unsigned char c = (unsigned char)text.p[i];
		bool plain = c >= 128 || (c >= '0' && c <= '9') ||
			     ((c | 32) >= 'a' && (c | 32) <= 'z') || c == ' ' || c == '_' ||
			     c == '-' || c == '.' || c == ':' || c == '/';

		bad = plain ? buf_putc(&s->text, (char)c) : buf_printf(&s->text, "\\x%02X", c);
	}
	s->failed |= bad || buf_putc(&s->text, '\'');
}

void sql_uuid(struct clickhouse_text *s, struct uuid id)
{
	char text[UUID_TEXT + 1];

	sql_printf(s, "toUUID('%.*s')", BFMT(uuid_text(id, text)));
}

void sql_id(struct clickhouse_text *s, struct uuid id)
{
	char text[UUID_TEXT + 1];

	sql_printf(s, "'%.*s'", BFMT(uuid_text(id, text)));
}

void sql_bound(struct clickhouse_text *s, int64_t seq)
{
	sql_put(s, "toUInt128(");
	sql_uuid(s, row_seq_id(seq));
	sql_put(s, ")");
}

/* ---- ranges ---- */

void sql_in_range(struct clickhouse_text *s, const char *id_column, struct seq_range range)
{
	if (range.from > 0) {
		sql_printf(s, " AND %s >= ", id_column);
		sql_bound(s, range.from);
	}
	if (range.to != INT64_MAX) {
		sql_printf(s, " AND %s < ", id_column);
		sql_bound(s, range.to);
	}
}

void sql_in_time(struct clickhouse_text *s, const char *id_column, struct seq_range range,
		 bool late)
{
	int64_t from = (range.from >> 15) / 1000, to = (range.to >> 15) / 1000 + 1;

	if (late && to < UINT32_MAX)
		to += LATE_S;
	if (range.from > 0 && from <= UINT32_MAX)
		sql_printf(s, " AND timestamp >= %" PRId64, from);
	if (range.to != INT64_MAX && to <= UINT32_MAX)
		sql_printf(s, " AND timestamp <= %" PRId64, to);
	sql_in_range(s, id_column, range);
}

/* ---- what a filter asks of which table ---- */

enum told_by { BY_LIST, BY_ANSWER, BY_CALLS, BY_ALL_ALIKE };

static const struct {
	enum list_cell cell;
	enum told_by by;
	const char *column;
} columns[] = {
	{ L_FUNCTION, BY_LIST, "i." N_FUNCTION },
	{ L_VARIANT, BY_LIST, "i." N_VARIANT },
	{ L_EPISODE, BY_LIST, "toString(i." N_EPISODE ")" },
	{ L_TYPE, BY_LIST, "toString(i." N_TYPE ")" },
	{ L_MS, BY_ANSWER, "i." N_MS },
	{ L_TTFT, BY_ANSWER, "i." N_TTFT },
	{ L_STREAM, BY_ANSWER, "toUInt8(i." N_TTFT " IS NOT NULL)" },
	{ L_KEY, BY_ANSWER, CLICKHOUSE_KEY },
	{ L_MODEL, BY_CALLS, "m.model" },
	{ L_PROVIDER, BY_CALLS, "m.provider" },
	{ L_IN, BY_CALLS, "m.tokens_in" },
	{ L_OUT, BY_CALLS, "m.tokens_out" },
	{ L_COST_NANO, BY_CALLS, "m.nano" },
	{ L_FINISH, BY_CALLS, "m.finish" },
	{ L_CACHED, BY_CALLS, "m.was_cached" },
};

const char *clickhouse_column(enum list_cell cell)
{
	for (size_t i = 0; i < COUNT(columns); i++)
		if (columns[i].cell == cell)
			return columns[i].column;
	return cell == L_STATE ? "'ok'" : NULL;
}

bool clickhouse_column_of_calls(enum list_cell cell)
{
	for (size_t i = 0; i < COUNT(columns); i++)
		if (columns[i].cell == cell)
			return columns[i].by == BY_CALLS;
	return false;
}

static enum told_by told_by(const struct condition *c)
{
	switch (c->kind) {
	case CONDITION_TAG:
	case CONDITION_NO_TAG: return BY_ANSWER;
	case CONDITION_STATUS:
	case CONDITION_NO_STATUS:
	case CONDITION_FALLBACK:
	case CONDITION_NEVER: return BY_ALL_ALIKE;
	case CONDITION_ANY:
	case CONDITION_NONE:
	case CONDITION_FLAG:
	case CONDITION_LEAST:
	case CONDITION_MOST: break;
	}
	for (size_t i = 0; i < COUNT(columns); i++)
		if (columns[i].cell == c->cell)
			return columns[i].by;
	return BY_ALL_ALIKE;
}

/* Every row is an answer that went well, as far as these tables know. */
static bool is_good_status(const struct condition *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (bytes_eq(c->values[i], B("ok")) || bytes_eq(c->values[i], B("200")) ||
		    bytes_eq(c->values[i], B("2xx")))
			return true;
	return false;
}

static bool holds_for_all(const struct condition *c)
{
	switch (c->kind) {
	case CONDITION_STATUS: return is_good_status(c);
	case CONDITION_NO_STATUS: return !is_good_status(c);
	case CONDITION_NONE: return true;
	case CONDITION_FLAG:
	case CONDITION_FALLBACK: return !c->number;
	default: return false;
	}
}

bool clickhouse_decides(const struct condition *c)
{
	return told_by(c) != BY_ALL_ALIKE;
}

struct clickhouse_needs clickhouse_needs(const struct read_filter *f)
{
	struct clickhouse_needs needs = { .of_answer = f->typed.n > 0,
					  .never = f->typed.n && f->side == WORDS_ERROR };

	for (size_t i = 0; i < f->n; i++) {
		enum told_by by = told_by(&f->at[i]);

		needs.of_answer |= by == BY_ANSWER;
		needs.of_calls |= by == BY_CALLS;
		needs.never |= by == BY_ALL_ALIKE && !holds_for_all(&f->at[i]);
	}
	return needs;
}

/* ---- conditions ---- */

static void put_values(struct clickhouse_text *s, const struct condition *c)
{
	sql_put(s, "(");
	for (size_t i = 0; i < c->n; i++) {
		sql_put(s, i ? "," : "");
		sql_string(s, c->values[i]);
	}
	sql_put(s, ")");
}

static void put_tag(struct clickhouse_text *s, const struct condition *c)
{
	sql_put(s, "mapContains(i." N_TAGS ",");
	sql_string(s, c->tag);
	sql_put(s, ")");
	if (!c->n)
		return;
	sql_put(s, " AND i." N_TAGS "[");
	sql_string(s, c->tag);
	sql_put(s, c->kind == CONDITION_TAG ? "] IN " : "] NOT IN ");
	put_values(s, c);
}

static void put_condition(struct clickhouse_text *s, const struct condition *c)
{
	const char *column = clickhouse_column(c->cell);

	sql_put(s, " AND (");
	switch (c->kind) {
	case CONDITION_ANY:
		sql_printf(s, "ifNull(%s IN ", column);
		put_values(s, c);
		sql_put(s, ",0)");
		break;
	case CONDITION_NONE:
		sql_printf(s, "%s IS NULL OR %s NOT IN ", column, column);
		put_values(s, c);
		break;
	case CONDITION_FLAG:
		sql_printf(s, "ifNull(%s,0) %s 0", column, c->number ? "<>" : "=");
		break;
	case CONDITION_LEAST:
	case CONDITION_MOST:
		sql_printf(s, "ifNull(%s %s %" PRId64 ",0)", column,
			   c->kind == CONDITION_LEAST ? ">=" : "<=", c->number);
		break;
	case CONDITION_TAG:
	case CONDITION_NO_TAG: put_tag(s, c); break;
	case CONDITION_STATUS:
	case CONDITION_NO_STATUS:
	case CONDITION_FALLBACK:
	case CONDITION_NEVER: sql_put(s, holds_for_all(c) ? "1" : "0"); break;
	}
	sql_put(s, ")");
}

static void put_told_by(struct clickhouse_text *s, const struct read_filter *f, enum told_by by)
{
	for (size_t i = 0; i < f->n; i++)
		if (told_by(&f->at[i]) == by)
			put_condition(s, &f->at[i]);
}

/* An episode's inferences are found by a table of their own. */
static void put_episodes(struct clickhouse_text *s, const struct read_filter *f)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct condition *c = &f->at[i];
		struct uuid id;

		if (c->kind != CONDITION_ANY || c->cell != L_EPISODE)
			continue;
		sql_put(s,
			" AND id_uint IN (SELECT id_uint FROM InferenceByEpisodeId WHERE episode_id_uint IN (0");
		for (size_t k = 0; k < c->n; k++)
			if (uuid_parse(c->values[k], &id)) {
				sql_put(s, ",toUInt128(");
				sql_uuid(s, id);
				sql_put(s, ")");
			}
		sql_put(s, "))");
	}
}

void sql_list_conditions(struct clickhouse_text *s, const struct read_filter *f,
			 struct seq_range range)
{
	static const char *const of_answers[] = { "ChatInference", "JsonInference" };
	struct clickhouse_needs needs = clickhouse_needs(f);

	put_told_by(s, f, BY_LIST);
	put_episodes(s, f);
	if (needs.of_answer) {
		sql_put(s, " AND id_uint IN (");
		for (size_t i = 0; i < COUNT(of_answers); i++) {
			sql_printf(s, "%sSELECT toUInt128(id) FROM %s AS i WHERE 1",
				   i ? " UNION ALL " : "", of_answers[i]);
			sql_in_time(s, "toUInt128(id)", range, false);
			put_told_by(s, f, BY_ANSWER);
			sql_words(s, f);
		}
		sql_put(s, ")");
	}
	if (!needs.of_calls)
		return;
	sql_put(s, " AND id_uint IN (SELECT toUInt128(m." N_INFERENCE ") FROM (");
	sql_calls_head(s);
	sql_put(s, " WHERE 1");
	sql_in_time(s, "toUInt128(" N_INFERENCE ")", range, true);
	sql_put(s, " GROUP BY " N_INFERENCE ") AS m WHERE 1");
	put_told_by(s, f, BY_CALLS);
	sql_put(s, ")");
}

void sql_wide_conditions(struct clickhouse_text *s, const struct read_filter *f)
{
	for (enum told_by by = BY_LIST; by <= BY_ALL_ALIKE; by++)
		put_told_by(s, f, by);
}

/* What is said of the calls together: the last one's names, the sum of what they took; what all cost only if it is known of each. */
void sql_calls_head(struct clickhouse_text *s)
{
	sql_put(s, "SELECT " N_INFERENCE ", argMax(" N_MODEL ", " OF_CALLS
		   ") AS model, argMax(" N_PROVIDER ", " OF_CALLS ") AS provider, sum(" N_IN
		   ") AS tokens_in, sum(" N_OUT ") AS tokens_out, if(count(" N_COST
		   ") = count(), toInt64(sum(" N_COST
		   ") * 1000000000), NULL) AS nano, tupleElement(argMax(tuple(CAST(" N_FINISH
		   ", 'Nullable(String)')), " OF_CALLS "), 1) AS finish, toUInt8(max(" N_CACHED
		   ")) AS was_cached, count() AS calls FROM ModelInference");
}

static void put_answers(struct clickhouse_text *s, const char *table, const char *type,
			struct seq_range range)
{
	sql_printf(s,
		   "SELECT id, " N_FUNCTION ", " N_VARIANT ", " N_EPISODE ", '%s' AS " N_TYPE
		   ", " N_MS ", " N_TTFT ", " N_TAGS " FROM %s WHERE 1",
		   type, table);
	sql_in_time(s, "toUInt128(id)", range, false);
}

void sql_wide(struct clickhouse_text *s, struct seq_range range, bool of_calls)
{
	sql_put(s, " FROM (");
	put_answers(s, "ChatInference", "chat", range);
	sql_put(s, " UNION ALL ");
	put_answers(s, "JsonInference", "json", range);
	sql_put(s, ") AS i");
	if (!of_calls)
		return;
	sql_put(s, " ANY LEFT JOIN (");
	sql_calls_head(s);
	sql_put(s, " WHERE 1");
	sql_in_time(s, "toUInt128(" N_INFERENCE ")", range, true);
	sql_put(s, " GROUP BY " N_INFERENCE ") AS m ON i.id = m." N_INFERENCE);
}

/* ---- words ---- */

static const char *const sides[] = { "i." N_INPUT, "i." N_OUTPUT };

/* Anywhere in the JSON, in any case. A run of letters and digits stands there as it is, whatever is escaped around it. */
static void put_run(struct clickhouse_text *s, struct bytes run, enum words_side side)
{
	bool both = side == WORDS_ANY;

	if (!run.n)
		return;
	sql_put(s, " AND (");
	for (size_t i = 0; i < COUNT(sides); i++) {
		if (!both && side != (i ? WORDS_OUTPUT : WORDS_INPUT))
			continue;
		sql_printf(s, "%spositionCaseInsensitiveUTF8(%s, ", both && i ? " OR " : "",
			   sides[i]);
		sql_string(s, run);
		sql_put(s, ") > 0");
	}
	sql_put(s, ")");
}

static bool is_ascii_word(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* Marks beyond ASCII that part words: general punctuation, that of Chinese, and full-width signs. */
static bool is_mark(struct bytes character)
{
	const unsigned char *u = (const unsigned char *)character.p;

	return (character.n == 2 && u[0] == 0xc2) ||
	       (character.n == 3 && ((u[0] == 0xe2 && u[1] <= 0x81) ||
				     (u[0] == 0xe3 && u[1] == 0x80) || (u[0] == 0xef)));
}

/* Each run of one kind of characters by itself: which of them are one word is for the closer look. */
static void put_runs(struct clickhouse_text *s, struct bytes term, enum words_side side)
{
	size_t from = 0, n;
	int kind = 0; /* 0: none, 1: ASCII, 2: beyond */

	for (size_t i = 0; i <= term.n; i += n) {
		struct bytes rest = bytes_slice(term, i, term.n);
		int is = 0;

		n = i < term.n ? utf8_length(rest) : 1;
		if (!n)
			n = 1; /* no character: it parts */
		else if (i < term.n)
			is = n == 1 ? is_ascii_word(*rest.p) : is_mark(bytes_head(rest, n)) ? 0 : 2;
		if (is == kind)
			continue;
		if (kind)
			put_run(s, bytes_slice(term, from, i - from), side);
		from = i;
		kind = is;
	}
}

void sql_words(struct clickhouse_text *s, const struct read_filter *f)
{
	struct bytes typed = f->typed, term;

	while (typed.n && words_next_wanted(&typed, &term))
		put_runs(s, term, f->side);
}
