/*
 * Counts and sums out of ClickHouse, one query each, over the rows themselves: TensorZero's views of sums have whole minutes,
 * count a row twice that was sent twice, and know neither the end of a range nor most filters. Tokens and money are those of all
 * calls of an inference; where no filter and no grouping needs both, the two tables are asked apart and not joined.
 *
 * What the journal has told of is left out by its ids: the sink may have delivered it a moment ago.
 */
#include "store/read_clickhouse.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/json.h"
#include "store/read_series.h"

static struct seq_range range_of(const struct reader *r, const struct read_filter *f)
{
	return (struct seq_range){ f->from, f->to < r->horizon ? f->to : r->horizon };
}

static bool is_none(const struct reader *r, const struct read_filter *f)
{
	struct seq_range range = range_of(r, f);

	return clickhouse_needs(f).never || range.from >= range.to;
}

/* 0: *answer; 1: out of time; -1. */
static int ask(struct reader *r, struct clickhouse_text *s, struct bytes *answer, struct arena *a)
{
	int bad;

	sql_put(s, " FORMAT JSONCompactEachRow");
	bad = clickhouse_select(r, s, answer, a);
	sql_deinit(s);
	return bad;
}

/* What is not there counts nothing. */
static uint64_t number_in(const struct cell *c)
{
	struct cell n = clickhouse_int(c);

	return n.type == CELL_INT && n.num > 0 ? (uint64_t)n.num : 0;
}

/* ---- how many ---- */

int clickhouse_count(struct reader *r, const struct read_filter *f, size_t most, size_t *n,
		     bool *partial)
{
	struct clickhouse_needs needs = clickhouse_needs(f);
	struct clickhouse_text s;
	struct bytes answer;
	struct arena a;
	struct cell c;
	int bad;

	*n = 0;
	if (is_none(r, f))
		return 0;
	sql_init(&s);
	if (needs.of_answer || needs.of_calls) {
		sql_put(&s, "SELECT count() FROM (SELECT 1");
		sql_wide(&s, range_of(r, f), needs.of_calls);
		sql_put(&s, " WHERE 1");
		sql_wide_conditions(&s, f);
		clickhouse_put_not_in_journal(&s, r, "i.id");
	} else { /* the list alone, in which equal rows stand side by side */
		sql_put(&s,
			"SELECT count() FROM (SELECT DISTINCT i.id_uint FROM InferenceById AS i WHERE 1");
		sql_in_range(&s, "i.id_uint", range_of(r, f));
		sql_list_conditions(&s, f, range_of(r, f));
		clickhouse_put_not_in_journal(&s, r, "uint_to_uuid(i.id_uint)");
	}
	if (most != SIZE_MAX)
		sql_printf(&s, " LIMIT %zu", most);
	sql_put(&s, ")");
	arena_init(&a, READ_ENTRY_MAX);
	bad = ask(r, &s, &answer, &a);
	if (bad > 0)
		*partial = true;
	else if (!bad && clickhouse_next_row(&answer, &c, 1, &a) > 0)
		*n = number_in(&c);
	else
		bad = -1;
	arena_deinit(&a);
	return bad < 0 ? -1 : 0;
}

/* ---- values of a column ---- */

static void put_values_query(struct clickhouse_text *s, const struct reader *r,
			     const struct read_filter *f, enum list_cell cell, struct bytes tag)
{
	const char *column = clickhouse_column(cell);

	if (column) {
		sql_printf(s, "SELECT %s AS value, count()", column);
	} else if (tag.n) {
		sql_put(s, "SELECT i." N_TAGS "[");
		sql_string(s, tag);
		sql_put(s, "] AS value, count()");
	} else {
		sql_put(s, "SELECT arrayJoin(mapKeys(i." N_TAGS ")) AS value, count()");
	}
	sql_wide(s, range_of(r, f),
		 clickhouse_needs(f).of_calls || clickhouse_column_of_calls(cell));
	sql_put(s, " WHERE 1");
	sql_wide_conditions(s, f);
	clickhouse_put_not_in_journal(s, r, "i.id");
	sql_printf(s, " GROUP BY value ORDER BY count() DESC, value LIMIT %d", FACETS_MAX);
}

