/*
 * The parameters of ui §2, read by a table of names. A name that stands several times means any of its values, different
 * names mean all; a leading '!' means not. What cannot be read is an error that says what would be right: a filter that
 * silently shows everything misleads.
 */
#include "store/read_filter.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"
#include "base/json.h"

#define SEQ_OF(ms) ((int64_t)((ms) > MOST_MS ? MOST_MS : (ms)) * 32768)
#define MOST_MS    ((uint64_t)1 << 47)

enum taking { TAKE_TEXT, TAKE_FLAG, TAKE_LEAST, TAKE_MOST, TAKE_DOLLARS };

static const struct parameter {
	struct bytes name;
	enum taking taking;
	enum list_cell cell;
} parameters[] = {
	{ B("fn"), TAKE_TEXT, L_FUNCTION },
	{ B("variant"), TAKE_TEXT, L_VARIANT },
	{ B("model"), TAKE_TEXT, L_MODEL },
	{ B("provider"), TAKE_TEXT, L_PROVIDER },
	{ B("key"), TAKE_TEXT, L_KEY },
	{ B("episode"), TAKE_TEXT, L_EPISODE },
	{ B("surface"), TAKE_TEXT, L_SURFACE },
	{ B("type"), TAKE_TEXT, L_TYPE },
	{ B("finish"), TAKE_TEXT, L_FINISH },
	{ B(N_ERROR_KIND), TAKE_TEXT, L_ERROR_KIND },
	/* TensorZero's names */
	{ B(N_FUNCTION), TAKE_TEXT, L_FUNCTION },
	{ B(N_VARIANT), TAKE_TEXT, L_VARIANT },
	{ B(N_EPISODE), TAKE_TEXT, L_EPISODE },
	{ B(N_STREAM), TAKE_FLAG, L_STREAM },
	{ B(N_CACHED), TAKE_FLAG, L_CACHED },
	{ B(N_SIGNED), TAKE_FLAG, L_SIGNED },
	{ B("min_ms"), TAKE_LEAST, L_MS },
	{ B("max_ms"), TAKE_MOST, L_MS },
	{ B("min_ttft"), TAKE_LEAST, L_TTFT },
	{ B("min_cost"), TAKE_DOLLARS, L_COST_NANO },
	{ B("min_in"), TAKE_LEAST, L_IN },
	{ B("min_out"), TAKE_LEAST, L_OUT },
};

void filter_init(struct read_filter *f, struct arena *a)
{
	*f = (struct read_filter){ .to = INT64_MAX, .side = WORDS_ANY, .arena = a };
}

enum list_cell filter_cell(struct bytes name)
{
	for (size_t i = 0; i < COUNT(parameters); i++)
		if (parameters[i].taking == TAKE_TEXT && bytes_eq(name, parameters[i].name))
			return parameters[i].cell;
	return L_CELLS;
}

static int wrong(struct bytes name, struct bytes value, const char *wanted)
{
	return fail(ERR_INVALID_REQUEST, "%.*s=%.*s: wanted is %s", BFMT(name),
		    BFMT(bytes_head(value, 200)), wanted);
}

/* ---- times ---- */

static bool digits(struct bytes *rest, size_t n, int *out)
{
	uint64_t v;

	if (!bytes_to_u64(bytes_slice(*rest, 0, n), &v) || rest->n < n)
		return false;
	*rest = bytes_slice(*rest, n, rest->n);
	*out = (int)v;
	return true;
}

static bool mark(struct bytes *rest, const char *any)
{
	if (!rest->n || !strchr(any, *rest->p) || !*rest->p)
		return false;
	*rest = bytes_slice(*rest, 1, rest->n);
	return true;
}

/* Of a second; further digits are cut. */
static int milliseconds(struct bytes *rest)
{
	int ms = 0, unit = 100;

	if (!mark(rest, "."))
		return 0;
	for (; rest->n && *rest->p >= '0' && *rest->p <= '9'; unit /= 10) {
		ms += (*rest->p - '0') * unit;
		*rest = bytes_slice(*rest, 1, rest->n);
	}
	return ms;
}

