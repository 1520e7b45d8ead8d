/*
 * One inference out of ClickHouse: where it is by InferenceById (its order is that of ids) or, by the id of a model inference,
 * by that table's index; then its answer by the sort key and its calls by theirs. What only Signet's record has of a call
 * (attempt, status, signature, spans) is nowhere there and stays null.
 */
#include "store/read_clickhouse.h"

#include "base/error.h"

/* ---- columns ---- */

/* Of one that ClickHouse keeps in another type than the record's text or number. */
static const struct {
	const char *name, *sql;
} otherwise[] = {
	{ N_ID, "toString(i." N_ID ")" },
	{ N_INFERENCE, "toString(i." N_INFERENCE ")" },
	{ N_EPISODE, "toString(i." N_EPISODE ")" },
	{ N_HASH, "toString(i." N_HASH ")" },
	{ N_TAGS, "toJSONString(i." N_TAGS ")" },
	{ N_DYNAMIC_TOOLS, "concat('[', arrayStringConcat(i." N_DYNAMIC_TOOLS ", ','), ']')" },
	{ N_PROVIDER_TOOLS, "concat('[', arrayStringConcat(i." N_PROVIDER_TOOLS ", ','), ']')" },
	{ N_PARALLEL, "toUInt8(i." N_PARALLEL ")" },
	{ N_CACHED, "toUInt8(i." N_CACHED ")" },
	{ N_FINISH, "CAST(i." N_FINISH ", 'Nullable(String)')" },
	{ N_COST, "toString(toInt64(i." N_COST " * 1000000000))" },
};
/* What JsonInference has not. */
static const enum chat_cell of_chat_alone[] = { C_DYNAMIC_TOOLS, C_PROVIDER_TOOLS, C_ALLOWED_TOOLS,
						C_TOOL_CHOICE,   C_PARALLEL,       C_TOOL_PARAMS };

static void put_column(struct clickhouse_text *s, struct bytes name)
{
	for (size_t i = 0; i < COUNT(otherwise); i++)
		if (bytes_eq(bytes_of(otherwise[i].name), name)) {
			sql_put(s, otherwise[i].sql);
			return;
		}
	sql_printf(s, "i.%.*s", BFMT(name));
}

static bool is_of_chat_alone(size_t cell)
{
	for (size_t i = 0; i < COUNT(of_chat_alone); i++)
		if (of_chat_alone[i] == cell)
			return true;
	return false;
}

/* ---- the answer ---- */

static const struct clickhouse_answers *answers_of(const struct log_entry *e)
{
	for (size_t i = 0; i < CLICKHOUSE_ANSWERS; i++)
		if (bytes_eq(clickhouse_answers[i].type, cell_text(&e->list[L_TYPE])))
			return &clickhouse_answers[i];
	return &clickhouse_answers[0];
}

static int ask(struct reader *r, struct clickhouse_text *s, struct bytes *answer, struct arena *a)
{
	int bad;

	sql_put(s, " FORMAT JSONCompactEachRow");
	bad = clickhouse_select(r, s, answer, a);
	sql_deinit(s);
	return bad > 0 ? clickhouse_too_late(r) : bad;
}

static void put_key(struct clickhouse_text *s, const struct log_entry *e)
{
	struct uuid id;

	sql_put(s, " WHERE i." N_FUNCTION " = ");
	sql_string(s, cell_text(&e->list[L_FUNCTION]));
	sql_put(s, " AND i." N_VARIANT " = ");
	sql_string(s, cell_text(&e->list[L_VARIANT]));
	if (uuid_parse(cell_text(&e->list[L_EPISODE]), &id)) {
		sql_put(s, " AND i." N_EPISODE " = ");
		sql_uuid(s, id);
	}
	sql_put(s, " AND i.id = ");
	uuid_parse(cell_text(&e->list[L_ID]), &id);
	sql_uuid(s, id);
	sql_put(s, " LIMIT 1");
}

/* 1, 0, -1. A list row that SQLite has keeps what it says; else it is filled from here. */
static int load_answer(struct reader *r, struct log_entry *e, struct arena *a)
{
	const struct clickhouse_answers *t = answers_of(e);
	bool json = t != &clickhouse_answers[0];
	struct cell c[ANSWER_CELLS + C_CELLS];
	struct clickhouse_text s;
	struct bytes answer;
	int found;

	sql_init(&s);
	clickhouse_put_answer(&s, t);
	for (size_t i = 0; i < C_CELLS; i++) {
		sql_put(&s, ", ");
		if (json && is_of_chat_alone(i))
			sql_put(&s, "NULL");
		else
			put_column(&s, chat_columns[i].name);
	}
	sql_printf(&s, " FROM %s AS i", t->table);
	put_key(&s, e);
	found = ask(r, &s, &answer, a);
	if (!found)
		found = clickhouse_next_row(&answer, c, COUNT(c), a);
	if (found <= 0)
		return found;
	if (e->remote)
		clickhouse_set_answer(e, c, a);
	memcpy(e->chat, c + ANSWER_CELLS, sizeof(e->chat));
	e->has_chat = true;
	return 1;
}

