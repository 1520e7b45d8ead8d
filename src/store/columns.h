/*
 * The columns of the journal's rows, in the order in which they are bound and selected. One list serves the
 * sink, which makes cells of JSON, and `signet log`, which reads the same cells from either.
 */
#ifndef SIGNET_STORE_COLUMNS_H
#define SIGNET_STORE_COLUMNS_H

#include "store/row.h"

extern const struct column list_columns[], chat_columns[], model_columns[], call_columns[],
	error_columns[], config_columns[];

/* InferenceById, row 64. L_CALLS is no column of the table. */
enum list_cell {
	L_ID,
	L_FUNCTION,
	L_VARIANT,
	L_EPISODE,
	L_TYPE,
	L_HASH,
	L_STATE,
	L_STATUS,
	L_ERROR_KIND,
	L_SURFACE,
	L_STREAM,
	L_CACHED,
	L_SIGNED,
	L_MODEL,
	L_PROVIDER,
	L_KEY,
	L_ATTEMPTS,
	L_IN,
	L_OUT,
	L_ESTIMATED,
	L_COST,
	L_MS,
	L_TTFT,
	L_FINISH,
	L_TOOLS,
	L_PREVIEW_IN,
	L_PREVIEW_OUT,
	L_CALLS,
	L_CELLS
};

/* What row 64 left out because the rows beside it have it (decision 0007): of the chat row and the record's last model
 * row, each NULL if there is none. */
void list_fill(struct cell *list, const struct cell *chat, const struct cell *model);

/* ChatInference, row 1. */
enum chat_cell {
	C_ID,
	C_FUNCTION,
	C_VARIANT,
	C_EPISODE,
	C_INPUT,
	C_OUTPUT,
	C_DYNAMIC_TOOLS,
	C_PROVIDER_TOOLS,
	C_ALLOWED_TOOLS,
	C_TOOL_CHOICE,
	C_PARALLEL,
	C_TOOL_PARAMS,
	C_PARAMS,
	C_MS,
	C_TTFT,
	C_TAGS,
	C_EXTRA_BODY,
	C_HASH,
	C_CELLS
};

/* ModelInference, row 3; the table has the columns of a call behind these. */
enum model_cell {
	M_ID,
	M_INFERENCE,
	M_FUNCTION,
	M_VARIANT,
	M_RAW_REQUEST,
	M_RAW_RESPONSE,
	M_SYSTEM,
	M_INPUT,
	M_OUTPUT,
	M_IN,
	M_OUT,
	M_MS,
	M_MODEL,
	M_PROVIDER,
	M_TTFT,
	M_CACHED,
	M_COST,
	M_FINISH,
	M_HASH,
	M_CACHE_READ,
	M_CACHE_WRITE,
	M_CELLS
};

/* An element of `calls` of row 64. */
enum call_cell { CALL_ID, CALL_ATTEMPT, CALL_STATUS, CALL_SIGNATURE, CALL_SPANS, CALL_CELLS };

/* RequestError, row 65. */
enum { E_ID, E_ERROR, E_ATTEMPTS, E_CELLS };

enum { CONFIG_HASH, CONFIG_TEXT, CONFIG_CELLS };

#endif