int clickhouse_values(struct reader *r, const struct read_filter *f, enum list_cell cell,
		      struct bytes tag, value_fn *add, void *arg, bool *partial)
{
	struct clickhouse_text s;
	struct bytes answer;
	struct arena a;
	struct cell c[2];
	int bad, more = 0;

	if (is_none(r, f) || (cell != L_CELLS && !clickhouse_column(cell)))
		return 0;
	arena_init(&a, READ_ENTRY_MAX);
	sql_init(&s);
	put_values_query(&s, r, f, cell, tag);
	bad = ask(r, &s, &answer, &a);
	if (bad > 0)
		*partial = true;
	while (!bad && (more = clickhouse_next_row(&answer, c, COUNT(c), &a)) > 0) {
		c[1] = clickhouse_int(&c[1]);
		if (cell_text(&c[0]).n)
			bad = add(arg, cell_text(&c[0]), c[1].num);
	}
	arena_deinit(&a);
	return bad < 0 || more < 0 ? -1 : 0;
}

/* ---- sums ---- */

/* The step of an id, as the seconds where it begins; what lies before the first belongs to that. */
static void put_step(struct clickhouse_text *s, const struct series_question *q, const char *id)
{
	sql_printf(
		s,
		"toInt64(intDiv(greatest(toInt64(toUInt64(bitShiftRight(toUInt128(%s), 80))), %" PRIu64
		") - %" PRIu64 ", %" PRIu64 ")) AS step",
		id, q->from_s * 1000, q->from_s * 1000, q->step_s * 1000);
}

static void put_by(struct clickhouse_text *s, enum list_cell by, struct bytes tag, bool grouped)
{
	if (!grouped) {
		sql_put(s, "''");
	} else if (by != L_CELLS) {
		sql_printf(s, "ifNull(toString(%s), '')", clickhouse_column(by));
	} else {
		sql_put(s, "i." N_TAGS "[");
		sql_string(s, tag);
		sql_put(s, "]");
	}
	sql_put(s, " AS value");
}

#define TIMES(column)                                                                     \
	"toJSONString(sumMapIf([toUInt32(ifNull(" column ", 0))], [toUInt64(1)], " column \
	" IS NOT NULL))"
#define ANSWER_SUMS "count(), " TIMES("i." N_MS) ", " TIMES("i." N_TTFT)
#define CALL_SUMS   "sum(m.tokens_in), sum(m.tokens_out), sum(m.nano), countIf(m.nano IS NOT NULL)"

static int add_pair(struct numbers *to, int64_t ms, int64_t n, struct arena *a)
{
	return arena_push(a, to->at, to->n, to->cap, ms) && arena_push(a, to->at, to->n, to->cap, n)
		       ? 0
		       : -1;
}

/* [[ms, ...],[n, ...]], the numbers quoted or not. */
static int take_times(const struct cell *c, struct numbers *to, struct arena *a)
{
	yyjson_val *both = json_parse(cell_text(c), a);
	yyjson_val *ms = yyjson_arr_get(both, 0), *n = yyjson_arr_get(both, 1);
	size_t i, max;
	yyjson_val *v;

	if (!yyjson_is_arr(ms) || !yyjson_is_arr(n) || yyjson_arr_size(ms) != yyjson_arr_size(n))
		return fail(ERR_BUSY, "ClickHouse's answer is not what was asked for");
	yyjson_arr_foreach(ms, i, max, v)
	{
		yyjson_val *count = yyjson_arr_get(n, i);
		uint64_t x, y;

		if (!bytes_to_u64(bytes_set(json_str(v)) ? json_str(v) : json_raw(v), &x) ||
		    !bytes_to_u64(bytes_set(json_str(count)) ? json_str(count) : json_raw(count),
				  &y))
			return fail(ERR_BUSY, "ClickHouse's answer is not what was asked for");
		if (add_pair(to, (int64_t)x, (int64_t)y, a))
			return -1;
	}
	return 0;
}

enum { STEP, BY, ROWS, MS, TTFT, OF_ANSWER, IN = OF_ANSWER, OUT, NANO, PRICED, OF_BOTH };