/* "Z", "+08:00" -> seconds east. */
static bool zone(struct bytes rest, int *seconds)
{
	int sign, h, m;

	*seconds = 0;
	if (bytes_ieq(rest, B("Z")))
		return true;
	/* a blank is what becomes of a '+' that was not encoded */
	sign = rest.n && *rest.p == '-' ? -1 : 1;
	if (!mark(&rest, "+- ") || !digits(&rest, 2, &h) || !mark(&rest, ":") ||
	    !digits(&rest, 2, &m) || rest.n || h > 23 || m > 59)
		return false;
	*seconds = sign * (h * 3600 + m * 60);
	return true;
}

bool time_parse(struct bytes text, uint64_t *unix_ms)
{
	struct tm tm = { 0 };
	struct bytes rest = text;
	int east, ms;
	int64_t t;

	if (!digits(&rest, 4, &tm.tm_year) || !mark(&rest, "-") || !digits(&rest, 2, &tm.tm_mon) ||
	    !mark(&rest, "-") || !digits(&rest, 2, &tm.tm_mday) || !mark(&rest, "Tt ") ||
	    !digits(&rest, 2, &tm.tm_hour) || !mark(&rest, ":") || !digits(&rest, 2, &tm.tm_min) ||
	    !mark(&rest, ":") || !digits(&rest, 2, &tm.tm_sec))
		return false;
	ms = milliseconds(&rest);
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
	    tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60 || !zone(rest, &east))
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	t = (timegm(&tm) - east) * 1000 + ms;
	*unix_ms = t > 0 ? (uint64_t)t : 0;
	return true;
}

static int take_range(struct read_filter *f, struct bytes name, struct bytes value, uint64_t now)
{
	static const struct {
		struct bytes name;
		uint64_t minutes;
	} ranges[] = { { B("15m"), 15 },
		       { B("1h"), 60 },
		       { B("24h"), 1440 },
		       { B("7d"), 10080 },
		       { B("30d"), 43200 } };
	uint64_t ms;

	if (!bytes_eq(name, B("range"))) {
		if (!time_parse(value, &ms))
			return wrong(name, value, "a time as 2026-11-30T18:00:00Z");
		*(bytes_eq(name, B("from")) ? &f->from : &f->to) = SEQ_OF(ms);
		return 1;
	}
	for (size_t i = 0; i < COUNT(ranges); i++)
		if (bytes_eq(value, ranges[i].name)) {
			f->from = SEQ_OF(now - ranges[i].minutes * 60000);
			return 1;
		}
	return wrong(name, value, "15m, 1h, 24h, 7d or 30d");
}

/* ---- conditions ---- */

static struct condition *condition_of(struct read_filter *f, enum condition_kind kind,
				      enum list_cell cell, struct bytes tag)
{
	struct condition c = { .kind = kind, .cell = cell, .tag = tag };

	for (size_t i = 0; i < f->n; i++)
		if (f->at[i].kind == kind && f->at[i].cell == cell && bytes_eq(f->at[i].tag, tag))
			return &f->at[i];
	return arena_push(f->arena, f->at, f->n, f->cap, c) ? &f->at[f->n - 1] : NULL;
}

static int add_value(struct read_filter *f, struct condition *c, struct bytes value)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->at[i].n + 1;
	if (n > FILTER_VALUES)
		return fail(ERR_INVALID_REQUEST, "a filter of more than %d values", FILTER_VALUES);
	return c && arena_push(f->arena, c->values, c->n, c->cap, value) ? 1 : -1;
}

static int add_number(struct read_filter *f, enum condition_kind kind, enum list_cell cell,
		      int64_t number)
{
	struct condition *c = condition_of(f, kind, cell, B(""));

	if (!c)
		return -1;
	c->number = number;
	return 1;
}

static bool take_not(struct bytes *value)
{
	bool negated = bytes_starts(*value, B("!"));

	if (negated)
		*value = bytes_slice(*value, 1, value->n);
	return negated;
}

static int take_flag(struct read_filter *f, enum condition_kind kind, enum list_cell cell,
		     struct bytes name, struct bytes value)
{
	if (!bytes_eq(value, B("0")) && !bytes_eq(value, B("1")))
		return wrong(name, value, "0 or 1");
	return add_number(f, kind, cell, *value.p == '1');
}

