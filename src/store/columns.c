/* The lists of columns.h as arrays, and the tables that they make. */
#include "store/columns.h"

#define X(cell, kind, need, missing, place) { B(N_##cell), COL_##kind, need, missing, place },
const struct column list_columns[] = { LIST_COLUMNS(X) };
const struct column chat_columns[] = { CHAT_COLUMNS(X) };
const struct column model_columns[] = { MODEL_COLUMNS(X) };
const struct column call_columns[] = { CALL_COLUMNS(X) };
const struct column error_columns[] = { ERROR_COLUMNS(X) };
const struct column config_columns[] = { CONFIG_COLUMNS(X) };
const struct column response_columns[] = { RESPONSE_COLUMNS(X) };
#undef X

const struct table tables[TABLES] = {
	[T_LIST] = { .name = "InferenceById",
		     .row = ROW_INFERENCE_BY_ID,
		     .columns = list_columns,
		     .ncolumns = L_CELLS,
		     .unique_id = true },
	[T_CHAT] = { .name = "ChatInference",
		     .row = ROW_CHAT_INFERENCE,
		     .columns = chat_columns,
		     .ncolumns = C_CELLS },
	[T_MODEL] = { .name = "ModelInference",
		      .row = ROW_MODEL_INFERENCE,
		      .columns = model_columns,
		      .ncolumns = M_CELLS,
		      .more = call_columns,
		      .nmore = CALL_CELLS,
		      .unique_id = true },
	[T_ERROR] = { .name = "RequestError",
		      .row = ROW_REQUEST_ERROR,
		      .columns = error_columns,
		      .ncolumns = E_CELLS },
	[T_TAGS] = { .name = "TagInference" },
};

enum table_id table_of_row(uint8_t row)
{
	enum table_id t = 0;

	while (t < TABLES && (tables[t].row != row || !tables[t].columns))
		t++;
	return t;
}

static void fill(struct cell *cell, const struct cell *from)
{
	if (cell->type == CELL_NULL)
		*cell = *from;
}

void list_fill(struct cell *list, const struct cell *chat, const struct cell *model)
{
	static const struct cell nothing = { .type = CELL_TEXT, .text = B("") };

	if (chat) {
		fill(&list[L_FUNCTION], &chat[C_FUNCTION]);
		fill(&list[L_VARIANT], &chat[C_VARIANT]);
		fill(&list[L_EPISODE], &chat[C_EPISODE]);
		fill(&list[L_HASH], &chat[C_HASH]);
		fill(&list[L_MS], &chat[C_MS]);
	}
	if (model) {
		fill(&list[L_MODEL], &model[M_MODEL]);
		fill(&list[L_PROVIDER], &model[M_PROVIDER]);
		fill(&list[L_IN], &model[M_IN]);
		fill(&list[L_OUT], &model[M_OUT]);
		fill(&list[L_COST_NANO], &model[M_COST]);
		fill(&list[L_FINISH], &model[M_FINISH]);
	}
	fill(&list[L_FUNCTION], &nothing);
	fill(&list[L_VARIANT], &nothing);
}