/* ---- its calls ---- */

static int load_calls(struct reader *r, struct log_entry *e, struct arena *a)
{
	struct clickhouse_text s;
	struct bytes answer;
	struct cell c[M_CELLS];
	struct uuid id;
	size_t cap = 0;
	int more;

	sql_init(&s);
	sql_put(&s, "SELECT ");
	for (size_t i = 0; i < M_CELLS; i++) {
		sql_put(&s, i ? ", " : "");
		put_column(&s, model_columns[i].name);
	}
	sql_put(&s, " FROM ModelInference AS i WHERE i." N_INFERENCE " = ");
	uuid_parse(cell_text(&e->list[L_ID]), &id);
	sql_uuid(&s, id);
	sql_put(&s, " ORDER BY toUInt128(i.id)");
	if (ask(r, &s, &answer, a))
		return -1;
	e->models = NULL;
	e->nmodels = 0;
	while ((more = clickhouse_next_row(&answer, c, COUNT(c), a)) > 0) {
		struct log_model m = { 0 };

		memcpy(m.m, c, sizeof(m.m));
		m.m[M_COST] = clickhouse_int(&c[M_COST]);
		if (!arena_push(a, e->models, e->nmodels, cap, m))
			return -1;
	}
	return more;
}

/* The list row's sums, as lists have them. */
static void sum_calls(struct log_entry *e)
{
	static const struct {
		enum list_cell list;
		enum model_cell model;
	} sums[] = { { L_IN, M_IN }, { L_OUT, M_OUT }, { L_COST_NANO, M_COST } };

	for (size_t k = 0; k < COUNT(sums); k++) {
		struct cell *to = &e->list[sums[k].list];

		*to = (struct cell){ 0 };
		for (size_t i = 0; i < e->nmodels; i++) {
			const struct cell *c = &e->models[i].m[sums[k].model];

			if (c->type != CELL_INT && to == &e->list[L_COST_NANO]) {
				*to = (struct cell){
					0
				}; /* one unknown, and nobody knows the sum */
				break;
			}
			if (c->type != CELL_INT)
				continue;
			to->num += c->num;
			to->type = CELL_INT;
		}
	}
	if (!e->nmodels)
		return;
	e->list[L_MODEL] = e->models[e->nmodels - 1].m[M_MODEL];
	e->list[L_PROVIDER] = e->models[e->nmodels - 1].m[M_PROVIDER];
	e->list[L_FINISH] = e->models[e->nmodels - 1].m[M_FINISH];
	e->list[L_CACHED] = e->models[e->nmodels - 1].m[M_CACHED];
}

int clickhouse_bodies(struct reader *r, struct log_entry *e, struct arena *a)
{
	int found = load_answer(r, e, a);

	if (found < 0 || load_calls(r, e, a))
		return -1;
	if (e->remote)
		sum_calls(e);
	return found;
}

/* ---- where it is ---- */

/* The inference that a model inference belongs to. 1, 0, -1. */
static int find_owner(struct reader *r, struct uuid id, struct uuid *owner, struct arena *a)
{
	struct clickhouse_text s;
	struct bytes answer;
	struct cell c = { 0 };
	int found;

	sql_init(&s);
	sql_put(&s, "SELECT toString(" N_INFERENCE ") FROM ModelInference WHERE id = ");
	sql_uuid(&s, id);
	sql_put(&s, " LIMIT 1");
	found = ask(r, &s, &answer, a);
	if (!found)
		found = clickhouse_next_row(&answer, &c, 1, a);
	return found > 0 ? uuid_parse(cell_text(&c), owner) : found;
}

static int find_list(struct reader *r, struct uuid id, struct log_entry *e, struct arena *a)
{
	struct clickhouse_text s;
	struct bytes answer;
	struct cell c[LIST_CELLS] = { 0 };
	int found;

	sql_init(&s);
	clickhouse_put_list(&s);
	sql_put(&s, " WHERE i.id_uint = toUInt128(");
	sql_uuid(&s, id);
	sql_put(&s, ") LIMIT 1");
	found = ask(r, &s, &answer, a);
	if (!found)
		found = clickhouse_next_row(&answer, c, COUNT(c), a);
	if (found > 0)
		clickhouse_set_list(e, c, id);
	return found;
}

int clickhouse_find(struct reader *r, struct bytes text, struct log_entry *e, struct arena *a)
{
	struct uuid id, owner;
	int found;

	if (!uuid_parse(text, &id))
		return 0;
	found = find_list(r, id, e, a);
	if (!found) {
		found = find_owner(r, id, &owner, a);
		if (found > 0)
			found = find_list(r, owner, e, a);
	}
	if (found <= 0)
		return found;
	return clickhouse_bodies(r, e, a) < 0 ? -1 : 1;
}