static int take_number(struct read_filter *f, const struct parameter *p, struct bytes value)
{
	char text[40] = "", *end;
	double v;

	if (value.n && value.n < sizeof(text))
		memcpy(text, value.p, value.n);
	v = strtod(text, &end);
	if (!*text || *end || !(v >= 0) || v > 1e15)
		return wrong(p->name, value, "a number");
	return add_number(f, p->taking == TAKE_MOST ? CONDITION_MOST : CONDITION_LEAST, p->cell,
			  p->taking == TAKE_DOLLARS ? (int64_t)llround(fmin(v, 1e9) * 1e9)
						    : (int64_t)ceil(v));
}

/* "4xx", "429", "cancelled" */
static bool is_status(struct bytes v)
{
	static const struct bytes states[] = { B("ok"), B("error"), B("cancelled"),
					       B("truncated") };

	for (size_t i = 0; i < COUNT(states); i++)
		if (bytes_eq(v, states[i]))
			return true;
	return v.n == 3 && *v.p >= '1' && *v.p <= '5' &&
	       (bytes_ends(v, B("xx")) ||
		(v.p[1] >= '0' && v.p[1] <= '9' && v.p[2] >= '0' && v.p[2] <= '9'));
}

static int take_status(struct read_filter *f, struct bytes name, struct bytes value)
{
	bool negated = take_not(&value);

	if (!is_status(value))
		return wrong(name, value, "ok, error, cancelled, truncated, 4xx, 5xx or a status");
	return add_value(
		f,
		condition_of(f, negated ? CONDITION_NO_STATUS : CONDITION_STATUS, L_STATUS, B("")),
		value);
}

static int take_tag(struct read_filter *f, struct bytes tag, struct bytes value)
{
	bool negated = take_not(&value);
	struct condition *c =
		condition_of(f, negated ? CONDITION_NO_TAG : CONDITION_TAG, L_ID, tag);

	if (!c)
		return -1;
	return value.n ? add_value(f, c, value) : 1; /* tag.K= : has it */
}

static int take_named(struct read_filter *f, const struct parameter *p, struct bytes value)
{
	bool negated;

	switch (p->taking) {
	case TAKE_FLAG: return take_flag(f, CONDITION_FLAG, p->cell, p->name, value);
	case TAKE_LEAST:
	case TAKE_MOST:
	case TAKE_DOLLARS: return take_number(f, p, value);
	case TAKE_TEXT: break;
	}
	negated = take_not(&value);
	return add_value(f,
			 condition_of(f, negated ? CONDITION_NONE : CONDITION_ANY, p->cell, B("")),
			 value);
}

/* ---- words ---- */

static int take_words(struct read_filter *f, struct bytes text)
{
	text = f->typed.n ? arena_printf(f->arena, "%.*s %.*s", BFMT(f->typed), BFMT(text)) : text;
	if (text.n > FILTER_TYPED)
		return fail(ERR_INVALID_REQUEST, "q: more than %d bytes", FILTER_TYPED);
	f->typed = text;
	return bytes_set(text) ? 1 : -1;
}

static int take_sides(struct read_filter *f, struct bytes name, struct bytes value)
{
	static const struct {
		struct bytes name;
		enum words_side side;
	} sides[] = { { B("input"), WORDS_INPUT },
		      { B("output"), WORDS_OUTPUT },
		      { B("error"), WORDS_ERROR },
		      { B("all"), WORDS_ANY } };

	for (size_t i = 0; i < COUNT(sides); i++)
		if (bytes_eq(value, sides[i].name)) {
			f->side = sides[i].side;
			return 1;
		}
	return wrong(name, value, "input, output, error or all");
}