static int take_part(const struct cell *c, const struct series_question *q, bool answers,
		     bool calls, struct sums_part *p, struct arena *a)
{
	const struct cell *sums = calls && !answers ? c + ROWS - IN : c;
	struct cell nano;

	*p = (struct sums_part){ .by = cell_text(&c[BY]) };
	p->unix_s = (int64_t)(q->from_s + number_in(&c[STEP]) * q->step_s);
	if (answers) {
		p->n = number_in(&c[ROWS]);
		if (take_times(&c[MS], &p->ms, a) || take_times(&c[TTFT], &p->ttft_ms, a))
			return -1;
	}
	if (!calls)
		return 0;
	p->in = number_in(&sums[IN]);
	p->out = number_in(&sums[OUT]);
	nano = clickhouse_int(&sums[NANO]);
	p->cost_nano = cell_int(&nano, 0);
	p->priced = number_in(&sums[PRICED]);
	return 0;
}

/* 0; 1: out of time; -1. */
static int run(struct reader *r, const struct series_question *q, struct clickhouse_text *s,
	       bool answers, bool calls, sums_fn *add, void *arg)
{
	size_t n = answers && calls ? OF_BOTH : answers ? OF_ANSWER : OF_BOTH - OF_ANSWER + ROWS;
	struct cell c[OF_BOTH];
	struct sums_part part;
	struct bytes answer;
	struct arena a;
	int bad, more = 0;

	arena_init(&a, READ_ENTRY_MAX);
	sql_put(s, " GROUP BY step, value");
	bad = ask(r, s, &answer, &a);
	while (!bad && (more = clickhouse_next_row(&answer, c, n, &a)) > 0)
		bad = take_part(c, q, answers, calls, &part, &a) || add(arg, &part) ? -1 : 0;
	arena_deinit(&a);
	return more < 0 ? -1 : bad;
}

static int sum_joined(struct reader *r, const struct series_question *q, enum list_cell by,
		      struct bytes tag, bool grouped, sums_fn *add, void *arg)
{
	struct clickhouse_text s;

	sql_init(&s);
	sql_put(&s, "SELECT ");
	put_step(&s, q, "i.id");
	sql_put(&s, ", ");
	put_by(&s, by, tag, grouped);
	sql_put(&s, ", " ANSWER_SUMS ", " CALL_SUMS);
	sql_wide(&s, range_of(r, &q->filter), true);
	sql_put(&s, " WHERE 1");
	sql_wide_conditions(&s, &q->filter);
	clickhouse_put_not_in_journal(&s, r, "i.id");
	return run(r, q, &s, true, true, add, arg);
}

/* Nothing is asked that one of the two tables could not tell by itself. */
static int sum_apart(struct reader *r, const struct series_question *q, sums_fn *add, void *arg)
{
	struct clickhouse_text s;
	int bad;

	sql_init(&s);
	sql_put(&s, "SELECT ");
	put_step(&s, q, "i.id");
	sql_put(&s, ", '' AS value, " ANSWER_SUMS);
	sql_wide(&s, range_of(r, &q->filter), false);
	sql_put(&s, " WHERE 1");
	clickhouse_put_not_in_journal(&s, r, "i.id");
	bad = run(r, q, &s, true, false, add, arg);
	if (bad)
		return bad;
	sql_init(&s);
	sql_put(&s, "SELECT ");
	put_step(&s, q, "m." N_INFERENCE);
	sql_put(&s, ", '' AS value, " CALL_SUMS " FROM (");
	sql_calls_head(&s);
	sql_put(&s, " WHERE 1");
	sql_in_time(&s, "toUInt128(" N_INFERENCE ")", range_of(r, &q->filter), true);
	sql_put(&s, " GROUP BY " N_INFERENCE ") AS m WHERE 1");
	clickhouse_put_not_in_journal(&s, r, "m." N_INFERENCE);
	return run(r, q, &s, false, true, add, arg);
}

int clickhouse_sums(struct reader *r, const struct series_question *q, enum list_cell by,
		    struct bytes tag, bool grouped, sums_fn *add, void *arg, bool *partial)
{
	int bad;

	if (is_none(r, &q->filter) || (grouped && by != L_CELLS && !clickhouse_column(by)))
		return 0;
	bad = grouped || q->filter.n ? sum_joined(r, q, by, tag, grouped, add, arg)
				     : sum_apart(r, q, add, arg);
	*partial |= bad > 0;
	return bad < 0 ? -1 : 0;
}
