/* What rows hold: names as in storage §1.1 and §6.3, in the order of the enums in columns.h. */
#include "store/columns.h"

const struct column list_columns[] = {
	{ "id", COL_TEXT, true, NULL },
	{ "function_name", COL_TEXT, false, NULL },
	{ "variant_name", COL_TEXT, false, NULL },
	{ "episode_id", COL_TEXT, false, NULL },
	{ "function_type", COL_TEXT, false, "chat" },
	{ "snapshot_hash", COL_JSON, false, NULL },
	{ "state", COL_TEXT, false, "ok" },
	{ "status", COL_INT, false, NULL },
	{ "error_kind", COL_TEXT, false, NULL },
	{ "surface", COL_TEXT, false, NULL },
	{ "stream", COL_BOOL, false, NULL },
	{ "cached", COL_BOOL, false, NULL },
	{ "signed", COL_BOOL, false, NULL },
	{ "model_name", COL_TEXT, false, NULL },
	{ "model_provider_name", COL_TEXT, false, NULL },
	{ "key_public_id", COL_TEXT, false, NULL },
	{ "attempts", COL_INT, false, NULL },
	{ "input_tokens", COL_INT, false, NULL },
	{ "output_tokens", COL_INT, false, NULL },
	{ "estimated", COL_BOOL, false, NULL },
	{ "cost_nano", COL_INT, false, NULL },
	{ "processing_time_ms", COL_INT, false, NULL },
	{ "ttft_ms", COL_INT, false, NULL },
	{ "finish_reason", COL_TEXT, false, NULL },
	{ "tools", COL_INT, false, NULL },
	{ "preview_in", COL_TEXT, false, NULL },
	{ "preview_out", COL_TEXT, false, NULL },
	{ "calls", COL_JSON, false, NULL }, /* not a column of the table */
};

const struct column chat_columns[] = {
	{ "id", COL_TEXT, true, NULL },
	{ "function_name", COL_TEXT, true, NULL },
	{ "variant_name", COL_TEXT, true, NULL },
	{ "episode_id", COL_TEXT, true, NULL },
	{ "input", COL_JSON, true, NULL },
	{ "output", COL_JSON, true, NULL },
	{ "dynamic_tools", COL_JSON, false, "[]" },
	{ "dynamic_provider_tools", COL_JSON, false, "[]" },
	{ "allowed_tools", COL_JSON, false, NULL },
	{ "tool_choice", COL_JSON, false, NULL },
	{ "parallel_tool_calls", COL_BOOL, false, NULL },
	{ "tool_params", COL_JSON, false, "" },
	{ "inference_params", COL_JSON, false, "" },
	{ "processing_time_ms", COL_INT, false, NULL },
	{ "ttft_ms", COL_INT, false, NULL },
	{ "tags", COL_JSON, false, "{}" },
	{ "extra_body", COL_JSON, false, NULL },
	{ "snapshot_hash", COL_JSON, false, NULL },
};

const struct column model_columns[] = {
	{ "id", COL_TEXT, true, NULL },
	{ "inference_id", COL_TEXT, true, NULL },
	{ "function_name", COL_TEXT, false, "" },
	{ "variant_name", COL_TEXT, false, "" },
	{ "raw_request", COL_TEXT, true, NULL },
	{ "raw_response", COL_TEXT, true, NULL },
	{ "system", COL_TEXT, false, NULL },
	{ "input_messages", COL_JSON, true, NULL },
	{ "output", COL_JSON, true, NULL },
	{ "input_tokens", COL_INT, false, NULL },
	{ "output_tokens", COL_INT, false, NULL },
	{ "response_time_ms", COL_INT, false, NULL },
	{ "model_name", COL_TEXT, true, NULL },
	{ "model_provider_name", COL_TEXT, true, NULL },
	{ "ttft_ms", COL_INT, false, NULL },
	{ "cached", COL_BOOL, true, NULL },
	{ "cost", COL_NANO, false, NULL },
	{ "finish_reason", COL_TEXT, false, NULL },
	{ "snapshot_hash", COL_JSON, false, NULL },
	{ "provider_cache_read_input_tokens", COL_INT, false, NULL },
	{ "provider_cache_write_input_tokens", COL_INT, false, NULL },
};

const struct column call_columns[] = {
	{ "id", COL_TEXT, true, NULL },          { "attempt", COL_INT, false, NULL },
	{ "http_status", COL_INT, false, NULL }, { "signature", COL_JSON, false, NULL },
	{ "spans", COL_JSON, false, NULL },
};

const struct column error_columns[] = {
	{ "id", COL_TEXT, true, NULL },
	{ "error", COL_JSON, false, NULL },
	{ "attempts", COL_JSON, false, "[]" },
};

const struct column config_columns[] = {
	{ "hash", COL_JSON, true, NULL },
	{ "config", COL_TEXT, false, "" },
};

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
		fill(&list[L_COST], &model[M_COST]);
		fill(&list[L_FINISH], &model[M_FINISH]);
	}
	fill(&list[L_FUNCTION], &nothing);
	fill(&list[L_VARIANT], &nothing);
}