int filter_take(struct read_filter *f, struct bytes name, struct bytes value, uint64_t now)
{
	for (size_t i = 0; i < COUNT(parameters); i++)
		if (bytes_eq(name, parameters[i].name))
			return take_named(f, &parameters[i], value);
	if (bytes_eq(name, B("range")) || bytes_eq(name, B("from")) || bytes_eq(name, B("to")))
		return take_range(f, name, value, now);
	if (bytes_eq(name, B(N_STATUS)))
		return take_status(f, name, value);
	if (bytes_eq(name, B("fallback")))
		return take_flag(f, CONDITION_FALLBACK, L_ATTEMPTS, name, value);
	if (bytes_starts(name, B("tag.")) && name.n > 4)
		return take_tag(f, bytes_slice(name, 4, name.n), value);
	if (bytes_eq(name, B("q")))
		return take_words(f, value);
	if (bytes_eq(name, B("in")))
		return take_sides(f, name, value);
	/* Feedback is not recorded yet: nobody has any. */
	if (bytes_starts(name, B("metric.")))
		return add_number(f, CONDITION_NEVER, L_ID, 0);
	if (bytes_eq(name, B("demo")))
		return bytes_eq(value, B("1")) ? add_number(f, CONDITION_NEVER, L_ID, 0) : 1;
	return 0;
}

/* ---- a row of the journal ---- */

static bool is_one_of(const struct condition *c, struct bytes v)
{
	for (size_t i = 0; i < c->n; i++)
		if (bytes_eq(c->values[i], v))
			return true;
	return false;
}

static bool status_is_one_of(const struct condition *c, const struct cell *list)
{
	int64_t status = cell_int(&list[L_STATUS], 0);

	for (size_t i = 0; i < c->n; i++) {
		struct bytes v = c->values[i];
		uint64_t code;

		if (bytes_to_u64(v, &code)   ? (int64_t)code == status
		    : bytes_ends(v, B("xx")) ? status / 100 == *v.p - '0'
					     : bytes_eq(v, cell_text(&list[L_STATE])))
			return true;
	}
	return false;
}

static bool tag_matches(const struct condition *c, const struct log_entry *e, struct arena *a)
{
	yyjson_val *tags = e->has_chat ? json_parse(cell_text(&e->chat[C_TAGS]), a) : NULL;
	yyjson_val *v = json_get_n(tags, c->tag.p, c->tag.n);

	if (!v)
		return false;
	return !c->n || is_one_of(c, json_str(v)) == (c->kind == CONDITION_TAG);
}

/* A failed attempt at another provider than the one that answered last. */
static bool fell_back(const struct log_entry *e, struct arena *a)
{
	yyjson_val *all = e->has_error ? json_parse(cell_text(&e->error[E_ATTEMPTS]), a) : NULL, *v;
	size_t i, max;

	if (yyjson_is_arr(all)) {
		yyjson_arr_foreach(all, i, max, v)
		{
			struct bytes provider = json_str(json_get(v, "provider"));

			if (provider.n && !bytes_eq(provider, cell_text(&e->list[L_PROVIDER])))
				return true;
		}
	}
	return false;
}

static bool matches(const struct condition *c, const struct log_entry *e, struct arena *a)
{
	const struct cell *cell = &e->list[c->cell];

	switch (c->kind) {
	case CONDITION_ANY: return cell->type == CELL_TEXT && is_one_of(c, cell->text);
	case CONDITION_NONE: return cell->type != CELL_TEXT || !is_one_of(c, cell->text);
	case CONDITION_FLAG: return (cell_int(cell, 0) != 0) == c->number;
	case CONDITION_LEAST: return cell->type == CELL_INT && cell->num >= c->number;
	case CONDITION_MOST: return cell->type == CELL_INT && cell->num <= c->number;
	case CONDITION_STATUS: return status_is_one_of(c, e->list);
	case CONDITION_NO_STATUS: return !status_is_one_of(c, e->list);
	case CONDITION_TAG:
	case CONDITION_NO_TAG: return tag_matches(c, e, a);
	case CONDITION_FALLBACK: return fell_back(e, a) == c->number;
	case CONDITION_NEVER: return false;
	}
	return false;
}

bool filter_matches(const struct read_filter *f, const struct log_entry *e, struct arena *scratch)
{
	if (e->seq < f->from || e->seq >= f->to)
		return false;
	for (size_t i = 0; i < f->n; i++)
		if (!matches(&f->at[i], e, scratch))
			return false;
	return true;
}
